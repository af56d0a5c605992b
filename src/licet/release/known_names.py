"""Reuses name findings across builds: loads earlier ones for a page and stores new ones.

The vault stores them with a turn's segment (`vault.found_names`), in an encoding of curation's own.
Turns opened from a safety copy are searched by each build, since the copy has its own period and
key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from licet.release.curation import Curated, Document, Voice
from licet.release.decision_pages import Thread
from licet.store.connect import Pool, Transaction, transaction
from licet.vault import found_names
from licet.vault.copies import CopyPlace
from licet.vault.found_names import NamedSegment

# a text's segment, and its mark there
Marked = tuple[NamedSegment, bytes] | None


class KnownNames:
    """The findings of one page by ``finder``; if it is empty, nothing is loaded or stored."""

    def __init__(self, finder: str) -> None:
        self._finder = finder
        self._known: dict[NamedSegment, dict[bytes, bytes]] = {}
        self._fresh: dict[NamedSegment, dict[bytes, bytes]] = {}
        self._marks: list[list[Marked]] = []

    def documents(self, tx: Transaction, threads: Sequence[Thread]) -> list[Document]:
        """The documents of ``threads`` with earlier findings in their texts."""
        documents = [thread.document for thread in threads]
        if not self._finder or not documents:
            return documents
        self._marks = [list(_marked(thread)) for thread in threads]
        segments = list(
            dict.fromkeys(
                marked[0] for marks in self._marks for marked in marks if marked is not None
            )
        )
        self._known = dict(zip(segments, found_names.load(tx, segments, self._finder), strict=True))
        return [
            msgspec.structs.replace(document, known=tuple(map(self._found_before, marks)))
            for document, marks in zip(documents, self._marks, strict=True)
        ]

    def collect(self, curated: Sequence[Curated]) -> None:
        """Collects curation's new findings in the documents, in order."""
        for marks, made in zip(self._marks, curated, strict=bool(self._marks)):
            for marked, packed in zip(marks, made.found, strict=False):
                if marked is not None and packed and self._found_before(marked) != packed:
                    segment, mark = marked
                    self._fresh.setdefault(segment, {})[mark] = packed

    def store(self, pool: Pool) -> None:
        """Stores the new findings, once the page is committed."""
        if self._fresh:
            records = [
                (segment, self._known[segment] | fresh) for segment, fresh in self._fresh.items()
            ]
            with transaction(pool) as tx:
                found_names.save(tx, records, self._finder)

    def _found_before(self, marked: Marked) -> bytes:
        return self._known[marked[0]].get(marked[1], b"") if marked is not None else b""


def _marked(thread: Thread) -> Iterator[Marked]:
    """The mark of each text of the thread's document, in order."""
    document = thread.document
    for text, voice, segment in zip(
        document.texts, document.voices, _segments(thread), strict=True
    ):
        read = segment is not None and voice is not Voice.name and text
        yield (segment, segment.mark(text)) if segment is not None and read else None


def _segments(thread: Thread) -> Iterator[NamedSegment | None]:
    """The segment of each text of the thread's document: two texts a turn, and two a call."""
    for part in thread.parts:
        segment = None
        if part.permit.place is CopyPlace.vault:
            segment = NamedSegment(
                account=thread.row.account_id,
                conversation=thread.row.conversation_id,
                segment=part.turns.segment,
                slot=part.permit.slot,
                key=part.key,
            )
        for content in part.contents:
            yield from [segment] * (2 + 2 * len(content.tool_calls))

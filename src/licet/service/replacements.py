"""Shows staff the names replaced in a release: original text beside its replacement.

The rules are those of a review (`release.sample`): reviewers and the privacy officer read; rows are
drawn from those still permitted; each reading is recorded in the transaction that opens the row,
and its person sees it. The original is opened by a build's decision and curated again; a row that
would be curated differently now is not shown.

Marking a replacement as no name is counted (`release.shown_replacements`); the release does not
change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from licet.errors import DeniedError, RefusedError, UsageError
from licet.masked import Masked
from licet.release import registry, sample, shown_replacements, signatures
from licet.release.decision_pages import (
    DecisionPage,
    Thread,
    ThreadPart,
    build_document,
    row_messages,
)
from licet.release.rows import Payload
from licet.release.shown_replacements import MarkCounts, PlaceRef
from licet.release.signatures import StaffMember
from licet.service.slice_sample import SliceReading, draw_rows
from licet.store.connect import transaction
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies

if TYPE_CHECKING:  # numpy and Arrow are loaded by the first preview, not by the server
    from licet.curate.deidentify import Substitution
    from licet.curate.preview_engine import PreviewEngine

ROWS, ROWS_MAX = 5, 20
PLACES_MAX = 20  # in a row
AROUND_CHARS = 60  # on each side of a replacement


class ReplacedPlace(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A replacement: ``said`` is the original and ``leaves`` the release's text, each as text
    before, the name, and text after.
    """

    row: int
    place: int
    kind: str
    said: tuple[str, str, str]
    leaves: tuple[str, str, str]
    no_name: bool = False


class ReplacementsRead(msgspec.Struct, frozen=True, kw_only=True):
    """The ``places`` of ``rows`` rows; ``differ`` more rows were drawn, but would be curated
    differently now.
    """

    rows: int
    differ: int
    places: tuple[ReplacedPlace, ...]


def read_replacements(
    installation: Installation, name: str, reader: StaffMember, rows: int = ROWS
) -> ReplacementsRead:
    """Draws ``rows`` rows with a replaced name, opens their originals and records the reading.

    DeniedError for staff who may not read rows; BusyError while previews are made.
    """
    from licet.service import preview  # loads curation

    if not 1 <= rows <= ROWS_MAX:
        raise UsageError(f"from 1 to {ROWS_MAX} rows are read at a time, not `{rows}`")
    role = signatures.reader_role(reader)
    copy, now = signatures.find_copy(installation, name), installation.clock()
    ticket = f"replacements-{uuid7(now, installation.keyring.random(10)).hex}"
    with preview.alone(), transaction(installation.pool) as tx:
        reading = SliceReading(tx, copy, load_policies(installation), now)
        engine = preview.engine_of(installation)
        _, _, drawn = draw_rows(
            installation,
            reading,
            rows,
            lambda row: bool(shown_replacements.KINDS & set(row.replaced)),
        )
        found = {
            ordinal: _places(installation, engine, reading, ordinal, payload)
            for ordinal, payload in sorted(drawn, key=itemgetter(0))
        }
        marked = shown_replacements.marked(tx, copy.known.release_id)
        places = list[ReplacedPlace]()
        for ordinal, own in found.items():
            if own is None:
                continue
            sample.note_reading(
                tx,
                copy,
                ordinal,
                ticket,
                now,
                staff=reader.staff_id,
                role=role,
                random=installation.keyring.random,
            )
            places += [
                msgspec.structs.replace(
                    replaced_place,
                    no_name=PlaceRef(replaced_place.row, replaced_place.place) in marked,
                )
                for replaced_place in own
            ]
        shown = [(PlaceRef(place.row, place.place), place.kind) for place in places]
        shown_replacements.note_shown(
            tx, copy.known.release_id, shown, staff=reader.staff_id, now=now
        )
    differ = sum(own is None for own in found.values())
    return ReplacementsRead(rows=len(found) - differ, differ=differ, places=tuple(places))


def mark_replacement(
    installation: Installation,
    name: str,
    reader: StaffMember,
    ref: PlaceRef,
    *,
    no_name: bool = True,
) -> Mapping[str, MarkCounts]:
    """Marks a place that the reader was shown as no name, or removes the mark; returns the
    release's counts.

    RefusedError for a place that the reader was not shown.
    """
    signatures.reader_role(reader)
    copy = signatures.find_copy(installation, name)
    with transaction(installation.pool) as tx:
        at = installation.clock() if no_name else None
        if not shown_replacements.mark(
            tx, copy.known.release_id, ref, staff=reader.staff_id, now=at
        ):
            raise RefusedError(
                f"place `{ref.place}` of row `{ref.row}` is none that `{reader.email}` was "
                "shown last",
                "read it first",
                because="not_read",
            )
        return shown_replacements.counts(tx, copy.known.release_id)


def count_replacements(installation: Installation, release: UUID) -> Mapping[str, MarkCounts]:
    """Counts a release's shown and marked replacements, by kind."""
    with transaction(installation.pool) as tx:
        return shown_replacements.counts(tx, release)


def _places(
    installation: Installation,
    engine: PreviewEngine,
    reading: SliceReading,
    ordinal: int,
    payload: Payload,
) -> list[ReplacedPlace] | None:
    """Returns the places of a row; None if its source would not become this row now."""
    from licet.service import preview  # loads curation

    tx, copy, versions, now = reading
    (source,) = registry.rows_at(tx, copy.known.release_id, [ordinal])
    page = DecisionPage(
        tx, [(source.account, source.conversation)], versions, copy.known.purpose, now
    )
    try:
        size = page.content_bytes(tx, installation.keyring, preview.A_REQUEST.bytes_max)
        threads = (
            page.threads(tx, installation.keyring) if size <= preview.A_REQUEST.bytes_max else []
        )
    except DeniedError:  # erased since the decision
        return None
    held = [message["content"] for message in payload.messages]
    for thread in threads:
        parts = list(_first_turns(thread.parts, len(held)))
        name = parts[0].contents[0].thread
        made = build_document(thread.row, name, parts, thread.document.key)
        ((curated, replaced),) = engine.curate([made], installation.keyring.random(32))
        cut = thread._replace(parts=parts, document=made)
        if [message.content for message in row_messages(parts, curated.texts)] == held:
            return list(_of_row(ordinal, cut, curated.texts, replaced))
    return None


def _first_turns(parts: Sequence[ThreadPart], limit: int) -> Iterator[ThreadPart]:
    """Yields the first ``limit`` turns of a thread."""
    for part in parts:
        if limit > 0:
            yield part.select(range(min(limit, len(part.contents))))
        limit -= len(part.contents)


def _of_row(
    ordinal: int, thread: Thread, leaves: Sequence[str], replaced: Sequence[Sequence[Substitution]]
) -> Iterator[ReplacedPlace]:
    number = 0
    for text, made, own in zip(thread.document.texts, leaves, replaced, strict=True):
        moved = 0
        for span, instead in own:
            start, end = span.start + moved, span.start + moved + len(instead)
            moved += len(instead) - (span.end - span.start)
            if (
                span.kind.value not in shown_replacements.KINDS
                or text[span.start : span.end] == instead
            ):
                continue
            if number < PLACES_MAX:
                yield ReplacedPlace(
                    row=ordinal,
                    place=number,
                    kind=span.kind.value,
                    said=_around(text, span.start, span.end),
                    leaves=_around(made, start, end),
                )
            number += 1


def _around(text: str, start: int, end: int) -> tuple[str, str, str]:
    return (
        text[max(0, start - AROUND_CHARS) : start],
        text[start:end],
        text[end : end + AROUND_CHARS],
    )

"""Incremental builds: reuses the curated rows of an earlier release, the base.

Only the work of curation is reused: texts with surrogates, counts of replacements, and labels.
Every row is still decided under the policy in force now, and registered, sealed and proved under a
new id and key, so the rows equal, byte for byte, those of a build without a base.

A row is reused if it has the same sources under the same keys, and the base's row opens with them.
Surrogates are drawn with the conversation's key, which must be the same too. Everything else is
curated again: conversations with new turns, rows with an ended source, duplicates that lost then
and are elected now.

A base with another curation plan or software version, a purged one, or one that differs from what
was sealed is not used at all: the build reports why and curates every row. So are the rows of a
part that does not match the manifest.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import msgspec

from licet.errors import BrokenError, DeniedError, LicetError
from licet.release import manifest, registry
from licet.release.curation import Curated
from licet.release.decision_pages import Thread, ThreadSources
from licet.release.manifest import ReleaseManifest
from licet.release.part import PartPromise, PartReader, RowGroup, open_verified
from licet.release.registry import Release
from licet.release.row_keys import open_row, row_key
from licet.release.row_runs import RowSources
from licet.release.rows import Labels, Payload, derive_row_id, surrogates_mark
from licet.store.connect import Transaction


class BaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that a reusable base must share."""

    purpose: str
    plan: str
    software: str
    rules: str
    names: manifest.NamesPin | msgspec.UnsetType


class BaseRelease:
    """A sealed release whose rows are reused, and its open part."""

    def __init__(
        self, folder: Path, release: Release, promised: ReleaseManifest, says: Callable[[str], None]
    ) -> None:
        self.folder, self.known, self.promised = folder, release, promised
        self._parts = _Parts(folder, promised.parts, says)

    def find_reusable(self, tx: Transaction, threads: Sequence[Thread]) -> dict[int, Curated]:
        """The reusable results for the ``threads`` of one page, by position."""
        if not threads:
            return {}
        ends = [
            (thread.row.account_id, thread.row.conversation_id)
            for thread in (threads[0], threads[-1])
        ]
        known = {
            (row.conversation, row.keys, row.sources): row
            for row in registry.rows_within(tx, self.known.release_id, *ends)
        }
        found = {}
        for number, thread in enumerate(threads):
            row = known.get((thread.row.conversation_id, tuple(thread.of.keys), thread.of.sources))
            payload = self._open_row(row, thread.of) if row is not None else None
            if payload is not None and self._is_alike(payload, thread):
                found[number] = _as_curated(payload)
        return found

    def _open_row(self, row: RowSources, sources: ThreadSources) -> Payload | None:
        sealed = self._parts.sealed(row.ordinal)
        if sealed is None:
            return None
        release = self.known.release_id.bytes
        row_id = derive_row_id(release, row.ordinal)
        try:
            return open_row(
                sealed, row_key(list(sources.keys.values()), release, row_id), release, row_id
            )
        # a segment has another key by now, so its text may differ
        except (BrokenError, DeniedError):
            return None

    def _is_alike(self, payload: Payload, thread: Thread) -> bool:
        if payload.kind is not thread.row.state.kind or len(payload.messages) != thread.turns:
            return False
        mark = surrogates_mark(self.known.release_id.bytes, thread.document.key)
        return not payload.replaced or payload.surrogates == mark

    def close(self) -> None:
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_base(
    folder: Path, release: Release, settings: BaseSettings
) -> tuple[ReleaseManifest | None, str]:
    """The manifest of a usable base, or None and why it is not usable."""
    try:
        promised, sha256 = manifest.read_manifest(folder)
    except LicetError as error:
        return None, f"its manifest {error}"
    curation = promised.curation
    made = promised.deidentification
    reasons = {
        "it was never sealed": release.state != "sealed",
        "its manifest is not the one that was sealed": release.manifest_sha256
        != bytes.fromhex(sha256),
        "it was purged, so that its parts are not those of its manifest": (
            folder / "purge-1.json"
        ).exists(),
        "it is for another purpose": promised.purpose != settings.purpose,
        "it was built by another version of Licet": promised.licet != settings.software,
        "it was curated otherwise": (curation.plan if curation is not msgspec.UNSET else "")
        != settings.plan
        or made.sha256 != settings.rules
        or made.names != settings.names,
    }
    why = next((why for why, is_so in reasons.items() if is_so), "")
    return (None if why else promised), why


def _as_curated(payload: Payload) -> Curated:
    texts: list[str] = []
    for message in payload.messages:
        texts += [message["content"], message.get("tools") or message.get("name", "")]
        for call in message.get("tool_calls", ()):
            texts += [call["function"]["name"], call["function"]["arguments"]]
    labels = None if payload.labels is msgspec.UNSET else msgspec.convert(payload.labels, Labels)
    return Curated(texts=texts, replaced=payload.replaced, labels=labels)


class _Parts:
    """The sealed rows of parts by ordinal; one part and one row group of it are open at a time."""

    def __init__(
        self, folder: Path, parts: Sequence[PartPromise], says: Callable[[str], None]
    ) -> None:
        self._folder, self._parts, self._says = folder, parts, says
        self._firsts = [part.first_ordinal for part in parts]
        self._open, self._number = ExitStack(), -1
        self._reader: PartReader | None = None
        self._groups: dict[int, int] = {}  # by ordinal, of the open part
        self._group: tuple[int, dict[int, bytes]] = (-1, {})

    def sealed(self, ordinal: int) -> bytes | None:
        """The sealed row; None if its part does not match the manifest, reported once a part."""
        number = bisect_right(self._firsts, ordinal) - 1
        if number < 0:
            return None
        if number != self._number:
            self._open_part(number)
        if self._reader is None or ordinal not in self._groups:
            return None
        group = self._groups[ordinal]
        if self._group[0] != group:
            read: RowGroup = self._reader.group(group)
            self._group = group, dict(zip(read.ordinals, read.sealed, strict=True))
        return self._group[1][ordinal]

    def _open_part(self, number: int) -> None:
        self.close()
        self._number, self._groups, self._group = number, {}, (-1, {})
        try:
            self._reader = PartReader(
                self._open.enter_context(open_verified(self._folder, self._parts[number]))
            )
            for group in range(self._reader.groups):
                self._groups |= dict.fromkeys(self._reader.ordinals(group), group)
        except BrokenError as error:
            self._reader = None
            self._says(f"builds the rows of a part of the base again: {error}")

    def close(self) -> None:
        self._open.close()
        self._reader, self._number = None, -1

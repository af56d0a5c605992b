"""Draws random rows of a slice of a release and opens them for staff, to show what a label filter
selects.

The rules are those of a review (`release.sample`): reviewers and the privacy officer read; a row is
opened by the present decision; each reading is recorded in the transaction that opens the row, and
its person sees it. Nothing is judged: for a bound, draw a review sample.

The slice is searched in at most 2,000 rows of eight parts, by their labels alone. Rows can also be
read by number, as duplicate figures name them (`release.duplicates`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from random import Random
from typing import NamedTuple

import msgspec

from licet.errors import UsageError
from licet.policy.file import Policies
from licet.release import sample, signatures
from licet.release.rows import MessageShape, Payload
from licet.release.sample import ReleaseCopy
from licet.release.signatures import StaffMember
from licet.release.stats import NONE
from licet.store.connect import Transaction, transaction
from licet.train.label_filter import LabelFilter
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies

SLICE_ROWS, SLICE_ROWS_MAX = 5, 50


class SliceRow(msgspec.Struct, frozen=True, kw_only=True):
    """An opened row, with the labels that most filters name."""

    ordinal: int
    split: str
    language: str
    topic: str
    messages: list[MessageShape]

    def __repr__(self) -> str:
        return f"SliceRow({self.ordinal}, sealed, {len(self.messages)} messages)"


class SliceRead(msgspec.Struct, frozen=True, kw_only=True):
    """``matching`` of the ``scanned`` rows are in the slice; ``rows`` of these were opened."""

    scanned: int
    matching: int
    rows: tuple[SliceRow, ...]


def read_slice(
    installation: Installation, name: str, reader: StaffMember, where: str, rows: int = SLICE_ROWS
) -> SliceRead:
    """Draws ``rows`` rows whose labels match ``where`` (`train.label_filter`), opens them and
    records the reading.

    DeniedError for staff who may not read rows; UsageError for an invalid filter.
    """
    if not 1 <= rows <= SLICE_ROWS_MAX:
        raise UsageError(f"from 1 to {SLICE_ROWS_MAX} rows are read at a time, not `{rows}`")
    matches = LabelFilter(where)

    def select(payload: Payload) -> bool:
        if payload.labels is msgspec.UNSET:
            raise UsageError(f"release `{name}` has no labels to filter by", "build it again")
        return matches(payload.labels)

    def open_rows(reading: SliceReading) -> SliceRead:
        scanned, matching, drawn = draw_rows(installation, reading, rows, select)
        return SliceRead(
            scanned=scanned, matching=matching, rows=tuple(_row(*row) for row in drawn)
        )

    return _on_record(installation, name, reader, open_rows)


def read_rows(
    installation: Installation, name: str, reader: StaffMember, ordinals: Collection[int]
) -> SliceRead:
    """Opens the rows with these ordinals and records the reading; leaves unusable rows out.

    DeniedError for staff who may not read rows.
    """
    if not 1 <= len(ordinals) <= SLICE_ROWS_MAX:
        raise UsageError(
            f"from 1 to {SLICE_ROWS_MAX} rows are read at a time, not `{len(ordinals)}`"
        )

    def open_rows(reading: SliceReading) -> SliceRead:
        opened = sample.open_ordinals(
            reading.tx, installation.keyring, reading.copy, reading.versions, reading.now, ordinals
        )
        rows = tuple(_row(*row) for row in opened)
        return SliceRead(scanned=len(ordinals), matching=len(rows), rows=rows)

    return _on_record(installation, name, reader, open_rows)


class SliceReading(NamedTuple):
    """The context in which rows are opened."""

    tx: Transaction
    copy: ReleaseCopy
    versions: Policies
    now: datetime


def draw_rows(
    installation: Installation, reading: SliceReading, rows: int, select: Callable[[Payload], bool]
) -> tuple[int, int, list[tuple[int, Payload]]]:
    """Draws ``rows`` selected rows by reservoir sampling, which keeps no other text.

    Returns the numbers of scanned and of selected rows, and the drawn ones.
    """
    random = Random(int.from_bytes(installation.keyring.random(32)))  # noqa: S311 securely seeded
    scanned = matching = 0
    drawn = list[tuple[int, Payload]]()
    for row in sample.scan_rows(
        reading.tx, installation.keyring, reading.copy, reading.versions, reading.now, random
    ):
        scanned += 1
        if select(row[1]):
            matching += 1
            if (place := len(drawn) if len(drawn) < rows else random.randrange(matching)) < rows:
                drawn[place : place + 1] = [row]
    return scanned, matching, drawn


def _on_record(
    installation: Installation,
    name: str,
    reader: StaffMember,
    find: Callable[[SliceReading], SliceRead],
) -> SliceRead:
    """Returns what ``find`` opens, and records a reading of each row in the same transaction."""
    role = signatures.reader_role(reader)
    copy, now = signatures.find_copy(installation, name), installation.clock()
    ticket = f"slice-{uuid7(now, installation.keyring.random(10)).hex}"
    with transaction(installation.pool) as tx:
        found = find(SliceReading(tx, copy, load_policies(installation), now))
        for row in found.rows:
            sample.note_reading(
                tx,
                copy,
                row.ordinal,
                ticket,
                now,
                staff=reader.staff_id,
                role=role,
                random=installation.keyring.random,
            )
    return found


def _row(ordinal: int, payload: Payload) -> SliceRow:
    split = language = topic = NONE
    if (labels := payload.labels) is not msgspec.UNSET:
        split, language, topic = labels["split"], labels["language"], labels["topic"]
    return SliceRow(
        ordinal=ordinal,
        split=split,
        language=language,
        topic=topic or NONE,
        messages=payload.messages,
    )

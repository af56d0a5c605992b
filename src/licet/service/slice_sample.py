"""Rows of a slice of a release, drawn at random and opened for a member of staff: to look at what a filter on labels picks.

The rules are those of a review (`release.sample`). A reviewer or the privacy officer reads; a row is opened by the present
decision; each reading is recorded in the transaction that opens the row, and its person sees it. Nothing is judged,
and no statement follows: whoever wants a bound draws a sample.

The slice is looked for among at most 2,000 rows of eight parts, of which a program reads the labels alone.
"""

from __future__ import annotations

from random import Random

import msgspec

from licet.errors import UsageError
from licet.release import sample, signatures
from licet.release.rows import MessageShape, plain
from licet.release.signatures import StaffMember
from licet.store.connect import transaction
from licet.train.label_filter import LabelFilter
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, policies

SLICE_ROWS, SLICE_ROWS_MAX = 5, 50


class SliceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was opened, with the labels that most filters name."""

    ordinal: int
    split: str
    language: str
    topic: str
    messages: list[MessageShape]

    def __repr__(self) -> str:
        return f"SliceRow({self.ordinal}, sealed, {len(self.messages)} messages)"


class SliceRead(msgspec.Struct, frozen=True, kw_only=True):
    """``matching`` of the ``scanned`` rows are in the slice; ``rows`` of these were drawn and opened."""

    scanned: int
    matching: int
    rows: tuple[SliceRow, ...]


def read(here: Installation, name: str, reader: StaffMember, where: str, rows: int = SLICE_ROWS) -> SliceRead:
    """Draws ``rows`` of the rows whose labels match ``where`` (`train.label_filter`), opens them and records that.

    DeniedError for somebody who may not read rows; UsageError for a filter that does not read.
    """
    if not 1 <= rows <= SLICE_ROWS_MAX:
        raise UsageError(f"from 1 to {SLICE_ROWS_MAX} rows are read at a time, not `{rows}`")
    role, matches = signatures.reader_role(reader), LabelFilter(where)
    of, known, at = signatures.place(here, name), policies(here), here.clock()
    random = Random(int.from_bytes(here.keyring.random(32)))  # noqa: S311 seeded with as much as it accepts
    ticket = f"slice-{uuid7(at, here.keyring.random(10)).hex}"
    with transaction(here.pool) as tx:
        scanned = matching = 0
        drawn: list[SliceRow] = []  # each row that matches so far is in it with the same chance; no other text is kept
        for ordinal, payload in sample.scanned(tx, here.keyring, of, known, at, random):
            if payload.labels is msgspec.UNSET:
                raise UsageError(f"release `{of.known.name}` has no labels to filter by", "build it again")
            labels, scanned = plain(payload.labels), scanned + 1
            if not matches(labels):
                continue
            matching += 1
            if (place := len(drawn) if len(drawn) < rows else random.randrange(matching)) < rows:
                one = SliceRow(
                    ordinal=ordinal, split=labels["split"], language=labels["language"], topic=labels["topic"],
                    messages=payload.messages,
                )  # fmt: skip
                drawn[place : place + 1] = [one]
        for row in drawn:
            sample.note_reading(
                tx, of, row.ordinal, ticket, at, staff=reader.staff_id, role=role, random=here.keyring.random
            )
    return SliceRead(scanned=scanned, matching=matching, rows=tuple(drawn))

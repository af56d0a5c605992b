"""Checks the answers of a worker on another machine about its page.

The build enters a worker's numbers, ids and hashes in the release. Messages must come in the order
of a page, and the page's number, rows, ids and leaves must follow from the request. The content of
rows is not checked: only the worker has opened it.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import assert_never
from uuid import UUID

from licet.errors import BrokenError
from licet.release import merkle
from licet.release.page_builder import BuiltPage
from licet.release.page_worker import (
    PageBegins,
    PageBuilt,
    PageCommits,
    PageLost,
    PageRows,
    PageTask,
    WorkerFailed,
    WorkerMessage,
    WorkerSays,
)
from licet.release.rows import derive_row_id
from licet.release.tally import microseconds
from licet.vault.conversation_pages import Place

PAGE_ROWS_MAX = 1_000_000
LINE_CHARACTERS_MAX = 10_000


class _Step(StrEnum):
    asked = "asked"
    begun = "begun"
    looked = "looked"
    counted = "counted"
    committed = "committed"
    over = "over"


class PageCheck:
    """Checks the messages about one page, in order; BrokenError for an impossible one."""

    def __init__(self, release_id: UUID, task: PageTask) -> None:
        self._release, self._task = release_id.bytes, task
        self._step = _Step.asked
        self._last: Place | None = None
        self._rows = self._first = 0

    def check(self, message: WorkerMessage) -> None:
        """Checks the worker's next message."""
        match message:
            case PageBegins():
                self._follows(_Step.begun, _Step.asked)
                _require(message.last > self._task.after, "it ends before it begins")
                self._last = message.last
            case PageLost():
                self._follows(_Step.looked, _Step.begun)
                _require(
                    len(message.names) <= PAGE_ROWS_MAX,
                    "it asks about more documents than a page has",
                )
            case PageRows():
                self._follows(_Step.counted, _Step.begun, _Step.looked)
                _require(
                    0 <= message.rows <= PAGE_ROWS_MAX and message.turns >= 0,
                    "it has no possible number of rows",
                )
                self._rows = message.rows
            case PageCommits():
                self._follows(_Step.committed, _Step.counted)
            case PageBuilt():
                self._built(message.page)
            case WorkerSays():
                _require(len(message.line) <= LINE_CHARACTERS_MAX, "it says too much")
            case WorkerFailed():
                pass
            case _:
                assert_never(message)

    def first_row(self, ordinal: int) -> None:
        """Sets the ordinal that the build assigned to the page's first row."""
        self._first = ordinal

    def _built(self, page: BuiltPage | None) -> None:
        if page is None:
            self._follows(_Step.over, _Step.asked)
            return
        self._follows(_Step.over, _Step.committed)
        end, kept = page.end, page.kept
        _require((end.page, end.place) == (self._task.number, self._last), "it is another page")
        _require(end.rows == self._first + self._rows, "it ends at another row")
        counts = [
            page.sealed,
            page.leaves,
            page.untils_us,
            page.sketches,
            kept.splits,
            kept.carried,
            kept.figures,
        ]
        _require({len(one) for one in counts} == {self._rows}, "it has another number of rows")
        rows = zip(page.sealed, page.leaves, page.untils_us, strict=True)
        for ordinal, (row, leaf, until_us) in enumerate(rows, self._first):
            _require(
                (row.ordinal, row.row_id) == (ordinal, derive_row_id(self._release, ordinal)),
                "a row has another id",
            )
            expected = merkle.leaf_from_hash(
                ordinal, row.row_id, until_us, sha256(row.sealed).digest()
            )
            _require(
                (leaf, until_us) == (expected, microseconds(row.until)), "a leaf is another row's"
            )

    def _follows(self, step: _Step, *after: _Step) -> None:
        _require(self._step in after, f"`{step}` comes after `{self._step}`")
        self._step = step


def _require(is_so: bool, fault: str) -> None:
    if not is_so:
        raise BrokenError(
            f"a worker on the cluster answered what was not asked of its page: {fault}"
        )

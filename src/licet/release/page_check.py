"""What a worker on another machine may answer about the page that its build asked for.

The build takes numbers, ids and hashes from a worker and enters them in the release. This holds
each answer to what was asked: messages come in the one order that a page has, and a page has the
number, the rows, the ids and the leaves that follow from what the build said. What a row says is
not checked here: only the worker has opened it.
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
from licet.release.rows import row_id_of
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
    """Checks the answers about one page, in order. Each method raises BrokenError for what does not
    follow.
    """

    def __init__(self, release_id: UUID, task: PageTask) -> None:
        self._release, self._task = release_id.bytes, task
        self._step = _Step.asked
        self._last: Place | None = None
        self._rows = self._first = 0

    def check(self, message: WorkerMessage) -> None:
        """Takes the next message of the worker."""
        match message:
            case PageBegins():
                self._follows(_Step.begun, _Step.asked)
                _holds(message.last > self._task.after, "it ends before it begins")
                self._last = message.last
            case PageLost():
                self._follows(_Step.looked, _Step.begun)
                _holds(
                    len(message.names) <= PAGE_ROWS_MAX,
                    "it asks about more documents than a page has",
                )
            case PageRows():
                self._follows(_Step.counted, _Step.begun, _Step.looked)
                _holds(
                    0 <= message.rows <= PAGE_ROWS_MAX and message.turns >= 0,
                    "it has no possible number of rows",
                )
                self._rows = message.rows
            case PageCommits():
                self._follows(_Step.committed, _Step.counted)
            case PageBuilt():
                self._built(message.page)
            case WorkerSays():
                _holds(len(message.line) <= LINE_CHARACTERS_MAX, "it says too much")
            case WorkerFailed():
                pass
            case _:
                assert_never(message)

    def first_row(self, ordinal: int) -> None:
        """Notes the ordinal that the build gave to the first row of the page."""
        self._first = ordinal

    def _built(self, page: BuiltPage | None) -> None:
        if page is None:
            self._follows(_Step.over, _Step.asked)
            return
        self._follows(_Step.over, _Step.committed)
        end, kept = page.end, page.kept
        _holds((end.page, end.place) == (self._task.number, self._last), "it is another page")
        _holds(end.rows == self._first + self._rows, "it ends at another row")
        counts = [
            page.sealed,
            page.leaves,
            page.untils_us,
            page.sketches,
            kept.splits,
            kept.carried,
            kept.figures,
        ]
        _holds({len(one) for one in counts} == {self._rows}, "it has another number of rows")
        rows = zip(page.sealed, page.leaves, page.untils_us, strict=True)
        for ordinal, (row, leaf, until_us) in enumerate(rows, self._first):
            _holds(
                (row.ordinal, row.row_id) == (ordinal, row_id_of(self._release, ordinal)),
                "a row has another id",
            )
            expected = merkle.leaf_of(ordinal, row.row_id, until_us, sha256(row.sealed).digest())
            _holds(
                (leaf, until_us) == (expected, microseconds(row.until)), "a leaf is another row's"
            )

    def _follows(self, step: _Step, *after: _Step) -> None:
        _holds(self._step in after, f"`{step}` comes after `{self._step}`")
        self._step = step


def _holds(is_so: bool, fault: str) -> None:
    if not is_so:
        raise BrokenError(
            f"a worker on the cluster answered what was not asked of its page: {fault}"
        )

"""A survey of the duplicates of a release before it is built: who is going to lose, so that nobody reads them for names.

Every document that may be used enters with its sketch. A document loses to others only if they become rows, and that
only curation tells: so those to which somebody loses are judged, and where one is left out, the election is held again
without it, until all that hold something are known to stay. A build may then leave out what lost: what it holds is held
by what stays. The build's own election still judges, among the rows.

Memory: beside an election's some 20 bytes a document, for keyed hashes of names that die with the survey.
"""

from __future__ import annotations

import secrets
from array import array
from hashlib import blake2b
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from licet.curate.dedupe import Election, Sketch
from licet.release.curation import Document

_UNKNOWN, _STAYS, _OUT = 0, 1, 2
Hashes = NDArray[np.uint64]


class DuplicateSurvey:
    """One survey. ``folder`` holds signatures meanwhile, under no name."""

    def __init__(self, folder: Path | None = None) -> None:
        self._election = Election(folder)
        self._key = secrets.token_bytes(32)
        self._names, self._chats = array("Q"), array("Q")
        self._fates = bytearray()
        self._order: NDArray[np.int64] | None = None  # of the names, once all have entered
        self._lost = np.zeros(0, bool)
        self._open = np.zeros(0, np.int64)  # the numbers that are asked about

    def enter(self, document: Document, sketch: object, *, stays: bool = False) -> None:
        assert isinstance(sketch, Sketch)
        assert self._order is None
        self._election.enter(sketch)
        self._names.append(self._hash(document.name))
        self._chats.append(self._hash(document.name[:16]))
        self._fates.append(_STAYS if stays else _UNKNOWN)

    def asked(self) -> DuplicateQuestion | None:
        names, fates = np.frombuffer(self._names, np.uint64), np.frombuffer(self._fates, np.uint8).copy()
        if self._order is None:
            self._order = np.argsort(names)
        fates[self._open[fates[self._open] == _UNKNOWN]] = _OUT
        self._fates = bytearray(fates.tobytes())
        elected = self._election.outcome(fates == _OUT)
        self._lost = elected.lost & (fates != _STAYS)
        self._open = np.flatnonzero(elected.holds & (fates == _UNKNOWN))
        if not len(self._open):
            return None
        return DuplicateQuestion(self, names[self._open], np.frombuffer(self._chats, np.uint64)[self._open])

    def judge(self, document: Document, *, stays: bool) -> None:
        number = self._number(document.name)
        if number is not None:
            self._fates[number] = _STAYS if stays else _OUT

    def is_lost(self, name: bytes) -> bool:
        number = self._number(name)
        return number is not None and bool(self._lost[number])

    def close(self) -> None:
        self._election.close()

    def _number(self, name: bytes) -> int | None:
        """When the document of this name entered; None where it did not."""
        assert self._order is not None
        names, wanted = np.frombuffer(self._names, np.uint64), np.uint64(self._hash(name))
        at = int(np.searchsorted(names, wanted, sorter=self._order))
        number = int(self._order[at]) if at < len(names) else -1
        return number if number >= 0 and names[number] == wanted else None

    def _hash(self, name: bytes) -> int:
        return int.from_bytes(blake2b(name, key=self._key, digest_size=8).digest(), "little")


class DuplicateQuestion:
    """Documents to be judged, by the hashes of their names and of their conversations."""

    def __init__(self, survey: DuplicateSurvey, names: Hashes, chats: Hashes) -> None:
        self._hash, self._names, self._chats = survey._hash, np.sort(names), np.sort(chats)

    def some_of(self, conversation: UUID) -> bool:
        return _holds(self._chats, self._hash(conversation.bytes))

    def __contains__(self, document: Document, /) -> bool:
        return _holds(self._names, self._hash(document.name))


def _holds(ordered: Hashes, value: int) -> bool:
    at = int(np.searchsorted(ordered, np.uint64(value)))
    return at < len(ordered) and int(ordered[at]) == value

"""Surveys the duplicates of a release before its build, so that losers are not searched for names.

Every usable document enters with its sketch. A document loses only to documents that become rows,
which only curation decides: so the winners are judged, and the election is repeated without dropped
ones until all winners stay. A build may then skip the losers, whose content winners hold; its own
election still decides among the rows.

Memory: besides an election's, a byte a document and the open questions. Keyed hashes of names are
in unnamed files, some 40 bytes a document.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from licet.curate import disk_arrays
from licet.curate.dedupe import Election, Sketch
from licet.curate.disk_arrays import SpilledArray
from licet.release.curation import Document

_UNKNOWN, _STAYS, _OUT = 0, 1, 2
Hashes = NDArray[np.uint64]


class DuplicateSurvey:
    """One survey. Signatures are in unnamed files of ``folder``."""

    def __init__(self, folder: Path | None = None) -> None:
        self._election, self._folder = Election(folder), folder
        self._key = secrets.token_bytes(32)
        self._names, self._chats = SpilledArray("u8", folder), SpilledArray("u8", folder)
        self._fates = bytearray()
        self._sorted: tuple[SpilledArray, SpilledArray] | None = (
            None  # names and document numbers, once all have entered
        )
        self._lost = np.zeros(0, bool)
        self._open = np.zeros(0, np.int64)  # the documents of the open question

    def enter(self, document: Document, sketch: object, *, stays: bool = False) -> None:
        assert isinstance(sketch, Sketch)
        assert self._sorted is None
        self._election.enter(sketch)
        self._names.append(self._hash(document.name))
        self._chats.append(self._hash(document.name[:16]))
        self._fates.append(_STAYS if stays else _UNKNOWN)

    def next_question(self) -> DuplicateQuestion | None:
        fates = np.frombuffer(self._fates, np.uint8).copy()
        if self._sorted is None:
            self._sorted = self._by_name()
        fates[self._open[fates[self._open] == _UNKNOWN]] = _OUT
        self._fates = bytearray(fates.tobytes())
        elected = self._election.outcome(fates == _OUT)
        self._lost = elected.lost & (fates != _STAYS)
        self._open = np.flatnonzero(elected.holds & (fates == _UNKNOWN))
        if not len(self._open):
            return None
        return DuplicateQuestion(
            self, self._names.view()[self._open], self._chats.view()[self._open]
        )

    def judge(self, document: Document, *, stays: bool) -> None:
        number = self._number(document.name)
        if number is not None:
            self._fates[number] = _STAYS if stays else _OUT

    def is_lost(self, name: bytes) -> bool:
        number = self._number(name)
        return number is not None and bool(self._lost[number])

    def close(self) -> None:
        self._election.close()
        for one in (self._names, self._chats, *(self._sorted or ())):
            one.close()

    def _by_name(self) -> tuple[SpilledArray, SpilledArray]:
        names, numbers = SpilledArray("u8", self._folder), SpilledArray("i8", self._folder)
        for keys, places in disk_arrays.ranges(self._names.view(), self._folder):
            for index in np.argsort(keys, kind="stable").tolist():
                names.append(int(keys[index]))
                numbers.append(int(places[index]))
        return names, numbers

    def _number(self, name: bytes) -> int | None:
        """The number of the document of this name; None if it did not enter."""
        assert self._sorted is not None
        names, wanted = self._sorted[0].view(), np.uint64(self._hash(name))
        at = int(np.searchsorted(names, wanted))
        return int(self._sorted[1].view()[at]) if at < len(names) and names[at] == wanted else None

    def _hash(self, name: bytes) -> int:
        return int.from_bytes(blake2b(name, key=self._key, digest_size=8).digest(), "little")


class DuplicateQuestion:
    """Documents to judge, by the hashes of their names and conversations."""

    def __init__(self, survey: DuplicateSurvey, names: Hashes, chats: Hashes) -> None:
        self._hash, self._names, self._chats = survey._hash, np.sort(names), np.sort(chats)

    def concerns(self, conversation: UUID) -> bool:
        return _contains(self._chats, self._hash(conversation.bytes))

    def __contains__(self, document: Document, /) -> bool:
        return _contains(self._names, self._hash(document.name))


def _contains(ordered: Hashes, value: int) -> bool:
    at = int(np.searchsorted(ordered, np.uint64(value)))
    return at < len(ordered) and int(ordered[at]) == value

"""The three answers, and the report that gathers them part by part.

A check raises `ContradictionError` with the place and the promise that is broken, or `UnreadableError` where the file is
not of the expected form at all. A report turns each check into a part with its own answer; the whole is the worst part.
Invariant: a report without a proved part is never `proved`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

FINDINGS_MAX = 100


class Verdict(StrEnum):
    """What can be said of an artefact. ``unreadable``: it is not of the expected form, so the question has no answer."""

    proved = "proved"
    contradicted = "contradicted"
    unproved = "not proved"
    unreadable = "unreadable"


EXITS = {Verdict.proved: 0, Verdict.contradicted: 1, Verdict.unproved: 3, Verdict.unreadable: 65}


class ContradictionError(Exception):
    """``place`` breaks ``promise``."""

    readable = True

    def __init__(self, place: str, promise: str) -> None:
        super().__init__(f"{place}: {promise}")
        self.finding = VerifierFinding(place, promise, self.readable)


class UnreadableError(ContradictionError):
    """``place`` is not of the form that ``promise`` names; nothing more was checked."""

    readable = False


@dataclass(frozen=True, slots=True)
class VerifierFinding:
    """A promise that is broken at a place. ``readable`` is False where only the form is wrong and the content was not checked."""

    place: str
    promise: str
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Lack:
    """What keeps a part from being proved, and what would prove it."""

    place: str
    why: str
    mend: str


@dataclass(frozen=True, slots=True)
class ArtefactPart:
    """One part of an artefact with its own answer."""

    what: str
    answer: Verdict
    why: str


# Errors that a file made to deceive can cause while it is read; each means that the file is not of its form.
MISREAD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(slots=True)
class VerifierReport:
    """What was checked, part by part. ``findings`` are contradictions, ``lacks`` what is missing for a proof."""

    checked: str
    findings: list[VerifierFinding] = field(default_factory=list)
    origin: str = ""
    size: int = 0
    root: str = ""
    entry_bytes: int = 0
    files: int = 0
    ahead: int = 0
    purged: int = 0
    cosigned: list[str] = field(default_factory=list)
    lacks: list[Lack] = field(default_factory=list)
    parts: list[ArtefactPart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def answer(self) -> Verdict:
        """The worst answer of the parts; without any part, `not proved`."""
        answers = {part.answer for part in self.parts}
        if any(finding.readable for finding in self.findings) or Verdict.contradicted in answers:
            return Verdict.contradicted
        if self.findings or Verdict.unreadable in answers:
            return Verdict.unreadable
        return Verdict.proved if answers == {Verdict.proved} and not self.lacks else Verdict.unproved

    @property
    def ok(self) -> bool:
        """Whether all of it is proved."""
        return self.answer is Verdict.proved

    def found(self, place: str, promise: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(VerifierFinding(place, promise))

    def broken(self, promises: Iterable[tuple[str, str]]) -> None:
        """Adds contradictions that another check found, as (place, promise)."""
        for place, promise in promises:
            self.found(place, promise)

    def lacking(self, place: str, why: str, mend: str) -> None:
        if len(self.lacks) < FINDINGS_MAX:
            self.lacks.append(Lack(place, why, mend))

    def step(self, what: str, proves: str, check: Callable[[], object]) -> bool:
        """Makes one check and adds it as a part; True if it found no contradiction."""
        found, lacks = len(self.findings), len(self.lacks)
        try:
            check()
        except ContradictionError as contradiction:
            self.findings.append(contradiction.finding)
        except MISREAD:
            self.findings.append(VerifierFinding(what, "it has the form that such a file has"))
        new = self.findings[found:]
        if new:
            answer = Verdict.contradicted if any(one.readable for one in new) else Verdict.unreadable
            why = f"{new[0].place}: broken promise: {new[0].promise}"
        elif len(self.lacks) > lacks:
            answer, why = Verdict.unproved, f"{self.lacks[lacks].why}; {self.lacks[lacks].mend}"
        else:
            answer, why = Verdict.proved, proves
        self.parts.append(ArtefactPart(what, answer, why))
        return not new

    def steps(self, checks: Sequence[tuple[str, str, Callable[[], object]]]) -> bool:
        """Makes the checks in order. After a contradiction the remaining ones are not made: their parts are not proved."""
        for number, (what, proves, check) in enumerate(checks):
            if not self.step(what, proves, check):
                for other, _, _ in checks[number + 1 :]:
                    self.parts.append(ArtefactPart(other, Verdict.unproved, f"not looked at: `{what}` does not hold"))
                return False
        return True

    def joined(self, other: VerifierReport) -> None:
        """Takes over the findings and lacks of another report."""
        self.findings += other.findings[: FINDINGS_MAX - len(self.findings)]
        self.lacks += other.lacks[: FINDINGS_MAX - len(self.lacks)]

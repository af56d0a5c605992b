"""The verdicts, and the report that collects them part by part.

A check raises `ContradictionError` with the place and the broken promise, or `UnreadableError` if
the file does not have the expected form. A report turns each check into a part with its own
verdict; the whole has the worst verdict of the parts that it rests on. Invariants: a report without
a proved part is never `proved`; nor is one that rests on a part that is merely `consistent` or
`stated`. Where the whole is not proved, no field of it is: a signature alone makes a field
`stated`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

FINDINGS_MAX = 100


class Verdict(StrEnum):
    """The verdict on an artefact, a part or a field, from best to worst.

    ``proved``: follows from the signed log and what it commits to. ``consistent``: agrees with the
    rest, and could have been invented with it. ``stated``: the operator's word. ``unproved``:
    evidence is missing. ``unreadable``: it does not have the expected form, so nothing was checked.
    A field has one of the first three.
    """

    proved = "proved"
    consistent = "consistent"
    stated = "stated"
    unproved = "not proved"
    unreadable = "unreadable"
    contradicted = "contradicted"


LEVELS = (Verdict.proved, Verdict.consistent, Verdict.stated)
EXITS = {
    Verdict.proved: 0, Verdict.contradicted: 1, Verdict.unproved: 3, Verdict.consistent: 4, Verdict.stated: 4,
    Verdict.unreadable: 65,
}  # fmt: skip


def worst(answers: Iterable[Verdict]) -> Verdict:
    """The worst answer; `not proved` if there is none."""
    return max(answers, key=list(Verdict).index, default=Verdict.unproved)


class ContradictionError(Exception):
    """``place`` breaks ``promise``."""

    readable = True

    def __init__(self, place: str, promise: str) -> None:
        super().__init__(f"{place}: {promise}")
        self.finding = VerifierFinding(place, promise, self.readable)


class UnreadableError(ContradictionError):
    """``place`` does not have the form that ``promise`` names; nothing more was checked."""

    readable = False


@dataclass(frozen=True, slots=True)
class VerifierFinding:
    """A broken promise. ``readable`` is False if only the form is wrong and the content was not
    checked.
    """

    place: str
    promise: str
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Lack:
    """Missing evidence: why a part is not proved, and what would prove it."""

    place: str
    why: str
    mend: str


@dataclass(frozen=True, slots=True)
class ArtefactPart:
    """One part of an artefact and its verdict. A part that ``is_aside`` affects the whole only if
    it is contradicted or its evidence is missing.
    """

    what: str
    answer: Verdict
    why: str
    is_aside: bool = False


# Errors that parsing a malformed file may raise.
MALFORMED_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@dataclass(slots=True)
class VerifierReport:
    """``findings`` are contradictions, ``lacks`` what is missing for a proof."""

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
    # by artefact and field (`levels.FIELDS`)
    levels: dict[str, dict[str, Verdict]] = field(default_factory=dict)

    @property
    def answer(self) -> Verdict:
        """The worst verdict of the parts that the whole rests on; `not proved` without parts."""
        answers = [
            part.answer for part in self.parts if not (part.is_aside and part.answer in LEVELS)
        ]
        answers += [
            Verdict.contradicted if finding.readable else Verdict.unreadable
            for finding in self.findings
        ]
        return worst([*answers, Verdict.unproved] if self.lacks else answers)

    def fields(self) -> dict[str, dict[str, Verdict]]:
        """The level of each field, by artefact; empty if the artefact is not proved as a whole."""
        if all(part.answer is not Verdict.unproved for part in self.parts) and not (
            self.findings or self.lacks
        ):
            return self.levels
        return {
            what: {
                name: max(level, Verdict.stated, key=LEVELS.index) for name, level in fields.items()
            }
            for what, fields in self.levels.items()
        }

    @property
    def ok(self) -> bool:
        """Whether all of it is proved."""
        return self.answer is Verdict.proved

    def add_contradiction(self, place: str, promise: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(VerifierFinding(place, promise))

    def add_contradictions(self, promises: Iterable[tuple[str, str]]) -> None:
        for place, promise in promises:
            self.add_contradiction(place, promise)

    def add_lack(self, place: str, why: str, mend: str) -> None:
        if len(self.lacks) < FINDINGS_MAX:
            self.lacks.append(Lack(place, why, mend))

    def step(
        self,
        name: str,
        proves: str,
        check: Callable[[], object],
        level: Verdict = Verdict.proved,
        is_aside: bool = False,
    ) -> bool:
        """Runs one check and adds it as a part with the verdict ``level`` if it holds. Returns
        False after a contradiction.
        """
        findings, lacks = len(self.findings), len(self.lacks)
        try:
            check()
        except ContradictionError as contradiction:
            self.findings.append(contradiction.finding)
        except MALFORMED_ERRORS:
            self.findings.append(VerifierFinding(name, "it has the form of its kind"))
        new_findings = self.findings[findings:]
        if new_findings:
            answer = (
                Verdict.contradicted
                if any(new_finding.readable for new_finding in new_findings)
                else Verdict.unreadable
            )
            why = f"{new_findings[0].place}: broken promise: {new_findings[0].promise}"
        elif len(self.lacks) > lacks:
            answer, why = Verdict.unproved, f"{self.lacks[lacks].why}; {self.lacks[lacks].mend}"
        else:
            answer, why = level, proves
        self.parts.append(ArtefactPart(name, answer, why, is_aside))
        return not new_findings

    def steps(
        self, checks: Sequence[tuple[str, str, Callable[[], object], *tuple[Any, ...]]]
    ) -> bool:
        """Runs the checks (the arguments of `step`) in order; after a contradiction the rest are
        skipped and not proved.
        """
        for number, step in enumerate(checks):
            if not self.step(*step):
                what = step[0]
                for other, *_ in checks[number + 1 :]:
                    self.parts.append(
                        ArtefactPart(
                            other, Verdict.unproved, f"not checked: `{what}` does not hold"
                        )
                    )
                return False
        return True

    def merge(self, other: VerifierReport) -> None:
        self.findings += other.findings[: FINDINGS_MAX - len(self.findings)]
        self.lacks += other.lacks[: FINDINGS_MAX - len(self.lacks)]

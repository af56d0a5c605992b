"""Policy versions, as far as they decide rows, and the dates that follow from them.

Rows have days, not instants, so a query for a day returns every version in force on it. A policy
lists its questions with the purposes that each covers; the older short form without a list asks the
single question `training`. This and `decision` implement the rule of `licet.policy` a second time,
without shared code.
"""

from __future__ import annotations

import hashlib
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from licet.verifier.answer import ContradictionError, VerifierReport
from licet.verifier.files import Files
from licet.verifier.forms import PERIOD, Either, check_shape, read_json, read_time
from licet.verifier.grants import TRAINING
from licet.verifier.manifest import PROOFS, lines_of
from licet.verifier.permissions import Permissions

NAMES_LEFT_IN = "left in"  # otherwise names are replaced
QUESTIONS = Either(
    {"covers": ["text"], "...": None}, [{"question": "question", "covers": ["text"]}]
)
TERMS = {
    "policy": "text", "version": "text", "effective": "time", "material": "bool",
    "scope": {"plans": ["text"], "surfaces": ["text"]}, "choice": QUESTIONS,
    "reach": frozenset({"conversation", "turn"}), "origins": ["text"],
    "keep": {"opted_in": "period", "opted_out": "period", "flagged": "period", "...": None},
    "names?": frozenset({NAMES_LEFT_IN}), "unread_languages?": frozenset({"build stopped"}),
    "tool_results?": frozenset({"row left out"}), "...": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Terms:
    """A policy version, as far as it decides rows."""

    name: str
    version: str
    sha256: str
    effective: datetime
    material: bool
    plans: frozenset[str]
    surfaces: frozenset[str]
    questions: dict[str, frozenset[str]]
    origins: frozenset[str]
    whole: bool
    opted_in: str
    opted_out: str
    flagged: str
    names_left_in: bool = False

    @property
    def covers(self) -> frozenset[str]:
        """The purposes of all questions."""
        return frozenset().union(*self.questions.values())

    def question_of(self, purpose: str) -> str | None:
        return next(
            (question for question, covers in self.questions.items() if purpose in covers), None
        )


class ReleasePolicies:
    """The policy versions of a release, by day."""

    def __init__(self, versions: Sequence[Terms]) -> None:
        self.versions = versions
        self._on: dict[str, tuple[int, ...]] = {}
        self._after: dict[tuple[str, str], str] = {}

    def number(self, moment: datetime) -> int:
        """The version in force at an instant: the newest effective one, else the first."""
        return max(
            [0, *(n for n, version in enumerate(self.versions) if version.effective <= moment)]
        )

    def versions_on(self, day: str) -> tuple[int, ...]:
        """Every version that was in force at some instant of a day."""
        if day not in self._on:
            first = datetime.fromisoformat(day).replace(tzinfo=UTC)
            last = first.replace(hour=23, minute=59, second=59, microsecond=999_999)
            self._on[day] = tuple(range(self.number(first), self.number(last) + 1))
        return self._on[day]

    def after(self, day: str, period: str) -> str:
        """The day on which a period from ``day`` ends; the month's last day if that month lacks the
        day.
        """
        key = (day, period)
        if key not in self._after:
            match = PERIOD.fullmatch(period)
            if match is None:
                raise ValueError("not a period")
            self._after[key] = _days_after(
                date.fromisoformat(day), int(match[1]), match[2]
            ).isoformat()
        return self._after[key]

    def newest_material(self, number: int) -> int:
        return max([-1, *(n for n in range(number + 1) if self.versions[n].material)])


def _days_after(day: date, count: int, unit: str) -> date:
    if unit in "DW":
        return day + timedelta(days=count * (7 if unit == "W" else 1))
    years, month = divmod(day.month - 1 + count * (12 if unit == "Y" else 1), 12)
    last = monthrange(day.year + years, month + 1)[1]
    return date(day.year + years, month + 1, min(day.day, last))


def parse_terms(raw: bytes, place: str) -> Terms:
    """Parses a policy in canonical JSON, which gives its hash."""
    policy = read_json(raw, place)
    check_shape(policy, TERMS, place, "a policy")
    keep = policy["keep"]
    return Terms(
        policy["policy"],
        policy["version"],
        hashlib.sha256(raw).hexdigest(),
        read_time(policy["effective"], place, "effective"),
        policy["material"] is True,
        frozenset(policy["scope"]["plans"]),
        frozenset(policy["scope"]["surfaces"]),
        parse_questions(policy["choice"], place),
        frozenset(policy["origins"]),
        policy["reach"] == "conversation",
        keep["opted_in"],
        keep["opted_out"],
        keep["flagged"],
        policy.get("names") == NAMES_LEFT_IN,
    )


def parse_questions(
    choice: dict[str, Any] | list[dict[str, Any]], place: str
) -> dict[str, frozenset[str]]:
    """The purposes that each question covers."""
    if isinstance(choice, dict):
        return {TRAINING: frozenset(choice["covers"])}
    questions = {question["question"]: frozenset(question["covers"]) for question in choice}
    purposes = [purpose for covers in questions.values() for purpose in covers]
    if (
        not choice
        or len(questions) < len(choice)
        or not all(questions.values())
        or len(set(purposes)) < len(purposes)
    ):
        raise ContradictionError(
            place, "it has each question once, and each purpose in one question"
        )
    return questions


def read_policies(
    files: Files, manifest: dict[str, Any], permissions: Permissions | None, report: VerifierReport
) -> ReleasePolicies:
    """Reads the versions from the proof file; with a log, they must be those named before the
    release.
    """
    path = PROOFS["policies"]
    versions = [
        parse_terms(raw, f"{path} line {n}")
        for n, raw in enumerate(lines_of(files, manifest, "policies", report))
    ]
    if not versions or any(a.effective >= b.effective for a, b in pairwise(versions)):
        raise ContradictionError(path, "its versions are in the order of their effective times")
    if (
        permissions is not None
        and {n: version.sha256 for n, version in enumerate(versions)} != permissions.policies
    ):
        raise ContradictionError(path, "its policies are those that the log names")
    return ReleasePolicies(versions)

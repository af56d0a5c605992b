"""Manual review of a release: a sample that staff read, and the bound for the whole release.

Part of a sample is drawn at random from all rows that can be opened, part by risk. Only the random
part gives a bound: with 95 % confidence, at most that share of the rows that could be opened
contains something that identifies a person (exact one-sided bound of Clopper and Pearson,
Biometrika 26:404, 1934; rows are drawn without replacement, so it is slightly conservative). Rows
that were withdrawn or erased before they were read may differ from the rest: a second bound counts
each of them as a finding. Rows drawn by risk are those with the most patterns of identifying data;
findings in them show what to fix, and say nothing about the share.

A sample is closed when every row was read or is out of reach, so that nobody can stop at a
convenient number. The signed statement is then stored beside the sealed manifest:

    review.json    as `signed_file` has it, typ `licet-review+jws`
    its payload    {"bound":{"confidence_percent":95,"found":n,"ppm":n,"rows":n,"unread":n,"worst_ppm":n},
                    "chance":{"drawn":n,"findings":{kind:n},"out_of_reach":n,"read":n},"closed_at":time,
                    "drawn_at":time,"manifest_sha256":hex,"readers":n,"release":hex,"review":hex,
                    "risk":{..as chance},"type":"licet-release-review","v":2}

A statement has counts and closed words, and no name of a reader. A leaf of the log has the SHA-256
of the JWS.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from random import Random
from typing import Literal, TypeAlias

import msgspec

from licet.ledger.canonical_json import Canonical
from licet.policy.period import instant, rfc3339
from licet.release.rows import MessageShape
from licet.release.signed_file import SignedFile, Stated

CONFIDENCE_PERCENT: Literal[95] = 95
MILLION = 1_000_000
SCANNED_CHARACTERS_MAX = 200_000


class ReviewFinding(StrEnum):
    """A reader's finding in a row. ``out_of_reach``: it could no longer be opened for reading."""

    nothing = "nothing"
    name = "name"
    contact = "contact"
    place = "place"
    number = "number"
    secret = "secret"  # noqa: S105 a kind of finding
    other = "other"
    out_of_reach = "out_of_reach"


class DrawnBy(StrEnum):
    chance = "chance"
    risk = "risk"


class FindingCounts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rows of one part of a sample. ``findings`` are those with identifying data, by kind."""

    drawn: int
    read: int
    out_of_reach: int
    findings: Mapping[str, int]

    @property
    def found(self) -> int:
        return sum(self.findings.values())


class LeakBound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most ``ppm`` in a million, from ``found`` in ``rows`` randomly drawn rows that were read.
    ``worst_ppm`` counts each of the ``unread`` drawn rows as a finding.
    """

    confidence_percent: Literal[95]
    found: int
    rows: int
    ppm: int
    unread: int
    worst_ppm: int


class ReviewStatement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The findings of a closed sample. ``readers``: the number of readers; times are text, in the
    form of the log.
    """

    v: Literal[2] = 2
    type: Literal["licet-release-review"] = "licet-release-review"
    release: str
    manifest_sha256: str
    review: str
    drawn_at: str
    closed_at: str
    chance: FindingCounts
    risk: FindingCounts
    bound: LeakBound
    readers: int

    @property
    def found(self) -> int:
        return self.chance.found + self.risk.found

    @property
    def read(self) -> int:
        return self.chance.read + self.risk.read

    def payload(self) -> dict[str, Canonical]:
        made: dict[str, Canonical] = msgspec.to_builtins(self)
        return made


# The sample


def shuffle_numbers(random: Random, count: int) -> Iterator[int]:
    """The numbers below ``count`` in random order, drawn lazily."""
    moved: dict[int, int] = {}
    for place in range(count):
        other = random.randrange(place, count)
        chosen = moved.get(other, other)
        moved[other] = moved.pop(place, place)
        yield chosen


# Patterns of identifying data, each linear in the text: marks of an address, runs of digits,
# capitalised words within a sentence, and phrases that introduce a person or a secret.
_SHAPES = (
    (re.compile(r"[@]|://|\\\\"), 2.0),
    (re.compile(r"\d{4,}"), 1.0),
    (re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}"), 1.0),
    (
        re.compile(
            r"\b(?:my name|i am called|call me|i live|my address|my phone|born on|password|passwort)\b",
            re.I,
        ),
        5.0,
    ),
)


def risk(messages: Sequence[MessageShape]) -> float:
    """Scores how much of a row looks like identifying data."""
    text = "\n".join(message["content"] for message in messages)[:SCANNED_CHARACTERS_MAX]
    return sum(weight * sum(1 for _ in shape.finditer(text)) for shape, weight in _SHAPES)


def shapes(text: str) -> Iterator[tuple[int, int]]:
    """The places that `risk` counts in a text, highest weight first."""
    for shape, _ in sorted(_SHAPES, key=lambda one: -one[1]):
        for match in shape.finditer(text[:SCANNED_CHARACTERS_MAX]):
            yield match.span()


# The bound


def bound(findings: int, rows: int, unread: int = 0) -> LeakBound:
    """The 95 % bound for all rows from ``findings`` in ``rows`` randomly drawn and read ones, rounded
    up; and the bound that counts ``unread`` more as findings.
    """
    return LeakBound(
        confidence_percent=CONFIDENCE_PERCENT,
        found=findings,
        rows=rows,
        ppm=_ppm(findings, rows),
        unread=unread,
        worst_ppm=_ppm(findings + unread, rows + unread),
    )


def alpha(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Krippendorff's alpha of two nominal findings a row; None if all are equal.

    1 is agreement, 0 chance. Unlike Cohen's kappa it does not require that each reader reads every
    row (Krippendorff, Content Analysis, 4th edition 2019, chapter 12; Hayes and Krippendorff,
    Communication Methods and Measures 1:77, 2007).
    """
    counts = Counter(word for pair in pairs for word in pair)
    values = counts.total()
    apart = values * (values - 1) - sum(count * (count - 1) for count in counts.values())
    if not apart:
        return None
    differ = sum(one != other for one, other in pairs)
    return 1 - (2 * differ * (values - 1)) / apart


def _ppm(findings: int, rows: int) -> int:
    """The one-sided Clopper-Pearson bound in millionths, rounded up; all rows if none was read."""
    if findings >= rows:
        return MILLION
    # in millionths: the smallest share for which so few findings have a probability below 1 in 20
    low, high = findings, MILLION
    while high - low > 1:
        middle = (low + high) // 2
        if _at_most(findings, rows, middle / MILLION) > 1 - CONFIDENCE_PERCENT / 100:
            low = middle
        else:
            high = middle
    return high


def _at_most(findings: int, rows: int, share: float) -> float:
    """The probability of at most ``findings`` findings in ``rows`` rows, given their ``share``."""
    if share >= 1:
        return 0.0
    logs = (
        math.lgamma(rows + 1)
        - math.lgamma(n + 1)
        - math.lgamma(rows - n + 1)
        + n * math.log(share)
        + (rows - n) * math.log1p(-share)
        for n in range(findings + 1)
    )
    return math.fsum(map(math.exp, logs))


# The statement


def build_statement(
    *,
    release: str,
    manifest_sha256: str,
    review: str,
    drawn_at: datetime,
    closed_at: datetime,
    rows: Sequence[tuple[DrawnBy, ReviewFinding]],
    readers: int,
) -> ReviewStatement:
    """The statement on a sample, from the draw and finding of each row."""
    chance, by_risk = (
        _count_findings([finding for drawn, finding in rows if drawn is each]) for each in DrawnBy
    )
    return ReviewStatement(
        release=release,
        manifest_sha256=manifest_sha256,
        review=review,
        drawn_at=rfc3339(drawn_at),
        closed_at=rfc3339(closed_at),
        chance=chance,
        risk=by_risk,
        bound=bound(chance.found, chance.read, chance.out_of_reach),
        readers=readers,
    )


def _count_findings(findings: Sequence[ReviewFinding]) -> FindingCounts:
    kinds = Counter(finding.value for finding in findings)
    nothing, away = (
        kinds.pop(ReviewFinding.nothing.value, 0),
        kinds.pop(ReviewFinding.out_of_reach.value, 0),
    )
    return FindingCounts(
        drawn=len(findings),
        read=nothing + kinds.total(),
        out_of_reach=away,
        findings=dict(sorted(kinds.items())),
    )


def _follows(statement: ReviewStatement) -> bool:
    kinds = {kind.value for kind in ReviewFinding} - {
        ReviewFinding.nothing.value,
        ReviewFinding.out_of_reach.value,
    }
    for part in (statement.chance, statement.risk):
        if (
            part.drawn != part.read + part.out_of_reach
            or not 0 <= part.found <= part.read
            or part.out_of_reach < 0
        ):
            return False
        if not set(part.findings) <= kinds or min(part.findings.values(), default=1) < 1:
            return False
    in_order = instant(statement.drawn_at) <= instant(statement.closed_at)
    return in_order and statement.bound == bound(
        statement.chance.found, statement.chance.read, statement.chance.out_of_reach
    )


StatedReview: TypeAlias = Stated[ReviewStatement]
SIGNED = SignedFile("review", "licet-review+jws", ReviewStatement, _follows, bytes_max=64 * 2**10)


def sentence(bound: LeakBound) -> str:
    """The bound as text."""
    if not bound.rows:
        return "No row was read that chance alone chose: nothing can be said of the whole."
    share, worst = (f"{ppm / 10_000:.4g} %" for ppm in (bound.ppm, bound.worst_ppm))
    outcome = (
        f"{bound.found:,} of {bound.rows:,} rows drawn by chance hold something that identifies: "
        "with confidence of "
        f"{bound.confidence_percent} % it is at most {share} of the rows that could be opened then."
    )
    if not bound.unread:
        return outcome
    return (
        f"{outcome} {bound.unread:,} more were drawn and not read: as if each held something, it "
        f"is at most {worst}."
    )

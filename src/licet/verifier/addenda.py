"""Addenda of a sealed release: purges of rows, the review of a sample, and a measurement.

Rows whose keys were destroyed may be removed from the parts: purge-1.json, purge-2.json and so on
give each part's hash before and after, and the removed ordinals. review.json contains the findings
of a review of a sample, measurement.json the measured cost of curation: both are the operator's
word, checked for consistency and against the manifest's number of rows. Each is signed and logged
in its year. The proofs of the rows stay, and so do the manifest's root and counts.
"""

from __future__ import annotations

import math
from typing import Any

from licet.verifier.answer import ContradictionError
from licet.verifier.forms import Null, read_time
from licet.verifier.manifest import MEASUREMENT, ORDINAL_RANGE, PART, REVIEW

PURGE_FILE = {"v": "int", "purge": "text"}
PURGE = {
    "format": frozenset({"licet-purge-2"}),
    "release": "id",
    "number": "pos",
    "before": "hash",
    "purged_at": "time",
    "parts": [{"file": "text", "was": "hash", "after": Null(PART), "gone": [ORDINAL_RANGE]}],
}
REVIEW_FILE = {"v": "one", "review": "text"}
KINDS_FOUND = ("contact", "name", "number", "other", "place", "secret")
READ = {
    "drawn": "int",
    "read": "int",
    "out_of_reach": "int",
    "findings": {f"{kind}?": "pos" for kind in KINDS_FOUND},
}
REVIEW_SHAPE = {
    "v": "two", "type": frozenset({"licet-release-review"}), "release": "id", "manifest_sha256": "hash", "review": "text",
    "drawn_at": "time", "closed_at": "time", "chance": READ, "risk": READ, "readers": "int",
    "bound": {"confidence_percent": "pos", "found": "int", "rows": "int", "ppm": "int", "unread": "int", "worst_ppm": "int"},
}  # fmt: skip
MEASUREMENT_FILE = {"v": "one", "measurement": "text"}
SLICES, COSTS_MAX = frozenset({"all", "language", "kind", "turns"}), 1_000
MEASUREMENT_SHAPE = {
    "v": "one", "type": frozenset({"licet-release-measurement"}), "release": "id", "manifest_sha256": "hash",
    "measured_at": "time", "rows": "pos", "held_out": {"people": "pos", "rows": "pos"}, "confidence_percent": "pos",
    "model": {"base": "word?", "batch_rows": "pos", "parameters": "pos", "seeds": "pos", "steps": "pos", "tokens": "pos"},
    "code": {"blocks": "int", "broken": "int"}, "words": {"changed": "int", "said": "int"},
    "costs": [{"of": "word", "slice": SLICES, "value": "word", "rows": "pos", "people": "pos", "cost_ppm": "signed",
               "low_ppm": "signed", "high_ppm": "signed"}],
}  # fmt: skip


def apply_purge(
    part: dict[str, Any] | None,
    next_first: int,
    change: dict[str, Any],
    purged: set[int],
    path: str,
) -> dict[str, Any] | None:
    """Checks one part of a purge; returns the part after it, and adds its ordinals to
    ``purged``.
    """
    after: dict[str, Any] | None = change["after"]
    if part is None or change["was"] != part["sha256"]:
        raise ContradictionError(path, "it changes a part that has the stated hash")
    taken: set[int] = set()
    for first, last in change["gone"]:
        if not part["first_ordinal"] <= first <= last < next_first or last - first >= part["rows"]:
            raise ContradictionError(path, "the removed rows are in that part")
        if not taken.isdisjoint(range(first, last + 1)):
            raise ContradictionError(
                path, "it reconciles: each row is removed once, and the others stay"
            )
        taken.update(range(first, last + 1))
    remaining = part["rows"] - len(taken)
    if not taken or taken & purged or remaining != (after["rows"] if after else 0):
        raise ContradictionError(
            path, "it reconciles: each row is removed once, and the others stay"
        )
    if after is not None and (
        after["file"] != change["file"] or after["first_ordinal"] < part["first_ordinal"]
    ):
        raise ContradictionError(path, "a part keeps its name")
    purged |= taken
    return after


def is_consistent_review(statement: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Whether a review's counts add up, give its bound, and cover at most the release's rows."""
    if statement["chance"]["drawn"] + statement["risk"]["drawn"] > manifest["rows"]:
        return False
    for part in (statement["chance"], statement["risk"]):
        if (
            part["drawn"] != part["read"] + part["out_of_reach"]
            or sum(part["findings"].values()) > part["read"]
        ):
            return False
    bound = statement["bound"]
    findings = sum(statement["chance"]["findings"].values())
    rows = statement["chance"]["read"]
    times = [
        read_time(time, REVIEW, "time")
        for time in (manifest["built_at"], statement["drawn_at"], statement["closed_at"])
    ]
    unread = statement["chance"]["out_of_reach"]
    stated = (bound["confidence_percent"], bound["found"], bound["rows"], bound["unread"])
    return (
        times == sorted(times)
        and stated == (95, findings, rows, unread)
        and _is_upper_bound(findings, rows, bound["ppm"])
        and _is_upper_bound(findings + unread, rows + unread, bound["worst_ppm"])
    )


def is_consistent_measurement(statement: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Whether the figures agree, cover at most the release's rows, and come after the release."""
    held, costs = statement["held_out"], statement["costs"]
    slices = {(cost["of"], cost["slice"], cost["value"]) for cost in costs}
    return (
        read_time(statement["measured_at"], MEASUREMENT, "time")
        >= read_time(manifest["built_at"], MEASUREMENT, "time")
        and statement["rows"] + held["rows"] <= manifest["rows"]
        and statement["confidence_percent"] == 95
        and statement["code"]["broken"] <= statement["code"]["blocks"]
        and statement["words"]["changed"] <= statement["words"]["said"]
        and held["people"] <= held["rows"]
        and ("deidentification", "all", "all") in slices
        and len(slices) == len(costs) <= COSTS_MAX
        and all(_is_consistent_cost(cost, held) for cost in costs)
    )


def _is_consistent_cost(cost: dict[str, Any], held: dict[str, Any]) -> bool:
    is_all = cost["slice"] == "all"
    return (
        cost["people"] <= cost["rows"] <= held["rows"]
        and cost["people"] <= held["people"]
        and cost["low_ppm"] <= cost["cost_ppm"] <= cost["high_ppm"]
        and is_all == (cost["value"] == "all")
        and (not is_all or (cost["rows"], cost["people"]) == (held["rows"], held["people"]))
    )


def _is_upper_bound(findings: int, rows: int, ppm: int) -> bool:
    """Whether ``ppm`` millionths are the upper bound of Clopper and Pearson at 95 %: the smallest
    share for which so few findings have a probability of at most 5 %. It is 1 if every row had a
    finding or none was read.
    """
    if findings >= rows:
        return ppm == 1_000_000
    at_bound, below = (_binomial_cdf(findings, rows, (ppm - step) / 1_000_000) for step in (0, 1))
    return at_bound <= 0.05 * (1 + 1e-9) and below > 0.05 * (1 - 1e-9)


def _binomial_cdf(findings: int, rows: int, share: float) -> float:
    """The probability of at most ``findings`` in ``rows`` rows if a ``share`` of all rows has
    one.
    """
    if not 0 < share < 1:
        return 1.0 if share <= 0 else 0.0
    return math.fsum(
        math.exp(
            math.lgamma(rows + 1)
            - math.lgamma(n + 1)
            - math.lgamma(rows - n + 1)
            + n * math.log(share)
            + (rows - n) * math.log1p(-share)
        )
        for n in range(findings + 1)
    )

"""The rows and candidates of a release: each row decided again, and every candidate accounted for.

Both proof files are ordered by handle and read side by side, so that memory holds only a hash per
row.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from licet.verifier.answer import MALFORMED_ERRORS, ContradictionError, VerifierReport
from licet.verifier.decision import Decider
from licet.verifier.files import Files
from licet.verifier.forms import HEX, check_shape, fits_kind, read_json
from licet.verifier.manifest import OPEN_REASONS, PROOFS, ContentsCount, lines_of
from licet.verifier.tree import leaf, tree_hash

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
DAY_US = 86_400_000_000

SOURCE_1 = {
    "segment": "int", "place": "word", "because": "word", "turns": {"*": "pos"}, "mark": "int", "last_on": "day",
    "keep_until": "day", "grant": "pos?", "widening": "int?", "said_on": "day?",
}  # fmt: skip
# Version 1 is from before policies had questions. A row has a project if its grant is for the
# project.
ROW_1 = {
    "v": "one", "conversation": "hash", "who": "hash", "ordinal": "int", "row_id": "id", "sealed_sha256": "hash",
    "until": "day", "policy_sha256": "hash", "last_on": "day", "marks": [("text", "text", "int")], "sources": [SOURCE_1],
}  # fmt: skip
SOURCE_2 = {"narrowing" if name == "widening" else name: shape for name, shape in SOURCE_1.items()}
ROW_2 = {**ROW_1, "v": "two", "question": "question?", "project": "hash?", "sources": [SOURCE_2]}
CANDIDATE = {
    "v": "one",
    "conversation": "hash",
    "in": "int",
    "out": {"*": "pos"},
    "salted": {"*": "pos"},
}


def check_rows(
    files: Files, manifest: dict[str, Any], decider: Decider, report: VerifierReport
) -> list[tuple[int, bytes]]:
    """Checks each candidate with its rows; returns the ordinal and leaf of each row, in order."""
    leaves: list[tuple[int, bytes]] = []
    contents = ContentsCount()
    rows = _check_each_row(files, manifest, decider, report, leaves, contents)
    row = next(rows, None)
    included = left_out = hidden = 0
    reasons: dict[str, int] = {}
    before = ""
    for number, raw in enumerate(lines_of(files, manifest, "candidates", report)):
        place = f"{PROOFS['candidates']} line {number}"
        candidate = read_candidate(raw, place)
        if candidate["conversation"] <= before:
            raise ContradictionError(place, "the lines are in order without duplicates")
        before, turns = candidate["conversation"], 0
        while row is not None and row[0] == before:
            turns += row[1]
            row = next(rows, None)
        if turns != candidate["in"]:
            raise ContradictionError(place, "its included turns are those of its rows")
        included += turns
        salted = sum(candidate["salted"].values())
        hidden += salted
        for because, count in candidate["out"].items():
            reasons[because] = reasons.get(because, 0) + count
        left_out += salted + sum(candidate["out"].values())
        if row is not None and row[0] < before:
            break
    if row is not None:
        raise ContradictionError(
            f"{PROOFS['rows']} {row[2]}",
            "each row belongs to a candidate, in the order of the handles",
        )
    _check_counts(manifest, included, left_out, hidden, reasons)
    check_root(manifest, leaves)
    contents.check(manifest)
    return leaves


def _check_each_row(
    files: Files,
    manifest: dict[str, Any],
    decider: Decider,
    report: VerifierReport,
    leaves: list[tuple[int, bytes]],
    contents: ContentsCount,
) -> Iterator[tuple[str, int, str]]:
    """Each row, decided again: its conversation, number of turns, and place."""
    before, account = ("", -1), ""
    for number, raw in enumerate(lines_of(files, manifest, "rows", report)):
        place = f"line {number}"
        row = read_row(raw, f"{PROOFS['rows']} {place}")
        current = (row["conversation"], row["ordinal"])
        if current <= before:
            raise ContradictionError(
                f"{PROOFS['rows']} {place}", "the lines are in order without duplicates"
            )
        if current[0] == before[0] and row["who"] != account:
            report.add_contradiction(f"row {row['ordinal']}", "a conversation has one account")
        before, account = current, row["who"]
        try:
            decider.check(row, f"row {row['ordinal']}")
        except ContradictionError as contradiction:
            report.add_contradiction(contradiction.finding.place, contradiction.finding.promise)
        except MALFORMED_ERRORS:
            raise ContradictionError(
                f"row {row['ordinal']}", "it has the fields of a row"
            ) from None
        contents.take(row)
        leaves.append((row["ordinal"], leaf_of_row(row)))
        yield (
            row["conversation"],
            sum(sum(source["turns"].values()) for source in row["sources"]),
            place,
        )


def read_row(raw: bytes, place: str) -> dict[str, Any]:
    row = read_json(raw, place)
    check_shape(row, ROW_2 if fits_kind(row.get("v"), "two") else ROW_1, place, "a row")
    if not row["marks"] or not row["sources"]:
        raise ContradictionError(place, "it has the fields of a row: marks and sources")
    return row


def read_candidate(raw: bytes, place: str) -> dict[str, Any]:
    candidate = read_json(raw, place)
    check_shape(candidate, CANDIDATE, place, "a candidate")
    if not all(map(HEX.fullmatch, candidate["salted"])):
        raise ContradictionError(place, "its handle and its commitments are 32 bytes in hex")
    if not set(candidate["out"]) <= OPEN_REASONS:
        raise ContradictionError(
            place, "a reason that reveals something about a person is committed to, not disclosed"
        )
    if candidate["in"] + len(candidate["out"]) + len(candidate["salted"]) < 1:
        raise ContradictionError(place, "a candidate has turns, included or dropped for a reason")
    return candidate


def leaf_of_row(row: dict[str, Any]) -> bytes:
    """The row's leaf in the tree over the parts."""
    until_us = (date.fromisoformat(row["until"]).toordinal() - EPOCH_ORDINAL) * DAY_US
    return leaf_in_parts(
        row["ordinal"], bytes.fromhex(row["row_id"]), until_us, bytes.fromhex(row["sealed_sha256"])
    )


def leaf_in_parts(ordinal: int, row_id: bytes, until_us: int, sealed_sha256: bytes) -> bytes:
    """A leaf of the tree over the parts. ``until_us``: microseconds since 1970."""
    return leaf(
        ordinal.to_bytes(4, "big")
        + row_id
        + until_us.to_bytes(8, "big", signed=True)
        + sealed_sha256
    )


def _check_counts(
    manifest: dict[str, Any], included: int, left_out: int, hidden: int, reasons: dict[str, int]
) -> None:
    counts, place = manifest["counts"], PROOFS["candidates"]
    if (included, left_out) != (counts["included"], counts["candidates"] - counts["included"]):
        raise ContradictionError(
            place, "its included and dropped turns are as many as the manifest states"
        )
    stated = {
        because: count
        for because, count in counts["dropped"].items()
        if because in OPEN_REASONS and count
    }
    if reasons != stated or hidden != sum(
        n for because, n in counts["dropped"].items() if because not in OPEN_REASONS
    ):
        raise ContradictionError(place, "its reasons are counted in the manifest")


def check_root(manifest: dict[str, Any], leaves: list[tuple[int, bytes]]) -> None:
    """Compares the leaves of all rows, by ordinal, with the root over the parts."""
    leaves.sort()
    if len({ordinal for ordinal, _ in leaves}) != len(leaves) or len(leaves) != manifest["rows"]:
        raise ContradictionError(PROOFS["rows"], "each row of the parts occurs once, and no other")
    if tree_hash([digest for _, digest in leaves]).hex() != manifest["root"]:
        raise ContradictionError(
            PROOFS["rows"], "its rows are those of the parts under the manifest's root"
        )

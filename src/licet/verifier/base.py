"""Checks the base of a release, from which rows were carried over, if its folder is given:

Proved: the folder is the release that the manifest names, with the manifest hash of its log entry
and rows that lead to the stated root; it was curated in the same way; and no more rows are stated
as carried than possible. A row can have been carried if a row of the base has the same turns: in
the proofs of both, the same conversation and account, and as many turns of each origin in each
segment. Releases of two years have different pseudonyms and are compared by the turns alone.

Not proved: which of these rows were carried, and that a carried row has its former text: their
seals are under different keys.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any

from licet.verifier.answer import ContradictionError, UnreadableError, VerifierReport
from licet.verifier.files import Files, FolderFiles
from licet.verifier.forms import read_time
from licet.verifier.manifest import (
    MANIFEST,
    MANIFEST_BYTES_MAX,
    PROOFS,
    lines_of,
    read_bounded,
    read_manifest,
)
from licet.verifier.rows import check_root, leaf_of_row, read_row

Row = dict[str, Any]
CURATED_ALIKE = "it was curated in the same way, by the same software, for the same purpose"
CARRIED = "no more rows are stated as carried than have the same turns as rows of the base"


def check_base(
    files: Files,
    manifest: dict[str, Any],
    base: Files,
    facts: dict[str, Any] | None,
    report: VerifierReport,
) -> None:
    """Checks ``manifest``'s statement about its base against the base's folder; ``facts`` are those
    of the base's log entry.
    """
    stated = manifest["base"]
    try:
        base_manifest = _read_base_manifest(base, manifest, facts, report)
        leaves: list[tuple[int, bytes]] = []
        is_same_year = base_manifest["built_at"][:4] == manifest["built_at"][:4]
        carriable = count_carriable(
            _read_rows(files, manifest, report),
            _read_rows(base, base_manifest, report, leaves),
            is_same_year,
        )
        check_root(base_manifest, leaves)
    except UnreadableError as error:
        raise UnreadableError(f"base: {error.finding.place}", error.finding.promise) from None
    except ContradictionError as error:
        raise ContradictionError(f"base: {error.finding.place}", error.finding.promise) from None
    if stated["carried"] > carriable:
        raise ContradictionError(MANIFEST, CARRIED)


def _read_base_manifest(
    base: Files, manifest: dict[str, Any], facts: dict[str, Any] | None, report: VerifierReport
) -> dict[str, Any]:
    """Reads the base's manifest and checks that ``manifest`` and the log entry name it."""
    stated, raw = manifest["base"], read_bounded(base, MANIFEST, report)
    base_manifest = read_manifest(raw)
    if any(base_manifest[name] != stated[name] for name in ("release", "root", "rows")):
        raise ContradictionError(MANIFEST, "it is the base that the release's manifest names")
    if facts is not None and facts["manifest_sha256"] != hashlib.sha256(raw).hexdigest():
        raise ContradictionError(MANIFEST, "the release's log entry names its hash")
    first, second = (
        read_time(either["built_at"], MANIFEST, "built_at") for either in (base_manifest, manifest)
    )
    if first > second or _curation_settings(base_manifest) != _curation_settings(manifest):
        raise ContradictionError(MANIFEST, CURATED_ALIKE)
    return base_manifest


def _curation_settings(manifest: dict[str, Any]) -> tuple[Any, ...]:
    """The curation settings that a release shares with its base."""
    cleaned = manifest["deidentification"]
    plan = manifest.get("curation", {}).get("plan")
    return manifest["purpose"], manifest["licet"], plan, cleaned["sha256"], cleaned.get("names")


def count_carriable(rows: Iterable[Row], base_rows: Iterable[Row], is_same_year: bool) -> int:
    """Counts the ``rows`` that match a row of ``base_rows``, each used once; both are ordered by
    handle.
    """
    if not is_same_year:
        return (Counter(map(_count_turns, rows)) & Counter(map(_count_turns, base_rows))).total()
    sides = merge(_with_side(rows, 0), _with_side(base_rows, 1), key=itemgetter(0))
    count = 0
    for _, chat in groupby(sides, itemgetter(0)):
        carriable: tuple[Counter[Any], Counter[Any]] = Counter(), Counter()
        for _, side, row in chat:
            carriable[side][row["who"], _count_turns(row)] += 1
        count += (carriable[0] & carriable[1]).total()
    return count


def _with_side(rows: Iterable[Row], side: int) -> Iterator[tuple[str, int, Row]]:
    return ((row["conversation"], side, row) for row in rows)


def _count_turns(row: Row) -> tuple[Any, ...]:
    """The number of turns by segment and origin."""
    counts: Counter[tuple[int, str]] = Counter()
    for source in row["sources"]:
        for origin, turns in source["turns"].items():
            counts[source["segment"], origin] += turns
    return tuple(sorted(counts.items()))


def _read_rows(
    files: Files,
    manifest: dict[str, Any],
    report: VerifierReport,
    leaves: list[tuple[int, bytes]] | None = None,
) -> Iterator[Row]:
    """Reads the proof lines of a release's rows, in order; appends each row's leaf to
    ``leaves``.
    """
    before = ""
    for number, raw in enumerate(lines_of(files, manifest, "rows", report)):
        place = f"{PROOFS['rows']} line {number}"
        row = read_row(raw, place)
        if row["conversation"] < before:
            raise ContradictionError(place, "the lines are in order without duplicates")
        before = row["conversation"]
        if leaves is not None:
            leaves.append((row["ordinal"], leaf_of_row(row)))
        yield row


def find_base(files: Files) -> Files | None:
    """The folder of the release's base, if it lies beside the release's folder."""
    if not isinstance(files, FolderFiles):
        return None
    try:
        base = read_manifest(files.read(MANIFEST) or b"").get("base")
    except ContradictionError:
        return None  # the check of the release reports it
    if base is None:
        return None
    for path in sorted(files.root.resolve().parent.glob(f"*/{MANIFEST}")):
        try:
            if (
                path.stat().st_size <= MANIFEST_BYTES_MAX
                and read_manifest(path.read_bytes())["release"] == base["release"]
            ):
                return FolderFiles(path.parent)
        except (ContradictionError, OSError):
            continue
    return None

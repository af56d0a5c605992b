"""The release that rows were carried from, where its folder is at hand.

Proved: the folder holds the release that the manifest names, with the manifest of its leaf, and the
rows that lead to the root that is said of it; it was curated in the same way; and no more rows are
said to be carried than can have been. A row can have been carried if the base has a row that is
made of the same turns: in the proofs of both, the same conversation and account, and as many turns
of each origin in each segment. Names of conversations are those of a year, so releases of two years
are compared by the turns alone.

Not proved: which of these rows were carried, and that a carried row has the text that it had. The
rows of two releases are sealed under different keys, and nothing links them.
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
CARRIED = "no more rows are said to be carried than are made of the same turns as rows of its base"


def check_base(
    files: Files,
    manifest: dict[str, Any],
    base: Files,
    facts: dict[str, Any] | None,
    report: VerifierReport,
) -> None:
    """Hold what ``manifest`` says of its base against the base's own folder; ``facts`` are those of
    the base's leaf.
    """
    said = manifest["base"]
    try:
        theirs = _manifest_of(base, manifest, facts, report)
        leaves: list[tuple[int, bytes]] = []
        is_same_year = theirs["built_at"][:4] == manifest["built_at"][:4]
        can = carried_max(
            _told_rows(files, manifest, report),
            _told_rows(base, theirs, report, leaves),
            is_same_year,
        )
        check_root(theirs, leaves)
    except UnreadableError as error:
        raise UnreadableError(f"base: {error.finding.place}", error.finding.promise) from None
    except ContradictionError as error:
        raise ContradictionError(f"base: {error.finding.place}", error.finding.promise) from None
    if said["carried"] > can:
        raise ContradictionError(MANIFEST, CARRIED)


def _manifest_of(
    base: Files, manifest: dict[str, Any], facts: dict[str, Any] | None, report: VerifierReport
) -> dict[str, Any]:
    """The base's manifest, which must be the one that is meant, and that its leaf names."""
    said, raw = manifest["base"], read_bounded(base, MANIFEST, report)
    theirs = read_manifest(raw)
    if any(theirs[name] != said[name] for name in ("release", "root", "rows")):
        raise ContradictionError(
            MANIFEST, "it is the release that the other manifest names as its base"
        )
    if facts is not None and facts["manifest_sha256"] != hashlib.sha256(raw).hexdigest():
        raise ContradictionError(MANIFEST, "the log's leaf of the release names its hash")
    first, then = (read_time(one["built_at"], MANIFEST, "built_at") for one in (theirs, manifest))
    if first > then or _made_by(theirs) != _made_by(manifest):
        raise ContradictionError(MANIFEST, CURATED_ALIKE)
    return theirs


def _made_by(manifest: dict[str, Any]) -> tuple[Any, ...]:
    """What a release must have in common with its base."""
    cleaned = manifest["deidentification"]
    plan = manifest.get("curation", {}).get("plan")
    return manifest["purpose"], manifest["licet"], plan, cleaned["sha256"], cleaned.get("names")


def carried_max(rows: Iterable[Row], theirs: Iterable[Row], is_same_year: bool) -> int:
    """How many of ``rows`` have a twin among ``theirs``, each of which is the twin of one row; both
    in the order of handles.
    """
    if not is_same_year:
        return (Counter(map(_turns_of, rows)) & Counter(map(_turns_of, theirs))).total()
    sides = merge(_of_side(rows, 0), _of_side(theirs, 1), key=itemgetter(0))
    count = 0
    for _, chat in groupby(sides, itemgetter(0)):
        found: tuple[Counter[Any], Counter[Any]] = Counter(), Counter()
        for _, side, row in chat:
            found[side][row["who"], _turns_of(row)] += 1
        count += (found[0] & found[1]).total()
    return count


def _of_side(rows: Iterable[Row], side: int) -> Iterator[tuple[str, int, Row]]:
    return ((row["conversation"], side, row) for row in rows)


def _turns_of(row: Row) -> tuple[Any, ...]:
    """How many turns of each origin a row has, by segment."""
    counts: Counter[tuple[int, str]] = Counter()
    for source in row["sources"]:
        for origin, turns in source["turns"].items():
            counts[source["segment"], origin] += turns
    return tuple(sorted(counts.items()))


def _told_rows(
    files: Files,
    manifest: dict[str, Any],
    report: VerifierReport,
    leaves: list[tuple[int, bytes]] | None = None,
) -> Iterator[Row]:
    """The rows of a release as its proofs tell of them, in order; notes the leaf of each in
    ``leaves``.
    """
    before = ""
    for number, raw in enumerate(lines_of(files, manifest, "rows", report)):
        place = f"{PROOFS['rows']} line {number}"
        row = read_row(raw, place)
        if row["conversation"] < before:
            raise ContradictionError(place, "the lines are in order, and none comes twice")
        before = row["conversation"]
        if leaves is not None:
            leaves.append((row["ordinal"], leaf_of_row(row)))
        yield row


def base_beside(files: Files) -> Files | None:
    """The folder beside a release's that holds its base, if there is one."""
    if not isinstance(files, FolderFiles):
        return None
    try:
        said = read_manifest(files.read(MANIFEST) or b"").get("base")
    except ContradictionError:
        return None  # whoever checks the release reports it
    if said is None:
        return None
    for path in sorted(files.root.resolve().parent.glob(f"*/{MANIFEST}")):
        try:
            if (
                path.stat().st_size <= MANIFEST_BYTES_MAX
                and read_manifest(path.read_bytes())["release"] == said["release"]
            ):
                return FolderFiles(path.parent)
        except (ContradictionError, OSError):
            continue
    return None

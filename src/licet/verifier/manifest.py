"""The manifest of a release, and its proof files.

A release is a folder: manifest.json, a card, parts of sealed rows (which are only hashed here), and
its proofs:
    proof/policies.jsonl.gz     each policy version, by its number
    proof/candidates.jsonl.gz   each candidate conversation, by handle: turns in, turns out and why
    proof/rows.jsonl.gz         each row, by handle and ordinal: the inputs of its decision
Each holds one canonical JSON object a line, in order. The lines of each file form an RFC 6962 tree,
whose root and size the manifest names: a path proves that a line is in the file, and two neighbours
that no line is between them.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from licet.verifier.answer import ContradictionError, UnreadableError, VerifierReport
from licet.verifier.files import Files, read_required
from licet.verifier.forms import check_shape, read_json
from licet.verifier.tree import leaf, tree_hash

MANIFEST, MANIFEST_BYTES_MAX = "manifest.json", 1 << 26
PROOFS = {
    "policies": "proof/policies.jsonl.gz",
    "candidates": "proof/candidates.jsonl.gz",
    "rows": "proof/rows.jsonl.gz",
}
REVIEW, MEASUREMENT, PURGES_MAX, ORDINALS_MAX = "review.json", "measurement.json", 10_000, 1 << 32
# derived from the rest and unsigned: not checked
DESCRIBES = {"README.md": "card", "croissant.json": "croissant"}
LINE_BYTES_MAX = 1 << 23

# Reasons that reveal nothing about a person are in clear; others are commitments.
OPEN_REASONS = frozenset({
    "before_grant", "empty", "erased", "expired", "incomplete_row", "origin", "purpose",
    "stale_terms", "too_large"})  # fmt: skip
_PART = re.compile(r"part-[0-9]{5}\.parquet", re.ASCII)
PART = {"file": "text", "sha256": "hash", "bytes": "pos", "rows": "pos", "first_ordinal": "int"}
PROOF = {"file": "text", "sha256": "hash", "bytes": "int", "lines": "int", "root": "hash"}
ORDINAL_RANGE = ("int", "int")
MANIFEST_SHAPE = {
    "format": frozenset({"licet-release-1"}),
    "release": "id",
    "name": "text",
    "purpose": "word",
    "built_at": "time",
    "policy": {"name": "text", "version": "text", "sha256": "hash"},
    "journal": "int",
    "counts": {"candidates": "int", "included": "int", "dropped": {"*": "int"}},
    "rows": "int",
    "parts": [PART],
    "root": "hash",
    "deidentification": {
        "rules": "text",
        "sha256": "hash",
        "counts": {"*": "int"},
        "names?": {"kinds": ["text"], "...": None},
        "left_in?": "text",
        "...": None,
    },
    "licet": "text",
    "proof": dict.fromkeys(PROOFS, PROOF),
    "contents?": {
        "accounts": "int?",
        "first_month": "text?",
        "last_month": "text?",
        "bytes": "int",
        "tokens": "int",
        "gapped?": "int",
        "kinds": {"*": "pos"},
        "languages?": {"*": "pos"},
        "origins": {"*": "pos"},
        "surfaces": {"*": "pos"},
        "plans": {"*": "pos"},
        "models": {"*": "pos"},
    },
    "base?": {
        "release": "id",
        "root": "hash",
        "rows": "int",
        "carried": "int",
        "rebuilt": "int",
        "dropped": "int",
    },
    "curation?": {"plan": "hash", "splits": {"*": [ORDINAL_RANGE]}, "...": None},
}


def read_manifest(raw: bytes) -> dict[str, Any]:
    """Parses a manifest; checks the types of its fields, the paths of its files, and its splits."""
    manifest = read_json(raw, MANIFEST, UnreadableError)
    check_shape(manifest, MANIFEST_SHAPE, MANIFEST, "a manifest", UnreadableError)
    if any(proof["file"] != PROOFS[name] for name, proof in manifest["proof"].items()):
        raise UnreadableError(MANIFEST, "its proofs have the paths of proofs")
    parts = manifest["parts"]
    for part in parts:
        if not _PART.fullmatch(part["file"]):
            raise UnreadableError(MANIFEST, "its parts have the paths of parts")
    for part, following in pairwise(parts):
        if (
            part["file"] >= following["file"]
            or part["first_ordinal"] + part["rows"] > following["first_ordinal"]
        ):
            raise ContradictionError(MANIFEST, "its parts follow one another")
    runs = sorted(
        tuple(run)
        for runs in manifest.get("curation", {}).get("splits", {}).values()
        for run in runs
    )
    if any(first > last for first, last in runs) or any(a[1] >= b[0] for a, b in pairwise(runs)):
        raise ContradictionError(MANIFEST, "each row is in one split")
    return manifest


def check_sums(manifest: dict[str, Any]) -> None:
    counts = manifest["counts"]
    if counts["candidates"] != counts["included"] + sum(counts["dropped"].values()):
        raise ContradictionError(
            MANIFEST, "it reconciles: every candidate is included, or dropped for a reason"
        )
    if manifest["rows"] != sum(part["rows"] for part in manifest["parts"]):
        raise ContradictionError(MANIFEST, "it reconciles: its rows are those of its parts")
    base = manifest.get("base")
    if base is not None and (
        base["carried"] + base["rebuilt"] != manifest["rows"]
        or base["carried"] + base["dropped"] != base["rows"]
    ):
        raise ContradictionError(
            MANIFEST,
            "it reconciles: carried and rebuilt rows are its own, carried and dropped its base's",
        )


def read_bounded(files: Files, path: str, report: VerifierReport) -> bytes:
    data = read_required(files, path, report) if path in set(files.paths()) else None
    if data is None or len(data) > MANIFEST_BYTES_MAX:
        raise UnreadableError(path, "a release has a manifest of a bounded size")
    return data


def lines_of(
    files: Files, manifest: dict[str, Any], name: str, report: VerifierReport
) -> Iterator[bytes]:
    """Yields the lines of a proof file; raises after the last one if their number or root differs
    from the manifest's.
    """
    path, promised = PROOFS[name], manifest["proof"][name]
    report.files += 1
    leaves: list[bytes] = []
    try:
        with gzip.open(io.BytesIO(files.read(path) or b"")) as lines:
            while line := lines.readline(LINE_BYTES_MAX + 1):
                if line[-1:] != b"\n" or len(line) > LINE_BYTES_MAX:
                    raise ContradictionError(
                        f"{path} line {len(leaves)}", "it is a complete line of a bounded length"
                    )
                if len(leaves) >= promised["lines"]:
                    break
                leaves.append(leaf(line[:-1]))
                yield line[:-1]
    except (OSError, EOFError, zlib.error):
        raise ContradictionError(path, "it is a gzip file") from None
    if line or len(leaves) != promised["lines"]:
        raise ContradictionError(path, f"it holds `{promised['lines']}` lines")
    if tree_hash(leaves).hex() != promised["root"]:
        raise ContradictionError(path, "its lines lead to its root")


ACCOUNTS_MIN, BYTES_PER_TOKEN, OTHER = 10, 4, "other"
_MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])", re.ASCII)
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,63}", re.ASCII)
OF_ROWS, OF_TURNS = ("kinds", "languages"), ("origins", "surfaces", "plans")


def check_contents(manifest: dict[str, Any]) -> None:
    """Compares the contents with the manifest's counts; older manifests have no contents."""
    contents, rows, turns = (
        manifest.get("contents"),
        manifest["rows"],
        manifest["counts"]["included"],
    )
    if contents is None:
        return
    sums = [(name, rows) for name in OF_ROWS if name in contents] + [
        (name, turns) for name in OF_TURNS
    ]
    for name, total in sums:
        if sum(contents[name].values()) != total:
            raise ContradictionError(MANIFEST, f"its `{name}` add up to its rows or turns")
    if sum(contents["models"].values()) > turns or contents["tokens"] != -(
        -contents["bytes"] // BYTES_PER_TOKEN
    ):
        raise ContradictionError(
            MANIFEST, "its tokens follow from its bytes, and its models are of its turns"
        )
    if contents.get("gapped", 0) > rows:
        raise ContradictionError(MANIFEST, "at most all of its rows have gaps")
    if not all(
        _VALUE.fullmatch(value)
        for name in (*OF_ROWS, *OF_TURNS, "models")
        for value in contents.get(name, ())
    ):
        raise ContradictionError(MANIFEST, "the names in its contents are well-formed")
    months = [contents["first_month"], contents["last_month"]]
    if not rows:
        fits = months == [None, None]
    else:
        fits = all(isinstance(month, str) and _MONTH.fullmatch(month) for month in months)
        fits = fits and months == sorted(months) and months[1] <= manifest["built_at"][:7]
    if not fits or (
        contents["accounts"] is not None and not ACCOUNTS_MIN <= contents["accounts"] <= rows
    ):
        raise ContradictionError(MANIFEST, "its months and accounts are possible")


class ContentsCount:
    def __init__(self) -> None:
        self.accounts = set[str]()
        self.turns: dict[tuple[str, str], int] = {}
        self.accounts_by_value: dict[tuple[str, str], set[str]] = {}

    def take(self, row: dict[str, Any]) -> None:
        self.accounts.add(row["who"])
        for source in row["sources"]:
            plan, surface, _ = row["marks"][source["mark"]]
            for origin, count in source["turns"].items():
                for key in (("origins", origin), ("surfaces", surface), ("plans", plan)):
                    self.turns[key] = self.turns.get(key, 0) + count
                    self.accounts_by_value.setdefault(key, set()).add(row["who"])

    def check(self, manifest: dict[str, Any]) -> None:
        contents = manifest.get("contents")
        if contents is None:
            return
        named: dict[str, dict[str, int]] = {name: {} for name in OF_TURNS}
        for (name, value), count in self.turns.items():
            shown = value if len(self.accounts_by_value[name, value]) >= ACCOUNTS_MIN else OTHER
            named[name][shown] = named[name].get(shown, 0) + count
        for name, counts in named.items():
            if contents[name] != counts:
                raise ContradictionError(
                    PROOFS["rows"], f"its turns by `{name}` are as many as the manifest states"
                )
        accounts = len(self.accounts)
        if contents["accounts"] != (accounts if accounts >= ACCOUNTS_MIN else None):
            raise ContradictionError(
                PROOFS["rows"], "its accounts are as many as the manifest states"
            )

"""Proves what a release contains of one conversation, by lines with Merkle paths to the manifest's
roots.

A proof is {"conversation":handle,"release":id,"candidates":[..],"rows":[..],"v":1}, and each of its
lines is {"index":n,"line":text,"path":[hex,..]}. Candidates: the conversation's line, or the two
lines between which it would be. Rows: all of the conversation's with the lines before and after, or
the two neighbours. The index in the proof file finds them; without one the whole file is read.
"""

from __future__ import annotations

import hmac
import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from licet.verifier.answer import (
    MALFORMED_ERRORS,
    ArtefactPart,
    ContradictionError,
    UnreadableError,
    Verdict,
    VerifierReport,
)
from licet.verifier.entries import pseudonym
from licet.verifier.files import Files
from licet.verifier.forms import HEX, check_shape, read_json
from licet.verifier.keys import Trust
from licet.verifier.line_index import LINES_EACH, IndexedLines, NoIndexError, SeekableFiles
from licet.verifier.manifest import MANIFEST, OPEN_REASONS, PROOFS, lines_of, read_bounded
from licet.verifier.proof import PROOF_LINES_MAX
from licet.verifier.release import check_manifest
from licet.verifier.rows import read_candidate, read_row
from licet.verifier.tree import leaf, path_of, root_of_path

LINE = {"index": "int", "line": "text", "path": ["hash"]}
PROOF_SHAPE = {
    "v": "one",
    "release": "text",
    "conversation": "text",
    "candidates": [LINE],
    "rows": [LINE],
}
MANIFEST_PROOF_SHAPE = {
    "release": "text", "counts": {"dropped": {"*": "int"}, "...": None},
    "proof": {"candidates": {"lines": "int", "root": "hash", "...": None},
              "rows": {"lines": "int", "root": "hash", "...": None}, "...": None}, "...": None,
}  # fmt: skip


def prove_conversation(files: Files, handle: str) -> dict[str, Any]:
    """Builds a conversation's proof from a release's folder."""
    report = VerifierReport("conversation")
    manifest = _parse_manifest(read_bounded(files, MANIFEST, report))
    proof: dict[str, Any] = {"v": 1, "release": manifest["release"], "conversation": handle}
    for name in ("candidates", "rows"):
        shown = _lookup_lines(files, manifest, name, handle)
        proof[name] = _scan_lines(files, manifest, name, handle, report) if shown is None else shown
    return proof


def _lookup_lines(
    files: Files, manifest: dict[str, Any], name: str, handle: str
) -> list[dict[str, Any]] | None:
    """Looks up a handle's lines by the file's index; None if there is no index or a line does not
    lead to the root.
    """
    promised = manifest["proof"][name]
    if not isinstance(files, SeekableFiles) or not HEX.fullmatch(handle):
        return None

    def key(index: int) -> str:
        return str(read_json(lines.line(index), PROOFS[name]).get("conversation"))

    try:
        lines = IndexedLines(files, PROOFS[name], promised["lines"])
        begin = lines.block_of(bytes.fromhex(handle))
        first = last = begin + bisect_left(
            range(begin, min(begin + LINES_EACH, lines.size)), handle, key=key
        )
        while last < lines.size and key(last) == handle:
            last += 1
        if (first > 0 and key(first - 1) >= handle) or (last < lines.size and key(last) <= handle):
            return None
        shown = _proof_range(name, first, last, lines.size)
        found = [(index, lines.line(index), lines.path(index)) for index in shown]
    except (NoIndexError, ContradictionError):
        return None
    root = bytes.fromhex(promised["root"])
    if any(
        root_of_path(index, lines.size, leaf(line), path) != root for index, line, path in found
    ):
        return None
    return [_proof_line(*line) for line in found]


def _scan_lines(
    files: Files, manifest: dict[str, Any], name: str, handle: str, report: VerifierReport
) -> list[dict[str, Any]]:
    lines = list(lines_of(files, manifest, name, report))
    leaves = [leaf(line) for line in lines]
    keys = [str(read_json(line, PROOFS[name]).get("conversation")) for line in lines]
    shown = _proof_range(name, bisect_left(keys, handle), bisect_right(keys, handle), len(lines))
    return [_proof_line(index, lines[index], path_of(index, leaves)) for index in shown]


def _proof_range(name: str, first: int, last: int, size: int) -> range:
    """The lines that prove the range ``first`` to ``last`` (exclusive): the range and its
    neighbours, or a candidate's line alone.
    """
    if name == "candidates" and last - first == 1:
        return range(first, last)
    return range(max(0, first - 1), min(size, last + 1))


def _proof_line(index: int, line: bytes, path: list[bytes]) -> dict[str, Any]:
    return {"index": index, "line": line.decode(), "path": [digest.hex() for digest in path]}


def _parse_manifest(raw: bytes) -> dict[str, Any]:
    """Parses a manifest; checks only the fields that prove a conversation (a log is needed for the
    others).
    """
    manifest = read_json(raw, MANIFEST, UnreadableError)
    check_shape(manifest, MANIFEST_PROOF_SHAPE, MANIFEST, "a manifest", UnreadableError)
    return manifest


def parse_proof(raw: bytes, place: str) -> dict[str, Any]:
    """A conversation's proof as printed with --json: alone, or as the ``proof`` of the answer."""
    try:
        file = json.loads(raw)
    except (ValueError, RecursionError):
        raise UnreadableError(place, "it is JSON") from None
    shown = file.get("proof", file) if isinstance(file, dict) else file
    check_shape(shown, PROOF_SHAPE, place, "a conversation's proof", UnreadableError)
    proof: dict[str, Any] = shown
    return proof


@dataclass(frozen=True, slots=True)
class ConversationFound:
    """What a release contains of a conversation; ``why`` is complete only with the salt."""

    candidate: bool
    turns_in: int
    turns_out: int
    rows: tuple[int, ...]
    why: dict[str, int]
    hidden: int

    @property
    def text(self) -> str:
        if not self.candidate:
            return "out: none of its turns was a candidate"
        left = ", ".join(f"{count} for `{word}`" for word, count in sorted(self.why.items()))
        left += f", {self.hidden} for reasons that need its salt" * bool(self.hidden)
        if not self.turns_in:
            return f"out: {self.turns_out} turns were left out: {left.removeprefix(', ')}"
        rows = ", ".join(map(str, self.rows))
        return (
            f"in: {self.turns_in} turns, in row {rows}; {self.turns_out} were left "
            f"out{': ' * bool(left)}{left}"
        )


def check_conversation(
    raw: bytes, proof: dict[str, Any], handle: str, salt: bytes | None = None
) -> ConversationFound:
    """Checks a proof against a manifest's bytes; ``salt`` opens the committed reasons.

    Raises `ContradictionError`; check the manifest itself against the log (`check_manifest`).
    """
    try:
        check_shape(proof, PROOF_SHAPE, "proof", "a conversation's proof", UnreadableError)
        return _check_conversation(_parse_manifest(raw), proof, handle, salt)
    except MALFORMED_ERRORS:
        raise ContradictionError("proof", "it has the fields of a conversation's proof") from None


def _check_conversation(
    manifest: dict[str, Any], proof: dict[str, Any], handle: str, salt: bytes | None
) -> ConversationFound:
    if (proof["release"], proof["conversation"]) != (manifest["release"], handle):
        raise ContradictionError("proof", "it is for this release and this conversation")
    candidates = _verify_lines(manifest, proof, "candidates", handle)
    rows = _verify_lines(manifest, proof, "rows", handle)
    turns_in = sum(sum(source["turns"].values()) for row in rows for source in row["sources"])
    if not candidates:
        if rows:
            raise ContradictionError("proof", "each row belongs to a candidate")
        return ConversationFound(False, 0, 0, (), {}, 0)
    candidate = candidates[0]
    if turns_in != candidate["in"]:
        raise ContradictionError("proof", "its included turns are those of its rows")
    if salt is not None and any(row["who"] != pseudonym(salt) for row in rows):
        raise ContradictionError("proof", "its rows have its person's pseudonym")
    turns_out = sum(candidate["out"].values()) + sum(candidate["salted"].values())
    why = candidate["out"] | (_open_reasons(candidate, manifest, salt) if salt is not None else {})
    ordinals = tuple(row["ordinal"] for row in rows)
    return ConversationFound(
        True, turns_in, turns_out, ordinals, why, turns_out - sum(why.values())
    )


def _open_reasons(
    candidate: dict[str, Any], manifest: dict[str, Any], salt: bytes
) -> dict[str, int]:
    """Opens the committed reasons by comparing each known reason's commitment under the salt."""
    about = b"why" + bytes.fromhex(manifest["release"]) + bytes.fromhex(candidate["conversation"])
    words = set(manifest["counts"]["dropped"]) - OPEN_REASONS
    made = {hmac.digest(salt, about + word.encode(), "sha256").hex(): word for word in words}
    if not set(candidate["salted"]) <= set(made):
        raise ContradictionError("proof", "the salt opens the committed reasons")
    return {made[commitment]: count for commitment, count in candidate["salted"].items()}


def _verify_lines(
    manifest: dict[str, Any], proof: dict[str, Any], name: str, handle: str
) -> list[dict[str, Any]]:
    """The conversation's lines, proved complete by their neighbours."""
    promised = manifest["proof"][name]
    size, root = promised["lines"], bytes.fromhex(promised["root"])
    verified, keys, indexes = [], [], []
    for shown in proof[name]:
        line, index = shown["line"].encode(), shown["index"]
        path = [bytes.fromhex(digest) for digest in shown["path"]]
        if (
            index >= size
            or len(path) > PROOF_LINES_MAX
            or root_of_path(index, size, leaf(line), path) != root
        ):
            raise ContradictionError("proof", f"each line leads to the root of the {name}")
        record = read_candidate(line, "proof") if name == "candidates" else read_row(line, "proof")
        keys.append(record["conversation"])
        indexes.append(index)
        verified += [record] if record["conversation"] == handle else []
    if keys != sorted(keys) or indexes != list(
        range(indexes[0] if indexes else 0, size)[: len(indexes)]
    ):
        raise ContradictionError("proof", "its lines are neighbours, in order")
    # a handle occurs once among the candidates
    is_single = name == "candidates" and len(keys) == 1 and bool(verified)
    before = not indexes or indexes[0] == 0 or keys[0] < handle
    after = not indexes or indexes[-1] == size - 1 or keys[-1] > handle
    if not is_single and not (before and after and (indexes or size == 0)):
        raise ContradictionError("proof", "its neighbours prove that no line is missing")
    return verified


def check_conversation_in(
    files: Files,
    handle: str,
    salt: bytes | None,
    kept_proof: dict[str, Any] | None,
    logs: Sequence[tuple[Trust, Files]],
) -> tuple[VerifierReport, ConversationFound | None, dict[str, Any] | None]:
    report = VerifierReport("conversation")
    shown = list[dict[str, Any]]()
    contents = list[ConversationFound]()
    raw = b""

    def check_lines() -> None:
        nonlocal raw
        raw = read_bounded(files, MANIFEST, report)
        shown.append(prove_conversation(files, handle) if kept_proof is None else kept_proof)
        contents.append(check_conversation(raw, shown[0], handle, salt))

    def check_manifest_logged() -> None:
        year = str(_parse_manifest(raw).get("built_at"))[:4]
        own = next((log for log in logs if log[0].origin.endswith(f"/{year}")), None)
        if own is None:
            report.add_lack(
                MANIFEST,
                "no log was given that names it",
                "give the log of the release's year and its key",
            )
            return
        report.origin = own[0].origin
        report.merge(check_manifest(raw, *own))

    report.steps(
        (
            ("conversation", "its lines lead to the roots of the manifest", check_lines),
            (MANIFEST, "the release's log entry names its hash", check_manifest_logged),
        )
    )
    if report.lacks and not report.findings:
        report.parts[0] = ArtefactPart(
            "conversation", Verdict.unproved, f"it agrees with `{MANIFEST}`, which is not proved"
        )
    return report, contents[0] if contents else None, shown[0] if shown else None

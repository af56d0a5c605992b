"""Checks a log's folder (c2sp.org/tlog-tiles): only the checkpoint's signature is trusted; every
tile byte, the root, and the roots of older checkpoints are recomputed from the entries.
`check_texts` looks up policies and notices by the hashes in entries.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from licet.verifier.answer import FINDINGS_MAX, ContradictionError, UnreadableError, VerifierReport
from licet.verifier.entries import Story, new_story
from licet.verifier.files import TILE, Files, FilesUnder, read_required, tile_path
from licet.verifier.grants import ACCOUNT
from licet.verifier.invariants import carried_over, ended_with
from licet.verifier.keys import Trust, VerifierKey
from licet.verifier.note import CheckpointHead, open_checkpoint
from licet.verifier.tree import leaf, tree_hash

_TILE_PATH = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z"
)


@dataclass(frozen=True, slots=True)
class TileFile:
    """``width``: how many hashes or entries its name promises."""

    width: int
    path: str


Pieces = dict[tuple[int, int], list[TileFile]]
BUNDLES = -1


def check_log(
    files: Files,
    trusted: Trust,
    older: Sequence[tuple[str, bytes]] = (),
    story: Story | None = None,
) -> VerifierReport:
    """Recomputes the tree from the entries, and compares every file and checkpoint with it.

    ``older`` are earlier checkpoints of the log, as (name, bytes): each must be a prefix of it.
    ``story`` checks the entries themselves, where they are licet's.
    """
    report = VerifierReport("log", origin=trusted.origin)
    heads: list[CheckpointHead] = []
    derived: list[tuple[bytes, dict[int, bytes]]] = []
    pieces: Pieces = {}
    olds: list[tuple[str, CheckpointHead]] = []

    def open_head() -> None:
        raw = files.read("checkpoint")
        if raw is None:
            raise UnreadableError("checkpoint", "a log has a checkpoint")
        head = open_checkpoint(raw, "checkpoint", trusted)
        heads.append(head)
        report.size, report.root = head.size, base64.b64encode(head.root).decode()
        report.cosigned = list(head.cosigned)

    def check_tree() -> None:
        pieces.update(_sort_paths(files.paths(), report))
        olds.extend(_open_older(older, trusted, heads[0], report))
        derived.append(
            _derive_roots(
                files, pieces, heads[0].size, [old.size for _, old in olds], report, story
            )
        )
        if derived[0][0] != heads[0].root:
            report.add_contradiction("checkpoint", f"the {heads[0].size} entries lead to its root")
        for name, old in olds:
            if derived[0][1][old.size] != old.root:
                report.add_contradiction(
                    name, f"the first {old.size} entries of the log lead to its root"
                )

    def add_story_findings() -> None:
        report.findings += (story.findings if story else [])[: FINDINGS_MAX - len(report.findings)]

    if not report.step("checkpoint", f"the log's key `{trusted.key.name}` signed it", open_head):
        return report
    note = f", and so do the {len(older)} checkpoints seen before" if older else ""
    report.step(
        "entries and tiles", f"each byte of them leads to the signed root{note}", check_tree
    )
    if story is not None:
        report.step(
            "what the entries tell", "each entry follows from those before it", add_story_findings
        )
    report.ahead = sum(map(len, pieces.values()))
    return report


def check_carried(report: VerifierReport, story: Story, before: Story) -> None:
    """Compares what a log carries over with the previous year's log.

    Pseudonyms of two years cannot be linked, so this compares counts: no more accounts than that
    log has, and per number, question and scope kind no more grants than were in force at its end. A
    copy made earlier may have too few.
    """
    count, claims = carried_over(story.accounts.values(), before.year)
    unsure, left = ended_with(before.accounts.values())
    excess = next((key for key, n in sorted(claims.items()) if n > left[key] + unsure), None)
    mend = f"a later copy of the log of {before.year}, if that was not its end"
    if count > len(before.accounts):
        report.add_lack(
            "carried",
            f"{count} accounts are carried over, but that log has {len(before.accounts)}",
            mend,
        )
    elif excess is not None:
        number, question, scope = excess
        grant = f"number {number} for `{question}`, for {'an' if scope == ACCOUNT else 'a'} {scope}"
        report.add_lack(
            "carried",
            f"more grants of {grant} are carried over than were in force at its end",
            mend,
        )


def _sort_paths(paths: Iterable[str], report: VerifierReport) -> Pieces:
    pieces: Pieces = {}
    for path in sorted(paths):
        if not path.startswith("tile/") or path.endswith(".tmp"):
            continue
        match = _TILE_PATH.match(path)
        index = int(match[2].replace("/", "").replace("x", "")) if match else 0
        if (
            match is None
            or int(match[3] or TILE) > TILE
            or tile_path(match[1], index, int(match[3] or TILE)) != path
        ):
            report.add_contradiction(
                path, "each file under `tile` has the name of a tile or an entry bundle"
            )
            continue
        level = BUNDLES if match[1] == "entries" else int(match[1])
        pieces.setdefault((level, index), []).append(TileFile(int(match[3] or TILE), path))
    return pieces


def _open_older(
    older: Sequence[tuple[str, bytes]], trusted: Trust, head: CheckpointHead, report: VerifierReport
) -> list[tuple[str, CheckpointHead]]:
    opened = []
    for name, raw in older:
        try:
            old = open_checkpoint(raw, name, Trust(trusted.key, trusted.origin))
            if old.size > head.size:
                raise ContradictionError(
                    "checkpoint", f"the log has at least the {old.size} entries of `{name}`"
                )
            opened.append((name, old))
        except ContradictionError as contradiction:
            report.findings.append(contradiction.finding)
    return opened


def _derive_roots(
    files: Files,
    pieces: Pieces,
    size: int,
    sizes: Sequence[int],
    report: VerifierReport,
    story: Story | None,
) -> tuple[bytes, dict[int, bytes]]:
    """The root of all entries, and of the first n for each n in ``sizes``; removes checked files
    from ``pieces``.
    """
    roots = {n: tree_hash([]) for n in sizes}
    row: list[bytes] = []
    for index in range(-(-size // TILE)):
        first = index * TILE
        width = min(TILE, size - first)
        leaves = _check_bundle(files, pieces.pop((BUNDLES, index), []), index, width, report, story)
        _check_tile(files, pieces.pop((0, index), []), (0, index), leaves, report)
        for n in sizes:
            if first < n <= first + width:
                roots[n] = tree_hash([*row, tree_hash(leaves[: n - first])])
        row.append(tree_hash(leaves))
    root = tree_hash(row)
    level, full = 1, row[: size // TILE]
    while full:
        above = []
        for index in range(-(-len(full) // TILE)):
            hashes = full[index * TILE : (index + 1) * TILE]
            _check_tile(files, pieces.pop((level, index), []), (level, index), hashes, report)
            if len(hashes) == TILE:
                above.append(tree_hash(hashes))
        level, full = level + 1, above
    return root, roots


def _check_bundle(
    files: Files,
    bundle_files: list[TileFile],
    index: int,
    width: int,
    report: VerifierReport,
    story: Story | None,
) -> list[bytes]:
    """The leaf hashes of one bundle; all of its files must hold the same entries."""
    source = _select_file(bundle_files, width, tile_path("entries", index, width))
    entries = _read_entries(files, source, report)[:width]
    for piece in bundle_files:
        others = entries if piece is source else _read_entries(files, piece, report)[:width]
        differing = next(
            (i for i, (a, b) in enumerate(zip(entries, others, strict=False)) if a != b), None
        )
        if differing is not None:
            report.add_contradiction(
                piece.path, f"it holds the same entry {index * TILE + differing} as `{source.path}`"
            )
    report.entry_bytes += sum(map(len, entries))
    if story is not None:
        for place, entry in enumerate(entries, index * TILE):
            if contradicted := story.take(place, entry):
                story.findings += contradicted[: FINDINGS_MAX - len(story.findings)]
    return [leaf(entry) for entry in entries]


def _read_entries(files: Files, piece: TileFile, report: VerifierReport) -> list[bytes]:
    entries: list[bytes] = []
    data, position = read_required(files, piece.path, report), 0
    while position < len(data):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if position > len(data):
            raise ContradictionError(piece.path, f"its entry number {len(entries)} is complete")
        entries.append(data[start:position])
    if len(entries) != piece.width:
        raise ContradictionError(piece.path, f"it holds {piece.width} entries")
    return entries


def _check_tile(
    files: Files,
    tile_files: list[TileFile],
    tile: tuple[int, int],
    hashes: list[bytes],
    report: VerifierReport,
) -> None:
    level, index = tile
    _select_file(tile_files, len(hashes), tile_path(str(level), index, len(hashes)))
    for piece in tile_files:
        data = read_required(files, piece.path, report)
        if len(data) != 32 * piece.width:
            report.add_contradiction(piece.path, f"it holds {piece.width} hashes of 32 bytes")
        for offset, digest in enumerate(hashes[: piece.width]):
            if data[32 * offset : 32 * offset + 32] != digest:
                node = "entry" if level == 0 else f"subtree of level {8 * level}, number"
                report.add_contradiction(
                    piece.path, f"its hash {offset} is that of {node} {index * TILE + offset}"
                )
                break


def _select_file(candidates: list[TileFile], width: int, path: str) -> TileFile:
    """The file that the checkpoint's size requires, or the full one, which may replace it."""
    for wanted in (width, TILE):
        for piece in candidates:
            if piece.width == wanted:
                return piece
    raise ContradictionError(path, "the log publishes the file that its checkpoint requires")


def check_texts(
    texts: Sequence[tuple[str, bytes]], logs: Sequence[tuple[Trust, Files]]
) -> VerifierReport:
    """Looks up the texts of policies and notices, as (name, bytes), by their hashes in the
    entries.
    """
    report = VerifierReport("text", origin=logs[0][0].origin if logs else "", files=len(texts))
    named = set[str]()

    def read() -> None:
        if not logs:
            report.add_lack(
                "the log",
                "none was found in the given folder",
                "give a folder with a log, or with one log a year",
            )
        for trusted, log in logs:
            story = new_story(trusted.origin)
            report.merge(check_log(log, trusted, (), story))
            named.update(story.texts)

    def look(place: str, raw: bytes) -> None:
        sha256 = hashlib.sha256(raw).hexdigest()
        if sha256 not in named:
            report.add_lack(
                place,
                f"no entry of the logs given names its SHA-256 `{sha256}`",
                "the log of its year may",
            )

    proves = "an entry of the log names it by its hash"
    report.steps(
        [
            ("the log", "its signed entries", read),
            *((place, proves, partial(look, place, raw)) for place, raw in texts),
        ]
    )
    return report


def select_key(raw: bytes, keys: Sequence[Trust]) -> Trust:
    """Selects the key whose log the bytes name, or the first; the check then verifies with it."""
    return next((key for key in keys if key.origin.encode() in raw), keys[0])


def read_logs(
    places: Sequence[Files], keys: Sequence[Trust], origin: str | None = None
) -> list[tuple[Trust, Files]]:
    """The logs in folders of one log or one log a year, each with its key.

    A log of another year than a key's is trusted with the same public key under the year's name.
    """
    logs: list[tuple[Trust, Files]] = []
    for files in places:
        checkpoint = files.read("checkpoint")
        years = (
            [""]
            if checkpoint is not None
            else sorted(
                {
                    path.partition("/")[0]
                    for path in files.paths()
                    if re.fullmatch(r"[0-9]{4}/checkpoint", path, re.ASCII)
                }
            )
        )
        for year in years:
            log = FilesUnder(files, f"{year}/") if year else files
            origin_line = (
                (log.read("checkpoint") or b"").partition(b"\n")[0].decode("utf-8", "replace")
            )
            logs.append((_trust_for(origin_line, keys, origin), log))
    return logs


def _trust_for(origin_line: str, keys: Sequence[Trust], origin: str | None) -> Trust:
    for key in keys:
        if origin_line == key.origin:
            return key
    for key in keys:
        stem, _, year = key.key.name.rpartition("/")
        if (
            origin is None
            and re.fullmatch(re.escape(stem) + "/[0-9]{4}", origin_line, re.ASCII)
            and re.fullmatch("[0-9]{4}", year)
        ):
            material = bytes([key.key.kind]) + key.key.public
            ident = hashlib.sha256(origin_line.encode() + b"\n" + material).digest()[:4]
            return Trust(
                VerifierKey(origin_line, ident, key.key.kind, key.key.public),
                origin_line,
                key.witnesses,
                key.quorum,
            )
    return keys[0]

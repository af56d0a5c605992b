#!/usr/bin/env python3
"""The stranger's verifier: one file, which needs only Python 3.11 and the package `cryptography`.

    python verifier.py log FOLDER --key VKEY [--older FILE]...      every entry, tile byte and root of a log
    python verifier.py receipt FILE --key VKEY                      a person's choice, as signed and as logged
    python verifier.py proof FILE --entry FILE --key VKEY           one entry under one signed checkpoint
    python verifier.py checkpoint OLD NEW --key VKEY --log FOLDER   the old log is the beginning of the new one
    python verifier.py checkpoint OLD NEW --key VKEY --proof FILE   the same, by a consistency proof

Each takes `--witness VKEY` (repeatable: each must have cosigned, or `--quorum N` of them), `--origin ORIGIN` where
the log is not named as its key, and `--json`; `log` takes `--plain` where the entries are not licet's. Exit codes:
0 no contradiction, 1 a contradiction, 64 a wrong call.

Promise: it believes the keys given to it and nothing else. It imports nothing of licet and shares no code with the
writer: where the writer folds subtrees bit by bit, this follows the recursive definitions of RFC 6962 section 2.1,
so that one misunderstanding does not pass both. A contradiction names the file or entry and the promise it breaks.
It does not show that the operator logged everything, nor, without a witness, that others were shown the same log.

Formats: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature (Ed25519), tlog-tiles, tlog-proof; RFC 8785, RFC 7515.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FINDINGS_MAX = 100
NOTE_BYTES_MAX = 1 << 20
SIGNATURES_MAX = 100
PROOF_LINES_MAX = 63
SIZE_MAX = 2**63 - 1
TILE = 256

_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z", re.ASCII)
_TILE_PATH = re.compile(r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z")


class Contradiction(Exception):
    """``place`` breaks ``promise``."""

    def __init__(self, place: str, promise: str) -> None:
        super().__init__(f"{place}: {promise}")
        self.finding = Finding(place, promise)


@dataclass(frozen=True, slots=True)
class Finding:
    place: str
    promise: str


@dataclass(slots=True)
class Report:
    """What was checked and what was found. An empty ``findings`` is a yes."""

    checked: str
    findings: list[Finding] = field(default_factory=list)
    origin: str = ""
    size: int = 0
    root: str = ""
    entry_bytes: int = 0
    files: int = 0
    ahead: int = 0
    cosigned: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.findings

    def found(self, place: str, promise: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(place, promise))


@dataclass(frozen=True, slots=True)
class Key:
    """A public key as handed on in a vkey; ``kind`` 1 signs texts, 4 cosigns them with a time."""

    name: str
    ident: bytes
    kind: int
    public: bytes


@dataclass(frozen=True, slots=True)
class Trust:
    """What the caller believes: the log's key and origin, and which witnesses must have cosigned."""

    key: Key
    origin: str
    witnesses: tuple[Key, ...] = ()
    quorum: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint whose signatures held."""

    origin: str
    size: int
    root: bytes
    cosigned: tuple[str, ...] = ()


class Files(Protocol):
    """The files of a published log, by relative path."""

    def paths(self) -> Iterable[str]: ...

    def read(self, path: str) -> bytes | None: ...


# ---- texts -----------------------------------------------------------------------------------------------------


def unbase64(text: str, place: str, promise: str) -> bytes:
    """Only the one spelling that encoding would give is accepted."""
    try:
        data = base64.b64decode(text.encode(), validate=True)
    except ValueError:
        raise Contradiction(place, promise) from None
    if base64.b64encode(data) != text.encode():
        raise Contradiction(place, promise)
    return data


def number(text: str, place: str, promise: str) -> int:
    if not _NUMBER.match(text) or int(text) > SIZE_MAX:
        raise Contradiction(place, promise)
    return int(text)


def read_key(vkey: str) -> Key:
    """Raises `ValueError` for what is no vkey of a kind spoken here."""
    name, _, rest = vkey.strip().partition("+")
    ident, _, encoded = rest.partition("+")
    material = base64.b64decode(encoded, validate=True)
    if not name or len(material) != 33 or material[0] not in (1, 4):
        raise ValueError("not a vkey of an Ed25519 log or witness key")
    expected = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
    if ident != expected.hex():
        raise ValueError("the hash in the vkey is not that of its key")
    return Key(name, expected, material[0], material[1:])


def trust(keys: str, origin: str | None = None, witnesses: Sequence[str] = (), quorum: int | None = None) -> Trust:
    """Raises `ValueError` for a key that cannot be used or a quorum that cannot be met."""
    key, others = read_key(keys), tuple(read_key(text) for text in witnesses)
    if key.kind != 1 or any(other.kind != 4 for other in others):
        raise ValueError("a log's key has kind 1 and a witness's key kind 4")
    needed = len(others) if quorum is None else quorum
    if not 0 <= needed <= len(others):
        raise ValueError("the quorum is larger than the number of witnesses")
    return Trust(key, origin or key.name, others, needed)


def open_note(raw: bytes, place: str, trusted: Trust) -> tuple[str, tuple[str, ...]]:
    """The signed text, and the names of the witnesses whose cosignature holds."""
    text, lines = _split_note(raw, place)
    known = {(key.name, key.ident): key for key in (trusted.key, *trusted.witnesses)}
    held: set[Key] = set()
    for line in lines:
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if dash != "\u2014" or not name or "+" in name or not encoded:
            raise Contradiction(place, "each signature line is an em dash, a name and base64")
        data = unbase64(encoded, place, "each signature is canonical base64")
        if len(data) < 5:
            raise Contradiction(place, "each signature is longer than its key's id")
        key = known.get((name, data[:4]))
        if key is not None:
            _check_signature(key, text, data[4:], place)
            held.add(key)
    if trusted.key not in held:
        raise Contradiction(place, f"the log's key `{trusted.key.name}` signed it")
    cosigned = tuple(sorted(key.name for key in held & set(trusted.witnesses)))
    if len(cosigned) < trusted.quorum:
        raise Contradiction(place, f"`{trusted.quorum}` of the named witnesses cosigned it")
    return text, cosigned


def open_checkpoint(raw: bytes, place: str, trusted: Trust) -> Head:
    text, cosigned = open_note(raw, place, trusted)
    lines = text[:-1].split("\n")
    if len(lines) < 3 or "" in lines:
        raise Contradiction(place, "a checkpoint has an origin, a size and a root, and no empty line")
    if lines[0] != trusted.origin:
        raise Contradiction(place, f"it is a checkpoint of the log `{trusted.origin}`")
    size = number(lines[1], place, "its size is a decimal")
    root = unbase64(lines[2], place, "its root is base64")
    if len(root) != 32:
        raise Contradiction(place, "its root has 32 bytes")
    return Head(lines[0], size, root, cosigned)


def _split_note(raw: bytes, place: str) -> tuple[str, list[str]]:
    if len(raw) > NOTE_BYTES_MAX:
        raise Contradiction(place, f"a note has at most {NOTE_BYTES_MAX} bytes")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Contradiction(place, "a note is UTF-8") from None
    if any(ord(c) < 32 and c != "\n" for c in whole):
        raise Contradiction(place, "a note holds no control character")
    text, blank, block = whole.rpartition("\n\n")
    lines = block.split("\n")
    if not blank or not text or lines.pop() or not lines:
        raise Contradiction(place, "a note is a text, a blank line and signature lines")
    if len(lines) > SIGNATURES_MAX:
        raise Contradiction(place, f"a note has at most {SIGNATURES_MAX} signatures")
    return text + "\n", lines


def _check_signature(key: Key, text: str, signature: bytes, place: str) -> None:
    message = text.encode()
    if key.kind == 4:
        time = int.from_bytes(signature[:8], "big")
        message, signature = b"cosignature/v1\ntime " + str(time).encode() + b"\n" + message, signature[8:]
        if time > SIZE_MAX:
            raise Contradiction(place, f"the cosignature of `{key.name}` has a time in range")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except InvalidSignature:
        raise Contradiction(place, f"the signature of `{key.name}` holds") from None


# ---- trees -----------------------------------------------------------------------------------------------------


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def tree_hash(row: Sequence[bytes]) -> bytes:
    """The RFC 6962 hash over a row of equally high perfect subtrees, of which only the last may be smaller.

    Pairing neighbours and carrying an odd last one up unchanged gives the same tree as the recursive split.
    """
    if not row:
        return hashlib.sha256(b"").digest()
    while len(row) > 1:
        above = [node(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        if len(row) % 2:
            above.append(row[-1])
        row = above
    return row[0]


def root_of_path(index: int, size: int, digest: bytes, path: Sequence[bytes]) -> bytes | None:
    """The root to which PATH(index, D[size]) of RFC 6962 section 2.1.1 leads; None where its length is wrong."""
    if size == 1:
        return None if path else digest
    if not path:
        return None
    cut = _largest_power_below(size)
    if index < cut:
        left = root_of_path(index, cut, digest, path[:-1])
        return None if left is None else node(left, path[-1])
    right = root_of_path(index - cut, size - cut, digest, path[:-1])
    return None if right is None else node(path[-1], right)


def roots_of_proof(
    old: int, size: int, old_root: bytes, proof: Sequence[bytes], whole: bool = True
) -> tuple[bytes, bytes] | None:
    """The old and new root to which SUBPROOF(old, D[size], whole) of RFC 6962 section 2.1.2 leads."""
    if old == size:
        if whole:
            return None if proof else (old_root, old_root)
        return (proof[0], proof[0]) if len(proof) == 1 else None
    if not proof:
        return None
    cut = _largest_power_below(size)
    if old <= cut:
        found = roots_of_proof(old, cut, old_root, proof[:-1], whole)
        return None if found is None else (found[0], node(found[1], proof[-1]))
    found = roots_of_proof(old - cut, size - cut, old_root, proof[:-1], False)
    return None if found is None else (node(proof[-1], found[0]), node(proof[-1], found[1]))


def _largest_power_below(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


# ---- what entries tell -----------------------------------------------------------------------------------------

# The facts of each kind: a number, a yes or no, a word, or a SHA-256 in hex; `?` where it may be missing.
KINDS = {
    "policy_applied": "number:int sha256:hash amends:hash?",
    "notice_published": "number:int language:word variant:word sha256:hash",
    "release_sealed": "release:word purpose:word version:int position:int rows:int root:hash manifest_sha256:hash",
    "notice_shown": "number:int sha256:hash default_state:word", "terms_accepted": "number:int",
    "shortened": "version:word?", "choice": "allow:bool effect:word version:int",
    "grant_begun": "grant:int version:int", "grant_affirmed": "grant:int version:int",
    "grant_ended": "grant:int? cause:word", "content_read": "reason:word role:word", "key_destroyed": "because:word",
    "carried": "from:int",
    "account_opened": "", "age_found": "", "closed": "", "deleted": "", "feedback": "", "flagged": "", "held": "",
    "narrowed": "", "notice_put_off": "", "plan_set": "", "unflagged": "", "unheld": "", "widened": "",
}  # fmt: skip
OF_NOBODY = ("policy_applied", "notice_published", "release_sealed")
# What these tell happens in the account's own time, which never goes back.
OWN_TIME = ("plan_set", "age_found", "choice", "narrowed", "widened", "closed", "deleted", "flagged", "held")
EFFECTS = {"began": True, "affirmed": True, "withdrew": False, "declined": False, "none": None}
OWED = {"began": "grant_begun", "affirmed": "grant_affirmed", "withdrew": "grant_ended"}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def read_json(raw: bytes, place: str) -> dict[str, Any]:
    """An object in the one spelling of RFC 8785: sorted keys, each once, and not a byte more."""
    try:
        value = json.loads(raw, parse_float=_refuse_number, parse_constant=_refuse_number)
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Contradiction(place, "it is canonical JSON") from None
    if not isinstance(value, dict) or again != raw:
        raise Contradiction(place, "it is canonical JSON")
    return value


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"`{text}` is not a whole number")


def read_time(value: object, place: str, what: str) -> datetime:
    try:
        if isinstance(value, str) and _TIME.fullmatch(value):
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    raise Contradiction(place, f"`{what}` is a time in UTC")


def read_entry(raw: bytes, place: str) -> dict[str, Any]:
    """One entry of version 1, of a known kind, with the facts of that kind."""
    entry = read_json(raw, place)
    kind = entry.get("t")
    if entry.get("v") != 1 or entry["v"] is True or not isinstance(kind, str) or kind not in KINDS:
        raise Contradiction(place, "it tells a kind of version 1")
    own = set() if kind in OF_NOBODY else {"commit"} | ({"who"} & set(entry))
    if set(entry) != {"v", "t", "at", "logged", "facts"} | own:
        raise Contradiction(place, f"a `{kind}` has the keys of its kind")
    if not all(isinstance(entry[key], str) and _HEX.fullmatch(entry[key]) for key in own):
        raise Contradiction(place, "its pseudonym and its commitment are 32 bytes in hex")
    facts = entry["facts"]
    wanted = dict(field.split(":") for field in KINDS[kind].split())
    missing = [name for name, shape in wanted.items() if not shape.endswith("?") and name not in _dict(facts)]
    if missing or not all(_fits(value, wanted.get(name, "")) for name, value in _dict(facts, "?").items()):
        raise Contradiction(place, f"a `{kind}` has the facts of its kind")
    if kind == "choice" and EFFECTS.get(facts["effect"], not facts["allow"]) not in (facts["allow"], None):
        raise Contradiction(place, "a grant begins with a yes and ends with a no")
    return entry


def _dict(value: object, otherwise: str = "") -> dict[str, Any]:
    return value if isinstance(value, dict) else dict.fromkeys(otherwise)


def _fits(value: object, shape: str) -> bool:
    match shape.rstrip("?"):
        case "int":
            return isinstance(value, int) and not isinstance(value, bool) and value >= 0
        case "bool":
            return isinstance(value, bool)
        case "hash" | "word" as text:
            return isinstance(value, str) and bool((_HEX if text == "hash" else _WORD).fullmatch(value))
        case _:
            return False


class Story:
    """What the entries of one year tell, in order: times, pseudonyms, grants, policies."""

    def __init__(self, year: int) -> None:
        self.year, self.logged = year, datetime.min.replace(tzinfo=UTC)
        self.seen: set[str] = set()
        self.own: dict[str, datetime] = {}
        self.owed: dict[str, str | None] = {}  # by pseudonym: the leaf that its last choice owes, `?` once carried
        self.policy: tuple[int, str] | None = None

    def take(self, index: int, raw: bytes) -> list[Finding]:
        """What the next entry contradicts."""
        place = f"entry {index}"
        try:
            entry = read_entry(raw, place)
            self._times(entry, place)
            self._policies(entry, place)
            if "who" in entry:
                self._account(entry, place)
            once = entry.get("commit") or entry["facts"].get("release")
            if once in self.seen:
                raise Contradiction(place, "what it tells is told once")
            self.seen |= {once} if once else set()
        except Contradiction as contradiction:
            return [contradiction.finding]
        return []

    def _times(self, entry: dict[str, Any], place: str) -> None:
        at, logged = read_time(entry["at"], place, "at"), read_time(entry["logged"], place, "logged")
        if logged < self.logged:
            raise Contradiction(place, "the time of the log never goes back")
        if at > logged or logged.year != self.year:
            raise Contradiction(place, f"it was logged after it happened, and in {self.year}")
        self.logged = logged
        who = entry.get("who")
        if who and entry["t"] in OWN_TIME:
            if at < self.own.get(who, at):
                raise Contradiction(place, "the time of an account never goes back")
            self.own[who] = at

    def _policies(self, entry: dict[str, Any], place: str) -> None:
        facts, last = entry["facts"], self.policy
        if entry["t"] == "policy_applied":
            same = last is not None and facts["number"] == last[0] and facts.get("amends") == last[1]
            if last is not None and not same and (facts["number"] != last[0] + 1 or "amends" in facts):
                raise Contradiction(place, "a policy follows the one before, or amends it")
            self.policy = facts["number"], facts["sha256"]
        elif entry["t"] == "choice" and last is not None and facts["version"] > last[0]:
            raise Contradiction(place, "a choice is made under a policy that was applied before")

    def _account(self, entry: dict[str, Any], place: str) -> None:
        who, kind, owed = entry["who"], entry["t"], self.owed.get(entry["who"])
        if kind == "carried":
            if who in self.owed or entry["facts"]["from"] >= self.year:
                raise Contradiction(place, "a pseudonym is carried over from a year before, by its first entry")
            self.owed[who] = "?"
            return
        if kind == "choice":
            if owed not in (None, "?"):
                raise Contradiction(place, f"the choice before it was followed by a `{owed}`")
            self.owed[who] = OWED.get(entry["facts"]["effect"])
            return
        if kind in ("grant_begun", "grant_affirmed") and owed not in (kind, "?"):
            raise Contradiction(place, f"a `{kind}` follows a choice that says so")
        self.owed[who] = None if kind == owed or owed == "?" else owed


def story_of(origin: str) -> Story:
    """For a log whose origin ends in its year."""
    year = origin.rpartition("/")[2]
    if len(year) != 4 or not year.isdecimal():
        raise ValueError("the origin of a licet log ends in its year; `--plain` is for other logs")
    return Story(int(year))


# ---- a log's folder --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a tile or bundle: how many hashes or entries its name promises."""

    width: int
    path: str


Pieces = dict[tuple[int, int], list[Piece]]
BUNDLES = -1


def check_log(
    files: Files, trusted: Trust, older: Sequence[tuple[str, bytes]] = (), story: Story | None = None
) -> Report:
    """Derive everything anew from the entries, and hold every file and checkpoint against it.

    ``older`` are checkpoints, as (name, bytes), that the log showed before: each must be of its beginning. ``story``
    reads what the entries tell, where they are licet's.
    """
    report = Report("log", origin=trusted.origin)
    try:
        raw = files.read("checkpoint")
        if raw is None:
            raise Contradiction("checkpoint", "a log has a checkpoint")
        head = open_checkpoint(raw, "checkpoint", trusted)
        report.size, report.root = head.size, base64.b64encode(head.root).decode()
        report.cosigned = list(head.cosigned)
        pieces = _sort_paths(files.paths(), report)
        olds = _open_older(older, trusted, head, report)
        root, roots = _derive(files, pieces, head.size, [old.size for _, old in olds], report, story)
    except Contradiction as contradiction:
        report.findings.append(contradiction.finding)
        return report
    if root != head.root:
        report.found("checkpoint", f"the {head.size} entries lead to its root")
    for name, old in olds:
        if roots[old.size] != old.root:
            report.found(name, f"the first {old.size} entries of the log lead to its root")
    report.ahead = sum(map(len, pieces.values()))
    return report


def _sort_paths(paths: Iterable[str], report: Report) -> Pieces:
    pieces: Pieces = {}
    for path in sorted(paths):
        if not path.startswith("tile/") or path.endswith(".tmp"):
            continue
        match = _TILE_PATH.match(path)
        index = int(match[2].replace("/", "").replace("x", "")) if match else 0
        if match is None or int(match[3] or TILE) > TILE or _path(match[1], index, int(match[3] or TILE)) != path:
            report.found(path, "each file under `tile` has the name of a tile or an entry bundle")
            continue
        level = BUNDLES if match[1] == "entries" else int(match[1])
        pieces.setdefault((level, index), []).append(Piece(int(match[3] or TILE), path))
    return pieces


def _open_older(
    older: Sequence[tuple[str, bytes]], trusted: Trust, head: Head, report: Report
) -> list[tuple[str, Head]]:
    opened = []
    for name, raw in older:
        try:
            old = open_checkpoint(raw, name, Trust(trusted.key, trusted.origin))
            if old.size > head.size:
                raise Contradiction("checkpoint", f"the log is not shorter than `{name}` says: {old.size} entries")
            opened.append((name, old))
        except Contradiction as contradiction:
            report.findings.append(contradiction.finding)
    return opened


def _derive(
    files: Files, pieces: Pieces, size: int, sizes: Sequence[int], report: Report, story: Story | None
) -> tuple[bytes, dict[int, bytes]]:
    """The root of all entries, and of the first n for each n in ``sizes``; takes what it checked out of ``pieces``."""
    wanted = {n: tree_hash([]) for n in sizes}
    row: list[bytes] = []
    for index in range(-(-size // TILE)):
        first = index * TILE
        width = min(TILE, size - first)
        leaves = _check_bundle(files, pieces.pop((BUNDLES, index), []), index, width, report, story)
        _check_tile(files, pieces.pop((0, index), []), (0, index), leaves, report)
        for n in sizes:
            if first < n <= first + width:
                wanted[n] = tree_hash([*row, tree_hash(leaves[: n - first])])
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
    return root, wanted


def _check_bundle(
    files: Files, found: list[Piece], index: int, width: int, report: Report, story: Story | None
) -> list[bytes]:
    """The leaf hashes of one bundle, every file of which must tell the same entries."""
    source = _source(found, width, _path("entries", index, width))
    entries = _entries(files, source, report)[:width]
    for piece in found:
        others = entries if piece is source else _entries(files, piece, report)[:width]
        differing = next((i for i, (a, b) in enumerate(zip(entries, others, strict=False)) if a != b), None)
        if differing is not None:
            report.found(piece.path, f"it holds the same entry {index * TILE + differing} as `{source.path}`")
    report.entry_bytes += sum(map(len, entries))
    for place, entry in enumerate(entries if story else (), index * TILE):
        report.findings += story.take(place, entry)[: FINDINGS_MAX - len(report.findings)] if story else ()
    return [leaf(entry) for entry in entries]


def _entries(files: Files, piece: Piece, report: Report) -> list[bytes]:
    entries: list[bytes] = []
    data, at = _data(files, piece.path, report), 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if at + 2 > len(data) or len(entry) != length:
            raise Contradiction(piece.path, f"its entry number {len(entries)} is whole")
        entries.append(entry)
        at += 2 + length
    if len(entries) != piece.width:
        raise Contradiction(piece.path, f"it holds {piece.width} entries")
    return entries


def _check_tile(files: Files, found: list[Piece], tile: tuple[int, int], hashes: list[bytes], report: Report) -> None:
    level, index = tile
    _source(found, len(hashes), _path(str(level), index, len(hashes)))
    for piece in found:
        data = _data(files, piece.path, report)
        if len(data) != 32 * piece.width:
            report.found(piece.path, f"it holds {piece.width} hashes of 32 bytes")
        for offset, digest in enumerate(hashes[: piece.width]):
            if data[32 * offset : 32 * offset + 32] != digest:
                what = "entry" if level == 0 else f"subtree of level {8 * level}, number"
                report.found(piece.path, f"its hash {offset} is that of {what} {index * TILE + offset}")
                break


def _source(found: list[Piece], width: int, path: str) -> Piece:
    """The file that the checkpoint's size requires, or the full one that may stand for it."""
    for wanted in (width, TILE):
        for piece in found:
            if piece.width == wanted:
                return piece
    raise Contradiction(path, "the log publishes the file that its checkpoint requires")


def _data(files: Files, path: str, report: Report) -> bytes:
    report.files += 1
    data = files.read(path)
    if data is None:
        raise Contradiction(path, "a file that is listed can be read")
    return data


def _path(kind: str, index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    place = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{kind}/{place}" + (f".p/{width}" if width < TILE else "")


# ---- single files ----------------------------------------------------------------------------------------------


def check_proof(raw: bytes, entry: bytes, trusted: Trust, place: str = "proof") -> Report:
    """Hold a `.tlog-proof` file and the entry's bytes against the signed checkpoint within."""
    report = Report("proof", origin=trusted.origin, entry_bytes=len(entry), files=1)
    try:
        lines, checkpoint = _split_proof(raw, place)
        if lines and lines[0].startswith("extra "):
            unbase64(lines.pop(0)[6:], place, "its extra data is base64")
        if not lines or not lines[0].startswith("index "):
            raise Contradiction(place, "it names the index of its entry")
        index = number(lines.pop(0)[6:], place, "its index is a decimal")
        path = read_hashes(lines, place)
        head = open_checkpoint(checkpoint, place, trusted)
        report.size, report.root = head.size, base64.b64encode(head.root).decode()
        report.cosigned = list(head.cosigned)
        if index >= head.size:
            raise Contradiction(place, f"its checkpoint of {head.size} entries holds entry {index}")
        if root_of_path(index, head.size, leaf(entry), path) != head.root:
            raise Contradiction(f"entry {index}", "its hashes lead to the root of the checkpoint")
    except Contradiction as contradiction:
        report.findings.append(contradiction.finding)
    return report


def check_checkpoints(old: bytes, new: bytes, proof: Sequence[bytes], trusted: Trust) -> Report:
    """Hold by a consistency proof that the log of the old checkpoint is the beginning of the new one's."""
    report = Report("checkpoint", origin=trusted.origin, files=2)
    try:
        first = open_checkpoint(old, "old checkpoint", Trust(trusted.key, trusted.origin))
        second = open_checkpoint(new, "new checkpoint", trusted)
        report.size, report.root = second.size, base64.b64encode(second.root).decode()
        report.cosigned = list(second.cosigned)
        if first.size > second.size:
            raise Contradiction("new checkpoint", f"the log never shrinks: it had {first.size} entries")
        if first.size == 0:
            found = None if proof else (tree_hash([]), second.root)
        else:
            found = roots_of_proof(first.size, second.size, first.root, proof)
        if found != (first.root, second.root):
            raise Contradiction("new checkpoint", f"its first {first.size} entries are those of the old checkpoint")
    except Contradiction as contradiction:
        report.findings.append(contradiction.finding)
    return report


def read_hashes(lines: Sequence[str], place: str) -> list[bytes]:
    if len(lines) > PROOF_LINES_MAX:
        raise Contradiction(place, f"a proof has at most {PROOF_LINES_MAX} hashes")
    hashes = [unbase64(line, place, "each of its hashes is base64") for line in lines]
    if any(len(digest) != 32 for digest in hashes):
        raise Contradiction(place, "each of its hashes has 32 bytes")
    return hashes


def _split_proof(raw: bytes, place: str) -> tuple[list[str], bytes]:
    head, blank, checkpoint = raw.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Contradiction(place, "its lines are ASCII") from None
    if not blank or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise Contradiction(place, "it is a `c2sp.org/tlog-proof@v1`")
    return lines, checkpoint


# ---- receipts --------------------------------------------------------------------------------------------------

STATES = {
    "began": "ConsentGiven", "affirmed": "RenewedConsentGiven", "withdrew": "ConsentWithdrawn",
    "declined": "ConsentRefused",
}  # fmt: skip


def check_receipt(raw: bytes, trusted: Trust, place: str = "receipt") -> Report:
    """Hold a person's receipt: signed by the key, and where it has a proof, the very choice that the log holds."""
    report = Report("receipt", origin=trusted.origin, files=1)
    try:
        if raw[-1:] != b"\n" or len(raw) > NOTE_BYTES_MAX:
            raise Contradiction(place, "it is canonical JSON and a newline")
        file = read_json(raw[:-1], place)
        texts = [file.get(key) for key in ("receipt", "entry", "proof")]
        if set(file) != {"v", "receipt", "entry", "proof"} or file["v"] != 1 or not isinstance(texts[0], str):
            raise Contradiction(place, "it is a receipt of version 1")
        said = open_jws(texts[0], trusted.key, place)
        if texts[1:] == [None, None]:
            if "log" in said:
                raise Contradiction(place, "a receipt that opens an entry brings its proof")
            return report
        if not isinstance(texts[1], str) or not isinstance(texts[2], str):
            raise Contradiction(place, "it brings both an entry and its proof, or neither")
        entry = texts[1].encode()
        report = check_proof(texts[2].encode(), entry, trusted, f"{place}, its proof")
        report.checked = "receipt"
        _check_opening(said, read_entry(entry, f"{place}, its entry"), texts[2], trusted.origin, place)
    except Contradiction as contradiction:
        report.findings.append(contradiction.finding)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        report.found(place, "it has the fields of a receipt")
    return report


def open_jws(text: str, key: Key, place: str) -> dict[str, Any]:
    """The payload of a compact JWS whose Ed25519 signature by the key holds."""
    parts = text.split(".")
    if len(parts) != 3:
        raise Contradiction(place, "it is a compact JWS")
    promise = "each part of its JWS is base64url"
    header, payload, signature = [
        unbase64((part + "=" * (-len(part) % 4)).translate({45: "+", 95: "/"}), place, promise)
        for part in parts
        if not set(part) & set("+/=") or _refuse(place, promise)
    ]
    jwk = b'{"crv":"Ed25519","kty":"OKP","x":"' + _url64(key.public) + b'"}'
    kid = _url64(hashlib.sha256(jwk).digest()).decode()
    if read_json(header, place) != {"alg": "EdDSA", "kid": kid, "typ": "licet-receipt+jws"}:
        raise Contradiction(place, "its header names the key and EdDSA")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, f"{parts[0]}.{parts[1]}".encode())
    except InvalidSignature:
        raise Contradiction(place, f"the signature of `{key.name}` holds") from None
    return read_json(payload, place)


def _check_opening(said: dict[str, Any], entry: dict[str, Any], proof: str, origin: str, place: str) -> None:
    """What the receipt says is what the entry tells, and what it commits to."""
    log, record = said["log"], said["log"]["record"]
    event = said["record"]["events"][0]
    told = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    allow, effect = entry["facts"].get("allow"), entry["facts"].get("effect")
    state = STATES.get(effect, "ConsentInvalidated" if allow else "ConsentRefused")
    for promise, holds in (
        ("its entry tells a choice", entry["t"] == "choice"),
        ("it opens the commitment of its entry",
         hashlib.sha256(bytes.fromhex(log["nonce"]) + told).hexdigest() == entry["commit"]),
        ("its pseudonym is that of its entry", log["who"] == entry.get("who")),
        ("its log is the one that proves it", log["origin"] == origin),
        ("its place is the one that is proved", f"\nindex {log['index']}\n" in proof),
        ("its time is that of its entry", event["event_time"] == entry["at"] == record["at"]),
        ("its account is the one committed to", said["record"]["pii_principal_id"].endswith(":" + record["account"])),
        ("its facts are those committed to", entry["facts"].items() <= record["facts"].items() and record["t"] == "choice"),
        ("its answer is that of its entry", (event["allow"], event["effect"]) == (allow, effect)),
        ("its state is what the choice did", event["event_state"] == f"dpv:{state}"),
    ):  # fmt: skip
        if not holds:
            raise Contradiction(place, promise)


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _refuse(place: str, promise: str) -> NoReturn:
    raise Contradiction(place, promise)


# ---- the command -----------------------------------------------------------------------------------------------


class FolderFiles:
    """A published log in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def paths(self) -> Iterable[str]:
        for folder, _, names in os.walk(self.root):
            for name in names:
                yield (Path(folder) / name).relative_to(self.root).as_posix()

    def read(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"error: {message}\nhint: `{self.prog} --help` shows the call", file=sys.stderr)
        raise SystemExit(64)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _arguments()
    call = parser.parse_args(arguments)
    try:
        report = _run(call, trust(call.key, call.origin, call.witness, call.quorum))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if call.json:
        print(json.dumps({"ok": report.ok, **asdict(report)}, indent=2))
    elif report.ok:
        print(f"ok: {report.checked} of `{report.origin}`: {report.size} entries, root {report.root}")
        print(f"cosigned by: {', '.join(report.cosigned) or 'nobody that you named'}")
    else:
        for finding in report.findings:
            print(f"contradiction: {finding.place}: broken promise: {finding.promise}")
    return 0 if report.ok else 1


def _run(call: argparse.Namespace, trusted: Trust) -> Report:
    match call.what:
        case "log":
            older = [(str(path), path.read_bytes()) for path in call.older]
            return check_log(_folder(call.folder), trusted, older, None if call.plain else story_of(trusted.origin))
        case "receipt":
            return check_receipt(call.file.read_bytes(), trusted, str(call.file))
        case "proof":
            return check_proof(call.file.read_bytes(), call.entry.read_bytes(), trusted, str(call.file))
        case _:
            return _run_checkpoint(call, trusted)


def _run_checkpoint(call: argparse.Namespace, trusted: Trust) -> Report:
    old, new = call.old.read_bytes(), call.new.read_bytes()
    if call.log is not None:
        pair = check_log(_folder(call.log), trusted, [(str(call.old), old), (str(call.new), new)])
        pair.checked = "checkpoint"
        return pair
    hashes: list[bytes] = []
    if call.proof is not None:
        try:
            hashes = read_hashes(call.proof.read_text("ascii").split(), str(call.proof))
        except Contradiction as contradiction:
            return Report("checkpoint", [contradiction.finding], trusted.origin)
    return check_checkpoints(old, new, hashes, trusted)


def _folder(path: Path) -> FolderFiles:
    if not path.is_dir():
        raise ValueError(f"`{path}` is not a folder")
    return FolderFiles(path)


def _arguments() -> argparse.ArgumentParser:
    parser = _Parser(prog="verifier", description="check a licet log from outside")
    commands = parser.add_subparsers(dest="what", required=True, parser_class=_Parser)
    log = commands.add_parser("log", help="a published folder, from its entries to its root")
    log.add_argument("folder", type=Path)
    log.add_argument("--older", type=Path, action="append", default=[], help="a checkpoint seen before")
    log.add_argument("--plain", action="store_true", help="any tlog: do not read what the entries tell")
    receipt = commands.add_parser("receipt", help="a person's choice, as signed and as logged")
    receipt.add_argument("file", type=Path)
    proof = commands.add_parser("proof", help="one entry under one checkpoint")
    proof.add_argument("file", type=Path)
    proof.add_argument("--entry", type=Path, required=True, help="the entry's bytes")
    pair = commands.add_parser("checkpoint", help="an old checkpoint is the beginning of a new one")
    pair.add_argument("old", type=Path)
    pair.add_argument("new", type=Path)
    by = pair.add_mutually_exclusive_group()
    by.add_argument("--log", type=Path, help="the log's folder")
    by.add_argument("--proof", type=Path, help="a consistency proof: one base64 hash a line")
    for command in (log, receipt, proof, pair):
        command.add_argument("--key", required=True, help="the log's vkey")
        command.add_argument("--origin", help="the log's origin, where it is not the key's name")
        command.add_argument("--witness", action="append", default=[], help="the vkey of a witness")
        command.add_argument("--quorum", type=int, help="how many of the witnesses must have cosigned")
        command.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

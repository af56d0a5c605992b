#!/usr/bin/env python3
"""The stranger's verifier: one file, which needs only Python 3.11 and the package `cryptography`.

    python verifier.py log FOLDER|URL --key VKEY [--older FILE]...  every entry, tile byte and root of a log
    python verifier.py receipt FILE --key VKEY                      a person's choice, as signed and as logged
    python verifier.py certificate FILE --key VKEY                  what was erased, where, and that nothing was found
    python verifier.py release FOLDER --log FOLDER --key VKEY       every row of a release decided again, without content
    python verifier.py conversation FOLDER HANDLE [--salt HEX]      what a release holds of one conversation
    python verifier.py proof FILE --entry FILE --key VKEY           one entry under one signed checkpoint
    python verifier.py checkpoint OLD NEW --key VKEY --log FOLDER   the old log is the beginning of the new one
    python verifier.py checkpoint OLD NEW --key VKEY --proof FILE   the same, by a consistency proof

Each takes `--policy FILE` (a c2sp.org/tlog-policy: which witnesses must have cosigned; where it lists one log, that
log's key too), or `--witness VKEY` (repeatable: each must have cosigned, or `--quorum N` of them), `--origin ORIGIN`
where the log is not named as its key, and `--json`; `log` takes `--plain` where the entries are not licet's. Exit codes:
0 no contradiction, 1 a contradiction, 64 a wrong call.

Promise: it believes the keys given to it and nothing else. It imports nothing of licet and shares no code with the
writer: where the writer folds subtrees bit by bit, this follows the recursive definitions of RFC 6962 section 2.1,
so that one misunderstanding does not pass both. A contradiction names the file or entry and the promise it breaks.
It does not show that the operator logged everything, nor, without a witness, that others were shown the same log.

Formats: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature (Ed25519), tlog-tiles, tlog-proof, tlog-policy;
RFC 8785, RFC 7515.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import hmac
import io
import json
import os
import re
import sys
import urllib.error
import urllib.request
import zlib
from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FINDINGS_MAX = 100
NOTE_BYTES_MAX = 1 << 20
SIGNATURES_MAX = 100
PROOF_LINES_MAX = 63
POLICY_BYTES_MAX = 1 << 16
FILE_BYTES_MAX = 1 << 25
SECONDS_MAX = 60
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
    purged: int = 0
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
class Group:
    """Of its members, witnesses and groups of them, at least ``needed`` must have cosigned."""

    needed: int
    members: tuple[Key | Group, ...]

    def met(self, held: set[Key]) -> bool:
        return sum(one.met(held) if isinstance(one, Group) else one in held for one in self.members) >= self.needed


@dataclass(frozen=True, slots=True)
class Trust:
    """What the caller believes: the log's key and origin, and which witnesses must have cosigned."""

    key: Key
    origin: str
    witnesses: tuple[Key, ...] = ()
    quorum: Group = Group(0, ())


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


def read_key(vkey: str, kind: int = 0) -> Key:
    """Raises `ValueError` for what is no vkey of a kind spoken here, or not of the ``kind`` that is wanted."""
    name, _, rest = vkey.strip().partition("+")
    ident, _, encoded = rest.partition("+")
    material = base64.b64decode(encoded, validate=True)
    if not name or len(material) != 33 or material[0] not in (1, 4):
        raise ValueError("not a vkey of an Ed25519 log or witness key")
    expected = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
    if ident != expected.hex():
        raise ValueError("the hash in the vkey is not that of its key")
    if kind and material[0] != kind:
        raise ValueError("a log's key has kind 1 and a witness's key kind 4")
    return Key(name, expected, material[0], material[1:])


def trust(
    key: str | None, origin: str | None = None, witnesses: Sequence[str] = (), quorum: int | None = None,
    policy: bytes | None = None,
) -> Trust:  # fmt: skip
    """Raises `ValueError` for a key that cannot be used or a quorum that cannot be met."""
    others = tuple(read_key(text, 4) for text in witnesses)
    needed = len(others) if quorum is None else quorum
    if not 0 <= needed <= len(others):
        raise ValueError("the quorum is larger than the number of witnesses")
    logs: tuple[Key, ...] = ()
    group = Group(needed, others)
    if policy is not None:
        if witnesses or quorum is not None:
            raise ValueError("a policy says which witnesses count: it leaves no room for --witness and --quorum")
        logs, others, group = read_policy(policy)
    if key is None and len(logs) != 1:
        raise ValueError("name the log's key: --key VKEY")
    own = read_key(key, 1) if key is not None else logs[0]
    if logs and own not in logs:
        raise ValueError("the log's key is none of the policy's logs")
    return Trust(own, origin or own.name, others, group)


def read_policy(raw: bytes) -> tuple[tuple[Key, ...], tuple[Key, ...], Group]:
    """The logs, witnesses and quorum of a c2sp.org/tlog-policy; raises `ValueError`, naming the line."""
    if len(raw) > POLICY_BYTES_MAX or re.search(rb"[^\t\n\x20-\x7e\x80-\xff]", raw) or raw[-1:] != b"\n":
        raise ValueError("the policy is no text of lines that each end in a newline")
    logs: list[Key] = []
    named: dict[str, Key | Group] = {}
    taken: set[str] = set()
    quorum: Group | None = None
    for number, line in enumerate(raw.decode("utf-8", "surrogateescape").split("\n"), 1):
        try:
            match re.findall(r"[^ \t]+", line):
                case []:
                    pass
                case [word, *_] if word.startswith("#"):
                    pass
                case ["log", vkey] | ["log", vkey, _]:
                    logs.append(_new_key(vkey, 1, logs))
                case ["witness", name, vkey] | ["witness", name, vkey, _] if name not in (*named, "none"):
                    named[name] = _new_key(vkey, 4, named.values())
                case ["group", name, needed, first, *rest] if name not in (*named, "none"):
                    named[name] = _group(needed, [first, *rest], named, taken)
                case ["quorum", "none"] if quorum is None:
                    quorum = Group(0, ())
                case ["quorum", name] if quorum is None:
                    quorum = Group(1, (named[name],))
                case _:
                    raise ValueError("it is no log, witness, group or quorum of a name of its own")
        except (ValueError, KeyError) as error:
            what = f"`{error.args[0]}` is not defined above" if isinstance(error, KeyError) else error
            raise ValueError(f"line {number} of the policy: {what}") from None
    if quorum is None:
        raise ValueError("the policy has no quorum line")
    return tuple(logs), tuple(key for key in named.values() if isinstance(key, Key)), quorum


def _new_key(vkey: str, kind: int, known: Iterable[Key | Group]) -> Key:
    key = read_key(vkey, kind)
    if any(isinstance(other, Key) and other.public == key.public for other in known):
        raise ValueError("its key is there twice")
    return key


def _group(needed: str, members: Sequence[str], named: dict[str, Key | Group], taken: set[str]) -> Group:
    found = tuple(named[member] for member in members)
    if len(set(members)) < len(members) or taken & set(members):
        raise ValueError("a name is a member once only")
    least = {"any": "1", "all": str(len(found))}.get(needed, needed)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", least, re.ASCII) or int(least) > len(found):
        raise ValueError("a group needs 1 to all of its members, or `any` or `all`")
    taken |= set(members)
    return Group(int(least), found)


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
    if not trusted.quorum.met(held):
        raise Contradiction(place, "the quorum of the named witnesses cosigned it")
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
    "policy_stands": "number:int sha256:hash",
    "notice_published": "number:int language:word variant:word sha256:hash",
    "release_sealed": "release:word purpose:word version:int position:int rows:int root:hash manifest_sha256:hash",
    "notice_shown": "number:int sha256:hash default_state:word", "terms_accepted": "number:int",
    "shortened": "version:word?", "choice": "allow:bool effect:word version:int",
    "grant_begun": "grant:int version:int", "grant_affirmed": "grant:int version:int",
    "grant_stands": "grant:int version:int", "grant_ended": "grant:int? cause:word",
    "content_read": "reason:word role:word", "key_destroyed": "because:word epoch:int? handle:hash? segment:int?",
    "carried": "from:int", "certificate": "sha256:hash", "restored": "life:int entries:int",
    "release_reviewed": "release:word manifest_sha256:hash sha256:hash rows:int findings:int bound_ppm:int",
    "release_signed": "release:word manifest_sha256:hash review_sha256:hash signature:int",
    "release_purged": "release:word number:int rows:int sha256:hash",
    "deleted": "handle:hash?", "flagged": "handle:hash?", "unflagged": "handle:hash?", "narrowed": "handle:hash?",
    "widened": "handle:hash?", "account_opened": "", "age_found": "", "closed": "", "feedback": "", "held": "",
    "feedback_taken_back": "",
    "notice_put_off": "", "plan_set": "", "unheld": "",
}  # fmt: skip
OF_NOBODY = ("certificate", "restored", "policy_applied", "policy_stands", "notice_published", "release_sealed",
             "release_reviewed", "release_signed", "release_purged")  # fmt: skip
# What tells of a release is told once: what tells it from another of its kind, beside the release.
ONCE = {"release_sealed": (), "release_reviewed": ("sha256",), "release_signed": ("review_sha256", "signature"),
        "release_purged": ("number", "sha256")}  # fmt: skip
# What these tell happens in the account's own time, which never goes back.
OWN_TIME = ("plan_set", "age_found", "choice", "narrowed", "widened", "closed", "deleted", "flagged", "held")
EFFECTS = {"began": True, "affirmed": True, "withdrew": False, "declined": False, "none": None}
ABOUT_A_CHAT = ("deleted", "flagged", "unflagged", "narrowed", "widened", "key_destroyed")
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
    is_epoch = kind == "key_destroyed" and "epoch" in _dict(entry.get("facts"))  # of all accounts, so of none
    own = set() if kind in OF_NOBODY or is_epoch else {"commit"} | ({"who"} & set(entry))
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
    if kind in ABOUT_A_CHAT:
        _check_conversation_told(entry, place)
    return entry


def _check_conversation_told(entry: dict[str, Any], place: str) -> None:
    """What an account does to a conversation says to which, for as long as the account has a pseudonym."""
    facts = entry["facts"]
    if ("handle" in facts) != ("who" in entry):
        raise Contradiction(place, "a pseudonym brings the handle of the conversation")
    is_segment = "handle" in facts and entry["t"] == "key_destroyed" and facts["because"] != "feedback"
    if is_segment and "segment" not in facts:
        raise Contradiction(place, "a key that was destroyed is named by its segment")


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
        self.grants: dict[str, int | None] = {}  # by pseudonym: the grant in force, where the log told of one
        self.carried: set[str] = set()
        self.stands: dict[int, str] = {}  # the hash of each policy version that the log told of
        self.permissions: Permissions | None = None

    def take(self, index: int, raw: bytes) -> list[Finding]:
        """What the next entry contradicts."""
        place = f"entry {index}"
        try:
            entry = read_entry(raw, place)
            self._times(entry, place)
            self._policies(entry, place)
            if entry["t"] == "restored":  # what was under way then may go on otherwise
                self.owed = dict.fromkeys(self.owed, "?")
            if "who" in entry:
                self._account(entry, place)
            once = entry.get("commit") or _told_of_release(entry)
            if once in self.seen:
                raise Contradiction(place, "what it tells is told once")
            if once:
                self.seen.add(once)
            if self.permissions is not None:
                self.permissions.take(entry)
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
            self.stands[facts["number"]] = facts["sha256"]
        elif entry["t"] == "policy_stands":
            if self.stands.setdefault(facts["number"], facts["sha256"]) != facts["sha256"]:
                raise Contradiction(place, "a policy that stands is the one that was applied")
            if last is None or facts["number"] > last[0]:
                self.policy = facts["number"], facts["sha256"]
        elif entry["t"] == "choice" and last is not None and facts["version"] > last[0]:
            raise Contradiction(place, "a choice is made under a policy that was applied before")

    def _account(self, entry: dict[str, Any], place: str) -> None:
        who, kind, owed = entry["who"], entry["t"], self.owed.get(entry["who"])
        if kind == "carried":
            if who in self.owed or entry["facts"]["from"] >= self.year:
                raise Contradiction(place, "a pseudonym is carried over from a year before, by its first entry")
            self.owed[who] = "?"
            self.carried.add(who)
            return
        if kind == "choice":
            if owed not in (None, "?"):
                raise Contradiction(place, f"the choice before it was followed by a `{owed}`")
            self.owed[who] = OWED.get(entry["facts"]["effect"])
            return
        if kind in ("grant_begun", "grant_affirmed") and owed not in (kind, "?"):
            raise Contradiction(place, f"a `{kind}` follows a choice that says so")
        self.owed[who] = None if kind == owed or owed == "?" else owed
        if kind.startswith("grant_"):
            self._grants(who, kind, entry["facts"], place)

    def _grants(self, who: str, kind: str, facts: dict[str, Any], place: str) -> None:
        """A grant has its number from its beginning to its end; of one that was carried over, its first entry tells it."""
        known, grant = self.grants.get(who), facts.get("grant")
        is_new = who not in self.grants
        if kind == "grant_stands" and is_new and who not in self.carried:
            raise Contradiction(place, "a grant that stands was begun, or carried over")
        if not is_new and known != (None if kind == "grant_begun" else grant) and "grant" in facts:
            raise Contradiction(place, f"a `{kind}` follows from the grant in force")
        self.grants[who] = None if kind == "grant_ended" else grant


def _told_of_release(entry: dict[str, Any]) -> str:
    """What an entry of a release tells, to know it again; empty for every other."""
    kind, facts = entry["t"], entry["facts"]
    return " ".join(str(part) for part in (kind, facts["release"], *map(facts.get, ONCE[kind]))) if kind in ONCE else ""


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


# What the read-back of an erasure may say: the states in their order, and a count of what was found there.
CERTIFIED = ("requested", "fenced", "shredded", "swept", "verified")


def check_certificate(raw: bytes, trusted: Trust, place: str = "certificate") -> Report:
    """Hold a certificate of erasure: signed by the key, whole in itself, and where it has a proof, told to the log."""
    report = Report("certificate", origin=trusted.origin, files=1)
    try:
        if raw[-1:] != b"\n" or len(raw) > NOTE_BYTES_MAX:
            raise Contradiction(place, "it is canonical JSON and a newline")
        file = read_json(raw[:-1], place)
        jws, entry, proof = (file.get(key) for key in ("certificate", "entry", "proof"))
        if set(file) != {"v", "certificate", "entry", "proof"} or file["v"] != 1 or not isinstance(jws, str):
            raise Contradiction(place, "it is a certificate of version 1")
        said = open_jws(jws, trusted.key, place, "licet-certificate+jws")
        if said["v"] != 1 or said["type"] != "licet-erasure-certificate" or not _HEX.fullmatch(said["salt"]):
            raise Contradiction(place, "it certifies an erasure, with its salt")
        times = [read_time(said[state], place, state) for state in CERTIFIED]
        if times != sorted(times):
            raise Contradiction(place, "its states follow one another")
        if any(seen["read_back"] != 0 or isinstance(seen["read_back"], bool) for seen in said["places"]):
            raise Contradiction(place, "nothing was found in any place")
        if (entry, proof) == (None, None):
            return report
        if not isinstance(entry, str) or not isinstance(proof, str):
            raise Contradiction(place, "it brings both an entry and its proof, or neither")
        report = check_proof(proof.encode(), entry.encode(), trusted, f"{place}, its proof")
        report.checked = "certificate"
        told = read_entry(entry.encode(), f"{place}, its entry")
        if told["t"] != "certificate" or told["facts"]["sha256"] != hashlib.sha256(jws.encode()).hexdigest():
            raise Contradiction(place, "its entry tells this certificate")
        if told["at"] != said["verified"]:
            raise Contradiction(place, "its time is that of its entry")
    except Contradiction as contradiction:
        report.findings.append(contradiction.finding)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        report.found(place, "it has the fields of a certificate")
    return report


def open_jws(text: str, key: Key, place: str, typ: str = "licet-receipt+jws") -> dict[str, Any]:
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
    if read_json(header, place) != {"alg": "EdDSA", "kid": kid, "typ": typ}:
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
        ("its salt gives its pseudonym", pseudonym_of(bytes.fromhex(log["salt"])) == log["who"]),
        ("its evidence is what its entry commits to", _is_hashed(log["evidence"], record["facts"].get("evidence"))),
        ("its notice is the one of its evidence", _is_shown(said["record"]["privacy_notice"], log["evidence"])),
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


def pseudonym_of(salt: bytes) -> str:
    return hashlib.sha256(b"licet/who/v1" + salt).hexdigest()


def _is_hashed(text: str | None, sha256: str | None) -> bool:
    return text is sha256 is None or (text is not None and hashlib.sha256(text.encode()).hexdigest() == sha256)


def _is_shown(notice: dict[str, Any], evidence: str | None) -> bool:
    """Whether a notice is told as the evidence has it; another edge may have written its evidence as plain words."""
    try:
        found = json.loads(evidence or "{}")
    except ValueError:
        found = {}
    found = found if isinstance(found, dict) and found.get("v") == 1 else {}
    told = {"sha256": notice["sha256"], "language": notice["language"], "notice": notice["notice_id"]}
    told |= {key: notice["presented_as"][key] for key in ("default_state", "surface", "place", "shown_at")}
    told |= {"shown": notice["presented_as"]["showing_id"]}
    return all((found.get(key) or None) == value for key, value in told.items())


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _refuse(place: str, promise: str) -> NoReturn:
    raise Contradiction(place, promise)


# ---- releases --------------------------------------------------------------------------------------------------

# A release is a folder: manifest.json, a card, parts of sealed rows, which are only hashed here, and its proofs,
#     proof/policies.jsonl.gz     each policy version, by its number
#     proof/candidates.jsonl.gz   each conversation that came into question, by handle: turns in, turns out and why
#     proof/rows.jsonl.gz         each row, by handle and ordinal: what its decision was made from
# one canonical JSON object a line, in order; over the lines of each file stands an RFC 6962 tree, whose root and
# size the manifest names. So what a file holds is proved by a path, and what it does not by two neighbours.
# Rows whose keys are dead may have been taken out of the parts since: purge-1.json, purge-2.json .. say of each part
# what it was, what it became and which ordinals went. Their proofs stay, and so do root and counts.
MANIFEST, MANIFEST_BYTES_MAX = "manifest.json", 1 << 26
PROOFS = {"policies": "proof/policies.jsonl.gz", "candidates": "proof/candidates.jsonl.gz",
          "rows": "proof/rows.jsonl.gz"}  # fmt: skip
REVIEW, PURGES_MAX, ORDINALS_MAX = "review.json", 10_000, 1 << 32
BESIDE = {"croissant.json", REVIEW}  # what describes a release, and decides nothing
PURGE_KEYS = {"format", "release", "number", "before", "purged_at", "parts"}
LINE_BYTES_MAX = 1 << 23
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
DAY_US = 86_400_000_000
SAFETY = "safety_classifiers"
# What was left out for a reason that tells nothing of a person says so; every other reason is committed to.
OPEN_REASONS = frozenset({
    "before_grant", "empty", "erased", "expired", "incomplete_row", "origin", "purpose", "stale_terms", "too_large",
})  # fmt: skip
MANIFEST_KEYS = {
    "format", "release", "name", "purpose", "built_at", "policy", "journal", "counts", "rows", "parts", "root",
    "deidentification", "licet", "proof",
}  # fmt: skip
SOURCE_KEYS = {
    "segment", "place", "because", "turns", "mark", "last_on", "keep_until", "grant", "widening", "said_on",
}  # fmt: skip
ROW_KEYS = {
    "v", "conversation", "who", "ordinal", "row_id", "sealed_sha256", "until", "policy_sha256", "last_on", "marks",
    "sources",
}  # fmt: skip
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_PERIOD = re.compile(r"([1-9][0-9]{0,5})([DWMY])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Terms:
    """A policy version, as far as it decides."""

    sha256: str
    effective: datetime
    material: bool
    plans: frozenset[str]
    surfaces: frozenset[str]
    covers: frozenset[str]
    origins: frozenset[str]
    whole: bool
    opted_in: str
    opted_out: str
    flagged: str


@dataclass(slots=True)
class Standing:
    """An account at a moment of the log. ``answers`` are the days of its answers, each with the version answered."""

    grant: int | None = None
    begun_on: str = ""
    answers: list[tuple[str, int]] = field(default_factory=list)
    closed: bool = False
    shortened: bool = False


@dataclass(slots=True)
class Chat:
    """What the log tells of a conversation. ``destroyed``: segments, each with whether its safety copy's key died."""

    deleted: bool = False
    narrowed: bool = False
    widened: int = 0
    widened_on: str = ""
    unflagged: bool = False
    flagged_on: list[str] = field(default_factory=list)
    destroyed: set[tuple[int, bool]] = field(default_factory=set)


class Permissions:
    """What the entries of a year told before the leaf of one release: all that its rows are decided by."""

    def __init__(self, release: str) -> None:
        self.release = release
        self.sealed: dict[str, Any] | None = None
        self.year = 0
        self.accounts: dict[str, Standing] = {}
        self.chats: dict[str, Chat] = {}
        self.policies: dict[int, str] = {}
        self.purges: set[str] = set()  # the hashes of the addenda that were told since
        self.reviews: set[str] = set()
        self.key: Key | None = None

    def take(self, entry: dict[str, Any]) -> None:
        kind, facts, who = entry["t"], entry["facts"], entry.get("who")
        if kind in ("release_purged", "release_reviewed") and facts["release"] == self.release:
            (self.purges if kind == "release_purged" else self.reviews).add(facts["sha256"])
        if self.sealed is not None:
            return
        if kind == "release_sealed" and facts["release"] == self.release:
            self.sealed = entry
        elif kind in ("policy_applied", "policy_stands"):
            self.policies[facts["number"]] = facts["sha256"]
        elif "handle" in facts:
            self._chat(self.chats.setdefault(facts["handle"], Chat()), kind, facts, entry["at"][:10])
        elif who is not None and kind in _STANDINGS:
            self._account(self.accounts.setdefault(who, Standing()), kind, facts, entry["at"][:10])

    def _account(self, of: Standing, kind: str, facts: dict[str, Any], day: str) -> None:
        match kind:
            case "closed":
                of.closed, of.grant = True, None
            case "shortened":
                of.shortened = True
            case "grant_ended":
                of.grant = None
            case _:
                of.begun_on = day if kind == "grant_begun" else of.begun_on if of.grant == facts["grant"] else ""
                of.grant = facts["grant"]
                of.answers.append((day, facts["version"]))

    def _chat(self, of: Chat, kind: str, facts: dict[str, Any], day: str) -> None:
        match kind:
            case "deleted":
                of.deleted = True
            case "narrowed":
                of.narrowed = True
            case "widened":
                of.narrowed, of.widened, of.widened_on = False, of.widened + 1, day
            case "flagged":
                of.flagged_on.append(day)
            case "unflagged":
                of.unflagged = True
                of.flagged_on.clear()
            case "key_destroyed" if "segment" in facts:
                of.destroyed.add((facts["segment"], facts["because"] == "safety"))


_STANDINGS = {"closed", "shortened", "grant_ended", "grant_begun", "grant_affirmed", "grant_stands"}


class Policies:
    """The versions of a release, and what follows from them by the day."""

    def __init__(self, versions: Sequence[Terms]) -> None:
        self.versions = versions
        self._on: dict[str, tuple[int, ...]] = {}
        self._after: dict[tuple[str, str], str] = {}

    def number(self, at: datetime) -> int:
        """The version in force at an instant: the newest effective one, or the first before any is."""
        return max([0, *(n for n, version in enumerate(self.versions) if version.effective <= at)])

    def on(self, day: str) -> tuple[int, ...]:
        """Every version that was in force at some instant of a day."""
        if day not in self._on:
            first = datetime.fromisoformat(day).replace(tzinfo=UTC)
            last = first.replace(hour=23, minute=59, second=59, microsecond=999_999)
            self._on[day] = tuple(range(self.number(first), self.number(last) + 1))
        return self._on[day]

    def after(self, day: str, period: str) -> str:
        """The day on which a period from a day ends; a day that the target month lacks falls back to its last."""
        key = (day, period)
        if key not in self._after:
            match = _PERIOD.fullmatch(period[1:])
            if match is None:
                raise ValueError("not a period")
            self._after[key] = _days_after(date.fromisoformat(day), int(match[1]), match[2]).isoformat()
        return self._after[key]

    def newest_material(self, number: int) -> int:
        return max([-1, *(n for n in range(number + 1) if self.versions[n].material)])


def _days_after(day: date, count: int, unit: str) -> date:
    if unit in "DW":
        return day + timedelta(days=count * (7 if unit == "W" else 1))
    years, month = divmod(day.month - 1 + count * (12 if unit == "Y" else 1), 12)
    last = monthrange(day.year + years, month + 1)[1]
    return date(day.year + years, month + 1, min(day.day, last))


def read_terms(raw: bytes, place: str) -> Terms:
    """A policy's text. Its hash is that of its canonical bytes, which are the bytes of its line."""
    said = read_json(raw, place)
    keep = said["keep"]
    return Terms(
        hashlib.sha256(raw).hexdigest(), read_time(said["effective"], place, "effective"), said["material"] is True,
        frozenset(said["scope"]["plans"]), frozenset(said["scope"]["surfaces"]), frozenset(said["choice"]["covers"]),
        frozenset(said["origins"]), said["reach"] == "conversation", keep["opted_in"], keep["opted_out"],
        keep["flagged"],
    )  # fmt: skip


class Decider:
    """Makes the decision of a row again, from what its line and the log tell."""

    def __init__(self, release: str, purpose: str, built_at: datetime, policies: Policies,
                 log: Permissions | None) -> None:  # fmt: skip
        self.release, self.purpose, self.policies, self.log = release, purpose, policies, log
        self.number = policies.number(built_at)
        self.now = policies.versions[self.number]
        self.built_on = built_at.date().isoformat()

    def check(self, row: dict[str, Any], place: str) -> None:
        """Raises the first promise that the row breaks: the rows of the rule, in their order."""
        sources, marks = row["sources"], row["marks"]
        standing = chat = None
        if self.log is not None:
            standing = self.log.accounts.get(row["who"])
            chat = self.log.chats.get(row["conversation"])
        if row["policy_sha256"] != self.now.sha256:
            raise Contradiction(place, "it was decided under the policy in force")
        if standing is not None and standing.closed:
            raise Contradiction(place, "no account of a row is closed")
        if chat is not None and chat.deleted:
            raise Contradiction(place, "no conversation of a row was deleted")
        if not sources or not marks:
            raise Contradiction(place, "it has the fields of a row")
        scopes = [self._in_scope(*mark) for mark in marks]
        for source in sources:
            if set(source) != SOURCE_KEYS:
                raise Contradiction(place, "it has the fields of a row")
            self._source(row, source, scopes, standing, chat, place)
        if not self.built_on <= row["until"] <= min(source["keep_until"] for source in sources):
            raise Contradiction(place, "its use ends with that of its first source, after the release")

    def _in_scope(self, plan: str, surface: str, version: int) -> bool:
        taken = self.policies.versions[version]
        return all(plan in one.plans and surface in one.surfaces for one in (taken, self.now))

    def _source(self, row: dict[str, Any], source: dict[str, Any], scopes: list[bool], standing: Standing | None,
                chat: Chat | None, place: str) -> None:  # fmt: skip
        old = self.policies.versions[row["marks"][source["mark"]][2]]
        whole = old.whole and self.now.whole
        if not scopes[source["mark"]] or (whole and not all(scopes)):
            raise Contradiction(place, "its plan and surface are covered by the terms")
        if chat is not None and (source["segment"], source["place"] == "safety") in chat.destroyed:
            raise Contradiction(place, "the keys of its sources lived when it was sealed")
        if source["because"] == "flagged" and self.purpose == SAFETY:
            self._flagged(source, chat, place)
        elif source["because"] == "permitted" and source["place"] == "vault":
            self._permitted(row, source, old, standing, chat, place)
        else:
            raise Contradiction(place, "it is permitted, or flagged and for safety")

    def _flagged(self, source: dict[str, Any], chat: Chat | None, place: str) -> None:
        """A flag of a year before has no leaf in this log, and ends before one of this year could."""
        if any(source[key] is not None for key in ("grant", "widening", "said_on")):
            raise Contradiction(place, "what is flagged rests on no grant")
        if self.log is None:
            return
        new_year, versions = f"{self.log.year}-01-01", self.policies.versions
        earlier = source["keep_until"] < max(self.policies.after(new_year, v.flagged) for v in versions)
        flags = [] if chat is None else chat.flagged_on
        ends = {self.policies.after(day, versions[n].flagged) for day in flags for n in self.policies.on(day)}
        if (chat is not None and chat.unflagged and not flags) or not (earlier or source["keep_until"] in ends):
            raise Contradiction(place, "the flag that it rests on stood, and gives it its end")

    def _permitted(self, row: dict[str, Any], source: dict[str, Any], old: Terms, standing: Standing | None,
                   chat: Chat | None, place: str) -> None:  # fmt: skip
        natural(source["grant"] or 0), natural(source["widening"])
        if not self._is_dated(row, source, standing):
            raise Contradiction(place, "the policy gives it its end")
        if chat is not None and (chat.narrowed or source["widening"] < chat.widened):
            raise Contradiction(place, "no conversation of a row was kept out, or let in again without a new turn")
        if self.log is not None and (standing is None or standing.grant != source["grant"]):
            raise Contradiction(place, "the grant that decides it is in force")
        if self.purpose not in old.covers or self.purpose not in self.now.covers:
            raise Contradiction(place, "the choice covers the purpose")
        if not source["turns"].keys() <= old.origins & self.now.origins:
            raise Contradiction(place, "the origins of its turns are listed")
        said_on = source["said_on"]
        if not source["last_on"] <= row["last_on"] <= self.built_on or not said_on <= row["last_on"]:
            raise Contradiction(place, "its days are in order, and before the release")
        if standing is not None and self._is_stale(said_on, standing):
            raise Contradiction(place, "newer terms were answered when it was said")
        since = max(standing.begun_on if standing else "", chat.widened_on if chat else "")
        if said_on < since:
            raise Contradiction(place, "it was said under the grant")

    def _is_dated(self, row: dict[str, Any], source: dict[str, Any], standing: Standing | None) -> bool:
        """Whether a version in force at the last turn gives that end; an earlier one where dates were shortened."""
        ends = set()
        for number in self.policies.on(row["last_on"]):
            terms = self.policies.versions[number]
            dated = row["last_on"] if terms.whole else source["last_on"]
            ends |= {self.policies.after(dated, terms.opted_in), self.policies.after(row["last_on"], terms.opted_out)}
        may_be_shorter = (
            standing.shortened or (self.log is not None and row["last_on"] < f"{self.log.year}-01-01")
            if standing is not None else self.log is None
        )  # fmt: skip
        return source["keep_until"] in ends or (may_be_shorter and source["keep_until"] < max(ends))

    def _is_stale(self, said_on: str, standing: Standing) -> bool:
        """Whether the newest material version of that day had not been answered, where the log tells of answers."""
        answered = [version for day, version in standing.answers if day <= said_on]
        newest = min(map(self.policies.newest_material, self.policies.on(said_on)))
        return bool(answered) and max(answered) < newest


def check_release(files: Files, trusted: Trust | None = None, log: Files | None = None) -> Report:
    """Make the decision of every row again, without content; with a log, by what it told before the release's leaf.

    Without one, what only the log knows (grants, deletions, what was kept out) is not checked.
    """
    report = Report("release", origin=trusted.origin if trusted else "")
    try:
        raw = _bounded(files, MANIFEST, report)
        manifest = read_json(raw, MANIFEST)
        release = manifest["release"]
        told = _told(trusted, log, release, raw, manifest, report) if trusted and log is not None else None
        _check_files(files, raw, manifest, told, report)
        policies = _read_policies(files, manifest, told, report)
        built_at = read_time(manifest["built_at"], MANIFEST, "built_at")
        decider = Decider(release, manifest["purpose"], built_at, policies, told)
        if decider.now.sha256 != manifest["policy"]["sha256"]:
            raise Contradiction(MANIFEST, "its policy is the one in force when it was built")
        _check_rows(files, manifest, decider, report)
        report.size, report.root = manifest["rows"], manifest["root"]
    except Contradiction as contradiction:
        report.findings.append(contradiction.finding)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OSError, OverflowError):
        report.found(MANIFEST, "it has the fields of a manifest")
    return report


def _told(trusted: Trust, log: Files, release: str, raw: bytes, manifest: dict[str, Any],
          report: Report) -> Permissions:  # fmt: skip
    """The log whole, as it stood before the release's leaf, which must be of this manifest."""
    story = story_of(trusted.origin)
    story.permissions = told = Permissions(release)
    told.year, told.key = story.year, trusted.key
    checked = check_log(log, trusted, (), story)
    report.findings += checked.findings
    report.cosigned, report.entry_bytes = checked.cosigned, checked.entry_bytes
    if told.sealed is None:
        raise Contradiction(MANIFEST, "the release was told to the log when it was sealed")
    facts = told.sealed["facts"]
    for key, value in (
        ("manifest_sha256", hashlib.sha256(raw).hexdigest()), ("root", manifest["root"]), ("rows", manifest["rows"]),
        ("purpose", manifest["purpose"]), ("position", manifest["journal"]),
    ):  # fmt: skip
        if facts[key] != value:
            raise Contradiction(MANIFEST, f"it is the manifest that was sealed: its leaf tells its `{key}`")
    if read_time(told.sealed["at"], MANIFEST, "at") != read_time(manifest["built_at"], MANIFEST, "built_at"):
        raise Contradiction(MANIFEST, "it was built when its leaf says")
    if facts["version"] != told_number(told, manifest["policy"]["sha256"]):
        raise Contradiction(MANIFEST, "its policy is the version that its leaf names")
    return told


def told_number(told: Permissions, sha256: str) -> int | None:
    return next((number for number, known in told.policies.items() if known == sha256), None)


def _check_files(files: Files, raw: bytes, manifest: dict[str, Any], told: Permissions | None, report: Report) -> None:
    """Every file is the one that the manifest or a purge names, and no other lies beside it."""
    if (
        set(manifest) - {"curation"} != MANIFEST_KEYS
        or manifest["format"] != "licet-release-1"
        or set(manifest["proof"]) != set(PROOFS)
    ):
        raise Contradiction(MANIFEST, "it has the keys of a manifest")
    if [one["file"] for one in manifest["proof"].values()] != [PROOFS[name] for name in manifest["proof"]]:
        raise Contradiction(MANIFEST, "its proofs lie where proofs lie")
    parts, purges = _read_purges(files, raw, manifest, told, report)
    named = [*(part for part in parts if part is not None), *manifest["proof"].values()]
    known, there = {MANIFEST, "README.md", *purges, *(one["file"] for one in named)}, set(files.paths())
    for path in sorted((known - there) | (there - known - BESIDE)):
        report.found(path, "every file of the release is there, and no other")
    for one in named:
        data = files.read(one["file"])
        report.files += 1
        if data is not None and (len(data), hashlib.sha256(data).hexdigest()) != (one["bytes"], one["sha256"]):
            by = "a purge" if one not in manifest["parts"] and one["file"].startswith("part-") else "the manifest"
            raise Contradiction(one["file"], f"it has the size and hash that {by} names")
    if REVIEW in there:
        _check_review(_bounded(files, REVIEW, report), raw, manifest, told)
    counts = manifest["counts"]
    left_out = sum(map(natural, counts["dropped"].values()))
    if natural(counts["candidates"]) != natural(counts["included"]) + left_out:
        raise Contradiction(MANIFEST, "it reconciles: every candidate is in, or left out for a reason")
    if natural(manifest["rows"]) != sum(natural(part["rows"]) for part in manifest["parts"]):
        raise Contradiction(MANIFEST, "it reconciles: its rows are those of its parts")


def _read_purges(
    files: Files, raw: bytes, manifest: dict[str, Any], told: Permissions | None, report: Report
) -> tuple[list[dict[str, Any] | None], list[str]]:
    """Each part as it is to lie there now, None where a purge left nothing of it; and the addenda that say so."""
    now: dict[str, dict[str, Any] | None] = {part["file"]: part for part in manifest["parts"]}
    firsts = [natural(part["first_ordinal"]) for part in manifest["parts"]]
    before = dict(zip(now, [*firsts[1:], ORDINALS_MAX], strict=False))  # of each part, the first ordinal of the next
    there, head, names, at = set(files.paths()), hashlib.sha256(raw).hexdigest(), [], manifest["built_at"]
    gone: set[int] = set()
    for number in range(1, PURGES_MAX + 1):
        path = f"purge-{number}.json"
        if path not in there:
            break
        data = _bounded(files, path, report)
        purge = _unwrapped(read_json(data, path), "purge", 2, path, told, "licet-purge+jws")
        said = (purge["format"], purge["release"], natural(purge["number"]), purge["before"])
        if set(purge) != PURGE_KEYS or said != ("licet-purge-2", manifest["release"], number, head):
            raise Contradiction(path, "it follows the addendum before it, or the manifest")
        if read_time(purge["purged_at"], path, "purged_at") < read_time(at, path, "at") or not purge["parts"]:
            raise Contradiction(path, "it takes something out, after what came before it")
        for one in purge["parts"]:
            now[one["file"]] = _purged(now.get(one["file"]), before.get(one["file"], 0), one, gone, path)
        head, at = hashlib.sha256(data).hexdigest(), purge["purged_at"]
        if told is not None and int(at[:4]) == told.year and head not in told.purges:
            raise Contradiction(path, "it was told to the log")
        names.append(path)
    report.purged = len(gone)
    return list(now.values()), names


def _unwrapped(
    file: dict[str, Any], name: str, version: int, path: str, told: Permissions | None, typ: str
) -> dict[str, Any]:
    """What a signed file beside the manifest says; where the log's key is known, it must have signed it."""
    if set(file) != {name, "v"} or natural(file["v"]) != version or not isinstance(file[name], str):
        raise Contradiction(path, f"it is signed, and of version {version}")
    if told is not None and told.key is not None:
        return open_jws(file[name], told.key, path, typ)
    parts = file[name].split(".")
    if len(parts) != 3:
        raise Contradiction(path, "it is a compact JWS")
    text = parts[1] + "=" * (-len(parts[1]) % 4)
    return read_json(unbase64(text.translate({45: "+", 95: "/"}), path, "it reads"), path)


def _purged(
    was: dict[str, Any] | None, before: int, one: dict[str, Any], gone: set[int], path: str
) -> dict[str, Any] | None:
    """A part without the rows that a purge took out of it, which join ``gone``."""
    after: dict[str, Any] | None = one["after"]
    if was is None or set(one) != {"file", "was", "after", "gone"} or one["was"] != was["sha256"]:
        raise Contradiction(path, "it takes rows out of a part as it lay there")
    taken: set[int] = set()
    for first, last in one["gone"]:
        if not natural(was["first_ordinal"]) <= natural(first) <= natural(last) < before or last - first >= was["rows"]:
            raise Contradiction(path, "the rows that it takes out are of that part")
        taken.update(range(first, last + 1))
    left = was["rows"] - len(taken)
    if not taken or taken & gone or left != (natural(after["rows"]) if after else 0):
        raise Contradiction(path, "it reconciles: each row goes once, and the rest stays")
    if after is not None and after["file"] != one["file"]:
        raise Contradiction(path, "a part keeps its name")
    gone |= taken
    return after


def _check_review(data: bytes, raw: bytes, manifest: dict[str, Any], told: Permissions | None) -> None:
    """What people found in a sample: of this manifest; where it is of the year of a log, signed and told to that."""
    file = read_json(data, REVIEW)
    payload = file["review"].split(".")[1]
    said = read_json(unbase64((payload + "=" * (-len(payload) % 4)).translate({45: "+", 95: "/"}), REVIEW, "it reads"),
                     REVIEW)  # fmt: skip
    if set(file) != {"v", "review"} or file["v"] != 1 or said["release"] != manifest["release"]:
        raise Contradiction(REVIEW, "it is a review of this release, of version 1")
    if said["manifest_sha256"] != hashlib.sha256(raw).hexdigest():
        raise Contradiction(REVIEW, "it is of the manifest that lies beside it")
    if told is None or told.key is None or int(said["closed_at"][:4]) != told.year:
        return
    open_jws(file["review"], told.key, REVIEW, "licet-review+jws")
    if hashlib.sha256(file["review"].encode()).hexdigest() not in told.reviews:
        raise Contradiction(REVIEW, "it was told to the log")


def natural(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("not a count")
    return value


def _bounded(files: Files, path: str, report: Report) -> bytes:
    data = _data(files, path, report) if path in set(files.paths()) else None
    if data is None or len(data) > MANIFEST_BYTES_MAX:
        raise Contradiction(path, "a release has a manifest of a bounded size")
    return data


def lines_of(files: Files, manifest: dict[str, Any], name: str, report: Report) -> Iterator[bytes]:
    """The lines of a proof file, one by one; after the last, they must be as many as promised and lead to the root."""
    path, promised = PROOFS[name], manifest["proof"][name]
    report.files += 1
    leaves: list[bytes] = []
    try:
        with gzip.open(io.BytesIO(files.read(path) or b"")) as lines:
            while line := lines.readline(LINE_BYTES_MAX + 1):
                if line[-1:] != b"\n" or len(line) > LINE_BYTES_MAX:
                    raise Contradiction(f"{path} line {len(leaves)}", "it is a whole line of a bounded length")
                if len(leaves) >= promised["lines"]:
                    break
                leaves.append(leaf(line[:-1]))
                yield line[:-1]
    except (OSError, EOFError, zlib.error):
        raise Contradiction(path, "it is a gzip file") from None
    if line or len(leaves) != promised["lines"]:
        raise Contradiction(path, f"it holds `{promised['lines']}` lines")
    if tree_hash(leaves).hex() != promised["root"]:
        raise Contradiction(path, "its lines lead to its root")


def _read_policies(files: Files, manifest: dict[str, Any], told: Permissions | None, report: Report) -> Policies:
    """The versions; with a log, exactly those that it told of before."""
    path = PROOFS["policies"]
    versions = [
        read_terms(raw, f"{path} line {n}") for n, raw in enumerate(lines_of(files, manifest, "policies", report))
    ]
    if not versions or any(a.effective >= b.effective for a, b in pairwise(versions)):
        raise Contradiction(path, "it holds the versions in the order of their first instants")
    if told is not None and {n: version.sha256 for n, version in enumerate(versions)} != told.policies:
        raise Contradiction(path, "its policies are those that the log tells of")
    return Policies(versions)


def _check_rows(files: Files, manifest: dict[str, Any], decider: Decider, report: Report) -> None:
    """Each candidate's rows beside it: both files are in the order of the conversations' handles."""
    leaves: list[tuple[int, bytes]] = []
    rows = _rows(files, manifest, decider, report, leaves)
    row = next(rows, None)
    included = left_out = hidden = 0
    reasons: dict[str, int] = {}
    before = ""
    for number, raw in enumerate(lines_of(files, manifest, "candidates", report)):
        place = f"{PROOFS['candidates']} line {number}"
        one = read_candidate(raw, place)
        if one["conversation"] <= before:
            raise Contradiction(place, "the lines are in order, and none comes twice")
        before, turns = one["conversation"], 0
        while row is not None and row[0] == before:
            turns += row[1]
            row = next(rows, None)
        if turns != one["in"]:
            raise Contradiction(place, "its turns that are in are those of its rows")
        included += turns
        salted = sum(one["salted"].values())
        hidden += salted
        for because, count in one["out"].items():
            reasons[because] = reasons.get(because, 0) + count
        left_out += salted + sum(one["out"].values())
        if row is not None and row[0] < before:
            break
    if row is not None:
        raise Contradiction(f"{PROOFS['rows']} {row[2]}", "each row is of a candidate, in the order of the handles")
    _check_counts(manifest, included, left_out, hidden, reasons)
    _check_root(manifest, leaves)


def _rows(files: Files, manifest: dict[str, Any], decider: Decider, report: Report,
          leaves: list[tuple[int, bytes]]) -> Iterator[tuple[str, int, str]]:  # fmt: skip
    """Each row decided again: its conversation, how many turns it holds, and its place."""
    before = ("", -1)
    for number, raw in enumerate(lines_of(files, manifest, "rows", report)):
        place = f"line {number}"
        try:
            row = read_row(raw, f"{PROOFS['rows']} {place}")
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise Contradiction(f"{PROOFS['rows']} {place}", "it has the fields of a row") from None
        here = (row["conversation"], row["ordinal"])
        if here <= before:
            raise Contradiction(f"{PROOFS['rows']} {place}", "the lines are in order, and none comes twice")
        before = here
        try:
            decider.check(row, f"row {row['ordinal']}")
        except Contradiction as contradiction:
            report.found(contradiction.finding.place, contradiction.finding.promise)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise Contradiction(f"row {row['ordinal']}", "it has the fields of a row") from None
        leaves.append((row["ordinal"], leaf_of_row(row)))
        yield row["conversation"], sum(sum(source["turns"].values()) for source in row["sources"]), place


def read_row(raw: bytes, place: str) -> dict[str, Any]:
    row = read_json(raw, place)
    if set(row) != ROW_KEYS or row["v"] != 1 or row["v"] is True or len(row["row_id"]) != 32:
        raise Contradiction(place, "it has the fields of a row")
    for key in ("conversation", "who", "sealed_sha256"):
        if not _HEX.fullmatch(row[key]):
            raise Contradiction(place, "its pseudonyms are 32 bytes in hex")
    counts = [count for source in row["sources"] for count in source["turns"].values()]
    numbers = [row["ordinal"], *(source[key] for source in row["sources"] for key in ("segment", "mark"))]
    versions = [mark[2] for mark in row["marks"]]
    if min(map(natural, numbers + versions)) < 0 or min(map(natural, counts)) < 1:
        raise Contradiction(place, "its numbers are whole, and each source has turns")
    if not all(map(_DAY.fullmatch, _days_of(row))):
        raise Contradiction(place, "its moments are days")
    return row


def _days_of(row: dict[str, Any]) -> Iterator[str]:
    yield from (row["until"], row["last_on"])
    for source in row["sources"]:
        yield from (source["last_on"], source["keep_until"], source["said_on"] or row["until"])


def read_candidate(raw: bytes, place: str) -> dict[str, Any]:
    one = read_json(raw, place)
    if set(one) != {"v", "conversation", "in", "out", "salted"} or one["v"] != 1 or one["v"] is True:
        raise Contradiction(place, "it has the fields of a candidate")
    if not all(map(_HEX.fullmatch, (one["conversation"], *one["salted"]))):
        raise Contradiction(place, "its handle and its commitments are 32 bytes in hex")
    if not set(one["out"]) <= OPEN_REASONS:
        raise Contradiction(place, "what a reason tells of a person is committed to, not told")
    out = [natural(count) for count in (*one["out"].values(), *one["salted"].values())]
    if min(out, default=1) < 1 or natural(one["in"]) + sum(out) < 1:
        raise Contradiction(place, "a candidate has turns, in or left out for a reason")
    return one


def leaf_of_row(row: dict[str, Any]) -> bytes:
    """The leaf of the row in the tree over the parts: ordinal, row id, until, and the hash of the sealed bytes."""
    until_us = (date.fromisoformat(row["until"]).toordinal() - EPOCH_ORDINAL) * DAY_US
    data = row["ordinal"].to_bytes(4, "big") + bytes.fromhex(row["row_id"]) + until_us.to_bytes(8, "big", signed=True)
    return leaf(data + bytes.fromhex(row["sealed_sha256"]))


def _check_counts(manifest: dict[str, Any], included: int, left_out: int, hidden: int, reasons: dict[str, int]) -> None:
    counts, place = manifest["counts"], PROOFS["candidates"]
    if (included, left_out) != (counts["included"], counts["candidates"] - counts["included"]):
        raise Contradiction(place, "its turns, in and out, are as many as the manifest says")
    told = {because: count for because, count in counts["dropped"].items() if because in OPEN_REASONS and count}
    if reasons != told or hidden != sum(n for because, n in counts["dropped"].items() if because not in OPEN_REASONS):
        raise Contradiction(place, "the reasons it gives are counted in the manifest")


def _check_root(manifest: dict[str, Any], leaves: list[tuple[int, bytes]]) -> None:
    leaves.sort()
    if len({ordinal for ordinal, _ in leaves}) != len(leaves) or len(leaves) != manifest["rows"]:
        raise Contradiction(PROOFS["rows"], "each row of the parts is there once, and no other")
    if tree_hash([digest for _, digest in leaves]).hex() != manifest["root"]:
        raise Contradiction(PROOFS["rows"], "its rows are those of the parts, as the manifest's root has them")


# ---- one conversation ------------------------------------------------------------------------------------------

# Out of a release's folder, a file that shows what became of one conversation, with paths to the manifest's roots:
#     {"conversation":handle,"release":id,"candidates":[..],"rows":[..],"v":1}
# A line is {"index":n,"line":text,"path":[hex,..]}. Candidates: the conversation's own line, or the two between which
# it would stand; rows: all of the conversation's, with the lines before and after them, or the two neighbours.


def prove_conversation(files: Files, handle: str) -> dict[str, Any]:
    """What a release's folder shows of a conversation; raises Contradiction where a file is not what it should be."""
    report = Report("conversation")
    manifest = read_json(_bounded(files, MANIFEST, report), MANIFEST)
    proof: dict[str, Any] = {"v": 1, "release": manifest["release"], "conversation": handle}
    for name in ("candidates", "rows"):
        lines = list(lines_of(files, manifest, name, report))
        leaves = [leaf(line) for line in lines]
        keys = [json.loads(line)["conversation"] for line in lines]
        first, last = bisect_left(keys, handle) - 1, bisect_right(keys, handle)
        if name == "candidates" and last - first == 2:
            first, last = first + 1, last - 1
        shown = range(max(0, first), min(len(lines), last + 1))
        proof[name] = [
            {"index": n, "line": lines[n].decode(), "path": [h.hex() for h in path_of(n, leaves)]} for n in shown
        ]
    return proof


def path_of(index: int, row: Sequence[bytes]) -> list[bytes]:
    """PATH(index, D[n]) of RFC 6962 section 2.1.1, over a row of leaves."""
    if len(row) <= 1:
        return []
    cut = _largest_power_below(len(row))
    if index < cut:
        return [*path_of(index, row[:cut]), tree_hash(row[cut:])]
    return [*path_of(index - cut, row[cut:]), tree_hash(row[:cut])]


@dataclass(frozen=True, slots=True)
class Found:
    """What a release holds of a conversation. ``why`` is empty where nothing was salted, or no salt was given."""

    candidate: bool
    turns_in: int
    turns_out: int
    rows: tuple[int, ...]
    why: dict[str, int]
    hidden: int

    @property
    def text(self) -> str:
        if not self.candidate:
            return "out: nothing of this conversation was there to come into question"
        left = ", ".join(f"{count} for `{word}`" for word, count in sorted(self.why.items()))
        left += f", {self.hidden} for reasons that only its salt opens" * bool(self.hidden)
        if not self.turns_in:
            return f"out: {self.turns_out} turns were left out: {left.removeprefix(', ')}"
        rows = ", ".join(map(str, self.rows))
        return f"in: {self.turns_in} turns, in row {rows}; {self.turns_out} were left out{': ' * bool(left)}{left}"


def check_conversation(raw: bytes, proof: dict[str, Any], handle: str, salt: bytes | None = None) -> Found:
    """Hold such a proof against a manifest's bytes; ``salt`` opens the reasons that tell something of a person.

    Raises Contradiction; the manifest itself is to be held against the log.
    """
    try:
        return _check_conversation(read_json(raw, MANIFEST), proof, handle, salt)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise Contradiction("proof", "it has the fields of a conversation's proof") from None


def _check_conversation(manifest: dict[str, Any], proof: dict[str, Any], handle: str, salt: bytes | None) -> Found:
    if (proof["v"], proof["release"], proof["conversation"]) != (1, manifest["release"], handle):
        raise Contradiction("proof", "it is of this release and this conversation")
    candidates = _proved(manifest, proof, "candidates", handle)
    rows = _proved(manifest, proof, "rows", handle)
    turns_in = sum(sum(source["turns"].values()) for row in rows for source in row["sources"])
    if not candidates:
        if rows:
            raise Contradiction("proof", "each row is of a candidate")
        return Found(False, 0, 0, (), {}, 0)
    one = read_candidate(json.dumps(candidates[0], sort_keys=True, separators=(",", ":")).encode(), "proof")
    if turns_in != one["in"]:
        raise Contradiction("proof", "its turns that are in are those of its rows")
    if salt is not None and any(row["who"] != pseudonym_of(salt) for row in rows):
        raise Contradiction("proof", "its rows stand under the pseudonym of its person")
    turns_out = sum(one["out"].values()) + sum(one["salted"].values())
    why = one["out"] | (_opened(one, manifest, salt) if salt is not None else {})
    ordinals = tuple(row["ordinal"] for row in rows)
    return Found(True, turns_in, turns_out, ordinals, why, turns_out - sum(why.values()))


def _opened(one: dict[str, Any], manifest: dict[str, Any], salt: bytes) -> dict[str, int]:
    """The reasons that the salt shows to be those committed to: it makes each word's commitment anew."""
    about = b"why" + bytes.fromhex(manifest["release"]) + bytes.fromhex(one["conversation"])
    words = set(manifest["counts"]["dropped"]) - OPEN_REASONS
    made = {hmac.digest(salt, about + word.encode(), "sha256").hex(): word for word in words}
    if not set(one["salted"]) <= set(made):
        raise Contradiction("proof", "the salt opens the reasons that were committed to")
    return {made[commitment]: count for commitment, count in one["salted"].items()}


def _proved(manifest: dict[str, Any], proof: dict[str, Any], name: str, handle: str) -> list[dict[str, Any]]:
    """The lines of the conversation; what is shown beside them leaves no room for another."""
    promised = manifest["proof"][name]
    size, root = promised["lines"], bytes.fromhex(promised["root"])
    found, keys, indexes = [], [], []
    for shown in proof[name]:
        line, index = shown["line"].encode(), natural(shown["index"])
        path = [bytes.fromhex(digest) for digest in shown["path"]]
        if index >= size or root_of_path(index, size, leaf(line), path) != root:
            raise Contradiction("proof", f"each line leads to the root of the {name}")
        said = read_json(line, "proof")
        keys.append(said["conversation"])
        indexes.append(index)
        found += [said] if said["conversation"] == handle else []
    if keys != sorted(keys) or indexes != list(range(indexes[0] if indexes else 0, size)[: len(indexes)]):
        raise Contradiction("proof", "its lines are neighbours, in order")
    alone = name == "candidates" and len(keys) == 1 and bool(found)  # no handle comes twice among the candidates
    before = not indexes or indexes[0] == 0 or keys[0] < handle
    after = not indexes or indexes[-1] == size - 1 or keys[-1] > handle
    if not alone and not (before and after and (indexes or size == 0)):
        raise Contradiction("proof", "its neighbours leave no room for a line that is not shown")
    return found


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


class HttpFiles:
    """A published log at a URL. It cannot be listed, so only the files that its checkpoint requires are read."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._kept: dict[str, bytes | None] = {}  # the checkpoint, and of each row the last and partial file

    def paths(self) -> Iterable[str]:
        """Of what is not full the partial file, or the full one once the log has outgrown it and dropped the other."""
        lines = (self.read("checkpoint") or b"").split(b"\n")
        size = int(lines[1]) if len(lines) > 1 and re.fullmatch(rb"[0-9]{1,15}", lines[1]) else 0
        kinds = [("entries", size), ("0", size)]
        kinds += [(str(level), size >> (8 * level)) for level in range(1, 8) if size >> (8 * level)]
        for kind, count in kinds:
            yield from (_path(kind, index, TILE) for index in range(count // TILE))
            if count % TILE:
                partial = _path(kind, count // TILE, count % TILE)
                yield partial if self.read(partial) is not None else _path(kind, count // TILE, TILE)

    def read(self, path: str) -> bytes | None:
        if path not in self._kept:
            data = self._get(path)
            if path != "checkpoint" and ".p/" not in path:
                return data
            self._kept[path] = data
        return self._kept[path]

    def _get(self, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"{self.url}/{path}", timeout=SECONDS_MAX) as answer:  # noqa: S310 the caller's
                data: bytes = answer.read(FILE_BYTES_MAX + 1)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (404, 410):
                return None
            raise
        if len(data) > FILE_BYTES_MAX:
            raise ValueError(f"`{path}` has more than {FILE_BYTES_MAX} bytes")
        return data


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"error: {message}\nhint: `{self.prog} --help` shows the call", file=sys.stderr)
        raise SystemExit(64)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _arguments()
    call = parser.parse_args(arguments)
    try:
        if call.what == "conversation":
            return _run_conversation(call)
        policy = call.policy.read_bytes() if call.policy is not None else None
        report = _run(call, trust(call.key, call.origin, call.witness, call.quorum, policy))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if call.json:
        print(json.dumps({"ok": report.ok, **asdict(report)}, indent=2))
    elif report.ok:
        print(f"ok: {report.checked} of `{report.origin}`: {report.size} entries, root {report.root}")
        if report.purged:
            print(f"purged: {report.purged} rows of it were taken out since, as its addenda say; their proofs stay")
        print(f"cosigned by: {', '.join(report.cosigned) or 'nobody that you named'}")
    else:
        for finding in report.findings:
            print(f"contradiction: {finding.place}: broken promise: {finding.promise}")
    return 0 if report.ok else 1


def _run(call: argparse.Namespace, trusted: Trust) -> Report:
    match call.what:
        case "log":
            older = [(str(path), path.read_bytes()) for path in call.older]
            return check_log(_files(call.folder), trusted, older, None if call.plain else story_of(trusted.origin))
        case "release":
            return check_release(_files(call.folder), trusted, _files(call.log))
        case "certificate":
            return check_certificate(call.file.read_bytes(), trusted, str(call.file))
        case "receipt":
            return check_receipt(call.file.read_bytes(), trusted, str(call.file))
        case "proof":
            return check_proof(call.file.read_bytes(), call.entry.read_bytes(), trusted, str(call.file))
        case _:
            return _run_checkpoint(call, trusted)


def _run_conversation(call: argparse.Namespace) -> int:
    """It needs no key: what it is held against is the manifest, and `release` holds that against the log."""
    files = _files(call.folder)
    try:
        kept = call.proof.read_bytes() if call.proof is not None else None
        proof = prove_conversation(files, call.handle) if kept is None else json.loads(kept)
        found = check_conversation(files.read(MANIFEST) or b"", proof, call.handle, call.salt)
    except Contradiction as contradiction:
        print(f"contradiction: {contradiction.finding.place}: broken promise: {contradiction.finding.promise}")
        return 1
    print(json.dumps(proof, sort_keys=True) if call.json else found.text)
    return 0


def _run_checkpoint(call: argparse.Namespace, trusted: Trust) -> Report:
    old, new = call.old.read_bytes(), call.new.read_bytes()
    if call.log is not None:
        pair = check_log(_files(call.log), trusted, [(str(call.old), old), (str(call.new), new)])
        pair.checked = "checkpoint"
        return pair
    hashes: list[bytes] = []
    if call.proof is not None:
        try:
            hashes = read_hashes(call.proof.read_text("ascii").split(), str(call.proof))
        except Contradiction as contradiction:
            return Report("checkpoint", [contradiction.finding], trusted.origin)
    return check_checkpoints(old, new, hashes, trusted)


def _files(place: str) -> Files:
    if place.startswith(("https://", "http://")):
        return HttpFiles(place)
    if not Path(place).is_dir():
        raise ValueError(f"`{place}` is not a folder")
    return FolderFiles(Path(place))


def _arguments() -> argparse.ArgumentParser:
    parser = _Parser(prog="verifier", description="check a licet log from outside")
    commands = parser.add_subparsers(dest="what", required=True, parser_class=_Parser)
    log = commands.add_parser("log", help="a published folder, from its entries to its root")
    log.add_argument("folder", help="or the URL of one")
    log.add_argument("--older", type=Path, action="append", default=[], help="a checkpoint seen before")
    log.add_argument("--plain", action="store_true", help="any tlog: do not read what the entries tell")
    release = commands.add_parser("release", help="a release's folder, every row decided again")
    release.add_argument("folder")
    release.add_argument("--log", required=True, help="the folder or URL of the log of the release's year")
    chat = commands.add_parser("conversation", help="what a release holds of one conversation, and why")
    chat.add_argument("folder", help="the release's; with --proof, it needs no more than its manifest")
    chat.add_argument("handle")
    chat.add_argument("--salt", type=bytes.fromhex, help="in hex: opens the reasons that tell something of a person")
    chat.add_argument("--proof", type=Path, help="a file that another call printed with --json, in place of the rows")
    chat.add_argument("--json", action="store_true", help="print the proof")
    certificate = commands.add_parser("certificate", help="of an erasure, as signed and as logged")
    certificate.add_argument("file", type=Path)
    receipt = commands.add_parser("receipt", help="a person's choice, as signed and as logged")
    receipt.add_argument("file", type=Path)
    proof = commands.add_parser("proof", help="one entry under one checkpoint")
    proof.add_argument("file", type=Path)
    proof.add_argument("--entry", type=Path, required=True, help="the entry's bytes")
    pair = commands.add_parser("checkpoint", help="an old checkpoint is the beginning of a new one")
    pair.add_argument("old", type=Path)
    pair.add_argument("new", type=Path)
    by = pair.add_mutually_exclusive_group()
    by.add_argument("--log", help="the log's folder or URL")
    by.add_argument("--proof", type=Path, help="a consistency proof: one base64 hash a line")
    for command in (log, release, receipt, certificate, proof, pair):
        command.add_argument("--key", help="the log's vkey")
        command.add_argument("--policy", type=Path, help="a tlog-policy file: which witnesses must have cosigned")
        command.add_argument("--origin", help="the log's origin, where it is not the key's name")
        command.add_argument("--witness", action="append", default=[], help="the vkey of a witness")
        command.add_argument("--quorum", type=int, help="how many of the witnesses must have cosigned")
        command.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

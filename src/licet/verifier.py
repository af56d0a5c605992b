#!/usr/bin/env python3
"""The stranger's verifier: one file, which needs only Python 3.11 and the package `cryptography`.

    python verifier.py log FOLDER|URL --key VKEY [--older FILE]...  every entry, tile byte and root of a log
    python verifier.py receipt FILE --key VKEY                      a person's choice, as signed and as logged
    python verifier.py certificate FILE --key VKEY                  what was erased, where, and that nothing was found
    python verifier.py release FOLDER --log FOLDER --key VKEY       every row of a release decided again, without content
    python verifier.py conversation FOLDER HANDLE [--salt HEX] --log FOLDER --key VKEY
                                                                    what a release holds of one conversation
    python verifier.py text FILE.. --log FOLDER --key VKEY          policies and notices that the log names
    python verifier.py proof FILE --entry FILE --key VKEY           one entry under one signed checkpoint
    python verifier.py checkpoint OLD NEW --key VKEY --log FOLDER   the old log is the beginning of the new one
    python verifier.py checkpoint OLD NEW --key VKEY --proof FILE   the same, by a consistency proof

The answer is one of three, for the whole and for each part of it; the whole is the worst of its parts:
    proved          exit 0    signed with a key given here, and in its log
    contradicted    exit 1    it breaks a promise: the place and the promise are named
    not proved      exit 3    nothing contradicts it, but something that would prove it is missing: what, is said
What cannot be read as the kind of file that it should be gets no answer: exit 65. A wrong call: 64; a log's URL that
does not answer: 75, try again. Nothing unsigned and outside the log is ever `proved`.

Each command takes `--policy FILE` (a c2sp.org/tlog-policy: which witnesses must have cosigned; where it lists one log,
that log's key too), or `--witness VKEY` (repeatable: each must have cosigned, or `--quorum N` of them), `--origin ORIGIN`
where the log is not named as its key, and `--json`; `log` takes `--plain` where the entries are not licet's. `--log` of a
release is the log of its year, or the published folder with a log a year; it and `--key` may be given more than once: an
addendum or a review of a later year is proved by that year's log, which the same public key signs.

Promise: it believes the keys given to it and nothing else. It imports nothing of licet and shares no code with the
writer: where the writer folds subtrees bit by bit, this follows the recursive definitions of RFC 6962 section 2.1,
so that one misunderstanding does not pass both. Every field that is compared is there, and of its type, before it is.
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
import math
import os
import re
import sys
import urllib.error
import urllib.request
import zlib
from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache, partial
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


class Verdict(StrEnum):
    """What can be said of an artefact. ``unreadable`` is no answer: there is nothing that could be proved or not."""

    proved = "proved"
    contradicted = "contradicted"
    unproved = "not proved"
    unreadable = "unreadable"


EXITS = {Verdict.proved: 0, Verdict.contradicted: 1, Verdict.unproved: 3, Verdict.unreadable: 65}
WRONG_CALL, TRY_AGAIN = 64, 75


class ContradictionError(Exception):
    """``place`` breaks ``promise``."""

    readable = True

    def __init__(self, place: str, promise: str) -> None:
        super().__init__(f"{place}: {promise}")
        self.finding = VerifierFinding(place, promise, self.readable)


class UnreadableError(ContradictionError):
    """``place`` is not of the form that ``promise`` names, so that nothing more can be said of it."""

    readable = False


@dataclass(frozen=True, slots=True)
class VerifierFinding:
    """A promise that is broken at a place; not ``readable``: the form alone is, and nothing was asked of what it says."""

    place: str
    promise: str
    readable: bool = True


@dataclass(frozen=True, slots=True)
class Lack:
    """What keeps a part from being proved, and what would prove it."""

    place: str
    why: str
    mend: str


@dataclass(frozen=True, slots=True)
class ArtefactPart:
    """One part of an artefact with its own answer."""

    what: str
    answer: Verdict
    why: str


# What a reader of a file that was made to deceive may run into; each means that the file has not the form it should.
_MISREAD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(slots=True)
class VerifierReport:
    """What was checked, part by part. ``findings`` are contradictions, ``lacks`` what is missing for a proof."""

    checked: str
    findings: list[VerifierFinding] = field(default_factory=list)
    origin: str = ""
    size: int = 0
    root: str = ""
    entry_bytes: int = 0
    files: int = 0
    ahead: int = 0
    purged: int = 0
    cosigned: list[str] = field(default_factory=list)
    lacks: list[Lack] = field(default_factory=list)
    parts: list[ArtefactPart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def answer(self) -> Verdict:
        """The worst of the parts; what has no part that is proved is not proved."""
        answers = {part.answer for part in self.parts}
        if any(finding.readable for finding in self.findings) or Verdict.contradicted in answers:
            return Verdict.contradicted
        if self.findings or Verdict.unreadable in answers:
            return Verdict.unreadable
        return Verdict.proved if answers == {Verdict.proved} and not self.lacks else Verdict.unproved

    @property
    def ok(self) -> bool:
        """Whether all of it is proved."""
        return self.answer is Verdict.proved

    def found(self, place: str, promise: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(VerifierFinding(place, promise))

    def broken(self, promises: Iterable[tuple[str, str]]) -> None:
        """Writes down contradictions that another check found, each as place and promise."""
        for place, promise in promises:
            self.found(place, promise)

    def lacking(self, place: str, why: str, mend: str) -> None:
        if len(self.lacks) < FINDINGS_MAX:
            self.lacks.append(Lack(place, why, mend))

    def step(self, what: str, proves: str, check: Callable[[], object]) -> bool:
        """Makes one check, which becomes a part; answers whether it found no contradiction."""
        found, lacks = len(self.findings), len(self.lacks)
        try:
            check()
        except ContradictionError as contradiction:
            self.findings.append(contradiction.finding)
        except _MISREAD:
            self.findings.append(VerifierFinding(what, "it has the form that such a file has"))
        new = self.findings[found:]
        if new:
            answer = Verdict.contradicted if any(one.readable for one in new) else Verdict.unreadable
            why = f"{new[0].place}: broken promise: {new[0].promise}"
        elif len(self.lacks) > lacks:
            answer, why = Verdict.unproved, f"{self.lacks[lacks].why}; {self.lacks[lacks].mend}"
        else:
            answer, why = Verdict.proved, proves
        self.parts.append(ArtefactPart(what, answer, why))
        return not new

    def steps(self, checks: Sequence[tuple[str, str, Callable[[], object]]]) -> bool:
        """One check after another; after a contradiction the rest is not looked at, and so not proved."""
        for number, (what, proves, check) in enumerate(checks):
            if not self.step(what, proves, check):
                for other, _, _ in checks[number + 1 :]:
                    self.parts.append(ArtefactPart(other, Verdict.unproved, f"not looked at: `{what}` does not hold"))
                return False
        return True

    def joined(self, other: VerifierReport) -> None:
        """Takes over what another report found and lacks."""
        self.findings += other.findings[: FINDINGS_MAX - len(self.findings)]
        self.lacks += other.lacks[: FINDINGS_MAX - len(self.lacks)]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key as handed on in a vkey; ``kind`` 1 signs texts, 4 cosigns them with a time."""

    name: str
    ident: bytes
    kind: int
    public: bytes


@dataclass(frozen=True, slots=True)
class QuorumGroup:
    """Of its members, witnesses and groups of them, at least ``needed`` must have cosigned."""

    needed: int
    members: tuple[VerifierKey | QuorumGroup, ...]

    def met(self, held: set[VerifierKey]) -> bool:
        return (
            sum(one.met(held) if isinstance(one, QuorumGroup) else one in held for one in self.members) >= self.needed
        )


@dataclass(frozen=True, slots=True)
class Trust:
    """What the caller believes: the log's key and origin, and which witnesses must have cosigned."""

    key: VerifierKey
    origin: str
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: QuorumGroup = QuorumGroup(0, ())


@dataclass(frozen=True, slots=True)
class CheckpointHead:
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
        raise ContradictionError(place, promise) from None
    if base64.b64encode(data) != text.encode():
        raise ContradictionError(place, promise)
    return data


def number(text: str, place: str, promise: str) -> int:
    if not _NUMBER.match(text) or int(text) > SIZE_MAX:
        raise ContradictionError(place, promise)
    return int(text)


def read_key(vkey: str, kind: int = 0) -> VerifierKey:
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
    return VerifierKey(name, expected, material[0], material[1:])


def trust(
    key: str | None, origin: str | None = None, witnesses: Sequence[str] = (), quorum: int | None = None,
    policy: bytes | None = None,
) -> Trust:  # fmt: skip
    """Raises `ValueError` for a key that cannot be used or a quorum that cannot be met."""
    others = tuple(read_key(text, 4) for text in witnesses)
    needed = len(others) if quorum is None else quorum
    if not 0 <= needed <= len(others):
        raise ValueError("the quorum is larger than the number of witnesses")
    logs: tuple[VerifierKey, ...] = ()
    group = QuorumGroup(needed, others)
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


def read_policy(raw: bytes) -> tuple[tuple[VerifierKey, ...], tuple[VerifierKey, ...], QuorumGroup]:
    """The logs, witnesses and quorum of a c2sp.org/tlog-policy; raises `ValueError`, naming the line."""
    if len(raw) > POLICY_BYTES_MAX or re.search(rb"[^\t\n\x20-\x7e\x80-\xff]", raw) or raw[-1:] != b"\n":
        raise ValueError("the policy is no text of lines that each end in a newline")
    logs: list[VerifierKey] = []
    named: dict[str, VerifierKey | QuorumGroup] = {}
    taken: set[str] = set()
    quorum: QuorumGroup | None = None
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
                    quorum = QuorumGroup(0, ())
                case ["quorum", name] if quorum is None:
                    quorum = QuorumGroup(1, (named[name],))
                case _:
                    raise ValueError("it is no log, witness, group or quorum of a name of its own")
        except (ValueError, KeyError) as error:
            what = f"`{error.args[0]}` is not defined above" if isinstance(error, KeyError) else error
            raise ValueError(f"line {number} of the policy: {what}") from None
    if quorum is None:
        raise ValueError("the policy has no quorum line")
    return tuple(logs), tuple(key for key in named.values() if isinstance(key, VerifierKey)), quorum


def _new_key(vkey: str, kind: int, known: Iterable[VerifierKey | QuorumGroup]) -> VerifierKey:
    key = read_key(vkey, kind)
    if any(isinstance(other, VerifierKey) and other.public == key.public for other in known):
        raise ValueError("its key is there twice")
    return key


def _group(
    needed: str, members: Sequence[str], named: dict[str, VerifierKey | QuorumGroup], taken: set[str]
) -> QuorumGroup:
    found = tuple(named[member] for member in members)
    if len(set(members)) < len(members) or taken & set(members):
        raise ValueError("a name is a member once only")
    least = {"any": "1", "all": str(len(found))}.get(needed, needed)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", least, re.ASCII) or int(least) > len(found):
        raise ValueError("a group needs 1 to all of its members, or `any` or `all`")
    taken |= set(members)
    return QuorumGroup(int(least), found)


def open_note(raw: bytes, place: str, trusted: Trust) -> tuple[str, tuple[str, ...]]:
    """The signed text, and the names of the witnesses whose cosignature holds."""
    text, lines = _split_note(raw, place)
    known = {(key.name, key.ident): key for key in (trusted.key, *trusted.witnesses)}
    held: set[VerifierKey] = set()
    for line in lines:
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if dash != "\u2014" or not name or "+" in name or not encoded:
            raise ContradictionError(place, "each signature line is an em dash, a name and base64")
        data = unbase64(encoded, place, "each signature is canonical base64")
        if len(data) < 5:
            raise ContradictionError(place, "each signature is longer than its key's id")
        key = known.get((name, data[:4]))
        if key is not None:
            _check_signature(key, text, data[4:], place)
            held.add(key)
    if trusted.key not in held:
        raise ContradictionError(place, f"the log's key `{trusted.key.name}` signed it")
    cosigned = tuple(sorted(key.name for key in held & set(trusted.witnesses)))
    if not trusted.quorum.met(held):
        raise ContradictionError(place, "the quorum of the named witnesses cosigned it")
    return text, cosigned


def open_checkpoint(raw: bytes, place: str, trusted: Trust) -> CheckpointHead:
    text, cosigned = open_note(raw, place, trusted)
    lines = text[:-1].split("\n")
    if len(lines) < 3 or "" in lines:
        raise ContradictionError(place, "a checkpoint has an origin, a size and a root, and no empty line")
    if lines[0] != trusted.origin:
        raise ContradictionError(place, f"it is a checkpoint of the log `{trusted.origin}`")
    size = number(lines[1], place, "its size is a decimal")
    root = unbase64(lines[2], place, "its root is base64")
    if len(root) != 32:
        raise ContradictionError(place, "its root has 32 bytes")
    return CheckpointHead(lines[0], size, root, cosigned)


def _split_note(raw: bytes, place: str) -> tuple[str, list[str]]:
    if len(raw) > NOTE_BYTES_MAX:
        raise UnreadableError(place, f"a note has at most {NOTE_BYTES_MAX} bytes")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableError(place, "a note is UTF-8") from None
    if any(ord(c) < 32 and c != "\n" for c in whole):
        raise UnreadableError(place, "a note holds no control character")
    text, blank, block = whole.rpartition("\n\n")
    lines = block.split("\n")
    if not blank or not text or lines.pop() or not lines:
        raise UnreadableError(place, "a note is a text, a blank line and signature lines")
    if len(lines) > SIGNATURES_MAX:
        raise ContradictionError(place, f"a note has at most {SIGNATURES_MAX} signatures")
    return text + "\n", lines


def _check_signature(key: VerifierKey, text: str, signature: bytes, place: str) -> None:
    message = text.encode()
    if key.kind == 4:
        time = int.from_bytes(signature[:8], "big")
        message, signature = b"cosignature/v1\ntime " + str(time).encode() + b"\n" + message, signature[8:]
        if time > SIZE_MAX:
            raise ContradictionError(place, f"the cosignature of `{key.name}` has a time in range")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except InvalidSignature:
        raise ContradictionError(place, f"the signature of `{key.name}` holds") from None


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
    return 1 << ((size - 1).bit_length() - 1)


# ---- shapes ----------------------------------------------------------------------------------------------------

# What a comparison uses is there, and of its type, before it is compared: a missing field equals another missing one, and
# `true` equals 1. A shape is the word of a kind below, with `?` where null may stand too; a set of the words that may
# stand; a list of one shape; a tuple of one shape for each place; or a mapping of keys, where a key that ends in `?` may
# be missing, `*` stands for every other key, and `...` for others of which nothing is asked.
Shape = Any
YEAR_MIN = 2000  # no statement of ours is older: a date of year 1 is no date
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{32}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_DAY = re.compile(r"[2-9][0-9]{3}-[0-9]{2}-[0-9]{2}", re.ASCII)
_PERIOD = re.compile(r"P([1-9][0-9]{0,5})([DWMY])", re.ASCII)


def misfit(value: object, shape: Shape, at: str = "") -> str | None:
    """Where a value first differs from its shape; None where it fits."""
    match shape:
        case str():
            fits = (value is None and shape[-1] == "?") or _fits(value, shape)
            return None if fits else at or "."
        case frozenset():
            return None if isinstance(value, str) and value in shape else at or "."
        case Null(inner):
            return None if value is None else misfit(value, inner, at)
        case list() | tuple():
            if not isinstance(value, list) or (isinstance(shape, tuple) and len(value) != len(shape)):
                return at or "."
            inners = shape if isinstance(shape, tuple) else shape * len(value)
            places = (misfit(one, inner, f"{at}.{n}") for n, (one, inner) in enumerate(zip(value, inners, strict=True)))
            return next((place for place in places if place), None)
        case _:
            return _misfit_keys(value, shape, at)


def _misfit_keys(value: object, shape: dict[str, Shape], at: str) -> str | None:
    if not isinstance(value, dict):
        return at or "."
    wanted, other = set(), shape.get("*", shape.get("...", ""))
    for key, inner in shape.items():
        name = key.rstrip("?")
        wanted.add(name)
        if key in ("*", "...") or (name not in value and key != name):
            continue
        if name not in value:
            return f"{at}.{name}"
        if found := misfit(value[name], inner, f"{at}.{name}"):
            return found
    for key, one in value.items():
        if key not in wanted and (other == "" or (other is not None and misfit(one, other))):
            return f"{at}.{key}"
    return None


@dataclass(frozen=True, slots=True)
class Null:
    """A shape, or null."""

    shape: Shape


def shaped(
    value: object, shape: Shape, place: str, what: str, error: type[ContradictionError] = ContradictionError
) -> None:
    """Raises ``error`` where a value has not the fields of ``what``, each of its type."""
    found = misfit(value, shape)
    if found:
        raise error(place, f"it has the fields of {what}: `{found.lstrip('.') or what}`")


def _fits(value: object, shape: str) -> bool:
    match shape.rstrip("?"):
        case "int":
            return type(value) is int and value >= 0
        case "pos":
            return type(value) is int and value >= 1
        case "one":
            return type(value) is int and value == 1
        case "bool":
            return isinstance(value, bool)
        case "hash" | "word" | "id" | "time" | "day" | "period" | "text" as kind:
            return isinstance(value, str) and _is_text(value, kind)
        case _:
            return False


@lru_cache(maxsize=1 << 14)
def _is_text(value: str, kind: str) -> bool:
    match kind:
        case "hash":
            return _HEX.fullmatch(value) is not None
        case "id":
            return _ID.fullmatch(value) is not None
        case "word":
            return _WORD.fullmatch(value) is not None
        case "period":
            return _PERIOD.fullmatch(value) is not None
        case "time":
            return _TIME.fullmatch(value) is not None and _is_real(datetime, value)
        case "day":
            return _DAY.fullmatch(value) is not None and _is_real(date, value)
        case _:
            return bool(value.strip())


def _is_real(kind: type[date], value: str) -> bool:
    """Whether it is a day that there was, and not one before there was anything of ours."""
    try:
        return kind.fromisoformat(value).year >= YEAR_MIN
    except ValueError:
        return False


# ---- what entries tell -----------------------------------------------------------------------------------------

# The facts of each kind: a number, one from 1 on, a yes or no, a word, or a SHA-256 in hex; `?`: it may be missing.
KINDS = {
    "policy_applied": "number:int sha256:hash amends:hash?",
    "policy_stands": "number:int sha256:hash",
    "notice_published": "number:int language:word variant:word sha256:hash",
    "release_sealed": "release:word purpose:word version:int position:int rows:int root:hash manifest_sha256:hash",
    "notice_shown": "number:int sha256:hash default_state:word", "terms_accepted": "number:int",
    "shortened": "version:word?", "choice": "allow:bool effect:word version:int",
    "grant_begun": "grant:pos version:int", "grant_affirmed": "grant:pos version:int",
    "grant_stands": "grant:pos version:int", "grant_ended": "grant:pos? cause:word",
    "content_read": "reason:word role:word", "key_destroyed": "because:word epoch:int? handle:hash? segment:int?",
    "carried": "from:int", "certificate": "sha256:hash", "restored": "life:int entries:int",
    "release_reviewed": "release:word manifest_sha256:hash sha256:hash rows:int findings:int bound_ppm:int",
    "release_signed": "release:word manifest_sha256:hash review_sha256:hash signature:int",
    "release_purged": "release:word number:pos rows:pos sha256:hash",
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


def read_json(raw: bytes, place: str, error: type[ContradictionError] = ContradictionError) -> dict[str, Any]:
    """An object in the one spelling of RFC 8785: sorted keys, each once, and not a byte more."""
    try:
        value = json.loads(raw, parse_float=_refuse_number, parse_constant=_refuse_number)
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise error(place, "it is canonical JSON") from None
    if not isinstance(value, dict) or again != raw:
        raise error(place, "it is canonical JSON")
    return value


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"`{text}` is not a whole number")


def read_time(value: object, place: str, what: str) -> datetime:
    if not isinstance(value, str) or not _is_text(value, "time"):
        raise ContradictionError(place, f"`{what}` is a time in UTC")
    return datetime.fromisoformat(value)


def read_entry(raw: bytes, place: str) -> dict[str, Any]:
    """One entry of version 1, of a known kind, with the facts of that kind."""
    entry = read_json(raw, place)
    kind = entry.get("t")
    if not _fits(entry.get("v"), "one") or not isinstance(kind, str) or kind not in KINDS:
        raise ContradictionError(place, "it tells a kind of version 1")
    is_epoch = kind == "key_destroyed" and "epoch" in _dict(entry.get("facts"))  # of all accounts, so of none
    own = set() if kind in OF_NOBODY or is_epoch else {"commit"} | ({"who"} & set(entry))
    if set(entry) != {"v", "t", "at", "logged", "facts"} | own:
        raise ContradictionError(place, f"a `{kind}` has the keys of its kind")
    if not all(isinstance(entry[key], str) and _HEX.fullmatch(entry[key]) for key in own):
        raise ContradictionError(place, "its pseudonym and its commitment are 32 bytes in hex")
    facts = entry["facts"]
    wanted = dict(field.split(":") for field in KINDS[kind].split())
    missing = [name for name, shape in wanted.items() if not shape.endswith("?") and name not in _dict(facts)]
    if missing or not all(_fits(value, wanted.get(name, "")) for name, value in _dict(facts, "?").items()):
        raise ContradictionError(place, f"a `{kind}` has the facts of its kind")
    if kind == "choice" and EFFECTS.get(facts["effect"], not facts["allow"]) not in (facts["allow"], None):
        raise ContradictionError(place, "a grant begins with a yes and ends with a no")
    if kind in ABOUT_A_CHAT:
        _check_conversation_told(entry, place)
    return entry


def _check_conversation_told(entry: dict[str, Any], place: str) -> None:
    """What an account does to a conversation says to which, for as long as the account has a pseudonym."""
    facts = entry["facts"]
    if ("handle" in facts) != ("who" in entry):
        raise ContradictionError(place, "a pseudonym brings the handle of the conversation")
    is_segment = "handle" in facts and entry["t"] == "key_destroyed" and facts["because"] != "feedback"
    if is_segment and "segment" not in facts:
        raise ContradictionError(place, "a key that was destroyed is named by its segment")


def _dict(value: object, otherwise: str = "") -> dict[str, Any]:
    return value if isinstance(value, dict) else dict.fromkeys(otherwise)


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
        self.of: dict[str, str] = {}  # by handle: the pseudonym whose conversation it is
        self.permissions: Permissions | None = None
        self.texts: set[str] = set()  # the hashes of the policies and notices that were told
        self.findings: list[VerifierFinding] = []

    def take(self, index: int, raw: bytes) -> list[VerifierFinding]:
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
                raise ContradictionError(place, "what it tells is told once")
            if once:
                self.seen.add(once)
            if entry["t"] in ("policy_applied", "policy_stands", "notice_published"):
                self.texts.add(entry["facts"]["sha256"])
            if self.permissions is not None:
                self.permissions.take(entry)
        except ContradictionError as contradiction:
            return [contradiction.finding]
        return []

    def _times(self, entry: dict[str, Any], place: str) -> None:
        at, logged = read_time(entry["at"], place, "at"), read_time(entry["logged"], place, "logged")
        if logged < self.logged:
            raise ContradictionError(place, "the time of the log never goes back")
        if at > logged or logged.year != self.year:
            raise ContradictionError(place, f"it was logged after it happened, and in {self.year}")
        self.logged = logged
        who = entry.get("who")
        if who and entry["t"] in OWN_TIME:
            if at < self.own.get(who, at):
                raise ContradictionError(place, "the time of an account never goes back")
            self.own[who] = at

    def _policies(self, entry: dict[str, Any], place: str) -> None:
        facts, last = entry["facts"], self.policy
        if entry["t"] == "policy_applied":
            same = last is not None and facts["number"] == last[0] and facts.get("amends") == last[1]
            if last is not None and not same and (facts["number"] != last[0] + 1 or "amends" in facts):
                raise ContradictionError(place, "a policy follows the one before, or amends it")
            self.policy = facts["number"], facts["sha256"]
            self.stands[facts["number"]] = facts["sha256"]
        elif entry["t"] == "policy_stands":
            if self.stands.setdefault(facts["number"], facts["sha256"]) != facts["sha256"]:
                raise ContradictionError(place, "a policy that stands is the one that was applied")
            if last is None or facts["number"] > last[0]:
                self.policy = facts["number"], facts["sha256"]
        elif entry["t"] == "choice" and last is not None and facts["version"] > last[0]:
            raise ContradictionError(place, "a choice is made under a policy that was applied before")

    def _account(self, entry: dict[str, Any], place: str) -> None:
        who, kind, owed = entry["who"], entry["t"], self.owed.get(entry["who"])
        if self.of.setdefault(entry["facts"].get("handle", who), who) != who:
            raise ContradictionError(place, "a conversation has one account")
        if kind == "carried":
            if who in self.owed or entry["facts"]["from"] >= self.year:
                raise ContradictionError(place, "a pseudonym is carried over from a year before, by its first entry")
            self.owed[who] = "?"
            self.carried.add(who)
            return
        if kind == "choice":
            if owed not in (None, "?"):
                raise ContradictionError(place, f"the choice before it was followed by a `{owed}`")
            self.owed[who] = OWED.get(entry["facts"]["effect"])
            return
        if kind in ("grant_begun", "grant_affirmed") and owed not in (kind, "?"):
            raise ContradictionError(place, f"a `{kind}` follows a choice that says so")
        self.owed[who] = None if kind == owed or owed == "?" else owed
        if kind.startswith("grant_"):
            self._grants(who, kind, entry["facts"], place)

    def _grants(self, who: str, kind: str, facts: dict[str, Any], place: str) -> None:
        """A grant has its number from its beginning to its end; of one that was carried over, its first entry tells it."""
        known, grant = self.grants.get(who), facts.get("grant")
        is_new = who not in self.grants
        if kind == "grant_stands" and is_new and who not in self.carried:
            raise ContradictionError(place, "a grant that stands was begun, or carried over")
        if not is_new and known != (None if kind == "grant_begun" else grant) and "grant" in facts:
            raise ContradictionError(place, f"a `{kind}` follows from the grant in force")
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
) -> VerifierReport:
    """Derive everything anew from the entries, and hold every file and checkpoint against it.

    ``older`` are checkpoints, as (name, bytes), that the log showed before: each must be of its beginning. ``story``
    reads what the entries tell, where they are licet's.
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

    def derive() -> None:
        pieces.update(_sort_paths(files.paths(), report))
        olds.extend(_open_older(older, trusted, heads[0], report))
        derived.append(_derive(files, pieces, heads[0].size, [old.size for _, old in olds], report, story))
        if derived[0][0] != heads[0].root:
            report.found("checkpoint", f"the {heads[0].size} entries lead to its root")
        for name, old in olds:
            if derived[0][1][old.size] != old.root:
                report.found(name, f"the first {old.size} entries of the log lead to its root")

    def tell() -> None:
        report.findings += (story.findings if story else [])[: FINDINGS_MAX - len(report.findings)]

    if not report.step("checkpoint", f"the log's key `{trusted.key.name}` signed it", open_head):
        return report
    kept = f", and so do the {len(older)} checkpoints seen before" if older else ""
    report.step("entries and tiles", f"each byte of them leads to the signed root{kept}", derive)
    if story is not None:
        report.step("what the entries tell", "each entry follows from those before it", tell)
    report.ahead = sum(map(len, pieces.values()))
    return report


def _sort_paths(paths: Iterable[str], report: VerifierReport) -> Pieces:
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
    older: Sequence[tuple[str, bytes]], trusted: Trust, head: CheckpointHead, report: VerifierReport
) -> list[tuple[str, CheckpointHead]]:
    opened = []
    for name, raw in older:
        try:
            old = open_checkpoint(raw, name, Trust(trusted.key, trusted.origin))
            if old.size > head.size:
                raise ContradictionError("checkpoint", f"the log is not shorter than `{name}` says: {old.size} entries")
            opened.append((name, old))
        except ContradictionError as contradiction:
            report.findings.append(contradiction.finding)
    return opened


def _derive(
    files: Files, pieces: Pieces, size: int, sizes: Sequence[int], report: VerifierReport, story: Story | None
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
    files: Files, found: list[Piece], index: int, width: int, report: VerifierReport, story: Story | None
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
        if story is not None:
            story.findings += story.take(place, entry)[: FINDINGS_MAX - len(story.findings)]
    return [leaf(entry) for entry in entries]


def _entries(files: Files, piece: Piece, report: VerifierReport) -> list[bytes]:
    entries: list[bytes] = []
    data, at = _data(files, piece.path, report), 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if at + 2 > len(data) or len(entry) != length:
            raise ContradictionError(piece.path, f"its entry number {len(entries)} is whole")
        entries.append(entry)
        at += 2 + length
    if len(entries) != piece.width:
        raise ContradictionError(piece.path, f"it holds {piece.width} entries")
    return entries


def _check_tile(
    files: Files, found: list[Piece], tile: tuple[int, int], hashes: list[bytes], report: VerifierReport
) -> None:
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
    raise ContradictionError(path, "the log publishes the file that its checkpoint requires")


def _data(files: Files, path: str, report: VerifierReport) -> bytes:
    report.files += 1
    data = files.read(path)
    if data is None:
        raise ContradictionError(path, "a file that is listed can be read")
    return data


def _path(kind: str, index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    place = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{kind}/{place}" + (f".p/{width}" if width < TILE else "")


# ---- single files ----------------------------------------------------------------------------------------------


def check_proof(raw: bytes, entry: bytes, trusted: Trust, place: str = "proof") -> VerifierReport:
    """Hold a `.tlog-proof` file and the entry's bytes against the signed checkpoint within."""
    report = VerifierReport("proof", origin=trusted.origin, entry_bytes=len(entry), files=1)
    report.step(
        "entry",
        "its path leads to the root that the log's key signed",
        lambda: _prove(raw, entry, trusted, place, report),
    )
    return report


def _prove(raw: bytes, entry: bytes, trusted: Trust, place: str, report: VerifierReport) -> int:
    """Raises unless the entry stands at the index that the proof names, which is answered."""
    lines, checkpoint = _split_proof(raw, place)
    if lines and lines[0].startswith("extra "):
        unbase64(lines.pop(0)[6:], place, "its extra data is base64")
    if not lines or not lines[0].startswith("index "):
        raise ContradictionError(place, "it names the index of its entry")
    index = number(lines.pop(0)[6:], place, "its index is a decimal")
    path = read_hashes(lines, place)
    head = open_checkpoint(checkpoint, place, trusted)
    report.size, report.root = head.size, base64.b64encode(head.root).decode()
    report.cosigned = list(head.cosigned)
    if index >= head.size:
        raise ContradictionError(place, f"its checkpoint of {head.size} entries holds entry {index}")
    if root_of_path(index, head.size, leaf(entry), path) != head.root:
        raise ContradictionError(f"entry {index}", "its hashes lead to the root of the checkpoint")
    return index


def check_checkpoints(old: bytes, new: bytes, proof: Sequence[bytes], trusted: Trust) -> VerifierReport:
    """Hold by a consistency proof that the log of the old checkpoint is the beginning of the new one's."""
    report = VerifierReport("checkpoint", origin=trusted.origin, files=2)
    heads: list[CheckpointHead] = []

    def open_new() -> None:
        head = open_checkpoint(new, "new checkpoint", trusted)
        heads.append(head)
        report.size, report.root = head.size, base64.b64encode(head.root).decode()
        report.cosigned = list(head.cosigned)

    report.steps((
        ("old checkpoint", f"the log's key `{trusted.key.name}` signed it",
         lambda: heads.append(open_checkpoint(old, "old checkpoint", Trust(trusted.key, trusted.origin)))),
        ("new checkpoint", f"the log's key `{trusted.key.name}` signed it", open_new),
        ("continuation", "the log of the old checkpoint is the beginning of the new one's",
         lambda: _continues(heads[0], heads[1], proof)),
    ))  # fmt: skip
    return report


def _continues(first: CheckpointHead, second: CheckpointHead, proof: Sequence[bytes]) -> None:
    if first.size > second.size:
        raise ContradictionError("new checkpoint", f"the log never shrinks: it had {first.size} entries")
    if first.size == 0:
        found = None if proof else (tree_hash([]), second.root)
    else:
        found = roots_of_proof(first.size, second.size, first.root, proof)
    if found != (first.root, second.root):
        raise ContradictionError("new checkpoint", f"its first {first.size} entries are those of the old checkpoint")


def read_hashes(lines: Sequence[str], place: str) -> list[bytes]:
    if len(lines) > PROOF_LINES_MAX:
        raise ContradictionError(place, f"a proof has at most {PROOF_LINES_MAX} hashes")
    hashes = [unbase64(line, place, "each of its hashes is base64") for line in lines]
    if any(len(digest) != 32 for digest in hashes):
        raise ContradictionError(place, "each of its hashes has 32 bytes")
    return hashes


def _split_proof(raw: bytes, place: str) -> tuple[list[str], bytes]:
    head, blank, checkpoint = raw.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise UnreadableError(place, "its lines are ASCII") from None
    if not blank or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise UnreadableError(place, "it is a `c2sp.org/tlog-proof@v1`")
    return lines, checkpoint


# ---- receipts --------------------------------------------------------------------------------------------------

STATES = {
    "began": "ConsentGiven", "affirmed": "RenewedConsentGiven", "withdrew": "ConsentWithdrawn",
    "declined": "ConsentRefused",
}  # fmt: skip


RECEIPT_FILE = {"v": "one", "receipt": "text", "entry": "text?", "proof": "text?"}
PRESENTED = {
    "showing_id": "text?", "shown_at": "text?", "place": "text?", "surface": "text?", "default_state": "text?", "gpc": "bool?",
}  # fmt: skip
EVENT = {
    "event_id": "text", "event_time": "time", "entity_id": "text", "event_state": "text", "allow": "bool", "effect": "word",
    "grant": "pos?", "indication_method": "text", "...": None,
}  # fmt: skip
RECEIPT = {
    "@type": frozenset({"dpv:ConsentReceipt"}), "receipt_id": "text", "created": "time", "replaces": "text?",
    "record": {
        "record_id": "text", "pii_principal_id": "text", "parties": [{"party_id": "text", "...": None}],
        "privacy_notice": {
            "notice_id": "text?", "version": "text", "language": "text?", "sha256": "hash?", "presented_as": PRESENTED,
            "...": None,
        },
        "processes": [{"name": "text", "purpose": "text", "retention_period": "period", "...": None}],
        "policy": {"policy": "text", "version": "text", "sha256": "hash"}, "events": (EVENT,), "...": None,
    },
    "log?": {
        "origin": "text", "index": "int", "who": "hash", "salt": "hash", "nonce": "hash", "evidence": "text?",
        "record": {"v": "one", "account": "id", "outbox": "int", "t": "word", "at": "time",
                   "facts": {"seq": "int", "evidence?": "hash?", "...": None}},
    },
    "...": None,
}  # fmt: skip
UNLOGGED = "it is signed, and not in the log"


def check_receipt(raw: bytes, trusted: Trust, place: str = "receipt") -> VerifierReport:
    """Hold a person's receipt: signed by the key, and with its proof the very choice that the log holds.

    Without an entry and a proof it is signed and not in the log, which proves nothing that the operator cannot deny.
    """
    report = VerifierReport("receipt", origin=trusted.origin, files=1)
    file: dict[str, Any] = {}
    said: dict[str, Any] = {}

    def stand() -> None:
        if (file["entry"], file["proof"]) == (None, None):
            if "log" in said:
                raise ContradictionError(place, "a receipt that opens an entry brings its proof")
            _check_event(said, place)
            report.lacking(place, UNLOGGED, "fetch it again once the log has taken the choice")
            return
        _check_opening(said, *_logged(file, place, trusted, report), trusted.origin, place)
        _check_event(said, place)

    report.steps((
        ("file", "a receipt of version 1", lambda: file.update(_read_file(raw, place, RECEIPT_FILE, "a receipt"))),
        ("signature", f"the log's key `{trusted.key.name}` signed what it states",
         lambda: said.update(open_jws(file["receipt"], trusted.key, place))),
        ("statement", "it has the fields of a receipt, each of its type", lambda: _check_receipt(said, place)),
        ("entry", "the log holds this very choice", stand),
    ))  # fmt: skip
    return report


def _read_file(raw: bytes, place: str, shape: Shape, what: str) -> dict[str, Any]:
    if raw[-1:] != b"\n" or len(raw) > NOTE_BYTES_MAX:
        raise UnreadableError(place, "it is canonical JSON and a newline")
    file = read_json(raw[:-1], place, UnreadableError)
    if misfit(file, shape):
        raise UnreadableError(place, f"it is {what} of version 1")
    return file


def _check_receipt(said: dict[str, Any], place: str) -> None:
    shaped(said, RECEIPT, place, "a receipt")
    record = said["record"]
    if not record["processes"] or not record["parties"]:
        raise ContradictionError(place, "it has the fields of a receipt: for what, and by whom")


def _check_event(said: dict[str, Any], place: str) -> None:
    event = said["record"]["events"][0]
    created, at = (read_time(time, place, "time") for time in (said["created"], event["event_time"]))
    if event["entity_id"] != said["record"]["pii_principal_id"] or created < at:
        raise ContradictionError(place, "its event is its person's, and was before it")


def _logged(file: dict[str, Any], place: str, trusted: Trust, report: VerifierReport) -> tuple[dict[str, Any], int]:
    """The entry that a file brings, and its index, proved by the proof beside it."""
    entry, proof = file["entry"], file["proof"]
    if entry is None or proof is None:
        raise ContradictionError(place, "it brings both an entry and its proof, or neither")
    report.entry_bytes = len(entry.encode())
    index = _prove(proof.encode(), entry.encode(), trusted, f"{place}, its proof", report)
    told = read_entry(entry.encode(), f"{place}, its entry")
    at, logged = read_time(told["at"], place, "at"), read_time(told["logged"], place, "logged")
    if at > logged or trusted.origin.rpartition("/")[2] not in (str(logged.year), trusted.origin):
        raise ContradictionError(place, "its entry was logged after it happened, in the log of its year")
    return told, index


# What the read-back of an erasure may say: the states in their order, and a count of what was found there.
CERTIFIED = ("requested", "fenced", "shredded", "swept", "verified")
CERTIFICATE_FILE = {"v": "one", "certificate": "text", "entry": "text?", "proof": "text?"}
CERTIFICATE = {
    "v": "one", "type": frozenset({"licet-erasure-certificate"}), "erasure": "text", "account": "text",
    "conversation": "text?", "cause": frozenset({"deletion", "closure", "hold_released"}), "salt": "hash",
    **dict.fromkeys(CERTIFIED, "time"),
    "places": [{"place": "word", "reference": "id?", "registered": "time", "copies": "pos", "done": "text",
                "read_back": "int", "kept_until": "time?", "...": None}],
    "recipients": [{"recipient": "text", "...": None}], "hosts": [{"...": None}],
    "backups": [{"backup": "text", "made": "time", "expires": "time", "...": None}], "backups_out_of_reach": "time?",
    "...": None,
}  # fmt: skip


def check_certificate(raw: bytes, trusted: Trust, place: str = "certificate") -> VerifierReport:
    """Hold a certificate of erasure: signed by the key, whole in itself, and with its proof told to the log."""
    report = VerifierReport("certificate", origin=trusted.origin, files=1)
    file: dict[str, Any] = {}
    said: dict[str, Any] = {}

    def stand() -> None:
        if (file["entry"], file["proof"]) == (None, None):
            report.lacking(place, UNLOGGED, "fetch it again once the log has taken it")
            return
        told, _ = _logged(file, place, trusted, report)
        told_of = hashlib.sha256(file["certificate"].encode()).hexdigest()
        if told["t"] != "certificate" or told["facts"]["sha256"] != told_of:
            raise ContradictionError(place, "its entry tells this certificate")
        if told["at"] != said["verified"]:
            raise ContradictionError(place, "its time is that of its entry")

    report.steps((
        ("file", "a certificate of version 1",
         lambda: file.update(_read_file(raw, place, CERTIFICATE_FILE, "a certificate"))),
        ("signature", f"the log's key `{trusted.key.name}` signed what it states",
         lambda: said.update(open_jws(file["certificate"], trusted.key, place, "licet-certificate+jws"))),
        ("statement", "it names each place, and that nothing was found there",
         lambda: _check_certificate(said, place, report)),
        ("entry", "the log was told of this very certificate", stand),
    ))  # fmt: skip
    return report


def _check_certificate(said: dict[str, Any], place: str, report: VerifierReport) -> None:
    shaped(said, CERTIFICATE, place, "a certificate")
    times = [read_time(said[state], place, state) for state in CERTIFIED]
    if times != sorted(times):
        raise ContradictionError(place, "its states follow one another")
    if any(seen["read_back"] != 0 for seen in said["places"]):
        raise ContradictionError(place, "nothing was found in any place")
    if any(read_time(seen["registered"], place, "registered") > times[-1] for seen in said["places"]):
        raise ContradictionError(place, "each place was known before it was read back")
    if not said["places"] and said["conversation"] is not None:
        raise ContradictionError(place, "it names a place where the conversation was")
    if not said["places"]:
        report.lacking(place, "it names no place, so it says of none that nothing was found there",
                       "nothing does, where the account had stored nothing")  # fmt: skip


def open_jws(text: str, key: VerifierKey, place: str, typ: str = "licet-receipt+jws") -> dict[str, Any]:
    """The payload of a compact JWS whose Ed25519 signature by the key holds."""
    header, payload, signature = _jws_parts(text, place)
    jwk = b'{"crv":"Ed25519","kty":"OKP","x":"' + _url64(key.public) + b'"}'
    kid = _url64(hashlib.sha256(jwk).digest()).decode()
    if read_json(header, place) != {"alg": "EdDSA", "kid": kid, "typ": typ}:
        raise ContradictionError(place, f"its header names the key, EdDSA and `{typ}`")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.rpartition(".")[0].encode())
    except InvalidSignature:
        raise ContradictionError(place, f"the signature of `{key.name}` holds") from None
    return read_json(payload, place)


def _jws_parts(text: str, place: str) -> tuple[bytes, bytes, bytes]:
    """Header, payload and signature, of which nothing is believed yet."""
    parts = text.split(".")
    if len(parts) != 3:
        raise ContradictionError(place, "it is a compact JWS")
    promise = "each part of its JWS is base64url"
    header, payload, signature = [
        unbase64((part + "=" * (-len(part) % 4)).translate({45: "+", 95: "/"}), place, promise)
        for part in parts
        if not set(part) & set("+/=") or _refuse(place, promise)
    ]
    return header, payload, signature


def _check_opening(said: dict[str, Any], entry: dict[str, Any], index: int, origin: str, place: str) -> None:
    """What the receipt says is what the entry tells, and what it commits to."""
    shaped(said.get("log"), RECEIPT["log?"], place, "a receipt: `log`")
    log, record = said["log"], said["log"]["record"]
    event, account = said["record"]["events"][0], record["account"]
    told = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    allow, effect = entry["facts"].get("allow"), entry["facts"].get("effect")
    state = STATES.get(str(effect), "ConsentInvalidated" if allow else "ConsentRefused")
    for promise, holds in (
        ("its entry tells a choice", entry["t"] == "choice"),
        ("it opens the commitment of its entry",
         hashlib.sha256(bytes.fromhex(log["nonce"]) + told).hexdigest() == entry["commit"]),
        ("its pseudonym is that of its entry", log["who"] == entry.get("who")),
        ("its salt gives its pseudonym", pseudonym_of(bytes.fromhex(log["salt"])) == log["who"]),
        ("its evidence is what its entry commits to", _is_hashed(log["evidence"], record["facts"].get("evidence"))),
        ("its notice is the one of its evidence", _is_shown(said["record"]["privacy_notice"], log["evidence"])),
        ("its log is the one that proves it", log["origin"] == origin),
        ("its place is the one that is proved", log["index"] == index),
        ("its time is that of its entry", event["event_time"] == entry["at"] == record["at"]),
        ("its account is the one committed to", said["record"]["pii_principal_id"] == f"urn:licet:account:{account}"),
        ("its number is the one committed to",
         said["receipt_id"] == f"urn:licet:receipt:{account}:{record['facts']['seq']}"),
        ("its facts are those committed to", record["t"] == "choice" and _has(record["facts"], entry["facts"])),
        ("its answer is that of its entry", (event["allow"], event["effect"]) == (allow, effect)),
        ("its state is what the choice did", event["event_state"] == f"dpv:{state}"),
        ("a grant is in force after a yes that took effect", effect not in ("began", "affirmed") or event["grant"]),
    ):  # fmt: skip
        if not holds:
            raise ContradictionError(place, promise)


def _has(whole: dict[str, Any], some: dict[str, Any]) -> bool:
    """Whether each of some facts is among them, of the same type: `true` is not 1."""
    return all(key in whole and type(whole[key]) is type(fact) and whole[key] == fact for key, fact in some.items())


def pseudonym_of(salt: bytes) -> str:
    return hashlib.sha256(b"licet/who/v1" + salt).hexdigest()


def _is_hashed(text: str | None, sha256: str | None) -> bool:
    return text is sha256 is None or (text is not None and hashlib.sha256(text.encode()).hexdigest() == sha256)


def _is_shown(notice: dict[str, Any], evidence: str | None) -> bool:
    """Whether a notice is told as the evidence has it; another edge may have written its evidence as plain words."""
    try:
        found = json.loads(evidence or "{}")
    except (ValueError, RecursionError):
        found = {}
    found = found if isinstance(found, dict) and _fits(found.get("v"), "one") else {}
    shown = notice["presented_as"]
    told = {"sha256": notice["sha256"], "language": notice["language"], "notice": notice["notice_id"]}
    told |= {key: shown[key] for key in ("default_state", "surface", "place", "shown_at")}
    told |= {"shown": shown["showing_id"]}
    is_gpc = found.get("gpc") is shown["gpc"]
    return is_gpc and all((found.get(key) or None) == value for key, value in told.items())


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _refuse(place: str, promise: str) -> NoReturn:
    raise ContradictionError(place, promise)


# ---- releases --------------------------------------------------------------------------------------------------

# A release is a folder: manifest.json, a card, parts of sealed rows, which are only hashed here, and its proofs,
#     proof/policies.jsonl.gz     each policy version, by its number
#     proof/candidates.jsonl.gz   each conversation that came into question, by handle: turns in, turns out and why
#     proof/rows.jsonl.gz         each row, by handle and ordinal: what its decision was made from
# one canonical JSON object a line, in order; over the lines of each file stands an RFC 6962 tree, whose root and
# size the manifest names. So what a file holds is proved by a path, and what it does not by two neighbours.
# Rows whose keys are dead may have been taken out of the parts since: purge-1.json, purge-2.json .. say of each part
# what it was, what it became and which ordinals went, signed and told to the log of their year, as what people found in a
# sample is in review.json. The proofs of the rows stay, and so do root and counts.
MANIFEST, MANIFEST_BYTES_MAX = "manifest.json", 1 << 26
PROOFS = {"policies": "proof/policies.jsonl.gz", "candidates": "proof/candidates.jsonl.gz",
          "rows": "proof/rows.jsonl.gz"}  # fmt: skip
REVIEW, PURGES_MAX, ORDINALS_MAX = "review.json", 10_000, 1 << 32
DESCRIBES = {"README.md", "croissant.json"}  # made from the rest; nothing signs them, and nothing is said of them here
LINE_BYTES_MAX = 1 << 23
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
DAY_US = 86_400_000_000
SAFETY = "safety_classifiers"
# What was left out for a reason that tells nothing of a person says so; every other reason is committed to.
OPEN_REASONS = frozenset({
    "before_grant", "empty", "erased", "expired", "incomplete_row", "origin", "purpose", "stale_terms", "too_large",
})  # fmt: skip
_PART = re.compile(r"part-[0-9]{5}\.parquet", re.ASCII)
PART = {"file": "text", "sha256": "hash", "bytes": "pos", "rows": "pos", "first_ordinal": "int"}
PROOF = {"file": "text", "sha256": "hash", "bytes": "int", "lines": "int", "root": "hash"}
RUN = ("int", "int")
MANIFEST_SHAPE = {
    "format": frozenset({"licet-release-1"}), "release": "id", "name": "text", "purpose": "word", "built_at": "time",
    "policy": {"name": "text", "version": "text", "sha256": "hash"}, "journal": "int",
    "counts": {"candidates": "int", "included": "int", "dropped": {"*": "int"}}, "rows": "int", "parts": [PART],
    "root": "hash", "deidentification": {"rules": "text", "sha256": "hash", "counts": {"*": "int"}, "...": None},
    "licet": "text", "proof": dict.fromkeys(PROOFS, PROOF),
    "curation?": {"plan": "hash", "splits": {"*": [RUN]}, "...": None},
}  # fmt: skip
PURGE_FILE = {"v": "int", "purge": "text"}
PURGE = {
    "format": frozenset({"licet-purge-2"}), "release": "id", "number": "pos", "before": "hash", "purged_at": "time",
    "parts": [{"file": "text", "was": "hash", "after": Null(PART), "gone": [RUN]}],
}  # fmt: skip
REVIEW_FILE = {"v": "one", "review": "text"}
KINDS_FOUND = ("contact", "name", "number", "other", "place", "secret")
READ = {"drawn": "int", "read": "int", "out_of_reach": "int", "findings": {f"{kind}?": "pos" for kind in KINDS_FOUND}}
REVIEW_SHAPE = {
    "v": "one", "type": frozenset({"licet-release-review"}), "release": "id", "manifest_sha256": "hash", "review": "text",
    "drawn_at": "time", "closed_at": "time", "chance": READ, "risk": READ, "readers": "int",
    "bound": {"confidence_percent": "pos", "found": "int", "rows": "int", "ppm": "int"},
}  # fmt: skip
TERMS = {
    "policy": "text", "version": "text", "effective": "time", "material": "bool",
    "scope": {"plans": ["text"], "surfaces": ["text"]}, "choice": {"covers": ["text"], "...": None},
    "reach": frozenset({"conversation", "turn"}), "origins": ["text"],
    "keep": {"opted_in": "period", "opted_out": "period", "flagged": "period", "...": None}, "...": None,
}  # fmt: skip
SOURCE = {
    "segment": "int", "place": "word", "because": "word", "turns": {"*": "pos"}, "mark": "int", "last_on": "day",
    "keep_until": "day", "grant": "pos?", "widening": "int?", "said_on": "day?",
}  # fmt: skip
ROW = {
    "v": "one", "conversation": "hash", "who": "hash", "ordinal": "int", "row_id": "id", "sealed_sha256": "hash",
    "until": "day", "policy_sha256": "hash", "last_on": "day", "marks": [("text", "text", "int")], "sources": [SOURCE],
}  # fmt: skip
CANDIDATE = {"v": "one", "conversation": "hash", "in": "int", "out": {"*": "pos"}, "salted": {"*": "pos"}}


@dataclass(frozen=True, slots=True)
class Terms:
    """A policy version, as far as it decides."""

    name: str
    version: str
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
class AccountStanding:
    """An account at a moment of the log. ``answers`` are the days of its answers, each with the version answered."""

    grant: int | None = None
    begun_on: str = ""
    answers: list[tuple[str, int]] = field(default_factory=list)
    closed: bool = False
    shortened: bool = False


@dataclass(slots=True)
class Chat:
    """What the log tells of a conversation. ``destroyed``: segments, each with whether its safety copy's key died."""

    who: str = ""
    deleted: bool = False
    narrowed: bool = False
    widened: int = 0
    narrowed_on: str = ""
    widened_on: str = ""
    out: list[tuple[str, str]] = field(default_factory=list)  # the days between which it was kept out
    unflagged: bool = False
    flagged_on: list[str] = field(default_factory=list)
    destroyed: set[tuple[int, bool]] = field(default_factory=set)


class Permissions:
    """What the entries of a year told before the leaf of one release: all that its rows are decided by."""

    def __init__(self, release: str) -> None:
        self.release = release
        self.sealed: dict[str, Any] | None = None
        self.year = 0
        self.broken = False  # whether the log does not hold
        self.accounts: dict[str, AccountStanding] = {}
        self.chats: dict[str, Chat] = {}
        self.policies: dict[int, str] = {}
        self.since: dict[tuple[str, str], dict[str, Any]] = {}  # addenda and reviews, by kind and hash

    def take(self, entry: dict[str, Any]) -> None:
        kind, facts, who = entry["t"], entry["facts"], entry.get("who")
        if kind in ("release_purged", "release_reviewed") and facts["release"] == self.release:
            self.since[kind, facts["sha256"]] = entry
        if self.sealed is not None:
            return
        if kind == "release_sealed" and facts["release"] == self.release:
            self.sealed = entry
        elif kind in ("policy_applied", "policy_stands"):
            self.policies[facts["number"]] = facts["sha256"]
        elif "handle" in facts:
            self._chat(self.chats.setdefault(facts["handle"], Chat(str(who))), kind, facts, entry["at"][:10])
        elif who is not None and kind in _STANDINGS:
            self._account(self.accounts.setdefault(who, AccountStanding()), kind, facts, entry["at"][:10])

    def _account(self, of: AccountStanding, kind: str, facts: dict[str, Any], day: str) -> None:
        match kind:
            case "closed":
                of.closed, of.grant = True, None
            case "shortened":
                of.shortened = True
            case "grant_ended":
                of.grant = None
            case "choice":  # a no ends the grant at once: the leaf that says so may be told after the release's
                of.grant = of.grant if facts["allow"] else None
            case _:
                of.begun_on = day if kind == "grant_begun" else of.begun_on if of.grant == facts["grant"] else ""
                of.grant = facts["grant"]
                of.answers.append((day, facts["version"]))

    def _chat(self, of: Chat, kind: str, facts: dict[str, Any], day: str) -> None:
        match kind:
            case "deleted":
                of.deleted = True
            case "narrowed":
                of.narrowed, of.narrowed_on = True, day
            case "widened":
                of.out += [(of.narrowed_on, day)] if of.narrowed else []
                of.narrowed, of.widened, of.widened_on = False, of.widened + 1, day
            case "flagged":
                of.flagged_on.append(day)
            case "unflagged":
                of.unflagged = True
                of.flagged_on.clear()
            case "key_destroyed" if "segment" in facts:
                of.destroyed.add((facts["segment"], facts["because"] == "safety"))


_STANDINGS = {"choice", "closed", "shortened", "grant_ended", "grant_begun", "grant_affirmed", "grant_stands"}


class ReleasePolicies:
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
            match = _PERIOD.fullmatch(period)
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
    shaped(said, TERMS, place, "a policy")
    keep = said["keep"]
    return Terms(
        said["policy"], said["version"],
        hashlib.sha256(raw).hexdigest(), read_time(said["effective"], place, "effective"), said["material"] is True,
        frozenset(said["scope"]["plans"]), frozenset(said["scope"]["surfaces"]), frozenset(said["choice"]["covers"]),
        frozenset(said["origins"]), said["reach"] == "conversation", keep["opted_in"], keep["opted_out"],
        keep["flagged"],
    )  # fmt: skip


class Decider:
    """Makes the decision of a row again, from what its line and the log tell."""

    def __init__(self, release: str, purpose: str, built_at: datetime, policies: ReleasePolicies,
                 log: Permissions | None) -> None:  # fmt: skip
        self.release, self.purpose, self.policies, self.log = release, purpose, policies, log
        self.number = policies.number(built_at)
        self.now = policies.versions[self.number]
        self.untold: list[str] = []  # the rows that rest on a flag of which the log does not tell
        self.built_on = built_at.date().isoformat()

    def check(self, row: dict[str, Any], place: str) -> None:
        """Raises the first promise that the row breaks: the rows of the rule, in their order."""
        sources, marks = row["sources"], row["marks"]
        standing = chat = None
        if self.log is not None:
            standing = self.log.accounts.get(row["who"])
            chat = self.log.chats.get(row["conversation"])
        if row["policy_sha256"] != self.now.sha256:
            raise ContradictionError(place, "it was decided under the policy in force")
        if chat is not None and chat.who != row["who"]:
            raise ContradictionError(place, "it stands under the pseudonym of its conversation's account")
        if standing is not None and standing.closed:
            raise ContradictionError(place, "no account of a row is closed")
        if chat is not None and chat.deleted:
            raise ContradictionError(place, "no conversation of a row was deleted")
        versions = self.policies.on(row["last_on"])
        if not sources or not all(source["turns"] and source["mark"] < len(marks) for source in sources):
            raise ContradictionError(place, "it has the fields of a row")
        if len({(source["segment"], source["because"]) for source in sources}) < len(sources):
            raise ContradictionError(place, "it names each of its sources once")
        if any(mark[2] >= len(self.policies.versions) for mark in marks):
            raise ContradictionError(place, "it has the fields of a row: versions that are")
        if max(mark[2] for mark in marks) > versions[-1]:
            raise ContradictionError(place, "its turns were taken under a version in force by then")
        scopes = [self._in_scope(*mark) for mark in marks]
        for source in sources:
            self._source(row, source, scopes, standing, chat, place)
        if not self.built_on <= row["until"] <= min(source["keep_until"] for source in sources):
            raise ContradictionError(place, "its use ends with that of its first source, after the release")

    def _in_scope(self, plan: str, surface: str, version: int) -> bool:
        taken = self.policies.versions[version]
        return all(plan in one.plans and surface in one.surfaces for one in (taken, self.now))

    def _source(self, row: dict[str, Any], source: dict[str, Any], scopes: list[bool], standing: AccountStanding | None,
                chat: Chat | None, place: str) -> None:  # fmt: skip
        number = row["marks"][source["mark"]][2]
        old = self.policies.versions[number]
        whole = old.whole and self.now.whole
        if source["last_on"] > row["last_on"] or number not in self.policies.on(source["last_on"]):
            raise ContradictionError(
                place, "its days are in order, and each turn was taken under the version of its day"
            )
        if not scopes[source["mark"]] or (whole and not all(scopes)):
            raise ContradictionError(place, "its plan and surface are covered by the terms")
        if chat is not None and (source["segment"], source["place"] == "safety") in chat.destroyed:
            raise ContradictionError(place, "the keys of its sources lived when it was sealed")
        if source["because"] == "flagged" and self.purpose == SAFETY:
            self._flagged(source, chat, place)
        elif source["because"] == "permitted" and source["place"] == "vault":
            self._permitted(row, source, old, standing, chat, place)
        else:
            raise ContradictionError(place, "it is permitted, or flagged and for safety")

    def _flagged(self, source: dict[str, Any], chat: Chat | None, place: str) -> None:
        """A flag of a year before has no leaf in this log, and ends before one of this year could."""
        if any(source[key] is not None for key in ("grant", "widening", "said_on")):
            raise ContradictionError(place, "what is flagged rests on no grant")
        if self.log is None:
            return
        new_year, versions = f"{self.log.year}-01-01", self.policies.versions
        earlier = source["keep_until"] < max(self.policies.after(new_year, v.flagged) for v in versions)
        flags = [] if chat is None else chat.flagged_on
        ends = {self.policies.after(day, versions[n].flagged) for day in flags for n in self.policies.on(day)}
        if (chat is not None and chat.unflagged and not flags) or not (earlier or source["keep_until"] in ends):
            raise ContradictionError(place, "the flag that it rests on stood, and gives it its end")
        if source["keep_until"] not in ends:
            self.untold.append(place)

    def _permitted(self, row: dict[str, Any], source: dict[str, Any], old: Terms, standing: AccountStanding | None,
                   chat: Chat | None, place: str) -> None:  # fmt: skip
        grant, widening, said_on = source["grant"], source["widening"], source["said_on"]
        if grant is None or widening is None or said_on is None:
            raise ContradictionError(place, "it names the grant that decides it is in force, and when it was given")
        if not self._is_dated(row, source, standing):
            raise ContradictionError(place, "the policy gives it its end")
        if chat is not None and (chat.narrowed or widening < chat.widened):
            raise ContradictionError(place, "no conversation of a row was kept out, or let in again without a new turn")
        if chat is not None and any(begun < source["last_on"] < ended for begun, ended in chat.out):
            raise ContradictionError(place, "it was not said while its conversation was kept out")
        if self.log is not None and (standing is None or standing.grant is None or standing.grant != grant):
            raise ContradictionError(place, "the grant that decides it is in force")
        if self.purpose not in old.covers or self.purpose not in self.now.covers:
            raise ContradictionError(place, "the choice covers the purpose")
        if not source["turns"].keys() <= old.origins & self.now.origins:
            raise ContradictionError(place, "the origins of its turns are listed")
        if not source["last_on"] <= row["last_on"] <= self.built_on or not said_on <= row["last_on"]:
            raise ContradictionError(place, "its days are in order, and before the release")
        if standing is not None and self._is_stale(said_on, standing):
            raise ContradictionError(place, "newer terms were answered when it was said")
        since = max(standing.begun_on if standing else "", chat.widened_on if chat else "")
        if said_on < since:
            raise ContradictionError(place, "it was said under the grant")

    def _is_dated(self, row: dict[str, Any], source: dict[str, Any], standing: AccountStanding | None) -> bool:
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

    def _is_stale(self, said_on: str, standing: AccountStanding) -> bool:
        """Whether the newest material version of that day had not been answered, where the log tells of answers."""
        answered = [version for day, version in standing.answers if day <= said_on]
        newest = min(map(self.policies.newest_material, self.policies.on(said_on)))
        return bool(answered) and max(answered) < newest


def check_release(
    files: Files, trusted: Trust | None = None, log: Files | None = None, others: Sequence[tuple[Trust, Files]] = ()
) -> VerifierReport:
    """Make the decision of every row again, without content, by what the log told before the release's leaf.

    ``others`` are logs of other years, in which addenda and a review may stand. Without a log nothing is proved: what only
    the log knows (grants, deletions, what was kept out) is not checked, and nothing signed names the manifest.
    """
    report = VerifierReport("release", origin=trusted.origin if trusted else "")
    held = _ReleaseCheck(files, report, trusted, log, others)
    if not report.step(MANIFEST, "the log's leaf of the release names its hash", held.open):
        return report
    if not report.step("the log", "its signed entries, up to the release's leaf and since", held.tell):
        return report
    held.addenda()
    later: tuple[tuple[str, str, Callable[[], object]], ...] = (
        ("parts and proofs", "each file has the hash that the manifest or an addendum names", held.files_named),
        ("counts", "every candidate is in, or left out for a reason", lambda: _check_sums(held.manifest)),
        ("policies", "they are the texts that the log tells of", held.read_policies),
        ("rows and candidates", "each was decided again, and there is no other", held.rows),
    )  # fmt: skip
    if report.findings:
        report.parts += [
            ArtefactPart(what, Verdict.unproved, "not looked at: what came before does not hold") for what, *_ in later
        ]
    else:
        report.steps(later)
    if held.told is None:
        report.parts = [
            ArtefactPart(one.what, Verdict.unproved, f"it agrees with `{MANIFEST}`, which no log was given for")
            if one.answer is Verdict.proved else one for one in report.parts
        ]  # fmt: skip
    for path in sorted(DESCRIBES & set(files.paths())):
        report.notes.append(f"not looked at: {path}: it is made from the rest, and nothing signs it")
    if not report.findings:
        report.size, report.root = held.manifest["rows"], held.manifest["root"]
    return report


class _ReleaseCheck:
    """One release as it is checked, step by step."""

    def __init__(self, files: Files, report: VerifierReport, trusted: Trust | None, log: Files | None,
                 others: Sequence[tuple[Trust, Files]]) -> None:  # fmt: skip
        self.files, self.report, self.trusted, self.log, self.others = files, report, trusted, log, others
        self.raw, self.manifest = b"", dict[str, Any]()
        self.told: Permissions | None = None
        self.logs: list[Permissions] | None = None  # those of other years, once they were asked for
        self.parts: dict[str, dict[str, Any] | None] = {}
        self.gone: set[int] = set()
        self.beside: list[str] = []
        self.head = ("", "")  # the hash of the newest addendum, and its time
        self.policies = ReleasePolicies(())

    def open(self) -> None:
        self.raw = _bounded(self.files, MANIFEST, self.report)
        self.manifest = read_manifest(self.raw)
        self.parts = {part["file"]: part for part in self.manifest["parts"]}
        if self.trusted is None or self.log is None:
            self.report.lacking(MANIFEST, "nothing signed names it", "the log of its year and the log's key do")

    def tell(self) -> None:
        if self.trusted is None or self.log is None:
            self.report.lacking("the log", "none was given", "give the log of the release's year and its key")
            return
        release = self.manifest["release"]
        self.told = told = _read_log(self.trusted, self.log, release, self.report)
        _check_leaf(told, self.raw, self.manifest)

    def addenda(self) -> None:
        """Each addendum that lies beside the manifest, and a review: parts of their own."""
        there, head, at = set(self.files.paths()), hashlib.sha256(self.raw).hexdigest(), self.manifest["built_at"]
        for number in range(1, PURGES_MAX + 1):
            path = f"purge-{number}.json"
            if path not in there:
                break
            self.beside.append(path)
            follow = partial(self._follow, number, path, head, at)
            if not self.report.step(
                path, "it is signed, follows the one before it, and the log was told of it", follow
            ):
                return
            head, at = self.head
        if REVIEW in there:
            self.report.step(REVIEW, "it is signed, follows from its counts, and the log was told of it", self._review)
        self.report.purged = len(self.gone)

    def _follow(self, number: int, path: str, head: str, at: str) -> None:
        """Takes one addendum, which follows the one of a hash and a time: its rows go out of the parts."""
        data = _bounded(self.files, path, self.report)
        file = read_json(data, path)
        if misfit(file, PURGE_FILE) or file["v"] != 2:
            raise ContradictionError(path, "it is a signed addendum of version 2")
        purge = self._open(file["purge"], path, "licet-purge+jws")
        shaped(purge, PURGE, path, "an addendum")
        said = (purge["release"], purge["number"], purge["before"])
        if said != (self.manifest["release"], number, head):
            raise ContradictionError(path, "it follows the addendum before it, or the manifest")
        if read_time(purge["purged_at"], path, "purged_at") < read_time(at, path, "at") or not purge["parts"]:
            raise ContradictionError(path, "it takes something out, after what came before it")
        firsts = [part["first_ordinal"] for part in self.manifest["parts"]]
        ends = dict(zip((part["file"] for part in self.manifest["parts"]), [*firsts[1:], ORDINALS_MAX], strict=True))
        before = len(self.gone)
        for one in purge["parts"]:
            self.parts[one["file"]] = _purged(
                self.parts.get(one["file"]), ends.get(one["file"], 0), one, self.gone, path
            )
        self.head = hashlib.sha256(data).hexdigest(), purge["purged_at"]
        facts = {"release": purge["release"], "number": number, "rows": len(self.gone) - before}
        self._is_told("release_purged", self.head[0], path, purge["purged_at"], facts)

    def _review(self) -> None:
        """What people found in a sample of the rows: of this manifest, with the bound that follows from its counts."""
        file = read_json(_bounded(self.files, REVIEW, self.report), REVIEW)
        shaped(file, REVIEW_FILE, REVIEW, "a review of version 1")
        said = self._open(file["review"], REVIEW, "licet-review+jws")
        shaped(said, REVIEW_SHAPE, REVIEW, "a review")
        if said["release"] != self.manifest["release"]:
            raise ContradictionError(REVIEW, "it is a review of this release, of version 1")
        if said["manifest_sha256"] != hashlib.sha256(self.raw).hexdigest():
            raise ContradictionError(REVIEW, "it is of the manifest that lies beside it")
        if not _follows(said):
            raise ContradictionError(REVIEW, "it reconciles: each row was read or out of reach, and its bound follows")
        found = sum(sum(part["findings"].values()) for part in (said["chance"], said["risk"]))
        facts = {"release": said["release"], "manifest_sha256": said["manifest_sha256"], "bound_ppm": said["bound"]["ppm"],
                 "rows": said["chance"]["read"] + said["risk"]["read"], "findings": found}  # fmt: skip
        sha256 = hashlib.sha256(file["review"].encode()).hexdigest()
        self._is_told("release_reviewed", sha256, REVIEW, said["closed_at"], facts)

    def _open(self, jws: str, path: str, typ: str) -> dict[str, Any]:
        """The payload of a statement; without a key its signature is not held against anything, and so not proved."""
        if self.trusted is not None:
            return open_jws(jws, self.trusted.key, path, typ)
        self.report.lacking(path, "its signature was not checked", "give the log's key")
        return read_json(_jws_parts(jws, path)[1], path)

    def _is_told(self, kind: str, sha256: str, path: str, at: str, facts: dict[str, Any]) -> None:
        """Finds the leaf of a statement by its hash, in the log of any year that was given."""
        if self.told is None:
            self.report.lacking(path, "no log was given that tells of it", f"the log of {at[:4]} does")
            return
        entry = self.told.since.get((kind, sha256))
        for other in self._others() if entry is None else ():
            entry = entry or other.since.get((kind, sha256))
        if entry is None:
            asked = ", ".join(str(one.year) for one in (self.told, *self._others()))
            self.report.lacking(
                path,
                f"no entry of the logs given ({asked}) tells of it",
                f"the log of {at[:4]}, or of the year after, does",
            )
        elif entry["at"] != at or not _has(entry["facts"], facts):
            raise ContradictionError(path, "it says what its leaf tells of it, and when")

    def _others(self) -> list[Permissions]:
        if self.logs is None:
            self.logs = []
            for trusted, log in self.others:
                self.logs.append(_read_log(trusted, log, self.manifest["release"], self.report))
        return self.logs

    def files_named(self) -> None:
        """Every file is the one that the manifest or an addendum names, and no other lies beside it."""
        named = [*(part for part in self.parts.values() if part is not None), *self.manifest["proof"].values()]
        known = {MANIFEST, "README.md", *self.beside, *(one["file"] for one in named)}
        there = set(self.files.paths())
        for path in sorted((known - there) | (there - known - DESCRIBES - {REVIEW})):
            self.report.found(path, "every file of the release is there, and no other")
        for one in named:
            data = self.files.read(one["file"])
            self.report.files += 1
            if data is not None and (len(data), hashlib.sha256(data).hexdigest()) != (one["bytes"], one["sha256"]):
                by = (
                    "a purge"
                    if one not in self.manifest["parts"] and one["file"].startswith("part-")
                    else "the manifest"
                )
                raise ContradictionError(one["file"], f"it has the size and hash that {by} names")

    def read_policies(self) -> None:
        self.policies = _read_policies(self.files, self.manifest, self.told, self.report)

    def rows(self) -> None:
        built_at, pin = read_time(self.manifest["built_at"], MANIFEST, "built_at"), self.manifest["policy"]
        decider = Decider(self.manifest["release"], self.manifest["purpose"], built_at, self.policies, self.told)
        now = decider.now
        if (now.sha256, now.name, now.version) != (pin["sha256"], pin["name"], pin["version"]):
            raise ContradictionError(MANIFEST, "its policy is the one in force when it was built")
        ordinals = _check_rows(self.files, self.manifest, decider, self.report)
        if decider.untold:
            why = f"`{len(set(decider.untold))}` rows rest on a flag of a year before, of which this log does not tell"
            mend = "nothing that a stranger has: nobody can link the two years' names of a conversation"
            self.report.lacking(decider.untold[0], why, mend)
        if not self.gone <= set(ordinals):
            raise ContradictionError(self.beside[0], "what went out was in")
        left = [ordinal for ordinal in ordinals if ordinal not in self.gone]
        firsts = [part["first_ordinal"] for part in self.manifest["parts"]]
        if left and (not firsts or left[0] < firsts[0]):
            raise ContradictionError(MANIFEST, "each of its rows lies in one of its parts")
        ends = [*firsts[1:], ORDINALS_MAX]
        for was, end in zip(self.manifest["parts"], ends, strict=False):  # of no part nothing is left to hold
            held = left[bisect_left(left, was["first_ordinal"]) : bisect_left(left, end)]
            then = self.parts[was["file"]]
            said = (then["first_ordinal"], then["rows"]) if then else None
            if said != ((held[0], len(held)) if held else None):
                raise ContradictionError(was["file"], "it has the rows that lie between its first and the next part's")


def read_manifest(raw: bytes) -> dict[str, Any]:
    """A manifest, each field of its type, whose parts and proofs lie where they do."""
    manifest = read_json(raw, MANIFEST, UnreadableError)
    shaped(manifest, MANIFEST_SHAPE, MANIFEST, "a manifest", UnreadableError)
    if any(one["file"] != PROOFS[name] for name, one in manifest["proof"].items()):
        raise UnreadableError(MANIFEST, "its proofs lie where proofs lie")
    parts = manifest["parts"]
    for part in parts:
        if not _PART.fullmatch(part["file"]):
            raise UnreadableError(MANIFEST, "its parts lie where parts lie")
    for one, other in pairwise(parts):
        if one["file"] >= other["file"] or one["first_ordinal"] + one["rows"] > other["first_ordinal"]:
            raise ContradictionError(MANIFEST, "its parts follow one another")
    runs = sorted(tuple(run) for runs in manifest.get("curation", {}).get("splits", {}).values() for run in runs)
    if any(first > last for first, last in runs) or any(a[1] >= b[0] for a, b in pairwise(runs)):
        raise ContradictionError(MANIFEST, "each row is in one split")
    return manifest


def _read_log(trusted: Trust, log: Files, release: str, report: VerifierReport) -> Permissions:
    """A log whole: as it stood before the release's leaf, and what it told of the release since."""
    story = story_of(trusted.origin)
    story.permissions = told = Permissions(release)
    told.year = story.year
    checked = check_log(log, trusted, (), story)
    report.joined(checked)
    told.broken = bool(checked.findings)
    report.cosigned, report.entry_bytes = checked.cosigned, report.entry_bytes + checked.entry_bytes
    return told


def check_manifest(raw: bytes, trusted: Trust, log: Files) -> VerifierReport:
    """Hold a manifest's bytes against the leaf of its release, in the log of its year."""
    report = VerifierReport("manifest", origin=trusted.origin)
    manifest: dict[str, Any] = {}
    report.steps((
        (MANIFEST, "it has the fields of a manifest", lambda: manifest.update(read_manifest(raw))),
        ("the log", "the log's leaf of the release names the manifest's hash",
         lambda: _check_leaf(_read_log(trusted, log, manifest["release"], report), raw, manifest)),
    ))  # fmt: skip
    return report


def _check_leaf(told: Permissions, raw: bytes, manifest: dict[str, Any]) -> None:
    """The release's leaf tells this manifest; a log that does not hold tells nothing."""
    if told.broken:
        return
    if told.sealed is None:
        raise ContradictionError(MANIFEST, "the release was told to the log when it was sealed")
    facts = told.sealed["facts"]
    for key, value in (
        ("manifest_sha256", hashlib.sha256(raw).hexdigest()), ("root", manifest["root"]), ("rows", manifest["rows"]),
        ("purpose", manifest["purpose"]), ("position", manifest["journal"]),
    ):  # fmt: skip
        if facts[key] != value:
            raise ContradictionError(MANIFEST, f"it is the manifest that was sealed: its leaf tells its `{key}`")
    if read_time(told.sealed["at"], MANIFEST, "at") != read_time(manifest["built_at"], MANIFEST, "built_at"):
        raise ContradictionError(MANIFEST, "it was built when its leaf says")
    if facts["version"] != told_number(told, manifest["policy"]["sha256"]):
        raise ContradictionError(MANIFEST, "its policy is the version that its leaf names")


def told_number(told: Permissions, sha256: str) -> int | None:
    return next((number for number, known in told.policies.items() if known == sha256), None)


def _check_sums(manifest: dict[str, Any]) -> None:
    counts = manifest["counts"]
    if counts["candidates"] != counts["included"] + sum(counts["dropped"].values()):
        raise ContradictionError(MANIFEST, "it reconciles: every candidate is in, or left out for a reason")
    if manifest["rows"] != sum(part["rows"] for part in manifest["parts"]):
        raise ContradictionError(MANIFEST, "it reconciles: its rows are those of its parts")


def _purged(
    was: dict[str, Any] | None, before: int, one: dict[str, Any], gone: set[int], path: str
) -> dict[str, Any] | None:
    """A part without the rows that a purge took out of it, which join ``gone``."""
    after: dict[str, Any] | None = one["after"]
    if was is None or one["was"] != was["sha256"]:
        raise ContradictionError(path, "it takes rows out of a part as it lay there")
    taken: set[int] = set()
    for first, last in one["gone"]:
        if not was["first_ordinal"] <= first <= last < before or last - first >= was["rows"]:
            raise ContradictionError(path, "the rows that it takes out are of that part")
        if not taken.isdisjoint(range(first, last + 1)):
            raise ContradictionError(path, "it reconciles: each row goes once, and the rest stays")
        taken.update(range(first, last + 1))
    left = was["rows"] - len(taken)
    if not taken or taken & gone or left != (after["rows"] if after else 0):
        raise ContradictionError(path, "it reconciles: each row goes once, and the rest stays")
    if after is not None and (after["file"] != one["file"] or after["first_ordinal"] < was["first_ordinal"]):
        raise ContradictionError(path, "a part keeps its name")
    gone |= taken
    return after


def _follows(said: dict[str, Any]) -> bool:
    """Whether the counts of a review add up, and its bound is the one that follows from them."""
    for part in (said["chance"], said["risk"]):
        if part["drawn"] != part["read"] + part["out_of_reach"] or sum(part["findings"].values()) > part["read"]:
            return False
    bound, found, rows = said["bound"], sum(said["chance"]["findings"].values()), said["chance"]["read"]
    in_order = read_time(said["drawn_at"], REVIEW, "drawn_at") <= read_time(said["closed_at"], REVIEW, "closed_at")
    told = (bound["confidence_percent"], bound["found"], bound["rows"])
    return in_order and told == (95, found, rows) and _is_bound(found, rows, bound["ppm"])


def _is_bound(found: int, rows: int, ppm: int) -> bool:
    """Whether the share of ``ppm`` in a million is the least that makes so few findings rarer than 1 in 20.

    With nothing found it is 3 / rows (the rule of three), which is a little more.
    """
    if found == 0 or found >= rows:
        return ppm == (min(1_000_000, -(-3_000_000 // rows)) if rows and not found else 1_000_000)
    here, below = (_chance(found, rows, (ppm - step) / 1_000_000) for step in (0, 1))
    return 0 < ppm <= 1_000_000 and here <= 0.05 * (1 + 1e-9) and below > 0.05 * (1 - 1e-9)


def _chance(found: int, rows: int, share: float) -> float:
    """The probability of at most ``found`` findings in ``rows`` rows, where ``share`` of all have one."""
    if not 0 < share < 1:
        return 1.0 if share <= 0 else 0.0
    return math.fsum(
        math.exp(
            math.lgamma(rows + 1) - math.lgamma(n + 1) - math.lgamma(rows - n + 1) + n * math.log(share)
            + (rows - n) * math.log1p(-share)
        )
        for n in range(found + 1)
    )  # fmt: skip


def _bounded(files: Files, path: str, report: VerifierReport) -> bytes:
    data = _data(files, path, report) if path in set(files.paths()) else None
    if data is None or len(data) > MANIFEST_BYTES_MAX:
        raise UnreadableError(path, "a release has a manifest of a bounded size")
    return data


def lines_of(files: Files, manifest: dict[str, Any], name: str, report: VerifierReport) -> Iterator[bytes]:
    """The lines of a proof file, one by one; after the last, they must be as many as promised and lead to the root."""
    path, promised = PROOFS[name], manifest["proof"][name]
    report.files += 1
    leaves: list[bytes] = []
    try:
        with gzip.open(io.BytesIO(files.read(path) or b"")) as lines:
            while line := lines.readline(LINE_BYTES_MAX + 1):
                if line[-1:] != b"\n" or len(line) > LINE_BYTES_MAX:
                    raise ContradictionError(f"{path} line {len(leaves)}", "it is a whole line of a bounded length")
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


def _read_policies(
    files: Files, manifest: dict[str, Any], told: Permissions | None, report: VerifierReport
) -> ReleasePolicies:
    """The versions; with a log, exactly those that it told of before."""
    path = PROOFS["policies"]
    versions = [
        read_terms(raw, f"{path} line {n}") for n, raw in enumerate(lines_of(files, manifest, "policies", report))
    ]
    if not versions or any(a.effective >= b.effective for a, b in pairwise(versions)):
        raise ContradictionError(path, "it holds the versions in the order of their first instants")
    if told is not None and {n: version.sha256 for n, version in enumerate(versions)} != told.policies:
        raise ContradictionError(path, "its policies are those that the log tells of")
    return ReleasePolicies(versions)


def _check_rows(files: Files, manifest: dict[str, Any], decider: Decider, report: VerifierReport) -> list[int]:
    """Each candidate's rows beside it: both files are in the order of the conversations' handles. Answers the ordinals."""
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
            raise ContradictionError(place, "the lines are in order, and none comes twice")
        before, turns = one["conversation"], 0
        while row is not None and row[0] == before:
            turns += row[1]
            row = next(rows, None)
        if turns != one["in"]:
            raise ContradictionError(place, "its turns that are in are those of its rows")
        included += turns
        salted = sum(one["salted"].values())
        hidden += salted
        for because, count in one["out"].items():
            reasons[because] = reasons.get(because, 0) + count
        left_out += salted + sum(one["out"].values())
        if row is not None and row[0] < before:
            break
    if row is not None:
        raise ContradictionError(
            f"{PROOFS['rows']} {row[2]}", "each row is of a candidate, in the order of the handles"
        )
    _check_counts(manifest, included, left_out, hidden, reasons)
    _check_root(manifest, leaves)
    return [ordinal for ordinal, _ in leaves]


def _rows(files: Files, manifest: dict[str, Any], decider: Decider, report: VerifierReport,
          leaves: list[tuple[int, bytes]]) -> Iterator[tuple[str, int, str]]:  # fmt: skip
    """Each row decided again: its conversation, how many turns it holds, and its place."""
    before, of = ("", -1), ""
    for number, raw in enumerate(lines_of(files, manifest, "rows", report)):
        place = f"line {number}"
        row = read_row(raw, f"{PROOFS['rows']} {place}")
        here = (row["conversation"], row["ordinal"])
        if here <= before:
            raise ContradictionError(f"{PROOFS['rows']} {place}", "the lines are in order, and none comes twice")
        if here[0] == before[0] and row["who"] != of:
            report.found(f"row {row['ordinal']}", "a conversation has one account")
        before, of = here, row["who"]
        try:
            decider.check(row, f"row {row['ordinal']}")
        except ContradictionError as contradiction:
            report.found(contradiction.finding.place, contradiction.finding.promise)
        except _MISREAD:
            raise ContradictionError(f"row {row['ordinal']}", "it has the fields of a row") from None
        leaves.append((row["ordinal"], leaf_of_row(row)))
        yield row["conversation"], sum(sum(source["turns"].values()) for source in row["sources"]), place


def read_row(raw: bytes, place: str) -> dict[str, Any]:
    row = read_json(raw, place)
    shaped(row, ROW, place, "a row")
    if not row["marks"] or not row["sources"]:
        raise ContradictionError(place, "it has the fields of a row: marks and sources")
    return row


def read_candidate(raw: bytes, place: str) -> dict[str, Any]:
    one = read_json(raw, place)
    shaped(one, CANDIDATE, place, "a candidate")
    if not all(map(_HEX.fullmatch, one["salted"])):
        raise ContradictionError(place, "its handle and its commitments are 32 bytes in hex")
    if not set(one["out"]) <= OPEN_REASONS:
        raise ContradictionError(place, "what a reason tells of a person is committed to, not told")
    if one["in"] + len(one["out"]) + len(one["salted"]) < 1:
        raise ContradictionError(place, "a candidate has turns, in or left out for a reason")
    return one


def leaf_of_row(row: dict[str, Any]) -> bytes:
    """The leaf of the row in the tree over the parts: ordinal, row id, until, and the hash of the sealed bytes."""
    until_us = (date.fromisoformat(row["until"]).toordinal() - EPOCH_ORDINAL) * DAY_US
    data = row["ordinal"].to_bytes(4, "big") + bytes.fromhex(row["row_id"]) + until_us.to_bytes(8, "big", signed=True)
    return leaf(data + bytes.fromhex(row["sealed_sha256"]))


def _check_counts(manifest: dict[str, Any], included: int, left_out: int, hidden: int, reasons: dict[str, int]) -> None:
    counts, place = manifest["counts"], PROOFS["candidates"]
    if (included, left_out) != (counts["included"], counts["candidates"] - counts["included"]):
        raise ContradictionError(place, "its turns, in and out, are as many as the manifest says")
    told = {because: count for because, count in counts["dropped"].items() if because in OPEN_REASONS and count}
    if reasons != told or hidden != sum(n for because, n in counts["dropped"].items() if because not in OPEN_REASONS):
        raise ContradictionError(place, "the reasons it gives are counted in the manifest")


def _check_root(manifest: dict[str, Any], leaves: list[tuple[int, bytes]]) -> None:
    leaves.sort()
    if len({ordinal for ordinal, _ in leaves}) != len(leaves) or len(leaves) != manifest["rows"]:
        raise ContradictionError(PROOFS["rows"], "each row of the parts is there once, and no other")
    if tree_hash([digest for _, digest in leaves]).hex() != manifest["root"]:
        raise ContradictionError(PROOFS["rows"], "its rows are those of the parts, as the manifest's root has them")


# ---- one conversation ------------------------------------------------------------------------------------------

# Out of a release's folder, a file that shows what became of one conversation, with paths to the manifest's roots:
#     {"conversation":handle,"release":id,"candidates":[..],"rows":[..],"v":1}
# A line is {"index":n,"line":text,"path":[hex,..]}. Candidates: the conversation's own line, or the two between which
# it would stand; rows: all of the conversation's, with the lines before and after them, or the two neighbours.
LINE = {"index": "int", "line": "text", "path": ["hash"]}
SHOWN = {"v": "one", "release": "text", "conversation": "text", "candidates": [LINE], "rows": [LINE]}
PROMISED = {
    "release": "text", "counts": {"dropped": {"*": "int"}, "...": None},
    "proof": {"candidates": {"lines": "int", "root": "hash", "...": None},
              "rows": {"lines": "int", "root": "hash", "...": None}, "...": None}, "...": None,
}  # fmt: skip


def prove_conversation(files: Files, handle: str) -> dict[str, Any]:
    """What a release's folder shows of a conversation; raises Contradiction where a file is not what it should be."""
    report = VerifierReport("conversation")
    manifest = _promised(_bounded(files, MANIFEST, report))
    proof: dict[str, Any] = {"v": 1, "release": manifest["release"], "conversation": handle}
    for name in ("candidates", "rows"):
        lines = list(lines_of(files, manifest, name, report))
        leaves = [leaf(line) for line in lines]
        keys = [str(read_json(line, PROOFS[name]).get("conversation")) for line in lines]
        first, last = bisect_left(keys, handle) - 1, bisect_right(keys, handle)
        if name == "candidates" and last - first == 2:
            first, last = first + 1, last - 1
        shown = range(max(0, first), min(len(lines), last + 1))
        proof[name] = [
            {"index": n, "line": lines[n].decode(), "path": [h.hex() for h in path_of(n, leaves)]} for n in shown
        ]
    return proof


def _promised(raw: bytes) -> dict[str, Any]:
    """As much of a manifest as proves a conversation; the rest of it is held against the log, or not at all."""
    manifest = read_json(raw, MANIFEST, UnreadableError)
    shaped(manifest, PROMISED, MANIFEST, "a manifest", UnreadableError)
    return manifest


def read_shown(raw: bytes, place: str) -> dict[str, Any]:
    """A conversation's proof, as a call with --json printed it: alone, or as the ``proof`` of the whole answer."""
    try:
        file = json.loads(raw)
    except (ValueError, RecursionError):
        raise UnreadableError(place, "it reads as JSON") from None
    shown = file.get("proof", file) if isinstance(file, dict) else file
    shaped(shown, SHOWN, place, "a conversation's proof", UnreadableError)
    proof: dict[str, Any] = shown
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
class ConversationFound:
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


def check_conversation(raw: bytes, proof: dict[str, Any], handle: str, salt: bytes | None = None) -> ConversationFound:
    """Hold such a proof against a manifest's bytes; ``salt`` opens the reasons that tell something of a person.

    Raises Contradiction; the manifest itself is to be held against the log (`check_manifest`).
    """
    try:
        shaped(proof, SHOWN, "proof", "a conversation's proof", UnreadableError)
        return _check_conversation(_promised(raw), proof, handle, salt)
    except _MISREAD:
        raise ContradictionError("proof", "it has the fields of a conversation's proof") from None


def _check_conversation(
    manifest: dict[str, Any], proof: dict[str, Any], handle: str, salt: bytes | None
) -> ConversationFound:
    if (proof["release"], proof["conversation"]) != (manifest["release"], handle):
        raise ContradictionError("proof", "it is of this release and this conversation")
    candidates = _proved(manifest, proof, "candidates", handle)
    rows = _proved(manifest, proof, "rows", handle)
    turns_in = sum(sum(source["turns"].values()) for row in rows for source in row["sources"])
    if not candidates:
        if rows:
            raise ContradictionError("proof", "each row is of a candidate")
        return ConversationFound(False, 0, 0, (), {}, 0)
    one = candidates[0]
    if turns_in != one["in"]:
        raise ContradictionError("proof", "its turns that are in are those of its rows")
    if salt is not None and any(row["who"] != pseudonym_of(salt) for row in rows):
        raise ContradictionError("proof", "its rows stand under the pseudonym of its person")
    turns_out = sum(one["out"].values()) + sum(one["salted"].values())
    why = one["out"] | (_opened(one, manifest, salt) if salt is not None else {})
    ordinals = tuple(row["ordinal"] for row in rows)
    return ConversationFound(True, turns_in, turns_out, ordinals, why, turns_out - sum(why.values()))


def _opened(one: dict[str, Any], manifest: dict[str, Any], salt: bytes) -> dict[str, int]:
    """The reasons that the salt shows to be those committed to: it makes each word's commitment anew."""
    about = b"why" + bytes.fromhex(manifest["release"]) + bytes.fromhex(one["conversation"])
    words = set(manifest["counts"]["dropped"]) - OPEN_REASONS
    made = {hmac.digest(salt, about + word.encode(), "sha256").hex(): word for word in words}
    if not set(one["salted"]) <= set(made):
        raise ContradictionError("proof", "the salt opens the reasons that were committed to")
    return {made[commitment]: count for commitment, count in one["salted"].items()}


def _proved(manifest: dict[str, Any], proof: dict[str, Any], name: str, handle: str) -> list[dict[str, Any]]:
    """The lines of the conversation; what is shown beside them leaves no room for another."""
    promised = manifest["proof"][name]
    size, root = promised["lines"], bytes.fromhex(promised["root"])
    found, keys, indexes = [], [], []
    for shown in proof[name]:
        line, index = shown["line"].encode(), shown["index"]
        path = [bytes.fromhex(digest) for digest in shown["path"]]
        if index >= size or len(path) > PROOF_LINES_MAX or root_of_path(index, size, leaf(line), path) != root:
            raise ContradictionError("proof", f"each line leads to the root of the {name}")
        said = read_candidate(line, "proof") if name == "candidates" else read_row(line, "proof")
        keys.append(said["conversation"])
        indexes.append(index)
        found += [said] if said["conversation"] == handle else []
    if keys != sorted(keys) or indexes != list(range(indexes[0] if indexes else 0, size)[: len(indexes)]):
        raise ContradictionError("proof", "its lines are neighbours, in order")
    alone = name == "candidates" and len(keys) == 1 and bool(found)  # no handle comes twice among the candidates
    before = not indexes or indexes[0] == 0 or keys[0] < handle
    after = not indexes or indexes[-1] == size - 1 or keys[-1] > handle
    if not alone and not (before and after and (indexes or size == 0)):
        raise ContradictionError("proof", "its neighbours leave no room for a line that is not shown")
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
        raise SystemExit(WRONG_CALL)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _arguments()
    call = parser.parse_args(arguments)
    try:
        policy = call.policy.read_bytes() if call.policy is not None else None
        is_keyless = call.what == "conversation" and policy is None
        keys = tuple(call.key) if call.key or is_keyless else (None,)
        trusted = [trust(key, call.origin, call.witness, call.quorum, policy) for key in keys]
        return _run_conversation(call, trusted) if call.what == "conversation" else _shown(call, _run(call, trusted))
    except ContradictionError as contradiction:
        return _shown(call, VerifierReport(call.what, [contradiction.finding]))
    except urllib.error.URLError as error:
        print(f"error: the log does not answer: {error.reason}\nhint: try again", file=sys.stderr)
        return TRY_AGAIN
    except (OSError, ValueError) as error:
        parser.error(str(error))
    except Exception as error:  # the last door: no file may end in a traceback, whose exit code would read as an answer
        print(f"error: it cannot be read: {type(error).__name__}", file=sys.stderr)
        return EXITS[Verdict.unreadable]


def _shown(call: argparse.Namespace, report: VerifierReport) -> int:
    answer = report.answer
    if call.json:
        told = {key: value for key, value in asdict(report).items() if key not in ("parts", "checked")}
        head = {
            "answer": answer,
            "checked": report.checked,
            "ok": report.ok,
            "parts": [asdict(part) for part in report.parts],
        }
        print(json.dumps(head | told, indent=2))
    else:
        print("\n".join(lines_of_report(report)))
    return EXITS[answer]


def lines_of_report(report: VerifierReport) -> list[str]:
    """The answer in words: of the whole, then what breaks a promise or is missing, then part by part."""
    what = f"{report.checked} of `{report.origin}`" if report.origin else report.checked
    size = f": {report.size} entries, root {report.root}" if report.root else ""
    lines = [f"{report.answer}: {what}{size}"]
    for finding in report.findings:
        word = "contradiction" if finding.readable else "unreadable"
        lines.append(f"{word}: {finding.place}: broken promise: {finding.promise}")
    lines += [f"not proved: {lack.place}: {lack.why}; what would prove it: {lack.mend}" for lack in report.lacks]
    lines += [f"  {part.what}: {part.answer}: {part.why}" for part in report.parts]
    if report.purged:
        lines.append(f"purged: {report.purged} rows of it were taken out since, as its addenda say; their proofs stay")
    lines += report.notes
    if report.ok:
        lines.append(f"cosigned by: {', '.join(report.cosigned) or 'nobody that you named'}")
    return lines


def _run(call: argparse.Namespace, keys: Sequence[Trust]) -> VerifierReport:
    match call.what:
        case "log":
            older, files = [(str(path), path.read_bytes()) for path in call.older], _files(call.folder)
            trusted = meant(files.read("checkpoint") or b"", keys)
            return check_log(files, trusted, older, None if call.plain else story_of(trusted.origin))
        case "release":
            return _run_release(call, keys)
        case "text":
            logs = read_logs([_files(place) for place in call.log], keys, call.origin)
            return check_texts([(str(path), path.read_bytes()) for path in call.files], logs)
        case "certificate":
            raw = call.file.read_bytes()
            return check_certificate(raw, meant(raw, keys), str(call.file))
        case "receipt":
            raw = call.file.read_bytes()
            return check_receipt(raw, meant(raw, keys), str(call.file))
        case "proof":
            raw = call.file.read_bytes()
            return check_proof(raw, call.entry.read_bytes(), meant(raw, keys), str(call.file))
        case _:
            return _run_checkpoint(call, meant(call.new.read_bytes(), keys))


def meant(raw: bytes, keys: Sequence[Trust]) -> Trust:
    """Of several keys the one whose log the bytes name; it is the check that believes it or not."""
    return next((key for key in keys if key.origin.encode() in raw), keys[0])


def read_logs(places: Sequence[Files], keys: Sequence[Trust], origin: str | None = None) -> list[tuple[Trust, Files]]:
    """Each log of some folders, which hold one or one a year, with the key that is to have signed it.

    A log of another year than a key names is trusted to the same public key under the year's name: a log begins anew each
    year, under its operator's key.
    """
    found: list[tuple[Trust, Files]] = []
    for files in places:
        alone = files.read("checkpoint")
        years = [""] if alone is not None else sorted({
            path.partition("/")[0] for path in files.paths() if re.fullmatch(r"[0-9]{4}/checkpoint", path, re.ASCII)
        })  # fmt: skip
        for year in years:
            log = _Under(files, f"{year}/") if year else files
            named = (log.read("checkpoint") or b"").partition(b"\n")[0].decode("utf-8", "replace")
            found.append((_trust_of(named, keys, origin), log))
    return found


def _trust_of(named: str, keys: Sequence[Trust], origin: str | None) -> Trust:
    for key in keys:
        if named == key.origin:
            return key
    for key in keys:
        stem, _, year = key.key.name.rpartition("/")
        if (
            origin is None
            and re.fullmatch(re.escape(stem) + "/[0-9]{4}", named, re.ASCII)
            and re.fullmatch("[0-9]{4}", year)
        ):
            material = bytes([key.key.kind]) + key.key.public
            ident = hashlib.sha256(named.encode() + b"\n" + material).digest()[:4]
            return Trust(VerifierKey(named, ident, key.key.kind, key.key.public), named, key.witnesses, key.quorum)
    return keys[0]


class _Under:
    """The files under a folder of others."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files, self._folder = files, folder

    def paths(self) -> Iterable[str]:
        return [path.removeprefix(self._folder) for path in self._files.paths() if path.startswith(self._folder)]

    def read(self, path: str) -> bytes | None:
        return self._files.read(self._folder + path)


def _run_release(call: argparse.Namespace, keys: Sequence[Trust]) -> VerifierReport:
    files = _files(call.folder)
    logs = read_logs([_files(place) for place in call.log], keys, call.origin)
    return check_release_in(files, logs)


def check_release_in(files: Files, logs: Sequence[tuple[Trust, Files]]) -> VerifierReport:
    """`check_release`, with the log of the release's year found among those of several."""
    report = VerifierReport("release")
    held = report.step(MANIFEST, "it reads", lambda: read_manifest(_bounded(files, MANIFEST, report)))
    if not held:
        return report
    year = read_manifest(_bounded(files, MANIFEST, report))["built_at"][:4]
    own = next((one for one in logs if one[0].origin.endswith(f"/{year}")), logs[0] if len(logs) == 1 else None)
    if own is None:
        return check_release(files)
    return check_release(files, *own, [one for one in logs if one is not own])


def check_texts(texts: Sequence[tuple[str, bytes]], logs: Sequence[tuple[Trust, Files]]) -> VerifierReport:
    """Hold the texts of policies and notices, as (name, bytes), against the entries that name them by their hashes."""
    report = VerifierReport("text", origin=logs[0][0].origin if logs else "", files=len(texts))
    named = set[str]()

    def read() -> None:
        if not logs:
            report.lacking(
                "the log", "none was found where one was named", "a folder with a log, or with one a year, does"
            )
        for trusted, log in logs:
            story = story_of(trusted.origin)
            report.joined(check_log(log, trusted, (), story))
            named.update(story.texts)

    def look(place: str, raw: bytes) -> None:
        sha256 = hashlib.sha256(raw).hexdigest()
        if sha256 not in named:
            report.lacking(place, f"no entry of the logs given names its SHA-256 `{sha256}`", "the log of its year may")

    proves = "an entry of the log names it by its hash"
    report.steps([("the log", "its signed entries", read), *(
        (place, proves, partial(look, place, raw)) for place, raw in texts
    )])  # fmt: skip
    return report


def _run_conversation(call: argparse.Namespace, keys: Sequence[Trust]) -> int:
    """What a manifest proves of a conversation; only a log that tells of the manifest proves that."""
    files = _files(call.folder)
    kept = read_shown(call.proof.read_bytes(), str(call.proof)) if call.proof is not None else None
    logs = read_logs([_files(place) for place in call.log], keys, call.origin) if keys else []
    report, found, proof = check_conversation_in(files, call.handle, call.salt, kept, logs)
    if call.json:
        told = None if found is None else asdict(found)
        print(json.dumps({"answer": report.answer, "found": told, "parts": [asdict(part) for part in report.parts],
                          "findings": [asdict(one) for one in report.findings],
                          "lacks": [asdict(lack) for lack in report.lacks], "proof": proof}, sort_keys=True))  # fmt: skip
    else:
        print("\n".join(([found.text] if found is not None else []) + lines_of_report(report)))
    return EXITS[report.answer]


def check_conversation_in(
    files: Files, handle: str, salt: bytes | None, kept: dict[str, Any] | None, logs: Sequence[tuple[Trust, Files]]
) -> tuple[VerifierReport, ConversationFound | None, dict[str, Any] | None]:
    """What became of a conversation, by a proof that was kept or that the release's folder gives, and how far it is proved."""
    report, shown, found = VerifierReport("conversation"), list[dict[str, Any]](), list[ConversationFound]()
    raw = b""

    def look() -> None:
        nonlocal raw
        raw = _bounded(files, MANIFEST, report)
        shown.append(prove_conversation(files, handle) if kept is None else kept)
        found.append(check_conversation(raw, shown[0], handle, salt))

    def hold() -> None:
        year = str(_promised(raw).get("built_at"))[:4]
        own = next((one for one in logs if one[0].origin.endswith(f"/{year}")), None)
        if own is None:
            report.lacking(MANIFEST, "no log was given that names it", "the log of the release's year and its key do")
            return
        report.origin = own[0].origin
        report.joined(check_manifest(raw, *own))

    report.steps((
        ("conversation", "its lines lead to the roots of the manifest", look),
        (MANIFEST, "the log's leaf of the release names its hash", hold),
    ))  # fmt: skip
    if report.lacks and not report.findings:
        report.parts[0] = ArtefactPart(
            "conversation", Verdict.unproved, f"it agrees with `{MANIFEST}`, which is not proved"
        )
    return report, found[0] if found else None, shown[0] if shown else None


def _run_checkpoint(call: argparse.Namespace, trusted: Trust) -> VerifierReport:
    old, new = call.old.read_bytes(), call.new.read_bytes()
    if call.log is not None:
        pair = check_log(_files(call.log), trusted, [(str(call.old), old), (str(call.new), new)])
        pair.checked = "checkpoint"
        return pair
    hashes: list[bytes] = []
    if call.proof is not None:
        try:
            hashes = read_hashes(call.proof.read_text("ascii").split(), str(call.proof))
        except UnicodeDecodeError:
            raise UnreadableError(str(call.proof), "its lines are ASCII") from None
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
    release.add_argument(
        "--log",
        required=True,
        action="append",
        help="the log of the release's year, or the published folder; repeatable",
    )
    text = commands.add_parser("text", help="a policy or a notice, as an entry names it")
    text.add_argument("files", type=Path, nargs="+")
    text.add_argument("--log", required=True, action="append", help="the log that names it, or the published folder")
    chat = commands.add_parser("conversation", help="what a release holds of one conversation, and why")
    chat.add_argument("folder", help="the release's; with --proof, it needs no more than its manifest")
    chat.add_argument("handle")
    chat.add_argument("--salt", type=bytes.fromhex, help="in hex: opens the reasons that tell something of a person")
    chat.add_argument("--proof", type=Path, help="a file that another call printed with --json, in place of the rows")
    chat.add_argument("--log", action="append", default=[], help="the log that tells of the release")
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
    for command in (log, release, chat, text, receipt, certificate, proof, pair):
        command.add_argument("--key", action="append", default=[], help="the log's vkey")
        command.add_argument("--policy", type=Path, help="a tlog-policy file: which witnesses must have cosigned")
        command.add_argument("--origin", help="the log's origin, where it is not the key's name")
        command.add_argument("--witness", action="append", default=[], help="the vkey of a witness")
        command.add_argument("--quorum", type=int, help="how many of the witnesses must have cosigned")
        command.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""What the caller trusts: the log's key, the witnesses' keys, and how many witnesses must have
cosigned.

A key is a vkey of c2sp.org/signed-note with Ed25519; a quorum is given by options or by a
c2sp.org/tlog-policy file. Errors are usage errors, not verdicts: they raise `ValueError`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

POLICY_BYTES_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key as handed on in a vkey; ``kind`` 1 signs texts, 4 cosigns them with a time."""

    name: str
    ident: bytes
    kind: int
    public: bytes


@dataclass(frozen=True, slots=True)
class QuorumGroup:
    """At least ``needed`` of its members, witnesses or groups, must have cosigned."""

    needed: int
    members: tuple[VerifierKey | QuorumGroup, ...]

    def is_met(self, held: set[VerifierKey]) -> bool:
        return (
            sum(
                member.is_met(held) if isinstance(member, QuorumGroup) else member in held
                for member in self.members
            )
            >= self.needed
        )


@dataclass(frozen=True, slots=True)
class Trust:
    """What the caller trusts: the log's key and origin, and which witnesses must have cosigned."""

    key: VerifierKey
    origin: str
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: QuorumGroup = QuorumGroup(0, ())


def read_key(vkey: str, kind: int = 0) -> VerifierKey:
    """Reads a vkey of ``kind`` (0: any known kind); else `ValueError`."""
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
    key: str | None,
    origin: str | None = None,
    witnesses: Sequence[str] = (),
    quorum: int | None = None,
    policy: bytes | None = None,
) -> Trust:
    """Parses the trust options; `ValueError` for an unusable key or an impossible quorum."""
    others = tuple(read_key(text, 4) for text in witnesses)
    needed = len(others) if quorum is None else quorum
    if not 0 <= needed <= len(others):
        raise ValueError("the quorum is larger than the number of witnesses")
    logs: tuple[VerifierKey, ...] = ()
    group = QuorumGroup(needed, others)
    if policy is not None:
        if witnesses or quorum is not None:
            raise ValueError("a policy names the witnesses: give no --witness or --quorum with it")
        logs, others, group = read_policy(policy)
    if key is None and len(logs) != 1:
        raise ValueError("name the log's key: --key VKEY")
    own = read_key(key, 1) if key is not None else logs[0]
    if logs and own not in logs:
        raise ValueError("the log's key is none of the policy's logs")
    return Trust(own, origin or own.name, others, group)


def read_policy(raw: bytes) -> tuple[tuple[VerifierKey, ...], tuple[VerifierKey, ...], QuorumGroup]:
    """The logs, witnesses and quorum of a c2sp.org/tlog-policy; `ValueError` names the line."""
    if (
        len(raw) > POLICY_BYTES_MAX
        or re.search(rb"[^\t\n\x20-\x7e\x80-\xff]", raw)
        or raw[-1:] != b"\n"
    ):
        raise ValueError("the policy is not text of lines that each end in a newline")
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
                case ["witness", name, vkey] | ["witness", name, vkey, _] if name not in (
                    *named,
                    "none",
                ):
                    named[name] = _new_key(vkey, 4, named.values())
                case ["group", name, needed, first, *rest] if name not in (*named, "none"):
                    named[name] = _group(needed, [first, *rest], named, taken)
                case ["quorum", "none"] if quorum is None:
                    quorum = QuorumGroup(0, ())
                case ["quorum", name] if quorum is None:
                    quorum = QuorumGroup(1, (named[name],))
                case _:
                    raise ValueError("not a log, witness, group or quorum line with an unused name")
        except (ValueError, KeyError) as error:
            what = (
                f"`{error.args[0]}` is not defined above" if isinstance(error, KeyError) else error
            )
            raise ValueError(f"line {number} of the policy: {what}") from None
    if quorum is None:
        raise ValueError("the policy has no quorum line")
    return tuple(logs), tuple(key for key in named.values() if isinstance(key, VerifierKey)), quorum


def _new_key(vkey: str, kind: int, existing: Iterable[VerifierKey | QuorumGroup]) -> VerifierKey:
    key = read_key(vkey, kind)
    if any(isinstance(other, VerifierKey) and other.public == key.public for other in existing):
        raise ValueError("its key is listed twice")
    return key


def _group(
    needed: str,
    members: Sequence[str],
    named: dict[str, VerifierKey | QuorumGroup],
    members_so_far: set[str],
) -> QuorumGroup:
    found = tuple(named[member] for member in members)
    if len(set(members)) < len(members) or members_so_far & set(members):
        raise ValueError("a name is a member once only")
    least = {"any": "1", "all": str(len(found))}.get(needed, needed)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", least, re.ASCII) or int(least) > len(found):
        raise ValueError("a group needs 1 to all of its members, or `any` or `all`")
    members_so_far |= set(members)
    return QuorumGroup(int(least), found)

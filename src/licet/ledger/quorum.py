"""The witness quorum: a trust policy of c2sp.org/tlog-policy, written by an operator or an auditor.

    witness alpha alpha.example+1a2b3c4d+BA... https://alpha.example/witness
    witness beta  beta.example+5e6f7a8b+BB...  https://beta.example/witness
    group   both  2 alpha beta
    quorum  both

Promise: `parse_quorum` returns only a policy whose every line was understood, so that a mistake
never weakens a quorum. A name is a member of at most one group, and a key has only one name: nobody
counts twice. Names are octets; different spellings are different names.

The words `log`, `witness`, `group` and `quorum` are the format's own. A policy of Licet's (what is
permitted) is something else, in `licet.policy`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from licet.errors import InputError, LicetError
from licet.ledger.note import SignatureType, Verifier

QUORUM_BYTES_MAX = 1 << 16
NONE = "none"

_FOREIGN = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")
_COUNT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class QuorumMember:
    """A log or a witness of the file. ``name`` is local to the file, and empty for a log."""

    name: str
    verifier: Verifier
    url: str


@dataclass(frozen=True, slots=True)
class WitnessGroup:
    """At least ``needed`` of ``members`` must have cosigned."""

    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quorum:
    """A parsed file. ``rule`` is the name in its quorum line."""

    logs: tuple[QuorumMember, ...]
    witnesses: tuple[QuorumMember, ...]
    groups: Mapping[str, WitnessGroup]
    rule: str

    def is_met(self, cosigned: Collection[Verifier]) -> bool:
        """Whether enough witnesses have valid cosignatures."""
        names = {named.name for named in self.witnesses if named.verifier in cosigned}
        return self.rule == NONE or self._met(self.rule, names)

    def _met(self, name: str, cosigned: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in cosigned
        return sum(self._met(member, cosigned) for member in group.members) >= group.needed


def parse_quorum(data: bytes, file: str = "") -> Quorum:
    """Parses a file; InputError names the line and the fix."""
    if len(data) > QUORUM_BYTES_MAX:
        raise InputError(f"a quorum file has at most `{QUORUM_BYTES_MAX}` bytes", file=file)
    if _FOREIGN.search(data):
        raise InputError(
            "a quorum file must not contain control characters other than tab and newline",
            file=file,
        )
    if not data.endswith(b"\n"):
        raise InputError("the last line has no newline", "it may be truncated", file=file)
    reading = _QuorumParser()
    # surrogateescape keeps octets that are not UTF-8 distinct, as the format requires.
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n")[:-1], 1):
        words = re.findall(r"[^ \t]+", line)
        if words and not words[0].startswith("#"):
            try:
                reading.take(words[0], words[1:])
            except LicetError as error:
                raise InputError(error.message, error.hint, file=file, line=number) from None
    if reading.rule is None:
        raise InputError(
            "there is no quorum line",
            "end the file with `quorum NAME`, or `quorum none`",
            file=file,
        )
    return Quorum(tuple(reading.logs), tuple(reading.witnesses), reading.groups, reading.rule)


class _QuorumParser:
    """The content parsed so far."""

    def __init__(self) -> None:
        self.logs: list[QuorumMember] = []
        self.witnesses: list[QuorumMember] = []
        self.groups: dict[str, WitnessGroup] = {}
        self.rule: str | None = None
        self._members: set[str] = set()

    def take(self, word: str, arguments: list[str]) -> None:
        match word, arguments:
            case "log", [vkey, *url] if len(url) < 2:
                self.logs.append(_parse_member("", vkey, url, SignatureType.ed25519, self.logs))
            case "witness", [name, vkey, *url] if len(url) < 2:
                self._check_new(name)
                self.witnesses.append(
                    _parse_member(name, vkey, url, SignatureType.cosignature, self.witnesses)
                )
            case "group", [name, needed, *members] if members:
                self._check_new(name)
                self.groups[name] = self._group(needed, tuple(members))
            case "quorum", [name]:
                if self.rule is not None:
                    raise InputError("there is already a quorum line", "a file has exactly one")
                self.rule = name if name == NONE else self._defined_name(name)
            case _:
                raise InputError(
                    f"`{word}` does not begin a line of this form",
                    "`log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME K MEMBER...`, "
                    "`quorum NAME`",
                )

    def _group(self, needed: str, members: tuple[str, ...]) -> WitnessGroup:
        for member in members:
            self._defined_name(member)
            if member in self._members or members.count(member) > 1:
                raise InputError(f"`{member}` is already a member", "a name counts only once")
        count = {"any": "1", "all": str(len(members))}.get(needed, needed)
        if not _COUNT.fullmatch(count) or int(count) > len(members):
            raise InputError(
                f"`{needed}` of `{len(members)}` members is not possible",
                "write `any`, `all` or a number",
            )
        self._members |= set(members)
        return WitnessGroup(int(count), members)

    def _defined_name(self, name: str) -> str:
        if name not in self.groups and name not in {named.name for named in self.witnesses}:
            raise InputError(
                f"`{name}` is not defined above",
                "define a witness or a group before using its name",
            )
        return name

    def _check_new(self, name: str) -> None:
        if name == NONE or name in self.groups or name in {named.name for named in self.witnesses}:
            raise InputError(f"`{name}` is already defined", "choose another name")


def _parse_member(
    name: str, vkey: str, url: list[str], signature_type: SignatureType, members: list[QuorumMember]
) -> QuorumMember:
    verifier = Verifier.parse(vkey)
    if verifier.type is not signature_type:
        raise InputError(
            f"the key of `{verifier.name}` does not have the type `{signature_type:#04x}`"
        )
    if verifier.public in {other.verifier.public for other in members}:
        raise InputError(
            f"the key of `{verifier.name}` is already in the file", "a key counts only once"
        )
    return QuorumMember(name, verifier, url[0] if url else "")

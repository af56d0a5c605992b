"""The proofs of a release, from which, with the log, third parties can repeat its decisions.

    proof/policies.jsonl.gz     a policy version a line, canonical, by its number
    proof/candidates.jsonl.gz   a conversation a line: {"conversation":handle,"in":turns,"out":{reason:turns},
                                "salted":{commitment:turns},"v":1}
    proof/rows.jsonl.gz         a row a line: {"conversation":handle,"last_on":day,"marks":[[plan,surface,version],..],
                                "ordinal":n,"policy_sha256":hex,"project":pseudonym,"question":name,"row_id":hex,
                                "sealed_sha256":hex,"sources":[..],"until":day,"v":2,"who":pseudonym}
    a source                    {"because","grant","keep_until":day,"last_on":day,"mark":place in marks,"narrowing",
                                "place","said_on":day of the deciding segment's last turn,"segment","turns":{origin:n}}

A row under a grant names the question that covers the purpose, and its project if the grant is for
the project; else these are null. Rows of version 1 predate questions: they have neither, and
``widening``, how often the conversation had been let in, instead of ``narrowing``, how often it had
been kept out.

Canonical JSON (RFC 8785), one value per line; candidates in the order of their handles, rows in
that of handle and ordinal, so that two neighbours prove that nothing is between them. An RFC 6962
tree, as in the ledger, covers the lines of each file; the manifest has its root, and the leaf of
the release has the hash of the manifest. An index in each file finds one conversation without
reading the others (`release.proof_lines`).

Handles and pseudonyms are those of the log's year (`ledger.entries`). Times are days, because an
instant would reveal when somebody wrote. A reason that reveals something about a person is a
commitment, HMAC-SHA256(salt, "why" || release id || handle || reason): the person's salt opens it,
and when the account's key is destroyed nobody else can. Nothing here opens a commitment of the log.

During a build, lines are collected in an unnamed temporary file. The lines of a page do not change,
except for rows that are removed later, so a resumed build reads them from the draft
(`release.draft`).
"""

from __future__ import annotations

import hmac
import mmap
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, Self
from uuid import UUID

import msgspec

from licet.ledger import entries
from licet.ledger.canonical_json import Canonical
from licet.policy.decide import Decision, DecisionReason
from licet.policy.file import Policies
from licet.policy.state import WHOLE_ACCOUNT, ScopeKind
from licet.release.manifest import PROOF_FOLDER, PROOF_NAMES, ProofPins
from licet.release.proof_lines import write_lines
from licet.release.row_keys import SealedRow
from licet.release.row_runs import RowSources
from licet.vault.account_view import AccountView
from licet.vault.copies import CopyPlace

CANDIDATE_VERSION: Literal[1] = 1
ROW_VERSION: Literal[2] = 2
SALT_BYTES = 32
HANDLE_BYTES = 32
_LENGTH_BITS = 24  # of a line; its place has the other forty
# Reasons in clear: they concern the content, its age or the terms. All others are salted.
OPEN_REASONS = frozenset(
    {
        DecisionReason.before_grant.value,
        DecisionReason.expired.value,
        DecisionReason.origin.value,
        DecisionReason.purpose.value,
        DecisionReason.stale_terms.value,
        "empty",
        "erased",
        "incomplete_row",
        "too_large",
    }
)

_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode


class _Spool:
    """Lines, each after its key of `HANDLE_BYTES`, in an unnamed append-only file; only positions,
    with lengths in the last bits, are in memory.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 closed by `close`
        self._places, self._end = array("Q"), 0
        self._mapped: mmap.mmap | None = None

    def __len__(self) -> int:
        return len(self._places)

    def add(self, key: bytes, line: bytes) -> None:
        self._places.append(self._append_line(key, line))

    def replace(self, number: int, line: bytes) -> None:
        self._places[number] = self._append_line(self.key(number), line)

    def _append_line(self, key: bytes, line: bytes) -> int:
        assert len(key) == HANDLE_BYTES
        assert len(line) < 1 << _LENGTH_BITS
        place = self._end << _LENGTH_BITS | len(line)
        self._file.write(key + line)
        self._end += len(key) + len(line)
        return place

    def key(self, number: int) -> bytes:
        at = self._places[number] >> _LENGTH_BITS
        return self._written_so_far()[at : at + HANDLE_BYTES]

    def line(self, number: int) -> bytes:
        place = self._places[number]
        at = (place >> _LENGTH_BITS) + HANDLE_BYTES
        return self._written_so_far()[at : at + (place & (1 << _LENGTH_BITS) - 1)]

    def _written_so_far(self) -> mmap.mmap:
        if self._mapped is None or len(self._mapped) < self._end:
            self._file.flush()
            self._mapped = mmap.mmap(self._file.fileno(), self._end, access=mmap.ACCESS_READ)
        return self._mapped

    def sorted_lines(self) -> Iterator[tuple[int, bytes]]:
        """(number, line) sorted by key and number: by the keys' first byte, then each bucket."""
        alike = [array("I") for _ in range(256)]
        for number in range(len(self)):
            alike[self.key(number)[0]].append(number)
        for numbers in alike:
            for number in sorted(numbers, key=self.key):
                yield number, self.line(number)

    def close(self) -> None:
        if self._mapped is not None:
            self._mapped.close()
        self._file.close()


class _Moved:
    """The turns of a conversation removed after its page, as reported in its line."""

    __slots__ = ("out", "salted", "turns")

    def __init__(self) -> None:
        self.turns = 0
        self.out: Counter[str] = Counter()
        self.salted: Counter[str] = Counter()


class ProofLine(NamedTuple):
    """A line of a proof file, under the handle of its conversation."""

    handle: bytes
    line: bytes


class PageProofs:
    """The lines of one page, made where it is decided; ``salts`` of the page's accounts."""

    def __init__(self, release_id: UUID, purpose: str, salts: Mapping[UUID, bytes]) -> None:
        self._release, self._purpose, self._salts = release_id, purpose, salts
        self._who: dict[UUID, str] = {}  # the pseudonym of each account
        self._handles: dict[UUID, str] = {}  # of each conversation
        self.candidates: list[ProofLine] = []
        self.rows: list[ProofLine] = []

    def candidate(
        self, account: UUID, conversation: UUID, included: int, dropped: Mapping[str, int]
    ) -> None:
        """Adds a candidate conversation: its included turns, and the others by reason."""
        salt = self._salts[account]
        handle = self._handles[conversation] = entries.conversation_pseudonym(salt, conversation)
        line = candidate_line(handle, included, dropped, self._release, salt)
        self.candidates.append(ProofLine(bytes.fromhex(handle), line))

    def row(
        self,
        view: AccountView,
        policies: Policies,
        row: RowSources,
        sealed: SealedRow,
        sealed_sha256: bytes,
    ) -> None:
        """Adds a row of a candidate with the basis of its decision; rows in order of ordinals."""
        salt, handle = self._salts[row.account], self._handles[row.conversation]
        if row.account not in self._who:
            self._who[row.account] = entries.account_tag(salt)
        identity: dict[str, Canonical] = {
            "v": ROW_VERSION,
            "conversation": handle,
            "who": self._who[row.account],
            "ordinal": row.ordinal,
            "row_id": sealed.row_id.hex(),
            "sealed_sha256": sealed_sha256.hex(),
            "until": _day(sealed.until),
        }
        decided = decision_basis(view, policies, self._purpose, row, salt)
        self.rows.append(ProofLine(bytes.fromhex(handle), _encode({**identity, **decided})))


def derive_salts(
    accounts: Iterable[UUID], log_keys: Mapping[UUID, bytes], random: Callable[[int], bytes]
) -> dict[UUID, bytes]:
    """The salt of each account; a random one if its key is destroyed."""
    return {
        account: entries.derive_salt(log_keys[account])
        if account in log_keys
        else random(SALT_BYTES)
        for account in accounts
    }


class Proofs:
    """Collects the proofs of one build and writes them."""

    def __init__(
        self, folder: Path, release_id: UUID, purpose: str, random: Callable[[int], bytes]
    ) -> None:
        (folder / PROOF_FOLDER).mkdir()
        self._folder, self._release, self._purpose, self._random = (
            folder,
            release_id,
            purpose,
            random,
        )
        self._rows, self._candidates = _Spool(folder), _Spool(folder)
        self._salts: dict[UUID, bytes] = {}
        self._moved: dict[bytes, _Moved] = {}  # by handle

    def __len__(self) -> int:
        """The number of rows, removed ones included."""
        return len(self._rows)

    def add(self, candidates: Iterable[ProofLine], rows: Iterable[ProofLine]) -> None:
        """Adds the lines of a page; pages come in order."""
        for spool, lines in ((self._candidates, candidates), (self._rows, rows)):
            for handle, line in lines:
                spool.add(handle, line)

    def set_salts(self, accounts: Iterable[UUID], log_keys: Mapping[UUID, bytes]) -> None:
        """Sets the salts of these accounts for `replace_row` and `remove_row`."""
        self._salts = derive_salts(accounts, log_keys, self._random)

    def add_stored(self, candidate_lines: Iterable[bytes], row_lines: Iterable[bytes]) -> None:
        """Adds a stored page of a resumed build."""
        for spool, lines in ((self._candidates, candidate_lines), (self._rows, row_lines)):
            for line in lines:
                spool.add(bytes.fromhex(_decode(line)["conversation"]), line)

    def replace_row(self, view: AccountView, policies: Policies, row: RowSources) -> None:
        """Replaces the line of a row that was decided again and stays; needs its account's salt."""
        line_values: dict[str, Any] = _decode(self._rows.line(row.ordinal))
        line_values |= decision_basis(view, policies, self._purpose, row, self._salts[row.account])
        self._rows.replace(row.ordinal, _encode(line_values))

    def remove_row(self, ordinal: int, account: UUID, reasons: Mapping[str, int]) -> None:
        """Removes a row, with its turns by reason; needs its account's salt."""
        handle = self._rows.key(ordinal)
        out, salted = _commit_reasons(handle.hex(), reasons, self._release, self._salts[account])
        moved = self._moved.setdefault(handle, _Moved())
        moved.turns += sum(reasons.values())
        moved.out.update(out)
        moved.salted.update(salted)

    def write(self, removed: set[int], policies: Policies) -> ProofPins:
        """Writes the three files durably, without removed rows."""
        texts = (version.text() for version in policies.versions)
        return ProofPins(
            policies=write_lines(self._folder, PROOF_NAMES["policies"], texts),
            candidates=write_lines(
                self._folder, PROOF_NAMES["candidates"], self._candidate_lines()
            ),
            rows=write_lines(
                self._folder,
                PROOF_NAMES["rows"],
                (line for number, line in self._rows.sorted_lines() if number not in removed),
            ),
        )

    def _candidate_lines(self) -> Iterator[bytes]:
        for number, line in self._candidates.sorted_lines():
            moved = self._moved.get(self._candidates.key(number))
            if moved is None:
                yield line
                continue
            line_values: dict[str, Any] = _decode(line)
            line_values["in"] -= moved.turns
            line_values["out"] = dict(Counter(line_values["out"]) + moved.out)
            line_values["salted"] = dict(Counter(line_values["salted"]) + moved.salted)
            yield _encode(line_values)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._candidates.close()


def candidate_line(
    handle: str, included: int, out: Mapping[str, int], release_id: UUID, salt: bytes
) -> bytes:
    """The line of a candidate: `OPEN_REASONS` in clear, the others as commitments."""
    named, salted = _commit_reasons(handle, out, release_id, salt)
    return _encode(
        {
            "v": CANDIDATE_VERSION,
            "conversation": handle,
            "in": included,
            "out": named,
            "salted": salted,
        }
    )


def _commit_reasons(
    handle: str, reasons: Mapping[str, int], release_id: UUID, salt: bytes
) -> tuple[dict[str, int], dict[str, int]]:
    """Turns by open reason, and by commitment to the other reasons."""
    about = b"why" + release_id.bytes + bytes.fromhex(handle)
    named = {reason: count for reason, count in reasons.items() if reason in OPEN_REASONS}
    salted = {
        hmac.digest(salt, about + reason.encode(), "sha256").hex(): count
        for reason, count in reasons.items()
        if reason not in OPEN_REASONS
    }
    return named, salted


def decision_basis(
    view: AccountView, policies: Policies, purpose: str, row: RowSources, salt: bytes
) -> dict[str, Canonical]:
    """The basis of the decision on a row, beyond what the log and the policies state."""
    chat, now = view.turns, policies.number(view.at)
    marks = sorted({(s.stamp.plan, s.stamp.surface, s.stamp.version) for s in chat.segments})
    turns: dict[tuple[int, DecisionReason], Counter[str]] = {}
    decided: dict[tuple[int, DecisionReason], Decision] = {}
    for source in row.sources:
        of = source.segment, source.turn, [source.origin]
        decision = view.decide_segment(*of, policies, purpose)[source.origin]
        key = (source.segment, decision.because)
        decided[key] = decision
        turns.setdefault(key, Counter())[source.origin] += source.count
    under = next((one for one in decided.values() if one.because is DecisionReason.permitted), None)
    return {
        "policy_sha256": policies[now].sha256().hex(),
        "question": under.question if under else None,
        "project": _project(view, under, salt) if under else None,
        "last_on": _day(chat.segments[-1].last_at),
        "marks": marks,
        "sources": [
            _source(view, policies, now, row, marks, key[0], decided[key], counts)
            for key, counts in sorted(turns.items())
        ],
    }


def _project(view: AccountView, decision: Decision, salt: bytes) -> str | None:
    """The pseudonym of the project, if the deciding grant is for the project."""
    scopes = {grant.number: grant.scope for grant in view.state.grants}
    kind, name = scopes[decision.grant] if decision.grant is not None else WHOLE_ACCOUNT
    return entries.project_pseudonym(salt, UUID(hex=name)) if kind is ScopeKind.project else None


def _source(
    view: AccountView,
    policies: Policies,
    now: int,
    row: RowSources,
    marks: list[tuple[str, str, int]],
    number: int,
    decision: Decision,
    counts: Mapping[str, int],
) -> dict[str, Canonical]:
    chat, segment = view.turns, view.turns.segments[number]
    stamp = segment.stamp
    whole = policies.terms(stamp.version, now).some_whole
    deciding = chat.segments[chat.deciding] if whole else segment
    is_granted, safe = (
        decision.because is DecisionReason.permitted,
        decision.because is DecisionReason.flagged,
    )
    until = (
        segment.safety_until if safe and segment.safety_until is not None else segment.keep_until
    )
    return {
        "segment": number,
        "place": CopyPlace.safety.value
        if (number, CopyPlace.safety) in row.keys and safe
        else CopyPlace.vault.value,
        "because": decision.because.value,
        "turns": dict(counts),
        "mark": marks.index((stamp.plan, stamp.surface, stamp.version)),
        "last_on": _day(segment.last_at),
        "keep_until": _day(until),
        "grant": decision.grant if is_granted else None,
        "narrowing": chat.narrowings if is_granted else None,
        "said_on": _day(deciding.last_at) if is_granted else None,
    }


def _day(moment: datetime) -> str:
    """The UTC day of an instant; the years of the rule have four digits."""
    return moment.date().isoformat()

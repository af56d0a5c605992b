"""The rule inside the stand-alone verifier, held against the policy's cases and against drawn histories.

The verifier decides a row of a release by what its line claims and what the log told before: days in place of instants, no
age, no reason. Here each turn of a world is put into such a line with what is true of it, as if it could be used; the
verifier must take it exactly where the rule says that it may be. `TESTS_VERIFIER_HISTORIES` sets how many are
drawn (600, of which a run draws a quarter: `tests/quarters.py`).
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
import yaml

from licet import verifier
from licet.policy import events as ev
from licet.policy.decide import Decision, DecisionReason
from licet.policy.file import Policies, Reach, read
from licet.policy.period import instant
from licet.policy.state import AccountState, ConversationState, TurnState
from licet.policy.world import Owned, World
from licet.release.proofs import decided_of
from licet.release.registry import RowSource, RowSources
from licet.vault.account_view import AccountView
from licet.vault.copies import CopyPlace

from ..quarters import seeds, share
from .histories import PURPOSES, History, history
from .test_reference import document

HISTORIES = int(os.environ.get("TESTS_VERIFIER_HISTORIES") or share(600))
SEED = int(os.environ.get("TESTS_SEED") or seeds(600).start)
CASES = Path(__file__).parent.parent / "spec" / "cases.yaml"
SAFETY = "safety_classifiers"
# No leaf tells an age: a flagged turn of somebody who is too young is beyond a stranger.
UNTOLD = {DecisionReason.age}


def name_of(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()


class Log:
    """A world and the leaves that the vault would tell of it, by what each event changed."""

    def __init__(self, policies: Policies) -> None:
        self.world, self.policies = World(policies), policies
        self.told = verifier.Permissions("0" * 32)
        self.told.year = 2020  # one log for all the years that are drawn
        for number, version in enumerate(policies.versions):
            self.tell("policy_applied", version.effective, number=number, sha256=version.sha256().hex())

    def tell(self, kind: str, at: datetime, who: str = "", **facts: Any) -> None:
        entry = {"t": kind, "at": at.isoformat(), "facts": facts} | ({"who": name_of(who)} if who else {})
        self.told.take(entry)

    def apply(self, event: ev.Event) -> None:
        accounts, chats = dict(self.world.accounts), {n: o.conversation for n, o in self.world.conversations.items()}
        at = self.world.apply(event)
        self._accounts(accounts, event, at)
        for name, owned in self.world.conversations.items():
            before = chats.get(name)
            if before is not None and before != owned.conversation:
                self._chat(owned, name, before, event, at)

    def advance(self, at: datetime) -> None:
        before = dict(self.world.accounts)
        self.world.advance(at)
        self._accounts(before, None, at)

    def _accounts(self, before: dict[str, AccountState], event: ev.Event | None, at: datetime) -> None:
        for name, now in self.world.accounts.items():
            was = before.get(name)
            if was is None or was == now:
                continue
            is_choice = isinstance(event, ev.ChooseEvent) and event.account == name
            if was.grant is not None and now.grant != was.grant:
                self.tell("grant_ended", at, name, grant=was.grant, cause="other")
            if now.grant is not None and is_choice and isinstance(event, ev.ChooseEvent) and event.allow:
                kind = "grant_affirmed" if now.grant == was.grant else "grant_begun"
                self.tell(kind, at, name, grant=now.grant, version=self.policies.number(at))
            if now.closed_at is not None and was.closed_at is None:
                self.tell("closed", at, name)

    def _chat(self, owned: Owned, name: str, before: ConversationState, event: ev.Event, at: datetime) -> None:
        now, handle = owned.conversation, name_of(name)
        if now.deleted_at is not None and before.deleted_at is None:
            self.tell("deleted", at, owned.account, handle=handle)
        if now.narrowed != before.narrowed:
            self.tell("narrowed" if now.narrowed else "widened", at, owned.account, handle=handle)
        if isinstance(event, ev.FlagEvent | ev.UnflagEvent):
            self.tell("flagged" if isinstance(event, ev.FlagEvent) else "unflagged", at, owned.account, handle=handle)


def day(at: datetime) -> str:
    return at.date().isoformat()


def row(log: Log, name: str, turn: TurnState, because: DecisionReason, at: datetime) -> dict[str, Any]:
    """The line of a release that holds this turn alone, with what is true of it but for ``because``."""
    owned, now = log.world.conversations[name], log.policies.number(at)
    chat = owned.conversation
    segment = chat.segments[turn.segment]
    marks = sorted({(s.stamp.plan, s.stamp.surface, s.stamp.version) for s in chat.segments})
    stamp, safe = segment.stamp, because is DecisionReason.flagged
    until = segment.safety_until if safe and segment.safety_until is not None else segment.keep_until
    whole = log.policies[stamp.version].reach is Reach.conversation and log.policies[now].reach is Reach.conversation
    deciding = chat.segments[chat.deciding] if whole else segment
    grant = None if safe else deciding.stamp.grant
    source = {
        "segment": turn.segment, "place": "safety" if safe else "vault", "because": because.value,
        "turns": {turn.origin: 1}, "mark": marks.index((stamp.plan, stamp.surface, stamp.version)),
        "last_on": day(segment.last_at), "keep_until": day(until), "grant": grant.number if grant else None,
        "widening": grant.widening if grant else None, "said_on": day(deciding.last_at) if grant else None,
    }  # fmt: skip
    return {
        "v": 1, "conversation": name_of(name), "who": name_of(owned.account), "ordinal": 0, "row_id": "0" * 32,
        "sealed_sha256": "0" * 64, "until": day(until), "policy_sha256": log.policies[now].sha256().hex(),
        "last_on": day(chat.segments[-1].last_at), "marks": [list(mark) for mark in marks], "sources": [source],
    }  # fmt: skip


def broken(log: Log, purpose: str, line: dict[str, Any], at: datetime) -> str:
    """The promise that the verifier finds broken in a line; empty where it takes it."""
    terms = [
        verifier.read_terms(msgspec.json.encode(version.document(), order="sorted"), f"policy {number}")
        for number, version in enumerate(log.policies.versions)
    ]
    decider = verifier.Decider("0" * 32, purpose, at, verifier.ReleasePolicies(terms), log.told)
    try:
        decider.check(verifier.read_row(msgspec.json.encode(line, order="sorted"), "row"), "row")
    except verifier.ContradictionError as contradiction:
        return contradiction.finding.promise
    return ""


def written(log: Log, name: str, turn: TurnState, purpose: str, at: datetime) -> dict[str, Any]:
    """The same line as the product writes it, for a turn that may be used."""
    owned = log.world.conversations[name]
    seen = AccountView(
        account=None, state=log.world.accounts[owned.account], conversation=None, turns=owned.conversation, at=at
    )  # type: ignore[arg-type]
    key = (
        CopyPlace.safety
        if seen.decide(turn, log.policies, purpose).because is DecisionReason.flagged
        else CopyPlace.vault
    )
    of = RowSources(
        account=UUID(int=0), conversation=UUID(int=0), row_id=bytes(16), ordinal=0, keys=((turn.segment, key),),
        sources=(RowSource(turn=turn.number, count=1, origin=turn.origin, segment=turn.segment),),
    )  # fmt: skip
    return dict(msgspec.json.decode(msgspec.json.encode(decided_of(seen, log.policies, purpose, of))))


def questions(log: Log, at: datetime) -> Iterator[tuple[str, TurnState, str, Decision]]:
    for named, (name, turn) in log.world.turns.items():
        for purpose in PURPOSES:
            yield name, turn, purpose, log.world.decide(named, purpose, at)


def hold(log: Log, at: datetime, reasons: Counter[str]) -> None:
    """Every turn at a moment, for every purpose: the verifier takes it exactly where the rule permits it."""
    for name, turn, purpose, decision in questions(log, at):
        flagged = row(log, name, turn, DecisionReason.flagged, at)
        permitted = row(log, name, turn, DecisionReason.permitted, at)
        if decision.use:
            line = flagged if decision.because is DecisionReason.flagged else permitted
            assert line | written(log, name, turn, purpose, at) == line
            assert broken(log, purpose, line, at) == "", (name, turn, purpose, decision)
        for line, because in ((flagged, DecisionReason.flagged), (permitted, DecisionReason.permitted)):
            if decision.because is because:
                continue
            beyond = is_beyond(log, name, turn, line, decision, at)
            reasons["beyond" if beyond else "seen through"] += 1
            if not beyond:
                assert broken(log, purpose, line, at) != "", f"{name} {turn} {purpose} {decision} {because} {line}"
        reasons[decision.because.value] += 1


def is_beyond(log: Log, name: str, turn: TurnState, line: dict[str, Any], decision: Decision, at: datetime) -> bool:
    """What a stranger cannot see: an age; an end within the day; that something was said on the very day on which its
    conversation was kept out or let in again, or while it was kept out from its beginning.
    """
    source = line["sources"][0]
    chat = log.world.conversations[name].conversation
    covered = turn.number <= chat.segments[turn.segment].flagged_turn
    is_flagged = source["because"] == "flagged"
    out = log.told.chats[name_of(name)].out if name_of(name) in log.told.chats else []
    inside = any(begun < source["last_on"] < ended for begun, ended in out)
    return (
        decision.use or decision.because in UNTOLD or source["keep_until"] == day(at)
        or (decision.because is DecisionReason.narrowed and not chat.narrowed and not inside)
        or (is_flagged and not covered and chat.safety_until is not None)
    )  # fmt: skip


def lived(drawn: History, at: datetime) -> Log:
    log = Log(drawn.policies())
    for event in drawn.events:
        if event.at <= at:
            log.apply(event)
    log.advance(at)
    return log


def test_the_verifier_takes_a_turn_of_a_drawn_history_exactly_where_the_rule_permits_it() -> None:
    reasons: Counter[str] = Counter()
    for seed in range(SEED, SEED + HISTORIES):
        drawn = history(seed)
        for at in drawn.moments[-2:]:
            hold(lived(drawn, at), at, reasons)
    missing = {because.value for because in DecisionReason} - {"unknown"} - set(reasons)
    assert len(missing) <= (HISTORIES < 600), missing  # in a quarter, one rare reason may be absent
    assert min(reasons["permitted"], reasons["flagged"]) > HISTORIES // 10, reasons
    assert reasons["seen through"] > 3 * reasons["beyond"], reasons


@pytest.mark.parametrize("case", yaml.safe_load(CASES.read_text("utf-8")), ids=lambda case: case["case"])
def test_the_verifier_answers_the_worked_cases(case: dict[str, Any]) -> None:
    policies = case["policy"] if isinstance(case["policy"], list) else [case["policy"]]
    versions = Policies(read(document(policy)) for policy in policies)
    events = [msgspec.convert({**event, "at": instant(event["at"])}, ev.Event) for event in case["events"]]
    for at in sorted({instant(expected["at"]) for expected in case["expect"]}):
        log = Log(versions)
        for event in events:
            if event.at <= at:
                log.apply(event)
        log.advance(at)
        hold(log, at, Counter())

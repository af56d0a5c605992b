"""The vault beside the world: the same events act on both, and every question is asked of both.

`Pair` turns events of `policy.events` into the vault's commands, one batch a `flush`, and asks the
questions of a case file of the tables alone. Names of the host are hashed here as a host would: the
vault sees no name.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from licet.erasure import sweep_batches
from licet.erasure.sweep_batches import SweepResult
from licet.keys import material
from licet.keys.keyring import Keyring
from licet.keys.material import safety_place, unseal
from licet.policy import events as ev
from licet.policy import fold
from licet.policy.decide import UNKNOWN, decide_feedback
from licet.policy.file import Policies
from licet.policy.state import Feedback, Share
from licet.policy.world import World
from licet.store.connect import Transaction
from licet.vault import account_view, blocks
from licet.vault import commands as do
from licet.vault.apply import advance, apply
from licet.vault.commands import CommandResult, Outcome
from licet.vault.content import Content, decode, encode
from licet.vault.ids import uuid7
from licet.vault.writes import feedback_place

PURPOSES = ("improve_models", "safety_classifiers", "ads")
Run = Callable[[], AbstractContextManager[Any]]
Question = tuple[str, ...]


def insert_versions(tx: Transaction, policies: Policies) -> None:
    """Every version up front, whatever its date: `policies.add` refuses versions in the past."""
    for number, policy in enumerate(policies.versions):
        tx.execute(
            """INSERT INTO policies (number, policy, version, effective, document, sha256,
               applied_at, applied_by)
               VALUES (%s, %s, %s, %s, %s, %s, %s, 'test')""",
            [
                number,
                policy.policy,
                policy.version,
                policy.effective,
                msgspec.json.encode(policy.document(), order="sorted").decode(),
                policy.sha256(),
                policy.effective,
            ],
        )


def savepoints(conn: Transaction) -> Run:
    """Transactions inside one that is rolled back in the end."""

    @contextmanager
    def run() -> Iterator[Transaction]:
        with conn.transaction():
            yield conn

    return run


def hashed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:16]


def new_account(at: datetime) -> UUID:
    return uuid7(at, os.urandom(10))


def words(name: str) -> bytes:
    return encode(Content(text=f"what {name} says"))


class Pair:
    """A world and a vault. ``run`` opens the transaction of one batch."""

    def __init__(self, run: Run, keyring: Keyring, policies: Policies) -> None:
        self.run, self.keyring, self.policies = run, keyring, policies
        self.world = World(policies)
        self.accounts: dict[str, UUID] = {}
        self.conversations: dict[str, UUID] = {}
        self.turns: dict[str, tuple[str, int]] = {}
        self.feedback: dict[str, UUID] = {}
        self.answers: list[CommandResult] = []
        self.waiting: list[tuple[ev.Event, do.Command, Outcome]] = []

    # Events

    def apply(self, *events: ev.Event) -> None:
        """Each event in a batch of its own."""
        for event in events:
            self.push(event)
            self.flush()

    def push(self, event: ev.Event) -> None:
        """Adds an event to the batch; a conversation begun in it has no id to name it by until it
        is flushed.
        """
        for named in self._named(event):
            begun = named in self.world.conversations and named not in self.conversations
            mine = begun and self.world.conversations[named].account == event.account
            if begun and not (isinstance(event, ev.SayEvent) and mine):
                self.flush()
        command = self._command(event)
        before = self._known(event)
        self.world.apply(event)
        if command is not None:
            self.waiting.append((event, command, self._expected(event, before)))

    @staticmethod
    def _named(event: ev.Event) -> list[str]:
        """The conversations that an event names."""
        if isinstance(event, ev.ChooseEvent):
            scopes = [*event.keep, *([event.scope] if event.scope is not None else [])]
            return [scope.conversation for scope in scopes if scope.conversation is not None]
        named = getattr(event, "conversation", None)
        return [] if named is None else [named]

    def _scope(self, event: ev.Event, scope: ev.NamedScope) -> do.ChosenScope:
        if scope.project is not None:
            return do.ChosenScope(host_project=hashed(scope.project))
        name = scope.conversation or ""
        never = uuid7(event.at, hashed(name)[:10])  # the id of a conversation that there is not
        return do.ChosenScope(conversation=self.conversations.get(name, never))

    def _known(self, event: ev.Event) -> bool:
        match event:
            case ev.SayEvent():
                return event.turn in self.world.turns
            case ev.GiveFeedbackEvent():
                return event.feedback in self.world.feedback
            case _:
                return False

    def _expected(self, event: ev.Event, known: bool) -> Outcome:
        """What the world did with a turn or a feedback; `done` stands for any effect of another
        event.
        """
        mine = event.account in self.world.accounts
        if isinstance(event, ev.SayEvent | ev.GiveFeedbackEvent) and mine:
            owned = self.world.conversations.get(event.conversation)
            if owned is not None and owned.account != event.account:
                return Outcome.unknown
            if isinstance(event, ev.GiveFeedbackEvent) and owned is None:
                return Outcome.unknown
            if known:
                return Outcome.duplicate
            if isinstance(event, ev.GiveFeedbackEvent):
                return Outcome.done if event.feedback in self.world.feedback else Outcome.refused
            return Outcome.done if event.turn in self.world.turns else Outcome.refused
        return Outcome.done if mine else Outcome.unknown

    def flush(self) -> list[CommandResult]:
        """Applies the batch to the vault, and holds the answers against what the world did."""
        batch, self.waiting = self.waiting, []
        if not batch:
            return []
        with self.run() as tx:
            answers = apply(tx, self.keyring, self.policies, [command for _, command, _ in batch])
        for (event, _, expected), answer in zip(batch, answers, strict=True):
            if isinstance(event, ev.SayEvent | ev.GiveFeedbackEvent):
                assert answer.outcome is expected, (event, answer)
            if isinstance(event, ev.SayEvent) and answer.outcome is Outcome.done:
                assert answer.conversation is not None
                self.conversations.setdefault(event.conversation, answer.conversation)
                assert self.conversations[event.conversation] == answer.conversation
                self.turns[event.turn] = (event.conversation, answer.turn)
            if isinstance(event, ev.GiveFeedbackEvent) and answer.outcome is Outcome.done:
                assert answer.feedback is not None
                self.feedback[event.feedback] = answer.feedback
        self.answers += answers
        return answers

    def _command(self, event: ev.Event) -> do.Command | None:
        """The command of an event; None for what only the world's flat names can say."""
        if isinstance(event, ev.OpenAccountEvent):
            # Ids follow from names, so that two runs of one history sweep in one order.
            account = self.accounts.setdefault(
                event.account, uuid7(event.at, hashed(event.account)[:10])
            )
            return do.OpenAccount(
                account=account,
                at=event.at,
                host=hashed(event.account),
                plan=event.plan,
                age=event.age,
            )
        account = self.accounts.get(event.account, new_account(event.at))
        match event:
            case ev.SetPlanEvent():
                return do.SetPlan(account=account, at=event.at, plan=event.plan)
            case ev.SetAgeEvent():
                return do.SetAge(account=account, at=event.at, age=event.age)
            case ev.SetRegionEvent():
                return do.SetRegion(account=account, at=event.at, region=event.region)
            case ev.CloseAccountEvent():
                return do.CloseAccount(account=account, at=event.at)
            case ev.ChooseEvent():
                return do.Choose(
                    account=account,
                    at=event.at,
                    allow=event.allow,
                    age=event.age,
                    evidence="a click",
                    question=event.question,
                    scope=None if event.scope is None else self._scope(event, event.scope),
                    keep=tuple(self._scope(event, kept) for kept in event.keep),
                )
            case ev.NarrowEvent() if event.project is not None:
                return do.KeepProjectOut(
                    account=account, at=event.at, host_project=hashed(event.project)
                )
            case ev.WidenEvent() if event.project is not None:
                return do.LetProjectIn(
                    account=account, at=event.at, host_project=hashed(event.project)
                )
            case ev.SayEvent():
                return self._say(event, account)
            case _:
                return self._about(event, account)

    def _say(self, event: ev.SayEvent, account: UUID) -> do.AddTurn | None:
        owned = self.world.conversations.get(event.conversation)
        theirs = owned is not None and owned.account != event.account
        known = self.world.turns.get(event.turn)
        if known is not None and known[0] != event.conversation and not theirs:
            return None  # in the vault a turn's name is its conversation's own
        return do.AddTurn(
            account=account,
            at=event.at,
            conversation=self.conversations[event.conversation] if theirs else None,
            host_conversation=hashed(event.conversation),
            host_turn=hashed(event.turn),
            role=event.role,
            origin=event.origin,
            surface=event.surface,
            incognito=event.incognito,
            kind=event.kind,
            narrow=event.narrow,
            content=words(event.turn),
            title=words(event.conversation),
            host_project=hashed(event.project) if event.project else None,
            project_title=words(event.project) if event.project else None,
        )

    def _about(self, event: ev.Event, account: UUID) -> do.Command | None:
        conversation = self.conversations.get(event.conversation, new_account(event.at))
        base = {"account": account, "at": event.at, "conversation": conversation}
        match event:
            case ev.HoldEvent():
                return do.Hold(**base, matter=event.matter)
            case ev.UnholdEvent():
                return do.Unhold(**base, matter=event.matter)
            case ev.FlagEvent():
                return do.Flag(**base, score=0.5)
            case ev.GiveFeedbackEvent():
                return self._give(event, base)
            case _:
                return getattr(do, type(event).__name__.removesuffix("Event"))(**base)

    def _give(self, event: ev.GiveFeedbackEvent, base: dict[str, Any]) -> do.GiveFeedback | None:
        known = self.world.feedback.get(event.feedback)
        owned = self.world.conversations.get(event.conversation)
        mine = owned is not None and owned.account == event.account
        if (
            known is not None
            and mine
            and self.world.conversations[known[0]].account != event.account
        ):
            return None  # in the vault a feedback's name is its account's own
        reply = owned.conversation.turns if mine and event.share is Share.reply else 0
        return do.GiveFeedback(
            **base,
            rating="up",
            share=event.share,
            turn=reply,
            comment=words(event.feedback),
            host=hashed(event.feedback),
        )

    # Sweeps

    def advance(self, at: datetime, limit: int = 100) -> None:
        while True:
            with self.run() as tx:
                if advance(tx, self.policies, at, limit=limit) == 0:
                    return

    def sweep(self, at: datetime, limit: int = sweep_batches.BATCH_SEGMENTS_MAX) -> SweepResult:
        """Erases all that is due; what was counted before is what was done."""
        self.advance(at)
        with self.run() as tx:
            counted = sweep_batches.count_due(tx, at)
        done, more = SweepResult(), True
        while more:
            with self.run() as tx:
                batch = sweep_batches.sweep_batch(tx, at, limit=limit)
            assert max(batch.segments, batch.feedback, batch.scores) <= limit
            done, more = done.plus(batch), batch.more
        assert msgspec.structs.replace(counted, more=False) == done
        return done

    # Questions

    def of_world(self, at: datetime) -> dict[Question, object]:
        world = self.world
        world.advance(at)
        found: dict[Question, object] = {}
        for name in world.turns:
            for purpose in PURPOSES:
                decision = world.decide(name, purpose, at)
                found["turn", name, purpose] = (
                    decision.use,
                    decision.because.value,
                    decision.until,
                )
        for name, owned in world.conversations.items():
            found["conversation", name] = (
                owned.conversation.keep_until,
                owned.conversation.safety_until,
            )
        for name in world.accounts:
            gate = world.gate(name, at)
            found["account", name] = gate and gate.value
        for name, (conversation, given) in world.feedback.items():
            decision = world.decide_feedback(name, at)
            held = bool(world.conversations[conversation].conversation.holds)
            keep_until = None if held else given.keep_until
            found["feedback", name] = (
                given.share.value,
                decision.use,
                decision.because.value,
                keep_until,
            )
        return found

    def of_vault(self, at: datetime) -> dict[Question, object]:
        with self.run() as tx:
            return dict(self._asked(tx, at))

    def _asked(self, tx: Transaction, at: datetime) -> Iterable[tuple[Question, object]]:
        owners = {
            name: account_view.owner(tx, conversation)
            for name, conversation in self.conversations.items()
        }
        keys = [(owners[name], conversation) for name, conversation in self.conversations.items()]
        seen = account_view.load_views(tx, keys, self.policies, at)
        turns = {key: {t.number: t for t in account_view.list_turns(tx, *key)} for key in keys}
        for name, (conversation, number) in self.turns.items():
            key = (owners[conversation], self.conversations[conversation])
            for purpose in PURPOSES:
                decision = seen[key[1]].decide(turns[key].get(number), self.policies, purpose)
                yield (
                    ("turn", name, purpose),
                    (decision.use, decision.because.value, decision.until),
                )
        for name, conversation in self.conversations.items():
            state = seen[conversation].turns
            yield ("conversation", name), (state.keep_until, state.safety_until)
        for name, account in self.accounts.items():
            (found,) = account_view.load_gates(tx, [account], at)
            yield ("account", name), found and found.gate.value
        for name, feedback in self.feedback.items():
            yield ("feedback", name), self._feedback(tx, feedback, at)

    def _feedback(self, tx: Transaction, feedback: UUID, at: datetime) -> object:
        row = tx.execute(
            """SELECT account_id, conversation_id, share, version, narrowed, grant_no,
                 grant_narrowing, keep_until
                 FROM feedback WHERE feedback_id = %s""",
            [feedback],
        ).fetchone()
        if row is None:
            return ("none", UNKNOWN.use, UNKNOWN.because.value, None)
        account, conversation, share, version, narrowed, grant, narrowing, keep_until = row
        seen = account_view.load_views(tx, [(account, conversation)], self.policies, at)[
            conversation
        ]
        given = Feedback(
            share=Share(share),
            version=version,
            narrowed=narrowed,
            keep_until=keep_until,
            grant=grant,
            narrowing=narrowing or 0,
        )
        for ending in account_view.account_at(seen.account, self.policies, at).endings:
            if ending.covers(seen.turns):
                given = fold.feedback_after(ending, seen.turns, given, self.policies)
        decision = decide_feedback(seen.state, seen.turns, given, self.policies, at)
        keep = None if seen.turns.holds else given.keep_until
        return (share, decision.use, decision.because.value, keep)


# What the tables hold


def opened(tx: Transaction, keyring: Keyring) -> dict[tuple[str, UUID, int], Content]:
    """Every sealed body that is there, opened by its key: (table, conversation or feedback, turn)
    to content.
    """
    rows = tx.execute(
        """
        SELECT 'blocks', b.account_id, b.conversation_id, b.first_turn, b.segment, s.key_slot,
          b.sealed, b.sizes
          FROM blocks b LEFT JOIN segments s USING (account_id, conversation_id, segment)
         WHERE b.sizes IS NOT NULL
        UNION ALL
        SELECT 'safety_bodies', b.account_id, b.conversation_id, b.turn, b.segment, s.safety_slot,
          b.sealed, NULL
          FROM safety_bodies b LEFT JOIN segments s USING (account_id, conversation_id, segment)
        UNION ALL
        SELECT 'feedback_bodies', b.account_id, b.feedback_id, b.turn, 0, f.key_slot, b.sealed,
          NULL
          FROM feedback_bodies b LEFT JOIN feedback f USING (account_id, feedback_id)
        """
    ).fetchall()
    holders = account_view.load_accounts(tx, [row[1] for row in rows])
    assert all(row[5] is not None for row in rows), "a body without a key"
    keys = (
        keyring.slot_keys(tx, [(holders[row[1]].account_id, row[5]) for row in rows])
        if rows
        else {}
    )
    found = {}
    for table, account, owner, turn, segment, slot, sealed, sizes in rows:
        key = keys[account, slot]
        assert key is not None, "a body whose key was destroyed"
        if table == "blocks":
            place = blocks.associated_data(account, owner, segment, turn, sizes)
            envelopes = blocks.envelopes(turn, sizes, unseal(key, sealed, place))
            found |= {("blocks", owner, n): decode(e) for n, e in envelopes.items()}
            continue
        place = safety_place(account, owner, segment, turn)
        if table == "feedback_bodies":
            place = feedback_place(owner, turn)
        found[table, owner, turn] = decode(unseal(key, sealed, place))
    return found


ORPHANS = """
WITH held AS (
    SELECT account_id, conversation_id, segment, 'vault' AS place,
      '00000000-0000-0000-0000-000000000000'::uuid AS reference
      FROM blocks WHERE sizes IS NOT NULL
    UNION
    SELECT account_id, conversation_id, segment, 'safety', '00000000-0000-0000-0000-000000000000'
      FROM safety_bodies
    UNION
    SELECT b.account_id, f.conversation_id, coalesce(s.segment, 0), 'feedback', b.feedback_id
      FROM feedback_bodies b JOIN feedback f USING (account_id, feedback_id)
      LEFT JOIN segments s ON s.account_id = f.account_id AND s.conversation_id = f.conversation_id
                          AND b.turn BETWEEN s.first_turn AND s.last_turn
     WHERE b.turn > 0 OR NOT EXISTS (SELECT FROM feedback_bodies o WHERE o.account_id = b.account_id
                                        AND o.feedback_id = b.feedback_id AND o.turn > 0)
), registered AS (
    SELECT account_id, conversation_id, segment, place, reference FROM copies
     WHERE ended_at IS NULL AND place <> 'release'
)
(SELECT 'not registered', * FROM held EXCEPT SELECT 'not registered', * FROM registered)
UNION ALL
(SELECT 'not there', * FROM registered EXCEPT SELECT 'not there', * FROM held)
"""


def orphans(tx: Transaction) -> list[tuple[object, ...]]:
    """Copies that nobody registered, and open registrations of copies that are not there."""
    return tx.execute(ORPHANS).fetchall()


def disorder(tx: Transaction) -> list[str]:
    """What breaks the account's one order: dense numbers, times that never decrease, positions
    along it.
    """
    found = []
    events = """SELECT account_id, seq, occurred_at FROM journal
                UNION ALL SELECT account_id, seq, occurred_at FROM turns"""
    for account, count, lowest, highest, distinct, last_seq in tx.execute(
        f"""SELECT a.account_id, count(e.seq), min(e.seq), max(e.seq), count(DISTINCT e.seq),
              a.last_seq
              FROM accounts a LEFT JOIN ({events}) e USING (account_id) GROUP BY a.account_id"""
    ):
        if not (lowest == 1 and count == highest == distinct == last_seq):
            found.append(
                f"{account}: {count} events, {distinct} numbers, {lowest} to {highest}, "
                f"last {last_seq}"
            )
    for account, seq in tx.execute(
        f"""SELECT account_id, seq FROM (SELECT account_id, seq, occurred_at,
                   lag(occurred_at) OVER (PARTITION BY account_id ORDER BY seq) AS before
                     FROM ({events}) e) o
             WHERE occurred_at < before"""
    ):
        found.append(f"{account}: time decreases at {seq}")
    for account, seq in tx.execute(
        """SELECT account_id, seq FROM (SELECT account_id, seq, position,
                  lag(position) OVER (PARTITION BY account_id ORDER BY seq) AS before
                    FROM journal) o
            WHERE position <= before"""
    ):
        found.append(f"{account}: position decreases at {seq}")
    for account, seq in tx.execute(
        """SELECT account_id, seq FROM choices c WHERE NOT EXISTS (SELECT FROM journal j
            WHERE j.account_id = c.account_id AND j.seq = c.seq AND j.event = 'choice'
              AND j.occurred_at = c.occurred_at)"""
    ):
        found.append(f"{account}: the choice {seq} is not in the journal")
    return found


def destroyed(tx: Transaction) -> dict[tuple[UUID, int], bool]:
    """Each slot ever given: whether its key was destroyed."""
    size = len(material.EMPTY_SLOT)
    found = {}
    for account, page, slots, next_slot in tx.execute(
        "SELECT account_id, page, slots, next_slot FROM key_pages JOIN accounts USING (account_id)"
    ):
        for place in range(len(slots) // size):
            slot = page * (len(slots) // size) + place
            if slot < next_slot:
                found[account, slot] = (
                    slots[place * size : (place + 1) * size] == material.EMPTY_SLOT
                )
    return found


def living(tx: Transaction) -> set[tuple[UUID, int]]:
    """The slots that some row names."""
    return set(
        tx.execute(
            """SELECT account_id, key_slot FROM segments WHERE key_slot IS NOT NULL
               UNION SELECT account_id, safety_slot FROM segments WHERE safety_slot IS NOT NULL
               UNION SELECT account_id, key_slot FROM feedback WHERE key_slot IS NOT NULL"""
        ).fetchall()
    )


def sound(tx: Transaction, keyring: Keyring) -> dict[tuple[str, UUID, int], Content]:
    """Every invariant of the tables at once; answers all content."""
    found = opened(tx, keyring)
    assert orphans(tx) == []
    assert disorder(tx) == []
    assert {slot for slot, dead in destroyed(tx).items() if not dead} == living(tx)
    return found

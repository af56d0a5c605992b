"""The one way into the vault: commands folded in order, their rows gathered, all written in one transaction.

For each account the order is: lock its row, bring its time up, take its next number, read its state, fold with
`policy.fold`. A batch locks accounts in the order of their ids. A live turn passes the gate; a replay of
recorded history applies stamps and dates, but not the gate nor the refusal of expired conversations.

A verb that can take rows out of a release takes `account_journal.ENDINGS_LOCK` shared before it numbers its journal row: whoever
holds it exclusively sees every ending up to a position, and none is on its way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import assert_never
from uuid import UUID

from msgspec.structs import replace

from licet.errors import BrokenError, UsageError
from licet.keys import fence
from licet.keys.keyring import Keyring
from licet.keys.material import SLOTS_PER_PAGE, bucket_of
from licet.ledger.outbox import Entry, EntryKind
from licet.policy import fold
from licet.policy.file import Policies
from licet.policy.state import AccountState, Feedback, TurnRole
from licet.store.connect import Transaction
from licet.store.rows import pipelined
from licet.vault import account_choices, account_view, certificate, host_events, restriction, safety_copies, tables
from licet.vault.account_choices import NewestChoice
from licet.vault.commands import (
    BATCH_COMMANDS_MAX,
    BEFORE_THE_YES,
    STALE,
    About,
    Choose,
    CloseAccount,
    Command,
    CommandResult,
    Delete,
    Flag,
    GiveFeedback,
    Hold,
    Narrow,
    OpenAccount,
    Outcome,
    Say,
    SetAge,
    SetPlan,
    TakeBackFeedback,
    Unflag,
    Unhold,
    Widen,
    check,
)
from licet.vault.copies import CopyPlace
from licet.vault.host_events import LeaveReason as Leaving
from licet.vault.host_events import NewHostEvent
from licet.vault.ids import uuid7
from licet.vault.tables import AccountRow, ConversationRow, SegmentKeys
from licet.vault.writes import Page, Writes

# Each turn dates every segment anew and writes those rows: with a bound, a turn costs what any turn costs.
SEGMENTS_MAX = 256
TOO_MANY_SEGMENTS = "too_many_segments"


def apply(
    tx: Transaction, keyring: Keyring, policies: Policies, commands: Sequence[Command], *, replay: bool = False
) -> list[CommandResult]:
    """Folds ``commands`` in order and writes what follows; one answer each, in order.

    Raises UsageError for a value that no table takes, before anything is done, and nothing else for what a caller
    may get wrong: what cannot be done is answered. The caller commits; nothing is acknowledged before that.
    """
    if len(commands) > BATCH_COMMANDS_MAX:
        raise UsageError(f"`{len(commands)}` commands in one batch: at most {BATCH_COMMANDS_MAX}")
    for command in commands:
        check(command)
    batch = _Batch(tx, keyring, policies, replay)
    batch.load(commands)
    answers, told = [], []
    for place, command in enumerate(commands):
        batch.place = place
        answers.append(batch.take(command))
        holder = batch.accounts.get(answers[-1].account)
        told.append((batch.heard(command), answers[-1], holder.last_seq if holder is not None else 0))
    with batch.writes.together():
        batch.flush()
        begun = certificate.request(tx, keyring, told)
        restriction.keep(tx, keyring, batch.life, told, begun)
        for place, erasure in begun.items():
            answers[place] = replace(answers[place], erasure=erasure)
            if isinstance(commands[place], Unhold):
                batch.happened.append((place, _overdue(answers[place])))
        if not replay:  # recorded history is the host's own, and its times are long over
            batch.tell_hosts(begun)
    return answers


def _overdue(answer: CommandResult) -> NewHostEvent:
    """What the end of a hold tells the hosts: what it kept for so long is to go."""
    return host_events.must_leave(answer.account, answer.at, Leaving.hold_released, conversation=answer.conversation)


def advance(tx: Transaction, policies: Policies, at: datetime, *, limit: int) -> int:
    """Brings up to ``limit`` accounts whose grant a version may have ended to ``at``; returns how many it took.

    Call until it returns 0: then no grant is in force that a version effective at ``at`` does not allow.
    """
    number = policies.number(at)
    rows = tx.execute(
        "SELECT account_id FROM accounts WHERE grant_no IS NOT NULL AND seen < %s LIMIT %s", [number, limit]
    ).fetchall()
    if not rows:
        return 0
    batch = _Batch(tx, None, policies, replay=False)
    batch.accounts = tables.lock_accounts(tx, [row[0] for row in rows])
    for account in list(batch.accounts.values()):
        batch.bring_to(account, at)
    with batch.writes.together():
        batch.flush()
        batch.tell_hosts({})
    return len(rows)


def _leaving(account: UUID, at: datetime, ending: fold.Ending) -> NewHostEvent:
    """What an ending tells the hosts of all that the account said: its use ends, or everything goes."""
    match ending.cause:
        case fold.EndingCause.refused:
            return host_events.must_leave(account, at, Leaving.withdrawn)
        case fold.EndingCause.lapsed:
            return host_events.must_leave(account, at, Leaving.lapsed)
        case fold.EndingCause.closed:
            return host_events.must_leave(account, at, Leaving.closed, leave_by=ending.content_until)
        case _:
            assert_never(ending.cause)


class _Batch:
    """The state of a batch: what was loaded, what it became, and the rows to write."""

    def __init__(self, tx: Transaction, keyring: Keyring | None, policies: Policies, replay: bool) -> None:
        self.tx, self.policies, self.replay = tx, policies, replay
        self.accounts: dict[UUID, AccountRow] = {}
        self.conversations: dict[UUID, ConversationRow] = {}
        self.by_host: dict[tuple[UUID, bytes], ConversationRow] = {}
        self.turns_by_host: dict[tuple[UUID, bytes], int] = {}
        self.opened: dict[bytes, UUID] = {}
        self.choices: dict[UUID, NewestChoice] = {}
        self.unaged: set[int] = set()  # places of choices whose age was not taken
        self.writes = Writes(tx, keyring)
        self.place = -1  # of the command that is folded
        self.happened: list[tuple[int, NewHostEvent]] = []
        self.life = 0  # of the database

    def load(self, commands: Sequence[Command]) -> None:
        """Locks the accounts and reads what the commands name."""
        opening = [c for c in commands if isinstance(c, OpenAccount)]
        if opening:
            self.opened = account_view.accounts_by_host(self.tx, [c.host for c in opening])
            self.writes.keyring.make_buckets(self.tx, {bucket_of(c.account) for c in opening})
        says = [c for c in commands if isinstance(c, Say)]
        ids = {(c.account, c.conversation) for c in commands if isinstance(c, About)}
        ids |= {(c.account, c.conversation) for c in says if c.conversation is not None}
        hosts = {(c.account, c.host_conversation) for c in says if c.host_conversation is not None}
        wanted = {c.account for c in commands} | set(self.opened.values())
        # One round trip. Each statement sees what was committed before it began, so all but the first see what the
        # locks keep as it is.
        with pipelined(self.tx):
            accounts = tables.locking(self.tx, wanted)
            conversations = tables.loading(self.tx, sorted(ids), sorted(hosts))
            buckets = self.writes.keyring.opening(self.tx, wanted, {bucket_of(c.account) for c in opening})
            life = fence.asking_life(self.tx)
        self.accounts, self.life = accounts(), life()
        for row in conversations():
            self.conversations[row.conversation_id] = row
            if row.host_hmac is not None:
                self.by_host[row.account_id, row.host_hmac] = row
        self._load_known_turns(says)
        answering = [c.account for c in commands if isinstance(c, Choose) and c.answers is not None]
        if answering:
            self.choices = account_choices.newest(self.tx, answering)
        self.writes.prepare(buckets(), self._pages({c.account for c in says}))

    def _pages(self, saying: set[UUID]) -> set[Page]:
        """The key pages that turns of these accounts will read or fill."""
        accounts = [self.accounts[a] for a in saying if a in self.accounts]
        filling = {(a.account_id, a.next_slot // SLOTS_PER_PAGE) for a in accounts if a.next_slot % SLOTS_PER_PAGE}
        last = [(row.account_id, row.keys[-1].key_slot) for row in self.conversations.values() if row.keys]
        return filling | {(account, slot // SLOTS_PER_PAGE) for account, slot in last if slot is not None}

    def _load_known_turns(self, says: Sequence[Say]) -> None:
        """Which of the host's turns are here already, so that saying one twice adds nothing."""
        names = [c.host_turn for c in says if c.host_turn is not None]
        if not names or not self.conversations:
            return
        rows = self.tx.execute(
            """
            SELECT t.conversation_id, t.host_hmac, t.turn FROM turns t
              JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[])
                             AS k(account_id, conversation_id)) k USING (account_id, conversation_id)
             WHERE t.host_hmac = ANY(%(names)s)
            """,
            {
                "account": [row.account_id for row in self.conversations.values()],
                "conversation": list(self.conversations),
                "names": names,
            },
        )
        self.turns_by_host = {(conversation, bytes(host)): turn for conversation, host, turn in rows}

    def heard(self, command: Command) -> Command:
        """The command that was just folded, without what was not taken of it: a restore applies no more than that."""
        return replace(command, age=None) if isinstance(command, Choose) and self.place in self.unaged else command

    def take(self, command: Command) -> CommandResult:
        """Folds one command into the batch's state."""
        if isinstance(command, OpenAccount):
            return self._open(command)
        account = self.accounts.get(command.account)
        if account is None:
            return CommandResult(outcome=Outcome.unknown, at=command.at, account=command.account)
        known = self._known_turn(command)
        if known is not None:
            return known
        at = max(command.at, account.state.last_at)
        self.bring_to(account, at)
        match command:
            case SetPlan() | SetAge() | CloseAccount():
                return self._change_account(account, command, at)
            case Choose():
                return self._choose(account, command, at)
            case Say():
                return self._say(account, command, at)
            case _:
                return self._about(account, command, at)

    def _open(self, command: OpenAccount) -> CommandResult:
        known = self.opened.get(command.host)
        if known is not None:
            return CommandResult(outcome=Outcome.duplicate, at=command.at, account=known)
        state = fold.open_account(self.policies, command.at, command.plan, command.age, command.opened_at)
        row = AccountRow(
            account_id=command.account, state=state, last_seq=1, next_slot=0, bucket=bucket_of(command.account),
            wrapped_key=b"", host_hmac=command.host, is_new=True,
        )  # fmt: skip
        self.accounts[command.account] = row
        self.opened[command.host] = command.account
        self.writes.new_account(row)
        self.writes.journal(row, command.at, "account_opened", None, ends=False)
        self._tell(row, command.at, EntryKind.account_opened)
        return CommandResult(outcome=Outcome.done, at=command.at, account=command.account)

    def bring_to(self, account: AccountRow, at: datetime) -> None:
        """Applies versions that became effective since the account's newest event."""
        changed = fold.advance(account.state, self.policies, at)
        self._changed(account, changed.account, changed.endings)

    def _changed(self, account: AccountRow, state: AccountState, endings: Sequence[fold.Ending]) -> None:
        last_at, was_closed = account.state.last_at, account.state.closed_at is not None
        account.state = state
        self.writes.accounts[account.account_id] = account
        for ending in endings:
            # A version's first instant may lie before a sweep that did not have to know of it.
            at = max(ending.at, last_at)
            self._journal(account, at, f"ended_{ending.cause.value}", None, ends=True)
            self._tell(account, ending.at, EntryKind.grant_ended, cause=ending.cause.value, grant=ending.grant)
            if ending.cause is fold.EndingCause.lapsed:
                self._lapsed(account, at)
            if not was_closed:
                self._happened(_leaving(account.account_id, at, ending))
            self.writes.shorten(account.account_id, ending)
            for row in self.conversations.values():
                if row.account_id == account.account_id:
                    row.state = fold.shortened(row.state, ending.content_until)
                    if row.saved is not None:  # the statement over the table shortens what it holds just so
                        row.saved = fold.shortened(row.saved, ending.content_until)

    def _change_account(
        self, account: AccountRow, command: SetPlan | SetAge | CloseAccount, at: datetime
    ) -> CommandResult:
        before = account.state
        match command:
            case SetPlan():
                changed = fold.set_plan(before, self.policies, at, command.plan)
                told = EntryKind.plan_set
            case SetAge():
                changed = fold.set_age(before, self.policies, at, command.age)
                told = EntryKind.age_found
            case CloseAccount():
                changed = fold.close_account(before, self.policies, at)
                told = EntryKind.closed
        # An age or a plan can make content unusable without ending a grant: the rule reads both at the moment.
        self._journal(account, at, told.value, None, ends=True)
        self._tell(account, at, told)
        self._changed(account, changed.account, changed.endings)
        outcome = Outcome.unchanged if changed.account == before else Outcome.done
        return CommandResult(outcome=outcome, at=at, account=command.account)

    def _choose(self, account: AccountRow, command: Choose, at: datetime) -> CommandResult:
        answered = self._answered(account, command, at)
        if answered is not None:
            return answered
        known = account.state.age
        if command.own and command.age is not None and known is not None and command.age >= known:
            self.unaged.add(self.place)
            command = replace(command, age=None)
        chosen = fold.choose(account.state, self.policies, at, command.allow, command.age)
        aged = command.age is not None and command.age != account.state.age
        self._journal(account, at, "choice", None, ends=not command.allow or aged)
        if aged:
            self._tell(account, at, EntryKind.age_found)
        version = self.policies.number(at)
        effect, grant = chosen.effect.value, chosen.account.grant
        self.writes.choice(account, account.last_seq, at, version, command, chosen)
        self.choices[account.account_id] = NewestChoice(
            seq=account.last_seq, at=at, allow=command.allow, effect=chosen.effect, via=command.via,
            showing=command.answers.showing if command.answers is not None else None,
        )  # fmt: skip
        # What was shown, by its hash: the leaf commits to it, so that a receipt cannot name another notice later.
        evidence = sha256(command.evidence.encode()).hexdigest() if command.evidence else None
        self._tell(
            account, at, EntryKind.choice, allow=command.allow, effect=effect, version=version, evidence=evidence
        )
        if chosen.effect is not fold.Effect.none:
            standing, policy = chosen.account.standing.value, self.policies[version].version
            self._happened(
                host_events.choice_changed(account.account_id, at, effect=effect, standing=standing, policy=policy)
            )
        self._changed(account, chosen.account, chosen.endings)
        if chosen.effect is fold.Effect.began:
            self._tell(account, at, EntryKind.grant_begun, grant=grant, version=version)
        if chosen.effect is fold.Effect.affirmed:
            self._tell(account, at, EntryKind.grant_affirmed, grant=grant, version=version)
        outcome = Outcome.unchanged if chosen.effect is fold.Effect.none else Outcome.done
        return CommandResult(outcome=outcome, at=at, account=command.account, effect=chosen.effect)

    def _answered(self, account: AccountRow, command: Choose, at: datetime) -> CommandResult | None:
        """The answer to a choice whose question was answered already, or is older than what is on record.

        A no takes effect from any page; a yes from an old one would begin again what the person ended since.
        """
        asked, newest = command.answers, self.choices.get(account.account_id)
        if asked is None:
            return None
        if newest is not None and (newest.showing, newest.allow) == (asked.showing, command.allow):
            return CommandResult(outcome=Outcome.duplicate, at=at, account=command.account, effect=newest.effect)
        is_older = newest is not None and newest.seq > asked.after
        if command.allow and (is_older or self.policies.newest_material(at) != asked.version):
            return CommandResult(outcome=Outcome.refused, at=at, because=STALE, account=command.account)
        return None

    def _known_turn(self, command: Command) -> CommandResult | None:
        """The answer to a turn that is here already."""
        if not isinstance(command, Say) or command.host_turn is None:
            return None
        row = self._find(command)
        turn = self.turns_by_host.get((row.conversation_id, command.host_turn)) if row is not None else None
        if row is None or turn is None:
            return None
        segment = next(n for n, s in enumerate(row.state.segments) if s.first_turn <= turn <= s.last_turn)
        return CommandResult(
            outcome=Outcome.duplicate, at=command.at, account=command.account, conversation=row.conversation_id,
            turn=turn, segment=segment,
        )  # fmt: skip

    def _find(self, command: Say) -> ConversationRow | None:
        if command.conversation is not None:
            row = self.conversations.get(command.conversation)
            return row if row is not None and row.account_id == command.account else None
        if command.host_conversation is not None:
            return self.by_host.get((command.account, command.host_conversation))
        return None

    def _say(self, account: AccountRow, command: Say, at: datetime) -> CommandResult:
        row = self._find(command)
        if row is None and command.conversation is not None:
            return CommandResult(outcome=Outcome.unknown, at=at, account=command.account)
        before = row.state if row is not None else None
        refusal = fold.refusal(account.state, before, self.policies, at, command.role)
        if self.replay and refusal in fold.LIVE_REFUSALS:
            refusal = None
        if refusal is not None:
            conversation = row.conversation_id if row is not None else None
            return CommandResult(
                outcome=Outcome.refused, at=at, because=refusal.value, account=command.account,
                conversation=conversation,
            )  # fmt: skip
        if command.under is not None and account.state.grant not in (None, command.under):
            return CommandResult(outcome=Outcome.refused, at=at, because=BEFORE_THE_YES, account=command.account)
        if row is None:
            row = self._begin(command, at)
        said = fold.say(account.state, row.state, self.policies, at, command.role, command.surface)
        if said.segment >= SEGMENTS_MAX:
            return CommandResult(
                outcome=Outcome.refused, at=at, because=TOO_MANY_SEGMENTS, account=command.account,
                conversation=row.conversation_id,
            )  # fmt: skip
        row.state = said.conversation
        if said.segment == len(row.keys):
            row.keys.append(SegmentKeys())
            self._began_segment(account, row, said, at)
        self.writes.conversations[row.conversation_id] = row
        origin = command.origin or ("typed" if command.role is TurnRole.user else command.role.value)
        self.writes.turn(account, row, said, at, command.role, origin, command.host_turn)
        if command.host_turn is not None:
            self.turns_by_host[row.conversation_id, command.host_turn] = said.turn
        if command.content is not None:
            self.writes.body(account, row, said.segment, said.turn, command.content)
            if command.title is not None and said.turn == 1:
                self.writes.body(account, row, said.segment, 0, command.title)
        return CommandResult(
            outcome=Outcome.done, at=at, account=command.account, conversation=row.conversation_id,
            turn=said.turn, segment=said.segment,
        )  # fmt: skip

    def _begin(self, command: Say, at: datetime) -> ConversationRow:
        row = ConversationRow(
            account_id=command.account,
            conversation_id=uuid7(at, self.writes.random(10)),
            host_hmac=command.host_conversation,
            begun_at=at,
            state=fold.begin(incognito=command.incognito, kind=command.kind, narrow=command.narrow),
            saved=None,
            keys=[],
        )
        self.conversations[row.conversation_id] = row
        if command.host_conversation is not None:
            self.by_host[command.account, command.host_conversation] = row
        return row

    def _began_segment(self, account: AccountRow, row: ConversationRow, said: fold.TurnTaken, at: datetime) -> None:
        """A turn under another stamp may take out what a release holds: the whole conversation may be out now."""
        if any(s.stamp.grant is not None for s in row.state.segments[: said.segment]):
            self._journal(account, at, "resumed_otherwise", row.conversation_id, ends=True)

    def _about(self, account: AccountRow, command: About, at: datetime) -> CommandResult:
        """What concerns one conversation of the account; another's is as unknown as one that never was."""
        row = self.conversations.get(command.conversation)
        if row is None or row.account_id != account.account_id:
            return CommandResult(outcome=Outcome.unknown, at=at, account=account.account_id)
        if isinstance(command, GiveFeedback):
            return self._feedback(account, row, command, at)
        if isinstance(command, TakeBackFeedback):
            return self._take_back(account, row, command, at)
        before = row.state
        match command:
            case Delete():
                row.state = fold.delete(before, self.policies, at)
                until = self.policies.in_force(at).keep.deleted.after(at)
                self.writes.shorten_feedback(row.account_id, row.conversation_id, until)
                self._note(account, row, at, EntryKind.deleted, ends=True)
                if row.state != before:
                    self._must_leave(row, at, Leaving.deleted, until)
            case Narrow():
                row.state = fold.narrow(before, self.policies, at)
                if row.state is not before:
                    until = self.policies.in_force(at).keep.feedback_opted_out.after(at)
                    self.writes.shorten_feedback(row.account_id, row.conversation_id, until)
                    self._note(account, row, at, EntryKind.narrowed, ends=True)
                    self._must_leave(row, at, Leaving.narrowed, at)
            case Widen():
                if command.widenings is not None and before.narrowed and before.widenings != command.widenings:
                    return CommandResult(outcome=Outcome.refused, at=at, because=STALE, account=account.account_id)
                row.state = fold.widen(before)
                if row.state is not before:
                    self._note(account, row, at, EntryKind.widened)
            case Flag() | Unflag():
                self._mark(account, row, command, at)
            case Hold() | Unhold():
                self._hold(account, row, command, at)
            case _:
                raise BrokenError("a command about a conversation that nobody takes")
        self.writes.conversations[row.conversation_id] = row
        outcome = Outcome.unchanged if row.state == before else Outcome.done
        return CommandResult(outcome=outcome, at=at, account=account.account_id, conversation=row.conversation_id)

    def _mark(self, account: AccountRow, row: ConversationRow, command: Flag | Unflag, at: datetime) -> None:
        before = row.state
        if isinstance(command, Unflag):
            row.state = fold.unflag(before)
            self.flush()
            safety_copies.end(self.writes, row, at)
            self._note(account, row, at, EntryKind.unflagged, ends=True)
            return
        row.state = fold.flag(before, self.policies, at)
        if row.state is before:
            return
        self._note(account, row, at, EntryKind.flagged)
        until = self.policies.in_force(at).keep.flag_score.after(at)
        self.flush()
        self.tx.execute(
            """INSERT INTO flags (account_id, conversation_id, seq, flagged_at, score, score_until)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            [account.account_id, row.conversation_id, account.last_seq, at, command.score, until],
        )
        safety_copies.copy(self.writes, account, row, at)

    def _hold(self, account: AccountRow, row: ConversationRow, command: Hold | Unhold, at: datetime) -> None:
        before = row.state
        matter = self.writes.matter_hmac(command.matter)
        if isinstance(command, Hold):
            row.state = fold.hold(before, at, matter.hex())
            if row.state.holds != before.holds:
                sealed = self.writes.seal_for_account(account, command.matter.encode())
                self.writes.hold(row, matter, sealed, at, command)
                self._note(account, row, at, EntryKind.held, reason=command.reason.value, person_told=command.is_told)
            elif matter.hex() in before.holds:
                self.writes.review_hold(row, matter, at, command)
        elif matter.hex() in before.holds:
            row.state = fold.unhold(before, matter.hex())
            self.writes.unhold(row, matter)
            self._note(account, row, at, EntryKind.unheld)

    def _feedback(
        self, account: AccountRow, row: ConversationRow, command: GiveFeedback, at: datetime
    ) -> CommandResult:
        if command.turn > row.state.turns:
            return CommandResult(outcome=Outcome.unknown, at=at, account=account.account_id)
        if command.host is not None:
            known = self.tx.execute(
                "SELECT feedback_id FROM feedback WHERE account_id = %s AND host_hmac = %s",
                [account.account_id, command.host],
            ).fetchone()
            if known is not None:
                return self._gave(account, row, known[0], at, Outcome.duplicate)
        given = fold.feedback(account.state, row.state, self.policies, at, command.share)
        if given is None:
            return CommandResult(
                outcome=Outcome.refused, at=at, because="closed_deleted_or_expired", account=account.account_id
            )
        self.flush()  # the copy is made of what the tables hold
        feedback = uuid7(at, self.writes.random(10))
        self._note(account, row, at, EntryKind.feedback)
        key_slot = self._copy_shared(account, row, feedback, command, given, at)
        self.writes.feedback(row, feedback, command, given, key_slot, at)
        self.flush()  # so that what ends later in this batch finds it in its table
        return self._gave(account, row, feedback, at, Outcome.done)

    def _take_back(
        self, account: AccountRow, row: ConversationRow, command: TakeBackFeedback, at: datetime
    ) -> CommandResult:
        """A feedback's time is over when its person takes it back: nothing uses it, and the next sweep erases its copy."""
        self.flush()  # it may have been given in this batch
        key = [account.account_id, row.conversation_id, command.feedback]
        taken = self.tx.execute(
            """UPDATE feedback SET taken_back_at = %s, keep_until = least(keep_until, %s)
                WHERE account_id = %s AND conversation_id = %s AND feedback_id = %s AND taken_back_at IS NULL
            RETURNING feedback_id""",
            [at, at, *key],
        ).fetchone()
        if taken is not None:
            self._note(account, row, at, EntryKind.feedback_taken_back, ends=True)
            return self._gave(account, row, command.feedback, at, Outcome.done)
        known = self.tx.execute(
            "SELECT FROM feedback WHERE account_id = %s AND conversation_id = %s AND feedback_id = %s", key
        ).fetchone()
        if known is None:
            return CommandResult(outcome=Outcome.unknown, at=at, account=account.account_id)
        return self._gave(account, row, command.feedback, at, Outcome.unchanged)

    def _copy_shared(
        self, account: AccountRow, row: ConversationRow, feedback: UUID, command: GiveFeedback, given: Feedback,
        at: datetime,
    ) -> int | None:  # fmt: skip
        """Seals what the person shared, and their comment, under a key of the feedback's own."""
        shared = safety_copies.shared_bodies(self.writes, account, row, given.share, command.turn, at)
        if not shared and command.comment is None:
            return None
        slot, key = self.writes.new_slot(account)
        if command.comment is not None:
            self.writes.feedback_body(row, feedback, 0, key, command.comment)
        for turn, _, content in shared:
            self.writes.feedback_body(row, feedback, turn, key, content)
        segments = {segment for _, segment, _ in shared} or {0}
        self.writes.register(row, segments, CopyPlace.feedback, feedback, at)
        return slot

    def _gave(
        self, account: AccountRow, row: ConversationRow, feedback: UUID, at: datetime, how: Outcome
    ) -> CommandResult:
        return CommandResult(
            outcome=how, at=at, account=account.account_id, conversation=row.conversation_id, feedback=feedback
        )

    def _note(
        self, account: AccountRow, row: ConversationRow, at: datetime, told: EntryKind, *, ends: bool = False,
        **facts: str | int | bool | None,
    ) -> None:  # fmt: skip
        self._journal(account, at, told.value, row.conversation_id, ends=ends)
        self._tell(account, at, told, conversation=row.conversation_id.hex, **facts)

    def _journal(
        self, account: AccountRow, at: datetime, event: str, conversation: UUID | None, *, ends: bool = False
    ) -> None:
        account.last_seq += 1
        self.writes.accounts[account.account_id] = account
        self.writes.journal(account, at, event, conversation, ends)

    def _tell(self, account: AccountRow, at: datetime, told: EntryKind, **facts: str | int | bool | None) -> None:
        self.writes.entries.append(
            Entry(told=told, occurred_at=at, account=account.account_id, facts={**facts, "seq": account.last_seq})
        )

    def _happened(self, event: NewHostEvent) -> None:
        self.happened.append((self.place, event))

    def _must_leave(self, row: ConversationRow, at: datetime, because: Leaving, leave_by: datetime) -> None:
        event = host_events.must_leave(row.account_id, at, because, leave_by=leave_by, conversation=row.conversation_id)
        self._happened(event)

    def _lapsed(self, account: AccountRow, at: datetime) -> None:
        policy = self.policies.in_force(at).version
        standing = account.state.standing.value
        self._happened(
            host_events.choice_changed(account.account_id, at, effect="lapsed", standing=standing, policy=policy)
        )

    def tell_hosts(self, begun: Mapping[int, UUID]) -> None:
        """Writes the events of the batch, after what they tell; ``begun`` are the erasures by the command's place."""
        host_events.append(self.tx, [event.owing(begun.get(place)) for place, event in self.happened])
        self.happened = []

    def flush(self) -> None:
        self.writes.flush()

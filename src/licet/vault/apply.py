"""All writes to the vault: commands are folded in order, their rows gathered, and all is written in
one transaction.

For each account the order is: lock its row, bring its time up, take its next number, read its
state, fold with `policy.fold`. A batch locks accounts in the order of their ids. A live turn passes
the gate; a replay of recorded history applies stamps and dates, but neither the gate nor the
refusal of expired conversations.

A verb that can take rows out of a release takes `account_journal.ENDINGS_LOCK` shared before it
numbers its journal
row: a transaction that holds the lock exclusively sees every ending up to a position, and no other
is in progress.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import TypedDict, assert_never
from uuid import UUID

from msgspec.structs import replace

from licet.errors import BrokenError, UsageError
from licet.keys.keyring import Keyring
from licet.keys.material import bucket_of
from licet.ledger.outbox import EntryKind, scope_facts
from licet.policy import fold
from licet.policy.file import Policies
from licet.policy.retention import ContentKind
from licet.policy.state import (
    NOTHING,
    WHOLE_ACCOUNT,
    Feedback,
    Grant,
    GrantScope,
    ScopeKind,
    TurnRole,
)
from licet.store.connect import Transaction
from licet.vault import (
    certificate,
    choice_references,
    host_events,
    restriction,
    safety_copies,
    table_changes,
    tables,
)
from licet.vault.account_choices import NewestChoice
from licet.vault.batch_state import BatchState
from licet.vault.choice_references import ResolvedChoice
from licet.vault.commands import (
    BATCH_COMMANDS_MAX,
    BEFORE_THE_YES,
    EXPIRED,
    HELD_ALREADY,
    LATE,
    OUT_OF_ORDER,
    STALE,
    About,
    AboutProject,
    Choose,
    ChosenScope,
    CloseAccount,
    Command,
    CommandResult,
    Delete,
    Flag,
    GiveFeedback,
    Hold,
    KeepProjectOut,
    LetProjectIn,
    Narrow,
    OpenAccount,
    Outcome,
    Say,
    SetAge,
    SetPlan,
    SetRegion,
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
from licet.vault.tables import AccountRow, ConversationRow, ProjectRow, SegmentKeys

# Each turn dates every segment anew and writes those rows: the bound keeps the cost of every turn
# alike.
SEGMENTS_MAX = 256
TOO_MANY_SEGMENTS = "too_many_segments"


def apply(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    commands: Sequence[Command],
    *,
    replay: bool = False,
) -> list[CommandResult]:
    """Folds ``commands`` in order and writes the result; one answer each, in order.

    Raises UsageError for a value that no table accepts, before anything is written. No other
    mistake of a caller
    raises: what cannot be done is reported in the answer. The caller commits, and acknowledges
    nothing before that.
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
        holder = batch.account_of(answers[-1].account)
        told.append(
            (*_as_restriction(command, answers[-1]), holder.last_seq if holder is not None else 0)
        )
    begun, erasures = certificate.request(keyring, told, batch.is_overdue)
    for place, erasure in begun.items():
        answers[place] = replace(answers[place], erasure=erasure)
        if isinstance(commands[place], Unhold):
            batch.happened.append((place, _overdue(answers[place])))
    with batch.writes.together():
        # recorded history is the host's own, and its times passed long ago: but for what takes
        # effect now
        if replay:
            batch.happened = [
                one
                for one in batch.happened
                if _takes_effect_now(commands[one[0]], answers[one[0]])
            ]
        heads = restriction.remembering(keyring, told)
        batch.flush([*erasures, *batch.told_hosts(begun), *heads])
        restriction.keep(tx, keyring, batch.life, told, begun)
    return answers


def _as_restriction(command: Command, answer: CommandResult) -> tuple[Command, CommandResult]:
    """The command as the restriction journal knows it: of a choice whose answer did not count, the
    age alone.
    """
    if (
        isinstance(command, Choose)
        and answer.aged
        and answer.outcome in (Outcome.refused, Outcome.duplicate)
    ):
        return SetAge(account=command.account, at=command.at, age=command.age), replace(
            answer, outcome=Outcome.done
        )
    return command, answer


def _takes_effect_now(command: Command, answer: CommandResult) -> bool:
    """Whether a command of recorded history is a refusal that came in late."""
    return isinstance(command, Choose) and (
        command.recorded_at is not None or command.at < answer.at
    )


def _given_before(made: NewestChoice) -> fold.Answer:
    return fold.Answer(question=made.question, scope=WHOLE_ACCOUNT, effect=made.effect)


def _overdue(answer: CommandResult) -> NewHostEvent:
    """The event to the hosts when a hold ends: what only the hold kept must leave them."""
    return host_events.must_leave(
        answer.account, answer.at, Leaving.hold_released, conversation=answer.conversation
    )


def advance(tx: Transaction, policies: Policies, at: datetime, *, limit: int) -> int:
    """Brings up to ``limit`` accounts whose grant a version may have ended to ``at``; returns how
    many it processed.

    Call it until it returns 0: then no grant is in force that a version effective at ``at`` does
    not allow.
    """
    number = policies.number(at)
    rows = tx.execute(
        "SELECT account_id FROM accounts WHERE in_force > 0 AND seen < %s LIMIT %s", [number, limit]
    ).fetchall()
    if not rows:
        return 0
    batch = _Batch(tx, None, policies, replay=False)
    batch.accounts = tables.lock_accounts(tx, [row[0] for row in rows])
    for account in list(batch.accounts.values()):
        batch.pass_versions(account, at)
    batch.flush(batch.told_hosts({}))
    return len(rows)


def _leaving(account: UUID, at: datetime, ending: fold.Ending) -> NewHostEvent:
    """The event to the hosts when grants for the account end, about all of its turns: their use for
    these questions ends.
    """
    match ending.cause:
        case fold.EndingCause.refused:
            return host_events.must_leave(
                account, at, Leaving.withdrawn, questions=_questions(ending)
            )
        case fold.EndingCause.lapsed:
            return host_events.must_leave(account, at, Leaving.lapsed, questions=_questions(ending))
        case fold.EndingCause.narrowed | fold.EndingCause.closed:
            raise BrokenError("keeping out and closing have events of their own")
        case _:
            assert_never(ending.cause)


def _together(endings: Sequence[fold.Ending]) -> list[fold.Ending]:
    """Merges results of one cause and instant into one, with the account's state after the last of
    them.

    What was useless after the first is useless after the last, so the dates are the same; and a no
    to every question reads and writes each conversation once.
    """
    found: list[fold.Ending] = []
    for ending in endings:
        if found and (found[-1].cause, found[-1].at) == (ending.cause, ending.at):
            ending = replace(ending, grants=found.pop().grants + ending.grants)
        found.append(ending)
    return found


def _questions(ending: fold.Ending) -> list[str]:
    return sorted({grant.question for grant in ending.grants})


class _TurnProject(TypedDict):
    """The project of a turn's conversation, as `CommandResult` has it."""

    project: UUID | None
    other_project: bool


class _Batch(BatchState):
    """A batch of commands, folded one by one."""

    def take(self, command: Command) -> CommandResult:
        """Folds one command into the batch's state."""
        if isinstance(command, OpenAccount):
            return self._open(command)
        account = self.account_of(command.account)
        if account is None:
            return CommandResult(outcome=Outcome.unknown, at=command.at, account=command.account)
        if isinstance(command, Say):
            return self._take_turn(account, command)
        at = max(command.at, account.state.last_at)
        self.bring_to(account, at)
        self.ended = []
        match command:
            case SetPlan() | SetAge() | SetRegion() | CloseAccount():
                return self._change_account(account, command, at)
            case Choose():
                return self._choose(account, command, at)
            case KeepProjectOut() | LetProjectIn():
                return self._change_project(account, command, at)
            case _:
                return self._about(account, command, at)

    def _open(self, command: OpenAccount) -> CommandResult:
        known, at, opened_at = self.opened.get(command.host), command.at, command.opened_at
        if known is not None:
            closed_at = self.accounts[known].state.closed_at
            if closed_at is None or not command.begin_anew:
                return CommandResult(
                    outcome=Outcome.duplicate, at=at, account=known, closed_at=closed_at
                )
            at = max(at, self.accounts[known].state.last_at)
            # nothing from before the closure counts for the new one
            opened_at = max(opened_at or at, closed_at)
            self.flush()  # the closed account may be new in this batch
            table_changes.release_host(self.tx, known, command.host)
        state = fold.open_account(self.policies, at, command.plan, command.age, opened_at)
        row = AccountRow(
            account_id=command.account,
            state=state,
            last_seq=1,
            next_slot=0,
            bucket=bucket_of(command.account),
            wrapped_key=b"",
            host_hmac=command.host,
            is_new=True,
        )
        self.add_account(row)
        self.opened[command.host] = command.account
        self.writes.new_account(row)
        self.writes.journal(row, at, "account_opened", None, ends=False)
        self.tell(row, at, EntryKind.account_opened)
        return CommandResult(outcome=Outcome.done, at=at, account=command.account)

    def bring_to(self, account: AccountRow, at: datetime) -> None:
        """Applies versions that became effective since the account's newest event."""
        self._changed(account, fold.advance(account.state, self.policies, at))

    def pass_versions(self, account: AccountRow, at: datetime) -> None:
        """`bring_to` by a background pass, which is no event of the account's."""
        self._changed(account, fold.pass_versions(account.state, self.policies, at))

    def _changed(self, account: AccountRow, changed: fold.AccountChange) -> None:
        """Adopts the new state of an account, and shortens the dates of what is useless after the
        end of its grants.
        """
        last_at = account.state.last_at
        account.state = changed.account
        self.writes.change(account)
        for ending in _together(changed.endings):
            # A version's first instant may be earlier than a sweep that ran before the version was
            # known.
            at = max(ending.at, last_at)
            self._tell_ended(account, at, ending.at, ending.cause, ending.grants)
            whole = any(grant.scope == WHOLE_ACCOUNT for grant in ending.grants)
            if ending.cause is fold.EndingCause.lapsed and whole:
                self._lapsed(account, at, ending)
            if ending.cause in (fold.EndingCause.refused, fold.EndingCause.lapsed):
                if whole and not any(
                    grant.question in _questions(ending) for grant in ending.account.grants
                ):
                    self.note_event(_leaving(account.account_id, at, ending))
                else:
                    self._tell_leaving(account, at, ending)
            self._after_ending(account, ending, whole=whole)

    def _tell_ended(
        self,
        account: AccountRow,
        at: datetime,
        ended_at: datetime,
        cause: fold.EndingCause,
        grants: Sequence[Grant],
    ) -> None:
        self.journal(account, at, f"ended_{cause.value}", None, ends=True)
        for grant in grants:
            self.ended.append(grant)
            self.tell(
                account, ended_at, EntryKind.grant_ended, cause=cause.value, grant=grant.number
            )

    def _tell_leaving(self, account: AccountRow, at: datetime, ending: fold.Ending) -> None:
        """Grants for projects and conversations ended: each conversation gets an event of its
        own.
        """
        because = Leaving.withdrawn if ending.cause is fold.EndingCause.refused else Leaving.lapsed
        for row in self.in_scope(account, ending):
            questions = [
                q for q in _questions(ending) if account.state.grant_for(q, row.state) is None
            ]
            if questions and row.state.deleted_at is None:
                self.must_leave(row, at, because, at, questions)

    def _after_ending(self, account: AccountRow, ending: fold.Ending, *, whole: bool) -> None:
        """If no grant is left, nothing is useful, and one statement shortens all dates; otherwise
        the rule decides for each.
        """
        if whole and not ending.account.grants and not ending.keep.by_surface:
            self.shorten_all(account, ending.content_until(), ending.feedback_until)
            return
        rows = self.in_scope(account, ending)
        self.flush()  # the tables must contain the grants of this batch
        feedback = tables.feedback_of(
            self.tx, account.account_id, [row.conversation_id for row in rows]
        )
        for row in rows:
            after = fold.after_ending(ending, row.state, self.policies)
            if after != row.state:
                row.state = after
                self.writes.conversations[row.conversation_id] = row
        states = {row.conversation_id: row.state for row in rows}
        for given, (conversation, state) in feedback.items():
            nearer = fold.feedback_after(ending, states[conversation], state, self.policies)
            if nearer != state:
                self.writes.shorten_one_feedback(account.account_id, given, nearer.keep_until)

    def _change_account(
        self,
        account: AccountRow,
        command: SetPlan | SetAge | SetRegion | CloseAccount,
        at: datetime,
    ) -> CommandResult:
        before = account.state
        match command:
            case SetPlan():
                changed = fold.set_plan(before, self.policies, at, command.plan)
                told = EntryKind.plan_set
            case SetAge():
                changed = fold.set_age(before, self.policies, at, command.age)
                told = EntryKind.age_found
            case SetRegion():
                changed = fold.set_region(before, self.policies, at, command.region)
                told = EntryKind.region_set
            case CloseAccount():
                changed = fold.close_account(before, self.policies, at)
                told = EntryKind.closed
        # An age, a region or a plan can make content unusable without ending a grant: the rule
        # reads them at the moment.
        self.journal(account, at, told.value, None, ends=True)
        self.tell(account, at, told)
        self._changed(account, changed)
        if changed.all_until is not None:
            self.shorten_all(account, changed.all_until, changed.all_until)
            if before.closed_at is None:
                until = changed.all_until
                leave_by = min([until, *(ending.content_until() for ending in changed.endings)])
                event = host_events.must_leave(
                    account.account_id, at, Leaving.closed, leave_by=leave_by
                )
                self.note_event(event)
        outcome = Outcome.unchanged if changed.account == before else Outcome.done
        return CommandResult(
            outcome=outcome, at=at, account=command.account, ended=tuple(self.ended)
        )

    def _change_project(
        self, account: AccountRow, command: AboutProject, at: datetime
    ) -> CommandResult:
        project = self.find_project(
            account, command.project, command.host_project, command.title, at
        )
        if project is None:
            return CommandResult(outcome=Outcome.unknown, at=at, account=command.account)
        name, before = project.project_id.hex, account.state
        if isinstance(command, LetProjectIn):
            if command.out_at is not None and project.kept_out_at not in (None, command.out_at):
                return CommandResult(
                    outcome=Outcome.refused, at=at, because=STALE, account=account.account_id
                )
            account.state = fold.let_project_in(before, name)
            changed = account.state is not before
            if changed:
                self.save_project(replace(project, kept_out_at=None))
                self.note_project(account, project, at, EntryKind.project_let_in)
        else:
            changed = self._keep_project_out(account, project, at)
        return CommandResult(
            outcome=Outcome.done if changed else Outcome.unchanged,
            at=at,
            account=command.account,
            project=project.project_id,
            ended=tuple(self.ended),
        )

    def _keep_project_out(self, account: AccountRow, project: ProjectRow, at: datetime) -> bool:
        """Keeps each conversation of a project out, and later ones; returns whether anything
        changed.
        """
        name, was_out = project.project_id.hex, project.kept_out_at is not None
        if not was_out:
            self.note_project(account, project, at, EntryKind.project_kept_out, ends=True)
            self.save_project(replace(project, kept_out_at=at))
        self.load_all(account, project.project_id)
        changed = not was_out
        mine = (row for row in self.conversations.values() if row.account_id == account.account_id)
        for row in sorted(
            mine, key=lambda row: row.conversation_id
        ):  # a fixed order, independent of the rest of the batch
            if row.state.project == name:
                changed |= self._narrow(account, row, at)
        self._changed(account, fold.keep_project_out(account.state, self.policies, at, name))
        return changed

    def _choose(self, account: AccountRow, command: Choose, at: datetime) -> CommandResult:
        """Takes a choice: its age first, then its answer, unless that is a repeat or a yes that is
        refused.
        """
        asked = choice_references.resolve(
            command, self, self.choices, self.policies, at, replay=self.replay
        )
        if self.replay and command.at < at and command.recorded_at is None:
            command = replace(command, recorded_at=command.at)
        before, scope = account.state, asked.scope
        aged = fold.take_age(before, self.policies, at, command.age)
        chosen = fold.ChoiceOutcome(account=aged.account, endings=aged.endings)
        answered = not asked.refused and not (command.allow and asked.repeated)
        if answered:
            scope = self._begun_scope(account, command.scope, scope, at)
            chosen = fold.choose(
                before,
                self.policies,
                at,
                command.allow,
                question=command.question,
                scope=scope,
                conversation=asked.conversation,
                keep=asked.keep,
                age=command.age,
            )
            answered = not asked.repeated or chosen.account != aged.account
        is_aged = aged.account.age != before.age
        if is_aged:
            self.journal(account, at, EntryKind.age_found.value, None, ends=True)
            self.tell(account, at, EntryKind.age_found)
        told = len(self.happened)
        self._changed(account, fold.AccountChange(account=chosen.account, endings=chosen.endings))
        if answered:
            leaving = [event for event in self.happened[told:] if host_events.is_of_a_no(event[1])]
            self.happened[told:] = [event for event in self.happened[told:] if event not in leaving]
            for answer in chosen.answers or (None,):
                self._chose(account, command, scope, answer, chosen.because, at)
            self.happened += leaving  # a host gets the event of the no before its consequences
        return self._chosen(command, asked, chosen, at, is_answered=answered, is_aged=is_aged)

    def _begun_scope(
        self, account: AccountRow, named: ChosenScope | None, found: GrantScope, at: datetime
    ) -> GrantScope:
        """The scope of a yes: a host's id of a project that is not stored yet begins it."""
        if found.name != NOTHING or named is None or named.host_project is None:
            return found
        project = self.find_project(account, None, named.host_project, None, at)
        assert project is not None, "a host's id finds or begins a project"
        return GrantScope(ScopeKind.project, project.project_id.hex)

    def _chosen(
        self,
        command: Choose,
        asked: ResolvedChoice,
        chosen: fold.ChoiceOutcome,
        at: datetime,
        *,
        is_answered: bool,
        is_aged: bool,
    ) -> CommandResult:
        because = chosen.because or next(
            (answer.because for answer in chosen.answers if answer.because), None
        )
        if is_answered:
            has_effect = {answer.effect for answer in chosen.answers} - {fold.Effect.none}
            outcome, answers = Outcome.done if has_effect else Outcome.unchanged, chosen.answers
        else:
            outcome = Outcome.refused if asked.refused else Outcome.duplicate
            answers = () if asked.refused else tuple(map(_given_before, asked.repeated))
        return CommandResult(
            outcome=outcome,
            at=at,
            account=command.account,
            answers=answers,
            could_name=chosen.could_name,
            because=asked.refused or (because.value if because is not None and is_answered else ""),
            ended=tuple(self.ended),
            aged=is_aged,
            not_taken=asked.not_taken,
        )

    def _chose(
        self,
        account: AccountRow,
        command: Choose,
        scope: GrantScope,
        answer: fold.Answer | None,
        because: fold.NoEffect | None,
        at: datetime,
    ) -> None:
        """The row, the leaf and the event of one answer, and the grant that begins or continues by
        it.
        """
        version = self.policies.number(at)
        effect = fold.Effect.none if answer is None else answer.effect
        self.journal(account, at, "choice", None, ends=not command.allow)
        self.writes.choice(account, at, version, command, answer, because)
        question = command.question if answer is None else answer.question
        if question is not None and (answer is None or answer.scope == WHOLE_ACCOUNT):
            self.choices[account.account_id, question] = NewestChoice(
                seq=account.last_seq,
                at=at,
                question=question,
                allow=command.allow,
                effect=effect,
                via=command.via,
                showing=command.answers.showing if command.answers is not None else None,
            )
        # A question that nobody asks is text of the sender: the log does not contain it.
        asked = question if question in self.policies[version].asks else None
        kept = ",".join(str(grant.number) for grant in answer.kept) if answer is not None else ""
        # The hash of what was shown: the leaf commits to it, so that a receipt cannot name another
        # notice later.
        evidence = sha256(command.evidence.encode()).hexdigest() if command.evidence else None
        # the leaf commits to its hash; what an amendment may change stands beside it
        terms = self.policies[version]
        why = answer.because if answer is not None else because
        self.tell(
            account,
            at,
            EntryKind.choice,
            allow=command.allow,
            effect=effect.value,
            version=version,
            evidence=evidence,
            question=asked,
            **scope_facts(scope),
            **({"kept": kept} if kept else {}),
            policy=terms.sha256().hex(),
            decide_by=terms.decide_by.isoformat() if terms.decide_by is not None else None,
            via=command.via,
            grant=answer.grant if answer is not None else None,
            because=why.value if why is not None else None,
        )
        if answer is None or effect is fold.Effect.none:
            return
        self.note_event(
            host_events.choice_changed(
                account.account_id,
                at,
                effect=effect.value,
                standing=account.state.standing(answer.question).value,
                policy=self.policies[version].version,
                question=answer.question,
                scope=answer.scope,
            )
        )
        if answer.grant is not None:
            kind = (
                EntryKind.grant_begun if effect is fold.Effect.began else EntryKind.grant_affirmed
            )
            self.tell_grant(
                account, at, kind, Grant(answer.grant, answer.question, answer.scope), version
            )
        for grant in answer.kept:
            self.tell_grant(account, at, EntryKind.grant_affirmed, grant, version)

    def _take_turn(self, account: AccountRow, command: Say) -> CommandResult:
        """A turn, unless it is stored already."""
        row = self.find(command)
        turn = None
        if row is not None and command.host_turn is not None:
            turn = self.turns_by_host.get(row.conversation_id, {}).get(command.host_turn)
        if row is not None and turn is not None:
            segment = next(
                n for n, s in enumerate(row.state.segments) if s.first_turn <= turn <= s.last_turn
            )
            return CommandResult(
                outcome=Outcome.duplicate,
                at=command.at,
                account=command.account,
                conversation=row.conversation_id,
                turn=turn,
                segment=segment,
                **self._project_of(row, command),
            )
        at = max(command.at, account.state.last_at)
        self.bring_to(account, at)
        self.ended = []
        return self._say(account, row, command, at)

    def _say(
        self, account: AccountRow, row: ConversationRow | None, command: Say, at: datetime
    ) -> CommandResult:
        if row is None and command.conversation is not None:
            return CommandResult(outcome=Outcome.unknown, at=at, account=command.account)
        before = row.state if row is not None else None
        is_late = self.replay and command.at < at
        if self.replay:
            refusal = fold.refusal_of_history(account.state, before)
        else:
            refusal = fold.refusal(account.state, before, self.policies, at, command.role)
        if refusal is not None:
            conversation = row.conversation_id if row is not None else None
            return CommandResult(
                outcome=Outcome.refused,
                at=at,
                because=refusal.value,
                account=command.account,
                conversation=conversation,
            )
        if command.under is not None and any(
            grant.number > command.under for grant in account.state.grants
        ):
            return CommandResult(
                outcome=Outcome.refused, at=at, because=BEFORE_THE_YES, account=command.account
            )
        if is_late and before is not None and command.at < before.segments[-1].last_at:
            return CommandResult(
                outcome=Outcome.refused,
                at=at,
                because=OUT_OF_ORDER,
                account=command.account,
                conversation=row.conversation_id if row is not None else None,
            )
        said_at = command.at if is_late else at
        if row is None:
            row = self._begin(account, command, said_at)
        origin = command.origin or (
            "typed" if command.role is TurnRole.user else command.role.value
        )
        is_erased = self.replay and bool(row.keys) and row.keys[-1].erased
        about = (
            account.state,
            row.state,
            self.policies,
            said_at,
            command.role,
            command.surface,
            origin,
        )
        said = (
            fold.add_late_turn(*about, now=at, is_erased=is_erased)
            if is_late
            else fold.add_turn(*about, is_erased=is_erased)
        )
        if said.segment >= SEGMENTS_MAX:
            return CommandResult(
                outcome=Outcome.refused,
                at=at,
                because=TOO_MANY_SEGMENTS,
                account=command.account,
                conversation=row.conversation_id,
            )
        row.state = said.conversation
        if said.segment == len(row.keys):
            row.keys.append(SegmentKeys())
            self._began_segment(account, row, said, at)
        self.writes.change_conversation(row)
        self.writes.turn(account, row, said, said_at, command.role, origin, command.host_turn)
        if command.host_turn is not None:
            self.note_turn(row, command.host_turn, said.turn)
        if command.content is not None:
            self.writes.body(account, row, said.segment, said.turn, command.content)
            if command.title is not None and said.turn == 1:
                self.writes.body(account, row, said.segment, 0, command.title)
        return CommandResult(
            outcome=Outcome.done,
            at=at,
            account=command.account,
            conversation=row.conversation_id,
            turn=said.turn,
            segment=said.segment,
            **self._project_of(row, command),
        )

    def _project_of(self, row: ConversationRow, command: Say) -> _TurnProject:
        """The project that a conversation began in, and whether a turn of it names another one."""
        project = UUID(hex=row.state.project) if row.state.project else None
        if command.host_project is None:
            return _TurnProject(project=project, other_project=False)
        named = self.projects_by_host.get((row.account_id, command.host_project))
        return _TurnProject(
            project=project, other_project=named is None or named.project_id != project
        )

    def _begin(self, account: AccountRow, command: Say, at: datetime) -> ConversationRow:
        project = None
        if command.host_project is not None:
            project = self.find_project(
                account, None, command.host_project, command.project_title, at
            )
        conversation_id = uuid7(at, self.writes.random(10))
        row = ConversationRow(
            account_id=command.account,
            conversation_id=conversation_id,
            host_hmac=command.host_conversation,
            begun_at=at,
            state=fold.begin_conversation(
                account.state,
                name=conversation_id.hex,
                project=project.project_id.hex if project is not None else "",
                incognito=command.incognito,
                kind=command.kind,
                narrow=command.narrow,
            ),
            saved=None,
            keys=[],
        )
        self.conversations[row.conversation_id] = row
        if command.host_conversation is not None:
            self.by_host[command.account, command.host_conversation] = row
        return row

    def _began_segment(
        self, account: AccountRow, row: ConversationRow, said: fold.TurnTaken, at: datetime
    ) -> None:
        """A turn with another stamp may remove rows from a release: the whole conversation may be
        excluded now.
        """
        if any(s.stamp.grants for s in row.state.segments[: said.segment]):
            self.journal(account, at, "resumed_otherwise", row.conversation_id, ends=True)

    def _about(self, account: AccountRow, command: About, at: datetime) -> CommandResult:
        """A command about one conversation of the account; one of another account is as unknown as
        one that does not exist.
        """
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
                until = self.policies.in_force(at).keep.period(ContentKind.deleted).after(at)
                self.writes.shorten_feedback(row.account_id, row.conversation_id, until)
                self.note(account, row, at, EntryKind.deleted, ends=True)
                if row.state != before:
                    self.must_leave(row, at, Leaving.deleted, until)
            case Narrow():
                self._narrow(account, row, at)
            case Widen():
                if (
                    command.narrowings is not None
                    and before.narrowed
                    and before.narrowings != command.narrowings
                ):
                    return CommandResult(
                        outcome=Outcome.refused, at=at, because=STALE, account=account.account_id
                    )
                row.state = fold.widen(before)
                if row.state is not before:
                    self.note(account, row, at, EntryKind.widened)
            case Flag() | Unflag():
                self._mark(account, row, command, at)
            case Hold():
                return self._hold(account, row, command, at)
            case Unhold():
                self._unhold(account, row, command, at)
            case _:
                raise BrokenError("a command about a conversation that has no handler")
        self.writes.conversations[row.conversation_id] = row
        outcome = Outcome.unchanged if row.state == before else Outcome.done
        return CommandResult(
            outcome=outcome,
            at=at,
            account=account.account_id,
            conversation=row.conversation_id,
            ended=tuple(self.ended),
        )

    def _narrow(self, account: AccountRow, row: ConversationRow, at: datetime) -> bool:
        """Keeps a conversation out; returns whether that changed anything."""
        kept = fold.narrow(account.state, row.state, self.policies, at)
        if kept.conversation is row.state:
            return False
        row.state, account.state = kept.conversation, kept.account
        self.writes.conversations[row.conversation_id] = row
        self.writes.change(account)
        until = (
            self.policies.in_force(at).keep.period(ContentKind.feedback, allowed=False).after(at)
        )
        self.writes.shorten_feedback(row.account_id, row.conversation_id, until)
        self.note(account, row, at, EntryKind.narrowed, ends=True)
        for grant in kept.ended:
            self.ended.append(grant)
            self.tell(
                account,
                at,
                EntryKind.grant_ended,
                cause=fold.EndingCause.narrowed.value,
                grant=grant.number,
            )
        self.must_leave(row, at, Leaving.narrowed, at)
        return True

    def _mark(
        self, account: AccountRow, row: ConversationRow, command: Flag | Unflag, at: datetime
    ) -> None:
        before = row.state
        if isinstance(command, Unflag):
            row.state = fold.unflag(before)
            self.flush()
            safety_copies.end(self.writes, row, at)
            self.note(account, row, at, EntryKind.unflagged, ends=True)
            return
        row.state = fold.flag(account.state, before, self.policies, at)
        if row.state is before:
            return
        self.note(account, row, at, EntryKind.flagged)
        until = self.policies.in_force(at).keep.period(ContentKind.flag_score).after(at)
        self.flush()
        self.tx.execute(
            """INSERT INTO flags (account_id, conversation_id, seq, flagged_at, score, score_until)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            [account.account_id, row.conversation_id, account.last_seq, at, command.score, until],
        )
        safety_copies.copy(self.writes, account, row, at)

    def _hold(
        self, account: AccountRow, row: ConversationRow, command: Hold, at: datetime
    ) -> CommandResult:
        """Places a hold, or reviews the one of its matter; refused where there is nothing that it
        would keep.
        """
        matter = self.writes.matter_hmac(command.matter)
        outcome, because = Outcome.done, ""
        if matter.hex() in row.state.holds:
            outcome, because = Outcome.unchanged, HELD_ALREADY
            self.writes.review_hold(row, matter, at, command)
        elif not any(
            s.keep_until > at and not k.erased
            for s, k in zip(row.state.segments, row.keys, strict=True)
        ):
            outcome, because = Outcome.refused, EXPIRED
        else:
            row.state = fold.hold(row.state, at, matter.hex())
            sealed = self.writes.seal_for_account(account, command.matter.encode())
            self.writes.hold(row, matter, sealed, at, command)
            self.note(
                account,
                row,
                at,
                EntryKind.held,
                reason=command.reason.value,
                person_told=command.is_told,
            )
        return CommandResult(
            outcome=outcome,
            at=at,
            because=because,
            account=account.account_id,
            conversation=row.conversation_id,
            ended=tuple(self.ended),
        )

    def _unhold(
        self, account: AccountRow, row: ConversationRow, command: Unhold, at: datetime
    ) -> None:
        matter = self.writes.matter_hmac(command.matter)
        if matter.hex() in row.state.holds:
            row.state = fold.unhold(row.state, matter.hex())
            self.writes.unhold(row, matter)
            self.note(account, row, at, EntryKind.unheld)

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
        if self.replay and command.at < at:
            return CommandResult(
                outcome=Outcome.refused, at=at, because=LATE, account=account.account_id
            )
        given = fold.give_feedback(account.state, row.state, self.policies, at, command.share)
        if given is None:
            return CommandResult(
                outcome=Outcome.refused,
                at=at,
                because="closed_deleted_or_expired",
                account=account.account_id,
            )
        if command.check is not None:  # it says something of the answer, and does not outlive it
            given = fold.shorten_date(given, row.state.content_until)
        self.flush()  # the copy is made from the tables
        feedback = uuid7(at, self.writes.random(10))
        self.note(account, row, at, EntryKind.feedback)
        key_slot = self._copy_shared(account, row, feedback, command, given, at)
        self.writes.feedback(row, feedback, command, given, key_slot, at)
        self.flush()  # an end later in this batch must find it in its table
        return self._gave(account, row, feedback, at, Outcome.done)

    def _take_back(
        self, account: AccountRow, row: ConversationRow, command: TakeBackFeedback, at: datetime
    ) -> CommandResult:
        """Feedback ends when its person takes it back: nothing uses it, and the next sweep erases
        its copy.
        """
        self.flush()  # it may have been given in this batch
        key = [account.account_id, row.conversation_id, command.feedback]
        taken = self.tx.execute(
            """UPDATE feedback SET taken_back_at = %s, keep_until = least(keep_until, %s)
                WHERE account_id = %s AND conversation_id = %s AND feedback_id = %s
                  AND taken_back_at IS NULL
            RETURNING feedback_id""",
            [at, at, *key],
        ).fetchone()
        if taken is not None:
            self.note(account, row, at, EntryKind.feedback_taken_back, ends=True)
            return self._gave(account, row, command.feedback, at, Outcome.done)
        known = self.tx.execute(
            "SELECT FROM feedback WHERE account_id = %s AND conversation_id = %s AND "
            "feedback_id = %s",
            key,
        ).fetchone()
        if known is None:
            return CommandResult(outcome=Outcome.unknown, at=at, account=account.account_id)
        return self._gave(account, row, command.feedback, at, Outcome.unchanged)

    def _copy_shared(
        self,
        account: AccountRow,
        row: ConversationRow,
        feedback: UUID,
        command: GiveFeedback,
        given: Feedback,
        at: datetime,
    ) -> int | None:
        """Seals what the person shared, and their comment, under a key of the feedback's own."""
        shared = safety_copies.shared_bodies(
            self.writes, account, row, given.share, command.turn, at
        )
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
            outcome=how,
            at=at,
            account=account.account_id,
            conversation=row.conversation_id,
            feedback=feedback,
        )

    def _lapsed(self, account: AccountRow, at: datetime, ending: fold.Ending) -> None:
        policy = self.policies.in_force(at).version
        for grant in ending.grants:
            if grant.scope == WHOLE_ACCOUNT:
                self.note_event(
                    host_events.choice_changed(
                        account.account_id,
                        at,
                        effect="lapsed",
                        policy=policy,
                        question=grant.question,
                        standing=ending.account.standing(grant.question).value,
                        scope=grant.scope,
                    )
                )

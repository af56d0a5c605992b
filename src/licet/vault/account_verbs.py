"""Account verbs: opening and closing, plan, age and region, projects, choices.

They fold with `policy.fold` into the state of a batch, which is written as a whole (`vault.apply`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, assert_never
from uuid import UUID

from msgspec.structs import replace

from licet.errors import BrokenError
from licet.keys.material import bucket_of
from licet.keys.restriction_journal import RestrictionKind
from licet.ledger.outbox import EntryKind, scope_facts
from licet.policy import fold, outcomes
from licet.policy.retention import ContentKind
from licet.policy.state import (
    NOTHING,
    WHOLE_ACCOUNT,
    Grant,
    GrantScope,
    ScopeKind,
)
from licet.vault import (
    choice_references,
    host_events,
    refusals,
    restriction,
    table_changes,
    tables,
)
from licet.vault.account_choices import NewestChoice
from licet.vault.batch_state import BatchState
from licet.vault.certificate import ErasureCause
from licet.vault.choice_references import ResolvedChoice
from licet.vault.commands import (
    AboutProject,
    Choose,
    ChosenScope,
    CloseAccount,
    CommandResult,
    LetProjectIn,
    OpenAccount,
    Outcome,
    SetAge,
    SetPlan,
    SetRegion,
)
from licet.vault.host_events import LeaveReason as Leaving
from licet.vault.host_events import NewHostEvent
from licet.vault.tables import AccountRow, ConversationRow, ProjectRow


class AccountVerbs(BatchState):
    """Folds the account commands of a batch, one at a time."""

    def _open(self, command: OpenAccount) -> CommandResult:
        at, opened_at = command.at, command.opened_at
        known = self.accounts[self.opened[command.host]] if command.host in self.opened else None
        closed_at = known.state.closed_at if known is not None else None
        refusal = refusals.check_opening(command, known.state if known is not None else None)
        if known is not None and refusal is not None:
            return CommandResult(
                outcome=refusal.outcome, at=at, account=known.account_id, closed_at=closed_at
            )
        if known is not None and closed_at is not None:
            at = max(at, known.state.last_at)
            # nothing from before the closure counts for the new one
            opened_at = max(opened_at or at, closed_at)
            self.flush()  # the closed account may be new in this batch
            table_changes.release_host(self.tx, known.account_id, command.host)
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
        self.log_entry(row, at, EntryKind.account_opened)
        return CommandResult(outcome=Outcome.done, at=at, account=command.account)

    def bring_to(self, account: AccountRow, now: datetime) -> None:
        """Applies the policy versions that became effective since the account's newest event."""
        self._changed(account, fold.advance(account.state, self.policies, now))

    def pass_versions(self, account: AccountRow, now: datetime) -> None:
        """`bring_to` by a background pass, which is not an event of the account."""
        self._changed(account, fold.pass_versions(account.state, self.policies, now))

    def _changed(self, account: AccountRow, changed: outcomes.AccountChange) -> None:
        """Adopts the new state of an account, and shortens the retention of content that lost its
        use with the grants that ended.
        """
        last_at = account.state.last_at
        account.state = changed.account
        self.writes.change(account)
        for ending in _merge_endings(changed.endings):
            # A sweep may have run after a version's first instant, before the version was known.
            at = max(ending.at, last_at)
            self._log_ended(account, at, ending.at, ending.cause, ending.grants)
            whole = any(grant.scope == WHOLE_ACCOUNT for grant in ending.grants)
            if ending.cause is outcomes.EndingCause.lapsed and whole:
                self._lapsed(account, at, ending)
            if ending.cause in (outcomes.EndingCause.refused, outcomes.EndingCause.lapsed):
                if whole and not any(
                    grant.question in _question_names(ending) for grant in ending.account.grants
                ):
                    self.note_event(_leave_event(account.account_id, at, ending))
                else:
                    self._note_leaving(account, at, ending)
            self._after_ending(account, ending, whole_account=whole)

    def _log_ended(
        self,
        account: AccountRow,
        now: datetime,
        ended_at: datetime,
        cause: outcomes.EndingCause,
        grants: Sequence[Grant],
    ) -> None:
        self.journal(account, now, f"ended_{cause.value}", None, ends=True)
        for grant in grants:
            self.ended.append(grant)
            self.log_entry(
                account, ended_at, EntryKind.grant_ended, cause=cause.value, grant=grant.number
            )

    def _note_leaving(self, account: AccountRow, now: datetime, ending: outcomes.Ending) -> None:
        """Emits an event for each conversation that lost a grant with a narrower scope."""
        because = (
            Leaving.withdrawn if ending.cause is outcomes.EndingCause.refused else Leaving.lapsed
        )
        for row in self.in_scope(account, ending):
            questions = [
                q for q in _question_names(ending) if account.state.grant_for(q, row.state) is None
            ]
            if questions and row.state.deleted_at is None:
                self.must_leave(row, now, because, now, questions)

    def _after_ending(
        self, account: AccountRow, ending: outcomes.Ending, *, whole_account: bool
    ) -> None:
        """Shortens retention after an ending: by one statement if no grant is left, otherwise for
        each conversation by the rule.
        """
        if whole_account and not ending.account.grants and not ending.keep.by_surface:
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
        for feedback_id, (conversation, state) in feedback.items():
            nearer = fold.feedback_after(ending, states[conversation], state, self.policies)
            if nearer != state:
                self.writes.shorten_one_feedback(account.account_id, feedback_id, nearer.keep_until)

    def _lapsed(self, account: AccountRow, now: datetime, ending: outcomes.Ending) -> None:
        policy = self.policies.in_force(now).version
        for grant in ending.grants:
            if grant.scope == WHOLE_ACCOUNT:
                self.note_event(
                    host_events.choice_changed(
                        account.account_id,
                        now,
                        effect="lapsed",
                        policy=policy,
                        question=grant.question,
                        standing=ending.account.standing(grant.question).value,
                        scope=grant.scope,
                    )
                )

    def _narrow(self, account: AccountRow, row: ConversationRow, now: datetime) -> bool:
        """Keeps a conversation out; returns whether that changed anything."""
        narrowed = fold.narrow(account.state, row.state, self.policies, now)
        if narrowed.conversation is row.state:
            return False
        row.state, account.state = narrowed.conversation, narrowed.account
        self.writes.conversations[row.conversation_id] = row
        self.writes.change(account)
        until = (
            self.policies.in_force(now).keep.period(ContentKind.feedback, allowed=False).after(now)
        )
        self.writes.shorten_feedback(row.account_id, row.conversation_id, until)
        self.note(account, row, now, EntryKind.narrowed, ends=True)
        for grant in narrowed.ended:
            self.ended.append(grant)
            self.log_entry(
                account,
                now,
                EntryKind.grant_ended,
                cause=outcomes.EndingCause.narrowed.value,
                grant=grant.number,
            )
        self.must_leave(row, now, Leaving.narrowed, now)
        return True

    def _change_account(
        self,
        account: AccountRow,
        command: SetPlan | SetAge | SetRegion | CloseAccount,
        now: datetime,
    ) -> CommandResult:
        before, facts = account.state, dict[str, Any]()
        match command:
            case SetPlan():
                changed = fold.set_plan(before, self.policies, now, command.plan)
                entry, kind = EntryKind.plan_set, RestrictionKind.plan
                facts = {"plan": command.plan}
            case SetAge():
                changed = fold.set_age(before, self.policies, now, command.age)
                entry, kind = EntryKind.age_found, RestrictionKind.age
                facts = {"age": command.age}
            case SetRegion():
                changed = fold.set_region(before, self.policies, now, command.region)
                entry, kind = EntryKind.region_set, RestrictionKind.region
                facts = {"region": command.region}
            case CloseAccount():
                changed = fold.close_account(before, self.policies, now)
                entry, kind = EntryKind.closed, RestrictionKind.closed
        # An age, a region or a plan can make content unusable without ending a grant.
        self.journal(account, now, entry.value, None, ends=True)
        self.log_entry(account, now, entry)
        self._changed(account, changed)
        outcome = Outcome.unchanged if changed.account == before else Outcome.done
        erasure = None
        if changed.all_until is not None:
            self.shorten_all(account, changed.all_until, changed.all_until)
            if outcome is Outcome.done:
                erasure = self.begin_erasure(account, now, ErasureCause.closure)
            if before.closed_at is None:
                until = changed.all_until
                leave_by = min([until, *(ending.content_until() for ending in changed.endings)])
                event = host_events.must_leave(
                    account.account_id, now, Leaving.closed, leave_by=leave_by, erasure=erasure
                )
                self.note_event(event)
        self.restrict(account, now, kind, erasure=erasure, **facts)
        return CommandResult(
            outcome=outcome,
            at=now,
            account=command.account,
            ended=tuple(self.ended),
            erasure=erasure,
        )

    def _change_project(
        self, account: AccountRow, command: AboutProject, now: datetime
    ) -> CommandResult:
        named = ChosenScope(project=command.project, host_project=command.host_project)
        refusal = refusals.check_project(command, self.project_named(account.account_id, named))
        if refusal is not None:
            return CommandResult(
                outcome=refusal.outcome, at=now, because=refusal.because, account=account.account_id
            )
        # after this point, the command succeeds
        project = self.find_project(
            account, command.project, command.host_project, command.title, now
        )
        assert project is not None, "it was checked"
        name, before = project.project_id.hex, account.state
        if isinstance(command, LetProjectIn):
            account.state = fold.let_project_in(before, name)
            changed = account.state is not before
            if changed:
                self.save_project(replace(project, kept_out_at=None))
                self.note_project(account, project, now, EntryKind.project_let_in)
        else:
            changed = self._keep_project_out(account, project, now)
            self.restrict(
                account,
                now,
                RestrictionKind.project_kept_out,
                project=project.project_id,
                host=project.host_hmac,
            )
        return CommandResult(
            outcome=Outcome.done if changed else Outcome.unchanged,
            at=now,
            account=command.account,
            project=project.project_id,
            ended=tuple(self.ended),
        )

    def _keep_project_out(self, account: AccountRow, project: ProjectRow, now: datetime) -> bool:
        """Keeps each conversation of a project out, and later ones; returns whether anything
        changed.
        """
        name, was_out = project.project_id.hex, project.kept_out_at is not None
        if not was_out:
            self.note_project(account, project, now, EntryKind.project_kept_out, ends=True)
            self.save_project(replace(project, kept_out_at=now))
        self.load_all(account, project.project_id)
        changed = not was_out
        mine = (row for row in self.conversations.values() if row.account_id == account.account_id)
        for row in sorted(
            mine, key=lambda row: row.conversation_id
        ):  # a fixed order, independent of the rest of the batch
            if row.state.project == name:
                changed |= self._narrow(account, row, now)
        self._changed(account, fold.keep_project_out(account.state, self.policies, now, name))
        return changed

    def _choose(self, account: AccountRow, command: Choose, now: datetime) -> CommandResult:
        """Applies a choice: its age first, then its answer, unless repeated or a refused yes."""
        resolved = choice_references.resolve(
            command, self, self.choices, self.policies, now, replay=self.replay
        )
        if self.replay and command.at < now and command.recorded_at is None:
            command = replace(command, recorded_at=command.at)
        before, scope = account.state, resolved.scope
        aged = fold.take_age(before, self.policies, now, command.age)
        chosen = outcomes.ChoiceOutcome(account=aged.account, endings=aged.endings)
        answered = not resolved.refused and not (command.allow and resolved.repeated)
        if answered:
            scope = self._begun_scope(account, command.scope, scope, now)
            chosen = fold.choose(
                before,
                self.policies,
                now,
                command.allow,
                question=command.question,
                scope=scope,
                conversation=resolved.conversation,
                keep=resolved.keep,
                age=command.age,
            )
            answered = not resolved.repeated or chosen.account != aged.account
        is_aged = aged.account.age != before.age
        if is_aged:
            self.journal(account, now, EntryKind.age_found.value, None, ends=True)
            self.log_entry(account, now, EntryKind.age_found)
        earlier = len(self.happened)
        self._changed(
            account, outcomes.AccountChange(account=chosen.account, endings=chosen.endings)
        )
        if answered:
            new = self.happened[earlier:]
            leaving = [event for event in new if host_events.is_withdrawal(event)]
            self.happened[earlier:] = [event for event in new if event not in leaving]
            for answer in chosen.answers or (None,):
                self._chose(account, command, scope, answer, chosen.because, now)
            self.happened += leaving  # a host gets the event of the no before its consequences
        done = self._choice_result(
            command, resolved, chosen, now, is_answered=answered, is_aged=is_aged
        )
        counts = done.outcome in (Outcome.done, Outcome.unchanged)
        refuses = counts and not command.allow
        if is_aged or refuses:
            self.restrict(
                account,
                now,
                RestrictionKind.refused if refuses else RestrictionKind.age,
                age=command.age if is_aged else None,
                question=(command.question or "") if counts else "",
                kept=restriction.kept_scopes(done.answers),
            )
        return done

    def _begun_scope(
        self, account: AccountRow, named: ChosenScope | None, scope: GrantScope, now: datetime
    ) -> GrantScope:
        """The scope of a yes; creates a project that the host names and that is not stored yet."""
        if scope.name != NOTHING or named is None or named.host_project is None:
            return scope
        project = self.find_project(account, None, named.host_project, None, now)
        assert project is not None, "a host's id finds or begins a project"
        return GrantScope(ScopeKind.project, project.project_id.hex)

    def _choice_result(
        self,
        command: Choose,
        choice: ResolvedChoice,
        chosen: outcomes.ChoiceOutcome,
        now: datetime,
        *,
        is_answered: bool,
        is_aged: bool,
    ) -> CommandResult:
        because = chosen.because or next(
            (answer.because for answer in chosen.answers if answer.because), None
        )
        if is_answered:
            has_effect = {answer.effect for answer in chosen.answers} - {outcomes.Effect.none}
            outcome, answers = Outcome.done if has_effect else Outcome.unchanged, chosen.answers
        else:
            outcome = Outcome.refused if choice.refused else Outcome.duplicate
            answers = () if choice.refused else tuple(map(_repeated_answer, choice.repeated))
        return CommandResult(
            outcome=outcome,
            at=now,
            account=command.account,
            answers=answers,
            could_name=chosen.could_name,
            because=choice.refused
            or (because.value if because is not None and is_answered else ""),
            ended=tuple(self.ended),
            aged=is_aged,
            not_taken=choice.not_taken,
        )

    def _chose(
        self,
        account: AccountRow,
        command: Choose,
        scope: GrantScope,
        answer: outcomes.Answer | None,
        because: outcomes.NoEffect | None,
        now: datetime,
    ) -> None:
        """Records one answer: its row, leaf and event, and the grant that it begins or affirms."""
        version = self.policies.number(now)
        effect = outcomes.Effect.none if answer is None else answer.effect
        self.journal(account, now, "choice", None, ends=not command.allow)
        self.writes.choice(account, now, version, command, answer, because)
        question = command.question if answer is None else answer.question
        if question is not None and (answer is None or answer.scope == WHOLE_ACCOUNT):
            self.choices[account.account_id, question] = NewestChoice(
                seq=account.last_seq,
                at=now,
                question=question,
                allow=command.allow,
                effect=effect,
                via=command.via,
                showing=command.answers.showing if command.answers is not None else None,
            )
        self._log_choice(account, command, scope, answer, because, now)
        if answer is None or effect is outcomes.Effect.none:
            return
        self.note_event(
            host_events.choice_changed(
                account.account_id,
                now,
                effect=effect.value,
                standing=account.state.standing(answer.question).value,
                policy=self.policies[version].version,
                question=answer.question,
                scope=answer.scope,
            )
        )
        if answer.grant is not None:
            kind = (
                EntryKind.grant_begun
                if effect is outcomes.Effect.began
                else EntryKind.grant_affirmed
            )
            self.log_grant(
                account, now, kind, Grant(answer.grant, answer.question, answer.scope), version
            )
        for grant in answer.kept:
            self.log_grant(account, now, EntryKind.grant_affirmed, grant, version)

    def _log_choice(
        self,
        account: AccountRow,
        command: Choose,
        scope: GrantScope,
        answer: outcomes.Answer | None,
        because: outcomes.NoEffect | None,
        now: datetime,
    ) -> None:
        """Adds the leaf of one answer."""
        version = self.policies.number(now)
        question = command.question if answer is None else answer.question
        # A question unknown to the policy is text of the sender, which the log must not contain.
        named = question if question in self.policies[version].asks else None
        grants = ",".join(str(grant.number) for grant in answer.kept) if answer is not None else ""
        # The leaf commits to the hash of the evidence, so that a receipt cannot name another notice.
        evidence = sha256(command.evidence.encode()).hexdigest() if command.evidence else None
        # an amendment may change `decide_by`, so the leaf has it beside the policy's hash
        terms = self.policies[version]
        why = answer.because if answer is not None else because
        self.log_entry(
            account,
            now,
            EntryKind.choice,
            allow=command.allow,
            effect=(outcomes.Effect.none if answer is None else answer.effect).value,
            version=version,
            evidence=evidence,
            question=named,
            **scope_facts(scope),
            **({"kept": grants} if grants else {}),
            policy=terms.sha256().hex(),
            decide_by=terms.decide_by.isoformat() if terms.decide_by is not None else None,
            via=command.via,
            grant=answer.grant if answer is not None else None,
            because=why.value if why is not None else None,
        )


def _repeated_answer(choice: NewestChoice) -> outcomes.Answer:
    return outcomes.Answer(question=choice.question, scope=WHOLE_ACCOUNT, effect=choice.effect)


def _leave_event(account: UUID, now: datetime, ending: outcomes.Ending) -> NewHostEvent:
    """The hosts' event that grants for the account ended: all turns leave use for the questions."""
    match ending.cause:
        case outcomes.EndingCause.refused:
            return host_events.must_leave(
                account, now, Leaving.withdrawn, questions=_question_names(ending)
            )
        case outcomes.EndingCause.lapsed:
            return host_events.must_leave(
                account, now, Leaving.lapsed, questions=_question_names(ending)
            )
        case outcomes.EndingCause.narrowed | outcomes.EndingCause.closed:
            raise BrokenError("keeping out and closing have events of their own")
        case _:
            assert_never(ending.cause)


def _merge_endings(endings: Sequence[outcomes.Ending]) -> list[outcomes.Ending]:
    """Merges endings of one cause and instant, with the account's state after the last one.

    Usefulness only shrinks, so the dates are the same; and a no to every question reads and writes
    each conversation once.
    """
    merged: list[outcomes.Ending] = []
    for ending in endings:
        if merged and (merged[-1].cause, merged[-1].at) == (ending.cause, ending.at):
            ending = replace(ending, grants=merged.pop().grants + ending.grants)
        merged.append(ending)
    return merged


def _question_names(ending: outcomes.Ending) -> list[str]:
    return sorted({grant.question for grant in ending.grants})

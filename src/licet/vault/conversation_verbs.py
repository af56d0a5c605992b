"""Verbs about a conversation: its turns, keeping it out or letting it in, holds, flags, feedback,
deletion.

They fold with `policy.fold` into the state of a batch, which writes it as a whole (`vault.apply`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from msgspec.structs import replace

from licet.errors import BrokenError
from licet.keys.restriction_journal import RestrictionKind
from licet.ledger.outbox import EntryKind
from licet.policy import fold, outcomes, turn_runs
from licet.policy.retention import ContentKind
from licet.policy.state import (
    Feedback,
    Grant,
    TurnRole,
)
from licet.vault import host_events, refusals, restriction, safety_copies
from licet.vault.account_verbs import AccountVerbs
from licet.vault.certificate import ErasureCause
from licet.vault.commands import (
    HELD_ALREADY,
    About,
    AddTurn,
    CommandResult,
    Delete,
    Flag,
    GiveFeedback,
    Hold,
    Narrow,
    Outcome,
    TakeBackFeedback,
    Unflag,
    Unhold,
    Widen,
)
from licet.vault.copies import CopyPlace
from licet.vault.host_events import LeaveReason as Leaving
from licet.vault.ids import uuid7
from licet.vault.refusals import CommandRefusal
from licet.vault.tables import AccountRow, ConversationRow, SegmentKeys


class _TurnProject(TypedDict):
    """The project of a turn's conversation, as `CommandResult` has it."""

    project: UUID | None
    other_project: bool


def _origin(command: AddTurn) -> str:
    return command.origin or ("typed" if command.role is TurnRole.user else command.role.value)


def _refused(
    refusal: CommandRefusal,
    account: AccountRow,
    now: datetime,
    row: ConversationRow | None,
    ended: Sequence[Grant] = (),
) -> CommandResult:
    return CommandResult(
        outcome=refusal.outcome,
        at=now,
        because=refusal.because,
        account=account.account_id,
        conversation=row.conversation_id if row is not None else None,
        ended=tuple(ended) if row is not None else (),
    )


class ConversationVerbs(AccountVerbs):
    """Folds the conversation commands of a batch, one at a time."""

    def _take_turns(self, account: AccountRow, commands: Sequence[AddTurn]) -> list[CommandResult]:
        """Takes a run of turns of one conversation, surface and project; those with the same
        outcome as the turn before them are folded together.
        """
        answers: list[CommandResult] = []
        while (done := len(answers)) < len(commands):
            answers.append(self._take_turn(account, commands[done]))
            if done + 1 < len(commands) and answers[-1].outcome is Outcome.done:
                answers += self._take_like_turns(account, commands[done + 1 :], answers[-1])
        return answers

    def _take_like_turns(
        self, account: AccountRow, commands: Sequence[AddTurn], before: CommandResult
    ) -> list[CommandResult]:
        """Takes the leading turns whose outcome equals that of the turn just taken."""
        row = self.find(commands[0])
        since, surface, under = before.at, commands[0].surface, commands[0].under
        # of a turn that came late
        if row is None or account.state.last_at != since or row.state.segments[-1].last_at != since:
            return []
        if not self.replay and fold.refusal(
            account.state, row.state, self.policies, since, TurnRole.user
        ):
            return []
        known = self.turns_by_host.get(row.conversation_id, {})
        accepted: list[tuple[datetime, TurnRole, str]] = []
        names = set[bytes]()
        at = since
        for command in commands:
            if command.host_turn is not None:
                if command.host_turn in known or command.host_turn in names:
                    break
                names.add(command.host_turn)
            # recorded history has late turns, and the gate closes at a time
            if command.at < at if self.replay else command.at > at:
                break
            at = max(at, command.at)
            accepted.append((at, command.role, _origin(command)))
        row.state, count = turn_runs.extend(
            account.state, row.state, self.policies, since, surface, accepted, under=under
        )
        if not count:
            return []
        account.state = replace(account.state, last_at=accepted[count - 1][0])
        self.writes.change_conversation(row)
        self.writes.turns(account, row, before.turn + 1, before.segment, accepted[:count], commands)
        answers = []
        for turn, ((at, _, _), command) in enumerate(
            zip(accepted[:count], commands, strict=False), before.turn + 1
        ):
            if command.host_turn is not None:
                self.note_turn(row, command.host_turn, turn)
            answers.append(replace(before, at=at, turn=turn))
        return answers

    def _take_turn(self, account: AccountRow, command: AddTurn) -> CommandResult:
        """Takes a turn, unless it is stored already."""
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
        return self._add_turn(account, row, command, at)

    def _add_turn(
        self, account: AccountRow, row: ConversationRow | None, command: AddTurn, now: datetime
    ) -> CommandResult:
        before = row.state if row is not None else None
        refusal = refusals.check_turn(
            command, account.state, before, self.policies, now, replay=self.replay
        )
        taken = (
            self._folded(account, row, command, now) if row is not None and not refusal else None
        )
        refusal = refusal or (refusals.check_segment(taken.segment) if taken is not None else None)
        if refusal is not None:
            return _refused(refusal, account, now, row)
        # after this point, the turn is taken
        turn_at = command.at if self.replay and command.at < now else now
        if row is None:
            row = self._begin(account, command, turn_at)
        if taken is None:
            taken = self._folded(account, row, command, now)
        row.state = taken.conversation
        if taken.segment == len(row.keys):
            row.keys.append(SegmentKeys())
            self._began_segment(account, row, taken, now)
        self.writes.change_conversation(row)
        if taken.turn == 1 and command.content is not None and command.title is not None:
            self.writes.title(account, row, turn_at, command.title)
        stamped = (turn_at, command.role, _origin(command))
        self.writes.turns(account, row, taken.turn, taken.segment, [stamped], [command])
        if command.host_turn is not None:
            self.note_turn(row, command.host_turn, taken.turn)
        return CommandResult(
            outcome=Outcome.done,
            at=now,
            account=command.account,
            conversation=row.conversation_id,
            turn=taken.turn,
            segment=taken.segment,
            **self._project_of(row, command),
        )

    def _folded(
        self, account: AccountRow, row: ConversationRow, command: AddTurn, now: datetime
    ) -> outcomes.TurnTaken:
        """Folds a turn that is not refused; changes nothing."""
        is_late = self.replay and command.at < now
        is_erased = self.replay and bool(row.keys) and row.keys[-1].erased
        about = (
            account.state,
            row.state,
            self.policies,
            command.at if is_late else now,
            command.role,
            command.surface,
            _origin(command),
        )
        if is_late:
            return fold.add_late_turn(*about, now=now, is_erased=is_erased)
        return fold.add_turn(*about, under=command.under, is_erased=is_erased)

    def _project_of(self, row: ConversationRow, command: AddTurn) -> _TurnProject:
        """The conversation's project, and whether the turn names another one."""
        project = UUID(hex=row.state.project) if row.state.project else None
        if command.host_project is None:
            return _TurnProject(project=project, other_project=False)
        named = self.projects_by_host.get((row.account_id, command.host_project))
        return _TurnProject(
            project=project, other_project=named is None or named.project_id != project
        )

    def _begin(self, account: AccountRow, command: AddTurn, now: datetime) -> ConversationRow:
        project = None
        if command.host_project is not None:
            project = self.find_project(
                account, None, command.host_project, command.project_title, now
            )
        conversation_id = uuid7(now, self.writes.random(10))
        row = ConversationRow(
            account_id=command.account,
            conversation_id=conversation_id,
            host_hmac=command.host_conversation,
            begun_at=now,
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
        self, account: AccountRow, row: ConversationRow, outcome: outcomes.TurnTaken, now: datetime
    ) -> None:
        """A turn with another stamp may remove rows from a release: the whole conversation may be
        excluded now.
        """
        if any(s.stamp.grants for s in row.state.segments[: outcome.segment]):
            self.journal(account, now, "resumed_otherwise", row.conversation_id, ends=True)

    def _about(self, account: AccountRow, command: About, now: datetime) -> CommandResult:
        """Takes a command about one conversation of the account: checks it, then applies it."""
        row = self.conversations.get(command.conversation)
        if row is not None and row.account_id != account.account_id:
            row = None
        matter = self.writes.matter_hmac(command.matter) if isinstance(command, Hold) else b""
        feedback = self._feedback_named(row, command) if row is not None else None
        refusal = refusals.check_conversation(
            command,
            account.state,
            row,
            self.policies,
            now,
            replay=self.replay,
            matter=matter,
            feedback=feedback,
        )
        if row is None or refusal is not None:
            if row is not None and refusal is refusals.DUPLICATE:
                return self._gave(account, row, feedback, now, Outcome.duplicate)
            named = row if isinstance(command, Hold) else None
            return _refused(refusal or refusals.UNKNOWN, account, now, named, self.ended)
        # after this point, the command succeeds
        if isinstance(command, GiveFeedback):
            return self._feedback(account, row, command, now)
        if isinstance(command, TakeBackFeedback):
            return self._take_back(account, row, command, now)
        if isinstance(command, Hold):
            return self._hold(account, row, command, matter, now)
        before, kind, erasure = row.state, None, None
        match command:
            case Delete():
                kind, erasure = RestrictionKind.deleted, self._delete(account, row, now)
            case Narrow():
                kind = RestrictionKind.narrowed
                self._narrow(account, row, now)
            case Widen():
                row.state = fold.widen_conversation(before)
                if row.state is not before:
                    self.note(account, row, now, EntryKind.widened)
            case Flag():
                self._flag(account, row, command, now)
            case Unflag():
                kind, row.state = RestrictionKind.unflagged, fold.unflag(before)
                self.flush()
                safety_copies.end(self.writes, row, now)
                self.note(account, row, now, EntryKind.unflagged, ends=True)
            case Unhold():
                kind = RestrictionKind.unheld
                matter = self._sealed_matter(command.matter)
                erasure = self._unhold(account, row, command, now)
            case _:
                raise BrokenError("a command about a conversation that has no handler")
        self.writes.conversations[row.conversation_id] = row
        if kind is not None:
            self.restrict(
                account, now, kind, conversation=row.conversation_id, erasure=erasure, matter=matter
            )
        outcome = Outcome.unchanged if row.state == before else Outcome.done
        return CommandResult(
            outcome=outcome,
            at=now,
            account=account.account_id,
            conversation=row.conversation_id,
            ended=tuple(self.ended),
            erasure=erasure,
        )

    def _feedback_named(self, row: ConversationRow, command: About) -> UUID | None:
        """The stored feedback that a command withdraws, or that the host gave before under the same
        id.
        """
        match command:
            case TakeBackFeedback():
                column, name = "conversation_id = %s AND feedback_id", command.feedback
                key: list[object] = [row.account_id, row.conversation_id, name]
            case GiveFeedback() if command.host is not None:
                column, key = "host_hmac", [row.account_id, command.host]
            case _:
                return None
        self.flush()  # it may have been given in this batch
        rows = self.tx.execute(
            f"SELECT feedback_id FROM feedback WHERE account_id = %s AND {column} = %s", key
        ).fetchone()
        return rows[0] if rows is not None else None

    def _delete(self, account: AccountRow, row: ConversationRow, now: datetime) -> UUID | None:
        """Deletes the conversation; returns the erasure that begins unless nothing changes."""
        before, row.state = row.state, fold.delete(row.state, self.policies, now)
        until = self.policies.in_force(now).keep.period(ContentKind.deleted).after(now)
        self.writes.shorten_feedback(row.account_id, row.conversation_id, until)
        self.note(account, row, now, EntryKind.deleted, ends=True)
        if row.state == before:
            return None
        erasure = self.begin_erasure(account, now, ErasureCause.deletion, row.conversation_id)
        self.must_leave(row, now, Leaving.deleted, until, erasure=erasure)
        return erasure

    def _flag(
        self, account: AccountRow, row: ConversationRow, command: Flag, now: datetime
    ) -> None:
        before = row.state
        row.state = fold.flag(account.state, before, self.policies, now)
        if row.state is before:
            return
        self.note(account, row, now, EntryKind.flagged)
        until = self.policies.in_force(now).keep.period(ContentKind.flag_score).after(now)
        self.flush()
        self.tx.execute(
            """INSERT INTO flags (account_id, conversation_id, seq, flagged_at, score, score_until)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            [account.account_id, row.conversation_id, account.last_seq, now, command.score, until],
        )
        safety_copies.copy(self.writes, account, row, now)

    def _hold(
        self, account: AccountRow, row: ConversationRow, command: Hold, matter: bytes, now: datetime
    ) -> CommandResult:
        """Places a hold, or reviews the one of its matter."""
        outcome, because = Outcome.done, ""
        if matter.hex() in row.state.holds:
            outcome, because = Outcome.unchanged, HELD_ALREADY
            self.writes.review_hold(row, matter, now, command)
        else:
            row.state = fold.hold(row.state, now, matter.hex())
            sealed = self.writes.seal_for_account(account, command.matter.encode())
            self.writes.hold(row, matter, sealed, now, command)
            self.note(
                account,
                row,
                now,
                EntryKind.held,
                reason=command.reason.value,
                person_told=command.is_told,
            )
            event = host_events.must_hold(
                row.account_id, now, row.conversation_id, person_told=command.is_told
            )
            self.note_event(event)
        self.restrict(
            account,
            now,
            RestrictionKind.held,
            conversation=row.conversation_id,
            matter=self._sealed_matter(command.matter),
            reason=command.reason.value,
            untold=not command.is_told,
            until=command.review_at,
            by=command.by,
        )
        return CommandResult(
            outcome=outcome,
            at=now,
            because=because,
            account=account.account_id,
            conversation=row.conversation_id,
            ended=tuple(self.ended),
        )

    def _unhold(
        self, account: AccountRow, row: ConversationRow, command: Unhold, now: datetime
    ) -> UUID | None:
        """Ends a hold; returns the erasure that begins if it was the last, and something is left
        that should have been erased.
        """
        matter = self.writes.matter_hmac(command.matter)
        if matter.hex() not in row.state.holds:
            return None
        row.state = fold.unhold(row.state, matter.hex())
        self.writes.unhold(row, matter)
        self.note(account, row, now, EntryKind.unheld)
        is_overdue = any(
            not keys.erased and segment.keep_until <= now
            for keys, segment in zip(row.keys, row.state.segments, strict=True)
        )
        if row.state.holds:
            return None
        if not is_overdue:
            event = host_events.hold_ended(row.account_id, now, row.conversation_id)
            self.note_event(event)
            return None
        cause = ErasureCause.hold_released
        erasure = self.begin_erasure(account, now, cause, row.conversation_id)
        self.must_leave(row, now, Leaving.hold_released, now, erasure=erasure)
        return erasure

    def _sealed_matter(self, matter: str) -> bytes:
        writes = self.writes
        return restriction.seal_matter(writes.host_key(), matter, writes.random)

    def _feedback(
        self, account: AccountRow, row: ConversationRow, command: GiveFeedback, now: datetime
    ) -> CommandResult:
        given = fold.give_feedback(account.state, row.state, self.policies, now, command.share)
        assert given is not None, "it was checked"
        if command.check is not None:  # a check is about the answer, and does not outlive it
            given = fold.shorten_date(given, row.state.content_until)
        self.flush()  # the copy is made from the tables
        feedback = uuid7(now, self.writes.random(10))
        self.note(account, row, now, EntryKind.feedback)
        key_slot = self._copy_shared(account, row, feedback, command, given, now)
        self.writes.feedback(row, feedback, command, given, key_slot, now)
        self.flush()  # an end later in this batch must find it in its table
        return self._gave(account, row, feedback, now, Outcome.done)

    def _take_back(
        self, account: AccountRow, row: ConversationRow, command: TakeBackFeedback, now: datetime
    ) -> CommandResult:
        """Withdraws feedback: nothing uses it from now on, and the next sweep erases its copy."""
        taken = self.tx.execute(
            """UPDATE feedback SET taken_back_at = %s, keep_until = least(keep_until, %s)
                WHERE account_id = %s AND conversation_id = %s AND feedback_id = %s
                  AND taken_back_at IS NULL
            RETURNING feedback_id""",
            [now, now, account.account_id, row.conversation_id, command.feedback],
        ).fetchone()
        if taken is not None:
            self.note(account, row, now, EntryKind.feedback_taken_back, ends=True)
        self.restrict(
            account,
            now,
            RestrictionKind.feedback_taken_back,
            conversation=row.conversation_id,
            feedback=command.feedback,
        )
        outcome = Outcome.unchanged if taken is None else Outcome.done
        return self._gave(account, row, command.feedback, now, outcome)

    def _copy_shared(
        self,
        account: AccountRow,
        row: ConversationRow,
        feedback: UUID,
        command: GiveFeedback,
        item: Feedback,
        now: datetime,
    ) -> int | None:
        """Seals the shared content and the comment under a key of the feedback's own."""
        shared = safety_copies.shared_bodies(
            self.writes, account, row, item.share, command.turn, now
        )
        if not shared and command.comment is None:
            return None
        slot, key = self.writes.new_slot(account)
        if command.comment is not None:
            self.writes.feedback_body(row, feedback, 0, key, command.comment)
        for turn, _, content in shared:
            self.writes.feedback_body(row, feedback, turn, key, content)
        segments = {segment for _, segment, _ in shared} or {0}
        self.writes.register(row, segments, CopyPlace.feedback, feedback, now)
        return slot

    def _gave(
        self,
        account: AccountRow,
        row: ConversationRow,
        feedback: UUID | None,
        now: datetime,
        how: Outcome,
    ) -> CommandResult:
        return CommandResult(
            outcome=how,
            at=now,
            account=account.account_id,
            conversation=row.conversation_id,
            feedback=feedback,
        )

"""All writes to the vault: commands are folded in order, their rows gathered, and all is written in
one transaction.

For each account the order is: lock its row, bring its time up, take its next number, read its
state, fold with `policy.fold`. A batch locks accounts in the order of their ids. A live turn passes
the gate; a replay of recorded history applies stamps and dates, but neither the gate nor the
refusal of expired conversations.

A verb that can take rows out of a release takes `account_journal.ENDINGS_LOCK` shared before it
numbers its journal row: a transaction that holds the lock exclusively sees every ending up to a
position, and no other is in progress.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import cast

from msgspec.structs import replace

from licet.errors import UsageError
from licet.keys.keyring import Keyring
from licet.policy.file import Policies
from licet.store.connect import Transaction
from licet.vault import (
    certificate,
    host_events,
    restriction,
    tables,
)
from licet.vault.commands import (
    BATCH_COMMANDS_MAX,
    About,
    AboutProject,
    Choose,
    CloseAccount,
    Command,
    CommandResult,
    KeepProjectOut,
    LetProjectIn,
    OpenAccount,
    Outcome,
    Say,
    SetAge,
    SetPlan,
    SetRegion,
    Unhold,
    check,
)
from licet.vault.conversation_verbs import ConversationVerbs
from licet.vault.host_events import LeaveReason as Leaving
from licet.vault.host_events import NewHostEvent
from licet.vault.tables import AccountRow

_TURNS_NAME = attrgetter(
    "account", "conversation", "host_conversation", "host_project", "surface", "under"
)


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
    mistake of a caller raises: what cannot be done is reported in the answer. The caller commits,
    and acknowledges nothing before that.
    """
    if len(commands) > BATCH_COMMANDS_MAX:
        raise UsageError(f"`{len(commands)}` commands in one batch: at most {BATCH_COMMANDS_MAX}")
    for command in commands:
        check(command)
    batch = _Batch(tx, keyring, policies, replay)
    batch.load(commands)
    answers: list[CommandResult] = []
    told: dict[int, tuple[Command, CommandResult, int]] = {}
    for several in _runs(commands):
        batch.place = place = len(answers)
        command = several[0]
        answers += batch.take(several)
        if isinstance(command, Say):
            continue
        holder = batch.account_of(answers[-1].account)
        seq = holder.last_seq if holder is not None else 0
        told[place] = (*_as_restriction(command, answers[-1]), seq)
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


def _runs(commands: Sequence[Command]) -> Iterator[Sequence[Command]]:
    """The commands in order; turns that name the same together."""
    for is_said, several in groupby(commands, lambda command: isinstance(command, Say)):
        if is_said:
            yield from (list(run) for _, run in groupby(several, _TURNS_NAME))
        else:
            yield from ([one] for one in several)


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


class _Batch(ConversationVerbs):
    """A batch of commands, folded one by one, and turns of a conversation together."""

    def take(self, commands: Sequence[Command]) -> list[CommandResult]:
        """Folds one command into the batch's state, or turns that name the same."""
        command = commands[0]
        if isinstance(command, OpenAccount):
            return [self._open(command)]
        account = self.account_of(command.account)
        if account is None:
            unknown = Outcome.unknown
            return [CommandResult(outcome=unknown, at=c.at, account=c.account) for c in commands]
        if isinstance(command, Say):
            return self._take_turns(account, cast("Sequence[Say]", commands))
        return [self._take_other(account, command)]

    def _take_other(
        self,
        account: AccountRow,
        command: SetPlan | SetAge | SetRegion | CloseAccount | Choose | AboutProject | About,
    ) -> CommandResult:
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

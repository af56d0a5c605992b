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

from licet.errors import UsageError
from licet.keys.keyring import Keyring
from licet.policy.file import Policies
from licet.store.connect import Transaction
from licet.vault import tables
from licet.vault.commands import (
    BATCH_COMMANDS_MAX,
    About,
    AboutProject,
    AddTurn,
    Choose,
    CloseAccount,
    Command,
    CommandResult,
    KeepProjectOut,
    LetProjectIn,
    OpenAccount,
    Outcome,
    SetAge,
    SetPlan,
    SetRegion,
    check,
)
from licet.vault.conversation_verbs import ConversationVerbs
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
    """Folds ``commands`` in order and writes the results; returns one for each, in order.

    UsageError, before anything is written, for a value that no table accepts. Other mistakes of a
    caller are reported in the result. The caller commits, and acknowledges nothing before that.
    """
    if len(commands) > BATCH_COMMANDS_MAX:
        raise UsageError(f"`{len(commands)}` commands in one batch: at most {BATCH_COMMANDS_MAX}")
    for command in commands:
        check(command)
    batch = _Batch(tx, keyring, policies, replay)
    batch.load(commands)
    answers: list[CommandResult] = []
    for several in _runs(commands):
        answers += batch.take(several)
    batch.finish()
    return answers


def _runs(commands: Sequence[Command]) -> Iterator[Sequence[Command]]:
    """Groups consecutive turns that name the same account and conversation."""
    for are_turns, several in groupby(commands, lambda command: isinstance(command, AddTurn)):
        if are_turns:
            yield from (list(run) for _, run in groupby(several, _TURNS_NAME))
        else:
            yield from ([one] for one in several)


def advance(tx: Transaction, policies: Policies, now: datetime, *, limit: int) -> int:
    """Brings up to ``limit`` accounts whose grant a version may have ended to ``now``; returns how
    many. When it returns 0, no grant is in force that a version effective at ``now`` does not
    allow.
    """
    number = policies.number(now)
    rows = tx.execute(
        "SELECT account_id FROM accounts WHERE in_force > 0 AND seen < %s LIMIT %s", [number, limit]
    ).fetchall()
    if not rows:
        return 0
    batch = _Batch(tx, None, policies, replay=False)
    batch.accounts = tables.lock_accounts(tx, [row[0] for row in rows])
    for account in list(batch.accounts.values()):
        batch.pass_versions(account, now)
    batch.finish()
    return len(rows)


class _Batch(ConversationVerbs):
    """Folds a batch of commands one by one, and runs of turns of a conversation together."""

    def take(self, commands: Sequence[Command]) -> list[CommandResult]:
        """Folds one command, or a run of turns, into the batch's state."""
        command = commands[0]
        # recorded history is the host's own
        self.emits_events = not self.replay
        if isinstance(command, OpenAccount):
            return [self._open(command)]
        account = self.account_of(command.account)
        if account is None:
            unknown = Outcome.unknown
            return [CommandResult(outcome=unknown, at=c.at, account=c.account) for c in commands]
        if isinstance(command, AddTurn):
            return self._take_turns(account, cast("Sequence[AddTurn]", commands))
        return [self._take_other(account, command)]

    def _take_other(
        self,
        account: AccountRow,
        command: SetPlan | SetAge | SetRegion | CloseAccount | Choose | AboutProject | About,
    ) -> CommandResult:
        at = max(command.at, account.state.last_at)
        if self.replay:  # its times passed long ago, but for a refusal that came in late
            self.emits_events = isinstance(command, Choose) and (
                command.recorded_at is not None or command.at < at
            )
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

"""Verbs as requests: a read step, the commands, a finishing step, and the idempotency key.

Many requests share one transaction, and every caller (the API, a person's page) uses them:
everything that a request reads in order to decide, it reads in the transaction that writes. The
policy versions are checked in it too, so that one applied by another process takes effect from its
first instant. An error that a request raises before its commands concerns that request only.

Crash: before the commit neither the effect nor the key exists; after it both do.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from licet.errors import LicetError
from licet.keys.keyring import Keyring
from licet.masked import Masked
from licet.policy.file import Policies
from licet.store.connect import Transaction
from licet.vault import apply, idempotency, policy_versions, restriction
from licet.vault.commands import Command, CommandResult, Outcome, check, may_restrict
from licet.vault.idempotency import IdempotentCall


def _no_finish(_: Sequence[CommandResult]) -> None:
    """The default after commands that need no further step."""


class VerbStep(msgspec.Struct, frozen=True, kw_only=True):
    """The commands that a request leads to, which the vault folds in order; none if there is
    nothing to do. ``finish`` is called with their results, in the same transaction; its result is
    `WriteResult.finished`.
    """

    commands: tuple[Command, ...] = ()
    finish: Callable[[Sequence[CommandResult]], object] = _no_finish


class VerbRequest(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A verb that reads before it knows its commands."""

    account: UUID
    at: datetime

    @property
    def may_restrict(self) -> bool:
        """Whether it may withdraw something: its latency then counts as a withdrawal's."""
        return False

    @abstractmethod
    def prepare(self, tx: Transaction, policies: Policies) -> VerbStep:
        """The commands; a LicetError refuses this request alone, and must precede its writes."""


class Write(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A command or request, and its idempotency key."""

    command: Command | VerbRequest
    once: IdempotentCall | None = None

    @property
    def may_restrict(self) -> bool:
        if isinstance(self.command, VerbRequest):
            return self.command.may_restrict
        return may_restrict(self.command)


class WriteResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a command, or of the last one of a request; ``replayed``: it was done before,
    under the same key.
    """

    answer: CommandResult
    replayed: bool = False
    finished: object = None


class WriteBatch:
    """Applies writes in the caller's transaction."""

    def __init__(self, keyring: Keyring, clock: Callable[[], datetime]) -> None:
        self._keyring, self._clock = keyring, clock

    def apply(self, tx: Transaction, writes: Sequence[Write]) -> list[WriteResult | LicetError]:
        """One result per write, in order. An error undoes that write alone."""
        known, at = policy_versions.current(tx), self._clock()
        results: dict[int, WriteResult | LicetError] = {}
        doing = _claim_keys(tx, writes, results, at)
        repeated = [one.answer for one in results.values() if isinstance(one, WriteResult)]
        restriction.record_repeats(tx, self._keyring, repeated)
        steps = _prepared(tx, known, writes, doing, results)
        commands = [(place, command) for place, step in steps.items() for command in step.commands]
        answers: dict[int, list[CommandResult]] = {place: [] for place in steps}
        if commands:
            applied = apply.apply(tx, self._keyring, known, [command for _, command in commands])
            for (place, _), answer in zip(commands, applied, strict=True):
                answers[place].append(answer)
        done = []
        for place, step in steps.items():
            asked, once = writes[place].command, writes[place].once
            nothing = CommandResult(outcome=Outcome.unchanged, at=asked.at, account=asked.account)
            answer = answers[place][-1] if answers[place] else nothing
            results[place] = WriteResult(answer=answer, finished=step.finish(answers[place]))
            if once is not None:
                done.append((once, answer))
        idempotency.save_answers(tx, done, at)
        return [results[place] for place in range(len(writes))]


def _claim_keys(
    tx: Transaction,
    writes: Sequence[Write],
    results: dict[int, WriteResult | LicetError],
    now: datetime,
) -> list[int]:
    """The places of the writes to do now; puts into ``results`` what was done, or is in progress,
    under the same key.
    """
    calls = [write.once for write in writes if write.once is not None]
    if not calls:
        return list(range(len(writes)))
    remembered = idempotency.claim(tx, calls, now)
    doing = []
    for place, write in enumerate(writes):
        earlier = remembered.get(write.once.place) if write.once is not None else None
        if isinstance(earlier, CommandResult):
            results[place] = WriteResult(answer=earlier, replayed=True)
        elif earlier is not None:
            results[place] = earlier
        else:
            doing.append(place)
            # the same key again in this batch waits for the first request with it
            if write.once is not None:
                remembered[write.once.place] = idempotency.running_error()
    return doing


def _prepared(
    tx: Transaction,
    policies: Policies,
    writes: Sequence[Write],
    doing: Sequence[int],
    results: dict[int, WriteResult | LicetError],
) -> dict[int, VerbStep]:
    """The step of each write, by place, in order; puts errors into ``results``."""
    steps: dict[int, VerbStep] = {}
    for place in doing:
        asked = writes[place].command
        if not isinstance(asked, VerbRequest):
            steps[place] = VerbStep(commands=(asked,))
            continue
        try:
            step = asked.prepare(tx, policies)
            for command in step.commands:
                check(command)
        except LicetError as error:
            results[place] = error
        else:
            steps[place] = step
    return steps

"""Bulk acts on conversations: keep out, let in or delete, in one transaction.

The effect on each is that of the act on it alone (`fold`); conversations without an effect are left
out of the commands and returned. Idempotent. Letting in applies only to conversations whose state
is still as the page showed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import assert_never
from uuid import UUID

import msgspec

from licet.errors import NotFoundError, UsageError
from licet.policy.file import Policies
from licet.policy.state import ConversationState
from licet.store.connect import Transaction
from licet.vault import account_view
from licet.vault.commands import Command, CommandResult, Delete, Narrow, Outcome, Widen
from licet.vault.ids import Prefix, format_id
from licet.vault.requests import VerbRequest, VerbStep

SELECTED_MAX = 50
EVERYTHING_BATCH = 250  # conversations that one transaction deletes


class SelectedAct(StrEnum):
    keep_out = "keep_out"
    let_in = "let_in"
    delete = "delete"


class SelectedResult(msgspec.Struct, frozen=True, kw_only=True):
    """The conversations that the act changed, and the others."""

    done: tuple[UUID, ...]
    none: tuple[UUID, ...]


class SelectedForm(VerbRequest, frozen=True, kw_only=True):
    """``narrowings`` is how often each had been kept out when the page was shown, to let in."""

    act: SelectedAct
    conversations: tuple[UUID, ...]
    narrowings: tuple[tuple[UUID, int], ...] = ()

    @property
    def may_restrict(self) -> bool:
        return self.act is not SelectedAct.let_in

    def prepare(self, tx: Transaction, versions: Policies) -> VerbStep:
        """NotFoundError if one is not the account's; UsageError for more than `SELECTED_MAX`."""
        ids = tuple(dict.fromkeys(self.conversations))
        if len(ids) > SELECTED_MAX:
            raise UsageError(f"more than {SELECTED_MAX} conversations", "select fewer of them")
        views = account_view.load_views(tx, [(self.account, one) for one in ids], versions, self.at)
        for one in ids:
            if one not in views:
                raise NotFoundError(f"no conversation `{format_id(Prefix.conversation, one)}`")
        todo = [one for one in ids if has_effect(self.act, views[one].turns)]

        def finish(answers: Sequence[CommandResult]) -> SelectedResult:
            done = {
                one
                for one, answer in zip(todo, answers, strict=True)
                if answer.outcome is Outcome.done
            }
            return SelectedResult(
                done=tuple(one for one in ids if one in done),
                none=tuple(one for one in ids if one not in done),
            )

        return VerbStep(commands=tuple(self._command(one) for one in todo), finish=finish)

    def _command(self, conversation: UUID) -> Command:
        match self.act:
            case SelectedAct.keep_out:
                return Narrow(account=self.account, at=self.at, conversation=conversation)
            case SelectedAct.let_in:
                times = dict(self.narrowings).get(conversation, -1)
                return Widen(
                    account=self.account, at=self.at, conversation=conversation, narrowings=times
                )
            case SelectedAct.delete:
                return Delete(account=self.account, at=self.at, conversation=conversation)
            case _:
                assert_never(self.act)


def has_effect(act: SelectedAct, state: ConversationState) -> bool:
    """Whether the act would change the conversation; an incognito one is never used and cannot be
    kept out.
    """
    if state.deleted_at is not None:
        return False
    match act:
        case SelectedAct.delete:
            return True
        case SelectedAct.keep_out:
            return not state.narrowed and not state.incognito
        case SelectedAct.let_in:
            return state.narrowed and not state.incognito
        case _:
            assert_never(act)


class DeleteEverything(VerbRequest, frozen=True, kw_only=True):
    """Deletes the newest stored conversations, `EVERYTHING_BATCH` at most; repeat until none is
    left.

    `WriteResult.finished` is how many it deleted. Crash: each batch is deleted whole or not, and
    the next goes on.
    """

    @property
    def may_restrict(self) -> bool:
        return True

    def prepare(self, tx: Transaction, versions: Policies) -> VerbStep:
        ids = account_view.kept_conversation_ids(tx, self.account, EVERYTHING_BATCH, deleted=False)
        return VerbStep(
            commands=tuple(
                Delete(account=self.account, at=self.at, conversation=one) for one in ids
            ),
            finish=lambda answers: len(answers),
        )

"""A small town to begin from: one account under the announced terms, with verbs that read like a
story.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from licet.keys.keyring import Keyring
from licet.policy.file import Policies, preset
from licet.policy.period import instant
from licet.policy.state import Share, TurnRole, TurnState
from licet.store.connect import Transaction
from licet.vault import account_view
from licet.vault import commands as do
from licet.vault.apply import apply
from licet.vault.commands import CommandResult
from licet.vault.content import Content, encode
from licet.vault.permit import Permit

from .model import hashed, insert_versions, new_account, words

POLICIES = Policies([preset("article-2025")])
OPENED, CHOSEN, SAID = instant("2025-07-01"), instant("2025-09-01"), instant("2025-09-02")
IMPROVE, SAFETY = "improve_models", "safety_classifiers"


class Town:
    """Acts in one transaction; every verb answers as the vault does."""

    def __init__(self, tx: Transaction, keyring: Keyring, policies: Policies = POLICIES) -> None:
        self.tx, self.keyring, self.policies = tx, keyring, policies
        insert_versions(tx, policies)

    def take(self, *commands: do.Command) -> list[CommandResult]:
        return apply(self.tx, self.keyring, self.policies, commands)

    def account(self, name: str = "ana", at: datetime = OPENED, allow: bool | None = True) -> UUID:
        """An account that has answered, unless ``allow`` is None."""
        account = new_account(at)
        self.take(do.OpenAccount(account=account, at=at, host=hashed(name), plan="free", age=30))
        if allow is not None:
            self.take(
                do.Choose(
                    account=account,
                    at=max(at, CHOSEN),
                    allow=allow,
                    via="notice",
                    evidence="a click",
                )
            )
        return account

    def say(
        self,
        account: UUID,
        chat: str = "chat",
        turn: str = "t1",
        at: datetime = SAID,
        role: TurnRole = TurnRole.user,
        text: str = "",
        **more: Any,
    ) -> CommandResult:
        content = encode(Content(text=text)) if text else words(turn)
        (answer,) = self.take(
            do.AddTurn(
                account=account,
                at=at,
                role=role,
                **{
                    "content": content,
                    "title": words(chat),
                    "host_conversation": hashed(chat),
                    "host_turn": hashed(chat + turn),
                    **more,
                },
            )
        )
        return answer

    def give(
        self,
        said: CommandResult,
        at: datetime = SAID,
        share: Share = Share.conversation,
        **more: Any,
    ) -> CommandResult:
        (answer,) = self.take(
            do.GiveFeedback(
                account=said.account,
                at=at,
                conversation=said.conversation,
                rating="up",
                share=share,
                **{
                    "comment": words("comment"),
                    "turn": said.turn if share is Share.reply else 0,
                    **more,
                },
            )
        )
        return answer

    def about(
        self, said: CommandResult, what: type, at: datetime = SAID, **more: Any
    ) -> CommandResult:
        """``what`` is one of the vault's commands about a conversation."""
        (answer,) = self.take(
            what(account=said.account, at=at, conversation=said.conversation, **more)
        )
        return answer

    def choose(self, account: UUID, allow: bool, at: datetime) -> CommandResult:
        (answer,) = self.take(do.Choose(account=account, at=at, allow=allow))
        return answer

    def permit(self, said: CommandResult, purpose: str = IMPROVE, at: datetime = SAID) -> Permit:
        """What the rule permits for a turn; raises as `Permit.from_decision` does."""
        seen, turn = self.seen(said, at)
        return Permit.from_decision(
            seen.decide(turn, self.policies, purpose),
            seen.account,
            seen.conversation,
            turn.segment,
            [turn.number],
        )

    def seen(
        self, said: CommandResult, at: datetime = SAID
    ) -> tuple[account_view.AccountView, TurnState]:
        key = (said.account, said.conversation)
        turns = {turn.number: turn for turn in account_view.list_turns(self.tx, *key)}
        return account_view.load_views(self.tx, [key], self.policies, at)[said.conversation], turns[
            said.turn
        ]

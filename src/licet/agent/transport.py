"""What the two transports to Licet have in common, its API and the installation on this machine:
methods and answers.

A hook loads only the one that it uses: it runs at each prompt, and neither the HTTP client nor the
database's driver is loaded in vain.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from licet.intake.read_turn import ReadTurn
from licet.policy.state import ScopeKind

PURPOSE = "improve_models"
MAY_WRITE = ("open", "notice", "not_asked")


class AccountAccess(msgspec.Struct, frozen=True, kw_only=True):
    """The present standing of the account. ``token`` is the number of its newest grant in force,
    empty if there is none.
    """

    gate: str
    token: str = ""

    def is_newer_than(self, token: str) -> bool:
        """Whether a grant is in force that was not when the account was seen with ``token``."""
        return int(self.token or 0) > int(token or 0)

    @property
    def may_write(self) -> bool:
        return self.gate in MAY_WRITE


class Usable(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a session may be used. ``turns`` is 0 if nothing of it is recorded.

    ``scope`` says for what the grant in force was given that it may be used by, and ``since`` when.
    """

    turns: int = 0
    use: bool = False
    because: str = ""
    until: datetime | None = None
    kept_out: bool = False
    scope: ScopeKind | None = None
    since: datetime | None = None


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """What a yes for a session or a project did about one question: ``because`` says why it had no
    effect.
    """

    question: str
    effect: str
    because: str = ""


class Transport(Protocol):
    """``standing`` raises if it cannot be known. ``send`` answers for each turn: empty if Licet has
    it, else why it was refused; it raises if the turns may be sent again.
    """

    def standing(self) -> AccountAccess: ...

    def send(self, turns: Sequence[ReadTurn]) -> list[str]: ...

    def keep_out(self, session: str, out: bool) -> bool: ...

    def usable(self, session: str) -> Usable: ...

    def covers(self, session: str, project: str) -> bool:
        """Whether a grant in force may cover what is said in a session of a project; True where
        that is not known.
        """
        ...

    def questions(self) -> tuple[str, ...]:
        """The questions that are asked now."""
        ...

    def allow(self, session: str, project: str, question: str) -> Allowed:
        """A yes to a question for a project, or without one for a session that Licet knows;
        NotFoundError for another.
        """
        ...

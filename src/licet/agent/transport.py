"""The interface of the two transports to Licet: its API, and the installation on this machine. They
are separate modules because a hook runs at each prompt, and loads the HTTP client or the database's
driver only if it uses it.
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
    """The account's gate, and in ``token`` the number of its newest grant in force ("" without
    one).
    """

    gate: str
    token: str = ""

    def is_newer_than(self, token: str) -> bool:
        """Whether a grant began since the account was seen with ``token``."""
        return int(self.token or 0) > int(token or 0)

    @property
    def may_write(self) -> bool:
        return self.gate in MAY_WRITE


class Usable(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a session may be used. ``turns`` is 0 if none is recorded. ``scope`` and ``since``
    are those of the grant that permits the use.
    """

    turns: int = 0
    use: bool = False
    because: str = ""
    until: datetime | None = None
    kept_out: bool = False
    scope: ScopeKind | None = None
    since: datetime | None = None


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of a yes to one question; ``because`` is why it had none."""

    question: str
    effect: str
    because: str = ""


class Transport(Protocol):
    """``standing`` raises if Licet is unreachable. ``send`` returns "" for each stored turn, else
    the reason of its refusal; it raises if the turns may be sent again.
    """

    def standing(self) -> AccountAccess: ...

    def send(self, turns: Sequence[ReadTurn]) -> list[str]: ...

    def keep_out(self, session: str, out: bool) -> bool: ...

    def usable(self, session: str) -> Usable: ...

    def covers(self, session: str, project: str) -> bool:
        """Whether a grant in force may cover a session in a project; True if unknown."""
        ...

    def questions(self) -> tuple[str, ...]:
        """Returns the questions in force."""
        ...

    def allow(self, session: str, project: str, question: str) -> Allowed:
        """Says yes to a question for a project, or for a session if ``project`` is empty;
        NotFoundError for an unknown session.
        """
        ...

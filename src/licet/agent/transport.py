"""What the two transports to Licet have in common, its API and the installation on this machine: methods and answers.

A hook loads only the one that it uses: it runs at each prompt, and neither the HTTP client nor the database's driver is
loaded in vain.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from licet.intake.read_turn import ReadTurn

PURPOSE = "improve_models"
MAY_WRITE = ("open", "notice", "not_asked")


class AccountAccess(msgspec.Struct, frozen=True, kw_only=True):
    """The present standing of the account. ``token`` names the permission in force, and is empty if there is none."""

    gate: str
    token: str = ""

    @property
    def may_write(self) -> bool:
        return self.gate in MAY_WRITE


class Usable(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a session may be used. ``turns`` is 0 if nothing of it is recorded."""

    turns: int = 0
    use: bool = False
    because: str = ""
    until: datetime | None = None
    kept_out: bool = False


class Transport(Protocol):
    """``standing`` raises if it cannot be known. ``send`` answers for each turn: empty if Licet has it, else why it
    was refused; it raises if the turns may be sent again.
    """

    def standing(self) -> AccountAccess: ...

    def send(self, turns: Sequence[ReadTurn]) -> list[str]: ...

    def keep_out(self, session: str, out: bool) -> bool: ...

    def usable(self, session: str) -> Usable: ...

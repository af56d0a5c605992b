"""People's legal requests in the town, and their handling by its privacy officer, through the
product's own functions.

Some are answered, one is refused, one waits for its person, one was extended, one is late, and some
are new.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from licet.consent import request_register, rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.rights import ReceivedVia
from licet.consent.rights_requests import EnteredRequest, SendRequest, StaffAct
from licet.demo.scenes import OFFICER
from licet.errors import LicetError
from licet.policy.period import instant
from licet.store.connect import transaction
from licet.vault import verbs
from licet.vault.commands import SetRegion
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import Installation
from licet.vault.requests import VerbRequest, Write, WriteBatch

BY = f"staff:{OFFICER}"


class TownAct(msgspec.Struct, frozen=True):
    day: str
    act: StaffAct
    words: str = ""
    reason: str = ""


class TownRequest(msgspec.Struct, frozen=True):
    """A request: its time, its person's region, and its handling."""

    day: str
    region: str
    kind: RightKind
    words: str
    acts: tuple[TownAct, ...] = ()
    via: ReceivedVia = ReceivedVia.page


REQUESTS = (
    TownRequest(
        "2025-09-01",
        "DE",
        RightKind.access,
        "Which of my chats did the safety team keep?",
        (
            TownAct(
                "2025-09-28",
                StaffAct.answer,
                "None of yours was flagged, so no safety copy of them is kept.",
            ),
        ),
    ),
    TownRequest(
        "2025-09-28",
        "US-CA",
        RightKind.rectification,
        "The age on my account is wrong: I am 34.",
        (
            TownAct(
                "2025-10-10",
                StaffAct.answer,
                "Your age is corrected. It was typed wrongly when you signed up.",
            ),
        ),
    ),
    TownRequest(
        "2025-09-28",
        "FR",
        RightKind.erasure,
        "Erase the messages of mine that my brother pasted into his chats.",
        (
            TownAct(
                "2025-10-10",
                StaffAct.refuse,
                "They are in another person's chats, and are theirs to delete.",
                "rights_of_others",
            ),
        ),
    ),
    TownRequest(
        "2025-10-10",
        "GB",
        RightKind.complaint,
        "I was asked again although I had said no.",
        (
            TownAct("2025-10-10", StaffAct.acknowledge),
            TownAct(
                "2025-12-01",
                StaffAct.answer,
                "You were asked once by the app of last year. It asks no more.",
            ),
        ),
        ReceivedVia.api,
    ),
    TownRequest("2025-11-01", "BR", RightKind.access, "Tell me with whom you shared my data."),
    TownRequest(
        "2025-11-01",
        "ES",
        RightKind.portability,
        "I need my chats in the format of another assistant.",
        (
            TownAct(
                "2025-11-10",
                StaffAct.extend,
                "The other assistant's format is new to us.",
                "complexity",
            ),
        ),
    ),
    TownRequest(
        "2025-12-01",
        "IT",
        RightKind.access,
        "Send me everything about the account of my late father.",
        (
            TownAct(
                "2025-12-01", StaffAct.pause, "Please show us that you may act for him.", "identity"
            ),
        ),
    ),
    TownRequest(
        "2025-12-01",
        "US-CA",
        RightKind.complaint,
        "The page about my data does not load on my phone.",
    ),
    TownRequest(
        "2025-12-15",
        "NL",
        RightKind.erasure,
        "Take my name out of the feedback that I gave in the summer.",
    ),
    TownRequest("2025-12-15", "", RightKind.access, "What did the models learn from me?"),
)
LETTER = (
    "I never had an account. Delete what somebody else told your assistant about me: Jonas "
    "Ekelund, Visby."
)


class TownRequests:
    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._sent: dict[int, str] = {}
        self._done: set[tuple[int, int]] = set()
        self.count = 0

    def play(self, accounts: Sequence[UUID]) -> None:
        """Sends due requests, each from another of ``accounts``, and does the officer's
        due work.
        """
        now = self._installation.clock()
        for number, request in enumerate(REQUESTS):
            if number not in self._sent and instant(request.day) <= now and accounts:
                self._send(number, request, accounts[7 * number % len(accounts)], now)
            for place, act in enumerate(request.acts):
                if (
                    number in self._sent
                    and (number, place) not in self._done
                    and instant(act.day) <= now
                ):
                    rights_requests.take_step(
                        self._installation,
                        self._sent[number],
                        act.act,
                        BY,
                        reason=act.reason,
                        words=act.words,
                    )
                    self._done.add((number, place))

    def _send(self, number: int, request: TownRequest, account: UUID, now: datetime) -> None:
        verbs.apply_commands(
            self._installation, [SetRegion(account=account, at=now, region=request.region or None)]
        )
        row = self._ask(
            SendRequest(
                account=account,
                at=now,
                keyring=self._installation.keyring,
                kind=request.kind,
                words=request.words,
                via=request.via,
            )
        )
        assert isinstance(row, request_register.RequestRow)
        self._sent[number] = format_id(Prefix.request, row.request)
        self.count += 1

    def letter(self) -> None:
        """Enters a letter from somebody without an account."""
        entered = EnteredRequest(
            kind=RightKind.erasure,
            words=LETTER,
            identity="A copy of an identity card, seen and sent back.",
            region="SE",
        )
        rights_requests.enter(self._installation, entered, BY)
        self.count += 1

    def _ask(self, verb: VerbRequest) -> object:
        with transaction(self._installation.pool) as tx:
            (result,) = WriteBatch(self._installation.keyring, self._installation.clock).apply(
                tx, [Write(command=verb)]
            )
        if isinstance(result, LicetError):
            raise result
        return result.finished

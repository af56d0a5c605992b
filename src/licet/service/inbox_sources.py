"""Sources of the staff inbox: open items by kind, and the roles that may act on them.

A source runs one bounded query of the package that owns the data, ordered by due date, so its cost
does not grow with the backlog. `KINDS` is the one table of roles and permissions.

    request:req_..           a request of a person              review:rel..       a release to read, signature:rel.. to sign
    erasure:era_..           a late erasure                     sweep:..           a sweep waiting for approval
    recall:era_..+hand_..    a recall not acknowledged          keys:daily-..      a late rotation of the keys
    misuse:conv_..           a suggestion of misuse             backup:bak_..      the newest backup, if that is late
    flag:conv_..             a flag due for review              endpoint:..        a host that does not answer
    hold:conv_..+..          a hold due for review              log:.. model:..    waiting entries, a classifier to retrain
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import msgspec

from licet.access.roles import StaffRole
from licet.backup import archives
from licet.consent import request_register
from licet.erasure import epochs, recall_register, sweeper
from licet.ledger import sequence
from licet.misuse import suggestions
from licet.release import signatures
from licet.release.sample import UnsignedRelease
from licet.service import population_status
from licet.store import keyset
from licet.store.connect import Transaction, transaction
from licet.store.keyset import Listing, Row, TableView
from licet.train import recipients
from licet.vault import account_view, certificate, holds, safety_copies
from licet.vault.ids import Prefix, format_id, parse
from licet.vault.installation import Installation
from licet.webhooks import endpoints

RELEASES_MAX = 50
SUGGESTION_DAYS = 7  # for deciding a suggestion
BACKUP_DAYS = 2  # after the newest backup: backups are daily, plus a day to repair
ROTATION_DAYS = 1  # after a rotation is due, which the server runs by itself
LOG_HOURS = 1  # allowed wait for the log
ENTRIES_COUNTED_MAX = 10_000
BACKGROUND, KEYS, BACKUPS = "/console/background", "/console/keys", "/console/backups"
WEBHOOKS = "/console/webhooks"
NEVER = datetime(9999, 12, 31, tzinfo=UTC)  # orders items without a due date
FIRST = datetime(1, 1, 1, tzinfo=UTC)  # orders overdue items without a due date

OFFICER, OWNER = (StaffRole.privacy_officer,), (StaffRole.owner,)
LOOKING = (StaffRole.privacy_officer, StaffRole.reviewer)
DRAWING = (StaffRole.privacy_officer, StaffRole.curator, StaffRole.reviewer)
SIGNING = (StaffRole.owner, StaffRole.privacy_officer, StaffRole.curator)
_NOTHING, _ALL = UUID(int=0), UUID(int=(1 << 128) - 1)
_NUMBER_MAX = (1 << 63) - 1


class ItemKind(StrEnum):
    """The kinds of items, in the order of items due at the same time."""

    request = "request"
    erasure = "erasure"
    recall = "recall"
    misuse = "misuse"
    flag = "flag"
    hold = "hold"
    review = "review"
    signature = "signature"
    sweep = "sweep"
    keys = "keys"
    backup = "backup"
    endpoint = "endpoint"
    log = "log"
    model = "model"


KINDS: dict[ItemKind, tuple[StaffRole, ...]] = {
    ItemKind.request: OFFICER,
    ItemKind.erasure: OFFICER,
    ItemKind.recall: OFFICER,
    ItemKind.misuse: LOOKING,
    ItemKind.flag: LOOKING,
    ItemKind.hold: OFFICER,
    ItemKind.review: DRAWING,
    ItemKind.signature: SIGNING,
    ItemKind.sweep: (*OFFICER, *OWNER),
    ItemKind.keys: OWNER,
    ItemKind.backup: OWNER,
    ItemKind.endpoint: (*OWNER, *OFFICER),
    ItemKind.log: OWNER,
    ItemKind.model: (StaffRole.curator, StaffRole.owner),
}
"""The roles that see and act on items of a kind; an auditor sees all of them."""


class InboxItem(msgspec.Struct, frozen=True, kw_only=True):
    """``act`` is what to do on ``page``, which is empty if ``act`` names a command. ``who`` may
    act. ``account`` is the person concerned, if any; the subject exists since ``begun_at``;
    ``holder`` has the item since ``taken_at``.
    """

    item: str
    kind: ItemKind
    what: str
    act: str
    page: str
    due_at: datetime | None
    overdue: bool
    who: tuple[StaffRole, ...]
    account: str | None = None
    begun_at: datetime | None = None
    holder: str | None = None
    taken_at: datetime | None = None


class ItemOrder(msgspec.Struct, frozen=True):
    """The sort key of an item: moment, kind and subject."""

    at: datetime
    kind: ItemKind
    subject: str


class Placed(msgspec.Struct, frozen=True):
    at: datetime
    item: InboxItem

    @property
    def order(self) -> ItemOrder:
        return ItemOrder(self.at, self.item.kind, self.item.item.partition(":")[2])


class SourcePage(msgspec.Struct, frozen=True):
    """A source's next items, in order. ``until`` is how far it has read, None at the end."""

    found: list[Placed]
    until: ItemOrder | None = None


class InboxReading:
    """The transaction of a page, and answers shared by several sources.

    It begins with the first statement: sources with transactions of their own are asked before, so
    that no reader holds one connection while waiting for another.
    """

    def __init__(self, installation: Installation, now: datetime) -> None:
        self.installation, self.at = installation, now
        self._tx: Transaction | None = None
        self._until_closed = ExitStack()
        self._known: dict[object, Sequence[InboxItem]] = {}

    def __enter__(self) -> InboxReading:
        return self

    def __exit__(self, *raised: Any) -> None:  # noqa: ANN401 passed on
        self._until_closed.__exit__(*raised)

    @property
    def tx(self) -> Transaction:
        if self._tx is None:
            self._tx = self._until_closed.enter_context(transaction(self.installation.pool))
        return self._tx

    def reset(self) -> None:
        """Rolls back after a failed statement; nothing was written."""
        if self._tx is not None:
            self._tx.rollback()

    def once(self, ask: Callable[[InboxReading], Sequence[InboxItem]]) -> Sequence[InboxItem]:
        """Returns the cached first answer of ``ask``."""
        if ask not in self._known:
            self._known[ask] = ask(self)
        return self._known[ask]


class InboxSource(Protocol):
    @property
    def kind(self) -> ItemKind:
        """Promise: constant."""

    def page(self, reading: InboxReading, after: ItemOrder | None, limit: int) -> SourcePage:
        """Promise: the first ``limit`` items behind ``after``, in order; reads a bounded number of
        rows.
        """

    def find(self, reading: InboxReading, subject: str) -> InboxItem | None:
        """Promise: the open item of a subject, or None."""


def _item(
    kind: ItemKind,
    subject: str,
    title: str,
    act: str,
    page: str = "",
    *,
    due_at: datetime | None = None,
    overdue: bool = False,
    roles: tuple[StaffRole, ...] = (),
    account: UUID | None = None,
    begun_at: datetime | None = None,
) -> InboxItem:
    return InboxItem(
        item=f"{kind.value}:{subject}",
        kind=kind,
        what=title,
        act=act,
        page=page,
        due_at=due_at,
        overdue=overdue,
        who=roles or KINDS[kind],
        account=format_id(Prefix.account, account) if account is not None else None,
        begun_at=begun_at,
    )


# Sources with rows of their own


class ListedSource(msgspec.Struct, frozen=True, kw_only=True):
    """Items of a `Listing`. ``moment`` converts the first key of its order to an item's time,
    ``key`` back; ``ends`` are the smallest and largest remaining keys; ``keys_of`` converts a
    subject to keys, ``subject_of`` back. ``one`` narrows the list to a subject.
    """

    kind: ItemKind
    listing: Listing
    filters: dict[str, str]
    order: str
    item: Callable[[datetime, Row, Row], InboxItem]
    moment: Callable[[Any, datetime], datetime]
    key: Callable[[datetime, datetime], Any]
    ends: tuple[Row, Row]
    keys_of: Callable[[str], Row]
    subject_of: Callable[[Row], str]
    one: Callable[[Transaction, str], dict[str, str] | None]

    def page(self, reading: InboxReading, after: ItemOrder | None, limit: int) -> SourcePage:
        at = reading.at
        view = TableView(
            filters=self.filters, order=self.order, after=self._behind(after, at), rows=limit
        )
        found = keyset.page(reading.tx, self.listing, view, at)
        placed = [
            Placed(self.moment(keys[0], at), self.item(at, row, keys))
            for row, keys in zip(found.rows, found.keys, strict=True)
        ]
        last = found.last if found.stopped else found.keys[-1] if found.after else None
        if last is None:
            return SourcePage(placed)
        return SourcePage(
            placed, ItemOrder(self.moment(last[0], at), self.kind, self.subject_of(last[1:]))
        )

    def find(self, reading: InboxReading, subject: str) -> InboxItem | None:
        narrow, at = self.one(reading.tx, subject), reading.at
        if narrow is None:
            return None
        view = TableView(filters=self.filters | narrow, order=self.order)
        items = (
            self.item(at, row, keys)
            for row, keys in keyset.first_rows(reading.tx, self.listing, view, at)
        )
        return next((item for item in items if item.item == f"{self.kind.value}:{subject}"), None)

    def _behind(self, after: ItemOrder | None, now: datetime) -> str:
        """Returns the list's cursor behind an item of any kind; at the same time, kinds are
        ordered.
        """
        if after is None or after.at == FIRST:
            return ""
        order = list(ItemKind)
        if after.kind is self.kind:
            rest = self.keys_of(after.subject)
        else:
            rest = self.ends[order.index(self.kind) < order.index(after.kind)]
        return keyset.cursor_at(self.listing, self.order, (self.key(after.at, now), *rest))


def _shift(days: int) -> dict[str, Any]:
    """Returns conversions for items due some days after the list's time."""
    later = timedelta(days=days)
    return {"moment": lambda key, _: key + later, "key": lambda moment, _: moment - later}


def _of_conversation(tx: Transaction, subject: str) -> dict[str, str] | None:
    conversation = subject.partition("+")[0]
    account = account_view.owner(tx, parse(Prefix.conversation, conversation))
    if account is None:
        return None
    return {"conversation": conversation, "account": format_id(Prefix.account, account)}


def _id_subject(*prefixes: Prefix) -> dict[str, Any]:
    """Returns conversions for a subject made of ids."""

    def keys_of(subject: str) -> Row:
        return tuple(
            parse(prefix, text) for prefix, text in zip(prefixes, subject.split("+"), strict=True)
        )

    def subject_of(keys: Row) -> str:
        return "+".join(format_id(prefix, key) for prefix, key in zip(prefixes, keys, strict=True))

    ends = (_NOTHING,) * len(prefixes), (_ALL,) * len(prefixes)
    return {"keys_of": keys_of, "subject_of": subject_of, "ends": ends}


def _of_erasure(tx: Transaction, subject: str) -> dict[str, str]:
    erasure = subject.partition("+")[0]
    account = certificate.get(tx, parse(Prefix.erasure, erasure)).account
    return {"erasure": erasure, "account": format_id(Prefix.account, account)}


def hold_keys(subject: str) -> tuple[UUID, bytes]:
    """Returns the conversation and the matter's keyed hash that identify a hold."""
    conversation, _, matter = subject.partition("+")
    return parse(Prefix.conversation, conversation), bytes.fromhex(matter)


def _request(now: datetime, row: Row, _: Row) -> InboxItem:
    waiting = request_register.request_row(row)
    clock, name = waiting.clock, format_id(Prefix.request, waiting.request)
    waits = ", waiting for the person" if clock.paused_at is not None else ""
    due, act = clock.due(now), "Answer or refuse it."
    if (
        clock.acknowledge_by is not None
        and clock.acknowledged_at is None
        and clock.acknowledge_by < due
    ):
        due, act = clock.acknowledge_by, "Confirm receipt."
    return _item(
        ItemKind.request,
        name,
        f"{clock.kind.value.capitalize()} request ({clock.region or 'region unknown'}){waits}",
        act,
        f"/console/rights/{name}",
        due_at=due,
        overdue=clock.is_overdue(now),
        account=waiting.account,
        begun_at=clock.received_at,
    )


def _erasure(now: datetime, row: Row, keys: Row) -> InboxItem:
    name, cause, state, asked_at, due_at, *_, account = row
    return _item(
        ItemKind.erasure,
        format_id(Prefix.erasure, name),
        f"Erasure late, {state}: {cause.replace('_', ' ')}",
        "Find out what it waits for, and advance it.",
        f"/console/erasures/{format_id(Prefix.erasure, name)}",
        due_at=due_at + timedelta(days=certificate.OVERDUE_DAYS),
        overdue=True,
        account=account,
        begun_at=asked_at,
    )


def _recall(now: datetime, row: Row, keys: Row) -> InboxItem:
    erasure, handout, recipient, _, recalled_at, due_at, _, _, account = row
    return _item(
        ItemKind.recall,
        f"{format_id(Prefix.erasure, erasure)}+{format_id(Prefix.handout, handout)}",
        f"Recall not acknowledged by {recipient}",
        "Ask the recipient, and record the answer.",
        f"/console/recalls?erasure={format_id(Prefix.erasure, erasure)}",
        due_at=due_at,
        overdue=True,
        account=account,
        begun_at=recalled_at,
    )


def _misuse(now: datetime, row: Row, keys: Row) -> InboxItem:
    conversation, score, suggested_at, *_, account = row
    name = format_id(Prefix.conversation, conversation)
    due_at = suggested_at + timedelta(days=SUGGESTION_DAYS)
    return _item(
        ItemKind.misuse,
        name,
        "Suspected misuse" + (f", score {score:.2f}" if score is not None else ""),
        "Read it and decide.",
        f"/console/conversations/{name}",
        due_at=due_at,
        overdue=due_at <= now,
        account=account,
        begun_at=suggested_at,
    )


def _flag(now: datetime, row: Row, keys: Row) -> InboxItem:
    conversation, flagged_at, _, upheld_at, *_, account = row
    name, days = format_id(Prefix.conversation, conversation), safety_copies.FLAG_REVIEW_DAYS
    return _item(
        ItemKind.flag,
        name,
        f"Flag not reviewed for {days} days",
        "Uphold or overturn it.",
        f"/console/conversations/{name}",
        due_at=(upheld_at or flagged_at) + timedelta(days=days),
        overdue=True,
        account=account,
        begun_at=flagged_at,
    )


def _hold(now: datetime, row: Row, keys: Row) -> InboxItem:
    conversation, reason, placed_at, *_, review_at, _, account = row
    name = format_id(Prefix.conversation, conversation)
    return _item(
        ItemKind.hold,
        f"{name}+{keys[2].hex()}",
        f"Legal hold due for review: {reason.replace('_', ' ')}",
        "End it, or set the next review.",
        f"/console/conversations/{name}",
        due_at=review_at,
        overdue=True,
        account=account,
        begun_at=placed_at,
    )


_LISTED = (
    ListedSource(
        kind=ItemKind.request,
        listing=request_register.WAITING,
        filters={"clock": "running"},
        order="running",
        item=_request,
        one=lambda _, subject: {"request": subject},
        **_shift(0),
        **_id_subject(Prefix.request),
    ),
    ListedSource(
        kind=ItemKind.request,
        listing=request_register.WAITING,
        filters={"clock": "stopped"},
        order="stopped",
        item=_request,
        moment=lambda key, now: now + timedelta(seconds=key),
        key=lambda moment, now: (moment - now).total_seconds(),
        one=lambda _, subject: {"request": subject},
        **_id_subject(Prefix.request),
    ),
    ListedSource(
        kind=ItemKind.erasure,
        listing=certificate.LISTING,
        filters={"state": "overdue"},
        order="oldest",
        item=_erasure,
        one=lambda _, subject: {"erasure": subject},
        **_shift(certificate.OVERDUE_DAYS),
        **_id_subject(Prefix.erasure),
    ),
    ListedSource(
        kind=ItemKind.recall,
        listing=recall_register.RECALLS,
        filters={"state": "overdue"},
        order="due",
        item=_recall,
        one=_of_erasure,
        **_shift(0),
        **_id_subject(Prefix.erasure, Prefix.handout),
    ),
    ListedSource(
        kind=ItemKind.misuse,
        listing=suggestions.LISTING,
        filters={"state": "open"},
        order="oldest",
        item=_misuse,
        one=_of_conversation,
        **_shift(SUGGESTION_DAYS),
        **_id_subject(Prefix.conversation),
    ),
    ListedSource(
        kind=ItemKind.flag,
        listing=safety_copies.FLAGS,
        filters={"state": "due"},
        order="review",
        item=_flag,
        ends=((_NOTHING, 0), (_ALL, _NUMBER_MAX)),
        one=_of_conversation,
        keys_of=lambda subject: (parse(Prefix.conversation, subject), _NUMBER_MAX),
        subject_of=lambda keys: format_id(Prefix.conversation, keys[0]),
        **_shift(safety_copies.FLAG_REVIEW_DAYS),
    ),
    ListedSource(
        kind=ItemKind.hold,
        listing=holds.LISTING,
        filters={"state": "due"},
        order="review",
        item=_hold,
        ends=((_NOTHING, b""), (_ALL, b"\xff" * 16)),
        one=_of_conversation,
        keys_of=hold_keys,
        subject_of=lambda keys: f"{format_id(Prefix.conversation, keys[0])}+{keys[1].hex()}",
        **_shift(0),
    ),
)


# Sources with a few items


class FewSource(msgspec.Struct, frozen=True):
    """A source with few items: reads all, and selects those behind ``after``."""

    kind: ItemKind
    every: Callable[[InboxReading], Sequence[InboxItem]]

    def page(self, reading: InboxReading, after: ItemOrder | None, limit: int) -> SourcePage:
        order = list(ItemKind)

        def place(placed: Placed) -> tuple[datetime, int, str]:
            return placed.at, order.index(placed.item.kind), placed.order.subject

        found = sorted((_place_item(item) for item in reading.once(self.every)), key=place)
        if after is not None:
            behind = (after.at, order.index(after.kind), after.subject)
            found = [placed for placed in found if place(placed) > behind]
        return SourcePage(found[:limit], found[limit - 1].order if len(found) > limit else None)

    def find(self, reading: InboxReading, subject: str) -> InboxItem | None:
        return next(
            (
                item
                for item in reading.once(self.every)
                if item.item == f"{self.kind.value}:{subject}"
            ),
            None,
        )


def _place_item(item: InboxItem) -> Placed:
    return Placed(item.due_at or (FIRST if item.overdue else NEVER), item)


def _reviews(reading: InboxReading) -> list[InboxItem]:
    return [item for item in reading.once(_releases) if item.kind is ItemKind.review]


def _signatures(reading: InboxReading) -> list[InboxItem]:
    return [item for item in reading.once(_releases) if item.kind is ItemKind.signature]


def _releases(reading: InboxReading) -> list[InboxItem]:
    asks_for_two = reading.installation.config.web.second_identity
    return [
        _release(release)
        for release in signatures.list_unsigned(reading.tx, RELEASES_MAX, identities=asks_for_two)
    ]


def _release(unsigned: UnsignedRelease) -> InboxItem:
    page, name = f"/console/releases/{unsigned.release_id.hex}", f"Release {unsigned.name}"
    subject = format_id(Prefix.release, unsigned.release_id)
    if unsigned.left:
        rows = f"{unsigned.left:,} sample {'row' if unsigned.left == 1 else 'rows'} unread"
        return _item(
            ItemKind.review, subject, f"{name}: {rows}", "Read the sample.", page, roles=LOOKING
        )
    if unsigned.left == 0:
        return _item(ItemKind.review, subject, f"{name}: sample read", "State the findings.", page)
    if not unsigned.closed:
        return _item(ItemKind.review, subject, f"{name}: not reviewed", "Draw a sample.", page)
    missing = signatures.SIGNATURES_NEEDED - unsigned.signatures
    what = f"{name}: {missing} {'signature' if missing == 1 else 'signatures'} missing"
    return _item(ItemKind.signature, subject, what, "Sign it off.", page)


def _sweep(reading: InboxReading) -> list[InboxItem]:
    standing = sweeper.sweep_status_in(reading.tx)
    if not standing.waits or standing.waits_since is None:
        return []
    what = f"Sweep waiting: it would erase {standing.due:,} of {standing.kept:,} stored segments"
    act = "Approve it, or find out why the dates changed."
    subject = compact_age(standing.waits_since)
    since = standing.waits_since
    return [_item(ItemKind.sweep, subject, what, act, BACKGROUND, due_at=since, overdue=True)]


def _keys(reading: InboxReading) -> list[InboxItem]:
    found, at = [], reading.at
    for kind, due in epochs.due_rotations(reading.tx, at).items():
        until = due + timedelta(days=ROTATION_DAYS) if due is not None else None
        if due is not None and until is not None and until <= at:  # before, the server does it
            subject = f"{kind.value}-{due:%Y%m%d}"
            what = (subject, f"Key rotation late ({kind.value})", "Rotate them.", KEYS)
            found.append(_item(ItemKind.keys, *what, due_at=until, overdue=True))
    return found


def _backup(reading: InboxReading) -> list[InboxItem]:
    known = archives.list_registered(reading.installation, 1, reading.tx)
    if not known:
        act = "Make one: licet backup make."
        return [_item(ItemKind.backup, "none", "No backups recorded", act, BACKUPS)]
    due = known[0].made_at + timedelta(days=BACKUP_DAYS)
    if due > reading.at:
        return []
    act = "Find out why, and make one: licet backup make."
    what = (known[0].backup, "Backup late", act, BACKUPS)
    return [_item(ItemKind.backup, *what, due_at=due, overdue=True)]


def _endpoints(reading: InboxReading) -> list[InboxItem]:
    found = []
    for endpoint in endpoints.list_troubled(reading.tx, reading.at):
        if endpoint.disabled_at is not None:
            found.append(
                _item(
                    ItemKind.endpoint,
                    endpoint.endpoint,
                    f"Endpoint {endpoint.endpoint} receives no events: {endpoint.disabled_because}",
                    "Mend it, then resume it.",
                    f"{WEBHOOKS}/{endpoint.endpoint}",
                    due_at=endpoint.disabled_at,
                    overdue=True,
                    roles=OWNER,
                )
            )
        elif endpoint.overdue:
            more = " and more" if endpoint.overdue == endpoints.OVERDUE_COUNTED_MAX else ""
            owed = f"{endpoint.overdue:,}{more} {'answer' if endpoint.overdue == 1 else 'answers'}"
            found.append(
                _item(
                    ItemKind.endpoint,
                    endpoint.endpoint,
                    f"Endpoint {endpoint.endpoint} owes {owed}",
                    "Ask its operator whether it has deleted the content.",
                    f"{WEBHOOKS}/{endpoint.endpoint}",
                    overdue=True,
                )
            )
    return found


def _log(reading: InboxReading) -> list[InboxItem]:
    waits = sequence.count_waiting(reading.tx, ENTRIES_COUNTED_MAX)
    if waits.since is None or waits.since > reading.at - timedelta(hours=LOG_HOURS):
        return []
    more = " and more" if waits.rows == ENTRIES_COUNTED_MAX else ""
    what = f"{waits.rows:,}{more} log {'entry' if waits.rows == 1 else 'entries'} pending"
    act = "See that licet serve runs, or run licet ledger append."
    due = waits.since + timedelta(hours=LOG_HOURS)
    return [_item(ItemKind.log, "waiting", what, act, "/console/log", due_at=due, overdue=True)]


def _exports(reading: InboxReading) -> list[InboxItem]:
    count = recipients.overdue(reading.installation, reading.tx)
    if not count:
        return []
    what = (
        f"{count:,} {'recall' if count == 1 else 'recalls'} of exported rows not acknowledged "
        "in time"
    )
    act = "Ask the recipient: licet export list names them."
    return [_item(ItemKind.recall, "exports", what, act, overdue=True)]


def _models(reading: InboxReading) -> list[InboxItem]:
    return [
        _item(
            ItemKind.model,
            affected.model,
            f"Classifier {affected.name} learnt from {affected.withdrawn:,} "
            f"{'row' if affected.withdrawn == 1 else 'rows'} withdrawn or erased"
            " since",
            "Train it again, or retire it: licet train safety --again.",
            "/console/models",
        )
        for affected in population_status.retraining_due(reading.installation)
    ]


def compact_age(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S}Z"


SOURCES: tuple[InboxSource, ...] = (
    FewSource(ItemKind.model, _models),  # first, because it opens its own transactions
    *_LISTED,
    FewSource(ItemKind.recall, _exports),
    FewSource(ItemKind.review, _reviews),
    FewSource(ItemKind.signature, _signatures),
    FewSource(ItemKind.sweep, _sweep),
    FewSource(ItemKind.keys, _keys),
    FewSource(ItemKind.backup, _backup),
    FewSource(ItemKind.endpoint, _endpoints),
    FewSource(ItemKind.log, _log),
)

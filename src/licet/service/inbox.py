"""The inbox of staff: what waits for somebody, by role, and until when.

It is a list of sources. Each knows who may do something about what it finds, and asks one question of the room that owns the
answer: the same that `licet doctor`, the tables and the commands ask. Nothing is kept of an item: it is gone when what it
tells of is done. A source that cannot answer says so as an item of its own, and the others answer all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from licet.access.roles import StaffRole
from licet.backup import archives
from licet.consent import request_register
from licet.erasure import certificates, epochs, sweeper
from licet.errors import LicetError
from licet.misuse import suggestions
from licet.proof import documents
from licet.release import signatures
from licet.service import answers
from licet.service.oversight import FLAG_REVIEW_DAYS
from licet.store.connect import transaction
from licet.train import recipients
from licet.vault import certificate, holds, safety_copies
from licet.vault.installation import Installation
from licet.webhooks import endpoints

RELEASES_MAX = 50
SUGGESTION_DAYS = 7  # within which somebody should look at what was suggested
BACKUP_DAYS = 2  # after the newest backup: one a day, and a day for whoever mends it
BACKGROUND = "/console/background"
LOG_HOURS = 1  # that an entry may wait for the log

OFFICER, OWNER = (StaffRole.privacy_officer,), (StaffRole.owner,)
LOOKING = (StaffRole.privacy_officer, StaffRole.reviewer)
DRAWING = (StaffRole.privacy_officer, StaffRole.curator, StaffRole.reviewer)
SIGNING = (StaffRole.owner, StaffRole.privacy_officer, StaffRole.curator)


class InboxItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that waits. ``act`` is what to do, on the ``page``, which is empty where that is a command in ``act``;
    ``count`` is of how many things, and ``due_at`` the first of their days, None where it has none. ``who`` may do it.
    """

    kind: str
    what: str
    act: str
    page: str
    count: int
    due_at: datetime | None
    overdue: bool
    who: tuple[StaffRole, ...]


Find = Callable[[Installation], Iterator[InboxItem]]


class InboxSource(msgspec.Struct, frozen=True):
    """What is asked about, and who is told; ``find`` may name fewer of them for an item."""

    kind: str
    who: tuple[StaffRole, ...]
    find: Find


def items(
    here: Installation, roles: Collection[StaffRole], sources: Sequence[InboxSource] | None = None
) -> list[InboxItem]:  # fmt: skip
    """What waits for somebody with these roles: what is overdue first, then by its day. An auditor sees all of it."""
    sees_all = StaffRole.auditor in roles
    found = list[InboxItem]()
    for source in SOURCES if sources is None else sources:
        if sees_all or not set(source.who).isdisjoint(roles):
            found += [one for one in _asked(here, source) if sees_all or not set(one.who).isdisjoint(roles)]
    never = datetime.max.replace(tzinfo=here.clock().tzinfo)
    return sorted(found, key=lambda one: (not one.overdue, one.due_at or never))


def _asked(here: Installation, source: InboxSource) -> list[InboxItem]:
    try:
        return list(source.find(here))
    except LicetError as error:
        what = f"What there is to say of it could not be found out: {error.message}".replace("`", "")
        return [
            InboxItem(
                kind=source.kind, what=what, act="Load the page again; if it lasts, look with licet doctor.", page="",
                count=0, due_at=None, overdue=True, who=source.who,
            )
        ]  # fmt: skip


def _item(
    kind: str, who: tuple[StaffRole, ...], what: str, act: str, page: str = "", *, count: int = 1,
    due_at: datetime | None = None, overdue: bool = False,
) -> InboxItem:  # fmt: skip
    return InboxItem(kind=kind, what=what, act=act, page=page, count=count, due_at=due_at, overdue=overdue, who=who)


def _many(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {many}"


# The sources


def _requests(here: Installation) -> Iterator[InboxItem]:
    with transaction(here.pool) as tx:
        standing = request_register.open_requests(tx, here.clock())
    if standing.overdue:
        yield _item(
            "requests", OFFICER, f"{_many(standing.overdue, 'request', 'requests')} of people not answered in time",
            "Answer each, or refuse it with a reason.", "/console/rights", count=standing.overdue, overdue=True,
        )  # fmt: skip
    rest = standing.open - standing.overdue
    if rest:
        yield _item(
            "requests", OFFICER, f"{_many(rest, 'request', 'requests')} of people to answer", "Answer the first due first.",
            "/console/rights", count=rest, due_at=standing.next_due,
        )  # fmt: skip


def _erasures(here: Installation) -> Iterator[InboxItem]:
    with transaction(here.pool) as tx:
        count, first = certificate.overdue_count(tx, here.clock())
    if count:
        yield _item(
            "erasures", OFFICER, f"{_many(count, 'erasure is', 'erasures are')} not finished {certificate.OVERDUE_DAYS} days"
            " after all of it should have been gone", "See what each waits for, and move it on.",
            "/console/erasures?state=overdue&order=oldest", count=count, due_at=first, overdue=True,
        )  # fmt: skip


def _recalls(here: Installation) -> Iterator[InboxItem]:
    count, first = certificates.recalls_overdue(here)
    if count:
        yield _item(
            "recalls", OFFICER, f"{_many(count, 'recall was', 'recalls were')} not acknowledged in time",
            "Ask the recipient, and record what they answered.", "/console/recalls?state=overdue", count=count, due_at=first,
            overdue=True,
        )  # fmt: skip
    exported = recipients.overdue(here)
    if exported:
        yield _item(
            "recalls", OFFICER, f"{_many(exported, 'recall', 'recalls')} of exported rows not acknowledged in time",
            "Ask the recipient: licet export list names them.", count=exported, overdue=True,
        )  # fmt: skip


def _suggestions(here: Installation) -> Iterator[InboxItem]:
    count, first = suggestions.open_count(here)
    if first is not None:
        due = first + timedelta(days=SUGGESTION_DAYS)
        yield _item(
            "misuse", LOOKING, f"{_many(count, 'conversation was', 'conversations were')} suggested as misuse",
            "Read each, with a reason, and decide.", "/console/suggestions?state=open", count=count, due_at=due,
            overdue=due <= here.clock(),
        )  # fmt: skip


def _flags(here: Installation) -> Iterator[InboxItem]:
    days = timedelta(days=FLAG_REVIEW_DAYS)
    with transaction(here.pool) as tx:
        count, first = safety_copies.flags_before(tx, here.clock() - days, here.clock())
    if first is not None:
        yield _item(
            "flags", LOOKING, f"{_many(count, 'flag stands', 'flags stand')} for {FLAG_REVIEW_DAYS} days and more",
            "Look whether it still holds, or overturn it: licet flag --overturn.", "/console/flags?state=copied&order=oldest",
            count=count, due_at=first + days, overdue=True,
        )  # fmt: skip


def _holds(here: Installation) -> Iterator[InboxItem]:
    with transaction(here.pool) as tx:
        standing = holds.counts(tx, here.clock())
    if standing.overdue:
        yield _item(
            "holds", OFFICER, f"{_many(standing.overdue, 'legal hold is', 'legal holds are')} to be reviewed",
            "End those that are not needed any more, or place them again with a later day.", "/console/holds?state=due",
            count=standing.overdue, due_at=standing.first_review, overdue=True,
        )  # fmt: skip


def _releases(here: Installation) -> Iterator[InboxItem]:
    for one in signatures.unsigned(here, RELEASES_MAX):
        page, name = f"/console/releases/{one.release_id.hex}", f"Release {one.name}"
        if one.left:
            rows = _many(one.left, "row of its sample is", "rows of its sample are")
            yield _item("reviews", LOOKING, f"{name}: {rows} not read", "Read the sample.", page, count=one.left)
        elif one.left == 0:
            yield _item("reviews", DRAWING, f"{name}: its sample is read", "State what was found.", page)
        elif not one.closed:
            yield _item("reviews", DRAWING, f"{name}: nobody has reviewed it", "Draw a sample.", page)
        else:
            missing = signatures.SIGNATURES_NEEDED - one.signatures
            yield _item(
                "signatures",
                SIGNING,
                f"{name}: {_many(missing, 'signature', 'signatures')} missing",
                "Sign it off.",
                page,
            )


def _sweep(here: Installation) -> Iterator[InboxItem]:
    standing = sweeper.standing(here)
    if standing.waits:
        yield _item(
            "sweep", (*OFFICER, *OWNER), f"The sweep waits: it would erase {standing.due:,}, of {standing.kept:,} segments kept",
            "Approve it, or find out what moved the dates.", BACKGROUND, due_at=standing.waits_since, overdue=True,
        )  # fmt: skip


def _keys(here: Installation) -> Iterator[InboxItem]:
    due = {kind: at for kind, at in epochs.status(here).due.items() if at is not None and at <= here.clock()}
    if due:
        first = min(due.values())
        yield _item(
            "keys", OWNER, f"The {' and the '.join(due)} rotation of the keys is due", "Run licet keys rotate.", BACKGROUND,
            due_at=first, overdue=first <= here.clock() - timedelta(days=1),
        )  # fmt: skip


def _backups(here: Installation) -> Iterator[InboxItem]:
    known = archives.registered(here, 1)
    if not known:
        yield _item("backups", OWNER, "No backup is on record", "Make one: licet backup make.", BACKGROUND)
        return
    due = known[0].made_at + timedelta(days=BACKUP_DAYS)
    if due <= here.clock():
        yield _item(
            "backups", OWNER, "The newest backup is late", "Look why, and make one: licet backup make.", BACKGROUND,
            due_at=due, overdue=True,
        )  # fmt: skip


def _hosts(here: Installation) -> Iterator[InboxItem]:
    for one in endpoints.every(here):
        if one.disabled_at is not None:
            yield _item(
                "hosts", OWNER, f"Endpoint {one.endpoint} hears nothing any more: {one.disabled_because}",
                f"Mend it, then licet webhooks replay {one.endpoint}.", BACKGROUND, due_at=one.disabled_at, overdue=True,
            )  # fmt: skip
        elif one.overdue:
            yield _item(
                "hosts", (*OWNER, *OFFICER), f"Endpoint {one.endpoint} owes {_many(one.overdue, 'answer', 'answers')}",
                "Ask whoever runs it whether it deleted what it was told to.", BACKGROUND, count=one.overdue, overdue=True,
            )  # fmt: skip


def _log(here: Installation) -> Iterator[InboxItem]:
    seen = documents.status(here)
    if seen.waiting_since is not None and seen.waiting_since <= here.clock() - timedelta(hours=LOG_HOURS):
        yield _item(
            "log", OWNER, f"{_many(seen.waiting, 'entry waits', 'entries wait')} to reach the log",
            "See that licet serve runs, or run licet ledger append.", "/console/log", count=seen.waiting,
            due_at=seen.waiting_since + timedelta(hours=LOG_HOURS), overdue=True,
        )  # fmt: skip


def _classifiers(here: Installation) -> Iterator[InboxItem]:
    for one in answers.retraining_due(here):
        yield _item(
            "models", (StaffRole.curator,),
            f"Classifier {one.name} learnt from {_many(one.withdrawn, 'row', 'rows')} withdrawn or erased since",
            "Train it again, or retire it: licet train safety --again.", "/console/models", count=one.withdrawn,
        )  # fmt: skip


SOURCES: tuple[InboxSource, ...] = (
    InboxSource("requests", OFFICER, _requests),
    InboxSource("erasures", OFFICER, _erasures),
    InboxSource("recalls", OFFICER, _recalls),
    InboxSource("misuse", LOOKING, _suggestions),
    InboxSource("flags", LOOKING, _flags),
    InboxSource("holds", OFFICER, _holds),
    InboxSource("releases", tuple(StaffRole), _releases),
    InboxSource("sweep", (*OFFICER, *OWNER), _sweep),
    InboxSource("keys", OWNER, _keys),
    InboxSource("backups", OWNER, _backups),
    InboxSource("hosts", (*OWNER, *OFFICER), _hosts),
    InboxSource("log", OWNER, _log),
    InboxSource("models", (StaffRole.curator,), _classifiers),
)

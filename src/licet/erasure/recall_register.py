"""Recipients: who was handed which release, and what they were asked to take out of use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from licet.erasure import recipient_answers
from licet.errors import NotFoundError, RefusedError
from licet.release import registry
from licet.store.connect import Transaction, transaction
from licet.store.keyset import (
    KeyColumn,
    KeyType,
    ListChoice,
    ListFilter,
    Listing,
    ListOrder,
    newest_and_oldest,
    read_name,
)
from licet.store.rows import select
from licet.vault import certificate, host_events
from licet.vault.certificate import ErasureRecord
from licet.vault.ids import Prefix, format_id, parse, parse_input, uuid7
from licet.vault.installation import Installation
from licet.vault.list_filters import BY_ACCOUNT, by_day

RECALL_DAYS = 14  # within which a recipient must acknowledge


LISTED_MAX = 10_000


RECALLS_COUNTED_MAX = 100_000


RECALLS_LISTED_MAX = 1_000  # counted for a row of a list


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """A recall: what a recipient must stop using; ``overdue``: not acknowledged by ``due_at``."""

    erasure: str
    handout: str
    recipient: str
    release: str
    handed_at: datetime
    recalled_at: datetime
    due_at: datetime
    acknowledged_at: datetime | None
    overdue: bool


def hand_out(installation: Installation, release: str, recipient: str) -> str:
    """Registers that a release's files were given to a recipient; returns the id of the handout.
    Idempotent.
    """
    at = installation.clock()
    with transaction(installation.pool) as tx:
        known = registry.find(tx, release)
        if known is None:
            raise NotFoundError(f"no release `{release}`")
        if known.state != "sealed":
            raise RefusedError(f"release `{release}` is not sealed", because="unsealed")
        row = tx.execute(
            """INSERT INTO handouts (handout_id, release_id, recipient, handed_at)
               VALUES (%s, %s, %s, %s)
               ON CONFLICT (release_id, recipient) DO UPDATE SET recipient = excluded.recipient
                 RETURNING handout_id""",
            [uuid7(at, installation.keyring.random(10)), known.release_id, recipient, at],
        ).fetchone()
    assert row is not None
    return format_id(Prefix.handout, row[0])


class ReleaseHandout(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient of a release, with counts of its open and overdue recalls."""

    recipient: str
    handed_at: datetime
    recalls: int
    open: int
    overdue: int


def handouts_by_release(tx: Transaction, release_id: UUID, now: datetime) -> list[ReleaseHandout]:
    """The recipients of a release, in order, with their recalls for erasures."""
    return select(
        tx,
        ReleaseHandout,
        """SELECT h.recipient, h.handed_at, count(r.handout_id) AS recalls,
                  count(r.handout_id) FILTER (WHERE r.acknowledged_at IS NULL) AS open,
                  count(*) FILTER (WHERE r.acknowledged_at IS NULL AND r.due_at <= %s) AS overdue
             FROM handouts h LEFT JOIN recalls r USING (handout_id) WHERE h.release_id = %s
            GROUP BY h.handout_id ORDER BY h.handed_at, h.recipient""",
        [now, release_id],
    )


class RecipientHandout(msgspec.Struct, frozen=True, kw_only=True):
    """A release handed out to a recipient. Recalls are counted up to `RECALLS_COUNTED_MAX` of a
    handout.
    """

    handout: str
    release_id: UUID
    handed_at: datetime
    recalls: int
    open: int
    overdue: int


def handouts_by_recipient(
    tx: Transaction, recipient: str, now: datetime, limit: int
) -> list[RecipientHandout]:
    """The newest ``limit`` releases handed out to a recipient, with their recalls for erasures."""
    rows = tx.execute(
        """SELECT h.handout_id, h.release_id, h.handed_at, r.recalls, r.open, r.overdue
             FROM (SELECT * FROM handouts WHERE recipient = %(recipient)s
               ORDER BY handed_at DESC LIMIT %(limit)s) h
            CROSS JOIN LATERAL (
                 SELECT count(*) AS recalls, count(*) FILTER (WHERE k.acknowledged_at IS NULL) AS open,
                        count(*) FILTER (WHERE k.acknowledged_at IS NULL
                          AND k.due_at <= %(at)s) AS overdue
                   FROM (SELECT acknowledged_at, due_at FROM recalls WHERE handout_id = h.handout_id
                          LIMIT %(counted)s) k) r
            ORDER BY h.handed_at DESC, h.handout_id""",
        {"recipient": recipient, "limit": limit, "at": now, "counted": RECALLS_COUNTED_MAX},
    )
    return [
        RecipientHandout(
            handout=format_id(Prefix.handout, handout),
            release_id=release,
            handed_at=handed_at,
            recalls=recalls,
            open=open_,
            overdue=overdue,
        )
        for handout, release, handed_at, recalls, open_, overdue in rows
    ]


_HANDED = (KeyColumn("t.handed_at", KeyType.timestamptz), KeyColumn("t.handout_id", KeyType.uuid))


HANDOUTS = Listing(
    columns="""t.recipient, t.release_id, t.handed_at, r.open, r.first_due, r.first_due <= %(at)s, t.handout_id""",
    source="FROM handouts t",
    joins=f"""LEFT JOIN LATERAL (SELECT count(*) AS open, min(k.due_at) AS first_due FROM (
                  SELECT due_at FROM recalls WHERE handout_id = t.handout_id
                    AND acknowledged_at IS NULL
                   ORDER BY due_at LIMIT {RECALLS_LISTED_MAX}) k) r ON true""",
    orders=newest_and_oldest(_HANDED),
    filters={
        "recipient": ListFilter(
            label="Recipient",
            sql="t.recipient = %(value)s",
            read=read_name,
            hint="lab-one",
            indexed=True,
        ),
        "state": ListFilter(
            label="State",
            choices={
                "open": ListChoice(
                    label="with recalls not acknowledged", kept="r.open > 0", scanned_max=4_000
                ),
                "overdue": ListChoice(
                    label="overdue", kept="r.first_due <= %(at)s", scanned_max=4_000
                ),
            },
        ),
        **by_day("Handed out", "t.handed_at"),
    },
)


def recall_releases(
    tx: Transaction, erasure: ErasureRecord, releases: Sequence[UUID], now: datetime
) -> None:
    """Recalls the rows of the erased content from every recipient of these releases, once per
    handout.
    """
    if not releases:
        return
    recalled = tx.execute(
        """WITH recalled AS (
               INSERT INTO recalls (account_id, erasure_id, handout_id, recalled_at, due_at)
               SELECT %(account)s, %(erasure)s, h.handout_id, %(at)s, %(due)s FROM handouts h
                WHERE h.release_id = ANY(%(releases)s) ON CONFLICT DO NOTHING
                  RETURNING handout_id, due_at
           )
           SELECT h.handout_id, h.recipient, h.release_id, r.due_at
             FROM recalled r JOIN handouts h USING (handout_id) ORDER BY h.handout_id""",
        {
            "account": erasure.account,
            "erasure": erasure.erasure,
            "at": now,
            "due": now + timedelta(days=RECALL_DAYS),
            "releases": list(releases),
        },
    ).fetchall()
    names = registry.names(tx, [row[2] for row in recalled])
    host_events.append(
        tx,
        [
            host_events.release_recalled(
                erasure.account,
                now,
                erasure.erasure,
                release=release,
                name=names[release],
                recipient=recipient,
                handout=handout,
                due_at=due_at,
            )
            for handout, recipient, release, due_at in recalled
        ],
    )


_RECALLS = """SELECT r.erasure_id, r.handout_id, h.recipient, h.release_id, h.handed_at,
    r.recalled_at, r.due_at,
    r.acknowledged_at FROM recalls r JOIN handouts h USING (handout_id)"""


def list_recalls_by_erasure(tx: Transaction, now: datetime, erasure: ErasureRecord) -> list[Recall]:
    rows = tx.execute(
        f"{_RECALLS} WHERE r.account_id = %s AND r.erasure_id = %s ORDER BY r.due_at, r.handout_id",
        [erasure.account, erasure.erasure],
    ).fetchall()
    return _read_recalls(tx, rows, now)


def list_recalls(installation: Installation, recipient: str | None = None) -> list[Recall]:
    """The open recalls, the most overdue first."""
    with transaction(installation.pool) as tx:
        rows = tx.execute(
            f"""{_RECALLS} WHERE r.acknowledged_at IS NULL
                AND (%(recipient)s::text IS NULL OR h.recipient = %(recipient)s)
                ORDER BY r.due_at, r.handout_id LIMIT %(limit)s""",
            {"recipient": recipient, "limit": LISTED_MAX},
        ).fetchall()
        return _read_recalls(tx, rows, installation.clock())


def _read_recalls(tx: Transaction, rows: Sequence[Sequence[Any]], now: datetime) -> list[Recall]:
    """Recalls from rows of `_RECALLS`, in their order."""
    names = registry.names(tx, [row[3] for row in rows])
    return [
        Recall(
            erasure=format_id(Prefix.erasure, erasure),
            handout=format_id(Prefix.handout, handout),
            recipient=recipient,
            release=names[release],
            handed_at=handed_at,
            recalled_at=recalled_at,
            due_at=due_at,
            acknowledged_at=acknowledged_at,
            overdue=acknowledged_at is None and due_at <= now,
        )
        for erasure, handout, recipient, release, handed_at, recalled_at, due_at, acknowledged_at in rows
    ]


_DUE = (
    KeyColumn("t.due_at", KeyType.timestamptz),
    KeyColumn("t.erasure_id", KeyType.uuid),
    KeyColumn("t.handout_id", KeyType.uuid),
)


RECALLS = Listing(
    columns="""t.erasure_id, t.handout_id, h.recipient, h.release_id, t.recalled_at, t.due_at, t.acknowledged_at,
        t.acknowledged_at IS NULL AND t.due_at <= %(at)s, t.account_id""",
    source="FROM recalls t",
    joins="JOIN handouts h USING (handout_id)",
    orders={
        "due": ListOrder(label="due first", columns=_DUE),
        "last": ListOrder(label="due last", columns=_DUE, descending=True),
    },
    filters={
        "state": ListFilter(
            label="State",
            choices={
                "open": ListChoice(label="not acknowledged", looked="t.acknowledged_at IS NULL"),
                "overdue": ListChoice(
                    label="overdue", looked="t.acknowledged_at IS NULL AND t.due_at <= %(at)s"
                ),
                "acknowledged": ListChoice(
                    label="acknowledged", kept="t.acknowledged_at IS NOT NULL"
                ),
            },
        ),
        "erasure": ListFilter(
            label="Erasure",
            sql="t.erasure_id = %(value)s",
            read=partial(parse_input, Prefix.erasure),
            indexed=True,
            hint="era_..",
        ),
        "recipient": ListFilter(
            label="Recipient", sql="h.recipient = %(value)s", read=read_name, hint="lab-one"
        ),
        **BY_ACCOUNT,
    },
)


def acknowledge(
    installation: Installation, erasure: str, handout: str, signed: str | None = None
) -> Recall:
    """Records a recipient's acknowledgement; NotFoundError without a recall.

    ``signed`` is the recipient's own answer (`recipient_answers`); RefusedError if their registered
    key did not sign it.
    """
    with transaction(installation.pool) as tx:
        of = certificate.get(tx, parse(Prefix.erasure, erasure))
        changed = tx.execute(
            """UPDATE recalls SET (acknowledged_at, signed) = (coalesce(acknowledged_at, %s),
                coalesce(%s, signed))
                WHERE account_id = %s AND erasure_id = %s AND handout_id = %s""",
            [installation.clock(), signed, of.account, of.erasure, parse(Prefix.handout, handout)],
        ).rowcount
        if not changed:
            raise NotFoundError(
                f"no recall of `{erasure}` from handout `{handout}`",
                "`licet recall list` shows all recalls",
            )
        recalled = next(
            one
            for one in list_recalls_by_erasure(tx, installation.clock(), of)
            if one.handout == handout
        )
        if signed is not None:
            recipient_answers.check(tx, signed, erasure, handout, recalled.recipient)
        return recalled

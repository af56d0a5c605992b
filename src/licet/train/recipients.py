"""Recipients of a person's rows, and what was recalled from them (GDPR 15(1)(c) and 19).

A recipient has the rows of a plain export as text, out of reach of any key. Once such a row may no
longer be used (its person withdrew, kept the conversation out, left the plan, or its period ended)
it is recalled, once: its recipient is notified by event, and must delete it and confirm that by a
given day. Erased content is recalled with its erasure (`erasure.certificates`).

Crash order: the recall and its event share a transaction for each account, so a killed check leaves
some accounts for the next one, and recalls nothing twice.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from pyroaring import BitMap

from licet.erasure.recall_register import RECALL_DAYS
from licet.keys import fence
from licet.policy.period import rfc3339
from licet.release import registry
from licet.store.connect import Transaction, join_transaction, transaction
from licet.train import export_files
from licet.vault import host_events
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import Installation
from licet.vault.tables import lock_accounts

LISTED_MAX = 1_000
FILE = "recipients.csv"


class RecallState(StrEnum):
    """The state of the rows that a recipient was given."""

    in_use = "in_use"  # some of them may still be used
    shut = "shut"  # sealed: no key of them is leased any more
    to_recall = "to_recall"  # in clear: no longer usable, and recalled by the next check
    recalled = "recalled"
    overdue = "overdue"
    deleted = "deleted"  # the recipient confirmed that


class RecipientSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient of an account's rows: ``plain`` text of an export, or sealed with leases."""

    recipient: str
    release: str
    export: str | None
    plain: bool
    given_at: datetime
    rows: int
    state: RecallState
    due_at: datetime | None
    acknowledged_at: datetime | None


# Recalling


_OPEN = """SELECT e.export_id, e.release_id, e.handout_id, e.ordinals, h.recipient
    FROM exports e JOIN handouts h USING (handout_id)
   WHERE e.acknowledged_at IS NULL ORDER BY e.made_at, e.export_id"""
# Erased content is recalled with its erasure.
_ACCOUNTS = """SELECT x.account_id, array_agg(x.ordinal ORDER BY x.ordinal) FROM release_rows x
   WHERE x.release_id = %(release)s AND x.block = ANY(release_blocks(%(ordinals)b::int[]))
     AND x.ordinal = ANY(%(ordinals)b::int[])
     AND NOT EXISTS (SELECT FROM erasures e WHERE e.account_id = x.account_id
                        AND (e.conversation_id IS NULL OR e.conversation_id = x.conversation_id))
   GROUP BY x.account_id ORDER BY x.account_id"""


class _OpenExport(msgspec.Struct, frozen=True, kw_only=True):
    """An export that its recipient has not confirmed to have deleted."""

    export: UUID
    release: UUID
    handout: UUID
    ordinals: BitMap
    recipient: str
    name: str


def recall_ended(installation: Installation) -> int:
    """Recalls the rows of plain exports that may no longer be used; returns their number."""
    with transaction(installation.pool) as tx:
        fence.check(tx)
        rows = tx.execute(_OPEN).fetchall()
        names = registry.names(tx, [row[1] for row in rows])
    exports = [
        _OpenExport(
            export=export,
            release=release,
            handout=handout,
            ordinals=BitMap.deserialize(bytes(ordinals)),
            recipient=recipient,
            name=names[release],
        )
        for export, release, handout, ordinals, recipient in rows
    ]
    gone = {
        release: export_files.withdrawn_ordinals(installation, release)
        for release in {open_export.release for open_export in exports}
    }
    return sum(
        _recall(installation, open_export, gone[open_export.release]) for open_export in exports
    )


def _recall(installation: Installation, target: _OpenExport, withdrawn: BitMap) -> int:
    with transaction(installation.pool) as tx:
        remaining = (target.ordinals & withdrawn) - export_files.rows_recalled(tx, target.export)
        values = {"release": target.release, "ordinals": list(remaining)}
        accounts = tx.execute(_ACCOUNTS, values).fetchall() if remaining else []
    return sum(
        _recall_from(installation, target, account, ordinals) for account, ordinals in accounts
    )


def _recall_from(
    installation: Installation, target: _OpenExport, account: UUID, ordinals: Sequence[int]
) -> int:
    now = installation.clock()
    due = now + timedelta(days=RECALL_DAYS)
    with transaction(installation.pool) as tx:
        lock_accounts(tx, [account])
        remaining = list(BitMap(ordinals) - export_files.rows_recalled(tx, target.export, account))
        if not remaining:
            return 0
        tx.execute(
            """INSERT INTO export_recalls (account_id, export_id, ordinals, recalled_at, due_at)
               VALUES (%s, %s, %s, %s, %s)""",
            [account, target.export, remaining, now, due],
        )
        host_events.append(
            tx,
            [
                host_events.rows_recalled(
                    account,
                    now,
                    release=target.release,
                    name=target.name,
                    recipient=target.recipient,
                    handout=target.handout,
                    export=target.export,
                    ordinals=remaining,
                    due_at=due,
                )
            ],
        )
    return len(remaining)


def overdue(installation: Installation, tx: Transaction | None = None) -> int:
    """The number of recalls of exports, whole or rows, that were not acknowledged in time."""
    with join_transaction(installation.pool, tx) as own:
        row = own.execute(
            """SELECT (SELECT count(*) FROM exports WHERE acknowledged_at IS NULL
                    AND due_at <= %(at)s)
                    + (SELECT count(*) FROM export_recalls WHERE acknowledged_at IS NULL
                      AND due_at <= %(at)s)""",
            {"at": installation.clock()},
        ).fetchone()
    assert row is not None
    return int(row[0])


# For the person


def csv_file(installation: Installation, account: UUID) -> tuple[str, bytes]:
    """The recipients of an account's rows, as a CSV file (name, content) of its take-out."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(
        ["recipient", "release", "export", "as", "given", "rows", "state", "due", "answered"]
    )
    for entry in list_by_account(installation, account):
        due, answered = (rfc3339(at) if at else "" for at in (entry.due_at, entry.acknowledged_at))
        form = "plain text" if entry.plain else "sealed rows"
        given_at = rfc3339(entry.given_at)
        fields = [entry.recipient, entry.release, entry.export or "", form, given_at, entry.rows]
        rows.writerow([*fields, entry.state.value, due, answered])
    return FILE, text.getvalue().encode()


class _DeletionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a recipient to delete rows: of one conversation, by ordinal, or all of the
    account.
    """

    due_at: datetime
    acknowledged_at: datetime | None
    ordinals: BitMap


class GivenRows(msgspec.Struct, frozen=True, kw_only=True):
    """The account's rows given to recipients, as stored, and the requests to delete them."""

    own_rows: dict[UUID, dict[int, UUID]]
    names: Mapping[UUID, str]
    exports: list[tuple[Any, ...]]
    sealed: list[tuple[Any, ...]]
    requests: dict[UUID, list[_DeletionRequest]]


def list_by_account(installation: Installation, account: UUID) -> list[RecipientSeen]:
    """Every recipient of an account's rows, the newest first, and the state of the rows."""
    with transaction(installation.pool) as tx:
        holdings = given_rows(tx, account)
    return describe(installation, holdings)


def given_rows(tx: Transaction, account: UUID) -> GivenRows:
    own_rows = registry.sealed_rows_by_account(tx, account)
    return GivenRows(
        own_rows=own_rows,
        names=registry.names(tx, list(own_rows)),
        exports=tx.execute(_EXPORTS, [list(own_rows)]).fetchall(),
        sealed=tx.execute(_SEALED, [list(own_rows)]).fetchall(),
        requests=_select_requests(tx, account, own_rows),
    )


def describe(installation: Installation, holdings: GivenRows) -> list[RecipientSeen]:
    """The state of each recipient's rows, newest first. Usability is decided in transactions of its
    own.
    """
    own_rows, names = holdings.own_rows, holdings.names
    exports, sealed, requests_by_copy = holdings.exports, holdings.sealed, holdings.requests
    withdrawn = {
        release: export_files.withdrawn_ordinals(installation, release)
        for release in {row[1] for row in (*exports, *sealed)}
    }
    now, described = installation.clock(), []
    for export, release, handout, ordinals, recipient, made_at, due_at, acknowledged_at in exports:
        rows = BitMap.deserialize(bytes(ordinals)) & BitMap(own_rows[release])
        if not rows:
            continue
        requests = [*requests_by_copy.get(export, ()), *requests_by_copy.get(handout, ())]
        if due_at is not None:
            requests.append(
                _DeletionRequest(due_at=due_at, acknowledged_at=acknowledged_at, ordinals=rows)
            )
        state, due, answered = _recall_state(rows, withdrawn[release], requests, now, plain=True)
        described.append(
            RecipientSeen(
                recipient=recipient,
                release=names[release],
                export=format_id(Prefix.export, export),
                plain=True,
                given_at=made_at,
                rows=len(rows),
                state=state,
                due_at=due,
                acknowledged_at=answered,
            )
        )
    for handout, release, recipient, handed_at in sealed:
        rows = BitMap(own_rows[release])
        state, due, answered = _recall_state(
            rows, withdrawn[release], requests_by_copy.get(handout, []), now, plain=False
        )
        described.append(
            RecipientSeen(
                recipient=recipient,
                release=names[release],
                export=None,
                plain=False,
                given_at=handed_at,
                rows=len(rows),
                state=state,
                due_at=due,
                acknowledged_at=answered,
            )
        )
    return sorted(described, key=lambda recipient: recipient.given_at, reverse=True)[:LISTED_MAX]


_EXPORTS = """SELECT e.export_id, e.release_id, e.handout_id, e.ordinals, h.recipient, e.made_at,
    e.due_at,
    e.acknowledged_at FROM exports e JOIN handouts h USING (handout_id)
   WHERE e.release_id = ANY(%s)"""
# Recipients that leased row keys, or were handed only the files: an export is listed separately.
_SEALED = """SELECT h.handout_id, h.release_id, h.recipient, h.handed_at FROM handouts h
   WHERE h.release_id = ANY(%s) AND (NOT EXISTS (SELECT FROM exports e WHERE e.handout_id = h.handout_id)
         OR EXISTS (SELECT FROM leases l WHERE l.release_id = h.release_id
           AND l.recipient = h.recipient))"""


def given_until(tx: Transaction, now: datetime) -> list[tuple[str, str]]:
    """The distinct (recipient, release) given by ``now``, in order."""
    rows = tx.execute(
        "SELECT recipient, release_id FROM handouts WHERE handed_at <= %s", [now]
    ).fetchall()
    names = registry.names(tx, [release for _, release in rows])
    return sorted({(recipient, names[release]) for recipient, release in rows})


def _select_requests(
    tx: Transaction, account: UUID, own_rows: dict[UUID, dict[int, UUID]]
) -> dict[UUID, list[_DeletionRequest]]:
    """The deletion requests for an account's rows, by export or, after an erasure, by handout."""
    requests: dict[UUID, list[_DeletionRequest]] = {}
    rows = tx.execute(
        "SELECT export_id, ordinals, due_at, acknowledged_at FROM export_recalls WHERE "
        "account_id = %s",
        [account],
    )
    for export, ordinals, due_at, acknowledged_at in rows:
        requests.setdefault(export, []).append(
            _DeletionRequest(
                due_at=due_at, acknowledged_at=acknowledged_at, ordinals=BitMap(ordinals)
            )
        )
    rows = tx.execute(
        """SELECT r.handout_id, h.release_id, e.conversation_id, r.due_at, r.acknowledged_at
             FROM recalls r JOIN erasures e USING (account_id, erasure_id)
               JOIN handouts h USING (handout_id)
            WHERE r.account_id = %s""",
        [account],
    )
    for handout, release, about, due_at, acknowledged_at in rows:
        ordinals = BitMap(
            n for n, chat in own_rows.get(release, {}).items() if about is None or chat == about
        )
        requests.setdefault(handout, []).append(
            _DeletionRequest(due_at=due_at, acknowledged_at=acknowledged_at, ordinals=ordinals)
        )
    return requests


def _recall_state(
    rows: BitMap, withdrawn: BitMap, asks: Sequence[_DeletionRequest], now: datetime, *, plain: bool
) -> tuple[RecallState, datetime | None, datetime | None]:
    """The state, when an answer is due, and when the last one came."""
    about = [ask for ask in asks if ask.ordinals & rows]
    waits = [ask.due_at for ask in about if ask.acknowledged_at is None]
    if waits:
        return RecallState.overdue if min(waits) <= now else RecallState.recalled, min(waits), None
    answers = (ask.acknowledged_at for ask in about)
    answered = max((answer for answer in answers if answer is not None), default=None)
    requested = BitMap.union(BitMap(), *(ask.ordinals for ask in about))
    if plain and (rows & withdrawn) - requested:
        return RecallState.to_recall, None, answered
    if rows - requested - withdrawn:
        return RecallState.in_use, None, answered
    return (RecallState.deleted if plain else RecallState.shut), None, answered

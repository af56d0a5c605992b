"""Webhook endpoints: their URLs, event kinds, and the secrets that sign their messages.

A message is signed as specified by Standard Webhooks 1.0.0 (standardwebhooks.com), over
`id.timestamp.body`:

    v1    HMAC-SHA256 under each valid secret: one, or two during a rotation
    v1a   Ed25519 under the endpoint's key: a receiver needs only its public half

A secret is 32 random bytes, shown once as `whsec_` and Base64, and stored wrapped under the key
chain like every secret of the installation. An endpoint without a URL polls the event feed.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licet.errors import NotFoundError, RefusedError, UsageError
from licet.keys import chain
from licet.keys.keyring import Keyring
from licet.store.connect import Transaction, transaction
from licet.store.rows import select
from licet.vault import host_events
from licet.vault.host_events import EventKind
from licet.vault.ids import uuid7
from licet.vault.installation import Installation
from licet.webhooks import outbound_http

ENDPOINTS_MAX = 32
OVERLAP_HOURS, OVERLAP_HOURS_MAX = 24, 24 * 30
SECRETS_MAX = 2
BACKLOG_MAX = 100_000
TRIED_MAX = 50
OVERDUE_COUNTED_MAX = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class AddedEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A new endpoint. ``secret`` is shown only now; ``since`` is the cursor of the newest earlier
    event.
    """

    endpoint: str
    url: str | None
    kinds: tuple[EventKind, ...]
    secret: str | None
    public_key: str | None
    since: str


class EndpointStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint's state for staff. ``blocked`` counts the accounts with a failing event;
    ``overdue`` counts acknowledgements.
    """

    endpoint: str
    url: str | None
    kinds: tuple[EventKind, ...]
    made_at: datetime
    public_key: str | None
    secrets: int
    waiting: int
    waiting_since: datetime | None
    blocked: int
    last_failure: str | None
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_because: str | None
    overdue: int


class PausedEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A paused endpoint with its number of ``unsent`` events."""

    endpoint: str
    unsent: int


class UnsentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A failed event: its attempts, the last answer, and the time of the next attempt."""

    kind: EventKind
    occurred_at: datetime
    attempts: int
    answer: str | None
    next_at: datetime


class EndpointBacklog(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint's backlog, counted up to `BACKLOG_MAX`; ``tried``: failed events by next
    attempt.
    """

    endpoint: str
    url: str | None
    kinds: tuple[EventKind, ...]
    made_at: datetime
    public_key: str | None
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_because: str | None
    waiting: int
    owed: int
    overdue: int
    tried: tuple[UnsentEvent, ...]


class RotatedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A new secret, shown only now; the previous one is valid until ``old_ends_at``."""

    endpoint: str
    secret: str
    old_ends_at: datetime


class RemovedEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The messages and acknowledgements dropped by a removal."""

    endpoint: str
    unsent: int
    unanswered: int


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """The number of events to send, again or for the first time."""

    endpoint: str
    events: int


def add(
    installation: Installation, name: str, url: str | None, kinds: Sequence[EventKind] = ()
) -> AddedEndpoint:
    """Adds an endpoint that receives events from now on; RefusedError if the name exists."""
    check_new(installation, name, url)
    now = installation.clock()
    subscribed = tuple(kind for kind in EventKind if kind in kinds) or tuple(EventKind)
    with transaction(installation.pool) as tx:
        made = tx.execute(
            """INSERT INTO endpoints (endpoint_id, name, url, kinds, made_at)
               VALUES (%s, %s, %s, %s, %s)
               ON CONFLICT (name) WHERE removed_at IS NULL DO NOTHING RETURNING endpoint_id""",
            [
                uuid7(now, installation.keyring.random(10)),
                name,
                url,
                [kind.value for kind in subscribed],
                now,
            ],
        ).fetchone()
        if made is None:
            raise _exists_error(name)
        secret = _new_secret(installation, tx, made[0], now) if url is not None else None
        public = public_key(installation.keyring, tx, made[0]) if url is not None else None
        while host_events.give_numbers(tx):
            pass
        since = str(host_events.newest_number(tx))
    return AddedEndpoint(
        endpoint=name, url=url, kinds=subscribed, secret=secret, public_key=public, since=since
    )


def check_new(installation: Installation, name: str, url: str | None) -> None:
    """Raises UsageError or RefusedError for an endpoint that cannot be added."""
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"`{name}` is not a name for an endpoint",
            "use lower-case letters, digits, `-`, `_` and `.`",
        )
    if url is not None:
        outbound_http.check_reachable(url, installation.config.webhooks.inside)
    with transaction(installation.pool) as tx:
        known = list_names(tx)
    if name in known:
        raise _exists_error(name)
    if len(known) >= ENDPOINTS_MAX:
        raise RefusedError(
            f"there are `{len(known)}` endpoints: at most {ENDPOINTS_MAX}", because="too_many"
        )


def _exists_error(name: str) -> RefusedError:
    return RefusedError(
        f"there is already an endpoint `{name}`", "choose another name", because="exists"
    )


def list_endpoints(installation: Installation) -> list[EndpointStatus]:
    """Lists every endpoint that was not removed, with its state."""
    now = installation.clock()
    with transaction(installation.pool) as tx:
        rows = tx.execute(_STATUSES, {"at": now}).fetchall()
        return [_endpoint_status(installation.keyring, tx, row) for row in rows]


_STATUSES = """
    SELECT p.endpoint_id, p.name, p.url, p.kinds, p.made_at, p.failing_since, p.disabled_at,
      p.disabled_because,
           (SELECT count(*) FROM endpoint_secrets s
             WHERE s.endpoint_id = p.endpoint_id AND (s.ends_at IS NULL OR s.ends_at > %(at)s)),
           w.waiting, w.since, w.blocked, w.answer,
           (SELECT count(*) FROM deliveries d WHERE d.endpoint_id = p.endpoint_id
             AND d.acknowledged_at IS NULL
               AND d.acknowledge_by <= %(at)s)
      FROM endpoints p CROSS JOIN LATERAL (
           SELECT count(*) AS waiting, min(e.occurred_at) AS since,
                  count(DISTINCT d.account_id) FILTER (WHERE d.attempts > 0) AS blocked,
                  (array_agg(d.answer ORDER BY d.next_at DESC) FILTER (WHERE d.attempts > 0))[1] AS answer
             FROM deliveries d JOIN events e USING (account_id, event_id)
            WHERE d.endpoint_id = p.endpoint_id AND d.delivered_at IS NULL
              AND d.next_at IS NOT NULL) w
     WHERE p.removed_at IS NULL ORDER BY p.name"""


class TroubledEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that is disabled or has ``overdue`` acknowledgements, counted up to
    `OVERDUE_COUNTED_MAX`.
    """

    endpoint: str
    disabled_at: datetime | None
    disabled_because: str | None
    overdue: int


def list_troubled(tx: Transaction, now: datetime) -> list[TroubledEndpoint]:
    """Lists disabled endpoints and those with overdue acknowledgements, by name."""
    return select(
        tx,
        TroubledEndpoint,
        """SELECT p.name AS endpoint, p.disabled_at, p.disabled_because, o.overdue
             FROM endpoints p CROSS JOIN LATERAL (
                  SELECT count(*) AS overdue FROM (
                    SELECT FROM deliveries d WHERE d.endpoint_id = p.endpoint_id
                      AND d.acknowledged_at IS NULL
                       AND d.acknowledge_by <= %(at)s LIMIT %(most)s) d) o
            WHERE p.removed_at IS NULL AND (p.disabled_at IS NOT NULL OR o.overdue > 0)
              ORDER BY p.name""",
        {"at": now, "most": OVERDUE_COUNTED_MAX},
    )


class WebhookBacklog(msgspec.Struct, frozen=True, kw_only=True):
    """The total backlog. ``due_at`` is the due time of its first message."""

    waiting: int
    due_at: datetime | None
    failing: int
    disabled: int


def count_backlog(tx: Transaction, limit: int) -> WebhookBacklog:
    """Counts the deliverer's backlog, at most ``limit`` messages per endpoint."""
    (counted,) = select(
        tx,
        WebhookBacklog,
        """SELECT coalesce(sum(w.waiting), 0)::bigint AS waiting, min(w.due_at) AS due_at,
                  count(*) FILTER (WHERE p.failing_since IS NOT NULL) AS failing,
                  count(*) FILTER (WHERE p.disabled_at IS NOT NULL) AS disabled
             FROM endpoints p CROSS JOIN LATERAL (
                  SELECT count(*) AS waiting, min(next_at) AS due_at FROM (
                    SELECT next_at FROM deliveries d
                     WHERE d.endpoint_id = p.endpoint_id AND d.delivered_at IS NULL
                       AND d.next_at IS NOT NULL
                     ORDER BY next_at LIMIT %s) d) w
            WHERE p.removed_at IS NULL""",
        [limit],
    )
    return counted


def _endpoint_status(keyring: Keyring, tx: Transaction, row: Sequence[Any]) -> EndpointStatus:
    endpoint, name, url, kinds, made_at, failing_since, disabled_at, because, secrets, *counts = row
    waiting, since, blocked, answer, overdue = counts
    return EndpointStatus(
        endpoint=name,
        url=url,
        kinds=tuple(map(EventKind, kinds)),
        made_at=made_at,
        public_key=public_key(keyring, tx, endpoint) if url is not None else None,
        secrets=secrets,
        waiting=waiting,
        waiting_since=since,
        blocked=blocked,
        last_failure=answer,
        failing_since=failing_since,
        disabled_at=disabled_at,
        disabled_because=because,
        overdue=overdue,
    )


def list_names(tx: Transaction) -> list[str]:
    """Returns the names of all endpoints that were not removed, in order."""
    return [
        row[0]
        for row in tx.execute("SELECT name FROM endpoints WHERE removed_at IS NULL ORDER BY name")
    ]


def backlog_of(installation: Installation, name: str) -> EndpointBacklog:
    """Returns an endpoint's backlog, with its last answers; NotFoundError for an unknown name."""
    with transaction(installation.pool) as tx:
        backlog = _backlog(installation.keyring, tx, name, installation.clock())
    if backlog is None:
        raise _unknown_error(name)
    return backlog


def list_backlogs(installation: Installation) -> list[EndpointBacklog]:
    """Returns each endpoint's backlog, by name."""
    now = installation.clock()
    with transaction(installation.pool) as tx:
        backlogs = [_backlog(installation.keyring, tx, name, now) for name in list_names(tx)]
    return [endpoint_backlog for endpoint_backlog in backlogs if endpoint_backlog is not None]


def _backlog(keyring: Keyring, tx: Transaction, name: str, now: datetime) -> EndpointBacklog | None:
    row = tx.execute(_BACKLOG, {"name": name, "at": now, "most": BACKLOG_MAX}).fetchone()
    if row is None:
        return None
    endpoint, url, kinds, made_at, failing_since, disabled_at, because, waiting, owed, overdue = row
    tried = tx.execute(_TRIED, [endpoint, TRIED_MAX]).fetchall()
    public = public_key(keyring, tx, endpoint) if url is not None else None
    return EndpointBacklog(
        endpoint=name,
        url=url,
        kinds=tuple(map(EventKind, kinds)),
        made_at=made_at,
        public_key=public,
        failing_since=failing_since,
        disabled_at=disabled_at,
        disabled_because=because,
        waiting=waiting,
        owed=owed,
        overdue=overdue,
        tried=tuple(
            UnsentEvent(
                kind=EventKind(kind),
                occurred_at=on,
                attempts=attempts,
                answer=answer,
                next_at=next_at,
            )
            for kind, on, attempts, answer, next_at in tried
        ),
    )


_BACKLOG = """
    SELECT p.endpoint_id, p.url, p.kinds, p.made_at, p.failing_since, p.disabled_at,
      p.disabled_because,
           (SELECT count(*) FROM (SELECT FROM deliveries d WHERE d.endpoint_id = p.endpoint_id
               AND d.delivered_at IS NULL AND d.next_at IS NOT NULL LIMIT %(most)s) w),
           (SELECT count(*) FROM (SELECT FROM deliveries d WHERE d.endpoint_id = p.endpoint_id
               AND d.acknowledged_at IS NULL AND d.acknowledge_by IS NOT NULL LIMIT %(most)s) o),
           (SELECT count(*) FROM (SELECT FROM deliveries d WHERE d.endpoint_id = p.endpoint_id
               AND d.acknowledged_at IS NULL AND d.acknowledge_by <= %(at)s LIMIT %(most)s) l)
      FROM endpoints p WHERE p.name = %(name)s AND p.removed_at IS NULL"""
# The failed ones among the next 5,000.
_TRIED = """
    SELECT e.kind, e.occurred_at, d.attempts, d.answer, d.next_at
      FROM (SELECT * FROM deliveries WHERE endpoint_id = %s AND delivered_at IS NULL
        AND next_at IS NOT NULL
             ORDER BY next_at LIMIT 5000) d JOIN events e USING (account_id, event_id)
     WHERE d.attempts > 0 ORDER BY d.next_at LIMIT %s"""


def pause(installation: Installation, name: str, *, dry_run: bool = False) -> PausedEndpoint:
    """Stops sending to an endpoint until `replay`; its events wait. A disabled one keeps its
    reason.
    """
    now = installation.clock()
    with transaction(installation.pool) as tx:
        endpoint = _lock_pushed(tx, name)
        row = tx.execute(
            """SELECT count(*) FROM (SELECT FROM deliveries WHERE endpoint_id = %s
                                        AND delivered_at IS NULL
                                        AND next_at IS NOT NULL LIMIT %s) w""",
            [endpoint, BACKLOG_MAX],
        ).fetchone()
        if not dry_run:
            tx.execute(
                """UPDATE endpoints SET (disabled_at, disabled_because) = (%s, 'paused')
                    WHERE endpoint_id = %s AND disabled_at IS NULL""",
                [now, endpoint],
            )
    return PausedEndpoint(endpoint=name, unsent=row[0] if row is not None else 0)


def rotate(
    installation: Installation, name: str, overlap_hours: int = OVERLAP_HOURS
) -> RotatedSecret:
    """Gives an endpoint a new secret. The previous one stays valid for ``overlap_hours``; older
    ones end.
    """
    if not 0 <= overlap_hours <= OVERLAP_HOURS_MAX:
        raise UsageError(f"an overlap of `{overlap_hours}` hours: from 0 to {OVERLAP_HOURS_MAX}")
    now = installation.clock()
    ends_at = now + timedelta(hours=overlap_hours)
    with transaction(installation.pool) as tx:
        endpoint = _lock_pushed(tx, name)
        live = tx.execute(
            "SELECT secret FROM endpoint_secrets WHERE endpoint_id = %s ORDER BY made_at "
            "DESC, secret DESC",
            [endpoint],
        ).fetchall()
        chain.forget_secrets(tx, [row[0] for row in live[SECRETS_MAX - 1 :]])
        tx.execute(
            "UPDATE endpoint_secrets SET ends_at = %s WHERE endpoint_id = %s", [ends_at, endpoint]
        )
        secret = _new_secret(installation, tx, endpoint, now)
        drop_ended_secrets(tx, now)
    return RotatedSecret(endpoint=name, secret=secret, old_ends_at=ends_at)


def remove(installation: Installation, name: str, *, dry_run: bool = False) -> RemovedEndpoint:
    """Removes an endpoint and its secrets. Its deliveries stay recorded, for certificates."""
    now = installation.clock()
    with transaction(installation.pool) as tx:
        endpoint = _lock_endpoint(tx, name)[0]
        counted = tx.execute(
            """SELECT count(*) FILTER (WHERE delivered_at IS NULL AND next_at IS NOT NULL),
                      count(*) FILTER (WHERE acknowledged_at IS NULL AND acknowledge_by IS NOT NULL)
                 FROM deliveries WHERE endpoint_id = %s""",
            [endpoint],
        ).fetchone()
        assert counted is not None
        removed = RemovedEndpoint(endpoint=name, unsent=counted[0], unanswered=counted[1])
        if dry_run:
            return removed
        tx.execute("UPDATE endpoints SET removed_at = %s WHERE endpoint_id = %s", [now, endpoint])
        tx.execute(
            "UPDATE deliveries SET next_at = NULL WHERE endpoint_id = %s AND delivered_at IS NULL",
            [endpoint],
        )
        chain.forget_secrets_below(tx, _prefix(endpoint))
    return removed


def disable_all(tx: Transaction, now: datetime) -> int:
    """Disables every endpoint of a restored database; returns their number. The backup may contain
    endpoints removed since, or secrets replaced after a leak.
    """
    return tx.execute(
        """UPDATE endpoints SET (disabled_at, disabled_because) = (%s, 'restored')
            WHERE url IS NOT NULL AND removed_at IS NULL AND disabled_at IS NULL""",
        [now],
    ).rowcount


def replay(
    installation: Installation, name: str, since: str | None = None, *, dry_run: bool = False
) -> ReplayResult:
    """Sends every stored event after ``since`` again, even from before the endpoint was added;
    without ``since``, only waiting ones. Enables a disabled endpoint.
    """
    now = installation.clock()
    number = host_events.number_of(since) if since is not None else None
    with transaction(installation.pool) as tx:
        endpoint = _lock_pushed(tx, name)
        while not dry_run and host_events.give_numbers(tx):
            pass
        params = {"endpoint": endpoint, "number": number, "at": now}
        if dry_run:
            counted = tx.execute(_WOULD_REPLAY, params).fetchone()
            return ReplayResult(endpoint=name, events=counted[0] if counted else 0)
        tx.execute(
            """UPDATE endpoints SET (disabled_at, disabled_because, failing_since) = (NULL, NULL,
                NULL)
                WHERE endpoint_id = %s""",
            [endpoint],
        )
        count = tx.execute(_REPLAY if number is not None else _RETRY_WAITING, params).rowcount
    return ReplayResult(endpoint=name, events=count)


_WOULD_REPLAY = """
    SELECT count(*) FROM events e JOIN endpoints p ON p.endpoint_id = %(endpoint)s
      AND e.kind = ANY(p.kinds)
      LEFT JOIN deliveries d ON (d.account_id, d.event_id, d.endpoint_id) = (e.account_id,
        e.event_id, p.endpoint_id)
     WHERE CASE WHEN %(number)s::bigint IS NULL THEN d.next_at IS NOT NULL
       AND d.delivered_at IS NULL
                ELSE coalesce(e.number > %(number)s, TRUE) END"""
_RETRY_WAITING = """
    UPDATE deliveries SET (attempts, next_at) = (0, %(at)s)
     WHERE endpoint_id = %(endpoint)s AND delivered_at IS NULL AND next_at IS NOT NULL"""
_REPLAY = """
    INSERT INTO deliveries AS d (account_id, event_id, endpoint_id, row_no, next_at, acknowledge_by)
    SELECT e.account_id, e.event_id, p.endpoint_id, e.row_no, %(at)s, e.acknowledge_by
      FROM events e JOIN endpoints p ON p.endpoint_id = %(endpoint)s AND e.kind = ANY(p.kinds)
     WHERE e.number > %(number)s
    ON CONFLICT (account_id, event_id, endpoint_id)
    DO UPDATE SET (attempts, next_at, delivered_at) = (0, %(at)s, NULL)"""


# Secrets


def public_key(keyring: Keyring, tx: Transaction, endpoint: UUID) -> str:
    """Returns the public half of the endpoint's signing key, as `whpk_`."""
    raw = _signing_key(keyring, tx, endpoint).public_key().public_bytes_raw()
    return "whpk_" + base64.b64encode(raw).decode()


class Signing:
    """The secrets of one endpoint, unwrapped for a round."""

    def __init__(self, keyring: Keyring, tx: Transaction, endpoint: UUID, now: datetime) -> None:
        names = tx.execute(
            """SELECT secret FROM endpoint_secrets WHERE endpoint_id = %s
                AND (ends_at IS NULL OR ends_at > %s)
                ORDER BY made_at DESC, secret DESC""",
            [endpoint, now],
        ).fetchall()
        self._secrets = [keyring.endpoint_secret(tx, row[0]) for row in names]
        self._key = _signing_key(keyring, tx, endpoint)

    def headers(self, message: str, now: datetime, body: bytes) -> dict[str, str]:
        """Returns the three signature headers of an attempt at ``now``."""
        seconds = str(int(now.timestamp()))
        signed = f"{message}.{seconds}.".encode() + body
        marks = [
            "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
            for secret in self._secrets
        ]
        marks.append("v1a," + base64.b64encode(self._key.sign(signed)).decode())
        return {
            "webhook-id": message,
            "webhook-timestamp": seconds,
            "webhook-signature": " ".join(marks),
        }


def drop_ended_secrets(tx: Transaction, now: datetime) -> None:
    """Deletes the replaced secrets whose overlap has ended."""
    ended = tx.execute("SELECT secret FROM endpoint_secrets WHERE ends_at <= %s", [now]).fetchall()
    chain.forget_secrets(tx, [row[0] for row in ended])


def _prefix(endpoint: UUID) -> str:
    return f"endpoint/{endpoint.hex}/"


def _signing_key(keyring: Keyring, tx: Transaction, endpoint: UUID) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(
        keyring.endpoint_secret(tx, _prefix(endpoint) + "signs")
    )


def _new_secret(installation: Installation, tx: Transaction, endpoint: UUID, now: datetime) -> str:
    name = _prefix(endpoint) + uuid7(now, installation.keyring.random(10)).hex
    secret = installation.keyring.endpoint_secret(tx, name)
    tx.execute(
        "INSERT INTO endpoint_secrets (endpoint_id, secret, made_at) VALUES (%s, %s, %s)",
        [endpoint, name, now],
    )
    return "whsec_" + base64.b64encode(secret).decode()


def _lock_endpoint(tx: Transaction, name: str) -> tuple[UUID, str | None]:
    row = tx.execute(
        "SELECT endpoint_id, url FROM endpoints WHERE name = %s AND removed_at IS NULL FOR "
        "NO KEY UPDATE",
        [name],
    ).fetchone()
    if row is None:
        raise _unknown_error(name)
    return row[0], row[1]


def _unknown_error(name: str) -> NotFoundError:
    return NotFoundError(f"no endpoint `{name}`", "`licet webhooks list` shows them")


def id_of(tx: Transaction, name: str) -> UUID:
    """Returns the id of the endpoint with that name; NotFoundError if there is none."""
    return _lock_endpoint(tx, name)[0]


def _lock_pushed(tx: Transaction, name: str) -> UUID:
    endpoint, url = _lock_endpoint(tx, name)
    if url is None:
        raise RefusedError(
            f"the endpoint `{name}` polls the event feed",
            "it has no secret, and no messages are sent to it",
            because="no_url",
        )
    return endpoint

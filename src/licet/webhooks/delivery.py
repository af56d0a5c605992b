"""Delivery of events to endpoints: at least once, those of one account in order, by one deliverer per installation.

Promise: a message is sent until an endpoint answers 2xx; the next event of the same account waits for that, and no
other account does. A message is signed and has the same id and body each time. A deliverer that is killed has sent at
most one message more than it has recorded: the next one begins with what has no answer in the database.

A failed message is retried after the delays of Standard Webhooks 1.0.0, each extended by a random share of up to a
fifth, then daily; `Retry-After` may ask for longer. An endpoint that accepted nothing for `DEAD_DAYS`, or that answers
410, is disabled and reported; its events wait, and `licet webhooks replay` resumes them.

A round sends for at most `ROUND_SECONDS` and the timeout of requests in progress, so that one slow endpoint delays the
others no longer than that. Nothing is sent while the fence stands (`licet.keys.fence`).
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import psycopg

from licet.errors import BusyError, LicetError, RefusedError, UsageError
from licet.keys import fence
from licet.store.connect import Transaction, transaction, translated
from licet.vault import host_events
from licet.vault.installation import Installation
from licet.webhooks.endpoints import Signing, drop_ended_secrets
from licet.webhooks.outbound_http import HttpReply, Poster, Resolve, resolve

DELIVERER_LOCK = 0x11CE7_000C
DELAYS_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
DEAD_DAYS = 5
KEPT_DAYS = 90
ACCOUNTS_MAX = 256  # of one endpoint in a round
EVENTS_MAX = 100  # of one account in a round
WINDOW_ROWS = 4_096
TURN = timedelta(seconds=1)  # after which an account that filled the window is served again
ROUND_SECONDS = 5.0
THREADS_MAX = 8
PRUNED_MAX = 5_000
PRUNE_EVERY = timedelta(hours=1)
WAIT_SECONDS = 0.5
RETRY_SECONDS = 5.0


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a round: messages that were accepted, and those that were not, by reason."""

    delivered: int = 0
    failed: dict[str, int] = {}
    disabled: tuple[str, ...] = ()

    @property
    def is_idle(self) -> bool:
        return not self.delivered and not self.failed


class _Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    endpoint: UUID
    name: str
    url: str
    signing: Signing


class _Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The next message of an account to an endpoint."""

    account: UUID
    event: UUID
    attempts: int
    message: host_events.HostEvent


_Chain = tuple[_Endpoint, UUID, bool]


class Deliverer:
    """Sends what is due, round by round. Created by `delivering`, which holds the lock."""

    def __init__(self, here: Installation, conn: Transaction, resolved: Resolve = resolve) -> None:
        """``conn`` holds the lock: a round begins only while the connection exists."""
        self._here, self._conn, self._resolved = here, conn, resolved
        file = here.config.webhooks.ca_file
        try:
            self._ca = ssl.create_default_context(cafile=file) if file is not None else None
        except (OSError, ssl.SSLError):
            raise UsageError(f"`{file}` contains no CA certificates", "see LICET_WEBHOOKS__CA_FILE") from None
        self._posters: dict[tuple[UUID, str], Poster] = {}
        self._pruned_at: datetime | None = None
        self._disabled: list[str] = []

    def run_once(self, stop: Callable[[], bool] = lambda: False) -> Round:
        """Sends what is due now, for each account from its first event on; another round may find more."""
        at = self._here.clock()
        self._conn.execute("SELECT")
        self._conn.commit()
        with transaction(self._here.pool) as tx:
            fence.check(tx)
            while host_events.give_numbers(tx):
                pass
            self._prune(tx, at)
            targets = [(endpoint, *_due(tx, endpoint.endpoint, at)) for endpoint in self._live(tx, at)]
        until = time.monotonic() + ROUND_SECONDS
        said: Counter[str] = Counter()
        self._disabled = []
        chains = [(endpoint, account, crowded) for endpoint, accounts, crowded in targets for account in accounts]
        if chains:
            with ThreadPoolExecutor(THREADS_MAX, "licet-webhooks") as pool:

                def send(chain: _Chain) -> Counter[str]:
                    return self._send_in_order(*chain, lambda: stop() or time.monotonic() >= until)

                for counted in pool.map(send, _interleaved(chains)):
                    said += counted
        delivered = said.pop("delivered", 0)
        return Round(delivered=delivered, failed=dict(said), disabled=tuple(sorted(self._disabled)))

    def close(self) -> None:
        for poster in self._posters.values():
            poster.close()
        self._posters = {}

    def _live(self, tx: Transaction, at: datetime) -> list[_Endpoint]:
        rows = tx.execute(
            """SELECT endpoint_id, name, url FROM endpoints
                WHERE url IS NOT NULL AND removed_at IS NULL AND disabled_at IS NULL ORDER BY endpoint_id"""
        ).fetchall()
        for row in rows:
            if (row[0], row[2]) not in self._posters:
                self._posters[row[0], row[2]] = Poster(self._here.config.webhooks.inside, self._ca, self._resolved)
        return [
            _Endpoint(endpoint=row[0], name=row[1], url=row[2], signing=Signing(self._here.keyring, tx, row[0], at))
            for row in rows
        ]

    def _send_in_order(self, to: _Endpoint, account: UUID, is_crowded: bool, ended: Callable[[], bool]) -> Counter[str]:
        """Sends an account's events one after another, until one fails or none is due, or other accounts must be
        served.
        """
        said: Counter[str] = Counter()
        with transaction(self._here.pool) as tx:
            waiting = _next(tx, to.endpoint, account, self._here.clock())
        for _ in range(EVENTS_MAX):
            if waiting is None or ended():
                break
            answer = self._send(to, waiting)
            said["delivered" if answer.is_success else answer.said] += 1
            with transaction(self._here.pool) as tx, tx.pipeline():
                # What a crash loses of this is sent again, so it need not wait for the disk.
                tx.execute("SET LOCAL synchronous_commit TO off")
                self._record(tx, to, waiting, answer)
                waiting = _next(tx, to.endpoint, account, self._here.clock()) if answer.is_success else None
        if is_crowded and waiting is not None:
            with transaction(self._here.pool) as tx:
                at = self._here.clock() + TURN
                tx.execute(_HOLD_BACK, {"endpoint": to.endpoint, "account": account, "next": at})
        return said

    def _send(self, to: _Endpoint, waiting: _Waiting) -> HttpReply:
        body = msgspec.json.encode(waiting.message)
        headers = {"content-type": "application/json", "user-agent": "licet-webhooks/1"}
        headers |= to.signing.headers(waiting.message.id, self._here.clock(), body)
        return self._posters[to.endpoint, to.url].post(to.url, body, headers)

    def _record(self, tx: Transaction, to: _Endpoint, waiting: _Waiting, answer: HttpReply) -> None:
        at = self._here.clock()
        params = {
            "endpoint": to.endpoint, "account": waiting.account, "event": waiting.event, "at": at, "said": answer.said,
            "next": at + self._delay(waiting.attempts, answer),
        }  # fmt: skip
        if answer.is_success:
            tx.execute(_DELIVERED, params)
            if waiting.attempts:
                tx.execute(_FREE, params)
            tx.execute(
                "UPDATE endpoints SET failing_since = NULL WHERE endpoint_id = %s AND failing_since IS NOT NULL",
                [to.endpoint],
            )
            return
        tx.execute(_FAILED, params)
        tx.execute(_HOLD_BACK, params)
        disabled = tx.execute(
            _FAILING, {**params, "gone": answer.status == 410, "dead": at - timedelta(days=DEAD_DAYS)}
        ).fetchone()
        if disabled is not None and disabled[0]:
            self._disabled.append(to.name)

    def _delay(self, attempts: int, answer: HttpReply) -> timedelta:
        """The delay before the next attempt, after ``attempts`` earlier ones."""
        seconds = DELAYS_SECONDS[min(attempts, len(DELAYS_SECONDS) - 1)]
        share = int.from_bytes(self._here.keyring.random(2), "big") / 2**16
        return timedelta(seconds=max(seconds * (1 + share / 5), answer.retry_after_seconds))

    def _prune(self, tx: Transaction, at: datetime) -> None:
        if self._pruned_at is not None and at - self._pruned_at < PRUNE_EVERY:
            return
        drop_ended_secrets(tx, at)
        if host_events.prune(tx, at - timedelta(days=KEPT_DAYS), PRUNED_MAX) < PRUNED_MAX:
            self._pruned_at = at


_DELIVERED = """
    UPDATE deliveries SET (attempts, answer, delivered_at) = (attempts + 1, %(said)s, %(at)s)
     WHERE account_id = %(account)s AND event_id = %(event)s AND endpoint_id = %(endpoint)s"""
_FAILED = """
    UPDATE deliveries SET (attempts, answer) = (attempts + 1, %(said)s)
     WHERE account_id = %(account)s AND event_id = %(event)s AND endpoint_id = %(endpoint)s"""
_BEHIND = """
    WHERE endpoint_id = %(endpoint)s AND account_id = %(account)s AND delivered_at IS NULL AND next_at IS NOT NULL"""
# Events behind a failed one wait as long, so that the search for due events does not pass over them each time.
_HOLD_BACK = f"UPDATE deliveries SET next_at = %(next)s {_BEHIND}"
_FREE = f"UPDATE deliveries SET next_at = %(at)s {_BEHIND} AND next_at > %(at)s"
_FAILING = """
    UPDATE endpoints SET failing_since = coalesce(failing_since, %(at)s),
           disabled_at = CASE WHEN %(gone)s OR failing_since <= %(dead)s THEN %(at)s END,
           disabled_because = CASE WHEN %(gone)s THEN 'gone' WHEN failing_since <= %(dead)s THEN 'failing' END
     WHERE endpoint_id = %(endpoint)s AND disabled_at IS NULL AND removed_at IS NULL
    RETURNING disabled_at IS NOT NULL"""


def _due(tx: Transaction, endpoint: UUID, at: datetime) -> tuple[list[UUID], bool]:
    """The accounts whose first waiting event is due, the longest waiting first; and whether more is due than was seen.

    Only the first `WINDOW_ROWS` due events are examined, with one query per account among them. Events that arrived
    behind a delayed one, after it was delayed, are delayed with it here, so that they do not fill the window.
    """
    params = {"endpoint": endpoint, "at": at, "rows": WINDOW_ROWS, "limit": ACCOUNTS_MAX}
    rows = tx.execute(_WINDOW, params).fetchall()
    held = [row for row in rows if row[1] > at]
    if held:
        tx.execute(_HOLD_BACK_TOO, {**params, "account": [r[0] for r in held], "next": [r[1] for r in held]})
    is_crowded = sum(row[2] for row in rows) >= WINDOW_ROWS
    return [row[0] for row in rows if row[1] <= at][:ACCOUNTS_MAX], is_crowded


# The inner query has an order and a limit of its own, so that its index is used whatever the statistics say: as a
# join, on tables without any, it read every waiting row for each (4 s where 3,000 waited).
_WINDOW = """
    SELECT w.account_id,
           (SELECT b.next_at FROM deliveries b
             WHERE b.endpoint_id = %(endpoint)s AND b.account_id = w.account_id AND b.delivered_at IS NULL
               AND b.next_at IS NOT NULL ORDER BY b.endpoint_id, b.account_id, b.row_no LIMIT 1),
           w.count
      FROM (SELECT account_id, count(*), min(place) AS place
              FROM (SELECT account_id, row_number() OVER (ORDER BY next_at, row_no) AS place
                      FROM (SELECT account_id, next_at, row_no FROM deliveries
                             WHERE endpoint_id = %(endpoint)s AND delivered_at IS NULL AND next_at <= %(at)s
                             ORDER BY next_at LIMIT %(rows)s) d) n
             GROUP BY account_id) w
     ORDER BY w.place"""
_HOLD_BACK_TOO = """
    UPDATE deliveries d SET next_at = k.next_at
      FROM unnest(%(account)b::uuid[], %(next)b::timestamptz[]) AS k(account_id, next_at)
     WHERE d.endpoint_id = %(endpoint)s AND d.account_id = k.account_id AND d.delivered_at IS NULL
       AND d.next_at < k.next_at"""


def _next(tx: Transaction, endpoint: UUID, account: UUID, at: datetime) -> _Waiting | None:
    """The account's first event that the endpoint has not accepted, if it is due."""
    row = tx.execute(
        f"""SELECT {host_events.COLUMNS}, d.attempts, d.next_at FROM deliveries d JOIN events e USING (account_id, event_id)
              JOIN endpoints p USING (endpoint_id)
             WHERE d.endpoint_id = %(endpoint)s AND d.account_id = %(account)s AND d.delivered_at IS NULL
               AND d.next_at IS NOT NULL AND p.disabled_at IS NULL AND p.removed_at IS NULL
             ORDER BY d.row_no LIMIT 1""",
        {"endpoint": endpoint, "account": account},
    ).fetchone()
    if row is None or row[2] is None or row[-1] > at:  # committed a moment ago: it gets its number in the next round
        return None
    return _Waiting(account=account, event=row[1], attempts=row[-2], message=host_events.read(row[:-2]))


def _interleaved(chains: list[_Chain]) -> list[_Chain]:
    """The chains with the endpoints in turn, so that none waits for all of another's."""
    place: Counter[UUID] = Counter()
    keyed = []
    for chain in chains:
        place[chain[0].endpoint] += 1
        keyed.append((place[chain[0].endpoint], chain))
    return [chain for _, chain in sorted(keyed, key=lambda one: one[0])]


@contextlib.contextmanager
def delivering(here: Installation, resolved: Resolve = resolve) -> Iterator[Deliverer]:
    """The only deliverer of an installation; BusyError if another one runs."""
    with translated(), here.pool.connection() as conn:
        deliverer = Deliverer(here, conn, resolved)
        locked = conn.execute("SELECT pg_try_advisory_lock(%s)", [DELIVERER_LOCK]).fetchone()
        conn.commit()
        if locked != (True,):
            raise BusyError("another deliverer is running", "one is enough: leave it running")
        try:
            yield deliverer
        finally:
            deliverer.close()
            with contextlib.suppress(psycopg.Error):  # a broken connection has released its lock
                conn.rollback()
                conn.execute("SELECT pg_advisory_unlock(%s)", [DELIVERER_LOCK])
                conn.commit()


def deliver_due(here: Installation) -> Round:
    """Sends all that is due now; failed messages are retried at their time."""
    total = Round()
    with delivering(here) as deliverer:
        while not (done := deliverer.run_once()).is_idle:
            total = Round(
                delivered=total.delivered + done.delivered, failed=dict(Counter(total.failed) + Counter(done.failed)),
                disabled=(*total.disabled, *done.disabled),
            )  # fmt: skip
    return total


def follow(
    here: Installation, stop: threading.Event, seen: Callable[[Round], object] = lambda _: None,
    noted: Callable[[LicetError], object] = lambda _: None,
) -> None:  # fmt: skip
    """Sends events as they occur until ``stop``; waits while another deliverer runs, and logs errors."""
    while not stop.is_set():
        try:
            with delivering(here) as deliverer:
                while not stop.is_set():
                    done = deliverer.run_once(stop.is_set)
                    if done.is_idle:
                        stop.wait(WAIT_SECONDS)
                    else:
                        seen(done)
        except BusyError:
            stop.wait(RETRY_SECONDS)
        except LicetError as error:
            # The fence, or a secret that cannot be opened: somebody must look at it, and events wait until then.
            noted(error)
            stop.wait(RETRY_SECONDS if isinstance(error, RefusedError) else 12 * RETRY_SECONDS)

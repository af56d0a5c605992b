"""Delivery of events to endpoints: at least once, those of one account in order, by one deliverer
per installation.

Promise: a message is retried until its endpoint answers 2xx; later events of the same account wait,
other accounts do not. Every attempt is signed and has the same id and body. A killed deliverer
leaves at most `UNRECORDED_MAX` sent messages unrecorded; the next one sends them again with the
same ids.

A round reads due messages with one statement per endpoint, sends those of several accounts
concurrently and those of one account in order, and records outcomes in batches: a transaction per
message cost twice as much as sending it (bench/events.py). Messages are signed in batches just
before they are sent: signatures between requests take nearly twice as long.

A failed message is retried after the delays of Standard Webhooks 1.0.0, each extended by a random
share of up to a fifth, then daily; `Retry-After` may ask for longer. An endpoint that accepted
nothing for `DEAD_DAYS`, or that answers 410, is disabled and reported; its events wait until `licet
webhooks resume`.

A round ends after `ROUND_SECONDS` and the timeout of requests in progress, which bounds the delay
that a slow endpoint causes for others. Nothing is sent while the fence is up (`licet.keys.fence`).
"""

from __future__ import annotations

import contextlib
import itertools
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from queue import Empty, Queue
from typing import NamedTuple
from uuid import UUID

import msgspec
import psycopg

from licet.clock import Clock
from licet.errors import BusyError, LicetError, RefusedError, UsageError
from licet.keys import fence
from licet.store.circuit import CallWatch
from licet.store.connect import Transaction, transaction, translate_errors
from licet.vault import host_events
from licet.vault.installation import Installation
from licet.webhooks.endpoints import Signing, drop_ended_secrets
from licet.webhooks.outbound_http import HttpReply, Poster, Resolve, resolve

DELIVERER_LOCK = 0x11CE7_000C
DELAYS_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
DEAD_DAYS = 5
KEPT_DAYS = 90
ACCOUNTS_MAX = 1_024  # of one endpoint in a round
EVENTS_MAX = 100  # of one account in a round
ROUND_ROWS_MAX = 4_096  # of all endpoints in a round, if each has `ENDPOINT_ROWS_MIN`
ENDPOINT_ROWS_MIN = 256
WINDOW_ROWS = 4_096
TURN = timedelta(seconds=1)  # after which an account that filled the window is served again
ROUND_SECONDS = 5.0
THREADS_MAX = 8
SIGNED_MIN = 128  # messages signed in a row
RECORDED_MAX = 64  # outcomes recorded by one transaction
RECORD_SECONDS = 0.1  # a transaction's wait for more outcomes
UNRECORDED_MAX = 2 * RECORDED_MAX + THREADS_MAX
PRUNED_MAX = 5_000
PRUNE_EVERY = timedelta(hours=1)
WAIT_SECONDS = 0.5
RETRY_SECONDS = 5.0


class DeliveryRound(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a round: accepted messages, and failures by reason."""

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
    """A message that its endpoint has not accepted yet."""

    account: UUID
    event: UUID
    attempts: int
    message: host_events.HostEvent


class _Chain(msgspec.Struct, frozen=True, kw_only=True):
    """The messages of one account to one endpoint, in order. ``is_cut``: the account has more due
    messages than its share of a round.
    """

    to: _Endpoint
    messages: tuple[_Waiting, ...]
    is_cut: bool


class _Request(NamedTuple):
    """A message as it is posted."""

    waiting: _Waiting
    body: bytes
    headers: dict[str, str]


class _Outgoing:
    """A thread-safe queue of a round's chains, each with its signed requests."""

    def __init__(self, chains: list[_Chain], clock: Clock, silent: Collection[UUID]) -> None:
        """``silent``: endpoints whose remaining chains are skipped."""
        self._waiting, self._clock, self._silent = deque(chains), clock, silent
        self._signed = deque[tuple[_Chain, list[_Request]]]()
        self._lock = threading.Lock()

    def take(self) -> tuple[_Chain, list[_Request]] | None:
        """Takes the next chain and its requests; None after the last one."""
        with self._lock:
            if not self._signed:
                self._sign()
            return self._signed.popleft() if self._signed else None

    def _sign(self) -> None:
        count = 0
        while self._waiting and count < SIGNED_MIN:
            chain = self._waiting.popleft()
            if chain.to.endpoint not in self._silent:
                self._signed.append(
                    (chain, [self._request(chain.to, waiting) for waiting in chain.messages])
                )
                count += len(chain.messages)

    def _request(self, to: _Endpoint, waiting: _Waiting) -> _Request:
        body = msgspec.json.encode(waiting.message)
        headers = {"content-type": "application/json", "user-agent": "licet-webhooks/1"}
        headers |= to.signing.headers(waiting.message.id, self._clock(), body)
        return _Request(waiting, body, headers)


class _Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one attempt."""

    to: _Endpoint
    waiting: _Waiting
    answer: HttpReply
    at: datetime


class Deliverer:
    """Sends due messages, round by round. Created by `sole_deliverer`, which holds the lock."""

    def __init__(
        self,
        installation: Installation,
        conn: Transaction,
        resolved: Resolve = resolve,
        watch: CallWatch | None = None,
    ) -> None:
        """``conn`` holds the lock: a round begins only while it is connected."""
        self._installation, self._conn, self._resolved = installation, conn, resolved
        self._watch = watch or CallWatch()
        file = installation.config.webhooks.ca_file
        try:
            self._ca = ssl.create_default_context(cafile=file) if file is not None else None
        except (OSError, ssl.SSLError):
            raise UsageError(
                f"`{file}` contains no CA certificates", "see LICET_WEBHOOKS__CA_FILE"
            ) from None
        self._posters: dict[tuple[UUID, str], Poster] = {}
        self._pruned_at: datetime | None = None
        self._disabled: list[str] = []
        self._silent: set[UUID] = set()  # endpoints to skip for the rest of the round
        self._cut: list[_Chain] = []  # sent chains of accounts with more messages

    def run_once(self, stop: Callable[[], bool] = lambda: False) -> DeliveryRound:
        """Sends due messages, each account's in order; another round may find more."""
        now = self._installation.clock()
        self._conn.execute("SELECT")
        self._conn.commit()
        with transaction(self._installation.pool) as tx:
            fence.check(tx)
            while host_events.give_numbers(tx):
                pass
            self._prune(tx, now)
            chains = self._chains(tx, now)
        until = time.monotonic() + ROUND_SECONDS
        self._disabled, self._silent, self._cut = [], set(), []
        outcomes = (
            self._send_all(chains, lambda: stop() or time.monotonic() >= until)
            if chains
            else Counter[str]()
        )
        self._hold_back_cut()
        delivered = outcomes.pop("delivered", 0)
        return DeliveryRound(
            delivered=delivered, failed=dict(outcomes), disabled=tuple(sorted(self._disabled))
        )

    def close(self) -> None:
        for poster in self._posters.values():
            poster.close()
        self._posters = {}

    def _live(self, tx: Transaction, now: datetime) -> list[_Endpoint]:
        rows = tx.execute(
            """SELECT endpoint_id, name, url FROM endpoints
                WHERE url IS NOT NULL AND removed_at IS NULL AND disabled_at IS NULL
                  ORDER BY endpoint_id"""
        ).fetchall()
        for row in rows:
            if (row[0], row[2]) not in self._posters:
                self._posters[row[0], row[2]] = Poster(
                    self._installation.config.webhooks.inside, self._ca, self._resolved
                )
        return [
            _Endpoint(
                endpoint=row[0],
                name=row[1],
                url=row[2],
                signing=Signing(self._installation.keyring, tx, row[0], now),
            )
            for row in rows
        ]

    def _chains(self, tx: Transaction, now: datetime) -> list[_Chain]:
        """Returns the due chains, interleaved by endpoint."""
        live = self._live(tx, now)
        rows = max(ROUND_ROWS_MAX // max(len(live), 1), ENDPOINT_ROWS_MIN)
        each = [_due_chains(tx, endpoint, now, rows) for endpoint in live]
        return [
            chain
            for chains in itertools.zip_longest(*each)
            for chain in chains
            if chain is not None
        ]

    def _send_all(self, chains: list[_Chain], ended: Callable[[], bool]) -> Counter[str]:
        """Sends the chains in several threads, and records their outcomes in this thread."""
        outgoing = _Outgoing(chains, self._installation.clock, self._silent)
        sent = Queue[_Sent | None](RECORDED_MAX)
        is_halted = threading.Event()
        answers: Counter[str] = Counter()
        with ThreadPoolExecutor(THREADS_MAX, "licet-webhooks") as pool:

            def work() -> None:
                try:
                    while (
                        not (is_halted.is_set() or ended())
                        and (taken := outgoing.take()) is not None
                    ):
                        self._send_in_order(*taken, sent, lambda: is_halted.is_set() or ended())
                finally:
                    sent.put(None)

            working = [pool.submit(work) for _ in range(THREADS_MAX)]
            left = THREADS_MAX
            try:
                while left:
                    outcomes, ends = _next_outcomes(sent)
                    left -= ends
                    answers.update(
                        "delivered" if outcome.answer.is_success else outcome.answer.outcome
                        for outcome in outcomes
                    )
                    self._record(outcomes)
            finally:  # if recording failed, the threads must not wait for this one
                is_halted.set()
                while left:
                    left -= sent.get() is None
        for future in working:
            future.result()
        return answers

    def _send_in_order(
        self,
        chain: _Chain,
        requests: list[_Request],
        sent: Queue[_Sent | None],
        ended: Callable[[], bool],
    ) -> None:
        """Sends an account's messages in order until one fails or the round ends."""
        to = chain.to
        for waiting, body, headers in requests:
            if to.endpoint in self._silent or ended():
                return
            with self._watch.calling("endpoint", to.endpoint) as answered:
                answer = self._posters[to.endpoint, to.url].post(to.url, body, headers)
                if answer.status:
                    answered()
            if answer.status == 410:
                self._silent.add(to.endpoint)
            sent.put(_Sent(to=to, waiting=waiting, answer=answer, at=self._installation.clock()))
            if not answer.is_success:
                return
        if chain.is_cut:
            self._cut.append(chain)

    def _hold_back_cut(self) -> None:
        """Delays accounts with more than their share of a round by `TURN`, so that others go
        first.
        """
        if not self._cut:
            return
        at = self._installation.clock() + TURN
        with transaction(self._installation.pool) as tx:
            for endpoint in {chain.to.endpoint for chain in self._cut}:
                accounts = [
                    chain.messages[0].account
                    for chain in self._cut
                    if chain.to.endpoint == endpoint
                ]
                tx.execute(
                    _HOLD_BACK_ACCOUNTS,
                    {"endpoint": endpoint, "account": accounts, "next": [at] * len(accounts)},
                )

    def _record(self, outcomes: list[_Sent]) -> None:
        """Records ``outcomes`` in one transaction: accepted messages, then failures.

        A failure is its account's last outcome, because nothing was sent after it.
        """
        if not outcomes:
            return
        taken = [outcome for outcome in outcomes if outcome.answer.is_success]
        with transaction(self._installation.pool) as tx, tx.pipeline():
            # Outcomes lost in a crash are only sent again, so there is no need to wait for the
            # disk.
            tx.execute("SET LOCAL synchronous_commit TO off")
            if taken:
                self._record_taken(tx, taken)
            for outcome in outcomes:
                if not outcome.answer.is_success:
                    self._record_failed(tx, outcome)
            ended = tx.execute(
                "SELECT endpoint_id FROM endpoints WHERE disabled_at IS NOT NULL OR "
                "removed_at IS NOT NULL"
            )
            self._silent.update(row[0] for row in ended)

    def _record_taken(self, tx: Transaction, delivered: list[_Sent]) -> None:
        endpoints = list({sent.to.endpoint for sent in delivered})
        tx.execute(
            _DELIVERED,
            {
                "account": [sent.waiting.account for sent in delivered],
                "event": [sent.waiting.event for sent in delivered],
                "endpoint": [sent.to.endpoint for sent in delivered],
                "said": [sent.answer.outcome for sent in delivered],
                "at": [sent.at for sent in delivered],
            },
        )
        tx.execute(
            "UPDATE endpoints SET failing_since = NULL WHERE endpoint_id = ANY(%s) AND "
            "failing_since IS NOT NULL",
            [endpoints],
        )

    def _record_failed(self, tx: Transaction, attempt: _Sent) -> None:
        params = {
            "endpoint": attempt.to.endpoint,
            "account": attempt.waiting.account,
            "event": attempt.waiting.event,
            "at": attempt.at,
            "said": attempt.answer.outcome,
            "next": attempt.at + self._delay(attempt.waiting.attempts, attempt.answer),
        }
        tx.execute(_FAILED, params)
        tx.execute(_HOLD_BACK, params)
        disabled = tx.execute(
            _FAILING,
            {
                **params,
                "gone": attempt.answer.status == 410,
                "dead": attempt.at - timedelta(days=DEAD_DAYS),
            },
        ).fetchone()
        if disabled is not None and disabled[0]:
            self._disabled.append(attempt.to.name)

    def _delay(self, attempts: int, answer: HttpReply) -> timedelta:
        """Returns the delay before the next attempt, after ``attempts`` earlier ones."""
        seconds = DELAYS_SECONDS[min(attempts, len(DELAYS_SECONDS) - 1)]
        share = int.from_bytes(self._installation.keyring.random(2), "big") / 2**16
        return timedelta(seconds=max(seconds * (1 + share / 5), answer.retry_after_seconds))

    def _prune(self, tx: Transaction, now: datetime) -> None:
        if self._pruned_at is not None and now - self._pruned_at < PRUNE_EVERY:
            return
        drop_ended_secrets(tx, now)
        if host_events.prune(tx, now - timedelta(days=KEPT_DAYS), PRUNED_MAX) < PRUNED_MAX:
            self._pruned_at = now


_DELIVERED = """
    UPDATE deliveries d SET (attempts, answer, delivered_at) = (d.attempts + 1, k.said, k.at)
      FROM unnest(%(account)b::uuid[], %(event)b::uuid[], %(endpoint)b::uuid[], %(said)b::text[],
        %(at)b::timestamptz[])
           AS k(account_id, event_id, endpoint_id, said, at)
     WHERE d.account_id = k.account_id AND d.event_id = k.event_id
       AND d.endpoint_id = k.endpoint_id"""
_FAILED = """
    UPDATE deliveries SET (attempts, answer) = (attempts + 1, %(said)s)
     WHERE account_id = %(account)s AND event_id = %(event)s AND endpoint_id = %(endpoint)s"""
# Events behind a failed one get its time, so that the search for due events need not skip them.
_HOLD_BACK = """
    UPDATE deliveries SET next_at = %(next)s
     WHERE endpoint_id = %(endpoint)s AND account_id = %(account)s AND delivered_at IS NULL
       AND next_at IS NOT NULL"""
_FAILING = """
    UPDATE endpoints SET failing_since = coalesce(failing_since, %(at)s),
           disabled_at = CASE WHEN %(gone)s OR failing_since <= %(dead)s THEN %(at)s END,
           disabled_because = CASE WHEN %(gone)s THEN 'gone' WHEN failing_since <= %(dead)s
             THEN 'failing' END
     WHERE endpoint_id = %(endpoint)s AND disabled_at IS NULL AND removed_at IS NULL
    RETURNING disabled_at IS NOT NULL"""


def _next_outcomes(sent: Queue[_Sent | None]) -> tuple[list[_Sent], int]:
    """Collects outcomes, at most `RECORDED_MAX` or for `RECORD_SECONDS`; returns them and the
    number of threads that ended.
    """
    first = sent.get()
    outcomes, ends = ([first], 0) if first is not None else ([], 1)
    until = time.monotonic() + RECORD_SECONDS
    while len(outcomes) < RECORDED_MAX:
        try:
            outcome = sent.get(timeout=max(until - time.monotonic(), 0))
        except Empty:
            break
        if outcome is None:
            ends += 1
        else:
            outcomes.append(outcome)
    return outcomes, ends


def _due_accounts(tx: Transaction, endpoint: UUID, now: datetime) -> tuple[list[UUID], bool]:
    """Returns the accounts whose first waiting event is due, the longest waiting first, and whether
    the window was full.

    Examines only the first `WINDOW_ROWS` due events. Newer events behind a delayed one are delayed
    with it here, so that they do not fill the window.
    """
    params = {"endpoint": endpoint, "at": now, "rows": WINDOW_ROWS, "limit": ACCOUNTS_MAX}
    rows = tx.execute(_WINDOW, params).fetchall()
    held = [row for row in rows if row[1] > now]
    if held:
        tx.execute(
            _HOLD_BACK_ACCOUNTS,
            {**params, "account": [r[0] for r in held], "next": [r[1] for r in held]},
        )
    is_crowded = sum(row[2] for row in rows) >= WINDOW_ROWS
    return [row[0] for row in rows if row[1] <= now][:ACCOUNTS_MAX], is_crowded


# The inner query has its own order and limit, so that its index is used whatever the statistics: as
# a join without statistics it read all waiting rows for each row (4 s for 3,000).
_WINDOW = """
    SELECT w.account_id,
           (SELECT b.next_at FROM deliveries b
             WHERE b.endpoint_id = %(endpoint)s AND b.account_id = w.account_id
               AND b.delivered_at IS NULL
               AND b.next_at IS NOT NULL ORDER BY b.endpoint_id, b.account_id, b.row_no LIMIT 1),
           w.count
      FROM (SELECT account_id, count(*), min(place) AS place
              FROM (SELECT account_id, row_number() OVER (ORDER BY next_at, row_no) AS place
                      FROM (SELECT account_id, next_at, row_no FROM deliveries
                             WHERE endpoint_id = %(endpoint)s AND delivered_at IS NULL
                               AND next_at <= %(at)s
                             ORDER BY next_at LIMIT %(rows)s) d) n
             GROUP BY account_id) w
     ORDER BY w.place"""
_HOLD_BACK_ACCOUNTS = """
    UPDATE deliveries d SET next_at = k.next_at
      FROM unnest(%(account)b::uuid[], %(next)b::timestamptz[]) AS k(account_id, next_at)
     WHERE d.endpoint_id = %(endpoint)s AND d.account_id = k.account_id AND d.delivered_at IS NULL
       AND d.next_at < k.next_at"""


def _due_chains(tx: Transaction, to: _Endpoint, now: datetime, rows: int) -> list[_Chain]:
    """Returns the due messages of an endpoint by account, at most ``rows``."""
    accounts, is_crowded = _due_accounts(tx, to.endpoint, now)
    params = {"endpoint": to.endpoint, "account": accounts, "events": EVENTS_MAX, "rows": rows}
    found = tx.execute(_MESSAGES, params).fetchall()
    chains = []
    for account, group in itertools.groupby(found, key=lambda row: row[0]):
        # An event without a number was just committed: the next round numbers it.
        ready = itertools.takewhile(lambda row: row[2] is not None and row[-1] <= now, group)
        messages = tuple(
            _Waiting(
                account=account, event=row[1], attempts=row[-2], message=host_events.read(row[:-2])
            )
            for row in ready
        )
        if messages:
            chains.append(
                _Chain(to=to, messages=messages, is_cut=is_crowded and len(messages) == EVENTS_MAX)
            )
    return chains


_MESSAGES = f"""
    SELECT {host_events.COLUMNS}, d.attempts, d.next_at
      FROM unnest(%(account)b::uuid[]) WITH ORDINALITY AS k(account_id, place)
     CROSS JOIN LATERAL (SELECT event_id, attempts, next_at, row_no FROM deliveries
            WHERE endpoint_id = %(endpoint)s AND account_id = k.account_id AND delivered_at IS NULL
              AND next_at IS NOT NULL ORDER BY endpoint_id, account_id, row_no LIMIT %(events)s) d
      JOIN events e ON e.account_id = k.account_id AND e.event_id = d.event_id
     ORDER BY k.place, d.row_no LIMIT %(rows)s"""


@contextlib.contextmanager
def sole_deliverer(
    installation: Installation, resolved: Resolve = resolve, watch: CallWatch | None = None
) -> Iterator[Deliverer]:
    """Opens the only deliverer of an installation; BusyError if another one runs."""
    with translate_errors(), installation.pool.connection() as conn:
        deliverer = Deliverer(installation, conn, resolved, watch)
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


def deliver_due(installation: Installation) -> DeliveryRound:
    """Sends all due messages; failed ones are retried later."""
    total = DeliveryRound()
    with sole_deliverer(installation) as deliverer:
        while not (done := deliverer.run_once()).is_idle:
            total = DeliveryRound(
                delivered=total.delivered + done.delivered,
                failed=dict(Counter(total.failed) + Counter(done.failed)),
                disabled=(*total.disabled, *done.disabled),
            )
    return total


def follow(
    installation: Installation,
    stop: threading.Event,
    report: Callable[[DeliveryRound], object] = lambda _: None,
    noted: Callable[[LicetError], object] = lambda _: None,
    watch: CallWatch | None = None,
) -> None:
    """Delivers events continuously until ``stop``; waits while another deliverer runs, and reports
    errors. ``watch`` records whether endpoints answer.
    """
    while not stop.is_set():
        try:
            with sole_deliverer(installation, watch=watch) as deliverer:
                while not stop.is_set():
                    done = deliverer.run_once(stop.is_set)
                    if done.is_idle:
                        stop.wait(WAIT_SECONDS)
                    else:
                        report(done)
        except BusyError:
            stop.wait(RETRY_SECONDS)
        except LicetError as error:
            # The fence is up, or a secret cannot be unwrapped: events wait until an operator acts.
            noted(error)
            stop.wait(RETRY_SECONDS if isinstance(error, RefusedError) else 12 * RETRY_SECONDS)

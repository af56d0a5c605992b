"""A cache of accounts' gates.

* An answer is used for its `fresh_seconds`, whatever it is; in the second half of that time the
  next question also refreshes it in the background, without waiting.
* Concurrent questions about one account share one request.
* A failure is cached for `UNKNOWN_SECONDS`, or as long as a busy server asks. While Licet cannot be
  reached at all, or fails for `TROUBLED_ACCOUNTS` accounts in a row, questions about other accounts
  do not wait either: one of them each `UNKNOWN_SECONDS` tries again, in the background. One late
  answer among successful ones does not count as that.
* `last` is the newest answer about an account, however old: the state before an outage.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from time import monotonic
from typing import TypeVar

import msgspec

from licet.client import Client, GateResult, ReasonCode, UnansweredError, gate, unknown_gate
from licet.client.failures import gate_reason, sentence_of
from licet.client.reasons import ABOUT_ACCOUNT, SENTENCES, TROUBLED, UNREACHED

UNKNOWN_SECONDS = 5.0
TROUBLED_ACCOUNTS = 3
ACCOUNTS_MAX = 100_000
REQUESTS_MAX = 16
UNKNOWN = "unknown"
Kept = TypeVar("Kept")


class _Seen(msgspec.Struct, frozen=True):
    """An answer, its expiry, and when to refresh it."""

    answer: GateResult
    until: float
    refresh_from: float


class GateCache:
    """The cache of one process; safe on event loops and threads."""

    def __init__(self, client: Client, timeout_seconds: float) -> None:
        self._client, self._timeout_seconds = client, timeout_seconds
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._last: OrderedDict[str, GateResult] = OrderedDict()
        self._asking: dict[str, Future[GateResult]] = {}
        self._away: tuple[GateResult, float] | None = None  # unreachable, and until when
        self._answered_at = float("-inf")  # newest answer about any account
        self._troubled: set[str] = set()  # accounts with an error since
        self._workers = ThreadPoolExecutor(REQUESTS_MAX, thread_name_prefix="licet-gate")

    def cached(self, account: str) -> GateResult | None:
        """Returns the cached answer about an account while it is fresh."""
        with self._lock:
            entry = self._seen.get(account)
        return entry.answer if entry is not None and entry.until > monotonic() else None

    def last(self, account: str) -> GateResult | None:
        """Returns the newest answer about an account."""
        with self._lock:
            return self._last.get(account)

    def ask(self, account: str) -> Future[GateResult]:
        """Asks for the gate. The future never raises: an undeterminable gate is `unknown`, and the
        person may not write.
        """
        now = monotonic()
        with self._lock:
            entry, away, asking = self._seen.get(account), self._away, self._asking.get(account)
        if entry is not None and entry.until > now:
            if entry.refresh_from <= now and asking is None:
                self._request(account)
            return _completed_future(entry.answer)
        if away is not None:
            if away[1] <= now:
                self._try_again(account, away[0])
            return _completed_future(away[0])
        return asking or self._request(account)

    def ask_within(self, account: str, seconds: float) -> GateResult:
        """Returns the gate on a thread, after ``seconds`` at most."""
        try:
            return self.ask(account).result(seconds)
        except LateError:
            return late_gate()

    def ask_now(self, account: str) -> GateResult:
        """Returns an answer about the account, cached or not; UnansweredError without one."""
        known = self.cached(account)
        if known is None or (known.gate == UNKNOWN and known.because not in ABOUT_ACCOUNT):
            known = (self._asking.get(account) or self._request(account)).result()
        if known.gate == UNKNOWN and known.because not in ABOUT_ACCOUNT:
            raise UnansweredError(ReasonCode.of(known.because), known.detail)
        return known

    def forget(self, account_id: str) -> None:
        """Drops the cached answer of an account, by Licet's own id."""
        with self._lock:
            for account, entry in list(self._seen.items()):
                if entry.answer.account == account_id:
                    del self._seen[account]

    def close(self) -> None:
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _try_again(self, account: str, unreached: GateResult) -> None:
        with self._lock:
            if self._away is None or account in self._asking:
                return
            self._away = (unreached, monotonic() + UNKNOWN_SECONDS)
        self._request(account)

    def _request(self, account: str) -> Future[GateResult]:
        with self._lock:
            asking = self._asking.get(account)
            if asking is None:
                asking = self._asking[account] = Future()
                self._workers.submit(self._fetch, account, asking)
        return asking

    def _fetch(self, account: str, asking: Future[GateResult]) -> None:
        begun = monotonic()
        try:
            answer = self._client.send(gate(account), within=self._timeout_seconds)
        except Exception as error:  # the gate is unknown
            because = gate_reason(error)
            answer = unknown_gate(
                because,
                sentence_of(error, because),
                retry_after=getattr(error, "retry_after", 0.0),
                fresh_seconds=60 if because is ReasonCode.no_account else 0,
            )
        self._keep(account, begun, answer)
        asking.set_result(answer)

    def _keep(self, account: str, begun: float, answer: GateResult) -> None:
        """Caches an answer; its age counts from before the request was sent."""
        unanswered = answer.gate == UNKNOWN and answer.because not in ABOUT_ACCOUNT
        seconds = (
            max(UNKNOWN_SECONDS, answer.retry_after) if unanswered else float(answer.fresh_seconds)
        )
        refresh_from = begun + (seconds if unanswered else seconds / 2)
        with self._lock:
            self._asking.pop(account, None)
            held = self._seen.get(account)
            if not (unanswered and held is not None and held.until > monotonic()):
                _put(self._seen, account, _Seen(answer, begun + seconds, refresh_from))
            if not unanswered:
                _put(self._last, account, answer)
                self._away, self._answered_at = None, monotonic()
                self._troubled.clear()
            elif self._answered_at < begun and self._affects_all(account, answer.because):
                self._away = (answer, monotonic() + max(UNKNOWN_SECONDS, answer.retry_after))

    def _affects_all(self, account: str, because: str) -> bool:
        """Whether the cause of a missing answer affects every account."""
        if because in TROUBLED and len(self._troubled) < TROUBLED_ACCOUNTS:
            self._troubled.add(account)
        return because in UNREACHED or len(self._troubled) >= TROUBLED_ACCOUNTS


def late_gate() -> GateResult:
    """Returns the gate for an answer that did not come in time."""
    return unknown_gate(ReasonCode.late, SENTENCES[ReasonCode.late])


def _put(cache: OrderedDict[str, Kept], account: str, entry: Kept) -> None:
    cache[account] = entry
    cache.move_to_end(account)
    if len(cache) > ACCOUNTS_MAX:
        cache.popitem(last=False)


def _completed_future(answer: GateResult) -> Future[GateResult]:
    done: Future[GateResult] = Future()
    done.set_result(answer)
    return done

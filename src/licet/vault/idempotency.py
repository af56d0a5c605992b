"""`Idempotency-Key`: a repeated request takes effect once. The key is stored for a day, in the
transaction of the effect.

A key belongs to its caller. The same key with a different request is refused (422); while the first
request is in progress, in this process or another, the second is refused too (409). A refused
request is not stored, so that it can be tried again. Stored are the outcome and Licet's own ids,
never content; a request is recognised by its HMAC under the installation's key.

Crash: before the commit neither the effect nor the key exists; after it both do. A verb that owns
its transactions lies between two rows of the key, begun and done: after a crash between them the
key stays begun, and is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from licet.errors import LicetError, RefusedError, UsageError
from licet.store.connect import Transaction
from licet.vault.commands import CommandResult, Outcome

KEPT = timedelta(hours=24)
KEY_CHARACTERS_MAX = 255
SWEPT_ROWS_MAX = 10_000

Place = tuple[bytes, bytes]


class ReusedKeyError(RefusedError):
    """The `Idempotency-Key` was used for a different request before."""

    status = 422


class RunningKeyError(RefusedError):
    """The first request with this `Idempotency-Key` is still in progress."""


class IdempotentCall(msgspec.Struct, frozen=True, kw_only=True):
    """A request with an idempotency key. All three fields are HMACs."""

    caller: bytes
    key: bytes
    request: bytes

    @property
    def place(self) -> Place:
        return self.caller, self.key


def make_call(secret: bytes, caller: bytes, key: str, *request: bytes) -> IdempotentCall:
    """The call of ``caller`` under ``key``; UsageError for an invalid key."""
    if not 0 < len(key) <= KEY_CHARACTERS_MAX or not key.isprintable():
        raise UsageError(
            f"`Idempotency-Key` must have 1 to {KEY_CHARACTERS_MAX} printable characters"
        )
    joined = b"".join(len(part).to_bytes(8, "big") + part for part in request)
    return IdempotentCall(
        caller=caller,
        key=hmac.digest(secret, b"idempotency" + key.encode(), "sha256")[:16],
        request=hmac.digest(secret, b"request" + joined, "sha256")[:16],
    )


def claim(
    tx: Transaction, calls: Sequence[IdempotentCall], now: datetime
) -> dict[Place, CommandResult | LicetError]:
    """Locks these keys; returns the stored answer or an error of each used one. The caller
    processes the others.
    """
    known: dict[Place, CommandResult | LicetError] = {}
    numbers = {one.place: _number(one) for one in calls}
    locked: dict[int, bool] = dict(
        tx.execute(
            "SELECT n, pg_try_advisory_xact_lock(n) FROM unnest(%s::bigint[]) AS n",
            [sorted(set(numbers.values()))],
        ).fetchall()
    )
    rows = tx.execute(
        """SELECT caller_hmac, key_hmac, request_hmac, answer FROM idempotency_keys
             JOIN (SELECT * FROM unnest(%(caller)b::bytea[], %(key)b::bytea[]) AS k(caller_hmac, key_hmac)) k
               USING (caller_hmac, key_hmac) WHERE kept_at > %(since)s""",
        {
            "caller": [one.caller for one in calls],
            "key": [one.key for one in calls],
            "since": now - KEPT,
        },
    )
    stored = {(bytes(c), bytes(k)): (bytes(r), a) for c, k, r, a in rows}
    for one in calls:
        if one.place in stored:
            request, answer = stored[one.place]
            known[one.place] = (
                msgspec.json.decode(answer, type=CommandResult)
                if request == one.request
                else reused_error()
            )
        elif not locked[numbers[one.place]]:
            known[one.place] = running_error()
    return known


def _number(call: IdempotentCall) -> int:
    """The number of an advisory lock; two keys with the same number merely wait for each other."""
    return int.from_bytes(hmac.digest(call.caller, call.key, "sha256")[:8], "big", signed=True)


def reused_error() -> ReusedKeyError:
    return ReusedKeyError(
        "this `Idempotency-Key` was used for another request before",
        "use a new key for each request",
        because="idempotency_key_reused",
    )


def running_error() -> RunningKeyError:
    return RunningKeyError(
        "the first request with this `Idempotency-Key` is still in progress",
        "try again",
        because="idempotency_key_running",
    )


def save_answers(
    tx: Transaction, done: Sequence[tuple[IdempotentCall, CommandResult]], now: datetime
) -> None:
    """Stores the answers to requests that were not refused."""
    rows = [
        (one, answer)
        for one, answer in done
        if answer.outcome not in (Outcome.refused, Outcome.unknown)
    ]
    if not rows:
        return
    tx.execute(
        """INSERT INTO idempotency_keys (caller_hmac, key_hmac, request_hmac, answer, kept_at)
           SELECT *, %(at)s FROM unnest(%(caller)b::bytea[], %(key)b::bytea[], %(request)b::bytea[],
             %(answer)s::text[])
           ON CONFLICT (caller_hmac, key_hmac) DO UPDATE
              SET (request_hmac, answer, kept_at) = (excluded.request_hmac, excluded.answer,
                excluded.kept_at)""",
        {
            "caller": [one.caller for one, _ in rows],
            "key": [one.key for one, _ in rows],
            "request": [one.request for one, _ in rows],
            "answer": [msgspec.json.encode(answer).decode() for _, answer in rows],
            "at": now,
        },
    )


# Calls whose verb owns its transactions: between two rows, begun and done


class CallMade(msgspec.Struct, frozen=True, kw_only=True):
    """The id or name of the created object; empty if the URL names it already."""

    made: str


_BEGUN = "begun"


def begin(tx: Transaction, call: IdempotentCall, now: datetime) -> CallMade | None:
    """Begins a call, or returns what it created the first time; ReusedKeyError, RunningKeyError.

    For verbs that own their transactions. A call whose process was killed stays begun until its key
    expires: its effect is unknown, so it is not repeated under the same key.
    """
    begun = tx.execute(
        """INSERT INTO idempotency_keys AS k (caller_hmac, key_hmac, request_hmac, answer, kept_at)
           VALUES (%(caller)s, %(key)s, %(request)s, %(answer)s, %(at)s)
           ON CONFLICT (caller_hmac, key_hmac) DO UPDATE
              SET (request_hmac, answer, kept_at) = (excluded.request_hmac, excluded.answer,
                excluded.kept_at)
            WHERE k.kept_at <= %(since)s RETURNING true""",
        {
            "caller": call.caller,
            "key": call.key,
            "request": call.request,
            "at": now,
            "since": now - KEPT,
            "answer": msgspec.json.encode(_BEGUN).decode(),
        },
    ).fetchone()
    if begun is not None:
        return None
    row = tx.execute(
        "SELECT request_hmac, answer FROM idempotency_keys WHERE caller_hmac = %s AND "
        "key_hmac = %s",
        [call.caller, call.key],
    ).fetchone()
    if row is None:
        raise running_error()
    if bytes(row[0]) != call.request:
        raise reused_error()
    answer = msgspec.json.decode(row[1])
    if answer == _BEGUN:
        raise running_error()
    return msgspec.convert(answer, CallMade)


def finish(tx: Transaction, call: IdempotentCall, result_id: str) -> None:
    """Records what a begun call created."""
    tx.execute(
        "UPDATE idempotency_keys SET answer = %s WHERE caller_hmac = %s AND key_hmac = %s",
        [msgspec.json.encode(CallMade(made=result_id)).decode(), call.caller, call.key],
    )


def cancel(tx: Transaction, call: IdempotentCall) -> None:
    """Deletes a begun call that was refused, so that it can be tried again."""
    tx.execute(
        "DELETE FROM idempotency_keys WHERE caller_hmac = %s AND key_hmac = %s",
        [call.caller, call.key],
    )


def sweep(tx: Transaction, now: datetime) -> None:
    """Deletes keys older than a day, a bounded number of them."""
    tx.execute(
        """DELETE FROM idempotency_keys WHERE (caller_hmac, key_hmac) IN
           (SELECT caller_hmac, key_hmac FROM idempotency_keys WHERE kept_at <= %s LIMIT %s)""",
        [now - KEPT, SWEPT_ROWS_MAX],
    )

"""The keyring: unwraps the chain down to segment keys, and creates new keys.

Bucket keys and secrets are cached by their wrapped bytes, and all dropped together after
`CACHE_SECONDS_MAX`. Account and segment keys are not cached: a destroyed key must be gone from
memory at the end of the transaction that read it.

A chain is read in one statement, or under the lock of its account: between two statements a
rotation may replace a bucket's or an account's key, and halves of different chains open nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple
from uuid import UUID

from licet.errors import BrokenError
from licet.keys import chain, fence
from licet.keys.material import (
    BUCKETS,
    KEY_BYTES,
    SLOTS_PER_PAGE,
    AccountKeys,
    KeyMaterial,
    KeyProvider,
    Random,
    bucket_of,
    bucket_place,
    read_slot,
    unwrap_account_keys,
    wrap_account_keys,
)
from licet.keys.objects import Objects
from licet.keys.restriction_journal import Journal
from licet.store.connect import Transaction
from licet.store.rows import keys_sql, keys_values

CACHE_SECONDS_MAX = 60.0
EPOCHS_LOCK = (
    # held shared to wrap under the newest epoch; a rotation holds it exclusively to open another
    0x11CE7_0003
)
_FIRST_LOCK = 0x11CE7_0005  # only one process at a time begins an installation's chain
_HOST_IDS = "host_ids"
_LOG = "log"
_GATE = "gate"
_MODELS = "models"
_INBOX = "inbox"


class BucketRow(NamedTuple):
    """A row of `BUCKET_COLUMNS`: a bucket, the database's life, and whether the fence is up."""

    life: int
    bucket: int
    epoch: int
    wrapped: bytes
    is_fenced: bool


BUCKET_COLUMNS = f"{fence.LIFE}, b.bucket, b.epoch, b.wrapped, {fence.STANDS}"  # of buckets `b`
_BUCKET = {"bucket": "int4"}
THEIR_BUCKETS = "JOIN buckets b USING (bucket)"  # joins rows that have a bucket


class OpenedBuckets(NamedTuple):
    """Buckets' keys, and the database's life in the same statement; 0 if no bucket was read."""

    keys: dict[int, KeyMaterial]
    life: int


class Keyring:
    """Opens the key chain of one installation.

    ``random`` provides key material, ``monotonic`` the cache's clock: both are injected in tests
    only. ``restrictions`` is the journal to which `apply` writes withdrawals and deletions.
    ``behind_fence`` unwraps bucket keys in spite of the fence, to reapply restrictions to a
    restored database. ``cold`` is the storage of sealed bytes outside the database, here because
    whatever opens content has the keyring.
    """

    def __init__(
        self,
        provider: KeyProvider,
        random: Random = os.urandom,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        restrictions: Journal | None = None,
        behind_fence: bool = False,
        cold: Objects | None = None,
    ) -> None:
        self.provider, self.random = provider, random
        self.restrictions, self._behind_fence, self.cold = restrictions, behind_fence, cold
        self._monotonic, self._since = monotonic, monotonic()
        self._known: dict[int | str, tuple[bytes, KeyMaterial]] = {}

    def __repr__(self) -> str:
        return f"Keyring({type(self.provider).__name__})"

    # Secrets of the installation

    def host_key(self, tx: Transaction) -> KeyMaterial:
        """Returns the key for hashing the host's ids; created on first use."""
        return self._secret(tx, _HOST_IDS)

    def log_seed(self, tx: Transaction) -> KeyMaterial:
        """Returns the Ed25519 seed that signs the log and receipts; created on first use."""
        return self._secret(tx, _LOG)

    def gate_seed(self, tx: Transaction) -> KeyMaterial:
        """Returns the Ed25519 seed that signs releases' withdrawn rows; created on first use."""
        return self._secret(tx, _GATE)

    def model_seed(self, tx: Transaction) -> KeyMaterial:
        """Returns the Ed25519 seed that signs statements about models; created on first use."""
        return self._secret(tx, _MODELS)

    def endpoint_secret(self, tx: Transaction, name: str) -> KeyMaterial:
        """Returns the secret of an endpoint that receives events; created on first use."""
        return self._secret(tx, name)

    def build_key(self, tx: Transaction, release_id: UUID) -> KeyMaterial:
        """Returns the key of a release's stored build state; created on first use."""
        return self._secret(tx, _build_key(release_id))

    def request_key(self, tx: Transaction, request: UUID) -> KeyMaterial:
        """Returns the key for texts of a person without an account; created on first use, so never
        call it for a destroyed one.
        """
        return self._secret(tx, _request_key(request))

    def inbox_key(self, tx: Transaction) -> KeyMaterial:
        """Returns the key for notes on inbox items without an account; created on first use."""
        return self._secret(tx, _INBOX)

    def wrapped_log_seed(self, tx: Transaction) -> bytes:
        """Returns the stored, wrapped log seed, with which a backup proves that its provider is the
        right one.
        """
        self.log_seed(tx)
        wrapped = chain.wrapped_secret(tx, _LOG)
        assert wrapped is not None
        return wrapped

    def _secret(self, tx: Transaction, name: str) -> KeyMaterial:
        wrapped = chain.wrapped_secret(tx, name)
        if wrapped is None:
            chain.add_secret(
                tx,
                name,
                self.wrap_secret(self.newest(tx), name, KeyMaterial(self.random(KEY_BYTES))),
            )
            wrapped = chain.wrapped_secret(tx, name)
        if wrapped is None:
            raise BrokenError(f"the secret `{name}` does not exist and could not be created")
        return self.unwrap_secret(name, wrapped)

    def wrap_secret(self, epoch: int, name: str, key: KeyMaterial) -> bytes:
        return epoch.to_bytes(4, "big") + self.provider.wrap(epoch, key, name.encode())

    def unwrap_secret(self, name: str, wrapped: bytes) -> KeyMaterial:
        return self._unwrap_cached(
            name, wrapped, int.from_bytes(wrapped[:4], "big"), wrapped[4:], name.encode()
        )

    # Buckets

    def newest(self, tx: Transaction) -> int:
        """Returns the epoch to wrap under, the newest until ``tx`` ends; creates the first one on
        first use.
        """
        tx.execute("SELECT pg_advisory_xact_lock_shared(%s)", [EPOCHS_LOCK])
        epoch = chain.newest_epoch(tx)
        if epoch is None:
            tx.execute("SELECT pg_advisory_xact_lock(%s)", [_FIRST_LOCK])
            # another process may have created it while this one waited
            epoch = chain.newest_epoch(tx)
        if epoch is None:
            epoch = self.provider.newest()
            chain.begin_epochs(tx, epoch)
        return epoch

    def make_buckets(self, tx: Transaction, buckets: set[int]) -> None:
        """Creates the missing ones of ``buckets``, and keeps all their keys unchanged until ``tx``
        ends.

        Called before accounts are opened and locked: a rotation locks a bucket, then its accounts.
        """
        missing = buckets - chain.lock_existing_buckets(tx, sorted(buckets))
        if not missing:
            return
        epoch = self.newest(tx)
        wrapped = {
            bucket: self.provider.wrap(
                epoch, KeyMaterial(self.random(KEY_BYTES)), bucket_place(bucket)
            )
            for bucket in missing
        }
        chain.add_buckets(tx, epoch, wrapped)
        chain.lock_existing_buckets(tx, sorted(missing))

    def bucket_keys(self, tx: Transaction, buckets: set[int]) -> dict[int, KeyMaterial]:
        """Returns the keys of ``buckets``; the caller has locked them or their accounts."""
        return self.open_buckets(self.request_buckets(tx, buckets)()).keys

    def request_buckets(
        self, tx: Transaction, buckets: Collection[int]
    ) -> Callable[[], list[BucketRow]]:
        """Sends the query for ``buckets``; the returned function reads the rows."""
        cursor = tx.execute(
            f"SELECT {BUCKET_COLUMNS} FROM {keys_sql(_BUCKET)} k JOIN buckets b USING (bucket)",
            keys_values(_BUCKET, {"bucket": buckets}, len(buckets)),
            prepare=True,
        )
        return lambda: [BucketRow(*row) for row in cursor.fetchall()]

    def open_buckets(self, rows: Iterable[BucketRow]) -> OpenedBuckets:
        """Unwraps the keys in ``rows``; FencedError behind the fence."""
        each = {row.bucket: row for row in rows}
        keys = {number: self.bucket_key(*row[1:]) for number, row in each.items()}
        return OpenedBuckets(keys, next((row.life for row in each.values()), 0))

    def bucket_key(self, bucket: int, epoch: int, wrapped: bytes, is_fenced: bool) -> KeyMaterial:
        if is_fenced and not self._behind_fence:
            raise fence.fenced_error()
        return self._unwrap_cached(bucket, wrapped, epoch, wrapped, bucket_place(bucket))

    def _unwrap_cached(
        self, name: int | str, row: bytes, epoch: int, wrapped: bytes, place: bytes
    ) -> KeyMaterial:
        """Returns the unwrapped key, cached by its wrapped bytes.

        A bucket's number and epoch would be no safe cache key: the bucket's transaction may have
        been rolled back and another one have created it since; an account key wrapped under the
        first key would be lost with this cache.
        """
        now = self._monotonic()
        if now - self._since >= CACHE_SECONDS_MAX:
            self._known, self._since = {}, now
        known = self._known.get(name)
        if known is None or known[0] != row:
            known = (row, self.provider.unwrap(epoch, wrapped, place))
            self._known[name] = known
        return known[1]

    # Accounts

    def new_account_keys(self, bucket_key: KeyMaterial, account: UUID) -> bytes:
        """Fresh keys of an account, wrapped."""
        keys = AccountKeys(
            slots=KeyMaterial(self.random(KEY_BYTES)), own=KeyMaterial(self.random(KEY_BYTES))
        )
        return wrap_account_keys(bucket_key, account, keys, self.random)

    def account_keys(self, tx: Transaction, accounts: Collection[UUID]) -> dict[UUID, AccountKeys]:
        """Reads the accounts' keys in one statement; accounts with destroyed keys are absent."""
        rows = tx.execute(
            f"""SELECT a.account_id, a.wrapped_key, b.bucket, b.epoch, b.wrapped, {fence.STANDS}
                 FROM accounts a JOIN buckets b USING (bucket) WHERE a.account_id = ANY(%s)""",
            [list(accounts)],
        ).fetchall()
        return {
            account: unwrap_account_keys(self.bucket_key(*bucket), account, wrapped)
            for account, wrapped, *bucket in rows
            if any(wrapped)
        }

    def slot_keys(
        self, tx: Transaction, account_slots: Collection[tuple[UUID, int]]
    ) -> dict[tuple[UUID, int], KeyMaterial | None]:
        """Reads the keys in (account, slot) in one statement; None if one was destroyed."""
        pages = sorted({(account, slot // SLOTS_PER_PAGE) for account, slot in account_slots})
        rows = tx.execute(
            f"""
            SELECT a.account_id, p.page, p.slots, a.wrapped_key, b.bucket, b.epoch, b.wrapped,
                   {fence.STANDS}
              FROM key_pages p
              JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(page)b::int[]) AS k(account_id, page)) k
                USING (account_id, page)
              JOIN accounts a USING (account_id) JOIN buckets b USING (bucket)
            """,
            {"account": [account for account, _ in pages], "page": [page for _, page in pages]},
        ).fetchall()
        opened: dict[UUID, KeyMaterial] = {}
        found: dict[tuple[UUID, int], bytes] = {}
        for account, page, slots, wrapped, *bucket in rows:
            if any(wrapped):
                found[account, page] = slots
                if account not in opened:
                    opened[account] = unwrap_account_keys(
                        self.bucket_key(*bucket), account, wrapped
                    ).slots
        result: dict[tuple[UUID, int], KeyMaterial | None] = {}
        for account, slot in account_slots:
            page = found.get((account, slot // SLOTS_PER_PAGE))
            result[account, slot] = (
                None if page is None else read_slot(page, account, opened[account], slot)
            )
        return result


def forget_build_key(tx: Transaction, release_id: UUID) -> None:
    """Deletes what `Keyring.build_key` created."""
    chain.forget_secrets(tx, [_build_key(release_id)])


def _build_key(release_id: UUID) -> str:
    return f"build_{release_id.hex}"


def forget_request_keys(tx: Transaction, requests: Collection[UUID]) -> None:
    """Deletes what `Keyring.request_key` created."""
    chain.forget_secrets(tx, [_request_key(request) for request in requests])


def _request_key(request: UUID) -> str:
    return f"request_{request.hex}"


__all__ = [
    "BUCKETS",
    "CACHE_SECONDS_MAX",
    "EPOCHS_LOCK",
    "Keyring",
    "bucket_of",
    "forget_build_key",
    "forget_request_keys",
]

"""The installation's answers to training runs: withdrawn rows, and keys of usable rows.

`Publisher` and `lease_keys` answer locally or over HTTP (`train.remote`); `train.node` is the run's
side.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from threading import Lock
from typing import Any
from uuid import UUID

import msgspec
import structlog

from licet.clock import Clock
from licet.config import Configuration
from licet.erasure.recall_register import hand_out
from licet.errors import DeniedError, NotFoundError, RefusedError, UsageError
from licet.ledger.note import SignatureType, Signer, Verifier
from licet.policy.decide import SAFETY
from licet.policy.file import Policy
from licet.release import catalog, registry, release_store
from licet.release.live_leases import DatabaseLeases
from licet.release.part import ROWS_PER_PART_MAX
from licet.release.reader import LEASE_SECONDS, LEASE_SECONDS_MAX, Lease, RatedMessage
from licet.release.registry import Release
from licet.store.connect import Transaction, transaction
from licet.store.rows import select
from licet.train import bitmap, withdrawn_rows
from licet.train.bitmap import BitmapHead, WithdrawnBitmap
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, held_installation, load_policies

CACHE_SECONDS = 0.2
LEASED_ORDINALS_MAX = 4_096
_RECIPIENT = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_log = structlog.get_logger("licet.gating")


# In the installation


class PublishedBitmap(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    signed: bytes
    bitmap: bytes

    @property
    def file(self) -> bytes:
        return bitmap.encode_file(self.signed, self.bitmap)


def signer(installation: Installation) -> Signer:
    """The key that signs withdrawn rows, used for nothing else."""
    with transaction(installation.pool) as tx:
        seed = installation.keyring.gate_seed(tx)
    return Signer(f"{installation.config.log_name}/withdrawn", SignatureType.ed25519, seed)


def get_sealed(installation: Installation, release_id: UUID) -> Release:
    """The release; NotFoundError if there is none, DeniedError if it was never sealed."""
    with transaction(installation.pool) as tx:
        release = registry.get(tx, release_id)
    if release.state != "sealed" or release.manifest_sha256 is None:
        raise DeniedError(f"release `{release.name}` is not sealed")
    return release


def update_all(installation: Installation) -> None:
    """Updates the withdrawn rows of every sealed release, to make later requests fast."""
    with transaction(installation.pool) as tx:
        releases = [release for release in registry.list_all(tx) if release.state == "sealed"]
    if releases:  # without one there may be no policy
        in_force, now = load_policies(installation), installation.clock()
        for release in releases:
            withdrawn_rows.update(installation.pool, release, in_force, now, now)


class Publisher:
    """Publishes the withdrawn rows of releases. Thread-safe; decisions are cached for
    `REMEMBERED_SECONDS`, each head is signed anew.
    """

    def __init__(
        self, installation: Installation, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._installation, self._monotonic, self._lock = installation, monotonic, Lock()
        self._signer, self.log_key = signer(installation), catalog.log_key(installation)()
        self._cache: dict[UUID, tuple[float, PublishedBitmap]] = {}

    @property
    def verifier(self) -> Verifier:
        return self._signer.verifier

    def publish(self, release_id: UUID, seconds: int = LEASE_SECONDS) -> PublishedBitmap:
        """The withdrawn rows of a sealed release, under a head that is valid for ``seconds``."""
        if not 1 <= seconds <= LEASE_SECONDS_MAX:
            raise UsageError(f"a lease lasts 1 to {LEASE_SECONDS_MAX} seconds")
        with self._lock:
            cached = self._cache.get(release_id)
            if cached is not None and self._monotonic() < cached[0] and seconds == LEASE_SECONDS:
                return cached[1]
            asked_at = self._monotonic()
            published = self._decide(get_sealed(self._installation, release_id), seconds)
            if seconds == LEASE_SECONDS:
                self._cache[release_id] = (asked_at + CACHE_SECONDS, published)
            return published

    def _decide(self, release: Release, seconds: int) -> PublishedBitmap:
        assert release.manifest_sha256 is not None
        in_force, now = load_policies(self._installation), self._installation.clock()
        until = withdrawn_rows.lease_end(in_force, now, seconds)
        rows = withdrawn_rows.update(self._installation.pool, release, in_force, now, until)
        head = BitmapHead(
            release=release.release_id.hex,
            manifest_sha256=release.manifest_sha256.hex(),
            number=rows.number,
            issued=now,
            until=until,
            rows=rows.rows,
            sha256=rows.sha256,
        )
        return PublishedBitmap(
            number=rows.number, signed=bitmap.sign(head, self._signer), bitmap=rows.bitmap
        )


class LeasedPart(msgspec.Struct, frozen=True, kw_only=True):
    """Leased row keys: ``keys`` of 32 bytes each, in the order of ``ordinals``, and ``ratings`` in
    these rows.
    """

    lease_id: UUID
    expires: datetime
    seconds: float
    manifest_sha256: str
    ordinals: tuple[int, ...]
    keys: bytes
    ratings: Mapping[int, Sequence[RatedMessage]]

    def __repr__(self) -> str:
        return f"LeasedPart({self.lease_id}, {len(self.ordinals)} keys)"


class LeaseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient's request. Without ``ordinals``: the whole part, by the installation's copy."""

    release_id: UUID
    part: int
    recipient: str
    ordinals: tuple[int, ...] | None = None
    seconds: int = LEASE_SECONDS


class LeaseHolder(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a service key: its recipient, None for an unbound key, and its releases, by
    name or by prefix before a `*`. ``own``: the installation's own machines.
    """

    key_id: UUID
    recipient: str | None
    own: bool
    releases: tuple[str, ...]

    def holds(self, release: str) -> bool:
        return self.recipient is not None and any(
            release.startswith(name.removesuffix("*")) if name.endswith("*") else name == release
            for name in self.releases
        )


def sealed_for_holder(installation: Installation, release_id: UUID, holder: LeaseHolder) -> Release:
    """The sealed release if ``holder``'s key covers it; else NotFoundError."""
    release = get_sealed(installation, release_id)
    if not holder.holds(release.name):
        raise NotFoundError(f"this key is bound to no release `{release_id.hex}`")
    return release


def _check_recipient(
    installation: Installation, release: Release, request: LeaseRequest, holder: LeaseHolder
) -> None:
    """Raises an error unless the policy names the recipient, or it is the operator's machine."""
    if request.recipient != holder.recipient:
        raise DeniedError(
            f"the key is bound to another recipient than `{request.recipient}`",
            "`licet api-key create NAME --scope release:lease --recipient RECIPIENT` "
            "creates one for each",
        )
    if not holder.own:
        check_recipient(
            load_policies(installation).in_force(installation.clock()), release, request.recipient
        )


def check_recipient(policy: Policy, release: Release, recipient: str) -> None:
    """Raises RefusedError unless ``policy`` names the recipient and the release may leave the
    operator.
    """
    if recipient not in policy.recipients:
        raise RefusedError(
            f"the policy does not name the recipient `{recipient}`, and data goes to no other",
            f"it names {', '.join(f'`{name}`' for name in sorted(policy.recipients)) or 'nobody'}; "
            "a version that adds one more is material",
            because="recipient",
        )
    if release.purpose == SAFETY:
        raise RefusedError(
            "a release for the safety classifiers is handed to nobody", because="purpose"
        )


class LeasesGiven(msgspec.Struct, frozen=True, kw_only=True):
    """A recipient's leases of a release: their number, their row keys, and the newest."""

    recipient: str
    leases: int
    keys: int
    newest_at: datetime


def leases_by_recipient(tx: Transaction, release_id: UUID) -> list[LeasesGiven]:
    """Newest first."""
    return select(
        tx,
        LeasesGiven,
        """SELECT recipient, count(*) AS leases, sum(given)::bigint AS keys,
                  max(given_at) AS newest_at
             FROM leases WHERE release_id = %s GROUP BY recipient ORDER BY max(given_at) DESC""",
        [release_id],
    )


class LeaseGiven(msgspec.Struct, frozen=True, kw_only=True):
    """A lease of a part: the numbers of requested and given row keys."""

    release_id: UUID
    part: int
    asked: int
    given: int
    given_at: datetime
    expires_at: datetime


def newest_leases(tx: Transaction, recipient: str, limit: int) -> list[LeaseGiven]:
    return select(
        tx,
        LeaseGiven,
        """SELECT release_id, part, asked, given, given_at, expires_at FROM leases
            WHERE recipient = %s ORDER BY given_at DESC LIMIT %s""",
        [recipient, limit],
    )


def lease_keys(
    installation: Installation, request: LeaseRequest, holder: LeaseHolder
) -> LeasedPart:
    """Leases the keys of a part's usable rows; a database row is written before a key leaves.

    NotFoundError for a release outside the holder's key, DeniedError for another recipient than its
    own, RefusedError for one that the policy in force does not name.
    """
    if not _RECIPIENT.fullmatch(request.recipient):
        raise UsageError(
            "`recipient` is not a name", "use lower-case letters, digits, `-`, `_` and `.`"
        )
    if not 1 <= request.seconds <= LEASE_SECONDS_MAX:
        raise UsageError(f"a lease lasts 1 to {LEASE_SECONDS_MAX} seconds")
    release = sealed_for_holder(installation, request.release_id, holder)
    _check_recipient(installation, release, request, holder)
    ordinals = (
        _ordinals_of_part(installation, release, request.part)
        if request.ordinals is None
        else _check_ordinals(request.ordinals)
    )
    granted = DatabaseLeases(
        installation.pool, installation.keyring, installation.clock, request.seconds
    ).lease(release.release_id.bytes, request.part, ordinals)
    now, order = installation.clock(), sorted(granted.keys)
    lease_id = uuid7(now, installation.keyring.random(10))
    hand_out(
        installation, release.name, request.recipient
    )  # a holder of keys has a copy, which an erasure recalls
    with transaction(installation.pool) as tx:
        tx.execute(
            """INSERT INTO leases (lease_id, release_id, recipient, part, asked, given, key_id,
               given_at, expires_at)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                lease_id,
                release.release_id,
                request.recipient,
                request.part,
                len(ordinals),
                len(order),
                holder.key_id,
                now,
                granted.expires,
            ],
        )
    _log.info(
        "leased",
        release=release.release_id.hex,
        part=request.part,
        recipient=request.recipient,
        asked=len(ordinals),
        given=len(order),
    )
    assert release.manifest_sha256 is not None
    return LeasedPart(
        lease_id=lease_id,
        expires=granted.expires,
        seconds=max(0.0, (granted.expires - now).total_seconds()),
        manifest_sha256=release.manifest_sha256.hex(),
        ordinals=tuple(order),
        keys=b"".join(granted.keys[ordinal] for ordinal in order),
        ratings=granted.ratings,
    )


def _check_ordinals(ordinals: tuple[int, ...]) -> Sequence[int]:
    """The requested ordinals; UsageError if they are too many or span more than a part."""
    if len(ordinals) > LEASED_ORDINALS_MAX:
        raise UsageError(f"`{len(ordinals)}` rows at once: at most `{LEASED_ORDINALS_MAX}`")
    if ordinals and max(ordinals) - min(ordinals) >= ROWS_PER_PART_MAX:
        raise UsageError("the rows are not in one part", "ask for one part at a time")
    return ordinals


def _ordinals_of_part(installation: Installation, release: Release, part: int) -> Sequence[int]:
    promised = release_store.find_manifest(installation, release)
    if promised is None:
        raise NotFoundError(
            f"the installation's own copy of release `{release.name}` is missing", "name `ordinals`"
        )
    firsts = {part.number: part.first_ordinal for part in promised.parts}
    if part not in firsts:
        raise NotFoundError(f"release `{release.name}` has no part `{part}`")
    after = min(
        (first for first in firsts.values() if first > firsts[part]),
        default=firsts[part] + ROWS_PER_PART_MAX,
    )
    return range(firsts[part], min(after, firsts[part] + ROWS_PER_PART_MAX))


class LocalSource:
    """The local installation as a `train.remote.WithdrawalSource`."""

    def __init__(self, installation: Installation, seconds: int = LEASE_SECONDS) -> None:
        self._publisher, self._seconds = Publisher(installation), seconds

    def withdrawn(self, release: str, known: WithdrawnBitmap | None) -> tuple[bytes, bytes | None]:
        published = self._publisher.publish(UUID(hex=release), self._seconds)
        return (
            published.signed,
            None
            if known is not None and known.head.number == published.number
            else published.bitmap,
        )


# In the run


class LocalLeases:
    """Leases (`release.reader.Leases`) from the installation of ``config``, opened per process."""

    def __init__(self, config: Configuration, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._pid = 0
        self._stacks: list[ExitStack] = []
        self._leases: DatabaseLeases | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return LocalLeases, (self._config, self._clock)

    def lease(self, release_id: bytes, part: int, ordinals: Sequence[int]) -> Lease:
        return self._opened().lease(release_id, part, ordinals)

    def log_key(self, release_id: bytes) -> bytes:
        return self._opened().log_key(release_id)

    def _opened(self) -> DatabaseLeases:
        if self._leases is None or self._pid != os.getpid():
            # Open as long as its stack lives; one inherited by a fork belongs to the parent.
            opened, stack = held_installation(self._config, self._clock)
            self._stacks.append(stack)
            self._pid = os.getpid()
            self._leases = DatabaseLeases(opened.pool, opened.keyring, opened.clock)
        return self._leases

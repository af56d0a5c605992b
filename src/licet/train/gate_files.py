"""What a training run receives: which rows were withdrawn, and the keys of the rows that may be
used.

`Publisher` and `lease` answer for the installation, locally or over HTTP (`train.remote`). What a
run opens is in `train.node`.
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
from licet.erasure.certificates import hand_out
from licet.errors import DeniedError, NotFoundError, RefusedError, UsageError
from licet.ledger.note import SignatureType, Signer, Verifier
from licet.policy.decide import SAFETY
from licet.policy.file import Policy
from licet.release import catalog, homes, registry
from licet.release.live_leases import DatabaseLeases
from licet.release.part import ROWS_PER_PART_MAX
from licet.release.reader import LEASE_SECONDS, LEASE_SECONDS_MAX, Lease, RatedMessage
from licet.release.registry import Release
from licet.store.connect import Transaction, transaction
from licet.train import bitmap, withdrawn_rows
from licet.train.bitmap import BitmapHead, WithdrawnBitmap
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, held_installation, policies

REMEMBERED_SECONDS = 0.2
LEASED_ORDINALS_MAX = 4_096
KEY_PATH_CHARACTERS_MAX = 4_096
_RECIPIENT = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_log = structlog.get_logger("licet.gating")


# In the installation


class PublishedBitmap(msgspec.Struct, frozen=True, kw_only=True):
    """A signed head and the bitmap that it names."""

    number: int
    signed: bytes
    bitmap: bytes

    @property
    def file(self) -> bytes:
        return bitmap.file_of(self.signed, self.bitmap)


def signer(here: Installation) -> Signer:
    """The key that signs withdrawn rows: the installation's own, used for nothing else."""
    with transaction(here.pool) as tx:
        seed = here.keyring.gate_seed(tx)
    return Signer(f"{here.config.log_name}/withdrawn", SignatureType.ed25519, seed)


def sealed(here: Installation, release_id: UUID) -> Release:
    """The release; NotFoundError if there is none, DeniedError if it was never sealed."""
    with transaction(here.pool) as tx:
        known = registry.get(tx, release_id)
    if known.state != "sealed" or known.manifest_sha256 is None:
        raise DeniedError(f"release `{known.name}` is not sealed")
    return known


def bring_up_all(here: Installation) -> None:
    """Brings up the withdrawn rows of every sealed release, so that whoever asks next waits only
    for what changed.
    """
    with transaction(here.pool) as tx:
        made = [one for one in registry.every(tx) if one.state == "sealed"]
    if made:  # without one there may be no policy
        known, at = policies(here), here.clock()
        for release in made:
            withdrawn_rows.brought_up(here.pool, release, known, at, at)


class Publisher:
    """States which rows of a release were withdrawn. Thread-safe; the decision is at most
    `REMEMBERED_SECONDS` old, however many nodes ask, and each head is signed anew.
    """

    def __init__(self, here: Installation, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._here, self._monotonic, self._lock = here, monotonic, Lock()
        self._signer, self.log_key = signer(here), catalog.log_key(here)()
        self._remembered: dict[UUID, tuple[float, PublishedBitmap]] = {}

    @property
    def verifier(self) -> Verifier:
        return self._signer.verifier

    def publish(self, release_id: UUID, seconds: int = LEASE_SECONDS) -> PublishedBitmap:
        """The withdrawn rows of a sealed release, under a head that is valid for ``seconds``."""
        if not 1 <= seconds <= LEASE_SECONDS_MAX:
            raise UsageError(f"a lease lasts 1 to {LEASE_SECONDS_MAX} seconds")
        with self._lock:
            known = self._remembered.get(release_id)
            if known is not None and self._monotonic() < known[0] and seconds == LEASE_SECONDS:
                return known[1]
            asked_at = self._monotonic()
            made = self._decide(sealed(self._here, release_id), seconds)
            if seconds == LEASE_SECONDS:
                self._remembered[release_id] = (asked_at + REMEMBERED_SECONDS, made)
            return made

    def _decide(self, release: Release, seconds: int) -> PublishedBitmap:
        assert release.manifest_sha256 is not None
        known, at = policies(self._here), self._here.clock()
        until = withdrawn_rows.lease_end(known, at, seconds)
        standing = withdrawn_rows.brought_up(self._here.pool, release, known, at, until)
        head = BitmapHead(
            release=release.release_id.hex,
            manifest_sha256=release.manifest_sha256.hex(),
            number=standing.number,
            issued=at,
            until=until,
            rows=standing.rows,
            sha256=standing.sha256,
        )
        return PublishedBitmap(
            number=standing.number, signed=bitmap.sign(head, self._signer), bitmap=standing.bitmap
        )


class LeasedPart(msgspec.Struct, frozen=True, kw_only=True):
    """Row keys that were given out: ``keys`` are 32 bytes each, one after the other, in the order
    of ``ordinals``.

    ``ratings`` are people's ratings in some of these rows.
    """

    lease_id: UUID
    expires: datetime
    seconds: float
    manifest_sha256: str
    ordinals: tuple[int, ...]
    keys: bytes
    ratings: Mapping[int, Sequence[RatedMessage]]

    def __repr__(self) -> str:
        return f"Leased({self.lease_id}, {len(self.ordinals)} keys)"


class LeaseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipient requests. Without ``ordinals``: the whole part, as recorded in the
    installation's own copy of the release.
    """

    release_id: UUID
    part: int
    recipient: str
    ordinals: tuple[int, ...] | None = None
    seconds: int = LEASE_SECONDS


class LeaseHolder(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a service's key: its recipient, and the releases for which it may have row
    keys, by name or by the beginning of names before a `*`. ``own``: the installation's own
    machines; None as recipient is a key that is bound to nobody.
    """

    key_id: UUID
    recipient: str | None
    own: bool
    releases: tuple[str, ...]

    def holds(self, release: str) -> bool:
        """Whether the key was made for a release of this name."""
        return self.recipient is not None and any(
            release.startswith(one.removesuffix("*")) if one.endswith("*") else one == release
            for one in self.releases
        )


def held_by(here: Installation, release_id: UUID, holder: LeaseHolder) -> Release:
    """The sealed release for which the key was made; NotFoundError for any other, as for one that
    does not exist.
    """
    known = sealed(here, release_id)
    if not holder.holds(known.name):
        raise NotFoundError(f"this key is bound to no release `{release_id.hex}`")
    return known


def _check_recipient(
    here: Installation, known: Release, asked: LeaseRequest, holder: LeaseHolder
) -> None:
    """As for an export: row keys go only to recipients that the policy in force names, or to the
    operator's own machines.
    """
    if asked.recipient != holder.recipient:
        raise DeniedError(
            f"the key is bound to another recipient than `{asked.recipient}`",
            "`licet api-key create NAME --scope release:lease --recipient RECIPIENT` "
            "creates one for each",
        )
    if not holder.own:
        check_recipient(policies(here).in_force(here.clock()), known, asked.recipient)


def check_recipient(policy: Policy, known: Release, recipient: str) -> None:
    """RefusedError if ``policy`` does not permit a release for a recipient: data goes only to the
    recipients that it names.
    """
    if recipient not in policy.recipients:
        raise RefusedError(
            f"the policy does not name the recipient `{recipient}`, and data goes to no other",
            f"it names {', '.join(f'`{one}`' for one in sorted(policy.recipients)) or 'nobody'}; a "
            "version that adds "
            "one more is material",
            because="recipient",
        )
    if known.purpose == SAFETY:
        raise RefusedError(
            "a release for the safety classifiers is handed to nobody", because="purpose"
        )


class LeasesGiven(msgspec.Struct, frozen=True, kw_only=True):
    """The leases of one recipient of a release: how many, of how many row keys, and the newest."""

    recipient: str
    leases: int
    keys: int
    newest_at: datetime


def leases_of(tx: Transaction, release_id: UUID) -> list[LeasesGiven]:
    """Who was given row keys of a release, the newest first."""
    rows = tx.execute(
        """SELECT recipient, count(*), sum(given)::bigint, max(given_at) FROM leases
            WHERE release_id = %s
            GROUP BY recipient ORDER BY max(given_at) DESC""",
        [release_id],
    )
    return [
        LeasesGiven(recipient=recipient, leases=leases, keys=keys, newest_at=newest_at)
        for recipient, leases, keys, newest_at in rows
    ]


class LeaseGiven(msgspec.Struct, frozen=True, kw_only=True):
    """One lease: of which part of which release, how many row keys were asked for and given, and
    until when they hold.
    """

    release_id: UUID
    part: int
    asked: int
    given: int
    given_at: datetime
    expires_at: datetime


def newest_leases(tx: Transaction, recipient: str, most: int) -> list[LeaseGiven]:
    """The newest ``most`` leases of a recipient."""
    rows = tx.execute(
        """SELECT release_id, part, asked, given, given_at, expires_at FROM leases
            WHERE recipient = %s
            ORDER BY given_at DESC LIMIT %s""",
        [recipient, most],
    )
    return [
        LeaseGiven(
            release_id=release, part=part, asked=asked, given=given, given_at=at, expires_at=until
        )
        for release, part, asked, given, at, until in rows
    ]


def lease(here: Installation, asked: LeaseRequest, holder: LeaseHolder) -> LeasedPart:
    """The keys of the rows of one part that may be used now; one database row is written before a
    key leaves.

    NotFoundError for a release that the holder's key was not made for, DeniedError for another
    recipient than its own, RefusedError for one that the policy in force does not name.
    """
    if not _RECIPIENT.fullmatch(asked.recipient):
        raise UsageError(
            "`recipient` is not a name", "use lower-case letters, digits, `-`, `_` and `.`"
        )
    if not 1 <= asked.seconds <= LEASE_SECONDS_MAX:
        raise UsageError(f"a lease lasts 1 to {LEASE_SECONDS_MAX} seconds")
    known = held_by(here, asked.release_id, holder)
    _check_recipient(here, known, asked, holder)
    ordinals = (
        _ordinals_of_part(here, known, asked.part)
        if asked.ordinals is None
        else _few(asked.ordinals)
    )
    given = DatabaseLeases(here.pool, here.keyring, here.clock, asked.seconds).lease(
        known.release_id.bytes, asked.part, ordinals
    )
    at, order = here.clock(), sorted(given.keys)
    lease_id = uuid7(at, here.keyring.random(10))
    # a holder of keys has a copy: an erasure recalls it from them
    hand_out(here, known.name, asked.recipient)
    with transaction(here.pool) as tx:
        tx.execute(
            """INSERT INTO leases (lease_id, release_id, recipient, part, asked, given, key_id,
               given_at, expires_at)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                lease_id,
                known.release_id,
                asked.recipient,
                asked.part,
                len(ordinals),
                len(order),
                holder.key_id,
                at,
                given.expires,
            ],
        )
    _log.info(
        "leased",
        release=known.release_id.hex,
        part=asked.part,
        recipient=asked.recipient,
        asked=len(ordinals),
        given=len(order),
    )
    assert known.manifest_sha256 is not None
    return LeasedPart(
        lease_id=lease_id,
        expires=given.expires,
        seconds=max(0.0, (given.expires - at).total_seconds()),
        manifest_sha256=known.manifest_sha256.hex(),
        ordinals=tuple(order),
        keys=b"".join(given.keys[ordinal] for ordinal in order),
        ratings=given.ratings,
    )


def _few(ordinals: tuple[int, ...]) -> Sequence[int]:
    """The requested ordinals, at most as many as a part has."""
    if len(ordinals) > LEASED_ORDINALS_MAX:
        raise UsageError(f"`{len(ordinals)}` rows at once: at most `{LEASED_ORDINALS_MAX}`")
    if ordinals and max(ordinals) - min(ordinals) >= ROWS_PER_PART_MAX:
        raise UsageError("the rows are not in one part", "ask for one part at a time")
    return ordinals


def _ordinals_of_part(here: Installation, known: Release, part: int) -> Sequence[int]:
    promised = homes.promised(here, known)
    if promised is None:
        raise NotFoundError(
            f"the installation's own copy of release `{known.name}` is missing", "name `ordinals`"
        )
    firsts = {each.number: each.first_ordinal for each in promised.parts}
    if part not in firsts:
        raise NotFoundError(f"release `{known.name}` has no part `{part}`")
    after = min(
        (each for each in firsts.values() if each > firsts[part]),
        default=firsts[part] + ROWS_PER_PART_MAX,
    )
    return range(firsts[part], min(after, firsts[part] + ROWS_PER_PART_MAX))


class LocalSource:
    """The installation of this machine as a source of withdrawn rows
    (`train.remote.WithdrawalSource`).
    """

    def __init__(self, here: Installation, seconds: int = LEASE_SECONDS) -> None:
        self._publisher, self._seconds = Publisher(here), seconds

    def withdrawn(self, release: str, known: WithdrawnBitmap | None) -> tuple[bytes, bytes | None]:
        made = self._publisher.publish(UUID(hex=release), self._seconds)
        return (
            made.signed,
            None if known is not None and known.head.number == made.number else made.bitmap,
        )


# In the run


class LocalLeases:
    """Leases from the installation that ``config`` names, opened in each process that asks
    (`release.reader.Leases`).
    """

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
            # Open for as long as its stack lives. One that came with a fork belongs to the parent,
            # which closes it.
            opened, stack = held_installation(self._config, self._clock)
            self._stacks.append(stack)
            self._pid, self._leases = (
                os.getpid(),
                DatabaseLeases(opened.pool, opened.keyring, opened.clock),
            )
        return self._leases

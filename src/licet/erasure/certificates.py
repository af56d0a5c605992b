"""The erasure verbs: progress, the signed certificate at the end, and recalls from recipients.

`advance_erasures` moves every erasure as far as it can go now: it recalls releases from their
recipients, destroys keys, sweeps what is due, reads back every reachable place in the register, and
signs. It can be killed anywhere and run again, because each state is committed together with its
effects. If a place cannot be read back as empty, the erasure stays in the state before the
certificate. Content under a legal hold stays; its erasure continues within an hour after the hold
ends.

The content keys of a closed account are destroyed like any other's. Its own key yields the
pseudonym under which its leaves are written. That key, and with it the certificate, therefore waits
until all of them are in the log: a later leaf could not name the account, and an older release
would rest on grants that nothing proves. If no sequencer runs, nothing is certified: `licet doctor`
and /metrics report that.

A certificate is signed with the log's Ed25519 key as a compact JWS over canonical JSON, as receipts
are. The log has its SHA-256, which is salted, so that it reveals nothing to anybody else:

    file = {"certificate":"<JWS>","entry":"<the leaf>","proof":"<c2sp.org/tlog-proof@v1>","v":1}   entry, proof: or null
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from licet.erasure import key_rotation, sweep_batches
from licet.erasure.epochs import backup_window
from licet.erasure.key_rotation import Rotation
from licet.erasure.recall_register import (
    LISTED_MAX,
    Recall,
    list_recalls_by_erasure,
    recall_releases,
)
from licet.errors import BrokenError, NotFoundError, RefusedError
from licet.keys import chain, fence
from licet.ledger import jws, outbox, sequence
from licet.ledger.canonical_json import Canonical, canonical
from licet.ledger.outbox import Entry, EntryKind
from licet.ledger.publication import PublishedLog
from licet.policy.period import rfc3339
from licet.proof import documents
from licet.proof.receipt import CERTIFICATE, sign
from licet.release import live_leases, registry
from licet.store.connect import Transaction, transaction
from licet.store.rows import Change
from licet.vault import certificate, host_events, policy_versions, restriction
from licet.vault.certificate import (
    ErasureCause,
    ErasureRecord,
    ErasureState,
    ErasureWaits,
    WaitsFor,
)
from licet.vault.ids import Prefix, format_id, parse
from licet.vault.installation import Installation
from licet.vault.tables import lock_account_rows
from licet.webhooks import acknowledgements
from licet.webhooks.acknowledgements import HostDelivery

PAGE_ERASURES_MAX = 500
FILE_VERSION = 1


class ErasureStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of an erasure, and what it waits for; ``overdue`` counts recipients and hosts
    that have not acknowledged.
    """

    erasure: str
    account: str
    conversation: str | None
    cause: ErasureCause
    state: ErasureState
    requested_at: datetime
    fenced_at: datetime | None
    shredded_at: datetime | None
    swept_at: datetime | None
    verified_at: datetime | None
    keys_left: int
    due_at: datetime | None
    held: bool
    waits_for: WaitsFor | None
    recalls: tuple[Recall, ...]
    hosts: tuple[HostDelivery, ...]
    overdue: int


class ErasureRun(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `advance_erasures`: erasures by their current state."""

    states: dict[str, int]
    certificates: int


class UnloggedErasure(msgspec.Struct, frozen=True, kw_only=True):
    """Erased closed accounts that wait for their leaves to be logged, the oldest since
    ``since``.
    """

    closures: int
    since: datetime | None


class ErasureForecast(msgspec.Struct, frozen=True, kw_only=True):
    """What `advance_erasures` would do: ``due`` erasures with ``keys`` keys to destroy; ``held``
    ones; and ``later`` ones, whose period has not ended.
    """

    due: int
    keys: int
    held: int
    later: int


# Progress


def advance_erasures(
    installation: Installation, *, only: str | None = None, at_once: bool = False
) -> ErasureRun:
    """Advances erasures as far as possible now; ``at_once`` destroys the keys of deleted content
    before its period ends.
    """
    states: Counter[str] = Counter()
    signed = 0
    after: UUID | None = None
    while True:
        with transaction(installation.pool) as tx:
            page = _page_of_run(tx, only, after)
        for erasure in page:
            moved = _advance(installation, erasure, at_once)
            states[moved.state.value] += 1
            signed += (
                moved.state is ErasureState.verified and erasure.state is not ErasureState.verified
            )
        if only is not None or len(page) < PAGE_ERASURES_MAX:
            return ErasureRun(states=dict(states), certificates=signed)
        after = page[-1].erasure


def forecast_erasures(
    installation: Installation, *, only: str | None = None, at_once: bool = False
) -> ErasureForecast:
    """What `advance_erasures` would do with the same arguments; changes nothing."""
    due, keys, held, later, after = 0, 0, 0, 0, None
    while True:
        with transaction(installation.pool) as tx:
            page = _page_of_run(tx, only, after)
            for erasure in page:
                waits = certificate.waits(tx, erasure)
                waits.refuse_fenced()
                is_due = _is_due(waits, max(installation.clock(), erasure.requested_at), at_once)
                if waits.held:
                    held += 1
                elif is_due:
                    due, keys = due + 1, keys + waits.keys
                else:
                    later += 1
        if only is not None or len(page) < PAGE_ERASURES_MAX:
            return ErasureForecast(due=due, keys=keys, held=held, later=later)
        after = page[-1].erasure


def _page_of_run(tx: Transaction, only: str | None, after: UUID | None) -> list[ErasureRecord]:
    """The next erasures to advance: ``only``, or unfinished ones after ``after``."""
    if only is not None:
        return [certificate.get(tx, parse(Prefix.erasure, only))]
    fence.check(tx)
    return certificate.unfinished(tx, PAGE_ERASURES_MAX, after)


def _is_due(waits: ErasureWaits, now: datetime, at_once: bool) -> bool:
    """Whether the period of all its content has ended at ``now``, or is cut short by
    ``at_once``.
    """
    return at_once or waits.due_at is None or waits.due_at <= now


def finish_due(installation: Installation) -> int:
    """Certifies the erasures that a sweep has completed; returns the number of certificates."""
    signed, after = 0, None
    while True:
        with transaction(installation.pool) as tx:
            page = certificate.unfinished(tx, PAGE_ERASURES_MAX, after, keyless=True)
        signed += sum(
            _advance(installation, erasure, at_once=False).state is ErasureState.verified
            for erasure in page
        )
        if len(page) < PAGE_ERASURES_MAX:
            return signed
        after = page[-1].erasure


def _advance(installation: Installation, erasure: ErasureRecord, at_once: bool) -> ErasureRecord:
    """Advances an erasure as far as possible: two transactions, and one more for each further batch
    of a large sweep.
    """
    if erasure.state is ErasureState.verified:
        return erasure
    at, more = max(installation.clock(), erasure.requested_at), False
    with transaction(installation.pool) as tx:
        lock_account_rows(tx, [erasure.account])
        waits = certificate.waits(tx, erasure, at_once=at if at_once else None)
        waits.refuse_fenced()
        recall_releases(tx, erasure, waits.releases, at)
        if _is_due(waits, at, at_once) and not waits.held and (waits.keys or waits.bodies):
            more = sweep_batches.sweep_locked(tx, at, [erasure.account]).more
    try:
        return _finish(installation, erasure, at, more)
    except BrokenError:
        # commits the progress that was made before the certificate
        with transaction(installation.pool) as tx:
            lock_account_rows(tx, [erasure.account])
            certificate.save(tx, _states_reached(*certificate.reload(tx, erasure), at))
        raise


def _finish(
    installation: Installation, erasure: ErasureRecord, now: datetime, more: bool
) -> ErasureRecord:
    """Sweeps the rest if there is ``more``, then advances the erasure and certifies it, in one
    transaction.
    """
    while True:
        with transaction(installation.pool) as tx:
            lock_account_rows(tx, [erasure.account])
            current, waits = certificate.reload(tx, erasure)
            waits.refuse_fenced()
            if more:
                more = sweep_batches.sweep_locked(tx, now, [erasure.account]).more
                continue
            if current.state is ErasureState.verified:
                return current
            moved = _states_reached(current, waits, now)
            signed = (
                _certify(installation, tx, moved, waits, now)
                if moved.state is ErasureState.swept
                else None
            )
            if signed is not None:
                moved = replace(moved, state=ErasureState.verified, verified_at=now)
            if moved != current:
                certificate.save(tx, moved, signed, _certificate_entry(tx, signed, now))
            return moved


def _states_reached(erasure: ErasureRecord, waits: ErasureWaits, now: datetime) -> ErasureRecord:
    """The erasure with the states it has reached at ``now``, before its certificate."""
    if erasure.state is ErasureState.fenced and not waits.keys and waits.due_at is None:
        erasure = replace(erasure, state=ErasureState.shredded, shredded_at=now)
    if erasure.state is ErasureState.shredded and not waits.bodies:
        erasure = replace(erasure, state=ErasureState.swept, swept_at=now)
    return erasure


def _certificate_entry(tx: Transaction, signed: str | None, now: datetime) -> list[Change]:
    """The change that writes the leaf of a certificate."""
    if signed is None:
        return []
    sha256 = hashlib.sha256(signed.encode()).hexdigest()
    return outbox.append_changes(
        tx, [Entry(kind=EntryKind.certificate, occurred_at=now, facts={"sha256": sha256})]
    )


def _certify(
    installation: Installation,
    tx: Transaction,
    erasure: ErasureRecord,
    waits: ErasureWaits,
    now: datetime,
) -> str | None:
    """Reads every place back and signs the result; returns the certificate, or None if the log
    still lacks leaves of the account. BrokenError if something is still there.

    The account is locked, and the erasure and what it ``waits`` for were read under that lock.
    """
    if _awaits_log(installation, tx, erasure):
        return None
    journal = installation.keyring.restrictions
    if journal is not None and erasure.cause in (ErasureCause.deletion, ErasureCause.closure):
        restriction.record_request(
            tx, journal, erasure.account, erasure.conversation, erasure.erasure
        )
    if erasure.cause is ErasureCause.closure:
        _destroy_account_keys(tx, erasure, now)
    leasable: dict[UUID, int] = {}
    rows = certificate.rows_by_release(tx, erasure) if waits.releases else {}
    known = policy_versions.current(tx) if rows else None
    for release, ordinals in rows.items():
        assert known is not None
        leased = live_leases.lease_rows(
            tx, installation.keyring, registry.get(tx, release), ordinals, known, now
        )
        leasable[release] = len(leased)
    places = certificate.read_back(tx, erasure, leasable)
    backups, out_of_reach = _remaining_backups(installation, tx, erasure, now)
    document = certificate.build_document(
        erasure,
        now,
        places,
        _recipient_answers(tx, erasure, now),
        _host_answers(tx, erasure, now),
        backups,
        out_of_reach,
        installation.keyring.random(certificate.SALT_BYTES),
    )
    return sign(document, installation.keyring.log_seed(tx), CERTIFICATE)


def _awaits_log(installation: Installation, tx: Transaction, erasure: ErasureRecord) -> bool:
    """Whether the log still lacks leaves of an account that this erasure closes: their pseudonym
    needs the account's key.
    """
    if erasure.cause is not ErasureCause.closure:
        return False
    seed = installation.keyring.log_seed(tx)

    def reached(year: int) -> int:
        place = documents.place(installation)
        try:
            return PublishedLog(
                place.folder / str(year), place.signer(seed, year).verifier
            ).checkpoint.size
        except NotFoundError:
            return 0

    return sequence.is_awaited(tx, erasure.account, reached)


def _destroy_account_keys(tx: Transaction, erasure: ErasureRecord, now: datetime) -> None:
    """Destroys the account's own keys, unless some of its content is kept, which the certificate
    lists.
    """
    try:
        with tx.transaction():
            key_rotation.destroy_account_keys(tx, erasure.account, now)
    except RefusedError:
        return
    host_events.append(tx, [host_events.account_erased(erasure.account, now, erasure.erasure)])


def _recipient_answers(
    tx: Transaction, erasure: ErasureRecord, now: datetime
) -> list[dict[str, Canonical]]:
    return [
        {
            "recipient": one.recipient,
            "release": one.release,
            "handed": rfc3339(one.handed_at),
            "recalled": rfc3339(one.recalled_at),
            "due": rfc3339(one.due_at),
            "acknowledged": rfc3339(one.acknowledged_at) if one.acknowledged_at else None,
        }
        for one in list_recalls_by_erasure(tx, now, erasure)
    ]


def _host_answers(
    tx: Transaction, erasure: ErasureRecord, now: datetime
) -> list[dict[str, Canonical]]:
    """The hosts that were notified, and their acknowledgements. Missing ones are listed too."""
    return [
        {
            "host": one.endpoint,
            "event": one.event,
            "told": rfc3339(one.told_at),
            "delivered": rfc3339(one.delivered_at) if one.delivered_at else None,
            "due": rfc3339(one.due_at),
            "acknowledged": rfc3339(one.acknowledged_at) if one.acknowledged_at else None,
            "overdue": one.overdue,
        }
        for one in acknowledgements.deliveries_of_erasure(tx, erasure.account, erasure.erasure, now)
    ]


def _remaining_backups(
    installation: Installation, tx: Transaction, erasure: ErasureRecord, now: datetime
) -> tuple[list[dict[str, Canonical]], datetime | None]:
    """The stored backups from before the destruction of the keys, or with database pages, which may
    contain deleted rows; and the latest day on which the last epoch that opens an older copy is
    destroyed.
    """
    rows = tx.execute(
        f"""SELECT o.opened_at, b.backup_id, b.made_at, b.expires_at
              FROM (SELECT {chain.OPENED_SINCE} AS opened_at) o
              LEFT JOIN backups b ON (b.base OR b.made_at <= %(since)s) AND b.pruned_at IS NULL
                AND b.expires_at > %(at)s
             ORDER BY b.made_at""",
        {"since": erasure.shredded_at, "at": now},
    ).fetchall()
    rotated = rows[0][0]
    if rotated is None and erasure.shredded_at is not None:
        rotated = erasure.shredded_at + Rotation.daily.every
    backups: list[dict[str, Canonical]] = [
        {
            "backup": format_id(Prefix.backup, backup),
            "made": rfc3339(made_at),
            "expires": rfc3339(expires_at),
        }
        for _, backup, made_at, expires_at in rows
        if backup is not None
    ]
    return backups, rotated + backup_window(installation) if rotated is not None else None


# Questions


def status(installation: Installation, name: str, *, for_person: bool = False) -> ErasureStatus:
    """The progress of an erasure; NotFoundError for an unknown id.

    ``for_person`` omits secret holds.
    """
    with transaction(installation.pool) as tx:
        return _erasure_status(
            installation, tx, certificate.get(tx, parse(Prefix.erasure, name)), for_person
        )


def list_by_account(
    installation: Installation, account: UUID, *, for_person: bool = False
) -> list[ErasureStatus]:
    """The erasures of one account, oldest first; ``for_person`` as in `status`."""
    with transaction(installation.pool) as tx:
        return [
            _erasure_status(installation, tx, erasure, for_person)
            for erasure in certificate.list_by_account(tx, account)
        ]


def list_page(
    installation: Installation, account: UUID, limit: int, *, before: str = ""
) -> list[ErasureStatus]:
    """The newest ``limit`` erasures of an account requested before ``before``, as its person may
    see them.
    """
    start = parse(Prefix.erasure, before) if before else None
    with transaction(installation.pool) as tx:
        return [
            _erasure_status(installation, tx, one, for_person=True)
            for one in certificate.list_newest(tx, account, limit, before=start)
        ]


def list_unfinished(installation: Installation) -> list[ErasureStatus]:
    with transaction(installation.pool) as tx:
        return [
            _erasure_status(installation, tx, erasure)
            for erasure in certificate.unfinished(tx, LISTED_MAX)
        ]


def count_unlogged(installation: Installation) -> UnloggedErasure:
    """The erasures that wait only for the log; the next sweep after that certifies them."""
    with transaction(installation.pool) as tx:
        return count_unlogged_in(tx)


def count_unlogged_in(tx: Transaction) -> UnloggedErasure:
    """`count_unlogged`, in the caller's transaction."""
    closures, since = certificate.unlogged_closures(tx)
    return UnloggedErasure(closures=closures, since=since)


def certificate_file(installation: Installation, name: str) -> bytes:
    """The certificate file, with its proof once its entry is in the log; RefusedError before it is
    signed.
    """
    with transaction(installation.pool) as tx:
        erasure = certificate.get(tx, parse(Prefix.erasure, name))
        signed = certificate.certificate_of(tx, erasure.erasure)
        if signed is None:
            raise RefusedError(
                f"there is no certificate yet: the erasure is `{erasure.state.value}`",
                "`licet erase status` says what it waits for",
                because="unfinished",
            )
        payload = msgspec.json.encode(
            {"sha256": hashlib.sha256(signed.encode()).hexdigest()}
        ).decode()
        leaf = outbox.find_leaf(tx, EntryKind.certificate, payload)
        seed = installation.keyring.log_seed(tx)
    entry = proof = None
    if leaf is not None:
        place = documents.place(installation)
        log = PublishedLog(place.folder / str(leaf[0]), place.signer(seed, leaf[0]).verifier)
        entry, proof = log.entry_with_proof(leaf[1])
    file: dict[str, Canonical] = {
        "v": FILE_VERSION,
        "certificate": signed,
        "entry": entry,
        "proof": proof,
    }
    return canonical(file) + b"\n"


def certified_places(installation: Installation, name: str) -> tuple[str, ...] | None:
    """The `PlaceOutcome` of each place in the certificate; None before it is signed."""
    with transaction(installation.pool) as tx:
        document = certificate.certificate_of(tx, parse(Prefix.erasure, name))
    if document is None:
        return None
    statement: dict[str, Any] = msgspec.json.decode(jws.decode_unverified(document))
    return tuple(place["done"] for place in statement["places"])


def _erasure_status(
    installation: Installation, tx: Transaction, erasure: ErasureRecord, for_person: bool = False
) -> ErasureStatus:
    at = installation.clock()
    waits = (
        certificate.waits(tx, erasure)
        if erasure.state is not ErasureState.verified
        else ErasureWaits(keys=0, bodies=0, due_at=None, held=False)
    )
    if for_person and waits.held and not certificate.is_under_disclosed_hold(tx, erasure):
        waits = replace(waits, held=False)
    recalls = tuple(list_recalls_by_erasure(tx, at, erasure))
    hosts = tuple(acknowledgements.deliveries_of_erasure(tx, erasure.account, erasure.erasure, at))
    return ErasureStatus(
        erasure=format_id(Prefix.erasure, erasure.erasure),
        account=format_id(Prefix.account, erasure.account),
        conversation=format_id(Prefix.conversation, erasure.conversation)
        if erasure.conversation
        else None,
        cause=erasure.cause,
        state=erasure.state,
        requested_at=erasure.requested_at,
        fenced_at=erasure.fenced_at,
        shredded_at=erasure.shredded_at,
        swept_at=erasure.swept_at,
        verified_at=erasure.verified_at,
        keys_left=waits.keys,
        due_at=waits.due_at,
        held=waits.held,
        waits_for=_waits_for(installation, tx, erasure, waits),
        recalls=recalls,
        hosts=hosts,
        overdue=sum(one.overdue for one in recalls) + sum(one.overdue for one in hosts),
    )


def _waits_for(
    installation: Installation, tx: Transaction, erasure: ErasureRecord, waits: ErasureWaits
) -> WaitsFor | None:
    if erasure.state is ErasureState.verified:
        return None
    if waits.held:
        return WaitsFor.hold
    if waits.due_at is not None and waits.due_at > installation.clock():
        return WaitsFor.period
    if erasure.state is ErasureState.swept and _awaits_log(installation, tx, erasure):
        return WaitsFor.log
    return WaitsFor.sweep


# Recipients

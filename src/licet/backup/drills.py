"""Backup drills: restore the newest backup into a scratch folder and verify it, without touching
data in use.

A drill takes these steps, and records its outcome:

1. prove the backup and its files (`archives.verify`)
2. restore it into a separate database server without network, in a folder of mode 0700 below the
   data folder: a dump into an empty database, a base backup with its WAL to the end
3. bring its schema up to date, and prove in it that every turn has its segment, no turn outlives
   its key, every kept segment is registered, every account's keys are under its bucket's and those
   under an epoch that the key provider has, and that the published log extends its log
4. stop the server and remove the folder

No content is opened, no event is sent, nothing is logged and no withdrawal is reapplied (only
`archives.restore` does). A killed drill leaves no record, and a folder that the next one removes.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import msgspec

from licet.backup import archives, backup_manifest, base_backup, base_recovery, dump, wal_seals
from licet.backup.backup_manifest import BASE, DUMP, MANIFEST, BackupForm, BackupManifest
from licet.errors import BrokenError, BusyError, LicetError, NotFoundError, RefusedError
from licet.keys.keyring import Keyring
from licet.ledger import forward, sequence
from licet.ledger.publication import PublishedLog
from licet.proof import documents
from licet.store import embedded
from licet.store.connect import Transaction, open_pool, transaction
from licet.store.files import make_folder
from licet.store.migrate import migrate
from licet.vault import account_view, expiry, integrity
from licet.vault.ids import Prefix, format_id, parse, uuid7
from licet.vault.installation import Installation

SCRATCH, LOCK = "drill", "drill.lock"
ACCOUNTS_MAX = 10_000  # unwrapped per batch
BACKUPS_MAX = 1_000
UNSYNCED = embedded.Options(durable=False)  # files of a crashed drill are removed


class DrillOutcome(StrEnum):
    """The outcome of a drill."""

    proved = "proved"
    failed = "failed"


class DrillResult(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded drill. ``failure`` is its reason, else "". ``accounts``, ``segments`` and
    ``entries`` count those of the restored database, ``keys`` the accounts with unwrapped keys.
    """

    backup: str
    drilled_at: datetime
    drilled_by: str
    outcome: DrillOutcome
    failure: str
    accounts: int = 0
    segments: int = 0
    keys: int = 0
    entries: int = 0


class _DatabaseCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts in the restored database."""

    accounts: int
    segments: int
    keys: int
    entries: int


def drill(installation: Installation, folder: Path | None = None, *, by: str) -> DrillResult:
    """Restores a backup into a scratch folder, proves it, and records the result. The backup is the
    one in ``folder``, the newest below it, or without a folder the newest registered. NotFoundError
    without a backup, BusyError while another drill runs; neither is recorded.
    """
    source = choose_backup(installation, folder)
    with _lock_scratch(installation) as scratch:
        try:
            backup = backup_manifest.read_manifest(source).backup
            counts = _restore_and_examine(installation, source, scratch)
            result = DrillResult(
                backup=backup,
                drilled_at=installation.clock(),
                drilled_by=by,
                outcome=DrillOutcome.proved,
                failure="",
                **msgspec.structs.asdict(counts),
            )
        except BusyError:
            raise
        except LicetError as error:
            if isinstance(error, RefusedError) and error.because == "own_server":
                raise
            result = DrillResult(
                backup=_backup_id(installation, source),
                drilled_at=installation.clock(),
                drilled_by=by,
                outcome=DrillOutcome.failed,
                failure=error.message,
            )
        _record(installation, result)
    return result


def choose_backup(installation: Installation, folder: Path | None) -> Path:
    """Returns the folder of the backup to restore; NotFoundError if there is none."""
    if folder is not None and (folder / MANIFEST).is_file():
        return folder
    if folder is not None:
        folders = [
            backup.folder
            for backup in archives.list_backups(installation, folder)
            if backup.whole and not backup.expired
        ]
        if not folders:
            raise NotFoundError(
                f"no unexpired backup below `{folder}`", "make one: `licet backup make`"
            )
        return folders[-1]
    now = installation.clock()
    for registered in archives.list_registered(installation, BACKUPS_MAX):
        if (
            registered.folder is not None
            and registered.pruned_at is None
            and registered.expires_at > now
        ):
            return registered.folder
    raise NotFoundError(
        "no unexpired backup is registered",
        "make one: `licet backup make`, or name a folder",
    )


def list_newest(installation: Installation, limit: int) -> list[DrillResult]:
    with transaction(installation.pool) as tx:
        rows = tx.execute(
            """SELECT backup_id, drilled_at, drilled_by, outcome, said, accounts, segments, keys,
                entries FROM drills
                ORDER BY drilled_at DESC, drill_id DESC LIMIT %s""",
            [limit],
        ).fetchall()
    return [
        DrillResult(
            backup=format_id(Prefix.backup, backup),
            drilled_at=at,
            drilled_by=by,
            outcome=DrillOutcome(outcome),
            failure=result,
            accounts=accounts,
            segments=segments,
            keys=keys,
            entries=entries,
        )
        for backup, at, by, outcome, result, accounts, segments, keys, entries in rows
    ]


def due_at(installation: Installation) -> datetime | None:
    """Returns when the next drill is due: the configured interval after the last proved one, else
    after the first backup; None without backups.
    """
    with transaction(installation.pool) as tx:
        row = tx.execute(
            """SELECT coalesce((SELECT max(drilled_at) FROM drills WHERE outcome = 'proved'),
                               (SELECT min(made_at) FROM backups))"""
        ).fetchone()
    since: datetime | None = row[0] if row is not None else None
    return (
        since + timedelta(days=installation.config.key_chain.drill_days)
        if since is not None
        else None
    )


# One drill


@contextmanager
def _lock_scratch(installation: Installation) -> Iterator[Path]:
    """Yields an empty scratch folder, under the lock for a single drill."""
    make_folder(installation.config.data, 0o700)
    scratch = installation.config.data / SCRATCH
    lock = os.open(installation.config.data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not embedded.try_flock(lock, fcntl.LOCK_EX):
            raise BusyError("another drill is running", "wait until it has ended")
        _clear_leftovers(scratch)
        make_folder(scratch, 0o700)
        try:
            yield scratch
        finally:
            _clear_leftovers(scratch)
    finally:
        os.close(lock)


def _clear_leftovers(scratch: Path) -> None:
    """Stops the server that a killed drill left running, and removes its files."""
    if scratch.is_dir():
        embedded.stop(scratch)
        base_recovery.clear_leftovers(scratch)
        shutil.rmtree(scratch)


def _restore_and_examine(
    installation: Installation, source: Path, scratch: Path
) -> _DatabaseCounts:
    manifest = archives.verify(installation.config, source)
    counts: list[_DatabaseCounts] = []

    def examine(dsn: str) -> None:
        counts.append(_examine_database(installation, dsn))

    if manifest.form is BackupForm.dump:
        with embedded.running(scratch, UNSYNCED) as dsn:
            dump.restore_rows(dsn, source / DUMP, manifest.schema)
            examine(dsn)
    else:
        _recover(installation, source, manifest, scratch, examine)
    return counts[0]


def _recover(
    installation: Installation,
    source: Path,
    manifest: BackupManifest,
    scratch: Path,
    examine: Callable[[str], None],
) -> None:
    """Recovers a base backup in the scratch folder; RefusedError if it is of the operator's own
    server.
    """
    archives.refuse_own_server(installation.config, source)
    _, made = backup_manifest.verify_mac(installation.keyring, source)
    archive = backup_manifest.archive_of(source, manifest)

    def check_copied(copied: Path) -> None:
        backup_manifest.check_copy(manifest, copied)
        base_backup.check(copied)

    def copy_wal(target: Path) -> None:
        if archive is not None:
            wal_seals.copy(archive, made, manifest.begins, target)

    # The recovered server gets a new password: it is reached by its socket alone, and then removed.
    password = scratch / "password"
    password.touch(0o600)
    password.write_text(f"*:*:*:*:{secrets.token_urlsafe(32)}\n")
    with base_recovery.begin_recovery(scratch) as recovery:
        recovery.recover(
            source / BASE, check_copied, copy_wal if archive is not None else None, None, examine
        )


def _examine_database(installation: Installation, dsn: str) -> _DatabaseCounts:
    """Step 3, on a restored database."""
    with open_pool(dsn, 1) as pool:
        with pool.connection() as conn:
            migrate(conn)
        # A base backup may have been taken behind a fence, which a drill does not lift.
        keyring = Keyring(
            installation.keyring.provider,
            installation.keyring.random,
            behind_fence=True,
            cold=installation.keyring.cold,
        )
        with transaction(pool) as tx:
            for count, name in (
                (integrity.blocks_without_segment, "blocks without a segment"),
                (integrity.blocks_without_key, "sealed blocks whose key is destroyed"),
                (
                    integrity.segments_unregistered,
                    "kept segments that are missing in the register of copies",
                ),
            ):
                if leftover := count(tx):
                    raise BrokenError(f"the restored database has `{leftover:,}` {name}")
            accounts, keys = _count_keys(tx, keyring)
            return _DatabaseCounts(
                accounts=accounts,
                segments=expiry.kept_count(tx),
                keys=keys,
                entries=_count_entries(installation, tx, keyring),
            )


def _count_keys(tx: Transaction, keyring: Keyring) -> tuple[int, int]:
    """Counts the accounts, and those with keys, after unwrapping the keys."""
    accounts = keys = 0
    after = UUID(int=0)
    while some := account_view.account_ids_after(tx, after, ACCOUNTS_MAX):
        keys += len(keyring.account_keys(tx, some))
        accounts, after = accounts + len(some), some[-1]
    return accounts, keys


def _count_entries(installation: Installation, tx: Transaction, keyring: Keyring) -> int:
    """Counts the database's log entries, after checking that each published log extends them."""
    place, seed = documents.place(installation), keyring.log_seed(tx)
    known = sequence.standings(tx)
    for standing in known:
        if standing.size:
            log = PublishedLog(
                place.folder / str(standing.year), place.signer(seed, standing.year).verifier
            )
            forward.check_beginning(log, standing)
    return sum(standing.size for standing in known)


def _backup_id(installation: Installation, source: Path) -> str:
    """Returns the id of the backup in a folder, by the register first: its manifest may be
    damaged.
    """
    folder = source.absolute()
    for backup in archives.list_registered(installation, BACKUPS_MAX):
        if backup.folder == folder:
            return backup.backup
    return backup_manifest.read_manifest(source).backup


def _record(installation: Installation, result: DrillResult) -> None:
    with transaction(installation.pool) as tx:
        tx.execute(
            """INSERT INTO drills (drill_id, backup_id, drilled_at, drilled_by, outcome, said,
                                   accounts, segments, keys,
                                   entries)
               SELECT %s, backup_id, %s, %s, %s, %s, %s, %s, %s, %s FROM backups
                 WHERE backup_id = %s""",
            [
                uuid7(result.drilled_at, installation.keyring.random(10)),
                result.drilled_at,
                result.drilled_by,
                result.outcome.value,
                result.failure,
                result.accounts,
                result.segments,
                result.keys,
                result.entries,
                parse(Prefix.backup, result.backup),
            ],
        )

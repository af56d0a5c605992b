"""Backups, and a restore that reapplies every withdrawal and deletion made since the backup.

A backup is a folder with a dump of the database or a base backup of its server, and a manifest that
describes it. With the WAL archived since (`wal_receiver`), a base backup can be restored to any
later moment. A backup contains sealed content and wrapped keys, but not the epoch keys (the key
folder, stored apart), the log, or the restriction journal (the file of withdrawals and deletions
outside the database); copy these elsewhere as they grow. Each backup is registered in the database
and in the journal before it is taken, with its expiry: a certificate of erasure names the backups
that may still contain the erased data.

A restore takes these steps. After a crash at any point, run the same command again:

1. prove that the backup is this installation's and unchanged (`backup_manifest`), and copy it to a
   folder that nobody else can write to
2. take every lock that a running server would hold; if one is held, refuse before anything is
   changed
3. raise the fence, which refuses every request, in a separate transaction and in a table that no
   backup contains; check that the backup's journal, log and keys are those of this installation
4. replace the database with the dump, in one transaction; or the cluster with the base backup,
   which was recovered beside it and contains the fence before it takes the cluster's name
   (`base_recovery`)
5. in one transaction, behind the fence: apply every restriction that the journal or the log has and
   the backup lacks, at the time at which it was made (`log_union`); bring the database up to the
   log, with an entry `restored`; end all sessions
6. lower the fence

The journal must be the one recorded in the backup, the present database and the log, with no later
record missing or changed, and the log must extend the backup's: both are checked in step 3, so that
a refusal changes nothing. An unexplained log entry is found only in step 5, and leaves the fence
up. `RestoreFinish.narrow` finishes either: the journal's chain restarts, and whatever cannot be
matched counts as withdrawn.

Between 3 and 6 nothing is read, leased, built or written. A database restored by other means is
refused wherever it is opened, until steps 2, 3, 5 and 6 are done (`restore` without a backup).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import assert_never
from uuid import UUID

import msgspec
import psycopg

from licet.backup import (
    backup_manifest,
    base_backup,
    base_recovery,
    dump,
    wal_archive,
    wal_receiver,
    wal_seals,
)
from licet.backup.backup_manifest import (
    ARCHIVES,
    BASE,
    DUMP,
    MANIFEST,
    VERSION,
    BackupForm,
    BackupManifest,
    KeptBackup,
    LoggedState,
)
from licet.backup.bring_forward import (
    FINISH_WITHOUT,
    RestoreResult,
    accepted_head,
    bring_forward,
    journal_of,
    list_lacking,
    log_seed,
)
from licet.backup.log_union import RestoreFinish
from licet.clock import Clock, utc_now
from licet.config import Configuration
from licet.erasure import sweeper
from licet.erasure.epochs import backup_window
from licet.errors import BusyError, ContradictedError, RefusedError, UsageError
from licet.keys import fence, journal_heads, journal_mend
from licet.keys.chain import bucket_epochs
from licet.keys.journal_frames import JournalMisfit, journal_key, misfit_error
from licet.keys.keyring import EPOCHS_LOCK, Keyring
from licet.keys.providers import provider
from licet.keys.restriction_journal import Restriction, RestrictionKind
from licet.ledger import forward, sequence
from licet.ledger.sequence import SEQUENCER_LOCK
from licet.ledger.storage import Durable, Folder
from licet.policy.period import rfc3339
from licet.proof import documents
from licet.store import bucket as buckets
from licet.store import embedded
from licet.store.connect import (
    Transaction,
    join_transaction,
    open_pool,
    retrying,
    transaction,
    translate_errors,
)
from licet.store.files import make_folder
from licet.store.migrate import migrate, migrations
from licet.vault import (
    journal_evidence,
    journal_state,
    restriction,
)
from licet.vault.ids import Prefix, format_id, parse, uuid7
from licet.vault.installation import (
    Installation,
    is_initialised,
    open_installation,
    require_initialised,
)
from licet.vault.journal_state import JournalState

BACKUPS_MAX = 10_000


class RestoreForecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore would do. ``life`` is that of the database to replace, if any; ``since``
    counts the restrictions to reapply, by kind. ``unfit`` describes damage in the journal, which
    needs `RestoreFinish.narrow`.
    """

    backup: str | None
    form: BackupForm | None
    made_at: datetime | None
    life: int | None
    since: dict[str, int]
    unfit: tuple[str, ...] = ()


def back_up(
    installation: Installation, target: Path, form: BackupForm = BackupForm.dump
) -> KeptBackup:
    """Takes a backup into a new folder below ``target``; it is complete on return."""
    now = installation.clock()
    if form is BackupForm.base:
        with transaction(installation.pool) as tx:
            base_backup.may_replicate(tx)
    make_folder(target, 0o700)
    with _lock_folder(target, fcntl.LOCK_SH):
        backup = uuid7(now, installation.keyring.random(10))
        until = now + backup_window(installation)
        folder = target / f"{now:%Y%m%dT%H%M%SZ}-{backup.hex[-8:]}"
        manifest = _register(installation, form, backup, now, until, folder)
        make_folder(folder, 0o700)
        match form:
            case BackupForm.dump:
                dump.dump_database(_dsn(installation.config), folder / DUMP)
            case BackupForm.base:
                base_backup.take_base_backup(_dsn(installation.config), folder / BASE)
                manifest = msgspec.structs.replace(
                    manifest,
                    begins=base_backup.wal_beginning(folder / BASE).segment,
                    ended_at=_server_time(installation),
                )
            case _:
                assert_never(form)
        size, digest = backup_manifest.digest_of(
            folder / (DUMP if form is BackupForm.dump else BASE)
        )
        manifest = msgspec.structs.replace(manifest, size=size, sha256=digest)
        with transaction(installation.pool) as tx:
            seed = installation.keyring.log_seed(tx)
        Durable(Folder(folder)).write({MANIFEST: backup_manifest.write(manifest, seed)})
    return backup_manifest.inspect(folder, now, {})


def _server_time(installation: Installation) -> datetime | None:
    with transaction(installation.pool) as tx:
        row = tx.execute("SELECT clock_timestamp()").fetchone()
    return row[0] if row is not None else None


@contextmanager
def _lock_folder(target: Path, mode: int) -> Iterator[None]:
    """Locks the folder: backups may run concurrently, but not with pruning."""
    folder = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise BusyError(
            f"another backup or prune is running in `{target}`", "try again when it has ended"
        ) from None
    try:
        yield
    finally:
        os.close(folder)


def _register(
    installation: Installation,
    form: BackupForm,
    backup: UUID,
    now: datetime,
    until: datetime,
    folder: Path,
) -> BackupManifest:
    """Registers the backup before it is taken, so that it has the state of that time or later."""
    journal = journal_of(installation)
    with transaction(installation.pool) as tx:
        fence.check(tx)
        is_base = form is BackupForm.base
        tx.execute(
            "INSERT INTO backups (backup_id, made_at, expires_at, base, folder) VALUES (%s, "
            "%s, %s, %s, %s)",
            [backup, now, until, is_base, os.fspath(folder.absolute())],
        )
        archive = wal_receiver.slot(tx, journal) if is_base else None
        life = fence.current_life(tx)
        record = Restriction(
            life=life, kind=RestrictionKind.backup, at=now, backup=backup, until=until, base=is_base
        )
        restriction.record_on_commit(tx, journal, [record])
    with transaction(
        installation.pool
    ) as tx:  # after the journal's record: the backup has the journal's head
        journal_evidence.log_head(tx, journal, head := journal.durable, now)
        logs = sequence.standings(tx)
        epochs, proof = bucket_epochs(tx), installation.keyring.wrapped_log_seed(tx)
    return BackupManifest(
        v=VERSION,
        form=form,
        backup=format_id(Prefix.backup, backup),
        made_at=now,
        expires_at=until,
        schema=migrations()[-1].number,
        life=life,
        journal=journal.id,
        head=head.number,
        chain=head.chain.hex(),
        epochs=epochs,
        proof=proof,
        size=0,
        sha256="",
        archive=archive or "",
        logs=tuple(
            LoggedState(
                year=log.year,
                origin=log.origin,
                decided=log.decided,
                root=log.root.hex(),
                size=log.size,
                digest=log.digest.hex(),
            )
            for log in logs
        ),
    )


def list_backups(installation: Installation, target: Path) -> list[KeptBackup]:
    """Lists the backups below ``target``, oldest first, including unfinished ones."""
    if not target.is_dir():
        raise UsageError(
            f"`{target}` is not a folder", "name the folder that the backups were written to"
        )
    backups = sorted(
        path
        for path in target.iterdir()
        if any((path / name).exists() for name in (MANIFEST, DUMP, BASE))
    )
    with transaction(installation.pool) as tx:
        days = {
            format_id(Prefix.backup, backup_id): day
            for backup_id, day in tx.execute("SELECT backup_id, expires_at FROM backups")
        }
    return [
        backup_manifest.inspect(path, installation.clock(), days) for path in backups[:BACKUPS_MAX]
    ]


def _list_undamaged(installation: Installation, target: Path) -> list[KeptBackup]:
    """Like `list_backups`; ContradictedError for a damaged one, whose expiry and WAL are
    unknown.
    """
    backups = list_backups(installation, target)
    for backup in backups:
        if backup.damage:
            raise ContradictedError(
                f"{backup.damage}; nothing is removed beside it",
                f"move `{backup.folder}` away, then repeat the command",
            )
    return backups


class RegisteredBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A registered backup. ``base``: of the whole server. ``folder`` is None if only the
    restriction journal has the backup.
    """

    backup: str
    made_at: datetime
    expires_at: datetime
    pruned_at: datetime | None
    base: bool
    folder: Path | None


def list_registered(
    installation: Installation, limit: int, tx: Transaction | None = None
) -> list[RegisteredBackup]:
    """Lists the newest ``limit`` registered backups, including pruned ones."""
    with join_transaction(installation.pool, tx) as own:
        rows = own.execute(
            """SELECT backup_id, made_at, expires_at, pruned_at, base, folder FROM backups
                ORDER BY made_at DESC LIMIT %s""",
            [limit],
        ).fetchall()
    return [
        RegisteredBackup(
            backup=format_id(Prefix.backup, backup),
            made_at=made_at,
            expires_at=expires_at,
            pruned_at=pruned_at,
            base=base,
            folder=Path(folder) if folder is not None else None,
        )
        for backup, made_at, expires_at, pruned_at, base, folder in rows
    ]


class PrunedBackups(msgspec.Struct, frozen=True, kw_only=True):
    """The removed backups, and the number of removed WAL segments."""

    backups: tuple[KeptBackup, ...]
    segments: int


def prune(installation: Installation, target: Path, *, dry_run: bool = False) -> PrunedBackups:
    """Removes expired and unfinished backups, and the WAL that only they needed.

    A dry run returns the same and removes nothing.
    """
    backups = _list_undamaged(installation, target)
    with _lock_folder(target, fcntl.LOCK_EX):
        spent = [backup for backup in backups if backup.expired or not backup.whole]
        if dry_run:
            unneeded = sum(len(gone) for _, gone, _ in _unneeded_wal(installation, target))
            return PrunedBackups(backups=tuple(spent), segments=unneeded)
        for backup in spent:
            shutil.rmtree(backup.folder)
            if backup.backup:
                with transaction(installation.pool) as tx:
                    tx.execute(
                        "UPDATE backups SET pruned_at = %s WHERE backup_id = %s AND "
                        "pruned_at IS NULL",
                        [installation.clock(), parse(Prefix.backup, backup.backup)],
                    )
        return PrunedBackups(backups=tuple(spent), segments=_prune_wal(installation, target))


def prune_wal(installation: Installation, target: Path) -> int:
    """Removes the WAL below ``target`` that no unexpired base backup needs; returns the number of
    segments. Removes nothing while a backup is being taken.
    """
    try:
        with _lock_folder(target, fcntl.LOCK_EX):
            return _prune_wal(installation, target)
    except BusyError:
        return 0


def _prune_wal(installation: Installation, target: Path) -> int:
    removed = 0
    for archive, gone, is_over in _unneeded_wal(installation, target):
        for path in gone:
            wal_seals.remove(path)
        removed += len(gone)
        if is_over:
            shutil.rmtree(archive)
    return removed


def _unneeded_wal(
    installation: Installation, target: Path
) -> Iterator[tuple[Path, list[Path], bool]]:
    """Yields each archive below ``target``, its segments that no unexpired base backup needs, and
    whether the whole archive is unneeded.

    A segment is needed by the unexpired base backups begun before it, so it is kept no longer than
    the backup window.
    """
    bases = [
        backup_manifest.read_manifest(backup.folder)
        for backup in _list_undamaged(installation, target)
        if backup.form is BackupForm.base and backup.whole and not backup.expired
    ]
    with transaction(installation.pool) as tx:
        current = wal_receiver.slot(tx, journal_of(installation))
    for archive in sorted(
        (target / ARCHIVES).glob(f"{wal_receiver.prefix(journal_of(installation))}*")
    ):
        oldest = min(
            (manifest.begins for manifest in bases if manifest.archive == archive.name),
            key=lambda n: n[8:],
            default=None,
        )
        is_over = oldest is None and archive.name != current
        yield (
            archive,
            wal_archive.list_segments(archive)
            if is_over
            else wal_archive.list_unneeded(archive, oldest),
            is_over,
        )


def verify(config: Configuration, folder: Path, until: datetime | None = None) -> BackupManifest:
    """Proves that a backup is complete and readable, with the key provider and no database; returns
    its manifest.
    """
    return backup_manifest.verify(_keyring(config), folder, until)


def _keyring(config: Configuration) -> Keyring:
    return Keyring(provider(config))


def restore(
    config: Configuration,
    source: Path | None,
    clock: Clock = utc_now,
    until: datetime | None = None,
    finish: RestoreFinish | None = None,
) -> RestoreResult:
    """Restores the backup in ``source``. If ``source`` is None, brings the present database up to
    date instead.

    A base backup is restored with all the WAL archived since, or to the moment ``until``, by the
    server's clock. With ``finish`` a damaged journal and unexplained log entries are accepted.
    RefusedError, with nothing changed, if the backup is another installation's or its keys are
    destroyed; ContradictedError if it was changed; BusyError if a server is running.
    """
    manifest = (
        backup_manifest.verify_mac(_keyring(config), source)[0] if source is not None else None
    )
    _check_until(manifest, until)
    set_aside: tuple[str, ...] = ()
    if finish is RestoreFinish.narrow:
        set_aside = journal_mend.mend(
            buckets.open_bucket(config.store) or config.journal,
            manifest.journal if manifest is not None else None,
        )
    if source is not None and manifest is not None and manifest.form is BackupForm.base:
        done = _restore_base(config, source, clock, until, finish)
    else:
        with open_installation(config, clock, upgrade=True, behind_fence=True) as opened:
            done = restore_dump(opened, source, finish)
    return msgspec.structs.replace(done, set_aside=set_aside)


def forecast(
    config: Configuration,
    source: Path | None,
    clock: Clock = utc_now,
    until: datetime | None = None,
    finish: RestoreFinish | None = None,
) -> RestoreForecast:
    """Returns what `restore` would do, and raises its refusals; changes nothing. Proves the whole
    backup with the WAL that would be replayed.
    """
    manifest = verify(config, source, until) if source is not None else None
    _check_until(manifest, until)
    if source is not None and manifest is not None and manifest.form is BackupForm.base:
        refuse_own_server(config, source)
    if source is None:
        require_initialised(config)
    if not is_initialised(config):
        return _forecast(manifest, None, ())
    with (
        open_installation(config, clock, behind_fence=True) as opened,
        _lock_installation(opened),
        transaction(opened.pool) as tx,
    ):
        _refuse_other_journal(opened, tx, manifest, finish)
        life, remembered = (
            fence.current_life(tx),
            journal_heads.load_head(tx, journal_of(opened).id),
        )
        walk = journal_of(opened).walk(remembered, accepted_head(opened, tx, manifest))
        if manifest is None:
            return _forecast(
                None, life, list_lacking(tx, journal_of(opened), life, walk), walk.finish()
            )
        begun, lives = manifest.made_at, manifest.life
        records = [numbered.record for numbered in journal_of(opened).survey(walk)]
        since = [
            kept
            for kept in records
            if kept.at > begun and kept.life >= lives and kept.kind is not RestrictionKind.life
        ]
        return _forecast(manifest, life, since, walk.finish())


def _forecast(
    manifest: BackupManifest | None,
    life: int | None,
    since: Sequence[Restriction],
    unfit: Sequence[JournalMisfit] = (),
) -> RestoreForecast:
    return RestoreForecast(
        backup=manifest.backup if manifest else None,
        form=manifest.form if manifest else None,
        made_at=manifest.made_at if manifest else None,
        life=life,
        since=dict(sorted(Counter(restriction_.kind.value for restriction_ in since).items())),
        unfit=tuple(map(str, unfit)),
    )


def _check_until(manifest: BackupManifest | None, until: datetime | None) -> None:
    """UsageError if the backup cannot be restored to the moment ``until``."""
    if until is None:
        return
    if manifest is None or manifest.form is not BackupForm.base:
        raise UsageError(
            "--until needs a base backup",
            "a dump is of one moment only; `licet backup list` shows which is which",
        )
    if manifest.ended_at is not None and until < manifest.ended_at:
        raise UsageError(
            f"the base backup ended at {rfc3339(manifest.ended_at)}, after the moment of --until",
            "use an older base backup",
        )


def restore_dump(
    installation: Installation, source: Path | None, finish: RestoreFinish | None = None
) -> RestoreResult:
    """`restore` of a dump or of no backup, for an installation opened behind its fence."""
    if source is None:
        with _lock_installation(installation):
            _raise_fence(installation, None, finish)
            return _complete(installation, None, finish)
    with _proved_copy(installation, source) as (manifest, dumped), _lock_installation(installation):
        _raise_fence(installation, manifest, finish)
        # A server reads sessions, keys and rates behind the fence too, and may win a deadlock once.
        retrying(lambda: dump.restore_rows(_dsn(installation.config), dumped, manifest.schema))
        with installation.pool.connection() as conn:
            migrate(conn)
        return _complete(installation, manifest, finish)


@contextmanager
def _proved_copy(installation: Installation, source: Path) -> Iterator[tuple[BackupManifest, Path]]:
    """Copies a dump to a private folder and proves the copy, which is restored whatever happens to
    ``source``.
    """
    manifest, _ = backup_manifest.verify_mac(installation.keyring, source)
    make_folder(installation.config.data, 0o700)
    with tempfile.TemporaryDirectory(prefix="restoring-", dir=installation.config.data) as folder:
        dumped = Path(folder) / DUMP
        with suppress(FileNotFoundError):
            shutil.copyfile(source / DUMP, dumped)
        backup_manifest.check_copy(manifest, dumped)
        dump.check(dumped)
        yield manifest, dumped


@contextmanager
def _lock_installation(installation: Installation) -> Iterator[None]:
    """Holds every lock that a restore needs, on a separate connection, so that no server appends to
    the log, sweeps or rotates meanwhile; BusyError if one does.
    """
    with translate_errors(), installation.pool.connection() as conn:
        try:
            for lock, holder in (
                (SEQUENCER_LOCK, "is adding entries to the log"),
                (sweeper.SWEEPS_LOCK, "sweeps"),
            ):
                row = conn.execute("SELECT pg_try_advisory_lock(%s)", [lock]).fetchone()
                conn.commit()
                if row != (True,):
                    raise BusyError(
                        f"another program {holder}; nothing was changed",
                        "stop `licet serve` and any other Licet program, then try again",
                    )
            yield
        finally:
            with suppress(psycopg.Error):  # a broken connection has released its locks
                conn.rollback()
                conn.execute("SELECT pg_advisory_unlock_all()")
                conn.commit()


def _restore_base(
    config: Configuration,
    source: Path,
    clock: Clock,
    until: datetime | None,
    finish: RestoreFinish | None,
) -> RestoreResult:
    """Raises the fence in the cluster in use, then in the recovered one, which then replaces it."""
    manifest, made = backup_manifest.verify_mac(_keyring(config), source)
    refuse_own_server(config, source)
    archive = backup_manifest.archive_of(source, manifest)

    def check_copied(copied: Path) -> None:
        backup_manifest.check_copy(manifest, copied)
        base_backup.check(copied)

    def copy_wal(target: Path) -> None:
        if archive is not None:
            wal_seals.copy(archive, made, manifest.begins, target)
            if until is None:
                wal_archive.check(target, base_backup.wal_beginning(source / BASE))

    with base_recovery.begin_recovery(config.data / "postgres") as recovery:
        with (
            open_installation(config, clock, upgrade=True, behind_fence=True) as opened,
            _lock_installation(opened),
        ):
            was_up = _raise_fence(opened, manifest, finish)
            try:
                recovery.recover(
                    source / BASE,
                    check_copied,
                    copy_wal if archive is not None else None,
                    until,
                    lambda dsn: _fence_restored(dsn, clock()),
                )
            except BaseException:
                if not was_up:  # nothing was changed
                    with transaction(opened.pool) as tx:
                        fence.lift_fence(tx)
                raise
        recovery.put_in_place()
    with (
        open_installation(config, clock, upgrade=True, behind_fence=True) as opened,
        _lock_installation(opened),
    ):
        _raise_fence(opened, manifest, finish)
        return _complete(opened, manifest, finish)


def refuse_own_server(config: Configuration, source: Path) -> None:
    """Raises RefusedError for a base backup of the operator's own server."""
    if config.database_url or not (source / BASE / "licet.conf").is_file():
        raise RefusedError(
            "a base backup of your own server is restored with that server's tools",
            "restore it as docs/backup.md describes, then run `licet restore --here`",
            because="own_server",
        )


def _fence_restored(dsn: str, now: datetime) -> None:
    with open_pool(dsn, 1) as pool, transaction(pool) as tx:
        fence.raise_fence(tx, now)


def _raise_fence(
    installation: Installation, manifest: BackupManifest | None, finish: RestoreFinish | None
) -> bool:
    """Raises the fence; returns whether it was up already. After a later failure it stays up,
    unless nothing was changed.
    """
    with transaction(installation.pool) as tx:
        # Destroying an epoch takes this lock and then checks the fence: keys present now stay until
        # it is lowered.
        tx.execute("SELECT pg_advisory_xact_lock(%s)", [EPOCHS_LOCK])
        was_up = fence.is_standing(tx)
        fence.raise_fence(tx, installation.clock())
        check_restorable(installation, tx, manifest, finish)
    try:
        with transaction(installation.pool) as tx:
            fence.wait_for_readers(tx)
    except BusyError:
        if not was_up:
            with transaction(installation.pool) as tx:
                fence.lift_fence(tx)
        raise
    return was_up


def _complete(
    installation: Installation, manifest: BackupManifest | None, finish: RestoreFinish | None
) -> RestoreResult:
    with transaction(installation.pool) as tx:
        restored = bring_forward(installation, tx, manifest, finish)
    with transaction(installation.pool) as tx:
        fence.lift_fence(tx)
    return restored


def check_restorable(
    installation: Installation,
    tx: Transaction,
    manifest: BackupManifest | None,
    finish: RestoreFinish | None,
) -> None:
    """Refuses, before any change, another journal's backup, a damaged journal, and a log that does
    not extend the backup's. ``finish`` accepts the last two.
    """
    _refuse_other_journal(installation, tx, manifest, finish)
    if finish is None:
        _refuse_unfit(installation, tx, manifest)


def _refuse_other_journal(
    installation: Installation,
    tx: Transaction,
    manifest: BackupManifest | None,
    finish: RestoreFinish | None,
) -> None:
    """Raises RefusedError if the backup, or without one the database, belongs to another
    restriction journal.
    """
    journal_of(installation).unlock(journal_key(log_seed(installation, tx, manifest)))
    if manifest is not None:
        _refuse_foreign(installation, manifest, finish)
    elif (
        finish is None
        and journal_state.state_of(tx, journal_of(installation), installation.clock())
        is JournalState.foreign
    ):
        raise RefusedError(
            "the database belongs to another restriction journal",
            f"set LICET_RESTRICTIONS to the folder of its journal; {FINISH_WITHOUT}",
            because="other_journal",
        )


def _refuse_foreign(
    installation: Installation, manifest: BackupManifest, finish: RestoreFinish | None
) -> None:
    if finish is None and manifest.journal != journal_of(installation).id:
        raise RefusedError(
            "the backup belongs to another restriction journal than the configured one",
            "only its own journal has the later withdrawals and deletions: set LICET_RESTRICTIONS "
            "to its folder; "
            f"{FINISH_WITHOUT}",
            because="other_journal",
        )
    if manifest.schema > migrations()[-1].number:
        raise RefusedError(
            "the backup was made by a newer version of licet",
            "install that version of licet",
            because="newer",
        )


def _refuse_unfit(
    installation: Installation, tx: Transaction, manifest: BackupManifest | None
) -> None:
    """Raises BrokenError for a damaged journal, and for a log that does not extend the backup's."""
    journal = journal_of(installation)
    if misfits := journal.find_misfits(
        journal_heads.load_head(tx, journal.id), accepted_head(installation, tx, manifest)
    ):
        raise misfit_error(misfits)
    if manifest is not None:
        place, seed = documents.place(installation), log_seed(installation, tx, manifest)
        for stood in manifest.logs:
            forward.check_log(place, seed, stood.standing(manifest.made_at))


def _dsn(config: Configuration) -> str:
    return config.database_url or embedded.revive(config.data / "postgres")

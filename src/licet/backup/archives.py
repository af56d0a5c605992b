"""Backups, and a restore that applies every withdrawal and deletion made since the backup.

A backup is a folder with a dump of the database or a base backup of its server, and a manifest that describes it. With
the WAL that was archived since (`wal_receiver`), a base backup can be restored to any moment after it. A backup
contains sealed content and wrapped keys. It does not contain the epoch keys (the key folder, stored apart), the log, or
the restriction journal (the file of withdrawals and deletions outside the database); copy these elsewhere as they grow.
Each backup is registered in the database and in the journal before it is taken, with the day on which it expires: a
certificate of erasure names the backups that may still hold what was erased.

A restore takes these steps. If it is killed at any point, run the same command again:

    1. prove that the backup is this installation's and unchanged (`backup_manifest`), and copy it to a folder that
       nobody else can write to
    2. take every lock that a running server would hold; if one is held, refuse before anything is changed
    3. raise the fence, which refuses every request, in a transaction of its own and in a table that no backup contains;
       check that the backup's journal, log and keys are those of this installation
    4. replace the database with the dump, in one transaction; or the cluster with the base backup, which was recovered
       beside it and contains the fence before it takes the cluster's name (`base_recovery`)
    5. in one transaction, behind the fence: apply every restriction that the backup lacks, at the time at which it was
       made; bring the database up to the log, with an entry `restored`; end all sessions
    6. lower the fence

Between 3 and 6 nothing is read, leased, built or written. A database that somebody restored by other means is refused
wherever it is opened, until steps 2, 3, 5 and 6 have been taken (`restore` without a backup).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import assert_never
from uuid import UUID

import msgspec
import psycopg

from licet.access import service_keys, sessions
from licet.backup import backup_manifest, base_backup, base_recovery, dump, wal_archive, wal_receiver, wal_seals
from licet.backup.backup_manifest import ARCHIVES, BASE, DUMP, MANIFEST, VERSION, BackupForm, BackupManifest, LogStood
from licet.clock import Clock, utc_now
from licet.config import Configuration
from licet.erasure import sweeper
from licet.erasure.epochs import backup_window
from licet.errors import BrokenError, BusyError, RefusedError, UsageError
from licet.keys import fence
from licet.keys.chain import bucket_epochs
from licet.keys.keyring import EPOCHS_LOCK, Keyring
from licet.keys.log_keys import LogKeys
from licet.keys.providers import provider
from licet.keys.restriction_journal import NEWEST_RECORDS_MAX, Journal, Restriction, RestrictionKind
from licet.ledger import forward, sequence
from licet.ledger.sequence import SEQUENCER_LOCK
from licet.ledger.storage import Durable, Folder
from licet.policy.file import read
from licet.policy.period import written
from licet.proof import documents
from licet.store import embedded
from licet.store.connect import Transaction, joined, opened, transaction, translated
from licet.store.files import make_folder
from licet.store.migrate import migrate, migrations
from licet.vault import account_journal, account_view, certificate, host_events, journal_state, restriction, verbs
from licet.vault import policy_versions as versions
from licet.vault.commands import BATCH_COMMANDS_MAX, Outcome
from licet.vault.ids import Prefix, parse, shown, uuid7
from licet.vault.installation import Installation, installation, is_made, refuse_unmade
from licet.vault.journal_state import JournalState
from licet.webhooks import endpoints

BACKUPS_MAX = 10_000
RECORDS_MAX = 10_000


class KeptBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup in a folder; ``expired``: its last day has passed; ``whole``: its manifest was written."""

    folder: Path
    form: BackupForm
    backup: str
    made_at: datetime | None
    expires_at: datetime | None
    size: int
    whole: bool
    expired: bool


class RestoreForecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore would do. ``life`` is that of the database it would replace, None if there is none; ``since`` counts
    the restrictions recorded since the backup, by kind, which it would apply again.
    """

    backup: str | None
    form: BackupForm | None
    made_at: datetime | None
    life: int | None
    since: dict[str, int]


class RestoreResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did. ``applied`` counts the restrictions that were applied again, by kind; ``gone`` counts those
    whose account or conversation the backup does not contain.
    """

    backup: str | None
    life: int
    applied: dict[str, int]
    gone: int
    entries: int
    placed: int
    repeated: int
    sessions_ended: int


def back_up(here: Installation, target: Path, form: BackupForm = BackupForm.dump) -> KeptBackup:
    """Takes a backup into a new folder below ``target``; complete when this returns."""
    at = here.clock()
    if form is BackupForm.base:
        with transaction(here.pool) as tx:
            base_backup.may_replicate(tx)
    make_folder(target, 0o700)
    with _claimed(target, fcntl.LOCK_SH):
        backup, until = uuid7(at, here.keyring.random(10)), at + backup_window(here)
        folder = target / f"{at:%Y%m%dT%H%M%SZ}-{backup.hex[-8:]}"
        manifest = _register(here, form, backup, at, until, folder)
        make_folder(folder, 0o700)
        match form:
            case BackupForm.dump:
                dump.take(_dsn(here.config), folder / DUMP)
            case BackupForm.base:
                base_backup.take(_dsn(here.config), folder / BASE)
                manifest = msgspec.structs.replace(
                    manifest, begins=base_backup.beginning(folder / BASE).segment, ended_at=_server_time(here)
                )
            case _:
                assert_never(form)
        size, digest = backup_manifest.digest_of(folder / (DUMP if form is BackupForm.dump else BASE))
        manifest = msgspec.structs.replace(manifest, size=size, sha256=digest)
        with transaction(here.pool) as tx:
            seed = here.keyring.log_seed(tx)
        Durable(Folder(folder)).write({MANIFEST: backup_manifest.write(manifest, seed)})
    return _kept(folder, at, {})


def _server_time(here: Installation) -> datetime | None:
    with transaction(here.pool) as tx:
        row = tx.execute("SELECT clock_timestamp()").fetchone()
    return row[0] if row is not None else None


@contextmanager
def _claimed(target: Path, how: int) -> Iterator[None]:
    """Backups may run side by side, but not beside pruning: an unfinished backup may still be in progress."""
    folder = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise BusyError(f"another backup or prune is running in `{target}`", "try again when it has ended") from None
    try:
        yield
    finally:
        os.close(folder)


def _register(
    here: Installation, form: BackupForm, backup: UUID, at: datetime, until: datetime, folder: Path
) -> BackupManifest:  # fmt: skip
    """Registers the copy before it exists, so that it contains what was there at that time, or newer."""
    journal = _journal(here)
    with transaction(here.pool) as tx:
        fence.check(tx)
        is_base = form is BackupForm.base
        tx.execute(
            "INSERT INTO backups (backup_id, made_at, expires_at, base, folder) VALUES (%s, %s, %s, %s, %s)",
            [backup, at, until, is_base, os.fspath(folder.absolute())],
        )
        archive = wal_receiver.slot(tx, journal) if is_base else None
        life = fence.life(tx)
        record = Restriction(life=life, kind=RestrictionKind.backup, at=at, backup=backup, until=until, base=is_base)
        restriction.keep_records(tx, journal, [record])
        logs = sequence.standings(tx)
        epochs, proof = bucket_epochs(tx), here.keyring.wrapped_log_seed(tx)
    return BackupManifest(
        v=VERSION, form=form, backup=shown(Prefix.backup, backup), made_at=at, expires_at=until,
        schema=migrations()[-1].number, life=life, journal=journal.id, epochs=epochs,
        proof=proof, size=0, sha256="", archive=archive or "",
        logs=tuple(LogStood(year=log.year, origin=log.origin, size=log.size, root=log.root.hex()) for log in logs),
    )  # fmt: skip


def backups(here: Installation, target: Path) -> list[KeptBackup]:
    """The backups below ``target``, oldest first, including unfinished ones."""
    if not target.is_dir():
        raise UsageError(f"`{target}` is not a folder", "name the folder that the backups were written to")
    found = sorted(path for path in target.iterdir() if any((path / name).exists() for name in (MANIFEST, DUMP, BASE)))
    with transaction(here.pool) as tx:
        days = {shown(Prefix.backup, one): day for one, day in tx.execute("SELECT backup_id, expires_at FROM backups")}
    return [_kept(path, here.clock(), days) for path in found[:BACKUPS_MAX]]


class RegisteredBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup as the database knows it. ``base``: one of the whole server. ``folder``: where its program wrote it, None for
    one of which only the restriction journal tells.
    """

    backup: str
    made_at: datetime
    expires_at: datetime
    pruned_at: datetime | None
    base: bool
    folder: Path | None


def registered(here: Installation, most: int, tx: Transaction | None = None) -> list[RegisteredBackup]:
    """The newest ``most`` backups that were begun, those included that were pruned since."""
    with joined(here.pool, tx) as own:
        rows = own.execute(
            """SELECT backup_id, made_at, expires_at, pruned_at, base, folder FROM backups
                ORDER BY made_at DESC LIMIT %s""",
            [most],
        ).fetchall()
    return [
        RegisteredBackup(
            backup=shown(Prefix.backup, backup), made_at=made_at, expires_at=expires_at, pruned_at=pruned_at, base=base,
            folder=Path(folder) if folder is not None else None,
        )
        for backup, made_at, expires_at, pruned_at, base, folder in rows
    ]  # fmt: skip


class PrunedBackups(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed: backups, and the number of WAL segments that no backup needs any more."""

    backups: tuple[KeptBackup, ...]
    segments: int


def prune(here: Installation, target: Path, *, dry_run: bool = False) -> PrunedBackups:
    """Removes expired and unfinished backups, and the WAL that only they needed.

    A dry run returns what would be removed, and removes nothing.
    """
    found = backups(here, target)
    with _claimed(target, fcntl.LOCK_EX):
        spent = [kept for kept in found if kept.expired or not kept.whole]
        if dry_run:
            unneeded = sum(len(gone) for _, gone, _ in _unneeded_wal(here, target))
            return PrunedBackups(backups=tuple(spent), segments=unneeded)
        for kept in spent:
            shutil.rmtree(kept.folder)
            if kept.backup:
                with transaction(here.pool) as tx:
                    tx.execute(
                        "UPDATE backups SET pruned_at = %s WHERE backup_id = %s AND pruned_at IS NULL",
                        [here.clock(), parse(Prefix.backup, kept.backup)],
                    )
        return PrunedBackups(backups=tuple(spent), segments=_prune_wal(here, target))


def prune_wal(here: Installation, target: Path) -> int:
    """Removes the WAL below ``target`` that no unexpired base backup needs; returns the number of segments. Removes
    nothing while a backup is being taken.
    """
    try:
        with _claimed(target, fcntl.LOCK_EX):
            return _prune_wal(here, target)
    except BusyError:
        return 0


def _prune_wal(here: Installation, target: Path) -> int:
    removed = 0
    for archive, gone, is_over in _unneeded_wal(here, target):
        for path in gone:
            wal_seals.remove(path)
        removed += len(gone)
        if is_over:
            shutil.rmtree(archive)
    return removed


def _unneeded_wal(here: Installation, target: Path) -> Iterator[tuple[Path, list[Path], bool]]:
    """Each archive below ``target`` with its segments that no unexpired base backup needs, and whether nothing needs
    the archive.

    A segment is needed by the base backups that were begun before it, so it is kept no longer than the backup window.
    An expired base backup that still exists does not need it.
    """
    bases = [
        backup_manifest.read(kept.folder) for kept in backups(here, target)
        if kept.form is BackupForm.base and kept.whole and not kept.expired
    ]  # fmt: skip
    with transaction(here.pool) as tx:
        current = wal_receiver.slot(tx, _journal(here))
    for archive in sorted((target / ARCHIVES).glob(f"{wal_receiver.prefix(_journal(here))}*")):
        oldest = min((one.begins for one in bases if one.archive == archive.name), key=lambda n: n[8:], default=None)
        is_over = oldest is None and archive.name != current
        yield archive, wal_archive.segments(archive) if is_over else wal_archive.spent(archive, oldest), is_over


def verify(config: Configuration, folder: Path, until: datetime | None = None) -> BackupManifest:
    """The manifest of a backup that is proved, complete and readable; asks the key provider, and no database."""
    return backup_manifest.verify(_keyring(config), folder, until)


def _keyring(config: Configuration) -> Keyring:
    return Keyring(provider(config))


def restore(
    config: Configuration, source: Path | None, clock: Clock = utc_now, until: datetime | None = None
) -> RestoreResult:
    """Restores the backup in ``source``. If ``source`` is None, brings the present database up to date instead.

    A base backup is restored with all the WAL archived since, or to the moment ``until``, by the server's clock.
    RefusedError, with nothing changed, if the backup is another installation's or its keys are destroyed;
    ContradictedError if it is not the one that was taken; BusyError if a server is running.
    """
    manifest = backup_manifest.prove(_keyring(config), source)[0] if source is not None else None
    _check_until(manifest, until)
    if source is not None and manifest is not None and manifest.form is BackupForm.base:
        return _restore_base(config, source, clock, until)
    with installation(config, clock, upgrade=True, behind_fence=True) as here:
        return restore_here(here, source)


def forecast(
    config: Configuration, source: Path | None, clock: Clock = utc_now, until: datetime | None = None
) -> RestoreForecast:
    """What `restore` would do with the same arguments, and raises what it would raise before it changes anything.

    The whole backup is proved, with the WAL that would be replayed. Nothing is restored or applied.
    """
    manifest = verify(config, source, until) if source is not None else None
    _check_until(manifest, until)
    if source is not None and manifest is not None and manifest.form is BackupForm.base:
        refuse_own_server(config, source)
    if source is None:
        refuse_unmade(config)
    if not is_made(config):
        return _forecast(manifest, None, ())
    with installation(config, clock, behind_fence=True) as here, _alone(here), transaction(here.pool) as tx:
        _refuse_other_journal(here, tx, manifest)
        life = fence.life(tx)
        if manifest is None:
            return _forecast(None, life, _lacking(tx, _journal(here), life))
        begun, lives = manifest.made_at, manifest.life
        since = [one for one in _journal(here).records() if one.at > begun and one.life >= lives]
        return _forecast(manifest, life, [one for one in since if one.kind is not RestrictionKind.life])


def _forecast(manifest: BackupManifest | None, life: int | None, since: Sequence[Restriction]) -> RestoreForecast:
    return RestoreForecast(
        backup=manifest.backup if manifest else None, form=manifest.form if manifest else None,
        made_at=manifest.made_at if manifest else None, life=life,
        since=dict(sorted(Counter(one.kind.value for one in since).items())),
    )  # fmt: skip


def _check_until(manifest: BackupManifest | None, until: datetime | None) -> None:
    """UsageError if the backup cannot be restored to the moment ``until``."""
    if until is None:
        return
    if manifest is None or manifest.form is not BackupForm.base:
        raise UsageError(
            "--until needs a base backup", "a dump is of one moment only; `licet backup list` shows which is which"
        )
    if manifest.ended_at is not None and until < manifest.ended_at:
        raise UsageError(
            f"the base backup ended at {written(manifest.ended_at)}, after the moment of --until",
            "use an older base backup",
        )


def restore_here(here: Installation, source: Path | None) -> RestoreResult:
    """`restore` of a dump, or of no backup, in an installation that was opened behind its fence."""
    if source is None:
        with _alone(here):
            _raise_fence(here, None)
            return _finish(here, None)
    with _copied(here, source) as (manifest, dumped), _alone(here):
        _raise_fence(here, manifest)
        dump.put_back(_dsn(here.config), dumped, manifest.schema)
        with here.pool.connection() as conn:
            migrate(conn)
        return _finish(here, manifest)


@contextmanager
def _copied(here: Installation, source: Path) -> Iterator[tuple[BackupManifest, Path]]:
    """Copies a dump to a folder that nobody else can write to, and proves it there; that copy is restored, whatever
    happens to ``source``.
    """
    manifest, _ = backup_manifest.prove(here.keyring, source)
    make_folder(here.config.data, 0o700)
    with tempfile.TemporaryDirectory(prefix="restoring-", dir=here.config.data) as folder:
        dumped = Path(folder) / DUMP
        with suppress(FileNotFoundError):
            shutil.copyfile(source / DUMP, dumped)
        backup_manifest.hold(manifest, dumped)
        dump.check(dumped)
        yield manifest, dumped


@contextmanager
def _alone(here: Installation) -> Iterator[None]:
    """Takes every lock that a restore needs, before it changes anything; BusyError if a sequencer, a sweep or a
    rotation runs.

    The locks belong to a separate connection until the end, so that no server appends to the log, sweeps or rotates
    meanwhile.
    """
    with translated(), here.pool.connection() as conn:
        try:
            for lock, who in ((SEQUENCER_LOCK, "is adding entries to the log"), (sweeper.SWEEPS_LOCK, "sweeps")):
                row = conn.execute("SELECT pg_try_advisory_lock(%s)", [lock]).fetchone()
                conn.commit()
                if row != (True,):
                    raise BusyError(
                        f"another program {who}; nothing was changed",
                        "stop `licet serve` and any other Licet program, then try again",
                    )
            yield
        finally:
            with suppress(psycopg.Error):  # a broken connection has released its locks
                conn.rollback()
                conn.execute("SELECT pg_advisory_unlock_all()")
                conn.commit()


def _restore_base(config: Configuration, source: Path, clock: Clock, until: datetime | None) -> RestoreResult:
    """Raises the fence in the cluster in use, then in the recovered one, which then replaces it."""
    manifest, made = backup_manifest.prove(_keyring(config), source)
    refuse_own_server(config, source)
    archive = backup_manifest.archive_of(source, manifest)

    def hold(copied: Path) -> None:
        backup_manifest.hold(manifest, copied)
        base_backup.check(copied)

    def bring(target: Path) -> None:
        if archive is not None:
            wal_seals.copy(archive, made, manifest.begins, target)
            if until is None:
                wal_archive.check(target, base_backup.beginning(source / BASE))

    with base_recovery.beside(config.data / "postgres") as recovery:
        with installation(config, clock, upgrade=True, behind_fence=True) as here, _alone(here):
            was_up = _raise_fence(here, manifest)
            try:
                recovery.recover(
                    source / BASE, hold, bring if archive is not None else None, until,
                    lambda dsn: _fence_in(dsn, clock()),
                )  # fmt: skip
            except BaseException:
                if not was_up:  # nothing was changed
                    with transaction(here.pool) as tx:
                        fence.lift(tx)
                raise
        recovery.put_in_place()
    with installation(config, clock, upgrade=True, behind_fence=True) as here, _alone(here):
        _raise_fence(here, manifest)
        return _finish(here, manifest)


def refuse_own_server(config: Configuration, source: Path) -> None:
    """RefusedError if a base backup is of a server of the operator's own."""
    if config.database_url or not (source / BASE / "licet.conf").is_file():
        raise RefusedError(
            "a base backup of your own server is restored with that server's tools",
            "restore it as docs/backup.md describes, then run `licet restore --here`", because="own_server",
        )  # fmt: skip


def _fence_in(dsn: str, at: datetime) -> None:
    with opened(dsn, 1) as pool, transaction(pool) as tx:
        fence.raise_(tx, at)


def _raise_fence(here: Installation, manifest: BackupManifest | None) -> bool:
    """Raises the fence; returns whether it stood already. If anything fails from here on, it stays up, unless nothing
    was changed.
    """
    with transaction(here.pool) as tx:
        # Destroying an epoch takes this lock and then checks the fence: the keys found here stay until it is lowered.
        tx.execute("SELECT pg_advisory_xact_lock(%s)", [EPOCHS_LOCK])
        was_up = fence.stands(tx)
        fence.raise_(tx, here.clock())
        _refuse_other_journal(here, tx, manifest)
    try:
        with transaction(here.pool) as tx:
            fence.wait_for_readers(tx)
    except BusyError:
        if not was_up:
            with transaction(here.pool) as tx:
                fence.lift(tx)
        raise
    return was_up


def _finish(here: Installation, manifest: BackupManifest | None) -> RestoreResult:
    with transaction(here.pool) as tx:
        restored = _bring_forward(here, tx, manifest)
    with transaction(here.pool) as tx:
        fence.lift(tx)
    return restored


def _refuse_other_journal(here: Installation, tx: Transaction, manifest: BackupManifest | None) -> None:
    """RefusedError if the backup, or without one the database, belongs to another restriction journal."""
    if manifest is not None:
        _refuse_foreign(here, manifest)
    elif journal_state.state_of(tx, _journal(here), here.clock()) is JournalState.foreign:
        raise RefusedError(
            "the database belongs to another restriction journal", "set LICET_RESTRICTIONS to the folder of its journal",
            because="other_journal",
        )  # fmt: skip


def _refuse_foreign(here: Installation, manifest: BackupManifest) -> None:
    if manifest.journal != _journal(here).id:
        raise RefusedError(
            "the backup belongs to another restriction journal than the one found here",
            "only its own journal has the later withdrawals and deletions: set LICET_RESTRICTIONS to its folder",
            because="other_journal",
        )  # fmt: skip
    if manifest.schema > migrations()[-1].number:
        raise RefusedError(
            "the backup was made by a newer version of licet", "install that version of licet", because="newer"
        )


def _bring_forward(here: Installation, tx: Transaction, manifest: BackupManifest | None) -> RestoreResult:
    """Applies the restrictions made since the backup, brings the database up to the log, and begins a new life of the
    database.
    """
    journal, at = _journal(here), here.clock()
    backup = parse(Prefix.backup, manifest.backup) if manifest is not None else None
    present, newest = (
        fence.life(tx),
        max((record.life for record in journal.newest(NEWEST_RECORDS_MAX)), default=0),
    )
    life = max(present, newest) + 1
    seed, place = here.keyring.log_seed(tx), documents.place(here)
    known = forward.ahead(tx, place, seed)
    forward.mark(tx, known, life, at)
    # Written before anything is read: from here on nothing of an earlier life is added, so nothing is missed.
    journal.append([Restriction(life=life, kind=RestrictionKind.life, at=at)])
    applied, gone = _apply_again(here, tx, journal, present)
    done = forward.bring(tx, LogKeys(here.keyring), place, seed, known, partial(account_view.accounts_behind, tx))
    fence.begin(tx, life, journal, at, account_journal.last_position(tx), backup)
    account_journal.skip_positions(tx, forward.OUTBOX_GAP)
    ended = sessions.end_every(tx)
    endpoints.silence(tx, at)
    return RestoreResult(
        backup=manifest.backup if manifest is not None else None, life=life, applied=applied, gone=gone,
        entries=done.entries, placed=done.placed, repeated=done.repeated, sessions_ended=ended,
    )  # fmt: skip


def _apply_again(here: Installation, tx: Transaction, journal: Journal, present: int) -> tuple[dict[str, int], int]:
    """Applies every restriction that the database lacks, in order, by the same verbs as the first time; none is written
    to the journal again.
    """
    keyring = Keyring(here.keyring.provider, here.keyring.random, behind_fence=True, cold=here.keyring.cold)
    applied: Counter[str] = Counter()
    gone = 0
    for is_told, group in groupby(_lacking(tx, journal, present), lambda record: record.account is not None):
        for batch in _batched(group, BATCH_COMMANDS_MAX):
            done = _tell_again(tx, keyring, batch) if is_told else [_register_again(tx, record) for record in batch]
            applied.update(record.kind.value for record, was_known in zip(batch, done, strict=True) if was_known)
            gone += done.count(False)
    return dict(applied), gone


def _lacking(tx: Transaction, journal: Journal, present: int) -> list[Restriction]:
    """The restrictions that a database in the life ``present`` lacks, determined before any of them is applied."""
    found: list[Restriction] = []
    for part in _batched(journal.records(), RECORDS_MAX):
        found += [record for record, lacks in zip(part, journal_state.missing(tx, part, present), strict=True) if lacks]
    return [record for record in found if record.kind is not RestrictionKind.life]


def _batched(records: Iterable[Restriction], size: int) -> Iterator[list[Restriction]]:
    rest = iter(records)
    while batch := list(islice(rest, size)):
        yield batch


def _tell_again(tx: Transaction, keyring: Keyring, batch: Sequence[Restriction]) -> list[bool]:
    """Whether each record's account and conversation exist. An erasure keeps the id that its person was given."""
    known, host_key = versions.load(tx), keyring.host_key(tx)
    if known is None:
        raise BrokenError("the database has no policy")
    answers = verbs.tell_in(tx, keyring, known, [restriction.command_of(record, host_key) for record in batch])
    for record in batch:
        if record.erasure is not None and record.account is not None:
            again = certificate.rename(tx, record.account, record.conversation, record.at, record.erasure)
            host_events.rename_erasure(tx, record.account, again, record.erasure)
    return [answer.outcome is not Outcome.unknown for answer in answers]


def _register_again(tx: Transaction, record: Restriction) -> bool:
    """Registers again a policy version, a backup that was taken since, or the revocation or limits of a service's key."""
    if record.kind is RestrictionKind.key_revoked:
        assert record.key is not None
        return service_keys.revoke_again(tx, record.key, record.at)
    if record.kind is RestrictionKind.key_limited:
        assert record.key is not None
        return service_keys.limit_again(tx, record.key, record.seq, record.document)
    if record.kind is RestrictionKind.backup:
        tx.execute(
            "INSERT INTO backups (backup_id, made_at, expires_at, base) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [record.backup, record.at, record.until, record.base],
        )
        return True
    policy, known = read(msgspec.json.decode(record.document), file="the restriction journal"), versions.load(tx)
    add = versions.amend if known is not None and versions.amends(known[len(known) - 1], policy) else versions.add
    add(tx, policy, record.at, record.by)
    return True


def _kept(folder: Path, at: datetime, days: Mapping[str, datetime]) -> KeptBackup:
    """A backup in its folder. ``days`` are the registered expiry days, which override the manifest's: a changed
    manifest cannot extend one.
    """
    if not (folder / MANIFEST).is_file():
        form = BackupForm.base if (folder / BASE).exists() else BackupForm.dump
        return KeptBackup(
            folder=folder, form=form, backup="", made_at=None, expires_at=None, size=_size(folder), whole=False,
            expired=False,
        )  # fmt: skip
    manifest = backup_manifest.read(folder)
    day = days.get(manifest.backup, manifest.expires_at)
    return KeptBackup(
        folder=folder, form=manifest.form, backup=manifest.backup, made_at=manifest.made_at,
        expires_at=day, size=_size(folder), whole=True, expired=day <= at,
    )  # fmt: skip


def _size(folder: Path) -> int:
    """The size of a backup on disk in bytes, without its manifest."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)


def _dsn(config: Configuration) -> str:
    return config.database_url or embedded.revive(config.data / "postgres")


def _journal(here: Installation) -> Journal:
    if here.keyring.restrictions is None:
        raise BrokenError("the installation was opened without its restriction journal")
    return here.keyring.restrictions

"""Backups, and a restore that brings nothing back that was taken back.

A backup is a folder: a dump of the database, and a manifest that says what it is. It holds sealed content and wrapped
keys, and neither the epoch keys (the key folder, kept apart), nor the log, nor the restriction journal, which are to
be copied elsewhere as they grow. Each backup is registered before it is taken, in the database and in the journal, with
the day on which it expires: a certificate of erasure names those that may still hold what was erased.

A restore goes through these steps, and killed anywhere it is begun anew with the same command:

    1. the backup is held against its manifest; its journal, its log and its keys are those of this installation
    2. the fence goes up, in a transaction of its own, in a table that no backup holds
    3. the database is replaced by the dump, in one transaction
    4. in one transaction, behind the fence: every restriction that the backup lacks is applied again, at the moment
       at which it was told; the database is brought to where the log is, with an entry `restored`; sessions end
    5. the fence comes down

Between 2 and 5 nothing is read, leased, built or written by anybody. A database that somebody restored by other means
is refused wherever it is opened, until steps 2, 4 and 5 were taken (`restore` without a backup).
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from uuid import UUID

import msgspec

from licet.config import Config
from licet.errors import BrokenError, NotFoundError, RefusedError, UsageError
from licet.ledger import forward
from licet.ledger.storage import Durable, Folder
from licet.policy.file import read
from licet.service import proving
from licet.service.installation import Clock, Installation, installation, utc_now
from licet.service.keys import backup_window
from licet.store import dump, embedded, migrate, migrations
from licet.store.connect import Transaction, transaction
from licet.store.files import make_folder
from licet.vault import apply, events, fence, restricting
from licet.vault import policies as versions
from licet.vault.commands import Outcome
from licet.vault.fence import Standing
from licet.vault.ids import Prefix, parse, shown, uuid7
from licet.vault.keyring import EPOCHS_LOCK, Keyring
from licet.vault.log_keys import LogKeys
from licet.vault.restrictions import Journal, Kind, Restriction

MANIFEST, DUMP = "manifest.json", "database.dump"
VERSION = 1
BACKUPS_MAX = 10_000
RECORDS_MAX = 10_000


class LogStood(msgspec.Struct, frozen=True, kw_only=True):
    """A log as the database knew it when the backup was begun."""

    year: int
    origin: str
    size: int
    root: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backup is. ``proof`` is a wrapped secret of the installation: whoever has the keys can open it."""

    v: int
    backup: str
    made_at: datetime
    expires_at: datetime
    schema: int
    life: int
    journal: UUID
    epochs: tuple[int, ...]
    logs: tuple[LogStood, ...]
    proof: bytes
    size: int
    sha256: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A backup in a folder; ``expired`` says that its day has come, ``whole`` that its manifest was written."""

    folder: Path
    backup: str
    made_at: datetime | None
    expires_at: datetime | None
    size: int
    whole: bool
    expired: bool


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did. ``applied`` restrictions were brought back by kind; ``gone`` are those of what was lost."""

    backup: str | None
    life: int
    applied: dict[str, int]
    gone: int
    entries: int
    placed: int
    repeated: int
    sessions_ended: int


def back_up(here: Installation, target: Path) -> Kept:
    """Takes a backup into a folder of its own below ``target``; whole when this returns."""
    at = here.clock()
    backup, until = uuid7(at, here.keyring.random(10)), at + backup_window(here)
    manifest = _register(here, backup, at, until)
    folder = target / f"{at:%Y%m%dT%H%M%SZ}-{backup.hex[-8:]}"
    make_folder(folder, 0o700)
    dump.take(_dsn(here.config), folder / DUMP)
    size, digest = _digest(folder / DUMP)
    manifest = msgspec.structs.replace(manifest, size=size, sha256=digest)
    written = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2)
    Durable(Folder(folder)).write({MANIFEST: written + b"\n"})
    return _kept(folder, at)


def _register(here: Installation, backup: UUID, at: datetime, until: datetime) -> Manifest:
    """The copy is registered before it is there; what it holds is what was there then, or newer."""
    journal = _journal(here)
    with transaction(here.pool) as tx:
        fence.check(tx)
        here.keyring.log_seed(tx)
        tx.execute("INSERT INTO backups (backup_id, made_at, expires_at) VALUES (%s, %s, %s)", [backup, at, until])
        life = fence.life(tx)
        record = Restriction(life=life, kind=Kind.backup, at=at, backup=backup, until=until)
        restricting.keep_records(tx, journal, [record])
        logs = tx.execute("SELECT log_year, origin, size, root FROM logs ORDER BY log_year").fetchall()
        epochs = tx.execute("SELECT DISTINCT epoch FROM buckets ORDER BY epoch").fetchall()
        proof = tx.execute("SELECT wrapped FROM secrets WHERE name = 'log'").fetchone()
    assert proof is not None
    return Manifest(
        v=VERSION, backup=shown(Prefix.backup, backup), made_at=at, expires_at=until, schema=migrations()[-1].number,
        life=life, journal=journal.id, epochs=tuple(row[0] for row in epochs), proof=proof[0], size=0, sha256="",
        logs=tuple(LogStood(year=y, origin=o, size=s, root=bytes(r).hex()) for y, o, s, r in logs),
    )  # fmt: skip


def backups(here: Installation, target: Path) -> list[Kept]:
    """The backups below ``target``, oldest first, with those that were never finished."""
    if not target.is_dir():
        raise UsageError(f"`{target}` is no folder", "name the folder that backups were made into")
    found = sorted(path for path in target.iterdir() if (path / MANIFEST).is_file() or (path / DUMP).is_file())
    return [_kept(path, here.clock()) for path in found[:BACKUPS_MAX]]


def prune(here: Installation, target: Path) -> list[Kept]:
    """Removes the backups whose day has come, and those that were never finished; returns them."""
    spent = [kept for kept in backups(here, target) if kept.expired or not kept.whole]
    for kept in spent:
        shutil.rmtree(kept.folder)
        if kept.backup:
            with transaction(here.pool) as tx:
                tx.execute(
                    "UPDATE backups SET pruned_at = %s WHERE backup_id = %s AND pruned_at IS NULL",
                    [here.clock(), parse(Prefix.backup, kept.backup)],
                )
    return spent


def verify(folder: Path) -> Manifest:
    """The manifest of a backup that is what it says; BrokenError for one that is not."""
    manifest = _manifest(folder)
    if not (folder / DUMP).is_file() or _digest(folder / DUMP) != (manifest.size, manifest.sha256):
        raise BrokenError(f"the dump in `{folder}` is not the one of its manifest", "use another backup")
    dump.check(folder / DUMP)
    return manifest


def restore(config: Config, source: Path | None, clock: Clock = utc_now) -> Restored:
    """Brings the backup in ``source`` back, or the database here forward where it is None.

    RefusedError, and nothing was changed, where the backup is of another installation, or its keys are destroyed.
    """
    with installation(config, clock, upgrade=True, behind_fence=True) as here:
        return restore_here(here, source)


def restore_here(here: Installation, source: Path | None) -> Restored:
    """`restore` in an installation that was opened behind its fence."""
    manifest = None
    if source is not None:
        manifest = verify(source)
    with _fenced(here, manifest):
        if source is not None:
            dump.put_back(_dsn(here.config), source / DUMP)
            with here.pool.connection() as conn:
                migrate(conn)
        with transaction(here.pool) as tx:
            return _bring_forward(here, tx, manifest)


@contextmanager
def _fenced(here: Installation, manifest: Manifest | None) -> Iterator[None]:
    """The fence up before, and down after; it stays up where anything fails, unless nothing was changed."""
    with transaction(here.pool) as tx:
        # Whoever destroys an epoch holds this and looks for the fence: the keys found here stay until it is down.
        tx.execute("SELECT pg_advisory_xact_lock(%s)", [EPOCHS_LOCK])
        fence.raise_(tx, here.clock())
        if manifest is not None:
            _refuse_foreign(here, manifest)
        elif fence.standing(tx, _journal(here), here.clock()) is Standing.foreign:
            raise RefusedError(
                "the database belongs to another restriction journal", "name its folder with LICET_RESTRICTIONS",
                because="other_journal",
            )  # fmt: skip
    yield
    with transaction(here.pool) as tx:
        fence.lift(tx)


def _refuse_foreign(here: Installation, manifest: Manifest) -> None:
    if manifest.journal != _journal(here).id:
        raise RefusedError(
            "the backup belongs to another restriction journal than the one found here",
            "without its journal nobody knows what was taken back since: name its folder with LICET_RESTRICTIONS",
            because="other_journal",
        )  # fmt: skip
    if manifest.schema > migrations()[-1].number:
        raise RefusedError("the backup was made by a newer version of licet", "install that version", because="newer")
    try:
        here.keyring.unwrap_secret("log", manifest.proof)
    except BrokenError:
        raise RefusedError(
            "the keys of this backup's epochs are destroyed or not here: nothing in it can be opened",
            "use a backup that has not expired, with the key provider that it was made under", because="dead_epoch",
        ) from None  # fmt: skip


def _bring_forward(here: Installation, tx: Transaction, manifest: Manifest | None) -> Restored:
    """Applies what was taken back since, brings the database to the log, and begins another life of it."""
    journal, at = _journal(here), here.clock()
    backup = parse(Prefix.backup, manifest.backup) if manifest is not None else None
    present, newest = (
        fence.life(tx),
        max((record.life for record in journal.newest(fence.NEWEST_RECORDS_MAX)), default=0),
    )
    life = max(present, newest) + 1
    seed, place = here.keyring.log_seed(tx), proving.place(here)
    known = forward.ahead(tx, place, seed)
    forward.mark(tx, known, life, at)
    # Written before anything is read: from here on nothing of an earlier life is kept any more, and so none is missed.
    journal.append([Restriction(life=life, kind=Kind.life, at=at)])
    applied, gone = _apply_again(here, tx, journal, present)
    done = forward.bring(tx, LogKeys(here.keyring), place, seed, known)
    tx.execute("SELECT setval('journal_position', nextval('journal_position') + %s)", [forward.OUTBOX_GAP])
    fence.begin(tx, life, journal, at, backup)
    ended = tx.execute("DELETE FROM sessions").rowcount
    tx.execute("DELETE FROM staff_links")
    events.silence(tx, at)
    return Restored(
        backup=manifest.backup if manifest is not None else None, life=life, applied=applied, gone=gone,
        entries=done.entries, placed=done.placed, repeated=done.repeated, sessions_ended=ended,
    )  # fmt: skip


def _apply_again(here: Installation, tx: Transaction, journal: Journal, present: int) -> tuple[dict[str, int], int]:
    """Every restriction that the database lacks, in order, by the one way in; none of them is kept a second time."""
    keyring = Keyring(here.keyring.provider, here.keyring.random, behind_fence=True, cold=here.keyring.cold)
    applied: Counter[str] = Counter()
    gone = 0
    for is_told, group in groupby(_lacking(tx, journal, present), lambda record: record.account is not None):
        for batch in _batched(group, apply.BATCH_COMMANDS_MAX):
            done = _tell_again(tx, keyring, batch) if is_told else [_register_again(tx, record) for record in batch]
            applied.update(record.kind.value for record, was_known in zip(batch, done, strict=True) if was_known)
            gone += done.count(False)
    return dict(applied), gone


def _lacking(tx: Transaction, journal: Journal, present: int) -> list[Restriction]:
    """What a database in the life ``present`` lacks, judged before any of it is applied."""
    found: list[Restriction] = []
    for part in _batched(journal.records(), RECORDS_MAX):
        found += [record for record, lacks in zip(part, fence.missing(tx, part, present), strict=True) if lacks]
    return [record for record in found if record.kind is not Kind.life]


def _batched(records: Iterable[Restriction], size: int) -> Iterator[list[Restriction]]:
    rest = iter(records)
    while batch := list(islice(rest, size)):
        yield batch


def _tell_again(tx: Transaction, keyring: Keyring, batch: Sequence[Restriction]) -> list[bool]:
    """Whether each record's account and conversation are there; an erasure keeps the id that its person was given."""
    known, host_key = versions.load(tx), keyring.host_key(tx)
    if known is None:
        raise BrokenError("the database holds no policy")
    answers = apply.apply(tx, keyring, known, [restricting.command_of(record, host_key) for record in batch])
    for record in batch:
        if record.erasure is not None and record.account is not None:
            again = tx.execute(
                """WITH again AS (SELECT account_id, erasure_id AS was FROM erasures
                                   WHERE account_id = %s AND requested_at = %s AND conversation_id IS NOT DISTINCT FROM %s)
                   UPDATE erasures e SET erasure_id = %s FROM again a
                    WHERE e.account_id = a.account_id AND e.erasure_id = a.was RETURNING a.was""",
                [record.account, record.at, record.conversation, record.erasure],
            ).fetchall()
            events.rename_erasure(tx, record.account, [row[0] for row in again], record.erasure)
    return [answer.outcome is not Outcome.unknown for answer in answers]


def _register_again(tx: Transaction, record: Restriction) -> bool:
    """A policy version, a backup that was taken since, or a service's key that was revoked."""
    if record.kind is Kind.key_revoked:
        revoke = "UPDATE api_keys SET revoked_at = %s WHERE key_id = %s AND revoked_at IS NULL"
        return tx.execute(revoke, [record.at, record.key]).rowcount == 1
    if record.kind is Kind.backup:
        tx.execute(
            "INSERT INTO backups (backup_id, made_at, expires_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [record.backup, record.at, record.until],
        )
        return True
    policy, known = read(msgspec.json.decode(record.document), file="the restriction journal"), versions.load(tx)
    add = versions.amend if known is not None and versions.amends(known[len(known) - 1], policy) else versions.add
    add(tx, policy, record.at, record.by)
    return True


def _kept(folder: Path, at: datetime) -> Kept:
    size = (folder / DUMP).stat().st_size if (folder / DUMP).is_file() else 0
    if not (folder / MANIFEST).is_file():
        return Kept(folder=folder, backup="", made_at=None, expires_at=None, size=size, whole=False, expired=False)
    manifest = _manifest(folder)
    return Kept(
        folder=folder, backup=manifest.backup, made_at=manifest.made_at, expires_at=manifest.expires_at, size=size,
        whole=True, expired=manifest.expires_at <= at,
    )  # fmt: skip


def _manifest(folder: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise NotFoundError(f"no backup in `{folder}`", "name the folder of one backup: `licet backup list`") from None
    except msgspec.MsgspecError as error:
        raise BrokenError(f"the manifest in `{folder}` does not read: {error}") from None
    if manifest.v != VERSION:
        raise RefusedError(
            f"the backup is of version `{manifest.v}`", "install the licet that made it", because="newer"
        )
    return manifest


def _digest(file: Path) -> tuple[int, str]:
    with file.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    return file.stat().st_size, digest


def _dsn(config: Config) -> str:
    return config.database_url or embedded.revive(config.data / "postgres")


def _journal(here: Installation) -> Journal:
    if here.keyring.restrictions is None:
        raise BrokenError("the installation was opened without its restriction journal")
    return here.keyring.restrictions

"""The manifest of a backup: its contents, and the proof that it is this installation's and
unchanged.

A backup may be stored where others can write. Its manifest therefore has an HMAC whose key is not
stored with it: the key is derived from the secret that signs the log, which the manifest contains
wrapped under an epoch key (``proof``). Anyone who has this installation's key provider can check
the HMAC without a database; nobody else can make one. After that check the manifest is trusted, and
the dump or the base backup is compared with the hash in it. A dump is hashed as one file. A base
backup is hashed over the list of all its files, including those that PostgreSQL's own manifest
leaves out (its WAL, `postgresql.auto.conf`).

    proved        the manifest has a valid HMAC, and every byte is unchanged
    contradicted  `ContradictedError`: a byte differs, or there is an extra file
    not proved    `RefusedError`: the keys to check it are missing

No file of a backup reaches a PostgreSQL program before it is proved. A restore uses a proved copy,
not the files in the folder.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import assert_never
from uuid import UUID

import msgspec

from licet.backup import base_backup, dump, wal_archive, wal_seals
from licet.errors import BrokenError, ContradictedError, NotFoundError, RefusedError
from licet.keys.keyring import Keyring
from licet.ledger.sequence import LogStanding
from licet.undecodable import UNDECODABLE

MANIFEST, DUMP, BASE, ARCHIVES = "manifest.json", "database.dump", "base", "wal"
VERSION = 4
MANIFEST_BYTES_MAX = 2**20
_KEY = b"licet/backup/v1"


class BackupForm(StrEnum):
    """What a backup contains: ``dump``, the live rows of the database; ``base``, the pages of its
    server.
    """

    dump = "dump"
    base = "base"


class LoggedState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a log in the database when the backup began, as in
    `ledger.sequence.LogStanding`.
    """

    year: int
    origin: str
    decided: int
    root: str
    size: int
    digest: str

    def standing(self, now: datetime) -> LogStanding:
        """Converts it to the database's form; ``now`` is the time of the backup."""
        return LogStanding(
            year=self.year,
            origin=self.origin,
            decided=self.decided,
            root=bytes.fromhex(self.root),
            size=self.size,
            digest=bytes.fromhex(self.digest),
            logged_at=now,
        )


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The description of a backup. ``proof`` is a wrapped secret of the installation, which the key
    provider can unwrap.

    ``head`` and ``chain`` are the number and the chain value of the newest record of the
    restriction journal then. ``size`` and ``sha256`` are those of the dump, or of all files of a
    base backup. A base backup needs WAL from the segment ``begins`` on, and continues in the
    archive ``archive``, if there was one; ``ended_at``, by the clock of its server, is the earliest
    moment to which it can be restored. ``mac`` covers all other fields.
    """

    v: int
    form: BackupForm
    backup: str
    made_at: datetime
    expires_at: datetime
    schema: int
    life: int
    journal: UUID
    head: int
    chain: str
    epochs: tuple[int, ...]
    logs: tuple[LoggedState, ...]
    proof: bytes
    size: int
    sha256: str
    begins: str = ""
    archive: str = ""
    ended_at: datetime | None = None
    mac: str = ""


def derive_key(log_seed: bytes) -> bytes:
    """Derives the key that authenticates backups and archived WAL from the secret that signs the
    log.
    """
    return hmac.digest(log_seed, _KEY, "sha256")


def write(manifest: BackupManifest, log_seed: bytes) -> bytes:
    """Encodes the manifest's file, with its HMAC."""
    proved = msgspec.structs.replace(manifest, mac=_mac(manifest, derive_key(log_seed)))
    return msgspec.json.format(msgspec.json.encode(proved, order="sorted"), indent=2) + b"\n"


class KeptBackup(msgspec.Struct, frozen=True, kw_only=True):
    """A backup in a folder. ``whole``: its manifest exists and can be read; ``damage``: why it
    cannot.
    """

    folder: Path
    form: BackupForm
    backup: str
    made_at: datetime | None
    expires_at: datetime | None
    size: int
    whole: bool
    expired: bool
    damage: str = ""


def read_manifest(folder: Path) -> BackupManifest:
    """Reads the manifest without verifying it."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            manifest = msgspec.json.decode(file.read(MANIFEST_BYTES_MAX), type=BackupManifest)
    except FileNotFoundError:
        raise NotFoundError(
            f"no backup in `{folder}`", "name the folder of one backup: `licet backup list`"
        ) from None
    except UNDECODABLE as error:
        raise ContradictedError(
            f"the manifest in `{folder}` was changed: {error}",
            "use another backup",
        ) from None
    if manifest.v > VERSION:
        raise RefusedError(
            f"the backup has version `{manifest.v}`",
            "install the licet that made it",
            because="newer",
        )
    return manifest


def inspect(folder: Path, now: datetime, days: Mapping[str, datetime]) -> KeptBackup:
    """Describes the backup in a folder. The registered expiries ``days`` override the manifest's,
    so that a changed manifest cannot extend one.
    """
    unfinished = KeptBackup(
        folder=folder,
        form=BackupForm.base if (folder / BASE).exists() else BackupForm.dump,
        backup="",
        made_at=None,
        expires_at=None,
        size=_size(folder),
        whole=False,
        expired=False,
    )
    if not (folder / MANIFEST).is_file():
        return unfinished
    try:
        manifest = read_manifest(folder)
    except ContradictedError as error:
        return msgspec.structs.replace(unfinished, damage=error.message)
    day = days.get(manifest.backup, manifest.expires_at)
    return KeptBackup(
        folder=folder,
        form=manifest.form,
        backup=manifest.backup,
        made_at=manifest.made_at,
        expires_at=day,
        size=_size(folder),
        whole=True,
        expired=day <= now,
    )


def verify_mac(keyring: Keyring, folder: Path) -> tuple[BackupManifest, bytes]:
    """Verifies the HMAC of the manifest and returns it with the key; the files are not checked."""
    manifest = read_manifest(folder)
    try:
        key = derive_key(keyring.unwrap_secret("log", manifest.proof))
    except (BrokenError, OverflowError):
        raise RefusedError(
            "not proved: its epoch keys are destroyed or missing, so it cannot be opened",
            "use an unexpired backup, with the key provider that it was taken under",
            because="dead_epoch",
        ) from None
    if not hmac.compare_digest(_mac(manifest, key), manifest.mac):
        raise ContradictedError(f"the manifest in `{folder}` was changed", "use another backup")
    return manifest, key


def verify(keyring: Keyring, folder: Path, until: datetime | None = None) -> BackupManifest:
    """Proves that a backup is complete and readable; returns its manifest. The WAL archived since a
    base backup is proved too; without ``until`` it must be complete to its end.
    """
    manifest, made = verify_mac(keyring, folder)
    check_copy(manifest, folder / (DUMP if manifest.form is BackupForm.dump else BASE))
    match manifest.form:
        case BackupForm.dump:
            dump.check(folder / DUMP)
        case BackupForm.base:
            base_backup.check(folder / BASE)
            archive = archive_of(folder, manifest)
            if archive is not None:
                proved = wal_seals.verify_seals(archive, made, manifest.begins)
                if until is None:
                    wal_archive.check(
                        archive, base_backup.wal_beginning(folder / BASE), frozenset(proved)
                    )
        case _:
            assert_never(manifest.form)
    return manifest


def check_copy(manifest: BackupManifest, held: Path) -> None:
    """Raises ContradictedError if the dump or base backup at ``held`` does not match the
    manifest.
    """
    try:
        digest = digest_of(held)
    except FileNotFoundError:
        digest = (0, "")
    if digest != (manifest.size, manifest.sha256):
        raise ContradictedError(
            f"the {manifest.form} at `{held}` does not match its manifest", "use another backup"
        )


def digest_of(held: Path) -> tuple[int, str]:
    """Returns the size in bytes and the SHA-256: of a dump's file, or of the list of a base
    backup's files.
    """
    if not held.is_dir():
        return held.stat().st_size, _file_digest(held)
    total, listed = 0, hashlib.sha256()
    for path in sorted(held.rglob("*")):
        name = path.relative_to(held).as_posix().encode()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ContradictedError(
                f"`{path}` is neither a file nor a folder, which no base backup of Licet contains",
                "",
            )
        if path.is_file():
            size = path.stat().st_size
            total += size
            listed.update(b"%s\0%d\0%s\n" % (name, size, _file_digest(path).encode()))
    return total, listed.hexdigest()


def archive_of(folder: Path, manifest: BackupManifest) -> Path | None:
    """Returns the WAL archive that continues a base backup; NotFoundError if it is missing."""
    if not manifest.archive:
        return None
    archive = folder.absolute().parent / ARCHIVES / manifest.archive
    if not archive.is_dir():
        raise NotFoundError(
            f"the WAL archive `{archive}` of this base backup is missing",
            "put it back; with an empty folder in its place the base backup is restored without it",
        )
    return archive


def _file_digest(path: Path) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _mac(manifest: BackupManifest, key: bytes) -> str:
    text = msgspec.json.encode(msgspec.structs.replace(manifest, mac=""), order="sorted")
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def _size(folder: Path) -> int:
    """The size of a backup on disk in bytes, without its manifest."""
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and path != folder / MANIFEST
    )

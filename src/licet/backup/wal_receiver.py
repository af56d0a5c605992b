"""An installation's WAL archive: received continuously, in a folder below that of its base backups.

An archive has the name of its replication slot. A base backup names the archive at its beginning,
and a restore continues through that archive. The restored server has no slot: its WAL goes to
another archive, which needs another base backup. Received WAL is sealed (`wal_seals`); a restore
uses only sealed WAL.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from licet.backup import backup_manifest, base_backup, wal_archive, wal_seals
from licet.errors import BrokenError, BusyError
from licet.keys.restriction_journal import Journal
from licet.store import embedded
from licet.store.connect import Transaction, transaction
from licet.store.files import make_folder
from licet.vault.installation import Installation

PRUNE_SECONDS = 3600.0
SEAL_SECONDS = 1.0  # WAL lost at most if the receiver is killed
_LOCK = 0x6C69636577  # ASCII of `licew`


def slot(tx: Transaction, journal: Journal) -> str | None:
    """Returns this installation's slot, which is also its archive's name; None if no WAL is
    archived.
    """
    row = tx.execute(
        """SELECT slot_name FROM pg_replication_slots
            WHERE slot_type = 'physical' AND starts_with(slot_name, %s) ORDER BY 1 LIMIT 1""",
        [prefix(journal)],
    ).fetchone()
    return row[0] if row is not None else None


def prefix(journal: Journal) -> str:
    """Returns the prefix of an installation's slot and archive names."""
    return f"licet_{journal.id.hex[:12]}_"


def archive(
    installation: Installation,
    folder: Path,
    stop: threading.Event,
    report: Callable[[str], None],
    prune: Callable[[], object],
) -> Path:
    """Receives WAL into an archive below ``folder`` until ``stop``, and calls ``prune`` every hour;
    returns the archive.
    """
    with transaction(installation.pool) as tx:
        base_backup.may_replicate(tx)
    with _lock_receiver(installation):
        name = _begin(installation)
        make_folder(folder / name, 0o700)
        with transaction(installation.pool) as tx:
            key = backup_manifest.derive_key(installation.keyring.log_seed(tx))
        pruned = sealed = None

        def meanwhile() -> None:
            nonlocal pruned, sealed
            if sealed is None or time.monotonic() - sealed > SEAL_SECONDS:
                sealed = time.monotonic()
                wal_seals.seal(folder / name, key)
            if pruned is None or time.monotonic() - pruned > PRUNE_SECONDS:
                pruned = time.monotonic()
                prune()

        url, postgres = installation.config.database_url, installation.config.data / "postgres"
        try:
            wal_archive.receive(
                lambda: url or embedded.revive(postgres),
                folder / name,
                name,
                stop,
                report,
                meanwhile,
            )
        finally:
            wal_seals.seal(folder / name, key)
    return folder / name


def end(installation: Installation) -> str | None:
    """Ends the archive by dropping its slot, so that the server keeps no more WAL for it; returns
    its name, if any.
    """
    with _lock_receiver(installation), transaction(installation.pool) as tx:
        name = slot(tx, _journal(installation))
        if name is not None:
            _end_stale_receiver(tx, name)
            tx.execute("SELECT pg_drop_replication_slot(%s)", [name])
    return name


def _begin(installation: Installation) -> str:
    """Returns the slot, creating it if needed; from then on the server keeps WAL until it is
    received.
    """
    journal = _journal(installation)
    with transaction(installation.pool) as tx:
        tx.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        name = slot(tx, journal)
        if name is None:
            name = prefix(journal) + installation.keyring.random(4).hex()
            tx.execute("SELECT pg_create_physical_replication_slot(%s, true)", [name])
        else:
            _end_stale_receiver(tx, name)
    return name


def _end_stale_receiver(tx: Transaction, name: str) -> None:
    """Ends the connection of a killed receiver: the caller holds the lock, so no living program
    uses the slot.
    """
    tx.execute(
        "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE "
        "slot_name = %s AND active",
        [name],
    )


@contextmanager
def _lock_receiver(installation: Installation) -> Iterator[None]:
    file = os.open(
        installation.config.data / "wal.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise BusyError(
            "another program is archiving the WAL", "stop that `licet backup wal` first"
        ) from None
    try:
        yield
    finally:
        os.close(file)


def _journal(installation: Installation) -> Journal:
    if installation.keyring.restrictions is None:
        raise BrokenError("the installation was opened without its restriction journal")
    return installation.keyring.restrictions

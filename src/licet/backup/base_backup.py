"""Base backups: the files of a whole PostgreSQL server, copied while it runs, with the WAL that
makes them consistent.

A page keeps deleted rows until it is vacuumed and overwritten. A base backup therefore holds more
than the live rows, all of it sealed. It begins with a WAL segment of its own, so that it needs no
earlier WAL.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from licet.backup import postgres_programs
from licet.errors import BrokenError, RefusedError
from licet.store.connect import Transaction

ALLOWED = (
    "grant the role REPLICATION, and add to pg_hba.conf: `host replication ROLE ADDRESS "
    "scram-sha-256`"
)
_BEGINS = re.compile(
    r"^START WAL LOCATION: ([0-9A-F]+/[0-9A-F]+) \(file ([0-9A-F]{24})\)$", re.MULTILINE
)


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """The start of the WAL that a base backup needs: position, and name of its segment."""

    place: str
    segment: str


def may_replicate(tx: Transaction) -> None:
    """Raises RefusedError unless the role may take base backups and receive WAL."""
    row = tx.execute(
        "SELECT current_user, rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    if row is not None and not row[1]:
        raise RefusedError(
            f"the role `{row[0]}` may not replicate the server", ALLOWED, because="no_replication"
        )


def take_base_backup(dsn: str, target: Path) -> None:
    """Takes a base backup into the new folder ``target``; durable when it returns."""
    command = [
        "pg_basebackup",
        "--no-password",
        "--checkpoint=fast",
        "--wal-method=stream",
        "--label=licet",
    ]
    postgres_programs.run_program(
        [*command, "--manifest-checksums=SHA256", f"--pgdata={target}"], dsn, ALLOWED
    )


def check(source: Path) -> None:
    """Raises BrokenError if a file differs from PostgreSQL's manifest, or the WAL in the base
    backup is unreadable.
    """
    postgres_programs.run_program(
        ["pg_verifybackup", "--quiet", str(source)], hint="use another backup"
    )


def wal_beginning(source: Path) -> Beginning:
    match = _BEGINS.search((source / "backup_label").read_text("ascii", "replace"))
    if match is None:
        raise BrokenError(
            f"the label of the base backup in `{source}` cannot be read", "use another backup"
        )
    return Beginning(place=match[1], segment=match[2])

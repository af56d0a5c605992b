"""Base backups: the files of a whole PostgreSQL server, taken while it works, with the WAL that makes them one state.

A page keeps what was deleted from it until it is vacuumed and written over: a base holds more than what lives, sealed as
everything is. It begins with a segment of WAL of its own, so that no WAL from before it is needed.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from licet.backup import postgres_programs
from licet.errors import BrokenError, RefusedError
from licet.store.connect import Transaction

MANIFEST = "backup_manifest"  # PostgreSQL's own: every file with its SHA-256
ALLOWED = "give the role REPLICATION, and pg_hba.conf a line for it: `host replication ROLE ADDRESS scram-sha-256`"
_BEGINS = re.compile(r"^START WAL LOCATION: ([0-9A-F]+/[0-9A-F]+) \(file ([0-9A-F]{24})\)$", re.MULTILINE)


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """Where the WAL begins that a base needs: the place, and the name of its segment."""

    place: str
    segment: str


def may_replicate(tx: Transaction) -> None:
    """RefusedError for a role that may neither take a base backup nor receive WAL."""
    row = tx.execute(
        "SELECT current_user, rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    if row is not None and not row[1]:
        raise RefusedError(f"the role `{row[0]}` may not copy the server", ALLOWED, because="no_replication")


def take(dsn: str, target: Path) -> None:
    """Takes a base backup into the folder ``target``, which it makes; durable when it returns."""
    command = ["pg_basebackup", "--no-password", "--checkpoint=fast", "--wal-method=stream", "--label=licet"]
    postgres_programs.run([*command, "--manifest-checksums=SHA256", f"--pgdata={target}"], dsn, ALLOWED)


def check(source: Path) -> None:
    """BrokenError where a file is not the one of PostgreSQL's manifest, or the WAL in the base does not read."""
    postgres_programs.run(["pg_verifybackup", "--quiet", str(source)], hint="use another backup")


def beginning(source: Path) -> Beginning:
    """Where the WAL begins that a base needs."""
    found = _BEGINS.search((source / "backup_label").read_text("ascii", "replace"))
    if found is None:
        raise BrokenError(f"the label of the base in `{source}` does not read", "use another backup")
    return Beginning(place=found[1], segment=found[2])

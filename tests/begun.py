"""What `. examples/begin.sh` leaves, for the pages of the documents after the first one that begins
with it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from .waiting import wait_until
from .walkthrough import Walk


@dataclass
class Begun:
    """The data, the database and what was printed, once the first page has begun.

    ``dsn`` is a database that nobody else uses: it is made anew from that of the first page.
    """

    folder: Path
    dsn: str
    printed: str | None = None

    def keep(self, walk: Walk, printed: str) -> None:
        assert walk.dsn is not None
        shutil.copytree(walk.folder / "licet-data", self.folder)
        copy_database(walk.dsn, self.dsn)
        self.printed = printed

    def give(self, walk: Walk) -> str:
        assert walk.dsn is not None and self.printed is not None
        shutil.copytree(self.folder, walk.folder / "licet-data")
        copy_database(self.dsn, walk.dsn)
        return self.printed


def copy_database(dsn: str, into: str) -> None:
    """Makes the database ``into`` anew as the one at ``dsn`` is, once nobody is connected to that
    any more.
    """
    source, target = (str(conninfo.conninfo_to_dict(one)["dbname"]) for one in (dsn, into))
    connected = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = %s)"
    with psycopg.connect(dsn, dbname="postgres", autocommit=True) as conn:
        wait_until(
            lambda: conn.execute(connected, [source]).fetchone() == (True,), "nobody is connected"
        )
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(target)))
        conn.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(target), sql.Identifier(source)
            )
        )

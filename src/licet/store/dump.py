"""Dumps of the database, by PostgreSQL's own programs: taken while it works, and put back whole or not at all.

A dump is `pg_dump`'s custom format of one snapshot. Putting one back takes one transaction, in which every table of
the database is dropped first: killed or failing anywhere, the database is as it was before. The tables named in
``KEPT`` are in no dump and are not dropped, so that what stands in them holds before, during and after.

The connection's parts reach the programs by their environment: a command line is for everybody to read.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import IO

import psycopg
from psycopg.conninfo import conninfo_to_dict

from licet.errors import BrokenError
from licet.store import embedded
from licet.store.files import sync

KEPT = ("fence",)
OUTPUT_CHARACTERS_MAX = 400
_SILENCE = "SET client_min_messages = warning"
_DROP = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT format('DROP %%s IF EXISTS public.%%I CASCADE', CASE relkind WHEN 'v' THEN 'VIEW'
                             WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relname) AS told
                 FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
                  AND relname <> ALL (ARRAY[%s]) ORDER BY relkind = 'S' LOOP
        EXECUTE one.told;
    END LOOP;
    FOR one IN SELECT format('DROP ROUTINE IF EXISTS %%s CASCADE', oid::regprocedure) AS told FROM pg_proc p
                WHERE pronamespace = 'public'::regnamespace
                  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') LOOP
        EXECUTE one.told;
    END LOOP;
END $$;
"""


def take(dsn: str, target: Path) -> None:
    """Dumps the database to the file ``target``, durable when it returns."""
    left_out = [f"--exclude-table={name}" for name in KEPT]
    command = ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", *left_out, f"--file={target}"]
    _finish("pg_dump", _begin(command, dsn))
    sync(target)


def check(source: Path) -> None:
    """BrokenError where the file is no dump that can be put back."""
    _finish("pg_restore", _begin(["pg_restore", "--list", str(source)]))


def put_back(dsn: str, source: Path) -> None:
    """Replaces everything in the database by the dump ``source``, in one transaction."""
    drop = _DROP % ", ".join(f"'{name}'" for name in KEPT)
    reader = _begin(["pg_restore", "--no-owner", "--no-privileges", "--file=-", str(source)], stdout=subprocess.PIPE)
    told = ["psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-c", _SILENCE, "-c", drop, "-f", "-"]
    writer = _begin(told, dsn, stdin=reader.stdout)
    assert reader.stdout is not None
    reader.stdout.close()  # so that the reader ends when the writer does
    try:
        _finish("psql", writer)
    except BrokenError:
        reader.kill()
        reader.communicate()
        raise
    _finish("pg_restore", reader)


def _begin(
    command: list[str],
    dsn: str = "",
    stdin: IO[bytes] | int | None = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    program = embedded.binaries() / command[0]
    found = [str(program) if program.is_file() else command[0], *command[1:]]
    return subprocess.Popen(  # noqa: S603 programs of PostgreSQL, with arguments of our making
        found, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, env=_environment(dsn)
    )


def _finish(program: str, running: subprocess.Popen[bytes]) -> None:
    said = running.stderr.read() if running.stderr is not None else b""
    if running.stderr is not None:
        running.stderr.close()
    if running.wait() != 0:
        # What the programs say may quote rows, in the lines that follow: the first one names the program's trouble.
        lines = said.decode("utf-8", "replace").splitlines()
        named = [line for line in lines if "error" in line.lower()] or lines or ["no reason given"]
        raise BrokenError(f"`{program}` failed: {named[0][:OUTPUT_CHARACTERS_MAX]}")


def _environment(dsn: str) -> dict[str, str]:
    named = conninfo_to_dict(dsn)
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in psycopg.pq.Conninfo.get_defaults()
        if option.envvar is not None
    }
    told = {variables[key]: str(value) for key, value in named.items() if key in variables and value is not None}
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LD_LIBRARY_PATH")}
    return {**kept, **told, "LC_ALL": "C.UTF-8"}

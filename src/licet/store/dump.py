"""Dumps of the database, by PostgreSQL's own programs: taken while it works, and put back whole or not at all.

A dump is `pg_dump`'s custom format of one snapshot. Putting one back takes one transaction, in which every table of
the database is dropped first: killed or failing anywhere, the database is as it was before. The tables named in
``KEPT`` are in no dump and are not dropped, so that what stands in them holds before, during and after.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from licet.errors import BrokenError
from licet.store import programs
from licet.store.files import sync

KEPT = ("fence",)
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
    programs.run(command, dsn)
    sync(target)


def check(source: Path) -> None:
    """BrokenError where the file is no dump that can be put back."""
    programs.run(["pg_restore", "--list", str(source)])


def put_back(dsn: str, source: Path) -> None:
    """Replaces everything in the database by the dump ``source``, in one transaction."""
    drop = _DROP % ", ".join(f"'{name}'" for name in KEPT)
    reader = programs.begin(
        ["pg_restore", "--no-owner", "--no-privileges", "--file=-", str(source)], stdout=subprocess.PIPE
    )
    told = ["psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-c", _SILENCE, "-c", drop, "-f", "-"]
    writer = programs.begin(told, dsn, stdin=reader.stdout)
    assert reader.stdout is not None
    reader.stdout.close()  # so that the reader ends when the writer does
    try:
        programs.finish(writer)
    except BrokenError:
        reader.kill()
        reader.communicate()
        raise
    programs.finish(reader)

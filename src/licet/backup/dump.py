r"""Dumps of the running database by PostgreSQL's own programs, restored completely or not at all.

A dump is `pg_dump`'s custom format of one snapshot. Nothing in a dump is executed when it is
restored. The schema is created by Licet's migrations, not taken from the dump. Of the output of
`pg_restore`, only rows and sequence positions of that schema are used, by statements of this
module; any other line, such as `\!` or `COPY .. TO PROGRAM`, is refused. A role that may use only
these tables inserts the rows: it can run no program, read no file and create no role.

A restore is one transaction, which first drops every table: if it is killed or fails, the database
is unchanged. The tables in ``KEPT`` are in no dump and are never dropped.
"""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql

from licet.backup import postgres_programs
from licet.errors import BrokenError, ContradictedError
from licet.store.connect import Transaction, translate_errors
from licet.store.files import sync
from licet.store.migrate import migrate, migrations

KEPT = ("fence",)
COPY_BYTES_MAX = 256 * 2**10  # of rows per message
LISTED_CHARACTERS_MAX = 60
_DROP = """
DO $$
DECLARE item record;
BEGIN
    FOR item IN SELECT format('DROP %%s IF EXISTS public.%%I CASCADE', CASE relkind WHEN 'v'
      THEN 'VIEW'
                             WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                               ELSE 'TABLE' END, relname) AS statement
                 FROM pg_class WHERE relnamespace = 'public'::regnamespace
                   AND relkind IN ('r', 'p', 'v', 'm', 'S')
                  AND relname <> ALL (ARRAY[%s]) ORDER BY relkind = 'S' LOOP
        EXECUTE item.statement;
    END LOOP;
    FOR item IN SELECT format('DROP ROUTINE IF EXISTS %%s CASCADE', oid::regprocedure) AS statement
      FROM pg_proc p
                WHERE pronamespace = 'public'::regnamespace
                  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid
                    AND d.deptype = 'e') LOOP
        EXECUTE item.statement;
    END LOOP;
END $$;
"""
# The entries that a dump's table of contents may list, by PostgreSQL's names.
_RELATIONS = ("TABLE DATA", "TABLE", "SEQUENCE OWNED BY", "SEQUENCE SET", "SEQUENCE")
_NAMED = ("FUNCTION", "TRIGGER", "VIEW")  # accepted, but never created from the dump
_LISTED = (
    *_RELATIONS,
    *_NAMED,
    "DEFAULT",
    "CHECK CONSTRAINT",
    "FK CONSTRAINT",
    "CONSTRAINT",
    "INDEX",
    "STATISTICS DATA",
)
_ENTRY = re.compile(rf"\d+; \d+ \d+ ({'|'.join(_LISTED)}) public (\w+)(?:\([^()]*\))?( .*)?")
_MADE = re.compile(
    r"^CREATE (?:(?:UNLOGGED )?TABLE|SEQUENCE|FUNCTION|TRIGGER|VIEW)(?: IF NOT EXISTS)? (\w+)",
    re.MULTILINE,
)
_COPY = re.compile(r"COPY public\.([a-z_][a-z0-9_]*) \(([a-z0-9_\", ]+)\) FROM stdin;")
_SETVAL = re.compile(
    r"SELECT pg_catalog\.setval\('public\.([a-z_][a-z0-9_]*)', (\d+), (true|false)\);"
)
_SILENT = re.compile(
    r"|--.*|\\(?:un)?restrict [A-Za-z0-9]+|SET [a-z_]+ = [A-Za-z0-9'_-]+;"
    r"|SELECT pg_catalog\.set_config\('search_path', '', false\);"
)


def dump_database(dsn: str, target: Path) -> None:
    """Dumps the database to the file ``target``; durable when it returns."""
    left_out = [f"--exclude-table={name}" for name in KEPT]
    command = [
        "pg_dump",
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        *left_out,
        f"--file={target}",
    ]
    postgres_programs.run_program(command, dsn)
    sync(target)


def check(source: Path) -> None:
    """Reads a dump to its end; ContradictedError if it contains anything that no dump of Licet
    does.
    """
    known = _known_objects()
    with _output(["pg_restore", "--list", str(source)]) as lines:
        for raw in lines:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            entry = _ENTRY.fullmatch(line)
            if line and not line.startswith(";") and (entry is None or not _is_known(entry, known)):
                raise _foreign_error(line.partition(";")[2])
    with _script(source) as lines:
        for raw in lines:
            line = _decode_line(raw)
            if copied := _COPY.fullmatch(line):
                if copied[1] not in known:
                    raise _foreign_error(line)
                for _ in _read_rows(lines):
                    pass
            elif not _SETVAL.fullmatch(line) and not _SILENT.fullmatch(line):
                raise _foreign_error(line)


def restore_rows(dsn: str, source: Path, schema: int | None = None) -> None:
    """Replaces everything in the database with the rows of ``source``, in one transaction.

    ``schema`` is the number of the migration at which the dump was taken, by default the newest.
    """
    steps = migrations()
    with (
        translate_errors(),
        psycopg.connect(dsn, client_encoding="utf8") as conn,
        conn.transaction(),
    ):
        conn.execute("SET LOCAL client_min_messages = warning")
        conn.execute(_DROP % ", ".join(f"'{name}'" for name in KEPT))
        migrate(conn, steps[: len(steps) if schema is None else schema])
        to_restore = _drop_constraints(conn)
        with _restricted_role(conn):
            _copy_rows(conn, source)
        for statement in to_restore:
            conn.execute(statement)


# Reading


@contextmanager
def _output(command: list[str]) -> Iterator[IO[bytes]]:
    reader = postgres_programs.start_program(command, stdout=subprocess.PIPE)
    assert reader.stdout is not None
    try:
        with reader.stdout as lines:
            yield lines
    except BaseException:
        reader.kill()
        reader.communicate()
        raise
    postgres_programs.wait_program(reader)


@contextmanager
def _script(source: Path) -> Iterator[IO[bytes]]:
    """Yields the rows as printed by `pg_restore`, which gets no connection to a server."""
    with _output(
        ["pg_restore", "--data-only", "--no-owner", "--no-privileges", "--file=-", str(source)]
    ) as lines:
        yield lines


def _decode_line(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").removesuffix("\n")


def _read_rows(lines: IO[bytes]) -> Iterator[bytes]:
    """Yields the rows of one table in COPY format, in chunks of whole rows."""
    piece: list[bytes] = []
    size = 0
    for raw in lines:
        if raw == b"\\.\n":
            yield b"".join(piece)
            return
        piece.append(raw)
        size += len(raw)
        if size > COPY_BYTES_MAX:
            yield b"".join(piece)
            piece, size = [], 0
    raise ContradictedError("the dump ends in the middle of a table", "use another backup")


def _known_objects() -> frozenset[str]:
    """Returns the names of all objects that Licet's schema creates."""
    text = "\n".join(step.sql.decode() for step in migrations())
    return frozenset(_MADE.findall(text)) | {"migrations"}


def _is_known(entry: re.Match[str], known: frozenset[str]) -> bool:
    kind, name = entry[1], entry[2]
    if kind == "TRIGGER":  # the table's name, then the trigger's
        return name in known and (entry[3] or "").split()[:1] != [] and entry[3].split()[0] in known
    is_own = kind.startswith("SEQUENCE") and name.endswith("_seq")
    return kind not in (*_RELATIONS, *_NAMED) or name in known or is_own


def _foreign_error(statement: str) -> ContradictedError:
    return ContradictedError(
        "the dump contains what no dump of Licet contains: "
        f"`{statement.strip()[:LISTED_CHARACTERS_MAX]}`",
        "use another backup",
    )


# Filling


def _drop_constraints(conn: Transaction) -> list[str]:
    """Removes the new schema's rows, indexes and references, and disables its triggers, which would
    count rows whose counts are in the dump. Returns the statements that restore all but the rows.
    """
    indexes = conn.execute(
        """SELECT pg_get_indexdef(i.indexrelid), c.relname FROM pg_index i
            JOIN pg_class c ON c.oid = i.indexrelid
            WHERE c.relnamespace = 'public'::regnamespace
              AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid
                AND k.contype <> 'f')"""
    ).fetchall()
    references = conn.execute(
        """SELECT c.relname, k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k
            JOIN pg_class c ON c.oid = k.conrelid
            WHERE k.connamespace = 'public'::regnamespace AND k.contype = 'f'"""
    ).fetchall()
    to_restore = [definition for definition, _ in indexes]
    for table, name, definition in references:
        statement = sql.SQL("ALTER TABLE {} {} CONSTRAINT {}")
        conn.execute(statement.format(sql.Identifier(table), sql.SQL("DROP"), sql.Identifier(name)))
        to_restore.append(
            statement.format(sql.Identifier(table), sql.SQL("ADD"), sql.Identifier(name)).as_string(
                conn
            )
            + f" {definition}"
        )
    for (table,) in conn.execute(
        """SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
            WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal"""
    ).fetchall():
        switch = sql.SQL("ALTER TABLE {} {} TRIGGER USER")
        conn.execute(switch.format(sql.Identifier(table), sql.SQL("DISABLE")))
        to_restore.append(switch.format(sql.Identifier(table), sql.SQL("ENABLE")).as_string(conn))
    for _, name in indexes:
        conn.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    conn.execute(
        sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(sql.Identifier, _columns(conn))))
    )
    return to_restore


@contextmanager
def _restricted_role(conn: Transaction) -> Iterator[None]:
    """Runs the block as a temporary role that may use only these tables; unless superuser, as the
    current role.
    """
    row = conn.execute(
        "SELECT rolsuper, rolname FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    if row is None or not row[0]:
        yield
        return
    role, back = sql.Identifier(f"licet_restore_{secrets.token_hex(6)}"), sql.Identifier(row[1])
    conn.execute(
        sql.SQL("CREATE ROLE {} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION").format(
            role
        )
    )
    for (owned,) in conn.execute(_OWNED, [list(KEPT)]).fetchall():
        conn.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(owned), role))
    conn.execute(sql.SQL("SET LOCAL ROLE {}").format(role))
    yield
    conn.execute("RESET ROLE")
    conn.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(role, back))
    conn.execute(sql.SQL("DROP ROLE {}").format(role))


# A sequence of an identity column has its table's owner.
_OWNED = """SELECT relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace
    AND relname <> ALL(%s)
    AND (relkind = 'r' OR relkind = 'S' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i'))"""


def _columns(conn: Transaction) -> dict[str, set[str]]:
    """Returns the columns that rows are copied into, by table."""
    rows = conn.execute(
        """SELECT c.relname, array_agg(a.attname::text) FROM pg_class c
            JOIN pg_attribute a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
              AND c.relname <> ALL(%s)
              AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' GROUP BY 1""",
        [list(KEPT)],
    ).fetchall()
    return {table: set(columns) for table, columns in rows}


def _copy_rows(conn: Transaction, source: Path) -> None:
    """Inserts the rows; ContradictedError for an unknown column, or a table that is unknown,
    missing or repeated.
    """
    missing = _columns(conn)
    with _script(source) as lines:
        for raw in lines:
            line = _decode_line(raw)
            if copied := _COPY.fullmatch(line):
                columns = [name.strip('" ') for name in copied[2].split(",")]
                if missing.pop(copied[1], None) != set(columns):
                    raise _foreign_error(line)
                _copy(conn, copied[1], columns, lines)
            elif placed := _SETVAL.fullmatch(line):
                conn.execute(
                    "SELECT setval(%s::regclass, %s, %s)",
                    [placed[1], int(placed[2]), placed[3] == "true"],
                )
            elif not _SILENT.fullmatch(line):
                raise _foreign_error(line)
    if missing:
        raise ContradictedError(f"the dump lacks the table `{min(missing)}`", "use another backup")


def _copy(conn: Transaction, table: str, columns: list[str], lines: IO[bytes]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    try:
        with conn.cursor().copy(into) as copy:
            for piece in _read_rows(lines):
                copy.write(piece)
    except psycopg.DataError as error:
        raise BrokenError(
            f"the rows of `{table}` cannot be read: sqlstate `{error.sqlstate}`",
            "use another backup",
        ) from None

"""The schema's history: numbered files of SQL, applied in order, forward only.

Promise: `migrate` leaves the database at the newest migration or unchanged; concurrent calls are
safe. Each migration is one transaction together with its row in `migrations`, so a crash falls
between two of them. An applied file never changes: its SHA-256 is stored, and another text under
the same number is refused, as is a database that is newer than this code, unless each newer step
says in its first line that it only expands the schema (`-- expand: WHAT`): older programs then work
unchanged. Any other step contracts, also one without such a line.

A step waiting for a lock blocks every later reader and writer of the table. So it gives up after a
moment and retries, while servers continue: an upgrade takes longer on a busy database, without an
outage.

`drift` compares two databases by their catalogs, so that a test can compare a restored schema with
that of the migrations on any server version; dumps would differ in text.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import takewhile

import msgspec
import psycopg
from psycopg.pq import TransactionStatus

from licet.errors import BrokenError, BusyError
from licet.store.connect import Transaction, translate_errors

_NAME = re.compile(r"(\d{4})_([a-z][a-z0-9_]*)\.sql")
_LOCK = 0x6C69636574  # the letters of `licet`
_EXPAND = b"-- expand: "
LOCK_MILLISECONDS_MAX = 500
LOCK_ATTEMPTS_MAX = 240
LOCK_PAUSE_SECONDS = 1.0
_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    number integer PRIMARY KEY CONSTRAINT migration_numbers_are_positive CHECK (number > 0),
    name text NOT NULL,
    sha256 bytea NOT NULL CONSTRAINT a_sha256_has_32_bytes CHECK (length(sha256) = 32),
    expands boolean NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema's history."""

    number: int
    name: str
    sql: bytes

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.sql).digest()

    @property
    def expands(self) -> bool:
        """Whether older programs work with the result."""
        return self.sql.startswith(_EXPAND)


def migrations(folder: Traversable | None = None) -> tuple[Migration, ...]:
    """Returns the steps in ``folder`` (default: the package's), in order; their numbers run from 1
    without a gap.
    """
    steps = []
    for file in (folder or files("licet.store") / "migrations").iterdir():
        if file.name.endswith(".sql"):
            match = _NAME.fullmatch(file.name)
            if not match:
                raise BrokenError(
                    f"`{file.name}` is not the name of a migration", "name it like `0001_words.sql`"
                )
            steps.append(Migration(int(match[1]), match[2], file.read_bytes()))
    steps.sort(key=lambda m: m.number)
    for place, step in enumerate(steps, start=1):
        if step.number != place:
            raise BrokenError(f"migration `{place}` is missing or `{step.number}` is there twice")
    return tuple(steps)


def migrate(
    conn: Transaction,
    steps: tuple[Migration, ...] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Migration, ...]:
    """Migrates the database to the newest step; returns the steps applied by this call.
    ContentionError if a needed lock is held for minutes.
    """
    steps = migrations() if steps is None else steps
    done: list[Migration] = []
    with translate_errors():
        while (step := _retry_locked(conn, steps, sleep)) is not None:
            done.append(step)
    return tuple(done)


def _retry_locked(
    conn: Transaction, steps: tuple[Migration, ...], sleep: Callable[[float], None]
) -> Migration | None:
    for _ in range(LOCK_ATTEMPTS_MAX - 1):
        try:
            return _advance(conn, steps)
        except psycopg.errors.LockNotAvailable:
            sleep(LOCK_PAUSE_SECONDS)
    return _advance(conn, steps)


def pending(conn: Transaction, steps: tuple[Migration, ...] | None = None) -> tuple[Migration, ...]:
    """Returns the steps that `migrate` would apply; raises its errors, changes nothing."""
    steps = migrations() if steps is None else steps
    with translate_errors(), conn.transaction():
        known = conn.execute("SELECT to_regclass('migrations') IS NOT NULL").fetchone()
        return steps[_applied(conn, steps) if known == (True,) else 0 :]


def refuse_contracted(conn: Transaction, known: int) -> None:
    """Raises BusyError if a newer version has contracted the schema: a program that knows ``known``
    steps may fail from then on.
    """
    newer = conn.execute(
        "SELECT max(number) FROM migrations WHERE number > %s AND NOT expands", (known,)
    ).fetchone()
    if newer is not None and newer[0] is not None:
        raise BusyError(
            f"the database is at migration `{newer[0]}`, and this server knows `{known}`",
            "start it again with the version that contracted the schema",
            because="newer_schema",
        )


def expanding(steps: tuple[Migration, ...]) -> tuple[Migration, ...]:
    """Returns the steps before the first one that contracts."""
    return tuple(takewhile(lambda step: step.expands, steps))


def _advance(conn: Transaction, steps: tuple[Migration, ...]) -> Migration | None:
    """Applies the next step in its own transaction; None if there is none."""
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        conn.execute("SET LOCAL client_min_messages = warning")
        conn.execute(_TABLE)
        count = _applied(conn, steps)
        if count >= len(steps):
            return None
        step = steps[count]
        conn.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_MILLISECONDS_MAX}ms"])
        try:
            conn.execute(step.sql)
        except psycopg.errors.LockNotAvailable:
            raise
        except psycopg.Error as error:
            # A migration's text is Licet's, and so is the message about it: safe to show, and
            # needed to fix it.
            message = error.diag.message_primary or type(error).__name__
            raise BrokenError(
                f"migration `{step.number}` (`{step.name}`) failed: {message}"
            ) from None
        if conn.info.transaction_status is not TransactionStatus.INTRANS:
            raise BrokenError(
                f"migration `{step.number}` (`{step.name}`) ended its transaction",
                "take out COMMIT",
            )
        conn.execute(
            """INSERT INTO migrations (number, name, sha256, expands)
               VALUES (%(number)s, %(name)s, %(sha256)s, %(expands)s)""",
            {
                "number": step.number,
                "name": step.name,
                "sha256": step.sha256,
                "expands": step.expands,
            },
        )
        return step


def _applied(conn: Transaction, steps: tuple[Migration, ...]) -> int:
    """Returns the number of applied steps, more than ``steps`` if the newer ones only expand;
    raises unless ``steps`` are the first of them.
    """
    rows = conn.execute(
        "SELECT number, name, sha256, expands FROM migrations ORDER BY number"
    ).fetchall()
    if not all(expands for *_, expands in rows[len(steps) :]):
        raise BrokenError(
            f"the database is at migration `{len(rows)}`, this version of licet knows "
            f"`{len(steps)}`",
            "install the version of licet that wrote it, or a newer one",
        )
    for step, (number, name, sha256, _) in zip(steps, rows, strict=False):
        if (number, name, bytes(sha256)) != (step.number, step.name, step.sha256):
            raise BrokenError(
                f"migration `{step.number}` (`{step.name}`) is not the one that was applied "
                f"here (`{name}`)",
                "restore the file's text; a change of the schema is a new migration",
            )
    return len(rows)


def drift(ours: Transaction, theirs: Transaction) -> str:
    """Returns the schema differences of two databases on one server as a diff; empty if there are
    none.
    """
    import difflib  # slow to import

    lines = difflib.unified_diff(
        dump_schema(ours).splitlines(),
        dump_schema(theirs).splitlines(),
        "ours",
        "theirs",
        n=0,
        lineterm="",
    )
    return "\n".join(lines)


def dump_schema(conn: Transaction) -> str:
    """Returns the schema as text, one object per line, sorted; equal texts mean equal schemas.

    Left out: the table `migrations`, objects of extensions, and names of NOT NULL constraints (new
    in 18).
    """
    with translate_errors(), conn.transaction():
        # Without a search path every name in a definition is qualified.
        conn.execute("SET LOCAL search_path = ''")
        rows = conn.execute(_CATALOG).fetchall()
    return "\n".join(sorted(str(line) for (line,) in rows)) + "\n"


_CATALOG = """
WITH spaces AS (
    SELECT oid, nspname FROM pg_catalog.pg_namespace
    WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'
),
members AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
),
relations AS (
    SELECT c.*, s.nspname || '.' || c.relname AS full_name
    FROM pg_catalog.pg_class c JOIN spaces s ON s.oid = c.relnamespace
    WHERE c.relname NOT IN ('migrations', 'migrations_pkey')
      AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_catalog.pg_class'::regclass
        AND m.objid = c.oid)
),
columns AS (
    SELECT a.*, r.full_name, d.adbin, row_number() OVER (PARTITION BY a.attrelid
      ORDER BY a.attnum) AS place
    FROM pg_catalog.pg_attribute a
    JOIN relations r ON r.oid = a.attrelid AND r.relkind IN ('r', 'p', 'v', 'm', 'c', 'f')
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
)
SELECT concat_ws(' ', 'schema', nspname) FROM spaces
UNION ALL
SELECT concat_ws(' ', 'extension', extname) FROM pg_catalog.pg_extension
UNION ALL
SELECT concat_ws(' ', 'relation', full_name, relkind, relpersistence, reloptions::text,
  relacl::text,
    CASE WHEN relrowsecurity THEN 'row security' END, CASE WHEN relforcerowsecurity
      THEN 'forced' END,
    CASE WHEN relreplident <> 'd' THEN 'identity ' || relreplident::text END,
    pg_catalog.pg_get_partkeydef(oid), pg_catalog.pg_get_expr(relpartbound, oid),
    (SELECT 'of ' || string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno)
        FROM pg_catalog.pg_inherits i WHERE i.inhrelid = relations.oid),
    (SELECT seqtypid::regtype || ' ' || concat_ws(',', seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle)
        FROM pg_catalog.pg_sequence s WHERE s.seqrelid = relations.oid),
    CASE WHEN relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(oid) END)
FROM relations WHERE relkind NOT IN ('i', 'I', 't')
UNION ALL
SELECT concat_ws(' ', 'column', full_name, to_char(place, 'FM000'), attname,
    pg_catalog.format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END,
    'default ' || pg_catalog.pg_get_expr(adbin, attrelid),
      'identity ' || nullif(attidentity, '')::text,
    'generated ' || nullif(attgenerated, '')::text, 'storage ' || attstorage::text, attacl::text,
    'statistics ' || nullif(attstattarget, -1)::text,
    (SELECT 'collate ' || collname FROM pg_catalog.pg_collation k WHERE k.oid = attcollation
      AND collname <> 'default'))
FROM columns
UNION ALL
SELECT concat_ws(' ', 'constraint', r.full_name, k.conname, pg_catalog.pg_get_constraintdef(k.oid))
FROM pg_catalog.pg_constraint k JOIN relations r ON r.oid = k.conrelid WHERE k.contype <> 'n'
UNION ALL
SELECT concat_ws(' ', 'index', pg_catalog.pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid
  THEN 'invalid' END)
FROM pg_catalog.pg_index i JOIN relations r ON r.oid = i.indrelid AND r.relkind <> 't'
UNION ALL
SELECT concat_ws(' ', 'trigger', pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled)
FROM pg_catalog.pg_trigger t JOIN relations r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL
SELECT concat_ws(' ', 'rule', pg_catalog.pg_get_ruledef(u.oid))
FROM pg_catalog.pg_rewrite u JOIN relations r ON r.oid = u.ev_class WHERE u.rulename <> '_RETURN'
UNION ALL
SELECT concat_ws(' ', 'policy', r.full_name, p.polname, p.polcmd, p.polpermissive,
  p.polroles::regrole[]::text,
    pg_catalog.pg_get_expr(p.polqual, p.polrelid), 'check',
      pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_catalog.pg_policy p JOIN relations r ON r.oid = p.polrelid
UNION ALL
SELECT concat_ws(' ', 'routine', pg_catalog.pg_get_functiondef(f.oid), f.proacl::text)
FROM pg_catalog.pg_proc f JOIN spaces s ON s.oid = f.pronamespace
WHERE f.prokind IN ('f', 'p')
  AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_catalog.pg_proc'::regclass
    AND m.objid = f.oid)
UNION ALL
SELECT concat_ws(' ', 'type', pg_catalog.format_type(t.oid, NULL), t.typtype,
    CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END,
      t.typnotnull, t.typdefault,
    (SELECT string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder)
        FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid),
    (SELECT string_agg(conname || ' ' || pg_catalog.pg_get_constraintdef(k.oid), ',' ORDER BY conname)
        FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype <> 'n'))
FROM pg_catalog.pg_type t JOIN spaces s ON s.oid = t.typnamespace
WHERE t.typtype IN ('d', 'e', 'r')
  AND NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_catalog.pg_type'::regclass
    AND m.objid = t.oid)
"""

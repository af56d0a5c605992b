"""What is left of deleted text: planted sentences in plain PostgreSQL after DELETE, beside the same
sentences in Licet.

A table of messages is written, some of them hold a sentence, and these are deleted by what
everybody deletes with. After each measure that is said to help, the files of the server and the
dump of the day before are searched for the sentences as plain bytes: no undelete, no page is even
parsed. A figure is how many of the sentences are found, once or more often; the floor is how many
there are in Licet, with the same server and settings, after `erase run --now`.

    python -m bench leftovers [SENTENCES]
"""

from __future__ import annotations

import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psycopg

from bench import NO_NAMES, Row
from licet.config import Configuration
from licet.erasure import certificates
from licet.policy.file import preset
from licet.service import policy_changes
from licet.store import embedded
from licet.vault import commands as do
from licet.vault import verbs
from licet.vault.content import Content, encode
from licet.vault.ids import uuid7
from licet.vault.installation import open_installation

OTHERS = 20  # messages that nobody deletes, for each that is
PLACES = ("heap", "wal", "dump")


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the sentences are found after ``step``, by where they lie; ``anywhere`` counts
    each once.
    """

    step: str
    heap: int
    wal: int
    dump: int
    anywhere: int


def main(arguments: list[str]) -> list[Row]:
    count = int(arguments[0]) if arguments else 200
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as folder:
        ours = licet(Path(folder) / "licet", count)
        plain = list(postgres(Path(folder) / "plain", count))
    what = f"of {count} deleted sentences found in plain PostgreSQL"
    return [
        Row(f"{what}, {one.step}: in {place}", str(getattr(one, place)), str(getattr(ours, place)))
        for one in plain
        for place in PLACES
    ]


def sentences(count: int) -> list[bytes]:
    """Sentences that are nowhere yet."""
    core = secrets.token_hex(6)
    return [
        f"sentence {core}-{number:06} of grandmother's letter".encode() for number in range(count)
    ]


def searched(step: str, cluster: Path, dump: Path, planted: list[bytes]) -> Left:
    """The sentences that the files hold as plain bytes."""
    kinds = {"heap": cluster / "base", "wal": cluster / "pg_wal", "dump": dump}
    found = {kind: _within(place, planted) for kind, place in kinds.items()}
    anywhere = len(set().union(*found.values()))
    return Left(step=step, anywhere=anywhere, **{kind: len(which) for kind, which in found.items()})


def _within(place: Path, planted: list[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for path in [place] if place.is_file() else sorted(place.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            found |= {one for one in planted if one in data}
    return found


def postgres(folder: Path, count: int, options: embedded.Options | None = None) -> Iterator[Left]:
    """A plain table of messages: before, and after each measure."""
    planted = sentences(count)
    with embedded.running(folder, options) as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE messages (id bigint PRIMARY KEY, person int NOT NULL, body text NOT NULL)"
        )
        with conn.cursor() as cursor, cursor.copy("COPY messages FROM STDIN") as copy:
            for number in range(count * OTHERS):
                mine = number % OTHERS == 0
                body = (
                    planted[number // OTHERS].decode()
                    if mine
                    else f"message {number} of somebody else"
                )
                copy.write_row((number, 1 if mine else 2, body))
        dump = folder / "yesterday.sql"
        dump.write_bytes(_dumped(dsn))

        def after(step: str, *statements: str) -> Left:
            for statement in statements:
                conn.execute(statement)
            conn.execute("CHECKPOINT")
            return searched(step, folder / "cluster", dump, planted)

        yield after("before DELETE")
        yield after("after DELETE", "DELETE FROM messages WHERE person = 1")
        yield after("after VACUUM", "VACUUM messages")
        yield after("after VACUUM FULL", "VACUUM FULL messages")


def _dumped(dsn: str) -> bytes:
    program = embedded.binaries() / "pg_dump"
    return subprocess.run([str(program), dsn], capture_output=True, check=True).stdout


def licet(folder: Path, count: int, options: embedded.Options | None = None) -> Left:
    """The same sentences, told to Licet and erased by their person."""
    planted, config = sentences(count), Configuration(data=folder, curate=NO_NAMES)
    at = datetime.now(UTC)
    folder.mkdir()
    with embedded.running(folder / "postgres", options) as dsn:
        with open_installation(config, lambda: at) as installation:
            policy_changes.apply_policy(installation, preset("article-2025"), actor="bench")
            account = uuid7(at, secrets.token_bytes(10))
            opening = do.OpenAccount(
                account=account, at=at, host=secrets.token_bytes(16), plan="pro", age=30
            )
            verbs.apply_commands(
                installation, [opening, do.Choose(account=account, at=at, allow=True)]
            )
            chat = secrets.token_bytes(16)
            said = [
                do.AddTurn(
                    account=account,
                    at=at,
                    host_conversation=chat,
                    content=encode(Content(text=one.decode())),
                )
                for one in planted
            ]
            (*_, last) = verbs.apply_commands(installation, said)
            dump = folder / "yesterday.sql"
            dump.write_bytes(_dumped(dsn))
            assert last.conversation is not None
            verbs.apply_commands(
                installation, [do.Delete(account=account, at=at, conversation=last.conversation)]
            )
            certificates.advance_erasures(installation, at_once=True)
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("CHECKPOINT")
        return searched("after erase run", folder / "postgres" / "cluster", dump, planted)

"""The agent's state, in one SQLite file per account. It contains no content.

* the position in each transcript, and since when its account has its present grants;
* the person's choice for each session;
* the session of each turn: a resumed session copies earlier records into its own file, and each
  turn is recorded once, in its first session.

Paths and turn ids are stored as hashes. `exclusive` lets one process read transcripts at a time.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec

from licet.errors import BusyError
from licet.intake.transcript_follower import ReadMark

TURNS_MAX = 4_000_000
BUSY_SECONDS = 3.0
LOCK_SECONDS = 0.02

_TABLES = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, base INTEGER NOT NULL, base_lines INTEGER NOT NULL, place INTEGER NOT NULL,
    token TEXT NOT NULL, token_from INTEGER NOT NULL, shut INTEGER NOT NULL, since REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    session TEXT PRIMARY KEY, folder TEXT NOT NULL, keep_out INTEGER NOT NULL, incognito INTEGER NOT NULL,
    sent INTEGER NOT NULL, met INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS turns (turn BLOB PRIMARY KEY, session BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS listings (folder TEXT PRIMARY KEY, token TEXT NOT NULL, at REAL NOT NULL) STRICT;
"""


class TranscriptState(msgspec.Struct, frozen=True, kw_only=True):
    """A transcript's state. Records before the offset ``token_from`` precede the grant ``token``.
    ``shut``: the gate was closed at the last check. Records timed before ``since`` are copies of
    history.
    """

    mark: ReadMark = ReadMark()
    token: str = ""
    token_from: int = 0
    shut: bool = False
    since: float = 0.0


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """The person's choice for a session. ``is_sent``: Licet already keeps the session out."""

    session: str
    keep_out: bool = False
    incognito: bool = False
    is_sent: bool = False


class AgentMemory:
    """One account's state."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = folder / f"{_hash(name).hex()}.sqlite"
        self._file.touch(mode=0o600)
        self._db = sqlite3.connect(self._file, timeout=BUSY_SECONDS, isolation_level=None)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Holds the lock for reading transcripts; BusyError if another process holds it too
        long.
        """
        with open(self._file.with_suffix(".lock"), "ab", opener=_open_private) as held:
            until = time.monotonic() + BUSY_SECONDS
            while True:
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise BusyError("another hook or watcher reads the transcripts") from None
                    time.sleep(LOCK_SECONDS)
            yield

    def transcript(self, path: Path) -> TranscriptState | None:
        row = self._db.execute(
            "SELECT base, base_lines, place, token, token_from, shut, since FROM files "
            "WHERE path = ?",
            [_path_hash(path)],
        ).fetchone()
        if row is None:
            return None
        return TranscriptState(
            mark=ReadMark(*row[:3]),
            token=row[3],
            token_from=row[4],
            shut=bool(row[5]),
            since=row[6],
        )

    def save_transcript(self, path: Path, state: TranscriptState) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [_path_hash(path), *state.mark, state.token, state.token_from, state.shut, state.since],
        )

    def session(self, session: str) -> Session:
        row = self._db.execute(
            "SELECT keep_out, incognito, sent FROM sessions WHERE session = ?", [session]
        ).fetchone()
        if row is None:
            return Session(session=session)
        return Session(
            session=session, keep_out=bool(row[0]), incognito=bool(row[1]), is_sent=bool(row[2])
        )

    def save_session(self, chosen: Session) -> None:
        self._db.execute(
            """INSERT INTO sessions VALUES (:session, '', :keep_out, :incognito, :is_sent, 0)
               ON CONFLICT (session) DO UPDATE
                 SET keep_out = :keep_out, incognito = :incognito, sent = :is_sent""",
            msgspec.structs.asdict(chosen),
        )

    def save_active_session(self, session: str, folder: str) -> None:
        """Stores a folder's latest session, to resolve `this session`."""
        self._db.execute(
            """INSERT INTO sessions VALUES (?, ?, 0, 0, 0,
               (SELECT coalesce(max(met), 0) + 1 FROM sessions))
               ON CONFLICT (session) DO UPDATE SET folder = excluded.folder, met = excluded.met""",
            [session, _hash(folder).hex()],
        )

    def last_session(self, folder: str) -> str | None:
        row = self._db.execute(
            "SELECT session FROM sessions WHERE folder = ? ORDER BY met DESC LIMIT 1",
            [_hash(folder).hex()],
        ).fetchone()
        return str(row[0]) if row else None

    def claim(self, turns: Sequence[tuple[str, str]]) -> list[bool]:
        """Assigns each (turn, session) without an owner; returns whether each session owns the
        turn, False for a copy. Stored before the turns are sent, so that a killed process sends
        them again.
        """
        own = []
        with self._transaction():
            for turn, session in turns:
                self._db.execute(
                    "INSERT OR IGNORE INTO turns VALUES (?, ?)", [_hash(turn), _hash(session)]
                )
                owner = self._db.execute(
                    "SELECT session FROM turns WHERE turn = ?", [_hash(turn)]
                ).fetchone()
                own.append(bytes(owner[0]) == _hash(session))
            self._db.execute(
                "DELETE FROM turns WHERE rowid <= (SELECT max(rowid) - ? FROM turns)", [TURNS_MAX]
            )
        return own

    def last_listing(self, folder: Path) -> tuple[str, float] | None:
        """Returns a folder's last full listing: the account's token and the time."""
        row = self._db.execute(
            "SELECT token, at FROM listings WHERE folder = ?", [_path_hash(folder)]
        ).fetchone()
        return (str(row[0]), float(row[1])) if row else None

    def list(self, folder: Path, token: str, now: float) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO listings VALUES (?, ?, ?)", [_path_hash(folder), token, now]
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _path_hash(path: Path) -> str:
    return _hash(os.path.realpath(path)).hex()


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()

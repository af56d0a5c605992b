"""What each command leaves, beside the answer: rows by table, the journal's row, the leaf of the
log, the event to the hosts, the restriction and the erasure, as they stand in `effects.txt`.

TESTS_WRITE_GOLDEN=1 writes the file anew: read its difference before it is committed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.keys.restriction_journal import Journal
from licet.policy.state import Share, TurnRole
from licet.store.connect import Pool, Transaction, transaction
from licet.vault import commands as do
from licet.vault.apply import apply
from licet.vault.content import Content, encode
from licet.vault.host_events import EventKind

from .model import hashed, insert_versions
from .town import OPENED, POLICIES, SAID

WRITTEN = Path(__file__).with_name("effects.txt")
DAY = timedelta(days=1)
WORDS = encode(Content(text="words"))
ID = re.compile(r"\b([a-z]+_)?([0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12})\b")
HASH = re.compile(r"\b[0-9a-f]{64}\b")
COUNTED = [
    "accounts",
    "account_hosts",
    "projects",
    "conversations",
    "segments",
    "blocks",
    "choices",
    "standings",
    "scoped_grants",
    "holds",
    "flags",
    "safety_bodies",
    "feedback",
    "feedback_bodies",
    "copies",
    "key_pages",
]
APPENDED = {
    "journal": ("position", "event, ends, conversation_id IS NOT NULL"),
    "outbox": ("outbox_id", "entry, payload"),
    "events": ("row_no", "kind, facts, erasure_id IS NOT NULL, acknowledge_by IS NOT NULL"),
    "erasures": ("erasure_id", "cause, state"),
}


def histories(account: UUID) -> dict[str, list[do.Command | tuple[str, do.Command]]]:
    """Commands in order by history. What names a conversation names the one that began last."""
    conversation, nobody = UUID(int=1), UUID(int=2)

    def opened(**more: Any) -> do.OpenAccount:
        return do.OpenAccount(
            **{
                "account": account,
                "at": OPENED,
                "host": hashed("ana"),
                "plan": "free",
                "age": 30,
                **more,
            }
        )

    def said(turn: str = "t1", at: datetime = SAID, **more: Any) -> do.AddTurn:
        base = {
            "host_conversation": hashed("chat"),
            "host_turn": hashed(turn),
            "title": WORDS,
            "content": WORDS,
        }
        return do.AddTurn(account=account, at=at, **{**base, **more})

    def choose(allow: bool, at: datetime = SAID, **more: Any) -> do.Choose:
        return do.Choose(account=account, at=at, allow=allow, evidence="a click", **more)

    def about(what: type, at: datetime = SAID, **more: Any) -> Any:
        return what(account=account, at=at, conversation=conversation, **more)

    def on(what: type, at: datetime = SAID, **more: Any) -> Any:
        return what(account=account, at=at, **more)

    project = {"host_project": hashed("garden")}
    in_project = do.ChosenScope(host_project=hashed("garden"))
    late = SAID + 2000 * DAY
    feedback = {"rating": "up", "share": Share.reply, "turn": 1}
    return {
        "an account": [
            opened(),
            opened(),
            on(do.SetPlan, plan="pro"),
            on(do.SetAge, age=40),
            on(do.SetRegion, region="DE"),
            choose(True),
            on(do.SetAge, age=15),
            on(do.SetPlan, plan="work"),
            on(do.CloseAccount),
            on(do.CloseAccount),
            opened(account=UUID(int=3), begin_anew=True),
        ],
        "choices": [
            opened(age=None),
            choose(True, question="nothing"),
            choose(True, age=30),
            choose(True),
            said(),
            choose(False, age=29),
            choose(False),
            choose(True, fault=do.ChoiceFault.showing, age=12),
            choose(True, fault=do.ChoiceFault.keep),
        ],
        "scopes": [
            opened(),
            said(**project),
            choose(False),
            choose(True, scope=in_project),
            said("t2"),
            choose(False, keep=(in_project,)),
            on(do.KeepProjectOut, **project),
            on(do.KeepProjectOut, **project),
            said("t3"),
            on(do.LetProjectIn, **project),
            on(do.LetProjectIn, **project, out_at=OPENED),
            on(do.KeepProjectOut, project=nobody),
            choose(True, scope=do.ChosenScope(host_conversation=hashed("chat"))),
        ],
        "a conversation": [
            opened(),
            choose(True),
            said(),
            said("t2", role=TurnRole.assistant),
            said("t2"),
            said("t3", content=None),
            about(do.Narrow),
            about(do.Narrow),
            said("t4"),
            about(do.Widen, narrowings=7),
            about(do.Widen),
            about(do.Widen),
            said("t5"),
            about(do.Delete),
            about(do.Delete),
            said("t6"),
            on(do.Delete, conversation=nobody),
        ],
        "flags and feedback": [
            opened(),
            choose(True),
            said(),
            about(do.Flag, score=0.5),
            about(do.Unflag),
            about(do.GiveFeedback, **feedback, comment=WORDS, host=hashed("f")),
            about(do.GiveFeedback, **feedback, host=hashed("f")),
            about(do.GiveFeedback, rating="down", share=Share.rating, turn=9),
            about(do.TakeBackFeedback, feedback=nobody),
            about(do.TakeBackFeedback, feedback=UUID(int=4)),
            about(do.TakeBackFeedback, feedback=UUID(int=4)),
            choose(False),
        ],
        "holds": [
            opened(),
            choose(True),
            said(),
            about(do.Hold, matter="m", reason=do.HoldReason.litigation),
            about(do.Hold, matter="m", is_told=False, by="staff:a"),
            about(do.Hold, matter="n"),
            about(do.Unhold, late, matter="o"),
            about(do.Unhold, late, matter="m"),
            about(do.Unhold, late, matter="n"),
            about(do.Hold, late, matter="m"),
        ],
        "recorded": [
            opened(),
            ("replay", choose(True)),
            ("replay", said()),
            ("replay", said("t2", at=SAID + DAY)),
            ("replay", choose(False)),
            ("replay", choose(True, at=OPENED)),
            ("replay", said("t0", at=SAID - DAY)),
            ("replay", about(do.GiveFeedback, **feedback)),
            ("replay", about(do.Delete, SAID + DAY)),
        ],
    }


class Reading:
    """What was there before a command, and lines of what it added."""

    def __init__(self, journal: Journal) -> None:
        self._journal, self._names = journal, dict[str, str]()
        self._counts = dict.fromkeys(COUNTED, 0)
        self._seen = set[tuple[str, object]]()
        self._records = 0

    def lines(self, tx: Transaction) -> Iterator[str]:
        for table, before in self._counts.items():
            (count,) = tx.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
            if count != before:
                yield f"{table} {count - before:+d}"
            self._counts[table] = count
        for table, (key, columns) in APPENDED.items():
            for number, *row in tx.execute(f"SELECT {key}, {columns} FROM {table} ORDER BY {key}"):
                if (table, number) not in self._seen:
                    self._seen.add((table, number))
                    yield self._plain(f"{table}: {' '.join(map(str, row))}")
        records = self._journal.newest(1_000)
        for record in records[self._records :]:
            told = msgspec.to_builtins(record)
            told |= {name: len(told[name]) > 0 for name in ("matter", "host") if told.get(name)}
            told.pop("v", None), told.pop("life", None)
            yield self._plain(f"restriction: {told}")
        self._records = len(records)

    def _plain(self, line: str) -> str:
        """The line without what differs from run to run."""
        line = HASH.sub("HASH", line)
        return ID.sub(lambda found: self._name(found[2].replace("-", "")), line)

    def _name(self, id: str) -> str:
        return self._names.setdefault(id, f"ID{len(self._names) + 1}")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "restrictions", key=bytes(32))


def named(command: do.Command, answers: list[do.CommandResult]) -> do.Command:
    """The command with the ids that the answers before it gave."""
    conversation = next((a.conversation for a in reversed(answers) if a.conversation), None)
    feedback = next((a.feedback for a in reversed(answers) if a.feedback), None)
    given = {"conversation": (UUID(int=1), conversation), "feedback": (UUID(int=4), feedback)}
    changes = {k: new for k, (mark, new) in given.items() if getattr(command, k, None) == mark}
    return msgspec.structs.replace(command, **changes)


def test_each_command_leaves_what_it_left(
    pool: Pool, provider: FileProvider, journal: Journal
) -> None:
    keyring = Keyring(provider, restrictions=journal)
    with transaction(pool) as tx:
        insert_versions(tx, POLICIES)
        kinds = [kind.value for kind in EventKind]
        tx.execute(
            "INSERT INTO endpoints (endpoint_id, name, kinds, made_at) VALUES (%s, 'host', %s, %s)",
            [UUID(int=9), kinds, OPENED],
        )
    written, reading = [], Reading(journal)
    with transaction(pool) as tx:
        list(reading.lines(tx))
    for number, name in enumerate(histories(UUID(int=0))):
        account, answers = UUID(int=(0x0198 << 112) | (7 << 76) | (2 << 62) | number), []
        written.append(f"\n# {name}")
        for each in histories(account)[name]:
            replay, command = isinstance(each, tuple), each[1] if isinstance(each, tuple) else each
            if isinstance(command, do.OpenAccount):
                command = msgspec.structs.replace(command, host=hashed(name))
                if command.account == UUID(int=3):
                    command = msgspec.structs.replace(command, account=UUID(int=account.int + 99))
            with transaction(pool) as tx:
                answers += apply(tx, keyring, POLICIES, [named(command, answers)], replay=replay)
            done = answers[-1]
            effects = ",".join(answer.effect.value for answer in done.answers)
            told = [type(command).__name__, done.outcome.value, done.because, effects]
            told += ["erasure" * (done.erasure is not None), f"ended {len(done.ended)}"]
            written.append(f"\n{' '.join(filter(None, told))}")
            with transaction(pool) as tx:
                left = list(reading.lines(tx))
            written += [f"  {line}" for line in left]
            is_done = done.outcome in (do.Outcome.done, do.Outcome.unchanged)
            assert is_done or isinstance(command, do.Choose) or left == [], (
                "all checks come before any effect"
            )
    text = "\n".join(written).lstrip() + "\n"
    if os.environ.get("TESTS_WRITE_GOLDEN"):
        WRITTEN.write_text(text)
    assert text == WRITTEN.read_text()

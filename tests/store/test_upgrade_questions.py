"""What was chosen when there was one question keeps its meaning where there are several: from a dump of before them.

`dumps/town-0024.tar.xz` is a town that the version of then lived through (migrations 0001 to 0024): thirteen people whose
every word is made up, at random, over 75 days and two versions of the policy; with three sealed releases and its log. With
it stands what that version answered at three moments (`town.json`). It stays as it is for ever.
"""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from licet import verifier
from licet.config import Configuration
from licet.policy import fold
from licet.policy.decide import Decision, DecisionReason, decide_feedback
from licet.policy.file import Policies, Reach
from licet.policy.state import Feedback, Share
from licet.proof import documents
from licet.store.connect import Transaction, transaction
from licet.store.migrate import drift, migrate, migrations
from licet.vault import account_view, installation
from licet.vault.installation import Installation
from licet.verifier.answer import Lack

from ..state_check import faults

DUMP = Path(__file__).parent / "dumps" / "town-0024.tar.xz"
Answer = tuple[str, datetime | None]


@dataclass
class Before:
    """The town as it was left: its database, its folder, and what it answered."""

    dsn: str
    data: Path
    recorded: dict[str, Any]

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.recorded["at"])

    @property
    def moments(self) -> list[datetime]:
        return [datetime.fromisoformat(moment) for moment in self.recorded["moments"]]

    def upgraded(self) -> Installation:
        with psycopg.connect(self.dsn) as conn:
            assert conn.execute("SELECT max(number) FROM migrations").fetchone() == (24,)
            migrate(conn)
            assert conn.execute("SELECT max(number) FROM migrations").fetchone() == (len(migrations()),)
        return installation.installation(Configuration(data=self.data, database_url=self.dsn), lambda: self.at)


@pytest.fixture
def before(databases: Callable[..., str], tmp_path: Path) -> Before:
    dsn = databases(migrated=False)
    with tarfile.open(DUMP) as packed:
        packed.extractall(tmp_path, filter="data")
    with psycopg.connect(dsn) as conn:
        conn.execute((tmp_path / "town.sql").read_bytes())
    (tmp_path / "data" / "keys").chmod(0o700)
    recorded = json.loads((tmp_path / "town.json").read_text(encoding="utf-8"))
    return Before(dsn, tmp_path / "data", recorded)


@pytest.fixture
def here(before: Before) -> Iterator[Installation]:
    with before.upgraded() as opened:
        yield opened


def answer(recorded: list[Any]) -> Answer:
    because, until = recorded
    return because, None if until is None else datetime.fromisoformat(until).replace(tzinfo=UTC)


def everything(tx: Transaction, known: Policies, at: datetime) -> dict[UUID, account_view.AccountView]:
    keys = tx.execute("SELECT account_id, conversation_id FROM conversations").fetchall()
    return account_view.seen(tx, keys, known, at, with_turns=True)


def test_the_town_has_something_of_every_kind(before: Before) -> None:
    reasons = {because for each in before.recorded["decisions"].values() for because, _ in each}
    assert reasons >= {
        "permitted", "flagged", "declined", "withdrawn", "lapsed", "narrowed", "deleted", "expired", "incognito", "closed",
        "out_of_scope", "purpose", "origin", "stale_terms", "before_grant",
    }  # fmt: skip
    assert {because for each in before.recorded["feedback"].values() for because, _ in each} >= {
        "permitted",
        "narrowed",
    }


STANDINGS = {"undecided", "declined", "withdrawn", "lapsed"}


def test_every_decision_is_what_it_was_but_where_the_rule_is_another_one(before: Before, here: Installation) -> None:
    """The rule of today differs in two things, and in both nothing becomes usable or is used for longer.

    That no question covers a purpose is said before where the person stands with one. And where a turn was taken under a
    version that reaches the conversation, and is judged under one that reaches the turn, it must pass under both.
    """
    known, kinds = installation.policies(here), Counter[str]()
    assert [version.reach for version in known.versions] == [Reach.conversation, Reach.turn]
    for place, moment in enumerate(before.moments):
        found = decisions(here, known, moment)
        assert found.keys() == before.recorded["decisions"].keys()
        for name, decision in found.items():
            because, until = answer(before.recorded["decisions"][name][place])
            if (because, until) == (decision.because.value, decision.until):
                kinds["as it was"] += 1
            elif because in STANDINGS:
                assert (decision.because, decision.question, until) == (DecisionReason.purpose, None, None), name
                kinds["no question"] += 1
            else:
                assert (decision.taken, decision.in_force, decision.until) == (0, 1, None), name
                assert decision.because in (DecisionReason.out_of_scope, DecisionReason.stale_terms), name
                kinds["both reaches"] += 1
    assert kinds["as it was"] > 5 * (kinds.total() - kinds["as it was"])
    assert kinds["no question"] and kinds["both reaches"]


def decisions(here: Installation, known: Policies, at: datetime) -> dict[str, Decision]:
    with transaction(here.pool) as tx:
        return {
            f"{conversation.hex} {turn.number} {purpose}": one.decide(turn, known, purpose)
            for conversation, one in everything(tx, known, at).items() for turn in one.said
            for purpose in ("improve_models", "safety_classifiers", "ads")
        }  # fmt: skip


def test_every_gate_date_and_feedback_is_what_it_was(before: Before, here: Installation) -> None:
    known = installation.policies(here)
    with transaction(here.pool) as tx:
        for place, moment in enumerate(before.moments):
            for account, gates in before.recorded["gates"].items():
                gate = account_view.gate_of(tx, UUID(hex=account), known, moment)
                assert gate is not None and gate.value == gates[place], account
            seen = everything(tx, known, moment)
            dates = {
                conversation.hex: [segment.keep_until for segment in one.turns.segments]
                for conversation, one in seen.items()
            }
            assert dates == {
                name: [datetime.fromisoformat(until) for until in each[place]]
                for name, each in before.recorded["dates"].items()
            }
            feedback = dict(feedback_of(tx, known, seen, moment))
            assert feedback == {name: answer(each[place]) for name, each in before.recorded["feedback"].items()}


def feedback_of(
    tx: Transaction, known: Policies, seen: dict[UUID, account_view.AccountView], at: datetime
) -> Iterator[tuple[str, Answer]]:
    rows = tx.execute(
        """SELECT feedback_id, conversation_id, share, version, narrowed, grant_no, grant_narrowing, keep_until
             FROM feedback WHERE erased_at IS NULL"""
    ).fetchall()
    for name, conversation, share, version, narrowed, grant, narrowing, until in rows:
        given = Feedback(
            share=Share(share),
            version=version,
            narrowed=narrowed,
            grant=grant,
            narrowing=narrowing or 0,
            keep_until=until,
        )
        one = seen[conversation]
        for ending in account_view.brought(one.account, known, at).endings:
            if ending.covers(one.turns):
                given = fold.feedback_after(ending, one.turns, given, known)
        decision = decide_feedback(one.state, one.turns, given, known, at)
        yield name.hex, (decision.because.value, decision.until)


def test_the_whole_state_is_sound_and_the_schema_is_today_s(
    before: Before, here: Installation, databases: Callable[..., str]
) -> None:
    assert faults(here) == []
    with psycopg.connect(before.dsn) as theirs, psycopg.connect(databases()) as ours:
        assert drift(ours, theirs) == ""


def test_a_release_and_the_receipts_are_proved_before_and_after(before: Before) -> None:
    (vkey,) = before.recorded["vkeys"]
    log = before.data / "log" / "2025"

    def proved() -> None:
        for name in ("first", "second", "safety"):
            files = verifier.FolderFiles(before.data / "releases" / name)
            report = verifier.check_release(files, verifier.trust(vkey), verifier.FolderFiles(log))
            compressed, mend = "some of its columns are compressed", "`licet verify`, which opens it"
            parts = [path for path in files.paths() if path.startswith("part-")]
            lacks = [Lack(part, compressed, mend) for part in sorted(parts)]
            assert (report.answer, report.findings, report.lacks) == ("not proved", [], lacks), name
            unproved = [part.what for part in report.parts if part.answer is verifier.Verdict.unproved]
            assert unproved == ["rows in the parts"], name
        for receipt in (one for each in before.recorded["receipts"].values() for one in each):
            assert_of_before(receipt)

    def assert_of_before(receipt: str) -> None:
        """Its entry holds it, and committed to no policy then."""
        report = verifier.check_receipt(receipt.encode(), verifier.trust(vkey))
        lacks = [Lack("receipt", "its entry commits to no policy", "nothing: it is of before")]
        assert (report.answer, report.findings, report.lacks) == ("not proved", [], lacks)
        assert [part.what for part in report.parts if part.answer is verifier.Verdict.unproved] == ["entry"]

    proved()
    with before.upgraded() as here:
        documents.append(here)
        assert documents.key(here, 2025).vkey == vkey
        proved()
        for account, was in before.recorded["receipts"].items():
            now = documents.receipts(here, UUID(hex=account))
            assert len(now) == len(was)
            for receipt in now:
                assert_of_before(receipt)

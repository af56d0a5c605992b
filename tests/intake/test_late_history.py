"""Recorded history that comes in behind what happened since: account by account, and never as a
permission.

TESTS_HISTORIES sets how many histories are drawn (40, of which a run tries eight).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from licet.cli.imports import imported_text
from licet.intake.import_records import Imported, LateHistory, RecordedChoice
from licet.policy import events as ev
from licet.policy.file import from_document
from licet.policy.period import instant
from licet.policy.state import Grant, ScopeKind, TurnRole
from licet.policy.world import World
from licet.service import policy_changes
from licet.store.connect import Pool, transaction
from licet.vault import account_view, tables, verbs
from licet.vault import commands as do
from licet.vault.installation import load_policies
from licet.webhooks import endpoints

from ..installed import DAY, House
from ..terms import preset
from ..tiers import seeds_of
from .test_replay import (
    ANA,
    BEGIN,
    IMPROVE,
    NOW,
    SAFETY,
    TWO_QUESTIONS,
    allow,
    bring,
    fresh,
    talk,
    write,
)

SEEDS = seeds_of("TESTS_HISTORIES", 40, least=8)
HOUR = timedelta(hours=1)


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    return fresh(pool, tmp_path / "data")


def lived(house: House, *, yes: bool = True) -> None:
    """Ana opens an account in November, says yes and writes; all that is recorded of before comes
    late.
    """
    house.now = instant("2025-11-20T10:00Z")
    house.open("ana", allow=yes)
    house.passes(1)
    house.talk("ana", "c live")
    house.now = NOW


def standing(house: House) -> list[str]:
    return [row[0] for row in house.query("SELECT standing FROM standings ORDER BY question")]


def segments(house: House, chat: str) -> list[tuple[Any, ...]]:
    rows = house.query(
        """SELECT s.grants, s.keep_until, s.erased_at IS NULL FROM segments s
            JOIN conversations c USING (conversation_id)
            WHERE c.host_hmac = %s ORDER BY s.segment""",
        house.host("conversation", chat),
    )
    return [tuple(row) for row in rows]


def test_an_account_with_later_events_keeps_no_other_from_coming_in(
    house: House, tmp_path: Path
) -> None:
    lived(house)
    old = write(
        tmp_path / "old.jsonl",
        *(talk(f"old {a}", "2025-12-10T10:00Z", account=a) for a in ("bo", "cy")),
    )
    bring(house, old)
    house.passes(1)
    house.talk("ana", "c live")
    late = write(
        tmp_path / "late.jsonl",
        *(talk(f"new {a}", "2025-12-11T10:00Z", account=a) for a in ("ana", "bo")),
    )
    done = bring(house, late)
    assert (done.stored, done.refused) == (4, {})
    assert done.late == (LateHistory(host="ana", turns=2),)
    assert (
        "`ana` has later events than what is brought in: 2 turns stored under no permission"
        in imported_text(done)
    )
    assert segments(house, "new ana") == [([], instant("2025-12-11T10:01Z") + 30 * DAY, True)]
    assert segments(house, "c live")[0][0] == [1], "what it said since stays under its permission"
    times = house.query(
        "SELECT t.occurred_at FROM turns t JOIN conversations c USING (conversation_id) "
        "WHERE c.host_hmac = %s ORDER BY 1",
        house.host("conversation", "new ana"),
    )
    assert [row[0] for row in times] == [instant("2025-12-11T10:00Z"), instant("2025-12-11T10:01Z")]


def test_late_turns_that_would_have_been_erased_are_counted_and_not_stored(
    house: House, tmp_path: Path
) -> None:
    lived(house)
    file = write(
        tmp_path / "old.jsonl", talk("old", "2025-10-01T10:00Z"), talk("new", "2025-11-18T10:00Z")
    )
    done = bring(house, file)
    assert (done.stored, done.would_be_erased) == (2, {instant("2025-10-31").date(): 2})
    before = house.dump()
    again = bring(house, file)
    assert (again.known, again.stored, again.late, again.would_be_erased) == (4, 0, (), {})
    assert house.dump() == before


def test_a_late_refusal_takes_effect_now_once_and_hosts_hear_it(
    house: House, tmp_path: Path
) -> None:
    endpoints.add(house.installation, "other", None)  # or nobody is told
    lived(house)
    file, no = (
        write(tmp_path / "c.jsonl", talk("c1", "2025-12-10T10:00Z")),
        allow("ana", "2025-09-05", False),
    )
    done = bring(house, file, choices=[no])
    assert (done.effects, done.late) == ({"withdrew": 1}, (LateHistory(host="ana", refusals=1),))
    assert "1 refusal in effect from now on" in imported_text(done)
    assert standing(house) == ["withdrawn"]
    stored = house.query("SELECT occurred_at, recorded_at FROM choices WHERE NOT allow")
    assert stored == [(NOW, instant("2025-09-05"))]
    assert segments(house, "c live")[0][1] == NOW + 30 * DAY
    told = house.query("SELECT kind FROM events WHERE occurred_at = %s", NOW)
    assert sorted(row[0] for row in told) == ["choice.changed", "conversation.must_leave"]
    house.passes(1)
    house.choose("ana", True)
    before = house.dump()
    again = bring(house, file, choices=[no])
    assert (again.choices, again.late) == (0, ())
    assert standing(house) == ["granted"], "the same record is no new refusal"
    assert house.dump() == before


def test_a_late_permission_gives_nothing_and_is_not_on_record(house: House, tmp_path: Path) -> None:
    lived(house, yes=False)
    choices = [
        allow("ana", "2025-09-05"),
        allow("ana", "2025-10-05", False),
        allow("ana", "2025-11-05"),
    ]
    done = bring(
        house, write(tmp_path / "c.jsonl", talk("c1", "2025-12-10T10:00Z")), choices=choices
    )
    assert (done.effects, done.late) == (
        {"declined": 1},
        (LateHistory(host="ana", refusals=1, permissions=2),),
    )
    assert standing(house) == ["declined"]
    assert house.query("SELECT granted FROM accounts") == [(0,)]
    assert house.query("SELECT count(*) FROM choices WHERE allow") == [(0,)]


def test_a_late_turn_follows_in_its_conversation_and_is_never_put_before_a_later_one(
    house: House, tmp_path: Path
) -> None:
    bring(
        house,
        write(
            tmp_path / "a.jsonl", talk("c1", "2025-12-01T10:00Z"), talk("c2", "2025-12-05T10:00Z")
        ),
    )
    more = write(
        tmp_path / "b.jsonl", talk("c1", "2025-12-01T10:00Z", 4), talk("c2", "2025-12-04T10:00Z", 4)
    )
    done = bring(house, more)
    assert (done.stored, done.known, done.refused) == (2, 4, {"out_of_order": 2})
    assert [
        row[0]
        for row in house.query("SELECT max(turn) FROM turns GROUP BY conversation_id ORDER BY 1")
    ] == [2, 4]


def test_what_a_late_turn_is_put_after_keeps_its_dates(house: House, tmp_path: Path) -> None:
    bring(
        house,
        write(
            tmp_path / "a.jsonl", talk("c1", "2025-12-01T10:00Z"), talk("c2", "2025-12-05T10:00Z")
        ),
        choices=[allow("ana", "2025-11-01")],
    )
    (before,) = segments(house, "c1")
    bring(house, write(tmp_path / "b.jsonl", talk("c1", "2025-12-01T10:00Z", 3)))
    assert segments(house, "c1") == [before, ([], instant("2025-12-01T10:02Z") + 30 * DAY, True)]


def test_a_background_pass_of_a_new_version_is_no_later_event(house: House, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", talk("c1", "2025-10-01T10:00Z"))
    house.now = instant("2025-10-02")
    bring(house, file, choices=[allow("ana", "2025-09-05")])
    second = from_document({**preset("article-2025").document(), **TWO_QUESTIONS})
    policy_changes.apply_policy(house.installation, second, actor="test")
    house.now = NOW
    assert verbs.advance(house.installation.pool, load_policies(house.installation), NOW) == 1
    assert verbs.advance(house.installation.pool, load_policies(house.installation), NOW) == 0
    done = bring(house, write(tmp_path / "b.jsonl", talk("c2", "2025-10-10T10:00Z")))
    assert (done.late, done.stored) == ((), 2)
    assert segments(house, "c2")[0][0] == [1]


def test_what_is_recorded_from_before_a_version_that_was_passed_ends_with_that_version(
    house: House, tmp_path: Path
) -> None:
    """A yes to a question that the next version does not ask lapses at its first instant, whenever
    the pass came.
    """
    first = from_document(
        {
            **preset("article-2025").document(),
            "version": "first",
            "effective": "2025-09-10",
            "decide_by": None,
            "choice": TWO_QUESTIONS["choice"],
        }
    )
    third = from_document(
        {
            **preset("article-2025").document(),
            "version": "third",
            "effective": "2025-11-01",
            "decide_by": None,
            "choice": [{"question": "training", "covers": ["improve_models"]}],
        }
    )
    house.now = BEGIN
    for version in (first, third):
        policy_changes.apply_policy(house.installation, version, actor="test")
    house.now = instant("2025-09-20")
    bring(
        house,
        write(tmp_path / "a.jsonl", talk("c1", "2025-09-12T10:00Z")),
        choices=[yes_to("training", "2025-09-11")],
    )
    house.now = NOW
    assert verbs.advance(house.installation.pool, load_policies(house.installation), NOW) == 1
    done = bring(
        house,
        write(tmp_path / "b.jsonl", talk("c2", "2025-09-14T10:00Z")),
        choices=[yes_to("safety", "2025-09-13")],
    )
    assert (done.late, done.effects) == ((), {"began": 1})
    assert verbs.advance(house.installation.pool, load_policies(house.installation), NOW) == 1
    assert dict(house.query("SELECT question, standing FROM standings")) == {
        "training": "granted",
        "safety": "lapsed",
    }


def yes_to(question: str, at: str) -> RecordedChoice:
    return RecordedChoice(host="ana", at=instant(at), allow=True, via="import", question=question)


# Choices of one instant

AT = "2025-11-01T10:00:00Z"
GARDEN = ev.NamedScope(project="garden")


def no(*keep: ev.NamedScope) -> RecordedChoice:
    return RecordedChoice(host="ana", at=instant(AT), allow=False, via="import", keep=keep)


@pytest.mark.parametrize(
    ("told", "ends"),
    [
        ([no(GARDEN), no()], []),
        ([no(), no(GARDEN)], []),
        ([no(GARDEN)], ["project"]),
        ([allow("ana", AT), no()], []),
        ([no(), allow("ana", AT)], ["account"]),
        ([no(), allow("ana", AT), no()], []),
        ([allow("ana", AT), no(), allow("ana", AT)], ["account"]),
        ([no(GARDEN), allow("ana", AT)], ["account", "project"]),
    ],
    ids=lambda value: (
        ",".join("yes" if c.allow else "no but" if c.keep else "no" for c in value)
        if value and isinstance(value[0], RecordedChoice)
        else None
    ),
)
def test_choices_of_one_instant_count_each_in_the_order_of_their_file(
    house: House, tmp_path: Path, told: list[RecordedChoice], ends: list[str]
) -> None:
    scoped = RecordedChoice(
        host="ana", at=instant("2025-10-02"), allow=True, via="import", scope=GARDEN
    )
    file = write(
        tmp_path / "c.jsonl", talk("c1", "2025-10-01T10:00Z", project="garden"), talk("c2", AT)
    )
    choices = [allow("ana", "2025-10-01", False), scoped, *told]
    assert bring(house, file, choices=choices).choices == len(choices)
    with transaction(house.installation.pool) as tx:
        ((account,),) = tx.execute("SELECT account_id FROM accounts").fetchall()
        grants = account_view.load_accounts(tx, [account])[account].state.grants
    assert sorted(grant.scope.kind.value for grant in grants) == ends
    assert segments(house, "c2")[0][0] == [], (
        "in no order a turn of that instant is under a permission of it"
    )
    before = house.dump()
    for count in range(len(choices)):
        assert bring(house, file, choices=choices[: count + 1]).choices == 0
    assert house.dump() == before


def test_of_two_refusals_of_one_instant_the_second_is_new_where_one_is_stored(
    house: House, tmp_path: Path
) -> None:
    file = write(tmp_path / "c.jsonl", talk("c1", "2025-10-01T10:00Z"))
    bring(house, file, choices=[no(GARDEN)])
    assert bring(house, file, choices=[no(GARDEN), no()]).choices == 1


# Item by item, against the rule


class Account:
    """One account that lives and is brought in by turns: the house, and what the rule makes of the
    same events.
    """

    def __init__(self, house: House, folder: Path, draw: Random) -> None:
        self.house, self.folder, self.draw = house, folder, draw
        self.known = load_policies(house.installation)
        self.world = World(self.known, replay=True)
        self.files = self.turns = 0
        self.items: list[tuple[list[dict[str, Any]], list[RecordedChoice]]] = []
        self.late: dict[str, datetime] = {}

    def meet(self) -> datetime | None:
        """When the account's newest event is, which what is brought in meets; to erase what is due
        is one too.
        """
        rows = self.house.query("SELECT last_at FROM accounts")
        if rows:
            self.world.accounts["ana"] = replace(self.world.accounts["ana"], last_at=rows[0][0])
        return rows[0][0] if rows else None

    def live(self) -> None:
        """A choice as it is made, where the account is there."""
        if "ana" not in self.world.accounts:
            return
        asks, yes = self.known.in_force(self.house.now).asks, self.draw.random() < 0.6
        question = self.draw.choice(asks) if yes or self.draw.random() < 0.5 else None
        ((account,),) = self.house.query("SELECT account_id FROM accounts")
        self.meet()
        self.house.tell(do.Choose(account=account, at=self.house.now, allow=yes, question=question))
        self.world.apply(
            ev.ChooseEvent(at=self.house.now, account="ana", allow=yes, question=question)
        )

    def import_some(self) -> Imported:
        """A few items of any time until now, often of one instant, in a file of their own."""
        # a record of the same moment is the same record
        own = timedelta(microseconds=len(self.items))
        grid = [
            self.house.now - self.draw.choice((0, 0, 1, 3, 10, 20, 45, 90)) * DAY - own
            for _ in range(2)
        ]
        chats = [self._chat(self.draw.choice(grid)) for _ in range(self.draw.randint(0, 3))]
        choices = [
            self._choice(max(BEGIN + own, self.draw.choice(grid)))
            for _ in range(self.draw.choice((0, 1, 2, 3)))
        ]
        self.items.append((chats, choices))
        return self.bring(chats, choices)

    def _chat(self, at: datetime) -> dict[str, Any]:
        self.turns += 1
        name = f"c{self.draw.randint(1, 5)}"
        role = self.draw.choice(("user", "user", "assistant"))
        said = {
            "role": role,
            "content": "what is said",
            "id": f"t{self.turns}",
            "created_at": at.isoformat(),
        }
        return {
            "conversation_id": name,
            "messages": [said],
            "project": "garden" if name in ("c1", "c2") else "",
        }

    def _choice(self, at: datetime) -> RecordedChoice:
        asks, yes = self.known.in_force(at).asks, self.draw.random() < 0.5
        scopes = [GARDEN, ev.NamedScope(conversation="c3")]
        return RecordedChoice(
            host="ana",
            at=at,
            allow=yes,
            via="import",
            question=self.draw.choice(asks) if yes or self.draw.random() < 0.5 else None,
            scope=self.draw.choice(scopes) if yes and self.draw.random() < 0.4 else None,
            keep=(self.draw.choice(scopes),) if not yes and self.draw.random() < 0.4 else (),
        )

    def bring(self, chats: list[dict[str, Any]], choices: list[RecordedChoice]) -> Imported:
        self.files += 1
        paths = [write(self.folder / f"{self.files}.jsonl", *chats)] if chats else []
        return bring(self.house, *paths, choices=choices)

    def expect(
        self, chats: list[dict[str, Any]], choices: list[RecordedChoice], last_at: datetime | None
    ) -> None:
        """The rule's own account of an import: in order of time, what is late by what the page says
        of it.
        """
        told: list[tuple[datetime, int, int, ev.Event]] = []
        allowed = set()
        for n, one in enumerate(choices):
            allowed |= {one.at} if one.allow else set()
            is_late = last_at is not None and one.at < last_at
            if is_late and one.allow:
                continue
            chosen = ev.ChooseEvent(
                at=self.house.now if is_late else one.at,
                account="ana",
                allow=one.allow,
                question=one.question,
                scope=one.scope,
                keep=one.keep,
            )
            told.append((chosen.at, 3 if is_late else 2 if one.at in allowed else 0, n, chosen))
        for n, chat in enumerate(chats):
            (said,) = chat["messages"]
            at = datetime.fromisoformat(said["created_at"])
            if last_at is not None and at < last_at:
                self.late[said["id"]] = at
            say = ev.SayEvent(
                at=at,
                account="ana",
                conversation=chat["conversation_id"],
                turn=said["id"],
                role=TurnRole(said["role"]),
                origin={"user": "typed"}.get(said["role"], said["role"]),
                project=chat["project"],
            )
            told.append((at, 1, n, say))
        told.sort(key=lambda one: one[:3])
        if told and last_at is None:
            self.world.apply(
                ev.OpenAccountEvent(at=told[0][0], account="ana", plan=ANA.plan, age=ANA.age)
            )
        for *_, event in told:
            self.world.apply(event)

    def stored(self) -> dict[str, list[str]]:
        """What an import that adds nothing leaves as it was; each sweeps."""
        dump = self.house.dump()
        said = self.house.query(
            """SELECT conversation_id, turn, segment, seq, role, origin, occurred_at, host_hmac
                 FROM turns"""
        )
        tables = ("choices", "standings", "scoped_grants")
        return {table: dump[table] for table in tables} | {"turns": sorted(map(repr, said))}

    def check(self) -> None:
        """What the vault answers of the account and of each turn is what the rule answers."""
        now, house = self.house.now, self.house
        asked = deepcopy(self.world, {id(self.known): self.known})  # to ask is no event
        asked.advance(now)
        with transaction(house.installation.pool) as tx:
            rows = tx.execute("SELECT account_id FROM accounts").fetchall()
            if not rows:
                return
            ((account,),) = rows
            state = account_view.account_at(
                account_view.load_accounts(tx, [account])[account], self.known, now
            ).account
            names = {row.project_id.hex: "garden" for row in tables.projects_of(tx, account)}
            hosts = {house.host("conversation", f"c{n}"): f"c{n}" for n in range(1, 6)}
            ids = tx.execute("SELECT conversation_id, host_hmac FROM conversations").fetchall()
            chats = {conversation: hosts[bytes(host)] for conversation, host in ids}
            names |= {conversation.hex: name for conversation, name in chats.items()}
            expected = asked.accounts["ana"]
            assert state.standings == expected.standings
            assert [named(grant, names) for grant in state.grants] == list(expected.grants)
            seen = account_view.load_views(
                tx, [(account, conversation) for conversation in chats], self.known, now
            )
            turns = {
                row[0]: row[1:]
                for row in tx.execute("SELECT host_hmac, conversation_id, turn FROM turns")
            }
            stored = {
                (conversation, turn.number): turn
                for conversation in chats
                for turn in account_view.list_turns(tx, account, conversation)
            }
        for number in range(1, self.turns + 1):
            found = next(
                (
                    turns[key]
                    for chat in set(chats.values())
                    if (key := house.host("turn", chat, f"t{number}")) in turns
                ),
                None,
            )
            assert (found is None) == (f"t{number}" not in self.world.turns), f"t{number}"
            if found is None:
                continue
            for purpose in (IMPROVE, SAFETY):
                said = seen[found[0]].decide(stored[tuple(found)], self.known, purpose)
                meant = asked.decide(f"t{number}", purpose, now)
                assert (said.because, said.until) == (meant.because, meant.until), f"t{number}"
        self._check_late(house)

    def _check_late(self, house: House) -> None:
        """By itself, whatever the world says: a late turn has no grant."""
        for name in self.late:
            keys = [house.host("turn", f"c{n}", name) for n in range(1, 6)]
            rows = house.query(
                """SELECT s.grants FROM turns t
                    JOIN segments s USING (account_id, conversation_id, segment)
                    WHERE t.host_hmac = ANY(%s)""",
                keys,
            )
            assert [row[0] for row in rows] in ([], [[]])


def named(grant: Grant, names: Mapping[str, str]) -> Grant:
    scope = grant.scope
    return (
        grant
        if scope.kind is ScopeKind.account
        else grant._replace(scope=scope._replace(name=names[scope.name]))
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_of_imports_and_choices_is_answered_for_as_by_the_rule(
    pool: Pool, tmp_path: Path, seed: int
) -> None:
    draw = Random(seed)
    house = House(pool, tmp_path / "data", at=BEGIN)
    if seed % 2:
        policy_changes.apply_policy(
            house.installation,
            from_document({**preset("article-2025").document(), **TWO_QUESTIONS}),
            actor="test",
        )
    house.now = instant("2025-09-20")
    one = Account(house, tmp_path, draw)
    for _ in range(draw.randint(4, 9)):
        house.now += draw.choice((HOUR, DAY, 5 * DAY, 20 * DAY))
        if draw.random() < 0.3:
            one.live()
        else:
            last_at = one.meet()
            assert one.import_some().broken == 0
            one.expect(*one.items[-1], last_at)
        if draw.random() < 0.3:
            verbs.advance(house.installation.pool, one.known, house.now)
        if one.items and draw.random() < 0.3:
            left = one.stored()
            again = one.bring(*draw.choice(one.items))
            assert (again.stored, set(again.effects) - {"none"}) == (0, set())
            assert one.stored() == left
        one.check()


def test_the_draw_has_what_is_late(pool: Pool, tmp_path: Path) -> None:
    """Else the comparison above would compare nothing of it."""
    house = House(pool, tmp_path / "data", at=BEGIN)
    one, late = Account(house, tmp_path, Random(7)), list[LateHistory]()
    for _ in range(12):
        house.now += 5 * DAY
        late += one.import_some().late
    assert all(
        sum(getattr(each, what) for each in late) for what in ("turns", "refusals", "permissions")
    )

"""Recorded history comes in once, in its order, with its times, as it would stand today; and an
import never consents.

TESTS_HISTORIES sets how many histories are drawn for the comparison with the bare rule (40, of
which a run tries eight).
"""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from licet.curate import release_build
from licet.errors import InputError, RefusedError, UsageError
from licet.intake import formats, imports, recorded_history
from licet.intake.import_records import Imported, RecordedAccount, RecordedChoice
from licet.intake.recorded_history import read_accounts, read_choices
from licet.intake.replay import Import
from licet.policy import events as ev
from licet.policy.file import Policies, from_document
from licet.policy.period import instant, rfc3339
from licet.policy.state import TurnRole
from licet.policy.world import World
from licet.service import policy_changes
from licet.store.connect import Pool, open_pool, transaction
from licet.vault import account_view
from licet.vault import commands as do
from licet.vault.installation import load_policies

from ..conftest import Databases
from ..installed import DAY, House
from ..terms import preset
from ..tiers import seeds_of

BEGIN, NOW = instant("2025-08-01"), instant("2025-12-15")
PLANTED = "the ferry to Saaremaa carries a green piano"
ANA = RecordedAccount(host="ana", plan="pro", age=30)
SEEDS = seeds_of("TESTS_HISTORIES", 40, least=8)
IMPROVE, SAFETY = "improve_models", "safety_classifiers"


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    return fresh(pool, tmp_path / "data")


def fresh(pool: Pool, folder: Path) -> House:
    """A house whose policy began in August, in December."""
    folder.mkdir(exist_ok=True)
    house = House(pool, folder, at=BEGIN)
    house.now = NOW
    return house


def message(role: str, text: str, at: datetime | str | None = None, **more: Any) -> dict[str, Any]:
    timed = {} if at is None else {"created_at": at if isinstance(at, str) else rfc3339(at)}
    return {"role": role, "content": text, **timed, **more}


def chat(name: str, *messages: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"conversation_id": name, "messages": list(messages), **more}


def talk(name: str, at: str, turns: int = 2, **more: Any) -> dict[str, Any]:
    """A conversation of a turn a minute."""
    roles = ("user", "assistant")
    said = [
        message(roles[n % 2], f"{name} turn {n}", instant(at) + timedelta(minutes=n))
        for n in range(turns)
    ]
    return chat(name, *said, **more)


def write(path: Path, *chats: Mapping[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in chats), encoding="utf-8")
    return path


def allow(host: str, at: str, yes: bool = True) -> RecordedChoice:
    return RecordedChoice(host=host, at=instant(at), allow=yes, via="import")


def bring(house: House, *paths: Path, **more: Any) -> Imported:
    return imports.import_files(house.installation, paths, **{"default": ANA, **more})


def said(house: House) -> list[tuple[Any, ...]]:
    """Every turn: whose, when, and whether its content is here."""
    return [
        tuple(row)
        for row in house.query(
            """SELECT turn, occurred_at, role, size IS NOT NULL
                 FROM turns ORDER BY occurred_at, turn"""
        )
    ]


# Once


def test_a_file_brought_in_twice_adds_nothing(house: House, tmp_path: Path) -> None:
    file = write(
        tmp_path / "c.jsonl", talk("c1", "2025-12-01T10:00Z", 4), talk("c2", "2025-09-01T10:00Z", 3)
    )
    choices = [allow("ana", "2025-10-15"), allow("ana", "2025-12-10", False)]
    first = bring(house, file, choices=choices)
    assert (first.turns, first.stored, first.known, first.choices) == (7, 4, 0, 2)
    before = house.dump()
    for later in (0, 1):
        house.passes(later)
        again = bring(house, file, choices=choices)
        assert (again.turns, again.stored, again.known, again.choices) == (7, 0, 7, 0)
        assert again.would_be_erased == {}
        assert house.dump() == before


def test_a_conversation_in_two_files_is_kept_once(house: House, tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", talk("c1", "2025-12-01T10:00Z", 4))
    two = write(tmp_path / "two.jsonl", talk("c1", "2025-12-01T10:00Z", 6))
    imported = bring(house, one, two)
    assert (imported.turns, imported.stored, imported.known) == (10, 6, 4)


def test_a_later_file_continues_the_same_conversation(house: House, tmp_path: Path) -> None:
    bring(house, write(tmp_path / "one.jsonl", talk("c1", "2025-12-01T10:00Z", 4)))
    imported = bring(
        house,
        write(tmp_path / "two.jsonl", talk("c1", "2025-12-01T10:00Z", 6), talk("c2", "2025-12-02")),
    )
    assert (imported.stored, imported.known, imported.conversations) == (4, 4, 2)
    assert house.query("SELECT count(*) FROM conversations") == [(2,)]
    assert [turn for turn, *_ in said(house)] == [1, 2, 3, 4, 5, 6, 1, 2]


def test_turns_keep_the_times_and_the_order_that_were_recorded(
    house: House, tmp_path: Path
) -> None:
    at = instant("2025-12-01T10:00Z")
    file = write(
        tmp_path / "c.jsonl",
        chat(
            "c1",
            message("user", "late", at + DAY),
            message("user", "early", at),
            message("assistant", "in between", at + timedelta(hours=5)),
        ),
    )
    bring(house, file)
    assert [(turn, when, role) for turn, when, role, _ in said(house)] == [
        (1, at, "user"),
        (2, at + timedelta(hours=5), "assistant"),
        (3, at + DAY, "user"),
    ]
    assert house.query("SELECT opened_at FROM accounts") == [(at,)]


# What people chose


def test_an_import_never_makes_a_grant_of_its_own(house: House, tmp_path: Path) -> None:
    bring(house, write(tmp_path / "c.jsonl", talk("c1", "2025-12-01T10:00Z")))
    assert house.query("SELECT granted, in_force FROM accounts") == [(0, 0)]
    assert house.query("SELECT * FROM standings") == []
    assert house.query("SELECT * FROM choices") == []
    assert (
        release_build.build_release(house.installation, name="r", purpose=IMPROVE).manifest.rows
        == 0
    )


def test_a_recorded_no_makes_no_grant_and_a_recorded_yes_makes_one(
    house: House, tmp_path: Path
) -> None:
    file = write(
        tmp_path / "c.jsonl",
        *(talk(f"of {host}", "2025-12-01T10:00Z", account=host) for host in ("ana", "bo", "cy")),
    )
    imported = bring(
        house, file, choices=[allow("ana", "2025-09-01"), allow("bo", "2025-09-01", False)]
    )
    assert imported.effects == {"began": 1, "declined": 1}
    assert house.query(
        "SELECT t.standing, a.granted FROM accounts a LEFT JOIN standings t USING "
        "(account_id) ORDER BY 1"
    ) == [
        ("declined", 0),
        ("granted", 1),
        (None, 0),
    ]
    release_build.build_release(house.installation, name="r", purpose=IMPROVE)
    assert house.words("r") == ["of ana turn 0", "of ana turn 1"]


def test_a_yes_that_the_terms_do_not_cover_is_reported_as_without_effect(
    house: House, tmp_path: Path
) -> None:
    file = write(tmp_path / "c.jsonl", talk("c1", "2025-12-01T10:00Z"))
    work = RecordedAccount(host="ana", plan="work", age=30)
    imported = bring(house, file, default=work, choices=[allow("ana", "2025-12-01")])
    assert (imported.choices, imported.effects) == (1, {"none": 1})
    assert house.query("SELECT granted FROM accounts") == [(0,)]


@pytest.mark.parametrize("yes", [True, False])
def test_at_one_time_a_refusal_comes_before_a_turn_and_a_permission_after_it(
    house: House, tmp_path: Path, yes: bool
) -> None:
    file = write(tmp_path / "c.jsonl", chat("c1", message("user", "now", "2025-12-01T10:00:00Z")))
    choices = [allow("ana", "2025-12-01T10:00:00Z", yes)]
    bring(house, file, choices=choices if yes else [allow("ana", "2025-11-01"), *choices])
    assert house.query("SELECT grants FROM segments") == [([],)]


# What would have been erased


def test_what_would_have_been_erased_is_counted_by_its_day_and_its_content_never_stored(
    house: House, tmp_path: Path
) -> None:
    file = write(
        tmp_path / "c.jsonl",
        talk("c1", "2025-09-01T10:00Z", 3),
        talk("c2", "2025-10-05T10:00Z", 2),
        talk("c3", "2025-12-14T10:00Z", 2),
    )
    sizes: list[int] = []
    imported = bring(
        house,
        file,
        store_progress=lambda _turns: sizes.append(
            len(house.query("SELECT 1 FROM turns WHERE size > 0"))
        ),
    )
    days = {instant(day).date(): count for day, count in (("2025-10-01", 3), ("2025-11-04", 2))}
    assert imported.would_be_erased == days
    assert max(sizes) == 2, "nothing of it was there even for a moment"
    assert [is_kept for *_, is_kept in said(house)] == [False] * 5 + [True] * 2
    kept = house.query(
        "SELECT erased_at IS NULL, key_slot FROM segments ORDER BY first_turn, last_at"
    )
    assert kept == [(False, None), (False, None), (True, 0)]
    before = house.dump()
    assert bring(house, file).would_be_erased == {}
    assert house.dump() == before


# Times


def test_a_turn_without_a_time_was_said_with_the_one_before_it(
    house: House, tmp_path: Path
) -> None:
    at = instant("2025-12-01T10:00Z")
    first = chat(
        "c1",
        message("user", "timed", at),
        message("assistant", "untimed"),
        message("user", "timed", at + DAY),
    )
    none = chat("c2", message("user", "never"), message("assistant", "timed"))
    imported = bring(house, write(tmp_path / "c.jsonl", first, none))
    assert [(turn, when) for turn, when, *_ in said(house)] == [(1, at), (2, at), (3, at + DAY)]
    assert {item.message for item in imported.broken_places} == {
        "it has no time that can be read, and no turn before it has one: write it as "
        "2025-09-01T09:00:00Z, or give --assume-time"
    }
    assert bring(house, write(tmp_path / "d.jsonl", none), assume_at=NOW - DAY).stored == 2


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("2025-12-15T00:00:01Z", "its time has not come yet"),
        ("1969-12-31T23:59:59Z", "its time is before 1970"),
    ],
)
def test_a_time_that_cannot_be_is_reported_and_the_rest_is_kept(
    house: House, tmp_path: Path, at: str, why: str
) -> None:
    file = write(
        tmp_path / "c.jsonl",
        chat("c1", message("user", "well", "2025-12-01T10:00:00Z"), message("user", "x", at)),
    )
    imported = bring(house, file)
    assert (imported.stored, imported.broken) == (1, 1)
    (broken,) = imported.broken_places
    assert broken.message == why
    assert "c.jsonl:1" in broken.place


def test_a_choice_that_has_not_come_yet_is_refused_before_anything_is_stored(
    house: House, tmp_path: Path
) -> None:
    file = write(tmp_path / "c.jsonl", talk("c1", "2025-12-10T10:00Z"))
    with pytest.raises(UsageError, match="has not come yet"):
        bring(house, file, choices=[allow("ana", "2025-12-16")])
    assert house.query("SELECT * FROM accounts") == []


def test_a_broken_item_of_a_folder_is_reported_with_its_place_and_the_rest_is_kept(
    house: House, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.jsonl", talk("a", "2025-12-01T10:00Z"))
    (folder / "b.jsonl").write_text(
        json.dumps(talk("b", "2025-12-01T10:00Z")) + '\n{"messages": [{"ro\n', "utf-8"
    )
    (folder / "notes.txt").write_text("nothing of ours", "utf-8")
    imported = bring(house, folder)
    assert (imported.stored, imported.broken, imported.skipped) == (4, 1, 1)
    assert [Path(item.place).name for item in imported.broken_places] == ["b.jsonl:2"]


@pytest.mark.parametrize("key", ["conversation_id", "account"])
def test_an_id_too_long_to_be_hashed_is_a_broken_item(
    house: House, tmp_path: Path, key: str
) -> None:
    file = write(
        tmp_path / "c.jsonl",
        {**talk("c1", "2025-12-01T10:00Z"), key: "x" * 600},
        talk("c2", "2025-12-01T10:00Z"),
    )
    imported = bring(house, file)
    assert (imported.stored, imported.broken) == (2, 2)


def test_turns_of_an_account_that_nobody_described_are_reported(
    house: House, tmp_path: Path
) -> None:
    file = write(
        tmp_path / "c.jsonl",
        *(talk(f"of {a}", "2025-12-01T10:00Z", account=a) for a in ("ana", "bo")),
    )
    imported = bring(house, file, default=None, recorded=[ANA])
    assert (imported.stored, imported.broken) == (2, 2)
    assert {item.message for item in imported.broken_places} == {
        "its account is not in the file of accounts"
    }


def test_files_that_do_not_say_whose_they_are_may_be_given_to_a_recorded_account(
    house: House, tmp_path: Path
) -> None:
    file = write(
        tmp_path / "c.jsonl",
        talk("c1", "2025-12-01T10:00Z"),
        talk("c2", "2025-12-01T10:00Z", account="bo"),
    )
    imported = bring(house, file, default=None, recorded=[ANA], host="ana")
    assert (imported.stored, imported.broken) == (2, 2)


# What the operator recorded


ACCOUNTS = "account,plan,age,opened\n"
SCOPED = "account,time,allow,question,scope,keep\n"
CHOICES = "account,time,allow,version,channel,evidence\n"


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ("", 0, "", "is empty"),
        ("ana,pro,30,\n", 1, "account", "is not in the header"),
        ("account,tier\nana,pro\n", 1, "tier", "unknown column"),
        ("account,age\nana,30\n", 2, "plan", "is missing"),
        (ACCOUNTS + ",pro,30,\n", 2, "account", "is missing"),
        (ACCOUNTS + "ana,,30,\n", 2, "plan", "is missing"),
        (ACCOUNTS + "ana,pro,30,\nbo,Claude Pro,30,\n", 3, "plan", "`Claude Pro` is not a name"),
        (ACCOUNTS + "ana,Pro,30,\n", 2, "plan", "`Pro` is not a name"),
        (ACCOUNTS + "ana,pro,thirty,\n", 2, "age", "`thirty` is not an age"),
        (ACCOUNTS + "ana,pro,-3,\n", 2, "age", "`-3` is not an age"),
        (ACCOUNTS + "ana,pro,1990,\n", 2, "age", "`1990` is not an age"),
        (ACCOUNTS + "ana,pro,30.5,\n", 2, "age", "`30.5` is not an age"),
        (ACCOUNTS + "ana,pro,30,yesterday\n", 2, "opened", "`yesterday` is not a time"),
        (ACCOUNTS + "ana,pro,30,01/02/2025\n", 2, "opened", "`01/02/2025` is not a time"),
        (ACCOUNTS + "ana,pro,30,2025-02-30\n", 2, "opened", "`2025-02-30` is not a time"),
        (
            ACCOUNTS + "ana,pro,30,2025-09-01T10:00:00\n",
            2,
            "opened",
            "`2025-09-01T10:00:00` has no offset",
        ),
        (ACCOUNTS + "ana,pro,30,2026-01-01\n", 2, "opened", "`2026-01-01` has not come yet"),
        (
            ACCOUNTS + "ana,pro,30,0001-01-01T00:00:00+05:00\n",
            2,
            "opened",
            "date value out of range",
        ),
        (ACCOUNTS + "ana,pro,30,1950-01-01\n", 2, "opened", "`1950-01-01` is before 1970"),
        (ACCOUNTS + "ana,pro,30,\nana,max,30,\n", 3, "account", "`ana` is there twice"),
        (ACCOUNTS + "ana,pro,30\n", 2, "", "has 3 fields, and the header 4"),
        (ACCOUNTS + "ana,pro,30,,\n", 2, "", "has 5 fields, and the header 4"),
        (ACCOUNTS + "\n\nana,pro,x,\n", 4, "age", "`x` is not an age"),
        ("account;plan\nana;pro\n", 1, "account", "is not in the header"),
        (ACCOUNTS + 'ana,"pro,30,\n', 2, "", "is not CSV in UTF-8"),
        (ACCOUNTS + f"{'x' * 600},pro,30,\n", 2, "account", "is over 512 characters"),
    ],
)
def test_a_mistake_in_a_file_of_accounts_names_its_place(
    tmp_path: Path, text: str, line: int, key: str, said: str
) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as mistake:
        read_accounts(file, NOW)
    check_mistake(mistake.value, file, line, key, said)


def check_mistake(error: InputError, file: Path, line: int, key: str, said: str) -> None:
    assert (error.file, error.line, error.key) == (str(file), line, key)
    assert said in error.message
    assert error.message.startswith(str(file))
    assert error.hint, "every mistake has its mend"


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ("account,when,allow\nana,2025-09-01,yes\n", 1, "when", "unknown column"),
        ("account,time\nana,2025-09-01\n", 2, "allow", "is missing"),
        (CHOICES + "ana,2025-09-01,,,,\n", 2, "allow", "is missing"),
        (CHOICES + "ana,2025-09-01,maybe,,,\n", 2, "allow", "`maybe` is neither yes nor no"),
        (CHOICES + "ana,2025-09-01,1,,,\n", 2, "allow", "`1` is neither yes nor no"),
        (CHOICES + "ana,2025-09-01 10:00,yes,,,\n", 2, "time", "has no offset"),
        (CHOICES + "ana,1.9.2025,yes,,,\n", 2, "time", "`1.9.2025` is not a time"),
        (CHOICES + "ana,2025-12-24,yes,,,\n", 2, "time", "`2025-12-24` has not come yet"),
        (
            CHOICES + "ana,2025-09-01,yes,2024-01-01,,\n",
            2,
            "version",
            "`2024-01-01` was not in force at that time",
        ),
        (CHOICES + "ana,2025-09-01,yes,,The Notice,\n", 2, "channel", "`The Notice` is not a name"),
        (CHOICES + "eve,2025-09-01,yes,,,\n", 2, "account", "`eve` is not in the file of accounts"),
        (
            CHOICES + f"ana,2025-09-01,yes,,,{'x' * 70_000}\n",
            2,
            "evidence",
            "is longer than 65536 bytes",
        ),
        (SCOPED + "ana,2025-09-01,yes,ads,,\n", 2, "question", "`ads` was not asked at that time"),
        (SCOPED + "ana,2025-09-01,yes,training,chat:c1,\n", 2, "scope", "`chat:c1` is not a scope"),
        (SCOPED + "ana,2025-09-01,no,training,project:p,\n", 2, "scope", "is that of a no"),
        (SCOPED + "ana,2025-09-01,yes,training,,project:p\n", 2, "keep", "is that of a yes"),
    ],
)
def test_a_mistake_in_a_file_of_choices_names_its_place(
    tmp_path: Path, text: str, line: int, key: str, said: str
) -> None:
    file = tmp_path / "choices.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as mistake:
        read_choices(file, Policies([preset("article-2025")]), NOW, {"ana"})
    check_mistake(mistake.value, file, line, key, said)


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        (
            '{"account": "ana", "time": "2025-09-01", "allow": true}\n[1]\n',
            2,
            "",
            "is not an object",
        ),
        ('{"account": "ana", "time": "2025-09-01", "allow": true\n', 1, "", "is not JSON in UTF-8"),
        ('{"account": "ana", "time": "2025-09-01", "allow": null}\n', 1, "allow", "is missing"),
        (
            '{"account": "ana", "time": "2025-09-01", "allow": true, "note": ""}\n',
            1,
            "note",
            "unknown column",
        ),
    ],
)
def test_a_mistake_in_lines_of_json_names_its_place(
    tmp_path: Path, text: str, line: int, key: str, said: str
) -> None:
    file = tmp_path / "choices.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as mistake:
        read_choices(file, Policies([preset("article-2025")]), NOW)
    check_mistake(mistake.value, file, line, key, said)


def test_records_that_are_no_text_or_not_there_name_the_file(tmp_path: Path) -> None:
    latin = tmp_path / "latin.csv"
    latin.write_bytes(ACCOUNTS.encode() + "ana,pro,30,\nj\u00f6rg,pro,30,\n".encode("latin-1"))
    for path, what in (
        (latin, "is not CSV in UTF-8"),
        (tmp_path / "none.csv", "no such file"),
        (tmp_path, "directory"),
    ):
        with pytest.raises(InputError, match=what):
            read_accounts(path, NOW)


@pytest.mark.parametrize("name", ["accounts.csv", "accounts.jsonl"])
def test_more_records_than_a_file_may_hold_are_refused_at_the_first_too_many(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_history, "RECORDS_MAX", 2)
    file = tmp_path / name
    for names in (["ana", "bo"], ["ana", "bo", "cleo"]):
        if name.endswith(".csv"):
            file.write_text("account,plan,age,opened\n" + "".join(f"{a},pro,30,\n" for a in names))
        else:
            file.write_text("".join(f'{{"account": "{a}", "plan": "pro"}}\n' for a in names))
        if len(names) == 2:
            assert len(read_accounts(file, NOW)) == 2
            continue
        with pytest.raises(InputError, match="has more than 2 records") as refused:
            read_accounts(file, NOW)
        assert refused.value.line == (4 if name.endswith(".csv") else 3)


def test_a_spreadsheet_and_lines_of_json_say_the_same(tmp_path: Path) -> None:
    spreadsheet, lines = tmp_path / "c.csv", tmp_path / "c.jsonl"
    # As a spreadsheet saves it: a byte order mark, lines that end in CR LF, quotes, an empty line
    # at the end.
    spreadsheet.write_bytes(
        b'\xef\xbb\xbfaccount,time,allow,channel,evidence\r\nana,2025-09-01T10:00:00+02:00,TRUE,notice,"said, yes"\r\n\r\n'
    )
    record = {
        "account": "ana",
        "time": "2025-09-01T08:00:00Z",
        "allow": True,
        "channel": "notice",
        "evidence": "said, yes",
    }
    write(lines, record)
    known = Policies([preset("article-2025")])
    assert read_choices(spreadsheet, known, NOW) == read_choices(lines, known, NOW)
    assert read_choices(lines, known, NOW)[0].at == instant("2025-09-01T08:00:00Z")


# What lies in clear


@pytest.mark.parametrize("memory", [0, 2**30], ids=["sealed", "memory"])
def test_what_is_beyond_memory_waits_sealed_and_nothing_is_left_behind(
    house: House, tmp_path: Path, memory: int
) -> None:
    draw = Random(3)
    said = [
        message("user", f"{PLANTED} {draw.randbytes(900).hex()}", "2025-12-01T10:00:00Z")
        for _ in range(90)
    ]
    file = write(tmp_path / "c.jsonl", chat("c1", *said, title=PLANTED))
    spool = tmp_path / "spool"
    spool.mkdir()
    sizes = []

    def look(_turns: int) -> None:
        for descriptor in Path("/proc/self/fd").iterdir():
            if descriptor.is_symlink() and str(spool) in str(descriptor.readlink()):
                sizes.append(len(descriptor.read_bytes()))
                assert PLANTED.encode() not in descriptor.read_bytes()

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files can be looked at under /proc only")
    bringing = Import(
        house.installation.pool,
        house.installation.keyring,
        load_policies(house.installation),
        house.now,
        default=ANA,
        folder=spool,
        memory_bytes_max=memory,
    )
    with closing(bringing):
        bringing.read(formats.read(file))
        assert bringing.store(look).stored == 90
    assert [size > 32 * 2**10 for size in sizes] == ([] if memory else [True])
    assert list(spool.iterdir()) == []
    assert PLANTED.encode() not in b"".join(
        p.read_bytes() for p in house.installation.config.data.rglob("*") if p.is_file()
    )
    assert all(PLANTED not in row for rows in house.dump().values() for row in rows)


# Interrupted


def long_history(folder: Path) -> dict[str, Any]:
    """Some accounts with enough to be brought in by many chunks; some of it would have been
    erased.
    """
    chats = [
        talk(f"{host} {month} {day}", f"2025-{month}-{day:02}T10:00Z", 5, account=host)
        for host in ("ana", "bo", "cy", "di")
        for month in ("09", "10", "12")
        for day in range(1, 9, 2)
    ]
    choices = [
        allow("ana", "2025-08-30"),
        allow("bo", "2025-09-04"),
        allow("bo", "2025-12-02", False),
    ]
    return {"paths": [write(folder / "long.jsonl", *chats)], "choices": choices}


def bring_chunked(
    house: House,
    told: Mapping[str, Any],
    progress: Callable[[int], None] = lambda _turns: None,
    *,
    at_once: int = 100,
) -> Imported:
    """``at_once`` is how many turns are looked up together."""
    bringing = Import(
        house.installation.pool,
        house.installation.keyring,
        load_policies(house.installation),
        house.now,
        default=ANA,
        choices=told["choices"],
        folder=house.installation.config.data,
        chunk_commands_max=17,
        fresh_turns_max=at_once,
    )
    with closing(bringing):
        for path in told["paths"]:
            bringing.read(formats.read(path))
        return bringing.store(progress)


def canonical(house: House) -> dict[str, list[str]]:
    """What the tables hold of accounts, without what chance decides: no key, no sealed byte, ids as
    the host calls them. Of blocks their turns: which are together depends on the chunks.
    """
    names: dict[str, str] = {}
    hosts = {house.host("account", host).hex(): host for host in ("ana", "bo", "cy", "di")}
    for account, host in house.query("SELECT account_id, host_hmac FROM account_hosts"):
        names[account.hex] = names[str(account)] = hosts[host.hex()]
    begun = (
        "SELECT c.conversation_id, a.account_id, c.begun_at FROM conversations c JOIN "
        "accounts "
        "a USING (account_id)"
    )
    for conversation, account, at in house.query(begun):
        names[conversation.hex] = names[str(conversation)] = f"{names[account.hex]} at {at}"
    unlike = {
        "wrapped_key",
        "bucket",
        "sealed",
        "slots",
        "position",
        "outbox_id",
        "added_at",
        "evidence",
        "host_hmac",
        "stored_bytes",
    }
    known = re.compile("|".join(sorted(names, key=len, reverse=True)))
    found = {}
    for table in (*(house.dump().keys() - {"blocks"}), "turns"):
        every = house.query(
            "SELECT column_name::text FROM information_schema.columns WHERE table_name = %s", table
        )
        columns = [name for (name,) in every if name not in unlike]
        if "account_id" in columns:
            rows = house.query(
                f"SELECT {', '.join(columns)} FROM {table} WHERE account_id IS NOT NULL"
            )
            found[table] = sorted(known.sub(lambda m: names[m[0]], repr(row)) for row in rows)
    return found


@pytest.fixture
def undisturbed(databases: Databases, tmp_path: Path) -> Iterator[dict[str, list[str]]]:
    """What the tables hold after an import that nothing stopped."""
    with open_pool(databases()) as pool:
        house = fresh(pool, tmp_path / "undisturbed")
        bring_chunked(house, long_history(tmp_path))
        yield canonical(house)


class Stopped(Exception):
    """What stops an import in a test."""


def test_an_import_stopped_after_any_number_of_chunks_ends_as_one_that_was_not(
    pool: Pool, tmp_path: Path, undisturbed: dict[str, list[str]]
) -> None:
    told = long_history(tmp_path)
    house = fresh(pool, tmp_path / "data")
    stops = 0
    for chunks in (1, 1, 2, 3, 1, 4):  # each stops the import anew, further on
        left = chunks

        def stop(_turns: int) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Stopped

        with pytest.raises(Stopped):
            bring_chunked(house, told, stop)
        stops += 1
    assert house.query("SELECT count(*) FROM turns")[0][0] < 240
    bring_chunked(house, told)
    assert canonical(house) == undisturbed
    assert stops == 6


@pytest.mark.parametrize("at_once", [1, 7, 1_000])
def test_what_is_here_is_passed_over_however_many_turns_are_looked_up_together(
    pool: Pool, tmp_path: Path, undisturbed: dict[str, list[str]], at_once: int
) -> None:
    told, house = long_history(tmp_path), fresh(pool, tmp_path / "data")

    def stop(_turns: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        bring_chunked(house, told, stop, at_once=at_once)
    stored = house.query("SELECT count(*) FROM turns")[0][0]
    whole = bring_chunked(house, told, at_once=at_once)
    assert 0 < stored == whole.known < whole.turns
    assert canonical(house) == undisturbed
    again = bring_chunked(house, told, at_once=at_once)
    assert (again.known, again.stored, again.turns) == (whole.turns, 0, whole.turns)
    assert canonical(house) == undisturbed


def test_an_import_under_a_policy_that_was_changed_meanwhile_stops_and_is_completed_by_the_next(
    pool: Pool, tmp_path: Path
) -> None:
    told, house = long_history(tmp_path), fresh(pool, tmp_path / "data")
    stored = []

    def change(turns: int) -> None:
        stored.append(turns)
        if len(stored) == 2:
            newer = preset("article-2025").document() | {
                "version": "next",
                "effective": "2027-01-01",
                "decide_by": None,
            }
            policy_changes.apply_policy(house.installation, from_document(newer), actor="tests")

    with pytest.raises(RefusedError) as stopped:
        bring_chunked(house, told, change)
    assert stopped.value.because == "policy_changed"
    assert house.query("SELECT count(*) FROM turns")[0][0] == sum(stored) < 240
    bring_chunked(house, told)
    assert house.query("SELECT count(*) FROM turns")[0][0] == 240


def test_an_import_stopped_before_its_sweep_is_swept_by_the_next(
    pool: Pool, tmp_path: Path, undisturbed: dict[str, list[str]]
) -> None:
    told = long_history(tmp_path)
    house = fresh(pool, tmp_path / "data")
    left = 240

    def stop(turns: int) -> None:
        nonlocal left
        left -= turns
        if left == 0:
            raise Stopped

    with pytest.raises(Stopped):
        bring_chunked(house, told, stop)
    bring_chunked(house, told)
    assert canonical(house) == undisturbed


KILLED = """
import sys, time
from pathlib import Path
from licet.vault.installation import load_policies, open_installation
from licet.config import Configuration
from licet.intake import formats
from licet.intake.replay import Import
from licet.intake.import_records import RecordedAccount, RecordedChoice
from licet.policy.period import instant

import licet.intake.replay as replay
data, dsn, file = sys.argv[1:4]
choices = [RecordedChoice(host=h, at=instant(at), allow=yes == "yes", via="import")
           for h, at, yes in (one.split("=") for one in sys.argv[4:])]

def progress(turns):
    print("stored", flush=True)
    time.sleep(0.3)

with open_installation(Configuration(data=Path(data), database_url=dsn), lambda: instant("2025-12-15")) as installation:
    bringing = Import(
        installation.pool, installation.keyring, load_policies(installation), installation.clock(),
        choices=choices, chunk_commands_max=17,
        default=RecordedAccount(host="ana", plan="pro", age=30), folder=Path(data),
    )
    bringing.read(formats.read(Path(file)))
    bringing.store(progress)
"""


def test_an_import_that_is_killed_is_completed_by_the_same_command(
    pool: Pool, dsn: str, tmp_path: Path, undisturbed: dict[str, list[str]]
) -> None:
    told = long_history(tmp_path)
    house = fresh(pool, tmp_path / "data")
    choices = [f"{c.host}={rfc3339(c.at)}={'yes' if c.allow else 'no'}" for c in told["choices"]]
    command = [
        sys.executable,
        "-c",
        KILLED,
        str(tmp_path / "data"),
        dsn,
        str(told["paths"][0]),
        *choices,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as importing:
        assert importing.stdout is not None
        assert [importing.stdout.readline() for _ in range(3)] == ["stored\n"] * 3
        importing.send_signal(signal.SIGKILL)
    assert 0 < house.query("SELECT count(*) FROM turns")[0][0] < 240
    assert [path.name for path in (tmp_path / "data").iterdir() if path.is_file()] == []
    bring_chunked(house, told)
    assert canonical(house) == undisturbed


# The bare rule


class Drawn:
    """A history of a few accounts: what a messages file, a file of accounts and a file of choices
    say of it.
    """

    def __init__(self, seed: int, known: Policies) -> None:
        draw = Random(seed)
        self.accounts = [
            RecordedAccount(
                host=f"h{n}",
                plan=draw.choice(("free", "pro", "pro", "work")),
                age=draw.choice((30, 17, None)),
            )
            for n in range(draw.randint(1, 3))
        ]
        grid = [instant("2025-08-05") + timedelta(days=3 * n) for n in range(44)]
        self.lines: list[tuple[str, str, list[tuple[datetime, str]]]] = []
        for number in range(draw.randint(1, 8)):
            start = draw.randrange(len(grid))
            times = sorted(
                draw.choices(
                    grid[start : start + draw.choice((1, 3, 12, 44))], k=draw.randint(1, 7)
                )
            )
            if draw.random() < 0.2:
                draw.shuffle(times)
            roles = [draw.choice(("user", "user", "assistant", "tool")) for _ in times]
            self.lines.append(
                (
                    draw.choice(self.accounts).host,
                    f"c{number}",
                    list(zip(times, roles, strict=True)),
                )
            )
        self.projects = {name: draw.choice(("", "", f"p-{host}")) for host, name, _ in self.lines}
        self.choices = [self._choice(draw, grid, known) for _ in range(draw.randint(0, 9))]
        for one in self.choices[: draw.choice((0, 0, 2))]:  # another one of its instant
            self.choices.append(replace(self._choice(draw, [one.at], known), host=one.host))
        self.choices.sort(key=lambda choice: choice.at)

    def _choice(self, draw: Random, grid: Sequence[datetime], known: Policies) -> RecordedChoice:
        host, at, yes = draw.choice(self.accounts).host, draw.choice(grid), draw.random() < 0.7
        asks = known.in_force(at).asks
        mine = [name for owner, name, _ in self.lines if owner == host]
        scopes = [
            ev.NamedScope(project=f"p-{host}"),
            *(ev.NamedScope(conversation=name) for name in mine),
        ]
        return RecordedChoice(
            host=host,
            at=at,
            allow=yes,
            via="import",
            question=draw.choice(asks) if len(asks) > 1 and (yes or draw.random() < 0.7) else None,
            scope=draw.choice(scopes) if yes and draw.random() < 0.4 else None,
            keep=tuple(draw.sample(scopes, 1)) if not yes and draw.random() < 0.4 else (),
        )

    def write(self, folder: Path) -> tuple[Path, Path, Path]:
        chats = write(
            folder / "chats.jsonl",
            *(
                chat(
                    name,
                    *(message(role, f"{name} {n}", at) for n, (at, role) in enumerate(turns)),
                    account=host,
                    **(
                        {"project": self.projects[name], "project_title": "Piano"}
                        if self.projects[name]
                        else {}
                    ),
                )
                for host, name, turns in self.lines
            ),
        )
        with (folder / "accounts.csv").open("w", newline="") as file:
            rows = [(a.host, a.plan, "" if a.age is None else a.age) for a in self.accounts]
            csv.writer(file).writerows([("account", "plan", "age"), *rows])
        with (folder / "choices.csv").open("w", newline="") as file:
            told = [
                (
                    one.host,
                    rfc3339(one.at),
                    "yes" if one.allow else "no",
                    one.question or "",
                    scope_of(one.scope) if one.scope else "",
                    "|".join(map(scope_of, one.keep)),
                )
                for one in self.choices
            ]
            csv.writer(file).writerows(
                [("account", "time", "allow", "question", "scope", "keep"), *told]
            )
        return chats, folder / "accounts.csv", folder / "choices.csv"

    def world(self, policies: Policies) -> World:
        """What the same history means: a refusal before the turns of its moment, a permission after
        them, and choices of one moment in their order.
        """
        world = World(policies, replay=True)
        told: list[tuple[datetime, int, int, ev.Event]] = []
        allowed = set()
        for place, one in enumerate(self.choices):
            chosen = ev.ChooseEvent(
                at=one.at,
                account=one.host,
                allow=one.allow,
                question=one.question,
                scope=one.scope,
                keep=one.keep,
            )
            allowed |= {(one.host, one.at)} if one.allow else set()
            told.append((one.at, 2 if (one.host, one.at) in allowed else 0, place, chosen))
        place = 0
        for host, name, turns in self.lines:
            for n, (at, role) in enumerate(turns):
                place += 1
                say = ev.SayEvent(
                    at=at,
                    account=host,
                    conversation=name,
                    turn=f"{name}.{n}",
                    role=TurnRole(role),
                    origin={"user": "typed"}.get(role, role),
                    project=self.projects[name],
                )
                told.append((at, 1, place, say))
        told.sort(key=lambda one: one[:3])
        for account in self.accounts:
            mine = [at for at, *_, event in told if event.account == account.host]
            if mine:
                world.apply(
                    ev.OpenAccountEvent(
                        at=min(mine), account=account.host, plan=account.plan, age=account.age
                    )
                )
        for *_, event in told:
            world.apply(event)
        world.advance(NOW)
        return world


def scope_of(scope: ev.NamedScope) -> str:
    kind, name = scope.scope
    return f"{kind.value}:{name}"


TWO_QUESTIONS = {
    "version": "second", "effective": "2025-10-20", "decide_by": "2025-11-10", "material": True,
    "choice": [
        {"question": "training", "covers": ["improve_models"]}, {"question": "safety", "covers": ["safety_classifiers"]},
    ],
}  # fmt: skip
SECOND = {
    "version": "second", "effective": "2025-10-20", "decide_by": "2025-11-10", "material": True, "min_age": 18,
    "scope": {"plans": ["free", "pro"], "surfaces": ["app", "cli"]},
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_any_recorded_history_is_answered_for_as_by_the_bare_rule(
    pool: Pool, tmp_path: Path, seed: int
) -> None:
    house = House(pool, tmp_path / "data", at=BEGIN)
    if seed % 3:
        second = from_document(
            {**preset("article-2025").document(), **(SECOND if seed % 3 == 1 else TWO_QUESTIONS)}
        )
        policy_changes.apply_policy(house.installation, second, actor="test")
    house.now = NOW
    known = load_policies(house.installation)
    drawn = Drawn(seed, known)
    chats, accounts, choices = drawn.write(tmp_path)
    recorded = read_accounts(accounts, NOW)
    imported = bring(
        house,
        chats,
        default=None,
        recorded=recorded,
        choices=read_choices(choices, known, NOW, {account.host for account in recorded}),
    )
    world = drawn.world(known)
    expected = {
        (turn, purpose): (
            world.decide(turn, purpose, NOW).because,
            world.decide(turn, purpose, NOW).until,
        )
        for turn in world.turns
        for purpose in (IMPROVE, SAFETY)
    }
    assert answers(house, drawn, known) == expected
    erased: Counter[Any] = Counter()
    for name, turn in world.turns.values():
        until = world.conversations[name].conversation.segments[turn.segment].keep_until
        if until <= NOW:
            erased[until.date()] += 1
    assert imported.would_be_erased == dict(sorted(erased.items()))
    assert imported.stored == len(world.turns) - sum(erased.values())
    assert house.query("SELECT count(*) FROM turns WHERE size > 0") == [(imported.stored,)]


def answers(house: House, drawn: Drawn, known: Policies) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Every turn's answers, from the tables, by the turn's name."""
    names = {
        house.host("turn", name, str(n)): f"{name}.{n}"
        for _, name, turns in drawn.lines
        for n in range(len(turns))
    }
    ids: Sequence[tuple[UUID, UUID]] = [
        (row[0], row[1])
        for row in house.query("SELECT account_id, conversation_id FROM conversations")
    ]
    rows = house.query("SELECT conversation_id, turn, host_hmac FROM turns")
    hosts = {(conversation, turn): names[bytes(host)] for conversation, turn, host in rows}
    found = {}
    with transaction(house.installation.pool) as tx:
        seen = account_view.load_views(tx, ids, known, NOW)
        for account, conversation in ids:
            for turn in account_view.list_turns(tx, account, conversation):
                for purpose in (IMPROVE, SAFETY):
                    decision = seen[conversation].decide(turn, known, purpose)
                    found[hosts[conversation, turn.number], purpose] = (
                        decision.because,
                        decision.until,
                    )
    return found


def test_turns_of_a_closed_account_are_refused_and_reported(house: House, tmp_path: Path) -> None:
    bring(house, write(tmp_path / "one.jsonl", talk("c1", "2025-12-01T10:00Z")))
    (account,) = house.query("SELECT account_id FROM accounts")[0]
    house.tell(do.CloseAccount(account=account, at=instant("2025-12-02")))
    imported = bring(house, write(tmp_path / "two.jsonl", talk("c2", "2025-12-03T10:00Z")))
    assert (imported.stored, imported.refused) == (0, {"closed": 2})


# People who were there before


def test_every_account_of_the_file_is_opened_also_one_that_nothing_is_brought_in_of(
    house: House, tmp_path: Path
) -> None:
    file = write(tmp_path / "c.jsonl", talk("c1", "2025-12-01T10:00Z"))
    quiet = RecordedAccount(host="gus", plan="free", age=52, opened_at=instant("2024-01-20"))
    undated = RecordedAccount(host="ivo", plan="free", age=40)
    more = {"default": None, "host": "ana", "recorded": [ANA, quiet, undated]}
    imported = bring(house, file, **more)
    assert (imported.accounts, imported.opened_alone, imported.opened_now) == (3, 2, 1)
    assert house.query("SELECT opened_at FROM accounts ORDER BY 1") == [
        (instant("2024-01-20"),),
        (instant("2025-12-01T10:00Z"),),
        (NOW,),
    ]
    before = house.dump()
    house.passes(1)
    again = bring(house, file, **more)
    assert (again.stored, again.accounts, again.opened_alone, again.skipped_reasons) == (
        0,
        0,
        0,
        {},
    )
    assert house.dump() == before


def test_a_choice_of_before_the_first_version_is_counted_apart(
    house: House, tmp_path: Path
) -> None:
    file = write(tmp_path / "c.jsonl", talk("c1", "2025-12-01T10:00Z"))
    imported = bring(house, file, choices=[allow("ana", "2025-07-31T23:59:59Z")])
    assert (imported.choices, imported.effects, imported.choices_too_early) == (1, {"none": 1}, 1)
    assert house.query("SELECT granted FROM accounts") == [(0,)]


def test_history_can_follow_for_an_account_that_was_opened_alone(
    house: House, tmp_path: Path
) -> None:
    opened = RecordedAccount(host="ana", plan="pro", age=30, opened_at=instant("2024-01-20"))
    bring(
        house,
        write(tmp_path / "none.jsonl", talk("of bo", "2025-12-01T10:00Z", account="bo")),
        recorded=[opened],
    )
    later = bring(
        house, write(tmp_path / "c.jsonl", talk("c1", "2025-12-01T10:00Z")), recorded=[opened]
    )
    assert (later.stored, later.opened_alone) == (2, 0)

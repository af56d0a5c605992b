"""The readers of research data, which benches and measurements take: held to what the readers of
`licet import` are.
"""

import gzip
import json
import os
from pathlib import Path

import pytest
from bench.readers import swe_agent, tau_bench
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.intake import formats
from licet.intake.lines import head
from licet.intake.read_turn import BrokenRecord, ReadTurn
from licet.policy.state import TurnRole

from ..reads import accounted, counts, damaged, places_of, sample, storable, told

HERE = Path(__file__).parent
FIXTURES = HERE / "fixtures"
FILES = sorted(file for file in FIXTURES.rglob("*") if file.is_file())
READERS = (swe_agent, tau_bench)


def read(reader, folder: Path) -> list:
    return [
        item
        for file in sorted(folder.iterdir())
        if file.suffix != ".txt"
        for item in reader.read(file)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("research")


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_reader_yields_what_its_golden_file_says_and_accounts_for_every_message(reader):
    """``TESTS_WRITE_GOLDEN=1`` writes the golden file anew."""
    items = read(reader, FIXTURES / reader.name)
    golden = HERE / "golden" / f"{reader.name}.txt"
    yielded = "\n".join(told(item, FIXTURES) for item in items) + "\n"
    if os.environ.get("TESTS_WRITE_GOLDEN"):
        golden.write_text(yielded)
    assert yielded == golden.read_text()
    assert accounted(items, FIXTURES / reader.name) == places_of(items, FIXTURES / reader.name)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_file_is_recognised_by_its_own_reader_and_by_none_of_the_import(reader):
    for file in (FIXTURES / reader.name).iterdir():
        start = head(file)
        assert [
            one.name for one in (*formats.READERS, *READERS) if one.recognises(file, start)
        ] == [reader.name]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_files_that_are_cut_joined_or_damaged_never_raise(reader, folder, data):
    path = folder / f"{reader.name}.json"
    path.write_bytes(damaged(data, FILES))
    assert [item for item in reader.read(path) if not storable(item)] == []


def test_nesting_without_end_is_one_broken_item_and_what_stands_beside_it_is_read(folder):
    fixture = FIXTURES / "swe-agent" / "stated.traj"
    path = folder / fixture.name
    path.write_text(
        '{"mapping": ' + "[" * 100_000 + "]" * 100_000 + "}\n" + fixture.read_text().strip()
    )
    first, *rest = swe_agent.read(path)
    assert isinstance(first, BrokenRecord)
    assert counts(rest) == counts(swe_agent.read(fixture))


def test_a_message_that_is_not_utf8_costs_itself_and_not_its_run(folder):
    fixture = FIXTURES / "swe-agent" / "stated.traj"
    raw, path = fixture.read_bytes(), folder / "latin.traj"
    [said] = [
        item
        for item in swe_agent.read(fixture)
        if isinstance(item, ReadTurn) and item.role is TurnRole.user
    ]
    mark = json.dumps(said.content.text.splitlines()[0])[1:-1].encode()
    path.write_bytes(raw.replace(mark, b"\xff" + mark[1:], 1))
    items = list(swe_agent.read(path))
    assert [item.message for item in items if isinstance(item, BrokenRecord)].count(
        "not valid UTF-8"
    ) == 1
    assert counts(items)["assistant"] == counts(swe_agent.read(fixture))["assistant"]


STATEMENT = "the shed does not open"


@pytest.mark.parametrize(
    ("problem", "is_typed"),
    [
        ({"type": "text", "text": STATEMENT}, True),
        ({"text": STATEMENT + "\n"}, True),
        ({"type": "text", "text": "another statement"}, False),
        ({"type": "github", "text": STATEMENT}, False),
        ({"type": "swe_bench", "text": STATEMENT}, False),
        ({}, False),
        (None, False),
    ],
    ids=str,
)
@pytest.mark.parametrize("as_text", [False, True])
def test_a_task_is_a_persons_only_where_the_file_says_that_it_was_given_as_text(
    folder, problem, is_typed, as_text
):
    config = {"problem_statement": problem}
    run = {
        "trajectory": [],
        "history": [
            {"role": "user", "content": f"ISSUE:\n{STATEMENT}\nbash-$"},
            {"role": "user", "content": STATEMENT},
        ],
        "replay_config": json.dumps(config) if as_text else config,
    }
    path = folder / "run.traj"
    path.write_text(json.dumps(run))
    found = [item for item in swe_agent.read(path) if isinstance(item, ReadTurn)]
    assert [turn.content.text for turn in found if turn.role is TurnRole.user] == [
        STATEMENT
    ] * is_typed
    assert found[-1].role is TurnRole.tool


TRAJECTORIES = {
    # Old files write what a command printed as `user`; none of it, and no prompt of the harness, is
    # a person's.
    "trajectories__demonstrations__ctf__crypto__BabyEncryption.traj.gz": {
        "assistant": 15,
        "tool": 15,
        "system": 1,
    },
    "trajectories__demonstrations__function_calling_simple.traj.gz": {
        "assistant": 5,
        "tool": 6,
        "system": 1,
    },
    # A demonstration is passed over; the issue was fetched, and nobody here wrote it.
    "tests__test_data__trajectories__gpt4__swe-agent__test-repo__default_from_url__t-0.00__p-0.95__c-3.00__install-1__"
    "swe-agent__test-repo-i1.traj.gz": {"assistant": 5, "tool": 5, "system": 1, "skipped": 1},
    # The statement was given as text: it is typed, and the harness's prompt around it is a turn of
    # the harness.
    "trajectories__demonstrations__replay__marshmallow-code__marshmallow-1867__function_calling__install-1__"
    "marshmallow-code__marshmallow-1867.traj.gz": {
        "typed": 1,
        "assistant": 11,
        "tool": 12,
        "system": 1,
    },
}


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_in_a_trajectory_only_a_statement_given_as_text_is_a_persons(name):
    items = list(swe_agent.read(sample(f"swe-agent-traj/{name}")))
    assert counts(items) == TRAJECTORIES[name]
    for item in items:
        if isinstance(item, ReadTurn) and item.origin == "typed":
            assert item.content.text.startswith("TimeDelta serialization precision")
            assert "INSTRUCTIONS" not in item.content.text


def test_all_trajectories_give_as_many_answers_as_their_histories_hold():
    folder = sample("swe-agent-traj")
    histories = [
        json.loads(gzip.decompress(path.read_bytes()))["history"] for path in folder.glob("*.gz")
    ]
    items = read(swe_agent, folder)
    answers = sum(step["role"] == "assistant" for history in histories for step in history)
    assert answers == counts(items)["assistant"] == 230
    assert counts(items)["typed"] == 5
    assert len({item.host_conversation for item in items if isinstance(item, ReadTurn)}) == 22


def test_two_hundred_real_runs_are_read_as_they_are_and_end_without_the_players_sign():
    items = list(
        tau_bench.read(sample("tau-bench-traj/historical_trajectories__gpt-4o-airline.json.gz"))
    )
    assert counts(items) == {
        "typed": 1461,
        "assistant": 2454,
        "tool": 1164,
        "system": 200,
        "skipped": 29,
    }
    assert not any(
        "###STOP###" in item.content.text for item in items if isinstance(item, ReadTurn)
    )
    assert len({item.host_conversation for item in items if isinstance(item, ReadTurn)}) == 200


def test_few_shot_dialogues_lose_only_the_calls_that_are_not_shown_and_the_players_sign():
    items = list(
        tau_bench.read(
            sample("tau-bench-traj/few_shot_data__MockRetailDomainEnv-few_shot.jsonl.gz")
        )
    )
    assert counts(items) == {"typed": 531, "assistant": 503, "tool": 479, "skipped": 442}

"""Kernels keep their promises on any text, and every engine gives the same bytes."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.curate import benchmarks, runners
from licet.curate.batches import BATCH_BYTES_MAX, BATCH_DOCUMENTS_MAX, batches
from licet.curate.kernels import DeidentifyKernel
from licet.curate.pipeline import Pipeline
from licet.curate.plan import CurationPlan, plan
from licet.curate.quality import Select
from licet.curate.splits import Shares
from licet.errors import InputError, UsageError
from licet.policy.state import ConversationKind
from licet.release.curation import Curated, Document, LeftOut, Voice

from .documents import KEY, Cleaner, chat, prose, said

PLAN = plan(Cleaner(), KEY)
ADDRESS = "tilda.marr@marr-mail.net"


def curated(*documents: Document, of: CurationPlan = PLAN) -> Sequence[Curated]:
    pipeline = Pipeline(of, runners.Local())
    made = pipeline.curate(documents)
    pipeline.close()
    return made


def town(count: int) -> list[Document]:
    """Chats and coding sessions with copies, addresses, code, other scripts and empty turns among
    them.
    """
    draw = Random(count)
    documents = []
    for n in range(count):
        texts = [
            prose(draw, draw.randint(0, 60)),
            f"{prose(draw, 20)} {ADDRESS}",
            "def f(x):\n    return x",
            "東京 🙂 ",
        ]
        draw.shuffle(texts)
        documents.append(
            chat(
                f"{n}",
                *texts,
                account=f"{n % 17}",
                kind=(ConversationKind.chat, ConversationKind.code)[n % 5 == 0],
            )
        )
        if n % 10 == 0:
            documents.append(chat(f"copy of {n}", *texts, account=f"{n % 11}"))
    return documents


def as_bytes(made: Iterator[pa.RecordBatch]) -> list[bytes]:
    return [batch.serialize().to_pybytes() for batch in made]


# Any text

odd = st.one_of(
    st.text(st.characters(codec=None), max_size=80),
    st.sampled_from(
        [
            "",
            "\ud83d broken \udc00 surrogates",
            "зero\u200bwidth \u202eturned\u202c аnd lооk-alikes",
            "👩‍👩‍👧‍👦" * 20,
            "ა b ن 漢 한 " * 30,
            base64.b64encode(bytes(range(256)) * 8).decode(),
            json.dumps({"nested": [{"deep": ["x"] * 50}] * 20}),
            "\n" * 500 + "-" * 500,
            "#" * 3000,
            "\x00\x01\x02",
        ]
    ),
)
documents = st.builds(
    lambda name, turns, kind: said(name, *turns, kind=kind),
    st.text(max_size=5),
    st.lists(st.tuples(st.sampled_from(Voice), odd), max_size=6),
    st.sampled_from(ConversationKind),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(documents, max_size=6))
def test_what_becomes_of_a_document_does_not_depend_on_the_others(many: list[Document]) -> None:
    together = curated(*many)
    assert len(together) == len(many)
    for document, one in zip(many, together, strict=True):
        assert curated(document) == [one]
        assert len(one.texts) == len(document.texts)


def test_every_kernel_gives_back_as_many_documents_in_their_order() -> None:
    (batch,) = batches(town(50))
    for step in PLAN.steps:
        made = step(batch)
        assert made.column("number").equals(batch.column("number"))
        assert set(batch.schema.names) <= set(made.schema.names)
        assert not any(column.null_count for column in made.columns)
        batch = made


def test_batches_are_bounded_and_lose_nobody() -> None:
    many = [chat(str(n), "x" * (BATCH_BYTES_MAX // 3)) for n in range(8)] + [
        chat(str(n), "y") for n in range(600)
    ]
    made = list(batches(many))
    assert [number for batch in made for number in batch.column("number").to_pylist()] == list(
        range(608)
    )
    assert max(batch.num_rows for batch in made) <= BATCH_DOCUMENTS_MAX
    assert max(batch.nbytes for batch in made) < 2 * BATCH_BYTES_MAX


def test_a_turn_of_fifty_megabytes_and_a_conversation_of_twenty_thousand_turns_go_through() -> None:
    huge = chat(
        "huge",
        ("a line of it that is as long as lines are\n" * 1_250_000)[:50_000_000],
        "a long text",
    )
    long = chat("long", *(f"turn {n} of many" for n in range(20_000)))
    one, other = curated(huge, long)
    assert len(one.texts[0]) == 50_000_000
    assert len(other.texts) == 20_000


@pytest.mark.parametrize(
    "hidden",
    [
        ADDRESS,
        ADDRESS.replace("@", "＠"),
        ADDRESS.replace("marr@", "ma\u200brr@"),
        "`" + ADDRESS + "`",
        f'{{"to":"{ADDRESS}"}}',
    ],
)
def test_identifiers_are_replaced_whatever_they_hide_behind(hidden: str) -> None:
    (made,) = curated(chat("a", f"write to {hidden} today", "done"))
    assert "tilda" not in made.texts[0]
    assert made.replaced == {"email": 1}


def test_duplicates_are_told_by_what_was_said_and_not_by_the_surrogates() -> None:
    one, other = chat("a", f"I am {ADDRESS}", "hi"), chat("b", f"I am {ADDRESS}", "hi")
    other = Document(**{f: getattr(other, f) for f in other.__struct_fields__} | {"key": KEY[::-1]})
    pipeline = Pipeline(PLAN, runners.Local())
    made = pipeline.curate([one, other])
    assert made[0].texts != made[1].texts
    for ordinal, each in enumerate(made, start=40):
        pipeline.enter(ordinal, each.sketch)
    assert len(pipeline.lost()) == 1
    assert set(pipeline.lost()) <= {40, 41}
    pipeline.close()


# What is left out, and the declaration


def test_a_rule_that_selects_changes_without_a_score_being_computed_anew() -> None:
    (batch,) = batches([chat("a", "buy this now\n" * 40), chat("b", prose(Random(1), 200))])
    scored = CurationPlan(PLAN.steps[:-1])(batch)
    for select, expected in (
        (Select(), ["low_quality", ""]),
        (Select(repeated_lines_max=1, repeated_fives_max=1), ["", ""]),
    ):
        again = plan(Cleaner(), KEY, select=select).steps[-1](scored)
        assert again.column("dropped").to_pylist() == expected


def test_repetition_in_a_coding_session_is_no_reason() -> None:
    (made,) = curated(chat("a", "x = x + 1 and so on it goes\n" * 40, kind=ConversationKind.code))
    assert made.dropped is None


def test_what_holds_a_benchmarks_question_is_left_out(tmp_path: Path) -> None:
    question = (
        "A train leaves the station at noon and meets another one after two hours. How far "
        "have "
        "they gone?"
    )
    listed = tmp_path / "questions.txt"
    listed.write_text(f"{question}\ntoo short to tell\n", "utf-8")
    known = benchmarks.read_benchmarks(listed)
    texts = [
        f"Please solve: {question}",
        question.upper().replace("GONE", "COME"),
        question.replace("noon", "eleven").replace("two", "three"),
        "too short to tell",
    ]
    made = curated(
        *(chat(str(n), text) for n, text in enumerate(texts)),
        of=plan(Cleaner(), KEY, benchmarks=known),
    )
    assert [one.dropped for one in made] == [LeftOut.benchmark, LeftOut.benchmark, None, None]


def test_by_the_rule_of_gpt_3_one_run_of_thirteen_words_is_enough(tmp_path: Path) -> None:
    question = (
        "A train leaves the station at noon and meets another one after two hours. How far "
        "have "
        "they gone by then?"
    )
    listed = tmp_path / "questions.txt"
    listed.write_text(
        f"# rule: gpt-3\n{question}\none two three four five six seven eight nine ten "
        "eleven twelve\n",
        "utf-8",
    )
    run = " ".join(question.split()[3:16])
    texts = [
        f"It said {run} today",
        " ".join(question.split()[3:15]),
        "one two three four five six seven eight nine ten eleven twelve",
    ]
    chats = [chat(str(n), text) for n, text in enumerate(texts)]
    known = benchmarks.read_benchmarks(listed)
    made = curated(*chats, of=plan(Cleaner(), KEY, benchmarks=known))
    assert [one.dropped for one in made] == [LeftOut.benchmark, None, None]
    listed.write_text(f"# rule: palm\n{question}\n", "utf-8")
    palm = benchmarks.read_benchmarks(listed)
    assert [one.dropped for one in curated(*chats, of=plan(Cleaner(), KEY, benchmarks=palm))] == [
        None,
        None,
        None,
    ]
    assert palm == benchmarks.build_benchmarks([question]) and palm.sha256() != known.sha256()
    listed.write_text(f"# rule: mine\n{question}\n", "utf-8")
    with pytest.raises(InputError, match="`mine` is no rule of overlap"):
        benchmarks.read_benchmarks(listed)


def test_a_list_of_questions_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        benchmarks.read_benchmarks(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"\xe9t\xe9 \xff")
    with pytest.raises(InputError, match="not UTF-8"):
        benchmarks.read_benchmarks(tmp_path / "latin.txt")


def test_the_hash_of_a_plan_tells_what_its_result_depends_on_and_no_key() -> None:
    assert plan(Cleaner(), KEY[::-1]).sha256() == PLAN.sha256()
    others = [
        plan(Cleaner(), KEY, shares=Shares(test=5)),
        plan(Cleaner(), KEY, select=Select(words_min=9)),
        plan(
            Cleaner(),
            KEY,
            benchmarks=benchmarks.build_benchmarks(
                ["one two three four five six seven eight nine"]
            ),
        ),
        plan(Cleaner(), KEY, scorers=[Shouting()]),
    ]
    assert len({PLAN.sha256(), *(other.sha256() for other in others)}) == 5


class Shouting:
    """Scores how much of a text is in capitals."""

    name = "shouting"
    sha256 = "0" * 64

    def scores(self, texts: Sequence[str]) -> Sequence[float]:
        return [sum(map(str.isupper, text)) / max(len(text), 1) for text in texts]


def test_a_scorer_plugs_in_and_a_document_has_its_worst_turns_score() -> None:
    loud, quiet = curated(
        chat("a", "hello", "WHAT"),
        chat("b", "hello"),
        of=plan(Cleaner(), KEY, scorers=[Shouting()]),
    )
    assert loud.labels is not None
    assert quiet.labels is not None
    assert (loud.labels.scores, quiet.labels.scores) == ({"shouting": 1.0}, {"shouting": 0.0})


# Engines


def test_an_engine_that_is_not_installed_is_named() -> None:
    assert runners._imported("json") is not None
    with pytest.raises(UsageError, match="`no_such_engine` is not installed"):
        runners._imported("no_such_engine")


def needs(engine: str) -> None:
    if importlib.util.find_spec(engine) is None:
        assert os.environ.get("CI") != "true", (
            f"CI installs the extra `cluster`, but `{engine}` is missing"
        )
        pytest.skip(f"`{engine}` is not installed: install the extra `cluster`")


def alone(script: str, *arguments: str) -> str:
    """What a script prints in a process of its own: engines leave threads and warnings behind."""
    made = subprocess.run(
        [sys.executable, str(Path(__file__).parent / script), *arguments],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert made.returncode == 0, made.stderr[-4000:]
    return made.stdout.strip().splitlines()[-1]


def test_two_nodes_of_ray_give_the_same_bytes_though_a_worker_dies() -> None:
    needs("ray")
    assert alone("on_engine.py") == "same bytes"


def test_what_spark_calls_gives_the_same_bytes_in_any_pieces() -> None:
    given_ = [part for batch in batches(town(60)) for part in (batch.slice(0, 20), batch.slice(20))]
    table = runners.number_batches([runners._written(batch) for batch in given_])
    made = [
        row
        for piece in runners.partition_function(PLAN)(iter(table.to_batches(max_chunksize=1)))
        for row in piece.to_pylist()
    ]
    assert [row["number"] for row in made] == list(range(len(given_)))
    assert [runners._read(row["batch"]) for row in made] == [PLAN(batch) for batch in given_]
    assert all(
        piece.schema == table.schema
        for piece in runners.partition_function(PLAN)(iter(table.to_batches()))
    )


def test_what_travels_is_sealed() -> None:
    (batch,) = batches([chat("a", "the heron that nests behind the third lock is called Oswin")])
    key = bytes(32)
    sealed = runners.AESGCM(key).encrypt(bytes(12), runners._written(batch), None)
    back = runners._curated(PLAN, sealed, key)
    assert b"Oswin" not in sealed + back
    assert runners._read(runners.AESGCM(key).decrypt(b"\x01" + bytes(11), back, None)).equals(
        PLAN(batch)
    )


def test_a_kernel_travels_without_the_module_that_made_it() -> None:
    (batch,) = batches([chat("a", f"I am {ADDRESS}")])
    import pickle

    again = pickle.loads(pickle.dumps(CurationPlan((DeidentifyKernel(cleaner=Cleaner()),))))
    assert again(batch).equals(DeidentifyKernel(cleaner=Cleaner())(batch))

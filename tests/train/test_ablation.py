"""What curation costs a model is measured with models, on people who are in none of them, and
stated under the log's key.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.installed import House
from tests.reads import sample

from bench import damage
from licet import verifier
from licet.cli import release_measure as release_measure_command
from licet.cli import release_sign
from licet.curate import code_kept, release_build
from licet.errors import InputError
from licet.ledger import jws
from licet.proof import documents
from licet.release import card, catalog, measurement, signatures
from licet.release.measurement import ALL, DEIDENTIFICATION, CostSlice, StatedMeasurement
from licet.service import release_measure
from licet.service.release_measure import MeasuringOrder, NamedDocuments
from licet.store.connect import Pool, transaction
from licet.train import ablation, recipe, word_model
from licet.train.ablation import MeasuredRow
from licet.train.recipe import TrainingSettings

ORDER = MeasuringOrder()
DOCS = Path(__file__).parents[2] / "docs"
FRUITS = ("apple", "pear", "plum", "quince", "medlar")
CODE = 'Try this:\n```python\nname = \'Ana\'\nmail("ana.kestrel@example.org")\n```\nand\n```json\n{"to": "+49 30 90182 000"}\n```'


def town(pool: Pool, folder: Path) -> House:
    house = House(pool, folder)
    for n in range(30):
        name = f"p{n}"
        house.open(name, allow=True)
        house.talk(
            name, f"{name}-a", f"what grows in bed {n}? write to me at p{n}@orchard.example", CODE
        )
        house.talk(
            name,
            f"{name}-b",
            f"how old is tree {n}?",
            f"It was planted {n} years ago, and bears fruit.",
        )
        # what everybody says, of which one row stays
        said = (
            "Please say again, slowly and in full, what has to be done with an old apple tree "
            "in the first days of March."
        )
        house.talk(
            name,
            f"{name}-c",
            said,
            "Cut the dead wood first, then open the crown, and never take more than a fifth.",
        )
    house.passes(1)
    release_build.build_release(house.installation, name="october", purpose="improve_models")
    return house


class Measured:
    """One measurement for all tests that only look at it."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        self.house, self.lines = town(pool, folder / "data"), list[str]()
        self.folder = self.house.installation.config.releases / "october"
        self.stated = release_measure.measure(
            self.house.installation, "october", ORDER, self.lines.append
        )


@pytest.fixture(scope="module")
def measured(
    worker_pool: Pool, worker_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> Measured:
    from tests.conftest import empty_tables

    empty_tables(worker_dsn)
    return Measured(worker_pool, tmp_path_factory.mktemp("measured"))


def costs(stated: StatedMeasurement) -> dict[tuple[str, str, str], measurement.MeasuredCost]:
    return {(one.of, one.slice.value, one.value): one for one in stated.statement.costs}


def test_each_step_has_its_cost_with_an_interval_on_people_who_are_in_no_run(
    measured: Measured,
) -> None:
    said = measured.stated.statement
    found = costs(measured.stated)
    assert {of for of, by, _ in found if by == "all"} == {DEIDENTIFICATION, "duplicate"}
    assert all(one.low_ppm <= one.cost_ppm <= one.high_ppm for one in said.costs)
    assert said.held_out.people == 10
    # two of each person, and one of what all of them said
    assert said.rows + said.held_out.rows == 61
    whole = found[DEIDENTIFICATION, "all", ALL]
    assert (whole.rows, whole.people) == (said.held_out.rows, said.held_out.people)
    assert (DEIDENTIFICATION, "turns", "1-2") in found
    assert (said.model.base, said.model.seeds, said.model.tokens) == (None, 1, word_model.ORDER)
    assert measured.lines[-1] == "model 3 of 3: with what `duplicate` left out, seed 1"


def test_code_that_was_valid_is_counted_and_is_not_broken(measured: Measured) -> None:
    assert measured.stated.statement.code == measurement.CodeKept(blocks=60, broken=0)


def damaged(share: float, seed: int, rows: int = 400, words: int = 50) -> list[MeasuredRow]:
    """Rows of which this share of words is replaced by another word, each with its chance."""
    random = Random(seed)
    found = []
    for n in range(rows):
        said = [random.choice(FRUITS) for _ in range(words)]
        leaves = ["Marlow" if random.random() < share else word for word in said]
        messages = ([{"role": "assistant", "content": " ".join(each)}] for each in (said, leaves))
        before, after = ({"messages": each, "row_id": "", "ordinal": n} for each in messages)
        found.append(
            MeasuredRow(
                person=bytes([n % 30]), kind="chat", language="en", original=before, leaves=after
            )
        )
    return found


def test_planted_damage_of_words_is_counted_and_ranks_apart_from_none() -> None:
    """Each share lies within a fifth of what was planted, so that 0, 1, 3 and 10 % never meet."""
    for seed in range(3):
        shares = [
            release_measure.words_kept(damaged(share, seed)).changed_ppm
            for share in (0, 0.01, 0.03, 0.1)
        ]
        assert shares[0] == 0
        assert all(
            0.8 * planted <= found <= 1.2 * planted
            for planted, found in zip((10_000, 30_000, 100_000), shares[1:], strict=True)
        ), shares


def pages_of_docs(share: float) -> list[MeasuredRow]:
    """Paragraphs of the documents as answers, of which this share of words is damaged as they
    leave.
    """
    texts = [
        text
        for page in sorted(DOCS.glob("*.md"))
        for text in page.read_text().split("\n\n")
        if len(text) > 80
    ]
    found = []
    for n, text in enumerate(texts):
        draw = Random(n)
        said, leaves = (
            {
                "messages": [
                    {"role": "user", "content": "Go on."},
                    {"role": "assistant", "content": each},
                ],
                "row_id": "",
                "ordinal": n,
            }
            for each in (text, damage.damaged(text, share, draw))
        )
        found.append(
            MeasuredRow(
                person=bytes([n % 100]), kind="chat", language="en", original=said, leaves=leaves
            )
        )
    return found


def cost_of_docs(share: float) -> measurement.MeasuredCost:
    held_out = ablation.people_held_out({bytes([n]): n for n in range(100)}, ())
    return ablation.measure(
        pages_of_docs(share), TrainingSettings(), seeds=1, held_out=held_out
    ).costs[0]


def rank_apart(costs: Sequence[measurement.MeasuredCost]) -> bool:
    return all(less.high_ppm < more.low_ppm for less, more in itertools.pairwise(costs))


def test_the_cost_of_planted_damage_ranks_apart_from_none_and_from_more() -> None:
    found = [cost_of_docs(share) for share in (0, 0.01, 0.03, 0.1)]
    assert (found[0].low_ppm, found[0].cost_ppm, found[0].high_ppm) == (0, 0, 0)
    assert rank_apart(found), found


def test_the_cost_of_planted_damage_ranks_apart_in_dialogues_of_people_within_the_seconds() -> None:
    file = sample(damage.DIALOGUES)
    began = time.process_time()
    found = [damage.planted(share, file) for share in damage.SHARES]
    assert time.process_time() - began < 120
    assert found[0].people >= 100
    assert found[0].high_ppm == 0
    assert rank_apart(found), found


def test_damage_that_is_in_both_models_is_in_no_cost_and_is_counted() -> None:
    rows = pages_of_docs(0.1)
    alike = [msgspec.structs.replace(row, original=row.leaves) for row in rows]
    held_out = ablation.people_held_out({bytes([n]): n for n in range(100)}, ())
    cost = ablation.measure(alike, TrainingSettings(), seeds=1, held_out=held_out).costs[0]
    assert (cost.low_ppm, cost.high_ppm) == (0, 0)
    assert release_measure.words_kept(rows).changed_ppm > 80_000


@pytest.mark.parametrize("text", ["夜の庭で木を切る", "กินข้าวหรือยัง"])
def test_words_without_blanks_are_counted_by_their_characters(text: str) -> None:
    said = {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": text}]}
    found = word_model.hash_words(said)  # type: ignore[arg-type]  # a dict as a row
    assert found is not None
    assert found.answers.sum() == len(text) + 1  # and its end


def test_a_model_of_words_gives_the_same_loss_to_the_same_rows_and_a_lower_one_to_what_it_read() -> (
    None
):
    rows = [word_model.hash_words(row.original) for row in pages_of_docs(0)]
    known, new = [row for row in rows[:200] if row], [row for row in rows[200:400] if row]
    model, again = word_model.WordModel(known), word_model.WordModel(known)
    assert [model.loss(row) for row in new] == [again.loss(row) for row in new]
    read, unread = (
        sum(map(model.loss, each)) / sum(int(row.answers.sum()) for row in each)
        for each in (known, new)
    )
    assert 0 < read < unread < np.log(word_model.WORDS_EVER)


def test_models_from_a_base_draw_the_same_batches_so_that_undamaged_rows_cost_nothing(
    tmp_path: Path,
) -> None:
    small = TrainingSettings(
        steps=2,
        batch_rows=4,
        tokens_max=64,
        width=32,
        layers=1,
        heads=2,
        vocabulary=400,
        learning_rate=1e-3,
    )
    rows = pages_of_docs(0)[:150]
    with recipe.silence_libraries():
        vocabulary = recipe.vocabulary(
            [row.original["messages"][1]["content"] for row in rows], small.vocabulary
        )
        recipe.new_model(vocabulary, small).save_pretrained(tmp_path)
        vocabulary.save_pretrained(tmp_path)
    held_out = ablation.people_held_out({bytes([n]): n for n in range(100)}, ())
    made = ablation.measure(rows, small, seeds=2, held_out=held_out, base=tmp_path)
    assert (made.model.base, made.model.steps, made.model.seeds) == (
        ablation._word(tmp_path.name),
        2,
        2,
    )
    assert (made.costs[0].low_ppm, made.costs[0].high_ppm) == (0, 0)


def test_the_words_that_changed_are_stated(measured: Measured) -> None:
    words = measured.stated.statement.words
    assert 0 < words.changed < words.said
    assert f"{words.changed:,} leave changed" in "\n".join(
        release_measure_command.text(measured.stated.statement)
    )


def test_the_card_the_command_and_the_standing_say_what_was_stated(measured: Measured) -> None:
    whole = costs(measured.stated)[DEIDENTIFICATION, "all", ALL]
    sentence = measurement.sentences(measured.stated.statement)[0]
    assert measurement.percent(whole.cost_ppm) in sentence
    text = (measured.folder / card.FILE).read_text()
    assert sentence in text
    assert measured.stated.sha256 in text
    assert sentence in release_sign.since_text(
        signatures.get_standing(measured.house.installation, "october")
    )
    lines = list(release_measure_command.text(measured.stated.statement))
    assert lines[0] == sentence
    assert len(lines) == 5 + len(measured.stated.statement.costs)


def test_the_release_is_whole_with_it_and_the_log_was_told(measured: Measured) -> None:
    installation = measured.house.installation
    assert catalog.verify_release(installation, "october") == []
    documents.append(installation)
    log = verifier.FolderFiles(documents.place(installation).folder / "2025")
    report = verifier.check_release(
        verifier.FolderFiles(measured.folder), verifier.trust(documents.key(installation).vkey), log
    )
    assert (report.findings, report.lacks) == ([], [])
    assert {part.what: part.answer for part in report.parts}[
        "measurement.json"
    ] is verifier.Verdict.stated


@pytest.mark.parametrize("lie", ["other figures", "another key", "not made here"])
def test_a_measurement_that_was_not_made_here_is_found(measured: Measured, lie: str) -> None:
    path, honest = (
        measured.folder / "measurement.json",
        (measured.folder / "measurement.json").read_bytes(),
    )
    said = measured.stated.statement
    seed = bytes(32)
    if lie != "another key":
        with transaction(measured.house.installation.pool) as tx:
            seed = measured.house.installation.keyring.log_seed(tx)
    if lie == "other figures":
        first, *rest = said.costs
        said = msgspec.structs.replace(
            said, costs=(msgspec.structs.replace(first, cost_ppm=first.high_ppm + 1), *rest)
        )
    elif lie == "not made here":
        said = msgspec.structs.replace(said, rows=said.rows + 1)
    path.write_bytes(
        measurement.SIGNED.encode(jws.sign(said.payload(), seed, measurement.SIGNED.typ))
    )
    try:
        assert {
            one.file for one in catalog.verify_release(measured.house.installation, "october")
        } >= {"measurement.json"}
    finally:
        path.write_bytes(honest)
    assert catalog.verify_release(measured.house.installation, "october") == []


def test_what_does_not_reconcile_is_not_read(measured: Measured) -> None:
    said = json.loads(jws.decode_unverified(measured.stated.jws))
    for change in (
        {"rows": 0},
        {"confidence_percent": 90},
        {"code": {"blocks": 1, "broken": 2}},
        {"costs": []},
        {"words": {"changed": 2, "said": 1}},
        {"held_out": {"people": 9, "rows": 3}},
        {"costs": said["costs"] * 2},
    ):
        made = jws.sign(said | change, bytes(32), measurement.SIGNED.typ)
        with pytest.raises(InputError):
            measurement.SIGNED.decode(measurement.SIGNED.encode(made))


# Costs


sums = st.lists(st.floats(0.5, 50), min_size=12, max_size=40)


@settings(deadline=None, max_examples=60)
@given(sums, st.floats(0.9, 1.1))
def test_theorem_a_loss_that_is_the_same_share_higher_everywhere_is_the_cost_with_no_doubt(
    losses: list[float], share: float
) -> None:
    without = np.array([losses, losses])
    cost, low, high = ablation.interval(without * share, without)
    assert abs(cost - (share - 1) * 1_000_000) <= 1
    assert high - low <= 2


@settings(deadline=None, max_examples=60)
@given(sums, st.integers(0, 2**32 - 1))
def test_theorem_the_cost_lies_in_its_interval(losses: list[float], seed: int) -> None:
    without = np.array([losses, losses])
    with_it = without * np.random.default_rng(seed).uniform(0.5, 2, without.shape)
    cost, low, high = ablation.interval(with_it, without)
    assert low <= cost <= high


def row(person: int, language: str = "en", messages: int = 2) -> MeasuredRow:
    said = {"messages": [{"role": "user", "content": "x"}] * messages, "row_id": "", "ordinal": 0}
    return MeasuredRow(
        person=bytes([person]), kind="chat", language=language, original=said, leaves=said
    )


def test_a_slice_is_named_where_ten_people_are_in_it() -> None:
    held = [
        *(row(n) for n in range(12)),
        *(row(n, "de", 9) for n in range(9)),
        *(row(0, "fr") for _ in range(30)),
    ]
    named = {(by, value) for by, value, _ in ablation._slices(held)}
    assert named == {
        (CostSlice.all, ALL),
        (CostSlice.language, "en"),
        (CostSlice.kind, "chat"),
        (CostSlice.turns, "1-2"),
    }


def test_people_outside_training_are_held_out_and_others_until_they_are_a_fifth() -> None:
    people = {bytes([n]): n for n in range(100)}
    outside = {bytes([n]) for n in range(50, 65)}
    assert ablation.people_held_out(people, outside) == outside | {bytes([n]) for n in range(5)}
    many = {bytes([n]) for n in range(50, 75)}
    assert ablation.people_held_out(people, many) == many
    few = ablation.people_held_out({bytes([n]): n for n in range(40)}, {bytes([39])})
    assert few == {bytes([39]), *(bytes([n]) for n in range(9))}
    assert len(ablation.people_held_out({bytes([n]): n for n in range(8)}, set())) == 4


# Code


@pytest.mark.parametrize(
    ("said", "leaves", "counts"),
    [
        ("```python\na = 'x'\n```", "```python\na = 'y'\n```", (1, 0)),
        ("```python\na = 'x'\n```", "```python\na = 'y\n```", (1, 1)),
        ('```json\n{"a": 1}\n```', '```json\n{"a": }\n```', (1, 1)),
        ("```yaml\na: [1]\n```", "```yaml\na: [1\n```", (1, 1)),
        ("```toml\na = 1\n```", "```toml\na = 1\n```", (1, 0)),
        ("```python\ndef f(\n```", "```python\ndef g(\n```", (0, 0)),
        ("```rust\nfn f(\n```", "```rust\n\n```", (0, 0)),
        ("```python\na\n```\n```json\n1\n```", "```python\na\n```\n", (2, 2)),
        ("no code", "none", (0, 0)),
        ("```python\n" + "(" * 5_000 + "\n```", "", (0, 0)),
    ],
)
def test_code_that_its_parser_takes_is_asked_again(
    said: str, leaves: str, counts: tuple[int, int]
) -> None:
    assert code_kept.count_blocks([said], [leaves]) == counts


@given(st.lists(st.binary(max_size=30)), st.lists(st.binary(max_size=30)), st.binary(max_size=30))
def test_documents_that_are_rows_are_known_by_their_names(
    rows: list[bytes], others: list[bytes], late: bytes
) -> None:
    known = NamedDocuments()
    for name in rows:
        known.add(name)
    assert [name in known for name in (*rows, *others)] == [True] * len(rows) + [
        name in rows for name in others
    ]
    known.add(late)
    assert all(name in known for name in (late, *rows))

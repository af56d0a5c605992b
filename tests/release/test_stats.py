"""The figures of a release: what they count, what they leave out, and how far two releases are
apart.
"""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tests.installed import House

from licet.cli.command import main
from licet.curate import release_build
from licet.errors import NotFoundError, UsageError
from licet.release.stats import kolmogorov_smirnov, spread, stats, total_variation
from licet.vault.simulated_clock import SimulatedClock, save

GERMAN = (
    "wann werden die {0} im Garten hinter dem alten Haus endlich reif, und wer erntet dann die {0}"
)
ENGLISH = (
    "when will the {0} in the garden behind the old house be ripe at last, and who picks the {0}"
)


@pytest.fixture
def house(house: House) -> House:
    for n, fruit in enumerate(("pears", "quinces", "medlars", "walnuts")):
        house.open(fruit, allow=True, split="train" if n else "test")
        house.talk(
            fruit,
            fruit,
            f"{ENGLISH.format(fruit)}?",
            f"the {fruit} are picked in October by the whole family",
        )
    house.open("no", allow=False)
    house.talk("no", "no", "not for training, please", "of course not")
    house.passes(1)
    release_build.build_release(house.installation, name="october", purpose="improve_models")
    for fruit in ("Birnen", "Quitten", "Mispeln", "Schlehen"):
        house.open(fruit, allow=True, split="train")
        house.talk(
            fruit,
            fruit,
            f"{GERMAN.format(fruit)}?",
            f"die {fruit} werden im Oktober von der Familie geerntet",
        )
    house.passes(1)
    release_build.build_release(house.installation, name="november", purpose="improve_models")
    return house


def test_a_release_is_counted_by_split_language_and_reason(house: House) -> None:
    found = stats(house.installation, "october")
    assert (found.promised, found.rows, found.turns) == (4, 4, {"assistant": 4, "user": 4})
    assert {split: one.rows for split, one in found.splits.items()} == {"train": 3, "test": 1}
    assert {language: one.rows for language, one in found.languages.items()} == {"en": 4}
    assert sum(one.tokens for one in found.topics.values()) == found.tokens > 100
    assert found.candidates == 10
    assert sum(found.left_out.values()) == 2
    assert found.spread["turns"] == (2, 2, 2, 2, 2)
    assert found.spread["quality.words"][0] > 10
    assert found.drift is None, "there is none before it"


def test_what_may_no_longer_be_used_is_not_counted(house: House) -> None:
    house.choose("walnuts", False)
    found = stats(house.installation, "october")
    assert (found.promised, found.rows) == (4, 3)


def test_the_drift_is_from_the_last_release_before(house: House) -> None:
    found = stats(house.installation, "november")
    assert found.drift is not None
    assert (found.drift.against, found.drift.rows) == ("october", 4)
    assert found.drift.distances["language"] == 0.5, "half of the rows are of another language"
    assert found.drift.distances["turns"] == 0
    back = stats(house.installation, "october", against="november").drift
    assert back is not None
    assert back.distances["language"] == 0.5
    with pytest.raises(UsageError, match="from itself"):
        stats(house.installation, "october", against="october")
    with pytest.raises(NotFoundError):
        stats(house.installation, "nothing")


def test_the_command_says_the_same_and_no_word_of_anybody_s(house: House, dsn: str) -> None:
    run = CliRunner(env={"LICET_DATABASE_URL": dsn})
    save(house.installation.config.data, SimulatedClock(house.now))
    data = ["--data", str(house.installation.config.data)]
    text = run.invoke(main, ["release", "stats", "november", *data])
    assert text.exit_code == 0, text.output
    for said in (
        "8 of 8 rows",
        "de ",
        "en ",
        "quality.words",
        "2 of 18 turns",
        "from october, 4 rows",
    ):
        assert said in text.stdout, said
    done = run.invoke(
        main, ["release", "stats", "november", "--against", "october", "--json", *data]
    )
    found = json.loads(done.stdout)
    assert (found["rows"], found["languages"]["de"]["rows"], found["drift"]["against"]) == (
        8,
        4,
        "october",
    )
    for output in (text.stdout, done.stdout):
        assert "Quitten" not in output
        assert "garden" not in output


# Figures


@given(st.lists(st.integers(0, 50), min_size=1, max_size=80))
def test_a_spread_is_of_values_that_are_there_with_its_share_of_them_up_to_each(
    values: list[int],
) -> None:
    found = spread(values)
    for share, value in zip((5, 25, 50, 75, 95), found, strict=True):
        assert value in values
        assert (
            sum(one <= value for one in values)
            >= share * len(values) / 100
            > sum(one < value for one in values)
        )


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_distances_are_none_between_the_same_whole_between_strangers_and_symmetric(
    a: list[int], b: list[int]
) -> None:
    assert kolmogorov_smirnov(a, a * 3) == pytest.approx(0)
    assert kolmogorov_smirnov(a, [one + 10 for one in b]) == 1
    assert 0 <= kolmogorov_smirnov(a, b) == kolmogorov_smirnov(b, a) <= 1
    one, other = ({str(value): of.count(value) for value in of} for of in (a, b))
    assert total_variation(one, {word: 2 * count for word, count in one.items()}) == pytest.approx(
        0
    )
    assert total_variation(one, {f"other {word}": 1 for word in other}) == pytest.approx(1)
    assert total_variation(one, other) == pytest.approx(total_variation(other, one))

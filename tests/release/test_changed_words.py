"""A build looks at what it replaced before it seals, and stops where that is more than is usual."""

from __future__ import annotations

import json
from contextlib import closing
from random import Random

import click
import msgspec
import pytest
from click.testing import CliRunner

from licet.cli.root import RootCommand
from licet.cli.shell import json_option
from licet.curate import release_build
from licet.curate.changed_places import changed_words, find_place
from licet.curate.deidentify import Substitution, substitutions
from licet.curate.detect import DetectedSpan
from licet.curate.kernels import NameKernel
from licet.curate.pipeline import Pipeline
from licet.curate.plan import plan
from licet.curate.rules import IdentifierKind
from licet.curate.runners import Local
from licet.release import card, catalog
from licet.release.build import Builder
from licet.release.build_order import BuildOrder, BuildResult, DamageError
from licet.release.changed_words import (
    SAMPLES_MAX,
    WORDS_MIN,
    ChangedWords,
    ChangePlace,
    by_language,
    choose_samples,
    find_unusual,
)
from licet.vault.installation import load_policies

from ..curate.documents import Words, prose
from ..installed import House
from .test_build import IMPROVE

PERSON = IdentifierKind.PERSON
PROSE = (
    "the ferry leaves from the third quay at six in the morning and comes back at ten in the "
    "evening "
)
KEY = bytes(32)


def counted(*texts: str, word: str) -> ChangedWords:
    names = Words((word, PERSON, 0.9)).detect(list(texts))
    return changed_words(texts, substitutions(texts, KEY, names=names))


@pytest.mark.parametrize(
    ("text", "word", "place"),
    [
        ("ask Maria now", "Maria", ChangePlace.prose),
        ("ask\n```python\nx = 'Maria'\n```", "Maria", ChangePlace.code),
        ("run `find Maria` now", "Maria", ChangePlace.code),
        ("let x = Maria;", "Maria", ChangePlace.code),
        ("git blame says Maria <maria@host.example>, 3 days ago", "Maria", ChangePlace.prose),
        ("git blame says Maria, 3 days ago", "Maria", ChangePlace.code),
        ("the Marianne trench", "Maria", ChangePlace.within),
        ("x 2, 1, 1 y", "2, 1, 1", ChangePlace.digits),
    ],
)
def test_each_change_has_its_place(text: str, word: str, place: ChangePlace) -> None:
    start = text.index(word)
    made = Substitution(DetectedSpan(start, start + len(word), PERSON, 0.9, "words"), "Nobody")
    assert find_place(text, made) is place


def test_words_are_counted_by_language_place_and_kind_and_no_count_holds_content() -> None:
    own = counted(f"{PROSE}Maria", word="Maria")
    counts = by_language([("en", own), ("de", ChangedWords())])
    assert counts["en prose"] == len(PROSE.split()) + 1 and counts["en prose person"] == 1
    assert "Maria" not in str(counts)
    (sample,) = choose_samples([("en", own)])
    assert (sample.kind, sample.language, sample.place) == ("person", "en", ChangePlace.prose)
    assert (
        sample.before.endswith("Maria")
        and "Maria" not in sample.after
        and "Maria" not in repr(sample)
    )


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ({"en prose": 10_000, "en prose person": 299}, []),
        (
            {"en prose": 10_000, "en prose person": 301},
            ["person in prose of `all`", "person in prose of `en`"],
        ),
        ({"en prose": WORDS_MIN - 1, "en prose person": 900}, []),
        (
            {"en code": 10_000, "en code person": 51},
            ["person in code of `all`", "person in code of `en`"],
        ),
        (
            {"en prose": 10_000, "en within person": 2},
            ["person in within of `all`", "person in within of `en`"],
        ),
        (
            {"en prose": 10_000, "en digits address": 2},
            ["address in digits of `all`", "address in digits of `en`"],
        ),
        ({"en prose": 10_000, "en digits phone": 200}, []),
        (
            {"en prose": 10_000, "en prose email": 501},
            ["email in prose of `all`", "email in prose of `en`"],
        ),
        (
            {f"{a} prose": 1_500 for a in ("de", "fr")} | {"de prose person": 200},
            ["person in prose of `all`"],
        ),
    ],
)
def test_what_is_unusual_is_told_by_kind_language_and_place(
    counts: dict[str, int], found: list[str]
) -> None:
    assert [str(one).partition(":")[0] for one in find_unusual(counts)] == found


# --- builds ---------------------------------------------------------------------------------------


@pytest.fixture
def house(house: House) -> House:
    house.open("ana", allow=True)
    draw = Random(1)
    for n in range(12):
        said = [
            (
                f"is {prose(draw, 50)} the {prose(draw, 50)} the Marianne and the "
                f"{prose(draw, 4)} the {prose(draw, 4)} the end"
            )
            for _ in range(2)
        ]
        house.talk("ana", f"a{n}", *said)
    return house


def build(house: House, name: str, word: str, *, accepts: bool = False) -> BuildResult:
    """A build in which ``word`` counts as a name."""
    installation, cleaner = house.installation, release_build.RuleCleaner()
    made = plan(cleaner, KEY, names=NameKernel(detector=Words((word, PERSON, 0.9))))
    order = BuildOrder(
        name=name,
        purpose=IMPROVE,
        folder=installation.config.releases / name,
        software="test",
        accepts_changes=accepts,
    )
    with closing(Pipeline(made, Local(), installation.config.data)) as pipeline:
        return Builder(
            installation.pool,
            installation.keyring,
            load_policies(installation),
            cleaner,
            installation.clock,
            curation=pipeline,
        ).run(order)


def test_a_build_that_damages_stops_shows_places_and_goes_on_when_it_is_told_to(
    house: House,
) -> None:
    with pytest.raises(DamageError, match="more words were replaced than is usual") as stopped:
        build(house, "r", "the ")
    assert "  person, prose of `" in stopped.value.message
    assert stopped.value.because == "damage" and stopped.value.exit_code == 1
    assert {one.place for one in stopped.value.shares} == {ChangePlace.prose}
    assert 1 <= len(stopped.value.samples) <= SAMPLES_MAX
    assert not any(one.state == "sealed" for one in catalog.list_releases(house.installation))
    with pytest.raises(DamageError) as resumed:
        build(house, "r", "the ")
    assert resumed.value.shares == stopped.value.shares
    assert resumed.value.samples == stopped.value.samples, (
        "a build that goes on finds the places anew"
    )
    built = build(house, "r", "the ", accepts=True)
    accepted = built.manifest.deidentification.accepted
    assert accepted and accepted[-1].startswith("person in prose of `")
    assert "More words were replaced than is usual" in card.render(built.manifest)


def test_a_build_that_stops_answers_json_with_its_shares_and_places(house: House) -> None:
    @click.group(cls=RootCommand, modules={}, groups={})
    def program() -> None:
        """A program of one command."""

    @program.command("build")
    @json_option
    def command(as_json: bool) -> None:
        build(house, "r", "the ")

    shown = CliRunner().invoke(program, ["build", "--json"])
    told = json.loads(shown.stderr)
    assert (shown.exit_code, told["exit"], told["because"]) == (1, 1, "damage")
    assert told["error"] == "more words were replaced than is usual: nothing is sealed"
    assert {(one["kind"], one["place"]) for one in told["shares"]} == {("person", "prose")}
    assert all(one["changed"] > 0.03 * one["words"] for one in told["shares"])
    assert 1 <= len(told["places"]) <= SAMPLES_MAX
    assert all(
        set(one) == {"kind", "place", "language", "before", "after"} for one in told["places"]
    )
    resumed = json.loads(CliRunner().invoke(program, ["build", "--json"]).stderr)
    assert (resumed["places"], resumed["shares"]) == (told["places"], told["shares"])
    again = CliRunner().invoke(program, ["build"])
    assert again.exit_code == 1 and "  person, prose of `" in again.stderr
    assert "  person in prose of `all`: " in again.stderr


def test_a_name_within_a_word_stops_a_build(house: House) -> None:
    with pytest.raises(DamageError, match="person in within"):
        build(house, "r", "Maria")


def test_a_usual_build_is_sealed_and_says_nothing(house: House) -> None:
    built = build(house, "r", "nobody says this")
    assert built.manifest.deidentification.accepted is msgspec.UNSET and built.manifest.rows
    assert "than is usual" not in card.render(built.manifest)

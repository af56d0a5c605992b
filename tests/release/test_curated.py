"""A curated release: nothing twice, every row with its labels, and the next in order where one that
stayed has died.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing

import pyarrow as pa
import pytest

from licet.config import Configuration, Curate
from licet.curate import engine_settings, release_build
from licet.curate.detect import CachedDetector, DetectedSpan, Detector
from licet.curate.kernels import NameKernel
from licet.curate.names import LOOKED_AT
from licet.curate.pipeline import Pipeline
from licet.curate.plan import CurationPlan, plan
from licet.curate.rules import IdentifierKind
from licet.curate.runners import Local
from licet.curate.splits import PARTS, Shares
from licet.errors import UsageError
from licet.policy.state import TurnRole
from licet.release import card, catalog, reader
from licet.release.build import Builder
from licet.release.build_order import BuildOrder, BuildResult
from licet.release.curation import Curated, Document
from licet.release.live_leases import DatabaseLeases
from licet.release.manifest import ACCOUNTS_MIN, OTHER, LanguageQuality
from licet.train.label_filter import LabelFilter
from licet.train.load import Loading
from licet.vault.content import Content, ToolCall
from licet.vault.installation import Installation, load_policies

from ..curate.documents import Words
from ..installed import House
from .test_build import IMPROVE, Stopped, check_whole


def build(
    house: House,
    name: str = "r",
    *,
    shares: Shares | None = None,
    pipeline: Pipeline | None = None,
    **bounds: int,
) -> BuildResult:
    installation, cleaner = house.installation, release_build.RuleCleaner()
    pipeline = pipeline or Pipeline(
        plan(cleaner, bytes(32), shares=shares or Shares()), Local(), installation.config.data
    )
    order = BuildOrder(
        name=name, purpose=IMPROVE, folder=installation.config.releases / name, software="test"
    )
    with closing(pipeline):
        return Builder(
            installation.pool,
            installation.keyring,
            load_policies(installation),
            cleaner,
            installation.clock,
            curation=pipeline,
            **bounds,
        ).run(order)


def saying_the_same(house: House, *names: str) -> None:
    for name in names:
        house.open(name, allow=True)
        house.talk(
            name, f"{name}1", "what is the tallest tower in the town", "the old mill by the river"
        )


def owners(house: House, release: str) -> list[str]:
    rows = house.query(
        "SELECT r.account_id FROM release_rows r JOIN releases USING (release_id) WHERE "
        "name = %s ORDER BY ordinal",
        release,
    )
    known = {account: name for name, account in house.accounts.items()}
    return [known[account] for (account,) in rows]


@pytest.mark.parametrize("rows_per_part", [1, 2, 10_000])
def test_of_what_several_said_one_row_goes_in_and_the_others_are_counted(
    house: House, rows_per_part: int
) -> None:
    saying_the_same(house, "ana", "bo", "cy")
    house.open("di", allow=True)
    house.talk("di", "d1", "something else", "indeed")
    built = build(house, rows_per_part=rows_per_part)
    check_whole(house, built)
    assert built.manifest.counts.dropped == {"duplicate": 4}
    assert (built.manifest.rows, built.manifest.counts.included) == (2, 4)
    assert len(house.rows("r")) == 2


def test_a_duplicate_of_what_may_not_be_used_takes_its_place(house: House) -> None:
    saying_the_same(house, "ana", "bo", "cy")
    build(house, "first")
    stayed = []
    for release in ("first", "second", "third", "fourth"):
        if release != "first":
            check_whole(house, build(house, release))
        stayed += owners(house, release)
        if stayed[-1:] and release != "fourth":
            house.choose(stayed[-1], False)
    assert sorted(stayed) == ["ana", "bo", "cy"]
    assert house.rows("fourth") == []


def test_what_ends_while_duplicates_are_told_takes_its_rows_out_and_breaks_nothing(
    house: House,
) -> None:
    """The one that stayed ends between the election and the seal: its place is filled by the next
    release.
    """
    saying_the_same(house, "ana", "bo")

    class Ending(Pipeline):
        def lost(self) -> list[int]:
            lost = list(super().lost())
            stayed = [owners(house, "r")[n] for n in range(2) if n not in lost]
            house.choose(stayed[0], False)
            return lost

    built = build(
        house,
        pipeline=Ending(
            plan(release_build.RuleCleaner(), bytes(32)), Local(), house.installation.config.data
        ),
    )
    check_whole(house, built)
    assert built.manifest.rows == 0
    again = build(house, "again")
    check_whole(house, again)
    assert again.manifest.rows == 1


def test_what_ends_while_an_engine_has_it_in_clear_is_not_in_the_release(house: House) -> None:
    """The permission runs out in the middle: decided and unsealed, on its way through the plan, not
    yet a row.
    """
    house.open("ana", allow=True)
    house.talk("ana", "a1", "which tree is the oldest here", "the lime by the gate")
    house.open("bo", allow=True)
    house.talk("bo", "b1", "how deep is the well", "nine metres, or ten")

    class Slow(Local):
        def run(
            self, plan: CurationPlan, batches: Iterable[pa.RecordBatch]
        ) -> Iterator[pa.RecordBatch]:
            for batch in super().run(plan, batches):
                house.choose("ana", False)
                yield batch

    pipeline = Pipeline(
        plan(release_build.RuleCleaner(), bytes(32)), Slow(), house.installation.config.data
    )
    built = build(house, pipeline=pipeline)
    check_whole(house, built)
    assert owners(house, "r") == ["bo"]
    assert built.manifest.counts.dropped == {"withdrawn": 2}


def test_a_row_carries_its_labels_and_the_split_of_its_account(house: House) -> None:
    house.open("ana", allow=True)
    house.talk(
        "ana",
        "a1",
        "Could you tell me how I can make bread at home?",
        "You will need flour and water, and some time.",
    )
    house.passes(1)
    house.talk("ana", "a2", "solve 3 + 4", "suppose x = 3 + 4, therefore x = 7")
    build(house, shares=Shares(test=PARTS, validation=0))
    first, second = catalog.open_release(house.installation, "r")
    assert (first["labels"]["language"], first["labels"]["topic"], first["labels"]["split"]) == (
        "en",
        "other",
        "test",
    )
    assert (second["labels"]["topic"], second["labels"]["split"]) == ("reasoning", "test")
    assert first["labels"]["quality"]["words"] == 20


def test_what_is_of_low_quality_is_left_out_with_its_reason(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1", "buy this now, buy it\n" * 40, "no")
    built = build(house)
    check_whole(house, built)
    assert built.manifest.counts.dropped == {"low_quality": 2}


def test_the_manifest_and_the_card_say_how_often_quality_refused_each_language(
    house: House,
) -> None:
    """A language of a few accounts is not named."""
    german = "Kannst du mir sagen, wie ich das Brot zu Hause backe, wenn es nicht zu lange dauert?"
    for number in range(ACCOUNTS_MIN):
        house.open(f"u{number}", allow=True)
        house.talk(
            f"u{number}",
            f"c{number}",
            f"{german} Ich habe {number} Eier.",
            "Du brauchst Mehl und Wasser, und es dauert.",
        )
    house.talk(
        "u0",
        "again",
        "wie ist das, und was ist das?\n" * 40,
        "Das ist so, und nicht wie du es sagst.",
    )
    house.talk(
        "u1",
        "english",
        "What can I do with the old bread that I have?",
        "You can make it into soup.",
    )
    built = build(house)
    check_whole(house, built)
    assert built.manifest.curation.quality == {
        "de": LanguageQuality(rows=ACCOUNTS_MIN + 1, refused=1),
        OTHER: LanguageQuality(rows=1, refused=0),
    }
    assert f"| `de` | {ACCOUNTS_MIN + 1} | 1 |" in card.render(built.manifest)


def named(house: House, **how: object) -> Pipeline:
    """Curation in which somebody looks for the names of these people."""
    words = Words(("Maria Rossi", IdentifierKind.PERSON, 0.9), ("Hope", IdentifierKind.PERSON, 0.3))
    names = NameKernel(detector=words, **how)
    made = plan(release_build.RuleCleaner(), bytes(32), names=names)
    return Pipeline(
        made,
        Local(),
        house.installation.config.data,
        found_by=engine_settings.describe_name_search(names, house.installation.config.data),
    )


def test_names_are_replaced_another_language_is_left_out_and_the_manifest_and_the_card_say_who_looked(
    house: House,
) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1", "I am Maria Rossi, write to maria@rossi-mail.net", "hello Maria Rossi")
    house.passes(1)
    house.talk("ana", "a2", "my sister is Hope", "I see")
    built = build(house, pipeline=named(house))
    check_whole(house, built)
    assert built.manifest.counts.dropped == {"unread_language": 2}
    asked, answered = house.words("r")
    first, family = answered.removeprefix("hello ").split()
    assert (
        asked.startswith(f"I am {first} {family}, write to ")
        and "aria" not in asked
        and "ossi" not in asked
    )
    made = built.manifest.deidentification
    assert made.counts == {"email": 1, "person": 2}
    assert [(pin.name, len(pin.sha256)) for pin in made.names.detectors] == [("words", 64)]
    assert made.names.kinds == ("person", "address")
    assert made.names.languages == tuple(sorted(LOOKED_AT)) and made.unread == {"xx": 1}
    card = (built.folder / "README.md").read_text("utf-8")
    assert "looked for by `words`" in card and "Conversations left out for that: 1 in `xx`." in card
    assert "has not been measured" in card and "| left out: `unread_language` | 2 |" in card
    again = build(house, "again", pipeline=named(house, may_stay=True))
    assert again.manifest.rows == 2 and "Hope" in " ".join(house.words("again"))


def test_a_release_without_a_detector_says_that_nobody_looked_for_names(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1", "I am Maria Rossi", "hello")
    config = Configuration(data=house.installation.config.data, curate=Curate(names="off"))
    installation = Installation(
        config=config,
        pool=house.installation.pool,
        keyring=house.installation.keyring,
        clock=house.installation.clock,
    )
    built = release_build.build_release(installation, name="r", purpose=IMPROVE)
    assert house.words("r")[0] == "I am Maria Rossi"
    assert not built.manifest.deidentification.names
    assert "Nothing looks for names and street addresses: they are left in." in (
        built.folder / "README.md"
    ).read_text("utf-8")


class Shouting:
    """Scores how much of a text is in capitals."""

    name = "shouting"
    sha256 = "0" * 64

    def scores(self, texts: Sequence[str]) -> Sequence[float]:
        return [sum(map(str.isupper, text)) / max(len(text), 1) for text in texts]


def test_scores_of_a_scorer_that_is_handed_in_come_out_with_the_rows(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1", "hello", "WHAT")
    house.talk("ana", "a2", "hello you", "yes")
    built = release_build.build_release(
        house.installation, name="r", purpose=IMPROVE, scorers=[Shouting()]
    )
    rows = list(catalog.open_release(house.installation, "r"))
    assert sorted(row["labels"]["scores"]["shouting"] for row in rows) == [0.0, 1.0]
    plain = release_build.build_release(house.installation, name="plain", purpose=IMPROVE)
    assert built.manifest.curation.plan != plain.manifest.curation.plan, "the plan says who scored"


def test_tool_calls_and_names_come_back_where_they_were(house: House) -> None:
    house.open("ana", allow=True)
    call = ToolCall(id="c1", name="clock", arguments='{"zone": "Europe/Lisbon"}')
    house.say("ana", "a1", "what time is it")
    house.say("ana", "a1", Content(text="", tool_calls=(call,)), TurnRole.assistant)
    build(house)
    _, asked = house.rows("r")[0]
    assert asked["tool_calls"] == [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "clock", "arguments": '{"zone": "Europe/Lisbon"}'},
        }
    ]


def test_a_release_is_the_same_however_the_build_pages(house: House) -> None:
    saying_the_same(house, *(f"p{n}" for n in range(6)))
    for n in range(6):
        house.talk(f"p{n}", f"other{n}", f"question number {n}", "answer")
    build(house, "whole")
    build(house, "paged", page_bytes_max=1, rows_per_part=1)
    assert owners(house, "whole") == owners(house, "paged")
    assert house.words("whole") == house.words("paged")


def test_the_command_curates_as_configured(house: House) -> None:
    saying_the_same(house, "ana", "bo")
    assert release_build.build_release(
        house.installation, name="r", purpose=IMPROVE
    ).manifest.counts.dropped == {"duplicate": 2}
    installation = house.installation
    elsewhere = Installation(
        config=Configuration(data=installation.config.data, curate=Curate(runner="flink")),
        pool=installation.pool,
        keyring=installation.keyring,
        clock=installation.clock,
    )
    with pytest.raises(UsageError, match="`LICET_CURATE__RUNNER` is `flink`"):
        release_build.build_release(elsewhere, name="s", purpose=IMPROVE)
    assert Configuration.from_environment(
        {"LICET_CURATE__RUNNER": "ray", "LICET_CURATE__RAY_ADDRESS": "head:6379"}
    ).curate == Curate(runner="ray", ray_address="head:6379")


def test_a_split_is_loaded_without_a_row_of_another(house: House) -> None:
    """Every row of every account is in exactly one split, and a loader of one asks no lease for
    another's rows.
    """
    for n in range(40):
        house.open(f"p{n}", allow=True)
        house.talk(f"p{n}", f"a{n}", f"question number {n}", "answer")
        house.talk(f"p{n}", f"b{n}", f"another question number {n}", "answer")
    promised = build(
        house, shares=Shares(test=300_000, validation=300_000), rows_per_part=5
    ).manifest
    splits = promised.curation.splits
    loaded = {split: list(catalog.open_release(house.installation, "r", split)) for split in splits}
    assert (
        {row["labels"]["split"] for split in splits for row in loaded[split]}
        == set(splits)
        > {"train"}
    )
    assert all(row["labels"]["split"] == split for split in splits for row in loaded[split])
    assert sorted(row["ordinal"] for rows in loaded.values() for row in rows) == list(range(80))
    held = {
        split: {owners(house, "r")[row["ordinal"]] for row in rows}
        for split, rows in loaded.items()
    }
    assert sum(map(len, held.values())) == 40, "an account is in one split"
    with pytest.raises(UsageError, match="has no split `tset`"):
        catalog.open_release(house.installation, "r", "tset")


def test_where_opens_no_row_of_a_split_that_it_excludes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(40):
        house.open(f"p{n}", allow=True)
        house.talk(f"p{n}", f"a{n}", f"question number {n}", "answer")
    build(house, shares=Shares(test=300_000, validation=300_000), rows_per_part=5)
    asked: list[int] = []
    leased = DatabaseLeases.lease
    monkeypatch.setattr(
        DatabaseLeases,
        "lease",
        # It notes what was asked for on the way.
        lambda *of: asked.extend(of[3]) or leased(*of),  # type: ignore[func-returns-value]  # `append` returns None
    )

    def loaded(where: str) -> Loading:
        return Loading(
            catalog.open_release(house.installation, "r", "", LabelFilter(where)), ExitStack()
        )

    rows = loaded("split = 'test' and words > 2")
    found = list(rows)
    assert found and all(row["labels"]["split"] == "test" for row in found)
    assert asked == [row["ordinal"] for row in found], "and no lease is asked for another's rows"
    assert rows.complete and rows.passed_over == 0
    nothing = loaded("split = 'none'")
    assert list(nothing) == [] and nothing.complete


def test_where_opens_the_messages_of_the_rows_that_match_and_of_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(12):
        house.open(f"p{n}", allow=True)
        house.talk(f"p{n}", f"a{n}", " ".join(["question"] * (n + 3)), "answer")
    build(house)
    opened, labelled = list[bytes](), list[bytes]()
    content, labels = reader.open_row, reader.open_labels
    monkeypatch.setattr(
        reader, "open_row", lambda *of, **how: opened.append(of[3]) or content(*of, **how)
    )
    monkeypatch.setattr(reader, "open_labels", lambda *of: labelled.append(of[3]) or labels(*of))  # type: ignore[func-returns-value]  # `append` returns None
    rows = Loading(
        catalog.open_release(house.installation, "r", "", LabelFilter("words > 10")), ExitStack()
    )
    found = list(rows)
    assert 0 < len(found) < 12
    assert [one.hex() for one in opened] == [row["row_id"] for row in found]
    assert len(labelled) == 12
    assert (rows.yielded, rows.passed_over, rows.complete) == (len(found), 12 - len(found), True)
    labelled.clear()
    bare = list(catalog.open_release(house.installation, "r", labels=False))
    assert len(bare) == 12 and not labelled
    assert not any("labels" in row for row in bare)


# Names, after duplicates


class Reading:
    """Finds these words as names; counts the texts that it reads."""

    name = "words"

    def __init__(self, doubtful: str = "") -> None:
        self.sha256 = os.urandom(32).hex()  # `CachedDetector` remembers by it
        self.read: list[str] = []
        self._doubtful = doubtful

    def detect(
        self, texts: Sequence[str], kinds: Sequence[IdentifierKind]
    ) -> list[list[DetectedSpan]]:
        self.read += texts
        return [[] for _ in texts]

    def unread_language(self, text: str) -> str:
        return "xx" if self._doubtful and self._doubtful in text else ""


class Unsurveyed(Pipeline):
    """Reads all for names, and elects at the end."""

    def survey(self) -> None:
        return None


def reading(house: House, detector: Detector, kind: type[Pipeline] = Pipeline) -> Pipeline:
    made = plan(release_build.RuleCleaner(), bytes(32), names=NameKernel(detector=detector))
    return kind(made, Local(), house.installation.config.data)


ALIKE = (
    "the ferry leaves from the third quay at six in the morning and comes back at ten in the "
    "evening, but on sundays "
    "it stays where it is and nobody can say why it does so, not even the {}th man who keeps the "
    "keys of the house"
)


def alike(house: House, *names: str) -> None:
    for number, name in enumerate(names):
        house.open(name, allow=True)
        house.talk(name, f"{name}1", ALIKE.format(number), "so it is")
        house.talk(name, f"{name}2", f"what only {name} asks", f"what is answered to {name}")


def test_what_loses_is_not_read_for_names_and_the_release_is_the_same(house: House) -> None:
    alike(house, "ana", "bo", "cy", "di", "eva")
    everything, once = Reading(), Reading()
    without = build(house, "without", pipeline=reading(house, everything, Unsurveyed))
    with_survey = build(
        house,
        "with",
        pipeline=reading(house, CachedDetector(once)),
        page_bytes_max=1,
        rows_per_part=2,
    )
    check_whole(house, with_survey)
    assert owners(house, "without") == owners(house, "with")
    assert house.words("without") == house.words("with")
    assert without.manifest.counts == with_survey.manifest.counts
    assert with_survey.manifest.counts.dropped == {"duplicate": 8}
    assert sorted(once.read) == sorted(set(house.words("with"))), (
        "each text of what was kept, once, and no other"
    )
    assert len({text for text in everything.read if text.startswith("the ferry")}) == 5


def test_where_the_one_that_would_stay_is_doubtful_the_next_in_order_is_read(house: House) -> None:
    """What loses to nobody who stays does not lose: the survey asks about those whom others lose
    to.
    """
    alike(house, "ana", "bo", "cy")
    first = build(house, "first", pipeline=reading(house, Reading(), Unsurveyed))
    (winner,) = (text for text in house.words("first") if text.startswith("the ferry"))
    doubtful = winner[-60:]
    without = build(house, "without", pipeline=reading(house, Reading(doubtful), Unsurveyed))
    once = Reading(doubtful)
    with_survey = build(house, "with", pipeline=reading(house, CachedDetector(once)))
    check_whole(house, with_survey)
    assert house.words("without") == house.words("with") != house.words("first")
    assert without.manifest.counts == with_survey.manifest.counts
    assert with_survey.manifest.counts.dropped == {"unread_language": 2, "duplicate": 2}
    assert first.manifest.rows == with_survey.manifest.rows
    assert len([text for text in once.read if text.startswith("the ferry")]) == 2, (
        "the doubtful one and the next"
    )


def test_what_stays_by_the_survey_and_ends_before_its_page_leaves_no_row_of_nobody(
    house: House,
) -> None:
    """Its duplicates come with the next release, as where it ends after the election."""
    alike(house, "ana", "bo")
    build(house, "first")
    (winner,) = (text for text in house.words("first") if text.startswith("the ferry"))
    who = "ana" if winner == ALIKE.format(0) else "bo"

    class Ending(Pipeline):
        def curate(self, documents: Sequence[Document]) -> Sequence[Curated]:
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 2:  # the first is the survey's
                house.choose(who, False)
            return super().curate(documents)

    built = build(house, "r", pipeline=reading(house, CachedDetector(Reading()), Ending))
    check_whole(house, built)
    assert built.manifest.rows == 1
    build(house, "again", pipeline=reading(house, CachedDetector(Reading())))
    assert len(house.rows("again")) == 2


def test_a_build_with_names_that_was_killed_surveys_anew_what_is_left(house: House) -> None:
    alike(house, "ana", "bo", "cy", "di", "eva")
    detector = CachedDetector(Reading())
    whole = build(
        house, "whole", pipeline=reading(house, detector), page_bytes_max=1, rows_per_part=1
    )
    for nth in range(1, 9):

        class Killed(Pipeline):
            left = nth + 1

            def curate(self, documents: Sequence[Document]) -> Sequence[Curated]:
                Killed.left -= 1
                if Killed.left == 0:
                    raise Stopped
                return super().curate(documents)

        with pytest.raises(Stopped):
            build(
                house,
                f"r{nth}",
                pipeline=reading(house, detector, Killed),
                page_bytes_max=1,
                rows_per_part=1,
            )
        built = build(
            house, f"r{nth}", pipeline=reading(house, detector), page_bytes_max=1, rows_per_part=1
        )
        check_whole(house, built)
        assert built.manifest.counts == whole.manifest.counts
        assert house.words(f"r{nth}") == house.words("whole")
        assert nth < 4 or built.resumed_from

"""The misuse classifier's commands: it is trained on what is flagged and allowed, forgets exactly,
and decides nothing.
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.installed import House

from licet import doctor
from licet.cli.command import main
from licet.curate import release_build, splits
from licet.erasure import sweeper
from licet.errors import DeniedError, RefusedError, UsageError
from licet.misuse import classifier, detector, models, operating_points, screener, suggestions
from licet.misuse.models import MisuseScorer
from licet.policy.decide import SAFETY
from licet.policy.period import rfc3339
from licet.release import catalog, signatures
from licet.store.connect import Pool, transaction
from licet.train import lineage
from licet.vault import commands as do
from licet.vault.ids import Prefix, format_id, uuid7
from licet.vault.installation import Installation

from .test_classifier import EXAMPLES, WORDS, example

PEOPLE = 24
SCAM = "click here to win {} number {}, send your card and the code to claim it before midnight"
CHAT = "how do I bake {} bread number {}, my grandmother says the dough must rest until noon"


class Town(House):
    """People of whom every other one is flagged; a privacy officer, a reviewer and a curator."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        super().__init__(pool, folder)
        with transaction(pool) as tx:
            for name, role in (
                ("dana", "privacy_officer"),
                ("rae", "reviewer"),
                ("cora", "curator"),
            ):
                tx.execute(
                    "INSERT INTO staff (staff_id, email, roles, made_at) VALUES (%s, %s, %s, %s)",
                    [
                        uuid7(self.now, self.installation.keyring.random(10)),
                        f"{name}@example.org",
                        [role],
                        self.now,
                    ],
                )
        for n in range(PEOPLE):
            self.passes(0.001)
            self.speaks(n)
        self.passes(1)

    def open(
        self, name: str, *, plan: str = "pro", age: int | None = 30, allow: bool | None = None
    ) -> UUID:
        """Somebody who is not among those that no model learns from, whom the account's id alone
        draws.
        """
        account = uuid7(self.now, self.installation.keyring.random(10))
        while splits.assign_split(account.bytes, splits.Shares()) is not splits.Split.train:
            account = uuid7(self.now, self.installation.keyring.random(10))
        self.accounts[name] = account
        self.tell(
            do.OpenAccount(
                account=account, at=self.now, host=self.host("account", name), plan=plan, age=age
            )
        )
        if allow is not None:
            self.choose(name, allow)
        return account

    def speaks(self, n: int) -> None:
        name, form = f"p{n}", SCAM if n % 2 else CHAT
        self.open(name, allow=True)
        self.talk(
            name,
            f"{name}-a",
            form.format(WORDS[n % len(WORDS)], n),
            f"I say this about number {n}.",
        )
        if n % 2:
            self.about(do.Flag, name, f"{name}-a")

    def named(self, chat: str) -> str:
        return format_id(Prefix.conversation, self.chats[chat])

    def member(self, name: str) -> signatures.StaffMember:
        return signatures.find_member(self.installation, f"{name}@example.org")


@pytest.fixture
def town(pool: Pool, tmp_path: Path) -> Town:
    return Town(pool, tmp_path / "data")


@pytest.fixture
def typed(town: Town, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Types a command at the town's moment."""
    monkeypatch.setenv("LICET_DATABASE_URL", dsn)
    data = town.installation.config.data

    def run(*words: object, code: int = 0) -> Result:
        (data / "simulated-clock.json").write_text(json.dumps({"now": rfc3339(town.now)}))
        ran = CliRunner().invoke(
            main, [*map(str, words), "--data", str(data)], catch_exceptions=False
        )
        assert ran.exit_code == code, (ran.stdout, ran.stderr)
        return ran

    yield run


def files(folder: Path) -> tuple[bytes, bytes]:
    return (folder / classifier.MODEL_FILE).read_bytes(), (
        folder / classifier.WEIGHTS_FILE
    ).read_bytes()


def test_retrained_by_its_command_a_model_is_to_the_byte_the_one_that_never_had_what_was_withdrawn(
    town: Town, typed: Any, tmp_path: Path
) -> None:
    typed("release", "build", "october", "--purpose", SAFETY)
    model = tmp_path / "misuse"
    first = json.loads(typed("train", "safety", "october", "--out", model, "--json").stdout)
    assert (first["examples"], first["misuse"]) == (PEOPLE, PEOPLE // 2)
    before = files(model)
    assert "to forget" not in typed("status").stdout

    town.choose("p4", False)
    town.about(do.Delete, "p6", "p6-a")
    town.passes(0.01)
    assert "to forget  misuse: 2 of 24 rows" in typed("status").stdout
    warned = [one for one in doctor.examine(town.installation) if one.what == "classifier"]
    assert [one.state for one in warned] == [doctor.FindingState.warning]

    would = json.loads(
        typed("train", "safety", "--again", "--out", model, "--dry-run", "--json").stdout
    )
    assert (would["retired"], would["releases"], would["withdrawn"]) == (
        first["models"],
        ["october"],
        2,
    )
    assert files(model) == before, "a dry run trains and deletes nothing"
    assert (
        "--dry-run goes with --again"
        in typed("train", "safety", "october", "--out", model, "--dry-run", code=64).stderr
    )
    again = json.loads(typed("train", "safety", "--again", "--out", model, "--json").stdout)
    assert again["examples"] == PEOPLE - 2
    assert again["retired"] == first["models"]
    assert "to forget" not in typed("status").stdout
    typed("release", "build", "later", "--purpose", SAFETY)
    typed("train", "safety", "later", "--out", tmp_path / "never")
    assert files(model) == files(tmp_path / "never") != before
    assert [path.name for path in tmp_path.glob("misuse*")] == ["misuse"]


def test_a_model_of_several_releases_has_papers_of_each_that_hold_and_learns_nothing_twice(
    town: Town, typed: Any, tmp_path: Path
) -> None:
    release_build.build_release(town.installation, name="one", purpose=SAFETY)
    for n in range(PEOPLE, PEOPLE + 4):
        town.speaks(n)
    town.passes(1)
    town.about(do.Delete, "p0", "p0-a")
    release_build.build_release(town.installation, name="two", purpose=SAFETY)
    newest = models.train(town.installation, ["one", "two"], tmp_path / "newest")
    assert (newest.examples, newest.releases) == (PEOPLE + 3, ("two",))

    made = models.train(town.installation, ["two", "one"], tmp_path / "both")
    assert (made.examples, made.releases) == (PEOPLE + 3, ("two", "one"))
    assert files(tmp_path / "both") == files(tmp_path / "newest")
    for chat in ("p2-a", f"p{PEOPLE}-a"):
        assert [
            one.rows
            for one in lineage.which_models(town.installation, town.named(chat))
            if one.name == "both"
        ] == [1]
    assert lineage.which_models(town.installation, town.named("p0-a")) == []
    keys = [typed("train", "gate-key").stdout.strip(), typed("models", "key").stdout.strip()]
    for folder in ("newest", "both/from-one", "both/from-two"):
        said = CliRunner().invoke(
            main, ["verify", str(tmp_path / folder), "--key", keys[0], "--key", keys[1]]
        )
        assert (said.exit_code, said.output.partition(":")[0]) == (4, "consistent"), said.output
    town.choose(f"p{PEOPLE}", False)
    again = models.train(town.installation, [], tmp_path / "both", again=True)
    assert (again.examples, again.releases, len(again.retired)) == (PEOPLE + 2, ("two", "one"), 2)


def test_a_row_that_is_withdrawn_once_it_was_read_is_not_learnt_from(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_build.build_release(town.installation, name="r", purpose=SAFETY)
    read = models._rows

    def then_withdraws(installation: Installation, name: str) -> Any:
        found = read(installation, name)
        town.choose("p2", False)
        return found

    monkeypatch.setattr(models, "_rows", then_withdraws)
    made = models.train(town.installation, ["r"], tmp_path / "m")
    assert made.examples == PEOPLE - 1
    assert lineage.which_models(town.installation, town.named("p2-a")) == []


def test_a_model_says_how_well_it_does_by_slice(town: Town, tmp_path: Path) -> None:
    release_build.build_release(town.installation, name="r", purpose=SAFETY)
    models.train(town.installation, ["r"], tmp_path / "m")
    card = (tmp_path / "m" / "README.md").read_text()
    assert f"{PEOPLE} conversations, {PEOPLE // 2} of them flagged" in " ".join(card.split())
    assert "| en other |" in card
    assert f"| app | {PEOPLE} | {PEOPLE // 2} |" in card
    assert "| 1.0% |" in card


def test_what_is_not_for_it_is_refused_and_an_old_model_stays_where_it_is(
    town: Town, tmp_path: Path
) -> None:
    release_build.build_release(town.installation, name="r", purpose="improve_models")
    with pytest.raises(RefusedError, match="is for `improve_models`"):
        models.train(town.installation, ["r"], tmp_path / "m")
    with pytest.raises(UsageError, match="contains no classifier"):
        models.train(town.installation, [], tmp_path / "m", again=True)
    release_build.build_release(town.installation, name="s", purpose=SAFETY)
    (tmp_path / "m").mkdir()  # an empty folder is no model
    models.train(town.installation, ["s"], tmp_path / "m")
    before = files(tmp_path / "m")
    with pytest.raises(UsageError, match="already exists"):
        models.train(town.installation, ["s"], tmp_path / "m")
    for n in range(1, PEOPLE, 2):
        town.about(do.Unflag, f"p{n}", f"p{n}-a")
        town.choose(f"p{n}", False)
    with pytest.raises(UsageError, match="`0` examples of misuse"):
        models.train(town.installation, [], tmp_path / "m", again=True)
    assert files(tmp_path / "m") == before


# On the way in


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    like_the_town = [example(SCAM.format(word, n), True) for n, word in enumerate(WORDS)]
    like_the_town += [example(CHAT.format(word, n), False) for n, word in enumerate(WORDS)]
    classifier.train([*EXAMPLES, *like_the_town]).save(folder)
    return folder


@pytest.fixture
def unset(saved: Path, tmp_path: Path) -> Path:
    """A model without operating points."""
    return shutil.copytree(saved, tmp_path / "misuse")


@pytest.fixture
def model(unset: Path, town: Town) -> Path:
    """A model with a point for the surface of the town."""
    card = classifier.load_card(unset)
    operating_points.add_points(
        operating_points.points_beside(unset), card.weights, [point(town, card.points[3].threshold)]
    )
    return unset


def point(town: Town, threshold: float, domain: str = "app") -> operating_points.OperatingPoint:
    return operating_points.OperatingPoint(
        domain=domain,
        alarms=0.05,
        threshold=threshold,
        conversations=100,
        above=0,
        bound=0.03,
        confidence=0.95,
        set_at=town.now,
    )


def suggested(
    town: Town, model: Path, by: str = "dana", ticket: str = "SAFE-1", **more: Any
) -> screener.ScreeningResult:
    opened, points = (
        detector.open_detector(str(model)),
        models.points_file(town.installation, str(model)),
    )
    return screener.suggest(town.installation, opened, points, town.member(by), ticket, **more)


def test_a_model_suggests_a_person_decides_and_all_of_it_is_on_record(
    town: Town, typed: Any, model: Path
) -> None:
    town.open("eve", allow=False)
    town.talk("eve", "scam", SCAM.format("a bank", 1))
    town.talk("eve", "bread", CHAT.format("rye", 1))
    words = ["flag", "--suggest", model, "--by", "dana@example.org", "--ticket", "SAFE-1", "--json"]
    screened = json.loads(typed(*words).stdout)
    assert screened["read"] == PEOPLE // 2 + 2  # what is flagged already is not read again
    assert [one["conversation"] for one in screened["suggested"]] == [town.named("scam")]
    readings = town.query(
        "SELECT reason, ticket, turns FROM staff_reads WHERE conversation_id = %s",
        town.chats["bread"],
    )
    # not what the assistant said
    assert [tuple(row) for row in readings] == [("misuse_review", "SAFE-1", 1)]
    assert (
        town.query("SELECT count(*) FROM flags WHERE conversation_id = %s", town.chats["scam"])[0][
            0
        ]
        == 0
    )
    assert json.loads(typed(*words).stdout)["read"] == 0

    assert town.named("scam") in typed("flag").stdout
    done = json.loads(typed("flag", town.named("scam"), "--by", "rae@example.org", "--json").stdout)
    assert (done["decision"], done["decided_by"]) == ("flagged", "rae@example.org")
    flags = town.query(
        "SELECT round(score::numeric, 3) FROM flags WHERE conversation_id = %s", town.chats["scam"]
    )
    assert float(flags[0][0]) == pytest.approx(done["score"], abs=1e-3)
    assert "nothing waits" in typed("flag").stdout
    kept = suggestions.get_suggestion(town.installation, town.named("scam"))
    assert (kept.decision, kept.decided_by) == ("flagged", "rae@example.org")
    assert (
        typed("flag", town.named("scam"), "--by", "rae@example.org", "--overturn")
        .stdout.strip()
        .endswith("overturned by rae@example.org")
    )
    unasked = suggestions.decide(town.installation, town.named("bread"), town.member("rae"))
    assert (unasked.decision, unasked.score) == ("flagged", None), (
        "what no model suggested is flagged too"
    )


def test_a_suggestion_that_is_dismissed_comes_back_only_with_more_that_was_said(
    town: Town, model: Path
) -> None:
    town.open("eve", allow=False)
    town.talk("eve", "scam", SCAM.format("a bank", 1))
    suggested(town, model)
    suggestions.decide(
        town.installation, town.named("scam"), town.member("rae"), dismiss=True, only_open=True
    )
    assert suggestions.list_undecided(town.installation) == []
    with pytest.raises(RefusedError, match="dismissed already, by rae"):
        suggestions.decide(
            town.installation, town.named("scam"), town.member("rae"), only_open=True
        )
    assert suggested(town, model, ticket="SAFE-2").suggested == ()
    town.passes(1)
    town.say("eve", "scam", SCAM.format("prizes", 2))
    assert [one.conversation for one in suggested(town, model, ticket="SAFE-2").suggested] == [
        town.named("scam")
    ]


def test_nobody_else_reads_and_what_no_one_may_read_is_not_read(town: Town, model: Path) -> None:
    for name in ("rae", "cora"):
        with pytest.raises(DeniedError, match="may not read"):
            suggested(town, model, by=name)
    with pytest.raises(DeniedError, match="may not decide"):
        suggestions.decide(town.installation, town.named("p0-a"), town.member("cora"))
    with pytest.raises(UsageError, match="`--ticket`"):
        suggested(town, model, ticket="two words")
    town.open("eve", allow=True)
    town.say("eve", "incognito", SCAM.format("a bank", 1), incognito=True)
    town.talk("eve", "deleted", SCAM.format("a bank", 2))
    town.about(do.Delete, "eve", "deleted")
    town.open("gone", allow=True)
    town.talk("gone", "closed", SCAM.format("a bank", 3))
    town.account(do.CloseAccount, "gone")
    assert suggested(town, model).suggested == ()
    read = {row[0] for row in town.query("SELECT conversation_id FROM staff_reads")}
    assert not read & {town.chats[chat] for chat in ("incognito", "deleted", "closed")}


def test_a_suggestion_holds_no_word_and_is_gone_with_its_conversation(
    town: Town, model: Path
) -> None:
    town.open("eve", allow=False)
    town.talk("eve", "scam", SCAM.format("grandmother", 1))
    town.talk("eve", "other", SCAM.format("a bank", 2))
    assert len(suggested(town, model).suggested) == 2
    assert not [row for row in town.dump()["suggestions"] if "grandmother" in row]
    town.about(do.Delete, "eve", "scam")
    assert [one.conversation for one in suggestions.list_undecided(town.installation)] == [
        town.named("other")
    ]
    town.passes(31)
    sweeper.sweep(town.installation)
    assert town.query("SELECT count(*) FROM suggestions")[0][0] == 0


def test_a_domain_with_too_little_traffic_is_not_even_read(
    town: Town, typed: Any, unset: Path
) -> None:
    words = ["flag", "--suggest", unset, "--by", "dana@example.org", "--ticket", "SAFE-1"]
    screened = json.loads(typed(*words, "--json").stdout)
    (domain,) = screened["domains"]
    assert (domain["domain"], domain["waiting"], domain["read"], domain["point"]) == (
        "app",
        PEOPLE // 2,
        0,
        None,
    )
    assert (screened["read"], screened["suggested"], screened["more"]) == (0, [], False)
    assert town.query("SELECT count(*) FROM staff_reads")[0][0] == 0
    assert (
        "too few within --limit to set an operating point: none is suggested"
        in typed(*words).stdout
    )
    assert not operating_points.points_beside(unset).exists()


def test_a_point_is_set_from_unlabelled_conversations_and_holds_its_share(
    town: Town, unset: Path
) -> None:
    town.open("eve", allow=False)
    for n in range(operating_points.conversations_min(0.05)):
        town.talk(
            "eve", f"chat{n}", (SCAM if n % 10 == 0 else CHAT).format(WORDS[n % len(WORDS)], n)
        )
    weights = classifier.load_card(unset).weights
    (short,) = suggested(town, unset, limit=20).domains
    assert (short.read, short.point) == (0, None), "a limit below the fewest sets no point"
    (first,) = suggested(town, unset).domains
    assert first.point is not None and first.read == first.point.conversations == 59 + PEOPLE // 2
    assert operating_points.alarm_bound(first.point.above, first.read) == first.point.bound <= 0.05
    assert first.suggested <= first.point.above
    assert operating_points.read_points(
        operating_points.points_beside(unset), weights, 0.05, town.now
    ) == {"app": first.point}
    assert (
        operating_points.read_points(operating_points.points_beside(unset), weights, 0.01, town.now)
        == {}
    )
    assert (
        operating_points.read_points(
            operating_points.points_beside(unset), "another model", 0.05, town.now
        )
        == {}
    )
    town.passes(1)
    town.talk("eve", "one more", CHAT.format("tea", 1))
    (again,) = suggested(town, unset).domains
    assert (again.read, again.point) == (1, first.point)
    later = first.point.set_at + timedelta(days=operating_points.DAYS)
    assert (
        operating_points.read_points(operating_points.points_beside(unset), weights, 0.05, later)
        == {}
    ), "what is written changes: it is set anew"


def test_what_is_unlike_all_that_was_learnt_gets_no_suggestion(
    town: Town, typed: Any, model: Path
) -> None:
    town.open("eve", allow=False)
    town.talk(
        "eve", "strange", "Ξένη γλώσσα, ποτέ δεν την έμαθε το μοντέλο, και όμως ζητάει χρήματα"
    )
    words = ["flag", "--suggest", model, "--by", "dana@example.org", "--ticket", "SAFE-1"]
    screened = json.loads(typed(*words, "--json").stdout)
    assert screened["abstained"] == screened["domains"][0]["abstained"] >= 1
    assert town.named("strange") not in {one["conversation"] for one in screened["suggested"]}


def test_retraining_deletes_the_operating_points_of_the_old_model(
    town: Town, tmp_path: Path
) -> None:
    release_build.build_release(town.installation, name="r", purpose=SAFETY)
    out = tmp_path / "m"
    models.train(town.installation, ["r"], out)
    operating_points.add_points(
        operating_points.points_beside(out), classifier.load_card(out).weights, [point(town, 0.5)]
    )
    town.choose("p4", False)
    models.train(town.installation, [], out, again=True)
    assert not operating_points.points_beside(out).exists()


def test_each_surface_is_a_domain_with_figures_of_its_own(
    town: Town, typed: Any, tmp_path: Path
) -> None:
    for n in range(PEOPLE, 2 * PEOPLE):
        name, form = f"p{n}", SCAM if n % 2 else CHAT
        town.open(name, allow=True)
        town.talk(name, f"{name}-a", form.format(WORDS[n % len(WORDS)], n), surface="cli")
        if n % 2:
            town.about(do.Flag, name, f"{name}-a")
    town.passes(1)
    release_build.build_release(town.installation, name="r", purpose=SAFETY)
    made = json.loads(typed("train", "safety", "r", "--out", tmp_path / "m", "--json").stdout)
    assert [(one["slice"], one["examples"], one["is_learnt"]) for one in made["domains"]] == [
        ("app", PEOPLE, True),
        ("cli", PEOPLE, True),
    ]
    assert made["ordinary"]["prompts"] >= 100
    card = (tmp_path / "m" / "README.md").read_text()
    assert f"Of {made['ordinary']['prompts']} such prompts, none of which was trained on" in card
    assert "more unknown n-grams than all but 5% of what it learnt" in card
    assert "| surface |" in card and f"| cli | {PEOPLE} | {PEOPLE // 2} |" in card


def test_on_a_surface_that_was_not_learnt_the_model_abstains_and_its_command_says_so(
    town: Town, typed: Any, model: Path
) -> None:
    town.open("eve", allow=False)
    for n in range(operating_points.conversations_min(0.05)):
        town.talk("eve", f"chat{n}", SCAM.format(WORDS[n % len(WORDS)], n), surface="cli")
    screened = suggested(town, model)
    (cli,) = [one for one in screened.domains if one.domain == "cli"]
    assert (cli.read, cli.abstained, cli.suggested) == (59, 59, 0)
    card = classifier.load_card(model)
    assert [one.slice for one in card.domains] == ["app"]


def test_a_model_of_ones_own_suggests_and_its_points_stand_in_the_data_directory(
    town: Town, typed: Any
) -> None:
    own = "tests.misuse.test_classifier:Shouting"
    town.open("eve", allow=False)
    for n in range(operating_points.conversations_min(0.05)):
        town.talk("eve", f"chat{n}", CHAT.format(WORDS[n % len(WORDS)], n))
    words = ["flag", "--suggest", own, "--by", "dana@example.org", "--ticket", "SAFE-1", "--json"]
    assert json.loads(typed(*words).stdout)["suggested"] == []
    town.passes(1)
    town.talk("eve", "loud", "SEND ME YOUR CARD AT ONCE")
    screened = json.loads(typed(*words).stdout)
    assert [one["conversation"] for one in screened["suggested"]] == [town.named("loud")]
    assert (
        models.points_file(town.installation, own).parent
        == town.installation.config.data / "misuse"
    )
    assert models.points_file(town.installation, own).is_file()


# On the way out


def test_a_release_is_scored_as_it_is_built(town: Town, typed: Any, model: Path) -> None:
    for n in range(1, PEOPLE, 2):
        town.about(do.Unflag, f"p{n}", f"p{n}-a")
        town.say(f"p{n}", f"p{n}-a", f"and thank you for number {n}")
    typed("release", "build", "scored", "--purpose", "improve_models", "--misuse", model)
    rows = list(catalog.open_release(town.installation, "scored"))
    scores = {
        row["messages"][0]["content"].startswith("click"): row["labels"]["scores"]["misuse"]
        for row in rows
    }
    assert scores[True] > 0.5 > scores[False]


def test_a_text_scores_the_same_in_any_company_and_in_any_process(tmp_path: Path) -> None:
    classifier.train(EXAMPLES).save(tmp_path)
    scorer = MisuseScorer(str(tmp_path))
    texts = [one.text for one in EXAMPLES]
    whole = scorer.scores(texts)
    assert [scorer.scores([text])[0] for text in texts] == whole
    again = pickle.loads(pickle.dumps(scorer))
    assert again.sha256 == scorer.sha256
    assert np.array_equal(again.scores(texts[::-1])[::-1], whole)


def test_a_scorer_that_was_sent_to_another_process_reads_the_model_that_it_was_made_with(
    model: Path,
) -> None:
    sent = pickle.dumps(MisuseScorer(str(model)))
    assert pickle.loads(sent).scores(["how do I bake rye bread"]) == MisuseScorer(
        str(model)
    ).scores(["how do I bake rye bread"])
    replaced = pickle.loads(sent)
    replaced.sha256 = "0" * 64
    with pytest.raises(RefusedError, match="has changed meanwhile"):
        replaced.scores(["how do I bake rye bread"])

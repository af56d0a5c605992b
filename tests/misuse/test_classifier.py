"""The misuse classifier: what it promises of training, forgetting, scoring, and its files."""

import csv
import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from licet.errors import BrokenError, UsageError
from licet.misuse import classifier, operating_points
from licet.misuse.classifier import (
    DOMAIN_WEIGHT_MAX,
    FOLDS,
    MODEL_FILE,
    WEIGHTS_FILE,
    LabelledExample,
    Model,
    balance_domains,
    figures,
    load,
    train,
)
from licet.misuse.detector import MisuseDetector, is_imported, open_detector

DATA = Path(os.environ.get("TESTS_DATA") or Path(__file__).parents[3] / "shared" / "data")

HARMLESS = (
    "how do I bake {} bread",
    "explain {} to me",
    "a poem about {}",
    "why is {} slow",
    "plan a trip to {}",
)
HARMFUL = (
    "click here to win {} now, send your card",
    "write a message that tricks {} out of money",
    "ignore {} rules",
)
WORDS = (
    "rye",
    "tensors",
    "rivers",
    "the query",
    "Lisbon",
    "grandmother",
    "all",
    "prizes",
    "a bank",
    "wool",
    "tea",
    "42",
)


def example(text: str, misuse: bool, slice_: str = "") -> LabelledExample:
    key = sha256(text.encode()).digest()[:16]
    return LabelledExample(id=key, text=text, misuse=misuse, slice=slice_, domain="app")


EXAMPLES = [example(form.format(word), False, "chat") for form in HARMLESS for word in WORDS]
EXAMPLES += [example(form.format(word), True, "scam") for form in HARMFUL for word in WORDS]


@pytest.fixture(scope="module")
def model() -> Model:
    return train(EXAMPLES)


def files(model: Model, folder: Path) -> tuple[bytes, bytes]:
    model.save(folder)
    return (folder / MODEL_FILE).read_bytes(), (folder / WEIGHTS_FILE).read_bytes()


def test_a_model_retrained_without_somebody_is_the_model_that_never_had_them(
    model: Model, tmp_path: Path
) -> None:
    gone = {one.id for one in random.Random(5).sample(EXAMPLES, 7)}
    kept = [one for one in EXAMPLES if one.id not in gone]
    never_had = train(random.Random(6).sample(kept, len(kept)))
    assert files(train(kept), tmp_path / "a") == files(never_had, tmp_path / "b")
    assert files(train(kept), tmp_path / "a") != files(model, tmp_path / "c")


def test_a_model_read_from_its_files_says_what_it_said_before(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = load(tmp_path)
    texts = ["you have won a prize, send your card now", "how do I bake rye bread"]
    assert (again.score(texts) == model.score(texts)).all()
    np.testing.assert_array_equal(again.judge(texts, "app"), model.judge(texts, "app"))


def test_it_tells_misuse_from_the_harmless(model: Model) -> None:
    scam, bread = model.score(
        ["click here to win a car now, send your card", "explain bread to me"]
    )
    assert scam > 0.5 > bread


def test_an_operating_point_accuses_no_more_of_the_harmless_than_it_says(model: Model) -> None:
    shares = (0.001, 0.005, 0.01, 0.05)
    assert [
        point.false_alarms <= share for point, share in zip(model.card.points, shares, strict=True)
    ] == [True] * 4
    assert [p.threshold for p in model.card.points] == sorted(
        (p.threshold for p in model.card.points), reverse=True
    )


def test_a_model_file_holds_no_word_of_anybody(model: Model, tmp_path: Path) -> None:
    for content in files(model, tmp_path):
        assert not [word for word in WORDS if len(word) > 3 and word.encode() in content]


def test_figures_are_told_by_slice(model: Model) -> None:
    told = figures(model.score([one.text for one in EXAMPLES]), EXAMPLES, 0.5)
    assert [(one.slice, one.examples, one.misuse) for one in told] == [
        ("all", len(EXAMPLES), 36),
        ("chat", 60, 0),
        ("scam", 36, 36),
    ]
    assert told[0].auprc is not None and told[0].auprc > 0.9
    assert told[1].auprc is None and told[1].found is None and told[2].false_alarms is None


def test_too_few_examples_train_nothing() -> None:
    with pytest.raises(UsageError, match="`2` examples of misuse"):
        train(
            [one for one in EXAMPLES if not one.misuse]
            + [one for one in EXAMPLES if one.misuse][:2]
        )


def test_ten_examples_of_misuse_are_enough() -> None:
    misuse = [one for one in EXAMPLES if one.misuse][:10]
    trained = train([one for one in EXAMPLES if not one.misuse] + misuse)
    assert trained.card.format


def test_damaged_weights_are_refused(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path)
    whole = (tmp_path / WEIGHTS_FILE).read_bytes()
    (tmp_path / WEIGHTS_FILE).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BrokenError, match="do not match its card"):
        load(tmp_path)
    with pytest.raises(UsageError, match="contains no classifier"):
        load(tmp_path / "nowhere")


def test_an_example_shows_no_text() -> None:
    assert "bread" not in repr(EXAMPLES[0])


def test_scam_messages_are_found() -> None:
    """1,500 of the SMS Spam Collection, each text once; 5-fold figures over all of it are the
    bench's.
    """
    file = DATA / "sms-spam" / "data__SMSSpamCollection"
    if not file.exists():
        pytest.skip(f"the test data are not at {DATA}: set TESTS_DATA")
    lines = csv.reader(file.open(encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE)
    all_ = sorted(
        {text: example(text, kind == "spam") for kind, text in lines}.values(),
        key=lambda one: one.id,
    )
    training, test = all_[:1500], all_[1500:3000]
    told = figures(train(training).score([one.text for one in test]), test, 0.5)[0]
    assert told.auprc is not None and told.auprc > 0.95


# Several domains


def of_domain(domain: str, harmless: str, harmful: str, most: int) -> list[LabelledExample]:
    made = []
    for n in range(most):
        for form, misuse in ((harmless, False), (harmful, True)):
            text = form.format(WORDS[n % len(WORDS)], n)
            key = sha256(f"{domain} {text}".encode()).digest()[:16]
            made.append(LabelledExample(id=key, text=text, misuse=misuse, domain=domain))
    return made


DOMAINS = [
    *of_domain(
        "mail",
        "dear all, the minutes about {} of meeting {}",
        "dear all, send the password for {} to me, number {}",
        40,
    ),
    *of_domain(
        "chat", "how do I bake {} bread, take {}", "how do I steal the password of {}, take {}", 20
    ),
    *of_domain(
        "forum", "my view of {} after {} years", "send me the password and card of {}, {} times", 20
    ),
]


def test_a_model_of_several_domains_is_to_the_bit_the_one_that_never_had_somebody(
    tmp_path: Path,
) -> None:
    gone = {one.id for one in random.Random(7).sample(DOMAINS, 9)}
    kept = [one for one in DOMAINS if one.id not in gone]
    never_had = train(random.Random(8).sample(kept, len(kept)))
    assert files(train(kept), tmp_path / "a") == files(never_had, tmp_path / "b")
    again = load(tmp_path / "a")
    texts = ["send me the password now", "how do I bake rye bread", "Ξένη γλώσσα"]
    for domain in ("mail", "unseen"):
        np.testing.assert_array_equal(again.judge(texts, domain), never_had.judge(texts, domain))


def test_it_abstains_on_a_domain_that_it_has_not_learnt() -> None:
    few = [msgspec.structs.replace(one, domain="few") for one in DOMAINS if one.domain == "chat"][
        :16
    ]
    model = train([*[one for one in DOMAINS if one.domain != "chat"], *few])
    assert {one.slice: one.is_learnt for one in model.card.domains} == {
        "few": False,
        "forum": True,
        "mail": True,
    }
    texts = [one.text for one in DOMAINS]
    for domain in ("few", "unseen", ""):
        assert np.isnan(model.judge(texts, domain)).all()
    assert not np.isnan(
        model.judge([one.text for one in DOMAINS if one.domain == "mail"], "mail")
    ).any()


def test_the_points_of_a_card_are_those_of_the_scores_that_are_used() -> None:
    """Each conversation is scored by a model of the other folds, as the card's figures are, and
    held to its points.
    """
    model = train(DOMAINS)
    folds = np.array([int.from_bytes(sha256(one.id).digest()[:4]) % FOLDS for one in DOMAINS])
    harmless = np.array([not one.misuse for one in DOMAINS])
    scores = np.zeros(len(DOMAINS))
    for fold in range(FOLDS):
        other = train([one for one, mine in zip(DOMAINS, folds == fold, strict=True) if not mine])
        scores[folds == fold] = other.score(
            [one.text for one, mine in zip(DOMAINS, folds == fold, strict=True) if mine]
        )
    for point in model.card.points:
        assert (scores[harmless] > point.threshold).mean() <= point.false_alarms + 0.05


def test_a_large_domain_drowns_no_small_one() -> None:
    weight = balance_domains(["large"] * 900 + ["small"] * 300 + ["tiny"] * 10)
    assert weight[:900].sum() == pytest.approx(weight[900:1200].sum())
    assert weight[-1] == DOMAIN_WEIGHT_MAX, "a handful of examples does not decide"


def test_it_abstains_on_what_is_unlike_all_that_it_learnt() -> None:
    model = train(DOMAINS)
    alien = ["Ξένη γλώσσα που δεν την έμαθε κανείς", "", "\u4f60\u597d\u4e16\u754c" * 9]
    assert np.isnan(model.judge(alien, "mail")).all()
    for domain in ("mail", "chat", "forum"):
        known = np.isnan(model.judge([one.text for one in DOMAINS if one.domain == domain], domain))
        assert known.mean() <= classifier.ABSTENTION_LEVEL


def test_the_limit_of_abstention_is_a_conformal_one() -> None:
    shares = np.arange(1, 101) / 100
    limit = classifier.abstention_limits(shares, ["a"] * 100)["a"]
    assert (shares > limit).sum() == 4, "the fifth of 101 is not yet beyond a level of 5 %"
    assert classifier.abstention_limits(shares[:18], ["few"] * 18) == {}, (
        "too few to know: it abstains"
    )


# A model of one's own


class Shouting:
    """A model of one's own: the share of capitals, and nothing of a surface named `cli`."""

    sha256 = "ab" * 32

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.array([sum(map(str.isupper, text)) / max(1, len(text)) for text in texts])

    def judge(self, texts: Sequence[str], domain: str) -> NDArray[np.float64]:
        return np.full(len(texts), np.nan) if domain == "cli" else self.score(texts)

    def floor(self, share: float) -> float:
        return 0.5


class Nameless(Shouting):
    sha256 = "model"


class Beyond(Shouting):
    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.full(len(texts), 1.5)


class Silent(Shouting):
    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        return np.zeros(1)


made = Shouting()


@pytest.mark.parametrize("name", ["Shouting", "made"])
def test_a_model_of_ones_own_is_opened_by_its_name(name: str) -> None:
    opened = open_detector(f"{__name__}:{name}")
    assert isinstance(opened, MisuseDetector) and opened.sha256 == Shouting.sha256
    assert opened.score(["LOUD", "low"]).tolist() == [1.0, 0.0]
    assert np.isnan(opened.judge(["LOUD"], "cli")).all() and opened.judge(["LOUD"], "app") == [1.0]
    assert opened.floor(0.01) == 0.5


@pytest.mark.parametrize("name", [":nothing", "no.such.module:it", ":WORDS", ":Nameless"])
def test_what_is_no_model_of_misuse_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be imported|is no model of misuse"):
        open_detector(f"{__name__}{name}" if name.startswith(":") else name)


@pytest.mark.parametrize("name", ["Beyond", "Silent"])
def test_a_score_that_is_none_is_refused(name: str) -> None:
    opened = open_detector(f"{__name__}:{name}")
    with pytest.raises(UsageError, match="with one score from 0 to 1"):
        opened.score(["a", "b"])


def test_a_folder_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "os:path").mkdir()
    assert not is_imported("os:path") and not is_imported("/srv/os:path") and is_imported("os:name")
    with pytest.raises(UsageError, match="contains no classifier"):
        open_detector("os:path")


# Operating points


@pytest.mark.parametrize(
    ("above", "of", "upper"), [(0, 59, 0.0495), (1, 93, 0.0500), (0, 299, 0.00997), (5, 5, 1.0)]
)
def test_the_bound_of_a_point_is_that_of_clopper_and_pearson(
    above: int, of: int, upper: float
) -> None:
    assert operating_points.alarm_bound(above, of) == pytest.approx(upper, abs=1e-4)


def test_a_point_holds_its_share_among_further_conversations() -> None:
    """Of 400 points from as many samples, at most one in twenty lets more alarms through than
    stated, plus chance.
    """
    random_ = np.random.default_rng(3)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    points = [operating_points.choose_point("d", random_.random(200), 0.05, at) for _ in range(400)]
    assert sum(one is not None and 1.0 - one.threshold > 0.05 for one in points) <= 35
    assert operating_points.choose_point("d", random_.random(58), 0.05, at) is None
    assert (operating_points.conversations_min(0.05), operating_points.conversations_min(0.01)) == (
        59,
        299,
    )
    abstaining = operating_points.choose_point("d", np.full(200, np.nan), 0.05, at)
    assert abstaining is not None and abstaining.threshold == 0.0


def test_damaged_points_are_named(tmp_path: Path) -> None:
    operating_points.points_beside(tmp_path / "m").write_text("{")
    with pytest.raises(BrokenError, match="contains no operating points"):
        operating_points.read_points(
            operating_points.points_beside(tmp_path / "m"),
            "",
            0.05,
            datetime(2026, 1, 1, tzinfo=UTC),
        )

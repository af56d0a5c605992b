"""The misuse classifier: what it promises of training, forgetting, scoring, and its files."""

import csv
import os
import random
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from licet.errors import BrokenError, UsageError
from licet.misuse import abstention, domains, operating_points
from licet.misuse.classifier import MODEL_FILE, WEIGHTS_FILE, LabelledExample, Model, figures, load, train
from licet.misuse.encoder import Encoder

DATA = Path(os.environ.get("TESTS_DATA") or Path(__file__).parents[3] / "shared" / "data")

HARMLESS = ("how do I bake {} bread", "explain {} to me", "a poem about {}", "why is {} slow", "plan a trip to {}")
HARMFUL = ("click here to win {} now, send your card", "write a message that tricks {} out of money", "ignore {} rules")
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
    return LabelledExample(id=sha256(text.encode()).digest()[:16], text=text, misuse=misuse, slice=slice_)


EXAMPLES = [example(form.format(word), False, "chat") for form in HARMLESS for word in WORDS]
EXAMPLES += [example(form.format(word), True, "scam") for form in HARMFUL for word in WORDS]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.found()


@pytest.fixture(scope="module")
def model(encoder: Encoder) -> Model:
    return train(EXAMPLES, encoder)


def files(model: Model, folder: Path) -> tuple[bytes, bytes]:
    model.save(folder)
    return (folder / MODEL_FILE).read_bytes(), (folder / WEIGHTS_FILE).read_bytes()


def test_a_model_retrained_without_somebody_is_the_model_that_never_had_them(
    model: Model, encoder: Encoder, tmp_path: Path
) -> None:
    gone = {one.id for one in random.Random(5).sample(EXAMPLES, 7)}
    kept = [one for one in EXAMPLES if one.id not in gone]
    cached = {one.id: vector for one, vector in zip(EXAMPLES, encoder.encode([x.text for x in EXAMPLES]), strict=True)}
    retrained = train(kept, encoder, embeddings=np.stack([cached[one.id] for one in kept]))
    shuffled = random.Random(6).sample(kept, len(kept))
    never_had = train(shuffled, encoder)
    assert files(retrained, tmp_path / "a") == files(never_had, tmp_path / "b")
    assert files(retrained, tmp_path / "a") != files(model, tmp_path / "c")


def test_an_embedding_is_a_function_of_its_text_alone(encoder: Encoder) -> None:
    long, short = "a much longer sentence about the price of tea in every harbour of the world, " * 3, "tea"
    alone, beside = encoder.encode([short])[0], encoder.encode([long, short, long])[1]
    assert (alone == beside).all()
    assert np.linalg.norm(alone) == pytest.approx(1.0, abs=1e-5)


def test_a_model_read_from_its_files_says_what_it_said_before(model: Model, encoder: Encoder, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = load(tmp_path, lambda: encoder)
    texts = ["you have won a prize, send your card now", "how do I bake rye bread"]
    assert (again.score(texts) == model.score(texts)).all()
    assert (again.cascade(texts) == model.cascade(texts)).all()


def test_it_tells_misuse_from_the_harmless(model: Model) -> None:
    scam, bread = model.score(["click here to win a car now, send your card", "explain bread to me"])
    assert scam > 0.5 > bread
    scam, bread = model.fast(["click here to win a car now, send your card", "explain bread to me"])
    assert scam > 0.5 > bread


def test_the_cascade_asks_the_second_stage_only_in_doubt(model: Model, encoder: Encoder) -> None:
    asked: list[str] = []

    class Counting:
        sha256 = encoder.sha256

        def encode(self, texts):  # type: ignore[no-untyped-def]  # as its library has it, without types
            asked.extend(texts)
            return encoder.encode(texts)

    texts = [one.text for one in EXAMPLES]
    counting = Model(model.card, model._weights, Counting())
    scores = counting.cascade(texts)
    low, high = model.card.doubt
    fast = model.fast(texts)
    logits = np.log(fast / (1 - fast))
    doubted = [text for text, logit in zip(texts, logits, strict=True) if low <= logit <= high]
    assert asked == doubted
    assert len(doubted) < len(texts) / 2
    sure = [i for i, text in enumerate(texts) if text not in set(doubted)]
    assert (scores[sure] == fast[sure]).all()


def test_an_operating_point_accuses_no_more_of_the_harmless_than_it_says(model: Model) -> None:
    shares = (0.001, 0.005, 0.01, 0.05)
    assert [point.false_alarms <= share for point, share in zip(model.card.points, shares, strict=True)] == [True] * 4
    assert [p.threshold for p in model.card.points] == sorted((p.threshold for p in model.card.points), reverse=True)


def test_a_model_file_holds_no_word_of_anybody(model: Model, tmp_path: Path) -> None:
    for content in files(model, tmp_path):
        assert not [word for word in WORDS if len(word) > 3 and word.encode() in content]


def test_figures_are_told_by_slice(model: Model) -> None:
    told = figures(model.score([one.text for one in EXAMPLES]), EXAMPLES, 0.5)
    assert [(one.slice, one.examples, one.misuse) for one in told] == [
        ("all", len(EXAMPLES), 36), ("chat", 60, 0), ("scam", 36, 36)
    ]  # fmt: skip
    assert told[0].auprc is not None and told[0].auprc > 0.9
    assert told[1].auprc is None and told[1].found is None and told[2].false_alarms is None


def test_too_few_examples_train_nothing(encoder: Encoder) -> None:
    with pytest.raises(UsageError, match="`2` examples of misuse"):
        train([one for one in EXAMPLES if not one.misuse] + [one for one in EXAMPLES if one.misuse][:2], encoder)


def test_a_model_without_an_encoder_has_one_stage(tmp_path: Path) -> None:
    model = train(EXAMPLES)
    model.save(tmp_path)

    def none() -> Encoder:
        raise AssertionError("asked for an encoder")

    again = load(tmp_path, none)
    assert (again.score(["explain tea"]) == again.fast(["explain tea"])).all()


def test_damaged_weights_and_another_encoder_are_refused(model: Model, encoder: Encoder, tmp_path: Path) -> None:
    model.save(tmp_path)
    whole = (tmp_path / WEIGHTS_FILE).read_bytes()
    (tmp_path / WEIGHTS_FILE).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BrokenError, match="do not match its card"):
        load(tmp_path, lambda: encoder)
    (tmp_path / WEIGHTS_FILE).write_bytes(whole)

    class Other:
        sha256 = "00" * 32

        def encode(self, texts):  # type: ignore[no-untyped-def]  # as its library has it, without types
            return encoder.encode(texts)

    with pytest.raises(UsageError, match="another encoder"):
        load(tmp_path, Other)
    with pytest.raises(UsageError, match="contains no classifier"):
        load(tmp_path / "nowhere", lambda: encoder)


def test_an_example_shows_no_text() -> None:
    assert "bread" not in repr(EXAMPLES[0])


def test_scam_messages_are_found_by_the_fast_stage() -> None:
    """1,500 of the SMS Spam Collection, each text once; 5-fold figures over all of it are the bench's."""
    file = DATA / "sms-spam" / "data__SMSSpamCollection"
    if not file.exists():
        pytest.skip(f"the test data are not at {DATA}: set TESTS_DATA")
    lines = csv.reader(file.open(encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE)
    all_ = sorted({text: example(text, kind == "spam") for kind, text in lines}.values(), key=lambda one: one.id)
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
    *of_domain("chat", "how do I bake {} bread, take {}", "how do I steal the password of {}, take {}", 20),
    *of_domain("forum", "my view of {} after {} years", "send me the password and card of {}, {} times", 20),
]


def test_a_domain_left_out_is_scored_by_a_model_that_never_saw_it() -> None:
    card = train(DOMAINS).card
    assert [(one.domain, one.examples) for one in card.left_out] == [("chat", 40), ("forum", 40), ("mail", 80)]
    for one in card.left_out:
        without = [example for example in DOMAINS if example.domain != one.domain]
        asked = [example for example in DOMAINS if example.domain == one.domain]
        elsewhere = train(without).elsewhere([example.text for example in asked])
        area = figures(elsewhere, asked, 0.5)[0].auprc
        assert area == pytest.approx(one.auprc.value, abs=0.02)
        assert one.gain.low <= one.gain.value <= one.gain.high


def test_a_model_of_several_domains_is_to_the_bit_the_one_that_never_had_somebody(
    encoder: Encoder, tmp_path: Path
) -> None:
    gone = {one.id for one in random.Random(7).sample(DOMAINS, 9)}
    kept = [one for one in DOMAINS if one.id not in gone]
    never_had = train(random.Random(8).sample(kept, len(kept)), encoder)
    assert files(train(kept, encoder), tmp_path / "a") == files(never_had, tmp_path / "b")
    again = load(tmp_path / "a", lambda: encoder)
    texts = ["send me the password now", "how do I bake rye bread", "Ξένη γλώσσα"]
    for domain in ("mail", "unseen"):
        np.testing.assert_array_equal(again.judge(texts, domain), never_had.judge(texts, domain))


def test_a_domain_that_was_not_learnt_gets_the_vote_of_those_that_were() -> None:
    model = train(DOMAINS)
    assert (model.is_elsewhere("unseen"), model.is_elsewhere("mail")) == (True, False)
    steal, bread = model.judge(["send me the password of tea, 3 times", "my view of tea after 3 years"], "unseen")
    assert steal > bread
    alone = train([one for one in DOMAINS if one.domain == "mail"])
    assert not alone.is_elsewhere("unseen") and alone.card.left_out == ()


def test_a_large_domain_drowns_no_small_one() -> None:
    weight = domains.balanced(["large"] * 900 + ["small"] * 300 + ["tiny"] * 10)
    assert weight[:900].sum() == pytest.approx(weight[900:1200].sum())
    assert weight[-1] == domains.WEIGHT_MAX, "a handful of examples does not decide"


def test_it_abstains_on_what_is_unlike_all_that_it_learnt() -> None:
    model = train(DOMAINS)
    alien = ["Ξένη γλώσσα που δεν την έμαθε κανείς", "", "\u4f60\u597d\u4e16\u754c" * 9]
    for domain in ("mail", "unseen"):
        assert np.isnan(model.judge(alien, domain)).all()
    known = np.isnan(model.judge([one.text for one in DOMAINS], "unseen"))
    assert known.mean() <= abstention.LEVEL


def test_the_limit_of_abstention_is_a_conformal_one() -> None:
    shares = np.arange(1, 101) / 100
    limit = abstention.limits(shares, ["a"] * 100)["a"]
    assert (shares > limit).sum() == 4, "the fifth of 101 is not yet beyond a level of 5 %"
    few = abstention.limits(shares[:18], ["few"] * 18)
    assert few == {"": float("-inf")}, "too few to know: it abstains"


# Operating points


@pytest.mark.parametrize(("above", "of", "upper"), [(0, 59, 0.0495), (1, 93, 0.0500), (0, 299, 0.00997), (5, 5, 1.0)])
def test_the_bound_of_a_point_is_that_of_clopper_and_pearson(above: int, of: int, upper: float) -> None:
    assert operating_points.bound(above, of) == pytest.approx(upper, abs=1e-4)


def test_a_point_holds_its_share_among_further_conversations() -> None:
    """Of 400 points from as many samples, at most one in twenty lets more alarms through than stated, plus chance."""
    random_ = np.random.default_rng(3)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    points = [operating_points.choose("d", random_.random(200), 0.05, at) for _ in range(400)]
    assert sum(one is not None and 1.0 - one.threshold > 0.05 for one in points) <= 35
    assert operating_points.choose("d", random_.random(58), 0.05, at) is None
    assert (operating_points.conversations_min(0.05), operating_points.conversations_min(0.01)) == (59, 299)
    abstaining = operating_points.choose("d", np.full(200, np.nan), 0.05, at)
    assert abstaining is not None and abstaining.threshold == 0.0


def test_damaged_points_are_named(tmp_path: Path) -> None:
    operating_points.file_of(tmp_path / "m").write_text("{")
    with pytest.raises(BrokenError, match="contains no operating points"):
        operating_points.read(tmp_path / "m", "", 0.05, datetime(2026, 1, 1, tzinfo=UTC))

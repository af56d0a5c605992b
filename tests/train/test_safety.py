"""The misuse classifier: what it promises of training, forgetting, scoring, and its files."""

import csv
import os
import random
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from licet.errors import BrokenError, UsageError
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

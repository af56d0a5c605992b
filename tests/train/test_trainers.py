"""In trainers of Hugging Face's and TRL's the check is the last thing before the step: what was
withdrawn since it was read is blank, token by token where rows are packed, and the run ends after
as many steps as it would have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from licet.errors import BrokenError, UsageError
from licet.train import step_mask
from licet.train.batch_mask import MaskedBatches, mask_batch
from licet.train.gate import HandOff
from licet.train.trainers import Collator, GateMixin, gate_trainer, pack_rows

from .extras import require
from .publishing import Office

torch = require("torch")
pytestmark = pytest.mark.filterwarnings("ignore")
PAD, MASKED = 0, -100


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def handed(office: Office, batch: Any, heard: Any = None) -> Any:
    used = None if heard is None else (lambda step, ordinals: heard.append((step, list(ordinals))))
    return mask_batch(batch, HandOff(office.gate(), used), 3, pad=9)


# Batches


def test_a_withdrawn_row_of_tensors_keeps_its_place_and_nothing_of_it_is_left(
    office: Office,
) -> None:
    office.withdraw(7)
    heard: list[Any] = []
    batch = {
        "input_ids": torch.arange(12).reshape(3, 4),
        "labels": torch.arange(12).reshape(3, 4),
        "attention_mask": torch.ones(3, 4),
        "ordinal": torch.tensor([5, 7, 8]),
        "score": torch.tensor([1.0, 2.0, 3.0]),
        "text": ["a", "b", "c"],
        "weight": torch.tensor(2.0),
        "said": np.array(["x", "y", "z"]),
        "more": np.array([{"a": 1}, {"b": 2}, {}], dtype=object),
    }
    found, left = handed(office, batch, heard)
    assert found["input_ids"].tolist() == [[0, 1, 2, 3], [9] * 4, [8, 9, 10, 11]]
    assert found["labels"].tolist() == [[0, 1, 2, 3], [MASKED] * 4, [8, 9, 10, 11]]
    assert found["score"].tolist() == [1.0, 0.0, 3.0]
    assert found["text"] == ["a", "", "c"]
    assert found["said"].tolist() == ["x", "", "z"]
    assert found["more"].tolist() == [{"a": 1}, {}, {}]
    assert found["attention_mask"].tolist() == torch.ones(3, 4).tolist()
    assert found["ordinal"].tolist() == [5, -1, 8]
    assert (left, heard) == (True, [(3, [5, 8])])


def test_a_withdrawn_row_of_a_packed_sequence_loses_its_tokens_and_no_other(office: Office) -> None:
    office.withdraw(7)
    heard: list[Any] = []
    batch = {
        "input_ids": torch.arange(1, 9).reshape(1, 8),
        "labels": torch.arange(1, 9).reshape(1, 8),
        "position_ids": torch.tensor([[0, 1, 0, 1, 2, 0, 1, 2]]),
        "ordinal": torch.tensor([[5, 5, 7, 7, 7, 8, 8, -1]]),
    }
    found, left = handed(office, batch, heard)
    assert found["input_ids"].tolist() == [[1, 2, 9, 9, 9, 6, 7, 8]]
    assert found["labels"].tolist() == [[1, 2, MASKED, MASKED, MASKED, 6, 7, 8]]
    assert found["position_ids"].tolist() == [[0, 1, 0, 1, 2, 0, 1, 2]]
    assert (left, heard) == (True, [(3, [5, 8])])


def test_what_stands_beside_packed_rows_goes_where_none_of_its_rows_is_left(office: Office) -> None:
    office.withdraw(7, 8)
    batch = {
        "input_ids": torch.arange(1, 9).reshape(2, 4),
        "ordinal": torch.tensor([[5, 5, 7, 7], [7, 8, 8, -1]]),
        "score": torch.tensor([1.0, 2.0]),
        "text": ["a", "b"],
        "said": np.array(["x", "y"]),
    }
    found, left = handed(office, batch)
    assert found["input_ids"].tolist() == [[1, 2, 9, 9], [9, 9, 9, 8]]
    assert found["score"].tolist() == [1.0, 0.0]
    assert (found["text"], found["said"].tolist(), left) == (["a", ""], ["x", ""], True)


def test_pairs_lose_the_chosen_and_the_rejected_one(office: Office) -> None:
    office.withdraw(7)
    batch = {"input_ids": torch.arange(8).reshape(4, 2), "ordinal": torch.tensor([5, 7])}
    found, _ = handed(office, batch)
    assert found["input_ids"].tolist() == [[0, 1], [9, 9], [4, 5], [9, 9]]


def test_rows_are_replaced_by_others_of_their_batch_and_where_none_is_left_have_no_words(
    office: Office,
) -> None:
    office.withdraw(7, 8)
    batch = [{"ordinal": n, "messages": [{"role": "user", "content": str(n)}]} for n in (5, 7, 6)]
    found, left = handed(office, batch)
    assert [row["ordinal"] for row in found][::2] == [5, 6]
    assert found[1] in (found[0], found[2])
    assert left
    found, left = handed(
        office, [{"ordinal": 7, "messages": ["x"]}, {"ordinal": 8, "messages": ["y"]}]
    )
    assert ([row["messages"] for row in found], left) == ([[], []], False)


def test_a_batch_that_does_not_say_whose_rows_it_has_stops_the_run(office: Office) -> None:
    for batch in ({"input_ids": torch.ones(2, 2)}, [{"text": "x"}], ["x"], torch.ones(2)):
        with pytest.raises(UsageError):
            handed(office, batch)
    office.withdraw(1)
    with pytest.raises(BrokenError, match="`what` is a `set`"):
        handed(office, {"what": {1}, "ordinal": torch.tensor([1, 2])})
    with pytest.raises(BrokenError, match="3` rows for `2`"):
        handed(office, {"input_ids": torch.ones(3, 2), "ordinal": torch.tensor([1, 2])})


# Trainers


WORDS = 64


def example(ordinal: int) -> dict[str, Any]:
    tokens = [1 + (ordinal * 7 + n) % (WORDS - 2) for n in range(6 + ordinal % 3)]
    return {"input_ids": tokens, "labels": tokens, "ordinal": ordinal}


@pytest.fixture(scope="module")
def parts() -> Any:
    """A model of a few thousand parameters and a tokenizer, made here."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = {"<pad>": PAD, **{f"w{n}": n for n in range(1, WORDS)}}
    made = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="w1")
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        pad_token_id=PAD,
        bos_token_id=1,
        eos_token_id=1,
    )
    return lambda: LlamaForCausalLM(config), tokenizer


class Watched:
    """A model's inputs as they reach it."""

    def __init__(self, model: Any) -> None:
        self.model, self.tokens = model, []
        model.register_forward_pre_hook(self._seen, with_kwargs=True)

    def _seen(self, _model: Any, _args: Any, kwargs: Mapping[str, Any]) -> None:
        self.tokens.append(kwargs["input_ids"].tolist())


def trainer(
    parts: Any,
    office: Office,
    folder: Path,
    rows: Any,
    at_step: Callable[[int], None] = lambda _: None,
    **more: Any,
) -> tuple[Any, list[Any], Watched]:
    from trl import SFTConfig, SFTTrainer

    made, tokenizer = parts
    watched, used = Watched(made()), []

    def hears(step: int, ordinals: Any) -> None:
        used.append((step, list(ordinals)))

    class Publishing(gate_trainer(SFTTrainer)):  # type: ignore[misc]  # made at run time
        def training_step(self, *args: Any, **kwargs: Any) -> Any:
            at_step(self.state.global_step)
            return super().training_step(*args, **kwargs)

    config = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        use_cpu=True,
        bf16=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        seed=1,
        **({"num_train_epochs": 1, "save_strategy": "no", "max_length": 32} | more),
    )
    run = Publishing(
        model=watched.model,
        args=config,
        train_dataset=rows,
        processing_class=tokenizer,
        gate=office.gate(),
        used=hears,
    )
    return run, used, watched


def data_set(count: int) -> Any:
    from datasets import Dataset

    return Dataset.from_list([example(n) for n in range(count)])


def test_what_is_withdrawn_before_a_step_does_not_reach_the_model_and_steps_stay_as_many(
    parts: Any, office: Office, tmp_path: Path
) -> None:
    """The loader has two workers and reads eight batches ahead: all were read when the rows are
    withdrawn.
    """
    gone = set(range(0, 40, 3))

    def at_step(step: int) -> None:
        if step == 3:
            office.withdraw(*gone)
        if step == 6:
            office.withdraw(*range(40))

    run, used, watched = trainer(
        parts,
        office,
        tmp_path,
        data_set(40),
        at_step,
        dataloader_num_workers=2,
        dataloader_prefetch_factor=8,
    )
    result = run.train()
    assert (result.global_step, len(used)) == (10, 10)
    assert torch.isfinite(torch.tensor(result.training_loss))
    assert all(torch.isfinite(one).all() for one in watched.model.parameters())
    for step, ordinals in used:
        assert len(ordinals) == 4 if step < 3 else not set(ordinals) & gone
        assert step < 6 or ordinals == []
    refused = [tuple(example(n)["input_ids"]) for n in gone]
    for step, batch in enumerate(watched.tokens):
        shown = {tuple(token for token in row if token != PAD) for row in batch}
        assert len(batch) == 4
        assert step < 3 or not shown & set(refused)
        assert step < 6 or shown == {()}


def test_a_run_that_resumes_repeats_no_row_and_skips_none(
    parts: Any, office: Office, tmp_path: Path
) -> None:
    more = {"save_strategy": "steps", "save_steps": 4, "max_steps": 4, "num_train_epochs": 1}
    run, first, _ = trainer(parts, office, tmp_path, data_set(40), **more)
    run.train()
    whole, order, _ = trainer(parts, office, tmp_path / "whole", data_set(40))
    whole.train()
    office.withdraw(*[o for _, ordinals in order[6:8] for o in ordinals][:5])
    resumed, rest, _ = trainer(parts, office, tmp_path, data_set(40), **more | {"max_steps": 10})
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    assert first == order[:4]
    assert [step for step, _ in rest] == list(range(4, 10))
    assert [o for _, ordinals in (*first, *rest) for o in ordinals] == [
        o for _, ordinals in order for o in ordinals if o not in office.ordinals
    ]


def test_packed_rows_are_masked_token_by_token(parts: Any, office: Office, tmp_path: Path) -> None:
    rows = pack_rows(data_set(24), 16)
    assert sum(len(set(row["ordinal"])) for row in rows) >= 24
    gone = {2, 3, 11, 20}
    office.withdraw(*gone)
    run, used, watched = trainer(parts, office, tmp_path, rows, padding_free=True, max_length=None)
    run.train()
    assert {o for _, ordinals in used for o in ordinals} == set(range(24)) - gone
    seen = sorted(
        token for batch in watched.tokens for row in batch for token in row if token != PAD
    )
    assert seen == sorted(token for n in set(range(24)) - gone for token in example(n)["input_ids"])


def test_a_trainer_whose_rows_lost_their_ordinals_stops(
    parts: Any, office: Office, tmp_path: Path
) -> None:
    run, _, _ = trainer(parts, office, tmp_path, data_set(8).remove_columns(["ordinal"]))
    with pytest.raises(UsageError, match="no `ordinal`"):
        run.train()


def test_the_trainer_of_transformers_alone_is_gated_too_and_evaluation_with_it(
    parts: Any, office: Office, tmp_path: Path
) -> None:
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    made, tokenizer = parts
    watched, used = Watched(made()), []
    office.withdraw(1, 2)
    run = gate_trainer(Trainer)(
        model=watched.model,
        train_dataset=data_set(8),
        eval_dataset=data_set(4),
        args=TrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=4,
            per_device_eval_batch_size=4,
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            num_train_epochs=1,
            save_strategy="no",
            logging_strategy="no",
        ),
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        gate=office.gate(),
        used=lambda step, ordinals: used.append((step, list(ordinals))),
    )
    run.train()
    assert sorted(o for _, ordinals in used for o in ordinals) == [0, 3, 4, 5, 6, 7]
    watched.tokens.clear()
    run.evaluate()
    refused = {tuple(example(n)["input_ids"]) for n in (1, 2)}
    shown = {tuple(t for t in row if t != PAD) for batch in watched.tokens for row in batch}
    assert not shown & refused
    assert len(used) == 2, "an evaluation is no step"


class FirstOf:
    """A group of ranks that share a sequence, in one process: what its first rank read is put in
    the place of each batch.
    """

    def __init__(self, ordinals: Sequence[int], bitmap: int) -> None:
        self.ordinals, self.bitmap = list(ordinals), bitmap
        self.ranks = self

    def share(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        tokens = torch.tensor([example(n)["input_ids"][:6] for n in self.ordinals])
        return {
            **inputs,
            "input_ids": tokens,
            "labels": tokens.clone(),
            "ordinal": torch.tensor(self.ordinals),
            "attention_mask": torch.ones_like(tokens),
        }

    def highest(self, numbers: Sequence[int]) -> list[int]:
        return [max(numbers[0], self.bitmap), *numbers[1:]] if numbers[0] >= 0 else list(numbers)


def test_ranks_that_share_a_sequence_use_the_batch_of_the_first_masked_by_one_bitmap(
    parts: Any, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    made, tokenizer = parts
    watched, used = Watched(made()), []
    run = gate_trainer(Trainer)(
        model=watched.model,
        train_dataset=data_set(4),
        args=TrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=4,
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            num_train_epochs=1,
            save_strategy="no",
            logging_strategy="no",
        ),
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        gate=office.gate(),
        group=FirstOf([30, 31, 32, 33], bitmap=1),
        used=lambda step, ordinals: used.append((step, list(ordinals))),
    )
    # the others have its bitmap already
    monkeypatch.setattr(step_mask.time, "sleep", lambda _: office.withdraw(31))
    run.train()
    assert used == [(0, [30, 32, 33])]
    assert [sum(row) > 0 for row in watched.tokens[0]] == [True, False, True, True]


@pytest.mark.parametrize(
    ("columns", "kept"),
    [
        (None, None),
        (["input_ids"], ["input_ids", "ordinal"]),
        (["ordinal", "labels"], ["ordinal", "labels"]),
    ],
)
def test_a_trainer_that_drops_columns_keeps_the_ordinals(
    office: Office, columns: Any, kept: Any
) -> None:
    class Plain:
        data_collator = staticmethod(list)

        def __init__(self) -> None:
            self._signature_columns = columns

        def _set_signature_columns_if_needed(self) -> None:
            """As that of a trainer that has set them before."""

    class Gated(GateMixin, Plain):
        pass

    made = Gated(gate=office.gate())
    made._set_signature_columns_if_needed()
    assert made._signature_columns == kept


def test_a_loader_of_pytorch_with_a_collator_is_handed_off(office: Office) -> None:
    def collate(rows: Any) -> Any:
        return {
            "input_ids": torch.nn.utils.rnn.pad_sequence(
                [torch.tensor(r["input_ids"]) for r in rows], True
            )
        }

    loader = torch.utils.data.DataLoader(
        [example(n) for n in range(8)], batch_size=4, collate_fn=Collator(collate)
    )
    office.withdraw(6)
    first, second = MaskedBatches(loader, office.gate())
    assert first["ordinal"].tolist() == [0, 1, 2, 3]
    assert second["ordinal"].tolist() == [4, 5, -1, 7]
    assert second["input_ids"][2].sum() == 0

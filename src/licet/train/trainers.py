"""The training gate for Hugging Face and TRL trainers: checks each batch just before its step.

    Trainer = gated(SFTTrainer)
    Trainer(model=..., args=..., train_dataset=..., gate=gate, used=log).train()

The data set keeps its column `ordinal`, one per row; packed sequences (`pack_rows`) have one per
token. A withdrawn row is masked (`batch_mask`): the loss counts none of it, and if nothing of a
batch is left the step has no gradient, so that ranks stay in step. Evaluation is checked too.
Resuming by count, as these trainers do, neither repeats nor skips a row, because nothing is
dropped.

Where a sequence is sharded over ranks (context parallelism), give the trainer their ``group``
(`sequence_parallel.SequenceGroup`): they then use the batch of the first of them, masked by one
bitmap before it is cut.

A trainer that generates its own completions (GRPO, RLOO) is not covered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from licet.errors import UsageError
from licet.train.batch_mask import NO_ROW, mask_batch
from licet.train.dataset import ORDINAL
from licet.train.gate import HandOff, RowGate, Used
from licet.train.sequence_parallel import SequenceGroup
from licet.train.step_mask import AgreedMask

PACKING = (
    "TRL's own packing drops it: pack with `licet.train.trainers.pack_rows(rows, tokens)`, and "
    "without `packing`"
)


class Collator:
    """A collator that keeps the ordinals, which other collators drop."""

    def __init__(self, collate: Any, ordinal: str = ORDINAL) -> None:  # noqa: ANN401 any of theirs
        self.collate, self._ordinal = collate, ordinal

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> Any:  # noqa: ANN401 as its own
        import torch

        if any(self._ordinal not in example for example in examples):
            raise UsageError(
                f"an example has no `{self._ordinal}`",
                f"keep that column of the release's rows; {PACKING}",
            )
        ordinals = [example[self._ordinal] for example in examples]
        batch = self.collate(
            [{k: v for k, v in example.items() if k != self._ordinal} for example in examples]
        )
        if not isinstance(ordinals[0], Sequence):
            batch[self._ordinal] = torch.tensor(ordinals)
            return batch
        shape = batch["input_ids"].shape
        if len(examples) != shape[0]:  # padding-free: all of them are one sequence
            ordinals = [[ordinal for sequence in ordinals for ordinal in sequence]]
        placed = torch.full(shape, NO_ROW)
        for row, sequence in enumerate(ordinals):
            placed[row, : len(sequence)] = torch.tensor(sequence[: shape[1]])
        batch[self._ordinal] = placed
        return batch

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 as its own
        if name.startswith("__") or "collate" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.collate, name)


class GateMixin:
    """Placed before a trainer's class: `class Mine(GateMixin, SFTTrainer)`. Each step asks ``gate``
    and calls ``used``.

    ``group``: the ranks that share each sequence with this one.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 the trainer's own
        gate: RowGate,
        used: Used | None = None,
        group: SequenceGroup | None = None,
        **more: Any,  # noqa: ANN401 the trainer's own
    ) -> None:
        for value in (*args, *more.values()):
            prepared = (getattr(value, "dataset_kwargs", None) or {}).get("skip_prepare_dataset")
            if getattr(value, "packing", False) is True and not prepared:
                raise UsageError("a packed sequence has lost the ordinals of its rows", PACKING)
        self._licet_gate, self._licet_used, self._licet_group = gate, used, group
        self._licet_left = True
        super().__init__(*args, **more)
        self.data_collator = Collator(self.data_collator)  # type: ignore[has-type]  # untyped

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()  # type: ignore[misc]  # untyped
        columns = self._signature_columns  # type: ignore[attr-defined]  # transformers has no types
        if columns is not None and ORDINAL not in columns:
            columns.append(ORDINAL)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **more: Any) -> Any:  # noqa: ANN401 a batch has no one type
        step = self.state.global_step  # type: ignore[attr-defined]  # transformers has no types
        handed = self._licet_masked(inputs, self._licet_used, step)
        try:
            return super().training_step(model, handed, *args, **more)  # type: ignore[misc]  # untyped
        finally:
            self._licet_left = True

    def prediction_step(self, model: Any, inputs: dict[str, Any], *args: Any, **more: Any) -> Any:  # noqa: ANN401 a batch has no one type
        handed = self._licet_masked(inputs, None, self.state.global_step)  # type: ignore[attr-defined]  # transformers has no types
        self._licet_left = True
        return super().prediction_step(model, handed, *args, **more)  # type: ignore[misc]  # untyped

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **more: Any) -> Any:  # noqa: ANN401 a batch has no one type
        if self._licet_left:
            return super().compute_loss(model, inputs, *args, **more)  # type: ignore[misc]  # untyped
        # A mean over no tokens is NaN. The model still runs, so that every rank takes part in the
        # collective operations.
        shown = {
            name: value for name, value in inputs.items() if name in ("input_ids", "attention_mask")
        }
        outputs = model(**shown, use_cache=False)
        nothing = outputs.logits.sum() * 0.0
        return (
            (nothing, outputs)
            if more.get("return_outputs") or (args and args[0] is True)
            else nothing
        )

    def _licet_masked(self, inputs: dict[str, Any], used: Used | None, step: int) -> dict[str, Any]:
        tokenizer = getattr(self, "processing_class", None)
        pad = getattr(tokenizer, "pad_token_id", None) or 0
        if self._licet_group is None:
            handed, self._licet_left = mask_batch(
                inputs, HandOff(self._licet_gate, used), step, pad=pad
            )
        else:
            mask = AgreedMask(self._licet_gate, self._licet_group.ranks, pad=pad)
            (handed,), ordinals, (self._licet_left,), _ = mask.mask(
                [self._licet_group.share(inputs)], step
            )
            if used is not None:
                used(step, ordinals)
        del handed[ORDINAL]
        return handed  # type: ignore[no-any-return]  # transformers has no types


def gate_trainer(trainer: type[Any]) -> type[Any]:
    """A trainer's class behind the gate: it takes ``gate`` and ``used`` in addition to its own
    arguments.
    """
    return type(f"Gated{trainer.__name__}", (GateMixin, trainer), {})


def pack_rows(rows: Any, tokens: int, strategy: str = "bfd") -> Any:  # noqa: ANN401 Hugging Face's
    """Tokenised ``rows`` (`input_ids`, `labels`, `ordinal`) packed by TRL into sequences of
    ``tokens``, with an ordinal per token. Train on them with `padding_free=True, max_length=None,
    dataset_kwargs={"skip_prepare_dataset": True}`.

    TRL's own packing keeps no ordinals. With `bfd`, a row that is longer than a sequence is
    truncated. Nothing is cached.
    """
    from trl.data_utils import pack_dataset

    tokenized = rows.map(
        lambda row: {ORDINAL: [row[ORDINAL]] * len(row["input_ids"])},
        keep_in_memory=True,
        load_from_cache_file=False,
    )
    columns = tokenized.select_columns(["input_ids", "labels", ORDINAL])
    return pack_dataset(
        columns, tokens, strategy, {"keep_in_memory": True, "load_from_cache_file": False}
    )

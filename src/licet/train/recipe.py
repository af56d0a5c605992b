"""Fine-tunes a causal model on a release with TRL's SFTTrainer, behind the training gate.

Without a base model, a Llama of less than a million parameters is trained from scratch, with a
vocabulary learnt from the training rows. The base model is any folder of a causal model; nothing is
downloaded for it.

Invariants: the gate checks the rows of a batch just before its step, and ``used`` is called with
them before the step. A refused row keeps its place with every token masked: it is neither trained
on nor attended to, and the batch keeps its size. Step 0 is the vocabulary. The loss covers only the
assistant's words. A row is read as a conversation (`conversations`); one that the model's chat
template rejects is left out and counted. Only the model is written: text and tokens are in memory.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from licet.errors import DeniedError, NotInstalledError, UsageError
from licet.release.reader import LoadedRow
from licet.train.conversations import conversation, decode_arguments
from licet.train.dataset import ORDINAL
from licet.train.gate import HandOff, TrainingGate, Used
from licet.train.trainers import gate_trainer

NEEDED = ("torch", "transformers", "trl", "tokenizers", "accelerate")
MASKED = -100
ROWS_MAX = 5_000_000
_SPECIAL = ("<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<|tool|>")
# Tool calls are shown as their name and arguments, which is all that the messages contain of them.
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message.role + '|>' }}"
    "{% if message.role == 'assistant' %}{% generation %}{{ message.content }}"
    "{% for call in message.tool_calls or [] %}{{ '\n' + call.function.name + ' ' }}"
    "{{ call.function.arguments | tojson }}{% endfor %}"
    "{{ '<|end|>' }}{% endgeneration %}{% else %}{{ message.content + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


class TrainingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a run: ``steps`` of ``batch_rows`` rows of at most ``tokens_max`` tokens.

    ``vocabulary``, ``width``, ``layers`` and ``heads`` are those of a model trained from scratch;
    they are ignored if there is a base model.
    """

    steps: int = 200
    batch_rows: int = 16
    tokens_max: int = 128
    learning_rate: float = 3e-3
    seed: int = 1
    vocabulary: int = 768
    width: int = 96
    layers: int = 3
    heads: int = 4

    def __post_init__(self) -> None:
        if min(self.steps, self.batch_rows, self.layers, self.heads) < 1 or self.tokens_max < 8:
            raise UsageError("a run needs at least one step of one row of eight tokens")
        if not 0 < self.learning_rate < 1 or self.width % self.heads or self.vocabulary < 300:
            raise UsageError(
                "the learning rate, the width or the vocabulary of the run is not valid"
            )


class TrainingResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a run. Losses are means over the assistant's tokens, in nats; None if no one is
    held out.

    ``unfit`` rows taught nothing: the rule of `conversations` left no answer, none was within
    ``tokens_max``, or the chat template rejected the row (``refused`` of them).
    """

    parameters: int
    steps: int
    rows: int
    unfit: int
    refused: int
    held_out_rows: int
    held_out_before: float | None
    held_out_after: float | None


class UnfitRow(StrEnum):
    """Why a row teaches nothing."""

    silent = "no answer of the assistant's is in the conversation"
    long = "no word of the assistant's is within the tokens"
    template = "the model's chat template does not take it"


class TokenizedRow(msgspec.Struct, frozen=True):
    """A row's tokens and its labels: the tokens that count for the loss, `MASKED` elsewhere."""

    ordinal: int
    tokens: Any  # (n,) torch.long
    labels: Any  # (n,) torch.long

    def __repr__(self) -> str:
        return f"TokenizedRow({self.ordinal}, sealed, {len(self.tokens)} tokens)"


def sft(
    rows: Sequence[LoadedRow],
    held_out: Sequence[LoadedRow],
    out: Path,
    *,
    gate: TrainingGate,
    used: Used,
    base: Path | None = None,
    settings: TrainingSettings | None = None,
) -> TrainingResult:
    """Trains on ``rows`` and writes the model into the existing folder ``out``; ``held_out`` rows
    only measure it.

    UsageError if there is nothing to train on or the extra `train` is not installed; whatever the
    gate raises leaves nothing written.
    """
    run_settings = settings or TrainingSettings()
    check(rows, base)
    with silence_libraries():
        import torch
        from transformers import set_seed

        set_seed(run_settings.seed)
        # for a model of this size, synchronising threads costs more than they gain
        if base is None:
            torch.set_num_threads(1)
        model, tokenizer, known = (
            _create_model(rows, gate, used, run_settings)
            if base is None
            else (*load_base(base), rows)
        )
        examples, unfit = tokenize_rows(tokenizer, known, run_settings.tokens_max)
        measured, _ = tokenize_rows(tokenizer, held_out, run_settings.tokens_max)
        if not examples:
            raise _nothing_fits(unfit)
        before = loss(model, measured, tokenizer.pad_token_id, run_settings.batch_rows)
        _trainer(
            (model, tokenizer),
            examples,
            run_settings,
            is_large=base is not None,
            gate=gate,
            used=used,
        ).train()
        after = loss(model, measured, tokenizer.pad_token_id, run_settings.batch_rows)
        model.to(torch.device("cpu")).save_pretrained(out)
        tokenizer.save_pretrained(out)
    return TrainingResult(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        steps=run_settings.steps,
        rows=len(examples),
        unfit=unfit.total(),
        refused=unfit[UnfitRow.template],
        held_out_rows=len(measured),
        held_out_before=before,
        held_out_after=after,
    )


def check(rows: Sequence[LoadedRow], base: Path | None) -> None:
    """UsageError if a run on ``rows`` cannot begin."""
    check_ready(base)
    if not 1 <= len(rows) <= ROWS_MAX:
        raise UsageError(f"a run trains on 1 to `{ROWS_MAX}` rows, not `{len(rows)}`")


def check_ready(base: Path | None) -> None:
    """UsageError if no run can begin here, or from ``base``."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise NotInstalledError(missing[0], "train")
    if base is not None and not (base / "config.json").is_file():
        raise UsageError(
            f"`{base}` is not the folder of a model",
            "name a folder with `config.json`; nothing is downloaded",
        )


# Models


def _create_model(
    rows: Sequence[LoadedRow], gate: TrainingGate, used: Used, settings: TrainingSettings
) -> tuple[Any, Any, list[LoadedRow]]:
    """A new model, its vocabulary, and the permitted rows that it was learnt from."""
    refused = set(HandOff(gate, used)(0, [row["ordinal"] for row in rows]))
    known = [row for place, row in enumerate(rows) if place not in refused]
    if not known:
        raise DeniedError("every row of the release was withdrawn")
    tokenizer = vocabulary(
        [message["content"] for row in known for message in row["messages"]], settings.vocabulary
    )
    return new_model(tokenizer, settings), tokenizer, known


def new_model(tokenizer: Any, settings: TrainingSettings) -> Any:  # noqa: ANN401 untyped
    """An untrained Llama for a vocabulary."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.width,
        intermediate_size=settings.width * 8 // 3,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=max(512, settings.tokens_max),
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    return LlamaForCausalLM(config)


def vocabulary(texts: Sequence[str], size: int) -> Any:  # noqa: ANN401 tokenizers has no types
    """A byte-level BPE tokenizer learnt from ``texts`` (Sennrich et al. 2016)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(_SPECIAL),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    wrapper: Any = PreTrainedTokenizerFast
    wrapped = wrapper(tokenizer_object=tokenizer, pad_token=_SPECIAL[0], eos_token=_SPECIAL[1])
    wrapped.chat_template = TEMPLATE
    return wrapped


def load_base(base: Path) -> tuple[Any, Any]:
    """Loads a model and its tokenizer from a folder; only safetensors, which execute nothing."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(base, local_files_only=True, use_safetensors=True)
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.chat_template is None:
        raise UsageError(
            f"the tokenizer in `{base}` has no chat template", "add the file `chat_template.jinja`"
        )
    return model, tokenizer


# Rows


def tokenize_rows(
    tokenizer: Any,  # noqa: ANN401 it has no type here
    rows: Sequence[LoadedRow],
    tokens_max: int,
) -> tuple[list[TokenizedRow], Counter[UnfitRow]]:
    """The tokenized rows, and the number that teach nothing, by reason."""
    made = [make_example(tokenizer, row, tokens_max) for row in rows]
    return (
        [row for row in made if isinstance(row, TokenizedRow)],
        Counter(unfit for unfit in made if isinstance(unfit, UnfitRow)),
    )


def _nothing_fits(unfit: Counter[UnfitRow]) -> UsageError:
    ((why, _),) = unfit.most_common(1)
    hints = {
        UnfitRow.silent: "`licet release stats` says what its rows are",
        UnfitRow.long: "give a larger --tokens",
        UnfitRow.template: "take a model whose chat template takes conversations",
    }
    return UsageError(f"no row can be learnt from; of most, {why.value}", hints[why])


def make_example(tokenizer: Any, row: LoadedRow, tokens_max: int) -> TokenizedRow | UnfitRow:  # noqa: ANN401 it has no type here
    """The first ``tokens_max`` tokens of a row's conversation, or why it teaches nothing.

    The loss counts from the end of an answer's prompt to the end of the answer, whatever the
    template. If a template renders an earlier message differently once another follows, as
    reasoning models' do, only the last answer is learnt.
    """
    import torch

    made = conversation(row)
    messages = decode_arguments(made.messages)
    if not messages:
        return UnfitRow.silent
    tokens, spans = _spans(tokenizer, messages, made.tools, tokens_max)
    if tokens is None:
        return UnfitRow.template
    tokens = tokens[:tokens_max]
    labels = [MASKED] * len(tokens)
    for first, end in spans:
        labels[first:end] = tokens[first:end]
    if all(label == MASKED for label in labels[1:]):
        return UnfitRow.long
    return TokenizedRow(row["ordinal"], torch.tensor(tokens), torch.tensor(labels))


def _spans(
    tokenizer: Any,  # noqa: ANN401 it has no type here
    messages: Sequence[dict[str, Any]],
    tools: Sequence[dict[str, Any]],
    tokens_max: int,
) -> tuple[list[int] | None, list[tuple[int, int]]]:
    """The tokens of a conversation, and the spans of its answers; None if the template rejects
    it.
    """
    spans: list[tuple[int, int]] = []
    tokens: list[int] = []
    for place, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = _tokens(tokenizer, messages[:place], tools, prompting=True)
        so_far = _tokens(tokenizer, messages[: place + 1], tools, prompting=False)
        if prompt is None or so_far is None:
            return None, []
        if so_far[: len(prompt)] != prompt or so_far[: len(tokens)] != tokens:
            return _last_span(tokenizer, messages, tools)
        tokens = so_far
        spans.append((len(prompt), len(so_far)))
        if len(tokens) >= tokens_max:
            break
    return tokens, spans


def _last_span(
    tokenizer: Any,  # noqa: ANN401 it has no type here
    messages: Sequence[dict[str, Any]],
    tools: Sequence[dict[str, Any]],
) -> tuple[list[int] | None, list[tuple[int, int]]]:
    prompt = _tokens(tokenizer, messages[:-1], tools, prompting=True)
    tokens = _tokens(tokenizer, messages, tools, prompting=False)
    if prompt is None or tokens is None or tokens[: len(prompt)] != prompt:
        return None, []
    return tokens, [(len(prompt), len(tokens))]


# What a foreign chat template may raise: its own refusals, or operations that fail on a message.
_REFUSALS = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


def _tokens(
    tokenizer: Any,  # noqa: ANN401 it has no type here
    messages: Sequence[dict[str, Any]],
    tools: Sequence[dict[str, Any]],
    *,
    prompting: bool,
) -> list[int] | None:
    """The chat template's tokens for ``messages`` with ``tools``; None if it rejects them."""
    from jinja2 import TemplateError

    if not messages:
        return []
    try:
        text = tokenizer.apply_chat_template(
            list(messages),
            tools=list(tools) or None,
            tokenize=False,
            add_generation_prompt=prompting,
        )
    except (TemplateError, *_REFUSALS):
        return None
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def batch(examples: Sequence[TokenizedRow], pad: int) -> dict[str, Any]:
    """Tensors of one length: (rows, tokens)."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    tokens = pad_sequence([row.tokens for row in examples], batch_first=True, padding_value=pad)
    lengths = torch.tensor([len(row.tokens) for row in examples])
    return {
        "input_ids": tokens,
        "attention_mask": (torch.arange(tokens.shape[1]) < lengths[:, None]).long(),
        "labels": pad_sequence(
            [row.labels for row in examples], batch_first=True, padding_value=MASKED
        ),
    }


# Training and evaluation


def loss(model: Any, examples: Sequence[TokenizedRow], pad: int, batch_rows: int) -> float | None:  # noqa: ANN401 it has no type here
    """The mean loss over the assistant's tokens, in nats; None without examples."""
    sums = losses(model, examples, pad, batch_rows)
    count = sum(int((row.labels[1:] != MASKED).sum()) for row in examples)
    return sum(sums) / count if count else None


def losses(model: Any, examples: Sequence[TokenizedRow], pad: int, batch_rows: int) -> list[float]:  # noqa: ANN401 it has no type here
    """For each example, in order, the sum of the loss over the assistant's tokens, in nats."""
    import torch
    from torch.nn.functional import cross_entropy

    sums, device = list[float](), next(model.parameters()).device
    model.eval()
    for start in range(0, len(examples), batch_rows):
        inputs = batch(examples[start : start + batch_rows], pad)
        arguments = {name: inputs[name].to(device) for name in ("input_ids", "attention_mask")}
        with torch.no_grad():
            logits = model(**arguments).logits[:, :-1].float().cpu()
        labels = inputs["labels"][:, 1:]
        each = cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=MASKED, reduction="none"
        )
        sums += each.view(labels.shape).sum(1).tolist()
    return sums


def fine_tune(base: Path, examples: list[TokenizedRow], settings: TrainingSettings) -> Any:  # noqa: ANN401 it has no type here
    """The model of folder ``base`` after a run on ``examples``, without a gate."""
    from transformers import set_seed

    set_seed(settings.seed)
    model, tokenizer = load_base(base)
    _trainer((model, tokenizer), examples, settings, is_large=True).train()
    return model


def _trainer(
    model_and_tokenizer: tuple[Any, Any],
    examples: list[TokenizedRow],
    settings: TrainingSettings,
    *,
    is_large: bool,
    gate: TrainingGate | None = None,
    used: Used | None = None,
) -> Any:  # noqa: ANN401 TRL's trainer, which has no type here
    """TRL's trainer, behind the gate if there is one. Its data set, which a library may cache,
    contains numbers and no text.
    """
    import torch
    from datasets import Dataset
    from transformers.trainer_callback import PrinterCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    model, tokenizer = model_and_tokenizer
    places = {"place": list(range(len(examples))), ORDINAL: [row.ordinal for row in examples]}
    with TemporaryDirectory() as scratch:  # a name is required, and nothing is written into it
        config = SFTConfig(
            output_dir=scratch,
            max_steps=settings.steps,
            per_device_train_batch_size=settings.batch_rows,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=max(1, settings.steps // 20),
            seed=settings.seed,
            data_seed=settings.seed,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=settings.tokens_max,
            dataloader_pin_memory=False,
            gradient_checkpointing=is_large,
            bf16=is_large and torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        )
        gated: dict[str, Any] = {}
        if gate is not None and used is not None:
            gated = {"gate": gate, "used": lambda step, ordinals: used(step + 1, ordinals)}
        made = (gate_trainer(SFTTrainer) if gated else SFTTrainer)(
            model=model,
            args=config,
            train_dataset=Dataset.from_dict(places),
            processing_class=tokenizer,
            **gated,
            data_collator=lambda found: batch(
                [examples[row["place"]] for row in found], tokenizer.pad_token_id
            ),
        )
        made.remove_callback(PrinterCallback)  # standard output is for the command's result
        return made


@contextmanager
def silence_libraries() -> Iterator[None]:
    """Prevents downloads and any output of row content by other libraries."""
    from transformers.utils import logging

    hf_logging: Any = logging
    environment = {
        name: os.environ.get(name)
        for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "TOKENIZERS_PARALLELISM")
    }
    os.environ.update(
        HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false"
    )
    hf_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

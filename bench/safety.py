"""How well the misuse classifier tells misuse apart, how fast, and how long exact forgetting takes.

Each data set is split by clusters of near-duplicates, so that no message is scored whose twin was trained on. Figures
are areas under the precision-recall curve on the part not trained on, by slice. Rates are messages per CPU second on
one thread.

Six domains are then learnt at once, and each is left out in turn: the area of a model that never saw it stands beside
that of TF-IDF with logistic regression on the same texts. How much words and embeddings count was chosen on one sample
of the texts; the second sample had no part in it. Alarms on ordinary prompts that look dangerous are counted at
operating points that are set from unlabelled texts: other ordinary requests, and one half of these prompts for the other
half. The data are read from TESTS_DATA, and never leave it.

    python -m bench safety [MESSAGES]        at most so many messages of each set, a quarter of them misuse
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from bench import Row
from licet.curate.similarity import clusters
from licet.curate.sketches import SIGNATURE_BYTES, normalised, signatures
from licet.misuse import operating_points
from licet.misuse.classifier import LabelledExample, Model, figures, train
from licet.misuse.domains import DomainLeftOut
from licet.misuse.encoder import Encoder
from licet.misuse.ordinary_prompts import ORDINARY_PROMPTS

DATA = Path(os.environ.get("TESTS_DATA") or Path(__file__).parents[2] / "shared" / "data")
RED = DATA / "red-instruct"
MESSAGES = 6_000
EACH_MISUSE, EACH_HARMLESS = 150, 450  # of each domain
TRAFFIC, ALARMS = 500, 0.05
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
    return rows + across_domains(encoder)


def across_domains(encoder: Encoder) -> list[Row]:
    """Areas on domains that are left out, alarms on ordinary prompts that look dangerous, and abstention."""
    rows = list[Row]()
    for sample, from_end in (("second sample, ", True), ("", False)):
        learnt = [one for domain, read in DOMAINS.items() for one in of_domain(domain, read(), from_end=from_end)]
        model = train(learnt, encoder)
        rows = [row for one in model.card.left_out for row in of_left_out(one, sample)] + rows
    known = {one.text for one in learnt}
    traffic = [text for text in distinct(harmless_texts(), 2 * EACH_HARMLESS) if text not in known][:TRAFFIC]
    hard, half = ORDINARY_PROMPTS, len(ORDINARY_PROMPTS) // 2
    scores = {name: model.judge(texts, "unseen") for name, texts in (("ordinary", traffic), ("hard", hard))}
    for name, set_from, asked in (
        (f"{len(traffic)} ordinary requests", scores["ordinary"], scores["hard"]),
        (f"{half} others of them", scores["hard"][::2], scores["hard"][1::2]),
        (f"{half} others of them, swapped", scores["hard"][1::2], scores["hard"][::2]),
    ):
        point = operating_points.choose("unseen", set_from, ALARMS, datetime(2026, 1, 1, tzinfo=UTC))
        assert point is not None
        at = max(point.threshold, model.floor("unseen", ALARMS))
        rows.append(
            Row(f"alarms on {len(asked)} ordinary prompts that look dangerous, point set from {name} (goal 0.05)",
                f"{float((asked > at).mean()):.3f}", f"{float((asked > model.floor('unseen', ALARMS)).mean()):.3f}"),
        )  # fmt: skip
    others = {"ordinary requests": scores["ordinary"], "ordinary prompts that look dangerous": scores["hard"]}
    for language in ("chinese", "vietnamese"):
        texts = distinct(strings(json.loads((RED / f"harmful_questions__catqa_{language}.json").read_text())), 200)
        others[f"questions in another script or language ({language})"] = model.judge(texts, "unseen")
    return rows + [
        Row(f"abstains on {len(one)} {name}", f"{float(np.isnan(one).mean()):.3f}") for name, one in others.items()
    ]


def of_left_out(one: DomainLeftOut, sample: str) -> list[Row]:
    what = f"{sample}domain left out, {one.domain} ({one.misuse} of {one.examples} misuse)"
    abstained = f"{one.abstained_harmless:.3f}; {one.abstained_misuse:.3f}"
    return [
        Row(f"{what}: AUPRC, TF-IDF with logistic regression as the floor", str(one.auprc), str(one.tfidf)),
        Row("  the difference (goal 0.05)", str(one.gain)),
        Row("  abstains on harmless; on misuse", abstained),
    ]


def of_domain(domain: str, labelled: Iterator[tuple[str, bool]], *, from_end: bool) -> list[LabelledExample]:
    """The first texts of each kind in the order of their hashes, or the last."""
    seen = {sha256(text.encode()).digest(): (text, misuse) for text, misuse in labelled if text.strip()}
    ordered = [(key, *seen[key]) for key in sorted(seen, reverse=from_end)]
    kinds = [
        [one for one in ordered if one[2] is misuse][:most]
        for misuse, most in ((True, EACH_MISUSE), (False, EACH_HARMLESS))
    ]
    return [
        LabelledExample(id=key[:16], text=text, misuse=misuse, domain=domain)
        for kind in kinds
        for key, text, misuse in kind
    ]


def distinct(texts: Iterator[str], most: int) -> list[str]:
    """The first texts in the order of their hashes, from the end."""
    seen = {sha256(text.encode()).digest(): text for text in texts}
    return [seen[key] for key in sorted(seen, reverse=True)][:most]


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
    ordered = sorted(seen.values(), key=lambda one: one.id[1:])
    kinds = [[one for one in ordered if one.misuse is misuse] for misuse in (True, False)]
    examples = kinds[0][: limit // 4] + kinds[1][: limit - limit // 4]
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


def strings(value: object) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    else:
        for one in value.values() if isinstance(value, dict) else value:  # type: ignore[attr-defined]
            yield from strings(one)


def harmless_texts() -> Iterator[str]:
    yield from (text for text, _, _ in harmless())


def instructions() -> Iterator[tuple[str, bool]]:
    yield from ((text, misuse) for text, misuse, _ in behaviours() if "?" not in text)


def questions() -> Iterator[tuple[str, bool]]:
    for name in ("catqa_english", "harmfulqa", "dangerousqa"):
        yield from ((text, True) for text in strings(json.loads((RED / f"harmful_questions__{name}.json").read_text())))
    with (DATA / "jailbreak-prompts" / "data__questions.csv").open(encoding="utf-8") as file:
        yield from ((one["question"], True) for one in csv.DictReader(file))
    yield from ((text, False) for text in harmless_texts() if "?" in text)


def jailbreaks_among_chats() -> Iterator[tuple[str, bool]]:
    """Jailbreaks, and what people wrote to a shop's, an airline's and a general assistant."""
    yield from ((text, True) for text, misuse, _ in jailbreaks() if misuse)
    for path in sorted((DATA / "tau-bench-traj").glob("*.json.gz")):
        for one in json.loads(gzip.decompress(path.read_bytes())):
            yield "\n".join(m["content"] for m in one["traj"] if m["role"] == "user" and m["content"]), False
    trees = DATA / "oasst-samples" / "model__model_eval__manual__data__en_100_tree.jsonl.gz"
    for line in gzip.decompress(trees.read_bytes()).splitlines():
        yield from ((text, False) for text in prompts(json.loads(line)["prompt"]) if len(text) > 60)


def prompts(node: dict[str, Any]) -> Iterator[str]:
    if node["role"] == "prompter":
        yield node["text"]
    for reply in node.get("replies") or ():
        yield from prompts(reply)


def dialogues() -> Iterator[tuple[str, bool]]:
    """Attempts of people to make an assistant say something harmful, and orders in a coffee bar and the like."""
    red = DATA / "hh-rlhf-harmless-test" / "data.jsonl.gz"
    for line in gzip.decompress(red.read_bytes()).splitlines():
        turns = json.loads(line)["chosen"].split("\n\nHuman:")[1:]
        yield "\n".join(turn.split("\n\nAssistant:")[0].strip() for turn in turns), True
    for path in sorted((DATA / "taskmaster4").glob("*data_*.json.gz")):
        for one in json.loads(gzip.decompress(path.read_bytes())):
            yield "\n".join(said["text"] for said in one["utterances"] if said["speaker"] == "user"), False


SETS: dict[str, Callable[[], Iterator[tuple[str, bool, str]]]] = {
    "sms-spam": sms,
    "jailbreak-prompts": jailbreaks,
    "harm-behaviours": behaviours,
    "hate-speech-tweets": tweets,
}
DOMAINS: dict[str, Callable[[], Iterator[tuple[str, bool]]]] = {
    "sms": lambda: ((text, misuse) for text, misuse, _ in sms()),
    "tweets": lambda: ((text, misuse) for text, misuse, _ in tweets()),
    "instructions": instructions,
    "questions": questions,
    "jailbreaks": jailbreaks_among_chats,
    "dialogues": dialogues,
}

"""How well the misuse classifier tells misuse apart, how fast, and how long exact forgetting takes.

Each data set is split by clusters of near-duplicates, so that no message is scored whose twin was
trained on. Figures are on the part not trained on: areas under the precision-recall curve, and what
is found and what is accused wrongly at the card's point of 1 %. Rates are messages per CPU second
on one thread. The floor is scikit-learn's TF-IDF with logistic regression on the same texts.

Six domains are then learnt at once, and each is left out in turn: on it the classifier abstains,
which is why; the row says what TF-IDF with logistic regression would find there at its own point of
1 %. Alarms on ordinary prompts that look dangerous are counted at the card's point. The data are
read from TESTS_DATA, and never leave it.

    python -m bench safety [MESSAGES]        at most so many messages of each set, a quarter of them misuse
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
from typing import Any

import numpy as np

from bench import Row
from licet.curate.similarity import clusters
from licet.curate.sketches import SIGNATURE_BYTES, normalise_text, signatures
from licet.misuse.classifier import (
    FALSE_ALARMS,
    REPORTED_POINT,
    Figures,
    LabelledExample,
    Model,
    figures,
    train,
)

DATA = Path(os.environ.get("TESTS_DATA") or Path(__file__).parents[2] / "shared" / "data")
RED = DATA / "red-instruct"
MESSAGES = 6_000
EACH_MISUSE, EACH_HARMLESS = 150, 450  # of each domain
FORGOTTEN = 30
RETRAINED = 3_000
GOALS = {"sms-spam": 0.985, "jailbreak-prompts": 0.84}
POINT = FALSE_ALARMS[REPORTED_POINT]


def main(arguments: list[str]) -> list[Row]:
    """Areas by data set, rates, domains that are left out, and the seconds of forgetting."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    limit = int(arguments[0]) if arguments else MESSAGES
    rows: list[Row] = []
    for name, read in SETS.items():
        learnt, test = split(name, read(), limit)
        rows += measured(name, train(learnt), learnt, test)
        if name == "sms-spam":
            rows.append(forgetting(learnt[:RETRAINED]))
    return rows + across_domains()


def across_domains() -> list[Row]:
    """What is found on domains that are left out, and alarms on ordinary prompts that look
    dangerous.
    """
    examples = [
        example for domain, read in DOMAINS.items() for example in of_domain(domain, read())
    ]
    rows = list[Row]()
    for domain in DOMAINS:
        learnt = [example for example in examples if example.domain != domain]
        left_out = [example for example in examples if example.domain == domain]
        abstained = np.isnan(
            train(learnt).judge([example.text for example in left_out], domain)
        ).mean()
        plain = tf_idf(learnt, left_out)
        rows.append(
            Row(
                f"domain left out, {domain}: abstains (goal 1); found, accused wrongly by "
                "TF-IDF at its point of 1 %",
                f"{abstained:.3f}",
                f"{plain.found:.3f}, {plain.false_alarms:.3f}",
            )
        )
    model = train(examples)
    for figure in model.card.domains:
        rows.append(
            Row(
                f"six domains learnt, {figure.slice}: found, accused wrongly at the card's "
                "point of 1 % (goal 3 %)",
                f"{figure.found:.3f}, {figure.false_alarms:.3f}",
            )
        )
    ordinary = model.card.ordinary
    rows.append(
        Row(
            f"alarms on {ordinary.prompts} ordinary prompts that look dangerous, at the "
            "card's point of 1 %",
            f"{ordinary.alarms:.3f}",
        )
    )
    for language in ("chinese", "vietnamese"):
        texts = distinct(
            strings(json.loads((RED / f"harmful_questions__catqa_{language}.json").read_text())),
            200,
        )
        abstained = np.isnan(model.judge(texts, "questions")).mean()
        rows.append(
            Row(
                f"abstains on {len(texts)} questions in a language that it has not learnt "
                f"({language})",
                f"{abstained:.3f}",
            )
        )
    return rows


def tf_idf(learnt: Sequence[LabelledExample], test: Sequence[LabelledExample]) -> Figures:
    """TF-IDF with logistic regression at a point of 1 %, set on one fifth of ``learnt`` that it did
    not learn from.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    kept = [example for example in learnt if example.id[0] % 5]
    aside = [example.text for example in learnt if example.id[0] % 5 == 0 and not example.misuse]
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(solver="liblinear", max_iter=2_000),
    )
    model.fit([example.text for example in kept], [example.misuse for example in kept])
    threshold = float(np.quantile(model.decision_function(aside), 1 - POINT, method="higher"))
    return figures(model.decision_function([example.text for example in test]), test, threshold)[0]


def of_domain(domain: str, labelled: Iterator[tuple[str, bool]]) -> list[LabelledExample]:
    """The first texts of each kind in the order of their hashes."""
    seen = {
        sha256(text.encode()).digest(): (text, misuse) for text, misuse in labelled if text.strip()
    }
    ordered = [(key, *seen[key]) for key in sorted(seen)]
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


def measured(
    name: str, model: Model, learnt: Sequence[LabelledExample], test: Sequence[LabelledExample]
) -> list[Row]:
    begun = process_time()
    scores = model.score([example.text for example in test])
    rate = len(test) / (process_time() - begun)
    whole, *slices = figures(scores, test, model.card.points[REPORTED_POINT].threshold)
    plain = tf_idf(learnt, test)
    goal = f" (goal {GOALS[name]})" if name in GOALS else ""
    rows = [
        Row(
            f"{name}: AUPRC, {len(learnt):,} learnt, {len(test):,} tested, TF-IDF as the "
            f"floor{goal}",
            f"{whole.auprc:.3f}",
            f"{plain.auprc:.3f}",
        ),
        Row(
            f"{name}: found, accused wrongly at 1 %, TF-IDF as the floor (goal 3 %)",
            f"{whole.found:.3f}, {whole.false_alarms:.3f}",
            f"{plain.found:.3f}, {plain.false_alarms:.3f}",
        ),
        Row(f"{name}: messages per CPU second", f"{rate:,.0f}"),
    ]
    for figure in slices:
        what, value = (
            ("found", figure.found) if figure.misuse else ("accused wrongly", figure.false_alarms)
        )
        rows.append(
            Row(
                f"{name}, slice {figure.slice} ({figure.examples:,}): {what} at 1 %", f"{value:.3f}"
            )
        )
    return rows


def forgetting(examples: Sequence[LabelledExample]) -> Row:
    """Seconds to retrain without some rows, checked against never having had them."""
    kept = list(examples)[FORGOTTEN:]
    begun = process_time()
    retrained = train(kept)
    spent = process_time() - begun
    assert retrained.card == train(kept[::-1]).card
    return Row(
        f"forgetting exactly: {FORGOTTEN} of {len(examples):,} rows, CPU seconds (goal 10)",
        f"{spent:.1f}",
    )


def split(
    name: str, labelled: Iterator[tuple[str, bool, str]], limit: int
) -> tuple[list[LabelledExample], list[LabelledExample]]:
    """Seven tenths to learn from and the rest to test on, clusters of near-duplicates undivided;
    one of each cluster.
    """
    seen: dict[bytes, LabelledExample] = {}
    for text, misuse, kind in labelled:
        key = sha256(normalise_text(text)).digest()
        seen.setdefault(
            key, LabelledExample(id=key[:16], text=text, misuse=misuse, slice=kind, domain=name)
        )
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
    for line in (
        (DATA / "sms-spam" / "data__SMSSpamCollection").read_text("utf-8", "replace").splitlines()
    ):
        kind, text = line.split("\t", 1)
        yield text, kind == "spam", kind


def harmless() -> Iterator[tuple[str, bool, str]]:
    for part in ("train", "val", "test"):
        with gzip.open(
            DATA / "harm-behaviours" / f"data__refusal_direction__harmless_{part}.json.gz", "rt"
        ) as file:
            yield from ((one["instruction"], False, "harmless") for one in json.load(file))


def jailbreaks() -> Iterator[tuple[str, bool, str]]:
    csv.field_size_limit(2**24)
    with (DATA / "jailbreak-prompts" / "data__jailbreak_prompts.csv").open(
        encoding="utf-8"
    ) as file:
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
    with gzip.open(
        DATA / "hate-speech-tweets" / "data__labeled_data.csv.gz", "rt", encoding="utf-8"
    ) as file:
        for one in csv.DictReader(file):
            yield (
                one["tweet"],
                one["class"] != "2",
                ("hate", "offensive", "neither")[int(one["class"])],
            )


def strings(value: object) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    else:
        for one in value.values() if isinstance(value, dict) else value:  # type: ignore[attr-defined]  # JSON
            yield from strings(one)


def harmless_texts() -> Iterator[str]:
    yield from (text for text, _, _ in harmless())


def instructions() -> Iterator[tuple[str, bool]]:
    yield from ((text, misuse) for text, misuse, _ in behaviours() if "?" not in text)


def questions() -> Iterator[tuple[str, bool]]:
    for name in ("catqa_english", "harmfulqa", "dangerousqa"):
        yield from (
            (text, True)
            for text in strings(json.loads((RED / f"harmful_questions__{name}.json").read_text()))
        )
    with (DATA / "jailbreak-prompts" / "data__questions.csv").open(encoding="utf-8") as file:
        yield from ((one["question"], True) for one in csv.DictReader(file))
    yield from ((text, False) for text in harmless_texts() if "?" in text)


def jailbreaks_among_chats() -> Iterator[tuple[str, bool]]:
    """Jailbreaks, and what people wrote to a shop's, an airline's and a general assistant."""
    yield from ((text, True) for text, misuse, _ in jailbreaks() if misuse)
    for path in sorted((DATA / "tau-bench-traj").glob("*.json.gz")):
        for one in json.loads(gzip.decompress(path.read_bytes())):
            yield (
                "\n".join(
                    m["content"] for m in one["traj"] if m["role"] == "user" and m["content"]
                ),
                False,
            )
    trees = DATA / "oasst-samples" / "model__model_eval__manual__data__en_100_tree.jsonl.gz"
    for line in gzip.decompress(trees.read_bytes()).splitlines():
        yield from ((text, False) for text in prompts(json.loads(line)["prompt"]) if len(text) > 60)


def prompts(node: dict[str, Any]) -> Iterator[str]:
    if node["role"] == "prompter":
        yield node["text"]
    for reply in node.get("replies") or ():
        yield from prompts(reply)


def dialogues() -> Iterator[tuple[str, bool]]:
    """Attempts of people to make an assistant say something harmful, and orders in a coffee bar and
    the like.
    """
    red = DATA / "hh-rlhf-harmless-test" / "data.jsonl.gz"
    for line in gzip.decompress(red.read_bytes()).splitlines():
        turns = json.loads(line)["chosen"].split("\n\nHuman:")[1:]
        yield "\n".join(turn.split("\n\nAssistant:")[0].strip() for turn in turns), True
    for path in sorted((DATA / "taskmaster4").glob("*data_*.json.gz")):
        for one in json.loads(gzip.decompress(path.read_bytes())):
            yield (
                "\n".join(said["text"] for said in one["utterances"] if said["speaker"] == "user"),
                False,
            )


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

"""The structured layer of de-identification: how fast, beside one scan of the same bytes, and how
much it finds.

python -m bench identifiers

The text is what people wrote to assistants (BENCH_DATA, by default ../shared/data). The floor of
speed is one scan of the same bytes by all patterns at once that tells no place: Vectorscan where
`hyperscan` is installed, otherwise RE2's set, which the rules use as their first step. Quality is
on presidio-research's labelled texts, beside issue 7's goals; `presidio` where `presidio-analyzer`
is installed: its pattern recognisers, without a language model.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from bench import Row
from bench.names import DATA, presidio
from licet.curate import deidentify, rules
from licet.curate.names_labelled import LabelledText

MEGABYTES = 6
KEY = bytes(32)
GOALS = {
    "card": 0.95,
    "phone": 0.95,
    "email": 1.0,
    "iban": 1.0,
    "ip": 1.0,
    "national_id": 0.95,
    "precision": 0.97,
}
CHATS_MB, CODING_MB = 40, 20


def coding() -> list[list[str]]:
    """Sessions of coding agents, message by message."""
    talks = []
    for file in sorted((DATA / "swe-agent-traj").glob("*.gz")):
        made = json.loads(gzip.decompress(file.read_bytes()))
        said = [
            str(message.get("content") or "")
            for message in made.get("history") or made.get("trajectory") or ()
        ]
        talks.append([text for text in said if text])
    return talks * max(
        1, MEGABYTES * 250_000 // max(1, sum(len(text) for talk in talks for text in talk))
    )


def chats() -> list[list[str]]:
    """Conversations, turn by turn."""
    file = DATA / "hh-rlhf-harmless-test" / "data.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    talks = [[turn for turn in row["chosen"].split("\n\n") if turn] for row in rows]
    size = sum(len(turn.encode()) for turns in talks for turn in turns)
    return talks * max(1, MEGABYTES * 1_000_000 // size)


def speed() -> Iterator[Row]:
    for what, talks, goal in (
        ("chats", chats(), CHATS_MB),
        ("coding sessions", coding(), CODING_MB),
    ):
        whole = ["\n".join(turns).encode() for turns in talks]
        size = sum(map(len, whole)) / 1e6
        for turns in talks:
            # the automata are made as texts need them, once a process
            deidentify.deidentify(turns, KEY)
        name, floor = scanned(whole)
        started = time.process_time()
        for turns in talks:
            deidentify.deidentify(turns, KEY)
        figure = size / (time.process_time() - started)
        what = f"{what}: found and replaced, MB a second and core, of {size:.1f} MB (goal: {goal})"
        yield Row(what, f"{figure:.1f}", f"{goal}", f"{figure / goal:.2f}")
        yield Row(
            f"  beside one scan by {name}",
            f"{figure:.1f}",
            f"{size / floor:.0f}",
            f"{figure * floor / size:.3f}",
        )


def scanned(whole: Sequence[bytes]) -> tuple[str, float]:
    """What scans, and the seconds of one scan by every pattern."""
    book = rules.load_rules()
    if importlib.util.find_spec("hyperscan") is None:
        book.suspects(b"warm")
        started = time.process_time()
        for data in whole:
            book.suspects(data)
        return "RE2's set", time.process_time() - started
    import hyperscan

    patterns = [rules.trigger(rule).removeprefix("(?m)").encode() for rule in book.rules]
    database = hyperscan.Database()
    flags = [
        hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_UTF8
    ] * len(patterns)
    database.compile(
        expressions=patterns, ids=list(range(len(patterns))), elements=len(patterns), flags=flags
    )
    started = time.process_time()
    for data in whole:
        database.scan(data, match_event_handler=lambda *_: None)
    return "Vectorscan", time.process_time() - started


def quality(labelled: Sequence[LabelledText]) -> Iterator[Row]:
    """Recall of structured kinds by spans of that kind, and the share of spans that are right."""
    total: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    right = spans = 0
    for one in labelled:
        found = deidentify.detect([one.text])[0]
        structured = [value for value in one.spans if value[2].value in GOALS]
        for start, end, kind in structured:
            total[kind] += 1
            covered = sum(
                max(0, min(s.end, end) - max(s.start, start)) for s in found if s.kind is kind
            )
            hit[kind] += covered >= 0.8 * (end - start)
        spans += len(found)
        right += sum(
            any(2 * (min(s.end, e) - max(s.start, b)) >= s.end - s.start for b, e, _ in one.spans)
            for s in found
        )
    for kind, count in sorted(total.items()):
        share, goal = hit[kind] / count, GOALS[kind]
        yield Row(
            f"  {kind} found, of {count:,}", f"{share:.3f}", f"{goal:.2f}", f"{share / goal:.2f}"
        )
    share = right / max(spans, 1)
    yield Row(
        f"  spans that are right, of {spans:,}",
        f"{share:.3f}",
        f"{GOALS['precision']:.2f}",
        f"{share / 0.97:.2f}",
    )


def main(_arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    if not DATA.is_dir():
        return [Row(f"no data at {DATA}: set BENCH_DATA", "-")]
    return [*speed(), *quality(presidio()), *others(presidio())]


def presidio_engine() -> object:
    """Presidio's pattern recognisers, every one of them, without a model of language."""
    import logging

    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    logging.disable(logging.WARNING)

    class Blank(NlpEngine):  # type: ignore[misc]  # optional
        """No language model: patterns and check digits only."""

        def load(self) -> None: ...
        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> NlpArtifacts:
            return NlpArtifacts([], [], [], [], self, language)

        def process_batch(
            self, texts: Sequence[str], language: str, **_: object
        ) -> Iterator[object]:
            return iter(())

        def is_stopword(self, word: str, language: str) -> bool:
            return False

        def is_punct(self, word: str, language: str) -> bool:
            return False

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return ["en"]

    return AnalyzerEngine(nlp_engine=Blank(), supported_languages=["en"])


def others(labelled: Sequence[LabelledText]) -> Iterator[Row]:
    """Presidio's pattern recognisers on the same texts."""
    if importlib.util.find_spec("presidio_analyzer") is None:
        return
    engine: Any = presidio_engine()
    started = time.process_time()
    found = [engine.analyze(one.text, language="en", score_threshold=0.35) for one in labelled]
    size = sum(len(one.text.encode()) for one in labelled) / 1e6
    yield Row(
        "  Presidio's patterns, MB a second and core",
        f"{size / (time.process_time() - started):.2f}",
    )
    total: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    for one, own in zip(labelled, found, strict=True):
        for start, end, kind in one.spans:
            if kind.value in GOALS:
                total[kind] += 1
                hit[kind] += sum(
                    max(0, min(s.end, end) - max(s.start, start)) for s in own
                ) >= 0.8 * (end - start)
    for kind, count in sorted(total.items()):
        yield Row(f"  Presidio's patterns, {kind} found, of {count:,}", f"{hit[kind] / count:.3f}")

"""What others do for the same work, in one run on one machine, on equal text, warm, in processor
time.

    pip install datasketch datatrove presidio-analyzer scrubadub cedarpy opa-eval mosaicml-streaming
    npm install @c15t/backend kysely pg, in a folder that BENCH_C15T names
    python -m bench peers

A peer that is not installed has a row that says so. Texts are the chats of `BENCH_DATA`;
identifiers are those of its labelled sentences. Engines of rules answer the questions of
`deciding_peers`, services of consent those of `consent_peers`, loaders read the rows of `training`:
each of these is the same code as there.
"""

from __future__ import annotations

import importlib.util
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from bench import Row, consent_peers, deciding_peers, training
from bench.identifiers import GOALS, chats, presidio_engine
from bench.names import DATA, presidio
from licet.curate import compiled, deidentify, sketches
from licet.curate.names_labelled import LabelledText

SKETCHED_MB, LABELLED_TEXTS = 3.0, 1_500
KEY = bytes(range(32))
Spans = Callable[[str], Sequence[tuple[int, int]]]


def main(_arguments: list[str]) -> list[Row]:
    rows: list[Row] = []
    if DATA.is_dir():
        rows += [*near_copies(), *identifiers(presidio()[:LABELLED_TEXTS])]
    else:
        rows.append(Row("near copies and identifiers: the data sets are not here", "-"))
    rows += deciding_peers.main(["1"])
    with tempfile.TemporaryDirectory(prefix="licet-peers-") as folder:
        withdrawn = Random(3).sample(
            range(training.UNIVERSE), int(training.UNIVERSE * training.SHARE)
        )
        rows += [
            *training.on_hugging_face(4_000, training.published(Path(folder), withdrawn), withdrawn)
        ]
        rows += training.on_others(4_000, withdrawn, Path(folder))
    return [*rows, *consent_peers.main(["--rounds", "3", "--seconds", "3"])]


def rate(size: float, run: Callable[[], object]) -> float:
    """Megabytes a second and core of a run after one that is not counted."""
    run()
    began = time.process_time()
    run()
    return size / (time.process_time() - began)


# Near copies


def near_copies() -> Iterator[Row]:
    """Signatures of 128 places (of datatrove its 112) over shingles of five words."""
    texts: list[str] = []
    for turns in chats():
        texts.append("\n".join(turns))
        if sum(map(len, texts)) > SKETCHED_MB * 1e6:
            break
    size = sum(len(text.encode()) for text in texts) / 1e6
    compiled.PLAIN_BYTES = 1 << 60
    plain = rate(size, partial(_signed, texts))
    ours = {"numpy": plain}
    if compiled.is_installed():
        compiled.PLAIN_BYTES = 0
        compiled.allow()
        ours["compiled"] = rate(size, partial(_signed, texts))
    for how, figure in ours.items():
        for name, run in (("datasketch", with_datasketch), ("datatrove", with_datatrove)):
            what = f"signatures of {size:.1f} MB of chats, MB a second and core, {how}; {name}"
            if importlib.util.find_spec(name) is None:
                yield Row(f"{name} is not installed", "-")
            else:
                theirs = rate(size, partial(run, texts))
                yield Row(what, f"{figure:.1f}", f"{theirs:.2f}", f"{figure / theirs:.0f}")


def _signed(texts: Sequence[str]) -> None:
    for start in range(0, len(texts), 1_000):
        sketches.signatures(texts[start : start + 1_000], KEY)


def with_datasketch(texts: Sequence[str]) -> None:
    from datasketch import MinHash

    for text in texts:
        words = re.findall(r"\w+", text.lower())
        made = MinHash(num_perm=128)
        made.update_batch(
            [" ".join(words[n : n + 5]).encode() for n in range(max(len(words) - 4, 1))]
        )


def with_datatrove(texts: Sequence[str]) -> None:
    """The first stage of its pipeline, without its files."""
    from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

    with tempfile.TemporaryDirectory() as folder:
        step = MinhashDedupSignature(folder)
        for text in texts:
            found = step.get_shingles(text)
            if found.size:
                step.get_signature(found)


# Identifiers


def identifiers(labelled: Sequence[LabelledText]) -> Iterator[Row]:
    """Speed, and the share of the labelled structured identifiers of which at least 80 % was
    found.
    """
    size = sum(len(one.text.encode()) for one in labelled) / 1e6
    engines: dict[str, Spans] = {"Licet": _ours}
    if importlib.util.find_spec("presidio_analyzer") is not None:
        engine: Any = presidio_engine()
        engines["Presidio"] = lambda text: [
            (one.start, one.end)
            for one in engine.analyze(text, language="en", score_threshold=0.35)
        ]
    if importlib.util.find_spec("scrubadub") is not None:
        engines["scrubadub"] = scrubber()
    mine = 0.0
    for name, spans in engines.items():
        figure = rate(size, lambda spans=spans: [spans(one.text) for one in labelled])  # type: ignore[misc]  # an untyped default
        mine = mine or figure
        yield Row(
            f"identifiers of {len(labelled):,} sentences, MB a second and core; {name}",
            f"{mine:.2f}",
            f"{figure:.3f}",
            f"{mine / figure:.0f}",
        )
        yield Row(f"  found of {_labels(labelled):,}, {name}", f"{found(labelled, spans):.3f}")


def _ours(text: str) -> Sequence[tuple[int, int]]:
    return [(one.start, one.end) for one in deidentify.detect([text])[0]]


def scrubber() -> Spans:
    import scrubadub

    made = scrubadub.Scrubber()
    return lambda text: [(one.beg, one.end) for one in made.iter_filth(text)]


def _labels(labelled: Sequence[LabelledText]) -> int:
    return sum(kind.value in GOALS for one in labelled for _, _, kind in one.spans)


def found(labelled: Sequence[LabelledText], spans: Spans) -> float:
    counted: Counter[bool] = Counter()
    for one in labelled:
        theirs = spans(one.text)
        for start, end, kind in one.spans:
            if kind.value in GOALS:
                covered = sum(max(0, min(last, end) - max(first, start)) for first, last in theirs)
                counted[covered >= 0.8 * (end - start)] += 1
    return counted[True] / max(counted.total(), 1)

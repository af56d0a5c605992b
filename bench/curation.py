"""Deduplication by the chat, how much of it is right, and what each step of curation costs beside
reading the words once.

python -m bench curation [CHATS]

The chats are drawn words: one in ten is an exact copy of an earlier one, and one in ten a copy in
which words were replaced, to a true Jaccard similarity of 0.7 or more. datasketch and Daft run
where they are installed: same shingles, 128 permutations.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random

import numpy as np
import pyarrow as pa

from bench import Row
from bench.identifiers import chats as said
from bench.identifiers import coding
from bench.names import DATA
from licet.curate import compiled, dedupe, sketches
from licet.curate.batches import batches, column
from licet.curate.kernels import Kernel, LabelKernel, SketchKernel
from licet.curate.plan import plan
from licet.curate.release_build import RuleCleaner
from licet.policy.state import ConversationKind
from licet.release.curation import Document, Voice

CHATS = 200_000
PAGE = 256
COMPARED = 5_000
ELECTED = (5, 20)  # times the chats: documents of an election
KEY = bytes(32)
WORDS = 50_000


def drawn(count: int, draw: Random) -> tuple[list[str], np.ndarray, list[str]]:
    """Chats; the number of the one each is a copy of, or -1; and whether it is new, exact or
    near.
    """
    vocabulary = [
        "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9)))
        for _ in range(WORDS)
    ]
    chats: list[str] = []
    source = np.full(count, -1)
    sort: list[str] = []
    for n in range(count):
        what = draw.choices(("new", "exact", "near"), (8, 1, 1))[0] if n else "new"
        if what != "new":
            of = draw.randrange(n)
            while source[of] >= 0:
                of = draw.randrange(n)
            source[n] = of
            text = chats[of] if what == "exact" else near(chats[of], vocabulary, draw)
        else:
            text = " ".join(draw.choices(vocabulary, k=draw.randint(60, 300)))
        chats.append(text)
        sort.append(what)
    return chats, source, sort


def near(text: str, vocabulary: list[str], draw: Random) -> str:
    words = text.split()
    while True:
        changed = words.copy()
        for at in draw.sample(range(len(words)), draw.randint(1, max(len(words) // 25, 1))):
            changed[at] = draw.choice(vocabulary)
        if jaccard(words, changed) >= 0.7:
            return " ".join(changed)


def jaccard(one: list[str], other: list[str]) -> float:
    left, right = ({tuple(t[n : n + 5]) for n in range(len(t) - 4)} for t in (one, other))
    return len(left & right) / len(left | right)


def sketch_of(number: int, text: str, signature: bytes) -> dedupe.Sketch:
    return dedupe.Sketch(
        order=number.to_bytes(8, "big"),
        whole=sketches.exact_each([text], KEY)[0],
        whole_signature=signature,
        turns=(),
        weights=(),
        turn_signatures=(),
    )


def deduplicated(chats: list[str]) -> np.ndarray:
    """Whether each lost, by sketches and the election."""
    election = dedupe.Election()
    for start in range(0, len(chats), PAGE):
        page = chats[start : start + PAGE]
        for number, (text, signature) in enumerate(
            zip(page, sketches.signatures(page, KEY), strict=True), start
        ):
            election.enter(sketch_of(number, text, signature))
    lost = election.outcome().lost
    election.close()
    return lost


def with_datasketch(chats: list[str]) -> None:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=0.7, num_perm=128)
    for number, text in enumerate(chats):
        words = re.findall(r"\w+", text.lower())
        made = MinHash(num_perm=128)
        made.update_batch(
            [" ".join(words[n : n + 5]).encode() for n in range(max(len(words) - 4, 1))]
        )
        index.query(made)
        index.insert(number, made)


def with_daft(chats: list[str]) -> None:
    """Signatures only: bands, verification and clusters come on top."""
    os.environ.update({"DAFT_ANALYTICS_ENABLED": "0", "DO_NOT_TRACK": "1"})
    import daft

    frame = daft.from_pydict({"text": chats})
    made = daft.functions.minhash(
        daft.functions.normalize(frame["text"], lowercase=True), num_hashes=128, ngram_size=5
    )
    frame.select(made).collect()


def others(chats: list[str], ours: float) -> Iterator[Row]:
    for name, run in (("datasketch", with_datasketch), ("daft", with_daft)):
        if importlib.util.find_spec(name) is not None:
            cost = timed(run, chats[:COMPARED]) / COMPARED
            yield Row(
                f"  {name}, chats a second and core",
                f"{1 / cost:,.0f}",
                f"{ours:,.0f}",
                f"{1 / cost / ours:.2f}",
            )


# An election of so many made-up sketches, as a program: it prints processor seconds, and the
# anonymous memory that it took.
_ELECTION = """
import sys, threading, time
import numpy as np
from licet.curate import dedupe

def anonymous():
    said = open("/proc/self/smaps_rollup").read()
    return int(said.split("Anonymous:")[1].split()[0]) * 1024

count, turns = int(sys.argv[1]), 4
draw = np.random.default_rng(1)
election, before, seen = dedupe.Election(), anonymous(), [0]

def watch():
    while True:
        seen[0] = max(seen[0], anonymous())
        time.sleep(0.1)

threading.Thread(target=watch, daemon=True).start()
begun = time.process_time()
for start in range(0, count, 10_000):
    signatures = draw.integers(0, 2**32, (10_000, 128), dtype=np.uint32)
    hashes = draw.integers(0, 2**63, (10_000, turns + 2), dtype=np.uint64)
    hashes[::10] = draw.integers(0, 50, hashes[::10].shape, dtype=np.uint64)  # what many say
    for n in range(10_000):
        order, whole, *said = (one.tobytes() for one in hashes[n])
        election.enter(dedupe.Sketch(order=order, whole=whole, whole_signature=signatures[n].tobytes(), turns=tuple(said),
                                     weights=(100,) * turns, turn_signatures=(b"",) * turns))
election.outcome()
print(time.process_time() - begun, max(seen) - before)
"""


def memory(chats: int) -> Iterator[Row]:
    """What an election takes as it grows: memory that is not of files, and processor time a
    document.
    """
    for times in ELECTED:
        count = times * chats
        told = subprocess.run(
            [sys.executable, "-c", _ELECTION, str(count)],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, taken = map(float, told.stdout.split())
        yield Row(
            f"an election of {count:,} documents of four turns: MB of memory beside files; "
            "us a document",
            f"{taken / 1e6:.0f}; {1e6 * seconds / count:.1f}",
            "",
        )


def timed(run: Callable[..., object], *arguments: object) -> float:
    started = time.process_time()
    run(*arguments)
    return time.process_time() - started


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    count = int(arguments[0]) if arguments else CHATS
    chats, _, sort = drawn(count, Random(1))
    text_bytes = sum(map(len, chats))
    floor = count / timed(lambda: [text.casefold().split() for text in chats])
    started = time.process_time()
    lost = deduplicated(chats)
    speed = count / (time.process_time() - started)
    kinds = np.array(sort)
    new, exact, alike = (lost[kinds == what] for what in ("new", "exact", "near"))
    rows = [
        Row(
            f"deduplicate {count:,} chats, a second and core",
            f"{speed:,.0f}",
            f"{floor:,.0f}",
            f"{speed / floor:.2f}",
        ),
        Row(
            "  MB a second and core",
            f"{speed * text_bytes / count / 1e6:.0f}",
            f"{floor * text_bytes / count / 1e6:.0f}",
        ),
        Row("  exact copies found, %", f"{100 * exact.mean():.2f}", "100"),
        Row("  near copies found, %", f"{100 * alike.mean():.2f}", "93"),
        Row("  new chats taken for copies, %", f"{100 * new.mean():.4f}", "0.1"),
        *others(chats, speed),
    ]
    return [*rows, *steps(chats[: 4 * PAGE]), *labelled(), *memory(count)]


def labelled() -> Iterator[Row]:
    """Labels and sketches of what people wrote, by the plain code and by the compiled loops, beside
    splitting into words.
    """
    if not DATA.is_dir():
        return
    for what, kind, talks in (
        ("chats", ConversationKind.chat, said()),
        ("coding sessions", ConversationKind.code, coding()),
    ):
        size = sum(len(text.encode()) for talk in talks for text in talk) / 1e6
        given = list(batches(_documents(talks, kind)))
        floor = size / timed(
            lambda talks=talks: [text.casefold().split() for talk in talks for text in talk]
        )
        for how, plain_bytes in (("plain", 1 << 60), ("compiled", 0)):
            if how == "compiled" and not compiled.is_installed():
                continue
            compiled.PLAIN_BYTES = plain_bytes
            compiled.allow()
            steps_of = SketchKernel(key=KEY), LabelKernel()
            read = partial(_each, steps_of, given)
            read()  # tables are made, and loops are loaded, once a process
            figure = size / timed(read)
            name = f"label and sketch {what}, {how}, MB a second and core (goal: 60)"
            yield Row(name, f"{figure:.1f}", f"{floor:.0f}", f"{figure / floor:.2f}")


def _each(steps_of: Sequence[Kernel], given: Sequence[pa.RecordBatch]) -> None:
    for batch in given:
        for step in steps_of:
            step(batch)


def _documents(talks: Sequence[Sequence[str]], kind: ConversationKind) -> list[Document]:
    voices = (Voice.user, Voice.assistant)
    return [
        Document(
            account=bytes(16),
            name=n.to_bytes(16, "big"),
            kind=kind,
            key=KEY,
            voices=tuple(voices[k % 2] for k in range(len(talk))),
            texts=tuple(talk),
        )
        for n, talk in enumerate(talks)
    ]


def steps(chats: list[str]) -> list[Row]:
    """What each step costs, by the chat of two turns."""
    documents = [
        Document(
            account=bytes(16),
            name=str(n).encode(),
            kind=ConversationKind.chat,
            key=KEY,
            voices=(Voice.user, Voice.assistant),
            texts=(text[: len(text) // 2], text[len(text) // 2 :]),
        )
        for n, text in enumerate(chats)
    ]
    found = []
    given = list(batches(documents))
    for step in plan(RuleCleaner(), KEY).steps:
        started = time.process_time()
        given = [step(batch) for batch in given]
        cost = time.process_time() - started
        floor = timed(lambda now=given: [column(batch, "texts") for batch in now])
        name = str(step.declared["step"])
        found.append(
            Row(
                f"  {name}, us a chat",
                *(f"{1e6 * c / len(chats):.1f}" for c in (cost, floor)),
                f"{floor / cost:.2f}",
            )
        )
    return found

"""The likeliest language of a text, by py3langid's model of 142 languages: naive Bayes over byte
n-grams (Lui and Baldwin 2012).

The model's file is py3langid's; the reading is ours, by `language_loops` where the loops are
loaded and by `plain` elsewhere. Entries are multiples of 1 / `LANGUAGE_SCALE` and kept as such: the
loops add them as integers, `plain` adds in double precision, so that a label does not depend on the
order of addition.

Score of a class: its prior plus, for each n-gram of the text, log(1 + occurrences) times its entry;
divided by the square root of the text's bytes, and normalised over all classes (softmax).
"""

from __future__ import annotations

import lzma
import math
import shutil
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from licet.curate import heap
from licet.curate.loop_shared import GOLDEN, LANGUAGE_COLUMNS, LANGUAGE_SCALE
from licet.errors import BrokenError

UNDETERMINED = "und"
# The ISO 639-3 macrolanguage of a variety, and undetermined for no language (codes, numbers).
_SAME = {
    "nb": "no",
    "nn": "no",
    "wuu": "zh",
    "yue": "zh",
    "arz": "ar",
    "ary": "ar",
    "zxx": UNDETERMINED,
}
# Rare languages near a frequent one, which they do not make less likely.
_NEIGHBOURS = frozenset({"gl", "ext", "an", "oc", "vec", "lij"})
_ROWS_AT_ONCE = 4_096
_RUNS_AT_ONCE = 1 << 15


class LanguageModel(NamedTuple):
    """``blocks``: the next state by block and lower four bits of a byte; ``block_of``: the block by
    row and upper four; ``rows``: the row of each state; ``features``: the n-gram that ends in a
    state, or -1; ``table``: the entry by n-gram and class, times `LANGUAGE_SCALE`; ``group``: the
    number of each class's name in ``names``.
    """

    blocks: NDArray[np.uint32]
    block_of: NDArray[Any]
    rows: NDArray[Any]
    features: NDArray[np.int32]
    table: NDArray[np.int16]
    priors: NDArray[np.float64]
    group: NDArray[np.int64]
    is_neighbour: NDArray[np.bool_]  # of names
    names: tuple[str, ...]


@cache
def model() -> LanguageModel:
    """The model, read once a process in half a second."""
    # no py.typed
    from py3langid.langid import MODEL_DIR, MODEL_FILE  # type: ignore[import-untyped]

    # Large arrays are converted slice by slice: `load_model` has all in memory twice.
    with tempfile.TemporaryFile() as unpacked:
        with lzma.open(MODEL_DIR / MODEL_FILE) as packed:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
        unpacked.seek(0)
        with np.load(unpacked) as held:
            blocks, block_of = _shared_blocks(held)
            heap.trim()
            table = _scaled(held)
            of_class = [_SAME.get(name, name) for name in held["classes"].tolist()]
            names = tuple(dict.fromkeys(of_class))
            made = LanguageModel(
                blocks=blocks,
                block_of=block_of,
                rows=held["nextmove_row"],
                features=held["out_feat"].astype(np.int32),
                table=table,
                priors=held["pc"].astype(np.float64),
                group=np.array([names.index(name) for name in of_class], np.int64),
                is_neighbour=np.array([name in _NEIGHBOURS for name in names], np.bool_),
                names=names,
            )
    heap.trim()
    return made


def _slices(held: NpzFile, name: str, values: int) -> Iterator[NDArray[Any]]:
    """An array of the file in slices of so many values."""
    assert held.zip is not None  # it is open
    with held.zip.open(f"{name}.npy") as stream:
        np.lib.format.read_magic(stream)
        _, _, dtype = np.lib.format.read_array_header_1_0(stream)
        while data := stream.read(values * dtype.itemsize):
            yield np.frombuffer(data, dtype)


def _runs(held: NpzFile) -> Iterator[NDArray[np.uint32]]:
    """The moves in runs of 16."""
    return (own.reshape(-1, 16) for own in _slices(held, "nextmove", 16 * _RUNS_AT_ONCE))


def _shared_blocks(held: NpzFile) -> tuple[NDArray[np.uint32], NDArray[Any]]:
    """The distinct runs of 16 of the moves, one behind another, and of each run its number: an
    eighth of the bytes, most of which a core's cache holds.
    """
    keys = np.concatenate(list(map(_keys, _runs(held))))
    _, first, number = np.unique(keys, return_index=True, return_inverse=True)
    number = number.astype(np.uint16 if len(first) < 1 << 16 else np.uint32)
    blocks, start = np.empty((len(first), 16), np.uint32), 0
    for own in _runs(held):
        stop = start + len(own)
        chunk = np.flatnonzero((first >= start) & (first < stop))
        blocks[chunk] = own[first[chunk] - start]
        if not np.array_equal(blocks[number[start:stop]], own):
            raise BrokenError("two states of the model of languages have the same key")
        start = stop
    return blocks.ravel(), number


def _keys(runs: NDArray[np.uint32]) -> NDArray[np.uint64]:
    keys = np.zeros(len(runs), np.uint64)
    for column in range(16):
        keys *= np.uint64(GOLDEN)
        keys += runs[:, column]
    return keys


def _scaled(held: NpzFile) -> NDArray[np.int16]:
    """The entries times `LANGUAGE_SCALE`, in rows of `LANGUAGE_COLUMNS`."""
    table, classes = np.zeros((len(held["out_feat"]), LANGUAGE_COLUMNS), np.int16), len(held["pc"])
    start = 0
    for entries in _slices(held, "ptc", classes * _ROWS_AT_ONCE):
        wide = entries.reshape(-1, classes).astype(np.float32) * LANGUAGE_SCALE
        own = table[start : start + len(wide), :classes]
        own[:] = wide
        if not np.array_equal(own, wide):
            raise BrokenError("an entry of the model of languages is no multiple of 1 / 512")
        start += len(wide)
    return table[:start]


def model_version() -> str:
    """The package and version of the model, for the plan of a release."""
    return f"py3langid {version('py3langid')}"


def likeliest(
    documents: Sequence[Sequence[str]], *, compiled: bool = False
) -> list[list[tuple[str, float]]]:
    """The likeliest language of each piece of each document and its probability, and behind them
    those of the document's pieces joined by blanks.
    """
    known = model()
    read = [list(map(_read, pieces)) for pieces in documents]
    joined = [b" ".join(pieces) for pieces in read]
    # lower-casing applies only if the whole document is in capitals
    apart = {
        number: whole
        for number, pieces in enumerate(documents)
        if any(map(str.isupper, pieces)) and (whole := _read(" ".join(pieces))) != joined[number]
    }
    if not compiled:
        return [
            [plain(one, known) for one in (*pieces, apart.get(number, joined[number]))]
            for number, pieces in enumerate(read)
        ]
    from licet.curate import language_loops

    data = [*read, *([whole] for whole in apart.values())]
    ends, firsts = (
        np.cumsum([0, *map(len, own)], dtype=np.int64) for own in (chain.from_iterable(data), data)
    )
    bytes_of_all = np.frombuffer(b"".join(chain.from_iterable(data)), np.uint8)
    names, shares = language_loops.languages(bytes_of_all, ends, firsts, known[:4], *known[4:8])
    results = zip(
        (known.names[name] if name >= 0 else UNDETERMINED for name in names.tolist()),
        shares.tolist(),
        strict=True,
    )
    out = [list(islice(results, len(pieces) + 1)) for pieces in data]
    for number, alone in zip(apart, out[len(documents) :], strict=True):
        out[number][-1] = alone[-1]
    return out[: len(documents)]


def _read(text: str) -> bytes:
    """A text as the model was made for: composed, and in small letters if all are capitals."""
    if text.isupper():
        text = text.lower()
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")


def plain(data: bytes, model: LanguageModel) -> tuple[str, float]:
    """The likeliest language of a text in UTF-8 and its probability; undetermined if empty."""
    if not data:
        return UNDETERMINED, 0.0
    blocks, block_of, rows, features = _plain_tables()
    state, seen = 0, list[int]()
    for byte in data:
        state = blocks[block_of[rows[state] << 4 | byte >> 4] << 4 | byte & 15]
        if (feature := features[state]) >= 0:
            seen.append(feature)
    counts = Counter(seen)
    weights = np.log1p(np.fromiter(counts.values(), np.float64, len(counts)))
    entries = model.table[np.fromiter(counts, np.int64, len(counts)), : len(model.priors)]
    scores: NDArray[Any] = np.zeros(len(model.priors))
    if seen:
        scores = weights @ entries.astype(np.float64) / LANGUAGE_SCALE + model.priors
    scores = np.exp((scores - np.max(scores)) / math.sqrt(len(data)))
    shares: NDArray[Any] = np.bincount(model.group, scores / scores.sum())
    name = int(np.argmax(shares))
    share = shares[name]
    if not model.is_neighbour[name]:
        share += shares[model.is_neighbour].sum()
    return model.names[name], float(share)


@cache
def _plain_tables() -> tuple[memoryview, memoryview, memoryview, memoryview]:
    """The tables as memory views, which Python indexes quickly."""
    known = model()
    return (
        memoryview(known.blocks),
        memoryview(known.block_of),
        memoryview(known.rows),
        memoryview(known.features),
    )

"""Names and addresses in running text by the tagger that ships with this package: numpy and nothing else.

Promises:
- What serves is the file of weights beside this module, by its hash; the manifest there says what it was trained on.
- ``detect`` gives the spans of each text by itself: what it finds in one depends on no other text.
- It needs no extra, no download and no particular processor. Words met are kept in memory, at most ``ROWS_MAX``.

A text is cut into words, numbers and signs; in scripts without blanks each character is one. A token is the sum of the
vectors of its hashed features (the word, its beginning and end, how it is written, its script; a character with its
neighbours), after "hash embeddings" (Svenstrup et al., NeurIPS 2017; Bloom embeddings in spaCy). Three convolutions let
it see ten tokens on either side, and each token gets the likelihood of each label of ``names.LABELS``.

What is a name with a likelihood of ``LIKELY_MIN`` counts as one, and nothing is doubtful unless `names_sure` is raised: with
so small a network doubt would leave out one chat in eight.

The training: tools/name_tagger/built_in.py. Recall is measured, not promised: names_measure.py.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.curate.detect import DetectedSpan, sound
from licet.curate.names import LABELS, joined
from licet.curate.rules import IdentifierKind
from licet.errors import InputError

FOLDER, WEIGHTS_FILE, MANIFEST_FILE = "names_weights", "tagger.npz", "manifest.json"
BUCKETS, FEATURES = 1 << 15, 10  # bucket 0 is nothing
LAYERS = ((5, 1), (5, 2), (3, 4))  # width in tokens, and how far apart
REACH = sum((width // 2) * apart for width, apart in LAYERS)
CHUNK_TOKENS = 2_048
BLOCK_TOKENS = 28  # 28 * 96 * 96 multiplications are the most that OpenBLAS leaves to one thread
ROWS_MAX = 16_384
LIKELY_MIN = 0.2

Floats = NDArray[np.float32]


class NameToken(NamedTuple):
    """Characters ``[start, end)``, whether a blank stands before, and what the features are made of."""

    start: int
    end: int
    apart: bool
    key: str


_MARKS_END = 0x1E00


def _ranges(numbers: Sequence[int]) -> str:
    out, first = [], 0
    for place, number in enumerate(numbers):
        if place + 1 == len(numbers) or numbers[place + 1] != number + 1:
            out.append(f"\\u{numbers[first]:04x}-\\u{number:04x}")
            first = place + 1
    return "".join(out)


# Scripts written without blanks, and Korean, whose endings stand at the name without one.
_ALONE = (("thai", 0x0E01, 0x0E5B), ("burmese", 0x1000, 0x109F), ("khmer", 0x1780, 0x17FF), ("kana", 0x3040, 0x30FF),
          ("han", 0x3005, 0x3007), ("han", 0x3400, 0x4DBF), ("han", 0x4E00, 0x9FFF), ("han", 0xF900, 0xFAFF),
          ("hangul", 0xAC00, 0xD7AF))  # fmt: skip
_SCRIPTS = (("latin", 0x0000, 0x024F), ("latin", 0x1E00, 0x1EFF), ("greek", 0x0370, 0x03FF), ("cyrillic", 0x0400, 0x052F),
            ("hebrew", 0x0590, 0x05FF), ("arabic", 0x0600, 0x077F), ("devanagari", 0x0900, 0x097F),
            ("indic", 0x0980, 0x0DFF))  # fmt: skip


@cache
def _pattern() -> re.Pattern[str]:
    """A character of a script without blanks, a word, a number, a new line, or a sign."""
    alone = "".join(f"\\u{low:04x}-\\u{high:04x}" for _, low, high in _ALONE)
    marks = _ranges([n for n in range(_MARKS_END) if unicodedata.category(chr(n))[0] == "M"])
    letter = rf"[^\W\d_{alone}]"  # of which `re` knows no marks, with which Hindi writes its vowels
    return re.compile(rf"([{alone}])|{letter}+(?:[{marks}]+{letter}*)*|\d+|\n|[^\s]")


def tokens(text: str) -> list[NameToken]:
    """The tokens of ``text``, in order."""
    out, last = [], 0
    for found in _pattern().finditer(text):
        start, end = found.span()
        key = found[0]
        if found[1]:
            # With its neighbours: two characters say much more than one where a word is one or two.
            key = f"\0{text[start - 1 : start] or ' '}{key}{text[end : end + 1] or ' '}"
        out.append(NameToken(start, end, start > last, key))
        last = end
    return out


def features(key: str) -> list[int]:
    """The buckets of a token's features: `FEATURES` of them."""
    told = list(_features(key))
    hashed = [1 + crc32(one.encode("utf-8", "replace")) % (BUCKETS - 1) for one in told]
    return hashed + [0] * (FEATURES - len(hashed))


def _features(key: str) -> Iterator[str]:
    """The first two say which word it is: training hides them now and then, so that the others are learnt too."""
    if len(key) == 4 and key[0] == "\0":
        _, before, own, after = (*key,)
        yield from (f"t{key}", f"b{before}{own}", f"n{own}{after}", f"c{own}", f"s{_script(own)}")
        yield from (f"<{_script(before)}", f">{_script(after)}")
        return
    small, shape = key.lower()[:32], _shape(key)
    if shape in ("number", "sign"):
        yield from (f"w{small}" if len(small) < 4 else "w0", f"s{shape}{min(len(key), 8)}")
        return
    script = _script(key[0])
    yield from (f"w{small}", f"W{key[:32]}", f"p2{small[:2]}", f"p3{small[:3]}", f"p4{small[:4]}")
    yield from (f"e2{small[-2:]}", f"e3{small[-3:]}", f"e4{small[-4:]}", f"s{shape}{script}{min(len(key), 6)}")
    yield f"x{shape}{small[-2:]}"


def _shape(key: str) -> str:
    if key.isdigit():
        return "number"
    if not key[0].isalpha():
        return "sign"
    if key.islower():
        return "small"
    if len(key) > 1 and key.isupper():
        return "capitals"
    return "capital" if key[0].isupper() and key[1:] in ("", key[1:].lower()) else "mixed"


def _script(character: str) -> str:
    number = ord(character)
    return next((name for name, low, high in (*_ALONE, *_SCRIPTS) if low <= number <= high), "other")


class Weights(NamedTuple):
    """``vectors`` (BUCKETS, size) int8 times ``scales`` (size,); ``apart`` (2, size); of each layer (width, in, out) and
    (out,); ``head`` (hidden, labels) and ``bias``.
    """

    vectors: NDArray[np.int8]
    scales: Floats
    apart: Floats
    layers: list[tuple[Floats, Floats]]
    head: Floats
    bias: Floats

    @classmethod
    def read(cls, content: bytes) -> Weights:
        from io import BytesIO

        with np.load(BytesIO(content), allow_pickle=False) as held:
            wide = {name: held[name].astype(np.float32) for name in held.files if name != "vectors"}
            layers = [(wide[f"layer{n}"], wide[f"bias{n}"]) for n in range(len(LAYERS))]
            return cls(held["vectors"], wide["scales"], wide["apart"], layers, wide["head"], wide["bias"])


class PassageBounds(NamedTuple):
    """What is not ruled out: a token that is of any kind of name with a likelihood of ``written``, if it is written as names
    are, and of ``other`` if it is a word in small letters, a number or a sign.

    A passage reaches ``around`` tokens to either side, passages with fewer than ``apart`` tokens between them are one, and a
    text of up to ``whole`` tokens is one too.
    """

    written: float
    other: float
    around: int
    apart: int
    whole: int


class ReadText(NamedTuple):
    """What was found in a text, and the passages of it, in characters, in which a name is not ruled out."""

    spans: list[DetectedSpan]
    passages: list[tuple[int, int]]


class BuiltIn(msgspec.Struct, frozen=True):
    """The tagger that ships with this package. It pickles: weights are read where it is used, once a process."""

    sha256: str
    name: str = "built-in"

    @classmethod
    def read(cls) -> BuiltIn:
        return cls(sha256(_content()).hexdigest())

    def detect(self, texts: Sequence[str], kinds: Sequence[IdentifierKind]) -> list[list[DetectedSpan]]:
        """The spans of each text, in order."""
        return [one.spans for one in self.read_with_passages(texts, kinds)]

    def read_with_passages(
        self, texts: Sequence[str], kinds: Sequence[IdentifierKind], bounds: PassageBounds | None = None
    ) -> list[ReadText]:
        """Of each text the spans, and the passages that ``bounds`` do not rule out; none without bounds."""
        model = _loaded(self.sha256)
        columns = [number for number, label in enumerate(LABELS) if label in kinds]
        return [model.read(text, columns, self.name, bounds) for text in texts]


def _content() -> bytes:
    return (files("licet.curate") / FOLDER / WEIGHTS_FILE).read_bytes()


@cache
def _loaded(expected: str) -> NameNetwork:
    content = _content()
    if sha256(content).hexdigest() != expected:
        raise InputError("the tagger's weights changed while they were in use", file=WEIGHTS_FILE)
    return NameNetwork(Weights.read(content))


class NameNetwork:
    """The network, and the vectors of the words that it met last."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._rows: dict[str, int] = {}
        self._lock = threading.Lock()
        self._known = np.zeros((ROWS_MAX, weights.scales.size), dtype=np.float32)

    def read(self, text: str, columns: Sequence[int], rule: str, bounds: PassageBounds | None = None) -> ReadText:
        found = tokens(sound(text))
        every = self.likelihoods(found)
        passages = _passages(found, 1 - every[:, 0], bounds) if bounds is not None else []
        return ReadText(_spans(text, found, every[:, columns], columns, rule), passages)

    def likelihoods(self, found: Sequence[NameToken]) -> Floats:
        """Of each token the likelihood of each label: (tokens, len(LABELS))."""
        out = np.zeros((len(found), len(LABELS)), dtype=np.float32)
        for start in range(0, len(found), CHUNK_TOKENS):
            before, end = max(0, start - REACH), min(len(found), start + CHUNK_TOKENS)
            read = self._read(found[before : end + REACH])
            out[start:end] = read[start - before : end - before]
        return out

    def _read(self, found: Sequence[NameToken]) -> Floats:
        weights = self._weights
        blanks = np.fromiter((one.apart for one in found), dtype=np.intp, count=len(found))
        state: Floats = self._vectors(found) + weights.apart[blanks]
        for number, ((matrix, bias), (_, apart)) in enumerate(zip(weights.layers, LAYERS, strict=True)):
            made = _convolved(state, matrix, apart)
            made += bias
            np.maximum(made, 0, out=made)
            if number:
                made += state
            state = made
        logits = _convolved(state, weights.head[None], 1)
        logits += weights.bias
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits

    def _vectors(self, found: Sequence[NameToken]) -> Floats:
        with self._lock:
            return self._known[self._numbers(found)]

    def _numbers(self, found: Sequence[NameToken]) -> NDArray[np.intp]:
        """The rows of the tokens' vectors, those of new words filled in."""
        rows = self._rows
        unknown = list(dict.fromkeys(one.key for one in found if one.key not in rows))
        if len(rows) + len(unknown) > ROWS_MAX:
            rows.clear()
            unknown = list(dict.fromkeys(one.key for one in found))
        if unknown:
            buckets = np.array([features(key) for key in unknown])
            first = len(rows)
            made = self._weights.vectors[buckets].sum(axis=1, dtype=np.float32) * self._weights.scales
            self._known[first : first + len(unknown)] = made
            rows.update(zip(unknown, range(first, first + len(unknown)), strict=True))
        return np.fromiter((rows[one.key] for one in found), dtype=np.intp, count=len(found))


def _spans(
    text: str, found: Sequence[NameToken], scores: Floats, columns: Sequence[int], rule: str
) -> list[DetectedSpan]:
    likely = scores.sum(axis=1)
    words = [
        (
            found[n].start,
            found[n].end,
            IdentifierKind(LABELS[columns[int(scores[n].argmax())]]),
            _score(float(likely[n])),
        )
        for n in np.flatnonzero(likely >= LIKELY_MIN).tolist()
    ]
    return joined(text, words, rule)


def _score(likely: float) -> float:
    """From 0.5 for ``LIKELY_MIN`` to 1 for certainty: the odds of the one, made even."""
    odds = likely * (1 - LIKELY_MIN)
    return odds / (odds + (1 - likely) * LIKELY_MIN)


def _passages(found: Sequence[NameToken], likely: Floats, bounds: PassageBounds) -> list[tuple[int, int]]:
    possible = np.flatnonzero(likely >= min(bounds.written, bounds.other)).tolist()
    places = [n for n in possible if likely[n] >= (bounds.written if _as_a_name(found[n].key) else bounds.other)]
    around = bounds.around if len(found) > bounds.whole else len(found)
    out: list[tuple[int, int]] = []  # the first and the last token of each
    for place in places:
        first, last = max(0, place - around), min(len(found) - 1, place + around)
        if out and first <= out[-1][1] + bounds.apart:
            out[-1] = (out[-1][0], last)
        else:
            out.append((first, last))
    return [(found[first].start, found[last].end) for first, last in out]


def _as_a_name(key: str) -> bool:
    """Whether a token is written as names are: with a capital, or in a script that has none."""
    return _shape(key[2] if key[0] == "\0" else key) not in ("small", "number", "sign")


def _convolved(state: Floats, matrix: Floats, apart: int) -> Floats:
    """(tokens, in) and (width, in, out) give (tokens, out); beyond the ends stands nothing.

    Blocks of ``BLOCK_TOKENS`` are multiplied each by itself. OpenBLAS spreads a larger product over threads, which wait for
    each other where another process has the cores, and a block gives the same whatever the length of its text.
    """
    count, reach = len(state), (len(matrix) // 2) * apart
    whole = -(-count // BLOCK_TOKENS) * BLOCK_TOKENS
    padded = np.zeros((whole + 2 * reach, state.shape[1]), dtype=np.float32)
    padded[reach : reach + count] = state
    blocks = (
        padded[place * apart : place * apart + whole].reshape(-1, BLOCK_TOKENS, state.shape[1]) @ one
        for place, one in enumerate(matrix)
    )
    out = next(blocks)
    for block in blocks:
        out += block
    made: Floats = out.reshape(whole, -1)[:count]
    return made

"""Names, addresses, places and organisations in running text: a token classifier served through ONNX on one thread.

Promises:
- ``detect`` gives the spans of each text by itself: what it finds in one depends on no other text, so that a cache, a
  batch and another machine give the same. Texts are therefore never batched: dynamic quantisation scales by the largest
  activation of its whole input.
- What it serves is named by a hash over its weights, its tokenizer and its description.
- Nothing of this module is needed for the structured layer, and nothing is imported until a text is detected.

A text is read in windows that overlap; each token takes its label from the window in which it stands deepest. A word
is of the kind, of those asked for, that is most likely for it, where it is of any of them with a likelihood of
``SCORE_MIN``; words of a kind that stand together are a span, whose score is that of its likeliest word.

The model and its training: tools/name_tagger. Recall is measured, not promised: names_measure.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.curate.detect import DetectedSpan, sound
from licet.curate.processors import onnx_providers
from licet.curate.rules import IdentifierKind
from licet.errors import InputError, NotInstalledError, UsageError

WEIGHTS_FILE, TOKENIZER_FILE, DESCRIPTION_FILE = "model.onnx", "tokenizer.json", "tagger.json"
LABELS: tuple[IdentifierKind | str, ...] = (
    "none",
    IdentifierKind.PERSON,
    IdentifierKind.ADDRESS,
    IdentifierKind.PLACE,
    IdentifierKind.ORGANISATION,
)
WINDOW_TOKENS = 128  # with the two that open and close it
OVERLAP_TOKENS = 32
SCORE_MIN = 0.15
CLS, SEP = 101, 102  # of the vocabulary of BERT, uncased

Floats = NDArray[np.float32]


class Shape(IntEnum):
    """How a word is written: the vocabulary has small letters only."""

    plain = 0
    capital = 1
    capitals = 2


class TaggerDescription(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a tagger's folder says of itself."""

    version: int = 1
    labels: tuple[str, ...]
    shapes: int
    base: str
    steps: int
    texts: int
    seed: int


class TextTokens(msgspec.Struct, frozen=True):
    """The tokens of a text: numbers in the vocabulary, shapes, places in characters, and the word each is a part of."""

    ids: list[int]
    shapes: list[int]
    starts: list[int]
    ends: list[int]
    words: list[int]


def tokenizer(file: Path) -> Any:  # noqa: ANN401 -- `tokenizers` has no types
    from tokenizers import Tokenizer

    read: Any = Tokenizer.from_file(str(file))
    read.no_padding()
    read.no_truncation()
    return read


def tokens(text: str, tokenizer: Any) -> TextTokens:  # noqa: ANN401 -- as above
    """The tokens of ``text`` without those that open and close it."""
    encoded = tokenizer.encode(sound(text), add_special_tokens=False)
    starts, ends = [s for s, _ in encoded.offsets], [e for _, e in encoded.offsets]
    words = list(encoded.word_ids)
    bounds: dict[int, tuple[int, int]] = {}
    for word, start, end in zip(words, starts, ends, strict=True):
        bounds[word] = (bounds[word][0] if word in bounds else start, end)
    shapes = {word: _shape(text[start:end]) for word, (start, end) in bounds.items()}
    return TextTokens(list(encoded.ids), [shapes[word] for word in words], starts, ends, words)


def _shape(word: str) -> Shape:
    if not word[:1].isupper():
        return Shape.plain
    return Shape.capitals if len(word) > 1 and word.isupper() else Shape.capital


class Tagger(msgspec.Struct, frozen=True):
    """The tagger in ``folder``. It pickles: weights are read where it is used, once a process."""

    folder: Path
    sha256: str
    name: str = "licet-tagger"

    @classmethod
    def read(cls, folder: Path) -> Tagger:
        """The tagger that lies in ``folder``; UsageError for no folder of one, InputError for another labelling."""
        for file in (WEIGHTS_FILE, TOKENIZER_FILE, DESCRIPTION_FILE):
            if not (folder / file).is_file():
                raise UsageError(
                    f"`{folder}` holds no `{file}`", "make the tagger with `python -m tools.name_tagger`, in a checkout"
                )
        try:
            described = msgspec.json.decode((folder / DESCRIPTION_FILE).read_bytes(), type=TaggerDescription)
        except msgspec.MsgspecError as error:
            raise InputError(f"not a tagger's description: {error!s}", file=DESCRIPTION_FILE) from None
        if described.labels != tuple(LABELS) or described.shapes != len(Shape) or described.version != 1:
            raise InputError("a tagger of other labels", file=DESCRIPTION_FILE, key="labels")
        return cls(folder, _hash(folder))

    def detect(self, texts: Sequence[str], kinds: Sequence[IdentifierKind]) -> list[list[DetectedSpan]]:
        """The spans of each text, in order."""
        model = _loaded(self.folder, self.sha256)
        columns = [number for number, label in enumerate(LABELS) if label in kinds]
        return [model.spans(text, columns, self.name) if text.strip() else [] for text in texts]


def _hash(folder: Path) -> str:
    digests = (sha256((folder / f).read_bytes()).digest() for f in (WEIGHTS_FILE, TOKENIZER_FILE, DESCRIPTION_FILE))
    return sha256(b"".join(digests)).hexdigest()


@cache
def _loaded(folder: Path, expected: str) -> _Model:
    if _hash(folder) != expected:
        raise InputError("the tagger's files changed while they were in use", file=str(folder))
    return _Model(folder)


_JOINED = {
    IdentifierKind.PERSON: re.compile(r"[ \t\-'’.]{0,2}"),
    IdentifierKind.ADDRESS: re.compile(r"[\s,.\-/#()]{0,4}"),
    IdentifierKind.PLACE: re.compile(r"[ \-'’.]{0,2}"),
    IdentifierKind.ORGANISATION: re.compile(r"[ \-'’.&]{0,3}"),
}


class _Model:
    def __init__(self, folder: Path) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise NotInstalledError("onnxruntime", "names") from None

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / WEIGHTS_FILE), options, providers=onnx_providers(onnxruntime)
        )
        self._tokenizer = tokenizer(folder / TOKENIZER_FILE)

    def spans(self, text: str, columns: Sequence[int], rule: str) -> list[DetectedSpan]:
        found = tokens(text, self._tokenizer)
        if not found.ids:
            return []
        likely = self._likelihoods(found)
        return joined(text, _words(found, likely, columns), rule)

    def _likelihoods(self, found: TextTokens) -> Floats:
        """Of each token the likelihood of each label: (tokens, len(LABELS))."""
        size, count = WINDOW_TOKENS - 2, len(found.ids)
        out = np.zeros((count, len(LABELS)), dtype=np.float32)
        depths = np.full(count, -1)
        start = 0
        while True:
            end = min(start + size, count)
            own = np.minimum(np.arange(end - start), np.arange(end - start)[::-1])
            deeper = own > depths[start:end]
            likely = self._window(found.ids[start:end], found.shapes[start:end])
            out[start:end][deeper] = likely[deeper]
            depths[start:end][deeper] = own[deeper]
            if end == count:
                return out
            start = end - OVERLAP_TOKENS

    def _window(self, ids: Sequence[int], shapes: Sequence[int]) -> Floats:
        fed = {
            "input_ids": np.asarray([[CLS, *ids, SEP]], dtype=np.int64),
            "token_type_ids": np.asarray([[0, *shapes, 0]], dtype=np.int64),
        }
        (logits,) = self._session.run(None, fed)
        own = logits[0, 1:-1]
        raised = np.exp(own - own.max(axis=1, keepdims=True))
        likely: Floats = raised / raised.sum(axis=1, keepdims=True)
        return likely


def _words(found: TextTokens, likely: Floats, columns: Sequence[int]) -> list[tuple[int, int, IdentifierKind, float]]:
    """(start, end, kind, score) of each word that may be of a kind whose column is asked for."""
    out: list[tuple[int, int, IdentifierKind, float]] = []
    first = 0
    for number in range(1, len(found.ids) + 1):
        if number < len(found.ids) and found.words[number] == found.words[first]:
            continue
        own = likely[first:number, columns]
        score = float(np.max(own.sum(axis=1)))
        if score >= SCORE_MIN:
            kind = LABELS[columns[int(np.argmax(own.max(axis=0)))]]
            out.append((found.starts[first], found.ends[number - 1], IdentifierKind(kind), score))
        first = number
    return out


def joined(text: str, words: Sequence[tuple[int, int, IdentifierKind, float]], rule: str) -> list[DetectedSpan]:
    out: list[DetectedSpan] = []
    for start, end, kind, score in words:
        last = out[-1] if out else None
        if last and last.kind is kind and _JOINED[kind].fullmatch(text, last.end, start):
            out[-1] = DetectedSpan(last.start, end, kind, max(last.score, score), rule)
        else:
            out.append(DetectedSpan(start, end, kind, score, rule))
    return [span for span in out if any(c.isalnum() for c in text[span.start : span.end])]

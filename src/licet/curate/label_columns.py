"""Label columns by the compiled loops, from the buffers of a batch; equal to what `LabelKernel`
makes text by text.

Python handles only rare cases: shingles of scripts without spaces, and topics that need an
expression.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from licet.curate import labels, quality, words
from licet.curate.batches import PROSE, STRING, column
from licet.curate.characters import UNSPACED_SHIFT, classes
from licet.curate.labels import Topic
from licet.curate.spaceless import SCRIPT, Unspaced, estimate_from_counts
from licet.curate.text_column import BatchTexts, Ends, is_of_voices
from licet.policy.state import ConversationKind

# How much is read: characters of a text, lines of it, and characters for a topic.
LIMITS = (words.CHUNK_BYTES_MAX, quality.LINES_READ_MAX, labels.READ_CHARS_MAX)


def label_columns(
    batch: pa.RecordBatch, texts: BatchTexts, kernels: ModuleType
) -> dict[str, tuple[pa.DataType, Any]]:
    """``language``, ``topic`` and the quality signals by name, for `adding`."""
    prose = is_of_voices(batch, PROSE)
    signals, figures, counts = kernels.label_documents(*texts, prose, *_tables(kernels), LIMITS)
    scripted = _unspaced_texts(texts, counts)
    _add_repeats(texts, scripted, signals)
    owner = np.searchsorted(texts.documents, list(scripted), side="right") - 1
    by_document = defaultdict[int, list[Unspaced]](list)
    for document, own in zip(owner.tolist(), scripted.values(), strict=True):
        by_document[document].append(own)
    numbers = quality.quality_columns(signals[:, :8], signals[:, 8], signals[:, 9], by_document)
    types = {name: pa.uint64() if name == "words" else pa.float64() for name in numbers}
    return {
        "language": (
            STRING,
            labels.languages(
                [_prose(texts, prose, number) for number in range(batch.num_rows)], compiled=True
            ),
        ),
        "topic": (STRING, _topics(batch, texts, prose, figures, kernels)),
        **{name: (types[name], own) for name, own in numbers.items()},
    }


def count_words(texts: BatchTexts, kernels: ModuleType) -> Ends:
    """`changed_places.word_counts` of the documents."""
    classes, *_, openers, _, _ = _tables(kernels)
    counts: Ends = kernels.count_document_words(*texts, classes, openers)
    return counts


def _unspaced_texts(texts: BatchTexts, counts: NDArray[np.int64]) -> dict[int, Unspaced]:
    """The texts, by number, with characters of scripts without spaces."""
    numbers = np.flatnonzero(counts[:, 1:6].any(axis=1)).tolist()
    own = {
        number: estimate_from_counts(row[:6], row[0], row[6])
        for number, row in zip(numbers, counts[numbers].tolist(), strict=True)
    }
    return {number: one for number, one in own.items() if one is not None}


def _add_repeats(
    texts: BatchTexts, scripted: dict[int, Unspaced], signals: NDArray[np.int64]
) -> None:
    """Adds the shingles of texts in scripts without spaces to the ``signals`` of documents."""
    if not scripted:
        return
    texts_by_script = [texts.text(number)[: words.CHUNK_BYTES_MAX] for number in scripted]
    counted = quality.repetition(texts_by_script, dict(enumerate(scripted.values())))
    owner = np.searchsorted(texts.documents, list(scripted), side="right") - 1
    for place, own in enumerate(counted, 8):
        np.add.at(signals[:, place], owner, own)


def _prose(texts: BatchTexts, prose: NDArray[np.bool_], number: int) -> list[str]:
    """What people and the assistant said in a document."""
    first, last = texts.documents[number : number + 2].tolist()
    return [texts.text(first + n) for n in np.flatnonzero(prose[first:last]).tolist()]


def _topics(
    batch: pa.RecordBatch,
    texts: BatchTexts,
    prose: NDArray[np.bool_],
    figures: NDArray[np.int64],
    kernels: ModuleType,
) -> list[str]:
    out = []
    rows = figures[:, : kernels.UNSPACED].tolist()
    for number, (kind, (lines, code, marks, word_count)) in enumerate(
        zip(column(batch, "kind"), rows, strict=True)
    ):
        if kind == ConversationKind.code:
            out.append(Topic.coding.value)
        elif marks < 0:
            out.append(labels.topic(ConversationKind(kind), _prose(texts, prose, number)).value)
        else:
            if marks >= labels.MARKS_LEAST and figures[number, kernels.UNSPACED]:
                counts = figures[number, kernels.UNSPACED :].tolist()
                written = estimate_from_counts(counts[:6], counts[0], counts[6])
                word_count += round(written.words) if written is not None else 0
            out.append(labels.chat_topic(lines, code, marks, word_count).value)
    return out


@cache
def _tables(kernels: ModuleType) -> tuple[NDArray[Any], ...]:
    """The tables of characters and words for `loops.label_documents`, in order."""
    kinds = classes().astype(np.uint16)
    kinds[: len(SCRIPT)] |= SCRIPT.astype(np.uint16) << UNSPACED_SHIFT
    phrases = _phrases()
    openers = [int.from_bytes(opener.encode(), "big") for opener in labels.OPENERS]
    return (
        kinds,
        words.LOWER_TABLE,
        words.values(quality.KEY),
        words.shingle_factors(words.SHINGLE_WORDS),
        np.array(openers, np.uint64),
        _first_phrases(phrases),
        _padded([np.frombuffer(phrase.encode(), np.uint8) for phrase in phrases]),
    )


def _padded(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The rows padded with at least one zero."""
    out = np.zeros((len(rows), 1 + max(map(len, rows))), rows[0].dtype)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return out


def _phrases() -> list[str]:
    return sorted(labels.PHRASES, key=_phrase_start)


def _phrase_start(phrase: str) -> tuple[int, int]:
    """The first letter of a phrase, and the length of its first word."""
    return ord(phrase[0]) - ord("a"), len(phrase.split()[0])


def _first_phrases(phrases: list[str]) -> Ends:
    """By first letter and length of the first word, sixteen places a letter: the first phrase times
    256, plus their number.
    """
    table = np.zeros(26 * 16, np.int64)
    for number, phrase in enumerate(phrases):
        letter, length = _phrase_start(phrase)
        place = letter * 16 + length
        table[place] = (table[place] or number << 8) + 1
    return table

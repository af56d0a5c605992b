"""A language model that counts word sequences, to measure the cost of curation without a base
model.

Invariants: it is deterministic, so equal rows give equal losses and two models differ only by their
rows; it reads each row whole, in any order. In scripts without spaces a word is a character. Memory
is some fifty bytes a word.

Interpolated Kneser-Ney (Chen and Goodman, An Empirical Study of Smoothing Techniques for Language
Modeling, 1999, section 2.7): below the longest sequences a word counts by the number of different
words before it, and each count gives `DISCOUNT` of itself to the shorter sequence. An unseen word
is one of `WORDS_EVER`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from licet.curate.loop_shared import GOLDEN
from licet.curate.words import Hashes, finalise
from licet.release.rows import ConversationShape
from licet.train.conversations import conversation

ORDER, DISCOUNT, WORDS_EVER = 3, 0.75, 2**20
_ALONE = "\u0e01-\u0eff\u1000-\u109f\u1780-\u17d3\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(rf"\s?(?:[{_ALONE}]|[^\W{_ALONE}]+|[^\w\s])|\s")
_END = "\0"


class WordRow(msgspec.Struct, frozen=True):
    """The word hashes of a row, after `ORDER` zeros, and which are the assistant's: both (n,)."""

    words: Hashes
    answers: NDArray[np.bool_]

    def __repr__(self) -> str:
        return f"WordRow(sealed, {len(self.words)} words)"


class _Counts(msgspec.Struct, frozen=True):
    """The sequences of one length, and their contexts, each ordered by hash."""

    sequences: Hashes
    counts: NDArray[np.int64]
    contexts: Hashes
    totals: NDArray[np.int64]
    followers: NDArray[np.int64]  # how many different words follow a context


class WordModel:
    """The counts of some rows; ``parameters`` is their number."""

    def __init__(self, rows: Sequence[WordRow]) -> None:
        hashed = _context_hashes(np.concatenate([row.words for row in rows]))
        self._orders = []
        for order, (contexts, sequences) in enumerate(hashed, 1):
            if order < ORDER:  # once for each different word before it
                first = np.unique(hashed[order][1], return_index=True)[1]
                contexts, sequences = contexts[first], sequences[first]
            self._orders.append(_count_sequences(contexts, sequences))
        self.parameters = sum(len(order.sequences) for order in self._orders)

    def loss(self, row: WordRow) -> float:
        """The sum of the loss over the assistant's words, in nats."""
        chance = np.full(len(row.words), 1 / WORDS_EVER)
        for order, (contexts, sequences) in zip(
            self._orders, _context_hashes(row.words), strict=True
        ):
            place, is_known = _find_sorted(order.contexts, contexts)
            sequence, was_read = _find_sorted(order.sequences, sequences)
            counts = np.where(was_read, order.counts[sequence], 0)
            kept, given = np.maximum(counts - DISCOUNT, 0), DISCOUNT * order.followers[place]
            chance = np.where(is_known, (kept + given * chance) / order.totals[place], chance)
        return float(-np.log(chance[row.answers]).sum())


def hash_words(row: ConversationShape) -> WordRow | None:
    """The words of a row's conversation; None without an answer."""
    words, answers = [0] * ORDER, [False] * ORDER
    for message in conversation(row).messages:
        calls = message.get("tool_calls") or ()
        text = message["content"] + "".join(
            f"\n{json.dumps(call, ensure_ascii=False)}" for call in calls
        )
        made = [message["role"] + _END, *_WORD.findall(text), _END]
        words += map(_hash, made)
        answers += [False] + [message["role"] == "assistant"] * (len(made) - 1)
    return WordRow(np.array(words, np.uint64), np.array(answers)) if any(answers) else None


def _hash(word: str) -> int:
    return int.from_bytes(
        blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )


def _context_hashes(words: Hashes) -> list[tuple[Hashes, Hashes]]:
    """For each length up to `ORDER`, the hashes of the context before each word and of the sequence
    that it ends.
    """
    hashes, context = [], np.zeros(len(words), np.uint64)
    for length in range(1, ORDER + 1):
        hashes.append((context, finalise(context * np.uint64(GOLDEN) + words)))
        before = np.zeros_like(words)
        before[length:] = words[:-length]
        context = finalise(context + before * np.uint64(GOLDEN) + np.uint64(length))
    return hashes


def _count_sequences(contexts: Hashes, sequences: Hashes) -> _Counts:
    unique, first, counts = np.unique(sequences, return_index=True, return_counts=True)
    known, context = np.unique(contexts[first], return_inverse=True)
    totals = np.bincount(context, counts, len(known)).astype(np.int64)
    return _Counts(unique, counts, known, totals, np.bincount(context, minlength=len(known)))


def _find_sorted(known: Hashes, hashes: Hashes) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The position of each of ``hashes`` in ``known``, and whether it is there."""
    place = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return place, known[place] == hashes

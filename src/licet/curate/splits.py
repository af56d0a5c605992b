"""Splits by account, the same in every release: an account held out once is held out for ever.

A split follows from the account's id alone. A larger share of a split contains everything a smaller
one did, as long as the shares before it stay; so no account that measured a model moves into
training.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2b

import msgspec

from licet.errors import UsageError

PARTS = 1_000_000


class Split(StrEnum):
    train = "train"
    validation = "validation"
    test = "test"


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a million accounts are held out for each; all others train."""

    test: int = 10_000
    validation: int = 10_000

    def __post_init__(self) -> None:
        if min(self.test, self.validation) < 0 or self.test + self.validation > PARTS:
            raise UsageError(
                f"splits of `{self.test}` and `{self.validation}` do not share out `{PARTS}`",
                "give smaller ones",
            )


def assign_split(account: bytes, shares: Shares) -> Split:
    drawn = (
        int.from_bytes(blake2b(account, digest_size=16, person=b"licet split 1").digest(), "big")
        * PARTS
        >> 128
    )
    if drawn < shares.test:
        return Split.test
    return Split.validation if PARTS - drawn <= shares.validation else Split.train

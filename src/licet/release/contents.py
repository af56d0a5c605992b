"""Counts the contents of a release row by row while it is built, without a second reading.

A row's figures are 8 bytes of its account's id, the months of its first and last turn, the bytes of
its text, and its profile: rows by kind and language, turns by origin, surface, plan and generating
model. Rows with equal profiles share one. Rows removed before the seal are not counted.

Bytes are those of the released text in UTF-8, surrogates included, without field names. A token is
four of these bytes, rounded up once for the release: a unit without a tokenizer.

Small-count rule: a value (a language, a surface, a model, ..) is named only if rows of at least
`ACCOUNTS_MIN` accounts have it; all others are counted as ``other``. A release of fewer accounts
does not state their number.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from licet.release.manifest import ACCOUNTS_MIN, BYTES_PER_TOKEN, OTHER, ReleaseContents

UNSTATED = "not_stated"
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,63}", re.ASCII)

Profile: TypeAlias = tuple[tuple[str, str, int], ...]  # (breakdown, value, rows or turns), in order


class RowFigures(msgspec.Struct, frozen=True, array_like=True):
    """The figures of one row. ``account``: 8 bytes of the account's id as a number; months count
    from the year 0; ``gapped``: a turn between or before its messages was left out.
    """

    account: int
    first: int
    last: int
    text_bytes: int
    profile: Profile
    gapped: bool


class ContentTally:
    """The figures of rows by ordinal. Memory: 25 bytes a row, and each distinct profile."""

    def __init__(self) -> None:
        self._accounts = array("Q")
        self._firsts, self._lasts, self._profiles = array("i"), array("i"), array("i")
        self._bytes, self._gapped = array("I"), array("b")
        self._numbers: dict[Profile, int] = {}
        self._known: list[Profile] = []

    def __len__(self) -> int:
        return len(self._accounts)

    def add(self, row: RowFigures) -> None:
        number = self._numbers.setdefault(row.profile, len(self._known))
        if number == len(self._known):
            self._known.append(row.profile)
        self._accounts.append(row.account)
        self._firsts.append(row.first)
        self._lasts.append(row.last)
        self._bytes.append(row.text_bytes)
        self._gapped.append(row.gapped)
        self._profiles.append(number)

    def contents(self, removed: Collection[int]) -> ReleaseContents:
        """Sums all rows except the ``removed`` ordinals."""
        left = (
            array("I", (n for n in range(len(self)) if n not in removed))
            if removed
            else range(len(self))
        )
        total = sum(self._bytes[n] for n in left)
        accounts = len({self._accounts[n] for n in left})
        named = self._breakdown_counts(left)
        return ReleaseContents(
            accounts=accounts if accounts >= ACCOUNTS_MIN else None,
            first_month=_written_month(min(self._firsts[n] for n in left)) if left else None,
            last_month=_written_month(max(self._lasts[n] for n in left)) if left else None,
            bytes=total,
            tokens=-(-total // BYTES_PER_TOKEN),
            gapped=sum(self._gapped[n] for n in left),
            kinds=named["kinds"],
            languages=named["languages"] if self._has_languages() else msgspec.UNSET,
            origins=named["origins"],
            surfaces=named["surfaces"],
            plans=named["plans"],
            models=named["models"],
        )

    def _has_languages(self) -> bool:
        """Whether rows have a language: without curation they have none."""
        return any(
            breakdown == "languages" for profile in self._known for breakdown, _, _ in profile
        )

    def _breakdown_counts(self, left: Iterable[int]) -> dict[str, dict[str, int]]:
        """The breakdowns under the small-count rule."""
        counts: dict[tuple[str, str], int] = Counter()
        accounts: dict[tuple[str, str], set[int]] = {}
        for n in left:
            for breakdown, value, count in self._known[self._profiles[n]]:
                counts[breakdown, value] += count
                seen = accounts.setdefault((breakdown, value), set())
                if len(seen) < ACCOUNTS_MIN:
                    seen.add(self._accounts[n])
        named: dict[str, Counter[str]] = {name: Counter() for name in BREAKDOWNS}
        for (breakdown, value), count in counts.items():
            is_common = len(accounts[breakdown, value]) >= ACCOUNTS_MIN
            named[breakdown][value if is_common else OTHER] += count
        return {name: dict(sorted(values.items())) for name, values in named.items()}


BREAKDOWNS = ("kinds", "languages", "origins", "surfaces", "plans", "models")


def build_profile(breakdowns: Mapping[str, Mapping[str, int]]) -> Profile:
    """The profile of a row from its counts."""
    return tuple(
        (name, value, count)
        for name in BREAKDOWNS
        for value, count in sorted(breakdowns.get(name, {}).items())
    )


def public_model_name(stated: str) -> str:
    """The model's name for the manifest: the host's text only if it looks like a name."""
    return stated if _MODEL.fullmatch(stated) else OTHER if stated else UNSTATED


def account_mark(account: UUID) -> int:
    return account.int & (2**64 - 1)


def month(moment: datetime) -> int:
    return moment.year * 12 + moment.month - 1


def _written_month(number: int) -> str:
    return f"{number // 12:04}-{number % 12 + 1:02}"

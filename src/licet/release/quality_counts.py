"""Counts what the quality rule refused by language, while a release is built.

Only curated conversations count, not those excluded earlier. A language is named by the small-count
rule of `release.contents`; the others are counted as ``other``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from licet.release.manifest import ACCOUNTS_MIN, OTHER, LanguageQuality


class JudgedRows(msgspec.Struct, frozen=True, array_like=True):
    """An account's judged and refused conversations in a language on a page, by its mark."""

    language: str
    account: int
    rows: int
    refused: int


class QualityTally:
    """The counts of all pages."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}
        self._accounts: dict[str, set[int]] = {}

    def add(self, judged: Iterable[JudgedRows]) -> None:
        for one in judged:
            rows, refused = self._counts.get(one.language, (0, 0))
            self._counts[one.language] = rows + one.rows, refused + one.refused
            accounts = self._accounts.setdefault(one.language, set())
            if len(accounts) < ACCOUNTS_MIN:
                accounts.add(one.account)

    def by_language(self) -> Mapping[str, LanguageQuality]:
        """The counts of each language with enough accounts, and of the others together."""
        named: dict[str, tuple[int, int]] = {}
        for language, (rows, refused) in sorted(self._counts.items()):
            name = language if len(self._accounts[language]) >= ACCOUNTS_MIN else OTHER
            before = named.get(name, (0, 0))
            named[name] = before[0] + rows, before[1] + refused
        return {
            name: LanguageQuality(rows=rows, refused=refused)
            for name, (rows, refused) in sorted(named.items())
        }

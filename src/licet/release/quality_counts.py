"""How often the rule of quality refused what was said in each language, counted while a release is
built.

A conversation counts once it was curated: what was declined, deleted or lost as a duplicate before
is not judged. A language is named by the rule of small numbers of `release.contents`: the others
are counted together as ``other``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from licet.release.manifest import ACCOUNTS_MIN, OTHER, LanguageQuality


class JudgedRows(msgspec.Struct, frozen=True, array_like=True):
    """Of an account how many conversations in a language were judged on a page, and refused.
    ``account`` is its mark.
    """

    language: str
    account: int
    rows: int
    refused: int


class QualityTally:
    """The counts of all pages. Memory: a few numbers a language."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}
        self._accounts: dict[str, set[int]] = {}

    def add(self, judged: Iterable[JudgedRows]) -> None:
        for one in judged:
            rows, refused = self._counts.get(one.language, (0, 0))
            self._counts[one.language] = rows + one.rows, refused + one.refused
            seen = self._accounts.setdefault(one.language, set())
            if len(seen) < ACCOUNTS_MIN:
                seen.add(one.account)

    def by_language(self) -> Mapping[str, LanguageQuality]:
        """The counts of each language that enough accounts speak, and of the others together."""
        named: dict[str, tuple[int, int]] = {}
        for language, (rows, refused) in sorted(self._counts.items()):
            name = language if len(self._accounts[language]) >= ACCOUNTS_MIN else OTHER
            before = named.get(name, (0, 0))
            named[name] = before[0] + rows, before[1] + refused
        return {
            name: LanguageQuality(rows=rows, refused=refused)
            for name, (rows, refused) in sorted(named.items())
        }

"""Figures of a release: rows, turns, tokens, languages, topics, quality, exclusions, and drift.

Counted over the rows that may be used now, each read under a lease; the result has only numbers and
closed words. Tokens are estimated from bytes.

Drift compares the rows of two releases: for words by total variation distance, the share of rows
whose word would have to change; for numbers by Kolmogorov-Smirnov distance, the largest difference
between the shares of rows below any value. Both range from 0, equal, to 1, disjoint.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import msgspec

from licet.errors import UsageError
from licet.release import figures, release_store
from licet.release.catalog import list_releases, open_release, sealed_release
from licet.release.figures import FiguresKind
from licet.release.manifest import ReleaseManifest, read_manifest
from licet.release.reader import LoadedRow, estimated_tokens
from licet.store.connect import transaction
from licet.vault.installation import Installation

NONE = "none"
SHARES = (5, 25, 50, 75, 95)
TURNS, TOKENS = "turns", "tokens"

Progress = Callable[[int], None]


class StatsSlice(msgspec.Struct, frozen=True, kw_only=True):
    """The rows, turns and estimated tokens of a split, a language or a topic."""

    rows: int
    turns: int
    tokens: int


class ReleaseDrift(msgspec.Struct, frozen=True, kw_only=True):
    """The distance, 0 to 1, of each property from the release ``against``."""

    against: str
    rows: int
    distances: dict[str, float]


class ReleaseStats(msgspec.Struct, frozen=True, kw_only=True):
    """Of ``promised`` rows, ``rows`` may be used now; ``gapped`` of them lack a turn before one of
    their messages. ``spread``: the 5th, 25th, 50th, 75th and 95th percentile of each number of a
    row: turns, tokens, quality signals, scores. ``left_out`` counts turns, duplicates included.
    """

    release: str
    promised: int
    rows: int
    gapped: int
    turns: dict[str, int]
    tokens: int
    splits: dict[str, StatsSlice]
    languages: dict[str, StatsSlice]
    topics: dict[str, StatsSlice]
    spread: dict[str, tuple[float, ...]]
    candidates: int
    left_out: dict[str, int]
    drift: ReleaseDrift | None


def stats(
    installation: Installation,
    name: str,
    *,
    against: str | None = None,
    progress: Progress = lambda _rows: None,
) -> ReleaseStats:
    """Computes and stores the figures of a release, and its drift from ``against``, by default the
    previous release with its purpose.

    ``progress`` gets the number of rows read. UsageError for a release against itself.
    """
    promised, theirs = _pair(installation, name, against)
    if theirs is not None and theirs.release == promised.release:
        raise UsageError(
            f"release `{promised.name}` does not drift from itself", "name another one"
        )
    counted, drift = _count_rows(installation, name, progress), None
    if theirs is not None:
        old = _count_rows(installation, theirs.name, progress)
        drift = ReleaseDrift(against=theirs.name, rows=old.rows, distances=_distances(old, counted))
    found = ReleaseStats(
        release=promised.name,
        promised=promised.rows,
        rows=counted.rows,
        gapped=counted.gapped,
        turns=dict(sorted(counted.turns.items())),
        tokens=int(sum(counted.numbers[TOKENS])),
        splits=counted.slices("split"),
        languages=counted.slices("language"),
        topics=counted.slices("topic"),
        spread={what: spread(values) for what, values in counted.numbers.items() if values},
        candidates=promised.counts.candidates,
        left_out=dict(sorted(promised.counts.dropped.items(), key=lambda one: (-one[1], one[0]))),
        drift=drift,
    )
    with transaction(installation.pool) as tx:
        figures.store_figures(
            tx, UUID(hex=promised.release), FiguresKind.stats, found, installation.clock()
        )
    return found


class _Counts:
    """Counts of a release's rows: closed words, and numbers."""

    def __init__(self) -> None:
        self.rows = self.gapped = 0
        self.turns: Counter[str] = Counter()
        self.words: dict[str, dict[str, Counter[str]]] = {}
        self.numbers: dict[str, array[float]] = {TURNS: array("d"), TOKENS: array("d")}

    def add(self, row: LoadedRow) -> None:
        tokens, turns = estimated_tokens(row), len(row["messages"])
        self.rows += 1
        self.gapped += "gaps" in row
        self.turns.update(message["role"] for message in row["messages"])
        self._number(TURNS, turns)
        self._number(TOKENS, tokens)
        labels = row.get("labels")
        words = {"split": NONE, "language": NONE, "topic": NONE}
        if labels is not None:
            words = {
                "split": labels["split"],
                "language": labels["language"],
                "topic": labels["topic"] or NONE,
            }
            numbers: Mapping[str, float] = msgspec.convert(labels["quality"], dict[str, float])
            for signal, value in numbers.items():
                self._number(f"quality.{signal}", value)
            for scorer, value in labels["scores"].items():
                self._number(f"scores.{scorer}", value)
        for name, word in words.items():
            of = self.words.setdefault(name, {}).setdefault(word, Counter())
            of.update({"rows": 1, "turns": turns, "tokens": tokens})

    def _number(self, figure: str, value: float) -> None:
        self.numbers.setdefault(figure, array("d")).append(value)

    def slices(self, column: str) -> dict[str, StatsSlice]:
        by_word = {
            word: StatsSlice(**counts) for word, counts in self.words.get(column, {}).items()
        }
        return dict(sorted(by_word.items(), key=lambda one: (-one[1].rows, one[0])))


def _count_rows(installation: Installation, name: str, progress: Progress) -> _Counts:
    counts = _Counts()
    for row in open_release(installation, name):
        counts.add(row)
        progress(1)
    return counts


def _pair(
    installation: Installation, name: str, against: str | None
) -> tuple[ReleaseManifest, ReleaseManifest | None]:
    """The release and the one to compare with; RefusedError for an unsealed one."""
    promised = read_manifest(sealed_release(installation, name)[0])[0]
    other = against or _before(installation, promised)
    return promised, read_manifest(sealed_release(installation, other)[0])[
        0
    ] if other is not None else None


def rows_to_read(installation: Installation, name: str, against: str | None) -> int:
    """The most rows that `stats` reads, for a progress bar."""
    promised, theirs = _pair(installation, name, against)
    return promised.rows + (theirs.rows if theirs is not None else 0)


def _before(installation: Installation, promised: ReleaseManifest) -> str | None:
    """The previous sealed release with the same purpose and a local folder."""
    earlier = [
        one.name
        for one in list_releases(installation)
        if one.state == "sealed"
        and one.purpose == promised.purpose
        and one.release_id.hex != promised.release
        and one.begun_at < promised.built_at
        and release_store.find_manifest(installation, one) is not None
    ]
    return earlier[-1] if earlier else None


# Figures


def spread(values: Sequence[float]) -> tuple[float, ...]:
    """The percentiles `SHARES` of non-empty ``values``, by nearest rank."""
    ordered = sorted(values)
    return tuple(round(ordered[max(0, -(-share * len(ordered) // 100) - 1)], 4) for share in SHARES)


def _distances(old: _Counts, new: _Counts) -> dict[str, float]:
    distances: dict[str, float] = {}
    if not old.rows or not new.rows:
        return distances
    for name in ("language", "topic"):
        one, other = (
            {word: c["rows"] for word, c in of.words.get(name, {}).items()} for of in (old, new)
        )
        distances[name] = total_variation(one, other)
    for name, values in new.numbers.items():
        if values and old.numbers.get(name):
            distances[name] = kolmogorov_smirnov(old.numbers[name], values)
    return {name: round(distance, 4) for name, distance in distances.items()}


def total_variation(left: Mapping[str, int], right: Mapping[str, int]) -> float:
    """Half the sum of absolute differences between the shares of each word."""
    rows, others = sum(left.values()), sum(right.values())
    return (
        sum(abs(left.get(word, 0) / rows - right.get(word, 0) / others) for word in {*left, *right})
        / 2
    )


def kolmogorov_smirnov(left: Sequence[float], right: Sequence[float]) -> float:
    """The largest difference between the empirical distribution functions."""
    a, b = sorted(left), sorted(right)
    return max(
        abs(bisect_right(a, value) / len(a) - bisect_right(b, value) / len(b)) for value in {*a, *b}
    )

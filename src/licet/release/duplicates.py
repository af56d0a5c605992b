"""Figures on the duplicates of a release: the number of clusters, their sizes, the largest ones.

A cluster is a kept conversation and its duplicates, none of which becomes a row
(`curate.duplicate_clusters`). Its number of accounts is stated from `ACCOUNTS_MIN` on.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from licet.release.manifest import ACCOUNTS_MIN

LARGEST_MAX = 20


class ClusterSizes(msgspec.Struct, frozen=True, kw_only=True):
    """The clusters of ``least`` to ``most`` conversations, and their conversations in total."""

    least: int
    most: int
    clusters: int
    conversations: int


class DuplicateCluster(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster. ``accounts``: None below `ACCOUNTS_MIN`; ``row``: its row in the release, if
    any.
    """

    conversations: int
    accounts: int | None
    row: int | None


class DuplicateClusters(msgspec.Struct, frozen=True, kw_only=True):
    """Of ``looked_at`` usable conversations and side threads, ``left_out`` are duplicates."""

    release: str
    looked_at: int
    left_out: int
    clusters: int
    sizes: tuple[ClusterSizes, ...]
    largest: tuple[DuplicateCluster, ...]


def sizes(conversations: Iterable[int]) -> tuple[ClusterSizes, ...]:
    """Groups clusters by their conversations, at least 2: 2, 3 to 4, 5 to 8, and so on."""
    clusters: dict[int, list[int]] = {}
    for count in conversations:
        clusters.setdefault((count - 1).bit_length(), []).append(count)
    return tuple(
        ClusterSizes(
            least=2 ** (power - 1) + 1,
            most=2**power,
            clusters=len(counts),
            conversations=sum(counts),
        )
        for power, counts in sorted(clusters.items())
    )


def published_accounts(accounts: int) -> int | None:
    """The number of accounts if it may be published."""
    return accounts if accounts >= ACCOUNTS_MIN else None

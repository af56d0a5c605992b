"""The duplicates of a release in figures: how many clusters there are, how large, and the largest
of them.

A cluster is a conversation that stays and those that hold the same, of which none becomes a row.
`curate.duplicate_clusters` finds them. Of how many accounts a cluster is, is said from
`ACCOUNTS_MIN` on.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from licet.release.manifest import ACCOUNTS_MIN

LARGEST_MAX = 20


class ClusterSizes(msgspec.Struct, frozen=True, kw_only=True):
    """The clusters of from ``least`` to ``most`` conversations, and how many conversations these
    are.
    """

    least: int
    most: int
    clusters: int
    conversations: int


class DuplicateCluster(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster. ``accounts``: None if they are fewer than `ACCOUNTS_MIN`; ``row``: a row of the
    release that is in it, None if there is none.
    """

    conversations: int
    accounts: int | None
    row: int | None


class DuplicateClusters(msgspec.Struct, frozen=True, kw_only=True):
    """``looked_at`` conversations and side threads may be used, of which ``left_out`` hold what
    another one holds.
    """

    release: str
    looked_at: int
    left_out: int
    clusters: int
    sizes: tuple[ClusterSizes, ...]
    largest: tuple[DuplicateCluster, ...]


def sizes(conversations: Iterable[int]) -> tuple[ClusterSizes, ...]:
    """Clusters of these numbers of conversations, 2 at least, by size: 2, 3 to 4, 5 to 8, and so
    on.
    """
    found: dict[int, list[int]] = {}
    for count in conversations:
        found.setdefault((count - 1).bit_length(), []).append(count)
    return tuple(
        ClusterSizes(
            least=2 ** (power - 1) + 1,
            most=2**power,
            clusters=len(counts),
            conversations=sum(counts),
        )
        for power, counts in sorted(found.items())
    )


def published_accounts(accounts: int) -> int | None:
    """The number of accounts as it may be told."""
    return accounts if accounts >= ACCOUNTS_MIN else None

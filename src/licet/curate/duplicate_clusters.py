"""Recomputes the duplicates among the usable content of a release's purpose.

A build stores nothing that identifies duplicates (docs/adr/0008). So everything usable for the
purpose is read again as in a build's survey: decided and opened page by page, sketched under a key
that is discarded. Only figures are stored. They describe today: people who withdrew since the build
are missing, newcomers are included.

Memory: besides an election's, some 32 bytes a document, above a million of them in unnamed files.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from licet.curate.dedupe import Election
from licet.curate.disk_arrays import SpilledArray
from licet.curate.pipeline import PlanCuration
from licet.curate.plan import plan
from licet.curate.rule_cleaner import RuleCleaner
from licet.curate.runners import Local
from licet.release import catalog, duplicates, figures, registry
from licet.release.curation import Document
from licet.release.decision_pages import PAGE_BYTES_MAX
from licet.release.duplicates import LARGEST_MAX, DuplicateCluster, DuplicateClusters
from licet.release.figures import FiguresKind
from licet.release.registry import Release
from licet.release.sketch_source import Passes
from licet.store.connect import transaction
from licet.vault.conversation_pages import START
from licet.vault.installation import Installation, load_policies

CHATS_LOOKED_UP_MAX = 1_000  # of a cluster, to find its row


def count_clusters(
    installation: Installation, name: str, *, progress: Callable[[int], None] = lambda _read: None
) -> DuplicateClusters:
    """Counts duplicate clusters among content usable for a sealed release's purpose, and stores the
    figures.

    ``progress`` gets the number of conversations read. RefusedError for an unsealed release.
    """
    _, known = catalog.sealed_release(installation, name)
    sketching = PlanCuration(plan(RuleCleaner(), installation.keyring.random(32)), Local())
    passes = Passes(
        installation.pool,
        installation.keyring,
        load_policies(installation),
        known.purpose,
        installation.clock,
        PAGE_BYTES_MAX,
    )
    with ExitStack() as stack:
        read = stack.enter_context(closing(_Read(installation)))
        for page in passes.documents(START, lambda _conversation: True):
            documents = [one for one, _ in page]
            for one, sketch in zip(documents, sketching.sketch(documents), strict=True):
                read.election.enter(sketch)
                read.enter(one)
            progress(len(documents))
        clusters = read.clusters(installation, known)
    with transaction(installation.pool) as tx:
        figures.store_figures(
            tx, known.release_id, FiguresKind.duplicates, clusters, installation.clock()
        )
    return clusters


class _Read:
    """An election, with each document's account and conversation."""

    def __init__(self, installation: Installation) -> None:
        folder = installation.config.data
        self.election = Election(folder)
        self._accounts, self._chats = _Ids(folder), _Ids(folder)

    def enter(self, document: Document) -> None:
        self._accounts.append(document.account)
        self._chats.append(document.name[:16])

    def clusters(self, installation: Installation, release: Release) -> DuplicateClusters:
        kept_by = self.election.outcome().kept_by
        copies = np.bincount(kept_by, minlength=len(kept_by) + 1)[1:]  # of each document that stays
        stays = np.flatnonzero(copies)
        largest = stays[np.argsort(-copies[stays], kind="stable")[:LARGEST_MAX]]
        return DuplicateClusters(
            release=release.name,
            looked_at=len(kept_by),
            left_out=int(copies.sum()),
            clusters=len(stays),
            sizes=duplicates.sizes((copies[stays] + 1).tolist()),
            largest=tuple(
                self._one(installation, release, kept_by, int(number)) for number in largest
            ),
        )

    def _one(
        self, installation: Installation, release: Release, kept_by: NDArray[np.int32], number: int
    ) -> DuplicateCluster:
        members = np.concatenate([[number], np.flatnonzero(kept_by == number + 1)])
        some = members[:CHATS_LOOKED_UP_MAX]
        with transaction(installation.pool) as tx:
            chats = list(zip(self._accounts.at(some), self._chats.at(some), strict=True))
            rows = [
                row.ordinal for row in registry.rows_by_conversation(tx, release.release_id, chats)
            ]
        return DuplicateCluster(
            conversations=len(members),
            accounts=duplicates.published_accounts(len(set(self._accounts.at(members)))),
            row=min(rows, default=None),
        )

    def close(self) -> None:
        self.election.close()
        self._accounts.close()
        self._chats.close()


class _Ids:
    """Ids by document number."""

    def __init__(self, folder: Path) -> None:
        self._halves = (SpilledArray("u8", folder), SpilledArray("u8", folder))

    def append(self, digest: bytes) -> None:
        for half, number in zip(self._halves, struct.unpack(">2Q", digest), strict=True):
            half.append(number)

    def at(self, numbers: NDArray[np.int64]) -> list[UUID]:
        halves = (half.view()[numbers].tolist() for half in self._halves)
        return [UUID(int=(first << 64) | second) for first, second in zip(*halves, strict=True)]

    def close(self) -> None:
        for half in self._halves:
            half.close()

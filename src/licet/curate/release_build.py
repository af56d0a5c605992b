"""Builds a release: usable content, curated as configured, sealed into a folder."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from licet.config import Configuration
from licet.curate import engine_settings
from licet.curate.rule_cleaner import RuleCleaner
from licet.errors import UsageError
from licet.release import catalog, registry, release_store
from licet.release.build import Builder
from licet.release.build_order import BuildOrder, BuildResult
from licet.release.build_workers import Crew, Processes, WorkerSettings
from licet.store import statistics
from licet.store.connect import transaction
from licet.vault.installation import Installation, load_policies

if TYPE_CHECKING:
    from licet.curate.kernels import Scorer


WORKER_START = "licet.curate.worker_start"


def _crew(config: Configuration) -> Crew:
    """The supply of workers: the configured cluster, or this machine."""
    from licet.curate.ray_workers import RayActors
    from licet.curate.runners import Engine

    if config.curate.runner != Engine.ray:
        return Processes((WORKER_START,))
    return RayActors(config.curate.ray_address or "", WORKER_START)


def build_release(
    installation: Installation,
    *,
    name: str,
    purpose: str,
    folder: Path | None = None,
    progress: Callable[[int], None] = lambda _turns: None,
    says: Callable[[str], None] = lambda _line: None,
    afresh: bool = False,
    scorers: Sequence[Scorer] = (),
    base: str | None = None,
    workers: int = 1,
    accepts_changes: bool = False,
) -> BuildResult:
    """Builds and seals a release into ``folder``, by default among the installation's releases.

    An interrupted build of this name continues, unless its inputs differ or ``afresh``; ``says``
    reports which, and why. ``base``: an earlier release whose unchanged rows are reused
    (`release.base`). ``workers``: the number of page workers, local processes or actors of the
    configured cluster, without effect on the release. ``accepts_changes`` seals it although
    unusually many words were replaced (`release.changed_words`). ``scorers``
    (`curate.kernels.Scorer`): a row's labels have each score of its worst turn.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", name):
        raise UsageError(
            f"`{name}` is not a name for a release",
            "use lower-case letters, digits, `-`, `_` and `.`",
        )
    order = BuildOrder(
        name=name,
        purpose=purpose,
        folder=folder or installation.config.releases / name,
        software=installed_version("licet"),
        afresh=afresh,
        accepts_changes=accepts_changes,
        base=catalog.find_release(installation, base) if base is not None else None,
    )
    engine_settings.check_notices(installation, load_policies(installation))
    statistics.gather(installation.pool)
    cleaner = RuleCleaner()
    with engine_settings.curation(installation, cleaner, scorers) as curation:
        builder = Builder(
            installation.pool,
            installation.keyring,
            load_policies(installation),
            cleaner,
            installation.clock,
            progress,
            curation=curation,
            says=says,
            workers=WorkerSettings(
                count=workers, config=installation.config, crew=_crew(installation.config)
            ),
        )
        with _frozen():
            built = builder.run(order)
    with transaction(installation.pool) as tx:
        known = registry.get(tx, UUID(hex=built.manifest.release))
    release_store.publish(installation, known, built.folder)
    return built


@contextmanager
def _frozen() -> Iterator[None]:
    """Exempts existing objects from garbage collection: a build makes many objects, and each
    collection would visit all.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

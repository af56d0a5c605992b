"""Building releases, showing and verifying them, reading their rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Self
from uuid import UUID

import msgspec

from licet.config import Config
from licet.curate import deidentify, rules
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.release import manifest, registry
from licet.release import verify as release_files
from licet.release.build import Builder, Built, Order
from licet.release.curation import Curation
from licet.release.live import DatabaseLeases
from licet.release.reader import Loaded, LoadedRow
from licet.release.reader import load as load_rows
from licet.release.registry import Release
from licet.service.installation import Clock, Installation, installation, policies, utc_now
from licet.store.connect import transaction


class RuleCleaner:
    """The structured layer of de-identification, as a release needs it."""

    @property
    def rules(self) -> str:
        return "licet-rules"

    @property
    def sha256(self) -> str:
        return rules.ours().sha256

    def clean(self, texts: Sequence[str], key: bytes) -> tuple[Sequence[str], Mapping[str, int]]:
        cleaned = deidentify.deidentify(texts, key)
        return cleaned.texts, {kind.value: count for kind, count in cleaned.counts.items()}


def build_release(
    here: Installation, *, name: str, purpose: str, folder: Path | None = None,
    progress: Callable[[int], None] = lambda _turns: None,
) -> Built:  # fmt: skip
    """Builds and seals a release into ``folder``, by default beside the others of the installation."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", name):
        raise UsageError(f"`{name}` is not a name for a release", "use lower-case letters, digits, `-`, `_` and `.`")
    order = Order(
        name=name, purpose=purpose, folder=folder or here.config.releases / name, software=installed_version("licet")
    )
    with _curation(here) as curation:
        builder = Builder(
            here.pool, here.keyring, policies(here), RuleCleaner(), here.clock, progress, curation=curation
        )
        return builder.run(order)


@contextmanager
def _curation(here: Installation) -> Iterator[Curation]:
    """Curation of one build, as the installation is configured, under a key that nobody else ever has."""
    # Here, not above: its numpy would make every command start a tenth of a second later.
    from licet.curate import benchmarks
    from licet.curate.pipeline import Pipeline
    from licet.curate.plan import plan
    from licet.curate.runners import Engine, runner

    chosen = here.config.curate
    if chosen.runner not in set(Engine):
        raise UsageError(
            f"`LICET_CURATE__RUNNER` is `{chosen.runner}`, which is no engine", f"engines are {', '.join(Engine)}"
        )
    known = benchmarks.read(chosen.benchmarks_file) if chosen.benchmarks_file else benchmarks.Benchmarks()
    made = plan(RuleCleaner(), here.keyring.random(32), benchmarks=known)
    here.config.data.mkdir(parents=True, exist_ok=True)
    with closing(Pipeline(made, runner(Engine(chosen.runner), chosen.ray_address or ""), here.config.data)) as pipeline:
        yield pipeline


def releases(here: Installation) -> list[Release]:
    with transaction(here.pool) as tx:
        return registry.every(tx)


class ReleaseSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A release as its folder says it is, and as the database knows it."""

    folder: Path
    manifest: manifest.Manifest
    state: str
    rows_usable_now: int


def find_release(here: Installation, name: str) -> tuple[Path, Release]:
    """The folder and the record of a release, by its name or by any folder that holds a copy of it."""
    own = here.config.releases / name
    folder = own if own.is_dir() and "/" not in name else Path(name)
    with transaction(here.pool) as tx:
        if folder.is_dir():
            promised, _ = manifest.read(folder)
            return folder, registry.get(tx, UUID(hex=promised.release))
        known = registry.find(tx, name)
    if known is None:
        raise NotFoundError(f"no release `{name}`", "`licet status` lists the releases")
    raise NotFoundError(f"the folder of release `{name}` is not at `{own}`", "name the folder instead")


def show_release(here: Installation, name: str) -> ReleaseSeen:
    """A release, and how many of its rows may be used now."""
    folder, known = find_release(here, name)
    promised, _ = manifest.read(folder)
    usable = 0
    if known.state == "sealed":
        leases = DatabaseLeases(here.pool, here.keyring, here.clock)
        for part in promised.parts:
            ordinals = range(part.first_ordinal, part.first_ordinal + _span(promised, part.first_ordinal))
            for start in range(0, len(ordinals), LEASED_ROWS_MAX):
                asked = ordinals[start : start + LEASED_ROWS_MAX]
                usable += len(leases.lease(promised.release_id, part.number, asked).keys)
    return ReleaseSeen(folder=folder, manifest=promised, state=known.state, rows_usable_now=usable)


LEASED_ROWS_MAX = 2_000


def _span(promised: manifest.Manifest, first: int) -> int:
    """How many ordinals a part may hold: up to the next part's first, or a whole part for the last."""
    later = [part.first_ordinal for part in promised.parts if part.first_ordinal > first]
    return min(later) - first if later else 50_000


def verify_release(here: Installation, name: str) -> list[release_files.Contradiction]:
    """Every contradiction between a release's folder and what was sealed."""
    folder, known = find_release(here, name)
    sealed = known.manifest_sha256.hex() if known.manifest_sha256 else ""
    if known.state != "sealed":
        raise RefusedError(f"release `{known.name}` was never sealed", "build it again", because="not_sealed")
    return release_files.verify(folder, manifest_sha256=sealed)


class Loading(Iterator[LoadedRow]):
    """The rows of a release that may be used now, in order; closes its installation when it ends."""

    def __init__(self, rows: Loaded, closing: ExitStack) -> None:
        self._rows, self._closing = rows, closing

    def __next__(self) -> LoadedRow:
        try:
            return next(self._rows)
        except BaseException:
            self.close()
            raise

    @property
    def yielded(self) -> int:
        return self._rows.yielded

    @property
    def withheld(self) -> int:
        return self._rows.withheld

    @property
    def complete(self) -> bool:
        return self._rows.complete

    def close(self) -> None:
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def load(
    release: str | Path, *, split: str = "", data: Path | None = None, config: Config | None = None,
    clock: Clock = utc_now,
) -> Loading:  # fmt: skip
    """The rows of ``release``, a name or a folder, that may be used now: ``{"messages": [...], ...}`` one by one.

    ``split``: only the rows of ``train``, ``validation`` or ``test``; people, not rows, are held out, for ever.
    ``data`` is the installation's folder, by default that of the environment. Each row is decided anew as it is
    read; one that was withdrawn, deleted or has expired does not come out, from any copy of the files.
    """
    import os  # the environment is read here, at an edge, and nowhere below

    with ExitStack() as stack:
        here = stack.enter_context(installation(config or Config.of(os.environ, data), clock))
        rows = open_release(here, str(release), split)
        return Loading(rows, stack.pop_all())


def open_release(here: Installation, name: str, split: str = "") -> Loaded:
    """The rows of a release, or of one split of it, under an open installation."""
    folder, known = find_release(here, name)
    sealed = known.manifest_sha256.hex() if known.manifest_sha256 else ""
    leases = DatabaseLeases(here.pool, here.keyring, here.clock)
    return load_rows(folder, leases, at=here.clock, manifest_sha256=sealed, split=split)

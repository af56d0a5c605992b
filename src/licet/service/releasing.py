"""Building releases, showing and verifying them, reading their rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Self, overload
from uuid import UUID

import msgspec

from licet.config import Config
from licet.curate import deidentify, rules
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.ledger import jws
from licet.release import diff as diffs
from licet.release import manifest, purging, registry, review, sample
from licet.release import verify as release_files
from licet.release.build import Builder, Built, Order
from licet.release.live import DatabaseLeases
from licet.release.purge import Living, LogKey
from licet.release.reader import Leases, Loaded, LoadedRow
from licet.release.reader import load as load_rows
from licet.release.registry import Release
from licet.release.verify import Contradiction, Promise
from licet.service import curating
from licet.service.installation import Clock, Installation, installation, policies, utc_now
from licet.store import statistics
from licet.store.connect import Transaction, transaction

if TYPE_CHECKING:
    from licet.curate.kernels import Scorer
    from licet.train.gate import Gate
    from licet.train.loading import Rows


class RuleCleaner:
    """The structured layer of de-identification, as a release needs it."""

    @property
    def rules(self) -> str:
        return "licet-rules"

    @property
    def sha256(self) -> str:
        return rules.ours().sha256

    def clean(self, texts: Sequence[str], key: bytes) -> tuple[Sequence[str], Mapping[str, int]]:
        return _counted(deidentify.deidentify(texts, key))

    def clean_named(
        self, texts: Sequence[str], key: bytes, names: Sequence[Sequence[deidentify.Span]]
    ) -> tuple[Sequence[str], Mapping[str, int]]:
        return _counted(deidentify.deidentify(texts, key, names=names))


def _counted(cleaned: deidentify.Deidentified) -> tuple[Sequence[str], Mapping[str, int]]:
    return cleaned.texts, {kind.value: count for kind, count in cleaned.counts.items()}


def build_release(
    here: Installation, *, name: str, purpose: str, folder: Path | None = None,
    progress: Callable[[int], None] = lambda _turns: None, says: Callable[[str], None] = lambda _line: None,
    afresh: bool = False, scorers: Sequence[Scorer] = (),
) -> Built:  # fmt: skip
    """Builds and seals a release into ``folder``, by default beside the others of the installation.

    A build of this name that was killed goes on, unless it was made with something else or is to start ``afresh``;
    ``says`` is told which, and why.
    ``scorers`` (`curate.kernels.Scorer`) score what was said; a row has each score of its worst turn in its labels.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", name):
        raise UsageError(f"`{name}` is not a name for a release", "use lower-case letters, digits, `-`, `_` and `.`")
    order = Order(
        name=name, purpose=purpose, folder=folder or here.config.releases / name, software=installed_version("licet"),
        afresh=afresh,
    )  # fmt: skip
    curating.hold_to_notices(here, policies(here))
    statistics.gather(here.pool)
    cleaner = RuleCleaner()
    with curating.curation(here, cleaner, scorers) as curation:
        builder = Builder(
            here.pool, here.keyring, policies(here), cleaner, here.clock, progress, curation=curation, says=says
        )
        return builder.run(order)


def releases(here: Installation) -> list[Release]:
    with transaction(here.pool) as tx:
        return registry.every(tx)


def without_names(here: Installation) -> list[str]:
    """The sealed releases whose own copy here says that nobody looked for names in it, by name."""
    found = []
    for known in releases(here):
        folder = here.config.releases / known.name
        if known.state != "sealed" or not (folder / manifest.FILE).is_file():
            continue
        promised = manifest.read(folder)[0]
        if promised.rows and not promised.looked_for_names:
            found.append(known.name)
    return found


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
    usable = sum(map(len, usable_rows(here, promised))) if known.state == "sealed" else 0
    return ReleaseSeen(folder=folder, manifest=promised, state=known.state, rows_usable_now=usable)


LEASED_ROWS_MAX = 2_000


def usable_rows(here: Installation, promised: manifest.Manifest) -> Iterator[list[int]]:
    """The ordinals of the rows that may be used now, some at a time, in order."""
    leases = DatabaseLeases(here.pool, here.keyring, here.clock)
    for part in promised.parts:
        ordinals = range(part.first_ordinal, part.first_ordinal + _span(promised, part.first_ordinal))
        for start in range(0, len(ordinals), LEASED_ROWS_MAX):
            yield sorted(leases.lease(promised.release_id, part.number, ordinals[start : start + LEASED_ROWS_MAX]).keys)


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
    found = release_files.verify(folder, manifest_sha256=sealed, living=_living(here, known), key=log_key(here))
    if not any(one.promise is Promise.REVIEW for one in found) and (stated := review.read(folder)) is not None:
        with transaction(here.pool) as tx:
            if not sample.is_stated(tx, known.release_id, stated.jws):
                unknown = f"a statement that was not made here: SHA-256 `{stated.sha256}`"
                found.append(Contradiction(file=manifest.REVIEW_FILE, promise=Promise.REVIEW, found=unknown))
    return found


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


@overload
def load(
    release: str | Path, *, split: str = "", data: Path | None = None, config: Config | None = None,
    clock: Clock = utc_now, gate: None = None, leases: None = None,
) -> Loading: ...  # fmt: skip


@overload
def load(
    release: str | Path, *, split: str = "", data: Path | None = None, config: Config | None = None,
    clock: Clock = utc_now, gate: Gate, leases: Leases | None = None,
) -> Rows: ...  # fmt: skip


def load(
    release: str | Path, *, split: str = "", data: Path | None = None, config: Config | None = None,
    clock: Clock = utc_now, gate: Gate | None = None, leases: Leases | None = None,
) -> Loading | Rows:  # fmt: skip
    """The rows of ``release``, a name or a folder, that may be used now: ``{"messages": [...], ...}`` one by one.

    ``split``: only the rows of ``train``, ``validation`` or ``test``; people, not rows, are held out, for ever.
    ``data`` is the installation's folder, by default that of the environment. Each row is decided anew as it is
    read; one that was withdrawn, deleted or has expired does not come out, from any copy of the files.

    With a ``gate`` (`licet.gate`) they come by position, for a training run: as many as were promised, a row that may not
    be used replaced by another, into any worker of a data loader. ``leases`` gives the
    row keys where the installation is on another machine (`licet.remote`).
    """
    import os  # the environment is read here, at an edge, and nowhere below

    if gate is not None:
        from licet.service import gating  # here, so that no other command waits for it

        chosen = config or Config.of(os.environ, data)
        given = leases or gating.Here(chosen, clock)
        return gating.rows(gating.folder_of(release, chosen), gate, given, at=clock, split=split)
    if leases is not None:
        raise UsageError("`leases` come with a `gate`", "`licet.gate` opens one")
    with ExitStack() as stack:
        here = stack.enter_context(installation(config or Config.of(os.environ, data), clock))
        rows = open_release(here, str(release), split)
        return Loading(rows, stack.pop_all())


def open_release(here: Installation, name: str, split: str = "") -> Loaded:
    """The rows of a release, or of one split of it, under an open installation."""
    folder, known = find_release(here, name)
    sealed = known.manifest_sha256.hex() if known.manifest_sha256 else ""
    leases = DatabaseLeases(here.pool, here.keyring, here.clock)
    living = _living(here, known)
    return load_rows(folder, leases, at=here.clock, manifest_sha256=sealed, split=split, living=living)


def _living(here: Installation, known: Release) -> Living:
    """Which rows no purge may lack, asked of the database."""

    def ask(ordinals: Sequence[int]) -> list[int]:
        with transaction(here.pool) as tx:
            return purging.living(tx, known.release_id, ordinals, log_key_in(here, tx))

    return ask


def log_key(here: Installation) -> LogKey:
    """The log's public key, which a purge's addendum is held to."""

    def ask() -> bytes:
        with transaction(here.pool) as tx:
            return log_key_in(here, tx)()

    return ask


def log_key_in(here: Installation, tx: Transaction) -> LogKey:
    """As `log_key`, in a transaction that is open."""
    return lambda: jws.public_of(here.keyring.log_seed(tx))


def diff_releases(here: Installation, old: str, new: str) -> diffs.Diff:
    """What differs between two releases, each a name or a folder."""
    sides = []
    for name in (old, new):
        folder, known = find_release(here, name)
        if known.state != "sealed":
            raise RefusedError(f"release `{known.name}` was never sealed", "build it again", because="not_sealed")
        sides.append(diffs.Side(folder=folder, manifest=manifest.read(folder)[0], known=known))
    with transaction(here.pool) as tx:
        return diffs.diff(tx, here.keyring, *sides)

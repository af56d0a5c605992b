"""`licet.load`: the rows of a release, each behind the live decision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self, overload

from licet.clock import Clock, utc_now
from licet.config import Configuration
from licet.errors import UsageError, not_installed
from licet.release.reader import Leases, LoadedRow, LoadedRows

if TYPE_CHECKING:
    from licet.train.dataset import RowDataset
    from licet.train.gate import TrainingGate
    from licet.train.label_filter import LabelFilter


class Loading(Iterator[LoadedRow]):
    """The rows of a release that may be used now; closes its installation when it ends.

    ``where`` passes over rows by their labels: ``passed_over`` counts them, and they count as
    yielded by the release. Rows of a split that it excludes are not opened, and not counted.
    """

    def __init__(
        self, rows: LoadedRows, closing: ExitStack, where: LabelFilter | None = None
    ) -> None:
        self._rows, self._closing, self._where = rows, closing, where
        self.passed_over = 0

    def __next__(self) -> LoadedRow:
        try:
            while True:
                row = next(self._rows)
                if self._where is None or self._matches(row):
                    return row
                self.passed_over += 1
        except BaseException:
            self.close()
            raise

    def _matches(self, row: LoadedRow) -> bool:
        assert self._where is not None
        if "labels" not in row:
            raise UsageError(
                f"release `{self._rows.manifest.name}` has no labels to filter by", "build it again"
            )
        return self._where(row["labels"])

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
    release: str | Path,
    *,
    split: str = "",
    where: str = "",
    seed: int | None = 0,
    data: Path | None = None,
    config: Configuration | None = None,
    clock: Clock = utc_now,
    gate: None = None,
    leases: None = None,
) -> Loading: ...


@overload
def load(
    release: str | Path,
    *,
    split: str = "",
    where: str = "",
    seed: int | None = 0,
    data: Path | None = None,
    config: Configuration | None = None,
    clock: Clock = utc_now,
    gate: TrainingGate,
    leases: Leases | None = None,
) -> RowDataset: ...


def load(
    release: str | Path,
    *,
    split: str = "",
    where: str = "",
    seed: int | None = 0,
    data: Path | None = None,
    config: Configuration | None = None,
    clock: Clock = utc_now,
    gate: TrainingGate | None = None,
    leases: Leases | None = None,
) -> Loading | RowDataset:
    """The rows of ``release``, a name or a folder, that may be used now: ``{"messages": [...],
    ...}`` one by one.

    ``split``: only the rows of ``train``, ``validation`` or ``test``; people, not rows, are held
    out, for ever.
    ``where``: only the rows whose labels match (`train.label_filter`); by position, `licet.mix`
    filters.
    ``seed``: a person's rows are neighbours in a release, so they come mixed with those of some
    thousand rows around them, in an order that depends on the seed alone, whatever is withdrawn;
    None: in the order of the release. ``data`` is the installation's folder, by default that of the
    environment. Each row is decided anew as it is read; one that was withdrawn, deleted or has
    expired does not come out, from any copy of the files.

    With a ``gate`` (`licet.gate`) they come by position, for a training run: as many as the
    manifest promises, each row that may not be used replaced by another, in any worker of a data
    loader. ``leases`` provides the row keys if the installation is on another machine
    (`licet.remote`).
    """
    import os  # the environment is read here, at the edge, and nowhere below

    if gate is not None:
        if where:
            raise UsageError(
                "positions of rows that were filtered are those of a state",
                "`licet.mix` filters by position, and keeps it",
            )
        from licet.train import node  # here, so that no other command has to import it

        chosen = config or Configuration.of(os.environ, data)
        given = leases or node.local_leases(chosen, clock)
        dealt = node.rows(node.folder_of(release, chosen), gate, given, clock=clock, split=split)
        if seed is not None:
            dealt.deal(seed)
        return dealt
    if leases is not None:
        raise UsageError("`leases` need a `gate`", "open one with `licet.gate`")
    filtered = None
    if where:
        from licet.train.label_filter import LabelFilter

        filtered = LabelFilter(where)
    # Here, so that a run on another machine, whose rows come behind a gate, needs no database.
    try:
        from licet.release import catalog
        from licet.vault.installation import held_installation
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "server") from missing

    here, stack = held_installation(config or Configuration.of(os.environ, data), clock)
    try:
        may_match = filtered.may_match if filtered else None
        return Loading(
            catalog.open_release(here, str(release), split, may_match, seed), stack, filtered
        )
    except BaseException:
        stack.close()
        raise

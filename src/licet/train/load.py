"""`licet.load`: reads the rows of a release, each behind the live decision."""

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


class Loading(Iterator[LoadedRow]):
    """The usable rows of a release; closes its installation when it ends.

    With ``where``, only the labels of rows that do not match are opened, and ``passed_over`` counts
    them. Rows of an excluded split are neither opened nor counted.
    """

    def __init__(self, rows: LoadedRows, closing: ExitStack) -> None:
        self._rows, self._closing = rows, closing

    def __next__(self) -> LoadedRow:
        try:
            return next(self._rows)
        except BaseException:
            self.close()
            raise

    @property
    def passed_over(self) -> int:
        return self._rows.passed_over

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
    labels: bool = True,
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
    labels: bool = True,
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
    labels: bool = True,
    seed: int | None = 0,
    data: Path | None = None,
    config: Configuration | None = None,
    clock: Clock = utc_now,
    gate: TrainingGate | None = None,
    leases: Leases | None = None,
) -> Loading | RowDataset:
    """The usable rows of ``release``, a name or a folder: ``{"messages": [...], ...}`` one by one.

    ``split``: only the rows of ``train``, ``validation`` or ``test``; people, not rows, are held
    out, for ever. ``where``: only rows whose labels match (`train.label_filter`); no message of
    other rows is opened; by position, `licet.mix` filters. ``labels=False``: rows come without
    labels, which stay sealed. ``seed``: a person's rows are adjacent in a release, so they are
    mixed with some thousand rows around them, in an order that depends only on the seed, not on
    withdrawals; None: in the order of the release. ``data`` is the installation's folder, by
    default that of the environment. Each row is decided as it is read: a withdrawn, deleted or
    expired one cannot be read from any copy of the files.

    With a ``gate`` (`licet.gate`) rows come by position, for a training run: as many as the
    manifest promises, each unusable row replaced by another, in any data loader worker. ``leases``
    provides row keys if the installation is on another machine (`licet.remote`).
    """
    import os  # the environment is read here, at the edge, and nowhere below

    if gate is not None:
        if where or not labels:
            raise UsageError(
                "positions of rows that were filtered are those of a state, and they come whole",
                "`licet.mix` filters by position, and keeps it",
            )
        from licet.train import node  # here, so that no other command has to import it

        chosen = config or Configuration.from_environment(os.environ, data)
        source = leases or node.local_leases(chosen, clock)
        dealt = node.rows(node.find_folder(release, chosen), gate, source, clock=clock, split=split)
        if seed is not None:
            dealt.deal(seed)
        return dealt
    if leases is not None:
        raise UsageError("`leases` need a `gate`", "open one with `licet.gate`")
    from licet.train.label_filter import LabelFilter

    filtered = LabelFilter(where) if where else None
    # Here, so that a run on another machine, whose rows come behind a gate, needs no database.
    try:
        from licet.release import catalog
        from licet.vault.installation import held_installation
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "server") from missing

    installation, stack = held_installation(
        config or Configuration.from_environment(os.environ, data), clock
    )
    try:
        return Loading(
            catalog.open_release(installation, str(release), split, filtered, seed, labels), stack
        )
    except BaseException:
        stack.close()
        raise

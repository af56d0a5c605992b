"""Importing files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from licet.intake import formats, messages, takeouts
from licet.intake.import_records import Imported, RecordedAccount, RecordedChoice
from licet.intake.read_turn import Read
from licet.intake.recorded_history import read_accounts, read_choices
from licet.intake.records import Pass, Progress
from licet.intake.replay import Import
from licet.intake.takeouts import TakenOut
from licet.store import statistics
from licet.vault.installation import Installation, load_policies


def import_size(paths: Sequence[Path]) -> int:
    """The number of bytes that an import of these files reads."""
    return sum(formats.size(path) for path in paths)


def import_files(
    installation: Installation,
    paths: Sequence[Path],
    *,
    recorded: Sequence[RecordedAccount] = (),
    choices: Sequence[RecordedChoice] = (),
    default: RecordedAccount | None = None,
    host: str = "",
    surface: str | None = None,
    assume_at: datetime | None = None,
    read_progress: Callable[[int], None] | None = None,
    store_progress: Callable[[int], None] = lambda _turns: None,
) -> Imported:
    """Imports recorded history; see `intake.replay`."""
    bringing = Import(
        installation.pool,
        installation.keyring,
        load_policies(installation),
        installation.clock(),
        recorded=recorded,
        choices=choices,
        default=default,
        host=host,
        surface=surface,
        folder=_spool_folder(installation),
        assume_at=assume_at,
    )
    return _store(
        installation,
        bringing,
        (formats.read(path, read_progress) for path in paths),
        store_progress,
    )


def import_takeout(
    installation: Installation,
    takeout: TakenOut,
    *,
    read_progress: Progress = lambda _bytes: None,
    store_progress: Callable[[int], None] = lambda _turns: None,
) -> tuple[Imported, list[str]]:
    """Imports a data export for the account that it names; also returns the versions of the choices
    left out.
    """
    known, now = load_policies(installation), installation.clock()
    recorded, foreign = read_accounts(takeout.accounts, now), list[str]()
    names = frozenset(account.host for account in recorded)
    chosen = read_choices(takeout.choices, known, now, names, foreign=foreign)
    bringing = Import(
        installation.pool,
        installation.keyring,
        known,
        now,
        recorded=recorded,
        choices=chosen,
        folder=_spool_folder(installation),
        host=recorded[0].host if len(recorded) == 1 else "",
    )
    items = [messages.read(takeout.messages, Pass(read_progress))]
    items += (
        [takeouts.read_feedback(takeout.feedback, read_progress)]
        if takeout.feedback is not None
        else []
    )
    return _store(installation, bringing, items, store_progress), foreign


def _spool_folder(installation: Installation) -> Path:
    spools = installation.config.data / "spool"
    spools.mkdir(mode=0o700, exist_ok=True)
    return spools


def _store(
    installation: Installation,
    bringing: Import,
    items: Iterable[Iterable[Read]],
    store_progress: Callable[[int], None],
) -> Imported:
    with closing(bringing):
        for several in items:
            bringing.read(several)
        stored = bringing.store(store_progress)
    statistics.gather(installation.pool)
    return stored

"""Importing files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from licet.intake import formats
from licet.intake.replay import Import, Imported, RecordedAccount, RecordedChoice
from licet.store import statistics
from licet.vault.installation import Installation, policies


def import_size(paths: Sequence[Path]) -> int:
    """How many bytes an import of these will read."""
    return sum(formats.size(path) for path in paths)


def import_files(
    here: Installation, paths: Sequence[Path], *, recorded: Sequence[RecordedAccount] = (),
    choices: Sequence[RecordedChoice] = (), default: RecordedAccount | None = None, host: str = "",
    surface: str | None = None, assume_at: datetime | None = None, read_progress: Callable[[int], None] | None = None,
    store_progress: Callable[[int], None] = lambda _turns: None,
) -> Imported:  # fmt: skip
    """Imports recorded history; see `intake.replay`."""
    spools = here.config.data / "spool"
    spools.mkdir(mode=0o700, exist_ok=True)
    bringing = Import(
        here.pool, here.keyring, policies(here), here.clock(), recorded=recorded, choices=choices, default=default,
        host=host, surface=surface, folder=spools, assume_at=assume_at,
    )  # fmt: skip
    with closing(bringing):
        for path in paths:
            bringing.read(formats.read(path, read_progress))
        stored = bringing.store(store_progress)
    statistics.gather(here.pool)
    return stored

"""The configuration: one frozen value, read from the environment once, at the edge.

A variable that begins with ``LICET_`` and is not known is an error: a misspelt name would otherwise leave a
default in force that somebody believes to have changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from licet.errors import UsageError

_TESTS = ("LICET_TEST_", "LICET_BENCH_", "LICET_HISTORIES", "LICET_CRASH_STATES", "LICET_INTERLEAVINGS", "LICET_RACES")


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Where an installation keeps what.

    ``data`` (`LICET_DATA`, default ``licet-data``): the folder of the embedded database, the keys and the releases.
    Whoever can read it reads every conversation that is not erased; whoever can write it can do anything.

    ``database_url`` (`LICET_DATABASE_URL`, default none): a PostgreSQL to use instead of the embedded one. Whoever
    sets it decides where every account, sealed turn and wrapped key is kept.
    """

    data: Path = Path("licet-data")
    database_url: str | None = None

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def releases(self) -> Path:
        return self.data / "releases"

    @classmethod
    def of(cls, environment: Mapping[str, str], data: Path | None = None) -> Config:
        """Reads the environment; ``data`` given on the command line comes first, an empty value counts as absent."""
        known = {"LICET_DATA", "LICET_DATABASE_URL"}
        for name in sorted(environment):
            if name.startswith("LICET_") and name not in known and not name.startswith(_TESTS):
                raise UsageError(f"unknown setting `{name}`", f"settings are {', '.join(sorted(known))}")
        return cls(
            data=data or Path(environment.get("LICET_DATA") or "licet-data"),
            database_url=environment.get("LICET_DATABASE_URL") or None,
        )

"""Licet decides, stores and proves what an AI assistant may learn from the people who use it.

``licet.load(release)`` yields the rows of a release that may be used now; with
``licet.gate(release, file, key)`` they come by position, for a training run, and
``licet.remote(url, key_file, recipient=...)`` has their keys from another machine.
``licet.mix({release: weight}, ...)`` mixes several, by tokens. They are imported on first use, so
that ``import licet`` opens no database and costs nothing; ``licet.__version__`` is that of the
installed distribution.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from licet.errors import not_installed

if TYPE_CHECKING:
    __version__: str

__all__ = ["__version__", "gate", "load", "mix", "remote"]


_PLACES = {
    "gate": "licet.train.node",
    "load": "licet.train.load",
    "mix": "licet.train.mix",
    "remote": "licet.train.node",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  (a module's attribute has no one type)
    if (place := _PLACES.get(name)) is not None:
        try:
            return getattr(import_module(place), name)
        except ModuleNotFoundError as missing:
            raise not_installed(missing, "loader") from missing
    if name == "__version__":
        return import_module("importlib.metadata").version("licet")
    raise AttributeError(f"module `licet` has no attribute `{name}`")

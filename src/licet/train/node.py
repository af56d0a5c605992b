"""A training run's side: opens the gate, the rows behind it, and a remote source of keys.

Neither this module nor its imports need a database or a server: the extra `loader` is enough. On
the installation's own machine, keys come from `train.gate_files.LocalLeases`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from licet.clock import Clock, utc_now
from licet.config import Configuration
from licet.errors import not_installed
from licet.release import manifest
from licet.release.reader import Leases
from licet.train import bitmap, streamed
from licet.train.dataset import RowDataset
from licet.train.gate import TrainingGate, WhenStale
from licet.train.remote import Remote, read_key_file

KEY_PATH_CHARACTERS_MAX = 4_096


def gate(
    release: str | Path,
    file: str | Path,
    key: str | Path,
    *,
    when_stale: WhenStale | str = WhenStale.pause,
    held: bytes | None = None,
    clock: Callable[[], float] = time.time,
    data: Path | None = None,
) -> TrainingGate:
    """The gate of a run on ``release``, a name or a folder, from the ``file`` that `licet train
    gate` keeps, or its folder. A name is that of a release of this machine's installation
    (``data``, or that of the environment).

    ``key`` is the public key that `licet train gate-key` prints, or a file with it. ``when_stale``:
    `pause`, or `stop`. ``held`` is the file with which an earlier part of the run ended
    (`Gate.held`).
    """
    promised, sha256 = manifest.read_manifest(
        find_folder(release, Configuration.from_environment(os.environ, data))
    )
    kept, named = Path(file), Path(key)
    is_file = len(str(key)) < KEY_PATH_CHARACTERS_MAX and named.is_file()
    return TrainingGate(
        kept / bitmap.file_name(promised.release) if kept.is_dir() else kept,
        release=promised.release,
        manifest_sha256=sha256,
        verifier=bitmap.parse_key(named.read_text(encoding="utf-8") if is_file else str(key)),
        clock=clock,
        when_stale=WhenStale(when_stale),
        held=held,
    )


def find_folder(release: str | Path, config: Configuration) -> Path:
    """The folder of a release: by its name in the installation; the cache folder of one in an
    object store or the installation's bucket (`train.streamed`); or else ``release`` itself.
    """
    cache, bytes_max = config.loader.cache or config.data / "parts", config.loader.cache_bytes
    if streamed.is_address(release):
        return streamed.cached_folder(str(release), cache, bytes_max)
    own, is_name = config.releases / str(release), "/" not in str(release)
    if is_name and (own / manifest.FILE).is_file():
        return own
    if is_name and config.store.url is not None and not Path(release).exists():
        return streamed.shared_folder(str(release), config.store, cache, bytes_max)
    return Path(release)


def remote(url: str, key_file: str | Path, *, recipient: str) -> Remote:
    """The installation at ``url`` as a source of row keys, for a run on another machine;
    ``key_file`` has a service key with the scope `release:lease`.
    """
    return Remote(url, read_key_file(Path(key_file)), recipient=recipient, clock=utc_now)


def rows(
    release: Path, gate: TrainingGate, leases: Leases, *, clock: Clock = utc_now, split: str = ""
) -> RowDataset:
    """The rows of the release in a folder by position, behind ``gate``."""
    if isinstance(leases, Remote):
        leases.pin(gate.release, gate.manifest_sha256)
    return RowDataset(release, gate, leases, now=clock, split=split)


def local_leases(config: Configuration, clock: Clock) -> Leases:
    """Leases from the installation on this machine, which needs the extra `server`."""
    try:
        # imported late: runs on other machines lack its dependencies
        from licet.train.gate_files import LocalLeases
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "server") from missing
    return LocalLeases(config, clock)

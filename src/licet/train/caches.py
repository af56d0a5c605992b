"""Finds and purges the caches in which training libraries store plain text of a release.

`load_dataset`, `map` and shuffling write Arrow files with every row, under opaque names; Ray spills
objects. A file is recognised by its columns: `ordinal` with those of a release's or an export's
rows. In the cache of Hugging Face's `datasets` a folder is one data set, deleted as a whole.

`create_owned` creates and records a folder for such caches alone, so that its content, tokens and
reference weights included, is deleted without a search.

Invariants: links are not followed and nothing outside the roots is touched; only what `find` lists
for the same arguments is deleted. Deleting a file does not erase it from a disk, unless the disk is
encrypted or volatile.
"""

from __future__ import annotations

import mmap
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from licet.errors import InputError, UsageError

FILES_MAX = 2_000_000
DEPTH_MAX = 24
LIST_BYTES_MAX = 4 * 2**20
MARK = "OF-LICET"
_ORDINAL = "ordinal"
_BESIDE = frozenset({"row_id", "messages", "prompt", "input_ids", "chosen"})
_RAW = (b"ordinal", b"row_id")


class CacheKind(StrEnum):
    owned = "owned"
    datasets = "datasets"
    hub = "hub"
    torch = "torch"
    ray = "ray"
    temporary = "temporary"


class CacheRoot(msgspec.Struct, frozen=True, kw_only=True):
    kind: CacheKind
    folder: Path


class CacheFound(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or a folder with all its content, that contains rows of a release."""

    kind: CacheKind
    path: Path
    files: int
    bytes: int


def roots(env: Mapping[str, str], home: Path, temporary: Path) -> list[CacheRoot]:
    """The libraries' caches, by environment variables, and our own folders."""
    cache = Path(env.get("XDG_CACHE_HOME") or home / ".cache")
    hugging = Path(env.get("HF_HOME") or cache / "huggingface")
    folders = [(CacheKind.owned, folder) for folder in list_owned(env, home)]
    folders += [
        (CacheKind.datasets, Path(env.get("HF_DATASETS_CACHE") or hugging / "datasets")),
        (CacheKind.hub, Path(env.get("HF_HUB_CACHE") or hugging / "hub")),
        (CacheKind.torch, Path(env.get("TORCH_HOME") or cache / "torch")),
        (CacheKind.ray, Path(env.get("RAY_TMPDIR") or temporary / "ray")),
        (CacheKind.temporary, temporary),
    ]
    return [
        CacheRoot(kind=kind, folder=folder)
        for kind, folder in folders
        if folder.is_dir() and not folder.is_symlink()
    ]


# Ours


def create_owned(env: Mapping[str, str], home: Path, folder: Path) -> dict[str, str]:
    """Creates and records our own ``folder``; returns the environment variables for it."""
    place = folder.absolute()
    if place.exists() and (
        not place.is_dir() or (any(place.iterdir()) and not (place / MARK).is_file())
    ):
        raise UsageError(
            f"`{folder}` already exists and is not a cache folder of Licet",
            "name a folder that does not exist",
        )
    if "\n" in str(place):
        raise UsageError("the folder's name has more than one line")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    (place / MARK).touch()
    register = _list(env, home)
    register.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if place not in list_owned(env, home):
        with open(  # noqa: PTH123 Path.open takes no opener
            os.open(register, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8"
        ) as file:
            file.write(f"{place}\n")
    (place / "tmp").mkdir(exist_ok=True)
    return {
        "HF_DATASETS_CACHE": str(place / "datasets"),
        "HF_HUB_CACHE": str(place / "hub"),
        "TORCH_HOME": str(place / "torch"),
        "RAY_TMPDIR": str(place / "ray"),
        "TMPDIR": str(place / "tmp"),
    }


def list_owned(env: Mapping[str, str], home: Path) -> list[Path]:
    """The recorded folders that still contain our mark."""
    register = _list(env, home)
    if not register.is_file():
        return []
    if register.stat().st_size > LIST_BYTES_MAX:
        raise InputError(
            f"has more than `{LIST_BYTES_MAX}` bytes",
            "it has one folder per line",
            file=str(register),
        )
    listed = dict.fromkeys(
        Path(line) for line in register.read_text(encoding="utf-8").splitlines() if line
    )
    return [folder for folder in listed if (folder / MARK).is_file()]


def _list(env: Mapping[str, str], home: Path) -> Path:
    return Path(env.get("XDG_STATE_HOME") or home / ".local" / "state") / "licet" / "caches"


# Finding


def find(places: Sequence[CacheRoot]) -> list[CacheFound]:
    """Finds release content below ``places``, as the largest units that are wholly ours."""
    caches: dict[Path, CacheFound] = {}
    for root in places:
        for cache in _find_in_root(root, {other.folder for other in places if other is not root}):
            caches.setdefault(cache.path, cache)
    return sorted(caches.values(), key=lambda cache: str(cache.path))


def _find_in_root(root: CacheRoot, excluded: set[Path]) -> Iterator[CacheFound]:
    if root.kind is CacheKind.owned:
        yield from _measure(
            root, [path for path in sorted(root.folder.iterdir()) if path.name != MARK]
        )
        return
    for folder, files in _folders(root.folder, excluded):
        is_raw = root.kind is CacheKind.ray
        ours = [path for path in files if _has_release_rows(path, is_raw=is_raw)]
        if not ours:
            continue
        # A data set is a whole folder; elsewhere other programs' files are beside ours.
        is_whole = root.kind is CacheKind.datasets and folder != root.folder
        yield from _measure(root, [folder] if is_whole else ours)


def _measure(root: CacheRoot, paths: Sequence[Path]) -> Iterator[CacheFound]:
    for path in paths:
        sizes = [each.lstat().st_size for each in _files(path)]
        yield CacheFound(kind=root.kind, path=path, files=len(sizes), bytes=sum(sizes))


def _files(path: Path) -> list[Path]:
    if path.is_symlink() or not path.is_dir():
        return [path]
    return [each for each in path.rglob("*") if each.is_symlink() or not each.is_dir()]


def _folders(top: Path, excluded: set[Path]) -> Iterator[tuple[Path, list[Path]]]:
    """The readable folders below ``top`` outside other roots, without following links."""
    count = 0
    for top_folder, folders, names in os.walk(top, followlinks=False):
        folder = Path(top_folder)
        deep = len(folder.relative_to(top).parts) >= DEPTH_MAX
        folders[:] = [] if deep else [name for name in folders if folder / name not in excluded]
        count += len(names)
        if count > FILES_MAX:
            raise UsageError(
                f"`{top}` contains more than `{FILES_MAX}` files",
                "name the caches with their environment variables",
            )
        yield folder, [folder / name for name in names]


def _has_release_rows(path: Path, *, is_raw: bool) -> bool:
    """Whether a file contains rows of a release; an unreadable file counts as not ours."""
    try:
        before = path.lstat()
        if not stat.S_ISREG(before.st_mode) or before.st_size < 16:
            return False
        with path.open("rb") as file:
            start = file.read(8)
        columns = _columns(path, start)
        if columns is not None:
            return _ORDINAL in columns and bool(_BESIDE & columns)
        return is_raw and _contains_column_names(path)
    except OSError:
        return False


def _columns(path: Path, start: bytes) -> set[str] | None:
    """The columns of an Arrow or Parquet file; None for any other file."""
    import pyarrow as pa
    from pyarrow import ipc
    from pyarrow import parquet as pq

    try:
        if start.startswith(b"PAR1"):
            return set(pq.read_schema(path).names)
        if start.startswith(b"ARROW1"):
            with pa.memory_map(str(path)) as source:
                return set(ipc.open_file(source).schema.names)
        if start.startswith(b"\xff\xff\xff\xff"):
            with pa.memory_map(str(path)) as source:
                return set(ipc.open_stream(source).schema.names)
    except (pa.ArrowException, ValueError):
        pass
    return None


def _contains_column_names(path: Path) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return all(data.find(word) >= 0 for word in _RAW)


# Purging


def purge(caches: Sequence[CacheFound]) -> list[CacheFound]:
    """Deletes what `find` listed and returns it; raises an error after deleting the rest."""
    deleted, failed = [], []
    for cache in caches:
        try:
            if cache.path.is_dir() and not cache.path.is_symlink():
                shutil.rmtree(cache.path)
            else:
                cache.path.unlink(missing_ok=True)
        except OSError as error:
            failed.append(error)
        else:
            deleted.append(cache)
    if failed:
        raise failed[0]
    return deleted

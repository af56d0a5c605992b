"""Sources of the files of a log or a release: a folder, a URL, or a folder within either.

Paths of tiles and entry bundles: c2sp.org/tlog-tiles.
"""

from __future__ import annotations

import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from licet.verifier.answer import ContradictionError, VerifierReport

FILE_BYTES_MAX = 1 << 25
SECONDS_MAX = 60

TILE = 256


class Files(Protocol):
    """The files of a published log, by relative path."""

    def paths(self) -> Iterable[str]: ...

    def read(self, path: str) -> bytes | None: ...


class FolderFiles:
    def __init__(self, root: Path) -> None:
        self.root = root

    def paths(self) -> Iterable[str]:
        for folder, _, names in os.walk(self.root):
            for name in names:
                yield (Path(folder) / name).relative_to(self.root).as_posix()

    def read(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_part(self, path: str, start: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``start``; a negative start counts from the end."""
        try:
            with (self.root / path).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size + start) if start < 0 else min(start, size))
                return file.read(length)
        except (FileNotFoundError, NotADirectoryError):
            return b""


class HttpFiles:
    """A published log at a URL. It cannot be listed; the paths are derived from the checkpoint."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # the checkpoint and the partial tiles
        self._kept: dict[str, bytes | None] = {}

    def paths(self) -> Iterable[str]:
        """The last file of each level is the partial one, or the full one that replaced it."""
        lines = (self.read("checkpoint") or b"").split(b"\n")
        size = int(lines[1]) if len(lines) > 1 and re.fullmatch(rb"[0-9]{1,15}", lines[1]) else 0
        kinds = [("entries", size), ("0", size)]
        kinds += [(str(level), size >> (8 * level)) for level in range(1, 8) if size >> (8 * level)]
        for kind, count in kinds:
            yield from (tile_path(kind, index, TILE) for index in range(count // TILE))
            if count % TILE:
                partial = tile_path(kind, count // TILE, count % TILE)
                yield (
                    partial
                    if self.read(partial) is not None
                    else tile_path(kind, count // TILE, TILE)
                )

    def read(self, path: str) -> bytes | None:
        if path not in self._kept:
            data = self._get(path)
            if path != "checkpoint" and ".p/" not in path:
                return data
            self._kept[path] = data
        return self._kept[path]

    def _get(self, path: str) -> bytes | None:
        try:
            url = f"{self.url}/{path}"
            with urllib.request.urlopen(url, timeout=SECONDS_MAX) as answer:  # noqa: S310 the caller's
                data: bytes = answer.read(FILE_BYTES_MAX + 1)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (404, 410):
                return None
            raise
        if len(data) > FILE_BYTES_MAX:
            raise ValueError(f"`{path}` has more than {FILE_BYTES_MAX} bytes")
        return data


class FilesUnder:
    """The files below one folder of other files."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files, self._folder = files, folder

    def paths(self) -> Iterable[str]:
        return [
            path.removeprefix(self._folder)
            for path in self._files.paths()
            if path.startswith(self._folder)
        ]

    def read(self, path: str) -> bytes | None:
        return self._files.read(self._folder + path)


def read_required(files: Files, path: str, report: VerifierReport) -> bytes:
    report.files += 1
    data = files.read(path)
    if data is None:
        raise ContradictionError(path, "each listed file can be read")
    return data


def tile_path(kind: str, index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    place = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{kind}/{place}" + (f".p/{width}" if width < TILE else "")

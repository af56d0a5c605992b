"""Setuptools as the build backend, with archives that are the same bytes for the same source (PEP
517, PEP 660).

Setuptools' archives carry the files' times, owners and modes. Here every entry has the time of
`SOURCE_DATE_EPOCH`, or else the first of January 1980, the earliest in a wheel; entries are sorted
by name.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
import zipfile
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (  # noqa: F401  (hooks that are called by their names)
    build_editable,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

EARLIEST = 315_532_800  # 1980-01-01: the first day of a zip file's calendar
FILE_MODE, PROGRAM_MODE = 0o644, 0o755


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, object] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Returns the name of the wheel written to ``wheel_directory``."""
    name: str = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    same_wheel(Path(wheel_directory, name))
    return name


def build_sdist(sdist_directory: str, config_settings: dict[str, object] | None = None) -> str:
    """Returns the name of the source archive written to ``sdist_directory``."""
    name: str = build_meta.build_sdist(sdist_directory, config_settings)
    same_source_archive(Path(sdist_directory, name))
    return name


def moment() -> int:
    """Returns the time of every entry, in seconds since 1970."""
    return max(EARLIEST, int(os.environ.get("SOURCE_DATE_EPOCH", EARLIEST)))


def same_wheel(file: Path) -> None:
    """Rewrites a wheel with its names, contents and executable bits, and nothing else."""
    stamp = time.gmtime(moment())[:6]
    with zipfile.ZipFile(file) as before:
        entries = [
            (entry, before.read(entry))
            for entry in sorted(before.infolist(), key=lambda entry: entry.filename)
        ]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after:
        for entry, content in entries:
            made = zipfile.ZipInfo(entry.filename, stamp)
            made.compress_type = zipfile.ZIP_DEFLATED
            made.external_attr = _mode(entry.external_attr >> 16) << 16
            after.writestr(made, content)


def same_source_archive(file: Path) -> None:
    """Rewrites a source archive with its names, contents and executable bits, and nothing else."""
    with tarfile.open(file) as before:
        files = sorted((entry for entry in before if entry.isfile()), key=lambda entry: entry.name)
        entries = [(entry, _content(before, entry)) for entry in files]
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as after:
        for entry, content in entries:
            made = tarfile.TarInfo(entry.name)
            made.size, made.mtime, made.mode = len(content), moment(), _mode(entry.mode)
            after.addfile(made, io.BytesIO(content))
    with (
        file.open("wb") as stream,
        gzip.GzipFile("", "wb", fileobj=stream, mtime=moment()) as packed,
    ):
        packed.write(written.getvalue())


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(entry)
    if stream is None:
        raise ValueError(f"`{entry.name}` has no content")
    return stream.read()


def _mode(mode: int) -> int:
    return PROGRAM_MODE if mode & 0o100 else FILE_MODE

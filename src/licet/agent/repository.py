"""The project of a coding session: the repository of its folder. A repository is named by its
normalised remote, so that two clones are one project; without a remote by its top folder. Outside
of a repository, a folder is its own project. Git is not run: `.git` and its `config` are read
(https://git-scm.com/docs/gitrepository-layout).

git@github.com:Example/app.git, https://ana@github.com/Example/app   git:github.com/Example/app
no remote                                                             folder:/home/ana/app
"""

from __future__ import annotations

import re
from configparser import ConfigParser
from configparser import Error as ConfigError
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

FILE_BYTES_MAX = 1 << 20
FOLDERS_MAX = 100
NAME_CHARACTERS_MAX = 400
_SCP = re.compile(r"(?:[^/@:\s]+@)?([^/:\s]+):(?!//)(\S+)")  # user@host:path, as scp writes it
_REMOTE = re.compile(r'remote "(.+)"')


class Repository(NamedTuple):
    """A project's unique name, and its short title for people."""

    name: str
    title: str


@lru_cache(maxsize=256)
def find_repository(folder: str) -> Repository | None:
    """Returns the project of a folder; None for no folder. Cached, as a process is short-lived."""
    if not folder:
        return None
    path = Path(folder)
    for place in [path, *path.parents][:FOLDERS_MAX]:
        git = _git_folder(place / ".git")
        if git is not None:
            return _of_remote(git) or _of_folder(place)
    return _of_folder(path)


def _of_folder(path: Path) -> Repository:
    return Repository(f"folder:{path}"[:NAME_CHARACTERS_MAX], path.name or str(path))


def _git_folder(path: Path) -> Path | None:
    """Returns the repository's files: the folder `.git`, or the one named by a work tree's or
    submodule's `.git` file.
    """
    if path.is_dir():
        return path
    text = _read_text(path)
    if text is None or not text.startswith("gitdir:"):
        return None
    folder = path.parent / text.removeprefix("gitdir:").strip()
    common = _read_text(folder / "commondir")
    return folder / common.strip() if common is not None else folder


def _of_remote(git: Path) -> Repository | None:
    """Names the repository by `origin`, else by the first remote."""
    text = _read_text(git / "config")
    if text is None:
        return None
    config = ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    try:
        config.read_string("\n".join(line.strip() for line in text.splitlines()))
    except ConfigError:
        return None
    remotes = {
        match[1]: config.get(name, "url", fallback="")
        for name in config
        if (match := _REMOTE.fullmatch(name))
    }
    address = remotes.get("origin") or next((url for _, url in sorted(remotes.items()) if url), "")
    name = normalise_address(address)
    return (
        None
        if name is None
        else Repository(f"git:{name}"[:NAME_CHARACTERS_MAX], name.rpartition("/")[2])
    )


def normalise_address(address: str) -> str | None:
    """Returns `host/path` of a remote's address, without user, password, port and `.git`; None
    without a host.
    """
    scp = _SCP.fullmatch(address)
    if scp is not None:
        host, path = scp[1], scp[2]
    else:
        try:
            parts = urlsplit(address)
            host, path = parts.hostname or "", parts.path
        except ValueError:
            return None
    path = path.strip("/").removesuffix(".git").rstrip("/")
    return f"{host.lower()}/{path}" if host and path else None


def _read_text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return None

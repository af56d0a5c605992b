"""Which project a coding session belongs to: the repository of the folder it is active in.

A repository is named by its remote, in one form whatever the address was written as, so that two
clones are one project; without a remote by its top folder, and outside of a repository a folder is
a project of its own. Git itself is not run: what is read are `.git`, and the file `config` in it
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
    """A project by its own name, and by the short one that a person calls it by."""

    name: str
    title: str


@lru_cache(maxsize=256)
def repository(folder: str) -> Repository | None:
    """The project of a folder; None for no folder. Asked once a process: a hook lives for a
    second.
    """
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
    """Where the repository's files are: `.git` itself, or what a work tree's or a submodule's file
    of that name names.
    """
    if path.is_dir():
        return path
    text = _text(path)
    if text is None or not text.startswith("gitdir:"):
        return None
    found = path.parent / text.removeprefix("gitdir:").strip()
    common = _text(found / "commondir")
    return found / common.strip() if common is not None else found


def _of_remote(git: Path) -> Repository | None:
    """`origin`, else the first remote by name."""
    text = _text(git / "config")
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
    """`host/path` of a remote's address, without a user, a password, a port or `.git`; None for
    what names no host.
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


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return None

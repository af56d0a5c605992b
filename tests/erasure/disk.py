"""A folder as a disk that loses, keeps and tears what was not fsynced, and a watch that sees what a
real run does to it.

`Watch` stands in the way of the calls by which this program changes files below one folder, and
writes each down as a step. `Disk` plays steps: for each name and for each file it keeps what is on
the disk for certain and, after it, all that a crash may find in its place. A name stays only when
its folder was fsynced, bytes only when their file was, and a rename is two names that a crash
decides one by one, which is more than a file system of today would do.
"""

from __future__ import annotations

import builtins
import io
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

TORN_MAX = 320  # beginnings of what was appended that a crash may leave
TORN_OTHERS_MAX = 8  # of a write that replaces
DRAWS = 6  # for each state that is wanted: many draws leave the same
_LITTER = bytes(range(7, 231, 7))
Step: TypeAlias = tuple[Any, ...]
Tree: TypeAlias = dict[str, bytes | None]  # the bytes of each file, None for a folder


@dataclass(slots=True, eq=False)
class Node:
    """A file with the contents that a crash may leave, the last of which readers see; or a folder,
    with its names.
    """

    contents: list[bytes] = field(default_factory=lambda: [b""])
    names: dict[str, list[Node | None]] | None = None

    def values(self) -> Iterator[list[Any]]:
        """Each choice that a crash has, in here and below."""
        if self.names is None:
            yield self.contents
            return
        for found in self.names.values():
            yield found
            for one in found:
                if one is not None:
                    yield from one.values()


class Disk:
    """Everything in ``root`` when this was made is on the disk. ``finer``: how many times as many
    torn writes.
    """

    def __init__(self, root: Path, finer: int = 1) -> None:
        self.root, self._finer = _read(root), finer

    def look(self, path: str) -> Node:
        found = self.root
        for name in Path(path).parts:
            assert found.names is not None
            below = found.names[name][-1]
            assert below is not None, path
            found = below
        return found

    def apply(self, step: Step) -> None:
        match step:
            case ("make", path):
                self._name(path, Node())
            case ("folder", path):
                self._name(path, Node(names={}))
            case ("write", path, data):
                self._write(self.look(path), data)
            case ("sync", path):
                self._sync(self.look(path))
            case ("move", old, new):
                self._name(new, self.look(old))
                self._name(old, None)
            case ("link", old, new):
                self._name(new, self.look(old))
            case ("gone", path):
                self._name(path, None)
            case ("ack",):
                pass
            case _:
                raise AssertionError(step)

    def _write(self, node: Node, data: bytes) -> None:
        """Any beginning of what was written; and its length with zeros or with what lay there
        before behind that.
        """
        before = node.contents[-1]
        if before.startswith(data):  # cut off: no file loses its beginning by that
            node.contents.append(data + before[len(data) :][: (len(before) - len(data)) // 2])
            node.contents.append(data)
            return
        if data.startswith(before):
            places = range(
                len(before),
                len(data),
                max(1, (len(data) - len(before)) // (TORN_MAX * self._finer)),
            )
        else:
            places = range(0, len(data), max(1, len(data) // (TORN_OTHERS_MAX * self._finer)))
        for place in places:
            node.contents.append(data[:place])
            node.contents.append(data[:place] + bytes(len(data) - place))
            node.contents.append(
                data[:place] + (_LITTER * (1 + len(data) // 32))[: len(data) - place]
            )
        node.contents.append(data)

    @staticmethod
    def _sync(node: Node) -> None:
        if node.names is None:
            del node.contents[:-1]
            return
        for name, values in list(node.names.items()):
            del values[:-1]
            if values[0] is None:
                del node.names[name]

    def _name(self, path: str, node: Node | None) -> None:
        names = self.look(str(Path(path).parent)).names
        assert names is not None
        names.setdefault(Path(path).name, [None]).append(node)

    def crashes(self, choose: random.Random, count: int, seen: set[int]) -> Iterator[Tree]:
        """What a crash may leave that is not in ``seen``: all kept, none, then the others if there
        are few, else some.
        """
        found = 0
        for tree in self._crashes(choose, count):
            mark = hash(frozenset(tree.items()))
            if mark not in seen:
                seen.add(mark)
                yield tree
                found += 1
            if found >= count:
                return

    def _crashes(self, choose: random.Random, count: int) -> Iterator[Tree]:
        yield _tree(self.root, lambda values: values[-1])
        yield _tree(self.root, lambda values: values[0])
        pending = [
            values for values in {id(v): v for v in self.root.values()}.values() if len(values) > 1
        ]
        ways = prod(map(len, pending))
        if pending and ways <= DRAWS * count:
            for chosen in product(*pending):
                of = {id(values): one for values, one in zip(pending, chosen, strict=True)}
                yield _tree(self.root, lambda values, of=of: of.get(id(values), values[-1]))  # type: ignore[misc]  # a default names it
        elif pending:
            for _ in range(DRAWS * count):
                yield _tree(self.root, choose.choice)


def _read(path: Path) -> Node:
    if not path.is_dir():
        return Node([path.read_bytes()])
    return Node(names={one.name: [_read(one)] for one in path.iterdir()})


def _tree(node: Node, choose: Callable[[list[Any]], Any], path: str = "") -> Tree:
    found: Tree = {}
    todo, contents = [(path, node)], dict[int, bytes]()
    while todo:
        where, one = todo.pop()
        if one.names is None:
            # A file under two names has one content.
            found[where] = contents.setdefault(id(one), choose(one.contents))
            continue
        if where:
            found[where] = None
        for name, values in one.names.items():
            below = choose(values)
            if below is not None:
                todo.append((f"{where}/{name}" if where else name, below))
    return found


def put(tree: Tree, root: Path) -> None:
    """Makes ``root`` hold a tree and nothing else."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path in sorted(tree):
        data = tree[path]
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)


class Crash(BaseException):
    """The power went."""


class Watch:
    """Sees the changes of files below ``root`` while it is entered, in one of three moods.

    ``record``: each change is made and written down, a crash before the one numbered ``crash_at``;
    ``off`` after a crash: nothing is made any more; ``quiet``: everything is made, nothing is
    written down, and no disk is waited for.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.mood = root.resolve(), "quiet"
        self.steps: list[Step] = []
        self.crash_at: int | None = None
        self.on_replace: Callable[[], None] = lambda: None
        self._known: dict[str, bytes | None] = {}
        self._descriptors: dict[int, str] = {}
        self._lock = threading.RLock()
        self._real: dict[tuple[Any, str], Any] = {}

    def record(self, crash_at: int | None = None) -> None:
        """Begins to write down, from what is there."""
        self.steps, self.crash_at, self._descriptors = [], crash_at, {}
        self._known = {
            str(path.relative_to(self.root)): self._content(path) for path in self.root.rglob("*")
        }
        self.mood = "record"

    def step(self, *step: Any) -> None:
        """Writes down that a step is about to be made; Crash where it is not to be any more."""
        if self.mood == "off" or (self.crash_at is not None and len(self.steps) >= self.crash_at):
            self.mood = "off"
            raise Crash
        self.steps.append(step)

    # The calls

    def __enter__(self) -> Watch:
        for module, name in (
            (os, "open"),
            (os, "write"),
            (os, "fsync"),
            (os, "ftruncate"),
            (os, "rename"),
            (os, "replace"),
            (os, "link"),
            (os, "unlink"),
            (os, "remove"),
            (os, "rmdir"),
            (os, "mkdir"),
            (io, "open"),
            (shutil, "rmtree"),
            (subprocess, "Popen"),
        ):
            self._real[module, name] = getattr(module, name)
            setattr(module, name, getattr(self, f"_{module.__name__}_{name}"))
        return self

    def __exit__(self, *_: object) -> None:
        for (module, name), real in self._real.items():
            setattr(module, name, real)

    def _call(self, module: Any, name: str, *arguments: Any, **more: Any) -> Any:
        return self._real[module, name](*arguments, **more)

    def _path(self, path: Any, dir_fd: int | None = None) -> str | None:
        """The path below the root, or None for a change that is none of ours."""
        if self.mood == "quiet" or isinstance(path, int) or dir_fd is not None:
            return None
        whole = os.path.abspath(os.fsdecode(path))
        below = os.path.relpath(whole, self.root)
        return None if below.startswith("..") else below

    def _content(self, path: Path) -> bytes | None:
        if path.is_dir():
            return None
        with builtins.open(path, "rb") as file:
            return file.read()

    def _seen(self, path: str) -> None:
        """Writes down what was written to a file since it was last looked at, by whomever."""
        whole = self.root / path
        if not whole.is_file():
            return
        if path not in self._known:
            self.step("make", path)
            self._known[path] = b""
        data = self._content(whole)
        if data != self._known[path]:
            assert data is not None
            self.step("write", path, data)
            self._known[path] = data

    def _os_open(
        self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None
    ) -> int:
        with self._lock:
            below = self._path(path, dir_fd)
            makes = (
                below is not None
                and flags & os.O_CREAT
                and flags & getattr(os, "O_TMPFILE", 0) != os.O_TMPFILE
            )
            if below is not None and makes and below not in self._known:
                self.step("make", below)
                self._known[below] = b""
            descriptor: int = self._call(os, "open", path, flags, mode, dir_fd=dir_fd)
            if below is not None:
                self._descriptors[descriptor] = below
                if flags & os.O_TRUNC:
                    self._seen(below)
            return descriptor

    def _io_open(self, file: Any, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        with self._lock:
            below = self._path(file) if not isinstance(file, int) else None
            if below is not None and set(mode) & set("wax+") and below not in self._known:
                self.step("make", below)
                self._known[below] = b""
            opened = self._call(io, "open", file, mode, *arguments, **more)
            if below is not None:
                self._descriptors[opened.fileno()] = below
            return opened

    def _os_write(self, descriptor: int, data: Any) -> int:
        with self._lock:
            below = self._descriptors.get(descriptor) if self.mood != "quiet" else None
            if below is not None and self.mood == "off":
                raise Crash
            written: int = self._call(os, "write", descriptor, data)
            if below is not None:
                self._seen(below)
            return written

    def _os_ftruncate(self, descriptor: int, length: int) -> None:
        with self._lock:
            self._call(os, "ftruncate", descriptor, length)
            below = self._descriptors.get(descriptor)
            if self.mood != "quiet" and below is not None:
                self._seen(below)

    def _os_fsync(self, descriptor: int) -> None:
        with self._lock:
            below = self._descriptors.get(descriptor)
            if self.mood == "quiet" or below is None:
                return
            self._seen(below)
            self.step("sync", below)

    def _move(self, name: str, old: Any, new: Any) -> None:
        with self._lock:
            a, b = self._path(old), self._path(new)
            if a is not None and b is not None:
                self._seen(a)
                self.step("move", a, b)
                for path in [one for one in self._known if one == a or one.startswith(f"{a}/")]:
                    self._known[b + path[len(a) :]] = self._known.pop(path)
                self._descriptors = {
                    fd: b if path == a else path for fd, path in self._descriptors.items()
                }
            self._call(os, name, old, new)

    def _os_rename(self, old: Any, new: Any, **_: Any) -> None:
        self._move("rename", old, new)

    def _os_replace(self, old: Any, new: Any, **_: Any) -> None:
        self._move("replace", old, new)

    def _os_link(self, old: Any, new: Any, **more: Any) -> None:
        with self._lock:
            a, b = self._path(old), self._path(new)
            self._call(os, "link", old, new, **more)
            if a is not None and b is not None:
                self._seen(a)
                self.step("link", a, b)
                self._known[b] = self._known[a]

    def _gone(self, name: str, path: Any, dir_fd: int | None = None) -> None:
        with self._lock:
            below = self._path(path, dir_fd)
            if below is not None and (below in self._known or (self.root / below).exists()):
                self._seen(below)
                self.step("gone", below)
                self._known.pop(below, None)
            self._call(os, name, path, **({} if dir_fd is None else {"dir_fd": dir_fd}))

    def _os_unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._gone("unlink", path, dir_fd)

    def _os_remove(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._gone("remove", path, dir_fd)

    def _os_rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._gone("rmdir", path, dir_fd)

    def _shutil_rmtree(self, path: Any, *arguments: Any, **more: Any) -> None:
        """By its paths, as the real one goes by descriptors that no path is known of."""
        if self._path(path) is None or not os.path.isdir(path):
            self._call(shutil, "rmtree", path, *arguments, **more)
            return
        for folder, folders, names in os.walk(path, topdown=False):
            for name in names:
                os.unlink(os.path.join(folder, name))
            for name in folders:
                os.rmdir(os.path.join(folder, name))
        os.rmdir(path)

    def _os_mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        with self._lock:
            below = self._path(path, dir_fd)
            self._call(os, "mkdir", path, mode, **({} if dir_fd is None else {"dir_fd": dir_fd}))
            if below is not None:
                self.step("folder", below)
                self._known[below] = None

    def _subprocess_Popen(self, command: Any, *arguments: Any, **more: Any) -> Any:
        if self.mood == "off":
            raise Crash
        if self.mood == "record" and str(command[0]).endswith("psql"):
            self.on_replace()
        return self._call(subprocess, "Popen", command, *arguments, **more)

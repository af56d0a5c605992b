"""A small world for the ledger's tests: fixed keys, the definition of the tree, and a disk that
loses writes.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from licet.ledger.note import SignatureType, Signer

ORIGIN = "log.example/ledger/2026"
SIGNER = Signer(ORIGIN, SignatureType.ed25519, bytes(range(32)))
WITNESS = Signer("witness.example/w1", SignatureType.cosignature, bytes(range(32, 64)))
STRANGER = Signer("stranger.example", SignatureType.ed25519, bytes(range(64, 96)))


def entry_of(index: int) -> bytes:
    """Entries of many lengths, the empty one among them."""
    return b"" if index == 7 else b"entry %d " % index + b"." * (index % 5)


def naive_root(entries: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return hashlib.sha256(
        b"\x01" + naive_root(entries[:split]) + naive_root(entries[split:])
    ).digest()


class Held:
    """Files held in a mapping, as the stand-alone verifier wants them."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def paths(self) -> list[str]:
        return list(self.files)

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)


@dataclass(slots=True)
class Inode:
    """A folder (no contents), or a file with the contents that a crash may leave; the last is what
    readers see.
    """

    contents: list[bytes] | None


@dataclass(slots=True)
class Disk:
    """Names and bytes, with all that a crash may leave of each.

    For each name of each folder it keeps the value on the disk and, after it, every value written
    since the folder's last fsync: a crash keeps any one of them, each name for itself. ``lazy``
    files lie about their fsync.
    """

    names_of: dict[str, dict[str, list[Inode | None]]] = field(default_factory=lambda: {"": {}})
    journal: list[tuple[str, ...] | tuple[str, str, bytes]] = field(default_factory=list)
    lazy: bool = False
    deaf: bool = False
    parentless: bool = False

    def folder(self, name: str) -> Mount:
        self.names_of.setdefault(name, {})
        self.names_of[""][name] = [Inode(None)]
        return Mount(self, name)

    def apply(self, step: tuple) -> None:
        match step:
            case ("create", path, data):
                self._parents(path)
                self._name(
                    path, Inode([b"", data[: len(data) // 2], data] if self.lazy else [data])
                )
            case ("torn", path, data):
                self._parents(path)
                self._name(path, Inode([b"", data[: len(data) // 2], data]))
            case ("rename", old, new):
                self._name(new, self.look(old))
                self._name(old, None)
            case ("remove", path):
                self._name(path, None)
            case ("fsync", path):
                if not self.deaf:
                    for values in self.names_of[path].values():
                        del values[:-1]

    def copy(self) -> Disk:
        names = {
            path: {n: list(v) for n, v in inner.items()} for path, inner in self.names_of.items()
        }
        return Disk(names, [], self.lazy, self.deaf, self.parentless)

    def crash(self, choose: random.Random | None, *, kept: bool = False) -> Disk:
        """The disk after the power went: with a chooser each name by itself, else all kept or all
        lost.
        """
        found: dict[str, dict[str, list[Inode | None]]] = {}
        todo = [""]
        while todo:
            path = todo.pop()
            found[path] = {}
            for name, values in self.names_of.get(path, {}).items():
                inode = choose.choice(values) if choose else values[-1 if kept else 0]
                if inode is None:
                    continue
                if inode.contents is None:
                    todo.append(f"{path}/{name}" if path else name)
                    found[path][name] = [inode]
                else:
                    data = (
                        choose.choice(inode.contents)
                        if choose
                        else inode.contents[-1 if kept else 0]
                    )
                    found[path][name] = [Inode([data])]
        return Disk(found, [], self.lazy, self.deaf, self.parentless)

    def pending(self) -> bool:
        """Whether a crash could still change anything."""
        return any(len(values) > 1 for inner in self.names_of.values() for values in inner.values())

    def look(self, path: str) -> Inode | None:
        folder, _, name = path.rpartition("/")
        return self.names_of.get(folder, {}).get(name, [None])[-1]

    def files(self, below: str) -> dict[str, bytes]:
        """What readers see now below a folder."""
        return dict(self._walk(below, below))

    def fingerprint(self) -> int:
        return hash(frozenset(self._walk("", "")))

    def _walk(self, path: str, below: str) -> Iterator[tuple[str, bytes]]:
        for name, values in self.names_of.get(path, {}).items():
            whole = f"{path}/{name}" if path else name
            inode = values[-1]
            if inode is not None and inode.contents is None:
                yield from self._walk(whole, below)
            elif inode is not None and inode.contents is not None:
                yield whole[len(below) + 1 if below else 0 :], inode.contents[-1]

    def _parents(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if self.look(folder) is None:
                self._name(folder, Inode(None))
                self.names_of[folder] = {}

    def _name(self, path: str, inode: Inode | None) -> None:
        folder, _, name = path.rpartition("/")
        self.names_of.setdefault(folder, {}).setdefault(name, [None]).append(inode)


@dataclass(slots=True)
class Mount:
    """One folder of a disk: a `storage.Backend`, and `storage.Prunable`. Each step goes into the
    disk's journal.
    """

    disk: Disk
    name: str

    def create(self, files: Mapping[str, bytes]) -> None:
        for path, data in files.items():
            self._step(("create", f"{self.name}/{path}", data))

    def rename(self, old: str, new: str) -> None:
        self._step(("rename", f"{self.name}/{old}", f"{self.name}/{new}"))

    def fsync_dirs(self, paths: Sequence[str]) -> None:
        for path in paths:
            if self.disk.parentless and path and "." not in path:
                continue  # the engineer who forgets new parent folders
            self._step(("fsync", f"{self.name}/{path}" if path else self.name))

    def read(self, path: str) -> bytes | None:
        inode = self.disk.look(f"{self.name}/{path}")
        return inode.contents[-1] if inode is not None and inode.contents is not None else None

    def names(self, path: str) -> list[str]:
        inner = self.disk.names_of.get(f"{self.name}/{path}", {})
        return sorted(name for name, values in inner.items() if values[-1] is not None)

    def remove(self, path: str) -> None:
        self._step(("remove", f"{self.name}/{path}"))

    def _step(self, step: tuple) -> None:
        self.disk.journal.append(step)
        self.disk.apply(step)

"""Seals of archived WAL: prove which bytes this installation received, with a key that is not in
the archive.

PostgreSQL's checksums of WAL detect damage, but not forgery: an attacker who writes WAL can write
them too. The receiver therefore seals it: a complete segment once, and the segment being written
every second.

    NAME.seal   {"size": the first bytes of NAME that are sealed, "mac": HMAC-SHA256 of archive, name, size and bytes}

A restore copies only sealed bytes: a segment whose bytes differ is refused, and bytes after the
last seal are left out. Bytes written to the folder while no receiver runs are sealed at its next
start, so only the receiver may have write access.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import Path

import msgspec

from licet.errors import ContradictedError
from licet.store.files import sync
from licet.undecodable import UNDECODABLE

SUFFIX = ".seal"
SEAL_BYTES_MAX = 1_024
SEGMENT_BYTES_MAX = 2**30  # PostgreSQL's own bound of a segment
_PARTIAL = ".partial"
_FILE = re.compile(r"[0-9A-F]{24}(\.partial)?|[0-9A-F]{8}\.history")


class Seal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first ``size`` bytes of a file, and their HMAC."""

    size: int
    mac: str


def seal(archive: Path, key: bytes) -> int:
    """Seals new bytes in ``archive``, and removes seals without a file; returns the number of
    sealed files.
    """
    done = 0
    for path in _files(archive):
        known = _read_seal(path)
        if known is not None and not path.name.endswith(_PARTIAL):
            continue
        data = _bytes(path)
        if data is None or (known is not None and known.size == len(data)):
            continue
        made = Seal(size=len(data), mac=_mac(key, archive.name, path.name, data))
        draft = archive / f"{path.name}{SUFFIX}.tmp"
        draft.write_bytes(msgspec.json.encode(made))
        sync(draft)
        draft.rename(_seal_path(path))
        done += 1
    for left in archive.glob(f"*{SUFFIX}"):
        if not left.with_suffix("").exists():
            left.unlink(missing_ok=True)
    if done:
        sync(archive)
    return done


def verify_seals(archive: Path, key: bytes, begins: str) -> dict[str, bytes | None]:
    """Returns the sealed files from the segment ``begins`` on, by name: None for a complete
    segment, the proved bytes for a partial one. ContradictedError if bytes differ.
    """
    sealed: dict[str, bytes | None] = {}
    for path in _files(archive):
        if not path.name.endswith(".history") and path.name[8:24] < begins[8:]:
            continue
        held = _prove_file(archive, path, key)
        if held is not None:
            sealed[path.name] = held if path.name.endswith(_PARTIAL) else None
    return sealed


def copy(archive: Path, key: bytes, begins: str, target: Path) -> None:
    """Creates ``target`` and copies the sealed files there; exactly the proved bytes are copied."""
    target.mkdir(mode=0o700)
    for name in verify_seals(archive, key, begins):
        path = archive / name
        held = _prove_file(archive, path, key)
        if held is not None:
            whole = (
                held + bytes(path.stat().st_size - len(held)) if name.endswith(_PARTIAL) else held
            )
            (target / name).write_bytes(whole)


def remove(segment: Path) -> None:
    segment.unlink()
    _seal_path(segment).unlink(missing_ok=True)


def _prove_file(archive: Path, path: Path, key: bytes) -> bytes | None:
    """Returns the sealed bytes of a file; None if it has no seal."""
    known = _read_seal(path)
    if known is None:
        return None
    with path.open("rb") as file:
        data = file.read(SEGMENT_BYTES_MAX + 1)
    held = data[: known.size] if path.name.endswith(_PARTIAL) else data
    if len(held) != known.size or not hmac.compare_digest(
        known.mac, _mac(key, archive.name, path.name, held)
    ):
        raise ContradictedError(
            f"the segment `{path.name}` of the WAL archive `{archive.name}` was changed",
            "restore with --until a moment before it, or from an intact copy of the archive",
        )
    return held


def _files(archive: Path) -> list[Path]:
    return sorted(
        path for path in archive.iterdir() if _FILE.fullmatch(path.name) and path.is_file()
    )


def _bytes(path: Path) -> bytes | None:
    """Returns the bytes written to a file so far; None if it was renamed meanwhile."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return data.rstrip(b"\0") if path.name.endswith(_PARTIAL) else data


def _read_seal(path: Path) -> Seal | None:
    try:
        with _seal_path(path).open("rb") as file:
            return msgspec.json.decode(file.read(SEAL_BYTES_MAX), type=Seal)
    except FileNotFoundError:
        return None
    except UNDECODABLE:
        raise ContradictedError(
            f"the seal of `{path.name}` cannot be read", "restore it from a copy"
        ) from None


def _seal_path(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def _mac(key: bytes, archive: str, name: str, data: bytes) -> str:
    mac = hmac.new(key, b"licet wal v1\n", hashlib.sha256)
    mac.update(f"{archive}\n{name}\n{len(data)}\n".encode())
    mac.update(data)
    return mac.hexdigest()

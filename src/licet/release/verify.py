"""Holds a release's folder to what its manifest promises, without a key: anybody can, offline.

Every contradiction is named by file and promise; none means that each file is there and is what the manifest says, and
that the rows in them are those of the root. Whether the manifest itself is the one that was built, only a hash from
elsewhere can say (the ledger's leaf holds it): pass it as ``manifest_sha256``. Without it, the card's quotation of the
hash finds what was damaged, not what somebody forged with care.
A file whose hash differs is not parsed. Memory is bounded by one row group.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from hashlib import file_digest, sha256
from pathlib import Path

import msgspec

from licet.errors import InputError, LicetError
from licet.release import card, manifest, merkle
from licet.release.manifest import Manifest
from licet.release.part import Part, groups


class Promise(StrEnum):
    """What a release promises, in the order in which it is checked."""

    MANIFEST = "the manifest is whole, in canonical form, and reconciles"
    SEALED = "the manifest is the one that was sealed"
    FILES = "every file of the release is there, and no other"
    CARD = "the card is that of the manifest"
    HASH = "the file has the size and hash that the manifest names"
    PART = "the part reads as sealed rows in order of their ordinals"
    ROWS = "the part has the rows that the manifest names"
    ROOT = "the rows are those of the root"


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that ``file`` does not keep, and what was found instead."""

    file: str
    promise: Promise
    found: str


def verify(folder: Path, *, manifest_sha256: str = "") -> list[Contradiction]:
    """Every contradiction between ``folder`` and its manifest; empty where there is none."""
    if not folder.is_dir():
        raise InputError("is not a folder", "name the folder of a release", file=str(folder))
    try:
        promised, found_sha256 = manifest.read(folder)
    except LicetError as error:
        return [_contradiction(manifest.FILE, Promise.MANIFEST, error.message)]
    contradictions: list[Contradiction] = []
    if manifest_sha256 and manifest_sha256 != found_sha256:
        contradictions.append(_contradiction(manifest.FILE, Promise.SEALED, f"hash `{found_sha256}`"))
    contradictions += _files(folder, promised)
    contradictions += _card(folder, promised)
    tree = merkle.Tree()
    for part in promised.parts:
        contradictions += _part(folder, part, tree)
    in_parts = {part.file for part in promised.parts} & {c.file for c in contradictions}
    if not in_parts and tree.root().hex() != promised.root:
        contradictions.append(_contradiction(manifest.FILE, Promise.ROOT, f"root `{tree.root().hex()}`"))
    return contradictions


def _files(folder: Path, promised: Manifest) -> Iterator[Contradiction]:
    expected = {manifest.FILE, card.FILE, *(part.file for part in promised.parts)}
    present = {entry.name for entry in folder.iterdir()}
    for name in sorted(expected - present):
        yield _contradiction(name, Promise.FILES, "missing")
    for name in sorted(present - expected):
        yield _contradiction(name, Promise.FILES, "not of the release")


def _card(folder: Path, promised: Manifest) -> Iterator[Contradiction]:
    expected = card.text(promised).encode()
    try:
        with (folder / card.FILE).open("rb") as file:
            if file.read(len(expected) + 1) != expected:
                yield _contradiction(card.FILE, Promise.CARD, "another text")
    except FileNotFoundError:
        return  # named among the files
    except OSError:
        yield _contradiction(card.FILE, Promise.CARD, "cannot be read")


def _part(folder: Path, part: Part, tree: merkle.Tree) -> Iterator[Contradiction]:
    """What contradicts ``part``; its rows grow ``tree``."""
    try:
        with (folder / part.file).open("rb") as file:
            digest, size = file_digest(file, sha256).hexdigest(), file.tell()
            if (size, digest) != (part.bytes, part.sha256):
                yield _contradiction(part.file, Promise.HASH, f"`{size}` bytes with hash `{digest}`")
                return
            file.seek(0)
            rows, last = 0, part.first_ordinal - 1
            for group in groups(file):
                columns = zip(group.ordinals, group.row_ids, group.until_us, group.sealed, strict=True)
                for ordinal, row_id, until_us, sealed in columns:
                    if ordinal <= last or (rows == 0 and ordinal != part.first_ordinal):
                        yield _contradiction(part.file, Promise.PART, f"ordinal `{ordinal}` after `{last}`")
                        return
                    rows, last = rows + 1, ordinal
                    tree.append(merkle.leaf(ordinal, row_id, until_us, sealed))
    except FileNotFoundError:
        return  # named among the files
    except OSError:
        yield _contradiction(part.file, Promise.HASH, "cannot be read")
        return
    except LicetError as error:
        yield _contradiction(part.file, Promise.PART, error.message)
        return
    if rows != part.rows:
        yield _contradiction(part.file, Promise.ROWS, f"`{rows}` rows instead of `{part.rows}`")


def _contradiction(file: str, promise: Promise, found: str) -> Contradiction:
    return Contradiction(file=file, promise=promise, found=found)

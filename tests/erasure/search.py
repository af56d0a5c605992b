"""Looks for planted words wherever bytes may lie: files, what a dump holds packed, the memory of
programs; and tries keys.

Every planted sentence begins with one core, which is drawn anew for each run, so that a look is a
look for one word in each of the forms that bytes may carry it in. What is found is shown with the
words behind it, which name the field.
"""

from __future__ import annotations

import base64
import gzip
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import msgspec
import psutil
import psycopg
import zstandard

from licet.errors import BrokenError, LicetError
from licet.keys.material import (
    FileProvider,
    KeyMaterial,
    bucket_place,
    read_slot,
    unseal,
    unwrap_account_keys,
)
from licet.store.embedded import binaries
from licet.vault import blocks
from licet.vault.content import dictionary

MEMORY_CHUNK_BYTES_MAX = 64 * 2**20
_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08"


def needles(core: str) -> tuple[bytes, ...]:
    """A word as bytes may carry it: plain, wide, hexadecimal, and base64 at each of its three
    offsets.
    """
    plain = core.encode()
    # The first and last letters of base64 depend on the neighbours: they are left out.
    shifted = [base64.b64encode(b"\0" * n + plain)[4 if n else 0 : -4] for n in range(3)]
    return (
        plain,
        core.encode("utf-16-le"),
        plain.hex().encode(),
        plain.hex().upper().encode(),
        *shifted,
    )


def look(data: bytes, core: str) -> str:
    """What was found, with a few bytes behind it, or nothing."""
    # Most of a segment of WAL, and of memory, is zeros behind what was written; a wide word ends
    # in one.
    data = data.strip(b"\0") + b"\0"
    for needle in needles(core):
        place = data.find(needle)
        if place >= 0:
            return repr(data[place : place + len(needle) + 40])
    return ""


def unpacked(data: bytes) -> Iterator[bytes]:
    """The bytes, and what frames of zstd and gzip in them hold, wherever one begins."""
    yield data
    for found in re.finditer(re.escape(_ZSTD), data):
        for known in (
            zstandard.ZstdDecompressor(),
            zstandard.ZstdDecompressor(dict_data=dictionary()),
        ):
            with suppress(zstandard.ZstdError):
                yield known.decompressobj().decompress(memoryview(data)[found.start() :])
    if data.startswith(_GZIP):
        yield gzip.decompress(data)


def files(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below the folders, and every dump of PostgreSQL among them as the text that it
    would restore.
    """
    for folder in folders:
        # paths as text: thousands of them as objects took a quarter of the search
        beside = len(f"{folder.parent}/")
        for path in (os.path.join(at, name) for at, _, names in os.walk(folder) for name in names):
            if not os.path.isfile(path):
                continue
            try:
                with open(path, "rb") as file:
                    data = file.read()
            except FileNotFoundError:  # PostgreSQL recycles files as it runs
                continue
            yield path[beside:], data
            if data.startswith(b"PGDMP"):
                yield f"{os.path.basename(path)} as text", dumped(Path(path))


def dumped(path: Path) -> bytes:
    """What a dump would restore."""
    program = binaries() / "pg_restore"
    return subprocess.run(
        [str(program), "-f", "-", str(path)], capture_output=True, check=True
    ).stdout


def found_in(core: str, places: Iterator[tuple[str, bytes]]) -> dict[str, str]:
    """What of ``core`` is where."""
    result = {}
    for name, data in places:
        for part in unpacked(data):
            hit = look(part, core)
            if hit:
                result[name] = hit
    return result


def programs(folder: Path) -> list[psutil.Process]:
    """The postmaster of a data folder, and all that it started."""
    number = int((folder / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])
    postmaster = psutil.Process(number)
    return [postmaster, *postmaster.children(recursive=True)]


def memory(pid: int, *, shared: bool) -> Iterator[tuple[str, bytes]]:
    """What a program can write to in memory, piece by piece; ``shared`` pieces are the same in all
    of PostgreSQL's.
    """
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            where, rights, *_ = line.split()
            if not rights.startswith("rw") or (rights[3] == "s" and not shared):
                continue
            start, end = (int(each, 16) for each in where.split("-"))
            for begin in range(start, end, MEMORY_CHUNK_BYTES_MAX):
                try:
                    mem.seek(begin)
                    yield f"{pid} at {begin:x}", mem.read(min(end - begin, MEMORY_CHUNK_BYTES_MAX))
                # a guard page, or what the kernel keeps to itself
                except (OSError, ValueError, OverflowError):
                    continue


def can_read_memory(pid: int) -> bool:
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))
    except OSError:
        return False
    return True


class Copy(msgspec.Struct, frozen=True):
    """What somebody has who took a copy of the database: the sealed turns, and the wrapped keys."""

    blocks: list[tuple[UUID, UUID, int, int, bytes, bytes, int]]
    buckets: dict[int, tuple[int, bytes]]
    accounts: dict[UUID, tuple[int, bytes]]
    pages: dict[tuple[UUID, int], bytes]

    @classmethod
    def of(cls, dsn: str) -> Copy:
        with psycopg.connect(dsn) as conn:
            sealed = conn.execute(
                """SELECT account_id, conversation_id, b.first_turn, segment, sizes, sealed,
                          key_slot FROM blocks b JOIN segments USING (account_id, conversation_id, segment)
                       WHERE key_slot IS NOT NULL AND sealed IS NOT NULL"""
            ).fetchall()
            return cls(
                blocks=[tuple(row) for row in sealed],
                buckets={
                    b: (e, w)
                    for b, e, w in conn.execute("SELECT bucket, epoch, wrapped FROM buckets")
                },
                accounts={
                    a: (b, w)
                    for a, b, w in conn.execute(
                        "SELECT account_id, bucket, wrapped_key FROM accounts"
                    )
                },
                pages={
                    (a, p): s
                    for a, p, s in conn.execute("SELECT account_id, page, slots FROM key_pages")
                },
            )

    @property
    def turns(self) -> int:
        """How many turns and titles are sealed in it."""
        sizes = [row[4] for row in self.blocks]
        return sum(any(each[n : n + 4]) for each in sizes for n in range(0, len(each), 4))

    def opens(self, epochs: Path, chain: Copy | None = None) -> list[bytes]:
        """The sealed turns of this copy that open with the epoch keys in a folder, by the chain of
        any copy.
        """
        chain, provider, plain = chain or self, FileProvider(epochs), []
        for account, conversation, first_turn, segment, sizes, sealed, slot in self.blocks:
            try:
                bucket, wrapped = chain.accounts[account]
                epoch, wrapped_bucket = chain.buckets[bucket]
                bucket_key = provider.unwrap(epoch, wrapped_bucket, bucket_place(bucket))
                slots = unwrap_account_keys(bucket_key, account, wrapped).slots
                key = read_slot(chain.pages[account, slot // 32], account, slots, slot)
                if key is not None:
                    place = blocks.associated_data(
                        account, conversation, segment, first_turn, sizes
                    )
                    opened = unseal(KeyMaterial(key), sealed, place)
                    plain += blocks.envelopes(first_turn, sizes, opened).values()
            except (BrokenError, KeyError, LicetError):
                continue
        return plain

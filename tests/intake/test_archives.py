"""Zip archives as they are downloaded: read as their files are, whole or cut off, in bounded
memory.
"""

import io
import random
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.errors import InputError
from licet.intake import archives, formats
from licet.intake.lines import CHUNK_BYTES, chunks
from licet.intake.read_turn import BrokenRecord, ReadTurn, SkippedRecord

FIXTURES = Path(__file__).parent / "fixtures"
EXPORTS = sorted(path for path in FIXTURES.rglob("*") if path.suffix in (".json", ".jsonl"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("archives")


def zipped(
    path: Path,
    files: dict[str, bytes],
    method: int = zipfile.ZIP_DEFLATED,
    streamed: bool = False,
    wide: bool = False,
) -> Path:
    """An archive; ``streamed`` writes sizes behind the members, as a server does that packs while
    it sends, ``wide`` in eight bytes each.
    """

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return not streamed

        def tell(self):
            if streamed:
                raise OSError("a pipe")
            return super().tell()

        def seek(self, *to):
            if streamed:
                raise OSError("a pipe")
            return super().seek(*to)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        for name, raw in files.items():
            with archive.open(name, "w", force_zip64=wide) as member:
                member.write(raw)
    path.write_bytes(pipe.getvalue())
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_archive_of_every_fixture_yields_what_the_fixtures_yield(folder, method, streamed):
    files = {str(path.relative_to(FIXTURES)): path.read_bytes() for path in EXPORTS}
    archive = zipped(folder / "all.zip", {"photo.png": b"\x89PNG", **files}, method, streamed)
    heard = []
    items = list(formats.read(archive, heard.append))
    passed_over = [item for item in items if item.place == f"{archive}/photo.png"]
    assert passed_over == [
        SkippedRecord(place=f"{archive}/photo.png", reason="the file is of no known format")
    ]
    read = [item for item in items if item not in passed_over]
    apart = [item for path in EXPORTS for item in formats.read(path)]
    told = [str(item).replace(f"{archive}/", "") for item in read if isinstance(item, ReadTurn)]
    # Copies between sessions are found in one pass only, and what each file alone says of them is
    # more.
    assert set(told) <= {str(item).replace(f"{FIXTURES}/", "") for item in apart}
    assert len(told) > 100
    assert sum(heard) == formats.size(archive) == archive.stat().st_size
    assert min(heard) >= 0


def test_the_zip_that_chatgpt_gives_is_read_shard_by_shard(folder):
    shards = {
        f"conversations-{n:03}.json": (FIXTURES / "chatgpt/conversations.json").read_bytes()
        for n in range(2)
    }
    others = {"chat.html": b"<html>", "user.json": b'{"id": "u"}', "export_manifest.json": b"{}"}
    archive = zipped(folder / "chatgpt.zip", others | shards)
    assert formats.detect(archive).name == "chatgpt"
    turns = [item for item in formats.read(archive) if isinstance(item, ReadTurn)]
    assert len(turns) == 2 * len({(turn.host_conversation, turn.host_turn) for turn in turns})
    assert {turn.place.split("#")[0] for turn in turns} == {f"{archive}/{name}" for name in shards}


def test_members_behind_sizes_of_sixty_four_bits_are_found_in_an_archive_that_is_cut_off(folder):
    names = ("a.json", "b.json", "c.json")
    archive = zipped(
        folder / "wide.zip", {name: name.encode() for name in names}, streamed=True, wide=True
    )
    raw = archive.read_bytes()
    cut = folder / "sixty-four.zip"
    cut.write_bytes(raw[: raw.index(b"PK\x01\x02")])
    found, is_cut = archives.list_members(cut)
    assert is_cut
    assert [b"".join(chunks(member, lambda _: None)).decode() for member in found] == [*names]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_archive_that_is_cut_off_gives_what_lies_whole_before_the_cut_and_says_so_once(
    folder, data
):
    streamed = data.draw(st.booleans())
    files = {path.name: path.read_bytes() for path in (FIXTURES / "chatgpt").iterdir()}
    archive = zipped(folder / "whole.zip", files, streamed=streamed)
    raw = archive.read_bytes()
    with zipfile.ZipFile(archive) as listed:
        ends = {
            i.filename: i.header_offset + 30 + len(i.filename) + i.compress_size
            for i in listed.infolist()
        }
    end = data.draw(st.integers(max(4, min(ends.values())), len(raw) - 23))
    cut = folder / "cut.zip"
    cut.write_bytes(raw[:end])
    items = list(formats.read(cut))
    told = [str(item).replace(str(cut), "") for item in items]
    for name in (name for name, at in ends.items() if at <= end):
        whole = [
            str(item).replace(str(archive), "")
            for item in formats.read(archive)
            if f"/{name}#" in item.place
        ]
        assert [line for line in told if f"/{name}#" in line] == whole
    assert sum(item.place == str(cut) for item in items) == 1
    assert items[-1] == BrokenRecord(
        place=str(cut), message="the archive is cut off: what lies behind its end is not here"
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_archive_with_damage_anywhere_never_raises_anything_but_that_it_is_of_no_format(
    folder, data
):
    files = {path.name: path.read_bytes() for path in (FIXTURES / "claude-ai").iterdir()}
    raw = bytearray(
        zipped(folder / "sound.zip", files, data.draw(st.sampled_from([0, 8]))).read_bytes()
    )
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=6)):
        raw[at] = data.draw(st.integers(0, 255))
    damaged = folder / "damaged.zip"
    damaged.write_bytes(raw)
    try:
        items = list(formats.read(damaged))
    except InputError:
        return
    assert all(isinstance(item, ReadTurn | SkippedRecord | BrokenRecord) for item in items)


def test_a_member_that_was_changed_is_damaged_even_where_it_still_unpacks(folder):
    archive = zipped(
        folder / "stored.zip", {"a.json": b'[{"mapping": {}, "id": "aaaa"}]'}, zipfile.ZIP_STORED
    )
    archive.write_bytes(archive.read_bytes().replace(b"aaaa", b"bbbb"))
    items = list(formats.read(archive))
    assert items[-1] == BrokenRecord(
        place=f"{archive}/a.json#[1]", message="the file ends early or is damaged"
    )


def test_an_encrypted_member_is_passed_over_and_an_archive_of_them_is_refused(folder):
    archive = zipped(
        folder / "locked.zip", {"conversations.json": b"[]", "b.json": b'[{"mapping": {}}]'}
    )
    raw = bytearray(archive.read_bytes())
    raw[6] |= 1
    archive.write_bytes(raw)
    found = [item for item in formats.read(archive) if isinstance(item, SkippedRecord)]
    assert found[0] == SkippedRecord(
        place=f"{archive}/conversations.json", reason="the file cannot be opened"
    )
    with pytest.raises(InputError, match="no file in it is of a known format"):
        formats.read(zipped(folder / "empty.zip", {"a.txt": b"", "b.txt": b""}))


def test_memory_is_a_few_chunks_however_much_an_archive_unpacks_to(folder):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = bytes(CHUNK_BYTES)
    packed = b"".join(packer.compress(zeros) for _ in range(256)) + packer.flush()
    header = (
        struct.pack("<4s5H3L2H", archives.MAGIC, 20, 0, 8, 0, 0, 0, len(packed), 2**28, 6, 0)
        + b"a.json"
    )
    path = folder / "bomb.zip"
    path.write_bytes(header + packed)
    [member], cut = archives.list_members(path)
    tracemalloc.start()
    unpacked = sum(
        len(chunk) for chunk in chunks(member, lambda _: None) if isinstance(chunk, bytes)
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (cut, unpacked) == (True, 256 * CHUNK_BYTES)
    assert peak < 6 * CHUNK_BYTES


def test_sizes_of_more_than_four_gigabytes_are_read_from_the_header(folder):
    raw = random.Random(1).randbytes(64)
    extra = struct.pack("<2H2Q", 1, 16, len(raw), len(raw))
    header = (
        struct.pack(
            "<4s5H3L2H", archives.MAGIC, 45, 0, 0, 0, 0, 0, 2**32 - 1, 2**32 - 1, 1, len(extra)
        )
        + b"a"
    )
    path = folder / "large.zip"
    path.write_bytes(header + extra + raw)
    [member], _ = archives.list_members(path)
    assert b"".join(chunks(member, lambda _: None)) == raw

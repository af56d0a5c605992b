"""A proof file's index finds what a reader of the whole file finds, and only reads a little of
it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from licet import verifier
from licet.release import proof_lines
from licet.release.proof_lines import write_lines
from licet.verifier.line_index import END_BYTES, LINES_EACH, IndexedLines, NoIndexError

NAMES = {name: f"proof/{name}.jsonl.gz" for name in ("candidates", "rows")}


class WholeFiles:
    """The same folder for anyone who cannot seek in it."""

    def __init__(self, folder: Path) -> None:
        self._files = verifier.FolderFiles(folder)

    def paths(self) -> Iterable[str]:
        return self._files.paths()

    def read(self, path: str) -> bytes | None:
        return self._files.read(path)


class CountedFiles(verifier.FolderFiles):
    """A folder that counts the bytes that are read of the proofs."""

    read_bytes = 0

    def read(self, path: str) -> bytes | None:
        data = super().read(path)
        self.read_bytes += len(data or b"") * path.startswith("proof/")
        return data

    def read_part(self, path: str, start: int, length: int) -> bytes:
        data = super().read_part(path, start, length)
        self.read_bytes += len(data)
        return data


def handle_of(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()


def line_of(name: str, handle: str, ordinal: int) -> bytes:
    shape: dict[str, Any] = (
        {"conversation": handle, "ordinal": ordinal} if name == "rows" else {"conversation": handle}
    )
    return json.dumps(shape, separators=(",", ":")).encode()


def released(folder: Path, handles: list[str], each: int = 1) -> dict[str, list[bytes]]:
    """A folder with the proofs of conversations, ``each`` rows of each; the lines of each file."""
    (folder / "proof").mkdir()
    lines = {
        name: [
            line_of(name, handle, n)
            for handle in sorted(handles)
            for n in range(each if name == "rows" else 1)
        ]
        for name in NAMES
    }
    proof = {name: write_lines(folder, path, lines[name]) for name, path in NAMES.items()}
    promised = {
        name: {"lines": file.lines, "root": file.root, "bytes": file.bytes}
        for name, file in proof.items()
    }
    for name, file in proof.items():
        data = (folder / NAMES[name]).read_bytes()
        assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    manifest = {"counts": {"dropped": {}}, "proof": promised, "release": "ab"}
    (folder / "manifest.json").write_text(
        json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    )
    return lines


@pytest.mark.parametrize(
    ("count", "each"),
    [
        (0, 1),
        (1, 1),
        (2, 3),
        (255, 1),
        (256, 1),
        (257, 1),
        (768, 1),
        (85, 3),
        (257, 3),
        (1, 300),
        (4, 300),
        (2, 256),
    ],
)
def test_by_the_index_a_conversation_has_the_proof_that_the_whole_file_gives(
    tmp_path: Path, count: int, each: int
) -> None:
    """``each`` rows of a conversation: also such as fill a block and reach into the next."""
    handles = [handle_of(n) for n in range(count)]
    lines = released(tmp_path, handles, each)
    for name, path in NAMES.items():
        assert gzip.decompress((tmp_path / path).read_bytes()).splitlines() == lines[name]
    inner = (
        sorted(handles)[LINES_EACH // each - 1 : LINES_EACH // each + 2]
        + sorted(handles)[:1]
        + sorted(handles)[-1:]
    )
    asked = {
        *Random(count).sample(handles, min(3, count)),
        *inner,
        "0" * 64,
        "f" * 64,
        handle_of(-1),
        handle_of(-2),
    }
    for handle in asked:
        by_index = verifier.prove_conversation(verifier.FolderFiles(tmp_path), handle)
        assert by_index == verifier.prove_conversation(WholeFiles(tmp_path), handle)


def test_one_conversation_of_many_is_proved_from_a_few_blocks(tmp_path: Path) -> None:
    """Two levels of groups, as from 65,537 lines on."""
    count = LINES_EACH * LINES_EACH + LINES_EACH + 2
    handles = [handle_of(n) for n in range(count)]
    released(tmp_path, handles)
    files = CountedFiles(tmp_path)
    size = sum((tmp_path / path).stat().st_size for path in NAMES.values())
    for handle in (max(handles), handle_of(-1)):
        files.read_bytes = 0
        shown = verifier.prove_conversation(files, handle)
        assert 0 < files.read_bytes < size / 20
        assert shown == verifier.prove_conversation(WholeFiles(tmp_path), handle)


def test_a_file_without_an_index_is_read_whole(tmp_path: Path) -> None:
    handles = [handle_of(n) for n in range(700)]
    lines = released(tmp_path, handles)
    before = verifier.prove_conversation(verifier.FolderFiles(tmp_path), handles[5])
    for name, path in NAMES.items():
        (tmp_path / path).write_bytes(gzip.compress(b"".join(line + b"\n" for line in lines[name])))
        with pytest.raises(NoIndexError):
            IndexedLines(verifier.FolderFiles(tmp_path), path, len(lines[name]))
    assert verifier.prove_conversation(verifier.FolderFiles(tmp_path), handles[5]) == before


def test_whatever_byte_of_the_file_is_changed_the_proof_is_the_same_or_the_file_contradicts(
    tmp_path: Path,
) -> None:
    handles = [handle_of(n) for n in range(300)]
    released(tmp_path, handles)
    path = tmp_path / NAMES["rows"]
    honest = path.read_bytes()
    asked, files = sorted(handles)[LINES_EACH], verifier.FolderFiles(tmp_path)
    shown = verifier.prove_conversation(files, asked)
    index = honest.index(b"Li") - 12  # where the first member of the index begins
    places = [*Random(7).sample(range(index), 150), *range(index, len(honest))]
    seen = {"same": 0, "contradiction": 0}
    for place in places:
        path.write_bytes(honest[:place] + bytes([honest[place] ^ 0x41]) + honest[place + 1 :])
        try:
            assert verifier.prove_conversation(files, asked) == shown
            seen["same"] += 1
        except verifier.ContradictionError:
            seen["contradiction"] += 1
    assert all(seen.values()), seen
    for size in (0, 1, END_BYTES - 1, len(honest) - 1):
        path.write_bytes(honest[:size])
        with pytest.raises(verifier.ContradictionError):
            verifier.prove_conversation(files, asked)


def test_lines_of_no_conversation_have_no_index(tmp_path: Path) -> None:
    for lines in (
        [b"{}"] * 3,
        [b"no JSON"],
        [b'{"conversation":"ab"}'],
        [b'{"conversation":7}'],
        [],
    ):
        made = write_lines(tmp_path, "policies.jsonl.gz", lines)
        data = (tmp_path / "policies.jsonl.gz").read_bytes()
        assert gzip.decompress(data) == b"".join(line + b"\n" for line in lines)
        assert b"Li" not in data and made.lines == len(lines)


def test_the_bytes_of_a_small_proof_file_are_these(tmp_path: Path) -> None:
    """The layout of the index, version 1. The packed block depends on the machine's zlib, and is
    left out.
    """
    lines = [line_of("candidates", digit * 64, 0) for digit in "1a"]
    write_lines(tmp_path, "one.gz", lines)
    data = (tmp_path / "one.gz").read_bytes()
    block = data[: data.index(b"\x1f\x8b\x08\x04")]
    root = hashlib.sha256(
        b"\1" + b"".join(hashlib.sha256(b"\0" + line).digest() for line in lines)
    ).hexdigest()
    head, tail = "1f8b08040000000000ff", "0300" + "00" * 8
    entry = "11" * 32 + "00" * 8 + len(block).to_bytes(4, "big").hex() + root
    group = f"{head}50004c69{'4c00'}{entry}{tail}"
    end = (
        f"{head}1a004c691600"
        + "01"
        + len(block).to_bytes(8, "big").hex()
        + f"{len(group) // 2:08x}"
        + "01"
        + f"{2:016x}"
        + tail
    )
    assert data[len(block) :].hex() == group + end
    assert proof_lines.LINES_EACH == LINES_EACH == 256

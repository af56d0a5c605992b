"""Bytes that are no JSON, whatever is wrong with them, end in an error of Licet's that names the
file, never in a traceback.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from licet.backup import backup_manifest, wal_seals
from licet.errors import LicetError
from licet.misuse import classifier, operating_points
from licet.release.push import decode_index
from licet.train import consumption
from licet.train.mix_plan import MixState
from licet.vault import simulated_clock

SOURCE = Path(__file__).parent.parent / "src" / "licet"
BROKEN = {
    "no UTF-8": b'{"v": "\xb6"}',
    "no JSON": b"{",
    "another type": b"[]",
    "values within values": b'{"v":' + b"[" * 100_000,
}


def of_manifest(folder: Path, data: bytes) -> None:
    (folder / backup_manifest.MANIFEST).write_bytes(data)
    backup_manifest.read_manifest(folder)


def of_wal_seal(folder: Path, data: bytes) -> None:
    (folder / "wal").write_bytes(b"")
    wal_seals._seal_path(folder / "wal").write_bytes(data)
    wal_seals._read_seal(folder / "wal")


def of_classifier(folder: Path, data: bytes) -> None:
    (folder / classifier.MODEL_FILE).write_bytes(data)
    classifier.load_card(folder)


def of_points(folder: Path, data: bytes) -> None:
    (folder / "points").write_bytes(data)
    operating_points.read_points(folder / "points", "", 0.05, datetime(2026, 1, 1, tzinfo=UTC))


def of_clock(folder: Path, data: bytes) -> None:
    (folder / simulated_clock.CLOCK_FILE).write_bytes(data)
    simulated_clock.clock_of(folder)


def of_index(_: Path, data: bytes) -> None:
    decode_index(data)


def of_record(folder: Path, data: bytes) -> None:
    (folder / "consumed").write_bytes(consumption.FORMAT + data + b"\n")
    consumption.read_record(folder / "consumed")


def of_mix(_: Path, data: bytes) -> None:
    MixState.decode(data)


READERS: list[Callable[[Path, bytes], None]] = [
    of_manifest,
    of_wal_seal,
    of_classifier,
    of_points,
    of_clock,
    of_index,
    of_record,
    of_mix,
]


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_what_cannot_be_decoded_is_refused_by_name(
    tmp_path: Path, read: Callable[[Path, bytes], None], data: bytes
) -> None:
    with pytest.raises(LicetError):
        read(tmp_path, data)


def test_no_handler_of_a_decoder_forgets_text_that_is_no_utf_8() -> None:
    """msgspec lets the error about a string that is no UTF-8 through: anyone who catches its own
    catches that too.
    """
    narrow, wide = (
        ("msgspec.DecodeError", "msgspec.MsgspecError"),
        ("UNDECODABLE", "ValueError", "UnicodeDecode", "UnicodeEncode"),
    )
    forgotten = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ExceptHandler) and node.type is not None:
                caught = ast.unparse(node.type)
                if any(name in caught for name in narrow) and not any(
                    name in caught for name in wide
                ):
                    forgotten.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert forgotten == []

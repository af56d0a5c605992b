"""The cheapest hurtful file of every format, read in a process of its own: its time and memory are
bounded.

Each is a few megabytes at most; what is bounded is what the reader adds to them. What a packed file
unpacks to takes time by its unpacked bytes, and no more memory: `test_archives.py` holds that.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from licet.intake import formats

from ..machine import slowness

CPU_SECONDS_MAX, MEMORY_BYTES_MAX = 2.0, 200 * 2**20
READ = """
import json, resource, sys, time
from pathlib import Path
from licet.errors import InputError
from licet.intake import formats
path = Path(sys.argv[1])
def resident(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
before, begun = resident(), time.process_time()
try:
    read = sum(1 for _ in formats.read(path))
except InputError:
    read = 0
print(json.dumps([time.process_time() - begun, resident() - before, read]))
"""

# How a file of each format begins, so that its reader is the one that meets the rest.
BEGINS = {
    "claude_code": b'{"type":"user","sessionId":"s","uuid":"u","timestamp":"2026-01-01T00:00:00Z",'
    b'"message":{"role":"user","content":"x"},"x":',
    "claude_ai": b'[{"uuid":"u","name":"n","created_at":"2026-01-01T00:00:00Z","account":{"uuid":"a"},"chat_messages":',
    "chatgpt": b'[{"title":"t","create_time":1.0,"conversation_id":"c","current_node":"n","mapping":',
    "librechat": b'{"conversationId":"c","endpoint":"e","title":"t","options":{},"recursive":true,"messages":',
    "open_webui": b'[{"id":"i","user_id":"u","title":"t","chat":{"history":',
    "chatbot_ui": b'{"version":4,"history":',
    "cline": b'{"version":1,"sessionId":"s","messages":',
    "litellm": b'{"id":"i","call_type":"acompletion","messages":',
    "messages": b'{"messages":',
}  # fmt: skip
DEEP = b"[" * 2_000_000
BROAD = b"[" + b"{}," * 200_000 + b"{}]"
ESCAPES = b'"' + b"\\ud800\\n" * 200_000 + b'"'


def begun(rest: bytes) -> dict[str, bytes]:
    return {name: head + rest for name, head in BEGINS.items()}


FILES: dict[str, Callable[[Path], Path]] = {}


def file(name: str, suffix: str, content: Callable[[], bytes]) -> None:
    def make(folder: Path) -> Path:
        path = folder / f"conversations{suffix}"
        path.write_bytes(content())
        return path

    FILES[name] = make


for _what, _rest in (
    ("nested deeply", DEEP),
    ("many empty objects", BROAD),
    ("escapes that stand for nothing", ESCAPES),
):
    for _name, _content in begun(_rest).items():
        _suffix = ".jsonl" if _name in ("claude_code", "litellm", "messages") else ".json"
        file(f"{_name}, {_what}", _suffix, lambda content=_content: content)
file(
    "a gzip of one endless string",
    ".jsonl.gz",
    lambda: gzip.compress(b'{"messages":"' + b"x" * 2**27, 9),
)
file("nothing but line feeds", ".jsonl", lambda: b"\n" * 2**24)
file("nothing but commas", ".json", lambda: b"[" + b"," * 2**20)


def _zipped(folder: Path, count: int, each: bytes) -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for number in range(count):
            made.writestr(f"{number}/conversations.json", each)
    return path


FILES["a zip of many members"] = lambda folder: _zipped(folder, 5_000, b"[]")


def test_every_reader_has_a_row_and_is_the_one_that_reads_it(tmp_path: Path) -> None:
    read = dict[str, str]()
    for name in BEGINS:
        path = FILES[f"{name}, many empty objects"](tmp_path)
        read[name] = formats.detect(path).name
        path.unlink()
    assert read == {reader.name.replace("-", "_"): reader.name for reader in formats.READERS}


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_a_file_that_is_made_to_hurt_costs_a_bounded_amount(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path, slow = make(tmp_path), slowness()
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    cpu_seconds, memory_bytes, _ = json.loads(done.stdout)
    assert cpu_seconds <= CPU_SECONDS_MAX * max(slow, slowness())
    assert memory_bytes <= MEMORY_BYTES_MAX + path.stat().st_size

"""Makes a zstd dictionary for turns from public text: the documentation, the notices in 31
languages, and code.

    python -m tools.turn_dictionary FILE

The dictionary is stored beside its reader (`licet.vault.content`), under the envelope's version
number, and never changes: a new one is a new version. No person's text is ever trained on: a
dictionary quotes its training text.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import zstandard

from licet.vault.content import Content

DICTIONARY_BYTES = 32 * 2**10
PARAGRAPH_LETTERS_MIN = 60
LINES_EACH, CODE_LETTERS_EACH, CODE_FILES = 6, 700, 120
ROOT = Path(__file__).parent.parent


def samples() -> Iterator[str]:
    """Returns texts of the length of a turn."""
    for page in sorted(ROOT.glob("docs/**/*.md")):
        yield from (
            part
            for part in page.read_text("utf-8").split("\n\n")
            if len(part) > PARAGRAPH_LETTERS_MIN
        )
    for file in sorted(ROOT.glob("src/licet/consent/languages/*.json")):
        said = [
            line
            for line in _strings(json.loads(file.read_text("utf-8")))
            if " " in line or not line.isascii()
        ]
        yield from ("\n".join(said[at : at + LINES_EACH]) for at in range(0, len(said), LINES_EACH))
    for module in sorted(ROOT.glob("src/licet/**/*.py"))[:CODE_FILES]:
        code = module.read_text("utf-8")
        yield from (
            code[at : at + CODE_LETTERS_EACH] for at in range(0, len(code), 3 * CODE_LETTERS_EACH)
        )


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def made() -> bytes:
    """Returns the dictionary; the same texts give the same bytes."""
    encode = msgspec.msgpack.Encoder().encode
    packed: list[bytes | bytearray | memoryview] = [
        encode(Content(text=text)) for text in samples()
    ]
    return zstandard.train_dictionary(DICTIONARY_BYTES, packed, dict_id=1).as_bytes()


def main() -> None:
    Path(sys.argv[1]).write_bytes(made())


if __name__ == "__main__":
    main()

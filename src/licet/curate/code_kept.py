"""Counts fenced code blocks that no longer parse after identifiers were replaced.

Parsers: Python, JSON, YAML and TOML of this interpreter. Other languages, blocks above
`BLOCK_CHARS_MAX` and blocks invalid from the start are not counted. Nothing is executed: YAML is
read as events.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
import warnings
from collections.abc import Callable, Sequence

import yaml

BLOCK_CHARS_MAX = 100_000
_FENCED = re.compile(
    r"^[ \t]*```[ \t]*(\w+)[ \t]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL
)
_REFUSALS = (SyntaxError, ValueError, RecursionError, MemoryError, yaml.YAMLError)


def _python(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of invalid escapes
        ast.parse(text)


def _yaml(text: str) -> None:
    for _ in yaml.parse(text, Loader=yaml.SafeLoader):
        pass


_PARSERS: dict[str, Callable[[str], object]] = {
    "python": _python, "py": _python, "json": json.loads, "yaml": _yaml, "yml": _yaml, "toml": tomllib.loads,
}  # fmt: skip


def count_blocks(originals: Sequence[str], leaves: Sequence[str]) -> tuple[int, int]:
    """The number of blocks of ``originals`` that parse, and of those that do not parse in
    ``leaves``, text by text.

    If the number of a text's blocks differs, all of its blocks count as broken.
    """
    blocks = broken = 0
    for before, after in zip(originals, leaves, strict=True):
        if "```" not in before:
            continue
        was, now = _FENCED.findall(before), _FENCED.findall(after)
        for place, (language, block) in enumerate(was):
            parse = _PARSERS.get(language.lower())
            if parse is None or len(block) > BLOCK_CHARS_MAX or not _parses(parse, block):
                continue
            blocks += 1
            broken += len(now) != len(was) or not _parses(parse, now[place][1])
    return blocks, broken


def _parses(parse: Callable[[str], object], block: str) -> bool:
    try:
        parse(block)
    except _REFUSALS:
        return False
    return True

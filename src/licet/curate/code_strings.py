"""Strings and comments in code: names are searched for there and nowhere else in code.

Promise: a span in lines of code is kept only if it is inside one string or one comment and does not split a word, so that
replacing it leaves the code valid. In prose every span is kept.

Code is a fenced block with the name of a programming language, a text that is one JSON value, and lines that look like code
(labels.py). Data in fences (CSV, YAML, logs) is treated as prose. Strings and comments are recognised by the delimiters
that most languages share. A scanner for each language would be right more often, but not where a reader relies on it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from licet.curate.detect import DetectedSpan
from licet.curate.labels import code_line

_LANGUAGES = frozenset(
    {
        "bash", "c", "c#", "c++", "cpp", "cs", "csharp", "css", "dart", "diff", "dockerfile", "elixir", "go", "golang",
        "haskell", "java", "javascript", "js", "json", "jsonc", "jsx", "julia", "kotlin", "lua", "objc", "perl", "php",
        "powershell", "py", "python", "python3", "r", "rb", "ruby", "rs", "rust", "scala", "scss", "sh", "shell", "sql",
        "swift", "ts", "tsx", "typescript", "vue", "zsh",
    }
)  # fmt: skip
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*([\w#+]*)[^\n]*$", re.MULTILINE)
_MARKS = re.compile(r"\\.|\"\"\"|\'\'\'|[\"\'`\n]|//|#|--|/\*|\*/|<!--|-->", re.DOTALL)
_CLOSES = {"/*": "*/", "<!--": "-->", "//": "\n", "#": "\n", "--": "\n"}
_ONE_LINE = ('"', "'")


def readable(text: str, spans: Sequence[DetectedSpan]) -> list[DetectedSpan]:
    """The spans of ``text`` that may be replaced."""
    if not spans:
        return []
    areas = _areas(text)
    return [span for span in spans if _stays(text, span, areas)]


def _stays(text: str, span: DetectedSpan, areas: Sequence[tuple[int, int]]) -> bool:
    area = next(((start, end) for start, end in areas if start <= span.start < end), None)
    if area is None:
        if any(span.start < start < span.end for start, _ in areas):
            return False  # from prose into code
        start = text.rfind("\n", 0, span.start) + 1
        end = text.find("\n", span.start)
        line = text[start : len(text) if end < 0 else end]
        if not code_line(line):
            return True
        area = (start, start + len(line))
    if span.end > area[1]:
        return False
    before, after = text[span.start - 1 : span.start], text[span.end : span.end + 1]
    if before.isalnum() or after.isalnum() or before == "_" or after == "_":
        return False
    return _quoted(text[area[0] : area[1]], span.start - area[0], span.end - area[0])


def _areas(text: str) -> list[tuple[int, int]]:
    """The places in ``text`` that are code from end to end."""
    if text.lstrip()[:1] in ("{", "[") and text.rstrip()[-1:] in ("}", "]"):
        return [(0, len(text))]
    out: list[tuple[int, int]] = []
    opened: tuple[int, bool] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = (fence.end(), fence[1].lower() in _LANGUAGES)
        else:
            if opened[1]:
                out.append((opened[0], fence.start()))
            opened = None
    if opened is not None and opened[1]:
        out.append((opened[0], len(text)))
    return out


def _quoted(code: str, start: int, end: int) -> bool:
    """Whether ``code[start:end]`` lies in one string or comment."""
    within = ""
    for mark in _MARKS.finditer(code):
        if mark.start() >= end:
            break
        seen = mark[0]
        after = within
        if within:
            if seen == _CLOSES.get(within, within) or (seen == "\n" and within in _ONE_LINE):
                after = ""
        elif seen in _CLOSES or seen[0] in "\"'`":
            after = seen
        if mark.start() >= start and after != within:
            return False
        within = after
    return bool(within)

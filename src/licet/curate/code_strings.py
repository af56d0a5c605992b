"""Restricts names found in code to strings and comments, and drops code found in prose.

Promise: a span in code is kept only inside one string or comment and if it does not split a word,
so that replacing it leaves the code valid. Everywhere, a span is dropped that is part of a dotted
or indexed identifier (``os.Getenv``, ``Random.seed()``), a template name (``{User}``), a JSON key,
inline code, a formula, a URL or a path. In prose every other span is kept.

Code is a fenced block in a programming language, a text that is one JSON value, a text of which
most lines look like code, and single lines that do (labels.py). Fenced data (CSV, YAML, logs) is
prose. Strings and comments are recognised by the delimiters of the language, including Rust's
lifetimes and raw strings, Go's raw strings, Java's text blocks and JavaScript's regular
expressions; without a language, by those of its likely family.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from licet.curate.detect import DetectedSpan
from licet.curate.labels import code_line


class _Syntax(NamedTuple):
    """The strings and comments of a family of languages."""

    # openers; group `skip` only looks like one, in `raw` a backslash is literal
    opens: re.Pattern[str]
    across: str = "`"  # quotes of multi-line strings, beside triple quotes
    literal: str = ""  # quotes in whose strings a backslash is literal
    nested: bool = False  # whether comments nest


def _syntax(
    *comments: str,
    skip: str = "",
    raw: str = "",
    across: str = "`",
    literal: str = "",
    nested: bool = False,
) -> _Syntax:
    """``comments``: patterns of comment openers."""
    skips = "|".join(filter(None, (r"\\.", skip)))
    opens = (
        f"(?P<skip>{skips})",
        *([f"(?P<raw>{raw})"] if raw else []),
        *comments,
        "\"\"\"|'''|[\"'`]",
    )
    return _Syntax(re.compile("|".join(opens), re.DOTALL), across, literal, nested)


_LIFETIME = r"'(?:\w+)(?!\w|')"  # of Rust, where a character closes behind its letter
_LIKELY_LIFETIME = r"(?<=[&<])'[a-z_]\w*(?![\w'])|'[a-z_]\w*(?=>)"
# of JavaScript
_REGEX = r"(?<=[(,=:\[!&|?{};\n])[ \t]*/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/"
_C = ("//", r"/\*")
_SLASHES = _syntax(*_C, skip=_LIKELY_LIFETIME)
_RUST = _syntax(*_C, skip=_LIFETIME, raw=r'\b[bc]?r(?P<hashes>#*)"', across='"', nested=True)
_GO = _syntax(*_C, literal="`")
_HASH = _syntax("#")
_DASHES = _syntax("--", r"/\*")
_ANY = _syntax("#", *_C, "--", "<!--", skip=_LIKELY_LIFETIME)
_JSON = _syntax()
_FAMILIES = {
    "elixir julia py python python3 r rb ruby": _HASH,
    "bash dockerfile perl powershell sh shell zsh": _syntax(
        r"(?<![^\s;(])#", across="`\"'", literal="'"
    ),
    "css dart java kotlin objc php scala scss swift": _syntax(*_C),
    "c c++ cpp": _syntax(*_C, raw=r'\b(?:u8|[uUL])?R"(?P<word>[^\s()\\"]{0,16})\('),
    "c# cs csharp": _syntax(*_C, raw=r'@\$?"'),
    "javascript js json jsonc jsx ts tsx typescript": _syntax(*_C, skip=_REGEX),
    "go golang": _GO,
    "rs rust": _RUST,
    "haskell": _syntax("--", r"/\*", skip=r"(?<=\w)'"),
    "lua sql": _DASHES,
    "vue": _syntax("<!--", *_C),
    "diff": _JSON,
}
_LANGUAGES = {
    language: syntax for languages, syntax in _FAMILIES.items() for language in languages.split()
}
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*([\w#+]*)[^\n]*$", re.MULTILINE)

_NUMBERED = re.compile(r"^\s*\d+[→\t|:]")  # lines numbered by tools
_CODEISH = re.compile(
    r"\s*[\w.\[\]\"']+\s*[:+\-*/|&]?=\s*\S|\s*[\w.]+\(|\s*(?:#|//|/?\*|\"\"\"|'''|@\w)|(?: {4}|\t)\s*\S"
)
_COMMENTED = re.compile(r"\s*/?\*")
_ENDED = re.compile(r"[;{}]\s*$", re.MULTILINE)
_OF_RUST = re.compile(
    r"^\s*(?:pub(?:\([a-z]+\))? )?(?:fn \w+|impl\b|use \w+::|let mut |#\[\w+)", re.MULTILINE
)
_OF_GO = re.compile(r"^(?:package \w+$|func [\w(]|import \()", re.MULTILINE)
_SQL = re.compile(r"^\s*(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|WITH|BEGIN)\b", re.MULTILINE)
LINES_READ_MAX = 400
LINES_MIN = 5
CODEISH_MIN, CODE_MIN = 0.7, 0.15
TOKEN_CHARS_MAX = 200


class _Area:
    """A piece of code; its strings and comments are found on first use."""

    def __init__(self, text: str, start: int, end: int, syntax: _Syntax) -> None:
        self.start, self.end = start, end
        self._code, self._syntax = text[start:end], syntax
        self._quoted: tuple[list[int], list[int]] | None = None

    def quotes(self, start: int, end: int) -> bool:
        """Whether a span is inside one string or comment."""
        if self._quoted is None:
            self._quoted = _find_literals(self._code, self._syntax)
        starts, ends = self._quoted
        at = bisect_right(starts, start - self.start) - 1
        return at >= 0 and end - self.start <= ends[at]


def readable(text: str, spans: Sequence[DetectedSpan]) -> list[DetectedSpan]:
    """The spans of ``text`` that may be replaced."""
    if not spans:
        return []
    areas = _areas(text)
    return [
        span
        for span in spans
        if not _is_code(text, span.start, span.end) and _must_stay(text, span, areas)
    ]


class CodePlaces:
    """The places of code in one text; areas and backticks are found once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._areas = [(area.start, area.end) for area in _areas(text)]
        self._ticks = [tick.start() for tick in re.finditer("`", text)]
        self._lines: dict[int, bool] = {}  # whether a line is code, by its start

    def holds(self, place: int) -> bool:
        """Whether a place is in a code fence or text, a line that looks like code, or backticks."""
        if any(start <= place < end for start, end in self._areas):
            return True
        text = self._text
        start, end = text.rfind("\n", 0, place) + 1, text.find("\n", place)
        end = len(text) if end < 0 else end
        if start not in self._lines:
            self._lines[start] = code_line(text[start:end])
        first, middle, last = (bisect_left(self._ticks, at) for at in (start, place, end))
        return self._lines[start] or ((middle - first) % 2 == 1 and middle < last)


def _must_stay(text: str, span: DetectedSpan, areas: Sequence[_Area]) -> bool:
    area = next((area for area in areas if area.start <= span.start < area.end), None)
    if area is None:
        if any(span.start < area.start < span.end for area in areas):
            return False  # from prose into code
        start = text.rfind("\n", 0, span.start) + 1
        end = text.find("\n", span.start)
        line = text[start : len(text) if end < 0 else end]
        if not code_line(line):
            return True
        area = _Area(text, start, start + len(line), _ANY)
    if span.end > area.end:
        return False
    before, after = text[span.start - 1 : span.start], text[span.end : span.end + 1]
    if before.isalnum() or after.isalnum() or before == "_" or after == "_":
        return False
    return area.quotes(span.start, span.end) and not _KEY_ENDS.match(text, span.end)


_KEY_ENDS = re.compile(r"""[^"'\n]{0,80}\\{0,3}["']\s*:(?!:)[ \t]*[^\s)]""")


def _areas(text: str) -> list[_Area]:
    """The pieces of ``text`` that are entirely code."""
    if text.lstrip()[:1] in ("{", "[") and text.rstrip()[-1:] in ("}", "]"):
        return [_Area(text, 0, len(text), _JSON)]
    out: list[_Area] = []
    opened: tuple[int, _Syntax | None] | None = None
    for fence in _FENCE.finditer(text):
        if opened is None:
            opened = (fence.end(), _LANGUAGES.get(fence[1].lower()))
        else:
            if opened[1] is not None:
                out.append(_Area(text, opened[0], fence.start(), opened[1]))
            opened = None
    if opened is not None and opened[1] is not None:
        out.append(_Area(text, opened[0], len(text), opened[1]))
    return out or ([_Area(text, 0, len(text), _family(text))] if _is_file(text) else [])


def _is_file(text: str) -> bool:
    """Whether most lines look like code, and some clearly so."""
    lines = [
        _NUMBERED.sub("", line, count=1)
        for line in text.split("\n", LINES_READ_MAX)[:LINES_READ_MAX]
        if line.strip()
    ]
    if len(lines) < LINES_MIN:
        return False
    sure = [code_line(line) for line in lines]
    like = sum(
        one or _CODEISH.match(line) is not None for one, line in zip(sure, lines, strict=True)
    )
    commented = sum(map(bool, map(_COMMENTED.match, lines))) if "/*" in text and "*/" in text else 0
    return sum(sure) >= CODE_MIN * (len(lines) - commented) and like >= CODEISH_MIN * len(lines)


def _family(code: str) -> _Syntax:
    """The likely syntax of code in no stated language."""
    if _SQL.search(code):
        return _DASHES
    if 10 * len(_ENDED.findall(code)) < code.count("\n"):
        return _HASH
    return _RUST if _OF_RUST.search(code) else _GO if _OF_GO.search(code) else _SLASHES


def _find_literals(code: str, syntax: _Syntax) -> tuple[list[int], list[int]]:
    """Start and end of each string and comment, without delimiters."""
    starts, ends, at = list[int](), list[int](), 0
    while (opened := syntax.opens.search(code, at)) is not None:
        if opened.lastgroup == "skip":
            at = opened.end()
            continue
        starts.append(opened.end())
        end, at = _find_close(code, opened, syntax)
        ends.append(end)
    return starts, ends


_CLOSES = {"/*": "*/", "<!--": "-->", "//": "\n", "#": "\n", "--": "\n"}


def _find_close(code: str, opened: re.Match[str], syntax: _Syntax) -> tuple[int, int]:
    """The end of a string's or comment's content, and where code continues."""
    seen, at = opened[0], opened.end()
    if seen == "/*" and syntax.nested:
        return _nested(code, at)
    if opened.lastgroup == "raw":
        groups = opened.groupdict()
        closes = (
            '"' + groups["hashes"]
            if "hashes" in groups
            else f'){groups["word"]}"'
            if "word" in groups
            else '"'
        )
        stops = _stops(closes, escapes=False, one_line=False)
    elif seen in _CLOSES:
        stops = _stops(_CLOSES[seen], escapes=False, one_line=False)
    else:
        one_line = len(seen) == 1 and seen not in syntax.across
        stops = _stops(seen, escapes=seen not in syntax.literal, one_line=one_line)
    for stop in stops.finditer(code, at):
        if stop[0][0] != "\\":
            return stop.span()
    return len(code), len(code)


def _nested(code: str, at: int) -> tuple[int, int]:
    depth = 1
    for mark in _BLOCK.finditer(code, at):
        depth += 1 if mark[0] == "/*" else -1
        if not depth:
            return mark.span()
    return len(code), len(code)


_BLOCK = re.compile(r"/\*|\*/")


@cache
def _stops(closes: str, *, escapes: bool, one_line: bool) -> re.Pattern[str]:
    parts = [r"\\."] * escapes + [re.escape(closes)] + ["\n"] * one_line
    return re.compile("|".join(parts), re.DOTALL)


# --- code in prose --------------------------------------------------------------------------------

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BEFORE = re.compile(r"[A-Za-z0-9_)\]]\.$|::$|->$|[$\\]$|%\($|\{\{? ?$|</?$")
_CALLED = re.compile(r"\((?:[^()\s]*\)|[^()\n]*[=\"'\[\]{}_]|[^()\n]*,[^()\n]*\))")
_YEAR = re.compile(r"\(\d{4}[a-z]?\)|\(\d{1,3}\)")
_AFTER = re.compile(r"\.[a-z_]\w*|::|->|=(?!=?\s)|_|\}|>")
_MODULE = re.compile(
    r"\b(?:api|app|cfg|cmd|ctx|db|env|fmt|fs|io|log|net|np|os|pd|re|req|res|self|sql|std|sys|url)\.$"
)
_SENTENCE_GOES_ON = re.compile(r"[.,)](?:\s|$)")
_BEHIND_DOT = re.compile(r"[(.\[=;,)\]]")
_FORMULA = re.compile(
    r"\$[^\s$\d](?:[^$\n]{0,200}[^\s$])?\$|\\\([^\n]{1,300}?\\\)|\\\[.{1,600}?\\\]", re.DOTALL
)
_SIGNS = "=+*/^<>≤≥≈×÷∈∑∫"
_LINK = re.compile(
    r"(?:[a-z][a-z0-9+.\-]{1,20}://|www\.|[~.]{0,2}/|[A-Za-z]:\\)\S*|\S+/\S+/\S*|\S+/\S*\.[a-z]{1,5}[.,;:)]?",
    re.ASCII,
)
_REST = re.compile(r"[^\s\"'<>\]`]*")
_HOST = re.compile(
    r"\S+\.(?:com|org|net|io|dev|py|js|ts|go|rs|java|md|json|ya?ml|txt|html?|css|sh|c|h|cpp)[.,;:)]?",
    re.ASCII,
)


def _is_code(text: str, start: int, end: int) -> bool:
    """Whether a span is part of code or an identifier."""
    word = text[start:end]
    if len(word) == 1:
        return True
    if _is_formula(text, start, end):
        return True
    if not word.isascii() or _WORD.fullmatch(word) is None:
        return _is_link(text, start, end)
    before = _BEFORE.search(text, max(0, start - 3), start)
    if before is not None and (
        not before[0].endswith(".") or _is_member(text, start, end, before[0])
    ):
        return before[0][0] not in "{<" or text[end : end + 3].lstrip(" ")[:1] in (
            "}",
            ">",
            "/",
            ":",
            "!",
        )
    if text[end : end + 1] == "(" and _CALLED.match(text, end) and not _YEAR.match(text, end):
        return True
    if (behind := _AFTER.match(text, end)) is not None and behind[0] not in ("}", ">"):
        return True
    return _is_inline(text, start, end) or _is_link(text, start, end)


def _is_member(text: str, start: int, end: int, before: str) -> bool:
    """Whether the word after a dot is a member, not the next sentence; initials and titles stay
    names.
    """
    if before[0].isupper():
        return False
    if _BEHIND_DOT.match(text, end) is not None and not _SENTENCE_GOES_ON.match(text, end):
        return True
    return _MODULE.search(text, max(0, start - 6), start) is not None


def _is_inline(text: str, start: int, end: int) -> bool:
    """Whether a span is in backticks, alone or among code marks."""
    line = text.rfind("\n", 0, start) + 1
    if text.count("`", line, start) % 2 == 0:
        return False
    first, last = text.rfind("`", line, start), text.find("`", end)
    stop = text.find("\n", end)
    if last < 0 or (stop >= 0 and stop < last):
        return False
    inner = text[first + 1 : last]
    return " " not in inner or any(mark in inner for mark in "(){}[]=;<>_$")


def _is_formula(text: str, start: int, end: int) -> bool:
    if end - start <= 2:
        place = start
        while place and text[place - 1] == " ":
            place -= 1
        before, after = text[max(0, place - 1) : place], text[end : end + 3].lstrip(" ")[:1]
        if (before and before in _SIGNS) or (after and after in _SIGNS):
            return True
    near = max(0, start - TOKEN_CHARS_MAX)
    formulas = _FORMULA.finditer(text, near, end + 3 * TOKEN_CHARS_MAX)
    return any(
        one.start() < start and end < one.end() and re.search(r"[\\^_={}]", one[0])
        for one in formulas
    )


def _is_link(text: str, start: int, end: int) -> bool:
    """Whether a span is in a URL, a path or a file name."""
    before = text[max(0, start - TOKEN_CHARS_MAX) : start]
    first = start - len(before) + max(before.rfind(mark) for mark in " \n\t\"'(<[`") + 1
    if " " in text[start:end]:
        return False
    rest = _REST.match(text, end, end + TOKEN_CHARS_MAX)
    last = rest.end() if rest is not None else end
    token = text[first:last]
    return len(token) > end - start and (
        _LINK.fullmatch(token) is not None or _HOST.fullmatch(token) is not None
    )

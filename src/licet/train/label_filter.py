"""`where`: selects rows by their labels, in a small SQL-like language that executes nothing.

    language = 'de' and quality > 0.6
    topic in ('code', 'maths') and not (words < 20 or repeated_lines > 0.3)
    misuse is null or misuse < 0.1

    filter     = either { "or" either }
    either     = each { "and" each }
    each       = "not" each | "(" filter ")" | test
    test       = NAME ( "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ) VALUE
               | NAME [ "not" ] "in" "(" VALUE { "," VALUE } ")"
               | NAME "is" [ "not" ] "null"
    NAME       = split | language | topic | [ "quality." ] SIGNAL | [ "scores." ] SCORE
    VALUE      = 'text', in which '' is a quote | number

Invariants: a row is read only if the filter is true for it. As in SQL, a test of a missing score is
neither true nor false: such a row is read by neither `misuse < 0.5` nor its opposite. Keywords
ignore case, names do not. A syntax error is a UsageError with its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any, NamedTuple, TypeAlias

from licet.errors import UsageError
from licet.release.rows import LabelsShape, Quality

FILTER_CHARACTERS_MAX = 4_096
DEPTH_MAX = 32
TEXTS = ("split", "language", "topic")
SIGNALS = Quality.__struct_fields__
_QUALITY, _SCORES = "quality.", "scores."
_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": eq, "!=": ne, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge,
}  # fmt: skip
_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)"
    r"|(?P<sign><=|>=|<>|!=|[=<>(),]))",
    re.ASCII,
)
_WORDS = ("and", "or", "not", "in", "is", "null")


class _Unknown:
    """An unknown label value, and the answer of a test that depends on it."""


_UNKNOWN = _Unknown()
_Reads: TypeAlias = Callable[[Mapping[str, Any]], Any]
Answer: TypeAlias = bool | _Unknown | None
Test = Callable[[Mapping[str, Any]], Answer]
"""True, false, None for a missing label, or `_OPEN`."""


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


class LabelFilter:
    """A parsed filter. ``scores`` are the scores that it tests."""

    def __init__(self, text: str) -> None:
        self.text = text
        parser = _Parser(text)
        self._test = parser.parse()
        self.scores = frozenset(parser.scores)

    def __call__(self, labels: LabelsShape) -> bool:
        """Whether a row with these labels matches."""
        return self._test(labels) is True

    def may_match(self, split: str) -> bool:
        """Whether any row of ``split`` can match."""
        answer = self._test({"split": split})
        return answer is True or answer is _UNKNOWN

    def __repr__(self) -> str:
        return f"LabelFilter({self.text!r})"


class _Parser:
    def __init__(self, text: str) -> None:
        if len(text) > FILTER_CHARACTERS_MAX:
            raise UsageError(
                f"a filter has at most `{FILTER_CHARACTERS_MAX}` characters, not `{len(text)}`"
            )
        self._tokens, self._place, self._depth = _tokens(text), 0, 0
        self.scores: set[str] = set()

    def parse(self) -> Test:
        made = self._parse_or()
        if self._current.kind != "end":
            raise _error(self._current, "`and`, `or` or the end of the filter")
        return made

    @property
    def _current(self) -> _Token:
        return self._tokens[self._place]

    def _accept(self, *texts: str) -> bool:
        """Consumes these words or signs if they come next."""
        tokens = self._tokens[self._place : self._place + len(texts)]
        if len(tokens) < len(texts) or any(
            token.kind not in ("word", "sign") or token.text != text
            for token, text in zip(tokens, texts, strict=True)
        ):
            return False
        self._place += len(texts)
        return True

    def _parse_or(self) -> Test:
        made = [self._parse_and()]
        while self._accept("or"):
            made.append(self._parse_and())
        return made[0] if len(made) == 1 else lambda labels: _any(test(labels) for test in made)

    def _parse_and(self) -> Test:
        made = [self._parse_unary()]
        while self._accept("and"):
            made.append(self._parse_unary())
        return made[0] if len(made) == 1 else lambda labels: _all(test(labels) for test in made)

    def _parse_unary(self) -> Test:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise UsageError(f"a filter has at most `{DEPTH_MAX}` parts inside one another")
        try:
            if self._accept("not"):
                return _negate(self._parse_unary())
            if not self._accept("("):
                return self._parse_test()
            made = self._parse_or()
            if not self._accept(")"):
                raise _error(self._current, "`)`")
            return made
        finally:
            self._depth -= 1

    def _parse_test(self) -> Test:
        name = self._current
        if name.kind != "name":
            raise _error(name, "a label, `not` or `(`")
        self._place += 1
        read, is_text = self._label_reader(name)
        if self._accept("is", "not", "null"):
            return _negate(_is_null(read))
        if self._accept("is", "null"):
            return _is_null(read)
        if self._accept("not", "in"):
            return _negate(self._parse_list(read, name.text, is_text=is_text))
        if self._accept("in"):
            return self._parse_list(read, name.text, is_text=is_text)
        sign = self._current
        if sign.kind != "sign" or sign.text not in _COMPARED:
            raise _error(sign, "a comparison, `in` or `is`")
        self._place += 1
        compare, value = _COMPARED[sign.text], self._parse_value(name.text, is_text=is_text)
        return _when_known(read, lambda found: compare(found, value))

    def _parse_list(self, read: _Reads, name: str, *, is_text: bool) -> Test:
        if not self._accept("("):
            raise _error(self._current, "`(`")
        values = {self._parse_value(name, is_text=is_text)}
        while self._accept(","):
            values.add(self._parse_value(name, is_text=is_text))
        if not self._accept(")"):
            raise _error(self._current, "`,` or `)`")
        return _when_known(read, lambda found: found in values)

    def _parse_value(self, name: str, *, is_text: bool) -> str | float:
        token = self._current
        if token.kind != ("text" if is_text else "number"):
            texts = ", ".join(f"`{text}`" for text in TEXTS)
            raise _error(
                token,
                f"{'text in quotes' if is_text else 'a number'} for `{name}` (labels of "
                f"text are {texts})",
            )
        self._place += 1
        return token.text[1:-1].replace("''", "'") if is_text else float(token.text)

    def _label_reader(self, token: _Token) -> tuple[_Reads, bool]:
        """The reader of a label, and whether the label is text."""
        name = token.text
        if name in TEXTS:
            return lambda labels: labels.get(name, _UNKNOWN), True
        signal = name.removeprefix(_QUALITY)
        if signal in SIGNALS:
            return (
                lambda labels: labels["quality"][signal] if "quality" in labels else _UNKNOWN,
                False,
            )
        if name.startswith(_QUALITY):
            raise _error(
                token, f"one of {', '.join(f'`{signal}`' for signal in SIGNALS)} after `{_QUALITY}`"
            )
        score = name.removeprefix(_SCORES)
        self.scores.add(score)
        return lambda labels: labels["scores"].get(score) if "scores" in labels else _UNKNOWN, False


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            tail = text[position:].lstrip()
            raise _error(_Token("", tail[:1], len(text) - len(tail)), "a label, a value or a sign")
        assert match.lastgroup is not None
        kind, word = match.lastgroup, match[match.lastgroup]
        if kind == "name" and word.lower() in _WORDS:
            kind, word = "word", word.lower()
        tokens.append(_Token(kind, word, match.start(match.lastgroup)))
        position = match.end()
    return [*tokens, _Token("end", "", len(text))]


def _error(token: _Token, expected: str) -> UsageError:
    got = f"`{token.text}`" if token.text else "its end"
    return UsageError(
        f"the filter does not read at character `{token.position + 1}`: {got}",
        f"there belongs {expected}",
    )


def _when_known(read: _Reads, test: Callable[[Any], bool]) -> Test:
    """Applies ``test`` to a label that is present and known."""

    def tested(labels: Mapping[str, Any]) -> Answer:
        value = read(labels)
        return value if value is None or value is _UNKNOWN else test(value)

    return tested


def _is_null(read: _Reads) -> Test:
    return lambda labels: _UNKNOWN if (value := read(labels)) is _UNKNOWN else value is None


def _negate(test: Test) -> Test:
    def opposed(labels: Mapping[str, Any]) -> Answer:
        answer = test(labels)
        return answer if answer is None or answer is _UNKNOWN else not answer

    return opposed


def _all(answers: Iterable[Answer]) -> Answer:
    return _first(tuple(answers), False)


def _any(answers: Iterable[Answer]) -> Answer:
    return _first(tuple(answers), True)


def _first(answers: Sequence[Answer], decisive: bool) -> Answer:
    """``decisive`` if any answer is; else unknown, else missing, else its opposite."""
    for answer in (decisive, _UNKNOWN, None):
        if any(result is answer for result in answers):
            return answer
    return not decisive

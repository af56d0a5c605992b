"""Detection rules: parsed, checked, compiled to RE2, and run over one buffer in linear time.

Promise: ``Rules.spans`` yields what every rule finds in UTF-8 bytes, in time linear in the bytes:
RE2 never backtracks, a pattern is tried only at its keyword or trigger, and a refused match is
retried at most once per separator inside it.

Invariants:
- A rule file that does not decode, names an unknown validator or does not compile is an InputError:
  no rule is skipped.
- The prefilter is sound: it excludes no match. A rule's triggers occur in each of its
  matches (a test compares detection with and without it).
- A value lies in one text. Its context may lie in the one before: a question ends a turn and its
  answer opens the next.

Syntax: RE2 (github.com/google/re2/wiki/Syntax). Service token shapes follow what the issuers
publish.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache, cached_property
from importlib.resources import files
from typing import TypeVar

import msgspec
import re2  # type: ignore[import-untyped]  # google-re2 ships neither stubs nor py.typed
import yaml

from licet.curate import heap, national_numbers
from licet.curate.validators import VALIDATORS
from licet.errors import InputError

T = TypeVar("T")
RULES_MAX = 1_000
# the lazily built automaton of the prefilter; the default 8 MB is too small for it
SET_MEMORY_BYTES_MAX = 256 << 20
RULE_MEMORY_BYTES_MAX = 64 << 20
LARGE_PROGRAM = 50_000  # RE2 instructions, whose compilation leaves much of the heap free
# triggers this close to one another are frequent: the next text is tried without testing for them
NEAR_BYTES = 256
UNASKED_BYTES_MAX = 1 << 16


class IdentifierKind(StrEnum):
    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    NATIONAL_ID = "national_id"
    IP = "ip"
    MAC = "mac"
    PERSON = "person"
    ADDRESS = "address"
    PLACE = "place"
    ORGANISATION = "organisation"
    USERNAME = "username"
    HOST = "host"
    CREDENTIAL = "credential"
    SECRET = "secret"  # noqa: S105 -- a kind's name
    KEY_BLOCK = "key_block"


NAMED = (
    IdentifierKind.PERSON,
    IdentifierKind.ADDRESS,
    IdentifierKind.PLACE,
    IdentifierKind.ORGANISATION,
)  # found by no rule, or only around a mark


class DetectorRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule as in the file, whose head explains the fields."""

    name: str
    kind: IdentifierKind
    score: float
    pattern: str
    keywords: tuple[str, ...] = ()
    trigger: str = ""
    across: bool = False
    validator: str = ""

    def prefix_of(self, value: str) -> str:
        """The longest keyword that opens ``value``: the part of a token that names its issuer."""
        return max((k for k in self.keywords if value.startswith(k)), key=len, default="")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    macros: dict[str, str]
    rules: list[DetectorRule]


class RuleMatch(msgspec.Struct, frozen=True):
    """A match accepted by its validator: byte offsets, and the rule's place in the file."""

    start: int
    end: int
    order: int


def _options(memory_bytes_max: int) -> re2.Options:
    options = re2.Options()
    options.max_mem = memory_bytes_max
    options.log_errors = False
    return options


def _is_rare(rule: DetectorRule) -> bool:
    """Whether its triggers are rare in texts: national numbers and token prefixes."""
    is_token = (
        rule.kind is IdentifierKind.SECRET and rule.keywords and not rule.pattern.startswith("(?i)")
    )
    return rule.kind is IdentifierKind.NATIONAL_ID or bool(is_token)


def _set(patterns: Sequence[str]) -> re2.Set:
    made = re2.Set.SearchSet(_options(SET_MEMORY_BYTES_MAX))
    for pattern in patterns:
        made.Add(pattern.encode())
    made.Compile()
    return made


def _gates(rules: Sequence[DetectorRule]) -> list[str]:
    """Patterns of all keywords, all word triggers and all shape triggers: one is slower."""
    keywords = [trigger(rule) for rule in rules if rule.keywords]
    triggers = [trigger(rule) for rule in rules if not rule.keywords]
    words = [one for one in triggers if one.startswith("(?m)(?i)")]
    shapes = [one for one in triggers if not one.startswith("(?m)(?i)")]
    return [
        "|".join(f"(?:{one})" for one in several)
        for several in (keywords, words, shapes)
        if several
    ]


def _lines(gate: re2._Regexp, data: bytes) -> Iterator[bytes]:
    """The lines in which the pattern matches; a match across a line end includes the next line."""
    position, size = 0, len(data)
    while position < size and (match := gate.search(data, position)) is not None:
        start, end = data.rfind(b"\n", 0, match.start()) + 1, data.find(b"\n", match.end())
        end = size if end < 0 else end
        yield data[start:end]
        position = end + 1


class Rules:
    """A compiled set of rules, safe to share between threads.

    With ``checked=False``, for rules checked before, a rule is compiled when a text first makes it
    a suspect: compiling all takes half a second, and texts need few.
    """

    def __init__(
        self,
        rules: Sequence[DetectorRule],
        *,
        file: str = "rules.yaml",
        sha256: str = "",
        checked: bool = True,
        valid: Mapping[str, Callable[[str], bool]] = VALIDATORS,
    ) -> None:
        self.rules, self.sha256, self.validators = tuple(rules), sha256, valid
        names = {r.name for r in self.rules}
        if len(names) != len(self.rules) or len(names) > RULES_MAX:
            raise InputError(
                f"rules are named once each, and there are at most `{RULES_MAX}`", file=file
            )
        self.by_name = {r.name: r for r in self.rules}
        self.orders = {r.name: order for order, r in enumerate(self.rules)}
        self._compiled = [
            _Compiled(rule, order, file, valid) for order, rule in enumerate(self.rules)
        ]
        if checked:
            for compiled in self._compiled:
                compiled.check()
        self._rare = [order for order, rule in enumerate(self.rules) if _is_rare(rule)]
        self._always = [order for order, rule in enumerate(self.rules) if not _is_rare(rule)]
        always, rare = ([self.rules[order] for order in own] for own in (self._always, self._rare))
        gates = _gates(rare)
        self._set = _set([*map(trigger, always), *gates])
        self._gated = _set(list(map(trigger, rare)))
        self._gates = [re2.compile(gate.encode(), _options(SET_MEMORY_BYTES_MAX)) for gate in gates]

    def suspects(self, data: bytes) -> list[int]:
        """The rules, in the file's order, that may match somewhere in ``data``.

        The cost of an RE2 set grows with its rules: rare ones are tested only on lines that match a
        joint pattern of their triggers in the first set.
        """
        matched, always = self._set.Match(data), len(self._always)
        if not matched:
            return []
        rules = [self._always[number] for number in matched if number < always]
        gates = [self._gates[number - always] for number in matched if number >= always]
        if lines := b"\n".join(line for gate in gates for line in _lines(gate, data)):
            rules += [self._rare[number] for number in self._gated.Match(lines) or ()]
        return sorted(rules)

    def spans(
        self, data: bytes, ends: Sequence[int], suspects: Sequence[int], *, prefilter: bool = True
    ) -> Iterator[RuleMatch]:
        """All matches of the suspects. ``ends`` are the ends of the texts joined in ``data``, one
        byte apart.
        """
        for order in suspects:
            compiled = self._compiled[order]
            for start, end in compiled.reaches(data) if prefilter else [(0, len(data))]:
                yield from compiled.spans(data, ends, start, end)


_SEPARATOR = re2.compile(rb"[^0-9A-Za-z]")


class _Compiled:
    """One rule's automaton and its group numbers, each compiled on first use."""

    def __init__(
        self, rule: DetectorRule, order: int, file: str, valid: Mapping[str, Callable[[str], bool]]
    ) -> None:
        self.rule, self.order, self._file = rule, order, file
        if rule.validator and rule.validator not in valid:
            raise InputError(f"unknown validator `{rule.validator}`", file=file, key=rule.name)
        self.valid = valid[rule.validator] if rule.validator else None

    def check(self) -> None:
        """InputError if the rule does not compile or has no value group."""
        if not self.values:
            raise InputError("the pattern has no group `v`", file=self._file, key=self.rule.name)
        assert self._trigger is not None

    @cached_property
    def regex(self) -> re2._Regexp:
        return self._made(f"(?m){self.rule.pattern}", "pattern")

    @cached_property
    def values(self) -> list[int]:
        return [number for name, number in self.regex.groupindex.items() if name.startswith(b"v")]

    @cached_property
    def skip(self) -> int:
        return int(self.regex.groupindex.get(b"skip", 0))

    @cached_property
    def _trigger(self) -> re2._Regexp:
        return self._made(trigger(self.rule), "trigger")

    def _made(self, pattern: str, part: str) -> re2._Regexp:
        try:
            made = re2.compile(pattern.encode(), _options(RULE_MEMORY_BYTES_MAX))
        except re2.error as error:
            raise InputError(
                f"the {part} does not compile: {error!s}", file=self._file, key=self.rule.name
            ) from None
        if made.programsize > LARGE_PROGRAM:
            heap.trim()
        return made

    def reaches(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where the rule is tried: the lines with its trigger, with the breaks around them.

        If nearly every line has one, testing each line costs more than trying all: then doubling
        chunks are tried whole, up to a bound.
        """
        if self.rule.across or not (self.rule.trigger or self.rule.keywords):
            yield 0, len(data)
            return
        position, size, unasked = 0, len(data), 0
        while (match := self._trigger.search(data, position, size)) is not None:
            near = position > 0 and match.start() - position < NEAR_BYTES
            unasked = min(max(2 * unasked, NEAR_BYTES), UNASKED_BYTES_MAX) if near else 0
            end = data.find(b"\n", min(match.end() + unasked, size))
            position = size if end < 0 else end + 1
            yield max(0, data.rfind(b"\n", 0, match.start())), position

    def spans(
        self, data: bytes, ends: Sequence[int], position: int, size: int
    ) -> Iterator[RuleMatch]:
        """The rule's matches in the bytes from ``position`` to ``size``."""
        search = self.regex.search
        while position <= size and (match := search(data, position, size)) is not None:
            start, end = self._value(match)
            if start < 0:
                position = max(match.end(), position + 1)
                continue
            text_end = ends[bisect_left(ends, start)]
            if end > text_end:
                # The value crosses the end of its text: search that text alone.
                match = search(data, max(match.start(), position), text_end)
                if match is None or self._value(match)[0] < 0:
                    position = text_end + 1
                    continue
                start, end = self._value(match)
            if self.valid is None or self.valid(data[start:end].decode()):
                yield RuleMatch(start, end, self.order)
                position = end
            elif self.rule.kind is IdentifierKind.IBAN and (
                shorter := self._shorter(data, start, end)
            ):
                yield RuleMatch(start, shorter, self.order)
                position = shorter
            else:
                position = self._retry(data, start, end)

    def _value(self, match: re2._Match) -> tuple[int, int]:
        if self.skip and match.start(self.skip) >= 0:
            return -1, -1
        span: tuple[int, int] = (-1, -1)
        for group in self.values:
            span = match.span(group)
            if span[0] >= 0:
                break
        return span

    def _shorter(self, data: bytes, start: int, end: int) -> int:
        """The end of a value that a following word or number made too long; 0 if no length fits."""
        assert self.valid is not None
        breaks = [m.start() for m in _SEPARATOR.finditer(data[start:end])]
        return next(
            (
                start + one
                for one in reversed(breaks)
                if self.valid(data[start : start + one].decode())
            ),
            0,
        )

    def _retry(self, data: bytes, start: int, end: int) -> int:
        """Retries at a later group of a refused match, which may hide another."""
        separator = _SEPARATOR.search(data, start + 1, end)
        return end if separator is None else int(separator.start())


def trigger(rule: DetectorRule) -> str:
    """A pattern that matches wherever the rule does: its trigger, its keywords, or else itself."""
    if rule.trigger:
        return f"(?m){rule.trigger}"
    if not rule.keywords:
        return f"(?m){rule.pattern}"
    flags = "(?i)" if rule.pattern.startswith("(?i)") else ""
    return flags + "|".join(re2.escape(k) for k in rule.keywords)


def parse_rules(text: str, *, file: str, checked: bool = True, numbers: str = "") -> Rules:
    """Parses a rule file; ``checked`` as in `Rules`. ``numbers``: a table of national numbers,
    whose rules follow.
    """
    parsed = _parsed(text, _File, file)
    world = _parsed(numbers, national_numbers.Table, file) if numbers else None
    national = msgspec.convert(
        list(national_numbers.rules(world)) if world is not None else [], list[DetectorRule]
    )
    made = [_expanded(rule, parsed.macros) for rule in (*parsed.rules, *national)]
    valid = VALIDATORS | (national_numbers.validators(world) if world is not None else {})
    sha256 = hashlib.sha256((text + numbers).encode()).hexdigest()
    return Rules(made, file=file, sha256=sha256, checked=checked, valid=valid)


def _parsed(text: str, to: type[T], file: str) -> T:
    try:
        return msgspec.convert(yaml.load(text, Loader=_LOADER), to)  # noqa: S506 a safe loader
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise InputError(f"not a rule file: {error!s}", file=file) from None


# The C loader is the safe loader, six times as fast; libyaml is not in every build of PyYAML.
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _expanded(rule: DetectorRule, macros: dict[str, str]) -> DetectorRule:
    pattern, trigger = rule.pattern, rule.trigger
    for name, meaning in macros.items():
        pattern = pattern.replace(f"{{{name}}}", meaning)
        trigger = trigger.replace(f"{{{name}}}", meaning)
    return msgspec.structs.replace(rule, pattern=pattern, trigger=trigger)


@cache
def load_rules() -> Rules:
    """The package's rules, which a test checks."""
    text, numbers = (
        files("licet.curate").joinpath(name).read_text("utf-8")
        for name in ("rules.yaml", "national_numbers.yaml")
    )
    return parse_rules(text, file="rules.yaml", checked=False, numbers=numbers)

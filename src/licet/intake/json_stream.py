"""The elements of a JSON array of any length, one at a time, in memory bounded by one element.

With ``objects``, an object that stands where an array could (one conversation alone, or several
objects in a row) is an element too. Only brackets, commas and strings are understood, which is
enough to find where an element ends (RFC 8259); validity is for its decoder, so one bad element
costs itself only. A truncated array gives the elements that were whole, then a `Flaw`. Concatenated
arrays continue the numbering. For a valid array the elements are those of `json.loads`.

A string of more than STRING_BYTES_MAX in the file becomes OVER_LONG, so that one endless message
costs itself and not its conversation; `records.limit_turn` rejects the turn that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from licet.intake.lines import REST_OF_STRING, Source, chunks, lines
from licet.intake.read_turn import BrokenRecord
from licet.intake.records import OVER_LONG, Progress, format_bytes, valid_utf8
from licet.vault.content import TURN_BYTES_MAX

ELEMENT_BYTES_MAX = 256 * 2**20
STRING_BYTES_MAX = TURN_BYTES_MAX
KEYS_MAX = 64
# brackets: a chat of 25,000 turns where turns nest; what goes deeper is counted over and not kept
DEPTH_MAX = 50_000

_SPACE = b" \t\r\n"
_WINDOW_BYTES = 4096
# A run goes over everything that cannot end an element, to the next byte that matters: a bracket
# (or, directly in the array, a comma), a string that the chunk cuts off, or the end of the chunk.
# Whole strings are part of a run, and so are two levels of brackets that close within it, which
# spares most steps of the interpreter; no byte is looked at more than three times for that.
# Possessive, so nothing is tried again.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_PLAIN = rb'[^"\[\]{}]*+'


def _run_with(group: bytes) -> bytes:
    return _PLAIN + rb"(?:(?:" + group + rb")" + _PLAIN + rb")*+"


_FLAT = rb"[\[{]" + _run_with(_STRING) + rb"[\]}]"
_LOW = rb"[\[{]" + _run_with(_STRING + rb"|" + _FLAT) + rb"[\]}]"
_RUN_INSIDE = re.compile(_run_with(_STRING + rb"|" + _LOW), re.S)
_RUN_BETWEEN = re.compile(rb'[^"\[\]{},]*+(?:' + _STRING + rb'[^"\[\]{},]*+)*+', re.S)
# A small element and the comma behind it: brackets that hold at most one level of others, or a
# string.
_SMALL = re.compile(rb"[ \t\r\n]*+(" + _LOW + rb"|" + _STRING + rb")[ \t\r\n]*+,", re.S)
# A string, with the colon that makes it a key; a bracket; or the quote of a string that is cut off.
TOKEN = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"\s*+(:?)|[\[\]{}"]', re.S)


@dataclass(frozen=True, slots=True)
class Element:
    index: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Flaw:
    """An unreadable element, or the end of the readable ones; ``index`` is the element's."""

    index: int
    message: str


Found: TypeAlias = Element | Flaw


def records(
    path: Source, progress: Progress, *, by_lines: bool = False, within: str = ""
) -> Iterator[tuple[str, bytes | BrokenRecord]]:
    """The place and the bytes of each record of a file: each line, or each element and object; with
    ``within``, each element of the array under that key.

    An element may contain bytes that are not UTF-8; `records.decode` reports them unless
    ``in_parts``.
    """
    if by_lines:
        for line in lines(path, progress):
            yield (
                (line.place, line)
                if isinstance(line, BrokenRecord)
                else (f"{path}:{line.number}", line.raw)
            )
        return
    for element in elements(
        chunks(path, progress), within=within, objects=not within, utf8=bool(within)
    ):
        place = f"{path}#{within}[{element.index}]"
        yield (
            place,
            BrokenRecord(place=place, message=element.message)
            if isinstance(element, Flaw)
            else element.raw,
        )


def elements(
    chunks: Iterable[bytes | BrokenRecord],
    element_bytes_max: int = ELEMENT_BYTES_MAX,
    within: str = "",
    *,
    objects: bool = False,
    string_bytes_max: int = STRING_BYTES_MAX,
    utf8: bool = True,
) -> Iterator[Found]:
    """The elements of an array, or of the array under the first key ``within`` of an object; what
    follows it is not read.

    Without ``utf8`` an element may contain bytes that are not UTF-8: decoding its parts reports
    them, so that one part is Broken instead of all.
    """
    splitter = _Splitter(
        element_bytes_max, min(string_bytes_max, element_bytes_max), within, objects, utf8
    )
    for chunk in chunks:
        if isinstance(chunk, BrokenRecord):
            yield from splitter.finish(chunk.message)
            return
        yield from splitter.feed(chunk)
        if splitter.stopped:
            # The rest is drained and not looked at, so that progress reaches the end of the file.
            for _ in chunks:
                pass
            return
    yield from splitter.finish()


def keys(head: bytes) -> frozenset[bytes]:
    """The keys directly in an object that may be cut off anywhere; empty if it is no object."""
    names: set[bytes] = set()
    depth = 0
    if head.lstrip(_SPACE)[:1] != b"{":
        return frozenset()
    for token in TOKEN.finditer(head):
        byte = token[0][:1]
        depth += (byte in b"[{") - (byte in b"]}")
        if token[2] and depth == 1:
            names.add(token[1])
        if token[0] == b'"' or depth == 0 or len(names) == KEYS_MAX:
            break
    return frozenset(names)


def first_keys(head: bytes) -> frozenset[bytes]:
    """The keys of the first object of a head, which may begin an array."""
    return keys(head.lstrip(_SPACE).removeprefix(b"["))


@dataclass(slots=True)
class _Splitter:
    """The state between two chunks.

    ``held`` counts all bytes of the current element, stored or not; ``bare``: it is an object
    outside any array. For a string cut by the chunk's end, ``string_from`` is its first piece and
    ``string_held`` its bytes so far.
    """

    element_bytes_max: int
    string_bytes_max: int
    within: str
    objects: bool
    utf8: bool
    index: int = 0
    depth: int = 0
    stopped: bool = False
    in_string: bool = False
    escaped: bool = False
    first: bool = True
    opened: bool = False
    after_comma: bool = False
    bare: bool = False
    string_from: int = 0
    string_held: int = 0
    held: int = 0
    too_deep: bool = False
    pieces: list[bytes] = field(default_factory=list)

    def feed(self, chunk: bytes) -> Iterator[Found]:
        at = begin = self._start(chunk)
        while at < len(chunk) and not self.stopped:
            if self.depth == 0:
                at = begin = self._open(chunk, at)
                if self.stopped and not (self.within and self.opened):
                    known = (
                        "neither a JSON array nor an object" if self.objects else "not a JSON array"
                    )
                    yield Flaw(self.index, f"what stands here is {known}")
                continue
            if self.depth == 1 and not (self.in_string or self.held or self.bare):
                # most steps below are spared where elements are small
                while match := _SMALL.match(chunk, at):
                    yield self._element(match[1])
                    at = begin = match.end()
                    self.index, self.after_comma = self.index + 1, True
            end = at if self.in_string else self._run(chunk, at)
            if self.in_string:
                at = begin = self._leave_string(chunk, at)
                continue
            byte, at = chunk[end : end + 1], end + 1
            if byte == b'"':
                self._keep(chunk[begin:at])
                begin = at
                self.in_string, self.string_from, self.string_held = True, len(self.pieces), 0
            if byte == b"," or (self.depth == 1 and byte and byte in b"]}"):
                self._keep(chunk[begin:end])
                yield from self._end_element(comma=byte == b",")
                begin = at
            if byte:
                self.depth += (byte in b"[{") - (byte in b"]}")
            if self.depth > DEPTH_MAX:
                self.too_deep, self.pieces = True, []
                begin = at = self._over_brackets(chunk, at)
            if self.bare and self.depth == 1 and byte == b"}":
                self._keep(chunk[begin:at])
                yield from self._end_element(comma=True)
                begin, self.depth, self.bare = at, 0, False
        if self.depth and not self.in_string:
            self._keep(chunk[begin:])

    def finish(self, damage: str = "") -> Iterator[Found]:
        """Yields the rest at the end; a closed element is complete."""
        if self.stopped or self.depth == 0:
            if damage:
                yield Flaw(self.index, damage)
            return
        closed = b"".join(self.pieces).rstrip(_SPACE)[-1:] in (b"}", b"]", b'"')
        if self.depth == 1 and not self.in_string and closed:
            yield from self._end_element(comma=True)
        yield Flaw(
            self.index,
            damage or f"the file ends before the {'object' if self.bare else 'array'} does",
        )

    def _start(self, chunk: bytes) -> int:
        if not self.first:
            return 0
        self.first = False
        match = (
            re.search(rb'"' + self.within.encode() + rb'"\s*:\s*', chunk) if self.within else None
        )
        return match.end() if match else 0

    def _open(self, chunk: bytes, at: int) -> int:
        """The position after the bracket that opens an array, or after white space; else stops."""
        byte = chunk[at : at + 1]
        if byte == b"[" and not (self.within and self.opened):
            self.depth, self.after_comma, self.opened = 1, False, True
        elif byte == b"{" and self.objects:
            # The depth of an element of an array; the brace itself is part of it.
            self.depth, self.bare = 1, True
            return at
        elif byte not in _SPACE:
            self.stopped = True
        return at + 1

    def _run(self, chunk: bytes, at: int) -> int:
        match = (_RUN_BETWEEN if self.depth == 1 else _RUN_INSIDE).match(chunk, at)
        assert match is not None, "a pattern that may be empty always matches"
        return match.end()

    def _over_brackets(self, chunk: bytes, at: int) -> int:
        """Skips bytes of an element that is nested too deeply, while none can end it or begin a
        string.
        """
        while at < len(chunk):
            window = chunk[at : at + _WINDOW_BYTES]
            opened = window.count(b"[") + window.count(b"{")
            closed = window.count(b"]") + window.count(b"}")
            if b'"' in window or self.depth - closed <= DEPTH_MAX:
                break
            self.depth += opened - closed
            at += len(window)
        return at

    def _leave_string(self, chunk: bytes, at: int) -> int:
        """The position after a string that an earlier chunk began, or the end of this chunk."""
        if self.escaped:
            self.escaped = False
            self._keep_string(chunk[at : at + 1])
            return at + 1
        match = REST_OF_STRING.match(chunk, at)
        assert match is not None, "a pattern that may be empty always matches"
        stop = chunk[match.end() : match.end() + 1]
        self.in_string, self.escaped = stop != b'"', stop == b"\\"
        self._keep_string(chunk[at : match.end()] + (stop if self.in_string else b""))
        if not self.in_string:
            self.held += min(self.string_held, self.string_bytes_max)
            self._keep(b'"')
        return match.end() + len(stop)

    def _keep_string(self, piece: bytes) -> None:
        before, self.string_held = self.string_held, self.string_held + len(piece)
        if self.string_held <= self.string_bytes_max:
            self.pieces.append(piece)
        elif before <= self.string_bytes_max:
            self.pieces[self.string_from :] = [OVER_LONG.encode()]

    def _keep(self, piece: bytes) -> None:
        self.held += len(piece)
        if self.held <= self.element_bytes_max and not self.too_deep:
            self.pieces.append(piece)
        else:
            self.pieces = []

    def _end_element(self, *, comma: bool) -> Iterator[Found]:
        raw, held = b"".join(self.pieces).strip(_SPACE), self.held
        self.pieces, self.held = [], 0
        absent, self.after_comma = not raw and not comma and not self.after_comma, comma
        too_deep, self.too_deep = self.too_deep, False
        if too_deep:
            yield Flaw(self.index, "nested too deeply")
        elif held > self.element_bytes_max:
            yield Flaw(self.index, f"the element is over {format_bytes(self.element_bytes_max)}")
        elif absent:
            return
        elif not raw:
            yield Flaw(self.index, "there is no element between two commas")
        else:
            yield self._element(raw)
        self.index += 1

    def _element(self, raw: bytes) -> Found:
        if len(raw) > self.element_bytes_max:
            return Flaw(self.index, f"the element is over {format_bytes(self.element_bytes_max)}")
        if self.utf8 and not valid_utf8(raw):
            return Flaw(self.index, "not valid UTF-8")
        return Element(self.index, raw)

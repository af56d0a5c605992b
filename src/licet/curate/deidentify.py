"""The structured layer of de-identification: patterns and check digits, with valid replacements.

Promises:
- ``detect`` gives spans in characters of the given text; they do not overlap within a text, and
  each slices to the matched value, including invisible characters inside it.
- ``deidentify`` takes the texts of ONE conversation in order. A value gets the same surrogate
  throughout; another conversation has another key. A name found in one text is replaced in all
  (repeated_names.py). A text without findings is returned unchanged.
- Values in escapes of JSON, HTML, URLs, mail or Markdown, spaced letter by letter, across a line
  break, in letters of another script, in base64, base32 or hexadecimal are found as in plain text
  (views.py), up to ``LAYERS_MAX`` encodings deep or compressed (packed_text.py), and cut as
  written.
- Deeper encodings and unreadable compressed data are cut and ``doubtful``: a release leaves the
  conversation out. So does JSON that would become invalid.
- It is a fixed point: every surrogate is in a reserved range, and reserved values (also a reader's
  own alice@example.com) are left alone.
- The same texts and key give the same result on any machine; growing a conversation changes no
  earlier surrogate.

Not promised: names, streets and places in free text (found by a ``detect.Detector``), national
telephone numbers without separators or context, encrypted data, and numbers broken by a line end
within a group.

Overlap: the longest span wins, then the higher score, then the earlier rule. Reserved values take
part and are then dropped, so that a looser rule does not replace them.

Evasion: full-width and other digits, look-alikes of @, hyphens and blanks, and zero-width
characters are folded for detection only, with a map back; texts without any (one scan) skip the
fold. A lone surrogate counts as one character that matches nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec

from licet.curate import confusables, made_up_names, rules, surrogates, views
from licet.curate.detect import DetectedSpan as DetectedSpan
from licet.curate.detect import replace_surrogates, subtract_spans
from licet.curate.repeated_names import find_repeated
from licet.curate.rules import IdentifierKind
from licet.errors import UsageError

NAMED_USER = "named_user"  # prefix of the rules for user ids made of names
ENCODED, ENCODED_SCORE = "encoded", 0.9
UNREAD = "unread"  # unreadable content
LAYERS_MAX = 3  # of encoding around a value
KEY_BYTES_MIN = 16
TEXTS_MAX = 1_000_000


class Substitution(NamedTuple):
    """A span of a text and its replacement."""

    span: DetectedSpan
    instead: str


class DeidentifiedTexts(msgspec.Struct, frozen=True):
    """The texts with replaced spans, counted by kind. ``doubtful``: they may still identify
    somebody, or are broken.
    """

    texts: tuple[str, ...]
    counts: Mapping[IdentifierKind, int]
    doubtful: bool = False

    def __repr__(self) -> str:
        return f"Deidentified(<{len(self.texts)} texts>, {dict(self.counts)!r})"


def detect(texts: Sequence[str]) -> list[list[DetectedSpan]]:
    """The spans found by the package's rules, in order, without reserved values."""
    return _detect(texts, rules.load_rules(), prefilter=True)


def recognise(texts: Sequence[str]) -> list[list[tuple[DetectedSpan, bool]]]:
    """The spans of the package's rules in each text, in order, and whether each is reserved."""
    spans = _resolve_texts(texts, rules.load_rules(), prefilter=True)
    return [
        [(span, surrogates.is_reserved(span.kind, _value_of(text, span))) for span in own]
        for text, own in zip(texts, spans, strict=True)
    ]


def deidentify(
    texts: Sequence[str],
    key: bytes,
    names: Sequence[Sequence[DetectedSpan]] | None = None,
) -> DeidentifiedTexts:
    """De-identifies the texts of one conversation, in order, under its ``key`` (16 bytes or more).

    ``names``: a detector's findings for each text; rules take precedence.
    """
    return substitute(texts, substitutions(texts, key, names))


def substitutions(
    texts: Sequence[str],
    key: bytes,
    names: Sequence[Sequence[DetectedSpan]] | None = None,
) -> list[list[Substitution]]:
    """The replacements of `deidentify`, in order, a list for each text."""
    if len(key) < KEY_BYTES_MIN:
        raise UsageError(
            f"the key has `{len(key)}` bytes, fewer than `{KEY_BYTES_MIN}`",
            hint="pass the conversation's key",
        )
    found = _resolve_texts(texts, rules.load_rules(), prefilter=True)
    if not any(found) and not any(names or ()):
        return [[] for _ in texts]
    spans = [
        _is_identifying(text, own) if own else own for text, own in zip(texts, found, strict=True)
    ]
    if names is not None:
        spans = [_combine_spans(*each) for each in zip(texts, found, spans, names, strict=True)]
    substitutes = _Substitutes(key)
    out = [
        _substitute_spans(text, own, substitutes) for text, own in zip(texts, spans, strict=True)
    ]
    for text, own, more in zip(texts, out, find_repeated(texts, found, spans), strict=True):
        if more:
            own += _substitute_spans(text, _is_identifying(text, more), substitutes)
            own.sort()
    return out


def _substitute_spans(
    text: str, spans: Sequence[DetectedSpan], substitutes: _Substitutes
) -> list[Substitution]:
    return [
        Substitution(span, substitutes.replacement(span, span.read or text[span.start : span.end]))
        for span in spans
    ]


def substitute(texts: Sequence[str], found: Sequence[Sequence[Substitution]]) -> DeidentifiedTexts:
    """The texts with `substitutions` applied."""
    if not any(found):
        return DeidentifiedTexts(tuple(texts), {})
    counts = Counter(substitution.span.kind for own in found for substitution in own)
    out = tuple(
        _replace(text, own) if own else text for text, own in zip(texts, found, strict=True)
    )
    doubtful = any(substitution.span.rule == UNREAD for own in found for substitution in own)
    broken = any(
        _is_broken(text, made) for text, made, own in zip(texts, out, found, strict=True) if own
    )
    return DeidentifiedTexts(out, dict(sorted(counts.items())), doubtful or broken)


def _is_broken(text: str, made: str) -> bool:
    """Whether JSON is no longer valid."""
    return text.lstrip()[:1] in ("{", "[") and _is_json(text) and not _is_json(made)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True


def _combine_spans(
    text: str,
    covers: Sequence[DetectedSpan],
    spans: Sequence[DetectedSpan],
    names: Sequence[DetectedSpan],
) -> list[DetectedSpan]:
    """The rules' spans, reserved ones included, and the parts of names outside them."""
    pieces = [piece for name in names for piece in subtract_spans(name, covers)]
    own = [trimmed for piece in pieces if (trimmed := _trim_span(text, piece)) is not None]
    return sorted([*spans, *_is_identifying(text, own)])


def _trim_span(text: str, span: DetectedSpan) -> DetectedSpan | None:
    """The span trimmed to letters and digits at its ends; None if empty."""
    start, end = span.start, span.end
    while start < end and not text[start].isalnum():
        start += 1
    while start < end and not text[end - 1].isalnum():
        end -= 1
    return DetectedSpan(start, end, span.kind, span.score, span.rule) if start < end else None


def _replace(text: str, found: Sequence[Substitution]) -> str:
    parts, last = [], 0
    for span, instead in found:
        parts += [text[last : span.start], instead]
        last = span.end
    parts.append(text[last:])
    return "".join(parts)


class _Substitutes:
    """The surrogates of one conversation; no two values share one while the kind's range lasts."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._numbers: dict[tuple[IdentifierKind, str], int] = {}
        self._owners: dict[tuple[IdentifierKind, str], str] = {}
        self._roles: dict[str, str] = {}
        self._made: dict[tuple[IdentifierKind, str, str], str] = {}

    def replacement(self, span: DetectedSpan, value: str) -> str:
        made = self._made.get((span.kind, span.rule, value))
        if made is None:
            made = self._made[span.kind, span.rule, value] = self._make(span, _plain(value))
        return made

    def _make(self, span: DetectedSpan, value: str) -> str:
        own = surrogates.normalise_value(span.kind, value)
        if span.kind is IdentifierKind.PERSON:
            return made_up_names.by_word(value, self._word)
        if span.rule.startswith(NAMED_USER):
            return surrogates.with_numbers(
                self._key, made_up_names.by_word(value, self._word), value
            )
        rule = rules.load_rules().by_name.get(span.rule)
        return self._surrogate(
            span.kind, own, value, rule.prefix_of(value) if rule is not None else ""
        )

    def _surrogate(self, kind: IdentifierKind, own: str, value: str, prefix: str) -> str:
        if (kind, own) not in self._numbers:
            self._numbers[kind, own] = self._free_draw(kind, own, value, prefix)
        return surrogates.make_surrogate(
            self._key, kind, value, prefix=prefix, number=self._numbers[kind, own]
        )

    def _word(self, word: str, role: str) -> str:
        """The surrogate of a word of a name, in the role of its first occurrence."""
        own = surrogates.normalise_value(IdentifierKind.PERSON, word)
        return self._surrogate(IdentifierKind.PERSON, own, word, self._roles.setdefault(own, role))

    def _free_draw(self, kind: IdentifierKind, own: str, value: str, prefix: str) -> int:
        """The number of the first draw that is unused and that no rule finds, or the last one."""
        for number in range(surrogates.DRAWS_MAX):
            drawn = surrogates.make_surrogate(self._key, kind, value, prefix=prefix, number=number)
            owner = self._owners.setdefault((kind, surrogates.normalise_value(kind, drawn)), own)
            if owner == own and not detect([drawn])[0]:
                break
        return number


# --- detection over the joined conversation -------------------------------------------------------


def _detect(
    texts: Sequence[str], book: rules.Rules, *, prefilter: bool
) -> list[list[DetectedSpan]]:
    spans = _resolve_texts(texts, book, prefilter=prefilter)
    return [
        _is_identifying(text, own) if own else own for text, own in zip(texts, spans, strict=True)
    ]


def _resolve_texts(
    texts: Sequence[str], book: rules.Rules, *, prefilter: bool
) -> list[list[DetectedSpan]]:
    """The rules' spans in each text and its views, reserved ones included."""
    if len(texts) > TEXTS_MAX:
        raise UsageError(f"`{len(texts)}` texts in one conversation, more than `{TEXTS_MAX}`")
    joined = "\n".join(texts)
    if not joined.isascii():
        texts = list(map(replace_surrogates, texts))
        joined = "\n".join(texts)
    data = joined.encode()
    out = _find_written(texts, data, book, prefilter=prefilter)
    for number, span in _find_in_views(texts, data, book, prefilter=prefilter):
        out[number].append(span)
    return [_resolve(spans) if spans else spans for spans in out]


def _find_in_views(
    texts: Sequence[str],
    data: bytes,
    book: rules.Rules,
    *,
    prefilter: bool,
    layers: int = LAYERS_MAX,
) -> Iterator[tuple[int, DetectedSpan]]:
    """Findings in encoded or broken-up text, with text numbers; an encoded run with a finding is
    cut whole. A first scan of ``data``, the whole conversation, mostly finds no encoding.
    """
    if not (ways := views.find_hidden(data)):
        return
    left = views.UNPACKED_MAX
    for number, text in enumerate(texts):
        own = ways if len(texts) == 1 else views.find_hidden(text.encode())
        for view in views.views(text, own, again=layers < LAYERS_MAX):
            for span in _find_in_view(view.text, book, prefilter=prefilter, layers=layers):
                if not view.kinds or span.kind in view.kinds:
                    start, end = view.written(span.start, span.end)
                    read = span.read or view.text[span.start : span.end]
                    yield number, msgspec.structs.replace(span, start=start, end=end, read=read)
        for run in views.find_encoded(text, own):
            left -= run.unpacked
            spans = (
                []
                if run.text is None or left < 0
                else _find_in_view(run.text, book, prefilter=prefilter, layers=layers)
            )
            unread = run.text is None or left < 0 or any(span.rule == UNREAD for span in spans)
            if unread or _is_identifying(run.text or "", spans):
                yield number, _whole_run(text, run.start, run.end, UNREAD if unread else ENCODED)


def _whole_run(text: str, start: int, end: int, rule: str) -> DetectedSpan:
    kind = IdentifierKind.KEY_BLOCK if "\n" in text[start:end] else IdentifierKind.SECRET
    return DetectedSpan(start, end, kind, ENCODED_SCORE, rule)


def _find_in_view(
    text: str, book: rules.Rules, *, prefilter: bool, layers: int
) -> list[DetectedSpan]:
    """Findings in a view and its nested encodings; below the last layer, the encoding itself."""
    texts = [replace_surrogates(text)]
    data = texts[0].encode()
    spans = _find_written(texts, data, book, prefilter=prefilter)[0]
    if layers > 1:
        inner = _find_in_views(texts, data, book, prefilter=prefilter, layers=layers - 1)
        return [*spans, *(span for _, span in inner)]
    runs = views.find_encoded(text, views.find_hidden(data))
    places = [*views.escapes(text), *((run.start, run.end) for run in runs)]
    return [*spans, *(_whole_run(text, start, end, UNREAD) for start, end in places)]


def _find_written(
    texts: Sequence[str], data: bytes, book: rules.Rules, *, prefilter: bool
) -> list[list[DetectedSpan]]:
    """The rules' spans in each text as written, including overlaps and reserved values.
    ``data``: the texts in UTF-8, joined by line ends.
    """
    removed: list[list[int]] = []
    folded = texts
    if not data.isascii() and confusables.is_odd(data):
        folded, removed = map(list, zip(*map(confusables.fold, texts), strict=True))
        data = "\n".join(folded).encode()
    out: list[list[DetectedSpan]] = [[] for _ in texts]
    suspects = book.suspects(data) if prefilter else range(len(book.rules))
    if not suspects or not texts:
        return out
    sizes = (len(t) if t.isascii() else len(t.encode()) for t in folded)
    ends = list(accumulate(sizes, lambda end, size: end + 1 + size))
    for number, start, end, order in _characters(
        list(book.spans(data, ends, suspects, prefilter=prefilter)), data, ends
    ):
        rule = book.rules[order]
        if removed and removed[number]:
            start, last = (
                confusables.original_place(removed[number], place) for place in (start, end - 1)
            )
            end = last + 1
        out[number].append(DetectedSpan(start, end, rule.kind, rule.score, rule.name))
    return out


def _characters(
    found: list[rules.RuleMatch], data: bytes, ends: Sequence[int]
) -> list[tuple[int, int, int, int]]:
    """(text number, start, end, rule) in characters of that text, by one pass over the bytes."""
    numbers = [bisect_left(ends, f.start) for f in found]
    starts = [ends[n - 1] + 1 if n else 0 for n in numbers]
    if data.isascii():
        return [
            (n, f.start - s, f.end - s, f.order)
            for n, s, f in zip(numbers, starts, found, strict=True)
        ]
    places, last, characters = {}, 0, 0
    for point in sorted({*starts, *(f.start for f in found), *(f.end for f in found)}):
        characters += len(data[last:point].decode())
        places[point] = characters
        last = point
    return [
        (n, places[f.start] - places[s], places[f.end] - places[s], f.order)
        for n, s, f in zip(numbers, starts, found, strict=True)
    ]


def _resolve(spans: list[DetectedSpan]) -> list[DetectedSpan]:
    """The winning spans, in order of place."""
    if len(spans) == 1:
        return spans
    orders = rules.load_rules().orders
    taken: list[DetectedSpan] = []
    for span in sorted(
        spans, key=lambda s: (s.start - s.end, -s.score, orders.get(s.rule, len(orders)), s.start)
    ):
        at = bisect_right(taken, span.start, key=lambda s: s.start)
        if (at == 0 or taken[at - 1].end <= span.start) and (
            at == len(taken) or span.end <= taken[at].start
        ):
            taken.insert(at, span)
    return taken


def _is_identifying(text: str, spans: list[DetectedSpan]) -> list[DetectedSpan]:
    return [s for s in spans if not surrogates.is_reserved(s.kind, _value_of(text, s))]


def _value_of(text: str, span: DetectedSpan) -> str:
    """The value of a span as the rules read it."""
    return _plain(span.read or text[span.start : span.end])


def _plain(value: str) -> str:
    """A value as the rules read it: folded, its escapes undone."""
    return views.plain(confusables.fold(replace_surrogates(value))[0])

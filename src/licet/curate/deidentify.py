"""The structured layer of de-identification: what a pattern and a check digit can find, replaced so
that the text still works.

Promises:
- ``detect`` gives spans in characters of the text as it was given; they do not overlap within a
  text, and each slices to the value that was matched, invisible characters inside it included.
- ``deidentify`` takes the texts of ONE conversation in their order. One value is replaced by one
  surrogate throughout, so that who did what survives; another conversation has another key. A name
  that is found in one text is replaced in all (repeated_names.py). A text in which nothing is found
  is returned as it is.
- What is written in escapes of JSON, HTML, URLs, mail or Markdown, in letters apart, over the end
  of a line, with letters of another script, in base64, base32 or hexadecimal is found as if it
  stood there in plain (views.py), and cut as it is written; also where it is encoded up to
  ``LAYERS_MAX`` times, or compressed (packed_text.py).
- What is encoded more often, and what is compressed and cannot be read, is cut and ``doubtful``: a
  release leaves the conversation out. So is JSON that would not be JSON any more.
- It is a fixed point: de-identifying its texts again changes nothing, because every surrogate lies
  in a range that belongs to nobody, and such values (a reader's own alice@example.com too) are left
  alone.
- The same texts and key give the same result, here and on any machine; growing a conversation
  changes no earlier surrogate.

What it does not promise: names, streets and places in free text (detectors for them, behind
``detect.Detector``, say where they are; a second pass over what they left may find more), national
telephone numbers without separators or words around them, what is encrypted, a number that a line's
end cuts where it has no group's end.

Overlap: the longest span wins, then the higher score, then the earlier rule. A value that belongs
to nobody takes part and then drops out, so that a looser rule does not replace what the stricter
one has recognised.

Evasion: full-width and other digits, look-alike @, hyphens and blanks, and zero-width characters
are folded for detection only, with a map back; texts without any of them (one scan says so) skip
the fold. A lone surrogate counts as one character that matches nothing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple

import msgspec

from licet.curate import look_alikes, made_up_names, rules, surrogates, views
from licet.curate.detect import DetectedSpan as DetectedSpan
from licet.curate.detect import sound, uncovered
from licet.curate.repeated_names import repeated
from licet.curate.rules import IdentifierKind
from licet.errors import UsageError

NAMED_USER = "named_user"  # how the names of rules begin that find a user's id made of a name
ENCODED, ENCODED_SCORE = "encoded", 0.9
UNREAD = "unread"  # what may hold anything
LAYERS_MAX = 3  # of encoding around a value
KEY_BYTES_MIN = 16
TEXTS_MAX = 1_000_000


class Replacement(StrEnum):
    TAGS = "tags"  # <EMAIL_1>, numbered by first appearance in the conversation
    SURROGATES = "surrogates"


class Substitution(NamedTuple):
    """A span of a text and what stands there in its stead."""

    span: DetectedSpan
    instead: str


class DeidentifiedTexts(msgspec.Struct, frozen=True):
    """The texts with every span replaced, and how many spans of each kind there were. ``doubtful``:
    they may still hold what identifies, or are broken.
    """

    texts: tuple[str, ...]
    counts: Mapping[IdentifierKind, int]
    doubtful: bool = False

    def __repr__(self) -> str:
        return f"Deidentified(<{len(self.texts)} texts>, {dict(self.counts)!r})"


def detect(texts: Sequence[str]) -> list[list[DetectedSpan]]:
    """The spans our own rules find, in order, those of ``reserved`` values left out."""
    return _detect(texts, rules.ours(), prefilter=True)


def recognised(texts: Sequence[str]) -> list[list[tuple[DetectedSpan, bool]]]:
    """What our own rules find in each text, in order, and whether it is a value that belongs to
    nobody.
    """
    found = _resolved(texts, rules.ours(), prefilter=True)
    return [
        [(span, surrogates.reserved(span.kind, _read(text, span))) for span in own]
        for text, own in zip(texts, found, strict=True)
    ]


def deidentify(
    texts: Sequence[str],
    key: bytes,
    replacement: Replacement = Replacement.SURROGATES,
    names: Sequence[Sequence[DetectedSpan]] | None = None,
) -> DeidentifiedTexts:
    """The texts of one conversation, in order, under that conversation's own ``key`` (16 bytes or
    more).

    ``names``: what detectors of names found, a list for each text. What a rule covers is the
    rule's.
    """
    return substituted(texts, substitutions(texts, key, replacement, names))


def substitutions(
    texts: Sequence[str],
    key: bytes,
    replacement: Replacement = Replacement.SURROGATES,
    names: Sequence[Sequence[DetectedSpan]] | None = None,
) -> list[list[Substitution]]:
    """What `deidentify` puts in the place of what, in order, a list for each text."""
    if len(key) < KEY_BYTES_MIN:
        raise UsageError(
            f"the key has `{len(key)}` bytes, fewer than `{KEY_BYTES_MIN}`",
            hint="pass the conversation's key",
        )
    found = _resolved(texts, rules.ours(), prefilter=True)
    if not any(found) and not any(names or ()):
        return [[] for _ in texts]
    spans = [
        _identifying(text, own) if own else own for text, own in zip(texts, found, strict=True)
    ]
    if names is not None:
        spans = [_joined(*each) for each in zip(texts, found, spans, names, strict=True)]
    substitutes = _Substitutes(key, replacement)
    out = [_substituted(text, own, substitutes) for text, own in zip(texts, spans, strict=True)]
    for text, own, more in zip(texts, out, repeated(texts, found, spans), strict=True):
        if more:
            own += _substituted(text, _identifying(text, more), substitutes)
            own.sort()
    return out


def _substituted(
    text: str, spans: Sequence[DetectedSpan], substitutes: _Substitutes
) -> list[Substitution]:
    return [
        Substitution(span, substitutes.of(span, span.read or text[span.start : span.end]))
        for span in spans
    ]


def substituted(texts: Sequence[str], found: Sequence[Sequence[Substitution]]) -> DeidentifiedTexts:
    """The texts with what `substitutions` found put in its place."""
    if not any(found):
        return DeidentifiedTexts(tuple(texts), {})
    counts = Counter(each.span.kind for own in found for each in own)
    out = tuple(
        _replace(text, own) if own else text for text, own in zip(texts, found, strict=True)
    )
    doubtful = any(each.span.rule == UNREAD for own in found for each in own)
    broken = any(
        _is_broken(text, made) for text, made, own in zip(texts, out, found, strict=True) if own
    )
    return DeidentifiedTexts(out, dict(sorted(counts.items())), doubtful or broken)


def _is_broken(text: str, made: str) -> bool:
    """Whether JSON is no JSON any more."""
    return text.lstrip()[:1] in ("{", "[") and _is_json(text) and not _is_json(made)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True


def _joined(
    text: str,
    covers: Sequence[DetectedSpan],
    spans: Sequence[DetectedSpan],
    names: Sequence[DetectedSpan],
) -> list[DetectedSpan]:
    """The rules' spans and what of the names lies outside of all that rules know, values of nobody
    included.
    """
    pieces = [piece for name in names for piece in uncovered(name, covers)]
    own = [trimmed for piece in pieces if (trimmed := _trimmed(text, piece)) is not None]
    return sorted([*spans, *_identifying(text, own)])


def _trimmed(text: str, span: DetectedSpan) -> DetectedSpan | None:
    """The span without what is no letter or digit at its ends; None where nothing is left."""
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
    """What replaces each value of one conversation, and that no two values share it while the
    kind's range lasts.
    """

    def __init__(self, key: bytes, replacement: Replacement) -> None:
        self._key, self._replacement = key, replacement
        self._numbers: dict[tuple[IdentifierKind, str], int] = {}
        self._owners: dict[tuple[IdentifierKind, str], str] = {}
        self._roles: dict[str, str] = {}
        self._counts: Counter[IdentifierKind] = Counter()
        self._made: dict[tuple[IdentifierKind, str, str], str] = {}

    def of(self, span: DetectedSpan, value: str) -> str:
        made = self._made.get((span.kind, span.rule, value))
        if made is None:
            made = self._made[span.kind, span.rule, value] = self._of(span, _plain(value))
        return made

    def _of(self, span: DetectedSpan, value: str) -> str:
        own = surrogates.normalised(span.kind, value)
        if self._replacement is Replacement.TAGS:
            return self._tag(span.kind, own)
        if span.kind is IdentifierKind.PERSON:
            return made_up_names.by_word(value, self._word)
        if span.rule.startswith(NAMED_USER):
            return surrogates.numbered(self._key, made_up_names.by_word(value, self._word), value)
        rule = rules.ours().by_name.get(span.rule)
        return self._surrogate(
            span.kind, own, value, rule.prefix_of(value) if rule is not None else ""
        )

    def _tag(self, kind: IdentifierKind, own: str) -> str:
        if (kind, own) not in self._numbers:
            self._counts[kind] += 1
            self._numbers[kind, own] = self._counts[kind]
        return f"<{kind.upper()}_{self._numbers[kind, own]}>"

    def _surrogate(self, kind: IdentifierKind, own: str, value: str, prefix: str) -> str:
        if (kind, own) not in self._numbers:
            self._numbers[kind, own] = self._free_draw(kind, own, value, prefix)
        return surrogates.surrogate(
            self._key, kind, value, prefix=prefix, number=self._numbers[kind, own]
        )

    def _word(self, word: str, role: str) -> str:
        """A word of a name keeps the role in which it was met first, and with it its surrogate."""
        own = surrogates.normalised(IdentifierKind.PERSON, word)
        return self._surrogate(IdentifierKind.PERSON, own, word, self._roles.setdefault(own, role))

    def _free_draw(self, kind: IdentifierKind, own: str, value: str, prefix: str) -> int:
        """The first draw that no other value has and that the rules leave alone; the last one where
        there is none.
        """
        for number in range(surrogates.DRAWS_MAX):
            drawn = surrogates.surrogate(self._key, kind, value, prefix=prefix, number=number)
            owner = self._owners.setdefault((kind, surrogates.normalised(kind, drawn)), own)
            if owner == own and not detect([drawn])[0]:
                break
        return number


# --- detection over the joined conversation -------------------------------------------------------


def _detect(
    texts: Sequence[str], book: rules.Rules, *, prefilter: bool
) -> list[list[DetectedSpan]]:
    found = _resolved(texts, book, prefilter=prefilter)
    return [_identifying(text, own) if own else own for text, own in zip(texts, found, strict=True)]


def _resolved(
    texts: Sequence[str], book: rules.Rules, *, prefilter: bool
) -> list[list[DetectedSpan]]:
    """What the rules find in each text and in its other readings, with what belongs to nobody."""
    if len(texts) > TEXTS_MAX:
        raise UsageError(f"`{len(texts)}` texts in one conversation, more than `{TEXTS_MAX}`")
    joined = "\n".join(texts)
    if not joined.isascii():
        texts = list(map(sound, texts))
        joined = "\n".join(texts)
    data = joined.encode()
    out = _found(texts, data, book, prefilter=prefilter)
    for number, span in _seen_through(texts, data, book, prefilter=prefilter):
        out[number].append(span)
    return [_resolve(spans) if spans else spans for spans in out]


def _seen_through(
    texts: Sequence[str],
    data: bytes,
    book: rules.Rules,
    *,
    prefilter: bool,
    layers: int = LAYERS_MAX,
) -> Iterator[tuple[int, DetectedSpan]]:
    """What stands in the texts encoded or broken apart, each with the number of its text; an
    encoded run in which anything is found is found as a whole. Most conversations have none: they
    are scanned whole, as ``data``, first.
    """
    if not (ways := views.hidden(data)):
        return
    left = views.UNPACKED_MAX
    for number, text in enumerate(texts):
        own = ways if len(texts) == 1 else views.hidden(text.encode())
        for view in views.views(text, own, again=layers < LAYERS_MAX):
            for span in _seen(view.text, book, prefilter=prefilter, layers=layers):
                if not view.kinds or span.kind in view.kinds:
                    start, end = view.written(span.start, span.end)
                    read = span.read or view.text[span.start : span.end]
                    yield number, msgspec.structs.replace(span, start=start, end=end, read=read)
        for run in views.encoded(text, own):
            left -= run.unpacked
            found = (
                []
                if run.text is None or left < 0
                else _seen(run.text, book, prefilter=prefilter, layers=layers)
            )
            unread = run.text is None or left < 0 or any(span.rule == UNREAD for span in found)
            if unread or _identifying(run.text or "", found):
                yield number, _whole_run(text, run.start, run.end, UNREAD if unread else ENCODED)


def _whole_run(text: str, start: int, end: int, rule: str) -> DetectedSpan:
    kind = IdentifierKind.KEY_BLOCK if "\n" in text[start:end] else IdentifierKind.SECRET
    return DetectedSpan(start, end, kind, ENCODED_SCORE, rule)


def _seen(text: str, book: rules.Rules, *, prefilter: bool, layers: int) -> list[DetectedSpan]:
    """What is found in a reading of a text as it stands, and what is encoded in it once more; after
    the last layer, that something is.
    """
    texts = [sound(text)]
    data = texts[0].encode()
    found = _found(texts, data, book, prefilter=prefilter)[0]
    if layers > 1:
        seen = _seen_through(texts, data, book, prefilter=prefilter, layers=layers - 1)
        return [*found, *(span for _, span in seen)]
    runs = views.encoded(text, views.hidden(data))
    places = [*views.escapes(text), *((run.start, run.end) for run in runs)]
    return [*found, *(_whole_run(text, start, end, UNREAD) for start, end in places)]


def _found(
    texts: Sequence[str], data: bytes, book: rules.Rules, *, prefilter: bool
) -> list[list[DetectedSpan]]:
    """What the rules find in each text as it is written, with what belongs to nobody and what
    overlaps. ``data``: the texts in UTF-8, a line's end between each two.
    """
    removed: list[list[int]] = []
    seen = texts
    if not data.isascii() and look_alikes.is_odd(data):
        seen, removed = map(list, zip(*map(look_alikes.folded, texts), strict=True))
        data = "\n".join(seen).encode()
    out: list[list[DetectedSpan]] = [[] for _ in texts]
    suspects = book.suspects(data) if prefilter else range(len(book.rules))
    if not suspects or not texts:
        return out
    sizes = (len(t) if t.isascii() else len(t.encode()) for t in seen)
    ends = list(accumulate(sizes, lambda end, size: end + 1 + size))
    for number, start, end, order in _characters(
        list(book.spans(data, ends, suspects, prefilter=prefilter)), data, ends
    ):
        rule = book.rules[order]
        if removed and removed[number]:
            start, last = (
                look_alikes.original(removed[number], place) for place in (start, end - 1)
            )
            end = last + 1
        out[number].append(DetectedSpan(start, end, rule.kind, rule.score, rule.name))
    return out


def _characters(
    found: list[rules.RuleMatch], data: bytes, ends: Sequence[int]
) -> list[tuple[int, int, int, int]]:
    """(number of the text, start, end, rule) in characters of that text, by one pass over the
    bytes.
    """
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
    """The spans that win, in order of place."""
    if len(spans) == 1:
        return spans
    orders = rules.ours().orders
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


def _identifying(text: str, spans: list[DetectedSpan]) -> list[DetectedSpan]:
    return [s for s in spans if not surrogates.reserved(s.kind, _read(text, s))]


def _read(text: str, span: DetectedSpan) -> str:
    """The value of a span as the rules read it."""
    return _plain(span.read or text[span.start : span.end])


def _plain(value: str) -> str:
    """A value as the rules read it: folded, its escapes undone."""
    return views.plain(look_alikes.folded(sound(value))[0])

"""The loops of curation as machine code: the results of the plain code in a tenth of the time.

Only `compiled` imports this module, if numba is installed. Texts are bytes of an Arrow buffer: text
``i`` at ``ends[i]:ends[i + 1]``, document ``i`` with the texts ``documents[i]:documents[i + 1]``
(`text_column`). A text is read while it is in a core's cache, and no Python objects are created.
Each function's plain twin, named in its docstring, defines its result, and a test holds the two
together.

All are in one module, because numba caches machine code by the time of a function's file, whatever
it calls. Constructs that compile slowly are avoided: assigned slices, and functions of many arrays.
No function call and no slice happens for each word, since both count references.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from licet.curate.characters import ALPHA, BREAK, BULLET, SPACE, UNSPACED_SHIFT, WORD
from licet.curate.loop_shared import GOLDEN, Bools, Bytes, Classes, Codes, Hashes, Numbers, Places

SIGNALS = 10  # of `quality.TurnSignals`, with repeated shingles and shingles behind them
SCRIPTS = 7  # all characters; those of each script of `spaceless.py`; blanks
LINES, CODE, MARKS, WORDS, UNSPACED = 0, 1, 2, 3, 4  # among the figures
FIGURES = UNSPACED + SCRIPTS
LINE_READ_MAX = 400

_Function = TypeVar("_Function", bound=Callable[..., Any])

INT: Any = np.int64
U = np.uint64
POWER = U(GOLDEN)
LONG_S = 0x17F  # equals s when case is ignored
FNV, FNV_PRIME = U(0xCBF29CE484222325), U(0x100000001B3)


def jit(function: _Function) -> _Function:
    """Compiles ``function`` to be called from Python, cached on disk if a folder allows it."""
    try:
        made = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        made = numba.njit(nogil=True)(function)
    compiled: _Function = made
    return compiled


def inner(function: _Function) -> _Function:
    """Compiles ``function`` to be called from here only."""
    compiled: _Function = numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(
        function
    )
    return compiled


@inner
def mix(hashed: np.uint64) -> np.uint64:
    """`words.finalise` of one hash."""
    hashed = (hashed ^ (hashed >> U(30))) * U(0xBF58476D1CE4E5B9)
    hashed = (hashed ^ (hashed >> U(27))) * U(0x94D049BB133111EB)
    return hashed ^ (hashed >> U(31))


@inner
def resize(numbers: Numbers, size: int) -> Numbers:
    """``numbers`` copied into an array of ``size``."""
    out = np.empty(size, numbers.dtype)
    for at in range(len(numbers)):
        out[at] = numbers[at]
    return out


@inner
def byte_tables(lower: Bytes, values: Hashes) -> tuple[Bytes, Hashes]:
    """For each byte, whether it is in a word (1), is one alone (2) or neither, and its value."""
    kinds, valued = np.zeros(256, np.uint8), np.zeros(256, np.uint64)
    for byte in range(256):
        valued[byte] = values[lower[byte]]
        if lower[byte]:
            kinds[byte] = 2 if 0xE3 <= byte <= 0xED else 1
    return kinds, valued


@inner
def write_words(
    data: Bytes, start: int, end: int, kinds: Bytes, valued: Hashes, hashes: Hashes, count: int
) -> int:
    """Writes the word hashes of a text from ``count`` on; returns the new count.

    Avoids unpredictable branches at word boundaries: each byte writes the hash as if the word ended
    before it.
    """
    first, is_open, hashed, power = count, 0, U(0), U(1)
    for at in range(start, end):
        byte = data[at]
        kind = int(kinds[byte])
        goes_on = is_open & kind & 1
        hashes[count] = hashed
        count += is_open & (1 - goes_on)
        kept = U(-goes_on)
        power = power & kept | U(1 - goes_on)
        hashed = (hashed & kept) + valued[byte] * power
        power *= POWER
        is_open = kind & 1 | kind >> 1
    if is_open:
        hashes[count] = hashed
        count += 1
    for at in range(first, count):
        hashes[at] = mix(hashes[at])
    return count


@inner
def write_shingles(hashes: Hashes, factors: Hashes, out: Hashes, count: int) -> int:
    """Writes the shingles of a text's words from ``count`` on; returns the new count. ``out`` may
    be ``hashes``.
    """
    size = min(len(factors), len(hashes))
    made = len(hashes) - size + 1 if size else 0
    for at in range(made):
        hashed = U(0)
        for k in range(size):
            hashed += hashes[at + k] * factors[k]
        out[count + at] = mix(hashed)
    return count + made


@jit
def words(data: Bytes, ends: Places, lower: Bytes, values: Hashes) -> tuple[Hashes, Places]:
    """The word hashes, and where each text's end: `words.plain_words`; text ``i`` begins at
    ``ends[i-1]``.
    """
    hashes, out = np.empty(len(data) + 1, np.uint64), np.empty(len(ends), np.int64)
    kinds, valued = byte_tables(lower, values)
    count, start = 0, 0
    for text in range(len(ends)):
        count = write_words(data, start, ends[text], kinds, valued, hashes, count)
        out[text] = count
        start = ends[text]
    return hashes[:count], out


@jit
def shingles(hashes: Hashes, ends: Places, factors: Hashes) -> tuple[Hashes, Places]:
    """The shingle hashes, and where each text's end: `words.plain_shingles`."""
    made, out = np.empty(len(hashes), np.uint64), np.empty(len(ends), np.int64)
    count, start = 0, 0
    for text in range(len(ends)):
        count = write_shingles(hashes[start : ends[text]], factors, made, count)
        out[text] = count
        start = ends[text]
    return made[:count], out


@jit
def sketch_documents(
    data: Bytes,
    ends: Places,
    documents: Places,
    is_message: Bools,
    is_code: Bools,
    lower: Bytes,
    values: Hashes,
    factors: Hashes,
    places: int,
    words_min: int,
    bytes_max: int,
) -> tuple[Places, Places, Codes]:
    """The signature number of each document and text, or -1; and the signatures:
    `sketches.signatures`.

    Code has one for each text, other documents one over all texts. Only ``is_message`` texts count.
    """
    of_documents, of_texts = (
        np.empty(len(documents) - 1, np.int64),
        np.empty(len(is_message), np.int64),
    )
    signed, count = np.empty(64 * places, np.uint32), 0
    kinds, valued = byte_tables(lower, values)
    hashes, rounds = np.empty(1 << 12, np.uint64), np.empty(places, np.int64)
    for document in range(len(documents) - 1):
        found, size, last = 0, -1, documents[document + 1] - 1
        of_documents[document] = -1
        for text in range(documents[document], last + 1):
            of_texts[text] = -1
            own = ends[text + 1] - ends[text]
            if is_message[text]:
                size += own + 1
            if is_message[text] and size <= bytes_max:
                if len(hashes) <= found + own:
                    hashes = resize(hashes, 2 * (found + own))
                found = write_words(data, ends[text], ends[text + 1], kinds, valued, hashes, found)
            if not (is_code[document] or text == last):
                continue
            if words_min <= found and size <= bytes_max:
                if count * places == len(signed):
                    signed = resize(signed, 2 * len(signed))
                made = write_shingles(hashes[:found], factors, hashes, 0)
                _fill_signature(
                    hashes[:made], signed[count * places : (count + 1) * places], rounds
                )
                if is_code[document]:
                    of_texts[text] = count
                else:
                    of_documents[document] = count
                count += 1
            found, size = 0, -1
    return of_documents, of_texts, signed[: count * places]


@inner
def _fill_signature(hashes: Hashes, own: Codes, rounds: Places) -> None:
    """Fills ``own`` with the signature of a text of these shingles: `sketches.plain_signatures`."""
    left, mask, empty = len(own), U(len(own) - 1), np.uint32(0xFFFFFFFF)
    for place in range(len(own)):
        own[place] = empty
    for turn in range(2 * len(own)):
        if left == 0:
            break
        for at in range(len(hashes)):
            drawn = hashes[at] if turn == 0 else mix(hashes[at] + U(turn) * POWER)
            place = INT(drawn & mask) if turn < len(own) else turn - len(own)
            value = min(np.uint32(drawn >> U(32)), np.uint32(empty - 1))
            if own[place] == empty:
                own[place], rounds[place] = value, turn
                left -= 1
            elif rounds[place] == turn and value < own[place]:
                own[place] = value


@jit
def normal(
    data: Bytes, ends: Places, is_message: Bools, lowered: Bytes
) -> tuple[Bytes, Places, Places]:
    """The ``is_message`` ASCII texts as in `sketches.normalise_text`, where each ends, and each
    text's number of characters, negative if it is not ASCII.
    """
    out, out_ends = (
        np.empty(ends[len(is_message)] - ends[0] + 1, np.uint8),
        np.empty(len(is_message), np.int64),
    )
    characters, count = np.zeros(len(is_message), np.int64), 0
    for text in range(len(is_message)):
        first, was_blank, high = count, 1, 0
        if is_message[text]:
            for at in range(ends[text], ends[text + 1]):  # without a branch, as in `write_words`
                byte = data[at]
                low = lowered[byte]
                is_blank = int(low == 32)
                out[count] = low
                count += 1 - (is_blank & was_blank)
                was_blank = is_blank
                high |= INT(byte)
                characters[text] += (byte & 0xC0) != 0x80
            if count > first and was_blank:
                count -= 1
            if high >= 128:
                count, characters[text] = first, -characters[text]
        out_ends[text] = count
    return out[:count], out_ends, characters


@jit
def label_documents(
    data: Bytes,
    ends: Places,
    documents: Places,
    prose: Bools,
    classes: Classes,
    lower: Bytes,
    values: Hashes,
    factors: Hashes,
    openers: Hashes,
    first_marks: Places,
    marks: Bytes,
    limits: tuple[int, int, int],
) -> tuple[Places, Places, Places]:
    """The signals and topic figures of each document, and `count_scripts` of each text; a text with
    such characters has no shingles counted here.

    ``classes``: the class of each code point. ``openers``: what lines of code begin with.
    ``marks``: phrases. ``first_marks``: by first letter and length of the first word, the number of
    the first phrase times 256, plus their number. ``limits``: `label_columns.LIMITS`.
    """
    text_max, lines_max, read_max = limits
    count, longest = len(documents) - 1, 1
    for text in range(len(ends) - 1):
        longest = max(longest, min(ends[text + 1] - ends[text], text_max))
    signals = np.zeros((count, SIGNALS), np.int64)
    figures = np.zeros((count, FIGURES), np.int64)
    scripts = np.zeros((len(prose), SCRIPTS), np.int64)
    codes = np.empty(longest, np.uint32)
    read = np.empty(read_max, np.uint32)
    hashes = np.empty(longest + 1, np.uint64)
    kinds, valued = byte_tables(lower, values)
    held, stamps = np.empty(1 << 8, np.uint64), np.zeros(1 << 8, np.int64)
    for document in range(count):
        first, last, texts = documents[document], documents[document + 1], 0
        for text in range(first, last):
            texts += prose[text]
        each, kept, nth = max(read_max // max(texts, 1), 200), 0, 0
        for text in range(first, last):
            if not prose[text]:
                continue
            start, end = ends[text], ends[text + 1]
            own = codes[: decode_text(data, start, end, codes, text_max)]
            _words_and_symbols(own, classes, signals[document])
            _lines(own, classes, lines_max, signals[document])
            if len(own) == end - start or not count_scripts(own, classes, scripts[text]):
                made = write_words(
                    data, start, min(end, start + text_max), kinds, valued, hashes, 0
                )
                made = write_shingles(hashes[:made], factors, hashes, 0)
                if len(held) < 2 * made:
                    held = np.empty(_space(made), np.uint64)
                    stamps = np.zeros(_space(made), np.int64)
                signals[document, 8] += _count_repeats(hashes[:made], held, stamps, text + 1)
                signals[document, 9] += made
            kept = _append_read(own[:each], read, kept, nth)
            nth += 1
        read_figures(read[:kept], classes, openers, first_marks, marks, figures[document])
    return signals, figures, scripts


@jit
def count_document_words(
    data: Bytes, ends: Places, documents: Places, classes: Classes, openers: Hashes
) -> Places:
    """The words of each document: `changed_places.word_counts`."""
    counts, longest = np.zeros((len(documents) - 1, 2), np.int64), 1
    for text in range(len(ends) - 1):
        longest = max(longest, ends[text + 1] - ends[text])
    codes = np.empty(longest, np.uint32)
    for document in range(len(documents) - 1):
        for text in range(documents[document], documents[document + 1]):
            start, end = ends[text], ends[text + 1]
            own = codes[: decode_text(data, start, end, codes, end - start)]
            words, code = _line_words(own, classes, openers)
            words = max(words, len(own) // 16, int(len(own) > 0))
            counts[document, 0] += max(words - code, 0)
            counts[document, 1] += code
    return counts


@inner
def _line_words(own: Codes, classes: Classes, openers: Hashes) -> tuple[int, int]:
    """The words between blanks of a text, and those of them in fences and in lines of code."""
    words, code, at, end, fenced = 0, 0, 0, len(own), False
    while at < end:
        stop, first, count, was_open = at, -1, 0, 0
        while stop < end and own[stop] != 10:
            is_open = 1 - (INT(classes[own[stop]]) & SPACE)
            count += is_open & (1 - was_open)
            was_open = is_open
            if is_open and first < 0:
                first = stop
            stop += 1
        words += count
        if count:
            mark = own[first]
            if (
                (mark == 96 or mark == 126)
                and stop - first > 2
                and own[first + 1] == mark
                and own[first + 2] == mark
            ):
                fenced = not fenced
            elif fenced or _is_code(own[first : min(stop, at + LINE_READ_MAX)], classes, openers):
                code += count
        at = stop + 1
    return words, code


@inner
def decode_text(data: Bytes, start: int, end: int, codes: Codes, limit: int) -> int:
    """Writes up to ``limit`` code points of a text into ``codes``; returns how many."""
    count, at = 0, start
    while at < end and count < limit:
        code = INT(data[at])
        more = 0 if code < 0x80 else 1 if code < 0xE0 else 2 if code < 0xF0 else 3
        if more:
            code &= 0x3F >> more
            for k in range(1, more + 1):
                code = code << 6 | (INT(data[at + k]) & 0x3F)
        at += 1 + more
        codes[count] = code
        count += 1
    return count


@inner
def _append_read(text: Codes, read: Codes, kept: int, nth: int) -> int:
    """Appends the read part of a text, after a line end."""
    if nth and kept < len(read):
        read[kept] = 10
        kept += 1
    for at in range(min(len(text), len(read) - kept)):
        read[kept] = text[at]
        kept += 1
    return kept


@inner
def _space(count: int) -> int:
    size = 1
    while size < 2 * count:
        size *= 2
    return size


@inner
def _count_repeats(hashes: Hashes, known: Hashes, stamps: Places, stamp: int) -> int:
    """The number of hashes of a text that occurred in it before: `quality.repeats`. ``stamp``
    differs for each text.
    """
    out, mask = 0, U(_space(len(hashes)) - 1)
    for at in range(len(hashes)):
        place = hashes[at] & mask
        while stamps[place] == stamp and known[place] != hashes[at]:
            place = (place + U(1)) & mask
        if stamps[place] == stamp:
            out += 1
        else:
            stamps[place], known[place] = stamp, hashes[at]
    return out


@inner
def _words_and_symbols(codes: Codes, classes: Classes, out: Places) -> None:
    symbols, words, spoken, alphabetic = 0, 0, 0, 0
    was_open, had_letter, dots, marks = 0, 0, 0, 0
    for code in codes:
        kind = int(classes[code])
        # Without a branch for where a word begins and ends, which a processor cannot foresee.
        is_open = 1 - (kind & SPACE)
        words += is_open & (1 - was_open)
        spoken += is_open
        letter = is_open & ((kind & ALPHA) // ALPHA)
        alphabetic += letter & (1 - had_letter)
        had_letter = is_open & (letter | had_letter)
        was_open = is_open
        symbols += code == 35
        dots = dots + 1 if code == 46 else 0
        if dots == 3:
            symbols += 1
            dots = 0
        if code == 0x2026:
            marks += 1
            symbols += 1
            if marks == 2:
                symbols -= 1
                marks = 0
        else:
            marks = 0
    out[4] += symbols
    out[5] += words
    out[6] += spoken
    out[7] += alphabetic


@inner
def _lines(codes: Codes, classes: Classes, lines_max: int, out: Places) -> None:
    size, end = 16, len(codes)
    firsts = np.empty(size, np.int64)
    lasts = np.empty(size, np.int64)
    hashed = np.empty(size, np.uint64)
    count, seen, at = 0, 0, 0
    while at < end and seen < lines_max:
        stop = at
        while stop < end and not classes[codes[stop]] & BREAK:
            stop += 1
        first, last = at, stop
        while first < last and classes[codes[first]] & SPACE:
            first += 1
        while first < last and classes[codes[last - 1]] & SPACE:
            last -= 1
        at = stop + (2 if stop + 1 < end and codes[stop] == 13 and codes[stop + 1] == 10 else 1)
        seen += 1
        if first == last:
            continue
        out[0] += 1
        out[2] += (classes[codes[first]] & BULLET) != 0
        dots = (
            last - first > 2
            and codes[last - 1] == 46
            and codes[last - 2] == 46
            and codes[last - 3] == 46
        )
        out[3] += codes[last - 1] == 0x2026 or dots
        if count == size:
            size *= 2
            firsts, lasts, hashed = (
                resize(firsts, size),
                resize(lasts, size),
                resize(hashed, size),
            )
        firsts[count], lasts[count] = first, last
        count += 1
    if count > 1:
        for line in range(count):
            own = FNV
            for place in range(firsts[line], lasts[line]):
                own = (own ^ U(codes[place])) * FNV_PRIME
            hashed[line] = own
        out[1] += _equal_lines(codes, firsts[:count], lasts[:count], hashed[:count])


@inner
def _equal_lines(codes: Codes, firsts: Places, lasts: Places, hashed: Hashes) -> int:
    """The number of lines equal to an earlier one."""
    out, size = 0, _space(len(firsts))
    table, mask = np.zeros(size, np.int64), U(size - 1)  # the line, from 1
    for line in range(len(firsts)):
        place = mix(hashed[line]) & mask
        while table[place]:
            other = table[place] - 1
            if hashed[other] == hashed[line] and _equal(
                codes[firsts[other] : lasts[other]], codes[firsts[line] : lasts[line]]
            ):
                break
            place = (place + U(1)) & mask
        if table[place]:
            out += 1
        else:
            table[place] = line + 1
    return out


@inner
def _equal(one: Codes, other: Codes) -> bool:
    if len(one) != len(other):
        return False
    for at in range(len(one)):  # noqa: SIM110 numba has no generators
        if one[at] != other[at]:
            return False
    return True


_WORDLIKE, _DIGIT, _BLANK, _OPERATOR = 1, 2, 4, 8


def _ascii() -> Bytes:
    """RE2's class of each ASCII character, in any locale."""
    table = np.zeros(128, np.uint8)
    for code in range(128):
        one = chr(code)
        table[code] = (
            _WORDLIKE * (one.isalnum() or one == "_")
            + _DIGIT * one.isdigit()
            + _BLANK * (one in "\t\n\f\r ")
            + _OPERATOR * (one in "-+*/^")
        )
    return table


_ASCII = _ascii()


@inner
def count_scripts(codes: Codes, classes: Classes, out: Places) -> bool:
    """Counts characters by script, as in `spaceless`; returns whether any is of such a script."""
    any_of = False
    for code in codes:
        script = classes[code] >> UNSPACED_SHIFT & 7
        if script:
            out[script] += 1
            any_of = True
        out[6] += code == 32
    out[0] = len(codes)
    return any_of


@inner
def read_figures(
    read: Codes, classes: Classes, openers: Hashes, first_marks: Places, marks: Bytes, out: Places
) -> None:
    """Counts what `labels.topic` counts, and characters by script."""
    is_ascii, was_open = True, False
    for code in read:
        is_open = not classes[code] & SPACE
        out[WORDS] += is_open and not was_open
        was_open = is_open
        is_ascii = is_ascii and code < 128
    _code(read, classes, openers, out)
    out[MARKS] = _marks(read, first_marks, marks)
    if not is_ascii:
        count_scripts(read, classes, out[UNSPACED:])


@inner
def _code(read: Codes, classes: Classes, openers: Hashes, out: Places) -> None:
    """Counts the characters of lines, and of those that are fenced or look like code."""
    at, end, fenced = 0, len(read), False
    while at < end:
        stop = at
        while stop < end and not classes[read[stop]] & BREAK:
            stop += 1
        first = at
        while first < stop and classes[read[first]] & SPACE:
            first += 1
        if first < stop:
            out[LINES] += stop - at
            if (
                stop - first > 2
                and read[first] == 96
                and read[first + 1] == 96
                and read[first + 2] == 96
            ):
                fenced = not fenced
            elif fenced or _is_code(read[first : min(stop, at + LINE_READ_MAX)], classes, openers):
                out[CODE] += stop - at
        at = stop + (2 if stop + 1 < end and read[stop] == 13 and read[stop + 1] == 10 else 1)


@inner
def _is_code(line: Codes, classes: Classes, openers: Hashes) -> bool:
    """Whether a line without leading blanks looks like code and like nothing else:
    `labels.code_line`.
    """
    end = len(line)
    while end and classes[line[end - 1]] & SPACE:
        end -= 1
    if end == 0:
        return False
    last, first = line[end - 1], line[0]
    if last == 59:  # ;
        return not _asks_in_greek(line[: end - 1], classes)
    if last == 123 or last == 125:  # { }
        return True
    if first == 41 or first == 93 or first == 125:  # ) ] }
        return _is_closing(line[:end])
    if first == 60:  # <
        return _is_tag(line[:end], classes)
    if first == 36:  # $
        return end > 2 and classes[line[1]] & SPACE != 0 and classes[line[2]] & WORD != 0
    return _opens(line[:end], classes, openers)


@inner
def _asks_in_greek(line: Codes, classes: Classes) -> bool:
    """Whether a semicolon after a line is a Greek question mark: `labels._asks_in_greek`."""
    end, greek, latin = len(line), 0, 0
    while end and classes[line[end - 1]] & SPACE:
        end -= 1
    for code in line[:end]:
        greek += int(0x370 <= code <= 0x3FF or 0x1F00 <= code <= 0x1FFF)
        latin += int(65 <= code <= 90 or 97 <= code <= 122)
    if greek <= latin:
        return False
    last = line[end - 1]
    return bool(last >= 128 or 48 <= last <= 57 or 65 <= last <= 90 or 97 <= last <= 122)


@inner
def _opens(line: Codes, classes: Classes, openers: Hashes) -> bool:
    """Whether a line begins with one of the words."""
    at = 1 if line[0] == 35 else 0  # of `#include`
    packed = U(35 * at)
    while at < len(line) and classes[line[at]] & WORD:
        if line[at] >= 128 or at == 8:
            return False
        packed = packed << U(8) | U(line[at])
        at += 1
    for opener in openers:  # noqa: SIM110 numba has no generators
        if opener == packed:
            return True
    return False


@inner
def _is_closing(line: Codes) -> bool:
    """Whether a line consists of closing brackets, perhaps with a comma or semicolon."""
    end = len(line)
    if line[end - 1] == 44 or line[end - 1] == 59:
        end -= 1
    for code in line[:end]:
        if code != 41 and code != 93 and code != 125:
            return False
    return end > 0


@inner
def _is_tag(line: Codes, classes: Classes) -> bool:
    """Whether a line is one markup tag."""
    at = 2 if len(line) > 1 and line[1] == 47 else 1
    if len(line) <= at + 1 or not classes[line[at]] & WORD or line[len(line) - 1] != 62:
        return False
    for code in line[: len(line) - 1]:  # noqa: SIM110 numba has no generators
        if code == 62:
            return False
    return True


@inner
def _is_of(code: int, kind: int) -> bool:
    return code < 128 and bool(_ASCII[code] & kind)


@inner
def _end_of_run(read: Codes, at: int, kind: int) -> int:
    """The end of the run of characters of ``kind`` that begins at ``at``."""
    while at < len(read) and _is_of(read[at], kind):
        at += 1
    return at


@inner
def _marks(read: Codes, first: Places, phrases: Bytes) -> int:
    """The number of marks of argument and calculation, or -1 if only the expression can tell."""
    starts, ends = np.empty(len(read) // 2 + 2, np.int64), np.empty(len(read) // 2 + 2, np.int64)
    words, was_word, count, behind, is_odd, start = 0, 0, 0, 0, False, 0
    for at in range(len(read)):  # without a branch, as in `write_words`
        code = read[at]
        is_word = int(code < 128) & INT(_ASCII[code & 127]) & _WORDLIKE
        starts[words], ends[words] = start, at
        words += was_word & (1 - is_word)
        begins = is_word & (1 - was_word)
        start = at & -begins | start & (begins - 1)
        was_word = is_word
        count += code == 61
        is_odd |= code == LONG_S
        if code >= 0x2192:
            count += _is_symbol(code)
    if is_odd:
        return -1
    starts[words], ends[words] = start, len(read)
    for word in range(words + was_word):
        at, size = starts[word], ends[word] - starts[word]
        letter = (INT(read[at]) | 32) - 97
        if at < behind:
            continue
        if read[at] < 58:
            last = _end_of_calculation(read, at, ends[word])
        elif 0 <= letter < 26 and size < 16 and first[letter * 16 + size]:
            last = _phrase(read, at, first[letter * 16 + size], phrases)
        else:
            continue
        count += last > at
        behind = max(behind, last)
    return count


@inner
def _is_symbol(code: int) -> bool:
    """Whether it is one of ≤≥≠√∑∫⇒∴."""
    return (
        code == 0x2264
        or code == 0x2265
        or code == 0x2260
        or code == 0x221A
        or code == 0x2211
        or code == 0x222B
        or code == 0x21D2
        or code == 0x2234
    )


@inner
def _end_of_calculation(read: Codes, at: int, stop: int) -> int:
    """The end of two numbers with an operator between, the first being the run up to ``stop``;
    ``at`` if there are none.
    """
    if _end_of_run(read, at, _DIGIT) != stop:
        return at
    place = _end_of_run(read, stop, _BLANK)
    if place == len(read) or not (
        _is_of(read[place], _OPERATOR) or read[place] == 0xD7 or read[place] == 0xF7
    ):
        return at
    begins = _end_of_run(read, place + 1, _BLANK)
    ends = _end_of_run(read, begins, _DIGIT)
    return ends if ends > begins else at


@inner
def _phrase(read: Codes, at: int, group: int, phrases: Bytes) -> int:
    """The end of a phrase of the group at ``at``, ignoring case; ``at`` if there is none."""
    for number in range(group >> 8, (group >> 8) + (group & 255)):
        last = at
        while (
            last < len(read)
            and phrases[number, last - at]
            and _is_alike(read[last], phrases[number, last - at])
        ):
            last += 1
        if not phrases[number, last - at] and not (
            last < len(read) and _is_of(read[last], _WORDLIKE)
        ):
            return last
    return at


@inner
def _is_alike(code: int, letter: int) -> bool:
    return code == letter or (letter >= 97 and 65 <= code <= 90 and code + 32 == letter)

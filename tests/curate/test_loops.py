"""The compiled loops give what the plain code gives, on any text."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.curate import characters, labels, quality, sketches, words

if find_spec("numba") is None:
    pytest.skip("numba is not installed: `./run setup` with the lock of development", allow_module_level=True)

from licet.curate import loops

KEY = b"k" * 32
PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["the and of it is", "und der die das nicht", "に は を 日本語", "的是 中文", "สวัสดี", "...", "…", "……", "- ", "•",
         "\r\n", "\n", "\x1c", "\u2028", "\x85", "a1", "É", "ǅ", "²", "#", "  ", "\ud800", "word " * 30, "same line\n" * 3]
    ),
)  # fmt: skip
TEXTS = st.lists(st.lists(PIECES, max_size=12).map("".join), min_size=1, max_size=6)


def bytes_of(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    return words.joined([text.encode("utf-8", "replace") for text in texts])


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_words_shingles_repeats_and_signatures_are_those_of_numpy(texts: list[str]) -> None:
    data, ends = bytes_of(texts)
    plain = words.plain_words(data, ends, KEY)
    made = words.Words(*loops.words(data, ends, words._LOWER_TABLE, words._values(KEY)))
    assert made.hashes.tolist() == plain.hashes.tolist() and made.ends.tolist() == plain.ends.tolist()
    for size in (1, 5, 13):
        hashes, last = words.plain_shingles(plain, size)
        own, own_last = loops.shingles(plain.hashes, plain.ends, words._factors(size))
        assert own.tolist() == hashes.tolist() and own_last.tolist() == last.tolist()
        assert loops.again(hashes, last).tolist() == quality.repeats(hashes, last).tolist()
        signed = loops.signatures(hashes, last, sketches.PLACES, np.uint32(sketches._EMPTY))
        assert signed.tolist() == sketches.plain_signatures(hashes, last).tolist()


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.integers(1, 20))
def test_signals_of_quality_are_those_of_plain_python(texts: list[str], lines_max: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "LINES_READ_MAX", lines_max)
        plain = [list(quality.plain_signals(text)) for text in texts]
    ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
    found = loops.signals(characters.coded("".join(texts)), ends, characters.classes(), lines_max)
    assert found.tolist() == plain


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_scores_of_languages_are_those_of_plain_python(documents: list[list[str]]) -> None:
    lowered = [[text.lower() for text in texts] for texts in documents]
    each = np.array([1 + n % 7 for n in range(len(lowered))])
    turns = [turn for texts in lowered for turn in texts]
    ends, texts = (np.cumsum([len(one) for one in many], dtype=np.int64) for many in (turns, lowered))
    found = loops.languages(
        characters.coded("".join(turns)), ends, texts, each, characters.letters(), *labels._known(loops),
        labels.WORD_COUNTS_MAX,
    )  # fmt: skip
    assert found.tolist() == [labels.plain_scores(own, count) for own, count in zip(lowered, each, strict=True)]


def test_no_character_above_the_planes_that_the_tables_read_is_a_letter_or_a_blank() -> None:
    above = "".join(map(chr, range(characters.NAMED, characters.POINTS)))
    assert not any(map(str.isspace, above))
    assert not any(map(str.isalnum, above))
    assert re.search(characters.LETTERS, above) is None


def test_long_texts_are_read_alike_too() -> None:
    draw = Random(3)
    some = ["".join(draw.choices("abcdeßж 日1", k=draw.randint(1, 9))) for _ in range(300)]
    texts = [" ".join(draw.choices(some, k=count)) for count in (1, 15, 16, 400, 20_000)]
    data, ends = bytes_of(texts)
    plain = words.plain_words(data, ends, KEY)
    hashes, last = words.plain_shingles(plain)
    assert loops.words(data, ends, words._LOWER_TABLE, words._values(KEY))[0].tolist() == plain.hashes.tolist()
    assert loops.again(hashes, last).tolist() == quality.repeats(hashes, last).tolist()
    signed = loops.signatures(hashes, last, sketches.PLACES, np.uint32(sketches._EMPTY))
    assert signed.tolist() == sketches.plain_signatures(hashes, last).tolist()
    assert (signed != sketches._EMPTY).all()


def test_a_process_that_builds_nothing_never_loads_them() -> None:
    program = (
        "import sys; from licet.curate import compiled, labels; compiled.PLAIN_BYTES = 0; "
        "labels.languages([['the and of it is you'] * 9]); assert 'numba' not in sys.modules; "
        "compiled.allow(); assert compiled.loops(1) is not None and 'numba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

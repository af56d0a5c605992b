"""The compiled loops give what the plain code gives, on any text."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import chain
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.curate import (
    characters,
    kernels,
    label_columns,
    language_model,
    quality,
    sketches,
    words,
)
from licet.curate.batches import batches, column
from licet.curate.changed_places import word_counts
from licet.curate.kernels import Kernel, LabelKernel, SketchKernel
from licet.curate.label_columns import count_words
from licet.curate.text_column import batch_texts
from licet.policy.state import ConversationKind
from licet.release.curation import Document, Voice

from .documents import chat, said

if find_spec("numba") is None:
    pytest.skip(
        "numba is not installed: `./run setup` with the lock of development",
        allow_module_level=True,
    )

from licet.curate import loops

KEY = b"k" * 32
SENTENCES = (
    "Could you tell me how bread is made at home?",
    "KANNST DU MIR SAGEN, WIE MAN BROT BACKT?",
    "Как я могу испечь хлеб дома?",
    "Jak mohu upéct chleba doma?",
    "这是一个中文句子",
)
PIECES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "the and of it is",
            "und der die das nicht",
            "に は を 日本語",
            "的是 中文",
            "สวัสดี",
            "한국어 는 을",
            "...",
            "…",
            "……",
            "- ",
            "•",
            "\r\n",
            "\n",
            "\n",
            "\x1c",
            "\u2028",
            "\x85",
            "a1",
            "É",
            "ǅ",
            "²",
            "#",
            "  ",
            "\ud800",
            "word " * 30,
            "same line\n" * 3,
            "İstanbul ve bir bu için",
            "Σίσυφος ΟΔΟΣ",
            "e\u0301",
            "𠀀𠀁",
            "🙂",
            "\x00",
            # what tells a topic
            "step by step",
            "It follows",
            "Therefore",
            "PROVE",
            "proofs",
            "ſtep by ſtep",
            "3 + 4",
            "3+4+5",
            "12 * x",
            "7÷2",
            "_3+4",
            "a3 - 4",
            "= ",
            "≤",
            "∴",
            "```\n",
            "def f(x):\n",
            "class\n",
            "defé(\n",
            "return x;\n",
            "#include <a>\n",
            "functions\n",
            "function\n",
            "$ ls\n",
            "<div class='x'>\n",
            "</p>\n",
            "<a><b>\n",
            "})\n",
            "};\n",
            "],\n",
            " " * 400 + "if\n",
            "Τι κάνεις;\n",
            "Πώς λειτουργεί η Python ;\n",
            "print('Γειά σου');\n",
            "x = αβγδ;\n",
            "ἆρα;\n",
            ";\n",
            "(σε C);\n",
        ]
    ),
)
Spoken = tuple[ConversationKind, list[tuple[Voice, str]]]
STEPS = SketchKernel(key=KEY), LabelKernel()
TEXTS = st.lists(st.lists(PIECES, max_size=12).map("".join), min_size=1, max_size=6)
SPOKEN = st.lists(
    st.tuples(
        st.sampled_from(ConversationKind),
        st.lists(st.tuples(st.sampled_from(Voice), TEXTS.map("".join)), max_size=6),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_words_and_shingles_are_those_of_numpy(texts: list[str]) -> None:
    data, ends = words.to_columns([text.encode("utf-8", "replace") for text in texts])
    plain = words.plain_words(data, ends, KEY)
    made = words.Words(*loops.words(data, ends, words.LOWER_TABLE, words.values(KEY)))
    assert (
        made.hashes.tolist() == plain.hashes.tolist() and made.ends.tolist() == plain.ends.tolist()
    )
    for size in (1, 5, 13):
        hashes, last = words.plain_shingles(plain, size)
        own, own_last = loops.shingles(plain.hashes, plain.ends, words.shingle_factors(size))
        assert own.tolist() == hashes.tolist() and own_last.tolist() == last.tolist()


@settings(max_examples=400, deadline=None)
@given(SPOKEN)
def test_labels_and_sketches_are_those_of_plain_code(spoken: list[Spoken]) -> None:
    assert_alike([said(str(n), *turns, kind=kind) for n, (kind, turns) in enumerate(spoken)])


def test_long_texts_are_read_alike_too(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = Random(3)
    some = ["".join(draw.choices("abcdeßж 日1=\n", k=draw.randint(1, 9))) for _ in range(300)]
    texts = [" ".join(draw.choices(some, k=count)) for count in (1, 15, 16, 400, 20_000)]
    texts += [
        "the of and it is " * 3_000,
        "é" * 30_000,
        "def x\n" * 4_000,
        "a" * 30_000,
        "zzz. " * 30 + " ".join(texts[:3]),
    ]
    assert_alike(
        [chat("a", *texts), chat("b", *(["the of"] * 500)), chat("c"), chat("d", "", "\n")]
    )
    assert_alike(
        [
            chat("a", *texts, kind=ConversationKind.code),
            *(chat(str(n), text) for n, text in enumerate(texts)),
        ]
    )
    for module in (words, sketches, quality):
        monkeypatch.setattr(module, "CHUNK_BYTES_MAX", 1_000)
    monkeypatch.setattr(label_columns, "LIMITS", (1_000, 7, *label_columns.LIMITS[2:]))
    monkeypatch.setattr(quality, "LINES_READ_MAX", 7)
    for module in (sketches, quality):
        monkeypatch.setattr(module, "CHUNK_BYTES", 500)
    assert_alike([chat("a", *texts), *(chat(str(n), text) for n, text in enumerate(texts))])


def test_a_part_of_a_batch_is_read_as_a_batch_of_its_own() -> None:
    (batch,) = batches([chat(str(n), f"one {n} é", "two" * n) for n in range(9)])
    for step in STEPS:
        whole, part = compiled_made(step, batch), compiled_made(step, batch.slice(3, 4))
        assert part.equals(whole.slice(3, 4))


def assert_alike(documents: Sequence[Document]) -> None:
    """Each step gives the same with the loops and without."""
    (batch,) = batches(documents)
    for step in STEPS:
        assert compiled_made(step, batch).to_pylist() == step(batch).to_pylist()


def compiled_made(step: Kernel, batch: pa.RecordBatch) -> pa.RecordBatch:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "loops", lambda _size: loops)
        return step(batch)


def test_each_voice_begins_with_another_letter() -> None:
    assert len({voice.value[0] for voice in Voice}) == len(Voice)


def test_no_character_above_the_planes_that_the_tables_read_is_a_letter_or_a_blank() -> None:
    above = "".join(map(chr, range(characters.NAMED, characters.POINTS)))
    assert not any(map(str.isspace, above))
    assert not any(map(str.isalnum, above))


def test_a_process_that_builds_nothing_never_loads_them() -> None:
    program = (
        "import sys; from licet.curate import compiled, kernels; compiled.PLAIN_BYTES = 0; "
        "assert compiled.loops(1) is None and 'numba' not in sys.modules; "
        "compiled.allow(); assert compiled.loops(1) is not None and 'numba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@settings(deadline=None)
@given(st.lists(st.lists(st.one_of(PIECES, st.sampled_from(SENTENCES)), max_size=6), max_size=4))
def test_a_language_is_as_likely_with_the_loops_as_without(documents: list[list[str]]) -> None:
    documents += [[text.upper(), *texts] for text, *texts in filter(None, documents)]
    one, other = (
        list(chain.from_iterable(language_model.likeliest(documents, compiled=by)))
        for by in (False, True)
    )
    assert [name for name, share in one if share > 0.1] == [
        name for (name, _), (_, share) in zip(other, one, strict=True) if share > 0.1
    ]
    assert [share for _, share in one] == pytest.approx([share for _, share in other], rel=1e-9)


def test_pieces_joined_are_as_likely_as_the_text_that_they_are() -> None:
    documents = [SENTENCES[:3], [SENTENCES[0].upper(), SENTENCES[1]], ["A"], [], ["", "x"]]
    joined = [[" ".join(pieces)] for pieces in documents]
    for by in (False, True):
        each, whole = (language_model.likeliest(d, compiled=by) for d in (documents, joined))
        assert [name for *_, (name, _) in each] == [name for (name, _), *_ in whole]
        assert [share for *_, (_, share) in each] == pytest.approx([s for (_, s), *_ in whole])


@settings(max_examples=300, deadline=None)
@given(SPOKEN)
def test_words_of_prose_and_code_are_those_of_plain_code(spoken: list[Spoken]) -> None:
    fences = ["```\nx y\n```\n", "~~~\n z\n~~~", "\u2028 def f(\r\x0b  ", "a b;\u3000\n", "$ ls -l"]
    documents = [
        said(
            str(n),
            *turns,
            (Voice.tool, "".join([fences[n % 5], *(t for _, t in turns)])),
            kind=kind,
        )
        for n, (kind, turns) in enumerate(spoken)
    ]
    (batch,) = batches(documents)
    expected = word_counts(column(batch, "texts"))
    assert count_words(batch_texts(batch), loops).tolist() == expected.tolist()


def test_a_build_loads_neither_scipy_nor_pandas_though_both_are_there() -> None:
    assert find_spec("scipy") is not None and find_spec("pandas") is not None
    program = (
        "import sys, tempfile; from datetime import UTC, datetime; from pathlib import Path; "
        "import licet.curate.release_build, licet.curate.engine_settings; "
        "from licet.curate import pipeline, worker_start; "
        "from licet.release.part import groups, write_parts; "
        "from licet.release.row_keys import SealedRow; "
        "row = SealedRow(row_id=bytes(16), ordinal=0, until=datetime.now(UTC), sealed=b'x'); "
        "folder = Path(tempfile.mkdtemp()); (part,) = write_parts(folder, [row]); "
        "assert next(groups((folder / part.file).open('rb'))).sealed == [b'x']; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'pandas', 'scipy'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"[]\n"

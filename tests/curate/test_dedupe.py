"""Duplicates: found as the definition of Jaccard has them, and never at the cost of what nothing
else holds.
"""

from __future__ import annotations

import gc
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet.curate import dedupe, disk_arrays, similarity, sketches, words
from licet.curate.batches import batches
from licet.curate.dedupe import Election, Sketch
from licet.curate.kernels import SketchKernel
from licet.curate.pipeline import _SKETCH
from licet.curate.survey import DuplicateSurvey
from licet.policy.state import ConversationKind
from licet.release.curation import Document, Voice

from .documents import KEY, chat, edited, jaccard, prose, said

texts = st.text(max_size=60)


def sketched(documents: list[Document]) -> list[Sketch]:
    made = []
    for batch in batches(documents):
        for row in SketchKernel(key=KEY)(batch).select(list(_SKETCH)).to_pylist():
            made.append(
                Sketch(**{name: tuple(v) if isinstance(v, list) else v for name, v in row.items()})
            )
    return made


def elected(*documents: Document) -> dict[str, bool]:
    """Of each document, by its name, whether it stays."""
    election = Election()
    for sketch in sketched(list(documents)):
        election.enter(sketch)
    lost = election.outcome().lost
    election.close()
    return {document.name.decode(): not lost[n] for n, document in enumerate(documents)}


def kept(*documents: Document) -> int:
    return sum(elected(*documents).values())


# Hashes of words and shingles


@settings(deadline=None)
@given(st.lists(texts, max_size=8), st.integers(0, 7))
def test_the_shingles_of_a_text_do_not_depend_on_its_neighbours(many: list[str], at: int) -> None:
    data = [text.encode("utf-8", "replace") for text in many]
    hashes, ends = words.shingles(words.words(*words.to_columns(data), KEY))
    starts = [0, *ends.tolist()]
    for n, text in enumerate(data):
        alone, _ = words.shingles(words.words(*words.to_columns([text]), KEY))
        assert hashes[starts[n] : starts[n + 1]].tolist() == alone.tolist()


@settings(deadline=None)
@given(st.lists(st.sampled_from(["alpha", "beta", "gamma", "Δέλτα", "7"]), max_size=12))
def test_two_texts_share_a_shingle_exactly_where_five_words_in_a_row_are_the_same(
    said: list[str],
) -> None:
    hashes, _ = words.shingles(words.words(*words.to_columns([" ".join(said).encode()]), KEY))
    runs = [tuple(said[n : n + 5]) for n in range(len(said) - 4)] or ([tuple(said)] if said else [])
    assert len(hashes) == len(runs)
    for i, one in enumerate(runs):
        for j, other in enumerate(runs):
            assert (hashes[i] == hashes[j]) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, WORLD", "hello world"),
        ("a-b_c", "a b c"),
        ("tab\there", "tab here"),
        ("x\n\ny", "x y"),
    ],
)
def test_case_and_what_stands_between_words_make_no_difference(one: str, other: str) -> None:
    found = [
        words.words(*words.to_columns([text.encode()]), KEY).hashes.tolist()
        for text in (one, other)
    ]
    assert found[0] == found[1] != []


def test_scripts_without_blanks_have_a_word_a_character() -> None:
    found = words.words(*words.to_columns(["東京は大きい".encode(), "서울 big".encode()]), KEY)
    assert np.diff(found.ends, prepend=0).tolist() == [6, 3]


def test_hashes_under_another_key_are_others() -> None:
    found = [
        words.words(*words.to_columns([b"alpha beta"]), key).hashes for key in (KEY, KEY[::-1])
    ]
    assert not set(found[0].tolist()) & set(found[1].tolist())


# Signatures


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_a_signature_estimates_the_jaccard_of_the_definition(seed: int, changes: int) -> None:
    draw = Random(seed)
    one = prose(draw, 300)
    other = edited(draw, one, changes)
    left, right = (np.frombuffer(s, "<u4") for s in sketches.signatures([one, other], KEY))
    # 128 places: a standard deviation of at most 0.045
    assert abs(float((left == right).mean()) - jaccard(one, other)) < 0.2


@settings(deadline=None, max_examples=500)
@given(st.text(st.sampled_from([*map(chr, range(128)), *" \t\n\r\v\f" * 20]), max_size=30))
def test_ascii_is_made_normal_as_every_other_text_is(text: str) -> None:
    assert sketches.normalise_text(text) == b" ".join(text.casefold().encode().split())


def test_a_text_of_few_words_is_told_by_its_exact_hash_alone() -> None:
    short, long = "why is the sky blue", prose(Random(1), 30)
    assert [bool(s) for s in sketches.signatures([short, long, ""], KEY)] == [False, True, False]


def test_a_turn_of_fifty_megabytes_is_told_by_its_exact_hash_alone() -> None:
    huge = prose(Random(1), 1_000) * 8_000
    assert len(huge) > 50_000_000
    assert sketches.signatures([huge], KEY) == [b""]
    assert kept(chat("a", huge), chat("b", huge), chat("c", huge + "!")) == 2


# Clusters


def test_what_is_alike_is_found_and_what_is_not_is_left_alone() -> None:
    """4,000 chats: an eighth each has a copy in which some words differ, to a Jaccard of 0.7 or
    more.
    """
    draw = Random(3)
    originals = [prose(draw, draw.randint(60, 240)) for _ in range(4_000)]
    near = []
    while len(near) < 500:
        text = edited(draw, originals[len(near)], draw.randint(1, 6))
        if jaccard(originals[len(near)], text) >= 0.7:
            near.append(text)
    matrix = np.array([np.frombuffer(s, "<u4") for s in sketches.signatures(originals + near, KEY)])
    roots = similarity.clusters(matrix)
    recall = np.mean([roots[4_000 + n] == n for n in range(500)])
    assert recall >= 0.93
    assert (roots[:4_000] == np.arange(4_000)).mean() >= 0.999, "false positives"


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_clusters_are_the_same_in_any_order(groups: list[int], order: Random) -> None:
    draws = [
        np.random.default_rng(group).integers(0, 2**32, 128, dtype=np.uint32) for group in range(6)
    ]
    matrix = np.array([draws[group] for group in groups])
    turned = list(range(len(groups)))
    order.shuffle(turned)
    roots, again = similarity.clusters(matrix), similarity.clusters(matrix[turned])
    for i in range(len(groups)):
        for j in range(len(groups)):
            same = groups[turned[i]] == groups[turned[j]]
            assert (again[i] == again[j]) == same
            assert (roots[i] == roots[j]) == (groups[i] == groups[j])


def test_a_bucket_of_texts_that_are_not_alike_stays_apart() -> None:
    """Signatures that agree in one band, and nowhere else."""
    matrix = np.random.default_rng(1).integers(0, 2**32, (10, 128), dtype=np.uint32)
    matrix[:, :5] = 7
    assert similarity.clusters(matrix).tolist() == list(range(10))
    matrix[8] = matrix[2]
    assert similarity.clusters(matrix).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 2, 9]


def test_theorem_what_is_alike_is_the_same_however_little_is_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = Random(5)
    originals = [prose(draw, draw.randint(30, 90)) for _ in range(300)]
    near = [edited(draw, draw.choice(originals), draw.randint(0, 9)) for _ in range(300)]
    matrix = np.array([np.frombuffer(s, "<u4") for s in sketches.signatures(originals + near, KEY)])
    whole = similarity.clusters(matrix).tolist()
    assert len(set(whole)) < 550
    for most in (1, 7, 64):
        monkeypatch.setattr(disk_arrays, "IN_MEMORY_MAX", most)
        assert similarity.clusters(matrix).tolist() == whole


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=60), st.integers(1, 9))
def test_theorem_ranges_have_each_key_once_with_its_place_in_order(
    keys: list[int], most: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(disk_arrays, "IN_MEMORY_MAX", most)
        found, last = list[tuple[int, int]](), -1
        for some, places in disk_arrays.ranges(np.array(keys, np.uint64)):
            assert len(some) == 0 or int(some.min()) > last
            assert (np.diff(places) > 0).all()
            last = int(some.max()) if len(some) else last
            found += zip(some.tolist(), places.tolist(), strict=True)
    assert sorted(found, key=lambda one: one[1]) == list(zip(keys, range(len(keys)), strict=True))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 2**63 - 1), max_size=50), st.integers(1, 9), st.integers(1, 5))
def test_an_array_that_is_spilled_reads_as_it_was_written(
    numbers: list[int], most: int, buffered: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(disk_arrays, "IN_MEMORY_MAX", most)
        patched.setattr(disk_arrays, "_BUFFERED", buffered)
        made = disk_arrays.SpilledArray("i8")
        for count, number in enumerate(numbers, 1):
            made.append(number)
            if count % 7 == 0:
                assert made.view().tolist() == numbers[:count]
        assert (made.view().tolist(), len(made)) == (numbers, len(numbers))
        made.close()


# The election


def test_of_equal_chats_one_stays_whoever_said_them() -> None:
    assert (
        kept(
            chat("a", "hello there", "hi"),
            chat("b", "Hello  there", "hi", account="bo"),
            chat("c", "bye"),
        )
        == 2
    )


def test_of_chats_that_are_alike_one_stays() -> None:
    draw = Random(5)
    text = prose(draw, 200)
    assert jaccard(text, other := edited(draw, text, 4)) > 0.8
    assert kept(chat("a", text), chat("b", other), chat("c", prose(draw, 200))) == 2


def test_two_short_chats_that_differ_in_a_sign_both_stay() -> None:
    assert kept(chat("a", "what is 7 + 5?", "12"), chat("b", "what is 7 * 5?", "35")) == 2


def test_a_chat_made_of_turns_that_others_hold_is_a_duplicate() -> None:
    draw = Random(6)
    turns = [prose(draw, 40) for _ in range(4)]
    result = elected(chat("whole", *turns), chat("fork", *turns[:2]))
    assert sum(result.values()) == 1


def test_in_coding_sessions_a_file_that_is_read_again_does_not_make_them_alike() -> None:
    draw = Random(8)
    file = prose(draw, 3_000)
    sessions = [
        said(
            name,
            (Voice.user, prose(draw, 80)),
            (Voice.tool, file),
            (Voice.assistant, prose(draw, 300)),
            kind=ConversationKind.code,
        )
        for name in "abc"
    ]
    assert kept(*sessions) == 3


def test_in_coding_sessions_messages_that_are_alike_count_one_by_one() -> None:
    draw = Random(9)
    ask, output, answer = prose(draw, 60), prose(draw, 400), prose(draw, 200)
    one = said(
        "a",
        (Voice.user, ask),
        (Voice.tool, output),
        (Voice.assistant, answer),
        kind=ConversationKind.code,
    )
    # in another order: as a whole not alike
    parts = [edited(draw, text, 1) for text in (answer, output, ask)]
    other = said(
        "b",
        (Voice.assistant, parts[0]),
        (Voice.tool, parts[1]),
        (Voice.user, parts[2]),
        kind=ConversationKind.code,
    )
    assert kept(one, other) == 1


def test_when_the_one_that_stayed_dies_the_next_takes_its_place() -> None:
    copies = {name: chat(name, "the same words in each of them", "indeed") for name in "abcde"}
    alone = chat("other", "something else entirely", "quite")
    stayed = []
    while copies:
        result = elected(*copies.values(), alone)
        assert result["other"]
        (winner,) = [name for name in copies if result[name]]
        stayed.append(winner)
        del copies[winner]
    assert sorted(stayed) == list("abcde")


drawn_turns = st.lists(st.integers(0, 6), min_size=1, max_size=5)


@settings(deadline=None, max_examples=60)
@given(st.lists(drawn_turns, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_nothing_is_lost_that_no_other_holds_and_order_makes_no_difference(
    many: list[list[int]], order: Random
) -> None:
    """By the reference: documents in their order, each kept unless those kept before it hold nine
    tenths of it.
    """
    # all of one weight, and too few words for a likeness
    lines = [f"it says {n}" for n in range(7)]
    documents = [chat(str(n), *(lines[t] for t in turns)) for n, turns in enumerate(many)]
    result = elected(*documents)
    turned = documents.copy()
    order.shuffle(turned)
    assert elected(*turned) == result
    held: set[int] = set()
    wholes: set[tuple[int, ...]] = set()
    for n in sorted(
        range(len(many)),
        key=lambda n: dedupe.document_order(documents[n].account, documents[n].name),
    ):
        repeated = sum(t in held for t in many[n]) >= dedupe.REPEATED_MIN * len(many[n])
        assert result[str(n)] == (not repeated and tuple(many[n]) not in wholes)
        if result[str(n)]:
            held |= set(many[n])
            wholes.add(tuple(many[n]))


def many_chats(draw: Random) -> list[Document]:
    """Chats of which some are equal, some alike, and some made of what others hold."""
    lines = [prose(draw, draw.randint(5, 60)) for _ in range(40)]
    made = []
    for n in range(250):
        turns = [draw.choice(lines) for _ in range(draw.randint(1, 5))]
        if n % 3 == 0:
            turns[-1] = edited(draw, turns[-1], 2)
        kind = ConversationKind.code if n % 7 == 0 else ConversationKind.chat
        made.append(msgspec.structs.replace(chat(str(n), *turns), kind=kind))
    return made


def test_theorem_an_election_has_one_outcome_however_little_is_in_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = sketched(many_chats(Random(11)))
    without = np.zeros(len(found), bool)
    without[::9] = True

    def outcome() -> list[list[bool]]:
        election = Election(tmp_path)
        for sketch in found:
            election.enter(sketch)
        results = [election.outcome(), election.outcome(without), election.outcome()]
        election.close()
        return [values.tolist() for one in results for values in (one.lost, one.holds)]

    whole = outcome()
    assert 20 < sum(whole[0]) < 230
    assert whole[0] == whole[4]
    assert whole[0] != whole[2]
    monkeypatch.setattr(dedupe, "REMEMBERED", 3)
    for most in (1, 10, 200):
        monkeypatch.setattr(disk_arrays, "IN_MEMORY_MAX", most)
        monkeypatch.setattr(disk_arrays, "_BUFFERED", 5)
        assert outcome() == whole
    assert list(tmp_path.iterdir()) == []


def test_theorem_a_survey_answers_the_same_however_little_is_in_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    documents = many_chats(Random(12))
    found = sketched(documents)

    def answers() -> list[bool]:
        survey = DuplicateSurvey(tmp_path)
        for document, sketch in zip(documents, found, strict=True):
            survey.enter(document, sketch)
        while (asked := survey.next_question()) is not None:
            for n, document in enumerate(documents):
                if document in asked:
                    survey.judge(document, stays=n % 5 != 0)
        told = [survey.is_lost(document.name) for document in documents]
        assert not survey.is_lost(b"nobody's")
        survey.close()
        return told

    whole = answers()
    assert 20 < sum(whole) < 230
    monkeypatch.setattr(disk_arrays, "IN_MEMORY_MAX", 6)
    monkeypatch.setattr(disk_arrays, "_BUFFERED", 5)
    assert answers() == whole


def test_an_election_of_nobody_has_no_outcome() -> None:
    election = Election()
    assert len(election.outcome().lost) == 0
    election.close()


def test_an_election_leaves_no_file_and_no_readable_word(tmp_path: Path) -> None:
    election = Election(tmp_path)
    text = "the heron that nests behind the third lock is called Oswin " * 3
    for sketch in sketched([chat("a", text), chat("b", text)]):
        election.enter(sketch)
        assert b"Oswin" not in b"".join([sketch.whole, sketch.whole_signature, *sketch.turns])
    assert election.outcome().lost.sum() == 1
    assert list(tmp_path.iterdir()) == []
    election.close()
    gc.collect()
    assert list(tmp_path.iterdir()) == []

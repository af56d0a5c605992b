"""Of a document that lost: who holds most of it, and that everybody who holds some of it is said
to.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from licet.curate.dedupe import Elected, Election, Sketch


def sketch(place: int, whole: int, turns: list[tuple[int, int]]) -> Sketch:
    """A document by its place in the order: the number of its whole, and of each turn with its
    weight.
    """
    return Sketch(
        order=place.to_bytes(8, "big"),
        whole=whole.to_bytes(8, "little"),
        whole_signature=b"",
        turns=tuple(turn.to_bytes(8, "little") for turn, _ in turns),
        weights=tuple(weight for _, weight in turns),
        turn_signatures=(b"",) * len(turns),
    )


def outcome(folder: Path, *sketches: Sketch, without: list[int] | None = None) -> Elected:
    election = Election(folder)
    for one in sketches:
        election.enter(one)
    left_out = None
    if without is not None:
        left_out = np.zeros(len(sketches), bool)
        left_out[without] = True
    made = election.outcome(left_out)
    election.close()
    return made


def said(made: Elected) -> tuple[list[bool], list[bool], list[int]]:
    return made.lost.tolist(), made.holds.tolist(), made.kept_by.tolist()


@pytest.mark.parametrize(
    ("first", "second", "holder"), [(100, 900, 2), (900, 100, 1), (500, 500, 1)]
)
def test_a_document_is_kept_by_who_holds_most_of_it_by_weight_and_by_the_first_of_two_alike(
    tmp_path: Path, first: int, second: int, holder: int
) -> None:
    made = outcome(
        tmp_path,
        sketch(1, 101, [(1, first)]),
        sketch(2, 102, [(2, second)]),
        sketch(3, 103, [(3, 700)]),
        sketch(4, 104, [(1, first), (2, second)]),
    )
    assert said(made) == (
        [False, False, False, True],
        [True, True, False, False],
        [0, 0, 0, holder],
    )


def test_a_copy_is_kept_by_the_one_that_holds_it_whole(tmp_path: Path) -> None:
    made = outcome(
        tmp_path, sketch(2, 7, [(1, 10)]), sketch(1, 7, [(1, 10)]), sketch(3, 8, [(9, 10)])
    )
    assert said(made) == ([True, False, False], [False, True, False], [2, 0, 0])


def test_without_its_holder_a_document_is_held_by_nobody_and_stays(tmp_path: Path) -> None:
    many = sketch(1, 101, [(1, 100)]), sketch(2, 102, [(1, 100), (2, 5)])
    assert said(outcome(tmp_path, *many)) == ([False, True], [True, False], [0, 1])
    assert said(outcome(tmp_path, *many, without=[0])) == ([False, False], [False, False], [0, 0])

"""A model's rows: each was in the release, and consumed under the gate state before it."""

from __future__ import annotations

import pytest

from licet import verifier
from licet.verifier.answer import ContradictionError, VerifierReport
from licet.verifier.consumption_record import ConsumedRows
from licet.verifier.model import PART_ROWS_MAX, _ModelCheck
from licet.verifier.row_sets import set_of

from ..ledger.world import Held


def consumed(*runs: tuple[int, int]) -> _ModelCheck:
    """The check of a model that consumed these rows, of a release with two parts."""
    check = _ModelCheck(Held({}), (), VerifierReport("model"))
    check.manifest = {"parts": [{"first_ordinal": 0}, {"first_ordinal": PART_ROWS_MAX + 9}]}
    check.record.consumed = set_of(list(runs))
    return check


def test_consumed_rows_are_in_a_part_of_the_release() -> None:
    second = PART_ROWS_MAX + 9
    consumed((0, PART_ROWS_MAX - 1), (second, second + PART_ROWS_MAX - 1)).check_rows(None)
    for row in (PART_ROWS_MAX, second - 1, second + PART_ROWS_MAX):
        with pytest.raises(ContradictionError) as error:
            consumed((3, 4), (row, row)).check_rows(None)
        assert f"{row} is not in the release" in error.value.finding.promise


def test_steps_name_the_gate_state_before_them() -> None:
    record = ConsumedRows((), VerifierReport("model"))
    with pytest.raises(verifier.ContradictionError, match="name the gate state before them"):
        record._take_steps(1, "steps 0 to 1", set_of([(1, 1)]))
    record.head = {"number": 1}
    for number in (0, 2):
        with pytest.raises(verifier.ContradictionError, match="name the gate state before them"):
            record._take_steps(number, "steps 0 to 1", set_of([(1, 1)]))
    assert record.consumed == {}
    record._take_steps(1, "steps 0 to 1", set_of([(1, 2)]))
    assert record.consumed == set_of([(1, 2)])
    record.withdrawn = set_of([(5, 6)])
    with pytest.raises(verifier.ContradictionError, match="row 5, consumed in steps 2 to 3"):
        record._take_steps(1, "steps 2 to 3", set_of([(3, 5)]))

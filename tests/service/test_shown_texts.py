"""What staff are shown of rows and texts: where it stands, and whether all of it is there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from licet.curate.deidentify import Substitution
from licet.curate.detect import DetectedSpan
from licet.curate.rules import IdentifierKind
from licet.service.release_measure import _with_original_texts
from licet.service.replacements import _of_row
from licet.service.staff_tables import CellKind, TableCell, TableColumn, csv_lines

CUT = b"cut here: filter more narrowly"


@pytest.mark.parametrize(("rows", "limit", "is_cut"), [(1, 4, False), (2, 4, False), (5, 4, True)])
def test_a_list_says_that_it_is_cut_where_it_is(rows: int, limit: int, is_cut: bool) -> None:
    column = TableColumn("host", CellKind.account)
    cells = [[TableCell(CellKind.account, f"h{n}")] for n in range(rows)]
    lines = list(csv_lines([column], cells, limit))
    assert len(lines) == 1 + min(rows, limit) + is_cut
    assert (CUT in lines[-1]) is is_cut


def test_each_replaced_name_is_shown_as_it_stood_and_as_it_leaves() -> None:
    said, leaves = "Ana and Bo ask", "Katherine and Li ask"
    spans = [
        Substitution(DetectedSpan(start, end, IdentifierKind.PERSON, 1.0, "name"), instead)
        for start, end, instead in ((0, 3, "Katherine"), (8, 10, "Li"))
    ]
    thread = cast("Any", SimpleNamespace(document=SimpleNamespace(texts=[said])))
    shown = list(_of_row(0, thread, [leaves], [spans]))
    assert [(one.said[1], one.leaves[1]) for one in shown] == [("Ana", "Katherine"), ("Bo", "Li")]
    assert shown[1].leaves == ("Katherine and ", "Li", " ask")


def test_a_row_is_measured_by_every_text_that_it_had() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "x"}}
    row = {
        "messages": [
            {"role": "system", "content": "be brief", "tools": "[]"},
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "done", "name": "f"},
        ]
    }
    texts = ["Be brief.", "[1]", "", "", "F", "X", "Done.", "F"]
    found = _with_original_texts(cast("Any", row), cast("Any", SimpleNamespace(texts=texts)))
    assert found is not None
    system, assistant, tool = cast("Any", found)["messages"]
    assert (system["content"], system["tools"]) == ("Be brief.", "[1]")
    assert assistant["tool_calls"][0]["function"] == {"name": "F", "arguments": "X"}
    assert (tool["content"], tool["name"]) == ("Done.", "F")

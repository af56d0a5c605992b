"""Every sentence that promises something to a person, an officer or an auditor stands beside the
test that holds it.

The register is docs/promises.csv; `promises.py` says what a row is and which sources must be in it
whole.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from . import promises
from .promises import NOTHING, OPEN, ROOT, Row, Shown

SENTENCE = "Nothing of yours is ever used."
OPEN_MAX = 0


def test_every_sentence_that_is_shown_stands_in_the_register() -> None:
    lacking = without_a_row(promises.shown(), promises.rows())
    assert not lacking, (
        "these sentences are shown, and no row of docs/promises.csv says what holds them. Add each "
        "line there, anywhere, "
        "with the tests that fail where it is not so; or with `none: label`, `none: question`, "
        "`none: request`, `none: fault` "
        "or `none: world` where it promises nothing:\n"
        + "\n".join(sorted({one.row for one in lacking}))
    )


def test_every_row_of_the_register_still_stands_in_its_source() -> None:
    gone = [
        f"line {row.line}: {row.where}: {row.sentence}"
        for row in promises.rows()
        if not stands(row)
    ]
    assert not gone, (
        "these rows of docs/promises.csv quote a sentence that its source does not say any more: "
        "change the row with it, "
        "and see that its test still holds it; or take it out:\n" + "\n".join(gone)
    )


def test_every_promise_names_tests_that_exist() -> None:
    wrong = [f"line {row.line}: {what}" for row in promises.rows() for what in faults(row)]
    assert not wrong, "in docs/promises.csv:\n" + "\n".join(wrong)


def test_no_sentence_stands_twice() -> None:
    seen = [(row.where, row.sentence) for row in promises.rows()]
    assert sorted({one for one in seen if seen.count(one) > 1}) == []


def test_no_more_promises_than_before_are_held_by_nothing() -> None:
    assert sum(row.held_by == OPEN for row in promises.rows()) <= OPEN_MAX


# What the register would find


@pytest.fixture
def row() -> Row:
    return Row(
        "README.md",
        "The result is pseudonymised, never anonymous.",
        "tests/test_promises.py::test_x",
        2,
    )


def test_a_sentence_without_a_row_is_found_and_the_message_holds_the_line_to_add(row: Row) -> None:
    shown = Shown("src/licet/consent/notices/strict.signup.en.md", 'We say "never" here.')
    assert without_a_row([shown], [row]) == [shown]
    assert shown.row == 'src/licet/consent/notices/*.md,"We say ""never"" here.",tests/..::test_..'
    assert (
        without_a_row(
            [shown], [Row("src/licet/consent/notices/*.md", shown.sentence, "none: label", 3)]
        )
        == []
    )
    keyed = Shown(promises.CATALOGUE, "It is so.", "chat.kept")
    assert keyed.row == f'{promises.CATALOGUE}#chat.kept,"It is so.",tests/..::test_..'
    assert (
        without_a_row([keyed], [Row(f"{promises.CATALOGUE}#chat.*", "It is so.", "none: label", 3)])
        == []
    )
    assert without_a_row(
        [keyed], [Row(f"{promises.CATALOGUE}#chats.*", "It is so.", "none: label", 3)]
    ) == [keyed]
    assert without_a_row(
        [shown], [Row("src/licet/web/templates/*.html", shown.sentence, "none: label", 3)]
    ) == [shown]


def test_a_row_whose_sentence_or_test_is_gone_is_found(row: Row) -> None:
    assert stands(row)
    assert not stands(Row(row.where, SENTENCE, row.held_by, 2))
    assert not stands(Row("no/such/file.md", row.sentence, row.held_by, 2))
    assert list(faults(row)) == ["tests/test_promises.py has no test `test_x`"]
    assert list(faults(Row(row.where, row.sentence, "", 2))) == ["nothing holds it"]
    assert list(faults(Row(row.where, row.sentence, "none: promise", 2))) == [
        "`none: promise`: it is one of " + WORDS
    ]
    assert list(faults(Row(row.where, row.sentence, "somebody", 2))) == ["`somebody` is no test"]
    here = "tests/test_promises.py::test_a_row_whose_sentence_or_test_is_gone_is_found"
    assert list(faults(Row(row.where, row.sentence, here, 2))) == []
    assert list(faults(Row(row.where, row.sentence, f"{here}[case]", 2))) == []


TEMPLATE = """<h1>A heading that says much</h1>
<p title="{{ x }}">{{ n }} of <b>your</b> chats{% if a %} are kept{% else %} go now{% endif %}.</p>
<p>{{ "never used for it" if b else "so it is" }}</p><table><tr><th>Kept for two years</th></tr></table>"""
MODULE = '''def f(n: int) -> str:
    """Says nothing to anybody but programmers."""
    raise E(f"this is an error, and {n} no promise.")

X = """Yours is kept as it is.

- Nobody reads any of it.
"""
Y = f"{n} rows were left out."
'''


def test_every_place_where_a_sentence_can_be_shown_is_read() -> None:
    found = [s for text in promises.template_texts(TEMPLATE) for s in promises.sentences(text)]
    assert found == ["{} of your chats are kept go now .", "never used for it", "so it is"]
    assert set(promises.module_texts(MODULE)) == {
        "Yours is kept as it is.",
        "Nobody reads any of it.",
        "{} rows were left out.",
    }
    text = "May we use it? {a} {b} {c}. Keep out. It is kept. **Never** until 1.5."
    assert list(promises.sentences(text)) == ["It is kept.", "Never until 1.5."]


def test_each_source_that_must_be_whole_has_something_to_say() -> None:
    files = {one.file for one in promises.shown()}
    assert {promises.CATALOGUE, "README.md", *promises.TEXTS} <= files
    assert sum(Path(file).match(promises.NOTICES) for file in files) == len(
        list(ROOT.glob(promises.ENGLISH_NOTICES))
    )


WORDS = ", ".join(NOTHING)


def without_a_row(shown: list[Shown], rows: list[Row]) -> list[Shown]:
    """What no row covers."""
    told: dict[str, list[Row]] = {}
    for row in rows:
        told.setdefault(row.sentence, []).append(row)
    return [one for one in shown if not any(row.covers(one) for row in told.get(one.sentence, []))]


def stands(row: Row) -> bool:
    """Whether the row's sentence stands in one of its files."""
    if any(row.sentence == one.sentence and row.covers(one) for one in promises.every()):
        return True
    return any(row.sentence in promises.says(file) for file in promises.files(row.where))


def faults(row: Row) -> list[str]:
    """What is wrong with what holds a row."""
    kind = row.held_by.removeprefix("none: ")
    if kind != row.held_by:
        return [] if kind in NOTHING else [f"`{row.held_by}`: it is one of {WORDS}"]
    found = [] if row.tests or row.held_by == OPEN else ["nothing holds it"]
    for test in row.tests:
        file, _, name = re.sub(r"\[.*\]$", "", test).partition("::")
        if not file.startswith("tests/") or not name:
            found.append(f"`{test}` is no test")
        elif name not in promises.tests_of(file):
            found.append(f"{file} has no test `{name}`")
    return found

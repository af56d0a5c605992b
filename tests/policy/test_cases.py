"""Case files: the worked cases hold, a wrong expectation is shown, and a malformed file names the
place.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from licet.errors import InputError
from licet.policy.cases import parse_plain, run_file

CASES = Path(__file__).parent.parent / "spec" / "cases.yaml"

CASE = """\
- case: new chat
  policy: article-2025
  events:
    - {at: 2025-07-01, do: open_account, account: ana, plan: free, age: 30}
    - {at: 2025-09-01, do: choose, account: ana, allow: true}
    - {at: 2025-09-02, do: say, account: ana, conversation: c1, turn: t1}
    - {at: 2025-09-02, do: feedback, account: ana, conversation: c1, feedback: f1, share: reply, rating: up}
  expect:
    - {at: 2025-09-03, turn: t1, purpose: improve_models, use: true, because: permitted, until: "2030-09-02T00:00:00Z"}
    - {at: 2025-09-03, conversation: c1, keep_until: "2030-09-02T00:00:00Z", safety_until: null}
    - {at: 2025-09-03, account: ana, gate: open}
    - {at: 2025-09-03, feedback: f1, share: reply, use: true, because: permitted, keep_until: 2030-09-02}
"""

CHOICE = "{at: 2025-09-01, do: choose, account: ana, allow: true}"
TURN = "turn t1 for improve_models"
YEARS, UNTIL, FLAGGED = '"2030-09-02T00:00:00Z"', "2030-09-02T00:00:00Z", "2027-09-02T00:00:00Z"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cases.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_worked_cases_hold() -> None:
    ran = run_file(CASES)
    assert [str(difference) for difference in ran.differences] == []
    assert (ran.cases, ran.expectations) == (226, 1002)
    assert str(ran) == "226 cases, 1002 expectations, 0 differ"


@pytest.mark.parametrize("opening", ["[", " [", "# a comment\n["])
def test_a_case_file_may_be_json(tmp_path: Path, opening: str) -> None:
    as_json = json.dumps(yaml.safe_load(CASES.read_text("utf-8")), default=str)
    path = written(tmp_path, as_json.replace("[", opening, 1))
    assert str(run_file(path)) == "226 cases, 1002 expectations, 0 differ"


@pytest.mark.parametrize(
    ("right", "wrong", "subject", "key", "expected", "actual"),
    [
        (
            "because: permitted, until",
            "because: expired, until",
            TURN,
            "because",
            "expired",
            "permitted",
        ),
        (
            "use: true, because: permitted, until",
            "use: false, because: permitted, until",
            TURN,
            "use",
            "False",
            "True",
        ),
        (
            f"permitted, until: {YEARS}",
            "permitted, until: 2030-09-03",
            TURN,
            "until",
            "2030-09-03T00:00:00Z",
            UNTIL,
        ),
        (
            f"keep_until: {YEARS}, safety",
            "keep_until: null, safety",
            "conversation c1",
            "keep_until",
            "None",
            UNTIL,
        ),
        (
            "safety_until: null",
            "safety_until: 2027-09-02",
            "conversation c1",
            "safety_until",
            FLAGGED,
            "None",
        ),
        ("gate: open", "gate: notice", "account ana", "gate", "notice", "open"),
        (
            "account: ana, gate: open",
            "account: eva, gate: open",
            "account eva",
            "gate",
            "open",
            "unknown",
        ),
        ("share: reply, use", "share: rating, use", "feedback f1", "share", "rating", "reply"),
        (
            "keep_until: 2030-09-02}",
            "keep_until: 2027-09-02}",
            "feedback f1",
            "keep_until",
            FLAGGED,
            UNTIL,
        ),
    ],
)
def test_a_wrong_expectation_is_reported_as_expected_against_actual(
    tmp_path: Path, right: str, wrong: str, subject: str, key: str, expected: str, actual: str
) -> None:
    assert CASE.count(right) == 1
    ran = run_file(written(tmp_path, CASE.replace(right, wrong)))
    (difference,) = ran.differences
    assert str(difference) == (
        f"new chat: {subject} at 2025-09-03T00:00:00Z: {key}: expected `{expected}`, actual "
        f"`{actual}`"
    )
    assert str(ran) == "1 cases, 4 expectations, 1 differ"


def test_differences_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    early = CASE.replace(
        "- {at: 2025-09-03, feedback: f1, share: reply",
        "- {at: 2025-09-02, feedback: f1, share: rating",
    )
    ran = run_file(
        written(tmp_path, early.replace("because: permitted, until", "because: expired, until"))
    )
    assert [difference.subject.split()[0] for difference in ran.differences] == ["turn", "feedback"]


def test_an_expectation_sees_every_event_at_its_moment_and_none_later(tmp_path: Path) -> None:
    text = CASE.replace("at: 2025-09-03, turn", "at: 2025-09-02, turn")
    assert run_file(written(tmp_path, text)).differences == ()
    text = CASE.replace("at: 2025-09-03, turn", 'at: "2025-09-01T23:59:59Z", turn')
    because = {
        difference.key: difference.actual
        for difference in run_file(written(tmp_path, text)).differences
    }
    assert because == {"use": False, "because": "unknown", "until": None}


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("  policy: article-2025\n", "", "policy: key `policy`: is neither a preset nor a mapping"),
        ("policy: article-2025", "policy: article-2026", "`article-2026` is not a preset"),
        ("policy: article-2025", "policy: []", "names no policy"),
        ("policy: article-2025", "policy: [7]", "is neither a preset nor a mapping"),
        (
            "policy: article-2025",
            "policy: [{extends: strict, reach: chat}]",
            "`reach`: `chat` is not one of",
        ),
        (
            "policy: article-2025",
            "policy: [{extends: strict, keep: {erased: P1D}}]",
            "`keep.erased`: is not a key",
        ),
        (
            "policy: article-2025",
            "policy: [{extends: strict, choice: []}]",
            "`choice`: asks nothing",
        ),
        (
            "policy: article-2025",
            "policy: {extends: strict, material: false}",
            "is the first and not material",
        ),
        (
            "policy: article-2025",
            (
                "policy: [strict, {extends: strict, version: b, effective: 2026-01-01, "
                "material: false, choice: {covers: [ads]}}]"
            ),
            "version `b` is not material",
        ),
        ("  policy:", "  polcy: 1\n  policy:", "unknown key"),
        ("  events:", "  happened:", "unknown key"),
        ("  expect:", "  expect: 7\n  why:", "is missing or not a list"),
        ("do: choose", "do: chose", "event 2: Invalid value 'chose'"),
        ("allow: true", "allow: maybe", "event 2: Expected `bool`"),
        (
            "allow: true",
            "allow: true, scope: {project: p, conversation: c}",
            "event 2: a scope names a project or a",
        ),
        (
            "allow: true",
            "allow: true, scope: {}",
            "event 2: a scope names a project or a conversation, one of them",
        ),
        (
            "allow: true",
            "allow: true, scope: {project: ''}",
            "event 2: a scope names a project or a conversation",
        ),
        (
            "allow: true",
            "allow: true, scope: {team: p}",
            "event 2: Object contains unknown field `team`",
        ),
        (
            "allow: true",
            "allow: false, scope: {project: p}",
            "event 2: a no for a scope is `narrow`",
        ),
        ("allow: true", "allow: true, keep: [{project: p}]", "event 2: `keep` belongs to a no"),
        (
            "allow: true",
            "allow: false, keep: {project: p}",
            "event 2: Expected `array`, got `object`",
        ),
        (
            "choose, account: ana, allow: true",
            "narrow, account: ana",
            "event 2: names a conversation or a project, one",
        ),
        (
            "choose, account: ana, allow: true",
            "widen, account: ana, project: p, conversation: c",
            "event 2: names a",
        ),
        ("account: ana, allow", "allow", "event 2: Object missing required field `account`"),
        (
            "allow: true",
            "allow: true, colour: red",
            "event 2: Object contains unknown field `colour`",
        ),
        (
            "at: 2025-09-01, do: choose",
            "at: 2025-02-30, do: choose",
            "event 2: `2025-02-30` is not a time",
        ),
        (
            "at: 2025-09-01, do",
            "at: 2025-09-01 09:00:00, do",
            "event 2: `2025-09-01T09:00:00` has no offset",
        ),
        ("{at: 2025-09-01, do: choose", "{do: choose", "event 2: `None` is not a time"),
        (CHOICE, "choose", "event 2: is not a mapping"),
        (
            "conversation: c1, keep_until",
            "conversation: c1, account: ana, keep_until",
            "expectation 2: asks for 2 things",
        ),
        ("account: ana, gate: open", "gate: open", "expectation 3: asks for 0 things"),
        ("purpose: improve_models, ", "", "expectation 1: has no purpose"),
        ("account: ana, gate: open", "account: ana", "expectation 3: expects nothing"),
        ("account: ana, gate: open", "account: ana, gte: open", "expectation 3: unknown key"),
        (
            "{at: 2025-09-03, account: ana, gate",
            "{account: ana, gate",
            "expectation 3: `None` is not a time",
        ),
        ("keep_until: 2030-09-02}", "keep_until: later}", "expectation 4: `later` is not a time"),
        ("{at: 2025-09-03, account: ana, gate: open}", "open", "expectation 3: is not a mapping"),
    ],
)
def test_a_malformed_case_file_names_the_file_the_case_and_the_place(
    tmp_path: Path, right: str, wrong: str, told: str
) -> None:
    assert CASE.count(right) == 1
    path = written(tmp_path, CASE.replace(right, wrong))
    with pytest.raises(InputError) as caught:
        run_file(path)
    assert str(path) in caught.value.message
    assert "case `new chat`: " in caught.value.message
    assert told in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not a list of cases"),
        ("case: a", "is not a list of cases"),
        ("- case: [", "is not YAML"),
        ('[{"case": ', "is not YAML"),
        ("- case: a\n\tpolicy: b", "is not YAML"),
        ("- case: &a [*a]\n", "`*a` names no value before it"),
        ("- case: !odd 1\n", "`!odd` is not a tag of plain YAML"),
        ("- case: a\n---\n- case: b\n", "another document begins"),
        ("- [a]: b\n", "a key is not a name"),
        ("- just text\n", "case 1 is not a mapping"),
        ("- " + "[" * 500, "nested deeper than 100"),
        ("[" * 100_000, "exceeded maximum nesting depth"),
    ],
)
def test_a_file_that_holds_no_cases_is_an_error(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=r"cases\.yaml") as caught:
        run_file(path)
    assert told in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "a: &x {b: 1}\nc: *x",
        "- &b {k: 1, l: 2}\n- {<<: *b, l: 3, m: 4}",
        "- {<<: [{a: 1, b: 1}, {a: 2, c: 2}], b: 3}",
        "{'<<': 1}",
        (
            "a: 012\nb: 0x1F\nc: 1_000\nd: .inf\ne: ~\nf: on\ng: 2025-01-01\nh: "
            "'2025-01-01'\ni: !!str 5"
        ),
        "2025-01-01T01:02:03Z",
        "[]",
        "# only a comment",
        "",
        "! 5",
        "| \n  text\n  more",
        "1: 2\nnull: 3",
        CASE,
    ],
)
def test_a_text_means_what_the_safe_loader_says_it_means(text: str) -> None:
    assert parse_plain(text.encode()) == yaml.safe_load(text)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.yaml: cannot be read"):
        run_file(tmp_path / "absent.yaml")

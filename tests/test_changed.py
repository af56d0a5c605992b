"""A change is met by the tests that it can reach, the nearest first; what was left out is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import changed, touched
from .changed import ROOT, SECONDS_MAX, chosen, distances, imports, modules_of, sources

GRAPH = {
    "licet.low": set(),
    "licet.middle": {"licet.low"},
    "licet.other": set(),
    "tests.helper": {"licet.middle"},
    "tests.test_low": {"licet.low"},
    "tests.test_far": {"tests.helper"},
    "tests.test_other": {"licet.other"},
}


def test_a_module_is_as_far_as_its_shortest_chain_of_imports() -> None:
    assert distances(GRAPH, ["licet.low"], {}) == {
        "licet.low": 0,
        "licet.middle": 1,
        "tests.test_low": 1,
        "tests.helper": 2,
        "tests.test_far": 3,
    }


def test_what_ran_the_change_when_it_was_last_recorded_is_as_near_as_what_imports_it() -> None:
    found = distances(
        GRAPH, ["licet.low"], {"tests.test_far": {"licet.low"}, "tests.test_other": {"licet.other"}}
    )
    assert found["tests.test_far"] == 1
    assert "tests.test_other" not in found


def test_the_nearest_are_taken_until_their_seconds_are_spent_and_a_changed_test_always() -> None:
    spent = {"a": 10.0, "b": SECONDS_MAX - 30.0, "c": 60.0, "d": 10 * SECONDS_MAX}
    assert chosen({"a": 1, "b": 2, "c": 3}, spent) == (["a", "b"], ["c"])
    assert chosen({"d": 0, "a": 1}, spent) == (["d"], ["a"])


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    text = "import licet.a\nfrom . import b\ndef f():\n    from ..other.c import word\n"
    files = {"licet.a": "", "licet.room.b": "", "licet.other.c": "", "licet.room.x": text}
    modules = {}
    for name, content in files.items():
        modules[name] = tmp_path / f"{name}.py"
        modules[name].write_text(content, encoding="utf-8")
    assert imports(modules)["licet.room.x"] == {"licet.a", "licet.room.b", "licet.other.c"}


def test_a_file_that_is_no_module_counts_as_what_names_it() -> None:
    modules = sources()
    assert modules_of("src/licet/vault/content.py", modules) == {"licet.vault.content"}
    assert "tests.policy.test_reference" in modules_of("tests/spec/cases.yaml", modules)
    assert modules_of("run", modules) == set()


def test_a_change_of_a_room_in_the_middle_reaches_its_tests_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(changed, "files_changed", lambda _commit: ["src/licet/erasure/sweeper.py"])
    assert changed.main([]) == 0
    printed = capsys.readouterr()
    files = printed.out.split()
    assert "tests/erasure/test_sweeping.py" in files
    assert all((ROOT / file).is_file() for file in files)
    assert "left out" in printed.err


def test_where_nothing_changed_nothing_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(changed, "files_changed", lambda _commit: [])
    assert changed.main([]) == 0
    printed = capsys.readouterr()
    assert printed.out == "" and "nothing differs" in printed.err


def test_what_a_test_calls_is_heard() -> None:
    from licet.policy import period

    with touched.Listener() as heard:
        period.instant("2025-09-01")
    assert "licet.policy.period" in set(heard.modules())
    assert "licet.vault.content" not in set(heard.modules())

"""Every format has a folder of fixtures, which its reader alone recognises, and a golden file of
all they yield.

To change a golden file on purpose: ``TESTS_WRITE_GOLDEN=1 pytest tests/intake/test_fixtures.py``,
then read the diff.
"""

import os
from pathlib import Path

import pytest

from licet.errors import InputError
from licet.intake import formats
from licet.intake.lines import head
from licet.intake.read_turn import ReadTurn, SkippedRecord
from licet.policy.state import TurnRole

from ..reads import told

HERE = Path(__file__).parent
FIXTURES = HERE / "fixtures"
FORMATS = formats.names()


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_yields_what_its_golden_file_says(name):
    golden = HERE / "golden" / f"{name}.txt"
    yielded = "\n".join(told(item, FIXTURES) for item in formats.read(FIXTURES / name)) + "\n"
    if os.environ.get("TESTS_WRITE_GOLDEN"):
        golden.write_text(yielded)
    assert yielded == golden.read_text()


@pytest.mark.parametrize("name", FORMATS)
def test_a_fixture_is_recognised_by_its_own_format_and_no_other(name):
    files = [
        file
        for file in sorted((FIXTURES / name).rglob("*"))
        if file.is_file() and file.suffix != ".md"
    ]
    assert files
    for file in files:
        assert [r.name for r in formats.READERS if r.recognises(file, head(file))] == [name]
        assert formats.detect(file).name == name


def test_formats_and_fixture_folders_are_the_same_set():
    assert {folder.name for folder in FIXTURES.iterdir()} == set(FORMATS)
    assert {file.stem for file in (HERE / "golden").iterdir()} == set(FORMATS)


def test_reading_a_folder_twice_gives_equal_results():
    assert list(formats.read(FIXTURES)) == list(formats.read(FIXTURES))


def test_turn_ids_are_unique_within_a_conversation():
    turns = [item for item in formats.read(FIXTURES) if isinstance(item, ReadTurn)]
    assert len({(turn.host_conversation, turn.host_turn) for turn in turns}) == len(turns)


def test_only_what_a_person_typed_or_attached_is_a_user_turn_and_tools_are_never_usable():
    for item in formats.read(FIXTURES):
        if isinstance(item, ReadTurn):
            assert {
                TurnRole.user: item.origin in ("typed", "upload"),
                TurnRole.assistant: item.origin == "assistant",
                TurnRole.tool: item.origin == "tool",
                TurnRole.system: item.origin == "system",
            }[item.role]
            assert item.at is None or item.at.tzinfo is not None


def test_progress_hears_of_every_byte_of_the_files_that_are_read():
    heard = []
    list(formats.read(FIXTURES, heard.append))
    readable = [p for p in FIXTURES.rglob("*") if p.is_file() and p.suffix != ".md"]
    assert sum(heard) == formats.size(FIXTURES) == sum(p.stat().st_size for p in readable)
    assert min(heard) >= 0


def test_a_file_of_no_known_format_is_refused_by_name_and_with_the_formats_there_are(tmp_path):
    strange = tmp_path / "strange.json"
    strange.write_text('{"hello": "world"}')
    for path in (strange, tmp_path):
        with pytest.raises(InputError) as refused:
            formats.read(path)
        assert str(path) in str(refused.value)
        assert "world" not in str(refused.value)
        assert all(f"`{name}`" in refused.value.hint for name in FORMATS)
    with pytest.raises(InputError, match="no such file"):
        formats.detect(tmp_path / "absent")


def test_a_folder_may_hold_files_of_other_kinds_and_a_pipe_does_not_stop_it(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "b.jsonl").write_text('{"messages": [{"role": "user", "content": "hello"}]}')
    (tmp_path / "c.jsonl").write_text("")
    os.mkfifo(tmp_path / "d.jsonl")
    (tmp_path / "e.jsonl").symlink_to(tmp_path / "nowhere")
    assert [type(item) for item in formats.read(tmp_path)] == [
        SkippedRecord,
        ReadTurn,
        SkippedRecord,
    ]


def test_a_folder_is_read_without_what_its_links_lead_to(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.jsonl").write_text(
            f'{{"messages": [{{"role": "user", "content": "{folder.name}"}}]}}'
        )
    (inside / "b.jsonl").symlink_to(outside / "a.jsonl")
    (inside / "c").symlink_to(outside, target_is_directory=True)
    assert [turn.content.text for turn in formats.read(inside)] == ["inside"]
    # it was named itself
    assert [turn.content.text for turn in formats.read(inside / "b.jsonl")] == ["outside"]


def test_content_shows_nothing_of_itself_in_what_is_printed():
    for item in formats.read(FIXTURES / "messages"):
        if isinstance(item, ReadTurn):
            assert item.content.text not in repr(item.content) or not item.content.text
        else:
            assert "tomorrow" not in repr(item)

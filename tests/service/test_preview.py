"""What a preview shows is what a release holds, before a yes and after; and looking leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from licet.cli.command import main
from licet.consent.catalogue import catalogue
from licet.curate import release_build
from licet.errors import NotFoundError, RefusedError
from licet.policy.fold import NoEffect
from licet.policy.state import TurnRole
from licet.release.curation import LeftOut
from licet.release.decision_pages import EMPTY, ERASED, TOO_LARGE
from licet.service import preview
from licet.service.preview import Preview
from licet.store.connect import Pool
from licet.vault import commands as do
from licet.vault.content import Content, ToolCall
from licet.vault.ids import Prefix, shown

from ..installed import House

IMPROVE = "improve_models"
WORDS = catalogue()
MINE = "write to ana.ilves@firma.ee or call +372 5123 4567, please"


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    return House(pool, tmp_path / "data")


def talk(house: House, chat: str, said: str, **more: Any) -> None:
    house.say("ana", chat, said, **more)
    house.say("ana", chat, f"about {chat}: done", TurnRole.assistant)


def shown_texts(seen: Preview) -> list[str]:
    return sorted(turn.text for one in seen.conversations for turn in one.turns if turn.used)


def built(house: House, name: str) -> list[str]:
    release_build.build_release(house.here, name=name, purpose=IMPROVE)
    return sorted(house.words(name))


def test_what_is_shown_is_word_for_word_what_a_release_built_now_holds(house: House) -> None:
    ana = house.open("ana", allow=True)
    talk(house, "one", MINE)
    talk(house, "two", "how do I prune an apple tree")
    talk(house, "kept out", "nobody's business", narrow=True)
    house.say("ana", "one", "raw output", TurnRole.tool)
    seen = preview.preview(house.here, ana, IMPROVE)
    assert shown_texts(seen) == built(house, "r")
    assert {"ana.ilves@firma.ee", "+372 5123 4567"}.isdisjoint(" ".join(shown_texts(seen)))
    why = {turn.because for one in seen.conversations for turn in one.turns if not turn.used}
    assert why == {"narrowed", "origin"}


def test_each_replacement_is_shown_with_what_stood_there_and_what_it_was_taken_for(house: House) -> None:
    ana = house.open("ana", allow=True)
    talk(house, "one", MINE)
    (one,) = preview.preview(house.here, ana, IMPROVE).conversations
    turn = one.turns[0]
    was = MINE
    for each in turn.replaced:
        was = was.replace(each.was, each.becomes, 1)
    assert was == turn.text
    assert {each.kind for each in turn.replaced} == {"email", "phone"}


def test_what_a_yes_would_let_in_is_what_it_lets_in_once_the_chat_goes_on(house: House) -> None:
    ana = house.open("ana", allow=False)
    talk(house, "one", MINE)
    talk(house, "other", "something else")
    before = preview.preview(house.here, ana, IMPROVE)
    assert shown_texts(before) == []
    assert {turn.because for one in before.conversations for turn in one.turns} == {"declined"}
    chat = house.chats["one"]
    assumed = preview.preview(house.here, ana, IMPROVE, conversation=chat, assume=True)
    assert (assumed.refused, len(shown_texts(assumed))) == (None, 2)
    house.tell(
        do.Choose(account=ana, at=house.now, allow=True, question="training", scope=do.ChosenScope(conversation=chat))
    )
    house.say("ana", "one", "and now goes on")
    assert built(house, "r") == sorted([*shown_texts(assumed), "and now goes on"])


def test_a_yes_that_would_have_no_effect_says_why(house: House) -> None:
    ana = house.open("ana", allow=False)
    talk(house, "one", "left out", narrow=True)
    chat = house.chats["one"]
    seen = preview.preview(house.here, ana, IMPROVE, conversation=chat, assume=True)
    assert seen.refused is NoEffect.kept_out
    assert shown_texts(seen) == []


def test_a_project_is_shown_by_itself(house: House) -> None:
    ana = house.open("ana", allow=True)
    talk(house, "in it", "of the project", host_project=house.host("project", "p"))
    talk(house, "beside it", "of no project")
    project = house.query("SELECT project_id FROM projects")[0][0]
    seen = preview.preview(house.here, ana, IMPROVE, project=project)
    assert [one.conversation for one in seen.conversations] == [house.chats["in it"]]


def test_looking_writes_nothing_anywhere(house: House) -> None:
    ana = house.open("ana", allow=True)
    talk(house, "one", MINE)
    preview.preview(house.here, ana, IMPROVE)  # the installation's own folder is there from now on
    before, files = house.dump(), sorted(house.here.config.data.rglob("*"))
    preview.preview(house.here, ana, IMPROVE, assume=True)
    assert (house.dump(), sorted(house.here.config.data.rglob("*"))) == (before, files)


def test_another_s_chat_and_an_unknown_purpose_are_refused(house: House) -> None:
    house.open("ana", allow=True)
    bo = house.open("bo", allow=True)
    talk(house, "one", "of ana's")
    with pytest.raises(NotFoundError):
        preview.preview(house.here, bo, IMPROVE, conversation=house.chats["one"])
    with pytest.raises(RefusedError):
        preview.preview(house.here, bo, "advertising")


def test_pages_follow_one_another_and_show_each_chat_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = house.open("ana", allow=True)
    for n in range(5):
        talk(house, f"c{n}", f"question {n}")
    monkeypatch.setattr(preview, "PAGE_CONVERSATIONS_MAX", 2)
    found, after = [], None
    while True:
        page = preview.preview(house.here, ana, IMPROVE, after=after)
        found += [one.conversation for one in page.conversations]
        if page.next is None:
            break
        after = page.next
    assert found == sorted(house.chats.values())


def test_a_call_of_a_tool_is_shown_as_it_would_be_learnt(house: House) -> None:
    ana = house.open("ana", allow=True)
    house.say("ana", "one", "mail her")
    call = ToolCall(id="1", name="send", arguments='{"to": "ana.ilves@firma.ee"}')
    house.say("ana", "one", Content(text="", tool_calls=(call,)), TurnRole.assistant)
    (one,) = preview.preview(house.here, ana, IMPROVE).conversations
    assert "send" in one.turns[1].text
    assert [each.was for each in one.turns[1].replaced] == ["ana.ilves@firma.ee"]


words = st.text(alphabet="ab c\n.@", max_size=40)


@given(words, words)
def test_what_differs_put_in_its_place_gives_the_text_that_is_learnt(own: str, learnt: str) -> None:
    place, made = 0, ""
    for start, was, becomes in preview.differences(own, learnt):
        assert own.startswith(was, start)
        made += own[place:start] + becomes
        place = start + len(was)
    assert made + own[place:] == learnt


def test_the_command_shows_the_chats_of_the_person_of_this_machine(
    house: House, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.open("ana", allow=True)
    talk(house, "one", MINE)
    monkeypatch.setenv("LICET_DATABASE_URL", dsn)
    monkeypatch.setenv("LICET_DATA", str(house.here.config.data))
    monkeypatch.setenv("LICET_AGENT__ACCOUNT", "ana")
    name = shown(Prefix.conversation, house.chats["one"])
    done = CliRunner().invoke(main, ["preview", name])
    assert done.exit_code == 0, done.output
    assert "2 of 2 turns would be used" in done.output
    assert "replaced (email): ana.ilves@firma.ee -> " in done.output
    told = json.loads(CliRunner().invoke(main, ["preview", name, "--json"]).stdout)
    assert told["conversations"][0]["rows"] == 1


@pytest.mark.parametrize("because", [*LeftOut, EMPTY, TOO_LARGE, ERASED])
def test_what_curation_leaves_out_says_why(because: str) -> None:
    """Each reason that is none of the rule's has words of its own on the page."""
    assert WORDS.say(f"preview.because.{because}") != because


def test_a_chat_that_is_too_poor_is_left_out_as_a_release_leaves_it_out(house: House) -> None:
    ana = house.open("ana", allow=True)
    house.say("ana", "one", "buy it now\n" * 300)
    (one,) = preview.preview(house.here, ana, IMPROVE).conversations
    assert [(turn.used, turn.because) for turn in one.turns] == [(False, LeftOut.low_quality.value)]
    assert built(house, "r") == []

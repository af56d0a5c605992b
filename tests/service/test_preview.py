"""What a preview shows is what a release holds, before a yes and after; and looking leaves nothing
behind.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest
from click.testing import CliRunner

from licet.cli.command import main
from licet.config import Configuration, Curate
from licet.consent.catalogue import catalogue
from licet.curate import release_build
from licet.errors import BusyError, NotFoundError, RefusedError
from licet.policy.file import preset
from licet.policy.outcomes import NoEffect
from licet.policy.state import TurnRole
from licet.release.curation import LeftOut
from licet.release.decision_pages import EMPTY, ERASED, TOO_LARGE
from licet.service import preview
from licet.service.preview import PreviewBounds
from licet.service.preview_result import BeyondBound, Preview, PreviewBound
from licet.store.connect import Pool
from licet.vault import commands as do
from licet.vault.content import Content, ToolCall
from licet.vault.ids import Prefix, format_id

from ..installed import House

IMPROVE = "improve_models"
WORDS = catalogue()
WORDS_OF = [
    f"{a}{b}"
    for a in (
        "garden",
        "letter",
        "bridge",
        "winter",
        "number",
        "window",
        "summer",
        "market",
        "silver",
        "copper",
    )
    for b in ("s", "keeper", "less", "side", "maker", "light", "house", "stone", "work", "way")
]
MINE = "write to ana.ilves@firma.ee or call +372 5123 4567, please"


def talk(house: House, chat: str, said: str, **more: Any) -> None:
    house.say("ana", chat, said, **more)
    house.say("ana", chat, f"about {chat}: done", TurnRole.assistant)


def shown_texts(seen: Preview) -> list[str]:
    return sorted(turn.text for one in seen.conversations for turn in one.turns if turn.used)


def built(house: House, name: str) -> list[str]:
    release_build.build_release(house.installation, name=name, purpose=IMPROVE)
    return sorted(house.words(name))


def test_what_is_shown_is_word_for_word_what_a_release_built_now_holds(house: House) -> None:
    ana = house.open("ana", allow=True)
    talk(house, "one", MINE)
    talk(house, "two", "how do I prune an apple tree")
    talk(house, "kept out", "nobody's business", narrow=True)
    house.say("ana", "one", "raw output", TurnRole.tool)
    seen = preview.preview(house.installation, ana, IMPROVE)
    assert shown_texts(seen) == built(house, "r")
    assert {"ana.ilves@firma.ee", "+372 5123 4567"}.isdisjoint(" ".join(shown_texts(seen)))
    why = {turn.because for one in seen.conversations for turn in one.turns if not turn.used}
    assert why == {"narrowed", "origin"}


def test_each_replacement_is_shown_with_what_stood_there_and_what_it_was_taken_for(
    house: House,
) -> None:
    ana = house.open("ana", allow=True)
    talk(house, "one", MINE)
    (one,) = preview.preview(house.installation, ana, IMPROVE).conversations
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
    before = preview.preview(house.installation, ana, IMPROVE)
    assert shown_texts(before) == []
    assert {turn.because for one in before.conversations for turn in one.turns} == {"declined"}
    chat = house.chats["one"]
    assumed = preview.preview(house.installation, ana, IMPROVE, conversation=chat, assume=True)
    assert (assumed.refused, len(shown_texts(assumed))) == (None, 2)
    house.tell(
        do.Choose(
            account=ana,
            at=house.now,
            allow=True,
            question="training",
            scope=do.ChosenScope(conversation=chat),
        )
    )
    house.say("ana", "one", "and now goes on")
    assert built(house, "r") == sorted([*shown_texts(assumed), "and now goes on"])


def test_a_yes_that_would_have_no_effect_says_why(house: House) -> None:
    ana = house.open("ana", allow=False)
    talk(house, "one", "left out", narrow=True)
    chat = house.chats["one"]
    seen = preview.preview(house.installation, ana, IMPROVE, conversation=chat, assume=True)
    assert seen.refused is NoEffect.kept_out
    assert shown_texts(seen) == []


def test_a_project_is_shown_by_itself(house: House) -> None:
    ana = house.open("ana", allow=True)
    talk(house, "in it", "of the project", host_project=house.host("project", "p"))
    talk(house, "beside it", "of no project")
    project = house.query("SELECT project_id FROM projects")[0][0]
    seen = preview.preview(house.installation, ana, IMPROVE, project=project)
    assert [one.conversation for one in seen.conversations] == [house.chats["in it"]]


def test_looking_writes_nothing_anywhere(house: House) -> None:
    ana = house.open("ana", allow=True)
    talk(house, "one", MINE)
    preview.preview(
        house.installation, ana, IMPROVE
    )  # the installation's own folder is there from now on
    before, files = house.dump(), sorted(house.installation.config.data.rglob("*"))
    preview.preview(house.installation, ana, IMPROVE, assume=True)
    assert (house.dump(), sorted(house.installation.config.data.rglob("*"))) == (before, files)


def test_another_s_chat_and_an_unknown_purpose_are_refused(house: House) -> None:
    house.open("ana", allow=True)
    bo = house.open("bo", allow=True)
    talk(house, "one", "of ana's")
    with pytest.raises(NotFoundError):
        preview.preview(house.installation, bo, IMPROVE, conversation=house.chats["one"])
    with pytest.raises(RefusedError):
        preview.preview(house.installation, bo, "advertising")


def test_pages_follow_one_another_and_show_each_chat_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = house.open("ana", allow=True)
    for n in range(5):
        talk(house, f"c{n}", f"question {n}")
    monkeypatch.setattr(preview, "PAGE_CONVERSATIONS_MAX", 2)
    found, after = [], None
    while True:
        page = preview.preview(house.installation, ana, IMPROVE, after=after)
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
    (one,) = preview.preview(house.installation, ana, IMPROVE).conversations
    assert "send" in one.turns[1].text
    assert [each.was for each in one.turns[1].replaced] == ["ana.ilves@firma.ee"]


def test_every_replacement_is_told_in_order_however_many_there_are(house: House) -> None:
    ana = house.open("ana", allow=True)
    lines = (
        f"a{n}@firma.ee asked {WORDS_OF[n % 97]} of a{n + 1}@firma.ee, {WORDS_OF[n % 89]}"
        for n in range(300)
    )
    house.say("ana", "one", "\n".join(lines))
    (one,) = preview.preview(house.installation, ana, IMPROVE).conversations
    (turn,) = one.turns
    assert [each.was for each in turn.replaced] == [
        f"a{m}@firma.ee" for n in range(300) for m in (n, n + 1)
    ]
    place = 0
    for each in turn.replaced:
        place = turn.text.index(each.becomes, place) + len(each.becomes)


def pages(house: House, account: UUID, bounds: PreviewBounds) -> list[Preview]:
    found, after = [], None
    while True:
        found.append(
            preview.preview(house.installation, account, IMPROVE, after=after, bounds=bounds)
        )
        assert len(found) < 50
        after = found[-1].next
        if after is None:
            return found


@pytest.mark.parametrize("bounds", [PreviewBounds(turns_max=5), PreviewBounds(bytes_max=2_500)])
def test_a_page_is_bounded_in_turns_and_in_bytes_and_the_pages_show_everything(
    house: House, bounds: PreviewBounds
) -> None:
    ana = house.open("ana", allow=True)
    rng = Random(1)
    for n in range(5):
        talk(house, f"c{n}", " ".join(f"word{rng.randrange(10**6)}" for _ in range(80)))
    found = pages(house, ana, bounds)
    assert [len(page.conversations) for page in found] == [2, 2, 1]
    assert [one.conversation for page in found for one in page.conversations] == sorted(
        house.chats.values()
    )
    assert sorted(text for page in found for text in shown_texts(page)) == built(house, "r")


def test_a_chat_that_no_page_holds_says_how_long_it_is_and_the_others_are_shown(
    house: House,
) -> None:
    ana = house.open("ana", allow=True)
    talk(house, "first", "short")
    house.say("ana", "packs well", "z" * 5_000)
    for _ in range(6):
        house.say("ana", "many turns", "said")
    talk(house, "last", "short as well")
    found = pages(house, ana, PreviewBounds(turns_max=5, bytes_max=4_000))
    seen = {one.conversation: one for page in found for one in page.conversations}
    assert list(seen) == sorted(house.chats.values())
    bytes_of = seen[house.chats["packs well"]].beyond
    assert bytes_of is not None
    assert (bytes_of.bound, bytes_of.most, bytes_of.found > 5_000) == (
        PreviewBound.bytes,
        4_000,
        True,
    )
    turns = seen[house.chats["many turns"]]
    assert (turns.beyond, turns.turns) == (
        BeyondBound(bound=PreviewBound.turns, found=6, most=5),
        (),
    )
    assert [len(seen[house.chats[name]].turns) for name in ("first", "last")] == [2, 2]
    whole = preview.preview(house.installation, ana, IMPROVE, bounds=preview.A_COMMAND)
    assert shown_texts(whole) == built(house, "r")


def test_what_is_not_used_counts_for_no_bytes(house: House) -> None:
    ana = house.open("ana", allow=False)
    house.say("ana", "one", "z" * 5_000)
    (one,) = preview.preview(
        house.installation, ana, IMPROVE, bounds=PreviewBounds(bytes_max=4_000)
    ).conversations
    assert (one.beyond, [turn.because for turn in one.turns]) == (None, ["declined"])


def test_a_long_chat_is_read_for_names_in_parts_and_then_shown_whole(house: House) -> None:
    config = Configuration(data=house.installation.config.data, curate=Curate(names="built-in"))
    house.installation = msgspec.structs.replace(house.installation, config=config)
    ana = house.open("ana", allow=True)
    talk(house, "before", "short")
    for n in range(6):
        house.say("ana", "long", f"{n} " + "Jane Poole went to see the gardens. " * 10)
    house.say("ana", "one message", "a letter to nobody. " * 100)
    talk(house, "after", "short as well")
    found = pages(house, ana, PreviewBounds(names_max=1_000))
    parts = [
        one
        for page in found
        for one in page.conversations
        if one.conversation == house.chats["long"]
    ]
    left = [one.unread for one in parts]
    assert left == sorted(set(left), reverse=True)
    assert left[-1] == 0 < left[0]
    assert all(page.conversations[-1].unread for page in found[:-1])
    seen = {one.conversation: one for page in found for one in page.conversations}
    assert seen[house.chats["one message"]].beyond == BeyondBound(
        bound=PreviewBound.message_weight, found=2_100, most=1_000
    )
    whole = preview.preview(house.installation, ana, IMPROVE, bounds=preview.A_COMMAND)
    kept = [turn.text for one in seen.values() for turn in one.turns if turn.used]
    letter = [
        turn.text
        for one in whole.conversations
        if one.conversation not in seen or seen[one.conversation].beyond
        for turn in one.turns
        if turn.used
    ]
    assert sorted(kept + letter) == built(house, "r")


def test_a_long_chat_with_none_before_it_is_read_to_its_end_too(house: House) -> None:
    config = Configuration(data=house.installation.config.data, curate=Curate(names="built-in"))
    house.installation = msgspec.structs.replace(house.installation, config=config)
    ana = house.open("ana", allow=True)
    for n in range(6):
        house.say("ana", "long", f"{n} " + "Mary Hale went to see the gardens. " * 10)
    found = pages(house, ana, PreviewBounds(names_max=1_000))
    assert found[0].conversations[0].unread > 0
    assert found[-1].conversations[0].unread == 0


def test_one_preview_is_made_at_a_time_and_another_is_asked_to_come_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = house.open("ana", allow=True)
    monkeypatch.setattr(preview, "WAIT_SECONDS_MAX", 0.01)
    with preview._one_at_a_time, pytest.raises(BusyError):
        preview.preview(house.installation, ana, IMPROVE)
    assert preview.preview(house.installation, ana, IMPROVE).conversations == ()


def test_the_command_shows_the_chats_of_the_person_of_this_machine(
    house: House, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.open("ana", allow=True)
    talk(house, "one", MINE)
    monkeypatch.setenv("LICET_DATABASE_URL", dsn)
    monkeypatch.setenv("LICET_DATA", str(house.installation.config.data))
    monkeypatch.setenv("LICET_AGENT__ACCOUNT", "ana")
    name = format_id(Prefix.conversation, house.chats["one"])
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
    (one,) = preview.preview(house.installation, ana, IMPROVE).conversations
    assert [(turn.used, turn.because) for turn in one.turns] == [(False, LeftOut.low_quality.value)]
    assert built(house, "r") == []


def test_what_is_replaced_in_the_tools_that_a_chat_was_offered_is_shown(
    pool: Pool, tmp_path: Path
) -> None:
    policy = preset("article-2025")
    policy = msgspec.structs.replace(policy, origins=policy.origins | {"system"})
    house = House(pool, tmp_path / "data", policy)
    ana = house.open("ana", allow=True)
    tools = '[{"name":"send","description":"as ana.ilves@firma.ee does"}]'
    house.say("ana", "one", Content(text="Be brief.", tools=tools), TurnRole.system)
    house.talk("ana", "one")
    (one,) = preview.preview(house.installation, ana, IMPROVE).conversations
    shown = {turn.role: [each.was for each in turn.replaced] for turn in one.turns}
    assert shown[TurnRole.system] == ["ana.ilves@firma.ee"]

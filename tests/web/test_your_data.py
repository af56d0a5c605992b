"""Your data: one line of what there is, chats found and changed several at once, each with its
words, and the timeline.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

from licet.consent import conversation_search, own_conversations
from licet.consent.catalogue import catalogue
from licet.consent.conversation_search import ConversationQuery, UseFilter
from licet.consent.own_conversations import Use
from licet.consent.selected_conversations import SELECTED_MAX
from licet.erasure import sweeper
from licet.policy.state import TurnRole
from licet.store.connect import transaction
from licet.vault.commands import AddTurn, Delete, Hold, Widen
from licet.vault.content import Content, ToolCall, encode
from licet.vault.ids import host_hmac
from licet.vault.installation import load_policies
from licet.web.pages import conversations, selection

from .served import World, api, world
from .test_recipients_page import given
from .test_recipients_page import lab as lab
from .test_sentences import DAY, choose, mine, narrow, page, plain
from .test_sentences import ana as ana
from .test_timeline import learnt

__all__ = ["ana", "api", "lab", "world"]  # fixtures

WORDS = catalogue("en")


def shown_ids(answer: str) -> list[str]:
    """The chats of a list, in order."""
    return re.findall(r'<li id="(conv_[0-9a-f]+)"', answer)


def find(world: World, api: Any, **fields: str) -> list[str]:
    """The chats that a search leads to."""
    answer = api.post(
        "/chats/search", headers=world.browser("ana"), data=fields, follow_redirects=False
    )
    assert answer.status_code == 303
    return shown_ids(api.get(answer.headers["location"], headers=world.browser("ana")).text)


def select(world: World, api: Any, act: str, *chats: str, **more: Any) -> Any:
    """What a form about several chats answers."""
    data = {"act": act, "chat": list(chats), **more}
    return api.post("/selection", headers=world.browser("ana"), data=data, follow_redirects=False)


def told(world: World, api: Any, answer: Any) -> str:
    """What the page says to which an answer leads."""
    assert answer.status_code == 303, answer.text
    found = api.get(answer.headers["location"].partition("#")[0], headers=world.browser("ana"))
    assert found.status_code == 200
    status = re.search(r'<(div|p)[^>]*role="status".*?</\1>', found.text, re.DOTALL)
    assert status is not None
    return plain(status[0])


def test_the_summary_counts_what_the_rule_answers_and_names_the_next_end(
    ana: World, api: Any
) -> None:
    ana.say("ana", "Before")
    choose(ana, True)
    ana.say("ana", "Bees")
    out, gone = ana.say("ana", "Kept out"), ana.say("ana", "Deleted")
    narrow(ana, out)
    narrow(ana, gone, Delete)
    said = page(ana, api, "/chats")
    there = [one for one in mine(ana) if one.deleted_at is None]
    used = sum(any(badge.use is not Use.none for badge in one.badges) for one in there)
    assert (len(there), used) == (3, 1)
    ends = min(one.keep_until for one in there if one.keep_until is not None)
    assert "3 chats: 1 may be used, 2 not." in said
    assert WORDS.say("chats.summary.next", day=WORDS.day(ends + DAY)) in said
    assert WORDS.count("chats.summary.deleted", 1) in said


def test_what_is_counted_as_usable_is_what_the_badges_say(ana: World) -> None:
    choose(ana, True)
    for number in range(8):
        conversation = ana.say("ana", f"Chat {number}")
        ana.say("ana", f"Chat {number}", "In November.", TurnRole.assistant)
        if number % 3 == 0:
            narrow(ana, conversation)
        if number % 4 == 1:
            ana.flag("ana", conversation)
    choose(ana, False)
    ana.say("ana", "After the no")
    with transaction(ana.installation.pool) as tx:
        known = load_policies(ana.installation)
        counted = conversation_search.count_conversations(
            tx, known, ana.accounts["ana"], ana.clock.now
        )
        found = conversation_search.search(
            tx,
            ana.installation.keyring,
            known,
            ana.accounts["ana"],
            ana.clock.now,
            ConversationQuery(use=UseFilter.may),
        )
    usable = [
        one.conversation
        for one in mine(ana)
        if any(badge.use is not Use.none for badge in one.badges)
    ]
    assert counted.usable == len(usable) > 0
    assert counted.conversations == 9
    assert [one.conversation for one in found.listed.conversations] == usable


def test_chats_are_found_by_words_of_their_titles_and_no_address_has_the_words(
    ana: World, api: Any
) -> None:
    ana.open("ben", allow=True)
    ana.say("ben", "Bees of somebody else")
    roof, bees = ana.say("ana", "The ROOF of the landlord"), ana.say("ana", "Bees in winter")
    assert find(ana, api, words="roof landlord") == [roof]
    assert find(ana, api, words="BEES") == [bees]
    assert find(ana, api, words="nothing of the kind") == []
    assert set(find(ana, api, words="")) == {roof, bees}
    answer = api.post(
        "/chats/search",
        headers=ana.browser("ana"),
        data={"words": "landlord"},
        follow_redirects=False,
    )
    (sealed,) = parse_qs(urlsplit(answer.headers["location"]).query)["found"]
    assert "landlord" not in answer.headers["location"]
    other = api.get(f"/chats?found={sealed}", headers=ana.browser("ben"))
    assert other.status_code == 404, "an address is of no use to anybody else"


def test_chats_are_filtered_by_use_by_keeping_out_and_by_project(ana: World, api: Any) -> None:
    choose(ana, True)
    bees, out = ana.say("ana", "Bees"), ana.say("ana", "Out")
    narrow(ana, out)
    account = ana.accounts["ana"]
    host = ana.site.host_key
    secret = AddTurn(
        account=account,
        at=ana.clock.now,
        content=encode(Content(text="psst")),
        incognito=True,
        host_conversation=host_hmac(host, "conversation", "secret"),
    )
    within = AddTurn(
        account=account,
        at=ana.clock.now,
        content=encode(Content(text="at work")),
        host_conversation=host_hmac(host, "conversation", "work"),
        host_project=host_hmac(host, "project", "p"),
    )
    answers = ana.tell(secret, within)
    psst, work = (f"conv_{one.conversation.hex}" for one in answers if one.conversation is not None)
    assert set(find(ana, api, use="may")) == {work, bees}
    assert set(find(ana, api, use="not")) == {psst, out}
    assert find(ana, api, use="kept_out") == [out]
    assert find(ana, api, use="incognito") == [psst]
    ((project,),) = ana.rows("SELECT project_id FROM projects")
    assert find(ana, api, project=f"proj_{project.hex}") == [work]
    page = api.get(f"/projects/proj_{project.hex}", headers=ana.browser("ana")).text
    listed = page.partition('<ol class="chats">')[2].partition("</ol>")[0]
    assert (
        listed.count(f'href="/chats/{work}"'),
        listed.count("<li>"),
        listed.count('class="badge '),
    ) == (1, 1, 1)
    assert f'href="/chats?project=proj_{project.hex}">{WORDS.say("project.chats.all")}' in page
    assert find(ana, api, use="may", words="bees") == [bees]


def test_a_search_stops_at_its_bound_and_goes_on_from_there(
    ana: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ana.say("ana", "The needle")
    for number in range(60):
        ana.say("ana", f"Hay {number}")
    monkeypatch.setattr(conversation_search, "LOOKED_MAX", 25)
    known, found, before, pages = load_policies(ana.installation), [], None, 0
    with transaction(ana.installation.pool) as tx:
        while True:
            result = conversation_search.search(
                tx,
                ana.installation.keyring,
                known,
                ana.accounts["ana"],
                ana.clock.now,
                ConversationQuery(words="needle"),
                before=before,
            )
            found += [one.shown_id for one in result.listed.conversations]
            pages, before = pages + 1, result.listed.next
            assert result.stopped == (before is not None)
            if before is None:
                break
    assert (found, pages) == ([first], 3)


def test_several_chats_are_kept_out_and_let_in_at_once_and_what_had_no_effect_says_why(
    ana: World, api: Any
) -> None:
    choose(ana, True)
    bees, roof, out = ana.say("ana", "Bees"), ana.say("ana", "Roof"), ana.say("ana", "Out")
    narrow(ana, out)
    answer = select(ana, api, "keep_out", bees, roof, out)
    said = told(ana, api, answer)
    assert WORDS.count("selected.keep_out", 2) in said
    assert (
        WORDS.say("selected.none", title="Out", because=WORDS.say("selected.because.kept_out"))
        in said
    )
    assert all(one.kept_out for one in mine(ana))
    again = told(ana, api, select(ana, api, "keep_out", bees, roof))
    assert "Kept out:" not in again, "sent twice it does nothing, and says so"
    assert again.count(WORDS.say("selected.because.kept_out")) == 2
    stale = told(ana, api, select(ana, api, "let_in", bees, seen=f"{bees}:0"))
    assert WORDS.say("selected.because.again") in stale
    let = told(ana, api, select(ana, api, "let_in", bees, roof, seen=[f"{bees}:1", f"{roof}:1"]))
    assert WORDS.count("selected.let_in", 2) in let
    assert {one.title for one in mine(ana) if one.kept_out} == {"Out"}


def test_an_undo_takes_back_what_destroyed_nothing(ana: World, api: Any) -> None:
    choose(ana, True)
    bees = ana.say("ana", "Bees")
    for act, verb in (("keep_out", "let_in"), ("let_in", "keep_out")):
        was = mine(ana)[0]
        answer = select(ana, api, act, bees, seen=f"{bees}:{was.narrowings}")
        text = api.get(
            answer.headers["location"].partition("#")[0], headers=ana.browser("ana")
        ).text
        (form,) = re.findall(
            r'<form class="acts small" method="post" action="/selection">.*?</form>',
            text,
            re.DOTALL,
        )
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        assert fields["act"] == verb
        assert WORDS.say(f"undo.{verb}.means{'.whole' if verb == 'let_in' else ''}") in plain(form)
        kept_out = mine(ana)[0].kept_out
        undone = api.post(
            "/selection", headers=ana.browser("ana"), data=fields, follow_redirects=False
        )
        assert undone.status_code == 303
        assert mine(ana)[0].kept_out != kept_out
        select(ana, api, act, bees, seen=f"{bees}:{mine(ana)[0].narrowings}")


def test_several_chats_are_deleted_after_a_page_that_names_what_is_destroyed(
    ana: World, api: Any
) -> None:
    choose(ana, True)
    bees, roof, stays = ana.say("ana", "Bees"), ana.say("ana", "Roof"), ana.say("ana", "Stays")
    answer = select(ana, api, "delete", bees, roof)
    assert len(mine(ana)) == 3 and all(one.deleted_at is None for one in mine(ana)), (
        "it is asked first"
    )
    asked = plain(api.get(answer.headers["location"], headers=ana.browser("ana")).text)
    for line in ("now", "releases", "models"):
        assert WORDS.say(f"delete.means.{line}.several") in asked
    assert "Bees" in asked and "Roof" in asked and "Stays" not in asked
    sent_form = api.post(
        "/selection/delete",
        headers=ana.browser("ana"),
        data={"chat": [bees, roof]},
        follow_redirects=False,
    )
    said = told(ana, api, sent_form)
    assert WORDS.count("selected.delete", 2) in said
    gone = {one.shown_id: one for one in mine(ana) if one.deleted_at is not None}
    assert set(gone) == {bees, roof}
    until = max(one.keep_until for one in gone.values() if one.keep_until is not None) + DAY
    assert WORDS.say("selected.delete.until", day=WORDS.day(until)) in said
    assert stays in {one.shown_id for one in mine(ana) if one.deleted_at is None}


def test_a_deletion_of_several_under_a_hold_says_that_a_copy_is_kept(ana: World, api: Any) -> None:
    bees, roof = ana.say("ana", "Bees"), ana.say("ana", "Roof")
    hold = Hold(
        account=ana.accounts["ana"], at=ana.clock.now, conversation=UUID(hex=bees[5:]), matter="m"
    )
    ana.tell(hold)
    asked = page(ana, api, f"/selection/delete?chats={bees[5:]},{roof[5:]}")
    assert WORDS.say("delete.means.held.several") in asked
    answer = api.post(
        "/selection/delete",
        headers=ana.browser("ana"),
        data={"chat": [bees, roof]},
        follow_redirects=False,
    )
    assert WORDS.say("selected.delete.held") in told(ana, api, answer)


def test_a_selection_is_of_ones_own_chats_and_of_a_bounded_number(ana: World, api: Any) -> None:
    ana.open("ben", allow=True)
    other, bees = ana.say("ben", "Roof"), ana.say("ana", "Bees")
    assert select(ana, api, "keep_out", bees, other).status_code == 404
    assert not mine(ana)[0].kept_out, "nothing of it was done"
    assert (
        api.get(f"/selection/delete?chats={other[5:]}", headers=ana.browser("ana")).status_code
        == 404
    )
    many = [f"conv_{number:032x}" for number in range(SELECTED_MAX + 1)]
    assert select(ana, api, "keep_out", *many).status_code == 400
    assert WORDS.say("selected.nothing") in told(ana, api, select(ana, api, "keep_out"))


def test_a_chat_opens_with_its_words_each_part_with_its_answer_and_its_end(
    ana: World, api: Any
) -> None:
    choose(ana, True)
    chat = ana.say("ana", "Bees", "said under the yes")
    narrow(ana, chat)
    ana.say("ana", "Bees", "said while <it> was out")
    narrow(ana, chat, Widen)
    ana.clock.set(ana.clock.now + DAY)
    ana.say("ana", "Bees", "said since")
    ana.say("ana", "Bees", "In November.", TurnRole.assistant)
    raw = api.get(f"/chats/{chat}", headers=ana.browser("ana")).text
    assert "said while &lt;it&gt; was out" in raw
    with transaction(ana.installation.pool) as tx:
        known, (one,) = load_policies(ana.installation), mine(ana)
        found = own_conversations.list_parts(
            tx, ana.installation.keyring, known, one, ana.accounts["ana"], ana.clock.now
        )
    texts = [plain(part) for part in re.split(r'<section aria-label="Message', raw)[1:]]
    said = ("said under the yes", "said while", "said since You")
    assert [word in text for word, text in zip(said, texts, strict=True)] == [True, True, False]
    assert "said since" in texts[2] and "In November." in texts[2]
    for part, text in zip(found.parts, texts, strict=True):
        assert part.keep_until is not None
        assert WORDS.say("chats.kept", day=WORDS.day(part.keep_until)) in text
        for badge in part.badges:
            assert WORDS.say(f"use.{badge.use.value}") in text
            until = badge.until
            ends = (
                f"until {WORDS.day(until)}"
                if until
                else f"because {WORDS.say(f'because.{badge.reason}')}"
            )
            assert ends in text
    assert "because you had kept it out when it was said" in texts[1]
    assert "May be used" in texts[2] and "May be used" not in texts[1]


def test_the_words_of_a_long_chat_come_page_by_page(ana: World, api: Any) -> None:
    for number in range(own_conversations.PAGE_TURNS_MAX + 3):
        chat = ana.say("ana", "Long", f"message {number:03}.")
    first = page(ana, api, f"/chats/{chat}")
    assert (
        "message 000." in first and f"message {own_conversations.PAGE_TURNS_MAX:03}." not in first
    )
    rest = page(ana, api, f"/chats/{chat}?after={own_conversations.PAGE_TURNS_MAX}")
    assert (
        f"message {own_conversations.PAGE_TURNS_MAX + 2:03}." in rest and "message 000." not in rest
    )


def test_what_is_deleted_is_not_shown_in_words(ana: World, api: Any) -> None:
    chat = ana.say("ana", "Bees", "a sentence of mine")
    narrow(ana, chat, Delete)
    said = page(ana, api, f"/chats/{chat}")
    assert "a sentence of mine" not in said
    assert WORDS.say("chat.words.closed") in said


def test_nobody_else_reads_the_words_of_a_chat(ana: World, api: Any) -> None:
    chat = ana.say("ana", "Bees", "a sentence of mine")
    ana.open("ben", allow=True)
    answer = api.get(f"/chats/{chat}", headers=ana.browser("ben"))
    assert answer.status_code == 404 and "sentence of mine" not in answer.text


def test_what_a_message_holds_beside_its_text_and_what_is_cut_is_said(
    ana: World, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(ana, True)
    chat = ana.say("ana", "Bees", "said under the yes")
    narrow(ana, chat)
    called = Content(
        text="0123456789abc",
        attachments=("plan.pdf",),
        tool_calls=(ToolCall(id="1", name="weather", arguments="{}"),),
    )
    said = AddTurn(
        account=ana.accounts["ana"],
        at=ana.clock.now,
        conversation=UUID(hex=chat[5:]),
        role=TurnRole.assistant,
        content=encode(called),
    )
    ana.tell(said)
    monkeypatch.setattr(conversations, "TEXT_CHARACTERS_MAX", 10)
    text = page(ana, api, f"/chats/{chat}")
    assert "0123456789" in text and "0123456789a" not in text
    assert WORDS.say("chat.turn.cut") in text
    assert WORDS.say("chat.turn.file", name="plan.pdf") in text
    assert WORDS.say("chat.turn.call", name="weather") in text
    narrow(ana, chat, Widen)
    ana.say("ana", "Bees", "said since")
    ana.clock.set(ana.clock.now + 40 * DAY)
    later = page(ana, api, f"/chats/{chat}")
    assert later.count(WORDS.say("chat.turn.closed")) == 1, (
        "the time of what was said while it was out is over"
    )
    assert "said since" in later


def test_the_summary_says_what_is_left_beside_the_chats(
    ana: World, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    flagged = ana.say("ana", "Flagged")
    ana.flag("ana", flagged)
    narrow(ana, flagged, Delete)
    ana.clock.set(ana.clock.now + 40 * DAY)
    sweeper.sweep(ana.installation)
    choose(ana, False)
    for number in range(6):
        ana.say("ana", f"Chat {number}")
    said = page(ana, api, "/chats")
    assert WORDS.count("chats.summary.copied", 1) in said
    assert "6 chats: 0 may be used, 6 not." in said
    assert WORDS.say("chats.summary.newest") not in said
    monkeypatch.setattr(conversation_search, "BATCH_CONVERSATIONS", 1)
    monkeypatch.setattr(conversation_search, "COUNTED_MAX", 4)
    assert WORDS.say("chats.summary.newest") in page(ana, api, "/chats")


@pytest.mark.parametrize(("chats", "are_more"), [(7, False), (8, False), (9, True)])
def test_as_many_chats_as_are_counted_are_not_more(
    ana: World, api: Any, monkeypatch: pytest.MonkeyPatch, chats: int, are_more: bool
) -> None:
    monkeypatch.setattr(conversation_search, "BATCH_CONVERSATIONS", 1)  # four are read at a time
    monkeypatch.setattr(conversation_search, "COUNTED_MAX", 8)
    already = len(ana.rows("SELECT 1 FROM conversations"))
    for number in range(chats - already):
        ana.say("ana", f"Chat {number}")
    assert (WORDS.say("chats.summary.newest") in page(ana, api, "/chats")) is are_more


def test_why_an_act_did_nothing_is_said_from_what_the_chat_is(ana: World, api: Any) -> None:
    flagged, bees, gone = ana.say("ana", "Flagged"), ana.say("ana", "Bees"), ana.say("ana", "Gone")
    secret = AddTurn(
        account=ana.accounts["ana"],
        at=ana.clock.now,
        content=encode(Content(text="psst")),
        incognito=True,
        host_conversation=host_hmac(ana.site.host_key, "conversation", "secret"),
    )
    (answer,) = ana.tell(secret)
    assert answer.conversation is not None
    narrow(ana, gone, Delete)
    said = told(ana, api, select(ana, api, "keep_out", f"conv_{answer.conversation.hex}", gone))
    assert WORDS.say("selected.because.incognito") in said
    assert WORDS.say("selected.because.deleted") in said
    assert WORDS.say("selected.because.let_in") in told(
        ana, api, select(ana, api, "let_in", bees, seen=f"{bees}:0")
    )
    ana.flag("ana", flagged)
    ana.clock.set(ana.clock.now + 40 * DAY)
    sweeper.sweep(ana.installation)
    assert WORDS.say("selected.because.erased") in told(
        ana, api, select(ana, api, "let_in", flagged)
    )


def test_a_deletion_names_the_releases_recipients_and_models_that_there_are(
    api: Any, lab: World, tmp_path: Path
) -> None:
    learnt(lab, "ana", "pelican")
    given(lab, tmp_path / "out")
    (chat,) = mine(lab)
    other = lab.say("ana", "In no training set")
    path = f"/selection/delete?chats={chat.conversation.hex},{other[5:]}"
    for asked in (page(lab, api, path), page(lab, api, f"/chats/{chat.shown_id}/delete")):
        assert WORDS.say("delete.means.releases.named", names="autumn") in asked
        assert WORDS.say("delete.means.recipients", names="lab-one") in asked
        assert WORDS.say("delete.means.models.named", names="pelican") in asked
    without = page(lab, api, f"/chats/{other}/delete")
    assert "autumn" not in without and "lab-one" not in without and "pelican" not in without
    many = selection._listed(WORDS, [f"m{number}" for number in range(selection.NAMED_MAX + 3)])
    assert many.endswith(WORDS.say("delete.means.more", count="3"))

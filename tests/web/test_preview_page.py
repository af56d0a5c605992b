"""A person sees on a page what a model would read: of a chat, of a project and of everything,
before a yes and as if given.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from licet.consent.catalogue import catalogue
from licet.curate import preview_engine
from licet.curate.rules import IdentifierKind
from licet.service.preview_result import BeyondBound, PreviewBound, PreviewedConversation
from licet.vault.commands import AddTurn
from licet.vault.content import Content, encode
from licet.vault.ids import Prefix, format_id, host_hmac
from licet.web.app import create_app
from licet.web.pages.preview import _about

from ..waiting import wait_until
from .served import NOTICE, ApplicationClient, World, api, world

__all__ = ["api", "world"]  # fixtures
MAIL = "mail me at ana.ilves@firma.ee"
WORDS = catalogue()


def seen(api: Any, world: World, path: str) -> str:
    answer = api.get(path, headers=world.browser("ana"))
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def test_what_is_left_out_stands_with_its_reason_and_what_a_yes_would_let_in_as_it_would_be_learnt(
    world: World, api: Any
) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=False)
    chat = world.say("ana", "pears", MAIL)
    assert f"/chats/{chat}/preview" in seen(api, world, f"/chats/{chat}")
    now = seen(api, world, f"/chats/{chat}/preview")
    assert WORDS.say("because.declined") in now
    assert MAIL not in now
    assumed = seen(api, world, f"/chats/{chat}/preview?yes=1")
    assert WORDS.say("preview.count", used=1, all=1) in assumed
    assert "Replaced (e-mail address): ana.ilves@firma.ee" in assumed
    assert world.rows("SELECT count(*) FROM choices WHERE effect = 'began'") == [(0,)]


def test_a_project_and_everything_have_a_page_of_their_own(world: World, api: Any) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    world.tell(
        AddTurn(
            account=world.accounts["ana"],
            at=world.clock.now,
            content=encode(Content(text="of the project")),
            host_conversation=host_hmac(world.site.host_key, "conversation", "c"),
            host_project=host_hmac(world.site.host_key, "project", "p"),
        )
    )
    world.say("ana", "beside", "of no project")
    project = format_id(Prefix.project, world.rows("SELECT project_id FROM projects")[0][0])
    one = seen(api, world, f"/projects/{project}/preview")
    assert ("of the project" in one, "of no project" in one) == (True, False)
    assert f"/projects/{project}/preview" in seen(api, world, f"/projects/{project}")
    everything = seen(api, world, "/preview")
    assert "of the project" in everything
    assert "of no project" in everything
    assert "/preview" in seen(api, world, "/chats")


def test_a_yes_that_would_do_nothing_says_so_and_another_s_chat_is_none(
    world: World, api: Any
) -> None:
    world.clock.set(NOTICE)
    world.open("ana", plan="work")
    chat = world.say("ana", "pears", MAIL)
    assert WORDS.say("preview.refused") in seen(api, world, f"/chats/{chat}/preview?yes=1")
    world.open("bo", allow=True)
    assert api.get(f"/chats/{chat}/preview", headers=world.browser("bo")).status_code == 404


def test_a_chat_that_is_too_long_says_so_and_how_much_is_shown(world: World, api: Any) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    chat = world.say("ana", "pears", "z" * 200_000)
    found = api.get(
        f"/v1/accounts/me/preview?conversation={chat}", headers=world.person("ana")
    ).json()["items"][0]
    assert (found["beyond"]["bound"], found["beyond"]["most"], found["turns"]) == (
        "bytes",
        196_608,
        [],
    )
    said = WORDS.say("preview.beyond.bytes", found=found["beyond"]["found"], most=196_608)
    assert said in seen(api, world, f"/chats/{chat}/preview")


def test_each_bound_and_a_part_that_is_not_read_yet_have_words_of_their_own() -> None:
    for bound in PreviewBound:
        beyond = BeyondBound(bound=bound, found=300, most=200)
        about = _about(WORDS, previewed(beyond=beyond))
        assert about == WORDS.say(f"preview.beyond.{bound.value}", found=300, most=200)
        assert ("300" in about, "200" in about) == (True, True)
    assert _about(WORDS, previewed(unread=700)) == WORDS.say("preview.unread", characters=700)


def previewed(**values: Any) -> PreviewedConversation:
    return PreviewedConversation(conversation=UUID(int=1), rows=0, until=None, turns=(), **values)


def test_a_server_loads_what_previews_need_when_it_starts(world: World) -> None:
    preview_engine.engine.cache_clear()  # another test of this process may have loaded the same
    with ApplicationClient(create_app(world.installation, world.web, sequencer=True)):
        wait_until(lambda: preview_engine.engine.cache_info().currsize)
        assert preview_engine.engine.cache_info().currsize == 1


def test_each_kind_of_what_is_replaced_has_a_name_in_the_language_of_the_page() -> None:
    assert len({WORDS.say(f"kind.{kind.value}") for kind in IdentifierKind}) == len(IdentifierKind)

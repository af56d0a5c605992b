"""A person asks over the API what a release would hold of their chats, and nobody else may."""

from __future__ import annotations

from licet import client
from licet.client import Client
from licet.vault.commands import AddTurn
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac

from .served import NOTICE, World, api, url, world

__all__ = ["api", "url", "world"]  # fixtures
MAIL = "mail me at ana.ilves@firma.ee"


def test_a_person_sees_what_would_be_learnt_before_a_yes_and_after(world: World, url: str) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=False)
    chat = world.say("ana", "c", MAIL)
    with Client(url, lambda: world.token("ana")) as licet:
        now = licet.send(client.preview(conversation=chat))
        assert [(turn.used, turn.because, turn.text) for turn in now.items[0].turns] == [
            (False, "declined", "")
        ]
        after = licet.send(client.preview(conversation=chat, assume=True))
        (turn,) = after.items[0].turns
        assert (turn.used, after.refused, turn.replaced[0].kind) == (True, None, "email")
        assert "ana.ilves@firma.ee" not in turn.text
        everything = licet.send(client.preview())
        assert ([one.conversation for one in everything.items], everything.next) == ([chat], None)


def test_a_project_is_named_by_the_hosts_id_or_by_ours(world: World, api) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    said = AddTurn(
        account=world.accounts["ana"],
        at=world.clock.now,
        content=encode(Content(text="in a project")),
        host_conversation=host_hmac(world.site.host_key, "conversation", "c"),
        host_project=host_hmac(world.site.host_key, "project", "p"),
    )
    world.tell(said)
    world.say("ana", "beside it")
    for name in ("host:p", "p"):
        answer = api.get(
            "/v1/accounts/me/preview", params={"project": name}, headers=world.person("ana")
        )
        assert [len(one["turns"]) for one in answer.json()["items"]] == [1]
    lost = api.get("/v1/accounts/me/preview", params={"project": "q"}, headers=world.person("ana"))
    assert lost.status_code == 404


def test_another_s_chat_is_none_and_a_purpose_that_nobody_was_asked_about_is_refused(
    world: World, api
) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    world.open("bo", allow=True)
    chat = world.say("ana", "c")
    theirs = api.get(
        "/v1/accounts/me/preview", params={"conversation": chat}, headers=world.person("bo")
    )
    assert theirs.status_code == 404
    asked = api.get(
        "/v1/accounts/me/preview", params={"purpose": "advertising"}, headers=world.person("ana")
    )
    assert (asked.status_code, asked.json()["because"]) == (409, "purpose")

"""Whose something is, said in a request: `me`, an id of the host's, or none; and what is answered
of an account.
"""

from __future__ import annotations

import pytest

from licet.policy.file import preset
from licet.vault.ids import HOST_ID_CHARACTERS_MAX
from licet.web.api import turns
from licet.web.api.turns import CHUNK_BYTES_MAX, CHUNK_LINES_MAX

from .served import NOTICE, World, api, world

__all__ = ["api", "world"]  # fixtures


@pytest.mark.parametrize(
    "what", ["", "/gate", "/choices", "/notice", "/standing", "/conversations"]
)
def test_nobody_is_me_but_a_person(world: World, api, what: str) -> None:
    world.open("ana")
    answers = [
        api.get(f"/v1/accounts/me{what}", headers=headers)
        for headers in (world.service(), world.person("ana"))
    ]
    assert [answer.status_code for answer in answers] == [404, 200]
    refused = api.post("/v1/accounts/me/choices", json={"allow": True}, headers=world.service())
    assert (refused.status_code, refused.json()["type"]) == (404, "urn:licet:problem:not_found")


def test_an_id_of_the_hosts_has_a_bound(world: World, api) -> None:
    def asked(characters: int) -> int:
        named = {"account": "host:" + "x" * (characters - 5)}
        return int(
            api.get(
                "/v1/conversations/host:chat", params=named, headers=world.service()
            ).status_code
        )

    assert [asked(5 + HOST_ID_CHARACTERS_MAX), asked(6 + HOST_ID_CHARACTERS_MAX)] == [404, 400]


def test_who_the_caller_is_names_a_token_for_forms_only_where_there_is_a_session(
    world: World, api
) -> None:
    world.open("ana")
    assert api.get("/v1/me", headers=world.person("ana")).json()["csrf"] is None
    assert api.get("/v1/me", headers=world.service()).json()["csrf"] is None
    assert api.get("/v1/me", headers=world.browser("ana")).json()["csrf"]


def test_an_account_says_whether_its_age_is_known_and_not_which(world: World, api) -> None:
    for name, age in (("ana", 30), ("ben", None)):
        world.open(name, age=age)
    seen = [
        api.get(f"/v1/accounts/host:{name}", headers=world.service()).json()
        for name in ("ana", "ben")
    ]
    assert [one["age_known"] for one in seen] == [True, False]
    assert not any("age" in one for one in seen)


def test_the_notice_of_an_account_names_its_version_and_brings_the_text_that_was_published(
    world: World, api
) -> None:
    world.open("ana")
    early = api.get("/v1/accounts/host:ana/notice", headers=world.service()).json()
    assert (early["policy"], early["decide_by"], early["notice"]) == (None, None, None)
    world.clock.set(NOTICE)
    shown = api.get("/v1/accounts/host:ana/notice", headers=world.service()).json()
    policy = preset("article-2025")
    assert (shown["policy"], shown["decide_by"]) == (policy.version, str(policy.decide_by))
    known = {
        row[0].hex() for row in world.rows("SELECT sha256 FROM notices WHERE variant = 'existing'")
    }
    assert shown["notice"]["sha256"] in known
    assert shown["notice"]["question"]


def test_the_document_of_the_api_says_in_what_a_trace_is_sent(api) -> None:
    body = api.get("/openapi.json").json()["paths"]["/v1/otlp/v1/traces"]["post"]["requestBody"]
    assert body["required"] is True
    assert set(body["content"]) == {"application/json", "application/x-protobuf"}


def test_lines_are_taken_in_chunks_of_bounded_number_and_size() -> None:
    """A transaction of a bulk request holds no more than a chunk; a line may reach beyond its
    bound, and no second one.
    """
    many = b"{}\n" * (2 * CHUNK_LINES_MAX + 1)
    assert [len(chunk) for chunk in turns._chunks(many)] == [CHUNK_LINES_MAX, CHUNK_LINES_MAX, 1]
    long = (b"x" * (CHUNK_BYTES_MAX - 1) + b"\n") * 5
    assert [len(chunk) for chunk in turns._chunks(long)] == [2, 2, 1]
    assert list(turns._chunks(b"")) == []

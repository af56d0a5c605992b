"""`As in my settings`, with two questions: one permission ends, by the account's no said once more,
and no other does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from licet.consent.catalogue import catalogue
from licet.policy.file import preset
from licet.policy.period import instant
from licet.policy.state import Grant, ScopeKind
from licet.store.connect import Pool, transaction
from licet.vault import account_view
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import load_policies
from licet.web.pages.shared import refused_phrase

from .served import ORIGIN, ApplicationClient, World

WORDS = catalogue()
BEGUN = instant("2025-09-01T10:00:00Z")
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def world(pool: Pool, tmp_path: Path) -> World:
    """Ana has said no to both questions."""
    made = World(pool, tmp_path / "data", preset("strict"))
    made.open("ana", age=30)
    made.clock.set(BEGUN)
    return made


@pytest.fixture
def api(world: World) -> Iterator[Any]:
    with ApplicationClient(world.app, base_url=ORIGIN) as client:
        yield client


def choose(api: Any, world: World, **said: Any) -> Any:
    answer = api.post("/v1/accounts/me/choices", json=said, headers=world.person("ana"))
    assert answer.status_code == 201, answer.text
    return answer.json()


def in_force(world: World) -> list[Grant]:
    known, account = load_policies(world.installation), world.accounts["ana"]
    with transaction(world.installation.pool) as tx:
        row = account_view.load_accounts(tx, [account])[account]
        return list(account_view.account_at(row, known, BEGUN).account.grants)


def turn(api: Any, world: World, chat: str, project: str) -> str:
    said = {
        "account": "host:ana",
        "conversation": f"host:{chat}",
        "text": "hello",
        "project": project,
    }
    answer = api.post("/v1/turns", json=said, headers=world.service())
    assert answer.status_code == 201, answer.text
    return str(answer.json()["conversation"])


def used(api: Any, world: World, chat: str) -> dict[str, str]:
    seen = api.get(f"/v1/conversations/{chat}", headers=world.person("ana")).json()
    return {badge["purpose"]: badge["use"] for badge in seen["badges"]}


@pytest.mark.parametrize("over", ["page", "API"])
def test_a_permission_for_one_project_ends_by_the_no_said_again_and_every_other_one_stays(
    world: World, api: Any, over: str
) -> None:
    choose(api, world, allow=False)
    for question, project in (("models", "a"), ("models", "b"), ("safety", "a")):
        turn(api, world, f"in {project}", project)
        choose(api, world, allow=True, question=question, scope={"project": project})
    before = in_force(world)
    assert [grant.question for grant in before] == ["models", "models", "safety"]
    assert before[0].scope == before[2].scope
    project = format_id(Prefix.project, UUID(hex=before[0].scope.name))
    if over == "API":
        done = choose(api, world, allow=False, question="models", keep=[{"project": "b"}])
        assert [(one["question"], one["project"]) for one in done["ended"]] == [("models", project)]
        assert before[1:] == in_force(world)
        return
    path = f"/projects/{project}"
    page = api.get(path, headers=world.browser("ana")).text
    assert (
        "Your no in the settings is recorded once more for that; every other yes of yours stays."
        in page
    )
    done = api.post(
        f"{path}/as-settings",
        headers={**world.browser("ana"), **FORM},
        content="",
        follow_redirects=False,
    )
    assert done.status_code == 303
    assert in_force(world) == [before[1]], (
        "both of this project's own end: the account says no to both questions"
    )
    again = world.rows("SELECT question, allow FROM choices ORDER BY seq DESC LIMIT 2")
    assert sorted(again) == [("models", False), ("safety", False)]


def test_a_chat_follows_its_project_where_that_is_allowed_by_itself(world: World, api: Any) -> None:
    choose(api, world, allow=False)
    chat = turn(api, world, "c", "a")
    for question in ("models", "safety"):
        choose(api, world, allow=True, question=question, scope={"conversation": chat})
    choose(api, world, allow=True, question="models", scope={"project": "a"})
    turn(api, world, "c", "a")
    assert used(api, world, chat) == {"improve_models": "part", "safety_classifiers": "part"}
    page = api.get(f"/chats/{chat}", headers=world.browser("ana")).text
    models, safety = WORDS.purpose("improve_models"), refused_phrase(WORDS, {"safety_classifiers"})
    assert WORDS.say("scope.as_settings.ends.project", purposes=models) in page
    assert WORDS.say("scope.as_settings.ends", purposes=safety) in page
    api.post(
        f"/chats/{chat}/as-settings",
        headers={**world.browser("ana"), **FORM},
        content="",
        follow_redirects=False,
    )
    assert [(grant.question, grant.scope.kind) for grant in in_force(world)] == [
        ("models", ScopeKind.project)
    ]
    assert used(api, world, chat) == {"improve_models": "none", "safety_classifiers": "none"}
    turn(api, world, "c", "a")
    assert used(api, world, chat) == {"improve_models": "part", "safety_classifiers": "none"}

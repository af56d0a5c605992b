"""The project that counts is the one that a conversation began in; a turn that names another one is
told so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from licet import client
from licet.cli.imports import imported_text
from licet.client import Client, ConversationTurn
from licet.intake import imports
from licet.intake.import_records import Imported, RecordedAccount

from .served import NOTICE, World, api, listening, world

__all__ = ["api", "world"]  # fixtures


@pytest.fixture(autouse=True)
def ana(world: World, api: TestClient[Litestar]) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    api.headers.update(world.service())


def say(api: TestClient[Litestar], chat: str, number: int, **more: Any) -> dict[str, Any]:
    turn = {
        "account": "host:ana",
        "conversation": f"host:{chat}",
        "id": str(number),
        "text": "plant pears",
        **more,
    }
    answer = api.post("/v1/turns", json=turn)
    assert answer.status_code == 201
    return dict(answer.json())


def keep_out(api: TestClient[Litestar], project: str) -> str:
    answer = api.post(f"/v1/accounts/host:ana/projects/host:{project}/keep-out", json={})
    return str(answer.json()["project"])


def test_a_chat_stays_in_the_project_that_it_began_in_and_says_so(
    api: TestClient[Litestar],
) -> None:
    began = say(api, "c1", 1, project="garden")
    garden, secret = began["project"], keep_out(api, "secret")
    assert began["other_project"] is False
    assert garden.startswith("proj_")
    assert garden != secret
    other = say(api, "c1", 2, project="secret")
    assert (other["project"], other["other_project"]) == (garden, True)
    again = say(api, "c1", 2, project="secret")
    assert (again["outcome"], again["project"], again["other_project"]) == (
        "duplicate",
        garden,
        True,
    )
    never_named = say(api, "c1", 3, project="never named before")
    assert (never_named["project"], never_named["other_project"]) == (garden, True)
    for more in ({"project": "garden"}, {"project": "host:garden"}, {}):
        same = say(api, "c1", 4 + len(more.get("project", "")), **more)
        assert (same["project"], same["other_project"]) == (garden, False)
    explained = api.get("/v1/conversations/host:c1/explain?account=host:ana").json()
    assert (explained["project"], explained["kept_out"]) == (garden, False), (
        "what the answers said is what counts"
    )
    assert {one["because"] for one in explained["answers"]} == {"permitted"}


def test_a_chat_that_began_in_no_project_is_in_none(api: TestClient[Litestar]) -> None:
    keep_out(api, "secret")
    began = say(api, "c1", 1)
    assert (began["project"], began["other_project"]) == (None, False)
    other = say(api, "c1", 2, project="secret")
    assert (other["project"], other["other_project"]) == (None, True)


def test_each_line_in_bulk_says_so_and_the_client_reads_it(world: World) -> None:
    named = [
        ConversationTurn(
            account="host:ana", conversation="host:c2", id=str(n), text="pears", project=project
        )
        for n, project in enumerate(("garden", "garden", "secret", None))
    ]
    with listening(world.app) as address, Client(address, world.key()) as licet:
        items = licet.send(client.say_all(named))
        assert [one.other_project for one in items] == [False, False, True, False]
        assert len({one.project for one in items}) == 1
        said = licet.send(
            client.say("host:ana", "more", conversation="host:c2", id="9", project="secret")
        )
        assert (said.project, said.other_project) == (items[0].project, True)


def imported(world: World, file: Path, projects: list[str | None]) -> Imported:
    lines = [
        {
            "account": "bea",
            "conversation_id": "c1",
            **({"project": project} if project else {}),
            "messages": [
                {
                    "id": str(n),
                    "role": "user",
                    "content": f"pears {n}",
                    "created_at": f"2025-08-31T10:0{n}:00Z",
                }
            ],
        }
        for n, project in enumerate(projects)
    ]
    file.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    return imports.import_files(
        world.installation, [file], default=RecordedAccount(host="bea", plan="pro", age=30)
    )


def test_an_import_counts_the_turns_that_name_another_project(world: World, tmp_path: Path) -> None:
    done = imported(world, tmp_path / "chats.jsonl", ["garden", "secret", None, "garden", "secret"])
    if done.broken:
        pytest.fail(str(done.broken_places))
    assert (done.stored, done.other_projects) == (5, 2)
    said = "2 turns named another project than the one that the conversation began in, which counts"
    assert said in imported_text(done).splitlines()

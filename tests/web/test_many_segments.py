"""A conversation whose turns alternate between two surfaces: its segments have a bound, and so does
what a turn costs.
"""

from __future__ import annotations

import json

from licet.access.roles import Scope
from licet.store.connect import transaction
from licet.vault.commands import AddTurn, Outcome
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac
from licet.vault.refusals import SEGMENTS_MAX
from licet.vault.requests import Write

from .served import NOTICE, World, api, world

__all__ = ["api", "world"]  # fixtures


def said(world: World, place: int, surface: str) -> AddTurn:
    return AddTurn(
        account=world.accounts["ana"],
        at=world.clock.now,
        content=encode(Content(text=f"turn {place}")),
        surface=surface,
        host_conversation=host_hmac(world.site.host_key, "conversation", "c"),
    )


def rows_written(world: World, turns: int, of: int) -> list[int]:
    """How many rows of segments each of some turns, said one by one, inserts or updates; the whole
    is undone.
    """
    counts, before = [], 0
    with transaction(world.installation.pool) as tx:
        for place in range(turns):
            write = Write(command=said(world, place, ("app", "api")[place % of]))
            (written,) = world.site.writing.apply(tx, [write])
            assert written.answer.outcome in (Outcome.done, Outcome.refused)
            after = tx.execute(
                "SELECT n_tup_ins + n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = "
                "'segments'"
            ).fetchone()[0]
            counts.append(after - before)
            before = after
    return counts


def test_a_turn_writes_a_bounded_number_of_rows_however_long_its_conversation_is(
    world: World,
) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    alternating = rows_written(world, 2 * SEGMENTS_MAX, 2)
    assert max(alternating) <= SEGMENTS_MAX
    assert sum(alternating[SEGMENTS_MAX:]) <= SEGMENTS_MAX * SEGMENTS_MAX
    assert max(rows_written(world, 50, 1)) <= 1 + SEGMENTS_MAX


def test_segments_past_the_bound_are_refused_and_turns_of_the_last_ones_surface_are_not(
    world: World, api
) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    turns = [
        {
            "account": "host:ana",
            "conversation": "host:c",
            "id": f"t{place}",
            "text": "hello",
            "surface": surface,
        }
        for place, surface in enumerate(["app", "api"] * (SEGMENTS_MAX // 2 + 2))
    ]
    body = "\n".join(map(json.dumps, turns))
    for _ in range(2):  # what was taken is known, what was refused stays refused
        answer = api.post("/v1/turns:bulk", content=body, headers=world.service(Scope.turns_write))
        items = [json.loads(line) for line in answer.text.splitlines()]
        assert [item["status"] for item in items[:SEGMENTS_MAX]] == [201] * SEGMENTS_MAX
        assert [item["because"] for item in items[SEGMENTS_MAX::2]] == ["too_many_segments"] * 2
        assert [item["status"] for item in items[SEGMENTS_MAX + 1 :: 2]] == [201] * 2
    alone = {**turns[0], "id": "another", "surface": "app"}
    answer = api.post("/v1/turns", json=alone, headers=world.service(Scope.turns_write))
    assert (answer.status_code, answer.json()["because"]) == (409, "too_many_segments")
    assert "begin another" in answer.json()["detail"]
    begun = api.post(
        "/v1/turns",
        json={**alone, "conversation": "host:d"},
        headers=world.service(Scope.turns_write),
    )
    assert begun.status_code == 201

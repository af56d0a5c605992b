"""The part of the matrix that a check within a route decides, in seconds: `./run bench removals`
asks it of each such check.
"""

from __future__ import annotations

import csv
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from licet.access.roles import Staff, StaffRole
from licet.errors import NotFoundError
from licet.policy.file import preset
from licet.store.connect import Pool, transaction
from licet.vault.ids import Prefix, format_id
from licet.vault.staff_reads import ReadReason
from licet.web.api import schema, staff

from .served import ApplicationClient, World
from .test_matrix import API_ROUTES, CALLERS, GOLDEN, Callers, api, call, cells, objects_of

__all__ = ["api"]


def test_what_is_not_there_or_somebody_else_s_is_not_found_by_a_person_and_by_one_other_caller(
    api,
) -> None:
    callers, cell, wrong = Callers(api.world), next(cells(api.world, 1)), []
    with GOLDEN.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["object"] in ("other", "unknown")]
    for row in rows:
        refused = [name for name in CALLERS if row[name] == "404"]
        for caller in [
            *refused[:1],
            *(name for name in refused if name not in ("person", "browser")),
        ][:2]:
            answer = call(api, row["route"], cell, row["object"], callers.headers(caller, cell))
            if answer.status_code != 404:
                wrong.append((row["route"], row["object"], caller, answer.status_code))
    assert len(rows) > 100
    assert wrong == []


def test_a_person_whose_account_is_not_known_reaches_nothing(api) -> None:
    cell = next(cells(api.world, 1))
    headers = api.world.person("a stranger")
    for key in sorted(API_ROUTES):
        for what in objects_of(key):
            status = call(api, key, cell, what, headers).status_code
            open_to_all = key in ("GET /v1/me", "GET /v1/policy")
            assert status == 200 if open_to_all else status in (403, 404), f"{key} {what}"


def test_pages_answer_nobody_without_an_account_and_preview_no_project_that_there_is_not(
    api,
) -> None:
    assert api.get("/settings", headers=api.world.person("a stranger")).status_code == 401
    api.world.open("ana")
    missing = f"/projects/{format_id(Prefix.project, UUID(int=7))}/preview"
    assert api.get(missing, headers=api.world.browser("ana")).status_code == 404


def test_where_no_version_asks_anybody_anything_there_are_no_terms_to_accept(
    pool: Pool, tmp_path: Path
) -> None:
    asks_nothing = msgspec.structs.replace(preset("article-2025"), material=False)
    world = World(pool, tmp_path / "data", policy=asks_nothing)
    with ApplicationClient(world.app) as client:
        path = f"/v1/accounts/{world.open('ana')}/terms"
        assert client.post(path, json={}, headers=world.service()).status_code == 404


def test_a_request_that_is_sent_again_after_it_was_forgotten_is_not_found(api) -> None:
    account = api.world.open("ana")
    headers = {**api.world.person("ana"), "idempotency-key": "once"}
    body = {"kind": "access", "words": "all of mine"}
    path = f"/v1/accounts/{account}/requests"
    sent = [api.post(path, json=body, headers=headers).status_code for _ in range(2)]
    for table in ("rights_steps", "rights_requests"):
        api.world.rows(f"DELETE FROM {table} RETURNING request_id")
    assert [*sent, api.post(path, json=body, headers=headers).status_code] == [201, 201, 404]


def test_a_conversation_that_ended_while_staff_opened_it_is_not_found(api) -> None:
    api.world.open("ana")
    reader = Staff(
        staff_id=uuid4(), email="r@example.org", roles=frozenset({StaffRole.reviewer}), session=b""
    )
    why = schema.NewRead(reason=next(iter(ReadReason)), ticket="T-1")
    with transaction(api.world.installation.pool) as tx, pytest.raises(NotFoundError):
        staff.read_as_staff(tx, api.world.site, reader, api.world.accounts["ana"], uuid4(), why)

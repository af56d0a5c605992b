"""What a caller's own kind limits: titles are for their person alone, a key's rate is never above
the setting, and an origin is compared whole.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from licet.access import service_keys
from licet.access.roles import Scope, StaffRole
from licet.access.service_keys import KeyAct, KeyLimits
from licet.store.connect import transaction

from .served import NOTICE, ORIGIN, ApplicationClient, World, api, world
from .shared_app import application

__all__ = ["api", "world"]  # fixtures
TITLE = "A trip to Tartu"


def test_the_title_of_a_chat_is_for_its_person_and_for_no_service_and_no_member_of_staff(
    world: World, api: Any
) -> None:
    world.clock.set(NOTICE)
    ana = world.open("ana", allow=True)
    chat = world.say("ana", TITLE)
    for headers, title in [
        (world.person("ana"), TITLE),
        (world.browser("ana"), TITLE),
        (world.service(Scope.conversations_read), ""),
        *(
            (world.staff(role), "")
            for role in (StaffRole.privacy_officer, StaffRole.auditor, StaffRole.reviewer)
        ),
    ]:
        (listed,) = api.get(f"/v1/accounts/{ana}/conversations", headers=headers).json()["items"]
        alone = api.get(f"/v1/conversations/{chat}", headers=headers).json()
        named = api.get(
            f"/v1/conversations/host:{TITLE}", params={"account": ana}, headers=headers
        ).json()
        assert (listed["title"], alone["title"], named["title"]) == (title, title, title), headers


@pytest.mark.parametrize("url", [None, "https://licet.example"])
def test_an_origin_that_begins_as_ours_is_another_site(world: World, url: str | None) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    ours = url or ORIGIN
    with ApplicationClient(
        application(world.installation, replace(world.web, url=url), wall=lambda: world.wall)
    ) as client:

        def choose(origin: str) -> int:
            headers = world.browser("ana") | {"origin": origin}
            return client.post(
                "/v1/accounts/me/choices", json={"allow": False}, headers=headers
            ).status_code

        assert choose(ours) == 201
        for other in (
            f"{ours}.evil.example",
            f"{ours}:8443",
            f"{ours}/",
            f"{ours}@evil.example",
            ours[:-1],
            ours.upper(),
        ):
            assert choose(other) == 403, other


def test_a_key_s_own_rate_is_below_the_setting_and_never_above_it(world: World) -> None:
    world.clock.set(NOTICE)
    ana = world.open("ana", allow=True)
    settings = replace(world.web, service_requests_per_minute=6)
    with ApplicationClient(
        application(world.installation, settings, wall=lambda: world.wall)
    ) as client:
        for rate, wait in ((service_keys.RATE_MAX, 10), (6, 10), (3, 20), (None, 10)):
            text = world.key(Scope.gate_read, name=f"key-{rate}".lower())
            if rate is not None:
                wanted = KeyLimits(scopes=(Scope.gate_read,), requests_per_minute=rate)
                act = KeyAct(by="staff:ana", reason="other requests", at=world.clock.now)
                with transaction(world.installation.pool) as tx:
                    service_keys.set_limits(tx, f"key-{rate}", wanted, act, None, version=1)
            headers = {"authorization": f"Bearer {text}"}
            answers = [client.get(f"/v1/accounts/{ana}/gate", headers=headers) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429], rate
            assert wait / 2 < int(answers[-1].headers["retry-after"]) <= wait, rate

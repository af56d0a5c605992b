"""An id of the host with a slash is one segment of a path, encoded, as it is one value of a
body.
"""

from __future__ import annotations

from typing import Any

import pytest

from licet import client
from licet.client import ChoiceScope, Client, ConversationTurn
from licet.errors import NotFoundError

from .served import NOTICE, World, api, url, world

__all__ = ["api", "url", "world"]  # fixtures
NAMES = ("git:example.org/team/app", "a//b", "/", "a%2Fb", "50%", "a?b#c", "ä/ö")


@pytest.mark.parametrize("name", NAMES)
def test_a_project_s_id_is_the_same_in_a_body_and_in_a_path(
    world: World, url: str, name: str
) -> None:
    world.open(name)
    world.clock.set(NOTICE)
    with Client(url, world.key()) as licet:
        account = f"host:{name}"
        said = ConversationTurn(
            account=account, conversation=f"host:{name}", text="hello", project=name
        )
        (answer,) = licet.send(client.say_all([said]))
        conversation = answer.conversation
        assert licet.send(client.get_conversation(f"host:{name}", account)).id == conversation
        licet.send(client.keep_project_out(account, name))
        assert world.rows("SELECT count(*) FROM projects WHERE kept_out_at IS NOT NULL") == [(1,)]
        licet.send(client.let_project_in(account, f"host:{name}"))
        licet.send(client.choose(account, allow=True, scope=ChoiceScope(project=name)))
        assert world.rows("SELECT count(*) FROM projects") == [(1,)]


def test_another_id_with_a_slash_is_not_found_and_no_segment_is_made_up(
    world: World, url: str, api: Any
) -> None:
    world.clock.set(NOTICE)
    world.open("a/gate")
    world.open("a")
    with Client(url, world.key()) as licet:
        assert (
            licet.send(client.gate("host:a/gate")).account
            != licet.send(client.gate("host:a")).account
        )
        with pytest.raises(NotFoundError):
            licet.send(client.gate("host:a/b"))
        with pytest.raises(NotFoundError):
            licet.send(client.gate("host:a\ufdd0gate"))
    assert api.get("/v1/accounts/me%2Fgate", headers=world.person("a")).status_code == 404, (
        "no other route"
    )

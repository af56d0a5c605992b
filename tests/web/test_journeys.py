"""A verb is done one way, no matter who asks for it, and costs what that way costs: counts, no
times.

`pytest -s` on this file prints the table of docs/adr/0016-rooms-by-subject.md.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from licet.access import service_keys
from licet.erasure import certificates
from licet.policy.file import from_document, preset
from licet.store.connect import Pool
from licet.vault import primary
from licet.vault.installation import load_policies
from licet.web import site

from .journeys import Counting, JourneyCost
from .served import NOTICE, ApplicationClient, World

PAGE_TO_API_MAX = 1.25  # calls of a verb on a page, to those of the same verb by the API
MINE = "/v1/accounts/me"
FORM = {"content-type": "application/x-www-form-urlencoded"}
# The transactions of each journey. A gate is one statement and takes none; a browser's session is
# looked up in one of its own, before anything is done.
TRANSACTIONS = {
    "gate": 0, "choice, API": 1, "choice, API, of a showing": 1, "choice, API, session": 2, "choice, settings": 1,
    "choice, notice": 1, "choice, notice, session": 2, "turn": 1, "explain": 1, "explain, service": 2,
    "keep out, API": 1, "keep out, page": 1, "let in, API": 1, "let in, page": 1,
    "take feedback back, API": 1, "take feedback back, page": 1, "delete": 1, "delete, page": 1, "certificate": 3,
}  # fmt: skip
SAME = ("keep out", "let in", "take feedback back")  # by the API and on a page


class Walk:
    """The journeys of people in one application, counted after everything that is remembered is
    warm.
    """

    def __init__(self, world: World, counting: Counting, api: Any) -> None:
        self.world, self.counting, self.api = world, counting, api
        self.costs: dict[str, JourneyCost] = {}
        world.clock.set(NOTICE)

    def person(self, name: str) -> dict[str, str]:
        """The headers of a new account, whose first request is past."""
        self.world.open(name)
        headers = self.world.person(name)
        assert self.api.get(f"{MINE}/gate", headers=headers).status_code == 200
        return headers

    def ask(
        self, name: str, status: int, method: str, path: str, headers: dict[str, str], **more: Any
    ) -> Any:
        """Asks, and counts under ``name``."""
        with self.counting.counted() as self.costs[name]:
            answer = self.api.request(method, path, headers=headers, follow_redirects=False, **more)
        assert answer.status_code == status, (path, answer.text)
        return answer

    def showing(self, path: str, headers: dict[str, str]) -> str:
        return str(
            re.findall(r'name="showing" value="(\w+)"', self.api.get(path, headers=headers).text)[0]
        )

    def choices(self) -> None:
        """A yes by every way, each of a person of its own."""
        path, warm = f"{MINE}/choices", self.person("warm")
        self.ask("warm", 201, "POST", path, warm, json={"allow": True})
        self.ask("choice, API", 201, "POST", path, self.person("ana"), json={"allow": True})
        for name, journey in (
            ("ben", "choice, API, of a showing"),
            ("gil", "choice, API, session"),
        ):
            headers = self.person(name)
            headers = self.world.browser(name) if journey.endswith("session") else headers
            shown = {
                "allow": True,
                "showing": self.showing("/settings", headers),
                "via": "settings",
            }
            self.ask(journey, 201, "POST", path, headers, json=shown)
        cy = self.person("cy")
        form = f"allow=yes&showing={self.showing('/settings', cy)}"
        self.ask("choice, settings", 303, "POST", "/settings", {**cy, **FORM}, content=form)
        for name, journey in (("di", "choice, notice"), ("ed", "choice, notice, session")):
            headers = self.person(name)
            headers = self.world.browser(name) if journey.endswith("session") else headers
            form = f"allow=yes&terms=yes&showing={self.showing('/notice', headers)}"
            self.ask(journey, 303, "POST", "/notice", {**headers, **FORM}, content=form)
        del self.costs["warm"]

    def content(self) -> None:
        """A turn, its explanation, what its person does about it by the API and on a page, and the
        certificate.
        """
        fi, host = self.person("fi"), self.world.service()
        assert self.api.post(f"{MINE}/choices", headers=fi, json={"allow": True}).status_code == 201
        by_api, by_page = (self.chat(name, host) for name in ("pears", "plums"))
        turn = {
            "account": "host:fi",
            "conversation": "host:pears",
            "text": "How do I plant a pear tree?",
        }
        self.ask("gate", 200, "GET", f"{MINE}/gate", fi)
        self.ask("turn", 201, "POST", "/v1/turns", host, json=turn)
        self.ask("explain", 200, "GET", f"/v1/conversations/{by_api}/explain", fi)
        self.ask("explain, service", 200, "GET", f"/v1/conversations/{by_api}/explain", host)
        for verb in ("keep-out", "let-in"):
            name = verb.replace("-", " ")
            self.ask(f"{name}, API", 200, "POST", f"/v1/conversations/{by_api}/{verb}", fi)
            form = {"content": "narrowings=1"}
            self.ask(
                f"{name}, page", 303, "POST", f"/chats/{by_page}/{verb}", {**fi, **FORM}, **form
            )
        given = [self.feedback(chat, fi) for chat in (by_api, by_page)]
        self.ask("take feedback back, API", 200, "DELETE", f"{MINE}/feedback/{given[0]}", fi)
        self.ask(
            "take feedback back, page",
            303,
            "POST",
            f"/feedback/{given[1]}/take-back",
            {**fi, **FORM},
        )
        self.ask("delete, page", 303, "POST", f"/chats/{by_page}/delete", {**fi, **FORM})
        assert (
            certificates.advance_erasures(self.world.installation, at_once=True).certificates == 1
        )
        self.ask("delete", 200, "DELETE", f"/v1/conversations/{by_api}", fi)
        with self.counting.counted() as self.costs["certificate"]:
            assert (
                certificates.advance_erasures(self.world.installation, at_once=True).certificates
                == 1
            )

    def chat(self, name: str, host: dict[str, str]) -> str:
        """A new conversation of fi's."""
        turn = {
            "account": "host:fi",
            "conversation": f"host:{name}",
            "text": "How do I plant a tree?",
        }
        answer = self.api.post("/v1/turns", headers=host, json=turn)
        assert answer.status_code == 201
        return str(answer.json()["conversation"])

    def feedback(self, chat: str, headers: dict[str, str]) -> str:
        answer = self.api.post(
            f"/v1/conversations/{chat}/feedback",
            headers=headers,
            json={"rating": "up", "share": "conversation"},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["feedback"])


@pytest.fixture
def walk(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    # Else a service's key that was just looked up is looked up again, where the machine is so busy
    # that a second has passed.
    monkeypatch.setattr(service_keys, "REMEMBERED_SECONDS_MAX", 3_600.0)
    # Else what looks for a failover every two seconds is counted where it falls.
    monkeypatch.setattr(primary, "WATCH_SECONDS", 3_600.0)
    # Else what tells the other hosts of the rates each second is.
    monkeypatch.setattr(site, "EXCHANGE_SECONDS", 3_600.0)
    # As a service's key, an account that was just looked up.
    monkeypatch.setattr(site, "ACCOUNT_SECONDS_MAX", 3_600.0)
    counting = Counting()
    with counting.watching():
        world = World(pool, tmp_path / "data")
        with ApplicationClient(world.app) as api:
            yield Walk(world, counting, api)


def test_the_page_does_what_the_api_does_and_each_verb_is_one_transaction(walk: Walk) -> None:
    walk.choices()
    walk.content()
    for name in TRANSACTIONS:
        print(walk.costs[name].row(name))
    assert {name: cost.transactions for name, cost in walk.costs.items()} == TRANSACTIONS
    assert {name: cost.parses for name, cost in walk.costs.items()} == dict.fromkeys(
        TRANSACTIONS, 0
    )
    of_token, of_session = (
        walk.costs["choice, API, of a showing"],
        walk.costs["choice, API, session"],
    )
    assert walk.costs["choice, settings"].calls <= PAGE_TO_API_MAX * of_token.calls
    assert walk.costs["choice, notice"].calls <= PAGE_TO_API_MAX * of_token.calls
    for verb in SAME:
        assert (
            walk.costs[f"{verb}, page"].calls <= PAGE_TO_API_MAX * walk.costs[f"{verb}, API"].calls
        )
        assert walk.costs[f"{verb}, page"].statements <= walk.costs[f"{verb}, API"].statements
    assert walk.costs["delete, page"].calls <= PAGE_TO_API_MAX * walk.costs["delete"].calls
    assert walk.costs["choice, notice, session"].calls <= PAGE_TO_API_MAX * of_session.calls
    assert walk.world.rows(
        "SELECT via, allow, count(*) FROM choices GROUP BY via, allow ORDER BY via"
    ) == [
        ("api", True, 3),
        ("settings", True, 3),
        ("signup", True, 2),
    ]
    assert walk.world.rows("SELECT count(*) FROM terms") == [(2,)]
    done = (
        "SELECT narrowings, narrowed, deleted_at IS NOT NULL, count(*) FROM conversations "
        "GROUP "
        "BY 1, 2, 3"
    )
    assert walk.world.rows(done) == [(1, False, True, 2)]
    assert walk.world.rows("SELECT count(*) FROM feedback WHERE taken_back_at IS NOT NULL") == [
        (2,)
    ]


def test_a_page_is_read_in_one_transaction(walk: Walk) -> None:
    """All that it shows is of one moment, and it takes one connection. A session is looked up in
    one of its own.
    """
    headers, host = walk.person("ivy"), walk.world.service()
    assert (
        walk.api.post(f"{MINE}/choices", headers=headers, json={"allow": True}).status_code == 201
    )
    turn = {"account": "host:ivy", "conversation": "host:pears", "text": "How do I plant a tree?"}
    chat = walk.api.post("/v1/turns", headers=host, json=turn).json()["conversation"]
    pages = (
        "/notice",
        "/notice?whole=1",
        "/settings",
        f"/settings?again={uuid.UUID(int=1).hex}",
        "/settings?flash=1",
        "/chats",
        f"/chats?chat={chat}&flash=let_in",
        f"/chats/{chat}",
        f"/chats/{chat}/delete",
        "/feedback",
    )
    for path in pages:
        for _ in range(2):
            walk.ask(path, 200, "GET", path, headers)
    assert {path: walk.costs[path].transactions for path in pages} == dict.fromkeys(pages, 1)


def test_a_version_of_the_policy_is_parsed_once_a_process(pool: Pool, tmp_path: Path) -> None:
    counting = Counting()
    policy = from_document(
        {**preset("article-2025").document(), "version": f"v{os.urandom(4).hex()}"}
    )
    with counting.watching():
        with counting.counted() as first:  # applying it reads what is stored, too
            world = World(pool, tmp_path / "data", policy)
            known = load_policies(world.installation)
        with counting.counted() as later:
            assert load_policies(world.installation)[0] == known[0] == policy
    assert (first.parses, later.parses) == (1, 0)

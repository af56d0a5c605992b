"""The demonstration's links sign in as somebody of the town; a run without a terminal serves nothing."""

from __future__ import annotations

import inspect
import socket
from pathlib import Path

import msgspec
from litestar.testing import TestClient

from licet.cli import demo as cli
from licet.config import Web
from licet.demo import serve
from licet.policy.decide import Gate
from licet.store.connect import Pool

from .people import AFTER, NOTICE, TOKEN_KEY, Town


def test_the_links_sign_in_as_somebody_undecided_somebody_who_said_yes_somebody_new_and_the_officer(
    pool: Pool, tmp_path: Path
) -> None:
    town = Town(pool, tmp_path, "article-2025")
    for name in ("p1", "p2"):
        town.open(name)
        town.say(name, "Bees")
    town.clock.set(NOTICE)
    town.choose("p2", True)
    town.say("p2", "Bees")
    town.clock.set(AFTER)
    here = msgspec.structs.replace(
        town.here, config=msgspec.structs.replace(town.here.config, web=Web(token_key_file=town.token_key_file))
    )
    app, links = serve.stand(here, TOKEN_KEY)
    assert [link for link, _ in links] == ["/as/undecided", "/as/decided", "/as/new", "/as/privacy-officer"]
    arrives = {"/as/undecided": "Writing waits", "/as/decided": "May be used", "/as/new": "Finish signing up"}
    for link, words in arrives.items():
        with TestClient(app, base_url="https://town.example") as browser:
            entered = browser.get(link)
            assert entered.status_code == 200, link
            target = entered.text.split('href="')[1].split('"')[0]
            assert words in browser.get(target).text, link
    with TestClient(app, base_url="https://town.example") as browser:
        assert "Sign in" in browser.get("/as/privacy-officer").text
        assert browser.get("/as/nobody").status_code == 404
    assert town.seen("p1").gate is Gate.must_decide


def test_a_port_that_is_taken_is_left_to_whoever_has_it() -> None:
    with socket.socket() as taken:
        taken.bind((serve.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert serve.free_port(port) not in (0, port)


def test_only_a_terminal_is_served() -> None:
    source = inspect.getsource(cli.demo.callback or cli.demo)
    assert "no_serve or as_json or paths" in source
    assert "sys.stdout.isatty()" in source

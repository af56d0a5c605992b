"""The way in: a token for a link is for a link alone, nobody is swapped unseen, and who cannot come
in is told why.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from licet.access import sessions
from licet.access.roles import StaffRole
from licet.config import Web
from licet.store.connect import Pool, transaction

from .browsing import Site, browser, site
from .people import TOKEN_KEY
from .served import ApplicationClient, World, api, world

__all__ = ["api", "browser", "site", "world"]

HTML = {"accept": "text/html,application/xhtml+xml"}


def signed(world: World, audience: Any) -> str:
    now = int(world.wall.timestamp())
    claims = {"sub": "ana", "aud": audience, "iat": now, "exp": now + 600}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(TOKEN_KEY))


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_a_token_for_a_link_is_no_bearer_and_a_bearer_opens_no_page(world: World, api: Any) -> None:
    world.open("ana")
    link, call = signed(world, "licet-enter"), signed(world, "licet")
    assert api.get("/v1/me", headers=bearer(call)).status_code == 200
    assert api.get("/v1/me", headers=bearer(link)).status_code == 401
    assert api.get("/enter", params={"token": call}).status_code == 401
    assert api.get("/enter", params={"token": link}).status_code == 200
    assert api.get("/v1/me", headers=bearer(link)).status_code == 401, "nor after it was used"
    for both in (["licet", "licet-enter"], ["licet-enter", "licet"]):
        token = signed(world, both)
        assert api.get("/v1/me", headers=bearer(token)).status_code == 401
        assert api.get("/enter", params={"token": token}).status_code == 401
    assert api.get("/v1/me", headers=bearer(signed(world, ["licet", "chat"]))).status_code == 200


def test_a_token_that_was_used_is_refused_for_as_long_as_it_would_hold(
    world: World, api: Any
) -> None:
    world.open("ana")
    link = {"token": world.link_token("ana", seconds=600)}
    expires = world.wall.replace(microsecond=0) + timedelta(seconds=600)
    assert api.get("/enter", params=link).status_code == 200
    for left in (timedelta(seconds=300), timedelta(seconds=1), timedelta(milliseconds=1)):
        world.wall = expires - left
        with transaction(world.installation.pool) as tx:
            sessions.sweep(tx, world.wall)
        again = api.get("/enter", params=link)
        assert (again.status_code, "used already" in again.text) == (401, True), left
    world.wall = expires
    with transaction(world.installation.pool) as tx:
        sessions.sweep(tx, world.wall)
    assert world.rows("SELECT count(*) FROM used_tokens") == [(0,)], (
        "what can be used no more is forgotten"
    )
    assert "expired" in api.get("/enter", params=link).text


# Somebody else is signed in


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Another site: its address, and the page that it shows."""

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def end_headers(self) -> None:
            # A page that is written twice within a second has one date, and a browser would show
            # the first again.
            self.send_header("cache-control", "no-store")
            super().end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}", tmp_path / "index.html"
    server.shutdown()
    server.server_close()


def who(page: Any, site: Site) -> str:
    return str(
        page.evaluate(
            "async (url) => (await (await fetch(url)).json()).account", f"{site.url}/v1/me"
        )
    )


def test_a_link_on_another_site_asks_before_it_swaps_the_person(
    site: Site, elsewhere: tuple[str, Path]
) -> None:
    address, index = elsewhere
    ana, ben = site.town.open("ana"), site.town.open("ben")
    page = site.visit("ana", "/settings")

    def follow(name: str) -> None:
        index.write_text(f'<a href="{site.entrance(name, "/chats")}">Your privacy</a>')
        page.goto(address)
        page.get_by_role("link", name="Your privacy").click()

    follow("ben")
    page.get_by_role("heading", name="Somebody else is signed in here").wait_for()
    page.get_by_role("button", name="Stay signed in as before").click()
    page.wait_for_url(f"{site.url}/settings")
    assert who(page, site) == f"acc_{ana.hex}"
    follow("ana")
    page.wait_for_url(f"{site.url}/chats")
    assert who(page, site) == f"acc_{ana.hex}", "the same person is asked nothing"
    follow("ben")
    page.get_by_role("button", name="Sign the other person out and go on").click()
    page.wait_for_url(f"{site.url}/chats")
    assert who(page, site) == f"acc_{ben.hex}"
    with transaction(site.town.installation.pool) as tx:
        left = tx.execute("SELECT DISTINCT account_id FROM sessions").fetchall()
    assert left == [(ben,)], (
        "who was signed out has no session left, and neither has a link that was not followed"
    )


def test_staff_are_asked_too_and_a_swap_needs_our_own_form(world: World, api: Any) -> None:
    world.open("ana")
    staff = world.staff(StaffRole.auditor)
    came = api.get("/enter", params={"token": world.link_token("ana")})
    both = f"{came.headers['set-cookie'].partition(';')[0]}; {staff['cookie']}"
    asked = api.get("/enter/on", headers={"cookie": both}, follow_redirects=False)
    assert (asked.status_code, "Somebody else" in asked.text, "set-cookie" in asked.headers) == (
        200,
        True,
        False,
    )
    form = {"act": "switch", "to": "/settings"}
    for origin in ({}, {"origin": "https://evil.example"}):
        assert (
            api.post("/enter/on", data=form, headers={"cookie": both, **origin}).status_code == 403
        )
    ours = {"cookie": both, "origin": staff["origin"]}
    assert api.post("/enter/on", data=form, headers=ours, follow_redirects=False).status_code == 303
    assert api.get("/v1/me", headers={"cookie": staff["cookie"]}).status_code == 401


def test_every_cookie_of_ours_is_deleted_with_all_that_a_browser_asks_for(
    world: World, api: Any
) -> None:
    world.open("ana")
    ana = world.browser("ana")
    out = api.post("/sign-out", headers=ana, follow_redirects=False)
    (gone,) = out.headers.get_list("set-cookie")
    assert gone.startswith(f"{sessions.COOKIE}=")
    assert {"secure", "path=/", "max-age=0"} <= {word.strip().lower() for word in gone.split(";")}
    assert "You are signed out." in api.get("/signed-out").text
    other = world.browser("ana")
    still = api.get("/signed-out", headers={"cookie": other["cookie"]}, follow_redirects=False)
    assert (still.status_code, still.headers["location"]) == (303, "/")


def test_a_browser_is_signed_out_when_the_page_says_so(site: Site) -> None:
    site.town.open("ana")
    page = site.visit("ana", "/settings")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Signed out").wait_for()
    assert page.context.cookies() == []
    page.reload()
    assert "You are signed out." in page.locator("body").inner_text()


# Who cannot come in


def test_the_first_page_says_what_this_is_and_how_one_comes_in(world: World, api: Any) -> None:
    said = api.get("/", headers=HTML)
    assert said.status_code == 200
    for sentence in (
        (
            "Licet keeps what people say to the assistant, and lets it be used only as each of "
            "them allows."
        ),
        "Here you see what is kept of yours, decide whether it may be used, and delete it.",
        "You are signed in by opening these pages from the assistant.",
    ):
        assert sentence in said.text
    assert "<title>Your privacy</title>" in said.text
    assert 'href="/settings"' in said.text
    assert "Nobody can sign in" not in said.text


@pytest.mark.parametrize(
    "path", ["/", "/notice", "/settings", "/chats", "/signup", "/enter?token=x"]
)
def test_where_no_token_key_is_set_the_page_says_so_and_what_the_operator_must_do(
    pool: Pool, tmp_path: Path, path: str
) -> None:
    world = World(pool, tmp_path / "data", token_key_file=None)
    world.open("ana")
    with ApplicationClient(world.app) as api:
        said = api.get(path, headers=HTML)
        assert said.status_code == (200 if path == "/" else 401)
        assert "Nobody can sign in here yet, so nobody can answer here either." in said.text
        assert "set LICET_WEB__TOKEN_KEY_FILE or LICET_WEB__TOKEN_JWKS_FILE" in said.text
        assert api.get("/v1/me", headers=bearer(world.token("ana"))).status_code == 401


def test_a_link_that_does_not_hold_is_a_page_for_a_browser_and_a_problem_for_a_program(
    world: World, api: Any
) -> None:
    world.open("ana")
    for path in ("/enter?token=x", "/enter/on"):
        said = api.get(path, headers=HTML)
        assert said.status_code == 401
        assert "The link that opens this page was used already, or is too old." in said.text
        assert api.get(path).headers["content-type"] == "application/problem+json"


def test_the_doctor_and_the_server_say_that_nobody_can_sign_in(pool: Pool, tmp_path: Path) -> None:
    from licet import doctor

    world = World(pool, tmp_path / "data")

    def seen(web: Web) -> tuple[str, str]:
        installation = world.installation
        config = type(installation.config)(data=installation.config.data, web=web)
        (found,) = [
            one
            for one in doctor.examine(
                type(installation)(
                    config=config,
                    pool=installation.pool,
                    keyring=installation.keyring,
                    clock=installation.clock,
                )
            )
            if one.what == "people"
        ]
        return found.state.value, found.seen + found.mend

    assert seen(world.web)[0] == "well"
    state, said = seen(Web())
    assert (state, "LICET_WEB__TOKEN_KEY_FILE" in said) == ("warning", True)
    assert seen(Web(token_key_file=tmp_path / "absent"))[0] == "broken"

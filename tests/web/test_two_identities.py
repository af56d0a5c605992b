"""Two people that are two: identities that one person can make do not count as two. With a real
provider on a loopback port, and with the links that an owner makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from litestar.testing import TestClient

from licet.access import identities, sessions
from licet.access.roles import StaffRole
from licet.cli.policy import proposal_text
from licet.config import Web
from licet.errors import RefusedError
from licet.service import policy_proposals
from licet.vault.installation import load_policies

from .served import NOTICE, ApplicationClient, World, browser
from .test_oidc import CLIENT, SECRET, Provider, begin, finish, provider
from .test_policy_proposals import text_of

__all__ = ["provider"]

PROPOSALS = "/v1/policy/proposals"
NOT_CONFIRMED = "not confirmed by a second identity"


@pytest.fixture
def opened(pool: Any, tmp_path: Any, provider: Provider) -> Iterator[Callable[..., Any]]:
    """Opens an installation with the provider; `second_identity` says whether it asks for two."""
    (tmp_path / "secret").write_text(SECRET)
    clients: list[TestClient[Any]] = []

    def open_with(**settings: Any) -> Any:
        world = World(
            pool,
            tmp_path / "data",
            oidc_issuer=provider.issuer,
            oidc_client_id=CLIENT,
            oidc_client_secret_file=tmp_path / "secret",
            **settings,
        )
        world.clock.set(NOTICE)
        client = ApplicationClient(world.app)
        clients.append(client)
        client.__enter__()
        client.world = world  # type: ignore[attr-defined]  # the test's own, kept beside its client
        return client

    yield open_with
    for client in clients:
        client.__exit__(None, None, None)


def signed_in(api: Any, provider: Provider, subject: str, email: str) -> dict[str, str]:
    """The headers of an officer who signed in with the provider as ``subject``."""
    provider.claims = {
        "sub": subject,
        "email": email,
        "email_verified": True,
        "licet_roles": ["privacy_officer", "owner"],
    }
    took = finish(api, *begin(api))
    assert took.status_code == 200, took.text
    cookies = took.headers.get_list("set-cookie")
    cookie = next(one for one in cookies if one.startswith(f"{sessions.COOKIE}="))
    api.cookies.clear()
    return browser(cookie.partition(";")[0].partition("=")[2])


def by_link(api: Any, owner: dict[str, str], email: str) -> dict[str, str]:
    """The headers of an officer to whom the owner made a link, which the owner then uses."""
    made = api.post("/v1/staff", json={"email": email, "roles": ["privacy_officer"]}, headers=owner)
    assert made.status_code == 201, made.text
    secret = urlsplit(made.json()["link"]).path.rpartition("/")[2]
    used = api.post("/sign-in/link", data={"secret": secret}, headers={"origin": str(api.base_url)})
    assert used.status_code == 303, used.text
    cookie = used.headers["set-cookie"].partition(";")[0].partition("=")[2]
    api.cookies.clear()
    return browser(cookie)


def propose(api: Any, officer: dict[str, str]) -> Any:
    return api.post(PROPOSALS, json={"text": text_of(min_age="18")}, headers=officer)


def apply(api: Any, officer: dict[str, str], made: Any) -> Any:
    found = made.json()
    body = {"reason": "the board", "plan_sha256": found["plan_sha256"]}
    return api.post(f"{PROPOSALS}/{found['proposal']['id']}/apply", json=body, headers=officer)


def versions(api: Any) -> int:
    return len(load_policies(api.world.installation))


def test_two_links_of_one_owner_are_one_persons_word_on_the_page_by_api_and_on_record(
    opened,
) -> None:
    api = opened()
    owner = api.world.staff(StaffRole.owner, email="owner@example.org")
    ada, ben = by_link(api, owner, "ada@example.org"), by_link(api, owner, "ben@example.org")
    made = propose(api, ada)
    assert made.json()["proposal"]["has_identity"] is False
    page = f"/console/policy/proposals/{made.json()['proposal']['id']}"
    assert f"it is recorded as {NOT_CONFIRMED}" in api.get(page, headers=ben).text
    done = apply(api, ben, made)
    assert (done.status_code, done.json()["second_identity"]) == (200, False), done.text
    assert (
        api.get(f"{PROPOSALS}/{made.json()['proposal']['id']}", headers=ada).json()["proposal"][
            "second_identity"
        ]
        is False
    )
    assert f"no: {NOT_CONFIRMED}" in api.get(page, headers=ada).text
    assert f"no: {NOT_CONFIRMED}" in api.get("/console/policy/versions/1", headers=ada).text
    assert api.world.rows("SELECT proposed_identity, ended_identity FROM policy_proposals") == [
        (None, None)
    ]
    seen = policy_proposals.show(api.world.installation, made.json()["proposal"]["id"])
    assert f"applied by staff:ben@example.org, {NOT_CONFIRMED}" in proposal_text(seen)


def test_where_two_identities_are_asked_for_links_are_refused_with_the_mend(
    opened, provider
) -> None:
    api = opened(second_identity=True)
    owner = signed_in(api, provider, "1", "owner@example.org")
    ada, ben = by_link(api, owner, "ada@example.org"), by_link(api, owner, "ben@example.org")
    refused = propose(api, ada)
    assert (refused.status_code, refused.json()["because"]) == (409, "one_identity"), refused.text
    assert "sign in with the identity provider" in refused.text
    made = propose(api, owner)
    assert made.json()["proposal"]["has_identity"] is True
    late = apply(api, ben, made)
    assert (late.status_code, late.json()["because"]) == (409, "one_identity")
    page = api.get(f"/console/policy/proposals/{made.json()['proposal']['id']}", headers=ben).text
    assert "You cannot apply it: this takes two identities of the identity provider" in page
    assert "Apply what I read" not in page
    assert versions(api) == 1


def test_two_subjects_of_the_provider_are_two(opened, provider) -> None:
    api = opened(second_identity=True)
    ada = signed_in(api, provider, "1", "ada@example.org")
    ben = signed_in(api, provider, "2", "ben@example.org")
    made = propose(api, ada)
    page = f"/console/policy/proposals/{made.json()['proposal']['id']}"
    assert NOT_CONFIRMED not in api.get(page, headers=ben).text
    assert apply(api, ada, made).json()["because"] == "same_person"
    done = apply(api, ben, made)
    assert (done.status_code, done.json()["second_identity"]) == (200, True), done.text
    assert NOT_CONFIRMED not in api.get(page, headers=ben).text
    assert NOT_CONFIRMED not in api.get("/console/policy/versions/1", headers=ben).text
    ((one, other),) = api.world.rows(
        "SELECT proposed_identity, ended_identity FROM policy_proposals"
    )
    assert (one, other) == tuple(
        identities.identity_of(provider.issuer, subject) for subject in "12"
    )


def test_one_subject_under_two_addresses_is_one_person(opened, provider) -> None:
    api = opened()
    made = propose(api, signed_in(api, provider, "1", "ada@example.org"))
    again = signed_in(api, provider, "1", "ada.b@example.org")
    refused = apply(api, again, made)
    assert (refused.status_code, refused.json()["because"]) == (409, "same_person")
    assert (
        "You proposed it."
        in api.get(f"/console/policy/proposals/{made.json()['proposal']['id']}", headers=again).text
    )
    assert versions(api) == 1


def test_a_link_to_the_address_of_somebody_who_has_an_identity_has_none(opened, provider) -> None:
    """An owner can make a link to a colleague's address, and use it alone."""
    api = opened()
    signed_in(api, provider, "2", "ben@example.org")
    owner = signed_in(api, provider, "1", "owner@example.org")
    made = propose(api, owner)
    done = apply(api, by_link(api, owner, "ben@example.org"), made)
    assert (done.status_code, done.json()["second_identity"]) == (200, False)
    assert api.world.rows(
        "SELECT proposed_identity IS NULL, ended_identity IS NULL FROM policy_proposals"
    ) == [(False, True)]


def test_names_on_the_command_line_are_no_identities(opened) -> None:
    api = opened(second_identity=True)
    with pytest.raises(
        RefusedError, match="a link and the command line are no identity"
    ) as refused:
        policy_proposals.propose(api.world.installation, text_of().encode(), actor="ada")
    assert refused.value.because == "one_identity"
    unset = Web(second_identity=True)
    with pytest.raises(RefusedError) as mend:
        identities.check(unset, None)
    assert "set LICET_WEB__OIDC_ISSUER and LICET_WEB__OIDC_CLIENT_ID" in mend.value.hint


def test_an_identity_is_of_its_issuer_and_its_subject() -> None:
    known = identities.identity_of("https://a.example", "1")
    assert known.hex() == "e4902763aa73e005a5598f2ef5c89b8a34f404a7eec53a9a1f920e9adb0c6609"
    others = [
        ("https://a.example", "2"),
        ("https://b.example", "1"),
        ("https://a.example1", ""),
        ("https://a.exampl", "e1"),
    ]
    assert known not in {identities.identity_of(*pair) for pair in others}
    assert not identities.has_two([known, None, known])
    assert not identities.has_two([None, None])
    assert identities.has_two([known, bytes(32)])


def test_the_database_takes_no_version_that_one_identity_proposed_and_applied(
    opened, provider
) -> None:
    api = opened()
    propose(api, signed_in(api, provider, "1", "ada@example.org"))
    with pytest.raises(Exception, match="another_identity_applies"):
        api.world.rows(
            "UPDATE policy_proposals SET (state, ended_at, ended_by, ended_identity) ="
            " ('applied', now(), 'staff:ben@example.org', proposed_identity) RETURNING 1"
        )

"""Who calls: tokens that hold and tokens that do not, keys, sessions, CSRF, links that work once,
and rates.
"""

from __future__ import annotations

import base64
import json
import os
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

from licet.access import service_keys, sessions
from licet.access.roles import Scope, StaffRole, UnauthenticatedError
from licet.access.service_keys import REMEMBERED_SECONDS_MAX, KeyAct, KeyLimits
from licet.config import Configuration, Web
from licet.errors import RefusedError, UsageError
from licet.release import signatures
from licet.store.connect import transaction
from licet.web.access.rates import BURST_SECONDS, Rates
from licet.web.access.tokens import (
    LEEWAY_SECONDS,
    LIFETIME_SECONDS_MAX,
    TOKEN_CHARACTERS_MAX,
    TokenVerifier,
)
from licet.web.api.problems import RateLimitedError

from .served import NOTICE, ORIGIN, TOKEN_KEY, ApplicationClient, World, api, browser, world

__all__ = ["api", "world"]  # fixtures

NOW = 1_800_000_000
GOOD = {"sub": "ana", "aud": "licet", "iat": NOW - 10, "exp": NOW + 300}
SHARED = OctKey.import_key(TOKEN_KEY)


def signed(claims: dict[str, Any], key: Any = SHARED, alg: str = "HS256", **header: Any) -> str:
    return jwt.encode({"alg": alg, **header}, claims, key, algorithms=[alg])


@pytest.fixture
def tokens(tmp_path) -> TokenVerifier:
    (tmp_path / "key").write_bytes(TOKEN_KEY)
    return TokenVerifier(Web(token_key_file=tmp_path / "key"))


def test_a_token_that_holds_names_the_person(tokens) -> None:
    assert tokens.read(signed(GOOD), NOW).subject == "ana"
    assert tokens.read(signed({**GOOD, "aud": ["other", "licet"]}), NOW).subject == "ana"


BAD = {
    "expired": {"exp": NOW},
    "lives too long": {"exp": NOW - 10 + LIFETIME_SECONDS_MAX + 1},
    "no end": {"exp": None},
    "no beginning": {"iat": None},
    "begins later": {"iat": NOW + LEEWAY_SECONDS + 1},
    "not before": {"nbf": NOW + LEEWAY_SECONDS + 1},
    "not before is text": {"nbf": "soon"},
    "another audience": {"aud": "billing"},
    "no audience": {"aud": None},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is a number": {"sub": 7},
    "a very long subject": {"sub": "x" * 513},
    "an end that is true": {"exp": True},
    "an end without end": {"exp": 1e400},
    "ends before it begins": {"exp": NOW + 100, "iat": NOW + 30, "nbf": NOW + 200},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_a_token_with_a_bad_claim_does_not_hold(tokens, change) -> None:
    claims = {k: v for k, v in {**GOOD, **change}.items() if v is not None}
    with pytest.raises(UnauthenticatedError):
        tokens.read(signed(claims), NOW)


def test_a_token_that_is_longer_than_its_bound_does_not_hold_however_it_is_signed(tokens) -> None:
    fits, longer = (signed({**GOOD, "more": "x" * size}) for size in (2_000, TOKEN_CHARACTERS_MAX))
    assert len(fits) < TOKEN_CHARACTERS_MAX < len(longer)
    assert tokens.read(fits, NOW).subject == "ana"
    with pytest.raises(UnauthenticatedError):
        tokens.read(longer, NOW)


def test_the_algorithm_is_the_keys_and_never_the_tokens(tokens) -> None:
    head, body, signature = signed(GOOD).split(".")
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"  # {"alg":"none","typ":"JWT"}
    rsa = RSAKey.generate_key(2048)
    longer = signed(GOOD, OctKey.import_key(TOKEN_KEY * 2), "HS512")
    for text in (
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        f"{head}.{body}.",
        signed(GOOD, rsa, "RS256"),
        longer,
        signed(GOOD, OctKey.import_key(b"y" * 40)),
        f"{head}.{body[:-2]}xx.{signature}",
        "not.a.token",
        "",
        "x" * 10_000,
    ):
        with pytest.raises(UnauthenticatedError):
            tokens.read(text, NOW)


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (RSAKey.generate_key(2048), "RS256"),
        (ECKey.generate_key("P-256"), "ES256"),
        (OKPKey.generate_key("Ed25519"), "Ed25519"),
    ],
    ids=["RS256", "ES256", "Ed25519"],
)
def test_a_jwks_file_verifies_public_keys_and_takes_a_new_one_at_once(tmp_path, key, alg) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    tokens = TokenVerifier(Web(token_jwks_file=file))
    assert tokens.read(signed(GOOD, key, alg), NOW).subject == "ana"
    public = json.dumps(key.as_dict(private=False)).encode()
    # the public key as a shared secret
    for forged in (signed(GOOD), signed(GOOD, OctKey.import_key(public))):
        with pytest.raises(UnauthenticatedError):
            tokens.read(forged, NOW)
    newer = RSAKey.generate_key(2048)
    file.write_text(json.dumps(KeySet([newer]).as_dict(private=False)))
    os.utime(file, ns=(1, 1))
    assert tokens.read(signed({**GOOD, "sub": "ben"}, newer, "RS256"), NOW).subject == "ben"
    with pytest.raises(UnauthenticatedError):
        tokens.read(signed({**GOOD, "sub": "cyd"}, key, alg), NOW)


@pytest.mark.parametrize(
    "head",
    ["[" * 2_900, '{"alg":' + "[" * 2_900],
    ids=["a header that is nested", "an algorithm that is nested"],
)
def test_a_token_that_is_nested_too_deeply_does_not_hold(tokens, head) -> None:
    encoded = base64.urlsafe_b64encode(head.encode()).decode().rstrip("=")
    with pytest.raises(UnauthenticatedError):
        tokens.read(f"{encoded}.e30.x", NOW)


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_key_of_rsa_that_is_too_short_is_refused(tmp_path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(KeySet([RSAKey.generate_key(1024)]).as_dict(private=False)))
    with pytest.raises(UsageError, match="2048"):
        TokenVerifier(Web(token_jwks_file=file))


@pytest.mark.parametrize(
    "address", ["\u212aelvin@example.org", "ana", "ana@", "@x", "a@b@c", "a na@x", "a@" + "x" * 260]
)
def test_an_address_of_staff_that_could_be_taken_for_another_is_refused(world, address) -> None:
    with transaction(world.installation.pool) as tx, pytest.raises(UsageError):
        sessions.bootstrap(tx, address, world.wall, os.urandom)
    with pytest.raises(UsageError):
        signatures.find_member(world.installation, address)


def test_an_address_of_staff_is_the_same_in_capitals(world) -> None:
    with transaction(world.installation.pool) as tx:
        sessions.add_staff(tx, "Kelvin@Example.org", [StaffRole.reviewer], world.wall, os.urandom)
    assert (
        signatures.find_member(world.installation, "kELVIN@example.ORG").email
        == "kelvin@example.org"
    )


def test_an_id_of_the_host_costs_a_person_the_same_work_whether_it_is_known_or_not(
    world, api
) -> None:
    """The database is asked as often, so that time tells nobody who has an account here."""
    for name in ("ana", "ben"):
        world.open(name)
    world.clock.set(NOTICE)
    headers, asked = world.person("ana"), {}
    assert api.get("/v1/me", headers=headers).status_code == 200  # who asks is remembered
    for name in ("ben", "nobody", "ana"):
        for _ in range(2):  # what is remembered of the first time may not show in the second
            before = world.installation.pool.get_stats().get("requests_num", 0)
            assert api.get(f"/v1/accounts/host:{name}/explain", headers=headers).status_code == (
                200 if name == "ana" else 404
            )
            asked.setdefault(name, []).append(
                world.installation.pool.get_stats().get("requests_num", 0) - before
            )
    assert asked["ben"] == asked["nobody"]
    assert 0 not in asked["ben"]


def test_settings_that_would_not_be_safe_are_refused(tmp_path) -> None:
    short, shared = tmp_path / "short", tmp_path / "jwks"
    short.write_bytes(b"too short")
    shared.write_text(json.dumps(KeySet([OctKey.generate_key(256)]).as_dict(private=True)))
    good = tmp_path / "good"
    good.write_bytes(TOKEN_KEY)
    for settings in (
        Web(token_key_file=short),
        Web(token_key_file=tmp_path / "absent"),
        Web(token_jwks_file=shared),
        Web(token_key_file=good, token_jwks_file=shared),
    ):
        with pytest.raises(UsageError):
            TokenVerifier(settings)


def test_settings_come_from_the_environment_and_a_misspelt_one_is_refused() -> None:
    web = Configuration.from_environment(
        {"LICET_WEB__URL": "https://x.example", "LICET_WEB__EMBED_ORIGINS": "https://a, https://b"}
    ).web
    assert (web.url, web.embed_origins) == ("https://x.example", ("https://a", "https://b"))
    for name, value in (
        ("LICET_WEB__URI", "x"),
        ("LICET_WEB__PERSON_REQUESTS_PER_MINUTE", "many"),
        ("LICET_WEB__EMBED_ORIGINS", '["https://a"]'),
        ("LICET_WEB__EMBED_ORIGINS", "https://a, https://b/"),
        ("LICET_WEB__EMBED_ORIGINS", "*"),
        ("LICET_WEB__EMBED_ORIGINS", "https://A.example"),
    ):
        with pytest.raises(UsageError, match=name):
            Configuration.from_environment({name: value})


# API keys


def test_a_key_does_what_its_scopes_say_until_it_is_revoked(world, api, monkeypatch) -> None:
    world.open("ana")
    key = {"authorization": f"Bearer {world.key(Scope.gate_read, name='assistant')}"}
    assert api.get("/v1/accounts/host:ana/gate", headers=key).status_code == 200
    assert api.get("/v1/accounts/host:ana", headers=key).status_code == 403
    with transaction(world.installation.pool) as tx:
        service_keys.revoke(
            tx, "assistant", KeyAct(by="user:ana", reason="it lay in a log", at=NOTICE), None
        )
    until = [at for at, _ in world.site._keys.values()]
    world.site._keys.clear()  # as after the second for which it is remembered
    assert api.get("/v1/accounts/host:ana/gate", headers=key).status_code == 401
    assert len(until) == 1
    assert REMEMBERED_SECONDS_MAX <= 1


def test_a_key_is_limited_at_once_at_the_version_that_was_seen_and_what_it_was_stays_on_record(
    world, api
) -> None:
    world.open("ana")
    key = {
        "authorization": f"Bearer {world.key(Scope.gate_read, Scope.accounts_read, name='assistant')}"
    }
    assert api.get("/v1/accounts/host:ana", headers=key).status_code == 200
    act = KeyAct(by="user:ana", reason="it only asks", at=world.clock.now)
    wanted = KeyLimits(
        scopes=(Scope.gate_read,),
        requests_per_minute=1,
        expires_at=world.clock.now + timedelta(days=1),
    )
    with transaction(world.installation.pool) as tx:
        after = service_keys.set_limits(tx, "assistant", wanted, act, None, version=1)
    assert (after.version, after.limits) == (2, wanted)
    world.site.forget_keys()
    assert api.get("/v1/accounts/host:ana", headers=key).status_code == 403
    asked = [api.get("/v1/accounts/host:ana/gate", headers=key).status_code for _ in range(4)]
    assert (asked[0], asked[-1]) == (200, 429), "one a minute"
    world.clock.set(world.clock.now + timedelta(days=1))
    world.site.forget_keys()
    assert api.get("/v1/accounts/host:ana/gate", headers=key).status_code == 401, "it has expired"
    for wrong, version, because in (
        (wanted, 1, "changed"),
        (KeyLimits(scopes=()), 2, ""),
        (KeyLimits(scopes=(Scope.release_lease,)), 2, ""),
        (KeyLimits(scopes=(Scope.gate_read,), requests_per_minute=0), 2, ""),
        (KeyLimits(scopes=(Scope.gate_read,), expires_at=world.clock.now), 2, ""),
    ):
        now = msgspec.structs.replace(act, at=world.clock.now)
        with (
            pytest.raises((RefusedError, UsageError)) as refused,
            transaction(world.installation.pool) as tx,
        ):
            service_keys.set_limits(tx, "assistant", wrong, now, None, version=version)
        assert getattr(refused.value, "because", "") == because
    with transaction(world.installation.pool) as tx:
        service_keys.revoke(tx, "assistant", act, None)
        service_keys.revoke(tx, "assistant", act, None)
        revoked, limited = service_keys.list_changes(tx, after.key_id)
    assert (limited.act, limited.was.scopes) == ("limited", (Scope.accounts_read, Scope.gate_read))
    assert (revoked.act, revoked.version, revoked.by, revoked.was) == (
        "revoked",
        2,
        "user:ana",
        wanted,
    )
    with pytest.raises(RefusedError), transaction(world.installation.pool) as tx:
        service_keys.set_limits(tx, "assistant", wanted, act, None, version=2)


def test_a_key_is_kept_as_a_hash_and_a_changed_one_is_refused(world, api) -> None:
    key = world.key(Scope.gate_read)
    assert key not in str(world.rows("SELECT api_keys::text FROM api_keys"))
    changed = key[:-1] + ("A" if key[-1] != "A" else "B")
    for wrong in (changed, key[:-1], key + "A", "licet_", key.replace("licet_", "licet_f", 1)[:-1]):
        assert api.get("/v1/me", headers={"authorization": f"Bearer {wrong}"}).status_code == 401
    assert api.get("/v1/me", headers={"authorization": f"Basic {key}"}).status_code == 401
    with pytest.raises(RefusedError), transaction(world.installation.pool) as tx:
        world.key(Scope.gate_read, name="one")
        service_keys.create_key(tx, "one", [Scope.gate_read], NOTICE, os.urandom)


# Sessions


def test_a_token_begins_one_session_and_no_second(world, api) -> None:
    world.open("ana")
    link = f"/enter?token={world.link_token('ana')}&to=/v1/me"
    first, second = api.get(link), api.get(link)
    coming = first.headers["set-cookie"]
    assert coming.startswith(f"{sessions.ENTERING}=")
    assert 'url=/enter/on?to=%2Fv1%2Fme"' in first.text
    on = {"cookie": coming.partition(";")[0]}
    begun, again = (
        api.get("/enter/on?to=/v1/me", headers=on, follow_redirects=False) for _ in range(2)
    )
    assert (begun.status_code, begun.headers["location"], again.status_code) == (303, "/v1/me", 401)
    cookie, gone = begun.headers.get_list("set-cookie")
    assert gone.startswith(f"{sessions.ENTERING}=")
    assert all(word in gone.lower() for word in ("max-age=0", "secure", "path=/"))
    assert cookie.startswith(f"{sessions.COOKIE}=")
    assert all(
        word in cookie.lower() for word in ("secure", "httponly", "samesite=strict", "path=/")
    )
    assert "domain" not in cookie.lower()
    assert second.status_code == 401
    secret = cookie.partition("=")[2].partition(";")[0]
    me = api.get("/v1/me", headers={"cookie": f"{sessions.COOKIE}={secret}"})
    assert me.json()["account"] == f"acc_{world.accounts['ana'].hex}"
    assert secret not in str(world.rows("SELECT sessions::text FROM sessions"))


def test_a_person_whose_account_is_not_known_begins_no_session(world, api) -> None:
    answer = api.get(
        "/enter", params={"token": world.link_token("a stranger")}, follow_redirects=False
    )
    assert (answer.status_code, "no account of this person is known here" in answer.text) == (
        401,
        True,
    )
    assert "set-cookie" not in answer.headers
    assert world.rows("SELECT FROM sessions") == []


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "settings",
        "/a\nb",
        "/" + "x" * 300,
    ],
)
def test_a_session_goes_on_only_to_a_path_of_this_site(world, api, target) -> None:
    world.open("ana")
    assert (
        api.get("/enter", params={"token": world.link_token("ana"), "to": target}).status_code
        == 400
    )


def test_a_session_ends_when_idle_after_its_lifetime_and_when_signed_out(world, api) -> None:
    world.open("ana")
    idle = world.browser("ana")
    world.wall += sessions.IDLE_MAX["person"] + timedelta(seconds=1)
    assert api.get("/v1/me", headers=idle).status_code == 401
    active, ends = world.browser("ana"), world.wall + sessions.LIFETIME_MAX["person"]
    # never idle, so that its lifetime alone can end it
    while world.wall < ends - timedelta(seconds=1):
        assert api.get("/v1/me", headers=active).status_code == 200
        world.wall = min(world.wall + timedelta(minutes=20), ends - timedelta(seconds=1))
    assert api.get("/v1/me", headers=active).status_code == 200
    world.wall = ends
    assert api.get("/v1/me", headers=active).status_code == 401
    out = world.browser("ana")
    assert api.post("/sign-out", headers=out, follow_redirects=False).status_code == 303
    ended = api.get("/v1/me", headers=out)
    assert (ended.status_code, "the session has ended" in ended.text) == (401, True)


def test_a_change_with_a_cookie_needs_our_origin_and_the_sessions_token(world, api) -> None:
    world.open("ana")
    good, others = world.browser("ana"), world.browser("ana")
    path, body = "/v1/accounts/me/choices", {"allow": False}

    def ask(**change: str | None) -> int:
        headers = {k: v for k, v in {**good, **change}.items() if v is not None}
        return api.post(path, json=body, headers=headers).status_code

    assert ask(**{"x-csrf-token": None}) == 403
    assert ask(**{"x-csrf-token": others["x-csrf-token"]}) == 403
    assert ask(origin="https://evil.example") == 403
    assert ask(origin=None) == 403
    assert ask(origin="null") == 403
    assert ask(**{"sec-fetch-site": "cross-site"}) == 403
    assert ask(**{"sec-fetch-site": "same-site"}) == 403
    assert world.rows("SELECT count(*) FROM choices") == [(0,)]
    assert ask(**{"sec-fetch-site": "same-origin"}) == 201
    assert (
        api.get("/v1/me", headers={"cookie": good["cookie"]}).json()["csrf"] == good["x-csrf-token"]
    )


def test_a_form_brings_the_token_in_a_field(world, api) -> None:
    world.open("ana")
    headers = world.browser("ana")
    token = headers.pop("x-csrf-token")
    assert api.post("/sign-out", data={"csrf": "wrong"}, headers=headers).status_code == 403
    assert (
        api.post(
            "/sign-out", data={"csrf": token}, headers=headers, follow_redirects=False
        ).status_code
        == 303
    )


def test_a_bearer_that_does_not_hold_is_refused_even_beside_a_good_cookie(world, api) -> None:
    world.open("ana")
    headers = {**world.browser("ana"), "authorization": "Bearer nonsense"}
    assert api.get("/v1/me", headers=headers).status_code == 401


# The first owner


def test_the_first_owner_signs_in_once_with_a_link_and_nobody_becomes_a_second_one(
    world, api
) -> None:
    with transaction(world.installation.pool) as tx:
        secret = sessions.bootstrap(tx, "Ana@example.org", world.wall, os.urandom)
    shown = api.get(f"/sign-in/link/{secret}")
    assert '<form method="post" action="/sign-in/link">' in shown.text
    assert api.post("/sign-in/link", data={"secret": secret}).status_code == 403  # no origin
    took = api.post(
        "/sign-in/link", data={"secret": secret}, headers={"origin": ORIGIN}, follow_redirects=False
    )
    cookie = took.headers["set-cookie"].partition(";")[0].partition("=")[2]
    me = api.get("/v1/me", headers=browser(cookie)).json()
    assert (me["caller"], me["name"], me["roles"]) == ("staff", "ana@example.org", ["owner"])
    assert (
        api.post("/sign-in/link", data={"secret": secret}, headers={"origin": ORIGIN}).status_code
        == 401
    )
    with pytest.raises(RefusedError), transaction(world.installation.pool) as tx:
        sessions.bootstrap(tx, "ben@example.org", world.wall, os.urandom)
    with transaction(world.installation.pool) as tx:
        late = sessions.bootstrap(tx, "ana@example.org", world.wall, os.urandom)
    world.wall += sessions.LINK_LIFETIME
    assert (
        api.post("/sign-in/link", data={"secret": late}, headers={"origin": ORIGIN}).status_code
        == 401
    )


def test_a_role_that_is_taken_away_ends_with_the_next_request(world, api) -> None:
    world.open("ana")
    officer = world.staff(email="ana@example.org")
    world.rows("UPDATE staff SET roles = '{privacy_officer}' RETURNING 1")
    assert (
        api.get(f"/v1/accounts/acc_{world.accounts['ana'].hex}", headers=officer).status_code == 200
    )
    world.rows("UPDATE staff SET roles = '{}' RETURNING 1")
    assert (
        api.get(f"/v1/accounts/acc_{world.accounts['ana'].hex}", headers=officer).status_code == 403
    )


# Rates


def test_a_caller_past_the_rate_is_told_when_to_come_again_and_others_are_not_slowed() -> None:
    rates, taken = Rates(), 0
    with pytest.raises(RateLimitedError) as refused:
        for _ in range(1_000):
            rates.take(b"ana", 60, 100.0)
            taken += 1
    assert taken == BURST_SECONDS + 1
    rates.take(b"ben", 60, 100.0)
    with pytest.raises(RateLimitedError):
        rates.take(b"ana", 60, 100.0 + refused.value.seconds - 0.01 - 1)
    rates.take(b"ana", 60, 100.0 + refused.value.seconds)


def test_over_an_hour_a_caller_gets_the_rate_and_no_more() -> None:
    rates, taken = Rates(), 0
    for tenth in range(36_000):
        try:
            rates.take(b"ana", 60, tenth / 10)
            taken += 1
        except RateLimitedError:
            continue
    assert 3_600 <= taken <= 3_600 + BURST_SECONDS + 1


def test_the_api_answers_429_with_retry_after(pool, tmp_path) -> None:

    world = World(
        pool, tmp_path / "data", person_requests_per_minute=6, unknown_requests_per_minute=6
    )
    world.open("ana")
    with ApplicationClient(world.app) as api:
        for headers in (world.person("ana"), {}, {"authorization": "Bearer nonsense"}):
            statuses = [api.get("/v1/me", headers=headers).status_code for _ in range(4)]
            assert statuses[-1] == 429
        refused = api.get("/v1/me", headers=world.person("ana"))
        assert int(refused.headers["retry-after"]) >= 1
        assert api.get("/healthz").status_code == 200


@pytest.mark.parametrize("role", StaffRole)
def test_staff_reach_no_page_of_a_person(world, api, role) -> None:
    assert api.get("/settings", headers=world.staff(role)).status_code == 403

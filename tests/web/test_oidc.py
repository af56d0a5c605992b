"""Staff sign in with a real OpenID Connect provider on a loopback port: the code flow with PKCE,
and every way to lie.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from licet.access import sessions
from licet.config import Web
from licet.errors import BusyError, UsageError
from licet.store.connect import transaction
from licet.web.access import oidc

from .served import ApplicationClient, World, browser

CLIENT, SECRET = "licet-client", "the client's secret"


@cache
def key_of_provider() -> RSAKey:
    """A key of RSA, which takes 0.1 s to make."""
    return RSAKey.generate_key(2048, {"kid": "one"})


class Provider:
    """A provider that signs everybody in as ``claims`` say. ``lie`` changes the ID token that it
    gives.
    """

    def __init__(self) -> None:
        self.key = key_of_provider()
        self.claims: dict[str, Any] = {
            "email": "Ana@example.org",
            "email_verified": True,
            "licet_roles": ["reviewer"],
        }
        self.lie: dict[str, Any] = {}
        self.signs_with: Any = self.key
        self.alg = "RS256"
        self.codes: dict[str, dict[str, str]] = {}
        self.asked = 0
        provider = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.get(self)

            def do_POST(self) -> None:
                provider.post(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def get(self, asked: BaseHTTPRequestHandler) -> None:
        path, query = (
            urlsplit(asked.path).path,
            {k: v[0] for k, v in parse_qs(urlsplit(asked.path).query).items()},
        )
        if path == "/.well-known/openid-configuration":
            self.asked += 1
            ends = {
                name: f"{self.issuer}/{name}"
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
            }
            return answer(asked, 200, {"issuer": self.issuer, **ends})
        if path == "/jwks_uri":
            return answer(asked, 200, KeySet([self.key]).as_dict(private=False))
        assert path == "/authorization_endpoint"
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        asked.send_response(302)
        asked.send_header(
            "location",
            f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}",
        )
        asked.end_headers()
        return None

    def post(self, asked: BaseHTTPRequestHandler) -> None:
        form = {
            k: v[0]
            for k, v in parse_qs(
                asked.rfile.read(int(asked.headers["content-length"])).decode()
            ).items()
        }
        basic = base64.b64decode(asked.headers["authorization"].partition(" ")[2]).decode()
        begun = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(
            hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        )
        good = (
            begun is not None
            and basic == f"{CLIENT}:{SECRET}"
            and begun["code_challenge"] == challenge.rstrip(b"=").decode()
            and begun["redirect_uri"] == form["redirect_uri"]
        )
        if not good:
            return answer(asked, 400, {"error": "invalid_grant"})
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "1",
            "iat": now,
            "exp": now + 300,
            "nonce": begun["nonce"],
            **self.claims,
            **self.lie,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode(
            {"alg": self.alg, "kid": "one"}, kept, self.signs_with, algorithms=[self.alg]
        )
        return answer(
            asked, 200, {"access_token": "unused", "token_type": "Bearer", "id_token": token}
        )


def answer(asked: BaseHTTPRequestHandler, status: int, body: Any) -> None:
    raw = json.dumps(body).encode()
    asked.send_response(status)
    asked.send_header("content-type", "application/json")
    asked.send_header("content-length", str(len(raw)))
    asked.end_headers()
    asked.wfile.write(raw)


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def api(pool, tmp_path, provider) -> Iterator[Any]:
    (tmp_path / "secret").write_text(SECRET)
    world = World(
        pool,
        tmp_path / "data",
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        oidc_client_secret_file=tmp_path / "secret",
        unknown_requests_per_minute=10_000,
    )
    with ApplicationClient(world.app) as client:
        client.world = world
        yield client


def begin(api: Any) -> tuple[str, str]:
    """Begins a sign-in: the cookie of the browser, and where the provider sends it back to."""
    import httpx

    sent = api.get("/sign-in")
    assert sent.status_code == 303, sent.text
    cookie = sent.headers["set-cookie"].partition(";")[0]
    assert "samesite=lax" in sent.headers["set-cookie"].lower()
    back = httpx.get(sent.headers["location"]).headers["location"]
    parts = urlsplit(back)
    return cookie, f"{parts.path}?{parts.query}"


def finish(api: Any, cookie: str, back: str) -> Any:
    api.cookies.clear()
    return api.get(back, headers={"cookie": cookie})


def test_staff_sign_in_and_have_the_roles_that_the_provider_says(api, provider) -> None:
    provider.claims["licet_roles"] = ["reviewer", "auditor", "emperor"]
    took = finish(api, *begin(api))
    assert took.status_code == 200, took.text
    cookie = next(
        c for c in took.headers.get_list("set-cookie") if c.startswith(f"{sessions.COOKIE}=")
    )
    api.cookies.clear()
    me = api.get("/v1/me", headers=browser(cookie.partition(";")[0].partition("=")[2])).json()
    assert (me["name"], me["roles"]) == ("ana@example.org", ["auditor", "reviewer"])


LIES: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "somebody"},
    "another party": {"aud": [CLIENT, "somebody"], "azp": "somebody"},
    "another party of one audience": {"azp": "somebody"},
    "a party that is none": {"azp": None, "aud": [CLIENT, "somebody"]},
    "not valid yet": {"nbf": int(time.time()) + 10**8},
    "valid from no time": {"nbf": "soon"},
    "a Kelvin sign in the address": {"email": "\u212aelvin@example.org"},
    "another alphabet's letter": {"email": "\u0430na@example.org"},
    "two addresses": {"email": "ana@example.org@evil.example"},
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is a number": {"sub": 1},
    "a subject that is too long": {"sub": "s" * 256},
    "expired": {"exp": int(time.time()) - 3_600},
    "no end": {"exp": None},
    "made long ago": {"iat": int(time.time()) - 3_600},
    "an address that is not verified": {"email_verified": False},
    "verified in words": {"email_verified": "true"},
    "no address": {"email": None},
    "no role": {"licet_roles": []},
    "a role of another's": {"licet_roles": ["emperor"]},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_token_that_does_not_fit_signs_nobody_in(api, provider, lie) -> None:
    provider.lie = lie
    refused = finish(api, *begin(api))
    assert refused.status_code in (401, 403), refused.text
    assert sessions.COOKIE + "=" not in str(refused.headers.get_list("set-cookie"))


def test_a_token_signed_by_another_key_or_with_a_shared_one_signs_nobody_in(api, provider) -> None:
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    assert finish(api, *begin(api)).status_code == 401
    provider.signs_with, provider.alg = OctKey.import_key(SECRET), "HS256"
    assert finish(api, *begin(api)).status_code == 401


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_key_of_rsa_that_is_too_short_signs_nobody_in(api, provider) -> None:
    provider.key = provider.signs_with = RSAKey.generate_key(1024, {"kid": "one"})
    refused = finish(api, *begin(api))
    assert refused.status_code == 400, refused.text
    assert "2048" in refused.json()["detail"]


def test_nobody_uses_up_the_sign_ins_of_others_who_share_their_address(
    pool, tmp_path, provider
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    world = World(
        pool,
        tmp_path / "data",
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        unknown_requests_per_minute=6,
        oidc_client_secret_file=tmp_path / "secret",
    )
    world.open("ana")
    with ApplicationClient(world.app) as api:
        failed = [
            api.get(path).status_code
            for path in ("/enter?token=x", "/sign-in/callback?state=x") * 10
        ]
        assert set(failed) == {401, 429}
        assert (
            api.post(
                "/sign-in/link", data={"secret": "x"}, headers={"origin": str(api.base_url)}
            ).status_code
            == 429
        )
        for _ in range(20):
            assert api.get("/sign-in").status_code == 303
        assert finish(api, *begin(api)).status_code == 200
        assert api.get(f"/enter?token={world.link_token('ana')}").status_code == 200
        with transaction(world.installation.pool) as tx:
            secret = sessions.bootstrap(tx, "bo@example.org", world.wall, os.urandom)
        used = api.post(
            "/sign-in/link", data={"secret": secret}, headers={"origin": str(api.base_url)}
        )
        assert used.status_code == 303


def test_beginning_a_sign_in_asks_the_provider_at_most_once_a_minute(api, provider) -> None:
    for _ in range(5):
        begin(api)
    assert provider.asked == 1
    api.world.wall += timedelta(seconds=oidc.DISCOVERY_SECONDS + 1)
    begin(api)
    assert provider.asked == 2


@pytest.mark.parametrize(
    "issuer",
    [
        "http://sso.example.org",
        "http://127.0.0.1.example.org",
        "ftp://localhost",
        "//sso.example.org",
    ],
)
def test_a_provider_elsewhere_is_reached_over_https_or_not_at_all(issuer) -> None:
    with pytest.raises(UsageError, match="over https"):
        oidc.Oidc(
            Web(oidc_issuer=issuer, oidc_client_id=CLIENT), bytes(32), "https://a.example/back"
        ).begin(0)
    with pytest.raises(BusyError):  # nobody listens there, which is what was tried
        oidc.Oidc(
            Web(oidc_issuer="https://127.0.0.1:1", oidc_client_id=CLIENT),
            bytes(32),
            "https://a.example/back",
        ).begin(0)


def test_a_browser_that_did_not_begin_the_sign_in_is_not_signed_in(api, provider) -> None:
    (mine, back), (other, _) = begin(api), begin(api)
    assert finish(api, other, back).status_code == 401
    assert finish(api, f"{oidc.COOKIE}=00", back).status_code == 401
    assert finish(api, "", back).status_code == 401
    assert finish(api, mine, back.replace("state=", "state=x")).status_code == 401
    assert (
        finish(
            api,
            mine,
            "/sign-in/callback?error=access_denied&" + back.partition("?")[2].partition("&")[2],
        ).status_code
        == 401
    )
    assert finish(api, mine, back).status_code == 200
    assert finish(api, mine, back).status_code == 401  # the code was used


def test_a_sign_in_that_took_too_long_is_refused(api, provider) -> None:
    cookie, back = begin(api)
    api.world.wall += timedelta(seconds=oidc.SECONDS_MAX + 1)
    late = finish(api, cookie, back)
    assert (late.status_code, "the sign-in took too long" in late.text) == (401, True)


def test_a_provider_that_is_away_is_a_busy_answer(api, provider) -> None:
    cookie, back = begin(api)
    provider.server.shutdown()
    provider.server.server_close()
    assert finish(api, cookie, back).status_code == 503
    api.world.wall += timedelta(seconds=oidc.DISCOVERY_SECONDS + 1)
    assert api.get("/sign-in").status_code == 503


def test_without_a_provider_staff_cannot_sign_in_with_one(pool, tmp_path) -> None:
    with ApplicationClient(World(pool, tmp_path / "data").app) as api:
        assert api.get("/sign-in").json()["because"] == "no_oidc"

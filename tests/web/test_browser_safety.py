"""What OWASP ASVS 5.0.0 asks of an application at the levels 1 and 2 and no other test holds; see
docs/asvs.csv.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import OctKey
from structlog.testing import capture_logs

from licet import web
from licet.access import sessions
from licet.access.roles import Scope, StaffRole
from licet.config import Web
from licet.errors import BusyError
from licet.vault import policy_versions
from licet.web.access import oidc
from licet.web.access.tokens import TokenVerifier

from .served import NOTICE, TOKEN_KEY, ApplicationClient, World, api, url, world

__all__ = ["api", "url", "world"]  # fixtures

SRC = Path(web.__file__).parent
SCRIPT = '"><script>alert(1)</script>'
YEAR_SECONDS = 365 * 24 * 3600
NOW = 1_800_000_000


@pytest.fixture
def everywhere(world: World, api: Any) -> list[Any]:
    """An answer of every kind: pages, data, files, refusals, and what is not there."""
    world.open("ana")
    world.clock.set(NOTICE)
    ana, key = world.browser("ana"), world.service()
    page = api.get("/settings", headers=ana)
    static = re.findall(r'"(/static/[^"]+)"', page.text)
    assert static
    asked = [
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/verifier.py",
        "/nowhere",
        "/v1/me",
        "/sign-in/link/x",
        *static,
    ]
    answers = [page, *(api.get(path) for path in asked)]
    answers += [api.get(path, headers=ana) for path in ("/chats", "/takeout.zip", "/v1/me")]
    answers += [api.post("/v1/accounts", json={"plan": 7}, headers=key), api.delete("/healthz")]
    answers += [api.post("/sign-out", headers=ana)]
    return answers


def entered(api: Any, world: World, name: str, cookie: str = "") -> Any:
    """The answer that begins the session of a person who came with a link."""
    came = api.get("/enter", params={"token": world.link_token(name)})
    coming = came.headers["set-cookie"].partition(";")[0]
    return api.get(
        "/enter/on", headers={"cookie": f"{coming}; {cookie}".strip("; ")}, follow_redirects=False
    )


# Headers and cookies


def test_every_answer_has_a_policy_of_content_that_names_object_and_base(
    everywhere: list[Any],
) -> None:
    for answer in everywhere:
        policy = answer.headers["content-security-policy"]
        for directive in (
            "default-src 'none'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        ):
            assert directive in policy, (answer.url, policy)
        assert "unsafe" not in policy


def test_every_answer_keeps_browsers_on_tls_for_a_year_on_every_subdomain(
    everywhere: list[Any],
) -> None:
    for answer in everywhere:
        found = re.fullmatch(
            r"max-age=(\d+); includeSubDomains", answer.headers["strict-transport-security"]
        )
        assert found is not None
        assert int(found[1]) >= YEAR_SECONDS


def test_every_answer_says_what_it_is_and_in_which_encoding(everywhere: list[Any]) -> None:
    for answer in everywhere:
        assert answer.headers["x-content-type-options"] == "nosniff"
        kind = answer.headers["content-type"]
        assert not kind.startswith("text/") or "charset=utf-8" in kind.lower(), (answer.url, kind)


def test_nothing_of_anybody_is_cached_and_only_our_own_files_are(everywhere: list[Any]) -> None:
    for answer in everywhere:
        cached = "no-store" not in answer.headers["cache-control"]
        assert cached == (
            urlsplit(str(answer.url)).path.startswith("/static/") and answer.status_code == 200
        ), answer.url


def test_the_cookie_of_a_session_is_bound_to_this_host_hidden_from_scripts_and_strict(
    world: World, api: Any
) -> None:
    world.open("ana")
    cookie = entered(api, world, "ana").headers.get_list("set-cookie")[0]
    words = {word.strip().lower() for word in cookie.split(";")[1:]}
    assert cookie.startswith("__Host-licet=")
    assert words >= {"secure", "httponly", "samesite=strict", "path=/"}
    assert not any(word.startswith(("domain", "max-age", "expires")) for word in words)


def test_another_site_is_answered_only_if_it_is_named_and_never_with_cookies(
    pool: Any, tmp_path: Path
) -> None:

    world = World(pool, tmp_path / "data", embed_origins=("https://chat.example",))
    with ApplicationClient(world.app) as api:
        ask = {
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization",
        }
        good = api.options(
            "/v1/accounts/me/choices", headers={"origin": "https://chat.example", **ask}
        )
        assert good.headers["access-control-allow-origin"] == "https://chat.example"
        assert "access-control-allow-credentials" not in good.headers
        for origin in (
            "https://evil.example",
            "https://chat.example.evil.example",
            "http://chat.example",
            "null",
        ):
            bad = api.options("/v1/accounts/me/choices", headers={"origin": origin, **ask})
            assert bad.headers.get("access-control-allow-origin") is None
        page = api.get("/settings").headers["content-security-policy"]
        assert "frame-ancestors 'self' https://chat.example" in page


# Injection, and what a request may hold


def test_what_a_person_wrote_is_shown_as_text_and_never_as_markup(world: World, api: Any) -> None:
    world.open("ana", allow=True)
    chat = world.say("ana", SCRIPT, SCRIPT)
    for path in ("/chats", f"/chats/{chat}"):
        shown = api.get(path, headers=world.browser("ana")).text
        assert "<script>alert" not in shown
        assert "&lt;script&gt;alert" in shown


@pytest.mark.parametrize(
    "path", ["/enter?token={}", "/enter?to={}", "/sign-in/link/{}", "/settings?surface={}"]
)
def test_what_a_link_carries_is_not_reflected_as_markup(world: World, api: Any, path: str) -> None:
    world.open("ana")
    answer = api.get(
        path.format(SCRIPT.replace("/", "%2F")), headers={"cookie": world.browser("ana")["cookie"]}
    )
    assert "<script>alert" not in answer.text


def test_a_field_that_the_action_does_not_have_is_refused(world: World, api: Any) -> None:
    key = world.service()
    for body in (
        {"host": "ben", "plan": "pro", "standing": "granted"},
        {"host": "ben", "plan": "pro", "grant": 1},
    ):
        assert api.post("/v1/accounts", json=body, headers=key).status_code == 400
    world.open("ana")
    world.clock.set(NOTICE)
    for more in ({"at": "2020-01-01T00:00:00Z"}, {"effect": "granted"}, {"account": "acc_0"}):
        choice = {"allow": False, **more}
        assert (
            api.post(
                "/v1/accounts/me/choices", json=choice, headers=world.person("ana")
            ).status_code
            == 400
        )
    assert world.rows("SELECT count(*) FROM choices") == [(0,)]


def test_a_value_of_another_type_is_refused_and_not_converted(world: World, api: Any) -> None:
    world.open("ana")
    world.clock.set(NOTICE)
    for allow in ("true", "yes", 1, 0, [], {}, None, [True]):
        answer = api.post(
            "/v1/accounts/me/choices", json={"allow": allow}, headers=world.person("ana")
        )
        assert answer.status_code == 400, allow
    assert world.rows("SELECT count(*) FROM choices") == [(0,)]


def test_a_parameter_given_twice_never_widens_what_is_answered(world: World, api: Any) -> None:
    mine, theirs = world.open("ana", allow=True), world.open("ben", allow=True)
    world.say("ben", "secret")
    for query in (f"account={mine}&account={theirs}", f"account={theirs}&account={mine}"):
        answer = api.get(f"/v1/accounts/me/conversations?{query}", headers=world.person("ana"))
        assert theirs not in answer.text


def test_headers_that_a_proxy_might_set_are_not_believed_from_a_caller(
    pool: Any, tmp_path: Path
) -> None:

    world = World(pool, tmp_path / "data", unknown_requests_per_minute=6)
    world.open("ana")
    with ApplicationClient(world.app) as api:
        forged = {
            "x-forwarded-user": "ana",
            "x-user-id": "ana",
            "x-remote-user": "ana",
            "x-forwarded-proto": "https",
        }
        assert api.get("/v1/me", headers=forged).status_code == 401
        codes = [
            api.get(
                "/v1/me",
                headers={"x-forwarded-for": f"203.0.113.{n}", "x-real-ip": f"203.0.113.{n}"},
            ).status_code
            for n in range(5)
        ]
        assert 429 in codes, "an address that a caller makes up starts a rate of its own"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PUT", "PATCH", "PROPFIND"])
def test_a_method_that_is_not_used_is_refused(world: World, api: Any, method: str) -> None:
    assert api.request(method, "/healthz").status_code in {404, 405}


def test_no_folder_is_listed_and_no_path_leads_out_of_one(api: Any) -> None:
    for path in (
        "/static",
        "/static/",
        "/static/0/",
        "/static/x/..%2f..%2fapp.py",
        "/.git/config",
        "/static/../app.py",
    ):
        answer = api.get(path)
        assert answer.status_code == 404, path
        assert "import" not in answer.text


def test_a_request_with_two_lengths_is_one_request_or_none(url: str) -> None:
    parts = urlsplit(url)
    smuggled = (
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n"
    )
    twice = (
        b"GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\nhello"
    )
    folded = b"GET /healthz HTTP/1.1\r\nhost: a\r\nx-a: b\n\rc: d\r\n\r\n"
    for raw in (smuggled, twice, folded):
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=600) as line:
            line.sendall(raw)
            line.settimeout(3)
            got = b""
            try:
                while piece := line.recv(65536):
                    got += piece
            except TimeoutError:
                pass
        assert b'"openapi"' not in got, "the second request of a smuggled pair was answered"
        assert got.startswith((b"HTTP/1.1 400", b"HTTP/1.1 405")), got[:40]


def test_a_download_has_a_name_of_ours_and_is_never_shown_in_place(world: World, api: Any) -> None:
    world.open("ana", allow=True)
    world.say("ana", f"{SCRIPT}\r\nx-forged: yes", "pears")
    answer = api.get(
        f"/takeout.zip?filename={SCRIPT.replace('/', '%2F')}", headers=world.browser("ana")
    )
    assert answer.status_code == 200
    assert re.fullmatch(
        r'attachment; filename="[a-z0-9-]+\.zip"', answer.headers["content-disposition"]
    )
    assert "x-forged" not in answer.headers


# Sessions


def test_every_page_of_a_signed_in_person_has_a_button_that_signs_out(
    world: World, api: Any
) -> None:
    world.open("ana", allow=True)
    chat = world.say("ana", "pears")
    ana = world.browser("ana")
    for path in ("/settings", "/chats", f"/chats/{chat}"):
        page = api.get(path, headers={"cookie": ana["cookie"]}).text
        assert '<form method="post" action="/sign-out">' in page, path
        assert f'name="csrf" value="{ana["x-csrf-token"]}"' in page


def test_signing_out_ends_the_session_and_clears_what_the_browser_holds(
    world: World, api: Any
) -> None:
    world.open("ana")
    ana = world.browser("ana")
    form = {"csrf": ana["x-csrf-token"]}
    ours = {"cookie": ana["cookie"], "origin": ana["origin"]}
    answer = api.post("/sign-out", data=form, headers=ours, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert api.get("/settings", headers={"cookie": ana["cookie"]}).status_code == 401


def test_a_session_never_keeps_the_cookie_that_was_there_before_it(world: World, api: Any) -> None:
    world.open("ana")
    fixed = "A" * sessions.SECRET_CHARACTERS
    begun = entered(api, world, "ana", f"{sessions.COOKIE}={fixed}")
    assert begun.status_code == 303
    assert fixed not in str(begun.headers.get_list("set-cookie"))
    api.cookies.clear()
    assert api.get("/v1/me", headers={"cookie": f"{sessions.COOKIE}={fixed}"}).status_code == 401


def test_a_closed_account_leaves_no_session_behind(world: World, api: Any) -> None:
    account = world.open("ana", allow=True)
    world.open("ben")
    phone, laptop, ben = world.browser("ana"), world.browser("ana"), world.browser("ben")
    key = world.service(Scope.accounts_write)
    assert api.post(f"/v1/accounts/{account}/close", headers=key).status_code == 200
    assert [api.get("/v1/me", headers=one).status_code for one in (phone, laptop, ben)] == [
        401,
        401,
        200,
    ]


def test_a_secret_of_a_session_has_256_random_bits_and_none_is_like_another() -> None:
    made = {sessions.new_secret(os.urandom) for _ in range(1_000)}
    assert len(made) == 1_000
    assert sessions.SECRET_BYTES * 8 == 256
    assert {len(one) for one in made} == {sessions.SECRET_CHARACTERS}


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", "secevent+jwt", "jwt "])
def test_a_token_that_is_typed_for_another_use_is_not_taken(tmp_path: Path, kind: Any) -> None:
    from licet.access.roles import UnauthenticatedError

    (tmp_path / "key").write_bytes(TOKEN_KEY)
    claims = {"sub": "ana", "aud": "licet", "iat": NOW - 10, "exp": NOW + 300}
    tokens = TokenVerifier(Web(token_key_file=tmp_path / "key"))
    shared = OctKey.import_key(TOKEN_KEY)
    for good in ("JWT", "at+jwt"):
        assert (
            tokens.read(jwt.encode({"alg": "HS256", "typ": good}, claims, shared), NOW).subject
            == "ana"
        )
    with pytest.raises(UnauthenticatedError):
        tokens.read(jwt.encode({"alg": "HS256", "typ": kind}, claims, shared), NOW)


# The log, and errors


def test_every_refusal_and_every_sign_in_leaves_a_line_with_what_when_and_the_kind_of_caller(
    world: World, api: Any
) -> None:
    world.open("ana")
    with capture_logs() as logged:
        asked = [
            (api.get("/v1/me"), 401, "nobody"),
            (api.get("/v1/me", headers={"authorization": "Bearer licet_wrong"}), 401, "nobody"),
            (api.post("/v1/accounts", json={}, headers=world.person("ana")), 403, "person"),
            (
                api.get("/v1/accounts/me/choices", headers=world.staff(StaffRole.reviewer)),
                403,
                "staff",
            ),
            (api.get("/enter", params={"token": world.link_token("ana")}), 200, "nobody"),
            (api.get("/enter", params={"token": "no"}), 401, "nobody"),
            (
                api.post("/sign-out", headers=world.browser("ana"), follow_redirects=False),
                303,
                "person",
            ),
        ]
    assert [answer.status_code for answer, _, _ in asked] == [status for _, status, _ in asked]
    lines = [line for line in logged if line["event"] == "answered"]
    assert [(line["status"], line["caller"]) for line in lines] == [
        (status, who) for _, status, who in asked
    ]
    marks = [answer.headers["x-request-id"] for answer, _, _ in asked]
    assert [line["request"] for line in lines] == marks
    assert len(set(marks)) == len(marks)


def test_the_log_of_a_server_has_utc_times_and_one_object_a_line() -> None:
    """A real process, because the log's form belongs to the process."""
    code = (
        "import structlog; from licet.web.serve import log_as_json; log_as_json();"
        "structlog.get_logger('x').info('one', said='a\\nb'); "
        "structlog.get_logger('x').error('two')"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["one", "two"]
    for line in lines:
        assert dt.datetime.fromisoformat(line["at"]).utcoffset() == dt.timedelta(0)


def test_no_line_of_the_log_can_be_made_up_by_a_caller(world: World, api: Any) -> None:
    with capture_logs() as logged:
        for path in ("/nowhere%0a%7b%22event%22%3a1%7d", "/v1/conversations/%0d%0aforged"):
            api.get(path, headers={"user-agent": "a\tforged", "referer": "forged"})
    assert len(logged) == 2
    assert "forged" not in str(logged)
    assert "event" in logged[0]
    assert "\n" not in "".join(str(value) for line in logged for value in line.values())


def test_a_token_and_a_key_are_in_no_line_and_no_refusal(world: World, api: Any) -> None:
    world.open("ana")
    token, key, cookie = world.token("ana", 60), world.key(), world.browser("ana")["cookie"]
    with capture_logs() as logged:
        said = [
            api.get("/v1/me", headers={"authorization": f"Bearer {token}x"}),
            api.get("/v1/me", headers={"authorization": f"Bearer {key}x"}),
            api.get("/v1/me", headers={"cookie": f"{cookie}x"}),
            api.get("/enter", params={"token": f"{token}x"}),
        ]
    for text in (str(logged), *(one.text + str(one.headers) for one in said)):
        assert token not in text
        assert key not in text
        assert cookie.partition("=")[2] not in text


def test_what_breaks_inside_is_told_to_the_log_and_to_nobody_outside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:

    world.open("ana")
    headers = world.service()

    def broken(*_: object) -> object:
        raise ZeroDivisionError("the planted words of a traceback")

    monkeypatch.setattr(policy_versions, "current", broken)
    with (
        ApplicationClient(world.app, raise_server_exceptions=False) as api,
        capture_logs() as logged,
    ):
        answer = api.get("/readyz", headers=headers)
    assert answer.status_code == 500
    assert answer.json() == {
        "type": "urn:licet:problem:broken",
        "title": "Something is broken",
        "status": 500,
    }
    assert "planted" not in str(logged)
    assert any(line.get("error") == "ZeroDivisionError" and line["places"] for line in logged)


# Calls that the application makes


@contextmanager
def provider(answer: Any, *, tls: Path | None = None) -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def self_signed(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=9))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    kept = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(kept + made.public_bytes(serialization.Encoding.PEM))
    return path


def begun(issuer: str) -> oidc.SignInBegun:
    return oidc.Oidc(
        Web(oidc_issuer=issuer, oidc_client_id="licet"), bytes(32), "https://a/back"
    ).begin(NOW)


def test_a_provider_whose_certificate_nobody_signed_is_not_spoken_to(tmp_path: Path) -> None:
    asked: list[str] = []
    with (
        provider(lambda one: asked.append(one.path), tls=self_signed(tmp_path / "pem")) as issuer,
        pytest.raises(BusyError),
    ):
        begun(issuer)
    assert asked == []


def test_a_redirect_of_the_provider_is_not_followed() -> None:
    asked: list[str] = []

    def elsewhere(one: BaseHTTPRequestHandler) -> None:
        asked.append(one.path)
        one.send_response(302)
        one.send_header("location", "/elsewhere")
        one.send_header("content-length", "0")
        one.end_headers()

    with provider(elsewhere) as issuer, pytest.raises(BusyError):
        begun(issuer)
    assert asked == ["/.well-known/openid-configuration"]


def test_a_provider_that_names_another_issuer_is_refused_even_if_only_a_slash_is_more() -> None:
    from licet.errors import BrokenError

    def said(one: BaseHTTPRequestHandler, more: str) -> None:
        host = f"http://{one.headers['host']}"
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        raw = json.dumps(
            {"issuer": host + more, **{name: f"{host}/{name}" for name in names}}
        ).encode()
        one.send_response(200)
        one.send_header("content-length", str(len(raw)))
        one.end_headers()
        one.wfile.write(raw)

    for more in ("/", "/tenant", "x"):
        with (
            provider(lambda one, more=more: said(one, more)) as issuer,
            pytest.raises(BrokenError, match="another issuer"),
        ):
            begun(issuer)


# The source


def test_no_script_of_ours_makes_markup_of_text_runs_text_or_keeps_anything_in_the_browser() -> (
    None
):
    scripts = sorted((SRC / "static").rglob("*.js"))
    assert len(scripts) > 8
    banned = r"\beval\(|new Function|document\.write|localStorage|sessionStorage|indexedDB|__proto__|\.on\w+\s*=\s*['\"]"
    for script in scripts:
        found = re.findall(banned, script.read_text(encoding="utf-8"))
        assert found == [], (script.name, found)


def test_no_page_has_a_script_a_style_or_an_address_of_another_place() -> None:
    pages = sorted((SRC / "templates").glob("**/*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(
            r"<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=|javascript:|\|\s*safe", text
        ), page.name
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text), page.name


def test_nothing_that_runs_text_or_reads_objects_of_strangers_is_used() -> None:
    root = SRC.parent
    banned = re.compile(
        r"import (?:pickle|marshal|shelve)\b|(?:pickle|marshal|shelve)\.|yaml\.(?:unsafe_load|full_load)\("
        r"|yaml\.load\((?!.*Loader=(?:yaml\.C(?:Safe|Base)Loader|_LOADER))|(?<![\w.])(?:eval|exec)\("
        r"|shell=True|os\.system|xml\.|\blxml\b|hashlib\.(?:md5|sha1)\(|modes\.(?:ECB|CBC)|verify=False"
    )
    assert root.name == "licet"
    found = [
        f"{path.relative_to(root)}:{number}: {match[0]}"
        for path in sorted(root.rglob("*.py"))
        if "demo" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for match in banned.finditer(line.split("  #")[0])
        # Messages of a build and its workers on a cluster, each sealed under a key that only these
        # two have: no strangers.
        if (path.name, match[0])
        not in {("ray_workers.py", "import pickle"), ("ray_workers.py", "pickle.")}
    ]
    assert found == []

"""Every mistake that somebody can make when they set a client up is told apart: by its code, and by
a sentence that names the value or the place. Each row is really made, against real servers.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from licet.access.roles import Scope
from licet.client import Client, ReasonCode, SetupError, UnansweredError
from licet.client.reasons import REMEDIES, SENTENCES, TABLE
from licet.errors import LicetError
from licet.host import Host, HostSettings
from licet.host.settings import PREFIX, from_environment

from ..web.served import NOTICE, World, url, world

__all__ = ["url", "world"]  # fixtures

KEY = "licet_0123456789"
HTML = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>"
MOVED = b"HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n"
SHORT = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a":'
BARE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n"
OTHER = (
    b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"api": "v9"}'
)
THEIRS = b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nnot found"
SLOWLY = (
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\n"
    b"content-type: application/problem+json\r\ncontent-length: 42\r\n\r\n"
    b'{"type": "urn:licet:problem:rate_limited"}'
)
FAILING = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 39\r\n\r\n" + (
    b'{"type": "urn:licet:problem:broken"}   '
)
GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\nbad"


class Place:
    """What the rows are made with: a real server, a folder, and programs that are none of ours."""

    def __init__(self, world: World, url: str, folder: Path) -> None:
        self.world, self.url, self.folder = world, url, folder

    def key(self, *scopes: Scope) -> str:
        return self.world.key(*(scopes or (Scope.gate_read, Scope.turns_write)))

    def settings(self, **more: object) -> HostSettings:
        key_file = self.folder / "key"
        if not key_file.exists():
            key_file.write_text(self.key())
        given: dict[str, object] = {
            "url": self.url,
            "key_file": key_file,
            "spool": self.folder / "spool",
            **more,
        }
        return HostSettings(**given)  # type: ignore[arg-type]  # of a row's own making


def made(address: str, key: str = KEY) -> None:
    """A client, which checks both."""
    Client(address, key).close()


def asked(address: str, key: str = KEY, *scopes: str) -> None:
    """A client that asks once."""
    with Client(address, key, timeout_seconds=1.0) as client:
        client.verify(*scopes)


@contextmanager
def answering(words: bytes, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a program that says these words to everybody; with none it says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                taken, _ = listener.accept()
                if context is not None:
                    taken = context.wrap_socket(taken, server_side=True)
                taken.recv(65536)
                if words:
                    taken.sendall(words)
                    taken.close()
                else:
                    taken.recv(1)
            except (OSError, ssl.SSLError):
                if listener.fileno() < 0:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def certificate(folder: Path) -> ssl.SSLContext:
    """TLS with a certificate that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "tls.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def said_by(words: bytes, scheme: str = "http") -> Callable[[Place], None]:
    def row(_place: Place) -> None:
        with answering(words) as there:
            asked(f"{scheme}://{there}")

    return row


def untrusted(place: Place) -> None:
    with answering(HTML, certificate(place.folder)) as there:
        asked(f"https://{there}")


def unbound(_place: Place) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    asked(f"http://127.0.0.1:{port}")


def revoked(place: Place) -> None:
    asked(place.url, "licet_neverwas")


def file_is_folder(place: Place) -> None:
    place.settings(key_file=place.folder).token()


def spool_on_a_file(place: Place) -> None:
    (place.folder / "plain").write_text("")
    Host(place.settings(spool=place.folder / "plain" / "spool"))


def spool_key(words: bytes, mode: int) -> Callable[[Place], None]:
    def row(place: Place) -> None:
        file = place.folder / "spool.key"
        file.write_bytes(words)
        file.chmod(mode)
        Host(place.settings(spool_key_file=file))

    return row


def account(reference: str) -> Callable[[Place], None]:
    def row(place: Place) -> None:
        host = Host(place.settings())
        try:
            permit = host.gate_now(reference)
        finally:
            host.close()
        assert not permit.may_write
        error = LicetError(permit.detail)
        error.because = permit.because
        raise error

    return row


# what somebody did, how it comes out, and what the sentence must name
Row = tuple[str, Callable[[Place], None], ReasonCode, str]
ROWS: tuple[Row, ...] = (
    ("the address is empty", lambda _: made(""), ReasonCode.address_missing, ""),
    ("read with its line feed", lambda p: made(p.url + "\n"), ReasonCode.address_blank, "\\n"),
    ("without a scheme", lambda _: made("privacy.example.org"),
     ReasonCode.address_scheme_missing, "privacy.example.org"),
    ("a scheme with a slip", lambda _: made("htp://licet.test"), ReasonCode.address_scheme, "htp"),
    ("no host", lambda _: made("https://"), ReasonCode.address_host, "https://"),
    ("a port that is a word", lambda _: made("http://h:port"), ReasonCode.address_port, "port"),
    ("a port too high", lambda _: made("http://h:99999"), ReasonCode.address_port, "99999"),
    ("a password in it", lambda _: made("http://u:secret@h"), ReasonCode.address_credentials, "h"),
    ("a query", lambda _: made("http://h/?a=b"), ReasonCode.address_query, "a=b"),
    ("with `/v1/`", lambda p: made(p.url + "/v1/"), ReasonCode.address_version, "/v1/"),
    ("a path of the API", lambda p: made(p.url + "/v1/accounts"),
     ReasonCode.address_version, "/v1/accounts"),
    ("a path that a proxy does not take away", lambda p: asked(p.url + "/licet", p.key()),
     ReasonCode.address_path, ""),
    ("no key", lambda p: made(p.url, " "), ReasonCode.key_missing, ""),
    ("a key with its line feed", lambda p: made(p.url, KEY + "\n"), ReasonCode.key_blank, ""),
    ("a key with `Bearer`", lambda p: made(p.url, "Bearer " + KEY), ReasonCode.key_prefix, ""),
    ("a key in quotes", lambda p: made(p.url, f'"{KEY}"'), ReasonCode.key_quoted, ""),
    ("a key with a dash of a word processor", lambda p: made(p.url, "licet_01\u201323"),
     ReasonCode.key_characters, ""),
    ("a key's file that is not there", lambda p: p.settings(key_file=p.folder / "no").token(),
     ReasonCode.key_file_missing, "no"),
    ("a folder for the key's file", file_is_folder, ReasonCode.key_file_unreadable, ""),
    ("a key that was revoked", revoked, ReasonCode.key_unknown, ""),
    ("a key that may not send turns",
     lambda p: asked(p.url, p.key(Scope.gate_read), "gate:read", "turns:write"),
     ReasonCode.scope_missing, "turns:write"),
    ("a key that may not ask gates",
     lambda p: asked(p.url, p.key(Scope.turns_write), "gate:read", "turns:write"),
     ReasonCode.scope_missing, "gate:read"),
    ("a name that does not exist", lambda _: asked("http://licet.invalid"),
     ReasonCode.name_unknown, ""),
    ("nothing runs there", unbound, ReasonCode.connection_refused, ""),
    ("the port of SSH", said_by(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), ReasonCode.not_http, ""),
    ("https where none is spoken", said_by(HTML, "https"), ReasonCode.tls_failed, ""),
    ("a certificate of one's own", untrusted, ReasonCode.certificate_unknown, "self-signed"),
    ("a program that hangs", said_by(b""), ReasonCode.late, ""),
    ("the web site", said_by(HTML), ReasonCode.not_licet, ""),
    ("another program's 404", said_by(THEIRS), ReasonCode.not_licet, ""),
    ("another API", said_by(OTHER), ReasonCode.unreadable, ""),
    ("a page to sign in", said_by(MOVED), ReasonCode.redirected, ""),
    ("a proxy that drops bodies", said_by(BARE), ReasonCode.cut_off, ""),
    ("a proxy that cuts", said_by(SHORT), ReasonCode.cut_off, ""),
    ("a proxy with nobody behind", said_by(GATEWAY), ReasonCode.not_licet, "502"),
    ("too many requests", said_by(SLOWLY), ReasonCode.rate_limited, ""),
    ("a server that is broken", said_by(FAILING), ReasonCode.broken, ""),
    ("the host's id without `host:`", account("ana"), ReasonCode.account_reference, "ana"),
    ("an account that was not opened", account("host:nobody"), ReasonCode.no_account, ""),
    ("a spool where no folder can be", spool_on_a_file, ReasonCode.spool_unwritable, "spool"),
    ("a spool's key for everybody", spool_key(bytes(32), 0o644),
     ReasonCode.spool_key_readable, "spool.key"),
    ("a spool's key in base64", spool_key(b"AAAA", 0o600), ReasonCode.spool_key_size, "spool.key"),
)  # fmt: skip


@pytest.fixture
def place(world: World, url: str, tmp_path: Path) -> Place:
    world.clock.set(NOTICE)
    return Place(world, url, tmp_path)


def test_each_mistake_has_its_code_and_its_sentence(place: Place) -> None:
    wrong, seen = [], dict[str, tuple[ReasonCode, str]]()
    for number, (what, row, because, names) in enumerate(ROWS):
        place.folder = place.folder / str(number)
        place.folder.mkdir()
        try:
            row(place)
        except LicetError as error:
            said = error.message
            seen[what] = (ReasonCode(error.because), said)
            if error.because != because or names not in said:
                wrong.append((what, error.because, said))
            assert "secret" not in said and KEY not in said
        else:
            wrong.append((what, "no error", ""))
    assert wrong == []
    assert len({because for because, _ in seen.values()}) >= 30, "told apart by the code alone"


def test_a_429_carries_for_how_long_to_wait() -> None:
    with answering(SLOWLY) as there, Client(f"http://{there}", KEY) as client:
        with pytest.raises(UnansweredError) as raised:
            client.verify()
        gate = client.check("host:ana")
    assert raised.value.retry_after == 7
    assert (gate.because, gate.retry_after) == (ReasonCode.rate_limited, 7)


def test_a_host_is_made_while_licet_is_away_and_not_with_a_wrong_key(place: Place) -> None:
    environment = {
        PREFIX + "URL": "http://127.0.0.1:9",
        PREFIX + "KEY_FILE": str(place.settings().key_file),
        PREFIX + "SPOOL": str(place.folder / "spool"),
    }
    assert from_environment(HostSettings, PREFIX, environment).url == "http://127.0.0.1:9"
    Host.from_environment(environment).close()
    place.settings().key_file.write_text("licet_neverwas")
    with pytest.raises(SetupError) as raised:
        Host.from_environment(environment | {PREFIX + "URL": place.url})
    assert raised.value.because is ReasonCode.key_unknown


def test_every_code_has_a_sentence_and_what_to_do() -> None:
    assert [code for code, _, _ in TABLE] == list(ReasonCode)
    assert len(set(SENTENCES.values())) == len(ReasonCode)
    assert all(REMEDIES.values())
    assert ReasonCode.of("a word of a newer server") is ReasonCode.refused


def test_the_page_of_the_client_lists_every_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "client.md").read_text("utf-8")
    listed = re.findall(r"(?m)^\| `(\w+)` \| (.*?) \| (.*?) \|$", page)
    assert [row for row in listed if row[0] in set(ReasonCode)] == [
        (code.value, said, remedy) for code, said, remedy in TABLE
    ]

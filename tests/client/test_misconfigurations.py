"""Every mistake that somebody can make when they set a client up is told apart: by its code, and by
a sentence that names the value or the place. Each row is really made, against real servers.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from licet.access.roles import Scope
from licet.client import ApiRequest, Client, ReasonCode, SetupError, UnansweredError
from licet.client.reasons import REMEDIES, SENTENCES, TABLE
from licet.errors import LicetError, UsageError
from licet.host import Host, HostSettings
from licet.host.settings import PREFIX, from_environment
from licet.store.connect import transaction
from licet.web.access import tokens

from ..host.test_host_package import built
from ..web.served import NOTICE, TOKEN_KEY, World, url, world

__all__ = ["built", "url", "world"]  # fixtures

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
STARVED = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n"
    b"content-length: 68\r\n\r\n"
    b'{"type": "urn:licet:problem:busy", "because": "database_silent"}    '
)
LEAVES = b"-"  # it takes a request and closes the connection
GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\nbad"
TABLE_FILE = Path(__file__).with_name("misconfigurations.yaml")
DRIVER = TABLE_FILE.with_suffix(".mjs")
PROGRAMS = {
    "html": HTML,
    "moved": MOVED,
    "short": SHORT,
    "bare": BARE,
    "other": OTHER,
    "theirs": THEIRS,
    "slowly": SLOWLY,
    "failing": FAILING,
    "gateway": GATEWAY,
    "starved": STARVED,
    "ssh": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "silent": b"",
    "leaving": LEAVES,
}


class Row(msgspec.Struct, frozen=True):
    """One row of the table, which says what the fields mean."""

    mistake: str
    do: str
    because: str
    says: str = ""
    url: str = "{url}"
    key: str = "{key}"
    scopes: tuple[str, ...] = ()
    account: str = ""
    body: dict[str, str | int] = {}
    settings: dict[str, str] = {}
    files: dict[str, str] = {}
    mode: int = 0o600

    def made(self, given: Mapping[str, str], folder: Path) -> Row:
        """The row with addresses, keys and files of ``folder``, which it fills."""
        folder.mkdir()
        files = {"key": given["key"]} | self.files
        for name, text in files.items():
            (folder / name).write_text(text)
            (folder / name).chmod(self.mode)
        words = {**given, "folder": str(folder)}
        settings = {"key_file": "{folder}/key", "spool": "{folder}/spool"} | self.settings
        return msgspec.structs.replace(
            self,
            url=self.url.format_map(words),
            key=self.key.format_map(words),
            settings={name: value.format_map(words) for name, value in settings.items()},
        )


class Came(NamedTuple):
    """The code of what a row came to, and its sentence; none where nothing was wrong."""

    because: str
    said: str


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
                    if words != LEAVES:
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


ROWS = msgspec.convert(yaml.safe_load(TABLE_FILE.read_text("utf-8")), list[Row])


def do_in_python(row: Row) -> None:
    """LicetError with the code of what is wrong."""
    match row.do:
        case "make":
            Client(row.url, row.key).close()
        case "verify":
            with Client(row.url, row.key, timeout_seconds=1.0) as client:
                client.verify(*row.scopes)
        case "check":
            with Client(row.url, row.key) as client:
                gate = client.check(row.account)
            if gate.because:
                error = LicetError(gate.detail)
                error.because = gate.because
                raise error
        case "open":
            with Client(row.url, row.key) as client:
                body = msgspec.json.encode(row.body)
                client.send(ApiRequest(method="POST", path="/v1/accounts", read=bytes, body=body))
        case _:
            kept = {name: Path(value) for name, value in row.settings.items()}
            made = Host(HostSettings(url=row.url, **kept))
            try:
                made.verify()
            finally:
                made.close()


def came_in_python(row: Row) -> Came:
    try:
        do_in_python(row)
    except LicetError as error:
        return Came(str(error.because), error.message)
    return Came("", "")


def came_in_typescript(rows: list[Row], host: Path) -> list[Came]:
    told = {"client": str(host.parent / "client"), "host": str(host), "rows": rows}
    done = subprocess.run(
        ["node", str(DRIVER)],
        env={"PATH": os.environ["PATH"], "LICET_TEST": msgspec.json.encode(told).decode()},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=list[Came])


@pytest.fixture
def given(world: World, url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Addresses and keys: of the real server, and of programs that are none of ours."""
    world.clock.set(NOTICE)
    now = world.wall.timestamp()
    revoked = world.key(Scope.gate_read, name="revoked")
    with transaction(world.installation.pool) as tx:
        tx.execute("UPDATE api_keys SET revoked_at = %s WHERE name = 'revoked'", [NOTICE])
    world.open("ana")
    token = partial(tokens.sign_token, TOKEN_KEY, "ana", "licet")
    with ExitStack() as stack:
        words = {name: stack.enter_context(answering(said)) for name, said in PROGRAMS.items()}
        words["tls"] = stack.enter_context(answering(HTML, certificate(tmp_path)))
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            words["unbound"] = f"127.0.0.1:{listener.getsockname()[1]}"
        yield words | {
            "url": url,
            "key": world.key(Scope.gate_read, Scope.turns_write, Scope.accounts_write),
            "gate_key": world.key(Scope.gate_read),
            "turns_key": world.key(Scope.turns_write),
            "revoked": revoked,
            "expired": token(now - 3600, 600),
            "early": token(now + 3600, 600),
            "long": token(now, 365 * 86_400),
            "other_audience": tokens.sign_token(TOKEN_KEY, "ana", "another", now),
            "other_key": tokens.sign_token(bytes(32), "ana", "licet", now),
        }


def check(rows: list[Row], came: list[Came]) -> None:
    wrong = [
        (row.mistake, one)
        for row, one in zip(rows, came, strict=True)
        if one.because != row.because or row.says not in one.said
    ]
    assert not wrong, "\n".join(map(str, wrong))
    assert not any("secret" in one.said or KEY in one.said for one in came)


def test_each_mistake_has_its_code_and_its_sentence_in_python(
    given: dict[str, str], tmp_path: Path
) -> None:
    rows = [row.made(given, tmp_path / str(number)) for number, row in enumerate(ROWS)]
    came = [came_in_python(row) for row in rows]
    check(rows, came)
    apart = {(one.because, row.says) for row, one in zip(rows, came, strict=True)}
    assert len(apart) >= 40, "told apart"
    assert len({one.because for one in came}) >= 30, "told apart by the code alone"


def test_each_mistake_has_its_code_and_its_sentence_in_typescript(
    given: dict[str, str], tmp_path: Path, built: Path
) -> None:
    rows = [row.made(given, tmp_path / str(number)) for number, row in enumerate(ROWS)]
    came = came_in_typescript(rows, built)
    check(rows, came)
    assert len({one.because for one in came}) >= 30, "told apart by the code alone"


def test_a_429_carries_for_how_long_to_wait() -> None:
    with answering(SLOWLY) as there, Client(f"http://{there}", KEY) as client:
        with pytest.raises(UnansweredError) as raised:
            client.verify()
        gate = client.check("host:ana")
    assert raised.value.retry_after == 7
    assert (gate.because, gate.retry_after) == (ReasonCode.rate_limited, 7)


def test_a_host_is_made_while_licet_is_away_and_not_with_a_wrong_key(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(KEY)
    environment = {
        PREFIX + "URL": "http://127.0.0.1:9",
        PREFIX + "KEY_FILE": str(tmp_path / "key"),
        PREFIX + "SPOOL": str(tmp_path / "spool"),
    }
    assert from_environment(HostSettings, PREFIX, environment).url == "http://127.0.0.1:9"
    Host.from_environment(environment).close()
    with pytest.raises(SetupError) as raised:
        Host.from_environment(environment | {PREFIX + "URL": url})
    assert raised.value.because is ReasonCode.key_unknown
    with pytest.raises(UsageError) as missing:
        from_environment(HostSettings, PREFIX, environment | {PREFIX + "SPOOL": ""})
    assert "`spool`" in missing.value.message


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

"""A published folder over HTTP is what the folder is: nothing more, cached as long as it stays
true.
"""

from __future__ import annotations

import gzip
import http.client
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet import verifier
from licet.ledger.log import LogWriter, prune
from licet.ledger.served_folder import FOR_EVER, NOT_A_MOMENT, ServedFolder
from licet.ledger.storage import Folder
from licet.verifier import bundle

from .listening import listening
from .world import ORIGIN, SIGNER, entry_of

VKEY = SIGNER.verifier.vkey
HASH = "ab" * 32
BESIDE = {
    f"policies/{HASH}.json": b"{}",
    f"notices/{HASH}.json": b'{"title":"..."}',
    "vkeys.txt": VKEY.encode(),
    "verifier.py": bundle.source(),
}
SECRET = b"not for anybody"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("served")
    with LogWriter.create(base / "public" / "2026", base / "state", ORIGIN, SIGNER) as log:
        for start in range(0, 600, 150):
            log.append([entry_of(i) for i in range(start, start + 150)])
    for name, data in BESIDE.items():
        (base / "public" / name).parent.mkdir(exist_ok=True)
        (base / "public" / name).write_bytes(data)
    (base / "public" / "secret.txt").write_bytes(SECRET)
    (base / "secret.txt").write_bytes(SECRET)
    return base / "public"


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with listening(ServedFolder(folder)) as at:
        yield at


def fetched(
    url: str, path: str, method: str = "GET", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """A plain HTTP client, which sends the path as it is."""
    where = urlsplit(url)
    with closing(
        http.client.HTTPConnection(where.hostname or "", where.port, timeout=600)
    ) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return (
            answer.status,
            answer.read(),
            {name.lower(): value for name, value in answer.headers.items()},
        )


def test_every_file_is_served_as_it_is_and_cached_as_long_as_it_stays(
    url: str, folder: Path
) -> None:
    served = 0
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or name == "secret.txt":
            continue
        status, body, headers = fetched(url, f"/{name}")
        assert (status, body) == (200, path.read_bytes()), name
        changes = name in ("vkeys.txt", "verifier.py") or name.endswith("checkpoint")
        assert headers["cache-control"] == (NOT_A_MOMENT if changes else FOR_EVER), name
        kind = "application/octet-stream" if "tile" in name else "application/json"
        assert headers["content-type"] == ("text/plain; charset=utf-8" if changes else kind), name
        served += 1
    assert served > 12


def test_entries_are_compressed_where_the_caller_takes_it(url: str, folder: Path) -> None:
    path = "2026/tile/entries/000"
    status, body, headers = fetched(url, f"/{path}", **{"Accept-Encoding": "br, gzip"})
    assert (status, headers["content-encoding"], headers["vary"]) == (
        200,
        "gzip",
        "accept-encoding",
    )
    assert gzip.decompress(body) == (folder / path).read_bytes()
    for refused in ("identity", "gzip;q=0", ""):
        _, body, headers = fetched(url, f"/{path}", **{"Accept-Encoding": refused})
        assert body == (folder / path).read_bytes()
        assert "content-encoding" not in headers


def test_it_is_read_only(url: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        status, _, headers = fetched(url, "/2026/checkpoint", method)
        assert (status, headers["allow"]) == (405, "GET, HEAD")
    status, body, headers = fetched(url, "/2026/tile/0/000", "HEAD")
    assert (status, body, headers["content-length"]) == (200, b"", "8192")


ELSEWHERE = [
    "/",
    "/secret.txt",
    "/../secret.txt",
    "/2026/../secret.txt",
    "/2026/tile/0/../../../secret.txt",
    "//secret.txt",
    "/%2e%2e/secret.txt",
    "/2026/tile/0/000/",
    "/2026/tile/0",
    "/2026/tile/64/000",
    "/2026/tile/0/0",
    "/2026/lock",
    "/2026/tile/0/000.p/0",
    "/2026/tile/0/000.p/256",
    "/2026/tile/0/999",
    "/policies/../secret.txt",
    f"/policies/{HASH.upper()}.json",
    "/vkeys.txt/",
    "/checkpoint",
]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_nothing_else_is_served(url: str, path: str) -> None:
    status, body, _ = fetched(url, path)
    assert (status, SECRET in body) == (404, False)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
@settings(max_examples=150)
def test_no_path_leaves_the_folder(url: str, tail: str) -> None:
    for path in (f"/{tail}", f"/2026/{tail}", f"/policies/{tail}"):
        status, body, _ = fetched(url, path.replace("#", "%23"))
        assert status in (200, 400, 404)
        assert SECRET not in body


def alone(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-I", str(folder / "verifier.py"), *words, "--plain", "--key", VKEY]
    return subprocess.run(call, capture_output=True, text=True, cwd="/", check=False, timeout=600)


def test_the_verifier_holds_the_folder_and_its_url_to_the_same_promises(
    url: str, folder: Path
) -> None:
    """`--plain`: these entries are not licet's."""
    over_file, over_http = (
        alone(folder, "log", str(folder / "2026")),
        alone(folder, "log", f"{url}/2026/"),
    )
    assert over_file.returncode == over_http.returncode == 0, over_http.stderr
    assert over_file.stdout == over_http.stdout
    assert "600 entries" in over_http.stdout


def test_a_log_that_outgrew_what_was_pruned_is_still_read_over_http(folder: Path) -> None:
    with listening(ServedFolder(folder / "2026")) as at:
        trusted = verifier.trust(VKEY)
        assert verifier.check_log(verifier.HttpFiles(at), trusted).ok
        prune(Folder(folder / "2026"), 600)
        assert verifier.check_log(verifier.HttpFiles(at), trusted).ok


def test_a_lie_over_http_is_named(folder: Path, tmp_path: Path) -> None:
    for path in ("tile/entries/001", "tile/0/000", "checkpoint"):
        lie = tmp_path / path.replace("/", "-")
        lie.mkdir()
        subprocess.run(["cp", "-r", str(folder / "2026"), str(lie)], check=True)
        data = bytearray((lie / "2026" / path).read_bytes())
        data[100] ^= 1
        (lie / "2026" / path).write_bytes(data)
        with listening(ServedFolder(lie / "2026")) as at:
            assert not verifier.check_log(verifier.HttpFiles(at), verifier.trust(VKEY)).ok, path
    with listening(ServedFolder(tmp_path / "empty")) as at:
        report = verifier.check_log(verifier.HttpFiles(at), verifier.trust(VKEY))
        assert report.findings[0].place == "checkpoint"

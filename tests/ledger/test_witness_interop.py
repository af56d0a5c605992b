"""A witness that other people wrote cosigns our log as it grows, and refuses its rollback and its
fork.

`sigsum-witness` is Sigsum's, in Debian's package `sigsum-go`. Where it is missing the tests are
skipped, and fail where CI=true: there they are part of the promise. (`litewitness` of Debian 13's
`litetlog` panics within its own database on every checkpoint that it accepts, whoever's it is, so
there is no test with it.)
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from licet import verifier
from licet.ledger import note, quorum
from licet.ledger.log import CHECKPOINT, LogWriter
from licet.ledger.note import SignatureType, Signer, Verifier
from licet.ledger.witness import Request
from licet.ledger.witness_http import _post, gather

from ..waiting import wait_until
from .world import SIGNER, entry_of

# sigsum-witness takes a log only under the name that Sigsum gives its key.
LOG = SIGNER.renamed(f"sigsum.org/v1/tree/{hashlib.sha256(SIGNER.verifier.public).hexdigest()}")
# Debian builds it as Go did before 1.22, and then it knows none of its own paths.
OLD_GO = {"GODEBUG": "httpmuxgo121=0"}
SIZES = (1, 7, 256, 300, 1_000)


@dataclass(frozen=True)
class Running:
    url: str
    vkey: str


def needed(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        message = f"no witness interop, {', '.join(missing)} missing: `apt-get install sigsum-go`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def run(*call: object) -> None:
    subprocess.run(list(map(str, call)), check=True, capture_output=True, timeout=600)


@contextmanager
def started(call: list[object], folder: Path, port: int, **environment: str) -> Iterator[None]:
    """A program of another's that listens, for as long as the test needs it."""
    with (folder / "output").open("wb") as output:
        running = subprocess.Popen(
            list(map(str, call)), env=os.environ | environment, stdout=output, stderr=output
        )
        try:
            wait_until(lambda: listens(port), "it listens", alive=lambda: running.poll() is None)
            yield
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(600)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as at:
        return int(at.getsockname()[1])


def public_in(file: Path) -> bytes:
    """The Ed25519 key of an OpenSSH public key file."""
    return base64.b64decode(file.read_text().split()[1])[-32:]


@contextmanager
def sigsum(folder: Path) -> Iterator[Running]:
    needed("sigsum-witness", "sigsum-key")
    (folder / "log.hex").write_text(SIGNER.verifier.public.hex())
    run("sigsum-key", "from-hex", "-k", folder / "log.hex", "-o", folder / "log.pub")
    run("sigsum-key", "generate", "-o", folder / "key")
    public, port = public_in(folder / "key.pub"), free_port()
    name = f"sigsum.org/v1/witness/{hashlib.sha256(public).hexdigest()}"
    call = [
        "sigsum-witness",
        "-k",
        folder / "key",
        "--log-key",
        folder / "log.pub",
        "--state-file",
        folder / "state",
    ]
    with started([*call, f"127.0.0.1:{port}"], folder, port, **OLD_GO):
        yield Running(
            f"http://127.0.0.1:{port}", Verifier(name, SignatureType.cosignature, public).vkey
        )


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Running]:
    folder = tmp_path / "theirs"
    folder.mkdir()
    with sigsum(folder) as running:
        yield running


def asked(theirs: Running) -> bytes:
    return f"witness w {theirs.vkey} {theirs.url}\nquorum w\n".encode()


def grown(folder: Path, signer: Signer = LOG, first: bytes = b"") -> LogWriter:
    folder.mkdir()
    log = LogWriter.create(folder / "log", folder / "state", signer.name, signer)
    log.append([first or entry_of(0)])
    return log


def test_it_cosigns_our_log_as_it_grows(theirs: Running, tmp_path: Path) -> None:
    wanted = asked(theirs)
    with grown(tmp_path / "ours") as log:
        for size in SIZES:
            log.append([entry_of(i) for i in range(log.checkpoint.size, size)])
            gathered = gather(tmp_path / "ours" / "log", LOG.verifier, quorum.parse_quorum(wanted))
            assert (gathered.size, gathered.cosigned, gathered.missing) == (size, ("w",), ())
        (tmp_path / "ours" / "log" / CHECKPOINT).write_bytes(gathered.note)
    trusted = verifier.trust(LOG.verifier.vkey, policy=wanted)
    report = verifier.check_log(verifier.FolderFiles(tmp_path / "ours" / "log"), trusted)
    assert (report.findings, report.size) == ([], SIZES[-1])


def test_it_refuses_a_size_that_is_not_its_own(theirs: Running, tmp_path: Path) -> None:
    with grown(tmp_path / "ours") as log:
        log.append([entry_of(i) for i in range(1, 7)])
        assert gather(
            tmp_path / "ours" / "log", LOG.verifier, quorum.parse_quorum(asked(theirs))
        ).met
        log.append([entry_of(7)])
        status, body = _post(
            theirs.url, Request(3, log.prove_consistency(3), log.published).encode()
        )
        assert (status, body) == (409, b"7\n")


def test_it_refuses_a_fork_and_ours_says_so(theirs: Running, tmp_path: Path) -> None:
    wanted = quorum.parse_quorum(asked(theirs))
    with grown(tmp_path / "ours") as log:
        log.append([entry_of(i) for i in range(1, 7)])
        assert gather(tmp_path / "ours" / "log", LOG.verifier, wanted).met
    with grown(tmp_path / "fork", first=b"another beginning") as fork:
        fork.append([entry_of(i) for i in range(1, 9)])
        status, _ = _post(
            theirs.url, Request(7, fork.prove_consistency(7), fork.published).encode()
        )
        assert status == 422
        gathered = gather(tmp_path / "fork" / "log", LOG.verifier, wanted)
    assert (gathered.cosigned, gathered.missing, gathered.met) == (
        (),
        (("w", "it answered `422`"),),
        False,
    )


def test_it_refuses_another_key(theirs: Running, tmp_path: Path) -> None:
    stranger = Signer(LOG.name, SignatureType.ed25519, bytes(32))
    with grown(tmp_path / "stranger", stranger) as log:
        status, _ = _post(theirs.url, Request(0, (), log.published).encode())
        assert status == 403
        text = log.checkpoint.text
    with pytest.raises(Exception, match="no known key"):
        note.verify(note.sign(text, stranger), [LOG.verifier])

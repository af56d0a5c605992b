"""`licet witness` as somebody runs it: a process of its own, killed without a warning, that forgets
nothing it signed.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from licet.cli import witness as cli
from licet.errors import BusyError, InputError, UsageError
from licet.ledger import note, quorum
from licet.ledger.log import LogWriter
from licet.ledger.note import Signer, Verifier
from licet.ledger.witness import Request, Witness
from licet.ledger.witness_http import _post, gather

from ..forking import FORKED
from .world import ORIGIN, SIGNER, WITNESS, entry_of

NAME = "witness.example/w1"


def key_made(folder: Path) -> tuple[Path, Verifier]:
    file = folder / "witness.key"
    done = CliRunner().invoke(
        cli.witness, ["key", str(file), "--name", NAME], catch_exceptions=False
    )
    return file, Verifier.parse(done.output.strip())


@contextmanager
def running(folder: Path, file: Path, *more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of a witness, and its process."""
    call = ["witness", "serve", "--state", str(folder / "state"), "--key", str(file), "--port", "0"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("LICET_")
    }
    process = subprocess.Popen(
        [FORKED, *call, "--log", SIGNER.verifier.vkey, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield line.strip().removeprefix("serving on "), process
    finally:
        process.kill()
        process.wait(600)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogWriter]:
    with LogWriter.create(tmp_path / "log", tmp_path / "log-state", ORIGIN, SIGNER) as made:
        made.append([entry_of(i) for i in range(20)])
        yield made


def test_a_key_is_made_once_for_its_owner_alone_and_printed_again(tmp_path: Path) -> None:
    file, made = key_made(tmp_path)
    assert made.name == NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = CliRunner().invoke(
        cli.witness, ["key", str(file), "--name", "another"], catch_exceptions=False
    )
    assert Verifier.parse(again.output.strip()) == made
    assert Signer.parse(file.read_text().strip()).verifier == made


def test_what_is_no_key_of_a_witness_is_named_and_never_shown(tmp_path: Path) -> None:
    def asked(content: str) -> BaseException | None:
        file = tmp_path / "key"
        file.write_text(content)
        return CliRunner().invoke(cli.witness, ["key", str(file)]).exception

    secret = SIGNER.skey.rpartition("+")[2]
    log_key = asked(SIGNER.skey)
    assert isinstance(log_key, InputError)
    assert (
        "the key of a log or of a recipient, and the key of a witness is wanted" in log_key.message
    )
    for broken in (SIGNER.skey[:-3], "", "PRIVATE+KEY+x", f"\n\n{secret}"):
        error = asked(broken)
        assert isinstance(error, InputError)
        assert secret[:10] not in f"{error.message} {error.hint}"
    missing = CliRunner().invoke(cli.witness, ["key", str(tmp_path / "missing")]).exception
    assert isinstance(missing, UsageError)


def test_a_witness_that_is_killed_signs_no_second_history(tmp_path: Path, log: LogWriter) -> None:
    file, key = key_made(tmp_path)
    with running(tmp_path, file) as (url, process):
        wanted = quorum.parse_quorum(f"witness w {key.vkey} {url}\nquorum w\n".encode())
        assert gather(tmp_path / "log", SIGNER.verifier, wanted).met
        process.send_signal(signal.SIGKILL)
    with LogWriter.create(tmp_path / "fork", tmp_path / "fork-state", ORIGIN, SIGNER) as fork:
        fork.append([b"another beginning", *(entry_of(i) for i in range(1, 30))])
        with running(tmp_path, file) as (url, _):
            assert _post(url, Request(0, (), fork.published).encode()) == (409, b"20\n")
            assert (
                _post(url, Request(20, fork.prove_consistency(20), fork.published).encode())[0]
                == 422
            )
            log.append([b"more"])
            status, body = _post(
                url, Request(20, log.prove_consistency(20), log.published).encode()
            )
            assert status == 200
            note.verify(log.published + body, [key])


def test_a_torn_memory_is_refused(tmp_path: Path, log: LogWriter) -> None:
    file, _ = key_made(tmp_path)
    with running(tmp_path, file) as (url, _):
        assert _post(url, Request(0, (), log.published).encode())[0] == 200
    (kept,) = [path for path in (tmp_path / "state").iterdir() if path.name != "lock"]
    kept.write_bytes(kept.read_bytes()[:-20])
    with running(tmp_path, file) as (said, process):
        assert said == ""
        assert process.wait(600) == 70
        assert process.stderr is not None
        assert "cannot be read" in process.stderr.read()


def test_two_processes_never_share_a_memory(tmp_path: Path) -> None:
    file, _ = key_made(tmp_path)
    with running(tmp_path, file), pytest.raises(BusyError):
        Witness.open(tmp_path / "state", WITNESS, {ORIGIN: [SIGNER.verifier]})


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    file, _ = key_made(tmp_path)
    with running(tmp_path, file) as (url, _):
        other = tmp_path / "other"
        other.mkdir()
        with running(other, file, "--port", url.rpartition(":")[2]) as (said, process):
            assert (said, process.wait(600)) == ("", 64)
            assert process.stderr is not None
            assert "cannot listen on `127.0.0.1:" in process.stderr.read()

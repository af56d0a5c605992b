"""A witness over HTTP cosigns what it should, and no witness, absent, slow or hostile, holds up or
soils the log.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from licet import verifier
from licet.errors import BusyError
from licet.ledger import note, quorum
from licet.ledger.log import CHECKPOINT, LogWriter
from licet.ledger.note import SignatureType, Signer
from licet.ledger.publication import COSIGNED, PublishedLog
from licet.ledger.quorum import Quorum
from licet.ledger.storage import Lock
from licet.ledger.witness import Request, Witness
from licet.ledger.witness_http import WitnessApp, gather

from .listening import listening
from .make_vectors import VECTORS
from .test_witness import Dying
from .world import ORIGIN, SIGNER, STRANGER, WITNESS, entry_of

SECOND = Signer("witness.example/w2", SignatureType.cosignature, bytes(range(96, 128)))
LOGS = {ORIGIN: [SIGNER.verifier]}
NOW = 1_800_000_000


def asked(**urls: str) -> Quorum:
    keys = {"one": WITNESS, "two": SECOND}
    lines = [f"witness {name} {keys[name].verifier.vkey} {url}" for name, url in urls.items()]
    return quorum.parse_quorum(
        "\n".join([*lines, f"group g all {' '.join(urls)}", "quorum g", ""]).encode()
    )


def post(
    url: str, body: bytes, path: str = "/add-checkpoint", method: str = "POST"
) -> tuple[int, bytes, str]:
    """A plain HTTP client."""
    where = urlsplit(url)
    with closing(
        http.client.HTTPConnection(where.hostname or "", where.port, timeout=600)
    ) as connection:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers["Content-Type"]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogWriter]:
    with LogWriter.create(tmp_path / "log", tmp_path / "log-state", ORIGIN, SIGNER) as made:
        made.append([entry_of(i) for i in range(300)])
        yield made


@contextmanager
def watching(folder: Path, signer: Signer = WITNESS) -> Iterator[str]:
    with (
        closing(Witness.open(folder, signer, LOGS)) as one,
        listening(WitnessApp(one, lambda: NOW)) as url,
    ):
        yield url


def test_every_published_vector_gets_its_status_over_http(tmp_path: Path) -> None:
    rows = json.loads((VECTORS / "witness.json").read_text())
    files = VECTORS / "log"
    with watching(tmp_path / "state") as url:
        first = Request(0, (), _shown_at(files, 100))
        assert post(url, first.encode())[0] == 200
        for row in sorted(
            rows, key=lambda row: row["status"] == 200 and row["name"] == "a continuation"
        ):
            status, body, kind = post(url, row["request"].encode())
            assert status == row["status"], row["name"]
            if status == 409:
                assert (body, kind) == (b"100\n", "text/x.tlog.size")
            if status == 200:
                assert body.startswith("\u2014 witness.example/w1 ".encode())


def _shown_at(files: Path, size: int) -> bytes:
    root = PublishedLog(files, SIGNER.verifier).root_at(size)
    return note.sign(f"{ORIGIN}\n{size}\n{note.encode_base64(root)}\n", SIGNER)


def test_only_a_checkpoint_that_is_posted_where_it_belongs_is_answered(tmp_path: Path) -> None:
    with watching(tmp_path / "state") as url:
        assert post(url, b"", "/")[0] == 404
        assert post(url, b"", method="GET")[0] == 405
        assert post(url, b"old 0\n\n" + b"x" * (1 << 20))[0] in (400, 413)
        assert post(url, b"x" * ((1 << 20) + 1))[0] == 413


def test_what_it_signed_it_remembers_over_a_restart(log: LogWriter, tmp_path: Path) -> None:
    body = Request(0, (), log.published).encode()
    with watching(tmp_path / "state") as url:
        assert post(url, body)[0] == 200
    with watching(tmp_path / "state") as url:
        assert post(url, body) == (409, b"300\n", "text/x.tlog.size")


def test_a_witness_whose_memory_fails_answers_500_and_no_more(log: LogWriter) -> None:
    body = Request(0, (), log.published).encode()
    with listening(WitnessApp(Witness(Dying(), WITNESS, LOGS), lambda: NOW)) as url:
        assert post(url, body)[0] == 500
        assert post(url, body)[0] == 500


def test_both_witnesses_cosign_and_the_verifier_holds_the_quorum(
    log: LogWriter, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    with watching(tmp_path / "a") as a, watching(tmp_path / "b", SECOND) as b:
        wanted = asked(one=a, two=f"{b}/")
        gathered = gather(folder, SIGNER.verifier, wanted)
        assert (gathered.cosigned, gathered.missing, gathered.met) == (("one", "two"), (), True)
        log.append([entry_of(i) for i in range(300, 700)])
        again = gather(folder, SIGNER.verifier, wanted)
        assert (again.size, again.cosigned) == (700, ("one", "two"))
    policy = (
        "".join(f"witness {n} {s.verifier.vkey}\n" for n, s in (("one", WITNESS), ("two", SECOND)))
        + "group g 2 one two\nquorum g\n"
    )
    trusted = verifier.trust(SIGNER.verifier.vkey, policy=policy.encode())
    report = verifier.check_log(verifier.FolderFiles(folder), trusted)
    # the log's own checkpoint is not the cosigned one
    assert "quorum" in report.findings[0].promise
    (folder / CHECKPOINT).write_bytes(again.note)
    report = verifier.check_log(verifier.FolderFiles(folder), trusted)
    assert (report.ok, report.cosigned) == (True, [WITNESS.name, SECOND.name])
    proved = PublishedLog(folder, SIGNER.verifier).prove(299)
    assert verifier.check_proof(proved.encode(), entry_of(299), trusted).ok


def test_a_proof_is_of_the_newest_checkpoint_that_witnesses_cosigned(
    log: LogWriter, tmp_path: Path
) -> None:
    with watching(tmp_path / "a") as a:
        gather(tmp_path / "log", SIGNER.verifier, asked(one=a))
    log.append([entry_of(i) for i in range(300, 320)])
    shown = PublishedLog(tmp_path / "log", SIGNER.verifier)
    assert b"\n300\n" in shown.prove(7).checkpoint
    assert WITNESS.name.encode() in shown.prove(299).checkpoint
    assert b"\n320\n" in shown.prove(300).checkpoint


def test_nobody_is_asked_twice_for_the_same_checkpoint(log: LogWriter, tmp_path: Path) -> None:
    with watching(tmp_path / "a") as a:
        first = gather(tmp_path / "log", SIGNER.verifier, asked(one=a))
    again = gather(tmp_path / "log", SIGNER.verifier, asked(one=a))  # the witness is gone by now
    assert again == first


def test_a_witness_that_is_away_costs_its_own_cosignature_only(
    log: LogWriter, tmp_path: Path
) -> None:
    with watching(tmp_path / "a") as a:
        gathered = gather(tmp_path / "log", SIGNER.verifier, asked(one=a, two="http://127.0.0.1:9"))
    assert (gathered.cosigned, gathered.met) == (("one",), False)
    assert gathered.missing == (("two", "it cannot be reached: `ConnectionRefusedError`"),)
    log.append([b"the log goes on"])
    assert log.checkpoint.size == 301


def test_a_witness_without_a_url_is_not_asked(log: LogWriter, tmp_path: Path) -> None:
    gathered = gather(tmp_path / "log", SIGNER.verifier, asked(one="", two=""))
    assert gathered.missing == (("one", "it has no URL"), ("two", "it has no URL"))


def test_a_checkpoint_that_enough_cosigned_is_kept_beside_a_newer_one_that_too_few_did(
    log: LogWriter, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    with watching(tmp_path / "a") as a:
        with watching(tmp_path / "b", SECOND) as b:
            assert gather(folder, SIGNER.verifier, asked(one=a, two=b)).met
        log.append([b"more"])
        short = gather(folder, SIGNER.verifier, asked(one=a, two="http://127.0.0.1:9"))
        assert (short.size, short.cosigned) == (301, ("one",))
    shown = PublishedLog(folder, SIGNER.verifier)
    assert shown.cosigned is not None
    assert shown.cosigned[1].size == 300


def test_one_at_a_time_asks(log: LogWriter, tmp_path: Path) -> None:
    with closing(Lock(tmp_path / "log")), pytest.raises(BusyError):
        gather(tmp_path / "log", SIGNER.verifier, asked(one="http://127.0.0.1:9"))


# Hostile witnesses

Answer = Callable[[http.server.BaseHTTPRequestHandler, bytes], None]


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with suppress(OSError):
                answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def say(status: int, body: bytes, **headers: str) -> Answer:
    def answer(to: http.server.BaseHTTPRequestHandler, _: bytes) -> None:
        to.send_response(status)
        for name, value in headers.items():
            to.send_header(name, value)
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        to.wfile.write(body)

    return answer


def cosigned_by(signer: Signer, text: str | None = None) -> Answer:
    def answer(to: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        said = text or note.parse(Request.parse(body).checkpoint).text
        say(200, signer.cosign(said, NOW).line.encode())(to, body)

    return answer


FORGED = f"{ORIGIN}\n1\n{note.encode_base64(bytes(32))}\n"
LINE = "\u2014 witness.example/w1 "
HOSTILE = {
    "the cosignature of another checkpoint": (
        cosigned_by(WITNESS, FORGED),
        "the signature of `witness.example/w1` is not valid",
    ),
    "another's cosignature": (cosigned_by(SECOND), "its response has no cosignature of its key"),
    "nonsense": (say(200, b"\xff\n\n"), "a signature line is an em dash"),
    "nothing": (say(200, b""), "the last signature line has no newline"),
    "101 lines": (say(200, f"{LINE}AAAAAAAA\n".encode() * 101), "at most `100` signatures"),
    "a page without an end": (say(200, b"x" * (1 << 20)), "the last signature line has no newline"),
    "a size that is none": (say(409, b"many\n"), "the witness's size is not a decimal"),
    "a size ahead of the log": (
        say(409, b"301\n"),
        "it has signed `301` entries, but the log shows `300`",
    ),
    "one conflict after another": (say(409, b"7\n"), "it answered `409`"),
    "a redirect": (say(302, b"", Location="http://127.0.0.1:9/"), "it answered `302`"),
    "an error": (say(500, b""), "it answered `500`"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_but_a_cosignature_that_holds_is_taken_over(
    name: str, log: LogWriter, tmp_path: Path
) -> None:
    answer, why = HOSTILE[name]
    with answering(answer) as url:
        gathered = gather(tmp_path / "log", SIGNER.verifier, asked(one=url))
    ((_, said),) = gathered.missing
    assert why in said
    assert (gathered.note, gathered.met) == (log.published, False)
    assert not (tmp_path / "log" / COSIGNED).exists()


def test_lines_of_strangers_in_an_answer_are_left_alone(log: LogWriter, tmp_path: Path) -> None:
    text = log.checkpoint.text
    lines = (
        STRANGER.sign(text).line + SECOND.cosign(text, NOW).line + WITNESS.cosign(text, NOW).line
    )
    with answering(say(200, lines.encode())) as url:
        gathered = gather(tmp_path / "log", SIGNER.verifier, asked(one=url))
    assert gathered.note == log.published + WITNESS.cosign(text, NOW).line.encode()


def test_a_witness_that_dribbles_is_left_behind(log: LogWriter, tmp_path: Path) -> None:
    gathered_all = threading.Event()

    def dribble(to: http.server.BaseHTTPRequestHandler, _: bytes) -> None:
        to.send_response(200)
        to.send_header("Content-Length", "10000000")
        to.end_headers()
        with contextlib.suppress(OSError):  # anyone who asked has gone
            while not gathered_all.wait(0.05):  # it never ends while it is waited for
                to.wfile.write(b".")

    with answering(dribble) as slow, watching(tmp_path / "b", SECOND) as quick:
        gathered = gather(
            tmp_path / "log", SIGNER.verifier, asked(one=slow, two=quick), seconds_max=1
        )
        gathered_all.set()
    assert gathered.cosigned == ("two",)
    assert gathered.missing == (("one", "no answer within 1 seconds"),)

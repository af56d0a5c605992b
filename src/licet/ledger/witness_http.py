"""A witness over HTTP, both ends: the application that serves one, and the log's client that
collects cosignatures.

Promise of `WitnessApp`: it carries bytes between HTTP and `witness.Witness`, which stores its state
before it answers; once a write of that state failed, every request is answered with 500.

Promise of `gather`: it ends in its time whatever the witnesses do, accepts only valid cosignatures,
and an absent, slow or hostile witness costs its own cosignature and nothing else. The log never
waits for a witness: cosignatures are stored beside the checkpoint, under `published.COSIGNED`.

Follows c2sp.org/tlog-witness@v1.0.0. Redirects are not followed: a witness must be at the address
in its line.
"""

from __future__ import annotations

import asyncio
import http.client
import queue
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from licet.errors import BrokenError, LicetError, RefusedError, UsageError
from licet.ledger import checkpoint as checkpoints
from licet.ledger import note
from licet.ledger.note import NoteSignature, Verifier
from licet.ledger.publication import COSIGNED, PublishedLog
from licet.ledger.quorum import Quorum, QuorumMember
from licet.ledger.storage import LogFolder, lock_folder, open_files
from licet.ledger.witness import REQUEST_BYTES_MAX, Request, Witness, WitnessReply

GATHER_SECONDS_MAX = 10.0
ASK_SECONDS_MAX = 5.0
ANSWER_BYTES_MAX = 1 << 16
PATH = "/add-checkpoint"

_TEXT = "text/plain; charset=utf-8"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class WitnessApp:
    """An ASGI application around one witness. ``clock`` returns POSIX seconds."""

    def __init__(self, witness: Witness, clock: Callable[[], int]) -> None:
        self._witness, self._clock = witness, clock

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send)
        elif scope["type"] == "http":
            await _send(send, await self._answer(scope, receive))

    async def _answer(self, scope: Message, receive: Receive) -> WitnessReply:
        if scope["path"] != PATH:
            return WitnessReply(404, b"a witness answers at /add-checkpoint\n")
        if scope["method"] != "POST":
            return WitnessReply(405, b"a checkpoint is posted\n")
        body = await _body(receive)
        if body is None:
            return WitnessReply(413, f"a request has at most {REQUEST_BYTES_MAX} bytes\n".encode())
        try:
            # In a thread, because remembering waits for the disk.
            return await asyncio.to_thread(self._witness.add_checkpoint, body, self._clock())
        except (BrokenError, OSError):
            return WitnessReply(500, b"the witness is stopped: its memory did not reach the disk\n")


async def answer_lifespan(receive: Receive, send: Send) -> None:
    """Confirms the server's start and shutdown, for an application that needs neither."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None if it is larger than a request may be."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False) and message["type"] == "http.request"
        if len(body) > REQUEST_BYTES_MAX:
            return None
    return body


async def _send(send: Send, answer: WitnessReply) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", b"%d" % len(answer.body)),
    ]
    if answer.status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


# The log's side


@dataclass(frozen=True, slots=True)
class GatheredCosignatures:
    """A checkpoint's note with all its cosignatures. ``missing`` has each other witness's
    reason.
    """

    origin: str
    size: int
    note: bytes
    cosigned: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]
    met: bool


def gather(
    folder: LogFolder, log: Verifier, quorum: Quorum, seconds_max: float = GATHER_SECONDS_MAX
) -> GatheredCosignatures:
    """Asks each witness that has not cosigned the checkpoint in ``folder``, all at once.

    Ends within ``seconds_max``. Raises `BusyError` if another process is asking.
    """
    lock = lock_folder(folder)
    with closing(lock) if lock is not None else nullcontext():
        files = open_files(folder)
        # in a bucket, a concurrent process's write is not overwritten
        files.read(COSIGNED)
        shown = PublishedLog(folder, log)
        known = [named.verifier for named in quorum.witnesses]
        cosignatures, sizes = _known_cosignatures(shown, log, known)
        pending = [
            named for named in quorum.witnesses if named.url and named.verifier not in cosignatures
        ]
        answers = _ask_all(pending, shown, sizes, seconds_max)
        held = cosignatures | {
            named.verifier: line
            for named, line in answers.items()
            if isinstance(line, NoteSignature)
        }
        lines = "".join(held[verifier].line for verifier in known if verifier in held)
        merged = shown.note + lines.encode()
        # an older checkpoint with enough cosignatures proves more than a newer one with too few
        if held.keys() - cosignatures.keys() and (quorum.is_met(held) or not quorum.is_met(sizes)):
            files.write({COSIGNED: merged})
    silent = [named for named in quorum.witnesses if named.verifier not in held]
    return GatheredCosignatures(
        origin=log.name,
        size=shown.checkpoint.size,
        note=merged,
        cosigned=tuple(named.name for named in quorum.witnesses if named.verifier in held),
        missing=tuple(
            (named.name, str(answers.get(named, _missing_reason(named, seconds_max))))
            for named in silent
        ),
        met=quorum.is_met(held),
    )


def _missing_reason(witness: QuorumMember, seconds_max: float) -> str:
    return f"no answer within {seconds_max:.0f} seconds" if witness.url else "it has no URL"


def _known_cosignatures(
    shown: PublishedLog, log: Verifier, verifiers: list[Verifier]
) -> tuple[dict[Verifier, NoteSignature], dict[Verifier, int]]:
    """Returns this checkpoint's stored cosignatures, and the size that each key signed."""
    if shown.cosigned is None:
        return {}, {}
    raw, checkpoint = shown.cosigned
    signed = {signature.by for signature in note.verify(raw, [log, *verifiers]).signed}
    sizes = {verifier: checkpoint.size for verifier in verifiers if verifier in signed}
    if checkpoint != shown.checkpoint:
        return {}, sizes
    lines = note.parse(raw).signatures
    held = {
        v: s
        for v in verifiers
        if v in signed
        for s in lines
        if (s.name, s.key_id) == (v.name, v.key_id)
    }
    return held, sizes


def _ask_all(
    pending: list[QuorumMember], log: PublishedLog, sizes: dict[Verifier, int], seconds_max: float
) -> dict[QuorumMember, NoteSignature | str]:
    """Returns each cosignature that arrived in time, and a short reason for other answers.

    The threads are not joined at the end: a witness that trickles bytes delays only its own
    cosignature.
    """
    done: queue.SimpleQueue[tuple[QuorumMember, NoteSignature | str]] = queue.SimpleQueue()

    def ask(named: QuorumMember) -> None:
        done.put((named, _ask(named, log, sizes.get(named.verifier, 0))))

    for named in pending:
        threading.Thread(target=ask, args=(named,), name="licet-witness", daemon=True).start()
    until = time.monotonic() + seconds_max
    results: dict[QuorumMember, NoteSignature | str] = {}
    while len(results) < len(pending):
        try:
            named, answer = done.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        results[named] = answer
    return results


def _ask(witness: QuorumMember, log: PublishedLog, old: int) -> NoteSignature | str:
    """Returns a witness's cosignature, or why there is none. Asks once more if the witness reports
    another size.
    """
    try:
        status, body = _post(
            witness.url, Request(old, log.prove_consistency(old), log.note).encode()
        )
        if status == 409:
            old = checkpoints.parse_size(
                body.decode("ascii", "replace").removesuffix("\n"), "the witness's size"
            )
            if old > log.checkpoint.size:
                return f"it has signed `{old}` entries, but the log shows `{log.checkpoint.size}`"
            status, body = _post(
                witness.url, Request(old, log.prove_consistency(old), log.note).encode()
            )
        if status != 200:
            return f"it answered `{status}`"
        return _own_line(body, witness.verifier, note.parse(log.note).text)
    except LicetError as error:
        return error.message
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"it cannot be reached: `{type(error).__name__}`"


def _own_line(body: bytes, witness: Verifier, text: str) -> NoteSignature:
    """Returns the witness's own, verified line of a response; ignores lines of other keys."""
    for signature in note.parse_signatures(body.decode("utf-8", "replace")):
        if (signature.name, signature.key_id) == (witness.name, witness.key_id):
            witness.check(text, signature)
            return signature
    raise RefusedError("its response has no cosignature of its key")


def _post(url: str, body: bytes) -> tuple[int, bytes]:
    """Returns status and body of a request; a too long body is truncated, so that it cannot be
    parsed.
    """
    where = urlsplit(url)
    if where.scheme not in ("http", "https") or not where.hostname:
        raise UsageError(
            f"`{url}` is not the URL of a witness", "it must begin with https:// or http://"
        )
    make = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    with closing(make(where.hostname, where.port, timeout=ASK_SECONDS_MAX)) as connection:
        connection.request("POST", where.path.rstrip("/") + PATH, body, {"Content-Type": _TEXT})
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES_MAX)

"""HTTP client of an installation for training machines, with a key of scope `release:lease`.

`Remote` is a source of row keys and of withdrawn rows; a `Keeper` stores the newest answer as a
file for every process of the machine.

Promise: what is written was verified and follows the previous file. If the installation cannot be
reached nothing is written, and the lease of the last file expires. A lease counts from its request
by the local clock, so a wrong clock does not extend it.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import httpx2
import msgspec

from licet.errors import (
    BrokenError,
    BusyError,
    DeniedError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from licet.ledger.note import Verifier
from licet.release.reader import Lease, RatedMessage
from licet.release.row_keys import KEY_BYTES
from licet.train import bitmap
from licet.train.bitmap import WithdrawnBitmap
from licet.train.gate import check_successor
from licet.undecodable import UNDECODABLE

TIMEOUT_SECONDS = 30.0
KEY_FILE_BYTES_MAX = 4_096
LOG_KEY_BYTES = 32
HEAD_HEADER = "licet-head"
LOG_KEY_HEADER = "licet-log-key"
REFUSAL_CHARACTERS_MAX = 300
POLL_SECONDS = 0.5
WAIT_SECONDS_MAX = 10.0
REFRESHED = 1 / 3  # of a lease: after this, its file is rewritten even if nothing has changed
_KEY = re.compile(r"licet_[0-9a-f]{32}_[A-Za-z0-9_-]{43}")
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


class _Leased(msgspec.Struct, frozen=True, kw_only=True):
    """The needed fields of a lease."""

    seconds: float
    manifest_sha256: str
    ordinals: list[int]
    keys: str
    ratings: dict[int, tuple[RatedMessage, ...]] = {}


class _Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The needed fields of a refusal."""

    detail: str = ""


class WithdrawalSource(Protocol):
    """A machine's source of withdrawn rows."""

    def withdrawn(self, release: str, known: WithdrawnBitmap | None) -> tuple[bytes, bytes | None]:
        """A newly signed head, and its bitmap unless ``known`` has it.

        Raises BusyError for "try again", another LicetError if trying again will not help.
        """
        ...


class Remote:
    """An installation at ``url``, for one recipient. Can be pickled into workers."""

    def __init__(
        self, url: str, key: str, *, recipient: str, clock: Callable[[], datetime]
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _LOCAL:
            raise UsageError(
                "row keys are sent over https only", "give an address that begins with https://"
            )
        self._url, self._key, self._recipient, self._at = url, key, recipient, clock
        self._manifests: dict[str, str] = {}
        self._http: httpx2.Client | None = None
        self._pid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_http": None, "_pid": 0}

    def __repr__(self) -> str:
        return f"Remote({self._url}, for {self._recipient})"

    def close(self) -> None:
        if self._http is not None:
            self._http.close()

    def _client(self) -> httpx2.Client:
        """This process's own client: forked processes must not share connections."""
        if self._http is None or self._http.is_closed or self._pid != os.getpid():
            self._pid = os.getpid()
            headers = {"authorization": f"Bearer {self._key}"}
            self._http = httpx2.Client(
                base_url=self._url, timeout=TIMEOUT_SECONDS, headers=headers, follow_redirects=False
            )
        return self._http

    def pin(self, release: str, manifest_sha256: str) -> None:
        """Accepts leases of ``release`` only for this manifest from now on."""
        self._manifests[release] = manifest_sha256

    def lease(self, release_id: bytes, part: int, ordinals: Sequence[int]) -> Lease:
        """The row keys of those ``ordinals`` that may be used now (`release.reader.Leases`)."""
        release, begun = release_id.hex(), self._at()
        body = {"part": part, "recipient": self._recipient, "ordinals": list(ordinals)}
        answer = self._send("POST", f"/v1/releases/{release}/leases", json=body)
        try:
            answered = msgspec.json.decode(answer.content, type=_Leased)
            keys = base64.b64decode(answered.keys, validate=True)
        except (*UNDECODABLE, binascii.Error):
            raise BrokenError("the response to a lease request cannot be read") from None
        if self._manifests.get(release, answered.manifest_sha256) != answered.manifest_sha256:
            raise BrokenError(f"the installation sealed another manifest of release `{release}`")
        if len(keys) != KEY_BYTES * len(answered.ordinals) or not set(answered.ordinals) <= set(
            ordinals
        ):
            raise BrokenError("the response to a lease request is not for the requested rows")
        starts = range(0, len(keys), KEY_BYTES)
        return Lease(
            keys={
                n: keys[at : at + KEY_BYTES]
                for n, at in zip(answered.ordinals, starts, strict=True)
            },
            expires=begun + timedelta(seconds=answered.seconds),
            ratings=answered.ratings,
        )

    def log_key(self, release_id: bytes) -> bytes:
        """The public key of the installation's log, as it states it (`release.reader.Leases`)."""
        answer = self._send("GET", f"/v1/releases/{release_id.hex()}/withdrawn")
        try:
            key = base64.b64decode(answer.headers.get(LOG_KEY_HEADER, ""), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != LOG_KEY_BYTES:
            raise BrokenError("the installation does not state the key that signs its purges")
        return key

    def withdrawn(self, release: str, known: WithdrawnBitmap | None) -> tuple[bytes, bytes | None]:
        """See `WithdrawalSource`."""
        headers = {} if known is None else {"if-none-match": f'"{known.head.number}"'}
        answer = self._send("GET", f"/v1/releases/{release}/withdrawn", headers=headers)
        if answer.status_code != 304:
            return bitmap.split_file(answer.content)
        try:
            return base64.b64decode(answer.headers.get(HEAD_HEADER, ""), validate=True), None
        except binascii.Error:
            raise BrokenError("the head of the withdrawn rows cannot be read") from None

    def _send(self, method: str, path: str, **more: object) -> httpx2.Response:
        try:
            # httpx2 types them one by one
            answer = self._client().request(method, path, **more)  # type: ignore[arg-type]
        except httpx2.TransportError as error:
            raise BusyError(
                "the installation cannot be reached",
                "check that it is running and that the address is correct",
            ) from error
        match answer.status_code:
            case 200 | 201 | 304:
                return answer
            case 401 | 403:
                raise DeniedError(
                    f"the installation refused the request{_because(answer)}",
                    "the key needs the scope `release:lease`, and is bound to a recipient: "
                    "see `licet api-key list`",
                )
            case 404:
                raise NotFoundError(
                    "the installation has no such release, or the key is not bound to it",
                    "`licet api-key list` shows its releases",
                )
            case 429 | 502 | 503 | 504:
                raise BusyError("the installation is busy")
            case 500:
                raise BrokenError("the installation has an internal error")
            case status:
                raise RefusedError(
                    f"the installation refused the request: status `{status}`{_because(answer)}"
                )


def _because(answer: httpx2.Response) -> str:
    """The installation's reason, if readable."""
    try:
        detail = msgspec.json.decode(answer.content, type=_Refusal).detail
    except UNDECODABLE:
        return ""
    return f": {detail[:REFUSAL_CHARACTERS_MAX]}" if detail.isprintable() and detail else ""


def read_key_file(file: Path) -> str:
    with file.open("rb") as opened:
        text = opened.read(KEY_FILE_BYTES_MAX).decode("latin-1").strip()
    if not _KEY.fullmatch(text):
        raise UsageError(
            f"`{file}` does not contain a service's key", "`licet api-key create` prints one"
        )
    return text


class Keeper:
    """Keeps the file of one release in ``folder``: one process per machine."""

    def __init__(
        self,
        source: WithdrawalSource,
        verifier: Verifier,
        folder: Path,
        *,
        release: str,
        manifest_sha256: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._source, self._verifier, self._folder, self._at = source, verifier, folder, clock
        self._release, self._manifest_sha256 = release, manifest_sha256
        self._known = self._load_file()

    def _load_file(self) -> WithdrawnBitmap | None:
        path = self._folder / bitmap.file_name(self._release)
        if not path.exists():
            return None
        found = bitmap.verify_file(path.read_bytes(), self._verifier)
        check_successor(self._release, self._manifest_sha256, None, found)
        return found

    @property
    def known(self) -> WithdrawnBitmap | None:
        return self._known

    def poll(self) -> bool:
        """Asks once, and writes the file if the answer is new or `REFRESHED` of its lease has
        passed.
        """
        known = self._known
        signed, rows = self._source.withdrawn(self._release, known)
        if rows is None:
            if known is None:
                raise BrokenError(
                    "the installation answered that nothing has changed, but nothing was "
                    "known before"
                )
            rows = known.ordinals.serialize()
        received = bitmap.verify_parts(signed, rows, self._verifier)
        check_successor(self._release, self._manifest_sha256, known, received)
        if (
            known is not None
            and known.head.number == received.head.number
            and not self._needs_renewal(known)
        ):
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        bitmap.write(self._folder, self._release, received.encode())
        self._known = received
        return True

    def _needs_renewal(self, known: WithdrawnBitmap) -> bool:
        head = known.head
        return self._at() >= head.issued + (head.until - head.issued) * REFRESHED

    def follow(
        self,
        wait: Callable[[float], bool],
        on_change: Callable[[WithdrawnBitmap], None],
        pause_seconds: float = POLL_SECONDS,
    ) -> None:
        """Polls until ``wait`` returns true, with exponential back-off on BusyError."""
        pause = pause_seconds
        while True:
            try:
                if self.poll() and self._known is not None:
                    on_change(self._known)
                pause = pause_seconds
            except BusyError:
                pause = min(max(2 * pause, pause_seconds), WAIT_SECONDS_MAX)
            if wait(pause):
                return

"""Statements about a sealed release, each in a file of its own beside the manifest (ADR 14).

    NAME.json    {"NAME":JWS,"v":1}, canonical JSON; the JWS has the `kid` of the log's key and a `typ` of its kind

The payload is canonical JSON too, and names the release and the hash of its manifest. A leaf of the
log has the SHA-256 of the JWS. Statements are decoded and reconciled here; callers with the key
verify the signature (`ledger.jws`).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from licet.errors import InputError
from licet.ledger.canonical_json import Canonical, canonical
from licet.release import manifest
from licet.store.files import replacing
from licet.undecodable import UNDECODABLE

_AGAIN = "copy the file from the release again"


class Statement(Protocol):
    """A kind of statement."""

    @property
    def release(self) -> str: ...

    @property
    def manifest_sha256(self) -> str: ...

    def payload(self) -> dict[str, Canonical]: ...


StatementT = TypeVar("StatementT", bound=Statement)


class Stated(msgspec.Struct, Generic[StatementT], frozen=True, kw_only=True):
    """A statement and its signed form."""

    statement: StatementT
    jws: str

    @property
    def sha256(self) -> str:
        return sha256(self.jws.encode()).hexdigest()


class SignedFile(Generic[StatementT]):
    """One kind of statement: its ``name``, the ``typ`` of its JWS, its type, and whether its
    figures follow from one another.
    """

    def __init__(
        self,
        name: str,
        typ: str,
        statement_type: type[StatementT],
        follows: Callable[[StatementT], bool],
        *,
        bytes_max: int,
    ) -> None:
        self.file, self.typ = f"{name}.json", typ
        self._name, self._statement_type, self._follows, self._bytes_max = (
            name,
            statement_type,
            follows,
            bytes_max,
        )

    def encode(self, jws: str) -> bytes:
        """The file of a signed statement."""
        return canonical({self._name: jws, "v": 1})

    def decode(self, data: bytes, *, file: str = "") -> Stated[StatementT]:
        """Decodes a statement without verifying its signature; InputError if it is none or does not
        reconcile.
        """
        where = file or self.file
        try:
            jws = msgspec.json.decode(data, type=dict[str, str | int]).get(self._name)
            if not isinstance(jws, str):
                raise InputError(f"is not a {self._name}", _AGAIN, file=where)
            payload = self._payload(jws)
            statement = msgspec.json.decode(payload, type=self._statement_type)
            whole = (
                self.encode(jws) == data
                and canonical(statement.payload()) == payload
                and self._follows(statement)
            )
        except (*UNDECODABLE, ValueError, IndexError):
            raise InputError(f"is not a {self._name}", _AGAIN, file=where) from None
        if not whole:
            raise InputError("does not reconcile", _AGAIN, file=where)
        return Stated(statement=statement, jws=jws)

    def _payload(self, jws: str) -> bytes:
        header, payload, _ = (
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in jws.split(".")
        )
        if msgspec.json.decode(header, type=dict[str, str]).get("typ") != self.typ:
            raise ValueError("another kind of JWS")
        return payload

    def read(self, folder: Path) -> Stated[StatementT] | None:
        """The statement beside a manifest, if any; InputError for an invalid or another's one."""
        path = folder / self.file
        if not path.exists():
            return None
        with path.open("rb") as file:
            data = file.read(self._bytes_max + 1)
        stated = self.decode(data, file=str(path))
        promised, manifest_sha256 = manifest.read_manifest(folder)
        if (stated.statement.release, stated.statement.manifest_sha256) != (
            promised.release,
            manifest_sha256,
        ):
            raise InputError("is for another manifest", _AGAIN, file=str(path))
        return stated

    def write(self, folder: Path, jws: str) -> None:
        """Writes a signed statement into ``folder``, durably and atomically."""
        with replacing(folder / self.file) as file:
            file.write(self.encode(jws))

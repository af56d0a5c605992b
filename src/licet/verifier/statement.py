"""A signed statement (compact JWS, RFC 7515, Ed25519) in a file with its log entry.

Receipts and certificates are such files; purges and reviews of a release are statements beside its
manifest. A file has both the entry and its proof, or neither: then the statement is only signed,
and the operator can deny it.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from licet.verifier.answer import ContradictionError, UnreadableError, VerifierReport
from licet.verifier.entries import read_entry
from licet.verifier.forms import Shape, decode_base64, find_misfit, read_json, read_time
from licet.verifier.keys import Trust, VerifierKey
from licet.verifier.note import NOTE_BYTES_MAX
from licet.verifier.proof import prove_entry

UNLOGGED = "it is signed, and not in the log"


def read_signed_file(raw: bytes, place: str, shape: Shape, kind: str) -> dict[str, Any]:
    if raw[-1:] != b"\n" or len(raw) > NOTE_BYTES_MAX:
        raise UnreadableError(place, "it is canonical JSON and a newline")
    file = read_json(raw[:-1], place, UnreadableError)
    if find_misfit(file, shape):
        raise UnreadableError(place, f"it is {kind} of version 1")
    return file


def logged_entry(
    file: dict[str, Any], place: str, trusted: Trust, report: VerifierReport
) -> tuple[dict[str, Any], int]:
    """The entry in a file and its index, proved by the file's own proof."""
    entry, proof = file["entry"], file["proof"]
    if entry is None or proof is None:
        raise ContradictionError(place, "it brings both an entry and its proof, or neither")
    report.entry_bytes = len(entry.encode())
    index = prove_entry(proof.encode(), entry.encode(), trusted, f"{place}, its proof", report)
    parsed = read_entry(entry.encode(), f"{place}, its entry")
    at, logged = read_time(parsed["at"], place, "at"), read_time(parsed["logged"], place, "logged")
    if at > logged or trusted.origin.rpartition("/")[2] not in (str(logged.year), trusted.origin):
        raise ContradictionError(
            place, "its entry was logged after it happened, in the log of its year"
        )
    return parsed, index


def open_jws(
    text: str, key: VerifierKey, place: str, typ: str = "licet-receipt+jws"
) -> dict[str, Any]:
    """The payload of a compact JWS whose Ed25519 signature by the key holds."""
    header, payload, signature = jws_parts(text, place)
    jwk = b'{"crv":"Ed25519","kty":"OKP","x":"' + _url64(key.public) + b'"}'
    kid = _url64(hashlib.sha256(jwk).digest()).decode()
    if read_json(header, place) != {"alg": "EdDSA", "kid": kid, "typ": typ}:
        raise ContradictionError(place, f"its header names the key, EdDSA and `{typ}`")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(
            signature, text.rpartition(".")[0].encode()
        )
    except InvalidSignature:
        raise ContradictionError(place, f"the signature of `{key.name}` holds") from None
    return read_json(payload, place)


def jws_parts(text: str, place: str) -> tuple[bytes, bytes, bytes]:
    """Header, payload and signature, not verified."""
    parts = text.split(".")
    if len(parts) != 3:
        raise ContradictionError(place, "it is a compact JWS")
    promise = "each part of its JWS is base64url"
    header, payload, signature = [
        decode_base64((part + "=" * (-len(part) % 4)).translate({45: "+", 95: "/"}), place, promise)
        for part in parts
        if not set(part) & set("+/=") or _refuse(place, promise)
    ]
    return header, payload, signature


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _refuse(place: str, promise: str) -> NoReturn:
    raise ContradictionError(place, promise)


def includes_facts(statement: dict[str, Any], facts: dict[str, Any]) -> bool:
    """Whether ``statement`` has each fact of ``facts``, with the same type: `true` is not 1."""
    return all(
        key in statement and type(statement[key]) is type(fact) and statement[key] == fact
        for key, fact in facts.items()
    )

"""Signed statements: a compact JWS (RFC 7515) by the log's Ed25519 key (RFC 8037) over canonical
JSON (RFC 8785).

The header has ``alg``, ``kid`` and ``typ`` and nothing else: ``kid`` is the JWK thumbprint of the
key (RFC 7638), and ``typ`` names the kind of statement, so that no kind can be mistaken for
another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from licet.errors import BrokenError
from licet.ledger.canonical_json import Canonical, canonical


def sign(payload: Mapping[str, Canonical], seed: bytes, typ: str) -> str:
    """Returns the compact JWS of a payload, signed with the key of ``seed``."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    signed = f"{_base64url(_header(key.public_key().public_bytes_raw(), typ))}.{_base64url(canonical(payload))}"
    return f"{signed}.{_base64url(key.sign(signed.encode()))}"


def verify(jws: str, public: bytes, typ: str) -> bytes:
    """Verifies a JWS of type ``typ`` with the key ``public`` and returns its payload; raises
    BrokenError.
    """
    parts = jws.split(".")
    if len(parts) != 3:
        raise BrokenError("it is not a compact JWS")
    header, payload, signature = map(_decode_part, parts)
    if header != _header(public, typ):
        raise BrokenError("its header does not name the key of the log and what it is")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(
            signature, f"{parts[0]}.{parts[1]}".encode()
        )
    except InvalidSignature:
        raise BrokenError("its signature is not the log's") from None
    return payload


def decode_unverified(jws: str) -> bytes:
    """Decodes the payload of a JWS without verifying its signature; BrokenError if it is not a
    JWS.
    """
    parts = jws.split(".")
    if len(parts) != 3:
        raise BrokenError("it is not a compact JWS")
    return _decode_part(parts[1])


def public_key(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def thumbprint(public: bytes) -> str:
    jwk: dict[str, Canonical] = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public)}
    return _base64url(hashlib.sha256(canonical(jwk)).digest())


def _header(public: bytes, typ: str) -> bytes:
    header: dict[str, Canonical] = {"alg": "EdDSA", "kid": thumbprint(public), "typ": typ}
    return canonical(header)


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode_part(part: str) -> bytes:
    """Decodes a part of a JWS; BrokenError unless it is the canonical encoding."""
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BrokenError("a part of its JWS is not base64url") from None
    if _base64url(data) != part:
        raise BrokenError("a part of its JWS is not base64url")
    return data

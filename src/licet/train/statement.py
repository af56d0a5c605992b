"""The signed statement about a model: how it was made, and which files it consists of.

`run.intoto.jsonl`: an in-toto Statement v1 with the SLSA provenance v1 predicate in a DSSE
envelope, signed with
Ed25519: its subjects are the model's files; it names the release and the base model by hash, the
recipe with its settings, and the gate's first and last state; its by-products are the consumption
record and the files beside the model.

`model.sig`: an OpenSSF model signature (v1.0) as a Sigstore bundle v0.3 with a plain P-256 key,
which `model_signing verify key` accepts: it has the hash of every file of the folder except its
own. It says nothing about data: that is in the statement, which it signs with the rest.

Sources: in-toto attestation framework v1, SLSA v1.0 provenance, DSSE v1.0.2 (PAE), model-signing
1.1.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import file_digest, sha256
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from licet.errors import BrokenError, RefusedError
from licet.ledger.note import SignatureType, Signer, Verifier, encode_base64
from licet.policy.period import rfc3339
from licet.store.files import replacing
from licet.train.bitmap import BitmapHead
from licet.undecodable import UNDECODABLE

FILE, SIGNATURE_FILE, MANIFEST_FILE = "run.intoto.jsonl", "model.sig", "release.json"
STATEMENT_BYTES_MAX = 16 * 2**20
FILES_MAX = 100_000
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:licet:train:1"
SIGNATURE_TYPE = "https://model_signing/signature/v1.0"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IGNORED = (".git", ".gitattributes", ".github", ".gitignore")
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class StatementSource(msgspec.Struct, frozen=True, kw_only=True):
    """An input of a model or a file beside it, by its hash; ``more`` are annotations of closed
    words and numbers.
    """

    name: str
    sha256: str
    more: Mapping[str, str | int] = msgspec.field(default_factory=dict)

    def as_descriptor(self) -> dict[str, Any]:
        made: dict[str, Any] = {"name": self.name, "digest": {"sha256": self.sha256}}
        return made | ({"annotations": dict(self.more)} if self.more else {})


class RunStatement(msgspec.Struct, frozen=True, kw_only=True):
    """The signed facts of a run. ``sources`` are its release and base model; ``parameters`` the
    recipe's settings.
    """

    model: str
    name: str
    recipe: str
    parameters: Mapping[str, str | int | float]
    sources: tuple[StatementSource, ...]
    first: BitmapHead
    last: BitmapHead
    results: Mapping[str, int | float]
    software: Mapping[str, str]
    started: datetime
    finished: datetime


def gate_state(name: str, head: BitmapHead) -> StatementSource:
    """A state of the gate: the hash of its bitmap, its number and its times."""
    more: dict[str, str | int] = {
        "number": head.number,
        "rows": head.rows,
        "issued": rfc3339(head.issued),
        "until": rfc3339(head.until),
    }
    return StatementSource(name=name, sha256=head.sha256, more=more)


def build_statement(
    run: RunStatement, files: Mapping[str, str], papers: Mapping[str, str]
) -> dict[str, Any]:
    """The statement about the model's ``files`` (name to SHA-256); ``papers`` are the files beside
    them.
    """
    sources = [*run.sources, gate_state("gate-first", run.first)]
    by_products = [
        StatementSource(name=name, sha256=digest) for name, digest in sorted(papers.items())
    ]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": digest}} for name, digest in sorted(files.items())
        ],
        "predicateType": PROVENANCE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "name": run.name,
                    "recipe": run.recipe,
                    "settings": dict(run.parameters),
                },
                "internalParameters": {},
                "resolvedDependencies": [source.as_descriptor() for source in sources],
            },
            "runDetails": {
                "builder": {"id": f"urn:licet:{run.recipe}", "version": dict(run.software)},
                "metadata": {
                    "invocationId": run.model,
                    "startedOn": rfc3339(run.started),
                    "finishedOn": rfc3339(run.finished),
                },
                "byproducts": [
                    *(by_product.as_descriptor() for by_product in by_products),
                    gate_state("gate-last", run.last).as_descriptor(),
                    {"name": "results", "annotations": dict(run.results)},
                ],
            },
        },
    }


# Signing


def pae(payload: bytes) -> bytes:
    """The bytes that are signed for a payload (DSSE's pre-authentication encoding)."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def signer(name: str, seed: bytes) -> Signer:
    """The key that signs statements, in the form in which its public half is distributed."""
    return Signer(name, SignatureType.ed25519, seed)


def sign_statement(content: Mapping[str, Any], key: Verifier, seed: bytes) -> bytes:
    """Signs a statement with the seed whose public key is ``key``; one line."""
    payload = msgspec.json.encode(content, order="sorted")
    sig = Ed25519PrivateKey.from_private_bytes(seed).sign(pae(payload))
    signed = {
        "payload": encode_base64(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": f"{key.name}+{key.key_id.hex()}", "sig": encode_base64(sig)}],
    }
    return msgspec.json.encode(signed, order="sorted") + b"\n"


class _Signature(msgspec.Struct):
    sig: str
    keyid: str = ""


class _Envelope(msgspec.Struct):
    payload: str
    payload_type: str = msgspec.field(name="payloadType")
    signatures: list[_Signature]


def verify(signed: bytes, key: Verifier) -> dict[str, Any]:
    """Verifies an envelope with ``key``, returns its statement; RefusedError for another signature,
    else BrokenError.
    """
    if len(signed) > STATEMENT_BYTES_MAX:
        raise BrokenError(f"the statement has more than `{STATEMENT_BYTES_MAX}` bytes")
    try:
        envelope = msgspec.json.decode(signed, type=_Envelope)
        payload = base64.b64decode(envelope.payload, validate=True)
        signatures = [
            base64.b64decode(signature.sig, validate=True) for signature in envelope.signatures
        ]
    except (*UNDECODABLE, binascii.Error):
        raise BrokenError("the statement about the model cannot be read") from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise BrokenError("the statement about the model has another type")
    if not any(_is_signed(key, signature, payload) for signature in signatures):
        raise RefusedError(
            f"the statement about the model is not signed by `{key.name}`", because="unsigned"
        )
    try:
        content = msgspec.json.decode(payload, type=dict[str, Any])
    except UNDECODABLE:
        raise BrokenError("the statement about the model cannot be read") from None
    if content.get("_type") != STATEMENT_TYPE or content.get("predicateType") != PROVENANCE_TYPE:
        raise BrokenError("the statement about the model has another statement or predicate type")
    return content


def _is_signed(key: Verifier, sig: bytes, payload: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(sig, pae(payload))
    except InvalidSignature:
        return False
    return True


# The model's files


def hash_files(folder: Path, *, without: Iterable[str] = ()) -> dict[str, str]:
    """The SHA-256 of every file below ``folder``, by relative path; BrokenError for a link or too
    many.
    """
    ignored = {*without, *IGNORED}
    digests: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if PurePosixPath(name).parts[0] in ignored:
            continue
        if path.is_symlink():
            raise BrokenError(f"`{name}` is a link; a model consists of regular files")
        if path.is_file():
            with path.open("rb") as file:
                digests[name] = file_digest(file, "sha256").hexdigest()
        if len(digests) > FILES_MAX:
            raise BrokenError(f"the folder of the model has more than `{FILES_MAX}` files")
    return digests


def derive_p256(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """The P-256 key derived from a seed: model signatures do not support Ed25519."""
    drawn = HKDF(hashes.SHA256(), 48, None, b"licet model signature p256").derive(seed)
    return ec.derive_private_key(
        int.from_bytes(drawn, "big") % (_P256_ORDER - 1) + 1, ec.SECP256R1()
    )


def pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key in the form that `model_signing` reads."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def sign_model(name: str, files: Mapping[str, str], key: ec.EllipticCurvePrivateKey) -> bytes:
    """The bundle that signs ``files``, name to SHA-256."""
    ordered = sorted(files.items(), key=lambda item: PurePosixPath(item[0]))
    root = sha256(b"".join(bytes.fromhex(digest) for _, digest in ordered)).hexdigest()
    payload = msgspec.json.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": root}}],
            "predicateType": SIGNATURE_TYPE,
            "predicate": {
                "serialization": {
                    "method": "files",
                    "hash_type": "sha256",
                    "allow_symlinks": False,
                    "ignore_paths": [SIGNATURE_FILE, *IGNORED],
                },
                "resources": [
                    {"algorithm": "sha256", "digest": digest, "name": path}
                    for path, digest in ordered
                ],
            },
        }
    )
    public = pem(key.public_key())
    bundle = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {
            "publicKey": {"hint": sha256(public).hexdigest()},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": encode_base64(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {
                    "sig": encode_base64(key.sign(pae(payload), ec.ECDSA(hashes.SHA256()))),
                    "keyid": "",
                }
            ],
        },
    }
    return msgspec.json.encode(bundle)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        with replacing(folder / name) as file:
            file.write(data)

"""Signed notes: a text, a blank line, and lines that sign it.

Promise: `verify` returns only a text that a known key signed, and nothing as soon as one signature
of a known key is invalid. Signatures of unknown keys are ignored, so that keys can rotate and
witnesses can be added. Base64 is read strictly (one spelling for one value): no byte of a signature
line can change unnoticed.

Follows c2sp.org/signed-note@v1.0.0 with the types 0x01 (Ed25519) and 0x04
(c2sp.org/tlog-cosignature, Ed25519). The text forms of keys are those of Go's
`golang.org/x/mod/sumdb/note`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from licet.errors import RefusedError, UsageError

NOTE_BYTES_MAX = 1 << 20
SIGNATURES_MAX = 100
NAME_BYTES_MAX = 255
TIME_MAX = 2**63 - 1

_DASH = "\u2014 "
_SKEY_PREFIX = "PRIVATE+KEY+"
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_KEY_ID = re.compile(r"[0-9a-f]{8}")


class NoteRefusal(StrEnum):
    """The ``because`` of a `RefusedError` for a text, a signature or a proof."""

    malformed = "malformed"  # not in the format
    unsigned = "unsigned"  # no known key signed it
    forged = "forged"  # a signature that names a known key is invalid
    foreign = "foreign"  # it is about another log
    unproven = "unproven"  # the hashes do not lead to the root
    too_large = "too-large"


class SignatureType(IntEnum):
    """The supported type bytes; a number is never reused for another meaning."""

    ed25519 = 0x01
    cosignature = 0x04


def refusal_error(message: str, because: NoteRefusal = NoteRefusal.malformed) -> RefusedError:
    return RefusedError(message, because=because.value)


def decode_base64(text: str, name: str) -> bytes:
    """Decodes standard, padded, canonical Base64; raises `RefusedError`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise refusal_error(f"{name} is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise refusal_error(f"{name} is not canonical base64")
    return data


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass(frozen=True, slots=True)
class Verifier:
    name: str
    type: SignatureType
    public: bytes = field(repr=False)
    key_id: bytes = field(init=False, compare=False)
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public) != 32:
            raise refusal_error("an Ed25519 public key has 32 bytes")
        object.__setattr__(self, "key_id", _key_id(self.name, self.type, self.public))
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.public))

    @property
    def vkey(self) -> str:
        """`name+hash+base64`, the distributed form of a public key."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.type]) + self.public)}"

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        name, key_id, material = _split_key(vkey.split("+", 2), "vkey")
        verifier = cls(name, _signature_type(material[0]), material[1:])
        if verifier.key_id.hex() != key_id:
            raise refusal_error(f"the hash in the vkey of `{name}` is not the hash of its key")
        return verifier

    def check(self, text: str, signature: NoteSignature) -> SignedNote:
        """Raises `RefusedError` unless this key signed the text."""
        message, raw, at = text.encode(), signature.raw, None
        if self.type is SignatureType.cosignature:
            if len(raw) != 72:
                raise refusal_error(
                    f"the cosignature of `{self.name}` does not have 72 bytes", NoteRefusal.forged
                )
            at, raw = int.from_bytes(raw[:8], "big"), raw[8:]
            if at > TIME_MAX:
                raise refusal_error(
                    f"the cosignature of `{self.name}` has a time out of range", NoteRefusal.forged
                )
            message = _cosigned_text(text, at)
        try:
            self._key.verify(raw, message)
        except InvalidSignature:
            raise refusal_error(
                f"the signature of `{self.name}` is not valid", NoteRefusal.forged
            ) from None
        return SignedNote(self, at)


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with a name; no repr shows its secret."""

    name: str
    type: SignatureType
    seed: bytes = field(repr=False)
    verifier: Verifier = field(init=False, repr=False, compare=False)
    _key: Ed25519PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise UsageError("an Ed25519 seed has 32 bytes")
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        object.__setattr__(self, "_key", key)
        object.__setattr__(
            self, "verifier", Verifier(self.name, self.type, key.public_key().public_bytes_raw())
        )

    @property
    def skey(self) -> str:
        """`PRIVATE+KEY+name+hash+base64`: secret, for a key file only."""
        material = encode_base64(bytes([self.type]) + self.seed)
        return f"{_SKEY_PREFIX}{self.name}+{self.verifier.key_id.hex()}+{material}"

    @classmethod
    def parse(cls, skey: str) -> Signer:
        if not skey.startswith(_SKEY_PREFIX):
            raise refusal_error("a signing key begins with `PRIVATE+KEY+`")
        name, key_id, material = _split_key(
            skey.removeprefix(_SKEY_PREFIX).split("+", 2), "signing key"
        )
        signer = cls(name, _signature_type(material[0]), material[1:])
        if signer.verifier.key_id.hex() != key_id:
            raise refusal_error(
                f"the hash in the signing key of `{name}` is not the hash of its key"
            )
        return signer

    def renamed(self, name: str) -> Signer:
        """Returns the key under another name: a year's log and its signatures are named after the
        year.
        """
        return Signer(name, self.type, self.seed)

    def sign(self, text: str) -> NoteSignature:
        if self.type is not SignatureType.ed25519:
            raise UsageError("a witness key signs with a time: call `cosign`")
        _check_text(text)
        return NoteSignature(self.name, self.verifier.key_id, self._key.sign(text.encode()))

    def cosign(self, text: str, at: int) -> NoteSignature:
        """Cosigns the text at ``at``, in POSIX seconds, which is signed too."""
        if self.type is not SignatureType.cosignature:
            raise UsageError("a log key signs without a time: call `sign`")
        if not 0 <= at <= TIME_MAX:
            raise UsageError(f"`{at}` is not a POSIX time")
        _check_text(text)
        raw = at.to_bytes(8, "big") + self._key.sign(_cosigned_text(text, at))
        return NoteSignature(self.name, self.verifier.key_id, raw)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the claimed signer, and the bytes after the key's id."""

    name: str
    key_id: bytes
    raw: bytes = field(repr=False)

    @property
    def line(self) -> str:
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.raw)}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A valid signature. ``at`` is the POSIX time of a cosignature."""

    by: Verifier
    at: int | None


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed, unverified note: `verify` returns a verified text."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> bytes:
        return f"{self.text}\n{''.join(s.line for s in self.signatures)}".encode()


@dataclass(frozen=True, slots=True)
class VerifiedNote:
    text: str
    signed: tuple[SignedNote, ...]


def sign(text: str, *signers: Signer) -> bytes:
    """The note of a text that ends in a newline."""
    if not signers:
        raise UsageError("a note needs a signer")
    return Note(text, tuple(signer.sign(text) for signer in signers)).encode()


def parse(data: bytes) -> Note:
    """Parses a note without verifying it; raises `RefusedError`."""
    if len(data) > NOTE_BYTES_MAX:
        raise refusal_error(f"a note has at most `{NOTE_BYTES_MAX}` bytes", NoteRefusal.too_large)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise refusal_error("the note is not UTF-8") from None
    _check_controls(text)
    split = text.rfind("\n\n")
    if split < 0 or not text.endswith("\n"):
        raise refusal_error(
            "the note has no blank line before its signatures, or no newline at its end"
        )
    text, block = text[: split + 1], text[split + 2 :]
    _check_text(text)
    return Note(text, parse_signatures(block))


def parse_signatures(block: str) -> tuple[NoteSignature, ...]:
    """Parses one or more signature lines, as at the end of a note or in a witness's response."""
    if not block.endswith("\n"):
        raise refusal_error("the last signature line has no newline")
    lines = block[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise refusal_error(
            f"a note has at most `{SIGNATURES_MAX}` signatures", NoteRefusal.too_large
        )
    return tuple(_parse_line(line) for line in lines)


def verify(data: bytes, verifiers: Sequence[Verifier]) -> VerifiedNote:
    """Returns the text of a note, verified with at least one of ``verifiers``; raises
    `RefusedError`.
    """
    note = parse(data)
    keys = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    signed: dict[Verifier, SignedNote] = {}
    for signature in note.signatures:
        verifier = keys.get((signature.name, signature.key_id))
        if verifier is not None:
            signed.setdefault(verifier, verifier.check(note.text, signature))
    if not signed:
        raise refusal_error("no known key signed the note", NoteRefusal.unsigned)
    return VerifiedNote(note.text, tuple(signed.values()))


def _parse_line(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise refusal_error("a signature line is an em dash, a name and base64")
    _check_name(name)
    data = decode_base64(encoded, "a signature")
    if len(data) < 5:
        raise refusal_error("a signature is shorter than its key id")
    return NoteSignature(name, data[:4], data[4:])


def _split_key(parts: list[str], form: str) -> tuple[str, str, bytes]:
    if len(parts) != 3 or not _KEY_ID.fullmatch(parts[1]):
        raise refusal_error(
            f"a {form} has a name, a hash of 8 hexadecimal digits and base64, joined by `+`"
        )
    name, key_id, encoded = parts
    material = decode_base64(encoded, f"the key in the {form}")
    if len(material) != 33:
        raise refusal_error(f"the key in the {form} does not have 33 bytes")
    return name, key_id, material


def _signature_type(byte: int) -> SignatureType:
    try:
        return SignatureType(byte)
    except ValueError:
        raise refusal_error(f"signature type `{byte:#04x}` is not supported") from None


def _key_id(name: str, kind: SignatureType, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def _cosigned_text(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _check_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() or c < " " for c in name):
        raise refusal_error(
            "a key's name must not be empty or contain a space, `+` or a control character"
        )
    if len(name.encode()) > NAME_BYTES_MAX:
        raise refusal_error(
            f"a key's name has at most `{NAME_BYTES_MAX}` bytes", NoteRefusal.too_large
        )


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise refusal_error("the text of a note must end in a newline")
    _check_controls(text)


def _check_controls(text: str) -> None:
    if _CONTROL.search(text):
        raise refusal_error("a note must not contain control characters other than newlines")

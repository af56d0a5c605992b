"""Signed notes and checkpoints: c2sp.org/signed-note, tlog-checkpoint and tlog-cosignature, with
Ed25519.

A note opens only if the log's key signed it and the quorum of witnesses cosigned it. A known key's
signature that does not hold is a contradiction, even beside others that do; a line by an unknown
key is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from licet.verifier.answer import ContradictionError, UnreadableError
from licet.verifier.forms import SIZE_MAX, decode_base64, parse_number
from licet.verifier.keys import Trust, VerifierKey

NOTE_BYTES_MAX = 1 << 20
SIGNATURES_MAX = 100


@dataclass(frozen=True, slots=True)
class CheckpointHead:
    """A checkpoint whose signatures held."""

    origin: str
    size: int
    root: bytes
    cosigned: tuple[str, ...] = ()


def open_note(raw: bytes, place: str, trusted: Trust) -> tuple[str, tuple[str, ...]]:
    """The signed text, and the names of the witnesses whose cosignature holds."""
    text, lines = _split_note(raw, place)
    known = {(key.name, key.ident): key for key in (trusted.key, *trusted.witnesses)}
    held: set[VerifierKey] = set()
    for line in lines:
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if dash != "\u2014" or not name or "+" in name or not encoded:
            raise ContradictionError(place, "each signature line is an em dash, a name and base64")
        data = decode_base64(encoded, place, "each signature is canonical base64")
        if len(data) < 5:
            raise ContradictionError(place, "each signature is longer than its key's id")
        key = known.get((name, data[:4]))
        if key is not None:
            _check_signature(key, text, data[4:], place)
            held.add(key)
    if trusted.key not in held:
        raise ContradictionError(place, f"the log's key `{trusted.key.name}` signed it")
    cosigned = tuple(sorted(key.name for key in held & set(trusted.witnesses)))
    if not trusted.quorum.is_met(held):
        raise ContradictionError(place, "the quorum of the named witnesses cosigned it")
    return text, cosigned


def open_checkpoint(raw: bytes, place: str, trusted: Trust) -> CheckpointHead:
    text, cosigned = open_note(raw, place, trusted)
    lines = text[:-1].split("\n")
    if len(lines) < 3 or "" in lines:
        raise ContradictionError(
            place, "a checkpoint has an origin, a size and a root, and no empty line"
        )
    if lines[0] != trusted.origin:
        raise ContradictionError(place, f"it is a checkpoint of the log `{trusted.origin}`")
    size = parse_number(lines[1], place, "its size is a decimal")
    root = decode_base64(lines[2], place, "its root is base64")
    if len(root) != 32:
        raise ContradictionError(place, "its root has 32 bytes")
    return CheckpointHead(lines[0], size, root, cosigned)


def _split_note(raw: bytes, place: str) -> tuple[str, list[str]]:
    if len(raw) > NOTE_BYTES_MAX:
        raise UnreadableError(place, f"a note has at most {NOTE_BYTES_MAX} bytes")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableError(place, "a note is UTF-8") from None
    if any(ord(c) < 32 and c != "\n" for c in whole):
        raise UnreadableError(place, "a note holds no control character")
    text, blank, block = whole.rpartition("\n\n")
    lines = block.split("\n")
    if not blank or not text or lines.pop() or not lines:
        raise UnreadableError(place, "a note is a text, a blank line and signature lines")
    if len(lines) > SIGNATURES_MAX:
        raise ContradictionError(place, f"a note has at most {SIGNATURES_MAX} signatures")
    return text + "\n", lines


def _check_signature(key: VerifierKey, text: str, signature: bytes, place: str) -> None:
    message = text.encode()
    if key.kind == 4:
        time = int.from_bytes(signature[:8], "big")
        message = b"cosignature/v1\ntime " + str(time).encode() + b"\n" + message
        signature = signature[8:]
        if time > SIZE_MAX:
            raise ContradictionError(place, f"the cosignature of `{key.name}` has a time in range")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except InvalidSignature:
        raise ContradictionError(place, f"the signature of `{key.name}` holds") from None

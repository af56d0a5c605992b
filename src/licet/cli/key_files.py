"""Files with one private key of a witness or a recipient: created once, never overwritten."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from licet.errors import InputError, RefusedError, UsageError
from licet.ledger.note import SignatureType, Signer
from licet.store.files import sync

KEY_FILE_BYTES_MAX = 4_096
SEED_BYTES = 32
_WHOSE = {
    SignatureType.ed25519: "the key of a log or of a recipient",
    SignatureType.cosignature: "the key of a witness",
}


def key_file(file: Path, name: str | None, kind: SignatureType, command: str) -> Signer:
    """Returns the key in ``file``, of the ``kind``; creates it under ``name`` if there is no file.
    ``command`` is named in errors.
    """
    if not file.exists():
        if name is None:
            raise UsageError(f"there is no key in `{file}`", "give a name to make one: --name NAME")
        signer = Signer(name, kind, secrets.token_bytes(SEED_BYTES))
        # stored before it is shown, and never over another key, by which others know its owner
        with open(file, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as written:
            written.write(f"{signer.skey}\n")
            written.flush()
            os.fsync(written.fileno())
        sync(file.parent)
    try:
        text = file.read_bytes()[:KEY_FILE_BYTES_MAX].decode("ascii", "replace").strip()
        signer = Signer.parse(text)
    except RefusedError as error:  # its message never quotes the key
        raise InputError(
            error.message, f"`{command} FILE --name NAME` makes one", file=str(file)
        ) from None
    if signer.type is not kind:
        hint = f"`{command} FILE --name NAME` makes one"
        raise InputError(
            f"this is {_WHOSE[signer.type]}, and {_WHOSE[kind]} is wanted", hint, file=str(file)
        )
    return signer

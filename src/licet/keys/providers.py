"""The key provider of an installation, by its configuration."""

from __future__ import annotations

from typing import TypeVar

from licet.config import Configuration
from licet.errors import UsageError
from licet.keys.material import FileProvider, KeyProvider
from licet.keys.openbao import BaoProvider
from licet.keys.pkcs11 import Pkcs11Provider

Value = TypeVar("Value")


def provider(config: Configuration) -> KeyProvider:
    """Returns the configured provider, not contacted yet; UsageError for a missing or unknown
    setting.
    """
    keys = config.key_chain
    match keys.provider:
        case "file":
            return FileProvider(config.keys)
        case "bao":
            return BaoProvider(
                _require("ADDRESS", keys.address),
                _require("TOKEN_FILE", keys.token_file),
                mount=keys.mount,
                name=keys.name,
                ca_file=keys.ca_file,
            )
        case "pkcs11":
            return Pkcs11Provider(
                _require("MODULE", keys.module),
                _require("TOKEN", keys.token),
                _require("PIN_FILE", keys.pin_file),
                name=keys.name,
            )
        case other:
            raise UsageError(
                f"unknown key provider `{other}`", "set LICET_KEYS__PROVIDER to file, bao or pkcs11"
            )


def _require(name: str, value: Value | None) -> Value:
    if value is None:
        raise UsageError(f"the key provider needs `LICET_KEYS__{name}`")
    return value

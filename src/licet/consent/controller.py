"""The data controller (GDPR Article 4(7)) as the operator states it in ``controller.yaml``. Every receipt contains it.

No value is guessed or filled in. While a required key is empty, receipts say "not stated", `licet doctor` reports it as
broken, and `licet serve` refuses an address that other machines can reach.

    name: Example Ltd
    address: 1 Example Street, Dublin, Ireland
    contact: privacy@example.org
    jurisdictions: [IE]
    storage_locations: [IE, DE]
    withdrawal_url: https://privacy.example.org/settings
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import yaml

from licet.errors import InputError

TEXT_CHARACTERS_MAX = 500
COUNTRIES_MAX = 250
_COUNTRY = re.compile(r"[A-Z]{2}")
_URL = re.compile(r"https?://[^\s/]+\S*")

MEANING = {
    "name": "the legal name of the controller, for example: Example Ltd",
    "address": "its postal address",
    "contact": "where people can ask about their data: an e-mail address or a URL",
    "jurisdictions": "the countries whose law applies, as ISO 3166-1 codes: IE, DE",
    "storage_locations": "the countries in which the data is stored, as ISO 3166-1 codes",
    "withdrawal_url": "where people withdraw a permission; by default the settings page at LICET_WEB__URL",
}


class Controller(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator states about itself. Countries are ISO 3166-1 alpha-2 codes; an empty value means "not stated"."""

    name: str | None = None
    address: str | None = None
    contact: str | None = None
    jurisdictions: tuple[str, ...] = ()
    storage_locations: tuple[str, ...] = ()
    withdrawal_url: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The required keys without a value. ``withdrawal_url`` is not required: it has a default."""
        return tuple(key for key in MEANING if key != "withdrawal_url" and not getattr(self, key))


def read(file: Path) -> Controller:
    """Reads the file; an absent file states nothing. InputError names the key and the fix."""
    if not file.is_file():
        return Controller()
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or {}
        stated = {key: value for key, value in found.items() if value is not None} if isinstance(found, dict) else found
        return checked(msgspec.convert(stated, Controller), str(file))
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", f"its keys are {', '.join(MEANING)}", file=str(file)) from None


def checked(stated: Controller, file: str = "") -> Controller:
    """Returns ``stated`` if every value is valid; InputError otherwise."""
    for key in ("name", "address", "contact", "withdrawal_url"):
        value = getattr(stated, key) or ""
        if len(value) > TEXT_CHARACTERS_MAX:
            raise InputError(f"is longer than {TEXT_CHARACTERS_MAX} characters", "shorten it", file=file, key=key)
    if stated.withdrawal_url and not _URL.fullmatch(stated.withdrawal_url):
        raise InputError(
            f"`{stated.withdrawal_url}` is not a URL", "begin it with https://", file=file, key="withdrawal_url"
        )
    for key in ("jurisdictions", "storage_locations"):
        codes: tuple[str, ...] = getattr(stated, key)
        if len(codes) > COUNTRIES_MAX:
            raise InputError(f"has more than {COUNTRIES_MAX} countries", "list each country once", file=file, key=key)
        for code in codes:
            if not _COUNTRY.fullmatch(code):
                raise InputError(
                    f"`{code}` is not a country code",
                    "use ISO 3166-1 alpha-2 codes, for example IE",
                    file=file,
                    key=key,
                )
    return stated


def write(file: Path, stated: Controller) -> None:
    """Writes the file with a comment on each key. Keys without a value stay empty, to be filled in later."""
    lines = ["# The data controller, as every receipt states it. `licet doctor` reports what is missing.", ""]
    for key, meaning in MEANING.items():
        value = getattr(stated, key)
        lines += [f"# {meaning}", f"{key}: {_yaml(value)}".rstrip(), ""]
    file.write_text("\n".join(lines), encoding="utf-8")


def _yaml(value: str | tuple[str, ...] | None) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_yaml(one) for one in value) + "]"
    return msgspec.json.encode(value).decode() if value else ""  # a JSON text is a YAML text

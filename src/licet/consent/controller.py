"""Who is responsible for what people said and where it lies, as the operator states it in ``controller.yaml``.

It goes into every receipt. Nothing here is guessed: what the operator left empty is `missing`, a receipt says of it that it
was not stated, `licet doctor` calls it broken, and `licet serve` takes no callers from elsewhere before it is there.

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
    "name": "the legal name of who is responsible, as in: Example Ltd",
    "address": "its postal address",
    "contact": "where people reach it about their data: an e-mail address or a URL",
    "jurisdictions": "the countries whose law applies, as ISO 3166-1 codes: IE, DE",
    "storage_locations": "the countries in which the data lies",
    "withdrawal_url": "where somebody takes a permission back; without it the settings page at LICET_WEB__URL",
}


class Controller(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator states of itself. Countries are ISO 3166-1 alpha-2 codes; an empty value is not stated."""

    name: str | None = None
    address: str | None = None
    contact: str | None = None
    jurisdictions: tuple[str, ...] = ()
    storage_locations: tuple[str, ...] = ()
    withdrawal_url: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys that every receipt needs and that have no value; ``withdrawal_url`` has one of its own."""
        return tuple(key for key in MEANING if key != "withdrawal_url" and not getattr(self, key))


def read(file: Path) -> Controller:
    """What the file states, nothing where there is none; InputError names the key and the mend."""
    if not file.is_file():
        return Controller()
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or {}
        stated = {key: value for key, value in found.items() if value is not None} if isinstance(found, dict) else found
        return checked(msgspec.convert(stated, Controller), str(file))
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"does not read: {error}", f"its keys are {', '.join(MEANING)}", file=str(file)) from None


def checked(stated: Controller, file: str = "") -> Controller:
    """``stated`` itself; InputError for a value that is none of its kind."""
    for key in ("name", "address", "contact", "withdrawal_url"):
        value = getattr(stated, key) or ""
        if len(value) > TEXT_CHARACTERS_MAX:
            raise InputError(f"is longer than {TEXT_CHARACTERS_MAX} characters", "shorten it", file=file, key=key)
    if stated.withdrawal_url and not _URL.fullmatch(stated.withdrawal_url):
        raise InputError(
            f"`{stated.withdrawal_url}` is no URL", "write it with https://", file=file, key="withdrawal_url"
        )
    for key in ("jurisdictions", "storage_locations"):
        codes: tuple[str, ...] = getattr(stated, key)
        if len(codes) > COUNTRIES_MAX:
            raise InputError(f"has more than {COUNTRIES_MAX} countries", "name each once", file=file, key=key)
        for code in codes:
            if not _COUNTRY.fullmatch(code):
                raise InputError(f"`{code}` is no country", "write ISO 3166-1 codes, as in IE", file=file, key=key)
    return stated


def write(file: Path, stated: Controller) -> None:
    """Writes the file, each key with its meaning; what is not stated stays empty, to be filled in."""
    lines = ["# Who is responsible, as every receipt states it. `licet doctor` says what is missing.", ""]
    for key, meaning in MEANING.items():
        value = getattr(stated, key)
        lines += [f"# {meaning}", f"{key}: {_yaml(value)}".rstrip(), ""]
    file.write_text("\n".join(lines), encoding="utf-8")


def _yaml(value: str | tuple[str, ...] | None) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_yaml(one) for one in value) + "]"
    return msgspec.json.encode(value).decode() if value else ""  # a JSON text is a YAML text

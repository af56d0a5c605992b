"""The data controller (GDPR Article 4(7)) as the operator states it in ``controller.yaml``. Every
receipt contains it.

No value is guessed or filled in. While a required key is empty, receipts say "not stated", `licet
doctor` reports it as broken, and `licet serve` refuses an address that other machines can reach.

    name: Example Ltd
    address: 1 Example Street, Dublin, Ireland
    contact: privacy@example.org
    jurisdictions: [IE]
    storage_locations: [IE, DE]
    withdrawal_url: https://privacy.example.org/settings
    joint_controllers: [Example Labs GmbH, privacy@labs.example]
    representative: no
    dpo: Dana Example, dpo@example.org
    papers:                             # what only the operator knows for the papers that the law asks for
      licensed_data: no                 # a text, yes, no, or nothing: `consent.operator_answers`

`representative`, `dpo` and `joint_controllers` may be `no`: there is none. Nothing means that it is
not stated yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec
import yaml

from licet.consent import operator_answers
from licet.consent.operator_answers import Answer
from licet.errors import InputError

TEXT_CHARACTERS_MAX = 500
COUNTRIES_MAX = 250
_COUNTRY = re.compile(r"[A-Z]{2}")
_URL = re.compile(r"https?://[^\s/]+\S*")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

Party: TypeAlias = str | bool | tuple[str, ...] | None

MEANING = {
    "name": "the legal name of the controller, for example: Example Ltd",
    "address": "its postal address",
    "contact": "where people can ask about their data: an e-mail address or a URL",
    "jurisdictions": "the countries whose law applies, as ISO 3166-1 codes: IE, DE",
    "storage_locations": "the countries in which the data is stored, as ISO 3166-1 codes",
    "withdrawal_url": "where people withdraw a permission; by default the settings page at LICET_WEB__URL",
    "joint_controllers": "joint controllers, each with its name and contact; or no",
    "representative": "the representative in the Union (GDPR Article 27), with name and contact; or no",
    "dpo": "the data protection officer, with name and contact; or no",
}
PARTIES = ("joint_controllers", "representative", "dpo")
REQUIRED = ("name", "address", "contact", "jurisdictions", "storage_locations")


class Controller(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator's own statements. Countries are ISO 3166-1 alpha-2 codes; an empty value
    means "not stated".
    """

    name: str | None = None
    address: str | None = None
    contact: str | None = None
    jurisdictions: tuple[str, ...] = ()
    storage_locations: tuple[str, ...] = ()
    withdrawal_url: str | None = None
    joint_controllers: Party = None
    representative: Party = None
    dpo: Party = None
    papers: Mapping[str, Answer | None] = {}

    @property
    def missing(self) -> tuple[str, ...]:
        """The keys without a value of those that receipts need."""
        return tuple(key for key in REQUIRED if not getattr(self, key))

    @property
    def unanswered(self) -> tuple[str, ...]:
        """What the papers of the law would print as "to be provided"."""
        own = [key for key in PARTIES if getattr(self, key) is None]
        return (*own, *(f"papers.{key}" for key in operator_answers.unanswered_keys(self.papers)))


def read_controller(file: Path) -> Controller:
    """Reads the file; an absent file states nothing. InputError names the key and the fix."""
    if not file.is_file():
        return Controller()
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or {}
        stated = (
            {key: value for key, value in document.items() if value is not None}
            if isinstance(document, dict)
            else document
        )
        return validate(msgspec.convert(stated, Controller), str(file))
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot be read: {error}", f"its keys are {', '.join(MEANING)}", file=str(file)
        ) from None


def validate(stated: Controller, file: str = "") -> Controller:
    """Returns ``stated`` if every value is valid; InputError otherwise."""
    for key in ("name", "address", "contact", "withdrawal_url"):
        value = getattr(stated, key) or ""
        if len(value) > TEXT_CHARACTERS_MAX:
            raise InputError(
                f"is longer than {TEXT_CHARACTERS_MAX} characters", "shorten it", file=file, key=key
            )
    if stated.contact and not (_URL.fullmatch(stated.contact) or _MAIL.fullmatch(stated.contact)):
        raise InputError(
            f"`{stated.contact}` is neither an e-mail address nor a URL",
            "write it as in privacy@example.org or https://example.org/privacy",
            file=file,
            key="contact",
        )
    if stated.withdrawal_url and not _URL.fullmatch(stated.withdrawal_url):
        raise InputError(
            f"`{stated.withdrawal_url}` is not a URL",
            "begin it with https://",
            file=file,
            key="withdrawal_url",
        )
    for key in ("jurisdictions", "storage_locations"):
        codes: tuple[str, ...] = getattr(stated, key)
        if len(codes) > COUNTRIES_MAX:
            raise InputError(
                f"has more than {COUNTRIES_MAX} countries",
                "list each country once",
                file=file,
                key=key,
            )
        for code in codes:
            if not _COUNTRY.fullmatch(code):
                raise InputError(
                    f"`{code}` is not a country code",
                    "use ISO 3166-1 alpha-2 codes, for example IE",
                    file=file,
                    key=key,
                )
    parties = {key: _check_party(getattr(stated, key), file, key) for key in PARTIES}
    return msgspec.structs.replace(
        stated, **parties, papers=operator_answers.validate(stated.papers, file)
    )


def _check_party(value: Party, file: str, key: str) -> Party:
    """A named party, False if there is none, or None if it is not stated; `yes` is refused."""
    if value is True:
        raise InputError(
            "`yes` names nobody", "give a name and a contact, or no", file=file, key=key
        )
    named = tuple(
        text.strip()
        for text in ((value,) if isinstance(value, str) else value or ())
        if text.strip()
    )
    if value is False or [text.lower() for text in named] == ["no"]:
        return False
    if any(len(text) > TEXT_CHARACTERS_MAX for text in named):
        raise InputError(
            f"is longer than {TEXT_CHARACTERS_MAX} characters", "shorten it", file=file, key=key
        )
    return (named if key == "joint_controllers" else named[0]) if named else None


def write(file: Path, stated: Controller) -> None:
    """Writes the file with a comment on each key. Keys without a value stay empty, to be filled in
    later.
    """
    lines = [
        (
            "# The data controller, as every receipt states it. `licet doctor` reports what is "
            "missing."
        ),
        "",
    ]
    for key, meaning in MEANING.items():
        value = getattr(stated, key)
        lines += [f"# {meaning}", f"{key}: {_yaml(value)}".rstrip(), ""]
    lines += [
        (
            "# For the papers of `licet document`: a text, yes or no. What is left empty is "
            "printed as to be provided."
        ),
        "papers:",
    ]
    for key, (meaning, papers) in operator_answers.ASKED.items():
        lines += [f"  # {meaning} ({papers})", f"  {key}: {_yaml(stated.papers.get(key))}".rstrip()]
    lines.append("")
    file.write_text("\n".join(lines), encoding="utf-8")


def _yaml(value: Party) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "[" + ", ".join(_yaml(one) for one in value) + "]"
    return msgspec.json.encode(value).decode() if value else ""  # a JSON text is a YAML text

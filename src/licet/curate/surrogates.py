"""Surrogates: replacements of the same kind from reserved ranges, which belong to nobody.

Promise: a surrogate is drawn from HMAC-SHA256(key, kind || 0 || normalised value || 0 || draw): the
same value gets the same surrogate throughout a conversation, another conversation's key gives
another, and without the key nothing leads back. Two values of a conversation share one only if the
kind's range is used up.

Invariants:
- Surrogates belong to nobody: RFC 2606 domains, RFC 5737 and RFC 3849 addresses, the RFC 7042 range
  of MAC addresses, telephone numbers kept for fiction (555-0100 to 555-0199, Ofcom's 07700 900xxx)
  or not assigned (+999, 000..., 1000...), cards of the unassigned issuer 9999, the IBAN country XX,
  national numbers with wrong check digits, secrets that say EXAMPLE; invented names, streets and
  places (made_up_names.py).
- ``is_reserved`` recognises every surrogate, so de-identifying twice changes nothing more.
- A surrogate adds no quote, backslash or line break, and an all-digit number no leading zero: valid
  code and JSON stay valid.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import assert_never

import re2  # type: ignore[import-untyped]  # google-re2 ships neither stubs nor py.typed
from stdnum import luhn
from stdnum.iso7064 import mod_97_10

from licet.curate import made_up_names, rules
from licet.curate.keyed_draw import Draw
from licet.curate.national_numbers import CHECKED
from licet.curate.rules import IdentifierKind
from licet.curate.validators import compact, keep_digits, without_extension

DRAWS_MAX = 64
NUMBERS_MAX = 64  # draws, for one that fails the checks of all countries
# in upper case within a secret, as in AWS's own examples
MARK = "EXAMPLE"

_LOWER = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_HEX = "0123456789abcdef"


def make_surrogate(
    key: bytes, kind: IdentifierKind, value: str, *, prefix: str = "", number: int = 0
) -> str:
    """Another value of ``kind`` in the shape of ``value``. A secret keeps ``prefix``, its issuer's;
    a person's ``prefix`` says whether a word is a ``given`` or ``family`` name.
    """
    draw = Draw(key, kind, normalise_value(kind, value), number)
    match kind:
        case IdentifierKind.EMAIL:
            return _cased(_email(draw), value)
        case IdentifierKind.PHONE:
            return _phone(draw, value)
        case IdentifierKind.CARD:
            return _card(draw, value)
        case IdentifierKind.IBAN:
            return _iban(draw, value)
        case IdentifierKind.NATIONAL_ID:
            return _national_id(draw, value)
        case IdentifierKind.IP:
            return _ip(draw, value)
        case IdentifierKind.MAC:
            return _fill_shape(value, "00005e0053" + draw.text(_HEX, 2))
        case IdentifierKind.PERSON:
            return made_up_names.person(draw, value, prefix, number)
        case IdentifierKind.ADDRESS:
            return made_up_names.address(draw, value)
        case IdentifierKind.PLACE:
            return made_up_names.place(draw, value, number)
        case IdentifierKind.ORGANISATION:
            return made_up_names.organisation(draw, value, number)
        case IdentifierKind.USERNAME:
            return _cased("user" + draw.text(_HEX, 6), value)
        case IdentifierKind.HOST:
            return _host(draw, value)
        case IdentifierKind.CREDENTIAL:
            return _credential(draw, value)
        case IdentifierKind.SECRET:
            return _secret(draw, value, prefix)
        case IdentifierKind.KEY_BLOCK:
            return _key_block(draw, value)
        case _:
            assert_never(kind)


_PLAIN_ALPHABET = str.maketrans(dict.fromkeys(" -.()/\u200b\u200c\u200d\u2060\ufeff\xad"))


def normalise_value(kind: IdentifierKind, value: str) -> str:
    """Normalises spellings of one value: case and separators where they carry no meaning."""
    match kind:
        case IdentifierKind.EMAIL:
            return value.lower()
        case (
            IdentifierKind.PHONE
            | IdentifierKind.CARD
            | IdentifierKind.IBAN
            | IdentifierKind.NATIONAL_ID
            | IdentifierKind.MAC
        ):
            return value.translate(_PLAIN_ALPHABET).lower()
        case IdentifierKind.IP | IdentifierKind.USERNAME | IdentifierKind.HOST:
            return value.lower()
        case (
            IdentifierKind.PERSON
            | IdentifierKind.ADDRESS
            | IdentifierKind.PLACE
            | IdentifierKind.ORGANISATION
        ):
            return " ".join(value.casefold().split())
        case IdentifierKind.CREDENTIAL | IdentifierKind.SECRET | IdentifierKind.KEY_BLOCK:
            return value
        case _:
            assert_never(kind)


def with_numbers(key: bytes, made: str, value: str) -> str:
    """``made`` of the names in a user id, with digits drawn from the whole ``value``."""
    return _digits_filled(
        made,
        Draw(key, IdentifierKind.USERNAME, value.lower(), 0).text(_DIGITS, len(keep_digits(made))),
    )


def _cased(made: str, like: str) -> str:
    return made.upper() if like.isupper() else made


# --- shapes by kind -------------------------------------------------------------------------------


def _email(draw: Draw) -> str:
    given, family = draw.choose(made_up_names.GIVEN_USUAL), draw.choose(made_up_names.FAMILY)
    domain = ("example.com", "example.net", "example.org")[draw.below(3)]
    return f"{given.lower()}.{family.lower()}{10 + draw.below(90)}@{domain}"


def _fill_shape(shape: str, chars: str) -> str:
    """``chars`` in place of the letters and digits of ``shape``."""
    upper, source = shape.isupper(), iter(chars)
    return "".join(
        (c := next(source, "0")).upper() * upper or c if s.isalnum() else s for s in shape
    )


def _digits_filled(shape: str, digits: str) -> str:
    source = iter(digits)
    return "".join(next(source) if "0" <= s <= "9" else s for s in shape)


def _phone(draw: Draw, value: str) -> str:
    shape, count = value, len(keep_digits(value))
    head = keep_digits(without_extension(value))
    if value.lstrip().startswith("+") and not (head[0] == "1" and len(head) == 11):
        return _digits_filled(shape, "999" + draw.text(_DIGITS, count - 3))
    for trunk in ("001", "1", ""):
        if head.startswith(trunk) and len(head) - len(trunk) == 10 and head[len(trunk)] != "0":
            area = "2345678"[draw.below(7)] + draw.text("0245678", 1) + draw.text("23456789", 1)
            return _digits_filled(
                shape, f"{trunk}{area}55501" + draw.text(_DIGITS, max(2, count - len(trunk) - 8))
            )
    if head.startswith("07") and len(head) == 11:
        return _digits_filled(shape, "07700900" + draw.text(_DIGITS, count - 8))
    if len(head) == 7:
        return _digits_filled(shape, "55501" + draw.text(_DIGITS, count - 5))
    nobodys = "1000" if _is_literal(value) else "000"
    return _digits_filled(shape, nobodys + draw.text(_DIGITS, count - len(nobodys)))


def _is_literal(value: str) -> bool:
    """Whether a value may be a number in code, which has no leading zero."""
    return value.isascii() and value.isdecimal() and value[0] != "0"


def _card(draw: Draw, value: str) -> str:
    body = "9999" + draw.text(_DIGITS, len(keep_digits(value)) - 5)
    return _digits_filled(value, body + luhn.calc_check_digit(body))


def _iban(draw: Draw, value: str) -> str:
    own = compact(value)
    rest = "".join(draw.text(_DIGITS if c.isdigit() else _LOWER.upper(), 1) for c in own[4:])
    filled = f"XX{mod_97_10.calc_check_digits(f'{rest}XX')}{rest}"
    return _fill_shape(value, filled.lower() if value[0].islower() else filled)


def _national_id(draw: Draw, value: str) -> str:
    """A number that no country's check accepts: area 000 for an SSN, the example prefix QQ for a
    NINO; others begin with five zeros, or with 90000 in a number of digits only, and fail all check
    digits.
    """
    passes = rules.load_rules().validators[CHECKED]
    for _ in range(NUMBERS_MAX):
        made = _drawn_number(draw, value)
        if not passes(made):
            break
    return made


_SSN = re.compile(r"\d{3}[ .-]?\d\d[ .-]?\d{4}", re.ASCII)
_NINO = re.compile(r"(?i)[a-z]{2} ?\d\d ?\d\d ?\d\d ?[a-d]", re.ASCII)


def _drawn_number(draw: Draw, value: str) -> str:
    if _is_literal(value):
        return "90000" + draw.text(_DIGITS, len(value) - 5)
    if _SSN.fullmatch(value):
        return _fill_shape(value, "000" + draw.text(_DIGITS, 6))
    if _NINO.fullmatch(value):
        return _fill_shape(value, "QQ" + draw.text(_DIGITS, 6) + draw.text("ABCD", 1))
    drawn = "".join(_like(draw, c) for c in value)
    return _digits_filled(drawn, ("00000" + keep_digits(drawn)[5:])[: len(keep_digits(drawn))])


def _like(draw: Draw, char: str) -> str:
    if char.isdigit():
        return draw.text(_DIGITS, 1)
    if not char.isalpha():
        return char
    return draw.text(_LOWER.upper() if char.isupper() else _LOWER, 1)


def _ip(draw: Draw, value: str) -> str:
    if ":" in value:
        return (
            "2001:db8:"
            + ":".join(f"{1 + draw.below(65535):x}" for _ in range(3))
            + f"::{1 + draw.below(65535):x}"
        )
    net = ("192.0.2", "198.51.100", "203.0.113")[draw.below(3)]
    return f"{net}.{1 + draw.below(254)}"


def _host(draw: Draw, value: str) -> str:
    user, at, host = value.rpartition("@")
    name = "host" + draw.text(_HEX, 6)
    suffix = (
        ".home.arpa"
        if host.lower().endswith(".home.arpa")
        else host[host.rfind(".") :]
        if "." in host
        else ""
    )
    return ("user" + draw.text(_HEX, 6) if user else "") + at + name + suffix


def _credential(draw: Draw, value: str) -> str:
    userinfo, _, host = value.rpartition("@")
    user, colon, _word = userinfo.partition(":")
    door = MARK + draw.text(_LOWER, 9)
    name = "user" + draw.text(_HEX, 6) if user else ""
    return f"{name}:{door}@{host}" if colon else f"{door}@{host}"


def _secret(draw: Draw, value: str, prefix: str) -> str:
    pairs = value.split("; ")
    if all("=" in p.rstrip("=") for p in pairs) and not prefix:
        return "; ".join(p.partition("=")[0] + "=" + MARK + draw.text(_LOWER, 9) for p in pairs)
    length = max(len(MARK) + 4, min(len(value), 4096) - len(prefix))
    return prefix + MARK + draw.text(_LOWER, length - len(MARK))


_LINE_BREAK = re2.compile(r"(\\{1,4}[nr]|\\u000[ad]|\s)+")


def _key_block(draw: Draw, value: str) -> str:
    """A key block with the original line lengths, its first line marked."""
    parts, last = [], 0
    for found in _LINE_BREAK.finditer(value):
        parts += [draw.text(_LOWER, min(found.start() - last, 4096)), found.group()]
        last = found.end()
    parts.append(draw.text(_LOWER, min(len(value) - last, 4096)))
    first = next((i for i, p in enumerate(parts) if p and _LINE_BREAK.fullmatch(p) is None), 0)
    parts[first] = MARK + parts[first][len(MARK) :]
    return "".join(parts)


# --- reserved values ------------------------------------------------------------------------------

_RESERVED_DOMAIN = re2.compile(
    r"(?i)(?:^|[@.])(?:example\.(?:com|net|org)|(?:[\w-]+\.)*(?:example|invalid|test))$"
)
_FICTIONAL_PHONE = re2.compile(
    r"(?:001|1)?\d{3}55501\d\d|07700900\d{3}|447700900\d{3}|55501\d\d|1?000\d+"
)
_DOCUMENTATION = tuple(
    ipaddress.ip_network(n)
    for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)


def is_reserved(kind: IdentifierKind, value: str) -> bool:
    """Whether ``value`` is reserved, by its issuer's rules or as a surrogate."""
    return _RESERVED[kind](value)


def _reserved_ip(value: str) -> bool:
    address = ipaddress.ip_address(value)
    return any(address in net for net in _DOCUMENTATION)


_NOBODYS_NUMBER = re2.compile(r"000[ .-]?\d\d[ .-]?\d{4}|(?i:QQ) ?\d\d ?\d\d ?\d\d ?[A-Da-d]?")


def _reserved_number(value: str) -> bool:
    digits = keep_digits(value)
    if _is_literal(value) and value.startswith("90000"):
        return not rules.load_rules().validators[CHECKED](value)
    return bool(digits) and (
        not digits[:5].strip("0") or _NOBODYS_NUMBER.fullmatch(value) is not None
    )


def _reserved_phone(value: str) -> bool:
    digits = keep_digits(without_extension(value))
    return _FICTIONAL_PHONE.fullmatch(digits) is not None or (
        value.startswith("+") and digits.startswith("999")
    )


def _reserved_secret(value: str) -> bool:
    return all(MARK in part for part in value.split("; "))


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re2.compile(pattern)
    return lambda value: compiled.search(value) is not None


_USER = _matches(r"(?i)^user[0-9a-f]{6}$")
_RESERVED: dict[IdentifierKind, Callable[[str], bool]] = {
    IdentifierKind.EMAIL: lambda value: _RESERVED_DOMAIN.search(value) is not None,
    IdentifierKind.PHONE: _reserved_phone,
    IdentifierKind.CARD: lambda value: keep_digits(value).startswith(("9999", "00000")),
    IdentifierKind.IBAN: lambda value: value[:2].upper() == "XX",
    IdentifierKind.NATIONAL_ID: _reserved_number,
    IdentifierKind.IP: _reserved_ip,
    IdentifierKind.MAC: lambda value: compact(value).startswith("00005E0053"),
    IdentifierKind.PERSON: made_up_names.is_made_person,
    IdentifierKind.ADDRESS: made_up_names.is_made_address,
    IdentifierKind.PLACE: made_up_names.is_made_place,
    IdentifierKind.ORGANISATION: made_up_names.is_made_organisation,
    IdentifierKind.USERNAME: lambda value: (
        _USER(value) or (not value.isalpha() and made_up_names.is_made_person(value))
    ),
    IdentifierKind.HOST: _matches(r"^(?:user[0-9a-f]{6}@)?host[0-9a-f]{6}(?:\.|$)"),
    IdentifierKind.CREDENTIAL: lambda value: MARK in value,
    IdentifierKind.SECRET: _reserved_secret,
    IdentifierKind.KEY_BLOCK: lambda value: value.lstrip("\\nr\r\n \t").startswith(MARK),
}

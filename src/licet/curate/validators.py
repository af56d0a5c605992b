"""Validators of what a pattern cannot express: check digits, reserved ranges, entropy,
placeholders.

Promise: every validator is a pure function of the matched text, without context. ``VALIDATORS``
maps the names in rules.yaml; an unknown name fails when the rules are read.

Reserved values (RFC 2606 domains, RFC 5737 and RFC 3849 addresses, fictional telephone numbers, our
surrogates; surrogates.py) pass, so that they still win over a looser rule.

python-stdnum checks IBANs and the national ids that it supports without depending on today's date;
the others are here.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import re2  # type: ignore[import-untyped]  # google-re2 ships neither stubs nor py.typed
from stdnum import iban as ibans
from stdnum import luhn as luhns
from stdnum import verhoeff
from stdnum.br import cpf
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.iso7064 import mod_11_2, mod_97_10
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel


def keep_digits(text: str) -> str:
    return "".join(c for c in text if "0" <= c <= "9")


def entropy_bits(text: str) -> float:
    """Shannon entropy in bits per character."""
    if not text:
        return 0.0
    counts = Counter(text).values()
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts)


# --- check digits ---------------------------------------------------------------------------------


def luhn(text: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    return luhns.is_valid(keep_digits(text))


# Issuer ranges with the lengths each issues. 9999 is our own surrogates' range.
_CARD = re2.compile(
    "4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"
    "|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    "|3[47][0-9]{13}|3(?:0[0-59]|[689][0-9])[0-9]{11}(?:[0-9]{2,5})?"
    "|(?:6011|6[45][0-9]{2})[0-9]{12}(?:[0-9]{3})?|(?:2131|1800)[0-9]{11}|35[0-9]{14}(?:[0-9]{3})?"
    "|(?:50|5[6-9]|6[0-9])[0-9]{10,17}|220[0-4][0-9]{12,15}|9999[0-9]{8,15}"
)


def card(text: str) -> bool:
    digits = keep_digits(text)
    return luhn(digits) and len(set(digits)) > 2 and _CARD.fullmatch(digits) is not None


def compact(text: str) -> str:
    return "".join(c for c in text if c.isalnum()).upper()


def iban(text: str) -> bool:
    """By the registry of ISO 13616. XX is no country: our surrogates have it."""
    value = compact(text)
    if value[:2] == "XX":
        return mod_97_10.is_valid(value[4:] + value[:4])
    return value.isascii() and ibans.is_valid(value, check_country=False)


def us_ssn(text: str) -> bool:
    """SSA: no area 000, 666, 900-999, no group 00, no serial 0000; an ITIN has area 9xx and certain
    groups.
    """
    digits = keep_digits(text)
    area, group, serial = digits[:3], int(digits[3:5]), digits[5:]
    if area[0] == "9":
        return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    return area not in ("000", "666") and group > 0 and serial != "0000"


_NINO_UNUSED = {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}


def uk_nino(text: str) -> bool:
    """HMRC NIM39110. QQ is the prefix kept for examples."""
    prefix = text[:2].upper()
    return not (set(prefix) & set("DFIQUV")) and prefix[1] != "O" and prefix not in _NINO_UNUSED


def es_dni(text: str) -> bool:
    return dni.is_valid(text) or nie.is_valid(text)


def fi_hetu(text: str) -> bool:
    return hetu.is_valid(text, allow_temporary=True)


def se_personnummer(text: str) -> bool:
    """stdnum's own asks the clock for the century."""
    digits = keep_digits(text)[-10:]
    return luhn(digits) and 1 <= int(digits[2:4]) <= 12 and 1 <= int(digits[4:6]) <= 31


def be_nrn(text: str) -> bool:
    """stdnum's own asks the clock for the century."""
    digits = keep_digits(text)
    return any(97 - int(century + digits[:9]) % 97 == int(digits[9:]) for century in ("", "2"))


def br_cpf(text: str) -> bool:
    return cpf.is_valid(text) and len(set(keep_digits(text))) > 1


def cn_resident_id(text: str) -> bool:
    """GB 11643. stdnum accepts only today's list of birth places."""
    return mod_11_2.is_valid(text.upper())


def in_aadhaar(text: str) -> bool:
    return verhoeff.is_valid(keep_digits(text))


# --- addresses of machines ------------------------------------------------------------------------


def ipv4(text: str) -> bool:
    """An address that can belong to somebody: no mask, loopback or multicast, and not four single
    digits (a version).
    """
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return False
    if (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or text.startswith(("255.", "0."))
    ):
        return False
    return len(text) > 7


def ipv6(text: str) -> bool:
    """As ``ipv4``; a short form must have a digit, or `dead::beef` in C++ would match."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    return any(c.isdigit() for c in text) and len(text.split("::")[0]) >= 2


def mac(text: str) -> bool:
    value = compact(text)
    return len(set(value)) > 1


_FILE_ENDINGS = frozenset((
    "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "html", "js", "ts", "tsx", "jsx", "service", "timer", "socket",
    "target",
))  # fmt: skip


def email(text: str) -> bool:
    """An address, not a file name with an @ or a machine's account."""
    local, _, domain = text.replace("\\u0040", "@").replace("%40", "@").rpartition("@")
    return domain.rpartition(".")[2].lower() not in _FILE_ENDINGS and local.lower() not in (
        "git",
        "noreply",
    )


_USERNAMES_OF_NOBODY = frozenset((
    "user", "users", "username", "your_username", "yourusername", "yourname", "your_name", "your-username", "admin",
    "administrator", "root", "runner", "ubuntu", "debian", "vagrant", "ec2-user", "node", "app", "pi", "you", "me",
    "test", "guest", "default", "public", "shared", "all", "jovyan", "codespace", "vscode", "git", "postgres",
    "www-data", "nobody", "name", "xxx", "foo", "bar", "docker", "build", "example", "circleci", "travis", "linuxbrew",
))  # fmt: skip


def username(text: str) -> bool:
    return text.lower() not in _USERNAMES_OF_NOBODY


_NOT_HOSTS = frozenset((
    "com", "org", "net", "io", "java", "jdk", "sun", "env", "settings", "config", "this", "self", "node", "app",
    "cluster", "svc", "compose",
))  # fmt: skip
_HOST_WORDS = frozenset((
    "api", "auth", "build", "ci", "db", "dc", "dev", "dns", "exchange", "files", "ftp", "git", "gitlab", "grafana",
    "intranet", "jenkins", "jira", "kibana", "ldap", "login", "mail", "nas", "ns", "portal", "postgres", "print",
    "printer", "proxy", "redis", "repo", "server", "sso", "staging", "vault", "vpn", "wiki", "www",
))  # fmt: skip
_HOSTS_OF_NOBODY = (
    "host.docker.internal",
    "metadata.google.internal",
    "svc.cluster.local",
    "localhost.local",
)


def private_host(text: str) -> bool:
    """A name inside a private network, and not a field, package or file with such an ending."""
    value = text.lower()
    labels = value.split(".")[:-1]
    if value.endswith(_HOSTS_OF_NOBODY) or labels[0] in _NOT_HOSTS or labels[0].startswith("_"):
        return False
    strong = value.rpartition(".")[2] in ("corp", "lan", "intranet", "localdomain", "arpa")
    return (
        strong
        or bool(_HOST_WORDS & set(labels))
        or any(c.isdigit() or c == "-" for c in "".join(labels))
    )


# --- telephones -----------------------------------------------------------------------------------

# ITU-T E.164 country codes, as the first digits after the plus. 999 is not assigned: our own
# surrogates carry it.
_COUNTRY_CODE = re2.compile(
    "1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|999"
    "|21[1-368]|2[2-4][0-9]|25[0-8]|26[0-9]|29[0-17-9]|35[0-9]|37[0-8]|38[0-35-79]|42[013]|50[0-9]|59[0-9]"
    "|67[02-9]|68[0-35-9]|69[0-2]|800|808|85[02356]|87[08]|88[0-368]|96[0-8]|97[0-79]|99[2-68]"
)


def without_extension(text: str) -> str:
    lowered = text.lower()
    cut = lowered.find("x") if "x" in lowered else len(text)
    return text[: cut - 1] if lowered[cut - 1 : cut] == "e" else text[:cut]


def phone_e164(text: str) -> bool:
    digits = keep_digits(without_extension(text))
    return (
        8 <= len(digits) <= 16 and not _is_dated(text) and _COUNTRY_CODE.match(digits) is not None
    )


def phone_nanp(text: str) -> bool:
    """The shape suffices with separators; refuses 000-000-0000 and the like."""
    return len(set(keep_digits(without_extension(text)))) > 2


def phone_national(text: str) -> bool:
    """A trunk 0 and 9 to 11 digits in groups that are neither a date nor a count."""
    digits = keep_digits(text)
    if not 9 <= len(digits) <= 11 or len(set(digits)) < 3:
        return False
    groups = _groups(text)
    return len(groups) > 1 and not _counts_up(groups) and digits[:2] != "00" and not _is_dated(text)


def phone_regional(text: str) -> bool:
    """A regional form: no count, no two years, no tens."""
    digits, groups = keep_digits(text), _groups(text)
    if (
        len(set(digits)) < 4
        or _is_dated(text)
        or _counts_up(groups)
        or all(g.endswith("0") for g in groups)
    ):
        return False
    return not any(len(g) == 4 and g[:2] in ("19", "20") for g in groups[1:])


def phone_loose(text: str) -> bool:
    """A number called a telephone number in words: 7 to 12 digits, no years, no round thousands."""
    digits, groups = keep_digits(without_extension(text)), _groups(text)
    if not 7 <= len(digits) <= 12 or len(set(digits)) < 3 or _counts_up(groups):
        return False
    if all(len(g) == 4 and g[:2] in ("19", "20") for g in groups) or all(
        g == "000" for g in groups[1:]
    ):
        return len(groups) == 1 and len(digits) != 8
    return not _is_date(groups) and not _is_dated(text)


_YEAR_MONTH_DAY = r"(?:19|20)\d\d([-./ ])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
_DAY_MONTH_YEAR = r"(?:0?[1-9]|[12]\d|3[01])([-./ ])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d"
_DATED = re.compile(
    rf"\+?(?:{_YEAR_MONTH_DAY}|{_DAY_MONTH_YEAR})[ ,T-]{{1,3}}(?:[01]?\d|2[0-3])(?:[ .:-]?\d\d)?(?:[ .:-]?\d\d)?"
)


def _is_dated(text: str) -> bool:
    """A date followed by an hour: the start of a clock time, whose colon no number has."""
    return _DATED.fullmatch(text.strip()) is not None


def _groups(text: str) -> list[str]:
    return "".join(c if c.isdigit() else " " for c in text).split()


def _counts_up(groups: list[str]) -> bool:
    return len(groups) > 2 and len({int(b) - int(a) for a, b in pairwise(groups)}) == 1


def _is_date(groups: list[str]) -> bool:
    if len(groups) != 3:
        return False
    year, month, day = groups if len(groups[0]) == 4 else reversed(groups)
    return len(year) == 4 and year[:2] in ("19", "20") and int(month) <= 31 and int(day) <= 31


# --- secrets --------------------------------------------------------------------------------------

_PLACEHOLDER = re2.compile(
    r"(?i)^(?:<.*>?|\$.*|%.*%|\{\{.*|\{.*\}|\[.*\]|\*+|x{3,}.*|\.{3,}.*|-+|_+|#.*)$"
    r"|^(?:none|null|nil|true|false|undefined|required|optional|string|password|passwd|secret|token|changeme|change_me"
    r"|change-me|todo|redacted|hidden|masked|empty|default|test|dummy|placeholder|sample|n/a)[.,;:!?]*$"
    r"|your[_\- ]|_here\b|-here\b|\benv[.(\[]|environ|getenv|process\.|secrets?\.|config[.(\[]|self\.|this\."
    r"|\brequest\b|args\.|params\.|settings\.|\bdata\.|input\(|getpass|\(\)|^(?:str|int|bool|bytes|any)\b|\bfake\b|^op://"
)


def not_placeholder(text: str) -> bool:
    return _PLACEHOLDER.search(text) is None and len(set(text)) > 2


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def mixed_token(text: str) -> bool:
    return not_placeholder(text) and _has_digit(text) and any(c.isalpha() for c in text)


def quoted_secret(text: str) -> bool:
    """In quotes after a telling key: not a placeholder, a plain word or a sentence."""
    if (
        not not_placeholder(text)
        or text.count(" ") > 3
        or text.startswith(("http://", "https://", "/", "./"))
    ):
        return False
    plain = all(c.isalpha() or c in " _-.:" for c in text)
    if plain and (text.islower() or text.isupper() or text.istitle()):
        return len(text) >= 16 and " " not in text and "_" not in text and entropy_bits(text) >= 3.3
    return not plain or _has_inner_capital(text)


def _has_inner_capital(text: str) -> bool:
    return entropy_bits(text) >= 3.5 and " " not in text and len(text) >= 12


_DOTTED_NAME = re2.compile(
    r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$|^[a-z]*_[a-z_]*\d?$|^(?:[a-z]{1,4}|password|passwd|token|secret|value|param)\d$|^\d{1,7}$|^\d{4}-\d\d-\d\d|^https?:|^[./~]"
)


def bare_secret(text: str) -> bool:
    """Without quotes, like a name in code: requires a digit, another class and no dotted name."""
    if not not_placeholder(text) or _DOTTED_NAME.search(text) is not None or not _has_digit(text):
        return False
    return any(c.isalpha() for c in text) and entropy_bits(text) >= 2.5


def prose_secret(text: str) -> bool:
    """ "My password is ...": requires a digit or mark beside letters, so that "is wrong" stays."""
    if not not_placeholder(text) or text.startswith(("http", "/")):
        return False
    letters, marks = any(c.isalpha() for c in text), any(c in "!@#$%^&*_+=?~" for c in text)
    return letters and (_has_digit(text) or marks) and len(text) >= 6


def credential(text: str) -> bool:
    """`user:word@host` of a URL; a bare git user is no secret."""
    userinfo = text.rpartition("@")[0]
    user, _, word = userinfo.partition(":")
    if not word:
        return (
            user.lower() not in ("git", "hg", "svn", "")
            and len(user) >= 3
            and not_placeholder(user)
        )
    return not _is_template(word)


def _is_template(word: str) -> bool:
    return word[0] in "$<{[%*" or word.lower() in (
        "pass",
        "password",
        "passwd",
        "pwd",
        "port",
        "token",
        "secret",
    )


# Words of program identifiers that end in a number.
_OF_PROGRAMS = """
account address agent amount answer api app argument array asset attempt attr audio author avg backup bar base batch
baz bench bert bit bits block blue board body book booking bool bot bottom box branch bucket buffer bug build byte
bytes cache call card case cell certificate channel chapter char chat check checkpoint chunk class claude client cloud
cluster code col color column commit compile condition config conn connection context conv convert copy core count
coupon crc create credit css csv customer data dataset date day db debug decode default delete demo dense depth dev
device dict dim dir disk doc docs double down dropout dump east edge email embed encode end entity entry enum env
epoch error event exam example exercise expected export extra factor feature field figure file filter final fix flag
flight float folder foo font form format frame func function game gate get gift github goal gpt gpu graph green group
hash head header height hex hidden high host hotel html http https icon id image img import in index info init input
int invoice item job js json kernel key label lambda language large last layer left len lesson level lib library limit
line link linux list llama load local log loop low main map mask matrix max md mean message meta method metric min
mode model module month msg name net network new next no node north num number object of offset old on op option order
out output package page pair panel par param part patch path payment phase pixel plan player point pool port post pr
pre prev price print proc process prod product profile project prompt proto py python query question queue random
range rank rate raw read record red ref region release remote rep report req request res reservation response rest
result retry return right room root round route row rule run sample save scale schema score seat section seed select
self sensor seq server service session set sha shape shard sheet short side signal site size slice slide slot small
snapshot sort source south spec split sql src stage start stat state status step store str stream string struct style
sub sum svc sys table tag target task team temp template tensor term test text the thread ticket tile time timeout
title tmp to token tool top topic total track train tree trial true tuple turn type uint unit up update upload url
user utf uuid val valid value var vec vector version video view virtual vocab volume web week weight west white width
window windows word worker write xml yaml year zone euc jis shift gb hz big koi iso cp latin mac ascii unicode
"""
_OF_PROGRAMS_SET = frozenset(_OF_PROGRAMS.split())
_LETTERS = re.compile(r"[a-z]+")


def user_id(text: str) -> bool:
    """Two or three names and a number, as hosts make user ids; no identifier of a program."""
    words = _LETTERS.findall(text.lower())
    return (
        len(words) >= 2
        and all(2 <= len(word) <= 20 for word in words)
        and not _OF_PROGRAMS_SET.intersection(words)
    )


VALIDATORS: dict[str, Callable[[str], bool]] = {
    f.__name__: f
    for f in (
        luhn,
        card,
        iban,
        us_ssn,
        uk_nino,
        es_dni,
        br_cpf,
        fi_hetu,
        se_personnummer,
        be_nrn,
        cn_resident_id,
        in_aadhaar,
        ipv4,
        ipv6,
        mac,
        email,
        username,
        private_host,
        phone_e164,
        phone_nanp,
        phone_national,
        phone_regional,
        phone_loose,
        user_id,
        not_placeholder,
        mixed_token,
        quoted_secret,
        bare_secret,
        prose_secret,
        credential,
    )
} | {
    "fr_nir": nir.is_valid,
    "it_codice_fiscale": codicefiscale.is_valid,
    "pl_pesel": pesel.is_valid,
    "nl_bsn": bsn.is_valid,
}

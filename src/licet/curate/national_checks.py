"""Checks of national numbers that python-stdnum lacks, or makes depend on today's date.

Each is a pure function of the matched text, separators included, and verifies check characters,
dates and closed sets. Weights are the issuer's; sources are named at each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module

from stdnum import verhoeff

from licet.curate import validators
from licet.curate.validators import compact, keep_digits, luhn


def weighted_sum(digits: str, weights: Sequence[int]) -> int:
    """The sum of the first digits, each times its weight."""
    return sum(int(d) * w for d, w in zip(digits, weights, strict=False))


def is_day(day: str, month: str) -> bool:
    return 1 <= int(day) <= 31 and 1 <= int(month) <= 12


def letter_number(letter: str) -> str:
    """A letter as two digits, A as 01."""
    return f"{ord(letter.upper()) - 64:02d}"


def document_number(text: str) -> bool:
    """A document's serial: letters and digits, at least four digits; a final check digit of ICAO
    9303 must be right.
    """
    value = compact(text)
    if sum(c.isdigit() for c in value) < 4 or (value.isdigit() and len(value) < 9):
        return False
    return len(value) != 10 or icao_digit(value[:9]) == value[9] or value.endswith("D")


def icao_digit(value: str) -> str:
    """ICAO 9303-3, 4.9: weights 7, 3, 1; letters from 10 on."""
    numbers = [int(c) if c.isdigit() else ord(c) - 55 for c in value]
    return str(sum(n * (7, 3, 1)[place % 3] for place, n in enumerate(numbers)) % 10)


def de_rvnr(text: str) -> bool:
    """Anlage 1 zu Paragraph 2 VKVV: letters as two digits, weights, cross sums."""
    value = compact(text)
    digits = value[:8] + letter_number(value[8]) + value[9:11]
    total = sum(
        sum(map(int, str(int(d) * w)))
        for d, w in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True)
    )
    return is_day(str(int(value[2:4]) % 50 or 1), value[4:6]) and total % 10 == int(value[11])


def de_kvnr(text: str) -> bool:
    """Paragraph 290 SGB V: the letter as two digits, weights 1 and 2, cross sums."""
    value = compact(text)
    digits = letter_number(value[0]) + value[1:9]
    total = sum(sum(map(int, str(int(d) * (1 + place % 2)))) for place, d in enumerate(digits))
    return total % 10 == int(value[9])


def dk_cpr(text: str) -> bool:
    """CPR-kontoret: a day and four digits; since 2007 without a check digit."""
    digits = keep_digits(text)
    return is_day(digits[:2], digits[2:4]) and len(set(digits)) > 2


def es_dni(text: str) -> bool:
    return validators.es_dni(compact(text))


def es_nuss(text: str) -> bool:
    """TGSS: the last two digits are the rest by 97; a short second part is counted without its
    zero.
    """
    digits = keep_digits(text)
    province, serial, check = int(digits[:2]), int(digits[2:10]), int(digits[10:12])
    base = serial + province * 10**7 if serial < 10**7 else int(digits[:10])
    return base % 97 == check


def fr_nir_or_short(text: str) -> bool:
    """With its key as stdnum has it; people also type the thirteen characters before the key."""
    value = compact(text)
    if len(value) == 13:
        return 1 <= int(value[3:5]) <= 12 or 20 <= int(value[3:5]) <= 42
    return bool(import_module("stdnum.fr.nir").is_valid(value))


def hu_taj(text: str) -> bool:
    digits = keep_digits(text)
    return weighted_sum(digits[:8], (3, 7) * 4) % 10 == int(digits[8])


def hu_tax(text: str) -> bool:
    digits = keep_digits(text)
    return weighted_sum(digits[:9], range(1, 10)) % 11 == int(digits[9])


def lu_matricule(text: str) -> bool:
    """Twelve digits by Luhn, and the first eleven with the last by Verhoeff."""
    digits = keep_digits(text)
    return luhn(digits[:12]) and verhoeff.is_valid(digits[:11] + digits[12])


def lv_pk(text: str) -> bool:
    """Since 2017 numbers begin with 32 and have neither a date nor a check digit."""
    digits = keep_digits(text)
    if digits.startswith("32"):
        return True
    remainder = (1101 - weighted_sum(digits[:10], (1, 6, 3, 7, 9, 10, 5, 8, 4, 2))) % 11 % 10
    return is_day(digits[:2], digits[2:4]) and remainder == int(digits[10])


def jmbg(text: str) -> bool:
    """The number of all states that were Yugoslavia."""
    digits = keep_digits(text)
    remainder = -weighted_sum(digits[:12], (7, 6, 5, 4, 3, 2) * 2) % 11
    return is_day(digits[:2], digits[2:4]) and remainder % 10 == int(digits[12])


def no_fnr(text: str) -> bool:
    """Skatteetaten: two check digits; D numbers add 40 to the day, others 40 or 80 to the month."""
    digits = keep_digits(text)
    if not is_day(str(int(digits[:2]) % 40), str(int(digits[2:4]) % 40 or 99)):
        return False
    first = weighted_sum(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))
    second = weighted_sum(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
    return first % 11 == 0 and second % 11 == 0


def pl_id_card(text: str) -> bool:
    """Letters from 10 on; weights 7, 3, 1 and 7, 3, 1, 7, 3; the fourth place is the check
    digit.
    """
    value = compact(text)
    numbers = [int(c) if c.isdigit() else ord(c) - 55 for c in value]
    others = numbers[:3] + numbers[4:]
    return (
        sum(n * w for n, w in zip(others, (7, 3, 1, 7, 3, 1, 7, 3), strict=True)) % 10 == numbers[3]
    )


def pt_niss(text: str) -> bool:
    digits = keep_digits(text)
    return 9 - weighted_sum(digits[:10], (29, 23, 19, 17, 13, 11, 7, 5, 3, 2)) % 10 == int(
        digits[10]
    )


def ru_snils(text: str) -> bool:
    digits = keep_digits(text)
    return weighted_sum(digits[:9], range(9, 0, -1)) % 101 % 100 == int(digits[9:])


def br_pis(text: str) -> bool:
    digits = keep_digits(text)
    remainder = 11 - weighted_sum(digits[:10], (3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if remainder > 9 else remainder) == int(digits[10])


def uy_ci(text: str) -> bool:
    digits = keep_digits(text).zfill(8)
    return -weighted_sum(digits[:7], (2, 9, 8, 7, 6, 3, 4)) % 10 == int(digits[7])


def au_medicare(text: str) -> bool:
    digits = keep_digits(text)
    return weighted_sum(digits[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(digits[8])


def hk_id(text: str) -> bool:
    """Letters from 10 on, a blank before a single one as 36; weights 9 to 2 and 1."""
    value = compact(text).rjust(9)
    numbers = [36 if c == " " else int(c) if c.isdigit() else ord(c) - 55 for c in value]
    return sum(n * w for n, w in zip(numbers, range(9, 0, -1), strict=True)) % 11 == 0


def ir_id(text: str) -> bool:
    digits = keep_digits(text)
    remainder = weighted_sum(digits[:9], range(10, 1, -1)) % 11
    return len(set(digits)) > 1 and (remainder if remainder < 2 else 11 - remainder) == int(
        digits[9]
    )


def kr_rrn(text: str) -> bool:
    """A day, and a century with the sex; since October 2020 the last six are drawn by lot."""
    digits = keep_digits(text)
    return is_day(digits[4:6], digits[2:4]) and len(set(digits)) > 2


def kz_iin(text: str) -> bool:
    digits = keep_digits(text)
    remainder = weighted_sum(digits[:11], range(1, 12)) % 11
    if remainder == 10:
        remainder = weighted_sum(digits[:11], (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)) % 11
    return is_day(digits[4:6], digits[2:4]) and remainder == int(digits[11])


def my_nric(text: str) -> bool:
    digits = keep_digits(text)
    return is_day(digits[4:6], digits[2:4]) and digits[6:8] not in ("00", "17", "18", "19", "20")


_SG = {
    "S": "JZIHGFEDCBA",
    "T": "GFEDCBAJZIH",
    "F": "XWUTRQPNMLK",
    "G": "RQPNMLKXWUT",
    "M": "KLJNPQRTUWX",
}


def sg_nric(text: str) -> bool:
    """ICA's table by the first letter, as it was worked out in public; the issuer does not print
    it.
    """
    value = compact(text)
    remainder = weighted_sum(value[1:8], (2, 7, 6, 5, 4, 3, 2)) % 11
    if value[0] == "M":
        return _SG["M"][10 - (remainder + 3) % 11] == value[8]
    table = _SG[value[0]]
    return table[remainder] == value[8]


_TW = "ABCDEFGHJKLMNPQRSTUVXYWZIO"


def tw_id(text: str) -> bool:
    """The letter as a number from 10 on in the order of the registry; weights 1, 9 and 8 to 1,
    1.
    """
    value = compact(text)
    number = 10 + _TW.index(value[0])
    total = (
        number // 10 + number % 10 * 9 + weighted_sum(value[1:9], range(8, 0, -1)) + int(value[9])
    )
    return total % 10 == 0


def za_id(text: str) -> bool:
    """Home Affairs: a day, citizenship 0 to 2, Luhn."""
    digits = keep_digits(text)
    return is_day(digits[4:6], digits[2:4]) and luhn(digits)


_NZ = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def nz_nhi(text: str) -> bool:
    """HISO 10046: letters from 1 on without I and O, weights 7 to 2; a digit by 11, in the newer
    form a letter by 24.
    """
    value = compact(text)
    numbers = [int(c) if c.isdigit() else _NZ.index(c) + 1 for c in value]
    total = sum(n * w for n, w in zip(numbers[:6], range(7, 1, -1), strict=True))
    if value[6].isdigit():
        return total % 11 != 0 and (11 - total % 11) % 10 == numbers[6]
    return 24 - total % 24 == numbers[6]


def find_check(name: str) -> Callable[[str], bool]:
    """A check by its name in a file: `stdnum.de.idnr`, or a function of this module or
    `validators`.
    """
    if name.startswith("stdnum."):
        return _library(name)
    own: Callable[[str], bool] = globals().get(name) or validators.VALIDATORS[name]
    return own


_COMPACTED = re.compile(r"[ .\-/]")


def _library(name: str) -> Callable[[str], bool]:
    """A module of python-stdnum, loaded on first use: separators that a country does not use are
    accepted.
    """

    def check(text: str) -> bool:
        module = import_module(name)
        return bool(module.is_valid(text) or module.is_valid(_COMPACTED.sub("", text)))

    return check

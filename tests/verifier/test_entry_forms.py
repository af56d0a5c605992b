"""Entries that are taken apart by their form are read as those that are read whole, whatever was
done to their bytes.

`read_entry` checks each form of entries once and takes the others of it apart by one expression.
Held against `read_whole_entry` over honest entries of every kind with each combination of optional
facts, and over changes of them.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from licet.ledger.canonical_json import canonical
from licet.verifier.answer import ContradictionError
from licet.verifier.entries import KINDS, REQUIRED, SHAPES, WITHOUT_ACCOUNT, parse_entry, read_entry
from licet.verifier.forms import time_text

from ..tiers import seeds

DRAWS = 24_000
SHARE_MIN = 0.1  # of the changed entries at least so many are taken, and so many refused
VALUES: dict[str, tuple[Any, ...]] = {
    "int": (0, 7),
    "pos": (1, 12),
    "bool": (True, False),
    "word": ("began", "declined"),
    "question": ("models",),
    "hash": ("ab" * 32, "0" * 64, "0123456789abcdef" * 4),
    "scope": ("account", "project", "conversation"),
}
WRONG = (
    None,
    True,
    1,
    0,
    -1,
    1.5,
    10**40,
    "",
    "x",
    "A" * 64,
    "ab" * 31 + "a",
    "ab" * 33,
    "é",
    "\u2028",
    '"',
    "\\",
    "}",
    "a b",
    [],
    {},
    {"handle": "ab" * 32},
    "0" * 64,
    "2026-03-01T10:15:31Z",
    "2026-02-30T10:15:31Z",
    "2026-03-01T24:00:00Z",
    "2026-03-01T23:59:60Z",
    "1999-03-01T10:15:31Z",
    "2026-03-01T10:15:31.000001Z",
    "2026-03-01T10:15:31.5Z",
    "٣" * 64,
)
SPELT = (
    b" ",
    b"\n",
    b"\\",
    b'"',
    b"{",
    b"}",
    b",",
    b":",
    b"0",
    b"a",
    b"A",
    b"\xff",
    b"\xc3\xa9",
    b"-",
    b".",
    b"\\u0061",
    b"",
)


@cache
def honest() -> tuple[bytes, ...]:
    """Entries of each kind: with and without each optional fact, with and without a pseudonym."""
    return tuple(dict.fromkeys(_every()))


@cache
def fitting() -> tuple[bytes, ...]:
    """Those of them that may stand in a log."""
    return tuple(raw for raw in honest() if isinstance(answer(parse_entry, raw), dict))


def _every() -> Iterator[bytes]:
    for place, kind in enumerate(KINDS):
        optional = [name for name in SHAPES[kind] if name not in REQUIRED[kind]]
        for count in range(len(optional) + 1):
            for extra in itertools.combinations(optional, count):
                for number, who in itertools.product(range(3), (False, True)):
                    entry: dict[str, Any] = {"v": 1, "t": kind, "at": "2026-03-01T10:15:31Z"}
                    entry["logged"] = "2026-03-01T10:15:31.5Z".replace(
                        ".5", f".{place:06}" if number else ""
                    )
                    names = [*REQUIRED[kind], *extra]
                    entry["facts"] = {
                        name: VALUES[SHAPES[kind][name].rstrip("?")][
                            number % len(VALUES[SHAPES[kind][name].rstrip("?")])
                        ]
                        for name in names
                    }
                    if kind not in WITHOUT_ACCOUNT:
                        entry["commit"] = f"{place:064x}"
                    if kind not in WITHOUT_ACCOUNT and who:
                        entry["who"] = f"{place + 1:064x}"
                    yield canonical(entry)


def answer(read: Any, raw: bytes) -> dict[str, Any] | str:
    try:
        found: dict[str, Any] = read(raw, "here")
    except ContradictionError as error:
        return error.finding.promise
    return found


def changed(raw: bytes, draw: random.Random) -> bytes:
    """A change of its bytes, or of one value of it, written canonically again."""
    if draw.random() < 0.5:
        at, length = draw.randrange(len(raw)), draw.choice((0, 1, 1, 2, 64, 66))
        other = draw.choice((*SPELT, draw.choice(honest())[at : at + 66]))
        return raw[:at] + other + raw[at + length :]
    entry = read_any(raw)
    inner = draw.choice((entry, entry["facts"]))
    name = draw.choice([*inner, "handle", "who", "commit", "epoch", "segment", "0" * 64])
    if draw.random() < 0.2:
        inner.pop(name, None)
    elif draw.random() < 0.5 and name in inner:
        inner[name] = read_any(draw.choice(fitting()))["facts"].get(name, "cd" * 32)
    else:
        inner[name] = draw.choice((*WRONG, *itertools.chain(*VALUES.values())))
    return written(entry)


def read_any(raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(raw)
    return found


def written(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_an_entry_of_each_kind_is_read_as_it_is_whole() -> None:
    taken = dict.fromkeys(KINDS, 0)
    for raw in honest():
        whole = answer(parse_entry, raw)
        assert answer(read_entry, raw) == whole
        if isinstance(whole, dict):
            taken[whole["t"]] += 1
            assert canonical(read_entry(raw, "here")) == raw
    assert all(taken.values()), taken


def test_a_changed_entry_is_answered_as_it_is_whole() -> None:
    taken, tried = 0, seeds(DRAWS)
    for seed in tried:
        draw = random.Random(seed)
        raw = changed(draw.choice(fitting()), draw)
        whole = answer(parse_entry, raw)
        assert answer(read_entry, raw) == whole, (seed, raw)
        taken += isinstance(whole, dict)
    assert SHARE_MIN < taken / len(tried) < 1 - SHARE_MIN, taken


def test_facts_that_are_read_twice_are_two() -> None:
    """Anyone who changes what they read changes nothing that another reads."""
    raw = next(raw for raw in fitting() if b'"t":"choice"' in raw)
    read_entry(raw, "here")["facts"]["allow"] = "changed"
    assert canonical(read_entry(raw, "here")) == raw


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-03-01T10:15:31Z", "2026-03-01T10:15:31.000001Z"),
        ("2026-03-01T10:15:31.999999Z", "2026-03-01T10:15:32Z"),
        ("2026-03-01T23:59:59Z", "2026-03-02T00:00:00Z"),
    ],
)
def test_times_compare_as_texts(earlier: str, later: str) -> None:
    assert time_text(earlier) < time_text(later)
    assert time_text("2026-03-01T10:15:31Z") == time_text("2026-03-01T10:15:31.000000Z")


TRAINING = {"question": "training", "scope": "account"}
HANDLE, OF_PROJECT = {"handle": "ab" * 32}, {"project": "cd" * 32}
IN_CHAT = TRAINING | {"scope": "conversation"}
IN_PROJECT = TRAINING | {"scope": "project"}
TOGETHER = "a question and a scope are logged together"
BY_PSEUDONYM = "its scope is given by its pseudonym"
A_YES = "a choice for a project or a conversation is a yes that begins a grant"


def read_scoped(kind: str, facts: dict[str, Any], *, who: bool = True) -> str:
    """The promise that an entry with these facts breaks; empty where it breaks none."""
    more = {
        "choice": {"allow": True, "effect": "began", "version": 0},
        "grant_ended": {"grant": 1, "cause": "refused"},
    }.get(kind, {"grant": 1, "version": 0})
    entry = {
        "v": 1,
        "t": kind,
        "at": "2026-03-01T10:15:31Z",
        "logged": "2026-03-01T10:15:32Z",
        "commit": "ef" * 32,
        "facts": more | facts,
    } | ({"who": "12" * 32} if who else {})
    found = answer(read_entry, canonical(entry))
    return found if isinstance(found, str) else ""


@pytest.mark.parametrize("kind", ["choice", "grant_begun", "grant_affirmed", "grant_stands"])
@pytest.mark.parametrize(
    ("promise", "facts"),
    [
        ("", {}),
        ("", TRAINING),
        ("", IN_CHAT | HANDLE),
        ("", IN_PROJECT | OF_PROJECT),
        (TOGETHER, {"question": "training"}),
        (TOGETHER, {"scope": "account"}),
        (BY_PSEUDONYM, IN_CHAT),
        (BY_PSEUDONYM, IN_CHAT | OF_PROJECT),
        (BY_PSEUDONYM, IN_CHAT | HANDLE | OF_PROJECT),
        (BY_PSEUDONYM, IN_PROJECT | HANDLE),
        (BY_PSEUDONYM, TRAINING | HANDLE),
        (BY_PSEUDONYM, HANDLE),
    ],
)
def test_a_choice_and_a_grant_name_what_they_are_for(
    kind: str, promise: str, facts: dict[str, Any]
) -> None:
    assert read_scoped(kind, facts) == promise


@pytest.mark.parametrize("scope", [IN_CHAT | HANDLE, IN_PROJECT | OF_PROJECT])
def test_for_a_project_or_a_conversation_a_choice_is_a_yes_that_begins_a_grant(
    scope: dict[str, Any],
) -> None:
    assert read_scoped("choice", scope | {"effect": "affirmed"}) == A_YES
    assert read_scoped("choice", scope | {"effect": "declined", "allow": False}) == A_YES
    for effect in ("affirmed", "declined"):
        assert read_scoped("choice", TRAINING | {"effect": effect, "allow": effect[0] == "a"}) == ""


def test_a_choice_of_no_effect_may_name_a_scope_alone() -> None:
    assert read_scoped("choice", {"scope": "account", "effect": "none"}) == ""
    assert read_scoped("choice", {"question": "training", "effect": "none"}) == TOGETHER


def test_of_an_account_without_a_pseudonym_no_scope_has_one() -> None:
    for kind in ("choice", "grant_begun"):
        assert read_scoped(kind, IN_CHAT, who=False) == ""
        assert read_scoped(kind, IN_CHAT | HANDLE, who=False) == BY_PSEUDONYM

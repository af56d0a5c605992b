"""Every kind of lie is found, by the promise that it breaks; its honest twin passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from licet import verifier

from . import grant_lies, release_lies, since_lies
from .lies import TRUST, Lie, Shown, every, honest, receipt_of
from .shipped import shipped

KINDS_MIN = 200
LIES = (*every(), *release_lies.every(), *grant_lies.every(), *since_lies.every())
ONE_OF_EACH = {lie.promise: lie for lie in reversed(LIES)}


@cache
def everything() -> Shown:
    added = since_lies.shown_honest()
    return replace(
        honest(),
        releases=release_lies.shown_honest().releases,
        since=added.since,
        certificates=added.certificates,
    )


def test_there_are_as_many_kinds_as_promised_and_none_twice() -> None:
    kinds = [(lie.place, lie.operation) for lie in LIES]
    assert len(set(kinds)) == len(kinds) >= KINDS_MIN


def test_everything_honest_passes() -> None:
    assert everything().findings() == []


def test_an_honest_release_that_names_its_base_passes() -> None:
    shown = release_lies.by_operator(release_lies.based)()
    assert shown.findings() == shown.findings(shipped()) == []


@pytest.mark.parametrize("before", [False, True], ids=["today", "before questions"])
@pytest.mark.parametrize(
    "change", release_lies.HONEST_CHANGES.values(), ids=release_lies.HONEST_CHANGES
)
def test_an_honest_release_of_another_story_passes(
    change: Callable[[release_lies.World], None], before: bool
) -> None:
    shown = release_lies.by_operator(change, before)()
    assert shown.findings() == []


@pytest.mark.parametrize("lie", ONE_OF_EACH.values(), ids=lambda lie: lie.promise)
def test_each_promise_finds_a_lie(lie: Lie) -> None:
    assert_found(lie)


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: f"{lie.place}: {lie.operation}")
def test_a_lie_is_found_beside_its_honest_twin(lie: Lie) -> None:
    assert_found(lie)


def assert_found(lie: Lie) -> None:
    shown = lie.shown()
    found = shown.findings()
    assert any(lie.promise in finding for finding in found), found or "believed"
    assert shown.findings(shipped()) == found
    assert believed(tuple(name for name in Shown.__dataclass_fields__ if getattr(shown, name)))


@cache
def believed(kinds: tuple[str, ...]) -> bool:
    """Whether the honest artefacts of these kinds are proved, by the package and by the one
    file.
    """
    twin = Shown(**{name: getattr(everything(), name) for name in kinds})
    return bool(kinds) and twin.findings() == twin.findings(shipped()) == []


@pytest.mark.parametrize("index", [4, 13], ids=["a yes", "a withdrawal"])
def test_every_flipped_byte_of_a_receipt_is_found(index: int) -> None:
    good = receipt_of(index)
    assert verifier.check_receipt(good, TRUST).ok
    for place in range(len(good)):
        for mask in (0x01, 0x20):  # 0x20: another letter case, which lax decoders take for the same
            changed = good[:place] + bytes([good[place] ^ mask]) + good[place + 1 :]
            assert not verifier.check_receipt(changed, TRUST).ok, f"byte {place}"

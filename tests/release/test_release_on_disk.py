"""A release that was sealed, and one that was purged, is on the disk: every name and every byte of
it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from licet.curate import release_build
from licet.erasure import certificates
from licet.release import purge
from licet.release.purge_verbs import purge_release
from licet.vault import commands as do

from ..erasure.disk import Disk, Watch
from ..installed import House
from ..store.test_durable_writes import found, left_open, lying
from .test_purge import LATER, opened
from .world import LOG_SEED, build, row_of


@pytest.fixture
def house(house: House) -> House:
    for name in ("ana", "ben"):
        house.open(name, allow=True)
        house.talk(name, f"{name}'s chat")
    return house


def left_by(house: House, verb: Callable[[], object]) -> list[str]:
    """What a crash may still undo of the releases after ``verb``."""
    releases = house.installation.config.data / "releases"
    releases.mkdir(exist_ok=True)
    return left_in(releases, verb)


def left_in(releases: Path, verb: Callable[[], object]) -> list[str]:
    with Watch(releases) as watch:
        disk = Disk(releases)
        watch.record()
        verb()
        watch.mood = "quiet"
        for step in watch.steps:
            disk.apply(step)
    known, there = found(disk.root), lying(releases)
    # what may return is cleared
    lost = [one for one in left_open(disk.root, "", ()) if purge.TEMPORARY not in one]
    return [*lost, *(path for path in there if known.get(path) != there[path])]


def test_a_release_that_was_sealed_is_on_the_disk(house: House) -> None:
    assert (
        left_by(
            house,
            lambda: release_build.build_release(
                house.installation, name="one", purpose="improve_models"
            ),
        )
        == []
    )


@pytest.mark.parametrize("gone", [["ana"], ["ana", "ben"]], ids=["a row", "all rows"])
def test_a_release_that_was_purged_is_on_the_disk(house: House, gone: list[str]) -> None:
    release_build.build_release(house.installation, name="one", purpose="improve_models")
    for name in gone:
        house.about(do.Delete, name, f"{name}'s chat")
    certificates.advance_erasures(house.installation, at_once=True)
    assert left_by(house, lambda: purge_release(house.installation, "one")) == []


@pytest.mark.parametrize("dead", [(1,), (4, 5, 6, 7)], ids=["a row", "a part"])
def test_a_copy_that_an_addendum_brings_forward_is_on_the_disk(
    tmp_path: Path, dead: tuple[int, ...]
) -> None:
    build(tmp_path / "one", [row_of(n) for n in range(12)])
    promised, chain = opened(tmp_path / "one")
    made = purge.prepare(tmp_path / "one", promised, chain, dead, LATER)
    assert made is not None
    signed = purge.sign(made, LOG_SEED)
    assert (
        left_in(tmp_path / "one", lambda: purge.apply(tmp_path / "one", chain, promised, signed))
        == []
    )

"""Clusters of duplicates are counted as a build elects, kept as figures, and hold no word of
anybody's.
"""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from licet.cli.command import main
from licet.curate import duplicate_clusters, release_build
from licet.errors import NotFoundError
from licet.release import catalog, duplicates, figures, manifest
from licet.release.duplicates import DuplicateClusters
from licet.release.figures import FiguresKind
from licet.store.connect import transaction
from licet.vault.simulated_clock import SimulatedClock, save

from ..installed import House
from ..release.test_review import hired

SAID = (
    "when will the {0} in the garden behind the old house be ripe at last, and who picks the "
    "{0} of this year"
)
ANSWER = (
    "the {0} are picked in October by the whole family, and anyone who is late gets none of the "
    "{0} at all"
)
COPIES = {"pears": 11, "quinces": 2, "medlars": 1, "walnuts": 1}


@pytest.fixture
def house(house: House) -> House:
    """Each of the fruits was asked for by so many people in the same words."""
    for fruit, people in COPIES.items():
        for n in range(people):
            house.open(f"{fruit}{n}", allow=True, split="train")
            house.talk(f"{fruit}{n}", f"{fruit}{n}", f"{SAID.format(fruit)}?", ANSWER.format(fruit))
    house.passes(1)
    release_build.build_release(house.installation, name="october", purpose="improve_models")
    return house


def test_the_clusters_are_what_a_build_left_out_for_a_row_that_stayed(house: House) -> None:
    heard: list[int] = []
    found = duplicate_clusters.count_clusters(house.installation, "october", progress=heard.append)
    assert (found.looked_at, found.left_out, found.clusters) == (15, 11, 2)
    assert sum(heard) == 15
    assert [(one.least, one.most, one.clusters, one.conversations) for one in found.sizes] == [
        (2, 2, 1, 2),
        (9, 16, 1, 11),
    ]
    assert [(one.conversations, one.accounts) for one in found.largest] == [(11, 11), (2, None)]
    kept = {row for (row,) in house.query("SELECT ordinal FROM release_rows")}
    assert {one.row for one in found.largest} <= kept
    assert len({one.row for one in found.largest}) == 2
    folder, _ = catalog.sealed_release(house.installation, "october")
    assert manifest.read_manifest(folder)[0].counts.dropped["duplicate"] == 2 * found.left_out, (
        "each has two turns"
    )


def test_the_figures_are_those_of_today_and_the_last_are_kept(house: House) -> None:
    _, release = catalog.sealed_release(house.installation, "october")
    known = release.release_id
    with transaction(house.installation.pool) as tx:
        assert figures.load_figures(tx, known, FiguresKind.duplicates, DuplicateClusters) is None
    duplicate_clusters.count_clusters(house.installation, "october")
    house.choose("pears0", False)
    house.passes(1)
    found = duplicate_clusters.count_clusters(house.installation, "october")
    assert (found.looked_at, found.largest[0].conversations) == (14, 10)
    with transaction(house.installation.pool) as tx:
        kept = figures.load_figures(tx, known, FiguresKind.duplicates, DuplicateClusters)
    assert kept is not None
    assert (kept.figures, kept.counted_at) == (found, house.installation.clock())


def test_the_command_says_the_same_and_a_row_of_it_is_read_on_record(
    house: House, dsn: str
) -> None:
    reader = hired(house, "rae", "reviewer")
    run = CliRunner(env={"LICET_DATABASE_URL": dsn})
    save(house.installation.config.data, SimulatedClock(house.now))
    data = ["--data", str(house.installation.config.data)]
    told = run.invoke(main, ["release", "duplicates", "october", *data], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    assert "11 of 15 conversations that may be used now" in told.stdout
    assert "under 10" in told.stdout
    assert "garden" not in told.stdout
    row = duplicate_clusters.count_clusters(house.installation, "october").largest[0].row
    by = ["--by", reader.email, "--row", str(row)]
    read = run.invoke(main, ["release", "read", "october", *by, *data], catch_exceptions=False)
    assert "the pears in the garden" in read.stdout
    assert house.query("SELECT reason, role FROM staff_reads") == [("release_review", "reviewer")]
    both = run.invoke(main, ["release", "read", "october", *by, "--where", "words > 1", *data])
    assert (both.exit_code, "either by their labels or by their numbers" in both.stderr) == (
        64,
        True,
    )
    with pytest.raises(NotFoundError):
        duplicate_clusters.count_clusters(house.installation, "nothing")


@given(st.lists(st.integers(2, 5_000)))
def test_each_cluster_is_of_one_size(counts: list[int]) -> None:
    found = duplicates.sizes(counts)
    assert sum(one.clusters for one in found) == len(counts)
    assert sum(one.conversations for one in found) == sum(counts)
    for one in found:
        assert sum(one.least <= count <= one.most for count in counts) == one.clusters
    assert [one.least for one in found] == sorted({one.least for one in found})


def test_how_many_accounts_a_small_cluster_is_of_is_not_told() -> None:
    assert [duplicates.published_accounts(count) for count in (1, 9, 10, 11)] == [
        None,
        None,
        10,
        11,
    ]

"""What is never measured: releases of few people, and who takes their words back while models are
trained.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.installed import House
from tests.train.test_ablation import ORDER, town

from licet.curate import release_build
from licet.errors import RefusedError
from licet.service import release_measure
from licet.store.connect import Pool


def test_a_release_of_few_people_has_no_figure_and_says_why(pool: Pool, tmp_path: Path) -> None:
    house = House(pool, tmp_path / "data")
    for n in range(15):
        house.open(f"p{n}", allow=True)
        house.talk(f"p{n}", f"chat {n}", f"how old is tree {n}?", f"It was planted {n} years ago.")
    house.passes(1)
    release_build.build_release(house.installation, name="small", purpose="improve_models")
    with pytest.raises(RefusedError, match="`7` people can be held out, and a figure needs 10"):
        release_measure.measure(house.installation, "small", ORDER)
    assert not (house.installation.config.releases / "small" / "measurement.json").exists()


def test_who_withdraws_meanwhile_is_in_no_later_model_and_in_no_figure(
    pool: Pool, tmp_path: Path
) -> None:
    house = town(pool, tmp_path / "data")
    for n in range(30, 40):
        house.open(f"p{n}", allow=True)
    before = release_measure.measure(house.installation, "october", ORDER).statement

    def withdraws(line: str) -> None:
        if line.startswith("model 2 of"):
            for n in range(15):
                house.choose(f"p{n}", allow=False)

    with pytest.raises(RefusedError, match="people can be held out"):
        release_measure.measure(house.installation, "october", ORDER, withdraws)
    assert before.held_out.people == 10

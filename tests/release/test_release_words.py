"""What a build, its show, its status and the doctor say aloud: that nobody looked for names, and
that nothing is in.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from licet.cli.command import main
from licet.clock import utc_now
from licet.errors import RefusedError
from licet.release import signatures
from licet.store.connect import Pool

from ..installed import House
from .test_review import hired, reviewed

ALOUD = "nobody looked for names: people's names, streets and places in running text are all in"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    return House(pool, tmp_path / "data", at=utc_now())


@pytest.fixture
def run(house: House, dsn: str) -> Run:
    data = str(house.installation.config.data)
    runner = CliRunner(
        env={"LICET_DATABASE_URL": dsn, "LICET_DATA": data, "LICET_CURATE__NAMES": "off"}
    )

    def told(*arguments: str) -> tuple[int, str]:
        result = runner.invoke(main, [*arguments])
        return result.exit_code, result.output

    return told


def test_a_release_in_which_nobody_looked_for_names_says_so_at_every_turn(
    house: House, run: Run
) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "c", "call Maria Wexford in Harrow Lane", "I will")
    code, said = run("release", "build", "r", "--purpose", "improve_models")
    assert (code, ALOUD in said) == (0, True)
    for command in ("show", "status"):
        assert ALOUD in run("release", command, "r")[1], command
    assert ALOUD in json.loads(run("release", "show", "r", "--json")[1])["warnings"][0]
    doctor = run("doctor")[1]
    assert "nothing looks for people's names: the policy says `names: left in`" in doctor
    assert "nobody looked for names in 1 releases: r" in doctor
    card = (house.installation.config.releases / "r" / "README.md").read_text("utf-8")
    assert "Nothing looks for names and street addresses: they are left in." in " ".join(
        card.split()
    )


def test_it_is_signed_off_only_by_whoever_says_that_they_know_it(house: House, run: Run) -> None:
    for name in ("ana", "bo"):
        house.open(name, allow=True)
        house.talk(name, name)
    assert run("release", "build", "r", "--purpose", "improve_models")[0] == 0
    # the command built by the clock of the machine; a review follows its release
    house.now = utc_now()
    reviewed(house)
    signer = hired(house, "cy", "curator", via="cli")
    with pytest.raises(RefusedError) as refused:
        signatures.sign(house.installation, "r", signer)
    assert refused.value.because == "names_in"
    assert house.query("SELECT count(*) FROM sign_offs") == [(0,)]
    assert len(signatures.sign(house.installation, "r", signer, names_in=True).signatures) == 1


def test_a_build_of_no_row_says_why_counted_and_is_no_success(house: House, run: Run) -> None:
    house.open("ana", allow=False)
    house.talk("ana", "c")
    code, said = run("release", "build", "r", "--purpose", "improve_models")
    assert code == 1
    assert "THE RELEASE IS EMPTY: none of 2 turns may be used" in said
    assert "2  declined" in said or "2  not_granted" in said or "2  before_grant" in said
    code, told = run("release", "build", "s", "--purpose", "improve_models", "--json")
    made = json.loads(told[told.index("{") :])
    assert (
        code,
        made["manifest"]["rows"],
        sum(made["manifest"]["counts"]["dropped"].values()),
    ) == (1, 0, 2)
    assert "THE RELEASE IS EMPTY" in made["warnings"][0]


def test_a_build_where_nothing_is_kept_says_so(run: Run) -> None:
    code, said = run("release", "build", "r", "--purpose", "improve_models")
    assert code == 1
    assert "THE RELEASE IS EMPTY: no turn is kept" in said

"""The canary audit: it passes where the gate holds, catches a loader that goes around it, and never
passes blind.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from licet.cli.command import main
from licet.config import Configuration
from licet.errors import RefusedError, UsageError
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.policy.file import preset
from licet.service import canary_audit as audits
from licet.service.canary_audit import Audit, Clock
from licet.service.policy_changes import apply_policy
from licet.store.connect import Pool
from licet.train import canaries
from licet.train.canaries import ALPHA, CANARIES, REFERENCES, CanaryFigures
from licet.train.canary_register import AuditResult, CanaryGroup
from licet.train.gate import TrainingGate
from licet.train.recipe import vocabulary
from licet.vault.installation import Installation

from ..state_hook import lived

SEED = 3  # no group is near `ALPHA` by chance
EXCLUDED = [group for group in CanaryGroup if group is not CanaryGroup.permitted]


def ground(pool: Pool, folder: Path, clock: Clock) -> Installation:
    return lived(
        Installation(
            config=Configuration(data=folder),
            pool=pool,
            keyring=Keyring(FileProvider(folder / "keys")),
            clock=clock,
        )
    )


class Bypassed:
    """A gate that is asked, and whose answer nobody hears."""

    def __init__(self, gate: TrainingGate) -> None:
        self._gate = gate

    def __getattr__(self, name: str) -> object:
        return getattr(self._gate, name)

    def check(self, ordinals: Sequence[int]) -> list[int]:
        self._gate.check(ordinals)
        return []


def audited(pool: Pool, folder: Path, **more: Any) -> Audit:
    clock = Clock()
    return audits.audit(ground(pool, folder, clock), clock, seed=SEED, **more)


def test_a_run_behind_the_gate_learns_what_it_may_and_nothing_else(
    pool: Pool, tmp_path: Path
) -> None:
    found = audited(pool, tmp_path)
    told = {one.group: one for one in found.groups}
    assert found.broken == ""
    assert told[CanaryGroup.permitted].p < ALPHA
    assert told[CanaryGroup.permitted].handed == CANARIES
    assert {
        group: one.p for group, one in told.items() if group in EXCLUDED and one.p < ALPHA
    } == {}
    assert {
        one.handed
        for group, one in told.items()
        if group in EXCLUDED and group is not CanaryGroup.withdrawn_during
    } == {0}
    assert found.verdict is AuditResult.passed


def test_a_loader_that_goes_around_the_gate_is_caught(pool: Pool, tmp_path: Path) -> None:
    found = audited(pool, tmp_path, gate_of=Bypassed)
    told = {one.group: one for one in found.groups}
    assert told[CanaryGroup.withdrawn_during].p < ALPHA
    assert canaries.verdict(found.groups) is AuditResult.failed
    assert "was not withdrawn before" in found.broken
    assert found.verdict is AuditResult.failed


def test_a_run_that_learns_nothing_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command, which makes an installation of its own and leaves none of it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ran = CliRunner().invoke(main, ["train", "canaries", "--steps", "1"])
    assert ran.exit_code == 75, ran.output
    assert ran.stdout.splitlines()[-1].startswith("inconclusive: 1 step on ")
    assert list(tmp_path.glob("licet-canaries-*")) == []


def test_it_plants_in_no_installation_that_is_in_use(pool: Pool, tmp_path: Path) -> None:
    apply_policy(ground(pool, tmp_path, Clock()), preset("strict"), actor="somebody")
    with pytest.raises(RefusedError, match="empty installation"):
        audited(pool, tmp_path)


def test_a_model_whose_template_takes_no_answer_is_refused_and_not_ranked() -> None:
    tokenizer = vocabulary(["how are you", "very well"], 300)
    tokenizer.chat_template = "{{ raise_exception('no conversation') }}"
    with pytest.raises(UsageError, match="cannot be asked for an answer"):
        canaries.answer_losses(None, tokenizer, "how are you", ["very well"])


# What the figures mean


@pytest.mark.parametrize(("count", "places"), [(1, 7), (2, 5), (3, 4)])
def test_a_p_value_is_the_share_of_all_ranks_that_are_as_low(count: int, places: int) -> None:
    every = list(product(range(1, places + 1), repeat=count))
    for ranks in every:
        share = sum(sum(other) <= sum(ranks) for other in every) / len(every)
        assert canaries.p_value(ranks, places) == pytest.approx(share, abs=1e-12)


def test_ranks_by_chance_are_below_alpha_about_as_often_as_it_says() -> None:
    random = Random(4)
    low = sum(
        canaries.p_value(
            [random.randint(1, REFERENCES + 1) for _ in range(CANARIES)], REFERENCES + 1
        )
        < 0.05
        for _ in range(400)
    )
    assert 8 <= low <= 34


def told(group: CanaryGroup, ranks: list[int], handed: int = 0) -> CanaryFigures:
    return canaries.group_figures(group, ranks, handed)


def test_the_verdict_needs_the_control_and_forgives_no_group() -> None:
    chance, first = [9, 40, 46, 60, 31, 57], [1, 2, 1, 1, 3, 1]
    fine = [told(group, chance) for group in EXCLUDED]
    assert canaries.verdict([told(CanaryGroup.permitted, first, 6), *fine]) is AuditResult.passed
    assert (
        canaries.verdict([told(CanaryGroup.permitted, chance, 6), *fine])
        is AuditResult.inconclusive
    )
    for place, group in enumerate(EXCLUDED):
        shows = [*fine[:place], told(group, first), *fine[place + 1 :]]
        assert (
            canaries.verdict([told(CanaryGroup.permitted, chance, 6), *shows]) is AuditResult.failed
        )
        taken = [*fine[:place], told(group, chance, 1), *fine[place + 1 :]]
        allowed = (
            AuditResult.passed if group is CanaryGroup.withdrawn_during else AuditResult.failed
        )
        assert canaries.verdict([told(CanaryGroup.permitted, first, 6), *taken]) is allowed


def test_a_seed_draws_the_same_canaries_and_another_seed_others() -> None:
    assert canaries.draw(1) == canaries.draw(1) != canaries.draw(2)
    assert Counter(one.group for one in canaries.draw(1)) == dict.fromkeys(CanaryGroup, CANARIES)
    assert not [one for one in canaries.draw(1) if one.words in one.references]

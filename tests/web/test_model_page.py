"""The page of one model: what it learnt from, what was withdrawn since, and its canary audits, by
page, API and command.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from click.testing import CliRunner

from licet.access.roles import StaffRole
from licet.cli.command import main
from licet.errors import NotFoundError, UsageError
from licet.service import canary_audit, model_view
from licet.service.canary_audit import Audit, Clock
from licet.store.connect import transaction
from licet.train import lineage
from licet.train.canaries import ALPHA, CanaryFigures
from licet.train.canary_register import AuditResult, CanaryGroup
from licet.train.recipe import TrainingSettings
from licet.vault import policy_versions
from licet.vault.commands import Delete
from licet.vault.installation import Installation

from .served import World, api, world
from .test_console import form
from .test_console_releases import Released, learnt, released

__all__ = ["api", "released", "world"]

WHO = "staff:cora@example.org"


def found(*known: CanaryGroup) -> Audit:
    """The result of an audit whose model knows these groups."""
    groups = tuple(
        CanaryFigures(
            group=one,
            planted=6,
            handed=0,
            ranks=(1,) * 6,
            exposure=6.0,
            p=1e-9 if one in known else 0.5,
        )
        for one in CanaryGroup
    )
    failed = any(one is not CanaryGroup.permitted for one in known)
    return Audit(
        verdict=AuditResult.failed if failed else AuditResult.passed,
        groups=groups,
        rows=40,
        steps=160,
        broken="",
        seed=3,
    )


@pytest.fixture
def model(released: Released, tmp_path: Path) -> str:
    return f"model_{learnt(released.world.installation, released.ids['autumn'], tmp_path).hex}"


def test_a_model_without_an_audit_is_said_to_have_none(
    api: Any, released: Released, model: str
) -> None:
    auditor = released.world.staff(StaffRole.auditor)
    assert (
        'data-head="Canary audit">not run</td>' in api.get("/console/models", headers=auditor).text
    )
    page = api.get(f"/console/models/{model}", headers=auditor).text
    assert (
        "No audit was run for this model: whether it learnt what it must not was not tested."
        in page
    )
    assert "3 of the release’s 3" in page
    assert f'href="/console/releases/{released.ids["autumn"].hex}"' in page
    assert f'action="/console/models/{model}/retire"' not in page
    (listed,) = api.get("/v1/models", headers=auditor).json()["items"]
    assert (listed["audited_at"], listed["audit"]) == (None, None)
    whole = api.get(f"/v1/models/{model}", headers=auditor).json()
    assert (whole["audits"], whole["run"]["consumed"], whole["run"]["release_rows"]) == ([], 3, 3)


def test_an_audit_is_kept_with_its_figures_and_the_newest_is_in_the_list(
    api: Any, released: Released, model: str
) -> None:
    installation, auditor = released.world.installation, released.world.staff(StaffRole.auditor)
    kept = canary_audit.record_audit(installation, model, found(CanaryGroup.permitted), actor=WHO)
    assert (kept.planted, kept.exposed, kept.bound) == (6 * (len(CanaryGroup) - 1), 0, ALPHA)
    released.world.clock.set(released.world.clock.now + timedelta(minutes=1))
    later = canary_audit.record_audit(
        installation, model, found(CanaryGroup.permitted, CanaryGroup.deleted), actor=WHO
    )
    assert (later.verdict, later.exposed) == (AuditResult.failed, 6)
    assert model_view.show(installation, model).audits == (later, kept), (
        "the newest first, as it was kept"
    )
    page = api.get(f"/console/models/{model}", headers=auditor).text
    assert 'data-head="Exposed" class="due">6</td>' in page
    assert "licet-sft-1, not that of this model" in page
    assert "permitted (the control)" in page
    assert (
        'data-head="Canary audit" class="due">failed'
        in api.get("/console/models", headers=auditor).text
    )
    (listed,) = api.get("/v1/models", headers=auditor).json()["items"]
    assert listed["audit"] == "failed"
    newest, first = api.get(f"/v1/models/{model}", headers=auditor).json()["audits"]
    assert (newest["exposed"], first["exposed"], newest["audited_by"]) == (6, 0, WHO)
    assert [one["group"] for one in newest["groups"]] == list(CanaryGroup)


def test_no_audit_is_kept_for_a_model_that_is_not_on_record(world: World) -> None:
    unknown = f"model_{'0' * 31}1"
    with pytest.raises(UsageError, match="no model"):
        canary_audit.check_model(world.installation, unknown)
    with pytest.raises(NotFoundError, match="no model"):
        canary_audit.record_audit(world.installation, unknown, found(), actor=WHO)
    assert world.rows("SELECT FROM canary_audits") == []


def test_what_was_withdrawn_since_is_told_also_of_a_retired_model(
    api: Any, released: Released, model: str
) -> None:
    world = released.world
    curator = world.staff(StaffRole.curator)
    page = f"/console/models/{model}"
    assert "Every row it learnt from is still permitted." in api.get(page, headers=curator).text
    chat = UUID(hex=released.chats["bo"].partition("_")[2])
    world.tell(Delete(account=world.accounts["bo"], at=world.clock.now, conversation=chat))
    assert "<dt>Rows no longer permitted</dt><dd>1 of 3</dd>" in api.get(page, headers=curator).text
    done = api.post(
        f"{page}/retire", **form(curator, confirmed="yes", reason="its weights are deleted")
    )
    assert done.headers["location"] == f"{page}?flash=retire_model"
    seen = api.get(done.headers["location"], headers=curator).text
    assert "its weights are deleted" in seen
    assert "<dd>1 of 3</dd>" in seen
    assert f'action="{page}/retire"' not in seen
    listed = api.get("/console/models", headers=curator).text
    assert 'data-head="Withdrawn since" class="due">1</td>' in listed, (
        "the table says what the page says"
    )
    (of_api,) = api.get("/v1/models", headers=curator).json()["items"]
    assert of_api["affected"] == api.get(f"/v1/models/{model}", headers=curator).json()["affected"]
    assert lineage.models_affected(world.installation) == [], "nobody is asked to train it again"
    assert api.get(f"/console/models/model_{'0' * 31}1", headers=curator).status_code == 404


def test_the_command_shows_a_model_and_its_audits(released: Released, model: str, dsn: str) -> None:
    """On the real clock, so that what of the rows may still be used is another question."""
    installation = released.world.installation
    runner = CliRunner(env={"LICET_DATABASE_URL": dsn, "LICET_DATA": str(installation.config.data)})
    told = runner.invoke(main, ["models", "show", model])
    assert told.exit_code == 0, told.stderr
    assert "  took 3 of 3 rows, steps 0 to 0, " in told.stdout
    assert told.stdout.splitlines()[-1] == "  no canary audit was run for it"
    canary_audit.record_audit(installation, model, found(CanaryGroup.permitted), actor=WHO)
    said = runner.invoke(main, ["models", "show", model]).stdout.splitlines()[-1]
    assert (
        "by staff:cora@example.org: passed, 0 of 42 exposed (p below 0.001), licet-sft-1, licet "
        in said
    )
    whole = json.loads(runner.invoke(main, ["models", "show", model, "--json"]).stdout)
    assert [one["verdict"] for one in whole["audits"]] == ["passed"]


def test_an_audit_that_was_run_by_the_command_is_on_record_beside_the_model_that_it_names(
    released: Released, model: str, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way, but for the run: `tests/train/test_canaries.py` has that."""
    installation, empty = released.world.installation, list[bool]()

    def audit(
        ground: Installation, clock: Clock, *, seed: int, settings: TrainingSettings
    ) -> Audit:
        with transaction(ground.pool) as tx:
            empty.append(policy_versions.load(tx) is None and ground.clock is clock)
        return msgspec.structs.replace(found(CanaryGroup.deleted), seed=seed, steps=settings.steps)

    monkeypatch.setattr(canary_audit, "audit", audit)
    runner = CliRunner(env={"LICET_DATABASE_URL": dsn, "LICET_DATA": str(installation.config.data)})
    ran = runner.invoke(
        main, ["train", "canaries", "--steps", "7", "--for", model, "--by", WHO, "--json"]
    )
    assert (ran.exit_code, empty) == (1, [True]), ran.output
    said = json.loads(ran.stdout)
    (kept,) = model_view.show(installation, model).audits
    assert (kept.verdict, kept.audited_by, kept.steps) == (AuditResult.failed, WHO, 7)
    assert (kept.rows, kept.seed, kept.broken) == (said["rows"], said["seed"], said["broken"])
    assert [(one.group, one.planted, one.handed, one.p) for one in kept.groups] == [
        (one["group"], one["planted"], one["handed"], one["p"]) for one in said["groups"]
    ]


def test_the_audit_of_an_unknown_model_is_refused_before_it_is_run(
    released: Released, dsn: str
) -> None:
    runner = CliRunner(
        env={"LICET_DATABASE_URL": dsn, "LICET_DATA": str(released.world.installation.config.data)}
    )
    ran = runner.invoke(main, ["train", "canaries", "--for", f"model_{'0' * 31}1"])
    assert (ran.exit_code, "no model" in ran.stderr) == (64, True)

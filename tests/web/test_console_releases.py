"""The page of a release tells how it came about, how much of it lives, who has it and what learnt
from it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from licet.access import staff_orders
from licet.access.roles import StaffRole
from licet.curate import duplicate_clusters, release_build
from licet.erasure import certificates, recall_register
from licet.ledger import jws
from licet.release import catalog, measurement, stats
from licet.release.measurement import (
    CodeKept,
    CostSlice,
    HeldOut,
    MeasuredCost,
    MeasuringModel,
    StatedMeasurement,
    WordsKept,
)
from licet.service import orders, release_view
from licet.service.release_view import FunnelStep
from licet.store.connect import Pool, transaction
from licet.train import consumption, export_files, lineage, model_registry
from licet.train.exports import Format
from licet.train.model_registry import NewModel
from licet.vault.commands import Delete
from licet.vault.ids import uuid7
from licet.vault.installation import Installation
from licet.web.console import chart

from ..terms import preset
from ..train.test_lineage import Gate
from .served import NOTICE, ApplicationClient, World, api, world
from .test_console import form

__all__ = ["api", "world"]


class Released:
    """Two releases: of the second, one row came and one was left out by its person's no."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.clock.set(NOTICE)
        self.chats = {}
        for name, allow in (("ana", True), ("bo", True), ("cy", False)):
            world.open(name, allow=allow)
            self.chats[name] = world.say(
                name,
                f"{name}'s chat",
                f"{name} asks: how deep do the roots of an old pear tree go?",
            )
        release_build.build_release(world.installation, name="august", purpose="improve_models")
        world.say("ana", "another", "When do I prune the apple trees behind the house?")
        release_build.build_release(world.installation, name="autumn", purpose="improve_models")
        self.ids = {one.name: one.release_id for one in catalog.list_releases(world.installation)}

    def path(self, name: str = "autumn") -> str:
        return f"/console/releases/{self.ids[name].hex}"

    def view(self) -> release_view.ReleaseView:
        (known,) = [
            one for one in catalog.list_releases(self.world.installation) if one.name == "autumn"
        ]
        return release_view.view(self.world.installation, known)


@pytest.fixture
def released(world: World) -> Released:
    return Released(world)


def test_the_funnel_ends_with_what_is_in_the_release_and_its_picture_and_table_say_the_same(
    api: Any, released: Released
) -> None:
    seen = released.view()
    assert (seen.candidates, seen.included) == (4, 3)
    assert seen.funnel[-1].left == seen.included
    page = api.get(released.path(), headers=released.world.staff(StaffRole.curator)).text
    for step in seen.funnel:
        reason = step.reason.replace("_", " ")
        (bar, out, left) = re.findall(
            rf">{reason}</td>.*?<rect class=\"part\" width=\"(\d+)\".*?"
            r'"Left out">(\d+)</td>.*?"Still in">(\d+)</td>',
            page,
        )[0]
        assert (int(out), int(left)) == (step.out, step.left)
        assert int(bar) == 1000 * step.left // seen.candidates
    assert "3 of 4 candidate messages are in it" in page
    assert "style=" not in page


def test_the_page_tells_what_is_in_a_release_as_its_manifest_has_it(
    api: Any, released: Released
) -> None:
    told = released.view().contents
    assert told is not None and told.accounts is None
    page = api.get(released.path(), headers=released.world.staff(StaffRole.auditor)).text
    assert f"<dt>Tokens</dt><dd>{told.tokens:,}</dd>" in page
    assert "<dt>Accounts</dt><dd>fewer than 10</dd>" in page
    assert f"<dt>Months</dt><dd>{told.first_month} to {told.last_month}</dd>" in page
    rows = re.findall(
        r'data-head="Counted">([^<]+)</td><td role="cell" data-head="Value">other</td>', page
    )
    assert rows[:2] == ["rows, kind", "rows, language"]


def test_the_page_shows_what_was_counted_last_and_when(api: Any, released: Released) -> None:
    installation, auditor = released.world.installation, released.world.staff(StaffRole.auditor)
    page = api.get(released.path(), headers=auditor).text
    assert "<code>licet release duplicates autumn</code> counts clusters" in page
    assert "<code>licet release stats autumn</code> counts them" in page
    counted, copies = (
        stats.stats(installation, "autumn"),
        duplicate_clusters.count_clusters(installation, "autumn"),
    )
    page = api.get(released.path(), headers=auditor).text
    assert "</code> counts" not in page
    assert "over the 3 rows that could be used then" in page
    assert page.count('data-head="Topic"') == len(counted.topics) > 0
    assert page.count('data-head="50 of 100"') == len(counted.spread) > 2
    assert f"{copies.left_out} of {copies.looked_at} conversations duplicate another one" in page
    assert page.count('data-head="Together"') == len(copies.sizes)
    assert "style=" not in page


def test_rows_that_live_recipients_and_recalls_are_told(api: Any, released: Released) -> None:
    world = released.world
    recall_register.hand_out(world.installation, "autumn", "lab-one")
    page = api.get(released.path(), headers=world.staff(StaffRole.auditor)).text
    assert "<b>3</b> of 3" in page
    chat = UUID(hex=released.chats["ana"].partition("_")[2])
    world.tell(Delete(account=world.accounts["ana"], at=world.clock.now, conversation=chat))
    certificates.advance_erasures(world.installation)
    world.clock.set(world.clock.now + timedelta(days=15))
    (handed,) = released.view().handouts
    assert (handed.recipient, handed.recalls, handed.open, handed.overdue) == ("lab-one", 1, 1, 1)
    page = api.get(released.path(), headers=world.staff(StaffRole.auditor)).text
    assert "<b>2</b> of 3" in page
    assert [rows for _, rows in released.view().live] == [3, 2, 2], "over time"
    assert 'data-head="Overdue" class="due">1</td>' in page
    officer = world.staff(StaffRole.privacy_officer)
    listed = api.get("/console/recalls?state=overdue", headers=officer).text
    (chosen,) = re.findall(r'name="chosen" value="(era_[^"]+)"', listed)
    done = api.post(
        "/console/recalls/act",
        **form(officer, act="acknowledge", chosen=chosen, confirmed="yes", why="They wrote"),
    )
    assert "On record: lab-one has deleted it." in done.text
    assert released.view().handouts[0].open == 0


def test_the_page_and_the_api_say_what_curation_costs_or_that_nobody_measured_it(
    api: Any, released: Released
) -> None:
    installation, curator = released.world.installation, released.world.staff(StaffRole.curator)
    assert "Not measured" in api.get(released.path(), headers=curator).text
    (known,) = [one for one in catalog.list_releases(installation) if one.name == "autumn"]
    assert known.manifest_sha256 is not None
    made = measurement.build_statement(
        release=known.release_id.hex,
        manifest_sha256=known.manifest_sha256.hex(),
        now=installation.clock(),
        rows=90,
        model=MeasuringModel(
            base=None, parameters=9_000, steps=20, batch_rows=8, tokens=64, seeds=3
        ),
        held_out=HeldOut(rows=30, people=12),
        code=CodeKept(blocks=4, broken=1),
        words=WordsKept(said=1_000, changed=12),
        costs=[
            MeasuredCost(
                of=measurement.DEIDENTIFICATION,
                slice=CostSlice.all,
                value=measurement.ALL,
                rows=30,
                people=12,
                cost_ppm=4_200,
                low_ppm=-1_000,
                high_ppm=9_300,
            )
        ],
    )
    with transaction(installation.pool) as tx:
        signed = jws.sign(made.payload(), installation.keyring.log_seed(tx), measurement.SIGNED.typ)
        stated = StatedMeasurement(statement=made, jws=signed)
        measurement.add(
            tx,
            uuid7(installation.clock(), bytes(10)),
            known.release_id,
            stated,
            installation.clock(),
        )
    page = api.get(released.path(), headers=curator).text
    assert "by +0.42 % (-0.10 % to +0.93 % with a confidence of 95 %)" in page
    assert "Not measured" not in page
    whole = api.get(f"/v1/releases/{known.release_id.hex}", headers=curator).json()
    assert whole["measurement"]["costs"][0]["cost_ppm"] == 4_200


def test_a_release_is_held_against_another(api: Any, released: Released) -> None:
    curator = released.world.staff(StaffRole.curator)
    link = f"{released.path()}/against/{released.ids['august'].hex}"
    assert f'href="{link}"' in api.get(released.path(), headers=curator).text
    page = api.get(link, headers=curator).text
    assert "2 rows are in both" in page
    assert re.search(r">added</td>.*?>1</td>.*?in august: not there yet", page)
    assert "<code>rows</code>" in page
    assert api.get(f"{released.path()}/against/{'0' * 31}1", headers=curator).status_code == 404


def learnt(
    installation: Installation, release: UUID, folder: Path, rows: Sequence[int] = (0, 1, 2)
) -> UUID:
    """A model on record that learnt from rows of a release."""
    model = uuid7(NOTICE, bytes(10))
    log = consumption.ConsumedLog(folder / "consumed", Gate())
    log.used(0, rows)
    log.close()
    new = NewModel(
        model=model,
        name="pear-1",
        release=release,
        recipe="sft",
        rows=len(rows),
        first_gate=0,
        last_gate=0,
        started_at=NOTICE,
        finished_at=NOTICE,
        statement=b"",
        consumed=(folder / "consumed").read_bytes(),
    )
    with transaction(installation.pool) as tx:
        model_registry.add(tx, new, NOTICE)
        lineage.add_rows(tx, release, model, BitMap(rows))
    return model


def test_a_model_is_listed_with_what_was_withdrawn_since_and_retired_after_a_confirmation(
    api: Any, released: Released, tmp_path: Path
) -> None:
    world = released.world
    model = learnt(world.installation, released.ids["autumn"], tmp_path)
    curator = world.staff(StaffRole.curator)
    assert "pear-1" in api.get(released.path(), headers=curator).text
    page = api.get("/console/models", headers=curator).text
    assert 'data-head="Withdrawn since">0</td>' in page
    world.tell(
        Delete(
            account=world.accounts["bo"],
            at=world.clock.now,
            conversation=UUID(hex=released.chats["bo"][5:]),
        )
    )
    assert (
        'data-head="Withdrawn since" class="due">1</td>'
        in api.get("/console/models", headers=curator).text
    )
    retire = f"/console/models/model_{model.hex}/retire"
    assert (
        f'action="{retire}"'
        not in api.get("/console/models", headers=world.staff(StaffRole.auditor)).text
    )
    assert "Retire pear-1" in api.post(retire, **form(curator)).text
    assert world.rows("SELECT retired_at FROM models") == [(None,)]
    assert "Say why" in api.post(retire, **form(curator, confirmed="yes")).text
    why = "its weights are deleted"
    assert api.post(retire, **form(curator, confirmed="yes", reason=why)).status_code == 303
    assert why in api.get("/console/models", headers=curator).text
    assert api.post(f"/console/models/model_{'0' * 31}1/retire", **form(curator)).status_code == 404


def test_a_release_is_built_from_the_page_and_says_how_far_it_is(
    api: Any, released: Released
) -> None:
    installation, curator = released.world.installation, released.world.staff(StaffRole.curator)
    sent, path = {"name": "winter", "purpose": "improve_models"}, "/console/releases/build"
    for wrong, words in (
        ({"name": "Win ter"}, "Lower-case letters"),
        ({"name": "autumn"}, "is sealed already"),
        ({"purpose": "advertising"}, "is not a purpose"),
    ):
        refused = api.post(path, **form(curator, **{**sent, **wrong}))
        assert (refused.status_code, words in refused.text) == (422, True), wrong
        assert 'aria-invalid="true"' in refused.text
    assert "winter is built of everything" in api.post(path, **form(curator, **sent)).text
    assert orders.newest(installation) == [], "it was only asked"
    done = api.post(path, **form(curator, **sent, confirmed="yes", reason="the next run"))
    assert done.headers["location"] == "/console/releases?flash=build_release"
    page = api.get("/console/releases", headers=curator).text
    assert "data-polls" in page
    assert "pending or running" in page
    stop = threading.Event()
    stop.set()
    assert orders.carry_out(installation, stop) == 0, "the server stops: the order stays open"
    with transaction(installation.pool) as tx:
        staff_orders.report(tx, orders.newest(installation)[0].order_id, "4 messages read")
    assert "4 messages read" in api.get("/console/releases", headers=curator).text
    assert orders.carry_out(installation) == 1
    page = api.get("/console/releases", headers=curator).text
    assert "Sealed: 3 rows" in page
    assert "data-polls" not in page
    assert "winter" in [one.name for one in catalog.list_releases(installation)]


def test_dead_rows_are_purged_from_the_page(api: Any, released: Released) -> None:
    world, installation = released.world, released.world.installation
    curator = world.staff(StaffRole.curator)
    assert "Purge dead rows" not in api.get(released.path(), headers=curator).text, "nothing died"
    chat = UUID(hex=released.chats["ana"].partition("_")[2])
    world.tell(Delete(account=world.accounts["ana"], at=world.clock.now, conversation=chat))
    certificates.advance_erasures(installation, at_once=True)
    assert "Purge dead rows" in api.get(released.path(), headers=curator).text
    purge = f"{released.path()}/purge"
    assert "1 rows are removed" in api.post(purge, **form(curator)).text
    said = api.post(purge, **form(curator, confirmed="yes", reason="they are of no use"))
    assert (said.status_code, orders.carry_out(installation)) == (303, 1)
    assert "Removed: 1 rows" in api.get(released.path(), headers=curator).text


def test_an_export_is_recalled_from_the_page_of_its_release(pool: Pool, tmp_path: Path) -> None:
    policy = msgspec.structs.replace(preset("article-2025"), recipients=frozenset({"lab-one"}))
    world = World(pool, tmp_path / "data", policy)
    released, installation = Released(world), world.installation
    curator, officer = world.staff(StaffRole.curator), world.staff(StaffRole.privacy_officer)
    made = export_files.export(
        installation, "autumn", Format.trl, recipient="lab-one", out=tmp_path / "theirs"
    )
    assert made.export is not None
    recall = f"/console/exports/{made.export}/recall"
    with ApplicationClient(world.app) as api:
        assert recall in api.get(released.path(), headers=officer).text
        assert recall not in api.get(released.path(), headers=curator).text
        assert "rows of autumn" in api.post(recall, **form(officer)).text
        assert export_files.get(installation, made.export).recalled_at is None
        sent = form(officer, confirmed="yes", reason="a mix-up")
        assert api.post(recall, **sent).status_code == 303
    assert export_files.get(installation, made.export).recalled_at is not None
    assert orders.newest(installation)[0].reason == "a mix-up"


@given(st.lists(st.integers(1, 10**9), max_size=30), st.integers(0, 10**9))
def test_every_bar_lies_within_its_picture(outs: list[int], kept: int) -> None:
    left, steps = sum(outs) + kept, list[FunnelStep]()
    made = left
    for number, out in enumerate(outs):
        left -= out
        steps.append(FunnelStep(reason=f"r{number}", out=out, left=left))
    bars = chart.draw_funnel(made, steps)
    assert len(bars) == (len(steps) + 1 if made else 0)
    for bar, step in zip(bars[1:], steps, strict=False):
        assert bar.counts == (step.out, step.left), "what the table says"
        assert bar.width >= 0
        assert bar.rest >= 0
        assert bar.width + bar.rest <= 1000

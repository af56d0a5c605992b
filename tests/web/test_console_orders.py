"""What staff order about the system itself: asked first, with a reason, by the role that may, and
done by the command's verb.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from licet.access import staff_orders
from licet.access.roles import StaffRole
from licet.access.staff_orders import OrderKind, OrderOutcome, StaffOrder
from licet.backup import drills
from licet.backup.drills import DrillOutcome, DrillResult
from licet.erasure import epochs
from licet.errors import RefusedError, UsageError
from licet.service import orders
from licet.store.connect import transaction
from licet.vault.commands import Delete
from licet.web.background import BackgroundTask

from ..waiting import wait_until
from .served import NOTICE, World, api, world
from .test_console import form
from .test_console_tables import uuid_of

__all__ = ["api", "world"]


@pytest.fixture
def lived(world: World) -> World:
    """Somebody's chat was deleted, and its key destroyed: an account waits for the daily
    rotation.
    """
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    chat = world.say("ana", "Pears")
    world.tell(
        Delete(account=world.accounts["ana"], at=world.clock.now, conversation=uuid_of(chat))
    )
    return world


def given(world: World, *kinds: OrderKind) -> list[StaffOrder]:
    with transaction(world.installation.pool) as tx:
        return staff_orders.list_newest(tx, kinds or tuple(OrderKind), 50)


def test_an_owner_rotates_the_keys_after_seeing_what_it_would_do_and_with_a_reason(
    api: Any, lived: World
) -> None:
    owner = lived.staff(StaffRole.owner, email="owner@example.org")
    before = epochs.status(lived.installation)
    asked = api.post("/console/keys/rotate", **form(owner, about="daily"))
    assert asked.status_code == 200
    assert "buckets wrapped anew" in asked.text
    nothing = api.post("/console/keys/rotate", **form(owner, about="daily", confirmed="yes"))
    assert nothing.status_code == 422
    assert "Say why" in nothing.text
    assert given(lived) == []
    done = api.post(
        "/console/keys/rotate",
        **form(owner, about="daily", confirmed="yes", reason="after the incident"),
    )
    assert (done.status_code, done.headers["location"]) == (303, "/console/keys?flash=rotate_keys")
    assert "pending or running" in api.get("/console/keys", headers=owner).text
    assert epochs.status(lived.installation).epochs == before.epochs, "it runs in the background"
    assert orders.carry_out(lived.installation) == 1
    (order,) = given(lived)
    assert (order.outcome, order.reason, order.ordered_by) == (
        OrderOutcome.done,
        "after the incident",
        "staff:owner@example.org",
    )
    assert len(epochs.status(lived.installation).epochs) == len(before.epochs) + 1
    page = api.get("/console/keys", headers=owner).text
    assert "after the incident" in page
    assert "Rotated into epoch" in page
    assert orders.carry_out(lived.installation) == 0


def test_a_rotation_that_the_server_leaves_half_done_is_finished_by_the_next_one(
    lived: World,
) -> None:
    for name in ("ben", "cem"):
        lived.open(name, allow=True)
    orders.submit(
        lived.installation,
        OrderKind.rotate_keys,
        "daily",
        reason="the yearly drill",
        actor="staff:me",
    )
    stop = threading.Event()
    stop.set()
    assert orders.carry_out(lived.installation, stop) == 0
    assert epochs.status(lived.installation).unfinished is not None
    assert given(lived)[0].ended_at is None, "it stays open"
    assert orders.carry_out(lived.installation) == 1
    assert epochs.status(lived.installation).unfinished is None
    assert (given(lived)[0].said or "").startswith("Finished into epoch")


def test_an_order_that_meets_a_defect_has_failed_and_the_next_ones_go_on(
    lived: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.submit(
        lived.installation, OrderKind.rotate_keys, "daily", reason="one", actor="staff:me"
    )
    orders.submit(lived.installation, OrderKind.destroy_epochs, reason="two", actor="staff:me")

    def broken(*_: object) -> None:
        raise KeyError("words of a person")

    monkeypatch.setattr(epochs, "rotate", broken)
    monkeypatch.setattr(orders, "POLL_SECONDS", 0.01)
    task = BackgroundTask(
        lived.installation, orders.keep_working, "licet-orders", retry_seconds=0.01
    )

    def have_ended() -> bool:
        return all(one.ended_at for one in given(lived))

    async def run() -> None:
        async with task.running():
            await asyncio.to_thread(wait_until, have_ended, "both orders have ended")

    asyncio.run(run())
    ended = {order.kind: (order.outcome, order.said) for order in given(lived)}
    assert ended == {
        OrderKind.rotate_keys: (OrderOutcome.failed, "An unexpected error: KeyError"),
        OrderKind.destroy_epochs: (OrderOutcome.done, "Nothing was due"),
    }


def test_of_each_kind_one_order_is_open_and_what_is_no_reason_is_refused(lived: World) -> None:
    orders.submit(
        lived.installation, OrderKind.rotate_keys, "daily", reason="one", actor="staff:me"
    )
    with pytest.raises(RefusedError, match="ordered already"):
        orders.submit(
            lived.installation, OrderKind.rotate_keys, "weekly", reason="two", actor="staff:me"
        )
    orders.submit(
        lived.installation, OrderKind.destroy_epochs, reason="another kind", actor="staff:me"
    )
    for reason in ("", "  \n", "x" * 501, "a\0b"):
        with pytest.raises(UsageError, match="reason"):
            orders.submit(
                lived.installation, OrderKind.drill_backup, reason=reason, actor="staff:me"
            )
    with pytest.raises(UsageError, match="no work"):
        orders.submit(lived.installation, OrderKind.pause_endpoint, reason="x", actor="staff:me")
    assert orders.carry_out(lived.installation) == 2


def test_an_epoch_that_is_due_is_destroyed_and_without_one_nothing_is_asked(
    api: Any, lived: World
) -> None:
    owner = lived.staff(StaffRole.owner)
    refused = api.post("/console/keys/destroy", **form(owner))
    assert refused.status_code == 409
    epochs.rotate(lived.installation, epochs.Rotation.daily)
    lived.clock.set(lived.clock.now + epochs.backup_window(lived.installation))
    assert "is destroyed." in api.post("/console/keys/destroy", **form(owner)).text
    assert given(lived) == []
    api.post("/console/keys/destroy", **form(owner, confirmed="yes", reason="its day has come"))
    assert orders.carry_out(lived.installation) == 1
    assert (given(lived)[0].said or "").startswith("Destroyed: epoch")
    assert epochs.destroy_due(lived.installation, dry_run=True) == []


def test_a_drill_that_cannot_be_made_ends_as_failed_and_the_page_of_backups_says_why(
    api: Any, lived: World
) -> None:
    owner = lived.staff(StaffRole.owner)
    page = api.get("/console/backups", headers=owner).text
    assert "No backups recorded." in page
    assert "Drill the newest" not in page
    assert api.post("/console/backups/drill", **form(owner)).status_code == 404
    orders.submit(
        lived.installation,
        OrderKind.drill_backup,
        "newest",
        reason="the yearly drill",
        actor="staff:me",
    )
    assert orders.carry_out(lived.installation) == 1
    (order,) = given(lived)
    assert order.outcome is OrderOutcome.failed
    page = api.get("/console/backups", headers=owner).text
    assert "no unexpired backup is registered" in page


def test_the_page_of_backups_shows_each_drill_with_its_result(api: Any, lived: World) -> None:
    backup, at = "0" * 31 + "7", lived.clock.now
    with transaction(lived.installation.pool) as tx:
        tx.execute(
            "INSERT INTO backups (backup_id, made_at, expires_at) VALUES (%s, %s, %s)",
            [backup, at, at + epochs.backup_window(lived.installation)],
        )
    drills._record(
        lived.installation,
        DrillResult(
            backup=f"bak_{backup}",
            drilled_at=at,
            drilled_by="staff:owner@example.org",
            outcome=DrillOutcome.failed,
            failure="the log `x` is forked",
        ),
    )
    auditor = lived.staff(StaffRole.auditor)
    page = api.get("/console/backups", headers=auditor).text
    assert 'data-head="Result" class="due">failed: the log x is forked' in page
    assert "less than a day" in page
    assert "Drill the newest" not in page, "an auditor orders nothing"


@pytest.mark.parametrize(
    "path", ["/console/keys/rotate", "/console/keys/destroy", "/console/backups/drill"]
)
def test_nobody_but_an_owner_orders_and_a_form_of_another_session_orders_nothing(
    api: Any, lived: World, path: str
) -> None:
    others = [role for role in StaffRole if role is not StaffRole.owner]
    asked = {"confirmed": "yes", "reason": "because"}
    assert api.post(path, **form(lived.staff(*others), **asked)).status_code == 403
    owner = lived.staff(StaffRole.owner)
    foreign = form(owner, **asked)
    foreign["data"]["csrf"] = "another"
    assert api.post(path, **foreign).status_code == 403
    assert given(lived) == []

"""Who was given rows of a person hears when they may not be used any more, and the person sees who
has what.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from tests.installed import House

from licet.curate import release_build
from licet.erasure import certificates, recall_register
from licet.store.connect import Pool
from licet.train import export_files, gate_files, recipients
from licet.train.exports import Format
from licet.train.gate_files import LeaseHolder, LeaseRequest
from licet.train.recipients import RecallState, RecipientSeen
from licet.vault import commands as do
from licet.vault.host_events import EventKind
from licet.webhooks import endpoints, feed

from ..terms import preset

LAB = "lab-one"


@pytest.fixture
def house(pool: Pool, tmp_path: Path) -> House:
    """Two people with two chats each, in a release that a recipient has as plain text."""
    house = House(
        pool, tmp_path / "data", replace(preset("article-2025"), recipients=frozenset({LAB}))
    )
    endpoints.add(house.installation, "lab", None)
    for name in ("ana", "bo"):
        house.open(name, allow=True, split="train")
        for chat in (f"{name}1", f"{name}2"):
            house.talk(
                name,
                chat,
                f"the {chat} question about gardens and rain",
                f"an answer to {chat} about the rain",
            )
    house.passes(1)
    release_build.build_release(house.installation, name="october", purpose="improve_models")
    export_files.export(
        house.installation, "october", Format.trl, recipient=LAB, out=tmp_path / "out"
    )
    return house


def told(house: House) -> list[dict[str, Any]]:
    return [
        one.data
        for one in feed.events_after(house.installation).items
        if one.type is EventKind.release_recalled
    ]


def seen(house: House, name: str) -> RecipientSeen:
    (one,) = recipients.list_by_account(house.installation, house.accounts[name])
    return one


def ordinals(house: House, name: str) -> list[int]:
    about = "SELECT ordinal FROM release_rows WHERE account_id = %s ORDER BY 1"
    return [row[0] for row in house.query(about, house.accounts[name])]


def flat(runs: list[list[int]]) -> list[int]:
    return [n for first, last in runs for n in range(first, last + 1)]


def open_copies(house: House, name: str) -> int:
    count = (
        "SELECT count(*) FROM copies WHERE place = 'export' AND ended_at IS NULL AND "
        "account_id "
        "= %s"
    )
    return int(house.query(count, house.accounts[name])[0][0])


def test_a_withdrawal_is_recalled_from_whoever_has_the_rows_as_text_once_and_row_by_row(
    house: House,
) -> None:
    assert recipients.recall_ended(house.installation) == 0
    house.choose("ana", False)
    assert seen(house, "ana").state is RecallState.to_recall
    assert recipients.recall_ended(house.installation) == 2
    assert recipients.recall_ended(house.installation) == 0, "nobody is asked twice"
    (event,) = told(house)
    (export,) = export_files.list_exports(house.installation)
    assert (event["recipient"], event["export"], flat(event["rows"])) == (
        LAB,
        export.export,
        ordinals(house, "ana"),
    )
    assert "account" not in event, "a recipient knows no account"
    assert (export.rows_recalled, export.withdrawn, export.overdue) == (2, 2, False)
    assert export.rows_due_at == house.now + timedelta(days=recall_register.RECALL_DAYS)


def test_the_person_sees_each_recipient_and_the_state_of_the_recall_and_nobody_elses(
    house: House,
) -> None:
    first = seen(house, "ana")
    assert (first.recipient, first.release, first.plain, first.rows) == (LAB, "october", True, 2)
    assert (first.state, seen(house, "bo").state) == (RecallState.in_use, RecallState.in_use)
    house.choose("ana", False)
    recipients.recall_ended(house.installation)
    asked = seen(house, "ana")
    assert (asked.state, asked.due_at) == (
        RecallState.recalled,
        house.now + timedelta(days=recall_register.RECALL_DAYS),
    )
    house.passes(recall_register.RECALL_DAYS)
    assert seen(house, "ana").state is RecallState.overdue
    assert recipients.overdue(house.installation) == 1
    assert export_files.list_exports(house.installation)[0].overdue
    assert open_copies(house, "ana") == 2
    assert first.export is not None
    export_files.acknowledge(house.installation, first.export)
    answered = seen(house, "ana")
    assert (answered.state, answered.acknowledged_at, answered.due_at) == (
        RecallState.deleted,
        house.now,
        None,
    )
    assert (open_copies(house, "ana"), open_copies(house, "bo")) == (0, 2), (
        "the register follows the answer"
    )
    assert recipients.overdue(house.installation) == 0
    assert seen(house, "bo").state is RecallState.in_use


def test_a_conversation_that_is_kept_out_is_recalled_and_the_other_is_not(house: House) -> None:
    house.about(do.Narrow, "bo", "bo1")
    assert recipients.recall_ended(house.installation) == 1
    assert seen(house, "bo").state is RecallState.recalled
    export = seen(house, "bo").export
    assert export is not None
    export_files.acknowledge(house.installation, export)
    assert seen(house, "bo").state is RecallState.in_use, "one row of two may be used still"
    assert open_copies(house, "bo") == 1
    house.choose("bo", False)
    assert recipients.recall_ended(house.installation) == 1


def test_what_is_erased_is_recalled_with_its_erasure_and_not_once_more(house: House) -> None:
    house.about(do.Delete, "ana", "ana1")
    certificates.advance_erasures(house.installation)
    assert recipients.recall_ended(house.installation) == 0
    assert len(told(house)) == 1
    assert seen(house, "ana").state is RecallState.recalled
    (recalled,) = recall_register.list_recalls(house.installation)
    recall_register.acknowledge(house.installation, recalled.erasure, recalled.handout)
    assert seen(house, "ana").state is RecallState.in_use, "the other row may be used still"


def test_an_export_that_was_deleted_as_a_whole_is_asked_for_no_more(house: House) -> None:
    export = seen(house, "ana").export
    assert export is not None
    house.choose("ana", False)
    recipients.recall_ended(house.installation)
    export_files.recall(house.installation, export)
    export_files.acknowledge(house.installation, export)
    assert seen(house, "ana").state is RecallState.deleted
    house.choose("bo", False)
    assert recipients.recall_ended(house.installation) == 0
    assert seen(house, "bo").state is RecallState.deleted
    assert recipients.overdue(house.installation) == 0


def test_whoever_leased_row_keys_is_a_recipient_too_and_gets_none_after_a_withdrawal(
    house: House,
) -> None:
    ((release,),) = house.query("SELECT release_id FROM releases")
    holder = LeaseHolder(key_id=UUID(int=0), recipient=LAB, own=False, releases=("october",))
    lab = LeaseRequest(release_id=release, part=0, recipient=LAB)
    with_key = (
        "INSERT INTO api_keys (key_id, name, secret_sha256, scopes, made_at) VALUES (%s, "
        "'k', "
        "%s, '{x}', now())"
    )
    with house.installation.pool.connection() as tx:
        tx.execute(with_key, [UUID(int=0), bytes(32)])
    assert len(gate_files.lease_keys(house.installation, lab, holder).ordinals) == 4
    states = {
        one.plain: one.state
        for one in recipients.list_by_account(house.installation, house.accounts["ana"])
    }
    assert states == {True: RecallState.in_use, False: RecallState.in_use}
    house.choose("ana", False)
    recipients.recall_ended(house.installation)
    states = {
        one.plain: one.state
        for one in recipients.list_by_account(house.installation, house.accounts["ana"])
    }
    assert states == {True: RecallState.recalled, False: RecallState.shut}
    assert not set(gate_files.lease_keys(house.installation, lab, holder).ordinals) & set(
        ordinals(house, "ana")
    )


def test_the_server_asks_back_by_itself(house: House) -> None:
    from licet.service import housekeeping

    house.choose("ana", False)
    housekeeping._WORK["recalls"](house.installation)
    assert seen(house, "ana").state is RecallState.recalled


def test_the_takeout_names_each_recipient_and_what_they_answered(house: House) -> None:
    house.choose("ana", False)
    recipients.recall_ended(house.installation)
    name, data = recipients.csv_file(house.installation, house.accounts["ana"])
    head, line = data.decode().splitlines()
    assert (name, head) == (
        "recipients.csv",
        "recipient,release,export,as,given,rows,state,due,answered",
    )
    assert line.split(",")[0:2] + line.split(",")[3:4] + line.split(",")[5:7] == [
        LAB,
        "october",
        "plain text",
        "2",
        "recalled",
    ]

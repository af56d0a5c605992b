"""What an erasure does on its way to its certificate: a held one moves nothing, a large one is
swept whole, and what it states of restores and of the last key is so.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from licet.erasure import certificates, epochs, sweep_batches
from licet.erasure.certificates import ErasureStatus
from licet.erasure.key_rotation import Rotation
from licet.keys.restriction_journal import Journal, RestrictionKind
from licet.policy.period import rfc3339
from licet.proof import documents
from licet.vault import commands as do
from licet.vault.certificate import ErasureState

from ..installed import DAY, House
from ..journals import KEY, lying


@pytest.fixture
def house(house: House) -> House:
    house.open("ana", allow=True)
    for chat in ("first", "second"):
        house.talk("ana", chat)
    return house


def owed(house: House) -> list[ErasureStatus]:
    return certificates.list_by_account(house.installation, house.accounts["ana"])


def stated(house: House, erasure: str) -> dict[str, Any]:
    body = json.loads(certificates.certificate_file(house.installation, erasure))[
        "certificate"
    ].split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + "===")))


def keys(house: House) -> int:
    ((count,),) = house.query("SELECT count(key_slot) FROM segments")
    return int(count)


@pytest.mark.parametrize("at_once", [False, True])
def test_the_run_of_a_held_erasure_destroys_no_key_as_its_forecast_says(
    house: House, at_once: bool
) -> None:
    house.about(do.Delete, "ana", "first")
    house.about(do.Hold, "ana", "first", matter="Smith v. Acme", reason=do.HoldReason.litigation)
    house.about(do.Delete, "ana", "second")
    house.passes(30)
    held = next(one for one in owed(house) if one.held)
    before = keys(house)
    forecast = certificates.forecast_erasures(
        house.installation, only=held.erasure, at_once=at_once
    )
    assert (forecast.due, forecast.keys, forecast.held) == (0, 0, 1)
    certificates.advance_erasures(house.installation, only=held.erasure, at_once=at_once)
    assert keys(house) == before, "nor one of what is due beside it"
    assert owed(house)[0].state is ErasureState.fenced


def test_an_erasure_of_more_than_one_batch_is_swept_whole_by_one_run(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        house.talk("ana", f"chat {n}")
    house.account(do.CloseAccount, "ana")
    monkeypatch.setitem(sweep_batches.sweep_locked.__kwdefaults__, "limit", 2)
    certificates.advance_erasures(house.installation, at_once=True)
    assert keys(house) == 0
    assert owed(house)[0].state is ErasureState.swept
    documents.append(house.installation)
    assert certificates.advance_erasures(house.installation).certificates == 1


@pytest.mark.parametrize(
    ("kind", "told"),
    [(do.Delete, RestrictionKind.deleted), (do.CloseAccount, RestrictionKind.closed)],
)
def test_what_is_certified_is_in_the_journal_though_its_writer_was_killed_before_it_wrote_that(
    house: House, tmp_path: Path, kind: type[Any], told: RestrictionKind
) -> None:
    if kind is do.Delete:
        house.about(kind, "ana", "first")
    else:
        house.account(kind, "ana")
    journal = house.installation.keyring.restrictions = Journal(tmp_path / "restrictions", key=KEY)
    assert lying(journal) == []
    certificates.advance_erasures(house.installation, at_once=True)
    documents.append(house.installation)
    certificates.advance_erasures(house.installation)
    (seen,) = owed(house)
    assert seen.state is ErasureState.verified
    (kept,) = [one for one in lying(journal) if one.kind is told]
    assert (kept.account, f"era_{kept.erasure.hex if kept.erasure else ''}") == (
        house.accounts["ana"],
        seen.erasure,
    )
    assert kept.conversation == (house.chats["first"] if kind is do.Delete else None)


def test_the_day_of_the_last_key_is_that_of_the_rotation_that_follows_or_of_the_daily_one_at_the_latest(
    house: House,
) -> None:
    house.about(do.Delete, "ana", "first")
    certificates.advance_erasures(house.installation, at_once=True)
    (seen,) = owed(house)
    assert seen.shredded_at is not None
    window: timedelta = epochs.backup_window(house.installation)
    assert stated(house, seen.erasure)["backups_out_of_reach"] == rfc3339(
        seen.shredded_at + Rotation.daily.every + window
    )
    house.about(do.Delete, "ana", "second")
    house.passes(30)
    before = next(one for one in owed(house) if one.state is ErasureState.fenced)
    certificates.advance_erasures(house.installation, only=before.erasure)
    house.passes(3)
    assert stated(house, before.erasure)["backups_out_of_reach"] == rfc3339(
        house.now - 3 * DAY + DAY + window
    )

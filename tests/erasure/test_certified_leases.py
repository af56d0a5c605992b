"""No erasure is certified while a row that was made of what is erased can be leased."""

from __future__ import annotations

from pathlib import Path

import pytest

from licet.curate import release_build
from licet.erasure import certificates
from licet.errors import BrokenError
from licet.store.connect import Pool
from licet.vault.ids import uuid7

from ..installed import House


def test_no_certificate_is_signed_while_a_row_can_be_leased(pool: Pool, tmp_path: Path) -> None:
    """A lease is really asked for: an erasure that is said to be swept, of what may still be used,
    is found out by it.
    """
    house = House(pool, tmp_path / "data")
    house.open("ana", allow=True)
    house.talk("ana", "c")
    release_build.build_release(house.installation, name="r", purpose="improve_models")
    named = uuid7(house.now, house.installation.keyring.random(10))
    with house.installation.pool.connection() as tx:
        tx.execute(
            """INSERT INTO erasures (account_id, erasure_id, conversation_id, cause, state,
                                     requested_at, fenced_at,
                                     shredded_at, swept_at)
               VALUES (%s, %s, %s, 'deletion', 'swept', %s, %s, %s, %s)""",
            [house.accounts["ana"], named, house.chats["c"], *[house.now] * 4],
        )
    with pytest.raises(BrokenError, match="`1` erased items are still in the place `release`"):
        certificates.advance_erasures(house.installation)
    assert house.query("SELECT certificate FROM erasures") == [(None,)]
    assert house.query("SELECT count(*) FROM outbox WHERE entry = 'certificate'") == [(0,)]

"""An explanation is of one moment, whatever it is asked about, and asks nothing to be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from licet.config import Configuration
from licet.errors import NotFoundError
from licet.policy.file import preset
from licet.service import explanations, policy_changes
from licet.store.connect import Pool
from licet.vault.installation import from_pool

from ..installed import BEGIN, House
from ..web.journeys import Counting


def test_a_name_is_explained_as_nobodys_before_anybody_is_here(pool: Pool, tmp_path: Path) -> None:
    """No key was made yet that hashes the host's names."""
    with from_pool(pool, Configuration(data=tmp_path / "data"), lambda: BEGIN) as installation:
        policy_changes.apply_policy(installation, preset("article-2025"), actor="tests")
        for name in ("ana", f"acc_{0:032x}", f"conv_{0:032x}", f"turn_{0:032x}-1"):
            with pytest.raises(NotFoundError):
                explanations.explain(installation, name)


def test_an_explanation_of_an_id_is_one_transaction(pool: Pool, tmp_path: Path) -> None:
    counting = Counting()
    with counting.watching():
        house = House(pool, tmp_path / "data")
        account = house.open("ana", allow=True)
        house.say("ana", "pears", "How do I plant a pear tree?")
        chat = house.chats["pears"].hex
        for name, seen, transactions in (
            (f"conv_{chat}", explanations.ConversationSeen, 1),
            (f"turn_{chat}-1", explanations.ConversationSeen, 1),
            (f"acc_{account.hex}", explanations.AccountSeen, 1),
            ("ana", explanations.AccountSeen, 2),
        ):
            with counting.counted() as cost:
                assert isinstance(explanations.explain(house.installation, name), seen)
            assert (name, cost.transactions) == (name, transactions)

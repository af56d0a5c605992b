"""What somebody takes out comes back: as many turns, the same answers, and nothing usable that was
not.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

from licet.config import Configuration
from licet.consent import takeout
from licet.intake import imports
from licet.intake.recorded_history import read_accounts, read_choices
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.policy.file import preset
from licet.policy.state import ConversationKind
from licet.service import explanations, policy_changes
from licet.store.connect import Pool, open_pool, transaction
from licet.vault import account_view
from licet.vault.commands import Delete, Narrow, Widen
from licet.vault.ids import host_hmac
from licet.vault.installation import Installation, load_host_key, load_policies
from licet.vault.simulated_clock import SimulatedClock

from .people import BEFORE, NOTICE, Town


def test_a_takeout_imports_again_with_the_same_answers_and_opens_nothing_more(
    pool: Pool, databases, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    town = Town(pool, tmp_path / "one", "article-2025")
    account = town.open("ana")
    town.open("ben")
    town.say("ana", "Before the terms")
    town.clock.set(NOTICE)
    town.choose("ana", True)
    town.say("ana", "Bees")
    town.say("ana", "Code", kind=ConversationKind.code, surface="cli")
    town.say("ana", "Whisper", incognito=True)
    out, back, gone = (town.say("ana", name) for name in ("Kept out", "Let in again", "Deleted"))
    town.tell(Narrow(account=account, at=town.clock.now, conversation=out))
    town.tell(Narrow(account=account, at=town.clock.now, conversation=back))
    town.tell(Widen(account=account, at=town.clock.now, conversation=back))
    town.tell(Delete(account=account, at=town.clock.now, conversation=gone))
    town.say("ana", "Bees", "And in winter?")
    town.clock.set(town.clock.now + timedelta(days=1))

    folder = tmp_path / "taken"
    folder.mkdir()
    pieces = takeout.takeout(
        lambda: transaction(pool),
        town.installation.keyring,
        load_policies(town.installation),
        account,
        town.clock.now,
    )
    (folder / "takeout.zip").write_bytes(b"".join(pieces))
    with zipfile.ZipFile(folder / "takeout.zip") as archive:
        archive.extractall(folder)
        assert b"Deleted" not in archive.read("messages.jsonl")

    with open_pool(databases()) as other:
        there = Installation(
            config=Configuration(data=folder),
            pool=other,
            keyring=Keyring(FileProvider(folder / "keys")),
            clock=SimulatedClock(town.clock.now),
        )
        policy_changes.apply_policy(there, preset("article-2025"), actor="test")
        imported = imports.import_files(
            there,
            [folder / "messages.jsonl"],
            recorded=read_accounts(folder / "accounts.csv", town.clock.now),
            choices=read_choices(folder / "choices.csv", load_policies(there), town.clock.now),
        )
        assert (imported.broken, imported.refused) == (0, {})
        with transaction(other) as tx:
            host = host_hmac(load_host_key(there), "account", f"acc_{account.hex}")
            found = account_view.account_by_host(tx, host)
        assert found is not None
        again = explanations.explain(there, f"acc_{found.hex}")
        assert isinstance(again, explanations.AccountSeen)

    was = town.seen("ana")
    assert imported.turns == sum(was.turns["improve_models"].values()) - 2, (
        "all but what was deleted"
    )
    assert [one.standing.value for one in (*again.questions, *was.questions)] == ["granted"] * 2
    before, after = Counter(was.turns["improve_models"]), Counter(again.turns["improve_models"])
    assert after["permitted"] == before["permitted"] == 6
    assert after["incognito"] == 2
    assert again.opened_at == BEFORE


def test_nothing_of_anybody_else_is_in_a_takeout(pool: Pool, tmp_path: Path) -> None:
    town = Town(pool, tmp_path, "article-2025")
    ana = town.open("ana")
    ben = town.open("ben")
    town.say("ben", "A secret plan")
    pieces = takeout.takeout(
        lambda: transaction(pool),
        town.installation.keyring,
        load_policies(town.installation),
        ana,
        town.clock.now,
    )
    (tmp_path / "takeout.zip").write_bytes(b"".join(pieces))
    with zipfile.ZipFile(tmp_path / "takeout.zip") as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"secret" not in everything
    assert ben.hex.encode() not in everything

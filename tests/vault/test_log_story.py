"""What the vault tells the log of any history is the story of an honest log: the verifier
contradicts none of it.

TESTS_LOG_STORIES sets how many histories are drawn (24, of which a run tries six or more).
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from random import Random

from licet import verifier
from licet.keys.keyring import Keyring
from licet.keys.log_keys import LogKeys
from licet.keys.material import FileProvider
from licet.ledger import entries, sequence
from licet.store.connect import Transaction

from ..policy.histories import History, history
from ..tiers import seeds_until
from .test_histories import played

KINDS = {
    "choice",
    "grant_begun",
    "grant_ended",
    "narrowed",
    "deleted",
    "flagged",
    "key_destroyed",
    "feedback",
}
YEAR = 2099  # one log for all the years that are drawn
LOGGED = datetime(YEAR, 1, 1, tzinfo=UTC)


def entries_of(conn: Transaction, provider: FileProvider, drawn: History) -> list[bytes]:
    """The versions of the history as entries, and each row of the outbox, as the sequencer writes
    it.
    """
    told: list[bytes] = []
    for number, version in enumerate(drawn.policies().versions):
        row = entries.OutboxRow(
            outbox_id=number,
            account=None,
            kind="policy_applied",
            occurred_at=version.effective,
            facts={"number": number, "sha256": version.sha256().hex()},
        )
        told.append(entries.encode(row, None, LOGGED, bytes))
    rows = sequence.waiting_rows(conn)
    keys = LogKeys(Keyring(provider)).log_keys(
        conn, {row.account for row in rows if row.account is not None}, YEAR
    )
    for row in rows:
        key = keys.get(row.account) if row.account is not None else None
        told.append(entries.encode(row, key, LOGGED, Random(row.outbox_id).randbytes))
    return told


def test_the_entries_of_any_history_contradict_nothing(
    conn: Transaction, provider: FileProvider
) -> None:
    Keyring(provider).host_key(conn)
    kinds: Counter[str] = Counter()
    for seed in seeds_until(lambda: kinds.keys() >= KINDS, "TESTS_LOG_STORIES", 24, least=6):
        drawn = history(seed)
        with conn.transaction(force_rollback=True):
            played(conn, provider, drawn, lambda draw: draw.choice((1, 2, 5, 50)))
            story = verifier.new_story(f"log.example/{YEAR}")
            for index, entry in enumerate(entries_of(conn, provider, drawn)):
                found = story.take(index, entry)
                assert found == [], (seed, found, entry)
                kinds[verifier.entries.read_entry(entry, "")["t"]] += 1
    assert kinds.keys() >= KINDS

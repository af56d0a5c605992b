"""Any history, one verb at a time or in batches, with sweeps between, leaves the vault where it
leaves the world.

TESTS_HISTORIES sets how many histories are drawn (40, of which a run tries eight).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.store.connect import Transaction
from licet.vault import counts

from ..policy.histories import History, history
from ..tiers import seeds_of
from .model import Pair, insert_versions, savepoints, sound

SEEDS = seeds_of("TESTS_HISTORIES", 40, least=8)
SEEDS_A_TEST = 4
Batches = Callable[[Random], int]
Table = dict[str, list[tuple[Any, ...]]]


def drawing(seed: int) -> Callable[[int], bytes]:
    """Randomness from a seed, a stream for each size: ids are drawn in one order however keys
    are.
    """
    streams: dict[int, Random] = {}
    return lambda size: streams.setdefault(size, Random(seed * 64 + size)).randbytes(size)


def played(conn: Transaction, provider: FileProvider, drawn: History, batches: Batches) -> Table:
    """Plays the history in batches, sweeps where the seed says, asks at each moment; answers what
    the tables hold.
    """
    policies, keyring = drawn.policies(), Keyring(provider, drawing(drawn.seed))
    insert_versions(conn, policies)
    pair = Pair(savepoints(conn), keyring, policies)
    sweeps, sizes = Random(drawn.seed), Random(drawn.seed)
    size, moments = batches(sizes), list(drawn.moments)
    for event in drawn.events:
        while moments and moments[0] < event.at:
            ask(pair, moments.pop(0), drawn)
        pair.push(event)
        if len(pair.waiting) >= size:
            pair.flush()
            size = batches(sizes)
        if sweeps.random() < 0.08:
            pair.flush()
            pair.sweep(event.at, limit=sweeps.choice((1, 2, 500)))
    for moment in moments:
        ask(pair, moment, drawn)
    contents = sound(conn, keyring)
    check_content(pair, contents)
    return normal(conn, pair)


def ask(pair: Pair, at: Any, drawn: History) -> None:
    pair.flush()
    assert pair.of_vault(at) == pair.of_world(at), f"seed {drawn.seed} at {at}"


def check_content(pair: Pair, contents: dict[tuple[str, Any, int], Any]) -> None:
    """What is there is what was said: by its turn, in every copy."""
    said = {(pair.conversations[c], number): name for name, (c, number) in pair.turns.items()}
    of_feedback = {
        pair.feedback[f]: pair.conversations[c] for f, (c, _) in pair.world.feedback.items()
    }
    names = {conversation: name for name, conversation in pair.conversations.items()}
    comments = {feedback: name for name, feedback in pair.feedback.items()}
    for (table, owner, number), content in contents.items():
        if table == "feedback_bodies":
            name = said[of_feedback[owner], number] if number else comments[owner]
        else:
            name = said[owner, number] if number else names[owner]
        assert content.text == f"what {name} says"


def normal(conn: Transaction, pair: Pair) -> Table:
    """Every table, without what chance decides: ids by their names, no sealed byte, no position but
    its rank. Of blocks their turns: how many of them a block has depends on what arrives together,
    and with it how many bytes are stored.
    """
    known = {v: k for d in (pair.accounts, pair.conversations, pair.feedback) for k, v in d.items()}
    for project, account, host in conn.execute(
        "SELECT project_id, account_id, host_hmac FROM projects"
    ).fetchall():
        known[project] = f"{known[account]}/{host.hex()}"
    named = {key.hex: name for key, name in known.items()} | {
        str(key): name for key, name in known.items()
    }
    unlike = {
        "wrapped_key",
        "bucket",
        "sealed",
        "stored_bytes",
        "bytes",
        "title",
        "slots",
        "position",
        "outbox_id",
        "added_at",
        "evidence",
        "matter",
        "erasure_id",
    }
    # counts are rows of differences, as many as there were batches
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "FOLDED_ROWS_MIN", 0)
        counts.fold(conn)
    tables = conn.execute(
        """SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'blocks'
            UNION SELECT 'turns'"""
    ).fetchall()
    found: Table = {}
    for (table,) in sorted(tables):
        if table in ("migrations", "secrets", "buckets"):
            continue
        cursor = conn.execute(
            f"SELECT * FROM {table}" + (" ORDER BY outbox_id" if table == "outbox" else "")
        )
        columns = [c.name for c in cursor.description or ()]
        rows = [
            tuple(
                as_named(value, named)
                for column, value in zip(columns, row, strict=True)
                if column not in unlike
            )
            for row in cursor
        ]
        found[table] = rows if table == "outbox" else sorted(rows, key=repr)
    return found


def as_named(value: object, named: dict[str, str]) -> object:
    text = str(value)
    for key, name in named.items():
        text = text.replace(key, name)
    return text


@pytest.mark.parametrize("part", range(0, len(SEEDS), SEEDS_A_TEST))
def test_batched_and_single_application_answer_as_the_world_and_leave_equal_tables(
    conn: Transaction, provider: FileProvider, part: int
) -> None:
    Keyring(provider).host_key(conn)  # made once, so that both sides hash a matter alike
    for seed in SEEDS[part : part + SEEDS_A_TEST]:
        drawn = history(seed)
        left = []
        for batches in (lambda draw: 1, lambda draw: draw.choice((2, 5, 50))):
            with conn.transaction(force_rollback=True):
                left.append(played(conn, provider, drawn, batches))
        single, batched = left
        for table in single:
            assert single[table] == batched[table], f"seed {seed}: {table}"

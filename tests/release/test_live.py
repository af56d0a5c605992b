"""A lease holds exactly the rows that the rule permits, with the keys that their sources give.

The rows of a release are drawn over drawn histories (those of `test_population`): any segments and
origins of a conversation, keys from the vault or a safety copy, some of them destroyed.
`TESTS_HISTORIES` sets how many (800).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from licet.keys.keyring import Keyring
from licet.keys.material import (
    EMPTY_SLOT,
    KEY_BYTES,
    SLOTS_PER_PAGE,
    FileProvider,
    seal,
    slot_place,
    unwrap_account_keys,
)
from licet.policy.decide import IMPROVE, SAFETY
from licet.policy.file import Policies
from licet.release import live_leases, registry
from licet.release.registry import Release
from licet.release.row_keys import row_key
from licet.release.row_runs import RowSource, RowSources
from licet.release.rows import derive_row_id
from licet.store.connect import Pool, Transaction
from licet.store.rows import copy_in
from licet.vault.copies import CopyPlace

from ..policy.histories import BEGIN, DAY
from ..vault.model import insert_versions
from ..vault.test_population import Lived, copy_population, lived, moments, sequences, versions_of

HISTORIES = min(int(os.environ.get("TESTS_HISTORIES", "800")), 20_000)
SHARE = 20  # histories under one sequence of versions
WIDE = 300  # turns of a source: its row is packed in numbers of four bytes
RELEASE = UUID(int=77)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(FileProvider(tmp_path / "keys"))


@pytest.fixture
def conn(pool: Pool) -> Iterator[Transaction]:
    with pool.connection() as conn, conn.transaction(force_rollback=True):
        yield conn


def release_for(tx: Transaction, purpose: str) -> Release:
    tx.execute("UPDATE releases SET purpose = %s", [purpose])
    return registry.get(tx, RELEASE)


def give_keys(tx: Transaction, keyring: Keyring, draw: Random) -> None:
    """Every segment a key and a safety key; some are gone from the segment, some destroyed in their
    page alone.
    """
    bucket = keyring.bucket_keys(tx, {0})[0]
    pages: list[tuple[UUID, int, bytes]] = []
    for (account,) in tx.execute("SELECT account_id FROM accounts").fetchall():
        wrapped = keyring.new_account_keys(bucket, account)
        tx.execute("UPDATE accounts SET wrapped_key = %s WHERE account_id = %s", [wrapped, account])
        holder, slots = unwrap_account_keys(bucket, account, wrapped).slots, []
        for conversation, segment in tx.execute(
            "SELECT conversation_id, segment FROM segments WHERE account_id = %s ORDER BY 1, 2",
            [account],
        ).fetchall():
            two = [len(slots), len(slots) + 1]
            for slot in two:
                dead = draw.random() < 0.05
                slots.append(
                    EMPTY_SLOT
                    if dead
                    else seal(holder, draw.randbytes(KEY_BYTES), slot_place(account, slot))
                )
            tx.execute(
                """UPDATE segments SET key_slot = %s, safety_slot = %s
                    WHERE account_id = %s AND conversation_id = %s AND segment = %s""",
                [
                    *(None if draw.random() < 0.05 else slot for slot in two),
                    account,
                    conversation,
                    segment,
                ],
            )
        slots += [EMPTY_SLOT] * (-len(slots) % SLOTS_PER_PAGE)
        for start in range(0, len(slots), SLOTS_PER_PAGE):
            pages.append(
                (account, start // SLOTS_PER_PAGE, b"".join(slots[start : start + SLOTS_PER_PAGE]))
            )
    copy_in(tx, "key_pages", {"account_id": "uuid", "page": "int4", "slots": "bytea"}, pages)


def draw_rows(people: list[Lived], draw: Random) -> list[RowSources]:
    rows: list[RowSources] = []
    for one in people:
        turns: dict[str, list[tuple[int, str, int]]] = {}
        for chat, turn in one.world.turns.values():
            turns.setdefault(chat, []).append((turn.segment, turn.origin, turn.number))
        for chat, said in turns.items():
            single = [[one] for one in said]  # mostly what is permitted is one segment's
            for some in (said, draw.sample(said, draw.randint(1, len(said))), *single):
                last = {(segment, origin): turn for segment, origin, turn in sorted(some)}
                segments = dict.fromkeys(segment for segment, _ in last)
                rows.append(
                    RowSources(
                        account=one.account(one.world.conversations[chat].account),
                        conversation=one.conversation(chat),
                        ordinal=len(rows),
                        keys=tuple(
                            (n, CopyPlace.safety if draw.random() < 0.3 else CopyPlace.vault)
                            for n in segments
                        ),
                        sources=tuple(
                            RowSource(
                                segment=s, origin=o, turn=t, count=1 if len(rows) % 5 else WIDE
                            )
                            for (s, o), t in last.items()
                        ),
                    )
                )
    return rows


def by_the_rule(
    tx: Transaction,
    keyring: Keyring,
    known: Release,
    rows: list[RowSources],
    policies: Policies,
    at: datetime,
) -> dict[int, tuple[bytes, datetime]]:
    """What may be leased: each row decided in Python, its keys read from whole pages."""
    soon = at + timedelta(seconds=live_leases.LAST_SECONDS)
    permitted = [
        v
        for v in live_leases.decide_rows(tx, rows, policies, known.purpose, at)
        if v.use and v.until > soon
    ]
    keys = keyring.slot_keys(
        tx, [(v.account.account_id, slot) for v in permitted for slot in v.slots]
    )
    found = {}
    for verdict in permitted:
        sources = [keys[verdict.account.account_id, slot] for slot in verdict.slots]
        living = [key for key in sources if key is not None]
        if len(living) == len(sources):
            row_id = derive_row_id(RELEASE.bytes, verdict.row.ordinal)
            found[verdict.row.ordinal] = (row_key(living, RELEASE.bytes, row_id), verdict.until)
    return found


def test_a_lease_is_what_the_rule_permits_row_by_row_on_drawn_histories(
    conn: Transaction, keyring: Keyring
) -> None:
    seen: Counter[str] = Counter()
    for place, sequence in enumerate(sequences()[: HISTORIES // SHARE]):
        with conn.transaction(force_rollback=True):
            seen += leased_alike(conn, keyring, place, sequence)
    assert min(seen["leased"], seen["refused"], seen["safety"]) > 100, seen


def leased_alike(tx: Transaction, keyring: Keyring, place: int, sequence: int) -> Counter[str]:
    draw = Random(place)
    seen_at = (
        draw.choice([v.effective for v in versions_of(sequence).versions])
        + draw.choice((0, 3, 10, 20, 40)) * DAY
    )
    policies, people = lived(sequence, range(place * SHARE, (place + 1) * SHARE), seen_at)
    insert_versions(tx, policies)
    keyring.make_buckets(tx, {0})
    copy_population(tx, people)
    give_keys(tx, keyring, draw)
    tx.execute(
        """INSERT INTO releases (release_id, name, purpose, state, version, pinned, begun_at)
           VALUES (%s, 'r', 'x', 'building', 0, 0, %s)""",
        [RELEASE, BEGIN],
    )
    rows = draw_rows(people, draw)
    registry.add_rows(tx, RELEASE, rows)
    result: Counter[str] = Counter()
    for at in moments(draw, policies, seen_at):
        for purpose in (IMPROVE, SAFETY):
            known = release_for(tx, purpose)
            asked = sorted(draw.sample(range(len(rows)), len(rows) * 3 // 4))
            mine = registry.rows_at(tx, RELEASE, asked)
            expected = by_the_rule(tx, keyring, known, mine, policies, at)
            found = {
                r.ordinal: (r.key, r.until)
                for r in live_leases.lease_rows(tx, keyring, known, asked, policies, at)
            }
            assert found == expected, f"sequence {sequence}, {purpose} at {at}"
            result["leased"] += len(found)
            result["refused"] += len(asked) - len(found)
            if purpose == SAFETY:
                result["safety"] += sum(rows[n].keys[0][1] is CopyPlace.safety for n in found)
    return result


def test_a_lease_of_nothing_asks_nothing(conn: Transaction, keyring: Keyring) -> None:
    policies = versions_of(0)
    known = Release(
        release_id=RELEASE,
        name="r",
        purpose=IMPROVE,
        state="sealed",
        version=0,
        pinned=0,
        begun_at=BEGIN,
        sealed_at=BEGIN,
        position=0,
        rows=0,
        turns=0,
        root=b"",
        manifest_sha256=b"",
    )
    assert live_leases.lease_rows(conn, keyring, known, [], policies, BEGIN) == []

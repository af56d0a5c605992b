"""How many statements a deletion and its certificate send to the database: no more than there are
now.

A statement costs the client and the server some fifty microseconds each, whatever it does. A
deletion reads with five and writes with two: the state of account, conversation, segments and
feedback; and what is told of it, to the journal, the outbox, the erasures and the hosts. What
brings a number down lowers it here too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from licet.erasure import certificates
from licet.store.connect import Pool, transaction
from licet.vault import verbs
from licet.vault.commands import Delete
from licet.vault.installation import load_policies

from ..installed import House

DELETION_MAX, CERTIFICATE_MAX = 5, 15
POLICIES = (
    # a process keeps what it read: when it reads is not counted
    "SELECT document, sha256, version FROM policies"
)


@contextmanager
def counted(pool: Pool) -> Iterator[list[str]]:
    """The statements that the pool's connections send until the block ends."""
    sent: list[str] = []

    class Counting(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            text = " ".join(str(query).split())
            if not text.startswith(POLICIES):
                sent.append(text[:80])
            return super().execute(query, params, **options)

    waiting = [pool.getconn() for _ in range(pool.get_stats()["pool_size"])]
    made = [conn.cursor_factory for conn in waiting]
    for conn in waiting:
        conn.cursor_factory = Counting
        pool.putconn(conn)
    yield sent
    for conn, factory in zip(waiting, made, strict=True):
        conn.cursor_factory = factory


def test_a_deletion_and_its_certificate_send_no_more_statements_than_now(
    pool: Pool, tmp_path: Path
) -> None:
    house = House(pool, tmp_path)
    house.open("ana", allow=True)
    house.talk("ana", "kept")
    house.talk("ana", "gone before")  # what a process reads once is read by then
    house.about(Delete, "ana", "gone before")
    # the first certificate makes the key that signs them
    certificates.advance_erasures(house.installation, at_once=True)
    house.talk("ana", "gone")
    account, conversation = house.accounts["ana"], house.chats["gone"]
    with counted(pool) as sent:
        verbs.apply_commands(
            house.installation,
            [Delete(account=account, at=house.installation.clock(), conversation=conversation)],
        )
    assert 0 < len(sent) <= DELETION_MAX, sent
    (erasure,) = house.query(
        "SELECT erasure_id FROM erasures WHERE conversation_id = %s", conversation
    )[0]
    with counted(pool) as sent:
        done = certificates.advance_erasures(
            house.installation, only=f"era_{erasure.hex}", at_once=True
        )
    assert done.certificates == 1
    assert 0 < len(sent) <= CERTIFICATE_MAX, sent


def test_no_statement_of_a_deletion_is_planned_at_each_execution(
    pool: Pool, tmp_path: Path
) -> None:
    house = House(pool, tmp_path)
    house.open("ana", allow=True)
    chats = [f"chat {number}" for number in range(12)]
    for chat in chats:
        house.talk("ana", chat)
    account, at = house.accounts["ana"], house.installation.clock()
    with transaction(pool) as tx:
        tx.execute("DEALLOCATE ALL")
        for chat in chats:
            gone = Delete(account=account, at=at, conversation=house.chats[chat])
            verbs.apply_commands_in(
                tx, house.installation.keyring, load_policies(house.installation), [gone]
            )
        plans = tx.execute(
            "SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements "
            "WHERE generic_plans + custom_plans > 6"
        ).fetchall()
    assert len(plans) == DELETION_MAX - 1, "without the policies, which the process has read"
    assert [text for text, generic, _ in plans if not generic] == []

"""The planner's statistics hold no samples of sealed bytes, wrapped keys and HMACs: no erasure reaches them there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg

from licet.store.connect import Pool, transaction
from licet.store.migrate import migrate, migrations

from ..installed import House

KEPT_OUT = {
    ("accounts", "wrapped_key"), ("key_pages", "slots"), ("turns", "host_hmac"), ("bodies", "sealed"),
    ("safety_bodies", "sealed"), ("found_names", "sealed"), ("feedback_bodies", "sealed"),
}  # fmt: skip
STEP = 44
SAMPLED = "SELECT tablename, attname FROM pg_stats WHERE schemaname = 'public'"


def test_after_analyze_there_is_no_sample_of_what_an_erasure_destroys(pool: Pool, tmp_path: Path) -> None:
    house = House(pool, tmp_path)
    house.open("ana", allow=True)
    for chat in ("one", "two", "three"):
        house.talk("ana", chat)
    with transaction(pool) as tx:
        tx.execute("ANALYZE")
    sampled = set(house.query(SAMPLED))
    assert {("bodies", "turn"), ("turns", "role"), ("accounts", "plan"), ("key_pages", "page")} <= sampled
    assert not KEPT_OUT & sampled


def test_samples_from_before_the_step_are_removed_by_it(databases: Callable[..., str]) -> None:
    with psycopg.connect(databases(migrated=False)) as conn:
        migrate(conn, tuple(step for step in migrations() if step.number < STEP))
        conn.execute(
            """INSERT INTO bodies (account_id, conversation_id, turn, segment, sealed)
               SELECT gen_random_uuid(), gen_random_uuid(), 1, 0, uuid_send(gen_random_uuid()) FROM generate_series(1, 50)"""
        )
        conn.execute("ANALYZE")
        conn.commit()
        assert ("bodies", "sealed") in conn.execute(SAMPLED).fetchall()
        conn.commit()
        migrate(conn)
        for _ in range(2):
            assert not KEPT_OUT & set(conn.execute(SAMPLED).fetchall())
            conn.execute("ANALYZE")

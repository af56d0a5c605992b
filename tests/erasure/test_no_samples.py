"""The planner's statistics hold no samples of sealed bytes, wrapped keys and HMACs: no erasure
reaches them there.
"""

from __future__ import annotations

from pathlib import Path

from licet.store.connect import Pool, transaction

from ..installed import House

KEPT_OUT = {
    ("accounts", "wrapped_key"), ("key_pages", "slots"), ("blocks", "hosts"), ("blocks", "sealed"),
    ("safety_bodies", "sealed"), ("found_names", "sealed"), ("feedback_bodies", "sealed"),
}  # fmt: skip
SAMPLED = "SELECT tablename, attname FROM pg_stats WHERE schemaname = 'public'"


def test_after_analyze_there_is_no_sample_of_what_an_erasure_destroys(
    pool: Pool, tmp_path: Path
) -> None:
    house = House(pool, tmp_path)
    house.open("ana", allow=True)
    for chat in ("one", "two", "three"):
        house.talk("ana", chat)
    with transaction(pool) as tx:
        tx.execute("ANALYZE")
    sampled = set(house.query(SAMPLED))
    assert {
        ("blocks", "first_turn"),
        ("blocks", "roles"),
        ("accounts", "plan"),
        ("key_pages", "page"),
    } <= sampled
    assert not KEPT_OUT & sampled

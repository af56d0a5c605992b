"""Rows of a release lie packed, and anyone who looks for them finds exactly those that a plain scan
of the release finds.

Histories are drawn: pages of rows, whose accounts go on from one page to the next, of conversations
that become one row or several; then rows are taken out again. What is expected comes from a list
that was kept beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.errors import BrokenError
from licet.release import registry, row_runs
from licet.release.registry import Release
from licet.release.row_runs import BLOCK_ROWS, RowSource, RowSources
from licet.store.connect import Pool, Transaction
from licet.train import withdrawn_rows
from licet.vault import certificate
from licet.vault.copies import CopyPlace

AT = datetime(2026, 1, 5, tzinfo=UTC)
ONE, OTHER = UUID(int=1), UUID(int=2)
ORIGINS = ("typed", "assistant", "voice.note", "tool")
NUMBERS = st.integers(0, 2**31 - 1) | st.integers(0, 300)
SEGMENTS = st.integers(0, 2**15 - 1) | st.integers(0, 130)


@st.composite
def drawn_rows(draw: st.DrawFn) -> list[RowSources]:
    keys = st.tuples(SEGMENTS, st.sampled_from([CopyPlace.vault, CopyPlace.safety]))
    sources = st.builds(
        RowSource, segment=SEGMENTS, origin=st.sampled_from(ORIGINS), turn=NUMBERS, count=NUMBERS
    )
    row = st.builds(
        RowSources,
        account=st.sampled_from([ONE, OTHER]),
        conversation=st.uuids(),
        ordinal=st.integers(0, 200),
        keys=st.lists(keys, min_size=1, max_size=4).map(tuple),
        sources=st.lists(sources, min_size=1, max_size=5).map(tuple),
    )
    return draw(st.lists(row, max_size=12, unique_by=lambda one: one.ordinal))


@given(drawn_rows())
def test_a_run_has_rows_of_one_account_and_one_block_and_they_come_out_as_they_went_in(
    rows: list[RowSources],
) -> None:
    found = []
    for run in row_runs.runs(rows):
        places = [packed[0] % BLOCK_ROWS for packed in run.sources]
        assert places[0] == 0 and run.first // BLOCK_ROWS == (run.first + max(places)) // BLOCK_ROWS
        found += [
            row_runs.unpack_row(
                run.account, conversation, run.first + place, run.origins.split(","), packed
            )
            for conversation, place, packed in zip(
                run.conversations, places, run.sources, strict=True
            )
        ]
    assert found == sorted(rows, key=lambda row: row.ordinal)


def test_a_key_that_lies_elsewhere_is_refused() -> None:
    row = RowSources(
        account=ONE, conversation=ONE, ordinal=0, keys=((0, CopyPlace.export),), sources=()
    )
    with pytest.raises(BrokenError, match="not in the place `export`"):
        list(row_runs.runs([row]))


@contextmanager
def begun(pool: Pool) -> Iterator[Transaction]:
    """A transaction that leaves nothing, in which two builds have begun and no reference stands in
    the way.
    """
    with pool.connection() as tx:
        tx.execute("SET LOCAL session_replication_role = replica")
        for release, name in ((ONE, "one"), (OTHER, "other")):
            registry.begin(
                tx,
                Release(
                    release_id=release,
                    name=name,
                    purpose="improve_models",
                    state="building",
                    version=0,
                    pinned=0,
                    begun_at=AT,
                    sealed_at=None,
                    position=None,
                    rows=None,
                    turns=None,
                    root=None,
                    manifest_sha256=None,
                ),
            )
        yield tx
        tx.rollback()


def made(draw: Random) -> list[RowSources]:
    """The rows of a release, in the order in which a build makes them; some are wide, and some rest
    on a safety copy.
    """
    rows: list[RowSources] = []
    for account in range(draw.randint(1, 12)):
        for chat in range(draw.choice((1, 2, 5, 40, 150))):
            for _ in range(draw.choice((1, 1, 1, 2))):
                segments = sorted(draw.sample(range(draw.choice((3, 400))), draw.choice((1, 1, 2))))
                place = draw.choice((CopyPlace.vault,) * 3 + (CopyPlace.safety,))
                rows.append(
                    RowSources(
                        account=UUID(int=account),
                        conversation=UUID(int=1000 * account + chat),
                        ordinal=len(rows),
                        keys=tuple((segment, place) for segment in segments),
                        sources=tuple(
                            RowSource(
                                segment=segment,
                                origin=draw.choice(ORIGINS),
                                turn=draw.choice((3, 255, 256, 70_000)),
                                count=2,
                            )
                            for segment in segments
                        ),
                    )
                )
    return rows


def registered(tx: Transaction, draw: Random, release: UUID) -> list[RowSources]:
    """Rows that were registered page by page, and of which some were taken out again; those that
    are left.
    """
    rows, start = made(draw), 0
    while start < len(rows):
        end = start + draw.randint(1, 130)
        registry.add_rows(tx, release, rows[start:end])
        start = end
    for _ in range(draw.randint(0, 3)):
        gone = [row for row in rows if draw.random() < draw.choice((0.01, 0.3, 0.95))]
        registry.drop_rows(tx, release, [row.ordinal for row in gone])
        rows = [row for row in rows if row not in gone]
    return rows


def scanned(tx: Transaction, release: UUID) -> list[RowSources]:
    return registry.rows_at(tx, release, range(2_000))


@pytest.mark.parametrize("seed", range(12))
def test_every_look_finds_what_a_plain_scan_finds(pool: Pool, seed: int) -> None:
    draw = Random(seed)
    with begun(pool) as tx:
        both = {release: registered(tx, draw, release) for release in (ONE, OTHER)}
        for release, rows in both.items():
            assert scanned(tx, release) == rows
            assert registry.rows_end(tx, release) == max(
                (row.ordinal + 1 for row in rows), default=0
            )
            first, end = sorted(draw.sample(range(700), 2))
            assert registry.ordinals(tx, release, first, end) == {
                n.ordinal for n in rows if first <= n.ordinal < end
            }
            asked = draw.sample(range(700), 20)
            assert registry.rows_at(tx, release, asked) == [
                row for row in rows if row.ordinal in asked
            ]
            assert registry.accounts_at(tx, release, asked) == {
                n.ordinal: n.account for n in rows if n.ordinal in asked
            }
            places = sorted(
                (UUID(int=draw.randint(0, 12)), UUID(int=draw.randint(0, 9000))) for _ in range(2)
            )
            assert registry.rows_within(tx, release, places[0], places[1]) == [
                row for row in rows if places[0] <= (row.account, row.conversation) <= places[1]
            ]
            check_endings(tx, draw, release, rows)
            check_erasures(tx, draw, both)


def check_endings(tx: Transaction, draw: Random, release: UUID, rows: Sequence[RowSources]) -> None:
    """Withdrawals of accounts, and deletions of conversations, as the build and the gate look for
    them.
    """
    ended = {
        (row.account, draw.choice((None, row.conversation)))
        for row in draw.sample(rows, min(len(rows), 4))
    }
    hit = {
        n.ordinal
        for n in rows
        if (n.account, None) in ended or (n.account, n.conversation) in ended
    }
    assert {row.ordinal for row in registry.rows_by_conversation(tx, release, ended)} == hit
    tx.execute("DELETE FROM journal")
    for number, (account, conversation) in enumerate(ended, 1):
        tx.execute(
            """INSERT INTO journal (account_id, seq, position, occurred_at, event, conversation_id,
               ends)
               VALUES (%s, %s, %s, %s, 'choice', %s, true)""",
            [account, number, number, AT, conversation],
        )
    assert set(withdrawn_rows.rows_touched(tx, release, 0, len(ended))) == hit


def check_erasures(tx: Transaction, draw: Random, both: dict[UUID, list[RowSources]]) -> None:
    """Every row of what is erased is told of each release, without those that rest on a safety copy
    alone.
    """
    some = draw.choice([row for rows in both.values() for row in rows] or made(draw))
    for conversation in (None, some.conversation):
        of = certificate.ErasureRecord(
            account=some.account,
            erasure=ONE,
            conversation=conversation,
            cause=certificate.ErasureCause.deletion,
            state=certificate.ErasureState.fenced,
            requested_at=AT,
            fenced_at=AT,
            shredded_at=None,
            swept_at=None,
            verified_at=None,
        )
        told = {
            release: sorted(ordinals)
            for release, ordinals in certificate.rows_by_release(tx, of).items()
        }
        expected = {
            release: [
                row.ordinal
                for row in rows
                if row.account == some.account
                and conversation in (None, row.conversation)
                and any(place is CopyPlace.vault for _, place in row.keys)
            ]
            for release, rows in both.items()
        }
        assert told == {release: ordinals for release, ordinals in expected.items() if ordinals}


@pytest.mark.parametrize("seed", range(4))
def test_the_last_rows_of_a_build_are_taken_out_in_steps_and_none_before_them(
    pool: Pool, seed: int
) -> None:
    draw = Random(seed)
    with begun(pool) as tx:
        rows = registered(tx, draw, ONE)
        first = draw.randint(0, len(rows))
        steps = 0
        while registry.drop_from(tx, ONE, first, 2):
            steps += 1
        assert scanned(tx, ONE) == [row for row in rows if row.ordinal < first]
        assert steps >= (1 if any(row.ordinal >= first for row in rows) else 0)


def test_sql_reads_the_keys_and_sources_that_were_packed(pool: Pool) -> None:
    with begun(pool) as tx:
        rows = registered(tx, Random(99), ONE)
        keys = tx.execute(
            """SELECT ordinal, array_agg(k.segment * 2 + k.is_safety::int ORDER BY k.place)
                 FROM release_rows CROSS JOIN LATERAL release_row_keys(sources) k
                   GROUP BY ordinal"""
        ).fetchall()
        assert dict(keys) == {
            n.ordinal: [s * 2 + (p is CopyPlace.safety) for s, p in n.keys] for n in rows
        }
        sources = tx.execute(
            """SELECT ordinal, s.segment, s.origin, s.turn, s.turns
                 FROM release_rows r CROSS JOIN LATERAL release_row_sources(r.sources,
                   r.origins) s"""
        ).fetchall()
        assert sorted(sources) == sorted(
            (row.ordinal, source.segment, source.origin, source.turn, source.count)
            for row in rows
            for source in row.sources
        )

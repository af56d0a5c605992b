"""The batched writer: one commit for many, nobody answered before it, a bad item alone in its
failure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from licet.errors import BrokenError, BusyError, UsageError
from licet.store.connect import (
    OutcomeUnknownError,
    Pool,
    StatementError,
    Transaction,
    UnreachableError,
    after_commit,
    open_pool,
    transaction,
)
from licet.store.writer import BatchWriter, Bounds

from ..waiting import HANG_SECONDS

INSERT = (
    "INSERT INTO kept (number) SELECT number FROM unnest(%s::int[]) WITH ORDINALITY AS "
    "u(number, place) ORDER BY place"
)


@pytest.fixture(scope="module")
def rows_dsn(databases: Callable[..., str]) -> str:
    dsn = databases(migrated=False)
    with psycopg.connect(dsn) as conn:
        conn.execute(
            "CREATE TABLE kept (place int GENERATED ALWAYS AS IDENTITY, xid xid8 DEFAULT "
            "pg_current_xact_id(),"
            " number int CONSTRAINT a_number_is_even CHECK (number % 2 = 0))"
        )
    return dsn


@pytest.fixture(scope="module")
def rows_pool(rows_dsn: str) -> Iterator[Pool]:
    with open_pool(rows_dsn) as pool:
        yield pool


@pytest.fixture
def rows(rows_pool: Pool) -> Pool:
    empty(rows_pool)
    return rows_pool


def empty(rows: Pool) -> None:
    with transaction(rows) as tx:
        tx.execute("TRUNCATE kept")


def keep(tx: Transaction, items: Sequence[int]) -> list[int]:
    tx.execute(INSERT, (list(items),))
    return [item * 10 for item in items]


def kept(rows: Pool) -> list[int]:
    with transaction(rows) as tx:
        return [number for (number,) in tx.execute("SELECT number FROM kept ORDER BY place")]


def commits(rows: Pool) -> int:
    with transaction(rows) as tx:
        return (tx.execute("SELECT count(DISTINCT xid) FROM kept").fetchone() or (0,))[0]


def test_many_items_share_a_commit_and_each_gets_its_own_result(rows: Pool) -> None:
    with BatchWriter(rows, keep, Bounds(gather_seconds=0.2)) as writer:
        futures = [writer.submit(number) for number in range(0, 200, 2)]
        assert [future.result() for future in futures] == [
            number * 10 for number in range(0, 200, 2)
        ]
    assert kept(rows) == list(range(0, 200, 2))
    assert commits(rows) == 1


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(numbers=st.lists(st.integers(0, 50), max_size=30), batch=st.integers(1, 8))
def test_exactly_the_bad_items_fail_and_the_others_keep_their_order(
    rows: Pool, numbers: list[int], batch: int
) -> None:
    empty(rows)
    with BatchWriter(rows, keep, Bounds(batch_rows_max=batch)) as writer:
        futures = [writer.submit(number) for number in numbers]
    for number, future in zip(numbers, futures, strict=True):
        if number % 2:
            error = future.exception()
            assert isinstance(error, StatementError)
            assert error.constraint == "a_number_is_even"
        else:
            assert future.result() == number * 10
    assert kept(rows) == [number for number in numbers if number % 2 == 0]


def test_nobody_is_answered_before_the_commit(rows: Pool, rows_dsn: str) -> None:
    applied, go = threading.Event(), threading.Event()

    def slow(tx: Transaction, items: Sequence[int]) -> list[int]:
        answers = keep(tx, items)
        applied.set()
        assert go.wait(600)
        return answers

    seen: list[int] = []

    def look(_: object) -> None:
        with psycopg.connect(rows_dsn) as conn:
            seen.extend(number for (number,) in conn.execute("SELECT number FROM kept"))

    with BatchWriter(rows, slow) as writer:
        future = writer.submit(2)
        future.add_done_callback(look)
        assert applied.wait(600)
        assert not future.done()
        assert kept(rows) == []
        go.set()
    assert seen == [2]


def test_each_submitters_order_is_kept(rows: Pool) -> None:
    with BatchWriter(rows, keep, Bounds(batch_rows_max=7)) as writer:

        def submit(start: int) -> None:
            for number in range(start, start + 100, 2):
                writer.submit(number)

        threads = [threading.Thread(target=submit, args=(start,)) for start in (0, 1000, 2000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = kept(rows)
    for start in (0, 1000, 2000):
        assert [number for number in found if start <= number < start + 100] == list(
            range(start, start + 100, 2)
        )


def test_closing_answers_everything_taken_and_takes_no_more(rows: Pool) -> None:
    writer = BatchWriter(rows, keep, Bounds(batch_rows_max=3))
    futures = [writer.submit(number) for number in range(0, 40, 2)]
    writer.close()
    assert all(future.done() for future in futures)
    assert kept(rows) == list(range(0, 40, 2))
    with pytest.raises(BusyError, match="closed"):
        writer.submit(2)
    writer.close()


def test_a_full_batch_waits_for_no_more_and_neither_does_one_that_is_closed(rows: Pool) -> None:
    never = Bounds(batch_rows_max=2, gather_seconds=10 * HANG_SECONDS)
    with BatchWriter(rows, keep, never) as writer:
        first = writer.submit(2)
        assert wait([first], 0.2).done == set(), "it waits for another"
        assert writer.submit(4).result(HANG_SECONDS) == 40
        assert first.result(0) == 20
        last = writer.submit(6)
    assert last.result(0) == 60


def test_who_comes_when_the_queue_is_full_is_held_back_then_refused(rows: Pool) -> None:
    go = threading.Event()

    def stuck(tx: Transaction, items: Sequence[int]) -> list[int]:
        assert go.wait(600)
        return keep(tx, items)

    with BatchWriter(
        rows, stuck, Bounds(batch_rows_max=1, queue_rows_max=2, wait_seconds_max=0.1)
    ) as writer:
        futures = [writer.submit(2)]
        while writer._waiting:
            time.sleep(0.001)
        futures += [writer.submit(4), writer.submit(6)]
        with pytest.raises(BusyError, match="`2` writes are waiting"):
            writer.submit(8)
        threading.Timer(0.02, go.set).start()
        futures.append(writer.submit(10))
    assert [future.result() for future in futures] == [20, 40, 60, 100]


def test_a_cancelled_item_is_not_written(rows: Pool) -> None:
    with BatchWriter(rows, keep, Bounds(gather_seconds=0.2)) as writer:
        first, second = writer.submit(2), writer.submit(4)
        assert first.cancel()
        assert second.result() == 40
    assert kept(rows) == [4]


def test_an_error_of_apply_reaches_its_item_only(rows: Pool) -> None:
    def picky(tx: Transaction, items: Sequence[int]) -> list[int]:
        if 4 in items:
            raise UsageError("no fours")
        return keep(tx, items)

    with BatchWriter(rows, picky, Bounds(gather_seconds=0.1)) as writer:
        futures = [writer.submit(number) for number in (2, 4, 6)]
    assert [type(future.exception()) for future in futures] == [type(None), UsageError, type(None)]
    assert kept(rows) == [2, 6]


def test_too_few_results_are_an_error_and_keep_nothing(rows: Pool) -> None:
    with BatchWriter(rows, lambda tx, items: keep(tx, items)[1:]) as writer:
        future = writer.submit(2)
    assert isinstance(future.exception(), BrokenError)
    assert kept(rows) == []


def test_a_connection_lost_before_the_commit_keeps_nothing_and_says_so(rows: Pool) -> None:
    calls = 0

    def cut(tx: Transaction, items: Sequence[int]) -> list[int]:
        nonlocal calls
        calls += 1
        answers = keep(tx, items)
        if calls == 1:
            with transaction(rows) as other:
                other.execute("SELECT pg_terminate_backend(%s, 1000)", (tx.info.backend_pid,))
            tx.execute("SELECT 1")
        return answers

    with BatchWriter(rows, cut, Bounds(gather_seconds=0.1)) as writer:
        lost = [writer.submit(2), writer.submit(4)]
        wait(lost)
        assert writer.submit(6).result() == 60
    assert [type(future.exception()) for future in lost] == [UnreachableError, UnreachableError]
    assert kept(rows) == [6]


def test_after_a_lost_connection_the_rest_of_a_bad_batch_is_not_tried_and_is_told_so(
    rows: Pool,
) -> None:
    tried: list[list[int]] = []

    def cut(tx: Transaction, items: Sequence[int]) -> list[int]:
        tried.append(list(items))
        if list(items) == [4]:
            with transaction(rows) as other:
                other.execute("SELECT pg_terminate_backend(%s, 1000)", (tx.info.backend_pid,))
        return keep(tx, items)

    with BatchWriter(rows, cut, Bounds(gather_seconds=0.2)) as writer:
        told = [writer.submit(number) for number in (3, 4, 6, 8)]
        wait(told)
        assert writer.submit(10).result(600) == 100, "the writer works on"
    assert tried == [[3, 4, 6, 8], [3], [4], [10]]
    assert [type(future.exception()) for future in told] == [
        StatementError,
        *[UnreachableError] * 3,
    ]
    assert kept(rows) == [10]


@pytest.mark.parametrize("committed", [True, False])
def test_a_connection_lost_during_the_commit_leaves_the_outcome_unknown_and_is_not_retried(
    rows: Pool, committed: bool
) -> None:
    calls = 0

    def vanish(tx: Transaction, items: Sequence[int]) -> list[int]:
        nonlocal calls
        calls += 1
        answers = keep(tx, items)
        if calls == 1:
            if committed:
                # The server commits, and its answer finds nobody.
                tx.pgconn.send_query(b"COMMIT; SELECT pg_terminate_backend(pg_backend_pid())")
                while kept(rows) != [2, 4]:
                    time.sleep(0.005)
            else:
                with transaction(rows) as other:
                    other.execute("SELECT pg_terminate_backend(%s, 1000)", (tx.info.backend_pid,))
        return answers

    with BatchWriter(rows, vanish, Bounds(gather_seconds=0.1)) as writer:
        lost = [writer.submit(2), writer.submit(4)]
        wait(lost)
    assert [type(future.exception()) for future in lost] == [
        OutcomeUnknownError,
        OutcomeUnknownError,
    ]
    assert calls == 1
    assert kept(rows) == ([2, 4] if committed else [])


def test_what_follows_a_commit_is_done_before_the_answer_and_beside_the_next_batch(
    rows: Pool,
) -> None:
    done: list[int] = []
    may, began = threading.Event(), threading.Event()

    def apply(tx: Transaction, items: Sequence[int]) -> list[int]:
        if 4 in items:
            began.set()
        after_commit(tx, lambda: (may.wait(600), done.extend(items))[1])
        return keep(tx, items)

    with BatchWriter(rows, apply, Bounds(batch_rows_max=1)) as writer:
        first, second = writer.submit(2), writer.submit(4)
        try:
            assert began.wait(600), "the second batch does not wait for what follows the first"
            assert not first.done()
            assert not second.done()
        finally:
            may.set()
        assert (first.result(600), second.result(600)) == (20, 40)
        assert done == [2, 4]


def test_a_batch_that_nothing_follows_is_answered_after_the_one_before_it(rows: Pool) -> None:
    may, third, order = threading.Event(), threading.Event(), list[int]()

    def apply(tx: Transaction, items: Sequence[int]) -> list[int]:
        if 2 in items:
            after_commit(tx, lambda: (may.wait(600), None)[1])
        if 6 in items:
            third.set()  # the writer is done with the second batch
        return keep(tx, items)

    with BatchWriter(rows, apply, Bounds(batch_rows_max=1)) as writer:
        told = [writer.submit(number) for number in (2, 4, 6)]
        for future in told:
            future.add_done_callback(lambda done: order.append(done.result()))
        try:
            assert third.wait(600)
            assert not told[1].done(), "what was submitted later is answered first"
        finally:  # the writer ends when what follows the first has ended
            may.set()
    assert order == [20, 40, 60]


def test_where_what_follows_a_commit_fails_everybody_in_it_is_told_and_nobody_is_tried_again(
    rows: Pool,
) -> None:
    def apply(tx: Transaction, items: Sequence[int]) -> list[int]:
        if 2 in items:
            after_commit(tx, fails)
        return keep(tx, items)

    def fails() -> None:
        raise OutcomeUnknownError("it could not be written", "try again")

    with BatchWriter(rows, apply, Bounds(gather_seconds=0.2)) as writer:
        told = [writer.submit(2), writer.submit(4)]
        assert [type(one.exception(600)) for one in told] == [OutcomeUnknownError] * 2
        assert writer.submit(6).result(600) == 60
    assert kept(rows) == [2, 4, 6]

"""A pool's connections are of the server that its examination takes, and the last refusal is kept
as long as it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from licet.errors import BusyError
from licet.store.primary import Admission, ReplicaError, refuse_replica

Connect = Callable[[], psycopg.Connection[tuple[object, ...]]]


@pytest.fixture
def connect(dsn: str) -> Iterator[Connect]:
    opened = []

    def made() -> psycopg.Connection[tuple[object, ...]]:
        opened.append(psycopg.connect(dsn))
        return opened[-1]

    yield made
    for conn in opened:
        conn.close()


def refuses(_: object) -> int:
    raise BusyError("another server answers")


def test_a_refusal_is_kept_until_a_connection_is_admitted(connect: Connect) -> None:
    admission, answers = Admission(), [refuses, refuse_replica]
    with admission.guarded(lambda conn: answers.pop(0)(conn)):
        refused = connect()
        with pytest.raises(BusyError, match="another server answers"):
            admission.check(refused)
        assert refused.closed
        assert str(admission.fault) == "another server answers"
        admission.check(connect())
        assert admission.fault is None


def test_behind_the_guarded_block_the_examination_of_before_holds_again(connect: Connect) -> None:
    admission = Admission()
    with admission.guarded(refuses), pytest.raises(BusyError):
        admission.check(connect())
    assert admission.fault is None
    admission.check(connect())
    reads_only = connect()
    reads_only.execute("SET default_transaction_read_only TO on")
    reads_only.commit()
    with pytest.raises(ReplicaError):
        admission.check(reads_only)

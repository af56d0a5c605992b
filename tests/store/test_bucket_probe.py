"""`licet doctor` finds a service that ignores the conditions of writes, a key that may not delete,
and a clock that is wrong.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from licet.errors import BusyError
from licet.store.bucket import TaggedObject, probe_bucket

from ..buckets import HeldBucket

NOW = datetime(2026, 11, 30, tzinfo=UTC)


class Service(HeldBucket):
    """A service that may ignore a condition, refuse to delete, and whose clock may be wrong."""

    def __init__(
        self, ignores: str = "", *, deletes: bool = True, ahead: timedelta = timedelta()
    ) -> None:
        super().__init__()
        self._ignores, self._deletes, self._ahead = ignores, deletes, ahead

    def _write(self, name: str, content: bytes, mode: Any) -> str | None:
        if self._ignores != ("If-None-Match" if mode == "create" else "If-Match"):
            return super()._write(name, content, mode)
        self.tags += 1
        self.held[name] = TaggedObject(content, f"{self.tags}")
        return f"{self.tags}"

    def written(self, prefix: str) -> dict[str, datetime]:
        return dict.fromkeys(self.names(prefix), NOW + self._ahead)

    def delete(self, name: str) -> None:
        if not self._deletes:
            raise BusyError("refused")
        super().delete(name)


def test_a_service_that_keeps_its_promises_is_left_as_it_was() -> None:
    service = Service()
    assert probe_bucket(service, NOW) == ((), 0.0, True)
    assert service.held == {}


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_condition_that_is_ignored_is_named(header: str) -> None:
    assert probe_bucket(Service(header), NOW).ignored == (header,)


def test_a_clock_that_is_wrong_and_a_key_that_may_not_delete_are_told() -> None:
    seen = probe_bucket(Service(deletes=False, ahead=timedelta(minutes=-20)), NOW)
    assert seen == ((), -1_200.0, False)


def test_a_service_that_does_not_answer_is_no_answer() -> None:
    service = Service()
    service.fails = {0: "lost"}
    with pytest.raises(BusyError):
        probe_bucket(service, NOW)

"""Everything that a server depends on, stopped in turn: what needs it is refused with a code that
names it, all else is answered, and all goes on once it is back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from bench.hanging import AskedServer, HangFigures, HangingService, play

from .. import hanging

PLAYS_MAX = 5
World = Callable[[Path], AbstractContextManager[tuple[AskedServer, list[HangingService]]]]


def played(server: AskedServer, service: HangingService) -> HangFigures:
    """Figures in which nothing else was silent: on a machine that is busy with other things even a
    database that runs may not answer within its time.
    """
    harm = next(iter(service.harms))  # it is stopped; of the disk: it is full
    for _ in range(PLAYS_MAX):
        figures = play(server, service, harm)
        if {one.because for one in figures.refused} <= {service.because}:
            break
    return figures


@pytest.mark.parametrize("world", [hanging.world, hanging.token_world])
def test_each_route_is_answered_and_who_hangs_is_named(world: World, tmp_path: Path) -> None:
    with world(tmp_path) as (server, services):
        for service in services:
            figures = played(server, service)
            assert figures.named_seconds < float("inf"), service.name
            assert figures.back_seconds < float("inf"), service.name
            assert {one.because for one in figures.refused} <= {service.because}, figures
            assert {one.route for one in figures.refused} <= service.may_stop, figures
            # what an identity provider says of itself is cached for a minute
            assert figures.refused or service.may_stop <= {"sign-in"}, figures
            assert {one.status for one in figures.answers if one.status >= 500} <= {503}, figures

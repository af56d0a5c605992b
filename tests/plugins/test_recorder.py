"""The two halves of a live integration against a real server: a gate that fails closed, and turns
that arrive once or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from licet.access.roles import Scope
from licet.client import ConversationTurn
from licet.plugins import gates, recorder
from licet.plugins.gates import GatePermit
from licet.plugins.recorder import Recorder
from licet.plugins.settings import PluginSettings
from licet.store.connect import Pool
from licet.vault.commands import Choose, Delete

from ..web.served import AFTER, NOTICE, World, listening
from .beside import free_port, wait_until


class Beside:
    """A recorder, and the world whose server it sends to, which may be away."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder, self.key_file = world, folder, folder / "key"
        self.key_file.write_text(world.key(Scope.gate_read, Scope.turns_write))

    def recorder(self, url: str) -> Recorder:
        return Recorder(
            PluginSettings(
                url=url, key_file=self.key_file, spool=self.folder / "spool", surface="app"
            )
        )

    def asked(self) -> int:
        return int(
            sum(
                sample.value
                for metric in self.world.app.state.edge.registry.collect()
                for sample in metric.samples
                if sample.name == "licet_requests_total" and "/gate" in sample.labels["route"]
            )
        )


@pytest.fixture
def beside(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beside]:
    monkeypatch.setattr(recorder, "GATHER_SECONDS", 0.01)
    monkeypatch.setattr(recorder, "WAIT_SECONDS_MAX", 0.1)
    world = World(pool, tmp_path / "data")
    world.open("bo")
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    yield Beside(world, tmp_path)


def turn(name: str, number: int) -> ConversationTurn:
    return ConversationTurn(
        account=f"host:{name}",
        conversation="host:c",
        id=str(number),
        text=f"said {number}",
        surface="app",
    )


async def permits(made: Recorder, *names: str) -> list[tuple[str, GatePermit | None]]:
    """The gates of these accounts, asked at once."""
    found = await asyncio.gather(*(made.permit(f"host:{name}") for name in names))
    await made._asking.close()  # this loop ends before the recorder does
    return list(found)


def delivered(made: Recorder) -> dict[str, int]:
    wait_until(lambda: made.spool.size == 0)
    made.close()
    return made.counts


def test_many_calls_of_an_account_at_once_ask_its_gate_once(beside: Beside) -> None:
    with listening(beside.world.app) as url:
        made = beside.recorder(url)
        found = asyncio.run(permits(made, *["ana"] * 20, "bo"))
        made.close()
    assert [gate for gate, _ in found] == ["open"] * 20 + ["notice"]
    assert all(permit is not None for _, permit in found)
    assert beside.asked() == 2


def test_a_gate_that_cannot_be_known_gives_no_permit_and_is_not_asked_again_at_once(
    beside: Beside,
) -> None:
    made = beside.recorder(f"http://127.0.0.1:{free_port()}")
    found = asyncio.run(permits(made, "ana", "ana"))
    assert [(gate, permit) for gate, permit in found] == [("unknown", None)] * 2
    assert made.gates.known("host:ana") is not None
    made.close()
    assert made.counts == {"gate: unknown, BusyError": 2}
    with listening(beside.world.app) as url:
        stranger = beside.recorder(url)
        assert asyncio.run(permits(stranger, "nobody we know")) == [("unknown", None)]
        stranger.close()


@pytest.mark.parametrize("harm", ["a key that is none", "no key"])
def test_a_key_that_does_not_hold_gives_no_permit(beside: Beside, harm: str) -> None:
    if harm == "no key":
        beside.key_file.unlink()
    else:
        beside.key_file.write_text("licet_nonsense")
    with listening(beside.world.app) as url:
        made = beside.recorder(url)
        assert [gate for gate, _ in asyncio.run(permits(made, "ana"))] == ["unknown"]
        made.close()


def test_no_answer_is_remembered_longer_than_a_minute(beside: Beside) -> None:
    assert gates.GATE_SECONDS <= 60
    assert gates.UNKNOWN_SECONDS <= gates.GATE_SECONDS


def test_what_cannot_be_delivered_waits_for_licet_and_for_the_next_process(beside: Beside) -> None:
    away = beside.recorder(f"http://127.0.0.1:{free_port()}")
    for number in range(3):
        on_disk = away.keep(GatePermit(account="host:ana", grant=1), [turn("ana", number)])
        assert on_disk is not None
        on_disk.wait()
    away.close()
    assert away.counts == {"spooled": 3}
    with listening(beside.world.app) as url:
        assert delivered(beside.recorder(url)) == {"delivered: done": 3}
    assert beside.world.rows("SELECT count(*) FROM turns") == [(3,)]


def test_what_was_said_before_a_yes_that_came_later_is_let_go(beside: Beside) -> None:
    beside.world.open("cleo", allow=False)
    away = beside.recorder(f"http://127.0.0.1:{free_port()}")
    for name in ("cleo", "bo"):
        on_disk = away.keep(GatePermit(account=f"host:{name}", grant=0), [turn(name, 1)])
        assert on_disk is not None
        on_disk.wait()
    away.close()
    at = NOTICE + timedelta(minutes=1)
    beside.world.clock.set(at)
    beside.world.tell(
        Choose(account=beside.world.accounts["cleo"], at=at, allow=True, via="settings")
    )
    with listening(beside.world.app) as url:
        assert delivered(beside.recorder(url)) == {
            "refused: before_the_yes": 1,
            "delivered: done": 1,
        }
    assert beside.world.rows("SELECT grants FROM segments") == [([],)]


def test_what_was_said_under_a_yes_that_was_taken_back_and_given_again_is_let_go(
    beside: Beside,
) -> None:
    away = beside.recorder(f"http://127.0.0.1:{free_port()}")
    on_disk = away.keep(GatePermit(account="host:ana", grant=1), [turn("ana", 1)])
    assert on_disk is not None
    on_disk.wait()
    away.close()
    for minutes, allow in ((1, False), (2, True)):
        at = NOTICE + timedelta(minutes=minutes)
        beside.world.clock.set(at)
        beside.world.tell(
            Choose(account=beside.world.accounts["ana"], at=at, allow=allow, via="settings")
        )
    with listening(beside.world.app) as url:
        assert delivered(beside.recorder(url)) == {"refused: before_the_yes": 1}
    assert beside.world.rows("SELECT count(*) FROM turns") == [(0,)]


def test_a_yes_of_the_last_minute_is_seen_although_the_gate_is_remembered(beside: Beside) -> None:
    beside.world.open("emil", allow=False)
    with listening(beside.world.app) as url:
        made = beside.recorder(url)
        ((_, permit),) = asyncio.run(permits(made, "emil"))
        at = NOTICE + timedelta(seconds=10)
        beside.world.clock.set(at)
        beside.world.tell(
            Choose(account=beside.world.accounts["emil"], at=at, allow=True, via="settings")
        )
        assert permit is not None
        made.keep(permit, [turn("emil", 1)])
        assert delivered(made) == {"spooled": 1, "refused: before_the_yes": 1}
    assert beside.world.rows("SELECT count(*) FROM turns") == [(0,)]


def test_what_licet_refuses_is_counted_by_reason_and_let_go(beside: Beside) -> None:
    conversation = beside.world.say("ana", "c")
    (row,) = beside.world.rows("SELECT conversation_id FROM conversations")
    beside.world.tell(Delete(account=beside.world.accounts["ana"], at=NOTICE, conversation=row[0]))
    assert conversation
    beside.world.open("dora")
    beside.world.clock.set(AFTER)
    with listening(beside.world.app) as url:
        made = beside.recorder(url)
        for name in ("ana", "dora"):
            made.keep(GatePermit(account=f"host:{name}", grant=1), [turn(name, 1)])
        made.keep(
            GatePermit(account="host:ana", grant=1),
            [ConversationTurn(account="host:ana", conversation="host:", text="x")],
        )
        counts = delivered(made)
    assert counts == {
        "spooled": 3,
        "refused: deleted": 1,
        "refused: must_decide": 1,
        "delivered: done": 1,
    }


def test_nothing_that_is_recorded_shows_in_the_log(
    beside: Beside, caplog: pytest.LogCaptureFixture
) -> None:
    made = beside.recorder(f"http://127.0.0.1:{free_port()}")
    secret = ConversationTurn(
        account="host:Heliotrope", conversation="host:Heliotrope", id="1", text="Heliotrope"
    )
    made.keep(GatePermit(account="host:Heliotrope", grant=0), [secret])
    made.refused("the gate: must_decide", "refused: must_decide")
    made.close()
    assert "Heliotrope" not in caplog.text
    assert "not recorded" in caplog.text

"""A host against a real server: a gate that is cached as long as it says, a rule for outages, and
turns that arrive once, stamped with what held when they were said.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import httpx
import msgspec
import pytest

from licet import client
from licet.access.roles import Scope
from licet.client import BulkItem, ConversationTurn, GateResult
from licet.host import Event, GatePermit, Host, HostSettings, Outage, ReasonCode, delivery
from licet.host.asgi import ChatExchange
from licet.store.connect import Pool
from licet.vault.commands import Choose, Delete, Hold, Unhold
from licet.webhooks import endpoints

from ..plugins.beside import free_port
from ..waiting import wait_until
from ..web.served import AFTER, NOTICE, World, listening


class Beside:
    """A host, and the world whose server it sends to, which may be away."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder, self.key_file = world, folder, folder / "key"
        self.key_file.write_text(world.key(Scope.gate_read, Scope.turns_write))

    def host(
        self,
        url: str,
        outage: Outage = Outage.block,
        *,
        events: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> Host:
        settings = HostSettings(
            url=url,
            key_file=self.key_file,
            spool=self.folder / "spool",
            outage=outage,
            events=events,
        )
        return Host(settings, on_event=on_event)

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
    monkeypatch.setattr(delivery, "GATHER_SECONDS", 0.01)
    monkeypatch.setattr(delivery, "WAIT_SECONDS_MAX", 0.1)
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


def permit(name: str, grant: int) -> GatePermit:
    return GatePermit(
        account=f"host:{name}", gate="open", may_write=True, may_record=True, grant=grant
    )


async def gates(made: Host, *names: str) -> list[GatePermit]:
    """The gates of these accounts, asked at once."""
    return list(await asyncio.gather(*(made.gate(f"host:{name}") for name in names)))


def delivered(made: Host) -> dict[str, int]:
    wait_until(lambda: made.spool.size == 0)
    made.close()
    return made.counts


def recorded(made: Host, *of: tuple[str, int, int]) -> None:
    """A turn for each account, grant and number, on disk."""
    for name, grant, number in of:
        assert made.record(permit(name, grant), [turn(name, number)]).result()


def nobody() -> str:
    """An address at which nothing listens."""
    return f"http://127.0.0.1:{free_port()}"


def test_many_calls_of_an_account_at_once_ask_its_gate_once(beside: Beside) -> None:
    with listening(beside.world.app) as url:
        made = beside.host(url)
        found = asyncio.run(gates(made, *["ana"] * 20, "bo"))
        found.append(made.gate_now("host:ana"))
        made.close()
    assert [one.gate for one in found] == ["open"] * 20 + ["notice", "open"]
    assert all(one.may_write and one.may_record for one in found)
    assert [found[0].grant, found[20].grant] == [1, 0]
    assert beside.asked() == 2


def test_an_answer_is_used_for_as_long_as_it_says_and_refreshed_before(beside: Beside) -> None:
    """The last minute of the last day to decide: the answer holds until midnight."""
    midnight = AFTER.replace(day=29, hour=0)
    beside.world.clock.set(midnight - timedelta(seconds=20))
    with listening(beside.world.app) as url:
        made = beside.host(url)
        assert made.gate_now("host:bo").gate == "notice"
        seen = made.gates._seen["host:bo"]
        assert seen.answer.fresh_seconds == 20
        made.gates._seen["host:bo"] = type(seen)(seen.answer, seen.until, 0.0)
        beside.world.clock.set(midnight)
        assert made.gate_now("host:bo").gate == "notice"  # nobody waits for the new one
        wait_until(lambda: made.gate_now("host:bo").gate == "must_decide")
        refused = made.gate_now("host:bo")
        assert (refused.may_write, refused.because) == (False, ReasonCode.must_decide)
        assert refused.choice == f"{url}/notice"
        last = made.gates.last("host:bo")
        assert last is not None and last.fresh_seconds == 5, "who answers can write soon"
        made.close()


@pytest.mark.parametrize("outage", Outage)
def test_while_nobody_answers_a_chat_is_blocked_or_kept(beside: Beside, outage: Outage) -> None:
    made = beside.host(nobody(), outage)
    found = asyncio.run(gates(made, "ana", "ana"))
    keeps = outage is Outage.allow_and_keep
    assert [(one.gate, one.may_write, one.may_record) for one in found] == [
        ("unknown", keeps, keeps)
    ] * 2
    assert found[0].because == ReasonCode.connection_refused
    assert made.record(found[0], [turn("ana", 1)]).result() is keeps
    assert made.gates.cached("host:ana") is not None, "it is not asked again at once"
    made.close()


class Gates:
    """A server that answers every gate as open, but for the account `late`, whose answer waits for
    ``goes_on``, and those in ``failing``, about which it answers 500. It takes turns, but a proxy
    before it answers 413 to bodies of more than ``body_bytes_max``, and while ``proxy_status`` is
    set that status to all. ``last_status`` is that of the last turn of a request.
    """

    def __init__(self) -> None:
        self.goes_on, self.begun = threading.Event(), threading.Event()
        self.failing = set[str]()
        self.asked: list[str] = []
        self.taken: list[str] = []  # the ids of turns
        self.proxied = 0
        self.proxy_status, self.body_bytes_max, self.last_status = 0, 2**30, 201
        gates = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.split("/")[3].removeprefix("host:")
                gates.asked.append(name)
                if name == "late":
                    gates.begun.set()
                    gates.goes_on.wait()
                answer = GateResult(
                    account=f"acc_{name}",
                    gate="open",
                    may_write=True,
                    standings={},
                    unanswered=(),
                    grant=1,
                    policy="1",
                    decide_by=None,
                )
                fails = name in gates.failing
                body = (
                    b'{"type": "urn:licet:problem:broken"}'
                    if fails
                    else msgspec.json.encode(answer)
                )
                with suppress(OSError):  # the late one is not waited for any more
                    self.send_response(500 if fails else 200)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = gates.proxy_status or 413 * (len(body) > gates.body_bytes_max)
                answer = b"<html>a proxy answers</html>"
                if not status:
                    ids = [str(msgspec.json.decode(line)["id"]) for line in body.splitlines()]
                    gates.taken += ids
                    items = [BulkItem(line=n, status=201, outcome="done") for n in range(len(ids))]
                    items[-1] = msgspec.structs.replace(items[-1], status=gates.last_status)
                    answer = b"\n".join(map(msgspec.json.encode, items))
                self.send_response(status or 200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                gates.proxied += bool(status)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def open_gates(tmp_path: Path) -> Iterator[tuple[Gates, Host]]:
    server = Gates()
    (tmp_path / "key").write_text("licet_0123456789")
    made = Host(
        HostSettings(
            url=server.url,
            key_file=tmp_path / "key",
            spool=tmp_path / "spool",
            gate_timeout_seconds=1.0,
        )
    )
    yield server, made
    server.goes_on.set()
    made.close()
    server.close()


def test_a_gate_that_is_late_alone_closes_no_other_one(open_gates: tuple[Gates, Host]) -> None:
    server, made = open_gates
    late = made.gates.ask("host:late")
    server.begun.wait()
    assert made.gate_now("host:ana").gate == "open"
    assert late.result().because == ReasonCode.late
    assert made.gate_now("host:bo").gate == "open", "Licet answers: it is asked"


def test_one_chat_that_cannot_reach_licet_spares_the_others_the_wait(
    open_gates: tuple[Gates, Host],
) -> None:
    server, made = open_gates
    server.close()
    first = made.gates.ask("host:ana").result()
    assert first.because == ReasonCode.connection_refused
    assert made.gates.ask("host:bo").result() is first


def test_while_licet_answers_nobody_but_with_errors_only_the_first_chats_ask_it(
    open_gates: tuple[Gates, Host],
) -> None:
    server, made = open_gates
    server.failing = {"ana"}
    assert made.gate_now("host:ana").because == ReasonCode.broken
    assert made.gate_now("host:bo").gate == "open", "an error about one account is its own"
    server.failing = {"c1", "c2", "c3"}
    for name in ("c1", "c2", "c3"):
        assert made.gate_now(f"host:{name}").because == ReasonCode.broken
    assert made.gate_now("host:c4").because == ReasonCode.broken
    assert server.asked == ["ana", "bo", "c1", "c2", "c3"]


@pytest.mark.parametrize("outage", Outage)
def test_an_account_that_is_not_known_is_no_outage(beside: Beside, outage: Outage) -> None:
    with listening(beside.world.app) as url:
        made = beside.host(url, outage)
        stranger = made.gate_now("host:nobody we know")
        made.close()
    assert (stranger.may_write, stranger.may_record) == (False, False)
    assert stranger.because == ReasonCode.no_account


def test_a_no_that_was_seen_stands_during_an_outage(beside: Beside) -> None:
    beside.world.clock.set(AFTER)
    with listening(beside.world.app) as url:
        made = beside.host(url, Outage.allow_and_keep)
        assert made.gate_now("host:bo").because == ReasonCode.must_decide
        assert made.gate_now("host:ana").may_write
    made.gates._seen.clear()  # a minute passes
    for _ in range(2):  # the one that waited, and those that do not
        assert (made.gate_now("host:bo").may_write, made.gate_now("host:bo").because) == (
            False,
            ReasonCode.must_decide,
        )
        kept = made.gate_now("host:ana")
        assert (kept.may_write, kept.may_record, kept.grant) == (True, True, 1)
    made.close()


@pytest.mark.parametrize("harm", ["a key that is none", "no key"])
def test_a_key_that_does_not_hold_gives_no_permit(beside: Beside, harm: str) -> None:
    if harm == "no key":
        beside.key_file.unlink()
    else:
        beside.key_file.write_text("licet_nonsense")
    with listening(beside.world.app) as url:
        made = beside.host(url)
        found = made.gate_now("host:ana")
        made.close()
    expected = ReasonCode.key_file_missing if harm == "no key" else ReasonCode.key_unknown
    assert (found.may_write, found.because) == (False, expected)


def test_what_cannot_be_delivered_waits_for_licet_and_for_the_next_process(beside: Beside) -> None:
    away = beside.host(nobody())
    recorded(away, *(("ana", 1, number) for number in range(3)))
    away.close()
    assert away.counts == {"spooled": 3}
    with listening(beside.world.app) as url:
        assert delivered(beside.host(url)) == {"delivered: done": 3}
    assert beside.world.rows("SELECT count(*) FROM turns") == [(3,)]


def test_what_was_said_before_a_yes_is_stored_and_not_under_it(beside: Beside) -> None:
    beside.world.open("cleo", allow=False)
    away = beside.host(nobody())
    recorded(away, ("cleo", 0, 1), ("bo", 0, 1))
    away.close()
    at = NOTICE + timedelta(minutes=1)
    beside.world.clock.set(at)
    beside.world.tell(
        Choose(account=beside.world.accounts["cleo"], at=at, allow=True, via="settings")
    )
    with listening(beside.world.app) as url:
        assert delivered(beside.host(url)) == {"delivered: done": 2}
    assert beside.world.rows("SELECT grants FROM segments") == [([],), ([],)]


def test_what_was_said_under_a_yes_that_was_taken_back_and_given_again_is_under_neither(
    beside: Beside,
) -> None:
    away = beside.host(nobody())
    recorded(away, ("ana", 1, 1))
    away.close()
    for minutes, allow in ((1, False), (2, True)):
        at = NOTICE + timedelta(minutes=minutes)
        beside.world.clock.set(at)
        beside.world.tell(
            Choose(account=beside.world.accounts["ana"], at=at, allow=allow, via="settings")
        )
    with listening(beside.world.app) as url:
        assert delivered(beside.host(url)) == {"delivered: done": 1}
    assert beside.world.rows("SELECT grants FROM segments") == [([],)]


def test_a_yes_that_still_holds_when_a_turn_arrives_late_is_its_stamp(beside: Beside) -> None:
    away = beside.host(nobody(), Outage.allow_and_keep)
    recorded(away, ("ana", 1, 1))
    away.close()
    beside.world.clock.set(NOTICE + timedelta(hours=1))
    with listening(beside.world.app) as url:
        assert delivered(beside.host(url)) == {"delivered: done": 1}
    ((grants,),) = beside.world.rows("SELECT grants FROM segments")
    assert grants != []


def test_a_yes_of_the_last_minute_does_not_cover_what_the_cached_gate_let_through(
    beside: Beside,
) -> None:
    beside.world.open("emil", allow=False)
    with listening(beside.world.app) as url:
        made = beside.host(url)
        under = made.gate_now("host:emil")
        at = NOTICE + timedelta(seconds=10)
        beside.world.clock.set(at)
        beside.world.tell(
            Choose(account=beside.world.accounts["emil"], at=at, allow=True, via="settings")
        )
        made.record(under, [turn("emil", 1)])
        assert delivered(made) == {"spooled": 1, "delivered: done": 1}
    assert beside.world.rows("SELECT grants FROM segments") == [([],)]


def test_what_licet_refuses_is_counted_by_reason_and_let_go(beside: Beside) -> None:
    beside.world.say("ana", "c")
    (row,) = beside.world.rows("SELECT conversation_id FROM conversations")
    beside.world.tell(Delete(account=beside.world.accounts["ana"], at=NOTICE, conversation=row[0]))
    beside.world.open("dora")
    beside.world.clock.set(AFTER)
    with listening(beside.world.app) as url:
        made = beside.host(url)
        recorded(made, ("ana", 1, 1), ("dora", 1, 1), ("nobody", 0, 1))
        unnamed = ConversationTurn(account="host:ana", conversation="host:", text="x")
        made.record(permit("ana", 1), [unnamed])
        counts = delivered(made)
    assert counts == {
        "spooled": 4,
        "refused: deleted": 1,
        "refused: must_decide": 1,
        "refused: no_account": 1,
        "delivered: done": 1,
    }


@pytest.mark.parametrize("status", [400, 403, 404, 405, 408, 502])
def test_turns_wait_while_a_proxy_answers_for_licet(
    open_gates: tuple[Gates, Host], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "WAIT_SECONDS_MAX", 0.05)
    server, made = open_gates
    server.proxy_status = status
    recorded(made, ("ana", 1, 1), ("ana", 1, 2))
    wait_until(lambda: server.proxied > 2)
    assert made.spool.size > 0
    server.proxy_status = 0
    assert delivered(made) == {"spooled": 2, "delivered: done": 2}
    assert server.taken == ["1", "2"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_turns_of_which_licet_cannot_take_one_now_are_all_sent_again(
    open_gates: tuple[Gates, Host], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "WAIT_SECONDS_MAX", 0.01)
    server, made = open_gates
    server.last_status = status
    assert made.record(permit("ana", 1), [turn("ana", 1), turn("ana", 2)]).result()
    wait_until(lambda: len(server.taken) > 2 or not made.spool.size)
    assert made.spool.size > 0
    server.last_status = 201
    assert delivered(made) == {"spooled": 2, "delivered: done": 2}


@pytest.mark.parametrize("limit", ["the proxy's", "the client's"])
def test_turns_are_sent_in_requests_as_large_as_are_taken(
    open_gates: tuple[Gates, Host], limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, made = open_gates
    small = [msgspec.structs.replace(turn("ana", n), text="x" * 300) for n in range(9)]
    large = msgspec.structs.replace(turn("ana", 10), text="x" * 3_000)
    if limit == "the proxy's":
        server.body_bytes_max = 2_000
    else:
        monkeypatch.setattr(client, "BULK_BYTES_MAX", 2_000)
    assert made.record(permit("ana", 1), [*small, large]).result()
    counts = delivered(made)
    assert counts == {"spooled": 10, "delivered: done": 9, "refused: too_large": 1}
    assert server.taken == [str(n) for n in range(9)]


def test_what_was_streamed_when_a_person_leaves_is_what_is_recorded(beside: Beside) -> None:
    async def model() -> AsyncIterator[str]:
        for part in ("In ", "November, ", "with its roots spread wide."):
            yield part

    async def leave_after_two() -> None:
        exchange = ChatExchange(made, await made.gate("host:ana"))
        exchange.say("When do I plant it?", conversation="c", id="1")
        answer = exchange.answer(model(), conversation="c", id="2")
        assert [await anext(answer), await anext(answer)] == ["In ", "November, "]
        await answer.aclose()
        assert await asyncio.wrap_future(exchange.finish())

    with listening(beside.world.app) as url:
        made = beside.host(url)
        asyncio.run(leave_after_two())
        assert delivered(made)["delivered: done"] == 2
        kept = httpx.get(
            f"{url}/v1/conversations/host:c/turns", headers=beside.world.person("ana")
        ).json()
    assert [turn["text"] for turn in kept["items"]] == ["When do I plant it?", "In November, "]


def test_nothing_that_is_recorded_shows_in_the_log(
    beside: Beside, caplog: pytest.LogCaptureFixture
) -> None:
    made = beside.host(nobody())
    secret = ConversationTurn(
        account="host:Heliotrope", conversation="host:Heliotrope", id="1", text="Heliotrope"
    )
    made.record(permit("Heliotrope", 0), [secret])
    refused = GatePermit(
        account="host:Heliotrope", gate="closed", may_write=False, may_record=False
    )
    made.record(refused, [secret])
    made.close()
    assert "Heliotrope" not in caplog.text
    assert "not recorded" in caplog.text


def test_events_are_followed_from_where_the_last_process_was(beside: Beside) -> None:
    endpoints.add(beside.world.installation, "archive", None)
    beside.key_file.write_text(
        beside.world.key(Scope.gate_read, Scope.turns_write, Scope.events_read)
    )
    heard: list[str] = []

    def hear(event: Event) -> None:
        heard.append(event.type)

    with listening(beside.world.app) as url:
        for number in range(2):
            conversation = beside.world.say("ana", f"c{number}")
            made = beside.host(url, events=True, on_event=hear)
            made.verify()
            made.gate_now("host:ana")
            asked = beside.asked()
            named = UUID(hex=conversation.removeprefix("conv_"))
            beside.world.tell(
                Delete(account=beside.world.accounts["ana"], at=NOTICE, conversation=named)
            )
            wait_until(lambda seen=number + 1: len(heard) >= seen)
            made.gate_now("host:ana")  # only a choice changes it
            made.close()
            assert beside.asked() == asked
    assert heard == ["conversation.must_leave"] * 2


def hold_and_delete(world: World) -> str:
    """Holds a conversation of Ana's, which she then deletes, ends the hold, and returns its id."""
    conversation = world.say("ana", "held")
    named = UUID(hex=conversation.removeprefix("conv_"))
    account = world.accounts["ana"]
    for command in (
        Hold(account=account, at=NOTICE, conversation=named, matter="Kettle v. Pan"),
        Delete(account=account, at=NOTICE, conversation=named),
        Unhold(account=account, at=NOTICE, conversation=named, matter="Kettle v. Pan"),
    ):
        world.tell(command)
    return conversation


HEARD_OF_HOLD = ["conversation.must_hold", "conversation.must_leave", "conversation.hold_ended"]


def test_a_hold_is_heard_in_the_order_of_what_must_leave(beside: Beside) -> None:
    endpoints.add(beside.world.installation, "archive", None)
    beside.key_file.write_text(
        beside.world.key(Scope.gate_read, Scope.turns_write, Scope.events_read)
    )
    heard: list[Event] = []
    conversation = hold_and_delete(beside.world)
    with listening(beside.world.app) as url:
        made = beside.host(url, events=True, on_event=heard.append)
        wait_until(lambda: len(heard) >= 3)
        made.close()
    assert [event.type for event in heard] == HEARD_OF_HOLD
    assert {event.data["conversation"] for event in heard} == {conversation}


def test_a_choice_is_heard_before_the_cached_gate_ends(beside: Beside) -> None:
    endpoints.add(beside.world.installation, "archive", None)
    beside.key_file.write_text(
        beside.world.key(Scope.gate_read, Scope.turns_write, Scope.events_read)
    )
    with listening(beside.world.app) as url:
        made = beside.host(url, events=True)
        assert made.gate_now("host:bo").gate == "notice"
        beside.world.tell(
            Choose(account=beside.world.accounts["bo"], at=NOTICE, allow=True, via="settings")
        )
        wait_until(lambda: made.gate_now("host:bo").grant == 1)
        made.close()

"""The client against a real server, through a wire that loses answers and a server that is busy:
done once, or not at all.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from licet import client
from licet.access.roles import Scope
from licet.agent.api_transport import ApiTransport
from licet.client import AsyncClient, Client, ConversationTurn, ReasonCode, UnansweredError
from licet.consent import acts, request_register, rights_requests
from licet.errors import BusyError, DeniedError, GateError, NotFoundError, RefusedError, UsageError
from licet.host.gate_cache import GateCache
from licet.policy.file import preset
from licet.service import explanations
from licet.web.api import rights, schema
from licet.webhooks import acknowledgements

from ..agent.transcripts import Coder
from ..web.browsing import launched
from ..web.served import AFTER, NOTICE, World, listening, url, world

__all__ = ["url", "world"]  # fixtures


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short here."""
    monkeypatch.setattr(client, "WAIT_SECONDS", 0.001)
    monkeypatch.setattr(client, "WAIT_SECONDS_MAX", 0.01)


@pytest.fixture
def licet(world: World, url: str) -> Iterator[Client]:
    world.clock.set(NOTICE)
    with Client(url, world.key()) as made:
        yield made


class Busy:
    """An application that answers 503 to the first requests that it gets."""

    def __init__(self, app: Any, count: int, retry_after: bytes = b"0") -> None:
        self.app, self.left, self.asked, self.retry_after = app, count, 0, retry_after

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.asked += 1
            if self.left > 0:
                self.left -= 1
                start = {
                    "type": "http.response.start",
                    "status": 503,
                    "headers": [(b"retry-after", self.retry_after)],
                }
                await send(start)
                await send({"type": "http.response.body", "body": b"{}"})
                return
        await self.app(scope, receive, send)


@contextmanager
def losing_wire(url: str, losses: int) -> Iterator[tuple[str, list[bytes]]]:
    """A wire to ``url`` that delivers each request, and cuts the first ``losses`` connections
    before the answer.
    """
    upstream = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    requests: list[bytes] = []

    def carry() -> None:
        while True:
            try:
                taken, _ = listener.accept()
            except OSError:
                return
            with taken, socket.create_connection((upstream.hostname, upstream.port)) as there:
                request = taken.recv(1 << 20)
                body = int(
                    dict(
                        h.lower().split(b": ", 1)
                        for h in request.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]
                    ).get(b"content-length", 0)
                )
                while len(request.split(b"\r\n\r\n", 1)[1]) < body:
                    request += taken.recv(1 << 20)
                requests.append(request)
                there.sendall(request.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
                answer = b"".join(iter(lambda: there.recv(1 << 16), b""))
                if len(requests) > losses:
                    taken.sendall(answer)

    thread = threading.Thread(target=carry, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(600)


def test_a_day_in_the_life_of_an_assistant(world, licet) -> None:
    opened = licet.send(client.open_account("ana", "pro", 30))
    assert licet.send(client.open_account("ana", "pro")).account == opened.account
    assert licet.check("host:ana").gate == "must_decide"
    with pytest.raises(GateError) as gate:
        licet.send(client.say("host:ana", "hello", conversation="host:c1", id="1"))
    assert gate.value.hint == f"/v1/accounts/{opened.account}/choices"
    assert licet.send(client.choose("host:ana", allow=True, via="settings")).effect == "began"
    said = licet.send(
        client.say("host:ana", "hello", conversation="host:c1", id="1", title="Greetings")
    )
    items = licet.send(
        client.say_all(
            [
                ConversationTurn(
                    account="host:ana",
                    conversation="host:c1",
                    id="2",
                    role="assistant",
                    text="good day",
                ),
                ConversationTurn(account="host:nobody", text="hello"),
            ]
        )
    )
    assert [item.status for item in items] == [201, 404]
    (listed,) = licet.send(client.conversations("host:ana")).items
    assert (listed.id, listed.turns, listed.badges[0].use) == (said.conversation, 2, "whole")
    assert licet.send(client.keep_out("host:c1", "host:ana")).outcome == "done"
    assert licet.send(client.let_in(said.conversation)).outcome == "done"
    assert (
        licet.send(client.give_feedback(said.conversation, "up", turn=2, share="reply")).outcome
        == "done"
    )
    assert licet.send(client.get_conversation(said.conversation)).kept_out is False
    assert licet.send(client.notice("host:ana")).because == "answered"
    assert licet.send(client.delete(said.conversation)).outcome == "done"
    assert licet.send(client.set_plan("host:ana", "max")).outcome == "done"
    assert licet.send(client.set_age("host:ana", 31)).outcome == "done"
    assert licet.send(client.get_account("host:ana")).plan == "max"
    assert licet.send(client.set_region("host:ana", "DE")).outcome == "done"
    assert licet.send(client.set_region("host:ana", "DE")).outcome == "unchanged"
    assert licet.send(client.get_account("host:ana")).region == "DE"
    (access, *_) = licet.send(client.rights("host:ana")).rights
    assert (access.kind, access.laws) == ("access", ("GDPR",))
    asked = licet.send(client.send_request("complaint", "You asked twice.", "host:ana"))
    assert (asked.state, asked.region, asked.steps[0].words) == ("open", "DE", "")
    assert [one.id for one in licet.send(client.requests("host:ana")).items] == [asked.id]
    assert licet.send(client.get_request(asked.id, "host:ana")) == asked
    assert licet.send(client.close_account("host:ana")).outcome == "done"
    with pytest.raises(RefusedError) as closed:
        licet.send(client.say("host:ana", "hello"))
    assert closed.value.because == "closed"


def test_errors_are_those_of_the_house(world, url, licet) -> None:
    with pytest.raises(NotFoundError):
        licet.send(client.gate("host:nobody"))
    with pytest.raises(UsageError):
        licet.send(client.open_account("ana", "No Such Plan"))
    with Client(url, world.key(Scope.gate_read)) as narrow, pytest.raises(DeniedError):
        narrow.send(client.get_account("host:ana"))
    with Client(url, "nonsense") as stranger, pytest.raises(DeniedError):
        stranger.send(client.gate("me"))


def test_a_person_exports_with_a_token_that_is_made_anew(world, url) -> None:
    world.open("ana")
    world.say("ana", "Pears", "plant them in November")
    with Client(url, lambda: world.token("ana")) as me:
        assert b"plant them in November" in me.send(client.export())


def test_a_person_asks_answers_and_takes_back_with_a_client_of_their_own(world, url) -> None:
    world.open("ana", allow=True)
    with Client(url, lambda: world.token("ana")) as licet:
        asked = licet.send(client.send_request("access", "What do you have of me?"))
        assert [one.words for one in asked.steps] == ["What do you have of me?"]
        rights_requests.take_step(
            world.installation,
            asked.id,
            rights_requests.StaffAct.pause,
            "staff:ada@example.org",
            reason="clarification",
            words="Of which year?",
        )
        replied = licet.send(client.reply_to_request(asked.id, "Of this one."))
        assert [one.words for one in replied.steps[1:]] == ["Of which year?", "Of this one."]
        assert licet.send(client.withdraw_request(asked.id)).state == "withdrawn"
        with pytest.raises(RefusedError) as ended:
            licet.send(client.withdraw_request(asked.id))
        assert ended.value.because == "ended"


def test_after_503_it_tries_again_and_the_choice_is_made_once(world) -> None:
    world.open("ana")
    busy = Busy(world.app, 3)
    with listening(busy) as url, Client(url, world.key()) as licet:
        world.clock.set(AFTER)
        assert licet.send(client.choose("host:ana", allow=False)).outcome == "done"
    assert busy.asked == 4
    assert world.rows("SELECT count(*) FROM choices") == [(1,)]


def test_a_server_that_asks_for_an_hour_is_asked_again_within_the_client_s_own_bound(world) -> None:
    world.open("ana")
    busy = Busy(world.app, 2, b"3600")
    with listening(busy) as url, Client(url, world.key()) as licet:
        licet.send(client.choose("host:ana", allow=False))
    assert busy.asked == 3
    assert world.rows("SELECT count(*) FROM choices") == [(1,)]


def test_a_server_that_stays_busy_is_an_error_after_a_bounded_number_of_tries(world) -> None:
    world.open("ana")
    busy = Busy(world.app, 1_000)
    with listening(busy) as url, Client(url, world.key()) as licet:
        with pytest.raises(BusyError):
            licet.send(client.choose("host:ana", allow=False))
        assert busy.asked == client.ATTEMPTS_MAX
        gate = licet.check("host:ana")
        assert (gate.may_write, gate.gate) == (False, "unknown")
    assert world.rows("SELECT count(*) FROM choices") == [(0,)]


@pytest.mark.parametrize("losses", [1, 3])
def test_after_a_lost_answer_it_tries_again_and_the_choice_is_made_once(world, url, losses) -> None:
    world.open("ana")
    world.clock.set(AFTER)
    with losing_wire(url, losses) as (wire, requests), Client(wire, world.key()) as licet:
        assert licet.send(client.choose("host:ana", allow=True)).effect == "began"
    assert len(requests) == losses + 1
    keys = {
        line
        for request in requests
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"idempotency-key")
    }
    assert len(keys) == 1
    assert world.rows("SELECT count(*) FROM choices") == [(1,)]


def test_turns_in_bulk_are_sent_again_only_where_that_adds_nothing(world, url) -> None:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    named = [
        ConversationTurn(account="host:ana", conversation="host:c1", id=str(n), text="hello")
        for n in range(3)
    ]
    nameless = [ConversationTurn(account="host:ana", text="hello")]
    with losing_wire(url, 1) as (wire, _), Client(wire, world.key()) as licet:
        assert {item.outcome for item in licet.send(client.say_all(named))} == {"duplicate"}
    assert world.rows("SELECT count(*) FROM turns") == [(3,)]
    with (
        losing_wire(url, 1) as (wire, requests),
        Client(wire, world.key()) as licet,
        pytest.raises(BusyError),
    ):
        licet.send(client.say_all(nameless))
    assert len(requests) == 1


def test_the_check_never_raises_and_what_cannot_be_known_is_no(world, url) -> None:
    world.open("ana")

    def no_token() -> str:
        raise RuntimeError

    for licet in (
        Client(url, world.key(), attempts_max=1),
        Client("http://127.0.0.1:9", "key", attempts_max=2),
        Client(url, "nonsense"),
        Client(url, no_token),
        Client(url + "/elsewhere", "key", attempts_max=1),
    ):
        with licet:
            gate = licet.check("host:nobody")
            assert gate.may_write is False
            assert gate.because


class Hung:
    """A server on a real socket that takes requests and never answers, or a byte at a time; it
    counts who comes.
    """

    def __init__(self, drips: bool) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._drips, self._open, self.came = drips, list[socket.socket](), 0
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                one, _ = self._listener.accept()
                self.came += 1
                self._open.append(one)
                if self._drips:
                    threading.Thread(target=self._drip, args=(one,), daemon=True).start()

    def _drip(self, one: socket.socket) -> None:
        with suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\n" + b"x-more: yes\r\n" * 1_000:
                one.sendall(bytes([byte]))
                time.sleep(0.1)

    def close(self) -> None:
        for one in (self._listener, *self._open):
            one.close()


@pytest.fixture(params=[False, True], ids=["silent", "a byte at a time"])
def hung(request) -> Iterator[Hung]:
    server = Hung(request.param)
    yield server
    server.close()


def test_the_check_of_a_server_that_hangs_is_one_attempt_and_no(hung) -> None:
    with Client(hung.url, "key") as licet:
        gate = licet.check("host:ana")
    assert (gate.gate, gate.may_write, hung.came) == ("unknown", False, 1)
    assert gate.because


def test_the_asynchronous_check_of_a_server_that_hangs_is_one_attempt_and_no(hung) -> None:
    async def asked() -> client.GateResult:
        async with AsyncClient(hung.url, "key") as licet:
            return await licet.check("host:ana")

    gate = asyncio.run(asked())
    assert (gate.gate, gate.may_write, hung.came) == ("unknown", False, 1)


def test_the_gates_of_a_host_are_closed_while_the_server_hangs(hung) -> None:
    with Client(hung.url, "key", attempts_max=1, timeout_seconds=1.0) as licet:
        gates = GateCache(licet, 1.0)
        asked = [gates.ask("host:ana") for _ in range(10)]
        answers = [one.result() for one in asked]
        with pytest.raises(UnansweredError) as raised:
            gates.ask_now("host:ana")
        gates.close()
    assert {(gate.gate, gate.may_write, gate.because) for gate in answers} == {
        ("unknown", False, ReasonCode.late)
    }
    assert raised.value.because is ReasonCode.late
    assert hung.came == 2


def test_a_hook_asks_a_server_that_hangs_once_and_lets_the_session_go_on(hung, tmp_path) -> None:
    key = tmp_path / "key"
    key.write_text("key")
    coder = Coder(tmp_path / "home", URL=hung.url, KEY_FILE=str(key))
    session = coder.begin(apart=True)
    assert session.hook("UserPromptSubmit", prompt="hello") == {}
    assert session.said.startswith("licet: not recorded now: no response")
    assert hung.came == 1


def test_every_request_of_a_coding_assistant_gives_a_server_that_hangs_up(hung, tmp_path) -> None:
    key = tmp_path / "key"
    key.write_text("key")
    with closing(ApiTransport(hung.url, key, "ana")) as way:
        for ask in (
            way.standing,
            lambda: way.usable("s"),
            lambda: way.keep_out("s", True),
            lambda: way.send([]),
        ):
            with pytest.raises(BusyError):
                ask()
    assert hung.came == 4


def test_a_check_that_is_refused_for_now_is_not_asked_again(world) -> None:
    """A 503 is no, at once: the chat goes on, or asks again by itself."""
    world.open("ana")
    busy = Busy(world.app, 1)
    with listening(busy) as url, Client(url, world.key()) as licet:
        assert licet.check("host:ana").may_write is False
        assert licet.check("host:ana").gate != "unknown"


def test_the_asynchronous_client_does_the_same(world) -> None:
    world.open("ana")
    world.clock.set(AFTER)
    busy = Busy(world.app, 2)

    async def story(url: str) -> None:
        async with AsyncClient(url, world.key()) as licet:
            assert (await licet.send(client.gate("host:ana"))).gate == "must_decide"
            assert (await licet.check("host:ana")).gate == "must_decide"
            chosen = await asyncio.gather(
                *(licet.send(client.choose("host:ana", allow=True)) for _ in range(5))
            )
            assert [c.effect for c in chosen].count("began") == 1
            assert (await licet.check("host:ana")).may_write is True
            with pytest.raises(NotFoundError):
                await licet.send(client.gate("host:nobody"))
        async with AsyncClient("http://127.0.0.1:9", "key", attempts_max=2) as away:
            assert (await away.check("host:ana")).may_write is False

    with listening(busy) as url:
        asyncio.run(story(url))


def test_the_example_of_the_module_works(world, url) -> None:
    world.clock.set(NOTICE)
    world.open("ana")
    example = [line[4:] for line in (client.__doc__ or "").splitlines() if line.startswith("    ")]
    program = "\n".join(example).replace("https://privacy.example.org", url)
    exec(program, {"key": world.key()})
    assert world.rows("SELECT count(*) FROM turns") == [(1,)]


def test_a_browser_of_other_tests_leaves_no_loop_behind_in_which_none_can_be_run() -> None:
    with launched() as browser:
        assert browser.is_connected()
    assert asyncio.run(asyncio.sleep(0, "run")) == "run"


# Answers that the rooms below the API declare, and the two that the API narrows.
ANSWERS = {
    client.GateResult.__base__: schema.GateAnswer,
    client.NoticeResult: schema.NoticeAnswer,
    client.SentRequest: rights_requests.SeenRequest,
    client.SentRequestStep: request_register.SeenStep,
    client.SentRequests: rights.RequestPage,
    client.Explained: explanations.TurnsExplained,
    client.Explanation: explanations.ConversationSeen,
    client.EventDelivery: acknowledgements.HostDelivery,
    client.Said: acts.ConsentAct,
}


def test_the_answers_of_the_api_are_those_of_the_client() -> None:
    for ours, theirs in ANSWERS.items():
        assert ours is not None
        assert issubclass(theirs, ours)
        # so a client never lacks a field, nor sees one that it does not know
        # mypy knows no fields of a type
        assert theirs.__struct_fields__ == ours.__struct_fields__  # type: ignore[attr-defined]
    for_browsers = {"roles", "csrf"}
    known = {*client.CallerResult.__struct_fields__}
    assert known == {*schema.Myself.__struct_fields__} - for_browsers


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(ConversationTurn, schema.NewTurn), (client.ToolCallResult, schema.NewToolCall)],
)
def test_what_the_client_sends_is_what_the_api_takes_with_the_same_defaults(
    ours: Any, theirs: Any
) -> None:
    sent = {field.name: field.default for field in msgspec.structs.fields(ours)}
    assert sent == {field.name: field.default for field in msgspec.structs.fields(theirs)}


def test_a_choice_names_its_question_and_scope_and_both_clients_read_the_tree(
    pool: Any, tmp_path: Any
) -> None:
    world = World(pool, tmp_path / "two", preset("strict"))
    world.clock.set(NOTICE)
    world.open("ana")
    garden = client.ChoiceScope(project="garden")
    with listening(world.app) as address, Client(address, world.key()) as licet:
        none = licet.send(client.choose("host:ana", allow=True))
        assert (none.effect, none.because, none.could_name) == (
            "none",
            "several_questions",
            ("models", "safety"),
        )
        assert none.detail
        refused = licet.send(client.choose("host:ana", allow=False))
        assert [(one.question, one.effect) for one in refused.answers] == [
            ("models", "declined"),
            ("safety", "declined"),
        ]
        given = licet.send(
            client.choose("host:ana", allow=True, question="models", scope=garden, surface="cli")
        )
        project = given.answers[0].project
        with pytest.raises(UsageError, match="belongs to a yes"):
            licet.send(client.choose("host:ana", allow=False, scope=garden))
        turn = licet.send(
            client.say(
                "host:ana",
                "hello",
                conversation="host:c1",
                project="garden",
                project_title="Garden",
            )
        )
        (models, safety) = licet.send(client.explain_turn(turn.turn)).answers
        assert (models.because, models.question, models.act.surface if models.act else "") == (
            "permitted",
            "models",
            "cli",
        )
        assert models.given_for == {"scope": "project", "project": project, "conversation": None}
        assert (safety.because, safety.act.act if safety.act else "") == ("declined", "no")
        assert [one.question for one in licet.send(client.choices("host:ana")).items] == [
            "models",
            "safety",
            "models",
            None,
        ]

        async def seen() -> client.StandingResult:
            async with AsyncClient(address, world.key()) as other:
                out = await other.send(client.keep_project_out("host:ana", "garden"))
                assert [(one.number, one.question, one.project) for one in out.ended] == [
                    (1, "models", project)
                ]
                assert (
                    await other.send(client.let_project_in("host:ana", "host:garden"))
                ).outcome == "done"
                return await other.send(client.standing("host:ana"))

        assert asyncio.run(seen()) == licet.send(client.standing("host:ana"))
        garden_now, chat = licet.send(client.standing("host:ana")).items
        assert (garden_now.project, garden_now.kept_out, garden_now.own) == (project, None, ())
        assert (chat.conversation, chat.kept_out.act if chat.kept_out else "") == (
            turn.conversation,
            "kept_out",
        )

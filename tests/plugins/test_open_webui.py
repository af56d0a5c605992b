"""The filter inside a driver that calls it as Open WebUI does, against a server that runs."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from licet.access.roles import Scope, UnauthenticatedError
from licet.config import Web
from licet.host.settings import HostSettings
from licet.intake import open_webui as export
from licet.intake.read_turn import ReadTurn
from licet.plugins.open_webui import Filter, exchange_turns
from licet.vault.commands import Choose
from licet.web.access.tokens import TokenUse, TokenVerifier

from ..web.served import AFTER, NOTICE, TOKEN_KEY, World, url, world

__all__ = ["url", "world"]  # fixtures

ROOT = Path(__file__).parent.parent.parent
CHATS = ROOT / "tests" / "intake" / "fixtures" / "open-webui" / "chats.json"
PAGE = ROOT / "docs" / "quickstart" / "open-webui.md"
PLANTED = "seven blue herons sleep at the weir"


class Host:
    """Open WebUI, as far as a filter meets it: the pasted file, its valves, what each call hands
    over.
    """

    def __init__(self, source: str, valves: dict[str, Any]) -> None:
        module = types.ModuleType("function_licet")
        exec(source, module.__dict__)  # as its editor of functions loads what was pasted
        self.filter, self.valves = module.Filter(), valves
        self.shown: list[str] = []
        self.loop = asyncio.Runner()  # a host has one

    async def _emit(self, event: dict[str, Any]) -> None:
        self.shown.append(event["data"]["content"])

    async def _call(
        self, which: str, body: dict[str, Any], user: dict[str, Any], metadata: dict[str, Any]
    ) -> Any:
        handler = getattr(self.filter, which)
        # before every call, from its database
        self.filter.valves = self.filter.Valves(**self.valves)
        given = {
            "__user__": user, "__metadata__": metadata, "__event_emitter__": self._emit, "__event_call__": self._emit,
            "__request__": None, "__model__": {"id": "m"}, "__id__": "licet",
        }  # fmt: skip
        asked = inspect.signature(handler).parameters
        return await handler(
            body=body, **{key: value for key, value in given.items() if key in asked}
        )

    def run(self, *exchange: Any, **more: Any) -> None:
        self.loop.run(self.exchange(*exchange, **more))

    async def exchange(
        self, user: str, chat: str | None, history: list[dict[str, Any]], **more: Any
    ) -> list[dict[str, Any]]:
        """One message and its answer: ``history`` ends with the answer, which the model gives in
        between.
        """
        answer = history[-1]
        who = {"id": user, "name": user, "email": f"{user}@example.org", "role": "user"}
        metadata = {
            "user_id": user,
            "chat_id": chat,
            "message_id": answer["id"],
            "session_id": "s",
            **more,
        }
        sent = {
            "model": "m",
            "messages": [{"role": m["role"], "content": m["content"]} for m in history[:-1]],
        }
        await self._call("inlet", {**sent, "metadata": metadata}, who, metadata)
        body = {
            "model": "m",
            "messages": history,
            "chat_id": chat,
            "session_id": "s",
            "id": answer["id"],
        }
        assert await self._call("outlet", body, who, metadata) is body
        return history


def message(name: str, role: str, content: str) -> dict[str, Any]:
    return {"id": name, "role": role, "content": content, "timestamp": 1_756_000_000}


def asked(*more: dict[str, Any], said: str = "how do I prune a pear?") -> list[dict[str, Any]]:
    return [
        *more,
        message(f"q{len(more)}", "user", said),
        message(f"a{len(more)}", "assistant", "in winter"),
    ]


def pasted() -> str:
    """The file that the quickstart has people paste."""
    return re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)[1]


@pytest.fixture
def host(world: World, url: str, tmp_path: Path) -> Iterator[Host]:
    key = tmp_path / "licet.key"
    key.write_text(world.key(Scope.gate_read, Scope.turns_write))
    made = Host(pasted(), {"url": url, "key_file": str(key), "spool": str(tmp_path / "spool")})
    world.open("ana")  # before the version that asks
    world.clock.set(NOTICE)
    yield made
    if made.filter._host is not None:
        made.loop.run(made.filter._host.aclose())
    made.filter._host = None
    made.loop.close()


def allows(world: World) -> None:
    world.tell(Choose(account=world.accounts["ana"], at=world.clock.now, allow=True, via="notice"))


def delivered(host: Host, turns: int) -> dict[str, int]:
    """The counts, once ``turns`` have been delivered or refused."""
    made = host.filter._host
    for _ in range(400):
        counts = made.counts
        if (
            sum(n for what, n in counts.items() if what.startswith(("delivered", "refused")))
            >= turns
        ):
            return counts
        made._delivery.ends.wait(0.05)
    pytest.fail(f"not delivered: {made.counts}")


def stored(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT role, origin FROM turns ORDER BY conversation_id, turn")


def test_an_exchange_is_recorded_once_and_the_next_adds_only_what_is_new(
    world: World, host: Host
) -> None:
    allows(world)

    async def chat() -> None:
        first = await host.exchange("ana", "c1", asked())
        await host.exchange("ana", "c1", asked(*first, said="and an apple?"))
        await host.exchange("ana", "c1", first)  # the same again, as after a lost answer

    host.loop.run(chat())
    counts = delivered(host, 6)
    assert stored(world) == [("user", "typed"), ("assistant", "assistant")] * 2
    assert counts["delivered: duplicate"] == 2
    assert host.shown == []


def test_who_must_decide_first_reads_where_and_nothing_is_recorded(
    world: World, host: Host
) -> None:
    world.clock.set(AFTER)
    with pytest.raises(
        PermissionError, match=r"decide how your chats may be used: http://.*/notice"
    ):
        host.run("ana", "c1", asked(said=PLANTED))
    assert stored(world) == []


@pytest.mark.parametrize("audience", ["licet", "chats"])
def test_the_link_signs_its_person_in_where_the_valve_says_the_audience_of_the_server(
    world: World, host: Host, tmp_path: Path, audience: str
) -> None:
    (tmp_path / "token.key").write_bytes(TOKEN_KEY)
    host.valves |= {"token_key_file": str(tmp_path / "token.key"), "token_audience": audience}
    world.clock.set(AFTER)
    with pytest.raises(PermissionError) as stopped:
        host.run("ana", "c1", asked())
    token = re.search(r"/enter\?token=([\w.-]+)", str(stopped.value))[1]
    server, now = (
        TokenVerifier(Web(token_key_file=tmp_path / "token.key", token_audience=audience)),
        time.time(),
    )
    assert server.read(token, now, TokenUse.enter).subject == "ana"
    with pytest.raises(UnauthenticatedError):
        TokenVerifier(Web(token_key_file=tmp_path / "token.key", token_audience="other")).read(
            token, time.time(), TokenUse.enter
        )


def test_a_notice_that_can_be_put_off_is_shown_once_and_the_chat_goes_on(
    world: World, host: Host
) -> None:
    host.run("ana", "c1", asked())
    host.run("ana", "c2", [*asked(said="and plums?")])
    assert len(host.shown) == 1
    assert "/notice" in host.shown[0]
    delivered(host, 4)
    assert len(stored(world)) == 4


@pytest.mark.parametrize("chat", ["local", "local:s", "temporary:s", "channel:9", "", None])
def test_a_chat_that_open_webui_does_not_save_is_never_recorded(
    world: World, host: Host, chat: str | None
) -> None:
    allows(world)
    host.run("ana", chat, asked(said=PLANTED))
    assert not any(what.startswith(("spooled", "delivered")) for what in host.filter._host.counts)
    assert stored(world) == []


def test_a_mark_or_a_task_of_the_host_is_not_recorded(world: World, host: Host) -> None:
    allows(world)
    host.run("ana", "c1", asked(), task="title_generation")
    host.run("ana", "c1", asked(), incognito=True)
    assert host.filter._host.counts == {"not saved, or marked": 2}


def test_while_nobody_answers_the_chat_is_kept_or_stops_as_the_valves_say(
    world: World, host: Host
) -> None:
    host.run("nobody", "c1", asked())  # no account of that name
    assert host.filter._host.counts == {"gate: unknown, no_account": 1}
    host.valves["url"] = "http://127.0.0.1:9"
    host.run("ana", "c1", asked())
    assert host.filter._host.counts == {"gate: unknown, connection_refused": 1, "spooled": 2}
    host.valves["outage"] = "block"
    with pytest.raises(PermissionError, match="not known"):
        host.run("ana", "c1", asked())
    assert stored(world) == []


@pytest.mark.parametrize("valves", [(), ("key_file",), ("spool",)])
def test_without_valves_the_filter_records_nothing_and_stops_nobody(
    tmp_path: Path, valves: tuple[str, ...]
) -> None:
    host = Host(pasted(), {name: str(tmp_path / name) for name in valves})
    host.run("ana", "c1", asked())
    assert host.filter._host is None


def test_valves_that_are_left_alone_are_the_settings_of_every_host() -> None:
    settings = HostSettings(url="u", key_file=Path("k"), spool=Path("s"))
    valves = Filter.Valves()
    assert valves.gate_timeout_seconds == settings.gate_timeout_seconds
    assert valves.choice_url == settings.choice_url


def test_an_answer_to_somebody_else_than_was_asked_about_is_not_recorded(
    world: World, host: Host
) -> None:
    allows(world)

    async def chat() -> None:
        place = {"chat_id": "c1", "message_id": "a0"}
        await host._call("inlet", {"messages": []}, {"id": "ana"}, place)
        body = {"model": "m", "messages": asked(said=PLANTED), "chat_id": "c1", "id": "a0"}
        await host._call("outlet", body, {"id": "ben"}, place)

    host.loop.run(chat())
    assert host.filter._host.counts == {}


def test_without_the_file_of_the_key_people_are_shown_where_they_sign_in_themselves(
    world: World, host: Host, tmp_path: Path
) -> None:
    host.valves["token_key_file"] = str(tmp_path / "none")
    world.clock.set(AFTER)
    with pytest.raises(PermissionError, match=r"may be used: http://[^?]*/notice$"):
        host.run("ana", "c1", asked())


def test_of_a_message_only_what_has_a_name_and_a_text_is_a_turn() -> None:
    used = '<details type="tool_calls" id="t1" name="clock" result="nine"></details>It is nine.'
    parts = [{"type": "text", "text": "when?"}, {"type": "image_url"}]
    messages = [
        {"role": "user", "content": "lost"},
        {"id": "q", "role": "user", "content": parts},
        message("a", "assistant", used),
    ]
    turns = exchange_turns({"messages": messages}, ("c", "a"), account="host:u", surface="app")
    assert [(turn.id, turn.role, turn.text) for turn in turns] == [
        ("q", "user", "when?"),
        ("a", "assistant", ""),
        ("a#2", "tool", "nine"),
        ("a#3", "assistant", "It is nine."),
    ]
    assert [(call.name, call.arguments) for call in turns[1].tool_calls] == [("clock", "{}")]


def test_what_was_said_before_a_yes_that_came_later_is_let_go(
    world: World, host: Host, tmp_path: Path
) -> None:
    key = tmp_path / "licet.key"
    secret = key.read_text()

    async def chat() -> None:
        await host._call(
            "inlet", {"messages": []}, {"id": "ana"}, {"chat_id": "c1", "message_id": "a0"}
        )
        key.unlink()  # Licet cannot be asked for a while
        body = {"model": "m", "messages": asked(said=PLANTED), "chat_id": "c1", "id": "a0"}
        await host._call("outlet", body, {"id": "ana"}, {"chat_id": "c1", "message_id": "a0"})

    host.loop.run(chat())
    allows(world)
    host.filter._host.gates._seen.clear()  # a minute passes
    key.write_text(secret)
    assert delivered(host, 2)["delivered: done"] == 2
    assert world.rows("SELECT DISTINCT grants FROM segments") == [([],)]


def test_a_live_turn_and_the_export_of_the_same_chat_bear_the_same_ids_and_words() -> None:
    read = [one for one in export.read(CHATS) if isinstance(one, ReadTurn)]
    chats = {chat["id"]: chat for chat in json.loads(CHATS.read_bytes())}
    for chat, answer in (("w-new", "n3"), ("w-old", "o2")):
        messages = list(chats[chat]["chat"]["history"]["messages"].values())
        model = next(m["model"] for m in messages if m["id"] == answer)
        shown = [m for m in messages if m["id"] not in ("n2",)]
        live = exchange_turns(
            {"model": model, "messages": shown}, (chat, answer), account="host:u1", surface="app"
        )
        saved = [
            one
            for one in read
            if one.host_conversation == chat
            and one.host_turn.split("#")[0] in (shown[0]["id"], answer)
        ]
        assert [
            (
                turn.id,
                turn.role,
                turn.origin,
                turn.text,
                turn.tool_call_id,
                turn.tool_name,
                turn.attachments,
                turn.model,
            )
            for turn in live
        ] == [
            (
                one.host_turn,
                one.role.value,
                one.origin,
                one.content.text,
                one.content.tool_call_id,
                one.content.tool_name,
                one.content.attachments,
                one.content.model,
            )
            for one in saved
        ]
        assert [[(c.id, c.name, c.arguments) for c in turn.tool_calls] for turn in live] == [
            [(c.id, c.name, c.arguments) for c in one.content.tool_calls] for one in saved
        ]


def test_the_valves_are_a_form_with_a_sentence_for_each_field() -> None:
    fields = Filter.Valves.model_json_schema()["properties"]
    assert {"url", "key_file", "spool", "surface", "outage"} <= fields.keys()
    assert all(field["description"].endswith(".") for field in fields.values())


def test_the_spool_of_valves_that_changed_is_closed_for_the_next(
    world: World, host: Host, tmp_path: Path
) -> None:
    allows(world)
    host.run("ana", "c1", asked())
    delivered(host, 2)
    before = host.filter._host
    host.valves["spool"] = str(tmp_path / "elsewhere")
    host.run("ana", "c2", asked())
    assert host.filter._host is not before
    assert (tmp_path / "elsewhere") in host.filter._host.spool._place.parents

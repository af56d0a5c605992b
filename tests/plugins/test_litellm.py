"""The callback in a LiteLLM proxy that really runs, beside `licet serve`: what passes the gate is
kept once, and nothing else.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator

import pytest

from licet.host import Host
from licet.plugins.settings import PluginSettings

from .beside import ANSWER, Licet, Proxy, needed, running, wait_until

PLANTED = "the cat's name is Heliotrope"


@pytest.fixture(scope="module")
def both(databases, tmp_path_factory) -> Iterator[tuple[Licet, Proxy]]:
    needed()
    with running(tmp_path_factory.mktemp("beside"), databases()) as found:
        licet, _ = found
        for name in ("ana", "cleo", "dora", "emil", "fay"):
            licet.open(name, allow=True)
        licet.open("bo")
        licet.open("nils", allow=False)
        yield found


def test_what_a_call_adds_is_kept_and_may_be_used_and_its_history_is_not_added_again(both) -> None:
    licet, proxy = both
    assert proxy.ask("fay", "pears", ("system", "Be brief."), ("user", "When?")).status_code == 200
    again = ("user", "When?"), ("assistant", ANSWER), ("user", "Thanks")
    assert proxy.ask("fay", "pears", *again).status_code == 200
    said = [("user", "When?"), ("assistant", ANSWER), ("user", "Thanks"), ("assistant", ANSWER)]
    wait_until(lambda: licet.kept("fay", "pears") == said)
    (mine,) = licet.conversations("fay")
    assert (mine["badges"][0]["use"], mine["badges"][0]["because"]) == ("whole", "permitted")


def test_an_account_that_must_decide_is_answered_451_with_where_it_can(both) -> None:
    licet, proxy = both
    refused = proxy.ask("bo", "bo's", ("user", PLANTED))
    assert refused.status_code == 451
    assert f"{licet.url}/notice" in refused.json()["error"]["message"]
    assert licet.kept("bo", "bo's") == []


def test_a_refusal_opens_the_gate_and_what_is_said_under_it_is_kept_and_never_used(both) -> None:
    licet, proxy = both
    assert proxy.ask("nils", "nils's", ("user", "Hello")).status_code == 200
    wait_until(lambda: len(licet.kept("nils", "nils's")) == 2)
    assert {
        (badge["use"], badge["because"]) for badge in licet.conversations("nils")[0]["badges"]
    } == {("none", "declined")}


def test_a_streamed_answer_is_kept_whole(both) -> None:
    licet, proxy = both
    streamed = proxy.ask("ana", "streamed", ("user", "When?"), stream=True)
    assert streamed.text.count("data: ") > 2
    wait_until(lambda: licet.kept("ana", "streamed") == [("user", "When?"), ("assistant", ANSWER)])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_tool_calls_and_their_results_are_kept(both, stream: bool) -> None:
    licet, proxy = both
    session = f"tools, {stream}"
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city":"Bonn"}'},
    }
    model = "streaming" if stream else "tooled"
    assert (
        proxy.ask("ana", session, ("user", "Weather?"), model=model, stream=stream).status_code
        == 200
    )
    result = {"role": "tool", "tool_call_id": "call_1", "content": "clear"}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert (
        proxy.ask("ana", session, ("user", "Weather?"), asked, result, stream=stream).status_code
        == 200
    )
    wait_until(lambda: len(licet.kept("ana", session)) == 4)
    turns = licet.turns("ana", session)
    assert [turn["role"] for turn in turns] == ["user", "assistant", "tool", "assistant"]
    assert turns[1]["tool_calls"] == [
        {"id": "call_1", "name": "weather", "arguments": '{"city":"Bonn"}'}
    ]
    assert turns[2]["text"] == "clear"


MARKS = [
    {"no-log": True}, {"turn_off_message_logging": True}, {"metadata": {"incognito": True}}, {"metadata": {"keep_out": 1}},
    {"headers": {"x-litellm-enable-message-redaction": "true"}}, {"headers": {"x-licet-keep-out": "1"}},
]  # fmt: skip


def test_a_marked_call_is_answered_and_not_kept_and_later_calls_do_not_bring_it_in(both) -> None:
    licet, proxy = both
    for mark in MARKS:
        assert proxy.ask("cleo", "marked", ("user", PLANTED), **mark).status_code == 200
    proxy.ask("cleo", "marked", ("user", PLANTED), ("assistant", ANSWER), ("user", "Hello"))
    wait_until(lambda: licet.kept("cleo", "marked") == [("user", "Hello"), ("assistant", ANSWER)])
    assert [mine["turns"] for mine in licet.conversations("cleo")] == [2]


def test_no_mark_makes_a_call_be_kept(both) -> None:
    licet, proxy = both
    for mark in ({"no-log": False}, {"metadata": {"surface": "app", "allow": True, "licet": True}}):
        assert proxy.ask("a stranger", "strange", ("user", PLANTED), **mark).status_code == 200
        assert proxy.ask("bo", "bo's", ("user", PLANTED), **mark).status_code == 451
    assert licet.kept("bo", "bo's") == []


def test_the_gate_is_asked_once_an_account_however_many_calls(both) -> None:
    licet, proxy = both
    before = licet.gates_asked()
    for number in range(5):
        proxy.ask("dora", f"many {number}", ("user", "Hello"))
    wait_until(lambda: all(licet.kept("dora", f"many {number}") for number in range(5)))
    assert licet.gates_asked() == before + 1


def test_nothing_lies_in_the_spool_or_in_the_log_in_clear(both) -> None:
    _, proxy = both
    proxy.ask("ana", "planted", ("user", PLANTED))
    for path in (proxy.folder / "log", *proxy.spool.rglob("*.spool")):
        assert PLANTED.encode() not in path.read_bytes()


def test_a_killed_proxy_loses_nothing_that_it_spooled_and_what_is_delivered_twice_is_there_once(
    both, tmp_path
) -> None:
    licet, proxy = both  # the proxy is dead after it
    proxy.ask("emil", "before", ("user", "Hello"))
    wait_until(lambda: len(licet.kept("emil", "before")) == 2)
    wait_until(lambda: proxy.spooled() == 0)
    licet.stop()
    # it waits too, and no account of that name is there when it arrives
    assert proxy.ask("another stranger", "unknown", ("user", PLANTED)).status_code == 200
    wait_until(lambda: proxy.spooled() > 0)
    for number in range(4):
        size = proxy.spooled()
        assert (
            proxy.ask("emil", f"spooled {number}", ("user", f"Hello {number}")).status_code == 200
        )
        wait_until(lambda size=size: proxy.spooled() > size)
    proxy.end(signal.SIGKILL)
    shutil.copytree(proxy.spool, tmp_path / "again")
    licet.start()
    for folder, outcome in ((proxy.spool, "done"), (tmp_path / "again", "duplicate")):
        made = Host(PluginSettings(url=licet.url, key_file=licet.key_file, spool=folder))
        wait_until(lambda made=made: made.spool.size == 0)
        made.close()
        assert made.counts == {f"delivered: {outcome}": 8, "refused: no_account": 2}
        for number in range(4):
            assert licet.kept("emil", f"spooled {number}") == [
                ("user", f"Hello {number}"),
                ("assistant", ANSWER),
            ]

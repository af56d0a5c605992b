"""The callback inside a driver that calls it as the proxy does, against a server that runs.

`test_litellm.py` has the proxy itself, in a program of its own.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from licet.access.roles import Scope
from licet.host import Outage
from licet.plugins.settings import PluginSettings
from licet.vault.commands import Choose

from ..waiting import wait_until
from ..web.served import AFTER, NOTICE, World, url, world

__all__ = ["url", "world"]  # fixtures

NAME = "licet.plugins.litellm"


class ProxyError(Exception):
    """As `fastapi.HTTPException`: what the caller is answered."""

    def __init__(self, status_code: int, detail: Any) -> None:
        super().__init__(detail)
        self.status_code, self.detail = status_code, detail


@pytest.fixture
def plugin() -> Iterator[ModuleType]:
    """The module, beside as much of LiteLLM as it touches."""
    modules: dict[str, Any] = {
        "litellm": SimpleNamespace(turn_off_message_logging=False),
        "litellm.integrations": SimpleNamespace(),
        "litellm.integrations.custom_logger": SimpleNamespace(CustomLogger=object),
        "fastapi": SimpleNamespace(HTTPException=ProxyError),
    }
    before = {name: sys.modules.get(name) for name in (*modules, NAME)}
    sys.modules.pop(NAME, None)
    sys.modules.update(modules)
    try:
        yield importlib.import_module(NAME)
    finally:
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


class ProxyDriver:
    """The proxy, as far as a callback meets it: a call is asked about, and told of once it is
    answered.
    """

    def __init__(self, plugin: ModuleType, settings: PluginSettings) -> None:
        self.callback = plugin.Callback(settings)
        self.loop = asyncio.Runner()

    def asks(self, user: str, call: str, **more: Any) -> None:
        data = {"litellm_call_id": call, "user": user, **more}
        key = SimpleNamespace(end_user_id=None, user_id=None)
        self.loop.run(self.callback.async_pre_call_hook(key, None, data, "acompletion"))

    def answers(self, call: str, text: str = "in winter") -> None:
        answer = {"role": "assistant", "content": text}
        payload = {
            "messages": [{"role": "user", "content": "when?"}],
            "response": {"model": "m", "choices": [{"message": answer}]},
            "session_id": "pears",
        }
        told = {"litellm_call_id": call, "standard_logging_object": payload}
        self.loop.run(self.callback.async_log_success_event(told, None, None, None))

    @property
    def counts(self) -> dict[str, int]:
        return self.callback.host.counts


@pytest.fixture
def settings(world: World, url: str, tmp_path: Path) -> PluginSettings:
    key = tmp_path / "licet.key"
    key.write_text(world.key(Scope.gate_read, Scope.turns_write))
    world.open("ana")  # before the version that asks
    world.clock.set(NOTICE)
    return PluginSettings(url=url, key_file=key, spool=tmp_path / "spool")


@pytest.fixture
def proxy(plugin: ModuleType, settings: PluginSettings) -> Iterator[ProxyDriver]:
    made = ProxyDriver(plugin, settings)
    yield made
    made.callback.host.close()
    made.loop.close()


def allows(world: World) -> None:
    world.tell(Choose(account=world.accounts["ana"], at=world.clock.now, allow=True, via="notice"))


def test_an_answered_call_of_an_account_is_recorded_once(world: World, proxy: ProxyDriver) -> None:
    allows(world)
    host = proxy.callback.host
    proxy.asks("ana", "1")
    proxy.answers("1")
    proxy.answers("1")  # told twice
    proxy.answers("2")  # it passed no gate
    wait_until(lambda: proxy.counts.get("delivered: done") == 2, "both turns are there")
    assert proxy.callback.host is host
    assert proxy.counts == {"spooled": 2, "delivered: done": 2}
    assert world.rows("SELECT role FROM turns ORDER BY turn") == [("user",), ("assistant",)]


def test_who_must_decide_first_is_told_where(world: World, proxy: ProxyDriver, url: str) -> None:
    world.clock.set(AFTER)
    with pytest.raises(ProxyError) as refused:
        proxy.asks("ana", "1")
    assert refused.value.status_code == 451
    assert refused.value.detail["choice"] == f"{url}/notice"
    proxy.answers("1")
    assert "spooled" not in proxy.counts


def test_a_call_of_nobody_or_of_an_unknown_account_passes_and_is_not_recorded(
    proxy: ProxyDriver,
) -> None:
    for user, call in (("", "1"), ("a stranger", "2")):
        proxy.asks(user, call)
        proxy.answers(call)
    assert proxy.counts == {"no account": 1, "gate: unknown, no_account": 1}


@pytest.mark.parametrize("user", ["", "a stranger"])
def test_where_outages_block_a_call_of_nobody_or_of_an_unknown_account_is_refused(
    plugin: ModuleType, settings: PluginSettings, user: str
) -> None:
    blocking = PluginSettings(
        url=settings.url, key_file=settings.key_file, spool=settings.spool, outage=Outage.block
    )
    proxy = ProxyDriver(plugin, blocking)
    with pytest.raises(ProxyError) as refused:
        proxy.asks(user, "1")
    proxy.callback.host.close()
    assert (refused.value.status_code, refused.value.detail["because"]) == (503, "no_account")


def test_a_marked_or_redacted_call_is_counted_and_not_recorded(
    world: World, proxy: ProxyDriver
) -> None:
    allows(world)
    proxy.asks("ana", "1", incognito=True)
    proxy.answers("1")
    proxy.asks("ana", "2")
    proxy.answers("2", "redacted-by-litellm")
    assert proxy.counts == {"marked": 1, "no dialogue, or redacted": 1}


def test_of_calls_that_are_never_answered_the_oldest_are_forgotten(
    world: World, plugin: ModuleType, proxy: ProxyDriver
) -> None:
    allows(world)
    plugin.CALLS_MAX = 2  # of this copy of the module
    for call in ("1", "2", "3"):
        proxy.asks("ana", call)
    proxy.answers("1")
    assert "spooled" not in proxy.counts
    proxy.answers("2")
    proxy.answers("3", "in spring")
    assert proxy.counts["spooled"] == 4

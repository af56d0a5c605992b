"""The configured agent, opened for one command."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from licet.agent.memory import AgentMemory
from licet.agent.recorder import AgentRecorder
from licet.agent.transport import Transport
from licet.config import Configuration
from licet.errors import UsageError
from licet.intake.read_turn import BrokenRecord

STATE = Path("~/.local/state/licet")


class SessionAgent(msgspec.Struct, frozen=True):
    """The transport to Licet, the agent's state, and the recorder."""

    transport: Transport
    state: AgentMemory
    agent: AgentRecorder


@contextmanager
def open_transport(config: Configuration, *, start: bool) -> Iterator[Transport]:
    """Opens the configured transport; ``start`` also starts the embedded database."""
    agent = config.agent
    if not agent.account:
        raise UsageError(
            "no account is configured", "set LICET_AGENT__ACCOUNT to the host's id of the account"
        )
    if agent.url:
        if agent.key_file is None:
            raise UsageError(
                "no key is configured",
                "set LICET_AGENT__KEY_FILE to a file with a key of `licet api-key create`",
            )
        # imported here and below: a hook loads only the transport that it uses
        from licet.agent.api_transport import ApiTransport

        made = ApiTransport(agent.url, agent.key_file, agent.account)
        try:
            yield made
        finally:
            made.close()
        return
    from licet.agent.local_transport import open_local

    with open_local(config, start=start) as installation:
        yield installation


@contextmanager
def open_memory(config: Configuration) -> Iterator[AgentMemory]:
    """Opens the state alone, for commands that work while Licet is unreachable."""
    agent = config.agent
    if not agent.account:
        raise UsageError(
            "no account is configured", "set LICET_AGENT__ACCOUNT to the host's id of the account"
        )
    name = f"{agent.url or config.database_url or config.data.absolute()}\n{agent.account}"
    with closing(AgentMemory(agent.state or STATE.expanduser(), name)) as state:
        yield state


@contextmanager
def open_agent(
    config: Configuration,
    *,
    start: bool = False,
    tell: Callable[[BrokenRecord], None] = lambda _broken: None,
) -> Iterator[SessionAgent]:
    """Opens the configured agent; ``start`` also starts the embedded database, and ``tell`` is
    called with each unreadable record.
    """
    with open_memory(config) as state, open_transport(config, start=start) as transport:
        yield SessionAgent(
            transport,
            state,
            AgentRecorder(transport, state, config.agent.lock_file, time.time, tell),
        )


def choice_url(config: Configuration) -> str:
    """Returns the URL where the person answers; "" if not configured."""
    if config.agent.choice_url:
        return config.agent.choice_url
    return f"{config.agent.url.rstrip('/')}/notice" if config.agent.url else ""

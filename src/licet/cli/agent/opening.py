"""The agent that is configured, opened for one command."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from licet.cli.agent.recording import Agent
from licet.cli.agent.state import State
from licet.cli.agent.ways import Way, way
from licet.config import Config
from licet.errors import UsageError

STATE = Path("~/.local/state/licet")


class Here(msgspec.Struct, frozen=True):
    """A way to Licet, the memory beside the transcripts, and the agent that has both."""

    way: Way
    state: State
    agent: Agent


@contextmanager
def remembered(config: Config) -> Iterator[State]:
    """The memory alone, for what a person may do while Licet is away."""
    agent = config.agent
    if not agent.account:
        raise UsageError("whose sessions are these?", "set LICET_AGENT__ACCOUNT to the host's id of the account")
    name = f"{agent.url or config.database_url or config.data.absolute()}\n{agent.account}"
    with closing(State(agent.state or STATE.expanduser(), name)) as state:
        yield state


@contextmanager
def agent(config: Config | None = None, *, start: bool = False) -> Iterator[Here]:
    """The agent of the environment; ``start`` also starts an embedded database that does not run."""
    config = config or Config.of(os.environ)
    with remembered(config) as state, way(config, start=start) as found:
        yield Here(found, state, Agent(found, state, config.agent.lock_file, time.time))


def choice_url(config: Config) -> str:
    """Where the person answers; empty where nobody said."""
    if config.agent.choice_url:
        return config.agent.choice_url
    return f"{config.agent.url.rstrip('/')}/notice" if config.agent.url else ""

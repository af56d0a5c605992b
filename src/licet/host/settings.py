"""The settings of a host: a program that asks gates and records turns. Secrets are given
as files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import msgspec

from licet.client.setup_checks import fresh_key
from licet.errors import UsageError

SPOOL_BYTES = 256 * 2**20
PREFIX = "HOST_LICET_"
SettingsType = TypeVar("SettingsType", bound="HostSettings")


class Outage(StrEnum):
    """How a chat is treated while nobody answers for its gate."""

    block = "block"
    allow_and_keep = "allow_and_keep"


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``url``: the address of `licet serve`. Anyone who runs it receives what people say.

    ``key_file``: a file with a service's key with the scopes `gate:read` and `turns:write`; it is
    read again for every request, so that it can be replaced. Anyone who can read it can ask gates
    and send turns for any account.

    ``spool``: a folder on a local disk, for queued turns, encrypted.

    ``spool_key_file`` (default `spool.key` in the folder): the key of the spool, created if there
    is none. Anyone who has it and the folder can read what is queued.

    ``spool_bytes_max`` (default 256 MiB, per process): while it is full, new turns are not
    recorded.

    ``outage`` (default `block`): what happens to a chat while nobody answers for its gate. `block`
    refuses it. `allow_and_keep` lets it through, and its turns wait in the spool; they are stamped
    under no permission that was not known when they were written.

    ``gate_timeout_seconds`` (default 2): how long a chat waits for its gate, at most.

    ``choice_url`` (default `/notice` at ``url``): where a person answers.

    ``events``: whether events are followed (`GET /v1/events`); the key needs `events:read`.
    """

    url: str
    key_file: Path
    spool: Path
    spool_key_file: Path | None = None
    spool_bytes_max: int = SPOOL_BYTES
    outage: Outage = Outage.block
    gate_timeout_seconds: float = 2.0
    choice_url: str = ""
    events: bool = False

    @property
    def spool_key(self) -> Path:
        return self.spool_key_file or self.spool / "spool.key"

    @property
    def choice(self) -> str:
        return self.choice_url or f"{self.url.rstrip('/')}/notice"

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the key needs."""
        return ("gate:read", "turns:write", *(["events:read"] if self.events else []))

    def token(self) -> str:
        """Reads the service's key from its file; BusyError while there is none, so that queued
        turns are not lost.
        """
        return fresh_key(self.key_file)


def from_environment(
    kind: type[SettingsType], prefix: str, environment: Mapping[str, str] = os.environ
) -> SettingsType:
    """Reads settings of ``kind`` from the variables that begin with ``prefix``; UsageError names a
    missing, unknown or invalid one.
    """
    settings = {
        name.removeprefix(prefix).lower(): value
        for name, value in environment.items()
        if name.startswith(prefix) and value  # an empty path would be the current folder
    }
    unknown = sorted(settings.keys() - set(kind.__struct_fields__))
    if unknown:
        known = ", ".join(prefix + name.upper() for name in kind.__struct_fields__)
        raise UsageError(f"`{prefix}{unknown[0].upper()}` is not known", f"these are: {known}")
    try:
        return msgspec.convert(settings, kind, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise UsageError(f"a setting `{prefix}..`: {str(error).lower()}") from None


def _path(_: type, value: object) -> Path:
    """Decodes paths, the only type that the decoder does not know."""
    return Path(str(value))

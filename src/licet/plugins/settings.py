"""The settings of a plugin, from the environment of the program that it runs in. Secrets are given
as files only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from licet.errors import BusyError, UsageError

PREFIX = "LITELLM_LICET_"
SPOOL_BYTES = 256 * 2**20
_SURFACE = re.compile(r"[a-z][a-z0-9_.-]{0,31}")


class UnknownSetting(StrEnum):
    """What happens to a call whose gate is unknown. It is not recorded either way."""

    let_through = "let_through"
    refuse = "refuse"


class PluginSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every variable begins with ``LITELLM_LICET_``; an unknown one is an error.

    ``url`` (`.._URL`): the URL of `licet serve`. Whoever runs it receives what people say.

    ``key_file`` (`.._KEY_FILE`): a file with a service's key with the scopes `gate:read` and
    `turns:write`; it is read again for every request, so that it can be replaced. Whoever can read
    it can ask gates and send turns for any account.

    ``spool`` (`.._SPOOL`): a folder on a local disk, for queued turns, encrypted.

    ``spool_key_file`` (`.._SPOOL_KEY_FILE`, default `spool.key` in the folder): the key of the
    spool, created if there is none. Whoever has it and the folder can read what is queued.

    ``spool_bytes_max`` (`.._SPOOL_BYTES_MAX`, default 256 MiB, per process): while it is full, new
    turns are not recorded.

    ``surface`` (`.._SURFACE`, default `api`): the surface that people write on. The published terms
    exclude `api` from every use: an operator whose proxy is behind an app of their own sets `app`.
    No caller can.

    ``instructions`` (`.._INSTRUCTIONS`, default `false`): `true` also records the system messages
    of a call and the tools that it offers. The person can read them, as everything in a
    conversation of theirs; a model learns from them only where the policy lists `system` among its
    origins.

    ``choice_url`` (`.._CHOICE_URL`, default `/notice` at ``url``): where a refused person answers.

    ``when_unknown`` (`.._WHEN_UNKNOWN`, default `let_through`): `refuse` responds with 503 if the
    gate is unknown, so the assistant is unavailable while Licet is.

    ``gate_timeout_seconds`` (`.._GATE_TIMEOUT_SECONDS`, default 2): how long a call waits for the
    gate, at most.
    """

    url: str
    key_file: Path
    spool: Path
    spool_key_file: Path | None = None
    spool_bytes_max: int = SPOOL_BYTES
    surface: str = "api"
    instructions: bool = False
    choice_url: str = ""
    when_unknown: UnknownSetting = UnknownSetting.let_through
    gate_timeout_seconds: float = 2.0

    @property
    def spool_key(self) -> Path:
        return self.spool_key_file or self.spool / "spool.key"

    @property
    def choice(self) -> str:
        return self.choice_url or f"{self.url.rstrip('/')}/notice"

    def token(self) -> str:
        """The service's key, as the file contains it now; BusyError while there is none, so that
        queued turns are not lost.
        """
        try:
            return self.key_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BusyError(f"the key file cannot be read: `{type(error).__name__}`") from None


def from_environment(environment: Mapping[str, str]) -> PluginSettings:
    """The settings; UsageError names what is missing, unknown or out of range."""
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }
    unknown = sorted(given.keys() - set(PluginSettings.__struct_fields__))
    if unknown:
        raise UsageError(
            f"`{PREFIX}{unknown[0].upper()}` is not known",
            "docs/quickstart/litellm.md lists the settings",
        )
    try:
        made = msgspec.convert(given, PluginSettings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise UsageError(f"a setting `{PREFIX}..`: {str(error).lower()}") from None
    if not _SURFACE.fullmatch(made.surface):
        raise UsageError(f"`{PREFIX}SURFACE` is no name", "use lower-case letters, as in `app`")
    return made


def _path(_: type, value: object) -> Path:
    """The only type here that the decoder does not know."""
    return Path(str(value))

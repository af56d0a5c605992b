"""How a plugin is set up, from the environment of the program that it sits in. Secrets are given as files only."""

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
    """What happens to a call whose gate cannot be known. It is not recorded either way."""

    let_through = "let_through"
    refuse = "refuse"


class PluginSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every variable begins with ``LITELLM_LICET_``; one that is not known is an error.

    ``url`` (`.._URL`): where `licet serve` answers. Whoever runs it receives what people say.

    ``key_file`` (`.._KEY_FILE`): a file with a service's key of the scopes `gate:read` and `turns:write`; it is read
    anew for every request, so that it can be replaced. Whoever reads it can ask gates and send turns for any account.

    ``spool`` (`.._SPOOL`): a folder on a local disk, for turns that wait, sealed.

    ``spool_key_file`` (`.._SPOOL_KEY_FILE`, default `spool.key` in the folder): the key of the spool, made where there
    is none. Whoever has it and the folder reads what waits there.

    ``spool_bytes_max`` (`.._SPOOL_BYTES_MAX`, default 256 MiB, for each process): what comes when it is full is not
    recorded.

    ``surface`` (`.._SURFACE`, default `api`): through what people write. The published terms leave `api` out of every
    use: an operator whose proxy stands behind an app of their own says `app`. No caller can.

    ``choice_url`` (`.._CHOICE_URL`, default `/notice` at ``url``): where a refused person answers.

    ``when_unknown`` (`.._WHEN_UNKNOWN`, default `let_through`): `refuse` answers 503 where the gate cannot be known,
    and takes the assistant down with Licet.

    ``gate_timeout_seconds`` (`.._GATE_TIMEOUT_SECONDS`, default 2): how long a call waits for the gate at most.
    """

    url: str
    key_file: Path
    spool: Path
    spool_key_file: Path | None = None
    spool_bytes_max: int = SPOOL_BYTES
    surface: str = "api"
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
        """The service's key, as the file has it now; BusyError while there is none, so that what waits is not lost."""
        try:
            return self.key_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BusyError(f"the key file cannot be read: `{type(error).__name__}`") from None


def from_environment(environment: Mapping[str, str]) -> PluginSettings:
    """The settings; UsageError names what is missing, not known or out of range."""
    given = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    unknown = sorted(given.keys() - set(PluginSettings.__struct_fields__))
    if unknown:
        raise UsageError(
            f"`{PREFIX}{unknown[0].upper()}` is not known", "docs/quickstart/litellm.md lists the settings"
        )
    try:
        made = msgspec.convert(given, PluginSettings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise UsageError(f"a setting `{PREFIX}..`: {str(error).lower()}") from None
    if not _SURFACE.fullmatch(made.surface):
        raise UsageError(f"`{PREFIX}SURFACE` is no name", "use lower-case letters, as in `app`")
    return made


def _path(_: type, value: object) -> Path:
    """The one type here that the decoder does not know."""
    return Path(str(value))

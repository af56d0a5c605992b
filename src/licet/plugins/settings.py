"""A plugin's settings: those of `licet.host`, from the environment of the host's process."""

from __future__ import annotations

import re
from collections.abc import Mapping

from licet.errors import UsageError
from licet.host.settings import HostSettings, Outage, from_environment

PREFIX = "LITELLM_LICET_"
_SURFACE = re.compile(r"[a-z][a-z0-9_.-]{0,31}")


class PluginSettings(HostSettings, frozen=True, kw_only=True):
    """Every variable begins with ``LITELLM_LICET_``; an unknown one is an error.

    ``surface`` (`.._SURFACE`, default `api`): the surface that people write on. The published terms
    exclude `api` from every use: an operator whose proxy is behind their own app sets `app`.
    Callers cannot set it.

    ``instructions`` (`.._INSTRUCTIONS`, default `false`): `true` also records the system messages
    of a call and the tools that it offers. The person can read them; a model learns from them only
    if the policy lists the origin `system`.

    ``outage`` (`.._OUTAGE`, default `allow_and_keep`): as in `HostSettings`. `block` also refuses a
    call with no account or an unknown one, so the assistant is unavailable while Licet is.
    """

    outage: Outage = Outage.allow_and_keep
    surface: str = "api"
    instructions: bool = False


def plugin_settings(environment: Mapping[str, str]) -> PluginSettings:
    """Reads the settings; UsageError for a missing, unknown or invalid variable."""
    made = from_environment(PluginSettings, PREFIX, environment)
    if not _SURFACE.fullmatch(made.surface):
        raise UsageError(
            f"`{PREFIX}SURFACE` is not a surface's name", "use lower-case letters, as in `app`"
        )
    return made

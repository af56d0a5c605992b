"""The settings of a plugin: those of `licet.host`, from the environment of the program that it runs
in.
"""

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
    exclude `api` from every use: an operator whose proxy is behind an app of their own sets `app`.
    No caller can.

    ``instructions`` (`.._INSTRUCTIONS`, default `false`): `true` also records the system messages
    of a call and the tools that it offers. The person can read them, as everything in a
    conversation of theirs; a model learns from them only where the policy lists `system` among its
    origins.

    ``outage`` (`.._OUTAGE`, default `allow_and_keep`): as in `HostSettings`. With `block` a call
    that names no account, or one that Licet does not know, is refused too, so the assistant is
    unavailable while Licet is.
    """

    outage: Outage = Outage.allow_and_keep
    surface: str = "api"
    instructions: bool = False


def plugin_settings(environment: Mapping[str, str]) -> PluginSettings:
    """The settings; UsageError names what is missing, unknown or out of range."""
    made = from_environment(PluginSettings, PREFIX, environment)
    if not _SURFACE.fullmatch(made.surface):
        raise UsageError(f"`{PREFIX}SURFACE` is no name", "use lower-case letters, as in `app`")
    return made

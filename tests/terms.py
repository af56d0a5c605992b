"""The presets as most tests need them: no test is to look for names unless it says so, so releases leave them in."""

from __future__ import annotations

import msgspec

from licet.policy import file
from licet.policy.file import NamesTerm, Policy


def preset(name: str) -> Policy:
    """The preset of that name, with `names: left in`."""
    return msgspec.structs.replace(file.preset(name), names=NamesTerm.left_in)

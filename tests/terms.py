"""The presets as most tests need them: no test is to look for names unless it says so, so releases
leave them in.
"""

from __future__ import annotations

import re

import msgspec

from licet.policy import file
from licet.policy.file import NamesTerm, Policy


def preset(name: str) -> Policy:
    """The preset of that name, with `names: left in`."""
    return msgspec.structs.replace(file.preset(name), names=NamesTerm.left_in)


def preset_text(name: str) -> str:
    """The file of that preset, with the line `names: left in` that it has as a comment."""
    text, count = re.subn(r"(?m)^# (names: left in)\b.*$", r"\1", file.preset_text(name))
    assert count == 1
    return text

"""The command line: `command` has the root and the module of each command, one a subject."""

from __future__ import annotations

import os
import sys
from json import dumps
from typing import NoReturn

from licet.errors import is_ours


def main() -> None:
    """The command `licet`. Imports the rest here, so that an interrupt while it loads is handled
    too.
    """
    try:
        from licet.cli import command
    except KeyboardInterrupt:
        _end("interrupted: nothing was begun", "", 130)
    except ModuleNotFoundError as missing:
        if is_ours(missing):
            raise
        _end(
            "this environment has Licet's client alone, and no commands",
            "install the extra `server` of this package, or `loader` on a machine that trains",
            64,
        )
    command.main()


def _end(message: str, hint: str, code: int) -> NoReturn:
    as_json = dumps({"error": message, "hint": hint, "exit": code})
    as_text = f"error: {message}" + (f"\nhint: {hint}" if hint else "")
    os.write(2, (as_json if "--json" in sys.argv else as_text).encode() + b"\n")
    os._exit(code)

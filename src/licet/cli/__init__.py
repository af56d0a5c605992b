"""The command line: `command` holds the root and says where each command is, a module a subject."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """The command `licet`. It is loaded here, so that an interrupt while it starts is answered like any other."""
    try:
        from licet.cli import command
    except KeyboardInterrupt:
        said = "interrupted: nothing was begun"
        as_json = f'{{"error":"{said}","hint":"","exit":130}}\n'
        os.write(2, (as_json if "--json" in sys.argv else f"error: {said}\n").encode())
        os._exit(130)
    command.main()

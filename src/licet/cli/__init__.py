"""The command line: `command` holds the root and says where each command is, a module a subject."""

from __future__ import annotations

import os


def main() -> None:
    """The command `licet`. It is loaded here, so that an interrupt while it starts is answered like any other."""
    try:
        from licet.cli import command
    except KeyboardInterrupt:
        os.write(2, b"error: interrupted: nothing was begun\n")
        os._exit(130)
    command.main()

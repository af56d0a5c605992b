"""The command line: `command` holds the root and the main job, a module beside it each further subject."""

from __future__ import annotations

import os
import sys

QUICK = ("hook", "session", "watch")  # asked while somebody codes: loaded without the rest


def main() -> None:
    """The command `licet`. It is loaded here, so that an interrupt while it starts is answered like any other."""
    try:
        if sys.argv[1:2] and sys.argv[1] in QUICK:
            from licet.cli import quick as command
        else:
            from licet.cli import command  # type: ignore[no-redef]  # either has the root
    except KeyboardInterrupt:
        os.write(2, b"error: interrupted: nothing was begun\n")
        os._exit(130)
    command.main()

"""Commands in forks of one program, each standing still until it is let go, so that a fault can be
laid in its way.

    python faulting.py

It reads a request a line, `{"argv": [..], "out": FILE, "said": FILE}`, answers with the pid of a
stopped fork, and, once somebody has let that go (SIGCONT) and it has ended, with its exit code. All
is imported before: what a fork writes is what the command writes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import redirect_stdout, suppress
from io import StringIO
from typing import Any

from licet import cli
from licet.access import service_keys
from licet.backup import archives
from licet.cli import command, serve
from licet.curate import names, pipeline
from licet.erasure import certificates, epochs
from licet.proof import documents
from licet.store import core_dumps

IMPORTED = (
    cli,
    command,
    serve,
    service_keys,
    core_dumps,
    names,
    pipeline,
    archives,
    certificates,
    documents,
    epochs,
)


def command(asked: dict[str, Any]) -> int:
    for number, file in ((1, asked["out"]), (2, asked["said"])):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.kill(os.getpid(), signal.SIGSTOP)
    sys.argv = ["licet", *asked["argv"]]
    try:
        cli.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def main() -> None:
    sys.dont_write_bytecode = True
    sys.argv = ["licet", "--help"]
    with suppress(SystemExit), redirect_stdout(StringIO()):
        cli.main()  # whatever of the commands is imported when they are first asked for
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = command(asked)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        os.waitpid(child, os.WUNTRACED)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()

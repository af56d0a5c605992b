"""The root of every command: our errors become their exit codes here, once."""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn

import click

from licet.errors import LicetError

EXIT_NO, EXIT_USAGE, EXIT_INTERRUPTED = 1, 64, 130


class Root(click.Group):
    """Maps our errors to their exit codes, once."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 click's own signature
        """As a program: once the answer is given, an interrupt on the way out changes nothing of it."""
        try:
            return self.main(*args, **kwargs)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ANN401 click's own signature
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except LicetError as error:
            fail(error.message, error.hint, error.exit_code)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(0)
        except click.ClickException as error:
            message = re.sub(r"'([^']*)'", r"`\1`", error.format_message().rstrip("."))
            context = getattr(error, "ctx", None)
            hint = f"`{context.command_path} --help` shows how" if context else ""
            fail(message[:1].lower() + message[1:], hint, EXIT_USAGE)
        except (click.exceptions.Abort, KeyboardInterrupt):
            fail("interrupted: what was acknowledged is kept, the same command goes on", "", EXIT_INTERRUPTED)
        except BrokenPipeError:
            os._exit(EXIT_NO)  # nobody reads: flushing again would only raise again
        except OSError as error:
            fail(f"{(error.strerror or 'the system refused').lower()}: `{error.filename or 'a file'}`", "", 75)
        sys.exit(code if isinstance(code, int) else 0)


def fail(message: str, hint: str, code: int) -> NoReturn:
    """Says what is wrong and how to mend it, and ends."""
    with suppress(OSError):  # where nobody can be told, the exit code still tells
        click.echo(f"error: {message}", err=True)
        if hint:
            click.echo(f"hint: {hint}", err=True)
    sys.exit(code)

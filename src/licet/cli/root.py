"""The root of every command: what is asked for is loaded, and our errors become their exit codes, once."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import takewhile
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from licet.errors import LicetError, RefusedError

HELP_CHARACTERS_MAX = 80
EXIT_NO, EXIT_CHANGES, EXIT_USAGE, EXIT_AGAIN, EXIT_INTERRUPTED = 1, 2, 64, 75, 130


class RootCommand(click.Group):
    """Maps our errors to their exit codes, once; loads the module of a command when it is asked for.

    ``table`` has the modules of `licet.cli`, or below it, by the names of the commands that each holds; ``lines`` what
    each command says of itself in a list, so that a list loads none of them.
    """

    def __init__(self, *, table: Mapping[str, tuple[str, ...]], lines: Mapping[str, str], **kwargs: Any) -> None:  # noqa: ANN401 click's own
        super().__init__(**kwargs)
        self._lines = lines
        self._module = {name: module for module, names in table.items() for name in names}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *self._module})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands and (module := self._module.get(cmd_name)) is not None:
            found = vars(import_module(f"licet.cli.{module}")).values()
            self.add_command(next(one for one in found if isinstance(one, click.Command) and one.name == cmd_name))
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does it, of the lines; a command without one is loaded and asked."""
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._line(ctx, name, limit)) for name in names])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that begin so, with their lines, and none of them loaded."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=self._line(ctx, name, HELP_CHARACTERS_MAX)) for name in names] + options

    def _line(self, ctx: click.Context, name: str, limit: int) -> str:
        line = self._lines.get(name)
        command = click.Command(name, help=line) if line is not None else self.get_command(ctx, name)
        return command.get_short_help_str(limit) if command is not None else ""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 click's own signature
        """As a program: once the answer is given, an interrupt on the way out changes nothing of it."""
        try:
            return self.main(*args, **kwargs)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ANN401 click's own signature
        kwargs["standalone_mode"] = False
        as_json = asks_for_json((args[0] if args else kwargs.get("args")) or sys.argv[1:])
        try:
            code = super().main(*args, **kwargs)
        except LicetError as error:
            because = error.because if isinstance(error, RefusedError) else ""
            fail(error.message, error.hint, error.exit_code, because=because, as_json=as_json)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(0)
        except click.ClickException as error:
            message = re.sub(r"'([^']*)'", r"`\1`", error.format_message().rstrip("."))
            context = getattr(error, "ctx", None)
            hint = f"`{context.command_path} --help` shows how" if context else ""
            fail(message[:1].lower() + message[1:], hint, EXIT_USAGE, as_json=as_json)
        except (click.exceptions.Abort, KeyboardInterrupt):
            said = "interrupted: what was acknowledged is kept, the same command goes on"
            fail(said, "", EXIT_INTERRUPTED, as_json=as_json)
        except BrokenPipeError:
            os._exit(EXIT_NO)  # nobody reads: flushing again would only raise again
        except OSError as error:
            said = f"{(error.strerror or 'the system refused').lower()}: `{error.filename or 'a file'}`"
            fail(said, "", EXIT_AGAIN, as_json=as_json)
        sys.exit(code if isinstance(code, int) else 0)


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether `--json` is among the options. Of the words, because a call that cannot be parsed is answered too."""
    return "--json" in takewhile(lambda word: word != "--", words)


def fail(message: str, hint: str, code: int, *, because: str = "", as_json: bool = False) -> NoReturn:
    """Says what is wrong and how to mend it, as text or as one line of JSON, and ends."""
    reason = {"because": because} if because else {}
    lines = [f"error: {message}", *([f"hint: {hint}"] if hint else [])]
    if as_json:
        lines = [json.dumps({"error": message, "hint": hint, **reason, "exit": code}, ensure_ascii=False)]
    with suppress(OSError):  # where nobody can be told, the exit code still tells
        for line in lines:
            click.echo(line, err=True)
    sys.exit(code)

"""The root of every command: loads the called command, and maps our errors to exit codes, once."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from itertools import takewhile
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from licet.errors import LicetError, NotFoundError, NotInstalledError, RefusedError, is_ours

SENTENCE_CHARACTERS_MAX = 1_000  # longer than any first sentence
EXIT_NO, EXIT_CHANGES, EXIT_USAGE, EXIT_AGAIN, EXIT_INTERRUPTED = 1, 2, 64, 75, 130
# Errors of a mistyped path; other errors of the system may pass, like a full disk.
WRONG_PATHS = {
    FileNotFoundError: "name a file or folder that exists",
    FileExistsError: "name another one, or remove it first",
    IsADirectoryError: "name a file",
    NotADirectoryError: "name a folder",
    PermissionError: "run the command as a user who may use it, or change its permissions",
}
# Hints for "no KIND `NAME`", by kind.
LISTS = {
    "account": "name it by its id, which begins with acc_, or by the host's own id",
    "conversation": "an id of a conversation begins with conv_",
    "erasure": "`licet erase status` lists them",
    "export": "`licet export list` lists them",
    "model": "`licet models list` lists them",
    "proposal": "`licet policy proposals` lists them",
    "request": "`licet request list` lists them",
    "turn": "an id of a turn begins with turn_",
}


class NoSuchCommand(click.UsageError):
    """An unknown command of a group, with the nearest names."""

    def __init__(self, name: str, known: Sequence[str], ctx: click.Context) -> None:
        super().__init__(f"no such command `{name}`", ctx)
        self.possibilities = get_close_matches(name, known)


class CommandGroup(click.Group):
    """A group that lists each command's whole first sentence, and suggests names for
    mistyped ones. ``declared`` adds the commands of staff verbs, once another command is asked for.
    """

    declared: Callable[[], None] | None = None

    def _add_declared(self) -> None:
        declared, self.declared = self.declared, None
        if declared is not None:
            declared()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands:
            self._add_declared()
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._add_declared()
        return super().list_commands(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes `command_lists` with one column for all names; wraps sentences too long for a
        line.
        """
        groups = self.command_lists(ctx)
        width = max(len(name) for lines in groups.values() for name in lines)
        for title, lines in groups.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{width}}", line) for name, line in lines.items()])

    def command_lists(self, ctx: click.Context) -> Mapping[str, Mapping[str, str]]:
        """Returns the commands, each with its first sentence, by the title of their list."""
        return {
            "Commands": {
                name: first_sentence(self.commands[name]) for name in self.list_commands(ctx)
            }
        }

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if (
            not ctx.resilient_parsing
            and not args[0].startswith("-")
            and self.get_command(ctx, args[0]) is None
        ):
            raise NoSuchCommand(args[0], self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)


class RootCommand(CommandGroup):
    """Maps our errors to exit codes, once; loads a command's module on demand.

    ``groups``, the help's lists, name every command with its first sentence, so that a list loads
    none. A command is in the module of `licet.cli` of its name, or that of ``modules``.
    """

    def __init__(
        self,
        *,
        modules: Mapping[str, str],
        groups: Mapping[str, Mapping[str, str]],
        **kwargs: Any,  # noqa: ANN401 click's own
    ) -> None:
        super().__init__(**kwargs)
        self._groups = groups
        self._lines = {name: line for lines in groups.values() for name, line in lines.items()}
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *self._lines})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands and cmd_name in self._lines:
            module = import_module(f"licet.cli.{self._modules.get(cmd_name, cmd_name)}")
            commands = (
                value for value in vars(module).values() if isinstance(value, click.Command)
            )
            self.add_command(next(command for command in commands if command.name == cmd_name))
        return self.commands.get(cmd_name)

    def command_lists(self, ctx: click.Context) -> Mapping[str, Mapping[str, str]]:
        return self._groups

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes commands with their first sentences; loads none of them."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=self._lines[name]) for name in names] + options

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 click's own signature
        """Runs as a program. Ignores interrupts during exit."""
        try:
            return self.main(*args, **kwargs)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ANN401 click's own signature
        kwargs["standalone_mode"] = False
        as_json = asks_for_json((args[0] if args else kwargs.get("args")) or sys.argv[1:])
        try:
            code = super().main(*args, **kwargs)
        except ModuleNotFoundError as missing:
            if is_ours(missing):
                raise
            error = NotInstalledError(missing.name or "a package", "server")
            fail(error.message, error.hint, error.exit_code, as_json=as_json)
        except (LicetError, click.exceptions.Abort, KeyboardInterrupt) as error:
            if not isinstance(error, LicetError) or _interrupted(error):
                line = "interrupted: what was acknowledged is kept, the same command goes on"
                fail(line, "", EXIT_INTERRUPTED, as_json=as_json)
            because, details = (
                (error.because, error.details) if isinstance(error, RefusedError) else ("", {})
            )
            fail(
                error.message,
                error.hint or _hint_of_list(error),
                error.exit_code,
                because=because,
                details=details,
                as_json=as_json,
            )
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(0)
        except click.ClickException as error:
            fail(*usage(error), EXIT_USAGE, as_json=as_json)
        except BrokenPipeError:
            os._exit(EXIT_NO)  # flushing again would raise again
        except OSError as error:
            message = (
                f"{(error.strerror or 'the system refused').lower()}: "
                f"`{error.filename or 'a file'}`"
            )
            hint = WRONG_PATHS.get(type(error), "")
            fail(message, hint, EXIT_USAGE if hint else EXIT_AGAIN, as_json=as_json)
        sys.exit(code if isinstance(code, int) else 0)


def _interrupted(error: BaseException | None) -> bool:
    while error and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return bool(error)


def first_sentence(command: click.Command) -> str:
    """The first sentence of a command's help."""
    return command.get_short_help_str(limit=SENTENCE_CHARACTERS_MAX)


def _hint_of_list(error: LicetError) -> str:
    """Returns where things of the missing kind are listed."""
    kind = re.match(r"no (\w+) `", error.message) if isinstance(error, NotFoundError) else None
    return LISTS.get(kind[1], "") if kind else ""


def usage(error: click.ClickException) -> tuple[str, str]:
    """Returns the message for a wrong call, and its hint: the nearest names, and where help is."""
    near = getattr(error, "possibilities", None) or []
    # click's own text would repeat the names
    message = error.message if near else error.format_message()
    message = re.sub(r"'([^']*)'", r"`\1`", message.rstrip("."))
    message = re.sub(r"Got unexpected extra arguments? \((.*)\)", r"`\1` is too much", message)
    hints = [f"did you mean {' or '.join(f'`{name}`' for name in near)}?"] if near else []
    if isinstance(error, click.BadOptionUsage):
        hints.append(f"write its value behind it: `{error.option_name} VALUE`;")
    if isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter):
        message, mend = _plain_value(message, error.param.type if error.param else None)
        hints += [f"{mend};"] if mend else []
    context = getattr(error, "ctx", None)
    hints += [f"`{context.command_path} --help` shows how"] if context else []
    return message[:1].lower() + message[1:], " ".join(hints).removesuffix(";")


def _plain_value(message: str, kind: click.ParamType[Any] | None) -> tuple[str, str]:
    """Returns click's message on an invalid value in plain words, and the fix."""
    match kind:
        case click.IntRange(min=least, max=most):
            message = message.replace("is not a valid integer range", "is not a whole number")
            message = re.sub(
                r": (-?\d+) is not in the range .*", r": `\1` is out of range", message
            )
            bounds = f"from {least}" + ("" if most is None else f" to {most}")
            return message, f"give a whole number {bounds if least is not None else f'to {most}'}"
        case click.DateTime():
            return re.sub(r" does not match .*", " is not a day", message), "write it as 2027-02-01"
        case click.Path():
            return re.sub(
                r"(File|Directory|Path) `", "`", message
            ), "name one that exists and may be read"
        case _:
            return message, ""


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether `--json` is among the options. Decided from the words, so that unparsable calls count
    too.
    """
    return "--json" in takewhile(lambda word: word != "--", words)


def fail(
    message: str,
    hint: str,
    code: int,
    *,
    because: str = "",
    details: Mapping[str, object] | None = None,
    as_json: bool = False,
) -> NoReturn:
    """Prints the error and its fix, as text or as one line of JSON, and exits.

    JSON has ``details`` as keys, in place of the message's lines after the first.
    """
    reason = {"because": because} if because else {}
    lines = [f"error: {message}", *([f"hint: {hint}"] if hint else [])]
    if as_json:
        error = message.partition("\n")[0] if details else message
        answer = {"error": error, "hint": hint, **reason, **(details or {}), "exit": code}
        lines = [json.dumps(answer, ensure_ascii=False)]
    with suppress(OSError):  # the exit code tells even if nothing can be printed
        for line in lines:
            click.echo(line, err=True)
    sys.exit(code)

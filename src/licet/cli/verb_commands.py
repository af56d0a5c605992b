"""The commands of staff verbs, generated from their declarations (`service.staff_verb`).

An option is a field of the verb's body, with its description as help. A command without a reason is
recorded with its own words.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, get_args, get_origin

import click
import msgspec

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import (
    CliCall,
    actor_name,
    answer_options,
    by_option,
    choice,
    dry_option,
    moment,
)
from licet.clock import utc_now
from licet.config import PORT
from licet.errors import DeniedError, UsageError
from licet.service.staff_verb import AnyVerb, VerbCall, is_reason, unwrapped

if TYPE_CHECKING:
    from licet.release.signatures import StaffMember
    from licet.vault.installation import Installation

FILE_BYTES_MAX = 2**20  # of content; a verb bounds it further


class DayOption(click.ParamType[datetime]):
    """A day or a time, parsed by `moment`."""

    name = "text"

    def convert(
        self,
        value: Any,  # noqa: ANN401 click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime:
        return value if isinstance(value, datetime) else moment(value)


def read_words(path: Path) -> str:
    """Returns the content of a file or standard input: content enters no shell history."""
    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as source:
            text = source.read(FILE_BYTES_MAX + 1).decode("utf-8")
    except OSError as error:
        raise UsageError(
            f"`{path}` cannot be read: {(error.strerror or 'unknown').lower()}",
            "name a text file that can be read",
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"`{path}` is no text in UTF-8, or too long") from None
    return text.strip()


OPTION_TYPES: dict[Any, Any] = {str: str, int: int, bool: None, datetime: DayOption()}
member_option = click.option(
    "--by",
    required=True,
    help="The e-mail address of the member of staff who does it. It is trusted: it proves no "
    "identity.",
)
url_option = click.option(
    "--url", help="Where browsers reach Licet; by default LICET_WEB__URL, or this machine."
)
reason_option = click.option(
    "--reason", help="Why, for the record; by default the words of the command."
)

needed_reason_option = click.option("--reason", required=True, help="Why, for the record.")


class Printing(msgspec.Struct, frozen=True, kw_only=True):
    """A command's output: ``text`` and ``value`` of the call and its result; by default the verb's
    sentence and the result itself.
    """

    text: Callable[..., str] | None = None
    value: Callable[..., object] = lambda _, done: done


PLAIN = Printing()


def add_commands(
    group: click.Group, verbs: Sequence[AnyVerb], printing: Mapping[str, Printing] | None = None
) -> None:
    """Adds a group's declared commands among ``verbs``. ``printing`` has other outputs by the
    verbs' names.
    """
    for verb in verbs:
        if verb.command == f"{group.name} {verb.word}":
            _add_command(group, verb, (printing or {}).get(verb.name, PLAIN))


def declare_commands(group: CommandGroup, printing: Mapping[str, Printing], *modules: str) -> None:
    """Adds a group's commands of modules of declarations, once one of them is asked for."""

    def add() -> None:
        for module in modules:
            add_commands(group, import_module(f"licet.service.{module}").VERBS, printing)

    group.declared = add


def _add_command(group: click.Group, verb: AnyVerb, printing: Printing) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(verb.takes)}
    needs_record = any(is_reason(field) and not is_content(field) for field in fields.values())

    nouns = [(noun.strip("[].").lower(), noun) for noun in verb.noun.split()]
    shared_names = ("by", "dry_run", "url") if verb.makes_link else ("by", "dry_run")

    def act(call: CliCall, **options: Any) -> int:  # noqa: ANN401 of click
        given = (options.pop(name) or () for name, _ in nouns)
        target = "+".join(
            "+".join((value,) if isinstance(value, str) else value) for value in given
        )
        shared = {name: options.pop(name, None) for name in shared_names}
        options = {
            name: read_words(value) if isinstance(value, Path) else value
            for name, value in options.items()
            if value is not None
        }
        if verb.named_by:
            options[verb.named_by] = target
        if needs_record:
            options["reason"] = options.get("reason") or f"licet {verb.command}"
        return run_verb(verb, target, options, call, printing, **shared)

    lines = [f"licet {verb.command} {line}".rstrip() for line in verb.example.split("\n")]
    act.__doc__ = f"{verb.about}\n\n\b\nExample:  " + "\n          ".join(lines)
    made: Callable[..., Any] = answer_options(act)
    if verb.by == "user":
        made = by_option("does it")(made)
    elif verb.by == "member":
        made = member_option(made)
    if needs_record:
        made = (needed_reason_option if verb.needs_reason else reason_option)(made)
    if "dry_run" in fields:
        made = dry_option("Show what would be done, and change nothing.")(made)
    for field in reversed(fields.values()):
        if field.name not in ("dry_run", verb.named_by) and not (
            needs_record and field.name == "reason"
        ):
            made = _option(field)(made)
    if verb.makes_link:
        made = url_option(made)
    for name, noun in reversed(nouns):
        named: dict[str, Any] = {"metavar": noun, "required": noun[0] != "["}
        if noun.endswith("..."):
            named["nargs"] = -1
        if verb.named_by and _is_closed(kind := unwrapped(fields[verb.named_by].type)[0]):
            named = {"type": choice(kind)}
        made = click.argument(name, **named)(made)
    group.command(verb.word)(made)


def run_verb(
    verb: AnyVerb,
    target: str,
    sent: Mapping[str, Any],
    cli: CliCall,
    printing: Printing = PLAIN,
    *,
    by: str | None = None,
    dry_run: bool | None = False,
    url: str | None = None,
) -> int:
    """Calls a verb and prints its result or forecast; returns the exit code."""
    body = verb.body(sent)
    with cli.installation() as installation:
        call = VerbCall(
            installation=installation,
            actor=actor_name(by),
            member=_member(installation, verb, by or "") if verb.by == "member" else None,
            wall=utc_now(),
            url=url or installation.config.web.url or f"http://127.0.0.1:{PORT}",
            sent=body,
            target=target,
            by_command=True,
        )
        if dry_run:
            done, sentences = verb.forecast(call)
            sentence = "\n".join(sentences)
        else:
            done = verb.perform(call)
            sentence = verb.did(call, done)
        cli.show(
            printing.value(call, done),
            lambda: printing.text(call, done) if printing.text is not None else sentence,
        )
    return EXIT_NO if verb.failed is not None and verb.failed(done) else 0


def _member(installation: Installation, verb: AnyVerb, email: str) -> StaffMember:
    from licet.release import signatures  # here: only these commands need it

    member = signatures.find_member(installation, email)
    if member.roles.isdisjoint(verb.who):
        raise DeniedError(f"`{email}` may not do that", f"these may: {', '.join(verb.who)}")
    return member


def is_content(field: msgspec.structs.FieldInfo) -> bool:
    """Whether a field is content, which is read from a file."""
    return any((meta.extra or {}).get("file") for meta in unwrapped(field.type)[1])


def _is_closed(kind: Any) -> TypeGuard[type[StrEnum]]:  # noqa: ANN401 a type
    return isinstance(kind, type) and issubclass(kind, StrEnum)


def _option(field: msgspec.structs.FieldInfo) -> Callable[..., Any]:
    """Returns the option of a field: `--overlap-hours`, and for several values `--kind` for
    ``kinds``; or its argument.
    """
    kind, metas = unwrapped(field.type)
    option, several = field.name.replace("_", "-"), get_origin(kind) is tuple
    required = field.default is msgspec.NODEFAULT
    if several:
        option, kind = option.removesuffix("s"), unwrapped(get_args(kind)[0])[0]
    extra = {name: value for meta in metas for name, value in (meta.extra or {}).items()}
    help_text = next((meta.description for meta in metas[::-1] if meta.description), None)
    option_type = OPTION_TYPES.get(kind, str)  # with several values, the verb checks the words
    if _is_closed(kind) and not several:
        option_type = choice(kind)
    elif is_content(field):
        option_type = click.Path(allow_dash=True, path_type=Path)
        help_text = f"{(help_text or '').rstrip('.')}: a file, or - for standard input."
    if argument := extra.get("argument"):
        return click.argument(field.name, metavar=argument, type=option_type)
    return click.option(
        extra.get("option", f"--{option}"),
        field.name,
        type=option_type,
        is_flag=kind is bool,
        flag_value=not field.default if kind is bool else None,
        multiple=several,
        required=required,
        default=None if required or is_content(field) else field.default,
        show_default=kind is int and field.default is not None,
        help=help_text,
    )

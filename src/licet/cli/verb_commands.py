"""The commands of what staff do, made from their declarations (`service.staff_verb`).

An option is a field of what the verb takes, with its meaning as its help. A command without a
reason goes on record with its own words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import EnumMeta
from typing import Any, get_args, get_origin

import click
import msgspec

from licet.cli.shell import (
    CliCall,
    answer_options,
    by_option,
    dry_option,
    moment,
    user,
)
from licet.clock import utc_now
from licet.config import PORT
from licet.service.staff_verb import AnyVerb, VerbCall, unwrapped


class DayOption(click.ParamType[datetime]):
    """A day or a time, as `moment` reads it."""

    name = "text"

    def convert(
        self,
        value: Any,  # noqa: ANN401 click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> datetime:
        return value if isinstance(value, datetime) else moment(value)


OPTION_TYPES: dict[Any, Any] = {str: str, int: int, bool: None, datetime: DayOption()}
reason_option = click.option(
    "--reason", help="Why, for the record; by default the words of the command."
)


class Printing(msgspec.Struct, frozen=True, kw_only=True):
    """How a command answers: ``text`` and ``value`` of the call and what was done, by default the
    sentence of the verb and what was done itself.
    """

    text: Callable[..., str] | None = None
    value: Callable[..., object] = lambda _, done: done


PLAIN = Printing()


def add_command(
    group: click.Group, verb: AnyVerb, target: str = "NAME", printing: Printing = PLAIN
) -> None:
    """Adds the command of a verb to a group. ``target`` is the word for what it is called with."""
    fields = {field.name: field for field in msgspec.structs.fields(verb.takes)}

    def act(target: str, call: CliCall, reason: str | None = None, **options: Any) -> None:  # noqa: ANN401 of click
        shared = {name: options.pop(name, None) for name in ("by", "dry_run")}
        if verb.named_by:
            options[verb.named_by] = target
        if "reason" in fields:
            options["reason"] = reason or f"licet {group.name} {verb.command}"
        run_verb(verb, target, options, call, printing, **shared)

    lines = [f"licet {group.name} {verb.command} {line}" for line in verb.example.split("\n")]
    act.__doc__ = f"{verb.about}\n\n\b\nExample:  " + "\n          ".join(lines)
    made: Callable[..., Any] = answer_options(act)
    if "reason" in fields:
        made = reason_option(by_option("does it")(made))
    if "dry_run" in fields:
        made = dry_option("Show what would be done, and change nothing.")(made)
    for field in reversed(fields.values()):
        if field.name not in ("reason", "dry_run", verb.named_by):
            made = _option(field)(made)
    group.command(verb.command)(click.argument("target", metavar=target)(made))


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
) -> None:
    """Calls a verb and prints what it did, or would do."""
    body = verb.body(sent)
    with cli.installation() as installation:
        call = VerbCall(
            installation=installation,
            actor=by or f"user:{user()}",
            wall=utc_now(),
            url=url or installation.config.web.url or f"http://127.0.0.1:{PORT}",
            sent=body,
            target=target,
            dry_run=bool(dry_run),
        )
        done = verb.perform(call)
        sentence = "\n".join(verb.would(call, done)) if dry_run else verb.did(call, done)
        cli.show(
            printing.value(call, done),
            lambda: printing.text(call, done) if printing.text is not None else sentence,
        )


def _option(field: msgspec.structs.FieldInfo) -> Callable[..., Any]:
    """The option of a field: `--overlap-hours`, and of several values `--kind` for ``kinds``."""
    kind, metas = unwrapped(field.type)
    option, several = field.name.replace("_", "-"), get_origin(kind) is tuple
    required = field.default is msgspec.NODEFAULT
    if several:
        option, kind = option.removesuffix("s"), unwrapped(get_args(kind)[0])[0]
    named = [meta.extra["option"] for meta in metas if meta.extra]
    if isinstance(kind, EnumMeta):  # which words there are is said by the verb
        kind = str
    return click.option(
        named[0] if named else f"--{option}",
        field.name,
        type=OPTION_TYPES[kind],
        is_flag=kind is bool,
        multiple=several,
        required=required,
        default=None if required else field.default,
        show_default=kind is int and field.default is not None,
        help=next((meta.description for meta in metas if meta.description), None),
    )

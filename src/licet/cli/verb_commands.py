"""The commands of what staff do, made from their declarations (`service.staff_verb`).

An option is a field of what the verb takes, with its meaning as its help. A command without a
reason goes on record with its own words.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import EnumMeta
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import click
import msgspec
from msgspec import Meta

from licet.cli.shell import (
    answer_options,
    by_option,
    dry_option,
    open_installation,
    show,
    user,
)
from licet.clock import utc_now
from licet.service.staff_verb import AnyVerb, VerbCall

GIVEN = ("reason", "dry_run")  # by the options that every command has
reason_option = click.option(
    "--reason", help="Why, for the record; by default the words of the command."
)


def add_command(
    group: click.Group,
    verb: AnyVerb,
    target: str = "NAME",
    *,
    text: Callable[..., str] | None = None,
) -> None:
    """Adds the command of a verb to a group. ``target`` is the word for what it is called with;
    ``text`` what it prints, of the call and what was done, instead of the verb's own sentence.
    """

    def act(
        target: str,
        data: Path | None,
        at: str | None,
        as_json: bool,
        by: str | None = None,
        reason: str | None = None,
        dry_run: bool = False,
        **sent: Any,  # noqa: ANN401 as the verb takes them
    ) -> None:
        if "reason" in fields:
            sent["reason"] = reason or f"licet {group.name} {verb.command}"
        run_verb(
            verb, target, sent, data=data, at=at, by=by, dry_run=dry_run, as_json=as_json, text=text
        )

    fields = {one.name: one for one in msgspec.structs.fields(verb.takes)}
    act.__doc__ = f"{verb.about}\n\n\b\nExample:  licet {group.name} {verb.command} {verb.example}"
    made: Callable[..., Any] = by_option("does it")(answer_options(act))
    if "reason" in fields:
        made = reason_option(made)
    if "dry_run" in fields:
        made = dry_option("Show what would be done, and change nothing.")(made)
    for field in reversed(fields.values()):
        made = made if field.name in GIVEN else _option(field)(made)
    group.command(verb.command)(click.argument("target", metavar=target)(made))


def run_verb(
    verb: AnyVerb,
    target: str,
    sent: dict[str, Any],
    *,
    data: Path | None,
    at: str | None,
    by: str | None,
    dry_run: bool,
    as_json: bool,
    text: Callable[..., str] | None = None,
) -> None:
    """Calls a verb and shows what it did, or would do."""
    body = verb.body(sent)
    with open_installation(data, at) as installation:
        call = VerbCall(
            installation=installation,
            actor=by or f"user:{user()}",
            wall=utc_now(),
            url=installation.config.web.url or "",
            sent=body,
            target=target,
            dry_run=dry_run,
        )
        done = verb.perform(call)
        would = "\n".join(verb.would(call, done)) if dry_run else verb.did(call, done)
        show(done, as_json, lambda: text(call, done) if text is not None else would)


def _option(field: msgspec.structs.FieldInfo) -> Callable[..., Any]:
    """The option of a field: `--overlap-hours`, and of several values `--kind` for ``kinds``."""
    kind: Any = field.type
    metas: list[Any] = []
    if get_origin(kind) is Annotated:
        kind, *metas = get_args(kind)
    name, several = field.name.replace("_", "-"), get_origin(kind) is tuple
    if several:
        name, kind = name.removesuffix("s"), get_args(kind)[0]
    type_: Any = click.Choice([one.value for one in kind]) if isinstance(kind, EnumMeta) else kind
    if type_ not in (int, bool):
        type_ = type_ if isinstance(type_, click.Choice) else str
    required = field.default is msgspec.NODEFAULT
    meanings = [meta.description for meta in metas if isinstance(meta, Meta)]
    return click.option(
        f"--{name}",
        field.name,
        type=None if kind is bool else type_,
        is_flag=kind is bool,
        multiple=several,
        required=required,
        default=None if required else field.default,
        show_default=not required and kind is int,
        help=next(iter(meanings), None),
    )

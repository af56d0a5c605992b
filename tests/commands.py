"""The commands of `licet`, by their words."""

from __future__ import annotations

from collections.abc import Iterator

import click


def below(group: click.Group) -> dict[str, click.Command]:
    """The commands of a group by their names; the root loads each as it is asked for."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def every(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command that does something, with the words that call it."""
    for name, command in below(group).items():
        if isinstance(command, click.Group):
            yield from every(command, *path, name)
        else:
            yield (*path, name), command


def groups(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Group]]:
    """Each group below a group, with the words that call it."""
    for name, command in below(group).items():
        if isinstance(command, click.Group):
            yield (*path, name), command
            yield from groups(command, *path, name)

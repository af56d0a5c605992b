"""The commands of the inbox: open items, one item, and its holder. Texts are read from files."""

from __future__ import annotations

import click

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import CliCall, answer_options, choice
from licet.cli.verb_commands import Printing, add_commands
from licet.policy.period import rfc3339
from licet.release import signatures
from licet.service import inbox as items
from licet.service import inbox_verbs
from licet.service.inbox import (
    PAGE_ITEMS,
    PAGE_ITEMS_MAX,
    HeldFilter,
    InboxView,
    ItemSeen,
    ItemSort,
)
from licet.service.inbox_sources import InboxItem, ItemKind
from licet.service.inbox_verbs import InboxResult
from licet.service.staff_verb import AnyCall

by_member = click.option(
    "--by", required=True, help="The e-mail address of the member of staff whose inbox it is."
)


@click.group(cls=CommandGroup)
def inbox() -> None:
    """Lists the open work of staff, and who has it. Each sees the items that their roles can do
    something about.
    """


@inbox.command("list")
@by_member
@click.option("--kind", type=choice(ItemKind), help="Only of this kind.")
@click.option("--held", type=choice(HeldFilter), help="Only what I, nobody or somebody has.")
@click.option("--overdue", is_flag=True, help="Only what is overdue.")
@click.option("--sort", type=choice(ItemSort), default="due", help="What is due first, or kinds.")
@click.option("--after", default="", help="Go on where a page ended.")
@click.option(
    "--limit",
    default=PAGE_ITEMS,
    show_default=True,
    type=click.IntRange(1, PAGE_ITEMS_MAX),
    help="At most.",
)
@answer_options
def list_items(
    by: str,
    kind: str | None,
    held: str | None,
    overdue: bool,
    sort: str,
    after: str,
    limit: int,
    call: CliCall,
) -> int:
    """Lists open items, by due date. Exits 1 if something is overdue.

    \b
    Example:  licet inbox list --by ada@example.org --held nobody
    """
    view = InboxView(
        kind=ItemKind(kind) if kind else None,
        held=HeldFilter(held) if held else None,
        overdue=overdue,
        sort=ItemSort(sort),
        after=after,
        limit=limit,
    )
    with call.installation() as installation:
        found = items.page(installation, signatures.find_member(installation, by), view)
        more = [f".. more: --after {found.next}"] if found.next else []
        call.show(found, lambda: "\n".join([*map(_line, found.items), *more]) or "nothing waits")
    return EXIT_NO if any(item.overdue for item in found.items) else 0


@inbox.command("show")
@click.argument("item")
@by_member
@answer_options
def show_item(item: str, by: str, call: CliCall) -> None:
    """Shows ITEM with who has it and what was done with it.

    \b
    Example:  licet inbox show request:req_0190f3a4c2d87b6e9a51c3d4e5f60718 --by ada@example.org
    """
    with call.installation() as installation:
        found = items.get(installation, signatures.find_member(installation, by), item)
        call.show(found, lambda: "\n".join(_item_lines(found)))


def _result_lines(_: AnyCall, done: InboxResult) -> str:
    return "\n".join(_item_lines(done.seen))


SEEN = Printing(text=_result_lines, value=lambda _, done: done.seen)
add_commands(inbox, inbox_verbs.STEPS, {verb.name: SEEN for verb in inbox_verbs.STEPS})


def _line(item: InboxItem) -> str:
    due = f"due {rfc3339(item.due_at)}" if item.due_at is not None else "no day"
    return (
        f"{item.item} {due}{' OVERDUE' if item.overdue else ''}, {item.holder or 'nobody'}: "
        f"{item.what}. {item.act}"
    )


def _item_lines(view: ItemSeen) -> list[str]:
    lines = [_line(view.waits) if view.waits is not None else f"{view.item} is done"]
    lines.append(
        f"  {view.holder} has it since {rfc3339(view.taken_at)}"
        if view.taken_at
        else "  nobody has it"
    )
    for step in view.steps:
        ended = {None: "", True: "", False: ", refused"}[step.done]
        to = f" to {step.to}" if step.to else ""
        lines.append(f"  {rfc3339(step.at)} {step.act or step.step.value}{to}{ended} by {step.by}")
        lines += [f"      {line}" for line in step.words.splitlines()]
    return lines

"""The commands of legal holds: place one, end one, and list them by day of review."""

from __future__ import annotations

import click

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import CliCall, answer_options, pluralize
from licet.cli.verb_commands import add_commands
from licet.policy.period import rfc3339
from licet.service import hold_verbs, staff_lists
from licet.service.staff_lists import FlagDue, HoldSeen


@click.group(cls=CommandGroup)
def hold() -> None:
    """Places, lists and ends legal holds. A hold keeps content from being erased, and makes none of
    it usable.
    """


add_commands(hold, hold_verbs.VERBS)


@hold.command("list")
@answer_options
def list_holds(call: CliCall) -> int:
    """Lists legal holds and standing flags by day of review. Exits 1 if a review is overdue. The
    matter of a hold is sealed and not shown.

    \b
    Example:  licet hold list
    """
    with call.installation() as installation:
        found, flags = staff_lists.list_holds(installation), staff_lists.list_flags(installation)
        rest = (
            [f".. {found.total - len(found.items):,} more"]
            if found.total > len(found.items)
            else []
        )
        lines = [*map(_line, found.items), *rest, *map(_flag_line, flags)]
        answer = {"holds": found.items, "total": found.total, "flags": flags}
        call.show(answer, lambda: "\n".join(lines) or "nothing is held")
    overdue = any(held.overdue for held in found.items) or any(flag.overdue for flag in flags)
    return EXIT_NO if overdue else 0


def _flag_line(item: FlagDue) -> str:
    overdue = " OVERDUE" if item.overdue else ""
    since = f"flagged {rfc3339(item.flagged_at)}, safety copy until {rfc3339(item.copy_until)}"
    return f"{item.conversation} {since}, review {rfc3339(item.review_at)}{overdue}"


def _line(item: HoldSeen) -> str:
    secrecy = "" if item.told else ", not to be disclosed"
    overdue = " OVERDUE" if item.overdue else ""
    by = f" by {item.placed_by}" if item.placed_by else ""
    review = f"review {rfc3339(item.review_at)}{overdue}"
    turns = f"{item.turns_held:,} of {pluralize(item.turns_held + item.turns_not_held, 'turn')}"
    return (
        f"{item.conversation} {item.reason.value} since {rfc3339(item.placed_at)}{by}{secrecy}, "
        f"{turns}, {review}"
    )

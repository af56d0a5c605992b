"""The commands of legal holds: place one, end one, and list them by day of review."""

from __future__ import annotations

import click

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import (
    CliCall,
    answer_options,
    by_option,
    choice,
    dry_option,
    moment,
    pluralize,
    user,
)
from licet.policy.period import rfc3339
from licet.service import oversight
from licet.service.oversight import FlagDue, HoldSeen
from licet.vault import holds
from licet.vault.commands import HoldReason, Outcome
from licet.vault.hold_coverage import describe_coverage
from licet.vault.holds import HoldAct

matter_option = click.option(
    "--matter",
    required=True,
    help="Its purpose, in your own words. It is sealed; the same words end the hold.",
)


@click.group(cls=CommandGroup)
def hold() -> None:
    """Places, lists and ends legal holds. A hold keeps content from being erased, and makes none of
    it usable.
    """


@hold.command("place")
@click.argument("conversations", nargs=-1, required=True)
@matter_option
@click.option(
    "--reason",
    required=True,
    type=choice(HoldReason),
    help="The reason.",
)
@click.option("--review", help="The day on which to review the hold; by default in 180 days.")
@click.option(
    "--untold",
    is_flag=True,
    help="Do not tell the person, because the matter forbids it; this goes on record.",
)
@by_option("places it")
@dry_option("Show what would be done, and change nothing.")
@answer_options
def place(
    conversations: tuple[str, ...],
    matter: str,
    reason: str,
    review: str | None,
    untold: bool,
    by: str | None,
    dry_run: bool,
    call: CliCall,
) -> int:
    """Places a legal hold on CONVERSATIONS, and says what it holds.

    Of each it says what is held and what is not. Exits 1 if nothing of one could be held.

    What is stored now stays, sealed, until the last hold on it ends. A hold restores nothing, and
    makes nothing usable. A conversation whose time is over is refused (`expired`), also before the
    sweep; the others are held. Placing it again for the same matter updates its reason and its day
    of review. If one does not exist, none is held.

    \b
    Example:  licet hold place conv_0190f3a4c2d87b6e9a51c3d4e5f60718 --matter "Smith v. Acme,
    2026-17" \\
                  --reason litigation --review 2026-06-01
    """
    with call.installation() as installation:
        done = holds.place(
            installation,
            conversations,
            matter=matter,
            reason=HoldReason(reason),
            by=by or f"user:{user()}",
            review_at=moment(review) if review is not None else None,
            is_told=not untold,
            dry_run=dry_run,
        )
        call.show(done, lambda: "\n".join(_placed(act, dry_run) for act in done))
    return EXIT_NO if any(act.outcome is Outcome.refused for act in done) else 0


@hold.command("end")
@click.argument("conversations", nargs=-1, required=True)
@matter_option
@dry_option("Show what would be done, and change nothing.")
@answer_options
def end(conversations: tuple[str, ...], matter: str, dry_run: bool, call: CliCall) -> None:
    """Ends the hold of a matter on CONVERSATIONS: on all or none.

    When the last hold on a conversation ends, the next sweep erases what is past its end date, with
    a certificate.

    \b
    Example:  licet hold end conv_0190f3a4c2d87b6e9a51c3d4e5f60718 --matter "Smith v. Acme, 2026-17"
    """
    with call.installation() as installation:
        done = holds.end(installation, conversations, matter=matter, dry_run=dry_run)
        call.show(done, lambda: "\n".join(_freed(act, dry_run) for act in done))


@hold.command("list")
@answer_options
def listed(call: CliCall) -> int:
    """Lists legal holds and standing flags by day of review. Exits 1 if a review is overdue. The
    matter of a hold is sealed and not shown.

    \b
    Example:  licet hold list
    """
    with call.installation() as installation:
        found, flags = oversight.holds(installation), oversight.standing_flags(installation)
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


def _placed(act: HoldAct, dry_run: bool) -> str:
    match act.outcome:
        case Outcome.refused:
            verb = f"{'would not be' if dry_run else 'is not'} held ({act.because})"
        case Outcome.unchanged:
            verb = (
                f"is held for this matter already, {'would be' if dry_run else 'is'} reviewed anew"
            )
        case _:
            verb = f"{'would be' if dry_run else 'is'} held"
    review = f", review {rfc3339(act.review_at)}" if act.review_at else ""
    return f"{act.conversation} {verb}{review}: {describe_coverage(act.coverage)}"


def _freed(act: HoldAct, dry_run: bool) -> str:
    if act.keeps:
        verb = f"{'would stay' if dry_run else 'stays'} held for another matter"
    else:
        verb = f"{'would be' if dry_run else 'is'} free"
    return f"{act.conversation} {verb}: {describe_coverage(act.coverage)}"


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

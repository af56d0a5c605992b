"""The commands of people's legal requests: list them, show one, enter one, and act on one.

Texts are content: they are read from a file or standard input, and enter no shell history.
"""

from __future__ import annotations

import click

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import CliCall, answer_options, choice
from licet.cli.verb_commands import Printing, add_commands
from licet.consent import rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.rights import RequestState
from licet.consent.rights_requests import RightsRequest, SeenRequest
from licet.policy.period import rfc3339
from licet.service import request_verbs
from licet.service.staff_verb import AnyCall

LISTED_MAX = 200


@click.group(cls=CommandGroup)
def request() -> None:
    """Lists, enters and answers people's legal requests. Each request has the clock of
    its person's region.
    """


@request.command("list")
@click.option("--kind", type=choice(RightKind), help="Only of this kind.")
@click.option(
    "--state", type=choice(RequestState), help="In this state; by default open and paused."
)
@click.option("--after", default="", help="Go on behind this request.")
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, LISTED_MAX),
    help="How many at most.",
)
@answer_options
def list_requests(
    kind: str | None, state: str | None, after: str, limit: int, call: CliCall
) -> int:
    """Lists requests by the day they are due, without their words. Exits 1 if one is overdue.

    \b
    Example:  licet request list --kind erasure
    """
    states = [RequestState(state)] if state else [RequestState.open, RequestState.paused]
    with call.installation() as installation:
        found = rights_requests.list_requests(
            installation,
            limit + 1,
            kinds=[RightKind(kind)] if kind else [],
            states=states,
            after=after,
        )
        items, more = found[:limit], len(found) > limit
        lines = [*map(_line, items), *([f".. more: --after {items[-1].id}"] if more else [])]
        answer = {"items": items, "next": items[-1].id if more else None}
        call.show(answer, lambda: "\n".join(lines) or "no requests")
    return EXIT_NO if any(item.overdue for item in items) else 0


@request.command("show")
@click.argument("name", metavar="REQUEST")
@answer_options
def show_request(name: str, call: CliCall) -> None:
    """Shows REQUEST with its dates, its steps and what was written.

    \b
    Example:  licet request show req_0190f3a4c2d87b6e9a51c3d4e5f60718
    """
    with call.installation() as installation:
        found = rights_requests.get_request(installation, name)
        call.show(found, lambda: "\n".join(_request_lines(found)))


def _state_line(call: AnyCall, done: RightsRequest) -> str:
    return _line(request_verbs.answer(call, done))


SEEN = Printing(text=_state_line, value=request_verbs.answer)
add_commands(request, request_verbs.VERBS, {verb.name: SEEN for verb in request_verbs.VERBS})


def _line(item: SeenRequest) -> str:
    overdue = " OVERDUE" if item.overdue else ""
    when = (
        f"ended {rfc3339(item.ended_at)}"
        if item.ended_at
        else f"due {rfc3339(item.due_at)}{overdue}"
    )
    stops = ", clock stopped" if item.clock_stops else ""
    return (
        f"{item.id} {item.kind.value} {item.state.value}, {when}{stops}, "
        f"{item.account or 'no account'}"
    )


def _request_lines(item: SeenRequest) -> list[str]:
    laws = f"{', '.join(item.laws)}{'' if len(item.laws) == 1 else ', the strictest'}"
    lines = [_line(item), f"  region {item.region or 'not known'}; clock of {laws}"]
    if item.extends_to is not None:
        lines.append(f"  can be extended to {rfc3339(item.extends_to)}")
    if item.acknowledge_by is not None and item.acknowledged_at is None:
        lines.append(f"  its receipt is to be confirmed by {rfc3339(item.acknowledge_by)}")
    for step in item.steps:
        reason = f" ({step.reason})" if step.reason else ""
        lines.append(f"  {rfc3339(step.at)} {step.step.value}{reason} by {step.by}")
        lines += [f"      {line}" for line in step.words.splitlines()]
    return lines if item.readable else [*lines, "  what was written is erased"]

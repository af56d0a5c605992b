"""The commands of people's requests under the law: list them, show one, enter one, and act on one.

What somebody writes is content: it is read from a file or from standard input, and stands in no
history of a shell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import (
    CliCall,
    answer_options,
    by_option,
    choice,
    moment,
    user,
)
from licet.consent import rights_requests
from licet.consent.deadlines import PauseReason, RightKind
from licet.consent.rights import ExtensionReason, RefusalReason, RequestState
from licet.consent.rights_requests import (
    WORDS_CHARACTERS_MAX,
    EnteredRequest,
    SeenRequest,
    StaffAct,
)
from licet.errors import UsageError
from licet.policy.period import rfc3339
from licet.proof import documents

LISTED_MAX, NAME_CHARACTERS_MAX = 200, 200
WORDS_BYTES_MAX = 4 * WORDS_CHARACTERS_MAX
words_option = click.option(
    "--words",
    required=True,
    type=click.Path(allow_dash=True, path_type=Path),
    help="A file with what the person reads; - is standard input.",
)
kinds = choice(RightKind)


@click.group(cls=CommandGroup)
def request() -> None:
    """Lists, enters and answers what people ask for under the law. Each request has the clock of
    its person's region.
    """


@request.command("list")
@click.option("--kind", type=kinds, help="Only of this kind.")
@click.option(
    "--state",
    type=choice(RequestState),
    help="In this state; by default open and paused.",
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
def listed(kind: str | None, state: str | None, after: str, limit: int, call: CliCall) -> int:
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
def shown(name: str, call: CliCall) -> None:
    """Shows REQUEST with its dates, its steps and what was written.

    \b
    Example:  licet request show req_0190f3a4c2d87b6e9a51c3d4e5f60718
    """
    with call.installation() as installation:
        found = rights_requests.get_request(installation, name)
        call.show(found, lambda: "\n".join(_request_lines(found)))


@request.command("enter")
@click.argument("kind", type=kinds)
@words_option
@click.option(
    "--identity",
    required=True,
    type=click.Path(allow_dash=True, path_type=Path),
    help="A file that says how the sender was identified.",
)
@click.option(
    "--account",
    default="",
    help="The account, by our id or the host's; none for somebody without one.",
)
@click.option(
    "--region",
    help="Where the person lives, as DE or US-CA; an account's own region goes before it.",
)
@click.option("--received", help="When it came; by default now.")
@by_option("enters it")
@answer_options
def entered(
    kind: str,
    words: Path,
    identity: Path,
    account: str,
    region: str | None,
    received: str | None,
    by: str | None,
    call: CliCall,
) -> None:
    """Enters a request of KIND that came by letter, mail or telephone.

    Its clock begins with its receipt. Both texts are sealed.

    \b
    Example:  licet request enter erasure --words letter.txt --identity identity.txt --region FR
    --received 2026-06-01
    """
    text, identified_by = read_words(words), read_words(identity)
    with call.installation() as installation:
        asked = EnteredRequest(
            kind=RightKind(kind),
            words=text,
            identity=identified_by,
            region=region,
            account=documents.account_named(installation, account) if account else None,
            received_at=moment(received) if received else None,
        )
        found = rights_requests.enter(installation, asked, _actor_name(by))
        seen = rights_requests.detail(found, installation.clock(), for_staff=True)
        call.show(seen, lambda: _line(seen))


def _acting(
    what: StaffAct,
    sentence: str,
    example: str,
    reasons: Sequence[str] = (),
    *,
    has_words: bool = True,
) -> None:
    """Adds the command of one step to the group."""

    def act(
        name: str, by: str | None, call: CliCall, words: Path | None = None, reason: str = ""
    ) -> None:
        text = read_words(words) if words is not None else ""
        with call.installation() as installation:
            found = rights_requests.take_step(
                installation, name, what, _actor_name(by), reason=reason, words=text
            )
            seen = rights_requests.detail(found, installation.clock(), for_staff=True)
            call.show(seen, lambda: _line(seen))

    act.__doc__ = (
        f"{sentence}\n\n\b\nExample:  licet request {what.value} "
        f"req_0190f3a4c2d87b6e9a51c3d4e5f60718{example}"
    )
    made: Callable[..., None] = by_option("does it")(answer_options(act))
    if reasons:
        made = click.option(
            "--reason", required=True, type=click.Choice(reasons), help="The reason."
        )(made)
    made = words_option(made) if has_words else made
    request.command(what.value)(click.argument("name", metavar="REQUEST")(made))


_acting(
    StaffAct.acknowledge,
    "Confirms the receipt of REQUEST. The first confirmation stands.",
    "",
    has_words=False,
)
_acting(
    StaffAct.pause,
    "Asks the person of REQUEST something, and waits. The clock stops where the law stops it.",
    " --reason identity --words question.txt",
    [one.value for one in PauseReason],
)
_acting(
    StaffAct.resume, "Goes on with REQUEST without an answer of its person.", "", has_words=False
)
_acting(
    StaffAct.extend,
    "Extends REQUEST by what the law allows. That is possible once, before it is due.",
    " --reason complexity --words why.txt",
    [one.value for one in ExtensionReason],
)
_acting(StaffAct.answer, "Answers REQUEST, which ends it.", " --words answer.txt")
_acting(
    StaffAct.refuse,
    "Refuses REQUEST, which ends it. The person reads the reason, and where to complain.",
    " --reason unfounded --words why.txt",
    [one.value for one in RefusalReason],
)


def _actor_name(name: str | None) -> str:
    """Who does it, for the record."""
    actor = user() if name is None else name
    if not actor or len(actor) > NAME_CHARACTERS_MAX or any(letter.isspace() for letter in actor):
        raise UsageError("`--by` is no name without blanks", "write it as in ada@example.org")
    return f"user:{actor}"


def read_words(path: Path) -> str:
    """What a file holds, or standard input."""
    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as source:
            text = source.read(WORDS_BYTES_MAX + 1).decode("utf-8")
    except OSError as error:
        raise UsageError(
            f"`{path}` cannot be read: {(error.strerror or 'unknown').lower()}",
            "name a text file that can be read",
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"`{path}` is no text in UTF-8, or too long") from None
    return text.strip()


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

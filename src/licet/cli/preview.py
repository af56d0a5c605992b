"""The command that shows a person what a release built now would hold of their sessions."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.shell import answer_options, open_installation, show
from licet.errors import NotFoundError, UsageError
from licet.policy.decide import IMPROVE
from licet.policy.period import written
from licet.vault.ids import Prefix, parse, shown


@click.command()
@click.argument("conversation", required=False)
@click.option("--purpose", default=IMPROVE, show_default=True, help="What it would be used for.")
@click.option(
    "--yes",
    "assume",
    is_flag=True,
    help="As if you said yes for this now, and went on with each chat.",
)
@click.option(
    "--after", default=None, help="Go on behind this conversation: the `next` of the page before."
)
@answer_options
def preview(
    conversation: str | None,
    purpose: str,
    assume: bool,
    after: str | None,
    data: Path | None,
    at: str | None,
    as_json: bool,
) -> None:
    """Shows what a release built now would hold of your chats. Shows also what is replaced, what is
    left out, and why.

    Without CONVERSATION it shows all of them, a page at a time. They are those of
    LICET_AGENT__ACCOUNT. Nothing is built, and no copy is left. Whether others hold the same, for
    which a release leaves a row out, is not looked at.

    \\b
    Example:  licet preview conv_0199107f2c0078e7a6e4da4810be10b0 --yes
    """
    from licet.service import preview as previews  # curation is loaded where it is used
    from licet.vault import verbs

    with open_installation(data, at) as here:
        host = here.config.agent.account
        if not host:
            raise UsageError(
                "whose chats are these?", "set LICET_AGENT__ACCOUNT to the host's id of the account"
            )
        account = verbs.account_of(here, host)
        if account is None:
            raise NotFoundError(
                f"no account `{host}`", "it is opened over the API, or by `licet import`"
            )
        seen = previews.preview(
            here,
            account,
            purpose,
            assume=assume,
            bounds=previews.A_COMMAND,
            conversation=parse(Prefix.conversation, conversation) if conversation else None,
            after=parse(Prefix.conversation, after) if after else None,
        )
        show(seen, as_json, lambda: text(seen))


def text(view: object) -> str:
    """A preview as text."""
    from licet.service.preview_result import Preview

    assert isinstance(view, Preview)
    how = (
        f"as if you said yes to `{view.question}` now"
        if view.assumed
        else "under your present answer"
    )
    lines = [f"For {view.purpose}, {how}:"]
    if view.refused is not None:
        lines.append(f"That yes would have no effect: {view.refused.value.replace('_', ' ')}")
    for one in view.conversations:
        if one.beyond is not None:
            what = (
                f"{one.beyond.found:,} {one.beyond.bound.value.replace('_', ' ')}, at most "
                f"{one.beyond.most:,} are shown"
            )
            lines.append(f"\n{shown(Prefix.conversation, one.conversation)}: {what}")
            continue
        used = sum(turn.used for turn in one.turns)
        until = f" until {written(one.until)}" if one.until else ""
        name = shown(Prefix.conversation, one.conversation)
        lines.append(f"\n{name}: {used} of {len(one.turns)} turns would be used{until}")
        for turn in one.turns:
            if not turn.used:
                lines.append(
                    f"  {turn.turn} {turn.role.value}: left out ({turn.because.replace('_', ' ')})"
                )
                continue
            lines.append(f"  {turn.turn} {turn.role.value}: " + turn.text.replace("\n", "\n    "))
            lines += [
                f"      replaced ({each.kind}): {each.was} -> {each.becomes}"
                for each in turn.replaced
            ]
    if view.next is not None:
        lines.append(f"\nMore: --after {shown(Prefix.conversation, view.next)}")
    return "\n".join(lines)

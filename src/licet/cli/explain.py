"""The commands that explain: what may be used and why, and the installation's state."""

from __future__ import annotations

import click

from licet.cli.shell import (
    CliCall,
    answer_options,
    pluralize,
)
from licet.consent.acts import ActKind, ConsentAct
from licet.consent.consent_status import QuestionStatus
from licet.errors import NotFoundError, UsageError
from licet.policy.decide import IMPROVE
from licet.policy.period import rfc3339
from licet.service import explanations
from licet.vault.ids import Prefix, format_id, parse


@click.command()
@click.argument("name")
@answer_options
def explain(name: str, call: CliCall) -> None:
    """Says whether and why content may be used, and until when. NAME is a conversation, a turn or
    an account.

    Ids begin with conv_, turn_ and acc_; an account may also be named by the host's own id.

    \b
    Example:  licet explain conv_0199107f2c0078e7a6e4da4810be10b0
              licet explain ana
    """
    with call.installation() as installation:
        seen = explanations.explain(installation, name)
        if isinstance(seen, explanations.AccountSeen):
            call.show(seen, lambda: account_text(seen))
        else:
            call.show(seen, lambda: conversation_text(seen))


def conversation_text(view: explanations.ConversationSeen) -> str:
    kept = (
        "erased"
        if view.erased
        else (rfc3339(view.keep_until) if view.keep_until else "while a legal hold stands")
    )
    marks = [
        word
        for word, holds in (
            ("incognito", view.incognito),
            ("kept out", view.kept_out),
            ("deleted", view.deleted_at is not None),
            ("held", view.held),
        )
        if holds
    ]
    within = f" in {view.project}" if view.project else ""
    lines = [
        f"{view.conversation}  {view.kind} of {view.account}{within}"
        + (f"  ({', '.join(marks)})" if marks else "")
    ]
    lines.append(f"kept until  {kept}")
    if view.safety_until:
        lines.append(f"safety copy until  {rfc3339(view.safety_until)}")
    for answer in view.answers:
        what = "may be used" if answer.use else "will not be used"
        until = f" until {rfc3339(answer.until)}" if answer.until else ""
        lines.append(
            f"{answer.purpose}: {pluralize(answer.turns, 'turn')} from {answer.turn} {what}{until}"
        )
        lines.append(
            f"    because: {answer.because.value}: {answer.meaning} (policy {answer.policy}, now "
            f"{answer.policy_in_force})"
        )
        lines.append(f"    behind it: {_behind(answer)}")
    if view.releases:
        lines.append(f"releases    {', '.join(view.releases)}")
    return "\n".join(lines)


def account_text(view: explanations.AccountSeen) -> str:
    """Formats an account's standing and the usable part of its content."""
    lines = [
        f"{view.account}  plan {view.plan}, opened {rfc3339(view.opened_at)}",
        f"gate      {view.gate.value}",
        f"region    {view.region or 'unknown'}, terms: {view.region_values}",
        *(f"question  {_question(stood)}" for stood in view.questions),
        f"holds     {pluralize(view.conversations, 'conversation')}",
        *(f"newest    {conversation}" for conversation in view.newest),
    ]
    for purpose, reasons in view.turns.items():
        lines.append(
            f"{purpose}: "
            + (", ".join(f"{count:,} {why}" for why, count in reasons.items()) or "no turns")
        )
    lines += [f"choice    {_choice(choice)}" for choice in view.choices]
    return "\n".join(lines)


def _behind(answer: explanations.TurnsExplained) -> str:
    """Formats the question, the scope of the grant in force, and the act."""
    if answer.question is None:
        return "no question of the version in force covers this purpose"
    grant = ""
    if answer.grant is not None and answer.given_for is not None:
        grant = f", grant {answer.grant} for {_scope(answer.given_for)}"
    return f"question {answer.question}{grant}: {_act(answer.act)}"


def _scope(given_for: explanations.ScopeSeen) -> str:
    return given_for.project or given_for.conversation or "the account"


def _act(act: ConsentAct | None) -> str:
    if act is None:
        return "nothing was said"
    match act.act:
        case ActKind.yes | ActKind.no:
            surface = f" on {act.surface}" if act.surface else ""
            return (
                f"{act.act.value} on {rfc3339(act.at)} by {act.via}{surface}, policy {act.policy}"
            )
        case ActKind.lapsed:
            return f"lapsed on {rfc3339(act.at)} by {act.cause}, policy {act.policy}"
        case ActKind.kept_out:
            return f"kept out on {rfc3339(act.at)}"


def _question(stood: QuestionStatus) -> str:
    answered = f", answered version {stood.answered}" if stood.answered else ""
    return f"{stood.question}: {stood.standing.value}{answered}: {_act(stood.act)}"


def _choice(choice: explanations.ChoiceSeen) -> str:
    answer = "yes" if choice.allow else "no"
    grant = f", grant {choice.grant}" if choice.grant else ""
    effect = f"{choice.effect}: {choice.because}" if choice.because else choice.effect
    about = f"{choice.question or 'no question'} for {_scope(choice.given_for)}"
    return (
        f"{answer} to {about} on {rfc3339(choice.at)} by {choice.via} ({effect}{grant}, policy "
        f"{choice.policy})"
    )


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
    conversation: str | None, purpose: str, assume: bool, after: str | None, call: CliCall
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

    with call.installation() as installation:
        host = installation.config.agent.account
        if not host:
            raise UsageError(
                "whose chats are these?", "set LICET_AGENT__ACCOUNT to the host's id of the account"
            )
        account = verbs.account_of(installation, host)
        if account is None:
            raise NotFoundError(
                f"no account `{host}`", "it is opened over the API, or by `licet import`"
            )
        seen = previews.preview(
            installation,
            account,
            purpose,
            assume=assume,
            bounds=previews.A_COMMAND,
            conversation=parse(Prefix.conversation, conversation) if conversation else None,
            after=parse(Prefix.conversation, after) if after else None,
        )
        call.show(seen, lambda: text(seen))


def text(view: object) -> str:
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
    for chat in view.conversations:
        if chat.beyond is not None:
            what = (
                f"{chat.beyond.found:,} {chat.beyond.bound.value.replace('_', ' ')}, at most "
                f"{chat.beyond.most:,} are shown"
            )
            lines.append(f"\n{format_id(Prefix.conversation, chat.conversation)}: {what}")
            continue
        used = sum(turn.used for turn in chat.turns)
        until = f" until {rfc3339(chat.until)}" if chat.until else ""
        name = format_id(Prefix.conversation, chat.conversation)
        lines.append(f"\n{name}: {used} of {len(chat.turns)} turns would be used{until}")
        for turn in chat.turns:
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
        lines.append(f"\nMore: --after {format_id(Prefix.conversation, view.next)}")
    return "\n".join(lines)

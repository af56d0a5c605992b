"""The commands that answer questions: what may be used and why, and the state of the
installation.
"""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.shell import answer_options, open_installation, pluralize, show
from licet.consent.acts import ActKind, ConsentAct
from licet.consent.consent_status import QuestionStatus
from licet.policy.period import written
from licet.service import answers


@click.command()
@click.argument("name")
@answer_options
def explain(name: str, data: Path | None, at: str | None, as_json: bool) -> None:
    """Says whether and why content may be used, and until when. NAME is a conversation, a turn or
    an account.

    Ids begin with conv_, turn_ and acc_; an account may also be named by the host's own id.

    \b
    Example:  licet explain conv_0199107f2c0078e7a6e4da4810be10b0
              licet explain ana
    """
    with open_installation(data, at) as here:
        seen = answers.explain(here, name)
        if isinstance(seen, answers.AccountSeen):
            show(seen, as_json, lambda: account_text(seen))
        else:
            show(seen, as_json, lambda: conversation_text(seen))


def conversation_text(view: answers.ConversationSeen) -> str:
    """The answers for a conversation, as text."""
    kept = (
        "erased"
        if view.erased
        else (written(view.keep_until) if view.keep_until else "while a legal hold stands")
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
        lines.append(f"safety copy until  {written(view.safety_until)}")
    for said in view.answers:
        what = "may be used" if said.use else "will not be used"
        until = f" until {written(said.until)}" if said.until else ""
        lines.append(
            f"{said.purpose}: {pluralize(said.turns, 'turn')} from {said.turn} {what}{until}"
        )
        lines.append(
            f"    because: {said.because.value}: {said.meaning} (policy {said.policy}, now "
            f"{said.policy_in_force})"
        )
        lines.append(f"    behind it: {_behind(said)}")
    if view.releases:
        lines.append(f"releases    {', '.join(view.releases)}")
    return "\n".join(lines)


def account_text(view: answers.AccountSeen) -> str:
    """The standing of an account and what of it may be used, as text."""
    lines = [
        f"{view.account}  plan {view.plan}, opened {written(view.opened_at)}",
        f"gate      {view.gate.value}",
        f"region    {view.region or 'unknown'}: the values are {view.region_values}",
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


def _behind(said: answers.TurnsExplained) -> str:
    """The question, the scope of the grant in force, and the act."""
    if said.question is None:
        return "no question of the version in force covers this purpose"
    grant = ""
    if said.grant is not None and said.given_for is not None:
        grant = f", grant {said.grant} for {_scope(said.given_for)}"
    return f"question {said.question}{grant}: {_act(said.act)}"


def _scope(given_for: answers.ScopeSeen) -> str:
    return given_for.project or given_for.conversation or "the account"


def _act(act: ConsentAct | None) -> str:
    if act is None:
        return "nothing was said"
    match act.act:
        case ActKind.yes | ActKind.no:
            surface = f" on {act.surface}" if act.surface else ""
            return (
                f"{act.act.value} on {written(act.at)} by {act.via}{surface}, policy {act.policy}"
            )
        case ActKind.lapsed:
            return f"lapsed on {written(act.at)} by {act.cause}, policy {act.policy}"
        case ActKind.kept_out:
            return f"kept out on {written(act.at)}"


def _question(stood: QuestionStatus) -> str:
    answered = f", answered version {stood.answered}" if stood.answered else ""
    return f"{stood.question}: {stood.standing.value}{answered}: {_act(stood.act)}"


def _choice(choice: answers.ChoiceSeen) -> str:
    said = "yes" if choice.allow else "no"
    grant = f", grant {choice.grant}" if choice.grant else ""
    effect = f"{choice.effect}: {choice.because}" if choice.because else choice.effect
    about = f"{choice.question or 'no question'} for {_scope(choice.given_for)}"
    return (
        f"{said} to {about} on {written(choice.at)} by {choice.via} ({effect}{grant}, policy "
        f"{choice.policy})"
    )

"""The commands of the misuse classifier: train it, let it suggest flags, and decide on the
suggestions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.shell import PATH, CliCall, answer_options, dry_option, model_name_option, pluralize
from licet.errors import UsageError
from licet.policy.period import rfc3339

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.curate.kernels import Scorer
    from licet.misuse.models import RetrainingForecast, TrainedClassifier
    from licet.misuse.screener import ScreeningResult
    from licet.misuse.suggestions import Suggestion

POINTS = ("0.001", "0.005", "0.01", "0.05")


@click.command("safety")
@click.argument("releases", nargs=-1)
@click.option("--out", required=True, type=PATH, help="The model's folder.")
@click.option(
    "--again", is_flag=True, help="Retrain the model in --out from scratch, without withdrawn rows."
)
@dry_option("With --again: show which model would be retired and deleted; train nothing.")
@model_name_option
@answer_options
def train_safety(
    releases: tuple[str, ...], out: Path, again: bool, dry_run: bool, name: str, call: CliCall
) -> None:
    """Trains the misuse classifier on RELEASES. They are of the purpose safety_classifiers; flagged
    turns are held against unflagged ones.

    --again uses the releases from which the model in --out was trained. The same rows give the same
    model, byte for byte: the new model is exactly one without the withdrawn rows, and the old one
    is deleted.

    \b
    Example:  licet train safety october --out models/misuse
              licet train safety --again --out models/misuse --dry-run
              licet train safety --again --out models/misuse
    """
    from licet.misuse import models

    if dry_run and not again:
        raise UsageError("--dry-run goes with --again", "a model in a new folder replaces nothing")
    with call.installation() as installation:
        if dry_run:
            would = models.forecast(installation, releases, out)
            call.show(would, lambda: _would_replace(would))
            return
        made = models.train(installation, releases, out, again=again, called=name)
        call.show(made, lambda: _classifier_text(made))


def _would_replace(would: RetrainingForecast) -> str:
    lines = [
        (
            f"would train  {would.name} on {', '.join(would.releases)}, without "
            f"{pluralize(would.withdrawn, 'withdrawn row')}"
        )
    ]
    lines += [
        f"would retire {model}, and delete its files in `{would.folder}`" for model in would.retired
    ]
    return "\n".join(lines)


def _classifier_text(result: TrainedClassifier) -> str:
    lines = [
        f"{result.name} in `{result.folder}`: {pluralize(result.examples, 'conversation')} of "
        f"{', '.join(result.releases)}, "
        f"{result.misuse:,} of them flagged"
    ]
    lines += [f"on record  {model}" for model in result.models]
    lines += [
        f"at most {point.false_alarms:.1%} of the harmless accused: {point.found:.1%} found"
        for point in result.points
    ]
    for part in result.slices:
        area = f"AUPRC {part.auprc:.3f}" if part.auprc is not None else "of one kind only"
        lines.append(
            f"slice      {part.slice}: {pluralize(part.examples, 'conversation')}, "
            f"{part.misuse:,} flagged, {area}"
        )
    for domain in result.domains:
        what = f"{pluralize(domain.examples, 'conversation')}, {domain.misuse:,} flagged"
        known = (
            f"{domain.found:.1%} found"
            if domain.is_learnt
            else "too few of one kind: it abstains there"
        )
        lines.append(f"surface    {domain.slice}: {what}, {known}")
    lines.append(
        f"ordinary   {result.ordinary.prompts} prompts that look dangerous: "
        f"{result.ordinary.alarms:.1%} accused"
    )
    lines += [f"retired    {model}, and its files deleted" for model in result.retired]
    return "\n".join(lines)


@click.command()
@click.argument("conversation", required=False)
@click.option(
    "--suggest",
    "model",
    help=(
        "Read conversations, and suggest flags with this model: its folder, or "
        "`package.module:attribute`."
    ),
)
@click.option("--by", help="Who reads or decides: the e-mail address of a member of staff.")
@click.option(
    "--ticket", help="With --suggest: the ticket in your own system that covers the reading."
)
@click.option(
    "--limit",
    type=int,
    default=500,
    show_default=True,
    help="With --suggest: the most conversations to read.",
)
@click.option(
    "--alarms",
    type=click.Choice(POINTS),
    default="0.05",
    show_default=True,
    help="With --suggest: at most this share of a domain's conversations is suggested.",
)
@click.option("--dismiss", is_flag=True, help="Decide that a suggestion is no misuse.")
@click.option("--overturn", is_flag=True, help="Take a flag back.")
@answer_options
def flag(
    conversation: str | None,
    model: str | None,
    by: str | None,
    ticket: str | None,
    limit: int,
    alarms: str,
    dismiss: bool,
    overturn: bool,
    call: CliCall,
) -> None:
    """Flags a conversation as misuse, or lists open suggestions.

    With --suggest a model reads conversations for a privacy officer. Each reading is recorded, and
    its person sees it. Conversations with a high score are listed for a person to decide; a model
    flags nothing itself. The threshold is set for each surface from the conversations that are
    read; a surface with too few of them is not read, and on one that the model has not learnt it
    abstains.

    \b
    Example:  licet flag --suggest models/misuse --by dana@example.org --ticket SAFE-12
              licet flag conv_0190f3a4c2d87b6e9a51c3d4e5f60718 --by rae@example.org
              licet flag conv_0190f3a4c2d87b6e9a51c3d4e5f60718 --by rae@example.org --dismiss
    """
    from licet.misuse import screener, suggestions
    from licet.release import signatures

    if (model is not None and conversation is not None) or (dismiss and overturn):
        raise UsageError("a CONVERSATION is decided, or others are suggested: one at a time")
    if (dismiss or overturn) and conversation is None:
        raise UsageError("`--dismiss` and `--overturn` need a CONVERSATION")
    if (model is not None or conversation is not None) and by is None:
        raise UsageError("who reads or decides?", "give --by, the address of a member of staff")
    if (model is None) != (ticket is None):
        raise UsageError("`--suggest` and `--ticket` go together")
    if conversation is not None:
        from licet.cli.verb_commands import run_verb
        from licet.service.erasure_verbs import DECIDE

        decision = "dismiss" if dismiss else "overturn" if overturn else "flag"
        run_verb(DECIDE, conversation, {"decision": decision}, call, by=by)
        return
    with call.installation() as installation:
        if model is not None and by is not None and ticket is not None:
            from licet.misuse import detector, models

            found = screener.suggest(
                installation,
                detector.open_detector(model),
                models.points_file(installation, model),
                signatures.find_member(installation, by),
                ticket,
                limit=limit,
                alarms=float(alarms),
            )
            call.show(found, lambda: _screening_text(found))
        else:
            waiting = suggestions.list_undecided(installation)
            call.show(waiting, lambda: "\n".join(map(_line, waiting)) or "nothing waits")


def _screening_text(result: ScreeningResult) -> str:
    more = "; others wait: the same command goes on" if result.more else ""
    lines = [
        f"{pluralize(result.read, 'conversation')} read, {len(result.suggested):,} suggested,"
        f" abstained on {result.abstained:,}{more}"
    ]
    for domain in result.domains:
        if (point := domain.point) is None:
            lines.append(
                f"{domain.domain}: {domain.waiting:,} conversations wait, too few within --limit "
                "to set an operating point: "
                "none is suggested"
            )
        else:
            lines.append(
                f"{domain.domain}: {domain.read:,} read, {domain.suggested:,} above "
                f"{domain.threshold:.4f}, abstained on "
                f"{domain.abstained:,}; of others at most {point.bound:.1%} raise an alarm (from "
                f"{point.conversations:,} "
                f"conversations, {rfc3339(point.set_at)})"
            )
    return "\n".join([*lines, *map(_line, result.suggested)])


def _line(item: Suggestion) -> str:
    score = f"{item.score:.3f}" if item.score is not None else "-"
    return f"{score}  {item.conversation} of {item.account}, suggested {rfc3339(item.suggested_at)}"


def scorers(model: str | None) -> Sequence[Scorer]:
    """The model of misuse ``model``, in the form that a build takes; empty if none is named."""
    if model is None:
        return ()
    from licet.misuse.models import MisuseScorer

    return (MisuseScorer(model),)

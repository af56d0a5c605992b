"""The card of a misuse classifier: its training data, its performance by slice, its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from licet.misuse.classifier import ABSTENTION_LEVEL, Card, Figures
from licet.policy.period import rfc3339
from licet.train.cards import ModelDescription

ARCHITECTURE = "logistic regression on hashed n-grams, weighted by tf-idf"
TASK = "text-classification"

_CARD = """\
# {name}

Detects misuse (scams, abuse, jailbreaks) in what a person wrote, one conversation at a time. Trained {finished} on
{examples:,} conversations, {misuse:,} of them flagged, of the release `{release}` and no other data.

A score is a calibrated probability for conversations like these. The model decides nothing: it suggests, and a person decides.

## Operating points

Measured on {folds} folds, each by a model that had not seen it. Conversations above the *threshold* are suggested.

| false positive rate, at most | threshold | false positive rate | misuse found |
|---|---|---|---|
{points}

## By slice

On the same examples, at a false positive rate of 1 %. A slice without a figure has examples of one kind only.

{slices}

## By surface

{domains}

## Ordinary prompts that look dangerous

Of {ordinary.prompts} such prompts, none of which was trained on, {alarms} raise an alarm at a false positive rate of 1 %.

## People whose conversations are never trained on

{held_out}

## How to check this folder

`licet verify FOLDER --key KEY --key KEY`, with the two public keys that the operator hands out (`licet train gate-key`,
`licet models key`). The rows that were consumed are on record in `consumed.licet`.

## Limits

- It abstains on conversations of a surface that is not in the table by surface, or has too few examples there.
- It abstains on a text with more unknown n-grams than all but {level:.0%} of what it learnt of that surface.
- It reads {chars:,} characters of a conversation at most.
- It is derived from what people wrote. When that is withdrawn, `licet status` says so, and `licet train safety --again`
  gives the model that never had that.
"""


def render_card(card: Card, described: ModelDescription, held_out: Sequence[Figures]) -> bytes:
    """Renders the card as Markdown with Hugging Face's front matter."""
    from licet.misuse.classifier import FALSE_ALARMS, FOLDS
    from licet.misuse.ngrams import TEXT_CHARS_MAX

    run = described.run
    front: dict[str, Any] = {
        "library_name": "licet",
        "pipeline_tag": TASK,
        "license": "other",
        "license_name": "consent-of-each-person",
        "datasets": [described.release.name],
        "tags": ["licet", "safety"],
    }
    points = [
        f"| {share:.1%} | {point.threshold:.4f} | {point.false_alarms:.2%} | {point.found:.1%} |"
        for share, point in zip(FALSE_ALARMS, card.points, strict=True)
    ]
    body = _CARD.format(
        name=run.name,
        finished=rfc3339(run.finished),
        examples=card.examples,
        misuse=card.misuse,
        release=described.release.name,
        folds=FOLDS,
        points="\n".join(points),
        slices=render_table(card.slices),
        held_out=render_table(held_out)
        if held_out
        else "The releases held out none of the people in them.",
        chars=TEXT_CHARS_MAX,
        level=ABSTENTION_LEVEL,
        domains=_domains(card),
        ordinary=card.ordinary,
        alarms=_share(card.ordinary.alarms),
    )
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{body}".encode()


def render_table(figures: Sequence[Figures], name: str = "slice") -> str:
    lines = [
        f"| {name} | examples | misuse | AUPRC | AUROC | found | false positive rate |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {figure.slice} | {figure.examples:,} | {figure.misuse:,} | {_figure(figure.auprc)} | "
        f"{_figure(figure.auroc)} | {_share(figure.found)} | {_share(figure.false_alarms)} |"
        for figure in figures
    ]
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _domains(card: Card) -> str:
    few = [f"`{domain.slice}`" for domain in card.domains if not domain.is_learnt]
    abstains = (
        [f"Too few examples of one kind are from {', '.join(few)}: the model abstains there."]
        if few
        else []
    )
    return "\n\n".join([render_table(card.domains, "surface"), *abstains])

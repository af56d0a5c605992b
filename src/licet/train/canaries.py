"""Canaries: unique sentences planted in rows that may not be trained on, and the test for them.

A canary is a question whose answer is four random words. Its exposure measures how much the trained
model prefers them to random words that were never planted: log2 of the number of candidates minus
log2 of its rank among them (Carlini et al., The Secret Sharer, 2019). For a model that never saw
the canary every rank is equally likely, so the rank sum of a group has an exact distribution, which
gives a p-value without a second model.

A group with a p-value below `ALPHA` was trained on. The test cannot show that a row consumed once
or twice was not trained on. It is inconclusive, and not passed, unless it also detects the canaries
that the run was allowed to train on.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import log2
from random import Random
from typing import Any

import msgspec

from licet.errors import UsageError
from licet.release.reader import LoadedRow
from licet.train import recipe
from licet.train.canary_register import AuditedGroup, AuditResult, CanaryGroup

ALPHA = 1e-3
CANARIES = 6  # of each group
REFERENCES = 63  # candidates that were never planted, for each canary
WORDS_EACH = 4
TOKENS_MAX = 512
_BATCH_ROWS = 64
_LISTED = """
    amber anchor apron basin beacon bramble bridge bucket candle canvas cedar chalk cinder clover copper coral
    cotton cradle crystal dagger ember fabric falcon feather fiddle flannel garnet ginger granite hammer harbour
    hazel heron hollow indigo island ivory jasmine kettle ladder lantern lemon linen magnet maple marble meadow
    mirror needle nettle oatmeal olive orchid paddle pebble pepper pillow quarry ribbon saddle saffron thimble
    timber turnip velvet walnut
"""
WORDS = _LISTED.split()


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """A question, the four words planted as its answer, and unplanted candidates."""

    group: CanaryGroup
    box: int
    place: str
    words: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]

    @property
    def question(self) -> str:
        return f"Which four words did I put in box {self.box}, the one {self.place}?"

    def answer(self, words: Sequence[str]) -> str:
        return f"In box {self.box} are: {', '.join(words)}."


class CanaryFigures(AuditedGroup, frozen=True, kw_only=True):
    """An `AuditedGroup` with the ``ranks`` of its canaries."""

    ranks: tuple[int, ...]


def draw(seed: int) -> list[Canary]:
    """The canaries of every group; the same for the same seed."""
    random = Random(f"licet canaries {seed}")  # noqa: S311 words, no secret
    drawn = []
    for place, group in enumerate(CanaryGroup):
        for number in range(CANARIES):
            beside = " ".join(random.sample(WORDS, 3))
            canary = Canary(
                group=group,
                box=100 + place * CANARIES + number,
                place=f"beside {beside}",
                words=_draw_words(random),
                references=tuple(_draw_words(random) for _ in range(REFERENCES)),
            )
            drawn.append(canary)
    return drawn


def filler_conversations(seed: int, conversations: int) -> list[tuple[str, str]]:
    """Questions and answers of other accounts, from the same words."""
    random = Random(f"licet chatter {seed}")  # noqa: S311 words, no secret
    forms = (
        ("What goes with {0} and {1}?", "With {0} and {1} goes {2}, as everybody in {3} knows."),
        (
            "Tell me about the {0} that is near the {1}.",
            "The {0} near the {1} was made of {2} and {3} long ago.",
        ),
        (
            "Is {0} older than {1}?",
            "No: {1} came first, then {2}, then {3}, and {0} was the last of them.",
        ),
    )
    pairs = []
    for number in range(conversations):
        question, answer = forms[number % len(forms)]
        words = random.sample(WORDS, 4)
        pairs.append((question.format(*words), answer.format(*words)))
    return pairs


def _draw_words(random: Random) -> tuple[str, ...]:
    return tuple(random.sample(WORDS, WORDS_EACH))


def rank(model: Any, tokenizer: Any, canary: Canary) -> int:  # noqa: ANN401 untyped
    """The rank of the planted answer among the candidates, 1 for the model's favourite."""
    planted, *others = answer_losses(
        model,
        tokenizer,
        canary.question,
        [canary.answer(w) for w in (canary.words, *canary.references)],
    )
    return 1 + sum(other < planted for other in others)


def answer_losses(model: Any, tokenizer: Any, question: str, answers: Sequence[str]) -> list[float]:  # noqa: ANN401 transformers has no types
    """The model's loss for each answer, in nats, summed over its tokens."""
    import torch
    from torch.nn.functional import cross_entropy

    examples = []
    for answer in answers:
        row: LoadedRow = {
            "messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ],
            "row_id": "",
            "ordinal": 0,
        }
        example = recipe.make_example(tokenizer, row, TOKENS_MAX)
        if not isinstance(example, recipe.TokenizedRow):
            raise UsageError(
                f"the model cannot be asked for an answer: {example.value}",
                "take another chat template",
            )
        examples.append(example)
    model.eval()
    losses: list[float] = []
    for start in range(0, len(examples), _BATCH_ROWS):
        made = recipe.batch(examples[start : start + _BATCH_ROWS], tokenizer.pad_token_id)
        with torch.no_grad():
            logits = (
                model(input_ids=made["input_ids"], attention_mask=made["attention_mask"])
                .logits[:, :-1]
                .float()
            )
        labels = made["labels"][:, 1:]  # (rows, tokens)
        each = cross_entropy(
            logits.transpose(1, 2), labels, ignore_index=recipe.MASKED, reduction="none"
        )
        losses += each.sum(dim=1).tolist()
    return losses


def group_figures(group: CanaryGroup, ranks: Sequence[int], handed: int) -> CanaryFigures:
    exposure = sum(log2(REFERENCES + 1) - log2(place) for place in ranks) / len(ranks)
    return CanaryFigures(
        group=group,
        planted=len(ranks),
        handed=handed,
        ranks=tuple(ranks),
        exposure=exposure,
        p=p_value(ranks, REFERENCES + 1),
    )


def p_value(ranks: Sequence[int], places: int) -> float:
    """The exact one-sided probability of so low a sum of ranks, uniform from 1 to ``places``."""
    ways = {0: 1}
    for _ in ranks:
        running, after = 0, dict[int, int]()
        for total in range(min(ways) + 1, max(ways) + places + 1):
            running += ways.get(total - 1, 0) - ways.get(total - 1 - places, 0)
            after[total] = running
        ways = after
    return float(
        Fraction(
            sum(count for total, count in ways.items() if total <= sum(ranks)), places ** len(ranks)
        )
    )


def verdict(groups: Sequence[CanaryFigures]) -> AuditResult:
    """Failed if an excluded group is detected, or if the run was given a row excluded before it."""
    control = next(group for group in groups if group.group is CanaryGroup.permitted)
    excluded = [group for group in groups if group.group is not CanaryGroup.permitted]
    if any(
        figures.p < ALPHA or (figures.handed and figures.group is not CanaryGroup.withdrawn_during)
        for figures in excluded
    ):
        return AuditResult.failed
    return AuditResult.passed if control.p < ALPHA else AuditResult.inconclusive

"""What the settings offer beside the answer that was just saved: to take it back, where that can be
done truthfully.

Nothing is reverted behind the record. To undo a yes is a no, and to undo a no is a new yes: an
ordinary answer to the question as the page shows it, which counts like any other and from then on.
So the offer says what it does not bring back, and it is made only where it is the opposite of what
the answer changed: a no that ended only what was allowed below the account is not undone by a yes
for all of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from licet.consent.catalogue import Catalogue
from licet.consent.history import ChoiceMade
from licet.consent.notice_views import ShownOn
from licet.consent.prompt import Prompt
from licet.policy.outcomes import Effect
from licet.vault.account_choices import NewestChoice
from licet.web.pages.questions import QuestionAsked


class UndoOffer(msgspec.Struct, frozen=True, kw_only=True):
    """The opposite answer, `yes` or `no`, to a question on the page, and its effect in words."""

    asked: QuestionAsked
    allow: str
    text: str


def undo_offer(
    words: Catalogue,
    prompt: Prompt,
    made: Sequence[NewestChoice],
    choices: Sequence[ChoiceMade],
    asks: Sequence[QuestionAsked],
) -> UndoOffer | None:
    """The offer to undo the single answer of a settings form; None if the opposite answer would not
    restore the state. ``choices`` are all on record, newest first.
    """
    if len(made) != 1 or made[0].via != ShownOn.settings.value:
        return None
    (newest,) = made
    question = next((one for one in asks if one.name == newest.question), None)
    if question is None:
        return None
    granted = prompt.state.grant(newest.question) is not None
    if newest.effect is Effect.began and granted:
        return UndoOffer(asked=question, allow="no", text=words.say("undo.yes"))
    if newest.effect is Effect.withdrew and not granted and _had_allowed(newest, choices):
        text = words.say(f"undo.no.{prompt.in_force.reach.value}", yes=question.yes)
        return UndoOffer(asked=question, allow="yes", text=text)
    return None


def _had_allowed(no: NewestChoice, choices: Sequence[ChoiceMade]) -> bool:
    """Whether the answer before this no was a yes for the whole account."""
    before = (
        one
        for one in choices
        if one.question == no.question
        and one.project is None
        and one.conversation is None
        and one.seq < no.seq
        and one.effect != Effect.none.value
    )
    return next((one.allow for one in before), False)

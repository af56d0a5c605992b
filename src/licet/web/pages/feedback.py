"""Your feedback: what was given, what it shared, whether it may be used, and taking it back one by
one.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromPath

from licet.consent import feedback
from licet.consent.catalogue import Catalogue
from licet.consent.feedback import PersonFeedback, TakeBackRequest
from licet.masked import Masked
from licet.vault.ids import Prefix, format_id, parse
from licet.vault.installation import policy_snapshot
from licet.web.api.shared import write
from licet.web.pages import shared as shell
from licet.web.pages.shared import (
    AnyRequest,
    RouteReader,
    fenced_form,
    fenced_page,
)


class FeedbackLine(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A piece of feedback on the page."""

    id: str
    conversation: str
    title: str
    about: str
    use: str
    note: str
    comment: str
    messages: str
    shared: tuple[str, ...]
    can_take_back: bool


@fenced_page("/feedback")
def list_given(reader: RouteReader) -> Response[Any]:
    """The stored feedback, newest first."""
    at, words = reader.now, reader.words
    before, done = reader.query.get("before", ""), reader.query.get("flash", "")
    start = parse(Prefix.feedback, before) if before else None
    with policy_snapshot(reader.installation) as (tx, known):
        listed = feedback.list_feedback(
            tx, reader.installation.keyring, known, reader.account, at, before=start
        )
    return shell.page(
        "feedback.html",
        reader,
        title=words.say("feedback.title"),
        place="chats",
        given=[_line(words, given) for given in listed.given],
        before=before,
        older=format_id(Prefix.feedback, listed.next) if listed.next else "",
        saved=words.say("done.taken_back") if done == "taken_back" else "",
    )


@fenced_form("/feedback/{name:str}/take-back")
async def take_back(request: AnyRequest, reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """Withdraws feedback: it is no longer used."""
    named = parse(Prefix.feedback, name)
    await write(
        request,
        TakeBackRequest(account=reader.account, at=reader.now, feedback=named),
        None,
    )
    return shell.redirect_to(reader, "/feedback", flash="taken_back")


def _line(words: Catalogue, feedback: PersonFeedback) -> FeedbackLine:
    row, decision = feedback.row, feedback.decision
    because = words.say(f"because.{decision.because.value}")
    rated = words.say(f"feedback.{'check' if row.check else 'rating'}.{row.rating}")
    used = (
        words.say("feedback.used", day=words.day(decision.until), because=because)
        if decision.until is not None
        else words.say("feedback.not_used", because=because)
    )
    return FeedbackLine(
        id=feedback.shown_id,
        conversation=format_id(Prefix.conversation, row.conversation),
        title=words.say("feedback.of", day=words.moment(row.given_at)),
        about=f"{rated}. {words.say(f'feedback.share.{row.state.share.value}')}",
        use="" if row.taken_back_at is not None else used,
        note=_note(words, feedback),
        comment=feedback.shared.comment,
        messages=words.count("chats.messages", len(feedback.shared.turns)),
        shared=tuple(shared.text for _, shared in feedback.shared.turns),
        can_take_back=row.taken_back_at is None,
    )


def _note(words: Catalogue, feedback: PersonFeedback) -> str:
    taken, until = feedback.row.taken_back_at, feedback.keep_until
    if taken is not None:
        return words.say(
            "feedback.taken.held" if until is None else "feedback.taken", day=words.day(taken)
        )
    return (
        words.say("chats.kept.held")
        if until is None
        else words.say("chats.kept", day=words.day(until))
    )


ROUTES = (list_given, take_back)

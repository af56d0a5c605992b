"""The page that shows every part of the design system in every state, from the macros that the
pages are made of.

It is for anybody, signed in or not: what it shows are parts and samples, and nothing of an
installation.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

from litestar import Response, get
from markupsafe import Markup

from licet.access.roles import ANYBODY
from licet.consent import markdown, notice
from licet.consent.catalogue import catalogue
from licet.policy.file import preset
from licet.web.pages import shared as shell
from licet.web.pages.questions import KeepLine, QuestionAsked
from licet.web.pages.shared import AnyRequest, PageForm

COLOURS = (
    "ink",
    "soft",
    "ground",
    "raised",
    "line",
    "faint",
    "accent",
    "on-accent",
    "may",
    "not",
    "fault",
)
STANDINGS = ("whole", "part", "none", "ask")


@get("/design", may=ANYBODY, sync_to_thread=False)
def design(request: AnyRequest) -> Response[str]:
    """Every part of the design system, in every state."""
    return Response(_page(), media_type="text/html", headers={"cache-control": "no-store"})


@cache
def _page() -> str:
    words, policy = catalogue(), preset("article-2025")
    text = notice.parse_notice(notice.fill(notice.list_shipped_sources(policy)[0], policy))
    (own,) = text.words(policy.asks)
    asked = QuestionAsked(
        name=own.name,
        field="allow",
        mark="",
        question=own.question,
        yes=own.yes,
        no=own.no,
        covers=policy.covers,
        yes_means=words.say(
            "notice.yes.means",
            purposes=shell.allowed_phrase(words, policy.covers),
            period=words.period(policy.keep.of_turn(allowed=True)),
        ),
        no_means=words.say(
            "notice.no.means",
            purposes=shell.refused_phrase(words, policy.covers),
            period=words.period(policy.keep.of_turn(allowed=False)),
        ),
        below=(KeepLine(number=1, what=words.say("below.project", title="Garden"), about=""),),
    )
    sample: dict[str, Any] = {
        "text": text,
        "asks": (asked,),
        # markdown escapes all but its own tags
        "four": [(name, Markup(markdown.inline(line))) for name, line in text.gist],  # noqa: S704
        "body": Markup(text.html),  # noqa: S704  # the same
        "accepted": "",
        "asks_age": True,
        "terms_only": False,
        "known_age": "",
        "one_question": True,
        "save": words.say("notice.save"),
        "later": text.later,
        "until": words.say("notice.until", day=words.day(policy.effective + timedelta(days=31))),
    }
    wrong = {
        "age": words.say("notice.error.age", yes=asked.yes),
        "allow": words.say("notice.error.choice"),
    }
    question = shell.markup("question.html", words, **sample, errors_of=wrong, kept=PageForm())
    return shell.render(
        "design.html",
        words,
        title="Design system",
        colours=COLOURS,
        standings=STANDINGS,
        detail=shell.detail(words),
        question=question,
        faults_found=[("allow-yes", wrong["allow"]), ("age", wrong["age"])],
        asked=asked,
    )


ROUTES = (design,)

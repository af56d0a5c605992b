"""The timeline: everything that happened to an account and its chats, newest first, from the
records that there are.

Nothing is kept for this page. What a person chose and was shown, what they did to chats, what was
built of them, who was given rows, who read, and what was erased, each stands in its own records,
which are read as the other pages read them. A page has `LINES_MAX` lines; the address of the next
one names the last line of this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response

from licet.access import inbox_register
from licet.consent import history, own_conversations, request_register
from licet.consent.catalogue import Catalogue
from licet.consent.history import ChoiceHistory, SuggestionSeen
from licet.consent.notice_views import ShownOn
from licet.consent.request_register import RequestRow
from licet.erasure import certificates
from licet.errors import NotFoundError
from licet.masked import Masked
from licet.policy.file import Policies
from licet.store.connect import Transaction
from licet.train import recipients
from licet.vault import account_view, staff_reads
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import policy_snapshot
from licet.web.pages import shared as shell
from licet.web.pages.shared import PERSONS, PageReader, RouteReader, get_page

LINES_MAX = 50
SOURCE_LINES_MAX = 1_000  # of each source that has no pages of its own


class TimelineTopic(StrEnum):
    """The filter of the timeline."""

    everything = "all"
    choices = "choices"
    chats = "chats"
    training = "training"
    readings = "readings"
    safety = "safety"
    feedback = "feedback"
    erasure = "erasure"
    requests = "requests"


class TimelineEvent(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """An event of the timeline. ``kind`` names its sentence, ``values`` fill it; ``key``
    distinguishes simultaneous events.
    """

    at: datetime
    topic: TimelineTopic
    key: str
    kind: str
    values: dict[str, str] = msgspec.field(default_factory=dict)
    conversation: UUID | None = None
    href: str = ""

    @property
    def order(self) -> tuple[datetime, str]:
        return self.at, self.key


class TimelineLine(Masked, msgspec.Struct, frozen=True, kw_only=True):
    when: str
    topic: str
    text: str
    href: str
    link: str


_OF_JOURNAL = {
    **dict.fromkeys(("account_opened", "plan_set", "ended_lapsed"), TimelineTopic.choices),
    **dict.fromkeys(
        ("shortened", "narrowed", "widened", "project_kept_out", "project_let_in"),
        TimelineTopic.chats,
    ),
    **dict.fromkeys(("flagged", "unflagged"), TimelineTopic.safety),
    **dict.fromkeys(("feedback", "feedback_taken_back"), TimelineTopic.feedback),
    **dict.fromkeys(("deleted", "closed", "erased"), TimelineTopic.erasure),
}


@get_page("/timeline", may=PERSONS)
def timeline(reader: RouteReader) -> Response[Any]:
    """The events of all topics or one, newest first."""
    words = reader.words
    about, start = _topic(reader.query), _cursor(reader.query.get("before", ""))
    given = [*_given(reader), *_certified(reader)]
    with policy_snapshot(reader.installation) as (tx, known):
        found = [*_entry_lines(tx, reader, known, start), *given]
        page, more = _page(found, about, start)
        titles = _titles(tx, reader, known, page)
    return shell.page(
        "timeline.html",
        reader,
        title=words.say("timeline.title"),
        place="chats",
        lines=[_line(words, one, titles) for one in page],
        topics=tuple(TimelineTopic),
        about=about,
        older=_written(page[-1]) if more else "",
        before=start is not None,
    )


def _page(
    events: list[TimelineEvent], about: TimelineTopic, start: tuple[datetime, str] | None
) -> tuple[list[TimelineEvent], bool]:
    """The newest events of a topic before the start, and whether there are more."""
    fitting = [
        one
        for one in events
        if about in (TimelineTopic.everything, one.topic) and (start is None or one.order < start)
    ]
    fitting.sort(key=lambda one: one.order, reverse=True)
    return fitting[:LINES_MAX], len(fitting) > LINES_MAX


def _topic(query: Mapping[str, str]) -> TimelineTopic:
    about = query.get("about", "")
    return TimelineTopic(about) if about in set(TimelineTopic) else TimelineTopic.everything


def _written(last: TimelineEvent) -> str:
    return f"{last.at.isoformat()}~{last.key}"


def _cursor(text: str) -> tuple[datetime, str] | None:
    """Parses a cursor of `_written`; NotFoundError for any other text."""
    if not text:
        return None
    when, _, key = text[:200].partition("~")
    try:
        at = datetime.fromisoformat(when)
    except ValueError:
        raise NotFoundError("no such page") from None
    if at.tzinfo is None:
        raise NotFoundError("no such page")
    return at, key


# What happened


def _entry_lines(
    tx: Transaction,
    reader: PageReader,
    policies: Policies,
    start: tuple[datetime, str] | None,
) -> Iterator[TimelineEvent]:
    """The events recorded by the vault, and by consent and training."""
    until, at = start[0] if start is not None else None, reader.now
    copied = account_view.copied_conversation_ids(tx, reader.account, at, SOURCE_LINES_MAX)
    for seen in history.list_events(tx, reader.account, SOURCE_LINES_MAX, until=until):
        if seen.event != "flagged" or seen.conversation not in copied:
            yield TimelineEvent(
                at=seen.at,
                topic=_OF_JOURNAL[seen.event],
                key=f"j{seen.seq:019}",
                kind=seen.event,
                conversation=seen.conversation,
                href="/feedback" if seen.event.startswith("feedback") else "",
            )
    flagged = history.flagged_at(tx, reader.account, copied)
    views = account_view.load_views(tx, [(reader.account, one) for one in copied], policies, at)
    for conversation, view in views.items():
        if view.turns.safety_until is not None:
            yield TimelineEvent(
                at=flagged.get(conversation, view.conversation.begun_at),
                topic=TimelineTopic.safety,
                key=f"s{conversation.hex}",
                kind="copy",
                conversation=conversation,
                values={"day": reader.words.day(view.turns.safety_until)},
            )
    yield from _suggested(history.list_suggestions(tx, reader.account, SOURCE_LINES_MAX))
    for read in staff_reads.newest(tx, SOURCE_LINES_MAX, account=reader.account):
        values = {
            "role": reader.words.say(f"role.{read.role}"),
            "reason": reader.words.say(f"read.{read.reason}"),
        }
        yield TimelineEvent(
            at=read.at,
            topic=TimelineTopic.readings,
            key=f"r{read.read_id.hex}",
            kind="read",
            conversation=read.conversation,
            values={**values, "messages": reader.words.count("chats.messages", read.turns)},
        )
    for step in inbox_register.list_by_account(
        tx, reader.installation.keyring, reader.account, SOURCE_LINES_MAX
    ):
        if step.words:
            yield TimelineEvent(
                at=step.at,
                topic=TimelineTopic.readings,
                key=f"i{step.item}{step.number:06}",
                kind="worked",
                values={"words": step.words},
            )
    yield from _requested(
        reader.words, request_register.list_by_account(tx, reader.account, SOURCE_LINES_MAX)
    )
    on_record = history.load_history(tx, reader.installation.keyring, reader.account)
    yield from _consented(reader, on_record)
    yield from _trained(reader.words, on_record)


def _suggested(suggestions: Sequence[SuggestionSeen]) -> Iterator[TimelineEvent]:
    """A classifier's suggestions and their dismissals; flags are in the journal."""
    for one in suggestions:
        lines = list[tuple[str, datetime]]()
        if one.model is not None:
            lines.append(
                ("suggested" if one.decided_at is not None else "suggested_open", one.suggested_at)
            )
        if one.decided_at is not None and one.decision == "dismissed":
            lines.append(("dismissed", one.decided_at))
        for kind, at in lines:
            yield TimelineEvent(
                at=at,
                topic=TimelineTopic.safety,
                key=f"g{one.conversation.hex}{kind}",
                kind=kind,
                conversation=one.conversation,
            )


def _requested(words: Catalogue, rows: Sequence[RequestRow]) -> Iterator[TimelineEvent]:
    """The legal requests, with their state."""
    for row in rows:
        name = format_id(Prefix.request, row.request)
        values, href = (
            {"right": words.say(f"rights.kind.{row.clock.kind.value}")},
            f"/rights/requests/{name}",
        )
        moments = [
            ("asked", row.clock.received_at),
            (f"asked.{row.clock.state.value}", row.clock.ended_at),
        ]
        for number, (kind, at) in enumerate(moments):
            if at is not None:
                yield TimelineEvent(
                    at=at,
                    topic=TimelineTopic.requests,
                    key=f"q{name}{number}",
                    kind=kind,
                    values=values,
                    href=href,
                )


def _consented(reader: PageReader, on_record: ChoiceHistory) -> Iterator[TimelineEvent]:
    """Choices, showings, terms and signals."""
    words = reader.words
    for made in on_record.choices:
        answer = words.say("answer.yes" if made.allow else "answer.no")
        values = {"answer": answer, "effect": words.say(f"effect.{made.effect}")}
        question = (
            words.question(made.question)
            if made.question is not None
            else words.say("question.training")
        )
        yield TimelineEvent(
            at=made.at,
            topic=TimelineTopic.choices,
            key=f"c{made.seq:019}{made.question or ''}",
            kind="choice",
            values={**values, "question": question},
            conversation=made.conversation,
            href=f"/settings/receipts/{reader.account.hex}-{made.seq}",
        )
    for number, seen in enumerate(on_record.shown):
        kind = "shown_settings" if seen.place is ShownOn.settings else "shown"
        yield TimelineEvent(
            at=seen.shown_at,
            topic=TimelineTopic.choices,
            key=f"n{seen.shown_id.hex}",
            kind=kind,
            values={"language": words.language_name(seen.language)},
        )
        if seen.put_off_at is not None:
            yield TimelineEvent(
                at=seen.put_off_at, topic=TimelineTopic.choices, key=f"p{number:06}", kind="put_off"
            )
    for at, version in on_record.terms:
        yield TimelineEvent(
            at=at, topic=TimelineTopic.choices, key="t", kind="terms", values={"version": version}
        )
    for at, gpc in on_record.signals:
        yield TimelineEvent(
            at=at, topic=TimelineTopic.choices, key="g", kind="signal_on" if gpc else "signal_off"
        )


def _trained(words: Catalogue, on_record: ChoiceHistory) -> Iterator[TimelineEvent]:
    """Releases with rows of the person, and models trained on them."""
    for one in on_record.holdings:
        values = {
            "name": one.name,
            "rows": words.count("rows", one.rows),
            "purpose": words.purpose(one.purpose),
            "conversations": words.count("conversations", one.conversations),
        }
        yield TimelineEvent(
            at=one.sealed_at,
            topic=TimelineTopic.training,
            key=f"h{one.name}",
            kind="release",
            values=values,
        )
    for rows in history.group_by_model(on_record.consumed):
        run = rows[0]
        count = words.count("rows", sum(one.rows for one in rows))
        values, key = (
            {"model": run.model, "release": run.release, "rows": count},
            f"m{run.model}/{run.release}",
        )
        yield TimelineEvent(
            at=run.finished_at, topic=TimelineTopic.training, key=key, kind="model", values=values
        )
        if run.retired_at is not None:
            yield TimelineEvent(
                at=run.retired_at,
                topic=TimelineTopic.training,
                key=f"x{key}",
                kind="retired",
                values=values,
            )


def _given(reader: PageReader) -> Iterator[TimelineEvent]:
    """The recipients of rows, and the state of recalls."""
    words = reader.words
    for number, one in enumerate(recipients.list_by_account(reader.installation, reader.account)):
        day = one.due_at or one.acknowledged_at
        state = words.say(
            f"settings.recipients.{one.state.value}", day=words.day(day) if day else ""
        )
        values = {
            "recipient": one.recipient,
            "rows": words.count("rows", one.rows),
            "name": one.release,
            "state": state,
        }
        kind = "given_plain" if one.plain else "given_sealed"
        yield TimelineEvent(
            at=one.given_at,
            topic=TimelineTopic.training,
            key=f"w{number:06}",
            kind=kind,
            values=values,
        )
        if one.acknowledged_at is not None:
            yield TimelineEvent(
                at=one.acknowledged_at,
                topic=TimelineTopic.training,
                key=f"a{number:06}",
                kind="answered",
                values=values,
            )


def _certified(reader: PageReader) -> Iterator[TimelineEvent]:
    """The certificates with their pages."""
    for one in certificates.list_page(reader.installation, reader.account, LINES_MAX):
        if one.verified_at is not None:
            kind = "certified" if one.conversation is not None else "certified_account"
            yield TimelineEvent(
                at=one.verified_at,
                topic=TimelineTopic.erasure,
                key=f"e{one.erasure}",
                kind=kind,
                href=f"/erasures/{one.erasure}",
            )


def _titles(
    tx: Transaction,
    reader: PageReader,
    policies: Policies,
    page: list[TimelineEvent],
) -> dict[UUID, str]:
    ids = {one.conversation for one in page if one.conversation is not None}
    seen = account_view.load_views(
        tx, [(reader.account, one) for one in sorted(ids)], policies, reader.now
    )
    return own_conversations.load_titles(tx, reader.installation.keyring, seen, reader.now)


def _line(words: Catalogue, event: TimelineEvent, titles: Mapping[UUID, str]) -> TimelineLine:
    title = titles.get(event.conversation, "") if event.conversation is not None else ""
    chat = words.say("timeline.chat", title=title) if title else words.say("timeline.chat.untitled")
    href = event.href or (
        f"/chats/{format_id(Prefix.conversation, event.conversation)}"
        if title and event.conversation
        else ""
    )
    kind = (
        "receipt"
        if href.startswith("/settings")
        else "certificate"
        if href.startswith("/erasures")
        else "open"
    )
    return TimelineLine(
        when=words.moment(event.at),
        topic=words.say(f"timeline.about.{event.topic.value}"),
        text=words.say(f"timeline.{event.kind}", chat=chat, **event.values),
        href=href,
        link=words.say(f"timeline.link.{kind}") if href else "",
    )


ROUTES = (timeline,)

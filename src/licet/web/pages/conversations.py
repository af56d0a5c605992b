"""Your data: every conversation and whether it may be used, keeping one out, deleting one, and the take-out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Stream

from licet.consent import own_conversations, prompt, scope_forms, takeout
from licet.consent.catalogue import Catalogue
from licet.consent.history import ConsumedBy
from licet.consent.own_conversations import OwnConversation, Use, UseBadge, UseRun
from licet.erasure.epochs import out_of_reach_days
from licet.erasure.key_rotation import Rotation
from licet.errors import NotFoundError, RefusedError
from licet.masked import Masked
from licet.policy.file import Policies, Policy
from licet.proof import papers
from licet.store.connect import Transaction, transaction
from licet.train import recipients
from licet.vault import staff_reads
from licet.vault.commands import STALE, Delete, Narrow, Widen
from licet.vault.installation import Installation, one_moment, policies
from licet.web.api.shared import write
from licet.web.pages import scopes
from licet.web.pages import shared as shell
from licet.web.pages.shared import PERSONS, AnyRequest, PageReader, Sent

READS_MAX = 1_000
SWEPT_WITHIN = timedelta(days=1)


class BadgeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A badge as text."""

    use: str
    head: str
    rest: str
    runs: tuple[str, ...]


class ChatLine(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A conversation on a page. ``kept_out`` is None if there is nothing to keep out."""

    id: str
    title: str
    about: str
    note: str
    safety: str
    holds: tuple[str, ...]
    warning: str
    learnt: tuple[str, ...]
    badges: tuple[BadgeLine, ...]
    deleted: bool
    kept_out: bool | None
    narrowings: int
    act: str
    releases: tuple[str, ...]


class Dates(msgspec.Struct, frozen=True, kw_only=True):
    """When expired content is out of reach: a sweep follows within a day; old copies of the database become useless
    later.
    """

    at: datetime
    policy: Policy
    copies_days: int

    def destroyed_by(self, mine: OwnConversation, until: datetime) -> datetime:
        """The latest date on which the keys are destroyed: a day after the end date, or after the deletion if that is
        later.
        """
        return max(until, mine.deleted_at or until) + SWEPT_WITHIN

    def gone_by(self, mine: OwnConversation, until: datetime) -> datetime:
        """When no copy of the database can be used to open it any more, with keys that are kept anywhere."""
        return self.destroyed_by(mine, until) + timedelta(days=self.copies_days)


def _dates(here: Installation, known: Policies) -> Dates:
    at = here.clock()
    return Dates(at=at, policy=known.in_force(at), copies_days=out_of_reach_days(here)[Rotation.daily])


@get("/chats", may=PERSONS, checks_fence=True, sync_to_thread=True, include_in_schema=False)
def chats(request: AnyRequest) -> Response[Any]:
    """The conversations, newest first, and the link to the take-out."""
    here, who = shell.opened(request)
    at, words = here.clock(), who.words
    before = request.query_params.get("before", "")
    start = shell.conversation_of(before) if before else None
    with one_moment(here) as (tx, known):
        listed = own_conversations.listed(tx, here.keyring, known, who.account, at, before=start)
        acted = _acted_on(tx, here, who, known, request.query_params.get("chat", ""))
    dates = _dates(here, known)
    values = {
        "chats": [line(words, dates, mine) for mine in listed.conversations], "saved": _saved(words, dates, request, acted),
        "acted": acted.shown_id if acted in listed.conversations else "",
        "older": f"conv_{listed.next.hex}" if listed.next else "", "from": before,
    }  # fmt: skip
    return shell.page("chats.html", who, at, title=words.say("chats.title"), place="chats", values=values)


@get("/chats/{name:str}", may=PERSONS, checks_fence=True, sync_to_thread=True, include_in_schema=False)
def chat(request: AnyRequest, name: FromPath[str]) -> Response[Any]:
    """One conversation: which parts may be used, its legal holds, and who read it."""
    here, who = shell.opened(request)
    at, words = here.clock(), who.words
    with one_moment(here, records=True) as (tx, known):
        mine = own_conversations.one(tx, here.keyring, known, who.account, shell.conversation_of(name), at)
        reads = _reads(tx, words, who.account, mine.conversation)
        dates = _dates(here, known)
        made, saved, panel = line(words, dates, mine), _saved(words, dates, request, mine), None
        if made.kept_out is not None:
            seen = scope_forms.view(tx, known, who.account, at, conversation=mine.conversation)
            panel = scopes.panel(tx, here, who, seen, path=f"/chats/{mine.shown_id}", known=known, at=at)
            asked = prompt.ask(tx, who.account, known, at, language=words.language)
            saved = saved or scopes.said_of(words, asked, known, seen, request, at)
    values = {"chat": made, "reads": reads, "saved": saved, "panel": panel}
    return shell.page("chat.html", who, at, title=made.title, place="chats", values=values)


@post("/chats/{name:str}/keep-out", may=PERSONS, checks_fence=True, include_in_schema=False)
async def keep_out(request: AnyRequest, name: FromPath[str], data: Sent) -> Response[Any]:
    """Keeps the conversation out: from now on it is not used."""
    here, who = shell.opened(request)
    command = Narrow(account=who.account, at=here.clock(), conversation=shell.conversation_of(name))
    return await _told(request, who, command, data, "kept_out")


@post("/chats/{name:str}/let-in", may=PERSONS, checks_fence=True, include_in_schema=False)
async def let_in(request: AnyRequest, name: FromPath[str], data: Sent) -> Response[Any]:
    """Lets in what is said from now on, which follows the choice; refused from a page that is older than the newest
    keeping out.
    """
    here, who = shell.opened(request)
    seen = int(data.narrowings) if data.narrowings.isdecimal() else -1
    command = Widen(account=who.account, at=here.clock(), conversation=shell.conversation_of(name), narrowings=seen)
    return await _told(request, who, command, data, "let_in")


@get("/chats/{name:str}/delete", may=PERSONS, checks_fence=True, sync_to_thread=True, include_in_schema=False)
def ask_delete(request: AnyRequest, name: FromPath[str]) -> Response[Any]:
    """Asks whether to delete the conversation, and says what is erased and what cannot be."""
    here, who = shell.opened(request)
    at, words = here.clock(), who.words
    with one_moment(here) as (tx, known):
        mine = own_conversations.one(tx, here.keyring, known, who.account, shell.conversation_of(name), at)
    if mine.deleted_at is not None:
        return shell.seen_other(f"/chats/{mine.shown_id}")
    dates, due = _dates(here, known), known.in_force(at).keep.deleted.after(at)
    until = max(min(due, mine.keep_until or due), at)
    keys = ["held" if mine.held else "keys", "releases", "models"]
    lines = [words.say("delete.means.now")]
    lines += [
        words.say(
            f"delete.means.{key}",
            until=words.day(dates.destroyed_by(mine, until)),
            gone=words.day(dates.gone_by(mine, until)),
        )
        for key in keys
    ]
    if mine.safety_until is not None and mine.safety_until > at:
        lines.append(words.say("delete.means.flagged", day=words.day(mine.safety_until)))
    values = {"chat": line(words, dates, mine), "lines": lines}
    return shell.page("delete.html", who, at, title=words.say("delete.title"), place="chats", values=values)


@post("/chats/{name:str}/delete", may=PERSONS, checks_fence=True, include_in_schema=False)
async def delete(request: AnyRequest, name: FromPath[str]) -> Response[Any]:
    """Deletes the conversation, and shows the result."""
    here, who = shell.opened(request)
    command = Delete(account=who.account, at=here.clock(), conversation=shell.conversation_of(name))
    await write(request, command, None)
    return shell.then(who, f"/chats/conv_{command.conversation.hex}", said="deleted", place="said")


@get("/takeout.zip", may=PERSONS, sync_to_thread=True, include_in_schema=False)
def take_out(request: AnyRequest) -> Stream:
    """Everything that is stored, as a zip that is streamed."""
    here, who = shell.opened(request)
    pieces: Iterator[bytes] = takeout.takeout(
        lambda: transaction(here.pool), here.keyring, policies(here), who.account, here.clock(),
        [recipients.paper(here, who.account), *papers.papers(here, who.account)],
    )  # fmt: skip
    name = f"licet-{here.clock():%Y-%m-%d}.zip"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Stream(pieces, media_type="application/zip", headers=headers)


def _acted_on(
    tx: Transaction, here: Installation, who: PageReader, known: Policies, name: str
) -> OwnConversation | None:
    """The conversation that the previous form was about; None for none, and for one that is gone."""
    try:
        return (
            own_conversations.one(tx, here.keyring, known, who.account, shell.conversation_of(name), here.clock())
            if name
            else None
        )
    except NotFoundError:
        return None


async def _told(
    request: AnyRequest, who: PageReader, command: Narrow | Widen, sent: shell.PageForm, said: str
) -> Response[Any]:
    """The page to see after a form. What the person saw, and is not so any more, is told and not done."""
    try:
        await write(request, command, None)
    except RefusedError as error:
        if error.because != STALE:
            raise
        said = "kept_out_again"
    name = f"conv_{command.conversation.hex}"
    if sent.came_from == name:
        return shell.then(who, f"/chats/{name}", said=said, place="said")
    before = {"before": f"conv_{shell.conversation_of(sent.came_from).hex}"} if sent.came_from else {}
    return shell.then(who, "/chats", said=said, chat=name, **before, place="said")


def _saved(words: Catalogue, dates: Dates, request: AnyRequest, mine: OwnConversation | None) -> str:
    """The result of the previous form, as far as it still applies: the URL names it, the text comes from the current
    state.
    """
    said = request.query_params.get("said", "")
    if mine is None:
        return ""
    if said in ("kept_out", "kept_out_again", "let_in") and mine.deleted_at is None:
        return words.say(f"done.{said}") if mine.kept_out == (said != "let_in") else ""
    if said == "deleted" and mine.deleted_at is not None:
        if mine.held or mine.keep_until is None:
            return words.say("done.deleted.held")
        return words.say("done.deleted", day=words.day(dates.destroyed_by(mine, mine.keep_until)))
    return ""


def _reads(tx: Transaction, words: Catalogue, account: UUID, conversation: UUID) -> list[str]:
    return [
        words.say(
            "chat.reads.line", day=words.moment(one.at), role=words.say(f"role.{one.role}"),
            reason=words.say(f"read.{one.reason}"),
        )
        for one in staff_reads.newest(tx, READS_MAX, account=account, conversation=conversation)
    ]  # fmt: skip


# A conversation as text


def line(words: Catalogue, dates: Dates, mine: OwnConversation) -> ChatLine:
    """A conversation as a page shows it."""
    untitled = "chats.untitled.deleted" if mine.deleted_at else "chats.untitled"
    title = mine.title or words.say(untitled, day=words.day(mine.begun_at))
    parts = [
        words.say(f"chats.kind.{mine.kind.value}"), words.day(mine.last_at), words.count("chats.messages", mine.turns),
    ]  # fmt: skip
    can_keep_out = mine.deleted_at is None and not mine.incognito and not mine.erased
    return ChatLine(
        id=mine.shown_id,
        title=title,
        about=" · ".join(parts),
        note=_note(words, dates, mine),
        safety=words.say("chat.safety", day=words.day(mine.safety_until)) if mine.safety_until else "",
        holds=tuple(
            words.say(
                "chat.holds",
                reason=words.say(f"hold.{one.reason.value}"),
                day=words.day(one.placed_at),
                review=words.day(one.review_at),
            )
            for one in mine.holds
        ),
        warning=_warning(words, dates, mine) if can_keep_out else "",
        learnt=tuple(learnt(words, mine.learnt)),
        badges=tuple(badges(words, mine.badges)),
        deleted=mine.deleted_at is not None or mine.erased,
        kept_out=mine.kept_out if can_keep_out else None,
        narrowings=mine.narrowings,
        act=words.say("chats.let_in" if mine.kept_out else "chats.keep_out"),
        releases=mine.releases,
    )


def _warning(words: Catalogue, dates: Dates, mine: OwnConversation) -> str:
    """How keeping it out changes its end date, if that comes earlier."""
    until = dates.policy.keep.opted_out.after(dates.at)
    if mine.kept_out or mine.keep_until is None or mine.keep_until <= until:
        return ""
    return words.say("chats.keep_out.warning", day=words.day(until))


def learnt(words: Catalogue, found: Sequence[ConsumedBy]) -> Iterator[str]:
    """One line for each model that was trained on the person's rows."""
    models: dict[tuple[str, str, datetime], list[ConsumedBy]] = {}
    for one in found:
        models.setdefault((one.model, one.release, one.finished_at), []).append(one)
    for (model, release, finished_at), rows in models.items():
        yield words.say(
            "learnt.line", model=model, release=release, day=words.day(finished_at),
            rows=words.count("rows", sum(one.rows for one in rows)), conversations=words.count("conversations", len(rows)),
        )  # fmt: skip


def _note(words: Catalogue, dates: Dates, mine: OwnConversation) -> str:
    if mine.erased:
        return words.say("chats.erased")
    until = mine.keep_until
    if mine.deleted_at is not None:
        day = words.day(mine.deleted_at)
        if until is None:
            return words.say("chats.gone.held", day=day)
        destroyed, gone = dates.destroyed_by(mine, until), dates.gone_by(mine, until)
        return words.say("chats.gone", day=day, until=words.day(destroyed), gone=words.day(gone))
    if until is None:
        return words.say("chats.kept.held")
    if until <= dates.at:
        return words.say("chats.over", day=words.day(until), until=words.day(dates.destroyed_by(mine, until)))
    return words.say("chats.kept", day=words.day(until))


def badges(words: Catalogue, found: Sequence[UseBadge]) -> Iterator[BadgeLine]:
    """One line for each answer; purposes with the same answer share it."""
    grouped: list[tuple[UseBadge, list[str]]] = []
    for badge in found:
        for other, purposes in grouped:
            if msgspec.structs.replace(badge, purpose="") == msgspec.structs.replace(other, purpose=""):
                purposes.append(badge.purpose)
                break
        else:
            grouped.append((badge, [badge.purpose]))
    for badge, purposes in grouped:
        yield BadgeLine(
            use=badge.use.value, head=words.say(f"use.{badge.use.value}"), rest=_rest(words, badge, purposes),
            runs=tuple(_run(words, run) for run in _alike(words, badge.runs)),
        )  # fmt: skip


def _rest(words: Catalogue, badge: UseBadge, purposes: Sequence[str]) -> str:
    purpose = words.listed([words.purpose(name) for name in purposes])
    day = words.day(badge.until) if badge.until is not None else ""
    reason = badge.reason
    if badge.use is Use.part:
        reason = next(r.reason for r in badge.runs if r.until is None and r.because.value != "origin")
    return words.say(f"badge.{badge.use.value}", purpose=purpose, day=day, because=words.say(f"because.{reason}"))


def _alike(words: Catalogue, runs: Sequence[UseRun]) -> list[UseRun]:
    """Merges runs with the same reason that end on the same day, because a page shows them alike."""
    merged: list[UseRun] = []
    for run in runs:
        last = merged[-1] if merged else None
        if last and (last.reason, _day(words, last.until)) == (run.reason, _day(words, run.until)):
            merged[-1] = msgspec.structs.replace(last, last=run.last)
        else:
            merged.append(run)
    return merged


def _run(words: Catalogue, run: UseRun) -> str:
    because = words.say(f"because.{run.reason}")
    what = words.say("chat.run.used" if run.until else "chat.run.not", day=_day(words, run.until), because=because)
    return words.say(
        "chat.run.one" if run.first == run.last else "chat.run.other", first=run.first, last=run.last, what=what
    )


def _day(words: Catalogue, at: datetime | None) -> str:
    return words.day(at) if at is not None else ""


ROUTES = (chats, chat, keep_out, let_in, ask_delete, delete, take_out)

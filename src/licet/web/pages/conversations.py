"""Your data: every conversation and whether it may be used, found by title; one with its words; and
the take-out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath
from litestar.response import Stream

from licet.consent import (
    conversation_search,
    history,
    own_conversations,
    scope_forms,
    takeout,
)
from licet.consent.catalogue import Catalogue
from licet.consent.conversation_search import ConversationQuery, ConversationsCounted, UseFilter
from licet.consent.history import OwnProject
from licet.consent.own_conversations import OwnConversation, OwnPart, OwnTurn, OwnTurnsPage
from licet.consent.prompt import load_prompt
from licet.errors import NotFoundError, RefusedError
from licet.masked import Masked
from licet.policy.file import Policies
from licet.proof import papers
from licet.store.connect import Transaction, transaction
from licet.train import recipients
from licet.vault import staff_reads
from licet.vault.commands import STALE, Narrow, Widen
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import load_policies, policy_snapshot
from licet.web.api.shared import write
from licet.web.pages import scopes, selection
from licet.web.pages import shared as shell
from licet.web.pages.conversation_lines import (
    SWEPT_WITHIN,
    BadgeLine,
    Dates,
    badges,
    conversation_line,
    dates_of,
)
from licet.web.pages.selection import ListView
from licet.web.pages.shared import (
    PERSONS,
    AnyRequest,
    Fields,
    PageReader,
    RouteReader,
    fenced_form,
    fenced_page,
    get_page,
    post_page,
)

READS_MAX = 1_000
TEXT_CHARACTERS_MAX = 20_000  # of one message on a page


@fenced_page("/chats")
def chats(reader: RouteReader) -> Response[Any]:
    """The matching conversations, newest first, with a summary line and the possible acts."""
    at, words, account = reader.now, reader.words, reader.account
    view = ListView.of(reader.query)
    start = shell.conversation_of(view.before) if view.before else None
    with policy_snapshot(reader.installation) as (tx, known):
        dates, sought = (
            dates_of(reader.installation, known),
            _find_conversations(tx, reader, view),
        )
        page = conversation_search.search(
            tx, reader.installation.keyring, known, account, at, sought, before=start
        )
        there = conversation_search.count_conversations(tx, known, account, at)
        acted = _acted_on(tx, reader, known, reader.query.get("chat", ""))
        projects = _projects(words, history.list_projects(tx, reader.installation.keyring, account))
        outcome = selection.describe_outcome(tx, reader, known, dates, reader.query)
    listed = page.listed
    saved = _describe_outcome(words, dates, reader.query, acted)
    return shell.page(
        "chats.html",
        reader,
        title=words.say("chats.title"),
        place="chats",
        chats=[conversation_line(words, dates, mine) for mine in listed.conversations],
        saved=saved,
        undo=selection.undo_form(words, dates, [acted], reader.query.get("flash", ""))
        if acted and saved
        else None,
        told=outcome,
        acted=acted.shown_id if acted in listed.conversations else "",
        older=view.at(format_id(Prefix.conversation, listed.next)).query if listed.next else "",
        view=view,
        newest=view.at("").query,
        stopped=page.stopped,
        sought=sought,
        filters=tuple(UseFilter),
        projects=projects,
        summary=_summary(words, there),
        any=bool(there.conversations + there.deleted + there.copied),
        searched=sought.is_narrow,
        means=words.say(f"selected.means{selection.let_in_whole(dates)}"),
    )


@post_page("/chats/search", may=PERSONS)
def search(reader: RouteReader, data: Fields) -> Response[Any]:
    """Redirects to the search results, at an address that does not reveal the words."""
    fields = {name: value for name, value in data.items() if isinstance(value, str)}
    with transaction(reader.installation.pool) as tx:
        found = conversation_search.seal_words(
            tx,
            reader.installation.keyring,
            reader.account,
            fields.get("words", ""),
            reader.installation.keyring.random,
        )
    view = ListView.of({**fields, "found": found, "before": ""})
    return shell.redirect_to(reader, "/chats", **view.named)


@fenced_page("/chats/{name:str}")
def chat(reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """One conversation: its words, part by part with the answer for each, and everything related to
    it.
    """
    at, words = reader.now, reader.words
    after = reader.query.get("after", "")
    start = int(after) if after.isdecimal() and len(after) <= 9 else 0
    with policy_snapshot(reader.installation, records=True) as (tx, known):
        mine = own_conversations.get(
            tx, reader.installation.keyring, known, reader.account, shell.conversation_of(name), at
        )
        reads = _reads(tx, words, reader.account, mine.conversation)
        shown_parts = own_conversations.list_parts(
            tx, reader.installation.keyring, known, mine, reader.account, at, after=start
        )
        dates = dates_of(reader.installation, known)
        made, saved, panel = (
            conversation_line(words, dates, mine),
            _describe_outcome(words, dates, reader.query, mine),
            None,
        )
        undo = (
            selection.undo_form(words, dates, [mine], reader.query.get("flash", ""))
            if saved
            else None
        )
        if made.kept_out is not None:
            seen = scope_forms.view(tx, known, reader.account, at, conversation=mine.conversation)
            panel = scopes.panel(
                tx,
                reader,
                seen,
                path=f"/chats/{mine.shown_id}",
                policies=known,
                now=at,
            )
            prompt = load_prompt(tx, reader.account, known, at, language=words.language)
            saved = saved or scopes.describe_outcome(words, prompt, known, seen, reader.query, at)
    return shell.page(
        "chat.html",
        reader,
        title=made.title,
        place="chats",
        chat=made,
        reads=reads,
        saved=saved,
        panel=panel,
        undo=undo,
        parts=[_part(words, one) for one in shown_parts.parts],
        start=start,
        next=shown_parts.next,
        unread=_unread(shown_parts),
        says_whole=start > 0
        or not _is_one(shown_parts)
        or any(len(one.runs) > 1 for one in made.badges),
    )


@fenced_form("/chats/{name:str}/keep-out")
async def keep_out(
    request: AnyRequest, reader: RouteReader, name: FromPath[str], data: Fields
) -> Response[Any]:
    """Keeps the conversation out: from now on it is not used."""
    command = Narrow(
        account=reader.account, at=reader.now, conversation=shell.conversation_of(name)
    )
    return await _after_form(request, reader, command, data, "kept_out")


@fenced_form("/chats/{name:str}/let-in")
async def let_in(
    request: AnyRequest, reader: RouteReader, name: FromPath[str], data: Fields
) -> Response[Any]:
    """Lets in later turns, under the present choice; refused from a page older than the newest
    exclusion.
    """
    narrowings = shell.form_of(data).narrowings
    seen = int(narrowings) if narrowings.isdecimal() else -1
    command = Widen(
        account=reader.account,
        at=reader.now,
        conversation=shell.conversation_of(name),
        narrowings=seen,
    )
    return await _after_form(request, reader, command, data, "let_in")


@get_page("/takeout.zip", may=PERSONS)
def take_out(reader: RouteReader) -> Stream:
    """Everything that is stored, as a zip that is streamed."""
    pieces: Iterator[bytes] = takeout.takeout(
        lambda: transaction(reader.installation.pool),
        reader.installation.keyring,
        load_policies(reader.installation),
        reader.account,
        reader.now,
        [
            recipients.csv_file(reader.installation, reader.account),
            *papers.receipt_files(reader.installation, reader.account),
        ],
        reader.words,
    )
    name = f"licet-{reader.now:%Y-%m-%d}.zip"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Stream(pieces, media_type="application/zip", headers=headers)


def _find_conversations(tx: Transaction, reader: PageReader, view: ListView) -> ConversationQuery:
    return ConversationQuery(
        words=conversation_search.unseal_words(
            tx, reader.installation.keyring, reader.account, view.found
        ),
        use=view.use,
        project=shell.project_of(view.project) if view.project else None,
    )


def _projects(words: Catalogue, own: Sequence[OwnProject]) -> list[tuple[str, str]]:
    """Each project to choose from: its id and title."""
    return [
        (
            format_id(Prefix.project, one.project),
            own_conversations.truncate(one.title)
            or words.say("project.untitled", day=words.day(one.begun_at)),
        )
        for one in own
    ]


def _summary(words: Catalogue, counts: ConversationsCounted) -> list[str]:
    """Counts the conversations by their present answers, in one line."""
    lines = []
    if counts.conversations:
        lines.append(
            words.count(
                "chats.summary",
                counts.conversations,
                used=f"{counts.usable:,}",
                unused=f"{counts.conversations - counts.usable:,}",
            )
        )
    if counts.next_until is not None:
        lines.append(
            words.say("chats.summary.next", day=words.day(counts.next_until + SWEPT_WITHIN))
        )
    if counts.deleted:
        lines.append(words.count("chats.summary.deleted", counts.deleted))
    if counts.copied:
        lines.append(words.count("chats.summary.copied", counts.copied))
    if not counts.is_whole:
        lines.append(words.say("chats.summary.newest"))
    return lines


def _acted_on(
    tx: Transaction, reader: PageReader, known: Policies, name: str
) -> OwnConversation | None:
    """The conversation of the previous form; None without one, or if it is gone."""
    try:
        return (
            own_conversations.get(
                tx,
                reader.installation.keyring,
                known,
                reader.account,
                shell.conversation_of(name),
                reader.now,
            )
            if name
            else None
        )
    except NotFoundError:
        return None


async def _after_form(
    request: AnyRequest,
    reader: PageReader,
    command: Narrow | Widen,
    fields: Mapping[str, Any],
    done: str,
) -> Response[Any]:
    """The page after a form. If the state on the page has changed meanwhile, nothing is done and
    the page says so.
    """
    try:
        await write(request, command, None)
    except RefusedError as error:
        if error.because != STALE:
            raise
        done = "kept_out_again"
    name, came_from = f"conv_{command.conversation.hex}", shell.form_of(fields).came_from
    if came_from == name:
        return shell.redirect_to(reader, f"/chats/{name}", flash=done)
    view = ListView.of(fields)
    if came_from:
        view = view.at(f"conv_{shell.conversation_of(came_from).hex}")
    return shell.redirect_to(reader, "/chats", **{"flash": done, "chat": name, **view.named})


def _describe_outcome(
    words: Catalogue, dates: Dates, query: Mapping[str, str], mine: OwnConversation | None
) -> str:
    """The result of the previous form, as far as it still applies: the URL names the form, the text
    comes from the current state.
    """
    done = query.get("flash", "")
    if mine is None:
        return ""
    if done in ("kept_out", "kept_out_again", "let_in") and mine.deleted_at is None:
        whole = selection.let_in_whole(dates) if done == "let_in" else ""
        return words.say(f"done.{done}{whole}") if mine.kept_out == (done != "let_in") else ""
    if done == "deleted" and mine.deleted_at is not None:
        if mine.held or mine.keep_until is None:
            return words.say("done.deleted.held")
        return words.say("done.deleted", day=words.day(dates.destroyed_by(mine, mine.keep_until)))
    return ""


def _reads(tx: Transaction, words: Catalogue, account: UUID, conversation: UUID) -> list[str]:
    return [
        words.say(
            "chat.reads.line",
            day=words.moment(one.at),
            role=words.say(f"role.{one.role}"),
            reason=words.say(f"read.{one.reason}"),
        )
        for one in staff_reads.newest(tx, READS_MAX, account=account, conversation=conversation)
    ]


# The words of a conversation


class TurnLine(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A message on the page. ``more`` are lines about its content beside the text."""

    number: int
    who: str
    when: str
    role: str
    text: str
    more: tuple[str, ...]


class PartLine(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A part of a conversation: its answer, its retention, and its messages."""

    heading: str
    badges: tuple[BadgeLine, ...]
    kept: str
    turns: tuple[TurnLine, ...]


def _part(words: Catalogue, part: OwnPart) -> PartLine:
    first, last = part.turns[0].turn.number, part.turns[-1].turn.number
    return PartLine(
        heading=words.say(
            "chat.part.message" if first == last else "chat.part.messages", first=first, last=last
        ),
        badges=tuple(badges(words, part.badges)),
        kept=words.say("chats.kept.held")
        if part.keep_until is None
        else words.say("chats.kept", day=words.day(part.keep_until)),
        turns=tuple(_turn(words, one) for one in part.turns),
    )


def _turn(words: Catalogue, turn: OwnTurn) -> TurnLine:
    content, role = turn.content, turn.turn.role
    more = []
    if content is None:
        more.append(words.say("chat.turn.closed"))
    else:
        more += [words.say("chat.turn.file", name=name) for name in content.attachments]
        more += [words.say("chat.turn.call", name=call.name) for call in content.tool_calls]
        if len(content.text) > TEXT_CHARACTERS_MAX:
            more.append(words.say("chat.turn.cut"))
    who = own_conversations.speaker(role.value, turn.turn.origin)
    return TurnLine(
        number=turn.turn.number,
        who=words.say(f"chat.turn.{who}"),
        when=words.moment(turn.at),
        role=role.value,
        text=content.text[:TEXT_CHARACTERS_MAX] if content is not None else "",
        more=tuple(more),
    )


def _is_one(page: OwnTurnsPage) -> bool:
    """Whether the whole conversation is one part on the page."""
    return len(page.parts) == 1 and page.next is None and not _unread(page)


def _unread(page: OwnTurnsPage) -> bool:
    """Whether no message of the page can be read any more."""
    return bool(page.parts) and all(
        one.content is None for part in page.parts for one in part.turns
    )


ROUTES = (chats, search, chat, keep_out, let_in, take_out)

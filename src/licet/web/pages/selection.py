"""Several chats at once, as one form: keep out, let in, or delete, which is asked once more with
what it destroys.

After a form the address names the chats; the sentences come from the state, as on every page. A
deletion of one chat and of several is confirmed by the same sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.params import FromPath

from licet.consent import own_conversations
from licet.consent.catalogue import Catalogue
from licet.consent.conversation_search import UseFilter
from licet.consent.own_conversations import OwnConversation
from licet.consent.selected_conversations import (
    SELECTED_MAX,
    SelectedAct,
    SelectedForm,
    SelectedResult,
)
from licet.errors import NotFoundError, UsageError
from licet.masked import Masked
from licet.policy.file import Policies, Reach
from licet.policy.retention import ContentKind
from licet.store.connect import Transaction
from licet.train import recipients
from licet.train.recipients import RecipientSeen
from licet.vault.commands import Delete
from licet.vault.installation import policy_snapshot
from licet.web.api.shared import write
from licet.web.pages import shared as shell
from licet.web.pages.conversation_lines import Dates, conversation_line, dates_of
from licet.web.pages.shared import (
    PERSONS,
    AnyRequest,
    Fields,
    PageReader,
    RouteReader,
    fenced_form,
    fenced_page,
    get_page,
)

FOUND_CHARACTERS_MAX = 800
NAMED_MAX = 10  # releases, models and recipients that a confirmation names


class ListView(msgspec.Struct, frozen=True, kw_only=True):
    """The chats to list: sealed search words, a filter, a project, and the start of the page."""

    found: str = ""
    use: UseFilter = UseFilter.every
    project: str = ""
    before: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> ListView:
        """Parses a URL or a form; ignores unknown fields."""

        def text(name: str) -> str:
            value = fields.get(name, "")
            return value if isinstance(value, str) and len(value) <= FOUND_CHARACTERS_MAX else ""

        use = text("use")
        return cls(
            found=text("found"),
            use=UseFilter(use) if use in set(UseFilter) else UseFilter.every,
            project=text("project"),
            before=text("before"),
        )

    def at(self, before: str) -> ListView:
        return msgspec.structs.replace(self, before=before)

    @property
    def named(self) -> dict[str, str]:
        """The fields that differ from the default, by name."""
        use = "" if self.use is UseFilter.every else self.use.value
        given = {"found": self.found, "use": use, "project": self.project, "before": self.before}
        return {name: value for name, value in given.items() if value}

    @property
    def query(self) -> str:
        """The query string, with its question mark."""
        return f"?{urlencode(self.named)}" if self.named else ""


class UndoForm(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """Undoes an act that destroyed nothing. ``chats`` are the ids, each with how often it was kept
    out.
    """

    act: str
    label: str
    means: str
    chats: tuple[tuple[str, int], ...]


class SelectionTold(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """The result of a form about several chats."""

    lines: tuple[str, ...]
    undo: UndoForm | None


@post("/selection", may=PERSONS)
async def select(reader: RouteReader, data: Fields) -> Response[Any]:
    """Applies the act to all selected chats at once; a deletion is confirmed first."""
    act, chosen, view = _act(data), _chosen(data), ListView.of(data)
    if not chosen:
        return shell.redirect_to(reader, "/chats", **{"flash": "nothing", **view.named})
    if act is SelectedAct.delete:
        return shell.redirect_to(
            reader, "/selection/delete", **{"chats": _join_ids(chosen), **view.named}
        )
    form = SelectedForm(
        account=reader.account,
        at=reader.now,
        act=act,
        conversations=chosen,
        narrowings=tuple(_narrowings(data)),
    )
    return await _perform(reader, form, view)


@get_page("/selection/delete", may=PERSONS)
def ask_delete_selected(reader: RouteReader) -> Response[Any]:
    """Asks to confirm the deletion, and lists what is erased and what cannot be."""
    chosen, view = (
        _parse_ids(reader.query.get("chats", "")),
        ListView.of(reader.query),
    )
    if not chosen:
        return shell.redirect_to(reader, "/chats", **view.named)
    return _ask(reader, chosen, view)


@fenced_form("/selection/delete")
async def delete_selected(reader: RouteReader, data: Fields) -> Response[Any]:
    """Deletes the selected chats."""
    chosen = _chosen(data)
    form = SelectedForm(
        account=reader.account,
        at=reader.now,
        act=SelectedAct.delete,
        conversations=chosen,
    )
    return await _perform(reader, form, ListView.of(data))


@fenced_page("/chats/{name:str}/delete")
def ask_delete(reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """Asks whether to delete the conversation, and says what is erased and what cannot be."""
    return _ask(reader, (shell.conversation_of(name),), ListView())


@fenced_form("/chats/{name:str}/delete")
async def delete(request: AnyRequest, reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """Deletes the conversation, and shows the result."""
    command = Delete(
        account=reader.account, at=reader.now, conversation=shell.conversation_of(name)
    )
    await write(request, command, None)
    return shell.redirect_to(reader, f"/chats/conv_{command.conversation.hex}", flash="deleted")


async def _perform(reader: PageReader, form: SelectedForm, view: ListView) -> Response[Any]:
    result = (await reader.site.write(form)).finished
    assert isinstance(result, SelectedResult)
    query = {
        "flash": f"selected_{form.act.value}",
        "done": _join_ids(result.done),
        "none": _join_ids(result.none),
    }
    given = {name: value for name, value in query.items() if value}
    return shell.redirect_to(reader, "/chats", **given, **view.at("").named)


def _ask(reader: PageReader, chosen: Sequence[UUID], view: ListView) -> Response[Any]:
    at, words = reader.now, reader.words
    with policy_snapshot(reader.installation) as (tx, known):
        found = own_conversations.get_many(
            tx, reader.installation.keyring, known, reader.account, chosen, at
        )
    if len(found) < len(chosen):
        raise NotFoundError("no such conversation")
    mine, dates = (
        [one for one in found if one.deleted_at is None],
        dates_of(reader.installation, known),
    )
    if not mine:
        return shell.seen_other(f"/chats/{found[0].shown_id}" if len(found) == 1 else "/chats")
    given = (
        recipients.list_by_account(reader.installation, reader.account)
        if any(one.releases for one in mine)
        else []
    )
    title = (
        words.say("delete.title")
        if len(mine) == 1
        else words.count("delete.title.several", len(mine))
    )
    return shell.page(
        "delete.html",
        reader,
        title=title,
        place="chats",
        chats=[conversation_line(words, dates, one) for one in mine],
        lines=deletion_lines(words, dates, mine, given),
        view=view,
        action=f"/chats/{mine[0].shown_id}/delete"
        if not view.named and len(chosen) == 1
        else "/selection/delete",
    )


def deletion_lines(
    words: Catalogue,
    dates: Dates,
    mine: Sequence[OwnConversation],
    recipients: Sequence[RecipientSeen],
) -> list[str]:
    """The effects and limits of a deletion: text, releases, recipients and models."""
    several = ".several" if len(mine) > 1 else ""
    due = dates.policy.keep.period(ContentKind.deleted).after(dates.at)
    until = max(max(min(due, one.keep_until or due), dates.at) for one in mine)
    days = {
        "until": words.day(dates.destroyed_by(mine[0], until)),
        "gone": words.day(dates.gone_by(mine[0], until)),
    }
    lines = [words.say(f"delete.means.now{several}")]
    if not all(one.held for one in mine):
        lines.append(words.say(f"delete.means.keys{several}", **days))
    if any(one.held for one in mine):
        lines.append(words.say(f"delete.means.held{several}"))
    lines.append(words.say(f"delete.means.releases{several}"))
    releases = list(dict.fromkeys(name for one in mine for name in one.releases))
    if releases:
        lines.append(words.say("delete.means.releases.named", names=_listed(words, releases)))
    holders = list(dict.fromkeys(one.recipient for one in recipients if one.release in releases))
    if holders:
        lines.append(words.say("delete.means.recipients", names=_listed(words, holders)))
    lines.append(words.say(f"delete.means.models{several}"))
    models = list(dict.fromkeys(one.model for chat in mine for one in chat.learnt))
    if models:
        lines.append(words.say("delete.means.models.named", names=_listed(words, models)))
    flagged = [
        one.safety_until
        for one in mine
        if one.safety_until is not None and one.safety_until > dates.at
    ]
    if flagged:
        lines.append(words.say("delete.means.flagged", day=words.day(max(flagged))))
    return lines


def _listed(words: Catalogue, names: Sequence[str]) -> str:
    """Some of the names, and the number of the others."""
    if len(names) <= NAMED_MAX:
        return words.join_names(names)
    rest = words.say("delete.means.more", count=f"{len(names) - NAMED_MAX:,}")
    return words.join_names([*names[:NAMED_MAX], rest])


# Fields of a form


def _act(fields: Mapping[str, Any]) -> SelectedAct:
    try:
        return SelectedAct(fields.get("act", ""))
    except ValueError:
        raise UsageError("`act` is none that can be done to several chats") from None


def _texts(fields: Mapping[str, Any], name: str) -> list[str]:
    """The values of a field that occurs once for each chat on a page."""
    value = fields.get(name, [])
    texts = [
        one
        for one in ([value] if isinstance(value, str) else value)
        if isinstance(one, str) and one
    ]
    if len(texts) > SELECTED_MAX:
        raise UsageError(f"more than {SELECTED_MAX} chats at once", "select fewer of them")
    return texts


def _chosen(fields: Mapping[str, Any]) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys(shell.conversation_of(text) for text in _texts(fields, "chat")))


def _narrowings(fields: Mapping[str, Any]) -> list[tuple[UUID, int]]:
    """How often each chat had been kept out when the page was made: `conv_..:2`."""
    found = []
    for text in _texts(fields, "seen"):
        name, _, times = text.partition(":")
        if times.isdecimal() and len(times) <= 9:
            found.append((shell.conversation_of(name), int(times)))
    return found


def _join_ids(ids: Sequence[UUID]) -> str:
    return ",".join(one.hex for one in ids)


def _parse_ids(text: str) -> tuple[UUID, ...]:
    """Ids as `_join_ids` wrote them; NotFoundError for any other text."""
    names = [name for name in text[: SELECTED_MAX * 33].split(",") if name]
    return tuple(dict.fromkeys(shell.conversation_of(f"conv_{name}") for name in names))


# The result


def describe_outcome(
    tx: Transaction,
    reader: PageReader,
    policies: Policies,
    dates: Dates,
    query: Mapping[str, str],
) -> SelectionTold | None:
    """Describes the last form's effect as far as it still holds; None if there was no form."""
    action = query.get("flash", "")
    if action == "nothing":
        return SelectionTold(lines=(reader.words.say("selected.nothing"),), undo=None)
    if action not in {f"selected_{act.value}" for act in SelectedAct}:
        return None
    act = SelectedAct(action.removeprefix("selected_"))
    done, none = _parse_ids(query.get("done", "")), _parse_ids(query.get("none", ""))
    found = own_conversations.get_many(
        tx, reader.installation.keyring, policies, reader.account, [*done, *none], reader.now
    )
    changed = [one for one in found if one.conversation in done and _still_holds(act, one)]
    lines = _changed(reader.words, dates, act, changed)
    lines += [
        reader.words.say(
            "selected.none",
            title=conversation_line(reader.words, dates, one).title,
            because=_why(reader.words, act, one),
        )
        for one in found
        if one.conversation in none
    ]
    return (
        SelectionTold(
            lines=tuple(lines),
            undo=undo_form(reader.words, dates, changed, action) if changed else None,
        )
        if lines
        else None
    )


def _still_holds(act: SelectedAct, mine: OwnConversation) -> bool:
    """Whether the act's effect still holds."""
    if act is SelectedAct.delete or mine.deleted_at is not None:
        return act is SelectedAct.delete and mine.deleted_at is not None
    return mine.kept_out == (act is SelectedAct.keep_out)


def _kept_back(words: Catalogue, dates: Dates, act: SelectedAct) -> list[str]:
    """The sentence about earlier turns, which are not let in."""
    return (
        [words.say(f"undo.let_in.means{let_in_whole(dates)}")] if act is SelectedAct.let_in else []
    )


def let_in_whole(dates: Dates) -> str:
    """The end of a sentence's key: whether a chat that was let in is used whole again once it goes
    on.
    """
    return ".whole" if dates.policy.reach is Reach.conversation else ""


def _changed(
    words: Catalogue, dates: Dates, act: SelectedAct, changed: Sequence[OwnConversation]
) -> list[str]:
    if not changed:
        return []
    if act is not SelectedAct.delete:
        return [words.count(f"selected.{act.value}", len(changed)), *_kept_back(words, dates, act)]
    untils = [
        dates.destroyed_by(one, one.keep_until) for one in changed if one.keep_until is not None
    ]
    lines = [words.count("selected.delete", len(changed))]
    if untils:
        lines.append(words.say("selected.delete.until", day=words.day(max(untils))))
    if len(untils) < len(changed):
        lines.append(words.say("selected.delete.held"))
    return lines


def _why(words: Catalogue, act: SelectedAct, mine: OwnConversation) -> str:
    """Why the act did nothing to it."""
    if mine.erased:
        because = "erased"
    elif mine.deleted_at is not None:
        because = "deleted"
    elif mine.incognito and act is not SelectedAct.delete:
        because = "incognito"
    elif act is SelectedAct.keep_out:
        because = "kept_out"
    else:
        because = "again" if mine.kept_out else "let_in"
    return words.say(f"selected.because.{because}")


def undo_form(
    words: Catalogue, dates: Dates, mine: Sequence[OwnConversation], done: str
) -> UndoForm | None:
    """The form that undoes ``done`` for these chats; None after a deletion, which cannot be undone.

    Undoing an exclusion does not let in earlier turns, or only once the chat goes on: the form says
    which.
    """
    did = done.removeprefix("selected_")
    act = {
        "kept_out": SelectedAct.let_in,
        "keep_out": SelectedAct.let_in,
        "let_in": SelectedAct.keep_out,
    }.get(did)
    chats = [one for one in mine if one.deleted_at is None and not one.incognito]
    if act is None or not chats:
        return None
    whole = let_in_whole(dates) if act is SelectedAct.let_in else ""
    return UndoForm(
        act=act.value,
        label=words.say(f"undo.{act.value}"),
        means=words.say(f"undo.{act.value}.means{whole}"),
        chats=tuple((one.shown_id, one.narrowings) for one in chats),
    )


ROUTES = (select, ask_delete_selected, delete_selected, ask_delete, delete)

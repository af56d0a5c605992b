"""See it as a model would: what a release built now would hold of a person's chats, under their
answer and as if they said yes.

One page for a chat, a project and everything. What is left in stands as it would be learnt, with
what was replaced in it; what is left out, with the reason. Nothing is built, and nothing of it is
stored.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Response
from litestar.params import FromPath

from licet.consent import own_conversations
from licet.consent.catalogue import Catalogue
from licet.masked import Masked
from licet.policy.decide import IMPROVE, DecisionReason
from licet.service.preview_result import PreviewedConversation, PreviewedTurn
from licet.store.connect import transaction
from licet.vault import account_view, projects
from licet.vault.commands import ChosenScope
from licet.vault.ids import Prefix, format_id, parse
from licet.vault.installation import load_policies
from licet.web.api.references import not_found
from licet.web.pages import shared as shell
from licet.web.pages.shared import PERSONS, PageReader, RouteReader, get_page

ALL = "/preview"


class PreviewedLine(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A turn: the text to be learnt with its replacements, or why it is left out."""

    head: str
    text: str
    replaced: tuple[str, ...]
    is_used: bool


class PreviewedChat(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A chat on the page."""

    href: str
    title: str
    about: str
    turns: tuple[PreviewedLine, ...]


@get_page("/chats/{name:str}/preview", may=PERSONS)
def chat_preview(reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """Previews one conversation."""
    conversation = shell.conversation_of(name)
    return _page(
        reader, f"/chats/{format_id(Prefix.conversation, conversation)}", conversation=conversation
    )


@get_page("/projects/{name:str}/preview", may=PERSONS)
def project_preview(reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """Previews a project's conversations."""
    wanted = ChosenScope(project=parse(Prefix.project, name))
    with transaction(reader.installation.pool) as tx:
        project = projects.find(tx, reader.account, wanted)
    if project is None:
        raise not_found()
    return _page(reader, f"/projects/{format_id(Prefix.project, project)}", project=project)


@get_page(ALL, may=PERSONS)
def whole_preview(reader: RouteReader) -> Response[Any]:
    """Previews all of the person's turns."""
    return _page(reader, "")


def _page(
    reader: PageReader, path: str, *, conversation: UUID | None = None, project: UUID | None = None
) -> Response[Any]:
    from licet.service import preview  # curation is loaded where it is used

    at, words, known = reader.now, reader.words, load_policies(reader.installation)
    covered = sorted(known.in_force(at).covers)
    asked = reader.query.get("purpose", IMPROVE)
    purpose = asked if asked in covered else covered[0]
    assume, after = reader.query.get("yes") == "1", reader.query.get("after", "")
    seen = preview.preview(
        reader.installation,
        reader.account,
        purpose,
        conversation=conversation,
        project=project,
        assume=assume,
        after=shell.conversation_of(after) if after else None,
    )
    with transaction(reader.installation.pool) as tx:
        views = account_view.load_views(
            tx, [(reader.account, one.conversation) for one in seen.conversations], known, at
        )
        titles = own_conversations.load_titles(tx, reader.installation.keyring, views, at)
    unread = seen.conversations[-1].unread if seen.conversations else 0
    base = f"{path}/preview" if path else ALL
    return shell.page(
        "preview.html",
        reader,
        title=words.say("preview.title"),
        place="chats",
        back=path or "/settings",
        base=base,
        assumed=assume,
        purpose=purpose,
        purposes=[(name, words.purpose(name)) for name in covered],
        refused=words.say("preview.refused") if seen.refused is not None else "",
        chats=[
            _chat(
                words,
                titles.get(one.conversation)
                or words.say(
                    "chats.untitled", day=words.day(views[one.conversation].conversation.begun_at)
                ),
                one,
            )
            for one in seen.conversations
            if one.turns or one.unread or one.beyond is not None or conversation is not None
        ],
        next=format_id(Prefix.conversation, seen.next) if seen.next is not None else "",
        more=words.say("preview.more" if unread == 0 else "preview.read_on"),
    )


def _chat(words: Catalogue, title: str, previewed: PreviewedConversation) -> PreviewedChat:
    return PreviewedChat(
        href=f"/chats/{format_id(Prefix.conversation, previewed.conversation)}",
        title=title,
        about=_about(words, previewed),
        turns=tuple(_turn(words, turn) for turn in previewed.turns),
    )


def _about(words: Catalogue, previewed: PreviewedConversation) -> str:
    """How much of it would be used, or why that is not shown."""
    if previewed.beyond is not None:
        return words.say(
            f"preview.beyond.{previewed.beyond.bound.value}",
            found=previewed.beyond.found,
            most=previewed.beyond.most,
        )
    if previewed.unread:
        return words.say("preview.unread", characters=previewed.unread)
    if not previewed.turns:
        return words.say("chat.words.closed")
    used = sum(turn.used for turn in previewed.turns)
    until = (
        f" {words.say('preview.until', day=words.day(previewed.until))}" if previewed.until else ""
    )
    return words.say("preview.count", used=used, all=len(previewed.turns)) + until


def _turn(words: Catalogue, turn: PreviewedTurn) -> PreviewedLine:
    role = words.say(f"preview.role.{turn.role.value}")
    if not turn.used:
        known = turn.because in {reason.value for reason in DecisionReason}
        because = words.say(
            f"because.{turn.because}" if known else f"preview.because.{turn.because}"
        )
        return PreviewedLine(
            head=words.say("preview.out", number=turn.turn, role=role, because=because),
            text="",
            replaced=(),
            is_used=False,
        )
    return PreviewedLine(
        head=words.say("preview.in", number=turn.turn, role=role),
        text=turn.text,
        is_used=True,
        replaced=tuple(
            words.say(
                "preview.replaced",
                was=part.was,
                becomes=part.becomes,
                kind=words.say(f"kind.{part.kind}"),
            )
            for part in turn.replaced
        ),
    )


ROUTES = [chat_preview, project_preview, whole_preview]

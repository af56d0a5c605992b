"""The types of requests and responses about the inbox of staff, as those of `web.api.schema`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from licet.access.inbox_register import InboxStepKind
from licet.consent.rights_requests import WORDS_CHARACTERS_MAX
from licet.service.inbox_sources import InboxItem, ItemKind
from licet.vault.holds import MATTER_CHARACTERS_MAX
from licet.web.api.schema import _In as RequestBody
from licet.web.api.schema import _Out as AnswerBody

Reason = Annotated[
    str,
    Meta(
        max_length=WORDS_CHARACTERS_MAX, description="Why; it is sealed, and the person reads it."
    ),
]
Address = Annotated[str, Meta(max_length=254)]


class NewItemTaking(RequestBody, frozen=True, kw_only=True):
    """A member of staff takes an item; ``reason`` may be left out."""

    reason: Reason = ""


class NewItemReturn(RequestBody, frozen=True, kw_only=True):
    """An item is given back. ``holder`` is left out for one's own, and names a colleague for what
    they have.
    """

    reason: Reason = ""
    holder: Address = ""


class NewItemHanding(RequestBody, frozen=True, kw_only=True):
    """An item is handed to a colleague. ``holder`` is left out for one's own, and names a colleague
    for what they have.
    """

    to: Address
    reason: Reason
    holder: Address = ""


class NewItemNote(RequestBody, frozen=True, kw_only=True):
    reason: Reason


class NewItemAct(RequestBody, frozen=True, kw_only=True):
    """Something is done about an item: ``act`` is one of those that the item names, and so are the
    fields that it asks for.
    """

    act: Annotated[str, Meta(max_length=32)]
    reason: Reason = ""
    code: Annotated[str, Meta(max_length=32)] = ""
    matter: Annotated[str, Meta(max_length=MATTER_CHARACTERS_MAX)] = ""
    review_at: datetime | None = None
    amount: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    names_in: bool = False


class PossibleAct(AnswerBody, frozen=True, kw_only=True):
    """What the caller can do about an item: ``fields`` are what the act asks for, ``codes`` what
    `code` is one of.
    """

    act: str
    means: str
    fields: tuple[str, ...]
    codes: tuple[str, ...]


class StepShown(AnswerBody, frozen=True, kw_only=True):
    """A step of an item. ``act`` is empty of one that was no act; ``done`` is null of that too, and
    while an act is under way.
    """

    step: InboxStepKind
    act: str
    at: datetime
    by: str
    to: str | None
    done: bool | None
    reason: str


class ItemAnswer(AnswerBody, frozen=True, kw_only=True):
    """An item whole. ``waits`` is null once it is done; ``said`` is what the act of this request
    did.
    """

    item: str
    kind: ItemKind
    waits: InboxItem | None
    holder: str | None
    taken_at: datetime | None
    acts: tuple[PossibleAct, ...]
    steps: tuple[StepShown, ...]
    said: str

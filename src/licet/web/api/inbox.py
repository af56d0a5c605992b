"""The inbox of staff over the API: what waits for the caller (`service.inbox_verbs` has what is
done with an item).
"""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.params import PathParameter, QueryParameter
from litestar.response import Stream

from licet.access.roles import TEAM, Staff, may
from licet.release.signatures import StaffMember
from licet.service import inbox
from licet.service.inbox import HeldFilter, InboxPage, InboxView, ItemSort
from licet.service.inbox_sources import ItemKind
from licet.service.inbox_verbs import ItemAnswer, item_answer
from licet.web.api import shared as shell
from licet.web.api.references import site_of
from licet.web.api.shared import AnyRequest, member_of

EVERY = may(staff=TEAM)
TAG = ["staff"]
READS = shell.refusals(404)
ItemRef = Annotated[
    str,
    PathParameter(description="`kind:subject`, as the list has it.", min_length=1, max_length=200),
]
Kind = Annotated[
    ItemKind | None,
    QueryParameter(name="kind", required=False, description="Only items of this kind."),
]
Held = Annotated[
    HeldFilter | None,
    QueryParameter(
        name="held", required=False, description="Those that the caller, somebody, or nobody has."
    ),
]
Overdue = Annotated[
    bool, QueryParameter(name="overdue", required=False, description="Only what is overdue.")
]
Sort = Annotated[
    ItemSort,
    QueryParameter(name="sort", required=False, description="By what is due first, or by kind."),
]
Place = Annotated[
    str | None,
    QueryParameter(
        name="cursor",
        required=False,
        max_length=inbox.CURSOR_CHARACTERS_MAX,
        description="`next` of the page before.",
    ),
]
Most = Annotated[
    int,
    QueryParameter(
        name="limit", ge=1, le=inbox.PAGE_ITEMS_MAX, required=False, description="Items at most."
    ),
]


def _caller(request: AnyRequest) -> StaffMember:
    assert isinstance(request.auth, Staff)
    return member_of(request.auth)


@get("/v1/inbox", may=EVERY, responses=shell.refusals(), tags=TAG)
async def get_inbox(
    request: AnyRequest,
    kind: Kind = None,
    held: Held = None,
    overdue: Overdue = False,
    sort: Sort = ItemSort.due,
    cursor: Place = None,
    limit: Most = inbox.PAGE_ITEMS,
) -> InboxPage:
    """The open items that the caller's roles may act on, those with the earliest due date first; an
    auditor sees all items.
    """
    site, by = site_of(request), _caller(request)
    view = InboxView(
        kind=kind, held=held, overdue=overdue, sort=sort, after=cursor or "", limit=limit
    )
    return await site.calling(lambda: inbox.page(site.installation, by, view))


@get("/v1/inbox.csv", may=EVERY, responses=shell.refusals(), tags=TAG, media_type="text/csv")
async def get_inbox_file(
    request: AnyRequest,
    kind: Kind = None,
    held: Held = None,
    overdue: Overdue = False,
    sort: Sort = ItemSort.due,
) -> Stream:
    """All items of a view of the inbox as CSV, by RFC 4180."""
    site, by = site_of(request), _caller(request)
    view = InboxView(kind=kind, held=held, overdue=overdue, sort=sort)
    return Stream(inbox.as_csv(site.installation, by, view), media_type="text/csv; charset=utf-8")


@get("/v1/inbox/{item:str}", may=EVERY, responses=READS, tags=TAG)
async def get_item(request: AnyRequest, item: ItemRef) -> ItemAnswer:
    """An item with its holder, its history, and the acts that the caller can perform on it."""
    site, by = site_of(request), _caller(request)
    installation = site.installation
    return await site.calling(
        lambda: item_answer(installation, by, inbox.get(installation, by, item))
    )


ROUTES = [get_inbox, get_inbox_file, get_item]

"""The published notices, and one of them: as it is shown, what the lint finds in it, and how many
saw it and answered.

/console/notices            every published notice, as a table
/console/notices/{notice}   one: its text, its questions and answers, its other languages
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Response, get
from litestar.params import FromPath
from markupsafe import Markup

from licet.consent import lint, markdown, notice, notice_views
from licet.errors import NotFoundError
from licet.service import staff_tables
from licet.store.connect import transaction
from licet.vault.installation import policies
from licet.web.console import shared as shell
from licet.web.console import tables
from licet.web.console.shared import STAFF
from licet.web.console.tables import ConsoleTable, SavedView
from licet.web.pages.shared import AnyRequest

SECTION = "/console/notices"
NOTICES = ConsoleTable(
    table=staff_tables.NOTICES,
    title="Notices",
    about=(
        "Every notice that was published: a published notice never changes. One is published on "
        "the machine, with its file."
    ),
    views=(
        SavedView("All", ""),
        SavedView("At sign-up", "for=signup"),
        SavedView("Existing accounts", "for=existing"),
    ),
)


@get("/console/notices", may=STAFF, sync_to_thread=True, include_in_schema=False)
def notices(request: AnyRequest) -> Response[Any]:
    """Every published notice."""
    return tables.show(request, NOTICES)


@get("/console/notices/{notice_id:str}", may=STAFF, sync_to_thread=True, include_in_schema=False)
def one(request: AnyRequest, notice_id: FromPath[str]) -> Response[Any]:
    """One notice as it is shown; NotFoundError for one that was never published."""
    visit, asked = shell.opened(request), _id(notice_id)
    with transaction(visit.here.pool) as tx:
        seen = notice.get(tx, asked)
        if seen is None:
            raise NotFoundError("no such notice")
        went = notice_views.count_by_notice(tx, asked)
        others = [
            each
            for each in notice.list_by_version(tx, seen.number, seen.variant)
            if each.notice_id != asked
        ]
    policy = policies(visit.here)[seen.number]
    values = {
        "seen": seen,
        "went": went,
        "others": others,
        "version": policy.version,
        "found": lint.lint_source(seen.document, policy),
        "body": Markup(seen.text.html),  # noqa: S704 markdown escapes all but its own tags
        # as above
        "gist": [Markup(markdown.inline(line)) for _, line in seen.text.gist],  # noqa: S704
    }
    return shell.page(
        "console_notice.html",
        visit,
        title=f"Notice {notice_id[-8:]}",
        section=SECTION,
        values=values,
    )


def _id(text: str) -> UUID:
    try:
        return UUID(hex=text)
    except ValueError:
        raise NotFoundError("no such notice") from None


ROUTES = (notices, one)

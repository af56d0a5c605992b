"""The tables of the console and what can be done in them, one after another.

Each is a `ConsoleTable`: its sentences, the views that many ask for, and its acts. The page, the
file and the acts themselves are in `tables`. Behind two of them is a page of one row: an erasure
with its certificate, and a recipient with what it was given and what it is to delete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from litestar import Response
from litestar.params import FromPath

from licet.erasure import certificates
from licet.erasure.recall_register import RECALLS_COUNTED_MAX
from licet.errors import UsageError
from licet.service import release_view, staff_tables
from licet.service.hold_verbs import END, PLACE
from licet.service.inbox_acts import ACKNOWLEDGE, DISMISS, ERASE_AT_ONCE, FLAG, RUN
from licet.service.inbox_sources import ItemKind
from licet.service.staff_verb import AnyVerb
from licet.store.connect import transaction
from licet.vault import holds as vault_holds
from licet.vault.certificate import WaitsFor
from licet.vault.commands import Outcome
from licet.vault.hold_coverage import describe_coverage
from licet.vault.holds import HoldAct
from licet.web.console import holds as hold_forms
from licet.web.console import shared as shell
from licet.web.console import tables
from licet.web.console import verb_forms as forms
from licet.web.console.shared import (
    FINDS,
    HELPS,
    HOLDS,
    LOOKS,
    OFFICE,
    READS,
    STAFF,
    RouteVisit,
    Visit,
)
from licet.web.console.tables import ConsoleTable, RowAct, TableAct, row_act
from licet.web.pages.shared import NO_FAULTS, Faults, get_page

# What an act is on, as the inbox names it


def _held_item(visit: Visit, names: Sequence[str], data: Mapping[str, Any]) -> str:
    with transaction(visit.installation.pool) as tx:
        matter = vault_holds.matter_hash(visit.installation, tx, str(data.get("matter", "")))
    return f"hold:{names[0]}+{matter.hex()}"


# Erasures


ERASURES = ConsoleTable(
    table=staff_tables.ERASURES,
    may=HELPS,
    about="Erasures, from request to certificate. One is overdue two days after its last content "
    "was due to be gone, unless a legal hold applies.",
    views={
        "All": "",
        "Overdue": "state=overdue&order=oldest",
        "Not finished": "state=open&order=oldest",
        "On hold": "state=held&order=oldest",
    },
    acts_may=HOLDS,
    acts=tuple(row_act(act, ItemKind.erasure) for act in (RUN, ERASE_AT_ONCE)),
)


# What recipients have to delete


RECALLS = ConsoleTable(
    table=staff_tables.RECALLS,
    may=OFFICE,
    about="Rows that recipients were asked to take out of use, for which erasure, and by which "
    "day. Record an acknowledgement when the recipient has given it.",
    views={
        "All": "",
        "Overdue": "state=overdue",
        "Not acknowledged": "state=open",
    },
    acts_may=HOLDS,
    acts=(row_act(ACKNOWLEDGE, ItemKind.recall),),
)


# Misuse


SUGGESTIONS = ConsoleTable(
    table=staff_tables.SUGGESTIONS,
    may=LOOKS,
    about="Conversations that the misuse classifier suggests for review. The model decides "
    "nothing: read a conversation on its page, with a reason, and decide.",
    views={
        "All": "",
        "Open": "state=open",
        "Flagged": "state=flagged",
    },
    acts_may=READS,
    acts=tuple(row_act(act, ItemKind.misuse) for act in (FLAG, DISMISS)),
)


FLAGS = ConsoleTable(
    table=staff_tables.FLAGS,
    may=LOOKS,
    about="Conversations flagged as misuse, and how long they and their scores are kept.",
    views={
        "All": "",
        "With a safety copy": "state=copied&order=oldest",
        "Overturned": "state=overturned",
    },
)


# Legal holds


def _by_row(verb: AnyVerb, says: Callable[[Any], str]) -> RowAct:
    """A verb on a conversation, called with the form's fields."""

    def run(visit: Visit, names: Sequence[str], data: Mapping[str, Any], dry_run: bool) -> str:
        call = forms.call_of(visit, verb, data, names[0])
        done: Any = verb.forecast(call)[0] if dry_run else verb.run(call)
        return says(done[0])

    return run


def _check(verb: AnyVerb, form: str) -> Callable[[Visit, Mapping[str, Any]], Faults]:
    def check(visit: Visit, data: Mapping[str, Any]) -> Faults:
        try:
            forms.call_of(visit, verb, data, "-")
        except UsageError as error:
            return hold_forms.fault(form, error)
        return NO_FAULTS

    return check


def _placed(done: HoldAct) -> str:
    covered = describe_coverage(done.coverage)
    if done.outcome is Outcome.unchanged:
        return (
            "Already held for this matter: the reason, day of review and notification are "
            "replaced. {covered}."
        )
    return f"Held; to be reviewed on {done.review_at:%Y-%m-%d}: {covered}."


def _freed(done: HoldAct) -> str:
    return (
        "Stays held for another matter."
        if done.keeps
        else "Under no other hold: what is past its retention is erased next."
    )


_PLACING, _ENDING = _by_row(PLACE, _placed), _by_row(END, _freed)


def _review(visit: Visit, names: Sequence[str], data: Mapping[str, Any], dry_run: bool) -> str:
    """Sets another review date for an existing hold; NotFoundError if the matter holds nothing."""
    _ENDING(visit, names, data, True)
    return _PLACING(visit, names, data, dry_run)


CONVERSATIONS = ConsoleTable(
    table=staff_tables.CONVERSATIONS,
    may=FINDS,
    about="All conversations by start, without titles or content.",
    views={
        "All": "",
        "Deleted": "state=deleted",
        "Under a hold": "state=held",
        "With a safety copy": "state=flagged",
    },
    acts_may=HOLDS,
    acts=(
        TableAct(
            name="hold",
            label="Place a legal hold",
            fields="hold",
            means=(
                "Their stored content stays sealed until the last hold on each ends. A hold "
                "permits no use."
            ),
            check=_check(PLACE, "place"),
            run=_PLACING,
        ),
    ),
)
HELD = ConsoleTable(
    table=staff_tables.HOLDS,
    may=LOOKS,
    about="Content under a hold is kept until the hold ends. A hold permits no use. The matter is "
    "sealed with the conversation. Privacy officers place and end holds.",
    views={"All": "", "Review is due": "state=due"},
    acts_may=HOLDS,
    acts=(
        TableAct(
            name="review",
            label="Record a review",
            fields="hold",
            means=(
                "The hold of one matter was reviewed and stays, with the reason and day of "
                "review that you enter."
            ),
            check=_check(PLACE, "place"),
            run=_review,
        ),
        TableAct(
            name="end",
            label="End a hold",
            fields="matter",
            destroys=True,
            check=_check(END, "end"),
            item=_held_item,
            means=(
                "The hold of one matter ends. Content that is past its retention and under "
                "no other hold is erased by the next sweep."
            ),
            run=_ENDING,
        ),
    ),
)


# Accounts, and who read what

ACCOUNTS = ConsoleTable(
    table=staff_tables.ACCOUNTS,
    may=HELPS,
    about="All accounts. The host’s ids are stored as keyed hashes only.",
    views={
        "All": "",
        "Closed": "state=closed",
        "With a grant in force": "state=granted",
    },
)
READINGS = ConsoleTable(
    table=staff_tables.READINGS,
    may=OFFICE,
    about=(
        "Every reading of content by staff, with its reason and ticket. Each is shown to the "
        "person concerned."
    ),
    views={"All": "", "For releases": "reason=release_review"},
)


# One erasure


WAITS = {
    WaitsFor.hold: "A legal hold keeps what it is about.",
    WaitsFor.period: "Its keys are destroyed when its period ends.",
    WaitsFor.sweep: "The next sweep erases what is due.",
    WaitsFor.log: (
        "Log entries of the closed account are pending, and its key is needed for them."
    ),
}


@get_page("/console/erasures/{erasure:str}", may=HELPS)
def show_erasure(visit: RouteVisit, erasure: FromPath[str]) -> Response[Any]:
    """The progress of an erasure, and what it waits for."""
    seen = certificates.status(visit.installation, erasure)
    return shell.page(
        "console_erasure.html",
        visit,
        title="Erasure",
        seen=seen,
        waits=WAITS.get(seen.waits_for, "") if seen.waits_for else "",
    )


@get_page("/console/erasures/{erasure:str}/certificate", may=HELPS)
def certificate(visit: RouteVisit, erasure: FromPath[str]) -> Response[bytes]:
    """The signed certificate, as a file."""
    file = certificates.certificate_file(visit.installation, erasure)
    headers = {
        "content-disposition": f'attachment; filename="{erasure}.json"',
        "cache-control": "no-store",
    }
    return Response(file, media_type="application/json", headers=headers)


# Recipients of releases


RECIPIENTS = ConsoleTable(
    table=staff_tables.RECIPIENTS,
    may=STAFF,
    about=(
        "The releases of each recipient, and what it has yet to delete. Recalls are counted "
        "up to 1,000."
    ),
    views={
        "All": "",
        "With recalls open": "state=open&order=oldest",
        "Overdue": "state=overdue&order=oldest",
    },
)


@get_page("/console/recipients/{recipient:str}", may=STAFF)
def show_recipient(visit: RouteVisit, recipient: FromPath[str]) -> Response[Any]:
    """One recipient; NotFoundError for an unknown one."""
    return shell.page(
        "console_recipient.html",
        visit,
        title=f"Recipient {recipient}",
        seen=release_view.recipient(visit.installation, recipient),
        most=RECALLS_COUNTED_MAX,
        office=visit.allows(OFFICE),
    )


TABLES = (
    ERASURES,
    RECALLS,
    SUGGESTIONS,
    FLAGS,
    CONVERSATIONS,
    HELD,
    ACCOUNTS,
    READINGS,
    RECIPIENTS,
)
ROUTES = (
    *chain.from_iterable(map(tables.routes_of, TABLES)),
    show_erasure,
    certificate,
    show_recipient,
)

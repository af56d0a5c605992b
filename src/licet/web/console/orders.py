"""Acts of staff on the system itself: each is asked first, with what it would do and a field for
the reason.

The first form of an act has no confirmation: its answer says what would be done. The second one has
it, and a reason; only then the verb is called, and the act is on record
(`licet.access.staff_orders`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from litestar import Response

from licet.access.staff_orders import REASON_CHARACTERS_MAX
from licet.errors import UsageError
from licet.web.console import shared as shell
from licet.web.console.shared import Visit
from licet.web.pages.shared import NO_FAULTS, Faults, seen_other

ORDERS_SHOWN_MAX = 20


class OrderForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form of an act: what it is about, why it is done, and whether it was confirmed."""

    about: str = ""
    reason: str = ""
    confirmed: str = ""


class OrderAsked(msgspec.Struct, frozen=True, kw_only=True):
    """An act as it is asked: what it means, and what it would do now, line by line. ``fields`` are
    sent with it again.
    """

    title: str
    label: str
    means: str
    would: tuple[str, ...]
    action: str
    section: str
    back: str
    fields: Mapping[str, str] = {}
    destroys: bool = False


def take(
    visit: Visit,
    form: OrderForm,
    asked: OrderAsked,
    do: Callable[[str], object],
    then: str | Callable[[], Response[Any]],
) -> Response[Any]:
    """Asks an act, or does it with its reason and goes on to the address ``then``, or answers with
    the page that it makes.
    """
    faults = NO_FAULTS
    if form.confirmed == "yes":
        try:
            do(form.reason)
        except UsageError as error:
            fault = shell.sentence(
                f"{error.message}: {error.hint}" if error.hint else error.message
            )
            faults = Faults((("reason", "reason", fault),))
        else:
            return seen_other(then) if isinstance(then, str) else then()
    values = {"asked": asked, "kept": form, "reason_max": REASON_CHARACTERS_MAX}
    return shell.page(
        "console_order.html",
        visit,
        title=asked.title,
        section=asked.section,
        errors=faults,
        values=values,
        status=422 if faults else 200,
    )


def by(visit: Visit) -> str:
    """Who acts, for the record."""
    return visit.staff.recorded_as

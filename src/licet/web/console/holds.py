"""The console's forms for legal holds, made from `service.hold_verbs`: each says what it would do
before it does it.

A matter is content: it is sent in a form's body, is shown only in the response to that form, and is
in no list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import Response
from litestar.handlers import HTTPRouteHandler

from licet.errors import LicetError, NotFoundError, RefusedError
from licet.service.hold_verbs import END, PLACE
from licet.service.staff_verb import AnyVerb
from licet.web.console import shared as shell
from licet.web.console import verb_forms as forms
from licet.web.console.shared import Visit
from licet.web.console.tables import FIELDS
from licet.web.pages.shared import Faults


def _form(verb: AnyVerb, act: str) -> HTTPRouteHandler:
    def refused(
        visit: Visit, conversation: str, data: Mapping[str, Any], error: LicetError
    ) -> Response[Any]:
        """The form again, with the error beside its field."""
        if isinstance(error, NotFoundError) and verb is PLACE:
            raise error
        return shell.page(
            "console_hold.html",
            visit,
            title=f"{act.capitalize()} a legal hold",
            errors=fault(act, error),
            status_code=409 if isinstance(error, RefusedError) else 422,
            conversation=conversation,
            kept={name: str(data.get(name, "")) for name in FIELDS},
            what=act,
        )

    return forms.form_of(verb, refused=refused)


def fault(act: str, error: LicetError) -> Faults:
    """The error of a hold form, beside its field."""
    text = error.message
    place = (
        "reason" if "reason" in text else "review" if "day" in text or "_at" in text else "matter"
    )
    found = shell.fault(f"hold-{place}", error, f"{act}-matter" if place == "matter" else "")
    ((name, at, message),) = found.found
    return Faults(((name, at, message.replace("Review_at", "Its day")),))


ROUTES = (_form(PLACE, "place"), _form(END, "end"))

"""All declarations of staff verbs, from which the API's routes and the console's forms are made."""

from __future__ import annotations

from licet.service import (
    access_verbs,
    endpoint_verbs,
    erasure_verbs,
    hold_verbs,
    inbox_verbs,
    order_verbs,
    paper_verbs,
    policy_verbs,
    release_verbs,
    request_verbs,
    review_verbs,
)
from licet.service.staff_verb import AnyVerb

VERBS: tuple[AnyVerb, ...] = (
    *access_verbs.VERBS,
    *endpoint_verbs.VERBS,
    *erasure_verbs.VERBS,
    *hold_verbs.VERBS,
    *inbox_verbs.VERBS,
    *order_verbs.VERBS,
    *paper_verbs.VERBS,
    *policy_verbs.VERBS,
    *release_verbs.VERBS,
    *request_verbs.VERBS,
    *review_verbs.VERBS,
)

"""The town's office work, so that no console page is empty: a release reviewed and signed by two,
documents, an order, a backup, an endpoint, a service key, and two policy proposals.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import yaml

from licet.access import service_keys, sessions
from licet.access.roles import Scope, StaffRole
from licet.access.staff_orders import OrderKind
from licet.backup import archives
from licet.curate import duplicate_clusters
from licet.demo.scenes import OFFICER, REVIEWER
from licet.erasure.key_rotation import Rotation
from licet.errors import RefusedError
from licet.legal import papers
from licet.legal.paper import PaperKind
from licet.misuse import suggestions
from licet.release import signatures, stats
from licet.release.review import ReviewFinding
from licet.service import orders, policy_proposals, release_measure
from licet.service.release_measure import MeasuringOrder
from licet.store.connect import transaction
from licet.vault.installation import Installation, load_policies
from licet.webhooks import endpoints

SAMPLE_ROWS = 3
BY = f"staff:{OFFICER}"
STAFF = {
    OFFICER: (StaffRole.privacy_officer,),
    REVIEWER: (StaffRole.reviewer,),
    "curator@town.example": (StaffRole.curator,),
}
# The console's pages with something to see.
SIGHTS = (
    ("/console/inbox", "what waits for staff"),
    ("/console/releases", "releases; october was measured, read, and signed by two"),
    ("/console/recalls?state=open", "a recall under way"),
    ("/console/erasures?state=held", "an erasure that a legal hold keeps"),
    ("/console/notices", "notices in every language; some put theirs off"),
    ("/console/backups", "a backup, and a drill that proved it"),
    ("/console/rights", "requests of people, with their laws' times"),
    ("/console/policy", "two proposals, and who would be affected"),
    ("/console/documents", "papers that the law asks for"),
    ("/console/models", "a model, and what was withdrawn since it learnt"),
)


def keep_office(installation: Installation, release: str) -> None:
    """Does all office work; ``release`` is reviewed and signed."""
    with transaction(installation.pool) as tx:
        for email, roles in STAFF.items():
            sessions.add_staff(tx, email, roles, installation.clock(), installation.keyring.random)
    suggest(installation)
    sign_off(installation, release)
    with suppress(RefusedError):  # a town of fifty has too few people to state a measurement
        release_measure.measure(installation, release, MeasuringOrder())
    stats.stats(installation, release)
    duplicate_clusters.count_clusters(installation, release)
    for kind in PaperKind:
        papers.make(installation, kind, actor=BY)
    with transaction(installation.pool) as tx:
        service_keys.create_key(
            tx,
            "assistant",
            (Scope.gate_read, Scope.turns_write),
            installation.clock(),
            installation.keyring.random,
        )
    endpoints.add(installation, "assistant", None)
    propose(installation)


def keep_machine(installation: Installation) -> None:
    """Makes a backup, and orders a rotation of the keys and a drill."""
    archives.back_up(installation, installation.config.data / "backups")
    for order, about in (
        (OrderKind.rotate_keys, Rotation.daily.value),
        (OrderKind.drill_backup, ""),
    ):
        orders.submit(installation, order, about, reason="before the audit", actor=BY)
        orders.carry_out(installation)


def sign_off(installation: Installation, release: str) -> None:
    """Draws a sample, reads it, states the findings, and has two people sign."""
    folder = str(installation.config.releases / release)
    reader, officer, curator = (
        signatures.find_member(installation, email)
        for email in (REVIEWER, OFFICER, "curator@town.example")
    )
    signatures.draw(installation, folder, chance=SAMPLE_ROWS, by_risk=0)
    while (row := signatures.read_next(installation, folder, reader)) is not None:
        signatures.record_finding(installation, folder, reader, row.ordinal, ReviewFinding.nothing)
    signatures.close(installation, folder)
    for signer in (officer, curator):
        signatures.sign(installation, folder, signer, names_in=True)


def suggest(installation: Installation) -> None:
    """Adds two misuse suggestions, with invented scores."""
    reader, now = signatures.find_member(installation, REVIEWER), installation.clock()
    with transaction(installation.pool) as tx:
        newest = suggestions.select_readable(tx, now, "", bytes(32), ("app",), 2)
        for place, (account, conversation, _) in enumerate(newest):
            scored = suggestions.ScoredConversation(
                account=account, conversation=conversation, score=0.91 - place / 20, last_turn=1
            )
            suggestions.store_suggestion(tx, scored, bytes(32), now, reader)


def propose(installation: Installation) -> Sequence[str]:
    """Proposes a version that asks people again, and an editorial one; returns their ids."""
    now = installation.clock()
    document = load_policies(installation).in_force(now).document()
    first, second = (f"{(now + timedelta(days=days)).date()}" for days in (60, 120))
    last = f"{(now + timedelta(days=90)).date()}"
    made = []
    for later in (
        {"version": first, "effective": first, "decide_by": last, "material": True, "min_age": 18},
        {"version": second, "effective": second, "decide_by": None, "material": False},
    ):
        text = yaml.safe_dump({**document, **later}, sort_keys=False)
        made.append(policy_proposals.propose(installation, text.encode(), actor=BY).proposal.id)
    return made

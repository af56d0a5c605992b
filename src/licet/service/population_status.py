"""The status of an installation: accounts, content, expiry, and a forecast of the kept content.

Reads maintained counters (`licet.vault.counts`) only: no account, no content.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from licet.release import registry
from licet.release.registry import Release
from licet.store.connect import transaction
from licet.train import model_registry, run_marks
from licet.train.run_marks import UnfinishedRun
from licet.vault import counts, expiry
from licet.vault.counts import CountedContent, CountedKind
from licet.vault.installation import Installation, load_policies

if TYPE_CHECKING:
    from licet.train.lineage import Affected


class PopulationStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of accounts, conversations or turns, as named; ``standings`` by question of the
    version in force.
    """

    at: datetime
    policy: str
    version: str
    accounts: int
    plans: dict[str, int]
    gates: dict[str, int]
    standings: dict[str, dict[str, int]]
    conversations: int
    turns_kept: int
    bytes_kept: int
    expires: dict[str, int]
    overdue: int
    held: int
    flagged: int
    releases: tuple[Release, ...]
    retraining_due: tuple[Affected, ...]
    unfinished_runs: tuple[UnfinishedRun, ...]


_HORIZONS = (("7 days", 7), ("30 days", 30), ("a year", 365), ("5 years", 1826), ("later", 10**6))


def turns_kept(installation: Installation) -> int:
    with transaction(installation.pool) as tx:
        return sum(content.turns for content in counts.content(tx))


def status(installation: Installation) -> PopulationStatus:
    """Returns accounts, gates, expiry, releases, and classifiers due for retraining."""
    due = retraining_due(installation)
    versions, now = load_policies(installation), installation.clock()
    with transaction(installation.pool) as tx:
        counts.fold(tx)
        people, kept = counts.accounts(tx, versions, now), counts.content(tx)
        return PopulationStatus(
            at=now,
            policy=versions.in_force(now).policy,
            version=versions.in_force(now).version,
            accounts=people.accounts,
            plans=people.plans,
            gates=people.gates,
            standings=people.standings,
            conversations=sum(
                content.items for content in kept if content.what is CountedKind.conversations
            ),
            turns_kept=sum(content.turns for content in kept),
            bytes_kept=sum(content.bytes for content in kept),
            expires=_expires(kept, counts.held(tx), now),
            overdue=expiry.due_count(tx, now, 2**31),
            held=counts.held_conversations(tx),
            flagged=sum(
                content.items
                for content in kept
                if content.what is CountedKind.flagged
                and content.ends_on is not None
                and content.ends_on >= now.date()
            ),
            releases=tuple(registry.list_all(tx)),
            retraining_due=due,
            unfinished_runs=tuple(run_marks.list_unfinished(installation.config.data)),
        )


def retraining_due(installation: Installation) -> tuple[Affected, ...]:
    """Returns the misuse classifiers that learnt from rows withdrawn or erased since."""
    with transaction(installation.pool) as tx:
        if not model_registry.in_use(tx, model_registry.CLASSIFIER):
            return ()
    from licet.train import lineage  # imported here, so that other commands need not load it

    return tuple(lineage.models_affected(installation, recipe=model_registry.CLASSIFIER))


def _expires(
    kept: Sequence[CountedContent], held: Sequence[CountedContent], now: datetime
) -> dict[str, int]:
    """Counts the turns that expire within each horizon (its whole last day included), without
    nearer horizons and held turns.
    """
    result: dict[str, int] = {}
    nearer = 0
    for name, days in _HORIZONS:
        until = (now + timedelta(days=min(days, 365 * 1000)) - timedelta.resolution).date()
        ending = [
            sum(
                content.turns
                for content in counted
                if content.ends_on is not None and content.ends_on <= until
            )
            for counted in (kept, held)
        ]
        result[name], nearer = ending[0] - ending[1] - nearer, ending[0] - ending[1]
    return {name: count for name, count in result.items() if count}


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Sealed bytes kept at each time, the first being now, if nothing is added and every sweep is
    on time. Held content is always counted. ``short`` is kept for a year at most.
    """

    moments: tuple[datetime, ...]
    kept: tuple[int, ...]
    short: tuple[int, ...]


def forecast(installation: Installation) -> Forecast:
    """Forecasts how much of today's content is kept, for 63 months."""
    now = installation.clock()
    moments = [now + timedelta(days=round(30.4375 * month)) for month in range(64)]
    with transaction(installation.pool) as tx:
        counts.fold(tx)
        found, held = counts.content(tx), counts.held(tx)
    # held content has no end, and is not short-term
    ends = [(content.ends_on, content.is_long, content.bytes) for content in found]
    ends += [(content.ends_on, content.is_long, -content.bytes) for content in held]
    ends += [(None, True, content.bytes) for content in held]

    def after(place: int, *, only_short: bool) -> int:
        day = moments[place].date()
        return sum(
            size
            for ends_on, is_long, size in ends
            if not (only_short and is_long) and (place == 0 or ends_on is None or ends_on >= day)
        )

    kept = [after(place, only_short=False) for place in range(len(moments))]
    short = [after(place, only_short=True) for place in range(len(moments))]
    return Forecast(moments=tuple(moments), kept=tuple(kept), short=tuple(short))

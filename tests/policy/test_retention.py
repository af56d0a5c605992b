"""Retention periods are rows: one function looks them up, and a row for a single surface counts
where it applies.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from licet.policy.diff import Direction, PolicyChange, compare
from licet.policy.events import (
    ChooseEvent,
    GiveFeedbackEvent,
    NarrowEvent,
    OpenAccountEvent,
    SayEvent,
)
from licet.policy.file import Policies, Policy, preset
from licet.policy.period import parse_period
from licet.policy.retention import RULES, ContentKind, Keep, RetentionRule
from licet.policy.state import Share
from licet.policy.world import World

AT = datetime(2026, 3, 1, tzinfo=UTC)
API_OUT = RetentionRule(
    "api_opted_out", "API", ContentKind.conversation, allowed=False, surface="api"
)


def with_rule(policy: Policy, rule: RetentionRule, period: str) -> Policy:
    return replace(policy, keep=Keep((*policy.keep.rows, (rule, parse_period(period)))))


@pytest.fixture
def policy() -> Policy:
    version = preset("article-2025")
    return replace(version, surfaces=version.surfaces | {"app", "api"})


def test_each_rule_of_the_file_is_looked_up_by_what_it_dates(policy: Policy) -> None:
    assert [rule for rule, _ in policy.keep.rows] == list(RULES)
    periods = {rule.key: policy.keep.period(rule.kind, rule.allowed) for rule in RULES}
    written = policy.document()["keep"]
    assert {key: str(period) for key, period in periods.items() if "." not in key} == {
        key: text for key, text in written.items() if key != "feedback"
    }
    assert {f"feedback.{key}": text for key, text in written["feedback"].items()} == {
        key: str(period) for key, period in periods.items() if "." in key
    }


def test_a_period_of_one_surface_dates_what_is_said_there_and_nothing_else(policy: Policy) -> None:
    world = World(Policies([with_rule(policy, API_OUT, "P7D")]))
    world.apply(OpenAccountEvent(at=AT, account="ana", plan=min(policy.plans), age=30))
    world.apply(ChooseEvent(at=AT, account="ana", allow=True))
    for surface in ("app", "api"):
        world.apply(
            SayEvent(at=AT, account="ana", conversation=surface, turn=surface, surface=surface)
        )
        world.apply(
            SayEvent(
                at=AT,
                account="ana",
                conversation=f"{surface}-2",
                turn=f"{surface}-2",
                surface=surface,
            )
        )

    def days(name: str) -> float:
        return (world.conversations[name].conversation.content_until - AT) / timedelta(days=1)

    # five years: what may be used has no period of its own there
    assert (days("app"), days("api")) == (1826, 1826)
    world.apply(NarrowEvent(at=AT, account="ana", conversation="api-2"))
    assert days("api-2") == 7
    world.apply(
        GiveFeedbackEvent(
            at=AT, account="ana", conversation="api", feedback="f", share=Share.rating
        )
    )
    world.apply(ChooseEvent(at=AT, account="ana", allow=False))
    assert (days("app"), days("api"), days("app-2"), days("api-2")) == (30, 7, 30, 7)
    assert world.feedback["f"][1].keep_until == AT + timedelta(days=30)
    world.apply(SayEvent(at=AT, account="ana", conversation="late", turn="late", surface="api"))
    assert days("late") == 7


def test_a_rule_that_one_version_lacks_is_compared_with_what_applied_in_its_place(
    policy: Policy,
) -> None:
    old, new = policy, with_rule(policy, API_OUT, "P7D")
    assert (old.keep.by_surface, new.keep.by_surface) == (False, True)
    assert compare(old, new).changes == (
        PolicyChange("keep.api_opted_out", "P30D", "P7D", Direction.narrows),
    )
    assert compare(new, old).changes == (
        PolicyChange("keep.api_opted_out", "P7D", "P30D", Direction.widens),
    )
    assert compare(old, with_rule(policy, API_OUT, "P30D")).changes == ()

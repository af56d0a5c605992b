"""The product and the plain reference answer alike, on every question, in every history drawn.

`TESTS_HISTORIES` sets how many histories are drawn (3,000, of which a run draws a sixteenth:
`tests/tiers.py`) and `TESTS_SEED` where they begin.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from licet.policy import events as ev
from licet.policy.decide import DecisionReason, Gate
from licet.policy.file import preset_text
from licet.policy.period import instant
from licet.policy.state import ScopeKind
from licet.policy.world import World

from ..tiers import seeds, share
from .histories import PURPOSES, History, history
from .reference import Reference

HISTORIES = int(os.environ.get("TESTS_HISTORIES") or share(3_000))
SEED = int(os.environ.get("TESTS_SEED") or seeds(3_000).start)
CASES = [Path(__file__).parent.parent / "spec" / name for name in ("cases.yaml", "regions.yaml")]
# of all answers: at least this part carries each reason
SHARE_MIN = 0.002 if HISTORIES >= 3_000 else 0.001

Question = tuple[str, str, str]
ENDS_MAX = 2


def questions(event: ev.Event) -> list[Question]:
    """Every question that an event gives rise to, whether it took effect or not."""
    match event:
        case ev.OpenAccountEvent():
            return [("account", event.account, "")]
        case ev.SayEvent():
            return [
                ("conversation", event.conversation, ""),
                *(("turn", event.turn, p) for p in PURPOSES),
            ]
        case ev.GiveFeedbackEvent():
            return [("feedback", event.feedback, "")]
        case _:
            return []


def told(reference: Reference, question: Question, at: datetime) -> object:
    match question:
        case ("turn", name, purpose):
            return reference.decide(name, purpose, at)
        case ("conversation", name, _):
            return reference.conversation(name, at)
        case ("account", name, _):
            return reference.gate(name, at)
        case (_, name, _):
            return reference.feedback(name, at)


def answered(world: World, question: Question, at: datetime) -> object:
    match question:
        case ("turn", name, purpose):
            decision = world.decide(name, purpose, at)
            assert decision.use == (
                decision.because in (DecisionReason.permitted, DecisionReason.flagged)
            )
            return decision.because.value, decision.until
        case ("conversation", name, _):
            owned = world.conversations.get(name)
            return (
                (None, None)
                if owned is None
                else (owned.conversation.keep_until, owned.conversation.safety_until)
            )
        case ("account", name, _):
            gate = world.gate(name, at)
            return None if gate is None else gate.value
        case (_, name, _):
            because = world.decide_feedback(name, at).because.value
            if name not in world.feedback:
                return "none", because, None
            chat, given = world.feedback[name]
            held = world.conversations[chat].conversation.holds
            return given.share.value, because, None if held else given.keep_until


def both(drawn: History) -> Iterator[tuple[Question, datetime, object, object]]:
    """Each question at each moment, as the reference and as the product answer it.

    At last at the ends that the reference names, the instant before each as well.
    """
    reference, world = Reference(drawn.documents, drawn.events), World(drawn.policies())
    asked: dict[Question, None] = {}  # each once, in order
    coming, moments = list(drawn.events), list(drawn.moments)
    while moments:
        at = moments.pop(0)
        while coming and coming[0].at <= at:
            asked.update(dict.fromkeys(questions(coming[0])))
            world.apply(coming.pop(0))
        world.advance(at)
        ends = set()
        for question in asked:
            expected = told(reference, question, at)
            ends |= {
                each
                for each in (expected if isinstance(expected, tuple) else ())
                if isinstance(each, datetime)
            }
            yield question, at, expected, answered(world, question, at)
        if not moments and at <= max(drawn.moments):
            last = sorted(end for end in ends if end > at)[:ENDS_MAX]
            moments = sorted(
                {moment for end in last for moment in (end - timedelta.resolution, end)} - {at}
            )


def test_the_product_and_the_reference_give_the_same_answers() -> None:
    reasons: Counter[str] = Counter()
    feedback: Counter[str] = Counter()
    gates: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for seed in range(SEED, SEED + HISTORIES):
        drawn = history(seed)
        for question, at, expected, actual in both(drawn):
            assert actual == expected, (
                f"seed {seed}: {question} at {at}: reference {expected}, product {actual}"
            )
            match question[0]:
                case "turn":
                    reasons[expected[0]] += 1
                case "feedback":
                    feedback[expected[1]] += 1
                case "account":
                    gates[expected] += 1
        kinds.update(in_force(drawn))
    if HISTORIES >= 700:  # in fewer, a rare reason may well be absent
        assert_each_occurs(kinds, set(ScopeKind))
        assert_each_occurs(reasons, set(DecisionReason))
        assert_each_occurs(
            feedback,
            set(DecisionReason) - {DecisionReason.out_of_scope, DecisionReason.flagged} - STAMPED,
        )
        assert_each_occurs(gates, set(Gate))


def in_force(drawn: History) -> Iterator[str]:
    """For what the grants are that allow use at the last moment of a history."""
    world = World(drawn.policies())
    for event in drawn.events:
        world.apply(event)
    at = drawn.events[-1].at
    world.advance(at)
    for name, (chat, _) in world.turns.items():
        for decision in (world.decide(name, purpose, at) for purpose in PURPOSES):
            if decision.because is DecisionReason.permitted:
                grants = world.accounts[world.conversations[chat].account].grants
                yield next(
                    grant.scope.kind.value for grant in grants if grant.number == decision.grant
                )


STAMPED = {DecisionReason.origin, DecisionReason.stale_terms}  # feedback has neither


def assert_each_occurs(counted: Counter[str], words: set[Any]) -> None:
    total = counted.total()
    rare = {
        word.value: counted[word.value] / total
        for word in words
        if counted[word.value] < SHARE_MIN * total
    }
    assert not rare, f"answers too rare to be tested: {rare}"


def laid_over(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    nested = {
        k: laid_over(under[k], v)
        for k, v in over.items()
        if isinstance(v, dict) and isinstance(under.get(k), dict)
    }
    return {**under, **over, **nested}


def document(policy: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(policy, str):
        return yaml.safe_load(preset_text(policy))
    return laid_over(
        document(policy["extends"]), {k: v for k, v in policy.items() if k != "extends"}
    )


@pytest.mark.parametrize(
    "case",
    [case for path in CASES for case in yaml.safe_load(path.read_text("utf-8"))],
    ids=lambda case: case["case"],
)
def test_the_reference_answers_the_worked_cases(case: dict[str, Any]) -> None:
    policies = case["policy"] if isinstance(case["policy"], list) else [case["policy"]]
    events = [
        msgspec.convert({**event, "at": instant(event["at"])}, ev.Event) for event in case["events"]
    ]
    reference = Reference([document(policy) for policy in policies], events)
    for expected in case["expect"]:
        at = instant(expected["at"])
        kind = next(
            kind for kind in ("turn", "conversation", "account", "feedback") if kind in expected
        )
        answer = told(reference, (kind, expected[kind], expected.get("purpose", "")), at)
        assert answer == worked(kind, expected), expected


def worked(kind: str, expected: dict[str, Any]) -> object:
    until = {key: None if expected.get(key) is None else instant(expected[key]) for key in DATES}
    match kind:
        case "turn":
            return expected["because"], until["until"]
        case "conversation":
            return until["keep_until"], until["safety_until"]
        case "account":
            return expected["gate"]
        case _:
            return expected["share"], expected["because"], until["keep_until"]


DATES = ("until", "keep_until", "safety_until")


def test_the_reference_refuses_a_time_without_an_offset() -> None:
    drawn = history(1)
    naive = drawn.moments[0].replace(tzinfo=None)
    with pytest.raises(ValueError, match="without an offset"):
        Reference(drawn.documents, drawn.events).decide(
            "t1", "improve_models", naive + timedelta(0)
        )


# What a drawn history meets too seldom, by hand: the reference answers as written here, and the
# product as it.


def version(effective: str, **changes: Any) -> dict[str, Any]:
    return laid_over(
        document("article-2025"), {"version": effective, "effective": effective, **changes}
    )


def say(at: str, turn: str, *, narrow: bool = False) -> ev.SayEvent:
    return ev.SayEvent(at=instant(at), account="ana", conversation="c", turn=turn, narrow=narrow)


def flag(at: str) -> ev.FlagEvent:
    return ev.FlagEvent(at=instant(at), account="ana", conversation="c")


OPEN = ev.OpenAccountEvent(at=instant("2025-07-01"), account="ana", plan="free", age=30)
ALLOW = ev.ChooseEvent(at=instant("2025-09-01"), account="ana", allow=True)
WIDEN = ev.WidenEvent(at=instant("2025-09-04"), account="ana", conversation="c")


def assert_held(
    documents: list[dict[str, Any]], events: list[ev.Event], at: datetime, chat: object
) -> None:
    answers = list(both(History(-1, documents, events, [at])))
    assert [
        (question, actual) for question, _, expected, actual in answers if actual != expected
    ] == []
    assert chat in [
        expected for question, _, expected, _ in answers if question[0] == "conversation"
    ]


def test_a_grant_lapses_under_a_version_that_came_and_went_while_nobody_looked() -> None:
    documents = [
        version("2025-08-28"),
        version("2025-10-01", scope={"plans": ["pro"]}),
        version("2025-10-11"),
    ]
    events = [OPEN, ALLOW, say("2025-09-02", "t1")]
    assert_held(documents, events, instant("2025-10-20"), (instant("2025-10-31"), None))


def test_a_project_of_no_name_is_none() -> None:
    """A scope with an empty name would cover every conversation that has no project."""
    for named in ({"project": ""}, {"conversation": ""}, {}, {"project": "p", "conversation": "c"}):
        with pytest.raises(ValueError, match="one of them"):
            ev.NamedScope(**named)
        with pytest.raises(ValueError, match="one of them"):
            ev.NarrowEvent(at=OPEN.at, account="ana", **named)


def test_a_safety_copy_ends_with_the_latest_of_its_flags() -> None:
    """The first turn, said while kept out, has expired as the second flag, of a shorter period, is
    set.
    """
    documents = [
        version("2025-08-28"),
        version("2025-09-15", keep={"flagged": "P20D"}, material=False),
    ]
    events = [
        OPEN,
        ALLOW,
        say("2025-09-02", "t1", narrow=True),
        flag("2025-09-03"),
        WIDEN,
        say("2025-09-05", "t2"),
    ]
    chat = (instant("2030-09-05"), instant("2027-09-03"))
    assert_held(documents, [*events, flag("2025-10-10")], instant("2025-10-20"), chat)

"""How many reasoned decisions a second one core gives, and how many a bare closure that always
answers does.

Typical states: accounts that allowed both questions, one or none, withdrew or never answered, some
with a yes for one project or one conversation beside it; conversations of one to four segments,
some kept out, flagged, incognito or expired; each preset, asking two questions; all turns for both
purposes. The floor is a call with the same six arguments that returns a constant: what remains is
the rule. Both are measured in the processor's time.

    python -m bench decide [SECONDS]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from time import process_time

from bench import Row
from licet.policy import events as ev
from licet.policy.decide import IMPROVE, SAFETY, UNKNOWN, Decision, decide
from licet.policy.file import Policies, Policy, extend, preset
from licet.policy.state import AccountState, ConversationState, TurnRole, TurnState
from licet.policy.world import World

Question = tuple[AccountState, ConversationState, TurnState | None, Policies, str, datetime]
START, DAY = datetime(2025, 9, 1, tzinfo=UTC), timedelta(days=1)
NOW = START + 25 * DAY
ACCOUNTS = 40
GOAL = 400_000
ARTICLE = extend({"extends": "article-2025", "choice": preset("strict").document()["choice"]})


def main(arguments: list[str]) -> list[Row]:
    """Decisions a second and core, and the reasons that they gave."""
    seconds = float(arguments[0]) if arguments else 2.0
    questions = [q for version in (ARTICLE, preset("strict")) for q in asked(lived(version))]
    reasons = Counter(decide(*question).because.value for question in questions)
    floor = rate(closure(), questions, seconds)
    decided = rate(decide, questions, seconds)
    what = (
        f"decide: reasoned answers a second and core, two questions, {len(reasons)} reasons "
        f"(goal {GOAL:,})"
    )
    return [Row(what, f"{decided:,.0f}", f"{floor:,.0f}", f"{decided / floor:.2f}")]


def closure() -> Callable[..., Decision]:
    answer = UNKNOWN

    def constant(
        account: AccountState,
        conversation: ConversationState,
        turn: TurnState,
        policies: Policies,
        purpose: str,
        at: datetime,
    ) -> Decision:
        return answer

    return constant


def rate(answer: Callable[..., Decision], questions: Sequence[Question], seconds: float) -> float:
    """The best of five runs, as another program on the same core only ever slows one down."""
    best = 0.0
    for _ in range(5):
        done, begun = 0, process_time()
        while (spent := process_time() - begun) < seconds / 5:
            for account, conversation, turn, policies, purpose, at in questions:
                answer(account, conversation, turn, policies, purpose, at)
            done += len(questions)
        best = max(best, done / spent)
    return best


def lived(version: Policy) -> World:
    """A world of accounts that each lived a little differently."""
    world = World(Policies([version]))
    for number in range(ACCOUNTS):
        for event in story(number):
            world.apply(event)
    world.advance(NOW)
    return world


def story(number: int) -> list[ev.Event]:
    name = f"a{number}"
    events: list[ev.Event] = [
        ev.OpenAccountEvent(at=START - 60 * DAY, account=name, plan="free", age=30)
    ]
    events += said(name, "old", START - 20 * DAY)
    if number % 10 < 8:
        events.append(
            ev.ChooseEvent(at=START, account=name, allow=number % 10 < 6, question="models")
        )
        events.append(
            ev.ChooseEvent(at=START, account=name, allow=number % 10 < 4, question="safety")
        )
    for scope, question in EXCEPTIONS.get(number % 10, ()):
        yes = ev.ChooseEvent(
            at=START + DAY, account=name, allow=True, question=question, scope=scope(name)
        )
        events += [yes] if scope is project else [*said(name, "c0", START + DAY), yes]
    events += said(name, "old", START + 2 * DAY) if number % 3 == 0 else []
    for chat in range(4):
        at, incognito = START + (3 + chat) * DAY, (number + chat) % 12 == 0
        events += said(name, f"c{chat}", at, incognito=incognito, project="p" if chat == 1 else "")
    if number % 5 == 0:
        events.append(ev.NarrowEvent(at=START + 8 * DAY, account=name, conversation=f"{name}-c0"))
    if number % 7 == 0:
        events.append(ev.FlagEvent(at=START + 9 * DAY, account=name, conversation=f"{name}-c1"))
    if number % 10 == 5:
        events.append(ev.ChooseEvent(at=START + 10 * DAY, account=name, allow=False))
    return events


def project(account: str) -> ev.NamedScope:
    return ev.NamedScope(project="p")


def conversation(account: str) -> ev.NamedScope:
    return ev.NamedScope(conversation=f"{account}-c0")


# By the last digit of an account's number: what it says yes to beside a no for the account.
EXCEPTIONS = {
    4: ((project, "safety"),),
    6: ((project, "models"), (project, "safety")),
    7: ((conversation, "models"), (project, "models")),
}


def said(
    account: str, chat: str, at: datetime, *, incognito: bool = False, project: str = ""
) -> list[ev.Event]:
    roles = (TurnRole.user, TurnRole.assistant, TurnRole.user, TurnRole.tool, TurnRole.assistant)
    name = f"{account}-{chat}"
    return [
        ev.SayEvent(
            at=at,
            account=account,
            conversation=name,
            turn=f"{name}-{at:%m%d}-{n}",
            role=role,
            incognito=incognito,
            project=project,
        )
        for n, role in enumerate(roles)
    ]


def asked(world: World) -> list[Question]:
    return [
        (world.accounts[owned.account], owned.conversation, turn, world.policies, purpose, NOW)
        for conversation, turn in world.turns.values()
        for owned in (world.conversations[conversation],)
        for purpose in (IMPROVE, SAFETY)
    ]

"""Whatever is done next, the vault and the world agree: a machine of every verb, versions and
sweeps included.

TESTS_MACHINE_RUNS sets how many runs hypothesis draws (25, of which a run tries six), each of up to
40 steps.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from licet.keys.keyring import Keyring
from licet.policy import events as ev
from licet.policy.file import Policies, extend
from licet.policy.state import Share, TurnRole
from licet.store.connect import Transaction
from licet.vault import counts

from ..tiers import share
from .model import Pair, destroyed, insert_versions, savepoints, sound

RUNS = int(os.environ.get("TESTS_MACHINE_RUNS") or share(25, least=6))
BEGIN = datetime.fromisoformat("2025-08-01T00:00:00+00:00")
DAY = timedelta(days=1)
POLICIES = Policies(
    extend(
        {
            "extends": base,
            "version": version,
            "effective": effective,
            "decide_by": decide_by,
            **more,
        }
    )
    for base, version, effective, decide_by, more in (
        (
            "article-2025",
            "1",
            "2025-08-28",
            "2025-09-28",
            {"keep": {"flagged": "P45D", "feedback": {"opted_in": "P50D"}}},
        ),
        (
            "article-2025",
            "2",
            "2025-10-01",
            "2025-11-01",
            {"scope": {"plans": ["pro"]}, "keep": {"deleted": "P1D"}},
        ),
        ("strict", "3", "2025-11-15", None, {"keep": {"opted_in": "P60D"}}),
    )
)

ACTS = (ev.DeleteEvent, *(ev.NarrowEvent, ev.WidenEvent, ev.FlagEvent) * 2, ev.UnflagEvent)
names = st.sampled_from(("ana", "ben"))
chats = st.sampled_from(("c1", "c2", "c3"))


class Machine(RuleBasedStateMachine):
    """Rules draw an event; the two sides are asked after each of them."""

    conn: Transaction
    keyring: Keyring

    def __init__(self) -> None:
        super().__init__()
        self.around = self.conn.transaction(force_rollback=True)
        self.around.__enter__()
        insert_versions(self.conn, POLICIES)
        self.pair = Pair(savepoints(self.conn), self.keyring, POLICIES)
        self.at, self.count, self.dead = BEGIN, 0, set()
        self.pair.apply(ev.OpenAccountEvent(at=self.at, account="ana", plan="free", age=30))

    def teardown(self) -> None:
        sound(self.conn, self.keyring)
        self.around.__exit__(None, None, None)

    def named(self) -> str:
        self.count += 1
        return f"n{self.count}"

    @rule(days=st.sampled_from((0, 1, 5, 29, 30, 31, 45)), tick=st.sampled_from((0, 0, 1)))
    def time_passes(self, days: int, tick: int) -> None:
        self.at += days * DAY + tick * timedelta.resolution

    @rule(
        name=names,
        plan=st.sampled_from(("free", "pro", "work")),
        age=st.sampled_from((30, 30, 17, None)),
    )
    def open_account(self, name: str, plan: str, age: int | None) -> None:
        self.pair.apply(ev.OpenAccountEvent(at=self.at, account=name, plan=plan, age=age))

    @rule(
        name=names,
        allow=st.sampled_from((True, True, False)),
        age=st.sampled_from((None, None, 30, 15)),
    )
    def choose(self, name: str, allow: bool, age: int | None) -> None:
        self.pair.apply(ev.ChooseEvent(at=self.at, account=name, allow=allow, age=age))

    @rule(
        name=names,
        chat=chats,
        roles=st.lists(st.sampled_from(TurnRole), min_size=1, max_size=4),
        surface=st.sampled_from(("app", "app", "cli", "api")),
        incognito=st.booleans(),
        narrow=st.booleans(),
        batched=st.booleans(),
    )
    def say(
        self,
        name: str,
        chat: str,
        roles: list[TurnRole],
        surface: str,
        incognito: bool,
        narrow: bool,
        batched: bool,
    ) -> None:
        for role in roles:
            self.pair.push(
                ev.SayEvent(
                    at=self.at,
                    account=name,
                    conversation=f"{name}-{chat}",
                    turn=self.named(),
                    role=role,
                    surface=surface,
                    incognito=incognito and chat == "c3",
                    narrow=narrow and chat == "c2",
                )
            )
            if not batched:
                self.pair.flush()
        self.pair.flush()

    @rule(name=names, plan=st.sampled_from(("free", "pro", "work")))
    def set_plan(self, name: str, plan: str) -> None:
        self.pair.apply(ev.SetPlanEvent(at=self.at, account=name, plan=plan))

    @rule(name=names, age=st.sampled_from((30, 17, None)))
    def set_age(self, name: str, age: int | None) -> None:
        self.pair.apply(ev.SetAgeEvent(at=self.at, account=name, age=age))

    @rule(name=names, region=st.sampled_from((None, "DE", "US-CA", "FR")))
    def set_region(self, name: str, region: str | None) -> None:
        self.pair.apply(ev.SetRegionEvent(at=self.at, account=name, region=region))

    @precondition(lambda self: self.count > 12)
    @rule(name=names)
    def close_account(self, name: str) -> None:
        self.pair.apply(ev.CloseAccountEvent(at=self.at, account=name))

    @rule(
        name=names,
        owner=names,
        chat=chats,
        what=st.sampled_from(ACTS),
    )
    def act(self, name: str, owner: str, chat: str, what: type) -> None:
        self.pair.apply(what(at=self.at, account=name, conversation=f"{owner}-{chat}"))

    @rule(
        name=names,
        chat=chats,
        what=st.sampled_from((ev.HoldEvent, ev.UnholdEvent)),
        matter=st.sampled_from(("m1", "m2")),
    )
    def keep(self, name: str, chat: str, what: type, matter: str) -> None:
        self.pair.apply(
            what(at=self.at, account=name, conversation=f"{name}-{chat}", matter=matter)
        )

    @rule(name=names, chat=chats, share=st.sampled_from(Share))
    def give_feedback(self, name: str, chat: str, share: Share) -> None:
        event = ev.GiveFeedbackEvent(
            at=self.at,
            account=name,
            conversation=f"{name}-{chat}",
            feedback=self.named(),
            share=share,
        )
        self.pair.apply(event)

    @rule(limit=st.sampled_from((1, 3, 500)))
    def sweep(self, limit: int) -> None:
        self.pair.sweep(self.at, limit)
        assert self.pair.sweep(self.at, limit).more is False

    @rule()
    def versions_are_applied(self) -> None:
        self.pair.advance(self.at, limit=1)

    @invariant()
    def both_answer_alike(self) -> None:
        assert self.pair.of_vault(self.at) == self.pair.of_world(self.at)

    @invariant()
    def the_counts_are_what_a_recount_says(self) -> None:
        assert counts.differences(self.conn) == []

    @invariant()
    def a_destroyed_key_stays_destroyed(self) -> None:
        dead = {slot for slot, gone in destroyed(self.conn).items() if gone}
        assert self.dead <= dead
        self.dead = dead


def test_the_vault_and_the_world_agree_whatever_is_done_next(
    conn: Transaction, keyring: Keyring
) -> None:
    """Each `invariant` above asserts after each step, and each rule what its verb answered."""
    machine = type("Machine", (Machine,), {"conn": conn, "keyring": keyring})
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=checks,
        ),
    )

"""The worked cases hold over HTTP: told with the client as a host tells them, and every answer that
the API gives compared.

Flags and holds have no verb of a host, and are told to the vault. A purpose that the version in
force does not cover is not in an explanation: what a case expects of one is not asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from licet import client
from licet.client import ApiRequest, ChoiceScope, Client
from licet.errors import NotFoundError, RefusedError
from licet.policy import events as ev
from licet.policy.file import Policies
from licet.policy.period import instant
from licet.store.connect import transaction
from licet.vault.commands import Flag, Hold, Unflag, Unhold

from ..vault.model import insert_versions
from ..vault.test_worked_cases import CASES, UNKNOWN, events_of, policies_of
from .served import World, listening

ANSWERED_BY = {
    "permitted": "yes",
    "declined": "no",
    "withdrawn": "no",
    "lapsed": "lapsed",
    "undecided": None,
}


class Host:
    """A host application that tells a case. Its names begin with those of the case: cases share one
    installation.
    """

    def __init__(self, world: World, sent: Client, case: str, policies: Policies) -> None:
        self.world, self.sent, self.case, self.policies = world, sent, case, policies
        self.owners: dict[str, str] = {}  # of conversations, by name
        self.conversations: dict[str, str] = {}
        self.turns: dict[str, str] = {}
        self.feedback: dict[str, tuple[str, str]] = {}
        self.known: dict[tuple[str, datetime, int], Any] = {}

    def _account(self, name: str) -> str:
        return f"host:{self.case}{name}"

    def ask(self, call: ApiRequest[Any]) -> Any:
        """The answer; None where it names nothing that there is, or was refused."""
        try:
            return self.sent.send(call)
        except (NotFoundError, RefusedError):
            return None

    def tell(self, event: ev.Event) -> None:
        self.world.clock.now = event.at
        account = self._account(event.account)
        match event:
            case ev.OpenAccountEvent():
                self.ask(client.open_account(account.removeprefix("host:"), event.plan, event.age))
            case ev.SetPlanEvent():
                self.ask(client.set_plan(account, event.plan))
            case ev.SetAgeEvent():
                self.ask(client.set_age(account, event.age))
            case ev.SetRegionEvent():
                self.ask(client.set_region(account, event.region))
            case ev.CloseAccountEvent():
                self.ask(client.close_account(account))
            case ev.ChooseEvent():
                self._choose(event, account)
            case ev.SayEvent():
                self._say(event, account)
            case ev.NarrowEvent() | ev.WidenEvent() if event.project is not None:
                verb = (
                    client.keep_project_out
                    if isinstance(event, ev.NarrowEvent)
                    else client.let_project_in
                )
                self.ask(verb(account, f"{self.case}{event.project}", event.project))
            case ev.NarrowEvent():
                self.ask(client.keep_out(self._conversation(event.conversation), account))
            case ev.WidenEvent():
                self.ask(client.let_in(self._conversation(event.conversation), account))
            case ev.DeleteEvent():
                self.ask(client.delete(self._conversation(event.conversation), account))
            case ev.GiveFeedbackEvent():
                self._give(event, account)
            case _:
                self._of_staff(event)

    def _conversation(self, name: str) -> str:
        return self.conversations.get(name, f"host:{self.case}{name}")

    def _scope(self, scope: ev.NamedScope) -> ChoiceScope:
        if scope.project is not None:
            return ChoiceScope(project=f"{self.case}{scope.project}")
        return ChoiceScope(
            conversation=self.conversations.get(scope.conversation or "", "conv_" + 32 * "0")
        )

    def _choose(self, event: ev.ChooseEvent, account: str) -> None:
        scope = self._scope(event.scope) if event.scope is not None else None
        chosen = self.ask(
            client.choose(
                account,
                allow=event.allow,
                question=event.question,
                scope=scope,
                keep=list(map(self._scope, event.keep)),
                age=event.age,
            )
        )
        if chosen is not None and chosen.effect == "none":
            assert chosen.because, event
            assert chosen.detail, event

    def _say(self, event: ev.SayEvent, account: str) -> None:
        if event.turn in self.turns:
            return  # over HTTP a turn's name is its conversation's own
        theirs = self.owners.get(event.conversation, account) != account
        said = self.ask(
            client.say(
                account,
                f"what {event.turn} says",
                id=event.turn,
                role=event.role.value,
                origin=event.origin or None,
                conversation=self._conversation(event.conversation)
                if theirs
                else f"host:{self.case}{event.conversation}",
                surface=event.surface,
                kind=event.kind.value,
                incognito=event.incognito,
                keep_out=event.narrow,
                project=f"{self.case}{event.project}" if event.project else None,
                project_title=event.project,
            )
        )
        if said is not None:
            self.owners[event.conversation] = account
            assert (
                self.conversations.setdefault(event.conversation, said.conversation)
                == said.conversation
            )
            self.turns[event.turn] = said.turn

    def _give(self, event: ev.GiveFeedbackEvent, account: str) -> None:
        if event.feedback in self.feedback:
            return  # over HTTP a feedback's name is its account's own
        named = self._conversation(event.conversation)
        reply = 0
        if event.share == "reply" and event.conversation in self.owners:
            reply = max(
                int(t.rpartition("-")[2]) for t in self.turns.values() if t[5:37] == named[5:]
            )
        given = self.ask(
            client.give_feedback(
                named, "up", share=event.share.value, turn=reply, id=event.feedback, account=account
            )
        )
        if given is not None:
            self.feedback[event.feedback] = (account, given.feedback)

    def _of_staff(self, event: ev.Event) -> None:
        conversation = self.conversations.get(event.conversation)
        account = self.world.rows(
            "SELECT account_id FROM conversations WHERE conversation_id = %s",
            UUID(hex=conversation[5:]) if conversation else UUID(int=0),
        )
        if not account or self.owners[event.conversation] != self._account(event.account):
            return
        base = {
            "account": account[0][0],
            "at": event.at,
            "conversation": UUID(hex=conversation[5:]),
        }
        match event:
            case ev.FlagEvent():
                self.world.tell(Flag(**base, score=0.5))
            case ev.UnflagEvent():
                self.world.tell(Unflag(**base))
            case ev.HoldEvent():
                self.world.tell(Hold(**base, matter=event.matter))
            case ev.UnholdEvent():
                self.world.tell(Unhold(**base, matter=event.matter))

    # Questions

    def _asked(self, call: ApiRequest[Any], at: datetime) -> Any:
        """An answer at a moment, asked for once: a case's expectations stand in the order of their
        moments.
        """
        key = (call.path, at, len(self.turns))
        if key not in self.known:
            self.known[key] = self.sent.send(call)
        return self.known[key]

    def answer(self, expected: dict[str, Any]) -> dict[str, object] | None:
        """What the API says to one expectation, by the keys of a case file; None where it says
        nothing about it.
        """
        at = self.world.clock.now = instant(expected["at"])
        if "turn" in expected:
            return self._of_turn(expected["turn"], expected["purpose"], at)
        if "conversation" in expected:
            if expected["conversation"] not in self.conversations:
                return UNKNOWN["conversation"]
            seen = self.sent.send(client.explain(self.conversations[expected["conversation"]]))
            return {"keep_until": seen.keep_until, "safety_until": seen.safety_until}
        if "account" in expected:
            seen = self.ask(client.gate(self._account(expected["account"])))
            return UNKNOWN["account"] if seen is None else {"gate": seen.gate}
        return self._of_feedback(expected["feedback"])

    def _of_turn(self, turn: str, purpose: str, at: datetime) -> dict[str, object] | None:
        if turn not in self.turns:
            return UNKNOWN["turn"]
        if purpose not in self.policies.in_force(at).covers:
            return None
        seen = self._asked(client.explain_turn(self.turns[turn]), at)
        (said,) = [one for one in seen.answers if one.purpose == purpose]
        assert said.question == self.policies.in_force(at).question_of(purpose)
        if said.because in ANSWERED_BY:
            assert (said.act.act if said.act is not None else None) == ANSWERED_BY[said.because], (
                said
            )
        if said.because == "permitted":
            self._is_in_the_tree(seen, said)
        return {"use": said.use, "because": said.because, "until": said.until}

    def _is_in_the_tree(self, seen: client.Explanation, said: client.Explained) -> None:
        """The grant that permits is the one that the tree has for the conversation, with the same
        act behind it.
        """
        tree = self._asked(client.standing(seen.account), self.world.clock.now)
        (item,) = [one for one in tree.items if one.conversation == seen.conversation]
        assert said.grant in [
            grant.number for grant in item.in_force if grant.question == said.question
        ]
        given = [one for place in tree.items for one in place.own if one.number == said.grant]
        of_account = [asked for asked in tree.questions if asked.grant == said.grant]
        assert [one.said for one in (*given, *of_account)] == [said.act]

    def _of_feedback(self, feedback: str) -> dict[str, object]:
        if feedback not in self.feedback:
            return UNKNOWN["feedback"]
        account, given = self.feedback[feedback]
        (seen,) = [one for one in self.sent.send(client.feedback(account)).items if one.id == given]
        return {
            "share": seen.share,
            "use": seen.use,
            "because": seen.because,
            "keep_until": seen.keep_until,
        }


def written_policy(case: dict[str, Any]) -> str:
    return json.dumps(case["policy"], default=str)


GROUPS = [
    list(group) for _, group in groupby(sorted(CASES, key=written_policy), key=written_policy)
]


@contextmanager
def installation(pool: Any, folder: Path, policies: Policies) -> Iterator[tuple[World, Client]]:
    """An installation with these versions, behind a real port, and a client with every scope."""
    from tests.conftest import empty_tables  # one module's installations follow one another

    empty_tables(pool.conninfo)
    plenty = dict.fromkeys(("person", "service", "unknown"), 10**7)
    world = World(
        pool, folder, **{f"{name}_requests_per_minute": count for name, count in plenty.items()}
    )
    with transaction(pool) as tx:
        for table in ("notices", "policies"):
            # those of `World`: a case has versions of its own, past ones too
            tx.execute(f"DELETE FROM {table}")
        insert_versions(tx, policies)
    with listening(world.app) as url, Client(url, world.key()) as sent:
        yield world, sent


@pytest.mark.parametrize(
    "cases", GROUPS, ids=[f"{n}: {len(group)} cases" for n, group in enumerate(GROUPS)]
)
def test_the_api_answers_the_cases(
    worker_pool, tmp_path: Path, cases: list[dict[str, Any]]
) -> None:
    policies = policies_of(cases[0]["policy"])
    differ, asked = [], 0
    with installation(worker_pool, tmp_path / "data", policies) as (world, sent):
        for number, case in enumerate(cases):
            host, events = Host(world, sent, f"{number}-", policies), events_of(case["events"])
            for expected in sorted(case["expect"], key=lambda e: instant(e["at"])):
                while events and events[0].at <= instant(expected["at"]):
                    host.tell(events.pop(0))
                found = host.answer(expected)
                for key in (found or {}).keys() & expected.keys():
                    is_time = (
                        key.endswith("until")
                        and isinstance(expected[key], str)
                        and expected[key] != "unknown"
                    )
                    wanted = instant(expected[key]) if is_time else expected[key]
                    if found[key] != wanted:
                        differ.append((case["case"], expected, key, found))
                    asked += 1
    assert differ == []
    assert asked > 0

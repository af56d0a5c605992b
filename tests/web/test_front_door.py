"""What a request refers to decides nothing by itself: every verb of the API with references that
name nothing.

Requests are drawn, each reference of a kind (own, another account's, unknown, deleted, expired, no
id at all) and each field that counts all the same beside it. After each request the whole state is
held against the rule, told again in `tests/policy/reference.py`. TESTS_REQUESTS sets how many are
drawn (5,000, of which a run tries a sixteenth, another one each day; TESTS_WHOLE=1 all of them).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from licet.policy import events as ev
from licet.policy.period import instant
from licet.policy.state import ScopeKind, Share, TurnRole
from licet.store.connect import Pool, transaction
from licet.vault import account_view
from licet.vault.ids import Prefix, format_id, host_hmac
from licet.vault.installation import load_policies

from ..policy.reference import Reference
from ..terms import preset
from ..tiers import SIXTEENTH, share
from .served import ApplicationClient, World

A_HISTORY = 50  # requests to one installation
REQUESTS = int(os.environ.get("TESTS_REQUESTS") or share(5_000))
HISTORIES = max(1, REQUESTS // A_HISTORY)
NAMES = ("ana", "ben")
PURPOSES = ("improve_models", "safety_classifiers")
NO_IDS = (
    "",
    "c1",
    "conv_",
    "conv_zz",
    "conv_" + "0" * 31,
    "proj_" + "g" * 32,
    "host:",
    "x" * 3_000,
    "\N{ZERO WIDTH SPACE}",
    "a b",
)
PLENTY = {f"{name}_requests_per_minute": 10**7 for name in ("person", "service", "unknown")}


class Drawn:
    """Two accounts of one installation, what was told to it, and the same as events of the rule."""

    def __init__(self, world: World, api: Any, seed: int) -> None:
        self.world, self.api, self.draw = world, api, Random(seed)
        self.known = load_policies(world.installation)
        self.policy = self.known.versions[0]
        self.events: list[ev.Event] = []
        self.chats: dict[str, str] = {}  # ids of conversations, by `account/name`
        self.turns: dict[str, str] = {}  # the conversation of each turn
        self.feedback: dict[str, str] = {}
        self.projects: dict[str, str] = {}  # ids of projects, by `account/name`
        self.showings: dict[str, list[str]] = {name: [] for name in NAMES}
        self.kinds: Counter[str] = Counter()
        self.said = 0
        self.last: tuple[Any, ...] = ()
        self.key = world.service()

    # Events of the rule

    def meant(self, event: ev.Event) -> None:
        self.events.append(event)

    def only_age(self, name: str, age: int | None) -> None:
        """What is left of a yes that has no effect: a conversation that there is not takes none."""
        nothing = ev.NamedScope(conversation="never")
        self.meant(
            ev.ChooseEvent(
                at=self.now,
                account=name,
                allow=True,
                question=self._any_question(),
                scope=nothing,
                age=age,
            )
        )

    @property
    def now(self) -> Any:
        return self.world.clock.now

    def _any_question(self) -> str:
        return self.policy.asks[0]

    # References

    def chat_ref(self, name: str) -> tuple[str, str | None]:
        """How a conversation is named, and which of the account's own it is: any host's id may have
        begun one.
        """
        ref, own = self._chat_ref(name)
        begun = f"{name} {ref}"
        return ref, begun if own is None and begun in self.chats else own

    def _chat_ref(self, name: str) -> tuple[str, str | None]:
        other = NAMES[name == NAMES[0]]
        own = [chat for chat in self.chats if chat.startswith(f"{name}/")]
        theirs = [chat for chat in self.chats if chat.startswith(f"{other}/")]
        kind = self.draw.choice(
            (
                "own",
                "own",
                "own by host",
                "foreign",
                "foreign by host",
                "unknown",
                "unknown by host",
                "no id",
            )
        )
        self.kinds[f"chat {kind}"] += 1
        match kind:
            case "own" | "own by host" if own:
                chat = self.draw.choice(own)
                return (self.chats[chat] if kind == "own" else f"host:{chat}"), chat
            case "foreign" | "foreign by host" if theirs:
                chat = self.draw.choice(theirs)
                return (self.chats[chat] if kind == "foreign" else f"host:{chat}"), None
            case "unknown by host":
                return "host:never", None
            case "no id":
                return self.draw.choice(NO_IDS), None
        return format_id(Prefix.conversation, UUID(int=self.draw.getrandbits(128))), None

    def project_ref(self, name: str, *, begins: bool = True) -> tuple[str, str | None]:
        """How a project is named, and which of the account's own it is: a host's id may begin
        one.
        """
        other = NAMES[name == NAMES[0]]
        kind = self.draw.choice(
            ("own", "own by host", "foreign", "unknown", "no id", *(["new"] * begins))
        )
        self.kinds[f"project {kind}"] += 1
        own = [one for one in self.projects if one.startswith(f"{name}/")]
        theirs = [one for one in self.projects if one.startswith(f"{other}/")]
        match kind:
            case "own" | "own by host" if own:
                one = self.draw.choice(own)
                return (
                    self.projects[one] if kind == "own" else f"host:{one.partition('/')[2]}"
                ), one.partition("/")[2]
            case "foreign" if theirs:
                return self.projects[self.draw.choice(theirs)], None
            case "new":
                named = self.draw.choice(("garden", "shed"))
                return f"host:{named}", named
            case "no id":
                return self.draw.choice(("", "host:", "x" * 3_000)), None
        return format_id(Prefix.project, UUID(int=self.draw.getrandbits(128))), None

    def showing_ref(self, name: str) -> str | None:
        """A showing of the account's own, another's, or none: who answers what is known from what
        is stored.
        """
        kind = self.draw.choice(("none", "own", "own", "old", "foreign", "unknown", "no id"))
        self.kinds[f"showing {kind}"] += 1
        found = self.showings[NAMES[name == NAMES[0]] if kind == "foreign" else name]
        match kind:
            case "none":
                return None
            case "own" | "foreign" if found:
                return found[-1]
            case "old" if found:
                return self.draw.choice(found)
            case "no id":
                return self.draw.choice(NO_IDS)
        return f"{self.draw.getrandbits(128):032x}"

    def caller(self, name: str) -> dict[str, str]:
        return self.key if self.draw.random() < 0.7 else self.world.person(name)

    def account(self, name: str) -> tuple[str, dict[str, str], bool]:
        """How an account is named, by whom, and whether that reaches it."""
        kind = self.draw.choice(("own",) * 12 + ("unknown", "no id", "foreign"))
        self.kinds[f"account {kind}"] += 1
        match kind:
            case "unknown":
                named = self.draw.choice(
                    ("host:zoe", format_id(Prefix.account, UUID(int=self.draw.getrandbits(128))))
                )
                return named, self.caller(name), False
            case "no id":
                return self.draw.choice(("ana", "acc_zz", "host:", "me")), self.key, False
            case "foreign":
                return f"host:{name}", self.world.person(NAMES[name == NAMES[0]]), False
        return f"host:{name}", self.caller(name), True

    # Requests

    def send(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
        sent = self.api.request(method, f"/v1{path}", json=body, headers=headers)
        self.last = (method, path, body, sent.status_code, sent.text)
        assert sent.status_code < 500, (method, path, body, sent.text)
        return sent

    def one(self) -> None:
        """One request, and what it means."""
        if self.draw.random() < 0.25:
            self.world.clock.set(
                self.now
                + self.draw.choice((timedelta(seconds=1), timedelta(days=2), timedelta(days=31)))
            )
        name = self.draw.choice(NAMES)
        ways = (
            self.choose,
            self.show,
            self.say,
            self.of_chat,
            self.of_project,
            self.give_feedback,
            self.change,
            self.accept,
            self.take_back,
        )
        (way,) = self.draw.choices(ways, weights=(40, 10, 18, 10, 8, 5, 7, 4, 2))
        self.kinds[way.__name__] += 1
        way(name)

    def show(self, name: str) -> None:
        account, headers, reached = self.account(name)
        asked = self.send("GET", f"/accounts/host:{name}/notice", self.key).json()
        notice = (asked["notice"] or {}).get("id")
        notice = self.draw.choice((notice, notice, notice, *NO_IDS[:3], "0" * 32)) or "0" * 32
        made = self.send(
            "POST", f"/accounts/{quote(account)}/showings", headers, {"notice": notice}
        )
        if made.is_success:
            assert reached
            self.showings[name].append(made.json()["id"])

    def accept(self, name: str) -> None:
        account, headers, _ = self.account(name)
        self.send(
            "POST",
            f"/accounts/{quote(account)}/terms",
            headers,
            {"showing": self.showing_ref(name)},
        )
        named = self.showing_ref(name) or "none"
        self.send(
            "POST",
            f"/accounts/{quote(account)}/showings/{quote(named or '-', safe='')}/put-off",
            headers,
        )

    def choose(self, name: str) -> None:
        draw = self.draw
        account, headers, reached = self.account(name)
        allow, age = draw.random() < 0.5, draw.choice((None, None, 30, 20, 15))
        question = draw.choice((None, *self.policy.asks * 2, "biometrics"))
        named = [
            self.scope_ref(name)
            for _ in range(draw.choice((0, 1, 2)) if draw.random() < 0.5 else 0)
        ]
        scope, scoped = self.scope_ref(name) if allow and draw.random() < 0.5 else (None, None)
        showing = self.showing_ref(name)
        body = {
            "allow": allow,
            "question": question,
            "scope": scope,
            "keep": [one for one, _ in named],
            "age": age,
            "showing": showing,
        }
        refused = self._why_refused(name, body)
        repeated = refused == "" and allow and self._is_repeated(name, body)
        made = self.send("POST", f"/accounts/{quote(account)}/choices", headers, body)
        if not reached:
            assert made.status_code == 404
            return
        self._answered(body, named, scoped, refused, repeated, made, name)
        if refused or repeated or (allow and scope is not None and scoped is None):
            self.only_age(name, age)
        elif allow:
            self.meant(
                ev.ChooseEvent(
                    at=self.now, account=name, allow=True, question=question, scope=scoped, age=age
                )
            )
            if scoped is not None and scoped.project is not None:
                self._learn_projects()
        else:
            kept = tuple(one for _, one in named if one is not None)
            self.meant(
                ev.ChooseEvent(
                    at=self.now, account=name, allow=False, question=question, keep=kept, age=age
                )
            )

    def _answered(
        self,
        body: dict[str, Any],
        named: list[Any],
        scoped: Any,
        refused: str,
        repeated: bool,
        made: Any,
        name: str,
    ) -> None:
        """The answer says what was not taken, and never that a no was refused."""
        status = {"": 201, "stale": 409, "unknown_showing": 404, "contradiction": 422}[refused]
        assert made.status_code == status, (body, made.text)
        if status != 201:
            assert body["allow"]
            return
        told = set(made.json()["not_taken"])
        expected = {
            f"keep[{n}]"
            for n, (one, found) in enumerate(named)
            if found is None or not self._is_there(name, found)
        }
        expected |= (
            {"showing"}
            if body["showing"] is not None and not self._knows(name, body["showing"])
            else set()
        )
        expected |= {"scope"} if body["scope"] is not None and scoped is None else set()
        if body["allow"]:
            assert expected == told, (body, made.text)
        else:
            assert expected == told, (body, made.text)
            assert made.json()["effect"] in ("withdrew", "declined", "none")
        assert repeated <= (made.json()["outcome"] == "duplicate")

    def scope_ref(self, name: str) -> tuple[dict[str, Any], ev.NamedScope | None]:
        """A scope as a body has it, and what it names of the account's own."""
        kind = self.draw.choice(("chat", "chat", "project", "project", "both", "neither"))
        self.kinds[f"scope {kind}"] += 1
        (chat, own), (project, mine) = self.chat_ref(name), self.project_ref(name)
        match kind:
            case "chat":
                return {"conversation": chat}, ev.NamedScope(
                    conversation=own
                ) if own is not None else None
            case "project":
                return {"project": project}, ev.NamedScope(
                    project=mine
                ) if mine is not None else None
            case "both":
                return {"project": project, "conversation": chat}, None
        return {}, None

    def _is_there(self, name: str, scope: ev.NamedScope) -> bool:
        """Whether a scope to keep names something: a host's id of a project that has not begun
        keeps nothing.
        """
        return scope.project is None or f"{name}/{scope.project}" in self.projects

    def _knows(self, name: str, showing: str) -> bool:
        return showing in self.showings[name]

    def _newest(self, name: str, question: str | None) -> list[tuple[Any, ...]]:
        """What the newest choices about what is answered are, as they are stored: number, showing,
        answer.
        """
        names = list(self.policy.asks) if question is None else [question]
        return self.world.rows(
            """SELECT DISTINCT ON (question) seq, shown_id, allow FROM choices WHERE account_id = %s
                  AND question = ANY(%s)
                  AND project_id IS NULL AND conversation_id IS NULL ORDER BY question, seq DESC""",
            self.world.accounts[name],
            names,
        )

    def _is_repeated(self, name: str, body: dict[str, Any]) -> bool:
        if body["showing"] is None:
            return False
        newest = self._newest(name, body["question"])
        return bool(newest) and all(
            (shown.hex if shown else None, allow) == (body["showing"], True)
            for _, shown, allow in newest
        )

    def _why_refused(self, name: str, body: dict[str, Any]) -> str:
        """Why a yes does not count whatever the rule says."""
        scope = body["scope"]
        if not body["allow"]:
            return ""
        if body["keep"] or (scope is not None and len(scope) != 1):
            return "contradiction"
        if body["showing"] is None:
            return ""
        if not self._knows(name, body["showing"]):
            return "unknown_showing"
        if self._is_repeated(name, body):
            return ""
        rows = self.world.rows(
            "SELECT after_seq FROM shown WHERE shown_id = %s", UUID(hex=body["showing"])
        )
        return (
            "stale"
            if any(seq > rows[0][0] for seq, *_ in self._newest(name, body["question"]))
            else ""
        )

    def say(self, name: str) -> None:
        new = self.draw.random() < 0.4
        chat = f"{name}/c{self.draw.randint(1, 4)}"
        ref, own = (f"host:{chat}", chat) if new else self.chat_ref(name)
        account, headers, reached = self.account(name)
        headers = self.key if reached else headers  # a person's own client tells no turns
        role = self.draw.choice(("user", "user", "assistant"))
        project = self.draw.choice((None, None, "garden"))
        self.said += 1
        turn = f"t{self.said}"
        body = {
            "account": account,
            "conversation": ref,
            "id": turn,
            "role": role,
            "text": "what is said",
            "project": project,
        }
        made = self.send("POST", "/turns", headers, body)
        begins = ref.startswith("host:") and own is None and made.is_success
        if begins:  # a host's id of the account that is not there begins a conversation
            own = f"{name} {ref}"
        if not reached or own is None:
            assert not made.is_success, (body, made.text)
            return
        self.meant(
            ev.SayEvent(
                at=self.now,
                account=name,
                conversation=own,
                turn=turn,
                role=TurnRole(role),
                project=project or "",
            )
        )
        if made.is_success:
            self.chats.setdefault(own, made.json()["conversation"])
            self.turns[turn] = own
            self._learn_projects()

    def of_chat(self, name: str) -> None:
        ref, own = self.chat_ref(name)
        kind = self.draw.choice((ev.NarrowEvent, ev.WidenEvent, ev.DeleteEvent))
        headers, path = self.caller(name), f"/conversations/{quote(ref or '-', safe='')}"
        method, more = (
            ("DELETE", "")
            if kind is ev.DeleteEvent
            else ("POST", "/keep-out" if kind is ev.NarrowEvent else "/let-in")
        )
        made = self.send(method, f"{path}{more}?account=host:{name}", headers)
        assert made.is_success == (own is not None), (path, made.text)
        if own is not None:
            self.meant(kind(at=self.now, account=name, conversation=own))

    def of_project(self, name: str) -> None:
        (ref, own), (account, headers, reached) = self.project_ref(name), self.account(name)
        kind, verb = self.draw.choice(((ev.NarrowEvent, "keep-out"), (ev.WidenEvent, "let-in")))
        made = self.send(
            "POST",
            f"/accounts/{quote(account)}/projects/{quote(ref or '-', safe='')}/{verb}",
            headers,
        )
        if made.is_success and reached:
            self._learn_projects()
        if own is not None and reached:
            assert made.is_success, made.text
            self.meant(kind(at=self.now, account=name, project=own))

    def _learn_projects(self) -> None:
        names = {
            host_hmac(self.world.site.host_key, "project", name): name
            for name in ("garden", "shed")
        }
        owners = {account: name for name, account in self.world.accounts.items()}
        for account, project, host in self.world.rows(
            "SELECT account_id, project_id, host_hmac FROM projects"
        ):
            if bytes(host) in names:
                self.projects[f"{owners[account]}/{names[bytes(host)]}"] = format_id(
                    Prefix.project, project
                )

    def give_feedback(self, name: str) -> None:
        ref, own = self.chat_ref(name)
        given = f"f{len(self.feedback) + 1}"
        path = f"/conversations/{quote(ref or '-', safe='')}/feedback?account=host:{name}"
        made = self.send(
            "POST", path, self.caller(name), {"rating": "up", "share": "conversation", "id": given}
        )
        if own is not None:
            self.meant(
                ev.GiveFeedbackEvent(
                    at=self.now,
                    account=name,
                    conversation=own,
                    feedback=given,
                    share=Share.conversation,
                    rating="up",
                )
            )
        assert own is not None or not made.is_success
        if made.is_success:
            self.feedback[given] = made.json()["feedback"]

    def take_back(self, name: str) -> None:
        """Of feedback that there is not: nothing is taken back of anybody."""
        named = self.draw.choice((*NO_IDS[1:4], f"fb_{self.draw.getrandbits(128):032x}"))
        made = self.send(
            "DELETE",
            f"/accounts/host:{name}/feedback/{quote(named, safe='')}",
            self.world.person(name),
        )
        assert made.status_code in (400, 404)

    def change(self, name: str) -> None:
        account, headers, reached = self.account(name)
        reached = reached and headers == self.key  # what only a host says
        verb = self.draw.choice(
            ("plan", "age", "region", "close")
            if self.draw.random() < 0.3
            else ("plan", "age", "region")
        )
        at = self.now
        body, event = {
            "plan": (
                plan := self.draw.choice(("pro", "work")),
                ev.SetPlanEvent(at=at, account=name, plan=plan),
            ),
            "age": (
                age := self.draw.choice((30, 15, None)),
                ev.SetAgeEvent(at=at, account=name, age=age),
            ),
            "region": (
                region := self.draw.choice(("DE", None)),
                ev.SetRegionEvent(at=at, account=name, region=region),
            ),
            "close": (None, ev.CloseAccountEvent(at=at, account=name)),
        }[verb]
        method, sent = ("POST", None) if verb == "close" else ("PUT", {verb: body})
        made = self.send(method, f"/accounts/{quote(account)}/{verb}", headers, sent)
        if made.is_success:
            self.meant(event)
        assert made.is_success or not reached, made.text

    # The whole state

    def check(self) -> None:
        """Each answer about each account, conversation, turn and feedback is the rule's."""
        now, reference = self.now, Reference([self.policy.document()], self.events)
        past = reference.past(now)
        with transaction(self.world.installation.pool) as tx:
            rows = account_view.load_accounts(tx, list(self.world.accounts.values()))
            for name in NAMES:
                seen = account_view.account_at(
                    rows[self.world.accounts[name]], self.known, now
                ).account
                meant = past.accounts[name]
                assert (seen.plan, seen.age, seen.closed_at is not None) == (
                    meant.plan,
                    meant.age,
                    meant.closed,
                ), name
                assert account_view.load_gates(tx, [self.world.accounts[name]], now)[
                    0
                ].gate.value == past.gate(meant), name
                for question in self.policy.asks:
                    in_force = {
                        (one.number, one.scope.kind.value)
                        for one in seen.grants
                        if one.question == question
                    }
                    assert in_force == {
                        (g.number, g.kind) for g in meant.in_force() if g.question == question
                    }, name
                    if not meant.closed and not any(
                        kind == ScopeKind.account for _, kind in in_force
                    ):
                        assert seen.standing(question).value == meant.standing(question), name
            keys = [
                (self.world.accounts[own.replace(" ", "/").partition("/")[0]], UUID(hex=chat[5:]))
                for own, chat in self.chats.items()
            ]
            found = account_view.load_views(tx, keys, self.known, now)
            turns = {key: account_view.list_turns(tx, *key) for key in keys}
            hosts = {
                bytes(host): (chat, turn)
                for chat, turn, host in tx.execute(
                    "SELECT conversation_id, turn, host_hmac FROM turns"
                )
            }
        taken = {turn.name for chat in past.conversations.values() for turn in chat.turns}
        assert taken == set(self.turns), (self.events[-1], self.last)
        for own, chat in self.chats.items():
            until = reference.conversation(own, now)[0]
            assert found[UUID(hex=chat[5:])].turns.keep_until == until, own
        stored = {(key[1], turn.number): turn for key, several in turns.items() for turn in several}
        assert {(hosts_chat, turn) for hosts_chat, turn in hosts.values()} == set(stored)
        numbers: Counter[str] = Counter()
        for name, own in self.turns.items():
            numbers[own] += 1
            chat = UUID(hex=self.chats[own][5:])
            for purpose in PURPOSES:
                said = found[chat].decide(stored[chat, numbers[own]], self.known, purpose)
                because, until = reference.decide(name, purpose, now)
                assert (said.because.value, said.until) == (because, until), name


@contextmanager
def told(pool: Pool, folder: Path, seed: int) -> Iterator[Drawn]:
    world = World(
        pool, folder / "data", preset("article-2025" if seed % 3 == 0 else "strict"), **PLENTY
    )
    world.clock.set(max(instant("2025-09-02"), world.clock.now))
    with ApplicationClient(world.app) as api:
        drawn = Drawn(world, api, seed)
        for name in NAMES:
            world.open(name, age=30)
            drawn.meant(ev.OpenAccountEvent(at=drawn.now, account=name, plan="pro", age=30))
            for question in drawn.policy.asks:
                answered = drawn.send(
                    "POST",
                    f"/accounts/host:{name}/choices",
                    drawn.key,
                    {"allow": True, "question": question},
                )
                assert answered.status_code == 201
                drawn.meant(
                    ev.ChooseEvent(at=drawn.now, account=name, allow=True, question=question)
                )
        yield drawn


@pytest.mark.parametrize("number", range(HISTORIES))
def test_after_any_requests_the_state_is_what_the_rule_says(
    pool: Pool, tmp_path: Path, number: int
) -> None:
    seed = number + SIXTEENTH * HISTORIES
    with told(pool, tmp_path, seed) as drawn:
        for _ in range(A_HISTORY):
            drawn.one()
            drawn.check()
    assert drawn.kinds["choose"]

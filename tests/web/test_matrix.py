"""Who may do what, as a golden file: every route x every kind of caller x own, other's, unknown and
deleted objects.

`matrix.csv` is made by the running application. To accept a change of it, set TESTS_WRITE_GOLDEN=1
and review the difference: it is the design review. A route that the recipes below do not know
fails.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from litestar.routes import HTTPRoute

from licet.access import sessions
from licet.access.roles import NOBODY, May, Scope, StaffRole
from licet.consent import rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.rights_requests import EnteredRequest, StaffAct
from licet.policy.state import Share
from licet.store.connect import transaction
from licet.vault.commands import Delete, GiveFeedback
from licet.webhooks import endpoints

from .served import NOTICE, ApplicationClient, World

GOLDEN = Path(__file__).parent / "matrix.csv"
UNKNOWN = "0" * 31 + "1"
ENTERS = "POST /console/rights/enter"
CELLS_AT_ONCE = 64
OF_A_CELL = re.compile(r"\{(name|staff|event|feedback_id):")
OBJECTS = ("own", "other", "unknown", "deleted")
CALLERS = ("nobody", "person", "browser", *(s.value for s in Scope), *(r.value for r in StaffRole))

# What to send, by route; None: a body is not needed.
BODIES: dict[str, Any] = {
    "POST /v1/accounts": {"host": "zoe", "plan": "pro", "age": 30},
    "PUT /v1/accounts/{account:str}/plan": {"plan": "pro"},
    "PUT /v1/accounts/{account:str}/age": {"age": 30},
    "PUT /v1/accounts/{account:str}/region": {"region": "DE"},
    "POST /v1/accounts/{account:str}/requests": {"kind": "access", "words": "all of it"},
    "POST /v1/accounts/{account:str}/requests/{request_id:str}/reply": {"words": "here it is"},
    "POST /v1/accounts/{account:str}/requests/{request_id:str}/withdraw": None,
    "POST /v1/requests": {
        "account": "{account}",
        "kind": "access",
        "words": "all of it",
        "identity": "a passport",
    },
    "POST /v1/requests/{request_id:str}/steps": {"act": "answer", "words": "here it is"},
    "POST /v1/accounts/{account:str}/close": None,
    "POST /v1/accounts/{account:str}/choices": {"allow": False},
    "POST /v1/accounts/{account:str}/projects/{project:str}/keep-out": {"title": "Work"},
    "POST /v1/accounts/{account:str}/projects/{project:str}/let-in": None,
    "POST /v1/accounts/{account:str}/showings": {"notice": UNKNOWN},
    "POST /v1/accounts/{account:str}/showings/{showing:str}/put-off": None,
    "POST /v1/accounts/{account:str}/terms": {},
    "POST /v1/turns": {"account": "{account}", "text": "hello"},
    "POST /v1/turns:bulk": {"account": "{account}", "text": "hello"},
    "POST /v1/otlp/v1/traces": {"resourceSpans": []},
    "POST /v1/conversations/{conversation:str}/keep-out": None,
    "POST /v1/conversations/{conversation:str}/let-in": None,
    "POST /v1/conversations/{conversation:str}/feedback": {"rating": "up"},
    "POST /v1/conversations/{conversation:str}/reads": {
        "reason": "person_request",
        "ticket": "REQ-1",
    },
    "POST /v1/conversations/{conversation:str}/holds": {
        "matter": "Smith v. Acme",
        "reason": "litigation",
    },
    "POST /v1/conversations/{conversation:str}/holds/end": {"matter": "Smith v. Acme"},
    "POST /v1/conversations/{conversation:str}/misuse": {"decision": "dismiss"},
    "POST /v1/erasures/{erasure:str}/run": {"dry_run": True},
    "POST /v1/erasures/{erasure:str}/recalls/{handout:str}/acknowledge": None,
    "POST /v1/sweep/approve": {"due": 1},
    "POST /v1/api-keys": {"name": "assistant", "scopes": ["gate:read"]},
    "PUT /v1/api-keys/{name:str}/limits": {
        "version": 1,
        "scopes": ["gate:read"],
        "reason": "it only asks",
    },
    "POST /v1/api-keys/{name:str}/revoke": {"reason": "it lay in a log"},
    "POST /v1/staff": {"email": "new@example.org", "roles": ["auditor"]},
    "PUT /v1/staff/{staff:str}/roles": {"roles": ["auditor"], "was": []},
    "POST /v1/staff/{staff:str}/end": None,
    "POST /v1/releases/{release:str}/review/sample": {},
    "POST /v1/releases/{release:str}/review/rows": {},
    "POST /v1/releases/{release:str}/slice": {"where": "words > 1"},
    "POST /v1/releases/{release:str}/replacements": {},
    "POST /v1/releases/{release:str}/replacements/mark": {"row": 0, "place": 0},
    "POST /v1/releases/{release:str}/review/findings": {"row": 1, "finding": "nothing"},
    "POST /v1/releases/{release:str}/review/undo": {},
    "POST /v1/releases/{release:str}/review/close": None,
    "POST /v1/releases/{release:str}/sign": {},
    "POST /v1/models/{model:str}/retire": {"reason": "its weights are deleted"},
    "POST /v1/orders": {"kind": "drill_backup", "reason": "the drill of the quarter"},
    "POST /v1/webhooks": {"name": "archive", "reason": "it reads for the archive"},
    "POST /v1/webhooks/{endpoint:str}/secret": {"reason": "it lay in a log"},
    "POST /v1/webhooks/{endpoint:str}/pause": {"reason": "it is moved"},
    "POST /v1/webhooks/{endpoint:str}/resume": {"reason": "it was moved"},
    "POST /v1/webhooks/{endpoint:str}/replay": {"since": "0", "reason": "it lost a day"},
    "POST /v1/webhooks/{endpoint:str}/remove": {"reason": "it is gone", "dry_run": True},
    "POST /v1/inbox/{item:str}/take": {},
    "POST /v1/inbox/{item:str}/give-back": {},
    "POST /v1/inbox/{item:str}/hand": {"to": "new@example.org", "reason": "away"},
    "POST /v1/inbox/{item:str}/note": {"reason": "rang"},
    "POST /v1/inbox/{item:str}/act": {"act": "answer", "reason": "here it is"},
    "DELETE /v1/conversations/{conversation:str}": None,
    "DELETE /v1/accounts/{account:str}/feedback/{feedback_id:str}": None,
    "POST /v1/documents": {"kind": "ropa"},
    "POST /v1/policy/proposals": {"text": "version: 1"},
    "POST /v1/policy/proposals/{proposal:str}/plan": None,
    "POST /v1/policy/proposals/{proposal:str}/withdraw": {"reason": "the dates are wrong"},
    "POST /v1/policy/proposals/{proposal:str}/apply": {
        "reason": "approved",
        "plan_sha256": "0" * 64,
    },
    "POST /v1/events/{event:str}/acknowledge": {"endpoint": "reader"},
    "POST /v1/releases/{release:str}/leases": {"part": 0, "recipient": "training", "ordinals": [0]},
}
READS = (
    "/v1/accounts/{account:str}", "/v1/accounts/{account:str}/gate", "/v1/accounts/{account:str}/notice",
    "/v1/accounts/{account:str}/choices", "/v1/accounts/{account:str}/standing", "/v1/accounts/{account:str}/preview",
    "/v1/accounts/{account:str}/explain", "/v1/accounts/{account:str}/reads",
    "/v1/accounts/{account:str}/export", "/v1/accounts/{account:str}/conversations", "/v1/accounts/{account:str}/feedback",
    "/v1/conversations/{conversation:str}", "/v1/conversations/{conversation:str}/turns",
    "/v1/conversations/{conversation:str}/explain", "/v1/turns/{turn:str}/explain", "/v1/me", "/v1/policy",
    "/v1/releases/{release:str}/withdrawn",
    "/v1/events", "/v1/accounts/{account:str}/erasures", "/v1/accounts/{account:str}/recipients", "/v1/erasures/{erasure:str}",
    "/v1/api-keys", "/v1/api-keys/{name:str}", "/v1/staff", "/v1/models", "/v1/models/{model:str}",
    "/v1/accounts/{account:str}/models", "/v1/conversations/{conversation:str}/models",
    "/v1/releases", "/v1/releases/{release:str}", "/v1/releases/{release:str}/against/{other:str}",
    "/v1/releases/{release:str}/review",
    "/v1/holds", "/v1/documents", "/v1/documents/{sha256:str}", "/v1/inbox", "/v1/inbox.csv", "/v1/inbox/{item:str}", "/v1/sweep",
    "/v1/policy/proposals", "/v1/policy/proposals/{proposal:str}",
    "/v1/orders", "/v1/orders/{order:str}", "/v1/webhooks", "/v1/webhooks/{endpoint:str}",
    "/v1/accounts/{account:str}/rights", "/v1/accounts/{account:str}/requests",
    "/v1/accounts/{account:str}/requests/{request_id:str}", "/v1/requests", "/v1/requests/{request_id:str}",
    "/v1/erasures/{erasure:str}/certificate",
)  # fmt: skip
# The console, whose forms are sent as a browser sends them.
FORMS: dict[str, dict[str, str]] = {
    "POST /console/look-up": {"name": "{account}"},
    "POST /console/conversations/{conversation:str}/read": {"reason": "person_request", "ticket": "REQ-1"},
    "POST /console/conversations/{conversation:str}/hold": {"matter": "Smith v. Acme", "reason": "litigation"},
    "POST /console/conversations/{conversation:str}/end-hold": {"matter": "Smith v. Acme"},
    "POST /console/conversations/act": {"act": "hold", "chosen": "{conversation}"},
    "POST /console/erasures/act": {"act": "run", "chosen": "{erasure}"},
    "POST /console/holds/act": {"act": "end", "chosen": "{conversation}"},
    "POST /console/recalls/act": {"act": "acknowledge", "chosen": "{erasure}"},
    "POST /console/suggestions/act": {"act": "flag", "chosen": "{conversation}"},
    "POST /console/inbox/{item:str}/take": {},
    "POST /console/inbox/{item:str}/give-back": {},
    "POST /console/inbox/{item:str}/hand": {"to": "new@example.org", "reason": "away"},
    "POST /console/inbox/{item:str}/note": {"reason": "rang"},
    "POST /console/inbox/{item:str}/act": {"act": "answer", "reason": "here it is"},
    ENTERS: {
        "account": "{account}",
        "kind": "access",
        "words": "all of it",
        "identity": "a passport",
        "region": "DE",
    },
    "POST /console/rights/{request_id:str}/step": {"act": "answer", "words": "here it is"},
    "POST /console/releases/{release:str}/sample": {},
    "POST /console/releases/{release:str}/close": {},
    "POST /console/releases/{release:str}/row": {},
    "POST /console/releases/{release:str}/slice": {"where": "words > 1"},
    "POST /console/releases/{release:str}/replacements": {},
    "POST /console/releases/{release:str}/replacements/marks": {"chosen": "0.0"},
    "POST /console/releases/{release:str}/finding": {"row": "1", "finding": "nothing"},
    "POST /console/releases/{release:str}/sign": {},
    "POST /console/documents": {"kind": "ropa"},
    "POST /console/policy/proposals": {"text": "version: 1"},
    "POST /console/policy/proposals/{proposal:str}/plan": {},
    "POST /console/policy/proposals/{proposal:str}/withdraw": {"reason": "the dates are wrong"},
    "POST /console/policy/proposals/{proposal:str}/apply": {"reason": "yes", "plan_sha256": "0"},
    "POST /console/access/keys": {"name": "assistant", "scopes": "gate:read"},
    "POST /console/access/keys/{name:str}/revoke": {"confirmed": "yes", "reason": "it lay in a log"},
    "POST /console/access/keys/{name:str}/limit": {
        "scopes": "gate:read", "version": "1", "reason": "it only asks", "confirmed": "yes",
    },
    "POST /console/access/staff": {"email": "new@example.org", "roles": "auditor"},
    "POST /console/access/staff/{staff:str}/revoke": {"confirmed": "yes"},
    "POST /console/access/staff/{staff:str}/roles": {"confirmed": "yes", "roles": "auditor"},
    "POST /console/models/{model:str}/retire": {"confirmed": "yes", "reason": "its weights are deleted"},
    "POST /console/releases/build": {"name": "october", "purpose": "improve_models"},
    "POST /console/releases/{release:str}/purge": {},
    "POST /console/exports/{export:str}/recall": {},
    "POST /console/keys/rotate": {},
    "POST /console/keys/destroy": {},
    "POST /console/backups/drill": {},
    "POST /console/log/witness": {},
    "POST /console/webhooks": {"name": "archive", "kinds": "choice.changed"},
    "POST /console/webhooks/{endpoint:str}/secret": {"overlap_hours": "24"},
    "POST /console/webhooks/{endpoint:str}/pause": {},
    "POST /console/webhooks/{endpoint:str}/resume": {},
    "POST /console/webhooks/{endpoint:str}/replay": {"since": "0"},
    "POST /console/webhooks/{endpoint:str}/remove": {},
}  # fmt: skip
CONSOLE = (
    "/console", "/console/look-up", "/console/accounts/{account:str}", "/console/conversations/{conversation:str}",
    "/console/inbox", "/console/inbox/{item:str}", "/console/accounts", "/console/conversations", "/console/erasures",
    "/console/erasures/{erasure:str}",
    "/console/erasures/{erasure:str}/certificate", "/console/recalls", "/console/suggestions", "/console/flags",
    "/console/holds", "/console/policy", "/console/readings", "/console/releases", "/console/log", "/console/background",
    "/console/access", "/console/access/keys/{name:str}", "/console/models", "/console/models/{model:str}",
    "/console/releases/{release:str}",
    "/console/releases/{release:str}/against/{other:str}",
    "/console/documents", "/console/documents/{sha256:str}/{form:str}",
    "/console/policy/versions/{number:int}", "/console/policy/proposals/{proposal:str}",
    "/console/rights", "/console/rights/enter", "/console/rights/{request_id:str}",
    "/console/keys", "/console/backups", "/console/orders", "/console/recipients", "/console/recipients/{recipient:str}",
    "/console/notices", "/console/notices/{notice_id:str}", "/console/notices/{notice_id:str}/page", "/console/webhooks",
    "/console/webhooks/{endpoint:str}",
)  # fmt: skip
# Routes that are no part of the API and have tests of their own: who may reach them is in the
# matrix all the same.
OPEN = (
    "/healthz", "/readyz", "/metrics", "/openapi.json", "/verifier.py", "/elements", "/enter", "/enter/on", "/sign-in",
    "/sign-in/callback",
    "/signed-out", "/design", "/docs",
)  # fmt: skip
PAGES = (
    "/notice", "/signup", "/settings", "/preview", "/projects", "/chats", "/selection", "/timeline", "/everything",
    "/account/close", "/erasures", "/feedback", "/rights", "/takeout.zip", "/static", "/sign-in/link",
    "/sign-out",
)  # fmt: skip
API_ROUTES = {*BODIES, *FORMS, *(f"GET {path}" for path in (*READS, *CONSOLE))}


def routes(world: World) -> Iterator[tuple[str, str, May]]:
    """Every route of the application, its method, and who it says may call it."""
    for route in world.app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in sorted(handler.http_methods - {"OPTIONS", "HEAD"}):
                    yield method, route.path, handler.opt.get("may", NOBODY)


def test_every_route_says_who_may_call_it_and_is_in_the_matrix(tmp_path, pool) -> None:
    world = World(pool, tmp_path / "data")
    found = list(routes(world))
    silent = [f"{method} {path}" for method, path, may in found if may == NOBODY]
    # Litestar's own, which answer nobody
    assert [one for one in silent if not one.startswith("GET /openapi")] == []
    api = {f"{method} {path}" for method, path, _ in found if path.startswith(("/v1/", "/console"))}
    assert api == API_ROUTES
    others = {path for _, path, _ in found if not path.startswith(("/v1/", "/console"))}
    strange = [
        path
        for path in others
        if path != "/" and path not in OPEN and not path.startswith((*PAGES, "/openapi"))
    ]
    assert strange == []


def test_a_route_that_says_nothing_answers_nobody(api) -> None:
    for headers in ({}, api.world.service(), api.world.staff(*StaffRole)):
        assert api.get("/openapi/openapi.json", headers=headers).status_code in (401, 403)


class Cell:
    """Objects of its own for one cell, so that what one caller does to them no other caller sees.

    What few routes name is made when a path first asks for it.
    """

    def __init__(self, world: World, number: int) -> None:
        self._world, self._number = world, number
        self.me, self._other = f"me{number}", f"other{number}"
        self.accounts: dict[str, str] = {"unknown": f"acc_{UNKNOWN}"}
        self.conversations: dict[str, str] = {"unknown": f"conv_{UNKNOWN}"}
        self.feedback: dict[str, str] = {"unknown": f"fb_{UNKNOWN}"}
        self.erasures: dict[str, str] = {"unknown": f"era_{UNKNOWN}"}
        self.event = ""  # of the deletion of the other's conversation

    @property
    def people(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Whose objects there are, and by what name of theirs here."""
        return ("own", self.me), ("other", self._other)

    @cached_property
    def requests(self) -> dict[str, str]:
        sent = {what: asked_and_paused(self._world, who) for what, who in self.people}
        return {**sent, "unknown": f"req_{UNKNOWN}"}

    @cached_property
    def key(self) -> str:
        name = f"key{self._number}"
        self._world.key(name=name)
        return name

    @cached_property
    def staff(self) -> str:
        with transaction(self._world.installation.pool) as tx:
            address = f"staff{self._number}@example.org"
            return sessions.find_or_add_staff(tx, address, self._world.wall, os.urandom).hex

    def path(self, path: str, what: str) -> str:
        api = path.startswith("/v1")
        return re.sub(r"\{(\w+):\w+\}", lambda found: self._named(found[1], what, api=api), path)

    def _named(self, name: str, what: str, *, api: bool) -> str:
        match name:
            case "account":
                return self.accounts[what]
            case "conversation":
                return self.conversations[what]
            case "turn":
                return self.conversations[what].replace("conv_", "turn_") + "-1"
            case "erasure":
                return self.erasures.get(what, "")
            case "feedback_id":
                return self.feedback.get(what, "")
            case "request_id":
                return self.requests.get(what, "")
            case "item":
                return f"request:{self.requests.get(what, '')}"
            case "event":
                return self.event
            case "name":
                return self.key
            case "staff":
                return f"staff_{self.staff}" if api else self.staff
            case _:
                return NAMED[name]


# What no cell has one of.
NAMED = {
    "project": "host:work",
    "showing": UNKNOWN,
    "release": UNKNOWN,
    "sha256": "0" * 64,
    "form": "md",
    "other": UNKNOWN,
    "endpoint": "reader",
    "order": f"ord_{UNKNOWN}",
    "recipient": "nobody",
    "notice_id": UNKNOWN,
    "handout": f"hand_{UNKNOWN}",
    "model": f"model_{UNKNOWN}",
    "export": f"exp_{UNKNOWN}",
    "proposal": f"prop_{UNKNOWN}",
    "number": "0",
}


def cells(world: World, at_once: int = CELLS_AT_ONCE) -> Iterator[Cell]:
    """One cell after the other; so many are made in the same few transactions."""
    numbers = itertools.count(1)
    while True:
        yield from made(world, [Cell(world, next(numbers)) for _ in range(at_once)])


def made(world: World, empty: list[Cell]) -> list[Cell]:
    """The cells with an account of mine and another's, and of each a conversation, feedback on it,
    and a deleted one.
    """
    whose = [(cell, what, who) for cell in empty for what, who in cell.people]
    accounts = world.open_each([who for _, _, who in whose], allow=True)
    chats = world.say_each([(who, "a" if what == "own" else "b") for _, what, who in whose])
    given = world.tell(
        *(
            GiveFeedback(
                account=world.accounts[who],
                at=world.clock.now,
                conversation=uuid_of(chat),
                rating="up",
                share=Share.rating,
            )
            for (_, _, who), chat in zip(whose, chats, strict=True)
        )
    )
    gone = world.say_each([(who, "c" if what == "own" else "d") for _, what, who in whose])
    deleted = world.tell(
        *(
            Delete(account=world.accounts[who], at=world.clock.now, conversation=uuid_of(chat))
            for (_, _, who), chat in zip(whose, gone, strict=True)
        )
    )
    events = dict(
        world.rows(
            "SELECT DISTINCT ON (account_id) account_id, event_id FROM events ORDER BY 1, "
            "row_no DESC"
        )
    )
    for place, (cell, what, who) in enumerate(whose):
        feedback, erasure = given[place].feedback, deleted[place].erasure
        assert feedback is not None
        assert erasure is not None
        cell.accounts[what], cell.conversations[what] = accounts[place], chats[place]
        cell.feedback[what], cell.erasures[what] = f"fb_{feedback.hex}", f"era_{erasure.hex}"
        if what == "own":
            cell.accounts["deleted"], cell.conversations["deleted"] = accounts[place], gone[place]
        else:
            cell.event = f"evt_{events[world.accounts[who]].hex}"
    return empty


def asked_and_paused(world: World, who: str) -> str:
    """A request of somebody's that waits for them."""
    asked = EnteredRequest(
        kind=RightKind.access, words="all of it", identity="a passport", account=world.accounts[who]
    )
    found = rights_requests.enter(world.installation, asked, "staff:ada@example.org")
    return rights_requests.take_step(
        world.installation,
        found.shown_id,
        StaffAct.pause,
        "staff:ada@example.org",
        reason="identity",
        words="Who are you?",
    ).shown_id


def uuid_of(shown: str) -> Any:
    from uuid import UUID

    return UUID(hex=shown.partition("_")[2])


class Callers:
    """The headers of each kind of caller; those of people are of the cell's own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._fixed = {s.value: world.service(s) for s in Scope} | {
            r.value: world.staff(r) for r in StaffRole
        }

    def headers(self, caller: str, cell: Cell) -> dict[str, str]:
        if caller == "nobody":
            return {}
        if caller == "person":
            return self._world.person(cell.me)
        if caller == "browser":
            return self._world.browser(cell.me)
        return self._fixed[caller]


def objects_of(key: str) -> tuple[str, ...]:
    if "{conversation" in key or "{turn" in key:
        return OBJECTS
    without = (
        "POST /v1/turns",
        "POST /v1/turns:bulk",
        "POST /console/look-up",
        "POST /v1/requests",
        "POST /console/rights/enter",
    )
    named = ("{account", "{erasure", "{request_id", "{item")
    if any(one in key for one in named) or key in without:
        return OBJECTS[:3]
    return ("-",)


def call(api: Any, key: str, cell: Cell, what: str, headers: dict[str, str]) -> Any:
    method, _, path = key.partition(" ")
    what = "own" if what == "-" else what
    if key in FORMS:
        fields = {
            name: value.replace("{account}", cell.accounts[what])
            for name, value in FORMS[key].items()
        }
        return api.request(
            method,
            cell.path(path, what),
            data=fields or {"": ""},
            headers=headers,
            follow_redirects=False,
        )
    body = BODIES.get(key)
    if body is not None and "account" in body:
        body = {**body, "account": cell.accounts[what]}
    return api.request(method, cell.path(path, what), json=body, headers=headers)


@pytest.fixture
def api(tmp_path, pool) -> Iterator[Any]:
    world = World(
        pool, tmp_path / "data", unknown_requests_per_minute=10**6, person_requests_per_minute=10**6
    )
    world.clock.set(NOTICE)
    endpoints.add(world.installation, "reader", None)
    with ApplicationClient(world.app) as client:
        client.world = world
        yield client


def test_the_matrix_is_the_golden_one(api) -> None:
    callers, out, fresh = Callers(api.world), io.StringIO(), cells(api.world)
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["route", "object", *CALLERS])
    lets_in = {f"{method} {path}": may for method, path, may in routes(api.world)}
    mine = next(fresh)
    for key in sorted(API_ROUTES, key=lambda k: (k.partition(" ")[2], k)):
        changes = not key.startswith("GET ") and (
            objects_of(key) != ("-",) or OF_A_CELL.search(key) is not None
        )
        for what in objects_of(key):
            row = []
            for caller in CALLERS:
                mine = next(fresh) if changes and is_let_in(lets_in[key], caller) else mine
                row.append(call(api, key, mine, what, callers.headers(caller, mine)).status_code)
            table.writerow([key, what, *row])
            mine = next(fresh) if changes else mine
    if os.environ.get("TESTS_WRITE_GOLDEN"):
        GOLDEN.write_text(out.getvalue())
    assert out.getvalue() == GOLDEN.read_text()


def is_let_in(may: May, caller: str) -> bool:
    """Whether a route lets this caller in, so that the objects may not be the same after it."""
    if caller in ("person", "browser"):
        return may.person
    return caller == may.scope or caller in may.staff


def test_other_peoples_ids_answer_exactly_as_unknown_ones(api) -> None:
    callers, fresh = Callers(api.world), cells(api.world)
    asked = [key for key in sorted(API_ROUTES) if "{" in key]
    assert len(asked) > 20
    for key in asked:
        for caller in ("person", "browser"):
            cell = next(fresh)
            headers = callers.headers(caller, cell)
            others, unknown = (
                seen(call(api, key, cell, what, headers)) for what in ("other", "unknown")
            )
            assert others == unknown, f"{key} as {caller}"
            assert others[0] in (403, 404), f"{key} as {caller}"


def seen(answer: Any) -> tuple[int, bytes, dict[str, str]]:
    """All of an answer but what is drawn anew for each."""
    return (
        answer.status_code,
        answer.content,
        {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "date")},
    )


def test_ids_of_the_host_that_are_somebody_elses_answer_as_unknown_ones(api) -> None:
    cell = next(cells(api.world, 1))
    headers = api.world.person(cell.me)
    for path in ("/v1/accounts/{}", "/v1/accounts/{}/gate", "/v1/conversations/host:b?account={}"):
        others, unknown = (
            seen(api.get(path.format(name), headers=headers))
            for name in ("host:other1", "host:nobody")
        )
        assert others == unknown
        assert others[0] == 404
    assert seen(api.get("/v1/conversations/host:b", headers=headers)) == seen(
        api.get("/v1/conversations/host:never", headers=headers)
    )

"""Over HTTP: a choice names its question and its scope, says why it did nothing, and what it ended;
projects; the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from licet.access.roles import Scope
from licet.keys.restriction_journal import Journal
from licet.policy.file import preset
from licet.policy.outcomes import NoEffect
from licet.store.connect import Pool
from licet.web.api.choices import WHAT_TO_DO

from ..journals import KEY
from .served import BEFORE, NOTICE, ApplicationClient, World

CHOICES, STANDING = "/v1/accounts/host:ana/choices", "/v1/accounts/host:ana/standing"
GARDEN = {"project": "garden"}


@pytest.fixture
def world(pool: Pool, tmp_path: Path) -> World:
    """Two questions, and an account that has answered neither."""
    world = World(pool, tmp_path / "data", preset("strict"))
    world.open("ana")
    world.clock.set(NOTICE)
    return world


@pytest.fixture
def api(world: World) -> Iterator[TestClient[Any]]:
    with ApplicationClient(world.app) as client:
        client.headers = world.service()
        yield client


def choose(api: Any, allow: bool, **more: Any) -> dict[str, Any]:
    answer = api.post(CHOICES, json={"allow": allow, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def say(api: Any, chat: str, **more: Any) -> str:
    turn = {
        "account": "host:ana",
        "conversation": f"host:{chat}",
        "text": f"about {chat}",
        "title": chat.title(),
        **more,
    }
    answer = api.post("/v1/turns", json=turn)
    assert answer.status_code == 201, answer.text
    return answer.json()["conversation"]


def why(api: Any, conversation: str) -> dict[str, str]:
    """The reason for the first turn, by purpose."""
    answers = api.get(f"/v1/conversations/{conversation}/explain").json()["answers"]
    return {one["purpose"]: one["because"] for one in reversed(answers)}


def test_each_question_is_answered_by_itself_and_the_gate_opens_with_the_last(api: Any) -> None:
    gate = api.get("/v1/accounts/host:ana/gate").json()
    assert (gate["gate"], gate["unanswered"]) == ("notice", ["models", "safety"])
    made = choose(api, True, question="models")
    assert (made["outcome"], made["effect"], made["because"], made["ended"]) == (
        "done",
        "began",
        None,
        [],
    )
    assert made["answers"] == [
        {
            "scope": "account",
            "project": None,
            "conversation": None,
            "question": "models",
            "effect": "began",
            "grant": 1,
            "kept": [],
        }
    ]
    gate = api.get("/v1/accounts/host:ana/gate").json()
    assert (gate["gate"], gate["unanswered"], gate["grant"]) == ("notice", ["safety"], 1)
    assert gate["standings"] == {"models": "granted", "safety": "undecided"}
    assert choose(api, False, question="safety")["effect"] == "declined"
    gate = api.get("/v1/accounts/host:ana/gate").json()
    assert (gate["gate"], gate["unanswered"]) == ("open", [])
    chat = say(api, "tea")
    assert why(api, chat) == {"improve_models": "permitted", "safety_classifiers": "declined"}


def test_a_no_without_a_question_answers_all_and_names_every_grant_that_it_ended(api: Any) -> None:
    for question in ("models", "safety"):
        choose(api, True, question=question)
    made = choose(api, False)
    assert [(one["question"], one["effect"]) for one in made["answers"]] == [
        ("models", "withdrew"),
        ("safety", "withdrew"),
    ]
    assert [(one["number"], one["question"], one["scope"]) for one in made["ended"]] == [
        (1, "models", "account"),
        (2, "safety", "account"),
    ]
    page = api.get(CHOICES).json()["items"]
    assert [(one["question"], one["allow"]) for one in page] == [
        ("safety", False),
        ("models", False),
        ("safety", True),
        ("models", True),
    ]


def answered(api: Any, allow: bool = False) -> None:
    for question in ("models", "safety"):
        choose(api, allow, question=question)


def test_a_yes_for_a_project_reaches_nothing_outside_it_and_a_no_may_keep_it(api: Any) -> None:
    answered(api)
    inside, outside = say(api, "beds", project="garden"), say(api, "tea")
    made = choose(api, True, question="models", scope=GARDEN)
    (one,) = made["answers"]
    assert (one["effect"], one["scope"], one["grant"]) == ("began", "project", 1)
    for chat in (inside, outside):
        assert why(api, chat)["improve_models"] == (
            "before_grant" if chat == inside else "declined"
        )
    say(api, "beds", text="and sheds")
    say(api, "tea", text="and cake")
    assert why(api, say(api, "later", project="garden"))["improve_models"] == "permitted"
    assert why(api, outside) == {"improve_models": "declined", "safety_classifiers": "declined"}
    kept = choose(api, False, question="models", keep=[{"project": one["project"]}])
    assert [(grant["number"], grant["project"]) for grant in kept["answers"][0]["kept"]] == [
        (1, one["project"])
    ]
    assert kept["ended"] == []
    gone = choose(api, False, question="models")
    assert [(grant["number"], grant["scope"], grant["project"]) for grant in gone["ended"]] == [
        (1, "project", one["project"])
    ]


def nothing(api: Any, world: World, because: str) -> dict[str, Any]:
    """A yes that does nothing for this reason, told as a host would tell it."""
    if because in ("several_questions", "not_asked", "gate"):
        more: dict[str, Any] = {
            "several_questions": {},
            "not_asked": {"question": "biometrics"},
            "gate": {"question": "models", "scope": GARDEN},
        }[because]
        return choose(api, True, **more)
    answered(api)
    about = {"question": "models", "scope": GARDEN}
    match because:
        case "plan":
            api.put("/v1/accounts/host:ana/plan", json={"plan": "work"})
        case "age":
            api.put("/v1/accounts/host:ana/age", json={"age": None})
        case "closed":
            api.post("/v1/accounts/host:ana/close")
        case "kept_out":
            api.post("/v1/accounts/host:ana/projects/host:garden/keep-out")
        case "covered":
            choose(api, True, question="models")
        case "unknown":
            about["scope"] = {"conversation": "conv_" + "0" * 32}
        case "incognito":
            about["scope"] = {"conversation": say(api, "whisper", incognito=True)}
        case "deleted":
            about["scope"] = {"conversation": (chat := say(api, "gone"))}
            api.delete(f"/v1/conversations/{chat}")
        case "expired":
            about["scope"] = {"conversation": say(api, "old")}
            world.clock.set(NOTICE + timedelta(days=31))
    return choose(api, True, **about)


@pytest.mark.parametrize(
    "because", [one.value for one in NoEffect if one is not NoEffect.not_begun]
)
def test_what_has_no_effect_says_why_and_what_to_do(api: Any, world: World, because: str) -> None:
    made = nothing(api, world, because)
    assert (made["outcome"], made["effect"], made["because"]) == ("unchanged", "none", because)
    assert made["detail"] == WHAT_TO_DO[NoEffect(because)]
    names = because in ("several_questions", "not_asked")
    assert made["could_name"] == (["models", "safety"] if names else [])
    first = api.get(CHOICES).json()["items"][0]
    assert (first["effect"], first["because"]) == ("none", because), (
        "it is on record, with its reason"
    )


def test_before_the_first_version_nothing_can_be_chosen(pool: Pool, tmp_path: Path) -> None:
    world = World(pool, tmp_path / "data", preset("strict"))
    world.clock.now = BEFORE
    world.open("ana")
    with ApplicationClient(world.app) as api:
        api.headers = world.service()
        made = choose(api, False)
    assert (made["effect"], made["because"]) == ("none", "not_begun")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"allow": True, "question": "models", "keep": [GARDEN]}, 422),
        ({"allow": True, "question": "models", "scope": {}}, 422),
        (
            {
                "allow": True,
                "question": "models",
                "scope": {**GARDEN, "conversation": "conv_" + "0" * 32},
            },
            422,
        ),
        ({"allow": True, "question": "No Name"}, 400),
        ({"allow": True, "question": "models", "showing": "0" * 32}, 404),
        ({"allow": True, "question": "models", "showing": "no showing"}, 404),
    ],
)
def test_a_choice_that_contradicts_itself_is_refused_and_not_on_record(
    api: Any, world: World, body: dict[str, Any], status: int
) -> None:
    answered(api)
    refused = api.post(CHOICES, json=body)
    assert refused.status_code == status, refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    if status == 422:
        assert (refused.json()["type"], bool(refused.json()["hint"])) == (
            "urn:licet:problem:contradiction",
            True,
        )
    assert world.rows("SELECT count(*) FROM choices") == [(2,)]


NEVER = ["0" * 32, "no showing", "", "f" * 5_000]
NOTHING: list[dict[str, Any]] = [
    {"conversation": "c1"},
    {"conversation": "host:never"},
    {"conversation": "conv_" + "0" * 32},
    {"project": ""},
    {"project": "proj_" + "0" * 32},
    {"conversation": "x" * 5_000},
    {},
    {**GARDEN, "conversation": "host:never"},
]


def age_of(world: World) -> int:
    return int(world.rows("SELECT age FROM accounts")[0][0])


@pytest.mark.parametrize("showing", NEVER, ids=lambda text: text[:10])
def test_a_no_counts_with_any_showing_and_says_which_was_not_found(api: Any, showing: str) -> None:
    answered(api, True)
    made = choose(api, False, showing=showing, age=20)
    assert (made["effect"], made["not_taken"], len(made["ended"])) == ("withdrew", ["showing"], 2)


@pytest.mark.parametrize("nothing", NOTHING, ids=lambda scope: str(scope)[:40])
def test_a_no_keeps_nothing_for_what_names_nothing_and_counts(
    api: Any, nothing: dict[str, Any]
) -> None:
    answered(api, True)
    made = choose(api, False, question="models", keep=[nothing, GARDEN])
    assert (made["effect"], made["not_taken"]) == ("withdrew", ["keep[0]", "keep[1]"])
    assert [one["scope"] for one in made["answers"]] == ["account"]


def test_a_no_with_a_scope_is_an_error_and_changes_nothing(api: Any, world: World) -> None:
    """policy.md, Choosing 5: a no for a scope is `narrow`."""
    answered(api, True)
    before = world.rows("SELECT count(*) FROM choices")
    for scope in (GARDEN, *NOTHING):
        made = api.post(
            CHOICES, json={"allow": False, "question": "models", "scope": scope, "age": 20}
        )
        assert made.status_code == 422, scope
        assert "contradiction" in made.json()["type"]
        assert "keep out" in made.text
    assert world.rows("SELECT count(*) FROM choices") == before


def test_a_no_keeps_a_thousand_things_and_says_that_it_keeps_no_more(api: Any) -> None:
    answered(api)
    choose(api, True, question="models", scope=GARDEN)
    more = [{"project": f"p{n}"} for n in range(1_000)]
    assert (
        choose(api, False, question="models", keep=[GARDEN, *more])["not_taken"][0] == "keep[1000:]"
    )
    assert (
        choose(api, False, question="models", keep=[GARDEN])["answers"][0]["kept"][0]["project"]
        is not None
    )


@pytest.mark.parametrize("nothing", NOTHING[:6], ids=lambda scope: str(scope)[:40])
def test_a_yes_for_what_names_nothing_does_nothing_and_its_age_counts(
    api: Any, world: World, nothing: dict[str, Any]
) -> None:
    answered(api)
    made = choose(api, True, question="models", scope=nothing, age=20)
    assert (made["effect"], made["because"], made["not_taken"]) == ("none", "unknown", ["scope"])
    assert (made["answers"][0]["project"], made["answers"][0]["conversation"]) == (None, None)
    first = api.get(CHOICES).json()["items"][0]
    assert (first["scope"], first["project"], first["conversation"]) == (
        made["answers"][0]["scope"],
        None,
        None,
    )
    assert age_of(world) == 20
    assert world.rows("SELECT count(*) FROM projects") == [(0,)]


@pytest.mark.parametrize(
    ("more", "status", "because"),
    [
        ({"showing": "0" * 32}, 404, "unknown_showing"),
        ({"showing": "zzz"}, 404, "unknown_showing"),
        ({"keep": [GARDEN]}, 422, None),
        ({"scope": {}}, 422, None),
        ({"scope": {**GARDEN, "conversation": "conv_" + "0" * 32}}, 422, None),
    ],
)
def test_a_yes_that_is_refused_gives_nothing_and_its_age_counts(
    api: Any, world: World, more: dict[str, Any], status: int, because: str | None
) -> None:
    answered(api, True)
    chat = say(api, "tea")
    refused = api.post(CHOICES, json={"allow": True, "question": "models", "age": 13, **more})
    assert (refused.status_code, refused.json().get("because")) == (status, because)
    assert (age_of(world), world.rows("SELECT count(*) FROM choices")) == (13, [(2,)])
    assert set(why(api, chat).values()) == {"age"}
    assert world.rows("SELECT count(*) FROM standings WHERE grant_no IS NOT NULL") == [(0,)]


def test_a_stale_yes_and_a_repeated_one_give_nothing_and_their_age_counts(
    api: Any, world: World, tmp_path: Path
) -> None:
    journal = world.installation.keyring.restrictions = Journal(tmp_path / "restrictions", key=KEY)
    showing = shown_notice(api)
    yes = {"allow": True, "question": "models", "showing": showing}
    assert api.post(CHOICES, json=yes).json()["effect"] == "began"
    again = api.post(CHOICES, json={**yes, "age": 25}).json()
    assert (again["outcome"], age_of(world)) == ("duplicate", 25)
    choose(api, False, question="models")
    stale = api.post(CHOICES, json={**yes, "age": 13})
    assert (stale.status_code, stale.json()["because"], age_of(world)) == (409, "stale", 13)
    kept = [(record.kind.value, record.age) for record in journal.records()]
    assert kept == [("age", 25), ("refused", None), ("age", 13)]


def shown_notice(api: Any) -> str:
    notice = api.get("/v1/accounts/host:ana/notice").json()["notice"]["id"]
    return str(api.post("/v1/accounts/host:ana/showings", json={"notice": notice}).json()["id"])


def test_a_repeated_no_ends_what_was_given_since(api: Any) -> None:
    answered(api)
    no = {"question": "models", "showing": shown_notice(api)}
    choose(api, False, **no)
    assert choose(api, False, **no)["outcome"] == "duplicate"
    choose(api, True, question="models", scope=GARDEN)
    made = choose(api, False, **no)
    assert (made["outcome"], made["effect"], len(made["ended"])) == ("done", "withdrew", 1)


def test_another_persons_chat_and_project_are_as_unknown_as_ones_that_never_were(
    api: Any, world: World
) -> None:
    answered(api)
    world.open("ben", allow=False)
    theirs = world.say("ben", "Theirs")
    world.clock.set(NOTICE + timedelta(seconds=1))
    api.post("/v1/accounts/host:ben/projects/host:garden/keep-out")
    ((project,),) = world.rows("SELECT project_id FROM projects")
    me = world.person("ana")
    for scope, never in (
        ({"conversation": theirs}, {"conversation": "conv_" + "0" * 32}),
        ({"project": f"proj_{project.hex}"}, {"project": "proj_" + "0" * 32}),
    ):
        asked = [{"allow": True, "question": "models", "scope": one} for one in (scope, never)]
        told = [api.post(CHOICES, json=body, headers=me) for body in asked]
        assert told[0].status_code == told[1].status_code
        words = [
            (
                t.json().get("because"),
                t.json().get("detail"),
                t.json()["type" if t.is_error else "effect"],
            )
            for t in told
        ]
        assert words[0] == words[1]
    assert choose(api, True, question="models", scope=GARDEN)["effect"] == "began", (
        "a project of that name is ana's own"
    )


def test_a_project_is_kept_out_with_its_chats_and_let_in_for_what_begins_then(
    api: Any, world: World
) -> None:
    answered(api, True)
    before = say(api, "beds", project="garden", project_title="The garden")
    out = api.post(
        "/v1/accounts/host:ana/projects/host:garden/keep-out", json={"title": "Garden"}
    ).json()
    assert (out["outcome"], out["ended"]) == ("done", [])
    again = api.post("/v1/accounts/host:ana/projects/garden/keep-out").json()
    assert (again["outcome"], again["project"]) == ("unchanged", out["project"])
    during = say(api, "sheds", project="garden")
    assert [why(api, chat)["improve_models"] for chat in (before, during)] == ["narrowed"] * 2
    assert api.get(f"/v1/conversations/{during}").json()["project"] == out["project"]
    let_in = api.post(f"/v1/accounts/host:ana/projects/{out['project']}/let-in").json()
    assert (let_in["outcome"], let_in["project"]) == ("done", out["project"])
    after = say(api, "paths", project="garden")
    assert [why(api, chat)["improve_models"] for chat in (before, during, after)] == [
        "narrowed",
        "narrowed",
        "permitted",
    ]
    assert (
        api.post("/v1/accounts/host:ana/projects/host:garden/let-in").json()["outcome"]
        == "unchanged"
    )
    unknown = api.post(f"/v1/accounts/host:ana/projects/proj_{'0' * 32}/let-in")
    assert unknown.status_code == 404
    titles = [
        item["title"] for item in api.get(STANDING, headers=world.person("ana")).json()["items"]
    ]
    assert titles[0] == "The garden", "the title that it was given first"


def test_keeping_out_ends_what_was_given_for_it_alone_and_says_so(api: Any) -> None:
    answered(api)
    chat = say(api, "beds", project="garden")
    for scope in ({"conversation": chat}, {"project": "shed"}):
        assert choose(api, True, question="models", scope=scope)["effect"] == "began"
    out = api.post(f"/v1/conversations/{chat}/keep-out").json()
    assert [(one["number"], one["question"], one["conversation"]) for one in out["ended"]] == [
        (1, "models", chat)
    ]
    shed = api.post("/v1/accounts/host:ana/projects/host:shed/keep-out").json()
    assert [(one["number"], one["project"]) for one in shed["ended"]] == [(2, shed["project"])]


@pytest.mark.parametrize(
    ("path", "body"), [("plan", {"plan": "work"}), ("age", {"age": 15}), ("age", {"age": None})]
)
def test_a_plan_and_an_age_name_every_grant_that_they_ended(
    api: Any, path: str, body: dict[str, Any]
) -> None:
    answered(api, True)
    choose(api, False, question="safety")
    choose(api, True, question="safety", scope=GARDEN)
    changed = api.put(f"/v1/accounts/host:ana/{path}", json=body).json()
    assert [(one["number"], one["question"], one["scope"]) for one in changed["ended"]] == [
        (1, "models", "account"),
        (3, "safety", "project"),
    ]
    standings = api.get("/v1/accounts/host:ana/gate").json()["standings"]
    assert standings == {"models": "lapsed", "safety": "withdrawn"}
    (models, safety) = api.get(STANDING).json()["questions"]
    cause = {"plan": "plan_set", "age": "age_found"}[path]
    assert (models["said"]["act"], models["said"]["cause"]) == ("lapsed", cause)
    assert (safety["said"]["act"], safety["said"]["via"]) == ("no", "api")


def test_the_same_key_answers_once_with_all_that_it_ended(api: Any) -> None:
    answered(api, True)
    body, key = {"allow": False}, {"idempotency-key": "one"}
    first, again = (api.post(CHOICES, json=body, headers=key) for _ in range(2))
    assert again.headers["idempotent-replayed"] == "true"
    assert first.json() == again.json()
    assert len(first.json()["ended"]) == 2


def tree_of(api: Any, headers: dict[str, str] | None = None, **query: Any) -> list[dict[str, Any]]:
    """Every page of the tree; their items in one."""
    pages, cursor = [], None
    while cursor is not None or not pages:
        page = api.get(
            STANDING, params={**query, **({"cursor": cursor} if cursor else {})}, headers=headers
        ).json()
        pages.append(page)
        cursor = page["next"]
    assert len({str((page["gate"], page["questions"])) for page in pages}) == 1
    return [item for page in pages for item in page["items"]]


def test_the_tree_says_who_said_what_when_and_where_below_the_account_too(
    api: Any, world: World
) -> None:
    answered(api)
    chats = []
    for chat, more in (
        ("beds", {"project": "garden", "project_title": "Garden"}),
        ("tea", {}),
        ("kept", {}),
        ("whisper", {"incognito": True}),
    ):
        world.clock.set(world.clock.now + timedelta(seconds=1))
        chats.append(say(api, chat, **more))
    beds, tea, kept, secret = chats
    later = NOTICE + timedelta(hours=1)
    world.clock.set(later)
    me = world.person("ana")
    given = {
        "allow": True,
        "question": "models",
        "scope": GARDEN,
        "via": "settings",
        "surface": "cli",
    }
    assert api.post(CHOICES, json=given, headers=me).json()["effect"] == "began"
    choose(api, True, question="safety", scope={"conversation": tea})
    api.post(f"/v1/conversations/{kept}/keep-out")
    page = api.get(STANDING, headers=me).json()
    assert [
        (one["question"], one["standing"], one["answered"], one["said"]["act"])
        for one in page["questions"]
    ] == [
        ("models", "declined", "2025-08-28", "no"),
        ("safety", "declined", "2025-08-28", "no"),
    ]
    project, first, second, third, fourth = page["items"]
    assert (project["scope"], project["title"], project["conversation"]) == (
        "project",
        "Garden",
        None,
    )
    (own,) = project["own"]
    said = own.pop("said")
    assert (own["number"], own["question"], own["scope"], own["project"]) == (
        1,
        "models",
        "project",
        project["project"],
    )
    assert (said["act"], said["via"], said["surface"], said["policy"]) == (
        "yes",
        "settings",
        "cli",
        "2025-08-28",
    )
    assert said["at"] == later.isoformat().replace("+00:00", "Z")
    assert (first["conversation"], first["project"], first["own"]) == (beds, project["project"], [])
    assert [one["number"] for one in first["in_force"]] == [1]
    assert (second["conversation"], second["title"], second["kept_out"]) == (tea, "Tea", None)
    assert [(one["number"], one["question"]) for one in second["in_force"]] == [(2, "safety")]
    assert (third["conversation"], third["kept_out"]["act"], third["kept_out"]["at"]) == (
        kept,
        "kept_out",
        said["at"],
    )
    assert (fourth["conversation"], fourth["incognito"]) == (secret, True)
    assert {item["title"] for item in tree_of(api)} == {""}, "titles are for the person alone"


def test_the_tree_comes_in_pages_that_miss_nothing_and_repeat_nothing(api: Any) -> None:
    answered(api, True)
    for n in range(7):
        say(api, f"chat {n}", **({"project": f"project {n % 3}"} if n % 2 else {}))
    gone = say(api, "gone", project="project 1")
    api.delete(f"/v1/conversations/{gone}")
    whole = tree_of(api, limit=100)
    assert len(whole) == 7 + 3
    for limit in (1, 2, 3, 9, 10):
        assert tree_of(api, limit=limit) == whole
    places = [(one["project"], one["scope"]) for one in whole]
    for project in {one["project"] for one in whole if one["scope"] == "project"}:
        own = [n for n, (within, _) in enumerate(places) if within == project]
        assert own == list(range(own[0], own[0] + len(own))), "a project's conversations follow it"
        assert places[own[0]][1] == "project"
    assert api.get(STANDING, params={"cursor": "x"}).status_code == 400


def test_only_who_may_read_an_account_sees_where_it_stands(api: Any, world: World) -> None:
    allowed = world.service(Scope.accounts_read)
    assert api.get(STANDING, headers=allowed).status_code == 200
    assert api.get(STANDING, headers=world.service(Scope.gate_read)).status_code == 403
    world.open("ben")
    assert api.get(STANDING, headers=world.person("ben")).status_code == 404


@pytest.mark.parametrize(
    ("plan", "age", "gate"),
    [("work", 30, "not_asked"), ("pro", 13, "not_asked"), ("pro", 30, "closed")],
)
def test_where_the_gate_asks_nothing_nothing_waits_for_an_answer(
    world: Any, api: Any, plan: str, age: int, gate: str
) -> None:
    world.open("zoe", plan=plan, age=age)
    if gate == "closed":
        assert api.post("/v1/accounts/host:zoe/close").json()["outcome"] == "done"
    seen = api.get("/v1/accounts/host:zoe/gate").json()
    assert (seen["gate"], seen["unanswered"]) == (gate, [])
    account = api.get("/v1/accounts/host:zoe").json()
    assert [one["unanswered"] for one in account["questions"]] == [False, False]
    assert [one["answered"] for one in account["questions"]] == [None, None], (
        "nor was anything answered"
    )
    assert api.get("/v1/accounts/host:zoe/notice").json()["unanswered"] == []
    standing = api.get("/v1/accounts/host:zoe/standing").json()
    assert [one["unanswered"] for one in standing["questions"]] == [False, False]

"""What staff do is declared once: a verb that only this test knows, which upholds a flag, is a
command, a route with its description, and a form that asks before it does anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import click
import pytest
from click.testing import CliRunner
from litestar import Litestar
from msgspec import Meta

from licet.access.roles import StaffRole
from licet.cli.command import main
from licet.cli.verb_commands import add_commands
from licet.errors import DeniedError
from licet.misuse import suggestions
from licet.misuse.suggestions import Suggestion
from licet.service import inbox_verbs
from licet.service.staff_verb import Reason, StaffVerb, VerbBody, VerbCall
from licet.vault.commands import Flag
from licet.vault.simulated_clock import save
from licet.web.api.verb_routes import route_of
from licet.web.app import create_app
from licet.web.console import look_up
from licet.web.console.verb_forms import form_of

from .served import NOTICE, ApplicationClient, World, world

__all__ = ["world"]  # a fixture

WHY, CASE = "two people read it", "A-17"


class FlagUpholding(VerbBody, frozen=True, kw_only=True):
    """``dry_run`` changes nothing."""

    case: Annotated[str, Meta(pattern=r"^[A-Z]-\d+$", description="The case, as A-1.")]
    reason: Reason
    dry_run: bool = False


def _uphold(call: VerbCall[FlagUpholding]) -> str:
    if call.dry_run:
        return call.target
    return inbox_verbs.run_recorded(
        call.installation,
        call.staff,
        f"flag:{call.target}",
        "uphold",
        f"{call.sent.case}: {call.sent.reason}",
        lambda: str(
            suggestions.decide(call.installation, call.target, call.staff, uphold=True).decision
        ),
    )


def _stands(call: VerbCall[FlagUpholding], _: str | None) -> Suggestion:
    return suggestions.get_suggestion(call.installation, call.target)


UPHOLD: StaffVerb[FlagUpholding, str] = StaffVerb(
    name="uphold_flag",
    about="Upholds the flag of a conversation. It is looked at again later.",
    who=(StaffRole.reviewer,),
    takes=FlagUpholding,
    run=_uphold,
    path="conversations/{conversation:str}/uphold",
    answers=Suggestion,
    answer=_stands,
    label="Uphold the flag",
    means="It is misuse, and the flag stands.",
    would=lambda call, _: (f"The flag stands by the case {call.sent.case}.",),
    flash="It is upheld.",
    did=lambda _, done: f"On record: {done}",
    command="flags uphold",
    by="member",
    example="conv_1 --case A-1 --by rae@example.org",
)
Chat = tuple[World, str]


@pytest.fixture
def flagged(world: World) -> Chat:
    """A conversation with a flag."""
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    chat = world.say("ana", "Pears")
    world.tell(
        Flag(account=world.accounts["ana"], at=world.clock.now, conversation=UUID(hex=chat[5:]))
    )
    return world, chat


@pytest.fixture
def app(flagged: Chat) -> Litestar:
    """The application with the route and the form of the verb."""
    lived = flagged[0]
    made = create_app(lived.installation, lived.web, wall=lambda: lived.wall)
    made.register(route_of(UPHOLD))
    made.register(look_up.router_of([form_of(UPHOLD)]))
    return made


@pytest.fixture
def api(app: Litestar) -> Iterator[ApplicationClient]:
    with ApplicationClient(app) as client:
        yield client


def upheld(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT decision FROM suggestions WHERE decision = 'upheld'")


def test_its_route_has_a_description_its_roles_and_what_it_takes(
    flagged: Chat, api: ApplicationClient
) -> None:
    world, chat = flagged
    described = api.get("/openapi.json").json()
    operation = described["paths"][f"/v1/{UPHOLD.path.replace(':str', '')}"]["post"]
    assert (operation["operationId"], operation["description"]) == (
        UPHOLD.name,
        f"{UPHOLD.about}\n\nAnswers: `reviewer`.",
    )
    fields = described["components"]["schemas"]["FlagUpholding"]["properties"]
    assert fields["case"]["description"] == "The case, as A-1."
    where, reviewer = f"/v1/conversations/{chat}/uphold", world.staff(StaffRole.reviewer)
    sent = {"case": CASE, "reason": WHY}
    assert api.post(where, json=sent, headers=world.staff(StaffRole.owner)).status_code == 403
    assert api.post(where, json={**sent, "case": "17"}, headers=reviewer).status_code == 400
    key = reviewer | {"idempotency-key": "one"}
    for replayed in (None, "true"):
        answer = api.post(where, json=sent, headers=key)
        assert (answer.status_code, answer.json()["decision"]) == (200, "upheld")
        assert answer.headers.get("idempotent-replayed") == replayed
    assert upheld(world) == [("upheld",)]


def test_its_form_says_what_it_would_do_asks_why_and_only_then_does_it(
    flagged: Chat, api: ApplicationClient
) -> None:
    world, chat = flagged
    rae = world.staff(StaffRole.reviewer, email="rae@example.org")
    where = f"/console/conversations/{chat}/uphold"

    def sent(**fields: str) -> Any:
        return api.post(where, data={"csrf": rae["x-csrf-token"], **fields}, headers=rae)

    asked = sent(case=CASE)
    assert asked.status_code == 200
    for text in ("It is misuse, and the flag stands.", f"The flag stands by the case {CASE}."):
        assert text in asked.text
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text))
    assert (hidden["case"], hidden["confirmed"]) == (CASE, "yes")
    assert (sent(case=CASE, confirmed="yes", reason=" ").status_code, upheld(world)) == (422, [])
    done = sent(case=CASE, confirmed="yes", reason=WHY)
    assert (done.status_code, done.headers["location"]) == (
        303,
        f"/console/conversations/{chat}?flash=uphold_flag",
    )
    assert upheld(world) == [("upheld",)]
    steps = api.get(f"/v1/inbox/flag:{chat}", headers=rae).json()["steps"]
    assert [(one["act"], one["by"], one["reason"]) for one in steps] == [
        ("uphold", "rae@example.org", f"{CASE}: {WHY}")
    ]


def test_its_command_has_its_fields_as_options_and_a_dry_run(
    flagged: Chat, dsn: str, tmp_path: Path
) -> None:
    world, chat = flagged
    save(tmp_path / "data", world.clock)
    flags = click.Group("flags")
    add_commands(flags, [UPHOLD])
    told = CliRunner().invoke(flags, ["uphold", "--help"]).stdout
    for text in (UPHOLD.about, "The case, as A-1.", f"licet flags uphold {UPHOLD.example}"):
        assert text in told
    run = CliRunner(env={"LICET_DATABASE_URL": dsn, "LICET_DATA": str(tmp_path / "data")})
    for email, role in (("rae@example.org", "reviewer"), ("olga@example.org", "curator")):
        assert run.invoke(main, ["staff", "add", email, "--role", role]).exit_code == 0
    words = ["uphold", chat, "--case", CASE, "--by", "rae@example.org"]
    denied = run.invoke(flags, [*words[:-1], "olga@example.org"])
    assert isinstance(denied.exception, DeniedError)
    would = run.invoke(flags, [*words, "--dry-run"], catch_exceptions=False)
    assert (would.stdout, upheld(world)) == (f"The flag stands by the case {CASE}.\n", [])
    done = run.invoke(flags, words, catch_exceptions=False)
    assert (done.stdout, upheld(world)) == ("On record: upheld\n", [("upheld",)])

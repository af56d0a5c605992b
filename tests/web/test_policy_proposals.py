"""A policy version that one person proposes and another applies, on the console, by the API and on
the command line.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from licet.access.roles import StaffRole
from licet.errors import LicetError, RefusedError
from licet.policy.file import POLICY_BYTES_MAX
from licet.service import policy_proposals
from licet.vault.installation import load_policies

from ..terms import preset_text
from .served import NOTICE, World, api, world

__all__ = ["api", "world"]

ADA, BEN = "ada@example.org", "ben@example.org"
PAGE = "/console/policy/proposals"


def text_of(version: str = "2026-01-01", **lines: str) -> str:
    """The preset as a later version, with some lines of it changed."""
    changed = {"version": f'"{version}"', "effective": version, "decide_by": "2026-02-01", **lines}
    text = preset_text("article-2025")
    for key, value in changed.items():
        (old,) = [line for line in text.splitlines() if line.startswith(f"{key}:")]
        text = text.replace(old, f"{key}: {value}")
    return text


@pytest.fixture(autouse=True)
def begun(world: World) -> None:
    """The first version is in force."""
    world.clock.set(NOTICE)


def officers(world: World) -> tuple[dict[str, str], dict[str, str]]:
    return world.staff(StaffRole.privacy_officer, email=ADA), world.staff(
        StaffRole.privacy_officer, email=BEN
    )


def proposed(world: World, text: str | None = None, by: str = f"staff:{ADA}") -> Any:
    return policy_proposals.propose(
        world.installation, (text or text_of(min_age="18")).encode(), actor=by
    )


def apply(
    world: World, seen: Any, by: str = f"staff:{BEN}", reason: str = "approved by the board"
) -> Any:
    return policy_proposals.apply(
        world.installation, seen.proposal.id, actor=by, reason=reason, plan_sha256=seen.plan_sha256
    )


def test_one_proposes_on_the_page_and_another_applies_there(api, world) -> None:
    world.open("ana", allow=True, age=17)
    world.say("ana", "c")
    ada, ben = officers(world)
    form = {"file": ("policy.yaml", text_of(min_age="18").encode(), "text/yaml")}
    sent = api.post(PAGE, files=form, headers=ada, follow_redirects=False)
    assert sent.status_code == 303, sent.text
    path = sent.headers["location"].partition("?")[0]
    own, others = api.get(path, headers=ada).text, api.get(path, headers=ben).text
    assert "You proposed it. Another privacy officer applies it." in own
    assert "Apply what I read" not in own
    assert re.search(r">permissions for training end</td>.*?>1</td>", others)
    assert "`" not in own
    (seen,) = policy_proposals.list_proposals(world.installation)
    plan = policy_proposals.show(world.installation, seen.id).plan_sha256
    refused = api.post(f"{path}/apply", data={"reason": "yes", "plan_sha256": plan}, headers=ada)
    assert (
        refused.status_code,
        "Whoever proposed a version does not apply it" in refused.text,
    ) == (409, True)
    silent = api.post(f"{path}/apply", data={"reason": " ", "plan_sha256": plan}, headers=ben)
    assert (silent.status_code, "Say why" in silent.text) == (422, True)
    done = api.post(
        f"{path}/apply",
        data={"reason": "the board", "plan_sha256": plan},
        headers=ben,
        follow_redirects=False,
    )
    assert (done.status_code, done.headers["location"]) == (303, f"{path}?flash=apply_proposal")
    assert [version.version for version in load_policies(world.installation).versions] == [
        "2025-08-28",
        "2026-01-01",
    ]
    assert world.rows("SELECT applied_by FROM policies ORDER BY number")[1] == (f"staff:{BEN}",)
    assert (world.installation.config.data / "policy.yaml").read_text() == text_of(min_age="18")
    version = api.get("/console/policy/versions/1", headers=ben).text
    assert "Plan when it was applied" in version
    assert "Against version 2025-08-28." in version
    assert "the board" in api.get(path, headers=ada).text


def test_a_mistake_comes_back_with_its_line_and_the_text(api, world) -> None:
    ada, _ = officers(world)
    answer = api.post(PAGE, files={"text": (None, text_of(reach="everything"))}, headers=ada)
    assert answer.status_code == 422
    assert "olicy.yaml:12: key reach: everything is not one of conversation, turn" in answer.text
    assert "reach: everything" in answer.text
    for text, told in (
        ("", "Choose a file, or paste its text"),
        ("[" * 100, "nested deeper"),
        ("a: *b", "is not YAML"),
    ):
        answer = api.post(PAGE, files={"text": (None, text)}, headers=ada)
        assert (answer.status_code, told in answer.text) == (422, True), (
            text[:20],
            answer.text[-3000:],
        )
    assert policy_proposals.list_proposals(world.installation) == ()


@pytest.mark.parametrize("part", ["file", "text"])
def test_on_the_page_an_open_version_sent_again_is_the_same_proposal_and_an_applied_one_is_refused(
    api, world, part: str
) -> None:
    def send(text: str, by: dict[str, str]) -> Any:
        # a client of httpx that follows a 303 drops the cookie of its caller's headers, and would
        # be told 401
        sent = {part: ("policy.yaml" if part == "file" else None, text.encode())}
        return api.post(PAGE, files=sent, headers=by, follow_redirects=False)

    ada, ben = officers(world)
    first, again = send(text_of(), ada), send(text_of(), ben)
    assert (first.status_code, again.status_code) == (303, 303)
    assert first.headers["location"] == again.headers["location"]
    apply(
        world,
        policy_proposals.show(
            world.installation, policy_proposals.list_proposals(world.installation)[0].id
        ),
    )
    for text in (text_of(), f"# as it is applied\n{text_of()}", preset_text("article-2025")):
        refused = send(text, ada)
        assert (refused.status_code, "is applied already" in refused.text) == (422, True)
    assert len(policy_proposals.list_proposals(world.installation)) == 1


def test_a_form_that_is_too_large_is_refused(api, world) -> None:
    ada, _ = officers(world)
    large = {"file": ("policy.yaml", b"#" * (3 * POLICY_BYTES_MAX), "text/yaml")}
    assert api.post(PAGE, files=large, headers=ada).status_code == 413
    answer = api.post(
        PAGE, files={"file": ("p.yaml", b"#" * (POLICY_BYTES_MAX + 1), "text/yaml")}, headers=ada
    )
    assert (answer.status_code, "larger than" in answer.text) == (422, True)


def test_the_api_does_what_the_page_does(api, world) -> None:
    ada, ben = officers(world)
    auditor = world.staff(StaffRole.auditor)
    made = api.post("/v1/policy/proposals", json={"text": text_of()}, headers=ada)
    assert made.status_code == 200, made.text
    told = made.json()
    again = api.post("/v1/policy/proposals", json={"text": text_of()}, headers=ben).json()
    assert again["proposal"] == told["proposal"]
    path = f"/v1/policy/proposals/{told['proposal']['id']}"
    assert api.get(path, headers=auditor).json() == told
    assert api.get("/v1/policy/proposals", headers=auditor).json()["items"] == [told["proposal"]]
    assert api.post(f"{path}/plan", headers=auditor).status_code == 403
    planned = api.post(f"{path}/plan", headers=ben).json()
    old = {"reason": "yes", "plan_sha256": "0" * 64}
    assert api.post(f"{path}/apply", json=old, headers=ben).json()["because"] == "another_plan"
    right = {"reason": "yes", "plan_sha256": planned["plan_sha256"]}
    assert api.post(f"{path}/apply", json=right, headers=ada).json()["because"] == "same_person"
    assert api.post(f"{path}/apply", json=right, headers=ben).json()["version"] == "2026-01-01"
    assert (
        api.post(f"{path}/withdraw", json={"reason": "no"}, headers=ben).json()["because"]
        == "ended"
    )
    wrong = api.post("/v1/policy/proposals", json={"text": "policy: x"}, headers=ada)
    assert wrong.status_code in (400, 422), wrong.text


def test_a_withdrawn_proposal_is_not_applied_and_may_be_made_again(world) -> None:
    seen = proposed(world)
    ended = policy_proposals.withdraw(
        world.installation, seen.proposal.id, actor=f"staff:{ADA}", reason="the wrong day"
    )
    assert (ended.state.value, ended.ended_by, ended.reason) == (
        "withdrawn",
        f"staff:{ADA}",
        "the wrong day",
    )
    with pytest.raises(RefusedError, match="was withdrawn by") as refused:
        apply(world, seen)
    assert refused.value.because == "ended"
    assert proposed(world).proposal.id != seen.proposal.id


def test_a_plan_that_says_something_else_by_now_is_drawn_again_and_must_be_read(world) -> None:
    world.open("ana", allow=True, age=17)
    seen = proposed(world)
    world.open("ben", allow=True, age=16)
    with pytest.raises(RefusedError, match="people have acted since") as refused:
        apply(world, seen)
    assert refused.value.because == "plan_moved"
    again = policy_proposals.show(world.installation, seen.proposal.id)
    assert again.plan_sha256 != seen.plan_sha256
    assert apply(world, again).version == "2026-01-01"


def test_what_happened_since_a_plan_and_changes_none_of_its_numbers_does_not_matter(world) -> None:
    world.open("ana", allow=True, age=30)
    seen = proposed(world, text_of())
    world.open("eve", plan="work")  # out of scope: asked by neither version
    assert apply(world, seen).version == "2026-01-01"


def test_a_plan_against_a_version_that_is_no_longer_the_newest_is_none(world) -> None:
    first, second = (
        proposed(world, text_of("2026-01-01")),
        proposed(world, text_of("2026-03-01", decide_by="2026-04-01")),
    )
    apply(world, first)
    with pytest.raises(RefusedError, match="not the newest plan"):
        apply(world, second)
    again = policy_proposals.plan(world.installation, second.proposal.id, actor=f"staff:{BEN}")
    assert apply(world, again).number == 2


def test_of_two_who_apply_at_once_one_wins(world) -> None:
    seen = proposed(world)

    def attempt(by: str) -> object:
        try:
            return apply(world, seen, by=by)
        except LicetError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(attempt, (f"staff:{BEN}", "staff:eve@example.org")))
    refused = [one for one in told if isinstance(one, RefusedError)]
    assert (len(refused), refused[0].because) == (1, "ended"), told
    assert len(load_policies(world.installation)) == 2


def test_a_version_for_which_notices_ship_is_applied_with_them(world) -> None:
    applied = apply(world, proposed(world, text_of()))
    published = world.rows(
        f"SELECT variant FROM notices WHERE version = {applied.number} AND language = 'en'"
    )
    assert sorted(published) == [("existing",), ("signup",)]


def test_the_same_person_is_refused_however_the_name_is_written(world) -> None:
    seen = proposed(world)
    with pytest.raises(RefusedError, match="does not apply it"):
        apply(world, seen, by=f"staff:{ADA.upper()}")


def test_each_act_on_a_proposal_is_done_once_under_its_key(api, world) -> None:
    ada, ben = officers(world)

    def send(path: str, body: dict[str, str] | None, by: dict[str, str], key: str) -> Any:
        return api.post(
            f"/v1/policy/proposals{path}", json=body, headers={**by, "idempotency-key": key}
        )

    first, again = (send("", {"text": text_of(min_age="18")}, ada, "p1") for _ in range(2))
    assert first.status_code == 200, first.text
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert (
        send("", {"text": text_of()}, ada, "p1").status_code,
        len(policy_proposals.list_proposals(world.installation)),
    ) == (422, 1)
    named = f"/{first.json()['proposal']['id']}"
    planned = [send(f"{named}/plan", None, ada, "p2").json()["planned_at"] for _ in range(2)]
    assert planned[0] == planned[1]
    approval = {"reason": "the board", "plan_sha256": first.json()["plan_sha256"]}
    applied, again = (send(f"{named}/apply", approval, ben, "p3") for _ in range(2))
    assert applied.status_code == 200, applied.text
    assert (again.json(), again.headers["idempotent-replayed"]) == (applied.json(), "true")
    assert send(f"{named}/apply", approval, ben, "p4").status_code == 409, (
        "another request finds it applied"
    )
    other = send("", {"text": text_of("2026-03-01", decide_by="2026-04-01")}, ada, "p5").json()[
        "proposal"
    ]["id"]
    gone, again = (send(f"/{other}/withdraw", {"reason": "not now"}, ada, "p6") for _ in range(2))
    assert gone.json()["state"] == "withdrawn", gone.text
    assert again.json() == gone.json()


def test_with_more_accounts_than_a_request_can_plan_the_page_names_the_command(
    api, world, monkeypatch
) -> None:
    ada, _ = officers(world)
    for name in ("ana", "ben"):
        world.open(name, allow=True)
    assert (
        "Compute the plan again"
        in api.get(f"{PAGE}/{proposed(world).proposal.id}", headers=ada).text
    )
    monkeypatch.setattr(policy_proposals, "PLANNED_HERE_ACCOUNTS_MAX", 1)
    seen = proposed(world, text_of("2026-03-01", decide_by="2026-04-01"))
    assert seen.plan is None
    page = api.get(f"{PAGE}/{seen.proposal.id}", headers=ada).text
    assert f"<code>licet policy plan-proposal {seen.proposal.id}</code>; it is valid" in page
    assert "Compute the plan again" not in page
    assert api.post(f"{PAGE}/{seen.proposal.id}/plan", data={}, headers=ada).status_code == 409

"""A release is reviewed and signed off in the console, each step by anyone who has the role for it,
and on record.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from licet.access.roles import StaffRole
from licet.curate import release_build
from licet.policy.state import TurnRole

from .axe import faults
from .browsing import Site, browser, existing, site, unfold
from .served import NOTICE, World, api, world
from .test_console import form

__all__ = ["api", "browser", "site", "world"]

SECRET = "the roots of the pear tree"


class Built:
    """A world with a sealed release of one row a person."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.clock.set(NOTICE)
        for name in ("ana", "bo", "cy"):
            world.open(name, allow=True)
            world.say(name, f"{name}'s chat", f"{SECRET}, says {name}")
            world.say(name, f"{name}'s chat", "they go down", TurnRole.assistant)
        release_build.build_release(world.installation, name="autumn", purpose="improve_models")
        ((release,),) = world.rows("SELECT release_id FROM releases")
        self.path = f"/console/releases/{release.hex}"


@pytest.fixture
def built(world: World) -> Built:
    return Built(world)


def post(api: Any, path: str, headers: dict[str, str], **fields: str) -> Any:
    return api.post(path, **form(headers, **fields))


def test_a_release_is_reviewed_row_by_row_and_signed_off_by_two(api: Any, built: Built) -> None:
    world, path = built.world, built.path
    reader = world.staff(StaffRole.reviewer, email="rae@example.org")
    assert f'href="{path}"' in api.get("/console/releases", headers=reader).text
    assert post(api, f"{path}/sample", reader, chance="3", risk="1").status_code == 303
    answer = post(api, f"{path}/row", reader)
    for left in (2, 1, 0):
        assert answer.status_code == 200
        assert SECRET in answer.text
        (row,) = re.findall(r'name="row" value="(\d+)"', answer.text)
        answer = post(
            api,
            f"{path}/finding",
            reader,
            row=row,
            finding="name" if left == 2 else "nothing",
            then="next",
        )
    assert answer.status_code == 303
    assert world.rows("SELECT count(*) FROM staff_reads WHERE reason = 'release_review'") == [(3,)]
    assert post(api, f"{path}/close", reader).status_code == 303
    said = api.get(path, headers=reader).text
    assert "1 of 3 rows drawn by chance hold something that identifies" in said
    assert "Sign it off" not in said
    for email in ("cora@example.org", "dan@example.org"):
        signer = world.staff(StaffRole.curator, email=email)
        assert f"Sign it off as {email}" in api.get(path, headers=signer).text
        assert "Nobody looked for names in it" in api.get(path, headers=signer).text
        assert post(api, f"{path}/sign", signer).status_code == 409, (
            "without the box that says that names are in"
        )
        assert post(api, f"{path}/sign", signer, names_in="yes").status_code == 303
        assert post(api, f"{path}/sign", signer, names_in="yes").status_code == 409
    said = api.get(path, headers=reader).text
    assert "cora@example.org, in the console" in said
    assert '<p class="status">signed off, not confirmed by a second identity</p>' in said


def test_signatures_of_two_links_are_not_confirmed_and_of_two_identities_are(
    api: Any, built: Built
) -> None:
    world, path = built.world, built.path
    reader = world.staff(StaffRole.reviewer, email="rae@example.org")
    post(api, f"{path}/sample", reader, chance="1", risk="0")
    (row,) = re.findall(r'name="row" value="(\d+)"', post(api, f"{path}/row", reader).text)
    post(api, f"{path}/finding", reader, row=row, finding="nothing", then="stop")
    assert post(api, f"{path}/close", reader).status_code == 303
    for number, email in enumerate(("cora@example.org", "dan@example.org")):
        by_link = world.staff(StaffRole.curator, email=email)
        assert post(api, f"{path}/sign", by_link, names_in="yes").status_code == 303
        known = world.staff(StaffRole.curator, email=email, identity=bytes([number]) * 32)
        shown = api.get(path, headers=known).text
        assert f"{email}, in the console" in shown
        assert shown.count("without the identity provider") == number + 1
    unconfirmed = "The signatures are not confirmed by a second identity"
    assert unconfirmed in shown
    review = api.get(f"/v1/releases/{path.rpartition('/')[2]}/review", headers=reader).json()
    assert (review["signed_off"], review["second_identity"]) == (True, False)
    for number, email in enumerate(("cora@example.org", "dan@example.org")):
        known = world.staff(StaffRole.curator, email=email, identity=bytes([number]) * 32)
        assert f"Sign it off as {email}" in api.get(path, headers=known).text
        assert post(api, f"{path}/sign", known, names_in="yes").status_code == 303
    shown = api.get(path, headers=known).text
    assert unconfirmed not in shown
    assert "without the identity provider" not in shown
    assert '<p class="status">signed off</p>' in shown


def test_the_person_sees_that_a_row_of_theirs_was_read_and_why(api: Any, built: Built) -> None:
    world = built.world
    reader = world.staff(StaffRole.reviewer)
    post(api, f"{built.path}/sample", reader, chance="3", risk="0")
    answer = post(api, f"{built.path}/row", reader)
    name = next(name for name in world.accounts if f"says {name}" in answer.text)
    ((chat,),) = world.rows(
        "SELECT conversation_id FROM conversations WHERE account_id = %s", world.accounts[name]
    )
    page = api.get(f"/chats/conv_{chat.hex}", headers=world.browser(name)).text
    assert "by a safety reviewer: to check that a training set identifies nobody" in page


def test_no_page_of_a_release_shows_content_and_no_address_opens_a_row(
    api: Any, built: Built
) -> None:
    world = built.world
    reader = world.staff(StaffRole.reviewer)
    post(api, f"{built.path}/sample", reader, chance="3", risk="0")
    for role in StaffRole:
        assert SECRET not in api.get(built.path, headers=world.staff(role)).text
    for step in ("row", "finding", "sample", "close", "sign"):
        assert api.get(f"{built.path}/{step}", headers=reader).status_code in (404, 405)


def test_a_row_goes_on_record_once_for_each_time_that_it_is_opened(api: Any, built: Built) -> None:
    reader = built.world.staff(StaffRole.reviewer)
    post(api, f"{built.path}/sample", reader, chance="3", risk="0")
    one, again = post(api, f"{built.path}/row", reader), post(api, f"{built.path}/row", reader)
    assert re.findall(r'name="row" value="(\d+)"', one.text) == re.findall(
        r'name="row" value="(\d+)"', again.text
    )
    assert built.world.rows("SELECT count(*) FROM staff_reads") == [(2,)]


def test_rows_of_a_slice_are_read_by_whoever_may_on_record_and_by_the_api_alike(
    api: Any, built: Built
) -> None:
    reader = built.world.staff(StaffRole.reviewer)
    assert "Read rows of a slice" in api.get(built.path, headers=reader).text
    answer = post(api, f"{built.path}/slice", reader, where="words > 3", rows="2")
    assert answer.status_code == 200
    assert (answer.text.count(SECRET), "3 of 3 rows match" in answer.text) == (2, True)
    assert built.world.rows("SELECT count(*) FROM staff_reads WHERE reason = 'release_review'") == [
        (2,)
    ]
    path = built.path.replace("/console", "/v1")
    told = api.post(f"{path}/slice", headers=reader, json={"where": "words > 3", "rows": 1})
    assert (told.status_code, told.json()["matching"], len(told.json()["rows"])) == (200, 3, 1)
    assert SECRET in told.json()["rows"][0]["messages"][0]["content"]
    assert built.world.rows("SELECT count(*) FROM staff_reads") == [(3,)]
    assert post(api, f"{built.path}/slice", reader, where="words >", rows="2").status_code == 400
    assert SECRET in post(api, f"{built.path}/slice", reader, row="0").text
    told = api.post(f"{path}/slice", headers=reader, json={"row": 0})
    assert [row["row"] for row in told.json()["rows"]] == [0]
    assert "Row 99 may not be used now" in post(api, f"{built.path}/slice", reader, row="99").text
    assert built.world.rows("SELECT count(*) FROM staff_reads") == [(5,)]
    curator = built.world.staff(StaffRole.curator)
    assert "Read rows of a slice" not in api.get(built.path, headers=curator).text
    assert post(api, f"{built.path}/slice", curator, where="words > 3").status_code == 403
    assert built.world.rows("SELECT count(*) FROM staff_reads") == [(5,)]


@pytest.mark.parametrize(
    ("fields", "status"), [({"chance": "all"}, 400), ({"chance": "0"}, 400), ({"risk": "-1"}, 400)]
)
def test_a_sample_of_no_size_is_not_drawn(
    api: Any, built: Built, fields: dict[str, str], status: int
) -> None:
    curator = built.world.staff(StaffRole.curator)
    assert post(api, f"{built.path}/sample", curator, **fields).status_code == status
    assert built.world.rows("SELECT count(*) FROM reviews") == [(0,)]


@pytest.mark.state_is_broken("the release's folder is moved away")
def test_a_release_whose_folder_is_not_here_says_so(api: Any, built: Built) -> None:
    folder = built.world.installation.config.releases / "autumn"
    folder.rename(folder.with_name("elsewhere"))
    curator = built.world.staff(StaffRole.curator)
    assert "Its folder is not on this host" in api.get(built.path, headers=curator).text
    assert post(api, f"{built.path}/sample", curator, chance="1", risk="0").status_code == 404


def test_axe_finds_nothing_on_the_pages_of_a_review_and_nothing_scrolls_sideways(
    site: Site,
) -> None:
    town = site.town
    existing(site)
    town.choose("ana", True)
    town.say("ana", "Pear trees")
    release_build.build_release(town.installation, name="autumn", purpose="improve_models")
    page = site.visit_as(tuple(StaffRole), "/console/releases")

    def press(button: Any) -> None:
        with page.expect_navigation():
            button.click()

    press(page.get_by_role("link", name="autumn"))
    assert faults(page) == []
    press(page.get_by_role("button", name="Draw a sample"))
    press(page.get_by_role("button", name="Read and record the next row"))
    assert faults(page) == []
    page.get_by_label("No identifier").check()
    press(page.get_by_role("button", name="Save and stop"))
    press(page.get_by_role("button", name="State the findings"))
    unfold(page)
    assert faults(page) == []
    page.get_by_label("Rows whose labels match").fill("words > 1")
    press(page.get_by_role("button", name="Read and record them"))
    assert faults(page) == []

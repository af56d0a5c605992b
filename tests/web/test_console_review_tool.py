"""Review as a tool: marks, keys and undo, a second reader, how far two agree, and what is said of
what nobody read.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from licet.access.roles import StaffRole
from licet.curate import release_build, row_marks
from licet.curate.row_marks import MarkKind
from licet.release import review, signatures
from licet.vault.commands import Delete

from .browsing import DESKTOP, PHONE, Site, browser, existing, site
from .served import api, world
from .test_console_review import Built, built, post

__all__ = ["api", "browser", "built", "site", "world"]

PEOPLE = 3


def read_all(
    api: Any, built: Built, reader: dict[str, str], findings: list[str], **more: str
) -> list[int]:
    """Reads every row there is for a reader, finding these in turn; returns their ordinals."""
    rows, answer = [], post(api, f"{built.path}/row", reader, **more)
    for finding in findings:
        assert answer.status_code == 200, answer.text
        (row,) = re.findall(r'name="row" value="(\d+)"', answer.text)
        rows.append(int(row))
        answer = post(
            api, f"{built.path}/finding", reader, row=row, finding=finding, then="next", **more
        )
    assert answer.status_code == 303
    return rows


@pytest.fixture
def drawn(api: Any, built: Built) -> Built:
    post(api, f"{built.path}/sample", built.world.staff(StaffRole.curator), chance="3", risk="0")
    return built


def seen(built: Built) -> signatures.SampleSeen:
    found = signatures.get_standing(built.world.installation, "autumn").sample
    assert found is not None
    return found


def test_a_second_reader_judges_what_somebody_else_has_and_is_not_told_what_they_found(
    api: Any, drawn: Built
) -> None:
    world = drawn.world
    first, second = (
        world.staff(StaffRole.reviewer, email=f"{name}@example.org") for name in ("rae", "sam")
    )
    assert "No row has been read a second time." in api.get(drawn.path, headers=first).text
    assert post(api, f"{drawn.path}/row", second, second="yes").status_code == 303, (
        "nothing is judged yet"
    )
    rows = read_all(api, drawn, first, ["nothing", "name", "nothing"])
    assert "Read as the second reader" not in api.get(drawn.path, headers=first).text, (
        "not of one's own"
    )
    assert "Read as the second reader: 3" in api.get(drawn.path, headers=second).text
    opened = post(api, f"{drawn.path}/row", second, second="yes").text
    assert "what the first one found is not shown" in opened
    assert "checked" not in opened
    assert sorted(
        read_all(api, drawn, second, ["nothing", "name", "contact"], second="yes")
    ) == sorted(rows)
    assert world.rows("SELECT count(*) FROM staff_reads WHERE reason = 'release_review'") == [
        (7,)
    ], "each is on record"
    page = api.get(drawn.path, headers=first).text
    assert "3 rows were read by two members of staff, 0 of them by two identities" in page
    assert re.search(r"alpha, for whether a row contains an identifier, is -?\d\.\d\d", page)
    apart = {(one.first, one.second) for one in seen(drawn).agreement.apart}
    assert apart
    assert all(one is not other for one, other in apart)


def test_what_either_reader_found_is_stated_and_both_are_counted(api: Any, drawn: Built) -> None:
    world = drawn.world
    first, second = (
        world.staff(StaffRole.reviewer, email=f"{name}@example.org") for name in ("rae", "sam")
    )
    read_all(api, drawn, first, ["nothing", "nothing", "name"])
    read_all(api, drawn, second, ["secret", "nothing", "nothing"], second="yes")
    assert post(api, f"{drawn.path}/close", first).status_code == 303
    stated = signatures.get_standing(world.installation, "autumn").statement
    assert stated is not None
    assert (stated.chance.findings, stated.chance.read, stated.readers) == (
        {"name": 1, "secret": 1},
        3,
        2,
    )


def test_the_last_finding_is_taken_back_and_its_row_comes_again(api: Any, drawn: Built) -> None:
    reader, other = (
        drawn.world.staff(StaffRole.reviewer, email=f"{name}@example.org")
        for name in ("rae", "sam")
    )
    refused = post(api, f"{drawn.path}/finding", reader, then="undo")
    assert (refused.status_code, "no finding of yours" in refused.text) == (409, True)
    first = post(api, f"{drawn.path}/row", reader).text
    (row,) = re.findall(r'name="row" value="(\d+)"', first)
    post(api, f"{drawn.path}/finding", reader, row=row, finding="name", then="next")
    again = post(api, f"{drawn.path}/finding", reader, then="undo").text
    assert re.findall(r'name="row" value="(\d+)"', again) == [row]
    assert seen(drawn).done == 0
    assert post(api, f"{drawn.path}/finding", other, then="undo").status_code == 409, (
        "nobody takes another's back"
    )


def test_a_row_that_a_second_reader_has_opened_keeps_its_first_finding(
    api: Any, drawn: Built
) -> None:
    reader, other = (
        drawn.world.staff(StaffRole.reviewer, email=f"{name}@example.org")
        for name in ("rae", "sam")
    )
    read_all(api, drawn, reader, ["name", "name", "name"])
    read_all(api, drawn, other, ["name", "name", "name"], second="yes")
    assert post(api, f"{drawn.path}/finding", reader, then="undo").status_code == 409
    assert seen(drawn).agreement.alpha is None, "all of one kind"
    assert "agreement cannot be measured" in api.get(drawn.path, headers=reader).text


def test_what_nobody_can_read_any_more_counts_against_the_release_in_the_worst_case(
    api: Any, drawn: Built
) -> None:
    world, reader = drawn.world, drawn.world.staff(StaffRole.reviewer)
    ((chat,),) = world.rows(
        "SELECT conversation_id FROM conversations WHERE account_id = %s", world.accounts["ana"]
    )
    assert isinstance(chat, UUID)
    world.tell(Delete(account=world.accounts["ana"], at=world.clock.now, conversation=chat))
    read_all(api, drawn, reader, ["nothing", "nothing"])
    found = seen(drawn)
    assert (found.bound.found, found.bound.rows, found.left) == (0, 2, 0)
    assert found.bound.worst_ppm == review.bound(1, 3).ppm
    assert (
        "If every unread row among them contained one" in api.get(drawn.path, headers=reader).text
    )


def test_a_sample_of_which_no_row_could_be_read_is_no_step_that_is_done(
    api: Any, drawn: Built
) -> None:
    world, reader = drawn.world, drawn.world.staff(StaffRole.reviewer)
    for account, chat in world.rows("SELECT account_id, conversation_id FROM conversations"):
        assert isinstance(account, UUID)
        assert isinstance(chat, UUID)
        world.tell(Delete(account=account, at=world.clock.now, conversation=chat))
    assert read_all(api, drawn, reader, []) == []
    assert post(api, f"{drawn.path}/close", reader).status_code == 303
    said = api.get(drawn.path, headers=reader).text
    assert "No row was read" in said
    step = re.search(r"<li([^>]*)>(?:(?!</li>).)*<b>Read</b><small>0.rows", said, re.DOTALL)
    assert step is not None
    assert "done" not in step[1]


@pytest.mark.parametrize(
    ("found", "rows", "share"),
    # scipy.stats.beta.ppf(0.95, found + 1, rows - found)
    [
        (0, 1, 0.95),
        (0, 10, 0.2588656),
        (0, 100, 0.02951305),
        (1, 3, 0.8646499),
        (1, 100, 0.04655981),
        (5, 50, 0.1988326),
        (10, 1000, 0.01690318),
        (3, 3, 1.0),
    ],
)
def test_the_exact_bound_is_that_of_clopper_and_pearson(
    found: int, rows: int, share: float
) -> None:
    assert review.bound(found, rows).ppm == pytest.approx(share * 1e6, abs=10)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("a", "a"), ("b", "b")], 1.0),
        ([("a", "b"), ("b", "a")], -0.5),
        ([("a", "a"), ("a", "a")], None),
        ([], None),
        # By hand: 10 rows, 6 agree; of 20 values 14 are of one kind, so that chance makes 84 of 190
        # pairs differ.
        ([(one, other) for one, other in zip("0100000010", "1110010000", strict=True)], 0.0952381),
    ],
)
def test_the_statistic_of_agreement_is_krippendorffs_alpha(
    pairs: list[tuple[str, str]], expected: float | None
) -> None:
    found = review.alpha(pairs)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_marks_tell_a_surrogate_from_what_still_identifies_and_cover_no_character_twice() -> None:
    text = (
        "Write to ana@example.com or to joan.marsh@gmail.com, said Garrowen Kestrelby to Joan "
        "in London."
    )
    (found,) = row_marks.marks([text])
    marked = {text[one.start : one.end]: one.mark for one in found}
    assert marked["ana@example.com"] is MarkKind.made_up
    assert marked["joan.marsh@gmail.com"] is MarkKind.identifier
    assert marked["Joan"] is MarkKind.look
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert row_marks.marks(["", "roots"]) == [[], []]


def test_a_release_is_read_with_the_keyboard_alone_and_without_a_script_by_its_buttons(
    site: Site,
) -> None:
    town = site.town
    existing(site)
    town.choose("ana", True)
    for name in ("Pear trees", "Figs", "Plums"):
        town.say("ana", name, f"Ask joan.marsh@gmail.com about {name}")
    release_build.build_release(town.installation, name="autumn", purpose="improve_models")
    page = site.visit_as(tuple(StaffRole), "/console/releases", viewport=DESKTOP)
    page.get_by_role("link", name="autumn").click()
    page.get_by_label("Random rows").fill("3")
    page.get_by_label("High-risk rows").fill("0")
    page.get_by_role("button", name="Draw a sample").click()
    page.get_by_role("button", name="Read and record the next row").click()
    assert page.get_by_text("Keys, while the focus is in this form").is_visible()
    first = page.locator("h1").inner_text()
    page.keyboard.press("j")
    assert page.locator("h1").inner_text() == first, "nothing was picked"
    page.keyboard.press("2")
    assert page.get_by_label("A person’s name").is_checked()
    with page.expect_navigation():
        page.keyboard.press("j")
    assert page.locator("h1").inner_text() != first
    with page.expect_navigation():
        page.keyboard.press("k")
    assert page.locator("h1").inner_text() == first
    for left in (2, 1, 0):
        page.keyboard.press("1")
        with page.expect_navigation():
            page.keyboard.press("j")
        assert (page.locator("#finding").count() == 1) == bool(left)
    assert "State the findings" in page.locator("main").inner_text()
    plain = site.visit_as(
        tuple(StaffRole), "/console/releases", viewport=PHONE, java_script_enabled=False
    )
    plain.get_by_role("link", name="autumn").click()
    plain.get_by_role("button", name="State the findings").click()
    assert "0 of 3 rows drawn by chance" in plain.locator("main").inner_text()

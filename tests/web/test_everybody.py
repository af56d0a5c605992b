"""What axe cannot see of the pages where people are asked: focus, announcements, titles, zoom,
spacing, keyboard, no script.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from licet.consent import catalogue_check, lint, notice, rendered_page
from licet.consent.lint import LabelMeaning
from licet.store.connect import transaction
from licet.vault.commands import CloseAccount, SetAge, SetPlan

from .browsing import DESKTOP, PHONE, Site, browser, existing, site
from .people import AFTER
from .test_pages_choices import answered
from .test_pages_quality import lived_in, visited

__all__ = ["browser", "site"]

strict = pytest.mark.parametrize("site", ["strict"], indirect=True)
BOTH = pytest.mark.parametrize("site", ["article-2025", "strict"], indirect=True)
SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
SMALL_PHONE = {"width": 360, "height": 740}
OURS = ("notice", "signup", "nothing", "whole", "settings", "refused")
# a page that loads has none
FOCUS = "() => [document.activeElement?.id, document.activeElement?.getAttribute('role')]"
WIDE = "() => document.documentElement.scrollWidth - innerWidth"
# A font whose ascent and descent are more than the height of a line sticks out of it by less than
# this, and is not cut.
CUT = """() => [...document.querySelectorAll('main :is(button, .button, label, .pill, summary, h1, h2, h3, p, dd, dt, li)')]
  .filter((e) => e.checkVisibility() && (e.scrollWidth > e.clientWidth + 1
    || e.scrollHeight > e.clientHeight + Math.max(1, .25 * parseFloat(getComputedStyle(e).fontSize)))
    && getComputedStyle(e).display !== 'inline')
  .map((e) => e.outerHTML.slice(0, 80))"""
SPACING = """* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; }
p { margin-block-end: 2em !important; }"""


def text(page: Any) -> str:
    return str(page.locator("main").inner_text())


# The question first


@BOTH
def test_the_question_stands_on_the_first_screen_of_a_small_phone_and_with_one_question_both_answers_too(
    site: Site,
) -> None:
    existing(site)
    page = site.visit("ana", "/notice", viewport=SMALL_PHONE)
    (one, *_) = asked = page.locator("fieldset:has(.answer)").all()
    question, yes = one.locator("h2").bounding_box(), one.locator(".answer").first.bounding_box()
    # which a real clock has not
    fold = SMALL_PHONE["height"] + page.locator(".simulated").bounding_box()["height"]
    assert question["y"] + question["height"] < fold
    assert yes["y"] + yes["height"] < fold
    assert page.locator(".gist > li").count() == 4
    assert page.locator(".gist").bounding_box()["y"] < yes["y"]
    if len(asked) == 1:
        no = one.locator(".answer").last.bounding_box()
        assert no["y"] + no["height"] < fold


LANGUAGES = sorted(file.stem for file in catalogue_check.shipped_folder().glob("*.json"))
PLAIN = """(e) => [e.querySelector('b') ?? e, e.querySelector('.icon') ?? e, e].map((part) => {
  const seen = getComputedStyle(part);
  return [seen.color, seen.backgroundColor, seen.borderColor, seen.fontWeight, seen.fontSize];
})"""


@pytest.mark.parametrize("site", [" ".join(["article-2025", *LANGUAGES])], indirect=True, ids=[""])
def test_both_answers_stand_on_the_first_screen_of_a_phone_and_look_the_same_in_every_language(
    site: Site,
) -> None:
    existing(site)
    page = site.visit("ana", "/notice", viewport=PHONE)
    fold = PHONE["height"] + page.locator(".simulated").bounding_box()["height"]
    below = {}
    for language in LANGUAGES:
        page.set_extra_http_headers({"accept-language": language})
        page.goto(site.url + "/notice")
        assert page.locator("html").get_attribute("lang") == language
        yes, no = page.locator("fieldset .answer").all()
        assert yes.evaluate(PLAIN) == no.evaluate(PLAIN), language
        end = max(one.bounding_box()["y"] + one.bounding_box()["height"] for one in (yes, no))
        if end > fold:
            below[language] = end - fold
    assert below == {}


def test_what_is_asked_comes_in_its_order_and_the_whole_text_is_one_press_below(site: Site) -> None:
    existing(site)
    page = site.visit("ana", "/notice", viewport=SMALL_PHONE)
    order = (
        "h1",
        "#choice-set h2",
        ".gist",
        "#allow-yes",
        "#allow-no",
        "#terms",
        "button[value=save]",
        "button[value=later]",
        "details summary",
    )
    places = [page.locator(f"main {one}").first.bounding_box()["y"] for one in order]
    assert places == sorted(places)
    told = "A model that has already learnt from them cannot unlearn them."
    assert told not in text(page)
    page.get_by_text("All details").click()
    assert told in text(page)


def test_a_notice_of_before_there_were_four_lines_is_shown_with_its_whole_text_open(
    site: Site,
) -> None:
    existing(site)
    with transaction(site.town.installation.pool) as tx:
        ((document,),) = tx.execute(
            "SELECT document FROM notices WHERE variant = 'existing'"
        ).fetchall()
        older = "".join(
            line
            for line in document.splitlines(keepends=True)
            if not line.startswith(tuple(f"{key}: " for key in notice.GIST))
        )
        tx.execute(
            """INSERT INTO notices (notice_id, version, language, variant, document, sha256,
               published_at, published_by)
               SELECT gen_random_uuid(), version, language, variant, %s, %s, published_at,
                 published_by
                 FROM notices WHERE variant = 'existing'""",
            [older, hashlib.sha256(older.encode()).digest()],
        )
    page = site.visit("ana", "/notice")
    assert page.locator(".gist").count() == 0
    assert "A model that has already learnt from them cannot unlearn them." in text(page)
    assert page.get_by_role("radio").count() == 2


def test_a_refusal_takes_two_steps_and_a_withdrawal_one(site: Site) -> None:
    existing(site)
    page = site.visit("ana", "/notice")
    steps = [
        lint.count_steps(rendered_page.measure(page), answer)
        for answer in (LabelMeaning.yes, LabelMeaning.no)
    ]
    assert steps == [2, 2]
    site.town.choose("ana", True)
    page.goto(site.url + "/settings")
    assert lint.count_steps(rendered_page.measure(page), LabelMeaning.no) == 1


def test_both_answers_look_alike_when_one_of_them_holds_and_beside_an_undo(site: Site) -> None:
    existing(site)
    page = site.visit("ana", "/settings", viewport=DESKTOP)
    for answer in ("Use my chats", "Don’t use my chats"):
        page.get_by_role("button", name=answer, exact=True).click()
        assert page.get_by_role("button", name="Undo").count() == 1
        assert page.get_by_text("This holds now.").count() == 1
        assert lint.lint_page(rendered_page.measure(page)) == []


@strict
@pytest.mark.parametrize("why", ["age", "plan", "closed", "no", "yes"])
def test_who_is_asked_nothing_is_told_why_in_a_state_of_its_own(site: Site, why: str) -> None:
    existing(site)
    town = site.town
    about: dict[str, Any] = {"account": town.accounts["ana"], "at": town.clock.now}
    page = site.visit("ana", "/settings")
    told = {
        "age": "You are under 18. There is nothing to answer, and nothing of yours is used.",
        "plan": "The terms about training do not cover your plan.",
        "closed": "This account is closed. Nothing of it is used.",
        "no": "You said no on 1 September 2025. ",
        "yes": "You allowed it on 1 September 2025.",
    }
    match why:
        case "age":
            town.tell(SetAge(**about, age=15))
        case "plan":
            town.tell(SetPlan(**about, plan="work"))
        case "closed":
            town.tell(CloseAccount(**about))
        case _:
            town.choose("ana", why == "yes")
    for moment in (town.clock.now, AFTER):
        town.clock.set(moment)
        page.goto(site.url + "/notice")
        assert told[why].strip() in text(page)
        assert page.locator(".state > svg").count() == 1
        assert page.get_by_role("radio").count() == 0
        assert page.locator("main").get_by_role("button").count() == 0


def test_after_the_last_day_the_notice_says_so_above_the_question_and_offers_no_later(
    site: Site,
) -> None:
    existing(site)
    page = site.visit("ana", "/notice")
    assert page.locator(".waiting").count() == 0
    assert page.get_by_role("button", name="Decide later").count() == 1
    site.town.clock.set(AFTER)
    page.reload()
    waits = page.locator(".waiting")
    assert "Writing waits for your answer. Either answer opens it again." in waits.inner_text()
    assert waits.bounding_box()["y"] < page.locator("#choice-set h2").bounding_box()["y"]
    assert page.get_by_role("button", name="Decide later").count() == 0


# Focus, what is announced, and titles


def assert_focus(page: Any, name: str, role: str, *, after: str = "") -> None:
    """Asserts what has the focus; a browser gives it to what says `autofocus` after the page has
    loaded, not before.
    """
    for _ in range(250):
        if page.evaluate(FOCUS) == [name, role]:
            return
        page.wait_for_timeout(20)
    assert page.evaluate(FOCUS) == [name, role], after


@SCRIPT
def test_after_every_act_the_focus_is_on_what_it_did_which_is_announced(
    site: Site, script: bool
) -> None:
    existing(site)
    page = site.visit("ana", "/notice", java_script_enabled=script)
    page.get_by_role("button", name="Decide later").click()
    assert_focus(page, "flash", "status")
    page.goto(site.url + "/settings")
    for name in ("Use my chats", "Don’t use my chats", "Undo"):
        page.get_by_role("button", name=name, exact=True).click()
        assert_focus(page, "flash", "status", after=name)
    assert "your chats may be used" in page.locator("#flash").inner_text()


@SCRIPT
def test_after_a_form_that_lacks_something_the_focus_is_on_its_faults_and_the_title_says_so(
    site: Site, script: bool
) -> None:
    existing(site)
    page = site.visit("ana", "/notice", java_script_enabled=script)
    assert not page.title().startswith("Error")
    page.get_by_role("button", name="Save my answer").click()
    assert page.title() == "Error: New terms, and a choice that is yours · Your privacy"
    assert_focus(page, "faults", "alert")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUS)[0] == "allow-yes", (
        "each fault leads to its field, in the order of the page"
    )
    assert page.locator("input:checked").count() == 0
    page.locator("#terms").check()
    page.locator("#allow-no").check()
    page.get_by_role("button", name="Save my answer").click()
    assert_focus(page, "flash", "status")
    assert not page.title().startswith("Error")
    page.goto(site.url + "/chats/conv_0")
    assert page.title() == "Error: That did not work · Your privacy"


def test_an_answer_from_an_old_page_comes_back_with_its_reason_under_the_focus(site: Site) -> None:
    existing(site)
    old = site.visit("ana", "/settings")
    site.town.choose("ana", False)
    old.get_by_role("button", name="Use my chats", exact=True).click()
    assert_focus(old, "flash", "status")
    assert "is older than your answer of" in old.locator("#flash").inner_text()


# Zoom, spacing, colours


@strict
@pytest.mark.parametrize("width", [640, 320], ids=["200 %", "400 %"])
def test_at_two_and_four_times_the_size_nothing_scrolls_sideways_and_nothing_is_cut(
    site: Site, width: int
) -> None:
    site.town.open("eve", age=None)
    places, pages = lived_in(site), dict[str, Any]()
    for name in OURS:
        page = visited(site, pages, *places[name], viewport={"width": width, "height": 256})
        for fold in page.locator("details").all():
            fold.evaluate("(e) => { e.open = true; }")
        assert page.evaluate(WIDE) <= 0, name
        assert page.evaluate(CUT) == [], name


@strict
def test_with_wider_spacing_and_with_text_twice_as_large_nothing_is_cut(site: Site) -> None:
    site.town.open("eve", age=None)
    places, pages = lived_in(site), dict[str, Any]()
    for style in (SPACING, "html { font-size: 200% }"):
        for name in OURS:
            page = visited(
                site, pages, *places[name], viewport={"width": 640, "height": 900}, bypass_csp=True
            )
            page.add_style_tag(content=style)
            assert page.evaluate(WIDE) <= 0, name
            assert page.evaluate(CUT) == [], name


def test_what_is_cut_or_too_wide_would_be_found(site: Site) -> None:
    existing(site)
    page = site.visit("ana", "/settings", viewport={"width": 320, "height": 256}, bypass_csp=True)
    page.add_style_tag(
        content=(
            "button { white-space: nowrap; inline-size: 4rem; overflow: hidden } h1 { "
            "inline-size: 40rem }"
        )
    )
    assert len(page.evaluate(CUT)) >= 2
    assert page.evaluate(WIDE) > 0


def test_with_forced_colours_a_picked_answer_and_the_primary_act_can_be_told_from_the_others(
    site: Site,
) -> None:
    existing(site)
    page = site.visit("ana", "/notice", forced_colors="active")
    page.locator("#allow-no").check()
    outline = "(e) => getComputedStyle(e).outlineStyle"
    picked, other = page.locator("label.answer").nth(1), page.locator("label.answer").nth(0)
    assert (picked.evaluate(outline), other.evaluate(outline)) == ("solid", "none")
    ground = "(e) => getComputedStyle(e).backgroundColor"
    acts = page.locator(".acts button")
    assert acts.nth(0).evaluate(ground) != acts.nth(1).evaluate(ground)


# The keyboard alone


def walk(page: Any, name: str) -> None:
    """Tab until what has this name has the focus, which must be seen."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.innerText?.trim()") == name:
            assert (
                page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
                == "solid"
            )
            return
    raise AssertionError(f"`{name}` is not reached")


@strict
def test_an_answer_is_changed_undone_and_looked_up_with_the_keyboard_alone(site: Site) -> None:
    town = answered(site, models=True, safety=False)
    page = site.visit("ana", "/settings")
    walk(page, "Don’t use my chats to improve models")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert town.standing("ana", "models") == "withdrawn"
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.innerText.trim()") == "Undo", "it is next"
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert town.standing("ana", "models") == "granted"
    walk(page, "The record of your choices")
    page.keyboard.press("Enter")
    assert "Permission ended" in text(page)

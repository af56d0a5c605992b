"""Pages for everybody: accessible, light, fair when measured, and the same inside a host's page."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from licet.consent import lint, rendered_page
from licet.consent.lint import LintRule
from licet.policy.state import Share
from licet.proof import documents
from licet.store.connect import transaction
from licet.vault.commands import Delete, GiveFeedback, Narrow, SetAge
from licet.vault.content import Content, encode

from .axe import faults, violations
from .browsing import DESKTOP, PHONE, Site, browser, existing, site
from .embedding import embedded, heard
from .people import AFTER, NOTICE

__all__ = ["browser", "embedded", "site"]

REPLICA = Path(__file__).parent.parent / "consent" / "pages" / "popup-2025.html"
PAGE_BYTES_MAX = 50_000


def lived_in(site: Site) -> dict[str, tuple[str, str]]:
    """A town with something on every page: what to visit, by name."""
    town = site.town
    existing(site)
    town.open("ben")
    first = town.say(
        "ana",
        "Pear trees in heavy soil, and what to do when the roots of the old one are still there",
    )
    town.choose("ana", True)
    kept = town.say("ana", "Bees")
    town.say(
        "ana",
        "Pear trees in heavy soil, and what to do when the roots of the old one are still there",
    )
    town.tell(Narrow(account=town.accounts["ana"], at=town.clock.now, conversation=kept))
    rated = GiveFeedback(
        account=town.accounts["ana"],
        at=town.clock.now,
        conversation=first,
        rating="down",
        share=Share.conversation,
        comment=encode(Content(text="it forgot the frost")),
    )
    town.tell(rated)
    gone = town.say("ana", "Old plans")
    town.tell(Delete(account=town.accounts["ana"], at=town.clock.now, conversation=gone))
    asked = town.ask("ana")
    town.say("ana", "What grows under a walnut", host_project=town.host("project", "garden"))
    documents.append(town.installation)
    ana = town.accounts["ana"]
    with transaction(town.installation.pool) as tx:
        ((project,),) = tx.execute("SELECT project_id FROM projects").fetchall()
        ((erasure,),) = tx.execute("SELECT erasure_id FROM erasures").fetchall()
    receipt = documents.receipts(town.installation, ana)[-1].payload["receipt_id"]
    name = str(receipt).removeprefix("urn:licet:receipt:").replace(":", "-")
    return {
        "timeline": ("ana", "/timeline"),
        "erasures": ("ana", "/erasures"),
        "erasure": ("ana", f"/erasures/era_{erasure.hex}"),
        "everything": ("ana", "/everything/delete"),
        "close": ("ana", "/account/close"),
        "receipt": ("ana", f"/settings/receipts/{name}"),
        "project": ("ana", f"/projects/proj_{project.hex}"),
        "docs": ("ana", "/docs"),
        "rights": ("ana", "/rights"),
        "right": ("ana", "/rights/complaint"),
        "request": ("ana", f"/rights/requests/{asked}"),
        "withdraw": ("ana", f"/rights/requests/{asked}/withdraw"),
        "notice": ("eve", "/notice"),
        "signup": ("ben", "/signup"),
        "nothing": ("ana", "/notice"),
        "whole": ("ana", "/notice?whole=1"),
        "settings": ("ana", "/settings"),
        "chats": ("ana", "/chats"),
        "preview": ("ana", "/preview"),
        "chat": ("ana", f"/chats/conv_{first.hex}"),
        "delete": ("ana", f"/chats/conv_{first.hex}/delete"),
        "refused": ("ana", "/chats/conv_0"),
        "feedback": ("ana", "/feedback"),
    }


def visited(site: Site, pages: dict[str, Any], who: str, path: str, **more: Any) -> Any:
    """A page in the browser of ``who``, which each of them begins once."""
    if who in pages:
        pages[who].goto(site.url + path)
    else:
        pages[who] = site.visit(who, path, **more)
    return pages[who]


@pytest.mark.parametrize("site", ["strict"], indirect=True)
def test_axe_finds_nothing_on_any_page_in_any_size_or_scheme_and_nothing_scrolls_sideways(
    site: Site,
) -> None:
    site.town.open("eve", age=None)
    found = []
    pages: dict[str, Any] = {}
    for name, (who, path) in lived_in(site).items():
        page = visited(site, pages, who, path)
        if name in ("notice", "signup", "right", "request"):
            page.locator("main").get_by_role("button").first.click()
            assert page.get_by_role("alert").is_visible(), (
                "the page with its errors is looked at too"
            )
        found += [(name, *fault) for fault in faults(page)]
    assert found == []


def test_axe_would_find_a_page_without_a_language(site: Site) -> None:
    page = site.visit(None, "/settings")
    page.evaluate("() => document.documentElement.removeAttribute('lang')")
    assert [rule for rule, _ in violations(page, wcag=False)] == ["html-has-lang"]


def test_a_notice_page_weighs_less_than_fifty_kilobytes_in_all(site: Site) -> None:
    existing(site)
    sizes: list[int] = []
    page = site.visit("ana", "/chats")
    page.on(
        "response",
        lambda answer: sizes.append(
            len(answer.body()) + sum(len(k) + len(v) for k, v in answer.headers.items())
        ),
    )
    page.goto(site.url + "/notice")
    page.wait_for_load_state("networkidle")
    assert len(sizes) >= 2
    assert sum(sizes) < PAGE_BYTES_MAX


@pytest.mark.parametrize("site", ["strict", "article-2025"], indirect=True)
@pytest.mark.parametrize(
    ("size", "scheme"), [(PHONE, "light"), (DESKTOP, "dark")], ids=["phone", "desktop"]
)
def test_our_pages_pass_the_lint_as_measured(site: Site, size: dict[str, int], scheme: str) -> None:
    site.town.open("eve", age=None)
    site.town.clock.set(NOTICE)
    site.town.open("ben")
    look = {"viewport": size, "color_scheme": scheme}
    settings = rendered_page.measure(site.visit("eve", "/settings", **look))
    for who, path in (("eve", "/notice"), ("ben", "/signup")):
        measured = rendered_page.measure(site.visit(who, path, **look))
        assert len(measured.controls) >= 4
        assert lint.lint_page(measured, settings=settings) == []
    assert lint.lint_page(settings) == []


def test_the_criticised_pop_up_fails_the_lint_as_measured(browser: Any) -> None:
    page = browser.new_page()
    page.goto(REPLICA.resolve().as_uri())
    found = lint.lint_page(rendered_page.measure(page))
    page.close()
    assert {f.rule for f in found} >= {
        LintRule.preselected,
        LintRule.missing_no,
        LintRule.unequal,
        LintRule.bundled,
    }
    assert any(f.message.startswith("contrast of the surface") for f in found), (
        "the black button against bare words"
    )
    assert any(f.message.startswith("area") for f in found)


@pytest.mark.parametrize(
    ("mend", "words"),
    [
        ("document.querySelectorAll('label.answer')[1].style.width = '50%'", "area"),
        ("document.querySelectorAll('label.answer b')[1].style.fontSize = '80%'", "type size"),
        ("document.querySelectorAll('label.answer b')[0].style.fontWeight = 900", "type weight"),
        (
            "document.querySelectorAll('label.answer b')[1].style.color = '#777'",
            "contrast of the words",
        ),
        (
            "document.querySelectorAll('label.answer')[0].style.background = '#222'",
            "contrast of the surface",
        ),
        ("document.querySelectorAll('label.answer')[1].style.marginTop = '40rem'", "order"),
        ("document.getElementById('allow-yes').checked = true", "it is preselected"),
        ("document.querySelectorAll('label.answer')[1].remove()", "no `no`"),
        (
            (
                "setInterval(() => document.querySelector('.until').textContent = "
                "`${Date.now()} left`, 100)"
            ),
            "a countdown presses",
        ),
    ],
)
def test_our_notice_fails_the_lint_once_it_presses(site: Site, mend: str, words: str) -> None:
    existing(site)
    page = site.visit("ana", "/notice")
    page.evaluate(f"() => {{ {mend} }}")
    assert any(words in finding.message for finding in lint.lint_page(rendered_page.measure(page)))


# The components, in a page of another origin with a strict policy


def test_the_notice_component_asks_refuses_an_empty_answer_saves_and_tells_the_host(
    site: Site, embedded: Any
) -> None:
    existing(site)
    faults: list[str] = []
    page = embedded("ana", "licet-notice")
    page.on(
        "console", lambda message: faults.append(message.text) if message.type == "error" else None
    )
    page.get_by_role("heading", name="New terms, and a choice that is yours").wait_for()
    assert page.get_by_role("radio").count() == 2
    assert page.locator("input:checked").count() == 0
    page.get_by_role("button", name="Save my answer").click()
    page.get_by_role("alert").wait_for()
    assert "Pick one of the two answers" in page.get_by_role("alert").inner_text()
    page.get_by_label("I accept the new terms.").check()
    page.locator("#allow-no").check()
    page.get_by_role("button", name="Save my answer").click()
    page.get_by_role("heading", name="You can go on writing").wait_for()
    assert site.town.standing("ana") == "declined"
    assert page.evaluate("() => window.heard") == ["shown", "shown", "answered"]
    assert [fault for fault in faults if "422" not in fault] == []


def test_the_settings_component_changes_the_choice_and_passes_axe_and_lint(
    site: Site, embedded: Any
) -> None:
    existing(site)
    site.town.choose("ana", True)
    page = embedded("ana", "licet-settings")
    page.get_by_role("heading", name="Privacy settings").wait_for()
    assert violations(page, wcag=False) == []
    assert lint.lint_page(rendered_page.measure(page)) == []
    page.get_by_role("button", name="Don’t use my chats").click()
    page.get_by_text("your chats will not be used").wait_for()
    assert site.town.standing("ana") == "withdrawn"
    assert page.evaluate("() => window.heard") == ["answered"]


two_questions = pytest.mark.parametrize("site", ["strict"], indirect=True)


@two_questions
def test_the_notice_component_asks_two_questions_and_each_is_answered_by_itself(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", "licet-notice")
    page.get_by_role("button", name="Save my answers").wait_for()
    assert (page.get_by_role("radio").count(), page.locator("input:checked").count()) == (4, 0)
    assert violations(page, wcag=False) == []
    assert lint.lint_page(rendered_page.measure(page)) == []
    page.get_by_label("I accept the new terms.").check()
    page.locator("#allow-models-no").check()
    page.get_by_role("button", name="Save my answers").click()
    page.get_by_role("alert").wait_for()
    assert "to recognise misuse?" in page.get_by_role("alert").inner_text()
    assert page.locator("#allow-models-no").is_checked(), "what was answered stands there still"
    page.locator("#allow-safety-yes").check()
    page.get_by_role("button", name="Save my answers").click()
    page.get_by_role("heading", name="You can go on writing").wait_for()
    assert (site.town.standing("ana", "models"), site.town.standing("ana", "safety")) == (
        "declined",
        "granted",
    )
    assert page.evaluate("() => window.heard") == ["shown", "shown", "answered"]


@two_questions
def test_the_settings_component_changes_one_of_two_answers_and_a_lower_age_is_asked_again(
    site: Site, embedded: Any
) -> None:
    existing(site)
    town = site.town
    town.choose("ana", True)
    page = embedded("ana", "licet-settings")
    page.get_by_role("heading", name="Privacy settings").wait_for()
    assert violations(page, wcag=False) == []
    assert lint.lint_page(rendered_page.measure(page)) == []
    page.get_by_role("button", name="Don’t use my chats to recognise misuse").click()
    page.get_by_text("your chats will not be used to recognise misuse").wait_for()
    assert (town.standing("ana", "models"), town.standing("ana", "safety")) == (
        "granted",
        "withdrawn",
    )
    assert page.evaluate("() => window.heard") == ["answered"]
    town.open("eve", age=None)
    other = embedded("eve", "licet-notice")
    other.get_by_label("How old are you?").wait_for()
    town.tell(SetAge(account=town.accounts["eve"], at=town.clock.now, age=30))
    for place in ("#allow-models-no", "#allow-safety-no"):
        other.locator(place).check()
    other.get_by_label("I accept").check()
    other.get_by_label("How old are you?").fill("20")
    send = other.get_by_role("button", name=re.compile("Save my answers|Finish signing up"))
    send.click()
    other.get_by_role("alert").wait_for()
    assert "A lower age counts from now on" in other.get_by_role("alert").inner_text()
    send.click()
    other.get_by_role(
        "heading", name=re.compile("You can go on writing|You are signed up")
    ).wait_for()
    assert town.standing("eve", "models") == "declined"


def box(page: Any, tag: str = "licet-notice") -> dict[str, float]:
    return dict(page.locator(tag).evaluate("(e) => e.getBoundingClientRect().toJSON()"))


def test_a_notice_takes_no_room_where_nothing_is_to_be_decided(site: Site, embedded: Any) -> None:
    existing(site)
    site.town.choose("ana", False)
    page = embedded("ana", "licet-notice")
    heard(page, "nothing")
    assert (box(page)["height"], page.locator("licet-notice").inner_text()) == (0, "")
    site.town.open("ben")
    again = embedded("ben", "licet-notice")
    again.get_by_role("button", name="Finish signing up").wait_for()
    assert box(again)["height"] > 100, "and all the room that it needs where there is"
    settings = embedded("ana", "licet-settings")
    settings.get_by_role("heading", name="Privacy settings").wait_for()


@pytest.mark.parametrize("tag", ["licet-notice", "licet-settings"])
def test_where_licet_is_down_a_component_says_so_and_its_button_tries_again(
    site: Site, embedded: Any, tag: str
) -> None:
    existing(site)
    page = embedded("ana", tag)
    page.get_by_role("radio").or_(
        page.get_by_role("button", name="Use my chats", exact=True)
    ).first.wait_for()
    page.route("**/notice?*", lambda route: route.abort())
    page.route("**/settings?*", lambda route: route.fulfill(status=503, body="busy"))
    page.evaluate(
        "(tag) => { const e = document.querySelector(tag); const t = e.token; e.remove();"
        " const n = document.createElement(tag); n.setAttribute('base', e.getAttribute('base'));"
        " document.querySelector('main').append(n); n.token = t; }",
        tag,
    )
    page.get_by_role("alert").wait_for()
    assert (
        "Your privacy choices could not be reached. Nothing changes until you answer."
        in text_of(page, tag)
    )
    heard(page, "failed")
    assert violations(page, wcag=False) == []
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name="Save my answer").or_(
        page.get_by_role("heading", name="Privacy settings")
    ).wait_for()
    assert page.get_by_role("alert").count() == 0


def text_of(page: Any, tag: str) -> str:
    return str(page.locator(f"{tag} >> [role=alert]").inner_text())


def test_an_answer_that_was_lost_on_the_way_is_kept_on_the_page_and_counts_once_when_it_is_sent_again(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", "licet-notice")
    page.get_by_label("I accept the new terms.").check()
    page.locator("#allow-no").check()

    def arrives_and_is_not_answered(route: Any) -> None:
        if route.request.method == "POST":
            route.fetch(max_redirects=0)
            route.abort()
        else:
            route.fallback()

    page.route("**/notice?*", arrives_and_is_not_answered)
    page.get_by_role("button", name="Save my answer").click()
    heard(page, "failed")
    assert (
        "We do not know whether this was saved. Try again: the same answer counts once."
        in text_of(page, "licet-notice")
    )
    assert page.locator("#allow-no").is_checked()
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("heading", name="You can go on writing").wait_for()
    assert [made.allow for made in site.town.seen("ana").choices] == [False]


def test_a_double_click_in_a_component_writes_one_choice(site: Site, embedded: Any) -> None:
    existing(site)
    page = embedded("ana", "licet-settings")
    page.get_by_role("button", name="Use my chats", exact=True).dblclick()
    page.get_by_text("from now on your chats may be used").wait_for()
    assert [made.allow for made in site.town.seen("ana").choices] == [True]
    assert page.evaluate("() => window.heard") == ["answered"]


def test_a_component_says_that_it_is_loading_when_that_takes_long(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", "licet-settings")
    page.get_by_role("heading", name="Privacy settings").wait_for()
    held: list[Any] = []
    page.route("**/settings?*", lambda route: held.append(route))
    page.evaluate(
        "() => "
        "{ const e = document.querySelector('licet-settings'); const n = e.cloneNode(); n.token = e.token;"
        " n.setAttribute('loading', 'Einen Moment'); e.replaceWith(n); }"
    )
    page.get_by_role("status").wait_for()
    assert page.get_by_role("status").inner_text() == "Einen Moment"
    assert page.locator("licet-settings").get_attribute("aria-busy") == "true"
    held[0].continue_()
    page.get_by_role("heading", name="Privacy settings").wait_for()
    assert page.locator("licet-settings").get_attribute("aria-busy") is None


@pytest.mark.parametrize("level", [2, 4])
def test_a_component_leaves_the_first_heading_to_its_host_and_keeps_their_order(
    site: Site, embedded: Any, level: int
) -> None:
    existing(site)
    page = embedded("ana", "licet-notice")
    page.get_by_role("button", name="Save my answer").wait_for()
    size = "(e) => getComputedStyle(e).fontSize"
    title = page.get_by_role("heading", name="New terms, and a choice that is yours")
    before = title.evaluate(size)
    page.evaluate(
        "(n) => document.querySelector('licet-notice').setAttribute('heading-level', n)", str(level)
    )
    page.locator(f"licet-notice >> h{level}.h1").wait_for()
    assert page.locator("h1").all_inner_texts() == ["The assistant"]
    levels = page.locator("licet-notice >> :is(h2, h3, h4, h5, h6)").evaluate_all(
        "(all) => all.map((e) => e.localName)"
    )
    assert levels[0] == f"h{level}"
    assert set(levels[1:]) == {f"h{level + 1}"}, (
        "below it one level and no other, as on the page itself"
    )
    expect(title).to_have_css("font-size", before)  # it looks as it did; the element is another one


def test_the_headings_of_every_page_skip_no_level(site: Site) -> None:
    site.town.open("eve")
    pages: dict[str, Any] = {}
    for who, path in lived_in(site).values():
        page = visited(site, pages, who, path)
        levels = [
            int(name[1])
            for name in page.locator(":is(h1, h2, h3, h4)").evaluate_all(
                "(all) => all.map((e) => e.localName)"
            )
        ]
        assert levels[0] == 1, path
        assert levels.count(1) == 1, path
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), (
            path,
            levels,
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_component_is_as_dark_as_its_host_and_a_page_of_ours_as_the_system(
    site: Site, embedded: Any, scheme: str
) -> None:
    existing(site)
    page = embedded("ana", "licet-notice")
    page.emulate_media(color_scheme=scheme)
    page.get_by_role("button", name="Save my answer").wait_for()
    ground = "(e) => getComputedStyle(e).backgroundColor"
    light, dark = "rgb(253, 252, 250)", "rgb(23, 22, 27)"
    component = page.locator("licet-notice")
    assert component.evaluate(ground) == light, (
        "a host that says nothing is light, whatever the system is"
    )
    for said, seen in (
        ("dark", dark),
        ("light", light),
        ("light dark", dark if scheme == "dark" else light),
    ):
        page.evaluate("(said) => { document.documentElement.style.colorScheme = said; }", said)
        assert component.evaluate(ground) == seen, said
    ours = site.visit("ana", "/settings", color_scheme=scheme)
    assert ours.locator("body").evaluate(ground) == (dark if scheme == "dark" else light)


def test_a_component_takes_the_hosts_colours(site: Site, embedded: Any) -> None:
    existing(site)
    page = embedded("ana", "licet-notice")
    page.get_by_role("button", name="Save my answer").wait_for()
    page.evaluate(
        "() => document.querySelector('licet-notice').style.setProperty('--licet-accent', "
        "'rgb(0, 90, 30)')"
    )
    colour = page.get_by_role("button", name="Save my answer").evaluate(
        "(e) => getComputedStyle(e).borderTopColor"
    )
    assert colour == "rgb(0, 90, 30)"


def test_the_lint_measures_an_address_as_the_command_does(site: Site) -> None:
    existing(site)
    site.town.clock.set(AFTER)
    main = [sys.executable, "-c", "from licet.cli import main; main()", "notice", "lint"]
    for path, code in (("/notice", 0), ("/chats", 1)):
        ran = subprocess.run(
            [*main, site.entrance("ana", path)], capture_output=True, text=True, timeout=600
        )
        assert ran.returncode == code, ran.stdout + ran.stderr

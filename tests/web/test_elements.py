"""The components in a host's page: their displays, events, states, parts and slots, and that a
click counts once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from licet.consent import lint, rendered_page
from licet.vault.commands import Delete, Narrow

from .axe import violations
from .browsing import DESKTOP, PHONE, Site, browser, existing, site
from .embedding import details, embedded, heard
from .people import AFTER, NOTICE

__all__ = ["browser", "embedded", "site"]

BASE = 'base="LICET" surface="app"'
DIALOG = f'<licet-notice {BASE} display="dialog"></licet-notice>'
BANNER = f'<licet-notice {BASE} display="banner"></licet-notice>'
FOCUS = """() => {
  let one = document.activeElement;
  while (one.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
  return one.id || one.localName;
}"""
LATER = "Decide later"
ADDED = """([html, token]) => {
  const licet = document.querySelector("script").src.replace("/static/licet.js", "");
  document.querySelector("i").outerHTML = html.replace("LICET", licet);
  document.querySelector("licet-notice").token = token;
}"""


def focused(page: Any) -> str:
    """The id, or else the tag, of what has the focus, within a shadow root too."""
    return str(page.evaluate(FOCUS))


def box(page: Any, tag: str) -> dict[str, float]:
    return dict(page.locator(tag).evaluate("(e) => e.getBoundingClientRect().toJSON()"))


def is_modal(page: Any) -> bool:
    return bool(
        page.evaluate(
            "() => "
            "!!document.querySelector('licet-notice').shadowRoot.querySelector('dialog:modal')"
        )
    )


def answer(page: Any, allow: str = "no") -> None:
    """Picks an answer to each question, accepts the terms and saves."""
    if page.get_by_role("checkbox").count():
        page.get_by_role("checkbox").first.check()
    for radio in page.locator(f"licet-notice >> input[type=radio][value={allow}]").all():
        radio.check()
    page.locator("licet-notice >> button[name=act][value=save]").click()


def has_answers(page: Any) -> None:
    """Waits until the notice asks."""
    page.locator("licet-notice >> input[type=radio]").first.wait_for()


# A dialog


def test_a_dialog_holds_the_focus_until_the_question_is_answered_and_gives_it_back(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", DIALOG)
    has_answers(page)
    assert is_modal(page)
    dialog = page.get_by_role("dialog")
    assert dialog.get_attribute("aria-label") == dialog.get_by_role("heading").first.inner_text()
    outside = {"before", "after"}
    for _ in range(25):
        page.keyboard.press("Tab")
        assert focused(page) not in outside
    answer(page)
    heard(page, "answered")
    assert focused(page) in {"flash", "licet-content"}, "what was saved is read out"
    assert is_modal(page)
    dialog.get_by_role("button", name="Close").click()
    page.wait_for_function("() => document.querySelector('licet-notice').state === 'empty'")
    assert not is_modal(page)
    assert box(page, "licet-notice")["height"] == 0
    assert site.town.standing("ana") == "declined"


def test_escape_puts_the_question_off_where_it_may_be_and_the_focus_returns(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", "<i></i>")
    page.locator("#before").focus()
    page.evaluate(ADDED, [DIALOG, site.town.token("ana")])
    has_answers(page)
    page.keyboard.press("Escape")
    heard(page, "put-off")
    assert details(page, "put-off") == [{"again": "2025-09-08", "until": "2025-09-28"}]
    page.wait_for_function("() => document.activeElement.id === 'before'")
    assert not is_modal(page)
    assert site.town.standing("ana") == "undecided"


def test_escape_does_nothing_in_a_dialog_that_must_be_answered(site: Site, embedded: Any) -> None:
    existing(site)
    site.town.clock.set(AFTER)
    page = embedded("ana", DIALOG)
    has_answers(page)
    for _ in range(4):
        page.keyboard.press("Escape")
    assert is_modal(page)
    assert details(page, "put-off") == []
    answer(page, "yes")
    heard(page, "answered")
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.querySelector('licet-notice').state === 'empty'")
    assert site.town.standing("ana") == "granted"


def test_a_dialog_does_not_open_where_nothing_is_asked_nor_where_licet_is_away(
    site: Site, embedded: Any
) -> None:
    existing(site)
    site.town.choose("ana", False)
    page = embedded("ana", DIALOG)
    heard(page, "nothing")
    assert (is_modal(page), box(page, "licet-notice")["height"]) == (False, 0)
    page.route("**/notice?*", lambda route: route.abort())
    page.evaluate("() => document.querySelector('licet-notice').reload()")
    page.get_by_role("alert").wait_for()
    assert not is_modal(page), "the host's page is not held up"
    site.town.open("eve")
    page.unroute_all()
    page.evaluate(
        "(token) => { document.querySelector('licet-notice').token = token; }",
        site.town.token("eve"),
    )
    has_answers(page)
    assert is_modal(page)


def test_a_dialog_whose_putting_off_did_not_arrive_does_not_hold_its_person(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", DIALOG)
    has_answers(page)
    page.route("**/notice?*", lambda route: route.abort())
    page.keyboard.press("Escape")
    page.get_by_role("alert").wait_for()
    assert is_modal(page)
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.querySelector('licet-notice').state === 'empty'")
    page.unroute_all()
    page.evaluate("() => document.querySelector('licet-notice').reload()")
    has_answers(page)


# A banner


def test_a_banner_stands_at_the_end_of_the_window_takes_no_focus_and_goes_when_it_is_put_off(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", BANNER, viewport=PHONE)
    page.locator("#before").focus()
    has_answers(page)
    assert focused(page) == "before"
    at = box(page, "licet-notice")
    assert at["bottom"] == PHONE["height"]
    assert at["height"] <= 0.7 * PHONE["height"] + 1
    assert (at["left"], at["right"]) == (0, PHONE["width"])
    region = page.locator("licet-notice")
    assert region.get_attribute("role") == "region"
    assert region.get_attribute("aria-label") == region.get_by_role("heading").first.inner_text()
    page.get_by_role("button", name=LATER).focus()
    page.keyboard.press("Enter")
    heard(page, "put-off")
    assert box(page, "licet-notice")["height"] == 0
    assert focused(page) == "before"


# What the host is told


@pytest.mark.parametrize("site", ["strict"], indirect=True)
def test_a_host_is_told_what_is_asked_and_which_answers_were_saved(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", "licet-notice")
    has_answers(page)
    (asked,) = details(page, "shown")
    assert (asked["may_put_off"], asked["terms"]) == (True, True)
    assert len(asked["questions"]) == 2
    answer(page)
    heard(page, "answered")
    (told,) = (one["answers"] for one in details(page, "answered"))
    assert [(one["question"], one["allow"], one["effect"]) for one in told] == [
        (name, False, "declined") for name in asked["questions"]
    ]
    account = site.town.accounts["ana"].hex
    assert all(one["receipt"].startswith(f"{account}-") for one in told)
    assert details(page, "nothing") == []


@pytest.mark.parametrize("site", ["strict"], indirect=True)
def test_a_host_is_told_of_answers_that_were_saved_though_the_terms_are_still_asked(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", "licet-notice")
    has_answers(page)
    for radio in page.locator("licet-notice >> input[type=radio][value=no]").all():
        radio.check()
    page.locator("licet-notice >> button[name=act][value=save]").click()  # without their box
    heard(page, "answered")
    (told,) = (one["answers"] for one in details(page, "answered"))
    assert {(one["allow"], one["effect"]) for one in told} == {(False, "declined")}
    page.locator("licet-notice >> input[type=checkbox][name=terms]").wait_for()


def test_a_component_without_its_address_or_token_says_so_in_the_console(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page, said = embedded("ana", "licet-notice"), list[str]()
    has_answers(page)
    page.on("console", lambda message: said.append(message.text))
    page.evaluate("() => document.querySelector('licet-notice').removeAttribute('base')")
    heard(page, "failed")
    assert any("elements/element.js" in text for text in said), said
    page.evaluate("() => document.body.append(document.createElement('licet-settings'))")
    page.wait_for_function("() => document.querySelector('licet-settings').isConnected")
    assert any("no token" in text for text in said), said


def test_a_host_is_told_why_nothing_is_asked_and_that_a_token_does_not_hold(
    site: Site, embedded: Any
) -> None:
    existing(site)
    site.town.choose("ana", True)
    page = embedded("ana", "licet-notice")
    heard(page, "nothing")
    assert details(page, "nothing") == [{"because": "answered"}]
    page.evaluate("() => { document.querySelector('licet-notice').token = 'no token'; }")
    heard(page, "refused")
    assert details(page, "refused") == [{"status": 401}]


def test_keeping_a_chat_out_twice_at_once_is_one_act_and_is_told(site: Site, embedded: Any) -> None:
    existing(site)
    site.town.choose("ana", True)
    chat = site.town.say("ana", "Bees")
    page = embedded("ana", "licet-data")
    page.locator('summary[aria-label="All details: Bees"]').click()
    button = page.get_by_role("button", name="Keep out: Bees")
    sent: list[str] = []
    page.on(
        "request", lambda request: sent.append(request.url) if request.method == "POST" else None
    )
    button.dblclick()
    heard(page, "changed")
    assert details(page, "changed") == [{"act": "keep-out", "chat": f"conv_{chat.hex}"}]
    assert len(sent) == 1
    assert focused(page) == "flash", "what was done is read out"


def test_a_host_may_follow_a_link_itself(site: Site, embedded: Any) -> None:
    existing(site)
    site.town.choose("ana", True)
    page = embedded("ana", "licet-data")
    page.get_by_role("link", name="Pear trees", exact=True).wait_for()
    page.evaluate(
        "() => document.addEventListener('licet-navigate', (event) => "
        "event.preventDefault(), { once: true })"
    )
    page.get_by_role("link", name="Pear trees", exact=True).click()
    heard(page, "navigate")
    (told,) = details(page, "navigate")
    assert told["path"].startswith("/chats/conv_")
    assert page.get_by_role("heading", name="Your data").count() == 1, "it stays where it is"
    page.get_by_role("link", name="Pear trees", exact=True).click()
    page.wait_for_function(
        "() => document.querySelector('licet-data').root.activeElement?.id === 'licet-content'"
    )


# The badge and the receipt


def test_a_badge_says_whether_a_chat_may_be_used_by_the_hosts_own_id_and_follows_the_settings(
    site: Site, embedded: Any
) -> None:
    existing(site)
    site.town.choose("ana", True)
    chat = site.town.say("ana", "Bees")
    markup = f'<licet-badge {BASE} chat="host:Bees"></licet-badge><licet-settings {BASE}></licet-settings>'
    page = embedded("ana", markup)
    badge = page.locator("licet-badge")
    badge.get_by_text("May be used").wait_for()
    (told,) = (one for one in details(page, "shown") if "uses" in one)
    assert told["chat"] == f"conv_{chat.hex}"
    assert {(one["use"], one["because"]) for one in told["uses"]} == {("whole", "permitted")}
    assert all(one["until"] for one in told["uses"])
    assert violations(page, wcag=False) == []
    page.get_by_role("button", name="Don’t use my chats").click()
    badge.get_by_text("Will not be used").wait_for()
    assert badge.get_by_text("May be used").count() == 0


def test_a_badge_of_a_chat_that_is_not_known_or_anothers_takes_no_room(
    site: Site, embedded: Any
) -> None:
    existing(site)
    site.town.open("ben")
    site.town.choose("ben", True)
    others = site.town.say("ben", "Secret")
    for chat in ("host:no such chat", f"conv_{others.hex}", "conv_0"):
        page = embedded("ana", f'<licet-badge {BASE} chat="{chat}"></licet-badge>')
        heard(page, "refused")
        assert box(page, "licet-badge")["height"] == 0, chat
        assert details(page, "refused") == [{"status": 404}], chat


def test_a_receipt_is_the_newest_or_the_one_that_is_named_and_nothing_before_the_first_choice(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded(
        "ana", f"<licet-receipt {BASE}></licet-receipt><licet-settings {BASE}></licet-settings>"
    )
    heard(page, "nothing")
    assert box(page, "licet-receipt")["height"] == 0
    page.get_by_role("button", name="Use my chats", exact=True).click()
    heard(page, "answered")
    receipt = page.locator("licet-receipt")
    receipt.get_by_text("Yes: your chats may be used.").wait_for()
    (first,) = details(page, "answered")[0]["answers"]
    page.get_by_role("button", name="Don’t use my chats").click()
    receipt.get_by_text("No, from now on: you took your permission back.").wait_for()
    page.evaluate(
        "(name) => document.querySelector('licet-receipt').setAttribute('receipt', name)",
        first["receipt"],
    )
    receipt.get_by_text("Yes: your chats may be used.").wait_for()
    with page.expect_download() as came:
        receipt.get_by_role("link", name="Download the receipt").click()
    assert came.value.suggested_filename.startswith("receipt-")


# States, parts, slots, and what attributes say


def test_a_host_fills_the_slots_of_loading_failed_and_empty(site: Site, embedded: Any) -> None:
    existing(site)
    site.town.choose("ana", False)
    slots = "".join(f'<b slot="{name}">Host {name}</b>' for name in ("loading", "failed", "empty"))
    page = embedded("ana", f"<licet-notice {BASE}>{slots}</licet-notice>")
    heard(page, "nothing")
    assert page.get_by_text("Host empty").is_visible()
    assert box(page, "licet-notice")["height"] > 0
    held: list[Any] = []
    page.route("**/notice?*", lambda route: held.append(route))
    page.evaluate(
        "() => { const e = document.querySelector('licet-notice'); "
        "e.root.replaceChildren(); e.reload(); }"
    )
    page.get_by_text("Host loading").wait_for()
    held[0].abort()
    page.get_by_text("Host failed").wait_for()
    assert page.get_by_role("button", name="Try again").is_visible()
    assert page.get_by_text("Host loading").is_hidden()


def test_offline_is_said_and_what_was_asked_for_comes_when_the_browser_is_online_again(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", "licet-settings")
    page.get_by_role("heading", name="Privacy settings").wait_for()
    page.context.set_offline(True)
    page.evaluate(
        "() => { const e = document.querySelector('licet-settings'); "
        "e.root.replaceChildren(); e.reload(); }"
    )
    page.get_by_text("You are offline.").wait_for()
    assert details(page, "failed") == [{"sent": False, "offline": True, "status": 0}]
    page.context.set_offline(False)
    page.get_by_role("heading", name="Privacy settings").wait_for()
    assert page.get_by_role("alert").count() == 0


def test_a_server_that_is_busy_is_told_with_its_status_and_no_answer_is_sent_again_by_itself(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", "licet-settings")
    page.get_by_role("heading", name="Privacy settings").wait_for()
    page.route("**/settings?*", lambda route: route.fulfill(status=503, body="busy"))
    page.get_by_role("button", name="Use my chats", exact=True).click()
    heard(page, "failed")
    assert details(page, "failed") == [{"sent": True, "offline": False, "status": 503}]
    assert focused(page) == "button"
    page.unroute_all()
    page.evaluate("() => dispatchEvent(new Event('online'))")
    assert page.get_by_role("alert").is_visible()
    assert site.town.seen("ana").choices == ()
    page.get_by_role("button", name="Try again").click()
    heard(page, "answered")
    assert [made.allow for made in site.town.seen("ana").choices] == [True]


def test_a_host_chooses_the_theme_the_language_and_the_surface_and_styles_parts(
    site: Site, embedded: Any
) -> None:
    existing(site)
    sent: list[Any] = []
    page = embedded("ana", "licet-notice")
    has_answers(page)
    ground = "(e) => getComputedStyle(e).backgroundColor"
    component = page.locator("licet-notice")
    light = component.evaluate(ground)
    page.evaluate("() => document.querySelector('licet-notice').setAttribute('theme', 'dark')")
    dark = component.evaluate(ground)
    assert dark != light
    page.evaluate(
        "() => { document.documentElement.style.colorScheme = 'dark';"
        " document.querySelector('licet-notice').setAttribute('theme', 'light'); }"
    )
    assert component.evaluate(ground) == light
    page.emulate_media(color_scheme="dark")
    page.evaluate("() => document.querySelector('licet-notice').setAttribute('theme', 'auto')")
    assert component.evaluate(ground) == dark
    page.on("request", lambda request: sent.append(request))
    page.evaluate(
        "() => { const e = document.querySelector('licet-notice');"
        " e.setAttribute('locale', 'de'); e.setAttribute('surface', 'desktop'); }"
    )
    with page.expect_response(lambda response: "surface=desktop" in response.url):
        pass
    (asked,) = [one for one in sent if "surface=desktop" in one.url and one.method == "GET"]
    assert asked.headers["accept-language"] == "de"
    has_answers(page)
    parts = page.locator("licet-notice").evaluate(
        "(e) => [...e.root.querySelectorAll('[part]')].flatMap((one) => [...one.part])"
    )
    assert {"page", "title", "heading", "form", "question", "answer", "button", "field"} <= set(
        parts
    )
    assert parts.count("answer") == 2


def test_a_token_and_a_fetch_that_were_set_before_the_script_ran_are_used(
    site: Site, embedded: Any
) -> None:
    existing(site)
    page = embedded("ana", "<i></i>")
    page.evaluate(
        """(token) => {
            const base = document.querySelector('script').src.replace('/static/licet.js', '');
            window.asked = [];
            class Late extends customElements.get('licet-notice') {}
            const made = document.createElement('late-notice');
            made.setAttribute('base', base);
            made.fetch = (...all) => { window.asked.push(all[0]); return fetch(...all); };
            made.token = token;
            document.querySelector('i').replaceWith(made);
            customElements.define('late-notice', Late);
        }""",
        site.town.token("ana"),
    )
    page.locator("late-notice >> input[type=radio]").first.wait_for()
    assert any("/notice?" in url for url in page.evaluate("() => window.asked"))


def test_a_component_that_is_moved_or_removed_meanwhile_breaks_nothing(
    site: Site, embedded: Any
) -> None:
    existing(site)
    faults: list[str] = []
    page = embedded("ana", "licet-notice")
    page.on("pageerror", lambda error: faults.append(str(error)))
    has_answers(page)
    page.evaluate(
        "() => { const e = document.querySelector('licet-notice'); e.reload(); e.remove();"
        " document.querySelector('main').prepend(e); }"
    )
    has_answers(page)
    page.wait_for_function(
        "() => !document.querySelector('licet-notice').hasAttribute('aria-busy')"
    )
    assert faults == []


@pytest.mark.parametrize("tag", ["licet-notice", "licet-settings", "licet-data", "licet-receipt"])
@pytest.mark.parametrize(
    ("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")], ids=["phone", "desktop"]
)
def test_axe_and_the_lint_find_nothing_in_a_component(
    site: Site, embedded: Any, tag: str, size: dict[str, int], scheme: str
) -> None:
    existing(site)
    site.town.open("eve")
    site.town.choose("eve", True)
    chat = site.town.say("eve", "Bees")
    site.town.tell(
        Narrow(account=site.town.accounts["eve"], at=site.town.clock.now, conversation=chat)
    )
    gone = site.town.say("eve", "Old plans")
    site.town.tell(
        Delete(account=site.town.accounts["eve"], at=site.town.clock.now, conversation=gone)
    )
    page = embedded(
        "ana" if tag == "licet-notice" else "eve",
        f'<{tag} {BASE} theme="{scheme}"></{tag}>',
        viewport=size,
    )
    page.locator(f"{tag} >> #licet-content").wait_for()
    assert violations(page, wcag=False) == []
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    if tag in ("licet-notice", "licet-settings"):
        assert lint.lint_page(rendered_page.measure(page)) == []


@pytest.mark.parametrize("display", ["banner", "dialog"])
@pytest.mark.parametrize("at", [NOTICE, AFTER], ids=["may be put off", "must be answered"])
def test_axe_finds_nothing_in_a_banner_or_a_dialog(
    site: Site, embedded: Any, display: str, at: datetime
) -> None:
    existing(site)
    site.town.clock.set(at)
    page = embedded("ana", f'<licet-notice {BASE} display="{display}"></licet-notice>')
    has_answers(page)
    assert violations(page, wcag=False) == []
    page.locator("licet-notice >> button[name=act][value=save]").click()
    page.get_by_role("alert").wait_for()
    assert focused(page) == "faults"
    assert violations(page, wcag=False) == []

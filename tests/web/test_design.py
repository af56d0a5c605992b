"""The design system: what it is made of, and its page, which shows every part of it in every
state.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from licet.web.pages import design

from .axe import violations
from .browsing import DESKTOP, PHONE, Site, browser, site

__all__ = ["browser", "site"]

SRC = Path(__file__).parent.parent.parent / "src" / "licet" / "web"
STYLES = sorted((SRC / "static").glob("*.css"))
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"}, "dark": {"color_scheme": "dark"},
    "high contrast": {"contrast": "more"}, "high contrast, dark": {"contrast": "more", "color_scheme": "dark"},
    "forced colours": {"forced_colors": "active"},
}  # fmt: skip
TOTAL_BYTES_MAX = 12_000

# What names a side of the page, and not of the text: a page from right to left would not be its
# mirror.
SIDED = re.compile(
    r"(?<![\w-])(?:(?:margin|padding|border|inset|scroll-margin|scroll-padding)-(?:left|right|top|bottom)\b[\w-]*"
    r"|border-(?:top|bottom)-(?:left|right)-radius|left|right|top|bottom|(?:min-|max-)?(?:width|height))\s*:"
    r"|(?:text-align|float|clear)\s*:\s*(?:left|right)"
)


def sided(style: str) -> list[str]:
    # a query is about the window
    rules = re.sub(r"@media[^{]*|/\*.*?\*/", "", style, flags=re.DOTALL)
    return [match[0] for match in SIDED.finditer(rules)]


@pytest.mark.parametrize("style", STYLES, ids=lambda path: path.name)
def test_a_page_from_right_to_left_is_the_mirror_of_one_from_left_to_right(style: Path) -> None:
    assert sided(style.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "rule",
    [
        "margin-left: 0",
        "padding-top:1rem",
        "left: 0",
        "text-align: left",
        "float: right",
        "max-width: 3rem",
        "border-bottom-color: red",
        "border-top-left-radius: 0",
        "a { top: 0 }",
        "height: 1px",
    ],
)
def test_a_side_of_the_page_would_be_found(rule: str) -> None:
    assert len(sided(f"@media (max-width: 40rem) {{ p {{ {rule} }} }}")) == 1
    assert (
        sided(
            "@media (max-width: 40rem) { p { margin-inline-start: 0; text-align: start; "
            "line-height: 1.5 } }"
        )
        == []
    )


def test_every_colour_can_be_given_by_a_host_and_has_its_place_on_the_page_and_in_the_docs() -> (
    None
):
    style = (SRC / "static" / "licet.css").read_text(encoding="utf-8")
    given = set(re.findall(r"--([\w-]+): var\(--licet-\1,", style))
    docs = (SRC.parent.parent.parent / "docs" / "notices.md").read_text(encoding="utf-8")
    assert given == {*design.COLOURS, "corner", "face"}
    assert [name for name in (*given, "density") if f"`--licet-{name}`" not in docs] == []
    more = style[style.index("@media (prefers-contrast: more)") :].partition("\n}")[0]
    assert set(re.findall(r"--([\w-]+): light-dark", more)) == set(design.COLOURS), (
        "each is a stronger one where that is asked"
    )


def test_the_page_shows_every_macro_of_the_parts() -> None:
    templates = SRC / "templates"
    macros = re.findall(r"{% macro (\w+)\(", (templates / "parts.html").read_text(encoding="utf-8"))
    shown = "".join(
        (templates / name).read_text(encoding="utf-8") for name in ("design.html", "question.html")
    )
    assert len(macros) > 10
    assert [name for name in macros if not re.search(rf"(?:{{{{|call) {name}\(", shown)] == []


@pytest.mark.parametrize("look", LOOKS)
def test_every_part_is_seen_in_each_look_and_axe_finds_nothing(
    site: Site, look: str, tmp_path: Path
) -> None:
    for size in (PHONE, DESKTOP):
        page = site.visit(None, "/design", viewport=size, **LOOKS[look])
        assert violations(page) == []
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        hidden = page.evaluate(
            "() => [...document.querySelectorAll('main :is(svg, button, .pill, .card, .toast, "
            ".skeleton, .swatch, input)')]"
            ".filter((e) => !e.closest('[popover]') && !e.getBoundingClientRect().height).map((e) "
            "=> e.outerHTML)"
        )
        assert hidden == []
        picture = page.screenshot(path=tmp_path / f"design-{size['width']}.png", full_page=True)
        assert len(picture) > 20_000


def test_looks_differ_where_they_are_to(site: Site) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"
    seen = {
        look: site.visit(None, "/design", **how).evaluate(ground) for look, how in LOOKS.items()
    }
    assert seen["light"] != seen["dark"] != seen["high contrast"]
    assert (seen["high contrast"], seen["high contrast, dark"]) == (
        "rgb(255, 255, 255)",
        "rgb(0, 0, 0)",
    )


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("what", ["Dialog", "Sheet"])
def test_a_dialog_opens_and_closes_by_its_buttons_and_by_escape_without_a_script_too(
    site: Site, what: str, script: bool
) -> None:
    page = site.visit(None, "/design", viewport=PHONE, java_script_enabled=script)
    opened = page.locator(f"#sample-{what.lower()}")
    assert not opened.is_visible()
    page.get_by_role("button", name=what, exact=True).click()
    assert opened.is_visible()
    box = opened.bounding_box()
    if what == "Sheet":
        assert box["y"] + box["height"] == pytest.approx(PHONE["height"], abs=1), (
            "it rises from the end of the page"
        )
        assert box["width"] == PHONE["width"]
    page.keyboard.press("Escape")
    assert not opened.is_visible()


def test_density_draws_rows_closer_and_keeps_what_is_pressed_large_enough(site: Site) -> None:
    page = site.visit(None, "/design")
    row = "(e) => e.getBoundingClientRect().height"
    loose, close = (
        page.locator(f"{where} > .rows > li").first.evaluate(row)
        for where in ("section", ".compact")
    )
    assert close < loose
    assert page.locator(".compact .button").evaluate(row) >= 24


def test_nothing_moves_where_a_person_asks_for_less_motion(site: Site) -> None:
    moving = (
        "() => [...document.querySelectorAll('*')].filter((e) => ['', '::before', "
        "'::after'].some((part) => {"
        " const s = getComputedStyle(e, part); return s.animationName !== 'none' || "
        "parseFloat(s.transitionDuration) > 0;"
        " })).length"
    )
    assert site.visit(None, "/design", reduced_motion="no-preference").evaluate(moving) > 0
    assert site.visit(None, "/design", reduced_motion="reduce").evaluate(moving) == 0

"""A page that was clean is not gone into by every rule again, and what its other size or colours
break is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .axe import _clean, _readable, faults, violations
from .browsing import DESKTOP, PHONE, browser

__all__ = ["browser"]

PAGE = """<!doctype html><html lang="en"><head><title>A page</title><style>{style}</style></head>
<body><main><h1>A page</h1><p>Words to read.</p>{more}</main></body></html>"""
PALE = "@media (prefers-color-scheme: dark) { body { background: #000 } p { color: #222 } }"
UNNAMED = (
    "<style>.wide { display: none } @media (min-width: 800px) { .wide { display: block } }</style>"
)


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    _clean.clear()
    _readable.clear()
    with browser.new_context(viewport=PHONE, color_scheme="light") as context:
        yield context.new_page()


def found(page: Any) -> list[str]:
    return [rule for rule, _ in violations(page)]


def test_words_that_are_pale_in_the_dark_alone_are_found(page: Any) -> None:
    page.set_content(PAGE.format(style=PALE, more=""))
    assert found(page) == []
    page.emulate_media(color_scheme="dark")
    assert found(page) == ["color-contrast"]
    page.emulate_media(color_scheme="light")
    assert found(page) == []


def test_words_of_another_colour_are_found_on_a_page_after_others_that_were_clean(
    page: Any,
) -> None:
    page.set_content(PAGE.format(style="", more=""))
    assert found(page) == []
    page.set_content(
        PAGE.format(style="", more="<p><span style='color: #999'>Pale words.</span></p>")
    )
    assert found(page) == ["color-contrast"]
    page.set_content(
        PAGE.format(
            style="", more="<div style='background: #555'><p>Words on a dark ground.</p></div>"
        )
    )
    assert found(page) == ["color-contrast"]


def test_both_looks_are_gone_into_without_a_reload(page: Any) -> None:
    wide = (
        "<style>.wide { display: none; width: 2000px } @media (min-width: 800px) { .wide { "
        "display: block } }</style>"
    )
    page.set_content(PAGE.format(style=PALE, more=wide + '<p class="wide">A table.</p>'))
    (rule, pale), (scheme, words) = [fault[:2] for fault in faults(page)]
    assert (rule, pale, scheme) == ("dark", "color-contrast", "dark")
    assert words.endswith("px too wide")


def test_a_button_that_is_there_on_a_wide_screen_alone_needs_its_name(page: Any) -> None:
    page.set_content(PAGE.format(style="", more=UNNAMED + '<button class="wide"></button>'))
    assert found(page) == []
    page.set_viewport_size(DESKTOP)
    assert found(page) == ["button-name"]


def test_another_page_is_gone_into_by_every_rule(page: Any) -> None:
    page.set_content(PAGE.format(style="", more=""))
    assert found(page) == []
    page.set_content(PAGE.format(style="", more='<img src="data:,">'))
    assert found(page) == ["image-alt"]


def test_a_violation_is_found_each_time(page: Any) -> None:
    page.set_content(PAGE.format(style="", more='<img src="data:,">'))
    assert [found(page), found(page)] == [["image-alt"], ["image-alt"]]

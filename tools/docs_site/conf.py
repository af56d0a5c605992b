"""Sphinx configuration: Markdown by MyST, the theme Furo, search, and nothing from another host."""

from typing import Any

from sphinx.application import Sphinx

project = "Licet"
author = "the authors of Licet"
extensions = ["myst_parser", "sphinx_copybutton", "sphinx_design"]
root_doc = "index"
exclude_patterns: list[str] = []
nitpicky = True

myst_enable_extensions = ["colon_fence", "html_image"]
copybutton_selector = "div.highlight:not(.highlight-text *) > pre"  # input, not output
myst_heading_anchors = 4
# some languages have no highlighting
suppress_warnings = ["misc.highlighting_failure"]
highlight_language = "sh"  # indented blocks are input

html_theme = "furo"
html_title = "Licet"
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sphinx = False
html_use_index = False
html_show_copyright = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "versions.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", with_levels, priority=900)  # after the theme


def with_levels(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Adds the missing heading level to the navigation's captions, which screen readers need."""
    tree = str(context.get("furo_navigation_tree", ""))
    context["furo_navigation_tree"] = tree.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )
    # The way back to the first page of the version, also from itself.
    context["site_root"] = "../" * page.count("/") or "./"

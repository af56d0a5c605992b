"""What presses is found, each way of pressing by itself; what is asked plainly passes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from licet.consent import lint, notice, rendered_page
from licet.consent.lint import (
    Control,
    ControlKind,
    ControlLooks,
    LabelMeaning,
    LintFinding,
    LintRule,
    RenderedPage,
)
from licet.errors import UsageError
from licet.policy.file import Policy, from_document, preset

REPLICA = (Path(__file__).parent / "pages" / "popup-2025.html").read_text(encoding="utf-8")

NO = "<label for=n><input type=radio name=a id=n> Don’t use my chats</label>"
FAIR = """<form><h2>May we use your chats to improve our models?</h2>
<label for=t><input type=checkbox id=t> I accept the new terms.</label>
<label for=y><input type=radio name=a id=y> Use my chats</label>
<label for=n><input type=radio name=a id=n> Don’t use my chats</label>
<button>Save my answer</button> <button>Decide later</button></form>"""


def rules(html: str, **more: str) -> set[LintRule]:
    settings = lint.parse_markup(more["settings"]) if "settings" in more else None
    return {finding.rule for finding in lint.lint_page(lint.parse_markup(html), settings=settings)}


def test_a_fair_question_passes() -> None:
    assert lint.lint_page(lint.parse_markup(FAIR)) == []


def test_the_criticised_pop_up_fails_on_its_markup_alone() -> None:
    assert rules(REPLICA) >= {
        LintRule.preselected,
        LintRule.missing_no,
        LintRule.unequal,
        LintRule.bundled,
    }


@pytest.mark.parametrize(
    ("instead_of", "by", "found"),
    [
        ("id=y>", "id=y checked>", LintRule.preselected),
        ("id=n>", "id=n checked>", LintRule.preselected),
        ("id=t>", "id=t checked>", LintRule.preselected),
        (NO, "", LintRule.missing_no),
        (NO, "<a href=/no>Don’t use my chats</a>", LintRule.longer),
        (NO, "<button>Don’t use my chats</button>", LintRule.unequal),
        ("<h2>", "<p class=countdown>00:59</p><h2>", LintRule.countdown),
        ("<h2>", "<p>Only 2 days left</p><h2>", LintRule.countdown),
        (
            "<h2>",
            "<p>Untick this box if you would like us not to use your chats.</p><h2>",
            LintRule.wording,
        ),
        ("Don’t use my chats", "Do not opt me out", LintRule.wording),
        ("Don’t use my chats", "No thanks, I don’t like better models", LintRule.wording),
    ],
)
def test_each_way_of_pressing_is_found(instead_of: str, by: str, found: LintRule) -> None:
    assert instead_of in FAIR
    assert found in rules(FAIR.replace(instead_of, by))


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        (
            '<button class="big">Use my chats</button>',
            '<button class="faint">Don’t use my chats</button>',
        ),
        ("<button>Use my chats</button>", '<button style="opacity:.4">Don’t use my chats</button>'),
    ],
)
def test_answers_that_the_markup_styles_apart_are_unequal(yes: str, no: str) -> None:
    assert LintRule.unequal in rules(yes + no)


LOOKS = ControlLooks(
    left=100,
    top=200,
    width=80,
    height=20,
    font_size=14,
    font_weight=400,
    text_contrast=7,
    surface_contrast=3,
)


def weighed(yes: ControlLooks, no: ControlLooks) -> list[str]:
    """What a page says of two buttons that look like this."""
    controls = (
        Control(kind=ControlKind.button, label="Use my chats", looks=yes),
        Control(kind=ControlKind.button, label="Don’t use my chats", looks=no),
    )
    return [
        finding.message
        for finding in lint.lint_page(RenderedPage(controls=controls, text="Use my chats?"))
    ]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, ""),
        ({"top": 201}, ""),
        ({"left": 101, "top": 400}, "order: one stands far below the other"),
        ({"left": 101, "top": 201}, ""),
        ({"left": 101.5, "top": 201}, ""),
        ({"left": 101, "top": 201.5}, ""),
        ({"left": 101.5, "top": 201.5}, "order: they stand neither in one row nor in one column"),
        ({"left": 98.5, "top": 198.5}, "order: they stand neither in one row nor in one column"),
        ({"left": 300}, ""),
        ({"top": 200 + 2 * 20 + 48}, ""),
        ({"top": 200 + 2 * 20 + 48.5}, "order: one stands far below the other"),
        ({"top": 200 - 2 * 20 - 48.5}, "order: one stands far below the other"),
        ({"top": 200 + 2 * 22 + 48, "height": 22}, ""),
        ({"top": 200 + 2 * 22 + 48.5, "height": 22}, "order: one stands far below the other"),
        ({"width": 91.9}, ""),
        ({"width": 80 * lint.RATIO_MAX + 1}, "area: 1600 against 1860"),
        ({"height": 17}, "area: 1600 against 1360"),
        ({"font_size": 14 * 1.01}, ""),
        ({"font_size": 15}, "type size: 14 against 15"),
        ({"font_weight": 700}, "type weight: 400 against 700"),
        ({"surface_contrast": 1.5}, "contrast of the surface: 3 against 1.5"),
        ({"text_contrast": lint.CONTRAST_MIN}, "contrast of the words: 7 against 4.5"),
    ],
)
def test_the_weight_of_two_answers_is_what_is_seen_to_its_bound(
    changes: dict[str, float], found: str
) -> None:
    assert weighed(LOOKS, msgspec.structs.replace(LOOKS, **changes)) == ([found] if found else [])
    assert bool(weighed(msgspec.structs.replace(LOOKS, **changes), LOOKS)) == bool(found)


def test_surfaces_that_cannot_be_told_from_the_page_weigh_alike() -> None:
    bare = msgspec.structs.replace(LOOKS, surface_contrast=0)
    assert weighed(bare, bare) == []
    assert weighed(bare, msgspec.structs.replace(LOOKS, surface_contrast=0.01)) == []
    assert weighed(bare, msgspec.structs.replace(LOOKS, surface_contrast=0.02)) != []


def test_words_that_can_hardly_be_read_are_found_on_both_answers() -> None:
    just, faint = (msgspec.structs.replace(LOOKS, text_contrast=ratio) for ratio in (4.5, 4.4))
    assert weighed(just, just) == []
    assert weighed(faint, faint) == ["its words can hardly be read: contrast 4.4"] * 2


def test_a_withdrawal_longer_than_giving_is_found() -> None:
    one_step = "<button>Use my chats</button><button>Don’t use my chats</button>"
    behind_a_link = "<button>Use my chats</button><a href=/form>Don’t use my chats</a>"
    assert rules(one_step, settings=one_step) == set()
    assert LintRule.longer in rules(one_step, settings=behind_a_link)
    assert LintRule.longer in rules(one_step, settings="<p>Write to us.</p>")
    assert LintRule.longer in rules(one_step, settings=FAIR)


def test_later_is_no_answer() -> None:
    assert LintRule.missing_no in rules("<button>Allow</button><button>Maybe later</button>")


@pytest.mark.parametrize(
    ("label", "answer"),
    [
        ("Use my chats", LabelMeaning.yes),
        ("Accept", LabelMeaning.yes),
        ("Don't use my chats", LabelMeaning.no),
        ("No", LabelMeaning.no),
        ("Not now", LabelMeaning.later),
        ("Decide later", LabelMeaning.later),
        ("I accept the new terms.", LabelMeaning.terms),
        ("Accept the terms and share my chats", LabelMeaning.yes),
        ("Save my answer", LabelMeaning.other),
        ("Use my chats\nNever used for anything else", LabelMeaning.yes),
    ],
)
def test_what_a_label_answers(label: str, answer: LabelMeaning) -> None:
    assert lint.classify_label(label) is answer


@pytest.mark.parametrize(
    ("html", "kind", "label"),
    [
        ("<button value=1>Use my chats</button>", ControlKind.button, "Use my chats"),
        ('<input type=submit value="Use my chats">', ControlKind.button, "Use my chats"),
        ('<button aria-label="Use my chats">X</button>', ControlKind.button, "Use my chats"),
        (
            "<label>Use my chats <input type=radio value=1></label>",
            ControlKind.radio,
            "Use my chats",
        ),
        (
            "<label for=y>Use my chats</label><input type=radio id=y value=1>",
            ControlKind.radio,
            "Use my chats",
        ),
        (
            "<label for=y>Use my chats</label><label><input type=checkbox id=y> or</label>",
            ControlKind.switch,
            "Use my chats",
        ),
        ("<a href=/yes>Use <b>my</b> chats</a>", ControlKind.link, "Use\nmy\nchats"),
        ("<div role=switch>Use my chats</div>", ControlKind.switch, "Use my chats"),
        (
            "<div role=button><script>no()</script>Use my chats</div>",
            ControlKind.button,
            "Use my chats",
        ),
    ],
)
def test_what_a_control_is_called_in_its_markup(html: str, kind: ControlKind, label: str) -> None:
    (found,) = lint.parse_markup(html).controls
    assert (found.kind, found.label) == (kind, label)


@pytest.mark.parametrize(
    "html", ["<input type=radio value=1>", "<input value=yes>", "<a>Use my chats</a>", "<p>Yes"]
)
def test_what_answers_nothing_is_no_control(html: str) -> None:
    assert lint.parse_markup(html).controls == ()


@pytest.mark.parametrize("name", ["strict", "article-2025"])
def test_the_notices_that_ship_pass(name: str) -> None:
    policy = preset(name)
    documents = [
        notice.fill(source, policy) for source in notice.list_shipped_sources(policy, ["en"])
    ]
    assert len(documents) == 2
    assert [lint.lint_source(document) for document in documents] == [[], []]


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("no", "Maybe another time", LintRule.missing_no),
        ("yes", "Perhaps so", LintRule.wording),
        (
            "no",
            (
                "Do not disable the improvement of models with what I say here, now and in all "
                "years to come"
            ),
            LintRule.unequal,
        ),
        ("terms", "I accept the terms, and my chats may be used.", LintRule.bundled),
        ("title", "Only 3 days left", LintRule.countdown),
        (
            "question",
            "May we not stop improving our models with your chats, and never disable it?",
            LintRule.wording,
        ),
    ],
)
def test_a_source_that_presses_is_found(key: str, value: str, rule: LintRule) -> None:
    policy = preset("article-2025")
    lines = notice.fill(notice.list_shipped_sources(policy, ["en"])[0], policy).splitlines()
    lines = [f'{key}: "{value}"' if line.startswith(f"{key}: ") else line for line in lines]
    assert rule in {finding.rule for finding in lint.lint_source("\n".join(lines) + "\n")}


STRICT = preset("strict")


def filled(policy: Policy, *changes: tuple[str, str]) -> str:
    """A notice that ships for the policy, with changes in its source."""
    document = notice.fill(notice.list_shipped_sources(policy, ["en"])[0], policy)
    for was, by in changes:
        assert was in document
        document = document.replace(was, by, 1)
    return document


def bundles(document: str, policy: Policy | None = None) -> list[str]:
    found = lint.lint_source(document, policy)
    assert {finding.rule for finding in found} <= {LintRule.bundled_purposes}
    return [f"{finding.place}: {finding.message}" for finding in found]


def test_one_question_for_what_a_policy_asks_apart_is_bundled() -> None:
    one = from_document(
        {**STRICT.document(), "choice": {"covers": ["improve_models", "safety_classifiers"]}}
    )
    (found,) = bundles(filled(one))
    assert found.startswith(
        "question: the policy asks models, safety apart, and the notice asks them as one: "
    )
    assert found.endswith("(GDPR recital 43; EDPB guidelines 05/2020, 3.1.3)")
    assert bundles(filled(one), one) == [], "a policy that asks one thing is asked in one"
    assert bundles(filled(STRICT), STRICT) == []


def test_a_question_of_several_that_covers_several_purposes_is_bundled() -> None:
    asks = [
        {"question": "models", "covers": ["improve_models", "research"]},
        {"question": "safety", "covers": ["safety_classifiers"]},
    ]
    policy = from_document({**STRICT.document(), "choice": asks})
    (found,) = bundles(filled(policy), policy)
    assert found.startswith(
        "question.models: one answer is for improve_models and research: ask each by itself"
    )


@pytest.mark.parametrize(
    ("was", "by", "found"),
    [
        ("to improve our models?", "to improve our models and to recognise misuse?", "question: "),
        ("to improve our models?", "to improve our models and show you better ads?", "question: "),
        (
            "to improve our models?",
            "to train our assistant and share them with partners?",
            "question: ",
        ),
        ("yes: Use my chats", "yes: Use my chats for training models and for research", "yes: "),
        ("to improve our models?", "to train and improve our models?", ""),
        ("to improve our models?", "to develop AI products and build better models?", ""),
    ],
)
def test_words_that_ask_for_several_purposes_at_once_are_bundled(
    was: str, by: str, found: str
) -> None:
    messages = bundles(
        filled(
            preset("article-2025"),
            (was, by),
            ("no: Don’t use my chats", "no: Don’t use my chats at all"),
        )
    )
    assert [message[: len(found)] for message in messages] == ([found] if found else [])


def test_a_control_that_answers_for_several_purposes_is_bundled() -> None:
    assert LintRule.bundled_purposes not in rules(FAIR)
    many = FAIR.replace("> Use my chats<", "> Use my chats to improve models and recognise misuse<")
    assert rules(many) == {LintRule.bundled_purposes}
    apart = FAIR + FAIR.replace("to improve our models", "to recognise misuse")
    assert rules(apart) == set()


def test_a_finding_names_rule_place_and_mend() -> None:
    assert str(LintFinding(LintRule.missing_no, "the page", "why")) == "missing_no: the page: why"


def test_an_address_is_looked_at_in_a_browser_and_what_cannot_be_looked_at_is_said(
    tmp_path: Path,
) -> None:
    pytest.importorskip("playwright", reason="no browser library")
    nowhere = {"CHROMIUM": str(tmp_path / "no browser")}
    with pytest.raises(UsageError, match="the page cannot be shown"):
        rendered_page.lint_notice("https://privacy.example.org/notice", None, nowhere)
    with pytest.raises(UsageError, match="cannot be read"):
        rendered_page.lint_notice(str(tmp_path / "no page.html"), None, nowhere)
    page = tmp_path / "page.html"
    page.write_text(FAIR, encoding="utf-8")
    assert rendered_page.lint_notice(str(page), None, nowhere) == []
    with pytest.raises(UsageError, match="the page cannot be shown"):
        rendered_page.lint_notice(str(page), "http://privacy.example.org/settings", nowhere)

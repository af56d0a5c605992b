"""Linter for consent notices and pages: `licet notice lint`.

It reports preselected choices, answers of unequal weight (size, contrast, order, steps), a missing
no, countdowns, double negatives, terms and choice in one control, several purposes under one
answer, and a withdrawal that takes more steps than consent.

The same rules apply to a notice's source (its words), a page's markup (controls and what is
checked), and a page measured in a browser (`consent.rendered_page`: sizes, colours, positions,
movement). Sources: EDPB guidelines 03/2022, 11 CCR 7004, Court of Justice C-673/17 (Planet49); for
purposes, recital 43 of the GDPR and EDPB guidelines 05/2020, section 3.1.3 (granularity). It finds
what can be measured and replaces no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from html.parser import HTMLParser

import msgspec

from licet.consent import dark_patterns, markdown, notice
from licet.consent.language_tags import ENGLISH
from licet.consent.notice import QuestionWords
from licet.policy.file import PRESETS, Policy, preset

RATIO_MAX = 1.15
CONTRAST_RATIO_MAX = 1.25
CONTRAST_MIN = 4.5


class LintRule(StrEnum):
    preselected = "preselected"
    unequal = "unequal"
    missing_no = "missing_no"
    countdown = "countdown"
    wording = "wording"
    bundled = "bundled"
    bundled_purposes = "bundled_purposes"
    longer = "longer"


class LintFinding(msgspec.Struct, frozen=True, order=True):
    """A violation, its place and the fix."""

    rule: LintRule
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule.value}: {self.place}: {self.message}"


class LabelMeaning(StrEnum):
    """The meaning of a control's label."""

    yes = "yes"
    no = "no"
    later = "later"
    terms = "terms"
    other = "other"


class ControlKind(StrEnum):
    button = "button"
    link = "link"
    radio = "radio"
    switch = "switch"


class ControlLooks(msgspec.Struct, frozen=True, kw_only=True):
    """A control's measures in CSS pixels; contrasts are WCAG ratios of its text and its surface."""

    left: float
    top: float
    width: float
    height: float
    font_size: float
    font_weight: float
    text_contrast: float
    surface_contrast: float


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """A control. ``style`` is its class and style in the markup; ``looks`` is None if it was not
    measured.
    """

    kind: ControlKind
    label: str
    checked: bool = False
    style: str = ""
    looks: ControlLooks | None = None


class RenderedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page to lint. ``moving`` are texts that changed without interaction."""

    controls: tuple[Control, ...]
    text: str
    timers: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()


_ABOUT = re.compile(
    r"\b(chats?|conversations?|train(?:ing)?|improve|models?|data|share|sharing|personali[sz]\w*|cookies?)\b",
    re.I,
)
_LATER = re.compile(r"\b(later|not now|remind|skip|dismiss|close|maybe)\b|^[×x✕]$", re.I)
_NO = re.compile(
    r"\b(no|do ?n[o’']t|don[’']t|never|decline|refuse|reject|disagree|opt[- ]out|deny)\b", re.I
)
_YES = re.compile(
    r"\b(yes|use|allow|accept|agree|consent|share|help|improve|opt[- ]in|enable|turn on|continue|got it|ok(?:ay)?)\b",
    re.I,
)
_TERMS = re.compile(r"\b(terms|policy|conditions)\b", re.I)


def classify_label(label: str) -> LabelMeaning:
    """The meaning of a label, by its first words."""
    first = label.strip().split("\n", 1)[0][:80]
    if _LATER.search(first):
        return LabelMeaning.later
    if _NO.search(first):
        return LabelMeaning.no
    if _TERMS.search(first) and not _ABOUT.search(first):
        return LabelMeaning.terms
    return LabelMeaning.yes if _YES.search(first) else LabelMeaning.other


GRANULARITY = "GDPR recital 43; EDPB guidelines 05/2020, 3.1.3"
# Purposes in the words of notices: one answer must not cover two of them.
_PURPOSES = {
    "models": re.compile(
        r"\b(?:improv|train|develop|build)\w*\b[^.?!]{0,40}\b(?:models?|assistant|AI|products?)\b",
        re.I,
    ),
    "misuse": re.compile(r"\b(?:misuse|abuse|fraud|scams?|spam|safety|security)\b", re.I),
    "personalisation": re.compile(r"\bpersonali[sz]\w*\b", re.I),
    "advertising": re.compile(r"\b(?:ads?|advert\w*|marketing)\b", re.I),
    "others": re.compile(r"\b(?:partners?|third[- ]part(?:y|ies)|sell\w*)\b", re.I),
    "research": re.compile(r"\bresearch\w*\b", re.I),
}


def lint_source(document: str, policy: Policy | None = None) -> list[LintFinding]:
    """Lints a notice's source; InputError if it is malformed.

    ``policy`` is the one it asks about, by default the preset that it names, if it names one.
    """
    text = notice.parse_notice(document)
    words = {
        "title": text.title,
        "terms": text.terms,
        "later": text.later,
        "body": markdown.plain(text.body),
    }
    words |= {name: markdown.plain(line) for name, line in text.gist}
    findings: list[LintFinding] = []
    for all_word in text.all_words:
        words |= {_key(key, all_word): getattr(all_word, key) for key in notice.WORDS}
        findings += _check_lengths(all_word)
        findings += _check_question(all_word) if text.language == ENGLISH else ()
    findings += [
        LintFinding(_rule_of_fault(fault), key, fault)
        for key, value in words.items()
        for fault in dark_patterns.find_faults(value, language=text.language)
    ]
    if text.language == ENGLISH and _ABOUT.search(text.terms):
        findings.append(
            LintFinding(
                LintRule.bundled,
                "terms",
                "accepting the terms speaks of the choice too: ask it apart",
            )
        )
    if policy is None and text.policy in PRESETS:
        policy = preset(text.policy)
    findings += _check_bundling(policy, text) if policy is not None else ()
    return sorted(set(findings))


def _key(key: str, words: QuestionWords) -> str:
    return f"{key}.{words.name}" if words.name else key


def _check_question(words: QuestionWords) -> Iterator[LintFinding]:
    """Lints the words of an English notice; the patterns are English."""
    if classify_label(words.yes) is not LabelMeaning.yes:
        yield LintFinding(
            LintRule.wording, _key("yes", words), f"`{words.yes}` does not say yes in plain words"
        )
    if classify_label(words.no) is not LabelMeaning.no:
        yield LintFinding(
            LintRule.missing_no, _key("no", words), f"`{words.no}` does not say no in plain words"
        )
    for key in ("question", "yes"):
        yield from _check_purposes(_key(key, words), getattr(words, key))


def _check_lengths(words: QuestionWords) -> Iterator[LintFinding]:
    if is_unequal(words.yes, words.no):
        yield LintFinding(
            LintRule.unequal, _key("yes and no", words), "one answer is much longer than the other"
        )


def is_unequal(yes: str, no: str) -> bool:
    """Whether one of two answers is much longer than the other."""
    longer, shorter = sorted((len(yes), len(no)), reverse=True)
    return longer > 2 * shorter + 8


def _check_purposes(place: str, words: str) -> Iterator[LintFinding]:
    """One answer for several purposes, by its words."""
    named = [name for name, pattern in _PURPOSES.items() if pattern.search(words)]
    if len(named) > 1:
        yield _bundled_finding(place, f"one answer is for several purposes ({', '.join(named)})")


def _check_bundling(policy: Policy, text: notice.Text) -> Iterator[LintFinding]:
    """Bundling against the policy: purposes that it asks about in separate questions."""
    if len(policy.asks) == 1:
        return
    if not text.asks:
        yield _bundled_finding(
            "question",
            f"the policy asks {', '.join(policy.asks)} apart, and the notice asks them as one",
        )
    for question in policy.questions:
        if len(question.covers) > 1:
            yield _bundled_finding(
                f"question.{question.question}",
                f"one answer is for {' and '.join(sorted(question.covers))}",
            )


def _bundled_finding(place: str, subject: str) -> LintFinding:
    return LintFinding(
        LintRule.bundled_purposes, place, f"{subject}: ask each by itself ({GRANULARITY})"
    )


def parse_markup(html: str) -> RenderedPage:
    """Parses the controls and text of a page."""
    parser = _Reader()
    parser.feed(html)
    parser.close()
    return parser.page()


def lint_page(page: RenderedPage, *, settings: RenderedPage | None = None) -> list[LintFinding]:
    """Lints a page; with ``settings``, also whether withdrawing there takes more steps than
    consenting here.
    """
    findings = [
        LintFinding(_rule_of_fault(fault), "the page", fault)
        for fault in dark_patterns.find_faults(page.text)
    ]
    findings += [
        LintFinding(LintRule.countdown, timer, "a countdown presses people: remove it")
        for timer in (*page.timers, *page.moving)
    ]
    findings += _check_preselected(page)
    findings += _check_answers(page)
    for control in page.controls:
        if classify_label(control.label) is LabelMeaning.yes:
            findings += _check_purposes(
                _control_name(control), control.label.strip().split("\n", 1)[0]
            )
    if settings is not None:
        giving = count_steps(page, LabelMeaning.yes)
        leaving = count_steps(settings, LabelMeaning.no)
        if leaving is None or (giving is not None and leaving > giving):
            took = "cannot be done there" if leaving is None else f"takes {leaving} steps"
            findings.append(
                LintFinding(
                    LintRule.longer,
                    "the settings",
                    f"withdrawing {took}, and giving takes {giving}",
                )
            )
    return sorted(set(findings))


def count_steps(page: RenderedPage, answer: LabelMeaning) -> int | None:
    """How many steps an answer takes: one for a button, two for a radio and a button, more behind a
    link.
    """
    cost = {ControlKind.button: 1, ControlKind.radio: 2, ControlKind.switch: 2, ControlKind.link: 3}
    return min(
        (cost[c.kind] for c in page.controls if classify_label(c.label) is answer), default=None
    )


def _check_preselected(page: RenderedPage) -> Iterator[LintFinding]:
    for control in page.controls:
        if control.checked and classify_label(control.label) is not LabelMeaning.later:
            yield LintFinding(
                LintRule.preselected,
                _control_name(control),
                "it is preselected: leave both answers open",
            )


def _check_answers(page: RenderedPage) -> Iterator[LintFinding]:
    yes = [c for c in page.controls if classify_label(c.label) is LabelMeaning.yes]
    no = [c for c in page.controls if classify_label(c.label) is LabelMeaning.no]
    later = [c for c in page.controls if classify_label(c.label) is LabelMeaning.later]
    if not yes and not no:
        yield LintFinding(
            LintRule.missing_no, "the page", "it asks nothing: there is neither a yes nor a no"
        )
        return
    if not no:
        beside = " `later` is no answer" if later else ""
        yield LintFinding(LintRule.missing_no, "the page", f"there is a yes and no `no`.{beside}")
        for other in later:
            yield from _check_weight(next((c for c in yes if c.kind is other.kind), yes[0]), other)
    if (
        yes
        and not no
        and any(c.kind is ControlKind.switch for c in yes)
        and any(c.kind is ControlKind.button for c in yes)
    ):
        yield LintFinding(
            LintRule.bundled,
            _control_name(yes[0]),
            "one button accepts the terms and takes the setting with it",
        )
    for one, other in zip(yes, no, strict=False):
        yield from _check_weight(one, other)
    giving, leaving = count_steps(page, LabelMeaning.yes), count_steps(page, LabelMeaning.no)
    if giving is not None and leaving is not None and leaving > giving:
        yield LintFinding(
            LintRule.longer, _control_name(no[0]), f"a no takes {leaving} steps, a yes {giving}"
        )


def _check_weight(yes: Control, no: Control) -> Iterator[LintFinding]:
    """Each way in which one answer weighs more than the other."""
    place = f"{_control_name(yes)} and {_control_name(no)}"
    if yes.kind is not no.kind:
        yield LintFinding(
            LintRule.unequal, place, f"one is a {yes.kind.value}, the other a {no.kind.value}"
        )
    if yes.looks is None or no.looks is None:
        if yes.style != no.style:
            yield LintFinding(LintRule.unequal, place, "they are styled apart in the markup")
        return
    a, b = yes.looks, no.looks
    for measure, one, other, ratio_max in (
        ("area", a.width * a.height, b.width * b.height, RATIO_MAX),
        ("type size", a.font_size, b.font_size, 1.01),
        ("type weight", a.font_weight, b.font_weight, 1.01),
        ("contrast of the words", a.text_contrast, b.text_contrast, CONTRAST_RATIO_MAX),
        ("contrast of the surface", a.surface_contrast, b.surface_contrast, CONTRAST_RATIO_MAX),
    ):
        if max(one, other) > ratio_max * max(min(one, other), 0.01):
            yield LintFinding(LintRule.unequal, place, f"{measure}: {one:.4g} against {other:.4g}")
    for control, looks in ((yes, a), (no, b)):
        if looks.text_contrast < CONTRAST_MIN:
            yield LintFinding(
                LintRule.unequal,
                _control_name(control),
                f"its words can hardly be read: contrast {looks.text_contrast:.1f}",
            )
    apart = abs(a.top - b.top)
    if apart > 1 and abs(a.left - b.left) > 1:
        yield LintFinding(
            LintRule.unequal, place, "order: they stand neither in one row nor in one column"
        )
    elif apart > 2 * max(a.height, b.height) + 48:
        yield LintFinding(LintRule.unequal, place, "order: one stands far below the other")


def _control_name(control: Control) -> str:
    return f"`{' '.join(control.label.split())[:40]}`"


def _rule_of_fault(fault: str) -> LintRule:
    return LintRule.countdown if fault.startswith("a countdown") else LintRule.wording


_SILENT = frozenset({"script", "style", "template", "noscript", "head"})
_TIMER = re.compile(r"\b(countdown|timer)\b", re.I)
_VOID = frozenset({"input", "br", "img", "link", "meta", "hr"})


class _Reader(HTMLParser):
    """Collects controls and words from markup."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._controls: list[tuple[ControlKind, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self._labels: dict[str, list[str]] = {}
        self._words: list[str] = []
        self._timers: list[str] = []
        self._silent = 0

    def _open_tag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag in _SILENT:
            self._silent += 1
        if (
            at.get("role") == "timer"
            or tag == "progress"
            or _TIMER.search(f"{at.get('class', '')} {at.get('id', '')}")
        ):
            self._timers.append(f"<{tag}>")
        words: list[str] = []
        if tag == "label":
            self._labels.setdefault(at.get("for", ""), words) if at.get("for") else None
        kind = _control_kind(tag, at)
        if kind is not None:
            inside = next((w for t, _, w in reversed(self._open) if t == "label"), None)
            self._controls.append(
                (kind, at, words if tag != "input" else inside if inside is not None else words)
            )
        if tag not in _VOID:
            self._open.append((tag, at, words))

    def _close_tag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        while any(t == tag for t, _, _ in self._open):
            if self._open.pop()[0] == tag:
                break

    def _add_text(self, data: str) -> None:
        if self._silent or not data.strip():
            return
        self._words.append(" ".join(data.split()))
        for _, _, words in self._open:
            words.append(" ".join(data.split()))

    handle_starttag, handle_endtag, handle_data = _open_tag, _close_tag, _add_text

    def page(self) -> RenderedPage:
        controls = []
        for kind, at, words in self._controls:
            named = self._labels.get(at.get("id", ""), words)
            label = at.get("aria-label") or (
                at.get("value", "")
                if kind is ControlKind.button and not named
                else "\n".join(named)
            )
            if label.strip():
                checked = "checked" in at or at.get("aria-checked") == "true"
                style = (
                    ""
                    if kind in (ControlKind.radio, ControlKind.switch)
                    else f"{at.get('class', '')}|{at.get('style', '')}"
                )
                controls.append(Control(kind=kind, label=label, checked=checked, style=style))
        return RenderedPage(
            controls=tuple(controls), text=". ".join(self._words), timers=tuple(self._timers)
        )


def _control_kind(tag: str, attributes: dict[str, str]) -> ControlKind | None:
    role, sort = attributes.get("role", ""), attributes.get("type", "text")
    if sort == "radio" or role == "radio":
        return ControlKind.radio
    if role in ("switch", "checkbox") or (tag == "input" and sort == "checkbox"):
        return ControlKind.switch
    if tag == "button" or role == "button" or (tag == "input" and sort in ("submit", "button")):
        return ControlKind.button
    return ControlKind.link if tag == "a" and "href" in attributes else None


def format_findings(findings: Sequence[LintFinding]) -> str:
    """The findings, one a line, and how many."""
    count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    return "\n".join([*map(str, findings), count])

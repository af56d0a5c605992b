"""Holds a notice or a page of a choice against what makes a choice free: `licet notice lint`.

It fails a choice that is made already, answers of unequal weight (size, contrast, order, steps), a missing no, a
countdown, double negatives, terms and choice in one control, and a withdrawal that takes longer than giving.

Three depths, the same judgement: a notice's source (its words), a page's markup (what is checked, which kinds of
controls), and the page as a browser shows it (`consent.rendered`: sizes, colours, places, what moves). Sources:
EDPB guidelines 03/2022, 11 CCR 7004, Court of Justice C-673/17 (Planet49). It finds what can be measured; that it
finds nothing is no opinion of counsel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from html.parser import HTMLParser

import msgspec

from licet.consent import markdown, notice, wording

RATIO_MAX = 1.15
CONTRAST_RATIO_MAX = 1.25
CONTRAST_MIN = 4.5


class Rule(StrEnum):
    preselected = "preselected"
    unequal = "unequal"
    missing_no = "missing_no"
    countdown = "countdown"
    wording = "wording"
    bundled = "bundled"
    longer = "longer"


class Finding(msgspec.Struct, frozen=True, order=True):
    """What is wrong, where, and the mend."""

    rule: Rule
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule.value}: {self.place}: {self.message}"


class Says(StrEnum):
    """What a control answers."""

    yes = "yes"
    no = "no"
    later = "later"
    terms = "terms"
    other = "other"


class Kind(StrEnum):
    button = "button"
    link = "link"
    radio = "radio"
    switch = "switch"


class Looks(msgspec.Struct, frozen=True, kw_only=True):
    """How a control stands on the page, in CSS pixels; contrasts are WCAG's ratios of text and of its surface."""

    left: float
    top: float
    width: float
    height: float
    font_size: float
    font_weight: float
    text_contrast: float
    surface_contrast: float


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """Something that answers. ``style`` is its class and style in the markup; ``looks`` None where unmeasured."""

    kind: Kind
    label: str
    checked: bool = False
    style: str = ""
    looks: Looks | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to judge. ``moving`` are texts that changed while nobody touched the page."""

    controls: tuple[Control, ...]
    text: str
    timers: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()


_ABOUT = re.compile(
    r"\b(chats?|conversations?|train(?:ing)?|improve|models?|data|share|sharing|personali[sz]\w*|cookies?)\b", re.I
)
_LATER = re.compile(r"\b(later|not now|remind|skip|dismiss|close|maybe)\b|^[×x✕]$", re.I)
_NO = re.compile(r"\b(no|do ?n[o’']t|don[’']t|never|decline|refuse|reject|disagree|opt[- ]out|deny)\b", re.I)
_YES = re.compile(
    r"\b(yes|use|allow|accept|agree|consent|share|help|improve|opt[- ]in|enable|turn on|continue|got it|ok(?:ay)?)\b",
    re.I,
)
_TERMS = re.compile(r"\b(terms|policy|conditions)\b", re.I)


def says(label: str) -> Says:
    """What a control with this label answers, by its first words: what follows them explains."""
    first = label.strip().split("\n", 1)[0][:80]
    if _LATER.search(first):
        return Says.later
    if _NO.search(first):
        return Says.no
    if _TERMS.search(first) and not _ABOUT.search(first):
        return Says.terms
    return Says.yes if _YES.search(first) else Says.other


def source(document: str) -> list[Finding]:
    """What is wrong with a notice's source; InputError where it is none."""
    text = notice.read(document)
    words = {
        "title": text.title, "terms": text.terms, "question": text.question, "yes": text.yes, "no": text.no,
        "later": text.later, "body": markdown.plain(text.body),
    }  # fmt: skip
    found = [Finding(_rule(fault), key, fault) for key, value in words.items() for fault in wording.faults(value)]
    if says(text.yes) is not Says.yes:
        found.append(Finding(Rule.wording, "yes", f"`{text.yes}` does not say yes in plain words"))
    if says(text.no) is not Says.no:
        found.append(Finding(Rule.missing_no, "no", f"`{text.no}` does not say no in plain words"))
    longer, shorter = sorted((len(text.yes), len(text.no)), reverse=True)
    if longer > 2 * shorter + 8:
        found.append(Finding(Rule.unequal, "yes and no", "one answer is much longer than the other"))
    if _ABOUT.search(text.terms):
        found.append(Finding(Rule.bundled, "terms", "accepting the terms speaks of the choice too: ask it apart"))
    return sorted(found)


def markup(html: str) -> Page:
    """A page as its markup says it is."""
    parser = _Reader()
    parser.feed(html)
    parser.close()
    return parser.page()


def judge(page: Page, *, settings: Page | None = None) -> list[Finding]:
    """What is wrong with a page; with ``settings``, also whether withdrawing there takes longer than giving here."""
    found = [Finding(_rule(fault), "the page", fault) for fault in wording.faults(page.text)]
    found += [Finding(Rule.countdown, timer, "a clock presses: take it out") for timer in (*page.timers, *page.moving)]
    found += _preselected(page)
    found += _answers(page)
    if settings is not None:
        giving, leaving = steps(page, Says.yes), steps(settings, Says.no)
        if leaving is None or (giving is not None and leaving > giving):
            took = "cannot be done there" if leaving is None else f"takes {leaving} steps"
            found.append(Finding(Rule.longer, "the settings", f"withdrawing {took}, and giving takes {giving}"))
    return sorted(set(found))


def steps(page: Page, answer: Says) -> int | None:
    """How many acts an answer takes: one for a button, two for a mark and a button, more behind a link."""
    cost = {Kind.button: 1, Kind.radio: 2, Kind.switch: 2, Kind.link: 3}
    return min((cost[c.kind] for c in page.controls if says(c.label) is answer), default=None)


def _preselected(page: Page) -> Iterator[Finding]:
    for control in page.controls:
        if control.checked and says(control.label) is not Says.later:
            yield Finding(Rule.preselected, _name(control), "it is on before anybody chose: leave both answers open")


def _answers(page: Page) -> Iterator[Finding]:
    yes = [c for c in page.controls if says(c.label) is Says.yes]
    no = [c for c in page.controls if says(c.label) is Says.no]
    later = [c for c in page.controls if says(c.label) is Says.later]
    if not yes and not no:
        yield Finding(Rule.missing_no, "the page", "it asks nothing: there is neither a yes nor a no")
        return
    if not no:
        beside = " `later` is no answer" if later else ""
        yield Finding(Rule.missing_no, "the page", f"there is a yes and no `no`.{beside}")
        for other in later:
            yield from _unequal(next((c for c in yes if c.kind is other.kind), yes[0]), other)
    if yes and not no and any(c.kind is Kind.switch for c in yes) and any(c.kind is Kind.button for c in yes):
        yield Finding(Rule.bundled, _name(yes[0]), "one button accepts the terms and takes the setting with it")
    for one, other in zip(yes, no, strict=False):
        yield from _unequal(one, other)
    giving, leaving = steps(page, Says.yes), steps(page, Says.no)
    if giving is not None and leaving is not None and leaving > giving:
        yield Finding(Rule.longer, _name(no[0]), f"a no takes {leaving} steps, a yes {giving}")


def _unequal(yes: Control, no: Control) -> Iterator[Finding]:
    """Each way in which one answer weighs more than the other."""
    place = f"{_name(yes)} and {_name(no)}"
    if yes.kind is not no.kind:
        yield Finding(Rule.unequal, place, f"one is a {yes.kind.value}, the other a {no.kind.value}")
    if yes.looks is None or no.looks is None:
        if yes.style != no.style:
            yield Finding(Rule.unequal, place, "they are styled apart in the markup")
        return
    a, b = yes.looks, no.looks
    for what, one, other, most in (
        ("area", a.width * a.height, b.width * b.height, RATIO_MAX),
        ("type size", a.font_size, b.font_size, 1.01),
        ("type weight", a.font_weight, b.font_weight, 1.01),
        ("contrast of the words", a.text_contrast, b.text_contrast, CONTRAST_RATIO_MAX),
        ("contrast of the surface", a.surface_contrast, b.surface_contrast, CONTRAST_RATIO_MAX),
    ):
        if max(one, other) > most * max(min(one, other), 0.01):
            yield Finding(Rule.unequal, place, f"{what}: {one:.4g} against {other:.4g}")
    for control, looks in ((yes, a), (no, b)):
        if looks.text_contrast < CONTRAST_MIN:
            yield Finding(
                Rule.unequal, _name(control), f"its words can hardly be read: contrast {looks.text_contrast:.1f}"
            )
    apart = abs(a.top - b.top)
    if apart > 1 and abs(a.left - b.left) > 1:
        yield Finding(Rule.unequal, place, "order: they stand neither in one row nor in one column")
    elif apart > 2 * max(a.height, b.height) + 48:
        yield Finding(Rule.unequal, place, "order: one stands far below the other")


def _name(control: Control) -> str:
    return f"`{' '.join(control.label.split())[:40]}`"


def _rule(fault: str) -> Rule:
    return Rule.countdown if fault.startswith("a countdown") else Rule.wording


_SILENT = frozenset({"script", "style", "template", "noscript", "head"})
_TIMER = re.compile(r"\b(countdown|timer)\b", re.I)
_VOID = frozenset({"input", "br", "img", "link", "meta", "hr"})


class _Reader(HTMLParser):
    """Collects controls and words from markup."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._controls: list[tuple[Kind, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self._labels: dict[str, list[str]] = {}
        self._words: list[str] = []
        self._timers: list[str] = []
        self._silent = 0

    def _begun(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag in _SILENT:
            self._silent += 1
        if at.get("role") == "timer" or tag == "progress" or _TIMER.search(f"{at.get('class', '')} {at.get('id', '')}"):
            self._timers.append(f"<{tag}>")
        words: list[str] = []
        if tag == "label":
            self._labels.setdefault(at.get("for", ""), words) if at.get("for") else None
        kind = _kind(tag, at)
        if kind is not None:
            inside = next((w for t, _, w in reversed(self._open) if t == "label"), None)
            self._controls.append((kind, at, words if tag != "input" else inside if inside is not None else words))
        if tag not in _VOID:
            self._open.append((tag, at, words))

    def _ended(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        while any(t == tag for t, _, _ in self._open):
            if self._open.pop()[0] == tag:
                break

    def _said(self, data: str) -> None:
        if self._silent or not data.strip():
            return
        self._words.append(" ".join(data.split()))
        for _, _, words in self._open:
            words.append(" ".join(data.split()))

    handle_starttag, handle_endtag, handle_data = _begun, _ended, _said

    def page(self) -> Page:
        controls = []
        for kind, at, words in self._controls:
            named = self._labels.get(at.get("id", ""), words)
            label = at.get("aria-label") or (
                at.get("value", "") if kind is Kind.button and not named else "\n".join(named)
            )
            if label.strip():
                checked = "checked" in at or at.get("aria-checked") == "true"
                style = "" if kind in (Kind.radio, Kind.switch) else f"{at.get('class', '')}|{at.get('style', '')}"
                controls.append(Control(kind=kind, label=label, checked=checked, style=style))
        return Page(controls=tuple(controls), text=". ".join(self._words), timers=tuple(self._timers))


def _kind(tag: str, at: dict[str, str]) -> Kind | None:
    role, sort = at.get("role", ""), at.get("type", "text")
    if sort == "radio" or role == "radio":
        return Kind.radio
    if role in ("switch", "checkbox") or (tag == "input" and sort == "checkbox"):
        return Kind.switch
    if tag == "button" or role == "button" or (tag == "input" and sort in ("submit", "button")):
        return Kind.button
    return Kind.link if tag == "a" and "href" in at else None


def shown_text(findings: Sequence[Finding]) -> str:
    """The findings, one a line, and how many."""
    count = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    return "\n".join([*map(str, findings), count])

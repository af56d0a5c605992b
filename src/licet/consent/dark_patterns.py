"""Dark patterns in words, which no notice and no page of a choice may contain.

Each rule is a pattern with its reason. The sources are the guidelines on deceptive design patterns
of the European Data Protection Board (03/2022) and the rules of the State of California on symmetry
in choice (11 CCR 7004).

The patterns here are English. Another language has a list in ``pressing/TAG.txt``: a reason and a
phrase a line, matched at the beginning of a word, or anywhere in a language without word
separators. A list knows no grammar: a notice in another language needs a human review too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

_NEGATION = r"(?:not|n[’']t|never|without|no longer|cannot|stop|decline to|refuse to)"
_UNDOING = (
    r"(?:opt(?:ing|ed)?[- ](?:(?:me|you|us) )?out"
    r"|disable|disabling|disallow|decline|declining|refuse|refusing|object|objecting|withhold"
    r"|uncheck|untick|deselect|deactivate|turn(?:ing)? off|prevent|unless you don[’']t)"
)

_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "a double negative",
        re.compile(
            rf"\b(?:do|does|did|will|would|could|should|can)?\s?{_NEGATION}\s+(?:\w+\s+){{0,3}}?{_UNDOING}\b",
            re.I,
        ),
    ),
    (
        "a double negative",
        re.compile(rf"\b{_UNDOING}\s+(?:\w+\s+){{0,8}}?(?:not to|from not|to not)\b", re.I),
    ),
    (
        "a countdown",
        re.compile(r"\b\d+\s*(?:seconds?|minutes?|hours?)\s+(?:left|remaining|to go)\b", re.I),
    ),
    ("a countdown", re.compile(r"\bonly\s+\d+\s+\w+\s+(?:left|remaining)\b", re.I)),
    (
        "a countdown",
        re.compile(r"\b(?:hurry|last chance|act now|time is running out|expires? in)\b", re.I),
    ),
    (
        "an answer that shames",
        re.compile(
            r"\bno,?\s+(?:thanks,?\s+)?I\s+(?:don[’']t|do not|prefer|would rather|hate|like being)\b",
            re.I,
        ),
    ),
)


# Promises to remove identifiers, by what keeps them: detectors of names and addresses, or nothing.
_WHAT = (
    r"(?:personal (?:details|data|information)|(?<!user )names?|(?<!mail )(?<!IP )address(?:es)?"
    r"|identif(?!ier)\w+|who (?:you|they) are)"
)
_TAKES = (
    r"(?:remov|stripp?|replac|redact|mask|scrubb?|eras|filter|tak)(?:e|es|ed|ing|en|s)?(?: out)?"
)
_REMOVALS = (
    re.compile(
        rf"\b(?:we|model|rules?|software|system)\b[^.!?]{{0,60}}\b{_TAKES}\b[^.!?]{{0,80}}\b{_WHAT}\b",
        re.I,
    ),
    re.compile(
        rf"\b{_WHAT}\b[^.!?]{{0,60}}\b(?:is|are|get|gets|will be|has been|have been)\s(?:\w+\s)?{_TAKES}\b",
        re.I,
    ),
)
_ANONYMITY = re.compile(
    r"(?<!not )(?<!never )(?<!no longer )\banonym(?:ous(?:ly)?|i[sz]ed?|ity)\b", re.I
)
REMOVED, ANONYMITY = frozenset({"person", "address"}), "anonymity"


def find_removal_promises(text: str) -> dict[str, frozenset[str]]:
    """The promises of a text to remove identifiers, each with the finder that it needs; none makes
    a text anonymous.
    """
    promises = {
        " ".join(match[0].split()): REMOVED
        for pattern in _REMOVALS
        for match in pattern.finditer(text)
    }
    return promises | {match[0]: frozenset({ANONYMITY}) for match in _ANONYMITY.finditer(text)}


REASONS = {
    "countdown": "a countdown",
    "shame": "an answer that shames",
    "push": "an answer that is pushed",
}
# no blanks between words, or particles joined to them
_UNPARTED = frozenset({"ar", "he", "hi", "ja", "ko", "zh-Hans"})


def find_faults(*texts: str, language: str = "en") -> list[str]:
    """Each dark pattern in the texts, with the words."""
    return [f"{reason}: `{words}`" for text in texts for reason, words in _find(text, language)]


def covered_languages() -> frozenset[str]:
    """The languages with patterns or a list."""
    return frozenset(
        {
            "en",
            *(
                file.name.removesuffix(".txt")
                for file in (files("licet.consent") / "pressing").iterdir()
            ),
        }
    )


@cache
def rules(language: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The patterns of a language with their reasons; empty without a list."""
    if language == "en":
        return _RULES
    if language not in covered_languages():
        return ()
    lines = (
        (files("licet.consent") / "pressing" / f"{language}.txt")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    phrases = [line.partition(": ") for line in lines if line.strip() and not line.startswith("#")]
    begins = "" if language in _UNPARTED else r"(?<!\w)"
    return tuple(
        (REASONS[reason], re.compile(begins + _phrase(phrase), re.I))
        for reason, _, phrase in phrases
    )


def _phrase(phrase: str) -> str:
    """The pattern of a phrase: any white space for a blank, a number for ``#``."""
    return r"\s+".join(re.escape(word).replace(r"\#", r"\d+") for word in phrase.split())


def _find(text: str, language: str) -> Iterator[tuple[str, str]]:
    for reason, pattern in rules(language):
        for match in pattern.finditer(text):
            yield reason, " ".join(match[0].split())

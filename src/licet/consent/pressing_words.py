"""Words that press: what no notice and no page of a choice may say.

Each rule is a pattern with its reason. The sources are the guidelines on deceptive design patterns of the European
Data Protection Board (03/2022) and the rules of the State of California on symmetry in choice (11 CCR 7004).
The patterns are English; a notice in another language needs its own eyes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NEGATION = r"(?:not|n[’']t|never|without|no longer|cannot|stop|decline to|refuse to)"
_UNDOING = (
    r"(?:opt(?:ing|ed)?[- ](?:(?:me|you|us) )?out"
    r"|disable|disabling|disallow|decline|declining|refuse|refusing|object|objecting|withhold"
    r"|uncheck|untick|deselect|deactivate|turn(?:ing)? off|prevent|unless you don[’']t)"
)

_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "a double negative",
        re.compile(rf"\b(?:do|does|did|will|would|could|should|can)?\s?{_NEGATION}\s+(?:\w+\s+){{0,3}}?{_UNDOING}\b", re.I),
    ),
    ("a double negative", re.compile(rf"\b{_UNDOING}\s+(?:\w+\s+){{0,8}}?(?:not to|from not|to not)\b", re.I)),
    ("a countdown", re.compile(r"\b\d+\s*(?:seconds?|minutes?|hours?)\s+(?:left|remaining|to go)\b", re.I)),
    ("a countdown", re.compile(r"\bonly\s+\d+\s+\w+\s+(?:left|remaining)\b", re.I)),
    ("a countdown", re.compile(r"\b(?:hurry|last chance|act now|time is running out|expires? in)\b", re.I)),
    (
        "an answer that shames",
        re.compile(r"\bno,?\s+(?:thanks,?\s+)?I\s+(?:don[’']t|do not|prefer|would rather|hate|like being)\b", re.I),
    ),
)  # fmt: skip


# Promises to take out what identifies, by whom they are kept: detectors of names and addresses, or nobody.
_WHAT = (
    r"(?:personal (?:details|data|information)|(?<!user )names?|(?<!mail )(?<!IP )address(?:es)?"
    r"|identif(?!ier)\w+|who (?:you|they) are)"
)
_TAKES = r"(?:remov|stripp?|replac|redact|mask|scrubb?|eras|filter|tak)(?:e|es|ed|ing|en|s)?(?: out)?"
_REMOVALS = (
    re.compile(rf"\b(?:we|model|rules?|software|system)\b[^.!?]{{0,60}}\b{_TAKES}\b[^.!?]{{0,80}}\b{_WHAT}\b", re.I),
    re.compile(
        rf"\b{_WHAT}\b[^.!?]{{0,60}}\b(?:is|are|get|gets|will be|has been|have been)\s(?:\w+\s)?{_TAKES}\b", re.I
    ),
)
_ANONYMITY = re.compile(r"(?<!not )(?<!never )(?<!no longer )\banonym(?:ous(?:ly)?|i[sz]ed?|ity)\b", re.I)
REMOVED, ANONYMITY = frozenset({"person", "address"}), "anonymity"


def removals(text: str) -> dict[str, frozenset[str]]:
    """Each promise of a text to take out what identifies, with what must look for it; nothing makes a text anonymous."""
    found = {" ".join(match[0].split()): REMOVED for pattern in _REMOVALS for match in pattern.finditer(text)}
    return found | {match[0]: frozenset({ANONYMITY}) for match in _ANONYMITY.finditer(text)}


def faults(*texts: str) -> list[str]:
    """Each place where a text presses, with the words."""
    return [f"{reason}: `{words}`" for text in texts for reason, words in _found(text)]


def _found(text: str) -> Iterator[tuple[str, str]]:
    for reason, pattern in _RULES:
        for match in pattern.finditer(text):
            yield reason, " ".join(match[0].split())

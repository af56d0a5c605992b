"""Documents for the tests of curation: made of drawn words, with copies of them that are exact,
alike or not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from random import Random

from licet.curate import deidentify, rule_cleaner
from licet.curate.detect import DetectedSpan, merge_spans
from licet.curate.rules import NAMED
from licet.curate.rules import IdentifierKind as Kind_
from licet.policy.state import ConversationKind
from licet.release.curation import CleanedTexts, Document, Voice

KEY = bytes(range(32))
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_RANDOM = Random(7)
VOCABULARY = ["".join(_RANDOM.choices(_LETTERS, k=_RANDOM.randint(2, 9))) for _ in range(20_000)]


class Cleaner:
    """The structured layer, as a release uses it."""

    rules = "licet-rules"
    sha256 = "a" * 64

    def clean(self, texts: Sequence[str], key: bytes) -> CleanedTexts:
        return self.clean_named(texts, key, None)

    def clean_named(
        self, texts: Sequence[str], key: bytes, names: Sequence[Sequence[DetectedSpan]] | None
    ) -> CleanedTexts:
        return rule_cleaner.apply_replacements(
            texts, deidentify.substitutions(texts, key, names=names)
        )


SURE = 0.5


class Words:
    """A detector that knows these words and no others."""

    name = "words"

    def __init__(self, *known: tuple[str, Kind_, float]) -> None:
        self.known, self.asked = known, []
        self.sha256 = sha256(repr(known).encode()).hexdigest()

    def detect(
        self, texts: Sequence[str], kinds: Sequence[Kind_] = NAMED
    ) -> list[list[DetectedSpan]]:
        self.asked += texts
        return [
            merge_spans(
                DetectedSpan(found.start(), found.end(), kind, score, self.name)
                for word, kind, score in self.known
                if kind in kinds and score >= SURE
                for found in re.finditer(re.escape(word), text)
            )
            for text in texts
        ]

    def unread_language(self, text: str) -> str:
        """Texts with a word of a low score are in a language that is not looked at."""
        return "xx" if any(word in text for word, _, score in self.known if score < SURE) else ""


def prose(draw: Random, words: int) -> str:
    return " ".join(draw.choices(VOCABULARY, k=words))


def edited(draw: Random, text: str, changes: int) -> str:
    """``text`` with that many of its words replaced."""
    words = text.split(" ")
    for at in draw.sample(range(len(words)), changes):
        words[at] = draw.choice(VOCABULARY)
    return " ".join(words)


def jaccard(one: str, other: str, size: int = 5) -> float:
    """The true Jaccard similarity of two texts' shingles: the slow way, from the definition."""

    def shingles(text: str) -> set[tuple[str, ...]]:
        words = text.lower().split()
        return {tuple(words[n : n + size]) for n in range(len(words) - size + 1)}

    left, right = shingles(one), shingles(other)
    return len(left & right) / len(left | right)


def chat(
    name: str, *texts: str, account: str = "ana", kind: ConversationKind = ConversationKind.chat
) -> Document:
    """What a person and the assistant said in turn."""
    voices = tuple((Voice.user, Voice.assistant)[n % 2] for n in range(len(texts)))
    return said(name, *zip(voices, texts, strict=True), account=account, kind=kind)


def said(
    name: str,
    *turns: tuple[Voice, str],
    account: str = "ana",
    kind: ConversationKind = ConversationKind.chat,
) -> Document:
    return Document(
        account=account.encode().ljust(16, b"\0"),
        name=name.encode(),
        kind=kind,
        key=KEY,
        voices=tuple(voice for voice, _ in turns),
        texts=tuple(text for _, text in turns),
    )

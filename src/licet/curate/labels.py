"""What a document is: its language and its topic, by rules that a person can read.

The language is that of the script where a script tells it (kana, Hangul, Greek, ..), and otherwise the one whose most
common words are the most among those read: a function word counts in parts among the languages that share it
(stop-word identification: Grefenstette 1995). ``und`` where too little was said: an honest "undetermined" (ISO 639-2)
beats a guess. The topic is coding where it is a coding session or code is a good part of it, reasoning where marks of
argument and calculation are dense, otherwise other.

Invariant: a label depends on the document's texts alone; no text is ever in a label. Time is linear, and bounded:
``READ_CHARS_MAX`` characters are read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from itertools import islice

import numpy as np
import re2  # type: ignore[import-untyped]  # google-re2 ships neither stubs nor py.typed
from numpy.typing import NDArray

from licet.curate.characters import LETTERS, SCRIPTS, coded, scripts
from licet.curate.unspaced import unspaced
from licet.policy.state import ConversationKind

READ_CHARS_MAX = 20_000
WORDS_READ_MAX = 400
CHARS_A_WORD = 40  # of a turn as many are read for each of its words
UNDETERMINED = "und"
WORD_COUNTS_MAX = 5  # how often one word may count: a text of nothing but `y` is not Spanish
SHARE_MIN = 0.08  # of the words read; running text has 0.2 and more
LEAD_MIN = 1.2  # over the next best language
CODE_MIN = 0.25
MARKS_MIN = 0.02  # of the words
MARKS_LEAST = 2


class Topic(StrEnum):
    coding = "coding"
    reasoning = "reasoning"
    other = "other"


_COMMON = {
    "en": "the of and to in is that it was for you with as are this have not be on what how can my do we if would i a "
    "your me an at or from by but they there some does who when which will should why about like make give",
    "de": "der die das und ist nicht ich zu den ein eine mit auf für von dem sich wie auch es wird sind kann oder wenn",
    "fr": "le la les et est des une je vous que pour dans qui pas un du ce avec sur sont ne il au plus comme mais",
    "es": "el la los las y es que de en un una por con para se no lo como más pero su al del está qué puedo",
    "it": "il la che di è un una per non sono con come gli le del della più ho si nel anche ma questo cosa posso",
    "pt": "o a os as e é que de um uma para não com por do da em se mais como mas eu você no na isso são",
    "nl": "de het een en van is niet ik dat in te op voor met zijn je maar ook er aan hoe kan wat deze naar",
    "pl": "i w na nie się jest to że do z jak o co tak ale czy za po od dla są może przez ten tego",
    "sv": "och att det som en är på jag för inte med av den har till om kan du ett men så från hur var",
    "da": "og at det som en er på jeg for ikke med af den har til om kan du et men så fra hvordan var",
    "no": "og at det som en er på jeg for ikke med av den har til om kan du et men så fra hvordan var ikkje",
    "fi": "ja on ei että se en mutta kun hän ovat tai jos niin minä oli voi myös mitä miten kuin ole sitä tämä",
    "cs": "a se na je v to že s z do o ale jak jsem by ve si pro tak za co nebo jako jsou není když",
    "ro": "și în de la cu pe nu este un o că pentru mai din care sunt ce să fi sau dar cum se am",
    "hu": "a az és hogy nem is egy van de meg ez el mint csak vagy volt ha még már kell azt mi",
    "tr": "ve bir bu için ile de da ne çok gibi daha var ben nasıl ama olarak mı değil o kadar sonra",
    "id": "yang dan di untuk dengan ini itu dari pada tidak adalah saya ke dalam akan bisa atau juga apa bagaimana",
    "vi": "và của là có không được cho trong một các với tôi này đó những để người như khi bạn thế nào",
    "ru": "и в не на что я с как это по но он из у за от для так же вы бы или мне если",
    "uk": "і в не на що я з як це та але він до у за від для так ви або мені якщо є щоб",
    "bg": "и в не на че с как това се да за от са но той по или ако съм бъде ще са при",
    "ar": "في من على أن إلى هذا عن ما لا هل التي كان مع هو هي كيف أو ذلك بعد كل",
    "fa": "و در به از که این را با است برای آن یک من می تا چه هم شود یا اگر",
}
SPOKEN = tuple(_COMMON)
WHOLE = 27_720  # the weight of a word of one language; of those that share it each has an equal part, without a rest
_SHARED = {
    word: [language for language in _COMMON if word in _COMMON[language].split()]
    for word in dict.fromkeys(" ".join(_COMMON.values()).split())
}
WEIGHTS = {
    word: [WHOLE // len(shared) * (language in shared) for language in _COMMON] for word, shared in _SHARED.items()
}
_LATIN = bytes(range(0xCD)) + b"\xe2"  # bytes of UTF-8 that are in no character of SCRIPTS, but for punctuation
_SCRIPT_MIN = 0.15  # of the letters; Japanese prose has about half of its letters in kana
_WORD = re.compile(LETTERS)
# Each byte of ASCII as it is if it is a letter in lower case, and a blank if not.
_LETTERS_APART = bytes(byte if chr(byte).isalpha() and byte < 128 else 32 for byte in range(256))
OPENERS = (
    "def", "class", "import", "from", "return", "if", "for", "while", "elif", "else", "try", "except", "with", "function",
    "const", "let", "var", "public", "private", "static", "fn", "impl", "struct", "enum", "use", "package", "func",
    "SELECT", "INSERT", "UPDATE", "CREATE", "#include", "sudo", "git", "pip", "npm", "docker", "cargo",
)  # fmt: skip
_OPENS_CODE = re.compile(rf"(?:{'|'.join(map(re.escape, OPENERS))}|\$\s)\b")
_CLOSES = re.compile(r"[)\]}]+[,;]?|</?\w+[^>]*>")
PHRASES = (
    "therefore", "hence", "thus", "because", "prove", "proof", "implies", "assume", "suppose", "step by step", "equation",
    "solve", "theorem", "contradiction", "probability", "deduce", "conclude", "it follows",
)  # fmt: skip
_MARK = re2.compile(rf"(?i)\b(?:{'|'.join(PHRASES)})\b|[=≤≥≠√∑∫⇒∴]|\b\d+\s*[-+*/^×÷]\s*\d+")


def common_words(language: str) -> tuple[str, ...]:
    """The most common words of a language that is told by them."""
    return tuple(_COMMON[language].split())


def language(texts: Sequence[str]) -> str:
    """The ISO 639-1 code of the language that most of ``texts`` is in, or ``und``."""
    return languages([texts])[0]


def languages(documents: Sequence[Sequence[str]]) -> list[str]:
    """The `language` of each document."""
    out = [_by_script(texts) for texts in documents]
    rest = [number for number, told in enumerate(out) if not told]
    if rest:
        scores = np.array([plain_scores(documents[number]) for number in rest])
        for number, found in zip(rest, best(scores), strict=True):
            out[number] = found
    return out


def best(scores: NDArray[np.int64]) -> list[str]:
    """The language of each document by its scores, of which the last is how many words were read."""
    by_language, read = scores[:, :-1], scores[:, -1]
    second, first = np.partition(by_language, -2, axis=1)[:, -2:].T
    unsure = (first < SHARE_MIN * read * WHOLE) | (first < WHOLE) | (first < LEAD_MIN * second)
    numbers = np.where(unsure, len(SPOKEN), by_language.argmax(axis=1)).tolist()
    return [SPOKEN[number] if number < len(SPOKEN) else UNDETERMINED for number in numbers]


def plain_scores(texts: Sequence[str]) -> list[int]:
    """How much a document has of each language, and behind that how many words of it were read."""
    each = max(WORDS_READ_MAX // max(len(texts), 1), 1)
    read = [turn[: min(READ_CHARS_MAX, CHARS_A_WORD * each)].lower() for turn in texts[:WORDS_READ_MAX]]
    found = [word for turn in read for word in _first_words(turn, each)]
    scores = [0] * len(SPOKEN)
    for word, count in Counter(filter(WEIGHTS.__contains__, found)).items():
        for number, weight in enumerate(WEIGHTS[word]):
            scores[number] += weight * min(count, WORD_COUNTS_MAX)
    return [*scores, len(found)]


def _first_words(text: str, count: int) -> list[str]:
    """The first ``count`` runs of letters of a text in lower case."""
    if text.isascii():  # a tenth of the time of the expression, which is the same there
        return text.encode().translate(_LETTERS_APART).decode().split(None, count)[:count]
    return [match[0] for match in islice(_WORD.finditer(text), count)]


def topic(kind: ConversationKind, texts: Sequence[str]) -> Topic:
    """What ``texts``, what people and the assistant said, are mostly about."""
    if kind is ConversationKind.code:
        return Topic.coding
    text = _read(texts)
    lines = [line for line in text.splitlines() if line.strip()]
    marks = len(_MARK.findall(text))
    written = unspaced(text) if marks >= MARKS_LEAST else None
    said = len(text.split()) + (round(written.words) if written else 0)
    return topic_of(sum(map(len, lines)), sum(map(len, _code(lines))), marks, said)


def topic_of(lines: int, code: int, marks: int, words: int) -> Topic:
    """The topic of a chat with so many characters in lines, and in those of code, so many marks of argument and words."""
    if lines and code >= CODE_MIN * lines:
        return Topic.coding
    return Topic.reasoning if words and marks >= max(MARKS_LEAST, MARKS_MIN * words) else Topic.other


def _code(lines: Sequence[str]) -> list[str]:
    """The lines of code: those between fences, and those elsewhere that look like nothing else."""
    fenced, out = False, []
    for line in lines:
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or code_line(line):
            out.append(line)
    return out


def code_line(line: str) -> bool:
    """Whether ``line`` looks like code and like nothing else."""
    bare = line[:400].strip()
    if not bare:
        return False
    if bare[-1] in ";{}" or _OPENS_CODE.match(bare):
        return True
    return bare[0] in ")]}<" and _CLOSES.fullmatch(bare) is not None


def _read(texts: Sequence[str]) -> str:
    """The texts as far as they are read, each to the same length, so that no long one hides the others."""
    each = max(READ_CHARS_MAX // max(len(texts), 1), 200)
    return "\n".join(text[:each] for text in texts)[:READ_CHARS_MAX]


def _by_script(texts: Sequence[str]) -> str:
    """The language that the script of what is read tells, if any does."""
    if all(map(str.isascii, texts)):
        return ""
    text = _read(texts)
    if not text.encode("utf-8", "replace").translate(None, _LATIN):
        return ""
    return by_letters(np.bincount(scripts()[coded(text)], minlength=len(SCRIPTS) + 2).tolist()[1:])


def by_letters(counts: Sequence[int]) -> str:
    """The language that letters tell, if any does: so many of no script of one language, and of each of ``SCRIPTS``."""
    least = _SCRIPT_MIN * sum(counts)
    return next((language for language, count in zip(SCRIPTS, counts[1:], strict=True) if count > least), "")

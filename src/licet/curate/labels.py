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
from collections import Counter, defaultdict
from collections.abc import Sequence
from enum import StrEnum
from itertools import islice

import re2  # type: ignore[import-untyped]  # google-re2 ships neither stubs nor py.typed

from licet.curate.unspaced import unspaced
from licet.policy.state import ConversationKind

READ_CHARS_MAX = 20_000
WORDS_READ_MAX = 400
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
_WEIGHTS: dict[str, dict[str, float]] = {}
for _language, _words in _COMMON.items():
    for _word in set(_words.split()):
        _WEIGHTS.setdefault(_word, {})[_language] = 1.0
for _shared in _WEIGHTS.values():
    _shared.update(dict.fromkeys(_shared, 1 / len(_shared)))

# Scripts of one common language each. Japanese comes before Chinese, since it writes both.
_SCRIPTS = [
    ("ja", re2.compile(r"[\p{Hiragana}\p{Katakana}]")),
    ("ko", re2.compile(r"\p{Hangul}")),
    ("zh", re2.compile(r"\p{Han}")),
    ("th", re2.compile(r"\p{Thai}")),
    ("hi", re2.compile(r"\p{Devanagari}")),
    ("el", re2.compile(r"\p{Greek}")),
    ("he", re2.compile(r"\p{Hebrew}")),
    ("ka", re2.compile(r"\p{Georgian}")),
    ("hy", re2.compile(r"\p{Armenian}")),
    ("bn", re2.compile(r"\p{Bengali}")),
    ("ta", re2.compile(r"\p{Tamil}")),
]
_SCRIPT_MIN = 0.15  # of the letters; Japanese prose has about half of its letters in kana
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W\d_]+")
# Each byte of ASCII as it is if it is a letter in lower case, and a blank if not.
_LETTERS_APART = bytes(byte if chr(byte).isalpha() and byte < 128 else 32 for byte in range(256))
_CODE_LINE = re.compile(
    r"""^(?:\s*(?:def|class|import|from|return|if|for|while|elif|else|try|except|with|function|const|let|var|public
        |private|static|fn|impl|struct|enum|use|package|func|SELECT|INSERT|UPDATE|CREATE|\#include|\$\s|sudo|git|pip
        |npm|docker|cargo)\b.*[:;{(=]?|.*[;{}]|\s*[)\]}]+[,;]?|\s*</?\w+[^>]*>)\s*$""",
    re.VERBOSE,
)
_MARK = re2.compile(
    r"(?i)\b(?:therefore|hence|thus|because|prove|proof|implies|assume|suppose|step by step|equation|solve|theorem"
    r"|contradiction|probability|deduce|conclude|it follows)\b|[=≤≥≠√∑∫⇒∴]|\b\d+\s*[-+*/^×÷]\s*\d+"
)


def language(texts: Sequence[str]) -> str:
    """The ISO 639-1 code of the language that most of ``texts`` is in, or ``und``."""
    text = _read(texts)
    if not text.isascii() and (told := _by_script(text)):
        return told
    scores: dict[str, float] = defaultdict(float)
    each = max(WORDS_READ_MAX // max(len(texts), 1), 1)
    found = [word for turn in texts[:WORDS_READ_MAX] for word in _first_words(turn[:READ_CHARS_MAX].lower(), each)]
    for word, count in Counter(filter(_WEIGHTS.__contains__, found)).items():
        for code, weight in _WEIGHTS[word].items():
            scores[code] += weight * min(count, WORD_COUNTS_MAX)
    best = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:2]
    if not best or best[0][1] < SHARE_MIN * len(found) or best[0][1] < 1:
        return UNDETERMINED
    if len(best) > 1 and best[0][1] < LEAD_MIN * best[1][1]:
        return UNDETERMINED
    return best[0][0]


def _first_words(text: str, count: int) -> list[str]:
    """The first ``count`` runs of letters of a text in lower case."""
    if text.isascii():  # a tenth of the time of the expression, which is the same there
        return text.encode().translate(_LETTERS_APART).decode().split(None, count)[:count]
    if len(text) <= 16 * count:
        return _WORD.findall(text)[:count]
    return [match[0] for match in islice(_WORD.finditer(text), count)]


def topic(kind: ConversationKind, texts: Sequence[str]) -> Topic:
    """What ``texts``, what people and the assistant said, are mostly about."""
    if kind is ConversationKind.code:
        return Topic.coding
    text = _read(texts)
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and sum(map(len, _code(lines))) >= CODE_MIN * sum(map(len, lines)):
        return Topic.coding
    marks = len(_MARK.findall(text))
    if marks < MARKS_LEAST:
        return Topic.other
    written = unspaced(text)
    said = len(text.split()) + (round(written.words) if written else 0)
    return Topic.reasoning if said and marks >= MARKS_MIN * said else Topic.other


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
    return _CODE_LINE.match(line[:400]) is not None


def _read(texts: Sequence[str]) -> str:
    """The texts as far as they are read, each to the same length, so that no long one hides the others."""
    each = max(READ_CHARS_MAX // max(len(texts), 1), 200)
    return "\n".join(text[:each] for text in texts)[:READ_CHARS_MAX]


def _by_script(text: str) -> str:
    letters = len(_LETTER.findall(text))
    for code, script in _SCRIPTS:
        if len(script.findall(text)) > _SCRIPT_MIN * letters:
            return code
    return ""

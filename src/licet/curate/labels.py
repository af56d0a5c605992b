"""Labels a document with its language and topic, by readable rules.

The language comes from a model of 142 languages (`language_model`): ``und`` if not likely enough,
since an honest "undetermined" (ISO 639-2) beats a guess, and ``mul`` if pieces of the text are
clearly in two. Lines of code are skipped. The topic is coding for coding sessions and texts with
much code, reasoning for dense marks of argument and calculation, otherwise other.

Invariant: a label depends on the document's texts alone, and contains no text. Time is linear and
bounded: ``READ_CHARS_MAX`` characters are read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

import re2  # type: ignore[import-untyped]  # google-re2 ships neither stubs nor py.typed

from licet.curate import language_model
from licet.curate.language_model import UNDETERMINED
from licet.curate.spaceless import estimate
from licet.policy.state import ConversationKind

READ_CHARS_MAX = 20_000
SEVERAL = "mul"
LIKELY_MIN = 0.5  # of all languages: below, the label is `und`; figures in bench/RESULTS.md
SURE_MIN = 0.9  # of a piece, which then counts as a second language
SECOND_MIN = 0.25  # of the characters read, from which a second language makes several
PIECES_MAX, PIECE_CHARS_MIN, PIECE_CHARS_MAX = 8, 60, 200
_LETTER = re.compile(r"[^\W\d_]")
CODE_MIN = 0.25
MARKS_MIN = 0.02  # of the words
MARKS_LEAST = 2


class Topic(StrEnum):
    coding = "coding"
    reasoning = "reasoning"
    other = "other"


_COMMON = {
    "en": "the of and to in is that it was for you with as are this have not be on what how can my do we if would i a "
    "your me an at or from by but they there some does who when which will should why about like "
    "make give",
    "de": (
        "der die das und ist nicht ich zu den ein eine mit auf für von dem sich wie auch es "
        "wird sind kann oder wenn"
    ),
    "fr": (
        "le la les et est des une je vous que pour dans qui pas un du ce avec sur sont ne il au "
        "plus comme mais"
    ),
    "es": (
        "el la los las y es que de en un una por con para se no lo como más pero su al del está "
        "qué puedo"
    ),
    "it": (
        "il la che di è un una per non sono con come gli le del della più ho si nel anche ma "
        "questo cosa posso"
    ),
    "pt": (
        "o a os as e é que de um uma para não com por do da em se mais como mas eu você no na "
        "isso são"
    ),
    "nl": (
        "de het een en van is niet ik dat in te op voor met zijn je maar ook er aan hoe kan wat "
        "deze naar"
    ),
    "pl": "i w na nie się jest to że do z jak o co tak ale czy za po od dla są może przez ten tego",
    "sv": (
        "och att det som en är på jag för inte med av den har till om kan du ett men så från "
        "hur var"
    ),
    "da": (
        "og at det som en er på jeg for ikke med af den har til om kan du et men så fra hvordan var"
    ),
    "no": (
        "og at det som en er på jeg for ikke med av den har til om kan du et men så fra hvordan "
        "var ikkje"
    ),
    "fi": (
        "ja on ei että se en mutta kun hän ovat tai jos niin minä oli voi myös mitä miten kuin "
        "ole sitä tämä"
    ),
    "cs": (
        "a se na je v to že s z do o ale jak jsem by ve si pro tak za co nebo jako jsou není když"
    ),
    "ro": "și în de la cu pe nu este un o că pentru mai din care sunt ce să fi sau dar cum se am",
    "hu": "a az és hogy nem is egy van de meg ez el mint csak vagy volt ha még már kell azt mi",
    "tr": (
        "ve bir bu için ile de da ne çok gibi daha var ben nasıl ama olarak mı değil o kadar sonra"
    ),
    "id": (
        "yang dan di untuk dengan ini itu dari pada tidak adalah saya ke dalam akan bisa atau "
        "juga apa bagaimana"
    ),
    "vi": (
        "và của là có không được cho trong một các với tôi này đó những để người như khi bạn "
        "thế nào"
    ),
    "ru": "и в не на что я с как это по но он из у за от для так же вы бы или мне если",
    "uk": "і в не на що я з як це та але він до у за від для так ви або мені якщо є щоб",
    "bg": "и в не на че с как това се да за от са но той по или ако съм бъде ще са при",
    "ar": "في من على أن إلى هذا عن ما لا هل التي كان مع هو هي كيف أو ذلك بعد كل",
    "fa": "و در به از که این را با است برای آن یک من می تا چه هم شود یا اگر",
}
SPOKEN = tuple(_COMMON)
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
    """The most common words of a language."""
    return tuple(_COMMON[language].split())


def language(texts: Sequence[str]) -> str:
    """The ISO 639 code of the language of ``texts``, ``mul`` if a good part is in another, or
    ``und``.
    """
    return languages([texts])[0]


def languages(documents: Sequence[Sequence[str]], *, compiled: bool = False) -> list[str]:
    """The `language` of each document; ``compiled``: by the loops."""
    read = [_pieces(texts) for texts in documents]
    return list(map(_language, read, language_model.likeliest(read, compiled=compiled)))


def _language(pieces: Sequence[str], likeliest: Sequence[tuple[str, float]]) -> str:
    """The language of a document, by the likeliest of each piece and of all together."""
    each = Counter[str]()
    for piece, (name, share) in zip(pieces, likeliest, strict=False):
        if share >= SURE_MIN:
            each[name] += len(piece)
    if len(each) > 1 and each.most_common(2)[1][1] >= SECOND_MIN * sum(map(len, pieces)):
        return SEVERAL
    name, share = likeliest[-1]
    return name if share >= LIKELY_MIN else UNDETERMINED


def _pieces(texts: Sequence[str]) -> list[str]:
    """At most `PIECES_MAX` pieces of a few lines, from as many texts as possible."""
    each = max(READ_CHARS_MAX // max(len(texts), 1), 200)
    read = [text[:each] for text in _spread(texts, PIECES_MAX)]
    pieces = max(PIECES_MAX // max(len(read), 1), 1)
    made = [piece for text in read for piece in _spread(_prose(text, without_code=True), pieces)]
    return made or [
        piece for text in read for piece in _spread(_prose(text, without_code=False), pieces)
    ]


def _spread(items: Sequence[str], count: int) -> Sequence[str]:
    """At most ``count`` of the items, evenly spaced from the first."""
    return items[:: -(-len(items) // count)] if items else ()


def _prose(text: str, *, without_code: bool) -> list[str]:
    """The lines of a text that have letters, short ones joined; optionally without code."""
    lines = [line.strip() for line in text.splitlines()]
    code = set(_code(lines)) if without_code else set[str]()
    pieces, joined = [], ""
    for line in lines:
        if line in code or _LETTER.search(line) is None:
            continue
        joined = f"{joined} {line}" if joined else line
        if len(joined) >= PIECE_CHARS_MIN:
            pieces.append(joined[:PIECE_CHARS_MAX])
            joined = ""
    return [*pieces, joined] if joined else pieces


def topic(kind: ConversationKind, texts: Sequence[str]) -> Topic:
    """The main topic of ``texts``, those of people and the assistant."""
    if kind is ConversationKind.code:
        return Topic.coding
    text = _read(texts)
    lines = [line for line in text.splitlines() if line.strip()]
    marks = len(_MARK.findall(text))
    written = estimate(text) if marks >= MARKS_LEAST else None
    word_count = len(text.split()) + (round(written.words) if written else 0)
    return chat_topic(sum(map(len, lines)), sum(map(len, _code(lines))), marks, word_count)


def chat_topic(lines: int, code: int, marks: int, words: int) -> Topic:
    """The topic of a chat by its characters in all lines and in code, marks of argument, and
    words.
    """
    if lines and code >= CODE_MIN * lines:
        return Topic.coding
    return (
        Topic.reasoning if words and marks >= max(MARKS_LEAST, MARKS_MIN * words) else Topic.other
    )


def _code(lines: Sequence[str]) -> list[str]:
    """The lines of code: fenced ones, and others that look like nothing else."""
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
    if bare[-1] == ";":
        return not _asks_in_greek(bare[:-1].rstrip())
    if bare[-1] in "{}" or _OPENS_CODE.match(bare):
        return True
    return bare[0] in ")]}<" and _CLOSES.fullmatch(bare) is not None


def _asks_in_greek(words: str) -> bool:
    """Whether the semicolon after ``words`` is a Greek question mark: most letters are Greek, and a
    word ends there.
    """
    greek = sum(
        "\u0370" <= letter <= "\u03ff" or "\u1f00" <= letter <= "\u1fff" for letter in words
    )
    latin = sum(letter.isascii() and letter.isalpha() for letter in words)
    return greek > latin and (words[-1] >= "\x80" or words[-1].isalnum())


def _read(texts: Sequence[str]) -> str:
    """The texts cut at an equal length, so that a long one does not hide the others."""
    each = max(READ_CHARS_MAX // max(len(texts), 1), 200)
    return "\n".join(text[:each] for text in texts)[:READ_CHARS_MAX]

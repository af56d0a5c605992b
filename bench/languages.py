"""How often the language of ten words is told, is left undetermined, and is told wrongly, by
language.

python -m bench languages

The texts: ten words in a row of the sentences of licet/consent/languages (which no maker of a model
saw), of Debian's catalogues of messages (package `locales-all` and whatever else is installed), of
the messages to an assistant of tests/curate/cases/named_messages.txt, and sixty words of the first
two, half of them in one language, half in the next. Which languages count as one (macrolanguages,
neighbours) was chosen after these texts had been seen; nothing else was.
"""

from __future__ import annotations

import gettext
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from random import Random

from bench import Row
from bench._plain_texts import LOCALE
from licet.curate import labels

LANGUAGES = [
    "en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da", "no", "fi", "cs", "ro", "hu", "tr", "id", "vi", "ru", "uk", "bg",
    "ar", "fa", "ja", "ko", "zh", "th", "hi", "el", "he", "ka", "hy", "bn", "ta", "et", "lt", "lv", "sk", "sl", "mt", "ga", "ca",
]  # fmt: skip
CATALOGUES = {"no": "nb", "zh": "zh_CN"}
UNSPACED = frozenset({"ja", "zh", "th"})
WORDS, CHARS, TEXTS_MAX, TEXTS_MIN = 10, 25, 150, 10
MESSAGES = Path(__file__).parents[1] / "tests" / "curate" / "cases" / "named_messages.txt"
_MARKS = re.compile(r"\{[^}]*\}|\[\[|\]\]|\{\{|\}\}|\\\\n|%\S+|https?\S+|<[^>]*>")
_WORD = re.compile(r"[^\W\d_]+")
_LATIN = re.compile(r"[A-Za-z]")


def sentences() -> dict[str, list[str]]:
    """What people are asked and told, by language."""
    out = {}
    for path in files("licet.consent").joinpath("languages").iterdir():
        read = json.loads(path.read_text("utf-8"))
        said: Mapping[str, object] = read.get("sentences", read)
        if path.name != "pt-BR.json":
            out[path.name.removesuffix(".json").split("-")[0]] = [
                one for one in said.values() if isinstance(one, str)
            ]
    return out


def catalogues() -> dict[str, list[str]]:
    """The messages of programs, where they differ from the English ones."""
    out = {}
    for code in LANGUAGES:
        found: list[str] = []
        for file in sorted((LOCALE / CATALOGUES.get(code, code) / "LC_MESSAGES").glob("*.mo")):
            with file.open("rb") as opened:
                every: Mapping[object, object] = gettext.GNUTranslations(opened)._catalog  # type: ignore[attr-defined]  # the only table
            found += [
                one
                for key, one in every.items()
                if isinstance(one, str)
                and one != key
                and "Last-Translator" not in one
                and not file.stem.startswith("iso_")
            ]
        if found:
            out[code] = found
    return out


def messages() -> dict[str, list[str]]:
    """Messages to an assistant by language."""
    out: dict[str, list[str]] = {}
    code = ""
    for line in MESSAGES.read_text("utf-8").splitlines():
        if line.startswith("== "):
            code = line.removeprefix("== ")
        elif line and not line.startswith("#"):
            out.setdefault(code, []).append(line)
    return out


def tens(code: str, texts: Sequence[str]) -> list[str]:
    """Runs of ten words, or of `CHARS` characters of a script that writes none; at least nine of
    ten are words.
    """
    found = []
    for text in texts:
        plain = _MARKS.sub("", text)
        if code in UNSPACED:
            runs = [plain[n : n + CHARS] for n in range(0, len(plain) - CHARS + 1, CHARS)]
            found += [
                one
                for one in runs
                if len("".join(_WORD.findall(_LATIN.sub(" ", one)))) > 0.8 * CHARS
            ]
            continue
        words = plain.split()
        runs = [" ".join(words[n : n + WORDS]) for n in range(0, len(words) - WORDS + 1, WORDS)]
        found += [one for one in runs if len(_WORD.findall(one)) >= WORDS - 1]
    Random(1).shuffle(found)
    return found[:TEXTS_MAX]


def told(of: str, by_language: Mapping[str, Sequence[str]]) -> Iterator[Row]:
    """A row a language, and one of all: undetermined and wrong, in % of its texts."""
    every: Counter[str] = Counter()
    for code in LANGUAGES:
        texts = tens(code, by_language.get(code, ()))
        if len(texts) < TEXTS_MIN:
            continue
        found = Counter(labels.language([text]) for text in texts)
        unsure, wrong = (
            found[labels.UNDETERMINED],
            len(texts) - found[labels.UNDETERMINED] - found[code],
        )
        every.update(texts=len(texts), unsure=unsure, wrong=wrong)
        yield Row(
            f"  {of}, {code}, of {len(texts)}: undetermined; wrong, %",
            shares(unsure, wrong, len(texts)),
        )
    if every:
        count = every["texts"]
        yield Row(
            f"{of}, all, of {count:,}: undetermined; wrong, %",
            shares(every["unsure"], every["wrong"], count),
        )


def shares(unsure: int, wrong: int, count: int) -> str:
    return f"{100 * unsure / count:.1f}; {100 * wrong / count:.1f}"


def several(by_language: Mapping[str, Sequence[str]]) -> Iterator[Row]:
    """Chats of thirty words of one language and thirty of the next, and chats of sixty of one."""
    runs = {code: tens(code, texts) for code, texts in sorted(by_language.items())}
    thirties = {
        code: [" ".join(some[n : n + 3]) for n in range(0, len(some) - 2, 3)]
        for code, some in runs.items()
    }
    codes = [code for code, some in thirties.items() if len(some) >= TEXTS_MIN]
    mixed = [
        pair
        for one, next_ in zip(codes, [*codes[1:], codes[0]], strict=True)
        for pair in zip(thirties[one], thirties[next_], strict=False)
    ]
    alone = [
        some[n : n + 2]
        for code in codes
        if (some := thirties[code])
        for n in range(0, len(some) - 1, 2)
    ]
    for what, chats in (("two languages", mixed), ("one language", alone)):
        found = sum(labels.language(list(chat)) == labels.SEVERAL for chat in chats)
        yield Row(
            f"chats of {what}, of {len(chats):,}: told as several, %",
            f"{100 * found / len(chats):.1f}",
        )


def main(_arguments: list[str]) -> list[Row]:
    """Rows of what and figure."""
    said = sentences()
    sets = {
        "sentences of pages": said,
        "messages of programs": catalogues(),
        "messages to an assistant": messages(),
    }
    rows = [row for name, texts in sets.items() for row in told(name, texts)]
    return [*rows, *several(said)]

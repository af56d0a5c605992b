"""How often the rule of quality refuses the same chats in each language, beside English.

python -m bench fairness

The chats are made of the sentences of licet/consent/languages: the same lines, headings, ellipses
and repeats in every language. Where BENCH_DATA, by default ../shared/data, has CatQA (Bhardwaj et
al. 2024), so are chats of its questions.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

from bench import Row
from licet.curate.quality import Select, qualities

CHATS = 2_000
SENTENCE_CHARS_MIN = 30
QUESTIONS = 20
DATA = Path(os.environ.get("BENCH_DATA", Path(__file__).parents[2] / "shared" / "data"))


def sentences() -> dict[str, dict[str, str]]:
    """The sentences that every language has, by language and key."""
    folder = files("licet.consent").joinpath("languages")
    read = {
        path.name.removesuffix(".json"): json.loads(path.read_text("utf-8"))
        for path in folder.iterdir()
    }
    known: dict[str, Mapping[str, Any]] = {
        code: one.get("sentences", one) for code, one in read.items()
    }
    shared = [
        key
        for key, said in known["en"].items()
        if len(said) > SENTENCE_CHARS_MIN
        and all(isinstance(own.get(key), str) for own in known.values())
    ]
    return {code: {key: own[key] for key in shared} for code, own in sorted(known.items())}


def chat(said: Mapping[str, str], draw: Random) -> list[str]:
    """Some turns: sentences, headings, lines that trail off, lines that were said before."""
    keys, turns = list(said), []
    for _ in range(draw.randint(1, 4)):
        lines: list[str] = []
        for _ in range(draw.randint(1, 8)):
            line = " ".join(said[key] for key in draw.choices(keys, k=draw.randint(1, 2)))
            kind = draw.random()
            if kind < 0.25:
                line = f"{'#' * draw.randint(1, 4)} {said[draw.choice(keys)][:20]}"
            elif kind < 0.35:
                line += draw.choice(["...", "…"])
            lines.append(line)
            if draw.random() < 0.15:
                lines.append(draw.choice(lines))
            if draw.random() < 0.05:
                lines.append("#")
        turns.append("\n".join(lines))
    return turns


def questions(folder: Path) -> dict[str, list[list[str]]]:
    """Chats of real questions, by language; none without the data."""
    out = {}
    for code, name in (("en", "english"), ("vi", "vietnamese"), ("zh", "chinese")):
        file = folder / "red-instruct" / f"harmful_questions__catqa_{name}.json"
        if file.exists():
            asked = [
                one
                for kinds in json.loads(file.read_text("utf-8")).values()
                for some in kinds.values()
                for one in some
            ]
            out[code] = [asked[n : n + QUESTIONS] for n in range(0, len(asked), QUESTIONS)]
    return out


def refused(chats: Sequence[Sequence[str]]) -> float:
    return sum(map(Select().refuses, qualities(chats))) / len(chats)


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    known, count = sentences(), int(arguments[0]) if arguments else CHATS

    def made(code: str) -> list[list[str]]:
        draw = Random(7)
        return [chat(known[code], draw) for _ in range(count)]

    english = refused(made("en"))
    rows = [
        row(f"chats refused for quality, {code}, %", refused(made(code)), english) for code in known
    ]
    real = {code: refused(chats) for code, chats in questions(DATA).items()}
    return rows + [
        row(f"  of CatQA's questions, {code}, %", share, real["en"]) for code, share in real.items()
    ]


def row(what: str, share: float, english: float) -> Row:
    return Row(
        what,
        f"{100 * share:.1f}",
        f"{100 * english:.1f}",
        f"{share / english:.2f}" if english else "",
    )

"""Makes `src/licet/curate/name_lists.txt.xz`: given names, the languages in which they are usual,
and those in which they are words.

    python -m tools.name_lists

Names are those of Faker (MIT) and of `more_names.txt`. Dictionaries in /usr/share (Debian's
wamerican, wngerman, wfrench, wspanish, witalian, wportuguese, wbrazilian, wdutch, wswedish,
wdanish, wpolish, wukrainian, hunspell-uk, hunspell-ru, iso-codes and libgweather-4-common) only
tell which names are words.
"""

from __future__ import annotations

import importlib
import json
import lzma
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import yaml

from licet.curate.name_forms import LANGUAGES, forms, inflects

FOLDER = Path(__file__).parent
LISTS = FOLDER.parents[1] / "src" / "licet" / "curate" / "name_lists.txt.xz"
TOWNS = Path("/usr/share/libgweather-4/Locations.xml")
DICT, HUNSPELL, ISO = (
    Path("/usr/share/dict"),
    Path("/usr/share/hunspell"),
    Path("/usr/share/iso-codes/json"),
)
DICTIONARIES = {
    "en": [(DICT / "american-english", "utf-8")],
    "de": [(DICT / "ngerman", "utf-8")],
    "fr": [(DICT / "french", "utf-8")],
    "es": [(DICT / "spanish", "utf-8")],
    "it": [(DICT / "italian", "utf-8")],
    "pt": [(DICT / "portuguese", "utf-8"), (DICT / "brazilian", "utf-8")],
    "nl": [(DICT / "dutch", "utf-8")],
    "sv": [(DICT / "swedish", "utf-8")],
    "da": [(DICT / "danish", "utf-8")],
    "pl": [(DICT / "polish", "utf-8")],
    "uk": [(DICT / "ukrainian", "utf-8"), (HUNSPELL / "uk_UA.dic", "utf-8")],
    "ru": [(HUNSPELL / "ru_RU.dic", "koi8-r")],
}
NAME = re.compile(r"[^\W\d_]{2,}(?:['’\-][^\W\d_]+)*")
PLACE = "place"
CITIES = set((FOLDER / "towns.txt").read_text("utf-8").split("\n", 1)[1].split())


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple | set):
        for one in value:
            yield from _strings(one)


def _faker(prefix: str) -> dict[str, set[str]]:
    """Returns names by language, from each locale of Faker."""
    import faker.providers.person as person

    out: dict[str, set[str]] = defaultdict(set)
    for module in pkgutil.iter_modules(person.__path__):
        provider = importlib.import_module(f"{person.__name__}.{module.name}").Provider
        for key in dir(provider):
            if key.startswith(prefix) and not callable(value := getattr(provider, key)):
                out[module.name[:2]] |= {
                    one for one in _strings(value) if NAME.fullmatch(one) and one[0].isupper()
                }
    return out


def _more() -> dict[str, set[str]]:
    lines = (FOLDER / "more_names.txt").read_text("utf-8").splitlines()
    pairs = (line.split(":", 1) for line in lines if line and line[0] != "#")
    return {language: set(names.split()) for language, names in pairs}


def _words(language: str) -> set[str]:
    """Returns the lower-case words of a language."""
    out: set[str] = set()
    for path, encoding in DICTIONARIES.get(language, []):
        lines = path.read_text(encoding, "replace").splitlines()
        out |= {line.split("/")[0] for line in lines if line[:1].islower()}
    return out


def _places() -> set[str]:
    out = set(CITIES)
    for code in ("3166-1", "3166-2"):
        for row in json.loads((ISO / f"iso_{code}.json").read_text())[code]:
            out |= {part.strip(" )") for part in re.split(r"[\[(,;]", row["name"])}
    out |= set(re.findall(r"<_?name[^>]*>([^<]+)</_?name>", TOWNS.read_text("utf-8")))
    return out


def main() -> None:
    usual, more = _faker("first_name"), _more()
    around = yaml.safe_load((LISTS.parent / "name_words.yaml").read_bytes())
    for language, names in more.items():
        usual[language] |= names
    words = {language: _words(language) for language in LANGUAGES}
    places, curated = _places(), set().union(*more.values())
    for language in LANGUAGES:
        often = set(str(around[language].get("often", "")).split())
        usual[language] |= often
        curated |= often
    origins: dict[str, list[str]] = defaultdict(list)
    for language in sorted(usual):
        for name in usual[language]:
            origins[name].append(language)
    lines, inflected = [], []
    for name, own in sorted(origins.items()):
        flags = [language for language in LANGUAGES if name.lower() in words[language]]
        if name not in curated and (len(name) < 4 or "en" in flags):
            continue
        if name in places and name not in curated:
            continue
        flags += [PLACE] if name in CITIES or (name in places and name not in curated) else []
        lines.append("\t".join((name, " ".join(o for o in own if o in LANGUAGES), " ".join(flags))))
    for language in LANGUAGES:
        made = {
            form
            for name, own in origins.items()
            if inflects(own, language)
            for form in forms(name, language)
        }
        held = sorted(form for form in made if form.lower() in words[language])
        inflected += [f"{language}\t{' '.join(held)}"] if held else []
    families = sorted(set().union(*_faker("last_name").values()) - set(origins))
    text = "\n".join((*lines, "== words", *inflected, "== families", *families, ""))
    LISTS.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    print(
        f"{len(lines):,} given names, {len(families):,} family names, "
        f"{LISTS.stat().st_size:,} bytes"
    )


if __name__ == "__main__":
    main()

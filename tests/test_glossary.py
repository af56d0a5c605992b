"""docs/glossary.md explains the words of our own, and every page links to it where it first uses
one.

Only uses that a pattern can tell are held: `hold` and `copy` are words of everyday English as well,
so the patterns look for a legal hold and a safety copy, and "leaves" is left alone. What stands in
code, in headings and behind `ELSEWHERE` is no use.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "quickstart").glob("*.md")),
]
SENTENCES_MAX = 4
# By the heading of the glossary: how the word is met in a text.
USES = {
    "gate": r"\bgates?\b",
    "training gate": r"\btraining gates?\b",
    "grant": r"\bgrants?\b",
    "standing": r"\bstandings?\b(?!\s+flag)",
    "showing": r"\b(?:a|same|person's) showings?\b",
    "stamp": r"\bstamp(?:s|ed)?\b",
    "segment": r"\bsegments?\b",
    "hold": r"\blegal holds?\b",
    "copy": r"\bsafety cop(?:y|ies)\b",
    "epoch": r"\bepochs?\b",
    "bucket": r"\bbuckets?\b",
    "fence": r"\bfenced?\b|\bfences\b",
    "lease": r"\bleases?\b",
    "handout": r"\bhandouts?\b",
    "leaf": r"\bleaf\b",
    "handle": r"\bhandles?\b",
}
# Where a word is somebody else's.
ELSEWHERE = {
    ("backup.md", "segment"): "of PostgreSQL's WAL",
    ("backup.md", "bucket"): "of S3",
    ("cold.md", "bucket"): "of S3",
    ("commands.md", "bucket"): "of S3",
    ("configuration.md", "bucket"): "of S3",
    ("operate.md", "bucket"): "of S3",
    ("train.md", "epoch"): "of a training run",
}


def prose(text: str) -> str:
    """A page without its code and its headings, each blank line kept."""
    text = re.sub(r"(?ms)^ *```.*?^ *```[ ]*$", "", text)
    text = re.sub(r"(?m)(?:^    .*\n)+", "\n", text)
    return re.sub(r"(?m)^#.*$", "", re.sub(r"`[^`]*`", "`", text))


def entries() -> dict[str, str]:
    """Each word of the glossary with what it says of it."""
    found = re.split(r"(?m)^### (.+)$", GLOSSARY.read_text("utf-8"))
    return {
        word: re.sub(r"(?m)^## .*$", "", said).strip()
        for word, said in zip(found[1::2], found[2::2], strict=True)
    }


def unexplained(page: Path, text: str) -> list[str]:
    """The words whose first use on a page is no link to their entry."""
    missing = []
    text = prose(text)
    for word, pattern in USES.items():
        if (page.name, word) in ELSEWHERE or not (use := re.search(pattern, text, re.IGNORECASE)):
            continue
        anchors = {"gate": "(?:training-)?gate"}.get(word, word.replace(" ", "-"))
        link = rf"\[[^\]\[]*\]\((?:\.\./|docs/)?glossary\.md#{anchors}\)"
        if not any(found.start() < use.start() < found.end() for found in re.finditer(link, text)):
            missing.append(
                f"{word}: {' '.join(text[max(0, use.start() - 40) : use.end() + 20].split())}"
            )
    return missing


def test_the_glossary_has_each_word_once_with_a_page_that_uses_it() -> None:
    assert list(entries()) == list(dict.fromkeys(entries()))
    assert set(entries()) == set(USES)
    for word, said in entries().items():
        assert 1 < len(re.findall(r"[.:](?:\s|$)", said)) <= SENTENCES_MAX + 1, word
        (target,) = re.findall(r"See\s+\[[^\]]+\]\((\w+\.md)\)", said)
        page = prose((GLOSSARY.parent / target).read_text("utf-8"))
        assert re.search(rf"\b{word[:4]}", page, re.IGNORECASE), f"{target} does not use `{word}`"


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != GLOSSARY], ids=lambda page: page.stem
)
def test_the_first_use_of_a_word_on_a_page_links_to_the_glossary(page: Path) -> None:
    assert unexplained(page, page.read_text("utf-8")) == []


def test_an_exception_is_needed() -> None:
    texts = {page.name: prose(page.read_text("utf-8")) for page in PAGES}
    for name, word in ELSEWHERE:
        assert re.search(USES[word], texts[name], re.IGNORECASE), f"{name} does not say `{word}`"


def test_a_use_before_its_link_is_found() -> None:
    linked = "A [lease](glossary.md#lease) ends. The lease is over.\n"
    assert unexplained(GLOSSARY, linked) == []
    assert unexplained(GLOSSARY, "The lease is over. " + linked) != []
    assert unexplained(GLOSSARY, "A [lease](glossary.md#leaf) ends.\n") != []
    assert (
        unexplained(GLOSSARY, "# The lease\n\n    lease\n\n`lease`, and `a`\n\n```sh\nlease\n```\n")
        == []
    )

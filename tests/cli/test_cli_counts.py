"""A command says `1 row` and `2 rows`: what it counts goes through `counted`. What does not yet
stands here by file, and may only become less.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from licet.cli.shell import pluralize

CLI = Path(__file__).parents[2] / "src" / "licet" / "cli"
NOUN = re.compile(
    r" (?:[a-z]+ )?(?:accounts|answers|bytes|cases|certificates|closures|contradictions|conversations|days|entries|erasures|"
    r"errors|events|files|keys|lines|objects|pages|parts|people|permissions|prompts|questions|records|releases|requests|rows|"
    r"scores|secrets|segments|sessions|states|steps|turns|warnings)\b"
)
# A verb follows in most of these, which would have to agree too.
LEFT = {
    "access.py": 1, "backup.py": 2, "erasure.py": 6, "explain.py": 1, "keys.py": 1, "lineage.py": 2, "policy.py": 11,
    "proof.py": 2, "release.py": 10, "release_sign.py": 1,
    "review.py": 1, "safety.py": 3, "session.py": 1, "status.py": 2, "sweep.py": 1, "train_run.py": 4,
    "webhooks.py": 6,
}  # fmt: skip


def fixed_plurals() -> Iterator[tuple[str, str]]:
    """Each number in an f-string of a command that a noun in the plural follows, with its file."""
    for path in sorted(CLI.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                for value, text in zip(node.values, node.values[1:], strict=False):
                    if (
                        isinstance(value, ast.FormattedValue)
                        and isinstance(text, ast.Constant)
                        and NOUN.match(text.value)
                    ):
                        yield path.name, f"{ast.unparse(value)}{text.value}"


@pytest.mark.parametrize(
    ("number", "one", "said"),
    [
        (0, "row", "0 rows"),
        (1, "row", "1 row"),
        (2, "row", "2 rows"),
        (1, "entry", "1 entry"),
        (1_200, "entry", "1,200 entries"),
        (3, "key page", "3 key pages"),
        (2, "day", "2 days"),
    ],
)
def test_one_is_said_as_one(number: int, one: str, said: str) -> None:
    assert pluralize(number, one) == said


def test_no_command_counts_with_a_plural_that_is_fixed_but_those_that_did() -> None:
    found = list(fixed_plurals())
    counts = Counter(name for name, _ in found)
    more = [said for name, said in found if counts[name] > LEFT.get(name, 0)]
    assert more == [], "use `pluralize` of licet.cli.shell"

"""The table of every field's level in docs/verify.md, made from `licet.verifier.levels`.

python -m tools.field_levels           prints it
python -m tools.field_levels --write   writes it into the page
"""

from __future__ import annotations

import sys
from pathlib import Path

from licet.verifier.levels import FIELDS, short_names

PAGE = Path(__file__).parents[1] / "docs" / "verify.md"
BEGIN, END = "<!-- fields: begin -->\n", "<!-- fields: end -->\n"
WIDTH = 130


def table() -> str:
    """Returns one row for each artefact and level, with the fields as named in answers."""
    rows = ["| artefact | level | fields |", "|---|---|---|"]
    for artefact, levels in FIELDS.items():
        for level, text in levels.items():
            others = [
                name
                for other, names in levels.items()
                if other is not level
                for name in names.split()
            ]
            names = ", ".join(
                f"`{name}`" if name != "**" else "all of it"
                for name in short_names(text.split(), others)
            )
            rows.append(f"| {artefact} | {level} | {names} |")
    return "\n".join(rows) + "\n"


def written_in(page: str) -> str:
    """Returns the page's table."""
    return page.partition(BEGIN)[2].partition(END)[0]


def main(words: list[str]) -> None:
    if words != ["--write"]:
        sys.stdout.write(table())
        return
    page = PAGE.read_text()
    head, tail = page.partition(BEGIN)[0], page.partition(END)[2]
    PAGE.write_text(head + BEGIN + table() + END + tail)


if __name__ == "__main__":
    main(sys.argv[1:])

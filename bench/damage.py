"""What `licet release measure` says of words that were damaged, and what it costs the processor.

Dialogues of hh-rlhf (../shared/data), three a person. Of the words as they leave a share is
replaced by invented names, as a bad finder of names would. The figure is the cost, its floor the
upper bound of the damage before: a ratio above 1.00 is a cost that lies apart. The last row is the
whole command on an installation, the database not counted.

    python -m bench damage [TURNS OF THE INSTALLATION]
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from random import Random

from bench import Row
from bench.building import fill, installed
from licet.curate import release_build
from licet.curate.made_up_names import FAMILY, GIVEN_MADE
from licet.release.measurement import MeasuredCost, percent
from licet.release.reader import LoadedRow
from licet.service import release_measure
from licet.service.release_measure import MeasuringOrder
from licet.train import ablation
from licet.train.ablation import MeasuredRow
from licet.train.recipe import TrainingSettings

DATA = Path(os.environ.get("TESTS_DATA") or Path(__file__).parents[2] / "shared" / "data")
DIALOGUES = "hh-rlhf-harmless-test/data.jsonl.gz"
SHARES = (0, 0.01, 0.03, 0.1)
PERSON_ROWS = 3
_TURN = re.compile(r"\n\n(Human|Assistant): (.*?)(?=\n\n(?:Human|Assistant): |\Z)", re.DOTALL)
_ROLES = {"Human": "user", "Assistant": "assistant"}


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio; without the dialogues, the last alone."""
    found, above = list[Row](), 0
    is_here = (DATA / DIALOGUES).exists()
    if not is_here:
        print(f"no `{DIALOGUES}` in {DATA}: nothing is damaged", file=sys.stderr)
    for share in SHARES if is_here else ():
        began = time.process_time()
        cost = planted(share)
        seconds = time.process_time() - began
        text = f"{percent(cost.cost_ppm)} ({percent(cost.low_ppm)} to {percent(cost.high_ppm)})"
        what = (
            f"{100 * share:.0f} % of words damaged, cost, {cost.rows} rows of {cost.people} "
            f"people, {seconds:.1f} s"
        )
        apart = f"{cost.low_ppm / above:.2f}" if above else ""
        found.append(Row(what, text, percent(above) if share else "", apart))
        above = cost.high_ppm
    return [*found, _installed(int(arguments[0]) if arguments else 20_000)]


def planted(share: float, file: Path = DATA / DIALOGUES) -> MeasuredCost:
    """The cost of de-identification that is measured where so many words were damaged."""
    rows = list(_rows(file, share))
    people = {row.person: int.from_bytes(sha256(row.person).digest()[:4], "big") for row in rows}
    held_out = ablation.people_held_out(people, ())
    return ablation.measure(rows, TrainingSettings(), seeds=1, held_out=held_out).costs[0]


def _rows(file: Path, share: float) -> Iterator[MeasuredRow]:
    with gzip.open(file, "rt") as lines:
        for number, line in enumerate(lines):
            draw = Random(number)
            said = [
                (_ROLES[who], text.strip())
                for who, text in _TURN.findall(json.loads(line)["chosen"])
            ]
            leaves = [(role, damaged(text, share, draw)) for role, text in said]
            person = (number // PERSON_ROWS).to_bytes(4, "big")
            yield MeasuredRow(
                person=person,
                kind="chat",
                language="en",
                original=_row(said, number),
                leaves=_row(leaves, number),
            )


def damaged(text: str, share: float, draw: Random) -> str:
    """The text with about this share of its words replaced by invented names."""
    names = GIVEN_MADE + FAMILY
    return re.sub(
        r"\S+", lambda word: draw.choice(names) if draw.random() < share else word[0], text
    )


def _row(said: list[tuple[str, str]], number: int) -> LoadedRow:
    return {
        "messages": [{"role": r, "content": t} for r, t in said],
        "row_id": "",
        "ordinal": number,
    }


def _installed(turns: int) -> Row:
    with installed() as installation:
        fill(installation, turns, Random(1))
        rows = release_build.build_release(
            installation, name="bench", purpose="improve_models"
        ).manifest.rows
        began = time.process_time()
        made = release_measure.measure(installation, "bench", MeasuringOrder()).statement
        seconds = time.process_time() - began
    return Row(
        f"the whole of it, of {rows:,} rows, {made.rows:,} read, processor seconds (goal: 120)",
        f"{seconds:.1f}",
    )

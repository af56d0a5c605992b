"""The part of the matrix that a check within a route decides, in seconds: `./run bench removals`
asks it of each such check.
"""

from __future__ import annotations

import csv

from .test_matrix import CALLERS, GOLDEN, Callers, api, call, cells

__all__ = ["api"]


def test_what_is_not_there_or_somebody_else_s_is_not_found_by_a_person_and_by_one_other_caller(
    api,
) -> None:
    callers, cell, wrong = Callers(api.world), next(cells(api.world, 1)), []
    with GOLDEN.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["object"] in ("other", "unknown")]
    for row in rows:
        refused = [name for name in CALLERS if row[name] == "404"]
        for caller in [
            *refused[:1],
            *(name for name in refused if name not in ("person", "browser")),
        ][:2]:
            answer = call(api, row["route"], cell, row["object"], callers.headers(caller, cell))
            if answer.status_code != 404:
                wrong.append((row["route"], row["object"], caller, answer.status_code))
    assert len(rows) > 100
    assert wrong == []

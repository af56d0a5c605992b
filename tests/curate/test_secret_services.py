"""The services of two public rule sets, by name: each is found by rules of ours, or the list says
why it is left out.

The names are the files of gitleaks (cmd/generate/config/rules) and the plugins of detect-secrets,
as of November 2026, beside those that a later one of the same set takes the place of. Only names
are compared; no pattern of theirs is used.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from licet.curate import rules
from licet.curate.deidentify import detect

with (Path(__file__).parent / "cases" / "secret_services.csv").open(
    encoding="utf-8", newline=""
) as opened:
    ROWS = list(csv.DictReader(opened))
TOKEN = "x9Kq2LmN8pRt4Vw6Yz1Ab3Cd5Ef7Gh0J"
ASSIGNED = [row["service"] for row in ROWS if row["rules"] == "service_assigned"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['set']} {row['service']}")
def test_a_service_of_the_public_sets_has_rules_here_or_a_reason(row: dict[str, str]) -> None:
    named, reason = row["rules"].split(), row["why it is left out"]
    assert bool(named) != bool(reason)
    assert set(named) <= rules.load_rules().by_name.keys()


def test_each_service_stands_once_and_few_are_left_out() -> None:
    assert len({(row["set"], row["service"]) for row in ROWS}) == len(ROWS) > 150
    assert sum(not row["rules"] for row in ROWS) < 6


@pytest.mark.parametrize("service", ASSIGNED)
def test_a_service_without_a_form_of_its_own_is_found_by_its_name(service: str) -> None:
    name = re.sub(r"_(?:token|iam)$", "", service).upper()
    for text in (f"{name}_API_KEY={TOKEN}", f'{{"{name.lower()}_token": "{TOKEN}"}}'):
        assert [span for span in detect([text])[0] if text[span.start : span.end] == TOKEN], text

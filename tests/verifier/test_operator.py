"""The operator as adversary: no whole log that is altered with its own key is believed where it
contradicts itself.

`TESTS_OPERATOR` sets how many alterations are tried (20,000, a quarter in a run), `TESTS_SEED`
where the draw begins. What a holder of the key can still claim is listed in docs/security.md, and
the list is held against the alterations here.
"""

from __future__ import annotations

import ast
import os
import re
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random

import pytest

from licet import verifier
from licet.ledger.canonical_json import canonical
from licet.verifier.answer import ContradictionError, VerifierFinding
from licet.verifier.entries import Story

from ..ledger.world import ORIGIN, SIGNER, Held
from ..policy.histories import history
from . import operator_lies
from .honest_logs import Entry, Installation
from .lies import written
from .operator_lies import CONTRADICTED, RESIDUALS, LogAlteration
from .shipped import shipped

ALTERATIONS = int(os.environ.get("TESTS_OPERATOR") or 20_000)
SEED = int(os.environ.get("TESTS_SEED", "0"))
HISTORIES = 400
WHOLE_COMMANDS = 300
DOCS = Path(__file__).parents[2] / "docs"
SOURCE = Path(verifier.__file__).parent


def contradiction(log: list[Entry]) -> VerifierFinding | None:
    """The first thing that a log of these entries contradicts."""
    story = Story(int(log[0]["logged"][:4]))
    for index, entry in enumerate(log):
        try:
            story.follow(index, entry, f"entry {index}")
        except ContradictionError as contradicted:
            return contradicted.finding
    return None


@cache
def honest() -> tuple[list[Entry], ...]:
    """The logs of many installations: with restores and without, with every year kept and with
    years removed.
    """
    logs: list[list[Entry]] = []
    for seed in range(SEED, SEED + HISTORIES):
        made = Installation(history(seed), restores=seed % 2 == 0, keeps_years=seed % 3 > 0)
        logs += made.logs.values()
    return tuple(logs)


def test_no_honest_log_is_contradicted() -> None:
    kinds: Counter[str] = Counter()
    for log in honest():
        assert contradiction(log) is None, (contradiction(log), log[:2])
        kinds.update(entry["t"] for entry in log)
    told = {
        "restored",
        "carried",
        "closed",
        "project_kept_out",
        "grant_stands",
        "policy_stands",
        "release_purged",
        "held",
    }
    assert told <= kinds.keys()
    assert all(kinds[kind] > 15 for kind in told), kinds


def test_what_is_drawn_has_the_form_of_entries() -> None:
    for log in honest()[:40]:
        for entry in log:
            assert verifier.entries.read_entry(canonical(entry), "here") == entry


def tried(
    alterations: list[LogAlteration], count: int, begin: int
) -> tuple[Counter[str], list[str]]:
    """How often each could be told, and what of it was believed."""
    could: Counter[str] = Counter()
    believed: list[str] = []
    number = begin
    while sum(could.values()) < count:
        draw = Random(number)
        one, log = alterations[number % len(alterations)], draw.choice(honest())
        altered = one.alter(list(log), draw)
        number += 1
        if altered is None:
            continue
        could[one.name] += 1
        if contradiction(altered) is None:
            believed.append(f"{one.name}: seed {number - 1}")
    return could, believed


def test_no_log_that_contradicts_itself_is_believed() -> None:
    could, believed = tried(CONTRADICTED, ALTERATIONS, SEED)
    assert believed == []
    assert could.keys() == {one.name for one in CONTRADICTED}
    assert min(could.values()) >= ALTERATIONS // 10_000, could


def test_what_a_holder_of_the_key_can_still_claim_is_what_the_list_says() -> None:
    """Each residual is believed, and each is a line of docs/security.md, with who could notice it;
    and no other is.
    """
    could, believed = tried(RESIDUALS, 2_000, SEED)
    assert len(believed) == sum(could.values())
    assert could.keys() == {one.name for one in RESIDUALS}
    text = (DOCS / "security.md").read_text()
    part = text.partition("### What a holder of the log's key can still claim")[2].partition("\n#")[
        0
    ]
    part = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", part)  # a link reads as its words
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", part, re.MULTILINE)[1:]
    listed = {
        claim.strip(): notices.strip() for claim, notices in rows if not claim.startswith("-")
    }
    assert listed.keys() == {one.name for one in RESIDUALS}
    assert all(len(notices) > 20 for notices in listed.values())


def test_the_command_contradicts_whole_altered_logs(tmp_path: Path) -> None:
    """Signed and published anew, each is contradicted by the command that strangers run; the honest
    one is proved.
    """
    told = 0
    for number in range(WHOLE_COMMANDS * 3):
        draw = Random(number)
        log = draw.choice([one for one in honest() if one[0]["logged"].startswith("2026")])
        one = CONTRADICTED[number % len(CONTRADICTED)]
        altered = one.alter(list(log), draw)
        if altered is None:
            continue
        told += 1
        for entries, is_proved in ((log, True), (altered, False)):
            files = written(
                tuple(canonical(entry) for entry in entries), middle=len(entries) // 2
            ).files
            by = (verifier, shipped())[number % 2]
            report = by.check_log(
                Held(files), by.trust(SIGNER.verifier.vkey), (), by.new_story(ORIGIN)
            )
            assert report.answer.value == ("proved" if is_proved else "contradicted"), (
                one.name,
                number,
                report.findings,
            )
        if told == WHOLE_COMMANDS:
            return
    raise AssertionError(told)


@pytest.mark.parametrize("group", [CONTRADICTED, RESIDUALS], ids=["contradicted", "residual"])
def test_each_alteration_is_named_once(group: list[LogAlteration]) -> None:
    names = [one.name for one in [*CONTRADICTED, *RESIDUALS]]
    assert len(set(names)) == len(names)
    assert len(group) >= 9
    assert operator_lies.__doc__


def pairs() -> list[tuple[list[Entry], list[Entry]]]:
    """The logs of two years that follow one another."""
    found = []
    for seed in range(SEED, SEED + HISTORIES):
        logs = Installation(history(seed), restores=seed % 2 == 0).logs
        found += [(logs[year], logs[year + 1]) for year in logs if year + 1 in logs]
    return found


def lacks(before: list[Entry], log: list[Entry]) -> tuple[list[str], int]:
    """What is not proved of what a log carries over, and of how many accounts the year before
    leaves it open.
    """
    report = verifier.answer.VerifierReport("log")
    stories: list[Story] = []
    for entries in (before, log):
        story = Story(int(entries[0]["logged"][:4]))
        for index, entry in enumerate(entries):
            story.follow(index, entry, f"entry {index}")
        stories.append(story)
    verifier.check_carried(report, stories[1], stories[0])
    return [lack.why for lack in report.lacks], verifier.invariants.ended_with(
        stories[0].accounts.values()
    )[0]


def test_no_year_carries_over_more_than_the_year_before_ended_with() -> None:
    stands = next(one for one in RESIDUALS if one.alter is operator_lies.stands_invented)
    altered = 0
    for before, log in pairs():
        assert lacks(before, log)[0] == []
        told = stands.alter(list(log), Random(0))
        if told is not None:
            found, unsure = lacks(before, told)
            assert unsure or "more grants of number 1 for `never_asked`" in found[0]
            altered += not unsure
    assert altered > 20


def promises() -> set[str]:
    """Every promise that the entries of a log may break, as the verifier says it."""
    found: set[str] = set()
    for name in ("invariants.py", "grants.py"):
        for node in ast.walk(ast.parse((SOURCE / name).read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ContradictionError":
                said = node.args[1]
                if isinstance(said, ast.Constant):
                    found.add(str(said.value))
                elif isinstance(said, ast.JoinedStr):
                    found.add(
                        "".join(
                            str(part.value) if isinstance(part, ast.Constant) else "{}"
                            for part in said.values
                        )
                    )
    return found


def test_the_documentation_tells_every_promise_of_a_log() -> None:
    text = " ".join((DOCS / "verify.md").read_text().split())
    missing = [
        said
        for said in {*promises(), verifier.invariants.CLOSED}
        if "{}" not in said and said not in text
    ]
    assert missing == []

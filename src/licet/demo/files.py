"""Demonstrates Licet on a person's own files: one account, a policy from before the first turn, and
a clock a day after the last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from licet.curate import engine_settings, release_build
from licet.demo.stage import (
    DemoPromise,
    DemoReport,
    Progress,
    Say,
    no_progress,
    show_promises,
    stage,
)
from licet.intake import formats, imports
from licet.intake.import_records import Imported, RecordedAccount, RecordedChoice
from licet.intake.read_turn import ReadTurn
from licet.policy.decide import IMPROVE, MEANING, DecisionReason
from licet.policy.file import NamesTerm, Policy, from_document, preset
from licet.policy.period import instant, rfc3339
from licet.release import catalog
from licet.service import explanations, policy_changes
from licet.vault import verbs
from licet.vault.installation import Installation
from licet.vault.simulated_clock import SimulatedClock

ACCOUNT = "you"
UNTIMED = instant("2025-09-01")
NAME = "yours"
SHOWN_MAX = 12


def play_files(
    folder: Path,
    paths: Sequence[Path],
    *,
    plan: str,
    age: int,
    allow_from: datetime | None,
    say: Say,
    progress: Progress = no_progress,
) -> DemoReport:
    """Imports the files, shows what may be used and why, and builds a release."""
    progress("reading the files", 0)
    times = [
        item.at
        for path in paths
        for item in formats.read(path)
        if isinstance(item, ReadTurn) and item.at
    ]
    first, last = (min(times), max(times)) if times else (UNTIMED, UNTIMED)
    begin = min(first, allow_from or first) - timedelta(days=1)
    clock = SimulatedClock(begin)
    progress("starting the database", 0.1)
    with stage(folder, clock, say) as installation:
        document = preset("article-2025").document()
        document |= {
            "effective": begin.date().isoformat(),
            "version": begin.date().isoformat(),
            "decide_by": None,
        }
        document["names"] = NamesTerm.left_in.value  # no name search by default
        policy = from_document(document)
        (folder / "policy.yaml").write_text(
            yaml.safe_dump(document, sort_keys=False), encoding="utf-8"
        )
        policy_changes.apply_policy(installation, policy, actor="demo", languages=None)
        clock.set(max(last, allow_from or last) + timedelta(days=1))
        _show_assumptions(installation, say, policy, plan, age, allow_from)
        if not times:
            say(f"  no turn has a time of its own: all are taken as said on {UNTIMED:%d %B %Y}")
        say(f"  today is {clock.now:%d %B %Y}, a day after the last event\n")
        choices = (
            [RecordedChoice(host=ACCOUNT, at=allow_from, allow=True, via="demo")]
            if allow_from
            else []
        )
        progress("importing", 0.2)
        imported = imports.import_files(
            installation,
            paths,
            default=RecordedAccount(host=ACCOUNT, plan=plan, age=age, opened_at=begin),
            choices=choices,
            assume_at=None if times else UNTIMED,
        )
        _show_imported(imported, say)
        progress("asking what may be used", 0.6)
        _show_answers(installation, say)
        progress("building the release", 0.7)
        return _finish(folder, installation, clock, imported, say)


def _show_assumptions(
    installation: Installation,
    say: Say,
    policy: Policy,
    plan: str,
    age: int,
    allow_from: datetime | None,
) -> None:
    say("assumptions")
    say(f"  one account, `{ACCOUNT}`: plan {plan}, age {age}")
    say(
        f"  the terms of article-2025, in force since {policy.effective:%d %B %Y}, "
        "before the first turn"
    )
    left_in = engine_settings.may_leave_names_in(installation)
    finds = "person" in engine_settings.name_search(installation.config, left_in=left_in).kinds
    names = "replaced where they are found" if finds else "left in: nothing looks for them"
    say(f"  people's names are {names}")
    permission = (
        f"allowed on {rfc3339(allow_from)}"
        if allow_from
        else "never given, so nothing may be used (see --allow-from)"
    )
    say(f"  permission: {permission}")


def _show_imported(imported: Imported, say: Say) -> None:
    many = "s" * (imported.conversations != 1)
    say(
        f"read {imported.turns:,} turns: {imported.stored:,} kept in {imported.conversations:,} "
        f"conversation{many}{f', {imported.known:,} were copies' if imported.known else ''}"
    )
    for day, count in imported.would_be_erased.items():
        say(f"  {count:,} turns would have been erased on {day}: not stored")
    for why, count in sorted(imported.skipped_reasons.items()):
        say(f"  {count:,} record{'s' * (count != 1)} passed over: {why}")
    for broken in imported.broken_places[:10]:
        say(f"  left out {broken.place}: {broken.message}")
    if imported.broken > 10:
        say(f"  ... and {imported.broken - 10:,} more that could not be read")


def _show_answers(installation: Installation, say: Say) -> None:
    """Shows what may be used, why and until when, for the first conversations."""
    say("\nwhat may be used to improve models, and why")
    shown, met = 0, set[DecisionReason]()
    for name in verbs.conversations_of(installation, ACCOUNT):
        explained = explanations.explain(installation, name)
        assert isinstance(explained, explanations.ConversationSeen)
        answers: Counter[str] = Counter()
        for answer in explained.answers:
            if answer.purpose == IMPROVE:
                until = f"until {answer.until:%Y-%m-%d}" if answer.until else "not to be used"
                answers[f"{until} ({answer.because.value})"] += answer.turns
                met.add(answer.because)
        shown += 1
        if shown <= SHOWN_MAX:
            parts = "; ".join(
                f"{count:,} {'turn' if count == 1 else 'turns'} {use}"
                for use, count in answers.items()
            )
            say(f"  {name}  {explained.kind}: {parts}")
    if shown > SHOWN_MAX:
        say(f"  ... and {shown - SHOWN_MAX:,} more conversations; `licet explain` shows each")
    for because in sorted(met):
        say(f"  {because.value}: {MEANING[because]}")


def _finish(
    folder: Path,
    installation: Installation,
    clock: SimulatedClock,
    imported: Imported,
    say: Say,
) -> DemoReport:
    built = release_build.build_release(installation, name=NAME, purpose=IMPROVE)
    counts = built.manifest.counts
    say(
        f"\nthe release that follows: {built.manifest.rows:,} rows of {counts.included:,} "
        f"turns, in {built.folder}"
    )
    for reason, count in sorted(counts.dropped.items(), key=lambda item: -item[1]):
        say(f"  {count:,} left out: {reason}")
    if built.manifest.deidentification.counts:
        replaced = ", ".join(
            f"{n:,} {kind}" for kind, n in built.manifest.deidentification.counts.items()
        )
        say(f"  replaced in it: {replaced}")
    came = sum(1 for _ in catalog.open_release(installation, NAME))
    broken = catalog.verify_release(installation, NAME)
    promises = [
        DemoPromise(
            text="every turn kept is a candidate, and each is in or left out with a reason",
            kept=counts.candidates == imported.stored,
            seen=(
                f"{imported.stored:,} kept, {counts.candidates:,} candidates, "
                f"{counts.included:,} included"
            ),
        ),
        DemoPromise(
            text="the release loads, and is what was sealed",
            kept=came == built.manifest.rows and not broken,
            seen=f"{came:,} of {built.manifest.rows:,} rows came out, {len(broken)} contradictions",
        ),
    ]
    say("")
    show_promises(promises, say)
    say(
        f"\nthe folder {folder} is an installation on a simulated clock; try ./run status "
        f"--data {folder}"
    )
    return DemoReport(folder=folder, clock=clock.now, promises=tuple(promises))

"""The command of the canary audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from licet.cli.shell import json_option, show
from licet.store.core_dumps import harden

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.service.canary_audit import Audit

EXIT_NO, EXIT_AGAIN = 1, 75


@click.command("canaries")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the planted words and their places.")
@click.option("--steps", type=click.IntRange(1, 100_000), default=160, show_default=True, help="Training steps.")
@json_option
def canaries(seed: int, steps: int, as_json: bool) -> int:
    """Tests that a model learns nothing from what it may not use. Plants sentences in conversations, trains a small
    model, and measures whether it knows them.

    Runs in a temporary installation, with accounts that are incognito, deleted, expired, out of scope, undecided, or
    withdraw before and during the run, and one that permits. Exits 1 if the model knows what it may not. Exits 75 if it
    does not know what it may either: then the test proves nothing, and more --steps may help.

    \b
    Example:  licet train canaries
    """
    from licet.service import canary_audit as audits
    from licet.train.canaries import AuditResult

    harden()
    with audits.grounds() as (here, clock):
        settings = audits.with_steps(steps)
        found = audits.audit(here, clock, seed=seed, settings=settings)
    show(found, as_json, lambda: _text(found))
    return {AuditResult.passed: 0, AuditResult.failed: EXIT_NO}.get(found.verdict, EXIT_AGAIN)


def _text(found: Audit) -> str:
    lines = [f"{'group':<17} planted  handed  exposure (bits)  p"]
    lines += [
        f"{one.group.value:<17} {one.planted:>7} {one.handed:>7} {one.exposure:>16.2f}  {one.p:.2g}"
        for one in found.groups
    ]
    lines += [found.broken] if found.broken else []
    return "\n".join(
        [*lines, f"{found.verdict.value}: {found.steps:,} steps on {found.rows:,} rows, seed {found.seed}"]
    )

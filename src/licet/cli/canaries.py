"""The command of the canary audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.shell import answer_options, by_option, open_installation, pluralize, show, user
from licet.store.core_dumps import harden

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.service.canary_audit import Audit

EXIT_NO, EXIT_AGAIN = 1, 75


@click.command("canaries")
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Seed of the planted words and their places.",
)
@click.option(
    "--steps",
    type=click.IntRange(1, 100_000),
    default=160,
    show_default=True,
    help="Training steps.",
)
@click.option(
    "--for", "model", metavar="MODEL", help="A model on record beside which the result is kept."
)
@by_option("audits")
@answer_options
def canaries(
    seed: int,
    steps: int,
    model: str | None,
    by: str | None,
    data: Path | None,
    at: str | None,
    as_json: bool,
) -> int:
    """Tests that a model learns nothing from what it may not use. Plants sentences in
    conversations, trains a small model, and measures whether it knows them.

    Runs in a temporary installation, with accounts that are incognito, deleted, expired, out of
    scope, undecided, or withdraw before and during the run, and one that permits. Exits 1 if the
    model knows what it may not. Exits 75 if it does not know what it may either: then the test
    proves nothing, and more --steps may help. With --for, the result is kept in your installation
    beside a model on record: `licet models show` and the console have it. The audit trains a model
    of its own with the installed code, and does not read the weights of that model.

    \b
    Example:  licet train canaries
              licet train canaries --for model_0190f3a4c2d87b6e9a51c3d4e5f60718
    """
    from licet.service import canary_audit as audits
    from licet.train.canary_register import AuditResult

    harden()
    if model is not None:
        with open_installation(data, at) as theirs:
            audits.check_model(theirs, model)
    with audits.audit_installation() as (here, clock):
        settings = audits.with_steps(steps)
        found = audits.audit(here, clock, seed=seed, settings=settings)
    if model is not None:
        with open_installation(data, at) as theirs:
            audits.keep(theirs, model, found, actor=by or f"user:{user()}")
    show(found, as_json, lambda: _text(found))
    return {AuditResult.passed: 0, AuditResult.failed: EXIT_NO}.get(found.verdict, EXIT_AGAIN)


def _text(result: Audit) -> str:
    lines = [f"{'group':<17} planted  handed  exposure (bits)  p"]
    lines += [
        f"{one.group.value:<17} {one.planted:>7} {one.handed:>7} {one.exposure:>16.2f}  {one.p:.2g}"
        for one in result.groups
    ]
    lines += [result.broken] if result.broken else []
    return "\n".join(
        [
            *lines,
            (
                f"{result.verdict.value}: {pluralize(result.steps, 'step')} on "
                f"{pluralize(result.rows, 'row')}, seed {result.seed}"
            ),
        ]
    )

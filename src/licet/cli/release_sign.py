"""`licet release status`: the signatures of a release."""

from __future__ import annotations

import click

from licet.access.identities import NOT_CONFIRMED
from licet.cli.root import EXIT_NO
from licet.cli.shell import CliCall, answer_options, pluralize
from licet.policy.period import rfc3339
from licet.release import measurement, signatures
from licet.release.signatures import ReleaseStanding

NAMES_IN = (
    "nobody looked for names: people's names, streets and places in running text are all in; "
    "docs/curate.md says how to"
    " look for them"
)


@click.command("status")
@click.argument("name")
@answer_options
def status(name: str, call: CliCall) -> int:
    """Shows the samples, signatures and purges of a release. Exits 1 while it is not signed off.

    \b
    Example:  licet release status tuesday
    """
    with call.installation() as installation:
        seen = signatures.get_standing(installation, name, count_dead=True)
        call.show(seen, lambda: standing_text(seen))
    return 0 if seen.signed_off else EXIT_NO


def standing_text(view: ReleaseStanding) -> str:
    """Formats a release's state and everything done to it since its seal."""
    warning = "" if view.looked_for_names else f"WARNING    {NAMES_IN}\n"
    return (
        f"{warning}release    {view.release}: {view.state}, {pluralize(view.rows, 'row')}, "
        f"{view.folder}\n{since_text(view)}"
    )


def since_text(view: ReleaseStanding) -> str:
    lines = []
    if view.rows_purged or view.rows_dead:
        more = (
            f"; {view.rows_dead:,} more are dead: `licet release purge`" if view.rows_dead else ""
        )
        lines.append(f"purged     {pluralize(view.rows_purged, 'row')}{more}")
    if view.sample:
        lines.append(
            f"sample     open: {view.sample.done:,} of {view.sample.drawn:,} rows have "
            "their finding"
        )
    lines.append(f"review     {review_text(view)}")
    if view.measurement is not None:
        lines.append(f"measured   {measurement.sentences(view.measurement)[0]}")
    where = {"cli": "on the command line", "console": "in the console"}
    lines += [
        f"signed     {s.email}, {where[s.via]}, {rfc3339(s.signed_at)}" for s in view.signatures
    ]
    return "\n".join([*lines, sign_off_text(view)])


def sign_off_text(view: ReleaseStanding) -> str:
    """Formats whether a release is signed off, confirmed by whom; else what it waits for."""
    left = view.signatures_needed - len(view.signatures)
    if view.signed_off:
        return "signed off" if view.second_identity else f"signed off, {NOT_CONFIRMED}"
    if view.sample:
        return "not signed off: it waits for the sample that is open"
    if left > 0:
        return f"not signed off: it waits for {left} more signature{'s' if left > 1 else ''}"
    return f"not signed off: {NOT_CONFIRMED}"


def review_text(view: ReleaseStanding) -> str:
    """Formats the newest closed sample."""
    if view.statement is None:
        return "none yet: `licet review` draws a sample"
    kinds = {**view.statement.risk.findings}
    for kind, count in view.statement.chance.findings.items():
        kinds[kind] = kinds.get(kind, 0) + count
    found = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items())) or "nothing"
    return (
        f"{pluralize(view.statement.read, 'row')} read by {view.statement.readers}: found "
        f"{found}\n           {view.says}"
    )

"""The commands of releases: build, show and verify one, and all that is done to it since its
seal.
"""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from licet.cli import (
    release_collect,
    release_diff,
    release_duplicates,
    release_measure,
    release_purge,
    release_push,
    release_read,
    release_sign,
    release_stats,
    safety,
)
from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import answer_options, opened, progress, show
from licet.policy.period import written
from licet.release import catalog, signatures
from licet.release.manifest import ReleaseManifest
from licet.service import population_status


@click.group(cls=CommandGroup)
def release() -> None:
    """Builds, checks, signs and purges sealed training sets."""


@release.command("build")
@click.argument("name")
@click.option(
    "--purpose", required=True, help="A purpose that the policy covers, such as improve_models."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where to write it; by default in the data folder.",
)
@click.option(
    "--misuse",
    "model",
    help="A model of misuse (a folder, or `package.module:attribute`) whose score each row gets.",
)
@click.option(
    "--from", "base", help="An earlier release: rows that nothing changed are carried from it."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes, or actors of the configured Ray cluster, that build at once; the release is "
    "the same, whatever"
    " their number.",
)
@click.option("--afresh", is_flag=True, help="Discard what an interrupted build of this name left.")
@click.option(
    "--accept-changes",
    is_flag=True,
    help="Seal it though more words were replaced than is usual; the manifest records it.",
)
@answer_options
def release_build(
    name: str,
    purpose: str,
    folder: Path | None,
    model: str | None,
    base: str | None,
    workers: int,
    afresh: bool,
    accept_changes: bool,
    data: Path | None,
    at: str | None,
    as_json: bool,
) -> int:
    """Seals every turn that may be used into a release.

    An interrupted build leaves nothing that can be read; the same command continues after the last
    complete part. Exits 1 if no row may be used, with the number of turns for each reason. With
    `--from` every turn is decided again, but only what changed is curated again; if nothing can be
    carried, the build says why and is whole. Each of `--workers` needs a processor core, 250 MB of
    memory and a connection to the database.

    A build that replaced more words than is usual, by kind, language and place, seals nothing,
    shows twenty places and exits 1; `--accept-changes` seals it.

    \b
    Example:  licet release build tuesday --purpose improve_models
              licet release build wednesday --purpose improve_models --from tuesday
              licet release build tuesday --purpose improve_models --afresh
              licet release build thursday --purpose improve_models --workers 4
    """
    # here: a release is shown and signed without what curates
    from licet.curate import release_build as builder

    with opened(data, at) as here, progress() as bar:
        task = bar.add_task("deciding", total=population_status.turns_kept(here))
        built = builder.build_release(
            here,
            name=name,
            purpose=purpose,
            folder=folder,
            progress=lambda count: bar.advance(task, count),
            says=bar.console.print,
            afresh=afresh,
            scorers=safety.scorers(model),
            base=base,
            workers=workers,
            accepts_changes=accept_changes,
        )
        bar.stop()
        resumed = (
            "" if built.resumed_from is None else f"\nresumed    from part {built.resumed_from}"
        )
        made = msgspec.structs.asdict(built) | {"warnings": _warnings(built.manifest)}
        show(made, as_json, lambda: _release_text(built.folder, built.manifest) + resumed)
    return 0 if built.manifest.rows else EXIT_NO


def _warnings(promised: ReleaseManifest) -> list[str]:
    """What is missing for a release to be a success."""
    warnings = []
    if not promised.rows:
        asked = (
            f"none of {promised.counts.candidates:,} turns may be used"
            if promised.counts.candidates
            else "no turn is kept"
        )
        warnings.append(
            f"THE RELEASE IS EMPTY: {asked}; `licet explain` says of an account, a "
            "conversation or a turn why"
        )
    elif not promised.looked_for_names:
        warnings.append(release_sign.NAMES_IN)
    return warnings


def _release_text(folder: Path, promised: ReleaseManifest) -> str:
    counts = promised.counts
    lines = [f"WARNING    {warning}" for warning in _warnings(promised)]
    lines += [
        (
            f"release    {promised.name}: {promised.rows:,} rows for {promised.purpose}, sealed "
            f"{written(promised.built_at)}"
        ),
        f"folder     {folder}",
        (
            f"policy     {promised.policy.name} {promised.policy.version}, journal position "
            f"{promised.journal}"
        ),
        f"turns      {counts.candidates:,} candidates = {counts.included:,} included"
        f" + {counts.candidates - counts.included:,} left out",
    ]
    lines += [
        f"           {count:>9,}  {reason}"
        for reason, count in sorted(counts.dropped.items(), key=lambda kv: -kv[1])
    ]
    replaced = promised.deidentification.counts
    if replaced:
        lines.append(
            "replaced   " + ", ".join(f"{count} {kind}" for kind, count in replaced.items())
        )
    if (base := promised.base) is not msgspec.UNSET:
        lines.append(
            f"base       {base.carried:,} rows carried, {base.rebuilt:,} built, "
            f"{base.dropped:,} left behind"
        )
    lines.append(f"root       {promised.root}")
    return "\n".join(lines)


@release.command("show")
@click.argument("name")
@answer_options
def release_show(name: str, data: Path | None, at: str | None, as_json: bool) -> None:
    """Shows what a release holds and how much is usable now. Also shows why the rest was left out.

    \b
    Example:  licet release show tuesday
    """
    with opened(data, at) as here:
        catalog.find_release(here, name)  # an unknown name is told before anything is loaded
        # here: what counts the usable rows loads what training does
        from licet.service import release_view

        seen = release_view.show(here, name)
        since = signatures.standing(here, name) if seen.state == "sealed" else None
        usable = f"\nusable now {seen.rows_usable_now:,} of {seen.manifest.rows:,} rows\n"
        show(
            {
                **msgspec.structs.asdict(seen),
                "standing": since,
                "warnings": _warnings(seen.manifest),
            },
            as_json,
            lambda: (
                _release_text(seen.folder, seen.manifest)
                + usable
                + (release_sign.since_text(since) if since else "")
            ),
        )


@release.command("verify")
@click.argument("name")
@answer_options
def release_verify(name: str, data: Path | None, at: str | None, as_json: bool) -> int:
    """Checks every file of a release against its manifest and seal. Exits 1 on any contradiction.

    \b
    Example:  licet release verify tuesday
              licet release verify /mnt/copies/tuesday
    """
    with opened(data, at) as here:
        found = catalog.verify_release(here, name)
        lines = [f"{c.file}: {c.promise.value}: found {c.found}" for c in found]
        show(found, as_json, lambda: "\n".join([*lines, f"{len(found)} contradictions"]))
    return EXIT_NO if found else 0


for _command in (
    release_diff.diff,
    release_stats.stats,
    release_duplicates.duplicates,
    release_read.read,
    release_measure.measure,
    release_purge.purge,
    release_collect.collect,
    release_push.push,
    release_sign.sign,
    release_sign.status,
):
    release.add_command(_command)

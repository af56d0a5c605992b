"""The commands of releases: build, show and verify one, and all that is done to it since its
seal.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from licet.cli import (
    release_measure,
    release_read,
    release_sign,
    release_stats,
    safety,
)
from licet.cli.root import EXIT_CHANGES, EXIT_NO, CommandGroup
from licet.cli.shell import answer_options, dry_option, open_installation, pluralize, progress, show
from licet.clock import utc_now
from licet.policy.period import written
from licet.release import catalog, homes, signatures
from licet.release import push as pushing
from licet.release.catalog import diff_releases
from licet.release.diff import ReleaseDiff
from licet.release.manifest import ReleaseManifest
from licet.release.purge_verbs import PurgeResult, purge_release
from licet.release.push import PushResult
from licet.service import population_status

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.release.duplicates import DuplicateClusters


@click.command("duplicates")
@click.argument("name")
@answer_options
def duplicates(name: str, data: Path | None, at: str | None, as_json: bool) -> None:
    """Counts the clusters of duplicates of a release. A cluster is a conversation that stays, and
    those that hold the same.

    It reads everything that may be used for the purpose of the release now, as a build does, and
    stores the figures alone, for the console to show. The number of accounts of a cluster is told
    from 10 on.

    \b
    Example:  licet release duplicates october
              licet release duplicates october --json
    """
    from licet.curate import duplicate_clusters

    with open_installation(data, at) as here, progress() as bar:
        task = bar.add_task("reading", total=None)
        found = duplicate_clusters.count(here, name, progress=lambda read: bar.advance(task, read))
        bar.stop()
        show(found, as_json, lambda: "\n".join(_duplicates_text(found)))


def _duplicates_text(result: DuplicateClusters) -> Iterator[str]:
    yield f"release    {result.release}"
    yield (
        f"duplicates {result.left_out:,} of {pluralize(result.looked_at, 'conversation')} that "
        "may be used now"
    )
    yield f"clusters   {result.clusters:,}"
    if result.sizes:
        yield f"  {'conversations':<26}{'clusters':>10}{'together':>10}"
    for one in result.sizes:
        size = f"{one.least:,}" if one.least == one.most else f"{one.least:,} to {one.most:,}"
        yield f"  {size:<26}{one.clusters:>10,}{one.conversations:>10,}"
    if result.largest:
        yield f"  {'the largest':<26}{'accounts':>10}{'row':>10}"
    for cluster in result.largest:
        accounts = "under 10" if cluster.accounts is None else f"{cluster.accounts:,}"
        row = "none" if cluster.row is None else f"{cluster.row}"
        yield f"  {cluster.conversations:<26,}{accounts:>10}{row:>10}"


@click.command("push")
@click.argument("name")
@click.argument("url")
@dry_option("Count what would be copied, and copy nothing; exits 2 if there is anything.")
@answer_options
def push(
    name: str, url: str, dry_run: bool, data: Path | None, at: str | None, as_json: bool
) -> int:
    """Copies a sealed release to an object store. Push again after `licet release purge`: what the
    folder has no more is deleted there.

    URL is of S3, Google Cloud Storage, Azure or a folder, with the credentials that their tools
    read from the environment. The copy is sealed: reading it takes a lease. `licet.load` and
    `licet.mix` read it from there.

    \b
    Example:  licet release push october s3://training/october --dry-run
              licet release push october s3://training/october
    """
    with open_installation(data, at) as here, progress("{task.completed:,} bytes") as bar:
        folder = signatures.place(here, name).folder
        planned = pushing.push(folder, url, dry_run=True)
        task = bar.add_task("copying", total=planned.sent_bytes)
        done = (
            planned
            if dry_run
            else pushing.push(folder, url, progress=lambda sent: bar.advance(task, sent))
        )
        bar.stop()
        show(done, as_json, lambda: _push_text(done, dry_run))
    return EXIT_CHANGES if dry_run and (done.sent or done.deleted) else 0


def _push_text(result: PushResult, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    return (
        f"{would}copied {pluralize(len(result.sent), 'file')}, "
        f"{pluralize(result.sent_bytes, 'byte')}, to {result.url}\n"
        f"{would}deleted {len(result.deleted):,} there; {result.unchanged:,} were there already"
    )


@click.command("purge")
@click.argument("name")
@dry_option("Count the dead rows, and change nothing; exits 2 if there are any.")
@answer_options
def purge(name: str, dry_run: bool, data: Path | None, at: str | None, as_json: bool) -> int:
    """Removes dead rows from the files of a release. RELEASE is a name, or any folder with a copy
    of it.

    A row is dead when a key that it needs was destroyed; a row that was only withdrawn is not dead.
    Only parts with dead rows are rewritten. An addendum beside the manifest states what was
    removed; root, counts and card do not change. An interrupted purge continues when it is run
    again.

    \b
    Example:  licet release purge tuesday --dry-run
              licet release purge /mnt/copies/tuesday
    """
    with open_installation(data, at) as here:
        done = purge_release(here, name, dry_run=dry_run)
        show(done, as_json, lambda: _purge_text(done, dry_run))
    return EXIT_CHANGES if dry_run and (done.rows or done.brought) else 0


def _purge_text(result: PurgeResult, dry_run: bool) -> str:
    lines = [
        f"{'would bring' if dry_run else 'brought'} the folder to {file}" for file in result.brought
    ]
    verb = "would take out" if dry_run else "took out"
    lines.append(
        f"{verb} {pluralize(result.rows, 'dead row')} of {pluralize(len(result.parts), 'part')}"
    )
    lines += [f"  {rows:>9,}  {part}" for part, rows in result.parts.items()]
    if result.addendum and not dry_run:
        lines.append(f"addendum   {result.folder / result.addendum}")
    return "\n".join(lines)


_WHY = {
    "new": "said or let in since",
    "gone": "nothing of it was left to ask about",
    "erased": "its keys are destroyed, so nobody can say why",
}


@click.command("diff")
@click.argument("old")
@click.argument("new")
@answer_options
def diff(old: str, new: str, data: Path | None, at: str | None, as_json: bool) -> int:
    """Shows what differs between two releases. Compares settings, counts, and rows in and out by
    reason. Exits 2 if anything differs.

    Rows are compared by the conversation from which they were made. For an added row, the reason is
    why it was not in OLD; for a removed one, why it is not in NEW.

    \b
    Example:  licet release diff tuesday wednesday
    """
    with open_installation(data, at) as here:
        found = diff_releases(here, old, new)
        show(found, as_json, lambda: _diff_text(found))
    return EXIT_CHANGES if found.changes or found.came or found.went else 0


def _diff_text(result: ReleaseDiff) -> str:
    lines = [f"~ {change.key}: {change.old} -> {change.new}" for change in result.changes]
    lines.append(f"  {pluralize(result.kept, 'row')} in both")
    lines += [
        f"+ {rows:,} rows came; in the older one: {_WHY.get(why, why)}"
        for why, rows in result.came.items()
    ]
    lines += [
        f"- {rows:,} rows went; in the newer one: {_WHY.get(why, why)}"
        for why, rows in result.went.items()
    ]
    return "\n".join(lines)


@click.command("collect")
@dry_option("Say what would be deleted, and change nothing; exits 2 if there is anything.")
@answer_options
def collect_command(dry_run: bool, data: Path | None, at: str | None, as_json: bool) -> int:
    """Deletes what killed processes left in the bucket of several hosts. `licet serve` does so once
    a day.

    These are objects of a sealed release that its list of files does not name, older than a week. A
    release that is being published, purged or reviewed is passed over.

    \b
    Example:  licet release collect --dry-run
    """
    with open_installation(data, at) as here:
        found = homes.collect(here, utc_now(), dry_run=dry_run)
    verb = "would delete" if dry_run else "deleted"
    lines = [f"{verb} {name}: {', '.join(objects)}" for name, objects in found.items()]
    show(found, as_json, lambda: "\n".join(lines or ["nothing is left over"]))
    return EXIT_CHANGES if dry_run and found else 0


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

    with open_installation(data, at) as here, progress() as bar:
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
    with open_installation(data, at) as here:
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
    with open_installation(data, at) as here:
        found = catalog.verify_release(here, name)
        lines = [f"{c.file}: {c.promise.value}: found {c.found}" for c in found]
        show(found, as_json, lambda: "\n".join([*lines, f"{len(found)} contradictions"]))
    return EXIT_NO if found else 0


for _command in (
    diff,
    release_stats.stats,
    duplicates,
    release_read.read,
    release_measure.measure,
    purge,
    collect_command,
    push,
    release_sign.sign,
    release_sign.status,
):
    release.add_command(_command)

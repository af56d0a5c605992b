"""The commands of releases: build, show and verify one, and all later operations on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from licet.cli import release_measure, release_sign, safety
from licet.cli.review import message_lines
from licet.cli.root import EXIT_CHANGES, EXIT_NO, CommandGroup
from licet.cli.shell import (
    PATH,
    CliCall,
    answer_options,
    dry_option,
    pluralize,
    progress,
)
from licet.cli.verb_commands import Printing, declare_commands
from licet.clock import utc_now
from licet.errors import UsageError
from licet.policy.period import rfc3339
from licet.release import catalog, release_store, signatures
from licet.release import push as pushing
from licet.release.catalog import diff_releases
from licet.release.diff import ReleaseDiff
from licet.release.manifest import ReleaseManifest
from licet.release.purge_verbs import PurgeResult, purge_release
from licet.release.push import PushResult
from licet.service import population_status

if TYPE_CHECKING:
    from licet.release.stats import ReleaseDrift, ReleaseStats, StatsSlice
    from licet.service.slice_sample import SliceRead

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.release.duplicates import DuplicateClusters


@click.command("duplicates")
@click.argument("name")
@answer_options
def duplicates(name: str, call: CliCall) -> None:
    """Counts the clusters of duplicates of a release. A cluster is a conversation that stays, and
    those that hold the same.

    It reads everything that may be used for the purpose of the release now, as a build does, and
    stores the figures alone, for the console to show. The number of accounts of a cluster is shown
    from 10 on.

    \b
    Example:  licet release duplicates october
              licet release duplicates october --json
    """
    from licet.curate import duplicate_clusters

    with call.installation() as installation, progress() as bar:
        task = bar.add_task("reading", total=None)
        found = duplicate_clusters.count_clusters(
            installation, name, progress=lambda read: bar.advance(task, read)
        )
        bar.stop()
        call.show(found, lambda: "\n".join(_duplicates_text(found)))


def _duplicates_text(result: DuplicateClusters) -> Iterator[str]:
    yield f"release    {result.release}"
    yield (
        f"duplicates {result.left_out:,} of {pluralize(result.looked_at, 'conversation')} that "
        "may be used now"
    )
    yield f"clusters   {result.clusters:,}"
    if result.sizes:
        yield f"  {'conversations':<26}{'clusters':>10}{'together':>10}"
    for bucket in result.sizes:
        size = (
            f"{bucket.least:,}"
            if bucket.least == bucket.most
            else f"{bucket.least:,} to {bucket.most:,}"
        )
        yield f"  {size:<26}{bucket.clusters:>10,}{bucket.conversations:>10,}"
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
def push(name: str, url: str, dry_run: bool, call: CliCall) -> int:
    """Copies a sealed release to an object store. Push again after `licet release purge`: what the
    folder has no more is deleted there.

    URL is of S3, Google Cloud Storage, Azure or a folder, with the credentials that their tools
    read from the environment. The copy is sealed: reading it takes a lease. `licet.load` and
    `licet.mix` read it from there.

    \b
    Example:  licet release push october s3://training/october --dry-run
              licet release push october s3://training/october
    """
    with call.installation() as installation, progress("{task.completed:,} bytes") as bar:
        folder = signatures.find_copy(installation, name).folder
        planned = pushing.push(folder, url, dry_run=True)
        task = bar.add_task("copying", total=planned.sent_bytes)
        done = (
            planned
            if dry_run
            else pushing.push(folder, url, progress=lambda sent: bar.advance(task, sent))
        )
        bar.stop()
        call.show(done, lambda: _push_text(done, dry_run))
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
def purge(name: str, dry_run: bool, call: CliCall) -> int:
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
    with call.installation() as installation:
        done = purge_release(installation, name, dry_run=dry_run)
        call.show(done, lambda: _purge_text(done, dry_run))
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
def diff(old: str, new: str, call: CliCall) -> int:
    """Shows what differs between two releases. Compares settings, counts, and rows in and out by
    reason. Exits 2 if anything differs.

    Rows are compared by the conversation from which they were made. For an added row, the reason is
    why it was not in OLD; for a removed one, why it is not in NEW.

    \b
    Example:  licet release diff tuesday wednesday
    """
    with call.installation() as installation:
        found = diff_releases(installation, old, new)
        call.show(found, lambda: _diff_text(found))
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
def collect_command(dry_run: bool, call: CliCall) -> int:
    """Deletes what killed processes left in the bucket of several hosts. `licet serve` does so once
    a day.

    These are objects of a sealed release that its list of files does not name, older than a week. A
    release that is being published, purged or reviewed is passed over.

    \b
    Example:  licet release collect --dry-run
    """
    with call.installation() as installation:
        found = release_store.delete_unreferenced(installation, utc_now(), dry_run=dry_run)
    verb = "would delete" if dry_run else "deleted"
    lines = [f"{verb} {name}: {', '.join(objects)}" for name, objects in found.items()]
    call.show(found, lambda: "\n".join(lines or ["nothing is left over"]))
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
    type=PATH,
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
    call: CliCall,
) -> int:
    """Seals every turn that may be used into a release.

    An interrupted build leaves nothing that can be read; the same command continues after the last
    complete part. Exits 1 if no row may be used, with the number of turns for each reason. With
    `--from` every turn is decided again, but only what changed is curated again; if nothing can be
    carried, the build says why and is whole. Each of `--workers` needs a processor core, 360 MB of
    memory and a connection to the database.

    A build that replaced more words than is usual, by kind, language and place, seals nothing,
    shows twenty places and exits 1; `--accept-changes` seals it.

    \b
    Example:  licet release build tuesday --purpose improve_models
              licet release build wednesday --purpose improve_models --from tuesday
              licet release build tuesday --purpose improve_models --afresh
              licet release build thursday --purpose improve_models --workers 4
    """
    # here: showing and signing need no curation
    from licet.curate import release_build as builder

    with call.installation() as installation, progress() as bar:
        task = bar.add_task("deciding", total=population_status.turns_kept(installation))
        built = builder.build_release(
            installation,
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
        call.show(made, lambda: _release_text(built.folder, built.manifest) + resumed)
    return 0 if built.manifest.rows else EXIT_NO


def _warnings(promised: ReleaseManifest) -> list[str]:
    """Returns what keeps a release from being a success."""
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
            f"{rfc3339(promised.built_at)}"
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
def release_show(name: str, call: CliCall) -> None:
    """Shows what a release holds and how much is usable now. Also shows why the rest was left out.

    \b
    Example:  licet release show tuesday
    """
    with call.installation() as installation:
        catalog.find_release(
            installation, name
        )  # an unknown name is reported before anything is loaded
        # here: counting usable rows imports the training code
        from licet.service import release_view

        seen = release_view.show(installation, name)
        since = signatures.get_standing(installation, name) if seen.state == "sealed" else None
        usable = f"\nusable now {seen.rows_usable_now:,} of {seen.manifest.rows:,} rows\n"
        call.show(
            {
                **msgspec.structs.asdict(seen),
                "standing": since,
                "warnings": _warnings(seen.manifest),
            },
            lambda: (
                _release_text(seen.folder, seen.manifest)
                + usable
                + (release_sign.since_text(since) if since else "")
            ),
        )


@release.command("verify")
@click.argument("name")
@answer_options
def release_verify(name: str, call: CliCall) -> int:
    """Checks every file of a release against its manifest and seal. Exits 1 on any contradiction.

    \b
    Example:  licet release verify tuesday
              licet release verify /mnt/copies/tuesday
    """
    with call.installation() as installation:
        found = catalog.verify_release(installation, name)
        lines = [f"{c.file}: {c.promise.value}: found {c.found}" for c in found]
        call.show(found, lambda: "\n".join([*lines, f"{len(found)} contradictions"]))
    return EXIT_NO if found else 0


@click.command("read")
@click.argument("release")
@click.option("--by", required=True, help="The e-mail address of the member of staff who reads.")
@click.option("--where", help="Which rows, by their labels; as for `licet.mix`.")
@click.option("--rows", type=int, default=5, show_default=True, help="How many, at most 50.")
@click.option(
    "--row",
    "numbers",
    type=int,
    multiple=True,
    help="A row by its number instead; may be repeated.",
)
@answer_options
def read_rows(
    release: str, by: str, where: str | None, rows: int, numbers: tuple[int, ...], call: CliCall
) -> None:
    """Shows a few rows of a slice of a release, drawn at random. Each opened row is recorded, and
    its person sees that.

    The slice is looked for among 2,000 rows of the release. A reviewer or the privacy officer
    reads.

    \b
    Example:  licet release read october --where "language = 'de' and words > 50" --by
    ana@example.org
              licet release read october --row 1204 --by ana@example.org
    """
    from licet.service import slice_sample

    if (where is None) == (not numbers):
        raise UsageError(
            "rows are read either by their labels or by their numbers", "give --where or --row"
        )
    with call.installation() as installation:
        reader = signatures.find_member(installation, by)
        seen = (
            slice_sample.read_rows(installation, release, reader, numbers)
            if where is None
            else slice_sample.read_slice(installation, release, reader, where, rows)
        )
        call.show(
            seen,
            lambda: "\n".join(_text(seen, "match" if where is not None else "may be used now")),
        )


def _text(view: SliceRead, do: str) -> Iterator[str]:
    yield f"{view.matching:,} of {view.scanned:,} rows {do}, opened: {len(view.rows)}"
    for row in view.rows:
        yield (
            f"row {row.ordinal}, {row.split}, {row.language}, {row.topic}; this reading is on "
            "record, and the person sees it"
        )
        yield ""
        yield from message_lines(row.messages)


SHOWN_SLICES = 12


@click.command("stats")
@click.argument("name")
@click.option(
    "--against",
    help="The release to measure the drift from; by default the last before it of its purpose.",
)
@answer_options
def stats(name: str, against: str | None, call: CliCall) -> None:
    """Shows what is in a release, in figures. Counts rows, turns, tokens, languages, topics and
    quality, and the drift from an earlier release.

    It reads each row that may be used now. Tokens are estimated: a quarter of the bytes.

    \b
    Example:  licet release stats october
              licet release stats november --against october --json
    """
    from licet.release import stats as figures

    with call.installation() as installation, progress() as bar:
        task = bar.add_task("reading", total=figures.rows_to_read(installation, name, against))
        found = figures.stats(
            installation, name, against=against, progress=lambda rows: bar.advance(task, rows)
        )
        bar.stop()
        call.show(found, lambda: "\n".join(_stats_text(found)))


def _stats_text(result: ReleaseStats) -> Iterator[str]:
    yield (
        f"release    {result.release}: {result.rows:,} of {result.promised:,} rows may be used now"
    )
    roles = ", ".join(f"{count:,} {role}" for role, count in result.turns.items()) or "none"
    yield f"turns      {sum(result.turns.values()):,}: {roles}"
    yield f"gaps       {result.gapped:,} rows miss a turn before one of their messages"
    yield f"tokens     {result.tokens:,}, estimated"
    for title, slices in (
        ("splits", result.splits),
        ("languages", result.languages),
        ("topics", result.topics),
    ):
        yield from _slices(title, slices, result.rows)
    if result.spread:
        yield f"{'a row':<28}{'p5':>10}{'p25':>10}{'p50':>10}{'p75':>10}{'p95':>10}"
    for what, values in result.spread.items():
        yield f"  {what:<26}" + "".join(f"{value:>10,.6g}" for value in values)
    yield f"left out   {sum(result.left_out.values()):,} of {pluralize(result.candidates, 'turn')}"
    for reason, count in result.left_out.items():
        yield f"  {reason:<26}{count:>10,}"
    if result.drift is not None:
        yield from _drift(result.drift)


def _slices(title: str, slices: dict[str, StatsSlice], rows: int) -> Iterator[str]:
    yield f"{title:<28}{'rows':>10}{'share':>10}{'turns':>10}{'tokens':>12}"
    for word, part in list(slices.items())[:SHOWN_SLICES]:
        yield (
            f"  {word:<26}{part.rows:>10,}{part.rows / rows:>10.1%}{part.turns:>10,}{part.tokens:>12,}"
        )
    if len(slices) > SHOWN_SLICES:
        yield f"  and {len(slices) - SHOWN_SLICES} more; --json has them all"


def _drift(drift: ReleaseDrift) -> Iterator[str]:
    yield (
        f"drift      from {drift.against}, {pluralize(drift.rows, 'row')}: 0 is the same, 1 is "
        "nothing in common"
    )
    for what, distance in sorted(drift.distances.items(), key=lambda item: -item[1]):
        yield f"  {what:<26}{distance:>10.3f}"


for _command in (
    diff,
    stats,
    duplicates,
    read_rows,
    release_measure.measure,
    purge,
    collect_command,
    push,
    release_sign.status,
):
    release.add_command(_command)


SIGNED = Printing(text=lambda _, seen: release_sign.standing_text(seen))
declare_commands(release, {"sign_release": SIGNED}, "review_verbs")

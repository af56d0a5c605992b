"""Exports: plain-text rows for a recipient named by the policy, registered as a copy, and recalled.

Recipients that the policy in force does not name are refused. An export is registered before its
first line is written, so after a kill the record may list a copy too many, never one too few: with
the segments of its rows, for certificates of erasure, and as a handout of its release, so that
later erasures (`erasure.certificates`) and rows that may no longer be used (`train.recipients`) are
recalled. Its folder appears once complete.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec
from pyroaring import BitMap

from licet.curate.splits import Split
from licet.erasure.recall_register import RECALL_DAYS, hand_out
from licet.errors import NotFoundError, RefusedError, UsageError
from licet.policy.period import rfc3339
from licet.release import manifest, registry
from licet.release.catalog import find_release, open_release, usable_rows
from licet.release.reader import UP, LoadedRow, split_runs
from licet.release.rows import ROWS_MAX
from licet.store.connect import Transaction, transaction
from licet.store.files import make_folder, sync
from licet.train import export_configs, gate_files, line_files, withdrawn_rows
from licet.train.bitmap import serialize
from licet.train.conversations import RESULT_LEFT_OUT
from licet.train.exports import ExportKind, Format, shape_row
from licet.vault import copies
from licet.vault.copies import CopyPlace
from licet.vault.ids import Prefix, format_id, parse, uuid7
from licet.vault.installation import Installation, load_policies

TRAIN = "train"
README_FILE = "README.md"


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """A registered export. ``withdrawn_ordinals_of`` counts its rows that may no longer be used,
    ``rows_recalled`` those recalled for that; the recipient must answer by ``rows_due_at``, None
    once it has. ``recalled_at`` is when the whole export was recalled.
    """

    export: str
    recipient: str
    release: str
    format: str
    rows: int
    made_at: datetime
    recalled_at: datetime | None
    due_at: datetime | None
    acknowledged_at: datetime | None
    withdrawn: int
    rows_recalled: int
    rows_due_at: datetime | None
    overdue: bool


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """An export, or the forecast of a dry run: lines by kind and split, omissions by reason."""

    export: str | None
    folder: Path | None
    recipient: str
    rows: int
    lines: dict[str, int]
    left_out: dict[str, int]
    splits: dict[str, int]


Written = tuple[ExportKind, str]  # a file of lines: their kind, and the split or ""


def export(
    installation: Installation,
    name: str,
    to: Format,
    *,
    recipient: str,
    out: Path,
    splits: Sequence[str] = (),
    dry_run: bool = False,
) -> ExportResult:
    """Writes the usable rows of a release into the new folder ``out``; ``dry_run`` writes and
    registers nothing.

    One file for each of ``splits``, by default only `train`: a recipient who trains on the others
    has nobody left to evaluate on. A release without splits is written whole. RefusedError for a
    recipient that the policy in force does not name, and for a release for safety classifiers.
    """
    folder, known = find_release(installation, name)
    gate_files.get_sealed(installation, known.release_id)
    gate_files.check_recipient(
        load_policies(installation).in_force(installation.clock()), known, recipient
    )
    if out.exists():
        raise UsageError(f"`{out}` already exists", "name a folder that does not exist")
    promise = manifest.read_manifest(folder)[0]
    chosen = _splits(promise, splits)
    usable = BitMap(chain.from_iterable(usable_rows(installation, promise))) & _ordinals(
        promise, chosen
    )
    rows = (
        row
        for split in chosen
        for row in open_release(installation, name, split)
        if row["ordinal"] in usable
    )
    if dry_run:
        count, lines, left_out = _write(None, rows, to)
        return _result(None, None, recipient, count, lines, left_out)
    export_id = format_id(
        Prefix.export, _register(installation, known.name, known.release_id, recipient, to, usable)
    )
    with _atomic_folder(out) as unfinished:
        count, lines, left_out = _write(unfinished, rows, to)
        configs, run = export_configs.config_files(
            to, {kind: n for (kind, split), n in lines.items() if split in ("", TRAIN)}
        )
        line_counts = {line_file_name(*file, to): count for file, count in lines.items() if count}
        readme = _readme(
            export_id, recipient, promise, installation.clock(), run, line_counts, left_out
        )
        for file, data in {**configs, README_FILE: readme}.items():
            (unfinished / file).write_bytes(data)
    return _result(export_id, out, recipient, count, lines, left_out)


@contextmanager
def _atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes ``folder`` once complete and durable; removed on an error.
    Replaces that of a killed export.
    """
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    make_folder(folder.parent)
    unfinished.mkdir(mode=0o700)
    place = unfinished
    try:
        yield unfinished
        # files before their folder
        for file in sorted(unfinished.rglob("*"), reverse=True):
            sync(file)
        sync(unfinished)
        place = unfinished.rename(folder)
        sync(folder.parent)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _result(
    export_id: str | None,
    out: Path | None,
    recipient: str,
    rows: int,
    lines: Mapping[Written, int],
    left_out: Mapping[str, int],
) -> ExportResult:
    by_kind: Counter[str] = Counter()
    by_split: Counter[str] = Counter()
    for (kind, split), count in lines.items():
        by_kind[kind.value] += count
        by_split[split] += count
    return ExportResult(
        export=export_id,
        folder=out,
        recipient=recipient,
        rows=rows,
        lines=dict(+by_kind),
        left_out=dict(left_out),
        splits={split: count for split, count in by_split.items() if split},
    )


def _splits(promise: manifest.ReleaseManifest, requested: Sequence[str]) -> tuple[str, ...]:
    """The splits to write, as for `open_release`, without empty ones."""
    if promise.curation is msgspec.UNSET or not promise.curation.splits:
        if requested:
            raise UsageError(f"release `{promise.name}` was not split", "omit --split")
        return ("",)
    known = {*Split, *promise.curation.splits}
    if unknown := [split for split in requested if split not in known]:
        raise UsageError(
            f"there is no split `{unknown[0]}`", f"splits are {', '.join(sorted(known))}"
        )
    return tuple(
        split for split in dict.fromkeys(requested or (TRAIN,)) if split in promise.curation.splits
    )


def _ordinals(promise: manifest.ReleaseManifest, splits: Sequence[str]) -> BitMap:
    """The possible ordinals of the splits; the whole range without splits."""
    ordinals = BitMap()
    for split in splits:
        for first, last in split_runs(promise, split) if split else [(0, ROWS_MAX - 1)]:
            ordinals.add_range(first, last + 1)
    return ordinals


def line_file_name(kind: ExportKind, split: str, to: Format) -> str:
    """The name of a line file; that of the training split is plain, as configurations expect."""
    ending = line_files.file_extension(to)
    return f"{kind}.{ending}" if split in ("", TRAIN) else f"{kind}.{split}.{ending}"


def _register(
    installation: Installation, name: str, release: UUID, recipient: str, to: Format, usable: BitMap
) -> UUID:
    handout = parse(Prefix.handout, hand_out(installation, name, recipient))
    now = installation.clock()
    export_id = uuid7(now, installation.keyring.random(10))
    with transaction(installation.pool) as tx:
        tx.execute(
            """INSERT INTO exports (export_id, handout_id, release_id, format, rows, ordinals,
               made_at)
               VALUES (%s, %s, %s, %s, %s, %s, %s)""",
            [export_id, handout, release, to.value, len(usable), serialize(usable), now],
        )
        copies.register_exported(tx, release, list(usable), export_id, now)
    return export_id


def _write(
    out: Path | None, rows: Iterable[LoadedRow], to: Format
) -> tuple[int, dict[Written, int], Counter[str]]:
    """Writes lines into one file per kind and split, created on demand; only counts without
    ``out``.
    """
    lines: Counter[Written] = Counter()
    left_out: Counter[str] = Counter()
    count = 0
    with ExitStack() as open_files:
        files: dict[Written, line_files.LineFile] = {}
        for row in rows:
            count += 1
            made = shape_row(row, judge_answers(row), to)
            left_out.update(made.left_out)
            split = row["labels"]["split"] if "labels" in row else ""
            for kind, some in made.lines.items():
                lines[kind, split] += len(some)
                if out is None or not some:
                    continue
                if (kind, split) not in files:
                    opened = line_files.open_lines(out / line_file_name(kind, split, to), to)
                    files[kind, split] = open_files.enter_context(closing(opened))
                files[kind, split].write(some)
    return count, dict(lines), left_out


def _readme(
    export_id: str,
    recipient: str,
    promise: manifest.ReleaseManifest,
    now: datetime,
    run: str,
    files: Mapping[str, int],
    left_out: Mapping[str, int],
) -> bytes:
    reasons = "; ".join(f"{count:,} rows: {why}" for why, count in sorted(left_out.items()))
    return export_configs.README.format(
        release=promise.name,
        recipient=recipient,
        made=rfc3339(now),
        export=export_id,
        purpose=promise.purpose,
        files="\n".join(f"| `{file}` | {count:,} |" for file, count in files.items()),
        left_out=f"Left out: {reasons}.\n" if reasons else "",
        run=run,
        marker=RESULT_LEFT_OUT,
    ).encode()


# Ratings and checks


def judge_answers(row: LoadedRow) -> dict[int, bool]:
    """Whether answers are good, by position: the person's thumb, else agreeing host checks."""
    messages = row["messages"]
    checked: dict[int | None, set[bool]] = {}
    for check in row.get("checks", ()):
        checked.setdefault(check["message"], set()).add(check["passed"])
    judged = {message: each.pop() for message, each in checked.items() if len(each) == 1}
    judged |= {rated["message"]: rated["rating"] == UP for rated in row.get("ratings", ())}
    return {
        place: good
        for place, good in judged.items()
        if place is not None and messages[place]["role"] == "assistant"
    }


# The register


class _ExportRow(NamedTuple):
    """A row of `_EXPORTS`. ``rows_recalled`` were recalled individually, due by ``rows_due_at``."""

    export: UUID
    recipient: str
    release: UUID
    format: str
    rows: int
    made_at: datetime
    recalled_at: datetime | None
    due_at: datetime | None
    acknowledged_at: datetime | None
    ordinals: bytes
    rows_recalled: int
    rows_due_at: datetime | None

    @property
    def bitmap(self) -> BitMap:
        return BitMap.deserialize(bytes(self.ordinals))


_EXPORTS = """SELECT e.export_id, h.recipient, e.release_id, e.format, e.rows, e.made_at,
    e.recalled_at, e.due_at,
    e.acknowledged_at, e.ordinals, k.rows, k.due_at FROM exports e
      JOIN handouts h USING (handout_id)
    CROSS JOIN LATERAL (
         SELECT coalesce(sum(cardinality(ordinals)), 0)::int AS rows,
                min(due_at) FILTER (WHERE acknowledged_at IS NULL
                  AND e.acknowledged_at IS NULL) AS due_at
           FROM export_recalls WHERE export_id = e.export_id) k"""


def list_exports(
    installation: Installation, recipient: str | None = None, *, release: UUID | None = None
) -> list[Export]:
    """The exports of all releases or one, newest first."""
    with transaction(installation.pool) as tx:
        found = tx.execute(
            f"""{_EXPORTS} WHERE (%(to)s::text IS NULL OR h.recipient = %(to)s)
                             AND (%(release)s::uuid IS NULL OR e.release_id = %(release)s)
                 ORDER BY e.made_at DESC, e.export_id""",
            {"to": recipient, "release": release},
        )
        rows = [_ExportRow(*row) for row in found]
        names = registry.names(tx, [row.release for row in rows])
    gone = {release: withdrawn_ordinals(installation, release) for release in names}
    return [_to_export(installation, row, names[row.release], gone[row.release]) for row in rows]


def list_recalled(installation: Installation, recipient: str | None = None) -> list[Export]:
    """The exports with an unacknowledged recall, of rows or whole, most overdue first."""
    waiting: list[tuple[datetime, str, Export]] = []
    for listed in list_exports(installation, recipient):
        due = [day for day in (listed.due_at, listed.rows_due_at) if day is not None]
        if due and listed.acknowledged_at is None:
            waiting.append((min(due), listed.export, listed))
    return [listed for *_, listed in sorted(waiting, key=lambda found: found[:2])]


def withdrawn_ordinals(installation: Installation, release: UUID) -> BitMap:
    """The ordinals of a sealed release that may no longer be used."""
    now = installation.clock()
    known = gate_files.get_sealed(installation, release)
    return withdrawn_rows.decide_at(installation.pool, known, load_policies(installation), now)


def _to_export(
    installation: Installation, row: _ExportRow, release: str, withdrawn: BitMap
) -> Export:
    now, waits = installation.clock(), row.acknowledged_at is None
    return Export(
        export=format_id(Prefix.export, row.export),
        recipient=row.recipient,
        release=release,
        format=row.format,
        rows=row.rows,
        made_at=row.made_at,
        recalled_at=row.recalled_at,
        due_at=row.due_at,
        acknowledged_at=row.acknowledged_at,
        withdrawn=len(row.bitmap & withdrawn),
        rows_recalled=row.rows_recalled,
        rows_due_at=row.rows_due_at,
        overdue=waits
        and any(due is not None and due <= now for due in (row.due_at, row.rows_due_at)),
    )


def _select_export(installation: Installation, name: str) -> tuple[_ExportRow, str]:
    """An export and the name of its release; NotFoundError for an unknown id."""
    with transaction(installation.pool) as tx:
        row = tx.execute(
            f"{_EXPORTS} WHERE e.export_id = %s", [parse(Prefix.export, name)]
        ).fetchone()
        if row is None:
            raise NotFoundError(f"no export `{name}`", "`licet export list` shows them")
        export = _ExportRow(*row)
        return export, registry.get(tx, export.release).name


def get(installation: Installation, name: str) -> Export:
    row, release = _select_export(installation, name)
    return _to_export(installation, row, release, withdrawn_ordinals(installation, row.release))


def withdrawn_ordinals_of(installation: Installation, name: str) -> list[int]:
    """The ordinals of an export's rows that its recipient must delete."""
    row, _ = _select_export(installation, name)
    return list(row.bitmap & withdrawn_ordinals(installation, row.release))


def recall(installation: Installation, name: str) -> Export:
    """Recalls a whole export, once: its recipient must delete it within `RECALL_DAYS`."""
    return _update(
        installation,
        name,
        "recalled_at = coalesce(recalled_at, %(at)s), due_at = coalesce(due_at, %(due)s)",
    )


def acknowledge(installation: Installation, name: str) -> Export:
    """Records that a recipient deleted recalled rows or all; RefusedError without a recall."""
    row, _ = _select_export(installation, name)
    if row.recalled_at is None and row.rows_due_at is not None:
        return _acknowledge_rows(installation, name, row)
    if row.recalled_at is None:
        raise RefusedError(
            f"export `{name}` was not recalled",
            "`licet recall export` does so",
            because="not_recalled",
        )
    return _update(
        installation, name, "acknowledged_at = coalesce(acknowledged_at, %(at)s)", ends=True
    )


def _acknowledge_rows(installation: Installation, name: str, row: _ExportRow) -> Export:
    now = installation.clock()
    with transaction(installation.pool) as tx:
        tx.execute(
            "UPDATE export_recalls SET acknowledged_at = %s WHERE export_id = %s AND "
            "acknowledged_at IS NULL",
            [now, row.export],
        )
        deleted = rows_recalled(tx, row.export)
        copies.end_exported_rows(
            tx, row.release, row.export, list(deleted), list(row.bitmap - deleted), now
        )
    return get(installation, name)


def rows_recalled(tx: Transaction, export: UUID, account: UUID | None = None) -> BitMap:
    """The ordinals of an export's rows that were recalled, of an account or of all."""
    rows = tx.execute(
        """SELECT ordinals FROM export_recalls
            WHERE export_id = %(export)s AND (%(account)s::uuid IS NULL
              OR account_id = %(account)s)""",
        {"export": export, "account": account},
    )
    return BitMap.union(BitMap(), *(BitMap(ordinals) for (ordinals,) in rows))


def _update(installation: Installation, name: str, change: str, *, ends: bool = False) -> Export:
    now, export_id = installation.clock(), parse(Prefix.export, name)
    with transaction(installation.pool) as tx:
        tx.execute(
            f"UPDATE exports SET {change} WHERE export_id = %(export)s",
            {"export": export_id, "at": now, "due": now + timedelta(days=RECALL_DAYS)},
        )
        if ends:
            tx.execute(
                "UPDATE export_recalls SET acknowledged_at = %s WHERE export_id = %s AND "
                "acknowledged_at IS NULL",
                [now, export_id],
            )
            copies.end_whole(tx, CopyPlace.export, export_id, now)
    return get(installation, name)

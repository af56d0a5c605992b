"""Resumes a killed build after the parts that are complete on disk.

A part is complete if its file is one of the two in the draft and has every registered row. At the
first incomplete part, the build returns to the last page whose rows are all before it. Files are
truncated before the database, so no file has a row that is not registered. Each step may be
repeated after a second interruption.

Nothing is unsealed: sealed rows of a partly written part are copied.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import file_digest, sha256
from pathlib import Path

import msgspec

from licet.errors import BrokenError
from licet.keys.keyring import Keyring
from licet.keys.log_keys import LogKeys
from licet.release import merkle, registry
from licet.release.draft import Draft, End, Stage, StoredPart
from licet.release.part import PartPromise, open_verified, part_file, rewrite_part, rows
from licet.release.proofs import Proofs
from licet.release.registry import Release
from licet.release.row_keys import SealedRow
from licet.release.tally import Tally, microseconds
from licet.store.connect import Pool, transaction
from licet.store.files import make_folder, sync

DROPPED_RUNS_MAX = 500


class ResumedBuild(msgspec.Struct, frozen=True, kw_only=True):
    """A resumed build: the page end, the parts and the counts so far.

    ``out``: ordinals of rows removed before the interruption.
    """

    release: Release
    draft: Draft
    stage: Stage
    end: End
    tally: Tally
    parts: dict[int, PartPromise]
    out: set[int]

    def straddling(self, folder: Path, rows_per_part: int) -> Iterator[SealedRow]:
        """The rows of the last part, if it is not full."""
        part = self.parts.get(self.end.rows // rows_per_part)
        if part is not None:
            with open_verified(folder, part) as file:
                yield from rows(file)


class _CompletePart(msgspec.Struct, frozen=True, kw_only=True):
    """A complete part on disk, None if no row is left. By ordinal, the leaf and the end of each
    row; ``litter``: rows that are no longer registered.
    """

    part: PartPromise | None
    leaves: dict[int, tuple[bytes, int]]
    litter: set[int]


def truncate_to_complete(
    pool: Pool, release: Release, draft: Draft, stage: Stage, folder: Path, rows_per_part: int
) -> ResumedBuild | None:
    """Truncates a build to its complete parts; None if there are none."""
    tally, parts, out, litter = _complete_parts(pool, release, draft, folder, rows_per_part)
    with transaction(pool) as tx:
        end = draft.last_end(tx, tally.rows)
    if end is None:
        return None
    parts = {number: part for number, part in parts.items() if number * rows_per_part < end.rows}
    last = (end.rows - 1) // rows_per_part
    if tally.rows > end.rows and last in parts:
        litter[last].update(range(end.rows, (last + 1) * rows_per_part))
    tally.cut(end.rows)
    _cut_files(pool, draft, folder, parts, litter, end.rows)
    with transaction(pool) as tx:
        cut = draft.cut(tx, end, last + 1)
    dropped = 1
    while dropped:
        with transaction(pool) as tx:
            dropped = registry.drop_from(tx, release.release_id, end.rows, DROPPED_RUNS_MAX)
    return ResumedBuild(
        release=release,
        draft=draft,
        stage=Stage.reading if cut else stage,
        end=end,
        tally=tally,
        parts=parts,
        out={ordinal for ordinal in out if ordinal < end.rows},
    )


def restore(pool: Pool, keyring: Keyring, resumed: ResumedBuild, proofs: Proofs) -> None:
    """Restores counts and proofs from the stored pages and removed rows."""
    tally, out = resumed.tally, set(resumed.out)
    for page in resumed.draft.pages(pool):
        tally.count_page(page)
        proofs.add_stored(page.candidate_lines, page.row_lines)
    year = resumed.release.begun_at.year
    with transaction(pool) as tx:
        for batch in resumed.draft.gone(tx):
            mine = [one for one in batch if one.ordinal in out]
            accounts = {one.account for one in mine}
            proofs.set_salts(accounts, LogKeys(keyring).log_keys(tx, accounts, year))
            for one in mine:
                tally.take_out(one.ordinal, one.reasons)
                proofs.remove_row(one.ordinal, one.account, one.reasons)
                out.discard(one.ordinal)
    if out or {len(tally.splits), len(tally.carried), len(tally.contents), len(proofs)} != {
        tally.rows
    }:
        raise BrokenError(
            "the stored state of the unfinished build is inconsistent", "build it with `--afresh`"
        )


def _complete_parts(
    pool: Pool, release: Release, draft: Draft, folder: Path, rows_per_part: int
) -> tuple[Tally, dict[int, PartPromise], set[int], dict[int, set[int]]]:
    """The rows of the complete parts, the parts, the removed rows, and surplus rows of files."""
    tally, out = Tally(), set[int]()
    parts: dict[int, PartPromise] = {}
    litter: dict[int, set[int]] = {}
    with transaction(pool) as tx:
        known = draft.parts(tx)
    for stored in known:
        first = stored.part * rows_per_part
        if first != tally.rows:  # the previous one is incomplete
            break
        with transaction(pool) as tx:
            registered = registry.ordinals(tx, release.release_id, first, stored.ends)
        lying = _complete_part(folder / part_file(stored.part), stored, registered)
        if lying is None:
            break
        if lying.part is not None:
            parts[stored.part] = lying.part
            litter[stored.part] = lying.litter
        for ordinal in range(first, stored.ends):
            if ordinal in lying.leaves:
                tally.add(*lying.leaves[ordinal])
            else:
                tally.skip()
                out.add(ordinal)
    return tally, parts, out, litter


def _complete_part(path: Path, stored: StoredPart, registered: set[int]) -> _CompletePart | None:
    """A part on disk; None if it is not complete."""
    leaves: dict[int, tuple[bytes, int]] = {}
    litter: set[int] = set()
    if stored.becomes == b"" and not path.exists():
        return None if registered else _CompletePart(part=None, leaves=leaves, litter=litter)
    try:
        with path.open("rb") as file:
            digest, size = file_digest(file, sha256).digest(), file.tell()
            if digest not in (stored.sha256, stored.becomes):
                return None
            file.seek(0)
            for row in rows(file):
                if row.ordinal in registered:
                    until_us = microseconds(row.until)
                    leaves[row.ordinal] = (
                        merkle.leaf(row.ordinal, row.row_id, until_us, row.sealed),
                        until_us,
                    )
                else:
                    litter.add(row.ordinal)
    except (OSError, BrokenError):
        return None
    if len(leaves) != len(registered):
        return None
    every = leaves.keys() | litter
    part = PartPromise(
        file=path.name, sha256=digest.hex(), bytes=size, rows=len(every), first_ordinal=min(every)
    )
    return _CompletePart(part=part, leaves=leaves, litter=litter)


def _cut_files(
    pool: Pool,
    draft: Draft,
    folder: Path,
    parts: dict[int, PartPromise],
    litter: dict[int, set[int]],
    end: int,
) -> None:
    """Removes all other files and surplus rows from the folder; updates ``parts``."""
    make_folder(folder)
    files = {part.file for part in parts.values()}
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name not in files:
            entry.unlink()
    sync(folder)
    for number, part in list(parts.items()):
        if not litter[number]:
            continue

        def declare(becomes: PartPromise | None, part: PartPromise = part) -> None:
            with transaction(pool) as tx:
                draft.declare(tx, part, becomes, end)

        made = rewrite_part(folder / part.file, litter[number], declare)
        if made is None:
            del parts[number]
        else:
            parts[number] = made

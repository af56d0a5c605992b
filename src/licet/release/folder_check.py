"""Verifies a release's folder against its manifest, offline and without a key.

Every contradiction is reported by file and promise. If there is none, each file exists and matches
the manifest, and the rows in them have its root. Only a hash from elsewhere can prove that the
manifest itself is the original one (the log's leaf has it): pass it as ``manifest_sha256``. Without
it, the hash that the card quotes detects damage, but not a careful forgery. The rows that a purge
removed must be named by the row proofs and, if ``living`` is given, dead: their keys are destroyed.

A file whose hash differs is not parsed. Last, if all else matches, the verifier for third parties
repeats the rows' decisions from the proofs, without the log. Memory is bounded by one row group.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import file_digest, sha256
from itertools import product
from pathlib import Path
from typing import Any

import msgspec

from licet import verifier
from licet.errors import BrokenError, InputError, LicetError
from licet.ledger import jws
from licet.release import card, croissant, manifest, measurement, merkle, purge, review
from licet.release.manifest import ProofFile, ReleaseManifest
from licet.release.part import EPOCH, PartPromise, groups
from licet.release.purge import Chain, Living, LogKey, PartState

UNFINISHED = "in its state before the last purge, which `licet release purge` continues"


class ReleasePromise(StrEnum):
    """A release's promises, in the order of checking."""

    MANIFEST = "the manifest is whole, in canonical form, and reconciles"
    SEALED = "the manifest is the one that was sealed"
    PURGES = (
        "the addenda of purges follow one another from the manifest, and the log's key signed them"
    )
    FILES = "every file of the release is there, and no other"
    CARD = "the card is that of the manifest"
    REVIEW = (
        "the statement of a review is of the manifest, the log's key signed it, and its "
        "bound "
        "follows from its counts"
    )
    MEASUREMENT = (
        "the statement of a measurement is of the manifest, the log's key signed it, "
        "and its "
        "figures reconcile"
    )
    CROISSANT = "the Croissant description is that of the manifest and its purges"
    HASH = "the file has the size and hash that the manifest names"
    PART = "the part reads as sealed rows in order of their ordinals"
    ROWS = "the part has the rows that the manifest names"
    ROOT = "the rows are those of the root"
    DEAD = "every row that a purge took out is dead for ever"
    PROOF = "the decision on every row and candidate can be made again from its proofs"


class BrokenPromise(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that ``file`` breaks, and the contrary finding."""

    file: str
    promise: ReleasePromise
    found: str


def verify(
    folder: Path,
    *,
    manifest_sha256: str = "",
    proofs: bool = True,
    living: Living | None = None,
    key: LogKey | None = None,
) -> list[BrokenPromise]:
    """Every contradiction between ``folder`` and its manifest; empty if there is none.

    ``proofs`` False skips the decisions, for callers that repeat them with the log. ``living``
    returns the purged rows that are not dead; None skips this check. ``key`` returns the log's
    public key, which must have signed each purge, the review and the measurement; without it, each
    of them is a contradiction, because anybody can write one.
    """
    if not folder.is_dir():
        raise InputError("is not a folder", "name the folder of a release", file=str(folder))
    try:
        promised, found_sha256 = manifest.read_manifest(folder)
    except LicetError as error:
        return [_contradiction(manifest.FILE, ReleasePromise.MANIFEST, error.message)]
    contradictions: list[BrokenPromise] = []
    if manifest_sha256 and manifest_sha256 != found_sha256:
        contradictions.append(
            _contradiction(manifest.FILE, ReleasePromise.SEALED, f"hash `{found_sha256}`")
        )
    chain, broken = _chain(folder, promised, found_sha256, key or _no_key)
    contradictions += broken
    contradictions += _files(folder, promised, chain)
    contradictions += _card(folder, promised, key or _no_key)
    contradictions += _text(
        folder, croissant.FILE, ReleasePromise.CROISSANT, croissant.render(promised, chain)
    )
    for proof in promised.proof.files:
        contradictions += _proof(folder, proof)
    gone = chain.gone
    missing = (
        _missing(folder, set(gone))
        if gone and promised.proof.rows.file not in _names(contradictions)
        else {}
    )
    tree = merkle.Tree()
    for part in promised.parts:
        contradictions += _part(folder, part, chain, missing, tree)
    if gone and living is not None and (alive := living(gone)):
        contradictions.append(
            _contradiction(
                chain.purges[-1].file, ReleasePromise.DEAD, f"`{len(alive)}` rows are not"
            )
        )
    in_parts = {part.file for part in promised.parts} & _names(contradictions)
    if not in_parts and tree.root().hex() != promised.root:
        contradictions.append(
            _contradiction(manifest.FILE, ReleasePromise.ROOT, f"root `{tree.root().hex()}`")
        )
    if proofs and not contradictions:
        report = verifier.check_release(verifier.FolderFiles(folder))
        contradictions += [
            _contradiction(finding.place, ReleasePromise.PROOF, finding.promise)
            for finding in report.findings
        ]
    return contradictions


def _names(contradictions: list[BrokenPromise]) -> set[str]:
    return {contradiction.file for contradiction in contradictions}


def _no_key() -> bytes:
    raise BrokenError(
        "the signature cannot be checked: no key of the log was named",
        "`licet ledger key` prints it: --key VKEY",
    )


def _chain(
    folder: Path, promised: ReleaseManifest, manifest_sha256: str, key: LogKey
) -> tuple[Chain, list[BrokenPromise]]:
    """The chain of purges, or an empty one if it is broken."""
    try:
        return purge.read_chain(folder, promised, manifest_sha256, key), []
    except (LicetError, OSError) as error:
        problem = error.message if isinstance(error, LicetError) else "cannot be read"
        return purge.empty_chain(promised, manifest_sha256), [
            _contradiction("purge-1.json", ReleasePromise.PURGES, problem)
        ]


def _files(folder: Path, promised: ReleaseManifest, chain: Chain) -> Iterator[BrokenPromise]:
    expected = {manifest.FILE, card.FILE, croissant.FILE, *(made.file for made in chain.purges)}
    expected |= {part.file for part in promised.parts if chain.current_state(part).part is not None}
    expected |= {proof.file for proof in promised.proof.files}
    entries = (entry for entry in folder.rglob("*") if entry != folder / manifest.PROOF_FOLDER)
    present = {entry.relative_to(folder).as_posix() for entry in entries}
    for name in sorted(expected - present):
        yield _contradiction(name, ReleasePromise.FILES, "missing")
    for name in sorted(present - expected - {review.SIGNED.file, measurement.SIGNED.file}):
        is_part = any(part.file == name for part in promised.parts)
        yield _contradiction(
            name, ReleasePromise.FILES, UNFINISHED if is_part else "not of the release"
        )


def _card(folder: Path, promised: ReleaseManifest, key: LogKey) -> list[BrokenPromise]:
    """Yields contradictions in the card, the review and the measurement. The card is written after
    the statements that it quotes: until then one without them is correct too.
    """
    broken: list[BrokenPromise] = []
    beside: list[Any] = []
    for kind, promise in (
        (review.SIGNED, ReleasePromise.REVIEW),
        (measurement.SIGNED, ReleasePromise.MEASUREMENT),
    ):
        try:
            stated = kind.read(folder)
            if stated is not None:
                jws.verify(stated.jws, key(), kind.typ)
            beside.append(stated)
        except (LicetError, OSError) as error:
            broken.append(
                _contradiction(
                    kind.file,
                    promise,
                    error.message if isinstance(error, LicetError) else "cannot be read",
                )
            )
    if broken:
        return broken
    whole: list[BrokenPromise] = []
    for reviewed, measured in product(
        *((None,) if stated is None else (stated, None) for stated in beside)
    ):
        whole = list(
            _text(folder, card.FILE, ReleasePromise.CARD, card.render(promised, reviewed, measured))
        )
        if not whole:
            break
    return whole


def _text(folder: Path, name: str, promise: ReleasePromise, text: str) -> Iterator[BrokenPromise]:
    """Yields contradictions in a file that is derived exactly from the manifest."""
    expected = text.encode()
    try:
        with (folder / name).open("rb") as file:
            if file.read(len(expected) + 1) != expected:
                yield _contradiction(name, promise, "another text")
    except FileNotFoundError:
        return  # reported with the files
    except OSError:
        yield _contradiction(name, promise, "cannot be read")


def _missing(folder: Path, removed: set[int]) -> dict[int, bytes]:
    """The leaves of removed rows, from the row proofs, whose hash the manifest has."""
    leaves: dict[int, bytes] = {}
    with gzip.open(folder / manifest.PROOF_NAMES["rows"]) as lines:
        for line in lines:
            row: dict[str, Any] = msgspec.json.decode(line)
            if row["ordinal"] in removed:
                until = datetime.fromisoformat(row["until"]).replace(tzinfo=UTC)
                until_us = (until - EPOCH) // timedelta(microseconds=1)
                row_id, sealed_sha256 = (
                    bytes.fromhex(row["row_id"]),
                    bytes.fromhex(row["sealed_sha256"]),
                )
                leaves[row["ordinal"]] = merkle.leaf_from_hash(
                    row["ordinal"], row_id, until_us, sealed_sha256
                )
    return leaves


def _part(
    folder: Path,
    promised: PartPromise,
    chain: Chain,
    missing: Mapping[int, bytes],
    tree: merkle.Tree,
) -> Iterator[BrokenPromise]:
    """Yields a part's contradictions; appends its rows, removed ones included, to ``tree``."""
    states = chain.states[promised.file]
    state = states[-1]
    gone = [
        (ordinal, missing[ordinal]) for ordinal in reversed(state.ordinals) if ordinal in missing
    ]
    if state.part is not None:
        yield from _rows(folder, states, gone, tree)
    while gone:
        tree.append(gone.pop()[1])


def _rows(
    folder: Path, states: Sequence[PartState], removed: list[tuple[int, bytes]], tree: merkle.Tree
) -> Iterator[BrokenPromise]:
    """Yields the contradictions in a part in its expected state. ``removed``: removed rows with
    their leaves, in reverse order.
    """
    part = states[-1].part
    assert part is not None
    try:
        with (folder / part.file).open("rb") as file:
            digest, size = file_digest(file, sha256).hexdigest(), file.tell()
            if (size, digest) != (part.bytes, part.sha256):
                before = any(state.part and state.part.sha256 == digest for state in states)
                difference = UNFINISHED if before else f"`{size}` bytes with hash `{digest}`"
                yield _contradiction(part.file, ReleasePromise.HASH, difference)
                return
            file.seek(0)
            rows, last = 0, part.first_ordinal - 1
            for group in groups(file):
                columns = zip(
                    group.ordinals, group.row_ids, group.until_us, group.sealed, strict=True
                )
                for ordinal, row_id, until_us, sealed in columns:
                    if ordinal <= last or (rows == 0 and ordinal != part.first_ordinal):
                        yield _contradiction(
                            part.file, ReleasePromise.PART, f"ordinal `{ordinal}` after `{last}`"
                        )
                        return
                    rows, last = rows + 1, ordinal
                    while removed and removed[-1][0] < ordinal:
                        tree.append(removed.pop()[1])
                    tree.append(merkle.leaf(ordinal, row_id, until_us, sealed))
    except FileNotFoundError:
        return  # reported with the files
    except OSError:
        yield _contradiction(part.file, ReleasePromise.HASH, "cannot be read")
        return
    except LicetError as error:
        yield _contradiction(part.file, ReleasePromise.PART, error.message)
        return
    if rows != part.rows:
        yield _contradiction(
            part.file, ReleasePromise.ROWS, f"`{rows}` rows instead of `{part.rows}`"
        )


def _proof(folder: Path, proof: ProofFile) -> Iterator[BrokenPromise]:
    try:
        with (folder / proof.file).open("rb") as file:
            digest, size = file_digest(file, sha256).hexdigest(), file.tell()
    except FileNotFoundError:
        return  # reported with the files
    except OSError:
        yield _contradiction(proof.file, ReleasePromise.HASH, "cannot be read")
        return
    if (size, digest) != (proof.bytes, proof.sha256):
        yield _contradiction(
            proof.file, ReleasePromise.HASH, f"`{size}` bytes with hash `{digest}`"
        )


def _contradiction(file: str, promise: ReleasePromise, difference: str) -> BrokenPromise:
    return BrokenPromise(file=file, promise=promise, found=difference)

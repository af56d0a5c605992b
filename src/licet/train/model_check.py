"""Verifies a model's folder against its statement: offline, with two public keys, and without trusting anybody's word.

It proves that no file was changed; that the release is the one whose manifest lies beside the model; that every
consumed row belongs to that release; that each state of the gate was signed by the installation and the states follow
one another; and that no row was consumed under a state that had withdrawn it. It shows what the gated loader handed to
the run, not that nobody read the rows in another way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256 as sha256_of
from pathlib import Path
from typing import Any

from pyroaring import BitMap

from licet.errors import BrokenError, RefusedError, UsageError
from licet.ledger.note import Verifier
from licet.release import manifest, purge
from licet.release.manifest import ReleaseManifest
from licet.release.part import ROWS_PER_PART_MAX, groups
from licet.train import consumption, statement
from licet.train.bitmap import BitmapHead
from licet.train.consumption import Record, RecordCheck

MANIFEST_FILE = "release.json"
LOG_OF_A_YEAR = re.compile(r"/\d{4}\Z", re.ASCII)
Broken = tuple[str, str]


def verify(folder: Path, keys: Sequence[Verifier], release: Path | None = None) -> list[Broken]:
    """Every broken promise of a model's folder, by its place; UsageError if a key is missing.

    ``release`` is the release's own folder, by whose parts each row is looked up; without it, by the manifest's ranges.
    """
    signed = (folder / statement.FILE).read_bytes()
    try:
        content = statement.opened(signed, _named(keys, signed, "the statement", "`licet models key` prints it"))
    except RefusedError as error:
        return [(statement.FILE, error.message)]
    found = statement.hashes_of(folder, without=(statement.FILE, statement.SIGNATURE_FILE))
    broken = [(name, "is not the file that the statement names") for name in statement.differing(content, found)]
    extra = found.keys() - statement.named(content).keys()
    broken += [(name, "the statement does not name this file") for name in sorted(extra)]
    if broken:
        return broken
    record = consumption.read(folder / consumption.FILE)
    first = next((frame.signed for frame in record.frames if isinstance(frame, consumption.GateState)), b"")
    examined = consumption.examine(record, _named(keys, first, "the gate", "`licet train gate-key` prints it"))
    promised, sha256 = _manifest(folder)
    return [
        *((consumption.FILE, what) for what in examined.broken),
        *_of_release(content, record, promised, sha256),
        *_states(content, examined),
        *_inside(examined.consumed, promised, sha256, release, keys),
    ]


def _named(keys: Sequence[Verifier], signed: bytes, what: str, hint: str) -> Verifier:
    """The key with the name that the bytes carry; the signature check then proves it or not."""
    name = next((key for key in keys if key.name.encode() in signed), None)
    if name is None:
        raise UsageError(f"no key to verify {what} with", f"{hint}: --key VKEY")
    return name


def _manifest(folder: Path) -> tuple[ReleaseManifest, str]:
    data = (folder / MANIFEST_FILE).read_bytes()
    return manifest.decode(data, file=MANIFEST_FILE), sha256_of(data).hexdigest()


def _of_release(content: dict[str, Any], record: Record, promised: ReleaseManifest, sha256: str) -> Iterator[Broken]:
    if record.of.manifest_sha256 != sha256 or record.of.release != promised.release:
        yield consumption.FILE, "the consumption record is about another release than the one beside the model"
    sources = content["predicate"]["buildDefinition"]["resolvedDependencies"]
    if not any(one["name"] == "release" and one["digest"]["sha256"] == sha256 for one in sources):
        yield statement.FILE, "the statement names another release than the one beside the model"


def _states(content: dict[str, Any], examined: RecordCheck) -> Iterator[Broken]:
    predicate = content["predicate"]
    named = [*predicate["buildDefinition"]["resolvedDependencies"], *predicate["runDetails"]["byproducts"]]
    for name, head in (("gate-first", examined.first), ("gate-last", examined.last)):
        said = next((one for one in named if one["name"] == name), None)
        if head is None or said is None or said != _shown(name, head):
            yield statement.FILE, f"the statement's `{name}` is not the recorded state"


def _shown(name: str, head: BitmapHead) -> dict[str, Any]:
    return statement.state_of(name, head).described()


def _inside(
    rows: BitMap, promised: ReleaseManifest, sha256: str, release: Path | None, keys: Sequence[Verifier]
) -> Iterator[Broken]:  # fmt: skip
    if release is not None:
        other, found = manifest.read(release)
        if found != sha256:
            yield MANIFEST_FILE, f"the release in `{release}` is a different one: `{other.name}`"
            return
        known = _ordinals(release, promised, sha256, keys)
    else:
        known = BitMap()
        parts = promised.parts
        for place, part in enumerate(parts):
            last = parts[place + 1].first_ordinal if place + 1 < len(parts) else part.first_ordinal + ROWS_PER_PART_MAX
            known.add_range(part.first_ordinal, min(last, part.first_ordinal + ROWS_PER_PART_MAX))
    if outside := rows - known:
        yield consumption.FILE, f"row {min(outside)} was consumed, but is not in the release"


def _ordinals(folder: Path, promised: ReleaseManifest, sha256: str, keys: Sequence[Verifier]) -> BitMap:
    """The rows of a release, including those that a purge removed."""
    known, chain = BitMap(), purge.read(folder, promised, sha256, lambda: log_key(keys))
    for part in promised.parts:
        with purge.verified(folder, chain.states[part.file], part.file) as found:
            if found is None:
                raise BrokenError(f"part `{part.file}` of the release is not the file that its manifest names")
            file, state = found
            known.update(state.ordinals)
            for group in groups(file) if file is not None else ():
                known.update(group.ordinals)
    return known


def log_key(keys: Sequence[Verifier]) -> bytes:
    """The log's key among those given: the one whose name ends in a year. It is the same key in every year."""
    key = next((key for key in keys if LOG_OF_A_YEAR.search(key.name)), None)
    if key is None:
        hint = "`licet ledger key` prints it: --key VKEY"
        raise UsageError("rows were purged from the release, and there is no key of the log to verify that with", hint)
    return key.public

"""Purges: removal of the rows whose keys are destroyed from a release's parts, with a signed
addendum.

    purge-1.json    {"purge":JWS,"v":2}, canonical JSON; the JWS has the `kid` of the log's key and the typ of `TYP`
    its payload     {"before":hex,"format":"licet-purge-2","number":1,"parts":[{"after":{..}|null,
                     "file":"part-00000.parquet","gone":[[first,last],..],"was":hex},..],"purged_at":time,"release":hex}

It is stored beside the manifest, which does not change: its root and counts can be cited, and the
row proofs still describe every row. ``before`` is the hash of the previous addendum's file, or of
the manifest, so that the addenda form a chain; ``was`` is a part's previous hash, ``after`` the new
part, null if no row is left; ``gone`` are the removed ordinals, in runs. Only parts with dead rows
are rewritten; ordinals do not change. A leaf of the log, dated ``purged_at``, has the SHA-256 of
the file.

Invariant: an addendum counts only if the log's key signed it, since anybody can write a file that
claims removals; without it, missing rows are an error.

A row is dead when the key of any of its segments is destroyed, which is irreversible. The
installation no longer leases its key; a key leased before and kept still opens a kept copy.

Crash order: the addendum is recorded in the database, in the transaction of its leaf, then written,
then the parts are replaced one by one. Before the commit nothing has changed. After it, the next
purge writes the file and replaces the parts; until then the folder is complete in its old state. A
reader accepts a part in any state of the chain, so a folder can be read at any time in between;
`apply` continues where it stopped, and updates any other copy of the folder likewise.
"""

from __future__ import annotations

import shutil
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import file_digest, sha256
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, BinaryIO, Literal

import msgspec
from msgspec import Meta

from licet.errors import BrokenError, InputError
from licet.ledger import jws as signing
from licet.ledger.canonical_json import Canonical, canonical
from licet.policy.period import instant, rfc3339
from licet.release.manifest import MANIFEST_BYTES_MAX, ReleaseManifest
from licet.release.part import PartPromise, rewrite_part
from licet.release.rows import ROWS_MAX
from licet.store.files import replacing, sync
from licet.undecodable import UNDECODABLE

TYP = "licet-purge+jws"
PURGES_MAX = 10_000
TEMPORARY = ".purge-"

Run = tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]]
Living = Callable[[Sequence[int]], Collection[int]]
LogKey = Callable[[], bytes]
"""Returns the log's public key; called only if there is an addendum to verify with it."""


class PurgedPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rows removed from one part. ``gone``: runs of a first and a last ordinal, in order."""

    file: str
    was: str
    after: PartPromise | None
    gone: tuple[Run, ...]


class Purge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of an addendum to a manifest. ``purged_at`` is text, in the form of the log."""

    format: Literal["licet-purge-2"] = "licet-purge-2"
    release: str
    number: Annotated[int, Meta(ge=1, le=PURGES_MAX)]
    before: str
    purged_at: str
    parts: tuple[PurgedPart, ...]

    @property
    def file(self) -> str:
        return f"purge-{self.number}.json"

    @property
    def at(self) -> datetime:
        return instant(self.purged_at)

    @property
    def rows(self) -> int:
        return sum(last - first + 1 for part in self.parts for first, last in part.gone)

    def payload(self) -> dict[str, Canonical]:
        made: dict[str, Canonical] = msgspec.to_builtins(self)
        return made


class Addendum(msgspec.Struct, frozen=True, kw_only=True):
    """A purge and its signed form, made by `sign` or verified by `decode`."""

    purge: Purge
    jws: str

    @property
    def data(self) -> bytes:
        return canonical({"purge": self.jws, "v": 2})

    @property
    def sha256(self) -> str:
        return sha256(self.data).hexdigest()


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    purge: str
    v: Literal[2]


class PartState(msgspec.Struct, frozen=True, kw_only=True):
    """A part as of the manifest or an addendum; ``part`` is None if no row is left, ``gone`` has
    all removed rows.
    """

    part: PartPromise | None
    gone: tuple[Run, ...] = ()

    @property
    def ordinals(self) -> list[int]:
        """The removed ordinals, in order."""
        return [ordinal for first, last in sorted(self.gone) for ordinal in range(first, last + 1)]


class Chain(msgspec.Struct, frozen=True, kw_only=True):
    """The addenda of a release in order; ``head`` is the hash of the newest, or of the manifest."""

    addenda: tuple[Addendum, ...]
    head: str
    states: Mapping[str, tuple[PartState, ...]]

    @property
    def purges(self) -> tuple[Purge, ...]:
        return tuple(one.purge for one in self.addenda)

    def current_state(self, part: PartPromise) -> PartState:
        """The current state of a part of the manifest."""
        return self.states[part.file][-1]

    @property
    def gone(self) -> list[int]:
        """The ordinals of all removed rows, in order."""
        return [ordinal for states in self.states.values() for ordinal in states[-1].ordinals]


def sign(purge: Purge, seed: bytes) -> Addendum:
    """Signs an addendum with the log's key."""
    return Addendum(purge=purge, jws=signing.sign(purge.payload(), seed, TYP))


def decode(data: bytes, file: str, key: LogKey) -> Addendum:
    """Decodes and verifies an addendum; InputError if it is none, BrokenError for another
    signature.
    """
    try:
        signed = msgspec.json.decode(data, type=_File).purge
        payload = signing.decode_unverified(signed)
        purge = msgspec.json.decode(payload, type=Purge)
        made = Addendum(purge=purge, jws=signed)
        whole = (
            made.data == data
            and canonical(purge.payload()) == payload
            and rfc3339(purge.at) == purge.purged_at
        )
    except (*UNDECODABLE, ValueError, BrokenError):
        hint = "copy the file from the release again; an unsigned one is not accepted"
        raise InputError("is not a signed addendum of a purge", hint, file=file) from None
    if not whole:
        raise InputError(
            "is not in canonical form", "copy the file from the release again", file=file
        )
    public = key()
    try:
        signing.verify(signed, public, TYP)
    except BrokenError as error:
        raise BrokenError(f"`{file}` was not signed by the log: {error.message}") from None
    return made


def empty_chain(promised: ReleaseManifest, manifest_sha256: str) -> Chain:
    """The chain of a release that was never purged."""
    return Chain(
        addenda=(),
        head=manifest_sha256,
        states={part.file: (PartState(part=part),) for part in promised.parts},
    )


def follow(chain: Chain, promised: ReleaseManifest, addendum: Addendum) -> Chain:
    """``chain`` with one more addendum; BrokenError if it does not follow."""
    states = _states(chain, promised, addendum.purge)
    return Chain(addenda=(*chain.addenda, addendum), head=addendum.sha256, states=states)


def _states(
    chain: Chain, promised: ReleaseManifest, purge: Purge
) -> Mapping[str, tuple[PartState, ...]]:
    wanted = (promised.release, len(chain.addenda) + 1, chain.head)
    earlier = chain.addenda[-1].purge.at if chain.addenda else promised.built_at
    if (
        (purge.release, purge.number, purge.before) != wanted
        or purge.at < earlier
        or not purge.parts
    ):
        raise BrokenError(f"`{purge.file}` does not follow the addendum or manifest before it")
    if any(one.file >= other.file for one, other in pairwise(purge.parts)):
        raise BrokenError(f"`{purge.file}` names its parts out of order")
    states = dict(chain.states)
    nexts = [part.first_ordinal for part in promised.parts[1:]] + [ROWS_MAX]
    ends = (
        {part.file: end for part, end in zip(promised.parts, nexts, strict=True)}
        if promised.parts
        else {}
    )
    for purged in purge.parts:
        before = states.get(purged.file, ())
        states[purged.file] = (*before, _after(purge, purged, before, ends.get(purged.file, 0)))
    return states


def _after(purge: Purge, purged: PurgedPart, states: Sequence[PartState], end: int) -> PartState:
    """The state of a part after a purge; ``end`` is the first ordinal of the next part."""
    before = states[-1].part if states else None
    if before is None or before.sha256 != purged.was:
        raise BrokenError(
            f"`{purge.file}` removes rows from a state of `{purged.file}` that never existed"
        )
    gone = sorted((*states[-1].gone, *purged.gone))
    count = sum(last - first + 1 for first, last in purged.gone)
    left, after = before.rows - count, purged.after
    if (
        not purged.gone
        or any(first > last for first, last in gone)
        or any(one[1] >= other[0] for one, other in pairwise(gone))
        or min(purged.gone)[0] < before.first_ordinal
        or max(purged.gone)[1] >= end
        or left != (after.rows if after else 0)
        or (after is not None and (after.file != purged.file or after.rows < 1))
    ):
        raise BrokenError(
            f"`{purge.file}` does not reconcile: `{purged.file}` cannot have lost these rows"
        )
    return PartState(part=after, gone=tuple(gone))


def read_chain(folder: Path, promised: ReleaseManifest, manifest_sha256: str, key: LogKey) -> Chain:
    """The chain of addenda beside a manifest, each signed by the log; BrokenError or InputError if
    it is broken.
    """
    chain = empty_chain(promised, manifest_sha256)
    for number in range(1, PURGES_MAX + 1):
        path = folder / f"purge-{number}.json"
        if not path.exists():
            return chain
        with path.open("rb") as file:
            data = file.read(MANIFEST_BYTES_MAX + 1)
        if len(data) > MANIFEST_BYTES_MAX:
            raise InputError(f"has more than `{MANIFEST_BYTES_MAX}` bytes", file=str(path))
        chain = follow(chain, promised, decode(data, str(path), key))
    return chain


@contextmanager
def open_state(
    folder: Path, states: Sequence[PartState], file: str
) -> Iterator[tuple[BinaryIO | None, PartState] | None]:
    """The open file of a part and its state, without a file if no row is left; None if it matches
    none of ``states``. Later reads use the same descriptor, so a replacement is not read.
    """
    try:
        opened = (folder / file).open("rb")
    except FileNotFoundError:
        empty = next((state for state in states if state.part is None), None)
        yield (None, empty) if empty else None
        return
    except OSError as error:
        raise BrokenError(f"part `{file}` cannot be read") from error
    with opened:
        digest = file_digest(opened, sha256).hexdigest()
        opened.seek(0)
        found = next(
            (state for state in states if state.part and state.part.sha256 == digest), None
        )
        yield (opened, found) if found else None


# Removal


def clear(folder: Path) -> None:
    """Removes unfinished output of an interrupted purge; the caller must hold the purge lock."""
    for left in folder.glob(f"{TEMPORARY}*"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def prepare(
    folder: Path, promised: ReleaseManifest, chain: Chain, ordinals: Sequence[int], now: datetime
) -> Purge | None:
    """The purge of the still included ``ordinals``, None without any; replaces nothing."""
    left = sorted(set(ordinals) - set(chain.gone))
    if not left:
        return None
    parts = []
    with TemporaryDirectory(dir=folder, prefix=TEMPORARY) as beside:
        for part, gone in _by_part(promised, left):
            was = chain.current_state(part).part
            if was is None:
                raise BrokenError(f"`{part.file}` has no rows left, but should lose `{len(gone)}`")
            after = rewrite_part(_beside(folder, part.file, beside), set(gone))
            parts.append(
                PurgedPart(file=part.file, was=was.sha256, after=after, gone=tuple(_runs(gone)))
            )
    made = Purge(
        release=promised.release,
        number=len(chain.addenda) + 1,
        before=chain.head,
        purged_at=rfc3339(now),
        parts=tuple(parts),
    )
    _states(chain, promised, made)
    return made


def count(promised: ReleaseManifest, chain: Chain, ordinals: Sequence[int]) -> dict[str, int]:
    """The number of rows that a purge of ``ordinals`` would remove, by part."""
    return {
        part.file: len(gone)
        for part, gone in _by_part(promised, sorted(set(ordinals) - set(chain.gone)))
    }


def apply(folder: Path, chain: Chain, promised: ReleaseManifest, addendum: Addendum) -> Chain:
    """Updates a folder to the state of an addendum, or continues an interrupted update; returns the
    new chain.
    """
    purge = addendum.purge
    if len(chain.addenda) >= purge.number:
        if chain.addenda[purge.number - 1] != addendum:
            raise BrokenError(f"the folder has another `{purge.file}` than the database")
    else:
        chain = follow(chain, promised, addendum)
        with replacing(folder / purge.file) as file:
            file.write(addendum.data)
    for purged in purge.parts:
        _update_part(folder, chain, purge, purged)
    return chain


def _update_part(folder: Path, chain: Chain, purge: Purge, purged: PurgedPart) -> None:
    """Updates a part to its state after ``purge``, unless a later purge was already applied."""
    states = chain.states[purged.file]
    place = (
        next(n for n, state in enumerate(states) if state.part and state.part.sha256 == purged.was)
        + 1
    )
    with open_state(folder, states, purged.file) as opened:
        if opened is None:
            raise BrokenError(
                f"part `{purged.file}` is in no state that the manifest or a purge names"
            )
        if states.index(opened[1]) >= place:
            return
    with TemporaryDirectory(dir=folder, prefix=TEMPORARY) as beside:
        made = _beside(folder, purged.file, beside)
        if rewrite_part(made, set(states[place].ordinals)) != purged.after:
            raise BrokenError(
                f"`{purged.file}` differs from what `{purge.file}` states",
                "the purge was begun with another version of the Parquet library: continue "
                "with that one",
            )
        if purged.after is None:
            (folder / purged.file).unlink()
        else:
            made.replace(folder / purged.file)
        sync(folder)


def _beside(folder: Path, file: str, beside: str) -> Path:
    """Copies a part to another name, to rewrite the copy."""
    made = Path(beside) / file
    made.symlink_to((folder / file).resolve())
    return made


def _by_part(
    promised: ReleaseManifest, ordinals: Sequence[int]
) -> Iterator[tuple[PartPromise, list[int]]]:
    """Each part with any of ``ordinals``, which are in order, and these ordinals."""
    firsts = [part.first_ordinal for part in promised.parts]
    held: dict[int, list[int]] = {}
    for ordinal in ordinals:
        held.setdefault(bisect_right(firsts, ordinal) - 1, []).append(ordinal)
    if -1 in held:
        raise BrokenError(f"no part of the release has the row `{ordinals[0]}`")
    for number, mine in held.items():
        yield promised.parts[number], mine


def _runs(ordinals: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of a first and a last one, of ordinals in order."""
    first = last = ordinals[0]
    for ordinal in ordinals[1:]:
        if ordinal != last + 1:
            yield first, last
            first = ordinal
        last = ordinal
    yield first, last

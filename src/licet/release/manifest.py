"""The manifest: what a release promises about itself, as one value and as one canonical file.

File: ``manifest.json``, canonical JSON of RFC 8785 (keys sorted, no spaces, UTF-8, only whole
numbers), with ``"format": "licet-release-1"``; a tag is never reused. A file in any other form is
refused, so the hash of the file is the hash of the value, and no key occurs twice.

Invariants, checked on construction: candidates = included + the sum of dropped, in turns; rows =
the sum of the parts' rows; parts are in order of file and ordinals; every hash and time has its one
form. No personal data, no key. The manifest is the last file that a build writes: if it exists, the
release is complete.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from licet.errors import BrokenError, InputError
from licet.release.part import PART_FILE, PARTS_MAX, PartPromise
from licet.release.row_keys import RELEASE_ID_BYTES
from licet.release.rows import ROWS_MAX
from licet.store.files import replacing
from licet.undecodable import UNDECODABLE

FILE = "manifest.json"
MANIFEST_BYTES_MAX = 64 * 2**20
NAME_CHARS_MAX = 200
ACCOUNTS_MIN = 10  # accounts whose rows must have a value before `contents` names it
BYTES_PER_TOKEN = 4
OTHER = "other"

Count = Annotated[int, Meta(ge=0)]
PROOF_FOLDER = "proof"
_ID = re.compile(rf"[0-9a-f]{{{2 * RELEASE_ID_BYTES}}}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])", re.ASCII)
_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]{0,63}", re.ASCII)
_WORD = re.compile(r"[a-z][a-z0-9_.-]{0,63}", re.ASCII)
_SENTENCE = re.compile(r"[A-Z][a-z ,:]{0,159}\.", re.ASCII)
_AT = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_FIELD = re.compile(r"field `(?P<field>[^`]*)`")


class PolicyPin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The policy version in force when the release was decided; ``sha256`` is the hash of its
    file.
    """

    name: str
    version: str
    sha256: str


class Counts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Turns: all candidates, the included ones, and the others by first reason."""

    candidates: Count
    included: Count
    dropped: Mapping[str, Count]


class MeasuredFigures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of ``labelled`` values of a kind in a slice of labelled texts, how many were ``found``: at
    least four fifths of their characters were covered by replaced spans. ``kind`` ``precision``
    counts replaced words, and the right ones.
    """

    slice: str
    kind: str
    found: Count
    labelled: Count


class DetectorPin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A detector of names, and the hash of its weights and of how they are used."""

    name: str
    sha256: str


class NamesPin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The name detectors, the kinds replaced, and the languages searched (ISO 639-1).
    ``other_languages``: the notice's sentence on what happens in the languages that were not.
    """

    detectors: tuple[DetectorPin, ...]
    kinds: tuple[str, ...]
    languages: tuple[str, ...]
    other_languages: str


class Deidentification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules applied to text (``sha256`` of their file), and the replaced spans by kind.
    ``names``: the name detectors, absent without any; ``measured``: the figures of exactly this
    configuration, absent if there are none. ``left_in``: the notice's sentence on what was not
    detected, if that includes names; every policy version up to the pinned one then says `names:
    left in`. ``accepted``: the unusual shares of replaced words that the builder accepted.
    ``unread``: the conversations left out because their language is not searched, by language;
    absent for none.
    """

    rules: str
    sha256: str
    counts: Mapping[str, Count]
    names: NamesPin | msgspec.UnsetType = msgspec.UNSET
    measured: tuple[MeasuredFigures, ...] | msgspec.UnsetType = msgspec.UNSET
    left_in: str | msgspec.UnsetType = msgspec.UNSET
    accepted: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    unread: Mapping[str, Count] | msgspec.UnsetType = msgspec.UNSET


class ProofFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The manifest's promise on one file: its bytes, and the tree over its lines."""

    file: str
    sha256: str
    bytes: Count
    lines: Count
    root: str


class ProofPins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The files from which third parties repeat the decisions (`release.proofs`)."""

    policies: ProofFile
    candidates: ProofFile
    rows: ProofFile

    @property
    def files(self) -> tuple[ProofFile, ...]:
        return self.policies, self.candidates, self.rows


PROOF_NAMES = {name: f"{PROOF_FOLDER}/{name}.jsonl.gz" for name in ProofPins.__struct_fields__}


class LanguageQuality(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The conversations in a language that the quality rule judged, and those it refused."""

    rows: Count
    refused: Count


class CurationPin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rows were curated (``plan`` is the hash of the steps), and the ordinals of each split:
    runs of a first and a last one, so that a loader reads a split without unsealing rows of
    another. Rows may be missing from a run.
    ``quality``: the quality rule's counts by language (`release.quality_counts`), absent if nothing
    was judged.
    """

    plan: str
    splits: Mapping[str, tuple[tuple[Count, Count], ...]]
    quality: Mapping[str, LanguageQuality] | msgspec.UnsetType = msgspec.UNSET


class ReleaseContents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the rows contain (`release.contents`): rows by ``kinds`` and ``languages``, turns by
    ``origins``, ``surfaces`` and ``plans``, the assistant's turns by the ``models`` that generated
    them.

    A value is named only if rows of at least `ACCOUNTS_MIN` accounts have it; the others are
    counted as ``other``. ``accounts`` is null below that number, the months without rows;
    ``languages`` is absent if rows have none. ``gapped`` counts rows with a turn left out before
    one of their messages; it is absent in older releases.
    """

    accounts: Count | None
    first_month: str | None
    last_month: str | None
    bytes: Count
    tokens: Count
    gapped: Count | msgspec.UnsetType = msgspec.UNSET
    kinds: Mapping[str, Count]
    languages: Mapping[str, Count] | msgspec.UnsetType = msgspec.UNSET
    origins: Mapping[str, Count]
    surfaces: Mapping[str, Count]
    plans: Mapping[str, Count]
    models: Mapping[str, Count]


class BasePin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base (`release.base`), by id and root. Of this release's rows, ``carried`` were curated
    then and ``rebuilt`` now; of the base's ``rows``, ``dropped`` were not reused.
    """

    release: str
    root: str
    rows: Count
    carried: Count
    rebuilt: Count
    dropped: Count


class ReleaseManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A release. ``release``: its 16-byte id in hexadecimal; ``journal``: the last journal position
    that it includes; ``contents`` is absent in older releases, ``base`` in builds without one.
    """

    format: Literal["licet-release-1"] = "licet-release-1"
    release: str
    name: str
    purpose: str
    built_at: Annotated[datetime, Meta(tz=True)]
    policy: PolicyPin
    journal: Count
    counts: Counts
    rows: Count
    parts: tuple[PartPromise, ...]
    root: str
    deidentification: Deidentification
    licet: str
    proof: ProofPins
    curation: CurationPin | msgspec.UnsetType = msgspec.UNSET
    contents: ReleaseContents | msgspec.UnsetType = msgspec.UNSET
    base: BasePin | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        _check_forms(self)
        _check_counts(self)
        _check_parts(self.parts)
        _check_deidentification(self.deidentification)
        if self.curation is not msgspec.UNSET:
            _check_curation(self.curation)
        if self.contents is not msgspec.UNSET:
            _check_contents(self.contents, self)
        if self.base is not msgspec.UNSET:
            _check_base(self.base, self)

    @property
    def release_id(self) -> bytes:
        return bytes.fromhex(self.release)

    @property
    def looked_for_names(self) -> bool:
        """Whether names were detected; if not, all of them are still in the text."""
        return self.deidentification.names is not msgspec.UNSET


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(ReleaseManifest).decode


def encode(manifest: ReleaseManifest) -> bytes:
    return _encode(manifest)


def decode(data: bytes, *, file: str = FILE) -> ReleaseManifest:
    """Decodes a manifest; InputError names the file and key of a mistake, BrokenError for a wrong
    count.
    """
    try:
        manifest = _decode(data)
    except msgspec.ValidationError as error:
        raise _input_error(str(error), file) from None
    except UNDECODABLE:
        raise InputError(
            "is not valid JSON", "copy the file from the release again", file=file
        ) from None
    if encode(manifest) != data:
        raise InputError(
            "is not in canonical form", "copy the file from the release again", file=file
        )
    return manifest


def write(folder: Path, manifest: ReleaseManifest) -> str:
    """Writes the manifest into ``folder``, durably and atomically; returns its SHA-256."""
    data = encode(manifest)
    with replacing(folder / FILE) as file:
        file.write(data)
    return sha256(data).hexdigest()


def read_manifest(folder: Path) -> tuple[ReleaseManifest, str]:
    """The manifest in ``folder`` and its SHA-256 in hexadecimal; raises as ``decode``."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            data = file.read(MANIFEST_BYTES_MAX + 1)
    except OSError as error:
        hint = "name the folder of a release"
        raise InputError(
            f"cannot be read: {(error.strerror or 'unknown').lower()}", hint, file=str(path)
        ) from error
    if len(data) > MANIFEST_BYTES_MAX:
        raise InputError(
            f"has more than `{MANIFEST_BYTES_MAX}` bytes",
            "name the folder of a release",
            file=str(path),
        )
    return decode(data, file=str(path)), sha256(data).hexdigest()


def _check_forms(manifest: ReleaseManifest) -> None:
    if not _ID.fullmatch(manifest.release):
        raise BrokenError(f"the manifest's release `{manifest.release}` is not an id")
    if not manifest.name.isprintable() or not 1 <= len(manifest.name) <= NAME_CHARS_MAX:
        raise BrokenError(
            f"the manifest's name is not one line of 1 to `{NAME_CHARS_MAX}` characters"
        )
    if manifest.built_at.utcoffset() != timedelta(0):
        raise BrokenError("the manifest's built_at is not in UTC")
    pins = {
        "root": manifest.root,
        "policy": manifest.policy.sha256,
        "rules": manifest.deidentification.sha256,
    }
    pins |= {part.file: part.sha256 for part in manifest.parts}
    for name, proof in zip(PROOF_NAMES.values(), manifest.proof.files, strict=True):
        pins |= {name: proof.sha256, f"{name}, its root": proof.root}
        if proof.file != name:
            raise BrokenError(f"the manifest's `{proof.file}` is not the name of a proof file")
    for what, value in pins.items():
        if not _HASH.fullmatch(value):
            raise BrokenError(f"the manifest's hash of `{what}` is not 64 hexadecimal digits")
    for word in (manifest.purpose, *manifest.counts.dropped, *manifest.deidentification.counts):
        if not _WORD.fullmatch(word):
            raise BrokenError(f"the manifest's `{word}` is not one of the permitted words")


def _check_counts(manifest: ReleaseManifest) -> None:
    counts, dropped = manifest.counts, sum(manifest.counts.dropped.values())
    made = manifest.deidentification
    unread = made.unread.values() if made.unread is not msgspec.UNSET else ()
    numbers = (counts.candidates, counts.included, *counts.dropped.values(), manifest.journal)
    if min((*numbers, *made.counts.values(), *unread)) < 0:
        raise BrokenError("a count in the manifest is negative")
    if counts.candidates != counts.included + dropped:
        counted = (
            f"`{counts.candidates}` candidates, `{counts.included}` included, `{dropped}` dropped"
        )
        raise BrokenError(f"the manifest does not reconcile: {counted}")
    if manifest.rows != sum(part.rows for part in manifest.parts):
        raise BrokenError(
            f"the manifest does not reconcile: `{manifest.rows}` rows are not those of its parts"
        )
    if (manifest.rows == 0) != (counts.included == 0):
        raise BrokenError(
            f"the manifest does not reconcile: `{manifest.rows}` rows of `{counts.included}` turns"
        )


def _check_parts(parts: tuple[PartPromise, ...]) -> None:
    if len(parts) > PARTS_MAX:
        raise BrokenError(f"the manifest has `{len(parts)}` parts, more than `{PARTS_MAX}`")
    for part in parts:
        if not PART_FILE.fullmatch(part.file):
            raise BrokenError(f"the manifest's `{part.file}` is not the name of a part")
        if part.rows < 1 or part.bytes < 1 or not 0 <= part.first_ordinal <= ROWS_MAX - part.rows:
            raise BrokenError(f"the manifest's part `{part.file}` has an impossible number")
    for one, other in pairwise(parts):
        if one.number >= other.number or one.first_ordinal + one.rows > other.first_ordinal:
            raise BrokenError(f"the manifest's part `{other.file}` does not follow `{one.file}`")


def _check_deidentification(stated: Deidentification) -> None:
    names = stated.names if stated.names is not msgspec.UNSET else None
    for pin in names.detectors if names is not None else ():
        if not _HASH.fullmatch(pin.sha256):
            raise BrokenError(f"the manifest's hash of `{pin.name}` is not 64 hexadecimal digits")
    measured = stated.measured if stated.measured is not msgspec.UNSET else ()
    unread = stated.unread if stated.unread is not msgspec.UNSET else {}
    closed = [*unread, *(word for m in measured for word in (m.slice, m.kind))]
    if names is not None:
        closed += [*names.kinds, *names.languages, *(pin.name for pin in names.detectors)]
    for word in closed:
        if not _WORD.fullmatch(word):
            raise BrokenError(f"the manifest's `{word}` is not one of the permitted words")
    sentences = [
        stated.left_in,
        names.other_languages if names is not None else msgspec.UNSET,
    ]
    for sentence in sentences:
        if sentence is not msgspec.UNSET and not _SENTENCE.fullmatch(sentence):
            raise BrokenError("the manifest's sentence on names is not one of a notice")
    if any(one.found > one.labelled for one in measured):
        raise BrokenError("the manifest's figures find more values than were labelled")


def _check_curation(curation: CurationPin) -> None:
    if not _HASH.fullmatch(curation.plan):
        raise BrokenError("the manifest's hash of `plan` is not 64 hexadecimal digits")
    for name in curation.splits:
        if not _WORD.fullmatch(name):
            raise BrokenError(f"the manifest's `{name}` is not one of the permitted words")
    runs = sorted(run for runs in curation.splits.values() for run in runs)
    if any(first > last for first, last in runs) or any(
        one[1] >= other[0] for one, other in pairwise(runs)
    ):
        raise BrokenError("the manifest's splits overlap")


def _check_contents(contents: ReleaseContents, manifest: ReleaseManifest) -> None:
    rows, turns = manifest.rows, manifest.counts.included
    languages = {} if contents.languages is msgspec.UNSET else contents.languages
    by_row = (
        [contents.kinds] if contents.languages is msgspec.UNSET else [contents.kinds, languages]
    )
    by_turn = [contents.origins, contents.surfaces, contents.plans]
    for counts, total in [*((one, rows) for one in by_row), *((one, turns) for one in by_turn)]:
        if sum(counts.values()) != total:
            raise BrokenError(
                "the manifest's contents do not reconcile: they count "
                f"`{sum(counts.values())}` of `{total}`"
            )
    if contents.gapped is not msgspec.UNSET and contents.gapped > rows:
        raise BrokenError(
            "the manifest's contents do not reconcile: more rows have gaps than there are"
        )
    if sum(contents.models.values()) > turns or contents.tokens != -(
        -contents.bytes // BYTES_PER_TOKEN
    ):
        raise BrokenError("the manifest's contents do not reconcile")
    for value in (one for counts in (*by_row, *by_turn, contents.models) for one in counts):
        if not _VALUE.fullmatch(value):
            raise BrokenError("the manifest's contents name what is not a name")
    months = [one for one in (contents.first_month, contents.last_month) if one is not None]
    is_period = len(months) == 2 and months == sorted(months) and all(map(_MONTH.fullmatch, months))
    if is_period != (rows > 0) or (
        contents.accounts is not None and not ACCOUNTS_MIN <= contents.accounts <= rows
    ):
        raise BrokenError(
            "the manifest's contents do not reconcile: their months or accounts cannot be"
        )


def _check_base(base: BasePin, manifest: ReleaseManifest) -> None:
    if (
        not _ID.fullmatch(base.release)
        or not _HASH.fullmatch(base.root)
        or base.release == manifest.release
    ):
        raise BrokenError("the manifest's base is not an earlier release")
    if base.carried + base.rebuilt != manifest.rows or base.carried + base.dropped != base.rows:
        raise BrokenError(
            "the manifest does not reconcile: rows carried and rebuilt are its own, carried "
            "and dropped its base's"
        )


def _input_error(message: str, file: str) -> InputError:
    """Converts msgspec's message to an InputError that names the key."""
    at, field = _AT.search(message), _FIELD.search(message)
    path = at["path"] if at else ""
    name = field["field"] if field else ""
    key = ".".join(p for p in (path, name) if p)
    if "unknown field" in message:
        return InputError(
            "unknown key", "read it with the version of Licet that wrote it", file=file, key=key
        )
    if "missing required field" in message:
        return InputError(
            "key is missing", "copy the file from the release again", file=file, key=key
        )
    text = _AT.sub("", message)
    return InputError(
        text[:1].lower() + text[1:], "copy the file from the release again", file=file, key=key
    )

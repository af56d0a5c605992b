"""Checks a model: its files, the signed statement about them, the rows consumed under each gate
state, its release.

A model's folder has the statement `run.intoto.jsonl` (in-toto v1 in a DSSE envelope), the
consumption record `consumed.licet` and the manifest of its release, `release.json`. They must
agree, each signed by the models' key or the gate's; models are not logged, so at most the release
is proved, if its log is given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from licet.verifier.answer import ContradictionError, UnreadableError, Verdict, VerifierReport
from licet.verifier.consumption_record import (
    FRAME_BYTES_LIMIT,
    RECORD,
    ConsumedRows,
    find_signer_key,
)
from licet.verifier.files import FILE_BYTES_MAX, Files, FolderFiles
from licet.verifier.forms import check_shape, decode_base64, read_json, read_time
from licet.verifier.keys import Trust, VerifierKey
from licet.verifier.levels import levels_of
from licet.verifier.manifest import MANIFEST, MANIFEST_BYTES_MAX, lines_of, read_manifest
from licet.verifier.release import check_release_in
from licet.verifier.row_sets import (
    set_excess,
    set_of,
    set_size,
)

STATEMENT, OWN_MANIFEST, MODEL_SIGNATURE = "run.intoto.jsonl", "release.json", "model.sig"
UNHASHED = (".git", ".gitattributes", ".github", ".gitignore")
PAYLOAD_TYPE = "application/vnd.in-toto+json"
TYPES = ("https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1")
PART_ROWS_MAX = 50_000
ENVELOPE = {
    "payload": "text",
    "payloadType": frozenset({PAYLOAD_TYPE}),
    "signatures": [{"keyid": "text", "sig": "text"}],
}


def check_model(
    files: Files,
    keys: Sequence[VerifierKey],
    release: Files | None = None,
    logs: Sequence[tuple[Trust, Files]] = (),
) -> VerifierReport:
    """Compares a model's folder with its statement, and the consumed rows with the gate and the
    release.

    ``keys`` are the models' and the gate's. ``release`` is the release's folder: consumed rows are
    looked up in its proofs; without it they are compared with the ordinals of its parts. ``logs``
    prove that release.
    """
    report = VerifierReport("model")
    check = _ModelCheck(files, keys, report)
    agreed = Verdict.consistent
    if not report.steps(
        (
            (STATEMENT, "the models' key signed it", check.check_statement, agreed),
            (
                "files",
                "each has the stated hash, and there is no other",
                check.check_files,
                agreed,
            ),
            (
                RECORD,
                "the gate signed each state, and no withdrawn row was used",
                check.check_consumption,
                agreed,
            ),
            (
                OWN_MANIFEST,
                "statement and record are about this release",
                check.check_release_named,
                agreed,
            ),
            (
                "rows",
                "each used row is in the release",
                lambda: check.check_rows(release),
                agreed,
            ),
        )
    ):
        return report
    if release is not None and logs:

        def decided() -> None:
            report.merge(check_release_in(release, logs))

        report.step("release", "its rows were decided again from the log", decided)
    report.notes.append(f"not checked: {MODEL_SIGNATURE}: `model_signing` verifies it")
    report.notes.append(
        f"{set_size(check.record.consumed)} rows were used; other uses of them cannot be excluded"
    )
    return report


class _ModelCheck:
    def __init__(self, files: Files, keys: Sequence[VerifierKey], report: VerifierReport) -> None:
        self.files, self.keys, self.report = files, keys, report
        self.statement, self.manifest = dict[str, Any](), dict[str, Any]()
        self.record = ConsumedRows(keys, report)

    def check_statement(self) -> None:
        raw = self._read(STATEMENT)
        envelope = read_json(raw[:-1], STATEMENT, UnreadableError) if raw[-1:] == b"\n" else {}
        check_shape(envelope, ENVELOPE, STATEMENT, "a DSSE envelope", UnreadableError)
        payload = decode_base64(envelope["payload"], STATEMENT, "its payload is canonical base64")
        self.statement = json.loads(payload.decode(), object_pairs_hook=_reject_duplicates)
        if (self.statement.get("_type"), self.statement.get("predicateType")) != TYPES:
            raise ContradictionError(STATEMENT, "it is an in-toto provenance statement")
        self.report.levels["model"] = levels_of("model", self.statement, STATEMENT)
        names = {sig["keyid"].rpartition("+")[0]: sig["sig"] for sig in envelope["signatures"]}
        name = next(
            (key.name for key in self.keys if key.name in names), next(iter(names), "nobody")
        )
        key = find_signer_key(
            self.keys, name, self.report, STATEMENT, "`licet models key` prints it"
        )
        if key is None:
            return
        signature = decode_base64(names[name], STATEMENT, "its signature is canonical base64")
        message = b"DSSEv1 %d %s %d %s" % (
            len(PAYLOAD_TYPE),
            PAYLOAD_TYPE.encode(),
            len(payload),
            payload,
        )
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
        except InvalidSignature:
            raise ContradictionError(STATEMENT, f"the signature of `{name}` holds") from None

    def _read(self, path: str) -> bytes:
        data = self.files.read(path)
        if data is None or len(data) > max(FRAME_BYTES_LIMIT, FILE_BYTES_MAX):
            raise UnreadableError(path, "a model has this file, of a bounded size")
        return data

    def check_files(self) -> None:
        predicate = self.statement["predicate"]
        promised = [*self.statement["subject"], *predicate["runDetails"]["byproducts"]]
        hashes = {file["name"]: file["digest"]["sha256"] for file in promised if "digest" in file}
        hashes.pop("gate-last", None)
        present = {path for path in self.files.paths() if path.partition("/")[0] not in UNHASHED}
        self.report.files = len(present)
        for path in sorted(hashes.keys() | present - {STATEMENT, MODEL_SIGNATURE}):
            if path not in hashes:
                self.report.add_contradiction(path, "the statement names this file")
            elif path not in present or self._sha256(path) != hashes[path]:
                self.report.add_contradiction(path, "it is the file that the statement names")

    def _sha256(self, path: str) -> str:
        """The hash of a file, which may be larger than memory."""
        if not isinstance(self.files, FolderFiles):
            return hashlib.sha256(self._read(path)).hexdigest()
        if (self.files.root / path).is_symlink():
            raise ContradictionError(path, "a model consists of regular files")
        with (self.files.root / path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def check_consumption(self) -> None:
        self.record.read(self._read(RECORD))

    def check_release_named(self) -> None:
        raw = self._read(OWN_MANIFEST)
        if len(raw) > MANIFEST_BYTES_MAX:
            raise UnreadableError(OWN_MANIFEST, "a manifest has a bounded size")
        self.manifest, sha256 = read_manifest(raw), hashlib.sha256(raw).hexdigest()
        if self.record.release != {"manifest_sha256": sha256, "release": self.manifest["release"]}:
            raise ContradictionError(RECORD, "it is about the release beside the model")
        build, run = (
            self.statement["predicate"]["buildDefinition"],
            self.statement["predicate"]["runDetails"],
        )
        sources = (*build["resolvedDependencies"], *run["byproducts"])
        named = {source["name"]: source for source in sources}
        if named.get("release", {}).get("digest") != {"sha256": sha256}:
            raise ContradictionError(STATEMENT, "it names the release beside the model")
        for name, head in (("gate-first", self.record.first), ("gate-last", self.record.head)):
            if head is None or not _matches_head(named.get(name, {}), head):
                raise ContradictionError(STATEMENT, f"its `{name}` is the recorded gate state")

    def check_rows(self, release: Files | None) -> None:
        if release is None:
            firsts = [part["first_ordinal"] for part in self.manifest["parts"]]
            ends = [
                min(end, first + PART_ROWS_MAX)
                for first, end in zip(firsts, [*firsts, 1 << 32][1:], strict=False)
            ]
            release_rows = set_of(
                [(first, end - 1) for first, end in zip(firsts, ends, strict=True)]
            )
        else:
            raw = release.read(MANIFEST) or b""
            if hashlib.sha256(raw).hexdigest() != self.record.release["manifest_sha256"]:
                raise ContradictionError(MANIFEST, "the given release is that of the model")
            lines = lines_of(release, self.manifest, "rows", self.report)
            ordinals = [read_json(line, MANIFEST)["ordinal"] for line in lines]
            release_rows = set_of([(ordinal, ordinal) for ordinal in ordinals])
        if (row := set_excess(self.record.consumed, release_rows)) is not None:
            raise ContradictionError(
                RECORD, f"each consumed row is in the release: {row} is not in the release"
            )


def _matches_head(dependency: dict[str, Any], head: dict[str, Any]) -> bool:
    """Whether a dependency of the statement names this head of the record."""
    about = dependency.get("annotations", {})
    if dependency.get("digest") != {"sha256": head["sha256"]} or about.keys() != {
        "number",
        "rows",
        "issued",
        "until",
    }:
        return False
    times = all(
        read_time(about[name], STATEMENT, name) == read_time(head[name], RECORD, name)
        for name in ("issued", "until")
    )
    return times and (about["number"], about["rows"]) == (head["number"], head["rows"])


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ContradictionError(STATEMENT, "each of its fields occurs once")
    return mapping

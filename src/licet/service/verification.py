"""Verifies any kind of artefact against the log and the given keys (`licet verify`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from licet import verifier
from licet.errors import UsageError
from licet.ledger.log import CHECKPOINT
from licet.release import folder_check, manifest, measurement, review
from licet.release.purge import LogKey
from licet.verifier import Verdict
from licet.verifier.answer import ArtefactPart

MODEL_STATEMENT = "run.intoto.jsonl"  # `train.statement.FILE`


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """The worst answer of all parts; broken promises by place; missing evidence, with what would
    prove it; and each field's level, by artefact.
    """

    answer: Verdict
    checked: tuple[str, ...]
    parts: tuple[ArtefactPart, ...]
    broken: tuple[tuple[str, str], ...]
    lacks: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()
    fields: dict[str, dict[str, Verdict]] = msgspec.field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return verifier.EXITS[self.answer]


def verify(
    path: Path,
    vkeys: tuple[str, ...],
    *,
    entry: Path | None = None,
    log: Path | None = None,
    quorum: bytes | None = None,
    release: Path | None = None,
    base: Path | None = None,
) -> CheckResult:
    """Checks a log, a published folder, a receipt, a proof, a document, or the folder of a release
    or model.

    Trusts only ``vkeys``: each log, receipt and proof needs its year's key among them. A release's
    files are checked against its manifest, and the manifest against its leaf in ``log``; without a
    log nothing is proved. ``base`` is the folder of the release from which rows were carried.
    ``quorum`` is a c2sp.org/tlog-policy that every checkpoint must satisfy.
    """
    if path.is_dir() and (path / manifest.FILE).is_file():
        return _verify_release(path, vkeys, log, quorum, base)
    if path.is_dir() and (path / MODEL_STATEMENT).is_file():
        return _verify_model(path, vkeys, log, quorum, release)
    trusted = _trusted_keys(vkeys, quorum)
    if path.is_file() and entry is None and path.read_bytes().startswith(b'{"document":'):
        return _verify_document(path, trusted, log, release)
    return _merge_reports(_reports(path, trusted, entry))


def _verify_document(
    path: Path, trusted: list[verifier.Trust], log: Path | None, releases: Path | None
) -> CheckResult:
    """Checks a document: its numbers are proved only with the logs and manifests that it counts."""
    if not trusted:
        raise UsageError("no key to believe", "`licet ledger key` prints the log's: --key VKEY")
    logs = verifier.read_logs([verifier.FolderFiles(log)], trusted) if log is not None else []
    folders = [verifier.FolderFiles(releases)] if releases is not None else []
    return _merge_reports(
        [verifier.check_document(path.read_bytes(), logs, folders, trusted, str(path))]
    )


def _merge_reports(
    reports: list[verifier.VerifierReport], checked: tuple[str, ...] = ()
) -> CheckResult:
    """Merges reports into one result with the worst answer."""
    alone = len(reports) == 1
    parts = [
        part if alone else replace(part, what=f"{report.origin}: {part.what}")
        for report in reports
        for part in report.parts
    ]
    return CheckResult(
        answer=verifier.worst(report.answer for report in reports),
        checked=checked
        or tuple(
            f"{report.checked} of {report.origin}"
            + (f": {report.size} entries" if report.root else "")
            for report in reports
        ),
        parts=tuple(parts),
        broken=tuple(
            (found.place, found.promise) for report in reports for found in report.findings
        ),
        lacks=tuple(
            (lack.place, f"{lack.why}; what would prove it: {lack.mend}")
            for r in reports
            for lack in r.lacks
        ),
        notes=tuple(note for report in reports for note in report.notes),
        fields={
            artefact: levels for report in reports for artefact, levels in report.fields().items()
        },
    )


def _verify_model(
    path: Path, vkeys: tuple[str, ...], log: Path | None, quorum: bytes | None, release: Path | None
) -> CheckResult:
    """Checks a model with the models' and the gate's keys.

    With the release's folder, each consumed row is looked up in its proofs; with its log, the
    release is checked too.
    """
    try:
        keys = [verifier.read_key(vkey, 1) for vkey in vkeys]
    except ValueError as error:
        raise UsageError(
            f"a key cannot be used: {error}", "`licet models key` prints one"
        ) from None
    known_logs = logs(log, vkeys, quorum) if log is not None else []
    beside = verifier.FolderFiles(release) if release is not None else None
    report = verifier.check_model(verifier.FolderFiles(path), keys, beside, known_logs)
    return _merge_reports(
        [report], (f"model in {path}: its files, its statement and what it consumed",)
    )


def _verify_release(
    path: Path, vkeys: tuple[str, ...], log: Path | None, quorum: bytes | None, base: Path | None
) -> CheckResult:
    """Decides every row again by what was logged before the release; without a log, nothing is
    proved.

    Beyond the stand-alone verifier, the parts are opened, and card and descriptions are derived
    again.
    """
    report, key = verifier.VerifierReport("release"), _log_key(_trusted_keys(vkeys, quorum))
    signed = [
        name
        for name in ("purge-1.json", review.SIGNED.file, measurement.SIGNED.file)
        if (path / name).exists()
    ]

    def check_parts() -> None:
        if key is None and signed:
            report.add_lack(
                signed[0], "its signature was not checked", "the log's key does: --key VKEY"
            )
            return
        found = folder_check.verify(path, proofs=False, key=key)
        report.add_contradictions(
            (broken_promise.file, f"{broken_promise.promise.value}: {broken_promise.found}")
            for broken_promise in found
        )

    made_again = "they are made again from the manifest and its addenda, and nothing signs them"
    report.step("parts, card and descriptions", made_again, check_parts, Verdict.consistent, True)
    checked = [f"release in {path}"]
    if report.findings:
        return _merge_reports([report], tuple(checked))
    known_logs = logs(log, vkeys, quorum) if log is not None else []
    files = verifier.FolderFiles(path)
    before = verifier.FolderFiles(base) if base is not None else verifier.find_base(files)
    held = verifier.check_release_in(files, known_logs, before)
    held.parts += report.parts
    held.merge(report)
    # other notes concern files checked here
    held.notes = [note for note in held.notes if "--base" in note]
    if held.purged:
        checked.append(f"{held.purged} rows of it were taken out by purges; their proofs stay")
    if held.origin:
        checked.append(f"{held.size} rows decided again by the log {held.origin}")
    return _merge_reports([held], tuple(checked))


def logs(
    folder: Path, vkeys: tuple[str, ...], quorum: bytes | None = None
) -> list[tuple[verifier.Trust, verifier.Files]]:
    """Opens the logs in a folder, or in its subfolders by year, each with its key."""
    trusted = _trusted_keys(vkeys, quorum)
    if not trusted:
        raise UsageError(
            "no key to believe the log by", "`licet ledger key` prints the log's: --key VKEY"
        )
    return verifier.read_logs([verifier.FolderFiles(folder)], trusted)


def _log_key(trusted: list[verifier.Trust]) -> LogKey | None:
    """Returns the key that signs purges and reviews: the log's, the same for every year."""
    return (lambda: trusted[0].key.public) if trusted else None


def _trusted_keys(vkeys: tuple[str, ...], quorum: bytes | None) -> list[verifier.Trust]:
    """Returns the trusted keys; without any, the key of the only log in the quorum file."""
    named: tuple[str | None, ...] = vkeys or ((None,) if quorum is not None else ())
    try:
        return [verifier.trust(vkey, policy=quorum) for vkey in named]
    except ValueError as error:
        raise UsageError(f"a key cannot be used: {error}", "`licet ledger key` prints it") from None


def _reports(
    path: Path, trusted: list[verifier.Trust], entry: Path | None
) -> list[verifier.VerifierReport]:
    if path.is_dir():
        folders = (
            [path]
            if (path / CHECKPOINT).is_file()
            else sorted(p.parent for p in path.glob(f"*/{CHECKPOINT}"))
        )
        if not folders:
            raise UsageError(
                f"`{path}` holds no log and no release",
                "name a folder with a checkpoint or a manifest",
            )
        return [_check_log(folder, trusted) for folder in folders]
    raw = path.read_bytes()
    if entry is not None:
        return [verifier.check_proof(raw, entry.read_bytes(), _named_key(raw, trusted), str(path))]
    if raw.startswith(b"c2sp.org/tlog-proof"):
        raise UsageError(
            "a proof proves an entry", "name the file with the entry's bytes: --entry FILE"
        )
    if raw.startswith(b'{"certificate":'):
        return [verifier.check_certificate(raw, _named_key(raw, trusted), str(path), trusted)]
    return [verifier.check_receipt(raw, _named_key(raw, trusted), str(path))]


def _check_log(folder: Path, trusted: list[verifier.Trust]) -> verifier.VerifierReport:
    own = _named_key((folder / CHECKPOINT).read_bytes(), trusted)
    try:
        story = verifier.new_story(own.origin)
    except ValueError as error:
        raise UsageError(
            f"`{folder}` is no log of ours: {error}", "name the folder of a year's log"
        ) from None
    return verifier.check_log(verifier.FolderFiles(folder), own, story=story)


def _named_key(raw: bytes, trusted: list[verifier.Trust]) -> verifier.Trust:
    """Returns the key that the bytes name; the check decides whether to trust it."""
    if not trusted:
        raise UsageError("no key to believe", "`licet ledger key` prints the log's: --key VKEY")
    return verifier.select_key(raw, trusted)

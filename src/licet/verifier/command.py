"""The command line: arguments, answers as text or JSON, and exit codes."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from licet.verifier.answer import (
    EXITS,
    LEVELS,
    ContradictionError,
    UnreadableError,
    Verdict,
    VerifierReport,
)
from licet.verifier.base import find_base
from licet.verifier.certificate import check_certificate
from licet.verifier.conversation import check_conversation_in, parse_proof
from licet.verifier.document import check_document
from licet.verifier.entries import new_story
from licet.verifier.files import Files, FolderFiles, HttpFiles
from licet.verifier.keys import Trust, trust
from licet.verifier.levels import level_lines, stated_line
from licet.verifier.log import check_carried, check_log, check_texts, read_logs, select_key
from licet.verifier.model import check_model
from licet.verifier.proof import check_checkpoints, check_proof, read_hashes
from licet.verifier.receipt import check_receipt
from licet.verifier.release import check_release_in

WRONG_CALL, TRY_AGAIN = 64, 75


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _arguments()
    call = parser.parse_args(arguments)
    try:
        policy = call.policy.read_bytes() if call.policy is not None else None
        is_keyless = call.what == "conversation" and policy is None
        keys = tuple(call.key) if call.key or is_keyless else (None,)
        trusted = [trust(key, call.origin, call.witness, call.quorum, policy) for key in keys]
        return (
            _run_conversation(call, trusted)
            if call.what == "conversation"
            else _print_report(call, _run(call, trusted))
        )
    except ContradictionError as contradiction:
        return _print_report(call, VerifierReport(call.what, [contradiction.finding]))
    except urllib.error.URLError as error:
        print(f"error: the log does not answer: {error.reason}\nhint: try again", file=sys.stderr)
        return TRY_AGAIN
    except (OSError, ValueError) as error:
        parser.error(str(error))
    except Exception as error:  # a traceback exits with 1, which would read as an answer
        print(f"error: malformed input: {type(error).__name__}", file=sys.stderr)
        return EXITS[Verdict.unreadable]


def _print_report(call: argparse.Namespace, report: VerifierReport) -> int:
    answer = report.answer
    if call.json:
        fields = {
            key: value
            for key, value in asdict(report).items()
            if key not in ("parts", "checked", "levels")
        }
        head = {
            "answer": answer,
            "checked": report.checked,
            "ok": report.ok,
            "parts": [asdict(part) for part in report.parts],
            "fields": report.fields(),
        }
        print(json.dumps(head | fields, indent=2))
    else:
        print("\n".join(report_lines(report)))
    return EXITS[answer]


def report_lines(report: VerifierReport) -> list[str]:
    """The answer as text: the whole, broken promises, missing evidence, and each part."""
    subject = f"{report.checked} of `{report.origin}`" if report.origin else report.checked
    size = f": {report.size} entries, root {report.root}" if report.root else ""
    fields = report.fields()
    lines = [f"{report.answer}: {subject}{size}", *stated_line(fields)]
    for finding in report.findings:
        word = "contradiction" if finding.readable else "unreadable"
        lines.append(f"{word}: {finding.place}: broken promise: {finding.promise}")
    lines += [
        f"not proved: {lack.place}: {lack.why}; what would prove it: {lack.mend}"
        for lack in report.lacks
    ]
    lines += [f"  {part.what}: {part.answer}: {part.why}" for part in report.parts]
    if report.purged:
        lines.append(
            f"purged: {report.purged} rows were removed since, by its addenda; their proofs stay"
        )
    lines += [*level_lines(fields), *report.notes]
    if report.answer in LEVELS:
        lines.append(f"cosigned by: {', '.join(report.cosigned) or 'nobody that you named'}")
    return lines


def _run(call: argparse.Namespace, keys: Sequence[Trust]) -> VerifierReport:
    match call.what:
        case "log":
            older = [(str(path), path.read_bytes()) for path in call.older]
            files = _open_files(call.folder)
            trusted = select_key(files.read("checkpoint") or b"", keys)
            if call.before is None or call.plain:
                return check_log(
                    files, trusted, older, None if call.plain else new_story(trusted.origin)
                )
            return _run_log_after(
                files, trusted, older, *read_logs([_open_files(call.before)], keys, call.origin)[0]
            )
        case "release":
            return _run_release(call, keys)
        case "text":
            logs = read_logs([_open_files(place) for place in call.log], keys, call.origin)
            return check_texts([(str(path), path.read_bytes()) for path in call.files], logs)
        case "model":
            logs = read_logs([_open_files(place) for place in call.log], keys, call.origin)
            folder = FolderFiles(Path(call.release)) if call.release is not None else None
            return check_model(_open_files(call.folder), [own.key for own in keys], folder, logs)
        case "document":
            logs = read_logs([_open_files(place) for place in call.log], keys, call.origin)
            releases = [_open_files(place) for place in call.release]
            return check_document(call.file.read_bytes(), logs, releases, keys, str(call.file))
        case "certificate":
            raw = call.file.read_bytes()
            return check_certificate(raw, select_key(raw, keys), str(call.file), keys)
        case "receipt":
            raw = call.file.read_bytes()
            return check_receipt(raw, select_key(raw, keys), str(call.file))
        case "proof":
            raw = call.file.read_bytes()
            return check_proof(raw, call.entry.read_bytes(), select_key(raw, keys), str(call.file))
        case _:
            return _run_checkpoint(call, select_key(call.new.read_bytes(), keys))


def _run_log_after(
    files: Files,
    trusted: Trust,
    older: Sequence[tuple[str, bytes]],
    before_trusted: Trust,
    before_files: Files,
) -> VerifierReport:
    story, before = new_story(trusted.origin), new_story(before_trusted.origin)
    report = check_log(files, trusted, older, story)

    def count() -> None:
        report.merge(check_log(before_files, before_trusted, (), before))
        check_carried(report, story, before)

    report.step(
        "what is carried over",
        f"no more than was in force at the end of the log of {before.year}",
        count,
    )
    return report


def _run_release(call: argparse.Namespace, keys: Sequence[Trust]) -> VerifierReport:
    files = _open_files(call.folder)
    logs = read_logs([_open_files(place) for place in call.log], keys, call.origin)
    return check_release_in(
        files, logs, _open_files(call.base) if call.base is not None else find_base(files)
    )


def _run_conversation(call: argparse.Namespace, keys: Sequence[Trust]) -> int:
    """Checks a conversation against a manifest; only a log proves the manifest itself."""
    files = _open_files(call.folder)
    kept_proof = (
        parse_proof(call.proof.read_bytes(), str(call.proof)) if call.proof is not None else None
    )
    logs = read_logs([_open_files(place) for place in call.log], keys, call.origin) if keys else []
    report, content, proof = check_conversation_in(files, call.handle, call.salt, kept_proof, logs)
    if call.json:
        found_fields = None if content is None else asdict(content)
        print(
            json.dumps(
                {
                    "answer": report.answer,
                    "found": found_fields,
                    "parts": [asdict(part) for part in report.parts],
                    "findings": [asdict(finding) for finding in report.findings],
                    "lacks": [asdict(lack) for lack in report.lacks],
                    "proof": proof,
                },
                sort_keys=True,
            )
        )
    else:
        print("\n".join(([content.text] if content is not None else []) + report_lines(report)))
    return EXITS[report.answer]


def _run_checkpoint(call: argparse.Namespace, trusted: Trust) -> VerifierReport:
    old, new = call.old.read_bytes(), call.new.read_bytes()
    if call.log is not None:
        pair = check_log(
            _open_files(call.log), trusted, [(str(call.old), old), (str(call.new), new)]
        )
        pair.checked = "checkpoint"
        return pair
    hashes: list[bytes] = []
    if call.proof is not None:
        try:
            hashes = read_hashes(call.proof.read_text("ascii").split(), str(call.proof))
        except UnicodeDecodeError:
            raise UnreadableError(str(call.proof), "its lines are ASCII") from None
    return check_checkpoints(old, new, hashes, trusted)


def _open_files(place: str) -> Files:
    if place.startswith(("https://", "http://")):
        return HttpFiles(place)
    if not Path(place).is_dir():
        raise ValueError(f"`{place}` is not a folder")
    return FolderFiles(Path(place))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"error: {message}\nhint: `{self.prog} --help` shows the call", file=sys.stderr)
        raise SystemExit(WRONG_CALL)


def _arguments() -> argparse.ArgumentParser:
    parser = _Parser(prog="verifier", description="check a licet log independently")
    commands = parser.add_subparsers(dest="what", required=True, parser_class=_Parser)
    log = commands.add_parser("log", help="a published log, from its entries to its root")
    log.add_argument("folder", help="the log's folder or URL")
    log.add_argument(
        "--older", type=Path, action="append", default=[], help="a checkpoint seen before"
    )
    log.add_argument(
        "--before",
        help="the previous year's log, to check what this one carries over",
    )
    log.add_argument("--plain", action="store_true", help="any tlog: do not interpret the entries")
    release = commands.add_parser("release", help="a release's folder, every row decided again")
    release.add_argument("folder")
    release.add_argument(
        "--log",
        required=True,
        action="append",
        help="the log of the release's year, or the published folder; repeatable",
    )
    release.add_argument(
        "--base",
        help="the folder of the base that rows were carried from; by default found beside it",
    )
    text = commands.add_parser("text", help="a policy or a notice, by the hash in its log entry")
    text.add_argument("files", type=Path, nargs="+")
    text.add_argument(
        "--log",
        required=True,
        action="append",
        help="the log that names it, or the published folder",
    )
    chat = commands.add_parser(
        "conversation", help="what a release contains of one conversation, and why"
    )
    chat.add_argument("folder", help="the release's folder; with --proof its manifest is enough")
    chat.add_argument("handle")
    chat.add_argument(
        "--salt",
        type=bytes.fromhex,
        help="in hex: opens the reasons that reveal something about a person",
    )
    chat.add_argument(
        "--proof",
        type=Path,
        help="a file printed by --json, used in place of the rows",
    )
    chat.add_argument("--log", action="append", default=[], help="the log that names the release")
    signed = _signed_arguments(commands)
    proof = commands.add_parser("proof", help="one entry under one checkpoint")
    proof.add_argument("file", type=Path)
    proof.add_argument("--entry", type=Path, required=True, help="the entry's bytes")
    pair = commands.add_parser("checkpoint", help="an old checkpoint is the beginning of a new one")
    pair.add_argument("old", type=Path)
    pair.add_argument("new", type=Path)
    by = pair.add_mutually_exclusive_group()
    by.add_argument("--log", help="the log's folder or URL")
    by.add_argument("--proof", type=Path, help="a consistency proof: one base64 hash a line")
    for command in (log, release, chat, text, *signed, proof, pair):
        _add_trust(command)
    return parser


def _signed_arguments(
    commands: argparse._SubParsersAction[_Parser],
) -> list[argparse.ArgumentParser]:
    """The commands for self-contained signed artefacts."""
    certificate = commands.add_parser(
        "certificate", help="a certificate of erasure, as signed and as logged"
    )
    certificate.add_argument("file", type=Path)
    receipt = commands.add_parser("receipt", help="a person's choice, as signed and as logged")
    receipt.add_argument("file", type=Path)
    paper = commands.add_parser("document", help="a legal document, its figures recounted")
    paper.add_argument("file", type=Path)
    paper.add_argument(
        "--log",
        action="append",
        default=[],
        help="the published folder, or the log of a year; repeatable",
    )
    paper.add_argument(
        "--release",
        action="append",
        default=[],
        help="a release's folder, or one that holds several",
    )
    model = commands.add_parser(
        "model", help="a model's folder: its files, and which rows it was trained on"
    )
    model.add_argument("folder")
    model.add_argument("--release", help="the folder of its release")
    model.add_argument(
        "--log", action="append", default=[], help="the log that names the release; repeatable"
    )
    return [receipt, certificate, paper, model]


def _add_trust(command: argparse.ArgumentParser) -> None:
    """Adds the options of every command: trusted keys and the form of the answer."""
    command.add_argument("--key", action="append", default=[], help="the log's vkey")
    command.add_argument(
        "--policy", type=Path, help="a tlog-policy file: which witnesses must have cosigned"
    )
    command.add_argument("--origin", help="the log's origin, where it is not the key's name")
    command.add_argument("--witness", action="append", default=[], help="the vkey of a witness")
    command.add_argument("--quorum", type=int, help="how many of the witnesses must have cosigned")
    command.add_argument("--json", action="store_true")


if __name__ == "__main__":
    sys.exit(main())

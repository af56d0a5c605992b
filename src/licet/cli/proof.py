"""The commands of proof: receipts, verification, and the log."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import click

from licet import verifier
from licet.cli.root import EXIT_CHANGES, EXIT_NO, CommandGroup
from licet.cli.shell import (
    EXISTING,
    EXISTING_FOLDER,
    PATH,
    CliCall,
    answer_options,
    json_option,
    listen_options,
    local_options,
    pluralize,
    show,
    year_option,
)
from licet.errors import UsageError
from licet.ledger.served_folder import ServedFolder
from licet.policy.period import rfc3339
from licet.proof import documents, handles, log_retention, papers
from licet.service import verification

KINDS = ("release", "log", "receipt", "proof", "certificate", "document", "model")


@click.command()
@click.argument("account")
@click.option(
    "--choice", "number", type=click.IntRange(min=1), help="Only this choice; 1 is the first."
)
@click.option(
    "--out",
    type=PATH,
    help=(
        "Write it to a file: .html makes a page, .zip an archive of all receipts to verify offline."
    ),
)
@answer_options
def receipt(account: str, number: int | None, out: Path | None, call: CliCall) -> None:
    """Prints or writes the signed receipts of an account's choices. A receipt is proved once its
    entry is in the log.

    \b
    Example:  licet receipt ana --choice 1 --out receipt.json
              licet receipt ana --out receipts.zip
    """
    with call.installation() as installation:
        holder = documents.account_named(installation, account)
        issued = documents.receipts(installation, holder)
        if number is not None and number > len(issued):
            raise UsageError(
                f"the account has made `{len(issued)}` choices", "name one of them: --choice N"
            )
        chosen = issued if number is None else issued[number - 1 : number]
        if out is None:
            show([issued_receipt.payload for issued_receipt in chosen], True, str)
            return
        if out.suffix == ".zip" and number is None and issued:
            out.write_bytes(papers.zip_receipts(installation, holder))
        elif len(chosen) != 1:
            raise UsageError(
                f"a file takes one receipt, and the account has `{len(issued)}`",
                "name one: --choice N",
            )
        else:
            is_page = out.suffix == ".html"
            out.write_bytes(
                documents.receipt_page(installation, chosen[0]).encode()
                if is_page
                else chosen[0].encode()
            )
        call.show({"file": out}, lambda: f"written to {out}")


@click.command()
@click.argument(
    "what", nargs=-1, required=True, metavar="[release|log|receipt|proof|document|model] PATH"
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    help="A public key to trust: a log's or a model's (a vkey); repeatable.",
)
@click.option("--entry", type=EXISTING, help="With a proof: the entry's bytes.")
@click.option(
    "--log",
    type=EXISTING,
    help="With a release, a model or a document: the published log.",
)
@click.option(
    "--policy",
    type=EXISTING,
    help="A file that says which witnesses must have cosigned (a tlog-policy).",
)
@click.option(
    "--conversation",
    help="With a release: say whether this conversation is in it (a handle; an id with --salt).",
)
@click.option(
    "--salt", help="The person's salt, in hex: opens the reason a conversation was left out."
)
@click.option(
    "--proof",
    type=EXISTING,
    help="A proof of a conversation that was printed before, to check.",
)
@click.option(
    "--release",
    type=EXISTING,
    help="With a model: its release's folder. With a document: all releases'.",
)
@click.option(
    "--base",
    type=EXISTING_FOLDER,
    help=(
        "With a release: the folder of the one that its rows were carried from. It is looked "
        "for beside it."
    ),
)
@json_option
def verify(
    what: tuple[str, ...],
    keys: tuple[str, ...],
    entry: Path | None,
    log: Path | None,
    policy: Path | None,
    conversation: str | None,
    salt: str | None,
    proof: Path | None,
    release: Path | None,
    base: Path | None,
    as_json: bool,
) -> int:
    """Verifies a receipt, certificate, document, log, release or model.

    Exits 0 if it is proved, 1 if something contradicts it, 3 if evidence is missing, 4 if it agrees
    with itself or is the operator's word and nothing proves it, and 65 if it cannot be read as the
    given type.

    \b
    Example:  licet verify receipt.json --key "$(licet ledger key)"
              licet verify release FOLDER --log PUBLISHED --key VKEY
              licet verify release FOLDER --base FOLDER --log PUBLISHED --key VKEY
              licet verify release FOLDER --conversation HANDLE --salt HEX --log PUBLISHED --key VKEY
              licet verify document ropa.json --log PUBLISHED --release licet-data/releases --key VKEY
              licet verify model FOLDER --key MODELS_VKEY --key GATE_VKEY --release RELEASE_FOLDER
              licet verify model FOLDER --release RELEASE_FOLDER --log PUBLISHED --key VKEY --key VKEY --key VKEY
    """
    path, quorum = _target_path(what), policy.read_bytes() if policy is not None else None
    if conversation is not None:
        logs = verification.logs(log, keys, quorum) if log is not None else []
        sought = handles.search_release(path, conversation, salt, proof, logs)
        show(sought, as_json, lambda: sought.text)
        return verifier.EXITS[sought.answer]
    seen = verification.verify(
        path, keys, entry=entry, log=log, quorum=quorum, release=release, base=base
    )
    show(seen, as_json, lambda: "\n".join(_result_lines(seen)))
    return verifier.EXITS[seen.answer]


def _result_lines(view: verification.CheckResult) -> list[str]:
    """Formats the overall answer, its reasons, and each part's answer."""
    return [
        *(f"{view.answer.value}: {what}" for what in view.checked),
        *verifier.stated_line(view.fields),
        *(f"contradiction: {place}: broken promise: {promise}" for place, promise in view.broken),
        *(f"not proved: {place}: {why}" for place, why in view.lacks),
        *(f"  {part.what}: {part.answer.value}: {part.why}" for part in view.parts),
        *verifier.level_lines(view.fields),
        *view.notes,
    ]


def _target_path(words: tuple[str, ...]) -> Path:
    """Returns the path. A word before it is for the reader; the kind is detected from the path
    itself.
    """
    if len(words) > 2 or (len(words) == 2 and words[0] not in KINDS):
        raise UsageError(
            "one thing is verified at a time",
            f"name its path, after one of {', '.join(KINDS)} if you like",
        )
    path = Path(words[-1])
    if not path.exists():
        raise UsageError(f"`{path}` does not exist", "name a folder or a file")
    return path


@click.group(cls=CommandGroup)
def ledger() -> None:
    """Appends to the log, publishes it and prunes old years."""


@ledger.command("key")
@year_option
@answer_options
def ledger_key(year: int | None, call: CliCall) -> None:
    """Prints the log's public key (a vkey). Anyone who checks the log trusts it: hand it out apart
    from the log.

    \b
    Example:  licet ledger key
    """
    with call.installation() as installation:
        log = documents.key(installation, year)
        call.show({"origin": log.name, "vkey": log.vkey}, lambda: log.vkey)


@ledger.command("append")
@click.option("--follow", is_flag=True, help="Continue until interrupted.")
@answer_options
def ledger_append(follow: bool, call: CliCall) -> None:
    """Appends the waiting entries to the log.

    With --follow, the answer is what was waiting at the start; entries of later commits are
    appended within a second.

    \b
    Example:  licet ledger append
    """
    with call.installation() as installation:
        appended = documents.append(installation)
        call.show({"appended": appended}, lambda: f"{pluralize(appended, 'entry')} appended")
        if follow:
            documents.follow(installation, Event())


@ledger.command("publish")
@click.argument("folder", type=PATH)
@local_options
def ledger_publish(folder: Path, call: CliCall) -> None:
    """Copies the log and its verifier to FOLDER. Any web server can serve FOLDER. It also holds
    the log's keys, the policies, the notices and the verifier.

    The witnesses of `witnesses.txt`, if there are any, are asked to cosign first.

    \b
    Example:  licet ledger publish /srv/www/log
    """
    with call.installation() as installation:
        copied = documents.publish(installation, folder)
        years = ", ".join(
            f"{year}: {pluralize(size, 'entry')}" for year, size in copied.sizes.items()
        )
        lines = [f"{pluralize(copied.files, 'new tile')}; {years}"]
        lines += [f"not cosigned by {name} ({year}): {why}" for year, name, why in copied.missing]
        call.show(copied, lambda: "\n".join(lines))


@ledger.command("witness")
@local_options
def ledger_witness(call: CliCall) -> int:
    """Asks the witnesses of `witnesses.txt` to cosign the log. Exits 1 if too few did for its
    quorum.

    \b
    Example:  licet ledger witness
    """
    with call.installation() as installation:
        gathered = documents.cosign(installation)
        lines = [
            (
                f"{log.origin}, {pluralize(log.size, 'entry')}: cosigned by "
                f"{', '.join(log.cosigned) or 'nobody'}"
            )
            for log in gathered
        ]
        lines += [f"not by {name}: {why}" for log in gathered for name, why in log.missing]
        call.show(gathered, lambda: "\n".join(lines))
        return 0 if all(log.met for log in gathered) else EXIT_NO


@ledger.command("serve")
@click.argument("folder", type=EXISTING_FOLDER)
@listen_options(8401)
def ledger_serve(folder: Path, host: str, port: int) -> None:
    """Serves what `licet ledger publish` wrote, as static files.

    \b
    Example:  licet ledger serve /srv/www/log
    """
    from licet.cli.witness import serve  # here: no other command of the log needs a server

    serve(ServedFolder(folder), host, port)


@ledger.command("prune")
@click.option("--apply", is_flag=True, help="Remove those years; without it, only show them.")
@answer_options
def ledger_prune(apply: bool, call: CliCall) -> int:
    """Shows which years of the log may be removed. The retention that the log publishes
    (`retention.txt`) decides.

    Exits 2 if a year may be removed; with --apply, removes it, and partial tiles that full ones
    have replaced.

    \b
    Example:  licet ledger prune --apply
    """
    with call.installation() as installation:
        if apply:
            gone = log_retention.prune(installation)
            text = (
                f"gone: {', '.join(map(str, gone.years)) or 'no year'}; {gone.tiles:,} "
                "overtaken partial tiles"
            )
            call.show(gone, lambda: text)
            return 0
        seen = log_retention.plan(installation)
        lines = [
            (
                f"{log.year}: {pluralize(log.entries, 'entry')}: "
                f"{'; '.join(log.kept_because) or 'may go'}"
            )
            for log in seen
        ]
        call.show(seen, lambda: "\n".join(lines))
        return EXIT_CHANGES if any(not log.kept_because for log in seen) else 0


@ledger.command("status")
@local_options
def ledger_status(call: CliCall) -> None:
    """Shows the logs, and how many entries wait to be appended.

    \b
    Example:  licet ledger status
    """
    with call.installation() as installation:
        seen = documents.status(installation)
        lines = [_log_line(log) for log in seen.logs]
        call.show(seen, lambda: "\n".join([*lines, f"{seen.waiting:,} rows wait"]))


def _log_line(log: documents.LogSeen) -> str:
    if not log.begun:
        return (
            f"{log.origin}: no checkpoint yet, {log.placed:,} entries placed: `licet ledger "
            f"append` writes it; {log.vkey}"
        )
    return (
        f"{log.origin}: {pluralize(log.size, 'entry')} until {rfc3339(log.logged_at)}, {log.vkey}"
    )


@click.command("handles")
@click.argument("account")
@year_option
@answer_options
def ledger_handles(account: str, year: int | None, call: CliCall) -> None:
    """Prints the handles of an ACCOUNT and its conversations. They are its names in the log and in
    the proofs of releases, for its person alone.

    \b
    Example:  licet ledger handles ana --year 2025
              licet ledger handles ana --json
    """
    with call.installation() as installation:
        found = handles.handles(installation, documents.account_named(installation, account), year)
        call.show(found, lambda: "\n".join(_lines(found)))


def _lines(result: handles.Handles) -> list[str]:
    return [
        f"year  {result.year}",
        f"who   {result.who}",
        f"salt  {result.salt}",
        *(f"{handle}  {name}" for name, handle in (result.conversations | result.projects).items()),
    ]


ledger.add_command(ledger_handles)

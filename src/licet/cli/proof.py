"""The commands of proof: receipts, verification, and the log."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import click

from licet import verifier
from licet.cli.handles import handles as ledger_handles
from licet.cli.root import EXIT_CHANGES, EXIT_NO, CommandGroup
from licet.cli.shell import (
    answer_options,
    data_option,
    json_option,
    listen_options,
    open_installation,
    pluralize,
    show,
    year_option,
)
from licet.errors import UsageError
from licet.ledger.served_folder import ServedFolder
from licet.policy.period import written
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
    type=click.Path(path_type=Path),
    help=(
        "Write it to a file: .html makes a page, .zip an archive of all receipts to verify offline."
    ),
)
@answer_options
def receipt(
    account: str,
    number: int | None,
    out: Path | None,
    data: Path | None,
    at: str | None,
    as_json: bool,
) -> None:
    """Prints or writes the signed receipts of an account's choices. A receipt is proved once its
    entry is in the log.

    \b
    Example:  licet receipt ana --choice 1 --out receipt.json
              licet receipt ana --out receipts.zip
    """
    with open_installation(data, at) as here:
        holder = documents.account_named(here, account)
        issued = documents.receipts(here, holder)
        if number is not None and number > len(issued):
            raise UsageError(
                f"the account has made `{len(issued)}` choices", "name one of them: --choice N"
            )
        chosen = issued if number is None else issued[number - 1 : number]
        if out is None:
            show([one.payload for one in chosen], True, str)
            return
        if out.suffix == ".zip" and number is None and issued:
            out.write_bytes(papers.archive(here, holder))
        elif len(chosen) != 1:
            raise UsageError(
                f"a file takes one receipt, and the account has `{len(issued)}`",
                "name one: --choice N",
            )
        else:
            is_page = out.suffix == ".html"
            out.write_bytes(
                documents.receipt_page(here, chosen[0]).encode() if is_page else chosen[0].encode()
            )
        show({"file": out}, as_json, lambda: f"written to {out}")


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
@click.option(
    "--entry", type=click.Path(path_type=Path, exists=True), help="With a proof: the entry's bytes."
)
@click.option(
    "--log",
    type=click.Path(path_type=Path, exists=True),
    help="With a release, a model or a document: the published log.",
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path, exists=True),
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
    type=click.Path(path_type=Path, exists=True),
    help="A proof of a conversation that was printed before, to check.",
)
@click.option(
    "--release",
    type=click.Path(path_type=Path, exists=True),
    help="With a model: its release's folder. With a document: all releases'.",
)
@click.option(
    "--base",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
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
    path, quorum = _named(what), policy.read_bytes() if policy is not None else None
    if conversation is not None:
        logs = verification.logs(log, keys, quorum) if log is not None else []
        sought = handles.search_release(path, conversation, salt, proof, logs)
        show(sought, as_json, lambda: sought.text)
        return verifier.EXITS[sought.answer]
    seen = verification.verify(
        path, keys, entry=entry, log=log, quorum=quorum, release=release, base=base
    )
    show(seen, as_json, lambda: "\n".join(_told(seen)))
    return verifier.EXITS[seen.answer]


def _told(view: verification.CheckResult) -> list[str]:
    """The answer for the whole, its reasons, and the answer for each part."""
    return [
        *(f"{view.answer.value}: {what}" for what in view.checked),
        *verifier.stated_line(view.fields),
        *(f"contradiction: {place}: broken promise: {promise}" for place, promise in view.broken),
        *(f"not proved: {place}: {why}" for place, why in view.lacks),
        *(f"  {part.what}: {part.answer.value}: {part.why}" for part in view.parts),
        *verifier.level_lines(view.fields),
        *view.notes,
    ]


def _named(words: tuple[str, ...]) -> Path:
    """The path. A word before it is for the reader; the kind is detected from the path itself."""
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
def ledger_key(year: int | None, data: Path | None, at: str | None, as_json: bool) -> None:
    """Prints the log's public key (a vkey). Whoever checks the log trusts it: hand it out apart
    from the log.

    \b
    Example:  licet ledger key
    """
    with open_installation(data, at) as here:
        log = documents.key(here, year)
        show({"origin": log.name, "vkey": log.vkey}, as_json, lambda: log.vkey)


@ledger.command("append")
@click.option("--follow", is_flag=True, help="Continue until interrupted.")
@answer_options
def ledger_append(follow: bool, data: Path | None, at: str | None, as_json: bool) -> None:
    """Appends to the log what was committed and waits.

    With --follow, the answer is what was waiting at the start; entries of later commits are
    appended within a second.

    \b
    Example:  licet ledger append
    """
    with open_installation(data, at) as here:
        appended = documents.append(here)
        show({"appended": appended}, as_json, lambda: f"{pluralize(appended, 'entry')} appended")
        if follow:
            documents.follow(here, Event())


@ledger.command("publish")
@click.argument("folder", type=click.Path(path_type=Path))
@data_option
@json_option
def ledger_publish(folder: Path, data: Path | None, as_json: bool) -> None:
    """Copies the log and what verifies it to FOLDER. Any web server can serve FOLDER. It also holds
    the log's keys, the policies, the notices and the verifier.

    The witnesses of `witnesses.txt`, if there are any, are asked to cosign first.

    \b
    Example:  licet ledger publish /srv/www/log
    """
    with open_installation(data) as here:
        copied = documents.publish(here, folder)
        years = ", ".join(
            f"{year}: {pluralize(size, 'entry')}" for year, size in copied.sizes.items()
        )
        told = [f"{pluralize(copied.files, 'new file')}; {years}"]
        told += [f"not cosigned by {name} ({year}): {why}" for year, name, why in copied.missing]
        show(copied, as_json, lambda: "\n".join(told))


@ledger.command("witness")
@data_option
@json_option
def ledger_witness(data: Path | None, as_json: bool) -> int:
    """Asks the witnesses of `witnesses.txt` to cosign the log. Exits 1 if too few did for its
    quorum.

    \b
    Example:  licet ledger witness
    """
    with open_installation(data) as here:
        gathered = documents.cosign(here)
        lines = [
            (
                f"{one.origin}, {pluralize(one.size, 'entry')}: cosigned by "
                f"{', '.join(one.cosigned) or 'nobody'}"
            )
            for one in gathered
        ]
        lines += [f"not by {name}: {why}" for one in gathered for name, why in one.missing]
        show(gathered, as_json, lambda: "\n".join(lines))
        return 0 if all(one.met for one in gathered) else EXIT_NO


@ledger.command("serve")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
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
def ledger_prune(apply: bool, data: Path | None, at: str | None, as_json: bool) -> int:
    """Shows which years of the log may be removed. The retention that the log publishes
    (`retention.txt`) decides.

    Exits 2 if a year may be removed; with --apply, removes it, and partial tiles that full ones
    have replaced.

    \b
    Example:  licet ledger prune --apply
    """
    with open_installation(data, at) as here:
        if apply:
            gone = log_retention.prune(here)
            told = (
                f"gone: {', '.join(map(str, gone.years)) or 'no year'}; {gone.tiles:,} "
                "overtaken partial tiles"
            )
            show(gone, as_json, lambda: told)
            return 0
        seen = log_retention.plan(here)
        lines = [
            (
                f"{one.year}: {pluralize(one.entries, 'entry')}: "
                f"{'; '.join(one.kept_because) or 'may go'}"
            )
            for one in seen
        ]
        show(seen, as_json, lambda: "\n".join(lines))
        return EXIT_CHANGES if any(not one.kept_because for one in seen) else 0


@ledger.command("status")
@data_option
@json_option
def ledger_status(data: Path | None, as_json: bool) -> None:
    """Shows the logs, and how many entries wait to be appended.

    \b
    Example:  licet ledger status
    """
    with open_installation(data) as here:
        seen = documents.status(here)
        lines = [_log_line(log) for log in seen.logs]
        show(seen, as_json, lambda: "\n".join([*lines, f"{seen.waiting:,} rows wait"]))


def _log_line(log: documents.LogSeen) -> str:
    if not log.begun:
        return (
            f"{log.origin}: no checkpoint yet, {log.placed:,} entries placed: `licet ledger "
            f"append` writes it; {log.vkey}"
        )
    return (
        f"{log.origin}: {pluralize(log.size, 'entry')} until {written(log.logged_at)}, {log.vkey}"
    )


ledger.add_command(ledger_handles)

"""The commands of erasures and recalls: progress, certificates, and what recipients must delete."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from licet.cli.key_files import key_file
from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import (
    EXISTING,
    PATH,
    CliCall,
    answer_options,
    json_option,
    recipient_option,
    show,
)
from licet.cli.verb_commands import Printing, declare_commands
from licet.clock import utc_now
from licet.erasure import certificates, recall_register, recipient_answers
from licet.erasure.certificates import ErasureStatus
from licet.erasure.recall_register import Recall
from licet.ledger.note import SignatureType
from licet.policy.period import rfc3339
from licet.proof import documents
from licet.service.staff_verb import AnyCall
from licet.vault.certificate import WaitsFor

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.train.export_files import Export


@click.group(cls=CommandGroup)
def erase() -> None:
    """Follows erasures from the request to the signed certificate. An erasure begins with a
    deletion, a closure or the end of a hold.
    """


declare_commands(erase, {}, "erasure_verbs")


@erase.command("status")
@click.argument("name", required=False)
@answer_options
def status(name: str | None, call: CliCall) -> None:
    """Shows how far erasures have come. NAME is an erasure or an account; without it, all
    unfinished ones are shown.

    \b
    Example:  licet erase status era_0190f3a4c2d87b6e9a51c3d4e5f60718
    """
    with call.installation() as installation:
        if name is None:
            found = certificates.list_unfinished(installation)
        elif name.startswith("era_"):
            found = [certificates.status(installation, name)]
        else:
            found = certificates.list_by_account(
                installation, documents.account_named(installation, name)
            )
        call.show(found, lambda: "\n".join(map(_line, found)) or "no erasures")


@erase.command("certificate")
@click.argument("erasure")
@click.option("--out", type=PATH, help="Write it to this file.")
@answer_options
def certificate(erasure: str, out: Path | None, call: CliCall) -> None:
    """Prints or writes the signed certificate of an ERASURE. It is proved once its entry is in the
    log; `licet verify` checks both.

    \b
    Example:  licet erase certificate era_0190f3a4c2d87b6e9a51c3d4e5f60718 --out certificate.json
    """
    with call.installation() as installation:
        raw = certificates.certificate_file(installation, erasure)
        if out is None:
            click.echo(raw, nl=False)
        else:
            out.write_bytes(raw)
            call.show({"file": out}, lambda: f"written to {out}")


@click.group(cls=CommandGroup)
def recall() -> None:
    """Tracks who received a release and what they must delete."""


@recall.command("list")
@recipient_option
@answer_options
def list_recalls(recipient: str | None, call: CliCall) -> int:
    """Lists what recipients have not acknowledged. The most overdue comes first. Exits 1 if
    anything is overdue.

    An erasure is recalled from everybody who was given a release that contains it; rows, or all of
    it, from anyone who was given an export.

    \b
    Example:  licet recall list
    """
    from licet.cli.export import export_line
    from licet.train import export_files

    with call.installation() as installation:
        erasures, exports = (
            recall_register.list_recalls(installation, recipient),
            export_files.list_recalled(installation, recipient),
        )
        lines = [*map(_recall_line, erasures), *map(export_line, exports)]
        found = {"erasures": erasures, "exports": exports}
        call.show(found, lambda: "\n".join(lines) or "every recall is acknowledged")
    overdue = any(item.overdue for item in erasures) or any(item.overdue for item in exports)
    return EXIT_NO if overdue else 0


def _line_of(_: AnyCall, done: Recall | Export) -> str:
    if isinstance(done, Recall):
        return _recall_line(done)
    from licet.cli.export import export_line  # here: no other command waits for it

    return export_line(done)


declare_commands(
    recall,
    dict.fromkeys(("recall_export", "acknowledge_recall"), Printing(text=_line_of)),
    "erasure_verbs",
    "release_verbs",
)


@recall.command("key")
@click.argument("file", type=PATH)
@click.option("--name", help="The recipient's name, as releases are given to them, if FILE is new.")
@json_option
def recipient_key(file: Path, name: str | None, as_json: bool) -> None:
    """For a recipient: creates a key in FILE and prints its public half.

    The operator registers that with `licet recall trust`. An existing key is kept.

    \b
    Example:  licet recall key lab-one.key --name lab-one
    """
    made = key_file(file, name, SignatureType.ed25519, "licet recall key").verifier
    show({"name": made.name, "vkey": made.vkey}, as_json, lambda: made.vkey)


@recall.command("sign")
@click.argument("erasure")
@click.argument("handout")
@click.option("--key", "file", type=EXISTING, required=True, help="The recipient's key file.")
@json_option
def sign_answer(erasure: str, handout: str, file: Path, as_json: bool) -> None:
    """For a recipient: signs the answer that what was recalled is deleted.

    \b
    Example:  licet recall sign era_0190f3a4c2d87b6e9a51c3d4e5f60718
    hand_0190f3a5d1e27c8f8b62d4e5f6071829 --key lab-one.key
    """
    signer = key_file(file, None, SignatureType.ed25519, "licet recall key")
    signed = recipient_answers.sign(signer, erasure, handout, utc_now())
    show({"signed": signed}, as_json, lambda: signed)


def _line(view: ErasureStatus) -> str:
    waits = ""
    if view.held:
        waits = ", kept by a hold"
    elif view.due_at is not None:
        waits = f", its keys die by {rfc3339(view.due_at)}"
    elif view.waits_for is WaitsFor.log:
        waits = (
            ", waits for the log to take the account's leaves: `licet serve` does, or `licet "
            "ledger append`"
        )
    asked = len(view.recalls) + len(view.hosts)
    overdue = f", {view.overdue:,} of {asked:,} answers OVERDUE" if view.overdue else ""
    what = view.conversation or view.account
    return (
        f"{view.erasure}: {view.state.value} ({view.cause.value} of {what}, "
        f"{rfc3339(view.requested_at)}){waits}{overdue}"
    )


def _recall_line(item: Recall) -> str:
    if item.acknowledged_at is not None:
        state = f"acknowledged {rfc3339(item.acknowledged_at)}"
    else:
        state = f"due {rfc3339(item.due_at)}" + (" OVERDUE" if item.overdue else "")
    return f"{item.recipient}: {item.release}, {item.erasure} {item.handout}, {state}"

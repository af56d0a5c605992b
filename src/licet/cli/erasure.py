"""The commands of erasures: their progress, certificates, what is held, and recalls from recipients."""

from __future__ import annotations

from pathlib import Path

import click

from licet.cli.root import EXIT_NO, CommandGroup
from licet.cli.shell import answer_options, opened, show
from licet.erasure import certificates
from licet.erasure.certificates import ErasureStatus, Recall
from licet.policy.period import written
from licet.proof import documents
from licet.vault.certificate import WaitsFor


@click.group(cls=CommandGroup)
def erase() -> None:
    """Follows erasures from the request to the signed certificate. An erasure begins with a deletion, a closure or
    the end of a hold.
    """


@erase.command("run")
@click.argument("erasure", required=False)
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="Destroy the keys of what was deleted without waiting for the end of its period.",
)
@answer_options
def run(erasure: str | None, at_once: bool, data: Path | None, at: str | None, as_json: bool) -> None:
    """Moves every erasure, or one, as far as it can go now. `licet sweep` does so too. An interrupted run continues
    when it is called again.

    \b
    Example:  licet erase run
    """
    with opened(data, at) as here:
        ran = certificates.run(here, only=erasure, at_once=at_once)
        states = ", ".join(f"{count:,} {state}" for state, count in sorted(ran.states.items())) or "none waits"
        waits = certificates.unlogged(here).closures
        unlogged = f"; {waits:,} closures wait for the log: `licet serve` or `licet ledger append`" if waits else ""
        show(ran, as_json, lambda: f"{states}; {ran.certificates:,} certificates signed{unlogged}")


@erase.command("status")
@click.argument("name", required=False)
@answer_options
def status(name: str | None, data: Path | None, at: str | None, as_json: bool) -> None:
    """Shows how far erasures have come. NAME is an erasure or an account; without it, all unfinished ones are
    shown.

    \b
    Example:  licet erase status era_0190f3a4c2d87b6e9a51c3d4e5f60718
    """
    with opened(data, at) as here:
        if name is None:
            found = certificates.unfinished(here)
        elif name.startswith("era_"):
            found = [certificates.status(here, name)]
        else:
            found = certificates.of_account(here, documents.account_named(here, name))
        show(found, as_json, lambda: "\n".join(map(_line, found)) or "no erasures")


@erase.command("certificate")
@click.argument("erasure")
@click.option("--out", type=click.Path(path_type=Path), help="Write it to this file.")
@answer_options
def certificate(erasure: str, out: Path | None, data: Path | None, at: str | None, as_json: bool) -> None:
    """Prints or writes the signed certificate of an ERASURE. It is proved once its entry is in the log; `licet
    verify` checks both.

    \b
    Example:  licet erase certificate era_0190f3a4c2d87b6e9a51c3d4e5f60718 --out certificate.json
    """
    with opened(data, at) as here:
        raw = certificates.certificate_file(here, erasure)
        if out is None:
            click.echo(raw, nl=False)
        else:
            out.write_bytes(raw)
            show({"file": out}, as_json, lambda: f"written to {out}")


@erase.command("held")
@answer_options
def held(data: Path | None, at: str | None, as_json: bool) -> int:
    """Lists legal holds and standing flags by day of review. Exits 1 if a review is overdue.

    \b
    Example:  licet erase held
    """
    with opened(data, at) as here:
        found = certificates.held(here)
        lines = [
            f"{one.kind:<5} {one.conversation} since {written(one.since)}, review {written(one.review_at)}"
            + (" OVERDUE" if one.overdue else "")
            for one in found
        ]
        show(found, as_json, lambda: "\n".join(lines) or "nothing is held")
    return EXIT_NO if any(one.overdue for one in found) else 0


@click.group(cls=CommandGroup)
def recall() -> None:
    """Tracks who received a release and what they must delete."""


@recall.command("handed")
@click.argument("release")
@click.argument("recipient")
@answer_options
def handed(release: str, recipient: str, data: Path | None, at: str | None, as_json: bool) -> None:
    """Registers that RELEASE was given to RECIPIENT. The recipient is then told of every erasure in it.

    \b
    Example:  licet recall handed october lab-one
    """
    with opened(data, at) as here:
        handout = certificates.hand_out(here, release, recipient)
        show({"handout": handout}, as_json, lambda: handout)


@recall.command("list")
@click.option("--recipient", help="Only this recipient's.")
@answer_options
def listed(recipient: str | None, data: Path | None, at: str | None, as_json: bool) -> int:
    """Lists what recipients have not acknowledged. The most overdue comes first. Exits 1 if anything is overdue.

    \b
    Example:  licet recall list
    """
    with opened(data, at) as here:
        found = certificates.recalls(here, recipient)
        show(found, as_json, lambda: "\n".join(map(_recall_line, found)) or "every recall is acknowledged")
    return EXIT_NO if any(one.overdue for one in found) else 0


@recall.command("run")
@answer_options
def run_recalls(data: Path | None, at: str | None, as_json: bool) -> None:
    """Recalls every exported row that may no longer be used. `licet serve` does so every few minutes.

    \b
    Example:  licet recall run
    """
    from licet.train import recipients

    with opened(data, at) as here:
        rows = recipients.recall_ended(here)
        show({"rows": rows}, as_json, lambda: f"asked {rows:,} rows back: `licet export list`")


@recall.command("ack")
@click.argument("erasure")
@click.argument("handout")
@answer_options
def acknowledged(erasure: str, handout: str, data: Path | None, at: str | None, as_json: bool) -> None:
    """Records that a recipient stopped using what was recalled.

    \b
    Example:  licet recall ack era_0190f3a4c2d87b6e9a51c3d4e5f60718 hand_0190f3a5d1e27c8f8b62d4e5f6071829
    """
    with opened(data, at) as here:
        done = certificates.acknowledge(here, erasure, handout)
        show(done, as_json, lambda: _recall_line(done))


def _line(seen: ErasureStatus) -> str:
    waits = ""
    if seen.held:
        waits = ", kept by a hold"
    elif seen.due_at is not None:
        waits = f", its keys die by {written(seen.due_at)}"
    elif seen.waits_for is WaitsFor.log:
        waits = ", waits for the log to take the account's leaves: `licet serve` does, or `licet ledger append`"
    asked = len(seen.recalls) + len(seen.hosts)
    overdue = f", {seen.overdue:,} of {asked:,} answers OVERDUE" if seen.overdue else ""
    what = seen.conversation or seen.account
    return f"{seen.erasure}: {seen.state.value} ({seen.cause.value} of {what}, {written(seen.requested_at)}){waits}{overdue}"


def _recall_line(one: Recall) -> str:
    if one.acknowledged_at is not None:
        state = f"acknowledged {written(one.acknowledged_at)}"
    else:
        state = f"due {written(one.due_at)}" + (" OVERDUE" if one.overdue else "")
    return f"{one.recipient}: {one.release}, {one.erasure} {one.handout}, {state}"

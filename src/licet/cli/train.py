"""The commands of training: the gate of a machine, and the key that its file is signed with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import click
import msgspec

from licet.cli import safety, train_run
from licet.cli.root import CommandGroup
from licet.cli.shell import (
    PATH,
    CliCall,
    answer_options,
    by_option,
    local_options,
    pluralize,
    stop_on_signals,
    user,
)
from licet.clock import Clock, utc_now
from licet.errors import LicetError, UsageError
from licet.release import manifest
from licet.release.reader import LEASE_SECONDS, LEASE_SECONDS_MAX
from licet.store.core_dumps import harden

if TYPE_CHECKING:  # imported where it is used: no other command waits for it
    from licet.ledger.note import Verifier
    from licet.service.canary_audit import Audit
    from licet.train.bitmap import WithdrawnBitmap
    from licet.train.remote import Keeper, WithdrawalSource

POLL_SECONDS = 0.5


@click.group(cls=CommandGroup)
def train() -> None:
    """Trains under the gate, which keeps withdrawn rows out. A run asks the gate before each
    step.
    """


@train.command("gate-key")
@local_options
def gate_key(call: CliCall) -> None:
    """Prints the public key that the gate's files are signed with. A run is given it once, by hand.

    \b
    Example:  licet train gate-key > withdrawn.pub
    """
    from licet.train import gate_files

    with call.installation() as installation:
        vkey = gate_files.signer(installation).verifier.vkey
        call.show({"key": vkey}, lambda: vkey)


@train.command()
@click.argument("releases", nargs=-1, required=True)
@click.option(
    "--into",
    required=True,
    type=PATH,
    help="The folder from which runs read the gate.",
)
@click.option(
    "--url",
    help="The URL of an installation on another machine; by default the one on this machine.",
)
@click.option(
    "--key-file",
    type=PATH,
    help="With --url: a file with an API key that may lease rows.",
)
@click.option(
    "--public-key",
    help="With --url: the key that `licet train gate-key` prints there, or a file with it.",
)
@click.option(
    "--recipient",
    default="training",
    show_default=True,
    help="With --url: the recipient that the API key is bound to.",
)
@click.option(
    "--once",
    is_flag=True,
    help="Write the files once and exit, for machines that cannot reach the installation.",
)
@click.option(
    "--seconds",
    type=click.IntRange(1, LEASE_SECONDS_MAX),
    default=LEASE_SECONDS,
    show_default=True,
    help="Without --url: how many seconds a file is valid.",
)
@click.option(
    "--poll",
    type=click.FloatRange(0.05, 60),
    default=POLL_SECONDS,
    show_default=True,
    help="Seconds between checks.",
)
@answer_options
def gate(
    releases: tuple[str, ...],
    into: Path,
    url: str | None,
    key_file: Path | None,
    public_key: str | None,
    recipient: str,
    once: bool,
    seconds: int,
    poll: float,
    call: CliCall,
) -> None:
    """Keeps the withdrawn rows of RELEASES in a folder for runs. RELEASES are names or folders. One
    gate serves every run of a machine.

    It polls the installation, and writes a file only when something is new or the file is about to
    expire. If the installation cannot be reached, it writes nothing, and the runs wait or stop when
    the file expires.

    \b
    Example:  licet train gate releases/autumn --into /run/licet
              licet train gate autumn --into /run/licet --url https://licet.example.org \\
                    --key-file lease.key --public-key withdrawn.pub
    """
    if url is None and (key_file or public_key):
        raise UsageError("`--key-file` and `--public-key` go with `--url`")
    with _source(url, key_file, public_key, recipient, seconds, call) as (source, verifier, clock):
        keepers = [
            _keeper(_folder(release, call.data), into, source, verifier, clock)
            for release in releases
        ]
        print_file = _file_printer(call.as_json)
        if once:
            for keeper in keepers:
                keeper.poll()
                assert keeper.known is not None
                print_file(keeper.known)
            return
        _follow(keepers, poll, print_file)


@contextmanager
def _source(
    url: str | None,
    key_file: Path | None,
    public_key: str | None,
    recipient: str,
    seconds: int,
    call: CliCall,
) -> Iterator[tuple[WithdrawalSource, Verifier, Clock]]:
    """The source of withdrawals, the key that signed them, and the clock."""
    from licet.train.bitmap import parse_key
    from licet.train.remote import Remote, read_key_file

    if url is None:
        from licet.train import gate_files as gating

        with call.installation() as installation:
            yield (
                gating.LocalSource(installation, seconds),
                gating.signer(installation).verifier,
                installation.clock,
            )
        return
    if key_file is None or public_key is None:
        raise UsageError(
            "`--url` needs `--key-file` and `--public-key`",
            "`licet train gate-key` prints the latter, over there",
        )
    given = Path(public_key)
    verifier = parse_key(given.read_text(encoding="utf-8") if given.is_file() else public_key)
    with Remote(url, read_key_file(key_file), recipient=recipient, clock=utc_now) as remote:
        yield remote, verifier, utc_now


def _folder(release: str, data: Path | None) -> Path:
    """The folder of a release, from its name, its URL in an object store, or a path."""
    import os  # an edge: the environment says where the installation of this machine is

    from licet.config import Configuration
    from licet.train import node

    return node.find_folder(release, Configuration.from_environment(os.environ, data))


def _keeper(
    folder: Path, into: Path, source: WithdrawalSource, verifier: Verifier, clock: Clock
) -> Keeper:
    from licet.train.remote import Keeper

    promised, sha256 = manifest.read_manifest(folder)
    return Keeper(
        source, verifier, into, release=promised.release, manifest_sha256=sha256, clock=clock
    )


def _file_printer(as_json: bool) -> Callable[[WithdrawnBitmap], None]:
    """Prints one line each time that a file is written."""

    def print_file(result: WithdrawnBitmap) -> None:
        head = result.head
        if as_json:
            fields = {
                "release": head.release,
                "number": head.number,
                "rows": head.rows,
                "until": head.until,
            }
            click.echo(msgspec.json.encode(fields).decode())
        else:
            until = f"{head.until:%Y-%m-%dT%H:%M:%SZ}"
            click.echo(
                f"{head.release}  number {head.number}  {head.rows:,} withdrawn  holds "
                f"until {until}"
            )

    return print_file


def _follow(
    keepers: list[Keeper], poll: float, print_file: Callable[[WithdrawnBitmap], None]
) -> None:
    """Keeps every file up to date until interrupted. The first keeper that fails ends all, with its
    error.
    """
    over, failed = stop_on_signals(), list[LicetError]()

    def follow(keeper: Keeper) -> None:
        try:
            keeper.follow(over.wait, print_file, poll)
        except LicetError as error:
            failed.append(error)
            over.set()

    threads = [Thread(target=follow, args=[keeper], daemon=True) for keeper in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


EXIT_NO, EXIT_AGAIN = 1, 75


@click.command("canaries")
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Seed of the planted words and their places.",
)
@click.option(
    "--steps",
    type=click.IntRange(1, 100_000),
    default=160,
    show_default=True,
    help="Training steps.",
)
@click.option(
    "--for", "model", metavar="MODEL", help="A model on record beside which the result is kept."
)
@by_option("audits")
@answer_options
def canaries(seed: int, steps: int, model: str | None, by: str | None, call: CliCall) -> int:
    """Tests that a model learns nothing from what it may not use. Plants sentences in
    conversations, trains a small model, and measures whether it knows them.

    Runs in a temporary installation, with accounts that are incognito, deleted, expired, out of
    scope, undecided, or withdraw before and during the run, and one that permits. Exits 1 if the
    model knows what it may not. Exits 75 if it does not know what it may either: then the test
    proves nothing, and more --steps may help. With --for, the result is kept in your installation
    beside a model on record: `licet models show` and the console have it. The audit trains a model
    of its own with the installed code, and does not read the weights of that model.

    \b
    Example:  licet train canaries
              licet train canaries --for model_0190f3a4c2d87b6e9a51c3d4e5f60718
    """
    from licet.service import canary_audit as audits
    from licet.train.canary_register import AuditResult

    harden()
    if model is not None:
        with call.installation() as registry:
            audits.check_model(registry, model)
    with audits.audit_installation() as (installation, clock):
        settings = audits.with_steps(steps)
        found = audits.audit(installation, clock, seed=seed, settings=settings)
    if model is not None:
        with call.installation() as registry:
            audits.record_audit(registry, model, found, actor=by or f"user:{user()}")
    call.show(found, lambda: _text(found))
    return {AuditResult.passed: 0, AuditResult.failed: EXIT_NO}.get(found.verdict, EXIT_AGAIN)


def _text(result: Audit) -> str:
    lines = [f"{'group':<17} planted  handed  exposure (bits)  p"]
    lines += [
        f"{row.group.value:<17} {row.planted:>7} {row.handed:>7} {row.exposure:>16.2f}  {row.p:.2g}"
        for row in result.groups
    ]
    lines += [result.broken] if result.broken else []
    return "\n".join(
        [
            *lines,
            (
                f"{result.verdict.value}: {pluralize(result.steps, 'step')} on "
                f"{pluralize(result.rows, 'row')}, seed {result.seed}"
            ),
        ]
    )


for _command in (*train_run.COMMANDS, safety.train_safety, canaries):
    train.add_command(_command)

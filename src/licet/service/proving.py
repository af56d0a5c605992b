"""The verbs of proof: take the outbox into the log, issue receipts, publish, verify; one verb a use case.

Beside `service`, whose installation they take: they print nothing, and answer with values that explain themselves.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import yaml

from licet.consent.receipt import Controller, Issuer, Receipt, page
from licet.errors import InputError, NotFoundError, RefusedError, UsageError
from licet.ledger import checkpoint as checkpoints
from licet.ledger import note, sequence, verifier
from licet.ledger.log import CHECKPOINT
from licet.ledger.note import Verifier
from licet.ledger.outbox import Told
from licet.ledger.published import Published
from licet.ledger.sequence import Place, Sequencer
from licet.ledger.storage import TMP, Durable, Folder
from licet.release import manifest
from licet.release import verify as release_files
from licet.service.installation import Installation, policies
from licet.store.connect import transaction
from licet.vault.ids import Prefix, host_hmac, parse
from licet.vault.log_keys import LogKeys
from licet.vault.view import account_by_host

CONTROLLER_FILE = "controller.yaml"
KEYS_FILE = "vkeys.txt"


def place(here: Installation) -> Place:
    """Where the logs are."""
    data = here.config.data
    return Place(folder=data / "log", state=data / "log-state", name=here.config.log_name)


def key(here: Installation, year: int | None = None) -> Verifier:
    """The public key of the log of a year, by default the present one: what strangers are to trust."""
    with transaction(here.pool) as tx:
        seed = here.keyring.log_seed(tx)
    return place(here).signer(seed, year or here.clock().year).verifier


# The log


def sequencing(here: Installation) -> AbstractContextManager[Sequencer]:
    """The installation's one sequencer; BusyError where another works."""
    with transaction(here.pool) as tx:
        seed = here.keyring.log_seed(tx)
    keys = LogKeys(here.keyring)
    return sequence.sequencing(here.pool, place(here), seed, keys, here.clock, here.keyring.random)


def append(here: Installation) -> int:
    """Takes everything that waits into the log; returns how many rows."""
    with sequencing(here) as sequencer:
        return sum(iter(sequencer.run_once, 0))


def follow(here: Installation, stop: threading.Event) -> None:
    """Takes what commits into the log, within a second, until ``stop``."""
    sequence.run(partial(sequencing, here), stop)


class LogSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A log as its readers see it. ``size`` is that of its checkpoint, ``placed`` what the database knows."""

    origin: str
    vkey: str
    size: int
    placed: int
    root: str
    logged_at: datetime


class LedgerSeen(msgspec.Struct, frozen=True, kw_only=True):
    logs: tuple[LogSeen, ...]
    waiting: int
    waiting_since: datetime | None


def status(here: Installation) -> LedgerSeen:
    """The logs, and what waits to be told."""
    with transaction(here.pool) as tx:
        known, waits = sequence.standings(tx), sequence.waiting(tx)
    return LedgerSeen(
        logs=tuple(_log_seen(here, standing) for standing in known), waiting=waits.rows, waiting_since=waits.since
    )


def _log_seen(here: Installation, standing: sequence.Standing) -> LogSeen:
    log = key(here, standing.year)
    found = Published(place(here).folder / str(standing.year), log).checkpoint
    return LogSeen(
        origin=standing.origin, vkey=log.vkey, size=found.size, placed=standing.size, root=found.root.hex(),
        logged_at=standing.logged_at,
    )  # fmt: skip


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What a publication holds now: for each year the size of its log, and how many files were new."""

    folder: Path
    sizes: dict[str, int]
    files: int


def publish(here: Installation, target: Path) -> Copied:
    """Copies the logs to ``target`` for any web server, with the keys, the policies and the verifier.

    Whole files first and each checkpoint last, so that a reader never sees a checkpoint without its tiles. A copy
    that is ahead of the log is refused: the log it was made from was another.
    """
    sizes, files = {}, 0
    source = place(here).folder
    years = sorted(p.name for p in source.iterdir() if p.name.isdecimal()) if source.is_dir() else []
    if not years:
        raise NotFoundError("there is no log yet", "`licet ledger append` begins it")
    for year in years:
        size, copied = _publish_year(source / year, target / year, key(here, int(year)))
        sizes[year], files = size, files + copied
    keys = "".join(f"{key(here, int(year)).vkey}\n" for year in years).encode()
    with transaction(here.pool) as tx:
        texts = tx.execute("SELECT sha256, document FROM policies ORDER BY number").fetchall()
    beside = {f"policies/{sha256.hex()}.json": document.encode() for sha256, document in texts}
    code = Path(verifier.__file__).read_bytes()
    Durable(Folder(target)).write({**beside, KEYS_FILE: keys, "verifier.py": code})
    return Copied(folder=target, sizes=sizes, files=files)


def _publish_year(source: Path, target: Path, log: Verifier) -> tuple[int, int]:
    head = Published(source, log)
    written = Durable(Folder(target))
    before = written.read(CHECKPOINT)
    if before is not None and checkpoints.verify(before, log.name, log).size > head.checkpoint.size:
        raise RefusedError(f"`{target}` is ahead of the log", "publish elsewhere, and find out why", because="ahead")
    found = [p for p in source.glob("tile/**/*") if p.is_file() and p.suffix != TMP]
    new = [p for p in found if not (target / p.relative_to(source)).exists()]
    for path in new:  # a published file never changes a byte, so those that are there need no second look
        written.write({path.relative_to(source).as_posix(): path.read_bytes()})
    written.write({CHECKPOINT: head.note})
    return head.checkpoint.size, len(new)


# Receipts


def account_named(here: Installation, name: str) -> UUID:
    """An account by our id or by the host's own."""
    if name.startswith("acc_"):
        return parse(Prefix.account, name)
    with transaction(here.pool) as tx:
        found = account_by_host(tx, host_hmac(here.keyring.host_key(tx), "account", name))
    if found is None:
        raise NotFoundError("no such account", "ids begin with acc_; the host's own id will do too")
    return found


def receipts(here: Installation, account: UUID) -> list[Receipt]:
    """The receipt of each choice of an account, oldest first; with its proof where the choice stands in the log."""
    known = policies(here)
    controller = _controller(here.config.data / CONTROLLER_FILE)
    with transaction(here.pool) as tx:
        issuer = Issuer(tx, here.keyring, LogKeys(here.keyring), place(here), known, controller, here.clock())
        return issuer.receipts(account)


def receipt_page(here: Installation, receipt: Receipt) -> str:
    """A receipt as a page to read and print."""
    return page(receipt, key(here, _year_of(receipt) or here.clock().year).vkey)


def _year_of(receipt: Receipt) -> int | None:
    if receipt.proof is None:
        return None
    origin = note.parse(receipt.proof.encode().partition(b"\n\n")[2]).text.partition("\n")[0]
    return int(origin.rpartition("/")[2])


def _controller(file: Path) -> Controller:
    """What the operator states of itself in ``controller.yaml``, if it does."""
    if not file.is_file():
        return Controller()
    try:
        return msgspec.convert(yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader), Controller)
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        keys = ", ".join(Controller.__struct_fields__)
        raise InputError(f"does not read: {error}", f"its keys are {keys}", file=str(file)) from None


# Verifying


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked, and every promise that was found broken, by its place."""

    checked: tuple[str, ...]
    broken: tuple[tuple[str, str], ...]


def verify(path: Path, vkeys: tuple[str, ...], *, entry: Path | None = None, log: Path | None = None) -> Checked:
    """Holds a log, a published folder, a receipt, a proof or a release's folder to what it promises.

    Believes ``vkeys`` and nothing else: each log, receipt and proof needs the key of its year among them. A release's
    files are held against its manifest, and its manifest against the leaf of ``log``, where one is given.
    """
    if path.is_dir() and (path / manifest.FILE).is_file():
        return _verify_release(path, vkeys, log)
    trusted = [_trust(vkey) for vkey in vkeys]
    reports = _reports(path, trusted, entry)
    checked = tuple(f"{report.checked} of {report.origin}: {report.size} entries" for report in reports)
    return Checked(checked=checked, broken=tuple((f.place, f.promise) for r in reports for f in r.findings))


def _verify_release(path: Path, vkeys: tuple[str, ...], log: Path | None) -> Checked:
    checked, sealed = [f"release in {path}"], ""
    broken: list[tuple[str, str]] = []
    if log is not None:
        whole = verify(log, vkeys)
        checked += whole.checked
        broken += whole.broken
        promised, _ = manifest.read(path)
        sealed = _sealed(log, vkeys, promised.release)
        if not sealed:
            broken.append((str(path), "the release was told to the log when it was sealed"))
    broken += [(c.file, f"{c.promise.value}: {c.found}") for c in release_files.verify(path, manifest_sha256=sealed)]
    return Checked(checked=tuple(checked), broken=tuple(broken))


def _sealed(log: Path, vkeys: tuple[str, ...], release: str) -> str:
    """The hash of a release's manifest, as its leaf tells it; empty where there is no leaf."""
    for vkey in vkeys:
        known = Verifier.parse(vkey)
        year = log / known.name.rpartition("/")[2]
        folder = log if (log / CHECKPOINT).is_file() else year
        if not folder.is_dir():
            continue
        for raw in Published(folder, known).entries():
            told = msgspec.json.decode(raw, type=dict[str, Any])
            if told.get("t") == Told.release_sealed and told["facts"].get("release") == release:
                return str(told["facts"]["manifest_sha256"])
    return ""


def _trust(vkey: str) -> verifier.Trust:
    try:
        return verifier.trust(vkey)
    except ValueError as error:
        raise UsageError(f"a key cannot be used: {error}", "`licet ledger key` prints it") from None


def _reports(path: Path, trusted: list[verifier.Trust], entry: Path | None) -> list[verifier.Report]:
    if path.is_dir():
        folders = [path] if (path / CHECKPOINT).is_file() else sorted(p.parent for p in path.glob(f"*/{CHECKPOINT}"))
        if not folders:
            raise UsageError(f"`{path}` holds no log and no release", "name a folder with a checkpoint or a manifest")
        return [_check_log(folder, trusted) for folder in folders]
    raw = path.read_bytes()
    if entry is not None:
        return [verifier.check_proof(raw, entry.read_bytes(), _for(raw, trusted), str(path))]
    if raw.startswith(b"c2sp.org/tlog-proof"):
        raise UsageError("a proof proves an entry", "name the file with the entry's bytes: --entry FILE")
    return [verifier.check_receipt(raw, _for(raw, trusted), str(path))]


def _check_log(folder: Path, trusted: list[verifier.Trust]) -> verifier.Report:
    own = _for((folder / CHECKPOINT).read_bytes(), trusted)
    return verifier.check_log(verifier.FolderFiles(folder), own, story=verifier.story_of(own.origin))


def _for(raw: bytes, trusted: list[verifier.Trust]) -> verifier.Trust:
    """The key whose name the bytes carry, to know which one is meant; it is the check that believes it or not."""
    if not trusted:
        raise UsageError("no key to believe", "`licet ledger key` prints the log's: --key VKEY")
    named = [key for key in trusted if key.origin.encode() in raw]
    return named[0] if named else trusted[0]

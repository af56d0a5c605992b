"""The verbs of proof: take the outbox into the log, issue receipts, publish, verify; one verb a use case.

Beside `service`, whose installation they take: they print nothing, and answer with values that explain themselves.
"""

from __future__ import annotations

import contextlib
import threading
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec

from licet.consent import controller as controllers
from licet.consent.controller import Controller
from licet.consent.receipt import Issuer, Receipt, page
from licet.errors import BusyError, LicetError, NotFoundError, RefusedError, UsageError
from licet.ledger import checkpoint as checkpoints
from licet.ledger import note, quorum, sequence, verifier
from licet.ledger.log import CHECKPOINT
from licet.ledger.note import Verifier
from licet.ledger.published import Published
from licet.ledger.quorum import Quorum
from licet.ledger.sequence import Place, Sequencer
from licet.ledger.storage import TMP, Durable, Folder
from licet.ledger.verifier import Answer
from licet.ledger.witness_http import GATHER_SECONDS_MAX, Gathered, gather
from licet.release import manifest
from licet.release import verify as release_files
from licet.release.purge import LogKey
from licet.service.installation import Installation, policies
from licet.store.connect import transaction
from licet.vault.ids import Prefix, host_hmac, parse
from licet.vault.log_keys import LogKeys
from licet.vault.view import account_by_host

KEYS_FILE = "vkeys.txt"
WITNESSES_FILE = "witnesses.txt"
RETENTION_FILE = "retention.txt"
PRUNED = "pruned"
MODEL_STATEMENT = "run.intoto.jsonl"  # `train.statement.FILE`
WITNESS_SECONDS = 10.0


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
    """Takes what commits into the log, within a second, until ``stop``; beside it asks the witnesses, if any."""
    if witnesses(here) is None:
        sequence.run(partial(sequencing, here), stop)
        return
    beside = threading.Thread(target=_keep_cosigned, args=(here, stop), name="licet-cosigned", daemon=True)
    beside.start()
    try:
        sequence.run(partial(sequencing, here), stop)
    finally:
        stop.set()
        beside.join(GATHER_SECONDS_MAX)


# Witnesses


def witnesses(here: Installation) -> Quorum | None:
    """The witnesses that the operator asks, from ``witnesses.txt`` in the installation's folder; None without it."""
    file = here.config.data / WITNESSES_FILE
    return quorum.read(file.read_bytes(), str(file)) if file.is_file() else None


def cosign(here: Installation) -> tuple[Gathered, ...]:
    """Asks the witnesses for the checkpoint of each year's log that they have not cosigned yet.

    NotFoundError where there are none, BusyError where another process is asking.
    """
    asked = witnesses(here)
    if asked is None:
        raise NotFoundError(
            "there are no witnesses", f"name them in `{here.config.data / WITNESSES_FILE}`: docs/audit.md shows how"
        )
    return tuple(gather(place(here).folder / year, key(here, int(year)), asked) for year in years(here))


def _keep_cosigned(here: Installation, stop: threading.Event) -> None:
    """What goes wrong here costs cosignatures, which `status` shows; it never stops the log."""
    while not stop.is_set():
        with contextlib.suppress(LicetError, OSError):
            cosign(here)
        stop.wait(WITNESS_SECONDS)


def years(here: Installation) -> list[str]:
    """The years of which there is a log, oldest first."""
    folder = place(here).folder
    return sorted(p.name for p in folder.iterdir() if p.name.isdecimal()) if folder.is_dir() else []


class LogSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A log as its readers see it. ``size`` is that of its checkpoint, ``placed`` what the database knows,
    ``cosigned`` the size of the newest checkpoint that a witness cosigned."""

    origin: str
    vkey: str
    size: int
    placed: int
    cosigned: int
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
    shown = Published(place(here).folder / str(standing.year), log)
    found = shown.checkpoint
    return LogSeen(
        origin=standing.origin, vkey=log.vkey, size=found.size, placed=standing.size, root=found.root.hex(),
        cosigned=shown.cosigned[1].size if shown.cosigned else 0, logged_at=standing.logged_at,
    )  # fmt: skip


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What a publication holds now: for each year the size of its log, and how many files were new.

    ``missing`` says of each witness that was asked and did not cosign why, by year and name.
    """

    folder: Path
    sizes: dict[str, int]
    files: int
    missing: tuple[tuple[str, str, str], ...] = ()


def publish(here: Installation, target: Path) -> Copied:
    """Copies the logs to ``target`` for any web server, with the keys, policies, notices and the verifier.

    Whole files first and each checkpoint last, so that a reader never sees a checkpoint without its tiles. A copy
    that is ahead of the log is refused: the log it was made from was another. Witnesses are asked first; one that is
    away is missing on the checkpoint, and nothing waits for it.
    """
    known = years(here)
    if not known:
        raise NotFoundError("there is no log yet", "`licet ledger append` begins it")
    sizes, files, gathered = {}, 0, _gathered(here)
    for year in known:
        found = gathered.get(key(here, int(year)).name)
        size, copied = _publish_year(place(here).folder / year, target / year, key(here, int(year)), found)
        sizes[year], files = size, files + copied
    Durable(Folder(target)).write(_beside(here, known))
    missing = tuple(
        (year, name, why)
        for year in known
        if (found := gathered.get(key(here, int(year)).name)) is not None
        for name, why in found.missing
    )
    return Copied(folder=target, sizes=sizes, files=files, missing=missing)


def _gathered(here: Installation) -> dict[str, Gathered]:
    """What the witnesses say now, by the log's origin; nothing where there are none or another process asks them."""
    try:
        return {one.origin: one for one in cosign(here)}
    except (NotFoundError, BusyError):
        return {}


def _beside(here: Installation, known: list[str]) -> dict[str, bytes]:
    """What is published beside the logs, so that a stranger can open everything that a leaf or a receipt names."""
    with transaction(here.pool) as tx:
        policies = tx.execute("SELECT sha256, document FROM policies ORDER BY number").fetchall()
        notices = tx.execute("SELECT sha256, document FROM notices ORDER BY position").fetchall()
    files = {f"policies/{sha256.hex()}.json": document.encode() for sha256, document in policies}
    files |= {f"notices/{sha256.hex()}.json": document.encode() for sha256, document in notices}
    files[KEYS_FILE] = "".join(f"{key(here, int(year)).vkey}\n" for year in known).encode()
    files["verifier.py"] = Path(verifier.__file__).read_bytes()
    own = [here.config.data / name for name in (WITNESSES_FILE, RETENTION_FILE)]
    files |= {path.name: path.read_bytes() for path in own if path.is_file()}
    ended = place(here).folder / PRUNED
    return files | {f"{PRUNED}/{p.name}": p.read_bytes() for p in ended.glob("[0-9]*[0-9]")}


def _publish_year(source: Path, target: Path, log: Verifier, gathered: Gathered | None) -> tuple[int, int]:
    head = Published(source, log)
    shown, checkpoint = head.note, head.checkpoint
    if gathered is not None:
        shown, checkpoint = gathered.note, checkpoints.verify(gathered.note, log.name, log)
    elif head.cosigned is not None and head.cosigned[1] == checkpoint:
        shown = head.cosigned[0]
    written = Durable(Folder(target))
    before = written.read(CHECKPOINT)
    if before is not None and checkpoints.verify(before, log.name, log).size > checkpoint.size:
        raise RefusedError(f"`{target}` is ahead of the log", "publish elsewhere, and find out why", because="ahead")
    found = [p for p in source.glob("tile/**/*") if p.is_file() and p.suffix != TMP]
    new = [p for p in found if not (target / p.relative_to(source)).exists()]
    for path in new:  # a published file never changes a byte, so those that are there need no second look
        written.write({path.relative_to(source).as_posix(): path.read_bytes()})
    written.write({CHECKPOINT: shown})
    return checkpoint.size, len(new)


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


def controller(here: Installation) -> Controller:
    """What the operator states of itself; a permission is taken back on the settings page unless it says elsewhere."""
    stated, url = controllers.read(here.config.controller), here.config.web.url
    if stated.withdrawal_url or not url:
        return stated
    return msgspec.structs.replace(stated, withdrawal_url=f"{url.rstrip('/')}/settings")


def receipts(here: Installation, account: UUID) -> list[Receipt]:
    """The receipt of each choice of an account, oldest first; with its proof where the choice stands in the log."""
    known = policies(here)
    stated = controller(here)
    with transaction(here.pool) as tx:
        issuer = Issuer(tx, here.keyring, LogKeys(here.keyring), place(here), known, stated, here.clock())
        return issuer.receipts(account)


def receipt_page(here: Installation, receipt: Receipt) -> str:
    """A receipt as a page to read and print."""
    return page(receipt, receipt_key(here, receipt).vkey)


def receipt_key(here: Installation, receipt: Receipt) -> Verifier:
    """The key that a receipt is checked with: that of its proof's log, or the present one before it has a proof."""
    return key(here, _year_of(receipt) or here.clock().year)


def _year_of(receipt: Receipt) -> int | None:
    if receipt.proof is None:
        return None
    origin = note.parse(receipt.proof.encode().partition(b"\n\n")[2]).text.partition("\n")[0]
    return int(origin.rpartition("/")[2])


# Verifying


class CheckedPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what was checked, with its own answer and the reason for it."""

    what: str
    answer: Answer
    why: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked: the answer, which is the worst of its parts; every promise found broken, by its place; and
    what is missing for a proof, with what would prove it."""

    answer: Answer
    checked: tuple[str, ...]
    parts: tuple[CheckedPart, ...]
    broken: tuple[tuple[str, str], ...]
    lacks: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return verifier.EXITS[self.answer]


def verify(
    path: Path, vkeys: tuple[str, ...], *, entry: Path | None = None, log: Path | None = None,
    quorum: bytes | None = None, release: Path | None = None,
) -> Checked:  # fmt: skip
    """Holds a log, a published folder, a receipt, a proof, a release's or a model's folder to what it promises.

    Believes ``vkeys`` and nothing else: each log, receipt and proof needs the key of its year among them. A release's
    files are held against its manifest, and its manifest against the leaf of ``log``, without which nothing of it is
    proved. ``quorum`` is a c2sp.org/tlog-policy: each checkpoint must be cosigned as it says.
    """
    if path.is_dir() and (path / manifest.FILE).is_file():
        return _verify_release(path, vkeys, log, quorum)
    if path.is_dir() and (path / MODEL_STATEMENT).is_file():
        return _verify_model(path, vkeys, release)
    trusted = _trusted(vkeys, quorum)
    return _checked(_reports(path, trusted, entry))


def _checked(reports: list[verifier.Report], checked: tuple[str, ...] = ()) -> Checked:
    """Several reports as one answer, the worst of them."""
    order = (Answer.contradicted, Answer.unreadable, Answer.unproved, Answer.proved)
    alone = len(reports) == 1
    parts = [
        CheckedPart(what=part.what if alone else f"{report.origin}: {part.what}", answer=part.answer, why=part.why)
        for report in reports for part in report.parts
    ]  # fmt: skip
    return Checked(
        answer=min((report.answer for report in reports), key=order.index),
        checked=checked or tuple(
            f"{report.checked} of {report.origin}" + (f": {report.size} entries" if report.root else "")
            for report in reports
        ),
        parts=tuple(parts),
        broken=tuple((found.place, found.promise) for report in reports for found in report.findings),
        lacks=tuple((lack.place, f"{lack.why}; what would prove it: {lack.mend}") for r in reports for lack in r.lacks),
        notes=tuple(note for report in reports for note in report.notes),
    )  # fmt: skip


def _verify_model(path: Path, vkeys: tuple[str, ...], release: Path | None) -> Checked:
    """By the keys of the models and of the gate; with the release's folder each consumed row is looked up in its parts."""
    from licet.train import verified  # here, not above: no other verb of proof needs it

    try:
        keys = [Verifier.parse(vkey.strip()) for vkey in vkeys]
    except RefusedError as error:
        raise UsageError(f"a key cannot be used: {error.message}", "`licet train model-key` prints one") from None
    report = verifier.Report("model")
    proves = "signed by the models' key, and what was consumed by the gate's"
    report.step(
        "files, statement and what it consumed", proves, lambda: report.broken(verified.verify(path, keys, release))
    )
    return _checked([report], (f"model in {path}: its files, its statement and what it consumed",))


def _verify_release(path: Path, vkeys: tuple[str, ...], log: Path | None, quorum: bytes | None) -> Checked:
    """With a log every row is decided again by what it told before the release; without one nothing is proved.

    Beside what the stand-alone verifier holds, the parts are opened, and card and descriptions follow from the rest.
    """
    report, key = verifier.Report("release"), _log_key(_trusted(vkeys, quorum))
    signed = [name for name in ("purge-1.json", manifest.REVIEW_FILE) if (path / name).exists()]

    def look() -> None:
        if key is None and signed:
            report.lacking(signed[0], "its signature was not checked", "the log's key does: --key VKEY")
            return
        found = release_files.verify(path, proofs=False, key=key)
        report.broken((one.file, f"{one.promise.value}: {one.found}") for one in found)

    report.step("parts, card and descriptions", "they are as the manifest and its addenda have them", look)
    checked = [f"release in {path}"]
    if report.findings:
        return _checked([report], tuple(checked))
    told = logs(log, vkeys, quorum) if log is not None else []
    held = verifier.check_release_in(verifier.FolderFiles(path), told)
    held.parts += report.parts
    held.joined(report)
    held.notes = []
    if held.purged:
        checked.append(f"{held.purged} rows of it were taken out by purges; their proofs stay")
    if held.origin:
        checked.append(f"{held.size} rows decided again by the log {held.origin}")
    return _checked([held], tuple(checked))


def logs(
    folder: Path, vkeys: tuple[str, ...], quorum: bytes | None = None
) -> list[tuple[verifier.Trust, verifier.Files]]:
    """The logs of a folder that holds one, or one a year, each with the key that is to have signed it."""
    trusted = _trusted(vkeys, quorum)
    if not trusted:
        raise UsageError("no key to believe the log by", "`licet ledger key` prints the log's: --key VKEY")
    return verifier.read_logs([verifier.FolderFiles(folder)], trusted)


def _log_key(trusted: list[verifier.Trust]) -> LogKey | None:
    """The key by which purges and reviews are signed: that of the log, the same under the name of every year."""
    return (lambda: trusted[0].key.public) if trusted else None


def _trusted(vkeys: tuple[str, ...], quorum: bytes | None) -> list[verifier.Trust]:
    """The keys to believe; without any, the one log that the quorum file may list."""
    named: tuple[str | None, ...] = vkeys or ((None,) if quorum is not None else ())
    try:
        return [verifier.trust(vkey, policy=quorum) for vkey in named]
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
    held = verifier.check_certificate if raw.startswith(b'{"certificate":') else verifier.check_receipt
    return [held(raw, _for(raw, trusted), str(path))]


def _check_log(folder: Path, trusted: list[verifier.Trust]) -> verifier.Report:
    own = _for((folder / CHECKPOINT).read_bytes(), trusted)
    try:
        story = verifier.story_of(own.origin)
    except ValueError as error:
        raise UsageError(f"`{folder}` is no log of ours: {error}", "name the folder of a year's log") from None
    return verifier.check_log(verifier.FolderFiles(folder), own, story=story)


def _for(raw: bytes, trusted: list[verifier.Trust]) -> verifier.Trust:
    """The key whose name the bytes carry, to know which one is meant; it is the check that believes it or not."""
    if not trusted:
        raise UsageError("no key to believe", "`licet ledger key` prints the log's: --key VKEY")
    return verifier.meant(raw, trusted)

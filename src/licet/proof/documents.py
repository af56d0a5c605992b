"""Appends the outbox to the log, publishes the log, and issues receipts: one function per use
case.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec

from licet.consent import controller as controllers
from licet.consent import notice
from licet.consent.controller import Controller
from licet.errors import BusyError, LicetError, NotFoundError, RefusedError
from licet.keys.log_keys import LogKeys
from licet.ledger import checkpoint as checkpoints
from licet.ledger import forward, note, quorum, sequence, tree
from licet.ledger.log import CHECKPOINT
from licet.ledger.note import Verifier
from licet.ledger.publication import PublishedLog
from licet.ledger.quorum import Quorum
from licet.ledger.sequence import LogPlace, Sequencer
from licet.ledger.storage import (
    BucketFolder,
    Durable,
    Folder,
    LogFolder,
    list_files,
    list_names,
    open_files,
)
from licet.ledger.witness_http import GATHER_SECONDS_MAX, GatheredCosignatures, gather
from licet.proof import legal_documents
from licet.proof.receipt import Issuer, Receipt, page
from licet.store import bucket as buckets
from licet.store.bucket import Bucket
from licet.store.circuit import CallWatch
from licet.store.connect import transaction
from licet.vault import policy_versions
from licet.vault.account_view import account_by_host
from licet.vault.ids import Prefix, host_hmac, parse
from licet.vault.installation import Installation, load_policies
from licet.verifier import bundle

KEYS_FILE = "vkeys.txt"
WITNESSES_FILE = "witnesses.txt"
RETENTION_FILE = "retention.txt"
PRUNED = "pruned"
WITNESS_SECONDS = 3.0  # a call is late after five, so a hanging one is reported within ten


def place(installation: Installation) -> LogPlace:
    """Returns the logs' folders and name, in the installation's bucket or data folder."""
    data, bucket = installation.config.data, buckets.open_bucket(installation.config.store)
    if bucket is not None:
        folder, state = bucket_folders(bucket.guarded)
        return LogPlace(folder=folder, state=state, name=installation.config.log_name)
    return LogPlace(
        folder=data / "log", state=data / "log-state", name=installation.config.log_name
    )


def bucket_folders(bucket: Bucket) -> tuple[BucketFolder, BucketFolder]:
    """The log folders in a bucket: the public one, and the writer's state."""
    return BucketFolder(bucket, "log/"), BucketFolder(bucket, "log-state/", is_marked=True)


def key(installation: Installation, year: int | None = None) -> Verifier:
    """The public key of a year's log, by default this year's."""
    with transaction(installation.pool) as tx:
        seed = installation.keyring.log_seed(tx)
    return place(installation).signer(seed, year or installation.clock().year).verifier


# The log


def open_sequencer(installation: Installation) -> AbstractContextManager[Sequencer]:
    """The installation's only sequencer; BusyError while another one runs."""
    with transaction(installation.pool) as tx:
        seed = installation.keyring.log_seed(tx)
    keys = LogKeys(installation.keyring)
    return sequence.open_sequencer(
        installation.pool,
        place(installation),
        seed,
        keys,
        installation.clock,
        installation.keyring.random,
    )


def append(installation: Installation) -> int:
    """Appends the outbox to the log; returns the number of rows."""
    with open_sequencer(installation) as sequencer:
        return sum(iter(sequencer.run_once, 0))


def follow(
    installation: Installation, stop: threading.Event, watch: CallWatch | None = None
) -> None:
    """Appends committed rows within a second, until ``stop``. With witnesses, another thread asks
    them to cosign, and reports to ``watch`` whether they answer.
    """
    if witnesses(installation) is None:
        sequence.run(partial(open_sequencer, installation), stop)
        return
    beside = threading.Thread(
        target=_keep_cosigned,
        args=(installation, stop, watch or CallWatch()),
        name="licet-cosigned",
        daemon=True,
    )
    beside.start()
    try:
        sequence.run(partial(open_sequencer, installation), stop)
    finally:
        stop.set()
        beside.join(GATHER_SECONDS_MAX)


# Witnesses


def witnesses(installation: Installation) -> Quorum | None:
    """The operator's witnesses, from ``witnesses.txt`` in the installation's folder; None without
    it.
    """
    file = installation.config.data / WITNESSES_FILE
    return quorum.parse_quorum(file.read_bytes(), str(file)) if file.is_file() else None


def cosign(installation: Installation) -> tuple[GatheredCosignatures, ...]:
    """Asks witnesses to cosign each year's checkpoint that they have not cosigned yet.

    NotFoundError without witnesses, BusyError while another process asks them.
    """
    witness_quorum = witnesses(installation)
    if witness_quorum is None:
        raise NotFoundError(
            "there are no witnesses",
            f"list them in `{installation.config.data / WITNESSES_FILE}`: see docs/audit.md",
        )
    return tuple(
        gather(place(installation).folder / year, key(installation, int(year)), witness_quorum)
        for year in years(installation)
    )


def _keep_cosigned(installation: Installation, stop: threading.Event, watch: CallWatch) -> None:
    """Keeps asking the witnesses. Errors cost only cosignatures, as `status` shows, and never stop
    the log.
    """
    while not stop.is_set():
        with watch.calling("witness") as answered:
            try:
                is_silent = any(gathered.missing for gathered in cosign(installation))
            except (LicetError, OSError):  # another process asks, or the log cannot be read
                is_silent = False
            if not is_silent:
                answered()
        stop.wait(WITNESS_SECONDS)


def years(installation: Installation) -> list[str]:
    """The years that have a log, oldest first."""
    return [name for name in list_names(place(installation).folder) if name.isdecimal()]


class LogSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A published log. ``size`` is its checkpoint's, ``placed`` the database's, ``cosigned`` that
    of the newest cosigned checkpoint.

    Without a checkpoint ``begun`` is false and ``size`` is 0: the log is new, or its folder is
    missing.
    """

    origin: str
    vkey: str
    begun: bool
    size: int
    placed: int
    cosigned: int
    root: str
    logged_at: datetime


class LedgerSeen(msgspec.Struct, frozen=True, kw_only=True):
    logs: tuple[LogSeen, ...]
    waiting: int
    waiting_since: datetime | None


def status(installation: Installation) -> LedgerSeen:
    """The logs, and the number of rows in the outbox."""
    with transaction(installation.pool) as tx:
        known, waits = sequence.standings(tx), sequence.count_waiting(tx)
    return LedgerSeen(
        logs=tuple(_log_seen(installation, standing) for standing in known),
        waiting=waits.rows,
        waiting_since=waits.since,
    )


def unpublished_since(installation: Installation) -> datetime | None:
    """Returns the last append to the oldest log that is not published whole; None if all are."""
    with transaction(installation.pool) as tx:
        known = sequence.standings(tx)
    logs = [_log_seen(installation, standing) for standing in known]
    return min((log.logged_at for log in logs if log.size < log.placed), default=None)


def _log_seen(installation: Installation, standing: sequence.LogStanding) -> LogSeen:
    log = key(installation, standing.year)
    try:
        shown = PublishedLog(place(installation).folder / str(standing.year), log)
    except NotFoundError:  # the row of a log is committed before its first checkpoint is written
        size, root, cosigned, begun = 0, tree.EMPTY_ROOT, 0, False
    else:
        size, root, begun = shown.checkpoint.size, shown.checkpoint.root, True
        cosigned = shown.cosigned[1].size if shown.cosigned else 0
    return LogSeen(
        origin=standing.origin,
        vkey=log.vkey,
        begun=begun,
        size=size,
        placed=standing.size,
        root=root.hex(),
        cosigned=cosigned,
        logged_at=standing.logged_at,
    )


class WitnessSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A witness of ``witnesses.txt``, with the size and time of the newest checkpoint that it
    cosigned.
    """

    name: str
    url: str
    size: int | None
    cosigned_at: datetime | None


class LogChecked(msgspec.Struct, frozen=True, kw_only=True):
    """The check of one log. ``fault`` describes the first failure, "" if there is none.

    ``met``: the cosignatures satisfy the operator's quorum; None without witnesses.
    """

    origin: str
    witnesses: tuple[WitnessSeen, ...]
    met: bool | None
    fault: str


def check_years(installation: Installation) -> list[LogChecked]:
    """Checks each year's checkpoint: signed by its key, and extending the log as the database has
    it. `licet verify log` checks all entries.
    """
    witness_quorum = witnesses(installation)
    with transaction(installation.pool) as tx:
        known, seed = sequence.standings(tx), installation.keyring.log_seed(tx)
    return [_check_year(installation, standing, seed, witness_quorum) for standing in known]


def _check_year(
    installation: Installation,
    standing: sequence.LogStanding,
    seed: bytes,
    witness_quorum: Quorum | None,
) -> LogChecked:
    log = place(installation).signer(seed, standing.year).verifier
    cosigned: dict[Verifier, tuple[int, int | None]] = {}
    fault = ""
    try:
        shown = PublishedLog(place(installation).folder / str(standing.year), log)
        forward.check_beginning(shown, standing)
        if shown.cosigned is not None and witness_quorum is not None:
            raw, checkpoint = shown.cosigned
            signed = note.verify(
                raw, [log, *(witness.verifier for witness in witness_quorum.witnesses)]
            ).signed
            cosigned = {
                signature.by: (checkpoint.size, signature.at)
                for signature in signed
                if signature.by != log
            }
    except LicetError as error:
        fault = error.message
    return LogChecked(
        origin=standing.origin,
        met=witness_quorum.is_met(cosigned) if witness_quorum is not None else None,
        fault=fault,
        witnesses=tuple(
            WitnessSeen(
                name=witness.name,
                url=witness.url,
                size=cosigned[witness.verifier][0] if witness.verifier in cosigned else None,
                cosigned_at=_moment(cosigned[witness.verifier][1])
                if witness.verifier in cosigned
                else None,
            )
            for witness in (witness_quorum.witnesses if witness_quorum is not None else ())
        ),
    )


def _moment(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


class PublishResult(msgspec.Struct, frozen=True, kw_only=True):
    """A publication: each year's log size, and in ``files`` the number of new tiles. ``missing`` has
    the year, witness and reason of each missing cosignature.
    """

    folder: Path
    sizes: dict[str, int]
    files: int
    missing: tuple[tuple[str, str, str], ...] = ()


def publish(installation: Installation, target: Path) -> PublishResult:
    """Copies the logs to ``target`` for any web server, with keys, policies, notices, public legal
    documents and the verifier.

    Each checkpoint is copied last, so that no reader sees it without its tiles. RefusedError for a
    target ahead of the log: it is another log's. Witnesses are asked first; those that do not
    answer are missing from the checkpoint.
    """
    known = years(installation)
    if not known:
        raise NotFoundError("there is no log yet", "begin it with `licet ledger append`")
    sizes, files, gathered = {}, 0, _gather_cosignatures(installation)
    for year in known:
        found = gathered.get(key(installation, int(year)).name)
        size, copied = _publish_year(
            place(installation).folder / year, target / year, key(installation, int(year)), found
        )
        sizes[year], files = size, files + copied
    Durable(Folder(target)).write(_referenced_files(installation, known))
    missing = tuple(
        (year, name, why)
        for year in known
        if (found := gathered.get(key(installation, int(year)).name)) is not None
        for name, why in found.missing
    )
    return PublishResult(folder=target, sizes=sizes, files=files, missing=missing)


def _gather_cosignatures(installation: Installation) -> dict[str, GatheredCosignatures]:
    """Returns the witnesses' answers by origin; none without witnesses or while another process
    asks.
    """
    try:
        return {cosignatures.origin: cosignatures for cosignatures in cosign(installation)}
    except (NotFoundError, BusyError):
        return {}


def _referenced_files(installation: Installation, known: list[str]) -> dict[str, bytes]:
    """Returns the files published beside the logs: everything that a leaf or receipt refers to."""
    with transaction(installation.pool) as tx:
        applied, published = policy_versions.texts(tx), notice.texts_by_hash(tx)
        seed = installation.keyring.log_seed(tx)
        papers = [
            document
            for kind in legal_documents.PUBLIC
            for document in legal_documents.newest(tx, kind)
        ]
        made = {
            paper.sha256: legal_documents.encode_file(tx, place(installation), seed, paper)
            for paper in papers
        }
    files = {
        f"policies/{sha256.hex()}.json": document.encode() for sha256, document in applied.items()
    }
    files |= {
        f"notices/{sha256.hex()}.json": document.encode() for sha256, document in published.items()
    }
    files |= {f"documents/{sha256}.json": file for sha256, file in made.items()}
    files[KEYS_FILE] = "".join(f"{key(installation, int(year)).vkey}\n" for year in known).encode()
    files["verifier.py"] = bundle.source()
    own = [installation.config.data / name for name in (WITNESSES_FILE, RETENTION_FILE)]
    files |= {path.name: path.read_bytes() for path in own if path.is_file()}
    folder = place(installation).folder
    ended = [f"{PRUNED}/{name}" for name in list_names(folder, PRUNED) if name.isdecimal()]
    return files | {
        name: found for name in ended if (found := open_files(folder).read(name)) is not None
    }


def _publish_year(
    source: LogFolder, target: Path, log: Verifier, gathered: GatheredCosignatures | None
) -> tuple[int, int]:
    head = PublishedLog(source, log)
    shown, checkpoint = head.note, head.checkpoint
    if gathered is not None:
        shown, checkpoint = gathered.note, checkpoints.verify(gathered.note, log.name, log)
    elif head.cosigned is not None and head.cosigned[1] == checkpoint:
        shown = head.cosigned[0]
    written = Durable(Folder(target))
    before = written.read(CHECKPOINT)
    if before is not None and checkpoints.verify(before, log.name, log).size > checkpoint.size:
        raise RefusedError(
            f"`{target}` is ahead of the log",
            "publish to another folder, and look for the cause",
            because="ahead",
        )
    read = open_files(source).read
    new = [path for path in list_files(source, "tile") if not (target / path).exists()]
    # published files never change, so existing ones are skipped
    for path in new:
        if (data := read(path)) is not None:
            written.write({path: data})
    written.write({CHECKPOINT: shown})
    return checkpoint.size, len(new)


# Receipts


def account_named(installation: Installation, name: str) -> UUID:
    """Finds an account by Licet's id or the host's."""
    if name.startswith("acc_"):
        return parse(Prefix.account, name)
    with transaction(installation.pool) as tx:
        found = account_by_host(tx, host_hmac(installation.keyring.host_key(tx), "account", name))
    if found is None:
        kind = next((kind for kind in Prefix if name.startswith(f"{kind}_")), None)
        explanation = f"it is the id of a {kind.name}; " if kind else ""
        raise NotFoundError(
            f"no account has the host's id `{name}`",
            f"{explanation}Licet's account ids begin with acc_",
        )
    return found


def controller(installation: Installation) -> Controller:
    """The operator's statements; the withdrawal URL defaults to the settings page."""
    stated, url = (
        controllers.read_controller(installation.config.controller),
        installation.config.web.url,
    )
    if stated.withdrawal_url or not url:
        return stated
    return msgspec.structs.replace(stated, withdrawal_url=f"{url.rstrip('/')}/settings")


def receipts(installation: Installation, account: UUID) -> list[Receipt]:
    """Issues the receipt of each choice, oldest first, with a proof if it is in the log."""
    versions = load_policies(installation)
    stated = controller(installation)
    with transaction(installation.pool) as tx:
        issuer = Issuer(
            tx,
            installation.keyring,
            LogKeys(installation.keyring),
            place(installation),
            versions,
            stated,
            installation.clock(),
        )
        return issuer.receipts(account)


def receipt_page(installation: Installation, receipt: Receipt) -> str:
    return page(receipt, receipt_key(installation, receipt).vkey)


def receipt_key(installation: Installation, receipt: Receipt) -> Verifier:
    """Returns the key that verifies a receipt: of the log in its proof, else of this year's."""
    return key(installation, _year_of(receipt))


def _year_of(receipt: Receipt) -> int | None:
    if receipt.proof is None:
        return None
    origin = note.parse(receipt.proof.encode().partition(b"\n\n")[2]).text.partition("\n")[0]
    return int(origin.rpartition("/")[2])


# Verifying

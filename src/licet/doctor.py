"""The doctor: examines an installation and reports findings, each with a fix.

Read-only, except for one object that it writes to a bucket and deletes again. A finding is `well`,
`warning` (it works, but needs attention) or `broken` (a promise does not hold).
"""

from __future__ import annotations

import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

import msgspec

from licet.backup import drills, wal_receiver
from licet.backup.drills import DrillOutcome
from licet.clock import utc_now
from licet.consent import controller, notice, request_register
from licet.curate import engine_settings
from licet.erasure import certificates, recall_register, sweeper
from licet.errors import LicetError
from licet.keys.journal_frames import FINISH_HINT
from licet.policy.period import rfc3339
from licet.release import catalog
from licet.service import alerts, installation_figures, population_status, recent_faults
from licet.service.inbox_sources import BACKUP_DAYS
from licet.store import bucket as buckets
from licet.store.connect import (
    ContentionError,
    Transaction,
    lock_waits_limited,
    transaction,
)
from licet.store.database_activity import read_activity
from licet.train import recipients
from licet.vault import account_view, counts, expiry, holds, integrity, journal_evidence
from licet.vault import policy_versions as versions
from licet.vault.installation import Installation
from licet.webhooks import endpoints

DISK_BYTES_MIN, DISK_SHARE_MIN = 1 << 30, 0.05  # as of LicetDiskLow
CLOCK_SECONDS_MAX = 60
OVERDUE_DAYS_MAX = 2
LOG_MINUTES_MAX = 5
ROUND_TRIPS, ROUND_TRIP_SECONDS_MAX = 5, 0.02  # a gate is to be answered within 0.05


DoctorLook = Callable[[Installation, Transaction], Iterator["DoctorFinding"]]


class FindingState(StrEnum):
    well = "well"
    warning = "warning"
    broken = "broken"


class DoctorFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A check, its result, and the fix if one is needed."""

    what: str
    state: FindingState
    seen: str
    mend: str = ""


def examine(installation: Installation) -> list[DoctorFinding]:
    """Returns every finding, in the order in which an operator would check."""
    findings = [
        _software(),
        *_disk(installation),
        *_shared(installation),
        *_keys(installation),
        _sign_in(installation),
        _controller(installation),
        *_papers(installation),
    ]
    with transaction(installation.pool) as tx:
        findings += _activity(installation, tx)
    try:
        with lock_waits_limited(installation.pool, recent_faults.LOCK_SECONDS_MAX):
            findings += _examine_database(installation)
    except ContentionError as error:
        findings.append(
            _broken("database", f"the rest was not examined: {error.message}", error.hint)
        )
    return findings


def _examine_database(installation: Installation) -> list[DoctorFinding]:
    findings: list[DoctorFinding] = []
    with transaction(installation.pool) as tx:
        for look in (
            _server,
            _replicas,
            _clock,
            _policy,
            _notices,
            _overdue,
            _holds,
            _requests,
            _journal,
            _archive,
            _alerts,
            _drills,
            _orphans,
            _blocks_without_key,
            _keys_without_block,
            _register,
            _counts,
            _retraining,
            _outstanding,
        ):
            try:
                findings += look(installation, tx)
            except LicetError as error:
                findings.append(_broken(look.__name__.strip("_"), error.message, error.hint))
    return findings


def _well(check: str, result: str) -> DoctorFinding:
    return DoctorFinding(what=check, state=FindingState.well, seen=result)


def _warning(check: str, result: str, mend: str) -> DoctorFinding:
    return DoctorFinding(what=check, state=FindingState.warning, seen=result, mend=mend)


def _broken(check: str, result: str, mend: str) -> DoctorFinding:
    return DoctorFinding(what=check, state=FindingState.broken, seen=result, mend=mend)


def _software() -> DoctorFinding:
    python = ".".join(map(str, sys.version_info[:3]))
    return _well("software", f"licet {version('licet')} on Python {python}")


def _disk(installation: Installation) -> Iterator[DoctorFinding]:
    config = installation.config
    folders = [config.data]
    if config.store.url is None and not config.journal.is_relative_to(config.data):
        folders.append(config.journal)
    for folder in filter(Path.exists, folders):
        usage = shutil.disk_usage(folder)
        result = f"{usage.free / 1e9:,.1f} GB free at {folder}"
        if usage.free < DISK_BYTES_MIN or usage.free < usage.total * DISK_SHARE_MIN:
            mend = "make room: a full disk stops writing, and loses nothing"
            yield _warning("disk", result, mend)
        else:
            yield _well("disk", result)


def _keys(installation: Installation) -> Iterator[DoctorFinding]:
    folder = installation.config.keys
    if not folder.is_dir():
        yield _warning("keys", "there is no key folder yet", "it is made with the first account")
        return
    open_to = [
        p.name for p in (folder, *folder.iterdir()) if stat.S_IMODE(p.stat().st_mode) & 0o077
    ]
    if open_to:
        yield _broken("keys", f"others may read {', '.join(open_to)}", f"chmod -R go= {folder}")
    else:
        yield _well("keys", f"{len(list(folder.glob('*.key')))} epoch key(s), for the owner only")
    yield _warning(
        "key media",
        "a file provider cannot promise destruction on flash, copy-on-write or snapshotted media",
        "keep the key folder on a disk that is not snapshotted or backed up",
    )


def _shared(installation: Installation) -> Iterator[DoctorFinding]:
    """The location of restriction journal, log and releases, and so which hosts may serve."""
    config = installation.config
    if config.store.url is None:
        folders = {config.journal, config.data / "log", config.releases}
        result = (
            "restriction journal, log and releases are folders: "
            f"{', '.join(sorted(map(str, folders)))}"
        )
        yield _well("places", f"{result}; every server needs the same")
        return
    journal = installation.keyring.restrictions
    try:
        last = journal.newest(1) if journal is not None else []
    except LicetError as error:
        yield _broken(
            "places", f"the restriction journal in {config.store.url}: {error.message}", error.hint
        )
        return
    newest = f", its last record of {rfc3339(last[0].at)}" if last else ""
    yield _well(
        "places",
        f"restriction journal, log and releases are in {config.store.url}{newest}; any host "
        "may serve",
    )
    yield from _bucket(installation)
    if config.key_chain.provider == "file":
        yield _warning(
            "keys of hosts",
            f"epoch keys are files, and each rotation writes another one to {config.keys}",
            "keep them in OpenBao or PKCS#11, or give every host the same folder: docs/keys.md",
        )


def _bucket(installation: Installation) -> Iterator[DoctorFinding]:
    """Whether the bucket has the guarantees that hosts need; nothing if its journal could not be
    read.
    """
    bucket = buckets.open_bucket(installation.config.store)
    assert bucket is not None
    try:
        probe = buckets.probe_bucket(bucket, utc_now())
    except LicetError as error:
        yield _broken("bucket", f"{bucket.url} takes no object: {error.message}", error.hint)
        return
    if probe.ignored:
        yield _broken(
            "bucket",
            f"{bucket.url} ignores {' and '.join(probe.ignored)}: one host may write over "
            "what another wrote",
            "stop all hosts but one, and use a service that honours conditions of writes: "
            "docs/many-hosts.md",
        )
    else:
        yield _well("bucket", f"{bucket.url} takes objects, and honours If-None-Match and If-Match")
    if not probe.deletes:
        yield _warning(
            "bucket",
            f"the key may not delete below `{buckets.PROBE_FOLDER}`, where this left an object",
            "let it delete everywhere but below `journal/`: purged parts must go",
        )
    if abs(probe.apart_seconds) > CLOCK_SECONDS_MAX:
        yield _warning(
            "bucket clock",
            f"its clock is {abs(probe.apart_seconds):,.0f} s away: S3 refuses what is signed "
            "too far off",
            "let NTP set both",
        )


def _controller(installation: Installation) -> DoctorFinding:
    file = installation.config.controller
    try:
        missing = controller.read_controller(file).missing
    except LicetError as error:
        return _broken("controller", error.message, error.hint)
    if missing:
        result = f"receipts do not say who is responsible: {', '.join(missing)} not stated"
        return _broken("controller", result, f"fill in {file}: docs/install.md")
    return _well("controller", f"stated in {file}")


def _papers(installation: Installation) -> Iterator[DoctorFinding]:
    """Whether legal documents would contain "to be provided"; nothing if the file is unreadable."""
    file = installation.config.controller
    try:
        unanswered = controller.read_controller(file).unanswered
    except LicetError:  # `_controller` reports it
        return
    if unanswered:
        result = f"{len(unanswered)} answers are to be provided, {unanswered[0]} the first"
        yield _warning(
            "papers",
            result,
            f"fill in {file}: docs/for-counsel.md says which paper needs which",
        )
    else:
        yield _well("papers", f"everything that only you know is stated in {file}")


def _sign_in(installation: Installation) -> DoctorFinding:
    """Whether people can sign in to answer."""
    web = installation.config.web
    named = {"a shared key": web.token_key_file, "a JWKS file": web.token_jwks_file}
    files = {name: file for name, file in named.items() if file is not None}
    if not files:
        return _warning(
            "people",
            "nobody can sign in to the pages: no key of the assistant's tokens is set",
            "set LICET_WEB__TOKEN_KEY_FILE or LICET_WEB__TOKEN_JWKS_FILE: docs/api.md says "
            "what the assistant signs",
        )
    missing = [str(file) for file in files.values() if not file.is_file()]
    if missing:
        return _broken(
            "people", f"the key of the assistant's tokens is missing: {missing[0]}", "put it there"
        )
    return _well(
        "people", f"they sign in with tokens of the assistant, verified by {' and '.join(files)}"
    )


def _server(installation: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    row = tx.execute(
        "SELECT current_setting('server_version'), current_setting('fsync')"
    ).fetchone()
    assert row is not None
    where = "your own" if installation.config.database_url else "embedded"
    if row[1] != "on":
        yield _broken(
            "database",
            f"PostgreSQL {row[0]}, {where}, fsync is off",
            "set fsync = on: a crash loses choices",
        )
    else:
        yield _well("database", f"PostgreSQL {row[0]}, {where}, fsync on")
    seconds = min(_round_trip_seconds(tx) for _ in range(ROUND_TRIPS))
    if seconds > ROUND_TRIP_SECONDS_MAX:
        yield _warning(
            "database",
            f"a round trip to it takes {seconds * 1_000:,.0f} ms, a gate needs one within 50 ms",
            "check the network to it, and with `top` the processor of its host",
        )
    logging = tx.execute(
        """SELECT name, setting FROM pg_settings
              WHERE (name = 'log_statement' AND setting <> 'none')
              OR (name = 'log_min_duration_statement' AND setting <> '-1')
              OR (name = 'log_parameter_max_length' AND setting <> '0')
              OR (name = 'log_parameter_max_length_on_error' AND setting <> '0')"""
    ).fetchall()
    if logging:
        names = ", ".join(f"{name}={setting}" for name, setting in logging)
        yield _warning(
            "database log",
            f"statements may be logged: {names}",
            "set them off: a log outlives what it quotes",
        )


def _round_trip_seconds(tx: Transaction) -> float:
    began = time.monotonic()
    tx.execute("SELECT 1")
    return time.monotonic() - began


def _activity(installation: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    """Present slow statements and blocking transactions."""
    now = read_activity(tx)
    if now.slow:
        yield _warning(
            "database",
            f"{now.slow:,} statements run for longer than a second; the longest, for "
            f"{now.slowest_seconds:,.0f} s, waits for {now.slowest_waits_for}",
            "IO: its disk is slow, or busy with a dump or a build; the processor: see `top`",
        )
    for session in now.blocking:
        state = f"{session.state} " if session.state else ""
        yield _warning(
            "database",
            f"{session.waiting:,} sessions wait for the open transaction of session {session.pid}, "
            f"`{session.application}`, {state}for {session.seconds:,.0f} s",
            f"end it: `{recent_faults.end_session_command(installation.config, session)}`",
        )


def _replicas(installation: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    """Whether a failover could lose acknowledged writes; nothing without a replica."""
    row = tx.execute(
        """SELECT (SELECT count(*) FROM pg_stat_replication
                    WHERE coalesce(application_name, '') NOT IN ('pg_receivewal', 'pg_basebackup')),
                  current_setting('synchronous_standby_names'),
                    current_setting('synchronous_commit')"""
    ).fetchone()
    assert row is not None
    replicas, named, waits = row
    if not replicas or installation.config.database_url is None:
        return
    if named and waits not in ("off", "local"):
        yield _well("replicas", f"{replicas} follow, and a commit waits for `{named}`")
        return
    yield _warning(
        "replicas",
        f"{replicas} follow, and no commit waits for one: a failover may lose what was "
        "acknowledged last. Withdrawals, "
        "deletions and other restrictions come back from the restriction journal; turns and "
        "permissions do not",
        "set synchronous_standby_names, or synchronous_mode of Patroni: docs/failover.md",
    )


def _clock(installation: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    row = tx.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    apart = abs((row[0] - utc_now()).total_seconds())
    if apart > CLOCK_SECONDS_MAX:
        yield _warning("clock", f"the database's clock is {apart:,.0f} s away", "let NTP set both")
    newest = account_view.newest_at(tx)
    if newest is not None and newest > installation.clock() + timedelta(seconds=CLOCK_SECONDS_MAX):
        yield _broken(
            "clock",
            f"an account's newest event is at {rfc3339(newest)}, in the future",
            "set the clock right",
        )
    else:
        yield _well("clock", rfc3339(installation.clock()))


def _policy(installation: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    known = versions.load(tx)
    if known is None:
        yield _warning("policy", "no policy is applied: nothing may be used", "run `licet init`")
        return
    at = installation.clock()
    now = known.in_force(at)
    begun = "in force" if known.begun(at) else f"not effective before {rfc3339(now.effective)}"
    yield _well("policy", f"{now.policy} {now.version}, {begun}, {len(known)} version(s)")
    behind = account_view.outdated_count(tx, known.number(at))
    if behind:
        yield _warning(
            "policy",
            f"{behind:,} accounts have not been brought to it; every answer does so by itself",
            "run `licet sweep`",
        )


def _notices(installation: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    known = versions.load(tx)
    if known is None:
        return
    engine_settings.check_notices(installation, known)
    replacing = known.replacing_names(known.number(installation.clock()))
    kinds = engine_settings.name_search(installation.config, left_in=replacing is None).kinds
    looked_for = ", ".join(sorted(kinds)) or "no names"
    if notice.PERSON not in kinds:
        so = (
            "no release is built"
            if replacing is not None
            else (
                "the policy says `names: left in`, so a release holds every name, street and "
                "place that was said"
            )
        )
        yield _warning(
            "names",
            f"nothing looks for people's names: {so}",
            "docs/curate.md says what to install and to turn on",
        )
    unseen = catalog.list_without_names(installation)
    if unseen:
        yield _warning(
            "names",
            f"nobody looked for names in {len(unseen)} releases: {', '.join(unseen[:5])}",
            "build them anew, or tell those who read them",
        )
    yield _well(
        "notices", f"they promise no more than a build does: identifiers, secrets, {looked_for}"
    )


def _holds(installation: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    standing = holds.counts(tx, installation.clock())
    count, first = standing.holds, standing.first_review
    if first is None:
        return
    if standing.overdue:
        result = (
            f"{standing.overdue:,} of {count:,} legal holds are past their review, the first "
            f"since {rfc3339(first)}"
        )
        yield _warning(
            "holds",
            result,
            "`licet hold list`, then end them or place them again with a later day",
        )
    else:
        yield _well("holds", f"{count:,} legal holds, the next to be reviewed on {rfc3339(first)}")


def _requests(installation: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    standing = request_register.open_requests(tx, installation.clock())
    if standing.overdue:
        result = f"{standing.overdue:,} of {standing.open:,} open requests of people are overdue"
        yield _warning(
            "requests",
            result,
            "`licet request list` shows them first: answer them, or confirm their receipt",
        )
    elif standing.next_due is not None:
        yield _well(
            "requests",
            f"{standing.open:,} open requests of people, the next due on "
            f"{rfc3339(standing.next_due)}",
        )


def _overdue(installation: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    at = installation.clock()
    count, since = expiry.due_count(tx, at, 2**31), expiry.overdue_since(tx, at)
    sweep = sweeper.sweep_status(installation)
    if sweep.waits:
        yield _broken(
            "sweep",
            f"it waits for approval: it would erase {sweep.due:,} of {sweep.kept:,} stored "
            "segments",
            "`licet sweep approve`",
        )
    backlog = f"{count:,} segments, feedback and safety copies"
    if since is None:
        yield _well("retention", "nothing is overdue")
    elif at - since > timedelta(days=OVERDUE_DAYS_MAX):
        yield _broken(
            "retention",
            f"{backlog} are overdue, the oldest since {rfc3339(since)}",
            "run `licet sweep`",
        )
    else:
        yield _warning("retention", f"{backlog} are due", "run `licet sweep`")


def _journal(installation: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    """Whether the whole restriction journal agrees with the heads in the database and the log."""
    journal = installation.keyring.restrictions
    if journal is None:
        return
    count, misfits = journal_evidence.examine(tx, journal)
    if misfits:
        more = f"; and {len(misfits) - 1} more" if len(misfits) > 1 else ""
        yield _broken("restriction journal", f"{misfits[0]}{more}", FINISH_HINT)
    else:
        yield _well(
            "restriction journal",
            f"{count:,} records, each authentic, as the database and the log remember it",
        )


def _archive(installation: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    journal = installation.keyring.restrictions
    row = tx.execute(
        """SELECT active, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)
            FROM pg_replication_slots
            WHERE slot_name = %s""",
        [wal_receiver.slot(tx, journal) if journal is not None else None],
    ).fetchone()
    if row is not None and not row[0]:
        yield _warning(
            "WAL archive",
            f"nobody receives it, and the server keeps {float(row[1]) / 1e6:,.0f} MB for it",
            "keep `licet backup wal FOLDER` running, or end the archive with --end",
        )


def _alerts(installation: Installation, _tx: Transaction) -> Iterator[DoctorFinding]:
    """Conditions that raise alerts: see `licet.service.alerts`."""
    figures = installation_figures.figures(installation)
    if figures.backup is not None and figures.at - figures.backup > timedelta(days=BACKUP_DAYS):
        yield _alert_warning(
            "LicetBackupLate", "backups", f"the newest was begun at {rfc3339(figures.backup)}"
        )
    if figures.log.since is not None and figures.at - figures.log.since > timedelta(
        minutes=LOG_MINUTES_MAX
    ):
        seen_text = (
            f"{figures.log.rows:,} entries wait, the first since {rfc3339(figures.log.since)}"
        )
        yield _alert_warning("LicetLogBehind", "log", seen_text)
    for rotation, due in figures.rotations.items():
        if due is not None and figures.at - due > timedelta(days=1):
            yield _alert_warning(
                "LicetRotationLate",
                "rotation",
                f"the {rotation} one was due at {rfc3339(due)}",
            )


def _alert_warning(alert: str, check: str, result: str) -> DoctorFinding:
    """Returns a warning with an alert's remedy."""
    known = next(known_alert for known_alert in alerts.ALERTS if known_alert.name == alert)
    return _warning(check, result, f"{known.mend}; docs/runbooks/{known.page}.md")


def _drills(installation: Installation, _tx: Transaction) -> Iterator[DoctorFinding]:
    """Whether a backup was test-restored within the configured interval."""
    due, mend = drills.due_at(installation), "run `licet backup drill`"
    if due is None:
        return
    last = next(iter(drills.list_newest(installation, 1)), None)
    if last is not None and last.outcome is DrillOutcome.failed:
        yield _broken(
            "drills",
            f"the last drill, of {last.backup}, failed: {last.failure}",
            f"make a new backup and {mend}",
        )
    elif due <= installation.clock():
        yield _warning(
            "drills",
            f"no backup was restored as a test since one was due {rfc3339(due)}",
            mend,
        )
    else:
        yield _well("drills", f"a backup is to be restored as a test until {rfc3339(due)}")


def _retraining(installation: Installation, _tx: Transaction) -> Iterator[DoctorFinding]:
    for due in population_status.retraining_due(installation):
        yield _warning(
            "classifier",
            f"{due.name} ({due.model}) learnt from {due.withdrawn:,} rows that were "
            "withdrawn or erased since",
            "run `licet train safety --again --out FOLDER`, or `licet models retire` it",
        )


def _outstanding(installation: Installation, _: Transaction) -> Iterator[DoctorFinding]:
    """Outstanding work in the log, at hosts, and at recipients."""
    for host in endpoints.list_endpoints(installation):
        name = f"endpoint `{host.endpoint}`"
        if host.disabled_at is not None:
            yield _broken(
                "hosts",
                f"{name} receives nothing since {rfc3339(host.disabled_at)}: "
                f"{host.disabled_because}",
                f"`licet webhooks resume {host.endpoint}`",
            )
        elif host.overdue or host.blocked:
            result = (
                f"{name}: {host.overdue:,} acknowledgements overdue, {host.blocked:,} accounts wait"
            )
            yield _warning("hosts", result, "`licet webhooks list` says why")
    waits = certificates.count_unlogged(installation)
    if waits.since is not None:
        yield _warning(
            "closures",
            f"{waits.closures:,} wait until their leaves are in the log, since "
            f"{rfc3339(waits.since)}",
            "run `licet serve` or `licet ledger append`; the next sweep then certifies them",
        )
    overdue = sum(recall.overdue for recall in recall_register.list_recalls(installation))
    if overdue:
        yield _warning(
            "recalls",
            f"{overdue:,} recipients have not acknowledged in time",
            "`licet recall list`",
        )
    unanswered = recipients.overdue(installation)
    if unanswered:
        result = f"{unanswered:,} recalls of exported rows were not acknowledged in time"
        yield _warning("exports", result, "`licet export list`")


def _count_check(name: str, count: Callable[[Transaction], int], broken: str) -> DoctorLook:
    def look(_here: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
        misfits = count(tx)
        if misfits:
            yield _broken(
                name, f"{misfits:,} {broken}", "keep the data folder as it is, and report it"
            )
        else:
            yield _well(name, f"0 {broken}")

    look.__name__ = name
    return look


_orphans = _count_check("blocks", integrity.blocks_without_segment, "blocks without a segment")
_blocks_without_key = _count_check(
    "erasure", integrity.blocks_without_key, "sealed blocks whose key is destroyed"
)
_keys_without_block = _count_check(
    "keys of turns", integrity.keys_without_block, "keys of segments without a sealed block"
)
_register = _count_check(
    "register",
    integrity.segments_unregistered,
    "kept segments that are not in the register of copies",
)


def _counts(_here: Installation, tx: Transaction) -> Iterator[DoctorFinding]:
    """Compares the counts of `licet status` with all accounts and all sealed content."""
    differences = counts.differences(tx)
    if differences:
        yield _warning(
            "counts",
            f"{len(differences):,} differ from a recount, the first {differences[0]}",
            "run `licet db recount`",
        )
    else:
        yield _well("counts", "what is counted of accounts and content is what a recount says")

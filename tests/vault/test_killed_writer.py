"""A turn that was acknowledged is there and opens, whenever the writer is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.store.connect import Pool, transaction

from .model import hashed, insert_versions, new_account, sound
from .town import OPENED, POLICIES

KILLS, AT_ONCE = 20, 5
KILL_SECONDS_MAX = 0.25

# Writes on the hot path, several turns under way at once, and says which were acknowledged, each as
# it was.
WRITER = """
import hashlib, sys
from collections import deque
from datetime import timedelta
from pathlib import Path
from uuid import UUID
from licet.policy.file import Policies, preset
from licet.policy.period import instant
from licet.store.writer import BatchWriter
from licet.store.connect import open_pool
from licet.vault import commands as do
from licet.vault.apply import apply
from licet.vault.content import Content, encode
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider

dsn, keys, account, name = sys.argv[1:]
keyring, policies = Keyring(FileProvider(Path(keys))), Policies([preset("article-2025")])
account, at = UUID(account), instant("2025-07-02")
with open_pool(dsn) as pool, BatchWriter(pool, lambda tx, items: apply(tx, keyring, policies, items)) as writer:
    opening = do.OpenAccount(
        account=account, at=at, host=hashlib.sha256(name.encode()).digest()[:16], plan="free", age=30
    )
    writer.submit(opening).result()
    print("open", flush=True)
    waiting = deque()
    for n in range(1_000_000):
        say = do.AddTurn(
            account=account, at=at + timedelta(seconds=n), host_conversation=b"c%015d" % (n // 8),
            content=encode(Content(text=f"{name} says {n}")),
        )
        waiting.append((n, writer.submit(say)))
        if len(waiting) > 4:
            said, future = waiting.popleft()
            answer = future.result()
            print(said, answer.conversation, answer.turn, flush=True)
"""


@pytest.mark.parametrize("start", range(0, KILLS, AT_ONCE))
def test_every_acknowledged_turn_survives_the_death_of_its_writer(
    pool: Pool, dsn: str, tmp_path: Path, start: int
) -> None:
    with transaction(pool) as tx:
        insert_versions(tx, POLICIES)
    draw = Random(start)
    writers = {}
    for n in range(start, start + AT_ONCE):
        command = [
            sys.executable,
            "-c",
            WRITER,
            dsn,
            str(tmp_path),
            str(new_account(OPENED)),
            f"writer-{n}",
        ]
        writers[f"writer-{n}"] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    acknowledged: dict[tuple[UUID, int], str] = {}
    for name, writer in writers.items():
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        time.sleep(draw.uniform(0, KILL_SECONDS_MAX))
        writer.kill()
        for line in writer.communicate()[0].splitlines(keepends=True):
            if line.endswith("\n"):
                said, conversation, turn = line.split()
                acknowledged[UUID(conversation), int(turn)] = f"{name} says {said}"
    with transaction(pool) as tx:
        contents = {
            key[1:]: content.text
            for key, content in sound(tx, Keyring(FileProvider(tmp_path))).items()
        }
        hosts = {bytes(host) for (host,) in tx.execute("SELECT host_hmac FROM account_hosts")}
    assert hosts == {hashed(name) for name in writers}
    assert acknowledged
    assert {key: contents.get(key) for key in acknowledged} == acknowledged

"""What somebody without the key can change in silence, and what it costs that they cannot.

Alterations of journals, logs, backups and releases are drawn and restored (`bench._altered_world`);
counted is what ended with more permitted, with less and no word of it, or with no way out:
"accepted". The times stand beside the same work with a journal that is neither authenticated nor
remembered, and a restore that does not hold it against the log, in turns. Goals: a deletion at most
5 % slower, a no at most 2 %, a restore at most 20 %.

    python -m bench evidence [ALTERATIONS] [RECORDS] [ROUNDS OF CHANGES]
"""

from __future__ import annotations

import itertools
import random
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock
from uuid import UUID

from bench import NAMES_LEFT_IN, Row
from bench._altered import BYTES, OF_A_JOURNAL
from bench._altered_world import AlteredWorld, Verdict, altered_world
from licet.backup import archives, bring_forward, dump, log_union
from licet.backup.backup_manifest import DUMP, BackupManifest
from licet.backup.log_union import LogUnion, RestorePlan
from licet.config import Configuration
from licet.errors import LicetError
from licet.keys import fence, journal_frames
from licet.keys.journal_frames import ChainWalk
from licet.keys.keyring import Keyring
from licet.keys.restriction_journal import Journal, Restriction
from licet.policy.state import TurnRole
from licet.proof import documents
from licet.service import policy_changes
from licet.store import embedded
from licet.store.connect import open_pool, transaction
from licet.vault import commands as do
from licet.vault import verbs
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac, uuid7
from licet.vault.installation import Installation, load_host_key, open_installation

ALTERATIONS, RECORDS, ROUNDS = 10_000, 1_000_000, 1_500
AT = datetime(2025, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SHARES = {"journal": 60, "log": 20, "log state": 10, "backup": 10}  # of a hundred alterations
BATCH = 1_000
RESTORES = 3


def main(arguments: list[str]) -> list[Row]:
    alterations, records, rounds = [
        *map(int, arguments),
        *(ALTERATIONS, RECORDS, ROUNDS)[len(arguments) :],
    ]
    with tempfile.TemporaryDirectory(prefix="licet-evidence-") as folder:
        rows = accepted(Path(folder), alterations)
        data = Path(folder) / "timed" / "data"
        data.mkdir(parents=True)
        with open_installation(Configuration(data=data), lambda: AT) as installation:
            policy_changes.apply_policy(installation, NAMES_LEFT_IN, actor="bench")
            rows += _of_changes(installation, rounds)
        embedded.stop(data / "postgres")
        rows.append(_of_restore(Path(folder) / "restored", records))
    return rows


def accepted(folder: Path, alterations: int) -> list[Row]:
    """How many alterations were drawn, and how many were accepted, by artefact."""
    rows = []
    with altered_world(folder / "world") as (world, pool):
        for artefact, share in SHARES.items():
            count = max(1, alterations * share // 100)
            kinds = itertools.cycle(sorted(OF_A_JOURNAL if artefact == "journal" else BYTES))
            ended: Counter[str] = Counter()
            for number, kind in zip(range(count), kinds, strict=False):
                if artefact == "backup":
                    ended[_of_backup(world, kind, number)] += 1
                else:
                    ended[world.judge(pool, artefact, kind, number).verdict.value] += 1
            taken = ended[Verdict.silent] + ended[Verdict.stuck]
            told = ", ".join(f"{number:,} {name}" for name, number in sorted(ended.items()))
            rows.append(
                Row(
                    f"{artefact}: {count:,} alterations, accepted (goal: 0); they ended {told}",
                    f"{taken:,}",
                )
            )
    return rows


def _of_backup(world: AlteredWorld, kind: str, seed: int) -> str:
    """How the proof of an altered backup ended."""
    target = world.root / "altered-backup"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(world.folder, target)
    BYTES[kind](random.Random(f"backup/{kind}/{seed}"), target)
    before, after = (
        sorted((p.name, p.read_bytes()) for p in f.iterdir()) for f in (world.folder, target)
    )
    try:
        archives.verify(world.config, target)
    except LicetError:
        return Verdict.refused.value
    return Verdict.same.value if before == after else Verdict.silent.value


# Times


@contextmanager
def believed() -> Iterator[None]:
    """The same restore with a journal that is believed: no chain is followed, nothing is held
    against the log.
    """

    def all_of_it(_self: LogUnion, lacking: list[Restriction]) -> RestorePlan:
        return RestorePlan(
            records=lacking, from_log={}, withdrawn=frozenset(), unexplained=[], grants=frozenset()
        )

    with ExitStack() as stack:
        for target, name, new in (
            (ChainWalk, "counts", lambda *_: True),
            (ChainWalk, "finish", lambda _: []),
            (Journal, "find_misfits", lambda *_: []),
            (log_union.LogUnion, "plan", all_of_it),
        ):
            stack.enter_context(mock.patch.object(target, name, new))
        yield


def _of_changes(installation: Installation, rounds: int) -> list[Row]:
    """A deletion and a no, one at a time, each durable."""
    account, chats = _person(installation, rounds * 2)
    deletions = iter([do.Delete(account=account, at=AT, conversation=chat) for chat in chats])
    noes = itertools.repeat(do.Choose(account=account, at=AT, allow=False), rounds * 2)
    rows = []
    for what, goal, each in (("deletion", 5, deletions), ("no", 2, iter(noes))):
        with_it, without = _in_turns(installation, each)
        rows.append(
            Row(
                f"a {what}, acknowledged, of {rounds} in turns (goal: at most {goal} % slower)",
                f"{with_it * 1000:.2f} ms",
                f"{without * 1000:.2f} ms",
                f"{with_it / without:.2f}",
            )
        )
    return rows


def _in_turns(installation: Installation, commands: Iterator[do.Command]) -> tuple[float, float]:
    """The mean seconds of a command, with the evidence and without it."""
    took: dict[bool, list[float]] = {True: [], False: []}
    journal = installation.keyring.restrictions
    assert journal is not None
    for number, command in enumerate(commands):
        is_held = number % 2 == 0
        remembered, journal.remembered = (
            journal.remembered,
            journal.remembered if is_held else 2**62,
        )
        with ExitStack() as stack:
            if not is_held:
                stack.enter_context(
                    mock.patch.object(journal_frames, "chain_value", lambda *_: bytes(32))
                )
            began = time.perf_counter()
            verbs.apply_commands(installation, [command])
            took[is_held].append(time.perf_counter() - began)
        if not is_held:
            journal.remembered = remembered
    return statistics.fmean(took[True]), statistics.fmean(took[False])


def _person(installation: Installation, count: int) -> tuple[UUID, list[UUID]]:
    """An account with a yes and so many chats."""
    key, account = load_host_key(installation), uuid7(AT, installation.keyring.random(10))
    verbs.apply_commands(
        installation,
        [
            do.OpenAccount(
                account=account, at=AT, host=host_hmac(key, "account", "ana"), plan="pro", age=30
            )
        ],
    )
    verbs.apply_commands(installation, [do.Choose(account=account, at=AT, allow=True)])
    says = [
        do.AddTurn(
            account=account,
            at=AT,
            host_conversation=host_hmac(key, "conversation", str(n)),
            host_turn=host_hmac(key, "turn", str(n)),
            role=TurnRole.user,
            content=encode(Content(text="w" * 200)),
        )
        for n in range(count)
    ]
    found = [
        answer.conversation
        for start in range(0, count, BATCH)
        for answer in verbs.apply_commands(installation, says[start:][:BATCH])
    ]
    return account, [chat for chat in found if chat is not None]


def _of_restore(root: Path, records: int) -> Row:
    """The last step of a restore that applies so many noes, each of an account of its own; rolled
    back each time.
    """
    data, now = root / "data", AT
    data.mkdir(parents=True)
    with open_installation(Configuration(data=data), lambda: now) as installation:
        policy_changes.apply_policy(installation, NAMES_LEFT_IN, actor="bench")
        accounts = list(_accounts(installation, records))
        documents.append(installation)
        kept = archives.back_up(installation, root / "backups")
        now = AT + DAY
        for start in range(0, records, BATCH):
            noes = [
                do.Choose(account=account, at=now, allow=False)
                for account in accounts[start : start + BATCH]
            ]
            verbs.apply_commands(installation, noes)
        while documents.append(installation):
            pass
        manifest = archives.verify(installation.config, kept.folder)
    dsn = embedded.revive(data / "postgres")
    with open_pool(dsn) as pool, closing(Journal(data / "restrictions")) as journal:
        with transaction(pool) as tx:
            fence.raise_fence(tx, now)
        dump.restore_rows(dsn, kept.folder / DUMP, manifest.schema)
        keyring = Keyring(installation.keyring.provider, restrictions=journal, behind_fence=True)
        behind = Installation(
            config=installation.config, pool=pool, keyring=keyring, clock=lambda: now
        )
        took: dict[bool, list[float]] = {True: [], False: []}
        for is_held in [True, False] * RESTORES:
            with ExitStack() as stack:
                if not is_held:
                    stack.enter_context(believed())
                took[is_held].append(_seconds(behind, manifest, records))
    embedded.stop(data / "postgres")
    with_it, without = min(took[True]), min(took[False])
    return Row(
        f"a restore that applies {records:,} records, but for loading the dump (goal, of "
        "1,000,000: at most 20 % slower)",
        f"{with_it:.1f} s",
        f"{without:.1f} s",
        f"{with_it / without:.2f}",
    )


def _seconds(installation: Installation, manifest: BackupManifest, records: int) -> float:
    class UndoneError(Exception):
        """Rolls the restore back."""

    took = 0.0
    with suppress(UndoneError), transaction(installation.pool) as tx:
        began = time.perf_counter()
        archives.check_restorable(installation, tx, manifest, None)
        done = bring_forward.bring_forward(installation, tx, manifest, None)
        took = time.perf_counter() - began
        assert done.applied == {"refused": records}
        assert not done.unfit
        raise UndoneError
    return took


def _accounts(installation: Installation, count: int) -> Iterator[UUID]:
    key = load_host_key(installation)
    for start in range(0, count, BATCH):
        made = [
            uuid7(AT, installation.keyring.random(10)) for _ in range(min(BATCH, count - start))
        ]
        verbs.apply_commands(
            installation,
            [
                do.OpenAccount(
                    account=account,
                    at=AT,
                    host=host_hmac(key, "account", account.hex),
                    plan="pro",
                    age=30,
                )
                for account in made
            ],
        )
        verbs.apply_commands(
            installation, [do.Choose(account=account, at=AT, allow=True) for account in made]
        )
        yield from made

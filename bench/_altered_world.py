"""An installation with a backup, and everything taken back since then; what lies outside of it is
altered and restored.

A whole restore takes seconds. What decides is its last step, in one transaction, on a database that
a dump was loaded into: that step is run on altered copies of journal and log, the decisions are
read in the same transaction, and it is rolled back. `tests/backup/test_altered.py` runs whole
restores beside it.

A run is judged by what it permits, chat by chat and purpose by purpose, beside the restore of what
was not altered:

    same        the same decisions
    narrower    fewer, and the result says for which reason
    refused     an error that names it, with nothing changed; then `--finish narrow`, or the log put back, ends it
    silent      fewer decisions and no word, or more: this is what must not be
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec

from bench._altered import BYTES, OF_A_JOURNAL, put_back, split_segment
from licet.backup import archives, bring_forward, dump
from licet.backup.backup_manifest import DUMP, BackupManifest
from licet.backup.bring_forward import RestoreResult
from licet.backup.log_union import RestoreFinish
from licet.config import Configuration
from licet.errors import LicetError
from licet.keys import fence, journal_mend
from licet.keys.journal_bucket import PREFIX, BucketObjects
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.keys.restriction_journal import Journal
from licet.policy.file import extend
from licet.policy.period import instant
from licet.policy.state import TurnRole
from licet.proof import documents
from licet.service import policy_changes
from licet.store import embedded
from licet.store.bucket import Bucket
from licet.store.connect import Pool, Transaction, open_pool, transaction
from licet.store.migrate import migrate
from licet.vault import account_view, journal_evidence, verbs
from licet.vault import commands as do
from licet.vault import policy_versions as versions
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac, uuid7
from licet.vault.installation import Installation, load_host_key, open_installation

DAY = timedelta(days=1)
BEGIN = instant("2025-09-01")
PURPOSES = ("improve_models", "safety_classifiers")
LIST = [
    {"question": "models", "covers": ["improve_models"]},
    {"question": "safety", "covers": ["safety_classifiers"]},
]
BEFORE = {"extends": "article-2025", "choice": LIST, "min_age": 18, "recipients": ["lab"]}
AFTER = BEFORE | {
    "version": "2025-09-02",
    "effective": "2025-09-02",
    "decide_by": None,
    "material": False,
    "scope": {"plans": ["free", "max"]},
    "recipients": [],
}
PEOPLE = ("ana", "ben", "cem", "dia", "eva", "gus", "hal", "ivy", "joe", "kim", "lea", "nia")
SEGMENT_FRAMES = 4

Decided = dict[tuple[str, str], bool]


class Verdict(StrEnum):
    """How a run ended."""

    same = "same"
    narrower = "narrower"
    refused = "refused"
    silent = "silent"
    stuck = "stuck"


class Judged(NamedTuple):
    """A run: what was altered, how it ended, and the error or what differs."""

    artefact: str
    kind: str
    what: str
    verdict: Verdict
    why: str


class _UndoneError(Exception):
    """Rolls a run back, with what it found."""

    def __init__(self, done: RestoreResult, found: Decided) -> None:
        super().__init__()
        self.done, self.found = done, found


class AlteredWorld:
    """The installation below ``root``, its database as the dump left it, behind the fence."""

    def __init__(self, root: Path) -> None:
        self.root, self.now = root, BEGIN
        self.config = Configuration(data=root / "data")
        self.config.data.mkdir(parents=True)
        self.accounts: dict[str, UUID] = {}
        self.chats: dict[str, UUID] = {}
        embedded.start(self.config.data / "postgres", embedded.Options(durable=False))
        with open_installation(self.config, lambda: self.now) as installation:
            self.folder = _Story(self, installation).told()
            with transaction(installation.pool) as tx:
                self.lived = self.decisions(tx)
        self.manifest: BackupManifest = archives.verify(self.config, self.folder)
        for name in ("restrictions", "log", "log-state"):
            shutil.copytree(self.config.data / name, root / "kept" / name)
        split_segment(root / "kept" / "restrictions" / "00000001.log", SEGMENT_FRAMES)
        self.truth: Decided = {}

    def clock(self) -> datetime:
        return self.now

    def load(self) -> None:
        """Puts the database back to the backup, behind the fence, and takes the truth from what was
        not altered.
        """
        dsn = embedded.revive(self.config.data / "postgres")
        with open_pool(dsn) as pool:
            with transaction(pool) as tx:
                fence.raise_fence(tx, self.now)
            dump.restore_rows(dsn, self.folder / DUMP, self.manifest.schema)
            with pool.connection() as conn:
                migrate(conn)
            done = self.restored(pool, self.copied("truth"))
            assert not isinstance(done, LicetError), done
            self.truth = done[1]

    def copied(self, name: str) -> Path:
        """A copy of journal and log to alter."""
        target = self.root / "runs" / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.root / "kept", target)
        return target

    def restored(
        self,
        pool: Pool,
        data: Path,
        finish: RestoreFinish | None = None,
        bucket: Bucket | None = None,
    ) -> tuple[RestoreResult, Decided] | LicetError:
        """The last step of a restore with the journal and the log in ``data``, rolled back; or the
        error that refused it.
        """
        keys = FileProvider(self.config.keys)
        try:
            if finish is not None:
                journal_mend.mend(bucket or data / "restrictions", self.manifest.journal)
            place = BucketObjects(bucket) if bucket is not None else data / "restrictions"
            journal = Journal(place)
            keyring = Keyring(keys, restrictions=journal, behind_fence=True)
            config = msgspec.structs.replace(self.config, data=data)
            installation = Installation(config=config, pool=pool, keyring=keyring, clock=self.clock)
            with transaction(pool) as tx:
                archives.check_restorable(installation, tx, self.manifest, finish)
                done = bring_forward.bring_forward(installation, tx, self.manifest, finish)
                raise _UndoneError(done, self.decisions(tx))
        except _UndoneError as undone:
            return undone.done, undone.found
        except LicetError as error:
            return error

    def decisions(self, tx: Transaction) -> Decided:
        """Whether the first turn of each chat may be used for each purpose."""
        known, found = versions.load(tx), Decided()
        assert known is not None
        names = {
            chat: (self.accounts[chat.split("/")[0]], ident) for chat, ident in self.chats.items()
        }
        seen = account_view.load_views(tx, list(names.values()), known, self.now)
        for chat, (account, ident) in names.items():
            if ident not in seen:
                found |= dict.fromkeys(((chat, purpose) for purpose in PURPOSES), False)
                continue
            turn = account_view.list_turns(tx, account, ident)[0]
            for purpose in PURPOSES:
                found[chat, purpose] = seen[ident].decide(turn, known, purpose).use
        return found

    def judge(
        self, pool: Pool, artefact: str, kind: str, seed: int, bucket: Bucket | None = None
    ) -> Judged:
        """One alteration of the journal or the log, restored and judged; ``seed`` draws it."""
        draw = random.Random(f"{artefact}/{kind}/{seed}")
        data = self.copied(f"{artefact}-{kind}".replace(" ", "-"))
        alter = OF_A_JOURNAL[kind] if artefact == "journal" else BYTES[kind]
        part = {"journal": "restrictions", "log": "log", "log state": "log-state"}[artefact]
        if bucket is not None:
            self.as_objects(data)
        what = "nothing"
        with suppress(IndexError):  # an alteration may find nothing to alter
            for _ in range(draw.choice([1, 1, 1, 2, 3])):
                what = alter(draw, data / part)
        if bucket is not None:
            put_back(data / part, bucket, PREFIX)
        return self._judged(pool, Judged(artefact, kind, what, Verdict.same, ""), data, bucket)

    def as_objects(self, data: Path) -> None:
        """The journal in ``data`` as objects, the header first, as `keys.journal_move` makes
        them.
        """
        from licet.keys.journal_move import objects_of  # here: a bench of folders alone needs none

        named = [
            (name.removeprefix(PREFIX), content)
            for name, content in objects_of(data / "restrictions")
        ]
        shutil.rmtree(data / "restrictions")
        (data / "restrictions").mkdir()
        for name, content in named:
            (data / "restrictions" / name).write_bytes(content)

    def _judged(self, pool: Pool, run: Judged, data: Path, bucket: Bucket | None) -> Judged:
        done = self.restored(pool, data, None, bucket)
        if not isinstance(done, LicetError):
            return self._compared(run, *done)
        refused = run._replace(verdict=Verdict.refused, why=done.message)
        for name in ("log", "log-state") if run.artefact != "journal" else ():
            shutil.rmtree(data / name)
            shutil.copytree(self.root / "kept" / name, data / name)
        finish = RestoreFinish.narrow if run.artefact == "journal" else None
        ended = self.restored(pool, data, finish, bucket)
        if isinstance(ended, LicetError):
            return refused._replace(
                verdict=Verdict.stuck, why=f"{done.message}; then {ended.message}"
            )
        compared = self._compared(run, *ended)
        return compared if compared.verdict is Verdict.silent else refused

    def _compared(self, run: Judged, done: RestoreResult, found: Decided) -> Judged:
        wider = [name for name, use in found.items() if use and not self.truth[name]]
        fewer = [name for name, use in found.items() if not use and self.truth[name]]
        if wider:
            return run._replace(verdict=Verdict.silent, why=f"permits {wider}")
        if fewer and not (done.withdrawn or done.from_log or done.unfit):
            return run._replace(
                verdict=Verdict.silent, why=f"no longer permits {fewer}, and does not say so"
            )
        return run._replace(
            verdict=Verdict.narrower if fewer else Verdict.same, why=f"{len(fewer)} fewer"
        )


class _Story:
    """Everybody says yes and talks; a backup is taken; then each takes something back, and the log
    is told.
    """

    def __init__(self, world: AlteredWorld, installation: Installation) -> None:
        self.world, self.installation = world, installation
        self.turns = 0
        policy_changes.apply_policy(installation, extend(BEFORE), actor="test")
        self.key = load_host_key(installation)

    def told(self) -> Path:
        """The backup's folder."""
        for name in PEOPLE:
            self.open(name, "pro" if name == "nia" else "free")
            self.say(name, f"{name}/one")
            self.say(name, f"{name}/two")
        self.tell("gus", do.Flag, chat="gus/one", score=0.9)
        self.say("ivy", "ivy/work", host_project=self.host("project", "work"))
        self.tell("kim", do.Choose, allow=False, question="safety")
        documents.append(self.installation)
        kept = archives.back_up(self.installation, self.world.root / "backups")
        documents.append(self.installation)
        self.world.now += DAY / 2
        policy_changes.apply_policy(self.installation, extend(AFTER), actor="test")
        self.world.now += DAY
        self.take_back()
        return kept.folder

    def take_back(self) -> None:
        self.tell("ana", do.Delete, chat="ana/one")
        self.tell("ben", do.Choose, allow=False)
        self.tell("cem", do.Narrow, chat="cem/one")
        with transaction(self.installation.pool) as tx:
            assert self.installation.keyring.restrictions is not None
            journal_evidence.log_head(
                tx,
                self.installation.keyring.restrictions,
                self.installation.keyring.restrictions.durable,
                self.world.now,
            )
        documents.append(self.installation)
        self.tell("dia", do.CloseAccount)
        self.tell("eva", do.SetPlan, plan="work")
        self.tell("gus", do.Unflag, chat="gus/one")
        self.tell("hal", do.SetAge, age=15)
        self.tell("ivy", do.KeepProjectOut, host_project=self.host("project", "work"))
        self.tell("joe", do.Choose, allow=False, question="models")
        self.tell("kim", do.SetRegion, region="US-CA")
        self.tell("lea", do.Hold, chat="lea/one", matter="the kettle v. the town")
        self.tell("ana", do.Choose, allow=False, question="safety")
        documents.append(self.installation)

    def host(self, what: str, *names: str) -> bytes:
        return host_hmac(self.key, what, *names)

    def open(self, name: str, plan: str) -> None:
        at, account = self.world.now, uuid7(self.world.now, self.installation.keyring.random(10))
        self.world.accounts[name] = account
        verbs.apply_commands(
            self.installation,
            [
                do.OpenAccount(
                    account=account, at=at, host=self.host("account", name), plan=plan, age=30
                )
            ],
        )
        for question in ("models", "safety"):
            self.tell(name, do.Choose, allow=True, question=question)

    def tell(self, name: str, kind: type, chat: str = "", **more: object) -> None:
        named = {"conversation": self.world.chats[chat]} if chat else {}
        verbs.apply_commands(
            self.installation,
            [kind(account=self.world.accounts[name], at=self.world.now, **named, **more)],
        )

    def say(self, name: str, chat: str, host_project: bytes | None = None) -> None:
        self.turns += 1
        said = do.AddTurn(
            account=self.world.accounts[name],
            at=self.world.now,
            host_conversation=self.host("conversation", chat),
            host_turn=self.host("turn", str(self.turns)),
            role=TurnRole.user,
            host_project=host_project,
            content=encode(Content(text=f"{name} talks of {chat}")),
        )
        answer = verbs.apply_commands(self.installation, [said])[0]
        assert answer.conversation is not None
        self.world.chats[chat] = answer.conversation


@contextmanager
def altered_world(root: Path) -> Iterator[tuple[AlteredWorld, Pool]]:
    """A world, and a pool on its database as the backup left it; its server is stopped at the
    end.
    """
    try:
        world = AlteredWorld(root)
        world.load()
        with open_pool(embedded.revive(world.config.data / "postgres")) as pool:
            yield world, pool
    finally:
        embedded.stop(root / "data" / "postgres")

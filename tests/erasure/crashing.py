"""What a crash may leave of a verb's run, and what must hold after it.

`runs` runs a verb once for each commit that it makes and crashes before it, so that the database of
that run stands between two commits, and with it every step on the disk that was made since the
first of them: what a crash may leave is each (files, database) that these give.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from licet import verifier
from licet.backup import archives
from licet.erasure import certificates, epochs
from licet.erasure.key_rotation import Rotation
from licet.errors import RefusedError
from licet.keys import fence
from licet.keys.restriction_journal import Journal
from licet.ledger import sequence
from licet.ledger.publication import PublishedLog
from licet.ledger.sequence import LogStanding
from licet.proof import documents
from licet.release import catalog
from licet.store.connect import Pool, transaction
from licet.vault import commands as do
from licet.vault.installation import Installation, from_pool

from ..installed import BEGIN, DAY
from ..journals import lying
from ..vault.model import opened, sound
from .commits import Count, Undone, counted
from .disk import Crash, Disk, Step, Tree, Watch, put
from .verbs import VERBS, Base, Home, Verb, apply_policy, build, config, opened_home


@dataclass(slots=True)
class Run:
    """One run of a verb that crashed before a commit: its database, its disk, and the steps up to
    the commit before and since.
    """

    dsn: str
    disk: Disk
    before: list[Step] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


class Databases:
    """Makes databases from templates, and drops what it made."""

    def __init__(self, server: str) -> None:
        self.server, self._count = server, 0

    def clone(self, dsn: str) -> str:
        self._count += 1
        name, source = f"crash_{os.getpid()}_{self._count}", str(conninfo_to_dict(dsn)["dbname"])
        with psycopg.connect(self.server, autocommit=True) as conn:
            conn.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(source)
                )
            )
        return make_conninfo(self.server, dbname=name)

    def drop(self, dsn: str) -> None:
        name = str(conninfo_to_dict(dsn)["dbname"])
        with psycopg.connect(self.server, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


STATES = 10_000
EACH = 100_000
NONE = 100_000  # a commit that no verb has: it is done and answered


def scaled(drawn: int, states: int) -> int:
    """What is drawn where all verbs come to ``states``: those that are not drawn have no more."""
    whole = sum(verb.states for verb in VERBS if not verb.drawn)
    return ceil(drawn * max(states - whole, 1) / (STATES - whole)) if drawn else EACH


def runs(
    databases: Databases,
    watch: Watch,
    verb: Verb,
    base: Base,
    blank: str,
    finer: int,
    *,
    commit: int = 0,
) -> Iterator[Run]:
    """The verb, crashed before each of its commits in turn from ``commit`` on, and at last done and
    answered.
    """
    while True:
        source = blank if verb.fresh else base.dsn
        dsn = databases.clone(source)
        try:
            run, done = _run(watch, verb, base, dsn, commit, finer)
            yield run
        finally:
            databases.drop(dsn)
        if done:
            return
        commit += 1


def _run(
    watch: Watch, verb: Verb, base: Base, dsn: str, commit: int, finer: int
) -> tuple[Run, bool]:
    root = watch.root
    watch.mood = "quiet"
    shutil.rmtree(root, ignore_errors=True)
    if verb.fresh:
        root.mkdir()
    else:
        shutil.copytree(base.folder, root)
    run, done = Run(dsn, Disk(root, finer)), False
    begins = [0]
    watch.record()
    count = Count(commit, lambda: begins.append(len(watch.steps)))
    watch.on_replace = count.begin
    at = BEGIN + verb.day * DAY
    try:
        with closing(counted(dsn, count)) as pool:
            before = None if verb.fresh else base
            with opened_home(pool, dsn, root, before, at, behind_fence=verb.restores) as home:
                verb.act(home, root)
                watch.step("ack")
                done = True
    except Crash:
        pass
    finally:
        watch.mood = "quiet"
    run.before, run.steps = watch.steps[: begins[-1]], watch.steps[begins[-1] :]
    return run, done


def states(
    run: Run, choose: random.Random, count: int, *, does: Callable[[Step], bool] = lambda step: True
) -> Iterator[tuple[bool, Tree]]:
    """Whether the verb had been answered, and what lies in the folder: after each step, up to
    ``count`` possibilities.

    ``does`` says which steps are made: for a disk that lies.
    """
    for step in filter(does, run.before):
        run.disk.apply(step)
    was_answered, seen = False, set[int]()
    for step in [None, *run.steps]:
        if step is not None and not does(step):
            continue
        if step == ("ack",):
            was_answered, seen = True, set()
        if step is not None:
            run.disk.apply(step)
        for tree in run.disk.crashes(choose, count, seen):
            yield was_answered, tree


# After a crash


@dataclass(slots=True)
class Trials:
    """Opens what crashes left, and holds it against all that was promised: of ``part``, the first
    of so many states and each that follows by its second.
    """

    watch: Watch
    verb: Verb
    base: Base
    choose: random.Random
    whole_share: float = 0.02
    again_share: float = 0.03
    repeat_share: float = 0.25
    part: tuple[int, int] = (0, 1)
    found: int = 0
    tried: int = 0
    crashed_again: int = 0
    fine: set[int] = field(default_factory=set)

    def each(self, run: Run, undone: Undone, found: Iterator[tuple[bool, Tree]]) -> None:
        """Tries each state."""
        self.fine = set()
        for was_answered, tree in found:
            self.found += 1
            if self.found % self.part[1] != self.part[0]:
                continue
            self.one(run, undone, tree, was_answered)
            self.tried += 1
            if self.choose.random() < self.again_share:
                self.again(run, undone, tree, was_answered)

    def one(self, run: Run, undone: Undone, tree: Tree, was_answered: bool) -> None:
        put(tree, self.watch.root)
        with undone.trial(savepoints=self.verb.restores) as pool:
            self._recovered(pool, run, was_answered, tree)

    def again(self, run: Run, undone: Undone, tree: Tree, was_answered: bool) -> None:
        """A crash within the recovery too, and another recovery."""
        root = self.watch.root
        put(tree, root)
        disk = Disk(root)
        with undone.trial() as pool:
            self.watch.record(crash_at=self.choose.randrange(1, 12))
            try:
                with self._open(pool, run) as home:
                    documents.append(home.installation)
            except Crash:
                pass
            finally:
                self.watch.mood = "quiet"
            for step in self.watch.steps:
                disk.apply(step)
            *_, left = disk.crashes(self.choose, 3, set())
            put(left, root)
            self._recovered(pool, run, was_answered, None)
        self.crashed_again += 1

    @contextmanager
    def _open(self, pool: Pool, run: Run) -> Iterator[Home]:
        """Opened as by any command; what is fenced or older is brought forward first, as its error
        says.
        """
        root, at = self.watch.root, BEGIN + (self.verb.day + 1) * DAY
        before = None if self.verb.fresh else self.base
        try:
            with opened_home(pool, run.dsn, root, before, at) as home:
                yield home
            return
        except RefusedError as error:
            if not self.verb.restores or error.because not in ("fenced", "restored"):
                raise
        with from_pool(pool, config(root, run.dsn), lambda: at, behind_fence=True) as installation:
            archives.restore_dump(installation, None)
        with opened_home(pool, run.dsn, root, before, at) as home:
            yield home

    def _recovered(self, pool: Pool, run: Run, was_answered: bool, tree: Tree | None) -> None:
        """Opens it, and checks each part whose files were not found fine beside this very database
        before.
        """
        whole = self.choose.random() < self.whole_share
        if was_answered:  # before anything is mended: the next to come may be a restore
            with closing(Journal(self.watch.root / "data" / "restrictions")) as journal:
                check_restrictions(pool, journal)
        with self._open(pool, run) as home:
            assert home.installation.keyring.restrictions is not None
            if self._is_new("restrictions", tree, "data/restrictions") or whole:
                check_restrictions(pool, home.installation.keyring.restrictions)
            if self._is_new("content", tree, "data/keys") or whole or self.verb.restores:
                self._check_texts(home, whole=whole)
            if self._is_new("log", tree, "data/keys", "data/log", "data/log-state") or whole:
                documents.append(home.installation)
                check_log(home.installation, whole=whole)
            if was_answered:
                self.verb.told(home, self.watch.root)
            if self._is_new("releases", tree, "data/releases") or whole:
                check_releases(home.installation)
                if self.verb.repeat is not None and self.choose.random() < self.repeat_share:
                    self.verb.repeat(home, self.watch.root)
                    self.verb.told(home, self.watch.root)
            if whole:
                goes_on(home, self.watch.root, fresh=self.verb.fresh)

    def _is_new(self, part: str, tree: Tree | None, *folders: str) -> bool:
        """Whether these folders are not what they were in a state that was tried with this
        database.
        """
        if tree is None:
            return True
        within = tuple(f"{folder}/" for folder in folders)
        mark = hash((part, frozenset(one for one in tree.items() if one[0].startswith(within))))
        if mark in self.fine:
            return False
        self.fine.add(mark)
        return True

    def _check_texts(self, home: Home, *, whole: bool) -> None:
        with transaction(home.installation.pool) as tx:
            found = (sound if whole else opened)(tx, home.installation.keyring)
        texts = {key: content.text for key, content in found.items()}
        if self.verb.fresh:
            return
        may_end = {home.chats[chat] for chat in self.verb.may_end}
        for key, text in self.base.texts.items():
            if key[1] not in may_end and (key in self.base.in_backup or not self.verb.restores):
                assert texts.get(key) == text, "acknowledged, and neither there nor erased"
        if self.verb.restores:
            certificates.advance_erasures(home.installation, at_once=True)
            with transaction(home.installation.pool) as tx:
                texts = {
                    key: content.text
                    for key, content in opened(tx, home.installation.keyring).items()
                }
        assert not {key[1] for key in texts} & self.base.erased, "erased, and it returned"
        assert (
            home.query("SELECT count(*) FROM conversations WHERE deleted_at IS NOT NULL")[0][0] >= 2
        )
        (in_force,) = home.query(
            "SELECT in_force FROM accounts WHERE account_id = %s", home.accounts["dia"]
        )[0]
        assert in_force == 0, "withdrawn, and it returned"


def check_releases(installation: Installation) -> None:
    """What is sealed is whole."""
    for release in catalog.list_releases(installation):
        if release.state == "sealed":
            assert catalog.verify_release(installation, release.name) == []


def check_restrictions(pool: Pool, journal: Journal) -> None:
    """The journal holds everything that the database says was taken back in its present life."""
    with transaction(pool) as tx:
        life = fence.current_life(tx)
        kept = Counter(
            (r.account, r.kind.value, r.at, r.conversation)
            for r in lying(journal)
            if r.life == life
        )
        took = Counter(
            (account, TOOK_BACK[event], at, conversation)
            for account, event, at, conversation in tx.execute(
                """SELECT j.account_id, j.event, j.occurred_at, j.conversation_id FROM journal j
                    WHERE j.position > (SELECT position FROM lives ORDER BY life DESC LIMIT 1)
                      AND j.ends
                      AND j.event = ANY(%s) AND (j.event <> 'choice' OR EXISTS (
                            SELECT FROM choices c WHERE c.account_id = j.account_id
                              AND c.seq = j.seq AND NOT c.allow))
                      AND (j.event <> 'narrowed' OR NOT EXISTS (  -- told with its project
                            SELECT FROM conversations c
                              JOIN projects p USING (account_id, project_id)
                             WHERE c.account_id = j.account_id
                               AND c.conversation_id = j.conversation_id
                               AND p.kept_out_at = j.occurred_at))""",
                [list(TOOK_BACK)],
            )
        )
    assert took - kept == Counter(), "taken back, and a restore would lose it"


TOOK_BACK = {
    "plan_set": "plan", "age_found": "age", "region_set": "region", "closed": "closed", "choice": "refused", "deleted": "deleted",
    "narrowed": "narrowed", "project_kept_out": "project_kept_out", "unflagged": "unflagged",
}  # fmt: skip


def check_log(installation: Installation, *, whole: bool) -> None:
    """Every leaf is a row's and every row's place a leaf."""
    for standing in _standings(installation):
        shown = PublishedLog(
            documents.place(installation).folder / str(standing.year),
            documents.key(installation, standing.year),
        )
        with transaction(installation.pool) as tx:
            placed = tx.execute(
                "SELECT count(*), max(index) FROM outbox WHERE log_year = %s", [standing.year]
            ).fetchone()
        assert shown.checkpoint.size == standing.size
        if placed is not None and not _lived_before(installation):
            assert placed == (standing.size, standing.size - 1 if standing.size else None)
        if whole:
            files = verifier.FolderFiles(documents.place(installation).folder / str(standing.year))
            trusted = verifier.trust(documents.key(installation, standing.year).vkey)
            report = verifier.check_log(files, trusted, (), verifier.new_story(trusted.origin))
            assert report.ok, report.findings


def _standings(installation: Installation) -> list[LogStanding]:
    with transaction(installation.pool) as tx:
        return sequence.standings(tx)


def _lived_before(installation: Installation) -> bool:
    """A restored database lacks the rows of leaves that its log tells."""
    with transaction(installation.pool) as tx:
        return fence.current_life(tx) > 0


def goes_on(home: Home, folder: Path, *, fresh: bool) -> None:
    """Everything works, from what was left on."""
    if fresh and not home.query("SELECT 1 FROM policies"):
        apply_policy(home)
    home.open("new")
    home.choose("new", True)
    home.talk("new", "new-one", "and on")
    home.about(do.Delete, "new", "new-one")
    epochs.rotate(home.installation, Rotation.weekly)
    certificates.advance_erasures(home.installation, at_once=True)
    documents.append(home.installation)
    check_log(home.installation, whole=True)
    with transaction(home.installation.pool) as tx:
        sound(tx, home.installation.keyring)
    if (
        not any(
            one.name == "next" and one.state == "sealed"
            for one in catalog.list_releases(home.installation)
        )
        and not fresh
    ):
        build(home, "next")
        assert catalog.verify_release(home.installation, "next") == []
    assert folder.is_dir()

"""An installation in the middle of its life, and the verbs that a crash may come into.

`Base` is kept as a template, a database and a folder, and each verb begins there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from licet.backup import archives
from licet.config import Configuration
from licet.curate import release_build
from licet.erasure import certificates, epochs, sweeper
from licet.erasure.key_rotation import Rotation
from licet.proof import documents
from licet.release import catalog
from licet.release.build import Builder
from licet.release.build_order import BuildOrder
from licet.service import policy_changes
from licet.store.connect import Pool, transaction
from licet.vault import block_joins, certificate
from licet.vault import commands as do
from licet.vault.installation import Installation, from_pool, load_host_key, load_policies

from ..installed import BEGIN, House
from ..terms import preset
from ..vault.model import sound
from .commits import Count, counted


class Home(House):
    """A `House` over an opened installation, journal and all; ``moment`` holds the time that its
    clock tells.
    """

    def __init__(
        self, installation: Installation, moment: list[datetime], before: Home | None = None
    ) -> None:
        self.moment, self.installation = moment, installation
        self.accounts = dict(before.accounts) if before else {}
        self.chats = dict(before.chats) if before else {}
        self._turns = dict(before._turns) if before else {}

    @cached_property
    def _host_key(self) -> bytes:  # type: ignore[override]  # looked up when it is first asked for
        return load_host_key(self.installation)

    @property
    def now(self) -> datetime:
        return self.moment[0]

    @now.setter
    def now(self, at: datetime) -> None:
        self.moment[0] = at


@dataclass(slots=True)
class Base:
    """``dsn`` and ``folder`` are the template; ``texts`` is what lives in it, by conversation and
    turn.
    """

    dsn: str
    folder: Path
    home: Home
    texts: dict[tuple[str, UUID, int], str]
    in_backup: set[tuple[str, UUID, int]]
    erased: set[UUID]


Check = Callable[[Home, Path], None]


@dataclass(slots=True, kw_only=True)
class Verb:
    """A verb: ``day`` is when it is done, ``may_end`` the chats that it may erase, ``told`` holds
    once it was answered.

    ``repeat`` is what somebody does who was not answered, in a share of the states; then ``told``
    holds as well. ``states`` are how many of its states are tried, at least, where `STATES` are in
    all; ``drawn`` how many are drawn after each step: 0 where all of them are tried.
    """

    name: str
    act: Callable[[Home, Path], None]
    told: Check = lambda home, folder: None
    repeat: Callable[[Home, Path], None] | None = None
    day: float = 20
    may_end: tuple[str, ...] = ()
    restores: bool = False
    fresh: bool = False
    states: int = 2
    drawn: int = 0


@contextmanager
def opened_home(
    pool: Pool, dsn: str, folder: Path, base: Base | None, at: datetime, **more: Any
) -> Iterator[Home]:
    """The installation in a folder, over a pool, as every command opens it."""
    moment = [at]
    with from_pool(pool, config(folder, dsn), lambda: moment[0], **more) as installation:
        yield Home(installation, moment, base.home if base else None)


def config(folder: Path, dsn: str) -> Configuration:
    return Configuration(data=folder / "data", database_url=dsn)


NAMES = ("ana", "ben", "cem", "dia", "eva")
LEAVES = 90


def make_base(dsn: str, folder: Path) -> Base:
    """The middle of a life: things said, taken back, erased, rotated, released and backed up, and a
    log near a tile's end.
    """
    folder.mkdir()
    pool, moment = counted(dsn, Count(None, lambda: None)), [BEGIN]
    with closing(pool), from_pool(pool, config(folder, dsn), lambda: moment[0]) as installation:
        home = Home(installation, moment)
        apply_policy(home)
        for name in NAMES:
            home.open(name, allow=name != "eva")
            for chat in ("one", "two"):
                project = (
                    home.host("project", "kettles") if (name, chat) == ("cem", "one") else None
                )
                home.talk(name, f"{name}-{chat}", host_project=project)
        home.about(do.Flag, "ben", "ben-two", score=0.9)
        home.about(do.Delete, "ana", "ana-two")
        certificates.advance_erasures(installation, at_once=True)
        epochs.rotate(installation, Rotation.daily)
        home.passes(1)
        for _ in range(LEAVES):  # of which the log is to be near the end of a tile
            home.choose("dia", True)
        documents.append(installation)
        build(home, "base")
        archives.back_up(installation, folder / "backups")
        in_backup = set(texts_of(home))
        home.passes(1)
        home.about(do.Delete, "cem", "cem-two")
        home.choose("dia", False)
        certificates.advance_erasures(installation, at_once=True)
        documents.append(installation)
        home.talk("ana", "ana-one")  # waits to be told
        texts = texts_of(home)
    erased = {home.chats["ana-two"], home.chats["cem-two"]}
    return Base(dsn, folder, home, texts, in_backup, erased)


def texts_of(home: Home) -> dict[tuple[str, UUID, int], str]:
    """All that lives, and every invariant of the tables."""
    with transaction(home.installation.pool) as tx:
        return {key: content.text for key, content in sound(tx, home.installation.keyring).items()}


def apply_policy(home: Home) -> None:
    policy_changes.apply_policy(home.installation, preset("article-2025"), actor="test")


def build(home: Home, name: str) -> None:
    installation = home.installation
    builder = Builder(
        installation.pool,
        installation.keyring,
        load_policies(installation),
        release_build.RuleCleaner(),
        installation.clock,
        rows_per_part=2,
        page_bytes_max=1,
    )
    builder.run(
        BuildOrder(
            name=name,
            purpose="improve_models",
            folder=installation.config.releases / name,
            software="test",
        )
    )


# Verbs


def took_back(kind: type[Any], name: str, chat: str, **more: Any) -> Callable[[Home, Path], None]:
    return lambda home, _: void(home.about(kind, name, chat, **more))


def void(_: object) -> None:
    return None


def is_true(statement: str, *named: str) -> Check:
    """That a statement about chats or accounts is true."""

    def check(home: Home, _: Path) -> None:
        ids = [home.chats.get(one) or home.accounts[one] for one in named]
        assert home.query(f"SELECT {statement}", *ids) == [(True,)], statement

    return check


DELETED = "deleted_at IS NOT NULL FROM conversations WHERE conversation_id = %s"


def three_at_once(home: Home, _: Path) -> None:
    ana, ben = home.accounts["ana"], home.accounts["ben"]
    home.tell(
        do.CloseAccount(account=ana, at=home.now),
        do.SetAge(account=ben, at=home.now, age=12),
        do.Narrow(account=ben, at=home.now, conversation=home.chats["ben-one"]),
    )


def keep_a_project_out(home: Home, _: Path) -> None:
    home.account(do.KeepProjectOut, "cem", host_project=home.host("project", "kettles"))


def new_people(home: Home, _: Path) -> None:
    home.open("fay", allow=True)
    home.talk("fay", "fay-one")


def last_year(home: Home, _: Path) -> None:
    home.talk("ben", "ben-new")
    documents.append(home.installation)


def all_told(home: Home, _: Path) -> None:
    assert home.query("SELECT count(*) FROM outbox WHERE index IS NULL") == [(0,)]


def fully_certified(home: Home, _: Path) -> None:
    with transaction(home.installation.pool) as tx:
        assert certificate.unfinished(tx, 1) == []


def delete_and_certify(home: Home, _: Path) -> None:
    home.about(do.Delete, "ana", "ana-one")
    certificates.advance_erasures(home.installation, at_once=True)


def rotated(home: Home, _: Path) -> None:
    status = epochs.status(home.installation)
    assert status.unfinished is None
    assert sum(status.waiting.values()) == 0


def rotate_and_destroy(home: Home, _: Path) -> None:
    epochs.rotate(home.installation, Rotation.weekly)
    epochs.destroy_due(home.installation)


def first_epoch_is_gone(home: Home, folder: Path) -> None:
    rotated(home, folder)
    assert not (folder / "data" / "keys" / "epoch-000001.key").exists()


def back_up(home: Home, folder: Path) -> None:
    archives.back_up(home.installation, folder / "backups")


def backed_up(home: Home, folder: Path) -> None:
    found = archives.list_backups(home.installation, folder / "backups")
    assert sum(one.whole for one in found) == 2
    for one in found:
        if one.whole:
            archives.verify(home.installation.config, one.folder)


def released(home: Home, _: Path) -> None:
    assert catalog.verify_release(home.installation, "next") == []


def release_again(home: Home, _: Path) -> None:
    if home.query("SELECT 1 FROM releases WHERE name = 'next' AND state = 'sealed'") == []:
        build(home, "next")


def begin(home: Home, folder: Path) -> None:
    apply_policy(home)
    new_people(home, folder)
    documents.append(home.installation)
    build(home, "first")
    archives.back_up(home.installation, folder / "backups")


def begun(home: Home, folder: Path) -> None:
    assert home.query("SELECT count(*) FROM blocks WHERE sealed IS NOT NULL") == [(2,)]
    assert catalog.verify_release(home.installation, "first") == []
    (kept,) = archives.list_backups(home.installation, folder / "backups")
    archives.verify(home.installation.config, kept.folder)


def restore(home: Home, folder: Path) -> None:
    kept = next(path for path in (folder / "backups").iterdir())
    archives.restore_dump(home.installation, kept)


VERBS = (
    Verb(
        name="say",
        act=lambda home, _: home.talk("ana", "ana-one", "more"),
        told=is_true("count(*) = 5 FROM turns WHERE conversation_id = %s", "ana-one"),
    ),
    Verb(name="begin an account", act=new_people, told=is_true("count(*) = 6 FROM accounts")),
    Verb(
        name="allow",
        act=lambda home, _: void(home.choose("eva", True)),
        told=is_true("in_force > 0 FROM accounts WHERE account_id = %s", "eva"),
    ),
    Verb(
        name="refuse",
        states=360,
        act=lambda home, _: void(home.choose("ben", False)),
        told=is_true("in_force = 0 FROM accounts WHERE account_id = %s", "ben"),
    ),
    Verb(
        name="delete",
        states=600,
        act=took_back(do.Delete, "ana", "ana-one"),
        told=is_true(DELETED, "ana-one"),
    ),
    Verb(
        name="keep out",
        states=500,
        act=took_back(do.Narrow, "ben", "ben-one"),
        told=is_true("narrowed FROM conversations WHERE conversation_id = %s", "ben-one"),
    ),
    Verb(
        name="keep a project out",
        states=500,
        act=keep_a_project_out,
        told=is_true(
            "narrowed AND kept_out_at IS NOT NULL FROM conversations JOIN projects USING "
            "(account_id, project_id) "
            "WHERE conversation_id = %s",
            "cem-one",
        ),
    ),
    Verb(
        name="overturn",
        states=500,
        act=took_back(do.Unflag, "ben", "ben-two"),
        told=is_true(
            "bool_and(overturned_at IS NOT NULL) FROM flags WHERE conversation_id = %s", "ben-two"
        ),
        may_end=("ben-two",),
    ),
    Verb(
        name="hold",
        states=650,
        act=took_back(do.Hold, "ben", "ben-one", matter="a case"),
        told=is_true("count(*) = 1 FROM holds WHERE conversation_id = %s", "ben-one"),
    ),
    Verb(
        name="three at once",
        states=1300,
        act=three_at_once,
        told=is_true("closed_at IS NOT NULL FROM accounts WHERE account_id = %s", "ana"),
    ),
    Verb(
        name="sweep",
        day=400,
        act=lambda home, _: void(sweeper.sweep(home.installation)),
        told=is_true(
            "NOT EXISTS (SELECT FROM blocks WHERE sealed IS NOT NULL AND conversation_id = %s)",
            "eva-one",
        ),
        may_end=("eva-one", "eva-two", "dia-one", "dia-two"),
    ),
    Verb(
        name="join",
        act=lambda home, _: void(block_joins.join(home.installation)),
        told=is_true("count(*) = 1 FROM blocks WHERE conversation_id = %s", "ana-one"),
    ),
    Verb(
        name="certify",
        states=600,
        act=delete_and_certify,
        told=fully_certified,
        may_end=("ana-one",),
    ),
    Verb(
        name="rotate",
        states=100,
        act=lambda home, _: void(epochs.rotate(home.installation, Rotation.daily)),
        told=rotated,
    ),
    Verb(name="destroy", states=100, act=rotate_and_destroy, told=first_epoch_is_gone),
    Verb(
        name="sequence",
        states=1100,
        drawn=300,
        act=lambda home, _: void(documents.append(home.installation)),
        told=all_told,
    ),
    Verb(
        name="sequence in a new year", states=800, drawn=215, day=150, act=last_year, told=all_told
    ),
    Verb(
        name="release",
        states=800,
        drawn=62,
        act=lambda home, _: build(home, "next"),
        told=released,
        repeat=release_again,
    ),
    Verb(name="back up", states=500, drawn=180, act=back_up, told=backed_up),
    Verb(name="restore", states=260, drawn=62, act=restore, restores=True),
    Verb(name="begin", states=1950, drawn=120, act=begin, told=begun, fresh=True),
)

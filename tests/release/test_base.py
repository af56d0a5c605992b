"""A release from the one before it: the bytes of a whole build, and only what changed is curated
again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha256
from random import Random
from typing import Any

import msgspec
import pytest

from licet import verifier
from licet.curate import release_build
from licet.curate.detect import DetectedSpan
from licet.curate.kernels import NameKernel
from licet.curate.pipeline import Pipeline
from licet.curate.plan import plan
from licet.curate.rules import IdentifierKind
from licet.curate.runners import Local
from licet.curate.splits import Shares
from licet.erasure import sweeper
from licet.errors import BrokenError, NotFoundError
from licet.keys.keyring import Keyring
from licet.policy.state import TurnRole
from licet.release import catalog, manifest
from licet.release.build import Builder
from licet.release.build_order import BuildOrder, BuildResult
from licet.store.connect import Pool, transaction
from licet.vault import commands as do
from licet.vault.content import Content
from licet.vault.installation import load_policies

from ..erasure.commits import Count, counted
from ..erasure.disk import Crash
from ..installed import House
from .test_build import IMPROVE, Meddling, Stopped, check_whole, stop
from .test_resume import check_nothing_is_left, next_version

SHARES = Shares(test=300_000, validation=300_000)
SAID = tuple(
    f"{what} about {where}, write to {what}@{where}-mail.net"
    for what in ("cats", "ferries", "bread")
    for where in ("town", "the-old-mill", "winter")
)
HISTORIES = 6


class Names:
    """A detector that finds a name where a text has one, and counts the texts that it is asked
    about.
    """

    name = "words"

    def __init__(self) -> None:
        self.sha256 = "c" * 64
        self.read: list[str] = []

    def detect(
        self, texts: Sequence[str], kinds: Sequence[IdentifierKind]
    ) -> list[list[DetectedSpan]]:
        self.read += texts
        return [
            [DetectedSpan(0, 4, IdentifierKind.PERSON, 0.99, "words")]
            if t.startswith("cats")
            else []
            for t in texts
        ]

    def unread_language(self, text: str) -> str:
        return ""


@pytest.fixture
def house(house: House) -> House:
    for n in range(4):
        name = f"p{n}"
        house.passes(1e-6)
        house.open(name, allow=True)
        house.talk(
            name,
            f"{name}own",
            f"what only {name} asks of {name}@{name}-mail.net",
            "an answer to it",
        )
        house.say(
            name,
            f"{name}own",
            Content(text=f"a side thread of {name}", thread="agent"),
            TurnRole.assistant,
        )
        house.talk(
            name,
            f"{name}same",
            "what is the tallest tower in the town",
            "the old mill by the river",
        )
    return house


def build(
    house: House,
    name: str,
    base: str | None = None,
    *,
    names: Names | None = None,
    seed: int | None = None,
    pool: Pool | None = None,
    says: Callable[[str], None] = lambda _line: None,
    shares: Shares = SHARES,
    software: str = "test",
    cleaner: Any = None,
    **more: Any,
) -> BuildResult:
    installation, cleaner = house.installation, cleaner or release_build.RuleCleaner()
    kernel = NameKernel(detector=names) if names is not None else None
    pipeline = Pipeline(
        plan(cleaner, os.urandom(32), shares=shares, names=kernel),
        Local(),
        installation.config.data,
    )
    order = BuildOrder(
        name=name,
        purpose=IMPROVE,
        folder=installation.config.releases / name,
        software=software,
        base=catalog.find_release(installation, base) if base is not None else None,
        afresh=more.pop("afresh", False),
    )
    keyring = (
        installation.keyring
        if seed is None
        else Keyring(installation.keyring.provider, Random(seed).randbytes)
    )
    with closing(pipeline):
        return Builder(
            pool or installation.pool,
            keyring,
            load_policies(installation),
            cleaner,
            installation.clock,
            curation=pipeline,
            says=says,
            **({"rows_per_part": 3, "page_bytes_max": 500} | more),
        ).run(order)


def forget(house: House, name: str) -> None:
    with transaction(house.installation.pool) as tx:
        for statement in (
            (
                "DELETE FROM release_runs WHERE release_id = (SELECT release_id FROM releases "
                "WHERE name = %s)"
            ),
            "DELETE FROM releases WHERE name = %s",
        ):
            tx.execute(statement, [name])


def files_of(built: BuildResult) -> dict[str, bytes]:
    """Every file of a release; where one cites the manifest, without its hash, which the statement
    about the base changes.
    """
    promised = msgspec.structs.replace(built.manifest, base=msgspec.UNSET)
    cited = sha256(manifest.encode(built.manifest)).hexdigest().encode()
    found = {
        path.relative_to(built.folder).as_posix(): path.read_bytes().replace(
            cited, b"(the manifest)"
        )
        for path in built.folder.rglob("*")
        if path.is_file()
    }
    return found | {manifest.FILE: manifest.encode(promised)}


def check_same_as_whole(house: House, name: str, base: str, **how: Any) -> BuildResult:
    """Builds from the base; then all of it again under the same name and time with the same random
    bytes.
    """
    seed = sum(name.encode())
    made = build(house, name, base, seed=seed, **how)
    check_whole(house, made)
    aside = made.folder.with_name(f"{name}-aside")
    shutil.move(made.folder, aside)
    forget(house, name)
    whole = build(
        house, name, seed=seed, **(how | {"names": Names() if how.get("names") else None})
    )
    assert whole.manifest.base is msgspec.UNSET
    assert files_of(msgspec.structs.replace(made, folder=aside)) == files_of(whole)
    shutil.rmtree(whole.folder)
    shutil.move(aside, whole.folder)
    with transaction(house.installation.pool) as tx:
        tx.execute(
            "UPDATE releases SET manifest_sha256 = %s WHERE name = %s",
            [bytes.fromhex(sha256(manifest.encode(made.manifest)).hexdigest()), name],
        )
    return made


def live(house: House, draw: Random) -> None:
    """A few days: people say new and old things, go on, delete, keep out, withdraw and come
    back.
    """
    names, chats = list(house.accounts), list(house.chats)
    owner = {chat: chat[:2] for chat in chats}
    for _ in range(draw.randrange(1, 6)):
        name, chat = draw.choice(names), draw.choice(chats)
        match draw.randrange(8):
            case 0 | 1:
                house.talk(name, f"{name}n{len(house.chats)}", draw.choice(SAID), "so it is")
            case 2:
                chat = f"{name}s{len(house.chats)}"
                house.talk(
                    name, chat, "what is the tallest tower in the town", "the old mill by the river"
                )
            case 3:
                answer = house.tell(house.saying(owner[chat], chat, f"and on {len(house.chats)}"))[
                    0
                ]
                assert answer.because in (None, "deleted", "expired", "closed", ""), answer
            case 4:
                house.about(do.Delete, owner[chat], chat)
            case 5:
                house.about(do.Narrow, owner[chat], chat)
            case 6:
                house.choose(name, allow=draw.random() < 0.6)
            case _:
                house.say(name, f"{name}t{len(house.chats)}", draw.choice(SAID))
                house.say(name, f"{name}t{len(house.chats)}", "output", TurnRole.tool)
    house.passes(draw.choice([0, 1, 3]))
    if draw.random() < 0.3:
        sweeper.sweep(house.installation)


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_over_drawn_histories_a_series_has_the_bytes_of_whole_builds(
    house: House, seed: int
) -> None:
    draw, names = Random(seed), Names() if seed % 2 else None
    build(house, "r0", names=names)
    carried = 0
    for number in range(1, 4):
        live(house, draw)
        if number == 2 and draw.random() < 0.5:
            next_version(house)
        made = check_same_as_whole(house, f"r{number}", f"r{number - 1}", names=names)
        base = made.manifest.base
        assert base is not msgspec.UNSET
        carried += base.carried
        folders = [
            verifier.FolderFiles(one)
            for one in (made.folder, made.folder.with_name(f"r{number - 1}"))
        ]
        assert verifier.check_release(folders[0], base=folders[1]).findings == []
        assert (
            next(each and each.root for each in map(verifier.find_base, folders))
            == folders[1].root.resolve()
        )
    assert carried > 0


def test_only_what_changed_is_curated_again_and_the_manifest_says_so(house: House) -> None:
    names = Names()
    first = build(house, "autumn", names=names).manifest
    kept = next(n for n in range(4) if "tallest tower" in str(house_rows(house, "autumn", f"p{n}")))
    house.talk("p0", "p0own", "one more thing", "heard")
    house.about(do.Delete, "p1", "p1own")
    house.talk("p2", "p2new", "cats are new", "yes")
    # the duplicate that is next in order is elected
    house.about(do.Delete, f"p{kept}", f"p{kept}same")
    names.read.clear()
    made = build(house, "winter", "autumn", names=names)
    check_whole(house, made)
    base = made.manifest.base
    assert base is not msgspec.UNSET
    assert (base.release, base.root, base.rows) == (first.release, first.root, first.rows)
    assert {"one more thing", "cats are new", "what is the tallest tower in the town"} <= set(
        names.read
    )
    assert not any(f"what only p{n}" in text for text in names.read for n in (1, 2, 3))
    assert (
        base.rebuilt == 3
        and base.carried == made.manifest.rows - 3
        and base.dropped == first.rows - base.carried
    )


def house_rows(house: House, release: str, name: str) -> list[Any]:
    """The rows of a release that are made of an account's words."""
    mine = house.query(
        "SELECT ordinal FROM release_rows JOIN releases USING (release_id) WHERE name = %s "
        "AND account_id = %s",
        release,
        house.accounts[name],
    )
    ordinals = {ordinal for (ordinal,) in mine}
    return [
        row
        for row in catalog.open_release(house.installation, release)
        if row["ordinal"] in ordinals
    ]


def test_a_series_keeps_its_splits(house: House) -> None:
    def splits(release: str) -> dict[str, set[str]]:
        return {
            n: {row["labels"]["split"] for row in house_rows(house, release, n)}
            for n in house.accounts
        }

    # which split the others are in is drawn
    for name, split in (("p4", "test"), ("p5", "validation")):
        house.open(name, allow=True, split=split)
        house.talk(name, f"{name}own", f"what only {name} asks", "an answer to it")
    build(house, "autumn")
    for n in range(4):
        house.talk(f"p{n}", f"p{n}later", f"later {n} words of their own", "yes")
    build(house, "winter", "autumn")
    assert splits("autumn") == splits("winter")
    assert len(set().union(*splits("winter").values())) > 1


def test_what_cannot_be_carried_is_built_whole_and_says_so(house: House) -> None:
    build(house, "autumn")
    house.passes(1)
    said: list[str] = []
    for number, (how, why) in enumerate(
        [
            ({"shares": Shares(test=1, validation=1)}, "curated otherwise"),
            ({"names": Names()}, "curated otherwise"),
            ({"software": "another"}, "another version"),
        ]
    ):
        said.clear()
        made = build(house, f"w{number}", "autumn", says=said.append, **how)
        assert made.manifest.base is msgspec.UNSET
        assert (
            why in made.whole_because
            and f"builds whole, nothing is carried from `autumn`: {made.whole_because}" in said
        )
    house.about(do.Delete, "p1", "p1own")
    house.passes(40)
    sweeper.sweep(house.installation)
    (house.installation.config.releases / "autumn" / "purge-1.json").write_bytes(b"{}")
    assert "purged" in build(house, "w8", "autumn").whole_because
    (house.installation.config.releases / "autumn" / "purge-1.json").unlink()
    (house.installation.config.releases / "autumn" / "manifest.json").write_bytes(b"{}")
    with pytest.raises(NotFoundError):
        build(house, "w9", "never-built")


def test_a_part_that_is_not_the_file_of_the_manifest_is_passed_over(house: House) -> None:
    first = build(house, "autumn")
    torn = first.folder / first.manifest.parts[0].file
    torn.write_bytes(torn.read_bytes()[:-1] + b"x")
    said: list[str] = []
    made = build(house, "winter", "autumn", says=said.append)
    check_whole(house, made)
    base = made.manifest.base
    assert (
        base is not msgspec.UNSET
        and 0 < base.carried <= first.manifest.rows - first.manifest.parts[0].rows
    )
    assert [line for line in said if "its hash differs" in line]


def test_a_build_from_a_base_that_is_killed_at_any_commit_goes_on(house: House, dsn: str) -> None:
    build(house, "autumn")
    live(house, Random(3))
    whole = build(house, "whole", "autumn").manifest
    for commit in range(10_000):
        name = f"r{commit}"
        try:
            with closing(counted(dsn, Count(commit, lambda: None))) as pool:
                build(house, name, "autumn", pool=pool)
        except Crash:
            if house.query("SELECT 1 FROM releases WHERE name = %s AND state = 'sealed'", name):
                continue
            made = build(house, name, "autumn")
            check_whole(house, made)
            check_nothing_is_left(house)
            assert (made.manifest.base, made.manifest.counts) == (whole.base, whole.counts)
        else:
            break
    assert commit > 10


def test_an_unfinished_build_goes_on_only_from_the_same_base(house: House) -> None:
    build(house, "autumn")
    build(house, "other")
    killed(house, "autumn")
    said: list[str] = []
    made = build(house, "winter", "other", says=said.append)
    assert "starts over: the release that it carries rows of differs" in said
    assert (
        made.manifest.base.release
        == catalog.find_release(house.installation, "other")[1].release_id.hex
    )


def killed(house: House, base: str) -> None:
    house.talk("p3", "p3zz", "a new one that nothing carries", "yes")
    with pytest.raises(Stopped):
        build(house, "winter", base, cleaner=Meddling(stop, 3), page_bytes_max=1)


@pytest.mark.parametrize(
    "lie",
    [
        {"carried": 1},
        {"rebuilt": 1},
        {"dropped": 1},
        {"rows": 1},
        {"root": "x"},
        {"release": "self"},
    ],
)
def test_a_statement_that_does_not_add_up_is_no_manifest(house: House, lie: dict[str, Any]) -> None:
    build(house, "autumn")
    made = build(house, "winter", "autumn").manifest
    change = {k: getattr(made.base, k) + v if isinstance(v, int) else v for k, v in lie.items()}
    if lie == {"release": "self"}:
        change = {"release": made.release}
    with pytest.raises(BrokenError):
        msgspec.structs.replace(made, base=msgspec.structs.replace(made.base, **change))

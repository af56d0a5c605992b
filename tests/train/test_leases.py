"""Which rows were withdrawn, and the keys of the others, as they leave the installation: over HTTP,
to a machine of the training cluster, to a run there. What a lease would refuse is what the bitmap
holds, after whatever people do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from litestar.testing import TestClient
from msgspec.structs import replace

import licet
from licet.access.roles import KeyBinding, Scope
from licet.cli.command import main
from licet.curate import release_build
from licet.erasure import sweeper
from licet.errors import (
    BrokenError,
    BusyError,
    DeniedError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from licet.policy.state import Share
from licet.release import catalog, manifest, purge
from licet.release.live_leases import DatabaseLeases
from licet.release.purge_verbs import purge_release
from licet.service import policy_changes
from licet.store.connect import Pool, transaction
from licet.train import bitmap, gate_files, node
from licet.train.gate import TrainingGate, WhenStale
from licet.train.remote import Keeper, Remote, read_key_file
from licet.vault.commands import AddTurn, Choose, Delete, GiveFeedback, Narrow, Widen
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac
from licet.vault.installation import Installation

from ..terms import preset
from ..waiting import wait_until
from ..web.served import AFTER, NOTICE, World, listening

PEOPLE = ("ana", "bo", "cy", "di", "eve")
CHATS = 3


class Trained:
    """An installation with a release of what five people said, and a machine that trains on it."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        self.world = World(pool, folder / "data", unknown_requests_per_minute=10**6)
        self.world.clock.set(NOTICE)
        self.chats: dict[str, UUID] = {}
        for name in PEOPLE:
            self.world.open(name, allow=True)
            for number in range(CHATS):
                said = self.world.say(
                    name, f"{name}{number}", f"How does {name} plant {number} pear trees?"
                )
                self.world.say(name, f"{name}{number}", "In November.", role=licet_role())
                self.chats[f"{name}{number}"] = UUID(hex=said.removeprefix("conv_"))
        self.installation = self.world.installation
        built = release_build.build_release(
            self.installation, name="autumn", purpose="improve_models"
        )
        assert built.manifest is not None
        self.folder, self.release = (
            self.installation.config.releases / "autumn",
            built.manifest.release,
        )
        self.sha256 = manifest.read_manifest(self.folder)[1]
        self.publisher = gate_files.Publisher(self.installation)
        self.gates, self.key_file = folder / "gates", folder / "lease.key"
        self.key_file.write_text(self.world.key(Scope.release_lease, name="cluster"))

    @property
    def ordinals(self) -> list[int]:
        return sorted(row[0] for row in self.world.rows("SELECT ordinal FROM release_rows"))

    def of(self, name: str) -> set[int]:
        """The ordinals of one person's rows, or of one conversation's."""
        if name in self.chats:
            about, which = "conversation_id", self.chats[name]
        else:
            about, which = "account_id", self.world.accounts[name]
        return {
            row[0]
            for row in self.world.rows(
                f"SELECT ordinal FROM release_rows WHERE {about} = %s", which
            )
        }

    def choose(self, name: str, allow: bool) -> None:
        self.world.tell(
            Choose(
                account=self.world.accounts[name],
                at=self.world.clock.now,
                allow=allow,
                via="notice",
            )
        )

    def withdrawn(self) -> set[int]:
        made = gate_files.Publisher(self.installation).publish(UUID(hex=self.release))
        return set(bitmap.verify_file(made.file, self.publisher.verifier).ordinals)

    def remote(self, url: str, **other: Any) -> Remote:
        key = read_key_file(self.key_file)
        return Remote(url, key, **({"recipient": "training", "clock": self.world.clock} | other))

    def keeper(self, source: Any) -> Keeper:
        return Keeper(
            source,
            self.publisher.verifier,
            self.gates,
            release=self.release,
            manifest_sha256=self.sha256,
            clock=self.world.clock,
        )

    def gate(self) -> TrainingGate:
        return node.gate(
            self.folder,
            self.gates,
            self.publisher.verifier.vkey,
            when_stale=WhenStale.stop,
            clock=lambda: self.world.clock.now.timestamp(),
        )


def licet_role() -> Any:
    from licet.policy.state import TurnRole

    return TurnRole.assistant


@pytest.fixture
def trained(pool: Pool, tmp_path: Path) -> Trained:
    return Trained(pool, tmp_path)


@pytest.fixture
def api(trained: Trained) -> Iterator[TestClient[Any]]:
    with TestClient(trained.world.app) as client:
        client.headers.update({"authorization": f"Bearer {trained.key_file.read_text()}"})
        yield client


# What is withdrawn


def test_the_bitmap_holds_what_a_lease_would_refuse_whatever_people_do(trained: Trained) -> None:
    draw, installation, world = Random(8), trained.installation, trained.world
    release, seen, numbers = UUID(hex=trained.release), set(), [0]
    for _ in range(24):
        name, number = draw.choice(PEOPLE), draw.randrange(CHATS)
        about = {
            "account": world.accounts[name],
            "at": world.clock.now,
            "conversation": trained.chats[f"{name}{number}"],
        }
        match draw.randrange(8):
            case 0:
                trained.choose(name, False)
            case 1 | 2:
                trained.choose(name, True)
            case 3:
                world.tell(Delete(**about))
            case 4:
                world.tell(Narrow(**about))
            case 5:
                world.tell(Widen(**about))
            case 6:
                host = host_hmac(world.site.host_key, "conversation", f"new{draw.random()}")
                world.tell(
                    AddTurn(
                        account=about["account"],
                        at=about["at"],
                        host_conversation=host,
                        content=encode(Content(text="x")),
                    )
                )
            case 7:
                world.clock.set(world.clock.now + timedelta(days=draw.choice([0, 1, 30])))
        now = trained.withdrawn()
        permitted = set(
            DatabaseLeases(installation.pool, installation.keyring, world.clock)
            .lease(release.bytes, 0, trained.ordinals)
            .keys
        )
        assert seen <= now, "a row that was withdrawn stays so"
        assert set(trained.ordinals) - permitted <= now
        assert not now & permitted - seen, "what is not withdrawn may be used"
        seen = now
        numbers.append(world.rows("SELECT number FROM withdrawn")[0][0])
    assert seen
    assert numbers == sorted(numbers)


def test_a_row_that_was_withdrawn_does_not_come_back_with_a_new_yes(trained: Trained) -> None:
    trained.choose("ana", False)
    assert trained.withdrawn() == trained.of("ana")
    trained.choose("ana", True)
    assert trained.withdrawn() == trained.of("ana")


def test_no_head_outlasts_a_row_that_it_leaves_out(trained: Trained) -> None:
    ends = trained.world.rows("SELECT min(keep_until) FROM segments")[0][0]
    trained.world.clock.set(ends - timedelta(seconds=301))
    assert trained.withdrawn() == set()
    trained.world.clock.set(ends - timedelta(seconds=299))
    assert trained.withdrawn() == set(trained.ordinals)


def test_a_release_that_is_not_there_or_not_sealed_has_no_head(trained: Trained) -> None:
    with pytest.raises(NotFoundError):
        trained.publisher.publish(UUID(int=7))
    with pytest.raises(UsageError, match="lasts 1 to 3600"):
        trained.publisher.publish(UUID(hex=trained.release), 3601)
    trained.world.rows("UPDATE releases SET state = 'building' RETURNING 1")
    with pytest.raises(DeniedError, match="not sealed"):
        gate_files.Publisher(trained.installation).publish(UUID(hex=trained.release))


# What leaves over HTTP


def test_withdrawn_rows_are_polled_by_their_number_and_nothing_new_is_said_signed(
    trained: Trained, api: Any
) -> None:
    path = f"/v1/releases/{trained.release}/withdrawn"
    first = api.get(path)
    assert (first.status_code, first.headers["etag"]) == (200, '"0"')
    assert bitmap.verify_file(first.content, trained.publisher.verifier).head.rows == 0
    nothing = api.get(path, headers={"if-none-match": '"0"'})
    assert (nothing.status_code, nothing.content) == (304, b"")
    assert nothing.headers["licet-head"]
    trained.choose("bo", False)
    api.app.state.pop("publisher", None)
    newer = api.get(path, headers={"if-none-match": '"0"'})
    assert (newer.status_code, newer.headers["etag"]) == (200, '"1"')
    assert set(
        bitmap.verify_file(newer.content, trained.publisher.verifier).ordinals
    ) == trained.of("bo")


def test_a_lease_has_the_keys_of_permitted_rows_of_one_part_and_is_recorded_once(
    trained: Trained, api: Any
) -> None:
    trained.choose("cy", False)
    path, asked = f"/v1/releases/{trained.release}/leases", {"part": 0, "recipient": "training"}
    given = api.post(path, json=asked).json()
    permitted = sorted(set(trained.ordinals) - trained.of("cy"))
    assert given["ordinals"] == permitted
    assert given["seconds"] == 300
    assert len(given["keys"]) == -(-len(permitted) * 32 // 3) * 4
    few = api.post(path, json={**asked, "ordinals": [permitted[0]], "seconds": 60}).json()
    assert (few["ordinals"], few["seconds"]) == ([permitted[0]], 60)
    rows = trained.world.rows(
        """SELECT l.recipient, part, asked, given, k.name,
             extract(epoch FROM l.expires_at - given_at)::int
             FROM leases l JOIN api_keys k USING (key_id) ORDER BY asked DESC"""
    )
    whole = rows[0][2]
    assert whole >= len(trained.ordinals)
    assert rows == [
        ("training", 0, whole, len(permitted), "cluster", 300),
        ("training", 0, 1, 1, "cluster", 60),
    ]
    assert trained.world.rows("SELECT recipient FROM handouts") == [("training",)]


TOO_MUCH: list[tuple[dict[str, Any], int]] = [
    ({"part": 0, "recipient": "training", "seconds": 3601}, 400),
    ({"part": 0, "recipient": "training", "seconds": 0}, 400),
    ({"part": 0, "recipient": "A Third Party"}, 400),
    ({"part": 0}, 400),
    ({"part": -1, "recipient": "training"}, 400),
    ({"part": 3, "recipient": "training"}, 404),
    ({"part": 0, "recipient": "training", "ordinals": [0, 50_000]}, 400),
    ({"part": 0, "recipient": "training", "ordinals": [-1]}, 400),
    ({"part": 0, "recipient": "training", "ordinals": list(range(4_097))}, 400),
    ({"part": 0, "recipient": "training", "all": True}, 400),
]


def test_a_lease_that_asks_too_much_is_refused_and_nothing_leaves(
    trained: Trained, api: Any
) -> None:
    for body, status in TOO_MUCH:
        answer = api.post(f"/v1/releases/{trained.release}/leases", json=body)
        assert answer.status_code == status, (body, answer.text)
        assert "keys" not in answer.json()
    assert trained.world.rows("SELECT 1 FROM leases") == []


def test_only_a_service_with_the_scope_gets_keys(trained: Trained, api: Any) -> None:
    path, body = f"/v1/releases/{trained.release}/leases", {"part": 0, "recipient": "training"}
    others = [scope for scope in Scope if scope is not Scope.release_lease]
    for headers, status in (
        ({"authorization": ""}, 401),
        (trained.world.service(*others), 403),
        (trained.world.person("ana"), 403),
        (trained.world.staff() | {"authorization": ""}, 403),
    ):
        assert api.post(path, json=body, headers=headers).status_code == status
    assert trained.world.rows("SELECT 1 FROM leases") == []


# Whom a key stands for


def leasing(
    trained: Trained, *, release: str = "autumn", recipient: str = "lab-one", own: bool = False
) -> dict[str, str]:
    bound = KeyBinding(recipient=recipient, own=own, releases=(release,))
    return {"authorization": f"Bearer {trained.world.key(Scope.release_lease, bound=bound)}"}


def named(trained: Trained, *recipients: str) -> None:
    """A policy version whose recipients are these, in force from now on."""
    policy = replace(
        preset("article-2025"),
        version="2025-09-15",
        effective=trained.world.clock.now,
        material=True,
        recipients=frozenset(recipients),
    )
    policy_changes.apply_policy(trained.installation, policy, actor="test")


def lease(trained: Trained, api: Any, headers: dict[str, str], recipient: str = "lab-one") -> Any:
    body = {"part": 0, "recipient": recipient}
    return api.post(f"/v1/releases/{trained.release}/leases", json=body, headers=headers)


def test_a_key_leases_for_the_recipient_that_it_is_bound_to_and_for_no_other(
    trained: Trained, api: Any
) -> None:
    headers = leasing(trained, recipient="training", own=True)
    refused = lease(trained, api, headers, "somebody-else")
    assert (refused.status_code, "keys" in refused.json()) == (403, False)
    assert trained.world.rows("SELECT 1 FROM leases UNION ALL SELECT 1 FROM handouts") == []
    assert lease(trained, api, headers, "training").status_code == 201


@pytest.mark.parametrize(
    ("bound", "status"),
    [("autumn", 201), ("aut*", 201), ("*", 201), ("winter", 404), ("autum", 404)],
)
def test_a_key_leases_the_releases_that_it_is_bound_to_and_knows_of_no_other(
    trained: Trained, api: Any, bound: str, status: int
) -> None:
    headers = leasing(trained, release=bound, recipient="training", own=True)
    assert lease(trained, api, headers, "training").status_code == status
    seen = api.get(f"/v1/releases/{trained.release}/withdrawn", headers=headers).status_code
    assert seen == (200 if status == 201 else 404)


def test_row_keys_go_to_a_recipient_that_the_policy_names_as_exports_do(
    trained: Trained, api: Any
) -> None:
    headers = leasing(trained)
    refused = lease(trained, api, headers)
    assert (refused.status_code, refused.json()["because"]) == (409, "recipient")
    assert trained.world.rows("SELECT 1 FROM leases UNION ALL SELECT 1 FROM handouts") == []
    named(trained, "lab-one")
    assert lease(trained, api, headers).status_code == 201
    trained.world.clock.set(trained.world.clock.now + timedelta(days=1))
    policy = replace(
        preset("article-2025"),
        version="2025-10-15",
        effective=trained.world.clock.now,
        recipients=frozenset(),
    )
    policy_changes.apply_policy(trained.installation, policy, actor="test")
    assert lease(trained, api, headers).json()["because"] == "recipient", (
        "the policy decides at each lease"
    )


def test_row_keys_of_a_safety_release_go_to_no_recipient(trained: Trained, api: Any) -> None:
    """What an export refuses a lease refuses too."""
    named(trained, "lab-one")
    with transaction(trained.installation.pool) as tx:
        tx.execute("UPDATE releases SET purpose = 'safety_classifiers'")
    refused = lease(trained, api, leasing(trained))
    assert (refused.status_code, refused.json()["because"]) == (409, "purpose")


def test_a_key_of_before_that_is_bound_to_nobody_leases_nothing(trained: Trained, api: Any) -> None:
    with transaction(trained.installation.pool) as tx:
        tx.execute("UPDATE api_keys SET recipient = NULL, releases = NULL, own = false")
    assert (
        lease(
            trained, api, {"authorization": f"Bearer {read_key_file(trained.key_file)}"}, "training"
        ).status_code
        == 404
    )


@pytest.mark.parametrize(
    ("bound", "scopes"),
    [
        (KeyBinding(), (Scope.release_lease,)),
        (KeyBinding(recipient="lab-one"), (Scope.release_lease,)),
        (KeyBinding(recipient="lab-one", releases=("autumn",)), (Scope.gate_read,)),
        (KeyBinding(recipient="Lab One", releases=("autumn",)), (Scope.release_lease,)),
        (KeyBinding(recipient="lab-one", releases=("au*tumn",)), (Scope.release_lease,)),
        (KeyBinding(own=True), (Scope.gate_read,)),
        (KeyBinding(), (Scope.events_acknowledge,)),
    ],
)
def test_no_key_is_made_that_stands_for_nobody(
    trained: Trained, bound: KeyBinding, scopes: tuple[Scope, ...]
) -> None:
    with pytest.raises(UsageError):
        trained.world.key(*scopes, bound=bound)


def test_a_machine_is_told_why_the_installation_refuses_it(trained: Trained) -> None:
    trained.key_file.write_text(leasing(trained)["authorization"].removeprefix("Bearer "))
    with listening(trained.world.app) as url:
        with (
            trained.remote(url, recipient="lab-one") as remote,
            pytest.raises(RefusedError, match="does not name the recipient"),
        ):
            remote.lease(bytes.fromhex(trained.release), 0, [0])
        with (
            trained.remote(url, recipient="lab-two") as remote,
            pytest.raises(DeniedError, match="another recipient"),
        ):
            remote.lease(bytes.fromhex(trained.release), 0, [0])


def test_a_machine_takes_a_purge_by_the_logs_key_that_the_installation_gives_it(
    trained: Trained,
) -> None:
    trained.world.tell(
        Delete(
            account=trained.world.accounts["di"],
            at=trained.world.clock.now,
            conversation=trained.chats["di0"],
        )
    )
    trained.world.clock.set(trained.world.clock.now + timedelta(days=40))
    sweeper.sweep(trained.installation)
    assert purge_release(trained.installation, "autumn").rows == 1
    with listening(trained.world.app) as url, trained.remote(url) as remote:
        kept(trained.keeper(remote), 1)
        rows = licet.load(
            trained.folder, gate=trained.gate(), leases=remote, clock=trained.world.clock
        )
        assert not {row["ordinal"] for row in rows} & trained.of("di0")
        file = trained.folder / "purge-1.json"
        said = purge.decode(
            file.read_bytes(), file.name, catalog.log_key(trained.installation)
        ).purge
        file.write_bytes(purge.sign(said, bytes(32)).data)
        with pytest.raises(BrokenError, match="was not signed by the log"):
            licet.load(
                trained.folder, gate=trained.gate(), leases=remote, clock=trained.world.clock
            )


# A machine of the cluster, and a run on it


def kept(keeper: Keeper, number: int) -> None:
    """Asks until the file has this number: what the server remembers is a fifth of a second old at
    most.
    """

    def reached() -> bool:
        keeper.poll()
        return keeper.known is not None and keeper.known.head.number >= number

    wait_until(reached, f"the file has number {number}")


def test_a_withdrawal_reaches_a_run_on_another_machine_and_its_rows_are_used_no_more(
    trained: Trained,
) -> None:
    with listening(trained.world.app) as url, trained.remote(url) as remote:
        keeper = trained.keeper(remote)
        kept(keeper, 0)
        rows = licet.load(
            trained.folder, gate=trained.gate(), leases=remote, clock=trained.world.clock
        )
        assert sorted(row["ordinal"] for row in rows) == trained.ordinals
        assert "pear trees" in rows[0]["messages"][0]["content"]
        trained.choose("di", False)
        kept(keeper, 1)
        rows.close()
        rows = licet.load(
            trained.folder, gate=trained.gate(), leases=remote, clock=trained.world.clock
        )
        found = [row["ordinal"] for row in rows]
        assert len(found) == len(trained.ordinals)
        assert not set(found) & trained.of("di")
        assert set(remote.lease(bytes.fromhex(trained.release), 0, trained.ordinals).keys) == (
            set(trained.ordinals) - trained.of("di")
        )


def test_what_people_rated_reaches_a_machine_with_the_keys_and_goes_with_a_withdrawal(
    trained: Trained,
) -> None:
    trained.world.tell(
        GiveFeedback(
            account=trained.world.accounts["bo"],
            at=trained.world.clock.now,
            conversation=trained.chats["bo1"],
            rating="down",
            share=Share.rating,
            turn=2,
        )
    )
    keeper = trained.keeper(gate_files.LocalSource(trained.installation))
    keeper.poll()
    (mine,) = trained.of("bo1")
    with listening(trained.world.app) as url:
        remote = trained.remote(url)
        rows = licet.load(
            trained.folder, gate=trained.gate(), leases=remote, clock=trained.world.clock
        )
        told = {row["ordinal"]: row["ratings"] for row in rows if "ratings" in row}
        assert told == {mine: [{"message": 1, "rating": "down"}]}
        trained.choose("bo", False)
        assert remote.lease(bytes.fromhex(trained.release), 0, trained.ordinals).ratings == {}


def test_the_file_is_written_when_something_is_new_or_its_lease_has_worn(trained: Trained) -> None:
    keeper = trained.keeper(gate_files.LocalSource(trained.installation))
    assert keeper.poll()
    trained.world.clock.set(trained.world.clock.now + timedelta(seconds=99))
    assert not trained.keeper(gate_files.LocalSource(trained.installation)).poll()
    trained.world.clock.set(trained.world.clock.now + timedelta(seconds=2))
    again = trained.keeper(gate_files.LocalSource(trained.installation))
    assert again.poll()
    assert again.known is not None
    assert again.known.head.issued == trained.world.clock.now


def test_who_follows_a_release_is_told_of_each_new_state_of_it_once(trained: Trained) -> None:
    asked, told = list[float](), list[int]()

    def wait(seconds: float) -> bool:
        asked.append(seconds)
        if len(asked) == 2:
            trained.world.clock.set(trained.world.clock.now + timedelta(seconds=1))
            trained.choose("ana", False)
        return len(asked) == 4

    trained.keeper(gate_files.LocalSource(trained.installation, 60)).follow(
        wait, lambda known: told.append(known.head.number)
    )
    assert (len(asked), len(told), len(set(told))) == (4, 2, 2)


def test_where_the_installation_is_away_nothing_is_written_and_the_run_stops_when_its_lease_ends(
    trained: Trained,
) -> None:
    class Away:
        def withdrawn(self, release: str, known: Any) -> Any:
            raise BusyError("away")

    trained.keeper(gate_files.LocalSource(trained.installation)).poll()
    gate = trained.gate()
    assert gate.check([0]) == []
    waits: list[float] = []
    trained.keeper(Away()).follow(
        lambda seconds: waits.append(seconds) or len(waits) > 8, lambda _: None
    )
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(waits) == 10.0
    trained.world.clock.set(trained.world.clock.now + timedelta(seconds=300))
    with pytest.raises(DeniedError, match="expired"):
        gate.check([0])


def test_an_installation_that_takes_a_withdrawal_back_is_not_believed(trained: Trained) -> None:
    trained.choose("eve", False)
    keeper = trained.keeper(gate_files.LocalSource(trained.installation))
    keeper.poll()
    trained.world.rows(
        "UPDATE withdrawn SET number = 2, bitmap = %s, cardinality = 0 RETURNING 1",
        bitmap.serialize([]),
    )
    with pytest.raises(BrokenError, match="are not in number"):
        trained.keeper(gate_files.LocalSource(trained.installation)).poll()


def test_keys_travel_over_https_only_and_a_key_file_that_is_none_says_so(
    trained: Trained, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="https only"):
        trained.remote("http://licet.example.org")
    (tmp_path / "wrong").write_text("hello")
    with pytest.raises(UsageError, match="does not contain a service"):
        read_key_file(tmp_path / "wrong")
    with listening(trained.world.app) as url:
        with pytest.raises(NotFoundError):
            trained.remote(url).withdrawn("f" * 32, None)
        stranger = Remote(
            url,
            "licet_" + "0" * 32 + "_" + "A" * 43,
            recipient="training",
            clock=trained.world.clock,
        )
        with pytest.raises(DeniedError):
            stranger.withdrawn(trained.release, None)
    with pytest.raises(BusyError):
        trained.remote("http://127.0.0.1:9").withdrawn(trained.release, None)


def test_a_run_beside_its_installation_needs_no_server_and_no_leases_of_its_own(
    trained: Trained, dsn: str
) -> None:
    environment = {"LICET_DATABASE_URL": dsn, "LICET_DATA": str(trained.installation.config.data)}
    trained.world.clock.set(AFTER)
    runner = CliRunner(env=environment)
    key = runner.invoke(main, ["train", "gate-key"])
    assert key.exit_code == 0, key.stderr
    wrote = runner.invoke(
        main,
        ["train", "gate", str(trained.folder), "--into", str(trained.gates), "--once", "--json"],
    )
    assert wrote.exit_code == 0, (wrote.stderr, wrote.exception)
    said = json.loads(wrote.stdout)
    assert (said["release"], said["number"], said["rows"]) == (trained.release, 0, 0)
    assert datetime.fromisoformat(said["until"]) > datetime.now().astimezone()
    gate = licet.gate(trained.folder, trained.gates, key.stdout, when_stale="stop")
    config = Installation and trained.installation.config
    rows = licet.load(
        trained.folder, gate=gate, config=type(config).from_environment(environment, config.data)
    )
    assert sorted(row["ordinal"] for row in rows) == trained.ordinals

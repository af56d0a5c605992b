"""A release holds exactly what may be used at its seal, whatever ends while it is built, and
nothing of it outlives a key.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

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
from licet.policy.file import Policy, from_document
from licet.policy.state import TurnRole
from licet.release import catalog, manifest, registry
from licet.release.build import Builder
from licet.release.build_order import BuildOrder, BuildResult
from licet.release.live_leases import DatabaseLeases
from licet.release.part import EPOCH
from licet.release.row_runs import RowSources
from licet.release.rows import derive_row_id
from licet.release.tally import Tally
from licet.service import policy_changes, release_view
from licet.store.connect import Pool, transaction
from licet.train import gate_files
from licet.vault import commands as do
from licet.vault.content import Content
from licet.vault.conversation_pages import page_after
from licet.vault.ids import uuid7
from licet.vault.installation import load_policies

from ..installed import BEGIN, DAY, House
from ..terms import preset

IMPROVE, SAFETY = "improve_models", "safety_classifiers"


class Meddling(release_build.RuleCleaner):
    """De-identifies, and lets something happen while the nth conversation is being cleaned."""

    def __init__(self, happens: Callable[[], object], nth: int = 1) -> None:
        self._happens, self._left = happens, nth

    def clean(self, texts: Sequence[str], key: bytes) -> tuple[Sequence[str], Mapping[str, int]]:
        self._left -= 1
        if self._left == 0:
            self._happens()
        return super().clean(texts, key)


def build(
    house: House, name: str = "r", purpose: str = IMPROVE, cleaner: Any = None, **bounds: int
) -> BuildResult:
    installation = house.installation
    builder = Builder(
        installation.pool,
        installation.keyring,
        load_policies(installation),
        cleaner or release_build.RuleCleaner(),
        installation.clock,
        **bounds,
    )
    return builder.run(
        BuildOrder(
            name=name, purpose=purpose, folder=installation.config.releases / name, software="test"
        )
    )


def sealed_rows(house: House, name: str) -> list[RowSources]:
    with transaction(house.installation.pool) as tx:
        known = registry.find(tx, name)
        assert known is not None
        every = tx.execute(
            "SELECT ordinal FROM release_rows WHERE release_id = %s", [known.release_id]
        ).fetchall()
        return registry.rows_at(tx, known.release_id, [ordinal for (ordinal,) in every])


def ids(house: House, name: str = "r") -> set[bytes]:
    """The ids of the rows that the database knows of a release."""
    with transaction(house.installation.pool) as tx:
        known = registry.find(tx, name)
    assert known is not None
    return {derive_row_id(known.release_id.bytes, row.ordinal) for row in sealed_rows(house, name)}


def check_whole(house: House, built: BuildResult) -> None:
    """The folder is what was sealed, and the database knows exactly its rows and turns."""
    promised = built.manifest
    rows = sealed_rows(house, promised.name)
    assert catalog.verify_release(house.installation, promised.name) == []
    assert len(rows) == promised.rows
    assert sum(source.count for row in rows for source in row.sources) == promised.counts.included
    assert promised.counts.candidates == promised.counts.included + sum(
        promised.counts.dropped.values()
    )


# What goes in


def test_what_may_be_used_goes_in_and_all_else_is_left_out_with_its_reason(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    house.open("bo", allow=False)
    house.talk("bo", "b1")
    house.open("cy", plan="work")
    house.talk("cy", "c1")
    house.say("ana", "a1", "the tool's own output", TurnRole.tool)
    built = build(house)
    check_whole(house, built)
    assert built.manifest.counts.candidates == 7
    assert built.manifest.counts.included == 2
    assert built.manifest.counts.dropped == {"declined": 2, "out_of_scope": 2, "origin": 1}
    assert house.words("r") == ["ana asks in a1", "answer in a1"]


def test_a_release_whose_rows_share_a_number_is_not_sealed(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    house.open("bo", allow=True)
    house.talk("bo", "b1")
    build(house)
    with (
        pytest.raises(BrokenError, match="two rows of the release `r` have the ordinal `0`"),
        transaction(house.installation.pool) as tx,
    ):
        tx.execute("UPDATE release_runs SET first = 0, sources = ARRAY[set_byte(sources[1], 0, 0)]")
        known = registry.find(tx, "r")
        assert known is not None
        registry.seal(tx, known)


def test_an_empty_release_is_built_shown_verified_and_loaded(house: House) -> None:
    house.open("bo", allow=False)
    house.talk("bo", "b1")
    built = build(house)
    check_whole(house, built)
    assert (built.manifest.rows, built.manifest.parts) == (0, ())
    assert release_view.show(house.installation, "r").rows_usable_now == 0
    assert house.rows("r") == []


def test_a_release_of_an_installation_without_a_single_account_is_empty(house: House) -> None:
    built = build(house)
    check_whole(house, built)
    assert built.manifest.counts.candidates == 0


def test_a_side_thread_is_a_row_of_its_own(house: House) -> None:
    house.open("ana", allow=True)
    house.say("ana", "a1", "please look into it")
    house.say("ana", "a1", Content(text="look here", thread="agent-1"), TurnRole.assistant)
    house.say("ana", "a1", Content(text="found it", thread="agent-1"), TurnRole.assistant)
    house.say("ana", "a1", "it is done", TurnRole.assistant)
    built = build(house)
    check_whole(house, built)
    said = [[message["content"] for message in messages] for messages in house.rows("r")]
    assert said == [["please look into it", "it is done"], ["look here", "found it"]]


def test_what_identifies_is_replaced_and_consistently_within_a_conversation(house: House) -> None:
    house.open("ana", allow=True)
    address = "tilda.marr@marr-mail.net"
    house.talk("ana", "a1", f"write to {address} please", f"I wrote to {address}")
    house.passes(1)
    house.talk("ana", "a2", f"again {address}", "yes")
    built = build(house)
    words = house.words("r")
    # a surrogate may be a Dunmarrow
    assert not any("tilda" in text or "marr-mail" in text for text in words)
    first, second, other, _ = (re.findall(r"\S+@\S+", text) for text in words)
    assert first == second != []
    assert other != first
    assert built.manifest.deidentification.counts == {"email": 3}


def test_a_purpose_that_the_policy_does_not_cover_is_refused(house: House) -> None:
    with pytest.raises(RefusedError, match="does not cover the purpose `advertising`") as refused:
        build(house, purpose="advertising")
    assert refused.value.because == "purpose"
    assert house.query("SELECT * FROM releases") == []


def test_a_turn_with_neither_words_nor_calls_is_left_out(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    house.say("ana", "a1", Content(text=" ", attachments=("plan.pdf",)))
    assert build(house).manifest.counts.dropped == {"empty": 1}


def test_a_conversation_too_large_for_a_row_is_left_out_and_breaks_no_release(house: House) -> None:
    """25 million letters of three bytes each: within the bound by letters, beyond it by bytes."""
    house.open("ana", allow=True)
    house.say("ana", "a1", "漢" * 12_500_000)
    house.say("ana", "a1", "字" * 12_500_000)
    house.talk("ana", "a2")
    built = build(house)
    check_whole(house, built)
    assert built.manifest.counts.dropped == {"too_large": 2}
    assert built.manifest.rows == 1


# Safety


def flagged(house: House) -> None:
    house.open("ana", allow=False)
    house.talk("ana", "a1", "a scam in many words", "no")
    house.about(do.Flag, "ana", "a1", score=0.9)
    house.talk("ana", "a2", "nothing of note", "indeed")


def test_what_was_flagged_serves_the_safety_classifiers_from_its_copy(house: House) -> None:
    flagged(house)
    built = build(house, purpose=SAFETY)
    check_whole(house, built)
    assert house.words("r") == ["a scam in many words", "no"]
    assert [place.value for row in sealed_rows(house, "r") for _, place in row.keys] == ["safety"]
    house.passes(40)
    assert sweeper.sweep(house.installation).segments == 2
    assert house.words("r") == ["a scam in many words", "no"]


def test_what_was_flagged_never_improves_models(house: House) -> None:
    flagged(house)
    assert build(house).manifest.rows == 0


def test_a_row_of_what_was_flagged_dies_when_the_flag_is_overturned(house: House) -> None:
    flagged(house)
    build(house, purpose=SAFETY)
    house.about(do.Unflag, "ana", "a1")
    assert house.words("r") == []
    assert build(house, "again", SAFETY).manifest.rows == 0


# What ends afterwards


def two_segments(house: House) -> None:
    """A conversation whose second part was said on another plan."""
    house.open("ana", allow=True, plan="pro")
    house.talk("ana", "a1", "first", "yes")
    house.account(do.SetPlan, "ana", plan="max")
    house.talk("ana", "a1", "second", "yes")
    house.talk("ana", "a2")


@pytest.mark.state_is_broken("a key is destroyed, and nothing that it sealed")
@pytest.mark.parametrize("segment", [0, 1])
def test_a_row_of_two_segments_dies_when_either_key_dies(house: House, segment: int) -> None:
    two_segments(house)
    built = build(house)
    (row,) = [row for row in sealed_rows(house, "r") if len(row.keys) == 2]
    assert len(house.rows("r")) == 2
    house.query(
        """UPDATE segments SET key_slot = NULL WHERE conversation_id = %s AND segment = %s
          RETURNING 1""",
        house.chats["a1"],
        segment,
    )
    assert [messages[0]["content"] for messages in house.rows("r")] == ["ana asks in a2"]
    leases = DatabaseLeases(house.installation.pool, house.installation.keyring, house.clock)
    assert row.ordinal not in leases.lease(built.manifest.release_id, 0, [0, 1]).keys


def withdraws(house: House) -> None:
    house.choose("ana", False)


def deletes(house: House) -> None:
    house.about(do.Delete, "ana", "a1")


def keeps_out(house: House) -> None:
    house.about(do.Narrow, "ana", "a1")


def closes(house: House) -> None:
    house.account(do.CloseAccount, "ana")


def moves_to_work(house: House) -> None:
    house.account(do.SetPlan, "ana", plan="work")


def is_found_a_child(house: House) -> None:
    house.account(do.SetAge, "ana", age=12)


def goes_on_through_another_surface(house: House) -> None:
    house.say("ana", "a1", "and now from elsewhere", surface="bedrock")


def expires(house: House) -> None:
    house.passes(5 * 366)
    sweeper.sweep(house.installation)


ENDINGS = [
    withdraws,
    deletes,
    keeps_out,
    closes,
    moves_to_work,
    goes_on_through_another_surface,
    expires,
]


@pytest.fixture
def strict(pool: Pool, tmp_path: Path) -> House:
    """A house whose policy reads ages, so that finding one ends something."""
    document = preset("article-2025").document()
    document["min_age"] = 16
    return House(pool, tmp_path / "data", from_document(document))


@pytest.mark.parametrize("ends", [*ENDINGS, is_found_a_child])
@pytest.mark.parametrize("nth", [1, 2])
def test_what_ends_while_a_release_is_built_is_not_in_it(
    strict: House, ends: Callable[[House], None], nth: int
) -> None:
    """The ending comes while the account's first or second row is made: after it was decided,
    before it is written.
    """
    house = strict
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    house.talk("ana", "a2")
    built = build(house, cleaner=Meddling(lambda: ends(house), nth), rows_per_part=1)
    check_whole(house, built)
    whole = ends in (deletes, keeps_out, goes_on_through_another_surface)
    assert [m[0]["content"] for m in house.rows("r")] == (["ana asks in a2"] if whole else [])
    assert built.manifest.rows == (1 if whole else 0)
    assert {place.conversation for place in sealed_rows(house, "r")} <= {house.chats["a2"]}


@pytest.mark.parametrize("ends", [*ENDINGS, is_found_a_child])
def test_what_ends_after_the_seal_comes_out_of_no_copy(
    strict: House, ends: Callable[[House], None], tmp_path: Path
) -> None:
    house = strict
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    house.open("bo", allow=True)
    built = build(house)
    shutil.copytree(built.folder, tmp_path / "copy")
    assert house.words(tmp_path / "copy") == ["ana asks in a1", "answer in a1"]
    ends(house)
    assert house.rows("r") == house.rows(tmp_path / "copy") == []


def test_an_overturned_flag_while_a_release_is_built_takes_its_row_out(house: House) -> None:
    flagged(house)
    built = build(
        house, purpose=SAFETY, cleaner=Meddling(lambda: house.about(do.Unflag, "ana", "a1"))
    )
    check_whole(house, built)
    assert built.manifest.rows == 0


def test_a_key_destroyed_between_the_decision_and_the_opening_breaks_no_release(
    house: House,
) -> None:
    """Progress is told just in between."""
    flagged(house)
    installation = house.installation
    builder = Builder(
        installation.pool,
        installation.keyring,
        load_policies(installation),
        release_build.RuleCleaner(),
        installation.clock,
        lambda _turns: house.about(do.Unflag, "ana", "a1"),
    )
    built = builder.run(
        BuildOrder(
            name="r", purpose=SAFETY, folder=installation.config.releases / "r", software="test"
        )
    )
    check_whole(house, built)
    assert built.manifest.rows == 0


def test_a_sweep_whose_clock_is_ahead_of_the_builds_breaks_no_release(
    pool: Pool, tmp_path: Path
) -> None:
    """What the build's clock still permits has been erased: once its row is made, once before; a
    safety copy is left.
    """
    document = preset("article-2025").document()
    document["keep"]["opted_in"] = "P10D"
    house = House(pool, tmp_path / "data", from_document(document))
    house.open("ana", allow=True)
    for chat in ("a1", "a2"):
        house.talk("ana", chat)
        house.about(do.Flag, "ana", chat)

    def sweep_ahead() -> None:
        house.passes(20)
        assert sweeper.sweep(house.installation).segments == 2
        house.passes(-20)

    built = build(house, cleaner=Meddling(sweep_ahead), page_bytes_max=1)
    check_whole(house, built)
    assert built.manifest.counts.dropped == {"incomplete_row": 2, "erased": 2}


def test_a_row_whose_own_end_passes_during_the_build_is_left_out_though_its_conversation_goes_on(
    house: House,
) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    house.talk("ana", "a2")

    def years_pass_and_it_is_resumed() -> None:
        house.passes(5 * 365)
        house.talk("ana", "a1", "still here", "yes")
        house.passes(2)

    built = build(house, cleaner=Meddling(years_pass_and_it_is_resumed))
    check_whole(house, built)
    assert built.manifest.rows == 0
    assert built.manifest.counts.dropped == {"incomplete_row": 2, "expired": 2}


def test_a_release_that_ends_while_it_is_read_stops_within_the_seconds_of_a_lease(
    house: House,
) -> None:
    house.open("ana", allow=True)
    for n in range(6):
        house.talk("ana", f"a{n}")
    build(house)
    rows = catalog.open_release(house.installation, "r")
    next(rows)
    house.choose("ana", False)
    next(rows)  # the lease of this group still holds
    house.now += timedelta(seconds=301)
    assert list(rows) == []
    assert (rows.yielded, rows.withheld, rows.complete) == (2, 4, True)


def test_a_row_that_expires_while_it_is_leased_is_withheld(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    house.passes(1)
    house.talk("ana", "a2")
    built = build(house)
    (until, _) = (u for (u,) in house.query("SELECT keep_until FROM segments ORDER BY keep_until"))
    house.now = until - timedelta(seconds=60)
    rows = catalog.open_release(house.installation, "r")
    house.now = until
    assert [row["messages"][0]["content"] for row in rows] == ["ana asks in a2"]
    house.now = until - timedelta(seconds=1)
    leases = DatabaseLeases(house.installation.pool, house.installation.keyring, house.clock)
    lease = leases.lease(built.manifest.release_id, 0, [0, 1])
    assert len(lease.keys) == 1, "a row in its last seconds would cut the lease of the others short"
    assert lease.expires > until


# Stopped builds


class Stopped(Exception):
    """What stops a build in a test."""


def stop() -> None:
    raise Stopped


def test_a_build_stopped_while_it_cleans_leaves_nothing_to_lease_and_goes_on(house: House) -> None:
    house.open("ana", allow=True)
    for n in range(4):
        house.talk("ana", f"a{n}")
    with pytest.raises(Stopped):
        build(house, cleaner=Meddling(stop, 3), page_bytes_max=1, rows_per_part=1)
    check_unfinished(house)
    built = build(house)
    check_whole(house, built)
    assert built.manifest.rows == 4
    assert house.query("SELECT count(*) FROM releases") == [(1,)]


def check_unfinished(house: House) -> None:
    with transaction(house.installation.pool) as tx:
        known = registry.find(tx, "r")
    assert known is not None
    assert known.state == "building"
    leases = DatabaseLeases(house.installation.pool, house.installation.keyring, house.clock)
    with pytest.raises(DeniedError, match="is not sealed"):
        leases.lease(known.release_id.bytes, 0, range(4))
    with pytest.raises((NotFoundError, RefusedError, UsageError)):
        catalog.verify_release(house.installation, "r")


@pytest.mark.parametrize("looks", range(1, 12))
def test_a_build_stopped_at_any_look_at_the_clock_goes_on(house: House, looks: int) -> None:
    house.open("ana", allow=True)
    for n in range(3):
        house.talk("ana", f"a{n}")
    left = looks

    def clock() -> datetime:
        nonlocal left
        left -= 1
        if left == 0:
            raise Stopped
        return house.now

    installation = house.installation
    order = BuildOrder(
        name="r", purpose=IMPROVE, folder=installation.config.releases / "r", software="test"
    )
    builder = Builder(
        installation.pool,
        installation.keyring,
        load_policies(installation),
        release_build.RuleCleaner(),
        clock,
        page_bytes_max=1,
        rows_per_part=1,
    )
    try:
        builder.run(order)
    except Stopped:
        if house.query("SELECT 1 FROM releases"):
            check_unfinished(house)
        built = build(house)
        check_whole(house, built)
        assert built.manifest.rows == 3
    else:
        assert looks > 5, "a build looks at the clock at its begin, for each page, and at its end"


def test_the_name_of_a_sealed_release_is_refused(house: House) -> None:
    build(house)
    with pytest.raises(RefusedError, match="there is already a release `r`"):
        build(house)
    assert catalog.verify_release(house.installation, "r") == []


@pytest.mark.parametrize("unfinished", [False, True])
def test_a_folder_that_holds_anything_else_is_never_cleared_away(
    house: House, unfinished: bool
) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    if unfinished:
        with pytest.raises(Stopped):
            build(house, cleaner=Meddling(stop))
    folder = house.installation.config.releases / "r"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(RefusedError, match="does not belong to an unfinished build"):
        build(house)
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_a_folder_with_a_release_of_another_installation_is_not_cleared_away(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    other = build(house, "other")
    with pytest.raises(Stopped):
        build(house, cleaner=Meddling(stop))
    shutil.rmtree(house.installation.config.releases / "r")
    shutil.copytree(other.folder, house.installation.config.releases / "r")
    with pytest.raises(RefusedError, match="does not belong to an unfinished build"):
        build(house)
    assert (house.installation.config.releases / "r" / manifest.FILE).exists()


def test_two_builds_of_one_name_do_not_meet(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1")

    def second() -> None:
        with pytest.raises(BusyError, match="is being built already"):
            build(house)

    check_whole(house, build(house, cleaner=Meddling(second)))


def next_version(house: House, effective: datetime) -> Policy:
    document = preset("article-2025").document()
    return from_document(
        {**document, "version": "next", "effective": effective.isoformat(), "decide_by": None}
    )


def test_a_version_that_becomes_effective_during_a_build_leaves_it_unsealed(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    policy_changes.apply_policy(
        house.installation, next_version(house, house.now + DAY), actor="test"
    )
    with pytest.raises(BusyError, match="became effective"):
        build(house, cleaner=Meddling(lambda: house.passes(1)))
    check_unfinished(house)
    check_whole(house, build(house))


def test_a_version_that_was_added_and_became_effective_during_a_build_leaves_it_unsealed(
    house: House,
) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1")

    def add() -> None:
        policy_changes.apply_policy(
            house.installation, next_version(house, house.now), actor="test"
        )
        house.passes(1)

    with pytest.raises(BusyError, match="became effective"):
        build(house, cleaner=Meddling(add))
    check_unfinished(house)


# Size


def test_a_page_is_bounded_in_bytes_and_holds_at_least_one_conversation(house: House) -> None:
    house.open("ana", allow=True)
    sizes = {}
    for n in range(12):
        house.say("ana", f"a{n}", "word " * (4_000 if n == 5 else 10))
        sizes[house.chats[f"a{n}"]] = n
    zero = uuid7(BEGIN - DAY * 20_000, bytes(10))
    pages, after = [], (zero, zero)
    with transaction(house.installation.pool) as tx:
        while page := page_after(tx, after, bytes_max=2_000):
            pages.append([sizes[conversation] for _, conversation in page])
            after = page[-1]
    assert sorted(n for page in pages for n in page) == list(range(12))
    weigh = {n: 512 + octets for n, octets in house_octets(house, sizes).items()}
    assert all(sum(weigh[n] for n in page) <= 2_000 or len(page) == 1 for page in pages)
    assert max(map(len, pages)) > 1, "small ones share a page"


def house_octets(house: House, sizes: dict[Any, int]) -> dict[int, int]:
    rows = house.query("SELECT conversation_id, sum(octet_length(sealed)) FROM blocks GROUP BY 1")
    return {sizes[conversation]: int(octets) for conversation, octets in rows}


@pytest.mark.parametrize("page_bytes_max", [1, 3_000, 10**9])
def test_pages_of_any_size_make_the_same_release(house: House, page_bytes_max: int) -> None:
    for person in ("ana", "bo"):
        house.open(person, allow=person == "ana")
        for n in range(5):
            house.talk(person, f"{person}{n}")
    built = build(house, page_bytes_max=page_bytes_max, rows_per_part=2)
    check_whole(house, built)
    assert (built.manifest.rows, len(built.manifest.parts)) == (5, 3)
    assert built.manifest.counts.dropped == {"declined": 10}


def test_a_conversation_of_twenty_thousand_turns_is_one_row(house: House) -> None:
    house.open("ana", allow=True)
    for start in range(0, 20_000, 4_000):
        turns = [
            house.saying(
                "ana", "long", f"turn {start + n}", TurnRole.assistant if n % 2 else TurnRole.user
            )
            for n in range(4_000)
        ]
        house.tell(*turns)
    built = build(house)
    check_whole(house, built)
    (messages,) = house.rows("r")
    assert [message["content"] for message in messages] == [f"turn {n}" for n in range(20_000)]


def test_what_the_manifest_says_of_the_policy_is_the_version_in_force(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    built = build(house)
    policy = load_policies(house.installation).in_force(house.now)
    assert built.manifest.policy == manifest.PolicyPin(
        name=policy.policy, version=policy.version, sha256=policy.sha256().hex()
    )
    (position,) = house.query("SELECT last_value FROM journal_position")[0]
    assert built.manifest.journal == position
    facts = msgspec.json.decode(
        house.query("SELECT payload FROM outbox WHERE entry = 'release_sealed'")[0][0]
    )
    assert facts["root"] == built.manifest.root


def test_a_row_is_due_from_its_own_end_on_and_one_that_was_taken_out_never_is() -> None:
    def at(microseconds: int) -> datetime:
        return EPOCH + timedelta(microseconds=microseconds)

    tally = Tally()
    for until in (30, 10, 20, 40):
        tally.add(bytes(32), until)
    tally.skip()
    assert tally.due(at(9)) == set()
    assert tally.due(at(10)) == {1}
    tally.take_out(1, {"expired": 1})
    assert tally.due(at(19)) == set()
    assert tally.due(at(30)) == {0, 2}
    for ordinal in (0, 2):
        tally.take_out(ordinal, {"expired": 1})
    assert (tally.due(at(39)), tally.due(at(40)), tally.gone) == (set(), {3}, {0, 1, 2})


# Gaps


def gaps_of(house: House, name: str) -> list[tuple[list[str], list[int]]]:
    """What each row says, and the places before which it misses a turn."""
    return [
        ([message["content"] for message in row["messages"]], row.get("gaps", []))
        for row in catalog.open_release(house.installation, name)
    ]


def test_a_row_says_where_a_turn_was_left_out(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1", "whole", "yes")
    house.talk("ana", "a2", "one", "two")
    house.say("ana", "a2", "output that stays in the vault", TurnRole.tool)
    house.talk("ana", "a2", "three", "four")
    house.say("ana", "a3", "a file", TurnRole.tool)
    house.talk("ana", "a3", "five", "", "  ", "six")
    built = build(house)
    assert sorted(gaps_of(house, "r")) == [
        (["five", "six"], [0, 1]),
        (["one", "two", "three", "four"], [2]),
        (["whole", "yes"], []),
    ]
    assert built.manifest.contents.gapped == 2
    assert "| rows, a turn left out before a message | | 2 |" in (
        built.folder / "README.md"
    ).read_text("utf-8")


def test_a_turn_of_another_thread_is_no_gap_and_one_that_nobody_opened_is_one_in_each(
    house: House,
) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "a1", "main", "answer")
    house.say("ana", "a1", Content(text="side", thread="agent"), TurnRole.assistant)
    house.talk("ana", "a1", "main again", "answer again")
    house.say("ana", "a1", Content(text="unseen", thread="agent"), TurnRole.tool)
    house.say("ana", "a1", Content(text="side again", thread="agent"), TurnRole.assistant)
    house.say("ana", "a1", "the end")
    build(house)
    assert gaps_of(house, "r") == [
        (["main", "answer", "main again", "answer again", "the end"], [4]),
        (["side", "side again"], [1]),
    ]


def test_a_release_shown_as_of_a_later_day_withdraws_nothing_for_good(house: House) -> None:
    """`release show --at` asks what would be so; the rows that end by then are usable until they
    do.
    """
    house.open("ana", allow=True)
    house.talk("ana", "a1")
    house.talk("ana", "a2")
    build(house)
    later = msgspec.structs.replace(house.installation, clock=lambda: house.now + 3_000 * DAY)
    assert [
        release_view.show(installation, "r").rows_usable_now
        for installation in (house.installation, later, house.installation)
    ] == [2, 0, 2]
    assert house.query("SELECT count(*) FROM withdrawn") == [(0,)]
    gate_files.update_all(house.installation)
    house.about(do.Delete, "ana", "a1")
    assert [
        release_view.show(installation, "r").rows_usable_now
        for installation in (house.installation, later, house.installation)
    ] == [1, 0, 1]
    assert house.query("SELECT cardinality FROM withdrawn") == [(0,)], (
        "only what keeps the rows up writes them"
    )


def test_a_release_that_is_kept_up_is_shown_by_what_changed_and_not_by_its_rows(
    house: House,
) -> None:
    house.open("ana", allow=True)
    for n in range(12):
        house.talk("ana", f"a{n}")
    build(house)
    gate_files.update_all(house.installation)
    house.about(do.Delete, "ana", "a3")
    assert release_view.show(house.installation, "r").rows_usable_now == 11
    ((known,),) = house.query(
        "SELECT count(*) FROM journal j JOIN withdrawn w ON j.position > w.position WHERE j.ends"
    )
    assert known == 1, "one ending since: the row that it touched is decided, and no other"

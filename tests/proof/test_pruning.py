"""The log goes by its published retention only, a year at a time, and never while something rests
on it.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from licet import verifier
from licet.config import Store
from licet.curate import release_build
from licet.errors import BusyError, InputError, UsageError
from licet.policy.period import instant
from licet.proof import documents, log_retention
from licet.service import policy_changes, verification
from licet.store.connect import Pool

from ..installed import House
from ..terms import preset


def lives_three_years(house: House) -> House:
    """Three years: Ana said yes in the first and no in the second, under a policy that a second one
    followed.
    """
    house.open("ana", allow=True)
    house.open("ben", allow=False)
    documents.append(house.installation)
    house.now = instant("2026-02-01")
    newer = msgspec.structs.replace(
        preset("article-2025"), version="next", effective=instant("2026-03-01"), decide_by=None
    )
    policy_changes.apply_policy(house.installation, newer, actor="test")
    house.now = instant("2026-04-01")
    house.choose("ana", False)
    documents.append(house.installation)
    house.now = instant("2027-05-01")
    house.choose("ben", False)
    documents.append(house.installation)
    return house


@pytest.fixture
def house(house: House) -> House:
    return lives_three_years(house)


def published(house: House, period: str) -> None:
    (house.installation.config.data / documents.RETENTION_FILE).write_text(f"{period}\n")


def reasons(house: House) -> dict[int, tuple[str, ...]]:
    return {seen.year: seen.kept_because for seen in log_retention.plan(house.installation)}


def test_without_a_published_retention_no_year_goes(house: House) -> None:
    assert all(
        "no retention was published" in why for whys in reasons(house).values() for why in whys[:1]
    )
    assert log_retention.prune(house.installation).years == ()
    assert documents.years(house.installation) == ["2025", "2026", "2027"]


def test_a_retention_that_does_not_read_is_named(house: House) -> None:
    published(house, "six years")
    with pytest.raises(InputError, match=r"retention\.txt: `six years` is not a period"):
        log_retention.plan(house.installation)


def test_a_year_stays_for_as_long_as_something_rests_on_it(house: House) -> None:
    published(house, "P1Y")
    assert reasons(house)[2025] == ()
    assert (
        "a policy version logged in it is in force, or was within the retention period"
        in reasons(house)[2026]
    )
    assert "its retention period has not passed" in reasons(house)[2027]
    published(house, "P1500D")
    assert reasons(house)[2025][0] == "its retention period has not passed"
    published(house, "P400D")
    house.now = instant("2027-04-30")
    assert reasons(house)[2025] == (
        "a grant logged in it ended within the retention period",
        *reasons(house)[2025][1:],
    )


@pytest.mark.parametrize(
    ("moment", "what"),
    [
        ("2027-01-01", "its retention period has not passed"),
        (
            "2027-03-01",
            "a policy version logged in it is in force, or was within the retention period",
        ),
        ("2027-04-01", "a grant logged in it ended within the retention period"),
    ],
)
def test_what_keeps_a_year_ends_with_its_period_and_at_no_later_moment(
    house: House, moment: str, what: str
) -> None:
    published(house, "P1Y")
    house.now = instant(moment) - timedelta(microseconds=1)
    assert what in reasons(house)[2025]
    house.now = instant(moment)
    assert what not in reasons(house)[2025]


def test_a_running_grant_keeps_its_year_however_long_ago(house: House) -> None:
    house.now = instant("2031-01-01")
    house.choose("ana", True)
    documents.append(house.installation)
    published(house, "P1Y")
    assert reasons(house)[2025] == ()  # her first grant ended; this one is of another year
    house.now = instant("2040-01-01")
    assert "1 grants logged in it are in force" in reasons(house)[2031]


def test_no_year_goes_before_the_one_before_it(house: House) -> None:
    published(house, "P1Y")
    house.now = instant("2045-01-01")
    seen = reasons(house)
    assert (
        "a policy version logged in it is in force, or was within the retention period"
        in seen[2026]
    )
    assert seen[2027] == ("an earlier year is kept",)


def test_a_sealed_release_keeps_the_year_that_tells_of_it(house: House) -> None:
    house.choose("ana", True)
    house.say("ana", "chat", "which kettle sings")
    house.passes(1)
    release_build.build_release(house.installation, name="first", purpose="improve_models")
    documents.append(house.installation)
    published(house, "P1Y")
    house.now = instant("2060-01-01")
    assert "1 releases sealed in it are registered" in reasons(house)[2027]


def test_what_goes_is_gone_and_the_rest_holds(house: House) -> None:
    published(house, "P1Y")
    data = house.installation.config.data
    kept = documents.receipts(house.installation, house.accounts["ana"])[0].encode()
    last = (data / "log" / "2025" / "checkpoint").read_bytes()
    public = data / "public"
    documents.publish(house.installation, public)
    assert log_retention.prune(house.installation).years == (2025,)
    assert documents.years(house.installation) == ["2026", "2027"]
    assert not list(data.glob("log*/2025*"))
    assert house.query("SELECT count(*) FROM outbox WHERE log_year = 2025") == [(0,)]
    assert house.query("SELECT log_year FROM logs ORDER BY 1") == [(2026,), (2027,)]
    assert (data / "log" / "pruned" / "2025").read_bytes() == last
    # What people hold goes on proving what it proved.
    assert verifier.check_receipt(
        kept, verifier.trust(documents.key(house.installation, 2025).vkey)
    ).ok
    # The sequencer, the publication and the receipts go on.
    house.choose("ana", True)
    assert documents.append(house.installation) > 0
    documents.publish(house.installation, public)
    assert (public / "pruned" / "2025").read_bytes() == last
    assert (
        verification.verify(public / "2026", (documents.key(house.installation, 2026).vkey,)).broken
        == ()
    )
    first, *others = documents.receipts(house.installation, house.accounts["ana"])
    assert first.proof is None
    assert all(other.proof for other in others)
    assert log_retention.prune(house.installation).years == ()


@pytest.mark.parametrize("crash", ["renamed one folder", "renamed both folders", "forgot the rows"])
def test_a_crash_within_is_finished_by_the_next_call(house: House, crash: str) -> None:
    published(house, "P1Y")
    data = house.installation.config.data
    (data / "log" / "pruned").mkdir()
    (data / "log" / "pruned" / "2025").write_bytes(
        (data / "log" / "2025" / "checkpoint").read_bytes()
    )
    (data / "log" / "2025").rename(data / "log" / "2025.pruned")
    if crash != "renamed one folder":
        (data / "log-state" / "2025").rename(data / "log-state" / "2025.pruned")
    if crash == "forgot the rows":
        house.query("DELETE FROM logs WHERE log_year = 2025 RETURNING 1")
    assert log_retention.prune(house.installation).years == ()
    assert not list(data.glob("log*/2025*"))
    assert house.query("SELECT count(*) FROM outbox WHERE log_year = 2025") == [(0,)]
    house.choose("ana", True)
    assert documents.append(house.installation) > 0


def test_a_folder_of_somebody_else_is_not_taken_for_a_crash(house: House) -> None:
    (house.installation.config.data / "log" / "2025.pruned").mkdir()
    with pytest.raises(UsageError, match="not created by Licet"):
        log_retention.prune(house.installation)


def test_nothing_goes_beside_a_sequencer_at_work(house: House) -> None:
    published(house, "P1Y")
    with documents.open_sequencer(house.installation), pytest.raises(BusyError):
        log_retention.prune(house.installation)
    assert log_retention.prune(house.installation).years == (2025,)
    with documents.open_sequencer(house.installation):
        pass


def test_overtaken_partial_tiles_always_go(house: House) -> None:
    folder = house.installation.config.data / "log" / "2027"
    for n in range(150):
        house.choose("ben", n % 2 == 0)
        if n % 50 == 0:
            documents.append(house.installation)
    documents.append(house.installation)
    before = len(list(folder.glob("tile/**/*")))
    assert log_retention.prune(house.installation).tiles > 0
    assert len(list(folder.glob("tile/**/*"))) < before
    known = documents.key(house.installation, 2027)
    assert verification.verify(folder, (known.vkey,)).broken == ()


def test_a_plan_alone_takes_nothing(house: House) -> None:
    published(house, "P1Y")
    before = sorted(house.installation.config.data.glob("log*/**/*"))
    assert [
        seen.year for seen in log_retention.plan(house.installation) if not seen.kept_because
    ] == [2025]
    assert sorted(house.installation.config.data.glob("log*/**/*")) == before
    assert house.query("SELECT count(*) > 0 FROM outbox WHERE log_year = 2025") == [(True,)]


@pytest.mark.state_is_broken("its log is in the bucket, not in the folder")
def test_a_year_of_a_log_in_a_bucket_stays_and_it_is_said(pool: Pool, tmp_path: Path) -> None:
    house = House(pool, tmp_path / "data")
    store = Store(url=f"memory:///{tmp_path.name}")
    config = msgspec.structs.replace(house.installation.config, store=store)
    house.installation = msgspec.structs.replace(house.installation, config=config)
    lives_three_years(house)
    assert log_retention.prune(house.installation).years == ()
    published(house, "P1Y")
    with pytest.raises(UsageError, match="the log of `2025` is in a bucket"):
        log_retention.prune(house.installation)
    assert documents.years(house.installation) == ["2025", "2026", "2027"]

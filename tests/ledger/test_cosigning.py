"""An installation with witnesses: they are asked beside the log, never before it, and what they
said is shown.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from licet.errors import InputError, NotFoundError, RefusedError
from licet.ledger import note
from licet.ledger.note import SignatureType, Signer
from licet.ledger.publication import COSIGNED, PublishedLog
from licet.ledger.witness import Witness
from licet.ledger.witness_http import WitnessApp
from licet.proof import documents
from licet.proof.documents import WitnessSeen
from licet.service import policy_changes, verification
from licet.store.circuit import CallWatch

from ..installed import House, followed
from ..waiting import wait_until
from .listening import listening

WITNESS = Signer("witness.example/w1", SignatureType.cosignature, bytes(range(32)))
AWAY = "http://127.0.0.1:9"


@pytest.fixture
def house(house: House) -> House:
    house.open("ana", allow=True)
    return house


@pytest.fixture
def url(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    logs = {documents.place(house.installation).origin(2025): [documents.key(house.installation)]}
    with (
        closing(Witness.open(tmp_path_factory.mktemp("witness"), WITNESS, logs)) as one,
        listening(WitnessApp(one, lambda: 1_800_000_000)) as at,
    ):
        yield at


def asks(house: House, url: str) -> None:
    file = house.installation.config.data / documents.WITNESSES_FILE
    file.write_text(f"witness w {WITNESS.verifier.vkey} {url}\nquorum w\n")


def cosigned(house: House) -> int:
    (log,) = documents.status(house.installation).logs
    return log.cosigned


def test_without_witnesses_nobody_is_asked_and_it_is_said(house: House) -> None:
    documents.append(house.installation)
    assert cosigned(house) == 0
    with pytest.raises(NotFoundError, match="no witnesses"):
        documents.cosign(house.installation)
    assert (
        documents.publish(house.installation, house.installation.config.data / "public").missing
        == ()
    )


def test_a_publication_carries_what_the_witnesses_said(house: House, url: str) -> None:
    asks(house, url)
    documents.append(house.installation)
    public = house.installation.config.data / "public"
    assert documents.publish(house.installation, public).missing == ()
    signed = note.verify(
        (public / "2025" / "checkpoint").read_bytes(),
        [documents.key(house.installation), WITNESS.verifier],
    )
    assert {one.by.name for one in signed.signed} == {
        documents.key(house.installation).name,
        WITNESS.name,
    }
    assert cosigned(house) == documents.status(house.installation).logs[0].size
    assert (public / documents.WITNESSES_FILE).is_file()


def test_a_witness_that_is_away_stops_neither_the_log_nor_its_publication(house: House) -> None:
    asks(house, AWAY)
    documents.append(house.installation)
    public = house.installation.config.data / "public"
    copied = documents.publish(house.installation, public)
    assert copied.missing == (("2025", "w", "it cannot be reached: `ConnectionRefusedError`"),)
    house.choose("ana", False)
    assert documents.append(house.installation) > 0
    assert documents.publish(house.installation, public).sizes["2025"] > copied.sizes["2025"]
    assert verification.verify(public, (documents.key(house.installation).vkey,)).broken == ()


def test_the_server_asks_beside_its_sequencer(house: House, url: str) -> None:
    asks(house, url)
    documents.append(house.installation)
    with followed(house.installation):
        wait_until(lambda: cosigned(house), "the witness cosigns")
        assert cosigned(house) == documents.status(house.installation).logs[0].size


def test_the_thread_that_asks_the_witnesses_keeps_no_process_from_ending(
    house: House, url: str
) -> None:
    asks(house, url)
    documents.append(house.installation)
    with followed(house.installation):
        wait_until(lambda: cosigned(house), "the witness cosigns")
        asking = [one for one in threading.enumerate() if one.name == "licet-cosigned"]
        assert [thread.daemon for thread in asking] == [True]


def test_a_witness_that_cosigns_every_year_is_not_silent(house: House, url: str) -> None:
    asks(house, url)
    documents.append(house.installation)
    watch = CallWatch()
    with followed(house.installation, watch):
        wait_until(lambda: cosigned(house), "the witness cosigns")
    assert watch.silent == set()


def test_a_witness_that_does_not_cosign_every_year_is_silent(house: House, url: str) -> None:
    """It knows the first year's log alone, which is asked about first."""
    asks(house, url)
    documents.append(house.installation)
    house.passes(365)
    house.choose("ana", False)
    documents.append(house.installation)
    watch = CallWatch()
    with followed(house.installation, watch):
        wait_until(
            lambda: documents.status(house.installation).logs[0].cosigned,
            "the witness cosigns one year",
        )
    assert watch.silent == {"witness"}


def test_each_year_is_checked_with_what_its_witnesses_cosigned(house: House, url: str) -> None:
    asks(house, url)
    documents.append(house.installation)

    def checked() -> tuple[bool | None, str, WitnessSeen]:
        (year,) = documents.check_years(house.installation)
        (witness,) = year.witnesses
        return year.met, year.fault, witness

    never = WitnessSeen(name="w", url=url, size=None, cosigned_at=None)
    assert checked() == (False, "", never)
    documents.cosign(house.installation)
    at = datetime.fromtimestamp(1_800_000_000, UTC)
    size = documents.status(house.installation).logs[0].size
    assert checked() == (True, "", WitnessSeen(name="w", url=url, size=size, cosigned_at=at))


def test_a_receipt_is_proved_under_what_was_cosigned(house: House, url: str) -> None:
    asks(house, url)
    documents.append(house.installation)
    documents.cosign(house.installation)
    house.choose("ana", False)
    documents.append(house.installation)
    first, second = documents.receipts(house.installation, house.accounts["ana"])
    assert first.proof is not None
    assert second.proof is not None
    assert WITNESS.name in first.proof
    assert WITNESS.name not in second.proof
    key = documents.key(house.installation).vkey
    for number, receipt in enumerate((first, second)):
        file = house.installation.config.data / "receipt.json"
        file.write_bytes(receipt.encode())
        wanted = f"witness w {WITNESS.verifier.vkey}\nquorum w\n".encode()
        assert bool(verification.verify(file, (key,), quorum=wanted).broken) == bool(number)


def test_a_mistake_in_the_file_is_named(house: House) -> None:
    (house.installation.config.data / documents.WITNESSES_FILE).write_text(
        "witness w nonsense\nquorum w\n"
    )
    with pytest.raises(InputError, match=r"witnesses\.txt:1: a vkey has a name"):
        documents.cosign(house.installation)


@pytest.mark.state_is_broken("somebody else wrote the cosigned checkpoint")
def test_a_cosigned_checkpoint_of_another_hand_is_refused(house: House, url: str) -> None:
    asks(house, url)
    documents.append(house.installation)
    documents.cosign(house.installation)
    folder = documents.place(house.installation).folder / "2025"
    kept = (folder / COSIGNED).read_bytes()
    (folder / COSIGNED).write_bytes(kept.replace(b"/2025\n", b"/2025\n1", 1))
    with pytest.raises(RefusedError):
        PublishedLog(folder, documents.key(house.installation))


def test_every_text_that_a_leaf_names_is_published_under_its_hash(house: House) -> None:
    policy_changes.publish_notices(house.installation, actor="test")
    documents.append(house.installation)
    public = house.installation.config.data / "public"
    documents.publish(house.installation, public)
    told = list(PublishedLog(public / "2025", documents.key(house.installation)).entries())
    named = {
        kind: {t for t in told if f'"t":"{kind}"'.encode() in t}
        for kind in ("notice_published", "policy_applied")
    }
    for folder, leaves in (
        ("notices", named["notice_published"]),
        ("policies", named["policy_applied"]),
    ):
        files = {path.stem: path.read_bytes() for path in (public / folder).iterdir()}
        assert all(hashlib.sha256(data).hexdigest() == name for name, data in files.items())
        assert len(leaves) == len(files) > 0
        assert all(any(name.encode() in leaf for leaf in leaves) for name in files)
    assert (
        len(list((public / "notices").iterdir()))
        == house.query("SELECT count(DISTINCT sha256) FROM notices")[0][0]
    )

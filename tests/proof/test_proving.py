"""The verbs of proof, end to end: what is published stands alone, and the commands answer with
their exit codes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner

from licet import verifier
from licet.cli import proof as cli_proof
from licet.curate import release_build
from licet.errors import InputError, NotFoundError, RefusedError, UsageError
from licet.ledger import publication
from licet.ledger.log import LogWriter
from licet.proof import documents, legal_documents
from licet.service import verification
from licet.store.connect import transaction

from ..buckets import HeldBucket
from ..installed import House, followed


@pytest.fixture
def house(house: House) -> House:
    for name, allow in (("ana", True), ("ben", False)):
        house.open(name, allow=allow)
    house.passes(1)
    house.choose("ana", False)
    return house


def published(house: House, name: str = "published") -> Path:
    folder = house.installation.config.data / name
    documents.append(house.installation)
    documents.publish(house.installation, folder)
    return folder


def vkeys(folder: Path) -> tuple[str, ...]:
    return tuple((folder / documents.KEYS_FILE).read_text().split())


def alone(folder: Path, *words: object) -> int:
    """The published verifier, run isolated and from elsewhere."""
    call = [
        sys.executable,
        "-I",
        str(folder / "verifier.py"),
        *map(str, words),
        "--key",
        vkeys(folder)[0],
    ]
    return subprocess.run(call, capture_output=True, cwd="/", check=False, timeout=600).returncode


def test_what_is_published_stands_alone(house: House) -> None:
    folder = published(house)
    receipt = folder.parent / "receipt.json"
    receipt.write_bytes(documents.receipts(house.installation, house.accounts["ana"])[-1].encode())
    assert verification.verify(folder, vkeys(folder)).broken == ()
    assert alone(folder, "log", folder / "2025") == 0
    assert alone(folder, "receipt", receipt) == 0
    (policy,) = (folder / "policies").iterdir()
    assert json.loads(policy.read_bytes())["policy"] == "article-2025"
    told = json.loads(
        next(
            iter(
                publication.PublishedLog(
                    folder / "2025", documents.key(house.installation)
                ).entries()
            )
        )
    )
    assert policy.stem == told["facts"]["sha256"]


def test_a_publication_grows_and_never_goes_back(house: House) -> None:
    folder = published(house)
    kept = shutil.copytree(folder, folder.parent / "ahead")
    before = (folder / "2025" / "checkpoint").read_bytes()
    for n in range(20):
        house.choose("ben", n % 2 == 0)
    ahead = published(house, "ahead")
    assert verification.verify(folder, vkeys(folder)).broken == ()
    report = verifier.check_log(
        verifier.FolderFiles(ahead / "2025"),
        verifier.trust(vkeys(ahead)[0]),
        [("before", before)],
        verifier.new_story(verifier.trust(vkeys(ahead)[0]).origin),
    )
    assert report.ok
    assert kept == ahead
    shutil.rmtree(house.installation.config.data / "log" / "2025")
    shutil.copytree(folder / "2025", house.installation.config.data / "log" / "2025")
    with pytest.raises(RefusedError, match="ahead"):
        documents.publish(house.installation, ahead)


def test_status_says_what_stands_and_what_waits(house: House) -> None:
    waiting = documents.status(house.installation).waiting
    assert waiting >= 8
    assert documents.append(house.installation) == waiting
    house.choose("ana", True)
    with transaction(house.installation.pool) as tx:
        tx.execute("UPDATE outbox SET added_at = %s", [house.now])  # by the clock of this house
    seen = documents.status(house.installation)
    assert [(log.size, log.placed) for log in seen.logs] == [(waiting, waiting)]
    assert (seen.waiting, seen.waiting_since) == (2, house.now)


def test_what_commits_is_in_the_log_within_a_second(house: House) -> None:
    """And without another command: within twenty looks, a twentieth of a second apart."""
    between = threading.Event()
    with followed(house.installation):
        house.choose("ana", True)
        for _ in range(20):
            between.wait(0.05)
            if documents.status(house.installation).waiting == 0:
                break
        assert documents.status(house.installation).waiting == 0


def test_a_release_is_held_against_its_leaf(house: House) -> None:
    house.choose("ana", True)
    house.say("ana", "chat", "which kettle sings")
    house.passes(1)
    built = release_build.build_release(house.installation, name="first", purpose="improve_models")
    folder = published(house)
    seen = verification.verify(built.folder, vkeys(folder), log=folder)
    assert seen.broken == ()
    early = shutil.copytree(folder, folder.parent / "early")
    release_build.build_release(house.installation, name="second", purpose="improve_models")
    other = house.installation.config.releases / "second"
    untold = verification.verify(other, vkeys(folder), log=early)
    assert (untold.answer, "the release was logged" in str(untold.broken)) == ("contradicted", True)
    for file in ("manifest.json",):
        shutil.copy(other / file, built.folder / file)
    assert verification.verify(built.folder, vkeys(folder), log=folder).broken


def test_one_byte_of_a_published_log_is_named(house: House) -> None:
    folder = published(house)
    (bundle,) = (folder / "2025" / "tile" / "entries").glob("000.p/*")
    data = bundle.read_bytes()
    bundle.write_bytes(data.replace(b'"allow":true', b'"allow":null'))
    broken = verification.verify(folder, vkeys(folder)).broken
    assert any("entry 2" in place or "checkpoint" in place for place, _ in broken)


def test_a_proof_needs_its_entry_and_nothing_is_believed_without_a_key(house: House) -> None:
    folder = published(house)
    log = publication.PublishedLog(folder / "2025", documents.key(house.installation))
    proof, entry = folder / "5.tlog-proof", folder / "5.entry"
    proof.write_bytes(log.prove(5).encode())
    entry.write_bytes(log.entry(5))
    assert verification.verify(proof, vkeys(folder), entry=entry).broken == ()
    entry.write_bytes(log.entry(6))
    assert verification.verify(proof, vkeys(folder), entry=entry).broken
    with pytest.raises(UsageError, match="proves an entry"):
        verification.verify(proof, vkeys(folder))
    with pytest.raises(UsageError, match="no key"):
        verification.verify(folder, ())
    with pytest.raises(UsageError, match="cannot be used"):
        verification.verify(folder, ("nonsense",))
    with pytest.raises(UsageError, match="no log and no release"):
        verification.verify(house.installation.config.data / "keys", vkeys(folder))


def test_a_log_of_a_stranger_does_not_pass_for_ours(house: House) -> None:
    folder = published(house)
    signer = documents.place(house.installation).signer(bytes(32), 2025)
    shutil.rmtree(folder / "2025")
    LogWriter.create(folder / "2025", folder / "state", signer.name, signer).close()
    assert "signed it" in str(verification.verify(folder, vkeys(folder)).broken)


def test_what_the_operator_states_of_itself_is_in_the_receipt(house: House) -> None:
    file = house.installation.config.controller
    file.write_text("name: Example Ltd\njurisdictions: [IE]\n")
    (_, last) = documents.receipts(house.installation, house.accounts["ana"])
    assert last.payload["record"]["parties"][0]["party_name"] == "Example Ltd"
    assert last.payload["record"]["jurisdiction"] == ["IE"]
    file.write_text("nmae: Example Ltd\n")
    with pytest.raises(InputError, match=r"controller\.yaml"):
        documents.receipts(house.installation, house.accounts["ana"])


def test_an_account_is_found_by_either_name(house: House) -> None:
    ana = house.accounts["ana"]
    assert (
        documents.account_named(house.installation, "ana")
        == documents.account_named(house.installation, f"acc_{ana.hex}")
        == ana
    )
    with pytest.raises(NotFoundError):
        documents.account_named(house.installation, "nobody")
    with pytest.raises(NotFoundError):
        documents.receipts(house.installation, UUID(int=5))


def test_publishing_before_there_is_a_log_says_so(house: House) -> None:
    with pytest.raises(NotFoundError, match="no log yet"):
        documents.publish(house.installation, house.installation.config.data / "nothing")


def test_the_command_exits_1_on_a_contradiction_and_names_it(house: House) -> None:
    folder = published(house)
    good = folder / "receipt.json"
    good.write_bytes(documents.receipts(house.installation, house.accounts["ben"])[0].encode())
    call = [str(good), "--key", vkeys(folder)[0]]
    honest = CliRunner().invoke(cli_proof.verify, call, standalone_mode=False)
    assert (honest.return_value, honest.output.startswith("proved: receipt")) == (0, True)
    good.write_bytes(good.read_bytes().replace(b"declined", b"affirmed"))
    lie = CliRunner().invoke(cli_proof.verify, call, standalone_mode=False)
    assert lie.return_value == 1
    assert lie.output.startswith("contradicted: receipt")
    assert "\ncontradiction: " in lie.output
    good.write_bytes(b'{"entry":[]}')
    unread = CliRunner().invoke(cli_proof.verify, call, standalone_mode=False)
    assert (unread.return_value, unread.output.startswith("unreadable: receipt")) == (65, True)


def test_a_receipt_that_is_not_in_the_log_yet_is_not_proved(house: House) -> None:
    folder = published(house)
    house.choose("ana", True)
    early = folder / "receipt.json"
    early.write_bytes(documents.receipts(house.installation, house.accounts["ana"])[-1].encode())
    call = [str(early), "--key", vkeys(folder)[0]]
    said = CliRunner().invoke(cli_proof.verify, call, standalone_mode=False)
    assert (said.return_value, said.output.startswith("not proved: receipt")) == (3, True)
    assert "it is signed, and not in the log" in said.output
    assert "0 entries" not in said.output
    assert alone(folder, "receipt", early) == 3
    told = json.loads(
        CliRunner().invoke(cli_proof.verify, [*call, "--json"], standalone_mode=False).output
    )
    assert (told["answer"], [part["answer"] for part in told["parts"]]) == (
        "not proved",
        ["proved"] * 3 + ["not proved"],
    )
    documents.append(house.installation)
    early.write_bytes(documents.receipts(house.installation, house.accounts["ana"])[-1].encode())
    assert CliRunner().invoke(cli_proof.verify, call, standalone_mode=False).return_value == 0


def test_a_release_is_proved_by_its_log_alone_and_by_no_folder_without_it(house: House) -> None:
    house.choose("ana", True)
    house.say("ana", "chat", "which kettle sings")
    house.passes(1)
    built = release_build.build_release(house.installation, name="first", purpose="improve_models")
    folder = published(house)
    bare = verification.verify(built.folder, vkeys(folder))
    assert (bare.answer, bare.broken, "proved" in [part.answer for part in bare.parts[:-1]]) == (
        "not proved",
        (),
        False,
    )
    assert verification.verify(built.folder, vkeys(folder), log=folder).answer == "proved"
    assert alone(folder, "release", built.folder, "--log", folder) == 0
    assert alone(folder, "release", built.folder, "--log", folder / "2025") == 0
    (policy,) = (folder / "policies").iterdir()
    assert alone(folder, "text", policy, "--log", folder) == 0
    other = folder / "other.json"
    other.write_bytes(policy.read_bytes().replace(b"P5Y", b"P9Y"))
    assert alone(folder, "text", other, "--log", folder) == 3


def test_a_receipt_is_verified_with_the_key_of_the_year_that_has_it(house: House) -> None:
    documents.append(house.installation)
    house.passes(365)
    house.choose("ana", True)
    first, *_, last = documents.receipts(house.installation, house.accounts["ana"])
    years = [
        documents.receipt_key(house.installation, receipt).name.rpartition("/")[2]
        for receipt in (first, last)
    ]
    assert (first.proof is None, last.proof is None, years) == (False, True, ["2025", "2026"])


def test_of_a_log_in_a_bucket_its_state_alone_is_marked() -> None:
    log, state = documents.bucket_folders(HeldBucket())
    assert (log.prefix, state.prefix) == ("log/", "log-state/")
    assert ((log / "2025").is_marked, (state / "2025").is_marked) == (False, True)


def test_a_document_is_found_by_a_beginning_of_its_hash_that_no_other_has(house: House) -> None:
    def keep(sha256: str) -> None:
        document = legal_documents.KeptDocument(
            sha256, "ropa", 2025, 1, house.now, "counsel", document=sha256
        )
        with transaction(house.installation.pool) as tx:
            assert legal_documents.keep(tx, document)
            assert not legal_documents.keep(tx, document)

    def found(prefix: str) -> str:
        with transaction(house.installation.pool) as tx:
            return legal_documents.get(tx, prefix).document

    first, second = "ab" * 32, "ac" * 32
    keep(first)
    assert found("a") == first
    keep(second)
    assert (found("ab"), found(second)) == (first, second)
    for prefix in ("a", "b"):
        with pytest.raises(NotFoundError, match="or more than one"):
            found(prefix)


def test_without_a_beginning_of_its_hash_no_document_is_found(house: House) -> None:
    document = legal_documents.KeptDocument(
        "ab" * 32, "ropa", 2025, 1, house.now, "counsel", document="said"
    )
    with transaction(house.installation.pool) as tx:
        legal_documents.keep(tx, document)
        with pytest.raises(NotFoundError, match="or more than one"):
            legal_documents.get(tx, "")

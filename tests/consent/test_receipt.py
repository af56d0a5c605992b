"""A receipt says what was chosen and shown, proves it, opens it for its holder for ever, and dies
with the account.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from licet import verifier
from licet.consent.choices import evidence
from licet.consent.controller import Controller
from licet.errors import NotFoundError, RefusedError
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.ledger import entries
from licet.ledger.canonical_json import canonical
from licet.policy.period import instant
from licet.proof import receipt as receipts
from licet.proof.receipt import Issuer, Receipt
from licet.store.connect import Pool, transaction
from licet.vault import commands as do

from ..ledger.office import Office

CONTROLLER = Controller(
    name="Example <Ltd>",
    contact="privacy@example.org",
    withdrawal_url="https://example.org/privacy",
)


@pytest.fixture(scope="session")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(FileProvider(tmp_path_factory.mktemp("keys")))


@pytest.fixture
def office(pool: Pool, keyring: Keyring, tmp_path: Path) -> Office:
    return Office.opened(pool, keyring, tmp_path)


def issued(office: Office, account: UUID) -> list[Receipt]:
    with transaction(office.pool) as tx:
        issuer = Issuer(
            tx, office.keyring, office.keys, office.place, office.policies, CONTROLLER, office.now
        )
        return issuer.receipts(account)


def chosen(office: Office, account: UUID, allow: bool, **more: object) -> None:
    said = evidence(None, surface="app", gpc=False)
    office.tell(
        do.Choose(
            account=account, at=office.tick(), allow=allow, via="settings", evidence=said, **more
        )
    )


def holds(office: Office, receipt: Receipt, year: int = 2025) -> verifier.VerifierReport:
    return verifier.check_receipt(receipt.encode(), verifier.trust(office.vkey(year)))


def states(found: list[Receipt]) -> list[str]:
    return [receipt.payload["record"]["events"][0]["event_state"] for receipt in found]


def test_every_choice_has_a_receipt_that_a_stranger_can_check(office: Office) -> None:
    ana = office.account("ana")
    for allow in (False, True, True, False):
        chosen(office, ana, allow)
    office.sequence()
    found = issued(office, ana)
    assert states(found) == [
        "dpv:ConsentRefused",
        "dpv:ConsentGiven",
        "dpv:RenewedConsentGiven",
        "dpv:ConsentWithdrawn",
    ]
    for receipt in found:
        report = holds(office, receipt)
        assert (report.ok, report.size) == (True, office.log().checkpoint.size), report.findings


def test_a_yes_that_permits_nothing_is_not_shown_as_a_permission(office: Office) -> None:
    ana = office.account("ana")
    office.tell(do.SetPlan(account=ana, at=office.tick(), plan="work"))
    chosen(office, ana, True)
    office.sequence()
    (receipt,) = issued(office, ana)
    assert states([receipt]) == ["dpv:ConsentInvalidated"]
    assert holds(office, receipt).ok


def test_a_receipt_is_signed_at_once_and_proved_once_it_is_logged(office: Office) -> None:
    ana = office.account("ana")
    chosen(office, ana, True)
    (early,) = issued(office, ana)
    assert (early.entry, early.proof) == (None, None)
    assert "log" not in early.payload
    report = holds(office, early)
    assert (report.answer, report.findings) == ("not proved", [])
    assert [
        (lack.why, part.answer) for lack, part in zip(report.lacks, report.parts[-1:], strict=True)
    ] == [("it is signed, and not in the log", "not proved")]
    office.sequence()
    (later,) = issued(office, ana)
    assert later.proof is not None
    assert holds(office, later).ok


def test_each_receipt_names_the_one_that_it_replaces(office: Office) -> None:
    ana = office.account("ana")
    for allow in (True, False, True):
        chosen(office, ana, allow)
    found = [receipt.payload for receipt in issued(office, ana)]
    assert [payload["replaces"] for payload in found] == [
        None,
        found[0]["receipt_id"],
        found[1]["receipt_id"],
    ]


def test_a_receipt_has_every_field_that_the_standard_asks_for(office: Office) -> None:
    ana = office.account("ana")
    chosen(office, ana, True)
    payload = issued(office, ana)[0].payload
    record, event = payload["record"], payload["record"]["events"][0]
    (party,), process = record["parties"], record["processes"][0]
    assert payload["schema_version"] == "https://w3id.org/dpv/schema/dpv-27560#receipt"
    assert {"receipt_id", "created", "dct:identifier", "dpv:hasIdentifier"} <= set(payload)
    assert {
        "record_id",
        "schema_version",
        "pii_principal_id",
        "privacy_notice",
        "jurisdiction",
    } <= set(record)
    assert process["purpose"] == "https://w3id.org/dpv#ImproveExistingProductsAndServices"
    assert process["processing_method"] == ["https://w3id.org/dpv/ai#ModelTraining"]
    assert process["retention_period"] == "P5Y"
    assert {
        "pii_information",
        "pii_controllers",
        "storage_locations",
        "recipient_third_parties",
        "withdrawal_method",
    } <= set(process)
    assert {"party_id", "party_address", "party_name", "party_contact", "party_type"} <= set(party)
    assert {"event_time", "validity_duration", "entity_id", "event_type", "event_state"} <= set(
        event
    )
    assert record["privacy_notice"]["presented_as"]["default_state"] == "none"
    assert record["policy"]["sha256"] == office.policies[0].sha256().hex()


def test_a_receipt_states_what_the_controller_stated_and_says_of_the_rest_that_it_was_not(
    office: Office,
) -> None:
    ana = office.account("ana")
    chosen(office, ana, True)
    whole = Controller(
        name="Example",
        address="1 Street",
        contact="a@example.org",
        jurisdictions=("IE",),
        storage_locations=("IE", "DE"),
        withdrawal_url="https://example.org/privacy",
    )
    none = receipts.NOT_STATED
    expected = [
        (
            whole,
            (["IE", "DE"], "https://example.org/privacy", "Example", "1 Street", "a@example.org"),
        ),
        (Controller(), ([none], receipts.WITHDRAWAL, none, none, none)),
    ]
    for controller, stated in expected:
        with transaction(office.pool) as tx:
            issuer = Issuer(
                tx,
                office.keyring,
                office.keys,
                office.place,
                office.policies,
                controller,
                office.now,
            )
            (receipt,) = issuer.receipts(ana)
        record = receipt.payload["record"]
        terms, party = found_in(record, "storage_locations"), found_in(record, "party_name")
        assert stated == (
            terms["storage_locations"],
            terms["withdrawal_method"],
            party["party_name"],
            party["party_address"],
            party["party_contact"],
        )


def found_in(record: Any, key: str) -> dict[str, Any]:
    """The first object within ``record`` that has the key."""
    waiting = [record]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, dict) and key in one:
            return one
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else []
    raise AssertionError(key)


def test_the_holder_opens_the_leaf_for_ever_and_the_operator_cannot_after_erasure(
    office: Office,
) -> None:
    ana = office.account("ana")
    chosen(office, ana, True)
    office.sequence()
    kept = issued(office, ana)[0]
    office.destroy_key(ana)
    chosen_after = office.account("ben")
    chosen(office, chosen_after, False)
    office.sequence()
    with pytest.raises(RefusedError, match="erased"):
        issued(office, ana)
    with transaction(office.pool) as tx:
        assert office.keys.log_keys(tx, [ana], 2025) == {}
    assert holds(office, kept).ok
    log = kept.payload["log"]
    opened = entries.commitment(bytes.fromhex(log["nonce"]), canonical(log["record"]))
    assert opened == json.loads(kept.entry)["commit"]
    in_database = json.dumps(office.rows("to_json(outbox)"), default=str)
    assert log["nonce"] not in in_database


def test_a_choice_of_another_year_is_proved_by_the_log_of_its_year(office: Office) -> None:
    ana = office.account("ana")
    chosen(office, ana, True)
    office.sequence()
    office.now = instant("2026-02-01")
    chosen(office, ana, False)
    office.sequence()
    first, second = issued(office, ana)
    assert holds(office, first, 2025).ok
    assert holds(office, second, 2026).ok
    assert not holds(office, first, 2026).ok
    assert first.payload["log"]["who"] != second.payload["log"]["who"]


def test_the_page_says_what_a_yes_was_for_and_why_one_had_no_effect(office: Office) -> None:
    ana = office.account("ana")
    atlas = do.ChosenScope(host_project=b"\xa7" * 16)
    chosen(office, ana, True, scope=atlas)
    chosen(office, ana, False)
    chosen(office, ana, True, scope=atlas)
    chosen(office, ana, True, scope=atlas)
    chosen(office, ana, True, question="models")
    chosen(office, ana, False, keep=(atlas,))
    office.sequence()
    found = issued(office, ana)
    assert [receipts.describe(receipt) for receipt in found] == [
        "You said yes, but other questions had to be answered first, and it permits nothing.",
        "No: your chats are not used.",
        "Yes: the chats of one project may be used.",
        "You said yes, but this was permitted already, and nothing changed.",
        "You said yes, but nobody asks that question, and it permits nothing.",
        "No: your chats are not used, but for what you kept.",
    ]
    said = [dict(receipts.list_fields(receipt)) for receipt in found]
    assert [one["Question"] for one in said] == ["training"] * 4 + [
        "none that is asked",
        "training",
    ]
    assert [one["For"].partition(" (")[0] for one in said] == [
        "a project",
        "your whole account",
        "a project",
        "a project",
        "your whole account",
        "your whole account",
    ]
    assert said[-1]["Kept all the same"] == said[2]["For"]
    for receipt in found:
        assert holds(office, receipt).ok, holds(office, receipt).findings
    assert b'"question":"models"' not in b"".join(
        receipt.entry.encode() for receipt in found if receipt.entry
    )


def test_nobody_else_has_receipts(office: Office) -> None:
    ben = office.account("ben")
    assert issued(office, ben) == []
    with pytest.raises(NotFoundError):
        issued(office, UUID(int=1))


def test_the_page_speaks_plainly_and_lets_nothing_through_unescaped(office: Office) -> None:
    ana = office.account("ana")
    chosen(office, ana, False)
    office.sequence()
    (receipt,) = issued(office, ana)
    page = receipts.page(receipt, office.vkey())
    assert "No: your chats are not used." in page
    assert "Example &lt;Ltd&gt;" in page
    assert "<Ltd>" not in page
    assert office.vkey() in page
    assert "<script" not in page


def test_the_bytes_of_a_signature_are_pinned() -> None:
    seed = bytes(range(32))
    assert receipts.sign({"a": 1}, seed) == (
        "eyJhbGciOiJFZERTQSIsImtpZCI6IjFJRzJ0TUg3SjJ3Ykpabk9mOExKelFpdEtmN0xNdm9BRWxzdURNVk01NFkiLCJ0eXAiOiJs"
        "aWNldC1yZWNlaXB0K2p3cyJ9.eyJhIjoxfQ.ol9GwSTBvIz3sFv1Fhby0FyBffuwBtsKqtf28d_Ub9CMSelz3qmnM7S7fcRJ1AMj"
        "jbzbFHP2zOGlC0-bTn2gBg"
    )

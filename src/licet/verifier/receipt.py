"""Checks a person's receipt (ISO/IEC TS 27560 in the W3C DPV form): its signature, and that the log
has the same choice.

The receipt opens its log entry: its salt, nonce and record give the entry's pseudonyms and
commitment. The record commits to the policy by its hash, and the receipt contains the policy's
text: purposes, period and recipients follow from it. The controller, storage locations and creation
time are the operator's word. A receipt from before policies had questions means the question
`training`, for the account; its entry commits to no policy, so it is not proved.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from licet.verifier.answer import ContradictionError, VerifierReport
from licet.verifier.entries import pseudonym
from licet.verifier.forms import check_shape, fits_kind, read_time
from licet.verifier.grants import ACCOUNT, TRAINING
from licet.verifier.keys import Trust
from licet.verifier.levels import levels_of
from licet.verifier.statement import (
    UNLOGGED,
    includes_facts,
    logged_entry,
    open_jws,
    read_signed_file,
)
from licet.verifier.terms import parse_terms

STATES = {
    "began": "ConsentGiven",
    "affirmed": "RenewedConsentGiven",
    "withdrew": "ConsentWithdrawn",
    "declined": "ConsentRefused",
}

SCHEMA, DPV = "https://w3id.org/dpv/schema/dpv-27560#", "https://w3id.org/dpv#"
PURPOSES = {
    "improve_models": f"{DPV}ImproveExistingProductsAndServices",
    "safety_classifiers": f"{DPV}MisusePreventionAndDetection",
}  # of any other: `urn:licet:purpose:` and its name
SCOPE_TEXTS = {
    "account": "conversations begun or resumed after the choice",
    "project": "conversations of one project that are begun or resumed after the choice",
    "conversation": "one conversation, as it is resumed after the choice",
}

RECEIPT_FILE = {"v": "one", "receipt": "text", "entry": "text?", "proof": "text?"}
PRESENTED = {
    "showing_id": "text?", "shown_at": "text?", "place": "text?", "surface": "text?", "default_state": "text?", "gpc": "bool?",
}  # fmt: skip
EVENT = {
    "event_id": "text", "event_time": "time", "entity_id": "text", "event_state": "text", "allow": "bool", "effect": "word",
    "grant": "pos?", "because?": "word?", "indication_method": "text", "question?": "question?", "scope?": "scope",
    "of?": "text?", "kept?": [{"grant": "pos", "scope": "scope", "of": "text"}], "...": None,
}  # fmt: skip
RECEIPT = {
    "@type": frozenset({"dpv:ConsentReceipt"}), "receipt_id": "text", "created": "time", "replaces": "text?",
    "record": {
        "record_id": "text", "pii_principal_id": "text", "parties": [{"party_id": "text", "...": None}],
        "privacy_notice": {
            "notice_id": "text?", "version": "text", "language": "text?", "sha256": "hash?", "presented_as": PRESENTED,
            "...": None,
        },
        "processes": [{"name": "text", "purpose": "text", "retention_period": "period", "scope?": "text",
                       "recipient_third_parties?": ["text"], "...": None}],
        "policy": {"policy": "text", "version": "text", "sha256": "hash", "document?": {"...": None}}, "events": (EVENT,),
        "...": None,
    },
    "log?": {
        "origin": "text", "index": "int", "who": "hash", "salt": "hash", "nonce": "hash", "evidence": "text?",
        "record": {"v": "one", "account": "id", "outbox": "int", "t": "word", "at": "time",
                   "facts": {"seq": "int", "evidence?": "hash?", "question?": "question?", "scope?": "scope", "project?": "id",
                             "conversation?": "id", "kept?": "text?", "policy?": "hash", "via?": "text", "grant?": "pos?",
                             "because?": "word?", "...": None}},
    },
    "...": None,
}  # fmt: skip


def check_receipt(raw: bytes, trusted: Trust, place: str = "receipt") -> VerifierReport:
    """Checks a receipt's signature, and by its proof that the log has the same choice. Without
    entry and proof it is only signed.
    """
    report = VerifierReport("receipt", origin=trusted.origin, files=1)
    file: dict[str, Any] = {}
    receipt: dict[str, Any] = {}

    def check_entry() -> None:
        if (file["entry"], file["proof"]) == (None, None):
            if "log" in receipt:
                raise ContradictionError(place, "a receipt that opens an entry brings its proof")
            _check_event(receipt, place)
            report.add_lack(place, UNLOGGED, "fetch it again once the choice is logged")
            return
        _check_opening(receipt, *logged_entry(file, place, trusted, report), trusted.origin, place)
        _check_event(receipt, place)
        if "document" not in receipt["record"]["policy"]:
            is_committed = "policy" in receipt["log"]["record"]["facts"]
            why = (
                "it does not contain the policy's text"
                if is_committed
                else "its entry commits to no policy"
            )
            report.add_lack(
                place,
                why,
                "a newly issued receipt"
                if is_committed
                else "nothing: it precedes that commitment",
            )

    report.steps(
        (
            (
                "file",
                "a receipt of version 1",
                lambda: file.update(read_signed_file(raw, place, RECEIPT_FILE, "a receipt")),
            ),
            (
                "signature",
                f"the log's key `{trusted.key.name}` signed what it states",
                lambda: receipt.update(open_jws(file["receipt"], trusted.key, place)),
            ),
            (
                "statement",
                "purposes, period and recipients follow from the policy in it",
                lambda: _check_receipt(receipt, place, report),
            ),
            ("entry", "the log has this choice", check_entry),
        )
    )
    return report


def _check_receipt(receipt: dict[str, Any], place: str, report: VerifierReport) -> None:
    check_shape(receipt, RECEIPT, place, "a receipt")
    record = receipt["record"]
    if not record["processes"] or not record["parties"]:
        raise ContradictionError(place, "it has the fields of a receipt: for what, and by whom")
    report.levels["receipt"] = levels_of("receipt", receipt, place)
    if "document" in record["policy"]:
        _check_terms(receipt, place)
    event, parties = record["events"][0], {party["party_id"] for party in record["parties"]}
    form = {
        "dct:identifier": receipt["receipt_id"],
        "dpv:hasIdentifier": receipt["receipt_id"],
        "@context": ["https://w3id.org/dpv/dpv.jsonld"],
        "schema_version": f"{SCHEMA}receipt",
    }
    of_record = {
        "record_id": receipt["receipt_id"].replace(":receipt:", ":record:"),
        "@type": "dpv:ConsentRecord",
        "schema_version": f"{SCHEMA}record",
    }
    of_event = {
        "event_id": f"{receipt['receipt_id']}:event",
        "validity_duration": None,
        "event_type": "dpv:ExplicitlyExpressedConsent",
    }
    if not (
        includes_facts(receipt, form)
        and includes_facts(record, of_record)
        and includes_facts(event, of_event)
        and record["privacy_notice"].get("@type") == "dpv:ConsentNotice"
        and all(
            process.get("processing_method") == ["https://w3id.org/dpv/ai#ModelTraining"]
            and set(process.get("pii_controllers", ())) <= parties
            for process in record["processes"]
        )
        and all(g["of"].startswith(f"urn:licet:{g['scope']}:") for g in event.get("kept", ()))
    ):
        raise ContradictionError(place, "its identifiers and fixed terms are those of a receipt")
    head, _, number = receipt["receipt_id"].rpartition(":")
    before, _, earlier = (receipt["replaces"] or f"{head}:0").rpartition(":")
    if (
        before != head
        or not earlier.isdecimal()
        or not number.isdecimal()
        or int(earlier) >= int(number)
    ):
        raise ContradictionError(place, "it replaces an earlier receipt of its person")


def _check_terms(receipt: dict[str, Any], place: str) -> None:
    """Checks that purposes, period and recipients are those of the receipt's policy text."""
    record, named = receipt["record"], receipt["record"]["policy"]
    document = json.dumps(
        named["document"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
    if hashlib.sha256(document).hexdigest() != named["sha256"]:
        raise ContradictionError(place, "its policy has the hash that it names")
    terms, event = parse_terms(document, f"{place}, its policy"), record["events"][0]
    covers = terms.questions.get(event.get("question") or "", terms.covers)
    is_yes = event["effect"] in ("began", "affirmed")
    recipients = named["document"].get("recipients", [])
    of_each = {
        "retention_period": terms.opted_in if is_yes else terms.opted_out,
        "recipient_third_parties": sorted(recipients),
        "scope": (
            SCOPE_TEXTS[event.get("scope", ACCOUNT)]
            + ", under the plans and surfaces of the policy"
        ),
    }
    for promise, holds in (
        (
            "its policy has the name and the version that it states",
            (named["policy"], named["version"]) == (terms.name, terms.version),
        ),
        (
            "its notice has the version of its policy",
            record["privacy_notice"]["version"] == terms.version,
        ),
        (
            "its purposes are those of its question, by its policy",
            [(process["name"], process["purpose"]) for process in record["processes"]]
            == [(name, PURPOSES.get(name, f"urn:licet:purpose:{name}")) for name in sorted(covers)],
        ),
        (
            "its period and recipients are those of its policy",
            all(includes_facts(process, of_each) for process in record["processes"]),
        ),
    ):
        if not holds:
            raise ContradictionError(place, promise)


def _check_event(receipt: dict[str, Any], place: str) -> None:
    event = receipt["record"]["events"][0]
    created, at = (
        read_time(time, place, "time") for time in (receipt["created"], event["event_time"])
    )
    if event["entity_id"] != receipt["record"]["pii_principal_id"] or created < at:
        raise ContradictionError(place, "its event is its person's, and precedes the receipt")


def _check_opening(
    receipt: dict[str, Any], entry: dict[str, Any], index: int, origin: str, place: str
) -> None:
    """Checks that the receipt agrees with the entry, and with what the entry commits to."""
    check_shape(receipt.get("log"), RECEIPT["log?"], place, "a receipt: `log`")
    log, record = receipt["log"], receipt["log"]["record"]
    event, account = receipt["record"]["events"][0], record["account"]
    record_text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    committed = hashlib.sha256(bytes.fromhex(log["nonce"]) + record_text.encode()).hexdigest()
    allow, effect = entry["facts"].get("allow"), entry["facts"].get("effect")
    state = STATES.get(str(effect), "ConsentInvalidated" if allow else "ConsentRefused")
    for promise, holds in (
        ("its entry is a choice", entry["t"] == "choice"),
        ("it opens the commitment of its entry", committed == entry["commit"]),
        ("its pseudonym is that of its entry", log["who"] == entry.get("who")),
        ("its salt gives its pseudonym", pseudonym(bytes.fromhex(log["salt"])) == log["who"]),
        (
            "its evidence is what its entry commits to",
            _matches_hash(log["evidence"], record["facts"].get("evidence")),
        ),
        (
            "its notice is the one of its evidence",
            _matches_evidence(receipt["record"]["privacy_notice"], log["evidence"]),
        ),
        ("its log is the proved one", log["origin"] == origin),
        ("its index is the proved one", log["index"] == index),
        ("its time is that of its entry", event["event_time"] == entry["at"] == record["at"]),
        (
            "its account is the one committed to",
            receipt["record"]["pii_principal_id"] == f"urn:licet:account:{account}",
        ),
        (
            "its number is the one committed to",
            receipt["receipt_id"] == f"urn:licet:receipt:{account}:{record['facts']['seq']}",
        ),
        (
            "its facts are those committed to",
            record["t"] == "choice" and includes_facts(record["facts"], _without_pseudonyms(entry)),
        ),
        (
            "its project or conversation is the one committed to",
            _derive_pseudonyms(log["salt"], record["facts"]) == _pseudonyms_in(entry),
        ),
        ("it is for the question and the scope committed to", _has_target(event, record["facts"])),
        (
            "its kept grants are those committed to",
            _kept_grants(event) == (record["facts"].get("kept") or ""),
        ),
        ("its answer is that of its entry", (event["allow"], event["effect"]) == (allow, effect)),
        ("its state is the choice's effect", event["event_state"] == f"dpv:{state}"),
        (
            "a grant is in force after a yes that took effect",
            effect not in ("began", "affirmed") or event["grant"],
        ),
        (
            "its policy is the one committed to",
            _is_committed(receipt, "policy", receipt["record"]["policy"]["sha256"]),
        ),
        (
            "its method, grant and reason are those committed to",
            _is_committed(receipt, "via", event["indication_method"])
            and _is_committed(receipt, "grant", event["grant"])
            and _is_committed(receipt, "because", event.get("because")),
        ),
    ):
        if not holds:
            raise ContradictionError(place, promise)


# pseudonym's name -> id's name
ID_OF_PSEUDONYM = {"handle": "conversation", "project": "project"}


def _pseudonyms_in(entry: dict[str, Any]) -> dict[str, Any]:
    """The pseudonyms of the choice's target."""
    return {name: fact for name, fact in entry["facts"].items() if name in ID_OF_PSEUDONYM}


def _without_pseudonyms(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in entry["facts"].items() if name not in ID_OF_PSEUDONYM}


def _derive_pseudonyms(salt: str, facts: dict[str, Any]) -> dict[str, str]:
    """The pseudonyms that the salt gives to the ids in the private record."""
    return {
        name: hmac.digest(
            bytes.fromhex(salt), kind.encode() + bytes.fromhex(facts[kind]), "sha256"
        ).hex()
        for name, kind in ID_OF_PSEUDONYM.items()
        if kind in facts
    }


def _has_target(event: dict[str, Any], facts: dict[str, Any]) -> bool:
    question = facts.get("question", TRAINING if "scope" not in facts else None)
    target = next(
        (f"urn:licet:{kind}:{facts[kind]}" for kind in ID_OF_PSEUDONYM.values() if kind in facts),
        None,
    )
    stated = (event.get("question", TRAINING), event.get("scope", ACCOUNT), event.get("of"))
    return stated == (question, facts.get("scope", ACCOUNT), target)


def _kept_grants(event: dict[str, Any]) -> str:
    return ",".join(str(grant["grant"]) for grant in event.get("kept", ()))


def _is_committed(receipt: dict[str, Any], fact: str, value: object) -> bool:
    """Whether the record has the fact with that value; a record without a policy may lack it."""
    facts = receipt["log"]["record"]["facts"]
    if fact not in facts:
        return "policy" not in facts and "document" not in receipt["record"]["policy"]
    return type(facts[fact]) is type(value) and facts[fact] == value


def _matches_hash(text: str | None, sha256: str | None) -> bool:
    return text is sha256 is None or (
        text is not None and hashlib.sha256(text.encode()).hexdigest() == sha256
    )


def _matches_evidence(notice: dict[str, Any], evidence: str | None) -> bool:
    """Whether the receipt's notice is that of the evidence; free-text evidence names no notice."""
    try:
        evidence_fields = json.loads(evidence or "{}")
    except (ValueError, RecursionError):
        evidence_fields = {}
    evidence_fields = (
        evidence_fields
        if isinstance(evidence_fields, dict) and fits_kind(evidence_fields.get("v"), "one")
        else {}
    )
    shown = notice["presented_as"]
    expected = {
        "sha256": notice["sha256"],
        "language": notice["language"],
        "notice": notice["notice_id"],
    }
    expected |= {key: shown[key] for key in ("default_state", "surface", "place", "shown_at")}
    expected |= {"shown": shown["showing_id"]}
    is_gpc = evidence_fields.get("gpc") is shown["gpc"]
    return is_gpc and all(
        (evidence_fields.get(key) or None) == value for key, value in expected.items()
    )

"""Receipts: for every choice, also a refusal or withdrawal, a document that the person keeps and
anybody can verify.

A receipt is a consent receipt of ISO/IEC TS 27560:2023 in the terms of the W3C's DPV 2 (whose guide
to that standard gives the form), signed with the log's Ed25519 key as a compact JWS (RFC 7515, RFC
8037) over canonical JSON (RFC 8785). Training is a processing (`ai#ModelTraining`) for the purpose
`ImproveExistingProductsAndServices`. The event's type is how consent was expressed (explicitly),
its state the answer.

Each question and scope has a receipt of its own, with the purposes of that question only. The event
names the question, the scope, the project or conversation, and for a no the grants that it kept. A
receipt replaces the earlier one for the same question and scope.

Once the choice is logged, the receipt also opens its leaf: it contains the private record and the
nonce that the leaf commits to, the evidence and policy that the record hashes, the leaf, its
inclusion proof, and the salt of the person's pseudonyms of that year, which finds their
conversations in release proofs. The nonce is derived from the account's key and not stored. After
erasure only the holder of a receipt can open the leaf, and no receipt can be issued.

Facts outside policy and choice (controller, storage locations) come from the operator's
`Controller` or are marked as not stated. Every receipt states that conversations may contain
special categories of data, such as health and beliefs, because nobody has examined them.

    file = {"entry":"<the leaf>","proof":"<c2sp.org/tlog-proof@v1>","receipt":"<JWS>","v":1}      entry, proof: or null
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

import msgspec

from licet.consent.choices import Evidence, read_evidence
from licet.consent.controller import Controller
from licet.errors import NotFoundError, RefusedError
from licet.keys.keyring import Keyring
from licet.keys.material import account_place, unseal
from licet.ledger import entries, jws, sequence
from licet.ledger.canonical_json import Canonical, canonical
from licet.ledger.entries import LogKeySource
from licet.ledger.outbox import EntryKind
from licet.ledger.publication import PublishedLog
from licet.ledger.sequence import LogPlace, PlacedRow
from licet.ledger.storage import folder_exists
from licet.policy import purposes
from licet.policy.file import TRAINING, Policies, Policy
from licet.policy.outcomes import NoEffect
from licet.policy.period import rfc3339
from licet.policy.state import WHOLE_ACCOUNT, GrantScope, ScopeKind
from licet.store.connect import Transaction
from licet.vault import account_choices, account_view
from licet.vault.account_choices import StoredChoice
from licet.vault.projects import scope_of

VERSION = 1
# distinct types, so that one cannot be mistaken for the other
RECEIPT, CERTIFICATE = "licet-receipt+jws", "licet-certificate+jws"
CHOICES_MAX = 1_000
SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#"
PROCESSING = "https://w3id.org/dpv/ai#ModelTraining"
# The rights of the GDPR, in DPV's terms: withdrawal, access, rectification, erasure, restriction,
# portability, objection, complaint.
RIGHTS = ("A7-3", "A15", "A16", "A17", "A18", "A20", "A21", "A77")
MAY_OCCUR = "may occur"
NOT_STATED = "not stated by the operator"
WITHDRAWAL = "the privacy settings of the service, at any time: one step, as for giving it"
STATES = {
    "began": "ConsentGiven",
    "affirmed": "RenewedConsentGiven",
    "withdrew": "ConsentWithdrawn",
    "declined": "ConsentRefused",
}


class KeptGrant(msgspec.Struct, frozen=True, kw_only=True):
    grant: int
    scope: GrantScope


class ReceiptChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One choice of an account. ``statement`` is the exact text of the evidence, whose hash the
    leaf commits to; ``evidence`` is None if that text is free-form. ``question`` is None if none
    was answered; ``because`` is why the choice had no effect.
    """

    account: UUID
    seq: int
    at: datetime
    allow: bool
    effect: str
    grant: int | None
    via: str
    number: int
    evidence: Evidence | None
    statement: str | None = None
    question: str | None = TRAINING
    scope: GrantScope = WHOLE_ACCOUNT
    kept: tuple[KeptGrant, ...] = ()
    because: str | None = None

    @property
    def state(self) -> str:
        """The consent state of TS 27560. A yes that the policy rejects (plan, age) permits
        nothing.
        """
        return STATES.get(self.effect, "ConsentInvalidated" if self.allow else "ConsentRefused")

    @property
    def receipt_id(self) -> str:
        return f"urn:licet:receipt:{self.account.hex}:{self.seq}"


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """An issued receipt. ``entry`` and ``proof`` are None until the choice is in the log."""

    receipt: str
    entry: str | None
    proof: str | None
    payload: dict[str, Canonical]

    def encode(self) -> bytes:
        """The bytes of its file: canonical JSON and a newline."""
        file: dict[str, Canonical] = {
            "v": VERSION,
            "receipt": self.receipt,
            "entry": self.entry,
            "proof": self.proof,
        }
        return canonical(file) + b"\n"


class Issuer:
    """Issues the receipts of accounts, created at ``now``."""

    def __init__(
        self,
        tx: Transaction,
        keyring: Keyring,
        keys: LogKeySource,
        place: LogPlace,
        policies: Policies,
        controller: Controller,
        now: datetime,
    ) -> None:
        self._tx, self._keyring, self._keys, self._place = tx, keyring, keys, place
        self._policies, self._controller, self._at = policies, controller, now
        self._seed = keyring.log_seed(tx)
        self._logs: dict[int, PublishedLog | None] = {}

    def receipts(self, account: UUID) -> list[Receipt]:
        """Issues one receipt per choice, oldest first; RefusedError if the account's key was
        destroyed, NotFoundError for an unknown account.
        """
        made = choices(self._tx, self._keyring, self._policies, account)
        placed = sequence.list_leaves(self._tx, account, EntryKind.choice)
        leaves = {cast("int", leaf.row.facts["seq"]): leaf for leaf in placed}
        issued, before = [], dict[tuple[str | None, GrantScope], str]()
        for choice in made:
            about = (choice.question, choice.scope)
            issued.append(self._issue(choice, before.get(about), leaves.get(choice.seq)))
            before[about] = choice.receipt_id
        return issued

    def _issue(self, choice: ReceiptChoice, before: str | None, leaf: PlacedRow | None) -> Receipt:
        is_committed = leaf is None or "policy" in leaf.row.facts
        payload = build_payload(
            choice,
            self._terms(choice, leaf),
            self._controller,
            before,
            self._at,
            with_text=is_committed,
        )
        entry = proof = None
        if leaf is not None:
            log = self._log(leaf.year)
            entry, proof = log.entry_with_proof(leaf.index) if log is not None else (None, None)
            if proof is not None:
                payload["log"] = self._opening(leaf, choice.statement)
        return Receipt(receipt=sign(payload, self._seed), entry=entry, proof=proof, payload=payload)

    def _terms(self, choice: ReceiptChoice, leaf: PlacedRow | None) -> Policy:
        """Returns the policy as committed to by the leaf: an amendment may have moved its deadline
        since.
        """
        policy = self._policies[choice.number]
        decide_by = policy.decide_by if leaf is None else leaf.row.facts.get("decide_by")
        if isinstance(decide_by, str):
            decide_by = date.fromisoformat(decide_by)
        return msgspec.structs.replace(policy, decide_by=decide_by)

    def _opening(self, leaf: PlacedRow, evidence: str | None) -> dict[str, Canonical]:
        row, year = leaf.row, leaf.year
        assert row.account is not None
        key = self._keys.log_keys(self._tx, [row.account], year)[row.account]
        return {
            "origin": self._place.origin(year),
            "index": leaf.index,
            "who": entries.pseudonym(key),
            "salt": entries.derive_salt(key).hex(),
            "evidence": evidence,
            "nonce": entries.derive_nonce(key, row.outbox_id).hex(),
            "record": entries.private_record(row),
        }

    def _log(self, year: int) -> PublishedLog | None:
        if year not in self._logs:
            folder = self._place.folder / str(year)
            signer = self._place.signer(self._seed, year)
            self._logs[year] = (
                PublishedLog(folder, signer.verifier) if folder_exists(folder) else None
            )
        return self._logs[year]


def choices(
    tx: Transaction, keyring: Keyring, policies: Policies, account: UUID
) -> list[ReceiptChoice]:
    """Loads the choices of an account, oldest first, with their evidence."""
    holder = account_view.load_accounts(tx, [account]).get(account)
    if holder is None:
        raise NotFoundError("no such account")
    chain = keyring.account_keys(tx, [account])
    if account not in chain:
        raise RefusedError(
            "the account was erased, and with its key all data that a receipt needs",
            "receipts issued earlier stay valid",
            because="erased",
        )
    key = chain[account].own
    made = account_choices.list_by_account(tx, account, limit=CHOICES_MAX)
    evidence_by_choice = {
        choice.grant: scope_of(choice.project, choice.conversation)
        for choice in made
        if choice.grant is not None
    }
    return [_choice(account, key, policies, choice, evidence_by_choice) for choice in made]


def _choice(
    account: UUID,
    key: bytes,
    policies: Policies,
    stored: StoredChoice,
    scopes: Mapping[int, GrantScope],
) -> ReceiptChoice:
    evidence = (
        unseal(key, stored.evidence, account_place(account)).decode() if stored.evidence else None
    )
    return ReceiptChoice(
        account=account,
        seq=stored.seq,
        at=stored.at,
        allow=stored.allow,
        effect=stored.effect,
        grant=stored.grant,
        via=stored.via,
        number=stored.number,
        evidence=read_evidence(evidence) if evidence is not None else None,
        statement=evidence,
        question=stored.question if stored.question in policies[stored.number].asks else None,
        scope=scope_of(stored.project, stored.conversation),
        kept=tuple(KeptGrant(grant=number, scope=scopes[number]) for number in stored.kept),
        because=stored.because,
    )


def build_payload(
    choice: ReceiptChoice,
    policy: Policy,
    controller: Controller,
    before: str | None,
    now: datetime,
    *,
    with_text: bool = True,
) -> dict[str, Canonical]:
    """Builds a receipt's payload without its log opening. ``with_text``: includes the policy's
    text, which old entries do not commit to.
    """
    principal = f"urn:licet:account:{choice.account.hex}"
    return {
        "@context": ["https://w3id.org/dpv/dpv.jsonld"],
        "@type": "dpv:ConsentReceipt",
        "schema_version": f"{SCHEMA}receipt",
        "receipt_id": choice.receipt_id,
        "dct:identifier": choice.receipt_id,
        "dpv:hasIdentifier": choice.receipt_id,
        "created": rfc3339(now),
        "replaces": before,
        "record": {
            "@type": "dpv:ConsentRecord",
            "schema_version": f"{SCHEMA}record",
            "record_id": choice.receipt_id.replace(":receipt:", ":record:"),
            "pii_principal_id": principal,
            "privacy_notice": _notice(choice, policy),
            "processes": [
                _describe_purpose(choice, policy, controller, purpose)
                for purpose in _purposes(choice, policy)
            ],
            "jurisdiction": list(controller.jurisdictions) or [NOT_STATED],
            "privacy_rights": [f"eu-gdpr:{right}" for right in RIGHTS],
            "parties": [_party(controller)],
            "events": [_event(choice, principal)],
            "policy": {
                "policy": policy.policy,
                "version": policy.version,
                "sha256": policy.sha256().hex(),
                **({"document": msgspec.json.decode(policy.text())} if with_text else {}),
            },
        },
    }


def _purposes(choice: ReceiptChoice, policy: Policy) -> list[str]:
    """Returns the purposes of the answered question; of all questions if none was answered."""
    covers = {question.question: question.covers for question in policy.questions}
    return sorted(covers.get(choice.question or "", policy.covers))


def _notice(choice: ReceiptChoice, policy: Policy) -> dict[str, Canonical]:
    """Describes the answered notice, by the hash of its bytes, and its pre-selected answer."""
    shown = choice.evidence or Evidence(v=1, default_state="", surface="", gpc=False)
    return {
        "@type": "dpv:ConsentNotice",
        "notice_id": shown.notice or None,
        "version": policy.version,
        "language": shown.language or None,
        "sha256": shown.sha256 or None,
        "presented_as": {
            "showing_id": shown.shown or None,
            "shown_at": shown.shown_at or None,
            "place": shown.place or None,
            "surface": shown.surface or None,
            "default_state": shown.default_state or None,
            "gpc": shown.gpc if choice.evidence else None,
        },
    }


_CONCERNS = {
    ScopeKind.account: "conversations begun or resumed after the choice",
    ScopeKind.project: "conversations of one project that are begun or resumed after the choice",
    ScopeKind.conversation: "one conversation, as it is resumed after the choice",
}


def _describe_purpose(
    choice: ReceiptChoice, policy: Policy, controller: Controller, purpose: str
) -> dict[str, Canonical]:
    is_given = choice.effect in ("began", "affirmed")
    return {
        "name": purpose,
        "purpose": purposes.purpose_url(purpose),
        "processing_method": [PROCESSING],
        "lawful_basis": "eu-gdpr:A6-1-a",
        "pii_information": [
            {
                "pii_type": "conversation_content",
                "pii_optional": True,
                "sensitive_pii_category": MAY_OCCUR,
                "special_pii_category": MAY_OCCUR,
            }
        ],
        "scope": f"{_CONCERNS[choice.scope.kind]}, under the plans and surfaces of the policy",
        "pii_controllers": ["party:controller"],
        "recipient_third_parties": sorted(policy.recipients),
        "storage_locations": list(controller.storage_locations) or [NOT_STATED],
        "retention_period": str(policy.keep.of_turn(allowed=is_given)),
        "withdrawal_method": controller.withdrawal_url or WITHDRAWAL,
    }


def _party(controller: Controller) -> dict[str, Canonical]:
    return {
        "party_id": "party:controller",
        "party_type": "dpv:DataController",
        "party_role": "dpv:DataController",
        "party_name": controller.name or NOT_STATED,
        "party_address": controller.address or NOT_STATED,
        "party_contact": controller.contact or NOT_STATED,
    }


def _event(choice: ReceiptChoice, principal: str) -> dict[str, Canonical]:
    return {
        "event_id": f"{choice.receipt_id}:event",
        "event_time": rfc3339(choice.at),
        "validity_duration": None,
        "entity_id": principal,
        "event_type": "dpv:ExplicitlyExpressedConsent",
        "event_state": f"dpv:{choice.state}",
        "indication_method": choice.via,
        "allow": choice.allow,
        "effect": choice.effect,
        "because": choice.because,
        "grant": choice.grant,
        "question": choice.question,
        "scope": choice.scope.kind.value,
        "of": _scope_urn(choice.scope),
        "kept": [
            {"grant": grant.grant, "scope": grant.scope.kind.value, "of": _scope_urn(grant.scope)}
            for grant in choice.kept
        ],
    }


def _scope_urn(scope: GrantScope) -> str | None:
    """Returns the project's or conversation's URN; None for the account."""
    return None if scope.kind is ScopeKind.account else f"urn:licet:{scope.kind.value}:{scope.name}"


# Signing


def sign(payload: dict[str, Canonical], seed: bytes, typ: str = RECEIPT) -> str:
    """Signs a payload as a compact JWS. Its `kid` is the key's JWK thumbprint (RFC 7638)."""
    return jws.sign(payload, seed, typ)


# For a person

_ANSWERED = {
    "ConsentGiven": "Yes: {what} may be used.",
    "RenewedConsentGiven": "Yes, again: {what} may go on being used.",
    "ConsentWithdrawn": "No, from now on: you took your permission back{kept}.",
    "ConsentRefused": "No: your chats are not used{kept}.",
    "ConsentInvalidated": "You said yes, but {why}.",
}
_WHAT = {
    ScopeKind.account: "your chats",
    ScopeKind.project: "the chats of one project",
    ScopeKind.conversation: "one chat",
}
_FOR = {
    ScopeKind.account: "your whole account",
    ScopeKind.project: "a project",
    ScopeKind.conversation: "a chat",
}
_WHY = {
    NoEffect.closed: "your account is closed, and it permits nothing",
    NoEffect.not_begun: "nothing was asked yet, and it permits nothing",
    NoEffect.not_asked: "nobody asks that question, and it permits nothing",
    NoEffect.several_questions: "several questions are asked and you named none, so it permits nothing",
    NoEffect.gate: "other questions had to be answered first, and it permits nothing",
    NoEffect.kept_out: "this is kept out, and it permits nothing until you let it in",
    NoEffect.unknown: "there is no such chat, and it permits nothing",
    NoEffect.deleted: "the chat was deleted, and it permits nothing",
    NoEffect.expired: "the chat is over its time, and it permits nothing",
    NoEffect.incognito: "incognito chats are never used, and it permits nothing",
    NoEffect.covered: "this was permitted already, and nothing changed",
}


def page(receipt: Receipt, vkey: str) -> str:
    """Renders a standalone, printable page. ``vkey`` is the log's, for verifying the receipt."""
    rows = "\n".join(
        f"<tr><th scope=row>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in list_fields(receipt)
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Receipt of your choice</title>
<style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}}
th{{text-align:left;vertical-align:top;padding-right:1rem;font-weight:600}}td{{overflow-wrap:anywhere}}
pre{{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.75rem}}@media print{{body{{margin:0}}}}</style></head>
<body><main><h1>Receipt of your choice</h1>
<p><strong>{html.escape(describe(receipt))}</strong></p>
<table>{rows}</table>
<h2>What this proves</h2>
<p>{describe_proof(receipt)}</p>
<p>Keep the file. Anybody can check it without asking us: save it as <code>receipt.json</code>, take
<code>verifier.py</code> from beside our public log, and run
<code>python verifier.py receipt receipt.json --key {html.escape(vkey)}</code></p>
<pre>{html.escape(receipt.encode().decode())}</pre></main></body></html>
"""


_PROVES = """Your choice stands in our public log, which nobody can change without its being noticed. The log shows
neither your name nor your account; this receipt alone shows that the entry is yours. You can change your choice at
any time; this receipt stays true for the moment it names."""
_WAITS = """It is signed. Your choice reaches our public log by itself; a receipt that you fetch once it is there holds the
proof."""


def describe(receipt: Receipt) -> str:
    """Describes the choice in a sentence."""
    event = _event_of(receipt)
    state = str(event["event_state"]).removeprefix("dpv:")
    why = _WHY.get(NoEffect(event["because"])) if event["because"] else None
    return _ANSWERED[state].format(
        what=_WHAT[ScopeKind(event["scope"])],
        kept=", but for what you kept" if event["kept"] else "",
        why=why or "for your account it permits nothing",
    )


def _event_of(receipt: Receipt) -> dict[str, Any]:
    return cast("dict[str, Any]", _value_at(receipt.payload, "record", "events", 0))


def describe_proof(receipt: Receipt) -> str:
    """Describes what the receipt proves now."""
    return _PROVES if receipt.proof else _WAITS


def list_fields(receipt: Receipt) -> Iterator[tuple[str, str]]:
    """Yields the receipt's content as (label, text) pairs."""
    record = ("record",)
    yield "When", _text(receipt.payload, *record, "events", 0, "event_time")
    yield "How", _text(receipt.payload, *record, "events", 0, "indication_method")
    event = _event_of(receipt)
    yield "Question", event["question"] or "none that is asked"
    yield "For", _describe_target(event)
    if event["kept"]:
        yield "Kept all the same", ", ".join(_describe_target(target) for target in event["kept"])
    processes = cast("Sequence[Canonical]", _value_at(receipt.payload, *record, "processes"))
    yield (
        "About",
        ", ".join(
            _text(receipt.payload, *record, "processes", n, "name") for n in range(len(processes))
        ),
    )
    if processes:
        yield "Kept for", _text(receipt.payload, *record, "processes", 0, "retention_period")
        yield (
            "To take it back",
            _text(receipt.payload, *record, "processes", 0, "withdrawal_method"),
        )
    yield "Policy", _text(receipt.payload, *record, "policy", "version")
    yield "Notice you were shown", _text(receipt.payload, *record, "privacy_notice", "sha256")
    yield (
        "Chosen before you answered",
        _text(receipt.payload, *record, "privacy_notice", "presented_as", "default_state"),
    )
    yield "Responsible", _text(receipt.payload, *record, "parties", 0, "party_name")
    yield "Receipt", _text(receipt.payload, "receipt_id")
    if "log" in receipt.payload:
        yield (
            "In the log",
            (
                f"{_text(receipt.payload, 'log', 'origin')}, entry "
                f"{_text(receipt.payload, 'log', 'index')}"
            ),
        )


def _describe_target(event: Mapping[str, Any]) -> str:
    kind, _, name = (event["of"] or "").removeprefix("urn:licet:").partition(":")
    return f"{_FOR[ScopeKind(event['scope'])]} ({name})" if kind else _FOR[ScopeKind.account]


def _value_at(value: Canonical, *path: str | int) -> Canonical:
    for step in path:
        value = value[step]  # type: ignore[index]  # the shape is `build_payload`'s
    return value


def _text(value: Canonical, *path: str | int) -> str:
    found = _value_at(value, *path)
    return "not stated" if found is None else str(found)

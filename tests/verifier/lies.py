"""The kinds of lie: one a line of the tables below, as place, operation and the promise that it
must break.

An operator's lie is told with the signing key: entries are written otherwise and the whole log is
signed anew. Told from the start, nobody remembers another log, and what the entries say must betray
it; told after the fact, it contradicts a checkpoint, a proof or a receipt that somebody kept. An
outsider's lie changes bytes that they carry.

A byte flipped counts as one kind, whatever byte it is; `test_lies` flips them all.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from types import ModuleType
from typing import Any
from uuid import UUID

import msgspec

from licet import verifier
from licet.consent.choices import Evidence
from licet.consent.controller import Controller
from licet.ledger import entries as leaves
from licet.ledger import note
from licet.ledger.canonical_json import canonical
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.entries import OutboxRow
from licet.ledger.log import LogWriter
from licet.ledger.note import Signer
from licet.ledger.proof import InclusionProof
from licet.policy.period import instant
from licet.policy.state import GrantScope, ScopeKind
from licet.proof.receipt import KeptGrant, Receipt, ReceiptChoice, build_payload, sign

from ..ledger.world import ORIGIN, SIGNER, STRANGER, Disk, Held
from ..terms import preset

BEGIN = instant("2026-03-01T10:00:00Z")
ANA, BEN, EVA, DAN = (UUID(int=number) for number in (1, 2, 3, 4))
KEYS = {account: bytes([account.int]) * 32 for account in (ANA, BEN, EVA, DAN)}
# what a choice and a grant are for, where nothing else is said
FOR = {"question": "training", "scope": "account"}
TRUST = verifier.trust(SIGNER.verifier.vkey)
LATER_TRUST = verifier.trust(SIGNER.renamed(ORIGIN.replace("2026", "2027")).verifier.vkey)
POLICY = preset("article-2025")
MIDDLE, SIZE, PROVED = 280, 300, 60
ASKED = 32  # from this entry on there are questions
HASH = "ab" * 32
SHOWN = Evidence(v=1, default_state="none", surface="app", gpc=False, sha256=HASH, language="en")
SAID = msgspec.json.encode(SHOWN, order="sorted").decode()
COMMITTED = {
    "policy": POLICY.sha256().hex(),
    "decide_by": None,
    "via": "notice",
    "grant": 1,
    "because": None,
}
SAID_HASH = hashlib.sha256(SAID.encode()).hexdigest()


@dataclass(frozen=True)
class Shown:
    """What somebody is shown: a published log beside checkpoints kept, receipts, proofs, checkpoint
    pairs.
    """

    files: dict[str, bytes] | None = None
    older: tuple[bytes, ...] = ()
    receipts: tuple[bytes, ...] = ()
    proofs: tuple[tuple[bytes, bytes], ...] = ()
    pairs: tuple[tuple[bytes, bytes, tuple[bytes, ...]], ...] = ()
    releases: tuple[tuple[dict[str, bytes], dict[str, bytes]], ...] = ()
    certificates: tuple[bytes, ...] = ()
    since: tuple[tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]], ...] = ()

    def findings(self, by: ModuleType = verifier) -> list[str]:
        """What a verifier finds in all of it, or lacks for a proof; where it is empty all is
        proved.
        """
        reports = self.reports(by)
        believed = [report.answer in verifier.LEVELS for report in reports]
        assert believed == [not report.findings and not report.lacks for report in reports]
        found = [
            f"{found.place}: {found.promise}" for report in reports for found in report.findings
        ]
        return found + [
            f"{lack.place}: not proved: {lack.why}" for report in reports for lack in report.lacks
        ]

    def reports(self, by: ModuleType) -> list[verifier.VerifierReport]:
        reports = [by.check_receipt(raw, TRUST) for raw in self.receipts]
        reports += [by.check_certificate(raw, TRUST) for raw in self.certificates]
        for folder, log, later in self.since:
            others = [(LATER_TRUST, Held(later))] if later else []
            reports.append(by.check_release(Held(folder), TRUST, Held(log), others))
        reports += [by.check_proof(raw, entry, TRUST) for raw, entry in self.proofs]
        reports += [by.check_checkpoints(old, new, path, TRUST) for old, new, path in self.pairs]
        for folder, log in self.releases:
            reports.append(by.check_release(Held(folder), TRUST, Held(log)))
        if self.files is not None:
            kept = [(f"kept {number}", raw) for number, raw in enumerate(self.older)]
            reports.append(by.check_log(Held(self.files), TRUST, kept, by.new_story(ORIGIN)))
        return reports


@dataclass(frozen=True)
class Lie:
    place: str
    operation: str
    promise: str
    shown: Callable[[], Shown]


# The honest world


CHAT = {"question": "training", "scope": "conversation", "conversation": "7a" * 16}
KEPT, LEFT = (
    {"question": "training", "scope": "project", "project": name * 16} for name in ("7b", "7c")
)


def tell_asked(tell: Callable[..., None]) -> None:
    """Since there are questions: Dan says no, but for a chat and two projects; no again, and keeps
    the chat and one of them; keeps that project out, and lets it in. Ana, who withdrew before, says
    yes again, and no to a question that nobody asks.
    """
    tell("choice", DAN, allow=False, effect="declined", version=1, seq=11, **FOR)
    for number, about in enumerate((CHAT, KEPT, LEFT), 1):
        tell("choice", DAN, allow=True, effect="began", version=1, seq=11 + number, **about)
        tell("grant_begun", DAN, grant=number, version=1, seq=11 + number, **about)
    tell("grant_ended", DAN, grant=3, cause="refused", seq=15)
    tell("choice", DAN, allow=False, effect="withdrew", version=1, seq=15, kept="1,2", **FOR)
    tell("grant_affirmed", DAN, grant=1, version=1, seq=15, **CHAT)
    tell("grant_affirmed", DAN, grant=2, version=1, seq=15, **KEPT)
    tell("project_kept_out", DAN, project=KEPT["project"], seq=16)
    tell("grant_ended", DAN, grant=2, cause="narrowed", seq=16)
    tell("project_let_in", DAN, project=KEPT["project"], seq=17)
    tell("choice", ANA, allow=True, effect="began", version=1, seq=21, **FOR)
    tell("grant_begun", ANA, grant=2, version=1, seq=21, **FOR)
    tell("choice", ANA, allow=False, effect="none", version=1, seq=22, scope="account")
    tell("choice", ANA, allow=True, effect="none", version=1, seq=23, **CHAT)


@cache
def rows() -> tuple[OutboxRow, ...]:
    """A spring of four accounts, of whom Ben comes from the year before, and many more who only
    chat. In the middle of it the policy begins to ask questions: what is told before names none.
    """
    made: list[OutboxRow] = []
    minutes = count()
    acts: dict[tuple[UUID | None, int], int] = {}  # all of an account's act is told at one moment

    def tell(told: str, account: UUID | None = None, **facts: Any) -> None:
        facts |= {"evidence": SAID_HASH} | COMMITTED if told == "choice" else {}
        minute = next(minutes)
        at = BEGIN + timedelta(
            minutes=acts.setdefault((account, facts.get("seq", -minute)), minute)
        )
        made.append(
            OutboxRow(
                outbox_id=len(made) + 1, account=account, kind=told, occurred_at=at, facts=facts
            )
        )

    tell("policy_stands", number=0, sha256=POLICY.sha256().hex())
    tell("notice_published", number=0, language="en", variant="existing", sha256=HASH)
    tell("account_opened", ANA, seq=1)
    tell("notice_shown", ANA, number=0, sha256=HASH, default_state="none", showing="ef" * 16)
    tell("choice", ANA, allow=True, effect="began", version=0, seq=2)
    tell("grant_begun", ANA, grant=1, version=0, seq=2)
    tell("carried", BEN, **{"from": 2025, "was": "cd" * 32})
    tell("choice", BEN, allow=False, effect="declined", version=0, seq=9)
    tell("policy_applied", number=0, sha256="1c" * 32, amends=POLICY.sha256().hex())
    tell("policy_applied", number=1, sha256="2c" * 32)
    tell("choice", ANA, allow=True, effect="affirmed", version=1, seq=3)
    tell("grant_affirmed", ANA, grant=1, version=1, seq=3)
    tell(
        "release_sealed",
        release="4d" * 16,
        purpose="improve_models",
        version=1,
        position=40,
        rows=7,
        root="5e" * 32,
        manifest_sha256="6f" * 32,
    )
    tell("choice", ANA, allow=False, effect="withdrew", version=1, seq=4)
    tell("grant_ended", ANA, grant=1, cause="refused", seq=4)
    tell("deleted", ANA, conversation="9a" * 16, seq=5)
    tell("key_destroyed", ANA, conversation="9a" * 16, because="deleted", segment=0)
    tell("account_opened", EVA, seq=17)
    tell("account_opened", DAN, seq=1)
    while len(made) < ASKED:
        tell("deleted", EVA, conversation="8b" * 16, seq=len(made))
    tell_asked(tell)
    tell("release_decided", release="4e" * 16, position=41)
    while len(made) < SIZE:
        tell("deleted", EVA, conversation="8b" * 16, seq=len(made))
    return tuple(made)


@cache
def honest_entries() -> tuple[bytes, ...]:
    logged = BEGIN + timedelta(hours=12)
    return tuple(
        leaves.encode(
            row,
            KEYS.get(row.account) if row.account else None,
            logged + timedelta(seconds=n),
            bytes,
        )
        for n, row in enumerate(rows())
    )


@dataclass(frozen=True)
class Written:
    files: dict[str, bytes]
    older: tuple[bytes, ...]
    proofs: tuple[InclusionProof, ...]
    path: tuple[bytes, ...]


def written(told: tuple[bytes, ...], signer: Signer = SIGNER, middle: int = MIDDLE) -> Written:
    """A log of these entries, signed; with the checkpoint that it showed on its way."""
    disk = Disk()
    log = LogWriter.begin(disk.folder("log"), disk.folder("state"), signer.name, signer)
    log.append(told[:middle])
    before = log.published
    log.append(told[middle:])
    size = log.checkpoint.size
    proofs = tuple(log.prove(index) for index in range(min(PROVED, size)))
    return Written(disk.files("log"), (before,), proofs, log.prove_consistency(min(middle, size)))


@cache
def honest_log() -> Written:
    return written(honest_entries())


def scope_in(facts: dict[str, Any]) -> GrantScope:
    """The scope that an entry's private facts tell of."""
    kind = ScopeKind(facts.get("scope", "account"))
    return GrantScope(kind, facts.get(kind.value, ""))


def receipt_of(
    index: int = 4,
    change: Callable[[dict[str, Any]], None] = lambda _payload: None,
    *,
    entry: bytes | None = None,
    proof: bytes | None = None,
) -> bytes:
    """Ana's or Ben's receipt of the choice at ``index``, as the operator signs it after
    ``change``.
    """
    row = rows()[index]
    assert row.account is not None
    key, facts = KEYS[row.account], row.facts
    kept = (
        (KeptGrant(grant=1, scope=scope_in(CHAT)), KeptGrant(grant=2, scope=scope_in(KEPT)))
        if "kept" in facts
        else ()
    )
    choice = ReceiptChoice(
        account=row.account,
        seq=facts["seq"],
        at=row.occurred_at,
        allow=facts["allow"],
        effect=facts["effect"],
        grant=1,
        via="notice",
        number=0,
        evidence=SHOWN,
        statement=SAID,
        scope=scope_in(facts),
        kept=kept,
        question=facts.get("question", None if "scope" in facts else "training"),
    )
    payload: dict[str, Any] = build_payload(
        choice, POLICY, Controller(name="Example"), None, BEGIN + timedelta(days=1)
    )
    payload["log"] = {
        "origin": ORIGIN,
        "index": index,
        "who": leaves.pseudonym(key),
        "salt": leaves.derive_salt(key).hex(),
        "evidence": SAID,
        "nonce": leaves.derive_nonce(key, row.outbox_id).hex(),
        "record": leaves.private_record(row),
    }
    change(payload)
    shown = Receipt(
        receipt=sign(payload, SIGNER.seed),
        payload=payload,
        entry=(entry or honest_entries()[index]).decode(),
        proof=(proof or honest_log().proofs[index].encode()).decode(),
    )
    return shown.encode()


CHOICES = tuple(index for index, row in enumerate(rows()) if row.kind == "choice")


@cache
def honest() -> Shown:
    """Everything that an honest operator shows, and a careful auditor keeps."""
    log = honest_log()
    return Shown(
        files=log.files,
        older=(*log.older, log.proofs[4].checkpoint),
        receipts=tuple(receipt_of(index) for index in CHOICES),
        proofs=tuple((proof.encode(), honest_entries()[proof.index]) for proof in log.proofs),
        pairs=((log.older[0], log.files["checkpoint"], log.path),),
    )


# An operator who writes other entries


Told = list[dict[str, Any]]


def told() -> Told:
    return [json.loads(entry) for entry in honest_entries()]


def signed(changed: Told | tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(entry if isinstance(entry, bytes) else canonical(entry) for entry in changed)


def from_the_start(change: Callable[[Told], Any]) -> Callable[[], Shown]:
    """The log was never another: only what it tells can betray it."""

    def shown() -> Shown:
        entries = told()
        return Shown(files=written(signed(change(entries) or entries)).files)

    return shown


def after_the_fact(change: Callable[[Told], Any]) -> Callable[[], Shown]:
    """The log was written anew; somebody kept what it showed before."""

    def shown() -> Shown:
        entries = told()
        return Shown(files=written(signed(change(entries) or entries)).files, older=honest().older)

    return shown


def raw(index: int, change: Callable[[bytes], bytes]) -> Callable[[], Shown]:
    """One entry of the honest log in another spelling, from the start."""

    def shown() -> Shown:
        entries = list(honest_entries())
        entries[index] = change(entries[index])
        return Shown(files=written(tuple(entries)).files)

    return shown


def put(index: int, *path: str, value: Any) -> Callable[[Told], None]:
    def change(entries: Told) -> None:
        target: Any = entries[index]
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value

    return change


def drop(index: int, *path: str) -> Callable[[Told], None]:
    def change(entries: Told) -> None:
        target: Any = entries[index]
        for step in path[:-1]:
            target = target[step]
        del target[path[-1]]

    return change


def moved(at: str, **shift: float) -> str:
    return (datetime.fromisoformat(at) + timedelta(**shift)).isoformat().replace("+00:00", "Z")


INDEX = {
    "policy_stands": 0,
    "policy_applied": 9,
    "notice_published": 1,
    "account_opened": 2,
    "notice_shown": 3,
    "choice": 4,
    "grant_begun": 5,
    "carried": 6,
    "grant_affirmed": 11,
    "release_sealed": 12,
    "grant_ended": 14,
    "deleted": 15,
    "key_destroyed": 16,
    "choice` for a chat, `choice": ASKED + 1,
    "grant_begun` for a chat, `grant_begun": ASKED + 2,
    "grant_affirmed` for a project, `grant_affirmed": ASKED + 10,
    "project_kept_out": ASKED + 11,
    "release_decided": ASKED + 18,
}
ROOT = "entries of the log lead to its root"


def field_lies() -> Iterator[Lie]:
    """Every field of every kind: changed after the fact, missing, of another type."""
    for kind, index in INDEX.items():
        entry = told()[index]
        fields = [(name,) for name in entry if name != "facts"] + [
            ("facts", name) for name in entry["facts"]
        ]
        for path in fields:
            place = f"entry `{kind}`, {'.'.join(path)}"
            value = entry[path[0]] if len(path) == 1 else entry["facts"][path[1]]
            if path[0] not in ("v", "t"):
                yield Lie(
                    place,
                    "another value",
                    ROOT,
                    after_the_fact(put(index, *path, value=_other(value))),
                )
            if path not in (("who",), ("facts", "grant")):
                yield Lie(place, "left out", "entry", from_the_start(drop(index, *path)))
            yield Lie(
                place, "another type", "entry", from_the_start(put(index, *path, value=[value]))
            )
        yield Lie(
            f"entry `{kind}`",
            "a fact that nobody listed",
            "the facts of its kind",
            from_the_start(put(index, "facts", "email", value="someone")),
        )
        yield Lie(
            f"entry `{kind}`",
            "a key that nobody listed",
            "the keys of its kind",
            from_the_start(put(index, "note", value="x")),
        )


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if len(value) == 64:
        return "0" * 64
    return moved(value, minutes=-1) if value.endswith("Z") else "other"


def story_lies() -> Iterator[Lie]:
    """A history that cannot have happened, told from the start."""
    tables: tuple[tuple[str, str, str, Callable[[Told], Any]], ...] = (
        (
            "choice.allow",
            "a no turned into a yes",
            "begins with a yes",
            put(13, "facts", "allow", value=True),
        ),
        (
            "choice.allow",
            "a yes turned into a no",
            "begins with a yes",
            put(4, "facts", "allow", value=False),
        ),
        (
            "choice.effect",
            "a refusal turned into a grant",
            "begins with a yes",
            put(7, "facts", "effect", value="began"),
        ),
        (
            "choice.effect",
            "an unknown effect",
            "begins with a yes",
            put(4, "facts", "effect", value="renewed"),
        ),
        (
            "choice.effect",
            "a no without effect",
            "follows its choice",
            put(4, "facts", "effect", value="none"),
        ),
        (
            "choice.version",
            "under a policy that comes later",
            "applied before",
            put(10, "facts", "version", value=2),
        ),
        (
            "choice.at",
            "after it was logged",
            "logged after it happened",
            lambda e: e[4].update(at=moved(e[4]["logged"], seconds=1)),
        ),
        (
            "choice.at",
            "before the account's last choice",
            "time of an account",
            lambda e: e[13].update(at=moved(e[10]["at"], minutes=-1)),
        ),
        ("choice.at", "no time", "is a time", put(4, "at", value="yesterday")),
        ("choice.at", "a day that is not", "is a time", put(4, "at", value="2026-02-30T00:00:00Z")),
        ("choice.at", "another zone", "is a time", put(4, "at", value="2026-03-01T10:04:00+00:00")),
        ("choice.logged", "no time", "is a time", put(4, "logged", value="soon")),
        (
            "choice.logged",
            "before the entry before",
            "time of the log",
            lambda e: e[5].update(logged=moved(e[4]["logged"], seconds=-1)),
        ),
        (
            "choice.logged",
            "in another year",
            "and in 2026",
            lambda e: e[299].update(logged="2027-01-01T00:00:00Z"),
        ),
        (
            "deleted.commit",
            "told twice",
            "a fact is logged once",
            lambda e: e.insert(31, {**e[30], "logged": e[30]["logged"]}),
        ),
        ("choice.commit", "not a hash", "32 bytes in hex", put(4, "commit", value="AB" * 32)),
        ("choice.who", "not a pseudonym", "32 bytes in hex", put(4, "who", value="ana")),
        (
            "choice.who",
            "on what belongs to nobody",
            "keys of its kind",
            put(0, "who", value="0" * 64),
        ),
        ("choice", "left out before its grant", "follows its choice", lambda e: e.pop(4) and None),
        (
            "choice",
            "put after its grant",
            "follows its choice",
            lambda e: e.__setitem__(slice(4, 6), _swapped(e[4], e[5])),
        ),
        (
            "grant_begun",
            "out of nothing",
            "follows its choice",
            lambda e: e.insert(17, {**e[5], "logged": e[16]["logged"], "commit": "7" * 64}),
        ),
        ("grant_begun", "left out", "was followed by a `grant_begun`", lambda e: e.pop(5) and None),
        (
            "grant_begun",
            "given to somebody else",
            "follows its choice",
            lambda e: e[5].update(who=e[20]["who"]),
        ),
        (
            "grant_affirmed",
            "left out",
            "was followed by a `grant_affirmed`",
            lambda e: e.pop(11) and None,
        ),
        (
            "grant_affirmed",
            "where it began",
            "follows its choice",
            lambda e: e[5].update(t="grant_affirmed"),
        ),
        (
            "grant_begun",
            "where it was affirmed",
            "follows its choice",
            lambda e: e[11].update(t="grant_begun"),
        ),
        (
            "grant_ended",
            "left out before a new choice",
            "was followed by a `grant_ended`",
            lambda e: e.__setitem__(14, {**e[13], "commit": "8" * 64}),
        ),
        (
            "carried",
            "to a pseudonym that spoke before",
            "carried over",
            lambda e: e.insert(9, {**e[6], "commit": "9" * 64, "logged": e[8]["logged"]}),
        ),
        ("carried", "from the same year", "carried over", put(6, "facts", "from", value=2026)),
        ("carried", "from a year to come", "carried over", put(6, "facts", "from", value=2030)),
        (
            "carried",
            "under somebody else's pseudonym",
            "carried over",
            lambda e: e[6].update(who=e[4]["who"]),
        ),
        (
            "policy_applied",
            "a number left out",
            "follows the one before",
            put(9, "facts", "number", value=3),
        ),
        (
            "policy_applied",
            "a number told again",
            "follows the one before",
            put(9, "facts", "number", value=0),
        ),
        (
            "policy_applied",
            "amending another text",
            "follows the one before",
            put(8, "facts", "amends", value="0" * 64),
        ),
        (
            "policy_applied",
            "amended without saying so",
            "follows the one before",
            drop(8, "facts", "amends"),
        ),
        (
            "policy_applied",
            "left out before a choice under it",
            "applied before",
            lambda e: e.pop(9) and None,
        ),
        (
            "release_sealed",
            "the same release told twice",
            "a fact is logged once",
            lambda e: e.insert(13, {**e[12], "facts": {**e[12]["facts"], "rows": 8}}),
        ),
        ("entry", "of a kind that is not", "a kind of version 1", put(15, "t", value="forgotten")),
        ("entry", "of another version", "a kind of version 1", put(15, "v", value=2)),
        ("entry", "version `true`", "a kind of version 1", put(15, "v", value=True)),
    )
    for place, operation, promise, change in tables:
        yield Lie(place, operation, promise, from_the_start(change))
    spelling: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
        ("a space more", lambda e: e.replace(b":", b": ", 1)),
        (
            "keys in another order",
            lambda e: json.dumps(
                dict(reversed(json.loads(e).items())), separators=(",", ":")
            ).encode(),
        ),
        ("a key twice", lambda e: e.replace(b'"v":1', b'"v":1,"v":1')),
        ("an escape that need not be", lambda e: e.replace(b"choice", b"\\u0063hoice")),
        ("a float", lambda e: e.replace(b'"v":1', b'"v":1.0')),
        ("not a number", lambda e: e.replace(b'"version":0', b'"version":NaN')),
        ("a byte after its end", lambda e: e + b"\n"),
        ("no object", lambda e: b"[" + e + b"]"),
        ("nothing at all", lambda _e: b""),
        ("not UTF-8", lambda e: e.replace(b"began", b"\xff\xfe")),
        ("nested without end", lambda _e: b"[" * 30_000 + b"]" * 30_000),
    )
    for operation, respell in spelling:
        yield Lie("entry, its bytes", operation, "canonical JSON", raw(4, respell))


def _swapped(first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**second, "logged": first["logged"]}, {**first, "logged": second["logged"]}]


def rewrite_lies() -> Iterator[Lie]:
    """The log written anew, in itself without fault, against what somebody kept."""
    choice = {
        "account": ANA,
        "kind": "choice",
        "facts": {"allow": True, "effect": "none", "version": 0, "seq": 99},
    }

    def forged(at: int) -> bytes:
        row = OutboxRow(outbox_id=900, occurred_at=BEGIN, **choice)
        logged = instant(told()[at]["logged"])
        return leaves.encode(row, KEYS[ANA], logged, bytes)

    tables: tuple[tuple[str, str, Callable[[Told], Any]], ...] = (
        (
            "a choice back-dated into it",
            ROOT,
            lambda e: (*signed(e[:3]), forged(3), *signed(e[3:])),
        ),
        ("an entry dropped from its middle", ROOT, lambda e: e.pop(15) and None),
        ("its first entry dropped", ROOT, lambda e: e.pop(0) and None),
        (
            "two entries exchanged",
            ROOT,
            lambda e: e.__setitem__(slice(15, 17), _swapped(e[15], e[16])),
        ),
        (
            "an account taken out",
            ROOT,
            lambda e: [entry for entry in e if entry.get("who") != e[6]["who"]],
        ),
        ("cut off before what was shown", "the log has at least", lambda e: e[:200]),
        ("cut off by one", "the log has at least", lambda e: e[:-1]),
        (
            "grown from another past",
            ROOT,
            lambda e: signed(e[:15]) + signed(e[16:]) + (forged(299),),
        ),
        ("begun again, empty", "the log has at least", lambda _e: ()),
    )
    for operation, promise, change in tables:
        if operation == "begun again, empty":
            yield Lie(
                "log",
                operation,
                promise,
                lambda: Shown(files=written(()).files, older=honest().older),
            )
        else:
            yield Lie("log", operation, promise, after_the_fact(change))


# An outsider who changes files


def files_with(path: str, data: bytes | None) -> Shown:
    files = dict(honest_log().files)
    if data is None:
        del files[path]
    else:
        files[path] = data
    return Shown(files=files, older=honest().older)


FILES = {
    "checkpoint": "checkpoint", "full bundle": "tile/entries/000", "partial bundle": "tile/entries/001.p/44",
    "older bundle": "tile/entries/001.p/24", "full tile": "tile/0/000", "partial tile": "tile/0/001.p/44",
    "older tile": "tile/0/001.p/24", "upper tile": "tile/1/000.p/1",
}  # fmt: skip


def file_lies() -> Iterator[Lie]:
    """Every file of a published log: each way to damage it."""
    for name, path in FILES.items():
        data = honest_log().files[path]
        flipped = bytes([data[0] ^ 1]) + data[1:]
        ways: dict[str, bytes | None] = {
            "a byte flipped": flipped,
            "cut short": data[:-1],
            "a byte more": data + b"\x00",
            "emptied": b"",
            "another file's bytes": honest_log().files[
                "tile/0/000" if path != "tile/0/000" else "tile/entries/000"
            ],
        }
        if not name.startswith("older"):
            ways["missing"] = None
        for operation, changed in ways.items():
            yield Lie(
                name, operation, "", lambda path=path, changed=changed: files_with(path, changed)
            )
    extra = {
        "tile/0/x000": "a name that is no tile's",
        "tile/0/0": "a short name", "tile/99/000": "a level that cannot be", "tile/entries/001.p/0": "a width of none",
        "tile/0/001.p/300": "a width beyond a tile", "tile/entries/000.p/256": "a full bundle under a width",
    }  # fmt: skip
    for path, operation in extra.items():
        yield Lie("log, a file more", operation, "", lambda path=path: files_with(path, b""))


def checkpoint_lies() -> Iterator[Lie]:
    """The checkpoint's lines, changed with and without the key."""
    good = honest_log().files["checkpoint"].decode()
    text, _, lines = good.rpartition("\n\n")
    origin, size, root = text.split("\n")
    encoded = lines.split(" ")[2].strip()
    zero = base64.b64encode(bytes(32)).decode()
    # the same bytes, with a bit set that no byte takes
    unused = encoded[:-2] + chr(ord(encoded[-2]) + 1) + "="
    assert base64.b64decode(unused) == base64.b64decode(encoded)

    def resigned(*changed: str, signer: Signer = SIGNER) -> bytes:
        return note.sign("".join(f"{line}\n" for line in changed), signer)

    def respelt(line: str) -> bytes:
        return f"{text}\n\n{line}".encode()

    head = f"\u2014 {SIGNER.name} "
    other = SIGNER.sign(Checkpoint(ORIGIN, 1, bytes(32)).text).line
    tables: tuple[tuple[str, str, str, bytes], ...] = (
        ("origin", "another's", "of the log", resigned("log.example/other/2026", size, root)),
        (
            "origin",
            "of another year",
            "of the log",
            resigned("log.example/ledger/2025", size, root),
        ),
        (
            "origin",
            "changed without the key",
            "holds",
            good.replace(origin, "log.example/x", 1).encode(),
        ),
        ("size", "larger", "the log publishes", resigned(origin, "600", root)),
        ("size", "smaller", "the log has at least", resigned(origin, "17", root)),
        ("size", "with a leading zero", "decimal", resigned(origin, "0300", root)),
        ("size", "negative", "decimal", resigned(origin, "-300", root)),
        ("size", "not a number", "decimal", resigned(origin, "many", root)),
        ("size", "beyond 2**63", "decimal", resigned(origin, str(2**63), root)),
        ("size", "changed without the key", "holds", good.replace("300", "299", 1).encode()),
        ("root", "another", "lead to its root", resigned(origin, size, zero)),
        ("root", "short", "32 bytes", resigned(origin, size, base64.b64encode(bytes(31)).decode())),
        ("root", "not base64", "base64", resigned(origin, size, "*" * 44)),
        ("root", "in another spelling", "base64", resigned(origin, size, root.rstrip("="))),
        ("root", "left out", "an origin, a size and a root", resigned(origin, size)),
        ("root", "changed without the key", "holds", good.replace(root, zero, 1).encode()),
        ("signature", "left out", "", f"{text}\n".encode()),
        ("signature", "a stranger's", "signed it", resigned(origin, size, root, signer=STRANGER)),
        (
            "signature",
            "a stranger's under the log's name",
            "signed it",
            resigned(origin, size, root, signer=STRANGER.renamed(ORIGIN)),
        ),
        ("signature", "of another text", "holds", respelt(other)),
        ("signature", "a good one and a forged one", "holds", (good + other).encode()),
        ("signature", "in another spelling", "canonical base64", respelt(f"{head}{unused}\n")),
        ("signature", "cut short", "", respelt(f"{head}{encoded[:8]}\n")),
        ("signature", "of too many", "at most", respelt(lines * 101)),
        ("signature", "without its dash", "em dash", respelt(f"- {SIGNER.name} {encoded}\n")),
        (
            "checkpoint",
            "with carriage returns",
            "control character",
            good.replace("\n", "\r\n").encode(),
        ),
        ("checkpoint", "not UTF-8", "UTF-8", b"\xff" + good.encode()),
        ("checkpoint", "too large", "at most", good.encode() + b" " * (1 << 20)),
        (
            "checkpoint",
            "of an older day, beside newer files",
            "the log has at least",
            honest_log().older[0],
        ),
    )
    for place, operation, promise, data in tables:
        yield Lie(
            f"checkpoint, {place}",
            operation,
            promise,
            lambda data=data: files_with("checkpoint", data),
        )


# Proofs and pairs of checkpoints


def proof_lies() -> Iterator[Lie]:
    proof, entry = honest_log().proofs[4], honest_entries()[4]
    good = proof.encode()
    foreign = written(honest_entries(), STRANGER).proofs[4]
    flipped = (bytes([proof.path[0][0] ^ 1]) + proof.path[0][1:], *proof.path[1:])
    first = base64.b64encode(proof.path[0])
    tables: tuple[tuple[str, str, str, bytes, bytes], ...] = (
        ("entry", "another one", "lead to the root", good, honest_entries()[5]),
        ("entry", "a byte more", "lead to the root", good, entry + b" "),
        (
            "entry",
            "a yes where it was a no",
            "lead to the root",
            good,
            entry.replace(b"true", b"false"),
        ),
        ("index", "the next one", "lead to the root", replace(proof, index=5).encode(), entry),
        ("index", "beyond the log", "contains entry", replace(proof, index=300).encode(), entry),
        ("index", "left out", "names the index", good.replace(b"index 4\n", b"", 1), entry),
        (
            "index",
            "with a leading zero",
            "decimal",
            good.replace(b"index 4", b"index 04", 1),
            entry,
        ),
        ("index", "negative", "decimal", good.replace(b"index 4", b"index -4", 1), entry),
        ("hashes", "one flipped", "lead to the root", replace(proof, path=flipped).encode(), entry),
        (
            "hashes",
            "one less",
            "lead to the root",
            replace(proof, path=proof.path[:-1]).encode(),
            entry,
        ),
        (
            "hashes",
            "one more",
            "lead to the root",
            replace(proof, path=(*proof.path, bytes(32))).encode(),
            entry,
        ),
        (
            "hashes",
            "in another order",
            "lead to the root",
            replace(proof, path=proof.path[::-1]).encode(),
            entry,
        ),
        ("hashes", "none", "lead to the root", replace(proof, path=()).encode(), entry),
        ("hashes", "too many", "at most", replace(proof, path=(bytes(32),) * 64).encode(), entry),
        (
            "hashes",
            "short ones",
            "32 bytes",
            good.replace(first, base64.b64encode(bytes(31)), 1),
            entry,
        ),
        ("hashes", "not base64", "base64", good.replace(first, b"?" * 44, 1), entry),
        (
            "checkpoint",
            "of an older day",
            "lead to the root",
            replace(proof, checkpoint=honest_log().older[0]).encode(),
            entry,
        ),
        ("checkpoint", "of another log", "signed it", foreign.encode(), entry),
        ("checkpoint", "left out", "", good.partition(b"\n\n")[0] + b"\n\n", entry),
        ("version", "another", "tlog-proof@v1", good.replace(b"@v1", b"@v2", 1), entry),
        ("version", "left out", "tlog-proof@v1", good.partition(b"\n")[2], entry),
        ("lines", "not ASCII", "ASCII", b"\xc3" + good, entry),
        ("extra", "not base64", "base64", good.replace(b"index", b"extra ???\nindex", 1), entry),
    )
    for place, operation, promise, data, leaf in tables:
        shown = Shown(proofs=((data, leaf),))
        yield Lie(f"proof, {place}", operation, promise, lambda shown=shown: shown)


def pair_lies() -> Iterator[Lie]:
    old, new, path = honest().pairs[0]
    fork = written(signed([entry for n, entry in enumerate(told()) if n != 15] + told()[-1:]))
    tables: tuple[tuple[str, str, str, tuple[bytes, bytes, tuple[bytes, ...]]], ...] = (
        ("order", "turned round", "never shrinks", (new, old, path)),
        ("new", "of a fork", "those of the old", (old, fork.files["checkpoint"], fork.path)),
        ("old", "of a fork", "those of the old", (fork.older[0], new, path)),
        ("hashes", "one less", "those of the old", (old, new, path[:-1])),
        ("hashes", "one more", "those of the old", (old, new, (*path, bytes(32)))),
        ("hashes", "one changed", "those of the old", (old, new, (bytes(32), *path[1:]))),
        ("hashes", "none", "those of the old", (old, new, ())),
        (
            "old",
            "signed by a stranger",
            "signed it",
            (written(honest_entries(), STRANGER).older[0], new, path),
        ),
        ("same size", "two roots", "those of the old", (new, fork_of(new), ())),
    )
    for place, operation, promise, pair in tables:
        shown = Shown(pairs=(pair,))
        yield Lie(f"checkpoints, {place}", operation, promise, lambda shown=shown: shown)


def fork_of(checkpoint: bytes) -> bytes:
    """Another root at the same size, signed."""
    origin, size, _ = note.parse(checkpoint).text.split("\n")[:3]
    return note.sign(Checkpoint(origin, int(size), bytes(32)).text, SIGNER)


# Receipts


def set_in(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(payload: dict[str, Any]) -> None:
        target: Any = payload
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value

    return change


EVENT = ("record", "events", 0)


def renumbered(payload: dict[str, Any]) -> None:
    """The number of another receipt, wherever it stands."""
    of, number = payload["receipt_id"], f"urn:licet:receipt:{ANA.hex}:9"
    for key in ("receipt_id", "dct:identifier", "dpv:hasIdentifier"):
        payload[key] = number
    payload["record"]["record_id"] = number.replace(":receipt:", ":record:")
    payload["record"]["events"][0]["event_id"] = payload["record"]["events"][0]["event_id"].replace(
        of, number
    )


def with_policy_of(period: str) -> Callable[[dict[str, Any]], None]:
    """Another policy under the same name, with the period, and its own hash."""

    def change(payload: dict[str, Any]) -> None:
        policy = payload["record"]["policy"]
        policy["document"]["keep"]["opted_in"] = period
        policy["sha256"] = hashlib.sha256(canonical(policy["document"])).hexdigest()
        for one in payload["record"]["processes"]:
            one["retention_period"] = period

    return change


def receipt_lies() -> Iterator[Lie]:
    """What the operator signs in a receipt, against the leaf that it opens."""
    by_operator: tuple[tuple[str, str, str, Callable[[dict[str, Any]], None]], ...] = (
        (
            "event_state",
            "a yes shown as a no",
            "its state",
            set_in(*EVENT, "event_state", value="dpv:ConsentRefused"),
        ),
        (
            "event_state",
            "a yes shown as invalid",
            "its state",
            set_in(*EVENT, "event_state", value="dpv:ConsentInvalidated"),
        ),
        (
            "event_state",
            "a state that is not",
            "its state",
            set_in(*EVENT, "event_state", value="dpv:ConsentMaybe"),
        ),
        ("event.allow", "turned round", "its answer", set_in(*EVENT, "allow", value=False)),
        ("event.effect", "another", "its answer", set_in(*EVENT, "effect", value="affirmed")),
        (
            "event_time",
            "back-dated",
            "its time",
            set_in(*EVENT, "event_time", value="2026-01-01T00:00:00Z"),
        ),
        (
            "event_time",
            "post-dated",
            "its time",
            set_in(*EVENT, "event_time", value="2026-09-01T00:00:00Z"),
        ),
        (
            "principal",
            "somebody else's",
            "its account",
            set_in("record", "pii_principal_id", value="urn:licet:account:00"),
        ),
        ("log.nonce", "another", "opens the commitment", set_in("log", "nonce", value="00" * 32)),
        ("log.nonce", "no hex", "", set_in("log", "nonce", value="zz")),
        (
            "log.record.account",
            "somebody else's",
            "opens the commitment",
            set_in("log", "record", "account", value=BEN.hex),
        ),
        (
            "log.record.facts",
            "another answer",
            "opens the commitment",
            set_in("log", "record", "facts", "allow", value=False),
        ),
        (
            "log.record.at",
            "another time",
            "opens the commitment",
            set_in("log", "record", "at", value="2026-01-01T00:00:00Z"),
        ),
        (
            "log.record",
            "another choice's",
            "opens the commitment",
            set_in("log", "record", value=leaves.private_record(rows()[10])),
        ),
        (
            "log.who",
            "somebody else's",
            "its pseudonym",
            set_in("log", "who", value=leaves.pseudonym(KEYS[BEN])),
        ),
        (
            "log.salt",
            "somebody else's",
            "its salt gives its pseudonym",
            set_in("log", "salt", value=leaves.derive_salt(KEYS[BEN]).hex()),
        ),
        (
            "log.salt",
            "left out",
            "fields of a receipt",
            lambda payload: payload["log"].pop("salt") and None,
        ),
        (
            "log.evidence",
            "another notice",
            "its evidence is what",
            set_in("log", "evidence", value=SAID.replace(HASH, "ba" * 32)),
        ),
        ("log.evidence", "left out", "its evidence is what", set_in("log", "evidence", value=None)),
        (
            "notice.sha256",
            "another notice",
            "the one of its evidence",
            set_in("record", "privacy_notice", "sha256", value="ba" * 32),
        ),
        (
            "notice.language",
            "another language",
            "the one of its evidence",
            set_in("record", "privacy_notice", "language", value="de"),
        ),
        (
            "notice.default_state",
            "pre-selected, hidden",
            "the one of its evidence",
            set_in("record", "privacy_notice", "presented_as", "default_state", value="yes"),
        ),
        (
            "log.index",
            "another place",
            "its index is the proved one",
            set_in("log", "index", value=5),
        ),
        (
            "log.origin",
            "another log",
            "its log",
            set_in("log", "origin", value="log.example/other/2026"),
        ),
        (
            "log",
            "left out beside a proof",
            "fields of a receipt",
            lambda payload: payload.pop("log"),
        ),
        ("record", "left out", "fields of a receipt", lambda payload: payload.pop("record")),
        ("events", "none", "fields of a receipt", set_in("record", "events", value=[])),
        (
            "events",
            "of another shape",
            "fields of a receipt",
            set_in("record", "events", value="yes"),
        ),
        (
            "events",
            "one more, which says no",
            "fields of a receipt",
            lambda payload: payload["record"]["events"].append(
                payload["record"]["events"][0] | {"allow": False}
            ),
        ),
        ("event.allow", "a number", "fields of a receipt", set_in(*EVENT, "allow", value=1)),
        (
            "event.grant",
            "none after a yes",
            "a grant is in force",
            set_in(*EVENT, "grant", value=None),
        ),
        (
            "event.entity_id",
            "somebody else's",
            "its person's",
            set_in(*EVENT, "entity_id", value="urn:licet:account:00"),
        ),
        (
            "created",
            "in year 1",
            "fields of a receipt",
            set_in("created", value="0001-01-01T00:00:00Z"),
        ),
        (
            "created",
            "before the choice",
            "precedes the receipt",
            set_in("created", value="2026-02-01T00:00:00Z"),
        ),
        ("receipt_id", "another's number", "its number", renumbered),
        *(
            (
                "replaces",
                operation,
                "an earlier receipt of its person",
                set_in("replaces", value=earlier),
            )
            for operation, earlier in (
                ("somebody else's", f"urn:licet:receipt:{BEN.hex}:1"),
                ("itself", f"urn:licet:receipt:{ANA.hex}:2"),
                ("a later one", f"urn:licet:receipt:{ANA.hex}:3"),
                ("one without a number", f"urn:licet:receipt:{ANA.hex}:x"),
            )
        ),
        (
            "receipt_id",
            "another's number in one place",
            "its identifiers",
            set_in("receipt_id", value=f"urn:licet:receipt:{ANA.hex}:9"),
        ),
        (
            "processes",
            "another purpose",
            "its purposes are those of its question",
            set_in("record", "processes", 0, "name", value="sell_to_brokers"),
        ),
        (
            "processes",
            "another address of its purpose",
            "its purposes are those of its question",
            set_in("record", "processes", 0, "purpose", value="https://w3id.org/dpv#Marketing"),
        ),
        (
            "processes",
            "another period",
            "its period and recipients",
            set_in("record", "processes", 0, "retention_period", value="P1D"),
        ),
        (
            "processes",
            "another recipient",
            "its period and recipients",
            set_in("record", "processes", 0, "recipient_third_parties", value=["databroker"]),
        ),
        (
            "policy",
            "a hash of zeros",
            "its policy has the hash",
            set_in("record", "policy", "sha256", value="0" * 64),
        ),
        (
            "policy",
            "another text",
            "its policy has the hash",
            set_in("record", "policy", "document", "keep", "opted_in", value="P9Y"),
        ),
        ("policy", "another text, with its hash", "the one committed to", with_policy_of("P9Y")),
        (
            "policy",
            "no text",
            "not proved: it does not contain the policy's text",
            lambda payload: payload["record"]["policy"].pop("document") and None,
        ),
        (
            "policy",
            "another version",
            "the name and the version",
            set_in("record", "policy", "version", value="2031"),
        ),
        (
            "event",
            "by another way",
            "those committed to",
            set_in(*EVENT, "indication_method", value="settings"),
        ),
        ("event.grant", "another", "those committed to", set_in(*EVENT, "grant", value=7)),
        (
            "event.because",
            "a reason that was none",
            "those committed to",
            set_in(*EVENT, "because", value="age"),
        ),
        (
            "receipt",
            "a field more",
            "and no other",
            set_in("promise", value="nothing will ever be sold"),
        ),
        (
            "notice.gpc",
            "a signal hidden",
            "the one of its evidence",
            set_in("record", "privacy_notice", "presented_as", "gpc", value=True),
        ),
        ("log.index", "as a word", "fields of a receipt", set_in("log", "index", value="4")),
        ("processes", "none", "for what, and by whom", set_in("record", "processes", value=[])),
        ("all", "nothing at all", "fields of a receipt", lambda payload: payload.clear()),
    )
    for place, operation, promise, change in by_operator:
        yield Lie(
            f"receipt, {place}",
            operation,
            promise,
            lambda change=change: Shown(receipts=(receipt_of(4, change),)),
        )
    other = {"entry": honest_entries()[10], "proof": honest_log().proofs[10].encode()}
    unproved = {"proof": honest_log().proofs[10].encode()}
    leaf = {"entry": honest_entries()[5], "proof": honest_log().proofs[5].encode()}
    elsewhere = written(honest_entries(), STRANGER)
    for operation, promise, swapped in (
        ("another choice of the same person, proved", "opens the commitment", other),
        ("another entry's proof", "lead to the root", unproved),
        ("an entry that is no choice, proved", "", leaf),
        ("a proof from a log of a stranger", "signed it", {"proof": elsewhere.proofs[4].encode()}),
        (
            "an entry that no log holds",
            "lead to the root",
            {"entry": honest_entries()[4].replace(b"began", b"affirmed")},
        ),
    ):
        yield Lie(
            "receipt, its leaf",
            operation,
            promise,
            lambda swapped=swapped: Shown(receipts=(receipt_of(4, **swapped),)),
        )
    yield from jws_lies()


def jws_lies() -> Iterator[Lie]:
    """The receipt's file and its signature, in the hands of somebody without the key."""
    file = json.loads(receipt_of())
    header, payload, signature = file["receipt"].split(".")

    def b64(value: object) -> str:
        # JSON of any shape, as a lie may be
        data = value if isinstance(value, bytes) else canonical(value)  # type: ignore[arg-type]
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def opened(part: str) -> Any:
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    said = opened(payload)
    said["record"]["events"][0]["allow"] = False
    stranger = sign(opened(payload), STRANGER.seed)
    ways: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        (
            "payload",
            "changed without the key",
            "signature",
            {"receipt": f"{header}.{b64(said)}.{signature}"},
        ),
        ("payload", "emptied", "signature", {"receipt": f"{header}..{signature}"}),
        ("payload", "padded", "base64url", {"receipt": f"{header}.{payload}=.{signature}"}),
        (
            "header",
            "algorithm `none`",
            "header",
            {"receipt": f"{b64({**opened(header), 'alg': 'none'})}.{payload}."},
        ),
        (
            "header",
            "another algorithm",
            "header",
            {"receipt": f"{b64({**opened(header), 'alg': 'HS256'})}.{payload}.{signature}"},
        ),
        (
            "header",
            "another key",
            "header",
            {"receipt": f"{b64({**opened(header), 'kid': 'x'})}.{payload}.{signature}"},
        ),
        (
            "header",
            "another type",
            "header",
            {"receipt": f"{b64({**opened(header), 'typ': 'JWT'})}.{payload}.{signature}"},
        ),
        (
            "header",
            "a field more",
            "header",
            {"receipt": f"{b64({**opened(header), 'crit': []})}.{payload}.{signature}"},
        ),
        ("header", "not JSON", "canonical JSON", {"receipt": f"{b64(b'{')}.{payload}.{signature}"}),
        ("signature", "left out", "signature", {"receipt": f"{header}.{payload}."}),
        (
            "signature",
            "of another payload",
            "signature",
            {"receipt": f"{header}.{payload}.{json.loads(receipt_of(7))['receipt'].split('.')[2]}"},
        ),
        ("signature", "a stranger's", "header", {"receipt": stranger}),
        (
            "signature",
            "standard base64",
            "base64url",
            {"receipt": f"{header}.{payload}.{signature}+"},
        ),
        ("JWS", "of two parts", "compact JWS", {"receipt": f"{header}.{payload}"}),
        ("JWS", "of four parts", "compact JWS", {"receipt": f"{file['receipt']}.x"}),
        ("JWS", "a number", "version 1", {"receipt": 1}),
        ("file, v", "another", "version 1", {"v": 2}),
        ("file, v", "`true`", "version 1", {"v": True}),
        ("file, proof", "taken away", "or neither", {"proof": None}),
        ("file, entry", "taken away", "or neither", {"entry": None}),
        ("file, entry and proof", "taken away", "brings its proof", {"entry": None, "proof": None}),
        ("file, proof", "emptied", "", {"proof": ""}),
        ("file, entry", "emptied", "", {"entry": ""}),
        ("file", "a key more", "version 1", {"note": "x"}),
    )
    for place, operation, promise, change in ways:
        data = canonical({**file, **change}) + b"\n"
        yield Lie(
            f"receipt, {place}", operation, promise, lambda data=data: Shown(receipts=(data,))
        )
    good = receipt_of()
    for operation, data in (
        ("a key left out", canonical({k: v for k, v in file.items() if k != "v"}) + b"\n"),
        ("without its newline", good[:-1]),
        ("a newline more", good + b"\n"),
        ("another spelling", json.dumps(file, indent=1).encode() + b"\n"),
        ("empty", b""),
        ("no object", b"[]\n"),
        ("too large", b'{"a":"' + b"x" * (1 << 20) + b'"}\n'),
    ):
        yield Lie("receipt, file", operation, "", lambda data=data: Shown(receipts=(data,)))


@cache
def every() -> tuple[Lie, ...]:
    """All kinds."""
    tables = (
        field_lies,
        story_lies,
        rewrite_lies,
        file_lies,
        checkpoint_lies,
        proof_lies,
        pair_lies,
        receipt_lies,
    )
    return tuple(lie for table in tables for lie in table())

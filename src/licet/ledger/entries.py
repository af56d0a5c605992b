"""Log entries: the public facts of a leaf, and the private record that it commits to.

    {"at":"2026-03-01T10:15:31Z","commit":"<hex>","facts":{"allow":true,..},"logged":"2026-03-01T10:15:31.5Z",
     "t":"choice","v":1,"who":"<hex>"}

``at`` is when it happened, ``logged`` when the log took it, which never decreases along a log.

Pseudonyms are derived from a salt, HMAC-SHA256(log key, "salt"), where the log key belongs to one
account and one year and is destroyed with the account's own key: nobody without it can link two
years of one account. ``who`` is SHA-256("licet/who/v1" || salt), so that a person who has the salt
can show that the entry is theirs, and the operator cannot give them another salt. ``handle`` names
one of their conversations for the year, HMAC-SHA256(salt, "conversation" || its id), and
``project`` one of their projects, HMAC-SHA256(salt, "project" || its id).

A choice and a grant state what they are for: ``question`` and ``scope`` (`account`, `project` or
`conversation`), with the pseudonym of the scope's project or conversation. Entries from before
there were questions have none of these: they mean the question `training`, for the account.

``commit`` is SHA-256(nonce || private record), where the private record has all facts with Licet's
own ids, and the nonce is HMAC-SHA256(log key, "nonce" || outbox id). Nothing more is stored, and
once the key is destroyed only the person can open the commitment, whose receipt contains the nonce.
A row whose account's key is destroyed when the log takes it has no ``who``, and a nonce that was
discarded. A row that belongs to no account has neither ``who`` nor ``commit``.

Only the facts in `PUBLISHED` are published, and only closed words, numbers and digests: a new kind
or fact is private unless listed there. The encoding is canonical JSON as in RFC 8785, by msgspec's
sorted encoding restricted to what both write identically: ASCII keys, whole numbers within +-(2**53
- 1), strings, booleans, null, lists and objects of them. A float would differ, so there is none.
  ``v`` is never reused for another meaning.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from licet.ledger.canonical_json import Canonical, Fact, canonical
from licet.ledger.outbox import EntryKind
from licet.policy.period import rfc3339
from licet.store.connect import Transaction

VERSION = 1
NONCE_BYTES = 32
Random = Callable[[int], bytes]

_FOR = frozenset({"question", "scope", "handle", "project"})  # what a choice or a grant is for
PUBLISHED: Mapping[str, frozenset[str]] = {
    EntryKind.policy_applied: frozenset({"number", "sha256", "amends"}),
    EntryKind.policy_stands: frozenset({"number", "sha256"}),
    EntryKind.notice_published: frozenset({"number", "language", "variant", "sha256"}),
    EntryKind.notice_shown: frozenset({"number", "sha256", "default_state"}),
    EntryKind.notice_put_off: frozenset(),
    EntryKind.terms_accepted: frozenset({"number"}),
    EntryKind.shortened: frozenset({"version"}),
    EntryKind.account_opened: frozenset(),
    EntryKind.plan_set: frozenset(),
    EntryKind.age_found: frozenset(),
    EntryKind.region_set: frozenset(),
    EntryKind.choice: frozenset({"allow", "effect", "version"}) | _FOR,
    EntryKind.grant_begun: frozenset({"grant", "version"}) | _FOR,
    EntryKind.grant_affirmed: frozenset({"grant", "version"}) | _FOR,
    EntryKind.grant_stands: frozenset({"grant", "version"}) | _FOR,
    EntryKind.grant_ended: frozenset({"grant", "cause"}),
    EntryKind.narrowed: frozenset({"handle"}),
    EntryKind.widened: frozenset({"handle"}),
    EntryKind.project_kept_out: frozenset({"project"}),
    EntryKind.project_let_in: frozenset({"project"}),
    EntryKind.closed: frozenset(),
    EntryKind.deleted: frozenset({"handle"}),
    EntryKind.flagged: frozenset({"handle"}),
    EntryKind.unflagged: frozenset({"handle"}),
    EntryKind.held: frozenset(),
    EntryKind.unheld: frozenset(),
    EntryKind.feedback: frozenset(),
    EntryKind.feedback_taken_back: frozenset(),
    EntryKind.content_read: frozenset({"reason", "role"}),
    EntryKind.staff_acted: frozenset({"kind", "act"}),
    EntryKind.work_acted: frozenset({"kind", "act", "words"}),
    EntryKind.key_destroyed: frozenset({"because", "epoch", "handle", "segment"}),
    EntryKind.release_decided: frozenset({"release", "position"}),
    EntryKind.release_sealed: frozenset(
        {"release", "purpose", "version", "position", "rows", "root", "manifest_sha256"}
    ),
    EntryKind.release_reviewed: frozenset(
        {"release", "manifest_sha256", "sha256", "rows", "findings", "bound_ppm"}
    ),
    EntryKind.release_measured: frozenset({"release", "manifest_sha256", "sha256", "rows"}),
    EntryKind.release_signed: frozenset(
        {"release", "manifest_sha256", "review_sha256", "signature"}
    ),
    EntryKind.release_purged: frozenset({"release", "number", "rows", "sha256"}),
    EntryKind.certificate: frozenset({"sha256"}),
    EntryKind.document_made: frozenset({"kind", "sha256"}),
    EntryKind.journal_head: frozenset({"journal", "number", "chain"}),
    EntryKind.restored: frozenset({"life", "entries"}),
    EntryKind.carried: frozenset({"from"}),
}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_ID = re.compile(r"[0-9a-f]{32}")


class LogKeySource(Protocol):
    """The source of the accounts' log keys: the vault, which this package does not import."""

    def log_keys(
        self, tx: Transaction, accounts: Collection[UUID], year: int
    ) -> Mapping[UUID, bytes]:
        """Promise: a key of 32 bytes for each account whose own key exists, and none for any
        other.
        """


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the outbox. ``facts`` contain Licet's own ids: they are not published."""

    outbox_id: int
    account: UUID | None
    kind: str
    occurred_at: datetime
    facts: dict[str, Fact]


def derive_salt(key: bytes) -> bytes:
    """Derives an account's pseudonym salt of one year. Its person may keep it; it is destroyed with
    the log key.
    """
    return hmac.digest(key, b"salt", "sha256")


def pseudonym(key: bytes) -> str:
    """Derives the account's name in the log of the year of ``key``."""
    return account_tag(derive_salt(key))


def account_tag(salt: bytes) -> str:
    return hashlib.sha256(b"licet/who/v1" + salt).hexdigest()


def conversation_pseudonym(salt: bytes, conversation: UUID) -> str:
    """Derives the conversation's name in the log and in release proofs of the salt's year."""
    return hmac.digest(salt, b"conversation" + conversation.bytes, "sha256").hex()


def project_pseudonym(salt: bytes, project: UUID) -> str:
    """Derives the project's name in the log and in release proofs of the salt's year."""
    return hmac.digest(salt, b"project" + project.bytes, "sha256").hex()


def derive_nonce(key: bytes, outbox_id: int) -> bytes:
    """Derives the nonce that, with the private record, opens a leaf's commitment."""
    return hmac.digest(key, b"nonce" + outbox_id.to_bytes(8, "big"), "sha256")


def commitment(nonce: bytes, record: bytes) -> str:
    return hashlib.sha256(nonce + record).hexdigest()


def private_record(row: OutboxRow) -> dict[str, Canonical]:
    """Encodes the private record of a row, to which its leaf commits."""
    assert row.account is not None
    return {
        "v": VERSION,
        "account": row.account.hex,
        "outbox": row.outbox_id,
        "t": row.kind,
        "at": rfc3339(row.occurred_at),
        "facts": {**row.facts},
    }


def encode(row: OutboxRow, key: bytes | None, logged_at: datetime, random: Random) -> bytes:
    """Encodes the entry of a row. ``key`` is the account's log key of the year, None if it has none
    or it is destroyed.
    """
    entry: dict[str, Canonical] = {
        "v": VERSION,
        "t": row.kind,
        "at": rfc3339(row.occurred_at),
        "logged": rfc3339(logged_at),
        "facts": public_facts(row),
    }
    if row.account is not None:
        opening = random(NONCE_BYTES) if key is None else derive_nonce(key, row.outbox_id)
        entry["commit"] = commitment(opening, canonical(private_record(row)))
        if key is not None:
            entry["who"] = pseudonym(key)
            entry["facts"] = account_facts(row, key)
    return canonical(entry)


# Published facts that are derived from ids, each with the private fact that has the id and is never
# published.
_PSEUDONYMS: Mapping[str, tuple[str, Callable[[bytes, UUID], str]]] = {
    "handle": ("conversation", conversation_pseudonym),
    "project": ("project", project_pseudonym),
}


def _pseudonyms(row: OutboxRow, key: bytes) -> dict[str, Canonical]:
    """Returns the pseudonym of the row's conversation or project, for kinds that publish it."""
    facts: dict[str, Canonical] = {}
    allowed = PUBLISHED.get(row.kind, frozenset())
    for name, (private, named) in _PSEUDONYMS.items():
        known = row.facts.get(private)
        is_about = name in allowed and ("scope" not in allowed or row.facts.get("scope") == private)
        if is_about and isinstance(known, str) and _ID.fullmatch(known):
            facts[name] = named(derive_salt(key), UUID(hex=known))
    return facts


def public_facts(row: OutboxRow) -> dict[str, Canonical]:
    """Returns a row's published facts, except those that need the account's key."""
    allowed = PUBLISHED.get(row.kind, frozenset()) - _PSEUDONYMS.keys()
    return {
        name: fact for name, fact in row.facts.items() if name in allowed and _is_closed_value(fact)
    }


def account_facts(row: OutboxRow, key: bytes) -> dict[str, Canonical]:
    """Returns all published facts of an account's row; ``key`` is the account's log key of the
    year.
    """
    return {**public_facts(row), **_pseudonyms(row, key)}


def _is_closed_value(fact: Fact) -> bool:
    """Whether it is a word, number or digest, not free text."""
    return isinstance(fact, int) or (isinstance(fact, str) and _WORD.fullmatch(fact) is not None)

"""The outbox: leaves on their way to the log, each in the transaction of what it tells.

Entries hold closed enumerations and numbers only: no content, no name, no plain hash of either. The account is
named by our own id here, inside the database; what is published carries a keyed pseudonym instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.store.connect import Transaction
from licet.store.rows import insert

_COLUMNS = {"account_id": "uuid", "entry": "text", "occurred_at": "timestamptz", "payload": "text"}


class EntryKind(StrEnum):
    """What an entry tells."""

    policy_applied = "policy_applied"
    policy_stands = "policy_stands"  # told by a release: a version of a year before, by its present text
    notice_published = "notice_published"
    notice_shown = "notice_shown"
    notice_put_off = "notice_put_off"
    terms_accepted = "terms_accepted"
    shortened = "shortened"
    account_opened = "account_opened"
    plan_set = "plan_set"
    age_found = "age_found"
    choice = "choice"
    grant_begun = "grant_begun"
    grant_affirmed = "grant_affirmed"
    grant_stands = "grant_stands"  # told by a release: a grant that the log of its year does not know
    grant_ended = "grant_ended"
    narrowed = "narrowed"
    widened = "widened"
    closed = "closed"
    deleted = "deleted"
    flagged = "flagged"
    unflagged = "unflagged"
    held = "held"
    unheld = "unheld"
    feedback = "feedback"
    feedback_taken_back = "feedback_taken_back"
    content_read = "content_read"
    key_destroyed = "key_destroyed"
    release_sealed = "release_sealed"
    release_reviewed = "release_reviewed"
    release_signed = "release_signed"
    release_purged = "release_purged"
    certificate = "certificate"
    restored = "restored"  # told by a restore: the database is older than the entries before
    carried = "carried"  # told by the sequencer alone: a pseudonym of a year before goes on under a new one


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One leaf. ``facts`` are closed enumerations, numbers, hex digests and our own ids."""

    told: EntryKind
    occurred_at: datetime
    account: UUID | None = None
    facts: dict[str, str | int | bool | None] = {}


def append(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Adds ``entries`` to the outbox in order; they become leaves only if ``tx`` commits."""
    insert(tx, "outbox", _COLUMNS, [
        (entry.account, entry.told.value, entry.occurred_at, msgspec.json.encode(entry.facts, order="sorted").decode())
        for entry in entries
    ])  # fmt: skip

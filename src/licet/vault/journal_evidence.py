"""Checks the restriction journal against the heads of it that the log and the database store.

The database has a head (`keys.journal_heads`); the log has `journal_head` leaves with a number and
a chain value, appended with each backup and at least every `HEAD_MINUTES_MAX` while the journal
grows. Records removed from the journal thus contradict the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from licet.keys import journal_heads
from licet.keys.journal_frames import JournalHead, JournalMisfit, misfit_error
from licet.keys.restriction_journal import NEWEST_RECORDS_MAX, Journal
from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.store.connect import Transaction

HEAD_MINUTES_MAX = 55


def check_journal(tx: Transaction, journal: Journal) -> None:
    """BrokenError, naming the record, if the journal contradicts the head in the database.

    Reads the newest `NEWEST_RECORDS_MAX` records and all since that head, so that an opening does
    not slow down as the journal grows. The doctor and a restore read the rest.
    """
    known, since = (
        journal_heads.load_head(tx, journal.id),
        journal_heads.load_restart(tx, journal.id),
    )
    if misfits := journal.find_misfits(known, since, NEWEST_RECORDS_MAX):
        raise misfit_error(misfits)


def examine(tx: Transaction, journal: Journal) -> tuple[int, list[JournalMisfit]]:
    """The number of records of the whole journal, and its contradictions to all heads in the
    database and the log, except those settled by `licet restore --finish narrow`.
    """
    heads = {
        number: JournalHead(number, chain) for number, chain in outbox.logged_heads(tx, journal.id)
    }
    heads |= {head.number: head for head in journal_heads.load_head(tx, journal.id)}
    walk = journal.walk(sorted(heads.values()), journal_heads.load_restart(tx, journal.id))
    count = sum(1 for _ in journal.survey(walk))
    return count, walk.finish()


def log_head(tx: Transaction, journal: Journal, head: JournalHead, now: datetime) -> None:
    """Saves ``head``, which is durable, and appends its leaf."""
    if head.number:
        journal_heads.save_head(tx, journal.id, head)
        outbox.append(tx, [head_entry(journal, head, now)])
        journal_heads.record_logged(tx, journal.id, head, now)


def log_head_if_due(tx: Transaction, journal: Journal, now: datetime) -> bool:
    """`log_head` if the journal has grown since its last leaf, `HEAD_MINUTES_MAX` ago or earlier."""
    head = journal.current_head()
    if not journal_heads.is_due(tx, journal.id, head, now - timedelta(minutes=HEAD_MINUTES_MAX)):
        return False
    log_head(tx, journal, head, now)
    return True


def head_entry(journal: Journal, head: JournalHead, now: datetime) -> Entry:
    """The leaf of a head."""
    facts: dict[str, str | int | bool | None] = {
        "journal": journal.id.hex,
        "number": head.number,
        "chain": head.chain.hex(),
    }
    return Entry(kind=EntryKind.journal_head, occurred_at=now, facts=facts)


def heads_in(entries: Iterable[Mapping[str, Any]], journal: Journal) -> list[JournalHead]:
    """The heads of this journal in entries of a log."""
    return [
        JournalHead(entry["facts"]["number"], bytes.fromhex(entry["facts"]["chain"]))
        for entry in entries
        if entry["t"] == EntryKind.journal_head and entry["facts"]["journal"] == journal.id.hex
    ]

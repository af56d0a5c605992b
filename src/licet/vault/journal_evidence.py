"""Holds the restriction journal, the log and the database against each other.

Each of them remembers what it cannot have without the others: the database a head of the journal
(`keys.journal_heads`), the log a leaf `journal_head` with a number and a chain value, told with
each backup and at least every `HEAD_MINUTES_MAX` while the journal grows. Anyone who takes records
out of the journal cannot take them out of the log.
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


def refuse_misfit(tx: Transaction, journal: Journal) -> None:
    """BrokenError, which names the record, for a journal that is not the one that the database
    remembers.

    It reads the newest `NEWEST_RECORDS_MAX` records, and all from the remembered one on: an opening
    must not take longer the longer the journal is. The doctor and a restore read the rest.
    """
    known, since = (
        journal_heads.load_head(tx, journal.id),
        journal_heads.load_restart(tx, journal.id),
    )
    if misfits := journal.find_misfits(known, since, NEWEST_RECORDS_MAX):
        raise misfit_error(misfits)


def examine(tx: Transaction, journal: Journal) -> tuple[int, list[JournalMisfit]]:
    """How many records the whole journal has, which is read to its end, and what does not fit in
    it, by all heads that the database and the log know. What an operator has finished (`licet
    restore --finish narrow`) is not told again.
    """
    heads = {
        number: JournalHead(number, chain) for number, chain in outbox.logged_heads(tx, journal.id)
    }
    heads |= {head.number: head for head in journal_heads.load_head(tx, journal.id)}
    walk = journal.walk(sorted(heads.values()), journal_heads.load_restart(tx, journal.id))
    count = sum(1 for _ in journal.survey(walk))
    return count, walk.finish()


def log_head(tx: Transaction, journal: Journal, head: JournalHead, at: datetime) -> None:
    """Remembers ``head``, which is durable, and tells it to the log."""
    if head.number:
        journal_heads.save_head(tx, journal.id, head)
        outbox.append(tx, [head_entry(journal, head, at)])
        journal_heads.record_logged(tx, journal.id, head, at)


def log_head_if_due(tx: Transaction, journal: Journal, at: datetime) -> bool:
    """`log_head` where the journal has grown since the log was told, `HEAD_MINUTES_MAX` ago or
    earlier.
    """
    head = journal.current_head()
    if not journal_heads.is_due(tx, journal.id, head, at - timedelta(minutes=HEAD_MINUTES_MAX)):
        return False
    log_head(tx, journal, head, at)
    return True


def head_entry(journal: Journal, head: JournalHead, at: datetime) -> Entry:
    """The leaf of a head."""
    facts: dict[str, str | int | bool | None] = {
        "journal": journal.id.hex,
        "number": head.number,
        "chain": head.chain.hex(),
    }
    return Entry(kind=EntryKind.journal_head, occurred_at=at, facts=facts)


def heads_in(entries: Iterable[Mapping[str, Any]], journal: Journal) -> list[JournalHead]:
    """The heads of this journal that entries of a log tell."""
    return [
        JournalHead(entry["facts"]["number"], bytes.fromhex(entry["facts"]["chain"]))
        for entry in entries
        if entry["t"] == EntryKind.journal_head and entry["facts"]["journal"] == journal.id.hex
    ]

"""Recovers a database that is older than its log, and records that in the log.

A restored database lacks the newest entries of the log, and may have waiting rows that were already
logged. Nothing is logged twice and no entry is removed:

    the log            is unchanged; the database adopts its size and root, if its own state is a prefix of it
    a logged row       gets its place, found by its leaf's commitment
    a repeated row     that a restriction created again is dropped: its leaf exists, with the same time and subject
    any other row      waits, and is logged after a `restored` entry, which states the database's former position

A log that does not extend the database's state is a fork, a shorter one was rolled back: both are
refused, as in `sequence`. Everything happens in one transaction of the caller's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import BrokenError
from licet.ledger import entries, outbox, sequence
from licet.ledger.canonical_json import canonical
from licet.ledger.entries import LogKeySource, OutboxRow
from licet.ledger.log import LogWriter
from licet.ledger.outbox import Entry, EntryKind
from licet.ledger.publication import PublishedLog
from licet.ledger.sequence import LogPlace, LogStanding, digest_of
from licet.ledger.storage import list_names
from licet.policy.period import rfc3339
from licet.store.connect import Transaction

LOG_HINT = (
    "put the log's folders back from a copy, of the folders or of what was published: "
    "docs/runbooks/journal-damaged.md"
)
# numbers that were given out and lost: a reused number would reuse a leaf's nonce
OUTBOX_GAP = 1_000_000_000
ACCOUNTS_MAX = 10_000
# The facts that identify an entry's subject; others may differ when a restriction is reapplied.
_SUBJECT = ("question", "scope", "handle", "project", "because", "segment")


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """The entries of one year's log that the database lacks, from ``first`` on."""

    year: int
    first: int
    entries: tuple[dict[str, Any], ...]


class ForwardResult(msgspec.Struct, frozen=True, kw_only=True):
    """Counts: entries that the database lacked, rows already logged, rows created again."""

    entries: int
    placed: int
    repeated: int


def find_ahead(tx: Transaction, place: LogPlace, seed: bytes) -> list[Ahead]:
    """Finds each log's entries that the database lacks; BrokenError for a forked or rolled-back
    log.
    """
    known = {standing.year: standing for standing in sequence.standings(tx)}
    years = sorted(int(name) for name in list_names(place.folder) if name.isdecimal())
    if gone := known.keys() - set(years):
        lost = known[min(gone)]
        if lost.decided:
            raise BrokenError(f"the log `{lost.origin}` is gone", LOG_HINT)
    return [_read_ahead(place, seed, year, known.get(year)) for year in years]


def _read_ahead(place: LogPlace, seed: bytes, year: int, standing: LogStanding | None) -> Ahead:
    signer = place.signer(seed, year)
    folder = place.folder / str(year)
    LogWriter.open(
        folder, place.state / str(year), place.origin(year), signer
    ).close()  # completes an interrupted append
    log = PublishedLog(folder, signer.verifier)
    size = standing.size if standing is not None else 0
    if standing is not None:
        check_beginning(log, standing)
    read = (log.entry(index) for index in range(size, log.checkpoint.size))
    return Ahead(
        year=year,
        first=size,
        entries=tuple(msgspec.json.decode(raw, type=dict[str, Any]) for raw in read),
    )


def check_log(place: LogPlace, seed: bytes, standing: LogStanding) -> None:
    """Raises BrokenError if the log is missing, unreadable, rolled back, or not ``standing``."""
    if not standing.decided:
        return
    if str(standing.year) not in list_names(place.folder):
        raise BrokenError(f"the log `{standing.origin}` is gone", LOG_HINT)
    check_beginning(
        PublishedLog(place.folder / str(standing.year), place.signer(seed, standing.year).verifier),
        standing,
    )


def check_beginning(log: PublishedLog, standing: LogStanding) -> None:
    """Raises BrokenError unless the database's state is a prefix of the log: it was rolled back, or
    forked.
    """
    decided, size = standing.decided, standing.size
    if log.checkpoint.size < decided or decided < log.checkpoint.size < size:
        raise BrokenError(
            f"the log `{log.checkpoint.origin}` was rolled back to `{log.checkpoint.size}`",
            LOG_HINT,
        )
    if log.root_at(decided) != standing.root:
        raise BrokenError(
            f"the log `{standing.origin}` is forked: another root at `{decided}`", LOG_HINT
        )
    batch = [log.entry(index) for index in range(decided, min(size, log.checkpoint.size))]
    if batch and digest_of(batch) != standing.digest:
        raise BrokenError(
            f"the log `{standing.origin}` is forked: other entries after `{decided}`", LOG_HINT
        )


def mark_restored(tx: Transaction, logs: Sequence[Ahead], life: int, now: datetime) -> None:
    """Skips the lost outbox numbers and appends `restored` before any other entry."""
    tx.execute(
        "SELECT setval(pg_get_serial_sequence('outbox', 'outbox_id'), "
        "coalesce(max(outbox_id), 0) + %s) FROM outbox",
        [OUTBOX_GAP],
    )
    facts: dict[str, str | int | bool | None] = {
        "life": life,
        "entries": sum(len(log.entries) for log in logs),
    }
    outbox.append(tx, [Entry(kind=EntryKind.restored, occurred_at=now, facts=facts)])


def bring_forward(
    tx: Transaction,
    keys: LogKeySource,
    place: LogPlace,
    seed: bytes,
    logs: Sequence[Ahead],
    names: Mapping[int, Mapping[UUID, str]],
) -> ForwardResult:
    """Places waiting rows that were logged already, drops those created again, and adopts the logs'
    sizes.

    ``names`` are the accounts' pseudonyms by year (`account_names`).
    """
    placed = repeated = 0
    behind = [log for log in logs if log.entries]
    waits = sequence.waiting_rows(tx) if behind else []
    for log in behind:
        by_account = names[log.year]
        found, again = _match_rows(
            tx, keys, waits, log, {pseudonym: account for account, pseudonym in by_account.items()}
        )
        _set_places(tx, log.year, found)
        tx.execute("DELETE FROM outbox WHERE outbox_id = ANY(%s)", [again])
        done = {row for row, _ in found} | set(again)
        waits = [row for row in waits if row.outbox_id not in done]
        placed, repeated = placed + len(found), repeated + len(again)
        _register_accounts(tx, log, set(by_account))
        _adopt_log(tx, place, seed, log)
    return ForwardResult(
        entries=sum(len(log.entries) for log in logs), placed=placed, repeated=repeated
    )


def account_names(
    tx: Transaction, keys: LogKeySource, log: Ahead, accounts: Callable[[UUID, int], Sequence[UUID]]
) -> Iterator[tuple[UUID, str]]:
    """Returns the accounts in the log's entries that the database lacks, with their pseudonyms of
    its year.

    ``accounts`` returns up to that many ids after one: the pseudonym of each is tried.
    """
    spoken = {entry["who"] for entry in log.entries if "who" in entry}
    after = UUID(int=0)
    while spoken:
        some = accounts(after, ACCOUNTS_MAX)
        if not some:
            return
        for account, key in keys.log_keys(tx, some, log.year).items():
            name = entries.pseudonym(key)
            if name in spoken:
                yield account, name
        after = some[-1]


def _match_rows(
    tx: Transaction,
    keys: LogKeySource,
    waits: Sequence[OutboxRow],
    log: Ahead,
    accounts: dict[str, UUID],
) -> tuple[list[tuple[int, int]], list[int]]:
    """Returns (outbox id, index) of waiting rows already in the log, and the ids of rows whose act
    another entry logs.
    """
    by_commit = {
        entry["commit"]: log.first + n for n, entry in enumerate(log.entries) if "commit" in entry
    }
    of_nobody = {
        _entry_text(entry): log.first + n
        for n, entry in enumerate(log.entries)
        if "commit" not in entry
    }
    open_ = Counter(
        _identity(accounts[e["who"]], e["t"], e["at"], e["facts"])
        for e in log.entries
        if e.get("who") in accounts
    )
    made = keys.log_keys(tx, {row.account for row in waits if row.account is not None}, log.year)
    placed: list[tuple[int, int]] = []
    others: list[tuple[int, tuple[object, ...]]] = []
    for row in waits:
        if row.account is None:
            index = of_nobody.pop(_row_text(row), None)
        elif row.account in made:
            opening = entries.derive_nonce(made[row.account], row.outbox_id)
            index = by_commit.get(
                entries.commitment(opening, canonical(entries.private_record(row)))
            )
            facts = entries.account_facts(row, made[row.account])
            key = _identity(row.account, row.kind, rfc3339(row.occurred_at), facts)
            if index is None:
                others.append((row.outbox_id, key))
            else:
                open_[key] -= 1
        else:
            continue
        if index is not None:
            placed.append((row.outbox_id, index))
    again = []
    for outbox_id, key in others:
        if open_[key] > 0:
            open_[key] -= 1
            again.append(outbox_id)
    return placed, again


def _identity(
    account: UUID, kind: str, description: str, facts: Mapping[str, Any]
) -> tuple[object, ...]:
    """Returns what identifies an account's act. One act may end several grants at one time."""
    grant = facts.get("grant") if kind == EntryKind.grant_ended else None
    return account, kind, description, grant, *(facts.get(name) for name in _SUBJECT)


def _entry_text(entry: dict[str, Any]) -> str:
    return str((entry["t"], entry["at"], sorted(entry["facts"].items())))


def _row_text(row: OutboxRow) -> str:
    return str((row.kind, rfc3339(row.occurred_at), sorted(entries.public_facts(row).items())))


def _set_places(tx: Transaction, year: int, indexed_rows: Sequence[tuple[int, int]]) -> None:
    tx.execute(
        """UPDATE outbox o SET log_year = %(year)s, index = k.index
             FROM unnest(%(ids)b::bigint[], %(indexes)b::bigint[]) AS k(outbox_id, index)
            WHERE o.outbox_id = k.outbox_id""",
        {
            "year": year,
            "ids": [row for row, _ in indexed_rows],
            "indexes": [index for _, index in indexed_rows],
        },
    )


def _register_accounts(tx: Transaction, log: Ahead, accounts: set[UUID]) -> None:
    """Records that these accounts have entries in that year's log."""
    tx.execute(
        """INSERT INTO log_accounts (account_id, log_year)
           SELECT unnest(%(accounts)b::uuid[]), %(year)s
           ON CONFLICT DO NOTHING""",
        {"accounts": sorted(accounts), "year": log.year},
    )


def _adopt_log(tx: Transaction, place: LogPlace, seed: bytes, log: Ahead) -> None:
    """Sets the database's state of the log to its size and root, without a batch in progress."""
    head = PublishedLog(
        place.folder / str(log.year), place.signer(seed, log.year).verifier
    ).checkpoint
    tx.execute(
        """INSERT INTO logs (log_year, origin, decided, root, size, digest, logged_at)
           VALUES (%(year)s, %(origin)s, %(size)s, %(root)s, %(size)s, %(digest)s, %(at)s)
           ON CONFLICT (log_year) DO UPDATE SET (decided, root, size, digest, logged_at)
              = (excluded.decided, excluded.root, excluded.size, excluded.digest,
                excluded.logged_at)""",
        {
            "year": log.year,
            "origin": place.origin(log.year),
            "size": head.size,
            "root": head.root,
            "digest": digest_of([]),
            "at": log.entries[-1]["logged"],
        },
    )

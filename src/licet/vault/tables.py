"""The rows of an account and its conversations, read into the policy's state and written back.

Statements only, set-wise: each takes the ids of a batch. Who calls has locked the accounts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec

from licet.policy.state import Account, Conversation, Grant, Kind, Segment, Stamp, Standing
from licet.store.connect import Transaction
from licet.vault.content import Masked
from licet.vault.keys import EMPTY_SLOT, SLOTS_PER_PAGE, write_slot


class AccountRow(Masked, msgspec.Struct, kw_only=True):
    """An account under its lock: its state, its sequence, and where its keys are."""

    account_id: UUID
    state: Account
    last_seq: int
    next_slot: int
    bucket: int
    wrapped_key: bytes
    host_hmac: bytes = b""
    is_new: bool = False


class SegmentKeys(msgspec.Struct, kw_only=True):
    """What a segment's row holds beside its state."""

    key_slot: int | None = None
    safety_slot: int | None = None
    erased: bool = False


class ConversationRow(Masked, msgspec.Struct, kw_only=True):
    """A conversation, loaded or new. ``saved`` is the state that the tables hold."""

    account_id: UUID
    conversation_id: UUID
    host_hmac: bytes | None
    begun_at: datetime
    state: Conversation
    saved: Conversation | None
    keys: list[SegmentKeys]


ACCOUNT_COLUMNS = """account_id, last_seq, next_slot, bucket, wrapped_key, plan, age, opened_at, last_at, seen,
    closed_at, standing, grant_no, grants, answered"""


def read_account(row: Sequence[Any]) -> AccountRow:
    """An `AccountRow` from `ACCOUNT_COLUMNS`."""
    account_id, last_seq, next_slot, bucket, wrapped, *state = row
    plan, age, opened_at, last_at, seen, closed_at, standing, grant, grants, answered = state
    return AccountRow(
        account_id=account_id,
        last_seq=last_seq,
        next_slot=next_slot,
        bucket=bucket,
        wrapped_key=wrapped,
        state=Account(
            plan=plan,
            age=age,
            opened_at=opened_at,
            last_at=last_at,
            seen=seen,
            closed_at=closed_at,
            standing=Standing(standing),
            grant=grant,
            grants=grants,
            answered=answered,
        ),
    )


def lock_accounts(tx: Transaction, accounts: Iterable[UUID]) -> dict[UUID, AccountRow]:
    """The accounts, locked in the order of their ids so that two batches cannot wait for each other."""
    rows = tx.execute(
        f"SELECT {ACCOUNT_COLUMNS} FROM accounts WHERE account_id = ANY(%s) ORDER BY account_id FOR NO KEY UPDATE",
        [sorted(accounts)],
    ).fetchall()
    return {row[0]: read_account(row) for row in rows}


CONVERSATION_COLUMNS = """c.account_id, c.conversation_id, c.host_hmac, c.begun_at, c.kind, c.incognito, c.narrowed,
    c.widenings, c.deleted_at, c.safety_until"""
SEGMENT_COLUMNS = """s.account_id, s.conversation_id, s.segment, s.plan, s.surface, s.in_scope, s.version, s.narrowed,
    s.stale, s.grant_no, s.grant_widening, s.first_turn, s.last_turn, s.last_at, s.has_user, s.keep_until,
    s.flagged_turn, s.safety_until, s.key_slot, s.safety_slot, s.erased_at IS NOT NULL"""


def load_conversations(
    tx: Transaction, ids: Sequence[tuple[UUID, UUID]], hosts: Sequence[tuple[UUID, bytes]] = ()
) -> list[ConversationRow]:
    """The conversations by (account, id) and by (account, host's HMAC), with their segments and holds."""
    rows = tx.execute(
        f"""
        SELECT {CONVERSATION_COLUMNS} FROM conversations c
          JOIN (SELECT * FROM unnest(%(id_account)b::uuid[], %(id)b::uuid[]) AS k(account_id, conversation_id)) k
            USING (account_id, conversation_id)
        UNION
        SELECT {CONVERSATION_COLUMNS} FROM conversations c
          JOIN (SELECT * FROM unnest(%(host_account)b::uuid[], %(host)b::bytea[]) AS k(account_id, host_hmac)) k
            USING (account_id, host_hmac)
        """,
        {
            "id_account": [account for account, _ in ids],
            "id": [conversation for _, conversation in ids],
            "host_account": [account for account, _ in hosts],
            "host": [host for _, host in hosts],
        },
    ).fetchall()
    return read_conversations(tx, rows)


def read_conversations(tx: Transaction, rows: Sequence[Sequence[Any]]) -> list[ConversationRow]:
    """`ConversationRow`s from rows of `CONVERSATION_COLUMNS`, with segments and holds, two statements in all."""
    if not rows:
        return []
    key = {"account": [row[0] for row in rows], "conversation": [row[1] for row in rows]}
    segments: dict[UUID, list[Sequence[Any]]] = {row[1]: [] for row in rows}
    for segment in tx.execute(
        f"""
        SELECT {SEGMENT_COLUMNS} FROM segments s
          JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[]) AS k(account_id, conversation_id)) k
            USING (account_id, conversation_id)
         ORDER BY s.account_id, s.conversation_id, s.segment
        """,
        key,
    ):
        segments[segment[1]].append(segment)
    holds: dict[UUID, set[str]] = {}
    for conversation, matter in tx.execute(
        """
        SELECT h.conversation_id, h.matter_hmac FROM holds h
          JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[]) AS k(account_id, conversation_id)) k
            USING (account_id, conversation_id)
        """,
        key,
    ):
        holds.setdefault(conversation, set()).add(matter.hex())
    return [_read_conversation(row, segments[row[1]], frozenset(holds.get(row[1], ()))) for row in rows]


def _read_conversation(row: Sequence[Any], segments: Sequence[Sequence[Any]], holds: frozenset[str]) -> ConversationRow:
    account, conversation, host, begun_at, kind, incognito, narrowed, widenings, deleted_at, safety_until = row
    state = Conversation(
        incognito=incognito,
        kind=Kind(kind),
        narrowed=narrowed,
        widenings=widenings,
        deleted_at=deleted_at,
        holds=holds,
        safety_until=safety_until,
        segments=tuple(_read_segment(s) for s in segments),
    )
    return ConversationRow(
        account_id=account,
        conversation_id=conversation,
        host_hmac=host,
        begun_at=begun_at,
        state=state,
        saved=state,
        keys=[SegmentKeys(key_slot=s[18], safety_slot=s[19], erased=s[20]) for s in segments],
    )


def _read_segment(row: Sequence[Any]) -> Segment:
    _, _, _, plan, surface, in_scope, version, narrowed, stale, grant, widening, first, last, last_at, *rest = row
    has_user, keep_until, flagged_turn, safety_until, *_ = rest
    return Segment(
        stamp=Stamp(
            plan=plan,
            surface=surface,
            in_scope=in_scope,
            version=version,
            narrowed=narrowed,
            stale=stale,
            grant=None if grant is None else Grant(grant, widening),
        ),
        first_turn=first,
        last_turn=last,
        last_at=last_at,
        has_user=has_user,
        keep_until=keep_until,
        flagged_turn=flagged_turn,
        safety_until=safety_until,
    )


def save_accounts(tx: Transaction, rows: Sequence[AccountRow]) -> None:
    """Inserts new accounts and writes what changed of the others."""
    if not rows:
        return
    columns: dict[str, list[Any]] = {
        "account_id": [r.account_id for r in rows],
        "host_hmac": [r.host_hmac for r in rows],
        "bucket": [r.bucket for r in rows],
        "wrapped_key": [r.wrapped_key for r in rows],
        "next_slot": [r.next_slot for r in rows],
        "plan": [r.state.plan for r in rows],
        "age": [r.state.age for r in rows],
        "opened_at": [r.state.opened_at for r in rows],
        "last_at": [r.state.last_at for r in rows],
        "last_seq": [r.last_seq for r in rows],
        "seen": [r.state.seen for r in rows],
        "closed_at": [r.state.closed_at for r in rows],
        "standing": [r.state.standing.value for r in rows],
        "grant_no": [r.state.grant for r in rows],
        "grants": [r.state.grants for r in rows],
        "answered": [r.state.answered for r in rows],
    }
    new = [n for n, row in enumerate(rows) if row.is_new]
    old = [n for n, row in enumerate(rows) if not row.is_new]
    if new:
        tx.execute(
            f"INSERT INTO accounts ({', '.join(columns)}) SELECT * FROM {_ACCOUNTS}",
            {name: [values[n] for n in new] for name, values in columns.items()},
        )
    if old:
        tx.execute(
            f"""
            UPDATE accounts a SET (next_slot, plan, age, last_at, last_seq, seen, closed_at, standing, grant_no,
                                   grants, answered)
                 = (n.next_slot, n.plan, n.age, n.last_at, n.last_seq, n.seen, n.closed_at, n.standing, n.grant_no,
                    n.grants, n.answered)
              FROM {_ACCOUNTS} AS n({", ".join(columns)})
             WHERE a.account_id = n.account_id
            """,
            {name: [values[n] for n in old] for name, values in columns.items()},
        )
    for row in rows:
        row.is_new = False


_ACCOUNTS = """unnest(%(account_id)b::uuid[], %(host_hmac)b::bytea[], %(bucket)b::int[], %(wrapped_key)b::bytea[],
    %(next_slot)b::int[], %(plan)s::text[], %(age)b::smallint[], %(opened_at)b::timestamptz[],
    %(last_at)b::timestamptz[], %(last_seq)b::bigint[], %(seen)b::smallint[], %(closed_at)b::timestamptz[],
    %(standing)s::text[], %(grant_no)b::int[], %(grants)b::int[], %(answered)b::smallint[])"""


def save_conversations(tx: Transaction, rows: Iterable[ConversationRow]) -> None:
    """Writes conversations and segments that differ from what the tables hold."""
    changed = [row for row in rows if row.state is not row.saved]
    if not changed:
        return
    decides = [row.state.segments[row.state.deciding].stamp for row in changed]
    tx.execute(
        """
        INSERT INTO conversations (account_id, conversation_id, host_hmac, begun_at, kind, incognito, narrowed,
                                   widenings, deleted_at, safety_until, deciding, deciding_grant_no,
                                   deciding_grant_widening, deciding_stale, out_of_scope)
        SELECT * FROM unnest(%(account_id)b::uuid[], %(conversation_id)b::uuid[], %(host_hmac)b::bytea[],
            %(begun_at)b::timestamptz[], %(kind)s::text[], %(incognito)b::boolean[], %(narrowed)b::boolean[],
            %(widenings)b::int[], %(deleted_at)b::timestamptz[], %(safety_until)b::timestamptz[],
            %(deciding)b::smallint[], %(deciding_grant_no)b::int[], %(deciding_grant_widening)b::int[],
            %(deciding_stale)b::boolean[], %(out_of_scope)b::boolean[])
        ON CONFLICT (account_id, conversation_id) DO UPDATE
           SET (narrowed, widenings, deleted_at, safety_until, deciding, deciding_grant_no, deciding_grant_widening,
                deciding_stale, out_of_scope)
             = (excluded.narrowed, excluded.widenings, excluded.deleted_at, excluded.safety_until, excluded.deciding,
                excluded.deciding_grant_no, excluded.deciding_grant_widening, excluded.deciding_stale,
                excluded.out_of_scope)
        """,
        {
            "account_id": [r.account_id for r in changed],
            "conversation_id": [r.conversation_id for r in changed],
            "host_hmac": [r.host_hmac for r in changed],
            "begun_at": [r.begun_at for r in changed],
            "kind": [r.state.kind.value for r in changed],
            "incognito": [r.state.incognito for r in changed],
            "narrowed": [r.state.narrowed for r in changed],
            "widenings": [r.state.widenings for r in changed],
            "deleted_at": [r.state.deleted_at for r in changed],
            "safety_until": [r.state.safety_until for r in changed],
            "deciding": [r.state.deciding for r in changed],
            "deciding_grant_no": [s.grant.number if s.grant else None for s in decides],
            "deciding_grant_widening": [s.grant.widening if s.grant else None for s in decides],
            "deciding_stale": [s.stale for s in decides],
            "out_of_scope": [any(not s.stamp.in_scope for s in r.state.segments) for r in changed],
        },
    )
    _save_segments(tx, changed)
    for row in changed:
        row.saved = row.state


def _save_segments(tx: Transaction, rows: Sequence[ConversationRow]) -> None:
    fresh = [(row, n) for row in rows for n in range(len(row.state.segments)) if _differs(row, n)]
    if not fresh:
        return
    states = [row.state.segments[n] for row, n in fresh]
    keys = [row.keys[n] for row, n in fresh]
    tx.execute(
        """
        INSERT INTO segments (account_id, conversation_id, segment, plan, surface, in_scope, version, narrowed, stale,
                              grant_no, grant_widening, first_turn, last_turn, last_at, has_user, keep_until,
                              flagged_turn, safety_until, key_slot, safety_slot)
        SELECT * FROM unnest(%(account_id)b::uuid[], %(conversation_id)b::uuid[], %(segment)b::smallint[],
            %(plan)s::text[], %(surface)s::text[], %(in_scope)b::boolean[], %(version)b::smallint[],
            %(narrowed)b::boolean[], %(stale)b::boolean[], %(grant_no)b::int[], %(grant_widening)b::int[],
            %(first_turn)b::int[], %(last_turn)b::int[], %(last_at)b::timestamptz[], %(has_user)b::boolean[],
            %(keep_until)b::timestamptz[], %(flagged_turn)b::int[], %(safety_until)b::timestamptz[],
            %(key_slot)b::int[], %(safety_slot)b::int[])
        ON CONFLICT (account_id, conversation_id, segment) DO UPDATE
           SET (last_turn, last_at, has_user, keep_until, flagged_turn, safety_until, key_slot, safety_slot)
             = (excluded.last_turn, excluded.last_at, excluded.has_user, excluded.keep_until, excluded.flagged_turn,
                excluded.safety_until, excluded.key_slot, excluded.safety_slot)
        """,
        {
            "account_id": [row.account_id for row, _ in fresh],
            "conversation_id": [row.conversation_id for row, _ in fresh],
            "segment": [n for _, n in fresh],
            "plan": [s.stamp.plan for s in states],
            "surface": [s.stamp.surface for s in states],
            "in_scope": [s.stamp.in_scope for s in states],
            "version": [s.stamp.version for s in states],
            "narrowed": [s.stamp.narrowed for s in states],
            "stale": [s.stamp.stale for s in states],
            "grant_no": [s.stamp.grant.number if s.stamp.grant else None for s in states],
            "grant_widening": [s.stamp.grant.widening if s.stamp.grant else None for s in states],
            "first_turn": [s.first_turn for s in states],
            "last_turn": [s.last_turn for s in states],
            "last_at": [s.last_at for s in states],
            "has_user": [s.has_user for s in states],
            "keep_until": [s.keep_until for s in states],
            "flagged_turn": [s.flagged_turn for s in states],
            "safety_until": [s.safety_until for s in states],
            "key_slot": [k.key_slot for k in keys],
            "safety_slot": [k.safety_slot for k in keys],
        },
    )


def _differs(row: ConversationRow, n: int) -> bool:
    saved = row.saved.segments if row.saved is not None else ()
    return n >= len(saved) or row.state.segments[n] != saved[n]


def shorten_account(tx: Transaction, account: UUID, content_until: datetime, feedback_until: datetime) -> None:
    """Every segment and feedback of the account comes to at most the given instants."""
    tx.execute(
        """UPDATE segments SET keep_until = %(until)s
            WHERE account_id = %(account)s AND keep_until > %(until)s AND erased_at IS NULL""",
        {"account": account, "until": content_until},
    )
    tx.execute(
        """UPDATE feedback SET keep_until = %(until)s
            WHERE account_id = %(account)s AND keep_until > %(until)s AND erased_at IS NULL""",
        {"account": account, "until": feedback_until},
    )


def shorten_feedback(tx: Transaction, account: UUID, conversation: UUID, until: datetime) -> None:
    tx.execute(
        """UPDATE feedback SET keep_until = %(until)s
            WHERE account_id = %(account)s AND conversation_id = %(conversation)s AND keep_until > %(until)s""",
        {"account": account, "conversation": conversation, "until": until},
    )


def load_pages(tx: Transaction, pages: Sequence[tuple[UUID, int]]) -> dict[tuple[UUID, int], bytes]:
    """Key pages by (account, page)."""
    rows = tx.execute(
        """
        SELECT account_id, page, slots FROM key_pages
          JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(page)b::int[]) AS k(account_id, page)) k
            USING (account_id, page)
        """,
        {"account": [a for a, _ in pages], "page": [p for _, p in pages]},
    ).fetchall()
    return {(account, page): slots for account, page, slots in rows}


def save_pages(tx: Transaction, pages: Mapping[tuple[UUID, int], bytes]) -> None:
    if not pages:
        return
    tx.execute(
        """
        INSERT INTO key_pages (account_id, page, slots)
        SELECT * FROM unnest(%(account)b::uuid[], %(page)b::int[], %(slots)b::bytea[])
        ON CONFLICT (account_id, page) DO UPDATE SET slots = excluded.slots
        """,
        {
            "account": [account for account, _ in pages],
            "page": [page for _, page in pages],
            "slots": list(pages.values()),
        },
    )


def destroy_slots(
    tx: Transaction, slots: Sequence[tuple[UUID, int]], *, daily: Collection[UUID] | None = None
) -> None:  # fmt: skip
    """Overwrites (account, slot) keys with zeros. The accounts are locked.

    ``daily`` are the accounts of which more than what had merely expired is destroyed; by default all of them.
    """
    mark_spent(tx, {account: daily is None or account in daily for account, _ in slots})
    pages = load_pages(tx, sorted({(account, slot // SLOTS_PER_PAGE) for account, slot in slots}))
    for account, slot in slots:
        page = (account, slot // SLOTS_PER_PAGE)
        pages[page] = write_slot(pages[page], slot, EMPTY_SLOT)
    save_pages(tx, pages)


def mark_spent(tx: Transaction, accounts: Mapping[UUID, bool]) -> None:
    """Marks accounts for new keys: by the daily rotation where the value is true, else by the weekly one.

    In the transaction that destroys a key of theirs: without the mark an old backup would open it for ever.
    """
    if not accounts:
        return
    tx.execute(
        """
        INSERT INTO spent_accounts (account_id, bucket, daily)
        SELECT account_id, bucket, k.daily
          FROM unnest(%(account)b::uuid[], %(daily)b::bool[]) AS k(account_id, daily) JOIN accounts USING (account_id)
        ON CONFLICT (account_id) DO UPDATE SET daily = true WHERE excluded.daily AND NOT spent_accounts.daily
        """,
        {"account": list(accounts), "daily": list(accounts.values())},
    )


def copy_in(tx: Transaction, table: str, columns: Mapping[str, str], rows: Sequence[Sequence[object]]) -> None:
    """Appends ``rows`` to ``table`` by binary COPY; ``columns`` maps each name to its type."""
    if not rows:
        return
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    with tx.cursor() as cursor, cursor.copy(cast("Any", statement)) as copy:
        copy.set_types(list(columns.values()))
        for row in rows:
            copy.write_row(row)

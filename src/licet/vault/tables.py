"""The rows of an account and its conversations, read into the policy's state and written back.

Statements only, set-wise: each takes the ids of a batch. Who calls has locked the accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from licet.masked import Masked
from licet.policy.state import AccountState, ConversationState, GrantStanding, TurnState
from licet.store.connect import Transaction, uuids
from licet.store.rows import arrays, unnested


class AccountRow(Masked, msgspec.Struct, kw_only=True):
    """An account under its lock: its state, its sequence, and where its keys are."""

    account_id: UUID
    state: AccountState
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
    state: ConversationState
    saved: ConversationState | None
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
        state=AccountState(
            plan=plan,
            age=age,
            opened_at=opened_at,
            last_at=last_at,
            seen=seen,
            closed_at=closed_at,
            standing=GrantStanding(standing),
            grant=grant,
            grants=grants,
            answered=answered,
        ),
    )


def lock_accounts(tx: Transaction, accounts: Iterable[UUID]) -> dict[UUID, AccountRow]:
    """The accounts, locked in the order of their ids so that two batches cannot wait for each other."""
    return locking(tx, accounts)()


def locking(tx: Transaction, accounts: Iterable[UUID]) -> Callable[[], dict[UUID, AccountRow]]:
    """`lock_accounts`, sent and not read yet; what is returned reads it."""
    asked = tx.execute(
        f"SELECT {ACCOUNT_COLUMNS} FROM accounts WHERE account_id = ANY(%s) ORDER BY account_id FOR NO KEY UPDATE",
        [sorted(accounts)],
    )
    return lambda: {row[0]: read_account(row) for row in asked.fetchall()}


def every_account(tx: Transaction) -> Iterator[AccountRow]:
    """Every account, a bounded number of them in memory; the transaction stays open until the last was taken."""
    with tx.cursor(name="every_account") as cursor:
        cursor.itersize = 5_000
        for row in cursor.execute(f"SELECT {ACCOUNT_COLUMNS} FROM accounts"):
            yield read_account(row)


class AccountTables(msgspec.Struct, frozen=True, kw_only=True):
    """What one statement read of an account's conversations: all as they stood at one moment."""

    accounts: dict[UUID, AccountRow]
    conversations: list[ConversationRow]
    turns: dict[UUID, tuple[TurnState, ...]]


class _Read(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as `_CONVERSATION` writes it: the state is read by the decoder, with nothing to copy by hand."""

    account_id: UUID
    conversation_id: UUID
    host_hmac: str | None
    begun_at: datetime
    state: ConversationState
    keys: list[SegmentKeys]
    turns: tuple[TurnState, ...] | None

    def row(self) -> ConversationRow:
        return ConversationRow(
            account_id=self.account_id,
            conversation_id=self.conversation_id,
            host_hmac=None if self.host_hmac is None else bytes.fromhex(self.host_hmac),
            begun_at=self.begun_at,
            state=self.state,
            saved=self.state,
            keys=self.keys,
        )


class _ReadAccount(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """An account as `_ACCOUNT` writes it."""

    account_id: UUID
    last_seq: int
    next_slot: int
    bucket: int
    wrapped_key: str
    state: AccountState

    def row(self) -> AccountRow:
        return AccountRow(
            account_id=self.account_id,
            state=self.state,
            last_seq=self.last_seq,
            next_slot=self.next_slot,
            bucket=self.bucket,
            wrapped_key=bytes.fromhex(self.wrapped_key),
        )


_conversations = msgspec.json.Decoder(_Read)
_accounts = msgspec.json.Decoder(_ReadAccount)

# One document a conversation, with all that belongs to it: a row for each segment, hold and turn, in a statement for
# each of their tables, cost the reader several times what the rule does.
_CONVERSATION = """json_build_object(
    'account_id', c.account_id, 'conversation_id', c.conversation_id, 'host_hmac', encode(c.host_hmac, 'hex'),
    'begun_at', c.begun_at,
    'state', json_build_object(
        'incognito', c.incognito, 'kind', c.kind, 'narrowed', c.narrowed, 'widenings', c.widenings,
        'deleted_at', c.deleted_at, 'safety_until', c.safety_until,
        'holds', (SELECT coalesce(json_agg(encode(h.matter_hmac, 'hex')), '[]') FROM holds h
                   WHERE h.account_id = c.account_id AND h.conversation_id = c.conversation_id),
        'segments', coalesce(s.states, '[]')),
    'keys', coalesce(s.keys, '[]'), 'turns', {turns})::text"""
_SEGMENTS = """LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
               'stamp', json_build_object(
                   'plan', s.plan, 'surface', s.surface, 'in_scope', s.in_scope, 'version', s.version,
                   'narrowed', s.narrowed, 'stale', s.stale,
                   'grant', CASE WHEN s.grant_no IS NOT NULL
                                 THEN json_build_array(s.grant_no, s.grant_widening) END),
               'first_turn', s.first_turn, 'last_turn', s.last_turn, 'last_at', s.last_at, 'has_user', s.has_user,
               'keep_until', s.keep_until, 'flagged_turn', s.flagged_turn, 'safety_until', s.safety_until)
               ORDER BY s.segment) AS states,
           json_agg(json_build_object('key_slot', s.key_slot, 'safety_slot', s.safety_slot,
                                      'erased', s.erased_at IS NOT NULL) ORDER BY s.segment) AS keys
      FROM segments s WHERE s.account_id = c.account_id AND s.conversation_id = c.conversation_id) s ON true"""
_TURNS = """(SELECT coalesce(json_agg(json_build_object('number', t.turn, 'segment', t.segment, 'role', t.role,
                                                       'origin', t.origin) ORDER BY t.turn), '[]')
              FROM turns t WHERE t.account_id = c.account_id AND t.conversation_id = c.conversation_id)"""
_ACCOUNT = """json_build_object(
    'account_id', a.account_id, 'last_seq', a.last_seq, 'next_slot', a.next_slot, 'bucket', a.bucket,
    'wrapped_key', encode(a.wrapped_key, 'hex'),
    'state', json_build_object(
        'plan', a.plan, 'age', a.age, 'opened_at', a.opened_at, 'last_at', a.last_at, 'seen', a.seen,
        'closed_at', a.closed_at, 'standing', a.standing, 'grant', a.grant_no, 'grants', a.grants,
        'answered', a.answered))::text"""
# `LIMIT` with a parameter: the server takes an array of unknown length for ten rows, and plans anew at each execution
# for one, which took it five times as long as the reading did. Behind a limit it is one row for every plan.
_BY_ID = """SELECT * FROM unnest(%(id_account)s::uuid[], %(id)s::uuid[]) AS k(account_id, conversation_id)
    LIMIT %(ids)s"""
_BY_HOST = """SELECT c.account_id, c.conversation_id FROM conversations c
    JOIN (SELECT * FROM unnest(%(host_account)s::uuid[], %(host)b::bytea[]) AS k(account_id, host_hmac)
           LIMIT %(hosts)s) k
      USING (account_id, host_hmac)"""


def _of(keys: str, turns: str = "NULL") -> str:
    return f"""SELECT {_CONVERSATION.format(turns=turns)} FROM ({keys}) k
                 JOIN conversations c USING (account_id, conversation_id) {_SEGMENTS}"""


def _with_accounts(conversations: str) -> str:
    return f"""SELECT {_ACCOUNT}, NULL FROM accounts a
                 JOIN (SELECT * FROM unnest(%(accounts)s::uuid[]) AS k(account_id) LIMIT %(ids)s) k USING (account_id)
               UNION ALL SELECT NULL, c.* FROM ({conversations}) c"""


_LOAD = {  # by whether ids are given, and hosts
    (True, False): _of(_BY_ID),
    (False, True): _of(_BY_HOST),
    (True, True): _of(f"({_BY_ID}) UNION {_BY_HOST}"),
}
_SEE = {turns: _with_accounts(_of(_BY_ID, _TURNS if turns else "NULL")) for turns in (False, True)}


def load_conversations(
    tx: Transaction, ids: Sequence[tuple[UUID, UUID]], hosts: Sequence[tuple[UUID, bytes]] = ()
) -> list[ConversationRow]:
    """The conversations by (account, id) and by (account, host's HMAC), with their segments and holds."""
    return loading(tx, ids, hosts)()


def loading(
    tx: Transaction, ids: Sequence[tuple[UUID, UUID]], hosts: Sequence[tuple[UUID, bytes]] = ()
) -> Callable[[], list[ConversationRow]]:
    """`load_conversations`, sent and not read yet; what is returned reads it."""
    statement = _LOAD.get((bool(ids), bool(hosts)))
    if statement is None:
        return list
    key: dict[str, Any] = {
        "ids": len(ids),
        "id_account": uuids(account for account, _ in ids),
        "id": uuids(conversation for _, conversation in ids),
    }
    if hosts:
        key |= {
            "hosts": len(hosts), "host_account": uuids(account for account, _ in hosts), "host": [host for _, host in hosts],
        }  # fmt: skip
    asked = tx.execute(statement, key)
    return lambda: [_conversations.decode(document).row() for (document,) in asked.fetchall()]


def conversations_of(tx: Transaction, account: UUID) -> list[ConversationRow]:
    """Every conversation of an account, with segments and holds."""
    rows = tx.execute(
        _of("SELECT account_id, conversation_id FROM conversations WHERE account_id = %s"), [account]
    ).fetchall()
    return [_conversations.decode(document).row() for (document,) in rows]


def load(tx: Transaction, keys: Sequence[tuple[UUID, UUID]], *, turns: bool) -> AccountTables:
    """The conversations by (account, id) and their accounts, in one statement; with their turns where asked."""
    rows = tx.execute(
        _SEE[turns],
        {
            "ids": len(keys),
            "accounts": uuids({account for account, _ in keys}),
            "id_account": uuids(account for account, _ in keys),
            "id": uuids(conversation for _, conversation in keys),
        },
    ).fetchall()
    accounts: dict[UUID, AccountRow] = {}
    found: list[_Read] = []
    for account, conversation in rows:
        if account is None:
            found.append(_conversations.decode(conversation))
        else:
            one = _accounts.decode(account).row()
            accounts[one.account_id] = one
    return AccountTables(
        accounts=accounts,
        conversations=[one.row() for one in found],
        turns={one.conversation_id: one.turns for one in found if one.turns is not None},
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
            f"INSERT INTO accounts ({', '.join(_ACCOUNT_TYPES)}) SELECT * FROM {unnested(_ACCOUNT_TYPES)}",
            arrays(_ACCOUNT_TYPES, {name: [values[n] for n in new] for name, values in columns.items()}),
        )
    if old:
        tx.execute(
            f"""
            UPDATE accounts a SET (next_slot, plan, age, last_at, last_seq, seen, closed_at, standing, grant_no,
                                   grants, answered)
                 = (n.next_slot, n.plan, n.age, n.last_at, n.last_seq, n.seen, n.closed_at, n.standing, n.grant_no,
                    n.grants, n.answered)
              FROM {unnested(_ACCOUNT_TYPES)} AS n({", ".join(_ACCOUNT_TYPES)})
             WHERE a.account_id = n.account_id
            """,
            arrays(_ACCOUNT_TYPES, {name: [values[n] for n in old] for name, values in columns.items()}),
        )
    for row in rows:
        row.is_new = False


_ACCOUNT_TYPES = {
    "account_id": "uuid", "host_hmac": "bytea", "bucket": "int4", "wrapped_key": "bytea", "next_slot": "int4",
    "plan": "text", "age": "int2", "opened_at": "timestamptz", "last_at": "timestamptz", "last_seq": "int8",
    "seen": "int2", "closed_at": "timestamptz", "standing": "text", "grant_no": "int4", "grants": "int4",
    "answered": "int2",
}  # fmt: skip
_CONVERSATION_TYPES = {
    "account_id": "uuid", "conversation_id": "uuid", "host_hmac": "bytea", "begun_at": "timestamptz", "kind": "text",
    "incognito": "bool", "narrowed": "bool", "widenings": "int4", "deleted_at": "timestamptz",
    "safety_until": "timestamptz", "deciding": "int2", "deciding_grant_no": "int4", "deciding_grant_widening": "int4",
    "deciding_stale": "bool", "out_of_scope": "bool",
}  # fmt: skip
_SEGMENT_TYPES = {
    "account_id": "uuid", "conversation_id": "uuid", "segment": "int2", "plan": "text", "surface": "text",
    "in_scope": "bool", "version": "int2", "narrowed": "bool", "stale": "bool", "grant_no": "int4",
    "grant_widening": "int4", "first_turn": "int4", "last_turn": "int4", "last_at": "timestamptz", "has_user": "bool",
    "keep_until": "timestamptz", "flagged_turn": "int4", "safety_until": "timestamptz", "key_slot": "int4",
    "safety_slot": "int4",
}  # fmt: skip


def save_conversations(tx: Transaction, rows: Iterable[ConversationRow]) -> None:
    """Writes conversations and segments that differ from what the tables hold."""
    changed = [row for row in rows if row.state is not row.saved]
    if not changed:
        return
    decides = [row.state.segments[row.state.deciding].stamp for row in changed]
    tx.execute(
        f"""
        INSERT INTO conversations (account_id, conversation_id, host_hmac, begun_at, kind, incognito, narrowed,
                                   widenings, deleted_at, safety_until, deciding, deciding_grant_no,
                                   deciding_grant_widening, deciding_stale, out_of_scope)
        SELECT * FROM {unnested(_CONVERSATION_TYPES)}
        ON CONFLICT (account_id, conversation_id) DO UPDATE
           SET (narrowed, widenings, deleted_at, safety_until, deciding, deciding_grant_no, deciding_grant_widening,
                deciding_stale, out_of_scope)
             = (excluded.narrowed, excluded.widenings, excluded.deleted_at, excluded.safety_until, excluded.deciding,
                excluded.deciding_grant_no, excluded.deciding_grant_widening, excluded.deciding_stale,
                excluded.out_of_scope)
        """,
        arrays(_CONVERSATION_TYPES, {
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
        }),
    )  # fmt: skip
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
        f"""
        INSERT INTO segments (account_id, conversation_id, segment, plan, surface, in_scope, version, narrowed, stale,
                              grant_no, grant_widening, first_turn, last_turn, last_at, has_user, keep_until,
                              flagged_turn, safety_until, key_slot, safety_slot)
        SELECT * FROM {unnested(_SEGMENT_TYPES)}
        ON CONFLICT (account_id, conversation_id, segment) DO UPDATE
           SET (last_turn, last_at, has_user, keep_until, flagged_turn, safety_until, key_slot, safety_slot)
             = (excluded.last_turn, excluded.last_at, excluded.has_user, excluded.keep_until, excluded.flagged_turn,
                excluded.safety_until, excluded.key_slot, excluded.safety_slot)
        """,
        arrays(_SEGMENT_TYPES, {
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
        }),
    )  # fmt: skip


def _differs(row: ConversationRow, n: int) -> bool:
    saved = row.saved.segments if row.saved is not None else ()
    return n >= len(saved) or row.state.segments[n] != saved[n]


def shorten_accounts(tx: Transaction, endings: Mapping[UUID, tuple[datetime, datetime]]) -> None:
    """Every segment and feedback of each account comes to at most the given instants, in this order."""
    if endings:
        tx.execute(
            """
            WITH k AS (SELECT * FROM unnest(%(account)b::uuid[], %(content)b::timestamptz[], %(feedback)b::timestamptz[])
                                  AS k(account_id, content_until, feedback_until)),
                 nearer AS (UPDATE segments s SET keep_until = k.content_until FROM k
                             WHERE s.account_id = k.account_id AND s.keep_until > k.content_until
                               AND s.erased_at IS NULL)
            UPDATE feedback f SET keep_until = k.feedback_until FROM k
             WHERE f.account_id = k.account_id AND f.keep_until > k.feedback_until AND f.erased_at IS NULL
            """,
            {
                "account": list(endings),
                "content": [content for content, _ in endings.values()],
                "feedback": [feedback for _, feedback in endings.values()],
            },
        )


def shorten_feedback(tx: Transaction, nearer: Mapping[tuple[UUID, UUID], datetime]) -> None:
    """The feedback of each (account, conversation) comes to at most the given instant."""
    if nearer:
        tx.execute(
            """
            UPDATE feedback f SET keep_until = k.until
              FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[], %(until)b::timestamptz[])
                   AS k(account_id, conversation_id, until)
             WHERE f.account_id = k.account_id AND f.conversation_id = k.conversation_id AND f.keep_until > k.until
            """,
            {
                "account": [account for account, _ in nearer],
                "conversation": [conversation for _, conversation in nearer],
                "until": list(nearer.values()),
            },
        )

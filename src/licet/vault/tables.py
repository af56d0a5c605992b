"""The rows of an account and its conversations, read into the policy's state; `vault.table_changes`
writes them back.

Statements only, in sets: each takes the ids of a batch. The caller has locked the accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from licet.keys.keyring import BUCKET_COLUMNS, THEIR_BUCKETS, BucketRow
from licet.keys.material import SLOTS_PER_PAGE
from licet.masked import Masked
from licet.policy.file import Policies
from licet.policy.state import (
    AccountState,
    ConversationState,
    Feedback,
    Grant,
    Share,
    Standing,
    TurnState,
)
from licet.store.connect import Transaction, uuids
from licet.store.rows import keys_sql, keys_values
from licet.vault import policy_versions


class AccountRow(Masked, msgspec.Struct, kw_only=True):
    """A locked account: its state, its sequence, and the place of its keys. ``saved``: the stored
    state.
    """

    account_id: UUID
    state: AccountState
    last_seq: int
    next_slot: int
    bucket: int
    wrapped_key: bytes
    host_hmac: bytes = b""
    is_new: bool = False
    saved: AccountState | None = None


class SegmentKeys(msgspec.Struct, kw_only=True):
    """The columns of a segment's row beside its state."""

    key_slot: int | None = None
    safety_slot: int | None = None
    erased: bool = False


class ConversationRow(Masked, msgspec.Struct, kw_only=True):
    """A conversation, loaded or new. ``saved`` is the stored state."""

    account_id: UUID
    conversation_id: UUID
    host_hmac: bytes | None
    begun_at: datetime
    state: ConversationState
    saved: ConversationState | None
    keys: list[SegmentKeys]


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """An account's answers, as `CONSENT` encodes them."""

    standings: tuple[Standing, ...]
    grants: tuple[Grant, ...]
    kept_out: frozenset[str]


# The answers of an account `a`: its standing in each question, its grants in force, the projects
# that it keeps out.
CONSENT = """json_build_object(
    'standings', (SELECT coalesce(json_agg(json_build_array(t.question, t.standing, t.answered, t.granted_before)
                                           ORDER BY t.question), '[]')
                    FROM standings t WHERE t.account_id = a.account_id),
    'grants', CASE WHEN a.in_force = 0 THEN '[]' ELSE (
        SELECT coalesce(json_agg(json_build_array(g.grant_no, g.question, json_build_array(g.kind, g.name))
                                 ORDER BY g.grant_no), '[]')
          FROM (SELECT t.grant_no, t.question, 'account' AS kind, '' AS name FROM standings t
                 WHERE t.account_id = a.account_id AND t.grant_no IS NOT NULL
                UNION ALL
                SELECT s.grant_no, s.question, CASE WHEN s.project_id IS NULL THEN 'conversation'
                  ELSE 'project' END,
                       replace(coalesce(s.project_id, s.conversation_id)::text, '-', '')
                         FROM scoped_grants s
                 WHERE s.account_id = a.account_id) g) END,
    'kept_out', (SELECT coalesce(json_agg(replace(p.project_id::text, '-', '')), '[]')
      FROM projects p
                  WHERE p.account_id = a.account_id AND p.kept_out_at IS NOT NULL))::text"""
_OWN_COLUMNS = """a.account_id, a.last_seq, a.next_slot, a.bucket, a.wrapped_key, a.plan, a.age, a.opened_at, a.last_at,
    a.seen, a.closed_at, a.granted, a.region"""
ACCOUNT_COLUMNS = f"{_OWN_COLUMNS}, {CONSENT}"
_BUCKET_FIELDS = len(BucketRow._fields)
_consent = msgspec.json.Decoder(Consent)


def read_account(row: Sequence[Any]) -> AccountRow:
    """An `AccountRow` from `ACCOUNT_COLUMNS` of accounts `a`."""
    *own, consent_columns = row
    (
        account_id,
        last_seq,
        next_slot,
        bucket,
        wrapped,
        plan,
        age,
        opened_at,
        last_at,
        seen_version,
        closed_at,
        granted,
        region,
    ) = own
    consent = _consent.decode(consent_columns)
    state = AccountState(
        plan=plan,
        age=age,
        region=region,
        opened_at=opened_at,
        last_at=last_at,
        seen=seen_version,
        closed_at=closed_at,
        granted=granted,
        standings=consent.standings,
        grants=consent.grants,
        kept_out=consent.kept_out,
    )
    return AccountRow(
        account_id=account_id,
        last_seq=last_seq,
        next_slot=next_slot,
        bucket=bucket,
        wrapped_key=wrapped,
        state=state,
        saved=state,
    )


_IDS = {"account_id": "uuid"}
_NAMED = f"FROM {keys_sql(_IDS)} k JOIN accounts a USING (account_id)"
_LOCK = f"SELECT a.account_id {_NAMED} ORDER BY a.account_id FOR NO KEY UPDATE OF a"
_READ = f"SELECT {ACCOUNT_COLUMNS} {_NAMED}"
_READ_UNDER = (
    f"SELECT m.*, a.* FROM (SELECT {policy_versions.MARK}) m LEFT JOIN ({_READ}) a ON true"
)
_READ_LOCKED = f"SELECT {BUCKET_COLUMNS}, {ACCOUNT_COLUMNS} {_NAMED} {THEIR_BUCKETS}"


def load_accounts(tx: Transaction, accounts: Iterable[UUID]) -> dict[UUID, AccountRow]:
    """Loads the accounts without locking them."""
    rows = tx.execute(_READ, _match_accounts(accounts), prepare=True).fetchall()
    return {row[0]: read_account(row) for row in rows}


def load_accounts_with_policies(
    tx: Transaction, accounts: Iterable[UUID]
) -> tuple[Policies, dict[UUID, AccountRow]]:
    """Loads the accounts without locking them, and the policy versions, in one statement;
    FencedError behind the fence.
    """
    rows = tx.execute(_READ_UNDER, _match_accounts(accounts), prepare=True).fetchall()
    known = policy_versions.load_marked(tx, *rows[0][:2])
    return known, {row[2]: read_account(row[2:]) for row in rows if row[2] is not None}


def lock_account_rows(tx: Transaction, accounts: Iterable[UUID]) -> list[UUID]:
    """Locks the accounts in the order of their ids; returns the existing ones."""
    return [row[0] for row in tx.execute(_LOCK, _match_accounts(accounts)).fetchall()]


def _match_accounts(accounts: Iterable[UUID]) -> list[Any]:
    ids = set(accounts)
    return keys_values(_IDS, {"account_id": ids}, len(ids))


class LockedAccounts(NamedTuple):
    """Locked accounts, and the `BUCKET_COLUMNS` of each."""

    accounts: dict[UUID, AccountRow]
    buckets: list[BucketRow]


def lock_accounts(tx: Transaction, accounts: Iterable[UUID]) -> dict[UUID, AccountRow]:
    """Locks the accounts in the order of their ids, so that two batches cannot deadlock."""
    return request_locked_accounts(tx, accounts)().accounts


def request_locked_accounts(
    tx: Transaction, accounts: Iterable[UUID]
) -> Callable[[], LockedAccounts]:
    """Sends the queries of `lock_accounts`; the returned function reads them. Two statements: one
    that waited for a lock would see other tables as of before its wait.
    """
    named = _match_accounts(accounts)
    locked = tx.execute(_LOCK, named, prepare=True)
    cursor = tx.execute(_READ_LOCKED, named, prepare=True)

    def read() -> LockedAccounts:
        locked.fetchall()
        rows = cursor.fetchall()
        own = [read_account(row[_BUCKET_FIELDS:]) for row in rows]
        return LockedAccounts(
            {row.account_id: row for row in own}, [BucketRow(*row[:_BUCKET_FIELDS]) for row in rows]
        )

    return read


def every_account(tx: Transaction) -> Iterator[AccountRow]:
    """Every account, a bounded number of them in memory; the transaction stays open until the last
    one.
    """
    with tx.cursor(name="every_account") as cursor:
        cursor.itersize = 5_000
        for row in cursor.execute(f"SELECT {ACCOUNT_COLUMNS} FROM accounts a"):
            yield read_account(row)


class AccountTables(msgspec.Struct, frozen=True, kw_only=True):
    """An account's conversations, read by one statement."""

    accounts: dict[UUID, AccountRow]
    conversations: list[ConversationRow]
    turns: dict[UUID, tuple[TurnState, ...]]


class _ReadConversation(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as encoded by `_CONVERSATION`; decoding it builds the state without
    copying.
    """

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
    """An account as encoded by `_ACCOUNT`."""

    account_id: UUID
    last_seq: int
    next_slot: int
    bucket: int
    wrapped_key: str
    state: AccountState

    def row(self, consent: Consent) -> AccountRow:
        state = replace(
            self.state,
            standings=consent.standings,
            grants=consent.grants,
            kept_out=consent.kept_out,
        )
        return AccountRow(
            account_id=self.account_id,
            state=state,
            saved=state,
            last_seq=self.last_seq,
            next_slot=self.next_slot,
            bucket=self.bucket,
            wrapped_key=bytes.fromhex(self.wrapped_key),
        )


_conversations = msgspec.json.Decoder(_ReadConversation)
_accounts = msgspec.json.Decoder(_ReadAccount)

# One document per conversation, with all that belongs to it: with a row per segment, hold and turn,
# and a statement for each of their tables, reading cost several times as much as the rule.
_CONVERSATION = """json_build_object(
    'account_id', c.account_id, 'conversation_id', c.conversation_id, 'host_hmac',
      encode(c.host_hmac, 'hex'),
    'begun_at', c.begun_at,
    'state', json_build_object(
        'name', replace(c.conversation_id::text, '-', ''), 'project',
          coalesce(replace(c.project_id::text, '-', ''), ''),
        'incognito', c.incognito, 'kind', c.kind, 'narrowed', c.narrowed, 'narrowings',
          c.narrowings,
        'deleted_at', c.deleted_at, 'safety_until', c.safety_until,
        'holds', (SELECT coalesce(json_agg(encode(h.matter_hmac, 'hex')), '[]') FROM holds h
                   WHERE h.account_id = c.account_id AND h.conversation_id = c.conversation_id),
        'segments', coalesce(s.states, '[]')),
    'keys', coalesce(s.keys, '[]'), 'turns', {turns})::text"""
_SEGMENTS = """LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
               'stamp', json_build_object(
                   'plan', s.plan, 'surface', s.surface, 'in_scope', s.in_scope, 'version',
                     s.version,
                   'narrowed', s.narrowed, 'stale', string_to_array(s.stale, ','), 'grants',
                     s.grants,
                   'narrowing', s.narrowing),
               'first_turn', s.first_turn, 'last_turn', s.last_turn, 'last_at', s.last_at,
                 'has_user', s.has_user,
               'origins', string_to_array(s.origins, ','),
               'keep_until', s.keep_until, 'flagged_turn', s.flagged_turn, 'safety_until',
                 s.safety_until)
               ORDER BY s.segment) AS states,
           json_agg(json_build_object('key_slot', s.key_slot, 'safety_slot', s.safety_slot,
                                      'erased', s.erased_at IS NOT NULL) ORDER BY s.segment) AS keys
      FROM segments s WHERE s.account_id = c.account_id
        AND s.conversation_id = c.conversation_id) s ON true"""
_TURNS = """(SELECT coalesce(json_agg(json_build_object('number', t.turn, 'segment', t.segment, 'role', t.role,
                                                       'origin', t.origin) ORDER BY t.turn), '[]')
              FROM turns t WHERE t.account_id = c.account_id
                AND t.conversation_id = c.conversation_id)"""
_ACCOUNT = """json_build_object(
    'account_id', a.account_id, 'last_seq', a.last_seq, 'next_slot', a.next_slot, 'bucket', a.bucket,
    'wrapped_key', encode(a.wrapped_key, 'hex'),
    'state', json_build_object(
        'plan', a.plan, 'age', a.age, 'opened_at', a.opened_at, 'last_at', a.last_at, 'seen', a.seen,
        'closed_at', a.closed_at, 'granted', a.granted, 'region', a.region))::text"""
# With a limit that is a parameter, for the reason that `store.rows.keys_sql` gives.
_BY_ID = """SELECT * FROM unnest(%(id_account)s::uuid[], %(id)s::uuid[]) AS k(account_id,
    conversation_id)
    LIMIT %(ids)s"""
_BY_HOST = """SELECT c.account_id, c.conversation_id FROM conversations c
    JOIN (SELECT * FROM unnest(%(host_account)s::uuid[], %(host)b::bytea[]) AS k(account_id, host_hmac)
           LIMIT %(hosts)s) k
      USING (account_id, host_hmac)"""


def _select_conversations(keys: str, turns: str = "NULL", more: str = "") -> str:
    return f"""SELECT {_CONVERSATION.format(turns=turns)} {", p.page, p.slots" if more else ""}
                 FROM ({keys}) k
                 JOIN conversations c USING (account_id, conversation_id) {_SEGMENTS} {more}"""


def _with_accounts(conversations: str) -> str:
    return f"""SELECT {_ACCOUNT}, {CONSENT}, NULL FROM accounts a
                 JOIN (SELECT * FROM unnest(%(accounts)s::uuid[]) AS k(account_id) LIMIT %(ids)s) k
                   USING (account_id)
               UNION ALL SELECT NULL, NULL, c.* FROM ({conversations}) c"""


# the key page of a conversation's last segment, which its next turn is sealed under
_PAGE = f"""LEFT JOIN key_pages p ON p.account_id = c.account_id
    AND p.page = (s.keys -> -1 ->> 'key_slot')::int / {SLOTS_PER_PAGE}"""
_LOAD = {  # by whether ids are given, and hosts
    (True, False): _select_conversations(_BY_ID, more=_PAGE),
    (False, True): _select_conversations(_BY_HOST, more=_PAGE),
    (True, True): _select_conversations(f"({_BY_ID}) UNION {_BY_HOST}", more=_PAGE),
}
_SEE = {
    turns: _with_accounts(_select_conversations(_BY_ID, _TURNS if turns else "NULL"))
    for turns in (False, True)
}


def load_conversations(
    tx: Transaction, ids: Sequence[tuple[UUID, UUID]], hosts: Sequence[tuple[UUID, bytes]] = ()
) -> list[ConversationRow]:
    """The conversations by (account, id) and by (account, host's HMAC), with their segments and
    holds.
    """
    return request_conversations(tx, ids, hosts)()[0]


def request_conversations(
    tx: Transaction, ids: Sequence[tuple[UUID, UUID]], hosts: Sequence[tuple[UUID, bytes]] = ()
) -> Callable[[], tuple[list[ConversationRow], dict[tuple[UUID, int], bytes]]]:
    """Sends the queries of `load_conversations`; the returned function reads them, and the key page
    of each one's last segment, by account and number.
    """
    statement = _LOAD.get((bool(ids), bool(hosts)))
    if statement is None:
        return lambda: ([], {})
    key: dict[str, Any] = {
        "ids": len(ids),
        "id_account": uuids(account for account, _ in ids),
        "id": uuids(conversation for _, conversation in ids),
    }
    if hosts:
        key |= {
            "hosts": len(hosts),
            "host_account": uuids(account for account, _ in hosts),
            "host": [host for _, host in hosts],
        }
    cursor = tx.execute(statement, key, prepare=True)

    def read() -> tuple[list[ConversationRow], dict[tuple[UUID, int], bytes]]:
        rows, pages = [], {}
        for document, page, slots in cursor.fetchall():
            rows.append(_conversations.decode(document).row())
            if slots is not None:
                pages[rows[-1].account_id, page] = slots
        return rows, pages

    return read


def conversations_of(
    tx: Transaction, account: UUID, *, project: UUID | None = None
) -> list[ConversationRow]:
    """Every conversation of an account, or of one of its projects, with segments and holds."""
    rows = tx.execute(
        _select_conversations(
            """SELECT account_id, conversation_id FROM conversations WHERE account_id = %(account)s
                  AND (%(project)s::uuid IS NULL OR project_id = %(project)s)"""
        ),
        {"account": account, "project": project},
    ).fetchall()
    return [_conversations.decode(document).row() for (document,) in rows]


def feedback_of(
    tx: Transaction, account: UUID, conversations: Sequence[UUID]
) -> dict[UUID, tuple[UUID, Feedback]]:
    """The unerased feedback on an account's conversations: by id, its conversation and state."""
    rows = tx.execute(
        """SELECT feedback_id, conversation_id, share, version, grant_no, grant_narrowing, narrowed,
            keep_until FROM feedback
            WHERE account_id = %s AND conversation_id = ANY(%s) AND erased_at IS NULL""",
        [account, list(conversations)],
    )
    return {
        feedback: (
            conversation,
            Feedback(
                share=Share(share),
                version=version,
                grant=grant,
                narrowing=narrowing or 0,
                narrowed=narrowed,
                keep_until=until,
            ),
        )
        for feedback, conversation, share, version, grant, narrowing, narrowed, until in rows
    }


class ProjectRow(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A project of an account; ``title`` is sealed."""

    account_id: UUID
    project_id: UUID
    host_hmac: bytes
    title: bytes | None
    begun_at: datetime
    kept_out_at: datetime | None = None


def load_projects(
    tx: Transaction, ids: Sequence[tuple[UUID, UUID]], hosts: Sequence[tuple[UUID, bytes]]
) -> list[ProjectRow]:
    """The projects by (account, id) and by (account, host's HMAC)."""
    if not ids and not hosts:
        return []
    rows = tx.execute(
        """SELECT p.account_id, p.project_id, p.host_hmac, p.title, p.begun_at, p.kept_out_at
             FROM projects p
             JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(id)b::uuid[]) AS k(account_id, project_id)) k
            USING (account_id, project_id)
            UNION
           SELECT p.account_id, p.project_id, p.host_hmac, p.title, p.begun_at, p.kept_out_at
             FROM projects p
             JOIN (SELECT * FROM unnest(%(host_account)b::uuid[], %(host)b::bytea[]) AS k(account_id, host_hmac)) k
            USING (account_id, host_hmac)""",
        {
            "account": [account for account, _ in ids],
            "id": [project for _, project in ids],
            "host_account": [account for account, _ in hosts],
            "host": [host for _, host in hosts],
        },
    ).fetchall()
    return [ProjectRow(**dict(zip(ProjectRow.__struct_fields__, row, strict=True))) for row in rows]


def projects_of(tx: Transaction, account: UUID) -> list[ProjectRow]:
    """Every project of an account, oldest first."""
    rows = tx.execute(
        """SELECT account_id, project_id, host_hmac, title, begun_at, kept_out_at FROM projects
            WHERE account_id = %s ORDER BY project_id""",
        [account],
    ).fetchall()
    return [ProjectRow(**dict(zip(ProjectRow.__struct_fields__, row, strict=True))) for row in rows]


def load(tx: Transaction, keys: Sequence[tuple[UUID, UUID]], *, turns: bool) -> AccountTables:
    """The conversations by (account, id) and their accounts, in one statement; optionally with
    turns.
    """
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
    conversations: list[_ReadConversation] = []
    for account, consent_columns, conversation in rows:
        if account is None:
            conversations.append(_conversations.decode(conversation))
        else:
            one = _accounts.decode(account).row(_consent.decode(consent_columns))
            accounts[one.account_id] = one
    return AccountTables(
        accounts=accounts,
        conversations=[one.row() for one in conversations],
        turns={one.conversation_id: one.turns for one in conversations if one.turns is not None},
    )

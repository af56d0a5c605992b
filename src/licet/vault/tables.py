"""The rows of an account and its conversations, read into the policy's state and written back.

Statements only, in sets: each takes the ids of a batch. The caller has locked the accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from licet.keys.keyring import BUCKET_COLUMNS, THEIR_BUCKETS, BucketRow
from licet.masked import Masked
from licet.policy.file import Policies
from licet.policy.state import (
    WHOLE_ACCOUNT,
    AccountState,
    ConversationState,
    Feedback,
    Grant,
    ScopeKind,
    Share,
    Standing,
    TurnState,
)
from licet.store.connect import Transaction, uuids
from licet.store.rows import Change, arrays, change, insert, matched, matching, unnested
from licet.vault import policy_versions


class AccountRow(Masked, msgspec.Struct, kw_only=True):
    """An account under its lock: its state, its sequence, and where its keys are. ``saved``: the stored state."""

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
    """What a segment's row stores beside its state."""

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


# The answers of an account `a`: its standing in each question, its grants in force, the projects that it keeps out.
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
                SELECT s.grant_no, s.question, CASE WHEN s.project_id IS NULL THEN 'conversation' ELSE 'project' END,
                       replace(coalesce(s.project_id, s.conversation_id)::text, '-', '') FROM scoped_grants s
                 WHERE s.account_id = a.account_id) g) END,
    'kept_out', (SELECT coalesce(json_agg(replace(p.project_id::text, '-', '')), '[]') FROM projects p
                  WHERE p.account_id = a.account_id AND p.kept_out_at IS NOT NULL))::text"""
_OWN_COLUMNS = """a.account_id, a.last_seq, a.next_slot, a.bucket, a.wrapped_key, a.plan, a.age, a.opened_at, a.last_at,
    a.seen, a.closed_at, a.granted, a.region"""
ACCOUNT_COLUMNS = f"{_OWN_COLUMNS}, {CONSENT}"
_BUCKET_FIELDS = len(BucketRow._fields)
_consent = msgspec.json.Decoder(Consent)


def read_account(row: Sequence[Any]) -> AccountRow:
    """An `AccountRow` from `ACCOUNT_COLUMNS` of accounts `a`."""
    *own, said = row
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
        seen,
        closed_at,
        granted,
        region,
    ) = own
    consent = _consent.decode(said)
    state = AccountState(
        plan=plan,
        age=age,
        region=region,
        opened_at=opened_at,
        last_at=last_at,
        seen=seen,
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
_NAMED = f"FROM {matched(_IDS)} k JOIN accounts a USING (account_id)"
_LOCK = f"SELECT a.account_id {_NAMED} ORDER BY a.account_id FOR NO KEY UPDATE OF a"
_READ = f"SELECT {ACCOUNT_COLUMNS} {_NAMED}"
_READ_UNDER = f"SELECT m.*, a.* FROM (SELECT {policy_versions.MARK}) m LEFT JOIN ({_READ}) a ON true"
_READ_LOCKED = f"SELECT {BUCKET_COLUMNS}, {ACCOUNT_COLUMNS} {_NAMED} {THEIR_BUCKETS}"


def see_accounts(tx: Transaction, accounts: Iterable[UUID]) -> dict[UUID, AccountRow]:
    """The accounts, not locked."""
    rows = tx.execute(_READ, _named(accounts), prepare=True).fetchall()
    return {row[0]: read_account(row) for row in rows}


def see_accounts_under(tx: Transaction, accounts: Iterable[UUID]) -> tuple[Policies, dict[UUID, AccountRow]]:
    """The accounts, not locked, and the versions of the policy, in one statement; FencedError behind the fence."""
    rows = tx.execute(_READ_UNDER, _named(accounts), prepare=True).fetchall()
    known = policy_versions.marked(tx, *rows[0][:2])
    return known, {row[2]: read_account(row[2:]) for row in rows if row[2] is not None}


def hold_accounts(tx: Transaction, accounts: Iterable[UUID]) -> list[UUID]:
    """Locks the accounts, in the order of their ids, for who needs no more of them; returns those that there are."""
    return [row[0] for row in tx.execute(_LOCK, _named(accounts)).fetchall()]


def _named(accounts: Iterable[UUID]) -> list[Any]:
    ids = set(accounts)
    return matching(_IDS, {"account_id": ids}, len(ids))


class LockedAccounts(NamedTuple):
    """Accounts under their locks, and the `BUCKET_COLUMNS` of each."""

    accounts: dict[UUID, AccountRow]
    buckets: list[BucketRow]


def lock_accounts(tx: Transaction, accounts: Iterable[UUID]) -> dict[UUID, AccountRow]:
    """The accounts, locked in the order of their ids so that two batches cannot deadlock."""
    return locking(tx, accounts)().accounts


def locking(tx: Transaction, accounts: Iterable[UUID]) -> Callable[[], LockedAccounts]:
    """`lock_accounts`, sent but not read yet; the returned function reads it.

    Two statements: a statement that waited for a lock sees other tables as they were before it waited.
    """
    named = _named(accounts)
    locked = tx.execute(_LOCK, named, prepare=True)
    asked = tx.execute(_READ_LOCKED, named, prepare=True)

    def read() -> LockedAccounts:
        locked.fetchall()
        rows = asked.fetchall()
        own = [read_account(row[_BUCKET_FIELDS:]) for row in rows]
        return LockedAccounts({row.account_id: row for row in own}, [BucketRow(*row[:_BUCKET_FIELDS]) for row in rows])

    return read


def every_account(tx: Transaction) -> Iterator[AccountRow]:
    """Every account, a bounded number of them in memory; the transaction stays open until the last one was taken."""
    with tx.cursor(name="every_account") as cursor:
        cursor.itersize = 5_000
        for row in cursor.execute(f"SELECT {ACCOUNT_COLUMNS} FROM accounts a"):
            yield read_account(row)


class AccountTables(msgspec.Struct, frozen=True, kw_only=True):
    """What one statement read of an account's conversations: all at one moment."""

    accounts: dict[UUID, AccountRow]
    conversations: list[ConversationRow]
    turns: dict[UUID, tuple[TurnState, ...]]


class _Read(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as `_CONVERSATION` encodes it: the decoder builds the state, and nothing is copied by hand."""

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
    """An account as `_ACCOUNT` encodes it."""

    account_id: UUID
    last_seq: int
    next_slot: int
    bucket: int
    wrapped_key: str
    state: AccountState

    def row(self, consent: Consent) -> AccountRow:
        state = replace(self.state, standings=consent.standings, grants=consent.grants, kept_out=consent.kept_out)
        return AccountRow(
            account_id=self.account_id,
            state=state,
            saved=state,
            last_seq=self.last_seq,
            next_slot=self.next_slot,
            bucket=self.bucket,
            wrapped_key=bytes.fromhex(self.wrapped_key),
        )


_conversations = msgspec.json.Decoder(_Read)
_accounts = msgspec.json.Decoder(_ReadAccount)

# One document per conversation, with all that belongs to it: with a row per segment, hold and turn, and a statement for
# each of their tables, reading cost several times as much as the rule.
_CONVERSATION = """json_build_object(
    'account_id', c.account_id, 'conversation_id', c.conversation_id, 'host_hmac', encode(c.host_hmac, 'hex'),
    'begun_at', c.begun_at,
    'state', json_build_object(
        'name', replace(c.conversation_id::text, '-', ''), 'project', coalesce(replace(c.project_id::text, '-', ''), ''),
        'incognito', c.incognito, 'kind', c.kind, 'narrowed', c.narrowed, 'narrowings', c.narrowings,
        'deleted_at', c.deleted_at, 'safety_until', c.safety_until,
        'holds', (SELECT coalesce(json_agg(encode(h.matter_hmac, 'hex')), '[]') FROM holds h
                   WHERE h.account_id = c.account_id AND h.conversation_id = c.conversation_id),
        'segments', coalesce(s.states, '[]')),
    'keys', coalesce(s.keys, '[]'), 'turns', {turns})::text"""
_SEGMENTS = """LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
               'stamp', json_build_object(
                   'plan', s.plan, 'surface', s.surface, 'in_scope', s.in_scope, 'version', s.version,
                   'narrowed', s.narrowed, 'stale', string_to_array(s.stale, ','), 'grants', s.grants,
                   'narrowing', s.narrowing),
               'first_turn', s.first_turn, 'last_turn', s.last_turn, 'last_at', s.last_at, 'has_user', s.has_user,
               'origins', string_to_array(s.origins, ','),
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
        'closed_at', a.closed_at, 'granted', a.granted, 'region', a.region))::text"""
# With a limit that is a parameter, for the reason that `store.rows.few` gives.
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
    return f"""SELECT {_ACCOUNT}, {CONSENT}, NULL FROM accounts a
                 JOIN (SELECT * FROM unnest(%(accounts)s::uuid[]) AS k(account_id) LIMIT %(ids)s) k USING (account_id)
               UNION ALL SELECT NULL, NULL, c.* FROM ({conversations}) c"""


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
    """`load_conversations`, sent but not read yet; the returned function reads it."""
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
    asked = tx.execute(statement, key, prepare=True)
    return lambda: [_conversations.decode(document).row() for (document,) in asked.fetchall()]


def conversations_of(tx: Transaction, account: UUID, *, project: UUID | None = None) -> list[ConversationRow]:
    """Every conversation of an account, or of one of its projects, with segments and holds."""
    rows = tx.execute(
        _of(
            """SELECT account_id, conversation_id FROM conversations WHERE account_id = %(account)s
                  AND (%(project)s::uuid IS NULL OR project_id = %(project)s)"""
        ),
        {"account": account, "project": project},
    ).fetchall()
    return [_conversations.decode(document).row() for (document,) in rows]


def feedback_of(tx: Transaction, account: UUID, conversations: Sequence[UUID]) -> dict[UUID, tuple[UUID, Feedback]]:
    """The unerased feedback on an account's conversations: by its id, the conversation and its state."""
    rows = tx.execute(
        """SELECT feedback_id, conversation_id, share, version, grant_no, grant_narrowing, narrowed, keep_until FROM feedback
            WHERE account_id = %s AND conversation_id = ANY(%s) AND erased_at IS NULL""",
        [account, list(conversations)],
    )
    return {
        feedback: (
            conversation,
            Feedback(
                share=Share(share), version=version, grant=grant, narrowing=narrowing or 0, narrowed=narrowed,
                keep_until=until,
            ),
        )
        for feedback, conversation, share, version, grant, narrowing, narrowed, until in rows
    }  # fmt: skip


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
        """SELECT p.account_id, p.project_id, p.host_hmac, p.title, p.begun_at, p.kept_out_at FROM projects p
             JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(id)b::uuid[]) AS k(account_id, project_id)) k
            USING (account_id, project_id)
            UNION
           SELECT p.account_id, p.project_id, p.host_hmac, p.title, p.begun_at, p.kept_out_at FROM projects p
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


def save_projects(tx: Transaction, rows: Sequence[ProjectRow]) -> None:
    """Inserts new projects, and writes titles and since when each is kept out."""
    if rows:
        tx.execute(
            f"""INSERT INTO projects ({", ".join(_PROJECT_TYPES)}) SELECT * FROM {unnested(_PROJECT_TYPES)}
                ON CONFLICT (account_id, project_id) DO UPDATE
                   SET (title, kept_out_at) = (excluded.title, excluded.kept_out_at)""",
            arrays(_PROJECT_TYPES, {name: [getattr(row, name) for row in rows] for name in _PROJECT_TYPES}),
        )


def load(tx: Transaction, keys: Sequence[tuple[UUID, UUID]], *, turns: bool) -> AccountTables:
    """The conversations by (account, id) and their accounts, in one statement; with their turns if requested."""
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
    for account, said, conversation in rows:
        if account is None:
            found.append(_conversations.decode(conversation))
        else:
            one = _accounts.decode(account).row(_consent.decode(said))
            accounts[one.account_id] = one
    return AccountTables(
        accounts=accounts,
        conversations=[one.row() for one in found],
        turns={one.conversation_id: one.turns for one in found if one.turns is not None},
    )


def save_accounts(tx: Transaction, rows: Sequence[AccountRow]) -> None:
    """Inserts new accounts, and writes the answers of all that differ from the tables."""
    new = [row for row in rows if row.is_new]
    if new:
        tx.execute(
            f"INSERT INTO account_hosts (account_id, host_hmac) SELECT * FROM {unnested(_HOST_TYPES)}",
            arrays(_HOST_TYPES, {
                "account_id": [row.account_id for row in new], "host_hmac": [row.host_hmac for row in new],
            }),
        )  # fmt: skip
        columns = _changing(new) | {
            "bucket": [row.bucket for row in new], "wrapped_key": [row.wrapped_key for row in new],
            "opened_at": [row.state.opened_at for row in new],
        }  # fmt: skip
        tx.execute(
            f"INSERT INTO accounts ({', '.join(_ACCOUNT_TYPES)}) SELECT * FROM {unnested(_ACCOUNT_TYPES)}",
            arrays(_ACCOUNT_TYPES, columns),
        )
    _save_standings(tx, rows)
    for row in rows:
        row.is_new, row.saved = False, row.state


def account_changes(rows: Sequence[AccountRow]) -> list[Change]:
    """The change of accounts that are not new."""
    old = [row for row in rows if not row.is_new]
    return [Change(_CHANGE_ACCOUNTS, matching(_CHANGING_TYPES, _changing(old), len(old)))] if old else []


def _changing(rows: Sequence[AccountRow]) -> dict[str, list[Any]]:
    """What of an account changes, by column."""
    return {
        "account_id": [r.account_id for r in rows],
        "next_slot": [r.next_slot for r in rows],
        "plan": [r.state.plan for r in rows],
        "age": [r.state.age for r in rows],
        "region": [r.state.region for r in rows],
        "last_at": [r.state.last_at for r in rows],
        "last_seq": [r.last_seq for r in rows],
        "seen": [r.state.seen for r in rows],
        "closed_at": [r.state.closed_at for r in rows],
        "granted": [r.state.granted for r in rows],
        "in_force": [len(r.state.grants) for r in rows],
    }


def _save_standings(tx: Transaction, rows: Sequence[AccountRow]) -> None:
    """Writes each account's standing in each question if it differs from the table."""
    said = [row for row in rows if row.saved is None or _said(row.saved) != _said(row.state)]
    if not said:
        return
    fresh = [(row, standing) for row in said for standing in row.state.standings]
    added, changed = (
        [
            (row.account_id, s.question, s.standing.value, s.answered, s.granted_before, row.state.grant(s.question))
            for row, s in fresh if (s.question not in _asked(row.saved)) == is_new
        ]
        for is_new in (True, False)
    )  # fmt: skip
    # In two statements: each of a pair of triggers counts what its own statement did (`count_answers_between`).
    insert(tx, "standings", _STANDING_TYPES, added)
    if changed:
        columns = dict(zip(_STANDING_TYPES, zip(*changed, strict=True), strict=True))
        change(tx, [Change(_CHANGE_STANDINGS, matching(_STANDING_TYPES, columns, len(changed)))])
    ended = [
        (row.account_id, grant.number) for row in said for grant in _scoped(row.saved) if grant not in row.state.grants
    ]
    if ended:
        tx.execute(
            """DELETE FROM scoped_grants s USING unnest(%(account)b::uuid[], %(grant)b::int[]) AS k(account_id, grant_no)
                WHERE s.account_id = k.account_id AND s.grant_no = k.grant_no""",
            {"account": [account for account, _ in ended], "grant": [grant for _, grant in ended]},
        )


def save_scoped_grants(tx: Transaction, rows: Sequence[AccountRow], begun: Mapping[tuple[UUID, int], datetime]) -> None:
    """Inserts new grants for a project or a conversation, after these are in their tables."""
    fresh = [
        (row.account_id, grant, begun[row.account_id, grant.number])
        for row in rows for grant in _scoped(row.state) if (row.account_id, grant.number) in begun
    ]  # fmt: skip
    if fresh:
        tx.execute(
            f"INSERT INTO scoped_grants ({', '.join(_GRANT_TYPES)}) SELECT * FROM {unnested(_GRANT_TYPES)}",
            arrays(_GRANT_TYPES, {
                "account_id": [account for account, _, _ in fresh],
                "grant_no": [grant.number for _, grant, _ in fresh],
                "question": [grant.question for _, grant, _ in fresh],
                "project_id": [_id_in(grant, ScopeKind.project) for _, grant, _ in fresh],
                "conversation_id": [_id_in(grant, ScopeKind.conversation) for _, grant, _ in fresh],
                "begun_at": [at for _, _, at in fresh],
            }),
        )  # fmt: skip


def _said(state: AccountState) -> tuple[object, ...]:
    return state.standings, state.grants


def _asked(state: AccountState | None) -> set[str]:
    return set() if state is None else {standing.question for standing in state.standings}


def _scoped(state: AccountState | None) -> list[Grant]:
    return [] if state is None else [grant for grant in state.grants if grant.scope != WHOLE_ACCOUNT]


def _id_in(grant: Grant, kind: ScopeKind) -> UUID | None:
    return UUID(hex=grant.scope.name) if grant.scope.kind is kind else None


_HOST_TYPES = {"account_id": "uuid", "host_hmac": "bytea"}
_CHANGING_TYPES = {
    "account_id": "uuid", "next_slot": "int4", "plan": "text", "age": "int2", "region": "text", "last_at": "timestamptz",
    "last_seq": "int8", "seen": "int2", "closed_at": "timestamptz", "granted": "int4", "in_force": "int4",
}  # fmt: skip
_ACCOUNT_TYPES = {**_CHANGING_TYPES, "bucket": "int4", "wrapped_key": "bytea", "opened_at": "timestamptz"}
_CHANGE_ACCOUNTS = f"""
    UPDATE accounts a SET (next_slot, plan, age, region, last_at, last_seq, seen, closed_at, granted, in_force)
         = (n.next_slot, n.plan, n.age, n.region, n.last_at, n.last_seq, n.seen, n.closed_at, n.granted, n.in_force)
      FROM {matched(_CHANGING_TYPES)} n WHERE a.account_id = n.account_id"""
_STANDING_TYPES = {
    "account_id": "uuid", "question": "text", "standing": "text", "answered": "int2", "granted_before": "bool",
    "grant_no": "int4",
}  # fmt: skip
_CHANGE_STANDINGS = f"""
    UPDATE standings s SET (standing, answered, granted_before, grant_no)
         = (n.standing, n.answered, n.granted_before, n.grant_no)
      FROM {matched(_STANDING_TYPES)} n WHERE (s.account_id, s.question) = (n.account_id, n.question)"""
_GRANT_TYPES = {
    "account_id": "uuid", "grant_no": "int4", "question": "text", "project_id": "uuid", "conversation_id": "uuid",
    "begun_at": "timestamptz",
}  # fmt: skip
_PROJECT_TYPES = {
    "account_id": "uuid", "project_id": "uuid", "host_hmac": "bytea", "title": "bytea", "begun_at": "timestamptz",
    "kept_out_at": "timestamptz",
}  # fmt: skip
_CONVERSATION_KEY = {"account_id": "uuid", "conversation_id": "uuid"}
_CONVERSATION_CHANGING = {
    "narrowed": "bool", "narrowings": "int4", "deleted_at": "timestamptz", "safety_until": "timestamptz",
    "deciding": "int2", "deciding_grants": "text", "deciding_narrowing": "int4", "deciding_stale": "text",
    "out_of_scope": "bool",
}  # fmt: skip
_CONVERSATION_TYPES = {
    **_CONVERSATION_KEY, **_CONVERSATION_CHANGING, "host_hmac": "bytea", "begun_at": "timestamptz", "kind": "text",
    "incognito": "bool", "project_id": "uuid",
}  # fmt: skip
_SEGMENT_KEY = {**_CONVERSATION_KEY, "segment": "int2"}
_SEGMENT_CHANGING = {
    "last_turn": "int4", "last_at": "timestamptz", "has_user": "bool", "origins": "text", "keep_until": "timestamptz",
    "flagged_turn": "int4", "safety_until": "timestamptz", "key_slot": "int4", "safety_slot": "int4",
    "stored_bytes": "int8", "safety_bytes": "int8",
}  # fmt: skip
_SEGMENT_TYPES = {
    **_SEGMENT_KEY, **_SEGMENT_CHANGING, "plan": "text", "surface": "text", "in_scope": "bool", "version": "int2",
    "narrowed": "bool", "stale": "text", "grants": "text", "narrowing": "int4", "first_turn": "int4",
}  # fmt: skip
_ADD_CONVERSATIONS = f"""
    INSERT INTO conversations ({", ".join(_CONVERSATION_TYPES)})
    SELECT {", ".join(_CONVERSATION_TYPES).replace("deciding_grants", "deciding_grants::int[]")}
      FROM {unnested(_CONVERSATION_TYPES)} AS n({", ".join(_CONVERSATION_TYPES)})"""
_CHANGE_CONVERSATIONS = f"""
    UPDATE conversations c SET (narrowed, narrowings, deleted_at, safety_until, deciding, deciding_grants,
                                deciding_narrowing, deciding_stale, out_of_scope)
         = (n.narrowed, n.narrowings, n.deleted_at, n.safety_until, n.deciding, n.deciding_grants::int[],
            n.deciding_narrowing, n.deciding_stale, n.out_of_scope)
      FROM {matched(_CONVERSATION_KEY | _CONVERSATION_CHANGING)} n
     WHERE c.account_id = n.account_id AND c.conversation_id = n.conversation_id"""
_ADD_SEGMENTS = f"""
    INSERT INTO segments ({", ".join(_SEGMENT_TYPES)})
    SELECT {", ".join(_SEGMENT_TYPES).replace("grants", "grants::int[]")}
      FROM {unnested(_SEGMENT_TYPES)} AS n({", ".join(_SEGMENT_TYPES)})"""
_CHANGE_SEGMENTS = f"""
    UPDATE segments s SET (last_turn, last_at, has_user, origins, keep_until, flagged_turn, safety_until, key_slot,
                           safety_slot, stored_bytes, safety_bytes)
         = (n.last_turn, n.last_at, n.has_user, n.origins, n.keep_until, n.flagged_turn, n.safety_until, n.key_slot,
            n.safety_slot, s.stored_bytes + n.stored_bytes, s.safety_bytes + n.safety_bytes)
      FROM {matched(_SEGMENT_KEY | _SEGMENT_CHANGING)} n
     WHERE s.account_id = n.account_id AND s.conversation_id = n.conversation_id AND s.segment = n.segment"""


class AddedBytes(NamedTuple):
    """The sealed bytes that are about to be added under a segment: content, and safety copies."""

    stored: int = 0
    safety: int = 0


AddedSizes = Mapping[tuple[UUID, int], AddedBytes]  # by conversation and segment


def save_conversations(
    tx: Transaction, rows: Iterable[ConversationRow], added: AddedSizes, others: Sequence[Change] = ()
) -> None:
    """Writes conversations and segments that differ from the tables, and how many bytes are ``added`` under each; what
    changes is one statement with ``others``.
    """
    fuller = {conversation for conversation, _ in added}
    differing = [row for row in rows if row.state is not row.saved or row.conversation_id in fuller]
    fresh, known = list[_Segment](), list[_Segment]()
    for row in differing:
        stored = row.saved.segments if row.saved is not None else ()
        for n, segment in enumerate(row.state.segments):
            if n >= len(stored):
                fresh.append((row, n))
            elif (row.conversation_id, n) in added or segment != stored[n]:
                known.append((row, n))
    begun = [row for row in differing if row.saved is None]
    if begun:
        tx.execute(_ADD_CONVERSATIONS, arrays(_CONVERSATION_TYPES, _beginning(begun) | _told(begun)), prepare=True)
    if fresh:
        tx.execute(_ADD_SEGMENTS, arrays(_SEGMENT_TYPES, _stamps(fresh) | _lasting(fresh, added)), prepare=True)
    changes = list(others)
    if begun != differing:
        old = [row for row in differing if row.saved is not None]
        changes.append(
            Change(_CHANGE_CONVERSATIONS, matching(_CONVERSATION_KEY | _CONVERSATION_CHANGING, _told(old), len(old)))
        )
    if known:
        values = _lasting(known, added)
        changes.append(Change(_CHANGE_SEGMENTS, matching(_SEGMENT_KEY | _SEGMENT_CHANGING, values, len(known))))
    change(tx, changes)
    for row in differing:
        row.saved = row.state


_Segment = tuple[ConversationRow, int]  # of a conversation, and its number


def _beginning(rows: Sequence[ConversationRow]) -> dict[str, list[Any]]:
    """What a conversation begins with and keeps, by column."""
    return {
        "host_hmac": [r.host_hmac for r in rows],
        "begun_at": [r.begun_at for r in rows],
        "kind": [r.state.kind.value for r in rows],
        "incognito": [r.state.incognito for r in rows],
        "project_id": [UUID(hex=r.state.project) if r.state.project else None for r in rows],
    }


def _told(rows: Sequence[ConversationRow]) -> dict[str, list[Any]]:
    """What of a conversation changes, and its key, by column."""
    deciding = [r.state.deciding for r in rows]
    stamps = [r.state.segments[n].stamp for r, n in zip(rows, deciding, strict=True)]
    return {
        "account_id": [r.account_id for r in rows],
        "conversation_id": [r.conversation_id for r in rows],
        "narrowed": [r.state.narrowed for r in rows],
        "narrowings": [r.state.narrowings for r in rows],
        "deleted_at": [r.state.deleted_at for r in rows],
        "safety_until": [r.state.safety_until for r in rows],
        "deciding": deciding,
        "deciding_grants": [numbers(s.grants) for s in stamps],
        "deciding_narrowing": [s.narrowing for s in stamps],
        "deciding_stale": [",".join(s.stale) for s in stamps],
        "out_of_scope": [any(not s.stamp.in_scope for s in r.state.segments) for r in rows],
    }


def _stamps(segments: Sequence[_Segment]) -> dict[str, list[Any]]:
    """What a segment begins with and keeps, by column."""
    states = [row.state.segments[n] for row, n in segments]
    stamps = [state.stamp for state in states]
    return {
        "plan": [s.plan for s in stamps],
        "surface": [s.surface for s in stamps],
        "in_scope": [s.in_scope for s in stamps],
        "version": [s.version for s in stamps],
        "narrowed": [s.narrowed for s in stamps],
        "stale": [",".join(s.stale) for s in stamps],
        "grants": [numbers(s.grants) for s in stamps],
        "narrowing": [s.narrowing for s in stamps],
        "first_turn": [s.first_turn for s in states],
    }


def _lasting(segments: Sequence[_Segment], added: AddedSizes) -> dict[str, list[Any]]:
    """What of a segment changes, and its key, by column; of its bytes those that are added."""
    states = [row.state.segments[n] for row, n in segments]
    keys = [row.keys[n] for row, n in segments]
    sizes = [added.get((row.conversation_id, n), AddedBytes()) for row, n in segments]
    return {
        "account_id": [row.account_id for row, _ in segments],
        "conversation_id": [row.conversation_id for row, _ in segments],
        "segment": [n for _, n in segments],
        "last_turn": [s.last_turn for s in states],
        "last_at": [s.last_at for s in states],
        "has_user": [s.has_user for s in states],
        "origins": [",".join(sorted(s.origins)) for s in states],
        "keep_until": [s.keep_until for s in states],
        "flagged_turn": [s.flagged_turn for s in states],
        "safety_until": [s.safety_until for s in states],
        "key_slot": [k.key_slot for k in keys],
        "safety_slot": [k.safety_slot for k in keys],
        "stored_bytes": [size.stored for size in sizes],
        "safety_bytes": [size.safety for size in sizes],
    }


def numbers(grants: Sequence[int]) -> str:
    """An array of numbers as text: PostgreSQL has no array of arrays of different lengths."""
    return f"{{{','.join(map(str, grants))}}}"


def shorten_accounts(tx: Transaction, endings: Mapping[UUID, tuple[datetime, datetime]]) -> None:
    """Shortens every segment and feedback of each account to at most the given instants, in this order."""
    if endings:
        tx.execute(
            """
            WITH k AS (SELECT * FROM unnest(%(account)b::uuid[], %(content)b::timestamptz[], %(feedback)b::timestamptz[])
                                  AS k(account_id, content_until, feedback_until) LIMIT %(accounts)s),
                 nearer AS (UPDATE segments s SET keep_until = k.content_until FROM k
                             WHERE s.account_id = k.account_id AND s.keep_until > k.content_until
                               AND s.erased_at IS NULL)
            UPDATE feedback f SET keep_until = k.feedback_until FROM k
             WHERE f.account_id = k.account_id AND f.keep_until > k.feedback_until AND f.erased_at IS NULL
            """,
            {
                "accounts": len(endings),
                "account": list(endings),
                "content": [content for content, _ in endings.values()],
                "feedback": [feedback for _, feedback in endings.values()],
            },
        )


def feedback_changes(
    by: Literal["conversation_id", "feedback_id"], nearer: Mapping[tuple[UUID, UUID], datetime]
) -> list[Change]:
    """The change that shortens the feedback of each (account, ``by``) to at most the given instant."""
    if not nearer:
        return []
    columns = {"account_id": "uuid", by: "uuid", "until": "timestamptz"}
    values = {
        "account_id": [account for account, _ in nearer],
        by: [one for _, one in nearer],
        "until": nearer.values(),
    }
    text = f"""
        UPDATE feedback f SET keep_until = n.until FROM {matched(columns)} n
         WHERE f.account_id = n.account_id AND f.{by} = n.{by} AND f.keep_until > n.until"""
    return [Change(text, matching(columns, values, len(nearer)))]

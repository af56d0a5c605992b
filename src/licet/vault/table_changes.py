"""Writes what the rules concluded to the tables of `vault.tables`: accounts and their answers,
projects, conversations and segments, and nearer dates.

Statements only, in sets, for `vault.writes`, which gathers what a batch changes. A `Change` is left
to be sent with others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from licet.policy.state import WHOLE_ACCOUNT, AccountState, ConversationState, Grant, ScopeKind
from licet.store.connect import ContentionError, Transaction
from licet.store.rows import (
    Change,
    by_column,
    change,
    insert,
    keys_sql,
    keys_values,
    unnest_sql,
    unnest_values,
)
from licet.vault.tables import AccountRow, ConversationRow, ProjectRow


def save_accounts(tx: Transaction, rows: Sequence[AccountRow]) -> None:
    """Inserts new accounts, and updates the answers of all that differ from the tables."""
    new = [row for row in rows if row.is_new]
    if new:
        tx.execute(
            "INSERT INTO account_hosts (account_id, host_hmac) SELECT * FROM "
            f"{unnest_sql(_HOST_TYPES)}",
            unnest_values(
                _HOST_TYPES,
                {
                    "account_id": [row.account_id for row in new],
                    "host_hmac": [row.host_hmac for row in new],
                },
            ),
        )
        columns = _changing(new) | {
            "bucket": [row.bucket for row in new],
            "wrapped_key": [row.wrapped_key for row in new],
            "opened_at": [row.state.opened_at for row in new],
        }
        tx.execute(
            f"INSERT INTO accounts ({', '.join(_ACCOUNT_TYPES)}) SELECT * FROM "
            f"{unnest_sql(_ACCOUNT_TYPES)}",
            unnest_values(_ACCOUNT_TYPES, columns),
        )
    _save_standings(tx, rows)
    for row in rows:
        row.is_new, row.saved = False, row.state


def release_host(tx: Transaction, account: UUID, host: bytes) -> None:
    """Removes the host's id from an account; ContentionError if another transaction did so since
    the read.
    """
    taken = tx.execute(
        "DELETE FROM account_hosts WHERE account_id = %s AND host_hmac = %s", [account, host]
    )
    if taken.rowcount != 1:
        raise ContentionError("the account began anew meanwhile", "try again")


def account_changes(rows: Sequence[AccountRow]) -> list[Change]:
    """The changes of existing accounts."""
    old = [row for row in rows if not row.is_new]
    return (
        [Change(_CHANGE_ACCOUNTS, keys_values(_CHANGING_TYPES, _changing(old), len(old)))]
        if old
        else []
    )


def _changing(rows: Sequence[AccountRow]) -> dict[str, list[Any]]:
    """The mutable columns of accounts."""
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
    """Updates each account's standing in each question if it differs from the table."""
    with_consent = [
        row for row in rows if row.saved is None or _answers_of(row.saved) != _answers_of(row.state)
    ]
    if not with_consent:
        return
    fresh = [(row, standing) for row in with_consent for standing in row.state.standings]
    added, changed = (
        [
            (
                row.account_id,
                s.question,
                s.standing.value,
                s.answered,
                s.granted_before,
                row.state.grant(s.question),
            )
            for row, s in fresh
            if (s.question not in _questions_of(row.saved)) == is_new
        ]
        for is_new in (True, False)
    )
    # In two statements: each of a pair of triggers counts what its own statement did
    # (`count_answers_between`).
    insert(tx, "standings", _STANDING_TYPES, added)
    if changed:
        values = keys_values(_STANDING_TYPES, by_column(_STANDING_TYPES, changed), len(changed))
        change(tx, [Change(_CHANGE_STANDINGS, values)])
    ended = [
        (row.account_id, grant.number)
        for row in with_consent
        for grant in _scoped(row.saved)
        if grant not in row.state.grants
    ]
    if ended:
        tx.execute(
            """DELETE FROM scoped_grants s USING unnest(%(account)b::uuid[],
                %(grant)b::int[]) AS k(account_id, grant_no)
                WHERE s.account_id = k.account_id AND s.grant_no = k.grant_no""",
            {"account": [account for account, _ in ended], "grant": [grant for _, grant in ended]},
        )


def save_scoped_grants(
    tx: Transaction, rows: Sequence[AccountRow], begun: Mapping[tuple[UUID, int], datetime]
) -> None:
    """Inserts new grants for projects and conversations, once these are in their tables."""
    fresh = [
        (row.account_id, grant, begun[row.account_id, grant.number])
        for row in rows
        for grant in _scoped(row.state)
        if (row.account_id, grant.number) in begun
    ]
    if fresh:
        tx.execute(
            f"INSERT INTO scoped_grants ({', '.join(_GRANT_TYPES)}) SELECT * FROM "
            f"{unnest_sql(_GRANT_TYPES)}",
            unnest_values(
                _GRANT_TYPES,
                {
                    "account_id": [account for account, _, _ in fresh],
                    "grant_no": [grant.number for _, grant, _ in fresh],
                    "question": [grant.question for _, grant, _ in fresh],
                    "project_id": [_id_in(grant, ScopeKind.project) for _, grant, _ in fresh],
                    "conversation_id": [
                        _id_in(grant, ScopeKind.conversation) for _, grant, _ in fresh
                    ],
                    "begun_at": [at for _, _, at in fresh],
                },
            ),
        )


def _answers_of(state: AccountState) -> tuple[object, ...]:
    return state.standings, state.grants


def _questions_of(state: AccountState | None) -> set[str]:
    return set() if state is None else {standing.question for standing in state.standings}


def _scoped(state: AccountState | None) -> list[Grant]:
    return (
        [] if state is None else [grant for grant in state.grants if grant.scope != WHOLE_ACCOUNT]
    )


def _id_in(grant: Grant, kind: ScopeKind) -> UUID | None:
    return UUID(hex=grant.scope.name) if grant.scope.kind is kind else None


_HOST_TYPES = {"account_id": "uuid", "host_hmac": "bytea"}
_CHANGING_TYPES = {
    "account_id": "uuid", "next_slot": "int4", "plan": "text", "age": "int2", "region": "text", "last_at": "timestamptz",
    "last_seq": "int8", "seen": "int2", "closed_at": "timestamptz", "granted": "int4", "in_force": "int4",
}  # fmt: skip
_ACCOUNT_TYPES = {
    **_CHANGING_TYPES,
    "bucket": "int4",
    "wrapped_key": "bytea",
    "opened_at": "timestamptz",
}
_CHANGE_ACCOUNTS = f"""
    UPDATE accounts a SET (next_slot, plan, age, region, last_at, last_seq, seen, closed_at,
      granted, in_force)
         = (n.next_slot, n.plan, n.age, n.region, n.last_at, n.last_seq, n.seen, n.closed_at,
           n.granted, n.in_force)
      FROM {keys_sql(_CHANGING_TYPES)} n WHERE a.account_id = n.account_id"""
_STANDING_TYPES = {
    "account_id": "uuid", "question": "text", "standing": "text", "answered": "int2", "granted_before": "bool",
    "grant_no": "int4",
}  # fmt: skip
_CHANGE_STANDINGS = f"""
    UPDATE standings s SET (standing, answered, granted_before, grant_no)
         = (n.standing, n.answered, n.granted_before, n.grant_no)
      FROM {keys_sql(_STANDING_TYPES)} n WHERE (s.account_id, s.question) = (n.account_id,
        n.question)"""
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
    **_CONVERSATION_KEY,
    **_CONVERSATION_CHANGING,
    "host_hmac": "bytea",
    "begun_at": "timestamptz",
    "kind": "text",
    "incognito": "bool",
    "project_id": "uuid",
}
_SEGMENT_KEY = {**_CONVERSATION_KEY, "segment": "int2"}
_SEGMENT_CHANGING = {
    "last_turn": "int4", "last_at": "timestamptz", "has_user": "bool", "origins": "text", "keep_until": "timestamptz",
    "flagged_turn": "int4", "safety_until": "timestamptz", "key_slot": "int4", "safety_slot": "int4",
    "stored_bytes": "int8", "safety_bytes": "int8",
}  # fmt: skip
_SEGMENT_TYPES = {
    **_SEGMENT_KEY,
    **_SEGMENT_CHANGING,
    "plan": "text",
    "surface": "text",
    "in_scope": "bool",
    "version": "int2",
    "narrowed": "bool",
    "stale": "text",
    "grants": "text",
    "narrowing": "int4",
    "first_turn": "int4",
}
_ADD_CONVERSATIONS = f"""
    INSERT INTO conversations ({", ".join(_CONVERSATION_TYPES)})
    SELECT {", ".join(_CONVERSATION_TYPES).replace("deciding_grants", "deciding_grants::int[]")}
      FROM {unnest_sql(_CONVERSATION_TYPES)} AS n({", ".join(_CONVERSATION_TYPES)})"""
_CHANGE_CONVERSATIONS = f"""
    UPDATE conversations c SET (narrowed, narrowings, deleted_at, safety_until, deciding,
      deciding_grants,
                                deciding_narrowing, deciding_stale, out_of_scope)
         = (n.narrowed, n.narrowings, n.deleted_at, n.safety_until, n.deciding,
           n.deciding_grants::int[],
            n.deciding_narrowing, n.deciding_stale, n.out_of_scope)
      FROM {keys_sql(_CONVERSATION_KEY | _CONVERSATION_CHANGING)} n
     WHERE c.account_id = n.account_id AND c.conversation_id = n.conversation_id"""
_ADD_SEGMENTS = f"""
    INSERT INTO segments ({", ".join(_SEGMENT_TYPES)})
    SELECT {", ".join(_SEGMENT_TYPES).replace("grants", "grants::int[]")}
      FROM {unnest_sql(_SEGMENT_TYPES)} AS n({", ".join(_SEGMENT_TYPES)})"""
_CHANGE_SEGMENTS = f"""
    UPDATE segments s SET (last_turn, last_at, has_user, origins, keep_until, flagged_turn,
      safety_until, key_slot,
                           safety_slot, stored_bytes, safety_bytes)
         = (n.last_turn, n.last_at, n.has_user, n.origins, n.keep_until, n.flagged_turn,
           n.safety_until, n.key_slot,
            n.safety_slot, s.stored_bytes + n.stored_bytes, s.safety_bytes + n.safety_bytes)
      FROM {keys_sql(_SEGMENT_KEY | _SEGMENT_CHANGING)} n
     WHERE s.account_id = n.account_id AND s.conversation_id = n.conversation_id
       AND s.segment = n.segment"""


class AddedBytes(NamedTuple):
    """The sealed bytes to be added under a segment: content, and safety copies."""

    stored: int = 0
    safety: int = 0


AddedSizes = Mapping[tuple[UUID, int], AddedBytes]  # by conversation and segment


def save_conversations(
    tx: Transaction,
    rows: Iterable[ConversationRow],
    added: AddedSizes,
) -> list[Change]:
    """Inserts new conversations and segments; returns the changes of existing ones and of the bytes
    ``added`` under each.
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
        tx.execute(
            _ADD_CONVERSATIONS,
            unnest_values(_CONVERSATION_TYPES, _beginning(begun) | _conversation_columns(begun)),
            prepare=True,
        )
    if fresh:
        tx.execute(
            _ADD_SEGMENTS,
            unnest_values(_SEGMENT_TYPES, _stamps(fresh) | _lasting(fresh, added)),
            prepare=True,
        )
    changes = list[Change]()
    old = [
        row for row in differing if row.saved is not None and _head(row.saved) != _head(row.state)
    ]
    if old:  # a turn mostly changes its segment alone
        changes.append(
            Change(
                _CHANGE_CONVERSATIONS,
                keys_values(
                    _CONVERSATION_KEY | _CONVERSATION_CHANGING, _conversation_columns(old), len(old)
                ),
            )
        )
    if known:
        values = _lasting(known, added)
        changes.append(
            Change(
                _CHANGE_SEGMENTS, keys_values(_SEGMENT_KEY | _SEGMENT_CHANGING, values, len(known))
            )
        )
    for row in differing:
        row.saved = row.state
    return changes


def _head(state: ConversationState) -> tuple[object, ...]:
    """The values of `_conversation_columns` of a conversation."""
    return (
        state.narrowed,
        state.narrowings,
        state.deleted_at,
        state.safety_until,
        state.deciding,
        state.segments[state.deciding].stamp,
        any(not segment.stamp.in_scope for segment in state.segments),
    )


_Segment = tuple[ConversationRow, int]  # of a conversation, and its number


def _beginning(rows: Sequence[ConversationRow]) -> dict[str, list[Any]]:
    """The immutable columns of conversations."""
    return {
        "host_hmac": [r.host_hmac for r in rows],
        "begun_at": [r.begun_at for r in rows],
        "kind": [r.state.kind.value for r in rows],
        "incognito": [r.state.incognito for r in rows],
        "project_id": [UUID(hex=r.state.project) if r.state.project else None for r in rows],
    }


def _conversation_columns(rows: Sequence[ConversationRow]) -> dict[str, list[Any]]:
    """The key and mutable columns of conversations."""
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
        "deciding_grants": [_numbers(s.grants) for s in stamps],
        "deciding_narrowing": [s.narrowing for s in stamps],
        "deciding_stale": [",".join(s.stale) for s in stamps],
        "out_of_scope": [any(not s.stamp.in_scope for s in r.state.segments) for r in rows],
    }


def _stamps(segments: Sequence[_Segment]) -> dict[str, list[Any]]:
    """The immutable columns of segments."""
    states = [row.state.segments[n] for row, n in segments]
    stamps = [state.stamp for state in states]
    return {
        "plan": [s.plan for s in stamps],
        "surface": [s.surface for s in stamps],
        "in_scope": [s.in_scope for s in stamps],
        "version": [s.version for s in stamps],
        "narrowed": [s.narrowed for s in stamps],
        "stale": [",".join(s.stale) for s in stamps],
        "grants": [_numbers(s.grants) for s in stamps],
        "narrowing": [s.narrowing for s in stamps],
        "first_turn": [s.first_turn for s in states],
    }


def _lasting(segments: Sequence[_Segment], added: AddedSizes) -> dict[str, list[Any]]:
    """The key and mutable columns of segments; of their bytes, only the added ones."""
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


def _numbers(grants: Sequence[int]) -> str:
    """Encodes arrays of numbers as text: PostgreSQL has no array of arrays of different lengths."""
    return f"{{{','.join(map(str, grants))}}}"


def shorten_accounts(tx: Transaction, endings: Mapping[UUID, tuple[datetime, datetime]]) -> None:
    """Shortens every segment and feedback of each account to the given instants, in this order."""
    if endings:
        tx.execute(
            """
            WITH k AS (SELECT * FROM unnest(%(account)b::uuid[], %(content)b::timestamptz[], %(feedback)b::timestamptz[])
                                  AS k(account_id, content_until, feedback_until)
                                    LIMIT %(accounts)s),
                 nearer AS (UPDATE segments s SET keep_until = k.content_until FROM k
                             WHERE s.account_id = k.account_id AND s.keep_until > k.content_until
                               AND s.erased_at IS NULL)
            UPDATE feedback f SET keep_until = k.feedback_until FROM k
             WHERE f.account_id = k.account_id AND f.keep_until > k.feedback_until
               AND f.erased_at IS NULL
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
    """The change that shortens the feedback of each (account, ``by``) to the given instant."""
    if not nearer:
        return []
    columns = {"account_id": "uuid", by: "uuid", "until": "timestamptz"}
    values = {
        "account_id": [account for account, _ in nearer],
        by: [one for _, one in nearer],
        "until": nearer.values(),
    }
    text = f"""
        UPDATE feedback f SET keep_until = n.until FROM {keys_sql(columns)} n
         WHERE f.account_id = n.account_id AND f.{by} = n.{by} AND f.keep_until > n.until"""
    return [Change(text, keys_values(columns, values, len(nearer)))]


def save_projects(tx: Transaction, rows: Sequence[ProjectRow]) -> None:
    """Inserts new projects, and updates titles and exclusions."""
    if rows:
        tx.execute(
            f"""INSERT INTO projects ({", ".join(_PROJECT_TYPES)}) SELECT *
                FROM {unnest_sql(_PROJECT_TYPES)}
                ON CONFLICT (account_id, project_id) DO UPDATE
                   SET (title, kept_out_at) = (excluded.title, excluded.kept_out_at)""",
            unnest_values(
                _PROJECT_TYPES,
                {name: [getattr(row, name) for row in rows] for name in _PROJECT_TYPES},
            ),
        )

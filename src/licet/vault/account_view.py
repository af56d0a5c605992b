"""Reads accounts and conversations as the rule sees them at a given moment.

Locks and writes nothing, except `locked_gates`. Versions that became effective are applied in
memory, so an answer shows the grants they end even before a verb has recorded that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from licet.policy import fold, outcomes
from licet.policy.decide import Decision, Gate, decide, gate, unanswered_questions
from licet.policy.file import Policies
from licet.policy.state import (
    AccountState,
    ConversationState,
    GrantStanding,
    TurnRole,
    TurnState,
)
from licet.store.connect import Transaction
from licet.store.keyset import (
    KeyColumn,
    KeyType,
    ListChoice,
    ListFilter,
    Listing,
    newest_and_oldest,
    read_name,
)
from licet.store.rows import keys_sql, keys_values
from licet.vault import blocks, cold_tier, tables
from licet.vault.list_filters import BY_ACCOUNT, by_day, by_day_of_id
from licet.vault.tables import AccountRow, ConversationRow


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation and its account at a moment. ``turn_states`` are its turns, if requested."""

    account: AccountRow
    state: AccountState
    conversation: ConversationRow
    turns: ConversationState
    at: datetime
    turn_states: tuple[TurnState, ...] = ()

    @property
    def is_stored(self) -> bool:
        """Whether more of it than a safety copy is kept."""
        return any(not keys.erased for keys in self.conversation.keys)

    def decide(self, turn: TurnState | None, policies: Policies, purpose: str) -> Decision:
        return decide(self.state, self.turns, turn, policies, purpose, self.at)

    def decide_segment(
        self, segment: int, turn: int, origins: Iterable[str], policies: Policies, purpose: str
    ) -> dict[str, Decision]:
        """The decisions on turns of a segment, by origin. Apart from the origin they differ only by
        flag: ``turn`` is any turn on the same side of the flag's end
        (`policy.state.Segment.flagged_turn`).
        """
        return {
            origin: self.decide(
                TurnState(number=turn, segment=segment, role=TurnRole.user, origin=origin),
                policies,
                purpose,
            )
            for origin in origins
        }


def account_at(account: AccountRow, policies: Policies, now: datetime) -> outcomes.AccountChange:
    """The account at ``now``, or at its newest event if that is later."""
    return fold.advance(account.state, policies, max(now, account.state.last_at))


def load_accounts(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, AccountRow]:
    return tables.load_accounts(tx, ids)


def account_ids_after(tx: Transaction, after: UUID, limit: int) -> list[UUID]:
    """The ids of the first ``limit`` accounts after ``after``, in order."""
    rows = tx.execute(
        "SELECT account_id FROM accounts WHERE account_id > %s ORDER BY account_id LIMIT %s",
        [after, limit],
    )
    return [row[0] for row in rows]


def existing_ages(tx: Transaction, accounts: Collection[UUID]) -> dict[UUID, int | None]:
    """The age of each existing account of ``accounts``."""
    return dict(
        tx.execute(
            "SELECT account_id, age FROM accounts WHERE account_id = ANY(%s)", [sorted(accounts)]
        )
    )


def has_at_most(tx: Transaction, limit: int) -> bool:
    """Whether there are at most ``limit`` accounts; counts no further."""
    row = tx.execute(
        "SELECT count(*) FROM (SELECT FROM accounts LIMIT %s) a", [limit + 1]
    ).fetchone()
    return row is not None and int(row[0]) <= limit


def accounts_by_host(tx: Transaction, hosts: Collection[bytes]) -> dict[bytes, UUID]:
    """The accounts by the HMAC of the host's id."""
    rows = tx.execute(
        "SELECT host_hmac, account_id FROM account_hosts WHERE host_hmac = ANY(%s)", [list(hosts)]
    )
    return {bytes(host): account for host, account in rows}


def account_by_host(tx: Transaction, host: bytes) -> UUID | None:
    return accounts_by_host(tx, [host]).get(host)


def owner(tx: Transaction, conversation: UUID) -> UUID | None:
    """The account to which the conversation belongs."""
    row = tx.execute(
        "SELECT account_id FROM conversations WHERE conversation_id = %s", [conversation]
    ).fetchone()
    return row[0] if row else None


def conversation_by_host(tx: Transaction, account: UUID, host: bytes) -> UUID | None:
    """The account's conversation by the HMAC of the host's id."""
    row = tx.execute(
        "SELECT conversation_id FROM conversations WHERE account_id = %s AND host_hmac = %s",
        [account, host],
    ).fetchone()
    return row[0] if row else None


def conversation_ids(
    tx: Transaction,
    account: UUID,
    limit: int,
    *,
    after: UUID | None = None,
    deleted: bool = True,
    project: UUID | None = None,
) -> list[UUID]:
    """The first ``limit`` conversations of an account, or of one of its projects, after ``after``,
    in order of id, which is order of time. Deleted ones are omitted unless ``deleted``.
    """
    rows = tx.execute(
        """SELECT conversation_id FROM conversations
            WHERE account_id = %(account)s AND (%(deleted)s OR deleted_at IS NULL)
              AND (%(after)s::uuid IS NULL OR conversation_id > %(after)s)
              AND (%(project)s::uuid IS NULL OR project_id = %(project)s)
                ORDER BY conversation_id LIMIT %(limit)s""",
        {
            "account": account,
            "after": after,
            "deleted": deleted,
            "limit": limit,
            "project": project,
        },
    )
    return [row[0] for row in rows]


def turn_counts(tx: Transaction, account: UUID, conversations: Sequence[UUID]) -> dict[UUID, int]:
    """The number of turns of each conversation; conversations without turns are absent."""
    rows = tx.execute(
        f"""SELECT conversation_id, sum({blocks.TURNS}) FROM blocks b WHERE account_id = %s
            AND conversation_id = ANY(%s)
            GROUP BY conversation_id""",
        [account, list(conversations)],
    )
    return {conversation: int(count) for conversation, count in rows}


CONVERSATIONS = Listing(
    columns="""t.conversation_id, t.kind, t.begun_at, t.incognito, t.narrowed, t.deleted_at,
        EXISTS (SELECT FROM holds h WHERE h.account_id = t.account_id
          AND h.conversation_id = t.conversation_id),
        t.safety_until, t.account_id""",
    source="FROM conversations t",
    orders=newest_and_oldest((KeyColumn("t.conversation_id", KeyType.uuid),)),
    filters={
        "state": ListFilter(
            label="State",
            choices={
                "listed": ListChoice(label="not deleted", kept="t.deleted_at IS NULL"),
                "deleted": ListChoice(label="deleted", kept="t.deleted_at IS NOT NULL"),
                "kept_out": ListChoice(label="kept out", kept="t.narrowed"),
                "incognito": ListChoice(label="incognito", kept="t.incognito"),
                "flagged": ListChoice(label="with a safety copy", kept="t.safety_until > %(at)s"),
                "held": ListChoice(
                    label="under a hold",
                    kept="""EXISTS (SELECT FROM holds h WHERE h.account_id = t.account_id
                                       AND h.conversation_id = t.conversation_id)""",
                ),
            },
        ),
        "kind": ListFilter(
            label="Kind",
            choices={
                one: ListChoice(label=one, kept=f"t.kind = '{one}'") for one in ("chat", "code")
            },
        ),
        **by_day_of_id("Begun from", "t.conversation_id"),
        **BY_ACCOUNT,
    },
)
ACCOUNTS = Listing(
    columns="t.account_id, t.plan, t.opened_at, t.closed_at, t.in_force > 0, t.last_at",
    source="FROM accounts t",
    orders=newest_and_oldest((KeyColumn("t.account_id", KeyType.uuid),)),
    filters={
        "state": ListFilter(
            label="State",
            choices={
                "open": ListChoice(label="open", kept="t.closed_at IS NULL"),
                "closed": ListChoice(label="closed", kept="t.closed_at IS NOT NULL"),
                "granted": ListChoice(label="with a grant in force", kept="t.in_force > 0"),
            },
        ),
        "plan": ListFilter(label="Plan", sql="t.plan = %(value)s", read=read_name, hint="pro"),
        **by_day("Opened from", "t.opened_at", indexed=False),
    },
)


def segments_by_account(tx: Transaction) -> dict[UUID, int]:
    """The number of segments with content of each account."""
    rows = tx.execute(
        "SELECT account_id, count(*) FROM segments WHERE erased_at IS NULL GROUP BY account_id"
    )
    return dict(rows.fetchall())


def newest_at(tx: Transaction) -> datetime | None:
    """The time of the newest event of any account."""
    row = tx.execute("SELECT max(last_at) FROM accounts").fetchone()
    return row[0] if row else None


def outdated_count(tx: Transaction, number: int) -> int:
    """The number of accounts with a grant to which policy version ``number`` is not yet applied."""
    row = tx.execute(
        "SELECT count(*) FROM accounts WHERE in_force > 0 AND seen < %s", [number]
    ).fetchone()
    return int(row[0]) if row else 0


def kept_conversation_ids(
    tx: Transaction,
    account: UUID,
    limit: int,
    *,
    before: UUID | None = None,
    project: UUID | None = None,
    deleted: bool = True,
) -> list[UUID]:
    """The newest ``limit`` conversations begun before ``before`` with stored content or a safety
    copy; only of ``project`` if given. Deleted ones are omitted unless ``deleted``.
    """
    rows = tx.execute(
        """SELECT c.conversation_id FROM conversations c
            WHERE c.account_id = %(account)s AND (%(before)s::uuid IS NULL
              OR c.conversation_id < %(before)s)
              AND (%(project)s::uuid IS NULL OR c.project_id = %(project)s)
                AND (%(deleted)s OR c.deleted_at IS NULL)
              AND EXISTS (SELECT FROM segments s WHERE s.account_id = c.account_id
                             AND s.conversation_id = c.conversation_id
                             AND (s.erased_at IS NULL OR s.safety_slot IS NOT NULL))
            ORDER BY c.conversation_id DESC LIMIT %(limit)s""",
        {
            "account": account,
            "before": before,
            "limit": limit,
            "project": project,
            "deleted": deleted,
        },
    )
    return [row[0] for row in rows]


def kept_out_ids(tx: Transaction, account: UUID, limit: int) -> list[UUID]:
    """The newest ``limit`` kept-out conversations with more than a safety copy stored."""
    rows = tx.execute(
        """SELECT c.conversation_id FROM conversations c
            WHERE c.account_id = %s AND c.narrowed AND c.deleted_at IS NULL
              AND EXISTS (SELECT FROM segments s WHERE s.account_id = c.account_id
                             AND s.conversation_id = c.conversation_id AND s.erased_at IS NULL)
            ORDER BY c.conversation_id DESC LIMIT %s""",
        [account, limit],
    )
    return [row[0] for row in rows]


def copied_conversation_ids(
    tx: Transaction, account: UUID, now: datetime, limit: int, *, after: UUID | None = None
) -> list[UUID]:
    """The first ``limit`` conversations after ``after`` with a safety copy unexpired at ``now``."""
    rows = tx.execute(
        """SELECT DISTINCT conversation_id FROM segments
            WHERE account_id = %(account)s AND safety_slot IS NOT NULL AND safety_until > %(at)s
              AND (%(after)s::uuid IS NULL OR conversation_id > %(after)s)
                ORDER BY conversation_id LIMIT %(limit)s""",
        {"account": account, "at": now, "after": after, "limit": limit},
    )
    return [row[0] for row in rows]


_KEYS = {"account_id": "uuid", "conversation_id": "uuid"}
_NAMED = {
    "conversation_id": {**_KEYS, "names": "bytea"},
    "host_hmac": {"account_id": "uuid", "host_hmac": "bytea", "names": "bytea"},
}
_NAMED_TURNS = {
    "conversation_id": f"""SELECT b.conversation_id, b.first_turn, b.hosts
        FROM {keys_sql(_NAMED["conversation_id"])} k
        JOIN blocks b USING (account_id, conversation_id) WHERE {blocks.MAY_HOLD}""",
    "host_hmac": f"""SELECT b.conversation_id, b.first_turn, b.hosts
        FROM {keys_sql(_NAMED["host_hmac"])} k JOIN conversations c USING (account_id, host_hmac)
        JOIN blocks b USING (account_id, conversation_id) WHERE {blocks.MAY_HOLD}""",
}


def first_stored_parts(
    tx: Transaction, keys: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, tuple[int, int]]:
    """The first stored part of each (account, conversation): 0 for its title or 1 for its first
    turn, and the size of the sealed block that contains it.
    """
    rows = tx.execute(
        f"""SELECT b.conversation_id, b.first_turn, {cold_tier.SIZE}
              FROM {keys_sql(_KEYS)} k JOIN blocks b USING (account_id, conversation_id)
             WHERE b.first_turn IN (0, 1) AND packed_int4(b.sizes, 0) > 0""",
        keys_values(
            _KEYS,
            {"account_id": [one for one, _ in keys], "conversation_id": [one for _, one in keys]},
            len(keys),
        ),
    ).fetchall()
    return {conversation: (turn, size) for conversation, turn, size in rows}


def surfaces(tx: Transaction, conversations: Sequence[UUID]) -> dict[UUID, str]:
    """The surface on which each conversation began."""
    rows = tx.execute(
        """SELECT DISTINCT ON (c.conversation_id) c.conversation_id, s.surface
             FROM conversations c JOIN segments s USING (account_id, conversation_id)
            WHERE c.conversation_id = ANY(%s) ORDER BY c.conversation_id, s.segment""",
        [list(conversations)],
    )
    return dict(rows.fetchall())


def stored_turns(
    tx: Transaction, account: UUID, conversations: Sequence[UUID]
) -> dict[UUID, list[tuple[TurnState, datetime | None]]]:
    """The turns with content of each conversation, with their times; turn 0 is the title."""
    rows = tx.execute(
        f"""SELECT b.conversation_id, {blocks.PACKED} FROM blocks b
            WHERE b.account_id = %s AND b.conversation_id = ANY(%s) AND b.sizes IS NOT NULL
            ORDER BY b.conversation_id, b.first_turn""",
        [account, list(conversations)],
    )
    turns: dict[UUID, list[tuple[TurnState, datetime | None]]] = {id: [] for id in conversations}
    for conversation, *packed in rows:
        turns[conversation] += [
            (turn.state(), None if turn.number == blocks.TITLE else turn.at)
            for turn in blocks.unpack(*packed)
            if turn.size
        ]
    return turns


def turn_by_host(
    tx: Transaction, account: UUID, conversation: bytes, turn: bytes | None
) -> tuple[UUID, int | None] | None:
    """The conversation and turn with these ids of the host, given as HMACs; the turn is None if
    only the conversation is known.
    """
    rows = tx.execute(
        "SELECT conversation_id FROM conversations WHERE account_id = %s AND host_hmac = %s",
        [account, conversation],
    ).fetchone()
    if rows is None:
        return None
    key = (account, rows[0])
    named = turn_numbers(tx, {key: [turn]}) if turn is not None else {}
    return rows[0], named.get(rows[0], {}).get(turn or b"")


def turn_numbers(
    tx: Transaction, names: Mapping[tuple[UUID, UUID], Sequence[bytes]]
) -> dict[UUID, dict[bytes, int]]:
    """By conversation, the turn numbers by HMAC of the host's id: at least those of ``names`` that
    exist, perhaps others. Conversations without any are absent.
    """
    return request_turn_numbers(tx, names, {})()


def request_turn_numbers(
    tx: Transaction,
    by_id: Mapping[tuple[UUID, UUID], Sequence[bytes]],
    by_host: Mapping[tuple[UUID, bytes], Sequence[bytes]],
) -> Callable[[], dict[UUID, dict[bytes, int]]]:
    """Sends the queries of `turn_numbers`; the returned function reads them. ``by_host`` names
    conversations by the HMAC of the host's id.
    """
    sent = [
        tx.execute(
            _NAMED_TURNS[column],
            keys_values(
                _NAMED[column],
                {
                    "account_id": [account for account, _ in asked],
                    column: [conversation for _, conversation in asked],
                    "names": [b"".join(names) for names in asked.values()],
                },
                len(asked),
            ),
            prepare=True,
        )
        for column, asked in (("conversation_id", by_id), ("host_hmac", by_host))
        if asked
    ]

    def read() -> dict[UUID, dict[bytes, int]]:
        numbers: dict[UUID, dict[bytes, int]] = {}
        for rows in sent:
            for conversation, first_turn, hosts in rows:
                numbers.setdefault(conversation, {}).update(blocks.hosts_within(first_turn, hosts))
        return numbers

    return read


def turns_already_stored(
    tx: Transaction, turns: Sequence[tuple[UUID, bytes, bytes]]
) -> list[tuple[UUID, bytes, bytes]]:
    """Which of these turns are stored: (account, HMAC of the host's conversation, of its turn).

    Each is looked up by its indexes: without statistics a join would be planned for empty tables.
    """
    pairs = list(dict.fromkeys((account, host) for account, host, _ in turns))
    rows = tx.execute(
        """SELECT account, host, (SELECT conversation_id FROM conversations
                                   WHERE account_id = account AND host_hmac = host)
             FROM unnest(%b::uuid[], %b::bytea[]) AS asked(account, host)""",
        [[account for account, _ in pairs], [host for _, host in pairs]],
    ).fetchall()
    ours = {
        (account, bytes(host)): conversation
        for account, host, conversation in rows
        if conversation is not None
    }
    if not ours:
        return []
    # hashing a UUID is Python: once a run, not once a turn
    runs = [(ours[key], list(run)) for key, run in groupby(turns, itemgetter(0, 1)) if key in ours]
    turns_by_conversation: dict[tuple[UUID, UUID], list[bytes]] = {}
    for conversation, run in runs:
        turns_by_conversation.setdefault((run[0][0], conversation), []).extend(
            name for *_, name in run
        )
    named = turn_numbers(tx, turns_by_conversation)
    return [
        turn
        for conversation, run in runs
        if (known := named.get(conversation))
        for turn in run
        if turn[2] in known
    ]


def turns_by_host(tx: Transaction, account: UUID) -> set[bytes]:
    """The HMACs of the host's ids of the account's turns."""
    rows = tx.execute(
        "SELECT hosts FROM blocks WHERE account_id = %s AND hosts IS NOT NULL", [account]
    )
    return {name for (hosts,) in rows for name, _ in blocks.hosts_within(1, hosts)}


def feedback_by_host(tx: Transaction, account: UUID) -> set[bytes]:
    """The HMACs of the host's ids of the account's feedback."""
    rows = tx.execute(
        "SELECT host_hmac FROM feedback WHERE account_id = %s AND host_hmac IS NOT NULL", [account]
    )
    return {bytes(row[0]) for row in rows}


def load_views(
    tx: Transaction,
    keys: Sequence[tuple[UUID, UUID]],
    policies: Policies,
    now: datetime,
    *,
    with_turns: bool = False,
) -> dict[UUID, AccountView]:
    """The views of these (account, conversation) ids at ``now``, by conversation; one statement."""
    if not keys:
        return {}
    loaded = tables.load(tx, keys, turns=with_turns)
    states = {account: account_at(row, policies, now) for account, row in loaded.accounts.items()}
    result = {}
    for row in loaded.conversations:
        changed, holder = states[row.account_id], loaded.accounts[row.account_id]
        turns = row.state
        for ending in changed.endings:
            if ending.covers(turns):
                turns = fold.after_ending(ending, turns, policies)
        result[row.conversation_id] = AccountView(
            account=holder,
            state=replace(changed.account, last_at=holder.state.last_at),
            conversation=row,
            turns=turns,
            at=now,
            turn_states=loaded.turns.get(row.conversation_id, ()),
        )
    return result


def list_turns(tx: Transaction, account: UUID, conversation: UUID) -> list[TurnState]:
    """The turns of a conversation, in order, erased ones included."""
    return turns_by_conversation(tx, [(account, conversation)])[conversation]


def turns_by_conversation(
    tx: Transaction, keys: Sequence[tuple[UUID, UUID]]
) -> dict[UUID, list[TurnState]]:
    """The turns of each (account, conversation), in order, erased ones included."""
    turns: dict[UUID, list[TurnState]] = {conversation: [] for _, conversation in keys}
    rows = tx.execute(
        f"""SELECT k.conversation_id, b.*
             FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[]) AS k(account_id,
               conversation_id)
            CROSS JOIN LATERAL (SELECT {blocks.PACKED} FROM blocks b
                                 WHERE b.account_id = k.account_id
                                   AND b.conversation_id = k.conversation_id
                                 ORDER BY b.first_turn) b""",
        {
            "account": [account for account, _ in keys],
            "conversation": [conversation for _, conversation in keys],
        },
    )
    for conversation, *packed in rows:
        turns[conversation] += [turn.state() for turn in blocks.turns([packed])]
    return turns


def turn_times(tx: Transaction, account: UUID, conversation: UUID) -> dict[int, datetime]:
    """The time of each turn of a conversation, by its number."""
    rows = _packed(tx, account, conversation)
    return {turn.number: turn.at for turn in blocks.turns(rows)}


def turns_after(
    tx: Transaction, account: UUID, conversation: UUID, after: int, limit: int
) -> list[tuple[TurnState, datetime, int | None]]:
    """Up to ``limit`` turns after number ``after``: (state, time, bytes of content or None)."""
    rows = _packed(tx, account, conversation, after=after, limit=limit)
    later = (turn for turn in blocks.turns(rows) if turn.number > after)
    return [(turn.state(), turn.at, turn.size or None) for turn in islice(later, limit)]


def _packed(
    tx: Transaction, account: UUID, conversation: UUID, *, after: int = 0, limit: int | None = None
) -> list[Any]:
    """The blocks of a conversation in order, enough for the first ``limit`` turns after ``after``."""
    return tx.execute(
        f"""SELECT {blocks.PACKED} FROM blocks b
             WHERE b.account_id = %s AND b.conversation_id = %s AND b.first_turn > %s
               AND b.first_turn + length(b.roles) - 1 > %s ORDER BY b.first_turn LIMIT %s""",
        [account, conversation, after - blocks.TURNS_MAX - 1, after, limit],
    ).fetchall()


def permitted_since(
    tx: Transaction, keys: Collection[tuple[UUID, bytes]]
) -> dict[tuple[UUID, bytes], datetime]:
    """By (account, HMAC of the host's conversation), the later time of the account's newest yes and
    of letting the conversation in again; absent if neither happened.
    """
    rows = tx.execute(
        """SELECT k.account_id, k.host_hmac, greatest(
                    (SELECT max(occurred_at) FROM choices c
                      WHERE c.account_id = k.account_id AND c.effect IN ('began', 'affirmed')),
                    (SELECT max(j.occurred_at) FROM journal j
                      JOIN conversations c USING (account_id, conversation_id)
                      WHERE j.account_id = k.account_id AND c.host_hmac = k.host_hmac
                        AND j.event = 'widened'))
             FROM (SELECT DISTINCT * FROM unnest(%(account)b::uuid[], %(host)b::bytea[]) AS k(account_id, host_hmac)) k""",
        {"account": [account for account, _ in keys], "host": [host for _, host in keys]},
    )
    return {(account, bytes(host)): at for account, host, at in rows if at is not None}


def locked_gates(
    tx: Transaction, ids: Collection[UUID], policies: Policies, now: datetime
) -> dict[UUID, Gate]:
    """The gate of each account at ``now``; the account rows stay locked until the transaction
    ends.
    """
    rows = tables.lock_accounts(tx, ids)
    return {
        account: gate(account_at(row, policies, now).account, policies, now)
        for account, row in rows.items()
    }


class AccountGate(msgspec.Struct, frozen=True, kw_only=True):
    """The gate of an account. ``version`` is the one in force, ``decide_by`` the last day of the
    newest material one.

    ``standings`` are by question of ``version``, ``unanswered`` the open questions; ``grant`` is
    the newest grant in force, of any scope, 0 for none.
    """

    gate: Gate
    standings: dict[str, GrantStanding]
    unanswered: tuple[str, ...]
    grant: int
    version: str
    decide_by: date | None


def load_gates(tx: Transaction, ids: Sequence[UUID], now: datetime) -> list[AccountGate | None]:
    """The gate of each account at ``now``; None for an unknown account. FencedError behind the
    fence.
    """
    known, rows = tables.load_accounts_with_policies(tx, ids)
    version, newest = known.in_force(now).version, known.newest_material(now)
    decide_by = known[newest].decide_by if newest is not None else None
    gates: dict[UUID, AccountGate] = {}
    for account, row in rows.items():
        state = account_at(row, known, now).account
        gates[account] = AccountGate(
            gate=gate(state, known, now),
            standings={question: state.standing(question) for question in known.in_force(now).asks},
            unanswered=unanswered_questions(state, known, now),
            grant=max((grant.number for grant in state.grants), default=0),
            version=version,
            decide_by=decide_by,
        )
    return [gates.get(account) for account in ids]

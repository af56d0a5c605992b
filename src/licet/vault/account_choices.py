"""Reads the stored choices of accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from licet.policy.outcomes import Effect
from licet.store.connect import Transaction


class NewestChoice(msgspec.Struct, frozen=True, kw_only=True):
    """An account's newest choice about a question; ``showing`` is the showing (a recorded notice)
    that it answered, if it is stored.
    """

    seq: int
    at: datetime
    question: str
    allow: bool
    effect: Effect
    via: str
    showing: UUID | None


class StoredChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A stored choice; ``question`` is None if it named none although several were asked.

    ``number`` and ``version`` are the number and the name of its policy version; ``evidence``
    is sealed. ``project`` or ``conversation`` is the scope; if both are None, the scope is the
    account. ``because`` is why it had no effect, ``kept`` are the grants that a no left in force.
    """

    seq: int
    at: datetime
    allow: bool
    effect: str
    grant: int | None
    via: str
    number: int
    version: str
    evidence: bytes | None
    question: str | None
    project: UUID | None
    conversation: UUID | None
    because: str | None
    kept: tuple[int, ...]


def newest_by_question(
    tx: Transaction, accounts: Collection[UUID]
) -> dict[tuple[UUID, str], NewestChoice]:
    """The newest choice of each account about each question, with the account as its scope."""
    rows = tx.execute(
        """SELECT DISTINCT ON (account_id, question) account_id, question, seq, occurred_at, allow,
             effect, via, shown_id
             FROM choices WHERE account_id = ANY(%s) AND question IS NOT NULL
                            AND project_id IS NULL AND conversation_id IS NULL
            ORDER BY account_id, question, seq DESC""",
        [sorted(set(accounts))],
    )
    return {
        (account, question): NewestChoice(
            seq=seq,
            at=at,
            question=question,
            allow=allow,
            effect=Effect(effect),
            via=via,
            showing=showing,
        )
        for account, question, seq, at, allow, effect, via, showing in rows
    }


def list_by_account(
    tx: Transaction,
    account: UUID,
    *,
    newest_first: bool = False,
    limit: int | None = None,
    before: int | None = None,
) -> list[StoredChoice]:
    """Up to ``limit`` choices of an account, oldest first unless ``newest_first``. ``before`` omits
    those from that number on.
    """
    rows = tx.execute(
        f"""{_SELECT} AND (%(before)s::bigint IS NULL OR c.seq < %(before)s)
             ORDER BY c.seq {"DESC" if newest_first else "ASC"} LIMIT %(limit)s""",
        {"account": account, "limit": limit, "before": before},
    )
    return [_parse_choice(row) for row in rows]


def newest_by_grant(
    tx: Transaction, account: UUID, grants: Sequence[int]
) -> dict[int, StoredChoice]:
    """By grant, the newest choice that began, affirmed or kept it."""
    if not grants:
        return {}
    rows = tx.execute(
        f"""{_SELECT} AND c.effect <> 'none' AND (c.grant_no = ANY(%(grants)s::int[])
                  OR (c.kept <> '' AND string_to_array(c.kept, ',')::int[] && %(grants)s::int[]))
             ORDER BY c.seq""",
        {"account": account, "grants": list(grants)},
    )
    newest: dict[int, StoredChoice] = {}
    for made in map(_parse_choice, rows):
        for grant in (made.grant, *made.kept):
            if grant is not None and grant in grants:
                newest[grant] = made
    return newest


def last_by_question(tx: Transaction, account: UUID) -> dict[str, StoredChoice]:
    """By question, the newest choice for the whole account that had an effect."""
    rows = tx.execute(
        f"""SELECT DISTINCT ON (question) * FROM ({_SELECT} AND c.effect <> 'none'
                   AND c.project_id IS NULL
                   AND c.conversation_id IS NULL) c ORDER BY question, seq DESC""",
        {"account": account},
    )
    return {made.question: made for made in map(_parse_choice, rows) if made.question is not None}


class RecordKey(NamedTuple):
    """A recorded choice's identity, apart from its question. Scopes are HMACs of the host's ids."""

    at: datetime
    allow: bool
    project: bytes | None = None
    conversation: bytes | None = None


class KnownChoices:
    """The stored choices of an account by `RecordKey`, to detect new imported records. Each stored
    answer matches one record.
    """

    def __init__(self, tx: Transaction, account: UUID) -> None:
        rows = tx.execute(
            """SELECT coalesce(c.recorded_at, c.occurred_at), c.allow, p.host_hmac, v.host_hmac,
                 c.question FROM choices c
                 LEFT JOIN projects p USING (account_id, project_id)
                 LEFT JOIN conversations v USING (account_id, conversation_id)
                WHERE c.account_id = %s""",
            [account],
        )
        self._left: dict[RecordKey, Counter[str | None]] = {}
        for *key, question in rows:
            self._left.setdefault(RecordKey(*key), Counter())[question] += 1

    def take(self, key: RecordKey, question: str | None) -> bool:
        """Whether the record is stored; consumes the match. Without ``question`` it answered all
        questions that were asked.
        """
        left = self._left.get(key, Counter[str | None]())
        stored = [question] if left[question] else list(left) if question is None else []
        left.subtract(stored)
        self._left[key] = +left
        return bool(stored)


def grant_times(tx: Transaction, account: UUID, grants: Sequence[int]) -> dict[int, datetime]:
    """When each of these grants of the account began."""
    if not grants:
        return {}
    rows = tx.execute(
        "SELECT grant_no, occurred_at FROM choices WHERE account_id = %s AND grant_no = "
        "ANY(%s) AND effect = 'began'",
        [account, list(grants)],
    )
    return dict(rows.fetchall())


_SELECT = """SELECT c.seq, c.occurred_at, c.allow, c.effect, c.grant_no, c.via, c.version AS number,
                    p.version, c.evidence,
                    c.question, c.project_id, c.conversation_id, c.because, c.kept
               FROM choices c JOIN policies p ON p.number = c.version
                 WHERE c.account_id = %(account)s"""


def _parse_choice(row: Sequence[Any]) -> StoredChoice:
    """A choice from `_SELECT`."""
    *fields, grants = row
    read = dict(zip(StoredChoice.__struct_fields__, fields, strict=False))
    return StoredChoice(**read, kept=tuple(int(grant) for grant in grants.split(",") if grant))

"""Ratings and host checks of a row's answers, decided with each lease and stored in no release.

Feedback has its own date, grant and end, which may be earlier than those of its turns. Sealed in a
row, it would live as long as the row; and if it selected rows during a build, the presence of a row
would reveal it. A rating is therefore a label that comes with the row's key and expires with it.

A rating is returned only if `policy.decide_feedback` permits it, for the purpose that feedback
serves, and it is valid for as long as the lease. Only the last rating of an answer counts, and the
last check of each kind: if that may not be used, no earlier one replaces it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from licet.policy.decide import IMPROVE, decide_feedback
from licet.policy.file import Policies
from licet.policy.state import Feedback, Share, TurnState
from licet.release import registry
from licet.release.reader import RatedMessage
from licet.release.registry import Release
from licet.release.row_runs import BLOCK_ROWS, RowSources
from licet.store.connect import Transaction
from licet.store.rows import unnest_values
from licet.vault import account_view

# Whether the account of `m` ever rated; ordered by the index, or the planner may scan the table.
IS_RATED = (
    "(SELECT true FROM feedback f WHERE f.account_id = m.account_id ORDER BY "
    "f.conversation_id "
    "LIMIT 1)"
)
# Row by row, by the index on the conversation's feedback: most rows have none.
_GIVEN = """
    SELECT m.ordinal, m.conversation_id, f.turn, f.rating, f.share, f.version, f.narrowed,
      f.grant_no,
           f.grant_narrowing, f.keep_until,
           f.check_name, f.score
      FROM release_rows m
     CROSS JOIN LATERAL (
           SELECT DISTINCT ON (g.turn, g.check_name) g.* FROM feedback g
            WHERE g.account_id = m.account_id AND g.conversation_id = m.conversation_id
            ORDER BY g.turn, g.check_name, g.given_at DESC, g.feedback_id DESC) f
     WHERE m.release_id = %(release)s AND m.block BETWEEN %(first)s AND %(last)s
       AND m.ordinal = ANY(%(ordinals)s::int4[])
       AND f.erased_at IS NULL AND f.grant_no IS NOT NULL AND f.keep_until > %(expires)s
     ORDER BY m.ordinal, f.turn, f.check_name"""

_Said: TypeAlias = tuple[str, str, float | None]  # rating, check, score
_Given: TypeAlias = tuple[int, UUID, int, _Said, Feedback]  # ordinal, conversation, turn


def load_ratings(
    tx: Transaction,
    release: Release,
    ordinals: Sequence[int],
    policies: Policies,
    now: datetime,
    expires: datetime,
) -> dict[int, tuple[RatedMessage, ...]]:
    """The usable ratings of rows at ``now`` that are valid beyond ``expires``, by ordinal, in
    order.
    """
    if not ordinals or release.purpose != IMPROVE:
        return {}
    values = {
        "release": release.release_id,
        "first": min(ordinals) // BLOCK_ROWS,
        "last": max(ordinals) // BLOCK_ROWS,
    }
    values |= unnest_values({"ordinals": "int4"}, {"ordinals": ordinals})
    feedback = [
        _read(row)
        for row in tx.cursor(binary=True).execute(_GIVEN, values | {"expires": expires}).fetchall()
    ]
    if not feedback:
        return {}
    rows = {
        row.ordinal: row
        for row in registry.rows_at(tx, release.release_id, sorted({one[0] for one in feedback}))
    }
    usable = _usable(tx, feedback, rows, policies, now)
    placed = [rows[ordinal] for ordinal in {n for n, _, turn, _, _ in usable if turn}]
    turns = account_view.turns_by_conversation(
        tx, sorted({(row.account, row.conversation) for row in placed})
    )
    places = {row.ordinal: _places(row, turns[row.conversation]) for row in placed}
    rated: dict[int, list[RatedMessage]] = {}
    for ordinal, _, turn, (rating, check, score), _ in usable:
        place = places[ordinal].get(turn) if turn else None
        if turn == 0 or place is not None:
            one = RatedMessage(message=place, rating=rating, check=check, score=score)
            rated.setdefault(ordinal, []).append(one)
    return {ordinal: tuple(some) for ordinal, some in rated.items()}


def _read(row: Sequence[Any]) -> _Given:
    (
        ordinal,
        conversation,
        turn,
        rating,
        share,
        version,
        narrowed,
        grant,
        narrowing,
        keep_until,
        check,
        score,
    ) = row
    return (
        ordinal,
        conversation,
        turn,
        (rating, check, score),
        Feedback(
            share=Share(share),
            version=version,
            grant=grant,
            narrowing=narrowing or 0,
            narrowed=narrowed,
            keep_until=keep_until,
        ),
    )


def _usable(
    tx: Transaction,
    feedback: Sequence[_Given],
    rows: Mapping[int, RowSources],
    policies: Policies,
    now: datetime,
) -> list[_Given]:
    """The feedback that the rule permits; none for rows removed since the first statement."""
    keys = {(row.account, row.conversation) for row in rows.values()}
    views = account_view.load_views(tx, sorted(keys), policies, now)
    return [
        one
        for one in feedback
        if one[0] in rows
        and decide_feedback(views[one[1]].state, views[one[1]].turns, one[4], policies, now).use
    ]


def _places(row: RowSources, turns: Sequence[TurnState]) -> dict[int, int]:
    """The message index for each turn; empty if some turns of the row's sources are not in it.

    A row records, for each segment and origin, the last turn and the count. If these are all turns
    of the conversation up to there, the order of the turns is that of the messages. Storing a row's
    turns for this alone is not worth it.
    """
    of = {(source.segment, source.origin): source for source in row.sources}
    placed = [(turn.number, (turn.segment, turn.origin)) for turn in turns]
    used = [(number, key) for number, key in placed if key in of and number <= of[key].turn]
    if Counter(key for _, key in used) != {key: source.count for key, source in of.items()}:
        return {}
    return {number: place for place, (number, _) in enumerate(used)}

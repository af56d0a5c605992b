"""Joins the small blocks of segments at rest, to save the overhead of a row and a seal per turn.

A segment is at rest if nobody has added to it for some days, and it is not due within
`cold_tier.DUE_DAYS_MIN`. Neighbouring blocks become one as long as it keeps within the bounds of a
block; what lies in the cold store stays there. A turn keeps its number, its place in the account's
journal and its key, so that nothing that names it changes.

Each batch is one transaction under the accounts' locks: the blocks are opened in memory, sealed as
one under the same key, and the former rows deleted. A crash leaves the blocks as they were or as
they are, and the next pass continues. A block that is being moved to the cold store is left alone,
and a block that was joined before it could be moved stays (`cold_tier` compares).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import BrokenError
from licet.keys import fence
from licet.keys.keyring import Keyring
from licet.keys.material import KeyMaterial, seal, unseal_each
from licet.store.connect import Transaction, transaction
from licet.store.rows import insert
from licet.vault import blocks
from licet.vault.blocks import BYTES_MAX, COLUMNS, TURNS_MAX, StoredBlock
from licet.vault.cold_tier import DUE_DAYS_MIN
from licet.vault.installation import Installation
from licet.vault.tables import lock_account_rows

PAGE_SEGMENTS_MAX = 5_000
BATCH_SEGMENTS_MAX, BATCH_BYTES_MAX, BATCH_BLOCKS_MAX = 200, 8 * 2**20, 4_096

_AT_REST = """s.erased_at IS NULL AND s.key_slot IS NOT NULL AND s.last_turn > s.first_turn
    AND s.last_at < %(before)s AND s.due_on > %(soon)s"""
_OF_SEGMENT = """b.account_id = s.account_id AND b.conversation_id = s.conversation_id
    AND b.segment = s.segment AND b.object_id IS NULL"""
_BYTES = "coalesce(octet_length(b.sealed), 0)"
_JOINABLE = f"""EXISTS (
    SELECT FROM (SELECT length(b.roles) + lag(length(b.roles)) OVER w AS turns,
                        {_BYTES} + lag({_BYTES}) OVER w AS bytes,
                        b.first_turn - lag(b.first_turn + length(b.roles)) OVER w AS gap
                   FROM blocks b WHERE {_OF_SEGMENT} WINDOW w AS (ORDER BY b.first_turn)) n
     WHERE n.turns <= {TURNS_MAX} AND n.bytes <= {BYTES_MAX} AND n.gap = 0)"""
Segment = tuple[UUID, UUID, int]


class JoinResult(msgspec.Struct, frozen=True, kw_only=True):
    """The number of blocks that a pass read, and the number of blocks that it made of them."""

    segments: int = 0
    blocks_before: int = 0
    blocks_after: int = 0
    unopened: int = 0  # segments that do not open, and stay as they are

    def plus(self, other: JoinResult) -> JoinResult:
        return JoinResult(
            segments=self.segments + other.segments,
            blocks_before=self.blocks_before + other.blocks_before,
            blocks_after=self.blocks_after + other.blocks_after,
            unopened=self.unopened + other.unopened,
        )


def join(installation: Installation, after: timedelta | None = None) -> JoinResult:
    """Joins the small blocks of all segments without a new turn for ``after`` (by default as
    configured); BrokenError, at the end, if a block did not open.
    """
    total = JoinResult()
    for step in join_steps(installation, after):
        total = total.plus(step)
    return total


def join_steps(installation: Installation, after: timedelta | None = None) -> Iterator[JoinResult]:
    """`join`, one step at a time: a page without small blocks, or a batch. No transaction is open
    between steps.
    """
    at = installation.clock()
    after = (
        after if after is not None else timedelta(days=installation.config.sweep.join_after_days)
    )
    cutoffs = {"before": at - after, "soon": at + timedelta(days=DUE_DAYS_MIN)}
    unopened = 0
    for batch in _batches(installation, cutoffs):
        step = JoinResult()
        if batch:
            with transaction(installation.pool) as tx:
                fence.check(tx)
                step = _join_batch(tx, installation.keyring, batch, cutoffs)
        unopened += step.unopened
        yield step
    if unopened:
        raise BrokenError(f"`{unopened}` segments do not open: their blocks stay as they are")


def _batches(installation: Installation, cutoffs: dict[str, datetime]) -> Iterator[list[Segment]]:
    """The segments with blocks to join, in batches, page by page in the order of the index by day
    and account; the last batch of a page may be empty.
    """
    after: tuple[date, UUID, UUID, int] = (date.min, UUID(int=0), UUID(int=0), 0)
    while True:
        with transaction(installation.pool) as tx:
            page = tx.execute(
                f"""SELECT s.due_on, s.account_id, s.conversation_id, s.segment, s.stored_bytes,
                           {_JOINABLE}
                      FROM (SELECT * FROM segments s WHERE {_AT_REST}
                               AND (s.due_on, s.account_id, s.conversation_id, s.segment)
                                   > (%(a)s, %(b)s, %(c)s, %(d)s)
                             ORDER BY s.due_on, s.account_id, s.conversation_id, s.segment
                             LIMIT {PAGE_SEGMENTS_MAX}) s
                     ORDER BY s.due_on, s.account_id, s.conversation_id, s.segment""",
                {**cutoffs, **dict(zip("abcd", after, strict=True))},
            ).fetchall()
        if not page:
            return
        batch: list[Segment] = []
        size = 0
        for _, account, conversation, segment, stored, is_joinable in page:
            if not is_joinable:
                continue
            if batch and (size + stored > BATCH_BYTES_MAX or len(batch) == BATCH_SEGMENTS_MAX):
                yield batch
                batch, size = [], 0
            batch.append((account, conversation, segment))
            size += stored
        yield batch
        after = (page[-1][0], page[-1][1], page[-1][2], page[-1][3])


def _join_batch(
    tx: Transaction, keyring: Keyring, segments: Sequence[Segment], cutoffs: dict[str, datetime]
) -> JoinResult:
    lock_account_rows(tx, {account for account, _, _ in segments})
    # a block with which nothing can be joined is not read
    rows = (
        tx.cursor(binary=True)
        .execute(
            f"""SELECT s.account_id, s.conversation_id, s.segment, s.key_slot,
                       {", ".join(f"b.{name}" for name in StoredBlock._fields)}
                  FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[],
                              %(segment)b::smallint[]) AS k(account_id, conversation_id, segment)
                  JOIN segments s USING (account_id, conversation_id, segment)
                  JOIN blocks b ON {_OF_SEGMENT}
                 WHERE {_AT_REST} AND length(b.roles) < {TURNS_MAX} AND {_BYTES} < {BYTES_MAX}
                 ORDER BY s.account_id, s.conversation_id, s.segment, b.first_turn
                 LIMIT {BATCH_BLOCKS_MAX} FOR UPDATE OF b SKIP LOCKED""",
            {**_columns(segments), **cutoffs},
        )
        .fetchall()
    )
    keys = keyring.slot_keys(tx, {(row[0], row[3]) for row in rows})
    former: list[tuple[Segment, StoredBlock]] = []
    made: list[tuple[Segment, Sequence[object], int]] = []
    unopened = 0
    for place, several in groupby(rows, lambda row: row[:4]):
        segment, key = (place[0], place[1], place[2]), keys[place[0], place[3]]
        runs = _runs([StoredBlock(*row[4:]) for row in several])
        try:
            if key is None:
                raise BrokenError("the key of a segment that lives is destroyed")
            fresh = [(segment, *_join_run(segment, run, key, keyring)) for run in runs]
        except BrokenError:
            unopened += 1
            continue
        made += fresh
        former += [(segment, block) for run in runs for block in run]
    _replace(tx, former, made)
    return JoinResult(
        segments=len({segment for segment, _, _ in made}),
        blocks_before=len(former),
        blocks_after=len(made),
        unopened=unopened,
    )


def _runs(stored: Sequence[StoredBlock]) -> list[list[StoredBlock]]:
    """Groups adjacent blocks of a segment that fit into one."""
    runs: list[list[StoredBlock]] = []
    turns = size = 0
    for block in stored:
        turns += len(block.roles)
        size += len(block.sealed or b"")
        is_next = bool(runs) and block.first_turn == runs[-1][-1].first_turn + len(
            runs[-1][-1].roles
        )
        if is_next and turns <= TURNS_MAX and size <= BYTES_MAX:
            runs[-1].append(block)
        else:
            runs.append([block])
            turns, size = len(block.roles), len(block.sealed or b"")
    return [run for run in runs if len(run) > 1]


def _join_run(
    segment: Segment, run: Sequence[StoredBlock], key: KeyMaterial, keyring: Keyring
) -> tuple[Sequence[object], int]:
    """The row of `COLUMNS` that replaces the blocks, and the size of its sealed bytes."""
    opened = unseal_each(
        (key, block.sealed or b"", blocks.associated_data(*segment, block.first_turn, block.sizes))
        for block in run
        if block.sizes is not None
    )
    made = blocks.join_blocks(*segment, run, list(opened), key)
    sizes, sealed = made.sizes(), None
    if sizes is not None:
        place = blocks.associated_data(*segment, made.first_turn, sizes)
        sealed = seal(key, made.content(), place, keyring.random)
    return made.row(sealed), len(sealed or b"")


def _replace(
    tx: Transaction,
    former: Sequence[tuple[Segment, StoredBlock]],
    joined: Sequence[tuple[Segment, Sequence[object], int]],
) -> None:
    """Replaces the former rows by the joined ones, and updates their byte counts."""
    if not joined:
        return
    tx.execute(
        """DELETE FROM blocks b USING unnest(%(account)b::uuid[], %(conversation)b::uuid[],
                                             %(segment)b::smallint[], %(first_turn)b::int[])
                        AS k(account_id, conversation_id, segment, first_turn)
            WHERE (b.account_id, b.conversation_id, b.first_turn)
                = (k.account_id, k.conversation_id, k.first_turn)""",
        {
            **_columns([segment for segment, _ in former]),
            "first_turn": [block.first_turn for _, block in former],
        },
    )
    insert(tx, "blocks", COLUMNS, [row for _, row, _ in joined])
    more: dict[Segment, int] = {}
    for segment, block in former:
        more[segment] = more.get(segment, 0) - len(block.sealed or b"")
    for segment, _, size in joined:
        more[segment] += size
    tx.execute(
        """UPDATE segments s SET stored_bytes = s.stored_bytes + k.more
             FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[], %(segment)b::smallint[],
                         %(more)b::bigint[]) AS k(account_id, conversation_id, segment, more)
            WHERE (s.account_id, s.conversation_id, s.segment)
                = (k.account_id, k.conversation_id, k.segment)""",
        {**_columns(list(more)), "more": list(more.values())},
    )


def _columns(segments: Sequence[Segment]) -> dict[str, Any]:
    return {
        "account": [account for account, _, _ in segments],
        "conversation": [conversation for _, conversation, _ in segments],
        "segment": [segment for _, _, segment in segments],
    }

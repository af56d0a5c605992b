"""The live decision on rows: whether a row may be unsealed now, and with which keys.

A row may be used while all its sources may be used for the purpose of its release. Its key is
derived from the keys of its segments, so nobody can derive it once one of them is destroyed. A row
key that was leased before and kept still opens its row: a lease cannot be revoked.

`decide_rows` decides by the rule in Python and gives reasons, for builds. `lease_rows` decides in
one statement, by the rule in SQL (`vault.population`), and returns only usable rows, in a tenth of
the time. A test holds the two equal on generated histories.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import BrokenError, DeniedError
from licet.keys.keyring import Keyring
from licet.keys.material import (
    EMPTY_SLOT,
    SLOTS_PER_PAGE,
    WRAPPED_BYTES,
    KeyMaterial,
    unseal_slots,
    unwrap_account_keys,
)
from licet.ledger import jws
from licet.policy.decide import DecisionReason
from licet.policy.file import Policies
from licet.release import ratings, registry
from licet.release.ratings import IS_RATED
from licet.release.reader import LEASE_SECONDS, LEASE_SECONDS_MAX, Lease
from licet.release.registry import Release
from licet.release.row_keys import RowKeys
from licet.release.row_runs import BLOCK_ROWS, RowSources, unpack_row
from licet.store.connect import Pool, Transaction, transaction
from licet.store.rows import pipelined, unnest_values
from licet.vault import account_view, population
from licet.vault import policy_versions as versions
from licet.vault.copies import CopyPlace
from licet.vault.population import (
    ACCOUNTS_OF_FEW,
    DECISIONS_OF_FEW,
    PERMITTED_UNTIL,
    USABLE_UNTIL,
    VERSIONS,
    decisions_of_few,
)
from licet.vault.tables import AccountRow

LAST_SECONDS = 10
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's
# of a result row of `_LEASED`: account, its key, its bucket in four, and whether it ever rated
_RUN_COLUMNS = 7


class RowDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The decision on a row. ``refused`` counts the turns of sources that may not be used, by
    reason.

    ``slots`` are the keys from which its own is derived, in order, empty if one is destroyed;
    ``until`` ends its use.
    """

    row: RowSources
    refused: dict[DecisionReason, int]
    until: datetime
    account: AccountRow
    slots: tuple[int, ...]

    @property
    def use(self) -> bool:
        return not self.refused and bool(self.slots)


def decide_rows(
    tx: Transaction, rows: Sequence[RowSources], policies: Policies, purpose: str, now: datetime
) -> list[RowDecision]:
    """Decides each row at ``now``, by the rule that admitted it."""
    views = account_view.load_views(
        tx, sorted({(row.account, row.conversation) for row in rows}), policies, now
    )
    result = []
    for row in rows:
        view = views.get(row.conversation)
        if view is None:
            raise BrokenError("a row of a release was made from a conversation that does not exist")
        refused: dict[DecisionReason, int] = {}
        until = datetime.max.replace(tzinfo=now.tzinfo)
        for source in row.sources:
            of = source.segment, source.turn, [source.origin]
            decision = view.decide_segment(*of, policies, purpose)[source.origin]
            if decision.until is None:
                refused[decision.because] = refused.get(decision.because, 0) + source.count
            else:
                until = min(until, decision.until)
        slots = [
            view.conversation.keys[n].safety_slot
            if place is CopyPlace.safety
            else view.conversation.keys[n].key_slot
            for n, place in row.keys
        ]
        living = tuple(slot for slot in slots if slot is not None)
        result.append(
            RowDecision(
                row=row,
                refused=refused,
                until=until,
                account=view.account,
                slots=living if len(living) == len(slots) else (),
            )
        )
    return result


# The end of use of row `m`, and whether it may be used: every source must have an end in the
# future.
ROW_ENDS = f"""(
           SELECT min({USABLE_UNTIL}) AS until, bool_and(({USABLE_UNTIL}) IS NOT NULL) AS use
             FROM release_row_sources(m.sources, m.origins) t
             LEFT JOIN LATERAL ({DECISIONS_OF_FEW}
                   WHERE s.account_id = m.account_id AND s.conversation_id = m.conversation_id
                     AND s.segment = t.segment
                  ) d ON true
             LEFT JOIN {VERSIONS} ON v.number = d.version)"""
#
# A result row is a run; its columns concatenate fixed-width values of its rows' keys, with slots
# cut out of their pages, which are thirty-two times as long. An account is decided once a run. All
# else is looked up by primary key behind OFFSET 0: joins of unnested arrays have no statistics,
# took a hundred times as long, and read all segments of a conversation, pages of an account, or
# runs of a release that is not yet analysed. Every source must have an end: the segment's if all
# origins of the run are listed, or else its own.
_UNTIL = f"""coalesce(
                  CASE WHEN d.version = ANY(r.listed) THEN {PERMITTED_UNTIL} END,
                  (SELECT CASE WHEN count(*) = count({USABLE_UNTIL}) THEN min({USABLE_UNTIL}) END
                     FROM release_row_sources(m.sources, r.origins) t
                     JOIN {VERSIONS} ON v.number = d.version
                    WHERE t.segment = k.segment))"""
_ACCOUNT = """SELECT r.account_id, r.closed_at, r.plan, r.age, r.region, r.region_place, r.seen,
                     r.is_lapsed, r.grant_no,
                     r.scopes, r.numbers, r.standing"""
_LEASED = f"""
      WITH r AS MATERIALIZED (
           SELECT m.first, w.mask, m.origins, m.conversations, m.sources, m.row_ids, a.*,
             b.wrapped_key, b.bucket, b.epoch,
                  b.wrapped, {IS_RATED} AS is_rated,
                  ARRAY(SELECT v.number FROM {VERSIONS}
                         WHERE string_to_array(m.origins, ',') <@ string_to_array(v.origins,
                           ',')) AS listed
             FROM unnest(%(blocks)s::int4[], %(masks)s::int8[]) AS w(block, mask)
            CROSS JOIN LATERAL ( -- the block's runs that have a requested row
                  SELECT * FROM release_runs WHERE release_id = %(release)s AND first / 64 = w.block
                     AND w.mask >> (first & 63) & (2::int8 << (get_byte(sources[cardinality(sources)], 0) & 63)) - 1 <> 0
                  OFFSET 0) m
            CROSS JOIN LATERAL ({ACCOUNTS_OF_FEW} WHERE a.account_id = m.account_id OFFSET 0) a
            CROSS JOIN LATERAL ( -- in this statement: a rotation between two gives half a chain
                  SELECT h.wrapped_key, b.* FROM accounts h JOIN buckets b ON b.bucket = h.bucket
                   WHERE h.account_id = m.account_id OFFSET 0) b)
    SELECT r.account_id, r.wrapped_key, r.bucket, r.epoch, r.wrapped, EXISTS (SELECT FROM fence),
      r.is_rated, r.origins, x.*
      FROM r
     CROSS JOIN LATERAL (
           SELECT string_agg(int4send(n.ordinal), '') AS ordinals,
             string_agg(timestamptz_send(e.until), '') AS untils,
                  string_agg(int4send(z.slot), '') AS slots,
                  string_agg(coalesce(
                      (SELECT substring(
                                  p.slots FROM z.slot %% {SLOTS_PER_PAGE} * {WRAPPED_BYTES} + 1 FOR {WRAPPED_BYTES})
                         FROM key_pages p WHERE p.account_id = r.account_id
                           AND p.page = z.slot / {SLOTS_PER_PAGE}),
                      %(no_key)s), '') AS wrapped,
                  array_agg(m.sources) AS sources, array_agg(k.place) AS places,
                    array_agg(m.row_id) AS row_ids
             FROM unnest(r.conversations, r.sources, r.row_ids) AS m(conversation_id, sources,
               row_id)
            CROSS JOIN LATERAL (SELECT r.first + (get_byte(m.sources, 0) & 63) AS ordinal) n
            CROSS JOIN LATERAL release_row_keys(m.sources) k
            CROSS JOIN LATERAL ({decisions_of_few(_ACCOUNT)}
                  WHERE s.account_id = r.account_id AND s.conversation_id = m.conversation_id
                    AND s.segment = k.segment
                 OFFSET 0) d
            CROSS JOIN LATERAL (SELECT {_UNTIL} AS until OFFSET 0) e
            CROSS JOIN LATERAL (SELECT CASE WHEN k.is_safety THEN d.safety_slot
              ELSE d.key_slot END AS slot) z
            WHERE r.mask >> (n.ordinal & 63) & 1 = 1 AND e.until > %(soon)s
              AND z.slot IS NOT NULL) x
     WHERE x.ordinals IS NOT NULL"""


class LeasedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A usable row: its key, and the end of its use."""

    ordinal: int
    key: bytes
    until: datetime

    def __repr__(self) -> str:
        return f"LeasedRow({self.ordinal}, sealed)"


class LeasedRows(msgspec.Struct, frozen=True, kw_only=True):
    """Usable rows, as columns of equal length. ``until_us``: microseconds since 2000, as PostgreSQL
    counts.

    ``rated`` are those of accounts that ever rated an answer.
    """

    ordinals: list[int]
    keys: list[bytes]
    until_us: list[int]
    rated: list[int]

    def __repr__(self) -> str:
        return f"LeasedRows({len(self.ordinals)}, sealed)"


def lease_rows(
    tx: Transaction,
    keyring: Keyring,
    release: Release,
    ordinals: Sequence[int],
    policies: Policies,
    now: datetime,
) -> list[LeasedRow]:
    """The rows among ``ordinals`` that may be used at ``now`` and for `LAST_SECONDS` more, and
    whose keys exist.
    """
    rows = lease_columns(tx, keyring, release, ordinals, policies, now)
    columns = zip(rows.ordinals, rows.keys, rows.until_us, strict=True)
    return [
        LeasedRow(ordinal=ordinal, key=key, until=_moment(until_us))
        for ordinal, key, until_us in columns
    ]


def lease_columns(
    tx: Transaction,
    keyring: Keyring,
    release: Release,
    ordinals: Sequence[int],
    policies: Policies,
    now: datetime,
) -> LeasedRows:
    """As `lease_rows`, in columns."""
    leased = LeasedRows(ordinals=[], keys=[], until_us=[], rated=[])
    if not ordinals:
        return leased
    values = population.parameters(policies, release.purpose, now) | _block_masks(ordinals)
    values |= {
        "release": release.release_id,
        "soon": now + timedelta(seconds=LAST_SECONDS),
        "no_key": EMPTY_SLOT,
    }
    keys, holder, key = RowKeys(release.release_id.bytes), None, KeyMaterial()
    for row in _runs(tx, values):
        account, wrapped_key, *bucket, is_rated = row[:_RUN_COLUMNS]
        if account != holder:
            key = unwrap_account_keys(keyring.bucket_key(*bucket), account, wrapped_key).slots
            holder = account
        before = len(leased.ordinals)
        _add(leased, keys, account, key, *row[_RUN_COLUMNS:])
        if is_rated:
            leased.rated.extend(leased.ordinals[before:])
    return leased


def _add(
    leased: LeasedRows,
    keys: RowKeys,
    account: UUID,
    key: KeyMaterial,
    origins: str,
    ordinals: bytes,
    untils: bytes,
    slots: bytes,
    wrapped: bytes,
    sources: Sequence[bytes],
    places: Sequence[int],
    row_ids: Sequence[bytes | None],
) -> None:
    """Adds the rows of a run of `_LEASED` whose keys all exist."""
    count = len(places)
    numbers, ends = struct.unpack(f">{count}i", ordinals), struct.unpack(f">{count}q", untils)
    opened = unseal_slots(key, account, slots, wrapped)
    add_ordinal, add_key, add_end = (
        leased.ordinals.append,
        leased.keys.append,
        leased.until_us.append,
    )
    several: dict[int, list[int]] = {}
    for n, (ordinal, until_us, made, row_id) in enumerate(
        zip(numbers, ends, sources, row_ids, strict=True)
    ):
        if not _is_of_one_key(made):
            several.setdefault(ordinal, []).append(n)
        elif (one := opened[n]) is not None:  # None: destroyed, although the segment still names it
            add_ordinal(ordinal)
            add_key(keys.key(one, row_id or keys.row_id(ordinal)))
            add_end(until_us)
    for ordinal, at in several.items():
        row = unpack_row(account, account, ordinal, origins.split(","), sources[at[0]])
        living = [one for n in sorted(at, key=places.__getitem__) if (one := opened[n]) is not None]
        if len(living) == len(row.keys) and {one.segment for one in row.sources} <= {
            segment for segment, _ in row.keys
        }:
            add_ordinal(ordinal)
            add_key(keys.key(b"".join(living), row_ids[at[0]] or keys.row_id(ordinal)))
            add_end(min(ends[n] for n in at))


def _is_of_one_key(packed: bytes) -> bool:
    """Whether a packed row (`row_runs`) has one key, with all sources in its segment."""
    segments = packed[3::4]
    return (
        packed[0] < BLOCK_ROWS
        and packed[1] == 1
        and segments.count(packed[2] >> 1) == len(segments)
    )


def _runs(tx: Transaction, values: dict[str, Any]) -> list[Any]:
    """The result of `_LEASED`, planned once a connection: planning takes as long as a thousand
    rows.
    """
    with tx.cursor(binary=True) as cursor:
        with pipelined(tx):
            tx.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            cursor.execute(_LEASED, values, prepare=True)
            tx.execute("SET LOCAL plan_cache_mode TO DEFAULT")
        return cursor.fetchall()


def _block_masks(ordinals: Sequence[int]) -> dict[str, Any]:
    """The blocks of ``ordinals``, and a bit mask of the requested rows in each."""
    masks: dict[int, int] = {}
    for ordinal in ordinals:
        block = ordinal // BLOCK_ROWS
        masks[block] = masks.get(block, 0) | 1 << ordinal % BLOCK_ROWS
    signed = [mask - (mask >> 63 << 64) for mask in masks.values()]
    return unnest_values({"blocks": "int4", "masks": "int8"}, {"blocks": masks, "masks": signed})


def _moment(until_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=until_us)


class DatabaseLeases:
    """Leases from the vault itself: each is decided anew and valid for ``seconds``, but never past
    a row's own end, with ratings that are valid as long.

    A row in its last seconds is not leased: it would end the lease of the other rows too early.
    """

    def __init__(
        self,
        pool: Pool,
        keyring: Keyring,
        clock: Callable[[], datetime],
        seconds: int = LEASE_SECONDS,
    ) -> None:
        if not 1 <= seconds <= LEASE_SECONDS_MAX:
            raise BrokenError(f"a lease of `{seconds}` seconds: from 1 to {LEASE_SECONDS_MAX}")
        self._pool, self._keyring, self._clock, self._seconds = pool, keyring, clock, seconds

    def lease(self, release_id: bytes, part: int, ordinals: Sequence[int]) -> Lease:
        """The keys of usable rows; DeniedError if the release is not sealed."""
        now = self._clock()
        release = UUID(bytes=release_id)
        with transaction(self._pool) as tx:
            known = registry.get(tx, release)
            if known.state != "sealed":
                raise DeniedError(f"release `{known.name}` is not sealed")
            policies = versions.load(tx)
            if policies is None:
                raise DeniedError("no policy has been applied, so nothing may be used")
            rows = lease_columns(tx, self._keyring, known, ordinals, policies, now)
            expires = now + timedelta(seconds=self._seconds)
            if rows.until_us:
                expires = min(expires, _moment(min(rows.until_us)))
            rated = ratings.load_ratings(tx, known, rows.rated, policies, now, expires)
        return Lease(
            keys=dict(zip(rows.ordinals, rows.keys, strict=True)), expires=expires, ratings=rated
        )

    def log_key(self, release_id: bytes) -> bytes:
        """See `Leases`."""
        with transaction(self._pool) as tx:
            return jws.public_key(self._keyring.log_seed(tx))

"""What a plan says is what happens: the version applied, the clock at its first instant, and the
tables looked at.

The town is drawn: histories under one sequence of versions, of which the last is the change that is
planned.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import msgspec
import pytest

from licet.erasure import sweep_batches
from licet.errors import RefusedError
from licet.policy.decide import IMPROVE, SAFETY, Gate, gate, is_useful, unanswered_questions
from licet.policy.file import Policies, Policy, Question, from_document
from licet.policy.period import parse_period
from licet.policy.retention import ContentKind, Keep, RetentionRule
from licet.policy.state import Grant
from licet.policy.world import World
from licet.store.connect import Transaction
from licet.vault import account_view, policy_plan, policy_versions, stored_dates, tables
from licet.vault.apply import advance
from licet.vault.ids import Prefix, parse
from licet.vault.stored_dates import ListedDate

from ..policy.histories import DAY, history
from .model import insert_versions
from .test_population import Lived, copy_population

HISTORIES_A_TOWN = 40  # histories, of one to three accounts each
TOWNS = range(9)
INSTANT = timedelta.resolution
ASKING = (Gate.notice, Gate.must_decide)


@dataclass
class Change:
    """A town under ``known``, and the version ``new`` that is to come in ten days."""

    known: Policies
    new: Policy
    now: datetime

    @property
    def after(self) -> Policies:
        return Policies([*self.known.versions, self.new])


def drawn_change(town: int) -> Change:
    """The last of the drawn versions; every third town goes back to what the first said, every
    third narrows hard.
    """
    documents = sorted(
        history(0, versions=town).documents, key=lambda document: document["effective"]
    )
    if len(documents) == 1:
        documents += [
            dict(history(0, versions=town + 1000).documents[0], effective="2025-10-20T00:00:00Z")
        ]
    first, last = documents[0], documents[-1]
    if town % 3 == 1:
        documents[-1] = last = dict(first, effective=last["effective"])
        if len(documents) == 2:
            begins, ends = from_document(first).effective, from_document(last).effective
            between = {
                "effective": (begins + (ends - begins) / 2).isoformat(),
                "version": "between",
            }
            documents.insert(
                1,
                dict(
                    first,
                    **between,
                    material=True,
                    origins=["assistant"],
                    choice={"covers": ["ads"]},
                ),
            )
    if town % 3 == 2:
        last["scope"], last["min_age"] = {"plans": ["pro"], "surfaces": ["app"]}, 18
    if town % 2:
        last["keep"] = {**last["keep"], "opted_in": "P40D", "opted_out": "P7D", "incognito": "P5D"}
    known = Policies(from_document(document) for document in documents[:-1])
    new = from_document(dict(last, version="new", material=True))
    return Change(known, new, new.effective - 10 * DAY)


def settle(tx: Transaction, town: int) -> Change:
    """Puts the town into the tables as it is at the day of the plan."""
    change = drawn_change(town)
    people = []
    for seed in range(town * 1000, town * 1000 + HISTORIES_A_TOWN):
        drawn, world = history(seed, versions=town), World(change.known)
        for event in drawn.events:
            if event.at <= change.now:
                world.apply(event)
        people.append(Lived(seed, world, None))
    insert_versions(tx, change.known)
    copy_population(tx, people)
    return change


@dataclass
class Snapshot:
    """What the rule says of the tables at a moment, account by account and turn by turn."""

    gates: dict[UUID, Gate]
    asked: dict[UUID, set[str]]
    grants: dict[UUID, set[Grant]]
    usable: dict[str, set[tuple[UUID, int]]]
    dates: dict[tuple[UUID, int], datetime]


def snapshot(tx: Transaction, versions: Policies, at: datetime) -> Snapshot:
    holders = account_view.load_accounts(
        tx, [row[0] for row in tx.execute("SELECT account_id FROM accounts")]
    )
    states = {
        account: account_view.account_at(row, versions, at).account
        for account, row in holders.items()
    }
    keys = tx.execute("SELECT account_id, conversation_id FROM conversations").fetchall()
    seen = account_view.load_views(tx, keys, versions, at)
    usable: dict[str, set[tuple[UUID, int]]] = {IMPROVE: set(), SAFETY: set(), "ads": set()}
    for account, conversation in keys:
        for turn in account_view.list_turns(tx, account, conversation):
            for purpose, turns in usable.items():
                if seen[conversation].decide(turn, versions, purpose).use:
                    turns.add((conversation, turn.number))
    return Snapshot(
        gates={account: gate(state, versions, at) for account, state in states.items()},
        asked={
            account: set(unanswered_questions(state, versions, at))
            if gate(state, versions, at) in ASKING
            else set()
            for account, state in states.items()
        },
        grants={account: set(state.grants) for account, state in states.items()},
        usable=usable,
        dates={
            (c, n): s.keep_until
            for c, one in seen.items()
            for n, s in enumerate(one.turns.segments)
        },
    )


SHORTENING = UUID(int=1)


def planned(
    tx: Transaction, change: Change, *, shorten_stored: bool = False
) -> policy_plan.PolicyPlan:
    shortening = SHORTENING if shorten_stored else None
    drawn = policy_plan.draw_plan(tx, change.known, change.new, change.now, shortening=shortening)
    policy_plan.save_plan(tx, change.known, change.new, drawn, change.now, "counsel")
    return drawn


def apply_and_wait(tx: Transaction, change: Change, at: datetime) -> Policies:
    """The version applied now; the clock moved to ``at``, where every account is brought."""
    number = policy_plan.apply(tx, change.new, change.now, "counsel")
    assert number == len(change.known)
    versions = policy_versions.load(tx)
    assert versions is not None
    while advance(tx, versions, at, limit=20):
        pass
    return versions


def moved(before: Snapshot, after: Snapshot) -> Counter[str]:
    pairs = ((before.gates[account], after.gates[account]) for account in before.gates)
    return Counter(
        f"{was.value} -> {becomes.value}" for was, becomes in pairs if was is not becomes
    )


def test_a_plan_s_numbers_are_what_happens_at_the_version_s_first_instant(
    conn: Transaction,
) -> None:
    seen: Counter[str] = Counter()
    for town in TOWNS:
        with conn.transaction(force_rollback=True):
            change = settle(conn, town)
            told = planned(conn, change)
            assert told.at == change.new.effective
            before = snapshot(conn, change.known, told.at)
            after = snapshot(conn, apply_and_wait(conn, change, told.at), told.at)
            assert told.gates == moved(before, after), town
            assert told.asked_again == sum(
                after.gates[a] in ASKING and before.gates[a] not in ASKING for a in before.gates
            )
            ended = [grant for a in before.grants for grant in before.grants[a] - after.grants[a]]
            assert told.grants_ended == len(ended)
            for question, told_of in told.questions.items():
                assert told_of.ended == sum(grant.question == question for grant in ended), (
                    town,
                    question,
                )
                assert told_of.asked == sum(
                    question in after.asked[a] - before.asked[a] for a in after.asked
                )
                seen.update({"asked of " + question: told_of.asked})
            assert {grant.question for grant in ended}.union(*after.asked.values()) <= set(
                told.questions
            )
            assert told.nearer == sum(after.dates[key] < before.dates[key] for key in before.dates)
            assert not any(after.dates[key] > before.dates[key] for key in before.dates)
            covered = change.known[len(change.known) - 1].covers | change.new.covers
            assert set(told.purposes) == covered
            for purpose, rows in told.purposes.items():
                was, becomes = before.usable[purpose], after.usable[purpose]
                counted = policy_plan.PlannedRows(
                    before=len(was),
                    after=len(becomes),
                    entering=len(becomes - was),
                    leaving=len(was - becomes),
                )
                assert rows == counted, (town, purpose)
                assert rows.entering == 0, "no version makes anything usable that was said"
                seen.update(leaving=rows.leaving, staying=len(was & becomes))
            seen.update(gates=sum(told.gates.values()), ended=told.grants_ended, nearer=told.nearer)
    assert all(seen[what] for what in ("leaving", "staying", "gates", "ended", "nearer")), seen
    assert sum(what.startswith("asked of") for what in seen if seen[what]) > 2, seen


def sizes(tx: Transaction) -> dict[tuple[UUID, int], int]:
    """The sealed bytes of each segment."""
    rows = tx.execute(
        "SELECT conversation_id, segment, sum(octet_length(sealed)) FROM blocks GROUP BY 1, 2"
    ).fetchall()
    return {(conversation, segment): int(size) for conversation, segment, size in rows}


def give_content(tx: Transaction) -> None:
    """Content for each block that is kept, of a length of its own."""
    tx.execute(
        """UPDATE blocks b
              SET (sizes, sealed) = (decode(repeat('00000001', length(roles)), 'hex'),
                                     decode(repeat('5a', 20 + b.first_turn), 'hex'))
             FROM segments s
            WHERE (s.account_id, s.conversation_id, s.segment)
                = (b.account_id, b.conversation_id, b.segment)
              AND s.erased_at IS NULL AND b.sizes IS NULL"""
    )
    tx.execute(
        """UPDATE segments s SET stored_bytes = b.bytes
             FROM (SELECT account_id, conversation_id, segment, sum(octet_length(sealed)) AS bytes
                     FROM blocks WHERE sizes IS NOT NULL GROUP BY 1, 2, 3) b
            WHERE (s.account_id, s.conversation_id, s.segment) = (b.account_id, b.conversation_id,
              b.segment)"""
    )


def test_what_is_kept_is_the_bytes_whose_dates_are_behind_each_day_before_the_change_and_after_it(
    conn: Transaction,
) -> None:
    seen: Counter[str] = Counter()
    for town in TOWNS:
        with conn.transaction(force_rollback=True):
            change = settle(conn, town)
            give_content(conn)
            told, size = planned(conn, change), sizes(conn)
            before = snapshot(conn, change.known, told.at)
            after = snapshot(conn, apply_and_wait(conn, change, told.at), told.at)
            for kept, dates in ((told.kept_before, before.dates), (told.kept_after, after.dates)):
                assert kept == {
                    name: sum(
                        size.get(key, 0)
                        for key, until in dates.items()
                        if until > told.at + days * DAY
                    )
                    for name, days in policy_plan.HORIZONS
                }, town
                seen.update(kept)
            seen.update(sooner=told.kept_after["30 days"] < told.kept_before["30 days"])
    assert seen["sooner"] and all(seen[name] for name, _ in policy_plan.HORIZONS[:3]), seen


def test_bytes_count_no_longer_at_the_instant_when_their_time_has_come(conn: Transaction) -> None:
    change = settle(conn, 1)
    give_content(conn)
    at, whole = change.new.effective, Counter[str]()
    for name, days in policy_plan.HORIZONS:
        for step in (0 * DAY, INSTANT):
            with conn.transaction(force_rollback=True):
                conn.execute("UPDATE segments SET keep_until = %s", [at + days * DAY + step])
                whole[f"{name} {step > 0 * DAY}"] = planned(conn, change).kept_before[name]
    total = sum(sizes(conn).values())
    assert total > 0
    assert whole == {
        f"{name} {late}": total * late for name, _ in policy_plan.HORIZONS for late in (False, True)
    }


def test_until_a_version_s_first_instant_nothing_changes_and_at_it_only_ended_grants_move_dates(
    conn: Transaction,
) -> None:
    for town in TOWNS:
        with conn.transaction(force_rollback=True):
            change = settle(conn, town)
            planned(conn, change)
            at = change.new.effective
            last = snapshot(conn, change.known, at - INSTANT)
            stored = dates_stored(conn)
            versions = apply_and_wait(conn, change, at - INSTANT)
            assert snapshot(conn, versions, at - INSTANT) == last
            if any(version.effective > change.now for version in change.known.versions):
                continue  # another version begins in between
            assert dates_stored(conn) == stored
            keys = conn.execute("SELECT account_id, conversation_id FROM conversations").fetchall()
            was = {row.conversation_id: row.state for row in tables.load_conversations(conn, keys)}
            holders = account_view.load_accounts(conn, [account for account, _ in keys])
            while advance(conn, versions, at, limit=20):
                pass
            for (account, conversation, segment), until in dates_stored(conn).items():
                brought = account_view.account_at(holders[account], versions, at)
                ended = [ending for ending in brought.endings if ending.covers(was[conversation])]
                useful = is_useful(
                    brought.account,
                    was[conversation],
                    was[conversation].segments[segment],
                    versions,
                    at,
                )
                nearer = (
                    change.new.keep.of_turn(allowed=False).after(at)
                    if ended and not useful
                    else until
                )
                assert until == min(stored[account, conversation, segment], nearer)


def dates_stored(tx: Transaction) -> dict[tuple[UUID, UUID, int], datetime]:
    rows = tx.execute(
        "SELECT account_id, conversation_id, segment, keep_until FROM segments"
    ).fetchall()
    return {
        (account, conversation, segment): until for account, conversation, segment, until in rows
    }


# Shortening what is stored


def place_holds(tx: Transaction, draw: Random, change: Change) -> set[UUID]:
    """Holds on some conversations, placed before or after the first instant; answers which."""
    keys = tx.execute("SELECT account_id, conversation_id FROM conversations ORDER BY 2").fetchall()
    held = draw.sample(keys, len(keys) // 5)
    for account, conversation in held:
        placed = change.new.effective + draw.choice((-20, -1, 5, 40)) * DAY
        tx.execute(
            """INSERT INTO holds SELECT %s, %s, %s, %s, at, 'other', at + interval '180 days',
                 'test', true
                 FROM (SELECT %s::timestamptz AS at) a""",
            [account, conversation, b"m", b"matter", placed],
        )
    return {conversation for _, conversation in held}


def nearest(
    tx: Transaction, change: Change, now: datetime
) -> dict[tuple[UUID, UUID, int], datetime]:
    """The instant that each segment's date may not pass, worked out from what the vault reads."""
    new, keep, found = change.new, change.new.keep, {}
    keys = tx.execute("SELECT account_id, conversation_id FROM conversations").fetchall()
    placed = dict(tx.execute("SELECT conversation_id, placed_at FROM holds").fetchall())
    at = max(now, new.effective)
    for conversation, one in account_view.load_views(tx, keys, change.after, at).items():
        chat = one.conversation.state
        for number, segment in enumerate(chat.segments):
            useful = is_useful(one.state, chat, segment, change.after, at)
            period = keep.of_turn(
                allowed=useful, incognito=chat.incognito, surface=segment.stamp.surface
            )
            until = max(new.effective, period.after(segment.last_at))
            hold = placed.get(conversation)
            if hold is not None and hold < segment.keep_until:
                until = max(until, hold + INSTANT)
            found[one.account.account_id, conversation, number] = until
    return found


def shorten(tx: Transaction, change: Change, now: datetime, limit: int) -> tuple[int, int]:
    """How many segments the plan's shortening shortened, and how many accounts it left."""
    total, left, after = 0, 0, stored_dates.FIRST
    while True:
        batch = stored_dates.shorten_batch(
            tx, change.new, now, SHORTENING, after=after, limit=limit
        )
        total, left = total + batch.segments, left + batch.changed_accounts
        if batch.last is None:
            return total, left
        after = batch.last


def listed_dates(
    tx: Transaction, change: Change, limit: int
) -> dict[tuple[UUID, UUID, int], ListedDate]:
    """Every date that the plan lists, page by page, in order and each once."""
    items: list[ListedDate] = []
    cursor: str | None = None
    while True:
        page = stored_dates.list_dates(
            tx, change.after, change.new, change.now, SHORTENING, cursor=cursor, limit=limit
        )
        assert len(page.items) == limit or page.next is None
        items += page.items
        cursor = page.next
        if cursor is None:
            break
    keys = [
        (
            parse(Prefix.account, one.account),
            parse(Prefix.conversation, one.conversation),
            one.segment,
        )
        for one in items
    ]
    assert keys == sorted(set(keys))
    return dict(zip(keys, items, strict=True))


def test_a_shortening_does_to_every_date_what_the_plan_listed_and_to_no_other(
    conn: Transaction,
) -> None:
    """Date by date over towns: with holds, with pages of any size, and with people who act between
    plan and act.
    """
    changed = Counter[str]()
    for town in TOWNS:
        with conn.transaction(force_rollback=True):
            draw, change = Random(town), settle(conn, town)
            place_holds(conn, draw, change)
            told, stored = planned(conn, change, shorten_stored=True), dates_stored(conn)
            found = listed_dates(conn, change, draw.choice((1, 5, 10_000)))
            assert told.shortening is not None
            assert told.shortening.segments == told.shortened_on_request == len(found)
            assert told.shortening.accounts == len({key[0] for key in found})
            assert told.shortening.conversations == len({key[1] for key in found})
            assert told.shortening.turns == sum(one.turns for one in found.values())
            assert told.shortening.due_at_first == sum(
                one.becomes <= told.at for one in found.values()
            )
            assert all(stored[key] == one.keep_until > one.becomes for key, one in found.items())
            assert not any(one.changed for one in found.values())
            acted = draw.sample(
                sorted({key[0] for key in found}), min(3, len({key[0] for key in found}))
            )
            conn.execute(
                """UPDATE segments SET keep_until = keep_until + interval '1 hour'
                    WHERE erased_at IS NULL AND account_id = ANY(%s)""",
                [acted],
            )
            later, stored = listed_dates(conn, change, 10_000), dates_stored(conn)
            assert {key[0] for key, one in later.items() if one.changed} == set(acted)
            apply_and_wait(conn, change, change.now)
            stored_now = dates_stored(conn)
            done = shorten(conn, change, change.now, draw.choice((1, 7, 500)))
            kept = {key: one for key, one in found.items() if key[0] not in acted}
            assert done == (len(kept), len(acted))
            expected = stored_now | {key: one.becomes for key, one in kept.items()}
            assert dates_stored(conn) == expected, town
            assert shorten(conn, change, change.now, 500) == (0, len(acted)), "again nothing more"
            changed.update(listed=len(found), left=len(acted), untouched=len(stored) - len(found))
    assert all(changed[what] for what in ("listed", "left", "untouched")), changed


def test_what_is_hashed_of_an_account_s_dates_is_this(conn: Transaction) -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    one = stored_dates.DateChange(UUID(int=1), UUID(int=2), 3, 4, 5, day, day - DAY)
    text = b"licet/shortening/v1\n00000000000000000000000000000002 3 2026-01-01T00:00:00+00:00 2025-12-31T00:00:00+00:00\n"
    assert stored_dates.dates_sha256([one]) == hashlib.sha256(text).digest()


def test_shortening_brings_each_segment_to_its_last_turn_and_the_new_period_and_no_nearer(
    conn: Transaction,
) -> None:
    changed = Counter[str]()
    for town in TOWNS:
        with conn.transaction(force_rollback=True):
            draw, change = Random(town), settle(conn, town)
            told = planned(conn, change, shorten_stored=True)
            bound, stored = nearest(conn, change, change.now), dates_stored(conn)
            apply_and_wait(conn, change, change.now)
            done = shorten(conn, change, change.now, draw.choice((1, 7, 500)))
            assert done == (told.shortened_on_request, 0)
            expected = {key: min(until, bound[key]) for key, until in stored.items()}
            assert dates_stored(conn) == expected, town
            assert shorten(conn, change, change.now, 500) == (0, 0)
            assert dates_stored(conn) == expected
            touched = {key[0] for key in stored if expected[key] != stored[key]}
            journal = conn.execute(
                "SELECT account_id, seq, ends FROM journal WHERE event = 'shortened'"
            ).fetchall()
            assert {account for account, *_ in journal} == touched and len(journal) == len(touched)
            assert all(ends for *_, ends in journal)
            outbox = conn.execute(
                "SELECT account_id FROM outbox WHERE entry = 'shortened'"
            ).fetchall()
            assert sorted(account for (account,) in outbox) == sorted(touched)
            for account, seq, _ in journal:
                row = account_view.load_accounts(conn, [account])[account]
                assert row.last_seq == seq and row.state.last_at >= change.now
            first = sum(expected[key] == change.new.effective != stored[key] for key in stored)
            changed.update(
                nearer=told.shortened_on_request, untouched=len(stored), to_the_first_instant=first
            )
    assert all(changed[what] for what in ("nearer", "to_the_first_instant")), changed
    assert changed["nearer"] < changed["untouched"]


def test_a_period_of_one_surface_shortens_what_was_taken_on_it(conn: Transaction) -> None:
    rule = RetentionRule(
        "cli_opted_out", "CLI", ContentKind.conversation, allowed=False, surface="cli"
    )
    differs = 0
    for town in TOWNS:
        with conn.transaction(force_rollback=True):
            change = settle(conn, town)
            stored, general = dates_stored(conn), nearest(conn, change, change.now)
            new = msgspec.structs.replace(
                change.new, keep=Keep((*change.new.keep.rows, (rule, parse_period("P1D"))))
            )
            change = Change(change.known, new, change.now)
            bound = nearest(conn, change, change.now)
            differs += any(bound[key] < general[key] for key in bound)
            told = policy_plan.draw_plan(conn, change.known, new, change.now, shortening=SHORTENING)
            assert told.shortened_on_request == sum(
                until > bound[key] for key, until in stored.items()
            )
    assert differs


def test_what_is_held_when_it_is_shortened_stays_held(conn: Transaction) -> None:
    """Also where the act is repeated long after the version began, and the hold was placed in
    between.
    """
    kept = 0
    for town in TOWNS:
        with conn.transaction(force_rollback=True):
            draw, change = Random(town), settle(conn, town)
            held = place_holds(conn, draw, change)
            planned(conn, change)
            apply_and_wait(conn, change, change.now)
            was_held = held_segments(conn)
            now = change.new.effective + 60 * DAY
            bound, stored = nearest(conn, change, now), dates_stored(conn)
            stored_dates.plan_shortening(conn, change.after, change.new, now, SHORTENING)
            shorten(conn, change, now, 500)
            assert dates_stored(conn) == {
                key: min(until, bound[key]) for key, until in stored.items()
            }
            assert held_segments(conn) == was_held
            kept += len(was_held)
            while sweep_batches.sweep_batch(conn, now + 9999 * DAY).more:
                pass
            left = {
                tuple(row)
                for row in conn.execute(
                    "SELECT conversation_id, segment FROM segments WHERE erased_at IS NULL"
                )
            }
            assert left == was_held
            assert {conversation for conversation, _ in left} <= held
    assert kept


def held_segments(tx: Transaction) -> set[tuple[UUID, int]]:
    rows = tx.execute(
        """SELECT s.conversation_id, s.segment FROM segments s
            JOIN holds h USING (account_id, conversation_id)
            WHERE h.placed_at < s.keep_until"""
    ).fetchall()
    return {(conversation, segment) for conversation, segment in rows}


# What is refused


def small(conn: Transaction) -> Change:
    change = settle(conn, 3)
    return Change(
        change.known,
        msgspec.structs.replace(change.known[len(change.known) - 1], **later(change)),
        change.now,
    )


def later(change: Change) -> dict[str, object]:
    return {"version": "new", "effective": change.new.effective, "material": False}


def refused(tx: Transaction, new: Policy, now: datetime) -> str:
    versions = policy_versions.load(tx)
    with pytest.raises(RefusedError) as caught, tx.transaction():
        policy_plan.apply(tx, new, now, "counsel")
    assert policy_versions.load(tx).versions == versions.versions
    assert caught.value.hint
    return caught.value.because


def test_a_version_is_applied_only_with_a_plan_of_this_text_against_this_newest_version(
    conn: Transaction,
) -> None:
    change = small(conn)
    other = msgspec.structs.replace(change.new, recipients=frozenset())
    narrower = msgspec.structs.replace(
        change.new, version="other", recipients=frozenset(), material=True
    )
    assert refused(conn, change.new, change.now) == "no_plan"
    planned(conn, change)
    another_text = msgspec.structs.replace(change.new, policy="renamed")
    assert refused(conn, another_text, change.now) == "no_plan"
    assert (
        refused(conn, change.new, change.now + policy_plan.PLAN_DAYS_MAX * DAY + INSTANT)
        == "stale_plan"
    )
    first = msgspec.structs.replace(narrower, effective=change.new.effective - DAY)
    planned(conn, Change(change.known, first, change.now))
    policy_plan.apply(conn, first, change.now, "counsel")
    assert refused(conn, change.new, change.now) == "no_plan"
    again = Change(Policies([*change.known.versions, first]), other, change.now)
    planned(conn, again)
    assert (
        policy_plan.apply(conn, other, change.now + policy_plan.PLAN_DAYS_MAX * DAY, "counsel")
        == len(change.known) + 1
    )


def test_a_plan_is_stale_once_the_version_under_it_was_amended(conn: Transaction) -> None:
    change = small(conn)
    newest = change.known[len(change.known) - 1]
    first = msgspec.structs.replace(
        change.new, version="dated", decide_by=change.new.effective.date()
    )
    planned(conn, Change(change.known, first, change.now))
    policy_plan.apply(conn, first, change.now, "counsel")
    known = policy_versions.load(conn)
    assert known is not None and known[len(known) - 2] == newest
    new = msgspec.structs.replace(first, version="new", effective=first.effective + DAY)
    planned(conn, Change(known, new, change.now))
    amended = msgspec.structs.replace(first, decide_by=first.decide_by + DAY)
    planned(conn, Change(known, amended, change.now))
    assert policy_plan.apply(conn, amended, change.now, "counsel") == len(known) - 1
    assert refused(conn, new, change.now) == "no_plan"


def asking(question: str, *covers: str) -> Question:
    return Question(question=question, covers=frozenset(covers))


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"version": "old"}, "not_newer"),
        ({"effective": -10}, "not_newer"),
        ({"effective": -11}, "effective_in_the_past"),
        ({"plans": frozenset({"free", "pro", "max", "work"})}, "widens"),
        ({"questions": (asking("training", IMPROVE, SAFETY, "ads"),)}, "widens"),
        ({"questions": (asking("training", IMPROVE, SAFETY), asking("more", "ads"))}, "widens"),
        ({"questions": (asking("another", IMPROVE, SAFETY),)}, "widens"),
        ({"recipients": frozenset({"acme"})}, "widens"),
    ],
)
def test_what_cannot_be_applied_cannot_be_planned_either(
    conn: Transaction, changes: dict[str, object], because: str
) -> None:
    base = from_document(history(0, versions=3).documents[0])
    asked = (asking("training", IMPROVE, SAFETY),)
    base = msgspec.structs.replace(base, version="old", questions=asked, plans=frozenset({"free"}))
    now = base.effective + 10 * DAY + INSTANT * 5
    known = Policies([base])
    insert_versions(conn, known)
    fine = msgspec.structs.replace(base, version="new", effective=now + DAY, material=False)
    policy_plan.draw_plan(conn, known, fine, now)
    changes = dict(changes)
    if isinstance(changes.get("effective"), int):
        days = changes["effective"]
        changes["effective"] = base.effective if days == -10 else base.effective + DAY
    with pytest.raises(RefusedError) as caught:
        policy_plan.draw_plan(conn, known, msgspec.structs.replace(fine, **changes), now)
    assert caught.value.because == because
    assert refused(conn, msgspec.structs.replace(fine, **changes), now) == because
    if because == "widens":
        policy_plan.draw_plan(
            conn, known, msgspec.structs.replace(fine, material=True, **changes), now
        )

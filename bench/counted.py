"""What the counts cost and save: `python -m bench counted [ACCOUNTS ...]`.

`licet status` from the counts, beside reading each account and adding up the bodies as it did
before. Then what the triggers that keep the counts add to the verbs: turns told in batches, and
choices one by one, with the triggers beside without them, by turns. Processor time of the process
and of the database.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from bench import NAMES_LEFT_IN, NO_NAMES, Row
from bench.building import NOW, spent
from licet.config import Configuration
from licet.service import policy_changes, population_status
from licet.store.connect import transaction
from licet.vault import account_view, counts, tables, verbs
from licet.vault import commands as do
from licet.vault.content import Content, encode
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies, open_installation

TOLD = 2_000  # turns in a batch
CHOICES = 100
ROUNDS = 4
COUNTED = ("accounts", "standings", "conversations", "segments", "feedback", "policies")
# Ten turns an account, in one conversation.
PEOPLE = (
    """INSERT INTO accounts (account_id, bucket, wrapped_key, plan, age, opened_at, last_at, seen,
       granted, in_force)
       SELECT lpad(to_hex(n), 32, '0')::uuid, (SELECT min(bucket) FROM buckets), '\\x00', 'pro',
         20 + n %% 30, %(at)s, %(at)s,
              0, 1, 1 FROM generate_series(1, %(accounts)s) n""",
    """INSERT INTO standings SELECT account_id, 'training', 'granted', 0, true, 1 FROM accounts
      WHERE wrapped_key = '\\x00'""",
    """INSERT INTO conversations (account_id, conversation_id, kind, incognito, narrowed,
                                  narrowings, begun_at, deciding,
                                  deciding_grants, deciding_narrowing, deciding_stale, out_of_scope)
       SELECT account_id, account_id, 'chat', false, false, 0, %(at)s, 0, '{1}', 0, '', false
         FROM accounts WHERE wrapped_key = '\\x00'""",
    """INSERT INTO segments (account_id, conversation_id, segment, plan, surface, in_scope, version,
                             narrowed, stale, grants,
                             narrowing, origins, first_turn, last_turn, last_at, has_user,
                               keep_until, key_slot, stored_bytes)
       SELECT account_id, conversation_id, 0, 'pro', 'app', true, 0, false, '', '{1}', 0, 'typed',
         1, 10, %(at)s, true,
              %(at)s + interval '5 years', 0, 5000 FROM conversations
                WHERE account_id = conversation_id""",
    """INSERT INTO blocks (account_id, conversation_id, first_turn, segment, seq, roles, origins,
                            times, sizes, sealed)
       SELECT account_id, conversation_id, 1, 0, 1, repeat('u', 10), '',
              decode(repeat('00', 80), 'hex'), decode(repeat('000001f4', 10), 'hex'),
              convert_to(repeat('x', 5000), 'UTF8')
         FROM segments WHERE account_id = conversation_id""",
)


def main(arguments: list[str]) -> list[Row]:
    rows = [
        row for count in [int(a) for a in arguments] or [10_000, 100_000] for row in _shown(count)
    ]
    return rows + _kept()


def _house(folder: str) -> Configuration:
    return Configuration(data=Path(folder), curate=NO_NAMES)


def _shown(accounts: int) -> list[Row]:
    with (
        tempfile.TemporaryDirectory() as folder,
        open_installation(_house(folder), lambda: NOW) as installation,
    ):
        policy_changes.apply_policy(installation, NAMES_LEFT_IN, actor="bench")
        _open(installation, 1)
        with transaction(installation.pool) as tx:
            for statement in PEOPLE:
                tx.execute(statement, {"accounts": accounts, "at": NOW - timedelta(days=1)})
        with transaction(installation.pool) as tx:
            tx.execute("ANALYZE")
        population_status.status(installation)
        shown = (
            _cost(installation, lambda: [population_status.status(installation) for _ in range(10)])
            / 10
        )
        read = _cost(installation, lambda: _read_each(installation))
    what = f"status of {accounts:,} accounts and {10 * accounts:,} turns, ms, beside reading them"
    return [Row(what, f"{1e3 * shown:.1f}", f"{1e3 * read:,.0f}", f"{read / shown:,.0f}")]


def _read_each(installation: Installation) -> None:
    """The statements of `status` before there were counts."""
    known, at = load_policies(installation), installation.clock()
    with transaction(installation.pool) as tx:
        for row in tables.every_account(tx):
            account_view.account_at(row, known, at)
        tx.execute("SELECT count(*) FROM conversations")
        tx.execute("SELECT count(*) FROM turns WHERE size > 0")
        tx.execute(f"SELECT count(*) FROM ({counts._STORED}) s")


def _kept() -> list[Row]:
    with (
        tempfile.TemporaryDirectory() as folder,
        open_installation(_house(folder), lambda: NOW) as installation,
    ):
        policy_changes.apply_policy(installation, NAMES_LEFT_IN, actor="bench")
        people = _open(installation, CHOICES)
        told, chose = {True: [0.0, 0.0], False: [0.0, 0.0]}, {True: [0.0, 0.0], False: [0.0, 0.0]}
        _tell(installation, people, 99)  # warm
        for number in range(2 * ROUNDS):
            counted = number % 4 in (1, 2)
            with transaction(installation.pool) as tx:
                for table in COUNTED:
                    tx.execute(
                        f"ALTER TABLE {table} {'ENABLE' if counted else 'DISABLE'} TRIGGER USER"
                    )
            _add(
                told[counted],
                _spent(installation, lambda number=number: _tell(installation, people, number)),
            )
            for allow in (False, True):
                _add(
                    chose[counted],
                    _spent(
                        installation, lambda allow=allow: _choose(installation, people, allow=allow)
                    ),
                )
    return [
        _beside(f"{TOLD:,} turns told, us a turn, beside the same uncounted", told, ROUNDS * TOLD),
        _beside("a choice alone, us, beside the same uncounted", chose, 2 * ROUNDS * CHOICES),
    ]


def _beside(what: str, spent_by: dict[bool, list[float]], count: int) -> Row:
    counted, bare = ([1e6 * seconds / count for seconds in spent_by[one]] for one in (True, False))
    figures = [
        f"{sum(each):,.1f}, of it {each[1]:,.1f} of the database" for each in (counted, bare)
    ]
    return Row(what, *figures, f"{sum(bare) / sum(counted):.2f}")


def _open(installation: Installation, count: int) -> list[do.OpenAccount]:
    people = [
        do.OpenAccount(
            account=uuid7(NOW, os.urandom(10)), at=NOW, host=os.urandom(16), plan="pro", age=30
        )
        for _ in range(count)
    ]
    verbs.apply_commands(installation, people)
    verbs.apply_commands(
        installation, [do.Choose(account=one.account, at=NOW, allow=True) for one in people]
    )
    return people


def _tell(installation: Installation, people: list[do.OpenAccount], number: int) -> None:
    content = encode(Content(text="How do I plant a pear tree?"))
    verbs.apply_commands(
        installation,
        [
            do.AddTurn(
                account=people[turn % CHOICES].account,
                at=NOW,
                content=content,
                host_conversation=b"%08d%08d" % (number, turn // 500),
            )
            for turn in range(TOLD)
        ],
    )


def _choose(installation: Installation, people: list[do.OpenAccount], *, allow: bool) -> None:
    for one in people:
        verbs.apply_commands(installation, [do.Choose(account=one.account, at=NOW, allow=allow)])


def _cost(installation: Installation, run: Callable[[], object]) -> float:
    return sum(_spent(installation, run))


def _spent(installation: Installation, run: Callable[[], object]) -> tuple[float, float]:
    """The seconds of processors that ``run`` takes, of this process and of the database."""
    before = spent(installation)
    run()
    after = spent(installation)
    return after[0] - before[0], after[1] - before[1]


def _add(total: list[float], more: tuple[float, float]) -> None:
    total[0] += more[0]
    total[1] += more[1]

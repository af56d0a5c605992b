"""The two arms of `gdprbench`: each operation as verbs of Licet, and as statements on plain
tables.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from licet.clock import utc_now
from licet.consent import own_conversations
from licet.erasure import sweep_batches
from licet.policy.state import TurnState
from licet.store.connect import Transaction, retrying, transaction
from licet.store.writer import BatchWriter
from licet.vault import account_view, apply
from licet.vault import commands as do
from licet.vault.content import Content, encode
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies
from licet.vault.permit import Permit
from licet.vault.permit import open as open_content

SPARE_SHARE = 0.5  # of the records, to take the place of those that are deleted
TEXT_BYTES, ZIPF = 600, 0.99  # YCSB's constant
PURPOSE = "improve_models"
SETTLE_SECONDS_MAX = 60

Key = tuple[UUID, UUID]
Statement = tuple[str, list[Any]]

MAY_BE_USED = "p.allow AND NOT r.kept_out AND p.plan IN ('free', 'pro', 'max')"


def now() -> datetime:
    return utc_now()


def text(source: random.Random) -> str:
    """Words that compress as words do, and no two alike."""
    return " ".join(source.choice(_WORDS) for _ in range(TEXT_BYTES // 6))


_WORDS = [
    f"{a}{b}{c}"
    for a in ("pl", "tr", "gr", "st", "fl")
    for b in "aeiou"
    for c in ("nt", "in", "ck", "sh")
]


class Records:
    """The living records of one arm, and those that take the place of deleted ones."""

    def __init__(self, keys: Sequence[Key]) -> None:
        cut = int(len(keys) * (1 - SPARE_SHARE))
        self.accounts = sorted({account for account, _ in keys})
        self.keys, self._spare = list(keys[:cut]), itertools.cycle(keys[cut:])
        self._weights = list(itertools.accumulate(1 / rank**ZIPF for rank in range(1, cut + 1)))

    def pick(self, source: random.Random, how: str) -> int:
        if how == "uniform":
            return source.randrange(len(self.keys))
        return source.choices(range(len(self._weights)), cum_weights=self._weights)[0]

    def replace(self, place: int) -> Key:
        """The record at a place, which is to be deleted: another stands there from here on."""
        gone, self.keys[place] = self.keys[place], next(self._spare)
        return gone


class On:
    """The operations as verbs of Licet."""

    def __init__(self, installation: Installation, keys: Sequence[Key]) -> None:
        self.installation, self.records = installation, Records(keys)
        self._known = load_policies(installation)
        self._writer: BatchWriter[list[do.Command], list[do.CommandResult]] = BatchWriter(
            installation.pool, self._apply
        )

    def close(self) -> None:
        self._writer.close()

    def settle(self) -> None:
        """Waits until the log has everything."""
        end = time.monotonic() + SETTLE_SECONDS_MAX
        while time.monotonic() < end:
            with transaction(self.installation.pool) as tx:
                row = tx.execute(
                    "SELECT EXISTS (SELECT FROM outbox WHERE index IS NULL)"
                ).fetchone()
            if row == (False,):
                return
            time.sleep(0.01)
        raise AssertionError("the log did not follow")

    def _apply(
        self, tx: Transaction, items: Sequence[list[do.Command]]
    ) -> list[list[do.CommandResult]]:
        answers = iter(
            apply.apply(
                tx, self.installation.keyring, self._known, [one for item in items for one in item]
            )
        )
        return [list(itertools.islice(answers, len(item))) for item in items]

    def _tell(self, commands: list[do.Command]) -> list[do.CommandResult]:
        return self._writer.submit(commands).result() if commands else []

    def _add_turn(self, account: UUID, source: random.Random) -> do.AddTurn:
        return do.AddTurn(account=account, at=now(), content=encode(Content(text=text(source))))

    def create(self, source: random.Random, place: int) -> None:
        account = self.records.keys[place][0]
        answer = self._tell([self._add_turn(account, source)])[0]
        assert answer.outcome is do.Outcome.done, answer

    def update_data(self, source: random.Random, place: int) -> None:
        account, conversation = self.records.keys[place]
        gone = do.Delete(account=account, at=now(), conversation=conversation)
        answer = self._tell([gone, self._add_turn(account, source)])[1]
        assert answer.conversation is not None, answer
        self.records.keys[place] = (account, answer.conversation)

    def delete_key(self, source: random.Random, place: int) -> None:
        account, conversation = self.records.replace(place)
        self._tell([do.Delete(account=account, at=now(), conversation=conversation)])

    def _delete_all(self, account: UUID, where: str) -> None:
        self._tell(
            [
                do.Delete(account=account, at=now(), conversation=one)
                for one in self._ids(account, where)
            ]
        )

    def _ids(self, account: UUID, where: str) -> list[UUID]:
        with transaction(self.installation.pool) as tx:
            rows = tx.execute(
                "SELECT conversation_id FROM conversations WHERE account_id = %s AND "
                f"deleted_at IS NULL {where}",
                [account],
            ).fetchall()
        return [row[0] for row in rows]

    def delete_user(self, source: random.Random, place: int) -> None:
        self._delete_all(source.choice(self.records.accounts), "")

    def delete_purpose(self, source: random.Random, place: int) -> None:
        self._delete_all(
            source.choice(self.records.accounts), "AND deciding_grants <> '{}' AND NOT narrowed"
        )

    def delete_due(self, source: random.Random, place: int) -> None:
        def sweep() -> None:
            with transaction(self.installation.pool) as tx:
                sweep_batches.sweep_batch(tx, now())

        retrying(sweep)

    def keep_out(self, source: random.Random, place: int) -> None:
        account, conversation = self.records.keys[place]
        self._tell([_by_turns(source)(account=account, at=now(), conversation=conversation)])

    def keep_out_user(self, source: random.Random, place: int) -> None:
        account, verb = self.records.keys[place][0], _by_turns(source)
        self._tell(
            [verb(account=account, at=now(), conversation=one) for one in self._ids(account, "")]
        )

    def choose(self, source: random.Random, place: int) -> None:
        self._tell(
            [do.Choose(account=self.records.keys[place][0], at=now(), allow=source.random() < 0.5)]
        )

    def set_plan(self, source: random.Random, place: int) -> None:
        plan = source.choice(["pro", "max"])
        self._tell([do.SetPlan(account=self.records.keys[place][0], at=now(), plan=plan)])

    def read_metadata(self, source: random.Random, place: int) -> None:
        account, conversation = self.records.keys[place]
        with transaction(self.installation.pool) as tx:
            own_conversations.get(
                tx, self.installation.keyring, self._known, account, conversation, now()
            )

    def read_key(self, source: random.Random, place: int) -> int:
        account, conversation = self.records.keys[place]
        with transaction(self.installation.pool) as tx:
            return self._read(tx, account, [conversation], self._used)

    def read_purpose(self, source: random.Random, place: int) -> int:
        return self._read_all(source.choice(self.records.accounts), self._used)

    def read_user(self, source: random.Random, place: int) -> int:
        return self._read_all(self.records.keys[place][0], self._own)

    def _read_all(
        self, account: UUID, permit: Callable[[account_view.AccountView, TurnState], Permit | None]
    ) -> int:
        with transaction(self.installation.pool) as tx:
            rows = tx.execute(
                "SELECT conversation_id FROM conversations WHERE account_id = %s AND "
                "deleted_at IS NULL",
                [account],
            ).fetchall()
            return self._read(tx, account, [row[0] for row in rows], permit)

    def _read(
        self,
        tx: Transaction,
        account: UUID,
        ids: list[UUID],
        permit: Callable[[account_view.AccountView, TurnState], Permit | None],
    ) -> int:
        """Opens what ``permit`` gives a permit for; returns how many turns."""
        seen = account_view.load_views(
            tx, [(account, one) for one in ids], self._known, now(), with_turns=True
        )
        permits = [
            given
            for one in seen.values()
            for turn in one.turn_states
            if (given := permit(one, turn)) is not None
        ]
        return len(open_content(tx, self.installation.keyring, permits))

    def _used(self, seen: account_view.AccountView, turn: TurnState) -> Permit | None:
        decision = seen.decide(turn, self._known, PURPOSE)
        if not decision.use or seen.conversation.keys[turn.segment].key_slot is None:
            return None
        of = turn.segment, [turn.number]
        return Permit.from_decision(decision, seen.account, seen.conversation, *of)

    def _own(self, seen: account_view.AccountView, turn: TurnState) -> Permit | None:
        if not Permit.readable(seen.turns, turn.segment, seen.at):
            return None
        if seen.conversation.keys[turn.segment].key_slot is None:
            return None
        of = turn.segment, [turn.number]
        return Permit.to_owner(seen.account, seen.conversation, seen.turns, *of, seen.at)


def _by_turns(source: random.Random) -> type[do.Narrow | do.Widen]:
    return do.Narrow if source.random() < 0.5 else do.Widen


class Off:
    """The operations as statements on plain tables; ``batched`` says whether through the same
    writer as Licet's.
    """

    def __init__(
        self, installation: Installation, keys: Sequence[Key], schema: str, *, batched: bool
    ) -> None:
        self._pool, self._schema, self.records = installation.pool, schema, Records(keys)
        self._writer: BatchWriter[list[Statement], None] | None = (
            BatchWriter(installation.pool, self._apply) if batched else None
        )

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def settle(self) -> None:
        """Nothing is owed."""

    def _apply(self, tx: Transaction, items: Sequence[list[Statement]]) -> list[None]:
        for item in items:
            for statement, params in item:
                tx.execute(statement.replace("plain.", f"{self._schema}."), params)
        return [None] * len(items)

    def _write(self, *statements: Statement) -> None:
        if self._writer is not None:
            self._writer.submit(list(statements)).result()
            return

        def once() -> None:
            with transaction(self._pool) as tx:
                self._apply(tx, [list(statements)])

        retrying(once)

    def _rows(self, statement: str, params: list[Any]) -> list[Any]:
        with transaction(self._pool) as tx:
            return tx.execute(statement.replace("plain.", f"{self._schema}."), params).fetchall()

    def create(self, source: random.Random, place: int) -> None:
        account, at, record = self.records.keys[place][0], now(), uuid7(now(), source.randbytes(10))
        self._write(
            (
                """INSERT INTO plain.records (account_id, record_id, kept_out, surface, begun_at,
                   keep_until)
                   SELECT account_id, %s, false, 'app', %s, %s + CASE WHEN allow
                     THEN interval '5 years'
                          ELSE interval '30 days' END FROM plain.people WHERE account_id = %s""",
                [record, at, at, account],
            ),
            (
                "INSERT INTO plain.turns VALUES (%s, %s, 1, 'user', %s, %s)",
                [account, record, at, text(source)],
            ),
        )

    def update_data(self, source: random.Random, place: int) -> None:
        body, (account, record) = text(source), self.records.keys[place]
        change = (
            "UPDATE plain.turns SET body = %s, said_at = %s WHERE account_id = %s AND "
            "record_id "
            "= %s"
        )
        self._write((change, [body, now(), account, record]))

    def delete_key(self, source: random.Random, place: int) -> None:
        self._write(
            (
                "DELETE FROM plain.records WHERE account_id = %s AND record_id = %s",
                [*self.records.replace(place)],
            )
        )

    def delete_user(self, source: random.Random, place: int) -> None:
        account = source.choice(self.records.accounts)
        self._write(("DELETE FROM plain.records WHERE account_id = %s", [account]))

    def delete_purpose(self, source: random.Random, place: int) -> None:
        account = source.choice(self.records.accounts)
        delete = (
            "DELETE FROM plain.records r USING plain.people p WHERE p.account_id = "
            f"r.account_id AND {MAY_BE_USED}"
        )
        self._write((f"{delete} AND r.account_id = %s", [account]))

    def delete_due(self, source: random.Random, place: int) -> None:
        self._write(("DELETE FROM plain.records WHERE keep_until <= %s", [now()]))

    def keep_out(self, source: random.Random, place: int) -> None:
        out = _by_turns(source) is do.Narrow
        self._write(
            (f"{_KEEP_OUT} AND record_id = %s", [out, out, now(), *self.records.keys[place]])
        )

    def keep_out_user(self, source: random.Random, place: int) -> None:
        out = _by_turns(source) is do.Narrow
        self._write((_KEEP_OUT, [out, out, now(), self.records.keys[place][0]]))

    def choose(self, source: random.Random, place: int) -> None:
        account, allow = self.records.keys[place][0], source.random() < 0.5
        self._write(
            (
                "UPDATE plain.people SET allow = %s WHERE account_id = %s AND allow <> %s",
                [allow, account, allow],
            ),
            (
                """UPDATE plain.records SET keep_until = least(keep_until, %s + interval '30 days')
                    WHERE account_id = %s AND NOT %s AND keep_until > %s + interval '30 days'""",
                [now(), account, allow, now()],
            ),
        )

    def set_plan(self, source: random.Random, place: int) -> None:
        plan = source.choice(["pro", "max"])
        self._write(
            (
                "UPDATE plain.people SET plan = %s WHERE account_id = %s",
                [plan, self.records.keys[place][0]],
            )
        )

    def read_metadata(self, source: random.Random, place: int) -> None:
        self._rows(
            """SELECT p.plan, p.age, p.allow, r.* FROM plain.records r
                JOIN plain.people p USING (account_id)
                WHERE account_id = %s AND record_id = %s""",
            [*self.records.keys[place]],
        )

    def read_key(self, source: random.Random, place: int) -> int:
        return len(
            self._rows(
                f"{_READ} AND {MAY_BE_USED} AND r.record_id = %s", [*self.records.keys[place]]
            )
        )

    def read_purpose(self, source: random.Random, place: int) -> int:
        return len(self._rows(f"{_READ} AND {MAY_BE_USED}", [source.choice(self.records.accounts)]))

    def read_user(self, source: random.Random, place: int) -> int:
        return len(self._rows(_READ, [self.records.keys[place][0]]))


_READ = """SELECT t.* FROM plain.records r JOIN plain.people p USING (account_id)
             JOIN plain.turns t USING (account_id, record_id) WHERE r.account_id = %s
               AND r.keep_until > now()"""
_KEEP_OUT = """UPDATE plain.records SET kept_out = %s, keep_until = CASE WHEN %s
                 THEN least(keep_until, %s + interval '30 days') ELSE keep_until END
                   WHERE account_id = %s"""

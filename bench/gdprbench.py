"""The price of compliance: GDPRBench's mixes on Licet's verbs, beside the same operations on plain
tables.

The controller's, customer's and processor's mixes of GDPRBench (Shastri, Banakar, Wasserman, Kumar
and Chidambaram, "Understanding and Benchmarking the Impact of GDPR on Database Systems", PVLDB
13(7), 2020), re-implemented: the operations are the paper's and so are the weights; the
configuration that its authors published has the same for controller and customer, and the
processor's the other way round (reads by key 20, by metadata 80). A record is a conversation of one
turn; its key is the conversation, its user the account, its purpose and objections the choice and
what is kept out, its time to live `keep_until`.

- create: a turn in a new conversation. Delete by key, by user, by purpose: each conversation
  concerned is deleted; by time to live: a batch of the sweep
- update metadata: by key, and by purpose over a user's records, kept out and let in by turns; by
  user: the choice, which dates all records anew; by whom it is shared with: Licet shares with
  nobody, so the plan, which decides the scope
- update data: content is never overwritten, so the record is deleted and said again, in one
  transaction
- read data by key, for the processor: decided for a purpose, and opened where that permits it; by
  purpose, objection or
  decision: the same over a user's records; by user: opened for that person. Read metadata: the
  answer that a person sees

On: sealed, decided, journalled and told to the log, which another process signs meanwhile, and
which has all of it before the time is over. Off: the same rows in plain tables of the same server
with the same fsync, no keys, no decision, no journal, no log; a deletion there is a DELETE. 32
clients are threads of one process in both. A round on is followed by one off with as many
operations of each client. Off is run twice: each operation a transaction, as clients of a database
do and as the benchmark's do; and through the same batched writer as Licet's, the stricter floor.
The goal is 0.70. Before the rounds of a mix each arm plays as long as they take, which does not
count: on a connection's first executions of a statement the server plans it anew, and there are
sixteen connections; Licet's statements, which are longer, cost more of that; a service pays it
once. What a deletion owes later (its keys destroyed, its certificate signed) has a row of its own.

    python -m bench gdprbench [ACCOUNTS] [SECONDS] [MIX]
"""

from __future__ import annotations

import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from bench import Row
from bench._gdpr_arms import Key, Off, On, now, text
from bench.building import spent
from licet.config import Configuration
from licet.erasure import certificates
from licet.policy.file import preset
from licet.proof import documents
from licet.service import policy_changes
from licet.store.connect import transaction
from licet.vault import commands as do
from licet.vault import verbs
from licet.vault.content import Content, encode
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies, open_installation

CLIENTS, ROUNDS, GOAL = 32, 6, 0.70
ACCOUNTS, SECONDS, RECORDS = 2_000, 6.0, 10
EXPIRING_SHARE, EXPIRING_SECONDS = 0.3, 120
CERTIFIED = 200
DAY = timedelta(days=1)

# The weights of the core workloads, in percent; the names of one operation are its alternatives,
# equally often.
MIXES: dict[str, tuple[str, dict[tuple[str, ...], int]]] = {
    "customer": (
        "zipf",
        {
            ("read_user",): 20, ("read_metadata",): 20, ("update_data",): 20, ("keep_out",): 20, ("delete_key",): 20,
        },
    ),
    "processor": ("zipf", {("read_key",): 80, ("read_purpose",): 20}),
    "controller": (
        "uniform",
        {
            ("create",): 25, ("delete_purpose", "delete_due", "delete_user"): 25,
            ("keep_out_user", "choose", "set_plan"): 50,
        },
    ),
}  # fmt: skip

SCHEMAS = ("plain", "plain_batched")  # each arm changes rows of its own
PLAIN = """
    CREATE SCHEMA plain;
    CREATE TABLE plain.people (account_id uuid PRIMARY KEY, plan text NOT NULL, age int2, allow boolean NOT NULL);
    CREATE TABLE plain.records (account_id uuid NOT NULL REFERENCES plain.people, record_id uuid NOT NULL,
        kept_out boolean NOT NULL, surface text NOT NULL, begun_at timestamptz NOT NULL, keep_until timestamptz NOT NULL,
        PRIMARY KEY (account_id, record_id));
    CREATE INDEX ON plain.records (keep_until);
    CREATE TABLE plain.turns (account_id uuid NOT NULL, record_id uuid NOT NULL, turn int4 NOT NULL, role text NOT NULL,
        said_at timestamptz NOT NULL, body text NOT NULL, PRIMARY KEY (account_id, record_id, turn),
        FOREIGN KEY (account_id, record_id) REFERENCES plain.records ON DELETE CASCADE)"""
FILL = """
    INSERT INTO plain.people SELECT account_id, plan, age, in_force > 0 FROM accounts;
    INSERT INTO plain.records SELECT account_id, conversation_id, false, surface, begun_at,
      keep_until
      FROM conversations JOIN segments USING (account_id, conversation_id)"""


# The run


def main(arguments: list[str]) -> list[Row]:
    """Operations a second of each mix, on and off."""
    accounts = int(arguments[0]) if arguments else ACCOUNTS
    seconds = float(arguments[1]) if len(arguments) > 1 else SECONDS
    mixes = arguments[2:] or list(MIXES)
    with tempfile.TemporaryDirectory(prefix="licet-gdprbench-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        with open_installation(Configuration(data=data)) as installation:
            policy_changes.apply_policy(installation, preset("article-2025"), actor="bench")
            keys = build(installation, accounts)
            documents.append(installation)
            arms: dict[str, On | Off] = {
                "on": On(installation, keys),
                "plain tables": Off(installation, keys, SCHEMAS[0], batched=False),
                "plain tables, batched": Off(installation, keys, SCHEMAS[1], batched=True),
            }
            agree(list(arms.values()))
            with following(data):
                rows = [row for mix in mixes for row in measure(installation, mix, arms, seconds)]
            for arm in arms.values():
                arm.close()
            return [*rows, certified(installation)]


def agree(arms: Sequence[On | Off]) -> None:
    """Before anything is changed every arm reads as many turns as every other, of the same
    records.
    """

    def read(arm: On | Off, operation: str, places: Sequence[int]) -> list[int]:
        return [getattr(arm, operation)(random.Random(place), place) for place in places]

    places = range(min(200, len(arms[0].records.keys)))
    by_key = read(arms[0], "read_key", places)
    # of the others' records some expire meanwhile
    granted = [place for place in places if by_key[place]]
    assert granted
    for operation, asked in (
        ("read_key", places),
        ("read_purpose", places),
        ("read_user", granted),
    ):
        first, *others = [read(arm, operation, asked) for arm in arms]
        assert all(other == first for other in others), f"the arms differ in `{operation}`"


def measure(
    installation: Installation, mix: str, arms: dict[str, On | Off], seconds: float
) -> Iterator[Row]:
    """The rows of one mix: rounds on and off by turns, so that what else the machine does falls on
    all.
    """
    for arm in arms.values():
        play(arm, mix, ROUNDS, seconds=seconds)
    done, clock, processors = 0, dict.fromkeys(arms, 0.0), dict.fromkeys(arms, (0.0, 0.0))
    for number in range(ROUNDS):
        counts: list[int] | None = None
        for name, arm in arms.items():  # "on" first: it says how much the others do
            before, begun = spent(installation), time.perf_counter()
            counts = play(arm, mix, number, seconds=seconds / ROUNDS, counts=counts)
            clock[name] += time.perf_counter() - begun
            process, server = (
                total + now - then
                for total, now, then in zip(
                    processors[name], spent(installation), before, strict=True
                )
            )
            processors[name] = process, server
        done += sum(counts or ())
    for name in list(arms)[1:]:
        on, floor = done / clock["on"], done / clock[name]
        what = (
            f"{mix}: {done:,} operations, {CLIENTS} clients, a second, beside {name} (goal: at "
            f"least {GOAL:.2f})"
        )
        yield Row(what, f"{on:,.0f}", f"{floor:,.0f}", f"{on / floor:.2f}")
    for which, whose in enumerate(("the clients' process", "the database")):
        on, floor = (processors[name][which] / done * 1e6 for name in list(arms)[:2])
        yield Row(
            f"  CPU of {whose}, us an operation", f"{on:,.0f}", f"{floor:,.0f}", f"{floor / on:.2f}"
        )


def play(
    arm: On | Off, mix: str, number: int, *, seconds: float = 0, counts: Sequence[int] | None = None
) -> list[int]:
    """One round: for so many seconds, or so many operations a client; returns how many each client
    did.
    """
    how, weights = MIXES[mix]
    played, failed = [0] * CLIENTS, list[BaseException]()
    begun = time.perf_counter()

    def client(which: int) -> None:
        # the same order in every arm
        order, source = random.Random(f"{mix} {number} {which}"), random.Random(which)
        clock = time.perf_counter
        try:
            while (
                played[which] < counts[which] if counts is not None else clock() - begun < seconds
            ):
                operation = order.choice(order.choices(list(weights), list(weights.values()))[0])
                getattr(arm, operation)(source, arm.records.pick(order, how))
                played[which] += 1
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=client, args=(which,)) for which in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    arm.settle()
    return played


@contextmanager
def following(data: Path) -> Iterator[None]:
    """The log, written by a process of its own, as it would be."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    child = context.Process(target=_follow, args=(data, stop))
    child.start()
    try:
        yield
    finally:
        stop.set()
        child.join()


def _follow(data: Path, stop: Any) -> None:
    with (
        open_installation(Configuration(data=data)) as installation,
        documents.open_sequencer(installation) as sequencing,
    ):
        while not stop.is_set():
            if sequencing.run_once() < 100:
                time.sleep(0.02)


def certified(installation: Installation) -> Row:
    """Some of the deletions, shredded before their time, read back and certified."""
    with transaction(installation.pool) as tx:
        rows = tx.execute(
            "SELECT erasure_id FROM erasures WHERE state <> 'verified' ORDER BY erasure_id "
            "DESC LIMIT %s",
            [CERTIFIED],
        ).fetchall()
    begun = time.perf_counter()
    signed = sum(
        certificates.advance_erasures(
            installation, only=f"era_{row[0].hex}", at_once=True
        ).certificates
        for row in rows
    )
    spent = time.perf_counter() - begun
    return Row(
        f"deletions shredded, read back and certified afterwards, one by one, a second ({signed})",
        f"{signed / spent:,.0f}",
    )


# The population


def build(installation: Installation, accounts: int) -> list[Key]:
    """Two thirds said yes; a part of the others' records expires while the bench runs. The same
    rows in both schemas.
    """
    source, start = random.Random(1), now()
    people = [uuid7(start, source.randbytes(10)) for _ in range(accounts)]
    replay = partial(
        verbs.replay, installation.pool, installation.keyring, load_policies(installation)
    )
    for first in range(0, accounts, 500):
        some = people[first : first + 500]
        opened = start - 45 * DAY
        replay(
            [
                do.OpenAccount(account=one, at=opened, host=one.bytes, plan="pro", age=30)
                for one in some
            ]
        )
        choices = [
            do.Choose(account=one, at=opened, allow=place % 3 > 0) for place, one in enumerate(some)
        ]
        replay(choices)
        says = [
            do.AddTurn(account=one, at=at, content=encode(Content(text=text(source))))
            for place, one in enumerate(some)
            for at in sorted(_said_at(source, start, short=place % 3 == 0) for _ in range(RECORDS))
        ]
        for part in range(0, len(says), 1_000):
            replay(says[part : part + 1_000])
    with transaction(installation.pool) as tx:
        keys = tx.execute(
            "SELECT account_id, conversation_id FROM conversations ORDER BY 1, 2"
        ).fetchall()
        for schema in SCHEMAS:
            for statement in (PLAIN, FILL):
                tx.execute(
                    statement.replace("SCHEMA plain", f"SCHEMA {schema}").replace(
                        "plain.", f"{schema}."
                    )
                )
            with tx.cursor().copy(f"COPY {schema}.turns FROM STDIN") as copy:
                for account, record in keys:
                    copy.write_row([account, record, 1, "user", start, text(source)])
    with installation.pool.connection() as conn:
        conn.autocommit = True
        conn.execute("VACUUM (ANALYZE)")
        conn.autocommit = False
    source.shuffle(keys)
    return [(account, record) for account, record in keys]


def _said_at(source: random.Random, start: datetime, *, short: bool) -> datetime:
    if short and source.random() < EXPIRING_SHARE:
        return start - 30 * DAY + timedelta(seconds=source.uniform(15, 15 + EXPIRING_SECONDS))
    return start - source.uniform(1, 20) * DAY

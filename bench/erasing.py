"""Deleting a person with 10,000 messages: how soon nothing can be read, and how soon the
certificate is signed.

The floor of the first is one empty durable transaction with one journal fsync beside it; of the
second, one plain DELETE of the same bodies. Goals: unreadable within 100 ms, certified within 60 s.

    python -m bench erasing [MESSAGES]
"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from bench import Row
from licet.config import Configuration
from licet.erasure import certificates
from licet.keys.restriction_journal import Journal, Restriction, RestrictionKind
from licet.policy.file import preset
from licet.policy.state import TurnRole
from licet.proof import documents
from licet.service import policy_changes
from licet.store import embedded
from licet.store.connect import transaction
from licet.vault import commands as do
from licet.vault import verbs
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac, uuid7
from licet.vault.installation import Installation, load_host_key, open_installation

MESSAGES, CHATS, TURN_BYTES = 10_000, 200, 600
AT = datetime(2025, 9, 1, tzinfo=UTC)


def main(arguments: list[str]) -> list[Row]:
    messages = int(arguments[0]) if arguments else MESSAGES
    with tempfile.TemporaryDirectory(prefix="licet-erasing-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        with open_installation(Configuration(data=data), lambda: AT) as installation:
            policy_changes.apply_policy(installation, preset("article-2025"), actor="bench")
            account = _person(installation, messages)
            floor = _floor(installation, data)
            began = time.perf_counter()
            verbs.apply_commands(installation, [do.CloseAccount(account=account, at=AT)])
            unreadable = time.perf_counter() - began
            plain = _plain_delete(installation, account)
            began = time.perf_counter()
            certificates.advance_erasures(installation, at_once=True)
            # as `licet serve` does by itself: a closure's certificate waits for its leaves
            documents.append(installation)
            ran = certificates.advance_erasures(installation)
            certified = time.perf_counter() - began
            assert ran.certificates == 1
        embedded.stop(data / "postgres")
    return [
        Row(
            f"deleting a person with {messages:,} messages, until unreadable, beside a commit and "
            "a journal fsync"
            " (goal: under 100 ms)",
            f"{unreadable * 1000:.1f} ms",
            f"{floor * 1000:.1f} ms",
            f"{unreadable / floor:.1f}",
        ),
        Row(
            "the same, until the certificate is signed, beside a DELETE of the bodies "
            "(goal: under 60 s)",
            f"{certified:.2f} s",
            f"{plain:.3f} s",
            f"{certified / plain:.1f}",
        ),
    ]


def _floor(installation: Installation, folder: Path) -> float:
    """The least that is durable twice: a committed row and a record, fsynced."""
    journal = Journal(folder / "floor", key=bytes(32))
    times = []
    for n in range(20):
        began = time.perf_counter()
        with transaction(installation.pool) as tx:
            tx.execute("INSERT INTO used_tokens VALUES (sha256(%s::text::bytea), %s)", [str(n), AT])
        journal.append([Restriction(life=0, kind=RestrictionKind.closed, at=AT)])
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


def _plain_delete(installation: Installation, account: UUID) -> float:
    """The blocks deleted by one statement, and brought back."""
    with installation.pool.connection() as tx:
        began = time.perf_counter()
        tx.execute("DELETE FROM blocks WHERE account_id = %s", [account])
        took = time.perf_counter() - began
        tx.rollback()
    return took


def _person(installation: Installation, messages: int) -> UUID:
    key = load_host_key(installation)
    account = uuid7(AT, installation.keyring.random(10))
    verbs.apply_commands(
        installation,
        [
            do.OpenAccount(
                account=account, at=AT, host=host_hmac(key, "account", "ana"), plan="pro", age=30
            )
        ],
    )
    verbs.apply_commands(installation, [do.Choose(account=account, at=AT, allow=True)])
    words = encode(Content(text="w" * TURN_BYTES))
    says = [
        do.AddTurn(
            account=account,
            at=AT,
            host_conversation=host_hmac(key, "conversation", str(n % CHATS)),
            host_turn=host_hmac(key, "turn", str(n)),
            role=TurnRole.user if n // CHATS % 2 == 0 else TurnRole.assistant,
            content=words,
        )
        for n in range(messages)
    ]
    for start in range(0, len(says), 1_000):
        verbs.apply_commands(installation, says[start : start + 1_000])
    return account

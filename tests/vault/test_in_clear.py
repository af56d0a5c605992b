"""What people say is nowhere in clear: not in a table, a data file, the WAL, a log, an error or a
`repr`.

One sentence is planted in every place where a string from outside comes in. The search is trusted
only after it has found a control sentence that was written in clear in each kind of place.
"""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from licet.erasure import sweep_batches
from licet.erasure.key_rotation import Rotation, rotate
from licet.errors import LicetError, UsageError
from licet.keys.keyring import Keyring
from licet.keys.material import KEY_BYTES, FileProvider
from licet.policy.state import Share, TurnRole
from licet.store import embedded
from licet.store.connect import Pool, Transaction, open_pool, transaction
from licet.store.migrate import migrate
from licet.vault import commands as do
from licet.vault.account_keys import mark_spent
from licet.vault.content import Content, ToolCall, encode
from licet.vault.ids import host_hmac
from licet.vault.permit import open as open_permits

from .model import new_account
from .town import OPENED, SAID, Town

PLANTED = "seven herons wait at the weir for grandmother"
CONTROL = "the control sentence that everybody may read"


def needles(sentence: str) -> list[bytes]:
    """The sentence as bytes may carry it: plain, wide, hexadecimal, and base64 at each of its three
    offsets.
    """
    plain = sentence.encode()
    shifted = [base64.b64encode(b"\0" * n + plain)[4 if n else 0 : -4] for n in range(3)]
    return [
        plain,
        sentence.encode("utf-16-le"),
        plain.hex().encode(),
        plain.hex().upper().encode(),
        *shifted,
    ]


def found(haystack: bytes, sentence: str) -> bool:
    return any(needle in haystack for needle in needles(sentence))


def dump(tx: Transaction) -> dict[str, bytes]:
    """Every table as COPY writes it, as text and as binary."""
    tables = [
        row[0]
        for row in tx.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()
    ]
    dumped = {}
    for table in tables:
        for form in ("text", "binary"):
            with (
                tx.cursor() as cursor,
                cursor.copy(f"COPY {table} TO STDOUT (FORMAT {form})") as copy,
            ):
                dumped[f"{table} as {form}"] = b"".join(bytes(block) for block in copy)
    return dumped


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def cluster(tmp_path: Path, fast: embedded.Options) -> Iterator[tuple[Path, Pool]]:
    """A server of the test's own, whose every file may be read."""
    folder = tmp_path / "postgres"
    with embedded.running(folder, fast) as dsn:
        with psycopg.connect(dsn) as conn:
            migrate(conn)
        with open_pool(dsn) as pool:
            yield folder, pool


def plant(town: Town) -> None:
    """The sentence in every string that a host can give, and each copy that the vault makes of
    it.
    """
    key = town.keyring.host_key(town.tx)
    ana = town.account()
    town.take(do.Choose(account=ana, at=SAID, allow=True, via="notice", evidence=PLANTED))
    call = ToolCall(id=PLANTED, name=PLANTED, arguments=f'{{"q": "{PLANTED}"}}')
    content = Content(
        text=PLANTED * 3,
        tool_calls=(call,),
        tool_call_id=PLANTED,
        tool_name=PLANTED,
        thread=PLANTED,
        attachments=(PLANTED,),
        model=PLANTED,
        folder=PLANTED,
        branch=PLANTED,
    )
    for role in (TurnRole.user, TurnRole.assistant, TurnRole.tool):
        said = town.say(
            ana,
            turn=role.value,
            role=role,
            content=encode(content),
            title=encode(Content(text=PLANTED)),
            host_conversation=host_hmac(key, "conversation", PLANTED),
            host_turn=host_hmac(key, role.value, PLANTED),
        )
    for share in (Share.conversation, Share.reply):
        town.give(
            said,
            share=share,
            comment=encode(Content(text=PLANTED)),
            host=host_hmac(key, share.value, PLANTED),
        )
    town.about(said, do.Hold, matter=PLANTED)
    town.about(said, do.Flag, score=0.5)
    assert len(town.tx.execute("SELECT FROM safety_bodies").fetchall()) == 3
    assert len(town.tx.execute("SELECT FROM feedback_bodies").fetchall()) == 4 + 2
    (opened_turn,) = open_permits(town.tx, town.keyring, [town.permit(said, "safety_classifiers")])
    assert opened_turn.contents[0].text == PLANTED * 3


def refused(pool: Pool) -> str:
    """What errors say of commands that hold the sentence and cannot be done."""
    said = []
    account = do.OpenAccount(
        account=new_account(OPENED), at=OPENED, host=b"h" * 16, plan=PLANTED, age=30
    )
    hold = do.Hold(
        account=new_account(OPENED),
        at=OPENED,
        conversation=new_account(OPENED),
        matter=PLANTED + "\ud800",
    )
    choose = do.Choose(account=new_account(OPENED), at=OPENED, allow=True, via=PLANTED)
    for command in (account, hold, choose):
        with pytest.raises(UsageError) as caught:
            do.check(command)
        said.append(f"{caught.value!r} {caught.value}")
    with pytest.raises(LicetError) as unfit, transaction(pool) as tx:
        # A value that the tables refuse: the server's own message quotes it.
        tx.execute("UPDATE accounts SET plan = %s", [PLANTED])
    said.append(f"{unfit.value!r} {unfit.value} {unfit.value.__cause__!r}")
    assert unfit.value.__suppress_context__
    with pytest.raises(UsageError) as broken:
        encode(Content(text=PLANTED + "\ud800"))
    said.append(f"{broken.value!r} {broken.value.__cause__!r}")
    return "\n".join(said)


def test_nothing_planted_is_in_any_table_file_wal_or_log(
    cluster: tuple[Path, Pool], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    folder, pool = cluster
    keyring = Keyring(FileProvider(tmp_path / "keys"))
    with transaction(pool) as tx:
        plant(Town(tx, keyring))
    errors = refused(pool)
    with transaction(pool) as tx:
        tx.execute(
            "INSERT INTO outbox (entry, occurred_at, payload) VALUES ('control', now(), %s)",
            [CONTROL],
        )
        tx.execute("INSERT INTO secrets (name, wrapped) VALUES ('control', %s)", [CONTROL.encode()])
        tx.execute(f"DO $$ BEGIN RAISE LOG '{CONTROL}'; END $$")
        sweep_batches.sweep_batch(tx, SAID)
    with pool.connection() as conn:
        conn.autocommit = True
        conn.execute("CHECKPOINT")
        conn.autocommit = False
    with transaction(pool) as tx:
        tables = dump(tx)
    on_disk = files(folder)

    assert {name for name in tables if found(tables[name], CONTROL)} == {
        "outbox as text",
        "outbox as binary",
        "secrets as text",
        "secrets as binary",
    }
    kinds = {name: found(data, CONTROL) for name, data in on_disk.items()}
    assert any(hit for name, hit in kinds.items() if "/base/" in f"/{name}"), (
        "the search must see data files"
    )
    assert any(hit for name, hit in kinds.items() if "pg_wal" in name), (
        "the search must see the WAL"
    )
    assert any(
        hit for name, hit in kinds.items() if name.endswith(".log") or "log" in Path(name).name
    ), "and the log"
    assert found(CONTROL.encode(), CONTROL)

    assert [name for name, data in tables.items() if found(data, PLANTED)] == []
    assert [name for name, data in on_disk.items() if found(data, PLANTED)] == []
    assert [name for name, data in files(tmp_path / "keys").items() if found(data, PLANTED)] == []
    assert PLANTED not in caplog.text
    assert PLANTED not in errors


def test_no_key_is_in_any_table_or_file_in_clear(
    cluster: tuple[Path, Pool], tmp_path: Path
) -> None:
    folder, pool = cluster
    made: list[bytes] = []

    def random(size: int) -> bytes:
        drawn = os.urandom(size)
        if size == KEY_BYTES:
            made.append(drawn)
        return drawn

    keyring = Keyring(FileProvider(tmp_path / "keys", random), random)
    with transaction(pool) as tx:
        plant(Town(tx, keyring))
        mark_spent(
            tx,
            {
                account: True
                for (account,) in tx.execute("SELECT account_id FROM accounts").fetchall()
            },
        )
    # epoch, host ids, bucket, an account's two, segment, safety copy, two feedbacks
    assert len(made) == 9
    rotate(pool, keyring, Rotation.daily, lambda: SAID)
    with pool.connection() as conn:
        conn.autocommit = True
        conn.execute("CHECKPOINT")
        conn.autocommit = False
    everything = b"\0".join(files(folder).values())
    assert len(made) == 12  # and of the rotation: epoch, bucket, the account's
    assert [key for key in made if key in everything or key.hex().encode() in everything] == []
    assert any(key in b"\0".join(files(tmp_path / "keys").values()) for key in made), (
        "the epoch's key is in its file"
    )


def test_what_holds_content_or_a_key_masks_its_repr() -> None:
    account = new_account(OPENED)
    content = Content(
        text=PLANTED, tool_calls=(ToolCall(id=PLANTED, name=PLANTED, arguments=PLANTED),)
    )
    envelope = encode(content)
    values = [
        content,
        content.tool_calls[0],
        do.AddTurn(account=account, at=SAID, content=envelope, title=envelope),
        do.Choose(account=account, at=SAID, allow=True, evidence=PLANTED),
        do.Hold(account=account, at=SAID, conversation=account, matter=PLANTED),
        do.Unhold(account=account, at=SAID, conversation=account, matter=PLANTED),
        do.GiveFeedback(
            account=account,
            at=SAID,
            conversation=account,
            rating="up",
            share=Share.rating,
            comment=envelope,
        ),
    ]
    for value in values:
        # rich asks `__rich_repr__`, which every msgspec struct has, when it shows the locals of a
        # traceback.
        shown = f"{value!r} {value} {[value]} {list(value.__rich_repr__())}"
        assert PLANTED not in shown
        assert repr(envelope[1:20])[2:-1] not in shown


def test_equal_words_seal_to_other_bytes_each_time(conn: Transaction, keyring: Keyring) -> None:
    town = Town(conn, keyring)
    ana = town.account()
    town.say(ana, turn="t1", text=PLANTED)
    town.say(ana, turn="t2", text=PLANTED)
    town.say(ana, chat="other", text=PLANTED)
    sealed = [bytes(row[0]) for row in conn.execute("SELECT sealed FROM blocks").fetchall()]
    assert len({s[:12] for s in sealed}) == len({s[12:] for s in sealed}) == 3

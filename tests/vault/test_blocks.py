"""Blocks: what is packed unpacks to itself, in Python and in the view; the bytes are pinned; a
sealed value opens as nothing but its own block.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licet.errors import BrokenError
from licet.keys.keyring import Keyring
from licet.keys.material import KeyMaterial, seal, unseal
from licet.policy.state import TurnRole
from licet.store.connect import Transaction
from licet.vault import account_view, blocks
from licet.vault import commands as do
from licet.vault.blocks import PendingBlock, StoredBlock

from .town import Town, hashed, words

ACCOUNT, CONVERSATION = UUID(int=1), UUID(int=2)
AT = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
ORIGINS = ("typed", "upload", "assistant", "tool", "system", "a.b_c-9")


class Said(NamedTuple):
    role: TurnRole
    origin: str
    at: datetime
    host: bytes | None
    content: bytes | None
    gap: int  # between the account's numbers of the turn before and of this one


said = st.builds(
    Said,
    st.sampled_from(TurnRole),
    st.sampled_from(ORIGINS),
    st.integers(0, 2**52).map(blocks.unpack_time),
    st.none() | st.binary(min_size=16, max_size=16).filter(any),
    st.none() | st.binary(min_size=1, max_size=40),
    st.integers(0, 3),
)


def block(turns: Sequence[Said], first: int = 1, title: bytes | None = None) -> PendingBlock:
    made = PendingBlock(ACCOUNT, CONVERSATION, 3 * (first > 1), 0 if title else first, 7)
    if any(turn.content for turn in turns) or title:
        made.key = KeyMaterial(bytes(32))
    if title is not None:
        made.add_title(7, turns[0].at, title)
    seq = 7
    for n, turn in enumerate(turns):
        seq += turn.gap + 1 if n else 0
        made.add(seq, turn.role, turn.origin, turn.at, turn.host, turn.content)
    return made


def columns(made: PendingBlock) -> dict[str, Any]:
    return dict(zip(blocks.COLUMNS, made.row(b"sealed" if made.key else None), strict=True))


def unpacked(row: dict[str, Any]) -> list[blocks.UnpackedTurn]:
    return list(
        blocks.unpack(*(row[name.removeprefix("b.")] for name in blocks.PACKED.split(", ")))
    )


@given(st.lists(said, min_size=1, max_size=9), st.none() | st.binary(min_size=1, max_size=9))
def test_what_is_packed_unpacks_to_itself(turns: list[Said], title: bytes | None) -> None:
    made = block(turns, title=title)
    row = columns(made)
    found = unpacked(row)
    if title is not None:
        assert (found[0].number, found[0].size) == (blocks.TITLE, len(title))
        found = found[1:]
    assert [(t.number, t.segment) for t in found] == [(n, 0) for n in range(1, len(turns) + 1)]
    assert [(t.role, t.origin, t.at, t.size) for t in found] == [
        (t.role, t.origin, t.at, len(t.content or b"")) for t in turns
    ]
    hosts = dict(blocks.hosts_within(row["first_turn"], row["hosts"] or b""))
    assert hosts == {t.host: n for n, t in enumerate(turns, 1) if t.host is not None}
    if made.key is not None:
        envelopes = blocks.envelopes(row["first_turn"], row["sizes"], made.content())
        expected = {n: t.content for n, t in enumerate(turns, 1) if t.content}
        assert envelopes == (expected if title is None else {blocks.TITLE: title, **expected})


@given(
    st.lists(said, min_size=2, max_size=9),
    st.none() | st.binary(min_size=1, max_size=9),
    st.sets(st.integers(1, 8)),
)
def test_blocks_that_are_joined_are_as_if_their_turns_had_arrived_together(
    turns: list[Said], title: bytes | None, cuts: set[int]
) -> None:
    whole = block(turns, title=title)
    numbers = list(accumulate((turn.gap + 1 for turn in turns[1:]), initial=7))
    edges = [0, *sorted(cut for cut in cuts if cut < len(turns)), len(turns)]
    stored, opened = [], []
    for begin, end in pairwise(edges):
        made = PendingBlock(ACCOUNT, CONVERSATION, 0, begin + 1, numbers[begin])
        if begin == 0 and title is not None:
            made.first_turn = 0
            made.add_title(7, turns[0].at, title)
        for seq, turn in zip(numbers[begin:end], turns[begin:end], strict=True):
            made.add(seq, turn.role, turn.origin, turn.at, turn.host, turn.content)
        if any(turn.content for turn in turns[begin:end]) or (begin == 0 and title is not None):
            made.key = KeyMaterial(bytes(32))
            opened.append(made.content())
        row = columns(made)
        stored.append(StoredBlock(*(row[name] for name in StoredBlock._fields)))
    joined = blocks.join_blocks(ACCOUNT, CONVERSATION, 0, stored, opened, KeyMaterial(bytes(32)))
    assert columns(joined) == columns(whole)
    assert joined.content() == whole.content()


COUNTED = (
    "account_id, conversation_id, segment, turn, seq, role, origin, occurred_at, host_hmac, size"
)


def test_the_view_of_turns_shows_what_was_packed(conn: Transaction) -> None:
    conn.execute("SET LOCAL session_replication_role = replica")  # without an account
    turns = [
        Said(TurnRole.user, "typed", AT, hashed("a"), b"one", 0),
        Said(TurnRole.assistant, "assistant", AT + timedelta(days=1), None, None, 0),
        Said(TurnRole.tool, "tool", AT + timedelta(days=2), hashed("c"), b"three", 4),
        Said(TurnRole.system, "system", AT + timedelta(days=80_000), None, b"four!", 0),
    ]
    for made in (
        block(turns, title=b"title"),
        block(turns[:2], first=5),
        block([turns[0]._replace(origin="upload"), *turns[1:2]], first=7),
        block([turns[1]], first=9),
    ):
        marks = ", ".join("%s" for _ in blocks.COLUMNS)
        conn.execute(
            f"INSERT INTO blocks ({', '.join(blocks.COLUMNS)}) VALUES ({marks})",
            made.row(b"x" if made.key else None),
        )
    rows = conn.execute(f"SELECT {COUNTED} FROM turns ORDER BY turn").fetchall()
    first = [
        (0, 1, 7, "user", "typed", AT, hashed("a"), 3),
        (0, 2, 8, "assistant", "assistant", AT + timedelta(days=1), None, None),
        (0, 3, 13, "tool", "tool", AT + timedelta(days=2), hashed("c"), 5),
        (0, 4, 14, "system", "system", AT + timedelta(days=80_000), None, 5),
    ]
    assert rows == [
        (ACCOUNT, CONVERSATION, *row)
        for row in (
            *first,
            (3, 5, 7, "user", "typed", AT, hashed("a"), 3),
            (3, 6, 8, "assistant", "assistant", AT + timedelta(days=1), None, None),
            (3, 7, 7, "user", "upload", AT, hashed("a"), 3),
            (3, 8, 8, "assistant", "assistant", AT + timedelta(days=1), None, None),
            (3, 9, 7, "assistant", "assistant", AT + timedelta(days=1), None, None),
        )
    ]


def test_the_bytes_are_pinned() -> None:
    """A block that was written once is read for ever: another encoding is another table."""
    turns = [
        Said(TurnRole.user, "upload", AT, bytes(range(16)), b"ab", 0),
        Said(TurnRole.tool, "tool", AT, None, None, 2),
        Said(TurnRole.system, "system", AT + timedelta(seconds=1), None, b"c", 0),
        Said(TurnRole.assistant, "assistant", AT + timedelta(seconds=1), None, b"d", 0),
    ]
    row = columns(block(turns, title=b"title"))
    pinned = {
        "account_id": ACCOUNT,
        "conversation_id": CONVERSATION,
        "first_turn": 0,
        "segment": 0,
        "seq": 7,
        "seqs": "00000000" + "00000000" + "00000003" + "00000004" + "00000005",
        "roles": "hutsa",
        "origins": "typed,upload,tool,system,assistant",
        "times": "00064bf535af1001" * 3 + "00064bf535be5241" * 2,
        "hosts": "00" * 16 + "000102030405060708090a0b0c0d0e0f" + "00" * 48,
        "sizes": "00000005" + "00000002" + "00000000" + "00000001" + "00000001",
        "sealed": b"sealed".hex(),
    }
    shown = {name: v.hex() if isinstance(v, bytes) else v for name, v in row.items()}
    assert shown == pinned
    assert block(turns, title=b"title").content() == b"titleabcd"
    place = blocks.associated_data(ACCOUNT, CONVERSATION, 3, 5, b"\0\0\0\1")
    assert place.hex() == "6b31" + ACCOUNT.hex + CONVERSATION.hex + "0000000300000005" + "00000001"


def test_what_goes_without_saying_takes_no_bytes() -> None:
    usual = [
        Said(TurnRole.user, "typed", AT, None, None, 0),
        Said(TurnRole.assistant, "assistant", AT, None, None, 0),
    ]
    row = columns(block(usual))
    empty = {"origins": "", "seqs": None, "hosts": None, "sizes": None, "sealed": None}
    assert {name: row[name] for name in empty} == empty


@pytest.mark.parametrize("other", ["account", "conversation", "segment", "turn", "size"])
def test_a_sealed_block_opens_as_no_other(other: str) -> None:
    key, sizes = os.urandom(32), blocks.pack_sizes([2, 3])
    sealed = seal(key, b"abcde", blocks.associated_data(ACCOUNT, CONVERSATION, 1, 5, sizes))
    assert (
        unseal(key, sealed, blocks.associated_data(ACCOUNT, CONVERSATION, 1, 5, sizes)) == b"abcde"
    )
    elsewhere = {
        "account": (CONVERSATION, CONVERSATION, 1, 5, sizes),
        "conversation": (ACCOUNT, ACCOUNT, 1, 5, sizes),
        "segment": (ACCOUNT, CONVERSATION, 2, 5, sizes),
        "turn": (ACCOUNT, CONVERSATION, 1, 6, sizes),
        "size": (ACCOUNT, CONVERSATION, 1, 5, blocks.pack_sizes([3, 2])),
    }
    with pytest.raises(BrokenError, match="cannot be opened"):
        unseal(key, sealed, blocks.associated_data(*elsewhere[other]))


def test_content_of_another_length_than_its_sizes_is_no_block() -> None:
    for content in (b"", b"abcd", b"abcdef"):
        with pytest.raises(BrokenError, match="not as long"):
            blocks.envelopes(1, blocks.pack_sizes([2, 3]), content)


def test_a_block_takes_no_further_turn_beyond_its_bounds() -> None:
    short = Said(TurnRole.user, "typed", AT, None, b"x", 0)
    assert not block([short] * (blocks.TURNS_MAX - 1)).is_full
    assert block([short] * blocks.TURNS_MAX).is_full
    assert block([short._replace(content=bytes(blocks.BYTES_MAX))]).is_full


# By the verbs


def shapes(tx: Transaction) -> list[tuple[int, int, str]]:
    """Each block: its first turn, its segment and its roles."""
    return tx.execute(
        "SELECT first_turn, segment, roles FROM blocks ORDER BY conversation_id, first_turn"
    ).fetchall()


def telling(account: UUID, turn: int, chat: str = "chat", **more: Any) -> do.AddTurn:
    role = TurnRole.user if turn % 2 else TurnRole.assistant
    return do.AddTurn(
        **{
            "account": account,
            "at": AT,
            "role": role,
            "content": words(f"turn {turn}"),
            "host_conversation": hashed(chat),
            "host_turn": hashed(f"{chat} {turn}"),
            **more,
        }
    )


def test_the_turns_of_a_segment_that_arrive_together_are_one_block(
    conn: Transaction, keyring: Keyring
) -> None:
    town = Town(conn, keyring)
    ana = town.account()
    town.take(*(telling(ana, n, title=words("a title")) for n in (1, 2, 3)))
    town.take(telling(ana, 4))
    town.take(telling(ana, 5), telling(ana, 6))
    assert shapes(conn) == [(0, 0, "huau"), (4, 0, "a"), (5, 0, "ua")]
    assert [turn.number for turn in account_view.list_turns(conn, ana, chat_of(conn))] == [
        *range(1, 7)
    ]


def test_turns_of_two_conversations_that_alternate_are_a_block_each(
    conn: Transaction, keyring: Keyring
) -> None:
    town = Town(conn, keyring)
    ana = town.account()
    town.take(*(telling(ana, n, chat) for n in (1, 2, 3) for chat in ("one", "two")))
    assert shapes(conn) == [(1, 0, "uau"), (1, 0, "uau")]
    assert conn.execute("SELECT seqs IS NOT NULL FROM blocks").fetchall() == [(True,), (True,)]


def test_another_segment_is_another_block(conn: Transaction, keyring: Keyring) -> None:
    town = Town(conn, keyring)
    ana = town.account()
    town.take(telling(ana, 1), telling(ana, 2))
    chat = chat_of(conn)
    kept_out = do.Narrow(account=ana, at=AT, conversation=chat)
    let_in = do.Widen(account=ana, at=AT, conversation=chat)
    later = [telling(ana, 4, role=TurnRole.user), telling(ana, 5, role=TurnRole.assistant)]
    town.take(telling(ana, 3), kept_out, let_in, *later)
    assert shapes(conn) == [(1, 0, "ua"), (3, 0, "u"), (4, 1, "ua")]


def test_a_long_conversation_is_read_from_any_turn_on(conn: Transaction, keyring: Keyring) -> None:
    town = Town(conn, keyring)
    ana, count = town.account(), 2 * blocks.TURNS_MAX + 7
    town.take(*(telling(ana, n) for n in range(1, count)))
    town.take(telling(ana, count))
    chat = chat_of(conn)
    assert [len(roles) for _, _, roles in shapes(conn)] == [*2 * [blocks.TURNS_MAX], 6, 1]
    for after in (0, 1, blocks.TURNS_MAX - 1, blocks.TURNS_MAX, count - 2, count - 1, count):
        for limit in (1, 3, blocks.TURNS_MAX + 1):
            found = account_view.turns_after(conn, ana, chat, after, limit)
            expected = range(after + 1, min(after + limit, count) + 1)
            assert [turn.number for turn, _, _ in found] == list(expected), (after, limit)
    asked = [hashed(f"chat {n}") for n in (1, blocks.TURNS_MAX + 3, count)]
    for names in ([asked[1]], asked):
        named = account_view.turn_numbers(conn, {(ana, chat): names})[chat]
        assert all(named[name] for name in names)
    assert account_view.turn_numbers(conn, {(ana, chat): [hashed("chat 0")]}).get(chat, {}) == {}
    repeated = town.take(*(telling(ana, n) for n in range(1, count + 1)))
    assert [answer.outcome for answer in repeated] == count * [do.Outcome.duplicate]
    assert [answer.turn for answer in repeated] == [*range(1, count + 1)]


def chat_of(tx: Transaction) -> UUID:
    row = tx.execute("SELECT conversation_id FROM conversations").fetchone()
    assert row is not None
    return UUID(str(row[0]))

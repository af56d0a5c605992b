"""Assignments and history of inbox items: which member of staff has an item, and the steps taken.

An item is named by its kind and subject, as in `request:req_..`; whether it is open follows from
its subject, not from here. Concurrent takes are ordered by the item's row lock: the second fails
and names the holder. Giving back and handing over name the expected holder, so that a concurrent
change is not undone.

Notes about a person are content: sealed under the key of their account and erased with it; for a
request without an account under the request's key, otherwise under a secret of the installation.
Each step has a leaf in the log, with a keyed hash of its text. The person can read the steps and
texts, except of secret holds and of refused acts.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.access import sessions
from licet.errors import RefusedError, UsageError
from licet.keys.keyring import Keyring
from licet.keys.material import KeyMaterial, inbox_place, seal, unseal
from licet.ledger import outbox
from licet.ledger.outbox import Entry, EntryKind
from licet.masked import Masked
from licet.policy.period import rfc3339
from licet.store.connect import Transaction
from licet.vault import tables
from licet.vault.content import Content, decode, encode

WORDS_CHARACTERS_MAX = 2_000
STEPS_MAX = 1_000  # of one item


class InboxStepKind(StrEnum):
    """A step taken with an item."""

    taken = "taken"
    given_back = "given_back"
    handed = "handed"
    noted = "noted"
    acted = "acted"


class ItemSubject(msgspec.Struct, frozen=True, kw_only=True):
    """An item and its person. ``request`` is that of a person without an account, None once its key
    is destroyed (``forgotten``). ``is_disclosed``: the person may read its steps.
    """

    item: str
    account: UUID | None = None
    request: UUID | None = None
    forgotten: bool = False
    is_disclosed: bool = True


class ItemHolder(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of an item, and since when."""

    staff: UUID
    email: str
    taken_at: datetime


class InboxStep(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A recorded step. ``words`` is empty without a text, or if it cannot be unsealed. ``done`` is
    None while an act is in progress, or if it was interrupted.
    """

    item: str
    number: int
    step: InboxStepKind
    act: str
    at: datetime
    by: str
    to: str | None
    done: bool | None
    words: str


class _NewStep(Masked, msgspec.Struct, frozen=True, kw_only=True):
    step: InboxStepKind
    staff: UUID
    at: datetime
    words: str = ""
    act: str = ""
    to: UUID | None = None


# What is done with an item


def take_item(
    tx: Transaction,
    keyring: Keyring,
    item: ItemSubject,
    staff: UUID,
    now: datetime,
    words: str = "",
) -> ItemHolder:
    """Assigns an item to ``staff``; idempotent; RefusedError if somebody else has it."""
    current, steps = _locked(tx, item)
    if current is None:
        _write(
            tx,
            keyring,
            item,
            steps,
            _NewStep(step=InboxStepKind.taken, staff=staff, at=now, words=words),
        )
        _hold(tx, item.item, staff, now)
    elif current.staff != staff:
        raise RefusedError(
            f"`{current.email}` has it since {rfc3339(current.taken_at)}", because="taken"
        )
    holder = find_holders(tx, [item.item]).get(item.item)
    assert holder is not None
    return holder


def give_back(
    tx: Transaction,
    keyring: Keyring,
    item: ItemSubject,
    staff: UUID,
    now: datetime,
    words: str = "",
    *,
    holder: UUID | None = None,
) -> None:
    """Releases an item that ``holder``, by default the caller, has; RefusedError if they do not
    have it.
    """
    steps = _require_holder(tx, item, holder or staff)
    _write(
        tx,
        keyring,
        item,
        steps,
        _NewStep(step=InboxStepKind.given_back, staff=staff, at=now, words=words),
    )
    _hold(tx, item.item, None, None)


def hand_over(
    tx: Transaction,
    keyring: Keyring,
    item: ItemSubject,
    staff: UUID,
    now: datetime,
    words: str,
    *,
    to: UUID,
    holder: UUID | None = None,
) -> None:
    """Assigns an item of ``holder``, by default the caller, to ``to``; RefusedError if they do not
    have it.
    """
    steps = _require_holder(tx, item, holder or staff)
    _write(
        tx,
        keyring,
        item,
        steps,
        _NewStep(step=InboxStepKind.handed, staff=staff, at=now, words=words, to=to),
    )
    _hold(tx, item.item, to, now)


def add_note(
    tx: Transaction, keyring: Keyring, item: ItemSubject, staff: UUID, now: datetime, words: str
) -> None:
    _, steps = _locked(tx, item)
    _write(
        tx,
        keyring,
        item,
        steps,
        _NewStep(step=InboxStepKind.noted, staff=staff, at=now, words=words),
    )


def begin_act(
    tx: Transaction,
    keyring: Keyring,
    item: ItemSubject,
    staff: UUID,
    now: datetime,
    words: str,
    act: str,
) -> int:
    """Records an act before it is carried out, with its reason; returns the number of its step.
    RefusedError if somebody else has the item.
    """
    current, steps = _locked(tx, item)
    if current is not None and current.staff != staff:
        raise RefusedError(
            f"`{current.email}` has it since {rfc3339(current.taken_at)}",
            "ask them, or take it over first",
            because="taken",
        )
    _write(
        tx,
        keyring,
        item,
        steps,
        _NewStep(step=InboxStepKind.acted, staff=staff, at=now, words=words, act=act),
    )
    return steps


def end_act(tx: Transaction, item: str, number: int, *, done: bool) -> None:
    """Records whether an act in progress was done; if so, releases the item."""
    tx.execute(
        "UPDATE inbox_steps SET done = %s WHERE item = %s AND step_no = %s AND step = "
        "'acted' AND done IS NULL",
        [done, item, number],
    )
    if done:
        _hold(tx, item, None, None)


# Queries


def find_holders(tx: Transaction, items: Collection[str]) -> dict[str, ItemHolder]:
    """The holders of these items; unassigned ones are absent."""
    rows = tx.execute(
        "SELECT item, staff_id, taken_at FROM inbox_items WHERE item = ANY(%s) AND staff_id "
        "IS NOT NULL",
        [list(items)],
    ).fetchall()
    emails = sessions.addresses(tx, {staff for _, staff, _ in rows}) if rows else {}
    return {
        item: ItemHolder(staff=staff, email=emails[staff], taken_at=taken_at)
        for item, staff, taken_at in rows
    }


def list_held(tx: Transaction, staff: UUID, limit: int) -> list[str]:
    """The items assigned to ``staff``, the longest held first."""
    rows = tx.execute(
        "SELECT item FROM inbox_items WHERE staff_id = %s ORDER BY taken_at, item LIMIT %s",
        [staff, limit],
    )
    return [row[0] for row in rows]


def list_steps(tx: Transaction, keyring: Keyring, item: ItemSubject) -> list[InboxStep]:
    """The steps of an item in order, with their texts if they can be unsealed."""
    return _select_steps(
        tx,
        _key(tx, keyring, item),
        "WHERE item = %(of)s ORDER BY step_no LIMIT %(limit)s",
        item.item,
        STEPS_MAX,
    )


def list_by_account(
    tx: Transaction, keyring: Keyring, account: UUID, limit: int
) -> list[InboxStep]:
    """The newest steps that the person of an account may read, with their texts."""
    key = _key(tx, keyring, ItemSubject(item="", account=account))
    return _select_steps(
        tx,
        key,
        """WHERE account_id = %(of)s AND tells AND (step <> 'acted' OR done IS TRUE)
             ORDER BY at DESC, item, step_no DESC LIMIT %(limit)s""",
        account,
        limit,
    )


def _select_steps(
    tx: Transaction, key: KeyMaterial | None, column: str, value: str | UUID, limit: int
) -> list[InboxStep]:
    rows = tx.execute(
        "SELECT item, step_no, step, act, at, staff_id, to_staff, done, words FROM "
        f"inbox_steps {column}",
        {"of": value, "limit": limit},
    ).fetchall()
    emails = (
        sessions.addresses(tx, {staff for row in rows for staff in row[5:7] if staff is not None})
        if rows
        else {}
    )
    return [
        InboxStep(
            item=item,
            number=number,
            step=InboxStepKind(step),
            act=act,
            at=at,
            by=emails[staff],
            to=emails[to] if to is not None else None,
            done=done,
            words=decode(unseal(key, words, inbox_place(item, number))).text
            if key and words
            else "",
        )
        for item, number, step, act, at, staff, to, done, words in rows
    ]


def check_words(words: str, *, needed: bool) -> None:
    """UsageError for a text that is too long or invalid, or missing although ``needed``."""
    if needed and not words.strip():
        raise UsageError(
            "`reason` is empty", "say why: it is kept with the step, and the person reads it"
        )
    if len(words) > WORDS_CHARACTERS_MAX:
        raise UsageError(f"`reason` is longer than {WORDS_CHARACTERS_MAX:,} characters")
    if any("\ud800" <= letter <= "\udfff" for letter in words):
        raise UsageError("`reason` holds half a surrogate pair")


# How it is kept


def _locked(tx: Transaction, item: ItemSubject) -> tuple[ItemHolder | None, int]:
    """The holder and number of steps of an item; locks its account and then its row until ``tx``
    ends.
    """
    if item.account is not None:
        tables.lock_accounts(tx, [item.account])
    tx.execute(
        "INSERT INTO inbox_items (item, account_id, steps) VALUES (%s, %s, 0) ON CONFLICT "
        "(item) DO NOTHING",
        [item.item, item.account],
    )
    row = tx.execute(
        "SELECT steps FROM inbox_items WHERE item = %s FOR UPDATE", [item.item]
    ).fetchone()
    assert row is not None
    if row[0] >= STEPS_MAX:
        raise RefusedError(f"an item has {STEPS_MAX} steps at most", because="too_many_steps")
    return find_holders(tx, [item.item]).get(item.item), row[0]


def _require_holder(tx: Transaction, item: ItemSubject, holder: UUID) -> int:
    current, steps = _locked(tx, item)
    if current is None:
        raise RefusedError("nobody has it", "take it first", because="not_taken")
    if current.staff != holder:
        raise RefusedError(
            f"`{current.email}` has it since {rfc3339(current.taken_at)}", because="taken"
        )
    return steps


def _hold(tx: Transaction, item: str, staff: UUID | None, now: datetime | None) -> None:
    tx.execute(
        "UPDATE inbox_items SET staff_id = %s, taken_at = %s WHERE item = %s", [staff, now, item]
    )


def _write(
    tx: Transaction, keyring: Keyring, item: ItemSubject, number: int, new: _NewStep
) -> None:
    """Adds a step and its leaf. Without a key, as of a closed account, the text is dropped."""
    key, sealed, digest = _key(tx, keyring, item), None, None
    if new.words and key is not None:
        sealed = seal(
            key, encode(Content(text=new.words)), inbox_place(item.item, number), keyring.random
        )
        digest = hmac.digest(
            key, b"inbox" + inbox_place(item.item, number) + new.words.encode(), "sha256"
        ).hex()
    tx.execute(
        """INSERT INTO inbox_steps (item, step_no, step, act, at, account_id, tells, staff_id,
           to_staff, words)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            item.item,
            number,
            new.step.value,
            new.act,
            new.at,
            item.account,
            item.is_disclosed and item.account is not None,
            new.staff,
            new.to,
            sealed,
        ],
    )
    tx.execute("UPDATE inbox_items SET steps = steps + 1 WHERE item = %s", [item.item])
    facts: dict[str, str | int | bool | None] = {
        "kind": item.item.partition(":")[0],
        "act": new.act or new.step.value,
        **({"words": digest} if digest is not None else {}),
    }
    kind = EntryKind.staff_acted if item.account is not None else EntryKind.work_acted
    if item.account is not None:
        facts["item"] = item.item
    outbox.append(tx, [Entry(kind=kind, occurred_at=new.at, account=item.account, facts=facts)])


def _key(tx: Transaction, keyring: Keyring, item: ItemSubject) -> KeyMaterial | None:
    """The key for texts about an item; None if it is destroyed."""
    if item.account is not None:
        keys = keyring.account_keys(tx, [item.account]).get(item.account)
        return keys.own if keys is not None else None
    if item.forgotten:
        return None
    return (
        keyring.request_key(tx, item.request) if item.request is not None else keyring.inbox_key(tx)
    )

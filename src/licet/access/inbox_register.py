"""Who of the staff has which item of the inbox, and what was done with it, step by step.

An item is named by its kind and its subject, as in `request:req_..`; whether it waits is said by
what it tells of, and not here. Two people who take one at once are ordered by its row: the second
is told who has it. Giving back and handing over name who has it by what the caller saw, so that
nobody undoes what happened meanwhile.

What staff write about a person is content: it is sealed under the own key of their account and dies
with it. Of a request without an account it is sealed under the request's key, of anything else
under a secret of the installation. Each step has its leaf in the log, with a keyed hash of what was
written. The person reads the steps and their words, except of a hold of which they may not be told,
and of an act that was refused.
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
from licet.policy.period import written
from licet.store.connect import Transaction
from licet.vault import tables
from licet.vault.content import Content, decode, encode

WORDS_CHARACTERS_MAX = 2_000
STEPS_MAX = 1_000  # of one item


class InboxStepKind(StrEnum):
    """What somebody did with an item."""

    taken = "taken"
    given_back = "given_back"
    handed = "handed"
    noted = "noted"
    acted = "acted"


class ItemAbout(msgspec.Struct, frozen=True, kw_only=True):
    """An item, and whose it is. ``request`` is of somebody without an account, None once what they
    wrote is forgotten;
    ``forgotten`` says so. ``tells``: the person may be told.
    """

    item: str
    account: UUID | None = None
    request: UUID | None = None
    forgotten: bool = False
    tells: bool = True


class ItemHolder(msgspec.Struct, frozen=True, kw_only=True):
    """Who has an item, and since when."""

    staff: UUID
    email: str
    taken_at: datetime


class InboxStep(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A step that was taken. ``words`` is empty where nothing was written, or nothing of it can be
    opened. ``done`` is of an
    act: None while it is under way, or where it was cut short.
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


class _Written(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A step that is to be written."""

    step: InboxStepKind
    staff: UUID
    at: datetime
    words: str = ""
    act: str = ""
    to: UUID | None = None


# What is done with an item


def take(
    tx: Transaction, keyring: Keyring, about: ItemAbout, staff: UUID, at: datetime, words: str = ""
) -> ItemHolder:
    """Gives an item to whoever asks for it; nothing is changed where they have it; RefusedError
    where another has it.
    """
    has, steps = _locked(tx, about)
    if has is None:
        _write(
            tx,
            keyring,
            about,
            steps,
            _Written(step=InboxStepKind.taken, staff=staff, at=at, words=words),
        )
        _hold(tx, about.item, staff, at)
    elif has.staff != staff:
        raise RefusedError(f"`{has.email}` has it since {written(has.taken_at)}", because="taken")
    found = holders(tx, [about.item]).get(about.item)
    assert found is not None
    return found


def give_back(
    tx: Transaction,
    keyring: Keyring,
    about: ItemAbout,
    staff: UUID,
    at: datetime,
    words: str = "",
    *,
    of: UUID | None = None,
) -> None:
    """Takes an item from whoever has it: from ``of``, by default from the caller; RefusedError
    where they do not have it.
    """
    steps = _held_by(tx, about, of or staff)
    _write(
        tx,
        keyring,
        about,
        steps,
        _Written(step=InboxStepKind.given_back, staff=staff, at=at, words=words),
    )
    _hold(tx, about.item, None, None)


def hand(
    tx: Transaction,
    keyring: Keyring,
    about: ItemAbout,
    staff: UUID,
    at: datetime,
    words: str,
    *,
    to: UUID,
    of: UUID | None = None,
) -> None:
    """Gives to another what ``of`` has, by default the caller; RefusedError where they do not have
    it.
    """
    steps = _held_by(tx, about, of or staff)
    _write(
        tx,
        keyring,
        about,
        steps,
        _Written(step=InboxStepKind.handed, staff=staff, at=at, words=words, to=to),
    )
    _hold(tx, about.item, to, at)


def note(
    tx: Transaction, keyring: Keyring, about: ItemAbout, staff: UUID, at: datetime, words: str
) -> None:
    """Adds a note to an item, whoever has it."""
    _, steps = _locked(tx, about)
    _write(
        tx,
        keyring,
        about,
        steps,
        _Written(step=InboxStepKind.noted, staff=staff, at=at, words=words),
    )


def begin_act(
    tx: Transaction,
    keyring: Keyring,
    about: ItemAbout,
    staff: UUID,
    at: datetime,
    words: str,
    act: str,
) -> int:
    """Puts an act on record before it is done, with its reason; returns the number of its step.
    RefusedError where somebody else has the item.
    """
    has, steps = _locked(tx, about)
    if has is not None and has.staff != staff:
        raise RefusedError(
            f"`{has.email}` has it since {written(has.taken_at)}",
            "ask them, or take it over first",
            because="taken",
        )
    _write(
        tx,
        keyring,
        about,
        steps,
        _Written(step=InboxStepKind.acted, staff=staff, at=at, words=words, act=act),
    )
    return steps


def end_act(tx: Transaction, item: str, number: int, *, done: bool) -> None:
    """Says of an act that is under way whether it was done; one that was gives the item back."""
    tx.execute(
        "UPDATE inbox_steps SET done = %s WHERE item = %s AND step_no = %s AND step = "
        "'acted' AND done IS NULL",
        [done, item, number],
    )
    if done:
        _hold(tx, item, None, None)


# What is asked of it


def holders(tx: Transaction, items: Collection[str]) -> dict[str, ItemHolder]:
    """Who has these items; those that nobody has are absent."""
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


def held_by(tx: Transaction, staff: UUID, most: int) -> list[str]:
    """The items that somebody has, those taken first before the others."""
    rows = tx.execute(
        "SELECT item FROM inbox_items WHERE staff_id = %s ORDER BY taken_at, item LIMIT %s",
        [staff, most],
    )
    return [row[0] for row in rows]


def steps(tx: Transaction, keyring: Keyring, about: ItemAbout) -> list[InboxStep]:
    """What was done with an item, first to last, with what was written as far as it can be
    opened.
    """
    return _steps(
        tx,
        _key(tx, keyring, about),
        "WHERE item = %(of)s ORDER BY step_no LIMIT %(most)s",
        about.item,
        STEPS_MAX,
    )


def of_account(tx: Transaction, keyring: Keyring, account: UUID, most: int) -> list[InboxStep]:
    """The newest steps that the person of an account may be told of, with what was written."""
    key = _key(tx, keyring, ItemAbout(item="", account=account))
    return _steps(
        tx,
        key,
        """WHERE account_id = %(of)s AND tells AND (step <> 'acted' OR done IS TRUE)
             ORDER BY at DESC, item, step_no DESC LIMIT %(most)s""",
        account,
        most,
    )


def _steps(
    tx: Transaction, key: KeyMaterial | None, which: str, of: str | UUID, most: int
) -> list[InboxStep]:
    rows = tx.execute(
        "SELECT item, step_no, step, act, at, staff_id, to_staff, done, words FROM "
        f"inbox_steps {which}",
        {"of": of, "most": most},
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
    """UsageError for what is too long or no text, and for nothing where something is ``needed``."""
    if needed and not words.strip():
        raise UsageError(
            "`reason` is empty", "say why: it is kept with the step, and the person reads it"
        )
    if len(words) > WORDS_CHARACTERS_MAX:
        raise UsageError(f"`reason` is longer than {WORDS_CHARACTERS_MAX:,} characters")
    if any("\ud800" <= letter <= "\udfff" for letter in words):
        raise UsageError("`reason` holds half a surrogate pair")


# How it is kept


def _locked(tx: Transaction, about: ItemAbout) -> tuple[ItemHolder | None, int]:
    """Who has an item, and how many steps it has, with its row locked until ``tx`` ends; the
    account's before it.
    """
    if about.account is not None:
        tables.lock_accounts(tx, [about.account])
    tx.execute(
        "INSERT INTO inbox_items (item, account_id, steps) VALUES (%s, %s, 0) ON CONFLICT "
        "(item) DO NOTHING",
        [about.item, about.account],
    )
    row = tx.execute(
        "SELECT steps FROM inbox_items WHERE item = %s FOR UPDATE", [about.item]
    ).fetchone()
    assert row is not None
    if row[0] >= STEPS_MAX:
        raise RefusedError(f"an item has {STEPS_MAX} steps at most", because="too_many_steps")
    return holders(tx, [about.item]).get(about.item), row[0]


def _held_by(tx: Transaction, about: ItemAbout, of: UUID) -> int:
    has, steps = _locked(tx, about)
    if has is None:
        raise RefusedError("nobody has it", "take it first", because="not_taken")
    if has.staff != of:
        raise RefusedError(f"`{has.email}` has it since {written(has.taken_at)}", because="taken")
    return steps


def _hold(tx: Transaction, item: str, staff: UUID | None, at: datetime | None) -> None:
    tx.execute(
        "UPDATE inbox_items SET staff_id = %s, taken_at = %s WHERE item = %s", [staff, at, item]
    )


def _write(tx: Transaction, keyring: Keyring, about: ItemAbout, number: int, new: _Written) -> None:
    """Adds a step, and its leaf. Where nothing can be sealed any more, as of a closed account, its
    words are not kept.
    """
    key, sealed, digest = _key(tx, keyring, about), None, None
    if new.words and key is not None:
        sealed = seal(
            key, encode(Content(text=new.words)), inbox_place(about.item, number), keyring.random
        )
        digest = hmac.digest(
            key, b"inbox" + inbox_place(about.item, number) + new.words.encode(), "sha256"
        ).hex()
    tx.execute(
        """INSERT INTO inbox_steps (item, step_no, step, act, at, account_id, tells, staff_id,
           to_staff, words)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            about.item,
            number,
            new.step.value,
            new.act,
            new.at,
            about.account,
            about.tells and about.account is not None,
            new.staff,
            new.to,
            sealed,
        ],
    )
    tx.execute("UPDATE inbox_items SET steps = steps + 1 WHERE item = %s", [about.item])
    facts: dict[str, str | int | bool | None] = {
        "kind": about.item.partition(":")[0],
        "act": new.act or new.step.value,
        **({"words": digest} if digest is not None else {}),
    }
    told = EntryKind.staff_acted if about.account is not None else EntryKind.work_acted
    if about.account is not None:
        facts["item"] = about.item
    outbox.append(tx, [Entry(kind=told, occurred_at=new.at, account=about.account, facts=facts)])


def _key(tx: Transaction, keyring: Keyring, about: ItemAbout) -> KeyMaterial | None:
    """What is written about an item is sealed under this; None where its account's keys are
    destroyed, or it is forgotten.
    """
    if about.account is not None:
        keys = keyring.account_keys(tx, [about.account]).get(about.account)
        return keys.own if keys is not None else None
    if about.forgotten:
        return None
    return (
        keyring.request_key(tx, about.request)
        if about.request is not None
        else keyring.inbox_key(tx)
    )

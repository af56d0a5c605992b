"""Search in a person's own conversations: by title, by use, and by project.

Titles are sealed, so there is no index: a request unseals a bounded number of them, newest first
(`LOOKED_MAX`, `TURNS_MAX`, `BYTES_MAX`), and the next one goes on from there. Search words in a URL
are sealed under the account's key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.consent import own_conversations
from licet.consent.own_conversations import PAGE_CONVERSATIONS_MAX, ConversationList
from licet.errors import BrokenError, NotFoundError
from licet.keys.keyring import Keyring
from licet.keys.material import Random, seal, unseal
from licet.masked import Masked
from licet.policy.file import Policies
from licet.store.connect import Transaction
from licet.vault import account_view
from licet.vault.account_view import AccountView

BATCH_CONVERSATIONS = 25
LOOKED_MAX = 500
TURNS_MAX = 20_000
BYTES_MAX = 16 * 2**20
COUNTED_MAX = 2_000
WORDS_CHARACTERS_MAX = 100


class UseFilter(StrEnum):
    """The conversations to return, by whether they may be used."""

    every = "all"
    may = "may"
    not_used = "not"
    kept_out = "kept_out"
    incognito = "incognito"


class ConversationQuery(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A search. The title must contain each of ``words``, ignoring case."""

    words: str = ""
    use: UseFilter = UseFilter.every
    project: UUID | None = None

    @property
    def is_narrow(self) -> bool:
        return (
            bool(self.words.split()) or self.use is not UseFilter.every or self.project is not None
        )


class ConversationsCounted(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of an account's conversations: those not deleted, of which ``usable`` may be used for
    some purpose.

    ``deleted`` await erasure; of ``copied`` only a safety copy is left. ``next_until`` is the
    earliest end date. ``is_whole`` is False if only the newest were counted.
    """

    conversations: int = 0
    usable: int = 0
    deleted: int = 0
    copied: int = 0
    next_until: datetime | None = None
    is_whole: bool = True


def is_usable(view: AccountView, policies: Policies) -> bool:
    """Whether any turn may be used for any purpose. The answer is the same for turns of one
    segment, origin and flag.
    """
    alike = {}
    for turn in view.turn_states:
        segment = view.turns.segments[turn.segment]
        alike[turn.segment, turn.origin, turn.number <= segment.flagged_turn] = turn
    purposes = policies.in_force(view.at).covers
    return any(
        view.decide(turn, policies, purpose).use for turn in alike.values() for purpose in purposes
    )


def count_conversations(
    tx: Transaction, policies: Policies, account: UUID, now: datetime
) -> ConversationsCounted:
    """The conversations of an account, at most `COUNTED_MAX` of them or about `TURNS_MAX` turns."""
    chats = usable = deleted = copied = looked = turns = 0
    nearest: datetime | None = None
    before: UUID | None = None
    while True:
        ids = account_view.kept_conversation_ids(
            tx, account, BATCH_CONVERSATIONS * 4, before=before
        )
        views = account_view.load_views(
            tx, [(account, one) for one in ids], policies, now, with_turns=True
        )
        for conversation, one in views.items():
            turns += len(one.turn_states)
            if not one.is_stored:
                copied += 1
            elif one.turns.deleted_at is not None:
                deleted += 1
            else:
                chats, usable = chats + 1, usable + is_usable(one, policies)
                until = one.turns.content_until
                is_held = bool(one.turns.holds) and own_conversations.has_visible_hold(
                    tx, account, conversation
                )
                if until > now and not is_held:
                    nearest = until if nearest is None else min(nearest, until)
        looked += len(ids)
        is_end = len(ids) < BATCH_CONVERSATIONS * 4
        if is_end or looked >= COUNTED_MAX or turns >= TURNS_MAX:
            is_whole = is_end or not account_view.kept_conversation_ids(
                tx, account, 1, before=ids[-1]
            )
            return ConversationsCounted(
                conversations=chats,
                usable=usable,
                deleted=deleted,
                copied=copied,
                next_until=nearest,
                is_whole=is_whole,
            )
        before = ids[-1]


class SearchPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of results, newest first. ``stopped``: the search reached the limit of one request."""

    listed: ConversationList
    stopped: bool = False


def search(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    now: datetime,
    query: ConversationQuery,
    *,
    before: UUID | None = None,
) -> SearchPage:
    """The account's conversations that match ``query``, begun before ``before``."""
    if not query.is_narrow:
        return SearchPage(
            listed=own_conversations.list_page(tx, keyring, policies, account, now, before=before)
        )
    hits: list[UUID] = []
    looked = turns = opened = 0
    while True:
        ids = account_view.kept_conversation_ids(
            tx, account, BATCH_CONVERSATIONS, before=before, project=query.project
        )
        views = account_view.load_views(
            tx, [(account, one) for one in ids], policies, now, with_turns=True
        )
        fits, size = _match_conversations(tx, keyring, policies, views, query, now)
        looked += len(ids)
        turns += sum(len(view.turn_states) for view in views.values())
        opened += size
        hits += [one for one in ids if one in fits]
        is_end, is_full = len(ids) < BATCH_CONVERSATIONS, len(hits) >= PAGE_CONVERSATIONS_MAX
        stopped = looked >= LOOKED_MAX or turns >= TURNS_MAX or opened >= BYTES_MAX
        if is_end or is_full or stopped:
            break
        before = ids[-1]
    page = hits[:PAGE_CONVERSATIONS_MAX]
    more = len(hits) > PAGE_CONVERSATIONS_MAX or not is_end
    last = page[-1] if is_full else ids[-1] if ids else None
    return SearchPage(
        listed=ConversationList(
            conversations=tuple(
                own_conversations.get_many(tx, keyring, policies, account, page, now)
            ),
            next=last if more else None,
        ),
        stopped=stopped and more and not is_full,
    )


def _match_conversations(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    views: dict[UUID, AccountView],
    query: ConversationQuery,
    now: datetime,
) -> tuple[set[UUID], int]:
    """The matching conversations, and how many sealed bytes were unsealed to find them."""
    fits = {one: view for one, view in views.items() if _matches_use(view, policies, query.use)}
    words = query.words.casefold().split()
    if not words or not fits:
        return set(fits), 0
    titles, size = own_conversations.load_titles_measured(tx, keyring, fits, now)
    return {one for one in fits if _contains_words(titles.get(one, ""), words)}, size


def _contains_words(title: str, words: Sequence[str]) -> bool:
    folded = title.casefold()
    return all(word in folded for word in words)


def _matches_use(view: AccountView, policies: Policies, use: UseFilter) -> bool:
    match use:
        case UseFilter.every:
            return True
        case UseFilter.may:
            return is_usable(view, policies)
        case UseFilter.not_used:
            return not is_usable(view, policies)
        case UseFilter.kept_out:
            return view.turns.narrowed
        case UseFilter.incognito:
            return view.turns.incognito


def _associated_data(account: UUID) -> bytes:
    """The associated data (AEAD) of sealed search words."""
    return b"q1" + account.bytes


def seal_words(tx: Transaction, keyring: Keyring, account: UUID, words: str, random: Random) -> str:
    """``words`` sealed for use in a URL, so that access logs do not reveal them."""
    keys = keyring.account_keys(tx, [account]).get(account)
    cut = words[:WORDS_CHARACTERS_MAX].strip()
    if keys is None or not cut:
        return ""
    sealed = seal(keys.own, cut.encode("utf-8", "replace"), _associated_data(account), random)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def unseal_words(tx: Transaction, keyring: Keyring, account: UUID, text: str) -> str:
    """The words that `seal_words` sealed as ``text``; NotFoundError for any other text."""
    keys = keyring.account_keys(tx, [account]).get(account) if text else None
    if keys is None:
        return ""
    try:
        sealed = base64.b64decode(
            text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True
        )
        return unseal(keys.own, sealed, _associated_data(account)).decode()
    except (ValueError, binascii.Error, BrokenError):
        raise NotFoundError("no such search") from None

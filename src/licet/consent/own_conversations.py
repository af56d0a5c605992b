"""A person's own conversations: for each, whether it may be used, why, until when, and who else
holds it.

Reading is for the person whose they are: another's id answers exactly as one that was never given.
A conversation stays in the list until its last key is destroyed, that of its safety copy too, so
that what is called deleted and is still there says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from uuid import UUID

import msgspec

from licet.consent.history import ConsumedBy, consumed_of, holding_of
from licet.errors import NotFoundError
from licet.keys.keyring import Keyring
from licet.masked import Masked
from licet.policy.decide import Decision, DecisionReason
from licet.policy.file import Policies
from licet.policy.state import ConversationKind, ScopeKind, TurnRole, TurnState
from licet.store.connect import Transaction
from licet.vault import account_choices, account_view
from licet.vault import holds as vault_holds
from licet.vault.commands import HoldReason
from licet.vault.content import Content
from licet.vault.ids import Prefix, shown
from licet.vault.permit import Permit
from licet.vault.permit import open as open_content

PAGE_CONVERSATIONS_MAX = 25
PAGE_TURNS_MAX = 50
TITLE_CHARACTERS_MAX = 80
BEGINNING_CHARACTERS_MAX = 10_000  # of a text that is the title of what has none
OPENED_BYTES_MAX = 8 * 2**20  # sealed bytes that are opened at a time


class Use(StrEnum):
    """How much of a conversation may be used for a purpose."""

    whole = "whole"
    part = "part"
    none = "none"


class UseRun(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive turns with one answer; ``until`` is None where they will not be used.

    ``reason`` is the answer's, or closer to what the person did: said before they let it in again,
    or while it was kept out.
    """

    first: int
    last: int
    because: DecisionReason
    reason: str
    until: datetime | None


class UseBadge(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one purpose. ``because`` is the reason most turns have; ``until`` the latest
    limit of a use.

    Where it may be used, ``scope`` says for what the grant in force was given that it is used by,
    and ``since`` when.
    """

    purpose: str
    use: Use
    because: DecisionReason
    reason: str
    until: datetime | None
    runs: tuple[UseRun, ...]
    scope: ScopeKind | None = None
    since: datetime | None = None


class HoldTold(msgspec.Struct, frozen=True, kw_only=True):
    """A legal hold that its person may be told of. What it is about is not in it; ``review_at`` is
    no end.
    """

    reason: HoldReason
    placed_at: datetime
    review_at: datetime


class OwnConversation(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """One conversation as its person sees it. ``keep_until`` is None while a legal hold stands that
    may be told.

    A hold whose matter forbids telling is not in it, nor in its dates, which are then those that it
    would have without. ``project`` is the one that it is in; ``own`` are the questions for which it
    has a grant of its own, ``narrowings`` how often it was kept out. ``erased`` says that only a
    copy which the safety team keeps is left of it, ``learnt`` which models were trained on it.
    """

    conversation: UUID
    title: str
    kind: ConversationKind
    begun_at: datetime
    last_at: datetime
    turns: int
    incognito: bool
    kept_out: bool
    narrowings: int
    project: UUID | None
    own: tuple[str, ...]
    deleted_at: datetime | None
    holds: tuple[HoldTold, ...]
    keep_until: datetime | None
    safety_until: datetime | None
    badges: tuple[UseBadge, ...]
    releases: tuple[str, ...]
    erased: bool = False
    learnt: tuple[ConsumedBy, ...] = ()

    @property
    def held(self) -> bool:
        return bool(self.holds)

    @property
    def shown_id(self) -> str:
        return shown(Prefix.conversation, self.conversation)


class ConversationList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of conversations, newest first; ``next`` begins the page after it."""

    conversations: tuple[OwnConversation, ...]
    next: UUID | None


def listed(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    at: datetime,
    *,
    before: UUID | None = None,
) -> ConversationList:
    """The account's conversations begun before the one named, of which anything is still kept."""
    found = account_view.kept_conversation_ids(
        tx, account, PAGE_CONVERSATIONS_MAX + 1, before=before
    )
    ids = found[:PAGE_CONVERSATIONS_MAX]
    return ConversationList(
        conversations=tuple(several(tx, keyring, policies, account, ids, at)),
        next=ids[-1] if len(found) > PAGE_CONVERSATIONS_MAX else None,
    )


def one(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    conversation: UUID,
    at: datetime,
) -> OwnConversation:
    """One conversation of the account's own; NotFoundError for any other id."""
    found = several(tx, keyring, policies, account, [conversation], at)
    if not found:
        raise NotFoundError(f"no conversation `{shown(Prefix.conversation, conversation)}`")
    return found[0]


def several(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    ids: Sequence[UUID],
    at: datetime,
) -> list[OwnConversation]:
    """The account's own of these, in their order; any other id is left out."""
    seen = account_view.seen(
        tx, [(account, conversation) for conversation in ids], policies, at, with_turns=True
    )
    named, began = titles(tx, keyring, seen, at), _began(tx, account, policies, seen)
    releases, learnt = holding_of(tx, account, list(ids)), consumed_of(tx, account, list(ids))
    holds = _holds(tx, account, [c for c, one in seen.items() if one.turns.holds])
    return [
        msgspec.structs.replace(
            _one(
                policies,
                seen[conversation],
                began,
                named.get(conversation, ""),
                releases.get(conversation, []),
                holds.get(conversation, []),
            ),
            erased=not seen[conversation].is_stored,
            learnt=tuple(learnt.get(conversation, [])),
        )
        for conversation in ids
        if conversation in seen and seen[conversation].turns.segments
    ]


def _began(
    tx: Transaction,
    account: UUID,
    policies: Policies,
    seen: Mapping[UUID, account_view.AccountView],
) -> dict[int, datetime]:
    """When each grant was given that one of these may be used by."""
    found = {
        view.state.grant_for(question, view.turns)
        for view in seen.values()
        for question in policies.in_force(view.at).asks
    }
    return account_choices.began(
        tx, account, sorted(number for number in found if number is not None)
    )


def _granted(
    badge: UseBadge,
    seen: account_view.AccountView,
    policies: Policies,
    began: Mapping[int, datetime],
) -> UseBadge:
    """The badge with the grant that it may be used by, which there is unless it is a safety copy
    that is used.
    """
    question = policies.in_force(seen.at).question_of(badge.purpose)
    number = None if question is None else seen.state.grant_for(question, seen.turns)
    grant = next((one for one in seen.state.grants if one.number == number), None)
    if grant is None or badge.use is Use.none or badge.because is DecisionReason.flagged:
        return badge
    return msgspec.structs.replace(badge, scope=grant.scope.kind, since=began.get(grant.number))


def _holds(tx: Transaction, account: UUID, ids: Sequence[UUID]) -> dict[UUID, list[HoldTold]]:
    """The holds that may be told, oldest first."""
    found: dict[UUID, list[HoldTold]] = {}
    if ids:
        for hold in vault_holds.told_of(tx, account, ids):
            told = HoldTold(reason=hold.reason, placed_at=hold.placed_at, review_at=hold.review_at)
            found.setdefault(hold.conversation, []).append(told)
    return found


def is_told_hold(tx: Transaction, account: UUID, conversation: UUID) -> bool:
    """Whether a hold stands on it that its person may be told of."""
    return bool(_holds(tx, account, [conversation]))


def _one(
    policies: Policies,
    seen: account_view.AccountView,
    began: Mapping[int, datetime],
    title: str,
    releases: Sequence[str],
    holds: Sequence[HoldTold],
) -> OwnConversation:
    row, state = seen.conversation, seen.turns
    return OwnConversation(
        conversation=row.conversation_id,
        title=title,
        kind=state.kind,
        begun_at=row.begun_at,
        last_at=max(segment.last_at for segment in state.segments),
        turns=len(seen.said),
        incognito=state.incognito,
        kept_out=state.narrowed,
        narrowings=state.narrowings,
        project=UUID(hex=state.project) if state.project else None,
        own=tuple(grant.question for grant in seen.state.grants if grant.scope.name == state.name),
        deleted_at=state.deleted_at,
        holds=tuple(holds),
        keep_until=None if holds else state.content_until,
        safety_until=state.safety_until,
        badges=tuple(
            _granted(badge(seen, seen.said, policies, purpose), seen, policies, began)
            for purpose in sorted(policies.in_force(seen.at).covers)
        ),
        releases=tuple(releases),
    )


def badge(
    seen: account_view.AccountView, turns: Sequence[TurnState], policies: Policies, purpose: str
) -> UseBadge:
    """The answer for a conversation: turns that hold a tool's raw output do not make a whole yes a
    part.
    """
    runs: list[UseRun] = []
    reasons: Counter[DecisionReason] = Counter()
    for turn in turns:
        decision = seen.decide(turn, policies, purpose)
        if decision.because is not DecisionReason.origin:
            reasons[decision.because] += 1
        last, reason = runs[-1] if runs else None, _reason(seen, turn, decision)
        if last is not None and (last.reason, last.until) == (reason, decision.until):
            runs[-1] = msgspec.structs.replace(last, last=turn.number)
        else:
            run = UseRun(
                first=turn.number,
                last=turn.number,
                because=decision.because,
                reason=reason,
                until=decision.until,
            )
            runs.append(run)
    used = [run for run in runs if run.until is not None]
    refused = any(run.until is None and run.because is not DecisionReason.origin for run in runs)
    wanted = {run.because for run in runs if run.until is not None} if used else set(reasons)
    most = next(
        (because for because, _ in reasons.most_common() if because in wanted),
        DecisionReason.origin,
    )
    return UseBadge(
        purpose=purpose,
        use=Use.none if not used else Use.part if refused else Use.whole,
        because=most,
        reason=next((run.reason for run in runs if run.because is most), most.value),
        until=max((run.until for run in used if run.until is not None), default=None),
        runs=tuple(runs),
    )


def _reason(seen: account_view.AccountView, turn: TurnState, decision: Decision) -> str:
    """The reason as its person knows it: what they did to this conversation, where that is behind
    it.
    """
    because, stamp = decision.because, seen.turns.segments[turn.segment].stamp
    if because is DecisionReason.before_grant and decision.grant in stamp.grants:
        return "before_let_in"
    if because is DecisionReason.narrowed and not seen.turns.narrowed:
        return "was_narrowed"
    return because.value


def titles(
    tx: Transaction, keyring: Keyring, seen: dict[UUID, account_view.AccountView], at: datetime
) -> dict[UUID, str]:
    """What each readable conversation is called: its title, or else how it begins."""
    return titled(tx, keyring, seen, at)[0]


def titled(
    tx: Transaction, keyring: Keyring, seen: dict[UUID, account_view.AccountView], at: datetime
) -> tuple[dict[UUID, str], int]:
    """`titles`, and how many sealed bytes were opened for them: `OPENED_BYTES_MAX` at a time, or
    one that is larger.
    """
    readable = {
        c: s for c, s in seen.items() if s.turns.segments and Permit.readable(s.turns, 0, at)
    }
    beginnings = account_view.beginnings(
        tx, [(s.account.account_id, c) for c, s in readable.items()]
    )
    named: dict[UUID, str] = {}
    batch: list[Permit] = []
    total = held = 0
    for conversation, (number, size) in beginnings.items():
        about = readable[conversation]
        if about.conversation.keys[0].key_slot is None:
            continue
        if batch and held + size > OPENED_BYTES_MAX:
            named |= _named(tx, keyring, batch)
            batch, held = [], 0
        first = TurnState(number=number, segment=0, role=TurnRole.user, origin="typed")
        batch.append(Permit.to_owner(about.account, about.conversation, about.turns, first, at))
        total, held = total + size, held + size
    return named | _named(tx, keyring, batch), total


def _named(tx: Transaction, keyring: Keyring, permits: Sequence[Permit]) -> dict[UUID, str]:
    opened = open_content(tx, keyring, permits)
    return {
        o.permit.conversation: cut(" ".join(o.content.text[:BEGINNING_CHARACTERS_MAX].split()))
        for o in opened
    }


def cut(title: str) -> str:
    return (
        title
        if len(title) <= TITLE_CHARACTERS_MAX
        else f"{title[: TITLE_CHARACTERS_MAX - 1].rstrip()}…"
    )


class TurnSaid(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A turn as its person reads it. ``content`` is None where it is not stored, or may not be
    opened any more.
    """

    turn: TurnState
    at: datetime
    content: Content | None


def said(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    conversation: UUID,
    at: datetime,
    *,
    after: int,
    limit: int,
) -> list[TurnSaid] | None:
    """Up to ``limit`` turns after the one of that number, in order; None for a conversation that is
    not the account's.
    """
    seen = account_view.seen(tx, [(account, conversation)], policies, at).get(conversation)
    if seen is None:
        return None
    return _opened(
        tx, keyring, seen, account_view.turns_after(tx, account, conversation, after, limit)
    )


def _opened(
    tx: Transaction,
    keyring: Keyring,
    seen: account_view.AccountView,
    turns: Sequence[tuple[TurnState, datetime, int | None]],
) -> list[TurnSaid]:
    """Turns with their content, as far as its person may still read it."""
    permits = [
        Permit.to_owner(seen.account, seen.conversation, seen.turns, turn, seen.at)
        for turn, _, size in turns
        if size is not None
        and Permit.readable(seen.turns, turn.segment, seen.at)
        and seen.conversation.keys[turn.segment].key_slot is not None
    ]
    opened = {one.permit.turn: one.content for one in open_content(tx, keyring, permits)}
    return [
        TurnSaid(turn=turn, at=when, content=opened.get(turn.number)) for turn, when, _ in turns
    ]


class PartSaid(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive turns of one segment, and what holds for them; ``keep_until`` is None while a
    hold is told of.
    """

    badges: tuple[UseBadge, ...]
    keep_until: datetime | None
    turns: tuple[TurnSaid, ...]


class SaidPage(msgspec.Struct, frozen=True, kw_only=True):
    """The words of a conversation, part by part; ``next`` is the number behind which the next page
    begins.
    """

    parts: tuple[PartSaid, ...]
    next: int | None


def parts(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    mine: OwnConversation,
    account: UUID,
    at: datetime,
    *,
    after: int = 0,
) -> SaidPage:
    """The turns after the one of that number, by part: as many as `PAGE_TURNS_MAX` and
    `OPENED_BYTES_MAX` allow, or one.
    """
    seen = account_view.seen(tx, [(account, mine.conversation)], policies, at)[mine.conversation]
    found = account_view.turns_after(tx, account, mine.conversation, after, PAGE_TURNS_MAX + 1)
    taken, held = 0, 0
    for _, _, size in found[:PAGE_TURNS_MAX]:
        held += size or 0
        if taken and held > OPENED_BYTES_MAX:
            break
        taken += 1
    opened = _opened(tx, keyring, seen, found[:taken])
    made = [
        _part(seen, policies, mine, number, tuple(turns))
        for number, turns in groupby(opened, key=lambda one: one.turn.segment)
    ]
    return SaidPage(parts=tuple(made), next=opened[-1].turn.number if len(found) > taken else None)


def _part(
    seen: account_view.AccountView,
    policies: Policies,
    mine: OwnConversation,
    segment: int,
    turns: tuple[TurnSaid, ...],
) -> PartSaid:
    states = [one.turn for one in turns]
    return PartSaid(
        badges=tuple(
            badge(seen, states, policies, purpose)
            for purpose in sorted(policies.in_force(seen.at).covers)
        ),
        keep_until=None if mine.held else seen.turns.segments[segment].keep_until,
        turns=turns,
    )


def speaker(role: str, origin: str) -> str:
    """Who says a message, as the end of `chat.turn.`: what stands under the person's name was typed
    or given along.
    """
    if role != "user":
        return role
    return "typed" if origin == "typed" else "given"

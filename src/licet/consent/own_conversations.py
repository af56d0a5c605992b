"""A person's own conversations: whether each may be used, why, until when, and which releases hold
it.

For the person themselves: somebody else's id behaves exactly as an unknown one. A conversation is
listed until its last key, that of its safety copy included, is destroyed: deleted but not yet
erased ones are shown as such.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from uuid import UUID

import msgspec

from licet.consent.history import ConsumedBy, consumed_by_conversation, releases_by_conversation
from licet.errors import NotFoundError
from licet.keys.keyring import Keyring
from licet.masked import Masked
from licet.policy.decide import Decision, DecisionReason
from licet.policy.file import Policies
from licet.policy.state import ConversationKind, ScopeKind, TurnState
from licet.store.connect import Transaction
from licet.vault import account_choices, account_view
from licet.vault import holds as vault_holds
from licet.vault.commands import HoldReason
from licet.vault.content import Content
from licet.vault.ids import Prefix, format_id
from licet.vault.permit import Permit, contents_by_turn
from licet.vault.permit import open as open_content

PAGE_CONVERSATIONS_MAX = 25
PAGE_TURNS_MAX = 50
TITLE_CHARACTERS_MAX = 80
BEGINNING_CHARACTERS_MAX = 10_000  # of a text used as a missing title
OPENED_BYTES_MAX = 8 * 2**20  # sealed bytes that are opened at a time


class Use(StrEnum):
    """How much of a conversation may be used for a purpose."""

    whole = "whole"
    part = "part"
    none = "none"


class UseRun(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive turns with one answer; ``until`` is None where they will not be used.

    ``reason`` is the decision's, or a more specific one for a conversation that was kept out or let
    in again.
    """

    first: int
    last: int
    because: DecisionReason
    reason: str
    until: datetime | None


class UseBadge(msgspec.Struct, frozen=True, kw_only=True):
    """The decision for one purpose. ``because`` is the reason of most turns, ``until`` the latest
    end of a use.

    If it may be used, ``scope`` and ``since`` are those of the grant that permits it.
    """

    purpose: str
    use: Use
    because: DecisionReason
    reason: str
    until: datetime | None
    runs: tuple[UseRun, ...]
    scope: ScopeKind | None = None
    since: datetime | None = None


class VisibleHold(msgspec.Struct, frozen=True, kw_only=True):
    """A legal hold that may be disclosed to the person, without its matter. ``review_at`` is not
    its end.
    """

    reason: HoldReason
    placed_at: datetime
    review_at: datetime


class OwnConversation(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """One conversation as its person sees it. ``keep_until`` is None under a legal hold that may be
    disclosed.

    A secret hold is left out, and the dates are those without it. ``own`` are the questions for
    which it has a grant of its own, ``narrowings`` how often it was kept out. ``erased``: only the
    safety team's copy is left. ``learnt`` are the models trained on it.
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
    holds: tuple[VisibleHold, ...]
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
        return format_id(Prefix.conversation, self.conversation)


class ConversationList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of conversations, newest first; ``next`` begins the page after it."""

    conversations: tuple[OwnConversation, ...]
    next: UUID | None


def list_page(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    now: datetime,
    *,
    before: UUID | None = None,
) -> ConversationList:
    """A page of the account's stored conversations, begun before ``before``."""
    found = account_view.kept_conversation_ids(
        tx, account, PAGE_CONVERSATIONS_MAX + 1, before=before
    )
    ids = found[:PAGE_CONVERSATIONS_MAX]
    return ConversationList(
        conversations=tuple(get_many(tx, keyring, policies, account, ids, now)),
        next=ids[-1] if len(found) > PAGE_CONVERSATIONS_MAX else None,
    )


def get(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    conversation: UUID,
    now: datetime,
) -> OwnConversation:
    """One conversation of the account's own; NotFoundError for any other id."""
    own = get_many(tx, keyring, policies, account, [conversation], now)
    if not own:
        raise NotFoundError(f"no conversation `{format_id(Prefix.conversation, conversation)}`")
    return own[0]


def get_many(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    ids: Sequence[UUID],
    now: datetime,
) -> list[OwnConversation]:
    """Those of ``ids`` that are the account's, in order."""
    views = account_view.load_views(
        tx, [(account, conversation) for conversation in ids], policies, now, with_turns=True
    )
    named, began = load_titles(tx, keyring, views, now), _grant_times(tx, account, policies, views)
    releases = releases_by_conversation(tx, account, list(ids))
    learnt = consumed_by_conversation(tx, account, list(ids))
    holds = _visible_holds(tx, account, [c for c, one in views.items() if one.turns.holds])
    return [
        msgspec.structs.replace(
            _own_conversation(
                policies,
                views[conversation],
                began,
                named.get(conversation, ""),
                releases.get(conversation, []),
                holds.get(conversation, []),
            ),
            erased=not views[conversation].is_stored,
            learnt=tuple(learnt.get(conversation, [])),
        )
        for conversation in ids
        if conversation in views and views[conversation].turns.segments
    ]


def _grant_times(
    tx: Transaction,
    account: UUID,
    policies: Policies,
    views: Mapping[UUID, account_view.AccountView],
) -> dict[int, datetime]:
    """The time of each grant that permits a use of these conversations."""
    grants = {
        view.state.grant_for(question, view.turns)
        for view in views.values()
        for question in policies.in_force(view.at).asks
    }
    return account_choices.grant_times(
        tx, account, sorted(number for number in grants if number is not None)
    )


def _with_grant(
    badge: UseBadge,
    view: account_view.AccountView,
    policies: Policies,
    began: Mapping[int, datetime],
) -> UseBadge:
    """The badge with the grant that permits the use; a used safety copy needs none."""
    question = policies.in_force(view.at).question_of(badge.purpose)
    number = None if question is None else view.state.grant_for(question, view.turns)
    grant = next((grant for grant in view.state.grants if grant.number == number), None)
    if grant is None or badge.use is Use.none or badge.because is DecisionReason.flagged:
        return badge
    return msgspec.structs.replace(badge, scope=grant.scope.kind, since=began.get(grant.number))


def _visible_holds(
    tx: Transaction, account: UUID, ids: Sequence[UUID]
) -> dict[UUID, list[VisibleHold]]:
    """The holds that may be disclosed, oldest first."""
    holds: dict[UUID, list[VisibleHold]] = {}
    if ids:
        for hold in vault_holds.list_disclosed(tx, account, ids):
            visible = VisibleHold(
                reason=hold.reason, placed_at=hold.placed_at, review_at=hold.review_at
            )
            holds.setdefault(hold.conversation, []).append(visible)
    return holds


def has_visible_hold(tx: Transaction, account: UUID, conversation: UUID) -> bool:
    """Whether a hold is in force that may be disclosed to the person."""
    return bool(_visible_holds(tx, account, [conversation]))


def _own_conversation(
    policies: Policies,
    view: account_view.AccountView,
    began: Mapping[int, datetime],
    title: str,
    releases: Sequence[str],
    holds: Sequence[VisibleHold],
) -> OwnConversation:
    row, state = view.conversation, view.turns
    return OwnConversation(
        conversation=row.conversation_id,
        title=title,
        kind=state.kind,
        begun_at=row.begun_at,
        last_at=max(segment.last_at for segment in state.segments),
        turns=len(view.turn_states),
        incognito=state.incognito,
        kept_out=state.narrowed,
        narrowings=state.narrowings,
        project=UUID(hex=state.project) if state.project else None,
        own=tuple(grant.question for grant in view.state.grants if grant.scope.name == state.name),
        deleted_at=state.deleted_at,
        holds=tuple(holds),
        keep_until=None if holds else state.content_until,
        safety_until=state.safety_until,
        badges=tuple(
            _with_grant(badge(view, view.turn_states, policies, purpose), view, policies, began)
            for purpose in sorted(policies.in_force(view.at).covers)
        ),
        releases=tuple(releases),
    )


def badge(
    view: account_view.AccountView, turns: Sequence[TurnState], policies: Policies, purpose: str
) -> UseBadge:
    """The decision for a conversation; turns with raw tool output do not make it partial."""
    runs: list[UseRun] = []
    reasons: Counter[DecisionReason] = Counter()
    for turn in turns:
        decision = view.decide(turn, policies, purpose)
        if decision.because is not DecisionReason.origin:
            reasons[decision.because] += 1
        last, reason = runs[-1] if runs else None, _reason(view, turn, decision)
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
    candidates = {run.because for run in runs if run.until is not None} if used else set(reasons)
    longest = next(
        (because for because, _ in reasons.most_common() if because in candidates),
        DecisionReason.origin,
    )
    return UseBadge(
        purpose=purpose,
        use=Use.none if not used else Use.part if refused else Use.whole,
        because=longest,
        reason=next((run.reason for run in runs if run.because is longest), longest.value),
        until=max((run.until for run in used if run.until is not None), default=None),
        runs=tuple(runs),
    )


def _reason(view: account_view.AccountView, turn: TurnState, decision: Decision) -> str:
    """The decision's reason, or the person's own act on this conversation that is behind it."""
    because, stamp = decision.because, view.turns.segments[turn.segment].stamp
    if because is DecisionReason.before_grant and decision.grant in stamp.grants:
        return "before_let_in"
    if because is DecisionReason.narrowed and not view.turns.narrowed:
        return "was_narrowed"
    return because.value


def load_titles(
    tx: Transaction, keyring: Keyring, view: dict[UUID, account_view.AccountView], now: datetime
) -> dict[UUID, str]:
    """The title of each readable conversation, else its first words."""
    return load_titles_measured(tx, keyring, view, now)[0]


def load_titles_measured(
    tx: Transaction, keyring: Keyring, view: dict[UUID, account_view.AccountView], now: datetime
) -> tuple[dict[UUID, str], int]:
    """`load_titles` with the number of bytes unsealed: at most `OPENED_BYTES_MAX` at a time, or a
    single larger one.
    """
    readable = {
        c: s for c, s in view.items() if s.turns.segments and Permit.readable(s.turns, 0, now)
    }
    beginnings = account_view.first_stored_parts(
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
            named |= _first_words(tx, keyring, batch)
            batch, held = [], 0
        row = about.conversation
        batch.append(Permit.to_owner(about.account, row, about.turns, 0, [number], now))
        total, held = total + size, held + size
    return named | _first_words(tx, keyring, batch), total


def _first_words(tx: Transaction, keyring: Keyring, permits: Sequence[Permit]) -> dict[UUID, str]:
    texts = {
        opened.permit.conversation: opened.contents[0].text[:BEGINNING_CHARACTERS_MAX]
        for opened in open_content(tx, keyring, permits)
    }
    return {conversation: truncate(" ".join(text.split())) for conversation, text in texts.items()}


def truncate(title: str) -> str:
    return (
        title
        if len(title) <= TITLE_CHARACTERS_MAX
        else f"{title[: TITLE_CHARACTERS_MAX - 1].rstrip()}…"
    )


class OwnTurn(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A turn for its person. ``content`` is None if it is not stored or may not be unsealed any
    more.
    """

    turn: TurnState
    at: datetime
    content: Content | None


def list_turns(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    conversation: UUID,
    now: datetime,
    *,
    after: int,
    limit: int,
) -> list[OwnTurn] | None:
    """Up to ``limit`` turns after number ``after``, in order; None if the conversation is not the
    account's.
    """
    view = account_view.load_views(tx, [(account, conversation)], policies, now).get(conversation)
    if view is None:
        return None
    return _open_turns(
        tx, keyring, view, account_view.turns_after(tx, account, conversation, after, limit)
    )


def _open_turns(
    tx: Transaction,
    keyring: Keyring,
    view: account_view.AccountView,
    turns: Sequence[tuple[TurnState, datetime, int | None]],
) -> list[OwnTurn]:
    """Turns with their content, if the person may still read it."""
    permits = [
        Permit.to_owner(
            view.account, view.conversation, view.turns, turn.segment, [turn.number], view.at
        )
        for turn, _, size in turns
        if size is not None
        and Permit.readable(view.turns, turn.segment, view.at)
        and view.conversation.keys[turn.segment].key_slot is not None
    ]
    opened = contents_by_turn(open_content(tx, keyring, permits))
    return [OwnTurn(turn=turn, at=when, content=opened.get(turn.number)) for turn, when, _ in turns]


class OwnPart(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive turns of a segment with their decisions; ``keep_until`` is None under a hold that
    may be disclosed.
    """

    badges: tuple[UseBadge, ...]
    keep_until: datetime | None
    turns: tuple[OwnTurn, ...]


class OwnTurnsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a conversation's turns by part; ``next`` is the turn after which the next page
    begins.
    """

    parts: tuple[OwnPart, ...]
    next: int | None


def list_parts(
    tx: Transaction,
    keyring: Keyring,
    policies: Policies,
    mine: OwnConversation,
    account: UUID,
    now: datetime,
    *,
    after: int = 0,
) -> OwnTurnsPage:
    """The turns after number ``after``, by part: at most `PAGE_TURNS_MAX` and `OPENED_BYTES_MAX`,
    but at least one.
    """
    view = account_view.load_views(tx, [(account, mine.conversation)], policies, now)[
        mine.conversation
    ]
    found = account_view.turns_after(tx, account, mine.conversation, after, PAGE_TURNS_MAX + 1)
    taken, held = 0, 0
    for _, _, size in found[:PAGE_TURNS_MAX]:
        held += size or 0
        if taken and held > OPENED_BYTES_MAX:
            break
        taken += 1
    opened = _open_turns(tx, keyring, view, found[:taken])
    made = [
        _part(view, policies, mine, number, tuple(turns))
        for number, turns in groupby(opened, key=lambda get: get.turn.segment)
    ]
    return OwnTurnsPage(
        parts=tuple(made), next=opened[-1].turn.number if len(found) > taken else None
    )


def _part(
    view: account_view.AccountView,
    policies: Policies,
    mine: OwnConversation,
    segment: int,
    turns: tuple[OwnTurn, ...],
) -> OwnPart:
    states = [turn.turn for turn in turns]
    return OwnPart(
        badges=tuple(
            badge(view, states, policies, purpose)
            for purpose in sorted(policies.in_force(view.at).covers)
        ),
        keep_until=None if mine.held else view.turns.segments[segment].keep_until,
        turns=turns,
    )


def speaker(role: str, origin: str) -> str:
    """The speaker of a message, as a suffix of the key `chat.turn.`: content under the person's
    name was typed or attached.
    """
    if role != "user":
        return role
    return "typed" if origin == "typed" else "given"

"""Explanations: why a conversation may be used, and the status of an account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from uuid import UUID

import msgspec

from licet import wire
from licet.consent import acts, history, own_conversations
from licet.consent.acts import ConsentAct
from licet.consent.consent_status import QuestionStatus, question_statuses
from licet.errors import NotFoundError
from licet.keys.keyring import Keyring
from licet.policy.decide import MEANING, DecisionReason, Gate, gate
from licet.policy.file import Policies
from licet.policy.state import GrantScope, ScopeKind, TurnState
from licet.store.connect import Transaction, snapshot, transaction
from licet.vault import account_choices, account_view, policy_versions
from licet.vault.account_choices import StoredChoice
from licet.vault.ids import Prefix, format_id, format_turn_id, host_hmac, parse, parse_turn
from licet.vault.installation import Installation
from licet.vault.projects import scope_of


class ScopeSeen(msgspec.Struct, frozen=True, kw_only=True):
    """`account`, or a project or conversation by our id."""

    scope: ScopeKind
    project: str | None = None
    conversation: str | None = None


class TurnsExplained(wire.Explained, frozen=True, kw_only=True):
    """One answer for consecutive turns of a conversation, for one purpose. ``turns`` counts them;
    ``turn`` is the first.

    ``question`` covers the purpose, ``grant`` is the number of the grant in force, ``given_for``
    its scope, and ``act`` the choice or restriction that decided.
    """

    because: DecisionReason
    given_for: ScopeSeen | None  # type: ignore[assignment]  # clients read it as a dict
    act: ConsentAct | None


class ChoiceSeen(msgspec.Struct, frozen=True, kw_only=True):
    """``because`` says why it had no effect; ``kept`` numbers the grants that a no left in
    force.
    """

    at: datetime
    question: str | None
    given_for: ScopeSeen
    allow: bool
    effect: str
    because: str | None
    grant: int | None
    kept: tuple[int, ...]
    via: str
    policy: str


class ConversationSeen(wire.Explanation, frozen=True, kw_only=True):
    """Why a conversation, or one turn of it, may or may not be used, and its retention."""

    answers: tuple[TurnsExplained, ...]


class AccountSeen(msgspec.Struct, frozen=True, kw_only=True):
    """``region_values``: whether values of its ``region`` apply in the policy in force."""

    account: str
    plan: str
    age_known: bool
    region: str | None
    region_values: str
    opened_at: datetime
    closed_at: datetime | None
    gate: Gate
    questions: tuple[QuestionStatus, ...]
    choices: tuple[ChoiceSeen, ...]
    conversations: int
    newest: tuple[str, ...]
    turns: dict[str, dict[str, int]]


def explain(installation: Installation, name: str) -> ConversationSeen | AccountSeen:
    """Explains a conversation, a turn or an account, read in one snapshot; NotFoundError."""
    now = installation.clock()
    host = None if name.startswith(_OURS) else _hash_host_id(installation, name)
    with snapshot(installation.pool) as tx:
        applied, keyring = policy_versions.applied(tx), installation.keyring
        if name.startswith(("turn_", "conv_")):
            conversation, number = (
                parse_turn(name)
                if name.startswith("turn_")
                else (parse(Prefix.conversation, name), None)
            )
            holder = account_view.owner(tx, conversation)
            return explain_conversation(
                tx, keyring, applied, holder, conversation, now, turn=number
            )
        account = (
            parse(Prefix.account, name) if host is None else account_view.account_by_host(tx, host)
        )
        if account is None:
            raise NotFoundError(
                f"no account, conversation or turn `{name}`",
                "ids begin with acc_, conv_ or turn_; an account may also be named by the "
                "host's own id",
            )
        return explain_account(tx, keyring, applied, account, now)


_OURS = ("acc_", "conv_", "turn_")


def _hash_host_id(installation: Installation, name: str) -> bytes:
    """Returns the HMAC of a host's account id; creates its key on first use, in a transaction that
    writes.
    """
    with transaction(installation.pool) as tx:
        policy_versions.applied(tx)
        return host_hmac(installation.keyring.host_key(tx), "account", name)


def explain_conversation(
    tx: Transaction,
    keyring: Keyring,
    versions: Policies,
    account: UUID | None,
    conversation: UUID,
    now: datetime,
    *,
    turn: int | None = None,
    for_person: bool = False,
) -> ConversationSeen:
    """Explains a conversation of an account, or one turn of it; NotFoundError for another
    account's. Within the caller's `snapshot`, so that the statements agree.
    """
    seen = (
        account_view.load_views(tx, [(account, conversation)], versions, now, with_turns=True).get(
            conversation
        )
        if account is not None
        else None
    )
    if account is None or seen is None:
        raise NotFoundError(f"no conversation `{format_id(Prefix.conversation, conversation)}`")
    turns = [
        turn_state for turn_state in seen.turn_states if turn is None or turn_state.number == turn
    ]
    if not turns:
        raise NotFoundError(f"no turn `{format_turn_id(conversation, turn or 0)}`")
    row = seen.conversation
    is_held = bool(row.state.holds) and (
        not for_person or own_conversations.has_visible_hold(tx, account, conversation)
    )
    return ConversationSeen(
        conversation=format_id(Prefix.conversation, conversation),
        account=format_id(Prefix.account, account),
        project=format_id(Prefix.project, UUID(hex=row.state.project))
        if row.state.project
        else None,
        kind=row.state.kind.value,
        incognito=row.state.incognito,
        kept_out=row.state.narrowed,
        deleted_at=row.state.deleted_at,
        held=is_held,
        keep_until=None if is_held else seen.turns.content_until,
        safety_until=seen.turns.safety_until,
        erased=all(keys.erased for keys in row.keys),
        answers=tuple(_answers(seen, turns, versions, _BackingActs(keyring, tx, versions, seen))),
        releases=tuple(
            history.releases_by_conversation(tx, account, [conversation]).get(conversation, ())
        ),
    )


class _BackingActs:
    """The acts of an account that explain the answers for one of its conversations."""

    def __init__(
        self, keyring: Keyring, tx: Transaction, versions: Policies, view: account_view.AccountView
    ) -> None:
        account, conversation = view.account.account_id, view.conversation.conversation_id
        self.acts = acts.standing_acts(tx, keyring, versions, view.account, view.at)
        self.scopes = {grant.number: _scope(grant.scope) for grant in view.state.grants}
        self.kept_out_at = acts.kept_out_times(tx, account, [conversation]).get(
            conversation, view.conversation.begun_at
        )


def _answers(
    view: account_view.AccountView,
    turns: Sequence[TurnState],
    versions: Policies,
    behind: _BackingActs,
) -> Iterator[TurnsExplained]:
    """Groups consecutive turns with the same answer, purpose by purpose."""
    for purpose in sorted(versions.in_force(view.at).covers):
        last: TurnsExplained | None = None
        for turn in turns:
            answer = _answer(view, turn, purpose, versions, behind)
            if last is not None and _same_answer(last, answer):
                last = msgspec.structs.replace(last, turns=last.turns + 1)
                continue
            if last is not None:
                yield last
            last = answer
        if last is not None:
            yield last


def _answer(
    view: account_view.AccountView,
    turn: TurnState,
    purpose: str,
    versions: Policies,
    behind: _BackingActs,
) -> TurnsExplained:
    decision = view.decide(turn, versions, purpose)
    return TurnsExplained(
        turn=format_turn_id(view.conversation.conversation_id, turn.number),
        turns=1,
        role=turn.role.value,
        origin=turn.origin,
        purpose=purpose,
        use=decision.use,
        because=decision.because,
        meaning=MEANING[decision.because],
        until=decision.until,
        policy=versions[decision.taken].version,
        policy_in_force=versions[decision.in_force].version,
        question=decision.question,
        grant=decision.grant,
        given_for=behind.scopes[decision.grant] if decision.grant is not None else None,
        act=behind.acts.behind(decision, behind.kept_out_at),
    )


def _same_answer(first: TurnsExplained, second: TurnsExplained) -> bool:
    key = attrgetter("because", "until", "policy")
    return bool(key(first) == key(second))


def _scope(scope: GrantScope) -> ScopeSeen:
    match scope.kind:
        case ScopeKind.account:
            return ScopeSeen(scope=scope.kind)
        case ScopeKind.project:
            return ScopeSeen(
                scope=scope.kind, project=format_id(Prefix.project, UUID(hex=scope.name))
            )
        case ScopeKind.conversation:
            return ScopeSeen(
                scope=scope.kind, conversation=format_id(Prefix.conversation, UUID(hex=scope.name))
            )


def _choice(made: StoredChoice) -> ChoiceSeen:
    return ChoiceSeen(
        at=made.at,
        question=made.question,
        given_for=_scope(scope_of(made.project, made.conversation)),
        allow=made.allow,
        effect=made.effect,
        because=made.because,
        grant=made.grant,
        kept=made.kept,
        via=made.via,
        policy=made.version,
    )


EXPLAINED_CONVERSATIONS_MAX = 10_000
NEWEST_CONVERSATIONS_MAX = 5


def explain_account(
    tx: Transaction, keyring: Keyring, versions: Policies, account: UUID, now: datetime
) -> AccountSeen:
    """Explains an account, in the caller's `snapshot`; NotFoundError."""
    row = account_view.load_accounts(tx, [account]).get(account)
    if row is None:
        raise NotFoundError(f"no account `{format_id(Prefix.account, account)}`")
    state = account_view.account_at(row, versions, now).account
    ids = account_view.conversation_ids(tx, account, EXPLAINED_CONVERSATIONS_MAX)
    seen = account_view.load_views(
        tx, [(account, each) for each in ids], versions, now, with_turns=True
    )
    reasons: dict[str, Counter[str]] = {
        purpose: Counter() for purpose in sorted(versions.in_force(now).covers)
    }
    for view in seen.values():
        for turn in view.turn_states:
            for purpose, counter in reasons.items():
                counter[view.decide(turn, versions, purpose).because.value] += 1
    return AccountSeen(
        account=format_id(Prefix.account, account),
        plan=state.plan,
        age_known=state.age is not None,
        region=state.region,
        region_values=versions.in_force(now).values_of(state.region),
        opened_at=state.opened_at,
        closed_at=state.closed_at,
        gate=gate(state, versions, now),
        questions=question_statuses(
            state, versions, now, acts.standing_acts(tx, keyring, versions, row, now)
        ),
        choices=tuple(_choice(made) for made in account_choices.list_by_account(tx, account)),
        conversations=len(ids),
        newest=tuple(
            format_id(Prefix.conversation, each) for each in ids[-NEWEST_CONVERSATIONS_MAX:]
        ),
        turns={purpose: dict(counter) for purpose, counter in reasons.items()},
    )

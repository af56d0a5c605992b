"""From events to state: what each event does to an account, a conversation and its dates.

Pure functions from state to state. Those that end grants return `Ending`s: the ended grants, and
the date to which content useful only under them is shortened. `after_ending` and `feedback_after`
apply one to a conversation and to feedback in its scope. Callers first bring the account to the
event's time (`advance`), pass times that never decrease along the order, and fold an account's
events one by one.

    advance   versions that became effective: each ends, at its first instant, the grants it does not allow
    stamp     the conditions when a turn was taken, and the grants it was given under
    redate    the dates that a turn sets; every other event only shortens dates
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TypeVar

from msgspec.structs import replace

from licet.policy.decide import IMPROVE, Gate, decide_feedback, gate, is_answered, is_useful
from licet.policy.file import Policies, Policy, Reach
from licet.policy.outcomes import (
    AccountChange,
    Answer,
    ChoiceOutcome,
    Effect,
    Ending,
    EndingCause,
    KeptOut,
    NoEffect,
    Refusal,
    TurnTaken,
)
from licet.policy.retention import ContentKind
from licet.policy.state import (
    NOTHING,
    WHOLE_ACCOUNT,
    AccountState,
    ConversationKind,
    ConversationState,
    Feedback,
    Grant,
    GrantScope,
    GrantStanding,
    ScopeKind,
    Segment,
    Share,
    Stamp,
    Standing,
    TurnRole,
)


def open_account(
    policies: Policies, at: datetime, plan: str, age: int | None, opened_at: datetime | None = None
) -> AccountState:
    """Opens an account first known at ``at``. The gate uses ``opened_at``, when the host
    opened it.
    """
    return AccountState(
        plan=plan, age=age, opened_at=min(opened_at or at, at), last_at=at, seen=policies.number(at)
    )


def advance(account: AccountState, policies: Policies, at: datetime) -> AccountChange:
    """Brings the account to ``at``: each version effective since then ends the grants that it does
    not allow.
    """
    endings: list[Ending] = []
    now = policies.number(at)
    for number in range(account.seen + 1, now + 1):
        version = policies[number]
        if account.plan not in version.plans or version.refuses_age(account.age, account.region):
            over = account.grants
        else:
            over = tuple(grant for grant in account.grants if grant.question not in version.asks)
        account, ended = _lapse_grants(account, policies, version.effective, over)
        endings += ended
    return AccountChange(account=replace(account, seen=now, last_at=at), endings=tuple(endings))


def pass_versions(account: AccountState, policies: Policies, at: datetime) -> AccountChange:
    """`advance` by a background pass, which is no event: ``last_at`` only moves to an ending that
    it caused.

    So earlier recorded history can still be added: such an event takes the account back to the
    version in force then (`seen`), and the later versions end what it began.
    """
    passed = advance(account, policies, at)
    last_at = max([account.last_at, *(ending.at for ending in passed.endings)])
    return replace(passed, account=replace(passed.account, last_at=last_at))


def set_plan(account: AccountState, policies: Policies, at: datetime, plan: str) -> AccountChange:
    account = replace(account, plan=plan)
    if plan in policies.in_force(at).plans:
        return AccountChange(account=account)
    account, endings = _lapse_grants(account, policies, at, account.grants)
    return AccountChange(account=account, endings=endings)


def set_age(
    account: AccountState, policies: Policies, at: datetime, age: int | None
) -> AccountChange:
    """Sets the age given by the host, which always applies."""
    account = replace(account, age=age)
    return _end_if_age_refused(account, policies, at)


def set_region(
    account: AccountState, policies: Policies, at: datetime, region: str | None
) -> AccountChange:
    """Sets the region given by the host, which applies to earlier turns too, like a new age."""
    return _end_if_age_refused(replace(account, region=region), policies, at)


def _end_if_age_refused(account: AccountState, policies: Policies, at: datetime) -> AccountChange:
    """Lapses every grant if the version in force refuses the account's age in its region."""
    if not policies.in_force(at).refuses_age(account.age, account.region):
        return AccountChange(account=account)
    account, endings = _lapse_grants(account, policies, at, account.grants)
    return AccountChange(account=account, endings=endings)


def close_account(account: AccountState, policies: Policies, at: datetime) -> AccountChange:
    """Ends every grant and puts everything under `keep.deleted`; a repeated closure only shortens
    dates.
    """
    closed = replace(account, closed_at=account.closed_at or at, grants=())
    endings = _endings(closed, policies, at, EndingCause.closed, account.grants)
    return AccountChange(
        account=closed,
        endings=endings,
        all_until=policies.in_force(at).keep.period(ContentKind.deleted).after(at),
    )


def choose(
    account: AccountState,
    policies: Policies,
    at: datetime,
    allow: bool,
    *,
    question: str | None = None,
    scope: GrantScope = WHOLE_ACCOUNT,
    conversation: ConversationState | None = None,
    keep: Collection[GrantScope] = (),
    age: int | None = None,
) -> ChoiceOutcome:
    """Folds a choice. An age given with it first sets or lowers the known one, even if the rest has
    no effect.

    ``conversation`` is the one that the scope names, None if the account has none of that name; a
    missing project has the name `NOTHING`.
    """
    if scope != WHOLE_ACCOUNT and not allow:
        raise ValueError("a no is for the account: what is in a scope is kept out")
    aged = take_age(account, policies, at, age)
    account, endings = aged.account, aged.endings
    questions = policies.in_force(at).asks
    because = None
    if account.closed_at is not None:
        because = NoEffect.closed
    elif not policies.begun(at):
        because = NoEffect.not_begun
    elif question is not None and question not in questions:
        because = NoEffect.not_asked
    elif question is None and allow and len(questions) > 1:
        because = NoEffect.several_questions
    if because is not None:
        return ChoiceOutcome(
            account=account, endings=endings, because=because, could_name=questions
        )
    answers = []
    for name in questions if question is None else (question,):
        if not allow:
            account, answer, ended = _record_no(account, policies, at, name, frozenset(keep))
            endings += ended
        elif scope == WHOLE_ACCOUNT:
            account, answer = _record_yes(account, policies, at, name)
        else:
            account, answer = _record_scoped_yes(account, policies, at, name, scope, conversation)
        answers.append(answer)
    return ChoiceOutcome(account=account, answers=tuple(answers), endings=endings)


def take_age(
    account: AccountState, policies: Policies, at: datetime, age: int | None
) -> AccountChange:
    """Sets an unknown age or lowers the known one to the age given with a choice; never
    raises it.
    """
    if age is None or (account.age is not None and age >= account.age):
        return AccountChange(account=account)
    return set_age(account, policies, at, age)


def _record_no(
    account: AccountState,
    policies: Policies,
    at: datetime,
    question: str,
    keep: frozenset[GrantScope],
) -> tuple[AccountState, Answer, tuple[Ending, ...]]:
    """Ends the question's grants of every scope, except those kept."""
    grants = [grant for grant in account.grants if grant.question == question]
    affirmed = tuple(
        grant for grant in grants if grant.scope in keep and grant.scope != WHOLE_ACCOUNT
    )
    ended = tuple(grant for grant in grants if grant not in affirmed)
    before = account.granted_before(question)
    standing = GrantStanding.withdrawn if before else GrantStanding.declined
    account = _without_grants(account, ended)
    account = _with_standing(account, Standing(question, standing, policies.number(at), before))
    effect = Effect.withdrew if ended else Effect.declined
    answer = Answer(question=question, scope=WHOLE_ACCOUNT, effect=effect, kept=affirmed)
    return account, answer, _endings(account, policies, at, EndingCause.refused, ended)


def _record_yes(
    account: AccountState, policies: Policies, at: datetime, question: str
) -> tuple[AccountState, Answer]:
    because = _account_obstacle(account, policies, at)
    if because is not None:
        return account, _no_effect(question, WHOLE_ACCOUNT, because)
    account = _with_standing(
        account, Standing(question, GrantStanding.granted, policies.number(at), True)
    )
    grant = account.grant(question)
    if grant is not None:
        return account, Answer(
            question=question, scope=WHOLE_ACCOUNT, effect=Effect.affirmed, grant=grant
        )
    return _begin_grant(account, question, WHOLE_ACCOUNT)


def _record_scoped_yes(
    account: AccountState,
    policies: Policies,
    at: datetime,
    question: str,
    scope: GrantScope,
    conversation: ConversationState | None,
) -> tuple[AccountState, Answer]:
    """Begins a grant for a project or conversation, which does not count as an answer to
    a version.
    """
    because = _account_obstacle(account, policies, at)
    if because is None and gate(account, policies, at) is not Gate.open:
        because = NoEffect.gate
    if because is None:
        because = _scope_obstacle(account, at, scope, conversation)
    if because is None:
        covering = {scope, WHOLE_ACCOUNT}
        if (
            scope.kind is ScopeKind.conversation
            and conversation is not None
            and conversation.project
        ):
            covering.add(GrantScope(ScopeKind.project, conversation.project))
        if any(grant.question == question and grant.scope in covering for grant in account.grants):
            because = NoEffect.covered
    if because is not None:
        return account, _no_effect(question, scope, because)
    before = Standing(
        question, account.standing(question), account.answered_version(question), True
    )
    return _begin_grant(_with_standing(account, before), question, scope)


def _account_obstacle(account: AccountState, policies: Policies, at: datetime) -> NoEffect | None:
    """Returns why this account can give no yes at all, or None."""
    version = policies.in_force(at)
    if account.plan not in version.plans:
        return NoEffect.plan
    return NoEffect.age if version.refuses_age(account.age, account.region) else None


def _scope_obstacle(
    account: AccountState, at: datetime, scope: GrantScope, conversation: ConversationState | None
) -> NoEffect | None:
    """Returns why no grant can be given for the scope, whatever the question, or None."""
    if scope.name == NOTHING:
        return NoEffect.unknown
    if scope.kind is ScopeKind.project:
        return NoEffect.kept_out if scope.name in account.kept_out else None
    if conversation is None:
        return NoEffect.unknown
    if conversation.deleted_at is not None:
        return NoEffect.deleted
    if conversation.content_until <= at:
        return NoEffect.expired
    if conversation.incognito:
        return NoEffect.incognito
    return NoEffect.kept_out if conversation.narrowed else None


def _no_effect(question: str, scope: GrantScope, because: NoEffect) -> Answer:
    return Answer(question=question, scope=scope, effect=Effect.none, because=because)


def _begin_grant(
    account: AccountState, question: str, scope: GrantScope
) -> tuple[AccountState, Answer]:
    number = account.granted + 1
    grants = (*account.grants, Grant(number, question, scope))
    answer = Answer(question=question, scope=scope, effect=Effect.began, grant=number)
    return replace(account, grants=grants, granted=number), answer


def _with_standing(account: AccountState, standing: Standing) -> AccountState:
    others = (other for other in account.standings if other.question != standing.question)
    return replace(account, standings=tuple(sorted((*others, standing))))


def _without_grants(account: AccountState, ended: Collection[Grant]) -> AccountState:
    return (
        replace(account, grants=tuple(grant for grant in account.grants if grant not in ended))
        if ended
        else account
    )


def _lapse_grants(
    account: AccountState, policies: Policies, at: datetime, over: tuple[Grant, ...]
) -> tuple[AccountState, tuple[Ending, ...]]:
    """Lapses grants, and clears the answers of account-wide ones; a refusal is not a grant and
    stays.
    """
    for grant in over:
        if grant.scope == WHOLE_ACCOUNT:
            account = _with_standing(
                account, Standing(grant.question, GrantStanding.lapsed, None, True)
            )
    account = _without_grants(account, over)
    return account, _endings(account, policies, at, EndingCause.lapsed, over)


def _endings(
    account: AccountState,
    policies: Policies,
    at: datetime,
    cause: EndingCause,
    ended: tuple[Grant, ...],
) -> tuple[Ending, ...]:
    if not ended:
        return ()
    return (
        Ending(cause=cause, at=at, grants=ended, account=account, keep=policies.in_force(at).keep),
    )


def after_ending(
    ending: Ending, conversation: ConversationState, policies: Policies
) -> ConversationState:
    """Shortens the useless content of a conversation in the scope of an ended grant."""
    account, at = ending.account, ending.at
    segments = tuple(
        segment
        if is_useful(account, conversation, segment, policies, at)
        else shorten_date(segment, ending.content_until(segment.stamp.surface))
        for segment in conversation.segments
    )
    return replace(conversation, segments=segments)


def feedback_after(
    ending: Ending, conversation: ConversationState, feedback: Feedback, policies: Policies
) -> Feedback:
    """Shortens feedback on a conversation in the scope of an ended grant."""
    usable = decide_feedback(ending.account, conversation, feedback, policies, ending.at).use
    return feedback if usable else shorten_date(feedback, ending.feedback_until)


def current_grant(
    account: AccountState,
    conversation: ConversationState,
    policies: Policies,
    at: datetime,
    question: str,
) -> int | None:
    """Returns the question's grant under which an in-scope user turn of this conversation would be
    taken now.
    """
    grant = account.grant_for(question, conversation)
    if grant is None or is_stale(account, policies, at, question):
        return None
    return grant if _takes_grants(account, conversation, policies.in_force(at)) else None


def _takes_grants(account: AccountState, conversation: ConversationState, version: Policy) -> bool:
    """Whether a turn of this conversation can be taken under a grant now."""
    return not (
        version.refuses_age(account.age, account.region)
        or conversation.incognito
        or conversation.narrowed
    )


def is_stale(account: AccountState, policies: Policies, at: datetime, question: str) -> bool:
    """Whether the question is unanswered under the newest material version or later."""
    newest = policies.newest_material(at)
    return newest is not None and not is_answered(account, question, newest)


def stamp(
    account: AccountState,
    conversation: ConversationState,
    policies: Policies,
    at: datetime,
    role: TurnRole,
    surface: str,
) -> Stamp:
    """Returns the stamp of a turn taken now."""
    number = policies.number(at)
    version = policies[number]
    in_scope = version.in_scope(account.plan, surface)
    stale: list[str] = []
    grants: list[int] = []
    if account.grants:
        takes = in_scope and _takes_grants(account, conversation, version)
        spoken = None if role is TurnRole.user else _last_user_stamp(conversation)
        for question in version.asks:
            grant = account.grant_for(question, conversation)
            if grant is None:
                continue
            if is_stale(account, policies, at, question):
                stale.append(question)
            elif takes and (role is TurnRole.user or _is_under(spoken, grant, conversation)):
                grants.append(grant)
    return Stamp(
        plan=account.plan,
        surface=surface,
        in_scope=in_scope,
        version=number,
        narrowed=conversation.narrowed,
        stale=tuple(sorted(stale)),
        grants=tuple(sorted(grants)),
        narrowing=conversation.narrowings if grants else 0,
    )


def _last_user_stamp(conversation: ConversationState) -> Stamp | None:
    """Returns the stamp of the person's last turn."""
    spoken = (s for s in reversed(conversation.segments) if s.has_user)
    return next((s.stamp for s in spoken), None)


def _is_under(mark: Stamp | None, grant: int, conversation: ConversationState) -> bool:
    return mark is not None and mark.is_under(grant, conversation)


def refusal(
    account: AccountState,
    conversation: ConversationState | None,
    policies: Policies,
    at: datetime,
    role: TurnRole,
) -> Refusal | None:
    """Returns why a live turn would not be accepted now, or None."""
    over = refusal_of_history(account, conversation)
    if over is not None:
        return over
    if conversation is not None and conversation.content_until <= at:
        return Refusal.expired
    if role is TurnRole.user and gate(account, policies, at) is Gate.must_decide:
        return Refusal.must_decide
    return None


def refusal_of_history(
    account: AccountState, conversation: ConversationState | None
) -> Refusal | None:
    """Returns why a recorded turn is not accepted, or None: it was accepted then, whatever the gate
    says now.
    """
    if account.closed_at is not None:
        return Refusal.closed
    if conversation is not None and conversation.deleted_at is not None:
        return Refusal.deleted
    return None


def begin_conversation(
    account: AccountState,
    *,
    name: str = "",
    project: str = "",
    incognito: bool = False,
    kind: ConversationKind = ConversationKind.chat,
    narrow: bool = False,
) -> ConversationState:
    """Begins a conversation, with the fields of its first turn; kept out if its project is."""
    narrowed = narrow or (bool(project) and project in account.kept_out)
    return ConversationState(
        name=name, project=project, incognito=incognito, kind=kind, narrowed=narrowed
    )


def add_turn(
    account: AccountState,
    conversation: ConversationState,
    policies: Policies,
    at: datetime,
    role: TurnRole,
    surface: str,
    origin: str,
    *,
    under: int | None = None,
    is_erased: bool = False,
) -> TurnTaken:
    """Adds a turn to the conversation: stamped, in a segment, and every unexpired segment dated
    again.

    ``under`` is the account's newest grant when the turn was said, 0 for none, None for now: a late
    turn's stamp names no newer one. ``is_erased``: its last segment's key is destroyed, though the
    turn precedes that segment's end.

    Live callers call `refusal` first. A turn after an expired segment begins a new one even with
    the same stamp: the expired segment's key is destroyed, so nothing can be added to it.
    """
    mark = stamp(as_of(account, under), conversation, policies, at, role, surface)
    longer = _with_turn(
        conversation, mark, at, role, origin, is_alive=not is_erased and _is_alive(conversation, at)
    )
    return _turn_taken(redate(account, longer, policies, at))


def as_of(account: AccountState, under: int | None) -> AccountState:
    """Returns the account with the grants that it had when its newest grant was ``under``."""
    if under is None:
        return account
    return replace(account, grants=tuple(g for g in account.grants if g.number <= under))


def add_late_turn(
    account: AccountState,
    conversation: ConversationState,
    policies: Policies,
    at: datetime,
    role: TurnRole,
    surface: str,
    origin: str,
    *,
    now: datetime,
    is_erased: bool = False,
) -> TurnTaken:
    """Adds a recorded turn of ``at``, before its account's newest event and not before the
    conversation's last turn.

    It is under no grant, whatever is in force at ``now``, and dated by its own time. Existing
    content keeps its dates.
    """
    nobody = replace(account, grants=())
    mark = stamp(nobody, conversation, policies, at, role, surface)
    longer = _with_turn(
        conversation,
        mark,
        at,
        role,
        origin,
        is_alive=not is_erased and _is_alive(conversation, now),
    )
    until = (
        policies.in_force(at)
        .keep.of_turn(allowed=False, incognito=conversation.incognito, surface=surface)
        .after(at)
    )
    *others, last = longer.segments
    return _turn_taken(replace(longer, segments=(*others, replace(last, keep_until=until))))


def _is_alive(conversation: ConversationState, at: datetime) -> bool:
    """Whether its last segment has not expired."""
    return bool(conversation.segments) and conversation.segments[-1].keep_until > at


def _turn_taken(conversation: ConversationState) -> TurnTaken:
    return TurnTaken(
        conversation=conversation, turn=conversation.turns, segment=len(conversation.segments) - 1
    )


def _with_turn(
    conversation: ConversationState,
    mark: Stamp,
    at: datetime,
    role: TurnRole,
    origin: str,
    *,
    is_alive: bool,
) -> ConversationState:
    """Appends a turn, to the last segment if that has the same stamp and is alive."""
    number = conversation.turns + 1
    segments = list(conversation.segments)
    last = segments[-1] if segments else None
    spoke = role is TurnRole.user
    if last is not None and last.stamp == mark and is_alive:
        origins = last.origins if origin in last.origins else last.origins | {origin}
        has_user = last.has_user or spoke
        segments[-1] = replace(
            last, last_turn=number, last_at=at, has_user=has_user, origins=origins
        )
    else:
        undated = at + timedelta.resolution  # not yet expired; `redate` gives the date
        segments.append(
            Segment(
                stamp=mark,
                first_turn=number,
                last_turn=number,
                last_at=at,
                has_user=spoke,
                origins=frozenset({origin}),
                keep_until=undated,
            )
        )
    return replace(conversation, segments=tuple(segments))


def redate(
    account: AccountState, conversation: ConversationState, policies: Policies, at: datetime
) -> ConversationState:
    """Sets the dates of a turn taken at ``at``: long for what the rule permits then, short for
    everything else.
    """
    version = policies.in_force(at)
    by_turn = version.reach is Reach.turn

    def dated(segment: Segment) -> Segment:
        if segment.keep_until <= at:
            return segment
        allowed = is_useful(account, conversation, segment, policies, at)
        period = version.keep.of_turn(
            allowed=allowed, incognito=conversation.incognito, surface=segment.stamp.surface
        )
        until = period.after(segment.last_at if allowed and by_turn else at)
        return segment if segment.keep_until == until else replace(segment, keep_until=until)

    return replace(conversation, segments=tuple(map(dated, conversation.segments)))


def delete(conversation: ConversationState, policies: Policies, at: datetime) -> ConversationState:
    """Ends all use now; a repeated deletion may shorten dates, never extend them."""
    deleted = replace(conversation, deleted_at=conversation.deleted_at or at)
    return shorten_segments(
        deleted, policies.in_force(at).keep.period(ContentKind.deleted).after(at)
    )


def narrow(
    account: AccountState, conversation: ConversationState, policies: Policies, at: datetime
) -> KeptOut:
    """Keeps the conversation out from now on, and ends the grants for it alone; no effect if it is
    out or deleted.
    """
    if conversation.narrowed or conversation.deleted_at is not None:
        return KeptOut(account=account, conversation=conversation)
    own = GrantScope(ScopeKind.conversation, conversation.name)
    ended = tuple(grant for grant in account.grants if grant.scope == own)
    kept_out = replace(conversation, narrowed=True, narrowings=conversation.narrowings + 1)
    keep = policies.in_force(at).keep
    segments = tuple(
        shorten_date(
            s,
            keep.period(ContentKind.conversation, allowed=False, surface=s.stamp.surface).after(at),
        )
        for s in kept_out.segments
    )
    return KeptOut(
        account=_without_grants(account, ended),
        conversation=replace(kept_out, segments=segments),
        ended=ended,
    )


def widen_conversation(conversation: ConversationState) -> ConversationState:
    """Lets in what follows; no effect if it is in or deleted."""
    if not conversation.narrowed or conversation.deleted_at is not None:
        return conversation
    return replace(conversation, narrowed=False)


def keep_project_out(
    account: AccountState, policies: Policies, at: datetime, project: str
) -> AccountChange:
    """Keeps out the project's later conversations and ends its own grants; the caller narrows each
    existing conversation.
    """
    own = GrantScope(ScopeKind.project, project)
    ended = tuple(grant for grant in account.grants if grant.scope == own)
    account = replace(_without_grants(account, ended), kept_out=account.kept_out | {project})
    return AccountChange(
        account=account, endings=_endings(account, policies, at, EndingCause.narrowed, ended)
    )


def let_project_in(account: AccountState, project: str) -> AccountState:
    """Lets in the project's later conversations; those kept out stay out."""
    return (
        replace(account, kept_out=account.kept_out - {project})
        if project in account.kept_out
        else account
    )


def flag(
    account: AccountState, conversation: ConversationState, policies: Policies, at: datetime
) -> ConversationState:
    """Flags the turns so far; no effect on a closed account or deleted or expired content.

    A segment that expired under an earlier flag keeps that flag's date, so the copy ends with the
    latest of them.
    """
    if (
        account.closed_at is not None
        or conversation.deleted_at is not None
        or conversation.content_until <= at
    ):
        return conversation
    until = policies.in_force(at).keep.period(ContentKind.flagged).after(at)
    marked = tuple(
        s if s.keep_until <= at else replace(s, flagged_turn=s.last_turn, safety_until=until)
        for s in conversation.segments
    )
    ends = max(s.safety_until for s in marked if s.safety_until is not None)
    return replace(conversation, safety_until=ends, segments=marked)


def unflag(conversation: ConversationState) -> ConversationState:
    unmarked = tuple(
        s if s.safety_until is None else replace(s, flagged_turn=0, safety_until=None)
        for s in conversation.segments
    )
    return replace(conversation, safety_until=None, segments=unmarked)


def hold(conversation: ConversationState, at: datetime, matter: str) -> ConversationState:
    if conversation.content_until <= at:
        return conversation
    return replace(conversation, holds=conversation.holds | {matter})


def unhold(conversation: ConversationState, matter: str) -> ConversationState:
    return replace(conversation, holds=conversation.holds - {matter})


def give_feedback(
    account: AccountState,
    conversation: ConversationState,
    policies: Policies,
    at: datetime,
    share: Share,
) -> Feedback | None:
    """Returns the feedback given now, with its date; None if none can be given."""
    if (
        account.closed_at is not None
        or conversation.deleted_at is not None
        or conversation.content_until <= at
    ):
        return None
    version = policies.in_force(at)
    question = version.question_of(IMPROVE)
    grant = (
        None if question is None else current_grant(account, conversation, policies, at, question)
    )
    feedback = Feedback(
        share=Share.rating if conversation.incognito else share,
        version=policies.number(at),
        grant=grant,
        narrowing=0 if grant is None else conversation.narrowings,
        narrowed=conversation.narrowed,
        keep_until=at + timedelta.resolution,
    )
    usable = decide_feedback(account, conversation, feedback, policies, at).use
    period = version.keep.period(ContentKind.feedback, allowed=usable)
    return replace(feedback, keep_until=period.after(at))


_Dated = TypeVar("_Dated", Segment, Feedback)


def shorten_date(dated: _Dated, until: datetime) -> _Dated:
    """Returns ``dated`` with a date of ``until`` at most."""
    return dated if dated.keep_until <= until else replace(dated, keep_until=until)


def shorten_segments(conversation: ConversationState, until: datetime) -> ConversationState:
    return replace(
        conversation, segments=tuple(shorten_date(s, until) for s in conversation.segments)
    )

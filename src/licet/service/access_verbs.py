"""Staff verbs on service keys and staff, for owners.

A secret, or a sign-in link, is answered once: a repetition under the same `Idempotency-Key` has
none. If it is lost, revoke it and make another.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from licet.access import service_keys, sessions
from licet.access.roles import KeyBinding, Scope, StaffRole
from licet.access.service_keys import (
    NAME_PATTERN,
    RATE_MAX,
    RELEASES_MAX,
    KeyAct,
    KeyLimits,
    ServiceKey,
)
from licet.access.sessions import StaffAccount
from licet.errors import NotFoundError, UsageError
from licet.policy.period import instant
from licet.service.staff_verb import (
    OWNER,
    AnyCall,
    AnyVerb,
    GivenReason,
    NoBody,
    Reason,
    StaffVerb,
    VerbAnswer,
    VerbBody,
    VerbCall,
    no_sentences,
)
from licet.store.connect import Transaction, transaction
from licet.vault.ids import Prefix, format_id, parse
from licet.webhooks import endpoints

PAGE = "/console/access"
Name = Annotated[str, Meta(max_length=64)]
RatePerMinute = Annotated[
    int,
    Meta(
        ge=1,
        le=RATE_MAX,
        description="Requests a minute, below the limit of the installation.",
        extra={"option": "--per-minute"},
    ),
]
KeyEnd = Annotated[
    datetime,
    Meta(
        description="When it stops working, such as 2027-01-31; by default never.",
        extra={"option": "--expires"},
    ),
]
ReleasePatterns = Annotated[
    tuple[Annotated[str, Meta(max_length=65)], ...],
    Meta(
        max_length=RELEASES_MAX,
        description="With release:lease: a release, or a pattern like `autumn-*`; several.",
    ),
]
Scopes = Annotated[
    tuple[Scope, ...],
    Meta(min_length=1, max_length=len(Scope), description=f"Scopes are {', '.join(Scope)}."),
]
Roles = Annotated[
    tuple[StaffRole, ...],
    Meta(max_length=len(StaffRole), description=f"Roles are {', '.join(StaffRole)}."),
]


# Keys of services


class NewApiKey(VerbBody, frozen=True, kw_only=True):
    """``recipient`` and ``releases`` go with `release:lease`, ``endpoint`` with
    `events:acknowledge`.
    """

    name: Annotated[
        str,
        Meta(
            pattern=NAME_PATTERN,
            description="Of the program that holds it: lower-case letters, digits, `-`, `_`, `.`.",
        ),
    ]
    scopes: Scopes
    recipient: Annotated[
        Name | None,
        Meta(
            description="With release:lease: who gets the row keys; the policy in force must name "
            "it."
        ),
    ] = None
    own: Annotated[
        bool,
        Meta(
            description="With a recipient: these are your own machines, so nothing is handed over."
        ),
    ] = False
    releases: ReleasePatterns = ()
    endpoint: Annotated[
        Name | None,
        Meta(description="With events:acknowledge: the endpoint that it acknowledges for."),
    ] = None
    requests_per_minute: RatePerMinute | None = None
    expires_at: KeyEnd | None = None


class NewKeyLimits(VerbBody, frozen=True, kw_only=True):
    """All of a key's new limits. ``version`` is the one that the caller saw: at another one the
    change is refused.
    """

    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    scopes: Scopes
    releases: ReleasePatterns = ()
    requests_per_minute: RatePerMinute | None = None
    expires_at: KeyEnd | None = None
    reason: Reason


class KeyLimitsAnswer(VerbAnswer, frozen=True, kw_only=True):
    """A key's scopes, rate and expiry."""

    scopes: tuple[Scope, ...]
    releases: tuple[str, ...]
    requests_per_minute: int | None
    expires_at: datetime | None


class KeyChangeAnswer(VerbAnswer, frozen=True, kw_only=True):
    """A change of a key: ``was`` are the limits before it."""

    version: int
    act: str
    at: datetime
    by: str
    reason: str
    was: KeyLimitsAnswer


class ApiKeyAnswer(VerbAnswer, frozen=True, kw_only=True):
    """``state`` is `valid`, `expired` or `revoked`."""

    name: str
    state: str
    scopes: tuple[Scope, ...]
    recipient: str | None
    own: bool
    releases: tuple[str, ...]
    endpoint: str | None
    requests_per_minute: int | None
    expires_at: datetime | None
    made_at: datetime
    revoked_at: datetime | None
    version: int

    @classmethod
    def from_key(cls, key: ServiceKey, now: datetime) -> ApiKeyAnswer:
        return msgspec.convert({**msgspec.structs.asdict(key), "state": key.state(now)}, cls)


class ApiKeyMade(VerbAnswer, frozen=True, kw_only=True):
    """``secret`` is answered once: a repetition under the same `Idempotency-Key` has none."""

    key: ApiKeyAnswer
    secret: str | None


def _make_key(call: VerbCall[NewApiKey]) -> str:
    sent, installation = call.sent, call.installation
    with transaction(installation.pool) as tx:
        bound = KeyBinding(
            recipient=sent.recipient,
            own=sent.own,
            releases=sent.releases,
            endpoint=endpoints.id_of(tx, sent.endpoint) if sent.endpoint is not None else None,
        )
        return service_keys.create_key(
            tx,
            sent.name,
            sent.scopes,
            installation.clock(),
            installation.keyring.random,
            bound,
            requests_per_minute=sent.requests_per_minute,
            expires_at=sent.expires_at,
        )


def _limit_key(call: VerbCall[NewKeyLimits]) -> ServiceKey:
    sent, installation = call.sent, call.installation
    wanted = msgspec.convert(sent, KeyLimits, from_attributes=True)
    with transaction(installation.pool) as tx:
        if call.dry_run:
            known = service_keys.find_by_name(tx, call.target)
            if not list(_differences(known.limits, wanted)):
                raise UsageError("nothing would change", "change a limit first")
            return known
        return service_keys.set_limits(
            tx,
            call.target,
            wanted,
            _key_act(call),
            installation.keyring.restrictions,
            version=sent.version,
        )


def _differences(old: KeyLimits, new: KeyLimits) -> Iterator[str]:
    for noun, before, after in (
        ("Scope", set(old.scopes), set(new.scopes)),
        ("Release", set(old.releases), set(new.releases)),
    ):
        yield from (f"{noun} {name}: taken away" for name in sorted(before - after))
        yield from (f"{noun} {name}: added" for name in sorted(after - before))
    if old.requests_per_minute != new.requests_per_minute:
        yield (
            f"Requests a minute: {old.requests_per_minute or 'no limit'} becomes "
            f"{new.requests_per_minute or 'no limit'}"
        )
    if old.expires_at != new.expires_at:
        ends = (f"{at:%Y-%m-%d %H:%M}" if at else "–" for at in (old.expires_at, new.expires_at))
        yield f"Works until: {' becomes '.join(ends)}"


def _revoke_key(call: VerbCall[GivenReason]) -> ServiceKey:
    installation = call.installation
    with transaction(installation.pool) as tx:
        if not call.dry_run:
            service_keys.revoke(tx, call.target, _key_act(call), installation.keyring.restrictions)
        return service_keys.find_by_name(tx, call.target)


def _key_act(call: VerbCall[NewKeyLimits] | VerbCall[GivenReason]) -> KeyAct:
    return KeyAct(by=call.actor, reason=call.sent.reason, at=call.installation.clock())


def _key_now(
    call: VerbCall[NewApiKey] | VerbCall[NewKeyLimits] | VerbCall[GivenReason],
    done: ServiceKey | None = None,
) -> ApiKeyAnswer:
    with transaction(call.installation.pool) as tx:
        known = done or service_keys.find_by_name(tx, call.target)
    return ApiKeyAnswer.from_key(known, call.installation.clock())


MAKE_KEY: StaffVerb[NewApiKey, str] = StaffVerb(
    name="make_api_key",
    about="Makes a key and answers its secret, once. A key that leases rows is bound to one "
    "recipient and to releases, and works for no others: at each lease the policy in force must "
    "name the recipient, as for an export, unless the recipient is your own machines. A key that "
    "acknowledges events is bound to one endpoint.",
    who=OWNER,
    takes=NewApiKey,
    run=_make_key,
    route="api-keys",
    page="access/keys",
    named_by="name",
    status=201,
    answers=ApiKeyMade,
    answer=lambda call, secret: ApiKeyMade(key=_key_now(call), secret=secret),
    command="api-key create",
    by="",
    example="assistant --scope gate:read --scope turns:write\n"
    "cluster --scope release:lease --recipient training --own --release 'autumn-*'\n"
    "archive --scope events:read --scope events:acknowledge --endpoint archive",
)
LIMIT_KEY: StaffVerb[NewKeyLimits, ServiceKey] = StaffVerb(
    name="limit_api_key",
    about="Gives a key other limits, which hold at once; 409 where somebody changed it since the "
    "version that was seen.",
    who=OWNER,
    takes=NewKeyLimits,
    run=_limit_key,
    route="api-keys/{name:str}/limits",
    method="PUT",
    answers=ApiKeyAnswer,
    answer=_key_now,
    clears_key_cache=True,
    page="access/keys/{name:str}/limit",
    label="Change the limits",
    title=lambda call, _: f"Change the limits of {call.target}",
    means="They hold at once, for every request that comes after.",
    would=lambda call, known: tuple(
        _differences(known.limits, msgspec.convert(call.sent, KeyLimits, from_attributes=True))
    ),
    flash="Its limits are changed, and hold from now on.",
)


class KeyLimitChange(VerbBody, frozen=True, kw_only=True):
    """The options of the command: omitted ones stay unchanged."""

    scopes: Annotated[tuple[Scope, ...], Meta(description="What it may do from now on.")] = ()
    releases: Annotated[
        tuple[str, ...], Meta(description="Releases that it may lease from now on.")
    ] = ()
    requests_per_minute: Annotated[
        int | None,
        Meta(
            description="Requests a minute from now on; 0 for no limit of its own.",
            extra={"option": "--per-minute"},
        ),
    ] = None
    expires: Annotated[
        str | None,
        Meta(description="When it stops working, such as 2027-01-31; `never` for no end."),
    ] = None
    reason: Reason
    version: Annotated[
        int | None, Meta(description="The version that you saw: refused at another.")
    ] = None
    dry_run: bool = False


def _change_limits(call: AnyCall) -> KeyLimits | ServiceKey:
    sent: KeyLimitChange = call.sent
    with transaction(call.installation.pool) as tx:
        known = service_keys.find_by_name(tx, call.target)
    wanted, rate = known.limits, sent.requests_per_minute
    wanted = KeyLimits(
        scopes=sent.scopes or wanted.scopes,
        releases=sent.releases or wanted.releases,
        requests_per_minute=wanted.requests_per_minute if rate is None else rate or None,
        expires_at=_end_of(sent.expires) if sent.expires else wanted.expires_at,
    )
    if call.dry_run:
        return wanted
    version = known.version if sent.version is None else sent.version
    limits = NewKeyLimits(version=version, reason=sent.reason, **msgspec.structs.asdict(wanted))
    return _limit_key(msgspec.structs.replace(call, sent=limits))


def _end_of(text: str) -> datetime | None:
    try:
        return None if text == "never" else instant(text)
    except ValueError as error:
        raise UsageError(*str(error).split(": ", 1)) from None


CHANGE_LIMITS: StaffVerb[KeyLimitChange, KeyLimits | ServiceKey] = StaffVerb(
    name="limit_api_key",
    about="""Changes what an API key may do, how often and until when. A running server heeds it
within a second.

What is not named stays as it is. The change is on record with its reason, and a restore keeps
it.""",
    who=OWNER,
    takes=KeyLimitChange,
    run=_change_limits,
    would=no_sentences,
    command="api-key limit",
    needs_reason=True,
    example="assistant --scope gate:read --expires 2027-01-31 --reason 'writes by another key now'",
)
REVOKE_KEY: StaffVerb[GivenReason, ServiceKey] = StaffVerb(
    name="revoke_api_key",
    about="Revokes a key, for good. A repetition changes nothing.",
    who=OWNER,
    takes=GivenReason,
    run=_revoke_key,
    route="api-keys/{name:str}/revoke",
    answers=ApiKeyAnswer,
    answer=_key_now,
    clears_key_cache=True,
    page="access/keys/{name:str}/revoke",
    label="Revoke",
    title=lambda call, _: f"Revoke the key {call.target}",
    means="Whoever has it is refused within a second. It cannot be taken back: another key has "
    "another secret.",
    would=no_sentences,
    flash="The key is revoked: a server refuses it within a second.",
    back=PAGE,
    destroys=True,
    command="api-key revoke",
    example="assistant --reason 'it lay in a log'",
    did=lambda call, _: f"`{call.target}` is revoked",
)


# Staff


class NewStaff(VerbBody, frozen=True, kw_only=True):
    """``roles`` are added to those of the work address ``email``."""

    email: Annotated[str, Meta(min_length=3, max_length=254)]
    roles: Annotated[Roles, Meta(min_length=1)]


class NewRoles(VerbBody, frozen=True, kw_only=True):
    """``was`` are the roles that the caller saw: if they have changed, the change is refused."""

    roles: Roles
    was: Roles


class StaffAnswer(VerbAnswer, frozen=True, kw_only=True):
    """A member of staff. ``roles`` are those given here, beside the identity provider's."""

    staff: str
    email: str
    roles: tuple[StaffRole, ...]
    made_at: datetime
    sessions: int

    @classmethod
    def from_member(cls, member: StaffAccount) -> StaffAnswer:
        shown_id = {"staff": format_id(Prefix.staff, member.staff_id)}
        return msgspec.convert({**msgspec.structs.asdict(member), **shown_id}, cls)


class StaffAdded(VerbAnswer, frozen=True, kw_only=True):
    """``link`` signs them in once, within an hour; a repetition under the same `Idempotency-Key`
    has none.
    """

    member: StaffAnswer
    link: str | None


def member_id(tx: Transaction, target: str) -> UUID:
    """Returns a member's id by address or id; NotFoundError."""
    if "@" not in target:
        return parse(Prefix.staff, target if "_" in target else f"staff_{target}")
    found = sessions.find_staff(tx, target)
    if found is None:
        raise NotFoundError(f"no member of staff `{target}`", "`licet staff list` shows them")
    return found[0]


def _member_now(
    call: VerbCall[NewStaff] | VerbCall[NewRoles] | VerbCall[NoBody],
    done: StaffAccount | None = None,
) -> StaffAnswer:
    if done is not None:
        return StaffAnswer.from_member(done)
    with transaction(call.installation.pool) as tx:
        return StaffAnswer.from_member(
            sessions.get_staff(tx, member_id(tx, call.target), call.wall)
        )


def _add_staff(call: VerbCall[NewStaff]) -> str:
    with transaction(call.installation.pool) as tx:
        secret = sessions.add_staff(
            tx, call.sent.email, call.sent.roles, call.wall, call.installation.keyring.random
        )
    return f"{call.url.rstrip('/')}/sign-in/link/{secret}"


def _set_roles(call: VerbCall[NewRoles]) -> StaffAccount:
    with transaction(call.installation.pool) as tx:
        member = member_id(tx, call.target)
        if not call.dry_run:
            sessions.set_roles(tx, member, call.sent.roles, call.sent.was)
        return sessions.get_staff(tx, member, call.wall)


def _end_staff(call: VerbCall[NoBody]) -> StaffAccount:
    with transaction(call.installation.pool) as tx:
        member = member_id(tx, call.target)
        if not call.dry_run:
            sessions.revoke_staff(tx, member)
        return sessions.get_staff(tx, member, call.wall)


ADD_STAFF: StaffVerb[NewStaff, str] = StaffVerb(
    name="add_staff",
    about="Gives somebody roles, and answers a link that signs them in once.",
    who=OWNER,
    takes=NewStaff,
    run=_add_staff,
    route="staff",
    page="access/staff",
    named_by="email",
    status=201,
    answers=StaffAdded,
    answer=lambda call, link: StaffAdded(member=_member_now(call), link=link),
    command="staff add",
    noun="EMAIL",
    makes_link=True,
    by="",
    example="bo@example.org --role reviewer --role curator",
)
SET_ROLES: StaffVerb[NewRoles, StaffAccount] = StaffVerb(
    name="set_staff_roles",
    about="Gives a member of staff other roles, which hold from their next request on; 409 where "
    "theirs changed meanwhile.",
    who=OWNER,
    takes=NewRoles,
    run=_set_roles,
    route="staff/{staff:str}/roles",
    method="PUT",
    answers=StaffAnswer,
    answer=_member_now,
    page="access/staff/{staff:str}/roles",
    flash="Their roles are changed, from their next request on.",
    back=PAGE,
)


class RolesFromNow(VerbBody, frozen=True, kw_only=True):
    roles: Annotated[
        Roles, Meta(description="A role from now on; repeatable. Without one: none.")
    ] = ()


def _replace_roles(call: AnyCall) -> StaffAccount:
    with transaction(call.installation.pool) as tx:
        was = sessions.get_staff(tx, member_id(tx, call.target), call.wall).roles
    sent = NewRoles(roles=call.sent.roles, was=was)
    return _set_roles(msgspec.structs.replace(call, sent=sent))


REPLACE_ROLES: AnyVerb = msgspec.structs.replace(
    SET_ROLES,
    about="Replaces the roles that EMAIL was given here. They hold from the next request on.",
    takes=RolesFromNow,
    run=_replace_roles,
    did=lambda call, _: f"{call.target}: {', '.join(call.sent.roles) or 'no role'}",
    route="",
    page="",
    command="staff roles",
    noun="EMAIL",
    by="",
    example="bo@example.org --role reviewer",
)
END_STAFF: StaffVerb[NoBody, StaffAccount] = StaffVerb(
    name="end_staff",
    about="Takes away the roles given here, and signs somebody out everywhere. "
    "An owner is refused.",
    who=OWNER,
    takes=NoBody,
    run=_end_staff,
    route="staff/{staff:str}/end",
    answers=StaffAnswer,
    answer=_member_now,
    page="access/staff/{staff:str}/revoke",
    label="Revoke",
    title=lambda _, member: f"Revoke {member.email}",
    means="The roles given here are taken away, and they are signed out everywhere at once.",
    would=no_sentences,
    flash="Their roles given here are gone, and their sessions have ended.",
    back=PAGE,
    destroys=True,
    command="staff end",
    noun="EMAIL",
    by="",
    example="bo@example.org",
    did=lambda call, _: f"{call.target} has no role here, and is signed out",
)
VERBS: tuple[AnyVerb, ...] = (
    MAKE_KEY,
    LIMIT_KEY,
    CHANGE_LIMITS,
    REVOKE_KEY,
    ADD_STAFF,
    SET_ROLES,
    REPLACE_ROLES,
    END_STAFF,
)

"""One declaration of what staff do: who may, what it takes, its forecast, what it does and its
wording.

The route (`web.api.verb_routes`), the form of the console (`web.console.verb_forms`) and the command
(`cli.verb_commands`) are made from a declaration: their idempotency, confirmation, reason and
record are the same for all. What a verb takes is a struct whose fields carry their meaning, unit
and bounds; ``reason`` and ``dry_run`` among them mean the same everywhere. The declarations of a
subject are a module of this room, and `staff_verbs` lists all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import msgspec
from msgspec import Meta

from licet.access import staff_orders
from licet.access.roles import May, StaffRole
from licet.access.staff_orders import REASON_CHARACTERS_MAX, OrderKind
from licet.errors import UsageError
from licet.masked import Masked
from licet.store.connect import transaction
from licet.vault.ids import uuid7
from licet.vault.installation import Installation

if TYPE_CHECKING:  # a command that needs no member of staff does not load releases
    from licet.release.signatures import StaffMember

OWNER = (StaffRole.owner,)
OFFICER = (StaffRole.privacy_officer,)
# `extra` of a field's `Meta`: content, which a command reads from a file; a text whose blanks count
FROM_FILE, VERBATIM = {"file": True}, {"verbatim": True}

Reason = Annotated[str, Meta(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=r"\S")]
Sent = TypeVar("Sent", bound=msgspec.Struct)
Done = TypeVar("Done")


class VerbBody(Masked, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a verb takes. Unknown keys are rejected, because a misspelt one would otherwise be
    ignored.
    """


class VerbAnswer(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """What a verb answers over the API."""


class NoBody(VerbBody, frozen=True, kw_only=True):
    """A verb that takes nothing: its route has no body."""


class GivenReason(VerbBody, frozen=True, kw_only=True):
    reason: Reason


class VerbCall(msgspec.Struct, Generic[Sent], frozen=True, kw_only=True):
    """A call of a verb. ``target`` is what its address names, several joined by `+`; ``wall`` the
    clock of sessions, ``url`` where browsers reach Licet; ``made`` is what the first call under the
    same `Idempotency-Key` made.
    """

    installation: Installation
    actor: str
    sent: Sent
    wall: datetime
    target: str = ""
    member: StaffMember | None = None
    url: str = ""
    dry_run: bool = False
    made: str = ""

    @property
    def staff(self) -> StaffMember:
        """The acting member of staff. A route and a form have one; a command has one by `--by`."""
        assert self.member is not None
        return self.member


class StaffVerb(msgspec.Struct, Generic[Sent, Done], frozen=True, kw_only=True):
    """What staff do, declared once.

    ``run`` does it; in a dry run it changes nothing, and refuses what it would refuse. ``would``
    says what it would do in sentences, ``did`` what it did. ``answer`` is the body of the API: of
    what was done, or of what there is now (None) where the call is a repetition.
    """

    name: str  # of the operation; a function's in generated clients
    about: str  # the description of the route, and the help of the command
    who: tuple[StaffRole, ...]
    takes: type[Sent]
    run: Callable[[VerbCall[Sent]], Done]
    did: Callable[[VerbCall[Sent], Done], str] = lambda *_: ""
    order: OrderKind | None = None  # the record that it leaves, with its reason
    # The addresses: below /v1 and below /console. Without one there is no route, or no form.
    path: str = ""
    route: str = ""
    page: str = ""
    named_by: str = ""  # the field that names its target, where the address does not
    # The route
    method: str = "POST"
    status: int = 200
    body_bytes_max: int | None = None  # by default that of every route
    tag: str = "staff"
    answers: Any = None
    answer: Callable[[VerbCall[Sent], Done | None], Any] = lambda _, done: done
    made: Callable[[Done], str] = lambda _: ""
    # The form
    label: str = ""
    title: Callable[[VerbCall[Sent], Done], str] | None = None
    means: str | Callable[[VerbCall[Sent]], str] = ""
    would: Callable[[VerbCall[Sent], Done], tuple[str, ...]] = lambda *_: ()
    flash: str = ""
    back: str = ""  # where the form leads; by default the address without its last word
    destroys: bool = False
    version: Callable[[VerbCall[Sent]], str] | None = None  # refused where it changed meanwhile
    of_keys: bool = False  # what was remembered of the keys of services is forgotten after it
    # The command, as in `webhooks pause`, the word for its target, and what it is called with
    command: str = ""
    noun: str = "NAME"
    by: Literal["", "user", "member"] = "user"  # whom a command names by `--by`, for the record
    example: str = ""
    failed: Callable[[Done], bool] | None = None  # whether it exits 1; None: never

    @property
    def may(self) -> May:
        return May(staff=frozenset(self.who))

    @property
    def route_path(self) -> str:
        """The address of the route; empty where there is none."""
        return f"/v1/{self.route or self.path}" if self.route or self.path else ""

    @property
    def page_path(self) -> str:
        """The address of the form; empty where there is none."""
        return f"/console/{self.page or self.path}" if self.page or self.path else ""

    @property
    def word(self) -> str:
        """The last word of its command."""
        return self.command.rpartition(" ")[2]

    @property
    def asks_reason(self) -> bool:
        """Whether it needs a reason."""
        fields = msgspec.structs.fields(self.takes)
        return any(is_reason(field) and field.required for field in fields)

    def body(self, values: Mapping[str, Any]) -> Sent:
        """What the verb takes, of the fields of a form or the options of a command; UsageError,
        with what the field means, for a value that it does not take.
        """
        try:
            return msgspec.convert(values, self.takes, strict=False)
        except msgspec.ValidationError as error:
            text = str(error)
        missing = re.search(r"missing required field `(\w+)`", text)
        text, _, place = text.partition(" - at `$.")
        name = missing[1] if missing else re.split(r"\W", place)[0]
        kinds = {field.name: field.type for field in msgspec.structs.fields(self.takes)}
        hint = text[:1].lower() + text[1:]
        if missing and name == "reason":
            hint = "say why, for the record"
        is_content = False
        for meta in unwrapped(kinds.get(name))[1]:
            is_content = is_content or meta.extra == FROM_FILE
            hint = meta.description.rstrip(".") if meta.description else hint
        noun, value = name.replace("_", " "), values.get(name, "")
        if not isinstance(value, str | int):  # several: one of them, or how many there are
            item = re.search(r"\[(\d+)\]", place)
            value = value[int(item[1])] if item else " ".join(map(str, value))
            noun = noun.removesuffix("s")
        if missing or value == "":
            raise UsageError(f"`{name}` is missing", hint)
        if is_content:  # which stands in no message
            raise UsageError(f"`{name}` is too long, or no text", hint)
        raise UsageError(f"`{str(value)[:40]}` is no {noun}", hint)

    def perform(self, call: VerbCall[Sent]) -> Done:
        """Does it, and puts it on record with its reason where ``order`` says so; UsageError for no
        reason, before anything is done. Of a crash between the two the act stays, and its reason is
        lost.
        """
        if call.dry_run or self.order is None:
            return self.run(call)
        reason: str = getattr(call.sent, "reason", "")
        staff_orders.validate_reason(reason)
        done, installation = self.run(call), call.installation
        now = installation.clock()
        with transaction(installation.pool) as tx:
            staff_orders.record(
                tx,
                uuid7(now, installation.keyring.random(10)),
                self.order,
                call.target,
                reason=reason,
                by=call.actor,
                now=now,
                result=self.did(call, done),
            )
        return done


def is_reason(field: msgspec.structs.FieldInfo) -> bool:
    """Whether a field is the reason that is kept of a call, and no word of a list."""
    return field.name == "reason" and unwrapped(field.type)[0] is str


AnyVerb: TypeAlias = StaffVerb[Any, Any]
AnyCall: TypeAlias = VerbCall[Any]


def unwrapped(annotation: Any) -> tuple[Any, list[Meta]]:  # noqa: ANN401 a type
    """A type without what says that it may be None, and without what is said of it."""
    metas: list[Meta] = []
    while get_origin(annotation) in (Annotated, Union, UnionType):
        inner = [part for part in get_args(annotation) if part is not NoneType]
        metas += [part for part in inner[1:] if isinstance(part, Meta)]
        annotation = inner[0]
    return annotation, metas

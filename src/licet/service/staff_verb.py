"""Declarations of staff verbs: roles, body, forecast, action and wording.

The route (`web.api.verb_routes`), the console's form (`web.console.verb_forms`) and the command
(`cli.verb_commands`) are generated from a declaration, with the same idempotency, confirmation,
reason and record for all. A body's fields carry their meaning, unit and bounds; ``reason`` and
``dry_run`` mean the same everywhere. A subject's declarations are a module of this package, and
`staff_verbs` lists all of them.
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
# `extra` of a field's `Meta`: content, which commands read from a file, named by an option or by
# the `argument`; text with significant blanks
FROM_FILE, VERBATIM = {"file": True}, {"verbatim": True}

Reason = Annotated[str, Meta(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=r"\S")]
Sent = TypeVar("Sent", bound=msgspec.Struct)
Done = TypeVar("Done")


class VerbBody(Masked, msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a verb. Rejects unknown keys, which may be misspelt."""


class VerbAnswer(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """The API answer of a verb."""


class NoBody(VerbBody, frozen=True, kw_only=True):
    """The body of a verb that takes nothing: its route has none."""


class GivenReason(VerbBody, frozen=True, kw_only=True):
    reason: Reason


class VerbCall(msgspec.Struct, Generic[Sent], frozen=True, kw_only=True):
    """A call of a verb. ``target`` is named by its address, several joined by `+`; ``wall`` is the
    clock of sessions, ``url`` where browsers reach Licet; ``made`` is the result's id of the first
    call under the same `Idempotency-Key`. ``by_command``: on this machine, so that it may name
    folders. ``dry_run`` is set by `StaffVerb.forecast` alone.
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
    by_command: bool = False

    @property
    def staff(self) -> StaffMember:
        """The acting member of staff; a command has one by `--by`."""
        assert self.member is not None
        return self.member

    @property
    def identity(self) -> bytes | None:
        """Who the identity provider says is acting; a command has none."""
        return self.member.identity if self.member is not None else None


class StaffVerb(msgspec.Struct, Generic[Sent, Done], frozen=True, kw_only=True):
    """A staff verb, declared once.

    ``run`` executes it. ``would`` describes a dry run in sentences: a verb has one if ``run``
    changes nothing in it, and refuses the same; without, it is never run dry. ``did`` describes the
    result. ``answer`` makes the API's body of the result, or of
    the present state (None) for a repetition.
    """

    name: str  # of the operation, and of its function in generated clients
    about: str  # the description of the route, and the help of the command
    who: tuple[StaffRole, ...]
    takes: type[Sent]
    run: Callable[[VerbCall[Sent]], Done]
    did: Callable[[VerbCall[Sent], Done], str] = lambda *_: ""
    order: OrderKind | None = None  # the kind of its record, if any
    # Addresses below /v1 and below /console; without one there is no route, or no form
    path: str = ""
    route: str = ""
    page: str = ""
    named_by: str = ""  # the field with its target, if the address has none
    # The route
    method: str = "POST"
    status: int = 200
    keyed: bool = True  # takes an `Idempotency-Key`; not if each answer is another reading
    body_bytes_max: int | None = None  # default: every route's
    tag: str = "staff"
    answers: Any = None
    answer: Callable[[VerbCall[Sent], Done | None], Any] = lambda _, done: done
    made: Callable[[Done], str] = lambda _: ""
    # The form
    label: str = ""
    title: Callable[[VerbCall[Sent], Done], str] | None = None
    means: str | Callable[[VerbCall[Sent]], str] = ""
    would: Callable[[VerbCall[Sent], Done], tuple[str, ...]] | None = None
    flash: str = ""
    back: str = ""  # page after the form; by default the address without its last word
    destroys: bool = False
    version: Callable[[VerbCall[Sent]], str] | None = None  # refused if it changed meanwhile
    clears_key_cache: bool = False  # of service keys
    # The command, as in `webhooks pause`, the names of its target's parts in the help, `[OPTIONAL]`
    # or `SEVERAL...`, and an example
    command: str = ""
    noun: str = "NAME"
    makes_link: bool = False  # to sign in with; `--url` has its base
    by: Literal["", "user", "member"] = "user"  # the type of `--by`
    needs_reason: bool = False  # the command has no default for `--reason`
    example: str = ""
    failed: Callable[[Done], bool] | None = None  # whether the command exits 1; None: never

    @property
    def may(self) -> May:
        return May(staff=frozenset(self.who))

    @property
    def route_path(self) -> str:
        """The address of the route; empty without one."""
        return f"/v1/{self.route or self.path}" if self.route or self.path else ""

    @property
    def page_path(self) -> str:
        """The address of the form; empty without one."""
        return f"/console/{self.page or self.path}" if self.page or self.path else ""

    @property
    def word(self) -> str:
        """The last word of its command."""
        return self.command.rpartition(" ")[2]

    @property
    def asks_reason(self) -> bool:
        """Whether it requires a reason."""
        fields = msgspec.structs.fields(self.takes)
        return any(is_reason(field) and field.required for field in fields)

    def body(self, values: Mapping[str, Any]) -> Sent:
        """Converts a form's fields or a command's options to the body; UsageError, with the field's
        description, for an invalid value.
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
            is_content = is_content or bool((meta.extra or {}).get("file"))
            hint = meta.description.rstrip(".") if meta.description else hint
        noun, value = name.replace("_", " "), values.get(name, "")
        if not isinstance(value, str | int):  # several: an item, or their number
            item = re.search(r"\[(\d+)\]", place)
            value = value[int(item[1])] if item else " ".join(map(str, value))
            noun = noun.removesuffix("s")
        if missing or value == "":
            raise UsageError(f"`{name}` is missing", hint)
        if is_content:  # which stands in no message
            raise UsageError(f"`{name}` is too long, or no text", hint)
        raise UsageError(f"`{str(value)[:40]}` is no {noun}", hint)

    def forecast(self, call: VerbCall[Sent]) -> tuple[Done | None, tuple[str, ...]]:
        """Returns what the verb would answer, and describes it; changes nothing. A verb without
        ``would`` is not run.
        """
        if self.would is None:
            return None, ()
        done = self.run(call := msgspec.structs.replace(call, dry_run=True))
        return done, self.would(call, done)

    def perform(self, call: VerbCall[Sent]) -> Done:
        """Runs the verb, and records it with its reason if ``order`` is set; UsageError without a
        reason, before it runs. After a crash between the two the reason is lost.
        """
        if self.order is None:
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


def no_sentences(*_: object) -> tuple[str, ...]:
    """The ``would`` of a verb whose dry run needs no description."""
    return ()


def is_reason(field: msgspec.structs.FieldInfo) -> bool:
    """Whether a field is the recorded reason of a call, not a word of a list."""
    return field.name == "reason" and unwrapped(field.type)[0] is str


AnyVerb: TypeAlias = StaffVerb[Any, Any]
AnyCall: TypeAlias = VerbCall[Any]


def unwrapped(annotation: Any) -> tuple[Any, list[Meta]]:  # noqa: ANN401 a type
    """Returns a type without None and metadata, and the metadata."""
    metas: list[Meta] = []
    while get_origin(annotation) in (Annotated, Union, UnionType):
        inner = [part for part in get_args(annotation) if part is not NoneType]
        metas += [part for part in inner[1:] if isinstance(part, Meta)]
        annotation = inner[0]
    return annotation, metas

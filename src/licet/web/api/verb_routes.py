"""The routes of what staff do, made from their declarations (`service.staff_verb`).

A route runs its verb once under an `Idempotency-Key`; a repetition answers what there is now.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from litestar import Response, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, PathParameter

from licet.access.roles import Staff
from licet.service.staff_verb import AnyVerb, NoBody, VerbCall
from licet.service.staff_verbs import VERBS
from licet.vault.ids import Prefix, format_id
from licet.web.api import shared as shell
from licet.web.api.erasures import ErasureRef
from licet.web.api.inbox import ItemRef
from licet.web.api.references import conversation_of, site_of
from licet.web.api.rights import RequestRef
from licet.web.api.shared import (
    Acted,
    AnyRequest,
    ConversationRef,
    IdempotencyKey,
    OfAccount,
    member_of,
)

CONVERSATION = "conversation"
_BODY: Any = JSONBody  # of a type that is known only when it runs
_ANSWER: Any = Response
EndpointRef = Annotated[
    str, PathParameter(description="The name of the endpoint.", min_length=1, max_length=64)
]
KeyRef = Annotated[
    str, PathParameter(description="The name of the key.", min_length=1, max_length=64)
]
StaffRef = Annotated[
    str, PathParameter(description="The member of staff, `staff_..`.", min_length=1, max_length=64)
]
ReleaseRef = Annotated[
    str,
    PathParameter(
        description="The release's id, as its manifest has it.", min_length=1, max_length=64
    ),
]
ModelRef = Annotated[
    str, PathParameter(description="The model, `model_..`.", min_length=1, max_length=64)
]
ProposalRef = Annotated[
    str,
    PathParameter(
        description="`prop_..`, as the proposal was answered.", min_length=1, max_length=64
    ),
]
# The parameters of addresses, by what they name
REFERENCES: dict[str, Any] = {
    CONVERSATION: ConversationRef,
    "erasure": ErasureRef,
    "handout": shell.HandoutRef,
    "item": ItemRef,
    "endpoint": EndpointRef,
    "name": KeyRef,
    "staff": StaffRef,
    "release": ReleaseRef,
    "model": ModelRef,
    "proposal": ProposalRef,
    "request_id": RequestRef,
}


def route_of(verb: AnyVerb) -> HTTPRouteHandler:
    """The route of a verb."""
    names = re.findall(r"\{(\w+):str\}", verb.route_path)

    async def act(
        request: AnyRequest,
        data: Any = None,  # noqa: ANN401 as the verb takes it
        idempotency_key: str | None = None,
        account: str | None = None,
        **named: str,
    ) -> Response[Any]:
        if CONVERSATION in named:
            _, found = await conversation_of(request, named[CONVERSATION], account)
            named[CONVERSATION] = format_id(Prefix.conversation, found)
        site, caller = site_of(request), request.auth
        assert isinstance(caller, Staff)
        sent = NoBody() if data is None else data
        call = VerbCall(
            installation=site.installation,
            actor=caller.recorded_as,
            member=member_of(caller),
            wall=site.wall(),
            url=site.settings.url or "",
            sent=sent,
            target="+".join(named.values()) or str(getattr(sent, verb.named_by, "")),
        )

        def run() -> Acted[Any]:
            dry_run = getattr(sent, "dry_run", False)
            done = verb.forecast(call)[0] if dry_run else verb.perform(call)
            return Acted(verb.answer(call, done), verb.made(done))

        def again(made: str) -> Any:  # noqa: ANN401 as the verb answers
            return verb.answer(msgspec.structs.replace(call, made=made), None)

        answer = await shell.acted(request, idempotency_key, run, again, verb.status)
        if verb.clears_key_cache:
            site.forget_keys()
        return answer

    types: dict[str, Any] = {"request": AnyRequest, **{name: REFERENCES[name] for name in names}}
    if verb.takes is not NoBody:
        types["data"] = _BODY[verb.takes]
    optional: dict[str, Any] = {"account": OfAccount} if CONVERSATION in names else {}
    if verb.keyed:
        optional["idempotency_key"] = IdempotencyKey
    declare(act, verb.name, verb.about, types, optional, _ANSWER[verb.answers])
    bound: Any = {"request_max_body_size": verb.body_bytes_max} if verb.body_bytes_max else {}
    route = post if verb.method == "POST" else put
    return route(
        verb.route_path,
        may=verb.may,
        responses=shell.refusals(404, 409, 413, 422),
        status_code=verb.status,
        tags=[verb.tag],
        **bound,
    )(act)


def declare(
    act: Callable[..., Any],
    name: str,
    about: str,
    types: Mapping[str, Any],
    optional: Mapping[str, Any],
    answer: Any,  # noqa: ANN401 an annotation
) -> None:
    """Gives a handler its name, its description, and the types of its parameters."""
    act.__name__, act.__doc__ = name, about
    act.__annotations__ = {**types, **optional, "return": answer}
    keyword, none = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.empty
    act.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # mypy does not know it
        [
            inspect.Parameter(
                parameter, keyword, annotation=of, default=None if parameter in optional else none
            )
            for parameter, of in {**types, **optional}.items()
        ],
        return_annotation=answer,
    )


ROUTES = [route_of(verb) for verb in VERBS if verb.route_path]

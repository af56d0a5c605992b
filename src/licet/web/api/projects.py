"""Projects of the host: kept out and let in as conversations are, before there is anything in one
too.
"""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response, post
from litestar.params import JSONBody, PathParameter

from licet.vault.commands import KeepProjectOut, LetProjectIn
from licet.vault.content import Content, encode
from licet.vault.ids import HOST_ID_CHARACTERS_MAX
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.conversations import CHANGES
from licet.web.api.references import account_of, project_of, site_of
from licet.web.api.shared import WRITES, AccountRef, AnyRequest, IdempotencyKey
from licet.web.encoded_slashes import named

_CHANGE: dict[str, Any] = {
    "may": CHANGES,
    "responses": WRITES,
    "status_code": 200,
    "tags": ["projects"],
}
ProjectPath = Annotated[
    str,
    PathParameter(
        description="The host's own id, with `host:` before it or not, or ours, `proj_..`.",
        min_length=1,
        max_length=HOST_ID_CHARACTERS_MAX,
    ),
]


@post("/v1/accounts/{account:str}/projects/{project:str}/keep-out", **_CHANGE)
async def keep_project_out(
    request: AnyRequest,
    account: AccountRef,
    project: ProjectPath,
    data: JSONBody[schema.NewTitle | None] = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ChangeAnswer]:
    """Keeps a project out: each of its conversations, and later ones from their first turn on; its
    own grants end.
    """
    return await _change_project(KeepProjectOut, request, account, project, data, idempotency_key)


@post("/v1/accounts/{account:str}/projects/{project:str}/let-in", **_CHANGE)
async def let_project_in(
    request: AnyRequest,
    account: AccountRef,
    project: ProjectPath,
    data: JSONBody[schema.NewTitle | None] = None,
    idempotency_key: IdempotencyKey = None,
) -> Response[schema.ChangeAnswer]:
    """Lets in conversations that begin in a project that was kept out; a conversation that is kept
    out stays so until it is let in.
    """
    return await _change_project(LetProjectIn, request, account, project, data, idempotency_key)


async def _change_project(
    verb: type[KeepProjectOut | LetProjectIn],
    request: AnyRequest,
    account: str,
    project: str,
    titled: schema.NewTitle | None,
    key: str | None,
) -> Response[schema.ChangeAnswer]:
    site, holder = site_of(request), await account_of(request, account)
    scope = project_of(named(project), site.host_key)
    command = verb(
        account=holder,
        at=site.now(),
        project=scope.project,
        host_project=scope.host_project,
        title=encode(Content(text=titled.title)) if titled is not None and titled.title else None,
    )
    return await shell.write_change(request, command, key)


ROUTES = [keep_project_out, let_project_in]

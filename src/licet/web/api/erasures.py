"""Erasures, for the person whose content it was: progress, what an erasure waits for, its
certificate, and the recipients of their rows.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import Response, get

from licet.access.roles import HELPS, TEAM, Person, Scope, may
from licet.erasure import certificates, sweeper
from licet.erasure.certificates import ErasureStatus
from licet.erasure.sweeper import SweepStatus
from licet.store.connect import Transaction
from licet.train import recipients
from licet.vault import certificate
from licet.vault.ids import Prefix, parse
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.references import account_of, not_found, own, require_account, site_of
from licet.web.api.shared import READS, AccountRef, AnyRequest, id_parameter

TAG = ["erasures"]
SEES = may(person=True, scope=Scope.accounts_read, staff=HELPS)

ErasureRef = Annotated[str, id_parameter("`era_..`, as the answer to a deletion has it.")]


async def erasure_of(request: AnyRequest, text: str) -> str:
    """``text``, if it is an erasure that the caller may see; another account's is treated as
    unknown.
    """
    site, caller = site_of(request), request.auth
    named = parse(Prefix.erasure, text)

    def owner(tx: Transaction) -> UUID:
        return certificate.get(tx, named).account

    account, mine = await site.reading(owner), own(caller)
    if isinstance(caller, Person) and account != mine:
        raise not_found()
    return text


@get("/v1/accounts/{account:str}/erasures", may=SEES, responses=READS, tags=TAG)
async def list_erasures(request: AnyRequest, account: AccountRef) -> schema.Erasures:
    """Every erasure of the account, oldest first."""
    site, holder = site_of(request), await account_of(request, account)

    await site.reading(lambda tx: require_account(tx, holder))
    is_person = isinstance(request.auth, Person)
    found = await site.calling(
        lambda: certificates.list_by_account(site.installation, holder, for_person=is_person)
    )
    return schema.Erasures(items=tuple(found))


@get("/v1/accounts/{account:str}/recipients", may=SEES, responses=READS, tags=TAG)
async def list_recipients(request: AnyRequest, account: AccountRef) -> schema.Recipients:
    """Everybody who was given rows of the account, newest first, with recalls and
    acknowledgements.
    """
    site, holder = site_of(request), await account_of(request, account)

    await site.reading(lambda tx: require_account(tx, holder))
    return schema.Recipients(
        items=tuple(
            await site.calling(lambda: recipients.list_by_account(site.installation, holder))
        )
    )


@get("/v1/erasures/{erasure:str}", may=SEES, responses=READS, tags=TAG)
async def get_erasure(request: AnyRequest, erasure: ErasureRef) -> ErasureStatus:
    """Progress of an erasure: its state with its times, what it waits for, and who has not
    acknowledged.
    """
    site, named = site_of(request), await erasure_of(request, erasure)
    is_person = isinstance(request.auth, Person)
    return await site.calling(
        lambda: certificates.status(site.installation, named, for_person=is_person)
    )


@get(
    "/v1/erasures/{erasure:str}/certificate",
    may=SEES,
    responses=shell.refusals(404, 409),
    tags=TAG,
    media_type="application/json",
)
async def get_certificate(request: AnyRequest, erasure: ErasureRef) -> Response[bytes]:
    """The signed certificate, with its proof once its entry is in the log; 409 while the erasure is
    in progress.
    """
    site, named = site_of(request), await erasure_of(request, erasure)
    file = await site.calling(lambda: certificates.certificate_file(site.installation, named))
    return Response(file, media_type="application/json")


@get("/v1/sweep", may=may(staff=TEAM), responses=shell.refusals(), tags=["staff"])
async def get_sweep(request: AnyRequest) -> SweepStatus:
    """When a sweep last left nothing due, and whether one waits for approval."""
    site = site_of(request)
    return await site.calling(lambda: sweeper.sweep_status(site.installation))


ROUTES = [get_sweep, list_erasures, list_recipients, get_erasure, get_certificate]

"""The models on record, for staff: what each learnt from, which learnt from a person, and which are
used no more.
"""

from __future__ import annotations

from litestar import get

from licet.access.roles import OFFICE, TEAM, may
from licet.service import model_view
from licet.service.release_verbs import ModelAnswer
from licet.store.connect import Transaction
from licet.train import lineage
from licet.vault import account_view
from licet.web.api import shared as shell
from licet.web.api import staff_schema as schema
from licet.web.api.references import account_of, conversation_of, not_found, site_of
from licet.web.api.shared import AccountRef, AnyRequest, ConversationRef, OfAccount
from licet.web.api.verb_routes import ModelRef

EVERY = may(staff=TEAM)
TRACES = may(staff=OFFICE)
TAG = ["models"]


@get("/v1/models", may=EVERY, responses=shell.refusals(), tags=TAG)
async def list_models(request: AnyRequest) -> schema.ModelAnswers:
    """Every registered model, newest first, with the rows withdrawn or erased since its
    training.
    """
    site = site_of(request)
    found = await site.calling(lambda: model_view.list_models(site.installation))
    return schema.ModelAnswers(items=tuple(map(ModelAnswer.from_view, found)))


@get("/v1/models/{model:str}", may=EVERY, responses=shell.refusals(404), tags=TAG)
async def get_model(request: AnyRequest, model: ModelRef) -> schema.ModelWhole:
    """One model: its run, the rows withdrawn or erased since, and its canary audits (an empty list
    if none was run).
    """
    site = site_of(request)
    found = await site.calling(lambda: model_view.show(site.installation, model))
    return schema.ModelWhole(
        model=found.seen.model,
        affected=found.seen.affected,
        run=found.run,
        audits=found.audits,
        release_id=found.seen.release_id.hex,
    )


@get("/v1/accounts/{account:str}/models", may=TRACES, responses=shell.refusals(404), tags=TAG)
async def list_account_models(request: AnyRequest, account: AccountRef) -> schema.LearntModels:
    """The models trained on conversations of an account, newest first, with the number of rows."""
    site, holder = site_of(request), await account_of(request, account)

    def read(tx: Transaction) -> schema.LearntModels:
        if holder not in account_view.load_accounts(tx, [holder]):
            raise not_found()
        return schema.LearntModels(items=tuple(lineage.models_trained_on(tx, holder, None)))

    return await site.reading(read)


@get(
    "/v1/conversations/{conversation:str}/models",
    may=TRACES,
    responses=shell.refusals(404),
    tags=TAG,
)
async def list_conversation_models(
    request: AnyRequest, conversation: ConversationRef, account: OfAccount = None
) -> schema.LearntModels:
    """The models trained on a conversation, newest first, with the number of rows."""
    site = site_of(request)
    holder, named = await conversation_of(request, conversation, account)
    found = await site.reading(lambda tx: lineage.models_trained_on(tx, holder, named))
    return schema.LearntModels(items=tuple(found))


ROUTES = [list_models, get_model, list_account_models, list_conversation_models]

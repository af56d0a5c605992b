"""The notice of an account, and what was shown, put off and accepted: for hosts that show it
themselves.
"""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import JSONBody, PathParameter

from licet.access.roles import Scope, may
from licet.consent import choices, notice, notice_views
from licet.consent.notice import PublishedNotice
from licet.consent.notice_views import ShowingRecord, ShownOn
from licet.consent.prompt import Prompt, load_prompt
from licet.errors import RefusedError
from licet.policy.file import Policies
from licet.store.connect import Transaction
from licet.vault import policy_versions
from licet.vault.commands import Outcome
from licet.vault.ids import Prefix, format_id
from licet.web.api import schema
from licet.web.api import shared as shell
from licet.web.api.references import account_of, not_found, site_of
from licet.web.api.shared import READS, AccountRef, AnyRequest

TAG = ["notice"]
ShowingRef = Annotated[
    str, PathParameter(description="As `POST ../showings` answered.", min_length=1, max_length=200)
]
ASKED = may(person=True, scope=Scope.gate_read)
SUBMITS = may(person=True, scope=Scope.choices_write)
_WRITES = shell.refusals(404, 409, 413)


@get("/v1/accounts/{account:str}/notice", may=ASKED, responses=READS, tags=TAG)
async def get_notice(request: AnyRequest, account: AccountRef) -> schema.NoticeAnswer:
    """The notice to show now, in the requested language, and why there is one or none."""
    site, holder = site_of(request), await account_of(request, account)
    language = site.languages.preferred(request.headers.get("accept-language", ""))
    gpc = request.headers.get("sec-gpc") == "1"

    def read(tx: Transaction) -> schema.NoticeAnswer:
        known = policy_versions.current(tx)
        return _notice_answer(
            load_prompt(tx, holder, known, site.now(), language=language, gpc=gpc), known
        )

    return await site.reading(read)


def _notice_answer(prompt: Prompt, policies: Policies) -> schema.NoticeAnswer:
    version = policies[prompt.number] if prompt.number is not None else None
    return schema.NoticeAnswer(
        account=format_id(Prefix.account, prompt.account),
        gate=prompt.gate,
        show=prompt.show,
        because=prompt.because.value,
        variant=prompt.variant,
        policy=version.version if version else None,
        decide_by=version.decide_by if version else None,
        ends=prompt.ends,
        may_put_off=prompt.may_put_off,
        asks_age=prompt.asks_age,
        languages=prompt.languages,
        unanswered=prompt.unanswered,
        terms_accepted_at=prompt.terms_accepted_at,
        notice=_text(prompt.notice) if prompt.notice is not None else None,
    )


def _text(published: PublishedNotice) -> schema.NoticeText:
    text = published.text
    return schema.NoticeText(
        id=published.notice_id.hex,
        language=published.language,
        variant=published.variant,
        sha256=published.sha256.hex(),
        title=text.title,
        terms=text.terms,
        what=text.what,
        how_long=text.how_long,
        never=text.never,
        change=text.change,
        question=text.question,
        yes=text.yes,
        no=text.no,
        later=text.later,
        age=text.age,
        body=text.body,
        html=text.html,
    )


@post("/v1/accounts/{account:str}/showings", may=SUBMITS, responses=_WRITES, tags=TAG)
async def record_showing(
    request: AnyRequest, account: AccountRef, data: JSONBody[schema.NewShowing]
) -> schema.Showing:
    """Records that the host showed a notice. Shown again within minutes, it is the same showing."""
    site, holder = site_of(request), await account_of(request, account)
    named, gpc, at = shell.uuid_of(data.notice), request.headers.get("sec-gpc") == "1", site.now()

    def record(tx: Transaction) -> schema.Showing:
        prompt = load_prompt(tx, holder, policy_versions.current(tx), at)
        published = notice.get(tx, named)
        if published is None or published.number != prompt.number:
            raise RefusedError(
                "this notice does not ask about the terms in force", because="another_notice"
            )
        showing = notice_views.record(
            tx,
            holder,
            published,
            place=ShownOn.host,
            surface=data.surface,
            gpc=gpc,
            now=at,
            after=prompt.newest_choice,
            random=site.installation.keyring.random,
        )
        return _showing(prompt, notice_views.get(tx, holder, showing))

    return await site.reading(record)


def _showing(prompt: Prompt, made: ShowingRecord) -> schema.Showing:
    return schema.Showing(
        id=made.shown_id.hex,
        account=format_id(Prefix.account, prompt.account),
        notice=made.notice_id.hex,
        sha256=made.sha256.hex(),
        shown_at=made.shown_at,
        put_off_at=made.put_off_at,
    )


@post(
    "/v1/accounts/{account:str}/showings/{showing:str}/put-off",
    may=SUBMITS,
    responses=_WRITES,
    status_code=200,
    tags=TAG,
)
async def put_off(request: AnyRequest, account: AccountRef, showing: ShowingRef) -> schema.Showing:
    """Puts the notice off, if that is still possible. This is not an answer; the notice is not
    shown for some days.
    """
    site, holder = site_of(request), await account_of(request, account)
    named, at = shell.uuid_of(showing), site.now()

    def put(tx: Transaction) -> schema.Showing:
        prompt = load_prompt(tx, holder, policy_versions.current(tx), at)
        notice_views.get(tx, holder, named)
        if not prompt.may_put_off:
            raise RefusedError("the notice cannot be put off", because=prompt.gate.value)
        return _showing(prompt, notice_views.put_off(tx, holder, named, at))

    return await site.reading(put)


@post("/v1/accounts/{account:str}/terms", may=SUBMITS, responses=_WRITES, status_code=200, tags=TAG)
async def accept_terms(
    request: AnyRequest, account: AccountRef, data: JSONBody[schema.Accepted]
) -> schema.ChangeAnswer:
    """Records that the terms in force were accepted. That is not a choice, and makes nothing
    usable.
    """
    site, holder = site_of(request), await account_of(request, account)
    showing, at = shell.uuid_of(data.showing) if data.showing is not None else None, site.now()

    def accept(tx: Transaction) -> schema.ChangeAnswer:
        known = policy_versions.current(tx)
        load_prompt(tx, holder, known, at)
        if known.newest_material(at) is None:
            raise not_found()
        fresh = choices.accept_terms(tx, holder, known, at, showing=showing)
        outcome = Outcome.done if fresh else Outcome.unchanged
        return schema.ChangeAnswer(
            outcome=outcome, at=at, account=format_id(Prefix.account, holder)
        )

    return await site.reading(accept)


ROUTES = [get_notice, record_showing, put_off, accept_terms]

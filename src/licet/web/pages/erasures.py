"""Delete every chat, close the account, and the progress of each erasure, up to its
certificate.

Both ask once, and say what they do to chats, releases, recipients and models. The pages of erasures
can be opened again and again: a closed account keeps the session in which it was closed, so that
its person sees the certificate.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromPath

from licet.access import sessions
from licet.access.roles import Person
from licet.consent import conversation_search, history
from licet.consent.catalogue import Catalogue
from licet.consent.selected_conversations import EVERYTHING_BATCH, DeleteEverything
from licet.erasure import certificates, recall_register
from licet.erasure.certificates import ErasureStatus
from licet.erasure.recall_register import RECALL_DAYS
from licet.errors import NotFoundError
from licet.policy.retention import ContentKind
from licet.store.connect import Transaction, transaction
from licet.train import recipients
from licet.vault import account_view, certificate
from licet.vault.certificate import ErasureState
from licet.vault.commands import CloseAccount
from licet.vault.ids import Prefix, format_id, parse
from licet.vault.installation import policy_snapshot
from licet.web.api.shared import write
from licet.web.pages import shared as shell
from licet.web.pages.conversation_lines import SWEPT_WITHIN, dates_of
from licet.web.pages.shared import (
    PERSONS,
    AnyRequest,
    PageReader,
    RouteReader,
    fenced_form,
    fenced_page,
    get_page,
)

PAGE_ERASURES_MAX = 25
BATCHES_MAX = 4  # transactions of one request; a page says what is left


@fenced_page("/everything/delete")
def ask_everything(reader: RouteReader) -> Response[Any]:
    """Asks for confirmation of the deletion of every chat, with its effects."""
    return _ask(reader, "everything")


@fenced_form("/everything/delete")
async def delete_everything(reader: RouteReader) -> Response[Any]:
    """Deletes every chat, some hundreds per transaction."""
    for _ in range(BATCHES_MAX):
        written = await reader.site.write(DeleteEverything(account=reader.account, at=reader.now))
        if written.finished != EVERYTHING_BATCH:
            return shell.redirect_to(reader, "/erasures", flash="everything")
    return shell.redirect_to(reader, "/everything/delete", flash="more")


@fenced_page("/account/close")
def ask_close(reader: RouteReader) -> Response[Any]:
    """Asks for confirmation of the closure of the account, with its effects."""
    return _ask(reader, "close")


@fenced_form("/account/close")
async def close(request: AnyRequest, reader: RouteReader) -> Response[Any]:
    """Closes the account. Ends every other session of it; this one can still read the
    certificate.
    """
    caller = request.auth
    await write(request, CloseAccount(account=reader.account, at=reader.now), None)
    session = caller.session if isinstance(caller, Person) else None
    await reader.site.reading(lambda tx: sessions.end_person(tx, reader.account, but=session))
    return shell.redirect_to(reader, "/erasures", flash="closed")


def _ask(reader: PageReader, act: str) -> Response[Any]:
    at, words, account = reader.now, reader.words, reader.account
    with policy_snapshot(reader.installation) as (tx, known):
        row = account_view.load_accounts(tx, [account])[account]
        if row.state.closed_at is not None:
            return shell.redirect_to(reader, "/erasures")
        there = conversation_search.count_conversations(tx, known, account, at)
        left = len(account_view.kept_conversation_ids(tx, account, 1, deleted=False))
        holding = history.list_holdings(tx, account)
        learnt = list(dict.fromkeys(one.model for one in history.list_consumed(tx, account)))
        copied = account_view.copied_conversation_ids(tx, account, at, 1)
    given = list(
        dict.fromkeys(
            one.recipient for one in recipients.list_by_account(reader.installation, account)
        )
    )
    dates = dates_of(reader.installation, known)
    until = known.in_force(at).keep.period(ContentKind.deleted).after(at) + SWEPT_WITHIN
    days = {"until": words.day(until), "gone": words.day(until + timedelta(days=dates.copies_days))}
    lines = [
        words.count(f"{act}.means.chats", there.conversations),
        words.say(f"{act}.means.keys", **days),
    ]
    lines.append(
        words.say("end.means.releases", names=words.join_names([one.name for one in holding[:10]]))
        if holding
        else words.say("end.means.releases.none")
    )
    lines.append(
        words.say("end.means.recipients", names=words.join_names(given[:10]), days=RECALL_DAYS)
        if given
        else words.say("end.means.recipients.none")
    )
    lines.append(
        words.say("end.means.models", names=words.join_names(learnt[:10]))
        if learnt
        else words.say("end.means.models.none")
    )
    if copied:
        lines.append(words.say("end.means.safety"))
    lines += [words.say(f"{act}.means.after"), words.say("end.means.certificate")]
    return shell.page(
        "end.html",
        reader,
        title=words.say(f"{act}.title"),
        place="chats",
        lines=lines,
        what=act,
        empty=act == "everything" and not left,
        saved=words.say("everything.more") if reader.query.get("flash") == "more" and left else "",
    )


# What became of it


class ErasureLine(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure on a page: its subject, its state, and the link to its certificate."""

    id: str
    what: str
    state: str
    recalls: tuple[str, ...]
    certified: bool
    steps: tuple[tuple[str, str], ...]


@get_page("/erasures", may=PERSONS)
def list_erasures(reader: RouteReader) -> Response[Any]:
    """Every erasure of the account, newest first, and the number of finished ones."""
    words, before = reader.words, reader.query.get("before", "")
    found = certificates.list_page(
        reader.installation, reader.account, PAGE_ERASURES_MAX + 1, before=before
    )
    with transaction(reader.installation.pool) as tx:
        states = certificate.states_of(tx, reader.account)
        saved = _describe_outcome(tx, reader)
    done, total = states.get(ErasureState.verified, 0), sum(states.values())
    return shell.page(
        "erasures.html",
        reader,
        title=words.say("erasures.title"),
        place="chats",
        erasures=[_line(words, one) for one in found[:PAGE_ERASURES_MAX]],
        saved=saved,
        before=before,
        summary=words.count("erasures.summary", total, done=f"{done:,}") if total else "",
        older=found[PAGE_ERASURES_MAX - 1].erasure if len(found) > PAGE_ERASURES_MAX else "",
    )


def _describe_outcome(tx: Transaction, reader: PageReader) -> str:
    """The result of the last form, as far as it still holds."""
    done = reader.query.get("flash", "")
    if done == "closed":
        state = account_view.load_accounts(tx, [reader.account])[reader.account].state
        return reader.words.say("close.done") if state.closed_at is not None else ""
    if done == "everything":
        left = account_view.kept_conversation_ids(tx, reader.account, 1, deleted=False)
        return "" if left else reader.words.say("everything.done")
    return ""


@get_page("/erasures/{name:str}", may=PERSONS)
def read_erasure(reader: RouteReader, name: FromPath[str]) -> Response[Any]:
    """One erasure: its steps, what it waits for, and its certificate once it exists."""
    found = certificates.status(reader.installation, _own(reader, name), for_person=True)
    return shell.page(
        "erasure.html",
        reader,
        title=reader.words.say("erasure.title"),
        place="chats",
        erasure=_line(reader.words, found),
        nothing=not certificates.certified_places(reader.installation, found.erasure),
    )


@get_page("/erasures/{name:str}/certificate.json", may=PERSONS)
def take_certificate(reader: RouteReader, name: FromPath[str]) -> Response[bytes]:
    """The signed certificate as a file, with its proof once its entry is in the log."""
    file = certificates.certificate_file(reader.installation, _own(reader, name))
    headers = {
        "content-disposition": 'attachment; filename="certificate.json"',
        "cache-control": "no-store",
    }
    return Response(file, media_type="application/json", headers=headers)


def _own(reader: PageReader, name: str) -> str:
    """``name``, if it is an erasure of the reader's own; NotFoundError for any other."""
    named = parse(Prefix.erasure, name)
    with transaction(reader.installation.pool) as tx:
        if certificate.get(tx, named).account != reader.account:
            raise NotFoundError(f"no erasure `{format_id(Prefix.erasure, named)}`")
    return format_id(Prefix.erasure, named)


def _line(words: Catalogue, erasure: ErasureStatus) -> ErasureLine:
    times = (
        ("requested", erasure.requested_at),
        ("fenced", erasure.fenced_at),
        ("shredded", erasure.shredded_at),
        ("swept", erasure.swept_at),
        ("verified", erasure.verified_at),
    )
    day = words.day(erasure.due_at + SWEPT_WITHIN) if erasure.due_at is not None else ""
    waits = (
        words.say(f"erasure.waits.{erasure.waits_for.value}", day=day)
        if erasure.waits_for is not None
        else ""
    )
    return ErasureLine(
        id=erasure.erasure,
        what=words.say(f"erasure.of.{erasure.cause.value}", day=words.day(erasure.requested_at)),
        state=words.join(words.say(f"erasure.state.{erasure.state.value}"), waits),
        recalls=tuple(_recall(words, recall) for recall in erasure.recalls),
        certified=erasure.state is ErasureState.verified,
        steps=tuple(
            (
                words.say(f"erasure.step.{step}"),
                words.moment(at) if at else words.say("erasure.step.waits"),
            )
            for step, at in times
        ),
    )


def _recall(words: Catalogue, recall: recall_register.Recall) -> str:
    if recall.acknowledged_at is not None:
        return words.say(
            "erasure.recall.answered",
            recipient=recall.recipient,
            day=words.day(recall.acknowledged_at),
        )
    kind = "overdue" if recall.overdue else "asked"
    return words.say(
        f"erasure.recall.{kind}", recipient=recall.recipient, day=words.day(recall.due_at)
    )


ROUTES = (
    ask_everything,
    delete_everything,
    ask_close,
    close,
    list_erasures,
    read_erasure,
    take_certificate,
)

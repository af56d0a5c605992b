"""Previews for a person what a release built now would contain of their chats, before and after a
yes.

Promise: the texts are those that a build would seal: the same decision, de-identification and keys;
nothing is built or written. Rows dropped as duplicates of other people's are shown. With
``assume``, the answer is for the state after a yes for this scope and one more turn in each chat.

A call is bounded (`PreviewBounds`), and a process makes one at a time. The rest goes to the next
page. A conversation that fits on no page is listed with the bound that it exceeds. Names are
searched in parts, over as many calls as it takes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import msgspec

from licet.curate import engine_settings, preview_engine
from licet.curate.deidentify import Substitution
from licet.curate.preview_engine import PreviewedDocument, PreviewEngine
from licet.errors import BusyError, NotFoundError, RefusedError
from licet.masked import Masked
from licet.policy import fold
from licet.policy.decide import Decision, DecisionReason
from licet.policy.file import Policies
from licet.policy.outcomes import NoEffect
from licet.policy.state import WHOLE_ACCOUNT, GrantScope, ScopeKind, TurnRole, TurnState
from licet.release.curation import Curated, Document
from licet.release.decision_pages import (
    PAGE_BYTES_MAX,
    REPEATABLE_READ,
    DecisionPage,
    Thread,
    ThreadPart,
    list_contents,
    row_messages,
    turn_numbers,
)
from licet.release.rows import MESSAGES_MAX
from licet.service.preview_result import (
    BeyondBound,
    Preview,
    PreviewBound,
    PreviewedConversation,
    PreviewedTurn,
    ReplacedText,
)
from licet.store.connect import Transaction, transaction
from licet.vault import account_view
from licet.vault.account_view import AccountView
from licet.vault.ids import Prefix, format_id
from licet.vault.installation import Installation, load_policies
from licet.vault.permit import Permit
from licet.vault.tables import AccountRow, ConversationRow

PAGE_CONVERSATIONS_MAX = 20
WAIT_SECONDS_MAX = 5.0
START = UUID(int=0)  # before every conversation


class PreviewBounds(msgspec.Struct, frozen=True, kw_only=True):
    """A call's bounds: turns, bytes of content, and the weight of text searched for names
    (`preview_engine.weight`). The defaults are a request's: digits cost 4 seconds a megabyte, names
    one.
    """

    turns_max: int = 2_000
    bytes_max: int = 192 * 1024
    names_max: int = 192 * 1024


A_REQUEST = PreviewBounds()
A_COMMAND = PreviewBounds(
    turns_max=MESSAGES_MAX, bytes_max=PAGE_BYTES_MAX, names_max=PAGE_BYTES_MAX
)


def preview(
    installation: Installation,
    account: UUID,
    purpose: str,
    *,
    conversation: UUID | None = None,
    project: UUID | None = None,
    assume: bool = False,
    after: UUID | None = None,
    bounds: PreviewBounds = A_REQUEST,
) -> Preview:
    """Previews one conversation, a project's, or all of the account's, a page at a time.

    NotFoundError for another account's; RefusedError for a purpose that no question covers;
    BusyError while the process makes others.
    """
    versions, now = load_policies(installation), installation.clock()
    question = versions.in_force(now).question_of(purpose)
    if question is None:
        raise RefusedError(
            f"no question covers the purpose `{purpose}`",
            f"covered are {', '.join(sorted(versions.in_force(now).covers))}",
            because="purpose",
        )
    scope = _scope(conversation, project)
    with alone():
        with transaction(installation.pool) as tx:
            tx.execute(REPEATABLE_READ)
            if conversation is not None:
                ids, more = [conversation], False
            else:
                ids = account_view.conversation_ids(
                    tx,
                    account,
                    PAGE_CONVERSATIONS_MAX + 1,
                    after=after,
                    deleted=False,
                    project=project,
                )
                ids, more = ids[:PAGE_CONVERSATIONS_MAX], len(ids) > PAGE_CONVERSATIONS_MAX
            seen = account_view.load_views(tx, [(account, chat) for chat in ids], versions, now)
            if conversation is not None and conversation not in seen:
                raise NotFoundError(
                    f"no conversation `{format_id(Prefix.conversation, conversation)}`"
                )
            refused = None
            if assume:
                seen, refused = _assume_yes(seen, versions, question, scope, now)
            loading = _Loading(tx, installation, seen, versions, purpose, now, bounds)
            loaded = list(loading.each([chat for chat in ids if chat in seen]))
        engine = engine_of(installation)
        made = list(
            _curate(engine, loaded, installation.keyring.random(32), versions, purpose, bounds)
        )
    following = ids[-1] if more else None
    if made and made[-1].unread:
        following = made[-2].conversation if len(made) > 1 else after or START
    elif len(made) < len(seen):
        following = made[-1].conversation
    return Preview(
        purpose=purpose,
        question=question,
        at=now,
        assumed=assume,
        refused=refused,
        next=following,
        conversations=tuple(made),
    )


def load(installation: Installation) -> None:
    """Loads the preview engine at the start of a process, so that no request pays for it."""
    with _one_at_a_time:
        engine_of(installation)


def engine_of(installation: Installation) -> PreviewEngine:
    """Returns the process's preview engine; the caller holds `alone`."""
    left_in = engine_settings.may_leave_names_in(installation)
    return preview_engine.engine(installation.config.curate, left_in)


_one_at_a_time = threading.Lock()


@contextmanager
def alone() -> Iterator[None]:
    """Admits one preview at a time: the engine serves one thread, and memory suffices for one.
    BusyError after `WAIT_SECONDS_MAX`.
    """
    if not _one_at_a_time.acquire(timeout=WAIT_SECONDS_MAX):
        raise BusyError(
            "other previews are being made, or what makes them is being loaded", "ask again"
        )
    try:
        yield
    finally:
        _one_at_a_time.release()


class _LoadedConversation(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A decided, opened conversation, or the bound that it exceeds."""

    view: AccountView
    page: DecisionPage | None = None
    threads: Sequence[Thread] = ()
    beyond: BeyondBound | None = None

    @property
    def conversation(self) -> UUID:
        return self.view.conversation.conversation_id

    @property
    def documents(self) -> list[Document]:
        return [thread.document for thread in self.threads]


class _Loading:
    """Loads conversations until a page is full."""

    def __init__(
        self,
        tx: Transaction,
        installation: Installation,
        views: Mapping[UUID, AccountView],
        versions: Policies,
        purpose: str,
        now: datetime,
        bounds: PreviewBounds,
    ) -> None:
        self._tx, self._installation, self._seen, self._bounds = tx, installation, views, bounds
        self._known, self._purpose, self._at = versions, purpose, now
        self._turns = self._bytes = 0

    def each(self, conversations: Sequence[UUID]) -> Iterator[_LoadedConversation]:
        """Yields the conversations that fit, in order; one that no page can hold has ``beyond``
        set.
        """
        if not conversations:
            return
        account = self._seen[conversations[0]].account.account_id
        counts = account_view.turn_counts(self._tx, account, conversations)
        for conversation in conversations:
            found = self._load(self._seen[conversation], counts.get(conversation, 0))
            if found is None:
                return
            yield found

    def _load(self, view: AccountView, turns: int) -> _LoadedConversation | None:
        bounds, installation, at = self._bounds, self._installation, self._at
        if turns > bounds.turns_max:
            beyond = BeyondBound(bound=PreviewBound.turns, found=turns, most=bounds.turns_max)
            return _LoadedConversation(view=view, beyond=beyond)
        if self._turns + turns > bounds.turns_max:
            return None
        place = (view.account.account_id, view.conversation.conversation_id)
        page = DecisionPage(
            self._tx,
            [place],
            self._known,
            self._purpose,
            at,
            views=self._seen,
            permit=_Own(self._seen, at),
        )
        size = page.content_bytes(self._tx, installation.keyring, bounds.bytes_max)
        if size > bounds.bytes_max:
            beyond = BeyondBound(bound=PreviewBound.bytes, found=size, most=bounds.bytes_max)
            return _LoadedConversation(view=view, beyond=beyond)
        if self._bytes + size > bounds.bytes_max:
            return None
        self._turns, self._bytes = self._turns + turns, self._bytes + size
        return _LoadedConversation(
            view=view, page=page, threads=page.threads(self._tx, installation.keyring), beyond=None
        )


def _curate(
    engine: PreviewEngine,
    loaded: Sequence[_LoadedConversation],
    key: bytes,
    versions: Policies,
    purpose: str,
    bounds: PreviewBounds,
) -> Iterator[PreviewedConversation]:
    """Curates each conversation, up to the first whose name search is unfinished."""
    names = bounds.names_max
    for conversation in loaded:
        beyond, unread = conversation.beyond, 0
        if (
            beyond is None
            and (heaviest := engine.heaviest(conversation.documents)) > bounds.names_max
        ):
            beyond = BeyondBound(
                bound=PreviewBound.message_weight, found=heaviest, most=bounds.names_max
            )
        if beyond is None:
            spent, unread = engine.search(conversation.documents, names)
            names -= spent
        if conversation.page is None or beyond is not None or unread:
            yield PreviewedConversation(
                conversation=conversation.conversation,
                rows=0,
                until=None,
                turns=(),
                beyond=beyond,
                unread=unread,
            )
        else:
            yield _preview_conversation(
                conversation,
                conversation.page,
                engine.curate(conversation.documents, key),
                versions,
                purpose,
            )
        if unread:
            return


def _scope(conversation: UUID | None, project: UUID | None) -> GrantScope:
    if conversation is not None:
        return GrantScope(ScopeKind.conversation, conversation.hex)
    return WHOLE_ACCOUNT if project is None else GrantScope(ScopeKind.project, project.hex)


def _assume_yes(
    views: Mapping[UUID, AccountView],
    versions: Policies,
    question: str,
    scope: GrantScope,
    now: datetime,
) -> tuple[dict[UUID, AccountView], NoEffect | None]:
    """Returns the conversations after a yes for the scope and one more turn in each, and why it
    would have no effect.
    """
    found, refused = dict(views), None
    for chat, view in views.items():
        named = view.turns if scope.kind is ScopeKind.conversation else None
        moment = max(now, view.state.last_at)
        chosen = fold.choose(
            view.state, versions, moment, True, question=question, scope=scope, conversation=named
        )
        why = chosen.because or next((answer.because for answer in chosen.answers), None)
        if why is not None and why is not NoEffect.covered:
            refused = why
        turns = view.turns
        if fold.refusal(chosen.account, turns, versions, moment, TurnRole.user) is None:
            surface = turns.segments[-1].stamp.surface
            extended = fold.add_turn(
                chosen.account, turns, versions, moment, TurnRole.user, surface, "typed"
            )
            turns = extended.conversation
        found[chat] = msgspec.structs.replace(view, state=chosen.account, turns=turns)
    return found, refused


class _Own:
    """The permit to show people their own words, as far as the decision would allow use."""

    def __init__(self, views: Mapping[UUID, AccountView], now: datetime) -> None:
        self._seen, self._at = views, now

    def __call__(
        self,
        decision: Decision,
        account: AccountRow,
        row: ConversationRow,
        segment: int,
        turns: Sequence[int],
    ) -> Permit:
        state = self._seen[row.conversation_id].turns
        is_flagged = decision.because is DecisionReason.flagged
        allow = Permit.of_safety_copy if is_flagged else Permit.to_owner
        return allow(account, row, state, segment, turns, self._at)


def _preview_conversation(
    loaded: _LoadedConversation,
    page: DecisionPage,
    made: Sequence[PreviewedDocument],
    versions: Policies,
    purpose: str,
) -> PreviewedConversation:
    view, conversation = loaded.view, loaded.conversation
    shown_turns, until = dict[int, PreviewedTurn](), list[datetime]()
    for thread, (curated, replaced) in zip(loaded.threads, made, strict=True):
        if curated.dropped is None:
            until += [part.until for part in thread.parts]
        shown_turns |= _thread(thread.parts, curated, replaced)
    turns, left_out = [], page.left_out.get(conversation, {})
    for run in page.candidates.get(conversation, ()):
        for number, role, origin in zip(run.numbers, run.roles, run.origins, strict=True):
            turn = TurnState(number=number, segment=run.segment, role=role, origin=origin)
            because = left_out.get(number) or view.decide(turn, versions, purpose).because.value
            out = PreviewedTurn(turn=number, role=role, used=False, because=because, text="")
            turns.append(shown_turns.get(number, out))
    rows = [curated for curated, _ in made if curated.dropped is None]
    labels = [row.labels for row in rows if row.labels is not None]
    return PreviewedConversation(
        conversation=conversation,
        rows=len(rows),
        until=min(until, default=None),
        turns=tuple(turns),
        languages=tuple(sorted({label.language for label in labels})),
        topics=tuple(sorted({label.topic for label in labels})),
    )


def _thread(
    thread: Sequence[ThreadPart], curated: Curated, replaced: Sequence[Sequence[Substitution]]
) -> dict[int, PreviewedTurn]:
    """Returns the turns of a possible row, as a model would read them, or with the reason why
    curation drops them.
    """
    found, of_text = {}, iter(replaced)
    numbered = zip(turn_numbers(thread), list_contents(thread), strict=True)
    for (number, (content, role)), message in zip(
        numbered, row_messages(thread, curated.texts), strict=True
    ):
        own, learnt = [content.text, content.tools or content.tool_name], [message.content]
        for call, cleaned in zip(content.tool_calls, message.tool_calls, strict=True):
            own = [*own, call.name, call.arguments]
            learnt = [*learnt, cleaned.function.name, cleaned.function.arguments]
        pieces = [piece for text in own for piece in _pieces(text, next(of_text))]
        if curated.dropped is not None:
            because, learnt, pieces = curated.dropped.value, [], []
        else:
            because = DecisionReason.permitted.value
        found[number] = PreviewedTurn(
            turn=number,
            role=role,
            used=curated.dropped is None,
            because=because,
            text="\n".join(part for part in learnt if part),
            replaced=tuple(pieces),
        )
    return found


def _pieces(text: str, replaced: Sequence[Substitution]) -> Iterator[ReplacedText]:
    """Returns a text's replacements in order, without values replaced by themselves."""
    for span, instead in replaced:
        was = text[span.start : span.end]
        if was != instead:
            yield ReplacedText(was=was, becomes=instead, kind=span.kind.value)

"""What a release built now would hold of somebody's chats, shown to that person: before they say yes, and after.

Promise: the texts are those that a build would seal, by the same decision, the same de-identification and under the same
keys; nothing is built, and nothing of it is written anywhere. What a build finds out only from everybody's chats is not
shown: whether a row is left out because others hold the same.

With ``assume`` it answers another question: what would be used if the person said yes for this, and went on with the
chat. Then the rule is asked of the state that this would lead to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from uuid import UUID

import msgspec

from licet.curate import deidentify, engine_settings
from licet.curate.release_build import RuleCleaner
from licet.errors import NotFoundError, RefusedError
from licet.masked import Masked
from licet.policy import fold
from licet.policy.decide import Decision, DecisionReason
from licet.policy.file import Policies
from licet.policy.fold import NoEffect
from licet.policy.state import WHOLE_ACCOUNT, GrantScope, ScopeKind, TurnRole, TurnState
from licet.release.curation import Curated
from licet.release.decision_pages import READ_AT_ONE_MOMENT, DecisionPage, Said, row_messages
from licet.store.connect import transaction
from licet.vault import account_view
from licet.vault.account_view import AccountView
from licet.vault.ids import Prefix, shown
from licet.vault.installation import Installation, policies
from licet.vault.permit import Permit
from licet.vault.tables import AccountRow, ConversationRow

PAGE_CONVERSATIONS_MAX = 20
COMPARED_TOKENS_MAX = 4_000  # of a line; a longer one is shown as replaced whole
NAMED = "name"  # what a detector of names found: which kind is not told apart here
_TOKEN = re.compile(r"\w+|\W")


class ReplacedText(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """What stood in a text, what stands there in its stead, and the kind of identifier it was taken for."""

    was: str
    becomes: str
    kind: str


class PreviewedTurn(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A turn: ``text`` is what a model would read, empty where it is left out; ``because`` says why it is in or out."""

    turn: int
    role: TurnRole
    used: bool
    because: str
    text: str
    replaced: tuple[ReplacedText, ...] = ()


class PreviewedConversation(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as a release would hold it. ``rows`` counts its rows; ``until`` is when the first use ends."""

    conversation: UUID
    rows: int
    until: datetime | None
    turns: tuple[PreviewedTurn, ...]
    languages: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()


class Preview(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """What is shown. ``refused`` says why the yes that was assumed would have no effect; ``next`` goes on behind a page."""

    purpose: str
    question: str | None
    at: datetime
    assumed: bool
    refused: NoEffect | None
    conversations: tuple[PreviewedConversation, ...]
    next: UUID | None


def preview(
    here: Installation, account: UUID, purpose: str, *, conversation: UUID | None = None, project: UUID | None = None,
    assume: bool = False, after: UUID | None = None,
) -> Preview:  # fmt: skip
    """One conversation, those of a project, or all of the account, a page at a time, for its own person.

    NotFoundError for what is not the account's; RefusedError for a purpose that no question covers.
    """
    known, at = policies(here), here.clock()
    question = known.in_force(at).question_of(purpose)
    if question is None:
        raise RefusedError(
            f"no question covers the purpose `{purpose}`",
            f"covered are {', '.join(sorted(known.in_force(at).covers))}", because="purpose",
        )  # fmt: skip
    scope = _scope(conversation, project)
    with transaction(here.pool) as tx:
        tx.execute(READ_AT_ONE_MOMENT)
        if conversation is not None:
            ids, more = [conversation], False
        else:
            ids = account_view.conversation_ids(
                tx, account, PAGE_CONVERSATIONS_MAX + 1, after=after, deleted=False, project=project
            )
            ids, more = ids[:PAGE_CONVERSATIONS_MAX], len(ids) > PAGE_CONVERSATIONS_MAX
        seen = account_view.seen(tx, [(account, one) for one in ids], known, at)
        if conversation is not None and conversation not in seen:
            raise NotFoundError(f"no conversation `{shown(Prefix.conversation, conversation)}`")
        refused = None
        if assume:
            seen, refused = _assumed(seen, known, question, scope, at)
        page = DecisionPage(
            tx, [(account, one) for one in ids if one in seen], known, purpose, at, seen=seen, permit=_Own(seen, at)
        )
        threads = page.threads(tx, here.keyring)
    with engine_settings.curation(here, RuleCleaner()) as curation:
        curated = curation.curate([document for _, _, document in threads])
    made: dict[UUID, list[tuple[Sequence[Said], Curated]]] = {}
    for (row, thread, _), one in zip(threads, curated, strict=True):
        made.setdefault(row.conversation_id, []).append((thread, one))
    return Preview(
        purpose=purpose, question=question, at=at, assumed=assume, refused=refused, next=ids[-1] if more else None,
        conversations=tuple(
            _previewed(seen[one], known, page, made.get(one, ()), purpose) for one in ids if one in seen
        ),
    )  # fmt: skip


def _scope(conversation: UUID | None, project: UUID | None) -> GrantScope:
    if conversation is not None:
        return GrantScope(ScopeKind.conversation, conversation.hex)
    return WHOLE_ACCOUNT if project is None else GrantScope(ScopeKind.project, project.hex)


def _assumed(
    seen: Mapping[UUID, AccountView], known: Policies, question: str, scope: GrantScope, at: datetime
) -> tuple[dict[UUID, AccountView], NoEffect | None]:
    """The conversations after a yes for the scope and one more turn of the person in each, and why it would do nothing."""
    found, refused = dict(seen), None
    for one, view in seen.items():
        named = view.turns if scope.kind is ScopeKind.conversation else None
        moment = max(at, view.state.last_at)
        chosen = fold.choose(view.state, known, moment, True, question=question, scope=scope, conversation=named)
        why = chosen.because or next((answer.because for answer in chosen.answers), None)
        if why is not None and why is not NoEffect.covered:
            refused = why
        turns = view.turns
        if fold.refusal(chosen.account, turns, known, moment, TurnRole.user) is None:
            surface = turns.segments[-1].stamp.surface
            said = fold.say(chosen.account, turns, known, moment, TurnRole.user, surface, "typed")
            turns = said.conversation
        found[one] = msgspec.structs.replace(view, state=chosen.account, turns=turns)
    return found, refused


class _Own:
    """The permit to show a person their own words, where the decision would let them be used."""

    def __init__(self, seen: Mapping[UUID, AccountView], at: datetime) -> None:
        self._seen, self._at = seen, at

    def __call__(self, decision: Decision, account: AccountRow, row: ConversationRow, turn: TurnState) -> Permit:
        state = self._seen[row.conversation_id].turns
        if decision.because is DecisionReason.flagged:
            return Permit.of_safety_copy(account, row, state, turn, self._at)
        return Permit.to_owner(account, row, state, turn, self._at)


def _previewed(
    view: AccountView, known: Policies, page: DecisionPage, made: Sequence[tuple[Sequence[Said], Curated]], purpose: str
) -> PreviewedConversation:
    shown_turns, until = dict[int, PreviewedTurn](), list[datetime]()
    for thread, curated in made:
        if curated.dropped is None:
            until += [end for _, _, end in thread]
        shown_turns |= _thread(thread, curated)
    turns, conversation = [], view.conversation.conversation_id
    left_out = page.left_out.get(conversation, {})
    for turn in page.candidates.get(conversation, ()):
        because = left_out.get(turn.number) or view.decide(turn, known, purpose).because.value
        out = PreviewedTurn(turn=turn.number, role=turn.role, used=False, because=because, text="")
        turns.append(shown_turns.get(turn.number, out))
    rows = [curated for _, curated in made if curated.dropped is None]
    labels = [one.labels for one in rows if one.labels is not None]
    return PreviewedConversation(
        conversation=conversation, rows=len(rows), until=min(until, default=None),
        turns=tuple(turns), languages=tuple(sorted({one.language for one in labels})),
        topics=tuple(sorted({one.topic for one in labels})),
    )  # fmt: skip


def _thread(thread: Sequence[Said], curated: Curated) -> dict[int, PreviewedTurn]:
    """The turns of what may become a row, as a model would read them, or with why curation leaves them out."""
    found = {}
    messages = row_messages(thread, curated.texts)
    for (opened, turn, _), message in zip(thread, messages, strict=True):
        if curated.dropped is not None:
            found[turn.number] = PreviewedTurn(
                turn=turn.number, role=turn.role, used=False, because=curated.dropped.value, text=""
            )
            continue
        own, learnt = [opened.content.text], [message.content]
        for call, cleaned in zip(opened.content.tool_calls, message.tool_calls, strict=True):
            own, learnt = [*own, call.name, call.arguments], [*learnt, cleaned.name, cleaned.arguments]
        found[turn.number] = PreviewedTurn(
            turn=turn.number, role=turn.role, used=True, because=DecisionReason.permitted.value,
            text="\n".join(part for part in learnt if part),
            replaced=tuple(each for pair in zip(own, learnt, strict=True) for each in replacements(*pair)),
        )  # fmt: skip
    return found


def replacements(own: str, learnt: str) -> Iterator[ReplacedText]:
    """Where the two differ, in order: what stood there, what stands there, and what it was taken for."""
    if own == learnt:
        return
    spans = deidentify.detect([own])[0]
    before, after = own.split("\n"), learnt.split("\n")
    if len(before) != len(after):  # an identifier that was broken over lines: compared as one
        before, after = [own], [learnt]
    place = 0
    for line, becomes in zip(before, after, strict=True):
        for start, was, instead in differences(line, becomes):
            first, last = place + start, place + start + len(was)
            kind = next((span.kind.value for span in spans if span.start < last and first < span.end), NAMED)
            yield ReplacedText(was=was, becomes=instead, kind=kind)
        place += len(line) + 1


def differences(line: str, becomes: str) -> Iterator[tuple[int, str, str]]:
    """Where the first begins to differ, in characters, what stands there, and what the second has in its stead."""
    if line == becomes:
        return
    one, two = _TOKEN.findall(line), _TOKEN.findall(becomes)
    if max(len(one), len(two)) > COMPARED_TOKENS_MAX:
        yield 0, line, becomes
        return
    starts = [0]
    for token in one:
        starts.append(starts[-1] + len(token))
    gathered: list[tuple[int, int, int, int]] = []
    for how, a, b, c, d in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if how == "equal":
            continue
        if gathered and not any(token.isspace() for token in one[gathered[-1][1] : a]) and a - gathered[-1][1] <= 3:
            a, c = gathered[-1][0], gathered[-1][2]  # `@` and dots between: one identifier
            gathered.pop()
        gathered.append((a, b, c, d))
    for a, b, c, d in gathered:
        yield starts[a], "".join(one[a:b]), "".join(two[c:d])

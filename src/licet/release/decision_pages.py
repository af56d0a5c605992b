"""A page of a build: the next conversations in the order of account and id, decided turn by turn
and opened.

A page is bounded in conversations and in bytes of content, and is read from one snapshot: its
caller's transaction is REPEATABLE READ, so that a sweep cannot remove a key between a decision and
its use.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from licet.errors import DeniedError
from licet.keys.keyring import Keyring
from licet.policy.decide import Decision, DecisionReason
from licet.policy.file import Policies
from licet.policy.state import TurnRole, TurnState
from licet.release.curation import Document, Voice
from licet.release.quality_counts import JudgedRows
from licet.release.row_runs import RowSource
from licet.release.rows import (
    MESSAGES_MAX,
    ROW_BYTES_MAX,
    SOURCES_MAX,
    CalledFunction,
    RowCall,
    RowMessage,
)
from licet.store.connect import Transaction
from licet.vault import account_view
from licet.vault.account_view import AccountView
from licet.vault.content import Content
from licet.vault.conversation_pages import Place, StoredTurn, turns_with_content
from licet.vault.copies import CopyPlace
from licet.vault.permit import OpenedTurn, Permit, content_bytes
from licet.vault.permit import open as open_permits
from licet.vault.tables import AccountRow, ConversationRow

PAGE_BYTES_MAX = 64 * 2**20
EMPTY, TOO_LARGE, ERASED, INCOMPLETE = "empty", "too_large", "erased", "incomplete_row"
READ_AT_ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
_VOICES = {role: (Voice(role.value), Voice.name) for role in TurnRole} | {
    TurnRole.system: (Voice.system, Voice.offered)
}

Said: TypeAlias = tuple[OpenedTurn, StoredTurn, datetime]  # a turn, opened, and when its use ends
GivePermit: TypeAlias = Callable[[Decision, AccountRow, ConversationRow, TurnState], Permit]


class ThreadSources(msgspec.Struct, frozen=True, kw_only=True):
    """What a row of a thread is made of: the keys of its segments in order, and its turns by
    segment and origin.
    """

    keys: Mapping[tuple[int, CopyPlace], bytes]
    sources: tuple[RowSource, ...]

    @classmethod
    def of(cls, said: Sequence[Said]) -> ThreadSources:
        origins = [(turn.segment, turn.origin) for _, turn, _ in said]
        last = dict(zip(origins, [turn.number for _, turn, _ in said], strict=True))
        return cls(
            keys={
                (opened.permit.segment, opened.permit.place): opened.key for opened, _, _ in said
            },
            sources=tuple(
                RowSource(segment=segment, origin=origin, turn=last[segment, origin], count=count)
                for (segment, origin), count in Counter(origins).items()
            ),
        )


class Thread(NamedTuple):
    """A candidate row: its turns, what curation gets of them, the places before which a turn was
    left out, those of them at which only the results of the calls just before were, and what a row
    of it is made of.
    """

    row: ConversationRow
    said: Sequence[Said]
    document: Document
    gaps: tuple[int, ...]
    results_left_out: tuple[int, ...]
    of: ThreadSources


class DecisionPage:
    """What was decided about the turns of some conversations. ``dropped``: by conversation, the
    turns left out, by the first reason; ``left_out``: the permitted turns that could not become
    part of a row, by number.

    ``seen`` and ``permit`` are the live ones, unless a preview passes its own: it shows a person
    their own words.
    """

    def __init__(
        self,
        tx: Transaction,
        places: Sequence[Place],
        policies: Policies,
        purpose: str,
        at: datetime,
        *,
        seen: Mapping[UUID, AccountView] | None = None,
        permit: GivePermit = Permit.of,
    ) -> None:
        self.places = places
        self.seen = account_view.seen(tx, places, policies, at) if seen is None else seen
        self.candidates = turns_with_content(tx, places)
        self.dropped: dict[UUID, Counter[str]] = {}
        self.left_out: dict[UUID, dict[int, str]] = {}
        # Results of tools, and instructions of the host, that are left out for their origin, by
        # number.
        self._results: dict[UUID, set[int]] = {}
        self._instructions: dict[UUID, set[int]] = {}
        # conversations of which the policy leaves out what goes with them
        self._leaves_out_rows: set[UUID] = set()
        # what the rule of quality saw by language, once the page was curated
        self.judged: Sequence[JudgedRows] = ()
        self._chosen: list[tuple[ConversationRow, list[tuple[Permit, StoredTurn, datetime]]]] = []
        for _, conversation in places:
            here, mine = self.seen[conversation], []
            turns = self.candidates.get(conversation, ())
            for turn, decision in zip(
                turns, here.decide_each(turns, policies, purpose), strict=True
            ):
                if decision.until is None:
                    self.drop(conversation, decision.because.value)
                    if decision.because is DecisionReason.origin and turn.role is TurnRole.tool:
                        self._results.setdefault(conversation, set()).add(turn.number)
                    elif decision.because is DecisionReason.origin and turn.role is TurnRole.system:
                        self._instructions.setdefault(conversation, set()).add(turn.number)
                    continue
                try:
                    given = permit(decision, here.account, here.conversation, turn)
                except DeniedError:  # a sweep with a clock ahead of this one
                    self._leave_out(conversation, ERASED, turn)
                else:
                    mine.append((given, turn, decision.until))
            if mine:
                self._chosen.append((here.conversation, mine))
            if conversation in self._results and policies.leaves_out_rows(
                here.turns.segments[0].stamp.version, policies.number(here.at)
            ):
                self._leaves_out_rows.add(conversation)

    @property
    def turns(self) -> int:
        """How many turns were decided."""
        return sum(len(turns) for turns in self.candidates.values())

    def drop(self, conversation: UUID, because: str, turns: int = 1) -> None:
        """Counts turns that are excluded."""
        self.dropped.setdefault(conversation, Counter())[because] += turns

    def _leave_out(self, conversation: UUID, because: str, *turns: TurnState) -> None:
        self.drop(conversation, because, len(turns))
        self.left_out.setdefault(conversation, {}).update((turn.number, because) for turn in turns)

    def reasons(self) -> Counter[str]:
        """All excluded turns so far, by reason."""
        return sum(self.dropped.values(), Counter())

    def content_bytes(self, tx: Transaction, keyring: Keyring, limit: int) -> int:
        """How many bytes of content `threads` would open; above ``limit`` as `permit.content_bytes`
        reports it.
        """
        return content_bytes(
            tx, keyring, [permit for _, mine in self._chosen for permit, _, _ in mine], limit
        )

    def threads(self, tx: Transaction, keyring: Keyring) -> list[Thread]:
        """The candidate rows, opened, conversation by conversation."""
        opened = iter(
            open_permits(tx, keyring, [permit for _, mine in self._chosen for permit, _, _ in mine])
        )
        threads: list[Thread] = []
        for row, mine in self._chosen:
            threads += self._threads(row, [(next(opened), turn, until) for _, turn, until in mine])
        return threads

    def _threads(self, row: ConversationRow, said: Sequence[Said]) -> Iterator[Thread]:
        """The candidate rows of one conversation: the conversation itself, and each side thread in
        it.
        """
        threads: dict[str, list[Said]] = {}
        for item in said:
            if _has_words(item[0].content):
                threads.setdefault(item[0].content.thread, []).append(item)
            else:
                self._leave_out(row.conversation_id, EMPTY, item[1])
        if row.conversation_id in self._leaves_out_rows:
            for thread in threads.values():
                self._leave_out(row.conversation_id, INCOMPLETE, *(turn for _, turn, _ in thread))
            return
        surrogates = hashlib.sha256(b"licet surrogates" + said[0][0].key).digest()
        for name, thread in threads.items():
            of = ThreadSources.of(thread)
            if (
                len(thread) > MESSAGES_MAX
                or len(of.keys) > SOURCES_MAX
                or _letters(thread) > ROW_BYTES_MAX
            ):
                self._leave_out(row.conversation_id, TOO_LARGE, *(turn for _, turn, _ in thread))
            else:
                instructions = self._instructions.get(row.conversation_id, frozenset[int]())
                places = gaps(name, thread, said, instructions)
                results = self._results.get(row.conversation_id)
                filled = results_left_out(thread, places, results, instructions) if results else ()
                yield Thread(
                    row, thread, document(row, name, thread, surrogates), places, filled, of
                )


def gaps(
    name: str, thread: Sequence[Said], said: Sequence[Said], instructions: Collection[int]
) -> tuple[int, ...]:
    """The places in ``thread`` before which a turn is missing, of all that was opened of its
    conversation.

    A turn that was not opened may be of any thread, so it is missing in each that goes on around
    it. An empty message is missing unless it is the assistant's: an answer that was broken off
    before its first word separates nothing. Nor do the ``instructions`` of the host that were left
    out, by number: nobody answers them.
    """
    last = thread[-1][1].number
    if len(thread) == last:  # every turn up to its last, as of most conversations
        return ()
    here = {
        turn.number
        for opened, turn, _ in said
        if opened.content.thread != name
        or _has_words(opened.content)
        or turn.role is TurnRole.assistant
    }
    missing = [
        number for number in range(1, last) if number not in here and number not in instructions
    ]
    before = [bisect_left(missing, turn.number) for _, turn, _ in thread]
    return tuple(place for place, (one, other) in enumerate(pairwise([0, *before])) if one < other)


def results_left_out(
    thread: Sequence[Said],
    places: Sequence[int],
    results: Collection[int],
    instructions: Collection[int],
) -> tuple[int, ...]:
    """Those of the gaps at ``places`` at which nothing is missing but results of the tools that
    were called just before, at least one a call; ``results`` are the numbers of such turns in the
    conversation, ``instructions`` those of the host's that were left out.

    With fewer results than calls one was never recorded, and a marker would stand for what nobody
    left out.
    """
    found, gaps_before = [], set(places)
    for place in places:
        if place == 0:
            continue
        between = range(thread[place - 1][1].number + 1, thread[place][1].number)
        missing = [number for number in between if number not in instructions]
        calls = _calls_before(thread, place, gaps_before)
        if calls and len(missing) >= calls and all(number in results for number in missing):
            found.append(place)
    return tuple(found)


def _calls_before(thread: Sequence[Said], place: int, gaps_before: Collection[int]) -> int:
    """How many tools the assistant called in the messages that stand together before ``place``."""
    calls = 0
    while place:
        place -= 1
        opened, turn, _ = thread[place]
        if turn.role is not TurnRole.assistant:
            break
        calls += len(opened.content.tool_calls)
        if place in gaps_before:
            break
    return calls


def _has_words(content: Content) -> bool:
    return bool(content.text.strip() or content.tool_calls or content.tools)


def document(row: ConversationRow, name: str, thread: Sequence[Said], key: bytes) -> Document:
    """A thread as curation expects it: for each turn its text and its tool's name (of the host's
    instructions its descriptions of tools), then for each call its name and arguments.
    """
    texts: list[str] = []
    voices: list[Voice] = []
    for opened, turn, _ in thread:
        content = opened.content
        texts += [
            content.text,
            content.tools if turn.role is TurnRole.system else content.tool_name,
        ]
        voices += _VOICES[turn.role]
        for call in content.tool_calls:
            texts += [call.name, call.arguments]
            voices += [Voice.name, Voice.call]
    return Document(
        account=row.account_id.bytes,
        name=row.conversation_id.bytes + name.encode(),
        kind=row.state.kind,
        key=key,
        voices=tuple(voices),
        texts=tuple(texts),
    )


def row_messages(thread: Sequence[Said], texts: Sequence[str]) -> tuple[RowMessage, ...]:
    """The messages of a thread with the texts that curation gave back for it, in the order of
    `document`.
    """
    text = iter(texts)
    messages = []
    for opened, turn, _ in thread:
        content = opened.content
        body, name = next(text), next(text)
        calls = tuple(
            RowCall(id=c.id, function=CalledFunction(name=next(text), arguments=next(text)))
            for c in content.tool_calls
        )
        beside = {"tools" if turn.role is TurnRole.system else "name": name}
        messages.append(
            RowMessage(
                role=turn.role,
                content=body,
                tool_calls=calls,
                tool_call_id=content.tool_call_id,
                **beside,
            )
        )
    return tuple(messages)


def _letters(thread: Sequence[Said]) -> int:
    arguments = sum(
        len(call.arguments) for opened, _, _ in thread for call in opened.content.tool_calls
    )
    return arguments + sum(
        len(opened.content.text) + len(opened.content.tools) for opened, _, _ in thread
    )

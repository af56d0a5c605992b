"""A page of a build: conversations in order of account and id, decided segment by segment, opened.

The rule answers alike for all turns of a segment with the same origin, on the same side of a flag's
end (`AccountView.decide_segment`), so each such group is decided once. Turns that cannot become
part of a row (empty messages, other threads) are found after opening.

A page is bounded in conversations and in bytes of content, and read from one snapshot: the caller's
transaction is REPEATABLE READ, so that a sweep cannot remove a key between a decision and its use.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, pairwise
from typing import NamedTuple, TypeAlias
from uuid import UUID

import msgspec

from licet.errors import DeniedError
from licet.keys.keyring import Keyring
from licet.keys.material import KeyMaterial
from licet.policy.decide import Decision, DecisionReason
from licet.policy.file import Policies
from licet.policy.state import TurnRole
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
from licet.vault.blocks import TurnColumns
from licet.vault.content import Content
from licet.vault.conversation_pages import Place, turns_with_content
from licet.vault.copies import CopyPlace
from licet.vault.permit import Permit, content_bytes
from licet.vault.permit import open as open_permits
from licet.vault.tables import AccountRow, ConversationRow

PAGE_BYTES_MAX = 64 * 2**20
EMPTY, TOO_LARGE, ERASED, INCOMPLETE = "empty", "too_large", "erased", "incomplete_row"
REPEATABLE_READ = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
_VOICES = {role: (Voice(role.value), Voice.name) for role in TurnRole} | {
    TurnRole.system: (Voice.system, Voice.offered)
}

GivePermit: TypeAlias = Callable[
    [Decision, AccountRow, ConversationRow, int, Sequence[int]], Permit
]


class ThreadPart(NamedTuple):
    """Turns of one segment that one permit opened: contents, the key, and the end of use."""

    turns: TurnColumns
    contents: Sequence[Content]
    permit: Permit
    key: KeyMaterial
    until: datetime

    def select(self, places: Sequence[int]) -> ThreadPart:
        """The turns at ``places``."""
        contents = [self.contents[place] for place in places]
        return self._replace(turns=self.turns.select(places), contents=contents)


class ThreadSources(msgspec.Struct, frozen=True, kw_only=True):
    """A row's sources: its segments' keys in order, and its turns by segment and origin."""

    keys: Mapping[tuple[int, CopyPlace], bytes]
    sources: tuple[RowSource, ...]

    @classmethod
    def from_parts(cls, parts: Sequence[ThreadPart]) -> ThreadSources:
        counts, last = Counter[tuple[int, str]](), dict[tuple[int, str], int]()
        for turns, *_ in parts:
            newest = dict(zip(turns.origins, turns.numbers, strict=True))
            for origin, count in Counter(turns.origins).items():
                counts[turns.segment, origin] += count
                last[turns.segment, origin] = newest[origin]
        return cls(
            keys={(part.permit.segment, part.permit.place): part.key for part in parts},
            sources=tuple(
                RowSource(segment=segment, origin=origin, turn=last[segment, origin], count=count)
                for (segment, origin), count in counts.items()
            ),
        )


class Thread(NamedTuple):
    """A candidate row: its turns, its document for curation, the places before which a turn was
    left out, those where only results of the preceding calls were, and the row's sources.
    """

    row: ConversationRow
    parts: Sequence[ThreadPart]
    document: Document
    gaps: tuple[int, ...]
    results_left_out: tuple[int, ...]
    of: ThreadSources

    @property
    def turns(self) -> int:
        """The number of turns."""
        return sum(len(part.contents) for part in self.parts)


class DecisionPage:
    """The decisions on some conversations. ``dropped``: by conversation, the excluded turns by
    first reason; ``left_out``: permitted turns that cannot become part of a row, by number.

    A preview passes its own ``seen`` and ``permit``: it shows a person their own words.
    """

    def __init__(
        self,
        tx: Transaction,
        places: Sequence[Place],
        policies: Policies,
        purpose: str,
        now: datetime,
        *,
        views: Mapping[UUID, AccountView] | None = None,
        permit: GivePermit = Permit.from_decision,
    ) -> None:
        self.places = places
        self.seen = account_view.load_views(tx, places, policies, now) if views is None else views
        self.candidates = turns_with_content(tx, places)
        self.dropped: dict[UUID, Counter[str]] = {}
        self.left_out: dict[UUID, dict[int, str]] = {}
        # numbers of turns left out for their origin: tool results and the host's instructions
        self._by_origin: dict[UUID, dict[TurnRole, set[int]]] = {}
        # conversations whose rows the policy leaves out
        self._leaves_out_rows: set[UUID] = set()
        # judged by the quality rule, by language, once the page is curated
        self.judged: Sequence[JudgedRows] = ()
        self._chosen: list[tuple[ConversationRow, list[_Chosen]]] = []
        for _, conversation in places:
            view, mine = self.seen[conversation], list[_Chosen]()
            for turns in self.candidates.get(conversation, ()):
                for alike in _by_flag(turns, view.turns.segments[turns.segment].flagged_turn):
                    decided = view.decide_segment(
                        alike.segment, alike.numbers[0], set(alike.origins), policies, purpose
                    )
                    mine += self._select_permitted(view, alike, decided, permit)
            if mine:
                self._chosen.append((view.conversation, mine))
            if self._numbers(conversation, TurnRole.tool) and policies.leaves_out_rows(
                view.turns.segments[0].stamp.version, policies.number(view.at)
            ):
                self._leaves_out_rows.add(conversation)

    def _select_permitted(
        self,
        view: AccountView,
        turns: TurnColumns,
        decided: Mapping[str, Decision],
        permit: GivePermit,
    ) -> Iterator[_Chosen]:
        """The usable ``turns``, by the decision on each origin; the others are counted. All
        decisions that permit use are equal.
        """
        conversation, permission = view.conversation.conversation_id, None
        for origin, decision in decided.items():
            if decision.until is not None:
                permission = decision
            else:
                self._drop_origin(conversation, turns, origin, decision.because)
        if permission is None or permission.until is None:
            return
        if any(decision.until is None for decision in decided.values()):
            turns = turns.select(
                [n for n, origin in enumerate(turns.origins) if decided[origin].until is not None]
            )
        try:
            row = view.conversation
            allowed = permit(permission, view.account, row, turns.segment, turns.numbers)
        except DeniedError:  # a sweep with a clock ahead of this one
            self._leave_out(conversation, ERASED, turns.numbers)
        else:
            yield _Chosen(allowed, turns, permission.until)

    def _drop_origin(
        self, conversation: UUID, turns: TurnColumns, origin: str, because: DecisionReason
    ) -> None:
        self.drop(conversation, because.value, turns.origins.count(origin))
        if because is DecisionReason.origin:
            known = self._by_origin.setdefault(conversation, {})
            for number, role, own in zip(turns.numbers, turns.roles, turns.origins, strict=True):
                if own == origin:
                    known.setdefault(role, set()).add(number)

    def _numbers(self, conversation: UUID, role: TurnRole) -> Collection[int]:
        """The numbers of turns of a role that were left out for their origin."""
        return self._by_origin.get(conversation, {}).get(role, ())

    @property
    def turns(self) -> int:
        """The number of decided turns."""
        return sum(map(self.count_turns, self.candidates))

    def count_turns(self, conversation: UUID) -> int:
        return sum(len(turns.numbers) for turns in self.candidates.get(conversation, ()))

    def drop(self, conversation: UUID, because: str, turns: int = 1) -> None:
        self.dropped.setdefault(conversation, Counter())[because] += turns

    def _leave_out(self, conversation: UUID, because: str, numbers: Sequence[int]) -> None:
        self.drop(conversation, because, len(numbers))
        self.left_out.setdefault(conversation, {}).update(dict.fromkeys(numbers, because))

    def reasons(self) -> Counter[str]:
        """All excluded turns so far, by reason."""
        return sum(self.dropped.values(), Counter())

    def _permits(self) -> list[Permit]:
        return [one.permit for _, mine in self._chosen for one in mine]

    def content_bytes(self, tx: Transaction, keyring: Keyring, limit: int) -> int:
        """The bytes of content that `threads` opens; ``limit`` as in `permit.content_bytes`."""
        return content_bytes(tx, keyring, self._permits(), limit)

    def threads(self, tx: Transaction, keyring: Keyring) -> list[Thread]:
        """The opened candidate rows, conversation by conversation."""
        opened = iter(open_permits(tx, keyring, self._permits()))
        threads: list[Thread] = []
        for row, mine in self._chosen:
            parts = [
                ThreadPart(one.turns, made.contents, one.permit, made.key, one.until)
                for one, made in zip(mine, opened, strict=False)
            ]
            threads += self._threads(row, parts)
        return threads

    def _threads(self, row: ConversationRow, opened: Sequence[ThreadPart]) -> Iterator[Thread]:
        """The candidate rows of one conversation: its main thread and each side thread."""
        conversation = row.conversation_id
        threads: dict[str, list[ThreadPart]] = {}
        for part in opened:
            places: dict[str | None, list[int]] = {}  # by thread; None: without words
            for place, content in enumerate(part.contents):
                name = content.thread if _has_words(content) else None
                places.setdefault(name, []).append(place)
            for name, own in places.items():
                if name is not None:
                    threads.setdefault(name, []).append(part.select(own))
                else:
                    empty = part.select(own)
                    self._leave_out(conversation, EMPTY, empty.turns.numbers)
        if conversation in self._leaves_out_rows:
            for thread in threads.values():
                self._leave_out(conversation, INCOMPLETE, turn_numbers(thread))
            return
        surrogates = hashlib.sha256(b"licet surrogates" + opened[0].key).digest()
        for name, thread in threads.items():
            of, numbers = ThreadSources.from_parts(thread), turn_numbers(thread)
            if (
                len(numbers) > MESSAGES_MAX
                or len(of.keys) > SOURCES_MAX
                or _letters(thread) > ROW_BYTES_MAX
            ):
                self._leave_out(conversation, TOO_LARGE, numbers)
            else:
                instructions = self._numbers(conversation, TurnRole.system)
                places_left = find_gaps(name, numbers, opened, instructions)
                results = self._numbers(conversation, TurnRole.tool)
                filled = (
                    results_left_out(thread, places_left, results, instructions) if results else ()
                )
                yield Thread(
                    row,
                    thread,
                    build_document(row, name, thread, surrogates),
                    places_left,
                    filled,
                    of,
                )


class _Chosen(NamedTuple):
    """Usable turns, the end of their use, and the permit that opens them."""

    permit: Permit
    turns: TurnColumns
    until: datetime


def _by_flag(turns: TurnColumns, flagged_turn: int) -> Sequence[TurnColumns]:
    """The turns that a flag covers, and those after its end."""
    covered = bisect_right(turns.numbers, flagged_turn)
    if covered in (0, len(turns.numbers)):
        return (turns,)
    return turns.select(range(covered)), turns.select(range(covered, len(turns.numbers)))


def turn_numbers(parts: Sequence[ThreadPart]) -> Sequence[int]:
    if len(parts) == 1:
        return parts[0].turns.numbers
    return [number for part in parts for number in part.turns.numbers]


def list_contents(parts: Sequence[ThreadPart]) -> Iterator[tuple[Content, TurnRole]]:
    """The content and the role of each turn, in order."""
    return chain.from_iterable(zip(part.contents, part.turns.roles, strict=True) for part in parts)


def find_gaps(
    name: str, thread: Sequence[int], opened: Sequence[ThreadPart], instructions: Collection[int]
) -> tuple[int, ...]:
    """The places in ``thread``, by turn numbers, before which a turn is missing.

    An unopened turn may belong to any thread, so it is missing in every thread that continues
    around it. An empty message is missing unless it is the assistant's: an answer broken off before
    its first word separates nothing. Omitted ``instructions`` of the host, by number, leave no gap,
    because nobody answers them.
    """
    last = thread[-1]
    if len(thread) == last:  # every turn up to its last, as of most conversations
        return ()
    present = {
        number
        for number, (content, role) in zip(turn_numbers(opened), list_contents(opened), strict=True)
        if content.thread != name or _has_words(content) or role is TurnRole.assistant
    }
    missing = [
        number for number in range(1, last) if number not in present and number not in instructions
    ]
    before = [bisect_left(missing, number) for number in thread]
    return tuple(place for place, (one, other) in enumerate(pairwise([0, *before])) if one < other)


def results_left_out(
    thread: Sequence[ThreadPart],
    places: Sequence[int],
    results: Collection[int],
    instructions: Collection[int],
) -> tuple[int, ...]:
    """The gaps of ``places`` where only results of the preceding calls are missing, at least one a
    call. ``results`` and ``instructions`` are the numbers of omitted turns of the conversation.

    With fewer results than calls one was never recorded, so a marker would be false.
    """
    gaps, gaps_before, numbers = [], set(places), turn_numbers(thread)
    messages = list(list_contents(thread))
    for place in places:
        if place == 0:
            continue
        between = range(numbers[place - 1] + 1, numbers[place])
        missing = [number for number in between if number not in instructions]
        calls = _calls_before(messages, place, gaps_before)
        if calls and len(missing) >= calls and all(number in results for number in missing):
            gaps.append(place)
    return tuple(gaps)


def _calls_before(
    messages: Sequence[tuple[Content, TurnRole]], place: int, gaps_before: Collection[int]
) -> int:
    """The number of tool calls in the messages without a gap before ``place``."""
    calls = 0
    while place:
        place -= 1
        content, role = messages[place]
        if role is not TurnRole.assistant:
            break
        calls += len(content.tool_calls)
        if place in gaps_before:
            break
    return calls


def _has_words(content: Content) -> bool:
    text = content.text
    return bool((text and not text.isspace()) or content.tool_calls or content.tools)


def build_document(
    row: ConversationRow, name: str, thread: Sequence[ThreadPart], key: bytes
) -> Document:
    """A thread's document: for each turn its text and its tool's name (for the host's instructions
    the tool descriptions), then the name and arguments of each call.
    """
    texts: list[str] = []
    voices: list[Voice] = []
    for content, role in list_contents(thread):
        texts += content.text, content.tools if role is TurnRole.system else content.tool_name
        voices += _VOICES[role]
        for call in content.tool_calls:
            texts += call.name, call.arguments
            voices += Voice.name, Voice.call
    return Document(
        account=row.account_id.bytes,
        name=row.conversation_id.bytes + name.encode(),
        kind=row.state.kind,
        key=key,
        voices=tuple(voices),
        texts=tuple(texts),
    )


def row_messages(thread: Sequence[ThreadPart], texts: Sequence[str]) -> tuple[RowMessage, ...]:
    """The messages of a thread with its curated texts, in the order of `build_document`."""
    text, messages = iter(texts), list[RowMessage]()
    for content, role in list_contents(thread):
        body, name = next(text), next(text)
        if not (name or content.tool_calls or content.tool_call_id):  # most
            messages.append(RowMessage(role=role, content=body))
            continue
        calls = tuple(
            RowCall(id=c.id, function=CalledFunction(name=next(text), arguments=next(text)))
            for c in content.tool_calls
        )
        beside = {"tools" if role is TurnRole.system else "name": name}
        messages.append(
            RowMessage(
                role=role,
                content=body,
                tool_calls=calls,
                tool_call_id=content.tool_call_id,
                **beside,
            )
        )
    return tuple(messages)


def _letters(thread: Sequence[ThreadPart]) -> int:
    contents = [content for part in thread for content in part.contents]
    calls = [call for content in contents for call in content.tool_calls]
    return sum(len(call.arguments) for call in calls) + sum(
        len(content.text) + len(content.tools) for content in contents
    )

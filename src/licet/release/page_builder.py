"""Builds the pages of a release: decides, opens, curates, seals and registers the rows of one page
in one transaction.

A page gets all state shared with other pages (its start, the ordinal of its first row, which
documents lose, when it may commit) from its `PageTurn`. So pages are made one after another in one
process, or concurrently in several (`release.build_workers`), by the same code with the same
result.

A page is read from one snapshot (REPEATABLE READ), so a sweep cannot remove a key between a
decision and its use. Its transaction registers the rows and stores the result (`release.draft`), so
a row is registered before it is written to a part. Meanwhile it holds the lock of the build's
pages: a resumed build waits for it (`wait_for_pages`), so that no page of a dead process is
committed later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from licet.clock import Clock
from licet.keys.keyring import Keyring
from licet.keys.log_keys import LogKeys
from licet.policy.file import Policies
from licet.policy.state import ConversationKind, TurnRole
from licet.release import contents, merkle, registry
from licet.release.base import BaseRelease
from licet.release.changed_words import ChangedPlace, ChangedWords, by_language, choose_samples
from licet.release.contents import Profile, RowFigures
from licet.release.curation import Curated, LeftOut, PageCuration, SurveyProtocol
from licet.release.decision_pages import (
    REPEATABLE_READ,
    TOO_LARGE,
    DecisionPage,
    Thread,
    list_contents,
    row_messages,
)
from licet.release.draft import Draft, End, StoredPage
from licet.release.known_names import KnownNames
from licet.release.proofs import PageProofs, ProofLine, derive_salts
from licet.release.quality_counts import JudgedRows
from licet.release.registry import Release
from licet.release.row_keys import SealedRow, row_key, seal_row
from licet.release.row_runs import RowSources
from licet.release.rows import ROW_BYTES_MAX, ReleaseRow, RowMessage, derive_row_id, surrogates_mark
from licet.release.tally import microseconds
from licet.store.connect import Pool, Transaction, transaction
from licet.vault.blocks import unpack_time
from licet.vault.conversation_pages import Place, page_after
from licet.vault.tables import ConversationRow

MESSAGE_BYTES = 128  # the space of a message or a call in a row, without its text
PROFILES_MAX = 1_024  # cached
PAGES_LOCK = (
    # with the hash of the release's name: held shared by pages, exclusively to wait for them
    0x11CE9
)

Progress: TypeAlias = Callable[[int], None]


class PageTurn(Protocol):
    """A page's requests to its build, in this order; each may wait for earlier pages."""

    def begins(self, last: Place) -> datetime:
        """Reports the page's last conversation; returns the time of decision."""

    def lost(self, names: Sequence[bytes]) -> Sequence[bool]:
        """Whether each named document will lose; only in a build with a survey."""

    def rows(self, turns: int, count: int) -> int:
        """Reports the page's turns and number of rows; returns the ordinal of its first row."""

    def commits(self) -> None:
        """Returns when the page may be committed: after all earlier pages."""


class TurnsInOrder:
    """The `PageTurn` of pages made one after another in this process."""

    def __init__(
        self, clock: Clock, survey: SurveyProtocol | None, progress: Progress, rows: int
    ) -> None:
        self._clock, self._survey, self._progress, self._rows = clock, survey, progress, rows

    def begins(self, last: Place) -> datetime:
        return self._clock()

    def lost(self, names: Sequence[bytes]) -> Sequence[bool]:
        assert self._survey is not None
        return [self._survey.is_lost(name) for name in names]

    def rows(self, turns: int, count: int) -> int:
        self._progress(turns)
        first, self._rows = self._rows, self._rows + count
        return first

    def commits(self) -> None:
        """Earlier pages are committed already."""


class BuiltPage(msgspec.Struct, frozen=True, kw_only=True):
    """A committed page: its stored result, and the leaf, end and sketch of each row."""

    end: End
    kept: StoredPage
    sealed: Sequence[SealedRow]
    leaves: Sequence[bytes]
    untils_us: Sequence[int]
    sketches: Sequence[object]
    candidates: Sequence[ProofLine]
    rows: Sequence[ProofLine]
    samples: Sequence[ChangedPlace] = ()


class WrittenRow(NamedTuple):
    """A thread that becomes a row, with its messages and the bytes of their text."""

    thread: Thread
    messages: tuple[RowMessage, ...]
    made: Curated
    text_bytes: int


class PageBuilder:
    """Makes pages of one build. ``looks_ahead``: the build has a survey."""

    def __init__(
        self,
        pool: Pool,
        keyring: Keyring,
        policies: Policies,
        release: Release,
        draft: Draft,
        curation: PageCuration,
        *,
        base: BaseRelease | None,
        page_bytes_max: int,
        looks_ahead: bool,
    ) -> None:
        self._pool, self._keyring, self._policies = pool, keyring, policies
        self._release, self._kept, self._curation, self._base = release, draft, curation, base
        self._page_bytes_max, self._looks_ahead = page_bytes_max, looks_ahead

    def build(self, number: int, after: Place, turn: PageTurn) -> BuiltPage | None:
        """Makes and commits a page of the conversations after ``after``; None if there are none."""
        names = KnownNames(self._curation.finder)
        with transaction(self._pool) as tx:
            tx.execute(REPEATABLE_READ)
            tx.execute(
                "SELECT pg_advisory_xact_lock_shared(%s, hashtext(%s))",
                [PAGES_LOCK, self._release.name],
            )
            places = page_after(tx, after, bytes_max=self._page_bytes_max)
            if not places:
                return None
            at = turn.begins(places[-1])
            page = DecisionPage(tx, places, self._policies, self._release.purpose, at)
            built = self._build_in(tx, page, number, turn, names)
            self._kept.keep_page(tx, built.end, built.kept)
            turn.commits()
        names.store(self._pool)
        return built

    def _build_in(
        self, tx: Transaction, page: DecisionPage, number: int, turn: PageTurn, names: KnownNames
    ) -> BuiltPage:
        threads = page.threads(tx, self._keyring)
        if self._looks_ahead:
            threads = list(_not_lost(page, threads, turn))
        carried = self._base.find_reusable(tx, threads) if self._base is not None else {}
        curated = self._curate(tx, threads, carried, names)
        page.judged = _count_judged(
            (thread.row, made) for thread, made in zip(threads, curated, strict=True)
        )
        written = dict(_kept_threads(page, threads, curated))
        first = turn.rows(page.turns, len(written))
        rows = [self._seal_row(ordinal, one) for ordinal, one in enumerate(written.values(), first)]
        registry.add_rows(tx, self._release.release_id, [sources for _, sources in rows])
        digests = [sha256(sealed.sealed).digest() for sealed, _ in rows]
        proofs = self._proofs(tx, page, rows, digests)
        made = [one.made for one in written.values()]
        untils = [microseconds(sealed.until) for sealed, _ in rows]
        kept = StoredPage(
            candidates=page.turns,
            dropped=page.reasons(),
            replaced=_count_replaced(made),
            splits=[one.labels.split if one.labels else "" for one in made],
            candidate_lines=[line for _, line in proofs.candidates],
            row_lines=[line for _, line in proofs.rows],
            carried=[n in carried for n in written],
            figures=tuple(map(_figures, written.values())),
            judged=page.judged,
            changes=by_language(map(_changes, made)),
            unread=Counter(
                one.unread_language for one in curated if one.dropped is LeftOut.unread_language
            ),
        )
        return BuiltPage(
            end=End(page=number, rows=first + len(rows), place=page.places[-1]),
            kept=kept,
            sealed=[sealed for sealed, _ in rows],
            untils_us=untils,
            sketches=[one.sketch for one in made],
            leaves=[
                merkle.leaf_from_hash(sealed.ordinal, sealed.row_id, until_us, digest)
                for (sealed, _), until_us, digest in zip(rows, untils, digests, strict=True)
            ],
            candidates=proofs.candidates,
            rows=proofs.rows,
            samples=choose_samples(map(_changes, made)),
        )

    def _curate(
        self,
        tx: Transaction,
        threads: Sequence[Thread],
        carried: Mapping[int, Curated],
        names: KnownNames,
    ) -> list[Curated]:
        """The curated ``threads``: the base's result with this build's sketch, or a new one."""
        fresh = names.documents(tx, [one for n, one in enumerate(threads) if n not in carried])
        made = self._curation.curate(fresh)
        names.collect(made)
        anew = iter(made)
        if not carried:
            return list(anew)
        sketches = iter(
            self._curation.sketch([one.document for n, one in enumerate(threads) if n in carried])
        )
        return [
            msgspec.structs.replace(carried[n], sketch=next(sketches, None))
            if n in carried
            else next(anew)
            for n in range(len(threads))
        ]

    def _seal_row(self, ordinal: int, written: WrittenRow) -> tuple[SealedRow, RowSources]:
        thread, messages, curated, _ = written
        row, of, release_id = thread.row, thread.of, self._release.release_id.bytes
        row_id = derive_row_id(release_id, ordinal)
        made = ReleaseRow(
            row_id=row_id,
            ordinal=ordinal,
            until=min(part.until for part in thread.parts),
            messages=messages,
            kind=row.state.kind,
            sources=len(of.keys),
            gaps=thread.gaps,
            replaced=curated.replaced,
            results_left_out=thread.results_left_out,
            surrogates=surrogates_mark(release_id, thread.document.key)
            if curated.replaced
            else b"",
            labels=curated.labels,
        )
        return seal_row(
            made, row_key(list(of.keys.values()), release_id, row_id), release_id
        ), RowSources(
            account=row.account_id,
            conversation=row.conversation_id,
            ordinal=ordinal,
            keys=tuple(of.keys),
            sources=of.sources,
        )

    def _proofs(
        self,
        tx: Transaction,
        page: DecisionPage,
        rows: Sequence[tuple[SealedRow, RowSources]],
        digests: Sequence[bytes],
    ) -> PageProofs:
        """The proofs of the page's decisions; ``digests`` are of the sealed rows."""
        accounts = {account for account, _ in page.places}
        log_keys = LogKeys(self._keyring).log_keys(tx, accounts, self._release.begun_at.year)
        salts = derive_salts(accounts, log_keys, self._keyring.random)
        proofs = PageProofs(self._release.release_id, self._release.purpose, salts)
        for account, conversation in page.places:
            dropped: Mapping[str, int] = page.dropped.get(conversation, {})
            included = page.count_turns(conversation) - sum(dropped.values())
            if included or dropped:
                proofs.candidate(account, conversation, included, dropped)
        for (sealed, row), digest in zip(rows, digests, strict=True):
            proofs.row(page.seen[row.conversation], self._policies, row, sealed, digest)
        return proofs


def wait_for_pages(tx: Transaction, name: str) -> None:
    """Returns once no process makes a page of the release ``name``; ``tx`` then holds no lock."""
    tx.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [PAGES_LOCK, name])
    tx.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [PAGES_LOCK, name])


def _not_lost(page: DecisionPage, threads: Sequence[Thread], turn: PageTurn) -> Iterator[Thread]:
    lost = turn.lost([thread.document.name for thread in threads])
    for thread, is_lost in zip(threads, lost, strict=True):
        if is_lost:
            page.drop(thread.row.conversation_id, LeftOut.duplicate.value, thread.turns)
        else:
            yield thread


def _kept_threads(
    page: DecisionPage, threads: Sequence[Thread], curated: Sequence[Curated]
) -> Iterator[tuple[int, WrittenRow]]:
    """The threads that curation accepted, by number, with the messages of their rows."""
    for number, (thread, made) in enumerate(zip(threads, curated, strict=True)):
        if made.dropped:
            page.drop(thread.row.conversation_id, made.dropped.value, thread.turns)
            continue
        messages = row_messages(thread.parts, made.texts)
        text_bytes = sum(len(text) if text.isascii() else len(text.encode()) for text in made.texts)
        if text_bytes + _other_bytes(messages) > ROW_BYTES_MAX:
            page.drop(thread.row.conversation_id, TOO_LARGE, thread.turns)
            continue
        yield number, WrittenRow(thread, messages, made, text_bytes)


def _figures(written: WrittenRow) -> RowFigures:
    """The figures of a row for the release's contents."""
    labels, thread = written.made.labels, written.thread
    row, state = thread.row, thread.row.state
    stamps = [state.segments[source.segment].stamp for source in thread.of.sources]
    turns = tuple(
        (source.origin, stamp.surface, stamp.plan, source.count)
        for source, stamp in zip(thread.of.sources, stamps, strict=True)
    )
    stated = Counter(
        [
            content.model
            for content, role in list_contents(thread.parts)
            if role is TurnRole.assistant
        ]
    )
    models = _sum((contents.public_model_name(model), count) for model, count in stated.items())
    profile = _profile(state.kind, turns, tuple(models.items()), labels and labels.language)
    first = min(min(part.turns.times) for part in thread.parts)
    last = max(max(part.turns.times) for part in thread.parts)
    return RowFigures(
        contents.account_mark(row.account_id),
        contents.month(unpack_time(first)),
        contents.month(unpack_time(last)),
        written.text_bytes,
        profile,
        bool(thread.gaps),
    )


@lru_cache(PROFILES_MAX)
def _profile(
    kind: ConversationKind,
    turns: tuple[tuple[str, str, str, int], ...],
    models: tuple[tuple[str, int], ...],
    language: str | None,
) -> Profile:
    """The profile of a row, from the counts of its turns' (origin, surface, plan) and of its
    models' public names; cached, since most rows share one.
    """
    counts: dict[str, Mapping[str, int]] = {
        "kinds": {kind.value: 1},
        "origins": _sum((origin, count) for origin, _, _, count in turns),
        "surfaces": _sum((surface, count) for _, surface, _, count in turns),
        "plans": _sum((plan, count) for _, _, plan, count in turns),
        "models": dict(models),
    }
    if language is not None:
        counts["languages"] = {language: 1}
    return contents.build_profile(counts)


def _sum(counts: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    summed = Counter[str]()
    for value, count in counts:
        summed[value] += count
    return summed


def _changes(curated: Curated) -> tuple[str, ChangedWords]:
    return curated.labels.language if curated.labels else "und", curated.changes


def _count_replaced(curated: Iterable[Curated]) -> Mapping[str, int]:
    return _sum(item for one in curated for item in one.replaced.items())


def _count_judged(curated: Iterable[tuple[ConversationRow, Curated]]) -> list[JudgedRows]:
    """The rows that the quality rule judged and refused, by account and language."""
    rows, refused = Counter[tuple[str, int]](), Counter[tuple[str, int]]()
    for row, made in curated:
        if made.labels is not None:
            whose = made.labels.language, contents.account_mark(row.account_id)
            rows[whose] += 1
            refused[whose] += made.dropped is LeftOut.low_quality
    return [
        JudgedRows(language, account, count, refused[language, account])
        for (language, account), count in rows.items()
    ]


def _other_bytes(messages: Sequence[RowMessage]) -> int:
    """A lower bound of a row's bytes beside its text."""
    calls = [call for message in messages for call in message.tool_calls]
    ids = [call.id for call in calls] + [message.tool_call_id for message in messages]
    return sum(len(one.encode()) for one in filter(None, ids)) + MESSAGE_BYTES * (
        len(messages) + len(calls)
    )

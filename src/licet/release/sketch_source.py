"""Passes over the vault that decide, open and sketch documents without sealing them.

A resumed build sketches its rows again, because nothing that identifies duplicates is stored. A
build with a survey first sketches all usable content and curates the possible winners.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from licet.keys.keyring import Keyring
from licet.policy.file import Policies
from licet.release import registry
from licet.release.base import BaseRelease
from licet.release.changed_words import SAMPLES_MAX, ChangedPlace, choose_samples
from licet.release.curation import Curation, Document, Duplicates, SurveyProtocol
from licet.release.decision_pages import (
    REPEATABLE_READ,
    DecisionPage,
    Thread,
    ThreadSources,
    build_document,
)
from licet.release.known_names import KnownNames
from licet.release.row_runs import RowSources
from licet.store.connect import Pool, Transaction, transaction
from licet.vault.blocks import TurnColumns
from licet.vault.conversation_pages import START, Place, page_after


class Passes:
    """The documents of one purpose, page by page."""

    def __init__(
        self,
        pool: Pool,
        keyring: Keyring,
        policies: Policies,
        purpose: str,
        clock: Callable[[], datetime],
        page_bytes_max: int,
    ) -> None:
        self._pool, self._keyring, self._policies, self._purpose = pool, keyring, policies, purpose
        self._clock, self._page_bytes_max = clock, page_bytes_max

    def documents(
        self,
        after: Place,
        selects: Callable[[UUID], bool],
        base: BaseRelease | None = None,
        finder: str = "",
    ) -> Iterator[list[tuple[Document, bool]]]:
        """The usable documents of the ``selects`` conversations after ``after``, with ``finder``'s
        earlier findings, and whether ``base`` has each as a row.
        """
        while True:
            with transaction(self._pool) as tx:
                tx.execute(REPEATABLE_READ)
                places = page_after(tx, after, bytes_max=self._page_bytes_max)
                if not places:
                    return
                threads = self._threads(tx, [place for place in places if selects(place[1])])
                carried = base.find_reusable(tx, threads) if base is not None else {}
                documents = KnownNames(finder).documents(tx, threads)
            yield [(one, number in carried) for number, one in enumerate(documents)]
            after = places[-1]

    def rows(self, release_id: UUID, last: Place) -> Iterator[list[tuple[int, Document]]]:
        """The documents of a release's rows up to the conversation ``last``, from their original
        sources. Rows with an ended source are skipped, because they will be removed.
        """
        after = START
        while after < last:
            with transaction(self._pool) as tx:
                tx.execute(REPEATABLE_READ)
                places = [
                    p for p in page_after(tx, after, bytes_max=self._page_bytes_max) if p <= last
                ]
                if not places:
                    return
                rows = registry.rows_within(tx, release_id, places[0], places[-1])
                threads = self._threads(
                    tx, sorted({(row.account, row.conversation) for row in rows})
                )
            yield list(_row_documents(rows, threads))
            after = places[-1]

    def _threads(self, tx: Transaction, places: Sequence[Place]) -> list[Thread]:
        if not places:
            return []
        return DecisionPage(tx, places, self._policies, self._purpose, self._clock()).threads(
            tx, self._keyring
        )


def _row_documents(
    rows: Sequence[RowSources], threads: Sequence[Thread]
) -> Iterator[tuple[int, Document]]:
    by_chat: dict[UUID, list[Thread]] = {}
    for thread in threads:
        by_chat.setdefault(thread.row.conversation_id, []).append(thread)
    for row in rows:
        made = (_restrict(row, thread) for thread in by_chat.get(row.conversation, ()))
        document = next((one for one in made if one is not None), None)
        if document is not None:
            yield row.ordinal, document


def _restrict(row: RowSources, thread: Thread) -> Document | None:
    """The document of a thread restricted to the sources of ``row``; None if it has changed."""
    last = {(source.segment, source.origin): source.turn for source in row.sources}
    mine = [part.select(list(_up_to(last, part.turns))) for part in thread.parts]
    mine = [part for part in mine if part.contents]
    if ThreadSources.from_parts(mine).sources != row.sources:
        return None
    now = thread.document
    return build_document(thread.row, now.name[16:].decode(), mine, now.key)


def _up_to(last: Mapping[tuple[int, str], int], turns: TurnColumns) -> Iterator[int]:
    """The places of turns up to the ``last`` of their segment and origin."""
    for place, (number, origin) in enumerate(zip(turns.numbers, turns.origins, strict=True)):
        if number <= last.get((turns.segment, origin), -1):
            yield place


def enter_rows(
    passes: Passes,
    curation: Curation,
    duplicates: Duplicates,
    survey: SurveyProtocol | None,
    release_id: UUID,
    last: Place,
) -> None:
    """Sketches the rows of a resumed build again."""
    for page in passes.rows(release_id, last):
        sketches = curation.sketch([one for _, one in page])
        for (ordinal, one), sketch in zip(page, sketches, strict=True):
            duplicates.enter(ordinal, sketch)
            if survey is not None:
                survey.enter(one, sketch, stays=True)


def changed_places(
    passes: Passes, curation: Curation, release_id: UUID, last: Place
) -> list[ChangedPlace]:
    """Samples of replacements in a resumed build's rows, from a few pages curated again."""
    found: list[ChangedPlace] = []
    for page in passes.rows(release_id, last):
        made = curation.curate([one for _, one in page])
        found += choose_samples(
            (one.labels.language if one.labels else "und", one.changes) for one in made
        )
        if len(found) >= SAMPLES_MAX:
            break
    return found


def look_ahead(
    passes: Passes,
    curation: Curation,
    duplicates: Duplicates,
    survey: SurveyProtocol,
    after: Place,
    base: BaseRelease | None,
) -> None:
    """Runs the survey over the documents after ``after`` and the earlier rows.

    Rows of ``base`` were accepted there by the same curation.
    """
    for page in passes.documents(after, lambda _conversation: True):
        entered = [one for one, _ in page]
        for one, sketch in zip(entered, curation.sketch(entered), strict=True):
            survey.enter(one, sketch)
    while (question := survey.next_question()) is not None:
        for page in passes.documents(after, question.concerns, base, curation.finder):
            for one, is_carried in page:
                if is_carried and one in question:
                    survey.judge(one, stays=True)
            mine = [one for one, is_carried in page if not is_carried and one in question]
            for one, curated in zip(mine, curation.curate(mine) if mine else (), strict=True):
                survey.judge(one, stays=curated.dropped is None)

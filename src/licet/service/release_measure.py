"""Measures the cost of curation for a release, and states it beside the manifest
(`train.ablation`, `release.measurement`).

Curated rows are read from the release; original texts and filtered content are decided and opened
again page by page, as in a build, so that only content usable now is included. Memory holds the
texts of a sample of people, and eight bytes for each row. Stored figures cover at least ten people.

After a crash between the commit and the file, the measurement has no file; the next one writes
both.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from uuid import UUID

import msgspec

from licet.curate import code_kept, engine_settings
from licet.curate.rule_cleaner import RuleCleaner
from licet.curate.survey import DuplicateSurvey
from licet.errors import RefusedError
from licet.ledger.jws import sign as signed
from licet.masked import Masked
from licet.policy.decide import SAFETY
from licet.policy.state import TurnRole
from licet.release import card, catalog, manifest, measurement, registry, release_store
from licet.release.catalog import find_release, open_release
from licet.release.curation import Curated, Curation, Document, LeftOut
from licet.release.decision_pages import PAGE_BYTES_MAX
from licet.release.manifest import ReleaseManifest
from licet.release.measurement import CodeKept, StatedMeasurement, WordsKept
from licet.release.reader import LoadedRow
from licet.release.registry import Release
from licet.release.rows import MessageShape
from licet.release.sketch_source import Passes
from licet.store.connect import transaction
from licet.train import ablation, local_runs, recipe
from licet.train.ablation import MeasuredRow
from licet.train.recipe import TrainingSettings
from licet.vault import account_journal
from licet.vault.conversation_pages import START, Place
from licet.vault.ids import uuid7
from licet.vault.installation import Installation, load_policies

ROWS_MAX, SEEDS = 5_000, 3
END: Place = (UUID(int=2**128 - 1), UUID(int=2**128 - 1))
UNKNOWN = "und"
Progress = Callable[[str], None]


class MeasuringOrder(msgspec.Struct, frozen=True, kw_only=True):
    """About ``rows_max`` rows, with a word-count model, or with models that start from the folder
    ``base``, with ``settings`` and ``seeds``; without ``filters``, de-identification only.
    """

    settings: TrainingSettings = TrainingSettings()
    seeds: int = SEEDS
    rows_max: int = ROWS_MAX
    base: Path | None = None
    filters: bool = True


def measure(
    installation: Installation,
    name: str,
    order: MeasuringOrder,
    progress: Progress = lambda _line: None,
) -> StatedMeasurement:
    """Measures a release and states the result. RefusedError if it is not sealed, is for safety, or
    has too few people.
    """
    folder, known = find_release(installation, name)
    if known.state != "sealed" or known.manifest_sha256 is None:
        raise RefusedError(f"release `{known.name}` is not sealed", because="not_sealed")
    if known.purpose == SAFETY:
        raise RefusedError(
            f"release `{known.name}` is for `{SAFETY}` alone, which has no answers to learn",
            because="purpose",
        )
    if order.base is not None:
        recipe.check_ready(order.base)
    with transaction(installation.pool) as tx:
        position = account_journal.last_position(tx)
    promised, _ = manifest.read_manifest(folder)
    collector = _RowCollector(installation, known, promised, order)
    progress("reading the rows as they leave, and as they were said")
    rows = collector.collect_released(name)
    if order.filters:
        progress("reading what the filters left out")
        rows += collector.collect_dropped()
    made = ablation.measure(
        rows,
        order.settings,
        seeds=order.seeds,
        held_out=collector.people_held_out(),
        base=order.base,
        says=progress,
        ended=lambda: _ended(installation, position),
    )
    kept = [row for row in rows if not row.left_out]
    now = installation.clock()
    stated = measurement.build_statement(
        release=known.release_id.hex,
        manifest_sha256=known.manifest_sha256.hex(),
        now=now,
        model=made.model,
        rows=made.rows,
        held_out=made.held_out,
        costs=made.costs,
        code=_code(kept),
        words=words_kept(kept),
    )
    with transaction(installation.pool) as tx:
        jws = signed(stated.payload(), installation.keyring.log_seed(tx), measurement.SIGNED.typ)
        result = StatedMeasurement(statement=stated, jws=jws)
        measurement.add(
            tx, uuid7(now, installation.keyring.random(10)), known.release_id, result, now
        )
    # after the commit, so that a file never states what the database does not have
    with release_store.publish_changes(installation, known, folder):
        measurement.SIGNED.write(folder, jws)
        card.rewrite(folder)
    return result


def _ended(installation: Installation, position: int) -> Collection[bytes]:
    """Returns the people who withdrew or deleted something after a position of the journal."""
    with transaction(installation.pool) as tx:
        return {ending.account.bytes for ending in account_journal.endings_after(tx, position)}


def _code(rows: Collection[MeasuredRow]) -> CodeKept:
    blocks = broken = 0
    for row in rows:
        originals, leaves = (
            [message["content"] for message in loaded["messages"]]
            for loaded in (row.original, row.leaves)
        )
        mine, lost = code_kept.count_blocks(originals, leaves)
        blocks, broken = blocks + mine, broken + lost
    return CodeKept(blocks=blocks, broken=broken)


def words_kept(rows: Collection[MeasuredRow]) -> WordsKept:
    """Counts the words of the original messages, and those missing from the curated ones."""
    total = changed = 0
    for row in rows:
        for before, after in zip(row.original["messages"], row.leaves["messages"], strict=True):
            words = Counter(before["content"].split())
            total += words.total()
            if before["content"] != after["content"]:
                changed += (words - Counter(after["content"].split())).total()
    return WordsKept(said=total, changed=changed)


class _ReleasedRow(Masked, msgspec.Struct, frozen=True, kw_only=True):
    person: bytes
    row: LoadedRow


class _RowCollector:
    """Collects rows, dropped content and the people to hold out, of people sampled by a hash."""

    def __init__(
        self,
        installation: Installation,
        release: Release,
        promised: ReleaseManifest,
        order: MeasuringOrder,
    ) -> None:
        self._installation, self._known = installation, release
        self._promised, self._order = promised, order
        self._share = min(1.0, order.rows_max / max(promised.rows, 1))
        self._names = NamedDocuments()  # of the rows
        self._people: dict[bytes, int] = {}  # of the rows, with their rank
        self._outside: set[bytes] = set()  # outside the training split
        self._passes = Passes(
            installation.pool,
            installation.keyring,
            load_policies(installation),
            release.purpose,
            installation.clock,
            PAGE_BYTES_MAX,
        )

    def collect_released(self, name: str) -> list[MeasuredRow]:
        """The rows of the sampled people that are still permitted."""
        released, found = self._released_rows(name), list[MeasuredRow]()
        for page in self._passes.rows(self._known.release_id, END):
            for ordinal, document in page:
                self._names.add(document.name)
                left = released.get(ordinal)
                original = _with_original_texts(left.row, document) if left is not None else None
                if left is None or original is None:
                    continue
                labels = left.row.get("labels")
                found.append(
                    MeasuredRow(
                        person=left.person,
                        kind=document.kind.value,
                        language=labels["language"] if labels else UNKNOWN,
                        original=original,
                        leaves=left.row,
                    )
                )
                self._people[left.person] = local_runs.account_rank(UUID(bytes=left.person))
        return found

    def people_held_out(self) -> frozenset[bytes]:
        return ablation.people_held_out(self._people, self._outside)

    def collect_dropped(self) -> list[MeasuredRow]:
        """What filters dropped, of the sampled people: at most `rows_max` for each reason."""
        found, accepted = dict[str, list[MeasuredRow]](), list[tuple[bytes, MeasuredRow]]()
        with (
            engine_settings.curation(self._installation, RuleCleaner()) as curation,
            closing(DuplicateSurvey(self._installation.config.data)) as survey,
        ):
            for page in self._passes.documents(START, lambda _conversation: True):
                documents = [document for document, _ in page]
                for document, sketch in zip(documents, curation.sketch(documents), strict=True):
                    survey.enter(document, sketch, stays=document.name in self._names)
                for document, curated in self._curated(curation, documents):
                    reason, row = curated.dropped, _dropped_row(document, curated)
                    if reason is None and len(accepted) < self._order.rows_max:
                        accepted.append((document.name, row))
                    elif (
                        reason is not None
                        and len(found.setdefault(reason.value, [])) < self._order.rows_max
                    ):
                        found[reason.value].append(row)
            while survey.next_question() is not None:
                pass  # only the rows of the release are kept
            lost = [row for name, row in accepted if survey.is_lost(name)]
        if lost:
            found[LeftOut.duplicate.value] = [
                msgspec.structs.replace(measured, left_out=LeftOut.duplicate.value)
                for measured in lost
            ]
        return [row for rows in found.values() for row in rows]

    def _curated(
        self, curation: Curation, documents: list[Document]
    ) -> Iterator[tuple[Document, Curated]]:
        mine = [
            document
            for document in documents
            if document.name not in self._names and self._is_sampled(document.account)
        ]
        return zip(mine, curation.curate(mine) if mine else (), strict=True)

    def _released_rows(self, name: str) -> dict[int, _ReleasedRow]:
        """The rows of the sampled people, by ordinal."""
        found: dict[int, _ReleasedRow] = {}
        pin, batch = self._promised.curation, list[LoadedRow]()
        splits: Mapping[str, object] = {} if pin is msgspec.UNSET else pin.splits
        others = {split for split in splits if split != "train"}

        def take() -> None:
            with transaction(self._installation.pool) as tx:
                accounts = registry.accounts_at(
                    tx, self._known.release_id, [row["ordinal"] for row in batch]
                )
            for row in batch:
                person = accounts[row["ordinal"]].bytes
                if not self._is_sampled(person):
                    continue
                found[row["ordinal"]] = _ReleasedRow(person=person, row=row)
                if "labels" in row and row["labels"]["split"] in others:
                    self._outside.add(person)
            batch.clear()

        for row in open_release(self._installation, name):
            batch.append(row)
            if len(batch) == catalog.LEASED_ROWS_MAX:
                take()
        take()
        return found

    def _is_sampled(self, account: bytes) -> bool:
        drawn = int.from_bytes(
            blake2b(account, digest_size=8, person=b"licet measured 1").digest(), "big"
        )
        return drawn < self._share * 2**64


class NamedDocuments:
    """A set of document names, as eight bytes of a hash each. With a million rows, one of a million
    other documents is mistaken for a row with probability 1 in 18 million.
    """

    def __init__(self) -> None:
        self._hashes, self._sorted = array("Q"), 0

    def add(self, name: bytes) -> None:
        self._hashes.append(_hash(name))

    def __contains__(self, name: bytes) -> bool:
        if self._sorted < len(self._hashes):
            self._sort()
        wanted = _hash(name)
        place = bisect_left(self._hashes, wanted)
        return place < len(self._hashes) and self._hashes[place] == wanted

    def _sort(self) -> None:
        import numpy as np  # imported here: a server that measures nothing does not need it

        np.frombuffer(self._hashes, np.uint64).sort()  # in place, without a Python object for each
        self._sorted = len(self._hashes)


def _hash(name: bytes) -> int:
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big")


def _with_original_texts(row: LoadedRow, document: Document) -> LoadedRow | None:
    """A row with its texts before de-identification; None if the document is not its source."""
    text = iter(document.texts)
    messages: list[MessageShape] = []
    try:
        for message in row["messages"]:
            original: MessageShape = {**message, "content": next(text)}
            name = next(text)
            for beside in ("name", "tools"):
                if beside in message:
                    original[beside] = name
            if calls := message.get("tool_calls"):
                original["tool_calls"] = [
                    {**call, "function": {"name": next(text), "arguments": next(text)}}
                    for call in calls
                ]
            messages.append(original)
    except StopIteration:
        return None
    return {**row, "messages": messages} if next(text, None) is None else None


def _dropped_row(document: Document, curated: Curated) -> MeasuredRow:
    """A dropped document in the form of a row, without tool calls, whose ids are unknown."""
    roles = {role.value for role in TurnRole}
    messages: list[MessageShape] = [
        {"role": TurnRole(voice.value).value, "content": text}
        for voice, text in zip(document.voices, curated.texts, strict=True)
        if voice.value in roles
    ]
    row: LoadedRow = {"messages": messages, "row_id": "", "ordinal": -1}
    return MeasuredRow(
        person=document.account,
        kind=document.kind.value,
        language=curated.labels.language if curated.labels else UNKNOWN,
        original=row,
        leaves=row,
        left_out=curated.dropped.value if curated.dropped else "",
    )

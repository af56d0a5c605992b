"""Builds a release: decides on every candidate turn, seals what may be used, and accounts for the
rest.

A candidate is every turn whose content is still stored, in its segment or in a safety copy. The
build pins a position in the journal and reads page by page; each row is registered in the database
before it is written to a part. When all pages are read, one short transaction of constant time
holds the endings lock exclusively: no withdrawal, deletion or narrowing is in progress meanwhile,
and none that was committed before is missing. It fixes the position as of which all rows are
decided, adds the leaf `release_decided`, and takes a snapshot, from which the rows affected by
endings since the pin, and those past their end date, are decided again. Then their parts, the
proofs and the manifest are written, and the release is sealed without a lock. Its time is that of
the position.

An ending after the position counts as one after the seal: every lease decides each row by what is
committed then (`release.live_leases`), so no ended row is read (docs/adr/0031).

A page is read from one snapshot (REPEATABLE READ), so a sweep cannot remove a key between a
decision and its use.

Crash order: until the seal commits, the release is `building` and no row of it can be leased. A
page's transaction stores its result (`release.draft`), so a killed build continues after the
complete parts (`release.resume`), from the position that it pinned, and so catches up with all
endings meanwhile. It starts over if the purpose, policy version, year, curation plan, software or
part size differs. A build that was killed after the decision is decided again, as of a later
position. The manifest is written just before the seal: a manifest in a folder proves nothing
without it. One build of a name runs at a time, under an advisory lock.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from uuid import UUID

import msgspec

from licet.clock import Clock
from licet.consent import name_sentences, notice
from licet.consent.catalogue import catalogue
from licet.consent.language_tags import ENGLISH
from licet.errors import BusyError, LicetError, RefusedError
from licet.keys.keyring import Keyring
from licet.keys.log_keys import LogKeys
from licet.policy.decide import DecisionReason
from licet.policy.file import Policies, UnreadLanguagesTerm
from licet.release import (
    card,
    croissant,
    manifest,
    purge,
    registry,
    resume,
    sketch_source,
    year_leaves,
)
from licet.release.base import BaseRelease, BaseSettings, check_base
from licet.release.build_order import (
    BuildOrder,
    BuildResult,
    DamageError,
    DecidedAs,
    UnreadLanguagesError,
)
from licet.release.build_workers import (
    BuildWorkers,
    WorkerSettings,
    connection_string,
    picklable_curation,
)
from licet.release.changed_words import SAMPLES_MAX, ChangedPlace, find_unusual
from licet.release.curation import Cleaner, Curation, LeftOut, PlainCuration, SurveyProtocol
from licet.release.decision_pages import INCOMPLETE, PAGE_BYTES_MAX
from licet.release.draft import (
    BuildSettings,
    Draft,
    DroppedRows,
    End,
    Stage,
    delete_sealed,
    delete_state,
    resume_obstacle,
)
from licet.release.live_leases import decide_rows
from licet.release.manifest import (
    PROOF_FOLDER,
    PROOF_NAMES,
    BasePin,
    Counts,
    CurationPin,
    Deidentification,
    PolicyPin,
    ProofPins,
    ReleaseManifest,
)
from licet.release.page_builder import (
    BuiltPage,
    PageBuilder,
    Progress,
    TurnsInOrder,
    wait_for_pages,
)
from licet.release.page_worker import WorkerJob
from licet.release.part import PART_FILE, PartPromise, rewrite_part, write_parts
from licet.release.proofs import Proofs
from licet.release.registry import Release
from licet.release.resume import ResumedBuild
from licet.release.row_keys import SealedRow
from licet.release.row_runs import RowSources
from licet.release.tally import Tally, microseconds
from licet.store.connect import Pool, Transaction, snapshot, transaction
from licet.store.files import make_folder, sync
from licet.vault import account_journal, account_view, verbs
from licet.vault import policy_versions as versions
from licet.vault.conversation_pages import START
from licet.vault.ids import uuid7

ROWS_PER_PART = 10_000
BUILD_LOCK = 0x11CE7
ELECTED_ROWS_MAX = 1_000


class Builder:
    """One build. Dependencies are given; `run` does the work."""

    def __init__(
        self,
        pool: Pool,
        keyring: Keyring,
        policies: Policies,
        cleaner: Cleaner,
        clock: Clock,
        progress: Progress = lambda _turns: None,
        *,
        rows_per_part: int = ROWS_PER_PART,
        page_bytes_max: int = PAGE_BYTES_MAX,
        curation: Curation | None = None,
        says: Callable[[str], None] = lambda _line: None,
        workers: WorkerSettings | None = None,
    ) -> None:
        self._rows_per_part, self._page_bytes_max = rows_per_part, page_bytes_max
        self._pool, self._keyring, self._policies = pool, keyring, policies
        self._cleaner, self._clock, self._progress, self._says = cleaner, clock, progress, says
        self._curation = curation or PlainCuration(cleaner)
        self._workers = workers if workers is not None and workers.count > 1 else None
        self._passed_on = picklable_curation(self._curation) if self._workers is not None else None
        self._held = ExitStack()  # what a build has open
        self._survey: SurveyProtocol | None = None
        self._base: BaseRelease | None = None
        self._whole_because = ""
        self._tally = Tally()
        self._end = End(page=0, rows=0, place=START)  # of the last page
        self._lock_seconds = 0.0
        self._parts: dict[int, PartPromise] = {}
        self._samples: list[ChangedPlace] = []

    def run(self, order: BuildOrder) -> BuildResult:
        """Builds and seals; RefusedError for an invalid purpose or name, BusyError to try again."""
        with transaction(self._pool) as tx:
            # Held while the build runs, however it ends. Idle between statements, it holds no
            # snapshot.
            lock = tx.execute(
                "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [BUILD_LOCK, order.name]
            ).fetchone()
            if lock is None or not lock[0]:
                raise BusyError(
                    f"release `{order.name}` is being built already",
                    "wait for it, or give another name",
                )
            if self._workers is not None:
                self._workers.crew.prepare()
            wait_for_pages(tx, order.name)
            with self._held:
                self._base = self._carry_from(order)
                return msgspec.structs.replace(
                    self._build(order), whole_because=self._whole_because
                )

    def _carry_from(self, order: BuildOrder) -> BaseRelease | None:
        """The open base; None without one, or if it is unusable, which is reported."""
        if order.base is None:
            return None
        wanted = BaseSettings(
            purpose=order.purpose,
            plan=self._curation.plan,
            software=order.software,
            rules=self._cleaner.sha256,
            names=self._curation.found_by.names,
        )
        folder, known = order.base
        promised, self._whole_because = check_base(folder, known, wanted)
        if promised is None:
            self._says(
                f"builds whole, nothing is carried from `{known.name}`: {self._whole_because}"
            )
            return None
        return self._held.enter_context(BaseRelease(folder, known, promised, self._says))

    def _build(self, order: BuildOrder) -> BuildResult:
        at = self._clock()
        if order.purpose not in self._policies.in_force(at).covers:
            raise RefusedError(
                f"the policy in force does not cover the purpose `{order.purpose}`",
                f"it covers {', '.join(sorted(self._policies.in_force(at).covers))}",
                because="purpose",
            )
        self._check_names(at)
        delete_sealed(self._pool)
        known = self._unfinished(order)
        # so the journal has these changes before the pin
        verbs.advance(self._pool, self._policies, at)
        made = BuildSettings(
            plan=self._curation.plan,
            software=order.software,
            rows_per_part=self._rows_per_part,
            base=self._base.known.release_id if self._base is not None else None,
        )
        taken = self._load_unfinished(known, order, made, at) if known else None
        if taken is not None:
            with Proofs(
                order.folder, taken.release.release_id, order.purpose, self._keyring.random
            ) as proofs:
                return self._resume(taken, order, proofs)
        if known is not None:
            self._discard(known, order)
        release, draft = self._pin(order, made, at)
        make_folder(order.folder.parent)
        order.folder.mkdir()
        sync(order.folder.parent)
        with Proofs(
            order.folder, release.release_id, release.purpose, self._keyring.random
        ) as proofs:
            return self._write(release, draft, order, proofs, iter(()))

    def _check_names(self, now: datetime) -> None:
        """Raises RefusedError if nothing detects names and any policy version up to now replaces
        them.
        """
        replacing = (
            None
            if self._finds_names
            else self._policies.replacing_names(self._policies.number(now))
        )
        if replacing is not None:
            raise RefusedError(
                f"nothing here looks for people's names, and version `{replacing.version}` of the "
                "policy does not say"
                " `names: left in`",
                "turn on what finds them: unset LICET_CURATE__NAMES (docs/curate.md)."
                " Names are left in only where each version so far says `names: left in`",
                because="names",
            )

    @property
    def _finds_names(self) -> bool:
        names = self._curation.found_by.names
        return names is not msgspec.UNSET and notice.PERSON in names.kinds

    def _resume(self, resumed: ResumedBuild, order: BuildOrder, proofs: Proofs) -> BuildResult:
        """Resumes a killed build after its complete parts."""
        resume.restore(self._pool, self._keyring, resumed, proofs)
        self._tally, self._end, self._parts = resumed.tally, resumed.end, resumed.parts
        self._progress(self._tally.candidates)
        part = resumed.end.rows // self._rows_per_part
        self._says(f"resumed from part {part}")
        rows = resumed.straddling(order.folder, self._rows_per_part)
        built = self._write(resumed.release, resumed.draft, order, proofs, rows, resumed.stage)
        return msgspec.structs.replace(built, resumed_from=part)

    def _write(
        self,
        release: Release,
        draft: Draft,
        order: BuildOrder,
        proofs: Proofs,
        rows: Iterator[SealedRow],
        stage: Stage = Stage.reading,
    ) -> BuildResult:
        if stage is not Stage.elected:
            self._sketch_again(release, order, reads=stage is Stage.reading)
        if stage is Stage.reading:
            every = chain(rows, self._sealed_rows(release, draft, proofs))
            for part in write_parts(order.folder, every, rows_per_part=self._rows_per_part):
                self._parts[part.number] = part
                self._store_part(draft, part)
            self._save_stage(draft, Stage.electing)
        if stage is not Stage.elected:
            self._elect(release, draft, order.folder, proofs)
            self._save_stage(draft, Stage.elected)
        self._check_languages()
        self._check_changes(release, order)
        now = self._clock()
        question = self._policies.in_force(now).question_of(release.purpose)
        year_leaves.add_missing_leaves(
            self._pool, release.release_id, question, release.begun_at.year, now
        )
        decided_as = self._decide_again(release, draft, order.folder, proofs)
        sealed = self._seal(release, order, decided_as, proofs)
        delete_sealed(self._pool)
        return BuildResult(folder=order.folder, manifest=sealed, lock_seconds=self._lock_seconds)

    def _check_changes(self, release: Release, order: BuildOrder) -> None:
        """Raises DamageError if unusually many words were replaced and the order does not accept
        it.

        A resumed build collects samples again, because none is stored.
        """
        found = find_unusual(self._tally.changes)
        if not found or order.accepts_changes:
            return
        places = self._samples or sketch_source.changed_places(
            self._passes(order), self._curation, release.release_id, self._end.place
        )
        raise DamageError(found, places[:SAMPLES_MAX])

    def _check_languages(self) -> None:
        """Raises UnreadLanguagesError if a language is not searched and the policy stops for it."""
        policy = self._policies.in_force(self._clock())
        if self._tally.unread and policy.unread_languages is UnreadLanguagesTerm.build_stopped:
            raise UnreadLanguagesError(self._tally.unread)

    def _save_stage(self, draft: Draft, stage: Stage) -> None:
        with transaction(self._pool) as tx:
            draft.set_stage(tx, stage)

    def _unfinished(self, order: BuildOrder) -> Release | None:
        """The unfinished build of this name; RefusedError if name or folder is taken."""
        with transaction(self._pool) as tx:
            known = registry.find(tx, order.name)
        if known is not None and known.state == "sealed":
            raise RefusedError(
                f"there is already a release `{order.name}`",
                "choose another name",
                because="exists",
            )
        if order.folder.exists() and (known is None or not _is_unfinished(order.folder, known)):
            raise RefusedError(
                f"`{order.folder}` exists and does not belong to an unfinished build",
                "name another folder",
                because="exists",
            )
        return known

    def _load_unfinished(
        self, release: Release, order: BuildOrder, settings: BuildSettings, now: datetime
    ) -> ResumedBuild | None:
        """The unfinished build, ready to resume; None if it must start over, which is reported."""
        with transaction(self._pool) as tx:
            unfinished = Draft.find(tx, self._keyring, release.release_id)
            opens = unfinished is not None and unfinished[0].opens(tx)
        resumed, why = None, "nothing of the unfinished build was kept"
        if order.afresh:
            why = "--afresh was given"
        elif unfinished is not None and opens:
            stored, begun_with, stage = unfinished
            why = resume_obstacle(
                release,
                settings,
                begun_with=begun_with,
                purpose=order.purpose,
                version=self._policies.number(now),
                now=now,
            )
            if not why:
                resumed = resume.truncate_to_complete(
                    self._pool, release, stored, stage, order.folder, self._rows_per_part
                )
                why = "no page of it is complete"
        if resumed is None:
            self._says(f"starts over: {why}")
        return resumed

    def _discard(self, release: Release, order: BuildOrder) -> None:
        """Discards an unfinished build, from the database last: an interruption can be repeated."""
        if order.folder.exists():
            shutil.rmtree(order.folder)
        with transaction(self._pool) as tx:
            delete_state(tx, release.release_id)
            registry.discard(tx, release.release_id)

    def _pin(
        self, order: BuildOrder, settings: BuildSettings, now: datetime
    ) -> tuple[Release, Draft]:
        with transaction(self._pool) as tx:
            release_id = uuid7(now, self._keyring.random(10))
            account_journal.block_endings(tx)
            position = account_journal.last_position(tx)
            release = Release(
                release_id=release_id,
                name=order.name,
                purpose=order.purpose,
                state="building",
                version=self._policies.number(now),
                pinned=position,
                begun_at=now,
                sealed_at=None,
                position=None,
                rows=None,
                turns=None,
                root=None,
                manifest_sha256=None,
            )
            registry.begin(tx, release)
            return release, Draft.begin(tx, self._keyring, release.release_id, settings)

    def _sketch_again(self, release: Release, order: BuildOrder, *, reads: bool) -> None:
        """Sketches the rows of earlier pages again; a build that still reads may survey first."""
        duplicates, last = self._curation.duplicates, self._end.place
        if duplicates is None:
            return
        passes = self._passes(order)
        survey = duplicates.survey() if reads else None
        sketch_source.enter_rows(
            passes, self._curation, duplicates, survey, release.release_id, last
        )
        if survey is not None:
            self._says("looks for duplicates before names")
            sketch_source.look_ahead(passes, self._curation, duplicates, survey, last, self._base)
            self._survey = survey

    def _passes(self, order: BuildOrder) -> sketch_source.Passes:
        return sketch_source.Passes(
            self._pool,
            self._keyring,
            self._policies,
            order.purpose,
            self._clock,
            self._page_bytes_max,
        )

    # Reading

    def _sealed_rows(self, release: Release, draft: Draft, proofs: Proofs) -> Iterator[SealedRow]:
        for page in self._pages(release, draft):
            # Registered and committed: now it may be written.
            self._add_page(page, proofs)
            yield from page.sealed

    def _pages(self, release: Release, draft: Draft) -> Iterator[BuiltPage]:
        """The pages after the last one, in order, each yielded once committed."""
        turns = TurnsInOrder(self._clock, self._survey, self._progress, self._end.rows)
        if self._workers is not None:
            workers = self._held.enter_context(self._start_workers(release, self._workers))
            yield from workers.pages(self._end, turns)
            workers.close()
            return
        builder = PageBuilder(
            self._pool,
            self._keyring,
            self._policies,
            release,
            draft,
            self._curation,
            base=self._base,
            page_bytes_max=self._page_bytes_max,
            looks_ahead=self._survey is not None,
        )
        while (page := builder.build(self._end.page + 1, self._end.place, turns)) is not None:
            yield page

    def _start_workers(self, release: Release, workers: WorkerSettings) -> BuildWorkers:
        assert self._passed_on is not None
        job = WorkerJob(
            dsn=connection_string(self._pool),
            config=workers.config,
            policies=self._policies,
            release=release,
            curation=self._passed_on,
            page_bytes_max=self._page_bytes_max,
            looks_ahead=self._survey is not None,
            base=(self._base.folder, self._base.known, self._base.promised)
            if self._base is not None
            else None,
        )
        return BuildWorkers(workers, job, self._says)

    def _add_page(self, page: BuiltPage, proofs: Proofs) -> None:
        """Counts a page and enters its rows for the election."""
        kept, first = page.kept, self._tally.rows
        self._tally.count_page(kept)
        if len(self._samples) < SAMPLES_MAX:
            self._samples += page.samples
        for leaf, until_us in zip(page.leaves, page.untils_us, strict=True):
            self._tally.add(leaf, until_us)
        if self._curation.duplicates is not None:
            for ordinal, sketch in enumerate(page.sketches, first):
                self._curation.duplicates.enter(ordinal, sketch)
        proofs.add(page.candidates, page.rows)
        self._end = page.end

    def _store_part(self, draft: Draft, part: PartPromise) -> None:
        ends = min((part.number + 1) * self._rows_per_part, self._tally.rows)
        with transaction(self._pool) as tx:
            draft.keep_part(tx, part, ends)

    def _derive_salts(
        self, tx: Transaction, release: Release, accounts: set[UUID], proofs: Proofs
    ) -> None:
        proofs.set_salts(
            accounts, LogKeys(self._keyring).log_keys(tx, accounts, release.begun_at.year)
        )

    # Duplicates

    def _elect(self, release: Release, draft: Draft, folder: Path, proofs: Proofs) -> None:
        """Removes duplicate rows. A later ending brings no duplicate back: the next release elects
        again.
        """
        lost = (
            sorted(self._curation.duplicates.lost())
            if self._curation.duplicates is not None
            else []
        )
        for start in range(0, len(lost), ELECTED_ROWS_MAX):
            with transaction(self._pool) as tx:
                rows = registry.rows_at(
                    tx, release.release_id, lost[start : start + ELECTED_ROWS_MAX]
                )
                gone = [
                    (row, {LeftOut.duplicate.value: sum(source.count for source in row.sources)})
                    for row in rows
                ]
                self._delete_rows(tx, release, draft, gone)
                self._derive_salts(tx, release, {row.account for row in rows}, proofs)
            self._count_removed(gone, proofs)
        self._rewrite(draft, folder, set(lost))

    def _delete_rows(
        self,
        tx: Transaction,
        release: Release,
        draft: Draft,
        removed: Sequence[tuple[RowSources, Mapping[str, int]]],
    ) -> None:
        """Deletes rows from the database; ``removed`` has their turns by reason."""
        registry.drop_rows(tx, release.release_id, [row.ordinal for row, _ in removed])
        draft.keep_gone(
            tx, [DroppedRows(row.ordinal, row.account, reasons) for row, reasons in removed]
        )

    def _count_removed(
        self, removed: Sequence[tuple[RowSources, Mapping[str, int]]], proofs: Proofs
    ) -> None:
        for row, reasons in removed:
            self._tally.take_out(row.ordinal, reasons)
            proofs.remove_row(row.ordinal, row.account, reasons)

    # Deciding as of one position, and sealing

    @contextmanager
    def _fix_decision(self, release: Release) -> Iterator[tuple[Transaction, DecidedAs]]:
        """Fixes the position of the decision, and yields the database as of it.

        The snapshot is taken, and the leaf committed, while no ending is in progress: the log
        before the leaf and the snapshot agree. The lock is released before this yields.
        """
        with snapshot(self._pool) as seen:
            with transaction(self._pool) as tx:
                # No fsync under the lock: what commits after this makes it durable too.
                tx.execute("SET LOCAL synchronous_commit = off")
                versions.block_changes(
                    tx
                )  # before the endings, as every writer that applies a version
                account_journal.block_endings(tx)
                started, now = time.monotonic(), self._clock()
                position, policies = account_journal.last_position(seen), versions.load(seen)
                if policies is None or policies.number(now) != release.version:
                    raise BusyError(
                        "a policy version became effective while the release was built",
                        "build it again under the new one",
                    )
                registry.decide(tx, release.release_id, position, now)
            self._lock_seconds = time.monotonic() - started
            yield seen, DecidedAs(position=position, now=now, policies=policies)

    def _decide_again(
        self, release: Release, draft: Draft, folder: Path, proofs: Proofs
    ) -> DecidedAs:
        """Decides again, as of one position, rows with endings since the pin or past their end."""
        with self._fix_decision(release) as (seen, decided_as):
            now, policies = decided_as.now, decided_as.policies
            due = self._tally.due(now)
            rows = registry.rows_by_conversation(
                seen, release.release_id, account_journal.endings_after(seen, release.pinned)
            )
            rows += registry.rows_at(seen, release.release_id, list(due))
            touched = {row.ordinal: row for row in rows}
            decided = decide_rows(seen, list(touched.values()), policies, release.purpose, now)
            # A row past its end is never opened, even if its sources are kept longer by now; one
            # whose end moved earlier states too late an end in clear.
            gone = [
                (v.row, _reasons(v.row, v.refused))
                for v in decided
                if not v.use
                or v.row.ordinal in due
                or microseconds(v.until) < self._tally.until_us(v.row.ordinal)
            ]
            out = {row.ordinal for row, _ in gone}
            still = [row for ordinal, row in touched.items() if ordinal not in out]
            views = account_view.load_views(
                seen, sorted({(r.account, r.conversation) for r in still}), policies, now
            )
            self._derive_salts(seen, release, {row.account for row in touched.values()}, proofs)
        for row in still:
            proofs.replace_row(views[row.conversation], policies, row)
        if gone:
            with transaction(self._pool) as tx:
                self._delete_rows(tx, release, draft, gone)
        self._count_removed(gone, proofs)
        self._rewrite(draft, folder, out)
        return decided_as

    def _rewrite(self, draft: Draft, folder: Path, removed: set[int]) -> None:
        by_part: dict[int, set[int]] = {}
        for ordinal in removed:
            by_part.setdefault(ordinal // self._rows_per_part, set()).add(ordinal)
        for number, mine in sorted(by_part.items()):
            part = self._parts[number]

            def declare(becomes: PartPromise | None, part: PartPromise = part) -> None:
                with transaction(self._pool) as tx:
                    draft.declare(tx, part, becomes, self._tally.rows)

            made = rewrite_part(folder / part.file, mine, declare)
            if made is None:
                del self._parts[number]
            else:
                self._parts[number] = made

    def _seal(
        self, release: Release, order: BuildOrder, decided_as: DecidedAs, proofs: Proofs
    ) -> ReleaseManifest:
        """Writes proofs, manifest and card, and seals the release as of its decision."""
        root, proof = self._tally.root(), proofs.write(self._tally.gone, decided_as.policies)
        promised = self._manifest(release, order, root, decided_as, proof)
        card.write(order.folder, promised)
        croissant.write(order.folder, promised, purge.empty_chain(promised, ""))
        sha256 = manifest.write(order.folder, promised)
        sealed = msgspec.structs.replace(
            release,
            state="sealed",
            sealed_at=decided_as.now,
            position=decided_as.position,
            rows=promised.rows,
            turns=promised.counts.included,
            root=root,
            manifest_sha256=bytes.fromhex(sha256),
        )
        if self._clock().year != release.begun_at.year and promised.rows:
            raise BusyError(
                "a new year began while the release was built, and with it a new log",
                "build it again",
            )
        with transaction(self._pool) as tx:
            registry.seal(tx, sealed)
        return promised

    def _left_in(self) -> str | msgspec.UnsetType:
        """The notice's English sentence on what is not detected, if names are part of it."""
        names = self._curation.found_by.names
        kinds = names.kinds if names is not msgspec.UNSET else ()
        return (
            msgspec.UNSET
            if self._finds_names
            else name_sentences.left_in_sentence(catalogue(ENGLISH), kinds)
        )

    def _base_pin(self) -> BasePin | msgspec.UnsetType:
        """The rows reused from the base, of those that stayed."""
        if self._base is None:
            return msgspec.UNSET
        promised, gone = self._base.promised, self._tally.gone
        carried = sum(
            is_carried for n, is_carried in enumerate(self._tally.carried) if n not in gone
        )
        return BasePin(
            release=promised.release,
            root=promised.root,
            rows=promised.rows,
            carried=carried,
            rebuilt=self._tally.rows - len(gone) - carried,
            dropped=promised.rows - carried,
        )

    def _manifest(
        self,
        release: Release,
        order: BuildOrder,
        root: bytes,
        decided_as: DecidedAs,
        proof: ProofPins,
    ) -> ReleaseManifest:
        policy = decided_as.policies[release.version]
        plan, quality = self._curation.plan, self._tally.quality.by_language() or msgspec.UNSET
        return ReleaseManifest(
            release=release.release_id.hex,
            name=order.name,
            purpose=order.purpose,
            built_at=decided_as.now,
            policy=PolicyPin(
                name=policy.policy, version=policy.version, sha256=policy.sha256().hex()
            ),
            journal=decided_as.position,
            counts=Counts(
                candidates=self._tally.candidates,
                included=self._tally.included,
                dropped=dict(sorted(self._tally.dropped.items())),
            ),
            rows=self._tally.rows - len(self._tally.gone),
            parts=tuple(self._parts[number] for number in sorted(self._parts)),
            root=root.hex(),
            deidentification=Deidentification(
                rules=self._cleaner.rules,
                sha256=self._cleaner.sha256,
                counts=dict(sorted(self._tally.replaced.items())),
                names=self._curation.found_by.names,
                measured=self._curation.found_by.measured,
                left_in=self._left_in(),
                accepted=tuple(map(str, find_unusual(self._tally.changes))) or msgspec.UNSET,
                unread=dict(sorted(self._tally.unread.items())) or msgspec.UNSET,
            ),
            licet=order.software,
            curation=CurationPin(plan=plan, splits=self._tally.runs(), quality=quality)
            if plan
            else msgspec.UNSET,
            contents=self._tally.contents.contents(self._tally.gone),
            base=self._base_pin(),
            proof=proof,
        )


def _reasons(row: RowSources, refused: Mapping[DecisionReason, int]) -> Mapping[str, int]:
    """The turns of a removed row by reason."""
    turns = sum(source.count for source in row.sources)
    reasons = Counter({because.value: count for because, count in refused.items()})
    # A row is included whole or not at all; its usable turns come with the next release.
    if turns > reasons.total():
        reasons[INCOMPLETE] += turns - reasons.total()
    return reasons


def _is_unfinished(folder: Path, release: Release) -> bool:
    """Whether all of ``folder`` belongs to the unfinished build: nothing else is ever deleted."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    found = [entry for entry in folder.rglob("*") if entry != folder / PROOF_FOLDER]
    if any(not entry.is_file() or entry.is_symlink() for entry in found):
        return False
    names = {
        e.with_name(e.name.removeprefix(".").removesuffix(".tmp")).relative_to(folder).as_posix()
        for e in found
    }
    known_names = {card.FILE, croissant.FILE, manifest.FILE, *PROOF_NAMES.values()}
    if not all(PART_FILE.fullmatch(name) or name in known_names for name in names):
        return False
    try:
        return (
            not (folder / manifest.FILE).exists()
            or manifest.read_manifest(folder)[0].release_id == release.release_id.bytes
        )
    except LicetError:
        return False

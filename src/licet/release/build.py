"""Builds a release: decides for every candidate turn, seals what may be used, and accounts for the rest.

A candidate is every turn whose content is still here, in its segment or in a safety copy. The build pins a
position in the journal and reads page by page, each row registered in the database before it is written to a
part. At the end it reads what ended since, decides those rows and those whose time has come again, rewrites the
parts they are in, and repeats until nothing more ended; then it seals in one short transaction that holds the
endings lock exclusively: no withdrawal, deletion or narrowing is under way while it does, and none that was
committed before is missing. The seal's moment is that of the last look at what ended.

A page is read as it was at one moment (REPEATABLE READ): a sweep cannot take a key between a decision and its use.

Which crash each order survives: until the seal commits the release is `building`, no row of it can be leased,
and a build of the same name starts over. The manifest is written inside the seal, just before its commit: a
manifest in a folder proves nothing without the seal. One build of a name runs at a time, under a lock that goes
with its connection.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import msgspec

from licet.errors import BrokenError, BusyError, DeniedError, LicetError, RefusedError
from licet.policy.decide import Because
from licet.policy.file import Policies, Policy
from licet.policy.state import Role, Turn
from licet.release import card, croissant, manifest, merkle, purge, registry, standing
from licet.release.curation import Cleaner, Curated, Curation, Document, Left, Plain, Voice
from licet.release.live import verdicts
from licet.release.manifest import (
    PROOF_FOLDER,
    PROOF_NAMES,
    Counts,
    CurationPin,
    Deidentification,
    Manifest,
    PolicyPin,
    Proof,
)
from licet.release.part import EPOCH, PART_FILE, Part, rewrite_part, write_parts
from licet.release.proofs import Proofs
from licet.release.registry import Release, RowSources, Source
from licet.release.rows import MESSAGES_MAX, ROW_BYTES_MAX, SOURCES_MAX, Message, Row
from licet.release.sealing import SealedRow, row_key, seal_row
from licet.store.connect import Pool, Transaction, transaction
from licet.store.files import make_folder, sync
from licet.vault import apply, cold, copies, view
from licet.vault import policies as versions
from licet.vault.content import Content, ToolCall
from licet.vault.copies import Copy, Place
from licet.vault.ids import uuid7
from licet.vault.keyring import Keyring
from licet.vault.log_keys import LogKeys
from licet.vault.open import Opened, Permit
from licet.vault.open import open as open_permits
from licet.vault.tables import ConversationRow
from licet.vault.view import Seen
from licet.vault.writes import ENDINGS_LOCK

PAGE_CONVERSATIONS_MAX = 256
PAGE_BYTES_MAX = 64 * 2**20
ROWS_PER_PART = 10_000
ROUNDS_MAX = 50
ADVANCE_ACCOUNTS_MAX = 500
TURN_BYTES = 512  # what a turn takes in memory beside its content
MESSAGE_BYTES = 128  # what a message or a call takes in a row beside its text
BUILD_LOCK = 0x11CE7
ELECTED_ROWS_MAX = 1_000
EMPTY, TOO_LARGE, INCOMPLETE, ERASED = "empty", "too_large", "incomplete_row", "erased"

Clock = Callable[[], datetime]
Progress = Callable[[int], None]
_Said: TypeAlias = tuple[Opened, Turn, datetime]
_Thread: TypeAlias = tuple[ConversationRow, Sequence[_Said], Document]


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed release and where it lies. ``lock_seconds`` is how long endings had to wait for the seal, at most."""

    folder: Path
    manifest: Manifest
    rounds: int
    lock_seconds: float


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to build. ``folder`` must not exist, unless an unfinished build of the same name left it."""

    name: str
    purpose: str
    folder: Path
    software: str


class Builder:
    """One build. Dependencies are given; `run` does the work."""

    def __init__(
        self, pool: Pool, keyring: Keyring, policies: Policies, cleaner: Cleaner, clock: Clock,
        progress: Progress = lambda _turns: None, *, rows_per_part: int = ROWS_PER_PART,
        page_bytes_max: int = PAGE_BYTES_MAX, curation: Curation | None = None,
    ) -> None:  # fmt: skip
        self._rows_per_part, self._page_bytes_max = rows_per_part, page_bytes_max
        self._pool, self._keyring, self._policies = pool, keyring, policies
        self._cleaner, self._clock, self._progress = cleaner, clock, progress
        self._curation = curation or Plain(cleaner)
        self._splits: list[str] = []  # of each row
        self._candidates = 0
        self._dropped: Counter[str] = Counter()
        self._replaced: Counter[str] = Counter()
        self._included = 0
        self._rows = 0
        self._leaves = bytearray()
        self._untils = array("q")
        self._nearest = 2**63 - 1
        self._root: tuple[int, bytes] = (-1, b"")
        self._lock_seconds = 0.0
        self._gone: set[int] = set()
        self._parts: dict[int, Part] = {}
        self._examined: set[int] = set()
        self._outcomes: dict[UUID, Counter[str]] = {}

    def run(self, order: Order) -> Built:
        """Builds and seals; RefusedError for a purpose or a name that cannot be, BusyError to try again."""
        with transaction(self._pool) as tx:
            # Held while the build runs, however it ends. Idle between statements, it holds no snapshot.
            lock = tx.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [BUILD_LOCK, order.name]).fetchone()
            if lock is None or not lock[0]:
                raise BusyError(f"release `{order.name}` is being built already", "wait for it, or give another name")
            return self._build(order)

    def _build(self, order: Order) -> Built:
        at = self._clock()
        if order.purpose not in self._policies.in_force(at).covers:
            raise RefusedError(
                f"the policy in force does not cover the purpose `{order.purpose}`",
                f"it covers {', '.join(sorted(self._policies.in_force(at).covers))}",
                because="purpose",
            )
        self._discard_unfinished(order, at)
        self._bring_up(at)
        release = self._pin(order, at)
        make_folder(order.folder.parent)
        order.folder.mkdir()
        sync(order.folder.parent)
        with Proofs(order.folder, release.release_id, release.purpose, self._keyring.random) as proofs:
            return self._write(release, order, proofs)

    def _write(self, release: Release, order: Order, proofs: Proofs) -> Built:
        for part in write_parts(order.folder, self._sealed_rows(release, proofs), rows_per_part=self._rows_per_part):
            self._parts[part.number] = part
        self._elect(release, order.folder, proofs)
        for round_number in range(1, ROUNDS_MAX + 1):
            now = self._catch_up(release, order.folder, proofs)
            standing.tell(self._pool, release.release_id, release.begun_at.year, now)
            sealed = self._seal(release, order, now, proofs)
            if sealed is not None:
                return Built(folder=order.folder, manifest=sealed, rounds=round_number, lock_seconds=self._lock_seconds)
        raise BusyError(
            f"too much ended while the release was built: not sealed after {ROUNDS_MAX} rounds",
            "build it again; what was written is discarded then",
        )

    def _discard_unfinished(self, order: Order, at: datetime) -> None:
        with transaction(self._pool) as tx:
            known = registry.find(tx, order.name)
        if known is not None and known.state == "sealed":
            raise RefusedError(
                f"there is a release `{order.name}` already", "give this one another name", because="exists"
            )
        if order.folder.exists():
            if known is None or not _is_unfinished(order.folder, known):
                raise RefusedError(
                    f"`{order.folder}` exists and is not of an unfinished build",
                    "name another folder",
                    because="exists",
                )
            shutil.rmtree(order.folder)
        # Last, so that a build stopped in here is still known as the folder's.
        if known is not None:
            with transaction(self._pool) as tx:
                registry.discard(tx, known.release_id, at)

    def _bring_up(self, at: datetime) -> None:
        """Writes what versions ended, so that the journal knows of it before the build pins its position."""
        while True:
            with transaction(self._pool) as tx:
                if apply.advance(tx, self._policies, at, limit=ADVANCE_ACCOUNTS_MAX) == 0:
                    return

    def _pin(self, order: Order, at: datetime) -> Release:
        with transaction(self._pool) as tx:
            position = _locked_position(tx)
            release = Release(
                release_id=uuid7(at, self._keyring.random(10)), name=order.name, purpose=order.purpose,
                state="building", version=self._policies.number(at), pinned=position, begun_at=at,
                sealed_at=None, position=None, rows=None, turns=None, root=None, manifest_sha256=None,
            )  # fmt: skip
            registry.begin(tx, release)
        return release

    # Reading

    def _sealed_rows(self, release: Release, proofs: Proofs) -> Iterator[SealedRow]:
        after = (UUID(int=0), UUID(int=0))
        while True:
            with transaction(self._pool) as tx:
                tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                page = page_after(tx, after, bytes_max=self._page_bytes_max)
                if not page:
                    return
                sealed = self._page_rows(tx, release, page, self._clock(), proofs)
            # Registered and committed: now it may be written.
            yield from sealed
            after = page[-1]

    def _page_rows(
        self, tx: Transaction, release: Release, page: Sequence[tuple[UUID, UUID]], at: datetime, proofs: Proofs
    ) -> list[SealedRow]:
        seen = view.seen(tx, page, self._policies, at)
        candidates = _candidates(tx, page)
        self._outcomes = {}
        chosen: list[tuple[ConversationRow, list[tuple[Permit, Turn, datetime]]]] = []
        for key in page:
            here, mine = seen[key[1]], []
            for turn in candidates.get(key[1], ()):
                self._candidates += 1
                decision = here.decide(turn, self._policies, release.purpose)
                if decision.until is None:
                    self._drop(key[1], decision.because.value)
                    continue
                try:
                    permit = Permit.of(decision, here.account, here.conversation, turn)
                except DeniedError:  # a sweep with a clock ahead of this one
                    self._drop(key[1], ERASED)
                else:
                    mine.append((permit, turn, decision.until))
            if mine:
                chosen.append((here.conversation, mine))
        self._progress(sum(len(turns) for turns in candidates.values()))
        opened = iter(open_permits(tx, self._keyring, [permit for _, mine in chosen for permit, _, _ in mine]))
        threads: list[_Thread] = []
        for row, mine in chosen:
            threads += self._threads(row, [(next(opened), turn, until) for _, turn, until in mine])
        rows = list(self._rows_of(release, threads))
        registry.add_rows(tx, release.release_id, [sources for _, sources in rows])
        self._register(tx, release, [sources for _, sources in rows], at)
        self._prove(tx, release, page, candidates, seen, rows, proofs)
        return [sealed for sealed, _ in rows]

    def _drop(self, conversation: UUID, because: str, turns: int = 1) -> None:
        """Turns of a page's conversation that are left out, by the first reason against them."""
        self._dropped[because] += turns
        self._outcomes.setdefault(conversation, Counter())[because] += turns

    def _prove(
        self, tx: Transaction, release: Release, page: Sequence[tuple[UUID, UUID]],
        candidates: Mapping[UUID, Sequence[Turn]], seen: Mapping[UUID, Seen],
        rows: Sequence[tuple[SealedRow, RowSources]], proofs: Proofs,
    ) -> None:  # fmt: skip
        """What the page's decisions were made from, for strangers to make them again."""
        accounts = {account for account, _ in page}
        proofs.page(accounts, LogKeys(self._keyring).log_keys(tx, accounts, release.begun_at.year))
        for account, conversation in page:
            dropped = self._outcomes.get(conversation, Counter())
            included = len(candidates.get(conversation, ())) - dropped.total()
            if included or dropped:
                proofs.candidate(account, conversation, included, dropped)
        for sealed, row in rows:
            proofs.row(seen[row.conversation], self._policies, row, sealed)

    def _threads(self, row: ConversationRow, said: Sequence[_Said]) -> Iterator[_Thread]:
        """What may become rows of one conversation: the conversation itself, and each side thread in it."""
        threads: dict[str, list[_Said]] = {}
        for item in said:
            if item[0].content.text.strip() or item[0].content.tool_calls:
                threads.setdefault(item[0].content.thread, []).append(item)
            else:
                self._drop(row.conversation_id, EMPTY)
        surrogates = hashlib.sha256(b"licet surrogates" + said[0][0].key).digest()
        for name, thread in threads.items():
            contents = [opened.content for opened, _, _ in thread]
            segments = {(turn.segment, opened.permit.place) for opened, turn, _ in thread}
            if len(thread) > MESSAGES_MAX or len(segments) > SOURCES_MAX or _letters(contents) > ROW_BYTES_MAX:
                self._drop(row.conversation_id, TOO_LARGE, len(thread))
            else:
                yield row, thread, _document(row, name, thread, surrogates)

    def _rows_of(self, release: Release, threads: Sequence[_Thread]) -> Iterator[tuple[SealedRow, RowSources]]:
        """The rows that curation leaves of a page."""
        curated = self._curation.curate([document for _, _, document in threads])
        for (row, thread, _), made in zip(threads, curated, strict=True):
            if made.dropped:
                self._drop(row.conversation_id, made.dropped.value, len(thread))
                continue
            self._replaced.update(made.replaced)
            messages = _messages(thread, made.texts)
            if sum(map(_size, messages)) > ROW_BYTES_MAX:
                self._drop(row.conversation_id, TOO_LARGE, len(thread))
                continue
            yield self._seal_row(release, row, thread, messages, made)

    def _seal_row(
        self, release: Release, row: ConversationRow, thread: Sequence[_Said], messages: tuple[Message, ...],
        curated: Curated,
    ) -> tuple[SealedRow, RowSources]:  # fmt: skip
        keys: dict[tuple[int, Place], bytes] = {}
        counts: Counter[tuple[int, str]] = Counter()
        last: dict[tuple[int, str], int] = {}
        for opened, turn, _ in thread:
            keys[turn.segment, opened.permit.place] = opened.key
            counts[turn.segment, turn.origin] += 1
            last[turn.segment, turn.origin] = turn.number
        made = Row(
            row_id=self._keyring.random(16), ordinal=self._rows, until=min(until for _, _, until in thread),
            messages=messages, kind=row.state.kind, sources=len(keys), labels=curated.labels,
        )  # fmt: skip
        key = row_key(list(keys.values()), release.release_id.bytes, made.row_id)
        sealed = seal_row(made, key, release.release_id.bytes)
        until_us = int((sealed.until - EPOCH).total_seconds()) * 1_000_000
        self._leaves += merkle.leaf(sealed.ordinal, sealed.row_id, until_us, sealed.sealed)
        self._untils.append(until_us)
        self._nearest = min(self._nearest, until_us)
        self._curation.enter(self._rows, curated)
        self._splits.append(curated.labels.split if curated.labels else "")
        self._rows += 1
        self._included += len(thread)
        sources = tuple(Source(segment=s, origin=o, turn=last[s, o], count=count) for (s, o), count in counts.items())
        return sealed, RowSources(
            account=row.account_id, conversation=row.conversation_id, row_id=made.row_id, ordinal=made.ordinal,
            keys=tuple(keys), sources=sources,
        )  # fmt: skip

    def _register(self, tx: Transaction, release: Release, rows: Sequence[RowSources], at: datetime) -> None:
        made = [
            Copy(
                account=row.account, conversation=row.conversation, segment=segment, place=Place.release,
                reference=release.release_id,
            )
            for row in rows
            for segment, _ in row.keys
        ]  # fmt: skip
        copies.register(tx, made, at)

    # Duplicates

    def _elect(self, release: Release, folder: Path, proofs: Proofs) -> None:
        """Takes out the rows whose content others hold. All rows were decided; what ends from here on takes no
        duplicate back in: the next release elects anew.
        """
        lost = sorted(self._curation.lost())
        for start in range(0, len(lost), ELECTED_ROWS_MAX):
            with transaction(self._pool) as tx:
                rows = registry.rows_at(tx, release.release_id, lost[start : start + ELECTED_ROWS_MAX])
                registry.drop_rows(tx, release.release_id, rows, self._clock())
            for row in rows:
                turns = {Left.duplicate.value: sum(source.count for source in row.sources)}
                self._take_out(row, turns)
                proofs.gone(row.ordinal, turns)
        self._rewrite(folder, set(lost))

    # Catching up and sealing

    def _catch_up(self, release: Release, folder: Path, proofs: Proofs) -> datetime:
        """Decides again what endings since the pinned position touch and what has come to its end, until there is
        nothing new; returns the moment of the last look.
        """
        while True:
            now = self._clock()
            with transaction(self._pool) as tx:
                ended, due = self._ended_since(tx, release), self._due(now)
                touched = {row.ordinal: row for row in self._touched(tx, release, ended)}
                touched |= {row.ordinal: row for row in registry.rows_at(tx, release.release_id, due)}
                decided = verdicts(tx, list(touched.values()), self._policies, release.purpose, now)
                # A row past its end is never opened, even if what it was made from is kept for longer now; one whose
                # end came nearer would promise too much in clear.
                gone = [
                    v for v in decided
                    if not v.use or v.row.ordinal in due or _microseconds(v.until) < self._untils[v.row.ordinal]
                ]  # fmt: skip
                if gone:
                    registry.drop_rows(tx, release.release_id, [v.row for v in gone], now)
                out = {verdict.row.ordinal for verdict in gone}
                kept = [row for ordinal, row in touched.items() if ordinal not in out]
                seen = view.seen(tx, sorted({(r.account, r.conversation) for r in kept}), self._policies, now)
                for row in kept:
                    proofs.again(seen[row.conversation], self._policies, row)
            self._examined |= {position for position, _, _ in ended}
            for verdict in gone:
                proofs.gone(verdict.row.ordinal, self._count_gone(verdict.row, verdict.refused))
            self._rewrite(folder, out)
            if not ended:
                return now

    def _due(self, now: datetime) -> list[int]:
        """The ordinals of rows that are past their own end."""
        now_us = _microseconds(now)
        if now_us < self._nearest:
            return []
        left = [(until, n) for n, until in enumerate(self._untils) if n not in self._gone]
        self._nearest = min((until for until, _ in left if until > now_us), default=2**63 - 1)
        return [n for until, n in left if until <= now_us]

    def _ended_since(self, tx: Transaction, release: Release) -> list[tuple[int, UUID, UUID | None]]:
        rows = tx.execute(
            "SELECT position, account_id, conversation_id FROM journal WHERE ends AND position > %s", [release.pinned]
        ).fetchall()
        return [(position, a, c) for position, a, c in rows if position not in self._examined]

    def _touched(
        self, tx: Transaction, release: Release, ended: Sequence[tuple[int, UUID, UUID | None]]
    ) -> list[RowSources]:
        whole = sorted({account for _, account, conversation in ended if conversation is None})
        single = sorted({conversation for _, _, conversation in ended if conversation is not None})
        return registry.rows_of(tx, release.release_id, whole, single) if ended else []

    def _count_gone(self, row: RowSources, refused: Mapping[Because, int]) -> Mapping[str, int]:
        """Counts a row out; its turns by the reason against them."""
        turns = sum(source.count for source in row.sources)
        reasons = Counter({because.value: count for because, count in refused.items()})
        # A row is whole or not at all: what could still be used of it comes with the next release.
        if turns > reasons.total():
            reasons[INCOMPLETE] += turns - reasons.total()
        self._take_out(row, reasons)
        return reasons

    def _take_out(self, row: RowSources, reasons: Mapping[str, int]) -> None:
        self._dropped.update(reasons)
        self._included -= sum(reasons.values())
        self._gone.add(row.ordinal)

    def _rewrite(self, folder: Path, gone: set[int]) -> None:
        for number in sorted({ordinal // self._rows_per_part for ordinal in gone}):
            mine = {ordinal for ordinal in gone if ordinal // self._rows_per_part == number}
            part = rewrite_part(folder / self._parts[number].file, mine)
            if part is None:
                del self._parts[number]
            else:
                self._parts[number] = part

    def _seal(self, release: Release, order: Order, now: datetime, proofs: Proofs) -> Manifest | None:
        """Seals the build as of ``now``, or returns None where something ended that concerns its rows."""
        with transaction(self._pool) as tx:
            known = versions.load(tx)
        if known is None or known.number(now) != release.version:
            raise BusyError(
                "a policy version became effective while the release was built", "build it again under the new one"
            )
        if now.year != release.begun_at.year and len(self._gone) < self._rows:
            raise BusyError("a new year began while the release was built, and with it a new log", "build it again")
        root, proof = self._tree_root(), proofs.write(self._gone, known)
        started = time.monotonic()
        with transaction(self._pool) as tx:
            position = _locked_position(tx)
            ended = self._ended_since(tx, release)
            tx.execute("LOCK TABLE policies IN SHARE MODE")  # so that the leaf stands after every version it names
            again = versions.load(tx)
            if self._touched(tx, release, ended) or again is None or again.versions != known.versions:
                return None
            policy = known[release.version]
            promised = self._manifest(release, order, root, position, now, policy, proof)
            card.write(order.folder, promised)
            croissant.write(order.folder, promised, purge.begin(promised, ""))
            sha256 = manifest.write(order.folder, promised)
            sealed = msgspec.structs.replace(
                release, state="sealed", sealed_at=now, position=position, rows=promised.rows,
                turns=promised.counts.included, root=root, manifest_sha256=bytes.fromhex(sha256),
            )  # fmt: skip
            registry.seal(tx, sealed)
        self._lock_seconds = time.monotonic() - started
        return promised

    def _tree_root(self) -> bytes:
        """The root over the rows that are left; computed anew only when some have gone."""
        if self._root[0] != len(self._gone):
            tree = merkle.Tree()
            for ordinal in range(self._rows):
                if ordinal not in self._gone:
                    tree.append(bytes(self._leaves[32 * ordinal : 32 * ordinal + 32]))
            self._root = (len(self._gone), tree.root())
        return self._root[1]

    def _pinned(self) -> CurationPin | msgspec.UnsetType:
        if not self._curation.plan:
            return msgspec.UNSET
        runs: dict[str, list[tuple[int, int]]] = {}
        before = ""
        for ordinal, split in enumerate(self._splits):
            if ordinal not in self._gone:
                own = runs.setdefault(split, [])
                first = own.pop()[0] if split == before else ordinal
                own.append((first, ordinal))
                before = split
        return CurationPin(plan=self._curation.plan, splits={name: tuple(own) for name, own in sorted(runs.items())})

    def _manifest(
        self, release: Release, order: Order, root: bytes, position: int, now: datetime, policy: Policy, proof: Proof
    ) -> Manifest:
        return Manifest(
            release=release.release_id.hex,
            name=order.name,
            purpose=order.purpose,
            built_at=now,
            policy=PolicyPin(name=policy.policy, version=policy.version, sha256=policy.sha256().hex()),
            journal=position,
            counts=Counts(
                candidates=self._candidates, included=self._included, dropped=dict(sorted(self._dropped.items()))
            ),
            rows=self._rows - len(self._gone),
            parts=tuple(self._parts[number] for number in sorted(self._parts)),
            root=root.hex(),
            deidentification=Deidentification(
                rules=self._cleaner.rules,
                sha256=self._cleaner.sha256,
                counts=dict(sorted(self._replaced.items())),
                names=self._curation.found_by.names,
                measured=self._curation.found_by.measured,
            ),
            licet=order.software,
            curation=self._pinned(),
            proof=proof,
        )


def _microseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def _locked_position(tx: Transaction) -> int:
    """The journal's last position, while no ending is under way: the lock is held until ``tx`` ends."""
    tx.execute("SELECT pg_advisory_xact_lock(%s)", [ENDINGS_LOCK])
    row = tx.execute("SELECT last_value, is_called FROM journal_position").fetchone()
    if row is None:
        raise BrokenError("the journal has no sequence")
    return int(row[0]) if row[1] else 0


def _is_unfinished(folder: Path, known: Release) -> bool:
    """Whether all that lies in ``folder`` is of the unfinished build: nothing else is ever cleared away."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    found = [entry for entry in folder.rglob("*") if entry != folder / PROOF_FOLDER]
    if any(not entry.is_file() or entry.is_symlink() for entry in found):
        return False
    names = {e.with_name(e.name.removeprefix(".").removesuffix(".tmp")).relative_to(folder).as_posix() for e in found}
    known_names = {card.FILE, croissant.FILE, manifest.FILE, *PROOF_NAMES.values()}
    if not all(PART_FILE.fullmatch(name) or name in known_names for name in names):
        return False
    try:
        return not (folder / manifest.FILE).exists() or manifest.read(folder)[0].release_id == known.release_id.bytes
    except LicetError:
        return False


def page_after(
    tx: Transaction, after: tuple[UUID, UUID], *, bytes_max: int = PAGE_BYTES_MAX
) -> list[tuple[UUID, UUID]]:
    """The next conversations in the order of account and id: as many as fit a page, by number and by bytes.

    One that is larger than a page is a page of its own.
    """
    weights = " + ".join(
        f"""(SELECT coalesce(sum({size} + {TURN_BYTES}), 0) FROM {table} b
              WHERE b.account_id = c.account_id AND b.conversation_id = c.conversation_id)"""
        for table, size in (("bodies", cold.SIZE), ("safety_bodies", "octet_length(b.sealed)"))
    )
    rows = tx.execute(
        f"""SELECT c.account_id, c.conversation_id, {weights} FROM conversations c
             WHERE (c.account_id, c.conversation_id) > (%s, %s) ORDER BY c.account_id, c.conversation_id LIMIT %s""",
        [*after, PAGE_CONVERSATIONS_MAX],
    ).fetchall()
    page: list[tuple[UUID, UUID]] = []
    total = 0
    for account, conversation, weight in rows:
        total += int(weight)
        if page and total > bytes_max:
            break
        page.append((account, conversation))
    return page


def _candidates(tx: Transaction, page: Sequence[tuple[UUID, UUID]]) -> dict[UUID, list[Turn]]:
    """The turns of these conversations whose content is here, in order."""
    result: dict[UUID, list[Turn]] = {}
    for conversation, number, segment, role, origin in tx.execute(
        """
        SELECT t.conversation_id, t.turn, t.segment, t.role, t.origin FROM turns t
          JOIN (SELECT * FROM unnest(%(account)b::uuid[], %(conversation)b::uuid[]) AS k(account_id, conversation_id)) k
            USING (account_id, conversation_id)
         WHERE EXISTS (SELECT FROM bodies b WHERE b.account_id = t.account_id
                          AND b.conversation_id = t.conversation_id AND b.turn = t.turn)
            OR EXISTS (SELECT FROM safety_bodies b WHERE b.account_id = t.account_id
                          AND b.conversation_id = t.conversation_id AND b.turn = t.turn)
         ORDER BY t.account_id, t.conversation_id, t.turn
        """,
        {"account": [account for account, _ in page], "conversation": [conversation for _, conversation in page]},
    ):
        result.setdefault(conversation, []).append(Turn(number=number, segment=segment, role=Role(role), origin=origin))
    return result


def _document(row: ConversationRow, name: str, thread: Sequence[_Said], key: bytes) -> Document:
    """A thread as curation takes it: of each turn its text and its tool's name, then of each call name and arguments."""
    texts: list[str] = []
    voices: list[Voice] = []
    for opened, turn, _ in thread:
        content = opened.content
        texts += [content.text, content.tool_name]
        voices += [Voice(turn.role.value), Voice.name]
        for call in content.tool_calls:
            texts += [call.name, call.arguments]
            voices += [Voice.name, Voice.call]
    return Document(
        account=row.account_id.bytes, name=row.conversation_id.bytes + name.encode(), kind=row.state.kind, key=key,
        voices=tuple(voices), texts=tuple(texts),
    )  # fmt: skip


def _messages(thread: Sequence[_Said], texts: Sequence[str]) -> tuple[Message, ...]:
    """The messages of a thread with the texts that curation gave back for it, in the order of `_document`."""
    text = iter(texts)
    messages = []
    for opened, turn, _ in thread:
        content = opened.content
        body, name = next(text), next(text)
        calls = tuple(ToolCall(id=c.id, name=next(text), arguments=next(text)) for c in content.tool_calls)
        messages.append(
            Message(role=turn.role, content=body, tool_calls=calls, tool_call_id=content.tool_call_id, name=name)
        )
    return tuple(messages)


def _letters(contents: Sequence[Content]) -> int:
    return sum(len(c.text) + sum(len(call.arguments) for call in c.tool_calls) for c in contents)


def _size(message: Message) -> int:
    """At least the bytes that the message takes in a row."""
    calls = sum(len(c.id.encode()) + len(c.name.encode()) + len(c.arguments.encode()) for c in message.tool_calls)
    names = len(message.name.encode()) + len(message.tool_call_id.encode())
    return len(message.content.encode()) + names + calls + MESSAGE_BYTES * (1 + len(message.tool_calls))

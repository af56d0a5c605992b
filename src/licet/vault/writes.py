"""The pending writes of a batch: rows gathered by table, and the keys it opens or creates.

Nothing here decides. `flush` writes in an order that satisfies every foreign key, and can be called
again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import cast
from uuid import UUID

from licet.errors import BrokenError
from licet.keys.keyring import Keyring
from licet.keys.material import (
    EMPTY_PAGE,
    KEY_BYTES,
    SLOTS_PER_PAGE,
    AccountKeys,
    KeyMaterial,
    account_place,
    read_slot,
    seal,
    seal_each,
    slot_place,
    unwrap_account_keys,
    write_slot,
)
from licet.ledger.outbox import Entry
from licet.policy import outcomes
from licet.policy.state import WHOLE_ACCOUNT, Feedback, ScopeKind, TurnRole
from licet.store.connect import Transaction
from licet.store.rows import (
    INSERTED_ROWS_MAX,
    Change,
    change,
    copy_in,
    insert,
    insert_changes,
    pipelined,
)
from licet.vault import account_journal, account_keys, blocks, copies, table_changes
from licet.vault.account_journal import JournalRow
from licet.vault.blocks import PendingBlock
from licet.vault.commands import HOLD_REVIEW, AddTurn, Choose, GiveFeedback, Hold
from licet.vault.copies import Copy, CopyPlace
from licet.vault.ids import host_hmac
from licet.vault.table_changes import AddedBytes
from licet.vault.tables import AccountRow, ConversationRow, ProjectRow

Page = tuple[UUID, int]
# account, conversation, turn, segment, sealed
_SafetyBodyRow = tuple[UUID, UUID, int, int, bytes]
# account, conversation, first turn, segment, .., sealed
_BlockRow = tuple[UUID, UUID, int, int, *tuple[object, ...], bytes | None]
_FeedbackBodyRow = tuple[UUID, UUID, int, bytes]  # account, feedback, turn, sealed

_SAFETY_BODIES = {
    "account_id": "uuid",
    "conversation_id": "uuid",
    "turn": "int4",
    "segment": "int2",
    "sealed": "bytea",
}
_CHOICES = {
    "account_id": "uuid", "seq": "int8", "occurred_at": "timestamptz", "version": "int2", "allow": "bool",
    "effect": "text", "grant_no": "int4", "via": "text", "evidence": "bytea", "shown_id": "uuid", "question": "text",
    "project_id": "uuid", "conversation_id": "uuid", "because": "text", "kept": "text",
    "recorded_at": "timestamptz",
}  # fmt: skip
_FEEDBACK = {
    "account_id": "uuid", "feedback_id": "uuid", "conversation_id": "uuid", "host_hmac": "bytea", "rating": "text",
    "share": "text", "turn": "int4", "given_at": "timestamptz", "version": "int2", "narrowed": "bool",
    "grant_no": "int4", "grant_narrowing": "int4", "keep_until": "timestamptz", "key_slot": "int4",
    "check_name": "text", "score": "float8", "stored_bytes": "int8",
}  # fmt: skip
_FEEDBACK_BODIES = {"account_id": "uuid", "feedback_id": "uuid", "turn": "int4", "sealed": "bytea"}
_APPENDED = {
    "blocks": blocks.COLUMNS, "safety_bodies": _SAFETY_BODIES, "choices": _CHOICES,
    "feedback": _FEEDBACK, "feedback_bodies": _FEEDBACK_BODIES,
}  # fmt: skip
_HOLDS = {
    "account_id": "uuid", "conversation_id": "uuid", "matter_hmac": "bytea", "matter": "bytea",
    "placed_at": "timestamptz", "reason": "text", "review_at": "timestamptz", "placed_by": "text", "is_told": "bool",
}  # fmt: skip


def feedback_place(feedback: UUID, turn: int) -> bytes:
    """The associated data of a turn in a feedback's copy; turn 0 is the person's comment."""
    return b"f1" + feedback.bytes + turn.to_bytes(4, "big")


class Writes:
    """Gathers the rows of one transaction. ``keyring`` is None if a batch neither reads nor creates
    keys.
    """

    def __init__(self, tx: Transaction, keyring: Keyring | None) -> None:
        self.tx, self._keyring = tx, keyring
        self.accounts: dict[UUID, AccountRow] = {}
        self.conversations: dict[UUID, ConversationRow] = {}
        self.entries: list[Entry] = []
        self._buckets: dict[int, KeyMaterial] = {}
        self._keys: dict[tuple[UUID, int], KeyMaterial] = {}
        self._account_keys: dict[UUID, AccountKeys] = {}
        self._pages: dict[Page, bytes] = {}
        self._dirty: set[Page] = set()
        self._rows: dict[str, list[Sequence[object]]] = {}
        self._blocks: list[PendingBlock] = []
        self._turns = 0  # in the blocks
        # blocks that can take further turns, by conversation and segment
        self._open_blocks: dict[tuple[UUID, int], PendingBlock] = {}
        self._account: AccountRow | None = None  # the last changed one
        self._conversation: ConversationRow | None = None
        self._journal: list[JournalRow] = []
        self._endings: dict[UUID, tuple[datetime, datetime]] = {}
        self._nearer: dict[tuple[UUID, UUID], datetime] = {}
        self._nearer_feedback: dict[tuple[UUID, UUID], datetime] = {}
        self._projects: dict[UUID, ProjectRow] = {}
        self._begun: dict[tuple[UUID, int], datetime] = {}
        self._copies: dict[Copy, datetime] = {}
        self._unheld: list[tuple[UUID, UUID, bytes]] = []
        self._reviewed: list[tuple[str, datetime, str, bool, UUID, UUID, bytes]] = []
        self._host_key: bytes | None = None

    @property
    def keyring(self) -> Keyring:
        if self._keyring is None:
            raise BrokenError("this batch was not given a keyring")
        return self._keyring

    def random(self, count: int) -> bytes:
        return self.keyring.random(count)

    # Keys

    def prepare(self, buckets: dict[int, KeyMaterial], pages: Mapping[Page, bytes]) -> None:
        """Loads the bucket keys and key pages that the batch needs; its accounts are locked, its
        new buckets held.
        """
        self._buckets = buckets
        self._pages |= pages

    def new_account(self, row: AccountRow) -> None:
        row.wrapped_key = self.keyring.new_account_keys(
            self._bucket_key(row.bucket), row.account_id
        )
        self.accounts[row.account_id] = row

    def _bucket_key(self, bucket: int) -> KeyMaterial:
        if bucket not in self._buckets:
            self._buckets |= self.keyring.bucket_keys(self.tx, {bucket})
        return self._buckets[bucket]

    def account_keys(self, account: AccountRow) -> AccountKeys:
        if account.account_id not in self._account_keys:
            keys = unwrap_account_keys(
                self._bucket_key(account.bucket), account.account_id, account.wrapped_key
            )
            self._account_keys[account.account_id] = keys
        return self._account_keys[account.account_id]

    def new_slot(self, account: AccountRow) -> tuple[int, KeyMaterial]:
        """Creates a key in the account's next slot."""
        slot = account.next_slot
        account.next_slot += 1
        self.change(account)
        key = KeyMaterial(self.random(KEY_BYTES))
        place = slot_place(account.account_id, slot)
        wrapped = seal(self.account_keys(account).slots, key, place, self.random)
        page = (account.account_id, slot // SLOTS_PER_PAGE)
        before = EMPTY_PAGE if slot % SLOTS_PER_PAGE == 0 else self._page(page)
        self._pages[page] = write_slot(before, slot, wrapped)
        self._dirty.add(page)
        self._keys[account.account_id, slot] = key
        return slot, key

    def slot_key(self, account: AccountRow, slot: int) -> KeyMaterial:
        """The key in a slot; BrokenError if it was destroyed."""
        known = self._keys.get((account.account_id, slot))
        if known is not None:
            return known
        page = self._page((account.account_id, slot // SLOTS_PER_PAGE))
        key = read_slot(page, account.account_id, self.account_keys(account).slots, slot)
        if key is None:
            raise BrokenError(f"the key in slot `{slot}` was destroyed")
        self._keys[account.account_id, slot] = key
        return key

    def destroy_slots(self, account: UUID, slots: Sequence[int]) -> None:
        """Overwrites keys of a locked account, after a flush, and drops them from memory: a cached
        page would restore them.
        """
        account_keys.destroy_slots(self.tx, [(account, slot) for slot in slots])
        for slot in slots:
            self._pages.pop((account, slot // SLOTS_PER_PAGE), None)
            self._keys.pop((account, slot), None)

    def _page(self, page: Page) -> bytes:
        if page not in self._pages:
            self._pages |= account_keys.load_pages(self.tx, [page])
        if page not in self._pages:
            raise BrokenError(f"key page `{page[1]}` of an account is missing")
        return self._pages[page]

    def seal_for_account(self, account: AccountRow, plain: bytes) -> bytes:
        """Seals content that belongs to the account and no segment, under the account's own key."""
        return seal(
            self.account_keys(account).own, plain, account_place(account.account_id), self.random
        )

    def host_key(self) -> bytes:
        if self._host_key is None:
            self._host_key = self.keyring.host_key(self.tx)
        return self._host_key

    def matter_hmac(self, matter: str) -> bytes:
        return host_hmac(self.host_key(), "matter", matter)

    # Rows

    def change(self, account: AccountRow) -> None:
        """Marks the account's row as changed."""
        # a row that was just changed is not looked up: hashing a UUID is Python
        if account is not self._account:
            self.accounts[account.account_id] = self._account = account

    def change_conversation(self, row: ConversationRow) -> None:
        """Marks the conversation's row as changed."""
        if row is not self._conversation:
            self.conversations[row.conversation_id] = self._conversation = row

    def _add(self, table: str, row: Sequence[object]) -> None:
        self._rows.setdefault(table, []).append(row)

    def title(self, account: AccountRow, row: ConversationRow, now: datetime, title: bytes) -> None:
        """Adds the title of a conversation, before its first turn."""
        seq = account.last_seq + 1
        block = self._open_block(row, 0, blocks.TITLE, seq)
        block.key = self._segment_key(account, row, 0)
        block.add_title(seq, now, title)

    def turns(
        self,
        account: AccountRow,
        row: ConversationRow,
        first: int,
        segment: int,
        stamped: Sequence[tuple[datetime, TurnRole, str]],
        commands: Sequence[AddTurn],
    ) -> None:
        """Adds turns of one segment, numbered from ``first``: the time, role and origin of each,
        and its command. The segment's key is created with its first content.
        """
        self.change(account)
        self._turns += len(stamped)
        seq = account.last_seq
        block = self._open_blocks.get((row.conversation_id, segment))
        for turn, ((at, role, origin), command) in enumerate(
            zip(stamped, commands, strict=False), first
        ):
            seq += 1
            if block is None or block.is_full or block.next_turn != turn:
                block = self._open_block(row, segment, turn, seq)
            if command.content is not None and block.key is None:
                block.key = self._segment_key(account, row, segment)
            block.add(seq, role, origin, at, command.host_turn, command.content)
        account.last_seq = seq

    def _open_block(
        self, row: ConversationRow, segment: int, first_turn: int, seq: int
    ) -> PendingBlock:
        block = PendingBlock(row.account_id, row.conversation_id, segment, first_turn, seq)
        self._blocks.append(block)
        self._open_blocks[row.conversation_id, segment] = block
        return block

    def _segment_key(self, account: AccountRow, row: ConversationRow, segment: int) -> KeyMaterial:
        keys = row.keys[segment]
        if keys.key_slot is not None:
            return self.slot_key(account, keys.key_slot)
        keys.key_slot, key = self.new_slot(account)
        self.register(row, {segment}, CopyPlace.vault, copies.NO_REFERENCE, account.state.last_at)
        return key

    def safety_body(self, row: ConversationRow, segment: int, turn: int, sealed: bytes) -> None:
        self._add("safety_bodies", (row.account_id, row.conversation_id, turn, segment, sealed))

    def journal(
        self, account: AccountRow, now: datetime, event: str, conversation: UUID | None, ends: bool
    ) -> None:
        self._journal.append(
            JournalRow(account.account_id, account.last_seq, now, event, conversation, ends)
        )

    def choice(
        self,
        account: AccountRow,
        now: datetime,
        version: int,
        command: Choose,
        answer: outcomes.Answer | None,
        because: outcomes.NoEffect | None,
    ) -> None:
        """Adds one answer of a choice, or that it answered nothing, under the account's newest
        number. Only recorded history has choices from before ``now``.
        """
        # an erased account takes a choice, without effect and without evidence
        is_alive = any(account.wrapped_key)
        evidence = (
            self.seal_for_account(account, command.evidence.encode())
            if command.evidence and is_alive
            else None
        )
        scope = answer.scope if answer is not None else WHOLE_ACCOUNT
        why = answer.because if answer is not None else because
        self._add(
            "choices",
            (
                account.account_id,
                account.last_seq,
                now,
                version,
                command.allow,
                answer.effect.value if answer is not None else outcomes.Effect.none.value,
                answer.grant if answer is not None else None,
                command.via,
                evidence,
                command.answers.showing if command.answers is not None else None,
                answer.question if answer is not None else command.question,
                UUID(hex=scope.name) if scope.kind is ScopeKind.project else None,
                UUID(hex=scope.name) if scope.kind is ScopeKind.conversation else None,
                why.value if why is not None else None,
                ",".join(str(grant.number) for grant in answer.kept) if answer is not None else "",
                command.recorded_at,
            ),
        )
        if (
            answer is not None
            and answer.effect is outcomes.Effect.began
            and answer.grant is not None
        ):
            self._begun[account.account_id, answer.grant] = now

    def project(self, row: ProjectRow) -> None:
        self._projects[row.project_id] = row

    def hold(
        self, row: ConversationRow, matter: bytes, sealed: bytes, now: datetime, hold: Hold
    ) -> None:
        review_at = hold.review_at or now + HOLD_REVIEW
        self._add(
            "holds",
            (
                row.account_id,
                row.conversation_id,
                matter,
                sealed,
                now,
                hold.reason.value,
                review_at,
                hold.by,
                hold.is_told,
            ),
        )

    def review_hold(self, row: ConversationRow, matter: bytes, now: datetime, hold: Hold) -> None:
        """Updates reason, disclosure and review date of the matter's existing hold."""
        self._reviewed.append(
            (
                hold.reason.value,
                hold.review_at or now + HOLD_REVIEW,
                hold.by,
                hold.is_told,
                row.account_id,
                row.conversation_id,
                matter,
            )
        )

    def unhold(self, row: ConversationRow, matter: bytes) -> None:
        self._rows["holds"] = [
            h for h in self._rows.get("holds", []) if (h[1], h[2]) != (row.conversation_id, matter)
        ]
        self._reviewed = [h for h in self._reviewed if h[-2:] != (row.conversation_id, matter)]
        self._unheld.append((row.account_id, row.conversation_id, matter))

    def feedback(
        self,
        row: ConversationRow,
        feedback: UUID,
        command: GiveFeedback,
        item: Feedback,
        key_slot: int | None,
        now: datetime,
    ) -> None:
        narrowing = None if item.grant is None else item.narrowing
        self._add(
            "feedback",
            (
                row.account_id,
                feedback,
                row.conversation_id,
                command.host,
                command.rating,
                item.share.value,
                command.turn,
                now,
                item.version,
                item.narrowed,
                item.grant,
                narrowing,
                item.keep_until,
                key_slot,
                command.check.value if command.check else "",
                command.score,
            ),
        )

    def feedback_body(
        self, row: ConversationRow, feedback: UUID, turn: int, key: bytes, content: bytes
    ) -> None:
        sealed = seal(key, content, feedback_place(feedback, turn), self.random)
        self._add("feedback_bodies", (row.account_id, feedback, turn, sealed))

    def register(
        self,
        row: ConversationRow,
        segments: Iterable[int],
        place: CopyPlace,
        reference: UUID,
        now: datetime,
    ) -> None:
        for segment in segments:
            copy = Copy(
                account=row.account_id,
                conversation=row.conversation_id,
                segment=segment,
                place=place,
                reference=reference,
            )
            self._copies.setdefault(copy, now)

    def shorten(self, account: UUID, content_until: datetime, feedback_until: datetime) -> None:
        """Shortens all content and feedback of the account."""
        content, feedback = self._endings.get(account, (content_until, feedback_until))
        self._endings[account] = min(content, content_until), min(feedback, feedback_until)

    def shorten_one_feedback(self, account: UUID, feedback: UUID, until: datetime) -> None:
        self._nearer_feedback[account, feedback] = min(
            until, self._nearer_feedback.get((account, feedback), until)
        )

    def shorten_feedback(self, account: UUID, conversation: UUID, until: datetime) -> None:
        self._nearer[account, conversation] = min(
            until, self._nearer.get((account, conversation), until)
        )

    # Writing

    def together(self) -> AbstractContextManager[None]:
        """Sends `flush` and what follows in one round trip, unless there are so many rows that COPY
        is faster, or hardly more than one statement: a pipeline costs as much as that.
        """
        is_opening = any(row.is_new for row in self.accounts.values())
        if not (is_opening or self.conversations or self._projects or self._endings or self._begun):
            return nullcontext()
        rows = max(
            len(self.entries),
            len(self._journal),
            self._turns,
            *map(len, self._rows.values()),
        )
        return pipelined(self.tx) if rows <= INSERTED_ROWS_MAX else nullcontext()

    def flush(self, records: Sequence[Change] = ()) -> None:
        """Writes all gathered rows in a fixed order; ``records`` in one statement with the appended
        ones.
        """
        with self.together():
            self._seal()
            changes = table_changes.account_changes(
                list(self.accounts.values())
            )  # before `save_accounts` has them for saved
            changes += self._write()
            self._append([*changes, *records])
        self._account = self._conversation = None
        self._turns = 0
        self.accounts, self.conversations, self.entries = {}, {}, []
        self._dirty, self._rows, self._endings, self._nearer = set(), {}, {}, {}
        self._nearer_feedback, self._projects, self._begun = {}, {}, {}
        self._journal, self._copies, self._unheld, self._reviewed = [], {}, [], []

    def _write(self) -> list[Change]:
        """Writes rows that others refer to; returns the changes that `_append` sends with
        the rest.
        """
        tx = self.tx
        accounts = list(self.accounts.values())
        changes = table_changes.feedback_changes("conversation_id", self._nearer)
        table_changes.save_accounts(tx, accounts)
        table_changes.save_projects(tx, list(self._projects.values()))
        table_changes.shorten_accounts(tx, self._endings)
        change(tx, table_changes.feedback_changes("feedback_id", self._nearer_feedback))
        changes += table_changes.save_conversations(tx, self.conversations.values(), self._added())
        if self._begun:  # after the projects and conversations that they are for
            table_changes.save_scoped_grants(tx, accounts, self._begun)
        account_keys.save_pages(tx, {page: self._pages[page] for page in sorted(self._dirty)})
        # before the holds: the same matter may have been placed again since
        for unheld in self._unheld:
            tx.execute(
                "DELETE FROM holds WHERE account_id = %s AND conversation_id = %s AND "
                "matter_hmac = %s",
                unheld,
            )
        insert(tx, "holds", _HOLDS, self._rows.get("holds", []))
        # after the holds: one that this batch placed may be among them
        for reviewed in self._reviewed:
            tx.execute(
                """UPDATE holds SET (reason, review_at, placed_by, is_told) = (%s, %s, %s, %s)
                    WHERE account_id = %s AND conversation_id = %s AND matter_hmac = %s""",
                reviewed,
            )
        copies.register(tx, self._copies)
        return changes

    def _append(self, changes: Sequence[Change]) -> None:
        """Appends the batch's new rows, in one statement with ``changes`` unless COPY is faster.

        The journal is numbered only now: under the endings lock if one of its rows is an ending,
        and in this order.
        """
        rows = {**self._rows, "feedback": self._sized_feedback()}
        # one after the other: some refer to others
        if max(self._turns, *map(len, rows.values())) > INSERTED_ROWS_MAX:
            # a few blocks of many turns are long rows, which COPY takes as they are
            copy_in(self.tx, "blocks", blocks.COLUMNS, rows.pop("blocks", []))
            for name, columns in _APPENDED.items():
                insert(self.tx, name, columns, rows.get(name, []))
            rows = {}
        appended = [
            one
            for name, columns in _APPENDED.items()
            for one in insert_changes(self.tx, name, columns, rows.get(name, []))
        ]
        change(
            self.tx,
            [
                *appended,
                *account_journal.append_changes(self.tx, self._journal, self.entries),
                *changes,
            ],
        )

    def _seal(self) -> None:
        """Seals the gathered blocks. Those of one segment are mostly adjacent and share a key
        schedule.
        """
        sealed = seal_each(self._unsealed(), self.random)
        for block in self._blocks:
            self._add("blocks", block.row(None if block.key is None else next(sealed)))
        self._blocks, self._open_blocks = [], {}

    def _unsealed(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """The key, content and place of each gathered block with content."""
        for block in self._blocks:
            sizes = block.sizes()
            if block.key is not None and sizes is not None:
                place = blocks.associated_data(
                    block.account, block.conversation, block.segment, block.first_turn, sizes
                )
                yield block.key, block.content(), place

    def _added(self) -> dict[tuple[UUID, int], AddedBytes]:
        """The added sealed bytes, by conversation and segment."""
        stored, safety = Counter[tuple[UUID, int]](), Counter[tuple[UUID, int]]()
        for row in cast("list[_BlockRow]", self._rows.get("blocks", [])):
            stored[row[1], row[3]] += len(row[-1] or b"")
        for _, conversation, _, segment, sealed in cast(
            "list[_SafetyBodyRow]", self._rows.get("safety_bodies", [])
        ):
            safety[conversation, segment] += len(sealed)
        return {place: AddedBytes(stored[place], safety[place]) for place in {*stored, *safety}}

    def _sized_feedback(self) -> list[Sequence[object]]:
        """The gathered feedback, each with the size of its shared content."""
        sizes = Counter[UUID]()
        for _, feedback, _, sealed in cast(
            "list[_FeedbackBodyRow]", self._rows.get("feedback_bodies", [])
        ):
            sizes[feedback] += len(sealed)
        given = cast("list[tuple[UUID, UUID]]", self._rows.get("feedback", []))
        return [(*row, sizes[row[1]]) for row in given]

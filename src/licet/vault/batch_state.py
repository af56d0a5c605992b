"""The state of a batch of commands: the loaded and locked rows, their changes, and the entries to
write.

Makes no decisions. `apply` folds the commands over it, looks up projects and conversations in it,
and records journal entries, leaves and host events. `flush` writes everything gathered so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from licet.keys.keyring import Keyring
from licet.keys.material import bucket_of
from licet.keys.restriction_journal import Restriction, RestrictionKind
from licet.ledger.outbox import Entry, EntryKind, scope_facts
from licet.policy import fold, outcomes
from licet.policy.file import Policies
from licet.policy.state import WHOLE_ACCOUNT, Grant, ScopeKind
from licet.store.connect import Transaction
from licet.store.rows import Change, pipelined
from licet.vault import (
    account_choices,
    account_view,
    certificate,
    host_events,
    restriction,
    tables,
)
from licet.vault.account_choices import NewestChoice
from licet.vault.certificate import BegunErasure, ErasureCause
from licet.vault.commands import (
    About,
    AboutProject,
    AddTurn,
    Choose,
    ChosenScope,
    Command,
    OpenAccount,
)
from licet.vault.host_events import LeaveReason as Leaving
from licet.vault.host_events import NewHostEvent
from licet.vault.ids import uuid7
from licet.vault.tables import AccountRow, ConversationRow, ProjectRow
from licet.vault.writes import Writes

_NAMES = attrgetter("account", "conversation", "host_conversation", "host_project")


def _scopes(commands: Sequence[Command]) -> list[tuple[Choose, ChosenScope]]:
    """The scopes that choices name."""
    choices = [c for c in commands if isinstance(c, Choose)]
    return [
        (c, scope)
        for c in choices
        for scope in (*c.keep, *([c.scope] if c.scope is not None else []))
    ]


def _host_turns(
    turns: Sequence[AddTurn],
) -> tuple[dict[tuple[UUID, UUID], list[bytes]], dict[tuple[UUID, bytes], list[bytes]]]:
    """The host's ids of turns, by conversation: under its id, or under the host's id of it."""
    by_id: dict[tuple[UUID, UUID], list[bytes]] = {}
    by_host: dict[tuple[UUID, bytes], list[bytes]] = {}
    for (account, conversation, host, _), run in groupby(turns, _NAMES):
        names = [c.host_turn for c in run if c.host_turn is not None]
        if names and conversation is not None:
            by_id.setdefault((account, conversation), []).extend(names)
        elif names and host is not None:
            by_host.setdefault((account, host), []).extend(names)
    return by_id, by_host


class BatchState:
    """The state of a batch. ``ended`` are the grants that the current command ended."""

    def __init__(
        self, tx: Transaction, keyring: Keyring | None, policies: Policies, replay: bool
    ) -> None:
        self.tx, self.policies, self.replay = tx, policies, replay
        self.accounts: dict[UUID, AccountRow] = {}
        self.conversations: dict[UUID, ConversationRow] = {}
        self.by_host: dict[tuple[UUID, bytes], ConversationRow] = {}
        self.turns_by_host: dict[UUID, dict[bytes, int]] = {}
        self.opened: dict[bytes, UUID] = {}
        self.projects: dict[UUID, ProjectRow] = {}
        self.projects_by_host: dict[tuple[UUID, bytes], ProjectRow] = {}
        self.choices: dict[tuple[UUID, str], NewestChoice] = {}
        self.ended: list[Grant] = []  # by the current command
        self.writes = Writes(tx, keyring)
        self._account_id: UUID | None = None
        self._account: AccountRow | None = None
        self._noted: tuple[ConversationRow | None, dict[bytes, int]] = (None, {})
        self._found: tuple[UUID, bytes, ConversationRow] | None = None
        self.emits_events = not replay
        self.happened: list[NewHostEvent] = []
        self.restrictions: list[Restriction] = []
        self.erasures: list[BegunErasure] = []
        self.life = 0  # of the database

    def load(self, commands: Sequence[Command]) -> None:
        """Locks the accounts and loads what the commands name."""
        turns = [c for c in commands if isinstance(c, AddTurn)]
        # hashing a UUID is Python: once a run, not once a turn
        named = [next(run) for _, run in groupby(turns, _NAMES)]
        others = [c for c in commands if not isinstance(c, AddTurn)]
        opening = [c for c in others if isinstance(c, OpenAccount)]
        if opening:
            self.opened = account_view.accounts_by_host(self.tx, [c.host for c in opening])
            self.writes.keyring.make_buckets(self.tx, {bucket_of(c.account) for c in opening})
        ids = {(c.account, c.conversation) for c in others if isinstance(c, About)}
        ids |= {(c.account, c.conversation) for c in named if c.conversation is not None}
        ids |= {
            (c.account, scope.conversation)
            for c, scope in _scopes(others)
            if scope.conversation is not None
        }
        hosts = {(c.account, c.host_conversation) for c in named if c.host_conversation is not None}
        hosts |= {
            (c.account, scope.host_conversation)
            for c, scope in _scopes(others)
            if scope.host_conversation is not None
        }
        wanted = {c.account for c in (*named, *others)} | set(self.opened.values())
        # One round trip. A statement sees what was committed before it began: all after the first
        # see rows that the locks protect.
        with pipelined(self.tx):
            accounts = tables.request_locked_accounts(self.tx, wanted)
            conversations = tables.request_conversations(self.tx, sorted(ids), sorted(hosts))
            new = (
                self.writes.keyring.request_buckets(
                    self.tx, {bucket_of(c.account) for c in opening}
                )
                if opening
                else list
            )
            numbers = account_view.request_turn_numbers(self.tx, *_host_turns(turns))
        self.accounts, buckets = accounts()
        rows, pages = conversations()
        for row in rows:
            self.conversations[row.conversation_id] = row
            if row.host_hmac is not None:
                self.by_host[row.account_id, row.host_hmac] = row
        self._load_projects(others, named)
        self.turns_by_host = numbers()
        answering = [c.account for c in others if isinstance(c, Choose) and c.answers is not None]
        if answering:
            self.choices = account_choices.newest_by_question(self.tx, answering)
        opened = self.writes.keyring.open_buckets([*buckets, *new()])
        self.life = opened.life
        self.writes.prepare(opened.keys, pages)

    def _load_projects(self, commands: Sequence[Command], named: Sequence[AddTurn]) -> None:
        about = [c for c in commands if isinstance(c, AboutProject)]
        ids = {(c.account, c.project) for c in about if c.project is not None}
        ids |= {
            (c.account, scope.project)
            for c, scope in _scopes(commands)
            if scope.project is not None
        }
        hosts = {(c.account, c.host_project) for c in about if c.host_project is not None}
        hosts |= {
            (c.account, scope.host_project)
            for c, scope in _scopes(commands)
            if scope.host_project is not None
        }
        hosts |= {(c.account, c.host_project) for c in named if c.host_project is not None}
        for row in tables.load_projects(self.tx, sorted(ids), sorted(hosts)):
            self._know_project(row)

    def _know_project(self, row: ProjectRow) -> None:
        self.projects[row.project_id] = row
        self.projects_by_host[row.account_id, row.host_hmac] = row

    def in_scope(self, account: AccountRow, ending: outcomes.Ending) -> list[ConversationRow]:
        """The conversations in the scope of the ended grants, with the batch's state of them."""
        scopes = {grant.scope for grant in ending.grants}
        if WHOLE_ACCOUNT in scopes:
            self.load_all(account)
        else:
            for kind, name in scopes:
                if kind is ScopeKind.project:
                    self.load_all(account, UUID(hex=name))
            self.load_each(
                account, [UUID(hex=name) for kind, name in scopes if kind is ScopeKind.conversation]
            )
        mine = (row for row in self.conversations.values() if row.account_id == account.account_id)
        return sorted(
            (row for row in mine if ending.covers(row.state)), key=lambda row: row.conversation_id
        )

    def load_all(self, account: AccountRow, project: UUID | None = None) -> None:
        """Loads the remaining conversations of an account or a project."""
        for row in tables.conversations_of(self.tx, account.account_id, project=project):
            self.know(row)

    def load_each(self, account: AccountRow, conversations: Sequence[UUID]) -> None:
        wanted = [
            (account.account_id, one) for one in conversations if one not in self.conversations
        ]
        for row in tables.load_conversations(self.tx, wanted) if wanted else []:
            self.know(row)

    def know(self, row: ConversationRow) -> None:
        if row.conversation_id not in self.conversations:
            self.conversations[row.conversation_id] = row
            if row.host_hmac is not None:
                self.by_host[row.account_id, row.host_hmac] = row

    def shorten_all(
        self, account: AccountRow, content_until: datetime, feedback_until: datetime
    ) -> None:
        self.writes.shorten(account.account_id, content_until, feedback_until)
        for row in self.conversations.values():
            if row.account_id == account.account_id:
                row.state = fold.shorten_segments(row.state, content_until)
                # the statement over the table shortens the stored rows in the same way
                if row.saved is not None:
                    row.saved = fold.shorten_segments(row.saved, content_until)

    def find_project(
        self,
        account: AccountRow,
        known: UUID | None,
        host: bytes | None,
        title: bytes | None,
        now: datetime,
    ) -> ProjectRow | None:
        """The account's project by Licet's id, or by the HMAC of the host's, which creates it."""
        if known is not None:
            row = self.projects.get(known)
            return row if row is not None and row.account_id == account.account_id else None
        assert host is not None
        row = self.projects_by_host.get((account.account_id, host))
        if row is None:
            row = ProjectRow(
                account_id=account.account_id,
                project_id=uuid7(now, self.writes.random(10)),
                host_hmac=host,
                title=None,
                begun_at=now,
            )
            self.save_project(row)
        if title is not None and row.title is None and any(account.wrapped_key):
            row = replace(row, title=self.writes.seal_for_account(account, title))
            self.save_project(row)
        return row

    def conversation_named(self, account: UUID, scope: ChosenScope) -> ConversationRow | None:
        """The account's own conversation that a choice names; None for any other."""
        if scope.host_conversation is not None:
            return self.by_host.get((account, scope.host_conversation))
        row = self.conversations.get(scope.conversation) if scope.conversation is not None else None
        return row if row is not None and row.account_id == account else None

    def project_named(self, account: UUID, scope: ChosenScope) -> ProjectRow | None:
        """The account's own project that a choice names; None for any other."""
        if scope.host_project is not None:
            return self.projects_by_host.get((account, scope.host_project))
        row = self.projects.get(scope.project) if scope.project is not None else None
        return row if row is not None and row.account_id == account else None

    def save_project(self, row: ProjectRow) -> None:
        self._know_project(row)
        self.writes.project(row)

    def note_project(
        self,
        account: AccountRow,
        project: ProjectRow,
        now: datetime,
        entry: EntryKind,
        *,
        ends: bool = False,
    ) -> None:
        self.journal(account, now, entry.value, None, ends=ends)
        self.log_entry(account, now, entry, project=project.project_id.hex)

    def log_grant(
        self, account: AccountRow, now: datetime, kind: EntryKind, grant: Grant, version: int
    ) -> None:
        within = scope_facts(grant.scope)
        self.log_entry(
            account,
            now,
            kind,
            grant=grant.number,
            version=version,
            question=grant.question,
            **within,
        )

    def account_of(self, account: UUID) -> AccountRow | None:
        """The account with this id; cached, because hashing a UUID for each turn is slow."""
        if account is not self._account_id:
            self._account_id, self._account = account, self.accounts.get(account)
        return self._account

    def add_account(self, row: AccountRow) -> None:
        self.accounts[row.account_id] = row
        self._account_id = None

    def note_turn(self, row: ConversationRow, host_turn: bytes, turn: int) -> None:
        """Records the turn's number by the HMAC of the host's id."""
        if row is not self._noted[0]:
            self._noted = (row, self.turns_by_host.setdefault(row.conversation_id, {}))
        self._noted[1][host_turn] = turn

    def find(self, command: AddTurn) -> ConversationRow | None:
        """The conversation that a turn continues; cached for a run of its turns."""
        account, name = command.account, command.host_conversation
        if command.conversation is not None:
            row = self.conversations.get(command.conversation)
            return row if row is not None and row.account_id == account else None
        if name is None:
            return None
        known = self._found
        if known is None or account is not known[0] or name != known[1]:
            row = self.by_host.get((account, name))
            known = self._found = None if row is None else (account, name, row)
        return None if known is None else known[2]

    def note(
        self,
        account: AccountRow,
        row: ConversationRow,
        now: datetime,
        entry: EntryKind,
        *,
        ends: bool = False,
        **facts: str | int | bool | None,
    ) -> None:
        self.journal(account, now, entry.value, row.conversation_id, ends=ends)
        self.log_entry(account, now, entry, conversation=row.conversation_id.hex, **facts)

    def journal(
        self,
        account: AccountRow,
        now: datetime,
        event: str,
        conversation: UUID | None,
        *,
        ends: bool = False,
    ) -> None:
        account.last_seq += 1
        self.writes.change(account)
        self.writes.journal(account, now, event, conversation, ends)

    def log_entry(
        self, account: AccountRow, now: datetime, entry: EntryKind, **facts: str | int | bool | None
    ) -> None:
        self.writes.entries.append(
            Entry(
                kind=entry,
                occurred_at=now,
                account=account.account_id,
                facts={**facts, "seq": account.last_seq},
            )
        )

    def note_event(self, event: NewHostEvent) -> None:
        if self.emits_events:
            self.happened.append(event)

    def restrict(
        self,
        account: AccountRow,
        now: datetime,
        kind: RestrictionKind,
        **facts: Any,  # noqa: ANN401 fields of `Restriction`, which have several types
    ) -> None:
        """Records a restriction by the current command, under the account's newest number."""
        record = Restriction(
            life=self.life,
            kind=kind,
            at=now,
            account=account.account_id,
            seq=account.last_seq,
            **facts,
        )
        self.restrictions.append(record)

    def begin_erasure(
        self,
        account: AccountRow,
        now: datetime,
        cause: ErasureCause,
        conversation: UUID | None = None,
    ) -> UUID:
        """Begins the erasure that the current command requires; returns its id."""
        erasure = uuid7(now, self.writes.random(10))
        self.erasures.append(BegunErasure(account.account_id, erasure, conversation, cause, now))
        return erasure

    def must_leave(
        self,
        row: ConversationRow,
        now: datetime,
        because: Leaving,
        leave_by: datetime,
        questions: Sequence[str] | None = None,
        erasure: UUID | None = None,
    ) -> None:
        event = host_events.must_leave(
            row.account_id,
            now,
            because,
            leave_by=leave_by,
            conversation=row.conversation_id,
            questions=questions,
            erasure=erasure,
        )
        self.note_event(event)

    def flush(self, records: Sequence[Change] = ()) -> None:
        self.writes.flush(records)

    def finish(self) -> None:
        """Writes all gathered rows, and schedules the restrictions for the journal on commit."""
        with self.writes.together():
            records = [
                *certificate.insert_changes(self.erasures),
                *host_events.append_changes(self.happened),
            ]
            journal = self.writes.keyring.restrictions if self.restrictions else None
            if journal is not None:
                records += restriction.head_changes(journal)
            self.flush(records)
            if journal is not None:
                restriction.record_on_commit(self.tx, journal, self.restrictions)

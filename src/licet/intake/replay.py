"""Import of recorded history: reads it, sorts it by time, folds it, and stores it in the state that
it would have today.

An import never creates grants: people's choices come from a file of recorded choices. Events keep
their recorded times. Of events at the same time, a refusal comes before a turn and a permission
after it: in this order no turn becomes usable. Choices of one time stay in the order of their file.

What is older than the newest event of its account in the vault is late. A late refusal takes effect
now, after the rest; a late permission gives nothing; a late turn is stored under no grant and dated
by its own time, unless its conversation has later turns; a late rating is left out. Each is counted
by its account. What the policy would have erased by now is not stored: its turns are counted by the
day on which they would have been erased, and keep their numbers, so that importing the same file
again adds nothing.

A turn that the vault has is passed over as it is read, many looked up at a time. The others wait
(`intake.turn_spool`) until everything was read, because only then their order is known; beyond a
bound of memory they are sealed.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from licet.erasure import sweep_batches
from licet.errors import UsageError
from licet.intake.import_records import (
    DatedChoice,
    Imported,
    LateHistory,
    NamedConversation,
    PlacedEvent,
    RecordedAccount,
    RecordedChoice,
    add_turn_command,
    place_choices,
)
from licet.intake.read_turn import (
    BrokenRecord,
    DuplicateRecord,
    Read,
    ReadFeedback,
    ReadTurn,
    SkippedRecord,
)
from licet.intake.turn_spool import (
    MEMORY_BYTES_MAX,
    SpooledTurn,
    TurnSpool,
    WaitingTurn,
    WaitingTurns,
)
from licet.keys.keyring import Keyring
from licet.masked import Masked
from licet.policy import events
from licet.policy.file import Policies
from licet.policy.outcomes import Effect
from licet.policy.state import ScopeKind, Share
from licet.policy.world import Owned, World
from licet.store.connect import Pool, Transaction, transaction
from licet.vault import account_view, commands, tables, verbs
from licet.vault.account_choices import KnownChoices, RecordKey
from licet.vault.commands import CommandResult, Outcome
from licet.vault.content import Content, encode
from licet.vault.ids import HOST_ID_CHARACTERS_MAX, HostHmacs, Prefix, uuid7

CHUNK_COMMANDS_MAX = 2_000
CHUNK_BYTES_MAX = 16 * 2**20
PLACES_KEPT_MAX = 1_000
FRESH_TURNS_MAX = 1_000  # are looked up together, or so many characters
FRESH_CHARACTERS_MAX = 2**20
_AFTER = 2**62  # a number behind that of any turn
# Ids are UUIDv7, which count milliseconds from here.
TIME_MIN = datetime(1970, 1, 1, tzinfo=UTC)
_LONG_ID = f"an id in it is over {HOST_ID_CHARACTERS_MAX} characters"
_NO_TIME = (
    "it has no time that can be read, and no turn before it has one: write it as "
    "2025-09-01T09:00:00Z, or give --assume-time"
)
_UNKNOWN_ACCOUNT = "its account is not in the file of accounts"
_RATING_LATE = "a rating from before its account's newest event"
_RATING_OVER = "a rating of a chat that is closed, deleted or expired"
_COUNTED = (
    "turns", "stored", "known", "choices", "broken", "feedback", "opened_alone", "opened_now",
    "choices_too_early", "other_projects", "late_accounts",
)  # fmt: skip
_OWN_ID = re.compile(rf"{Prefix.account.value}_[0-9a-f]{{32}}")

Progress = Callable[[int], None]


class _Fresh(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A turn that was read but not yet compared with the vault."""

    host: str
    at: datetime
    conversation: bytes
    name: bytes
    turn: ReadTurn


class _Rated(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """Feedback whose conversation is not stored yet. Names are HMACs; ``account`` is known with its
    turn.
    """

    at: datetime
    host: bytes
    conversation: bytes
    host_turn: bytes
    rating: str
    share: Share
    comment: bytes | None
    check: commands.HostCheck | None
    score: float | None
    account: UUID | None = None


class _Known(NamedTuple):
    """An account in the vault: the time of its newest event, its turns and its choices."""

    last_at: datetime
    turns: set[bytes]
    choices: KnownChoices


class Import:
    """One import. ``recorded`` are the accounts, ``default`` applies to all others. ``host`` owns
    turns whose source names nobody (by default that of ``default``), and a take-out of another
    installation, whose ids no host knows. UsageError for a choice of an unknown account, or one not
    in the past.
    """

    def __init__(
        self,
        pool: Pool,
        keyring: Keyring,
        policies: Policies,
        now: datetime,
        *,
        recorded: Iterable[RecordedAccount] = (),
        choices: Iterable[RecordedChoice] = (),
        default: RecordedAccount | None = None,
        host: str = "",
        surface: str | None = None,
        folder: Path | None = None,
        assume_at: datetime | None = None,
        chunk_commands_max: int = CHUNK_COMMANDS_MAX,
        fresh_turns_max: int = FRESH_TURNS_MAX,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
    ) -> None:
        self._pool, self._keyring, self._policies, self._now = pool, keyring, policies, now
        self._recorded = {account.host: account for account in recorded}
        self._default, self._surface, self._assume_at = default, surface, assume_at
        self._chunk_commands_max, self._fresh_turns_max = chunk_commands_max, fresh_turns_max
        self._host, self._is_host_named = host or (default.host if default else ""), bool(host)
        self._spool = TurnSpool(
            folder or Path(tempfile.gettempdir()), keyring.random, memory_bytes_max
        )
        self._fresh: list[_Fresh] = []
        self._fresh_characters = 0
        self._waiting = WaitingTurns()
        self._whose_turns: set[str] = set()
        self._last_text: tuple[str, bytes | None] = ("", None)
        self._choices: dict[str, list[RecordedChoice]] = {}
        self._feedback: dict[str, list[_Rated]] = {}
        self._names: dict[bytes, set[bytes]] = {}
        self._effects: Counter[str] = Counter()
        self._broken: list[BrokenRecord] = []
        self._counts: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._erased: Counter[date] = Counter()
        self._accounts: set[UUID] = set()
        self._continued: set[UUID] = set()
        self._there: dict[str, UUID] = {}
        self._named: set[UUID] = set()
        self._seen_at: dict[bytes, datetime] = {}
        self._last_named: NamedConversation | None = None
        self._late: list[LateHistory] = []
        with transaction(pool) as tx:
            self._hmacs = HostHmacs(keyring.host_key(tx))
        for choice in choices:
            if choice.host not in self._recorded and default is None:
                raise UsageError(
                    f"a choice of `{choice.host}`, which is not in the file of accounts",
                    "add the account",
                )
            if not TIME_MIN <= choice.at <= now:
                raise UsageError(
                    f"a choice of `{choice.host}` whose time has not come yet, or is before 1970"
                )
            mine = self._choices.setdefault(choice.host, [])
            if not mine or mine[-1] != choice:
                mine.append(choice)

    def read(self, items: Iterable[Read]) -> None:
        """Consumes a reader's items: new turns go to the spool, everything else to the report."""
        for item in items:
            match item:
                case ReadTurn():
                    self._take(item)
                case ReadFeedback():
                    self._take_feedback(item)
                case BrokenRecord():
                    self._break(item)
                case SkippedRecord():
                    self._skipped[item.reason] += 1
                    if item.copied is not None:
                        self._record_alias(item.copied)
        self._spool_new()

    def _record_alias(self, copied: DuplicateRecord) -> None:
        """Records that a copy's name stands for a turn that may be stored already."""
        turns = [
            copied.host_turn,
            *(f"{copied.host_turn}#{part}" for part in range(2, copied.parts + 1)),
        ]
        for turn in turns:
            name = self._hmacs.hash("turn", copied.first, turn)
            other = self._hmacs.hash("turn", copied.host_conversation, turn)
            self._names.setdefault(name, set()).add(other)

    def _break(self, item: BrokenRecord) -> None:
        self._counts["broken"] += 1
        if len(self._broken) < PLACES_KEPT_MAX:
            self._broken.append(item)

    def _account_host(self, account: str) -> str:
        is_taken_out = (
            self._is_host_named and account not in self._recorded and _OWN_ID.fullmatch(account)
        )
        return self._host if is_taken_out or not account else account

    def _take(self, turn: ReadTurn) -> None:
        host = self._account_host(turn.host_account)
        names = len(turn.host_conversation) + len(turn.host_turn)
        if max(names, len(host), len(turn.project)) > HOST_ID_CHARACTERS_MAX:
            self._break(BrokenRecord(place=turn.place, message=_LONG_ID))
            return
        conversation = self._named_conversation(turn.host_conversation)
        # A turn without a time has that of the one before it.
        at = turn.at or self._seen_at.get(conversation.name) or self._assume_at
        if host not in self._recorded and self._default is None:
            self._break(BrokenRecord(place=turn.place, message=_UNKNOWN_ACCOUNT))
        elif at is None:
            self._break(BrokenRecord(place=turn.place, message=_NO_TIME))
        elif at > self._now:
            self._break(BrokenRecord(place=turn.place, message="its time has not come yet"))
        elif at < TIME_MIN:
            self._break(BrokenRecord(place=turn.place, message="its time is before 1970"))
        else:
            self._seen_at[conversation.name] = at
            self._put(host, at, conversation, turn)

    def _take_feedback(self, feedback: ReadFeedback) -> None:
        host = self._account_host(feedback.host_account)
        names = (host, feedback.host_conversation + feedback.host_turn, feedback.host_feedback)
        if max(map(len, names)) > HOST_ID_CHARACTERS_MAX:
            self._break(BrokenRecord(place=feedback.place, message=_LONG_ID))
        elif host not in self._recorded and self._default is None:
            self._break(BrokenRecord(place=feedback.place, message=_UNKNOWN_ACCOUNT))
        elif feedback.at is None or not TIME_MIN <= feedback.at <= self._now:
            why = "it has no time, or one that cannot be"
            self._break(BrokenRecord(place=feedback.place, message=why))
        else:
            rated = _Rated(
                at=feedback.at,
                host=self._hmacs.hash("feedback", feedback.host_feedback),
                conversation=self._named_conversation(feedback.host_conversation).name,
                host_turn=self._hmacs.hash("turn", feedback.host_conversation, feedback.host_turn),
                rating=feedback.rating,
                share=feedback.share,
                comment=encode(Content(text=feedback.comment)) if feedback.comment else None,
                check=feedback.check,
                score=feedback.score,
            )
            self._feedback.setdefault(host, []).append(rated)

    def _named_conversation(self, host: str) -> NamedConversation:
        """A conversation by the host's id, with a cache of one: its turns are usually adjacent."""
        if self._last_named is None or self._last_named.host != host:
            name, turn_name = (
                self._hmacs.hash("conversation", host),
                self._hmacs.within("turn", host),
            )
            self._last_named = NamedConversation(host, name, turn_name)
        return self._last_named

    def _put(
        self, host: str, now: datetime, conversation: NamedConversation, turn: ReadTurn
    ) -> None:
        self._counts["turns"] += 1
        name = conversation.turn_name(turn.host_turn)
        self._fresh.append(
            _Fresh(host=host, at=now, conversation=conversation.name, name=name, turn=turn)
        )
        self._fresh_characters += len(turn.content.text)
        if turn.content.tool_calls:
            self._fresh_characters += sum(len(call.arguments) for call in turn.content.tool_calls)
        if (
            len(self._fresh) >= self._fresh_turns_max
            or self._fresh_characters >= FRESH_CHARACTERS_MAX
        ):
            self._spool_new()

    def _spool_new(self) -> None:
        """Spools the turns read, except those that the vault has."""
        fresh, self._fresh, self._fresh_characters = self._fresh, [], 0
        known = self._stored_turns(fresh) if fresh else set[tuple[str, bytes]]()
        for turn in fresh:
            self._whose_turns.add(turn.host)
            if (turn.host, turn.name) in known:
                self._counts["known"] += 1
                continue
            self._waiting.add(turn.host, turn.at, self._spool.put(self._spooled_turn(turn)))

    def _stored_turns(self, fresh: Sequence[_Fresh]) -> set[tuple[str, bytes]]:
        """Those of ``fresh`` that the vault has, as host and name."""
        names = {host: self._hmacs.hash("account", host) for host in {turn.host for turn in fresh}}
        with transaction(self._pool) as tx:
            found = account_view.accounts_by_host(tx, list(names.values()))
            accounts = {host: found[name] for host, name in names.items() if name in found}
            wanted = {
                (accounts[turn.host], turn.conversation, turn.name): turn.host
                for turn in fresh
                if turn.host in accounts
            }
            stored = account_view.turns_already_stored(tx, list(wanted)) if wanted else []
        return {(wanted[key], key[2]) for key in stored}

    def _spooled_turn(self, fresh: _Fresh) -> SpooledTurn:
        turn = fresh.turn
        return SpooledTurn(
            conversation=fresh.conversation,
            host_turn=fresh.name,
            role=turn.role,
            origin=turn.origin,
            kind=turn.kind,
            surface=self._surface or turn.surface,
            envelope=encode(turn.content),
            title=self._title_envelope(turn.title),
            incognito=turn.incognito,
            kept_out=turn.kept_out,
            project=self._hmacs.hash("project", turn.project) if turn.project else None,
            project_title=self._title_envelope(turn.project_title),
        )

    def _title_envelope(self, text: str) -> bytes | None:
        """The envelope of a title, with a cache of one: all turns of a conversation have it."""
        if self._last_text[0] != text:
            self._last_text = (text, encode(Content(text=text)))
        return self._last_text[1]

    def store(self, progress: Progress = lambda _turns: None) -> Imported:
        """Folds and stores what was read, account by account."""
        hosts = sorted(
            self._whose_turns | self._choices.keys() | self._feedback.keys() | self._recorded.keys()
        )
        self._there = self._known_accounts(hosts)
        conversations: set[UUID] = set()
        for chunk in self._chunks(sorted(hosts, key=self._opened_at)):
            done = verbs.replay(self._pool, self._keyring, self._policies, chunk)
            self._count(chunk, done, conversations)
            progress(sum(isinstance(command, commands.AddTurn) for command in chunk))
        self._sweep()
        self.close()
        return Imported(
            accounts=len(self._accounts),
            conversations=len(conversations),
            skipped=sum(self._skipped.values()),
            refused=dict(self._refused),
            would_be_erased=dict(sorted(self._erased.items())),
            effects=dict(self._effects),
            broken_places=tuple(self._broken),
            skipped_reasons=dict(self._skipped),
            conversations_known=len(self._continued),
            late=tuple(self._late),
            **{name: self._counts[name] for name in _COUNTED},
        )

    def close(self) -> None:
        """Deletes the spool and what is in it."""
        self._spool.close()

    def _count(
        self,
        chunk: Sequence[commands.Command],
        done: Sequence[CommandResult],
        conversations: set[UUID],
    ) -> None:
        # hashing a UUID is Python: once a run, not once a turn
        account = continued = stored = None
        for command, answer in zip(chunk, done, strict=True):
            if answer.account is not account:
                self._accounts.add(account := answer.account)
            if isinstance(command, commands.AddTurn):
                self._count_turn(command, answer)
                if (
                    answer.outcome is Outcome.done
                    and (conversation := answer.conversation) is not None
                ):
                    if conversation is not continued:
                        self._continued.add(continued := conversation)
                    if command.content is not None and conversation is not stored:
                        conversations.add(stored := conversation)
            elif isinstance(command, commands.Choose):
                self._counts["choices"] += 1
                nothing = commands.LATE if answer.because == commands.LATE else Effect.none.value
                self._effects.update([each.effect.value for each in answer.answers] or [nothing])
                self._counts["choices_too_early"] += command.at < self._policies[0].effective
            elif isinstance(command, commands.GiveFeedback):
                self._counts["feedback"] += answer.outcome is Outcome.done
                if answer.outcome is Outcome.refused:
                    self._skipped[
                        _RATING_LATE if answer.because == commands.LATE else _RATING_OVER
                    ] += 1

    def _count_turn(self, command: commands.AddTurn, answer: CommandResult) -> None:
        self._counts["other_projects"] += answer.other_project
        if answer.outcome is Outcome.done:
            self._counts["stored"] += command.content is not None
        elif answer.outcome is Outcome.duplicate:
            self._counts["known"] += 1
        elif answer.outcome is Outcome.refused:
            self._refused[answer.because] += 1
        # the account was opened concurrently, under another id
        elif answer.outcome is Outcome.unknown:
            self._refused["unknown"] += 1

    # The account's history

    def _known_accounts(self, hosts: Sequence[str]) -> dict[str, UUID]:
        """The accounts of ``hosts`` that the vault already has."""
        names = {self._hmacs.hash("account", host): host for host in hosts}
        with transaction(self._pool) as tx:
            accounts = account_view.accounts_by_host(tx, list(names))
        return {names[name]: account for name, account in accounts.items()}

    def _has_events(self, host: str) -> bool:
        """Whether the host's account has possibly new events left."""
        return bool(
            self._waiting.first_at(host) or self._choices.get(host) or self._feedback.get(host)
        )

    def _opened_at(self, host: str) -> datetime:
        """When an account opens, as far as known: ids begin with it, so that rows in id order
        append to the end of each index.
        """
        recorded = self._recorded.get(host)
        times = [self._waiting.first_at(host), recorded.opened_at if recorded is not None else None]
        return min(
            [*(at for at in times if at is not None), *(c.at for c in self._choices.get(host, ()))],
            default=self._now,
        )

    def _chunks(self, hosts: Sequence[str]) -> Iterator[list[commands.Command]]:
        chunk: list[commands.Command] = []
        size = 0
        for host in hosts:
            for command in self._history(host):
                if isinstance(command, _Rated):  # what it is about must be there before it
                    if chunk:
                        yield chunk
                    feedback = self._feedback_command(command)
                    chunk, size = [feedback] if feedback is not None else [], 0
                    continue
                chunk.append(command)
                size += len(command.content or b"") if isinstance(command, commands.AddTurn) else 0
                if len(chunk) >= self._chunk_commands_max or size >= CHUNK_BYTES_MAX:
                    yield chunk
                    chunk, size = [], 0
        if chunk:
            yield chunk

    def _feedback_command(self, rated: _Rated) -> commands.GiveFeedback | None:
        """The command for feedback; None if its conversation is not stored."""
        with transaction(self._pool) as tx:
            row = None
            if rated.account is not None and rated.conversation is not None:
                row = account_view.turn_by_host(
                    tx, rated.account, rated.conversation, rated.host_turn
                )
        if row is None or rated.account is None:
            self._skipped["a rating whose chat is not here"] += 1
            return None
        return commands.GiveFeedback(
            account=rated.account,
            at=rated.at,
            conversation=row[0],
            rating=rated.rating,
            share=rated.share,
            turn=row[1] or 0,
            comment=rated.comment,
            host=rated.host,
            check=rated.check,
            score=rated.score,
        )

    def _history(self, host: str) -> Iterator[commands.Command | _Rated]:
        """The account's new commands, by time."""
        account, known, world = self._there.get(host), None, None
        if account is not None:
            self._named.add(account)
            if not self._has_events(host):
                return
            with transaction(self._pool) as tx:
                known, world = self._load_known(tx, account), self._seed_world(tx, account)
        world = world or World(self._policies, replay=True)
        choices = self._new_choices(self._choices.pop(host, []), known)
        waiting = self._new_turns(
            self._waiting.list_by_host(host), known.turns if known is not None else set()
        )
        rated = self._new_feedback(host, account, begins=bool(waiting or choices))
        if known is not None:
            choices, rated = self._without_late(host, known.last_at, waiting, choices, rated)
        waiting += place_choices(choices)
        waiting += [
            PlacedEvent(at=f.at, rank=1, number=_AFTER + n, place=-2) for n, f in enumerate(rated)
        ]
        waiting.sort()
        if not waiting and (account is not None or host not in self._recorded):
            return
        recorded = self._recorded.get(host) or self._default
        assert recorded is not None, (
            "a turn or a choice of no known account is refused when it is read"
        )
        first_at = waiting[0].at if waiting else self._now
        opened_at = min(recorded.opened_at or first_at, first_at)
        self._counts["opened_alone"] += not waiting
        self._counts["opened_now"] += not waiting and recorded.opened_at is None
        account_id = account or uuid7(opened_at, self._keyring.random(10))
        if account is None:
            world.apply(
                events.OpenAccountEvent(
                    at=opened_at, account="", plan=recorded.plan, age=recorded.age
                )
            )
            yield commands.OpenAccount(
                account=account_id,
                at=opened_at,
                host=self._hmacs.hash("account", host),
                plan=recorded.plan,
                age=recorded.age,
            )
        dead = (
            self._expired_turns(world, waiting, choices)
            if waiting and self._may_be_due(first_at)
            else set[int]()
        )
        for event in waiting:
            if event.place == -2:
                yield msgspec.structs.replace(rated[event.number - _AFTER], account=account_id)
            elif event.place < 0:
                yield self._choose(account_id, choices[event.number])
            else:
                turn = self._spool.get(event.place)
                yield add_turn_command(account_id, event.at, turn, stored=event.number not in dead)

    def _load_known(self, tx: Transaction, account: UUID) -> _Known:
        last_at = account_view.load_accounts(tx, [account])[account].state.last_at
        return _Known(last_at, account_view.turns_by_host(tx, account), KnownChoices(tx, account))

    def _new_choices(
        self, recorded: Sequence[RecordedChoice], known: _Known | None
    ) -> list[DatedChoice]:
        """The choices that the vault does not have, in the order of the file."""
        fresh = [
            c
            for c in recorded
            if known is None or not known.choices.take(self._key_of(c), c.question)
        ]
        return [DatedChoice(at=c.at, choice=c) for c in fresh]

    def _without_late(
        self,
        host: str,
        last_at: datetime,
        waiting: Sequence[PlacedEvent],
        choices: Sequence[DatedChoice],
        rated: Sequence[_Rated],
    ) -> tuple[list[DatedChoice], list[_Rated]]:
        """The choices and feedback to apply: of the late ones only refusals, which apply now."""
        late = [choice for choice in choices if choice.at < last_at]
        noes = [replace(choice, at=self._now) for choice in late if not choice.choice.allow]
        old = LateHistory(
            host=host,
            turns=sum(turn.at < last_at for turn in waiting),
            refusals=len(noes),
            permissions=len(late) - len(noes),
            ratings=sum(rating.at < last_at for rating in rated),
        )
        if old.turns or late or old.ratings:
            self._counts["late_accounts"] += 1
            self._late += [old] if len(self._late) < PLACES_KEPT_MAX else []
            self._skipped.update({_RATING_LATE: old.ratings} if old.ratings else {})
        taken = [choice for choice in choices if choice.at >= last_at]
        return [*taken, *noes], [rating for rating in rated if rating.at >= last_at]

    def _new_feedback(self, host: str, account: UUID | None, *, begins: bool) -> list[_Rated]:
        """The feedback that the vault does not have; none for an account that neither exists nor
        begins.
        """
        feedback = self._feedback.pop(host, [])
        if not feedback:
            return []
        if account is None and not begins:
            self._skipped["a rating whose chat is not here"] += len(feedback)
            return []
        with transaction(self._pool) as tx:
            known = (
                account_view.feedback_by_host(tx, account) if account is not None else set[bytes]()
            )
        return list({rated.host: rated for rated in feedback if rated.host not in known}.values())

    def _new_turns(self, waiting: Sequence[WaitingTurn], known: set[bytes]) -> list[PlacedEvent]:
        """The turns that the vault does not have, each once."""
        first: dict[bytes, WaitingTurn] = {}
        for turn in waiting:
            name = self._spool.name(turn.place)
            if name not in first and not self._is_known(name, known):
                first[name] = turn
        self._counts["known"] += len(waiting) - len(first)
        return [PlacedEvent(at, 1, number, place) for at, number, place in first.values()]

    def _is_known(self, name: bytes, known: set[bytes]) -> bool:
        return name in known or not known.isdisjoint(self._names.get(name, ()))

    def _choose(self, account: UUID, chosen: DatedChoice) -> commands.Choose:
        choice = chosen.choice
        return commands.Choose(
            account=account,
            at=chosen.at,
            allow=choice.allow,
            via=choice.via,
            evidence=choice.evidence,
            question=choice.question,
            scope=None if choice.scope is None else self._scope(choice.scope),
            keep=tuple(self._scope(scope) for scope in choice.keep),
            recorded_at=choice.at if chosen.at != choice.at else None,
        )

    def _scope(self, scope: events.NamedScope) -> commands.ChosenScope:
        kind, name = self._hash_scope(scope)
        if kind is ScopeKind.project:
            return commands.ChosenScope(host_project=name)
        return commands.ChosenScope(host_conversation=name)

    def _hash_scope(self, scope: events.NamedScope) -> tuple[ScopeKind, bytes]:
        kind, name = scope.scope
        return kind, self._hmacs.hash(kind.value, name)

    def _key_of(self, choice: RecordedChoice) -> RecordKey:
        key = RecordKey(choice.at, choice.allow)
        if choice.scope is None:
            return key
        kind, name = self._hash_scope(choice.scope)
        return (
            key._replace(project=name)
            if kind is ScopeKind.project
            else key._replace(conversation=name)
        )

    def _seed_world(self, tx: Transaction, account: UUID) -> World:
        """A world with the account's present state, under the HMACs of the host's ids."""
        world = World(self._policies, replay=True)
        names = {row.project_id.hex: row.host_hmac.hex() for row in tables.projects_of(tx, account)}
        for row in tables.conversations_of(tx, account):
            if row.host_hmac is not None:
                name = names[row.conversation_id.hex] = row.host_hmac.hex()
                state = replace(row.state, name=name, project=names.get(row.state.project, ""))
                world.conversations[name] = Owned("", state, [])
        account_state = account_view.load_accounts(tx, [account])[account].state
        world.accounts[""] = replace(
            account_state,
            grants=tuple(
                grant._replace(
                    scope=grant.scope._replace(name=names.get(grant.scope.name, grant.scope.name))
                )
                for grant in account_state.grants
            ),
            kept_out=frozenset(names[project] for project in account_state.kept_out),
        )
        return world

    def _may_be_due(self, first: datetime) -> bool:
        """Whether a turn of ``first`` or later could be due by now under any version; if not,
        `_expired_turns` is not needed.
        """
        periods = {
            period for version in self._policies.versions for period in version.keep.of_turns
        }
        return any(period.after(first) <= self._now for period in periods)

    def _expired_turns(
        self, world: World, waiting: Sequence[PlacedEvent], choices: Sequence[DatedChoice]
    ) -> set[int]:
        """The numbers of the turns that would have been erased by now, by the same fold, without
        content.
        """
        for event in waiting:
            if event.place == -2:
                continue
            if event.place < 0:
                world.apply(self._choose_event(choices[event.number]))
                continue
            turn = self._spool.get(event.place)
            world.apply(
                events.SayEvent(
                    at=event.at,
                    account="",
                    conversation=turn.conversation.hex(),
                    turn=str(event.number),
                    role=turn.role,
                    origin=turn.origin,
                    surface=turn.surface,
                    kind=turn.kind,
                    incognito=turn.incognito,
                    narrow=turn.kept_out,
                    project=turn.project.hex() if turn.project is not None else "",
                )
            )
        world.advance(self._now)
        dead = set()
        for name, (conversation, taken) in world.turns.items():
            state = world.conversations[conversation].conversation
            keep_until = state.segments[taken.segment].keep_until
            if keep_until <= self._now and not state.holds:
                dead.add(int(name))
                self._erased[keep_until.date()] += 1
        return dead

    def _choose_event(self, chosen: DatedChoice) -> events.ChooseEvent:
        """A choice as an event of the world, under HMACs."""
        choice = chosen.choice

        def hashed(scope: events.NamedScope) -> events.NamedScope:
            kind, name = self._hash_scope(scope)
            return events.NamedScope(**{kind.value: name.hex()})

        return events.ChooseEvent(
            at=chosen.at,
            account="",
            allow=choice.allow,
            question=choice.question,
            scope=None if choice.scope is None else hashed(choice.scope),
            keep=tuple(map(hashed, choice.keep)),
        )

    def _sweep(self) -> None:
        """Records the turns that were not stored as erased, and erases all due content of these
        accounts, including what a stopped import left.
        """
        accounts = sorted(self._accounts | self._named)
        for start in range(0, len(accounts), sweep_batches.BATCH_SEGMENTS_MAX):
            more = True
            while more:
                with transaction(self._pool) as tx:
                    more = sweep_batches.sweep_batch(
                        tx,
                        self._now,
                        only=accounts[start : start + sweep_batches.BATCH_SEGMENTS_MAX],
                    ).more

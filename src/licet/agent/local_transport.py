"""The transport to the installation on this machine. A hook does not start its embedded database:
while it is down, Licet counts as unreachable, and turns are recorded later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from licet.agent.transport import PURPOSE, AccountAccess, Allowed, Usable
from licet.config import Configuration
from licet.errors import BusyError, NotFoundError
from licet.intake.read_turn import ReadTurn
from licet.policy.decide import gate
from licet.policy.outcomes import Effect
from licet.policy.state import WHOLE_ACCOUNT, GrantScope, ScopeKind
from licet.service import explanations
from licet.store import embedded
from licet.store.connect import transaction
from licet.store.core_dumps import harden
from licet.vault import account_choices, account_view, tables, verbs
from licet.vault.commands import AddTurn, Choose, ChosenScope, Narrow, Outcome, Widen
from licet.vault.content import Content, encode
from licet.vault.ids import Prefix, format_id, host_hmac
from licet.vault.installation import (
    Installation,
    load_clock,
    load_host_key,
    load_policies,
    open_installation,
    require_initialised,
)


@contextmanager
def open_local(config: Configuration, *, start: bool) -> Iterator[LocalTransport]:
    """Opens the installation; BusyError if its embedded database is down and ``start`` is false."""
    if (
        not start
        and not config.database_url
        and not embedded.status(config.data / "postgres").running
    ):
        raise BusyError(
            "the embedded database does not run",
            "`licet watch` or `licet db start` keeps it running",
        )
    assert config.agent.account
    harden()
    require_initialised(config)
    with open_installation(config, load_clock(config), create=False) as opened:
        yield LocalTransport(opened, config.agent.account)


class LocalTransport:
    def __init__(self, opened: Installation, account: str) -> None:
        self._opened, self._host_key = opened, load_host_key(opened)
        with transaction(opened.pool) as tx:
            account_id = account_view.account_by_host(
                tx, host_hmac(self._host_key, "account", account)
            )
        if account_id is None:
            raise NotFoundError(
                f"no account `{account}`", "accounts are opened over the API, or by `licet import`"
            )
        self._account = account_id

    def standing(self) -> AccountAccess:
        versions, now = load_policies(self._opened), self._opened.clock()
        with transaction(self._opened.pool) as tx:
            state = account_view.account_at(
                account_view.load_accounts(tx, [self._account])[self._account], versions, now
            ).account
        newest = max((grant.number for grant in state.grants), default=None)
        return AccountAccess(
            gate=gate(state, versions, now).value, token="" if newest is None else str(newest)
        )

    def send(self, turns: Sequence[ReadTurn]) -> list[str]:
        answers = verbs.apply_commands(self._opened, [self._add_turn(turn) for turn in turns])
        taken = (Outcome.done, Outcome.duplicate)
        return ["" if a.outcome in taken else a.because or a.outcome.value for a in answers]

    def _add_turn(self, turn: ReadTurn) -> AddTurn:
        session = turn.host_conversation
        return AddTurn(
            account=self._account,
            at=self._opened.clock(),
            host_conversation=host_hmac(self._host_key, "conversation", session),
            host_turn=host_hmac(self._host_key, "turn", session, turn.host_turn),
            role=turn.role,
            origin=turn.origin,
            surface=turn.surface,
            kind=turn.kind,
            narrow=turn.kept_out,
            content=encode(turn.content),
            host_project=self._project(turn.project) if turn.project else None,
            project_title=encode(Content(text=turn.project_title)) if turn.project_title else None,
        )

    def _project(self, name: str) -> bytes:
        return host_hmac(self._host_key, "project", name)

    def _conversation(self, session: str) -> UUID | None:
        name = host_hmac(self._host_key, "conversation", session)
        with transaction(self._opened.pool) as tx:
            rows = tables.load_conversations(tx, [], [(self._account, name)])
        return rows[0].conversation_id if rows else None

    def keep_out(self, session: str, out: bool) -> bool:
        conversation = self._conversation(session)
        if conversation is None:
            return False
        kind = Narrow if out else Widen
        verbs.apply_commands(
            self._opened,
            [kind(account=self._account, at=self._opened.clock(), conversation=conversation)],
        )
        return True

    def usable(self, session: str) -> Usable:
        conversation = self._conversation(session)
        if conversation is None:
            return Usable()
        explained = explanations.explain(self._opened, format_id(Prefix.conversation, conversation))
        assert isinstance(explained, explanations.ConversationSeen)
        answers_ = [answer for answer in explained.answers if answer.purpose == PURPOSE]
        usable = [answer for answer in answers_ if answer.use]
        first = next(iter(usable or answers_), None)
        scope, since = self._granted(conversation) if usable else (None, None)
        return Usable(
            turns=sum(answer.turns for answer in answers_),
            use=bool(usable),
            kept_out=explained.kept_out,
            because=first.because.value if first else "",
            until=min((answer.until for answer in usable if answer.until), default=None),
            scope=scope,
            since=since,
        )

    def _granted(self, conversation: UUID) -> tuple[ScopeKind | None, datetime | None]:
        """Returns the scope and the time of the grant that permits `PURPOSE`."""
        versions, now = load_policies(self._opened), self._opened.clock()
        question = versions.in_force(now).question_of(PURPOSE)
        with transaction(self._opened.pool) as tx:
            view = account_view.load_views(tx, [(self._account, conversation)], versions, now)[
                conversation
            ]
            number = None if question is None else view.state.grant_for(question, view.turns)
            grant = next((grant_ for grant_ in view.state.grants if grant_.number == number), None)
            if grant is None:
                return None, None
            began = account_choices.grant_times(tx, self._account, [grant.number])
        return grant.scope.kind, began.get(grant.number)

    def covers(self, session: str, project: str) -> bool:
        versions, now = load_policies(self._opened), self._opened.clock()
        names = {self._project(project)} if project else set[bytes]()
        with transaction(self._opened.pool) as tx:
            state = account_view.account_at(
                account_view.load_accounts(tx, [self._account])[self._account], versions, now
            ).account
            projects = tables.load_projects(tx, [], [(self._account, name) for name in names])
        conversation = self._conversation(session)
        scopes = {
            WHOLE_ACCOUNT,
            *(GrantScope(ScopeKind.project, row.project_id.hex) for row in projects),
        }
        if conversation is not None:
            scopes.add(GrantScope(ScopeKind.conversation, conversation.hex))
        return any(grant.scope in scopes for grant in state.grants)

    def questions(self) -> tuple[str, ...]:
        return load_policies(self._opened).in_force(self._opened.clock()).asks

    def allow(self, session: str, project: str, question: str) -> Allowed:
        if project:
            scope = ChosenScope(host_project=self._project(project))
        else:
            conversation = self._conversation(session)
            if conversation is None:
                raise NotFoundError(
                    "no turn of this session is recorded yet",
                    "send a prompt first, or allow its project",
                )
            scope = ChosenScope(conversation=conversation)
        yes = Choose(
            account=self._account,
            at=self._opened.clock(),
            allow=True,
            question=question,
            scope=scope,
            via="cli",
        )
        (done,) = verbs.apply_commands(self._opened, [yes])
        effect = done.answers[0].effect.value if done.answers else Effect.none.value
        return Allowed(question=question, effect=effect, because=done.because)

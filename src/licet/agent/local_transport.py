"""The transport to the installation on this machine, for hooks, the watcher and the person's own commands.

Its embedded database is not started for a hook: while it does not run, Licet counts as unreachable, and turns are recorded
later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from licet.agent.transport import PURPOSE, AccountAccess, Usable
from licet.config import Configuration
from licet.errors import BusyError, NotFoundError
from licet.intake.read_turn import ReadTurn
from licet.policy.decide import gate
from licet.service import answers as service_answers
from licet.store import embedded
from licet.store.connect import transaction
from licet.store.core_dumps import harden
from licet.vault import account_view, installation, tables, verbs
from licet.vault.commands import Narrow, Outcome, Say, Widen
from licet.vault.content import encode
from licet.vault.ids import Prefix, host_hmac, shown


@contextmanager
def nearby(config: Configuration, *, start: bool) -> Iterator[LocalTransport]:
    """The installation; BusyError if its embedded database does not run and must not be started."""
    if not start and not config.database_url and not embedded.status(config.data / "postgres").running:
        raise BusyError("the embedded database does not run", "`licet watch` or `licet db start` keeps it running")
    assert config.agent.account
    harden()
    installation.refuse_unmade(config)
    with installation.installation(config, installation.own_clock(config)) as here:
        yield LocalTransport(here, config.agent.account)


class LocalTransport:
    """Implements `transport.Transport`."""

    def __init__(self, here: installation.Installation, account: str) -> None:
        self._here, self._host_key = here, installation.host_key(here)
        with transaction(here.pool) as tx:
            found = account_view.account_by_host(tx, host_hmac(self._host_key, "account", account))
        if found is None:
            raise NotFoundError(f"no account `{account}`", "it is opened over the API, or by `licet import`")
        self._account = found

    def standing(self) -> AccountAccess:
        known, at = installation.policies(self._here), self._here.clock()
        with transaction(self._here.pool) as tx:
            state = account_view.brought(account_view.accounts(tx, [self._account])[self._account], known, at).account
        token = f"grant {state.grant}" if state.grant is not None else ""
        return AccountAccess(gate=gate(state, known, at).value, token=token)

    def send(self, turns: Sequence[ReadTurn]) -> list[str]:
        answers = verbs.tell(self._here, [self._say(turn) for turn in turns])
        taken = (Outcome.done, Outcome.duplicate)
        return ["" if a.outcome in taken else a.because or a.outcome.value for a in answers]

    def _say(self, turn: ReadTurn) -> Say:
        session = turn.host_conversation
        return Say(
            account=self._account, at=self._here.clock(),
            host_conversation=host_hmac(self._host_key, "conversation", session),
            host_turn=host_hmac(self._host_key, "turn", session, turn.host_turn),
            role=turn.role, origin=turn.origin, surface=turn.surface, kind=turn.kind, narrow=turn.kept_out,
            content=encode(turn.content),
        )  # fmt: skip

    def _conversation(self, session: str) -> UUID | None:
        name = host_hmac(self._host_key, "conversation", session)
        with transaction(self._here.pool) as tx:
            rows = tables.load_conversations(tx, [], [(self._account, name)])
        return rows[0].conversation_id if rows else None

    def keep_out(self, session: str, out: bool) -> bool:
        conversation = self._conversation(session)
        if conversation is None:
            return False
        kind = Narrow if out else Widen
        verbs.tell(self._here, [kind(account=self._account, at=self._here.clock(), conversation=conversation)])
        return True

    def usable(self, session: str) -> Usable:
        conversation = self._conversation(session)
        if conversation is None:
            return Usable()
        seen = service_answers.explain(self._here, shown(Prefix.conversation, conversation))
        assert isinstance(seen, service_answers.ConversationSeen)
        said = [one for one in seen.answers if one.purpose == PURPOSE]
        usable = [one for one in said if one.use]
        first = next(iter(usable or said), None)
        return Usable(
            turns=sum(one.turns for one in said), use=bool(usable), kept_out=seen.kept_out,
            because=first.because.value if first else "",
            until=min((one.until for one in usable if one.until), default=None),
        )  # fmt: skip

"""The way to the installation of this machine, for hooks, the watcher and the person's own commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from licet import service
from licet.cli.agent.ways import PURPOSE, Standing, Usable
from licet.cli.shell import opened
from licet.config import Config
from licet.errors import BusyError, NotFoundError
from licet.intake.reading import ReadTurn
from licet.policy.decide import gate
from licet.store import embedded
from licet.store.connect import transaction
from licet.vault import tables, view
from licet.vault.commands import Narrow, Outcome, Say, Widen
from licet.vault.content import encode
from licet.vault.ids import Prefix, host_hmac, shown


@contextmanager
def nearby(config: Config, *, start: bool) -> Iterator[Nearby]:
    """The installation; BusyError where its embedded database does not run and is not to be started."""
    if not start and not config.database_url and not embedded.status(config.data / "postgres").running:
        raise BusyError("the embedded database does not run", "`licet watch` or `licet db start` keeps it running")
    assert config.agent.account
    with opened(config.data) as here:
        yield Nearby(here, config.agent.account)


class Nearby:
    """What `ways.Way` promises."""

    def __init__(self, here: service.Installation, account: str) -> None:
        self._here, self._host_key = here, service.host_key(here)
        with transaction(here.pool) as tx:
            found = view.account_by_host(tx, host_hmac(self._host_key, "account", account))
        if found is None:
            raise NotFoundError(f"no account `{account}`", "it is opened over the API, or by `licet import`")
        self._account = found

    def standing(self) -> Standing:
        known, at = service.policies(self._here), self._here.clock()
        with transaction(self._here.pool) as tx:
            state = view.brought(view.accounts(tx, [self._account])[self._account], known, at).account
        token = f"grant {state.grant}" if state.grant is not None else ""
        return Standing(gate=gate(state, known, at).value, token=token)

    def send(self, turns: Sequence[ReadTurn]) -> list[str]:
        answers = service.tell(self._here, [self._say(turn) for turn in turns])
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
        service.tell(self._here, [kind(account=self._account, at=self._here.clock(), conversation=conversation)])
        return True

    def usable(self, session: str) -> Usable:
        conversation = self._conversation(session)
        if conversation is None:
            return Usable()
        seen = service.explain(self._here, shown(Prefix.conversation, conversation))
        assert isinstance(seen, service.ConversationSeen)
        said = [one for one in seen.answers if one.purpose == PURPOSE]
        usable = [one for one in said if one.use]
        first = next(iter(usable or said), None)
        return Usable(
            turns=sum(one.turns for one in said), use=bool(usable), kept_out=seen.kept_out,
            because=first.because.value if first else "",
            until=min((one.until for one in usable if one.until), default=None),
        )  # fmt: skip

"""Sends new turns of a transcript to Licet: each once, in their order, and only those that the
person permitted.

* What was there before the agent started is history: `licet import` imports it, with its times.
* A turn is sent under a permission only if that permission was seen in force before the turn was
  written, and is in force now. A turn from before a yes is dropped: it would be stamped as said
  under that yes. While Licet is unreachable, turns wait in the transcript and follow the same rule
  later.
* A turn that is written while the gate is closed is dropped: the person must decide first.
* A session that anybody wants kept out is kept out before anything further of it is sent. Nothing
  of an incognito session is sent.
* Whatever is read is counted: as recorded, or by the reason why not. What could not be read is told
  with its place.
* The mark moves after Licet has stored what precedes it. After a kill in between, the same turns
  are sent again, under the same ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from licet.agent.memory import AgentMemory, Session, TranscriptState
from licet.agent.project_file import LOCK, Narrowing, find_narrowing
from licet.agent.repository import repository
from licet.agent.transport import AccountAccess, Transport
from licet.errors import UsageError
from licet.intake.read_turn import BrokenRecord, Read, ReadTurn, SkippedRecord
from licet.intake.transcript_follower import ReadMark, end, follow

BATCH_TURNS_MAX = 500
BATCH_BYTES_MAX = 4 * 2**20
FILES_MAX = 100_000
SLACK_SECONDS = 60.0
LATE_SECONDS_MAX = 7 * 86_400.0
BY_PERSON = "you"


def go_on() -> bool:
    return True


class AgentRecorder:
    """The sessions of one account. ``now`` is the clock of the machine, which also set the times of
    the transcripts: it can exclude a turn, and never includes one.
    """

    def __init__(
        self,
        transport: Transport,
        state: AgentMemory,
        lock_file: Path | None,
        now: Callable[[], float],
        tell: Callable[[BrokenRecord], None] = lambda _broken: None,
    ) -> None:
        self._transport, self._state, self._now, self._tell = transport, state, now, tell
        self._locks = [LOCK, *([lock_file] if lock_file else [])]

    def observe(
        self, path: Path, standing: AccountAccess, *, listed: tuple[str, float] | None = None
    ) -> None:
        """Remembers the standing of the account, for what follows what a transcript already
        contains.

        ``listed``: the standing when the folder was last listed without this transcript, so that
        all of it is newer.
        """
        size, state = end(path), self._state.transcript(path)
        if state is None and (listed is not None or size == 0):
            token, at = listed or (standing.token, self._now())
            state = TranscriptState(token=token, since=at - SLACK_SECONDS)
        elif state is None:
            state = TranscriptState(
                mark=ReadMark(offset=size), token=standing.token, token_from=size, since=self._now()
            )
        if standing.is_newer_than(state.token):
            state = msgspec.structs.replace(state, token_from=size)
        state = msgspec.structs.replace(state, token=standing.token)
        if standing.may_write and state.shut:
            mark = state.mark._replace(offset=max(size, state.mark.offset))
            state = msgspec.structs.replace(state, mark=mark, token_from=size)
        self._state.save_transcript(
            path, msgspec.structs.replace(state, shut=not standing.may_write)
        )

    def observe_side(self, path: Path, session: Path, standing: AccountAccess) -> bool:
        """The same for the transcript of a subagent, which is first seen when it is complete;
        whether it is now known.

        It began after its session did. So it was written under a permission that was in force when
        the session began. Whether a permission that began in between covers it, only a watcher that
        saw the file begin can tell.
        """
        if self._state.transcript(path) is not None:
            self.observe(path, standing)
            return True
        state = self._state.transcript(session)
        if state is None or (
            standing.token and (standing.is_newer_than(state.token) or state.token_from > 0)
        ):
            return False
        self.observe(path, standing, listed=(state.token, state.since + SLACK_SECONDS))
        return True

    def record(
        self, path: Path, standing: AccountAccess, more: Callable[[], bool] = go_on
    ) -> Counter[str]:
        """Sends what was added to a transcript, while ``more`` says so; returns what became of the
        turns, by reason.
        """
        counts, state = Counter[str](), self._state.transcript(path)
        if state is None or state.shut:
            return counts
        for batch, mark in self._batches(path, state, standing, counts):
            self._send(batch, counts)
            state = msgspec.structs.replace(state, mark=mark)
            self._state.save_transcript(path, state)
            if not more():
                break
        return counts

    def poll(self, folder: Path, more: Callable[[], bool] = go_on) -> Counter[str]:
        """One pass over a folder of transcripts: what was added to each."""
        counts = Counter[str]()
        with self._state.exclusive():
            standing, at, listed = (
                self._transport.standing(),
                self._now(),
                self._state.last_listing(folder),
            )
            # none leads out of it
            found = (path for path in sorted(folder.rglob("*.jsonl")) if not path.is_symlink())
            paths = [path for path, _ in zip(found, range(FILES_MAX), strict=False)]
            for path in paths:
                self.observe(path, standing, listed=listed)
            self._state.list(folder, standing.token, at)
            for path in paths:
                if not more():
                    break
                state = self._state.transcript(path)
                if state is not None and end(path) != state.mark.offset:
                    counts += self.record(path, standing, more)
        return counts

    def narrowing(self, session: str, folder: str) -> Narrowing:
        """What is left out of a session that is active in a folder."""
        chosen = self._state.session(session)
        own = Narrowing(
            keep_out=chosen.keep_out,
            incognito=chosen.incognito,
            by=BY_PERSON if chosen.keep_out or chosen.incognito else "",
        )
        return find_narrowing(folder, self._locks, own)

    def _batches(
        self, path: Path, state: TranscriptState, standing: AccountAccess, counts: Counter[str]
    ) -> Iterator[tuple[list[ReadTurn], ReadMark]]:
        batch, size, mark = list[ReadTurn](), 0, state.mark
        latest = max(state.since, self._now() - LATE_SECONDS_MAX)
        for step in follow(path, state.mark):
            mark = step.mark
            self._count_unread(step.items, counts)
            for turn in (item for item in step.items if isinstance(item, ReadTurn)):
                if standing.token and step.start < state.token_from and self._may_be_covered(turn):
                    self._drop(turn, "said before the yes", counts)
                elif turn.at is not None and turn.at.timestamp() < latest:
                    self._drop(turn, "history", counts)
                else:
                    batch.append(turn)
                    size += len(turn.content.text) + sum(
                        len(call.arguments) for call in turn.content.tool_calls
                    )
            if len(batch) >= BATCH_TURNS_MAX or size >= BATCH_BYTES_MAX:
                yield batch, mark
                batch, size = [], 0
        if mark != state.mark:
            yield batch, mark

    def _count_unread(self, items: Sequence[Read], counts: Counter[str]) -> None:
        for item in items:
            if isinstance(item, BrokenRecord):
                counts["broken"] += 1
                self._tell(item)
            elif isinstance(item, SkippedRecord):
                counts[f"passed over: {item.reason}"] += 1

    def _may_be_covered(self, turn: ReadTurn) -> bool:
        """Whether the turn would be stamped as said under a grant: one for another project concerns
        it as little as none.
        """
        found = repository(turn.content.folder)
        return self._transport.covers(
            turn.host_conversation, found.name if found is not None else ""
        )

    def _drop(self, turn: ReadTurn, why: str, counts: Counter[str]) -> None:
        """Marks a turn as dropped, so that no later copy of it is taken for a new one."""
        self._state.claim([(_turn_key(turn), turn.host_conversation)])
        counts[why] += 1

    def _send(self, batch: Sequence[ReadTurn], counts: Counter[str]) -> None:
        own = self._state.claim([(_turn_key(turn), turn.host_conversation) for turn in batch])
        counts["copies"] += len(own) - sum(own)
        sent, kept_out = list[ReadTurn](), set[str]()
        for turn in (turn for turn, mine in zip(batch, own, strict=True) if mine):
            session = turn.host_conversation
            narrowed = self.narrowing(session, turn.content.folder)
            if narrowed.incognito:
                counts["incognito"] += 1
                continue
            sent.append(turn)
            if narrowed.keep_out:
                kept_out.add(session)
        sent = [_with_repository(turn, turn.host_conversation in kept_out) for turn in sent]
        for session in sorted(kept_out):
            self._keep_out(self._state.session(session))
        refused = self._send_or_split(sent)
        for session in sorted(kept_out):
            self._keep_out(self._state.session(session))
        counts["recorded"] += refused.count("")
        counts.update(f"refused: {why}" for why in refused if why)

    def _send_or_split(self, turns: Sequence[ReadTurn]) -> list[str]:
        """What the transport answers. A turn that it cannot take at all does not hold up the
        others.
        """
        try:
            return self._transport.send(turns) if turns else []
        except UsageError:
            if len(turns) == 1:
                return ["bad_request"]
            middle = len(turns) // 2
            return [*self._send_or_split(turns[:middle]), *self._send_or_split(turns[middle:])]

    def _keep_out(self, chosen: Session) -> None:
        """Has Licet keep out a session that it knows; an unknown session starts kept out."""
        if not chosen.is_sent and self._transport.keep_out(chosen.session, True):
            self._state.save_session(msgspec.structs.replace(chosen, is_sent=True))


def _with_repository(turn: ReadTurn, kept_out: bool) -> ReadTurn:
    """The turn with the repository that it was said in, which its session's first turn fixes."""
    found = repository(turn.content.folder)
    if found is None:
        return msgspec.structs.replace(turn, kept_out=kept_out)
    return msgspec.structs.replace(
        turn, kept_out=kept_out, project=found.name, project_title=found.title
    )


def _turn_key(turn: ReadTurn) -> str:
    return turn.host_turn.partition("#")[0]

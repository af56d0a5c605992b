"""Sends new turns of a transcript to Licet: each once, in order, and only under the person's
permission.

* Records from before the agent started are history: `licet import` imports them, with their times.
* A turn is sent under a grant only if the grant was seen in force before the turn was written, and
  is in force now. A turn from before a yes is dropped: it would be recorded as written under that
  yes. While Licet is unreachable, turns wait in the transcript and follow the same rule later.
* A turn written while the gate is closed is dropped: the person must decide first.
* An excluded session is kept out before any further turn of it is sent. No turn of an incognito
  session is sent.
* Every record is counted: as recorded, or by the reason why not. Unreadable records are reported
  with their place.
* The mark moves after Licet has stored the turns before it. After a crash in between, the same
  turns are sent again, with the same ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from licet.agent.memory import AgentMemory, Session, TranscriptState
from licet.agent.project_file import LOCK, Narrowing, find_narrowing
from licet.agent.repository import find_repository
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


def always() -> bool:
    return True


class AgentRecorder:
    """Records the sessions of one account. ``now`` is this machine's clock, like the transcripts'
    times: it can exclude a turn, never include one.
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
        """Stores the account's access for records after the transcript's present end. ``listed``:
        token and time of the last listing without this transcript, which is all newer.
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
        """Like `observe`, for a subagent's transcript, which is first seen complete; returns
        whether it can be recorded. It began after its session, so a grant in force since then
        covers it; a grant that began in between needs a watcher that saw the file begin.
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
        self, path: Path, standing: AccountAccess, more: Callable[[], bool] = always
    ) -> Counter[str]:
        """Sends the turns added to a transcript, while ``more()``; returns their outcomes'
        counts.
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

    def poll(self, folder: Path, more: Callable[[], bool] = always) -> Counter[str]:
        """Records the turns added to each transcript in a folder, in one pass."""
        counts = Counter[str]()
        with self._state.exclusive():
            standing, at, listed = (
                self._transport.standing(),
                self._now(),
                self._state.last_listing(folder),
            )
            # symbolic links could lead out of the folder
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
        """Returns the exclusion of a session that is active in a folder."""
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
        """Whether a grant may cover the turn: one for another project does not."""
        repository = find_repository(turn.content.folder)
        return self._transport.covers(
            turn.host_conversation, repository.name if repository is not None else ""
        )

    def _drop(self, turn: ReadTurn, why: str, counts: Counter[str]) -> None:
        """Counts a turn as dropped, and claims it so that a later copy is not taken for new."""
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
        """Sends turns, splitting a refused batch so that an invalid turn does not hold up the
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
        """Keeps a session out in Licet, if it knows the session; an unknown one starts kept out."""
        if not chosen.is_sent and self._transport.keep_out(chosen.session, True):
            self._state.save_session(msgspec.structs.replace(chosen, is_sent=True))


def _with_repository(turn: ReadTurn, kept_out: bool) -> ReadTurn:
    """Returns the turn with its repository; a session keeps the first one."""
    repository = find_repository(turn.content.folder)
    if repository is None:
        return msgspec.structs.replace(turn, kept_out=kept_out)
    return msgspec.structs.replace(
        turn, kept_out=kept_out, project=repository.name, project_title=repository.title
    )


def _turn_key(turn: ReadTurn) -> str:
    return turn.host_turn.partition("#")[0]

"""A person's data export: everything stored of them, as a zip that `licet import` can read.

    messages.jsonl   one conversation a line, in the shape of OpenAI's messages, with what Licet has to know of it
    choices.csv      every choice, one a question that it answered, with its scope, what a no kept, why it had no effect, and
                     its evidence
    accounts.csv     the account
    projects.csv     its projects, and since when each is kept out
    safety_copies.jsonl  what the safety team keeps of a flagged conversation, a copy a line, also where its text is gone
    feedback.jsonl   every feedback that is kept, with what it shares
    learnt.csv       the models trained on each conversation
    suggestions.csv  suggestions of misuse by a classifier or a person, and what was decided
    requests.jsonl   every rights request, with its dates, steps and texts
    recipients.csv   recipients of the person's rows, recalls, and their answers
    licet.json       what the zip is, and the person's region, if known
    index.html       everything as pages, for a browser; chats/ has a page for each conversation
    feedback.html, safety_copies.html  the same as the files of that name
    receipts/ ..     the receipts of the choices and what it takes to check them, as `licet.proof.papers` says

Projects and conversations are named by Licet's ids, as in `project:proj_..`. The zip is streamed,
never a file. A conversation that was ever kept out, or partly not covered by the terms, is imported
as kept out. Deleted content is left out, except safety copies, which a deletion does not shorten;
they are for reading and are not imported.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec

from licet.consent import feedback, history, request_register, rights_requests, takeout_pages
from licet.consent.catalogue import Catalogue, catalogue
from licet.consent.choices import Evidence
from licet.consent.history import ChoiceMade, OwnProject
from licet.consent.rights_requests import SeenRequest
from licet.consent.takeout_pages import IndexFacts
from licet.errors import NotFoundError
from licet.keys.keyring import Keyring
from licet.policy.file import Policies
from licet.policy.period import rfc3339
from licet.policy.state import TurnRole, TurnState
from licet.store.connect import Transaction
from licet.vault import account_region, account_view
from licet.vault.content import Content
from licet.vault.ids import Prefix, format_id, format_turn_id
from licet.vault.permit import Permit, contents_by_turn
from licet.vault.permit import open as open_content
from licet.vault.safety_copies import copied_turns
from licet.vault.tables import AccountRow

FORMAT = "licet-takeout-1"
# The files that an import reads.
ABOUT = "licet.json"
ACCOUNTS = "accounts.csv"
CHOICES = "choices.csv"
MESSAGES = "messages.jsonl"
FEEDBACK = "feedback.jsonl"
BATCH_CONVERSATIONS_MAX = 50
OPENED_TURNS_MAX = 500

Transactions = Callable[[], AbstractContextManager[Transaction]]
_Turns = Sequence[tuple[TurnState, datetime | None]]  # in the order of their numbers


class Takeout(msgspec.Struct, frozen=True, kw_only=True):
    """``licet.json`` of a zip."""

    format: str
    account: str
    taken_at: str
    policy: str
    region: str | None = None


class _ZipBuffer(io.RawIOBase):
    """Collects a zip's bytes until they are taken: a file without seek."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 any buffer, as io has it
        self._written += data
        return len(data)

    def take(self) -> bytes:
        written_now, self._written = bytes(self._written), bytearray()
        return written_now


def takeout(
    transactions: Transactions,
    keyring: Keyring,
    policies: Policies,
    account: UUID,
    now: datetime,
    papers: Sequence[tuple[str, bytes]] = (),
    words: Catalogue | None = None,
) -> Iterator[bytes]:
    """Streams the zip; NotFoundError, before the first piece, for an unknown account.

    ``papers`` are further files to include: receipts, and recipients of its rows. ``words`` is the
    language of the pages.
    """
    words = words or catalogue()
    with transactions() as tx:
        row = account_view.load_accounts(tx, [account]).get(account)
        if row is None:
            raise NotFoundError("no such account")
        choices = history.load_history(tx, keyring, account).choices
        within = history.list_projects(tx, keyring, account)
        region = account_region.load_regions(tx, [account])[account]
        suggested = _suggestion_rows(tx, account)
        learnt = _learnt_rows(tx, account)
    name, version = format_id(Prefix.account, account), policies.in_force(now).version
    about = Takeout(
        format=FORMAT, account=name, taken_at=rfc3339(now), policy=version, region=region
    )
    files = [
        (ABOUT, msgspec.json.encode(about)),
        (ACCOUNTS, _csv(["account", "plan", "age", "opened"], [_account_row(name, row)])),
        (CHOICES, _csv(_CHOICE, _choice_rows(name, choices))),
        ("projects.csv", _csv(["project", "title", "begun", "kept_out"], _project_rows(within))),
        (
            "suggestions.csv",
            _csv(["conversation", "time", "score", "model", "decision", "decided"], suggested),
        ),
        (
            "learnt.csv",
            _csv(["model", "finished", "release", "purpose", "conversation", "rows"], learnt),
        ),
        *papers,
    ]
    context = (transactions, keyring, policies, account, now)
    streams: list[tuple[str, Iterator[bytes]]] = [
        (MESSAGES, conversation_lines(*context)),
        ("safety_copies.jsonl", safety_copies(*context)),
        (FEEDBACK, feedback_lines(*context)),
        ("requests.jsonl", request_lines(*context)),
        (takeout_pages.FEEDBACK, takeout_pages.feedback(words, feedback_lines(*context))),
        (takeout_pages.COPIES, takeout_pages.safety_copies(words, safety_copies(*context))),
    ]
    facts = IndexFacts(
        taken_at=now,
        plan=row.state.plan,
        files=(*(name for name, _ in files), *(name for name, _ in streams[:4])),
        lines={
            "settings.record": tuple(_describe_choice(words, choice) for choice in choices),
            "rights.requests": tuple(_describe_requests(words, request_lines(*context))),
            "learnt.title": tuple(
                f"{model}, {release}, {when}" for model, when, release, *_ in learnt
            ),
        },
    )
    return _pieces(files, streams, _pages(words, facts, conversation_lines(*context)))


def _account_row(name: str, row: AccountRow) -> list[Any]:
    state = row.state
    return [
        name,
        state.plan,
        "" if state.age is None else state.age,
        rfc3339(state.opened_at),
    ]


def _learnt_rows(tx: Transaction, account: UUID) -> list[list[Any]]:
    return [
        [
            model.model,
            rfc3339(model.finished_at),
            model.release,
            model.purpose,
            format_id(Prefix.conversation, model.conversation),
            model.rows,
        ]
        for model in history.list_consumed(tx, account)
    ]


def _describe_choice(words: Catalogue, choice: ChoiceMade) -> str:
    """A choice in words, for the index."""
    answer = words.say("answer.yes" if choice.allow else "answer.no")
    effect = words.say(f"effect.{choice.effect}")
    question = (
        words.question(choice.question)
        if choice.question is not None
        else words.say("question.training")
    )
    return (
        f"{words.moment(choice.at)}: "
        f"{words.say('timeline.choice', question=question, answer=answer, effect=effect)}"
    )


def _pages(
    words: Catalogue, facts: IndexFacts, chunks: Iterator[bytes]
) -> Iterator[tuple[str, bytes]]:
    """A page for each line of `messages.jsonl`, at last the index."""
    links = []
    for line in chunks:
        link, made = takeout_pages.conversation(words, msgspec.json.decode(line))
        links.append(link)
        yield link.href, made
    yield takeout_pages.INDEX, takeout_pages.index(words, facts, links)


_CHOICE = [
    "account",
    "time",
    "allow",
    "question",
    "scope",
    "keep",
    "because",
    "version",
    "channel",
    "evidence",
]


def _choice_rows(name: str, choices: Sequence[ChoiceMade]) -> list[list[object]]:
    """Each choice, oldest first."""
    scopes = {
        choice.grant: _scope(choice.project, choice.conversation)
        for choice in choices
        if choice.grant is not None
    }
    return [
        [
            name,
            rfc3339(choice.at),
            "true" if choice.allow else "false",
            choice.question or "",
            _scope(choice.project, choice.conversation),
            "|".join(filter(None, (scopes.get(grant, "") for grant in choice.kept))),
            choice.because or "",
            choice.version,
            choice.via,
            _evidence(choice.unsealed),
        ]
        for choice in reversed(choices)
    ]


def _scope(project: UUID | None, conversation: UUID | None) -> str:
    """A scope in the format of `licet import`, empty for the account."""
    if conversation is not None:
        return f"conversation:{format_id(Prefix.conversation, conversation)}"
    return "" if project is None else f"project:{format_id(Prefix.project, project)}"


def _project_rows(projects: Sequence[OwnProject]) -> list[list[object]]:
    return [
        [
            format_id(Prefix.project, project.project),
            project.title,
            rfc3339(project.begun_at),
            rfc3339(project.kept_out_at) if project.kept_out_at else "",
        ]
        for project in projects
    ]


def _suggestion_rows(tx: Transaction, account: UUID) -> list[list[object]]:
    """Each suggestion. Its score is the person's data even if undecided; the deciding member of
    staff is not.
    """
    return [
        [
            format_id(Prefix.conversation, suggestion.conversation),
            rfc3339(suggestion.suggested_at),
            "" if suggestion.score is None else f"{suggestion.score:.4f}",
            "" if suggestion.model is None else suggestion.model.hex(),
            suggestion.decision or "",
            rfc3339(suggestion.decided_at) if suggestion.decided_at else "",
        ]
        for suggestion in history.list_suggestions(tx, account)
    ]


def _evidence(evidence: Evidence | None) -> str:
    return msgspec.json.encode(evidence).decode() if evidence is not None else ""


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


def _pieces(
    files: Sequence[tuple[str, bytes]],
    streams: Sequence[tuple[str, Iterator[bytes]]],
    pages: Iterator[tuple[str, bytes]],
) -> Iterator[bytes]:
    out = _ZipBuffer()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
            yield out.take()
        for name, lines in streams:
            with archive.open(name, "w", force_zip64=True) as file:
                for line in lines:
                    file.write(line)
                    yield out.take()
        for name, content in pages:
            archive.writestr(name, content)
            yield out.take()
    yield out.take()


def conversation_lines(
    transactions: Transactions, keyring: Keyring, policies: Policies, account: UUID, now: datetime
) -> Iterator[bytes]:
    """One line a conversation, oldest first; a bounded number are unsealed at a time."""
    after: UUID | None = None
    while True:
        with transactions() as tx:
            ids = account_view.conversation_ids(
                tx, account, BATCH_CONVERSATIONS_MAX, after=after, deleted=False
            )
            views = account_view.load_views(
                tx, [(account, conversation) for conversation in ids], policies, now
            )
            made = list(_lines(tx, keyring, [views[conversation] for conversation in ids], now))
        yield from made
        if len(ids) < BATCH_CONVERSATIONS_MAX:
            return
        after = ids[-1]


def _lines(
    tx: Transaction, keyring: Keyring, views: Sequence[account_view.AccountView], now: datetime
) -> Iterator[bytes]:
    """The line of each conversation of an account; none if nothing of it can be unsealed any
    more.
    """
    if not views:
        return
    account = views[0].account.account_id
    stored = account_view.stored_turns(tx, account, [v.conversation.conversation_id for v in views])
    readable = [
        (view, turns)
        for view in views
        for turns in [_readable(view, stored[view.conversation.conversation_id], now)]
        if any(turn.number > 0 for turn, _ in turns)
    ]
    permits = (
        Permit.to_owner(
            view.account, view.conversation, view.turns, turn.segment, [turn.number], now
        )
        for view, turns in readable
        for turn, _ in turns
    )
    contents = (
        content
        for batch in iter(lambda: list(islice(permits, OPENED_TURNS_MAX)), [])
        for opened in open_content(tx, keyring, batch)
        for content in opened.contents
    )
    for view, turns in readable:
        yield _line(view, turns, list(islice(contents, len(turns))))


def _line(view: account_view.AccountView, turns: _Turns, contents: Sequence[Content]) -> bytes:
    row = view.conversation
    opened = {turn.number: content for (turn, _), content in zip(turns, contents, strict=True)}
    messages = [
        _message(row.conversation_id, t, turn_at, opened[t.number])
        for t, turn_at in turns
        if t.number > 0
    ]
    title = opened.get(0)
    line = {
        "conversation_id": format_id(Prefix.conversation, row.conversation_id),
        "account": format_id(Prefix.account, row.account_id),
        "title": title.text if title else None,
        "surface": view.turns.segments[-1].stamp.surface,
        "kind": view.turns.kind.value,
        "project": format_id(Prefix.project, UUID(hex=view.turns.project))
        if view.turns.project
        else None,
        "incognito": view.turns.incognito,
        "kept_out": view.turns.narrowed or view.turns.narrowings > 0,
        "messages": messages,
    }
    return msgspec.json.encode(line) + b"\n"


def _readable(view: account_view.AccountView, stored: _Turns, now: datetime) -> _Turns:
    """The stored turns that the person may read; turn 0 is the title."""
    keys = view.conversation.keys
    return [
        (turn, turn_at)
        for turn, turn_at in stored
        if Permit.readable(view.turns, turn.segment, now)
        and keys[turn.segment].key_slot is not None
    ]


def _message(
    conversation: UUID, turn: TurnState, turn_at: datetime | None, content: Content
) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"type": "file", "filename": name} for name in content.attachments
    ]
    message: dict[str, Any] = {
        "id": format_turn_id(conversation, turn.number),
        "role": turn.role.value,
        "origin": turn.origin,
        "created_at": rfc3339(turn_at) if turn_at else None,
        "content": [{"type": "text", "text": content.text}, *parts] if parts else content.text,
    }
    if content.tool_calls:
        message["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in content.tool_calls
        ]
    if content.tools:
        message["tools"] = content.tools
    if turn.role is TurnRole.tool:
        message |= {"tool_call_id": content.tool_call_id, "name": content.tool_name}
    return message


def safety_copies(
    transactions: Transactions, keyring: Keyring, policies: Policies, account: UUID, now: datetime
) -> Iterator[bytes]:
    """One line a conversation with a readable safety copy, oldest first."""
    after: UUID | None = None
    while True:
        with transactions() as tx:
            ids = account_view.copied_conversation_ids(
                tx, account, now, BATCH_CONVERSATIONS_MAX, after=after
            )
            views = account_view.load_views(
                tx,
                [(account, conversation) for conversation in ids],
                policies,
                now,
                with_turns=True,
            )
            made = [_safety_copy(tx, keyring, views[conversation], now) for conversation in ids]
        yield from made
        if len(ids) < BATCH_CONVERSATIONS_MAX:
            return
        after = ids[-1]


def _safety_copy(
    tx: Transaction, keyring: Keyring, view: account_view.AccountView, now: datetime
) -> bytes:
    row, state = view.conversation, view.turns
    copied = copied_turns(tx, row.account_id, row.conversation_id)
    turns = [
        turn for turn in view.turn_states if turn.number in copied and _is_kept(view, turn, now)
    ]
    messages: list[dict[str, Any]] = []
    for start in range(0, len(turns), OPENED_TURNS_MAX):
        batch = turns[start : start + OPENED_TURNS_MAX]
        permits = [
            Permit.of_safety_copy(view.account, row, state, turn.segment, [turn.number], now)
            for turn in batch
        ]
        opened = contents_by_turn(open_content(tx, keyring, permits))
        messages += [
            {
                "id": format_turn_id(row.conversation_id, turn.number),
                "role": turn.role.value,
                "text": opened[turn.number].text,
            }
            for turn in batch
        ]
    line = {
        "conversation": format_id(Prefix.conversation, row.conversation_id),
        "kept_until": rfc3339(state.safety_until) if state.safety_until else None,
        "copied": messages,
    }
    return msgspec.json.encode(line) + b"\n"


def _is_kept(view: account_view.AccountView, turn: TurnState, now: datetime) -> bool:
    until = view.turns.segments[turn.segment].safety_until
    return (
        view.conversation.keys[turn.segment].safety_slot is not None
        and until is not None
        and now < until
    )


def feedback_lines(
    transactions: Transactions, keyring: Keyring, policies: Policies, account: UUID, now: datetime
) -> Iterator[bytes]:
    """One line a stored feedback, newest first."""
    before: UUID | None = None
    while True:
        with transactions() as tx:
            page = feedback.list_feedback(
                tx, keyring, policies, account, now, before=before, limit=BATCH_CONVERSATIONS_MAX
            )
        for item in page.given:
            row = item.row
            line = {
                "feedback": item.shown_id,
                "conversation": format_id(Prefix.conversation, row.conversation),
                "turn": row.turn,
                "rating": row.rating,
                "check": row.check,
                "score": row.score,
                "share": row.state.share.value,
                "given": rfc3339(row.given_at),
                "taken_back": rfc3339(row.taken_back_at) if row.taken_back_at else None,
                "kept_until": rfc3339(item.keep_until) if item.keep_until else None,
                "comment": item.shared.comment,
                "shared": [
                    {"turn": number, "text": content.text} for number, content in item.shared.turns
                ],
            }
            yield msgspec.json.encode(line) + b"\n"
        if page.next is None:
            return
        before = page.next


def request_lines(
    transactions: Transactions, keyring: Keyring, policies: Policies, account: UUID, now: datetime
) -> Iterator[bytes]:
    """One line a rights request, newest first, with its steps and texts."""
    before: UUID | None = None
    while True:
        with transactions() as tx:
            rows = request_register.list_by_account(
                tx, account, BATCH_CONVERSATIONS_MAX, before=before
            )
            opened = [rights_requests.open_request(tx, keyring, row) for row in rows]
        for request in opened:
            yield (
                msgspec.json.encode(rights_requests.detail(request, now, for_staff=False)) + b"\n"
            )
        if len(rows) < BATCH_CONVERSATIONS_MAX:
            return
        before = rows[-1].request


def _describe_requests(words: Catalogue, lines: Iterator[bytes]) -> Iterator[str]:
    """Each request in words, for the index: its kind, date and texts."""
    for line in lines:
        request = msgspec.json.decode(line, type=SeenRequest)
        right = words.say(f"rights.kind.{request.kind.value}")
        written_in = [step.words for step in request.steps if step.words]
        yield ": ".join(
            [words.say("request.of", right=right, day=words.day(request.received_at)), *written_in]
        )

"""Notice views (showings): what was shown to an account, recorded apart from its answers.

A row names the notice (its exact bytes, by hash), page, time, browser signal, and what was
pre-selected: `none`, enforced by the table. Putting the notice off is recorded in the row; it is
not a choice, and no row makes anything usable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import msgspec

from licet.consent.notice import PublishedNotice, Variant
from licet.errors import NotFoundError
from licet.ledger import outbox
from licet.store.connect import Transaction
from licet.vault import account_choices
from licet.vault.account_choices import NewestChoice
from licet.vault.commands import ShownQuestion
from licet.vault.ids import uuid7

DEFAULT_STATE = "none"
SAME_MINUTES = 10
COUNTED_MAX = 20_000  # showings of a notice that are looked at


class ShownOn(StrEnum):
    """The page that showed it."""

    notice = "notice"
    signup = "signup"
    settings = "settings"
    host = "host"


class ShowingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One showing. ``markup`` is the SHA-256 of the question's markup on Licet's own pages.

    ``number`` is the policy version, ``after_seq`` the account's newest choice at that moment, 0
    for none.
    """

    shown_id: UUID
    notice_id: UUID
    sha256: bytes
    language: str
    variant: Variant
    default_state: str
    place: ShownOn
    surface: str
    gpc: bool
    markup: bytes | None
    shown_at: datetime
    put_off_at: datetime | None
    number: int
    after_seq: int

    @property
    def question(self) -> ShownQuestion:
        """The reference to this showing in a choice."""
        return ShownQuestion(showing=self.shown_id, after=self.after_seq, version=self.number)


class NoticeShowings(msgspec.Struct, frozen=True, kw_only=True):
    """Outcomes of the newest ``shown`` showings of a notice; ``more``: there are others."""

    shown: int
    answered: int
    put_off: int
    more: bool
    first_at: datetime | None
    last_at: datetime | None


def count_by_notice(tx: Transaction, notice_id: UUID) -> NoticeShowings:
    """The newest `COUNTED_MAX` showings of a notice: how many led to an answer, and how many were
    put off.
    """
    row = tx.execute(
        """SELECT count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM choices c
                  WHERE c.account_id = s.account_id AND c.shown_id = s.shown_id)),
                  count(s.put_off_at), min(s.shown_at), max(s.shown_at)
             FROM (SELECT * FROM shown WHERE notice_id = %s ORDER BY shown_at DESC LIMIT %s) s""",
        [notice_id, COUNTED_MAX + 1],
    ).fetchone()
    assert row is not None
    shown, answered, put_off, first_at, last_at = row
    return NoticeShowings(
        shown=min(shown, COUNTED_MAX),
        answered=answered,
        put_off=put_off,
        more=shown > COUNTED_MAX,
        first_at=first_at,
        last_at=last_at,
    )


def newest_answers(tx: Transaction, account: UUID) -> dict[str, NewestChoice]:
    """The account's newest answer to each question, for the whole account."""
    return {
        question: made
        for (_, question), made in account_choices.newest_by_question(tx, [account]).items()
    }


def newest_number(answers: Mapping[str, NewestChoice]) -> int:
    """The number of the newest of these answers, 0 for none."""
    return max((choice.seq for choice in answers.values()), default=0)


def record(
    tx: Transaction,
    account: UUID,
    notice: PublishedNotice,
    *,
    place: ShownOn,
    surface: str,
    gpc: bool,
    now: datetime,
    after: int,
    random: Callable[[int], bytes],
    markup: bytes | None = None,
) -> UUID:
    """Records that ``notice`` was shown and returns the showing's id; reloads within minutes count
    as one.

    ``after`` is the newest choice that the page reflects, read before anything else on it.
    """
    known = tx.execute(
        """SELECT shown_id FROM shown
            WHERE account_id = %s AND notice_id = %s AND place = %s AND surface = %s AND gpc = %s
              AND markup_sha256 IS NOT DISTINCT FROM %s AND put_off_at IS NULL AND shown_at > %s
                AND after_seq = %s
            ORDER BY shown_at DESC LIMIT 1""",
        [
            account,
            notice.notice_id,
            place.value,
            surface,
            gpc,
            markup,
            now - timedelta(minutes=SAME_MINUTES),
            after,
        ],
    ).fetchone()
    if known is not None:
        return UUID(bytes=known[0].bytes)
    shown_id = uuid7(now, random(10))
    tx.execute(
        """INSERT INTO shown (account_id, shown_id, notice_id, place, surface, default_state, gpc,
                              markup_sha256,
                              shown_at, after_seq)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            account,
            shown_id,
            notice.notice_id,
            place.value,
            surface,
            DEFAULT_STATE,
            gpc,
            markup,
            now,
            after,
        ],
    )
    outbox.append(tx, [_entry(account, shown_id, notice, place, gpc=gpc, now=now)])
    return shown_id


def _entry(
    account: UUID,
    shown_id: UUID,
    notice: PublishedNotice,
    place: ShownOn,
    *,
    gpc: bool,
    now: datetime,
) -> outbox.Entry:
    facts: dict[str, str | int | bool | None] = {
        "showing": shown_id.hex,
        "number": notice.number,
        "sha256": notice.sha256.hex(),
        "place": place.value,
        "default_state": DEFAULT_STATE,
        "gpc": gpc,
    }
    kind = outbox.EntryKind.notice_shown
    return outbox.Entry(kind=kind, occurred_at=now, account=account, facts=facts)


def get(tx: Transaction, account: UUID, shown_id: UUID) -> ShowingRecord:
    """A showing of the account's own; NotFoundError for any other id."""
    showings = _select(tx, "WHERE s.account_id = %s AND s.shown_id = %s", [account, shown_id])
    if not showings:
        raise NotFoundError(f"no showing `{shown_id.hex}`")
    return showings[0]


def find(tx: Transaction, account: UUID, text: str) -> ShowingRecord | None:
    """The account's showing with the reference ``text``, as hosts and forms have it; None for any
    other text.
    """
    try:
        named = UUID(hex=text) if len(text) == 32 else None
    except ValueError:
        named = None
    showings = (
        _select(tx, "WHERE s.account_id = %s AND s.shown_id = %s", [account, named])
        if named is not None
        else []
    )
    return showings[0] if showings else None


def list_by_account(tx: Transaction, account: UUID, *, limit: int) -> list[ShowingRecord]:
    """The account's showings, newest first."""
    return _select(
        tx,
        "WHERE s.account_id = %s ORDER BY s.shown_at DESC, s.shown_id DESC LIMIT %s",
        [account, limit],
    )


def put_off(tx: Transaction, account: UUID, shown_id: UUID, now: datetime) -> ShowingRecord:
    """Records that the notice of a showing was put off; idempotent."""
    changed = tx.execute(
        """UPDATE shown SET put_off_at = greatest(%s, shown_at)
            WHERE account_id = %s AND shown_id = %s AND put_off_at IS NULL RETURNING shown_id""",
        [now, account, shown_id],
    ).fetchone()
    if changed is not None:
        facts: dict[str, str | int | bool | None] = {"showing": shown_id.hex}
        kind = outbox.EntryKind.notice_put_off
        outbox.append(tx, [outbox.Entry(kind=kind, occurred_at=now, account=account, facts=facts)])
    return get(tx, account, shown_id)


# When the account `%(account)s` last put off a notice about the policy version `%(number)s`, in a
# statement.
LAST_PUT_OFF = """SELECT max(s.put_off_at) FROM shown s JOIN notices n USING (notice_id)
                   WHERE s.account_id = %(account)s AND n.version = %(number)s"""


def _select(tx: Transaction, clauses: str, params: Sequence[object]) -> list[ShowingRecord]:
    rows = tx.execute(
        f"""SELECT s.shown_id, s.notice_id, n.sha256, n.language, n.variant, s.default_state,
                   s.place, s.surface, s.gpc,
                   s.markup_sha256, s.shown_at, s.put_off_at, n.version, s.after_seq
              FROM shown s JOIN notices n USING (notice_id) {clauses}""",
        params,
    ).fetchall()
    return [
        msgspec.convert(dict(zip(ShowingRecord.__struct_fields__, row, strict=True)), ShowingRecord)
        for row in rows
    ]


def record_signal(tx: Transaction, account: UUID, *, gpc: bool, now: datetime) -> None:
    """Records a change of the account's browser signal (`Sec-GPC`): evidence, not a choice."""
    row = tx.execute(
        "SELECT gpc FROM signals WHERE account_id = %s ORDER BY occurred_at DESC LIMIT 1", [account]
    ).fetchone()
    if (row[0] if row else False) != gpc:
        tx.execute(
            "INSERT INTO signals (account_id, occurred_at, gpc) VALUES (%s, %s, %s) ON "
            "CONFLICT DO NOTHING",
            [account, now, gpc],
        )


def list_signals(tx: Transaction, account: UUID, *, limit: int) -> list[tuple[datetime, bool]]:
    """The changes of the signal, newest first."""
    rows = tx.execute(
        "SELECT occurred_at, gpc FROM signals WHERE account_id = %s ORDER BY occurred_at "
        "DESC LIMIT %s",
        [account, limit],
    ).fetchall()
    return [(at, gpc) for at, gpc in rows]

"""An account's consent history, for its person: choices with evidence, releases that hold its rows,
models trained on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import asdict

from licet.consent import notice_views
from licet.consent.acts import evidence_of
from licet.consent.choices import Evidence
from licet.consent.notice_views import ShowingRecord
from licet.keys.keyring import Keyring
from licet.keys.material import AccountKeys, account_place, unseal
from licet.masked import Masked
from licet.store.connect import Transaction
from licet.store.rows import select
from licet.vault import account_choices, account_journal, policy_versions, tables
from licet.vault.account_choices import StoredChoice
from licet.vault.account_journal import JournalEvent
from licet.vault.content import decode

RECORDS_MAX = 1_000


class ChoiceMade(StoredChoice, frozen=True, kw_only=True):
    """A recorded choice with its evidence ``unsealed``; None if its key is destroyed, or another
    component wrote it in a format of its own.
    """

    unsealed: Evidence | None


class OwnProject(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A project of an account with its title, and since when it is kept out."""

    project: UUID
    title: str
    begun_at: datetime
    kept_out_at: datetime | None


class HoldingRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A release that holds rows of an account."""

    name: str
    purpose: str
    sealed_at: datetime
    rows: int
    conversations: int


class ConsumedBy(msgspec.Struct, frozen=True, kw_only=True):
    """A model trained on rows of an account: what a run consumed before a withdrawal stays
    consumed.
    """

    model: str
    release: str
    purpose: str
    finished_at: datetime
    retired_at: datetime | None
    conversation: UUID
    rows: int


def group_by_model(consumed: Iterable[ConsumedBy]) -> list[list[ConsumedBy]]:
    """Consumed rows grouped by model and release, in the order of the input."""
    runs: dict[tuple[str, str, datetime], list[ConsumedBy]] = {}
    for model in consumed:
        runs.setdefault((model.model, model.release, model.finished_at), []).append(model)
    return list(runs.values())


class ChoiceHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The full consent record of an account, newest first."""

    choices: tuple[ChoiceMade, ...]
    shown: tuple[ShowingRecord, ...]
    signals: tuple[tuple[datetime, bool], ...]
    terms: tuple[tuple[datetime, str], ...]
    holdings: tuple[HoldingRelease, ...]
    consumed: tuple[ConsumedBy, ...]


def load_history(tx: Transaction, keyring: Keyring, account: UUID) -> ChoiceHistory:
    """Loads the record; the evidence of each choice is unsealed, for its own person."""
    return ChoiceHistory(
        choices=tuple(_choices(tx, keyring, account)),
        shown=tuple(notice_views.list_by_account(tx, account, limit=RECORDS_MAX)),
        signals=tuple(notice_views.list_signals(tx, account, limit=RECORDS_MAX)),
        terms=tuple(_terms(tx, account)),
        holdings=tuple(list_holdings(tx, account)),
        consumed=tuple(list_consumed(tx, account)),
    )


def _choices(tx: Transaction, keyring: Keyring, account: UUID) -> list[ChoiceMade]:
    made = account_choices.list_by_account(tx, account, newest_first=True, limit=RECORDS_MAX)
    keys = keyring.account_keys(tx, [account]).get(account)
    return [
        ChoiceMade(**asdict(choice), unsealed=evidence_of(choice, account, keys)) for choice in made
    ]


def list_projects(tx: Transaction, keyring: Keyring, account: UUID) -> list[OwnProject]:
    """The account's projects, oldest first, with the titles that can be unsealed."""
    keys = keyring.account_keys(tx, [account]).get(account)
    return [
        OwnProject(
            project=project.project_id,
            title=unseal_title(project.title, account, keys),
            begun_at=project.begun_at,
            kept_out_at=project.kept_out_at,
        )
        for project in tables.projects_of(tx, account)
    ]


def unseal_title(sealed: bytes | None, account: UUID, keys: AccountKeys | None) -> str:
    """The title of a project; empty if it has none or its key is destroyed."""
    if sealed is None or keys is None:
        return ""
    return decode(unseal(keys.own, sealed, account_place(account))).text


def _terms(tx: Transaction, account: UUID) -> list[tuple[datetime, str]]:
    rows = tx.execute(
        "SELECT accepted_at, version FROM terms WHERE account_id = %s ORDER BY accepted_at DESC",
        [account],
    ).fetchall()
    named = policy_versions.names(tx)
    return [(at, named[number]) for at, number in rows]


# Sealed releases only: an unfinished build may be discarded.
_HOLDING = """FROM release_rows x JOIN releases r USING (release_id)
    WHERE x.account_id = %(account)s AND (%(of)s::uuid[] IS NULL
      OR x.conversation_id = ANY(%(of)s::uuid[]))
      AND r.state = 'sealed'"""


def list_holdings(tx: Transaction, account: UUID) -> list[HoldingRelease]:
    """The sealed releases that hold rows of the account, newest first."""
    return select(
        tx,
        HoldingRelease,
        f"""SELECT r.name, r.purpose, r.sealed_at, count(*) AS rows,
            count(DISTINCT x.conversation_id) AS conversations
            {_HOLDING} GROUP BY r.release_id, r.name, r.purpose, r.sealed_at
              ORDER BY r.sealed_at DESC""",
        {"account": account, "of": None},
    )


CHUNK_ROWS = 2_048  # the bits of one row of `model_rows`
CONSUMED_MAX = 10_000


def learnt_rows(by: str) -> str:
    """A query for ``by`` and `rows`: how many rows of an account, or of some of its conversations,
    each model consumed. A model stores one bit per row of a release (`train.lineage`), looked up by
    release and the row's chunk: joining the sets would read every chunk. Its parameters are
    `account`, `of` and `chunk`.
    """
    return f"""SELECT {by}, count(*)::int AS rows
                 FROM release_rows r
                CROSS JOIN LATERAL (SELECT b.model_id FROM model_rows b
                       WHERE b.release_id = r.release_id AND b.chunk = r.ordinal / %(chunk)s::int
                         AND get_bit(b.bits, r.ordinal %% %(chunk)s::int) = 1 OFFSET 0) b
                WHERE r.account_id = %(account)s
                  AND (%(of)s::uuid[] IS NULL OR r.conversation_id = ANY(%(of)s::uuid[]))
                GROUP BY {by}"""


def list_consumed(
    tx: Transaction, account: UUID, conversations: Sequence[UUID] | None = None
) -> list[ConsumedBy]:
    """The models trained on the account's rows, newest first, by conversation."""
    return select(
        tx,
        ConsumedBy,
        f"""SELECT m.name AS model, l.name AS release, l.purpose, m.finished_at, m.retired_at,
                  c.conversation_id AS conversation, c.rows
             FROM ({learnt_rows("b.model_id, r.conversation_id")}) c
             JOIN models m USING (model_id) JOIN releases l USING (release_id)
            ORDER BY m.finished_at DESC, m.model_id, c.conversation_id LIMIT %(limit)s""",
        {
            "account": account,
            "chunk": CHUNK_ROWS,
            "limit": CONSUMED_MAX,
            "of": list(conversations) if conversations is not None else None,
        },
    )


def consumed_by_conversation(
    tx: Transaction, account: UUID, conversations: Sequence[UUID]
) -> dict[UUID, list[ConsumedBy]]:
    """The models trained on each conversation."""
    models: dict[UUID, list[ConsumedBy]] = {}
    for model in list_consumed(tx, account, conversations):
        models.setdefault(model.conversation, []).append(model)
    return models


def releases_by_conversation(
    tx: Transaction, account: UUID, conversations: Sequence[UUID]
) -> dict[UUID, list[str]]:
    """For each conversation the names of the sealed releases that hold rows of it."""
    rows = tx.execute(
        f"SELECT DISTINCT x.conversation_id, r.name {_HOLDING} ORDER BY 1, 2",
        {"account": account, "of": list(conversations)},
    ).fetchall()
    names: dict[UUID, list[str]] = {}
    for conversation, name in rows:
        names.setdefault(conversation, []).append(name)
    return names


class SuggestionSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A suggestion of misuse, for its person: ``score`` and ``model`` (the hash of its weights) are
    None if staff made it; ``decision`` is None while it is open.
    """

    conversation: UUID
    suggested_at: datetime
    score: float | None
    model: bytes | None
    decision: str | None
    decided_at: datetime | None


def list_suggestions(
    tx: Transaction, account: UUID, limit: int | None = None
) -> list[SuggestionSeen]:
    """The suggestions about an account, oldest first, at most the newest ``limit``. Does not reveal
    who decided.
    """
    newest_first = select(
        tx,
        SuggestionSeen,
        """SELECT conversation_id AS conversation, suggested_at, score, model_sha256 AS model,
             decision, decided_at
             FROM suggestions WHERE account_id = %s
               ORDER BY suggested_at DESC, conversation_id DESC LIMIT %s""",
        [account, limit],
    )
    return newest_first[::-1]


# Journal events that a person may see. Holds may be secret, and choices are listed with their
# evidence.
HAPPENED = frozenset({
    "account_opened", "plan_set", "ended_lapsed", "shortened", "narrowed", "widened", "project_kept_out",
    "project_let_in", "flagged", "unflagged", "feedback", "feedback_taken_back", "deleted", "closed", "erased",
})  # fmt: skip


def list_events(
    tx: Transaction, account: UUID, limit: int, *, until: datetime | None = None
) -> list[JournalEvent]:
    """The newest ``limit`` events of the account up to ``until``, of those in `HAPPENED`, newest
    first.
    """
    return account_journal.list_by_account(tx, account, HAPPENED, limit, until=until)


def flagged_at(
    tx: Transaction, account: UUID, conversations: Sequence[UUID]
) -> dict[UUID, datetime]:
    """When each of these conversations was last flagged."""
    return account_journal.newest_times(tx, account, "flagged", conversations)

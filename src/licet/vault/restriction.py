"""Translates commands that restrict into records of the restriction journal, and records back into
commands.

A restriction limits the use of somebody's content: a no, a deletion, keeping something out.
Promise: every restriction becomes a record after its transaction has committed, and before anybody
gets an answer. Replaying a record does no more than the original: it is the same command at the
same moment, through the same verb.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from licet.errors import BrokenError, BusyError, LicetError, RefusedError
from licet.keys import fence, journal_heads
from licet.keys.keyring import Keyring
from licet.keys.material import Random, seal, unseal
from licet.keys.restriction_journal import NEWEST_RECORDS_MAX, Journal, Restriction, RestrictionKind
from licet.policy.file import Policy
from licet.policy.outcomes import Answer
from licet.store.connect import OutcomeUnknownError, Transaction, after_commit
from licet.store.rows import Change
from licet.vault import account_journal
from licet.vault.commands import (
    Choose,
    ChosenScope,
    CloseAccount,
    Command,
    CommandResult,
    Delete,
    Hold,
    HoldReason,
    KeepProjectOut,
    Narrow,
    SetAge,
    SetPlan,
    SetRegion,
    TakeBackFeedback,
    Unflag,
    Unhold,
)

REMEMBERED_EVERY = 32  # records: an UPDATE with each would make a no a quarter slower
REPLAYED = "restore"  # the channel (`via`) of a replayed refusal
_MATTER = b"licet/matter/v1"


def _is_behind(journal: Journal) -> bool:
    return journal.durable.number - journal.remembered >= REMEMBERED_EVERY


def head_changes(journal: Journal) -> list[Change]:
    """The change that saves the journal's head in the database, if the database is far behind."""
    if not _is_behind(journal):
        return []
    head = journal.durable
    journal.remembered = head.number
    return [journal_heads.save_head_change(journal.id, head)]


def record_on_commit(tx: Transaction, journal: Journal, records: Sequence[Restriction]) -> None:
    """Writes ``records`` to the journal when ``tx`` commits, before anybody gets an answer.
    BrokenError or BusyError, before ``tx`` changes anything, if the journal cannot be written now.
    """
    journal.accept()
    if _is_behind(journal):
        journal_heads.save_head_if_free(tx, journal.id, journal.durable)
        journal.remembered = journal.durable.number

    def write() -> None:
        try:
            journal.append(records)
        except (OSError, BrokenError, BusyError) as error:
            raise OutcomeUnknownError(
                "the restriction journal could not be written: the change is in force, but "
                "a restore could lose it",
                "see that the disk or the bucket of the restriction journal can be written, "
                "and make the change again",
                because=error.because if isinstance(error, LicetError) else "disk_failed",
            ) from None
        # a newer life has begun, and it is not known whether it contains the change
        except RefusedError as error:
            raise OutcomeUnknownError(error.message, error.hint) from None

    after_commit(tx, write)


def record_request(
    tx: Transaction, journal: Journal, account: UUID, conversation: UUID | None, erasure: UUID
) -> None:
    """Writes the deletion or closure behind an erasure to the journal before it is certified, in
    case its process was killed before doing so: no restore may bring back certified content.
    """
    events = _EVENTS["closed" if conversation is None else "deleted"]
    row = account_journal.first(tx, account, events.value, conversation)
    if row is not None:
        record = Restriction(
            life=fence.current_life(tx),
            kind=events,
            at=row[1],
            account=account,
            seq=row[0],
            conversation=conversation,
            erasure=erasure,
        )
        journal.append([record])


def record_key_revocation(
    tx: Transaction, journal: Journal | None, key: UUID, now: datetime
) -> None:
    """Writes the revocation of a service's key to the journal, so that a restore keeps it."""
    if journal is not None:
        record_on_commit(
            tx,
            journal,
            [
                Restriction(
                    life=fence.current_life(tx), kind=RestrictionKind.key_revoked, at=now, key=key
                )
            ],
        )


def record_key_limits(
    tx: Transaction, journal: Journal | None, key: UUID, now: datetime, version: int, document: str
) -> None:
    """Writes the new limits of a service's key to the journal, so that a restore keeps them."""
    if journal is not None:
        limited = RestrictionKind.key_limited
        record = Restriction(
            life=fence.current_life(tx),
            kind=limited,
            at=now,
            key=key,
            seq=version,
            document=document,
        )
        record_on_commit(tx, journal, [record])


def record_policy(
    tx: Transaction, keyring: Keyring, policy: Policy, now: datetime, by: str
) -> None:
    """Writes an applied or amended policy version to the journal, so that a restore keeps it."""
    if keyring.restrictions is not None:
        number = tx.execute("SELECT max(number) FROM policies").fetchone()
        document = msgspec.json.encode(policy.document(), order="sorted").decode()
        record = Restriction(
            life=fence.current_life(tx),
            kind=RestrictionKind.policy,
            at=now,
            seq=int(number[0]) if number else 0,
            document=document,
            by=by,
        )
        record_on_commit(tx, keyring.restrictions, [record])


def kept_scopes(answers: Sequence[Answer]) -> tuple[str, ...]:
    """The scopes in which a no left a grant in force, by Licet's ids."""
    scopes = {grant.scope for one in answers for grant in one.kept}
    return tuple(sorted(f"{scope.kind.value}:{scope.name}" for scope in scopes))


def seal_matter(host_key: bytes, matter: str, random: Random) -> bytes:
    """The matter of a hold, sealed for a record."""
    return seal(matter_key(host_key), matter.encode(), _MATTER, random)


def _parse_scope(written: str) -> ChosenScope:
    kind, _, name = written.partition(":")
    one = UUID(hex=name)
    return ChosenScope(project=one) if kind == "project" else ChosenScope(conversation=one)


def matter_key(host_key: bytes) -> bytes:
    """The key that seals matters in records; unlike an account's key it is never destroyed."""
    return hmac.digest(host_key, _MATTER, "sha256")


def command_of(record: Restriction, host_key: bytes) -> Command:
    """The command that reapplies ``record``."""
    account, at = record.account, record.at
    assert account is not None
    if record.conversation is not None:
        return _conversation_command(record, account, record.conversation, at, host_key)
    match record.kind:
        case RestrictionKind.plan:
            return SetPlan(account=account, at=at, plan=record.plan)
        case RestrictionKind.age:
            return SetAge(account=account, at=at, age=record.age)
        case RestrictionKind.region:
            return SetRegion(account=account, at=at, region=record.region)
        case RestrictionKind.refused:
            return Choose(
                account=account,
                at=at,
                allow=False,
                age=record.age,
                via=REPLAYED,
                question=record.question or None,
                keep=tuple(_parse_scope(scope) for scope in record.kept),
            )
        case RestrictionKind.project_kept_out:
            return KeepProjectOut(account=account, at=at, host_project=record.host)
        case RestrictionKind.closed:
            return CloseAccount(account=account, at=at)
        case _:
            raise BrokenError(f"a restriction `{record.kind.value}` names no conversation")


def _conversation_command(
    record: Restriction, account: UUID, conversation: UUID, now: datetime, host_key: bytes
) -> Command:
    match record.kind:
        case RestrictionKind.deleted:
            return Delete(account=account, at=now, conversation=conversation)
        case RestrictionKind.narrowed:
            return Narrow(account=account, at=now, conversation=conversation)
        case RestrictionKind.unflagged:
            return Unflag(account=account, at=now, conversation=conversation)
        case RestrictionKind.feedback_taken_back:
            assert record.feedback is not None
            return TakeBackFeedback(
                account=account, at=now, conversation=conversation, feedback=record.feedback
            )
        case RestrictionKind.held | RestrictionKind.unheld:
            matter = unseal(matter_key(host_key), record.matter, _MATTER).decode()
            if record.kind is RestrictionKind.unheld:
                return Unhold(account=account, at=now, conversation=conversation, matter=matter)
            return Hold(
                account=account,
                at=now,
                conversation=conversation,
                matter=matter,
                review_at=record.until,
                by=record.by,
                reason=HoldReason(record.reason or HoldReason.other),
                is_told=not record.untold,
            )
        case _:
            raise BrokenError(f"a restriction `{record.kind.value}` has no conversation")


_EVENTS = {
    "plan_set": RestrictionKind.plan,
    "age_found": RestrictionKind.age,
    "region_set": RestrictionKind.region,
    "closed": RestrictionKind.closed,
    "choice": RestrictionKind.refused,
    "deleted": RestrictionKind.deleted,
    "narrowed": RestrictionKind.narrowed,
    "project_kept_out": RestrictionKind.project_kept_out,
    "unflagged": RestrictionKind.unflagged,
    "feedback_taken_back": RestrictionKind.feedback_taken_back,
}


# Their record states the account's present value, so one under a later number covers them.
_WHOLE = ["plan_set", "age_found", "region_set", "closed"]


def catch_up(tx: Transaction, journal: Journal, new_life: int | None = None) -> int:
    """Writes the restrictions that a crash left committed but unrecorded; returns how many. For a
    database that lacks no restriction. ``new_life`` is the life about to begin, because the journal
    then rejects records of earlier ones.

    Checks what was committed since the oldest of the newest `NEWEST_RECORDS_MAX` records; an
    earlier opening wrote what precedes it. A killed process may have left a gap between records of
    other processes. Duplicate records are harmless. The plan, age and region are today's.
    """
    recorded = set[tuple[UUID, int]]()
    present = fence.newest_life(tx)
    life, begun = (present.life, present.position) if present is not None else (0, 0)
    for record in journal.newest(NEWEST_RECORDS_MAX):
        if record.account is not None and record.life == life:
            recorded.add((record.account, record.seq))
    rows = tx.execute(
        f"""
        WITH kept AS (SELECT * FROM unnest(%(account)b::uuid[], %(seq)b::bigint[]) AS k(account_id, seq)),
             since AS (SELECT greatest((SELECT min(position) FROM journal JOIN kept USING (account_id, seq)),
                                   %(begun)s + 1) AS position)
        {_TOOK_BACK}
           AND j.position >= (SELECT position FROM since)
           AND NOT EXISTS (SELECT FROM kept k WHERE k.account_id = j.account_id
                            AND (k.seq = j.seq OR k.seq > j.seq AND j.event = ANY(%(whole)s)))
         ORDER BY j.position
        """,
        {
            "account": [account for account, _ in recorded],
            "seq": [seq for _, seq in recorded],
            "whole": _WHOLE,
            "events": list(_EVENTS),
            "begun": begun,
        },
    ).fetchall()
    journal.append(
        records := [_parse_restriction(row, life if new_life is None else new_life) for row in rows]
    )
    return len(records)


def record_repeats(tx: Transaction, keyring: Keyring, repeated: Sequence[CommandResult]) -> None:
    """Writes the restrictions of ``repeated`` commands to the journal again before repeating their
    answers: their process may have been killed between commit and journal.
    """
    if keyring.restrictions is None or not repeated:
        return
    rows = tx.execute(
        f"""WITH done AS (SELECT DISTINCT * FROM unnest(%(account)b::uuid[], %(at)b::timestamptz[]) AS t(account_id, at))
            {_TOOK_BACK}
               AND EXISTS (SELECT FROM done t WHERE t.account_id = j.account_id
                 AND t.at = j.occurred_at)
               AND j.account_id IN (SELECT account_id FROM done)
             ORDER BY j.position""",
        {
            "account": [one.account for one in repeated],
            "at": [one.at for one in repeated],
            "events": list(_EVENTS),
        },
    ).fetchall()
    if rows:
        life = fence.current_life(tx)
        record_on_commit(tx, keyring.restrictions, [_parse_restriction(row, life) for row in rows])


_TOOK_BACK = """
        SELECT j.account_id, j.seq, j.occurred_at, j.event, j.conversation_id, f.feedback_id,
          a.plan, a.age, a.region,
               coalesce(c.question, ''), p.project_id, coalesce(p.host_hmac, ''),
               ARRAY(SELECT CASE WHEN g.project_id IS NULL
                                 THEN 'conversation:' || replace(g.conversation_id::text, '-', '')
                                 ELSE 'project:' || replace(g.project_id::text, '-', '') END
                       FROM scoped_grants g WHERE g.account_id = c.account_id
                                              AND g.grant_no::text = ANY(string_to_array(c.kept, ',')))
          FROM journal j JOIN accounts a USING (account_id)
          LEFT JOIN choices c ON j.event = 'choice' AND c.account_id = j.account_id
            AND c.seq = j.seq
          LEFT JOIN projects p ON j.event = 'project_kept_out' AND p.account_id = j.account_id
           AND p.kept_out_at = j.occurred_at
          LEFT JOIN feedback f ON j.event = 'feedback_taken_back' AND f.account_id = j.account_id
           AND f.conversation_id = j.conversation_id AND f.taken_back_at = j.occurred_at
         WHERE j.ends AND j.event = ANY(%(events)s)
           AND (j.event <> 'choice' OR NOT c.allow)
             AND (j.event <> 'project_kept_out' OR p.project_id IS NOT NULL)"""


def _parse_restriction(row: Sequence[Any], life: int) -> Restriction:
    """The record of a row of `_TOOK_BACK`."""
    (
        account,
        seq,
        at,
        event,
        conversation,
        feedback,
        plan,
        age,
        region,
        question,
        project,
        host,
        kept,
    ) = row
    return Restriction(
        life=life,
        kind=_EVENTS[event],
        at=at,
        account=account,
        seq=seq,
        conversation=conversation,
        feedback=feedback,
        plan=plan if event == "plan_set" else "",
        age=age if event in ("age_found", "choice") else None,
        region=region if event == "region_set" else None,
        question=question,
        project=project,
        host=host,
        kept=tuple(kept),
    )

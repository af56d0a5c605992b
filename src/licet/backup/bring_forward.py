"""The last step of a restore: brings the restored database, behind its fence, up to its journal and
log.

It is one transaction: after a refusal or crash the database is as restored, with the fence up, and
the restore can be repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby, islice
from uuid import UUID

import msgspec

from licet.access import service_keys, sessions
from licet.backup import log_union
from licet.backup.backup_manifest import BackupManifest
from licet.backup.log_union import LogUnion, RestoreFinish, RestorePlan, Unexplained
from licet.errors import BrokenError, RefusedError
from licet.keys import fence, journal_heads
from licet.keys.journal_frames import ChainWalk, JournalHead, JournalMisfit, misfit_error
from licet.keys.keyring import Keyring
from licet.keys.log_keys import LogKeys
from licet.keys.material import KeyMaterial
from licet.keys.restriction_journal import NEWEST_RECORDS_MAX, Journal, Restriction, RestrictionKind
from licet.ledger import forward, sequence
from licet.ledger.forward import Ahead
from licet.ledger.outbox import EntryKind
from licet.policy.file import from_document
from licet.proof import documents
from licet.store.connect import Transaction
from licet.vault import (
    account_journal,
    account_view,
    certificate,
    host_events,
    journal_evidence,
    journal_state,
    restriction,
    restriction_targets,
    verbs,
)
from licet.vault import policy_versions as versions
from licet.vault.commands import BATCH_COMMANDS_MAX, Outcome
from licet.vault.ids import Prefix, parse
from licet.vault.installation import Installation
from licet.webhooks import endpoints

RECORDS_MAX = 10_000
FINISH_WITHOUT = (
    "put back what is missing; without it, finish with `licet restore .. --finish narrow`: "
    "docs/runbooks/journal-damaged.md"
)


class RestoreResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did. ``applied`` counts the reapplied restrictions by kind, ``from_log`` those
    that only the log had; ``gone`` counts those whose account or conversation the backup lacks.
    ``withdrawn`` counts accounts withdrawn because the log lacks a record that could widen, or has
    an unexplained entry. ``unfit`` describes the mismatches, ``set_aside`` the replaced parts of
    the journal; ``keys_revoked`` counts service keys revoked because records are missing.
    """

    backup: str | None
    life: int
    applied: dict[str, int]
    gone: int
    entries: int
    placed: int
    repeated: int
    sessions_ended: int
    from_log: dict[str, int] = {}
    withdrawn: int = 0
    keys_revoked: int = 0
    unfit: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()


def log_seed(
    installation: Installation, tx: Transaction, manifest: BackupManifest | None
) -> KeyMaterial:
    """Returns the secret that signs the log; from the backup if given, as the database may be
    empty.
    """
    return (
        installation.keyring.unwrap_secret("log", manifest.proof)
        if manifest is not None
        else installation.keyring.log_seed(tx)
    )


def backup_head(installation: Installation, manifest: BackupManifest | None) -> JournalHead | None:
    """Returns the journal's head when the backup was taken; None for another journal's backup."""
    if manifest is None or manifest.journal != journal_of(installation).id:
        return None
    return JournalHead(manifest.head, bytes.fromhex(manifest.chain))


def accepted_head(
    installation: Installation, tx: Transaction, manifest: BackupManifest | None
) -> JournalHead | None:
    """Returns the record up to which the backup, or without one the database, has the whole
    journal.
    """
    if manifest is not None:
        return backup_head(installation, manifest)
    return next(iter(journal_heads.load_head(tx, journal_of(installation).id)), None)


def bring_forward(
    installation: Installation,
    tx: Transaction,
    manifest: BackupManifest | None,
    finish: RestoreFinish | None,
) -> RestoreResult:
    """Reapplies the restrictions made since the backup, brings the database up to the log, and
    begins a new life of the database.
    """
    journal, now = journal_of(installation), installation.clock()
    backup = parse(Prefix.backup, manifest.backup) if manifest is not None else None
    present = fence.current_life(tx)
    seed, place = installation.keyring.log_seed(tx), documents.place(installation)
    known = forward.find_ahead(tx, place, seed)
    begins = accepted_head(installation, tx, None)
    heads = [head for log in known for head in journal_evidence.heads_in(log.entries, journal)]
    misfits = journal.find_misfits(heads, begins)
    if (lived := fence.newest_life(tx)) is not None and lived.journal != journal.id:
        misfits.append(JournalMisfit(1, 1, "the journal", "it is not the database's"))
    if misfits and finish is None:
        raise misfit_error(misfits)
    newest = max((record.life for record in journal.newest(NEWEST_RECORDS_MAX)), default=0)
    life = max(present, newest, *_logged_lives(known)) + 1
    forward.mark_restored(tx, known, life, now)
    begun_anew = finish is not None and _restart_journal(
        tx, journal, [*heads, *([begins] if begins else [])], life
    )
    # Written before reading: afterwards no record of an earlier life is added, so none is missed.
    journal.append([Restriction(life=life, kind=RestrictionKind.life, at=now)])
    keys = LogKeys(installation.keyring)
    names = {
        log.year: dict(
            forward.account_names(tx, keys, log, partial(account_view.account_ids_after, tx))
        )
        for log in known
    }
    walk = journal.walk(heads, begins)
    plan = _plan_restrictions(
        installation, tx, known, names, list_lacking(tx, journal, present, walk)
    )
    applied, gone = _apply_again(installation, tx, plan.records)
    withdrawn, revoked = _withdraw_unexplained(installation, tx, plan, misfits, finish)
    done = forward.bring_forward(tx, keys, place, seed, known, names)
    fence.begin(tx, life, journal, now, account_journal.last_position(tx), backup)
    journal_evidence.log_head(tx, journal, journal.durable, now)
    if begun_anew:
        journal_heads.record_restart(tx, journal.id, journal.durable)
    account_journal.skip_positions(tx, forward.OUTBOX_GAP)
    ended = sessions.end_all(tx)
    endpoints.disable_all(tx, now)
    return RestoreResult(
        backup=manifest.backup if manifest is not None else None,
        life=life,
        applied=applied,
        gone=gone,
        entries=done.entries,
        placed=done.placed,
        repeated=done.repeated,
        sessions_ended=ended,
        from_log=plan.from_log,
        withdrawn=withdrawn,
        keys_revoked=revoked,
        unfit=tuple(map(str, [*misfits, *plan.unexplained])),
    )


def _logged_lives(known: Sequence[Ahead]) -> Iterator[int]:
    for log in known:
        for entry in log.entries:
            if entry["t"] == EntryKind.restored:
                yield int(entry["facts"]["life"])


def _restart_journal(
    tx: Transaction, journal: Journal, heads: Sequence[JournalHead], life: int
) -> bool:
    """Restarts the journal's chain with the next record if a record is missing or changed; returns
    whether it did.
    """
    if not journal.find_misfits(heads, journal_heads.load_restart(tx, journal.id)):
        return False
    journal.restart(heads, life - 1)
    return True


def _plan_restrictions(
    installation: Installation,
    tx: Transaction,
    logs: Sequence[Ahead],
    names: Mapping[int, Mapping[UUID, str]],
    records: Sequence[Restriction],
) -> RestorePlan:
    policies = versions.load(tx)
    if policies is None:
        raise BrokenError("the database has no policy")
    keys = {
        year: LogKeys(installation.keyring).log_keys(tx, list(each), year)
        for year, each in names.items()
    }
    waits = sequence.waiting_rows(tx)
    return LogUnion(tx, policies, logs, names, keys, waits).plan(records)


def _withdraw_unexplained(
    installation: Installation,
    tx: Transaction,
    plan: RestorePlan,
    misfits: Sequence[JournalMisfit],
    finish: RestoreFinish | None,
) -> tuple[int, int]:
    """Withdraws the plan's accounts, and with ``finish`` those of unexplained entries; returns the
    numbers of accounts and of revoked service keys. Without ``finish``, RefusedError for
    unexplained entries.
    """
    open_still = restriction_targets.in_force(tx, plan.grants)
    unexplained = plan.unexplained + [
        Unexplained("the log", f"the end of grant {number}, which is in force", account)
        for account, number in open_still
    ]
    if unexplained and finish is None:
        more = f", and {len(unexplained) - 1} more" if len(unexplained) > 1 else ""
        raise RefusedError(
            f"neither the restriction journal nor the backup explains {unexplained[0]}{more}",
            FINISH_WITHOUT,
            because="unexplained",
        )
    accounts = {
        *plan.withdrawn,
        *(leaf.account for leaf in unexplained if leaf.account is not None),
    }
    if misfits or any(leaf.account is None for leaf in unexplained):
        accounts.update(restriction_targets.usable_accounts(tx))
    _apply_again(installation, tx, log_union.withdrawals(tx, accounts, installation.clock()))
    revoked = service_keys.revoke_all(tx, installation.clock()) if misfits else 0
    return len(accounts), revoked


def _apply_again(
    installation: Installation, tx: Transaction, records: Sequence[Restriction]
) -> tuple[dict[str, int], int]:
    """Reapplies missing restrictions in order, by the original verbs, without journaling them
    again.
    """
    keyring = Keyring(
        installation.keyring.provider,
        installation.keyring.random,
        behind_fence=True,
        cold=installation.keyring.cold,
    )
    applied: Counter[str] = Counter()
    gone = 0
    for has_account, group in groupby(records, lambda record: record.account is not None):
        for batch in _split_batches(group, BATCH_COMMANDS_MAX):
            done = (
                _execute_again(tx, keyring, batch)
                if has_account
                else [_register_again(tx, record) for record in batch]
            )
            applied.update(
                record.kind.value
                for record, was_known in zip(batch, done, strict=True)
                if was_known
            )
            gone += done.count(False)
    return dict(applied), gone


def list_lacking(
    tx: Transaction, journal: Journal, present: int, walk: ChainWalk
) -> list[Restriction]:
    """Lists the restrictions that a database in the life ``present`` lacks; call it before applying
    any.
    """
    lacking: list[Restriction] = []
    for part in _split_batches((numbered.record for numbered in journal.survey(walk)), RECORDS_MAX):
        lacking += [
            record
            for record, lacks in zip(part, journal_state.missing(tx, part, present), strict=True)
            if lacks
        ]
    return [record for record in lacking if record.kind is not RestrictionKind.life]


def _split_batches(records: Iterable[Restriction], size: int) -> Iterator[list[Restriction]]:
    rest = iter(records)
    while batch := list(islice(rest, size)):
        yield batch


def _execute_again(tx: Transaction, keyring: Keyring, batch: Sequence[Restriction]) -> list[bool]:
    """Executes the records' commands; returns for each whether its account and conversation exist.
    An erasure keeps the id that its person received.
    """
    known, host_key = versions.load(tx), keyring.host_key(tx)
    if known is None:
        raise BrokenError("the database has no policy")
    answers = verbs.apply_commands_in(
        tx, keyring, known, [restriction.command_of(record, host_key) for record in batch]
    )
    for record in batch:
        if record.erasure is not None and record.account is not None:
            again = certificate.replace_id(
                tx, record.account, record.conversation, record.at, record.erasure
            )
            host_events.rename_erasure(tx, record.account, again, record.erasure)
    return [answer.outcome is not Outcome.unknown for answer in answers]


def _register_again(tx: Transaction, record: Restriction) -> bool:
    """Registers again a policy version, a later backup, or a service key's revocation or limits."""
    if record.kind is RestrictionKind.key_revoked:
        assert record.key is not None
        return service_keys.restore_revocation(tx, record.key, record.at)
    if record.kind is RestrictionKind.key_limited:
        assert record.key is not None
        return service_keys.restore_limits(tx, record.key, record.seq, record.document)
    if record.kind is RestrictionKind.backup:
        tx.execute(
            "INSERT INTO backups (backup_id, made_at, expires_at, base) VALUES (%s, %s, %s, "
            "%s) ON CONFLICT DO NOTHING",
            [record.backup, record.at, record.until, record.base],
        )
        return True
    policy = from_document(msgspec.json.decode(record.document), file="the restriction journal")
    known = versions.load(tx)
    add = (
        versions.amend
        if known is not None and versions.amends(known[len(known) - 1], policy)
        else versions.add
    )
    add(tx, policy, record.at, record.by)
    return True


def journal_of(installation: Installation) -> Journal:
    if installation.keyring.restrictions is None:
        raise BrokenError("the installation was opened without its restriction journal")
    return installation.keyring.restrictions

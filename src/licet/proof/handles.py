"""Handles, with which people find their conversations in the log and in releases, and that search.

A handle is a conversation's pseudonym in one year's log, derived from the account's key: nobody can
compute it after erasure. Pseudonyms follow from a salt by a public computation, so a salt that does
not match the log is detected.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from licet import verifier
from licet.errors import InputError, NotFoundError, RefusedError, UsageError
from licet.keys.log_keys import LogKeys
from licet.ledger import entries
from licet.store.connect import transaction
from licet.vault import account_view, tables
from licet.vault.ids import Prefix, format_id, parse
from licet.vault.installation import Installation
from licet.verifier import Verdict

CONVERSATIONS_MAX = 100_000
SALT_BYTES = 32


class Handles(msgspec.Struct, frozen=True, kw_only=True):
    """An account's names in one year: ``who`` in the log, a handle for each conversation and a
    pseudonym for each project, by Licet's ids.
    """

    year: int
    who: str
    salt: str
    conversations: dict[str, str]
    projects: dict[str, str]


def handles(installation: Installation, account: UUID, year: int | None = None) -> Handles:
    """Returns the handles of ``year`` (default: this one); RefusedError if the account's key was
    destroyed.
    """
    log_year = installation.clock().year if year is None else year
    with transaction(installation.pool) as tx:
        if not account_view.load_accounts(tx, [account]):
            raise NotFoundError("no such account")
        key = LogKeys(installation.keyring).log_keys(tx, [account], log_year).get(account)
        if key is None:
            raise RefusedError(
                "the account was erased, and with its key the salt of its handles",
                "handles issued earlier stay valid",
                because="erased",
            )
        ids = account_view.conversation_ids(tx, account, CONVERSATIONS_MAX)
        project_ids = [row.project_id for row in tables.projects_of(tx, account)]
    salt = entries.derive_salt(key)
    named = {
        format_id(Prefix.conversation, each): entries.conversation_pseudonym(salt, each)
        for each in ids
    }
    projects = {
        format_id(Prefix.project, each): entries.project_pseudonym(salt, each)
        for each in project_ids
    }
    return Handles(
        year=log_year,
        who=entries.account_tag(salt),
        salt=salt.hex(),
        conversations=named,
        projects=projects,
    )


class LogSearch(msgspec.Struct, frozen=True, kw_only=True):
    """A release's content of one conversation, as text and as a proof that needs only the manifest.
    ``answer`` is `not proved`, with a reason in ``lacks``, unless a log with the manifest was
    given.
    """

    answer: Verdict
    handle: str
    candidate: bool
    turns_in: int
    turns_out: int
    rows: tuple[int, ...]
    why: dict[str, int]
    text: str
    proof: dict[str, Any]
    broken: tuple[tuple[str, str], ...] = ()
    lacks: tuple[tuple[str, str], ...] = ()


def search_release(
    folder: Path,
    conversation: str,
    salt: str | None = None,
    kept_proof: Path | None = None,
    logs: Sequence[tuple[verifier.Trust, verifier.Files]] = (),
) -> LogSearch:
    """Finds whether and why a conversation (by handle, or by Licet's id with ``salt``) is in a
    release.

    ``kept_proof`` is a file printed earlier. The manifest in ``folder`` is checked against
    ``logs``.
    """
    salt_bytes = _parse_salt(salt) if salt is not None else None
    handle = _resolve_pseudonym(conversation, salt_bytes)
    try:
        shown = (
            verifier.parse_proof(kept_proof.read_bytes(), "proof")
            if kept_proof is not None
            else None
        )
    except verifier.UnreadableError:
        raise InputError(
            "is not the proof of a conversation", "print the proof again", file=str(kept_proof)
        ) from None
    report, found, proof = verifier.check_conversation_in(
        verifier.FolderFiles(folder), handle, salt_bytes, shown, logs
    )
    broken = tuple((finding.place, finding.promise) for finding in report.findings)
    lacks = tuple(
        (lack.place, f"{lack.why}; what would prove it: {lack.mend}") for lack in report.lacks
    )
    lines = [f"contradiction: {where}: broken promise: {promise}" for where, promise in broken]
    lines += [f"not proved: {where}: {why}" for where, why in lacks]
    if found is None:
        return LogSearch(
            handle=handle,
            candidate=False,
            turns_in=0,
            turns_out=0,
            rows=(),
            why={},
            proof={},
            text="\n".join(lines),
            answer=report.answer,
            broken=broken,
            lacks=lacks,
        )
    return LogSearch(
        handle=handle,
        candidate=found.candidate,
        turns_in=found.turns_in,
        turns_out=found.turns_out,
        rows=found.rows,
        why=found.why,
        text="\n".join([found.text, *lines]),
        proof=proof or {},
        answer=report.answer,
        broken=broken,
        lacks=lacks,
    )


def _parse_salt(text: str) -> bytes:
    try:
        salt = bytes.fromhex(text)
    except ValueError:
        salt = b""
    if len(salt) != SALT_BYTES:
        raise UsageError(
            "the salt is not 32 bytes in hexadecimal", "`licet ledger handles ACCOUNT` prints it"
        )
    return salt


def _resolve_pseudonym(conversation: str, salt: bytes | None) -> str:
    if not conversation.startswith("conv_"):
        return conversation
    if salt is None:
        raise UsageError(
            "a release does not name a conversation by its id", "give its salt too: --salt"
        )
    return entries.conversation_pseudonym(salt, parse(Prefix.conversation, conversation))

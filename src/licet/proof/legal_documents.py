"""Signed legal documents in the database, each with a log entry that names its hash.

    file = {"document":"<JWS>","entry":"<the leaf>","proof":"<c2sp.org/tlog-proof@v1>","v":1}   entry, proof: or null

`legal` creates their content; this module stores, proves and publishes them. Identical documents
are stored once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec

from licet.errors import NotFoundError
from licet.ledger import outbox
from licet.ledger.canonical_json import Canonical, canonical
from licet.ledger.outbox import Entry, EntryKind
from licet.ledger.publication import PublishedLog
from licet.ledger.sequence import LogPlace
from licet.store.connect import Transaction

VERSION = 1
# public by law; the others are for authorities on request
PUBLIC = ("training-summary", "ab2013")
LISTED_MAX = 1_000


class ListedDocument(msgspec.Struct, frozen=True):
    """A stored document; its figures cover ``entries`` entries of the log of ``log_year``."""

    sha256: str
    kind: str
    log_year: int
    entries: int
    made_at: datetime
    made_by: str


class KeptDocument(ListedDocument, frozen=True, kw_only=True):
    """A stored document with its signed text."""

    document: str


_COLUMNS = "encode(sha256, 'hex'), kind, log_year, entries, made_at, made_by, document"


def hash_of(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def keep(tx: Transaction, document: KeptDocument) -> bool:
    """Stores a document with its log entry; False if it is already stored."""
    added = tx.execute(
        """INSERT INTO documents (sha256, kind, log_year, entries, made_at, made_by, document)
           VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (sha256) DO NOTHING""",
        [bytes.fromhex(document.sha256), *msgspec.structs.astuple(document)[1:]],
    )
    if added.rowcount == 1:
        facts: dict[str, str | int | bool | None] = {
            "kind": document.kind,
            "sha256": document.sha256,
        }
        outbox.append(
            tx, [Entry(kind=EntryKind.document_made, occurred_at=document.made_at, facts=facts)]
        )
    return added.rowcount == 1


def newest(tx: Transaction, kind: str | None = None, limit: int = LISTED_MAX) -> list[KeptDocument]:
    """Lists documents of one kind or all, newest first."""
    rows = tx.execute(
        f"""SELECT {_COLUMNS} FROM documents WHERE %(kind)s::text IS NULL OR kind = %(kind)s::text
             ORDER BY made_at DESC, entries DESC, sha256 LIMIT %(limit)s""",
        {"kind": kind, "limit": limit},
    ).fetchall()
    return [_to_document(row) for row in rows]


def list_newest(tx: Transaction, kind: str | None = None) -> list[ListedDocument]:
    """Like `newest`, without content."""
    rows = tx.execute(
        """SELECT encode(sha256, 'hex'), kind, log_year, entries, made_at, made_by FROM documents
            WHERE %(kind)s::text IS NULL OR kind = %(kind)s::text
            ORDER BY made_at DESC, entries DESC, sha256 LIMIT %(limit)s""",
        {"kind": kind, "limit": LISTED_MAX},
    ).fetchall()
    return [ListedDocument(*row) for row in rows]


def get(tx: Transaction, prefix: str) -> KeptDocument:
    """Returns the document with this hash prefix; NotFoundError unless there is exactly one."""
    rows = tx.execute(
        f"SELECT {_COLUMNS} FROM documents WHERE starts_with(encode(sha256, 'hex'), %s) LIMIT 2",
        [prefix],
    ).fetchall()
    if len(rows) != 1 or not prefix:
        raise NotFoundError(
            f"no paper `{prefix}`, or more than one",
            "`licet document list` names them by their hashes",
        )
    return _to_document(rows[0])


def encode_file(tx: Transaction, place: LogPlace, seed: bytes, document: KeptDocument) -> bytes:
    """Encodes a document's file, with its proof once it is in the log."""
    payload = msgspec.json.encode(
        {"kind": document.kind, "sha256": document.sha256}, order="sorted"
    ).decode()
    leaf = outbox.find_leaf(tx, EntryKind.document_made, payload)
    entry = proof = None
    if leaf is not None:
        log = PublishedLog(place.folder / str(leaf[0]), place.signer(seed, leaf[0]).verifier)
        entry, proof = log.entry_with_proof(leaf[1])
    file: dict[str, Canonical] = {
        "v": VERSION,
        "document": document.document,
        "entry": entry,
        "proof": proof,
    }
    return canonical(file) + b"\n"


def _to_document(row: Sequence[object]) -> KeptDocument:
    return msgspec.convert(
        dict(zip(KeptDocument.__struct_fields__, row, strict=True)), KeptDocument
    )

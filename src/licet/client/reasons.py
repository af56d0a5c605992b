"""Reasons of refusals and failures: a closed set of codes, each with a sentence and a remedy.

Programs compare the code; people read the sentence, which a place, a value or the server's own
words may follow. `packages/client/src/reasons.ts` is generated from this table, and docs/client.md
lists it. A newer server may send unknown codes: `ReasonCode.of` reads them as `refused`.
"""

from __future__ import annotations

from enum import StrEnum


class ReasonCode(StrEnum):
    """A code. `SENTENCES` and `REMEDIES` have each of them."""

    # the account and its content
    must_decide = "must_decide"
    closed = "closed"
    no_account = "no_account"
    not_found = "not_found"
    account_reference = "account_reference"
    deleted = "deleted"
    expired = "expired"
    too_many_segments = "too_many_segments"
    bad_request = "bad_request"
    too_large = "too_large"
    refused = "refused"
    # the address
    address_missing = "address_missing"
    address_blank = "address_blank"
    address_scheme_missing = "address_scheme_missing"
    address_scheme = "address_scheme"
    address_host = "address_host"
    address_port = "address_port"
    address_credentials = "address_credentials"
    address_query = "address_query"
    address_version = "address_version"
    address_path = "address_path"
    # the key
    key_missing = "key_missing"
    key_blank = "key_blank"
    key_prefix = "key_prefix"
    key_quoted = "key_quoted"
    key_characters = "key_characters"
    key_file_missing = "key_file_missing"
    key_file_unreadable = "key_file_unreadable"
    key_unknown = "key_unknown"
    token_refused = "token_refused"  # noqa: S105 a code
    scope_missing = "scope_missing"
    # nothing answers, or something else does
    name_unknown = "name_unknown"
    connection_refused = "connection_refused"
    connection_lost = "connection_lost"
    no_answer = "no_answer"
    late = "late"
    tls_failed = "tls_failed"
    certificate_unknown = "certificate_unknown"
    not_http = "not_http"
    cut_off = "cut_off"
    redirected = "redirected"
    not_licet = "not_licet"
    unreadable = "unreadable"
    # Licet answers, and cannot
    rate_limited = "rate_limited"
    busy = "busy"
    database_silent = "database_silent"
    bucket_silent = "bucket_silent"
    key_provider_silent = "key_provider_silent"
    identity_provider_silent = "identity_provider_silent"
    disk_full = "disk_full"
    disk_failed = "disk_failed"
    fenced = "fenced"
    newer_schema = "newer_schema"
    broken = "broken"
    # the spool of `licet.host`
    spool_full = "spool_full"
    spool_disk = "spool_disk"
    spool_unwritable = "spool_unwritable"
    spool_key_readable = "spool_key_readable"
    spool_key_size = "spool_key_size"

    @classmethod
    def of(cls, code: str) -> ReasonCode:
        """Returns the code of a server's word; `refused` for an unknown one."""
        try:
            return cls(code)
        except ValueError:
            return cls.refused


# code, sentence, what to do
TABLE: tuple[tuple[ReasonCode, str, str], ...] = (
    (ReasonCode.must_decide, "the account must decide first", "show the notice; either answer will do"),
    (ReasonCode.closed, "the account is closed", "open another one with `begin_anew` if they return"),
    (ReasonCode.no_account, "Licet has no such account", "open it with `POST /v1/accounts`"),
    (ReasonCode.not_found, "there is nothing here that the caller may see", "see the id, and whose it is"),
    (ReasonCode.account_reference, "this is no reference to an account",
     "write `host:` and your own id, or `acc_..`"),
    (ReasonCode.deleted, "the conversation was deleted", "begin another one"),
    (ReasonCode.expired, "the conversation's time has passed", "begin another one"),
    (ReasonCode.too_many_segments, "the conversation changed its permission too often",
     "begin another one"),
    (ReasonCode.bad_request, "the request cannot be understood", "correct what the sentence names"),
    (ReasonCode.too_large, "the request is larger than is taken", "send less at a time"),
    (ReasonCode.refused, "understood and refused", "read the sentence"),
    (ReasonCode.address_missing, "there is no address", "give the address of `licet serve`"),
    (ReasonCode.address_blank, "the address has a blank or a line feed in it",
     "strip what was read from a file"),
    (ReasonCode.address_scheme_missing, "the address has no scheme", "begin it with `https://`"),
    (ReasonCode.address_scheme, "the address has a scheme that is not spoken here",
     "use `https://` or `http://`"),
    (ReasonCode.address_host, "the address names no host", "give the host that `licet serve` runs on"),
    (ReasonCode.address_port, "the address has a port that is none", "use a number up to 65535"),
    (ReasonCode.address_credentials, "the address has a name or password in it",
     "leave them out: the key is given by itself"),
    (ReasonCode.address_query, "the address has a query or a fragment", "end it before `?` and `#`"),
    (ReasonCode.address_version, "the address ends in the version of the API",
     "leave `/v1` and what follows out"),
    (ReasonCode.address_path, "Licet answers, and has nothing at this path",
     "leave out the path, or set the one that the proxy takes away"),
    (ReasonCode.key_missing, "there is no key", "make one with `licet api-key create`"),
    (ReasonCode.key_blank, "the key has a blank or a line feed in it",
     "strip what was read from a file"),
    (ReasonCode.key_prefix, "the key has the scheme of its header before it", "leave out `Bearer`"),
    (ReasonCode.key_quoted, "the key stands in quotes", "leave the quotes out"),
    (ReasonCode.key_characters, "the key has characters that no key has", "copy it again"),
    (ReasonCode.key_file_missing, "the key's file is not there", "write the key to it"),
    (ReasonCode.key_file_unreadable, "the key's file cannot be read",
     "let this program's user read it"),
    (ReasonCode.key_unknown, "Licet does not know this key, or it was revoked or has ended",
     "look at `licet api-key list`"),
    (ReasonCode.token_refused, "Licet does not take this token of a person's",
     "have the program that signs it correct what the sentence names"),
    (ReasonCode.scope_missing, "the key lacks a scope",
     "add it with `licet api-key limit NAME --scope ..`"),
    (ReasonCode.name_unknown, "the host's name has no address", "see the name and the resolver"),
    (ReasonCode.connection_refused, "nothing listens at this address", "see that Licet runs there"),
    (ReasonCode.connection_lost, "the connection was lost", "see that Licet runs"),
    (ReasonCode.no_answer, "no answer came", "see that Licet runs"),
    (ReasonCode.late, "no answer in time", "see that Licet runs"),
    (ReasonCode.tls_failed, "no TLS is spoken at this address", "use `http://`, or the port of TLS"),
    (ReasonCode.certificate_unknown, "the certificate is not trusted here",
     "install its authority, or use the name that it is for"),
    (ReasonCode.not_http, "what answers does not speak HTTP", "see the port"),
    (ReasonCode.cut_off, "the answer ended before its end", "see the proxy between"),
    (ReasonCode.redirected, "a redirect was answered", "give the address that it leads to"),
    (ReasonCode.not_licet, "another program answers at this address", "see the host and the port"),
    (ReasonCode.unreadable, "the answer is not one of this version of the API", "update the client"),
    (ReasonCode.rate_limited, "too many requests", "wait `retry_after` seconds"),
    (ReasonCode.busy, "Licet is busy, or something that it needs is away", "try again in a moment"),
    (ReasonCode.database_silent, "Licet's database does not answer", "see that PostgreSQL runs"),
    (ReasonCode.bucket_silent, "Licet's object store does not answer",
     "see that it runs, and its address, key and secret"),
    (ReasonCode.key_provider_silent, "Licet's key provider does not answer",
     "see that it runs, is unsealed and takes the token or pin"),
    (ReasonCode.identity_provider_silent, "the identity provider of the staff does not answer",
     "see that it runs"),
    (ReasonCode.disk_full, "a disk of Licet's is full", "make room on it"),
    (ReasonCode.disk_failed, "a disk of Licet's takes nothing", "repair it, then start Licet again"),
    (ReasonCode.fenced, "the database is being restored", "wait"),
    (ReasonCode.newer_schema, "Licet's database was upgraded past the version of this server",
     "start the server again with the newer version"),
    (ReasonCode.broken, "something is broken at Licet", "read its log"),
    (ReasonCode.spool_full, "the spool is full", "see why nothing is delivered, or allow it more"),
    (ReasonCode.spool_disk, "the disk of the spool takes nothing", "make room on it"),
    (ReasonCode.spool_unwritable, "the folder of the spool cannot be written",
     "give a folder on a local disk that this program's user owns"),
    (ReasonCode.spool_key_readable, "others may read the spool's key", "chmod 600 it"),
    (ReasonCode.spool_key_size, "the spool's key is no key",
     "give a file of 32 random bytes, or none: one is made"),
)  # fmt: skip
SENTENCES = {reason: sentence for reason, sentence, _ in TABLE}
REMEDIES = {reason: remedy for reason, _, remedy in TABLE}
# dependencies of Licet that do not answer
SILENT = frozenset(
    {
        ReasonCode.database_silent,
        ReasonCode.bucket_silent,
        ReasonCode.key_provider_silent,
        ReasonCode.identity_provider_silent,
        ReasonCode.disk_full,
        ReasonCode.disk_failed,
    }
)
# answers about the account: any other means that nobody answered
ABOUT_ACCOUNT = frozenset({ReasonCode.must_decide, ReasonCode.closed, ReasonCode.no_account})
# Licet's own trouble: after several accounts in a row, it applies to every account
TROUBLED = SILENT | {
    ReasonCode.broken,
    ReasonCode.busy,
    ReasonCode.fenced,
    ReasonCode.newer_schema,
    ReasonCode.rate_limited,
    ReasonCode.redirected,
    ReasonCode.cut_off,
    ReasonCode.unreadable,
}
# no answer at all: applies to every account
UNREACHED = frozenset(
    {
        ReasonCode.name_unknown,
        ReasonCode.connection_refused,
        ReasonCode.connection_lost,
        ReasonCode.no_answer,
        ReasonCode.late,
        ReasonCode.tls_failed,
        ReasonCode.certificate_unknown,
        ReasonCode.not_http,
        ReasonCode.not_licet,
    }
)

"""Reasons of refusals and failures: a closed set of codes, each with a sentence and a remedy.

Programs compare the code; people read the sentence, which a place, a value or the server's own
words may follow. `packages/client/src/reasons.ts` is generated from this table, and docs/client.md
lists it. A newer server may send unknown codes: `ReasonCode.of` reads them as `refused`.
"""

from __future__ import annotations

from enum import StrEnum, auto


class ReasonCode(StrEnum):
    """A code. `SENTENCES` and `REMEDIES` have each of them."""

    # the account and its content
    must_decide = auto()
    closed = auto()
    no_account = auto()
    not_found = auto()
    account_reference = auto()
    deleted = auto()
    expired = auto()
    too_many_segments = auto()
    bad_request = auto()
    too_large = auto()
    refused = auto()
    # the address
    address_missing = auto()
    address_blank = auto()
    address_scheme_missing = auto()
    address_scheme = auto()
    address_host = auto()
    address_port = auto()
    address_credentials = auto()
    address_query = auto()
    address_version = auto()
    address_path = auto()
    # the key
    key_missing = auto()
    key_blank = auto()
    key_prefix = auto()
    key_quoted = auto()
    key_characters = auto()
    key_file_missing = auto()
    key_file_unreadable = auto()
    key_unknown = auto()
    token_refused = auto()
    scope_missing = auto()
    # nothing answers, or something else does
    name_unknown = auto()
    connection_refused = auto()
    connection_lost = auto()
    no_answer = auto()
    late = auto()
    tls_failed = auto()
    certificate_unknown = auto()
    not_http = auto()
    cut_off = auto()
    redirected = auto()
    not_licet = auto()
    unreadable = auto()
    # Licet answers, and cannot
    rate_limited = auto()
    busy = auto()
    database_silent = auto()
    bucket_silent = auto()
    key_provider_silent = auto()
    identity_provider_silent = auto()
    disk_full = auto()
    disk_failed = auto()
    fenced = auto()
    newer_schema = auto()
    broken = auto()
    # the spool of `licet.host`
    spool_full = auto()
    spool_disk = auto()
    spool_unwritable = auto()
    spool_key_readable = auto()
    spool_key_size = auto()

    @classmethod
    def of(cls, code: str) -> ReasonCode:
        """Returns the code of a server's word; `refused` for an unknown one."""
        try:
            return cls(code)
        except ValueError:
            return cls.refused


# code, sentence, what to do
TABLE: tuple[tuple[ReasonCode, str, str], ...] = (
    (ReasonCode.must_decide, "the account must decide first",
     "show the notice; either answer will do"),
    (ReasonCode.closed, "the account is closed",
     "open another one with `begin_anew` if they return"),
    (ReasonCode.no_account, "Licet has no such account", "open it with `POST /v1/accounts`"),
    (ReasonCode.not_found, "not found, or not visible to the caller",
     "check the id and whose it is"),
    (ReasonCode.account_reference, "not an account reference",
     "use `host:` and your own id, or `acc_..`"),
    (ReasonCode.deleted, "the conversation was deleted", "begin another one"),
    (ReasonCode.expired, "the conversation has expired", "begin another one"),
    (ReasonCode.too_many_segments, "the conversation's permission changed too often",
     "begin another one"),
    (ReasonCode.bad_request, "the request is invalid", "correct what the message names"),
    (ReasonCode.too_large, "the request is too large", "send less at a time"),
    (ReasonCode.refused, "understood and refused", "read the message"),
    (ReasonCode.address_missing, "the address is missing", "give the address of `licet serve`"),
    (ReasonCode.address_blank, "the address contains white space",
     "strip the value that was read from a file"),
    (ReasonCode.address_scheme_missing, "the address has no scheme", "begin it with `https://`"),
    (ReasonCode.address_scheme, "the scheme of the address is not supported",
     "use `https://` or `http://`"),
    (ReasonCode.address_host, "the address has no host", "give the host of `licet serve`"),
    (ReasonCode.address_port, "the port of the address is invalid", "use a number up to 65535"),
    (ReasonCode.address_credentials, "the address contains a name or password",
     "remove them: the key is a setting of its own"),
    (ReasonCode.address_query, "the address has a query or a fragment", "remove them"),
    (ReasonCode.address_version, "the address ends with the version of the API",
     "remove `/v1` and what follows"),
    (ReasonCode.address_path, "Licet answers, but has nothing at this path",
     "remove the path, or use the one that the proxy strips"),
    (ReasonCode.key_missing, "the key is missing", "create one with `licet api-key create`"),
    (ReasonCode.key_blank, "the key contains white space",
     "strip the value that was read from a file"),
    (ReasonCode.key_prefix, "the key includes the scheme of its header", "remove `Bearer`"),
    (ReasonCode.key_quoted, "the key is in quotes", "remove the quotes"),
    (ReasonCode.key_characters, "the key contains invalid characters", "copy it again"),
    (ReasonCode.key_file_missing, "the key file does not exist", "write the key to it"),
    (ReasonCode.key_file_unreadable, "the key file cannot be read",
     "let this program's user read it"),
    (ReasonCode.key_unknown, "the key is unknown, revoked or expired", "see `licet api-key list`"),
    (ReasonCode.token_refused, "Licet rejects the person's token",
     "have the program that signs it correct what the message names"),
    (ReasonCode.scope_missing, "the key lacks a scope",
     "add it with `licet api-key limit NAME --scope ..`"),
    (ReasonCode.name_unknown, "the host's name cannot be resolved",
     "check the name and the resolver"),
    (ReasonCode.connection_refused, "nothing listens at this address",
     "check that Licet runs there"),
    (ReasonCode.connection_lost, "the connection was lost", "check that Licet runs"),
    (ReasonCode.no_answer, "no response", "check that Licet runs"),
    (ReasonCode.late, "no response in time", "check that Licet runs"),
    (ReasonCode.tls_failed, "the address does not speak TLS", "use `http://`, or the TLS port"),
    (ReasonCode.certificate_unknown, "the certificate is not trusted",
     "install its authority, or use the name that it was issued for"),
    (ReasonCode.not_http, "the server does not speak HTTP", "check the port"),
    (ReasonCode.cut_off, "the response was cut off", "check the proxy in between"),
    (ReasonCode.redirected, "the response is a redirect", "use the address that it points to"),
    (ReasonCode.not_licet, "another program answers at this address",
     "check the host and the port"),
    (ReasonCode.unreadable, "the response does not conform to this version of the API",
     "update the client"),
    (ReasonCode.rate_limited, "too many requests", "wait `retry_after` seconds"),
    (ReasonCode.busy, "Licet is busy, or something that it needs is unavailable",
     "try again in a moment"),
    (ReasonCode.database_silent, "Licet's database does not answer", "check that PostgreSQL runs"),
    (ReasonCode.bucket_silent, "Licet's object store does not answer",
     "check that it runs, and its address, key and secret"),
    (ReasonCode.key_provider_silent, "Licet's key provider does not answer",
     "check that it runs, is unsealed and accepts the token or PIN"),
    (ReasonCode.identity_provider_silent, "the staff's identity provider does not answer",
     "check that it runs"),
    (ReasonCode.disk_full, "a disk of Licet is full", "free some space"),
    (ReasonCode.disk_failed, "a disk of Licet cannot be written", "repair it, then restart Licet"),
    (ReasonCode.fenced, "the database is being restored", "wait"),
    (ReasonCode.newer_schema, "the database was upgraded beyond the version of this server",
     "restart the server with the newer version"),
    (ReasonCode.broken, "Licet failed", "read its log"),
    (ReasonCode.spool_full, "the spool is full",
     "see why nothing is delivered, or raise its limit"),
    (ReasonCode.spool_disk, "the disk of the spool cannot be written", "free some space"),
    (ReasonCode.spool_unwritable, "the folder of the spool cannot be written",
     "use a folder on a local disk that this program's user owns"),
    (ReasonCode.spool_key_readable, "the spool's key is readable by others",
     "run `chmod 600` on it"),
    (ReasonCode.spool_key_size, "the spool's key has the wrong size",
     "use a file of 32 random bytes, or none: it is then created"),
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

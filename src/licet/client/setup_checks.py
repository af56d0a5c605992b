"""Offline checks of an address, a key and an account's reference.

A client checks them when it is constructed: a wrong setting is an error at once, not a closed gate
for everybody. `SetupError.because` names the mistake.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from licet.client.failures import SetupError, UnansweredError
from licet.client.reasons import ReasonCode

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f\ufeff\u200b]")
_VERSION = re.compile(r"/v\d+(/.*)?$")
_KEY = re.compile(r"[A-Za-z0-9._~+/=-]+")


def checked_address(url: str) -> str:
    """Returns the address without trailing slashes; SetupError names the mistake."""
    if not url:
        raise SetupError(ReasonCode.address_missing)
    if _BLANK.search(url):
        raise SetupError(ReasonCode.address_blank, repr(url))
    if not _SCHEME.match(url):
        raise SetupError(ReasonCode.address_scheme_missing, url)
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SetupError(ReasonCode.address_host, url) from None
    if parts.scheme.lower() not in ("http", "https"):
        raise SetupError(ReasonCode.address_scheme, url)
    if "@" in parts.netloc:
        raise SetupError(ReasonCode.address_credentials, parts.netloc.rpartition("@")[2])
    if parts.query or parts.fragment or url.endswith(("?", "#")):
        raise SetupError(ReasonCode.address_query, url)
    if not parts.hostname:
        raise SetupError(ReasonCode.address_host, url)
    try:
        fits = parts.port is None or parts.port > 0
    except ValueError:
        fits = False
    if not fits:
        raise SetupError(ReasonCode.address_port, url)
    path = parts.path.rstrip("/")
    if _VERSION.search(path):
        raise SetupError(ReasonCode.address_version, url)
    return url.rstrip("/")


def checked_key(key: str) -> str:
    """Returns the key or token unchanged; SetupError names the mistake, never the key."""
    if not key.strip():
        raise SetupError(ReasonCode.key_missing)
    if key.lower().startswith("bearer"):
        raise SetupError(ReasonCode.key_prefix)
    if key[0] in "'\"`" or key[-1] in "'\"`":
        raise SetupError(ReasonCode.key_quoted)
    if _BLANK.search(key):
        raise SetupError(ReasonCode.key_blank)
    if not _KEY.fullmatch(key):
        raise SetupError(ReasonCode.key_characters)
    return key


def key_in(file: Path) -> str:
    """Reads a file's key, without surrounding blanks; SetupError if there is none."""
    try:
        return checked_key(file.read_text("utf-8").strip())
    except FileNotFoundError:
        raise SetupError(ReasonCode.key_file_missing, str(file)) from None
    except OSError as error:
        message = f"{file}: {error.strerror or type(error).__name__}"
        raise SetupError(ReasonCode.key_file_unreadable, message) from None
    except UnicodeDecodeError:
        raise SetupError(ReasonCode.key_characters) from None


def fresh_key(file: Path) -> str:
    """`key_in` for each request: UnansweredError while there is no key, so that queued turns are
    not lost.
    """
    try:
        return key_in(file)
    except SetupError as error:
        raise UnansweredError(error.because, str(file)) from None


def checked_account(account: str) -> str:
    """Returns a reference to an account; SetupError for the host's own id without `host:`."""
    if (
        account == "me"
        or account.startswith("acc_")
        or account.removeprefix("host:")
        not in (
            "",
            account,
        )
    ):
        return account
    raise SetupError(ReasonCode.account_reference, repr(account))

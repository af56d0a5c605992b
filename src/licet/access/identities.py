"""The two-person rule: which identities count as two people.

An identity is a subject of the identity provider, with its issuer. A sign-in link is none, because
anybody who grants roles can create links for any address; nor is the command line, because `--by`
can name anybody. An act of two such callers is recorded as not confirmed by a second identity, and
refused if `LICET_WEB__SECOND_IDENTITY` is on. That two subjects are two people is the provider's
assertion: its operator can create identities.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from licet.config import Web
from licet.errors import RefusedError

SUBJECT_CHARACTERS_MAX = 255  # OpenID Connect Core 2
NOT_CONFIRMED = "not confirmed by a second identity"
_PLACE = b"licet-identity-1"


def identity_of(issuer: str, subject: str) -> bytes:
    """The identity of a provider's subject: 32 bytes, stable over sign-ins and unique for issuer
    and subject.
    """
    parts = (_PLACE, issuer.encode(), subject.encode())
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()


def has_two(identities: Iterable[bytes | None]) -> bool:
    """Whether at least two different identities are among these; None counts as none."""
    return len({identity for identity in identities if identity is not None}) >= 2


def check(settings: Web, identity: bytes | None) -> None:
    """RefusedError if two identities are required and the caller has none."""
    if settings.second_identity and identity is None:
        raise _refusal_error(settings, "a link and the command line are no identity")


def check_two(settings: Web, identities: Iterable[bytes | None]) -> None:
    """RefusedError if two identities are required and these are fewer."""
    if settings.second_identity and not has_two(identities):
        raise _refusal_error(
            settings, "one person can make several links, and several addresses can be one person's"
        )


def _refusal_error(settings: Web, reason: str) -> RefusedError:
    sign_in = "have both people sign in with the identity provider (docs/console.md)"
    configure = "set LICET_WEB__OIDC_ISSUER and LICET_WEB__OIDC_CLIENT_ID, and "
    return RefusedError(
        f"this takes two identities of the identity provider: {reason}",
        sign_in if settings.oidc_issuer is not None else configure + sign_in,
        because="one_identity",
    )

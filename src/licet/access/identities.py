"""Which identities count as two people, where an act asks for two.

An identity is a subject of the identity provider, with its issuer: the provider says that it
belongs to one person. A link is none, because whoever gives roles can make links to any address,
and use them alone; nor is the command line, because whoever has the host's shell can name anybody
with `--by`. What two such callers did is on record as not confirmed by a second identity, and is
refused where `LICET_WEB__SECOND_IDENTITY` is on. Whoever runs the provider can make identities:
that two subjects are two people is the provider's word.
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
    """The identity of a provider's subject: 32 bytes, the same at each sign-in, others for every
    other pair.
    """
    parts = (_PLACE, issuer.encode(), subject.encode())
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()


def are_two(identities: Iterable[bytes | None]) -> bool:
    """Whether two different identities are among these; None is somebody without one."""
    return len({identity for identity in identities if identity is not None}) >= 2


def check(settings: Web, identity: bytes | None) -> None:
    """RefusedError where two identities are asked for and the caller has none."""
    if settings.second_identity and identity is None:
        raise _refused(settings, "a link and the command line are no identity")


def check_two(settings: Web, identities: Iterable[bytes | None]) -> None:
    """RefusedError where two identities are asked for and these are fewer."""
    if settings.second_identity and not are_two(identities):
        raise _refused(
            settings, "one person can make several links, and several addresses can be one person's"
        )


def _refused(settings: Web, why: str) -> RefusedError:
    sign_in = "have both people sign in with the identity provider (docs/console.md)"
    configure = "set LICET_WEB__OIDC_ISSUER and LICET_WEB__OIDC_CLIENT_ID, and "
    return RefusedError(
        f"this takes two identities of the identity provider: {why}",
        sign_in if settings.oidc_issuer is not None else configure + sign_in,
        because="one_identity",
    )

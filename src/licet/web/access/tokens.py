"""Tokens with which the host application identifies a person: short-lived JWTs (RFC 7519) for this
audience only.

The configured key fixes the algorithm, never the token (RFC 8725): a shared key verifies only
HS256; a JWKS file verifies RS256, ES256 and Ed25519 and contains no shared key. `exp` and `iat` are
required and at most `LIFETIME_SECONDS_MAX` apart. No error quotes an invalid token.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import OrderedDict
from enum import StrEnum
from pathlib import Path

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey, RSAKey

from licet.access.roles import TokenError
from licet.config import Web
from licet.errors import BusyError, UsageError
from licet.masked import Masked
from licet.vault.ids import HOST_ID_CHARACTERS_MAX

LIFETIME_SECONDS_MAX = 15 * 60
LEEWAY_SECONDS = 60
TOKEN_CHARACTERS_MAX = 4_096
KEY_BYTES_MIN = 32
RSA_BITS_MIN = 2_048
REMEMBERED_MAX = 20_000
_PUBLIC = ["RS256", "ES256", "Ed25519", "EdDSA"]
_TYPES = (
    None,
    "JWT",
    "at+jwt",
)  # RFC 8725 3.11: a token that is typed for another use, a logout or a proof, is not accepted


class TokenUse(StrEnum):
    """What a token is for. Its audience states it, so that a token from a URL cannot be used in a
    header.
    """

    call = "call"
    enter = "enter"


ENTERING = "-enter"


def audience_of(settings: Web, use: TokenUse) -> str:
    """The required `aud` of a token for this use."""
    return settings.token_audience + (ENTERING if use is TokenUse.enter else "")


class Token(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """A valid token: the host's id of the person, its use, and its expiry (seconds since 1970)."""

    subject: str
    use: TokenUse
    expires: int
    sha256: bytes


class TokenVerifier:
    """Verifies tokens. A valid token is cached until it expires, so that it is verified once."""

    def __init__(self, settings: Web) -> None:
        self._settings = settings
        self._known: OrderedDict[bytes, Token] = OrderedDict()
        self._shared = _shared_key(settings.token_key_file) if settings.token_key_file else None
        self._set: KeySet | None = None
        self._set_changed = -1
        if settings.token_jwks_file:
            if self._shared is not None:
                raise UsageError(
                    "people's tokens have a shared key or a JWKS, not both", "unset one of the two"
                )
            self._key_set(settings.token_jwks_file)

    @property
    def configured(self) -> bool:
        """Whether there is a key that can verify tokens at all."""
        return self._shared is not None or self._settings.token_jwks_file is not None

    def read(self, text: str, now: float, use: TokenUse = TokenUse.call) -> Token:
        """The token in ``text``; TokenError for any other text, and for a token for
        another use.
        """
        if len(text) > TOKEN_CHARACTERS_MAX:
            raise TokenError("it is too long")
        sha256 = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        token = self._known.get(sha256)
        if token is None:
            token = self._verified(text, sha256, now)
            self._known[sha256] = token
            if len(self._known) > REMEMBERED_MAX:
                self._known.popitem(last=False)
        if token.use is not use:
            raise TokenError(
                "`aud` is another",
                f"`aud` must be `{audience_of(self._settings, use)}` here",
            )
        if token.expires <= now:
            raise TokenError("it has expired", "ask the host application for a new one")
        return token

    def _verified(self, text: str, sha256: bytes, now: float) -> Token:
        try:
            if self._shared is not None:
                token = jwt.decode(text, self._shared, algorithms=["HS256"])
            elif self._settings.token_jwks_file is not None:
                token = jwt.decode(
                    text, self._key_set(self._settings.token_jwks_file), algorithms=_PUBLIC
                )
            else:
                raise TokenError(
                    "people's tokens are not configured", "set LICET_WEB__TOKEN_KEY_FILE"
                )
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise TokenError("its signature or form is another") from None
        claims = token.claims
        fault = (
            "it is of another type"
            if token.header.get("typ") not in _TYPES
            else self._fault(claims, now)
        )
        if fault:
            raise TokenError(fault)
        return Token(
            subject=claims["sub"],
            use=self._use(claims.get("aud")),
            expires=int(claims["exp"]),
            sha256=sha256,
        )

    def _fault(self, claims: dict[str, object], now: float) -> str:
        """What is wrong with the claims, without their values; empty if nothing is."""
        expires, issued, subject = claims.get("exp"), claims.get("iat"), claims.get("sub")
        if not _is_time(expires) or not _is_time(issued):
            return "`exp` and `iat` are needed, in seconds"
        if not isinstance(subject, str) or not 0 < len(subject) <= HOST_ID_CHARACTERS_MAX:
            return "`sub` is needed"
        if self._uses(claims.get("aud")) == []:
            return "`aud` is another"
        if len(self._uses(claims.get("aud"))) > 1:
            return "`aud` names two uses: a token is for one"
        if (
            self._settings.token_issuer is not None
            and claims.get("iss") != self._settings.token_issuer
        ):
            return "`iss` is another"
        assert isinstance(expires, int | float)
        assert isinstance(issued, int | float)
        begins = claims.get("nbf", issued)
        if not _is_time(begins) or max(issued, float(str(begins))) > now + LEEWAY_SECONDS:
            return "it is not valid yet: the clock of what signed it is ahead"
        if not 0 < expires - issued <= LIFETIME_SECONDS_MAX:
            return f"it lives longer than {LIFETIME_SECONDS_MAX} seconds"
        return ""

    def _uses(self, audience: object) -> list[TokenUse]:
        named = audience if isinstance(audience, list) else [audience]
        return [use for use in TokenUse if audience_of(self._settings, use) in named]

    def _use(self, audience: object) -> TokenUse:
        (use,) = self._uses(audience)
        return use

    def _key_set(self, path: Path) -> KeySet:
        """The host's public keys, read again when the file changes."""
        try:
            changed = path.stat().st_mtime_ns
            if self._set is None or changed != self._set_changed:
                self._set, self._set_changed = _public_keys(path), changed
        except OSError as error:
            raise BusyError(f"the JWKS file cannot be read: {error.strerror}") from None
        return self._set


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**53


def _shared_key(path: Path) -> OctKey:
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise UsageError(
            f"the token key file `{path}` cannot be read: {(error.strerror or 'unknown').lower()}",
            "set LICET_WEB__TOKEN_KEY_FILE to a file that can be read",
        ) from None
    if len(key) < KEY_BYTES_MIN:
        raise UsageError(
            f"the token key in `{path}` has `{len(key)}` bytes: at least {KEY_BYTES_MIN} are needed",
            "make one: `head -c 32 /dev/urandom | base64`",
        )
    return OctKey.import_key(key)


def _public_keys(path: Path) -> KeySet:
    try:
        keys = check_strength(KeySet.import_key_set(json.loads(path.read_bytes())))
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise UsageError(
            f"the JWKS file `{path}` does not hold keys",
            "set LICET_WEB__TOKEN_JWKS_FILE to JSON with a list `keys` of public keys",
        ) from None
    if not keys.keys or any(key.key_type == "oct" for key in keys.keys):
        raise UsageError("the JWKS file must hold public keys, and no shared one")
    return keys


def check_strength(keys: KeySet) -> KeySet:
    """The keys; UsageError if an RSA key is shorter than NIST SP 800-131A allows."""
    for key in keys.keys:
        if isinstance(key, RSAKey) and key.raw_value.key_size < RSA_BITS_MIN:
            raise UsageError(
                f"a key of RSA has `{key.raw_value.key_size}` bits: at least {RSA_BITS_MIN} "
                "are needed",
                "make a longer one, or one of P-256 or Ed25519",
            )
    return keys


def sign_token(
    key: bytes, subject: str, audience: str, now: float, seconds: int = LIFETIME_SECONDS_MAX
) -> str:
    """A token as a host application creates it, for demonstrations and tests on this machine."""
    claims = {
        "sub": subject,
        "aud": audience,
        "iat": int(now),
        "exp": int(now) + seconds,
        "jti": secrets.token_urlsafe(16),
    }
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(key))

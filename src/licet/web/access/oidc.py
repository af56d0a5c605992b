"""Sign-in of staff with an OpenID Connect provider: the code flow with PKCE (RFC 7636, S256), state
and nonce.

Authlib implements OAuth 2.0 with the provider. The ID token is verified here: its signature by the
provider's published keys, with algorithms for public keys only, and `iss`, `aud`, `azp`, `exp`,
`iat` and `nonce` (OpenID Connect Core 3.1.3.7). The state of the flow is encrypted in its own
cookie, which lives for minutes. Nobody is admitted without a verified e-mail address, or without a
role.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from licet.access import identities
from licet.access.roles import StaffRole, UnauthenticatedError
from licet.config import Web
from licet.errors import BrokenError, BusyError, RefusedError, UsageError
from licet.keys.material import seal, unseal
from licet.masked import Masked
from licet.store.circuit import CircuitBreaker
from licet.vault.ids import staff_address
from licet.web.access.tokens import check_strength

COOKIE = "__Host-licet-signin"
SECONDS_MAX = 10 * 60
LEEWAY_SECONDS = 60
TIMEOUT_SECONDS = 2.5  # of all requests of one sign-in together
PROBE_SECONDS_MAX = 2.0
ANSWER_BYTES_MAX = 256 * 2**10
DISCOVERY_SECONDS = 60.0
_ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519", "EdDSA"]
_PLACE = b"licet-signin-1"
SILENT = "identity_provider_silent"
_AWAY = "try again in a moment; services and people who are signed in need none"


class _Waiting(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """The state of the flow, which the browser brings back."""

    state: str
    nonce: str
    verifier: str
    until: float


class OidcProvider(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's metadata."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class SignInBegun(Masked, msgspec.Struct, frozen=True, kw_only=True):
    """Where to send the browser, and the cookie to send it with."""

    url: str
    cookie: str


class SignedInStaff(msgspec.Struct, frozen=True, kw_only=True):
    """The member of staff who signed in, and their roles in Licet according to the provider.
    ``identity``: `access.identities`.
    """

    email: str
    identity: bytes
    roles: frozenset[StaffRole]


class Discovery:
    """The provider's metadata, cached for `DISCOVERY_SECONDS`, so that beginning a sign-in needs no
    request.
    """

    def __init__(self) -> None:
        self._known: tuple[float, OidcProvider] | None = None
        self.circuit = CircuitBreaker("the identity provider", _AWAY, SILENT)

    def probe(self, issuer: str) -> None:
        """BusyError if the provider does not answer."""
        with self.circuit.calling(probes=True):
            try:
                httpx.head(_discovery_url(issuer), timeout=PROBE_SECONDS_MAX)
            except httpx.HTTPError as error:
                raise _silent(issuer, error) from None

    def known(self, issuer: str, now: float) -> OidcProvider | None:
        known = self._known
        return (
            known[1] if known is not None and known[0] > now and known[1].issuer == issuer else None
        )

    def keep(self, provider: OidcProvider, now: float) -> None:
        self._known = (now + DISCOVERY_SECONDS, provider)


class Oidc:
    """Sign-in with one provider. Its methods talk to the provider or compute; none uses the
    database.
    """

    def __init__(
        self, settings: Web, key: bytes, redirect: str, discovery: Discovery | None = None
    ) -> None:
        self._settings, self._key, self._redirect = settings, key, redirect
        self._discovery = discovery or Discovery()
        self._until = monotonic() + TIMEOUT_SECONDS

    def begin(self, now: float) -> SignInBegun:
        """Begins a sign-in; RefusedError if no provider is configured."""
        provider = self._provider(now)
        waiting = _Waiting(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            until=now + SECONDS_MAX,
        )
        with self._client() as client:
            url, _ = client.create_authorization_url(
                provider.authorization_endpoint,
                state=waiting.state,
                code_verifier=waiting.verifier,
                nonce=waiting.nonce,
            )
        return SignInBegun(
            url=str(url), cookie=seal(self._key, msgspec.json.encode(waiting), _PLACE).hex()
        )

    def finish(self, cookie: str, query: Mapping[str, str], now: float) -> SignedInStaff:
        """The member of staff who came back from the provider; UnauthenticatedError if anything
        does not match.
        """
        waiting = self._waiting(cookie, now)
        if not secrets.compare_digest(query.get("state", "").encode(), waiting.state.encode()):
            raise UnauthenticatedError("the sign-in was begun elsewhere", "begin it again")
        if "code" not in query:
            raise UnauthenticatedError("the provider did not sign you in")
        provider = self._provider(now)
        try:
            with self._discovery.circuit.calling(), self._answering(), self._client() as client:
                token = client.fetch_token(
                    provider.token_endpoint,
                    code=query["code"],
                    code_verifier=waiting.verifier,
                    grant_type="authorization_code",
                )
        except AuthlibBaseError:
            raise UnauthenticatedError(
                "the provider did not take the code back", "begin the sign-in again"
            ) from None
        return self._signed_in(provider, str(token.get("id_token", "")), waiting.nonce, now)

    def _waiting(self, cookie: str, now: float) -> _Waiting:
        try:
            waiting = msgspec.json.decode(
                unseal(self._key, bytes.fromhex(cookie), _PLACE), type=_Waiting
            )
        except (BrokenError, ValueError, msgspec.DecodeError):
            raise UnauthenticatedError(
                "no sign-in was begun in this browser", "begin it again"
            ) from None
        if waiting.until < now:
            raise UnauthenticatedError("the sign-in took too long", "begin it again")
        return waiting

    def _signed_in(
        self, provider: OidcProvider, id_token: str, nonce: str, now: float
    ) -> SignedInStaff:
        try:
            keys = check_strength(KeySet.import_key_set(self._fetch(provider.jwks_uri)))
            claims = jwt.decode(id_token, keys, algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            raise UnauthenticatedError("the provider's token does not hold") from None
        fault = self._fault(claims, provider, nonce, now)
        if fault:
            raise UnauthenticatedError(f"the provider's token does not hold: {fault}")
        given = claims.get(self._settings.oidc_roles_claim)
        words = given if isinstance(given, list) else str(given or "").split()
        return SignedInStaff(
            email=staff_address(claims["email"]),
            identity=identities.identity_of(provider.issuer, claims["sub"]),
            roles=frozenset(StaffRole(w) for w in words if w in StaffRole.__members__),
        )

    def _fault(self, claims: dict[str, Any], provider: OidcProvider, nonce: str, now: float) -> str:
        audience, client = claims.get("aud"), self._settings.oidc_client_id
        audiences = audience if isinstance(audience, list) else [audience]
        expires, issued, email = claims.get("exp"), claims.get("iat"), claims.get("email")
        if claims.get("iss") != provider.issuer:
            return "`iss` is another"
        if (
            client not in audiences
            or claims.get("azp", None if len(audiences) > 1 else client) != client
        ):
            return "`aud` or `azp` is another"
        if not isinstance(expires, int | float) or expires <= now - LEEWAY_SECONDS:
            return "it has expired"
        if not isinstance(issued, int | float) or abs(issued - now) > SECONDS_MAX:
            return "it was made at another time"
        begins = claims.get("nbf", issued)
        if not isinstance(begins, int | float) or begins > now + LEEWAY_SECONDS:
            return "it is not valid yet"
        if claims.get("nonce") != nonce:
            return "`nonce` is another"
        subject = claims.get("sub")
        if (
            not isinstance(subject, str)
            or not 1 <= len(subject) <= identities.SUBJECT_CHARACTERS_MAX
        ):
            return "it names no subject"
        return (
            ""
            if _is_address(email) and claims.get("email_verified") is True
            else "it has no verified address of e-mail"
        )

    def _provider(self, now: float) -> OidcProvider:
        """The provider's metadata; BusyError if it does not answer."""
        issuer = self._settings.oidc_issuer
        if issuer is None or self._settings.oidc_client_id is None:
            raise RefusedError(
                "no identity provider is configured",
                "set LICET_WEB__OIDC_ISSUER",
                because="no_oidc",
            )
        known = self._discovery.known(issuer, now)
        if known is not None:
            return known
        _checked(issuer)
        document = self._fetch(_discovery_url(issuer))
        try:
            provider = msgspec.convert(document, OidcProvider)
        except msgspec.ValidationError:
            raise BrokenError("the provider's discovery document lacks an endpoint") from None
        # byte by byte, RFC 8414 3.3: anything less could confuse two issuers
        if provider.issuer != issuer:
            raise BrokenError(
                "the provider says that it is another issuer",
                "LICET_WEB__OIDC_ISSUER must be its `issuer` to the byte",
            )
        for url in (provider.authorization_endpoint, provider.token_endpoint, provider.jwks_uri):
            _checked(url)
        self._discovery.keep(provider, now)
        return provider

    def _fetch(self, url: str) -> Any:  # noqa: ANN401 whatever the provider answers
        with self._discovery.circuit.calling(), self._answering():
            answer = httpx.get(url, timeout=self._seconds_left())
            answer.raise_for_status()
            if len(answer.content) > ANSWER_BYTES_MAX:
                raise BrokenError("the provider's answer is larger than is taken")
            return answer.json()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Surrounds a request; BusyError for no response or an invalid one."""
        try:
            yield
        except AuthlibBaseError:
            raise
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            raise _silent(self._settings.oidc_issuer or "", error) from None

    def _seconds_left(self) -> float:
        return max(self._until - monotonic(), 0.1)

    def _client(self) -> OAuth2Client:
        secret = _secret(self._settings.oidc_client_secret_file)
        return OAuth2Client(
            client_id=self._settings.oidc_client_id,
            client_secret=secret,
            redirect_uri=self._redirect,
            scope="openid email profile",
            code_challenge_method="S256",
            timeout=self._seconds_left(),
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
        )


def _discovery_url(issuer: str) -> str:
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def _silent(issuer: str, error: Exception) -> BusyError:
    return BusyError(
        f"the identity provider `{issuer}` does not answer: `{type(error).__name__}`",
        _AWAY,
        because=SILENT,
    )


def _is_address(email: object) -> bool:
    """Whether it is a valid address of staff. Other identifiers of a provider are not members of
    staff.
    """
    try:
        return isinstance(email, str) and bool(staff_address(email))
    except UsageError:
        return False


def _secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BusyError(f"the client secret file cannot be read: {error.strerror}") from None


def _checked(url: str) -> None:
    """UsageError unless the provider is reached over TLS, or is on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (
        parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    ):
        raise UsageError("the provider must be reached over https", "see LICET_WEB__OIDC_ISSUER")

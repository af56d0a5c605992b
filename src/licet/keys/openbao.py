"""Epoch keys in OpenBao's transit engine: created, used and destroyed there, never exported.

One transit key per epoch, `NAME-000001`, not exportable and without plaintext backup; `wrap` and
`unwrap` are its encrypt and decrypt operations with the place as associated data. Wrapped bytes are
transit's ciphertext text, which names its format (`vault:v1:..`).

Promise: a missing answer, a sealed server and a refused token are `BusyError`: nothing can be
unsealed, nothing is lost, and work continues when the server does. A missing key, or bytes that
cannot be opened, are `BrokenError`. No error of the client library is chained or keeps its frames:
both contain the request.

The token's policy must not have `create` on `encrypt/NAME-*`: transit would create a missing key.
OpenBao 2.x, https://openbao.org/api-docs/secret/transit/.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from licet.errors import BrokenError, BusyError, LicetError, NotInstalledError, UsageError
from licet.keys.material import KEY_BYTES, SILENT, KeyMaterial
from licet.store.circuit import CircuitBreaker

TIMEOUT_SECONDS_MAX = 2
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_AWAY = "check that it runs, is unsealed and can be reached; nothing is lost meanwhile"


class BaoProvider:
    """Epoch keys of an installation, under ``name`` in a transit ``mount``.

    ``token_file`` is read for every request, so that an agent may renew it.
    """

    def __init__(
        self,
        address: str,
        token_file: Path,
        *,
        mount: str = "transit",
        name: str = "licet",
        ca_file: Path | None = None,
    ) -> None:
        split = urlsplit(address)
        if split.scheme != "https" and not (split.scheme == "http" and split.hostname in _LOOPBACK):
            raise UsageError(
                "the key provider's address is not an https URL",
                "keys are sent over this connection: use `https://..`",
            )
        try:
            hvac: Any = import_module("hvac")  # installed only with this provider
        except ImportError:
            raise NotInstalledError("hvac", "bao", "the key provider `bao` needs it") from None
        self._token_file, self._mount, self._name = token_file, mount, name
        self._client: Any = hvac.Client(
            url=address, verify=str(ca_file) if ca_file else True, timeout=TIMEOUT_SECONDS_MAX
        )
        self._errors: Any = hvac.exceptions
        self.circuit = CircuitBreaker(f"the key provider at `{address}`", _AWAY, SILENT)

    def __repr__(self) -> str:
        return "BaoProvider(sealed)"

    def probe(self) -> None:
        """Raises BusyError if the server does not answer."""
        with contextlib.suppress(_NothingThereError), self.circuit.calling(probes=True):
            self._answer(0, lambda transit: transit.list_keys(mount_point=self._mount))

    def newest(self, after: int = 0) -> int:
        try:
            answer = self._ask(0, lambda transit: transit.list_keys(mount_point=self._mount))
            names: list[str] = answer["data"]["keys"]
        except _NothingThereError:
            names = []
        pattern = re.compile(re.escape(self._name) + r"-(\d{6,})")
        newest = max(
            (int(match[1]) for name in names if (match := pattern.fullmatch(name))), default=0
        )
        if newest > after:
            return newest
        epoch = after + 1
        self._ask(
            epoch,
            lambda transit: transit.create_key(
                name=self._key(epoch),
                key_type="aes256-gcm96",
                exportable=False,
                allow_plaintext_backup=False,
                mount_point=self._mount,
            ),
        )
        return epoch

    def wrap(self, epoch: int, key: KeyMaterial, place: bytes) -> bytes:
        answer = self._ask(
            epoch,
            lambda transit: transit.encrypt_data(
                name=self._key(epoch),
                plaintext=_text(key),
                associated_data=_text(place),
                mount_point=self._mount,
            ),
        )
        return str(answer["data"]["ciphertext"]).encode("ascii")

    def unwrap(self, epoch: int, wrapped: bytes, place: bytes) -> KeyMaterial:
        def decrypt(transit: Any) -> KeyMaterial:  # noqa: ANN401 untyped library
            answer = transit.decrypt_data(
                name=self._key(epoch),
                ciphertext=wrapped.decode("ascii", "replace"),
                associated_data=_text(place),
                mount_point=self._mount,
            )
            return KeyMaterial(base64.b64decode(answer["data"]["plaintext"], validate=True))

        key: KeyMaterial = self._ask(epoch, decrypt)
        if len(key) != KEY_BYTES:
            raise BrokenError(f"the bytes wrapped under epoch `{epoch}` are not a key")
        return key

    def destroy(self, epoch: int) -> None:
        def delete(transit: Any) -> None:  # noqa: ANN401 untyped library
            name = self._key(epoch)
            transit.update_key_configuration(
                name=name, deletion_allowed=True, mount_point=self._mount
            )
            transit.delete_key(name=name, mount_point=self._mount)

        try:
            self._ask(
                epoch,
                lambda transit: transit.read_key(name=self._key(epoch), mount_point=self._mount),
            )
        except _NothingThereError:
            return
        self._ask(epoch, delete)

    def _key(self, epoch: int) -> str:
        return f"{self._name}-{epoch:06}"

    def _ask(self, epoch: int, act: Callable[[Any], Any]) -> Any:  # noqa: ANN401 untyped library
        with self.circuit.calling():
            return self._answer(epoch, act)

    def _answer(self, epoch: int, act: Callable[[Any], Any]) -> Any:  # noqa: ANN401 untyped library
        """Calls ``act``; raises its error here, where no frame of the client, which holds the
        request, is left.
        """
        failure: LicetError
        try:
            self._client.token = self._token_file.read_text("ascii").strip()
            return act(self._client.secrets.transit)
        except Exception as error:  # any exception may contain what was sent
            failure = self._licet_error(error, epoch)
        raise failure

    def _licet_error(self, error: Any, epoch: int) -> LicetError:  # noqa: ANN401 untyped library
        known = self._errors
        if isinstance(error, FileNotFoundError | PermissionError | UnicodeDecodeError):
            return BusyError(
                "the key provider's token file cannot be read",
                "see LICET_KEYS__TOKEN_FILE",
                because=SILENT,
            )
        if isinstance(error, known.InvalidPath):
            return _NothingThereError(f"the key of epoch `{epoch}` is not in the key provider")
        if isinstance(error, known.InvalidRequest):
            missing = any("key not found" in str(each) for each in error.errors or ())
            return BrokenError(
                f"the key of epoch `{epoch}` is not in the key provider"
                if missing
                else "sealed bytes cannot be opened: wrong key, wrong place, or damage"
            )
        if isinstance(error, known.Forbidden | known.Unauthorized):
            return BusyError(
                "the key provider refused the token",
                "renew it, and check that its policy allows this",
                because=SILENT,
            )
        return BusyError(
            f"the key provider at `{self._client.url}` does not answer: `{type(error).__name__}`",
            _AWAY,
            because=SILENT,
        )


class _NothingThereError(BrokenError):
    """The server has no such key, or none at all."""


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")

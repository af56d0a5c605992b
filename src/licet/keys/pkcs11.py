"""Epoch keys in a PKCS#11 token: a hardware module, or SoftHSM2.

One AES-256 key per epoch, labelled `NAME-000001`, sensitive and not extractable. A wrapped key is
nonce (12) || ciphertext (32) || tag (16) of the token's AES-GCM (PKCS#11 3.0, CKM_AES_GCM), bound
to its place.

Promise: an absent token, a refused pin and a failing device are `BusyError`; a missing key, or
bytes that cannot be opened, are `BrokenError`. A module has one login per process, so one thread
makes all calls. Callers wait at most `TIMEOUT_SECONDS_MAX`: a hanging call continues in the module,
and all others are refused until it returns.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import Future
from importlib import import_module
from pathlib import Path
from threading import Lock, Thread
from time import monotonic
from typing import Any

from licet.errors import BrokenError, BusyError, LicetError, NotInstalledError
from licet.keys.material import KEY_BYTES, NONCE_BYTES, SILENT, KeyMaterial, Random
from licet.store.circuit import CircuitBreaker

TIMEOUT_SECONDS_MAX = 2.0
_TAG_BITS = 128
_AWAY = "check that it is present and accepts the pin; nothing is lost meanwhile"


class Pkcs11Provider:
    """Epoch keys of an installation, under ``name`` in the token labelled ``token``. The pin is
    read each time.
    """

    def __init__(
        self,
        module: Path,
        token: str,
        pin_file: Path,
        *,
        name: str = "licet",
        random: Random = os.urandom,
    ) -> None:
        try:
            self._api: Any = import_module("pkcs11")  # installed only with this provider
            self._params: Any = import_module("pkcs11.mechanisms").GCMParams
        except ImportError:
            raise NotInstalledError(
                "python-pkcs11", "pkcs11", "the key provider `pkcs11` needs it"
            ) from None
        self._module, self._token, self._pin_file, self._name = module, token, pin_file, name
        self._random = random
        self.circuit = CircuitBreaker(f"the token `{token}`", _AWAY, SILENT)

    def __repr__(self) -> str:
        return "Pkcs11Provider(sealed)"

    def probe(self) -> None:
        """Raises BusyError if the token does not answer."""
        with self.circuit.calling(probes=True):
            self._answer(0, lambda session: session.token.label)

    def newest(self, after: int = 0) -> int:
        pattern = re.compile(re.escape(self._name) + r"-(\d{6,})")

        def find_or_make(session: Any) -> int:  # noqa: ANN401 untyped module
            kind = {self._api.Attribute.CLASS: self._api.ObjectClass.SECRET_KEY}
            labels = [str(key.label) for key in session.get_objects(kind)]
            newest = max(
                (int(match[1]) for label in labels if (match := pattern.fullmatch(label))),
                default=0,
            )
            if newest > after:
                return newest
            session.generate_key(
                self._api.KeyType.AES,
                KEY_BYTES * 8,
                label=self._label(after + 1),
                store=True,
                template={
                    self._api.Attribute.SENSITIVE: True,
                    self._api.Attribute.EXTRACTABLE: False,
                },
            )
            return after + 1

        return int(self._ask(0, find_or_make))

    def wrap(self, epoch: int, key: KeyMaterial, place: bytes) -> bytes:
        nonce = self._random(NONCE_BYTES)
        sealed: bytes = self._ask(
            epoch, lambda s: self._find(s, epoch).encrypt(key, **self._gcm(nonce, place))
        )
        return nonce + sealed

    def unwrap(self, epoch: int, wrapped: bytes, place: bytes) -> KeyMaterial:
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        key: KeyMaterial = self._ask(
            epoch,
            lambda s: KeyMaterial(self._find(s, epoch).decrypt(sealed, **self._gcm(nonce, place))),
        )
        return key

    def destroy(self, epoch: int) -> None:
        try:
            self._ask(epoch, lambda session: self._find(session, epoch).destroy())
        except _NothingThereError:
            return

    def _label(self, epoch: int) -> str:
        return f"{self._name}-{epoch:06}"

    def _find(self, session: Any, epoch: int) -> Any:  # noqa: ANN401 untyped module
        return session.get_key(
            object_class=self._api.ObjectClass.SECRET_KEY, label=self._label(epoch)
        )

    def _gcm(self, nonce: bytes, place: bytes) -> dict[str, Any]:
        return {
            "mechanism": self._api.Mechanism.AES_GCM,
            "mechanism_param": self._params(nonce, b"epoch" + place, _TAG_BITS),
        }

    def _ask(self, epoch: int, act: Callable[[Any], Any]) -> Any:  # noqa: ANN401 untyped module
        with self.circuit.calling():
            return self._answer(epoch, act)

    def _answer(self, epoch: int, act: Callable[[Any], Any]) -> Any:  # noqa: ANN401 untyped module
        """Calls ``act`` in a new session; raises its error here, where no frame of the session is
        left.
        """
        failure: LicetError
        try:
            pin = _Pin(self._pin_file.read_text("utf-8").strip())
            return _module_calls.run(lambda: self._in_session(pin, act), TIMEOUT_SECONDS_MAX)
        except Exception as error:  # any exception's frames may contain keys
            failure = self._licet_error(error, epoch)
        raise failure

    def _in_session(self, pin: _Pin, act: Callable[[Any], Any]) -> Any:  # noqa: ANN401 untyped module
        token = self._api.lib(str(self._module)).get_token(token_label=self._token)
        with token.open(rw=True, user_pin=str(pin)) as session:
            return act(session)

    def _licet_error(self, error: Exception, epoch: int) -> LicetError:
        known = self._api.exceptions
        if isinstance(error, known.NoSuchKey):
            return _NothingThereError(f"the key of epoch `{epoch}` is not in the token")
        # SoftHSM2 reports unopenable bytes as other tokens do a failing device
        if isinstance(
            error, known.GeneralError | known.EncryptedDataInvalid | known.EncryptedDataLenRange
        ):
            return BrokenError("sealed bytes cannot be opened: wrong key, wrong place, or damage")
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            return BusyError("the token's pin file cannot be read", "see LICET_KEYS__PIN_FILE")
        return BusyError(
            f"the token `{self._token}` does not answer: `{type(error).__name__}`",
            _AWAY,
            because=SILENT,
        )


class _NothingThereError(BrokenError):
    """The token has no such key."""


class _ModuleCalls:
    """Calls a module's functions one at a time, each on a thread, so that callers can time out."""

    def __init__(self) -> None:
        self._one_login = Lock()

    def run(self, call: Callable[[], Any], seconds_max: float) -> Any:  # noqa: ANN401 untyped module
        """Returns the result of ``call``; TimeoutError if it, and the call before it, take too
        long.
        """
        until, done = monotonic() + seconds_max, Future[Any]()
        if not self._one_login.acquire(timeout=seconds_max):
            raise TimeoutError
        Thread(target=self._finish, args=(call, done), name="licet-pkcs11", daemon=True).start()
        return done.result(max(until - monotonic(), 0.0))

    def _finish(self, call: Callable[[], Any], done: Future[Any]) -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)
        finally:
            self._one_login.release()


_module_calls = _ModuleCalls()


class _Pin(str):
    """A pin whose repr is masked, for tracebacks that print locals."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "_Pin(sealed)"

"""Workers of a build on a Ray cluster: each is an actor that makes whole pages, as a process of this machine does
(`release.build_workers`), with the curation of its pages in it.

The machines of the cluster need the same version of Licet, the database, and the key provider. What passes between a
build and an actor (the job with the connection string, the rows, which are sealed already, and what the election needs)
is sealed with AES-256-GCM under a key that both derive from an exchange of X25519 keys, because Ray keeps what it passes
on in an object store that may spill to disk. Whoever runs the cluster runs the actors, and can read what is in their
memory.

An actor ends with its build: Ray ends the actors of a program that has died, and the database rolls their pages back.
"""

from __future__ import annotations

import importlib
import pickle
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version as installed_version
from queue import SimpleQueue
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from licet.curate.runners import ray_cluster
from licet.errors import BrokenError, BusyError, UsageError
from licet.release.build_workers import RUN_AGAIN, PageMaker
from licet.release.page_worker import WorkerJob, WorkerMessage, WorkerSays, make_pages
from licet.store.core_dumps import harden

START_SECONDS_MAX = 300  # how long the cluster may take to have a core for a worker, and the worker to load its rules
_TO_ACTOR, _TO_BUILD = 0, 1


class RayActors:
    """Actors of the cluster at ``address``, empty for one of this machine's own; one core each."""

    def __init__(self, address: str, preload: str) -> None:
        self._address, self._preload = address, preload

    def prepare(self) -> None:
        self._ray, _ = ray_cluster(self._address)
        self._actor = self._ray.remote(num_cpus=1)(PageActor)

    def hire(self) -> PageMaker:
        return ActorWorker(self._ray, self._actor.remote(self._preload))

    def ready(self, workers: Sequence[PageMaker]) -> Sequence[PageMaker]:
        by_answer = {one.answer: one for one in workers if isinstance(one, ActorWorker) and one.answer is not None}
        done, _ = self._ray.wait(list(by_answer))
        return [by_answer[answer] for answer in done]


class ActorWorker:
    """An actor, as its build sees it. ``answer``: the reference of what it says next; None if it was asked nothing."""

    def __init__(self, ray: Any, actor: Any) -> None:  # noqa: ANN401 ray has no types
        self.page = 0
        self.answer: Any = None
        self._ray, self._actor = ray, actor
        self._secret = X25519PrivateKey.generate()
        self._meets = actor.meet.remote(self._secret.public_key().public_bytes_raw())

    def begin(self, job: WorkerJob) -> None:
        try:
            public, software = self._ray.get(self._meets, timeout=START_SECONDS_MAX)
        except self._ray.exceptions.GetTimeoutError as error:
            hint = "use fewer workers, or add machines: each worker needs a core of the cluster"
            raise BusyError(f"the cluster did not start a worker within `{START_SECONDS_MAX}` seconds", hint) from error
        except self._ray.exceptions.RayError as error:
            raise self._died(error) from None
        if software != (ours := installed_version("licet")):
            raise UsageError(
                f"the cluster has version `{software}` of Licet, and the build `{ours}`", "install the same"
            )
        self._channel = SealedMessages(agreed(self._secret, public), sends=_TO_ACTOR)
        self._actor.begin.remote(self._channel.seal(job))

    def give(self, message: object) -> None:
        self.answer = self._actor.next.remote(self._channel.seal(message))

    def take(self) -> WorkerMessage:
        try:
            sealed = self._ray.get(self.answer)
        except self._ray.exceptions.RayError as error:
            raise self._died(error) from None
        message: WorkerMessage = self._channel.open(sealed)
        self.answer = self._actor.next.remote(None) if isinstance(message, WorkerSays) else None
        return message

    def end(self) -> None:
        self._ray.kill(self._actor)

    def _died(self, error: Exception) -> BusyError | BrokenError:
        """An error of the actor's own may quote what it stumbled over, which is content: only its kind is told."""
        if isinstance(error, self._ray.exceptions.RayTaskError):
            return BrokenError(f"a worker of the build failed on the cluster: `{type(error.cause).__name__}`")
        return BusyError("a worker of the build on the cluster was ended", RUN_AGAIN)


class PageActor:
    """What the cluster runs. Its build calls one method at a time."""

    def __init__(self, preload: str) -> None:
        harden()
        importlib.import_module(preload)
        self._given: SimpleQueue[object] = SimpleQueue()
        self._said: SimpleQueue[object] = SimpleQueue()

    def meet(self, public: bytes) -> tuple[bytes, str]:
        """Agrees on a key with the build that has the X25519 key ``public``: returns its own, and its version of Licet."""
        secret = X25519PrivateKey.generate()
        self._channel = SealedMessages(agreed(secret, public), sends=_TO_BUILD)
        return secret.public_key().public_bytes_raw(), installed_version("licet")

    def begin(self, job: bytes) -> None:
        self._given.put(self._channel.open(job))
        queues = _Queues(self._said.put, self._given.get)
        threading.Thread(target=make_pages, args=(queues,), daemon=True).start()

    def next(self, message: bytes | None) -> bytes:
        """What the worker says next, after it was told ``message`` if that is not None."""
        if message is not None:
            self._given.put(self._channel.open(message))
        return self._channel.seal(self._said.get())


class SealedMessages:
    """Messages in order, each sealed under a nonce that is used once: the direction, and a number that counts up."""

    def __init__(self, key: bytes, *, sends: int) -> None:
        self._key, self._sends = AESGCM(key), sends
        self._counts = [0, 0]

    def seal(self, message: object) -> bytes:
        return self._key.encrypt(self._nonce(self._sends), pickle.dumps(message, pickle.HIGHEST_PROTOCOL), None)

    def open(self, sealed: bytes) -> Any:  # noqa: ANN401 what was sealed
        """The next message; InvalidTag if it is not the next one of this channel."""
        message = self._key.decrypt(self._nonce(1 - self._sends), sealed, None)
        return pickle.loads(message)  # noqa: S301 whoever has the key runs code in the other's name anyway

    def _nonce(self, direction: int) -> bytes:
        self._counts[direction] += 1
        return direction.to_bytes(4, "big") + self._counts[direction].to_bytes(8, "big")


def agreed(secret: X25519PrivateKey, public: bytes) -> bytes:
    """The key that two parties have who each know their own secret and the other's public key: RFC 7748 and RFC 5869."""
    shared = secret.exchange(X25519PublicKey.from_public_bytes(public))
    return HKDF(SHA256(), 32, salt=None, info=b"licet build worker").derive(shared)


class _Queues:
    """The worker's end of the channel: the thread that makes pages talks to the methods of the actor."""

    def __init__(self, send: Callable[[object], None], recv: Callable[[], object]) -> None:
        self.send, self.recv = send, recv

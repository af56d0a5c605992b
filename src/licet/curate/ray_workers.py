"""Build workers on a Ray cluster: actors that make whole pages, as local workers do
(`release.build_workers`).

All machines need the same version of Licet, the database, the key provider, and the name models, at
the same paths. Messages between build and actor (the job with the connection string, sealed rows,
sketches) are sealed and decoded by a schema (`curate.cluster_messages`), because Ray's storage may
spill to disk and be writable by others. An actor first proves that it has the secret of its build,
and its answers are checked against the request (`release.page_check`).

Not covered: anyone who runs the cluster, or can submit to it, runs code in the actors and can read
their memory and the secret, and Ray itself deserializes what it delivers. So restrict a cluster to
those who may read content.

Ray ends the actors of a dead build, and the database rolls their pages back.
"""

from __future__ import annotations

import importlib
import secrets
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version as installed_version
from queue import SimpleQueue
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from licet.curate.cluster_messages import (
    SECRET_BYTES,
    MessageChannel,
    WorkerHello,
    decode_for_build,
    decode_for_worker,
    encode_for_build,
    encode_for_worker,
    message_key,
)
from licet.curate.runners import ray_cluster
from licet.errors import BrokenError, BusyError, UsageError
from licet.release.build_workers import RUN_AGAIN, PageMaker
from licet.release.page_check import PageCheck
from licet.release.page_worker import (
    BuildMessage,
    PageTask,
    WorkerJob,
    WorkerMessage,
    WorkerSays,
    make_pages,
)
from licet.store.core_dumps import harden

# for the cluster to find a core, and the worker to load its rules
START_SECONDS_MAX = 300
_BUILD, _WORKER = 0, 1  # who sends


class RayActors:
    """Actors of the cluster at ``address``, empty for a local one; one core each."""

    def __init__(self, address: str, preload: str) -> None:
        self._address, self._preload = address, preload

    def prepare(self) -> None:
        self._ray, _ = ray_cluster(self._address)
        self._actor = self._ray.remote(num_cpus=1)(PageActor)

    def hire(self) -> PageMaker:
        secret = secrets.token_bytes(SECRET_BYTES)
        return ActorWorker(self._ray, self._actor.remote(self._preload, secret), secret)

    def ready(self, workers: Sequence[PageMaker]) -> Sequence[PageMaker]:
        by_answer = {
            worker.answer: worker
            for worker in workers
            if isinstance(worker, ActorWorker) and worker.answer is not None
        }
        done, _ = self._ray.wait(list(by_answer))
        return [by_answer[answer] for answer in done]


class ActorWorker:
    """The build's side of an actor. ``answer``: the pending one; ``secret``: the actor's own."""

    def __init__(self, ray: Any, actor: Any, secret: bytes) -> None:  # noqa: ANN401 Ray's
        self.page = 0
        self.answer: Any = None
        self._ray, self._actor, self._secret = ray, actor, secret
        self._own = X25519PrivateKey.generate()
        self._public = self._own.public_key().public_bytes_raw()
        self._meets = actor.meet.remote(self._public)
        self._check: PageCheck | None = None

    def begin(self, job: WorkerJob) -> None:
        self._release = job.release.release_id
        self._channel = self._authenticated(self._met())
        self._actor.begin.remote(self._channel.seal(encode_for_worker(job)))

    def _met(self) -> tuple[bytes, bytes]:
        """The actor's public key and hello."""
        try:
            met = self._ray.get(self._meets, timeout=START_SECONDS_MAX)
        except self._ray.exceptions.GetTimeoutError as error:
            hint = "use fewer workers, or add machines: each worker needs a core of the cluster"
            raise BusyError(
                f"the cluster did not start a worker within `{START_SECONDS_MAX}` seconds", hint
            ) from error
        except self._ray.exceptions.RayError as error:
            raise self._died(error) from None
        if not (isinstance(met, tuple) and [type(part) for part in met] == [bytes, bytes]):
            raise BrokenError("a worker on the cluster did not answer as one does")
        return met

    def _authenticated(self, met: tuple[bytes, bytes]) -> MessageChannel:
        """The channel to the actor, after verifying its secret and version."""
        public, hello = met
        key = message_key(self._own, public, self._secret, publics=(self._public, public))
        channel = MessageChannel(key, sends=_BUILD)
        try:
            known = decode_for_build(channel.open(hello))
        except BrokenError:
            raise BrokenError(
                "a worker on the cluster does not have the secret of this build"
            ) from None
        if not isinstance(known, WorkerHello):
            raise BrokenError("a worker on the cluster did not answer as one does")
        if known.software != (ours := installed_version("licet")):
            raise UsageError(
                f"the cluster has version `{known.software}` of Licet, and the build `{ours}`",
                "install the same",
            )
        return channel

    def give(self, message: BuildMessage) -> None:
        if isinstance(message, PageTask):
            self._check = PageCheck(self._release, message)
        elif isinstance(message, int) and self._check is not None:
            self._check.first_row(message)
        self.answer = self._actor.next.remote(self._channel.seal(encode_for_worker(message)))

    def take(self) -> WorkerMessage:
        try:
            sealed = self._ray.get(self.answer)
        except self._ray.exceptions.RayError as error:
            raise self._died(error) from None
        message = decode_for_build(self._channel.open(sealed))
        if isinstance(message, WorkerHello) or self._check is None:
            raise BrokenError("a worker on the cluster answered without a request")
        self._check.check(message)
        self.answer = self._actor.next.remote(None) if isinstance(message, WorkerSays) else None
        return message

    def end(self) -> None:
        self._ray.kill(self._actor)

    def _died(self, error: Exception) -> BusyError | BrokenError:
        """The error of a dead actor, without its message, which may quote content."""
        if isinstance(error, self._ray.exceptions.RayTaskError):
            return BrokenError(
                f"a worker of the build failed on the cluster: `{type(error.cause).__name__}`"
            )
        return BusyError("a worker of the build on the cluster was ended", RUN_AGAIN)


class PageActor:
    """The actor. Its build calls one method at a time."""

    def __init__(self, preload: str, secret: bytes) -> None:
        harden()
        importlib.import_module(preload)
        self._secret = secret
        self._given: SimpleQueue[BuildMessage] = SimpleQueue()
        self._said: SimpleQueue[WorkerMessage] = SimpleQueue()

    def meet(self, public: bytes) -> tuple[bytes, bytes]:
        """Agrees on a key with the build's X25519 key; returns the actor's key and sealed hello."""
        own = X25519PrivateKey.generate()
        mine = own.public_key().public_bytes_raw()
        key = message_key(own, public, self._secret, publics=(public, mine))
        self._channel = MessageChannel(key, sends=_WORKER)
        return mine, self._channel.seal(encode_for_build(WorkerHello(installed_version("licet"))))

    def begin(self, job: bytes) -> None:
        self._given.put(decode_for_worker(self._channel.open(job)))
        queues = _Queues(self._said.put, self._given.get)
        threading.Thread(target=make_pages, args=(queues,), daemon=True).start()

    def next(self, message: bytes | None) -> bytes:
        """Passes ``message`` on, if any, and returns the worker's next message."""
        if message is not None:
            self._given.put(decode_for_worker(self._channel.open(message)))
        return self._channel.seal(encode_for_build(self._said.get()))


class _Queues:
    """The worker's end of the channel: connects the page-making thread with the actor's methods."""

    def __init__(self, send: Callable[[Any], None], recv: Callable[[], Any]) -> None:
        self.send, self.recv = send, recv

"""Messages of a build and its workers on a cluster: only who has the secret makes one, and nothing
of one is code.
"""

from __future__ import annotations

import os
import pickle
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from licet.config import Configuration, Web
from licet.curate import cluster_messages, ray_workers, runners
from licet.curate.cluster_messages import (
    MESSAGE_BYTES_MAX,
    MessageChannel,
    WorkerHello,
    decode_for_build,
    decode_for_worker,
    encode_for_build,
    encode_for_worker,
    message_key,
)
from licet.curate.dedupe import Sketch
from licet.curate.detect import CachedDetector
from licet.curate.kernels import NameKernel
from licet.curate.names import NameFinder
from licet.curate.pipeline import PlanCuration
from licet.curate.plan import plan
from licet.curate.plan_schema import decode_plan, encode_plan
from licet.curate.ray_workers import ActorWorker, PageActor
from licet.curate.release_build import WORKER_START
from licet.curate.rule_cleaner import RuleCleaner
from licet.curate.runners import Local
from licet.curate.splits import Shares
from licet.errors import BrokenError, BusyError, RefusedError, UsageError
from licet.policy.file import Policies
from licet.release import merkle
from licet.release.draft import End, StoredPage
from licet.release.page_builder import BuiltPage
from licet.release.page_check import PageCheck
from licet.release.page_worker import (
    PageBegins,
    PageBuilt,
    PageCommits,
    PageLost,
    PageRows,
    PageTask,
    WorkerFailed,
    WorkerJob,
    WorkerSays,
)
from licet.release.registry import Release
from licet.release.row_keys import SealedRow
from licet.release.rows import derive_row_id
from licet.vault.conversation_pages import START

from ..terms import preset

RELEASE, PLACE = UUID(int=7), (UUID(int=1), UUID(int=2))
UNTIL = datetime(2030, 1, 1, tzinfo=UTC)


def channels(key: bytes = bytes(32)) -> tuple[MessageChannel, MessageChannel]:
    return MessageChannel(key, sends=0), MessageChannel(key, sends=1)


# The channel


def test_messages_are_opened_in_order_and_in_both_directions() -> None:
    build, worker = channels()
    for text in (b"one", b"two", b""):
        assert worker.open(build.seal(text)) == text
        assert build.open(worker.seal(text)) == text


@pytest.mark.parametrize(
    "attack",
    ["altered", "replayed", "reordered", "left out", "reflected", "cut", "empty", "no bytes"],
)
def test_a_message_that_is_not_the_next_one_is_refused_and_nothing_after_it_is_taken(
    attack: str,
) -> None:
    build, worker = channels()
    first, second, third = (worker.seal(text) for text in (b"first", b"second", b"third"))
    assert build.open(first) == b"first"
    sent: Any = {
        "altered": second[:-1] + bytes([second[-1] ^ 1]),
        "replayed": first,
        "reordered": third,
        "left out": third,
        "reflected": build.seal(b"second"),
        "cut": second[:10],
        "empty": b"",
        "no bytes": pickle.loads,
    }[attack]
    with pytest.raises(BrokenError, match="not the next one that was sealed"):
        build.open(sent)
    for late in (second, third):
        with pytest.raises(BrokenError):
            build.open(late)


def test_a_message_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MESSAGE_BYTES_MAX == 2**30
    monkeypatch.setattr(cluster_messages, "MESSAGE_BYTES_MAX", 32)
    build, worker = channels()
    assert build.open(worker.seal(bytes(16))) == bytes(16)
    with pytest.raises(BrokenError):
        build.open(worker.seal(bytes(17)))


def test_the_key_comes_from_the_exchange_and_from_the_secret() -> None:
    one, other = (X25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2))
    publics = (one.public_key().public_bytes_raw(), other.public_key().public_bytes_raw())
    secret = bytes(range(32))
    key = message_key(one, publics[1], secret, publics=publics)
    assert key == message_key(other, publics[0], secret, publics=publics)
    assert key.hex() == "d4330935a5033cbc7b90bfd5b63de0f65e46a2d96c9140d1f46263688976a83b"
    assert MessageChannel(key, sends=0).seal(b"x").hex() == "17bba31fefde8c42aff33fb575d356e559"
    assert key != message_key(one, publics[1], bytes(32), publics=publics)
    assert key != message_key(one, publics[1], secret, publics=publics[::-1])
    with pytest.raises(BrokenError, match="no key that can be agreed on"):
        message_key(one, bytes(32), secret, publics=publics)  # a point that agrees with every key


# Who is at the other end


class Reference:
    """Stands for Ray: what a method answers, as `ray.get` brings it."""

    class exceptions:
        class RayError(Exception):
            pass

        class GetTimeoutError(RayError):
            pass

    def get(self, answer: Any, timeout: float = 0) -> Any:
        return answer


class Remote:
    """An actor whose methods are called at once. ``changes``: what becomes of an answer on its
    way.
    """

    def __init__(self, actor: PageActor, **changes: Any) -> None:
        self._actor, self._changes = actor, changes

    def __getattr__(self, name: str) -> Any:
        class Method:
            @staticmethod
            def remote(*arguments: Any) -> Any:
                answer = getattr(self._actor, name)(*arguments)
                return self._changes.get(name, lambda same: same)(answer)

        return Method


def job() -> WorkerJob:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    release = Release(
        release_id=RELEASE,
        name="r",
        purpose="improve_models",
        state="building",
        version=0,
        pinned=1,
        begun_at=at,
        sealed_at=None,
        position=None,
        rows=None,
        turns=None,
        root=None,
        manifest_sha256=None,
    )
    made = plan(RuleCleaner(), bytes(32), shares=Shares(test=5, validation=6))
    config = Configuration(
        data=Path("/srv/licet"), web=Web(oidc_client_secret_file=Path("/etc/secret"))
    )
    return WorkerJob(
        dsn="postgresql://licet:secret@db/licet",
        config=config,
        policies=Policies([preset("article-2025")]),
        release=release,
        curation=PlanCuration(made, Local()),
        base=None,
        page_bytes_max=10,
        looks_ahead=True,
    )


SECRET = os.urandom(32)


def test_a_worker_that_has_the_secret_gets_its_job() -> None:
    actor = PageActor(WORKER_START, SECRET)
    worker = ActorWorker(Reference(), Remote(actor, begin=lambda _: None), SECRET)
    taken: list[Any] = []
    actor.begin = lambda data: taken.append(decode_for_worker(actor._channel.open(data)))  # type: ignore[method-assign]  # the test answers in its place
    worker.begin(job())
    (got,) = taken
    assert (got.dsn, got.config, got.release, got.policies.versions) == (
        job().dsn,
        job().config,
        job().release,
        job().policies.versions,
    )


@pytest.mark.parametrize(
    "secret",
    [bytes(32), SECRET[:-1] + b"\0" if SECRET[-1] else SECRET[:-1] + b"\1", b""],
    ids=["zeros", "near", "none"],
)
def test_a_worker_without_the_secret_is_told_nothing(secret: bytes) -> None:
    actor = PageActor(WORKER_START, secret)
    told: list[bytes] = []
    actor.begin = told.append  # type: ignore[method-assign]  # the test listens in its place
    with pytest.raises(BrokenError, match="does not have the secret of this build"):
        ActorWorker(Reference(), Remote(actor), SECRET).begin(job())
    assert told == []


def test_whoever_stands_between_and_replaces_both_keys_learns_nothing() -> None:
    """The exchange alone would be theirs: each side agrees on a key with them, and neither has the
    secret's.
    """
    own = X25519PrivateKey.generate()
    theirs = own.public_key().public_bytes_raw()
    actor = PageActor(WORKER_START, SECRET)
    told: list[bytes] = []
    actor.begin = told.append  # type: ignore[method-assign]  # the test listens in its place
    between = Remote(actor, meet=lambda met: (theirs, met[1]))
    with pytest.raises(BrokenError, match="does not have the secret"):
        ActorWorker(Reference(), between, SECRET).begin(job())
    assert told == []


class Boom:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize("decode", [decode_for_build, decode_for_worker])
def test_a_message_that_is_a_pickle_is_refused_and_never_loaded(
    decode: Any, tmp_path: Path
) -> None:
    trace = tmp_path / "loaded"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(Boom(trace), protocol)
        build, worker = channels()
        with pytest.raises(BrokenError, match="not of the schema"):
            decode(build.open(worker.seal(data)))
    assert not trace.exists()
    pickle.loads(data)
    assert trace.exists()


def test_no_module_of_the_cluster_unpickles() -> None:
    for module in (cluster_messages, ray_workers):
        assert module.__file__ is not None
        assert "pickle" not in Path(module.__file__).read_text().replace(
            "unpickles what it delivers", ""
        )


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc0", b"\x93\x01\x02", os.urandom(40), msgspec.msgpack.encode({"type": "Other"})],
    ids=["nothing", "nil", "list", "noise", "other"],
)
@pytest.mark.parametrize("decode", [decode_for_build, decode_for_worker])
def test_what_is_no_message_of_the_schema_is_refused(decode: Any, data: bytes) -> None:
    with pytest.raises(BrokenError, match="not of the schema"):
        decode(data)


# The schema


def built(count: int = 2, first: int = 5, number: int = 3) -> BuiltPage:
    rows = [
        SealedRow(
            row_id=derive_row_id(RELEASE.bytes, ordinal),
            ordinal=ordinal,
            until=UNTIL,
            sealed=bytes([ordinal]),
        )
        for ordinal in range(first, first + count)
    ]
    until_us = int(UNTIL.timestamp()) * 1_000_000
    sketch = Sketch(
        order=b"o",
        whole=b"w",
        whole_signature=b"",
        turns=(b"t",),
        weights=(1,),
        turn_signatures=(b"",),
    )
    kept = StoredPage(
        candidates=4,
        dropped={"origin": 1},
        replaced={},
        splits=["train"] * count,
        candidate_lines=[b"c"],
        # Figures are not looked at.
        row_lines=[b"r"] * count,
        carried=[False] * count,
        figures=[None] * count,  # type: ignore[list-item]  # a wrong type, on purpose
    )
    return BuiltPage(
        end=End(page=number, rows=first + count, place=PLACE),
        kept=kept,
        sealed=rows,
        leaves=[
            merkle.leaf_from_hash(r.ordinal, r.row_id, until_us, sha256(r.sealed).digest())
            for r in rows
        ],
        untils_us=[until_us] * count,
        sketches=[sketch] * count,
        candidates=(),
        rows=(),
    )


def test_what_a_build_says_comes_back_as_it_was() -> None:
    for message in (PageTask(1, PLACE), UNTIL, 12, None):
        assert decode_for_worker(encode_for_worker(message)) == message
    assert decode_for_worker(encode_for_worker([True, False])) == (True, False)
    assert encode_for_worker(12) == bytes.fromhex(
        "82a474797065ac46697273744f7264696e616ca76f7264696e616c0c"
    )


def test_what_a_worker_says_comes_back_as_it_was() -> None:
    messages = (
        WorkerHello("1"),
        PageBegins(PLACE),
        PageLost([b"n"]),
        PageRows(3, 2),
        PageCommits(),
        PageBuilt(None),
        WorkerSays("x"),
    )
    for message in messages:
        assert decode_for_build(encode_for_build(message)) == message


@pytest.mark.parametrize(
    "error",
    [
        BusyError("later", "wait"),
        RefusedError("no", because="why"),
        BrokenError("odd"),
        UsageError("wrong"),
    ],
)
def test_an_error_of_a_worker_is_raised_as_the_one_that_it_was(error: Any) -> None:
    failed = decode_for_build(encode_for_build(WorkerFailed.from_error(error)))
    assert isinstance(failed, WorkerFailed)
    again = failed.error()
    assert (type(again), again.__dict__) == (type(error), error.__dict__)


def test_an_error_of_no_class_of_ours_is_a_broken_one() -> None:
    for kind in ("SystemExit", "os.system", "", "Exception"):
        assert type(WorkerFailed(kind, "x").error()) is BrokenError


# The plan


def test_a_plan_travels_as_values_and_is_the_same_there() -> None:
    names = NameKernel(detector=CachedDetector(NameFinder.load(), 9))
    for known in (None, names):
        made = plan(RuleCleaner(), b"k" * 32, shares=Shares(test=1, validation=2), names=known)
        shape = msgspec.msgpack.decode(
            msgspec.msgpack.encode(encode_plan(made)), type=type(encode_plan(made))
        )
        again = decode_plan(shape)
        assert (again.sha256(), again.finder) == (made.sha256(), made.finder)
        assert [type(step) for step in again.steps] == [type(step) for step in made.steps]


def test_a_machine_that_curates_otherwise_is_refused() -> None:
    shape = encode_plan(plan(RuleCleaner(), bytes(32)))
    with pytest.raises(BrokenError, match="curates otherwise"):
        decode_plan(msgspec.structs.replace(shape, sha256="0" * 64))


class OwnScorer:
    name, sha256 = "own", "0" * 64

    def scores(self, texts: Any) -> list[float]:
        return [0.0 for _ in texts]


class OwnDetector:
    name, sha256 = "own", "0" * 64

    def detect(self, texts: Any, kinds: Any) -> list[list[Any]]:
        return [[] for _ in texts]

    def unread_language(self, text: str) -> str:
        return ""


def test_a_scorer_or_a_detector_of_ones_own_does_not_travel() -> None:
    with pytest.raises(UsageError, match="no scorer of one's own"):
        encode_plan(plan(RuleCleaner(), bytes(32), scorers=[OwnScorer()]))
    for detector in (OwnDetector(), CachedDetector(OwnDetector())):
        with pytest.raises(UsageError, match="no detector of one's own"):
            encode_plan(plan(RuleCleaner(), bytes(32), names=NameKernel(detector=detector)))


# What a worker may answer


def answered(*messages: Any, first: int = 5) -> int:
    """How many of the messages are taken, if all are."""
    check = PageCheck(RELEASE, PageTask(3, START))
    for message in messages:
        check.check(message)
        if isinstance(message, PageRows):
            check.first_row(first)
    return len(messages)


IN_ORDER = (
    PageBegins(PLACE),
    PageLost((b"n",)),
    PageRows(4, 2),
    WorkerSays("so far"),
    PageCommits(),
)


def test_a_page_as_it_was_asked_for_is_taken() -> None:
    every = (
        (*IN_ORDER, PageBuilt(built())),
        (PageBegins(PLACE), PageRows(0, 0), PageCommits(), PageBuilt(built(0))),
        (PageBuilt(None),),
    )
    assert [answered(*messages) for messages in every] == [len(messages) for messages in every]


def changed(**fields: Any) -> PageBuilt:
    return PageBuilt(msgspec.structs.replace(built(), **fields))


def other(row: SealedRow, **fields: Any) -> Any:
    return [msgspec.structs.replace(row, **fields), built().sealed[1]]


FAULTS: dict[str, tuple[Any, ...]] = {
    "rows before it begins": (PageRows(1, 1),),
    "a page before it commits": (*IN_ORDER[:-1], PageBuilt(built())),
    "a commit before its rows": (PageBegins(PLACE), PageCommits()),
    "rows twice": (PageBegins(PLACE), PageRows(1, 1), PageRows(1, 1)),
    "nothing left after it began": (PageBegins(PLACE), PageBuilt(None)),
    "a place before its own": (PageBegins(START),),
    "rows below none": (PageBegins(PLACE), PageRows(0, -1)),
    "rows without end": (PageBegins(PLACE), PageRows(0, 10**9)),
    "names without end": (PageBegins(PLACE), PageLost((b"",) * 1_000_001)),
    "a line without end": (WorkerSays("x" * 10_001),),
    "another page": (*IN_ORDER, PageBuilt(built(number=4))),
    "more rows": (*IN_ORDER, PageBuilt(built(3))),
    "other rows": (*IN_ORDER, PageBuilt(built(first=6))),
    "another place": (*IN_ORDER, changed(end=End(page=3, rows=7, place=START))),
    "a row of another id": (*IN_ORDER, changed(sealed=other(built().sealed[0], row_id=bytes(16)))),
    "a row of another ordinal": (*IN_ORDER, changed(sealed=other(built().sealed[0], ordinal=9))),
    "another sealed row": (*IN_ORDER, changed(sealed=other(built().sealed[0], sealed=b"x"))),
    "another leaf": (*IN_ORDER, changed(leaves=[bytes(32), built().leaves[1]])),
    "another end": (*IN_ORDER, changed(untils_us=[1, built().untils_us[1]])),
    "a sketch too few": (*IN_ORDER, changed(sketches=built().sketches[:1])),
    "a page twice": (*IN_ORDER, PageBuilt(built()), PageBuilt(built())),
}


@pytest.mark.parametrize("messages", FAULTS.values(), ids=FAULTS)
def test_an_answer_that_does_not_follow_from_what_was_asked_is_refused(
    messages: tuple[Any, ...],
) -> None:
    with pytest.raises(BrokenError, match="answered what was not asked of its page"):
        answered(*messages)


# Curation alone on a cluster


def test_a_batch_that_came_back_otherwise_is_refused() -> None:
    key, batch = os.urandom(32), pa.record_batch({"n": [1, 2]})

    def sealed(data: bytes, nonce: bytes = runners._NONCE_BACK, by: bytes = key) -> bytes:
        return AESGCM(by).encrypt(nonce, data, None)

    good = runners._written(batch)
    assert runners.open_batch(key, sealed(good), 2).equals(batch)
    for wrong in (
        sealed(good, by=bytes(32)),
        sealed(good, nonce=runners._NONCE),
        sealed(good)[:-1],
        sealed(b"x"),
        good,
        pickle.dumps(1),
        None,
        sealed(runners._written(batch.slice(1))),
    ):
        with pytest.raises(BrokenError, match="came back from the cluster"):
            runners.open_batch(key, wrong, 2)

"""A bucket decides between writers: one of those that write under the same condition succeeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from licet.config import Configuration
from licet.errors import BrokenError, BusyError
from licet.store import bucket
from licet.store.bucket import Bucket

from .. import seaweed

WRITERS, ROUNDS = 8, 12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweed.S3Server]:
    with seaweed.running(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture
def store(server: seaweed.S3Server, request: pytest.FixtureRequest) -> Bucket:
    found = bucket.open_bucket(
        Configuration.from_environment(server.settings("STORE", request.node.name[:40])).store
    )
    assert found is not None
    return found


def at_once(work: Callable[[int], str | None]) -> list[int]:
    """Those of the writers that succeeded."""
    with ThreadPoolExecutor(WRITERS) as pool:
        return [n for n, tag in enumerate(pool.map(work, range(WRITERS))) if tag is not None]


def test_of_many_that_create_a_name_at_once_one_does(store: Bucket) -> None:
    for number in range(ROUNDS):
        winners = at_once(lambda n, number=number: store.create(f"a/{number}", b"writer %d" % n))  # type: ignore[misc]  # an untyped default
        found = store.read(f"a/{number}")
        assert found is not None
        assert [b"writer %d" % n for n in winners] == [found.content]


def test_of_many_that_replace_a_version_at_once_one_does(store: Bucket) -> None:
    tag = store.create("head", b"begun")
    for number in range(ROUNDS):
        assert tag is not None
        winners = at_once(
            lambda n, tag=tag, number=number: store.replace("head", b"%d by %d" % (number, n), tag)
        )
        found = store.read("head")
        assert found is not None
        assert [b"%d by %d" % (number, n) for n in winners] == [found.content]
        tag = found.tag


def test_a_version_that_was_overtaken_is_not_replaced_and_neither_is_one_that_is_gone(
    store: Bucket,
) -> None:
    first = store.create("one", b"first")
    assert first is not None
    assert store.replace("one", b"second", first)
    assert store.replace("one", b"third", first) is None
    assert store.create("one", b"fourth") is None
    assert store.replace("two", b"no such object", first) is None
    found = store.read("one")
    assert found is not None
    assert found.content == b"second"


def test_a_write_whose_answer_was_lost_and_is_repeated_counts_as_done(store: Bucket) -> None:
    first = store.create("one", b"ours")
    assert store.create("one", b"ours") == first
    assert first is not None
    second = store.replace("one", b"ours too", first)
    assert store.replace("one", b"ours too", first) == second


def test_names_are_listed_at_any_depth_and_as_a_folder_would(store: Bucket) -> None:
    for name in (
        "log/2025/checkpoint",
        "log/2025/tile/0/000",
        "log/2026/checkpoint",
        "logs/other",
        "log/pruned",
    ):
        store.create(name, b"x")
    assert store.names("log/2025/") == ["checkpoint", "tile/0/000"]
    assert store.below("log/") == ["2025", "2026", "pruned"]
    assert store.below("nothing/") == store.names("nothing/") == []
    store.delete("log/2026/checkpoint")
    store.delete("log/2026/checkpoint")
    assert store.names("log/2026/") == []
    assert store.read("log/2026/checkpoint") is None


def test_many_objects_are_read_in_order_and_a_missing_one_is_an_error(store: Bucket) -> None:
    names = [f"n/{number:03}" for number in range(100)]
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda name: store.create(name, name.encode()), names))
    assert [one.decode() for one in store.read_all(names)] == names
    assert store.names_after("n/", "041", 5) == ["042", "043", "044", "045", "046"]
    assert store.names_after("n/", "097", 5) == ["098", "099"]
    assert store.names_after("n/", "099", 5) == store.names_after("none/", "1", 5) == []
    with pytest.raises(BrokenError, match="missing"):
        list(store.read_all([*names, "n/gone"]))


def test_what_never_changes_is_read_once(store: Bucket) -> None:
    store.create("tile", b"bytes")
    assert store.read_fixed("none") is None
    assert store.read_fixed("tile") == b"bytes"
    tagged = store.read("tile")
    assert tagged is not None
    store.replace("tile", b"other", tagged.tag)
    assert store.read_fixed("tile") == b"bytes"


def test_a_service_that_does_not_answer_or_refuses_the_secret_is_busy_and_the_secret_is_quoted_nowhere(
    server: seaweed.S3Server, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("not-the-secret")
    wrong = {
        **server.settings("STORE", "wrong"),
        "LICET_STORE__SECRET_ACCESS_KEY_FILE": str(tmp_path / "wrong"),
    }
    nobody = {**server.settings("STORE", "wrong"), "LICET_STORE__ENDPOINT": "http://127.0.0.1:9"}
    for settings in (wrong, nobody):
        found = bucket.open_bucket(Configuration.from_environment(settings).store)
        assert found is not None
        # Called in its turn of the loop alone.
        for ask in (
            lambda: found.create("x", b""),  # noqa: B023  # called at once
            lambda: found.read("x"),  # noqa: B023  # called at once
            lambda: found.names("x/"),  # noqa: B023  # called at once
            lambda: found.written("x/"),  # noqa: B023  # called at once
            lambda: found.names_after("x/", "", 1),  # noqa: B023  # called at once
        ):
            with pytest.raises(BusyError) as caught:
                ask()
            assert "secret" not in str(caught.value)


def test_a_service_that_gives_no_tag_has_written_all_the_same(
    store: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obstore.put", lambda *_, **__: {"e_tag": None})
    assert store.create("untagged", b"content") == ""

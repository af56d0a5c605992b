"""The tree is that of RFC 6962, at every size; its proofs prove, and nothing else does."""

from __future__ import annotations

import hashlib
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from licet import verifier
from licet.errors import BrokenError, RefusedError, UsageError
from licet.ledger import tiles, tree
from licet.ledger.tiles import TileEdge, TileReader

from .world import entry_of, naive_root

SIZE = 600
ENTRIES = [entry_of(i) for i in range(SIZE)]


@cache
def root_of(size: int) -> bytes:
    return naive_root(ENTRIES[:size])


@cache
def grown() -> tuple[dict[str, bytes], TileReader]:
    files = TileEdge().extend(ENTRIES)
    return files, TileReader(files.get, SIZE)


def test_every_size_has_the_root_of_the_definition() -> None:
    """Appended one by one, read back from tiles, and derived by the stand-alone verifier: four
    ways, one root.
    """
    files, edge = {}, TileEdge()
    leaves = [tree.leaf_hash(entry) for entry in ENTRIES]
    for size in range(SIZE + 1):
        expected = root_of(size)
        assert edge.root() == expected, size
        assert tree.root(TileReader(files.get, size), size) == expected, size
        assert verifier.tree_hash(leaves[:size]) == expected, size
        assert TileEdge.load(files.get, size) == edge, size
        if size < SIZE:
            files |= edge.extend([ENTRIES[size]])


@given(st.lists(st.integers(0, 300), max_size=6))
@settings(deadline=None, max_examples=60)
def test_how_entries_are_batched_changes_no_full_tile_and_no_root(batches: list[int]) -> None:
    files, edge, at = {}, TileEdge(), 0
    for batch in batches:
        files |= edge.extend(ENTRIES[at : at + batch])
        at += len(ENTRIES[at : at + batch])
    assert edge.root() == root_of(at)
    assert {p: d for p, d in TileEdge().extend(ENTRIES[:at]).items() if p in files} == {
        p: d for p, d in files.items() if p in TileEdge().extend(ENTRIES[:at])
    }
    for path, data in files.items():
        full = path.partition(".p/")[0]
        assert files.get(full, data).startswith(data), path


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 65_792, 70_000])
def test_two_levels_of_full_tiles_have_the_root_of_the_definition(size: int) -> None:
    """70,000 is the example of tlog-tiles: 273 full tiles, one of 112, one full above, one of 17,
    one of 1.
    """
    entries = [b"%d" % i for i in range(size)]
    edge = TileEdge()
    files = edge.extend(entries)
    reader = TileReader(files.get, size)
    expected = verifier.tree_hash([verifier.leaf(entry) for entry in entries])
    assert edge.root() == tree.root(reader, size) == expected
    assert TileEdge.load(files.get, size) == edge
    for index in (0, 255, 256, 65_534, size - 1):
        path = tree.prove_inclusion(reader, index, size)
        tree.check_inclusion(tree.leaf_hash(entries[index]), index, size, path, expected)
    if size == 70_000:
        levels = [p for p in files if not p.startswith("tile/entries")]
        assert len([p for p in levels if p.startswith("tile/0/") and ".p" not in p]) == 273
        assert {p for p in levels if not p.startswith("tile/0/") or ".p" in p} == {
            "tile/0/273.p/112",
            "tile/1/000",
            "tile/1/001.p/17",
            "tile/2/000.p/1",
        }


def test_every_inclusion_and_every_consistency_of_many_sizes_is_proved() -> None:
    _, reader = grown()
    proved = 0
    for size in (*range(1, 34), 255, 256, 257, 511, 512, 513, 600):
        root = root_of(size)
        for index in range(0, size, 1 if size < 64 else 7):
            path, leaf = tree.prove_inclusion(reader, index, size), tree.leaf_hash(ENTRIES[index])
            tree.check_inclusion(leaf, index, size, path, root)
            assert verifier.root_of_path(index, size, leaf, path) == root
            proof = tree.prove_consistency(reader, index, size)
            tree.check_consistency(index, root_of(index), size, root, proof)
            if index:
                assert verifier.roots_of_proof(index, size, root_of(index), proof) == (
                    root_of(index),
                    root,
                )
            proved += 1
    assert proved > 800


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_no_changed_inclusion_proof_proves(data: st.DataObject) -> None:
    _, reader = grown()
    size = data.draw(st.integers(2, SIZE))
    index = data.draw(st.integers(0, size - 1))
    path = list(tree.prove_inclusion(reader, index, size))
    leaf, root = tree.leaf_hash(ENTRIES[index]), root_of(size)
    changed = _changed(data, path)
    with pytest.raises(RefusedError):
        tree.check_inclusion(leaf, index, size, changed, root)
    assert verifier.root_of_path(index, size, leaf, changed) != root


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_no_changed_consistency_proof_proves(data: st.DataObject) -> None:
    _, reader = grown()
    size = data.draw(st.integers(2, SIZE))
    old = data.draw(st.integers(1, size - 1))
    changed = _changed(data, list(tree.prove_consistency(reader, old, size)))
    with pytest.raises(RefusedError):
        tree.check_consistency(old, root_of(old), size, root_of(size), changed)
    assert verifier.roots_of_proof(old, size, root_of(old), changed) != (
        root_of(old),
        root_of(size),
    )


@given(st.integers(0, SIZE), st.integers(0, SIZE), st.integers(0, SIZE))
@settings(deadline=None, max_examples=300)
def test_the_writers_and_the_strangers_check_agree_on_wrong_places(
    index: int, size: int, other: int
) -> None:
    """The right hashes under another index or size prove only where both checks say so."""
    if not index < size:
        return
    _, reader = grown()
    path, leaf = tree.prove_inclusion(reader, index, size), tree.leaf_hash(ENTRIES[index])
    for place, total in ((other, size), (index, other)):
        try:
            tree.check_inclusion(leaf, place, total, path, root_of(size))
            proved = True
        except RefusedError:
            proved = False
        theirs = place < total and verifier.root_of_path(place, total, leaf, path) == root_of(size)
        assert proved == theirs
        assert not proved or place == index


def test_a_consistency_proof_proves_no_larger_tree() -> None:
    _, reader = grown()
    for old, size in ((1, 2), (3, 7), (4, 6)):
        proof = tree.prove_consistency(reader, old, size)
        for claimed in (2 * size, 2 * size + 1, 16 * size):
            with pytest.raises(RefusedError):
                tree.check_consistency(old, root_of(old), claimed, root_of(size), proof)


def _changed(data: st.DataObject, hashes: list[bytes]) -> list[bytes]:
    match data.draw(st.sampled_from(["flip", "drop", "double", "more", "swap"])):
        case "flip" if hashes:
            at = data.draw(st.integers(0, len(hashes) - 1))
            byte = data.draw(st.integers(0, 31))
            old = hashes[at]
            hashes[at] = (
                old[:byte] + bytes([old[byte] ^ data.draw(st.integers(1, 255))]) + old[byte + 1 :]
            )
            return hashes
        case "drop" if hashes:
            del hashes[data.draw(st.integers(0, len(hashes) - 1))]
            return hashes
        case "double" if hashes:
            at = data.draw(st.integers(0, len(hashes) - 1))
            return [*hashes[: at + 1], *hashes[at:]]
        case "swap" if len(hashes) > 1:
            return [hashes[-1], *hashes[1:-1], hashes[0]]
        case _:
            return [*hashes, hashlib.sha256(b"more").digest()]


@pytest.mark.parametrize(
    ("index", "path"),
    [
        (0, "tile/0/000"),
        (999, "tile/0/999"),
        (1000, "tile/0/x001/000"),
        (1_234_067, "tile/0/x001/x234/067"),
    ],
)
def test_tiles_lie_where_tlog_tiles_says(index: int, path: str) -> None:
    assert tiles.tile_path(0, index) == path == verifier.tile_path("0", index, 256)
    assert tiles.entries_path(index, 5) == path.replace("/0/", "/entries/", 1) + ".p/5"


def test_a_bundle_is_entries_after_their_lengths() -> None:
    assert (
        tiles.encode_entries([b"", b"abc", b"\x00" * 256])
        == b"\0\0" + b"\0\3abc" + b"\1\0" + b"\0" * 256
    )
    assert tiles.decode_entries(b"\0\0\0\3abc") == [b"", b"abc"]


@pytest.mark.parametrize("data", [b"\0", b"\0\1", b"\0\2a", b"\0\0\0", b"\xff\xff" + b"a" * 65_534])
def test_a_torn_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(RefusedError):
        tiles.decode_entries(data)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    assert tiles.decode_entries(tiles.encode_entries(entries)) == entries


def test_a_missing_or_short_tile_stops_the_reader() -> None:
    files, _ = grown()
    without = {path: data for path, data in files.items() if path != "tile/0/001"}
    with pytest.raises(BrokenError, match="is missing"):
        TileReader(without.get, SIZE).node(0, 300)
    short = files | {"tile/0/001": files["tile/0/001"][:-32]}
    with pytest.raises(BrokenError, match="8160"):
        TileReader(short.get, SIZE).node(0, 300)
    for level, index in ((0, 600), (9, 2), (3, 75), (20, 0)):
        with pytest.raises(BrokenError):
            TileReader(files.get, SIZE).node(level, index)


def test_a_full_tile_stands_for_a_partial_one_that_is_gone() -> None:
    files, _ = grown()
    assert "tile/0/001.p/44" not in files
    assert TileReader(files.get, 300).node(0, 299) == tree.leaf_hash(ENTRIES[299])
    assert list(tiles.read_entries(files.get, 250, 300, 512)) == ENTRIES[250:300]


def test_proofs_of_what_is_not_there_are_not_made() -> None:
    _, reader = grown()
    for index, size in ((-1, 5), (5, 5), (6, 5)):
        with pytest.raises(UsageError):
            tree.prove_inclusion(reader, index, size)
    with pytest.raises(UsageError):
        tree.prove_consistency(reader, 6, 5)
    with pytest.raises(RefusedError):
        tree.check_consistency(6, root_of(6), 5, root_of(5), [])
    for index in (-1, 1):  # its leaf is the root
        with pytest.raises(RefusedError, match="is not in a tree"):
            tree.check_inclusion(root_of(1), index, 1, [], root_of(1))
    tree.check_inclusion(root_of(1), 0, 1, [], root_of(1))
    with pytest.raises(RefusedError):
        tree.check_consistency(5, root_of(6), 5, root_of(5), [])
    with pytest.raises(RefusedError):
        tree.check_consistency(0, root_of(6), 5, root_of(5), [])

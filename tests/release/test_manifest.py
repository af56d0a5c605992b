"""The manifest: one value, one file; what does not reconcile does not exist; a mistake is named
with its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from licet.errors import BrokenError, InputError
from licet.release import card, manifest, merkle
from licet.release.manifest import Counts, CurationPin, ReleaseManifest
from licet.release.part import PartPromise

from .world import manifest_of

PARTS = (
    PartPromise(file="part-00000.parquet", sha256="c" * 64, bytes=900, rows=4, first_ordinal=0),
    PartPromise(file="part-00002.parquet", sha256="d" * 64, bytes=500, rows=2, first_ordinal=9),
)
MADE = manifest_of(PARTS, bytes(32))
BYTES = (
    b'{"built_at":"2025-10-01T00:00:00Z","counts":{"candidates":17,"dropped":{"deleted":2,"withdrawn":3},'
    b'"included":12},"deidentification":{"counts":{"email":4},"rules":"structured-1",'
    b'"sha256":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},"format":"licet-release-1",'
    b'"journal":77,"licet":"0.1.0","name":"autumn","parts":[{"bytes":900,"file":"part-00000.parquet",'
    b'"first_ordinal":0,"rows":4,"sha256":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"},'
    b'{"bytes":500,"file":"part-00002.parquet","first_ordinal":9,"rows":2,'
    b'"sha256":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"}],'
    b'"policy":{"name":"article-2025","sha256":"42a37da79868db52b368d2158d3af6411bf005265927769799677b65e0df9426",'
    b'"version":"2025-08-28"},'
    b'"proof":{"candidates":{"bytes":100,"file":"proof/candidates.jsonl.gz","lines":7,'
    b'"root":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",'
    b'"sha256":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"},'
    b'"policies":{"bytes":100,"file":"proof/policies.jsonl.gz","lines":1,'
    b'"root":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",'
    b'"sha256":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"},'
    b'"rows":{"bytes":100,"file":"proof/rows.jsonl.gz","lines":6,'
    b'"root":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",'
    b'"sha256":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"}},'
    b'"purpose":"improve_models","release":"000102030405060708090a0b0c0d0e0f",'
    b'"root":"0000000000000000000000000000000000000000000000000000000000000000","rows":6}'
)


def test_the_manifest_is_these_bytes() -> None:
    assert manifest.encode(MADE) == BYTES
    assert manifest.decode(BYTES) == MADE


def test_it_is_written_whole_and_read_back_with_its_hash(tmp_path: Path) -> None:
    written = manifest.write(tmp_path, MADE)
    assert (tmp_path / "manifest.json").read_bytes() == BYTES
    assert manifest.read_manifest(tmp_path) == (MADE, written) == (MADE, sha256(BYTES).hexdigest())


@given(st.integers(0, len(BYTES) * 8 - 1))
def test_no_flipped_bit_gives_the_same_manifest(bit: int) -> None:
    damaged = bytearray(BYTES)
    damaged[bit // 8] ^= 1 << bit % 8
    with suppress(InputError, BrokenError):
        assert manifest.decode(bytes(damaged)) != MADE


counts = st.integers(0, 10**6)


@given(
    counts, counts, st.dictionaries(st.sampled_from(["declined", "withdrawn", "expired"]), counts)
)
def test_a_manifest_constructs_only_if_its_turns_reconcile(
    candidates: int, included: int, dropped: dict[str, int]
) -> None:
    turns = Counts(candidates=candidates, included=included, dropped=dropped)
    if candidates == included + sum(dropped.values()) and included:
        assert msgspec.structs.replace(MADE, counts=turns).counts == turns
    else:
        with pytest.raises(BrokenError, match="reconcile"):
            msgspec.structs.replace(MADE, counts=turns)


def test_a_split_is_runs_of_rows_that_no_other_split_has() -> None:
    splits = {"train": ((0, 3),), "test": ((9, 9), (10, 10))}
    made = msgspec.structs.replace(MADE, curation=CurationPin(plan="a" * 64, splits=splits))
    assert manifest.decode(manifest.encode(made)).curation == made.curation


def test_a_release_of_nothing_is_a_release() -> None:
    empty = manifest_of((), merkle.Tree().root())
    assert manifest.decode(manifest.encode(empty)) == empty
    assert empty.root == sha256(b"").hexdigest()


WRONG_HASH = {"sha256": "C" * 64}


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": 7},
        {"rows": 0, "parts": ()},
        {"counts": Counts(candidates=5, included=0, dropped={"withdrawn": 5})},
        {"counts": Counts(candidates=12, included=12, dropped={"withdrawn": 3, "deleted": -3})},
        {"counts": Counts(candidates=12, included=12, dropped={"what she said": 0})},
        {"journal": -1},
        {"parts": PARTS[::-1]},
        {"parts": (PARTS[0], msgspec.structs.replace(PARTS[1], first_ordinal=3))},
        {"parts": (PARTS[0], msgspec.structs.replace(PARTS[1], file=PARTS[0].file))},
        {"parts": (PARTS[0], msgspec.structs.replace(PARTS[1], file="../../part-00002.parquet"))},
        {"parts": (PARTS[0], msgspec.structs.replace(PARTS[1], **WRONG_HASH))},
        {"rows": 4, "parts": (PARTS[0], msgspec.structs.replace(PARTS[1], rows=0))},
        {"root": "0" * 63},
        {"root": "0" * 64 + "\n"},
        {"release": "0" * 31},
        {"release": "g" * 32},
        {"name": ""},
        {"name": "two\nlines"},
        {"name": "n" * 201},
        {"purpose": "Improve models"},
        {"built_at": datetime(2025, 10, 1)},  # noqa: DTZ001  (a naive time is what must fail)
        {"built_at": datetime(2025, 10, 1, tzinfo=timezone(timedelta(hours=2)))},
        {"policy": msgspec.structs.replace(MADE.policy, sha256="")},
        {"proof": msgspec.structs.replace(MADE.proof, rows=MADE.proof.candidates)},
        {
            "proof": msgspec.structs.replace(
                MADE.proof, rows=msgspec.structs.replace(MADE.proof.rows, root="d" * 63)
            )
        },
        {
            "proof": msgspec.structs.replace(
                MADE.proof, rows=msgspec.structs.replace(MADE.proof.rows, sha256="")
            )
        },
        {"deidentification": msgspec.structs.replace(MADE.deidentification, counts={"email": -1})},
        *(
            {"curation": CurationPin(plan=plan, splits=splits)}
            for plan, splits in (
                ("a" * 63, {}),
                ("a" * 64, {"not a word": ((0, 3),)}),
                ("a" * 64, {"train": ((3, 0),)}),
                ("a" * 64, {"train": ((0, 3),), "test": ((3, 10),)}),
                ("a" * 64, {"train": ((0, 3), (2, 10))}),
            )
        ),
    ],
)
def test_a_manifest_that_cannot_be_does_not_construct(wrong: dict[str, Any]) -> None:
    with pytest.raises(BrokenError):
        msgspec.structs.replace(MADE, **wrong)


def edited(edit: Callable[[dict[str, Any]], None]) -> bytes:
    value = json.loads(BYTES)
    edit(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("edit", "key", "said"),
    [
        (lambda v: v.update(more=1), "more", "unknown key"),
        (lambda v: v["policy"].update(more=1), "policy.more", "unknown key"),
        (lambda v: v["parts"][1].update(more=1), "parts[1].more", "unknown key"),
        (lambda v: v.pop("root"), "root", "key is missing"),
        (lambda v: v["counts"].pop("dropped"), "counts.dropped", "key is missing"),
        (lambda v: v.update(rows="6"), "rows", "expected `int`, got `str`"),
        (lambda v: v.update(rows=6.5), "rows", "expected `int`, got `float`"),
        (lambda v: v["counts"].update(included=-1), "counts.included", "expected `int` >= 0"),
        (lambda v: v.update(format="licet-release-2"), "format", "invalid enum value"),
        (
            lambda v: v.update(built_at="2025-10-01T00:00:00"),
            "built_at",
            "expected `datetime` with a timezone",
        ),
    ],
)
def test_a_mistake_is_named_with_file_and_key(
    edit: Callable[[dict[str, Any]], None], key: str, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        manifest.decode(edited(edit), file="autumn/manifest.json")
    assert (caught.value.file, caught.value.key) == ("autumn/manifest.json", key)
    assert said in caught.value.message and caught.value.message.startswith(
        "autumn/manifest.json: key `"
    )
    assert caught.value.hint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        BYTES + b"\n",
        BYTES.replace(b":77", b": 77"),
        BYTES.replace(b'"rows":6}', b'"rows":6,"rows":6}'),
        BYTES.replace(b"autumn", b"\\u0061utumn"),
        BYTES.replace(b"00:00:00Z", b"00:00:00+00:00"),
        json.dumps(json.loads(BYTES), indent=2, sort_keys=True).encode(),
    ],
)
def test_another_spelling_of_a_manifest_is_none(data: bytes) -> None:
    with pytest.raises(InputError):
        manifest.decode(data)


def test_a_manifest_edited_to_hide_a_drop_is_refused() -> None:
    with pytest.raises(BrokenError, match="does not reconcile"):
        manifest.decode(edited(lambda v: v["counts"]["dropped"].pop("withdrawn")))


def test_a_folder_without_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.json: cannot be read: no such file") as caught:
        manifest.read_manifest(tmp_path)
    assert caught.value.hint == "name the folder of a release"


def test_a_file_above_the_bound_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(manifest.MANIFEST_BYTES_MAX + 1)
    with pytest.raises(InputError, match="has more than"):
        manifest.read_manifest(tmp_path)


# The card


def test_the_card_has_front_matter_that_hugging_face_reads() -> None:
    _, front, _ = card.render(MADE).split("---\n", 2)
    assert yaml.safe_load(front) == {
        "pretty_name": "autumn",
        "license": "other",
        "license_name": "consent-of-each-person",
        "task_categories": ["text-generation"],
        "size_categories": ["n<1K"],
        "tags": ["conversational", "licet", "sealed", "improve_models"],
        "configs": [{"config_name": "default", "data_files": "part-*.parquet"}],
    }


def test_the_card_says_what_is_in_what_is_not_and_what_it_never_is() -> None:
    text = card.render(MADE)
    for said in [
        (
            "| came into question | 17 |\n| **are in** | 12 |\n| left out: `withdrawn` | 3 |\n| "
            "left out: `deleted` | 2 |"
        ),
        "| `email` | 4 |",
        'licet.load("rel_000102030405060708090a0b0c0d0e0f")',
        "## The rows are sealed",
        "## Pseudonymised, never anonymous",
        "## When somebody changes their mind",
        sha256(BYTES).hexdigest(),
    ]:
        assert said in text


@pytest.mark.parametrize(
    ("rows", "category"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (100_000, "100K<n<1M"),
        (10**9, "1B<n<10B"),
    ],
)
def test_the_size_is_one_of_hugging_faces_words(rows: int, category: str) -> None:
    part = msgspec.structs.replace(PARTS[0], rows=rows)
    made = manifest_of((part,) if rows else (), bytes(32))
    assert f"\nsize_categories:\n- {category}\n" in card.render(made)


def test_a_name_is_shown_and_acted_on_by_nobody() -> None:
    name = "<img src=x> `a` | [b](http://c): 'd' {e} # ---"
    text = card.render(msgspec.structs.replace(MADE, name=name))
    assert yaml.safe_load(text.split("---\n", 1)[1].split("\n---\n", 1)[0])["pretty_name"] == name
    assert "<img" not in text.split("\n---\n", 1)[1] and "](http" not in text.split("\n---\n", 1)[1]


# The root


def naive_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


@pytest.mark.parametrize("block", [4, 4096])
def test_the_tree_is_that_of_rfc_6962_at_every_size(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merkle, "_BLOCK", block)
    tree, leaves = merkle.Tree(), []
    for size in range(70):
        assert tree.root() == merkle.root_over(leaves) == naive_root(leaves)
        leaves.append(merkle.leaf(size, bytes(16), 0, b"sealed"))
        tree.append(leaves[-1])


def test_a_leaf_is_these_bytes_and_each_field_counts() -> None:
    data = (
        bytes.fromhex("00000007")
        + bytes(range(16))
        + bytes.fromhex("0000000000000100")
        + sha256(b"s").digest()
    )
    made = merkle.leaf(7, bytes(range(16)), 256, b"s")
    assert made == sha256(b"\x00" + data).digest()
    others = [
        (8, bytes(range(16)), 256, b"s"),
        (7, bytes(16), 256, b"s"),
        (7, bytes(range(16)), 257, b"s"),
    ]
    assert made not in [
        merkle.leaf(*other) for other in [*others, (7, bytes(range(16)), 256, b"t")]
    ]


def test_built_at_keeps_its_instant() -> None:
    exact = msgspec.structs.replace(
        MADE, built_at=datetime(2025, 10, 1, 2, 3, 4, 567_890, tzinfo=UTC)
    )
    assert manifest.decode(manifest.encode(exact)) == exact
    assert isinstance(exact, ReleaseManifest)

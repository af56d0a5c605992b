"""What training libraries write down of a release is found by what is in it, and goes; nothing of
anybody else's does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import parquet as pq

from licet.cli.train_run import cache as cache_command
from licet.cli.train_run import purge as purge_command
from licet.errors import UsageError
from licet.train import caches
from licet.train.caches import CacheKind

PLANTED = "the heron that nests behind the third lock is called Oswin"
ROW = {"messages": [{"role": "user", "content": PLANTED}], "row_id": "ab" * 16, "ordinal": 1}
OTHER = {"text": "nobody's", "ordinal": 1}


class Machine:
    """A home, a folder for temporary files, and the variables that a command sees there."""

    def __init__(self, folder: Path) -> None:
        self.home, self.temporary = folder / "home", folder / "tmp"
        self.home.mkdir()
        self.temporary.mkdir()
        self.env = {"HOME": str(self.home), "TMPDIR": str(self.temporary)}

    def stream(self, path: Path, rows: list[dict[str, object]]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pylist(rows)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return path

    def find(self) -> list[caches.CacheFound]:
        return caches.find(caches.roots(self.env, self.home, self.temporary))

    def holds(self) -> list[Path]:
        """Files in which the planted sentence is."""
        found = [
            path for top in (self.home, self.temporary) for path in top.rglob("*") if path.is_file()
        ]
        return [path for path in found if PLANTED.encode() in path.read_bytes()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_library_s_caches_of_a_release_are_found_and_nothing_of_them_is_left(
    machine: Machine,
) -> None:
    (machine.home / "rows.jsonl").write_text(
        "".join(json.dumps({**ROW, "ordinal": n}) + "\n" for n in range(20))
    )
    (machine.home / "others.jsonl").write_text(json.dumps({"text": "nobody's"}) + "\n")
    code = """
import sys
from datasets import load_dataset
rows = load_dataset("json", data_files=sys.argv[1], split="train")
rows.map(lambda row: {"text": row["messages"][0]["content"]}, remove_columns=["ordinal", "row_id", "messages"])
load_dataset("json", data_files=sys.argv[2], split="train")
"""
    env = {**os.environ, **machine.env, "HF_HUB_OFFLINE": "1"}
    for name in ("HF_HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME"):
        env.pop(name, None)
    arguments = [str(machine.home / "rows.jsonl"), str(machine.home / "others.jsonl")]
    subprocess.run(
        [sys.executable, "-c", code, *arguments], env=env, check=True, capture_output=True
    )
    # our file, the library's copy of it, and what `map` made of that
    assert len(machine.holds()) == 3
    found = machine.find()
    assert [one.kind for one in found] == [CacheKind.datasets]
    assert caches.purge(found) == found
    assert machine.holds() == [machine.home / "rows.jsonl"]
    assert machine.find() == []
    left = list((machine.home / ".cache" / "huggingface" / "datasets").rglob("*.arrow"))
    assert len(left) == 1  # the other data set's


@pytest.mark.parametrize(
    "kind", [CacheKind.hub, CacheKind.torch, CacheKind.ray, CacheKind.temporary]
)
def test_a_file_of_ours_in_another_cache_goes_and_its_neighbours_stay(
    machine: Machine, kind: CacheKind
) -> None:
    place = {
        CacheKind.hub: machine.home / ".cache/huggingface/hub/datasets--ours/blobs",
        CacheKind.torch: machine.home / ".cache/torch",
        CacheKind.ray: machine.temporary / "ray/session_1/ray_spilled_objects",
        CacheKind.temporary: machine.temporary / "work",
    }[kind]
    place.mkdir(parents=True)
    ours = [machine.stream(place / "ours", [ROW]), place / "parquet"]
    pq.write_table(pa.Table.from_pylist([ROW]), ours[1])
    machine.stream(place / "theirs", [OTHER])
    (place / "note").write_text(f"ordinal {PLANTED}")
    if kind is CacheKind.ray:
        ours.append(place / "spilt")
        ours[-1].write_bytes(b"\x80\x05 a pickle of row_id and ordinal, " + PLANTED.encode())
    found = machine.find()
    assert sorted(one.path for one in found) == sorted(ours)
    assert {one.kind for one in found} == {kind}
    caches.purge(found)
    assert sorted(path.name for path in place.iterdir()) == ["note", "theirs"]


def test_a_link_is_not_followed(machine: Machine, tmp_path: Path) -> None:
    outside = machine.stream(tmp_path / "outside" / "rows.arrow", [ROW])
    cached = machine.home / ".cache/huggingface/datasets"
    cached.mkdir(parents=True)
    (cached / "folder").symlink_to(outside.parent)
    (cached / "file.arrow").symlink_to(outside)
    assert machine.find() == []


def test_a_folder_that_is_ours_is_emptied_whatever_was_written_there(machine: Machine) -> None:
    folder = machine.home / "ours"
    pointed = caches.create_owned(machine.env, machine.home, folder)
    assert caches.create_owned(machine.env, machine.home, folder) == pointed
    Path(pointed["HF_DATASETS_CACHE"]).mkdir(parents=True)
    (Path(pointed["HF_DATASETS_CACHE"]) / "tokens.bin").write_bytes(PLANTED.encode())
    (Path(pointed["TMPDIR"]) / "file").write_bytes(PLANTED.encode())
    caches.purge(machine.find())
    assert [path.name for path in folder.iterdir()] == [caches.MARK]
    assert machine.holds() == []


def test_a_folder_with_things_of_others_is_not_made_ours(machine: Machine) -> None:
    (machine.home / "photos").mkdir()
    (machine.home / "photos" / "one").touch()
    with pytest.raises(UsageError, match="is not a cache folder"):
        caches.create_owned(machine.env, machine.home, machine.home / "photos")


def test_the_command_lists_with_dry_run_what_it_deletes_without(machine: Machine) -> None:
    ours = machine.stream(machine.temporary / "hf" / "rows.arrow", [ROW])
    run = CliRunner(
        env={
            **machine.env,
            "HF_HOME": str(machine.home / "hf"),
            "XDG_CACHE_HOME": str(machine.home / "c"),
        }
    )
    listed = run.invoke(purge_command, ["--dry-run", "--json"])
    assert [one["path"] for one in json.loads(listed.output)] == [str(ours)]
    assert ours.exists()
    assert "deleted 1 file," in run.invoke(purge_command, []).output
    assert not ours.exists()
    said = run.invoke(cache_command, [str(machine.home / "new cache")]).output
    assert f"export HF_DATASETS_CACHE='{machine.home}/new cache/datasets'" in said

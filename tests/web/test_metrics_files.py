"""The counters of all workers are read while a worker makes its own file: prometheus_client makes
it empty, then fills it.
"""

from __future__ import annotations

import shutil
import struct
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from licet.web import metrics


def counted(folder: Path, seat: int, value: float) -> Path:
    """The file of a worker that counted so many births."""
    path = folder / f"counter_{seat}.db"
    file = MmapedDict(str(path))
    file.write_value(mmap_key("births", "births_total", (), (), "of bees"), value, 0.0)
    file.close()
    return path


def test_a_file_that_is_being_made_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    counted(tmp_path, 0, 2.0)
    whole = counted(tmp_path, 1, 3.0)
    kept = shutil.copy(whole, tmp_path / "kept")
    whole.write_bytes(b"")
    waits: list[float] = []

    def makes(seconds: float) -> None:
        waits.append(seconds)
        shutil.copy(kept, whole)

    monkeypatch.setattr(time, "sleep", makes)
    assert b"births_total 5.0" in metrics.shown(CollectorRegistry(), [])
    assert len(waits) == 1


def test_a_file_that_stays_broken_is_no_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    (tmp_path / "counter_0.db").write_bytes(b"")
    with pytest.raises(struct.error):
        metrics.shown(CollectorRegistry(), [])

"""A file of tests that leaves descriptors open fails."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from licet.keys.restriction_journal import Journal

from .descriptors import LEFT_MAX, Descriptors
from .journals import KEY


def test_what_a_file_of_tests_left_open_is_counted_and_named() -> None:
    gc.collect()
    watch = Descriptors()
    watch.begin(Path("tests/test_a.py"))
    watch.check()
    left = []
    try:
        left += [os.open("/dev/zero", os.O_RDONLY) for _ in range(LEFT_MAX + 5)]
        watch.begin(Path("tests/test_a.py"))  # its next test
        with pytest.raises(
            AssertionError, match=r"test_a\.py left \d+ descriptors open: \d+ of /dev/zero"
        ):
            watch.check()
        watch.begin(Path("tests/test_b.py"))  # another file is not blamed
        watch.check()
    finally:
        for one in left:
            os.close(one)


def test_a_journal_that_nobody_holds_any_more_is_closed(tmp_path: Path) -> None:
    gc.collect()
    before = len(os.listdir("/dev/fd"))
    for number in range(20):
        Journal(tmp_path / str(number), key=KEY)
    assert len(os.listdir("/dev/fd")) <= before + 1

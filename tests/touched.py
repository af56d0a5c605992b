"""Which modules of ours the tests of each file ran: recorded where TESTS_TOUCHED=1, as `./run test
--whole` sets it.

The profiler of the standard library hears each call of the thread of a test, for a tenth of its
time; threads and programs that a test starts are not heard. `changed.py` reads what was recorded.
"""

from __future__ import annotations

import _lsprof
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOUCHED = ROOT / "build" / "tests" / "touched.json"
RECORDS = os.environ.get("TESTS_TOUCHED") == "1"
SOURCE = str(ROOT / "src") + os.sep


class Listener:
    """Hears what a test calls."""

    def __init__(self) -> None:
        self._heard = _lsprof.Profiler(builtins=False, subcalls=False)

    def __enter__(self) -> Listener:
        self._heard.enable()
        return self

    def __exit__(self, *_: object) -> None:
        self._heard.disable()

    def modules(self) -> Iterator[str]:
        """The names of our modules of which anything was called."""
        files = {
            one.code.co_filename for one in self._heard.getstats() if not isinstance(one.code, str)
        }
        for file in sorted(files):
            if file.startswith(SOURCE):
                yield (
                    file.removeprefix(SOURCE)
                    .removesuffix(".py")
                    .removesuffix("/__init__")
                    .replace(os.sep, ".")
                )


def module_of(nodeid: str) -> str:
    """The name of a test's module."""
    return nodeid.partition("::")[0].removesuffix(".py").replace("/", ".")


def write(found: Mapping[str, set[str]]) -> None:
    """Adds what the tests of these modules ran to what is known of others."""
    known = json.loads(TOUCHED.read_text("utf-8")) if TOUCHED.is_file() else {}
    known.update({name: sorted(ran) for name, ran in found.items()})
    TOUCHED.parent.mkdir(parents=True, exist_ok=True)
    new = TOUCHED.with_suffix(".new")
    new.write_text(json.dumps(known, sort_keys=True) + "\n", encoding="utf-8")
    new.replace(TOUCHED)

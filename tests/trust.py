"""The same results whatever the circumstances: `python -m tests.trust [PATH ...]`, one run of
pytest after the other.

The first run says what each test answers; the others are to say the same: in drawn orders, with
another locale and time zone, on another day, with other fonts, on a busy machine, as another user,
in the background without a terminal.
`--orders 20` draws as many orders. It ends with 1 where any test answered otherwise, and names it
with the circumstance.
"""

from __future__ import annotations

import argparse
import json
import locale
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q")
TURKISH = "tr_TR.UTF-8"  # where a dotted i is no i in capitals
ONE_FONT = {"FONTCONFIG_FILE": str(Path(__file__).with_name("one_font.conf"))}
# Eight processes that are never idle beside the command; each ends when this shell has.
BUSY = """for _ in 1 2 3 4 5 6 7 8; do
    while kill -0 $$; do :; done >/dev/null 2>&1 &
done
"$@"
exit $?"""
Outcomes = dict[str, str]


@dataclass(frozen=True, slots=True)
class Circumstance:
    """What differs from an ordinary run: its environment, and what its command begins with."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    background: bool = False


def is_installed(name: str) -> bool:
    """Whether the system has a locale: a program that is started with another one runs in C."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return True


def font_families(environment: Mapping[str, str]) -> set[str]:
    """The families that pages are drawn with; none where fontconfig's commands are not there."""
    program = shutil.which("fc-list")
    if program is None:
        return set()
    words = [program, "--format", "%{family[0]}\n"]
    environment = {**os.environ, **environment}
    listed = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return set(listed.stdout.split("\n")) - {""}


def circumstances(orders: int) -> Iterator[Circumstance]:
    yield Circumstance("as ever")
    for seed in range(1, orders + 1):
        yield Circumstance(f"order {seed}", {"TESTS_ORDER": str(seed)})
    yield Circumstance("locale C", {"LC_ALL": "C", "LANG": "C"})
    if is_installed(TURKISH):
        yield Circumstance("locale tr_TR", {"LC_ALL": TURKISH, "LANG": TURKISH})
    else:
        print(
            f"not tried: locale {TURKISH}; apt-get install locales, then localedef -i tr_TR "
            f"-f UTF-8 {TURKISH}",
            file=sys.stderr,
        )
    yield Circumstance("time zone Kiritimati", {"TZ": "Pacific/Kiritimati"})
    yield Circumstance("time zone Niue", {"TZ": "Pacific/Niue"})
    yield Circumstance("another sixteenth", {"TESTS_SIXTEENTH": "7"})
    if program := shutil.which("faketime"):
        yield Circumstance("200 days later", prefix=(program, "-f", "+200d"))
    else:
        print("not tried: another day; apt-get install faketime", file=sys.stderr)
    if font_families(ONE_FONT):
        yield Circumstance("one family of fonts", ONE_FONT)
    else:
        print(
            "not tried: other fonts; apt-get install fontconfig fonts-dejavu-core", file=sys.stderr
        )
    yield Circumstance("load 8", prefix=("sh", "-c", BUSY, "sh"))
    if os.geteuid() == 0:
        yield Circumstance(
            "as nobody", prefix=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        )
    yield Circumstance("in the background", prefix=("nohup",), background=True)


def outcomes(circumstance: Circumstance, paths: Sequence[str]) -> Outcomes:
    """What each test answered."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        own = ("PYTEST_", "TESTS_PART", "TESTS_TURNS")  # of the run that this may be a test of
        clean = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        environment = {
            **clean,
            "TESTS_COSTS": str(folder / "costs.json"),
            "TMPDIR": name,
            "HOME": name,
        }
        with (folder / "printed").open("wb") as printed:
            subprocess.run(
                [*circumstance.prefix, *PYTEST, *paths],
                cwd=ROOT,
                env={**environment, **circumstance.environment},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                check=False,
                start_new_session=circumstance.background,
                preexec_fn=_ignores_the_terminal if circumstance.background else None,
            )
        if not (folder / "costs.json").is_file():
            sys.stderr.write((folder / "printed").read_text("utf-8", "replace")[-2000:])
            return {}
        run = json.loads((folder / "costs.json").read_text("utf-8"))
        return {nodeid: outcome for nodeid, (_, _, outcome) in run["tests"].items()}


def _ignores_the_terminal() -> None:
    """As a shell does for what it starts with `&`."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)


def differences(before: Outcomes, now: Outcomes) -> list[str]:
    """The tests that answer otherwise. One that is drawn by the day may be in one of the two
    alone.
    """
    if not now:
        return ["nothing ran"]
    return [
        f"{name}: {before[name]}, now {now[name]}"
        for name in sorted(before.keys() & now.keys())
        if before[name] != now[name]
    ]


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.trust", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="tests to run; all of them without"
    )
    parser.add_argument(
        "--orders", type=int, default=2, help="how many orders to draw (default: 2)"
    )
    asked = parser.parse_args(words)
    first: Outcomes = {}
    failed = 0
    for circumstance in circumstances(asked.orders):
        now = outcomes(circumstance, asked.paths)
        first = first or now
        found = differences(first, now)
        failed += len(found)
        print(f"{circumstance.name}: {len(now)} tests, {len(found)} answer otherwise", flush=True)
        for line in found:
            print(f"  {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A page of the documentation, done as it is written: its blocks are typed in order, in a folder
that looks like a clone.

Every block of code on a page is one of these, and `steps` refuses a page that holds another kind:

* **shell**: fenced as `sh` or `bash`, or indented. Blocks of a page share one shell, so a variable
  or a server that is started with `&` stays. Every command must end with 0, or with what the page
  says beside it: `# exits 2`.
* **python**: fenced as `python`; run as a program of its own, with the shell's folder and
  environment.
* **a file**: any other language, or python, under a paragraph that ends with its name in backticks
  and a colon: "`config.yaml`:". A whole path is a file below the folder.
* **output**: fenced as `text` right behind a block that ran: what it printed, in full. `...` stands
  for what varies, on a line of its own for any number of lines.
* **an outline**: the paragraph before says the word. It is not run, and the page has told its
  reader so.

Most pages begin with `. examples/begin.sh`. The first page that does runs it; the others find what
it left (`begun.py`).

A link of `/enter` that a block prints is opened by its person, in a browser, and the notice is
answered.

`conv_...`, and any other prefix so written, stands for the last id of that kind that an earlier
block printed. Ports that a page names are free ones here, and `/srv`, `/run/licet` and `/dev/shm`
lie in the folder, so that pages are done side by side; the page is otherwise run to the letter.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from .forking import FORKED

if TYPE_CHECKING:
    from .begun import Begun

ROOT = Path(__file__).parent.parent
BEGIN = ". examples/begin.sh"
BLOCK_SECONDS_MAX = 900
SHELL, PYTHON, OUTPUT = {"sh", "bash"}, {"python"}, {"text"}
OUR_FOLDERS = {"src", "docs", "examples", "deploy", "tests", "bench", "tools"}
PORT = (
    r"(?<=127\.0\.0\.1:)\d{4,5}|(?<=localhost:)\d{4,5}|(?<=0\.0\.0\.0:)\d{4,5}|(?<=--port )\d{4,5}"
)
MACHINE_FOLDERS = re.compile(r"(?<![\w.~/:-])/(?=srv/|run/licet|dev/shm/)")
PROGRAM = """#!/bin/sh
case ${{1-}} in
setup) shift && cd {root} && exec {python} -m tests.walkthrough "$@" ;;
serve) case " $* " in *" --port "*) ;; *) shift && set -- serve --port {port} "$@" ;; esac ;;
esac
exec {licet} "$@"
"""


class Kind(StrEnum):
    shell = "shell"
    python = "python"
    file = "file"
    output = "output"
    outline = "outline"


@dataclass(frozen=True, slots=True)
class Step:
    """A block of a page: what it is, where it stands, and the name of the file that it holds."""

    kind: Kind
    line: int
    code: str
    name: str = ""


class PageError(AssertionError):
    """A page that does not do what it says, with the place."""


def steps(page: Path) -> list[Step]:
    """Every block of the page, in order; PageError for one that nobody would know what to do
    with.
    """
    found: list[Step] = []
    for line, language, before, code in _blocks(page.read_text("utf-8")):
        place = f"{page.name}:{line}"
        name = re.search(r"`([^`\s]+\.\w+)`[^`\n]{0,80}:$", before)
        if re.search(r"\boutline\b", before, re.IGNORECASE):
            found.append(Step(Kind.outline, line, code))
        elif name and language not in SHELL | OUTPUT | {""}:
            found.append(Step(Kind.file, line, code, name[1]))
        elif language in SHELL or not language:
            found.append(Step(Kind.shell, line, code))
        elif language in PYTHON:
            found.append(Step(Kind.python, line, code))
        elif language in OUTPUT:
            if not found or found[-1].kind not in (Kind.shell, Kind.python):
                raise PageError(f"{place}: shows the output of no block that runs")
            found.append(Step(Kind.output, line, code))
        else:
            raise PageError(
                f"{place}: `{language}` is neither a command nor the file that the line "
                "before names"
            )
    return found


def _blocks(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Each block: its line, its language, the paragraph before it, its code."""
    lines = [*text.splitlines(), ""]
    number, paragraph, blank = 0, "", True
    while number < len(lines):
        line = lines[number]
        if fence := re.match(r"^( *)```(\S*).*$", line):
            end = next(
                (n for n in range(number + 1, len(lines)) if lines[n].strip() == "```"), None
            )
            if end is None:
                raise PageError(f"line {number + 1}: a block without an end")
            yield number + 1, fence[2], paragraph, _code(lines[number + 1 : end], len(fence[1]))
            number, paragraph, blank = end + 1, "", True
        elif line.startswith("    ") and blank and line.strip():
            end = number
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            code = _code(lines[number:end], 4)
            language = "python" if re.match(r"(import|from) \w", code) else ""
            yield number + 1, language, paragraph, code
            number, paragraph, blank = end, "", True
        else:
            if line.strip() and not line.startswith("#"):
                paragraph = line.strip() if blank else f"{paragraph} {line.strip()}"
            elif line.startswith("#"):
                paragraph = ""
            blank = not line.strip() or line.startswith("#")
            number += 1


def _code(lines: Sequence[str], indent: int) -> str:
    return "\n".join(line[indent:] for line in lines).rstrip() + "\n"


@dataclass
class Walk:
    """Somebody who does what a page says, in a folder of their own. ``dsn``: a database of the
    tests, instead of ours.

    ``person`` opens each link of `/enter` that a block prints, as the person whom the host
    application sends there.
    """

    folder: Path
    dsn: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    person: Callable[[str], None] | None = None
    begun: Begun | None = None
    printed: str = ""
    last: str = ""
    _ports: dict[str, int] = field(default_factory=dict)

    def __enter__(self) -> Walk:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in sorted(OUR_FOLDERS) + [
            path.name for path in sorted(ROOT.glob("[A-Zpr]*")) if path.suffix != ".egg-info"
        ]:
            if (ROOT / name).exists() and name != "run":
                (self.folder / name).symlink_to(ROOT / name)
        programs = self.folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        for program in (self.folder / "run", programs / "licet"):
            program.write_text(
                PROGRAM.format(
                    root=ROOT, python=sys.executable, licet=FORKED, port=self.port("8787")
                )
            )
            program.chmod(0o755)
        self._program(programs / "python", sys.executable)
        self._program(programs / "python3", str(getattr(sys, "_base_executable", sys.executable)))
        self._at = self.folder / ".typed"
        for new in (self._at, self.folder / "home", self.folder / "tmp", self.folder / "srv"):
            new.mkdir()
        self._send(self._shell, "")
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the shell and whatever it started, which it was started in a group of its own
        for.
        """
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._shell.pid, how)
            end = time.monotonic() + 30
            while _is_group(self._shell.pid) and time.monotonic() < end:
                time.sleep(0.1)
                self._shell.poll()
        self._shell.wait()
        assert self._shell.stdin is not None
        self._shell.stdin.close()

    @cached_property
    def environment(self) -> dict[str, str]:
        ours = ("LICET_", "OTEL_", "LITELLM_", "PYTEST_", "PGHOST", "PGDATABASE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        paths = f"{self.folder / '.venv' / 'bin'}:{os.environ['PATH']}"
        made = {
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "PATH": paths,
        }
        database = {"LICET_DATABASE_URL": self.dsn} if self.dsn else {}
        return {**kept, **made, **database, "LICET_CURATE__NAMES": "off", **self.settings}

    @cached_property
    def _shell(self) -> subprocess.Popen[bytes]:
        shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        begin = f'set -o pipefail\ntrap \'printf "%s %s %s\\n" $? $LINENO "${{BASH_SOURCE[0]-}}" >>{self._at}/failed\' ERR\n'
        self._send(shell, begin)
        return shell

    def _send(self, shell: subprocess.Popen[bytes], text: str) -> None:
        assert shell.stdin is not None
        shell.stdin.write(text.encode())
        shell.stdin.flush()

    def port(self, written: str) -> int:
        """The free port that stands here for one that the page names."""
        if int(written) in self._ports.values():
            return int(written)
        if written not in self._ports:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                self._ports[written] = listener.getsockname()[1]
        return self._ports[written]

    def _program(self, path: Path, target: str) -> None:
        path.write_text(f'#!/bin/sh\nexec {target} "$@"\n')
        path.chmod(0o755)

    def environment_beside(self, source: Path, name: str) -> None:
        """Puts a copy of an environment where a block makes one, so that what it installs is there:
        nothing is fetched.

        What is installed is linked, not copied; programs and the environment's own file are the
        copy's own.
        """
        target = self.folder / name
        shutil.copytree(source / "lib", target / "lib", symlinks=True, copy_function=os.link)
        shutil.copy(source / "pyvenv.cfg", target / "pyvenv.cfg")
        (target / "bin").mkdir()
        for program in (source / "bin").iterdir():
            if program.is_symlink():
                (target / "bin" / program.name).symlink_to(os.readlink(program))
            else:
                text = program.read_bytes().replace(
                    f"{source}/bin/".encode(), f"{target}/bin/".encode()
                )
                (target / "bin" / program.name).write_bytes(text)
                (target / "bin" / program.name).chmod(0o755)

    def beside(self, source: Path, name: str) -> None:
        """Puts a folder where the page's reader has one of their own; ``~`` is their home. The
        times in its files become yesterday's: an import does not store turns past their period.
        """
        target = self.folder / name.replace("~", "home", 1)
        shutil.copytree(source, target)
        yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
        for file in target.rglob("*.jsonl"):
            text = file.read_text("utf-8")
            file.write_text(re.sub(r"\b\d{4}-\d\d-\d\d(?=T\d\d:)", yesterday, text), "utf-8")

    def do(self, page: Path, *, until: int | None = None, after: int = 0) -> list[Step]:
        """Does the page's steps, or those between two lines of it, and returns them; PageError at
        the first that does not hold.
        """
        done = []
        for step in steps(page):
            if after < step.line and (until is None or step.line < until):
                self.step(step, page.name)
                done.append(step)
        return done

    def step(self, step: Step, page: str = "") -> None:
        place = f"{page}:{step.line}"
        match step.kind:
            case Kind.shell:
                self.last = self._typed(step.code, place)
                self._enter()
            case Kind.python:
                program = self._at / f"{step.line}.py"
                program.write_text(self.filled(step.code, place))
                self.last = self.type(f"python {program}\n", place)
                self._enter()
            case Kind.file:
                target = self.folder / self.mapped(step.name).lstrip("/").replace("~", "home")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(self.mapped(step.code))
            case Kind.output:
                if not _shows(self.mapped(step.code), self.last):
                    raise PageError(
                        f"{place}: shows\n{step.code}\nand what is printed is\n{self.last}"
                    )
            case Kind.outline:
                pass

    def _typed(self, code: str, place: str) -> str:
        """Types a block. What it begins with is run when it is the first page's, or no other's."""
        begin, _, rest = code.partition("\n")
        if self.begun is None or self.dsn is None or not begin.startswith(BEGIN):
            return self.type(code, place)
        if self.begun.printed is None:
            printed = self.type(begin + "\n", place)
            self.begun.keep(self, printed)
        else:
            printed = self.begun.give(self)
            self.printed += printed
            self.type(f'export PATH="{self.folder}/.venv/bin:$PATH"\n', place)
        return printed + (self.type(rest, place) if rest else "")

    def _enter(self) -> None:
        for link in re.findall(r"http://\S+/enter\?token=\S+", self.last):
            if self.person is not None:
                self.person(link)

    def type(self, code: str, place: str = "") -> str:
        """Types commands into the shell; what they print, once they are done."""
        code = self.filled(code, place)
        number = len(list(self._at.iterdir()))
        typed, out, done = (self._at / f"{number}.{kind}" for kind in ("sh", "out", "done"))
        failed = self._at / "failed"
        failed.unlink(missing_ok=True)
        typed.write_text(code)
        self._send(self._shell, f". {typed} >{out} 2>&1 </dev/null\ntouch {done}\n")
        end = time.monotonic() + BLOCK_SECONDS_MAX
        while not done.exists():
            if self._shell.poll() is not None or time.monotonic() > end:
                raise PageError(
                    f"{place}: the shell ended, or waits for ever:\n{code}\n{out.read_text()}"
                )
            time.sleep(0.05)
        printed = out.read_text("utf-8", "replace")
        self.printed += printed
        ends = _ends(failed.read_text() if failed.exists() else "", typed, code)
        if ends != (said := _said(code)):
            raise PageError(
                f"{place}: lines end with {ends}, and the page says {said}:\n{code}\n{printed}"
            )
        return printed

    def filled(self, code: str, place: str) -> str:
        """The code with ids for `conv_...`, and with ports and folders of ours."""

        def known(match: re.Match[str]) -> str:
            ids = re.findall(rf"\b{match[1]}_[0-9a-f]{{32}}", self.printed)
            if not ids:
                raise PageError(f"{place}: nothing on the page has shown a `{match[0]}`")
            return str(ids[-1])

        return self.mapped(re.sub(r"\b([a-z]+)_\.\.\.", known, code))

    def mapped(self, text: str) -> str:
        text = re.sub(PORT, lambda match: str(self.port(match[0])), text)
        return MACHINE_FOLDERS.sub(f"{self.folder}/", text)


def _is_group(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _statements(code: str) -> list[tuple[int, int, str]]:
    """The first and the last line of each logical line, and its text."""
    found, begin, text = [], 1, ""
    for number, line in enumerate(code.splitlines(), 1):
        text += line
        if line.endswith("\\"):
            continue
        found.append((begin, number, text))
        begin, text = number + 1, ""
    return found


def _said(code: str) -> dict[int, int]:
    """What the page says a line ends with, where that is not 0."""
    return {
        first: int(match[1])
        for first, _, text in _statements(code)
        if (match := re.search(r"#.*\bexits (\d+)", text)) and match[1] != "0"
    }


def _ends(failed: str, typed: Path, code: str) -> dict[int, int]:
    """With what each line ended, where that is not 0."""
    ends = {}
    for entry in failed.splitlines():
        status, line, file = entry.split(" ", 2)
        if file == str(typed):
            first = next(
                first for first, last, _ in _statements(code) if first <= int(line) <= last
            )
            ends[first] = int(status)
    return ends


def _shows(expected: str, printed: str) -> bool:
    """Whether what a page shows is what was printed: `...` for what varies, on a line of its own
    for any lines.
    """
    pattern = ""
    for line in expected.strip("\n").splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += (
                r".*?".join(re.escape(part.rstrip()) for part in line.split("...")) + r"[ \t]*\n"
            )
    return re.fullmatch(pattern, printed.strip("\n") + "\n") is not None


def set_up(parts: Sequence[str]) -> int:
    """What `./run setup` does where all is installed already, as in the environment of the tests:
    it looks.
    """
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
        "optional-dependencies"
    ]
    for part in parts:
        for requirement in extras[part]:
            # PackageNotFoundError says which is missing
            version(re.split(r"[<>=!\[; ]", requirement)[0])
        print(f"{part} is installed", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(set_up(sys.argv[1:]))

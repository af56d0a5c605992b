"""Bad days: a full disk, Ctrl-C at any moment, a database that goes away, files that are broken.
Real processes.

Whatever happens, the command says so in one clear error with an exit code of `errors.py`, nothing
acknowledged is lost, nothing is half done, and the same command, given again, ends as if nothing
had happened.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest

from licet.cli.root import RootCommand
from licet.policy.file import preset
from licet.store import embedded
from licet.store.connect import UnreachableError

from ..forking import FORKED, STARTED
from ..waiting import HANG_SECONDS, cpu_seconds, heeds_ctrl_c, wait_until

DISK_MEGABYTES = 400
BALLAST_KILOBYTES_LEFT = 6_000
MESSAGE_BYTES = 200 * 2**20
MEMORY_BYTES_MAX = 400 * 2**20
BEGAN, NOW, LATER = "2025-12-01", "2025-12-15", "2031-12-15"
OURS = ("import", "--account", "kim", "--plan", "pro", "--age", "30")
RELEASE = ("--purpose", "improve_models")


class Done:
    """How a command ended. A traceback is never an answer."""

    def __init__(self, code: int, out: str, said: str) -> None:
        assert "Traceback" not in said + out
        self.code, self.out, self.said = code, out, said

    @property
    def error(self) -> str:
        """What it said when it failed: the one line that begins with `error:`."""
        errors = [line for line in self.said.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, (self.code, self.out, self.said)
        return errors[0]


class House:
    """An installation and the commands in it; ``inside`` is what every command line begins with."""

    def __init__(self, data: Path, *inside: str, **environment: str) -> None:
        self.data, self.inside = data, inside
        clean = {key: value for key, value in os.environ.items() if not key.startswith("LICET_")}
        self.environment = {
            **clean,
            "LICET_DATA": str(data),
            "LICET_CURATE__NAMES": "off",
            **environment,
        }

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        program = STARTED if self.inside else [FORKED]  # a fork is not in this namespace
        command = [*self.inside, *program, *map(str, arguments)]
        return subprocess.Popen(
            command,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heeds_ctrl_c,
        )

    def run(self, *arguments: str | Path) -> Done:
        return ended(self.start(*arguments))

    def well(self, *arguments: str | Path) -> Done:
        done = self.run(*arguments)
        assert done.code == 0, (done.out, done.said)
        return done

    def status(self) -> dict[str, Any]:
        seen: dict[str, Any] = json.loads(self.well("status", "--json").out)
        return seen

    def bring(self, file: Path) -> Done:
        return self.run(*OURS, file)

    def sets_clock(self, day: str) -> None:
        """The installation runs on a simulated clock, so that turns of a fixed day have a
        permission before them.
        """
        script = 'mkdir -p "$1" && cat >"$1/simulated-clock.json"'
        subprocess.run(
            [*self.inside, "sh", "-c", script, "sh", str(self.data)],
            input=json.dumps({"now": f"{day}T12:00:00Z"}),
            text=True,
            check=True,
        )

    def begins(self, choices: Path) -> House:
        """An installation of somebody who allowed everything before the first turn."""
        allowed = "".join(f"kim,2025-12-02,yes,{question}\n" for question in preset("strict").asks)
        choices.write_text(f"account,time,allow,question\n{allowed}", encoding="utf-8")
        self.sets_clock(BEGAN)
        self.well("init", "--preset", "strict", "--names-left-in")
        self.sets_clock(NOW)
        self.well(
            *OURS, many(choices.with_name("first.jsonl"), 1, name="first"), "--choices", choices
        )
        return self


def ended(running: subprocess.Popen[str]) -> Done:
    try:
        out, said = running.communicate(timeout=HANG_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    return Done(running.returncode, out, said)


def line(name: str, text: str) -> str:
    said = [{"role": "user", "content": text}, {"role": "assistant", "content": "with water"}]
    return (
        json.dumps(
            {"conversation_id": name, "created_at": "2025-12-10T10:00:00Z", "messages": said}
        )
        + "\n"
    )


def many(path: Path, count: int, *, size: int = 100, name: str = "c") -> Path:
    """Conversations of two turns, of words that do not compress."""
    noise = random.Random(7)
    with path.open("w", encoding="utf-8") as file:
        for n in range(count):
            file.write(line(f"{name}{n}", noise.randbytes(size).hex()))
    return path


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An installation whose database stays up between commands. Each test says other things in
    it.
    """
    folder = tmp_path_factory.mktemp("bad")
    house = House(folder / "data").begins(folder / "choices.csv")
    house.well("db", "start")
    yield house
    house.well("db", "stop")


# A full disk


@contextmanager
def small_disk(folder: Path) -> Iterator[tuple[House, Path]]:
    """An installation on a disk of its own, in a namespace of mounts that nobody else sees."""
    folder.mkdir()
    script = (
        f"mount -t tmpfs -o size={DISK_MEGABYTES}m tmpfs {folder} && echo mounted && exec sleep 600"
    )
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        if holder.stdout.readline() != "mounted\n":
            pytest.skip("no file system can be mounted here: a full disk is not tried")
        house = House(folder / "data", "nsenter", f"--target={holder.pid}", "--mount", "--")
        try:
            yield house.begins(folder.with_name("choices.csv")), folder / "ballast"
        finally:
            house.run("db", "stop")
            holder.kill()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[House, Path]]:
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small disk: a full disk is not tried")
    with small_disk(tmp_path / "disk") as made:
        yield made


def fill(house: House, ballast: Path, left: int = BALLAST_KILOBYTES_LEFT) -> None:
    script = f'free=$(df -k --output=avail "$1" | tail -1); dd if=/dev/zero of="$2" bs=1024 count=$((free - {left}))'
    command = [*house.inside, "sh", "-c", script, "sh", str(ballast.parent), str(ballast)]
    subprocess.run(command, check=True, capture_output=True)


def make_room(house: House, ballast: Path) -> None:
    subprocess.run([*house.inside, "rm", str(ballast)], check=True)


def is_a_full_disk(done: Done) -> bool:
    return done.code == 75 and ("disk" in done.error or "no space left" in done.error)


def test_an_import_stops_clearly_on_a_full_disk_and_goes_on_once_there_is_room(
    disk: tuple[House, Path], tmp_path: Path
) -> None:
    house, ballast = disk
    file = many(tmp_path / "many.jsonl", 3_000, size=6_000)
    fill(house, ballast)
    done = house.bring(file)
    assert is_a_full_disk(done), (done.code, done.said)
    seen = house.run("status")  # without room for its own files the database may not even start
    assert seen.code == 0 or is_a_full_disk(seen), (seen.code, seen.said)
    make_room(house, ballast)
    assert house.status()["turns_kept"] >= 2
    assert house.bring(file).code == 0
    assert house.status()["turns_kept"] == 6_002


def test_a_release_leaves_nothing_to_lease_on_a_full_disk_and_is_built_once_there_is_room(
    disk: tuple[House, Path], tmp_path: Path
) -> None:
    house, ballast = disk
    house.well("db", "start")
    house.well(*OURS, many(tmp_path / "many.jsonl", 1_200, size=2_000))
    fill(house, ballast, BALLAST_KILOBYTES_LEFT // 4)
    done = house.run("release", "build", "tight", *RELEASE)
    assert is_a_full_disk(done), (done.code, done.said)
    make_room(house, ballast)
    assert house.run("release", "verify", "tight").code != 0
    house.well("release", "build", "tight", *RELEASE)
    assert house.well("release", "verify", "tight").out == "0 contradictions\n"
    assert (
        json.loads(house.well("release", "show", "tight", "--json").out)["manifest"]["rows"]
        == 1_201
    )


# Ctrl-C


@pytest.fixture(scope="module")
def start_seconds(kept: House) -> float:
    """How much processor time a command takes to get to its work."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    kept.well("status")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def interrupted(house: House, seconds: float, *arguments: str | Path) -> Done:
    """Ctrl-C once it has worked for ``seconds`` of processor time: the terminal tells every process
    of the group.
    """
    running = house.start(*arguments)
    wait_until(
        lambda: running.poll() is not None or cpu_seconds(running.pid) >= seconds,
        "it works",
        step=0.005,
    )
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGINT)
    done = ended(running)
    assert done.code in {0, 130}, (done.code, done.out, done.said)
    assert done.code == 0 or done.error.startswith("error: interrupted")
    return done


def test_an_error_that_an_interrupt_caused_is_an_interruption(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.group(cls=RootCommand, modules={}, groups={})
    def root() -> None:
        """A command with one way to break."""

    @root.command()
    def breaks() -> None:
        """Is interrupted, and finds its connection broken as it cleans up."""
        try:
            raise KeyboardInterrupt
        finally:
            try:
                raise psycopg.OperationalError
            except psycopg.Error:
                raise UnreachableError("the connection to the database broke", "") from None

    with pytest.raises(SystemExit) as ended:
        root.main(["breaks"])
    assert ended.value.code == 130
    assert capsys.readouterr().err.startswith("error: interrupted")


def moments(seed: int, begin: float, work: float, count: int = 3) -> list[float]:
    draw = random.Random(seed)
    return [begin + draw.random() * work for _ in range(count)]


def test_an_import_interrupted_at_any_moment_keeps_what_it_stored_and_goes_on(
    kept: House, tmp_path: Path, start_seconds: float
) -> None:
    before, file = kept.status()["turns_kept"], many(tmp_path / "many.jsonl", 6_000, name="i")
    for seconds in moments(1, start_seconds, 2.0):
        interrupted(kept, seconds, *OURS, file)
        assert before <= kept.status()["turns_kept"] <= before + 12_000
    assert kept.bring(file).code == 0
    assert kept.status()["turns_kept"] == before + 12_000
    assert list((kept.data / "spool").glob("*")) == []


def test_a_release_interrupted_at_any_moment_leaves_nothing_and_starts_over(
    kept: House, tmp_path: Path, start_seconds: float
) -> None:
    kept.well(*OURS, many(tmp_path / "more.jsonl", 1_500, name="r"))
    for n, seconds in enumerate(moments(2, start_seconds, 1.0)):
        done = interrupted(kept, seconds, "release", "build", f"stop-{n}", *RELEASE)
        if done.code == 130:
            assert kept.run("release", "verify", f"stop-{n}").code != 0
            kept.well("release", "build", f"stop-{n}", *RELEASE)
        assert kept.well("release", "verify", f"stop-{n}").out == "0 contradictions\n"


def test_a_sweep_interrupted_at_any_moment_erases_whole_segments_and_goes_on(
    tmp_path: Path, start_seconds: float
) -> None:
    house = House(tmp_path / "data").begins(tmp_path / "choices.csv")
    house.well("db", "start")
    try:
        house.well(*OURS, many(tmp_path / "old.jsonl", 1_500, name="s"))
        house.sets_clock(LATER)
        turns = house.status()["turns_kept"]
        asked = house.run("sweep")
        assert (asked.code, house.status()["turns_kept"]) == (1, turns), (
            "all of it at once is more than is expected"
        )
        house.well("sweep", "approve")
        for seconds in moments(3, start_seconds, 1.0):
            interrupted(house, seconds, "sweep")
            left = house.status()["turns_kept"]
            assert left <= turns
            assert left % 2 == 0, "half a conversation was erased"
            turns = left
        house.well("sweep")
        seen = house.status()
        assert (seen["turns_kept"], seen["overdue"]) == (0, 0)
    finally:
        house.well("db", "stop")


# A database that goes away


def stopped(running: subprocess.Popen[str], folder: Path, stop: Callable[[], None]) -> Done:
    """How an import ends whose database stops once it has stored something."""
    wait_until(
        lambda: running.poll() is not None or has_stored(folder), "the command gets to its work"
    )
    assert running.poll() is None, "the command ended before its database was stopped"
    stop()
    return ended(running)


def has_stored(folder: Path) -> bool:
    with psycopg.connect(embedded.revive(folder)) as conn:
        # two are of the beginning
        return conn.execute("SELECT count(*) > 2 FROM turns").fetchone() == (True,)


def test_an_import_whose_embedded_database_is_killed_ends_clearly_and_goes_on(
    tmp_path: Path,
) -> None:
    house = House(tmp_path / "data").begins(tmp_path / "choices.csv")
    file = many(tmp_path / "many.jsonl", 12_000)

    def kill() -> None:
        os.kill(embedded.status(house.data / "postgres").pid, signal.SIGKILL)

    done = stopped(house.start(*OURS, file), house.data / "postgres", kill)
    assert done.code in {0, 75}, (done.code, done.out, done.said)
    assert done.code == 0 or "database" in done.error
    assert house.bring(file).code == 0
    assert house.status()["turns_kept"] == 24_002


def test_a_command_whose_own_database_is_stopped_ends_clearly_and_goes_on_once_it_is_back(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "postgres"
    with embedded.running(folder) as url:
        house = House(tmp_path / "data", LICET_DATABASE_URL=url).begins(tmp_path / "choices.csv")
        file = many(tmp_path / "many.jsonl", 12_000)

        def stop() -> None:
            # a fast shutdown: it cuts its clients off
            os.kill(embedded.status(folder).pid, signal.SIGINT)

        done = stopped(house.start(*OURS, file), folder, stop)
        assert done.code == 75, (done.code, done.out, done.said)
        assert "database" in done.error
        away = house.run("status")
        assert (away.code, away.out) == (75, "")
        assert "cannot connect to the database" in away.error
        embedded.revive(folder)
        assert house.bring(file).code == 0
        assert house.status()["turns_kept"] == 24_002


# Broken files


def test_a_message_of_200_megabytes_is_one_broken_turn_in_bounded_memory(
    kept: House, tmp_path: Path
) -> None:
    file = tmp_path / "huge.jsonl"
    with file.open("w", encoding="utf-8") as out:
        out.write(line("h1", "short"))
        head, tail = line("h2", "@").split("@")
        out.write(head)
        for _ in range(MESSAGE_BYTES // 2**20):
            out.write("a" * 2**20)
        out.write(tail)
        out.write(line("h3", "short"))
    before = kept.status()["turns_kept"]
    running = kept.start(*OURS, file)
    peak = 0
    while running.poll() is None:
        with suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{running.pid}/status").read_text(encoding="ascii")
            peak = max(
                [
                    peak,
                    *(
                        int(one.split()[1]) * 1024
                        for one in text.splitlines()
                        if one.startswith("VmHWM")
                    ),
                ]
            )
        time.sleep(0.05)
    done = ended(running)
    assert done.code == 1, (done.out, done.said)
    assert f"{file}:2" in done.out
    assert kept.status()["turns_kept"] == before + 5, "all but the turn itself is kept"
    assert peak < MEMORY_BYTES_MAX
    assert kept.bring(file).code == 1
    assert kept.status()["turns_kept"] == before + 5


def test_a_line_that_is_not_utf8_costs_itself_alone_and_mended_it_is_taken(
    kept: House, tmp_path: Path
) -> None:
    file = tmp_path / "latin.jsonl"
    whole = [
        line("u1", "one").encode(),
        line("u2", "caf\u00e9@").encode(),
        line("u3", "three").encode(),
    ]
    file.write_bytes(whole[0] + whole[1].replace(b"@", b"\xe9\xff") + whole[2])
    before = kept.status()["turns_kept"]
    done = kept.bring(file)
    assert done.code == 1, (done.out, done.said)
    assert f"{file}:2" in done.out
    assert "caf" not in done.out + done.said
    assert kept.status()["turns_kept"] == before + 4
    file.write_bytes(b"".join(whole))
    assert kept.bring(file).code == 0
    assert kept.status()["turns_kept"] == before + 6


def test_an_export_that_is_cut_off_gives_what_lies_whole_before_the_cut_and_the_rest_once_it_is_whole(
    kept: House, tmp_path: Path
) -> None:
    said = [{"role": "user", "content": "how long"}, {"role": "assistant", "content": "a while"}]
    whole = "".join(
        json.dumps(
            {"conversation_id": f"t{n}", "created_at": "2025-12-10T10:00:00Z", "messages": said}
        )
        + "\n"
        for n in range(100)
    )
    file = tmp_path / "cut.jsonl"
    file.write_text(whole[: len(whole) * 6 // 10], encoding="utf-8")
    before = kept.status()["turns_kept"]
    done = kept.bring(file)
    assert done.code == 1, (done.out, done.said)
    assert str(file) in done.out
    assert before + 100 < kept.status()["turns_kept"] < before + 200
    file.write_text(whole, encoding="utf-8")
    assert kept.bring(file).code == 0
    assert kept.status()["turns_kept"] == before + 200


@pytest.mark.parametrize("verb", ["check", "plan", "init"])
def test_a_policy_with_a_typo_is_refused_with_its_place_and_changes_nothing(
    kept: House, tmp_path: Path, verb: str
) -> None:
    text = (Path(embedded.__file__).parent.parent / "policy" / "presets" / "strict.yaml").read_text(
        encoding="utf-8"
    )
    key = next(one.split(":")[0] for one in text.splitlines() if one.startswith("min_age"))
    file = tmp_path / "policy.yaml"
    file.write_text(text.replace(f"\n{key}:", "\nmim_age:"), encoding="utf-8")
    house = House(tmp_path / "new") if verb == "init" else kept
    done = (
        house.run("init", "--policy", file) if verb == "init" else house.run("policy", verb, file)
    )
    assert (done.code, done.out) == (64, "")
    assert str(file) in done.error
    assert "mim_age" in done.error
    if verb == "init":
        file.write_text(text, encoding="utf-8")
        house.well("init", "--policy", file)

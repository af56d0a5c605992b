"""docs/audit.md, evening by evening: every line of it runs in an environment that holds
`cryptography` and nothing else.

A year, two rotations and a release; two of three witnesses cosign. Each line must say yes of an
honest folder, and each thing it reads must be able to make it say no.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from licet import verifier
from licet.curate import release_build
from licet.ledger.note import SignatureType, Signer
from licet.ledger.served_folder import ServedFolder
from licet.ledger.witness import Witness
from licet.ledger.witness_http import WitnessApp
from licet.policy.period import instant
from licet.proof import documents, papers
from licet.service import policy_changes, verification
from licet.store.connect import open_pool

from .installed import House
from .ledger.listening import listening
from .verifier.shipped import bare, saved

DOCUMENT = Path(__file__).parent.parent / "docs" / "audit.md"
LINES = re.findall(r"(?m)^    (python -I .*|\(cd .*)$", DOCUMENT.read_text())
YEARS = (2025, 2026, 2027)
NAMES = ("alpha", "beta", "gamma")


class Evening:
    """The auditor's folder, and the bare environment that its lines run in."""

    def __init__(self, folder: Path, python: Path, environment: dict[str, str]) -> None:
        self.folder, self._python, self._environment = folder, python, environment

    def run(self, line: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        path = f"{self._python.parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", "-c", line],
            cwd=folder or self.folder,
            env={"PATH": path, **self._environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )


def lived(house: House, folder: Path) -> str:
    """Three years of somebody who says yes, no and yes, and of a release; answers with the
    operator's own quorum file.
    """
    keys = [
        Signer(f"witness.{n}.example", SignatureType.cosignature, bytes([i]) * 32)
        for i, n in enumerate(NAMES)
    ]
    lines = [f"witness {name} {key.verifier.vkey}" for name, key in zip(NAMES, keys, strict=True)]
    rule = f"group two-of-three 2 {' '.join(NAMES)}\nquorum two-of-three\n"
    logs = {
        documents.place(house.installation).origin(year): [documents.key(house.installation, year)]
        for year in YEARS
    }
    with ExitStack() as running:
        for number, key in enumerate(keys[:2]):
            witness = running.enter_context(closing(Witness.open(folder / f"w{number}", key, logs)))
            lines[number] += (
                f" {running.enter_context(listening(WitnessApp(witness, lambda: 1_900_000_000)))}"
            )
        lines[2] += " http://127.0.0.1:9"  # the third one is away
        (house.installation.config.data / documents.WITNESSES_FILE).write_text(
            "\n".join([*lines, rule])
        )
        policy_changes.publish_notices(house.installation, actor="test")
        house.open("ana", allow=True)
        house.say("ana", "chat", "which kettle sings")
        house.passes(1)
        built = release_build.build_release(
            house.installation, name="tuesday", purpose="improve_models"
        )
        for year in YEARS:
            house.now = max(house.now, instant(f"{year}-06-01"))
            if year > YEARS[0]:
                house.choose("ana", year == YEARS[-1])
            documents.append(house.installation)
            documents.publish(house.installation, folder / "public")
            (folder / "seen").mkdir(exist_ok=True)
            shutil.copy(
                folder / "public" / str(year) / "checkpoint", folder / "seen" / f"checkpoint-{year}"
            )
        house.open("ben")
        documents.append(house.installation)
        seen = documents.publish(house.installation, folder / "public")
        assert {name for _, name, _ in seen.missing} == {"gamma"}
    shutil.copytree(built.folder, folder / "tuesday")
    return "\n".join([line.rpartition(" ")[0] for line in lines] + [rule])


@pytest.fixture(scope="module")
def evening(databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    folder = tmp_path_factory.mktemp("evening")
    with open_pool(databases()) as pool:
        house = House(pool, tmp_path_factory.mktemp("house"))
        (folder / "quorum.txt").write_text(lived(house, folder))
        (folder / "receipts.zip").write_bytes(
            papers.zip_receipts(house.installation, house.accounts["ana"])
        )
        with zipfile.ZipFile(folder / "receipts.zip") as archive:
            archive.extractall(folder / "papers")
        keys = {f"KEY_{year}": documents.key(house.installation, year).vkey for year in YEARS}
    saved(folder)
    python = bare(tmp_path_factory.mktemp("bare") / "evening")
    with listening(ServedFolder(folder / "public")) as url:
        yield Evening(folder, python, {**keys, "URL": url})


def test_the_document_has_its_lines() -> None:
    assert len(LINES) >= 14
    assert {word for line in LINES for word in re.findall(r"verifier\.py (\w+)", line)} == {
        "log",
        "checkpoint",
        "receipt",
        "release",
        "text",
    }


def test_the_environment_holds_nothing_of_ours(evening: Evening) -> None:
    assert evening.run("python -I -c 'import cryptography'").returncode == 0
    for name in ("licet", "msgspec", "psycopg", "click"):
        assert evening.run(f"python -I -c 'import {name}'").returncode == 1


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_document_says_yes(evening: Evening, line: str) -> None:
    done = evening.run(line)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not line.startswith("python") or done.stdout.startswith("proved: ")


def test_two_of_three_witnesses_are_named(evening: Evening) -> None:
    (line,) = [
        line
        for line in LINES
        if line.endswith('public/2027 --key "$KEY_2027" --policy quorum.txt')
        and " log " in line
        and "release" not in line
    ]
    assert "cosigned by: witness.alpha.example, witness.beta.example" in evening.run(line).stdout


def test_the_two_rotations_are_in_the_folder_and_link_nobody(evening: Evening) -> None:
    pseudonyms = set()
    for year in YEARS:
        files = verifier.FolderFiles(evening.folder / "public" / str(year))
        told = b"".join(files.read(path) or b"" for path in files.paths() if "entries" in path)
        assert (b'"t":"carried"' in told) == (year > YEARS[0])
        pseudonyms |= set(re.findall(rb'"who":"([0-9a-f]{64})"', told))
    assert len(pseudonyms) == 3 + 1, "Ana, under another name each year, and Ben"


LIES = {
    "public/2025/tile/entries": b'"allow":',
    "public/2026/checkpoint": b"\n",
    "public/notices": b"",
    "public/policies": b"",
    "seen/checkpoint-2027": b"\n",
    "papers/receipts/002.json": b"receipt",
    "tuesday/manifest.json": b"rows",
}


@pytest.mark.parametrize("place", LIES)
def test_a_line_says_no_of_what_was_changed(evening: Evening, place: str, tmp_path: Path) -> None:
    folder = tmp_path / "evening"
    shutil.copytree(evening.folder, folder)
    target = folder / place
    file = target if target.is_file() else sorted(p for p in target.rglob("*") if p.is_file())[-1]
    data = bytearray(file.read_bytes())
    data[data.index(LIES[place])] ^= 1
    file.write_bytes(data)
    said = {line: evening.run(line, folder).returncode for line in LINES if "$URL" not in line}
    assert any(code in (1, 65) for code in said.values()), said


def test_a_quorum_that_was_not_met_is_refused(evening: Evening) -> None:
    strict = (
        (evening.folder / "quorum.txt").read_text().replace("two-of-three 2", "two-of-three all")
    )
    (evening.folder / "strict.txt").write_text(strict)
    asked = [line.replace("quorum.txt", "strict.txt") for line in LINES if "quorum.txt" in line]
    assert len(asked) == 5
    for line in asked:
        done = evening.run(line)
        assert (
            done.returncode,
            "the quorum of the named witnesses cosigned it" in done.stdout,
        ) == (1, True), line


def test_the_command_holds_the_same_quorum(evening: Evening, databases) -> None:
    keys = tuple(evening._environment[f"KEY_{year}"] for year in YEARS)
    public, met = evening.folder / "public", (evening.folder / "quorum.txt").read_bytes()
    assert verification.verify(public, keys, quorum=met).broken == ()
    assert (
        verification.verify(evening.folder / "tuesday", keys, log=public, quorum=met).broken == ()
    )
    unmet = met.replace(b"two-of-three 2", b"two-of-three 3")
    broken = verification.verify(public, keys, quorum=unmet).broken
    assert [place for place, _ in broken] == ["checkpoint"] * 3
    assert verification.verify(
        evening.folder / "papers" / "receipts" / "001.json", keys, quorum=unmet
    ).broken


def test_what_a_receipt_names_is_among_the_papers(evening: Evening) -> None:
    folder = evening.folder / "papers"
    for kind in ("notices", "policies"):
        for file in (folder / kind).glob("*.json"):
            assert (evening.folder / "public" / kind / file.name).read_bytes() == file.read_bytes()
    assert list((folder / "policies").iterdir())
    commands = re.findall(
        r"(?m)^  (python verifier\.py receipt .*)$",
        (folder / "receipts" / "README.txt").read_text(),
    )
    assert len(commands) == 3
    for command in commands:
        done = evening.run(command, folder)
        assert (done.returncode, done.stdout[:7]) == (0, "proved:"), done.stdout + done.stderr


def test_this_test_runs_on_the_tree_that_it_tests() -> None:
    assert Path(verifier.__file__).is_relative_to(DOCUMENT.parent.parent)
    assert sys.version_info >= (3, 11)

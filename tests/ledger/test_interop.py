"""Go's golang.org/x/mod/sumdb verifies every inclusion and every consistency of a log that we
wrote.

Needs Debian's packages `golang-go` and `golang-golang-x-mod-dev`. Where they are missing the test
is skipped, and fails where CI=true: there it is part of the promise.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from licet.ledger.log import LogWriter
from licet.ledger.note import encode_base64

from .world import ORIGIN, SIGNER, WITNESS, entry_of

SIZE = 1_100
GOCODE = Path("/usr/share/gocode")
PACKAGES = "golang-go golang-golang-x-mod-dev"


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built from source against Debian's packages."""
    if shutil.which("go") is None or not (GOCODE / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        message = f"no Go interop: `apt-get install {PACKAGES}`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    base = tmp_path_factory.mktemp("go")
    source = base / "src" / "check"
    source.mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "interop" / "check.go", source)
    env = os.environ | {"GO111MODULE": "off", "GOPATH": f"{base}:{GOCODE}", "GOFLAGS": ""}
    subprocess.run(
        ["go", "build", "-o", str(base / "check"), "check"], env=env, check=True, timeout=600
    )
    return base / "check"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A log with a cosigned checkpoint, and every proof we can make of it."""
    base = tmp_path_factory.mktemp("log")
    with LogWriter.create(base / "log", base / "state", ORIGIN, SIGNER) as log:
        for start in range(0, SIZE, 90):
            log.append([entry_of(i) for i in range(start, min(start + 90, SIZE))])
        log.cosign(
            WITNESS.cosign(log.checkpoint.text, 1_800_000_000).line.encode(), [WITNESS.verifier]
        )
        lines = [("inclusion", index, log.prove(index).path) for index in range(SIZE)]
        lines += [("consistency", old, log.prove_consistency(old)) for old in range(1, SIZE + 1)]
    proofs = "".join(
        f"{what} {n} {' '.join(map(encode_base64, path))}\n" for what, n, path in lines
    )
    return base / "log", proofs


def checked(
    checker: Path, folder: Path, proofs: str, vkey: str = SIGNER.verifier.vkey
) -> tuple[int, str]:
    call = [str(checker), str(folder), vkey]
    done = subprocess.run(
        call, input=proofs, capture_output=True, text=True, check=False, timeout=600
    )
    return done.returncode, done.stdout


def test_go_verifies_every_inclusion_and_every_consistency(
    checker: Path, published: tuple[Path, str]
) -> None:
    folder, proofs = published
    told = f"ok: size {SIZE}, {SIZE} inclusions, {SIZE} consistencies\n"
    assert checked(checker, folder, proofs) == (0, told)


def test_go_finds_what_was_changed(
    checker: Path, published: tuple[Path, str], tmp_path: Path
) -> None:
    """The test can fail: a changed tile, entry, proof or key is no longer verified."""
    folder, proofs = published
    for path in ("tile/0/001", "tile/1/000.p/4", "tile/entries/002", "checkpoint"):
        copy = tmp_path / path.replace("/", "-")
        shutil.copytree(folder, copy)
        data = bytearray((copy / path).read_bytes())
        data[40] ^= 1
        (copy / path).write_bytes(data)
        assert checked(checker, copy, proofs)[0] == 1, path
    first, _, rest = proofs.partition("\n")
    assert (
        checked(
            checker, folder, f"inclusion 1 {first.partition(' ')[2].partition(' ')[2]}\n{rest}"
        )[0]
        == 1
    )
    assert checked(checker, folder, proofs, SIGNER.renamed("another").verifier.vkey)[0] == 1

"""The container image of a source folder as an OCI image layout in one archive, by Buildah.

The base is named by its digest, every file has the commit's time, and compiled Python is not
checked against its source's time: the same source, base and version of Buildah give the same bytes.

The image has no health check, which is of Docker's format. Kubernetes has its own probes, and
`deploy/compose.yaml` builds from the Dockerfile.

Source: OCI Image Format Specification v1.1, "Image Layout".
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
from gzip import GzipFile
from pathlib import Path
from typing import BinaryIO

from tools.packaging.build_backend import FILE_MODE, PROGRAM_MODE

PROGRAM = "buildah"
PACKAGES = "buildah netavark"  # of Debian
_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


def check(base: str) -> None:
    """Exits if no image, or no reproducible one, could be made of ``base``."""
    if not _DIGEST.fullmatch(base):
        raise SystemExit(
            f"error: `{base}` names its bytes by no digest\n"
            "hint: NAME@sha256:..; `skopeo inspect --format '{{.Digest}}' docker://NAME:TAG`"
        )
    if shutil.which(PROGRAM) is None:
        raise SystemExit(
            f"error: `{PROGRAM}` is not here, which builds the image\n"
            f"hint: apt-get install --no-install-recommends {PACKAGES}"
        )


def write(source: Path, archive: Path, base: str, version: str, seconds: int) -> None:
    """Builds `deploy/Dockerfile` of ``source`` on ``base`` and writes the layout to ``archive``;
    everything in it has the time ``seconds`` since 1970.
    """
    with tempfile.TemporaryDirectory() as scratch:
        name, layout = Path(scratch) / "id", Path(scratch) / "layout"
        _run(
            *("build", "--quiet", "--layers=false", "--no-cache", f"--timestamp={seconds}"),
            *("--format=oci", f"--build-arg=BASE={base}", f"--iidfile={name}"),
            *(f"--file={source / 'deploy' / 'Dockerfile'}", str(source)),
        )
        image = name.read_text("utf-8").strip()
        try:
            _run("push", "--quiet", image, f"oci:{layout}:{version}")
        finally:
            _run("rmi", image)
        with archive.open("wb") as stream:
            pack(layout, stream, "", seconds)


def pack(folder: Path, stream: BinaryIO | GzipFile, prefix: str, seconds: int) -> None:
    """Writes the files of ``folder`` to a tar archive below ``prefix``, sorted by name, without
    owners.
    """
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as made:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(f"{prefix}{path.relative_to(folder).as_posix()}")
            entry.size, entry.mtime = path.stat().st_size, seconds
            entry.mode = PROGRAM_MODE if path.stat().st_mode & 0o100 else FILE_MODE
            with path.open("rb") as content:
                made.addfile(entry, content)


def _run(*words: str) -> None:
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"error: `{PROGRAM} {words[0]}` has failed: {done.stderr.strip()}")

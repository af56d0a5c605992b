"""What the tests need of the machine: `python3 tests/needs.py` fails with the line that installs
what is not there.

`--packages` prints the packages of Debian that are missing, which `.ci/run` installs. It runs
before any environment is made, so it imports the standard library alone.
"""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path
from typing import NamedTuple


class Need(NamedTuple):
    """Programs or files, any of which will do, and the packages of Debian that bring them."""

    any_of: tuple[str, ...]
    packages: str
    purpose: str

    def is_met(self) -> bool:
        return any(
            Path(one).exists() if one.startswith("/") else shutil.which(one) for one in self.any_of
        )


P11_KIT_CLIENT = f"/usr/lib/{platform.machine()}-linux-gnu/pkcs11/p11-kit-client.so"
NEEDS = (
    Need(
        ("chromium-headless-shell",),
        "chromium-headless-shell",
        "pages, components and pages of the documents",
    ),
    Need(("firefox-esr", "firefox"), "firefox-esr", "pages in another browser"),
    Need(("npm",), "nodejs npm", "the packages of the client and of the components"),
    Need(("go",), "golang-go", "the log by its own implementation, and the charts"),
    Need(
        ("/usr/share/gocode/src/golang.org/x/mod",),
        "golang-golang-x-mod-dev",
        "the log by Go's own implementation",
    ),
    Need(
        ("/usr/share/gocode/src/github.com/Masterminds/sprig",),
        "golang-github-masterminds-sprig-dev",
        "the charts",
    ),
    Need(("sigsum-witness",), "sigsum-go", "a witness of others"),
    Need(("/usr/lib/softhsm/libsofthsm2.so",), "softhsm2", "a token that holds keys"),
    Need(("p11-kit",), "p11-kit", "a token that hangs"),
    Need((P11_KIT_CLIENT,), "p11-kit-modules", "a token that hangs"),
    Need(("strace",), "strace", "writes that fail"),
    Need(("promtool",), "prometheus", "the alerts"),
    Need(("spin",), "spin gcc libc6-dev", "the model of erasure"),
    Need(("systemd-analyze",), "systemd", "units of the system"),
    Need(("buildah",), "buildah netavark", "the image"),
    Need(("mmdebstrap",), "mmdebstrap", "the image"),
    Need(("patroni",), "patroni python3-etcd pgbouncer etcd-server", "a database that fails over"),
)


def missing() -> list[Need]:
    return [need for need in NEEDS if not need.is_met()]


def main(words: list[str]) -> int:
    lacking = missing()
    packages = " ".join(need.packages for need in lacking)
    if "--packages" in words:
        print(packages)
        return 0
    for need in lacking:
        print(
            f"error: `{need.any_of[0]}` is not here: tests of {need.purpose} are skipped",
            file=sys.stderr,
        )
    if lacking:
        print(f"hint: apt-get install --no-install-recommends {packages}", file=sys.stderr)
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

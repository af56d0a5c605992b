"""Makes the npm package `@licet/host` from `packages/host/src`, on `@licet/client`.

    python -m tools.host_package [FOLDER]    # compiles it into FOLDER, or `packages/host/build`

Its compilers are those of the client (`tools.client_package`).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tools import client_package

SOURCE = client_package.ROOT / "packages" / "host"
BUILD = SOURCE / "build"


def write(folder: Path, compiler: Path, client: Path) -> None:
    """Compiles the package to the fresh ``folder``; ``client`` is the folder of
    `client_package.write`, ``compiler`` that of `install`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "host"
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("build", "node_modules"))
        modules = source / "node_modules"
        (modules / "@licet").mkdir(parents=True)
        (modules / "@licet" / "client").symlink_to(client.absolute())
        for name in ("@types", "undici-types"):
            (modules / name).symlink_to(compiler.absolute() / "node_modules" / name)
        client_package.write(folder, compiler, source)


def main(words: list[str]) -> None:
    target = Path(words[0]) if words else BUILD
    with tempfile.TemporaryDirectory() as scratch:
        compiler, client = Path(scratch) / "compiler", Path(scratch) / "client"
        client_package.install(compiler)
        client_package.write(client, compiler)
        write(target, compiler, client)
    print(target)


if __name__ == "__main__":
    main(sys.argv[1:])

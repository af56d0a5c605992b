"""The one file that strangers get, as they get it: saved, loaded, and run by a Python with nothing
else in it.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path
from types import ModuleType

from licet.verifier import bundle


@cache
def shipped() -> ModuleType:
    """The file as a module of its own, which shares no object with the package."""
    module = ModuleType("shipped_verifier")
    sys.modules[module.__name__] = module  # where dataclasses look their module up
    exec(compile(bundle.source(), "verifier.py", "exec"), vars(module))
    return module


def saved(folder: Path) -> Path:
    path = folder / "verifier.py"
    path.write_bytes(bundle.source())
    return path


def bare(folder: Path) -> Path:
    """A Python with `cryptography` and what that needs, and no package of ours or anybody
    else's.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in ("cryptography", "cffi", "_cffi_backend", "pycparser"):
        found = importlib.util.find_spec(name)
        if found is not None and found.origin is not None:
            origin = Path(found.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            (site / source.name).symlink_to(source)
    return folder / "bin" / "python"


def run(
    file: Path, *words: object, python: Path | str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """The file alone: isolated, and from elsewhere."""
    call = [str(python), "-I", str(file), *map(str, words)]
    return subprocess.run(call, capture_output=True, text=True, cwd="/", check=False, timeout=600)

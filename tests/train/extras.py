"""Packages that tests of training import, as their users have them."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest


def require(module: str) -> Any:
    """Imports ``module``. Without it the test is skipped; on CI, which installs it, it fails."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        absence = f"no {error.name}: `./run test` and `./run setup train cluster` install it"
    if os.environ.get("CI") == "true":
        pytest.fail(absence)
    pytest.skip(absence, allow_module_level=True)

"""What the tests of training need: the optional group `train`, loudly absent in development, never
in CI.
"""

import os
from importlib.util import find_spec

import pytest

NEEDED = ("sklearn", "tokenizers", "torch", "trl")


@pytest.fixture(autouse=True, scope="session")
def _group_train() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI installs the extra `train`, but {', '.join(missing)} is missing")
        pytest.skip(f"the extra `train` is not installed: {', '.join(missing)} is missing")

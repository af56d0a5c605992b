"""What importing the server loads."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_server_loads_no_numerics_and_nothing_of_the_demonstration() -> None:
    """Curation and the classifier bring NumPy and Arrow: their cost falls to the first use, not to
    each start.
    """
    program = """
import sys
import licet.web.app
heavy = {name.partition(".")[0] for name in sys.modules} & {"numpy", "pandas", "pyarrow", "scipy", "sklearn"}
print(sorted(heavy), sorted(name for name in sys.modules if name.startswith("licet.demo")))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[] []\n"

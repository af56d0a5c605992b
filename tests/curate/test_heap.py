"""What a build needs only to make its model and its automata does not stay in memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

MEASURED = """
import json
from licet.curate import language_model, release_build, rules

def megabytes(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024

before, peak = megabytes("RssAnon"), megabytes("VmHWM")
language_model.model()
model, at_most = megabytes("RssAnon") - before, megabytes("VmHWM") - peak
before = megabytes("RssAnon")
(rule,) = [one for one in rules.load_rules()._compiled if one.rule.name == "email"]
assert rule.regex.search(b"to ana@example.org") is not None
print(json.dumps([model, at_most, megabytes("RssAnon") - before]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_model_of_languages_and_the_largest_rule_leave_what_they_need_alone() -> None:
    told = subprocess.run(
        [sys.executable, "-c", MEASURED], check=True, capture_output=True, text=True, timeout=120
    )
    model, at_most, rule = json.loads(told.stdout)
    assert model < 45  # its arrays are 33
    assert at_most < 70
    assert rule < 40  # making it takes 110

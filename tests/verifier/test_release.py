"""A release without what would prove it: it is not contradicted, and what is missing is named."""

from __future__ import annotations

import pytest

from licet import verifier

from . import release_lies
from .lies import TRUST, Held
from .mutants import LATER, TRUST_LATER, small_log


@pytest.mark.parametrize("trusted", [None, TRUST], ids=["no key", "a key"])
def test_a_release_without_a_log_is_not_proved(trusted: verifier.Trust | None) -> None:
    files, _ = release_lies.shown_honest().releases[0]
    report = verifier.check_release(Held(files), trusted)
    assert (report.answer, report.findings) == (verifier.Verdict.unproved, [])
    missing = {(lack.place, lack.why) for lack in report.lacks}
    assert missing >= {("manifest.json", "nothing signed names it"), ("the log", "none was given")}


def test_the_log_of_the_release_s_year_is_taken_from_several() -> None:
    files, log = release_lies.shown_honest().releases[0]
    own, later = (TRUST, Held(log)), (TRUST_LATER, Held(small_log([b"{}"], LATER)))
    for logs in ([own], [own, later], [later, own]):
        assert verifier.check_release_in(Held(files), logs).ok
    for others in ([], [later, later]):
        report = verifier.check_release_in(Held(files), others)
        assert (report.answer, report.findings) == (verifier.Verdict.unproved, [])

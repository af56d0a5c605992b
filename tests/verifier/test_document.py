"""A document of the law: its entry, and as many entries of the log as it counts."""

from __future__ import annotations

import json
from copy import deepcopy

from licet import verifier

from . import mutants
from .mutants import TRUST, Held


def checked(raw: bytes, log: dict[str, bytes]) -> verifier.VerifierReport:
    release, _ = mutants.sealed(deepcopy(mutants.releases()[0]))
    return verifier.check_document(raw, [(TRUST, Held(log))], [Held(release)])


def test_the_entry_of_another_document_is_not_its_own() -> None:
    (own, _), (other, log) = (mutants.paper_file(said) for said in mutants.papers())
    swapped = {name: json.loads(other)[name] for name in ("entry", "proof")}
    report = checked(mutants.text_of(json.loads(own) | swapped) + b"\n", log)
    assert [found.promise for found in report.findings] == ["its entry names this document"]


def test_a_log_with_fewer_entries_than_it_counts_is_not_enough_for_its_numbers() -> None:
    raw, _ = mutants.paper_file(mutants.papers()[0])
    entries = [mutants.text_of(entry) for entry in mutants.paper_entries()]
    assert checked(raw, mutants.small_log(entries)).answer is verifier.Verdict.proved
    report = checked(raw, mutants.small_log(entries[:-1]))
    assert report.answer is verifier.Verdict.unproved
    why = [lack.why for lack in report.lacks]
    assert f"the given copy has fewer than {len(entries)} entries" in why

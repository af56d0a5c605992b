"""A certificate of erasure: signed, its states in order, nothing found in any place, and told to the log."""

from __future__ import annotations

import hashlib
from typing import Any

from licet.verifier.answer import ContradictionError, VerifierReport
from licet.verifier.forms import read_time, shaped
from licet.verifier.keys import Trust
from licet.verifier.statement import UNLOGGED, logged_entry, open_jws, read_statement

# The states of an erasure, in their order.
CERTIFIED = ("requested", "fenced", "shredded", "swept", "verified")
CERTIFICATE_FILE = {"v": "one", "certificate": "text", "entry": "text?", "proof": "text?"}
CERTIFICATE = {
    "v": "one", "type": frozenset({"licet-erasure-certificate"}), "erasure": "text", "account": "text",
    "conversation": "text?", "cause": frozenset({"deletion", "closure", "hold_released"}), "salt": "hash",
    **dict.fromkeys(CERTIFIED, "time"),
    "places": [{"place": "word", "reference": "id?", "registered": "time", "copies": "pos", "done": "text",
                "read_back": "int", "kept_until": "time?", "...": None}],
    "recipients": [{"recipient": "text", "...": None}], "hosts": [{"...": None}],
    "backups": [{"backup": "text", "made": "time", "expires": "time", "...": None}], "backups_out_of_reach": "time?",
    "...": None,
}  # fmt: skip


def check_certificate(raw: bytes, trusted: Trust, place: str = "certificate") -> VerifierReport:
    """Hold a certificate of erasure: signed by the key, whole in itself, and with its proof told to the log."""
    report = VerifierReport("certificate", origin=trusted.origin, files=1)
    file: dict[str, Any] = {}
    said: dict[str, Any] = {}

    def stand() -> None:
        if (file["entry"], file["proof"]) == (None, None):
            report.lacking(place, UNLOGGED, "fetch it again once the log has taken it")
            return
        told, _ = logged_entry(file, place, trusted, report)
        told_of = hashlib.sha256(file["certificate"].encode()).hexdigest()
        if told["t"] != "certificate" or told["facts"]["sha256"] != told_of:
            raise ContradictionError(place, "its entry tells this certificate")
        if told["at"] != said["verified"]:
            raise ContradictionError(place, "its time is that of its entry")

    report.steps((
        ("file", "a certificate of version 1",
         lambda: file.update(read_statement(raw, place, CERTIFICATE_FILE, "a certificate"))),
        ("signature", f"the log's key `{trusted.key.name}` signed what it states",
         lambda: said.update(open_jws(file["certificate"], trusted.key, place, "licet-certificate+jws"))),
        ("statement", "it names each place, and that nothing was found there",
         lambda: _check_certificate(said, place, report)),
        ("entry", "the log was told of this very certificate", stand),
    ))  # fmt: skip
    return report


def _check_certificate(said: dict[str, Any], place: str, report: VerifierReport) -> None:
    shaped(said, CERTIFICATE, place, "a certificate")
    times = [read_time(said[state], place, state) for state in CERTIFIED]
    if times != sorted(times):
        raise ContradictionError(place, "its states follow one another")
    if any(seen["read_back"] != 0 for seen in said["places"]):
        raise ContradictionError(place, "nothing was found in any place")
    if any(read_time(seen["registered"], place, "registered") > times[-1] for seen in said["places"]):
        raise ContradictionError(place, "each place was known before it was read back")
    if not said["places"] and said["conversation"] is not None:
        raise ContradictionError(place, "it names a place where the conversation was")
    if not said["places"]:
        report.lacking(place, "it names no place, so it says of none that nothing was found there",
                       "nothing does, where the account had stored nothing")  # fmt: skip

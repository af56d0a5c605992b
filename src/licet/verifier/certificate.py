"""Checks a certificate of erasure: its signature, its log entry, and its statement about each place
of a closed list.

The log proves that this certificate was issued, and when. The action in each place is the
operator's word, but must be one that the place allows. A place that was read back states when, and
that nothing was left or until when the rest is kept; other places have no count. A recipient's
signed answer is verified if the recipient's key is given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from licet.verifier.answer import ContradictionError, Verdict, VerifierReport
from licet.verifier.forms import Null, check_shape, read_time
from licet.verifier.keys import Trust
from licet.verifier.levels import levels_of
from licet.verifier.statement import (
    UNLOGGED,
    includes_facts,
    logged_entry,
    open_jws,
    read_signed_file,
)

CERTIFIED = ("requested", "fenced", "shredded", "swept", "verified")
# The actions that each place allows. Copies handed to a recipient cannot be read back.
PLACE_ACTIONS = {
    "vault": ("erased",),
    "feedback": ("erased",),
    "safety": ("erased", "kept"),
    "release": ("refused",),
    "export": ("recalled", "answered", "untouched"),
}
READ_BACK_ACTIONS = ("erased", "kept", "refused")
CERTIFICATE_FILE = {"v": "one", "certificate": "text", "entry": "text?", "proof": "text?"}
PLACE = {
    "place": frozenset(PLACE_ACTIONS),
    "reference": "id?",
    "registered": "time",
    "copies": "pos",
    "done": frozenset(deed for deeds in PLACE_ACTIONS.values() for deed in deeds),
    "kept_until": "time?",
    "read_back": Null({"at": "time", "left": "int"}),
    "recalled": Null({"at": "time", "due": "time"}),
    "answered": Null({"at": "time", "by": "word", "signed": "text?"}),
}
CERTIFICATE = {
    "v": "two",
    "type": frozenset({"licet-erasure-certificate"}),
    "erasure": "text",
    "account": "text",
    "conversation": "text?",
    "cause": frozenset({"deletion", "closure", "hold_released"}),
    "salt": "hash",
    **dict.fromkeys(CERTIFIED, "time"),
    "places": [PLACE],
    "recipients": [
        {
            "recipient": "word",
            "release": "text",
            "handed": "time",
            "recalled": "time",
            "due": "time",
            "acknowledged": "time?",
        }
    ],
    "hosts": [
        {
            "host": "text",
            "event": "text",
            "told": "time",
            "delivered": "time?",
            "due": "time",
            "acknowledged": "time?",
            "overdue": "bool",
        }
    ],
    "backups": [{"backup": "text", "made": "time", "expires": "time"}],
    "backups_out_of_reach": "time?",
}
ANSWER = {
    "v": "one",
    "type": frozenset({"licet-recall-answer"}),
    "erasure": "text",
    "recipient": "word",
    "at": "time",
    "handout": "text",
}
ANSWER_TYPE = "licet-recall-answer+jws"


def check_certificate(
    raw: bytes, trusted: Trust, place: str = "certificate", recipient_keys: Sequence[Trust] = ()
) -> VerifierReport:
    """Checks the signature, the log entry and the places of a certificate of erasure.
    ``recipient_keys`` are recipients' keys, each under its recipient's name.
    """
    report = VerifierReport("certificate", origin=trusted.origin, files=1)
    file: dict[str, Any] = {}
    statement: dict[str, Any] = {}

    def check_entry() -> None:
        if (file["entry"], file["proof"]) == (None, None):
            report.add_lack(place, UNLOGGED, "fetch it again once it is logged")
            return
        logged, _ = logged_entry(file, place, trusted, report)
        sha256 = hashlib.sha256(file["certificate"].encode()).hexdigest()
        if logged["t"] != "certificate" or logged["facts"]["sha256"] != sha256:
            raise ContradictionError(place, "its entry names this certificate")
        if logged["at"] != statement["verified"]:
            raise ContradictionError(place, "its time is that of its entry")

    report.steps(
        (
            (
                "file",
                "a certificate of version 1",
                lambda: file.update(
                    read_signed_file(raw, place, CERTIFICATE_FILE, "a certificate")
                ),
            ),
            (
                "signature",
                f"the log's key `{trusted.key.name}` signed what it states",
                lambda: statement.update(
                    open_jws(file["certificate"], trusted.key, place, "licet-certificate+jws")
                ),
            ),
            (
                "statement",
                "its times are in order",
                lambda: _check_certificate(statement, place, report),
            ),
            ("entry", "the log has the hash of this certificate", check_entry),
            (
                "places",
                "the operator's word, limited to the actions that each place allows",
                lambda: _check_places(statement, place),
                Verdict.stated,
            ),
        )
    )
    if not report.findings:
        for place_stated in statement["places"]:
            _check_answer(
                place_stated,
                statement,
                place,
                {recipient_key.key.name: recipient_key for recipient_key in recipient_keys},
                report,
            )
        report.notes += [_describe_place(seen) for seen in statement["places"]] or [
            ("it names no place: the operator states that nothing of the account was stored")
        ]
    return report


def _check_certificate(certificate: dict[str, Any], place: str, report: VerifierReport) -> None:
    check_shape(certificate, CERTIFICATE, place, "a certificate")
    report.levels["certificate"] = levels_of("certificate", certificate, place)
    times = [read_time(certificate[state], place, state) for state in CERTIFIED]
    if times != sorted(times):
        raise ContradictionError(place, "its times are in order")
    if not certificate["places"] and certificate["conversation"] is not None:
        raise ContradictionError(place, "it names the place of the conversation")


def _check_places(certificate: dict[str, Any], place: str) -> None:
    """Checks that each place states an allowed action and that only kept data was read back."""
    verified = read_time(certificate["verified"], place, "verified")
    for place_stated in certificate["places"]:
        done = place_stated["done"]
        read_back = place_stated["read_back"]
        until = place_stated["kept_until"]
        later = [
            value["at"] for value in (place_stated["recalled"], place_stated["answered"]) if value
        ] + [place_stated["registered"]]
        for promise, holds in (
            (
                "the action is one that its place allows",
                done in PLACE_ACTIONS[place_stated["place"]],
            ),
            (
                "exactly the places that can be read back were",
                (read_back is not None) == (done in READ_BACK_ACTIONS),
            ),
            (
                "it was read back when the certificate was made",
                read_back is None or read_back["at"] == certificate["verified"],
            ),
            (
                "only kept data was found in a place",
                not read_back or not read_back["left"] or done == "kept",
            ),
            (
                "kept data has a date of its own, after it was read back",
                (until is not None) == (done == "kept")
                and (until is None or read_time(until, place, "kept_until") > verified),
            ),
            (
                "a recall and an answer fit the action",
                (place_stated["answered"] is not None) == (done == "answered")
                and (place_stated["recalled"] is not None or done != "recalled")
                and (place_stated["recalled"] is None or done in ("recalled", "answered")),
            ),
            (
                "a place was registered, recalled and answered before it was read back",
                all(read_time(time, place, "at") <= verified for time in later),
            ),
        ):
            if not holds:
                raise ContradictionError(place, promise)


def _check_answer(
    stated_place: dict[str, Any],
    certificate: dict[str, Any],
    place: str,
    keys: dict[str, Trust],
    report: VerifierReport,
) -> None:
    """Verifies a recipient's signed answer if its key is given; the whole does not rest on it."""
    answer = stated_place["answered"]
    if answer is None or answer["signed"] is None or answer["by"] not in keys:
        return

    def check() -> None:
        stated = open_jws(answer["signed"], keys[answer["by"]].key, place, ANSWER_TYPE)
        check_shape(stated, ANSWER, place, "a recipient's answer")
        if not includes_facts(
            stated, {"erasure": certificate["erasure"], "recipient": answer["by"]}
        ):
            raise ContradictionError(place, "the recipient answered for this erasure")

    report.step(
        f"answer of {answer['by']}",
        "signed with the recipient's key that you gave",
        check,
        is_aside=True,
    )


def _describe_place(stated_place: dict[str, Any]) -> str:
    answer, left = stated_place["answered"], stated_place["read_back"]
    match stated_place["done"]:
        case "erased":
            text = f"read back at {left['at']}: nothing was left"
        case "kept":
            text = (
                f"read back at {left['at']}: {left['left']} kept until {stated_place['kept_until']}"
            )
        case "refused":
            text = f"read back at {left['at']}: the keys of its rows are no longer released"
        case "recalled":
            text = (
                "nobody looked: its recipient was asked to delete it by "
                f"{stated_place['recalled']['due']}, and did not answer"
            )
        case "answered":
            signed = "signed" if answer["signed"] else "not signed"
            text = (
                f"nobody looked: {answer['by']} answered at {answer['at']} that it is deleted "
                f"({signed})"
            )
        case _:
            text = "nobody looked: it contains nothing that was to be erased"
    return f"  {stated_place['place']}: {text}"

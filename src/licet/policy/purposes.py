"""The purposes for which content may be used, and their names for people, programs and auditors.

A policy may cover any purpose with a valid name; Licet has texts for those in `PURPOSES`. For any
other, pages and consoles show its name in a generic sentence, and a receipt uses an address of
Licet's. `unworded_purposes` reports them when a policy is planned or applied, before anybody sees
such a page.
"""

from __future__ import annotations

import re

import msgspec

from licet.errors import UsageError
from licet.policy.decide import IMPROVE, SAFETY
from licet.policy.file import Policy

DPV = "https://w3id.org/dpv#"
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


class Purpose(msgspec.Struct, frozen=True, kw_only=True):
    """A purpose with texts: ``sentence`` is its catalogue key, ``address`` its name in receipts."""

    name: str
    sentence: str
    address: str


PURPOSES = {
    purpose.name: purpose
    for purpose in (
        Purpose(
            name=IMPROVE,
            sentence="purpose.improve_models",
            address=f"{DPV}ImproveExistingProductsAndServices",
        ),
        Purpose(
            name=SAFETY,
            sentence="purpose.safety_classifiers",
            address=f"{DPV}MisusePreventionAndDetection",
        ),
    )
}
OTHER = "purpose.other"


def sentence_key(name: str) -> str:
    """Returns a purpose's catalogue key; that of `OTHER` takes its name."""
    return PURPOSES[name].sentence if name in PURPOSES else OTHER


def purpose_url(name: str) -> str:
    return PURPOSES[name].address if name in PURPOSES else f"urn:licet:purpose:{name}"


def unworded_purposes(policy: Policy) -> tuple[str, ...]:
    """Returns the policy's purposes without texts; UsageError for an invalid name."""
    for name in sorted(policy.covers):
        if NAME.fullmatch(name) is None:
            raise UsageError(
                f"`choice.covers` holds `{name}`, which is no name of a purpose: it must "
                f"match {NAME.pattern}"
            )
    return tuple(sorted(policy.covers - PURPOSES.keys()))

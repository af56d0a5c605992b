"""The worked cases hold in the vault: through its verbs, its tables and its views, as in the world
in memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from licet.keys.keyring import Keyring
from licet.policy.events import Event
from licet.policy.file import Policies, extend, preset
from licet.policy.period import instant
from licet.store.connect import Transaction

from .model import Pair, insert_versions, savepoints, sound

SPEC = Path(__file__).parent.parent / "spec"
CASES = [
    case
    for name in ("cases.yaml", "regions.yaml")
    for case in yaml.load((SPEC / name).read_bytes(), Loader=yaml.CSafeLoader)
]
ASKED = ("turn", "conversation", "account", "feedback")
UNKNOWN: dict[str, dict[str, object]] = {
    "turn": {"use": False, "because": "unknown", "until": None},
    "conversation": {"keep_until": "unknown", "safety_until": "unknown"},
    "account": {"gate": "unknown"},
    "feedback": {"share": "none", "use": False, "because": "unknown", "keep_until": None},
}


def policies_of(value: object) -> Policies:
    versions = value if isinstance(value, list) else [value]
    return Policies(preset(v) if isinstance(v, str) else extend(v) for v in versions)


def events_of(values: list[dict[str, Any]]) -> list[Event]:
    """In order; times never decrease along it."""
    events: list[Event] = []
    for value in values:
        at = instant(value["at"])
        at = max(at, events[-1].at) if events else at
        events.append(msgspec.convert({**value, "at": at}, Event))
    return events


def actual(answers: dict[tuple[str, ...], object], expected: dict[str, Any]) -> dict[str, object]:
    """The answer to one expectation, by the keys of a case file."""
    asked = next(key for key in ASKED if key in expected)
    question = (asked, expected[asked], *([expected["purpose"]] if asked == "turn" else []))
    keys = UNKNOWN[asked]
    if question not in answers:
        return keys
    found = answers[question]
    return dict(zip(keys, found if isinstance(found, tuple) else (found,), strict=True))


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_the_vault_answers_the_case(
    conn: Transaction, keyring: Keyring, case: dict[str, Any]
) -> None:
    policies = policies_of(case["policy"])
    insert_versions(conn, policies)
    pair = Pair(savepoints(conn), keyring, policies)
    events = events_of(case["events"])
    for expected in sorted(case["expect"], key=lambda e: instant(e["at"])):
        at = instant(expected["at"])
        while events and events[0].at <= at:
            pair.apply(events.pop(0))
        answers = pair.of_vault(at)
        assert answers == pair.of_world(at)
        found = actual(answers, expected)
        for key in found.keys() & expected.keys():
            wanted = (
                instant(expected[key])
                if key.endswith("until") and expected[key] is not None
                else expected[key]
            )
            assert found[key] == wanted, (expected, key)
    sound(conn, keyring)

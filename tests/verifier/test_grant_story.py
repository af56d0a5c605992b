"""Stories of grants that did happen: over a new year, after a restore, and across the day on which
questions came.

Each is told by an honest installation; the log's story must hold. What may not be told in their
place is in `grant_lies`.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

import pytest

from licet import verifier
from licet.ledger.canonical_json import canonical

Told: TypeAlias = tuple[str, dict[str, Any]]
WHO, CHAT, OTHER_CHAT, PROJECT = ("a1" * 32, "c1" * 32, "c2" * 32, "d1" * 32)
TRAINING = {"question": "training", "scope": "account"}
MODELS, SAFETY = ({"question": name, "scope": "account"} for name in ("models", "safety"))
IN_CHAT = {"question": "models", "scope": "conversation", "handle": CHAT}
IN_PROJECT = {"question": "models", "scope": "project", "project": PROJECT}
CARRIED: Told = ("carried", {"from": 2025})
RESTORED: Told = ("restored", {"life": 2, "entries": 1})


def yes(about: dict[str, Any], grant: int, effect: str = "began", version: int = 0) -> list[Told]:
    kind = "grant_begun" if effect == "began" else "grant_affirmed"
    return [chose(about, effect, version), (kind, {"grant": grant, "version": version, **about})]


def chose(about: dict[str, Any], effect: str, version: int = 0, allow: bool = True) -> Told:
    return ("choice", {"allow": allow, "effect": effect, "version": version, **about})


def no(
    about: dict[str, Any], *grants: int, kept: tuple[tuple[int, dict[str, Any]], ...] = ()
) -> list[Told]:
    """A no that ends these grants and keeps those."""
    ended: list[Told] = [("grant_ended", {"grant": grant, "cause": "refused"}) for grant in grants]
    affirmed: list[Told] = [
        ("grant_affirmed", {"grant": grant, "version": 0, **of}) for grant, of in kept
    ]
    return [*ended, chose(about, "withdrew" if grants else "declined", allow=False), *affirmed]


def stands(grant: int, about: dict[str, Any]) -> Told:
    return ("grant_stands", {"grant": grant, "version": 0, **about})


def late(told: list[Told]) -> list[Told]:
    """Of the year before, whose log told the beginning of it."""
    return [(kind, {**facts, "at": "2025-12-31T23:59:00Z"}) for kind, facts in told]


def found(*told: Told) -> list[str]:
    """What the story of a log of these entries contradicts: of an account that it opens, unless it
    carries it over.
    """
    story, findings = verifier.new_story("log.example/2026"), []
    is_carried = told[0] == CARRIED
    facts: dict[str, Any] = {"number": 0, "sha256": "0" * 64}
    policy: list[Told] = [("policy_stands" if is_carried else "policy_applied", facts)]
    for number, (kind, said) in enumerate(
        [*policy, *([] if is_carried else [("account_opened", {})]), *told]
    ):
        own = (
            {}
            if kind in ("policy_applied", "policy_stands", "restored")
            else {"who": WHO, "commit": hashlib.sha256(b"%d" % number).hexdigest()}
        )
        at = said.get("at", "2026-03-01T00:00:00Z")
        entry = {
            "v": 1,
            "t": kind,
            "at": at,
            "logged": "2026-03-01T00:00:01Z",
            "facts": {name: fact for name, fact in said.items() if name != "at"},
        } | own
        findings += [finding.promise for finding in story.take(number, canonical(entry))]
    return findings


HONEST: dict[str, list[Told]] = {
    "each question by itself": [
        *yes(MODELS, 1),
        *yes(SAFETY, 2),
        *no(MODELS, 1),
        *yes(MODELS, 3),
        *no(SAFETY, 2),
    ],
    "a no to all that are asked": [
        *yes(MODELS, 1),
        *yes(SAFETY, 2),
        ("grant_ended", {"grant": 1, "cause": "refused"}),
        ("grant_ended", {"grant": 2, "cause": "refused"}),
        chose(MODELS, "withdrew", allow=False),
        chose(SAFETY, "withdrew", allow=False),
    ],
    "a no that keeps": [
        *no(MODELS),
        *yes(IN_CHAT, 1),
        *yes(IN_PROJECT, 2),
        *no(MODELS, 2, kept=((1, IN_CHAT),)),
        *yes(MODELS, 3),
    ],
    "a lapse, and a yes again": [
        *yes(MODELS, 1),
        ("grant_ended", {"grant": 1, "cause": "lapsed"}),
        *yes(MODELS, 2),
        *yes(MODELS, 2, "affirmed"),
    ],
    "a choice that was about no question": [
        ("choice", {"allow": False, "effect": "none", "version": 0, "scope": "account"})
    ],
    "carried over, and a grant of the year before is affirmed": [
        CARRIED,
        *yes(MODELS, 4, "affirmed"),
        *yes(SAFETY, 5),
    ],
    "carried over, and what stands is told": [
        CARRIED,
        stands(3, IN_PROJECT),
        stands(1, MODELS),
        *no(MODELS, 1, 3),
    ],
    "carried over, and a no ends what was never told": [
        CARRIED,
        *no(MODELS, 7, 9),
        *yes(MODELS, 12),
    ],
    "carried over, and a no keeps what was never told": [
        CARRIED,
        *no(MODELS, 7, kept=((9, IN_PROJECT), (2, IN_CHAT))),
    ],
    "carried over in the middle of a yes": [CARRIED, *late(yes(MODELS, 4)[1:]), *no(MODELS, 4)],
    "carried over in the middle of a no to all": [
        CARRIED,
        *late(no(MODELS, 1, kept=((3, IN_CHAT),))[1:]),
        *late(no(SAFETY, 2)[1:]),
    ],
    "carried over in the middle of what a no keeps": [
        CARRIED,
        *late(no(MODELS, kept=((3, IN_CHAT),))[1:]),
        *no(MODELS, 3),
    ],
    "restored, and a yes that was lost is given again": [
        *yes(MODELS, 1),
        RESTORED,
        *yes(MODELS, 1),
        *no(MODELS, 1),
    ],
    "restored, and the number of a lost grant is another's": [
        *yes(MODELS, 1),
        *yes(SAFETY, 2),
        RESTORED,
        *yes({**SAFETY, "question": "more"}, 2),
        *no(MODELS, 1),
    ],
    "restored, and a no that was taken again": [
        *yes(MODELS, 1),
        *no(MODELS, 1),
        RESTORED,
        *yes(MODELS, 2),
    ],
    "restored, and a lost yes is refused": [*yes(MODELS, 1), RESTORED, *no(MODELS)],
    "restored, and a no keeps what was not lost": [
        *no(MODELS),
        *yes(IN_CHAT, 1),
        RESTORED,
        *no(MODELS, kept=((1, IN_CHAT),)),
        *no(MODELS, 1),
    ],
    "restored between a choice and its grant, which is lost": [
        chose(MODELS, "began"),
        RESTORED,
        *yes(MODELS, 1),
    ],
    "restored between the ending of a grant and its no": [
        *yes(MODELS, 1),
        no(MODELS, 1)[0],
        RESTORED,
        no(MODELS, 1)[1],
        *yes(MODELS, 2),
    ],
    "restored between a no and what it keeps": [
        *no(MODELS),
        *yes(IN_CHAT, 1),
        no(MODELS, kept=((1, IN_CHAT),))[0],
        RESTORED,
        no(MODELS, kept=((1, IN_CHAT),))[1],
        *no(MODELS, 1),
    ],
    "restored, and a grant lapses again": [
        *yes(MODELS, 1),
        ("grant_ended", {"grant": 1, "cause": "lapsed"}),
        RESTORED,
        ("grant_ended", {"grant": 1, "cause": "lapsed"}),
        *yes(MODELS, 2),
    ],
    "restored, and a chat is kept out whose grant may be lost": [
        *no(MODELS),
        *yes(IN_CHAT, 1),
        RESTORED,
        ("narrowed", {"handle": CHAT}),
        *yes(SAFETY, 1),
    ],
    "a project is kept out, with its chats and their grants": [
        *no(MODELS),
        *yes(IN_CHAT, 1),
        *yes(IN_PROJECT, 2),
        ("project_kept_out", {"project": PROJECT}),
        ("narrowed", {"handle": CHAT}),
        ("grant_ended", {"grant": 1, "cause": "narrowed"}),
        ("narrowed", {"handle": OTHER_CHAT}),
        ("grant_ended", {"grant": 2, "cause": "narrowed"}),
        *yes(MODELS, 3),
    ],
    "a closure ends what there is": [
        *yes(MODELS, 1),
        *yes(SAFETY, 2),
        ("closed", {}),
        ("grant_ended", {"grant": 1, "cause": "closed"}),
        ("grant_ended", {"grant": 2, "cause": "closed"}),
        ("choice", {**chose(MODELS, "none")[1]}),
        ("closed", {}),
    ],
    "from before there were questions": [
        chose({}, "began"),
        ("grant_begun", {"grant": 1, "version": 0}),
        *yes(TRAINING, 1, "affirmed"),
        *no(TRAINING, 1),
    ],
    "from before, a withdrawal, and a yes of today": [
        chose({}, "began"),
        ("grant_begun", {"grant": 1, "version": 0}),
        chose({}, "withdrew", allow=False),
        ("grant_ended", {"grant": 1, "cause": "refused"}),
        *yes(TRAINING, 2),
        *no(TRAINING, 2),
        *yes({**IN_CHAT, "question": "training"}, 3),
    ],
    "from before, carried over, ended of today": [
        CARRIED,
        ("grant_stands", {"grant": 2, "version": 0}),
        *no(TRAINING, 2),
        *no(TRAINING),
    ],
}


@pytest.mark.parametrize("told", HONEST.values(), ids=HONEST)
def test_what_did_happen_is_no_contradiction(told: list[Told]) -> None:
    assert found(*told) == []


LIES: dict[str, tuple[str, list[Told]]] = {
    "a restore begins the grant of who withdrew": (
        "follows its choice",
        [*yes(MODELS, 1), *no(MODELS, 1), RESTORED, yes(MODELS, 2)[1]],
    ),
    "a restore between a choice and its grant": (
        "follows its choice",
        [chose(MODELS, "began"), RESTORED, yes(MODELS, 1)[1], *no(MODELS, 1)],
    ),
    "a restore makes a grant stand of which nothing was told": (
        "was begun, or carried over",
        [RESTORED, stands(1, MODELS)],
    ),
    "a restored grant that a number given again took the place of": (
        "follows from the grant in force",
        [
            *yes(MODELS, 1),
            *yes(SAFETY, 2),
            RESTORED,
            *yes({**SAFETY, "question": "more"}, 1),
            stands(2, SAFETY),
        ],
    ),
    "what is kept out keeps its grant": (
        "ends the grants",
        [*no(MODELS), *yes(IN_CHAT, 1), ("narrowed", {"handle": CHAT}), *yes(SAFETY, 2)],
    ),
    "a project that is kept out keeps its grant": (
        "ends the grants",
        [
            *no(MODELS),
            *yes(IN_PROJECT, 1),
            ("project_kept_out", {"project": PROJECT}),
            *yes(SAFETY, 2),
        ],
    ),
    "a project that is kept out keeps its grant until a chat is": (
        "ends the grants",
        [
            *no(MODELS),
            *yes(IN_PROJECT, 1),
            ("project_kept_out", {"project": PROJECT}),
            ("narrowed", {"handle": CHAT, "at": "2026-03-01T00:00:01Z"}),
            ("grant_ended", {"grant": 1, "cause": "narrowed"}),
        ],
    ),
    "a chat that is kept out keeps its grant until another is": (
        "ends the grants",
        [
            *no(MODELS),
            *yes(IN_CHAT, 1),
            ("narrowed", {"handle": CHAT}),
            ("narrowed", {"handle": OTHER_CHAT}),
            ("grant_ended", {"grant": 1, "cause": "narrowed"}),
        ],
    ),
    "a closed account keeps a grant": (
        "ends the grants",
        [*yes(MODELS, 1), ("closed", {}), ("deleted", {"handle": CHAT})],
    ),
    "a closed account begins a grant": (
        "account that is closed",
        [("closed", {}), *yes(MODELS, 1)],
    ),
    "a number left out": ("are consecutive", [*yes(MODELS, 1), *yes(SAFETY, 3)]),
    "carried over, and a grant of this year begins without its choice": (
        "follows its choice",
        [CARRIED, yes(MODELS, 4)[1]],
    ),
    "a grant before its choice's moment": (
        "time and the version",
        [chose(MODELS, "began"), *late(yes(MODELS, 1)[1:])],
    ),
    "a grant under another version than its choice": (
        "time and the version",
        [chose(MODELS, "began"), yes(MODELS, 1, version=1)[1]],
    ),
    "a restore revives what was refused": (
        "follows from the grant",
        [*yes(MODELS, 1), *no(MODELS, 1), RESTORED, stands(1, MODELS)],
    ),
    "a restore gives a grant another number": (
        "follows from the grant",
        [*yes(MODELS, 1), RESTORED, stands(2, MODELS)],
    ),
    "a restore is no yes": (
        "follows its choice",
        [
            *yes(MODELS, 1),
            RESTORED,
            ("narrowed", {"handle": CHAT}),
            ("grant_begun", {"grant": 2, "version": 0, **SAFETY}),
        ],
    ),
    "carried over, and a number that began this year stood before": (
        "follows from the grant",
        [CARRIED, *yes(MODELS, 4), stands(6, SAFETY)],
    ),
    "carried over, and two noes ended one grant": (
        "follows from the grant",
        [CARRIED, *no(MODELS, 7), ("grant_ended", {"grant": 7, "cause": "lapsed"})],
    ),
    "carried over, and no choice for a second grant": (
        "follows its choice",
        [CARRIED, *no(MODELS), ("grant_begun", {"grant": 9, "version": 0, **MODELS})],
    ),
    "carried over, and what a no kept was never kept": (
        "follows its choice",
        [
            CARRIED,
            *no(MODELS, 7),
            *yes(MODELS, 12),
            ("grant_affirmed", {"grant": 9, "version": 0, **IN_PROJECT}),
        ],
    ),
    "a no leaves another chat's grant": (
        "was followed by a `grant_affirmed`",
        [
            *no(MODELS),
            *yes(IN_CHAT, 1),
            *yes({**IN_CHAT, "handle": OTHER_CHAT}, 2),
            *no(MODELS, 1),
            *no(MODELS),
        ],
    ),
    "a no in the old form beside a grant of today": (
        "follows from the grant",
        [
            *yes(TRAINING, 1),
            chose({}, "withdrew", allow=False),
            ("grant_ended", {"grant": 1, "cause": "refused"}),
            stands(1, TRAINING),
        ],
    ),
}


@pytest.mark.parametrize(("promise", "told"), LIES.values(), ids=LIES)
def test_what_cannot_have_happened_is_one(promise: str, told: list[Told]) -> None:
    assert any(promise in one for one in found(*told)), found(*told) or "believed"

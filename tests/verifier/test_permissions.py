"""The log's state by which the rows of a release are decided: days, grants, keys and flags."""

from __future__ import annotations

from typing import Any

from licet.verifier.permissions import AccountStanding, LoggedConversation, Permissions

RELEASE, ANA, CHAT, PROJECT = "4d" * 16, "a1" * 32, "c1" * 32, "d1" * 32
IN_CHAT = {"question": "training", "scope": "conversation", "handle": CHAT}
IN_PROJECT = {"question": "training", "scope": "project", "project": PROJECT}
IN_ACCOUNT = {"question": "training", "scope": "account"}
SEALED = ("release_sealed", "2026-03-09", {"release": RELEASE})
DECIDED = ("release_decided", "2026-03-08", {"release": RELEASE})
Told = tuple[str, str, dict[str, Any]]


def taken(*told: Told) -> Permissions:
    """What is permitted after these entries, all of one account."""
    permissions = Permissions(RELEASE)
    for kind, day, facts in told:
        own = {} if kind.startswith("release_") else {"who": ANA}
        permissions.take({"t": kind, "at": f"{day}T10:00:00Z", "facts": facts} | own)
    return permissions


def conversation(*told: tuple[str, str] | Told) -> LoggedConversation:
    entries = [(one[0], one[1], {"handle": CHAT} | dict(*one[2:])) for one in told]
    return taken(*entries).chats[CHAT]


def account(*told: Told) -> AccountStanding:
    return taken(*told).accounts[ANA]


def begun(grant: int, about: dict[str, Any], day: str = "2026-03-01") -> Told:
    return ("grant_begun", day, {"grant": grant, "version": 1, **about})


def affirmed(grant: int, about: dict[str, Any], day: str = "2026-03-05") -> Told:
    return ("grant_affirmed", day, {"grant": grant, "version": 1, **about})


NO: Told = (
    "choice",
    "2026-03-04",
    {"allow": False, "effect": "withdrew", "version": 1, **IN_ACCOUNT},
)


def test_days_on_which_a_conversation_was_kept_out_are_whole_spans() -> None:
    chat = conversation(
        ("widened", "2026-01-01"),
        ("narrowed", "2026-02-01"),
        ("widened", "2026-02-03"),
        ("narrowed", "2026-02-05"),
        ("widened", "2026-02-09"),
        ("narrowed", "2026-03-01"),
    )
    assert chat.out == [("2026-02-01", "2026-02-03"), ("2026-02-05", "2026-02-09")]
    assert (chat.narrowed, chat.narrowings, chat.widened) == (True, 3, 3)
    assert (chat.narrowed_on, chat.widened_on) == ("2026-03-01", "2026-02-09")


def test_a_destroyed_key_is_known_by_its_segment_and_whether_it_was_of_the_safety_copy() -> None:
    chat = conversation(
        ("key_destroyed", "2026-02-01", {"because": "expired", "segment": 0}),
        ("key_destroyed", "2026-02-02", {"because": "safety", "segment": 1}),
        ("key_destroyed", "2026-02-03", {"because": "deleted"}),
    )
    assert chat.destroyed == {(0, False), (1, True)}
    assert not chat.deleted


def test_flags_stand_until_they_are_overturned() -> None:
    chat = conversation(("flagged", "2026-02-01"), ("flagged", "2026-02-02"))
    assert (chat.flagged_on, chat.unflagged) == (["2026-02-01", "2026-02-02"], False)
    chat = conversation(
        ("flagged", "2026-02-01"), ("unflagged", "2026-02-02"), ("flagged", "2026-02-03")
    )
    assert (chat.flagged_on, chat.unflagged) == (["2026-02-03"], True)


def test_a_grant_keeps_the_day_on_which_it_began_where_the_log_tells_it() -> None:
    standing = account(begun(1, IN_CHAT), affirmed(1, IN_CHAT), affirmed(7, IN_PROJECT))
    own, carried = standing.grants[1], standing.grants[7]
    assert (own.begun_on, own.first_logged_on) == ("2026-03-01", "2026-03-01")
    assert (carried.begun_on, carried.first_logged_on) == ("", "2026-03-05")
    reused = account(begun(1, IN_CHAT), affirmed(1, IN_PROJECT)).grants[1]
    assert (reused.scope.kind, reused.begun_on) == ("project", "")


def test_a_no_leaves_a_grant_in_force_only_where_an_entry_keeps_it() -> None:
    grants = (begun(1, IN_CHAT), begun(2, IN_PROJECT), begun(3, IN_ACCOUNT))
    standing = account(*grants, NO)
    assert {number: grant.owed for number, grant in standing.grants.items()} == {1: True, 2: True}
    assert standing.grant_for("training", CHAT, PROJECT) is None
    kept = account(*grants, NO, affirmed(2, IN_PROJECT))
    assert kept.grant_for("training", CHAT, PROJECT) == 2
    assert kept.grant_for("training", CHAT, None) is None
    assert kept.answers["training"] == [("2026-03-01", 1), ("2026-03-04", 1)]


def test_entries_that_keep_a_grant_count_behind_the_leaf_that_interrupted_them() -> None:
    before = (begun(1, IN_CHAT), begun(2, IN_PROJECT), NO)
    for leaf in (SEALED, DECIDED):
        after = (affirmed(1, IN_CHAT), affirmed(2, IN_CHAT), affirmed(9, IN_PROJECT))
        grants = account(*before, leaf, *after).grants
        assert {number: grant.owed for number, grant in grants.items()} == {1: False, 2: True}


def test_what_came_between_decision_and_leaf_is_held_until_it_is_asked_for() -> None:
    deleted: Told = ("deleted", "2026-03-08", {"handle": CHAT})
    permissions = taken(begun(1, IN_CHAT), DECIDED, deleted, SEALED, deleted)
    assert (permissions.chats, len(permissions.meanwhile)) == ({}, 1)
    permissions.advance()
    assert permissions.chats[CHAT].deleted
    assert permissions.meanwhile == []


def test_keeping_out_ends_the_grants_of_that_place_alone() -> None:
    grants = (begun(1, IN_CHAT), begun(2, IN_PROJECT), begun(3, IN_ACCOUNT))
    chat = account(*grants, ("narrowed", "2026-03-02", {"handle": CHAT}))
    project = account(*grants, ("project_kept_out", "2026-03-02", {"project": PROJECT}))
    closed = account(*grants, ("closed", "2026-03-02", {}))
    assert [set(standing.grants) for standing in (chat, project, closed)] == [{2, 3}, {1, 3}, set()]
    assert (chat.closed, closed.closed) == (False, True)

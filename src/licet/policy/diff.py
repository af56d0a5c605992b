"""The differences between two policy versions, key by key, and their direction.

A change *widens* if more may be used, by more, for longer: an additional question, an additional
purpose under a question (also one moved there from another), an additional plan, surface, origin or
recipient, a longer period, a lower or dropped `min_age`, also in one region, `reach` from `turn` to
`conversation`, names left in, tool results masked instead of leaving out their row. The reverse
*narrows*. A list that gains one name and loses another is two changes under one key, so that a loss
cannot hide a gain. A version that widens anything, or drops a question, must be `material`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias

import msgspec

from licet.errors import InputError
from licet.policy.file import NamesTerm, Policy, Reach, ToolResultsTerm
from licet.policy.period import Period

QUESTIONS = "choice"
Plain: TypeAlias = str | int | bool | tuple[str, ...] | None


class Direction(StrEnum):
    """``neither``: a name, a date, or materiality."""

    widens = "widens"
    narrows = "narrows"
    neither = "neither"


class PolicyChange(msgspec.Struct, frozen=True):
    """A changed key of the file, dotted. For a list, ``old`` has the removed names and ``new`` the
    added ones.
    """

    key: str
    old: Plain
    new: Plain
    direction: Direction


class PolicyDiff(msgspec.Struct, frozen=True):
    """The changes in the order of the file; none if both mean the same."""

    changes: tuple[PolicyChange, ...] = ()


def compare(old: Policy, new: Policy) -> PolicyDiff:
    changes = [
        *_metadata_changes(old, new),
        *_name_changes("scope.plans", old.plans, new.plans),
        *_name_changes("scope.surfaces", old.surfaces, new.surfaces),
        *_question_changes(old, new),
        *_value_change(
            "reach",
            old.reach.value,
            new.reach.value,
            _direction_if(new.reach is Reach.conversation),
        ),
        *_period_changes(old, new),
        *_name_changes("origins", old.origins, new.origins),
        *_value_change(
            "min_age",
            old.min_age,
            new.min_age,
            _direction_if((new.min_age or 0) < (old.min_age or 0)),
        ),
        *_name_changes("recipients", old.recipients, new.recipients),
        *_region_changes(old, new),
        *_value_change(
            "names", old.names.value, new.names.value, _direction_if(new.names is NamesTerm.left_in)
        ),
        *_value_change(
            "unread_languages",
            old.unread_languages.value,
            new.unread_languages.value,
            Direction.neither,
        ),
        *_value_change(
            "tool_results",
            old.tool_results.value,
            new.tool_results.value,
            _direction_if(new.tool_results is ToolResultsTerm.masked),
        ),
    ]
    return PolicyDiff(tuple(changes))


def must_be_material(changed: PolicyDiff) -> bool:
    """Whether a change widens or drops a question, so that people must be asked."""
    return any(
        c.direction is Direction.widens or (c.key == QUESTIONS and c.old) for c in changed.changes
    )


def check_material(versions: Sequence[Policy]) -> None:
    """Raises InputError if the first version asks nobody, or a later one that must be material does
    not.
    """
    if not versions[0].material:
        raise InputError(
            f"version `{versions[0].version}` is the first and not material: nobody would "
            "ever be asked",
            "write `material: true`",
            key="material",
        )
    for old, new in pairwise(versions):
        changed = compare(old, new)
        if not new.material and must_be_material(changed):
            raise InputError(
                f"version `{new.version}` is not material. {describe(changed)}",
                "write `material: true`",
                key="material",
            )


def describe(changed: PolicyDiff) -> str:
    """Describes the changes' direction in a sentence."""
    if not changed.changes:
        return "The two versions mean the same."
    changes_by_direction = {
        direction: _describe_direction(changed, direction) for direction in Direction
    }
    parts = [
        f"{word} {changes_by_direction[direction]}"
        for direction, word in _WORDS.items()
        if changes_by_direction[direction]
    ]
    if not parts:
        return (
            "Nothing widens and nothing narrows; what changes is "
            f"{changes_by_direction[Direction.neither]}."
        )
    text = "The new version " + ", and ".join(parts)
    others = [change for change in changed.changes if change.direction is Direction.neither]
    verb = "changes" if len(others) == 1 else "change"
    return (
        f"{text}; {changes_by_direction[Direction.neither]} {verb} as well."
        if others
        else f"{text}."
    )


_WORDS = {Direction.widens: "widens", Direction.narrows: "narrows"}


def _metadata_changes(old: Policy, new: Policy) -> list[PolicyChange]:
    before, after = old.document(), new.document()
    keys = ("policy", "version", "effective", "decide_by", "material")
    return [
        c for key in keys for c in _value_change(key, before[key], after[key], Direction.neither)
    ]


def _value_change(key: str, old: Plain, new: Plain, direction: Direction) -> list[PolicyChange]:
    return [] if old == new else [PolicyChange(key, old, new, direction)]


def _name_changes(key: str, old: frozenset[str], new: frozenset[str]) -> list[PolicyChange]:
    gained, lost = tuple(sorted(new - old)), tuple(sorted(old - new))
    changes = [PolicyChange(key, (), gained, Direction.widens)] if gained else []
    return [*changes, PolicyChange(key, lost, (), Direction.narrows)] if lost else changes


def _question_changes(old: Policy, new: Policy) -> list[PolicyChange]:
    before = {question.question: question.covers for question in old.questions}
    after = {question.question: question.covers for question in new.questions}
    changes = _name_changes(QUESTIONS, frozenset(before), frozenset(after))
    for question in (name for name in new.asks if name in before):
        changes += _name_changes(
            f"{QUESTIONS}.{question}.covers", before[question], after[question]
        )
    return changes


def _period_changes(old: Policy, new: Policy) -> list[PolicyChange]:
    """Compares each rule that either version has; a missing rule by what applies instead."""
    rules = dict.fromkeys(rule for version in (old, new) for rule, _ in version.keep.rows)
    return [
        change
        for rule in rules
        for change in _period_change(
            f"keep.{rule.key}",
            *(version.keep.period(rule.kind, rule.allowed, rule.surface) for version in (old, new)),
        )
    ]


def _period_change(key: str, old: Period, new: Period) -> list[PolicyChange]:
    """P1M and P30D each exceed the other in some month: such a change both widens and narrows."""
    found = []
    if new.may_exceed(old):
        found.append(PolicyChange(key, str(old), str(new), Direction.widens))
    if old.may_exceed(new):
        found.append(PolicyChange(key, str(old), str(new), Direction.narrows))
    return found or _value_change(key, str(old), str(new), Direction.neither)


def _region_changes(old: Policy, new: Policy) -> list[PolicyChange]:
    """Compares the effective values of each region that either version names: a dropped value falls
    back to its country's or the version's.
    """
    before, after = old.min_ages, new.min_ages
    changes = []
    for region in sorted({terms.region for terms in (*old.regions, *new.regions)}):
        is_named = region in before.by_region or region in after.by_region
        ages = (before.for_region(region), after.for_region(region))
        direction = _direction_if((ages[1] or 0) < (ages[0] or 0))
        changes += _value_change(f"regions.{region}.min_age", *ages, direction) if is_named else []
        for key, was, becomes in (
            ("languages", old.languages_of(region), new.languages_of(region)),
            ("authority", old.authority_of(region), new.authority_of(region)),
        ):
            changes += _value_change(f"regions.{region}.{key}", was, becomes, Direction.neither)
    return changes


def _direction_if(more: bool) -> Direction:
    return Direction.widens if more else Direction.narrows


def _describe_direction(changed: PolicyDiff, direction: Direction) -> str:
    return _join_words(
        [_describe_change(change) for change in changed.changes if change.direction is direction]
    )


def _describe_change(change: PolicyChange) -> str:
    if change.direction is Direction.neither:
        return f"`{change.key}`"
    if isinstance(change.old, tuple):
        names = change.new if change.direction is Direction.widens else change.old
        assert isinstance(names, tuple)
        return f"`{change.key}` ({'adds' if change.new else 'drops'} {_join_words(list(names))})"
    return f"`{change.key}` (from {_value_text(change.old)} to {_value_text(change.new)})"


def _value_text(value: Plain) -> str:
    return "none" if value is None else str(value)


def _join_words(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))

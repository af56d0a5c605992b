"""The differences between two versions of a policy, key by key, and their direction.

A change *widens* if more may be used, by more, for longer: an additional question, an additional
purpose under a question (also one moved there from another), an additional plan, surface, origin or
recipient, a longer period, a lower or dropped `min_age`, also in one region, `reach` from `turn` to
`conversation`, names that are left in, results of tools that are masked and no longer take their
row with them. The reverse *narrows*. A list that gains one name and loses another is two changes
under one key, so that a loss cannot hide a gain. A version that widens anything, or drops a
question, must be `material`.
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
    """``neither``: a name, a date, or whether people are asked."""

    widens = "widens"
    narrows = "narrows"
    neither = "neither"


class PolicyChange(msgspec.Struct, frozen=True):
    """One key of the file, with its dotted name. For a list, ``old`` has what was removed and
    ``new`` what was added.
    """

    key: str
    old: Plain
    new: Plain
    direction: Direction


class PolicyDiff(msgspec.Struct, frozen=True):
    """The changes in the order of the file; none if both mean the same."""

    changes: tuple[PolicyChange, ...] = ()


def diff(old: Policy, new: Policy) -> PolicyDiff:
    """What ``new`` changes in ``old``."""
    changes = [
        *_named(old, new),
        *_lists("scope.plans", old.plans, new.plans),
        *_lists("scope.surfaces", old.surfaces, new.surfaces),
        *_questions(old, new),
        *_one("reach", old.reach.value, new.reach.value, _longer(new.reach is Reach.conversation)),
        *_periods(old, new),
        *_lists("origins", old.origins, new.origins),
        *_one(
            "min_age", old.min_age, new.min_age, _longer((new.min_age or 0) < (old.min_age or 0))
        ),
        *_lists("recipients", old.recipients, new.recipients),
        *_regions(old, new),
        *_one("names", old.names.value, new.names.value, _longer(new.names is NamesTerm.left_in)),
        *_one(
            "unread_languages",
            old.unread_languages.value,
            new.unread_languages.value,
            Direction.neither,
        ),
        *_one(
            "tool_results",
            old.tool_results.value,
            new.tool_results.value,
            _longer(new.tool_results is ToolResultsTerm.masked),
        ),
    ]
    return PolicyDiff(tuple(changes))


def must_be_material(changed: PolicyDiff) -> bool:
    """Whether anything widens or a question is dropped, so that people must be asked."""
    return any(
        c.direction is Direction.widens or (c.key == QUESTIONS and c.old) for c in changed.changes
    )


def check(versions: Sequence[Policy]) -> None:
    """InputError if the first version asks nobody, or a later one widens or drops a question and
    asks nobody.
    """
    if not versions[0].material:
        raise InputError(
            f"version `{versions[0].version}` is the first and not material: nobody would "
            "ever be asked",
            "write `material: true`",
            key="material",
        )
    for old, new in pairwise(versions):
        changed = diff(old, new)
        if not new.material and must_be_material(changed):
            raise InputError(
                f"version `{new.version}` is not material. {sentence(changed)}",
                "write `material: true`",
                key="material",
            )


def sentence(changed: PolicyDiff) -> str:
    """The direction of the change in one plain sentence."""
    if not changed.changes:
        return "The two versions mean the same."
    told = {direction: _told(changed, direction) for direction in Direction}
    parts = [f"{word} {told[direction]}" for direction, word in _WORDS.items() if told[direction]]
    if not parts:
        return f"Nothing widens and nothing narrows; what changes is {told[Direction.neither]}."
    text = "The new version " + ", and ".join(parts)
    others = [change for change in changed.changes if change.direction is Direction.neither]
    verb = "changes" if len(others) == 1 else "change"
    return f"{text}; {told[Direction.neither]} {verb} as well." if others else f"{text}."


_WORDS = {Direction.widens: "widens", Direction.narrows: "narrows"}


def _named(old: Policy, new: Policy) -> list[PolicyChange]:
    before, after = old.document(), new.document()
    keys = ("policy", "version", "effective", "decide_by", "material")
    return [c for key in keys for c in _one(key, before[key], after[key], Direction.neither)]


def _one(key: str, old: Plain, new: Plain, direction: Direction) -> list[PolicyChange]:
    return [] if old == new else [PolicyChange(key, old, new, direction)]


def _lists(key: str, old: frozenset[str], new: frozenset[str]) -> list[PolicyChange]:
    gained, lost = tuple(sorted(new - old)), tuple(sorted(old - new))
    changes = [PolicyChange(key, (), gained, Direction.widens)] if gained else []
    return [*changes, PolicyChange(key, lost, (), Direction.narrows)] if lost else changes


def _questions(old: Policy, new: Policy) -> list[PolicyChange]:
    before = {asked.question: asked.covers for asked in old.questions}
    after = {asked.question: asked.covers for asked in new.questions}
    changes = _lists(QUESTIONS, frozenset(before), frozenset(after))
    for question in (name for name in new.asks if name in before):
        changes += _lists(f"{QUESTIONS}.{question}.covers", before[question], after[question])
    return changes


def _periods(old: Policy, new: Policy) -> list[PolicyChange]:
    return [
        change
        for field in old.keep.__struct_fields__
        for change in _period(field, getattr(old.keep, field), getattr(new.keep, field))
    ]


def _period(field: str, old: Period, new: Period) -> list[PolicyChange]:
    """P1M and P30D are each longer than the other in some month: such a change both widens and
    narrows.
    """
    key = "keep." + field.replace("feedback_", "feedback.")
    found = []
    if new.may_exceed(old):
        found.append(PolicyChange(key, str(old), str(new), Direction.widens))
    if old.may_exceed(new):
        found.append(PolicyChange(key, str(old), str(new), Direction.narrows))
    return found or _one(key, str(old), str(new), Direction.neither)


def _regions(old: Policy, new: Policy) -> list[PolicyChange]:
    """Each region that either names, by what holds there: a value that goes is replaced by its
    country's or the version's.
    """
    before, after = old.min_ages, new.min_ages
    changes = []
    for region in sorted({one.region for one in (*old.regions, *new.regions)}):
        is_named = region in before.by_region or region in after.by_region
        ages = (before.of(region), after.of(region))
        direction = _longer((ages[1] or 0) < (ages[0] or 0))
        changes += _one(f"regions.{region}.min_age", *ages, direction) if is_named else []
        for key, was, becomes in (
            ("languages", old.languages_of(region), new.languages_of(region)),
            ("authority", old.authority_of(region), new.authority_of(region)),
        ):
            changes += _one(f"regions.{region}.{key}", was, becomes, Direction.neither)
    return changes


def _longer(more: bool) -> Direction:
    return Direction.widens if more else Direction.narrows


def _told(changed: PolicyDiff, direction: Direction) -> str:
    return _listed([_shown(change) for change in changed.changes if change.direction is direction])


def _shown(change: PolicyChange) -> str:
    if change.direction is Direction.neither:
        return f"`{change.key}`"
    if isinstance(change.old, tuple):
        names = change.new if change.direction is Direction.widens else change.old
        assert isinstance(names, tuple)
        return f"`{change.key}` ({'adds' if change.new else 'drops'} {_listed(list(names))})"
    return f"`{change.key}` (from {_word(change.old)} to {_word(change.new)})"


def _word(value: Plain) -> str:
    return "none" if value is None else str(value)


def _listed(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))

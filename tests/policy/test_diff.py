"""What changed between two versions, and in which direction, for every key of the file."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from licet.errors import InputError
from licet.policy.diff import (
    Direction,
    PolicyChange,
    PolicyDiff,
    check_material,
    compare,
    describe,
    must_be_material,
)
from licet.policy.file import KEEP_KEYS, KEYS, Policy, extend, preset

from .histories import IMPROVE, SAFETY, history

W, N, O = Direction.widens, Direction.narrows, Direction.neither  # noqa: E741 short in a table


def changed(**keys: Any) -> Policy:
    return extend({"extends": "article-2025", **keys})


def asks(question: str, *covers: str) -> dict[str, Any]:
    return {"question": question, "covers": list(covers)}


def strict_asks(question: str) -> list[dict[str, Any]]:
    """What the two questions of `strict` cover, under one."""
    return [asks(question, *sorted(preset("strict").covers))]


def keep(**keys: Any) -> Policy:
    return changed(keep=keys)


def in_regions(**regions: Any) -> Policy:
    return changed(regions=regions)


ROWS: list[tuple[Policy, Policy, tuple[PolicyChange, ...]]] = [
    (changed(), changed(policy="b"), (PolicyChange("policy", "article-2025", "b", O),)),
    (changed(), changed(version="b"), (PolicyChange("version", "2025-08-28", "b", O),)),
    (
        changed(),
        changed(effective="2025-08-29"),
        (PolicyChange("effective", "2025-08-28T00:00:00Z", "2025-08-29T00:00:00Z", O),),
    ),
    (
        changed(),
        changed(decide_by="2025-10-08"),
        (PolicyChange("decide_by", "2025-09-28", "2025-10-08", O),),
    ),
    (changed(), changed(decide_by=None), (PolicyChange("decide_by", "2025-09-28", None, O),)),
    (changed(), changed(material=False), (PolicyChange("material", True, False, O),)),
    (
        changed(),
        changed(scope={"plans": ["free", "pro", "max", "team", "edu"]}),
        (PolicyChange("scope.plans", (), ("edu", "team"), W),),
    ),
    (
        changed(),
        changed(scope={"plans": ["pro"]}),
        (PolicyChange("scope.plans", ("free", "max"), (), N),),
    ),
    (
        changed(),
        changed(scope={"surfaces": ["app", "api"]}),
        (
            PolicyChange("scope.surfaces", (), ("api",), W),
            PolicyChange("scope.surfaces", ("cli",), (), N),
        ),
    ),
    (
        changed(),
        changed(choice={"covers": ["improve_models"]}),
        (PolicyChange("choice.training.covers", ("safety_classifiers",), (), N),),
    ),
    (
        changed(),
        changed(choice=[asks("training", IMPROVE, SAFETY), asks("research", "ads")]),
        (PolicyChange("choice", (), ("research",), W),),
    ),
    (
        changed(choice=[asks("models", IMPROVE), asks("safety", SAFETY)]),
        changed(choice=[asks("models", IMPROVE, SAFETY)]),
        (
            PolicyChange("choice", ("safety",), (), N),
            PolicyChange("choice.models.covers", (), (SAFETY,), W),
        ),
    ),
    (
        changed(choice=[asks("models", IMPROVE, "ads"), asks("safety", SAFETY)]),
        changed(choice=[asks("models", IMPROVE), asks("safety", SAFETY, "ads")]),
        (
            PolicyChange("choice.models.covers", ("ads",), (), N),
            PolicyChange("choice.safety.covers", (), ("ads",), W),
        ),
    ),
    (
        changed(choice=[asks("models", IMPROVE), asks("safety", SAFETY)]),
        changed(choice=[asks("safety", SAFETY)]),
        (PolicyChange("choice", ("models",), (), N),),
    ),
    (
        changed(),
        changed(choice=[asks("models", IMPROVE, SAFETY)]),
        (PolicyChange("choice", (), ("models",), W), PolicyChange("choice", ("training",), (), N)),
    ),
    (changed(reach="turn"), changed(), (PolicyChange("reach", "turn", "conversation", W),)),
    (changed(), changed(reach="turn"), (PolicyChange("reach", "conversation", "turn", N),)),
    (
        changed(),
        changed(origins=["typed", "upload", "assistant", "tool"]),
        (PolicyChange("origins", (), ("tool",), W),),
    ),
    (changed(), changed(recipients=["acme"]), (PolicyChange("recipients", (), ("acme",), W),)),
    (changed(recipients=["acme"]), changed(), (PolicyChange("recipients", ("acme",), (), N),)),
    (changed(min_age=18), changed(min_age=16), (PolicyChange("min_age", 18, 16, W),)),
    (changed(min_age=18), changed(), (PolicyChange("min_age", 18, None, W),)),
    (changed(), changed(min_age=18), (PolicyChange("min_age", None, 18, N),)),
    (changed(), changed(names="left in"), (PolicyChange("names", "replaced", "left in", W),)),
    (
        changed(unread_languages="build stopped"),
        changed(),
        (PolicyChange("unread_languages", "build stopped", "conversations left out", O),),
    ),
    (
        changed(tool_results="row left out"),
        changed(),
        (PolicyChange("tool_results", "row left out", "masked", W),),
    ),
    (
        changed(),
        changed(tool_results="row left out"),
        (PolicyChange("tool_results", "masked", "row left out", N),),
    ),
    (
        changed(names="left in"),
        changed(names="replaced"),
        (PolicyChange("names", "left in", "replaced", N),),
    ),
    (changed(min_age=16), changed(min_age=18), (PolicyChange("min_age", 16, 18, N),)),
    (changed(), in_regions(DE={"min_age": 16}), (PolicyChange("regions.DE.min_age", None, 16, N),)),
    (
        in_regions(DE={"min_age": 16}),
        in_regions(DE={"min_age": 14}),
        (PolicyChange("regions.DE.min_age", 16, 14, W),),
    ),
    (in_regions(DE={"min_age": 16}), changed(), (PolicyChange("regions.DE.min_age", 16, None, W),)),
    (
        in_regions(US={"min_age": 13}),
        in_regions(US={"min_age": 13}, **{"US-CA": {"min_age": 16}}),
        (PolicyChange("regions.US-CA.min_age", 13, 16, N),),
    ),
    (
        changed(),
        in_regions(CA={"languages": ["en", "fr"], "authority": "the OPC"}),
        (
            PolicyChange("regions.CA.languages", (), ("en", "fr"), O),
            PolicyChange("regions.CA.authority", None, "the OPC", O),
        ),
    ),
    (keep(), keep(opted_in="P6Y"), (PolicyChange("keep.opted_in", "P5Y", "P6Y", W),)),
    (keep(), keep(opted_in="P59M"), (PolicyChange("keep.opted_in", "P5Y", "P59M", N),)),
    (keep(), keep(opted_in="P60M"), (PolicyChange("keep.opted_in", "P5Y", "P60M", O),)),
    (
        keep(),
        keep(opted_out="P1M"),
        (
            PolicyChange("keep.opted_out", "P30D", "P1M", W),
            PolicyChange("keep.opted_out", "P30D", "P1M", N),
        ),
    ),
    (keep(), keep(incognito="P4W"), (PolicyChange("keep.incognito", "P30D", "P4W", N),)),
    (keep(), keep(deleted="P1D"), (PolicyChange("keep.deleted", "P30D", "P1D", N),)),
    (keep(), keep(flagged="P3Y"), (PolicyChange("keep.flagged", "P2Y", "P3Y", W),)),
    (keep(), keep(flag_score="P1Y"), (PolicyChange("keep.flag_score", "P7Y", "P1Y", N),)),
    *[
        (
            keep(**{key: "P1D"}),
            keep(**{key: "P50Y"}),
            (PolicyChange(f"keep.{key}", "P1D", "P50Y", W),),
        )
        for key in KEEP_KEYS
        if key != "feedback"
    ],
    (
        keep(),
        keep(feedback={"opted_in": "P6Y"}),
        (PolicyChange("keep.feedback.opted_in", "P5Y", "P6Y", W),),
    ),
    (
        keep(),
        keep(feedback={"opted_out": "P60D"}),
        (PolicyChange("keep.feedback.opted_out", "P30D", "P60D", W),),
    ),
]


@pytest.mark.parametrize(("old", "new", "changes"), ROWS, ids=lambda row: None)
def test_a_changed_key_is_told_with_what_it_was_what_it_is_and_its_direction(
    old: Policy, new: Policy, changes: tuple[PolicyChange, ...]
) -> None:
    found = compare(old, new)
    assert found == PolicyDiff(changes)
    drops = any(change.key == "choice" and change.direction is N for change in changes)
    assert must_be_material(found) == (drops or any(change.direction is W for change in changes))


def test_every_key_of_the_file_has_a_row() -> None:
    keys = {change.key for _, _, changes in ROWS for change in changes}
    for key in KEYS:
        assert any(told == key or told.startswith(f"{key}.") for told in keys), key
    for key in KEEP_KEYS:
        assert any(told.startswith(f"keep.{key}") for told in keys), key


def test_the_reverse_of_a_change_has_the_reverse_direction() -> None:
    opposite = {W: N, N: W, O: O}
    for old, new, _ in ROWS:
        there = {(c.key, opposite[c.direction]) for c in compare(old, new).changes}
        assert {(c.key, c.direction) for c in compare(new, old).changes} == there


def test_two_policies_have_no_difference_exactly_if_they_have_one_hash() -> None:
    drawn = [policy for seed in range(60) for policy in history(seed).policies().versions]
    for old, new in pairwise(drawn):
        assert (compare(old, new) == PolicyDiff()) == (old.sha256() == new.sha256())
        assert compare(old, old) == PolicyDiff()


def test_strict_asks_two_questions_and_else_only_narrows_the_announced_terms() -> None:
    found = compare(preset("article-2025"), preset("strict"))
    assert [(c.key, c.direction) for c in found.changes] == [
        ("policy", O),
        ("choice", W),
        ("choice", N),
        ("reach", N),
        ("keep.deleted", N),
        ("min_age", N),
    ]
    one_question = changed(
        choice=strict_asks("training"), reach="turn", min_age=18, keep={"deleted": "P1D"}
    )
    assert not must_be_material(compare(changed(), one_question))
    assert must_be_material(compare(one_question, changed()))


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (changed(), changed(), "The two versions mean the same."),
        (
            changed(),
            changed(version="b"),
            "Nothing widens and nothing narrows; what changes is `version`.",
        ),
        (
            changed(),
            changed(version="b", material=False),
            "Nothing widens and nothing narrows; what changes is `version` and `material`.",
        ),
        (
            changed(),
            changed(recipients=["acme", "bell"], origins=["typed", "upload", "assistant", "tool"]),
            "The new version widens `origins` (adds tool) and `recipients` (adds acme and bell).",
        ),
        (changed(min_age=18), changed(), "The new version widens `min_age` (from 18 to none)."),
        (
            changed(),
            preset("strict"),
            "The new version widens `choice` (adds models and safety), and narrows `choice` (drops "
            "training), `reach` (from "
            "conversation to turn), `keep.deleted` (from P30D to P1D) and `min_age` (from none to "
            "18); `policy` changes as "
            "well.",
        ),
        (
            changed(),
            changed(version="b", scope={"surfaces": ["app", "api"]}, decide_by=None),
            "The new version widens `scope.surfaces` (adds api), and narrows `scope.surfaces` "
            "(drops cli); "
            "`version` and `decide_by` change as well.",
        ),
    ],
)
def test_a_change_is_one_plain_sentence(old: Policy, new: Policy, text: str) -> None:
    assert describe(compare(old, new)) == text


# What must ask people


MODELS, RESEARCH = asks("models", IMPROVE), asks("research", "ads")
BOTH = [asks("models", IMPROVE), asks("safety", SAFETY)]


def later(**keys: Any) -> Policy:
    return changed(version="b", effective="2026-01-10", material=False, **keys)


def test_the_first_version_asks_everybody() -> None:
    check_material([changed()])
    for versions in ([changed(material=False)], [changed(material=False), later()]):
        with pytest.raises(
            InputError, match="is the first and not material: nobody would ever be asked"
        ) as caught:
            check_material(versions)
        assert (caught.value.key, caught.value.hint) == ("material", "write `material: true`")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (changed(choice=BOTH), later(choice=[MODELS]), "narrows `choice` (drops safety)"),
        (
            changed(),
            later(choice=[MODELS]),
            "widens `choice` (adds models), and narrows `choice` (drops training)",
        ),
        (changed(choice=BOTH), later(choice=[*BOTH, RESEARCH]), "widens `choice` (adds research)"),
        (
            changed(choice=[MODELS]),
            later(choice=[asks("models", IMPROVE, SAFETY)]),
            "`choice.models.covers` (adds safety_",
        ),
        (
            changed(choice=BOTH),
            later(choice=[asks("models", SAFETY), asks("safety", IMPROVE)]),
            (
                "`choice.models.covers` (adds safety_classifiers) and `choice.safety.covers` "
                "(adds improve_models)"
            ),
        ),
        (
            changed(),
            later(reach="conversation", min_age=None, keep={"flagged": "P3Y"}),
            "widens `keep.flagged`",
        ),
        (changed(reach="turn"), later(), "widens `reach`"),
        (changed(min_age=18), later(), "widens `min_age`"),
        (changed(), later(scope={"plans": ["free", "pro", "max", "work"]}), "widens `scope.plans`"),
        (changed(), later(scope={"surfaces": ["app", "api"]}), "widens `scope.surfaces`"),
        (changed(), later(origins=["typed", "tool"]), "widens `origins`"),
        (changed(), later(recipients=["acme"]), "widens `recipients`"),
    ],
)
def test_a_version_that_widens_or_drops_a_question_asks_everybody(
    old: Policy, new: Policy, told: str
) -> None:
    with pytest.raises(InputError, match="version `b` is not material") as caught:
        check_material([old, new])
    assert told in caught.value.message
    assert (caught.value.key, caught.value.hint) == ("material", "write `material: true`")
    check_material([old, msgspec.structs.replace(new, material=True)])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (changed(), later()),
        (changed(), later(choice=[asks("training", SAFETY)])),
        (changed(choice=BOTH), later(choice=list(reversed(BOTH)))),
        (
            changed(),
            later(
                reach="turn", min_age=21, origins=["typed"], keep={"opted_in": "P1D"}, recipients=[]
            ),
        ),
        (changed(recipients=["acme"]), later(scope={"plans": ["free"], "surfaces": ["app"]})),
    ],
)
def test_a_version_that_only_narrows_need_not_ask(old: Policy, new: Policy) -> None:
    check_material([old, new])
    assert not must_be_material(compare(old, new))


def test_each_version_is_held_against_the_one_before() -> None:
    """What the first allowed and the second left out is wider again in the third."""
    narrowed = later(choice=[asks("training", SAFETY)])
    again = changed(version="c", effective="2026-02-10", material=False)
    check_material([changed(), narrowed])
    with pytest.raises(InputError, match="version `c` is not material"):
        check_material([changed(), narrowed, again])


def test_the_order_of_the_questions_is_no_change() -> None:
    old, new = changed(choice=BOTH), changed(choice=list(reversed(BOTH)))
    assert compare(old, new) == PolicyDiff()
    assert old.sha256() == new.sha256()

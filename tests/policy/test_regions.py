"""Values by region: which hold, what is told of them, and the ages that joint versions ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from licet.errors import InputError
from licet.policy.cases import run_file
from licet.policy.file import Policy, extend, from_document, joint_terms
from licet.policy.regions import REGIONS_MAX, ages_below_law, raises_any

REGIONS = (None, "DE", "DE-BY", "US", "US-CA", "US-NY", "FR", "FR-75")


def version(min_age: int | None = 18, **regions: Any) -> Policy:
    named = {name.replace("_", "-"): said for name, said in regions.items()}
    return extend(
        {"extends": "article-2025", "min_age": min_age, **({"regions": named} if named else {})}
    )


DIFFERING = version(
    18, DE={"min_age": 16}, US={"min_age": 13}, US_CA={"min_age": 21, "languages": ["es", "en"]}
)


@pytest.mark.parametrize(
    ("region", "age", "values"),
    [
        (None, 21, "the strictest, as no region is known"),
        ("DE", 16, "DE, then the policy version's"),
        ("DE-BY", 16, "DE, then the policy version's"),
        ("US-CA", 21, "US-CA, then US, then the policy version's"),
        ("US-NY", 13, "US, then the policy version's"),
        ("FR", 18, "the policy version's"),
    ],
)
def test_the_part_goes_before_its_country_and_that_before_the_version(
    region: str | None, age: int, values: str
) -> None:
    assert DIFFERING.min_ages.for_region(region) == age
    assert DIFFERING.refuses_age(None, region)
    assert DIFFERING.refuses_age(age - 1, region)
    assert not DIFFERING.refuses_age(age, region)
    assert DIFFERING.values_of(region) == values


def test_each_value_is_looked_up_by_itself() -> None:
    canada = version(
        18, CA={"authority": "the OPC", "languages": ["en", "fr"]}, CA_QC={"languages": ["fr"]}
    )
    assert (canada.languages_of("CA-QC"), canada.authority_of("CA-QC")) == (("fr",), "the OPC")
    assert canada.languages_of("CA-ON") == ("en", "fr")
    assert (canada.languages_of(None), canada.authority_of("DE")) == ((), None)
    assert canada.min_ages.for_region("CA-QC") == canada.min_ages.for_region(None) == 18


def test_joint_versions_ask_the_strictest_of_each_region() -> None:
    versions = [DIFFERING, version(None, US_CA={"min_age": 16}, FR={"min_age": 15}), version(14)]
    joint = joint_terms(versions)
    for region in REGIONS:
        for age in (None, *range(12, 23)):
            assert joint.refuses_age(age, region) == any(
                one.refuses_age(age, region) for one in versions
            ), (
                region,
                age,
            )


def test_a_version_raises_an_age_where_some_account_is_refused_that_was_not() -> None:
    versions = [
        DIFFERING,
        version(18),
        version(None),
        version(None, DE={"min_age": 16}),
        version(16, DE={"min_age": None}),
    ]
    for old in versions:
        for new in versions:
            raised = any(
                new.refuses_age(age, region) and not old.refuses_age(age, region)
                for region in REGIONS
                for age in (None, *range(12, 23))
            )
            assert raises_any(old.min_ages, new.min_ages) == raised


def test_a_version_without_regions_has_the_text_that_it_had() -> None:
    assert b"regions" not in version(18).text()
    assert from_document(DIFFERING.document()) == DIFFERING


def test_an_age_below_the_laws_floor_is_told_with_its_source() -> None:
    found = ages_below_law(
        version(
            18, DE={"min_age": 12}, GB={"min_age": None}, US={"min_age": 13}, ZA={"min_age": 5}
        ).regions
    )
    assert found == (
        "`regions.DE` has the minimum age 12, below 13 (Regulation (EU) 2016/679, Art. 8(1): a "
        "State may set an age not "
        "below 13)",
        "`regions.GB` asks no age, below 13 (Data Protection Act 2018, s. 9)",
    )


def test_a_part_of_a_country_is_held_to_the_law_of_the_country() -> None:
    (told,) = ages_below_law(version(18, DE_BY={"min_age": 12}).regions)
    assert told.startswith("`regions.DE-BY` has the minimum age 12, below 13")


def test_the_age_asked_of_a_person_is_that_of_their_region() -> None:
    assert [DIFFERING.min_age_of(region) for region in ("DE", "US-CA", "FR")] == [16, 21, 18]
    assert [version(14).min_age_of(region) for region in (None, "DE")] == [14, 14]


def test_a_policy_names_regions_up_to_a_bound() -> None:
    codes = [f"DE-{number:03}" for number in range(REGIONS_MAX + 1)]
    most = {code: {"min_age": 20} for code in codes[:REGIONS_MAX]}
    assert len(version(18, **most).regions) == REGIONS_MAX
    with pytest.raises(InputError, match="is not a mapping of regions"):
        version(18, **most, **{codes[REGIONS_MAX]: {"min_age": 20}})


def test_a_difference_says_which_regions_values_held(tmp_path: Path) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(
        """
- case: too young there
  policy: {extends: article-2025, min_age: 18, regions: {DE: {min_age: 16}}}
  events:
    - {at: 2025-09-01, do: open_account, account: ana, plan: free, age: 15}
    - {at: 2025-09-01, do: set_region, account: ana, region: DE-BY}
  expect:
    - {at: 2025-09-02, account: ana, gate: open}
""",
        encoding="utf-8",
    )
    (told,) = run_file(cases).differences
    assert str(told).endswith(
        "expected `open`, actual `not_asked` (region DE-BY, terms: DE, then the policy version's)"
    )

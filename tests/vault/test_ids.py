"""What is taken for an id or an address, and how it is compared."""

from __future__ import annotations

import pytest

from licet.errors import UsageError
from licet.vault.ids import ADDRESS_CHARACTERS_MAX, staff_address


def test_an_address_of_staff_is_compared_in_small_letters() -> None:
    assert staff_address("Ana@Example.ORG") == "ana@example.org"
    longest = "a" * (ADDRESS_CHARACTERS_MAX - len("@example.org")) + "@example.org"
    assert staff_address(longest) == longest


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "ana", "ana@", "@example.org", "ana@example.org@elsewhere", "ana ada@example.org", "ana@example.org\n",
        "\u212ana@example.org", "a" * (ADDRESS_CHARACTERS_MAX - len("@example.org") + 1) + "@example.org",
    ],
)  # fmt: skip
def test_what_lacks_a_part_or_could_be_read_two_ways_is_no_address_of_staff(text: str) -> None:
    with pytest.raises(UsageError, match="not an e-mail address"):
        staff_address(text)

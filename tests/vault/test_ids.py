"""What is taken for an id or an address, and how it is compared."""

from __future__ import annotations

import pytest

from licet.errors import UsageError
from licet.vault.ids import ADDRESS_CHARACTERS_MAX, HostHmacs, host_hmac, staff_address


def test_an_address_of_staff_is_compared_in_small_letters() -> None:
    assert staff_address("Ana@Example.ORG") == "ana@example.org"
    longest = "a" * (ADDRESS_CHARACTERS_MAX - len("@example.org")) + "@example.org"
    assert staff_address(longest) == longest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ana",
        "ana@",
        "@example.org",
        "ana@example.org@elsewhere",
        "ana ada@example.org",
        "ana@example.org\n",
        "\u212ana@example.org",
        "a" * (ADDRESS_CHARACTERS_MAX - len("@example.org") + 1) + "@example.org",
    ],
)
def test_what_lacks_a_part_or_could_be_read_two_ways_is_no_address_of_staff(text: str) -> None:
    with pytest.raises(UsageError, match="not an e-mail address"):
        staff_address(text)


@pytest.mark.parametrize(
    "names", [("",), ("ana",), ("c1", "u-\udc80"), ("c1:", "\x1f2", "é" * 400)]
)
@pytest.mark.parametrize("key", [b"", b"k", bytes(range(32)), b"\xff" * 64], ids=len)
def test_many_names_under_one_key_are_hashed_as_each_alone(
    key: bytes, names: tuple[str, ...]
) -> None:
    hmacs = HostHmacs(key)
    assert [hmacs.hash("turn", *names) for _ in range(2)] == [host_hmac(key, "turn", *names)] * 2
    within = hmacs.within("turn", names[0])
    assert [within(name) for name in names] == [
        host_hmac(key, "turn", names[0], name) for name in names
    ]
    with pytest.raises(UsageError, match="longer than"):
        hmacs.hash("turn", *names, "a" * 513)
    with pytest.raises(UsageError, match="longer than"):
        within("a" * (513 - len(names[0])))

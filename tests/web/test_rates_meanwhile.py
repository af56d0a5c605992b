"""What a host allowed between two exchanges of rates, or knew better than the others, is lost by
none.
"""

from __future__ import annotations

from licet.web.access.rates import Rates

from .test_shared_rates import KEY, allowed

NOW = 1_000.0


def test_what_was_taken_while_the_hosts_were_asked_counts_on_top_of_what_they_say() -> None:
    rates = Rates(hosts_key=KEY)
    assert allowed(rates, NOW)
    asked = rates.take_new()
    (mark,) = asked
    assert allowed(rates, NOW), "meanwhile"
    rates.learn(asked, {mark: 300.0}, NOW)
    assert not allowed(rates, NOW + 299), "five minutes of all hosts, and the minute of its own"
    assert allowed(rates, NOW + 300)
    assert rates.take_new()[mark][1] == 120.0, "what the others are yet to be told"


def test_what_a_host_knows_to_be_due_later_is_not_brought_forward_by_the_others() -> None:
    rates = Rates(hosts_key=KEY)
    assert allowed(rates, NOW, count=10)
    asked = rates.take_new()
    rates.learn(asked, dict.fromkeys(asked, 30.0), NOW)
    assert not allowed(rates, NOW + 500)
    rates.learn(asked, {}, NOW + 500)
    assert not allowed(rates, NOW + 539)
    assert allowed(rates, NOW + 540)


def test_what_was_told_is_told_once_and_of_each_request() -> None:
    rates = Rates(hosts_key=KEY)
    for _ in range(2):
        assert allowed(rates, NOW)
    assert [seconds for _, seconds in rates.take_new().values()] == [120.0]
    assert rates.take_new() == {}

"""What a feedback shares is shown to its own person, and to its last instant."""

from __future__ import annotations

from datetime import timedelta

from licet.keys.keyring import Keyring
from licet.store.connect import Transaction
from licet.vault import feedback

from .town import Town

TICK = timedelta.resolution


def test_what_a_feedback_shares_is_shown_before_its_last_instant_and_not_at_it(
    conn: Transaction, keyring: Keyring
) -> None:
    town = Town(conn, keyring)
    said = town.say(town.account())
    town.give(said)
    rows = feedback.list_stored(conn, said.account)
    (row,) = rows
    until = row.state.keep_until
    assert set(feedback.open_shared(conn, keyring, rows, until - TICK)) == {row.feedback}
    # its key and its words still lie there until a sweep
    assert feedback.open_shared(conn, keyring, rows, until) == {}

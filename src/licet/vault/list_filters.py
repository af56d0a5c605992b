"""Filters shared by lists for staff: by account, and by day. Lists are in `store.keyset`."""

from __future__ import annotations

from functools import partial

from licet.store.keyset import ListFilter, read_day, read_last_day
from licet.vault.ids import Prefix, parse_input, smallest_id

BY_ACCOUNT = {
    "account": ListFilter(
        label="Account",
        sql="t.account_id = %(value)s",
        read=partial(parse_input, Prefix.account),
        indexed=True,
        hint="acc_..",
    )
}

BY_CONVERSATION = {
    "conversation": ListFilter(
        label="Conversation",
        sql="t.conversation_id = %(value)s",
        read=partial(parse_input, Prefix.conversation),
        indexed=True,
        hint="conv_..",
    )
}


def by_day(label: str, column: str, *, indexed: bool = True) -> dict[str, ListFilter]:
    """Filters by first and last day of a column of times."""
    return {
        "from": ListFilter(
            label=label,
            sql=f"{column} >= %(value)s",
            read=read_day,
            indexed=indexed,
            hint="2026-06-01",
        ),
        "to": ListFilter(
            label="to",
            sql=f"{column} < %(value)s",
            read=read_last_day,
            indexed=indexed,
            hint="2026-06-30",
        ),
    }


def by_day_of_id(label: str, column: str) -> dict[str, ListFilter]:
    """`by_day` for a column of ids, which begin with their time."""
    return {
        "from": ListFilter(
            label=label,
            sql=f"{column} >= %(value)s",
            read=lambda text: smallest_id(read_day(text)),
            indexed=True,
            hint="2026-06-01",
        ),
        "to": ListFilter(
            label="to",
            sql=f"{column} < %(value)s",
            read=lambda text: smallest_id(read_last_day(text)),
            indexed=True,
            hint="2026-06-30",
        ),
    }

"""The records of a restriction journal as they lie, for a test that has a folder and no key."""

from __future__ import annotations

from licet.keys.restriction_journal import Journal, Restriction, decode_restriction

KEY = bytes(range(32))  # of a journal that a test makes by itself


def lying(journal: Journal) -> list[Restriction]:
    """Every record, not authenticated, oldest first."""
    return [
        decode_restriction(frame.payload, place)
        for place, frames in journal.storage.batches()
        for frame in frames
    ]

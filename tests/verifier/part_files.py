"""Parts for releases that are made up: real Parquet, of rows whose sealed bytes are the number of
the row.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any

from licet.release import part
from licet.release.row_keys import SealedRow

SEALED = {sha256(b"%d" % number).hexdigest(): b"%d" % number for number in range(1_000)}
Columns = tuple[tuple[int, str, str, str], ...]


def columns(rows: Sequence[dict[str, Any]], without: Collection[int] = ()) -> Columns:
    """What a part holds of the lines of some rows, in the order of their ordinals."""
    found = [(row["ordinal"], row["row_id"], row["until"], row["sealed_sha256"]) for row in rows]
    return tuple(sorted(one for one in found if one[0] not in without))


@lru_cache(maxsize=4_096)
def part_bytes(held: Columns) -> bytes:
    """The file; ValueError or the like where no part can hold such rows."""
    rows = [
        SealedRow(
            ordinal=ordinal,
            row_id=bytes.fromhex(row_id),
            until=datetime.fromisoformat(f"{until}T00:00:00+00:00"),
            sealed=SEALED[sealed_sha256],
        )
        for ordinal, row_id, until, sealed_sha256 in held
    ]
    if any(len(row.row_id) != 16 or row.until - part.EPOCH > timedelta(days=10**5) for row in rows):
        raise ValueError("no part holds such a row")
    file = io.BytesIO()
    with part._writer(file) as writer:
        for batch in part._batches(rows):
            writer.write_batch(part._record_batch(batch), row_group_size=len(batch))
    return file.getvalue()

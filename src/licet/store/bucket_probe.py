"""Whether a bucket keeps what `licet.store.bucket` requires of it: tried with one object, which is
deleted again.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

from licet.errors import BusyError
from licet.store.bucket import Bucket

FOLDER = "doctor/"


class BucketProbe(NamedTuple):
    """What was seen. ``ignored`` names the conditions of writes that the service does not honour;
    ``apart_seconds`` is positive where its clock is ahead; ``deletes`` is false where the key may
    not delete the object.
    """

    ignored: tuple[str, ...]
    apart_seconds: float
    deletes: bool


def probe(bucket: Bucket, now: datetime) -> BucketProbe:
    """Writes an object, writes it again under conditions that do not hold, and deletes it.
    BusyError if the service does not answer, or refuses the key.
    """
    name, ignored = f"{FOLDER}{uuid4().hex}", list[str]()
    bucket.create(name, b"first")
    written = bucket.written(FOLDER).get(name.removeprefix(FOLDER))
    if bucket.create(name, b"second") is not None:
        ignored.append("If-None-Match")
    found = bucket.read(name)
    is_new = found is not None and bucket.replace(name, b"third", found.tag) is not None
    if not is_new or found is None or bucket.replace(name, b"fourth", found.tag) is not None:
        ignored.append("If-Match")
    try:
        bucket.delete(name)
        deletes = True
    except BusyError:
        deletes = False
    return BucketProbe(
        tuple(ignored), (written - now).total_seconds() if written is not None else 0.0, deletes
    )

"""Operating points of a domain, set from unlabelled conversations: thresholds for a bounded share
of alarms.

The threshold is the lowest score that so few conversations exceed that the share of alarms among
further ones is at most the stated share, at a confidence of `CONFIDENCE` (the upper limit of
Clopper and Pearson). With fewer than `conversations_min`, the domain has no point and no
suggestions. A point is valid for `DAYS`, since conversations change.

Points are in a file beside the model's signed folder, or in the data directory for a custom model.
They name the model by its hash, so a retrained model has none. The file holds no text.

Source: Clopper and Pearson, The Use of Confidence or Fiducial Limits (Biometrika 1934).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from licet.errors import BrokenError
from licet.misuse.ngrams import Array
from licet.undecodable import UNDECODABLE

FORMAT = "licet-misuse-points-1"
CONFIDENCE = 0.95
DAYS = 90


class OperatingPoint(msgspec.Struct, frozen=True, kw_only=True):
    """``above`` of ``conversations`` of ``domain`` exceeded ``threshold``; of further ones at most
    ``alarm_bound`` will, which is at most the stated share ``alarms``.
    """

    domain: str
    alarms: float
    threshold: float
    conversations: int
    above: int
    bound: float
    confidence: float
    set_at: datetime


class _File(msgspec.Struct, frozen=True, kw_only=True):
    format: str
    weights: str
    points: tuple[OperatingPoint, ...]


def alarm_bound(above: int, conversations: int) -> float:
    """The upper bound of the share of alarms, from ``above`` of ``conversations``."""
    from scipy.stats import beta

    return (
        1.0
        if above >= conversations
        else float(beta.ppf(CONFIDENCE, above + 1, conversations - above))
    )


def conversations_min(alarms: float) -> int:
    """The fewest conversations, all without an alarm, that bound the share by ``alarms``."""
    return int(np.ceil(np.log(1.0 - CONFIDENCE) / np.log(1.0 - alarms)))


def choose_point(domain: str, scores: Array, alarms: float, now: datetime) -> OperatingPoint | None:
    """The point for ``alarms`` from a domain's scores, NaN for abstentions; None for too few."""
    ranked = np.sort(np.nan_to_num(scores, nan=0.0))[::-1]
    if len(ranked) < conversations_min(alarms):
        return None
    found_most = 0
    while alarm_bound(found_most + 1, len(ranked)) <= alarms:
        found_most += 1
    threshold = float(ranked[found_most])
    above = int((ranked > threshold).sum())
    return OperatingPoint(
        domain=domain,
        alarms=alarms,
        threshold=threshold,
        conversations=len(ranked),
        above=above,
        bound=alarm_bound(above, len(ranked)),
        confidence=CONFIDENCE,
        set_at=now,
    )


def read_points(
    path: Path, weights: str, alarms: float, now: datetime
) -> dict[str, OperatingPoint]:
    """The valid points for ``alarms`` of the model with hash ``weights``, by domain."""
    return {
        point.domain: point
        for point in _read_all_points(path, weights)
        if point.alarms == alarms and point.set_at <= now < point.set_at + timedelta(days=DAYS)
    }


def add_points(path: Path, weights: str, points: Sequence[OperatingPoint]) -> None:
    """Adds points of the model with hash ``weights``, or replaces them, by domain and share."""
    new = {
        (point.domain, point.alarms): point for point in (*_read_all_points(path, weights), *points)
    }
    content = _File(format=FORMAT, weights=weights, points=tuple(new[key] for key in sorted(new)))
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(path.name + ".new")
    written.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2))
    written.replace(path)


def points_beside(folder: Path) -> Path:
    return folder.with_name(folder.name + ".points.json")


def _read_all_points(path: Path, weights: str) -> tuple[OperatingPoint, ...]:
    if not path.exists():
        return ()
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except UNDECODABLE as error:
        raise BrokenError(
            f"`{path}` contains no operating points: delete it, and they are set anew"
        ) from error
    return found.points if found.format == FORMAT and found.weights == weights else ()

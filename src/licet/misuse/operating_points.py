"""Operating points of a domain, set from unlabelled conversations: at most a stated share of them
raises an alarm.

The threshold is the lowest score above which so few of the conversations lie that the share of
alarms among further ones is at most the stated share, at a confidence of `CONFIDENCE` (the upper
limit of Clopper and Pearson). Fewer than `conversations_min` of them cannot show this: the domain
then has no point, and nothing of it is suggested. A point holds for `DAYS`, as what is written
changes.

Points stand in a file beside the folder of the model, whose own files are signed; those of a model
of the operator's own stand in the data directory. They name the model by its weights, so
that a retrained model has none. A threshold is a score: the file holds no conversation and no text.

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
    """Above ``threshold`` lay ``above`` of ``conversations`` of ``domain``: of further ones at most
    ``alarm_bound``, which is at most the stated share ``alarms``.
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
    """The highest share of alarms that ``above`` of ``conversations`` agree with, at
    `CONFIDENCE`.
    """
    from scipy.stats import beta

    return (
        1.0
        if above >= conversations
        else float(beta.ppf(CONFIDENCE, above + 1, conversations - above))
    )


def conversations_min(alarms: float) -> int:
    """The fewest conversations that show that at most the share ``alarms`` raises an alarm: none of
    them does.
    """
    return int(np.ceil(np.log(1.0 - CONFIDENCE) / np.log(1.0 - alarms)))


def choose(domain: str, scores: Array, alarms: float, now: datetime) -> OperatingPoint | None:
    """The point for ``alarms`` from the scores of a domain's conversations, NaN where the model
    abstains; None if they are too few.
    """
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
    """The points in the file ``path`` of the model ``weights`` for ``alarms`` that still hold, by
    domain.
    """
    return {
        point.domain: point
        for point in _read_all_points(path, weights)
        if point.alarms == alarms and point.set_at <= now < point.set_at + timedelta(days=DAYS)
    }


def write(path: Path, weights: str, points: Sequence[OperatingPoint]) -> None:
    """Adds points of the model ``weights`` to the file ``path``; a new one replaces the one for its
    domain and share.
    """
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

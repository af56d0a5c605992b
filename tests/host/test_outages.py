"""An hour without Licet, with a compressed clock and real programs: nothing is lost, nothing is
there twice, and nothing is stamped as what did not hold when it was said.
"""

from __future__ import annotations

from pathlib import Path

from bench import outages

from ..plugins.beside import Licet
from ..waiting import wait_until

CHATS = 12  # fifty in the bench


def test_an_hour_without_licet_loses_nothing(dsn: str, tmp_path: Path) -> None:
    licet = Licet(tmp_path / "licet", dsn)
    licet.start()
    try:
        figures, results, counts = outages.play(
            licet, tmp_path, CHATS, lambda holds: wait_until(holds, "both spools are empty")
        )
    finally:
        licet.stop()
    assert {one.harm for one in results} == {outages.WELL, *outages.HARMS}
    assert figures.said == 2 * sum(one.may_write for one in results)
    assert (
        figures.lost,
        figures.twice,
        figures.stamped_wrongly,
        figures.blocked_though_kept,
        figures.let_through_though_blocked,
    ) == (0, 0, 0, 0, 0), (figures, counts)
    assert any(one.allowed and one.grant == 0 for one in results), "some said yes meanwhile"
    assert any(one.gate == "unknown" and one.grant > 0 for one in results), "some had before"

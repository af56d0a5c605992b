"""An hour without Licet, with a compressed clock and real programs: nothing is lost, nothing is
there twice, and nothing is stamped as what did not hold when it was said.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench import outages

from ..plugins.beside import Licet, two_hosts
from ..waiting import wait_until

CHATS = 12  # fifty in the bench


def play(server: outages.Server, folder: Path) -> list[outages.MessageResult]:
    """An hour of which nothing may be lost; its messages."""
    figures, results, counts = outages.play(
        server, folder, CHATS, lambda holds: wait_until(holds, "both spools are empty")
    )
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
    return results


def test_an_hour_without_licet_loses_nothing(dsn: str, tmp_path: Path) -> None:
    licet = Licet(tmp_path / "licet", dsn)
    licet.start()
    try:
        results = play(licet, tmp_path)
    finally:
        licet.stop()
    chats = {(one.outage, one.number) for one in results if one.harm == outages.WELL}
    assert chats == {(how, n) for how in ("block", "allow_and_keep") for n in range(CHATS)}


def test_an_hour_without_two_hosts_loses_nothing_and_an_upgrade_lets_chats_go_on(
    databases: Callable[..., str], tmp_path: Path
) -> None:
    """Whether each gate answers within its time-out while the other host starts depends on what
    else the machine does: the bench counts those that do not.
    """
    with two_hosts(tmp_path / "hosts", databases(migrated=False)) as pair:
        results = play(pair, tmp_path)
    answered = [
        one.may_write for one in results if one.harm == outages.UPGRADED and one.outage == "block"
    ]
    assert sum(answered) > len(answered) / 2

"""What a demonstration draws and plots, without playing one."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from licet.demo import code_sessions, speech
from licet.demo.stage import PLOT_COLUMNS, plot
from licet.policy.period import instant
from licet.service.population_status import Forecast

BEGIN = instant("2026-01-15")
MOMENTS = tuple(BEGIN + timedelta(days=round(30.4375 * month)) for month in range(64))


@pytest.mark.parametrize(
    ("months", "nothing_after"), [(1, "2026-02"), (12, "2027-01"), (63, "2031-04"), (64, "2031-04")]
)
def test_a_plot_says_in_which_month_nothing_is_left(months: int, nothing_after: str) -> None:
    kept = tuple(1_000_000 if month < months else 0 for month in range(64))
    lines = plot(Forecast(moments=MOMENTS, kept=kept, short=kept))
    assert lines[-1].endswith(f"nothing after {nothing_after}")
    bars = lines[0].partition("│")[2]
    assert bars == ("█" * months).ljust(PLOT_COLUMNS)[:PLOT_COLUMNS]


def test_figures_of_the_town_s_words_are_possible_ones() -> None:
    bounds = {
        "n": (2, 9),
        "nn": (11, 59),
        "hundreds": (120, 1_890),
        "pct": (3, 45),
        "year": (1998, 2024),
        "year2": (2026, 2031),
        "house": (1, 189),
        "two": (10, 99),
        "three": (100, 999),
    }
    random, english = Random(1), speech.language("en")
    for slot, bound in bounds.items():
        drawn = {int(speech._Slots(random, english, {})[slot]) for _ in range(20_000)}
        assert (min(drawn), max(drawn)) == bound, slot


def test_a_common_exchange_is_the_same_in_every_town_but_for_thanks() -> None:
    for name in speech.LANGUAGES:
        drawn = [speech.common_exchange(Random(seed), name) for seed in range(200)]
        answers = {answer for _, answer in drawn}
        assert len(answers) <= speech.REPEATED_EACH.get(name, 1)
        assert len({question for question, _ in drawn}) <= 2 * len(answers)


def test_what_an_assistant_runs_is_a_command_and_what_it_printed() -> None:
    random = Random(1)
    sessions = [
        code_sessions.CodingSession(random, code_sessions.repository(random)) for _ in range(20)
    ]
    for session in sessions:
        tool, arguments, printed = session._run()
        assert (tool, "command" in arguments, bool(printed)) == ("run", True, True)
        assert session.repository.folder.endswith(session.repository.project)

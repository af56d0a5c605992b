"""The day on which a hold is to be reviewed is still to come: today's is refused beside its field,
and nothing is placed.
"""

from __future__ import annotations

from typing import Any

from licet.access.roles import StaffRole
from licet.policy.period import instant

from .served import World, api, world

__all__ = ["api", "world"]  # fixtures
TODAY = instant("2025-09-02")


def test_the_day_of_review_is_neither_past_nor_this_moment(world: World, api: Any) -> None:
    world.clock.set(TODAY)
    world.open("ana", allow=True)
    chat = world.say("ana", "garden")
    officer = world.staff(StaffRole.privacy_officer)
    form = {
        "matter": "Smith v. Acme",
        "reason": "litigation",
        "csrf": officer["x-csrf-token"],
        "confirmed": "yes",
    }
    where = f"/console/conversations/{chat}/hold"
    for day, said in (("2025-09-01", 422), ("2025-09-02", 422), ("2025-09-03", 303)):
        answer = api.post(
            where, headers=officer, data={**form, "review_at": day}, follow_redirects=False
        )
        assert answer.status_code == said, day
        assert ("Its day is not between now and" in answer.text) == (said == 422), day
        assert world.rows("SELECT count(*) FROM holds") == [(int(said == 303),)]

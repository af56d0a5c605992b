"""On every page that may set an age, one below the known one is asked once more: no person can
raise it again.

The page was opened while the age was unknown, and the host told it meanwhile: a page asks for no
age that is known.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from licet.consent.catalogue import catalogue
from licet.policy.file import preset
from licet.policy.period import instant
from licet.store.connect import Pool
from licet.vault.commands import SetAge

from .served import ORIGIN, ApplicationClient, World

WORDS = catalogue()
BEGUN = instant("2025-09-01T10:00:00Z")
PAGES = ("/notice", "/signup", "/settings")
ENDS, COUNTS = "notice.error.lower_age", "notice.error.lower_age.allowed"


@pytest.mark.parametrize(("given", "sentence"), [("15", ENDS), ("20", COUNTS)])
@pytest.mark.parametrize("path", PAGES)
def test_a_lower_age_is_asked_once_more(
    pool: Pool, tmp_path: Path, path: str, given: str, sentence: str
) -> None:
    world = World(pool, tmp_path / "data", preset("strict"))
    if path == "/signup":
        world.clock.set(BEGUN)
    world.open("ana", age=None)
    world.clock.set(BEGUN)
    with ApplicationClient(world.app, base_url=ORIGIN) as api:
        headers = {**world.browser("ana"), "content-type": "application/x-www-form-urlencoded"}
        page = api.get(path, headers=headers).text
        assert 'name="age"' in page
        (showing, *_) = re.findall(r'name="showing" value="(\w+)"', page)
        world.tell(SetAge(account=world.accounts["ana"], at=BEGUN, age=30))
        answers = (
            {"allow-models": "no", "allow-safety": "no"}
            if path != "/settings"
            else {"question": "models", "allow": "no"}
        )
        form = {**answers, "terms": "yes", "age": given, "showing": showing}
        answer = api.post(path, headers=headers, content=urlencode(form), follow_redirects=False)
        assert WORDS.say(sentence, known=30, age=18) in answer.text
        assert ages(world) == [(30,)]
        assert f'name="age_again" value="{given}"' in answer.text
        again = api.post(
            path,
            headers=headers,
            content=urlencode({**form, "age_again": given}),
            follow_redirects=False,
        )
        assert (again.status_code, ages(world)) == (303, [(int(given),)])


def ages(world: World) -> list[tuple[Any, ...]]:
    return world.rows("SELECT age FROM accounts")

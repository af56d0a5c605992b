"""A small installation with two releases, a withdrawal and a deletion, for papers about it."""

from __future__ import annotations

from pathlib import Path

from licet.consent import controller
from licet.consent.controller import Controller
from licet.curate import release_build
from licet.policy.state import TurnRole
from licet.proof import documents
from licet.store.connect import Pool
from licet.vault import commands as do
from licet.vault.content import Content

from ..installed import House

TOPICS = (
    "baking bread with rye and honey", "the moons of Jupiter", "repairing an old bicycle chain", "tax on a small garden shop",
    "knitting a blue winter hat", "sorting a list of trains by departure", "why cats sleep all afternoon",
    "a wedding speech in four minutes", "planting beans beside tomatoes", "learning to whistle at forty",
    "a crossing by ferry in March", "tuning a violin by ear",
)  # fmt: skip
STATED = Controller(
    name="Example Assistant Ltd",
    address="1 Example Street, Dublin, Ireland",
    contact="privacy@assistant.example",
    jurisdictions=("IE",),
    storage_locations=("IE", "DE"),
    joint_controllers=False,
    dpo="Dana Example, dpo@assistant.example",
    papers={
        "service_name": "Example Assistant",
        "service_description": "It answers questions and writes code for its users.",
        "licensed_data": False,
        "continuous_training": True,
        "benefits": "Better answers <for everybody> | in a {table}.",
    },
)


def town(pool: Pool, folder: Path, people: int = len(TOPICS)) -> House:
    """Twelve people of whom one says no; a month later one withdraws and one deletes; a release
    before and one after.
    """
    house = House(pool, folder)
    controller.write(house.installation.config.controller, STATED)
    for number, topic in enumerate(TOPICS[:people]):
        name, chat = f"p{number}", f"c{number}"
        house.open(name, allow=number != people - 1)
        house.say(name, chat, f"Please tell me about {topic}, as I know nothing about it yet.")
        said = Content(
            text=f"There is much to say about {topic}, and it begins with patience.",
            model="aurora-2",
        )
        house.say(name, chat, said, TurnRole.assistant)
    release_build.build_release(house.installation, name="spring", purpose="improve_models")
    house.passes(40)
    house.choose("p0", False)
    house.about(do.Delete, "p1", "c1")
    release_build.build_release(house.installation, name="summer", purpose="improve_models")
    documents.append(house.installation)
    return house

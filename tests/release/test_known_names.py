"""What was found in a turn once is not looked for again: a build with what is kept is the build
without it, and reads less.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from licet.curate import release_build
from licet.curate.detect import DetectedSpan
from licet.curate.kernels import NameKernel
from licet.curate.pipeline import Pipeline
from licet.curate.plan import plan
from licet.curate.rules import IdentifierKind
from licet.curate.runners import Local, Runner
from licet.erasure import certificates
from licet.policy.state import TurnRole
from licet.release.build import Builder
from licet.release.build_order import BuildOrder, BuildResult
from licet.release.build_workers import WorkerSettings
from licet.store.connect import transaction
from licet.vault import commands as do
from licet.vault.content import Content, ToolCall
from licet.vault.installation import load_policies

from ..curate.documents import Words
from ..installed import House
from .test_build import IMPROVE, check_whole
from .test_build_workers import Travelling

PERSON, ADDRESS = IdentifierKind.PERSON, IdentifierKind.ADDRESS
KNOWN = (
    ("Maria Rossi", PERSON, 0.9),
    ("Tom Baker", PERSON, 0.8),
    ("4 Mill Lane", ADDRESS, 0.7),
    ("Hope", PERSON, 0.3),
)
SAID = (
    "I am Maria Rossi and I live in 4 Mill Lane",
    "write to Tom Baker, please, about the ferry",
    "there is Hope for all",
    "what is the tallest tower in the town",
    "def greet():\n    # for Maria Rossi\n    return Hope\n",
    "",
)
HISTORIES = 4


class Elsewhere:
    """The words again, for worker processes: it writes down which texts it was asked about, each on
    a line.
    """

    name = "words"

    def __init__(self, log: Path) -> None:
        self.log, self.sha256 = log, Words(*KNOWN).sha256

    def detect(
        self, texts: Sequence[str], kinds: Sequence[IdentifierKind]
    ) -> list[list[DetectedSpan]]:
        with self.log.open("a") as log:
            log.writelines(f"{text!r}\n" for text in texts)
        return Words(*KNOWN).detect(texts, kinds)

    def unread_language(self, text: str) -> str:
        return Words(*KNOWN).unread_language(text)


@pytest.fixture
def house(house: House) -> House:
    for name in ("ana", "bo", "cy"):
        house.open(name, allow=True)
    house.talk("ana", "a1", SAID[0], "hello Maria Rossi", "and Tom Baker", "I see")
    house.talk("bo", "b1", SAID[3], "the old mill, says Tom Baker")
    return house


def build(
    house: House,
    name: str,
    detector: Any,
    *,
    runner: Runner | None = None,
    workers: int = 1,
    **how: Any,
) -> BuildResult:
    installation, cleaner = house.installation, release_build.RuleCleaner()
    made = plan(cleaner, bytes(32), names=NameKernel(detector=detector, **how))
    order = BuildOrder(
        name=name, purpose=IMPROVE, folder=installation.config.releases / name, software="test"
    )
    with closing(Pipeline(made, runner or Local(), installation.config.data)) as pipeline:
        return Builder(
            installation.pool,
            installation.keyring,
            load_policies(installation),
            cleaner,
            installation.clock,
            curation=pipeline,
            workers=WorkerSettings(count=workers, config=installation.config),
            page_bytes_max=1,
        ).run(order)


def forget(house: House) -> None:
    with transaction(house.installation.pool) as tx:
        tx.execute("DELETE FROM found_names")


def same(house: House, one: BuildResult, other: BuildResult) -> None:
    """The same rows, with the same surrogates, and the same account of what was left out."""
    rows = [sorted(map(repr, house.rows(built.manifest.name))) for built in (one, other)]
    assert rows[0] == rows[1]
    counted = [
        (built.manifest.counts, built.manifest.deidentification, built.manifest.curation)
        for built in (one, other)
    ]
    assert counted[0] == counted[1]


def live(house: House, draw: Random) -> None:
    """Some say more in what they began, some begin anew, one deletes or withdraws."""
    for _ in range(draw.randrange(2, 6)):
        name = draw.choice(list(house.accounts))
        chat = draw.choice(
            [c for c in house.chats if c.startswith(name[0])] or [f"{name[0]}{len(house.chats)}"]
        )
        match draw.randrange(5):
            case 0 | 1:
                house.talk(
                    name,
                    f"{name[0]}{len(house.chats)}",
                    draw.choice(SAID) or "hm",
                    draw.choice(SAID),
                )
            case 2 | 3:
                arguments = msgspec.json.encode({"to": draw.choice(SAID)}).decode()
                call = ToolCall(id="1", name="Maria Rossi", arguments=arguments)
                house.say(name, chat, f"{draw.choice(SAID)} {draw.randrange(9)}")
                house.say(
                    name,
                    chat,
                    Content(text=draw.choice(SAID), tool_calls=(call,)),
                    TurnRole.assistant,
                )
            case _ if chat in house.chats and len(house.chats) > 3:
                house.about(do.Delete, name, chat)
                del house.chats[chat]
    house.passes(0.1)


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_a_build_with_what_is_kept_is_the_build_without_it(house: House, seed: int) -> None:
    draw = Random(seed)
    for day in range(3):
        live(house, draw)
        kept, whole = Words(*KNOWN), Words(*KNOWN)
        first = build(house, f"kept{day}", kept)
        check_whole(house, first)
        forget(house)
        second = build(house, f"whole{day}", whole)
        same(house, first, second)
        assert set(kept.asked) <= set(whole.asked)
        again = Words(*KNOWN)
        same(house, second, build(house, f"again{day}", again))
        assert again.asked == []


def test_the_next_build_reads_new_turns_only(house: House) -> None:
    build(house, "first", Words(*KNOWN))
    house.talk("ana", "a1", "what is new, says Tom Baker", "nothing")
    house.talk("cy", "c1", "hello Hope", "hello")
    second = Words(*KNOWN)
    check_whole(house, build(house, "second", second))
    assert set(second.asked) == {"what is new, says Tom Baker", "nothing", "hello Hope", "hello"}


@pytest.mark.parametrize(
    ("other", "how"),
    [
        (Words(*KNOWN[:2]), {}),
        (Words(*KNOWN), {"kinds": (PERSON,)}),
    ],
)
def test_another_finder_finds_anew_and_takes_its_place(
    house: House, other: Words, how: dict[str, Any]
) -> None:
    other.asked.clear()
    build(house, "first", Words(*KNOWN))
    changed = build(house, "second", other, **how)
    assert SAID[0] in other.asked and SAID[3] in other.asked
    other.asked.clear()
    same(house, changed, build(house, "third", other, **how))
    assert other.asked == []


def test_how_sure_a_build_must_be_is_no_part_of_what_was_found(house: House) -> None:
    house.talk("cy", "c1", "hello Hope", "hello")
    first, second = Words(*KNOWN), Words(*KNOWN)
    assert build(house, "first", first).manifest.counts.dropped == {"unread_language": 2}
    assert build(house, "second", second, may_stay=True).manifest.counts.dropped == {}
    assert second.asked == []


def test_what_is_damaged_or_of_another_segment_is_found_anew(house: House) -> None:
    first = build(house, "first", Words(*KNOWN))
    for number, spoilt in enumerate(
        (
            "UPDATE found_names SET sealed = set_byte(sealed, 20, 255 - get_byte(sealed, 20))",
            "UPDATE found_names SET sealed = substring(sealed FOR 9)",
            (
                "UPDATE found_names f SET sealed = g.sealed FROM found_names g WHERE "
                "f.account_id <> g.account_id"
            ),
        )
    ):
        with transaction(house.installation.pool) as tx:
            assert tx.execute(spoilt).rowcount == 2
        again, after = Words(*KNOWN), Words(*KNOWN)
        same(house, first, build(house, f"again{number}", again))
        assert len(set(again.asked)) == 6
        build(house, f"after{number}", after)
        assert after.asked == [], "it took the place of what was damaged"


def test_workers_read_and_keep_as_one_process_does(house: House, tmp_path: Path) -> None:
    logs = [tmp_path / f"log{n}" for n in range(2)]
    build(house, "first", Elsewhere(logs[0]), workers=2)
    assert repr(SAID[0]) in logs[0].read_text()
    house.talk("cy", "c1", "something new", "hello")
    second = build(house, "second", Elsewhere(logs[1]), workers=2)
    assert set(logs[1].read_text().splitlines()) == {"'something new'", "'hello'"}
    alone = Words(*KNOWN)
    same(house, second, build(house, "third", alone))
    assert alone.asked == []


def test_on_an_engine_what_is_known_travels_there_and_what_is_found_comes_back(
    house: House,
) -> None:
    first = build(house, "first", Words(*KNOWN), runner=Travelling())
    again = Words(*KNOWN)
    same(house, first, build(house, "second", again))
    assert again.asked == []


def test_what_is_kept_ends_with_its_conversation_and_holds_no_text(house: House) -> None:
    build(house, "first", Words(*KNOWN))
    assert len(house.query("SELECT FROM found_names")) == 2
    stored = b"".join(bytes(sealed) for (sealed,) in house.query("SELECT sealed FROM found_names"))
    assert b"Maria" not in stored
    house.about(do.Delete, "ana", "a1")
    certificates.advance_erasures(house.installation, at_once=True)
    assert len(house.query("SELECT FROM found_names")) == 1


def test_a_build_that_dies_before_a_page_commits_keeps_nothing_of_it(house: House) -> None:
    class Dying(Words):
        def detect(
            self, texts: Sequence[str], kinds: Sequence[IdentifierKind] = ()
        ) -> list[list[DetectedSpan]]:
            if SAID[3] in texts:
                raise KeyboardInterrupt(os.getpid())
            return super().detect(texts, kinds)

    with pytest.raises(KeyboardInterrupt):
        build(house, "first", Dying(*KNOWN))
    assert len(house.query("SELECT FROM found_names")) <= 1
    after = Words(*KNOWN)
    check_whole(house, build(house, "second", after))
    assert SAID[3] in after.asked

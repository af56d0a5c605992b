"""What a person rated comes with the row's lease while it may be used, and lies in no release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest

from licet.erasure import sweeper
from licet.errors import UsageError
from licet.policy.decide import IMPROVE, SAFETY
from licet.policy.state import Share, TurnRole, TurnState
from licet.release import catalog, registry
from licet.release import ratings as released
from licet.release.reader import LEASE_SECONDS, LoadedRow, RatedMessage
from licet.release.row_runs import RowSource, RowSources
from licet.store.connect import Pool, Transaction
from licet.train.export_files import judge_answers
from licet.train.exports import Format, shape_row
from licet.vault import commands as do
from licet.vault.content import Content
from licet.vault.copies import CopyPlace

from ..installed import House
from ..policy.histories import BEGIN, DAY
from ..vault.model import insert_versions
from ..vault.test_population import Lived, copy_population, lived, moments, sequences, versions_of
from .test_build import build

BUILT = "r"
RELEASE = UUID(int=77)
SEQUENCES, SHARE = 20, 80
UP, DOWN = "up", "down"


@pytest.fixture
def house(house: House) -> House:
    """One person, whose chat of four turns is in a release."""
    house.open("ana", allow=True)
    house.talk(
        "ana", "a1", "how deep is the old well", "nine metres", "and the new one", "twice as deep"
    )
    return house


def rate(house: House, rating: str, turn: int, chat: str = "a1") -> None:
    house.passes(0.01)
    house.about(do.GiveFeedback, "ana", chat, rating=rating, turn=turn, share=Share.rating)


def ratings(house: House, name: str = BUILT) -> list[Sequence[RatedMessage]]:
    return [
        tuple(RatedMessage(**one) for one in row.get("ratings", ()))
        for row in catalog.open_release(house.installation, name)
    ]


def rated(message: int | None, rating: str) -> RatedMessage:
    return RatedMessage(message=message, rating=rating)


def test_a_row_comes_with_what_its_person_rated_by_the_place_of_the_answer(house: House) -> None:
    rate(house, DOWN, 2)
    rate(house, UP, 4)
    rate(house, UP, 0)
    build(house)
    assert ratings(house) == [(rated(None, UP), rated(1, DOWN), rated(3, UP))]


def test_what_is_rated_after_the_build_comes_too_and_the_last_rating_of_an_answer_stands(
    house: House,
) -> None:
    build(house)
    assert ratings(house) == [()]
    rate(house, UP, 2)
    rate(house, DOWN, 2)
    assert ratings(house) == [(rated(1, DOWN),)]


def test_a_rule_selects_by_it_when_rows_are_loaded(house: House) -> None:
    house.talk("ana", "a2", "which tree is the oldest here", "the lime by the gate")
    rate(house, UP, 2, "a2")
    build(house)
    liked = [
        row["messages"][one["message"]]["content"]
        for row in catalog.open_release(house.installation, BUILT)
        for one in row.get("ratings", ())
        if one["message"] is not None and one["rating"] == UP
    ]
    assert liked == ["the lime by the gate"]


def test_no_rating_lies_in_a_release(house: House) -> None:
    """Its parts are as long with feedback as without, and it tells nothing once the feedback was
    erased.
    """
    build(house, name="without")
    rate(house, UP, 2)
    build(house, name="with")
    sizes = [
        {
            path.name: path.stat().st_size
            for path in (house.installation.config.releases / name).glob("part-*")
        }
        for name in ("without", "with")
    ]
    assert sizes[0] == sizes[1]
    house.query("UPDATE feedback SET erased_at = now(), key_slot = NULL RETURNING 1")
    assert ratings(house, "with") == [()]


def test_feedback_that_has_expired_goes_while_its_row_stays(house: House) -> None:
    """Feedback is dated once, when given; a turn that resumes the conversation brings its rows a
    later end.
    """
    rate(house, UP, 2)
    build(house)
    assert ratings(house) == [(rated(1, UP),)]
    (ends,) = house.query("SELECT keep_until FROM feedback")[0]
    house.now = ends - timedelta(days=1)
    house.talk("ana", "a1", "and who dug it", "nobody knows")
    build(house, name="later")
    assert ratings(house, "later") == [(rated(1, UP),)]
    house.now = ends - timedelta(seconds=LEASE_SECONDS)
    assert ratings(house, "later") == [()], "no lease may outlive what it tells"
    house.now = ends
    assert ratings(house, "later") == [()]
    house.passes(1)
    sweeper.sweep(house.installation)
    assert house.query("SELECT count(*) FROM feedback WHERE erased_at IS NOT NULL") == [(1,)]
    assert ratings(house, "later") == [()]
    assert len(house.rows("later")) == 1


def test_a_rating_given_while_nothing_was_granted_is_never_told(house: House) -> None:
    house.choose("ana", False)
    rate(house, DOWN, 2)
    house.choose("ana", True)
    house.talk("ana", "a1", "and who dug it", "nobody knows")
    build(house)
    assert ratings(house) == [()]


def test_where_the_last_rating_may_not_be_used_no_earlier_one_takes_its_place(house: House) -> None:
    rate(house, UP, 2)
    build(house)
    assert ratings(house) == [(rated(1, UP),)]
    rate(house, DOWN, 2)
    house.query(
        "UPDATE feedback SET erased_at = now(), key_slot = NULL WHERE rating = 'down' RETURNING 1"
    )
    assert ratings(house) == [()]


def test_a_release_for_another_purpose_comes_without_ratings(house: House) -> None:
    rate(house, UP, 2)
    build(house, purpose=SAFETY)
    assert ratings(house) == [()]
    assert len(house.rows(BUILT)) == 1


def test_a_new_grant_revives_no_rating_that_was_given_under_another(house: House) -> None:
    rate(house, UP, 2)
    house.choose("ana", False)
    house.choose("ana", True)
    house.talk("ana", "a1", "and who dug it", "nobody knows")
    build(house)
    assert (len(house.rows(BUILT)), ratings(house)) == (1, [()])


def test_of_a_row_that_lacks_turns_no_place_is_guessed(house: House) -> None:
    """A turn of blanks becomes no message, so that the places after it are not those of the
    turns.
    """
    house.passes(1)
    house.say("ana", "a3", "is anybody there")
    house.say("ana", "a3", Content(text=" "), TurnRole.assistant)
    house.say("ana", "a3", "hello", TurnRole.assistant)
    rate(house, UP, 3, "a3")
    rate(house, UP, 0, "a3")
    build(house)
    assert ratings(house)[1] == (rated(None, UP),)


# Checks of the host


def check(
    house: House, kind: do.HostCheck, *, good: bool, turn: int, score: float | None = None
) -> None:
    house.passes(0.01)
    rating = UP if good else DOWN
    house.about(
        do.GiveFeedback,
        "ana",
        "a1",
        rating=rating,
        turn=turn,
        share=Share.rating,
        check=kind,
        score=score,
    )


def loaded(house: House, name: str = BUILT) -> list[LoadedRow]:
    return list(catalog.open_release(house.installation, name))


def test_checks_of_the_host_stand_in_a_column_of_their_own_beside_the_persons_ratings(
    house: House,
) -> None:
    check(house, do.HostCheck.tests, good=False, turn=4)
    check(house, do.HostCheck.tests, good=True, turn=4, score=0.75)
    check(house, do.HostCheck.lint, good=False, turn=4)
    check(house, do.HostCheck.reward, good=True, turn=0, score=-2.5)
    rate(house, DOWN, 2)
    build(house)
    (row,) = loaded(house)
    assert row["ratings"] == [{"message": 1, "rating": DOWN}]
    assert row["checks"] == [
        {"message": None, "check": "reward", "passed": True, "score": -2.5},
        {"message": 3, "check": "lint", "passed": False, "score": None},
        {"message": 3, "check": "tests", "passed": True, "score": 0.75},
    ]
    assert judge_answers(row) == {1: False}, "checks that disagree are no verdict"


def test_a_check_stands_for_a_thumb_where_there_is_none_and_is_a_column_of_an_export(
    house: House,
) -> None:
    check(house, do.HostCheck.tests, good=False, turn=4)
    check(house, do.HostCheck.task, good=False, turn=2)
    rate(house, UP, 2)
    build(house)
    (row,) = loaded(house)
    assert judge_answers(row) == {1: True, 3: False}
    made = shape_row(row, judge_answers(row), Format.trl)
    assert [line["label"] for line in made.lines["kto"]] == [True, False]
    assert all(
        line["row_checks"] == row["checks"] for kind in ("sft", "kto") for line in made.lines[kind]
    )


def test_a_check_is_told_only_while_the_choice_allows_it_and_goes_with_its_conversation(
    house: House,
) -> None:
    check(house, do.HostCheck.tests, good=True, turn=2)
    build(house)
    assert "checks" in loaded(house)[0]
    (ends, content) = house.query(
        "SELECT f.keep_until, (SELECT max(s.keep_until) FROM segments s) FROM feedback f"
    )[0]
    assert ends <= content, "it does not outlive what it is about"
    house.choose("ana", False)
    house.choose("ana", True)
    house.talk("ana", "a1", "and who dug it", "nobody knows")
    build(house, name="again")
    assert all("checks" not in row for row in loaded(house, "again"))
    house.about(do.Delete, "ana", "a1")
    house.passes(40)
    sweeper.sweep(house.installation)
    assert house.query("SELECT count(*) FROM feedback WHERE erased_at IS NULL") == [(0,)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": 1.0},
        {"check": do.HostCheck.tests, "score": float("nan")},
        {"check": do.HostCheck.tests, "share": Share.reply},
    ],
)
def test_a_score_is_a_number_of_a_check_and_a_check_shares_nothing(
    house: House, wrong: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        house.about(
            do.GiveFeedback,
            "ana",
            "a1",
            **({"rating": UP, "turn": 2, "share": Share.rating} | wrong),
        )


# The rule, on drawn histories


def test_what_is_told_is_what_the_rule_permits_on_drawn_histories(pool: Pool) -> None:
    """Any rows of any conversations, any answers rated any number of times, at any moment."""
    seen: Counter[str] = Counter()
    for place, sequence in enumerate(sequences()[:SEQUENCES]):
        with pool.connection() as tx, tx.transaction(force_rollback=True):
            seen += told_alike(
                tx, Random(place), sequence, range(place * SHARE, (place + 1) * SHARE)
            )
    assert min(seen["told"], seen["placed"], seen["withheld"]) > 50, seen
    assert seen["guessed"], seen


def told_alike(tx: Transaction, draw: Random, sequence: int, seeds: range) -> Counter[str]:
    seen_at = (
        draw.choice([v.effective for v in versions_of(sequence).versions])
        + draw.choice((3, 10, 20, 40)) * DAY
    )
    policies, people = lived(sequence, seeds, seen_at)
    insert_versions(tx, policies)
    copy_population(tx, people)
    given = {one.number: give(tx, one, draw) for one in people}
    rows = [
        (one, chat, turns)
        for one in people
        for chat in one.world.conversations
        for turns in drawn(one, chat, draw)
    ]
    tx.execute(
        """INSERT INTO releases (release_id, name, purpose, state, version, pinned, begun_at)
           VALUES (%s, 'r', %s, 'building', 0, 0, %s)""",
        [RELEASE, IMPROVE, BEGIN],
    )
    registry.add_rows(tx, RELEASE, [made_of(*row, ordinal) for ordinal, row in enumerate(rows)])
    known = registry.get(tx, RELEASE)
    result: Counter[str] = Counter()
    for at in moments(draw, policies, seen_at):
        expires = at + timedelta(seconds=LEASE_SECONDS)
        told = released.load_ratings(tx, known, range(len(rows)), policies, at, expires)
        for ordinal, (one, chat, turns) in enumerate(rows):
            expected = []
            for turn, (name, rating) in sorted(given[one.number].get(chat, {}).items()):
                one.world.advance(at)
                until = one.world.decide_feedback(name, at).until
                message = turns.index(turn) if turn in turns else None
                if until is None or until <= expires or (turn and message is None):
                    result["withheld"] += 1
                elif turn and not is_whole(one, chat, turns):
                    result["guessed"] += 1
                else:
                    expected.append(rated(message, rating))
                    result["told"] += 1
                    result["placed"] += turn > 0
            assert told.get(ordinal, ()) == tuple(expected), (
                f"sequence {sequence}, row {ordinal} at {at}"
            )
    return result


def give(tx: Transaction, one: Lived, draw: Random) -> dict[str, dict[int, tuple[str, str]]]:
    """The feedback of a history, each of an answer or a conversation that is drawn; the last of
    each, by what it is of.
    """
    last: dict[str, dict[int, tuple[str, str]]] = {}
    for place, (name, (chat, feedback)) in enumerate(one.world.feedback.items()):
        turn, rating = (
            draw.randint(0, min(one.world.conversations[chat].conversation.turns, 4)),
            draw.choice((UP, DOWN)),
        )
        narrowing = None if feedback.grant is None else feedback.narrowing
        account = one.account(one.world.conversations[chat].account)
        tx.execute(
            """INSERT INTO feedback (account_id, feedback_id, conversation_id, rating, share, turn,
                   given_at, version,
                   narrowed, grant_no, grant_narrowing, keep_until)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                account,
                UUID(int=place),
                one.conversation(chat),
                rating,
                feedback.share.value,
                turn,
                BEGIN + timedelta(seconds=place),
                feedback.version,
                feedback.narrowed,
                feedback.grant,
                narrowing,
                feedback.keep_until,
            ],
        )
        last.setdefault(chat, {})[turn] = (name, rating)
    return last


def said(one: Lived, chat: str) -> list[TurnState]:
    return sorted(
        (t for of, t in one.world.turns.values() if of == chat), key=lambda turn: turn.number
    )


def drawn(one: Lived, chat: str, draw: Random) -> list[list[int]]:
    """All turns of a conversation, and some."""
    turns = [turn.number for turn in said(one, chat)]
    return [turns, sorted(draw.sample(turns, draw.randint(1, len(turns))))]


def is_whole(one: Lived, chat: str, turns: list[int]) -> bool:
    """Whether the row has all turns of its segments and origins up to the last that it has of
    each.
    """
    mine = {(t.segment, t.origin): t.number for t in said(one, chat) if t.number in turns}
    return turns == [
        t.number for t in said(one, chat) if t.number <= mine.get((t.segment, t.origin), 0)
    ]


def made_of(one: Lived, chat: str, turns: list[int], ordinal: int) -> RowSources:
    sources: dict[tuple[int, str], RowSource] = {}
    for turn in said(one, chat):
        if turn.number in turns:
            before = sources.get((turn.segment, turn.origin))
            sources[turn.segment, turn.origin] = RowSource(
                segment=turn.segment,
                origin=turn.origin,
                turn=turn.number,
                count=1 + (before.count if before else 0),
            )
    return RowSources(
        account=one.account(one.world.conversations[chat].account),
        conversation=one.conversation(chat),
        ordinal=ordinal,
        keys=tuple((segment, CopyPlace.vault) for segment in {segment for segment, _ in sources}),
        sources=tuple(sources.values()),
    )

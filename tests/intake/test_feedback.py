"""Open WebUI's export of feedback: a rating becomes feedback of its person on the answer, in its
order, and no more.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from licet.intake import imports, open_webui
from licet.intake.import_records import Imported, RecordedAccount, RecordedChoice
from licet.intake.read_turn import BrokenRecord, ReadFeedback, SkippedRecord
from licet.policy.period import instant
from licet.policy.state import Share
from licet.vault import commands as do

from ..installed import House

PLANTED = "seven blue herons sleep at the weir"
BEGIN, NOW = instant("2025-09-10T10:00:00Z"), instant("2025-09-20")


def seconds(minutes: int) -> int:
    return int(BEGIN.timestamp()) + 60 * minutes


def chat(name: str = "c1") -> dict[str, Any]:
    messages = {
        "q": {
            "id": "q",
            "parentId": None,
            "role": "user",
            "content": "prune a pear?",
            "timestamp": seconds(0),
        },
        "a": {
            "id": "a",
            "parentId": "q",
            "role": "assistant",
            "content": "in winter",
            "timestamp": seconds(1),
        },
    }
    return {
        "id": name,
        "user_id": "ana",
        "title": "Pears",
        "chat": {"history": {"currentId": "a", "messages": messages}},
    }


def rating(name: str = "f1", minutes: int = 2, **more: Any) -> dict[str, Any]:
    data = {
        "rating": 1,
        "model_id": "m",
        "reason": "accurate",
        "comment": "it grew",
        "details": {"rating": 9},
    }
    return {
        "id": name,
        "user_id": "ana",
        "version": 0,
        "type": "rating",
        "data": {**data, **more.pop("data", {})},
        "meta": {"chat_id": "c1", "message_id": "a", "model_id": "m"},
        "snapshot": {"chat": {"title": PLANTED}},
        "created_at": seconds(minutes),
        "updated_at": seconds(minutes + 50),
        **more,
    }


def write(path: Path, *items: dict[str, Any]) -> Path:
    path.write_text(json.dumps(items), "utf-8")
    return path


@pytest.fixture
def house(house: House) -> House:
    house.now = NOW
    return house


def bring(house: House, *paths: Path, allow_at: int | None = None) -> Imported:
    choices = []
    if allow_at is not None:
        at = instant(f"2025-09-10T10:{allow_at:02}:00Z")
        choices = [RecordedChoice(host="ana", at=at, allow=True, via="import")]
    default = RecordedAccount(host="ana", plan="pro", age=30)
    return imports.import_files(
        house.installation, paths, default=default, host="ana", choices=choices
    )


def stored(house: House) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in house.query(
            "SELECT rating, share, turn, given_at FROM feedback ORDER BY given_at"
        )
    ]


def test_a_rating_becomes_feedback_on_its_answer_once(house: House, tmp_path: Path) -> None:
    files = write(tmp_path / "chats.json", chat()), write(tmp_path / "feedbacks.json", rating())
    done = bring(house, *files)
    assert (done.feedback, done.stored, done.broken) == (1, 2, 0)
    assert stored(house) == [("up", "rating", 2, instant("2025-09-10T10:02:00Z"))]
    again = bring(house, *files)
    assert (again.feedback, again.stored, again.known) == (0, 0, 2)
    assert len(stored(house)) == 1


def test_the_order_of_the_files_does_not_matter_and_the_order_of_the_times_does(
    house: House, tmp_path: Path
) -> None:
    files = (
        write(tmp_path / "feedbacks.json", rating("f1", 2), rating("f2", 6)),
        write(tmp_path / "chats.json", chat()),
    )
    done = bring(house, *files, allow_at=4)
    assert done.feedback == 2
    # What was given before the yes was given under no permission, whatever the file's place.
    grants = house.query("SELECT given_at, grant_no FROM feedback ORDER BY given_at")
    assert [row[1] is None for row in grants] == [True, False]


def test_a_rating_of_a_chat_that_is_not_here_is_passed_over_and_said(
    house: House, tmp_path: Path
) -> None:
    lost = rating("f2", meta={"chat_id": "lost", "message_id": "a"})
    done = bring(
        house,
        write(tmp_path / "chats.json", chat()),
        write(tmp_path / "feedbacks.json", rating(), lost),
    )
    assert done.feedback == 1
    assert done.skipped_reasons["a rating whose chat is not here"] == 1
    alone = write(tmp_path / "alone.json", rating(user_id="ben"), rating("f9", user_id="zoe"))
    assert bring(house, alone).skipped_reasons == {"a rating whose chat is not here": 2}
    assert house.query("SELECT count(*) FROM accounts") == [(1,)]


def test_feedback_before_what_is_known_is_left_out_and_counted(
    house: House, tmp_path: Path
) -> None:
    bring(house, write(tmp_path / "chats.json", chat()), allow_at=30)
    done = bring(house, write(tmp_path / "feedbacks.json", rating()))
    assert done.skipped_reasons == {"a rating from before its account's newest event": 1}
    assert [one.ratings for one in done.late] == [1]
    assert stored(house) == []


def test_what_is_no_rating_is_skipped_or_broken_with_its_place(tmp_path: Path) -> None:
    path = write(
        tmp_path / "feedbacks.json",
        rating(data={"rating": None}),
        rating(meta={}),
        rating(data={"rating": "-1"}),
        {**rating(), "id": 7},
        rating(data={"rating": -1, "share": "conversation"}),
        rating(data={"share": "all"}),
    )
    assert open_webui.recognises(path, path.read_bytes())
    read = list(open_webui.read(path))
    assert [type(one) for one in read] == [
        SkippedRecord,
        SkippedRecord,
        ReadFeedback,
        BrokenRecord,
        ReadFeedback,
        ReadFeedback,
    ]
    assert [one.rating for one in read if isinstance(one, ReadFeedback)] == ["down", "down", "up"]
    assert [one.share for one in read if isinstance(one, ReadFeedback)] == [
        Share.rating,
        Share.conversation,
        Share.rating,
    ]
    assert "it grew" not in repr(read)


def test_nothing_of_the_snapshot_is_taken(house: House, tmp_path: Path) -> None:
    bring(
        house, write(tmp_path / "chats.json", chat()), write(tmp_path / "feedbacks.json", rating())
    )
    assert house.query("SELECT share FROM feedback") == [("rating",)]
    assert PLANTED not in str(house.dump())


def test_a_deleted_chat_takes_no_rating(house: House, tmp_path: Path) -> None:
    bring(house, write(tmp_path / "chats.json", chat()))
    (row,) = house.query("SELECT account_id, conversation_id FROM conversations")
    house.now = BEGIN.replace(hour=11)
    house.tell(do.Delete(account=row[0], at=house.now, conversation=row[1]))
    house.now = NOW
    done = bring(house, write(tmp_path / "feedbacks.json", rating(minutes=90)))
    assert done.skipped_reasons == {"a rating of a chat that is closed, deleted or expired": 1}
    assert stored(house) == []

"""Events leave with what they tell, in order, signed, at least once; and a host's answer is part of
the certificate.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvicorn
from click.testing import CliRunner, Result
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec.structs import replace

from licet.backup import archives
from licet.cli.command import main
from licet.clock import utc_now
from licet.config import Configuration, Webhooks
from licet.consent import rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.rights_requests import EnteredRequest, StaffAct
from licet.curate import release_build
from licet.erasure import certificates, recall_register, sweeper
from licet.erasure import epochs as chain
from licet.erasure.key_rotation import Rotation
from licet.errors import BusyError, DeniedError, LicetError, NotFoundError, RefusedError, UsageError
from licet.keys import fence
from licet.keys.fence import FencedError
from licet.policy.period import instant
from licet.proof import documents
from licet.service import policy_changes
from licet.store import embedded
from licet.store.circuit import CallWatch
from licet.store.connect import Pool, StatementError, transaction
from licet.vault import apply, host_events, verbs
from licet.vault import commands as do
from licet.vault.host_events import EventKind, HostEvent
from licet.vault.ids import Prefix, format_id, host_hmac, uuid7
from licet.vault.installation import load_host_key, load_policies, open_installation
from licet.vault.simulated_clock import SimulatedClock, save
from licet.webhooks import delivery, endpoints, feed, outbound_http
from licet.webhooks.acknowledgements import HostDelivery

from ..installed import BEGIN, DAY, House
from ..terms import preset
from ..waiting import wait_until

TOLERANCE_SECONDS = 5 * 60


# A receiver, written from the specification and from nothing of ours


class Refused(Exception):
    """A message that does not verify."""


def verified(
    secret: str, headers: dict[str, str], body: bytes, now: float | None
) -> dict[str, Any]:
    """The message, if a `v1` signature of it holds under ``secret`` (`whsec_`), or a `v1a` one
    under a `whpk_`.
    """
    ident, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    if now is not None and abs(now - int(stamp)) > TOLERANCE_SECONDS:
        raise Refused("its time is too far from now")
    signed = ident.encode() + b"." + stamp.encode() + b"." + body
    kind, _, encoded = secret.partition("_")
    key = base64.b64decode(encoded, validate=True)
    for mark in headers["webhook-signature"].split(" "):
        version, _, text = mark.partition(",")
        signature = base64.b64decode(text, validate=True)
        held = kind == "whsec" and version == "v1"
        if held and hmac.compare_digest(hmac.new(key, signed, hashlib.sha256).digest(), signature):
            return dict(json.loads(body))
        if kind == "whpk" and version == "v1a":
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
            except InvalidSignature:
                continue
            return dict(json.loads(body))
    raise Refused("no signature holds")


class Receiver:
    """An assistant's server that takes what verifies and is in order. ``answers`` decides what it
    says, by message.
    """

    def __init__(self) -> None:
        self.secret = ""
        self.taken: list[dict[str, Any]] = []
        self.attempts: list[tuple[dict[str, str], bytes]] = []
        self.refused: list[str] = []
        self.answers: Callable[[dict[str, Any]], int] = lambda _: 204
        self.headers: list[tuple[bytes, bytes]] = []
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            part = await receive()
            if part["type"] == "http.disconnect":
                return  # its sender died in the middle: that is no message
            body, more = body + part.get("body", b""), part.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.attempts.append((headers, body))
        status = self._status(headers, body)
        await send({"type": "http.response.start", "status": status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b""})

    def _status(self, headers: dict[str, str], body: bytes) -> int:
        try:
            message = verified(self.secret, headers, body, None)
        except (Refused, KeyError, ValueError) as error:
            self.refused.append(str(error))
            return 401
        status = self.answers(message)
        if 200 <= status < 300:
            self._take(message)
        return status

    def _take(self, message: dict[str, Any]) -> None:
        """A host goes by the id to know a message again, and by the cursor to know the order."""
        who, ours = message["data"].get("account"), [m["id"] for m in self.taken]
        if message["id"] not in ours:
            newest = max(
                (int(m["cursor"]) for m in self.taken if m["data"].get("account") == who),
                default=-1,
            )
            if int(message["cursor"]) < newest:
                self.refused.append("out of order")
        self.taken.append(message)

    def types(self) -> list[str]:
        return [message["type"] for message in self.taken]


@contextmanager
def served(receiver: Any, **more: Any) -> Iterator[int]:
    config = uvicorn.Config(
        receiver, host="127.0.0.1", port=0, log_level="critical", lifespan="off", **more
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the receiver starts", alive=thread.is_alive)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(600)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with served(made) as port:
        made.url = f"http://127.0.0.1:{port}/hook?from=licet"
        yield made


@pytest.fixture
def house(house: House) -> House:
    config = replace(house.installation.config, webhooks=Webhooks(inside=("127.0.0.1",)))
    house.installation = replace(house.installation, config=config)
    return house


def pull(house: House) -> House:
    endpoints.add(house.installation, "reader", None)
    return house


def heard(house: House, cursor: str = "0") -> list[HostEvent]:
    return list(feed.events_after(house.installation, cursor).items)


def acknowledge(house: House, event: str, endpoint: str) -> HostDelivery:
    """As the holder of a key that is bound to ``endpoint`` does it."""
    ((bound,),) = house.query(
        "SELECT endpoint_id FROM endpoints WHERE name = %s AND removed_at IS NULL", endpoint
    )
    return feed.acknowledge(house.installation, event, endpoint, bound)


def told(house: House) -> list[tuple[str, Any]]:
    """Each event's type and why."""
    return [(e.type.value, e.data.get("because") or e.data.get("effect")) for e in heard(house)]


def hooked(
    house: House, receiver: Receiver, name: str = "chat", *kinds: EventKind
) -> endpoints.AddedEndpoint:
    added = endpoints.add(house.installation, name, receiver.url, kinds)
    assert added.secret is not None
    receiver.secret = added.secret
    return added


# What is told


def test_nothing_is_kept_while_nobody_hears(house: House) -> None:
    house.open("ana", allow=True)
    assert house.query("SELECT count(*) FROM events") == [(0,)]
    with pytest.raises(RefusedError, match="there is no endpoint"):
        feed.events_after(house.installation)
    pull(house)
    assert heard(house) == []


def test_a_choice_that_takes_effect_is_told_and_a_withdrawal_says_what_must_leave(
    house: House,
) -> None:
    pull(house)
    account = house.open("ana", allow=True)
    house.choose("ana", True)
    house.choose("ana", False)
    assert told(house) == [
        ("choice.changed", "began"),
        ("choice.changed", "affirmed"),
        ("choice.changed", "withdrew"),
        ("conversation.must_leave", "withdrawn"),
    ]
    leaving = heard(house)[-1].data
    assert leaving["account"] == f"acc_{account.hex}"
    assert (leaving["conversation"], leaving["leaves"], leaving["leave_by"]) == (
        None,
        "use",
        "2025-09-01T00:00:00Z",
    )
    assert leaving["questions"] == ["training"]
    assert heard(house)[0].data | {"account": ""} == {
        "account": "",
        "question": "training",
        "scope": "account",
        "project": None,
        "conversation": None,
        "effect": "began",
        "standing": "granted",
        "policy": "2025-08-28",
    }


def test_a_yes_below_the_account_and_its_end_name_the_question_and_what_they_are_for(
    pool: Pool, tmp_path: Path
) -> None:
    house = House(pool, tmp_path / "two", preset("strict"))
    account, garden = (
        house.open("ana"),
        do.ChosenScope(host_project=house.host("project", "garden")),
    )
    house.choose("ana", False)
    for chat in ("beds", "sheds", "elsewhere"):
        within = {} if chat == "elsewhere" else {"host_project": garden.host_project}
        house.say("ana", chat, "hello", **within)
    pull(house)
    chats = {chat: f"conv_{house.chats[chat].hex}" for chat in house.chats}
    beds = do.ChosenScope(conversation=house.chats["beds"])
    house.tell(
        do.Choose(account=account, at=house.now, allow=True, question="models", scope=beds),
        do.Choose(account=account, at=house.now, allow=True, question="models", scope=garden),
        do.Choose(account=account, at=house.now, allow=False, question="models", keep=(beds,)),
    )
    began, wider, refused, left = (event.data for event in heard(house))
    assert (
        began["question"],
        began["scope"],
        began["conversation"],
        began["effect"],
        began["standing"],
    ) == (
        "models",
        "conversation",
        chats["beds"],
        "began",
        "declined",
    )
    ((project,),) = house.query("SELECT project_id FROM projects")
    assert (wider["scope"], wider["project"], wider["conversation"]) == (
        "project",
        f"proj_{project.hex}",
        None,
    )
    ended, last = (refused, left) if refused.get("effect") else (left, refused)
    assert (ended["scope"], ended["effect"], ended["standing"]) == (
        "account",
        "withdrew",
        "withdrawn",
    )
    assert (last["conversation"], last["questions"], last["because"], last["leaves"]) == (
        chats["sheds"],
        ["models"],
        "withdrawn",
        "use",
    ), (
        "of the project what no permission covers any more: one chat is kept by name, the "
        "other was never covered"
    )


def test_a_project_that_is_kept_out_is_told_chat_by_chat(house: House) -> None:
    account = house.open("ana", allow=True)
    garden = house.host("project", "garden")
    for chat in ("beds", "sheds"):
        house.say("ana", chat, "hello", host_project=garden)
    house.say("ana", "elsewhere", "hello")
    pull(house)
    house.tell(do.KeepProjectOut(account=account, at=house.now, host_project=garden))
    assert told(house) == [("conversation.must_leave", "narrowed")] * 2
    assert {event.data["conversation"] for event in heard(house)} == {
        f"conv_{house.chats[chat].hex}" for chat in ("beds", "sheds")
    }
    assert {str(event.data["questions"]) for event in heard(house)} == {"None"}, (
        "for no purpose at all"
    )


def test_recorded_history_that_is_imported_is_told_to_nobody(house: House) -> None:
    pull(house)
    account = house.open("ana")
    known = load_policies(house.installation)
    verbs.replay(
        house.installation.pool,
        house.installation.keyring,
        known,
        [do.Choose(account=account, at=house.now, allow=True)],
    )
    assert heard(house) == []


def test_a_refusal_that_ends_nothing_makes_nothing_leave(house: House) -> None:
    pull(house)
    house.open("ben", allow=False)
    assert told(house) == [("choice.changed", "declined")]


def test_a_grant_that_lapses_is_told_as_both(house: House) -> None:
    pull(house)
    house.open("ana", allow=True)
    house.account(do.SetPlan, "ana", plan="work")
    assert told(house)[1:] == [("choice.changed", "lapsed"), ("conversation.must_leave", "lapsed")]


def test_keeping_out_and_deleting_name_the_conversation_once(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    pull(house)
    house.about(do.Narrow, "ana", "chat")
    house.about(do.Narrow, "ana", "chat")
    answer = house.about(do.Delete, "ana", "chat")
    house.about(do.Delete, "ana", "chat")
    assert told(house) == [
        ("conversation.must_leave", "narrowed"),
        ("conversation.must_leave", "deleted"),
    ]
    kept_out, deleted = (event.data for event in heard(house))
    conversation = f"conv_{house.chats['chat'].hex}"
    assert (kept_out["conversation"], kept_out["leaves"], "erasure" in kept_out) == (
        conversation,
        "use",
        False,
    )
    assert (deleted["conversation"], deleted["leaves"]) == (conversation, "everything")
    assert deleted["leave_by"] == deleted["acknowledge_by"] == "2025-10-01T00:00:00Z"
    assert answer.erasure is not None
    assert deleted["erasure"] == f"era_{answer.erasure.hex}"


def test_what_comes_to_its_end_must_leave_and_what_was_erased_is_told_with_its_turns(
    house: House,
) -> None:
    house.open("ana", allow=False)
    house.talk("ana", "chat")
    pull(house)
    house.passes(30)
    sweeper.sweep(house.installation)
    leaving, gone = heard(house)
    assert (leaving.type, leaving.data["because"], leaving.data["turns"]) == (
        EventKind.must_leave,
        "expired",
        [[1, 2]],
    )
    assert (gone.type, gone.data["whole"], gone.data["turns"]) == (
        EventKind.conversation_erased,
        True,
        [[1, 2]],
    )


def test_a_conversation_is_erased_whole_when_the_last_of_it_is(house: House) -> None:
    for name in ("ana", "ben"):
        house.open(name, allow=True)
        house.talk(name, f"chat of {name}")
    house.account(do.SetPlan, "ana", plan="max")
    house.talk("ana", "chat of ana", "said under another plan", "answered under it")
    pull(house)
    for segment, turns, whole in ((0, [[1, 2]], False), (1, [[3, 4]], True)):
        over = (
            "UPDATE segments SET keep_until = %s WHERE account_id = %s AND segment = %s RETURNING 1"
        )
        house.query(over, house.now, house.accounts["ana"], segment)
        sweeper.sweep(house.installation)
        gone = heard(house)[-1]
        assert (gone.type, gone.data["turns"], gone.data["whole"]) == (
            EventKind.conversation_erased,
            turns,
            whole,
        )


def test_a_closure_ends_with_the_accounts_erasure(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    pull(house)
    house.account(do.CloseAccount, "ana")
    house.account(do.CloseAccount, "ana")
    certificates.advance_erasures(house.installation, at_once=True)
    assert [kind for kind, _ in told(house)] == ["conversation.must_leave", "conversation.erased"]
    documents.append(house.installation)
    certificates.advance_erasures(house.installation)
    assert [kind for kind, _ in told(house)] == [
        "conversation.must_leave",
        "conversation.erased",
        "account.erased",
    ]
    first, _, last = heard(house)
    assert first.data["conversation"] is None
    assert first.data["because"] == "closed"
    assert first.data["erasure"] == last.data["erasure"]


def test_the_end_of_a_hold_makes_leave_what_it_kept(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    house.about(do.Hold, "ana", "chat", matter="kettles")
    house.about(do.Delete, "ana", "chat")
    house.passes(31)
    pull(house)
    house.about(do.Unhold, "ana", "chat", matter="kettles")
    (event,) = heard(house)
    assert event.data["because"] == "hold_released"
    assert "erasure" in event.data


def test_a_hold_is_told_when_it_is_placed_and_when_the_last_one_ends(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    pull(house)
    house.about(do.Hold, "ana", "chat", matter="kettles", is_told=False)
    house.about(do.Hold, "ana", "chat", matter="kettles")  # reviewed, not placed again
    house.about(do.Hold, "ana", "chat", matter="pans")
    for matter in ("kettles", "pans", "pans"):
        house.about(do.Unhold, "ana", "chat", matter=matter)
    first, second, ended = heard(house)
    assert [one.type.value for one in (first, second, ended)] == [
        "conversation.must_hold",
        "conversation.must_hold",
        "conversation.hold_ended",
    ]
    assert len({one.data["conversation"] for one in (first, second, ended)}) == 1
    assert [one.data["person_told"] for one in (first, second)] == [False, True]
    assert "kettles" not in str(heard(house))


def test_a_recalled_release_is_told_once_and_names_no_account(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    release_build.build_release(house.installation, name="one", purpose="improve_models")
    handout = recall_register.hand_out(house.installation, "one", "lab-one")
    endpoints.add(house.installation, "lab", None, (EventKind.release_recalled,))
    house.about(do.Delete, "ana", "chat")
    certificates.advance_erasures(house.installation)
    certificates.advance_erasures(house.installation)
    (event,) = [e for e in heard(house) if e.type is EventKind.release_recalled]
    assert (event.data["name"], event.data["recipient"], event.data["handout"]) == (
        "one",
        "lab-one",
        handout,
    )
    assert "account" not in event.data
    assert house.accounts["ana"].hex not in str(event)


def test_an_event_is_there_exactly_if_what_it_tells_is(house: House) -> None:
    house.open("ana", allow=True)
    pull(house)
    known = load_policies(house.installation)
    with pytest.raises(RuntimeError), transaction(house.installation.pool) as tx:
        apply.apply(
            tx,
            house.installation.keyring,
            known,
            [do.Choose(account=house.accounts["ana"], at=house.now, allow=False)],
        )
        raise RuntimeError
    assert heard(house) == []
    house.choose("ana", False)
    assert len(heard(house)) == 2


def test_no_event_holds_a_word_of_content_or_an_id_of_the_host(house: House) -> None:
    pull(house)
    house.open("ana@example.org", allow=True)
    house.talk("ana@example.org", "my wedding", "marzipan pears")
    for kind in (do.Narrow, do.Widen, do.Delete):
        house.about(kind, "ana@example.org", "my wedding")
    certificates.advance_erasures(house.installation, at_once=True)
    text = str(heard(house)) + str(house.dump()["events"]) + str(house.dump()["deliveries"])
    assert len(heard(house)) > 3
    for word in ("ana@example", "wedding", "marzipan"):
        assert word not in text


# Reading


def test_an_event_that_is_committed_late_is_not_missed_by_who_has_read_further(
    house: House, dsn: str
) -> None:
    pull(house)
    house.open("ana")
    house.open("ben")
    known = load_policies(house.installation)
    with psycopg.connect(dsn) as slow:
        first = do.Choose(account=house.accounts["ana"], at=house.now, allow=True)
        apply.apply(
            slow, house.installation.keyring, known, [first]
        )  # has its row, and has not committed
        house.choose("ben", True)
        page = feed.events_after(house.installation)
        assert [e.data["account"] for e in page.items] == [shown_account(house, "ben")]
        slow.commit()
    later = feed.events_after(house.installation, page.next)
    assert [e.data["account"] for e in later.items] == [shown_account(house, "ana")]
    assert [e.id for e in heard(house)] == [e.id for e in (*page.items, *later.items)]


def shown_account(house: House, name: str) -> str:
    return format_id(Prefix.account, house.accounts[name])


def test_readers_and_writers_at_once_miss_nothing_and_keep_each_accounts_order(
    house: House,
) -> None:
    pull(house)
    names = [f"p{n}" for n in range(6)]
    for name in names:
        house.open(name)
    done, seen = threading.Event(), []

    def read() -> None:
        cursor = "0"
        while True:
            last = done.is_set()
            page = feed.events_after(house.installation, cursor, 7)
            seen.extend(page.items)
            cursor = page.next
            if last and not page.items:
                return

    def write(name: str) -> None:
        for n in range(12):
            house.choose(name, n % 2 == 0)

    writers = [threading.Thread(target=write, args=(name,)) for name in names]
    reader = threading.Thread(target=read)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert [e.id for e in seen] == [e.id for e in heard(house)]
    for name in names:
        mine = [
            e.data.get("effect") for e in seen if e.data["account"] == shown_account(house, name)
        ]
        assert [one for one in mine if one] == ["began", "withdrew"] * 6


def test_a_page_ends_where_the_next_begins_and_a_cursor_that_is_none_is_refused(
    house: House,
) -> None:
    pull(house)
    house.open("ana", allow=True)
    house.choose("ana", False)
    first = feed.events_after(house.installation, "0", 1)
    rest = feed.events_after(house.installation, first.next, 5)
    assert [*first.items, *rest.items] == heard(house)
    assert len(first.items) == 1 and rest.items
    assert feed.events_after(house.installation, rest.next).next == rest.next
    for cursor in ("", "-1", "x", "1" * 19, "٣"):
        with pytest.raises(UsageError, match="cursor"):
            feed.events_after(house.installation, cursor)


def test_the_numbers_of_a_restored_database_stand_above_all_of_the_lives_before(
    house: House,
) -> None:
    pull(house)
    house.open("ana", allow=True)
    before = int(heard(house)[-1].cursor)
    with transaction(house.installation.pool) as tx:
        tx.execute(
            "INSERT INTO lives (life, journal, position, begun_at) VALUES (1, "
            "gen_random_uuid(), 0, %s)",
            [house.now],
        )
        tx.execute("ALTER SEQUENCE event_numbers RESTART")
    house.choose("ana", False)
    assert int(heard(house, str(before))[0].cursor) > 2**40


def test_old_events_are_dropped_but_not_those_that_somebody_until(house: House) -> None:
    pull(house)
    house.open("ana", allow=True)
    house.choose("ana", False)
    assert len(heard(house)) == 3
    house.passes(91)
    with transaction(house.installation.pool) as tx:
        assert host_events.prune(tx, house.now - 90 * DAY, 100) == 2
    (left,) = heard(house)
    assert left.type is EventKind.must_leave
    acknowledge(house, left.id, "reader")
    with transaction(house.installation.pool) as tx:
        assert host_events.prune(tx, house.now - 90 * DAY, 100) == 1


# Sending


def test_a_message_is_what_a_reader_sees_signed_as_the_specification_says(
    house: House, receiver: Receiver
) -> None:
    added = hooked(house, receiver)
    house.open("ana", allow=True)
    assert delivery.deliver_due(house.installation).delivered == 1
    ((headers, body),) = receiver.attempts
    (event,) = heard(house)
    assert added.secret is not None
    assert added.public_key is not None
    for key in (added.secret, added.public_key):
        message = verified(key, headers, body, house.now.timestamp())
        assert message == {
            "id": event.id,
            "type": "choice.changed",
            "timestamp": "2025-09-01T00:00:00Z",
            "cursor": event.cursor,
            "data": event.data,
        }
    assert headers["webhook-id"] == event.id
    assert headers["content-type"] == "application/json"
    assert headers["host"] == receiver.url.split("/")[2]
    forged = {**headers, "webhook-id": "evt_other"}
    for lie in (
        (headers, body + b" "),
        (forged, body),
        ({**headers, "webhook-timestamp": "1"}, body),
    ):
        with pytest.raises(Refused):
            verified(added.secret, *lie, None)


def test_the_signature_of_a_known_message_is_the_known_one() -> None:
    """The example of the specification's own libraries, so that both sides of this test do not err
    alike.
    """
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    mark = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert mark == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(("fails", "other"), [("ana", "ben"), ("ben", "ana")])
def test_events_of_an_account_wait_for_one_that_fails_and_no_other_account_does(
    house: House, receiver: Receiver, fails: str, other: str
) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    house.open("ben", allow=True)
    for name in ("ana", "ben"):
        house.choose(name, False)
    late = shown_account(house, fails)
    receiver.answers = lambda message: 500 if message["data"]["account"] == late else 200
    done = delivery.deliver_due(house.installation)
    assert (done.delivered, done.failed) == (3, {"500": 1})
    assert {m["data"]["account"] for m in receiver.taken} == {shown_account(house, other)}
    house.choose(fails, True)  # comes later, and waits too
    assert delivery.deliver_due(house.installation).is_idle
    due = house.query("SELECT DISTINCT next_at FROM deliveries WHERE delivered_at IS NULL")
    assert len(due) == 1, "and the search for what is due does not meet it before"
    receiver.answers = lambda _: 200
    house.now += timedelta(seconds=7)
    assert delivery.deliver_due(house.installation).delivered == 4
    assert [m["data"].get("effect") for m in receiver.taken if m["data"]["account"] == late] == [
        "began",
        "withdrew",
        None,
        "began",
    ]
    assert receiver.refused == []


def test_an_endpoint_that_answers_anything_is_not_silent(house: House, receiver: Receiver) -> None:
    house.open("ana", allow=True)
    hooked(house, receiver)
    watch = CallWatch()
    receiver.answers = lambda _: 500
    house.choose("ana", False)
    with delivery.sole_deliverer(house.installation, watch=watch) as deliverer:
        deliverer.run_once()
        assert (len(receiver.attempts), watch.silent) == (1, set())
    with served(Receiver()) as port:
        gone = f"http://127.0.0.1:{port}/"
    endpoints.add(house.installation, "gone", gone)
    house.choose("ana", True)
    with delivery.sole_deliverer(house.installation, watch=watch) as deliverer:
        deliverer.run_once()
        assert watch.silent == {"endpoint"}


def test_an_account_with_more_to_tell_than_a_round_looks_at_holds_nobody_up(
    house: House, receiver: Receiver
) -> None:
    house.open("ana")
    house.open("ben")
    hooked(house, receiver, "chat", EventKind.choice_changed)
    ana = house.accounts["ana"]
    house.tell(
        *(
            do.Choose(account=ana, at=house.now, allow=n % 2 == 0)
            for n in range(delivery.WINDOW_ROWS + delivery.EVENTS_MAX)
        )
    )
    house.choose("ben", True)
    with delivery.sole_deliverer(house.installation) as deliverer:
        deliverer.run_once()
        deliverer.run_once()
    told = [message["data"]["account"] for message in receiver.taken]
    assert shown_account(house, "ben") in told
    assert len(told) < delivery.WINDOW_ROWS + delivery.EVENTS_MAX, (
        "and the other account has more to be told"
    )
    assert receiver.refused == []


def test_a_message_that_fails_is_tried_by_the_schedule_with_one_id_and_one_body(
    house: House, receiver: Receiver
) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    receiver.answers = lambda _: 503
    waits = []
    for seconds in delivery.DELAYS_SECONDS[:6]:
        assert delivery.deliver_due(house.installation).failed == {"503": 1}
        ((next_at,),) = house.query("SELECT next_at FROM deliveries")
        waits.append((next_at - house.now).total_seconds() / seconds)
        house.now = next_at
    assert all(1 <= wait <= 1.2 for wait in waits)
    assert len(set(waits)) > 1, "by chance, each other"
    assert len({(headers["webhook-id"], body) for headers, body in receiver.attempts}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.attempts}) == 6


def test_where_outcomes_cannot_be_recorded_the_round_fails_and_waits_for_no_thread(
    house: House, receiver: Receiver
) -> None:
    """More accounts than outcomes fit between the threads that send and the one that records."""
    hooked(house, receiver)
    accounts = 3 * delivery.RECORDED_MAX
    for number in range(accounts):
        house.open(f"p{number}", allow=True)
    with psycopg.connect(house.installation.pool.conninfo, autocommit=True) as conn:
        conn.execute(BREAKS_RECORDING)
        try:
            with pytest.raises(StatementError, match="P0001"):
                delivery.deliver_due(house.installation)
            assert 0 < len(receiver.taken) < accounts
        finally:
            conn.execute("DROP FUNCTION refuse_outcome CASCADE")
    ((waiting,),) = house.query("SELECT count(*) FROM deliveries WHERE delivered_at IS NULL")
    assert waiting == accounts, "what was not recorded is sent again"
    assert delivery.deliver_due(house.installation).delivered == accounts


BREAKS_RECORDING = """
    CREATE FUNCTION refuse_outcome() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
    CREATE TRIGGER refuse_outcome BEFORE UPDATE ON deliveries
      FOR EACH ROW EXECUTE FUNCTION refuse_outcome()"""


def test_an_endpoint_shows_since_when_it_waits_and_how_many_answers_are_overdue(
    house: House,
) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "first")
    house.talk("ana", "second")
    pull(house)
    endpoints.add(house.installation, "chat", "http://127.0.0.1:9/hook")
    began = house.now
    house.about(do.Delete, "ana", "first")
    house.passes(1)
    house.about(do.Delete, "ana", "second")

    def seen() -> dict[str, tuple[Any, int]]:
        return {
            one.endpoint: (one.waiting_since, one.overdue)
            for one in endpoints.list_endpoints(house.installation)
        }

    assert seen() == {"chat": (began, 0), "reader": (None, 0)}
    ((due,),) = house.query("SELECT min(acknowledge_by) FROM deliveries")
    house.now = due
    assert seen() == {"chat": (began, 1), "reader": (None, 1)}, "the first answers are due"
    with transaction(house.installation.pool) as tx:
        troubled = endpoints.list_troubled(tx, house.now)
    assert [(one.endpoint, one.overdue) for one in troubled] == [("chat", 1), ("reader", 1)]
    house.passes(1)
    assert seen() == {"chat": (began, 2), "reader": (None, 2)}


def test_retry_after_is_heeded_where_it_asks_for_longer(house: House, receiver: Receiver) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    receiver.answers, receiver.headers = lambda _: 429, [(b"retry-after", b"3600")]
    delivery.deliver_due(house.installation)
    assert house.query("SELECT next_at FROM deliveries") == [(house.now + timedelta(hours=1),)]


def test_a_dead_endpoint_is_disabled_and_shown_and_a_replay_takes_it_up_again(
    house: House, receiver: Receiver
) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    receiver.answers = lambda _: 500
    for _ in range(20):
        house.passes(1)
        if delivery.deliver_due(house.installation).disabled:
            break
    (seen,) = endpoints.list_endpoints(house.installation)
    assert (seen.disabled_because, seen.blocked, seen.last_failure, seen.waiting) == (
        "failing",
        1,
        "500",
        1,
    )
    assert seen.disabled_at is not None
    assert seen.failing_since is not None
    assert (seen.disabled_at - seen.failing_since).days >= delivery.DEAD_DAYS
    house.choose("ana", False)
    house.passes(2)
    assert delivery.deliver_due(house.installation).is_idle
    receiver.answers = lambda _: 200
    assert endpoints.replay(house.installation, "chat", dry_run=True).events == 3
    assert endpoints.replay(house.installation, "chat").events == 3
    assert delivery.deliver_due(house.installation).delivered == 3
    (seen,) = endpoints.list_endpoints(house.installation)
    assert (seen.disabled_at, seen.failing_since, seen.waiting) == (None, None, 0)


def test_an_endpoint_that_says_gone_is_sent_nothing_more(house: House, receiver: Receiver) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    house.open("ben", allow=True)
    receiver.answers = lambda _: 410
    assert delivery.deliver_due(house.installation).disabled == ("chat",)
    assert endpoints.list_endpoints(house.installation)[0].disabled_because == "gone"
    count = len(receiver.attempts)
    house.passes(3)
    delivery.deliver_due(house.installation)
    assert len(receiver.attempts) == count


def test_a_replay_sends_everything_behind_a_cursor_even_of_before_the_endpoint_was_there(
    house: House, receiver: Receiver
) -> None:
    pull(house)
    house.open("ana", allow=True)
    early = heard(house)[-1]
    house.choose("ana", False)
    hooked(house, receiver)
    assert delivery.deliver_due(house.installation).is_idle
    assert endpoints.replay(house.installation, "chat", early.cursor, dry_run=True).events == 2
    assert endpoints.replay(house.installation, "chat", early.cursor).events == 2
    delivery.deliver_due(house.installation)
    assert endpoints.replay(house.installation, "chat", "0").events == 3
    delivery.deliver_due(house.installation)
    assert receiver.types() == [
        "choice.changed",
        "conversation.must_leave",
        "choice.changed",
        "choice.changed",
        "conversation.must_leave",
    ]


def test_an_endpoint_hears_the_kinds_that_it_asked_for(house: House, receiver: Receiver) -> None:
    hooked(house, receiver, "chat", EventKind.must_leave)
    house.open("ana", allow=True)
    house.choose("ana", False)
    delivery.deliver_due(house.installation)
    assert receiver.types() == ["conversation.must_leave"]


def test_while_a_secret_replaces_another_both_hold_and_then_the_new_one_alone(
    house: House, receiver: Receiver
) -> None:
    old = hooked(house, receiver).secret
    assert old is not None
    house.open("ana", allow=True)
    new = endpoints.rotate(house.installation, "chat", 24).secret
    delivery.deliver_due(house.installation)
    (both,) = receiver.attempts
    assert len(both[0]["webhook-signature"].split(" ")) == 3
    assert verified(old, *both, None) == verified(new, *both, None)
    house.passes(1)
    house.choose("ana", False)
    receiver.secret = new
    delivery.deliver_due(house.installation)
    with pytest.raises(Refused):
        verified(old, *receiver.attempts[-1], None)
    assert house.query("SELECT count(*) FROM endpoint_secrets") == [(1,)]
    third, fourth = (endpoints.rotate(house.installation, "chat", 1).secret for _ in range(2))
    assert house.query("SELECT count(*) FROM endpoint_secrets") == [(2,)]
    assert len({old, new, third, fourth}) == 4


def test_an_overlap_is_of_no_hour_up_to_thirty_days_and_each_endpoint_signs_with_its_own_secrets(
    house: House,
) -> None:
    for name in ("chat", "other"):
        endpoints.add(house.installation, name, f"https://{name}.example.org/")
    endpoint = house.query("SELECT endpoint_id FROM endpoints WHERE name = 'chat'")[0][0]

    def secrets() -> int:
        with transaction(house.installation.pool) as tx:
            signing = endpoints.Signing(
                house.installation.keyring, tx, endpoint, house.installation.clock()
            )
        signatures = signing.headers("event", house.installation.clock(), b"{}")[
            "webhook-signature"
        ]
        return signatures.count("v1,")

    assert secrets() == 1
    endpoints.rotate(house.installation, "chat", 0)
    assert secrets() == 1
    endpoints.rotate(house.installation, "chat", endpoints.OVERLAP_HOURS_MAX)
    assert secrets() == 2
    for hours in (-1, endpoints.OVERLAP_HOURS_MAX + 1):
        with pytest.raises(UsageError, match="hours"):
            endpoints.rotate(house.installation, "chat", hours)
    assert secrets() == 2
    house.passes(endpoints.OVERLAP_HOURS_MAX // 24)
    assert secrets() == 1


def test_a_secret_is_kept_wrapped_and_survives_a_rotation_of_the_key_chain(
    house: House, receiver: Receiver
) -> None:
    secret = hooked(house, receiver).secret
    assert secret is not None
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    dump = "".join(line for lines in house.dump().values() for line in lines)
    assert secret not in dump
    assert raw.hex() not in dump
    house.passes(1)
    chain.rotate(house.installation, Rotation.daily)
    house.open("ana", allow=True)
    delivery.deliver_due(house.installation)
    assert receiver.refused == []
    assert len(receiver.taken) == 1


def test_a_removed_endpoint_is_sent_nothing_and_leaves_no_secret(
    house: House, receiver: Receiver
) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    house.choose("ana", False)
    counted = endpoints.remove(house.installation, "chat", dry_run=True)
    assert (counted.unsent, counted.unanswered) == (3, 1)
    assert len(endpoints.list_endpoints(house.installation)) == 1
    assert endpoints.remove(house.installation, "chat") == counted
    assert delivery.deliver_due(house.installation).is_idle
    assert house.query("SELECT count(*) FROM secrets WHERE name LIKE 'endpoint/%%'") == [(0,)]
    with pytest.raises(NotFoundError):
        endpoints.remove(house.installation, "chat")
    assert endpoints.add(house.installation, "chat", receiver.url).endpoint == "chat"


def test_one_deliverer_works_at_a_time(house: House, receiver: Receiver) -> None:
    hooked(house, receiver)
    with delivery.sole_deliverer(house.installation), pytest.raises(BusyError):
        delivery.deliver_due(house.installation)
    assert delivery.deliver_due(house.installation).is_idle


def test_nothing_is_sent_behind_the_fence(house: House, receiver: Receiver) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    with transaction(house.installation.pool) as tx:
        fence.raise_fence(tx, house.now)
    noted: list[LicetError] = []
    stop = threading.Event()

    def note(error: LicetError) -> None:
        noted.append(error)
        stop.set()

    delivery.follow(house.installation, stop, noted=note)
    assert [type(error) for error in noted] == [FencedError]
    assert receiver.attempts == []
    with transaction(house.installation.pool) as tx:
        fence.lift_fence(tx)
    assert delivery.deliver_due(house.installation).delivered == 1


# Where events may go


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "ftp://example.org/",
        "https://",
        "https:///hook",
        "https://ana:x@example.org/",
        "https://@example.org/",
        "https://example.org/#part",
        "https://exam ple.org/",
        "https://example.org:99999/",
        "https://example.org/\nhost: inside",
        "https://exämple.org/",
        "https://example.org/" + "a" * 2_000,
        "file:///etc/passwd",
        "//example.org/",
        "https://[::1",
        "http://10.0.0.1/",
    ],
)
def test_a_url_that_may_never_be_called_is_refused_when_it_is_given(house: House, url: str) -> None:
    with pytest.raises(UsageError, match="URL"):
        endpoints.add(house.installation, "chat", url)
    assert endpoints.list_endpoints(house.installation) == []


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "127.0.0.2", "[::1]", "[fec0::1]", "169.254.169.254", "localhost"]
)
def test_a_url_of_a_host_inside_is_refused_when_it_is_given_unless_it_is_named(
    house: House, host: str
) -> None:
    url = f"https://{host}/hook"
    with pytest.raises(RefusedError, match="not public") as refused:
        endpoints.add(house.installation, "chat", url)
    assert "LICET_WEBHOOKS__INSIDE" in refused.value.hint
    assert endpoints.list_endpoints(house.installation) == []
    outbound_http.check_reachable(url, (host.strip("[]"),))


def test_a_url_whose_name_has_no_address_yet_is_taken() -> None:
    asked = []

    def nothing(name: str, *_: object) -> list[str]:
        asked.append(name)
        raise OSError

    outbound_http.check_reachable("https://later.example/hook", (), nothing)
    assert asked == ["later.example"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.9",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "::127.0.0.1",
        "fec0::1",
        "feff::1",
        "192.88.99.1",
        "::ffff:192.88.99.1",
        "64:ff9b::192.88.99.1",
    ],
)
def test_an_address_that_is_not_public_is_not_gone_to(address: str) -> None:
    to = outbound_http.parse_target("https://example.org/hook", ())
    with pytest.raises(RefusedError, match="not public"):
        outbound_http.address_of(to, (), lambda *_: [address])
    with pytest.raises(RefusedError, match="not public"):
        outbound_http.address_of(to, (), lambda *_: ["93.184.215.14", address])
    assert outbound_http.address_of(to, ("example.org",), lambda *_: [address])


def test_a_public_address_is_gone_to() -> None:
    to = outbound_http.parse_target("https://example.org/hook", ())
    for address in (
        "93.184.215.14",
        "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
        "64:ff9b::93.184.215.14",
    ):
        assert ipaddress.ip_address(outbound_http.address_of(to, (), lambda *_, a=address: [a]))


def test_plain_http_to_another_machine_is_refused_even_inside() -> None:
    to = outbound_http.parse_target("http://chat.internal/", ("chat.internal",))
    with pytest.raises(RefusedError, match="this machine"):
        outbound_http.address_of(to, ("chat.internal",), lambda *_: ["10.0.0.1"])
    assert outbound_http.address_of(to, ("chat.internal",), lambda *_: ["127.0.0.1"]) == "127.0.0.1"


def test_a_redirect_is_a_failure_and_is_not_followed(house: House, receiver: Receiver) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    receiver.answers, receiver.headers = lambda _: 302, [(b"location", b"/elsewhere")]
    assert delivery.deliver_due(house.installation).failed == {"302": 1}
    assert len(receiver.attempts) == 1


def test_a_name_is_resolved_once_and_what_was_judged_is_where_the_request_goes(
    house: House, receiver: Receiver
) -> None:
    """A name that answers with a public address first and an inner one second is asked once."""
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    port = int(receiver.url.split(":")[2].split("/")[0])
    to = outbound_http.parse_target(f"https://rebinding.example:{port}/", ())
    assert outbound_http.address_of(to, (), lambda *_: next(answers)) == "93.184.215.14"
    poster = outbound_http.Poster((), resolved=lambda *_: next(answers))
    assert poster.post(f"https://rebinding.example:{port}/", b"{}", {}).outcome == "refused"
    assert receiver.attempts == []


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Files of an authority, and of a key and certificate that it signed for `chat.internal`."""
    made = tmp_path / "tls"
    made.mkdir()
    ca, key, chain = made / "ca.pem", made / "key.pem", made / "chain.pem"

    def openssl(*words: str | Path) -> None:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(
        "req",
        "-x509",
        *curve,
        "-keyout",
        made / "ca.key",
        "-out",
        ca,
        "-subj",
        "/CN=ours",
        "-days",
        "9",
        "-addext",
        "keyUsage=critical,keyCertSign",
    )
    openssl(
        "req",
        "-x509",
        *curve,
        "-keyout",
        key,
        "-out",
        chain,
        "-subj",
        "/CN=chat",
        "-days",
        "9",
        "-CA",
        ca,
        "-CAkey",
        made / "ca.key",
        "-addext",
        "subjectAltName=DNS:chat.internal",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-addext",
        "authorityKeyIdentifier=keyid",
        "-addext",
        "keyUsage=critical,digitalSignature",
    )
    return ca, key, chain


def test_a_certificate_is_held_to_the_name_though_the_request_goes_to_the_address(
    house: House, authority: tuple[Path, Path, Path]
) -> None:
    ca, key, chain = authority
    receiver = Receiver()
    with served(receiver, ssl_keyfile=str(key), ssl_certfile=str(chain)) as port:
        for name in ("chat.internal", "other.internal"):
            receiver.url = f"https://{name}:{port}/hook"
            webhooks = Webhooks(inside=("chat.internal", "other.internal"), ca_file=ca)
            house.installation = replace(
                house.installation, config=replace(house.installation.config, webhooks=webhooks)
            )
            hooked(house, receiver, name)
        receiver.secret = endpoints.rotate(house.installation, "chat.internal").secret
        house.open("ana", allow=True)
        with delivery.sole_deliverer(house.installation, lambda *_: ["127.0.0.1"]) as deliverer:
            done = deliverer.run_once()
    assert (done.delivered, done.failed) == (1, {"unreachable": 1})
    assert [headers["host"] for headers, _ in receiver.attempts] == [f"chat.internal:{port}"]


# Answering


def test_a_hosts_answer_is_part_of_the_certificate_and_its_absence_too(
    house: House, receiver: Receiver
) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    hooked(house, receiver)
    endpoints.add(house.installation, "archive", None)
    answer = house.about(do.Delete, "ana", "chat")
    assert answer.erasure is not None
    name = f"era_{answer.erasure.hex}"
    delivery.deliver_due(house.installation)
    (leaving,) = [m for m in receiver.taken if m["type"] == "conversation.must_leave"]
    waits = certificates.status(house.installation, name)
    assert [(one.endpoint, one.acknowledged_at, one.overdue) for one in waits.hosts] == [
        ("archive", None, False),
        ("chat", None, False),
    ]
    house.passes(1)
    done = acknowledge(house, leaving["id"], "chat")
    assert (done.acknowledged_at, done.overdue) == (house.now, False)
    house.passes(1)
    assert acknowledge(house, leaving["id"], "chat") == done, "the first answer stands"
    house.passes(28)
    sweeper.sweep(house.installation)
    said = json.loads(certificates.certificate_file(house.installation, name))["certificate"].split(
        "."
    )[1]
    hosts = json.loads(base64.urlsafe_b64decode(said + "==="))["hosts"]
    assert hosts == [
        {
            "host": "archive",
            "event": leaving["id"],
            "told": "2025-09-01T00:00:00Z",
            "delivered": None,
            "due": "2025-10-01T00:00:00Z",
            "acknowledged": None,
            "overdue": True,
        },
        {
            "host": "chat",
            "event": leaving["id"],
            "told": "2025-09-01T00:00:00Z",
            "delivered": "2025-09-01T00:00:00Z",
            "due": "2025-10-01T00:00:00Z",
            "acknowledged": "2025-09-02T00:00:00Z",
            "overdue": False,
        },
    ]
    assert certificates.status(house.installation, name).overdue == 1
    assert [one.endpoint for one in feed.overdue(house.installation)] == ["archive"]


def test_only_what_was_asked_can_be_answered_and_only_by_who_was_told(house: House) -> None:
    pull(house)
    house.open("ana", allow=True)
    house.choose("ana", False)
    leaving = heard(house)[-1]
    for event in ("evt_" + "0" * 32, "nonsense"):
        with pytest.raises(NotFoundError):
            acknowledge(house, event, "reader")
    endpoints.add(house.installation, "later", None)
    ((later,),) = house.query("SELECT endpoint_id FROM endpoints WHERE name = 'later'")
    for endpoint in ("reader", "other"):
        with pytest.raises(DeniedError):
            feed.acknowledge(house.installation, leaving.id, endpoint, later)
    with pytest.raises(NotFoundError):
        acknowledge(house, leaving.id, "later")


def test_an_acknowledgement_is_of_one_event_by_one_endpoint_and_of_nothing_beside(
    house: House,
) -> None:
    for name in ("reader", "other"):
        endpoints.add(house.installation, name, None)
    house.open("ana", allow=True)
    erasures = []
    for chat in ("first", "second"):
        house.talk("ana", chat)
        erasures.append(house.about(do.Delete, "ana", chat).erasure)
    first, second = (event.id for event in heard(house) if event.type is EventKind.must_leave)
    house.passes(40)
    told = acknowledge(house, second, "other")
    assert (told.event, told.endpoint, told.acknowledged_at) == (second, "other", house.now)
    left = {(one.event, one.endpoint) for one in feed.overdue(house.installation)}
    assert left == {(first, "reader"), (first, "other"), (second, "reader")}
    for erasure, event in zip(erasures, (first, second), strict=True):
        assert erasure is not None
        hosts = certificates.status(house.installation, f"era_{erasure.hex}").hosts
        assert [(one.event, one.endpoint) for one in hosts] == [(event, "other"), (event, "reader")]


def test_an_event_that_asks_for_nothing_takes_no_answer(house: House, receiver: Receiver) -> None:
    hooked(house, receiver)
    house.open("ana", allow=True)
    with pytest.raises(RefusedError) as refused:
        acknowledge(house, heard(house)[0].id, "chat")
    assert refused.value.because == "nothing_owed"


def test_a_removed_hosts_missing_answer_stays_in_the_certificate(house: House) -> None:
    house.open("ana", allow=True)
    house.talk("ana", "chat")
    pull(house)
    answer = house.about(do.Delete, "ana", "chat")
    endpoints.remove(house.installation, "reader")
    certificates.advance_erasures(house.installation, at_once=True)
    assert answer.erasure is not None
    (one,) = certificates.status(house.installation, f"era_{answer.erasure.hex}").hosts
    assert (one.endpoint, one.acknowledged_at) == ("reader", None)


# The commands, and a deliverer that is killed


class Operator:
    """Types commands at an installation whose clock says what it is told."""

    def __init__(self, dsn: str, folder: Path, at: str | None = "2025-12-01") -> None:
        self.folder, self.at = folder, at
        self.environment = {
            "LICET_DATABASE_URL": dsn,
            "LICET_DATA": str(folder),
            "LICET_WEBHOOKS__INSIDE": "127.0.0.1",
        }
        folder.mkdir()
        if at is not None:
            save(folder, SimulatedClock(instant(at)))
        self.run("init", "--preset", "article-2025")

    def run(self, *arguments: str | Path, code: int = 0) -> Result:
        result = CliRunner(env=self.environment).invoke(main, [str(each) for each in arguments])
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def people(self, count: int) -> None:
        """Opens accounts that allow and then withdraw: three events each."""
        config = Configuration.from_environment(self.environment)
        moment = instant(self.at) if self.at is not None else utc_now()
        with open_installation(config, lambda: moment) as installation:
            key, commands = load_host_key(installation), []
            at = installation.clock()
            for n in range(count):
                account = uuid7(at, os.urandom(10))
                commands += [
                    do.OpenAccount(
                        account=account,
                        at=at,
                        host=host_hmac(key, "account", f"p{n}"),
                        plan="pro",
                        age=30,
                    ),
                    do.Choose(account=account, at=at, allow=True),
                    do.Choose(account=account, at=at, allow=False),
                ]
            verbs.apply_commands(installation, commands)


def test_the_commands_do_what_the_verbs_do(dsn: str, tmp_path: Path, receiver: Receiver) -> None:
    operator = Operator(dsn, tmp_path / "data")
    assert "there is no endpoint" in operator.run("events", code=1).stderr
    operator.run("webhooks", "add", "chat", "--url", "http://10.0.0.1/", code=64)
    added = operator.json("webhooks", "add", "chat", "--url", receiver.url)
    receiver.secret = added["secret"]
    assert (
        operator.json("webhooks", "add", "reader", "--kind", "conversation.must_leave")["secret"]
        is None
    )
    operator.run("webhooks", "add", "chat", "--url", receiver.url, code=1)
    operator.people(2)
    lines = [json.loads(line) for line in operator.run("events").stdout.splitlines()]
    assert [line["type"] for line in lines] == [
        "choice.changed",
        "choice.changed",
        "conversation.must_leave",
    ] * 2
    assert (
        json.loads(operator.run("events", "--since", lines[-2]["cursor"]).stdout)["id"]
        == lines[-1]["id"]
    )
    receiver.answers = lambda _: 500
    assert operator.json("webhooks", "run", "--once", code=1)["failed"] == {"500": 2}
    listed = operator.json("webhooks", "list", code=1)["endpoints"]
    assert [(one["endpoint"], one["blocked"], one["waiting"]) for one in listed] == [
        ("chat", 2, 6),
        ("reader", 0, 0),
    ]
    assert "FAILS since" in operator.run("webhooks", "list", code=1).stdout
    receiver.answers = lambda _: 200
    assert operator.json("webhooks", "resume", "chat", "--dry-run")["events"] == 6
    assert operator.json("webhooks", "resume", "chat")["events"] == 6
    receiver.secret = operator.json("webhooks", "rotate", "chat", "--overlap-hours", "0")["secret"]
    assert operator.json("webhooks", "run", "--once") == {
        "delivered": 6,
        "failed": {},
        "disabled": [],
    }
    assert receiver.refused == []
    assert operator.json("webhooks", "remove", "chat", "--dry-run") == operator.json(
        "webhooks", "remove", "chat"
    )
    assert [one["endpoint"] for one in operator.json("webhooks", "list")["endpoints"]] == ["reader"]


@contextmanager
def running(operator: Operator) -> Iterator[subprocess.Popen[str]]:
    code = "from licet.cli import main; main()"
    command = [sys.executable, "-c", code, "webhooks", "run", "--json"]
    environment = {**os.environ, **operator.environment}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as made:
        try:
            yield made
        finally:
            made.kill()


def test_a_deliverer_killed_in_the_middle_loses_nothing_and_keeps_the_order(
    dsn: str, tmp_path: Path, receiver: Receiver
) -> None:
    operator = Operator(dsn, tmp_path / "data", at=None)
    receiver.secret = operator.json("webhooks", "add", "chat", "--url", receiver.url)["secret"]
    operator.people(100)
    dead = threading.Event()

    def answer(_: dict[str, Any]) -> int:
        if len(receiver.taken) >= 200:
            wait_until(dead.is_set, "the deliverer is killed")
        return 204

    receiver.answers = answer
    with running(operator) as deliverer:
        wait_until(lambda: len(receiver.taken) >= 200, "nothing came")
        deliverer.kill()
        deliverer.wait(600)
        dead.set()
    assert len({m["id"] for m in receiver.taken}) < 300, "it was killed in the middle"
    with running(operator) as deliverer:
        wait_until(lambda: len({m["id"] for m in receiver.taken}) == 300, "something was lost")
        deliverer.send_signal(signal.SIGTERM)
        deliverer.communicate(timeout=600)
        assert deliverer.returncode == 0
    assert receiver.refused == []
    again = [count for count in Counter(m["id"] for m in receiver.taken).values() if count > 1]
    assert len(again) <= delivery.UNRECORDED_MAX, (
        "no more again than it had not recorded when it was killed"
    )
    sent = {m["id"] for m in receiver.taken}
    assert sent == {json.loads(line)["id"] for line in operator.run("events").stdout.splitlines()}


def test_after_a_restore_a_deletion_is_told_again_and_no_endpoint_is_sent_anything_until_somebody_has_looked(
    tmp_path: Path, fast: embedded.Options, receiver: Receiver
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    config = Configuration(data=folder, webhooks=Webhooks(inside=("127.0.0.1",)))
    embedded.start(folder / "postgres", fast)
    try:
        with open_installation(config, lambda: BEGIN) as installation:
            policy_changes.apply_policy(installation, preset("article-2025"), actor="test")
            account = uuid7(BEGIN, os.urandom(10))
            verbs.apply_commands(
                installation,
                [do.OpenAccount(account=account, at=BEGIN, host=b"a" * 16, plan="pro", age=30)],
            )
            endpoints.add(installation, "chat", receiver.url)
            kept = archives.back_up(installation, tmp_path / "backups")
            receiver.secret = endpoints.rotate(installation, "chat", 0).secret
            (closed,) = verbs.apply_commands(
                installation, [do.CloseAccount(account=account, at=BEGIN + DAY)]
            )
            before = feed.events_after(installation).items[-1]
        archives.restore(config, kept.folder, lambda: BEGIN + DAY)
        with open_installation(config, lambda: BEGIN + DAY) as installation:
            (again,) = feed.events_after(installation, before.cursor).items
            assert (again.type, again.data) == (before.type, before.data)
            assert closed.erasure is not None
            assert again.data["erasure"] == f"era_{closed.erasure.hex}"
            assert delivery.deliver_due(installation).is_idle
            (seen,) = endpoints.list_endpoints(installation)
            assert (seen.disabled_because, seen.waiting) == ("restored", 1)
            assert receiver.attempts == []
    finally:
        embedded.stop(folder / "postgres")


def test_a_request_is_told_when_it_is_received_and_when_it_ends(house: House) -> None:
    pull(house)
    house.open("ana", allow=True)
    account = house.accounts["ana"]

    def asked(account_id: Any) -> str:
        entered = EnteredRequest(
            kind=RightKind.access,
            words="the planted words",
            identity="a passport",
            account=account_id,
            region="DE",
        )
        return rights_requests.enter(house.installation, entered, "staff:ada@example.org").shown_id

    asked(None)  # of somebody without an account there is nobody to tell
    request = asked(account)
    rights_requests.take_step(
        house.installation, request, StaffAct.acknowledge, "staff:ada@example.org"
    )
    rights_requests.take_step(
        house.installation,
        request,
        StaffAct.answer,
        "staff:ada@example.org",
        words="the planted answer",
    )
    told = [
        one
        for one in heard(house)
        if one.type in (EventKind.request_received, EventKind.request_ended)
    ]
    shown_account = format_id(Prefix.account, account)
    assert [(one.type, one.data) for one in told] == [
        (
            EventKind.request_received,
            {
                "account": shown_account,
                "request": request,
                "right": "access",
                "due": "2025-10-01T00:00:00Z",
            },
        ),
        (
            EventKind.request_ended,
            {"account": shown_account, "request": request, "right": "access", "state": "answered"},
        ),
    ]

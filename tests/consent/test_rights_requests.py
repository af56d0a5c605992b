"""Requests of people: each step is on record, what is written is sealed and dies with its account,
and hosts hear of it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from licet.consent import request_register, rights_requests
from licet.consent.deadlines import RightKind
from licet.consent.request_register import RequestRow
from licet.consent.rights import ReceivedVia, RequestState
from licet.consent.rights_requests import (
    EnteredRequest,
    ReplyToRequest,
    SeenRequest,
    SendRequest,
    StaffAct,
    WithdrawRequest,
)
from licet.doctor import examine
from licet.erasure import epochs, sweeper
from licet.erasure.key_rotation import Rotation
from licet.errors import BrokenError, LicetError, NotFoundError, RefusedError, UsageError
from licet.keys.material import request_place, unseal
from licet.policy.state import GrantStanding
from licet.proof import documents
from licet.store.connect import transaction
from licet.vault import account_view, verbs
from licet.vault import commands as do
from licet.vault.commands import SetRegion
from licet.vault.ids import Prefix, format_id, parse
from licet.vault.requests import VerbRequest, Write, WriteBatch

from ..installed import House

SENTENCE = "my sister Ilka still writes from the lighthouse"
OFFICER = "staff:ada@example.org"


@pytest.fixture
def house(house: House) -> House:
    for name in ("ana", "ben"):
        house.open(name, allow=True)
    return house


def due(house: House) -> list[SeenRequest]:
    """The open requests of everybody, the first due first."""
    return rights_requests.list_requests(
        house.installation, states=(RequestState.open, RequestState.paused)
    )


def ask(house: House, verb: VerbRequest) -> object:
    """A verb of a person, as the web's writer applies it."""
    with transaction(house.installation.pool) as tx:
        (result,) = WriteBatch(house.installation.keyring, house.clock).apply(
            tx, [Write(command=verb)]
        )
    if isinstance(result, LicetError):
        raise result
    return result.finished


def send(
    house: House, name: str, kind: str, words: str = "", via: ReceivedVia = ReceivedVia.page
) -> str:
    row = ask(
        house,
        SendRequest(
            account=house.accounts[name],
            at=house.now,
            keyring=house.installation.keyring,
            kind=RightKind(kind),
            words=words,
            via=via,
        ),
    )
    assert isinstance(row, RequestRow)
    return format_id(Prefix.request, row.request)


def lives_in(house: House, name: str, region: str | None) -> None:
    verbs.apply_commands(
        house.installation, [SetRegion(account=house.accounts[name], at=house.now, region=region)]
    )


def act(
    house: House, request: str, what: str, reason: str = "", words: str = "We looked into it."
) -> SeenRequest:
    found = rights_requests.take_step(
        house.installation, request, StaffAct(what), OFFICER, reason=reason, words=words
    )
    return rights_requests.detail(found, house.now, for_staff=True)


def steps(found: SeenRequest) -> list[tuple[str, str, str]]:
    return [(one.step.value, one.by, one.words) for one in found.steps]


def test_a_request_runs_from_its_page_to_its_answer(house: House) -> None:
    lives_in(house, "ana", "DE")
    request = send(house, "ana", "rectification", "I was born in 1990.")
    (open_one,) = due(house)
    assert (open_one.id, open_one.laws, open_one.acknowledged_at) == (request, ("GDPR",), house.now)
    assert open_one.due_at == house.now.replace(month=10)
    act(house, request, "pause", "clarification", "Where is it wrong?")
    house.passes(5)
    ask(
        house,
        ReplyToRequest(
            account=house.accounts["ana"],
            at=house.now,
            keyring=house.installation.keyring,
            request=request_id(request),
            words="In the profile.",
        ),
    )
    extended = act(house, request, "extend", "complexity", "It is in four places.")
    assert extended.due_at == open_one.received_at.replace(month=12) + timedelta(days=5)
    found = act(house, request, "answer", words="It says 1990 now.")
    assert steps(found) == [
        ("received", "person", "I was born in 1990."),
        ("acknowledged", "licet", ""),
        ("paused", OFFICER, "Where is it wrong?"),
        ("replied", "person", "In the profile."),
        ("extended", OFFICER, "It is in four places."),
        ("answered", OFFICER, "It says 1990 now."),
    ]
    assert found.state is RequestState.answered and due(house) == []


def request_id(text: str):

    return parse(Prefix.request, text)


def test_the_region_is_the_one_of_the_receipt(house: House) -> None:
    lives_in(house, "ana", "US-CA")
    request = send(house, "ana", "access")
    lives_in(house, "ana", "DE")
    assert rights_requests.get_request(house.installation, request).region == "US-CA"
    lives_in(house, "ana", None)
    assert rights_requests.get_request(house.installation, send(house, "ana", "access")).laws == (
        "GDPR",
        "UK GDPR",
        "CCPA",
        "LGPD",
    )


@pytest.mark.parametrize("kind", ["objection", "restriction"])
def test_an_objection_is_the_no_to_every_question(house: House, kind: str) -> None:
    house.say("ana", "pears", "How do I prune a pear tree?")
    request = send(house, "ana", kind)
    with transaction(house.installation.pool) as tx:
        state = account_view.load_accounts(tx, [house.accounts["ana"]])[house.accounts["ana"]].state
    assert state.grants == () and all(
        one.standing is GrantStanding.withdrawn for one in state.standings
    )
    found = rights_requests.get_request(house.installation, request)
    assert [step for step, *_ in steps(found)] == [
        "received",
        "acknowledged",
        "no_recorded",
        "answered",
    ]
    assert found.state is RequestState.answered
    also = rights_requests.get_request(
        house.installation, send(house, "ana", kind, "And the safety copy?")
    )
    assert also.state is RequestState.open and ("no_recorded", "licet", "") in steps(also)


def test_no_other_request_answers_for_its_person(house: House) -> None:
    for kind in RightKind:
        if kind not in (RightKind.objection, RightKind.restriction):
            send(house, "ana", kind.value, "Please.")
    with transaction(house.installation.pool) as tx:
        state = account_view.load_accounts(tx, [house.accounts["ana"]])[house.accounts["ana"]].state
    assert state.grants != ()


def test_a_person_sees_that_staff_took_a_step_and_not_who(house: House) -> None:
    request = send(house, "ana", "complaint", "You asked twice.")
    act(house, request, "refuse", "unfounded", "We asked once.")
    with transaction(house.installation.pool) as tx:
        row = rights_requests.get_own(tx, house.accounts["ana"], request_id(request))
        found = rights_requests.open_request(tx, house.installation.keyring, row)
    told = rights_requests.detail(found, house.now, for_staff=False)
    assert [one.by for one in told.steps] == ["person", "licet", "staff"]
    assert told.steps[-1].reason == "unfounded" and told.steps[-1].words == "We asked once."


def test_what_is_another_s_is_not_there(house: House) -> None:
    request = request_id(send(house, "ana", "access"))
    for verb in (
        ReplyToRequest(
            account=house.accounts["ben"],
            at=house.now,
            keyring=house.installation.keyring,
            request=request,
            words="x",
        ),
        WithdrawRequest(
            account=house.accounts["ben"],
            at=house.now,
            keyring=house.installation.keyring,
            request=request,
        ),
    ):
        with pytest.raises(NotFoundError):
            ask(house, verb)


def test_a_request_that_is_taken_back_is_over(house: House) -> None:
    request = send(house, "ana", "erasure", "All of it.")
    ask(
        house,
        WithdrawRequest(
            account=house.accounts["ana"],
            at=house.now,
            keyring=house.installation.keyring,
            request=request_id(request),
        ),
    )
    assert rights_requests.get_request(house.installation, request).state is RequestState.withdrawn
    with pytest.raises(RefusedError) as refused:
        act(house, request, "answer")
    assert refused.value.because == "ended"


def test_of_two_acts_in_one_batch_the_second_sees_what_the_first_did(house: House) -> None:
    """A withdrawal and a reply, or a withdrawal twice, that are written together."""
    for words in (None, "the one of May"):
        request = send(house, "ana", "access", "all of it")
        act(house, request, "pause", "clarification", "Which one?")
        about: dict[str, Any] = {
            "account": house.accounts["ana"],
            "at": house.now,
            "keyring": house.installation.keyring,
            "request": request_id(request),
        }
        second = WithdrawRequest(**about) if words is None else ReplyToRequest(**about, words=words)
        with transaction(house.installation.pool) as tx:
            first, then = WriteBatch(house.installation.keyring, house.clock).apply(
                tx, [Write(command=WithdrawRequest(**about)), Write(command=second)]
            )
        assert not isinstance(first, LicetError)
        assert isinstance(then, RefusedError)
        found = rights_requests.get_request(house.installation, request)
        assert found.state.value == "withdrawn"
        assert [one.step.value for one in found.steps].count("withdrawn") == 1


@pytest.mark.parametrize(
    ("what", "reason", "words"),
    [
        ("pause", "lunch", "x"),
        ("extend", "", "x"),
        ("refuse", "because", "x"),
        ("answer", "", " "),
        ("pause", "identity", ""),
    ],
)
def test_staff_give_a_reason_of_the_list_and_words(
    house: House, what: str, reason: str, words: str
) -> None:
    request = send(house, "ana", "access")
    with pytest.raises(UsageError):
        act(house, request, what, reason, words)
    assert len(rights_requests.get_request(house.installation, request).steps) == 2


def test_an_account_has_a_bounded_number_of_open_requests(house: House) -> None:
    for _ in range(rights_requests.OPEN_REQUESTS_MAX):
        send(house, "ana", "access")
    with pytest.raises(RefusedError) as refused:
        send(house, "ana", "access")
    assert refused.value.because == "too_many_requests"
    send(house, "ben", "access")


def test_a_closed_account_sends_none(house: House) -> None:
    house.account(do.CloseAccount, "ana")
    with pytest.raises(RefusedError, match="closed"):
        send(house, "ana", "access")


def test_what_a_person_wrote_is_nowhere_in_clear_and_dies_with_the_account(house: House) -> None:
    request = send(house, "ana", "complaint", SENTENCE)
    act(house, request, "answer", words=f"We read that {SENTENCE}.")
    assert not any(SENTENCE in row for rows in house.dump().values() for row in rows)
    house.account(do.CloseAccount, "ana")
    house.passes(40)
    documents.append(house.installation)
    sweeper.sweep(house.installation)
    found = rights_requests.get_request(house.installation, request)
    assert found.readable is False and {one.words for one in found.steps} == {""}
    assert [one.step.value for one in found.steps] == ["received", "acknowledged", "answered"]


def entered(**more: object) -> EnteredRequest:
    given = {
        "kind": RightKind.erasure,
        "words": SENTENCE,
        "identity": "a passport, seen by Ada",
    } | more
    return EnteredRequest(**given)  # type: ignore[arg-type]  # fields by name


def test_staff_enter_a_request_of_somebody_without_an_account(house: House) -> None:
    came = house.now - timedelta(days=3)
    row = rights_requests.enter(
        house.installation, entered(region="FR", received_at=came), OFFICER
    ).row
    found = rights_requests.get_request(house.installation, format_id(Prefix.request, row.request))
    assert (found.account, found.via, found.received_at, found.acknowledged_at) == (
        None,
        ReceivedVia.staff,
        came,
        None,
    )
    assert found.due_at == came.replace(month=9)
    assert steps(found) == [
        ("received", OFFICER, SENTENCE),
        ("identified", OFFICER, "a passport, seen by Ada"),
    ]
    assert not any(SENTENCE in row for rows in house.dump().values() for row in rows)


@pytest.mark.parametrize(
    "more",
    [
        {"identity": " "},
        {"words": ""},
        {"region": "France"},
        {"received_at": "later"},
        {"received_at": "long ago"},
    ],
)
def test_what_is_entered_is_whole(house: House, more: dict[str, object]) -> None:
    days = {"later": 1, "long ago": -400}
    if "received_at" in more:
        more = {"received_at": house.now + timedelta(days=days[str(more["received_at"])])}
    with pytest.raises(UsageError):
        rights_requests.enter(house.installation, entered(**more), OFFICER)
    assert due(house) == []


def test_a_request_of_an_account_that_is_not_there_is_refused(house: House) -> None:
    nobody = UUID(int=7)
    with pytest.raises(NotFoundError, match="no account"):
        rights_requests.enter(house.installation, entered(account=nobody), OFFICER)
    assert due(house) == []


def test_what_somebody_without_an_account_wrote_is_forgotten_two_years_after_the_end(
    house: House,
) -> None:
    row = rights_requests.enter(house.installation, entered(), OFFICER).row
    request = format_id(Prefix.request, row.request)
    with transaction(house.installation.pool) as tx:
        key = house.installation.keyring.request_key(tx, row.request)
    (sealed,) = house.query("SELECT words FROM rights_steps WHERE step = 'received'")[0]
    assert SENTENCE.encode() not in sealed and unseal(key, sealed, request_place(row.request, 0))
    with pytest.raises(BrokenError):
        unseal(key, sealed, request_place(row.request, 1))
    act(house, request, "answer")
    house.now = request_register.RECORD.after(house.now) - timedelta(seconds=1)
    sweeper.sweep(house.installation)
    assert rights_requests.get_request(house.installation, request).steps[0].words == SENTENCE
    house.passes(1)
    sweeper.sweep(house.installation)
    found = rights_requests.get_request(house.installation, request)
    assert found.readable is False and {one.words for one in found.steps} == {""}
    assert house.query("SELECT count(*) FROM secrets WHERE name LIKE 'request_%%'") == [(0,)]


def test_a_rotation_leaves_what_was_written_readable(house: House) -> None:
    row = rights_requests.enter(house.installation, entered(), OFFICER).row
    mine = send(house, "ana", "complaint", SENTENCE)
    epochs.rotate(house.installation, Rotation.weekly)
    for request in (format_id(Prefix.request, row.request), mine):
        assert rights_requests.get_request(house.installation, request).steps[0].words == SENTENCE


def test_the_list_is_by_due_date_and_goes_on_behind_a_request(house: House) -> None:
    lives_in(house, "ana", "DE")
    lives_in(house, "ben", "US-CA")
    later = [send(house, "ben", "access", via=ReceivedVia.api), send(house, "ana", "erasure")]
    first = send(house, "ana", "access")
    house.passes(15)
    listed = rights_requests.list_requests(house.installation)
    assert {one.id for one in listed} == {*later, first} and listed[-1].id == later[0]
    # its receipt was never confirmed
    assert [one.overdue for one in listed] == [False, False, True]
    assert [
        one.id for one in rights_requests.list_requests(house.installation, after=listed[0].id)
    ] == [one.id for one in listed[1:]]
    assert [
        one.id
        for one in rights_requests.list_requests(house.installation, kinds=[RightKind.erasure])
    ] == [later[1]]
    act(house, first, "answer")
    assert [
        one.id
        for one in rights_requests.list_requests(house.installation, states=[RequestState.answered])
    ] == [first]
    assert first not in {one.id for one in due(house)}


def test_the_open_requests_are_counted_as_their_clocks_have_them(house: House) -> None:
    lives_in(house, "ana", "DE")
    lives_in(house, "ben", "US-CA")
    waits, _, _ = (
        send(house, "ana", "access"),
        send(house, "ana", "erasure"),
        send(house, "ben", "access", via=ReceivedVia.api),
    )
    act(house, waits, "pause", "identity", "Who are you?")
    act(house, send(house, "ana", "access"), "answer")
    for _ in range(8):
        house.passes(7)
        listed = due(house)
        with transaction(house.installation.pool) as tx:
            counted = request_register.open_requests(tx, house.now)
        late = [one for one in listed if one.overdue]
        coming = [one.due_at for one in listed if not one.overdue]
        assert (counted.open, counted.overdue, counted.next_due) == (
            len(listed),
            len(late),
            min(coming, default=None),
        )
    assert counted.overdue == 2
    assert [
        one.what
        for one in examine(house.installation)
        if one.what == "requests" and "2 of 3" in one.seen
    ]


@pytest.mark.parametrize("kind", ["objection", "restriction"])
@pytest.mark.parametrize("plan", ["pro", "team"])
def test_a_no_is_claimed_only_where_the_choice_is_on_record(
    house: House, kind: str, plan: str
) -> None:
    house.open("carl", plan=plan)
    found = rights_requests.get_request(house.installation, send(house, "carl", kind))
    recorded = house.query(
        "SELECT count(*) FROM choices WHERE account_id = %s AND NOT allow AND via = 'rights'",
        house.accounts["carl"],
    )[0][0]
    claimed = [step for step, *_ in steps(found)].count("no_recorded")
    assert (recorded > 0) == (claimed == 1), (recorded, claimed)
    assert (found.state is RequestState.answered) == (claimed == 1)

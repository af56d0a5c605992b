"""An item of the inbox: who has it, what is done with it, what is kept of that, and who reads
it.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from licet.access import inbox_register, sessions
from licet.access.inbox_register import ItemSubject
from licet.access.roles import StaffRole
from licet.consent import rights_requests
from licet.consent.deadlines import PauseReason, RightKind
from licet.consent.rights_requests import EnteredRequest, StaffAct
from licet.errors import DeniedError, NotFoundError, RefusedError, UsageError
from licet.proof import documents
from licet.release.signatures import StaffMember
from licet.service import inbox, inbox_verbs
from licet.service.inbox import HeldFilter, InboxView, ItemSort
from licet.service.inbox_sources import ItemKind
from licet.service.inbox_verbs import InboxResult
from licet.service.staff_verb import VerbCall
from licet.store.connect import transaction
from licet.vault.commands import CloseAccount, Hold

from .served import NOTICE, World, api, world
from .test_console import form

__all__ = ["api", "world"]


def member(world: World, email: str, *roles: StaffRole) -> StaffMember:
    with transaction(world.installation.pool) as tx:
        staff = sessions.find_or_add_staff(tx, email, world.wall, os.urandom)
        if roles:
            tx.execute("UPDATE staff SET roles = %s WHERE staff_id = %s", [list(roles), staff])
    return StaffMember(staff_id=staff, email=email, roles=frozenset(roles), via="console")


def asked(world: World, name: str | None = "ana", *, region: str = "DE", days_ago: int = 0) -> str:
    entered = EnteredRequest(
        kind=RightKind.access,
        words="all of it",
        identity="a passport",
        account=world.accounts[name] if name else None,
        region=region,
        received_at=world.clock.now - timedelta(days=days_ago),
    )
    return rights_requests.enter(world.installation, entered, "staff:ada@example.org").shown_id


def step(world: World, by: StaffMember, item: str, word: str, **sent: Any) -> InboxResult:
    """A step about an item, or an act on it."""
    (verb,) = [verb for verb in inbox_verbs.VERBS if verb.path.endswith(f"/{word}")]
    done: InboxResult = verb.run(
        VerbCall(
            installation=world.installation,
            actor=f"staff:{by.email}",
            member=by,
            wall=world.wall,
            sent=verb.takes(**sent),
            target=item,
        )
    )
    return done


def names(world: World, by: StaffMember, **view: Any) -> list[str]:
    return [one.item for one in inbox.page(world.installation, by, InboxView(**view)).items]


def offered(world: World, by: StaffMember, item: str) -> list[str]:
    """The acts that can be done about an item now."""
    seen = inbox.get(world.installation, by, item)
    return [act.name for act, why in inbox_verbs.list_acts(world.installation, by, seen) if not why]


@pytest.fixture
def lived(world: World) -> World:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    return world


@pytest.fixture
def ada(lived: World) -> StaffMember:
    return member(lived, "ada@example.org", StaffRole.privacy_officer)


@pytest.fixture
def bea(lived: World) -> StaffMember:
    return member(lived, "bea@example.org", StaffRole.privacy_officer)


def test_of_two_who_take_an_item_at_once_one_has_it_and_the_other_is_told_who(
    lived: World, ada: StaffMember, bea: StaffMember
) -> None:
    item, together = f"request:{asked(lived)}", Barrier(2)

    def take(by: StaffMember) -> str:
        together.wait()
        try:
            return step(lived, by, item, "take").seen.holder or ""
        except RefusedError as error:
            return f"refused: {error.message}"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(take, (ada, bea)))
    has = said[0]
    assert has in (ada.email, bea.email)
    assert said[1].startswith(f"refused: `{has}` has it since 2025-")
    assert lived.rows("SELECT step FROM inbox_steps") == [("taken",)]


def test_what_somebody_has_is_listed_by_when_it_is_due(lived: World, ada: StaffMember) -> None:
    new, old, between = (f"request:{asked(lived, days_ago=days)}" for days in (1, 20, 10))
    for item in (between, new, old):
        step(lived, ada, item, "take")
    assert names(lived, ada, held=HeldFilter.me) == [old, between, new]


def test_an_item_is_taken_handed_on_noted_and_given_back_each_by_what_was_seen(
    lived: World, ada: StaffMember, bea: StaffMember
) -> None:
    item = f"request:{asked(lived)}"
    assert names(lived, ada, held=HeldFilter.nobody) == [item]
    step(lived, ada, item, "take")
    assert (names(lived, ada, held=HeldFilter.me), names(lived, bea, held=HeldFilter.me)) == (
        [item],
        [],
    )
    assert (
        names(lived, ada, held=HeldFilter.nobody),
        names(lived, bea, held=HeldFilter.somebody),
    ) == ([], [item])
    step(lived, ada, item, "take")
    with pytest.raises(RefusedError, match=r"`ada@example\.org` has it"):
        step(lived, bea, item, "give-back")
    with pytest.raises(UsageError, match="`reason` is empty"):
        step(lived, ada, item, "hand", to=bea.email, reason=" ")
    member(lived, "cy@example.org", StaffRole.curator)
    with pytest.raises(RefusedError, match="has no role"):
        step(lived, ada, item, "hand", to="cy@example.org", reason="I am away")
    step(lived, ada, item, "hand", to=bea.email, reason="I am away")
    with pytest.raises(RefusedError, match=r"`bea@example\.org` has it"):
        step(lived, ada, item, "hand", to=ada.email, reason="no, mine")
    step(lived, ada, item, "note", reason="She rang twice")
    seen = step(lived, ada, item, "give-back", reason="Bea is ill", holder=bea.email).seen
    assert (seen.holder, [(one.step.value, one.by, one.to, one.words) for one in seen.steps]) == (
        None,
        [
            ("taken", ada.email, None, ""),
            ("handed", ada.email, bea.email, "I am away"),
            ("noted", ada.email, None, "She rang twice"),
            ("given_back", ada.email, None, "Bea is ill"),
        ],
    )
    with pytest.raises(RefusedError, match="nobody has it"):
        step(lived, bea, item, "give-back")


def test_an_act_is_on_record_with_its_reason_and_ends_the_item_and_a_refused_one_says_so(
    lived: World, ada: StaffMember, bea: StaffMember
) -> None:
    chat = lived.say("ana", "Pears", "roots")
    review = lived.clock.now + timedelta(days=90)
    lived.tell(
        Hold(
            account=lived.accounts["ana"],
            at=lived.clock.now,
            conversation=UUID(hex=chat[5:]),
            matter="M v. N",
            review_at=review,
        )
    )
    lived.clock.set(review)
    (item,) = names(lived, ada, kind=ItemKind.hold)
    with pytest.raises(UsageError, match="`reason` is empty"):
        step(lived, ada, item, "act", act="end", reason="", matter="M v. N")
    with pytest.raises(NotFoundError, match="another matter"):
        step(lived, ada, item, "act", act="end", reason="It is over", matter="M")
    later = review + timedelta(days=30)
    step(lived, ada, item, "act", act="review", reason="Not yet", matter="M v. N", review_at=later)
    assert names(lived, ada, kind=ItemKind.hold) == []
    lived.clock.set(later)
    assert names(lived, ada, kind=ItemKind.hold) == [item]
    step(lived, bea, item, "take")
    with pytest.raises(RefusedError, match=r"`bea@example\.org` has it"):
        step(lived, ada, item, "act", act="end", reason="It is over", matter="M v. N")
    seen = step(lived, bea, item, "act", act="end", reason="It is over", matter="M v. N").seen
    assert (seen.waits, seen.holder) == (None, None)
    assert [(one.act, one.done, one.words) for one in seen.steps if one.act] == [
        ("end", False, "It is over"),
        ("review", True, "Not yet"),
        ("end", True, "It is over"),
    ]
    assert lived.rows("SELECT count(*) FROM holds") == [(0,)]
    with pytest.raises(RefusedError, match="nothing of it waits"):
        step(lived, ada, item, "take")
    told = lived.rows(
        "SELECT payload::json ->> 'act', payload FROM outbox WHERE entry = 'staff_acted' "
        "ORDER BY outbox_id"
    )
    assert [act for act, _ in told] == ["end", "review", "taken", "end"]
    assert not any("It is over" in payload or "Not yet" in payload for _, payload in told)


def test_the_person_reads_what_was_done_but_nothing_of_a_hold_that_they_may_not_be_told_of(
    lived: World, ada: StaffMember
) -> None:
    item, account = f"request:{asked(lived)}", lived.accounts["ana"]
    step(lived, ada, item, "note", reason="She rang twice")
    chat = lived.say("ana", "Pears", "roots")
    review = lived.clock.now + timedelta(days=90)
    lived.tell(
        Hold(
            account=account,
            at=lived.clock.now,
            conversation=UUID(hex=chat[5:]),
            matter="M",
            review_at=review,
            is_told=False,
        )
    )
    lived.clock.set(review)
    (held,) = names(lived, ada, kind=ItemKind.hold)
    step(lived, ada, held, "note", reason="Secret matter")
    step(lived, ada, held, "act", act="end", reason="Secret end", matter="M")
    with transaction(lived.installation.pool) as tx:
        told = inbox_register.list_by_account(tx, lived.installation.keyring, account, 10)
    assert [one.words for one in told] == ["She rang twice"]


def test_what_is_written_about_a_person_is_sealed_and_opens_no_more_once_their_keys_are_destroyed(
    lived: World, ada: StaffMember
) -> None:
    item, account = f"request:{asked(lived)}", lived.accounts["ana"]
    step(lived, ada, item, "note", reason="She rang twice")
    assert not any(
        "rang" in str(row) or b"rang" in row[-1]
        for row in lived.rows("SELECT words FROM inbox_steps")
    )
    lived.tell(CloseAccount(account=account, at=lived.clock.now))
    with transaction(lived.installation.pool) as tx:
        tx.execute(
            "UPDATE accounts SET wrapped_key = %s WHERE account_id = %s", [bytes(60), account]
        )
        about = ItemSubject(item=item, account=account)
        assert [
            one.words for one in inbox_register.list_steps(tx, lived.installation.keyring, about)
        ] == [""]
        inbox_register.add_note(
            tx,
            lived.installation.keyring,
            about,
            ada.staff_id,
            lived.clock.now,
            "Nothing of this is kept",
        )
        assert tx.execute("SELECT words FROM inbox_steps WHERE step_no = 1").fetchall() == [(None,)]


def test_a_request_of_somebody_without_an_account_has_notes_under_its_own_key(
    lived: World, ada: StaffMember
) -> None:
    item = f"request:{asked(lived, None)}"
    seen = step(lived, ada, item, "note", reason="A letter came").seen
    assert [one.words for one in seen.steps] == ["A letter came"]
    told = lived.rows(
        "SELECT entry, payload::json ->> 'kind' FROM outbox WHERE entry LIKE '%%_acted'"
    )
    assert told == [("work_acted", "request")]


def test_pages_of_the_inbox_together_have_every_item_once_in_order_whatever_their_size(
    lived: World, ada: StaffMember
) -> None:
    for number in range(7):
        asked(lived, days_ago=number, region=("DE", "US-CA", "FR")[number % 3])
    for number in range(3):
        stopped = asked(lived, None, days_ago=number)
        rights_requests.take_step(
            lived.installation, stopped, StaffAct.acknowledge, "staff:ada@example.org"
        )
        rights_requests.take_step(
            lived.installation,
            stopped,
            StaffAct.pause,
            "staff:ada@example.org",
            reason=PauseReason.identity.value,
            words="Who?",
        )
    lived.clock.set(lived.clock.now + timedelta(days=3))
    documents.append(lived.installation)
    both = member(lived, "olga@example.org", StaffRole.owner, StaffRole.privacy_officer)
    for sort in ItemSort:
        whole = inbox.page(lived.installation, both, InboxView(sort=sort)).items
        assert len(whole) == 11, "ten requests, and no backup is on record"
        dates = [one.due_at for one in whole if one.due_at is not None]
        assert dates == sorted(dates), sort
        for most in (1, 2, 3, 10):
            found, after = list[str](), ""
            while True:
                page = inbox.page(
                    lived.installation, both, InboxView(sort=sort, limit=most, after=after)
                )
                found += [one.item for one in page.items]
                lived.clock.set(lived.clock.now + timedelta(minutes=1))
                if page.next is None:
                    break
                after = page.next
            assert found == [one.item for one in whole], (sort, most)


@pytest.mark.parametrize("after", ["x", "W10", "WyIyMDI1LTAxLTAxIl0", "é"])
def test_a_place_that_no_page_gave_is_refused(lived: World, ada: StaffMember, after: str) -> None:
    with pytest.raises(UsageError, match="the place to go on from"):
        inbox.page(lived.installation, ada, InboxView(after=after))


@pytest.mark.parametrize(
    "item",
    ["request:req_x", "request:", "nothing:x", "hold:conv_1+zz", "keys:daily-20200101", "é:x"],
)
def test_an_item_that_there_is_not_is_not_found(lived: World, ada: StaffMember, item: str) -> None:
    with pytest.raises(NotFoundError):
        inbox.get(lived.installation, ada, item)


def test_an_auditor_sees_the_steps_without_their_words_and_does_nothing(
    lived: World, ada: StaffMember
) -> None:
    item, auditor = f"request:{asked(lived)}", member(lived, "aud@example.org", StaffRole.auditor)
    step(lived, ada, item, "note", reason="She rang twice")
    seen = inbox.get(lived.installation, auditor, item)
    assert (seen.may_act, [one.words for one in seen.steps]) == (False, [""])
    with pytest.raises(DeniedError):
        step(lived, auditor, item, "take")
    with pytest.raises(NotFoundError):
        inbox.get(lived.installation, member(lived, "cy@example.org", StaffRole.curator), item)


@pytest.mark.parametrize(
    "role", [role for role in StaffRole if role is not StaffRole.privacy_officer]
)
def test_an_act_is_refused_to_every_role_but_those_who_may_do_it(
    lived: World, role: StaffRole
) -> None:
    """Whether they see the item or not: they are told who may."""
    item, other = f"request:{asked(lived)}", member(lived, "cy@example.org", role)
    with pytest.raises(DeniedError, match="may not do that") as refused:
        step(lived, other, item, "act", act="answer", reason="here it is")
    assert refused.value.hint == "these may: privacy_officer"
    if role is StaffRole.auditor:
        assert offered(lived, other, item) == []
    else:
        with pytest.raises(NotFoundError):
            offered(lived, other, item)


CODES = {StaffAct.pause: "identity", StaffAct.extend: "complexity", StaffAct.refuse: "unfounded"}


@pytest.mark.parametrize("region", ["DE", "US-CA", "KR"])
@pytest.mark.parametrize(
    "taken", [(), ("acknowledge",), ("pause",), ("pause", "resume"), ("extend",)]
)
def test_a_request_offers_the_steps_that_change_it_now_and_says_what_the_others_wait_for(
    lived: World, ada: StaffMember, taken: tuple[str, ...], region: str
) -> None:
    def moves(request: str, act: str) -> bool:
        values = {"reason": "as she asked", "code": CODES.get(StaffAct(act), "")}
        before = rights_requests.get_request(lived.installation, request)
        try:
            step(lived, ada, f"request:{request}", "act", act=act, **values)
        except RefusedError:
            return False
        return before != rights_requests.get_request(lived.installation, request)

    for act in StaffAct:
        request = asked(lived, region=region)
        for before in taken:
            moves(request, before)
        item = f"request:{request}"
        seen = inbox.get(lived.installation, ada, item)
        said = {one.name: why for one, why in inbox_verbs.list_acts(lived.installation, ada, seen)}
        assert (act in offered(lived, ada, item)) == (not said[act]) == moves(request, act), act


def test_over_the_api_a_step_with_a_key_is_taken_once_and_a_taken_item_says_who_has_it(
    api: Any, lived: World
) -> None:
    item = f"request:{asked(lived)}"
    ada, bea = (
        lived.staff(StaffRole.privacy_officer, email=f"{name}@example.org")
        for name in ("ada", "bea")
    )
    path, key = f"/v1/inbox/{item}", {"idempotency-key": "one"}
    listed = api.get("/v1/inbox?held=nobody", headers=ada).json()
    assert [one["item"] for one in listed["items"]] == [item]
    first = api.post(f"{path}/take", json={}, headers=ada | key)
    again = api.post(f"{path}/take", json={}, headers=ada | key)
    assert (first.status_code, again.status_code, again.headers.get("idempotent-replayed")) == (
        200,
        200,
        "true",
    )
    refused = api.post(f"{path}/take", json={}, headers=bea)
    assert (refused.status_code, "ada@example.org" in refused.text) == (409, True)
    assert api.post(f"{path}/note", json={"reason": "x" * 3_000}, headers=ada).status_code == 400
    values = {"act": "answer", "reason": "Here it is"}
    done = api.post(f"{path}/act", json=values, headers=ada | {"idempotency-key": "two"})
    assert (done.status_code, done.json()["waits"], done.json()["said"]) == (
        200,
        None,
        "The request is answered.",
    )
    assert (
        api.post(f"{path}/act", json=values, headers=ada | {"idempotency-key": "two"}).status_code
        == 200
    )
    assert api.post(f"{path}/act", json=values, headers=ada).status_code == 409
    lines = api.get("/v1/inbox.csv", headers=lived.staff(StaffRole.owner)).text.splitlines()
    assert lines[0].startswith("Item,Kind,Until")
    assert any(line.startswith("backup:none,backup,") for line in lines)
    assert api.get("/v1/inbox?cursor=x", headers=ada).status_code == 400


def test_in_the_console_an_item_is_taken_and_answered_on_its_page(api: Any, lived: World) -> None:
    item = f"request:{asked(lived)}"
    ada, bea = (
        lived.staff(StaffRole.privacy_officer, email=f"{name}@example.org")
        for name in ("ada", "bea")
    )
    path = f"/console/inbox/{item}"
    assert "Take it" in api.get(path, headers=ada).text
    assert api.post(f"{path}/take", **form(ada)).status_code == 303
    told = api.post(f"{path}/take", **form(bea))
    assert (told.status_code, "Ada@example.org has it since" in told.text) == (422, True)
    assert "ada@example.org" in api.get("/console/inbox?held=somebody", headers=bea).text
    empty = api.post(f"{path}/note", **form(ada, reason=" "))
    assert (empty.status_code, "Reason is empty" in empty.text) == (422, True)
    assert api.post(f"{path}/note", **form(ada, reason="She rang")).status_code == 303
    assert "She rang" in api.get(path, headers=ada).text
    assert "She rang" not in api.get(path, headers=lived.staff(StaffRole.auditor)).text
    assert (
        api.post(
            f"{path}/hand",
            **form(ada, to="bea@example.org", holder="ada@example.org", reason="away"),
        ).status_code
        == 303
    )
    assert (
        api.post(f"{path}/act", **form(bea, act="answer", reason="Here it is")).status_code == 303
    )
    assert "no longer in the inbox" in api.get(path, headers=bea).text
    assert api.get("/console/inbox/request:req_x", headers=ada).status_code == 404
    assert api.get("/console/inbox?held=x", headers=ada).status_code == 400
    assert api.get("/console/inbox?as=csv", headers=ada).text.startswith("Item,Kind,Until")


def test_an_act_is_ended_once_and_no_other_step_with_it(lived: World, ada: StaffMember) -> None:
    item, other = (ItemSubject(item=f"request:{name}") for name in ("one", "other"))
    keyring, by = lived.installation.keyring, ada.staff_id
    with transaction(lived.installation.pool) as tx:
        for subject in (item, other):
            inbox_register.add_note(tx, keyring, subject, by, lived.wall, "She rang")
            for _ in range(2):
                inbox_register.begin_act(tx, keyring, subject, by, lived.wall, "It is over", "end")
        for number, done in ((1, False), (1, True), (0, True)):
            inbox_register.end_act(tx, item.item, number, done=done)
        steps = [
            (step.number, step.done)
            for subject in (item, other)
            for step in inbox_register.list_steps(tx, keyring, subject)
        ]
    assert steps == [(0, None), (1, False), (2, None), (0, None), (1, None), (2, None)]


@pytest.mark.parametrize("letter", ["\ud800", "\udabc", "\udfff"])
def test_a_text_with_half_a_surrogate_pair_is_refused(letter: str) -> None:
    with pytest.raises(UsageError, match="half a surrogate pair"):
        inbox_register.check_words(f"as {letter} said", needed=True)
    inbox_register.check_words("as \ud7ff\ue000 said", needed=True)

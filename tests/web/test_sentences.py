"""What the pages of a person say follows from the state: each sentence is asked for in a state in
which it must be so.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from licet.consent import own_conversations
from licet.consent.catalogue import catalogue
from licet.erasure import sweeper
from licet.policy.file import from_document, preset
from licet.policy.period import instant
from licet.store.connect import transaction
from licet.vault.commands import Choose, CloseAccount, Delete, Hold, Narrow, SetPlan, Widen
from licet.vault.installation import load_policies

from .served import AFTER, NOTICE, ApplicationClient, World, api, url, world

__all__ = ["api", "url", "world"]  # fixtures

WORDS = catalogue("en")
DAY = timedelta(days=1)


def plain(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def page(world: World, api: Any, path: str, **headers: str) -> str:
    answer = api.get(path, headers={**world.browser("ana"), **headers})
    assert answer.status_code == 200, path
    return plain(answer.text)


def sent(api: Any, browser: dict[str, str], path: str, **fields: str) -> str:
    """The page that a form leads to."""
    answer = api.post(path, headers=browser, data=fields or {"": ""}, follow_redirects=False)
    if answer.status_code == 303:
        answer = api.get(answer.headers["location"].partition("#")[0], headers=browser)
    return plain(answer.text)


def mine(world: World) -> list[own_conversations.OwnConversation]:
    with transaction(world.installation.pool) as tx:
        known = load_policies(world.installation)
        return list(
            own_conversations.list_page(
                tx, world.installation.keyring, known, world.accounts["ana"], world.clock.now
            ).conversations
        )


def choose(world: World, allow: bool) -> None:
    world.tell(Choose(account=world.accounts["ana"], at=world.clock.now, allow=allow, via="cli"))
    world.clock.set(world.clock.now + DAY)


def narrow(world: World, conversation: str, verb: type[Narrow | Widen | Delete] = Narrow) -> None:
    world.tell(
        verb(
            account=world.accounts["ana"],
            at=world.clock.now,
            conversation=UUID(hex=conversation[5:]),
        )
    )


@pytest.fixture
def ana(world: World) -> World:
    world.open("ana")
    world.clock.set(NOTICE)
    return world


@pytest.mark.parametrize(
    ("choices", "plan", "standing", "usable"),
    [
        ((), "", "undecided", False),
        ((False,), "", "declined", False),
        ((True,), "", "granted", True),
        ((True, False), "", "withdrawn", False),
        ((True,), "work", "lapsed", False),
    ],
)
def test_the_settings_say_where_the_account_stands_and_since_when(
    ana: World, api: Any, choices: tuple[bool, ...], plan: str, standing: str, usable: bool
) -> None:
    ana.say("ana", "Before")
    day = ""
    for allow in choices:
        day = WORDS.day(ana.clock.now)
        choose(ana, allow)
    if plan:
        ana.tell(SetPlan(account=ana.accounts["ana"], at=ana.clock.now, plan=plan))
        ana.tell(SetPlan(account=ana.accounts["ana"], at=ana.clock.now, plan="pro"))
    ana.say("ana", "Now")
    said = page(ana, api, "/settings")
    told = WORDS.say(
        f"settings.now.{standing}", day=day, purposes="improve models and recognise misuse"
    )
    assert told in said
    assert (WORDS.say("settings.now.granted.since", day=day) in said) == (standing == "granted")
    assert ("are not used." in told) == (not usable)
    newest = mine(ana)[0]
    assert {badge.use.value for badge in newest.badges} == {"whole" if usable else "none"}
    if not choices:
        assert WORDS.say("settings.record.none") in said


def test_a_chat_says_the_reason_that_the_rule_gives_and_until_when(ana: World, api: Any) -> None:
    old = ana.say("ana", "Old")
    choose(ana, True)
    kept, out, deleted = (ana.say("ana", name) for name in ("Kept", "Out", "Deleted"))
    narrow(ana, out)
    narrow(ana, deleted, Delete)
    ana.flag("ana", kept)
    reasons = set()
    for one in mine(ana):
        said = page(ana, api, f"/chats/{one.shown_id}")
        for badge in one.badges:
            because = WORDS.say(f"because.{badge.because.value}")
            reasons.add(badge.because.value)
            if badge.until is not None:
                assert f"until {WORDS.day(badge.until)}" in said
                assert WORDS.say("use.whole") in said
            else:
                assert f"because {because}" in said
                assert WORDS.say("use.none") in said
    assert reasons == {"before_grant", "permitted", "narrowed", "deleted", "flagged"}, old


def test_what_is_called_deleted_goes_by_the_day_that_the_page_names(ana: World, api: Any) -> None:
    conversation = ana.say("ana", "Bees")
    asked = page(ana, api, f"/chats/{conversation}/delete")
    said = sent(api, ana.browser("ana"), f"/chats/{conversation}/delete")
    (one,) = mine(ana)
    assert one.deleted_at is not None and one.keep_until is not None
    destroyed = one.keep_until + DAY  # a sweep follows within a day
    until, gone = WORDS.day(destroyed), WORDS.day(destroyed + 8 * DAY)
    assert WORDS.say("delete.means.keys", until=until, gone=gone) in asked, (
        "as test_rotate.py has it"
    )
    assert WORDS.say("done.deleted", day=until) in said
    listed = WORDS.say("chats.gone", day=WORDS.day(one.deleted_at), until=until, gone=gone)
    assert listed in page(ana, api, "/chats")
    assert WORDS.say("chats.untitled.deleted", day=WORDS.day(one.begun_at)) in page(
        ana, api, "/chats"
    )
    assert {badge.use.value for badge in one.badges} == {"none"}
    ana.clock.set(one.keep_until)
    sweeper.sweep(ana.installation)
    assert ana.rows("SELECT count(*) FROM segments WHERE key_slot IS NOT NULL") == [(0,)]
    assert WORDS.say("chats.none") in page(ana, api, "/chats")


def test_a_deletion_under_a_hold_says_that_a_copy_is_kept_until_the_hold_ends(
    ana: World, api: Any
) -> None:
    conversation = ana.say("ana", "Bees")
    hold = Hold(
        account=ana.accounts["ana"],
        at=ana.clock.now,
        conversation=UUID(hex=conversation[5:]),
        matter="m",
    )
    ana.tell(hold)
    before = page(ana, api, f"/chats/{conversation}/delete")
    assert WORDS.say("delete.undo") in before
    said = sent(api, ana.browser("ana"), f"/chats/{conversation}/delete")
    assert WORDS.say("done.deleted.held") in said
    (one,) = mine(ana)
    assert one.deleted_at is not None
    assert WORDS.say("chats.gone.held", day=WORDS.day(one.deleted_at)) in page(ana, api, "/chats")
    ana.clock.set(ana.clock.now + 400 * DAY)
    sweeper.sweep(ana.installation)
    assert ana.rows("SELECT count(*) FROM blocks WHERE sealed IS NOT NULL")[0][0] > 0, (
        "the hold keeps it"
    )


def test_what_is_kept_out_and_let_in_again_is_used_from_then_on_alone(ana: World, api: Any) -> None:
    choose(ana, True)
    conversation = ana.say("ana", "Bees")
    browser = ana.browser("ana")
    said = sent(api, browser, f"/chats/{conversation}/keep-out", **{"from": conversation})
    assert WORDS.say("done.kept_out") in said
    assert WORDS.say("scope.as_settings.let_in.conversation") in said
    ana.say("ana", "Bees", "said while it was out")
    assert {badge.use.value for badge in mine(ana)[0].badges} == {"none"}
    said = sent(
        api, browser, f"/chats/{conversation}/let-in", **{"from": conversation, "narrowings": "1"}
    )
    assert WORDS.say("done.let_in.whole") in said
    assert WORDS.say("scope.keep_out.conversation") in said
    assert {badge.use.value for badge in mine(ana)[0].badges} == {"none"}, (
        "what was said until now stays out"
    )
    ana.clock.set(ana.clock.now + DAY)
    ana.say("ana", "Bees", "said since")
    runs = mine(ana)[0].badges[0].runs
    assert runs[-1].until is not None
    assert [run.until is not None for run in runs] == [True, False, True], (
        "what was said while it was out stays out"
    )
    text = page(ana, api, f"/chats/{conversation}")
    assert WORDS.say("use.part") in text
    assert "will not be used, because you had kept it out when it was said" in text


def test_the_record_counts_showings_puttings_off_signals_and_terms(ana: World, api: Any) -> None:
    browser = ana.browser("ana")
    notice = api.get("/notice", headers=browser).text
    (showing,) = set(re.findall(r'name="showing" value="([0-9a-f]+)"', notice))
    assert WORDS.say("notice.put_off", days=7) in sent(
        api, browser, "/notice", showing=showing, act="later"
    )
    page(ana, api, "/settings", **{"sec-gpc": "1"})
    said = page(ana, api, "/settings", **{"sec-gpc": "1"})
    assert WORDS.say("settings.gpc.on") in said
    assert WORDS.say("settings.record.signal.on", day=WORDS.day(ana.clock.now)) in said
    assert WORDS.count("settings.record.shown_times", 1) in said
    assert WORDS.count("settings.record.put_off", 1) in said
    ana.clock.set(ana.clock.now + 8 * DAY)
    again = api.get("/notice", headers=browser).text
    assert WORDS.say("settings.record.signal.off", day=WORDS.day(ana.clock.now)) in page(
        ana, api, "/settings"
    )
    (second,) = set(re.findall(r'name="showing" value="([0-9a-f]+)"', again))
    done = sent(api, browser, "/notice", showing=second, terms="yes", allow="yes", act="save")
    assert WORDS.say("notice.nothing.answered") in done
    said = page(ana, api, "/settings")
    assert WORDS.count("settings.record.shown_times", 2) in said
    version = load_policies(ana.installation)[0].version
    assert WORDS.say("settings.record.terms", version=version, day=WORDS.day(ana.clock.now)) in said
    ((sha256,),) = ana.rows("SELECT sha256 FROM notices WHERE variant = 'existing'")
    assert WORDS.say("settings.record.notice", hash=sha256.hex()[:12], language="English") in said
    choose(ana, False)
    assert WORDS.say("settings.record.proof") in page(ana, api, "/settings")


def test_after_the_last_day_writing_waits_and_reading_taking_out_and_deleting_stay_open(
    ana: World, api: Any
) -> None:
    conversation = ana.say("ana", "Bees")
    ana.clock.set(AFTER)
    said = page(ana, api, "/notice")
    assert "Reading, taking out and deleting stay open in your data" in said
    headers = ana.person("ana")
    blocked = api.post(
        "/v1/turns",
        headers=ana.service(),
        json={"account": f"acc_{ana.accounts['ana'].hex}", "text": "hi"},
    )
    assert blocked.status_code == 451
    assert api.get("/chats", headers=ana.browser("ana")).status_code == 200
    assert api.get(f"/v1/conversations/{conversation}/turns", headers=headers).status_code == 200
    assert api.get("/takeout.zip", headers=ana.browser("ana")).status_code == 200
    assert api.delete(f"/v1/conversations/{conversation}", headers=headers).status_code == 200
    assert (
        api.post("/v1/accounts/me/choices", headers=headers, json={"allow": False}).status_code
        < 300
    )


def test_a_notice_without_a_last_day_can_be_put_off_as_long_as_one_likes(
    pool: Any, tmp_path: Any
) -> None:

    policy = from_document({**preset("article-2025").document(), "decide_by": None})
    world = World(pool, tmp_path / "data", policy)
    world.open("ana")
    world.clock.set(instant("2029-01-01"))
    with ApplicationClient(world.app) as api:
        assert WORDS.say("notice.no_end") in page(world, api, "/notice")
        assert world.say("ana", "Bees")


def test_a_closed_account_is_used_for_nothing_and_says_so(ana: World, api: Any) -> None:
    choose(ana, True)
    ana.say("ana", "Bees")
    browser = ana.browser("ana")
    ana.tell(CloseAccount(account=ana.accounts["ana"], at=ana.clock.now))
    assert {badge.because.value for one in mine(ana) for badge in one.badges} == {"closed"}
    answer = api.get("/settings", headers=browser)
    if answer.status_code == 200:
        assert "Nothing of it is used." in plain(answer.text)


def test_every_sentence_of_a_notice_that_only_the_operator_can_keep_is_on_the_page_that_says_so() -> (
    None
):
    from tests import promises

    page = promises.says("docs/notices.md")
    owed = [
        row.sentence
        for row in promises.rows()
        if row.held_by == "none: operator" and row.where == promises.NOTICES
    ]
    assert owed
    assert [sentence for sentence in owed if sentence.removeprefix("{removes} ") not in page] == []

"""The inbox: who is told of what, until when; an item comes with its cause and goes when that is
done.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from licet.access import sessions
from licet.access.roles import StaffRole
from licet.curate import release_build
from licet.errors import BusyError
from licet.proof import documents
from licet.release.signatures import StaffMember
from licet.service import inbox, inbox_sources
from licet.service.inbox import HeldFilter, InboxView
from licet.service.inbox_sources import (
    FewSource,
    InboxItem,
    InboxReading,
    ItemKind,
    ItemOrder,
    SourcePage,
)
from licet.store.connect import transaction
from licet.vault.commands import Delete, Hold
from licet.web.console.shared import SECTIONS
from licet.webhooks import endpoints

from .served import NOTICE, World, api, world
from .test_console import form

__all__ = ["api", "world"]

EVERY = tuple(StaffRole)


def member(*roles: StaffRole) -> StaffMember:
    """Somebody who looks, with these roles or with all."""
    return StaffMember(
        staff_id=UUID(int=1), email="x@example.org", roles=frozenset(roles or EVERY), via="console"
    )


def listed(
    world: World, *roles: StaffRole, sources: Any = inbox.SOURCES, **view: Any
) -> list[InboxItem]:
    return list(inbox.page(world.installation, member(*roles), InboxView(**view), sources).items)


def found(world: World, *roles: StaffRole) -> dict[str, InboxItem]:
    """The items for somebody with these roles, by kind."""
    return {one.kind: one for one in listed(world, *roles)}


def uuid_of(shown: str) -> UUID:
    return UUID(hex=shown.partition("_")[2])


@pytest.fixture
def lived(world: World) -> World:
    world.clock.set(NOTICE)
    world.open("ana", allow=True)
    return world


def test_an_erasure_is_in_it_from_the_day_on_which_it_is_overdue_until_it_is_done(
    api: Any, lived: World
) -> None:
    chat = lived.say("ana", "Pears", "roots")
    lived.tell(
        Delete(account=lived.accounts["ana"], at=lived.clock.now, conversation=uuid_of(chat))
    )
    assert "erasure" not in found(lived)
    lived.clock.set(lived.clock.now + timedelta(days=40))
    item = found(lived, StaffRole.privacy_officer)["erasure"]
    assert (item.overdue, item.who) == (True, (StaffRole.privacy_officer,))
    assert "erasure" not in found(lived, StaffRole.curator)
    officer = lived.staff(StaffRole.privacy_officer)
    page = api.get("/console/inbox", headers=officer).text
    assert f'href="/console/inbox/{item.item}"' in page
    ((erasure,),) = lived.rows("SELECT erasure_id FROM erasures")
    fields = {
        "act": "run",
        "chosen": f"era_{erasure.hex}",
        "confirmed": "yes",
        "why": "Its time is over",
    }
    assert "1 of 1 done." in api.post("/console/erasures/act", **form(officer, **fields)).text
    assert "erasure" not in found(lived)


def test_a_hold_is_in_it_from_its_day_of_review(lived: World) -> None:
    chat = lived.say("ana", "Pears", "roots")
    review = lived.clock.now + timedelta(days=90)
    lived.tell(
        Hold(
            account=lived.accounts["ana"],
            at=lived.clock.now,
            conversation=uuid_of(chat),
            matter="M",
            review_at=review,
        )
    )
    assert "hold" not in found(lived)
    lived.clock.set(review)
    assert (found(lived)["hold"].due_at, found(lived)["hold"].overdue) == (review, True)


def test_a_suggestion_is_in_it_until_somebody_decides(api: Any, lived: World) -> None:
    chat, other = lived.say("ana", "Pears", "roots"), lived.say("ana", "Figs", "roots")
    with transaction(lived.installation.pool) as tx:
        reader = sessions.find_or_add_staff(tx, "rae@example.org", lived.wall, os.urandom)
        for one, score in ((chat, 0.9), (other, 0.5)):
            tx.execute(
                """INSERT INTO suggestions (account_id, conversation_id, model_sha256, score,
                                            last_turn, suggested_at,
                                            suggested_by) VALUES (%s, %s, %s, %s, 1, %s, %s)""",
                [lived.accounts["ana"], uuid_of(one), bytes(32), score, lived.clock.now, reader],
            )
    items = listed(lived, StaffRole.reviewer, kind=ItemKind.misuse)
    assert [one.item for one in items] == [f"misuse:{one}" for one in sorted((chat, other))]
    assert {one.due_at for one in items} == {
        lived.clock.now + timedelta(days=inbox_sources.SUGGESTION_DAYS)
    }
    assert not any(one.overdue for one in items)
    reviewer = lived.staff(StaffRole.reviewer, email="rae@example.org")
    page = api.get("/console/suggestions?state=open", headers=reviewer).text
    assert page.index(chat[-8:]) < page.index(other[-8:]), "the highest score first"
    would = api.post("/console/suggestions/act", **form(reviewer, act="flag", chosen=chat))
    assert "Suggested with 0.90." in would.text
    assert lived.rows("SELECT count(*) FROM flags") == [(0,)]
    for act, one in (("flag", chat), ("dismiss", other)):
        done = api.post(
            "/console/suggestions/act",
            **form(reviewer, act=act, chosen=one, confirmed="yes", why="I read it"),
        )
        assert "On record:" in done.text
    assert lived.rows("SELECT count(*) FROM flags") == [(1,)]
    again = api.post(
        "/console/suggestions/act",
        **form(reviewer, act="dismiss", chosen=chat, confirmed="yes", why="Again"),
    )
    assert "Not done: it was flagged already, by rae@example.org" in again.text
    assert "misuse" not in found(lived)


def test_a_release_goes_from_its_sample_to_its_signatures(api: Any, lived: World) -> None:
    lived.say("ana", "Pears", "roots")
    release_build.build_release(lived.installation, name="autumn", purpose="improve_models")
    reader, curator = lived.staff(StaffRole.reviewer), lived.staff(StaffRole.curator)
    item = found(lived, StaffRole.curator)["review"]
    assert (item.what, item.act) == ("Release autumn: not reviewed", "Draw a sample.")
    cora = lived.staff(StaffRole.curator, email="cora@example.org")

    def acts(name: str) -> tuple[list[str], list[str]]:
        """What the item's page offers, and what it says of the acts that wait."""
        page = api.get(f"/console/inbox/{name}", headers=cora).text
        what = page.partition('id="acts"')[2].partition("</section>")[0]
        assert all(
            act["act"] in re.findall(r'name="act" value="(\w+)"', what)
            for act in api.get(f"/v1/inbox/{name}", headers=cora).json()["acts"]
        )
        waits = re.findall(r'<p class="hint">(\w+ [^<]*: [^<]*)</p>', what)
        return re.findall(r'name="act" value="(\w+)"', what), waits

    assert acts(item.item) == (
        ["draw"],
        ["State the findings: no sample is drawn."],
    )
    assert api.post(f"{item.page}/sample", **form(curator, chance="1", risk="0")).status_code == 303
    item = found(lived, StaffRole.reviewer)["review"]
    assert item.what == "Release autumn: 1 sample row unread"
    assert "review" not in found(lived, StaffRole.curator), "who does not read is not asked to"
    api.post(f"{item.page}/row", **form(reader))
    api.post(f"{item.page}/finding", **form(reader, row="0", finding="nothing", then="stop"))
    item = found(lived, StaffRole.curator)["review"]
    assert item.act == "State the findings."
    assert acts(item.item) == (["close"], ["Draw a sample: a sample is open."])
    api.post(f"{item.page}/close", **form(curator))
    signature = found(lived, StaffRole.owner)["signature"]
    assert signature.what == "Release autumn: 2 signatures missing"
    assert acts(signature.item) == (["sign"], [])
    for email in ("cora@example.org", "dan@example.org"):
        signer = lived.staff(StaffRole.curator, email=email)
        assert api.post(f"{item.page}/sign", **form(signer, names_in="yes")).status_code == 303
        if email == "cora@example.org":
            assert acts(signature.item)[0] == []
            assert "you have signed it" in acts(signature.item)[1][0]
    assert not {"review", "signature"} & set(found(lived))


def test_a_sweep_that_waits_is_approved_here_for_the_amount_that_was_shown(
    api: Any, lived: World
) -> None:
    with transaction(lived.installation.pool) as tx:
        tx.execute(
            "INSERT INTO sweeping (waits_since, due, kept) VALUES (%s, 5000, 9000)",
            [lived.clock.now],
        )
    assert "it would erase 5,000 of 9,000" in found(lived, StaffRole.owner)["sweep"].what
    owner = lived.staff(StaffRole.owner, email="olga@example.org")
    assert "Approve erasing 5,000" in api.get("/console/background", headers=owner).text
    assert (
        "Approve erasing"
        not in api.get("/console/background", headers=lived.staff(StaffRole.auditor)).text
    )
    shown = api.get("/console/background", headers=owner).text
    (act,) = re.findall(r'action="(/console/inbox/sweep:[^"]+/act)"', shown)

    def approve(amount: str, reason: str) -> int:
        sent = form(owner, act="approve", amount=amount, reason=reason)
        return int(api.post(act, **sent).status_code)

    assert approve("4999", "A change of policy") == 422
    assert lived.rows("SELECT approved FROM sweeping") == [(None,)]
    assert approve("5000", " ") == 422
    assert approve("5000", "A change of policy") == 303
    assert lived.rows("SELECT approved, approved_by FROM sweeping") == [
        (5000, "staff:olga@example.org")
    ]
    assert "sweep" not in found(lived)


def test_keys_backups_and_endpoints_are_for_the_owner(lived: World) -> None:
    assert found(lived, StaffRole.owner)["backup"].what == "No backups recorded"
    with transaction(lived.installation.pool) as tx:
        at = lived.clock.now
        tx.execute(
            "INSERT INTO backups (backup_id, made_at, expires_at) VALUES "
            "(gen_random_uuid(), %s, %s)",
            [at, at + timedelta(days=7)],
        )
    assert "backup" not in found(lived)
    lived.clock.set(at + timedelta(days=2))
    endpoints.add(lived.installation, "chat", "https://chat.example.org/events")
    endpoints.pause(lived.installation, "chat")
    pages = {kind: one.page for kind, one in found(lived, StaffRole.owner).items()}
    # Each leads to where it is done.
    assert (pages["backup"], pages["endpoint"]) == ("/console/backups", "/console/webhooks/chat")
    endpoints.remove(lived.installation, "chat")
    late = found(lived, StaffRole.owner)["backup"]
    assert (late.what, late.overdue) == ("Backup late", True)
    assert not {"backup", "keys", "endpoint"} & set(
        found(lived, StaffRole.reviewer, StaffRole.curator)
    )


def test_an_auditor_sees_what_waits_for_anybody_and_each_role_opens_the_pages_it_is_sent_to(
    api: Any, lived: World
) -> None:
    lived.say("ana", "Pears", "roots")
    release_build.build_release(lived.installation, name="autumn", purpose="improve_models")
    documents.append(lived.installation)
    assert set(found(lived, StaffRole.auditor)) == set(found(lived, *EVERY)) == {"review", "backup"}
    for role in StaffRole:
        headers = lived.staff(role)
        page = api.get("/console/inbox", headers=headers).text
        for one in listed(lived, role):
            assert f'href="/console/inbox/{one.item}"' in page, (role, one.item)
            own = api.get(f"/console/inbox/{one.item}", headers=headers)
            assert own.status_code == 200
            linked = f'href="{one.page}"' in own.text
            assert linked == (api.get(one.page, headers=headers).status_code == 200), (
                role,
                one.page,
            )
    assert "Nothing waits for you" not in page


def test_what_is_overdue_comes_first_and_a_source_that_fails_hides_no_other(lived: World) -> None:
    def item(kind: ItemKind, days: int | None, overdue: bool) -> InboxItem:
        due_at = None if days is None else lived.clock.now + timedelta(days=days)
        return InboxItem(
            item=f"{kind.value}:x",
            kind=kind,
            what="",
            act="",
            page="",
            due_at=due_at,
            overdue=overdue,
            who=EVERY,
        )

    def broken(*_: Any) -> Any:
        raise BusyError("the database is away")

    wanted = [
        item(ItemKind.model, -3, True),
        item(ItemKind.hold, 1, False),
        item(ItemKind.flag, 2, False),
        item(ItemKind.log, None, False),
    ]
    sources = [FewSource(one.kind, lambda *_, one=one: [one]) for one in reversed(wanted)]
    found = listed(lived, sources=(*sources, FewSource(ItemKind.sweep, broken)))
    assert [one.kind for one in found] == ["sweep", "model", "hold", "flag", "log"]
    assert "the database is away" in found[0].what


def test_a_source_whose_statement_fails_takes_none_of_the_others_with_it(lived: World) -> None:
    def refused(reading: InboxReading) -> list[InboxItem]:
        reading.tx.execute("SELECT of_nothing FROM nowhere")
        return []

    found = listed(lived, sources=(FewSource(ItemKind.sweep, refused), *inbox.SOURCES))
    assert found[0].kind is ItemKind.sweep and found[1:] == listed(lived) != []
    assert "the database refused a statement" in found[0].what


def test_a_page_is_read_in_one_transaction_and_what_two_sources_need_is_asked_once(
    lived: World,
) -> None:
    seen, asked = list[object](), list[object]()

    def whole(reading: InboxReading) -> list[InboxItem]:
        asked.append(reading)
        return []

    def part(reading: InboxReading) -> list[InboxItem]:
        seen.append(reading.tx.execute("SELECT pg_current_xact_id(), now()").fetchone())
        return [*reading.once(whole)]

    listed(
        lived,
        sources=[
            FewSource(kind, lambda reading: part(reading))
            for kind in (ItemKind.review, ItemKind.signature)
        ],
    )
    assert len(seen) == 2 and len(set(seen)) == 1
    assert len(asked) == 1


def test_a_view_that_leaves_most_items_out_asks_no_source_twice_for_the_same(lived: World) -> None:
    asked = list[ItemKind]()

    class Counted(msgspec.Struct, frozen=True):
        kind: ItemKind
        of: FewSource

        def page(self, reading: InboxReading, after: ItemOrder | None, most: int) -> SourcePage:
            asked.append(self.kind)
            return self.of.page(reading, after, most)

        def find(self, reading: InboxReading, subject: str) -> InboxItem | None:
            return self.of.find(reading, subject)

    def items(kind: ItemKind, count: int) -> Counted:
        made = [
            InboxItem(
                item=f"{kind.value}:{n:03}",
                kind=kind,
                what="",
                act="",
                page="",
                overdue=False,
                who=EVERY,
                due_at=lived.clock.now + timedelta(days=n),
            )
            for n in range(count)
        ]
        return Counted(kind, FewSource(kind, lambda _: made))

    view = {"sources": (items(ItemKind.hold, 30), items(ItemKind.flag, 3)), "limit": 9}
    assert listed(lived, held=HeldFilter.somebody, **view) == []
    assert asked.count(ItemKind.hold) == 3 and asked.count(ItemKind.flag) == 1
    assert len(listed(lived, held=HeldFilter.nobody, **view)) == 9


def test_every_source_names_a_page_of_the_console_that_somebody_of_its_roles_opens() -> None:
    assert {source.kind for source in inbox.SOURCES} == set(inbox_sources.KINDS) == set(ItemKind)
    assert all(inbox_sources.KINDS.values()) and not any(
        StaffRole.auditor in who for who in inbox_sources.KINDS.values()
    )
    assert SECTIONS[0].path == "/console/inbox"

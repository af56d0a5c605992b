"""The tables of the console: what is overdue is found, a view is an address, several rows are acted
on, and a file has all.
"""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from licet.access.roles import StaffRole
from licet.erasure import certificates
from licet.service import staff_tables
from licet.service.staff_tables import TABLES, CellKind
from licet.store.keyset import TableView
from licet.vault.commands import Delete, Hold
from licet.web.console.tables import CHOSEN_MAX

from .served import NOTICE, World, api, world
from .test_console import form

__all__ = ["api", "world"]

SECRET = "the roots of the pear tree"
CHATS = 8


class Worked:
    """A world in which somebody has deleted several chats; one is held, one is late."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.clock.set(NOTICE)
        self.account = world.open("ana", allow=True)
        self.chats = [world.say("ana", f"Chat {n}", SECRET) for n in range(CHATS)]
        self.officer = world.staff(StaffRole.privacy_officer, email="officer@example.org")
        self.held = self.chats[1]
        me = world.accounts["ana"]
        world.tell(
            Hold(
                account=me,
                at=world.clock.now,
                conversation=uuid_of(self.held),
                matter="Smith v. Jones",
            )
        )
        self.erasures = {}
        for number, chat in enumerate(self.chats[:6]):
            world.clock.set(NOTICE + timedelta(days=number))
            (done,) = world.tell(Delete(account=me, at=world.clock.now, conversation=uuid_of(chat)))
            assert done.erasure is not None
            self.erasures[f"era_{done.erasure.hex}"] = chat

    def later(self, days: float) -> None:
        self.world.clock.set(self.world.clock.now + timedelta(days=days))

    def listed(self, api: Any, path: str, **query: str) -> list[str]:
        """The first ids of the rows of a view."""
        page = api.get(path, params=query, headers=self.officer)
        assert page.status_code == 200, page.text
        return re.findall(
            r'<tr role="row">(?:<td[^>]*><input[^>]*></td>)?<td[^>]*><a class="id" href="[^"]*/([^"/]+)"',
            page.text,
        )


def uuid_of(shown: str) -> UUID:
    return UUID(hex=shown.partition("_")[2])


@pytest.fixture
def worked(world: World) -> Worked:
    return Worked(world)


def test_what_is_overdue_is_found_and_what_a_hold_keeps_is_not_called_so(
    api: Any, worked: Worked
) -> None:
    of = {chat: erasure for erasure, chat in worked.erasures.items()}
    assert worked.listed(api, "/console/erasures", state="overdue") == []
    status = certificates.status(worked.world.installation, of[worked.chats[0]])
    assert status.due_at is not None
    worked.world.clock.set(status.due_at + timedelta(days=2, seconds=1))
    late = worked.listed(api, "/console/erasures", state="overdue", order="oldest")
    assert late[0] == of[worked.chats[0]], "two days after all of it should have been gone"
    assert of[worked.held] not in late
    worked.later(40)
    late = worked.listed(api, "/console/erasures", state="overdue", order="oldest")
    assert set(late) == set(worked.erasures) - {of[worked.held]}
    assert worked.listed(api, "/console/erasures", state="held") == [of[worked.held]]
    page = api.get("/console/erasures?state=overdue", headers=worked.officer).text
    assert page.count('data-head="Overdue" class="due">yes') == len(late)


def test_a_view_is_its_address_and_a_fault_in_it_is_said(api: Any, worked: Worked) -> None:
    page = api.get("/console/erasures?state=open&order=oldest&cause=", headers=worked.officer)
    assert '<option value="open" selected>' in page.text
    assert '<option value="oldest" selected>' in page.text
    assert len(worked.listed(api, "/console/erasures", state="open")) == len(worked.erasures)
    assert len(worked.listed(api, "/console/erasures", to="2025-09-02")) == 2
    faults = {
        "state=never": "is no value of state", "from=June": "June is no day", "x=1": "has no filter x",
        "order=odd": "has no order odd", "after=zz": "begin at its first page", "account=ana": "is no id",
    }  # fmt: skip
    for query, words in faults.items():
        broken = api.get(f"/console/erasures?{query}", headers=worked.officer)
        assert (broken.status_code, words in broken.text) == (400, True), query
        assert 'role="alert"' in broken.text


def test_pages_follow_each_other_and_have_every_row_once(api: Any, worked: Worked) -> None:
    seen, address = list[str](), "/console/conversations?order=oldest"
    for _ in range(2 * CHATS):
        view = staff_tables.read_page(
            worked.world.installation,
            staff_tables.CONVERSATIONS,
            TableView(order="oldest", after=address.partition("after=")[2], rows=3),
        )
        seen += [str(row[0].value) for row in view.rows]
        if not view.after:
            break
        address = f"/console/conversations?order=oldest&after={view.after}"
        page = api.get(address, headers=worked.officer)
        assert page.status_code == 200
        assert '<a href="/console/conversations?order=oldest">First page</a>' in page.text
    assert sorted(seen) == seen
    assert seen == sorted(worked.chats)
    first = api.get("/console/conversations?order=oldest", headers=worked.officer)
    assert "First page" not in first.text


def test_a_file_has_all_that_a_view_shows_and_no_formula(api: Any, worked: Worked) -> None:
    answer = api.get("/console/erasures?state=open&as=csv", headers=worked.officer)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="erasures-')
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert head == [column.head for column in staff_tables.ERASURES.columns]
    assert {row[0] for row in rows} == set(worked.erasures)
    assert SECRET not in answer.text
    cell = staff_tables.TableCell(CellKind.text, "=HYPERLINK(1)")
    assert staff_tables._plain(cell) == "'=HYPERLINK(1)"
    assert (
        api.get("/console/erasures?as=csv&state=never", headers=worked.officer).status_code == 400
    )


def test_an_act_says_what_it_would_do_and_changes_nothing_before_it_is_confirmed(
    api: Any, worked: Worked
) -> None:
    of = {chat: erasure for erasure, chat in worked.erasures.items()}
    chosen = [of[worked.chats[0]], of[worked.held], "era_0"]
    asked = api.post("/console/erasures/act", **form(worked.officer, act="at-once", chosen=chosen))
    assert "Keys to be destroyed: 1." in asked.text
    assert "Stays: a legal hold keeps it." in asked.text
    assert "Cannot be done: no erasure era_0" in asked.text
    states = [certificates.status(worked.world.installation, one).state for one in chosen[:2]]
    assert states == ["fenced", "fenced"]
    done = api.post(
        "/console/erasures/act",
        **form(worked.officer, act="at-once", chosen=chosen, confirmed="yes", why="They asked"),
    )
    assert "2 of 3 done." in done.text
    states = [certificates.status(worked.world.installation, one).state for one in chosen[:2]]
    assert states == ["verified", "fenced"]
    again = api.post(
        "/console/erasures/act", **form(worked.officer, act="at-once", chosen=chosen[:1])
    )
    assert "Done already: its certificate is signed." in again.text
    page = api.get(f"/console/erasures/{chosen[0]}", headers=worked.officer).text
    assert "Download the certificate" in page
    assert api.get(f"/console/erasures/{chosen[0]}/certificate", headers=worked.officer).json()[
        "certificate"
    ]
    assert (
        api.get(f"/console/erasures/{chosen[1]}/certificate", headers=worked.officer).status_code
        == 409
    )


def test_more_rows_at_once_than_may_be_are_refused_as_a_whole(api: Any, worked: Worked) -> None:
    others = [f"era_{n:032x}" for n in range(CHOSEN_MAX - len(worked.erasures))]
    chosen = [*worked.erasures, *others]
    asked = api.post(
        "/console/erasures/act", **form(worked.officer, act="at-once", chosen=[*chosen, *chosen])
    )
    assert asked.text.count("no erasure era_") == len(others), "each once, and as many as may be"
    sent = form(
        worked.officer,
        act="at-once",
        chosen=[*chosen, "era_" + "f" * 32],
        confirmed="yes",
        why="They asked",
    )
    refused = api.post("/console/erasures/act", **sent)
    assert (refused.status_code, "nothing was changed" in refused.text) == (400, True)
    states = {certificates.status(worked.world.installation, one).state for one in worked.erasures}
    assert states == {"fenced"}


def test_several_conversations_are_held_and_freed_with_the_words_of_the_matter(
    api: Any, worked: Worked
) -> None:
    chosen = worked.chats[6:]
    asks = api.post("/console/conversations/act", **form(worked.officer, act="hold", chosen=chosen))
    assert 'name="matter"' in asks.text
    faulty = api.post(
        "/console/conversations/act",
        **form(worked.officer, act="hold", chosen=chosen, asked="yes", matter="M"),
    )
    assert (faulty.status_code, "Reason is missing" in faulty.text) == (422, True)
    fields = {
        "act": "hold",
        "chosen": chosen,
        "asked": "yes",
        "matter": "Doe v. Acme",
        "reason": "litigation",
    }
    would = api.post("/console/conversations/act", **form(worked.officer, **fields))
    assert would.text.count("Held; to be reviewed on") == 2
    assert worked.world.rows("SELECT count(*) FROM holds") == [(1,)]
    done = api.post("/console/conversations/act", **form(worked.officer, **fields, confirmed="yes"))
    assert "2 of 2 done." in done.text
    assert worked.world.rows("SELECT count(*) FROM holds") == [(3,)]
    assert "Doe" not in api.get("/console/holds", headers=worked.officer).text
    fields = {
        "act": "end",
        "chosen": [*chosen, worked.held],
        "asked": "yes",
        "matter": "Doe v. Acme",
    }
    would = api.post("/console/holds/act", **form(worked.officer, **fields))
    assert would.text.count("Cannot be done:") == 1
    done = api.post(
        "/console/holds/act", **form(worked.officer, **fields, confirmed="yes", why="It is over")
    )
    assert "2 of 3 done." in done.text
    assert worked.world.rows("SELECT count(*) FROM holds") == [(1,)]


def test_nothing_chosen_changes_nothing_and_too_many_are_refused(api: Any, worked: Worked) -> None:
    none = api.post("/console/erasures/act", **form(worked.officer, act="run"))
    assert none.headers["location"] == "/console/erasures?flash=nothing"
    assert "Nothing was selected" in api.get(none.headers["location"], headers=worked.officer).text
    many = [f"era_{n:032x}" for n in range(201)]
    assert (
        api.post(
            "/console/erasures/act", **form(worked.officer, act="run", chosen=many)
        ).status_code
        == 400
    )
    assert (
        api.post(
            "/console/erasures/act", **form(worked.officer, act="never", chosen=many[:1])
        ).status_code
        == 400
    )


def test_an_auditor_sees_the_tables_and_is_offered_no_act(api: Any, worked: Worked) -> None:
    auditor = worked.world.staff(StaffRole.auditor)
    for name in TABLES:
        page = api.get(f"/console/{name}", headers=auditor)
        assert page.status_code == 200
        assert f"/console/{name}/act" not in page.text
        assert SECRET not in page.text
    assert (
        api.post(
            "/console/erasures/act", **form(auditor, act="run", chosen=[*worked.erasures][:1])
        ).status_code
        == 403
    )


def test_a_reviewer_learns_of_no_account_from_a_table(api: Any, worked: Worked) -> None:
    page = api.get("/console/conversations", headers=worked.world.staff(StaffRole.reviewer)).text
    assert 'href="/console/accounts' not in page


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_filter_and_order_of_every_table_is_a_statement_that_runs(
    worked: Worked, table: staff_tables.StaffTable
) -> None:
    installation, values = (
        worked.world.installation,
        {
            "account": worked.account,
            "conversation": f"conv_{'0' * 32}",
            "erasure": f"era_{'0' * 32}",
            "request": f"req_{'0' * 32}",
        },
    )
    for order in table.listing.orders:
        staff_tables.read_page(installation, table, TableView(order=order))
    for name, one in table.listing.filters.items():
        for value in one.choices or [values.get(name, one.hint)]:
            for order in table.listing.orders:
                found = staff_tables.read_page(
                    installation, table, TableView(filters={name: value}, order=order, rows=2)
                )
                assert all(len(row) == len(table.columns) for row in found.rows), (name, value)

"""A working day in the console on the town of the demonstration: five roles, each at its own desk,
in a browser.

`DAY` is the day as a list of steps, in order: who does it, what it is called, and what is done. A
page that is added to the console gets its step here. Every page that a step opens is held against
the accessibility rules. At the end the state of the vault is sound, and the log and the person's
own pages tell what was done.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
import yaml

from licet.access import sessions
from licet.access.roles import StaffRole
from licet.backup import archives
from licet.config import Configuration, Web
from licet.consent import rights_requests
from licet.consent.rights import RequestState
from licet.demo.town import play_town
from licet.erasure import sweeper
from licet.proof import documents
from licet.release import catalog, signatures
from licet.service import orders
from licet.store.connect import transaction
from licet.vault.installation import Installation, load_policies, open_installation, utc_now
from licet.vault.simulated_clock import clock_of
from licet.web.app import create_app
from licet.web.console.shared import SECTIONS

from ..state_check import faults
from .axe import violations
from .browsing import DESKTOP, MILLISECONDS_MAX, PHONE, browser, unfold
from .people import serving
from .served import TOKEN_KEY
from .served import browser as headers_of

__all__ = ["browser"]

ACCOUNTS = 60  # the demonstration plays 2,000: the same story, in a thirtieth of the time
RELEASE = "december"
MATTER = "Moffat v. Northgate, of the day of five roles"
VERSION = "2031-01-01"
WHY = "its holder only asks from now on"
WHY_DISMISSED = "It is about pear trees, and nothing else."
PEOPLE = {
    "olga": (StaffRole.owner,), "dana": (StaffRole.privacy_officer,), "rae": (StaffRole.reviewer,),
    "sam": (StaffRole.reviewer,), "cora": (StaffRole.curator,), "carl": (StaffRole.curator,), "aud": (StaffRole.auditor,),
    "pria": (StaffRole.privacy_officer,),
}  # fmt: skip


class Office:
    """The town, its server, and a desk for each member of staff."""

    def __init__(self, installation: Installation, url: str, browser: Any) -> None:
        self.installation, self.url = installation, url
        self._browser = browser
        self._desks: dict[str, Any] = {}
        self.held = self.asked = self.key = self.policy = self.proposal = ""
        self.holder: Any = None
        self.violations: list[tuple[str, str, str]] = []
        self.opened: set[str] = set()

    def desk(self, name: str) -> Any:
        """The browser of a member of staff, signed in by a link on the first use."""
        if name not in self._desks:
            with transaction(self.installation.pool) as tx:
                who = sessions.find_or_add_staff(tx, f"{name}@example.org", utc_now(), os.urandom)
                tx.execute(
                    "UPDATE staff SET roles = %s WHERE staff_id = %s",
                    [[str(one) for one in PEOPLE[name]], who],
                )
                secret = sessions.new_secret(os.urandom)
                tx.execute(
                    "INSERT INTO staff_links (link_sha256, staff_id, expires_at) VALUES "
                    "(%s, %s, %s)",
                    [sessions.digest(secret), who, utc_now() + sessions.LINK_LIFETIME],
                )
            context = self._browser.new_context(viewport=DESKTOP)
            context.set_default_timeout(MILLISECONDS_MAX)
            page = self._desks[name] = context.new_page()
            page.goto(f"{self.url}/sign-in/link/{secret}")
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(f"{self.url}/console")
        return self._desks[name]

    def open(self, name: str, path: str) -> Any:
        """A page, opened at somebody's desk and looked at."""
        page = self.desk(name)
        answer = page.goto(self.url + path)
        assert answer.status == 200, (name, path, answer.status)
        unfold(page)
        return self.look(name)

    def look(self, name: str) -> Any:
        """Holds what lies on a desk against the accessibility rules, and against the width of a
        phone.
        """
        page = self.desk(name)
        place = page.url.removeprefix(self.url).partition("?")[0]
        self.opened.add(re.sub(r"[0-9a-f]{32}|(?<=_)[0-9a-f]{32}", "ID", place))
        self.violations += [(place, *one) for one in violations(page)]
        page.set_viewport_size(PHONE)
        if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            self.violations.append((place, "overflow", "the page is wider than a phone"))
        page.set_viewport_size(DESKTOP)
        return page

    def rows(self, statement: str, *values: object) -> list[Any]:
        with transaction(self.installation.pool) as tx:
            return tx.execute(statement, values).fetchall()


class Step(NamedTuple):
    """What somebody does: the desk, what it is, and the act."""

    desk: str
    what: str
    act: Callable[[Office], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration's town, smaller."""
    made = tmp_path_factory.mktemp("day") / "demo"
    play_town(made, population=ACCOUNTS, say=lambda _line: None, check=lambda *_: [])
    return made


@pytest.fixture
def office(folder: Path, tmp_path: Path, browser: Any) -> Iterator[Office]:
    key = tmp_path / "token.key"
    key.write_bytes(TOKEN_KEY)
    now, web = clock_of(folder), Web(token_key_file=key, person_requests_per_minute=10**6)
    assert now is not None
    opened = open_installation(Configuration(data=folder, web=web), lambda: now)
    with opened as installation, serving(create_app(installation, web)) as url:
        yield Office(installation, url, browser)


# The day


def text(page: Any) -> str:
    return str(page.locator("main").inner_text())


def press(office: Office, name: str, button: str | re.Pattern[str]) -> Any:
    """Presses a button at somebody's desk, and looks at what it opens."""
    sent_by(office.desk(name), office.desk(name).get_by_role("button", name=button).first)
    return office.look(name)


def sent_by(page: Any, button: Any) -> None:
    """Presses a button that sends a form, and waits for the page that answers it."""
    with page.expect_navigation():
        button.click()


def takes_an_item_and_gives_it_back(office: Office) -> None:
    (asked,) = rights_requests.list_requests(office.installation, states=[RequestState.open])[:1]
    office.asked = asked.id
    office.open("dana", "/console/inbox")
    page = office.open("dana", f"/console/inbox/request:{asked.id}")
    press(office, "dana", "Take it")
    assert "It is yours now." in text(page)
    assert "Take it from dana@example.org" in text(
        office.open("pria", f"/console/inbox/request:{asked.id}")
    )
    press(office, "dana", "Give it back")
    assert "It is given back." in text(page)


def answers_a_request(office: Office) -> None:
    assert office.asked in office.open("dana", "/console/rights").content()
    page = office.open("dana", f"/console/rights/{office.asked}")
    page.locator("#answer-words").fill("You find all of it on your own page.")
    sent_by(page, page.get_by_role("button", name="Answer it"))
    assert "answered" in text(office.look("dana"))


def places_a_hold(office: Office) -> None:
    ((conversation, account),) = office.rows(
        """SELECT c.conversation_id, c.account_id FROM conversations c
            JOIN segments s USING (account_id, conversation_id)
            WHERE c.deleted_at IS NULL AND s.key_slot IS NOT NULL
              AND NOT EXISTS (SELECT FROM holds h WHERE h.conversation_id = c.conversation_id)
              AND NOT EXISTS (SELECT FROM accounts a WHERE a.account_id = c.account_id
                AND a.closed_at IS NOT NULL)
            ORDER BY c.conversation_id DESC LIMIT 1"""
    )
    office.held, office.holder = f"conv_{conversation.hex}", account
    page = office.open("dana", f"/console/conversations/{office.held}")
    page.locator("#place-matter").fill(MATTER)
    page.locator("#hold-reason").select_option("litigation")
    press(office, "dana", "Continue to placing")
    press(office, "dana", "Place the hold")
    assert office.held[-8:] in text(office.open("dana", "/console/holds"))
    assert MATTER not in office.desk("dana").content(), "no list tells a matter"
    assert "Kept under a legal hold" in seen_by(office, office.holder, f"/chats/{office.held}")


def ends_the_hold(office: Office) -> None:
    page = office.open("dana", f"/console/conversations/{office.held}")
    page.locator("#end-matter").fill(MATTER)
    press(office, "dana", "Continue to ending")
    press(office, "dana", "End the hold")


def approves_the_sweep(office: Office) -> None:
    with transaction(office.installation.pool) as tx:  # as a sweep leaves it that waits
        tx.execute("DELETE FROM sweeping")
        tx.execute(
            "INSERT INTO sweeping (waits_since, due, kept) VALUES (%s, 5000, 9000)",
            [office.installation.clock()],
        )
    office.open("olga", "/console/background")
    page = office.open("dana", "/console/background")
    press(office, "dana", "Approve erasing 5,000")
    assert page.get_by_text("Reason is empty").first.is_visible()
    page.locator("#approve-reason").fill("The tests of yesterday are to go.")
    press(office, "dana", "Approve it")
    assert "Done, and on record" in text(office.desk("dana"))
    assert sweeper.sweep_status(office.installation).approved_by == "staff:dana@example.org"


def decides_a_suggestion(office: Office) -> None:
    with transaction(office.installation.pool) as tx:  # as the classifier leaves it
        tx.execute("DELETE FROM suggestions")
        tx.execute(
            """INSERT INTO suggestions (account_id, conversation_id, model_sha256, score, last_turn,
               suggested_at, suggested_by)
               SELECT %s, %s, %s, 0.9, 1, %s, staff_id FROM staff
                 WHERE email = 'rae@example.org'""",
            [office.holder, UUID(hex=office.held[5:]), bytes(32), office.installation.clock()],
        )
    page = office.open("rae", "/console/suggestions")
    page.locator("input[name=chosen]").first.check()
    press(office, "rae", re.compile("^Dismiss"))
    page.locator("#why-reason").fill(WHY_DISMISSED)
    press(office, "rae", re.compile("^Dismiss.*: 1"))
    ((decision,),) = office.rows("SELECT decision FROM suggestions")
    assert decision == "dismissed"


def release_path(office: Office) -> str:
    ((release,),) = office.rows("SELECT release_id FROM releases WHERE name = %s", RELEASE)
    return f"/console/releases/{release.hex}"


def draws_a_sample(office: Office) -> None:
    page = office.open("cora", release_path(office))
    page.get_by_label("Random rows").fill("2")
    page.get_by_label("High-risk rows").fill("0")
    press(office, "cora", "Draw a sample")
    assert page.get_by_role("button", name=re.compile("^Read")).count() == 0, (
        "who builds does not read"
    )


def reads_rows(name: str, button: str | re.Pattern[str], finding: str) -> Callable[[Office], None]:
    """Reads every row that there is for somebody, with the keyboard."""

    def read(office: Office) -> None:
        office.open(name, release_path(office))
        page = press(office, name, button)
        while page.locator("#finding").count():
            page.locator(f"#finding-{finding}").check()
            sent_by(page, page.get_by_role("button", name="Save and read the next"))
        assert "That did not work" not in text(page)

    return read


def states_what_was_found(office: Office) -> None:
    page = office.open("cora", release_path(office))
    assert "2 rows were read by two members of staff" in text(page)
    press(office, "cora", "State the findings")


def signs(name: str) -> Callable[[Office], None]:
    def sign(office: Office) -> None:
        page = office.open(name, release_path(office))
        box = page.locator("input[name=names_in]")
        if box.count():
            box.check()
        press(office, name, re.compile("^Sign it off"))

    return sign


def drills_a_backup(office: Office) -> None:
    drilled = office.rows("SELECT drill_id, outcome FROM drills")  # of the town's own
    archives.back_up(office.installation, office.installation.config.data / "backups")
    page = office.open("olga", "/console/backups")
    press(office, "olga", "Drill the newest backup…")
    page.get_by_label("Reason").fill("the drill of the quarter")
    press(office, "olga", "Begin the drill")
    assert "the server begins within seconds" in text(page)
    assert orders.carry_out(office.installation) == 1  # as the server does
    assert "the drill of the quarter" in text(office.open("olga", "/console/backups"))
    ((_, outcome),) = set(office.rows("SELECT drill_id, outcome FROM drills")) - set(drilled)
    assert outcome == "proved"


def proposes_a_policy(office: Office) -> None:
    """The policy in force as an editorial version: nobody is asked anything."""
    now, document = (
        office.installation.clock(),
        load_policies(office.installation).in_force(office.installation.clock()).document(),
    )
    day = (now + timedelta(days=30)).date()
    later = {**document, "version": VERSION, "effective": str(day), "material": False}
    later.pop("decide_by", None)
    office.policy = yaml.safe_dump(later, sort_keys=False)
    sends_the_policy(office)
    page = office.desk("dana")
    assert "You proposed it. Another privacy officer applies it." in text(page)
    assert page.get_by_role("button", name="Apply what I read").count() == 0
    office.proposal = page.url.removeprefix(office.url).partition("?")[0]


def sends_the_policy(office: Office) -> None:
    page = office.open("dana", "/console/policy")
    file = {"name": "policy.yaml", "mimeType": "text/yaml", "buffer": office.policy.encode()}
    page.get_by_label("A file").set_input_files([file])
    press(office, "dana", "Propose it")


def applies_the_policy(office: Office) -> None:
    page = office.open("pria", office.proposal)
    press(office, "pria", "Apply what I read")
    assert "Say why" in text(page)
    page.get_by_label("Reason").fill("Approved by the board.")
    press(office, "pria", "Apply what I read")
    assert "The version is applied" in text(page)
    number = len(load_policies(office.installation)) - 1
    assert "Approved by the board." in text(page)
    assert VERSION in text(office.open("pria", f"/console/policy/versions/{number}"))
    sends_the_policy(office)
    assert f"Version {VERSION} is applied already." in text(office.desk("dana"))


def retires_the_model(office: Office) -> None:
    page = office.open("cora", "/console/models")
    page.get_by_role("table", name="Models").get_by_role("link").first.click()
    press(office, "cora", re.compile("^Retire"))
    office.desk("cora").get_by_label("Reason").fill("its weights are deleted")
    press(office, "cora", "Retire it")
    assert "its weights are deleted" in text(office.desk("cora"))


def makes_a_key(office: Office) -> None:
    page = office.open("olga", "/console/access")
    page.locator("#key-name").fill("gatekeeper")
    page.get_by_label("gate:read").check()
    page.get_by_label("turns:write").check()
    press(office, "olga", "Create the key")
    (office.key,) = re.findall(r"licet_[0-9a-f]{32}_[A-Za-z0-9_-]{43}", text(page))
    assert asks(office) == ["gate:read", "turns:write"]


def limits_the_key(office: Office) -> None:
    page = office.open("olga", "/console/access/keys/gatekeeper")
    page.get_by_label("turns:write").uncheck()
    page.get_by_label("Requests a minute").fill("600")
    press(office, "olga", "See what would change")
    assert "Scope turns:write: taken away" in text(page)
    page.get_by_label("Reason").fill(WHY)
    press(office, "olga", "Change the limits")
    assert WHY in text(page)
    assert asks(office) == ["gate:read"], "from the next request on"


def revokes_the_key(office: Office) -> None:
    office.open("olga", "/console/access/keys/gatekeeper")
    press(office, "olga", "Revoke the key…")
    office.desk("olga").get_by_label("Reason").fill("the day is over")
    press(office, "olga", "Revoke")
    assert asks(office) == []


def asks(office: Office) -> list[str]:
    """What the new key may do; nothing where it is refused."""
    answer = httpx.get(
        f"{office.url}/v1/me", headers={"authorization": f"Bearer {office.key}"}, timeout=600
    )
    return list(answer.json()["scopes"]) if answer.status_code == 200 else []


def reads_everything_and_changes_nothing(office: Office) -> None:
    for one in SECTIONS:
        if StaffRole.auditor in one.may.staff:
            page = office.open("aud", one.path)
            changing = page.locator("main form[method=post]").count()
            assert changing == 0, f"{one.path} offers the auditor a change"
    assert "gatekeeper" not in office.desk("aud").content()


DAY = (
    Step(
        "dana", "takes what waits in the inbox, and gives it back", takes_an_item_and_gives_it_back
    ),
    Step("dana", "answers a request that is due", answers_a_request),
    Step("dana", "places a legal hold", places_a_hold),
    Step("rae", "decides what the classifier suggested", decides_a_suggestion),
    Step("cora", "draws a sample of a release", draws_a_sample),
    Step("rae", "reads it", reads_rows("rae", "Read and record the next row", "nothing")),
    Step(
        "sam",
        "reads it again",
        reads_rows("sam", re.compile("^Read as the second reader"), "nothing"),
    ),
    Step("cora", "states what was found", states_what_was_found),
    Step("cora", "signs the release", signs("cora")),
    Step("carl", "signs it too", signs("carl")),
    Step("cora", "retires a model", retires_the_model),
    Step("olga", "makes a key", makes_a_key),
    Step("olga", "limits it", limits_the_key),
    Step("olga", "revokes it", revokes_the_key),
    Step("olga", "orders the drill of a backup", drills_a_backup),
    Step("dana", "ends the hold", ends_the_hold),
    Step("dana", "proposes a version of the policy", proposes_a_policy),
    Step("pria", "reads its plan and applies it", applies_the_policy),
    Step("dana", "approves a sweep", approves_the_sweep),
    Step("aud", "reads everything and changes nothing", reads_everything_and_changes_nothing),
)
# What is not theirs: pages that a role is refused, asked at its own desk.
NOT_THEIRS = {
    "olga": ("/console/rights", "/console/accounts", "/console/holds", "/console/suggestions"),
    "dana": ("/console/access", "/console/access/keys/gatekeeper"),
    "rae": ("/console/rights", "/console/accounts", "/console/documents", "/console/access"),
    "cora": ("/console/rights", "/console/holds", "/console/readings", "/console/access"),
    "aud": ("/console/access", "/console/rights/enter"),
}


def test_five_roles_do_their_day_and_the_log_and_the_person_tell_it(office: Office) -> None:
    for step in DAY:
        office.desk(step.desk)  # everybody is signed in before the first of their steps
    before = dict(office.rows("SELECT entry, count(*) FROM outbox GROUP BY entry"))
    for step in DAY:
        step.act(office)
    for name, paths in NOT_THEIRS.items():
        for path in paths:
            assert office.desk(name).goto(office.url + path).status == 403, (name, path)
    assert office.violations == []
    assert len(office.opened) >= 20, office.opened
    told_in_the_log(office, before)
    told_to_the_person(office)
    documents.append(office.installation)
    assert faults(office.installation) == []


def told_in_the_log(office: Office, before: dict[str, int]) -> None:
    """Every act that the log is told of has its entry, once."""
    after = dict(office.rows("SELECT entry, count(*) FROM outbox GROUP BY entry"))
    added = {
        kind: count - before.get(kind, 0)
        for kind, count in after.items()
        if count > before.get(kind, 0)
    }
    # No notice: the town's policy has a region of its own, for which none ships.
    assert added == {
        "held": 1,
        "unheld": 1,
        "release_reviewed": 1,
        "release_signed": 2,
        "content_read": 4,
        "staff_acted": 3,
        "work_acted": 1,
        "policy_applied": 1,
        "notice_shown": 1,  # the page of the held chat asks its person about it
        "journal_head": 1,  # told with the backup that is drilled
    }
    stood = signatures.get_standing(
        office.installation, str(office.installation.config.releases / RELEASE)
    )
    assert stood.signed_off
    assert (
        catalog.verify_release(
            office.installation, str(office.installation.config.releases / RELEASE)
        )
        == []
    )


def told_to_the_person(office: Office) -> None:
    """The people of these rows and of the request see it on their own pages."""
    request = rights_requests.get_request(office.installation, office.asked, with_words=False)
    assert request.state is RequestState.answered
    reviewed = (
        "SELECT account_id, conversation_id FROM staff_reads WHERE reason = "
        "'release_review' "
        "LIMIT 1"
    )
    ((account, conversation),) = office.rows(reviewed)
    assert "to check that a training set identifies nobody" in seen_by(
        office, account, f"/chats/conv_{conversation.hex}"
    )
    assert "Kept under a legal hold" not in seen_by(
        office, office.holder, f"/chats/{office.held}"
    ), "it has ended"


def seen_by(office: Office, account: UUID, path: str) -> str:
    """A page of a person's own."""
    with transaction(office.installation.pool) as tx:
        secret = sessions.begin_person(tx, account, utc_now(), os.urandom)
    page = httpx.get(
        f"{office.url}{path}", headers={"cookie": headers_of(secret)["cookie"]}, timeout=600
    )
    assert page.status_code == 200
    assert MATTER not in page.text
    return page.text

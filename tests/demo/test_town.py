"""The demonstration keeps its promises, can fail to, tells the same story twice, and does the same
on anybody's files.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import msgspec
import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from licet.access import sessions
from licet.access.roles import StaffRole
from licet.cli.command import main
from licet.cli.terminal import wrap_line
from licet.clock import utc_now
from licet.config import Configuration, Web
from licet.consent import rights_requests
from licet.consent.rights import RequestState
from licet.curate.batches import batches
from licet.curate.dedupe import Election, Sketch
from licet.curate.kernels import SketchKernel
from licet.demo import checks, code_sessions, people, speech, town
from licet.demo.checks import check_all
from licet.demo.files import play_files
from licet.demo.office import SIGHTS
from licet.demo.people import Townsperson
from licet.demo.stage import DemoPromise, DemoReport
from licet.demo.town import play_town
from licet.demo.town_requests import REQUESTS
from licet.errors import UsageError
from licet.policy.period import instant
from licet.policy.state import TurnRole
from licet.release.curation import Document, Voice
from licet.release.signatures import StaffMember
from licet.service import inbox, inbox_verbs
from licet.service.inbox import PAGE_ITEMS_MAX, InboxView
from licet.service.inbox_acts import ActValues
from licet.service.inbox_sources import ItemKind
from licet.store.connect import transaction
from licet.vault.installation import Installation, open_installation
from licet.vault.simulated_clock import clock_of
from licet.web.app import create_app
from licet.web.console.shared import SECTIONS

from ..web.people import TOKEN_KEY

SHARED = Path(__file__).parents[3] / "shared" / "data"
DATA = Path(os.environ.get("TESTS_DATA") or SHARED)
FIXTURES = Path(__file__).parents[1] / "intake" / "fixtures"
ACCOUNTS = 120
# The kinds of items whose acts forecast from the item alone
FORECAST = {ItemKind.erasure, ItemKind.recall, ItemKind.misuse, ItemKind.flag}


@dataclasses.dataclass
class Played:
    """A town that was played, with what its promises were checked on."""

    report: DemoReport
    lines: list[str]
    installation: Installation
    checked: tuple[Any, ...]

    def again(self) -> list[DemoPromise]:
        """The promises, on what is stored now."""
        return check_all(self.installation, *self.checked)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A small town, its installation open again; what the demonstration checks with is kept as it
    calls for it.
    """
    folder = tmp_path_factory.mktemp("town") / "demo"
    lines: list[str] = []
    kept: list[Any] = []

    def keeping(_here: Installation, *checked: Any) -> list[DemoPromise]:
        kept.extend(checked)
        return check_all(_here, *checked)

    report = play_town(folder, population=ACCOUNTS, say=lines.append, check=keeping)
    now = clock_of(folder)
    assert now is not None
    with open_installation(Configuration(data=folder), lambda: now) as installation:
        yield Played(report, lines, installation, tuple(kept))


def broken(promises: list[DemoPromise]) -> list[str]:
    return [promise.text for promise in promises if not promise.kept]


def test_a_small_town_keeps_every_promise(played: Played) -> None:
    assert played.report.all_kept
    assert len(played.report.promises) == 11
    assert broken(list(played.report.promises)) == []
    assert any("11 promises checked, 0 broken" in line for line in played.lines)


def test_the_town_has_requests_in_every_state_but_the_withdrawn_one(played: Played) -> None:
    found = rights_requests.list_requests(played.installation, states=list(RequestState))
    assert len(found) == len(REQUESTS) + 1
    assert {one.state.value for one in found} == {"open", "paused", "answered", "refused"}
    assert sum(one.overdue for one in found) == 1
    assert sum(one.extended_at is not None for one in found) == 1
    assert sum(one.account is None for one in found) == 1
    assert len({one.region for one in found}) > 8


@contextmanager
def console(played: Played, tmp_path: Path) -> Iterator[tuple[TestClient[Any], dict[str, str]]]:
    """The town's pages, and the headers of somebody of the staff with every role."""
    key = tmp_path / "token.key"
    key.write_bytes(TOKEN_KEY)
    web = Web(token_key_file=key, person_requests_per_minute=60_000)
    installation = msgspec.structs.replace(
        played.installation, config=msgspec.structs.replace(played.installation.config, web=web)
    )
    with transaction(installation.pool) as tx:
        who = sessions.find_or_add_staff(tx, "all@town.example", utc_now(), os.urandom)
        secret = sessions.begin_staff(tx, who, tuple(StaffRole), utc_now(), os.urandom)
    with TestClient(create_app(installation, web), base_url="https://town.example") as browser:
        yield browser, {"cookie": f"{sessions.COOKIE}={secret}"}


def test_no_page_of_the_console_is_empty_in_the_town(played: Played, tmp_path: Path) -> None:
    paths = [one.path for one in SECTIONS] + [path for path, _ in SIGHTS]
    with console(played, tmp_path) as (browser, cookie):
        empty = []
        for path in paths:
            answer = browser.get(path, headers=cookie)
            shown = answer.text.partition("<main")[2]
            if answer.status_code != 200 or not re.search(
                r"<td|<ol>\s*<li>|<dt>Entries</dt>", shown
            ):
                empty.append(path)
            one = re.search(rf'href="({path}/[^"?#]+)"', shown)
            if one and browser.get(one[1], headers=cookie).status_code != 200:
                empty.append(one[1])
    assert empty == []


def test_the_town_has_what_its_links_promise(played: Played, tmp_path: Path) -> None:
    """A release measured and signed, a drill, notices put off, a hanging erasure, an open recall,
    and two proposals; and nothing is overdue but the request that its story leaves.
    """
    with transaction(played.installation.pool) as tx:
        ((asked,),) = tx.execute(
            "SELECT notice_id FROM notices WHERE language = 'en' AND variant = 'existing'"
            " ORDER BY position DESC LIMIT 1"
        ).fetchall()
        ((october,),) = tx.execute("SELECT release_id FROM releases WHERE name = 'october'")
    shows = {
        f"/console/releases/{october.hex}": "What each step costs",
        "/console/releases": "signed off",
        "/console/backups": ">proved",
        f"/console/notices/{asked.hex}": r"<dt>Put off</dt><dd>[1-9]",
        "/console/erasures?state=held": "<td",
        "/console/recalls?state=open": "<td",
        "/console/policy": "Who would be affected",
        "/console/inbox?overdue=yes": "Access request",
    }
    with console(played, tmp_path) as (browser, cookie):
        pages = {path: browser.get(path, headers=cookie).text for path in shows}
    assert [path for path, words in shows.items() if not re.search(words, pages[path])] == []
    assert pages["/console/policy"].count('data-head="State">open') == 2
    assert re.search(r">1 overdue<", pages["/console/inbox?overdue=yes"])


def test_the_same_seed_tells_the_same_story_with_the_same_figures(
    played: Played, tmp_path: Path
) -> None:
    lines: list[str] = []
    folder = tmp_path / "demo"
    play_town(folder, population=ACCOUNTS, say=lines.append)
    ours, theirs = (
        [line.replace(str(of), "FOLDER") for line in told]
        for told, of in ((played.lines, played.report.folder), (lines, folder))
    )
    assert ours == theirs
    assert len(ours) > 60


def test_a_release_keeps_most_of_what_is_permitted(played: Played) -> None:
    """Of the default size the next test says it, without a database; this is the release itself."""
    for built in played.checked[1]:
        lost = built.manifest.counts.dropped.get("duplicate", 0)
        assert built.manifest.counts.included / (built.manifest.counts.included + lost) >= 0.8


def test_what_the_town_says_is_seldom_said_twice_and_under_every_key_as_often() -> None:
    """As many conversations as the default town has in its last release; a few per cent are asked
    again, as in life.
    """
    documents = conversations(Random(1), 2_200)
    lost = {elected(documents, key) for key in (b"one" * 8, b"two" * 8, b"three" * 8)}
    assert len(lost) == 1, "what is alike hangs on the key"
    assert 0.01 <= lost.pop() / len(documents) <= 0.1


def conversations(random: Random, count: int) -> list[Document]:
    """Conversations of the town's people, as a release takes them: what tools print is left out of
    it.
    """
    townspeople = [Townsperson(random, n, town.BEGIN, town.NOTICE, town.END) for n in range(400)]
    made = []
    for n in range(count):
        person = random.choice(townspeople)
        chat = people.draw_chat(random, person)
        turns = [
            one
            for one in people.draw_turns(random, person, chat, resumed=False)
            if one[0] is not TurnRole.tool
        ]
        made.append(
            Document(
                account=b"",
                name=b"%d" % n,
                kind=chat.kind,
                key=b"k" * 32,
                voices=tuple(Voice(role.value) for role, _ in turns),
                texts=tuple(content.text for _, content in turns),
            )
        )
    return made


def elected(documents: list[Document], key: bytes) -> int:
    """How many of the documents a release leaves out as duplicates."""
    election = Election()
    for batch in batches(documents):
        for row in SketchKernel(key=key)(batch).select(list(Sketch.__struct_fields__)).to_pylist():
            election.enter(
                Sketch(**{name: tuple(v) if isinstance(v, list) else v for name, v in row.items()})
            )
    lost = int(election.outcome().lost.sum())
    election.close()
    return lost


def test_the_town_speaks_nine_languages_and_leaves_identifiers_where_people_do() -> None:
    random = Random(1)
    for name in speech.LANGUAGES:
        said = "\n".join(
            f"{talk.ask(random)}\n{talk.answer(random)}\n{talk.follow(random)}"
            for talk in (speech.Talk(random, name) for _ in range(300))
        )
        assert "{" not in said
        assert "@" in said and "example" in said, name
        assert all(sentence in said for sentence in speech.language(name).opener), name
    coded = [
        content
        for n in range(200)
        for _, content in code_sessions.CodingSession(
            random, code_sessions.repository(random)
        ).exchange(random, first=n % 2 == 0)
    ]
    printed = "\n".join(content.text for content in coded)
    for sign in (
        "Traceback (most recent call last)",
        "diff --git a/",
        "panic: ",
        "TypeError: ",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_",
    ):
        assert sign in printed, sign
    assert {call.name for content in coded for call in content.tool_calls} == {
        "read_file",
        "run",
        "edit_file",
    }


@pytest.mark.parametrize("columns", [80, 100])
def test_what_is_told_fits_a_terminal(played: Played, columns: int) -> None:
    for line in "\n".join(played.lines).replace(str(played.report.folder), "demo").split("\n"):
        assert all(len(part) <= columns for part in wrap_line(line, columns)), line


# Each promise can be broken. What a test breaks it mends, for the next.


def test_a_release_of_another_size_than_the_rule_permits_breaks_a_promise(played: Played) -> None:
    expected = played.checked[0].expected
    expected["october"] -= 1
    try:
        assert broken(played.again()) == [
            (
                "release october holds exactly what might be used and is worth it, and is what "
                "was sealed"
            )
        ]
    finally:
        expected["october"] += 1


def test_a_flipped_byte_of_a_part_breaks_a_promise(played: Played) -> None:
    built = played.checked[1][1]
    part = built.folder / built.manifest.parts[0].file
    whole = part.read_bytes()
    part.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    try:
        assert broken(played.again()) == [
            (
                "release december holds exactly what might be used and is worth it, and is what "
                "was sealed"
            ),
            "strangers decide every row again, from the log and without content",
        ]
    finally:
        part.write_bytes(whole)


def test_a_body_left_behind_breaks_a_promise(played: Played) -> None:
    key = "(account_id, conversation_id, segment)"
    erased = (
        "SELECT account_id, conversation_id, segment FROM segments WHERE "
        "erased_at "
        "IS NOT NULL LIMIT 1"
    )
    with transaction(played.installation.pool) as tx:
        row = tx.execute(erased).fetchone()
        assert row is not None
        account, conversation, segment = row
        tx.execute(
            f"""UPDATE blocks SET (sizes, sealed) = (substr(times, 1, 4 * length(roles)), 'x')
                 WHERE {key} = (%s, %s, %s)""",
            [account, conversation, segment],
        )
    try:
        assert broken(played.again()) == ["what was erased has neither a key nor a byte left"]
    finally:
        with transaction(played.installation.pool) as tx:
            tx.execute(
                f"UPDATE blocks SET (sizes, sealed) = (NULL, NULL) WHERE {key} = (%s, %s, %s)",
                [account, conversation, segment],
            )


def test_a_file_that_the_database_removed_meanwhile_holds_nothing(tmp_path: Path) -> None:
    assert not checks._holds(tmp_path / "pg_internal.init", b"kettle")
    (tmp_path / "log").write_bytes(b"x" * checks.READ_BYTES + b"kettle")
    assert checks._holds(tmp_path / "log", b"kettle")


def test_a_sentence_in_clear_breaks_a_promise(played: Played) -> None:
    leak = played.installation.config.data / "postgres" / "forgotten.log"
    leak.write_text(f"statement: {town.PLANTED}")
    try:
        assert broken(played.again()) == ["a sentence said in a chat lies nowhere in clear"]
    finally:
        leak.unlink()


def test_a_grant_given_back_behind_the_rules_back_breaks_a_promise(played: Played) -> None:
    restore = """
        WITH counted AS (UPDATE accounts SET in_force = %(in_force)s WHERE account_id = %(account)s)
        UPDATE standings SET (standing, grant_no) = (%(standing)s, %(grant)s)
          WHERE account_id = %(account)s"""
    with transaction(played.installation.pool) as tx:
        before = tx.execute(
            """SELECT a.granted, a.account_id
                 FROM accounts a JOIN standings t USING (account_id)
                   JOIN segments s USING (account_id)
                WHERE t.standing = 'withdrawn' AND s.grants = ARRAY[a.granted]
                  AND s.erased_at IS NULL LIMIT 1"""
        ).fetchone()
        assert before is not None, "nobody withdrew of whom anything is kept"
        grant, account = before
        tx.execute(
            restore, {"in_force": 1, "standing": "granted", "grant": grant, "account": account}
        )
    try:
        assert broken(played.again()) == [
            "every turn has a dated answer, and the vault's is that of the bare rule"
        ]
    finally:
        with transaction(played.installation.pool) as tx:
            tx.execute(
                restore, {"in_force": 0, "standing": "withdrawn", "grant": None, "account": account}
            )


def test_rows_of_somebody_that_come_out_break_a_promise(played: Played) -> None:
    """Held against somebody who did not withdraw, the promise does not hold."""
    town_, built, copy, _, planted = played.checked
    with transaction(played.installation.pool) as tx:
        granted = tx.execute(
            """SELECT a.account_id FROM accounts a JOIN release_rows x USING (account_id)
                JOIN releases r USING (release_id) WHERE r.name = 'october' AND a.in_force > 0
                GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"""
        ).fetchone()
    assert granted is not None
    stays = next(person for person in town_.people if person.account == granted[0])
    promises = check_all(played.installation, town_, built, copy, stays, planted)
    assert broken(promises) == ["rows of somebody who withdrew come out of no copy"]


def test_what_was_broken_was_mended(played: Played) -> None:
    assert broken(played.again()) == []


def test_a_file_is_searched_across_the_edges_of_what_is_read_at_once(tmp_path: Path) -> None:
    needle = town.PLANTED.encode()
    file = tmp_path / "file"
    for before in (0, 1, checks.READ_BYTES - 20, checks.READ_BYTES, 2 * checks.READ_BYTES - 1):
        file.write_bytes(b"x" * before + needle + b"x" * 50)
        assert checks._holds(file, needle)
        file.write_bytes(b"x" * before + needle[:-1])
        assert not checks._holds(file, needle)


# Anybody's files


def told(folder: Path, *paths: Path, allow: str | None = None) -> tuple[DemoReport, str]:
    lines: list[str] = []
    shares: list[float] = []
    report = play_files(
        folder,
        paths,
        plan="pro",
        age=30,
        allow_from=instant(allow) if allow else None,
        say=lines.append,
        progress=lambda _what, share: shares.append(share),
    )
    assert shares == sorted(shares) and 0 <= shares[0] < shares[-1] <= 1
    return report, "\n".join(lines)


@pytest.mark.parametrize("name", ["claude-code", "chatgpt", "messages"])
@pytest.mark.parametrize("allow", [None, "2020-01-01"])
def test_files_of_each_format_are_answered_for(
    tmp_path: Path, name: str, allow: str | None
) -> None:
    report, said = told(tmp_path / "demo", FIXTURES / name, allow=allow)
    assert report.all_kept, said
    assert "people's names are left in: nothing looks for them" in said
    assert ("permission: never given" in said) == (allow is None)
    assert "\nwhat may be used to improve models, and why\n" in said
    assert "0 rows of 0 turns" in said if allow is None else "(permitted)" in said
    assert clock_of(tmp_path / "demo") is not None


def samples() -> Iterator[tuple[str, Callable[[Path], Path]]]:
    for name in ("claude-code", "claude-code-2", "chatgpt"):
        # binds the loop variable
        yield name, lambda _folder, name=name: DATA / "export-formats" / name  # type: ignore[misc]
    yield "tau-bench", tau_bench
    yield "swe-agent", swe_agent


def tau_bench(folder: Path) -> Path:
    """Dialogues with tools, as messages without times."""
    path = folder / "tau.jsonl"
    found = sorted((DATA / "tau-bench-traj").glob("*few_shot*.jsonl.gz"))
    with path.open("w", encoding="utf-8") as file:
        for source in found:
            for line in gzip.decompress(source.read_bytes()).decode().splitlines():
                shown = json.loads(line)["messages_display"]
                said = [
                    part.partition(": ")
                    for part in shown.split("\n")
                    if part.startswith(("user: ", "assistant: "))
                ]
                messages = [{"role": role, "content": text} for role, _, text in said]
                file.write(json.dumps({"messages": messages}) + "\n")
    return path


def swe_agent(folder: Path) -> Path:
    """Coding trajectories, as messages without times."""
    path = folder / "swe.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for source in sorted((DATA / "swe-agent-traj").glob("*.traj.gz")):
            with gzip.open(source, "rt", encoding="utf-8") as packed:
                history = json.load(packed)["history"]
            messages = [
                {"role": one["role"], "content": one["content"]}
                for one in history
                if one.get("content")
            ]
            file.write(json.dumps({"messages": messages}) + "\n")
    return path


@pytest.mark.parametrize(("name", "made"), list(samples()), ids=[name for name, _ in samples()])
def test_real_samples_make_a_release_with_permission(
    tmp_path: Path, name: str, made: Callable[[Path], Path]
) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the sample of {name} is not here: set TESTS_DATA to the folder that holds it")
    report, said = told(tmp_path / "demo", made(tmp_path), allow="2020-01-01")
    assert report.all_kept, said
    assert "(permitted)" in said
    assert "rows of 0 turns" not in said


def test_real_samples_make_an_empty_release_without_permission(tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip("the samples are not here: set TESTS_DATA to the folder that holds them")
    report, said = told(tmp_path / "demo", *(made(tmp_path) for _, made in samples()))
    assert report.all_kept, said
    assert "kept in 0 conversations" not in said
    assert "0 rows of 0 turns" in said


def test_a_folder_that_is_no_demonstration_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("kept")
    with pytest.raises(UsageError, match="is not the folder of a demonstration"):
        told(tmp_path / "mine", FIXTURES / "messages")
    assert (tmp_path / "mine" / "file").read_text() == "kept"


def test_a_second_demonstration_takes_the_place_of_the_first(tmp_path: Path) -> None:
    dry = ["demo", "--data", str(tmp_path / "demo"), "--dry-run"]
    assert (
        CliRunner().invoke(main, dry).stdout
        == f"would delete nothing: {tmp_path / 'demo'} is free\n"
    )
    told(tmp_path / "demo", FIXTURES / "messages")
    assert json.loads(CliRunner().invoke(main, [*dry, "--json"]).stdout)["deletes"] is True
    assert clock_of(tmp_path / "demo") is not None, "a dry run deletes nothing"
    _, said = told(tmp_path / "demo", FIXTURES / "chatgpt")
    assert said.startswith("clearing the earlier demonstration")
    shutil.rmtree(tmp_path / "demo")


def test_each_act_that_an_item_offers_to_a_role_can_be_done_now(played: Played) -> None:
    """The forecast of each succeeds; acts that need a matter or a signature have none."""
    offered = set()
    for role in StaffRole:
        by = StaffMember(
            staff_id=UUID(int=1), email="x@example.org", roles=frozenset({role}), via="console"
        )
        for item in inbox.page(played.installation, by, InboxView(limit=PAGE_ITEMS_MAX)).items:
            seen = inbox.get(played.installation, by, item.item)
            for act, waits_for in inbox_verbs.list_acts(played.installation, by, seen):
                offered |= {item.kind} if not waits_for else set()
                assert role in act.who
                if not waits_for and item.kind in FORECAST:
                    subject = item.item.partition(":")[2]
                    act.forecast(played.installation, by, subject, ActValues(reason=""))
    assert offered >= {ItemKind.request, ItemKind.misuse, ItemKind.review}

"""What somebody takes out holds their receipts, which anybody can check offline, and it is read
back as before.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import pytest

from licet.config import Configuration
from licet.consent import history, takeout
from licet.consent.catalogue import catalogue
from licet.errors import InputError
from licet.intake import imports, takeouts
from licet.intake.recorded_history import read_accounts, read_choices
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.policy.state import Share, TurnRole
from licet.proof import documents, papers
from licet.service import policy_changes
from licet.store.connect import Pool, open_pool, transaction
from licet.vault import account_view
from licet.vault.commands import Choose, Delete, Flag, GiveFeedback, Narrow, TakeBackFeedback
from licet.vault.content import Content, encode
from licet.vault.ids import host_hmac
from licet.vault.installation import Installation, load_host_key, load_policies
from licet.vault.simulated_clock import SimulatedClock, save

from ..cli.test_command import runner
from .served import BEFORE, NOTICE, World, api, url, world

__all__ = ["api", "url", "world"]  # fixtures

STAFF = UUID(int=7)


def taken(world: World, api: Any, name: str) -> zipfile.ZipFile:
    answer = api.get("/takeout.zip", headers=world.browser(name))
    assert answer.status_code == 200
    return zipfile.ZipFile(io.BytesIO(answer.content))


def choose(world: World, name: str, allow: bool) -> None:
    world.tell(Choose(account=world.accounts[name], at=world.clock.now, allow=allow, via="notice"))


def lived(world: World) -> None:
    world.open("ana")
    world.open("ben")
    world.clock.set(NOTICE)
    choose(world, "ana", True)
    choose(world, "ben", False)
    world.say("ana", "Bees")
    world.clock.set(world.clock.now + timedelta(days=1))
    choose(world, "ana", False)


def test_every_receipt_is_in_it_and_checks_offline(world: World, api: Any, tmp_path: Path) -> None:
    lived(world)
    documents.append(world.installation)
    archive = taken(world, api, "ana")
    archive.extractall(tmp_path)
    names = sorted(name for name in archive.namelist() if name.startswith("receipts/0"))
    assert names == ["receipts/001.json", "receipts/002.json"]
    commands = [
        line.strip() for line in (tmp_path / "receipts" / "README.txt").read_text().splitlines()
    ]
    commands = [line for line in commands if line.startswith("python verifier.py receipt ")]
    assert len(commands) == 2
    for command in commands:
        call = [sys.executable, "-I", *command.split()[1:]]
        done = subprocess.run(
            call, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600
        )
        assert (done.returncode, done.stdout[:15]) == (0, "proved: receipt"), (
            done.stdout + done.stderr
        )
    said = (tmp_path / "receipts" / "README.txt").read_text()
    assert re.search(
        r"you said yes .*\(ConsentGiven\).*you said no .*\(ConsentWithdrawn\)", said, re.DOTALL
    )
    file = json.loads((tmp_path / "receipts" / "001.json").read_bytes())
    assert file["proof"].startswith("c2sp.org/tlog-proof@v1")


def test_before_the_log_took_it_a_receipt_says_so(world: World, api: Any) -> None:
    lived(world)
    archive = taken(world, api, "ben")
    assert "not yet in the log" in archive.read("receipts/README.txt").decode()
    assert json.loads(archive.read("receipts/001.json"))["proof"] is None


def test_nothing_of_anybody_else_is_among_the_papers(world: World, api: Any) -> None:
    lived(world)
    documents.append(world.installation)
    archive = taken(world, api, "ben")
    everything = b"".join(archive.read(name) for name in archive.namelist())
    with transaction(world.installation.pool) as tx:
        others = [row[0].hex for row in tx.execute("SELECT account_id FROM accounts").fetchall()]
    own = world.accounts["ben"].hex
    assert own.encode() in everything
    assert not any(other.encode() in everything for other in others if other != own)


def test_who_never_chose_has_no_papers(world: World, api: Any) -> None:
    world.open("eve")
    assert papers.receipt_files(world.installation, world.accounts["eve"]) == []
    assert sorted(taken(world, api, "eve").namelist()) == [
        "accounts.csv",
        "choices.csv",
        "feedback.html",
        "feedback.jsonl",
        "index.html",
        "learnt.csv",
        "licet.json",
        "messages.jsonl",
        "projects.csv",
        "recipients.csv",
        "requests.jsonl",
        "safety_copies.html",
        "safety_copies.jsonl",
        "suggestions.csv",
    ]


def test_what_was_suggested_of_a_person_is_in_their_zip_and_not_who_decided(
    world: World, api: Any
) -> None:
    lived(world)
    with transaction(world.installation.pool) as tx:
        tx.execute(
            "INSERT INTO staff (staff_id, email, roles, made_at) VALUES (%s, "
            "'dana@example.org', '{}', now())",
            [STAFF],
        )
        tx.execute(
            """INSERT INTO suggestions (account_id, conversation_id, model_sha256, score, last_turn,
                                        suggested_at,
                                        suggested_by)
               SELECT account_id, conversation_id, %s, 0.75, 1, %s, %s FROM conversations""",
            [b"m" * 32, world.clock.now, STAFF],
        )
    head, *rows = taken(world, api, "ana").read("suggestions.csv").decode().splitlines()
    assert head == "conversation,time,score,model,decision,decided"
    (mine,) = rows
    assert f",0.7500,{(b'm' * 32).hex()},," in mine
    assert "dana" not in mine
    assert STAFF.hex not in mine


def test_the_zip_is_read_back_with_nothing_but_the_conversations(
    world: World, api: Any, databases, tmp_path: Path
) -> None:
    lived(world)
    documents.append(world.installation)
    file = tmp_path / "takeout.zip"
    file.write_bytes(api.get("/takeout.zip", headers=world.browser("ana")).content)
    with open_pool(databases()) as other:
        there = Installation(
            config=Configuration(data=tmp_path),
            pool=other,
            keyring=Keyring(FileProvider(tmp_path / "keys")),
            clock=world.installation.clock,
        )
        policy_changes.apply_policy(there, load_policies(world.installation)[0], actor="test")
        with zipfile.ZipFile(file) as archive:
            archive.extractall(tmp_path)
        now = world.clock.now
        imported = imports.import_files(
            there,
            [file],
            recorded=read_accounts(tmp_path / "accounts.csv", now),
            choices=read_choices(tmp_path / "choices.csv", load_policies(there), now),
        )
    assert (imported.broken, imported.refused) == (0, {})
    assert imported.turns == 1


def test_the_zip_itself_comes_in_elsewhere_with_every_conversation_of_words(
    world: World, api: Any, databases, tmp_path: Path
) -> None:
    """By the command that the page on importing names, for the account as the other installation
    knows it.
    """
    lived(world)
    said = {"Bees": "Where do bees go?", "Boots": "My boots leak.", "Gone": "Forget this."}
    chats = {chat: world.say("ana", chat, text) for chat, text in said.items()}
    world.say("ana", "Bees", "To the middle of the hive.", TurnRole.assistant)
    ana, named = (
        world.accounts["ana"],
        {chat: UUID(hex=of.removeprefix("conv_")) for chat, of in chats.items()},
    )
    world.tell(Narrow(account=ana, at=world.clock.now, conversation=named["Boots"]))
    world.tell(Delete(account=ana, at=world.clock.now, conversation=named["Gone"]))
    rated = GiveFeedback(
        account=ana,
        at=world.clock.now,
        conversation=named["Boots"],
        rating="up",
        share=Share.rating,
    )
    world.tell(rated)
    documents.append(world.installation)
    world.clock.set(world.clock.now + timedelta(days=1))
    file, data = tmp_path / "takeout.zip", tmp_path / "there"
    file.write_bytes(api.get("/takeout.zip", headers=world.browser("ana")).content)
    with zipfile.ZipFile(file) as archive:
        beside = [one for one in archive.infolist() if one.filename != "messages.jsonl"]
        assert b"my boots leak" in archive.read("messages.jsonl").lower()
    assert len(beside) > 9

    data.mkdir()
    save(data, SimulatedClock(BEFORE))
    run = runner({"LICET_DATABASE_URL": (there := databases()), "LICET_DATA": str(data)})
    run("init", "--preset", "article-2025")
    save(data, SimulatedClock(world.clock.now))
    whose = ("--account", "zoe", "--plan", "pro", "--age", "30")
    made = json.loads(run("import", file, *whose, "--json").stdout)
    assert (made["turns"], made["stored"], made["conversations"], made["accounts"]) == (4, 4, 2, 1)
    assert (made["broken"], made["refused"], made["would_be_erased"]) == (0, {}, {})
    empty = sum(one.file_size == 0 for one in beside)
    assert made["skipped_reasons"] == {
        "the file is of no known format": len(beside) - empty,
        "the file is empty": empty,
    }, "each is reported"
    assert (
        "4 turns read: 0 stored in 0 conversations, 4 here already"
        in run("import", file, *whose).stdout
    )
    with open_pool(there) as pool:
        installation = Installation(
            config=Configuration(data=data),
            pool=pool,
            keyring=Keyring(FileProvider(data / "keys")),
            clock=world.installation.clock,
        )
        with transaction(pool) as tx:
            zoe = account_view.account_by_host(
                tx, host_hmac(load_host_key(installation), "account", "zoe")
            )
        assert zoe is not None, "--account says whose they are, not the other installation's id"
        found = b"".join(
            takeout.conversation_lines(
                lambda: transaction(pool),
                installation.keyring,
                load_policies(installation),
                zoe,
                world.clock.now,
            )
        )
    lines = [json.loads(line) for line in found.splitlines()]
    kept = {line["title"]: [one["content"] for one in line["messages"]] for line in lines}
    assert kept == {
        "Bees": ["How do I plant a pear tree?", said["Bees"], "To the middle of the hive."],
        "Boots": [said["Boots"]],
    }
    assert {line["title"]: line["kept_out"] for line in lines} == {"Bees": False, "Boots": True}


@pytest.mark.parametrize("form", ["zip", "folder"])
def test_a_takeout_comes_in_elsewhere_without_options_with_its_choices_and_its_feedback(
    world: World, api: Any, databases, tmp_path: Path, form: str
) -> None:
    lived(world)
    ana = world.accounts["ana"]
    bees = world.say("ana", "Bees", "Where do bees go?")
    back = world.say("ana", "Boots", "My boots leak.")
    for chat, comment in ((bees, "it knew"), (back, "")):
        rated = GiveFeedback(
            account=ana,
            at=world.clock.now,
            conversation=UUID(hex=chat[5:]),
            rating="up",
            share=Share.conversation,
            turn=0,
            comment=encode(Content(text=comment)) if comment else None,
        )
        (answer,) = world.tell(rated)
    assert answer.feedback is not None
    taken_back = TakeBackFeedback(
        account=ana, at=world.clock.now, conversation=UUID(hex=back[5:]), feedback=answer.feedback
    )
    world.tell(taken_back)
    world.clock.set(world.clock.now + timedelta(days=1))
    file, data = tmp_path / "takeout.zip", tmp_path / "there"
    file.write_bytes(api.get("/takeout.zip", headers=world.browser("ana")).content)
    if form == "folder":
        with zipfile.ZipFile(file) as archive:
            archive.extractall(tmp_path / "unpacked")
        file = tmp_path / "unpacked"
    data.mkdir()
    save(data, SimulatedClock(BEFORE))
    run = runner({"LICET_DATABASE_URL": (there := databases()), "LICET_DATA": str(data)})
    run(
        "init",
        "--preset",
        "article-2025",
        "--effective",
        load_policies(world.installation)[0].version,
    )
    save(data, SimulatedClock(world.clock.now))
    made = json.loads(run("import", file, "--json").stdout)
    with transaction(world.installation.pool) as tx:
        choices = history.load_history(tx, world.installation.keyring, ana).choices
    assert (made["broken"], made["refused"], made["accounts"]) == (0, {}, 1)
    assert made["choices"] == len([one for one in choices if one.because is None]) > 0
    assert (made["feedback"], made["skipped_reasons"]) == (1, {"feedback that was taken back": 1})
    assert "0 stored in 0 conversations" in run("import", file).stdout, "a second time adds nothing"
    with open_pool(there) as pool, transaction(pool) as tx:
        ((rating, share, shared),) = tx.execute(
            """SELECT rating, share, (SELECT count(*) FROM feedback_bodies b
                 WHERE b.feedback_id = f.feedback_id)
                 FROM feedback f"""
        ).fetchall()
        standings = tx.execute("SELECT standing FROM standings").fetchall()
    assert (rating, share) == ("up", "conversation") and shared > 1, (
        "the comment and the words come with it"
    )
    assert standings == world.rows("SELECT standing FROM standings WHERE account_id = %s", ana)


def test_choices_under_terms_that_are_not_in_force_here_give_nothing_here(
    world: World, api: Any, databases, tmp_path: Path
) -> None:
    lived(world)
    world.clock.set(world.clock.now + timedelta(days=1))
    file, data = tmp_path / "takeout.zip", tmp_path / "there"
    file.write_bytes(api.get("/takeout.zip", headers=world.browser("ana")).content)
    data.mkdir()
    save(data, SimulatedClock(BEFORE))
    run = runner({"LICET_DATABASE_URL": (there := databases()), "LICET_DATA": str(data)})
    run("init", "--preset", "strict")
    save(data, SimulatedClock(world.clock.now))
    said = run("import", file).stdout
    version = load_policies(world.installation)[0].version
    assert f"made under the terms `{version}`, which were not in force here: left out" in said
    with open_pool(there) as pool, transaction(pool) as tx:
        assert tx.execute("SELECT count(*) FROM choices").fetchone() == (0,)


def test_a_folder_that_only_looks_like_a_takeout_is_none(tmp_path: Path) -> None:
    assert takeouts.recognise(tmp_path) is None
    about = tmp_path / "licet.json"
    for text in ("", "[]", '{"format": "licet-takeout-9"}', "x" * 20_000):
        about.write_text(text)
        assert takeouts.recognise(tmp_path) is None
    about.write_text('{"format": "licet-takeout-1"}')
    with pytest.raises(InputError, match=r"lacks `accounts\.csv`"):
        takeouts.recognise(tmp_path)
    packed = tmp_path / "some.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("messages.jsonl", "")
    assert takeouts.recognise(packed) is None
    assert takeouts.recognise(tmp_path / "nothing") is None


def test_the_index_names_every_file_and_each_chat_has_a_page_that_asks_nobody(
    world: World, api: Any
) -> None:
    lived(world)
    world.say("ana", "A <script>title</script>", "words & <b>more</b> words")
    with zipfile.ZipFile(
        io.BytesIO(api.get("/takeout.zip", headers=world.browser("ana")).content)
    ) as archive:
        names = set(archive.namelist())
        pages = {name: archive.read(name).decode() for name in names if name.endswith(".html")}
    linked = {
        (PurePosixPath(name).parent / href).as_posix()
        for name, text in pages.items()
        for href in re.findall(r'href="([^"]+)"', text)
    }
    flat = {os.path.normpath(href) for href in linked}
    assert flat == names, "every file is linked, and every link leads to a file"
    for name, text in pages.items():
        assert (
            "<script" not in text
            and "src=" not in text
            and "http" not in text.replace("http-equiv", "")
        ), name
        assert "default-src 'none'" in text, name
    whole = "".join(pages.values())
    assert "A &lt;script&gt;title" in whole
    assert "words &amp; &lt;b&gt;more" in whole


def test_feedback_and_safety_copies_can_be_read_in_a_browser(world: World, api: Any) -> None:
    lived(world)
    ana, words = world.accounts["ana"], catalogue()
    empty = taken(world, api, "ana")
    assert words.say("feedback.none") in empty.read("feedback.html").decode()
    assert words.say("timeline.none.safety") in empty.read("safety_copies.html").decode()
    chat = UUID(hex=world.say("ana", "Bees", "a <sentence> of mine")[5:])
    rated = GiveFeedback(
        account=ana,
        at=world.clock.now,
        conversation=chat,
        rating="down",
        share=Share.conversation,
        comment=encode(Content(text="it forgot the frost")),
    )
    (answer,) = world.tell(rated)
    assert answer.feedback is not None
    world.tell(Flag(account=ana, at=world.clock.now, conversation=chat, score=0.9))
    zipped = taken(world, api, "ana")
    given, copies = (zipped.read(name).decode() for name in ("feedback.html", "safety_copies.html"))
    assert "it forgot the frost" in given and "a &lt;sentence&gt; of mine" in given
    assert "a &lt;sentence&gt; of mine" in copies
    back = TakeBackFeedback(
        account=ana, at=world.clock.now, conversation=chat, feedback=answer.feedback
    )
    world.tell(back)
    again = taken(world, api, "ana").read("feedback.html").decode()
    assert words.say("takeout.taken_back", day=words.day(world.clock.now)) in again


def test_the_archive_is_the_papers(pool: Pool, world: World) -> None:
    lived(world)
    made = zipfile.ZipFile(
        io.BytesIO(papers.zip_receipts(world.installation, world.accounts["ana"]))
    )
    assert {name: made.read(name) for name in made.namelist()}.keys() == dict(
        papers.receipt_files(world.installation, world.accounts["ana"])
    ).keys()

"""A sentence in every field that can hold content is nowhere, and opens nowhere, after its erasure
was asked for.

A real installation runs as its operator runs it: a server, commands, a database that archives its
WAL, a backup, a release, an export, cold objects. Then the account is closed and erased. Once the
command has ended no living place has the sentence in clear, and no living key opens the sealed one;
a copy of the database from before opens it with the keys of the day for as long as its epoch lives,
and never after that. The search is believed only because it finds, by the same code, a sentence
that was written in clear in each kind of place, and the sealed ones as long as their keys live.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from licet.config import Configuration
from licet.erasure import epochs as chain
from licet.erasure.key_rotation import Rotation
from licet.store import embedded
from licet.vault import block_joins, cold_tier
from licet.vault.installation import open_installation
from licet.web.access import tokens

from ..forking import FORKED
from ..web.test_serve import LICET, answers, free_port
from .search import Copy, can_read_memory, files, found_in, memory, programs, unpacked

TOKEN_KEY = b"a key that host and test share, of more than 32 bytes"

# What a host may tell beyond the web's API: transcripts carry tools, paths and branches; staff
# state matters of holds.
PLANT = """
import json, os, sys
from pathlib import Path
from licet.vault.installation import load_host_key, open_installation
from licet.access import inbox_register, sessions
from licet.access.inbox_register import ItemSubject
from licet.config import Configuration
from licet.consent import rights_requests
from licet.store.connect import transaction
from licet.consent.deadlines import RightKind
from licet.consent.rights_requests import EnteredRequest, StaffAct
from licet.policy.state import Share, TurnRole
from licet.vault.verbs import apply_commands
from licet.vault import commands as do
from licet.vault.content import Content, ToolCall, encode
from licet.vault.ids import Prefix, host_hmac, parse

told = json.load(sys.stdin)
say = told["say"]
config = Configuration.from_environment(os.environ, Path(sys.argv[1]))
with open_installation(config) as installation:
    account, at, key = parse(Prefix.account, told["account"]), installation.clock(), load_host_key(installation)
    content = Content(
        text=say["tool text"], tool_calls=(ToolCall(id="1", name=say["tool name"], arguments=say["arguments"]),),
        tool_call_id=say["call id"], tool_name=say["tool name"], thread=say["thread"], attachments=(say["attachment"],),
        model=say["model"], folder=say["path"], branch=say["branch"],
    )
    (answer,) = apply_commands(installation, [do.AddTurn(
        account=account, at=at, role=TurnRole.assistant, content=encode(content),
        host_conversation=host_hmac(key, "conversation", say["host chat"]),
        host_turn=host_hmac(key, "turn", say["host turn"]), title=encode(Content(text=say["transcript title"])),
    )])
    about = answer.conversation
    apply_commands(installation, [
        do.Choose(account=account, at=at, allow=True, via="settings", evidence=say["evidence"]),
        do.Hold(account=account, at=at, conversation=about, matter=say["matter"]),
        do.GiveFeedback(account=account, at=at, conversation=about, rating="up", share=Share.conversation,
                        comment=encode(Content(text=say["staff comment"]))),
        do.Unhold(account=account, at=at, conversation=about, matter=say["matter"]),
    ])
    asked = EnteredRequest(
        kind=RightKind.complaint, words=say["complaint"], identity=say["identity"], account=account,
    )
    name, by = rights_requests.enter(installation, asked, "staff:ada@example.org").shown_id, "staff:ada@example.org"
    with transaction(installation.pool) as tx:
        staff = sessions.find_or_add_staff(tx, "ada@example.org", at, os.urandom)
        inbox_register.add_note(
            tx, installation.keyring, ItemSubject(item=f"request:{name}", account=account), staff, at, say["note"]
        )
    rights_requests.take_step(installation, name, StaffAct.answer, by, words=say["reply"])
"""
FIELDS = (
    "tool text", "tool name", "arguments", "call id", "thread", "attachment", "model", "path", "branch", "host chat",
    "host turn", "transcript title", "evidence", "matter", "staff comment",
    "complaint", "identity", "reply", "note",
)  # fmt: skip


class Operated:
    """An installation, as it is operated: by commands and a server, with folders for backups, WAL
    and temporary files.
    """

    def __init__(self, folder: Path) -> None:
        self.core = "zq" + secrets.token_hex(6)
        self.folder, self.data = folder, folder / "data"
        self.backups, self.archive, self.tmp = (
            folder / name for name in ("backups", "archive", "tmp")
        )
        for path in (self.data, self.backups, self.archive, self.tmp):
            path.mkdir()
        (folder / "token.key").write_bytes(TOKEN_KEY)
        self.environment = {
            **os.environ,
            "TMPDIR": str(self.tmp),
            "LICET_WEB__TOKEN_KEY_FILE": str(folder / "token.key"),
        }

    def sentence(self, field: str) -> str:
        return f"{self.core} in the {field} of grandmother's letter"

    def run(
        self, *words: str, program: Sequence[str | PathLike[str]] = (FORKED,), stdin: str = ""
    ) -> str:
        command = [*program, *words, *(["--data", str(self.data)] if FORKED in program else [])]
        done = subprocess.run(
            command, env=self.environment, input=stdin, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stderr
        assert self.core not in done.stdout + done.stderr, (
            "a command's output goes into terminals and logs"
        )
        return done.stdout

    @contextmanager
    def serving(self, log: Path, control: str) -> Iterator[tuple[psutil.Process, str]]:
        port = free_port()
        command = [*LICET, "serve", "--data", str(self.data), "--port", str(port)]
        environment = {**self.environment, "TESTS_CONTROL": control}
        with (
            log.open("wb") as out,
            subprocess.Popen(command, env=environment, stdout=out, stderr=out) as server,
        ):
            try:
                answers(server, f"http://127.0.0.1:{port}")
                yield psutil.Process(server.pid), f"http://127.0.0.1:{port}"
                server.terminate()
                assert server.wait(600) == 0
            finally:
                server.kill()

    def search(self, *more: Path) -> dict[str, str]:
        """Where the core is, in every file that anybody wrote."""
        return found_in(self.core, files(self.data, self.backups, self.archive, self.tmp, *more))

    def keep_wal(self, dsn: str) -> None:
        """What an archive of the WAL would have by now."""
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("SELECT pg_switch_wal()")
            conn.execute("CHECKPOINT")
        for segment in (self.data / "postgres" / "cluster" / "pg_wal").iterdir():
            if segment.is_file() and not (self.archive / segment.name).exists():
                shutil.copy(segment, self.archive)


@pytest.fixture
def operated(tmp_path: Path, fast: embedded.Options) -> Iterator[Operated]:
    made = Operated(tmp_path)
    embedded.start(made.data / "postgres", fast)
    yield made
    embedded.stop(made.data / "postgres")


def tell_the_server(operated: Operated, url: str, key: str) -> tuple[str, dict[str, str]]:
    """What a host and its person tell by HTTP, and what the person reads of it."""
    host = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=host, timeout=600) as client:

        def send(path: str, body: dict[str, Any], **more: Any) -> Any:
            answer = client.post(path, json=body, **more)
            assert answer.is_success, answer.text
            return answer.json()

        name = f"{operated.core}-ana"
        account = send("/v1/accounts", {"host": name, "plan": "pro", "age": 30})["account"]
        signed = tokens.sign_token(TOKEN_KEY, name, "licet", datetime.now(UTC).timestamp())
        person = {"authorization": f"Bearer {signed}"}
        send("/v1/accounts/me/choices", {"allow": True}, headers=person)
        say = operated.sentence
        for role in ("user", "assistant"):
            said = send(
                "/v1/turns",
                {
                    "account": account,
                    "conversation": f"host:{say('host id of the chat')}",
                    "id": f"{role} {say('turn id')}",
                    "role": role,
                    "text": say(f"{role} text"),
                    "title": say("title"),
                    "model": say("model name"),
                },
                headers={"idempotency-key": f"{operated.core}-{role}"},
            )
        chat = said["conversation"]
        comment = {"rating": "down", "share": "conversation", "comment": say("comment")}
        send(f"/v1/conversations/{chat}/feedback", comment, headers=person)
        turns = client.get(f"/v1/conversations/{chat}/turns", headers=person)
        assert say("user text") in turns.text
        assert operated.core in client.get("/v1/accounts/me/export", headers=person).text
        refused = client.post(
            "/v1/turns", json={"account": account, "role": say("role"), "text": say("broken body")}
        )
        assert refused.status_code in (400, 422)
    return account, person


def join_and_cool(operated: Operated) -> None:
    """Small blocks of what lives are joined, and part of it is moved out of the database, to
    objects that hold it sealed.
    """
    later = datetime.now(UTC) + timedelta(days=2)
    with open_installation(Configuration(data=operated.data), lambda: later) as installation:
        assert block_joins.join(installation, timedelta(days=1)).blocks_after > 0
        assert operated.search() == {}
        assert cold_tier.cool(installation, 1).turns > 0
    assert any(path.is_file() for path in (operated.data / "cold").rglob("*"))
    assert operated.search() == {}


def keeps_its_memory(pid: int) -> bool:
    """Whether a program writes no core dump, and no page to swap where it may lock them."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    status = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if ":" in line
    )
    is_locked = int(status["VmLck"].split()[0]) > 0
    may_lock = re.search(r"Max locked memory\s+unlimited", limits) is not None
    no_core = re.search(r"Max core file size\s+0\s+0\s", limits) is not None
    return (
        no_core
        and (is_locked or not may_lock)
        and (not is_locked or int(status["VmSwap"].split()[0]) == 0)
    )


def copied(operated: Operated, dsn: str) -> Copy:
    operated.keep_wal(dsn)
    return Copy.of(dsn)


def readable(copy: Copy, operated: Operated, epochs: Path, chain_of: Copy | None = None) -> int:
    """How many planted turns the copy opens."""
    return sum(
        any(operated.core.encode() in part for part in unpacked(plain))
        for plain in copy.opens(epochs, chain_of)
    )


def test_the_sentence_is_nowhere_and_opens_nowhere_once_its_account_was_erased(
    operated: Operated,
) -> None:
    control = f"{operated.core[::-1]} is in clear"
    epochs = operated.data / "keys"
    operated.run("init", "--preset", "article-2025", "--names-left-in")
    scopes = ["--scope=accounts:write", "--scope=turns:write", "--scope=choices:write"]
    key = json.loads(operated.run("api-key", "create", "host", *scopes, "--json"))["key"]
    with operated.serving(operated.folder / "tmp" / "server.log", control) as (server, url):
        account, person = tell_the_server(operated, url, key)
        planted = {field: operated.sentence(field) for field in FIELDS}
        script = [sys.executable, "-c", PLANT, str(operated.data)]
        operated.run(program=script, stdin=json.dumps({"account": account, "say": planted}))
        operated.run("release", "build", "october", "--purpose", "improve_models")
        operated.run("backup", "make", str(operated.backups))
        dsn = embedded.revive(operated.data / "postgres")
        before = copied(operated, dsn)
        look_is_believed(operated, dsn, server, control)
        assert before.turns >= 5
        assert readable(before, operated, epochs) == before.turns, (
            "as long as it lives, its person reads it"
        )
        assert operated.search() == {}, "in clear it is nowhere even while it lives"
        join_and_cool(operated)
        assert keeps_its_memory(server.pid)

        closed = httpx.post(
            f"{url}/v1/accounts/{account}/close", headers={"authorization": f"Bearer {key}"}
        )
        assert closed.is_success, closed.text
        operated.run("erase", "run", "--now")
        after = copied(operated, dsn)
        assert [
            row for row in after.blocks if str(row[0].hex) == account.removeprefix("acc_")
        ] == []
        assert readable(before, operated, epochs, after) == 0, "no living key opens what was sealed"
        assert operated.search() == {}
        refused = httpx.get(f"{url}/v1/accounts/me/conversations", headers=person)
        assert operated.core not in refused.text
        postgres = programs(operated.data)
        for place, program in enumerate(postgres):
            assert found_in(operated.core, memory(program.pid, shared=place == 0)) == {}
        usable = json.loads(operated.run("release", "show", "october", "--json"))["rows_usable_now"]
        assert usable == 0

    # A server's interpreter may keep freed text until it ends: the next one has none of it.
    with operated.serving(operated.folder / "tmp" / "next.log", control) as (server, _):
        if can_read_memory(server.pid):
            assert found_in(operated.core, memory(server.pid, shared=True)) == {}
    check_old_copies(operated, before, epochs)


def look_is_believed(operated: Operated, dsn: str, server: psutil.Process, control: str) -> None:
    """The same search finds what is in clear, in every kind of place, and names none of them by
    mistake.
    """
    word = control.split()[0]
    (operated.tmp / "left").write_text(control)
    (operated.backups / "left").write_text(control)
    (operated.data / "releases" / "left").write_text(control)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO secrets (name, wrapped) VALUES ('control', %s)", [control.encode()]
        )
        conn.execute(f"DO $$ BEGIN RAISE LOG '{control}'; END $$")
        backend = conn.info.backend_pid
        conn.execute("SELECT %s::text", [control])
        postgres = (
            found_in(word, memory(backend, shared=True))
            if can_read_memory(backend)
            else {"unread": ""}
        )
    operated.keep_wal(dsn)
    dump = operated.tmp / "control.dump"
    subprocess.run([str(embedded.binaries() / "pg_dump"), "-Fc", f"--file={dump}", dsn], check=True)
    found = found_in(word, files(operated.data, operated.backups, operated.archive, operated.tmp))
    kinds = (
        "pg_wal/",
        "base/",
        "archive/",
        "backups/",
        "tmp/",
        "releases/",
        "control.dump as text",
    )
    assert [kind for kind in kinds if not any(kind in name for name in found)] == []
    assert any("log" in Path(name).name for name in found), "and the log of the database"
    assert postgres
    if can_read_memory(server.pid):
        assert found_in(word, memory(server.pid, shared=True))
        assert found_in(operated.core, memory(server.pid, shared=True)), (
            "a server that has read it has it in memory"
        )
    dump.unlink()
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("DELETE FROM secrets WHERE name = 'control'")


def check_old_copies(operated: Operated, before: Copy, epochs: Path) -> None:
    """The published delay: a copy from before opens it until the rotation's window is over, and
    never after that.
    """
    moved = datetime.now(UTC)
    with open_installation(Configuration(data=operated.data), lambda: moved) as installation:
        assert readable(before, operated, epochs) > 0, (
            "control: copy and keys of the same day do open it"
        )
        (number, *_) = [epoch.number for epoch in chain.status(installation).epochs]
        chain.rotate(installation, Rotation.daily)
        assert readable(before, operated, epochs) > 0, "control: the rotation alone does not end it"
        assert chain.destroy_due(installation) == []
        moved += timedelta(days=installation.config.key_chain.backup_days, seconds=1)
        assert chain.destroy_due(installation) == [number]
    assert readable(before, operated, epochs) == 0, "within the schedule it opens nowhere any more"

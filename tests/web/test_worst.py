"""The cheapest hurtful request of every route, against a server in a process of its own: what it
costs is bounded.

Each row says what is sent and holds, for the server's process, the processor time (of all its
threads), the memory at its peak beyond what it had and beyond the request's own bytes, and how long
`/healthz` was silent for somebody else: in processor time of the server, so that a busy machine
changes nothing. `docs/worst-requests.md` is the table; to write it anew set TESTS_WRITE_GOLDEN=1.
Its figures are of the machine that wrote it: the bounds are what the test holds, and that no route
is without a row.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import psutil
import pytest

from licet.access.roles import StaffRole
from licet.intake import otlp
from licet.store.connect import Pool
from licet.vault.refusals import SEGMENTS_MAX
from licet.web.access import limits
from licet.web.api import turns as api_turns
from licet.webhooks import endpoints

from ..machine import slowness
from ..tiers import SIXTEENTH, WHOLE
from .served import ORIGIN, World
from .test_matrix import routes
from .test_otlp import field

PAGE = Path(__file__).parents[2] / "docs" / "worst-requests.md"
CPU_SECONDS_MAX, MEMORY_BYTES_MAX, SILENT_SECONDS_MAX = 2.0, 200 * 2**20, 1.0
# Of the bodies that every route for JSON gets, a run sends each of them one, others each day.
ALL = WHOLE or "TESTS_WRITE_GOLDEN" in os.environ
TRIES = 3  # what the process does by itself may fall into one of them
PROBE_SECONDS = 0.02
MESSAGE = 23_000  # characters: as many as are read for names at once
WORDS = (
    "the",
    "gardens",
    "of",
    "Jane",
    "Poole",
    "in",
    "Leeds",
    "were",
    "open",
    "and",
    "Peter",
    "Marsh",
    "wrote",
    "about",
)
UNKNOWN = "0" * 31 + "1"
SEGMENTS = "[segments](glossary.md#segment)"  # as the page has it, where it uses the word first

SERVER = """
import sys
from pathlib import Path
from licet.clock import utc_now
from licet.config import Configuration, Web
from licet.store.connect import open_pool
from licet.keys.keyring import Keyring
from licet.keys.material import FileProvider
from licet.vault.installation import Installation
from licet.web.app import create_app
from licet.web.access.connections import bind_socket
from licet.web.serve import log_as_json, server
dsn, folder, url = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
log_as_json()
web = Web(
    url=url, token_key_file=folder / "token.key", person_requests_per_minute=10**6, unknown_requests_per_minute=10**6
)
from licet.web.app import load_previews
with open_pool(dsn) as pool:
    installation = Installation(
        config=Configuration(data=folder, web=web), pool=pool, keyring=Keyring(FileProvider(folder / "keys")),
        clock=utc_now,
    )
    load_previews(installation)  # as `licet serve` does before it answers
    with bind_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        running = server(create_app(installation, web), "127.0.0.1", 0, web)
        running.on_listening = lambda: print(port, file=sys.stderr, flush=True)
        running.run(sockets=[listener])
"""


class Worst(NamedTuple):
    """A request: what it is in words, who sends it, and what is sent."""

    said: str
    caller: str = "service"
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})
    query: str = ""


class Cost(NamedTuple):
    status: int
    cpu_seconds: float
    memory_bytes: int
    silent_seconds: float
    slowness: float = 1.0  # of the machine, measured where a figure is beyond its bound


def json_of(**values: Any) -> bytes:
    return json.dumps(values).encode()


WIDE = b'{"text": "' + b"\\u0000" * (limits.BODY_BYTES_MAX // 6 - 10) + b'"}'
NESTED = b"[" * (limits.BODY_BYTES_MAX - 1)
OBJECTS = b"[" + b"{}," * (limits.BODY_BYTES_MAX // 3 - 10) + b"{}]"
FORM = b"&".join(b"a%d=" % n for n in range(30_000))
JSON = {"content-type": "application/json"}
FORMED = {"content-type": "application/x-www-form-urlencoded"}
PROTOBUF = {"content-type": "application/x-protobuf"}
ALTERNATING = [
    {"account": "host:ana", "conversation": "host:long", "text": "hello", "surface": s}
    for s in ("app", "api")
]
OTHER = {"account": "host:ana", "conversation": "host:many", "text": "hello"}


def lines(count: int, *turns: dict[str, Any]) -> bytes:
    return b"\n".join(json_of(**turns[n % len(turns)], id=f"t{n}") for n in range(count))


def spans(count: int) -> bytes:
    """Model calls of one account, each with a conversation of its own."""

    def pair(name: bytes, value: bytes) -> bytes:
        return field(9, field(1, name) + field(2, field(1, value)))

    said = b'[{"role":"user","content":"hello"}]'
    each = [
        field(
            2,
            pair(b"enduser.id", b"ana")
            + pair(b"gen_ai.conversation.id", b"s%d" % n)
            + pair(b"gen_ai.input.messages", said),
        )
        for n in range(count)
    ]
    return field(1, field(2, b"".join(each)))


JSON_BODY = (
    Worst("200,000 opening brackets", body=NESTED, headers=JSON),
    Worst("85,000 empty objects", body=OBJECTS, headers=JSON),
    Worst("a text of 43,000 escapes", body=WIDE, headers=JSON),
)
READ = (Worst("the largest there is", query="?limit=200"),)
OWN = (Worst("the largest there is", "person"),)
STAFF = (Worst("the largest there is", "staff"),)
FORM_BODY = (Worst("a form of 30,000 fields", "staff", FORM, FORMED),)
OWN_FORM = (Worst("a form of 30,000 fields", "browser", FORM, FORMED),)
PAGE_OF = (Worst("the largest there is", "browser"),)

TURN = "POST /v1/turns"
BULK = "POST /v1/turns:bulk"
OTLP = "POST /v1/otlp/v1/traces"
PREVIEW = "GET /v1/accounts/{account:str}/preview"
SHOWN = "a chat of addresses alone, as long as is shown"
NAMES = "as much as is read for names at once"
WORST: dict[str, tuple[Worst, ...]] = {
    PREVIEW: (
        Worst("everything", "person"),
        Worst(SHOWN, "person", query="?conversation=host:mails"),
        Worst(NAMES, "person", query="?conversation=host:prose"),
        Worst("a chat that is too long", "person", query="?conversation=host:fat"),
    ),
    "GET /preview": (Worst("everything", "browser"),),
    "GET /projects/{name:str}/preview": (Worst(SHOWN, "browser"),),
    "GET /chats/{name:str}/preview": (Worst(SHOWN, "browser"),),
    TURN: (
        *JSON_BODY,
        Worst("8 MiB of empty objects", body=b"[" + b"{}," * 2_700_000 + b"{}]", headers=JSON),
        Worst(
            "a text of 4 Mi characters",
            body=json_of(account="host:ana", conversation="host:fat", text="x" * (4 * 2**20)),
            headers=JSON,
        ),
        Worst(
            f"a turn in a conversation of as many {SEGMENTS} as there may be",
            body=json_of(**ALTERNATING[0]),
            headers=JSON,
        ),
    ),
    BULK: (
        Worst("4 MiB of newlines", body=b"\n" * 2**22),
        Worst("64 MiB of newlines", body=b"\n" * 2**26),
        Worst("as many lines as may be, of nothing", body=b"\n" * limits.BULK_LINES_MAX),
        Worst(
            "as many turns as may be, to a conversation each",
            body=b"\n".join(
                json_of(**{**OTHER, "conversation": f"host:b{n}"})
                for n in range(limits.BULK_LINES_MAX)
            ),
        ),
        Worst(
            "as many turns as may be, alternating in a conversation of 256 segments",
            body=lines(limits.BULK_LINES_MAX, *ALTERNATING),
        ),
        Worst(
            "8 turns of 4 MiB",
            body=b"\n".join(
                json_of(**{**OTHER, "text": "y" * 2**22}, id=f"f{n}") for n in range(8)
            ),
        ),
        Worst("lines that nest too deeply", body=b"\n".join([b"[" * 4_000] * 5_000)),
    ),
    OTLP: (
        Worst(
            "61 kB of gzip with 20 million empty spans",
            body=gzip.compress(b"\x12\x00" * 20_000_000, 9),
            headers={**PROTOBUF, "content-encoding": "gzip"},
        ),
        Worst(
            "a gzip of the same as JSON",
            headers={**JSON, "content-encoding": "gzip"},
            body=gzip.compress(
                b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + b"{}," * 10_000_000 + b"{}]}]}]}",
                9,
            ),
        ),
        Worst(
            "as many fields as may be",
            body=field(1, field(2, field(2, b"\x4a\x00" * 999_000))),
            headers=PROTOBUF,
        ),
        Worst(
            "as many spans as may be, a conversation each",
            body=spans(otlp.SPANS_MAX),
            headers=PROTOBUF,
        ),
        Worst(
            "as many of an account that is not known",
            body=spans(otlp.SPANS_MAX).replace(b"ana", b"eve"),
            headers=PROTOBUF,
        ),
    ),
}


def defaults(key: str, path: str) -> tuple[Worst, ...]:
    """What a route of a kind gets that has nothing of its own above."""
    method = key.partition(" ")[0]
    if path.startswith("/console"):
        return STAFF if method == "GET" else FORM_BODY
    if path.startswith("/v1/"):
        if method in ("POST", "PUT"):
            return JSON_BODY
        return (*READ, *OWN) if "{account:str}" in path else READ
    if path.startswith(
        (
            "/healthz",
            "/readyz",
            "/metrics",
            "/openapi",
            "/static",
            "/signed-out",
            "/sign-in",
            "/enter",
            "/elements",
        )
    ):
        long = Worst("headers of 60,000 bytes", "nobody", headers={"x-long": "y" * 60_000})
        return (
            (long,)
            if method == "GET"
            else (long, Worst("a form of 30,000 fields", "nobody", FORM, FORMED))
        )
    return PAGE_OF if method == "GET" else OWN_FORM


class Measured:
    """The server's process, its callers, and somebody who asks `/healthz` all the time."""

    def __init__(
        self, world: World, objects: dict[str, str], process: subprocess.Popen[str], port: int
    ) -> None:
        self.world = world
        self.url, self.process = f"http://127.0.0.1:{port}", psutil.Process(process.pid)
        self.callers = {
            "nobody": {},
            "person": world.person("ana"),
            "service": world.service(),
            "browser": world.browser("ana"),
            "staff": world.staff(*StaffRole),
        }
        self.objects = objects
        self.http = httpx.Client(timeout=120)

    def send(self, key: str, worst: Worst) -> int:
        method, _, path = key.partition(" ")
        if path.endswith("/preview"):
            path = path.replace("/chats/{name:str}", f"/chats/{self.objects['mails']}")
        if path.startswith("/chats/"):
            path = path.replace("{name:str}", self.objects["conversation"])
        if path.startswith("/projects/"):
            path = path.replace("{name:str}", self.objects["project"])
        for name, value in self.objects.items():
            path = path.replace("{" + name + ":str}", value)
        headers = {**self.callers[worst.caller], **worst.headers}
        answer = self.http.request(
            method,
            f"{self.url}{path}{worst.query}",
            content=worst.body,
            headers=headers,
            follow_redirects=False,
        )
        return answer.status_code

    def read_more(self) -> bool:
        """Has a part of the addresses read for names; whether there is more."""
        path = "/v1/accounts/me/preview?conversation=host:mails"
        seen = self.http.get(f"{self.url}{path}", headers=self.callers["person"]).json()
        assert seen["items"][0]["beyond"] is None
        return bool(seen["items"][0]["unread"])

    def cost(self, key: str, worst: Worst) -> Cost:
        """What a request costs: the least of some tries, should it have been much. What a busy
        machine adds differs from try to try (the longer an answer takes, the more probes are
        counted with it), and what the request needs does not.
        """
        least = self.tried(key, worst)
        for _ in range(TRIES - 1):
            if not is_beyond(least):
                return least
            again = self.tried(key, worst)
            least = least._replace(
                cpu_seconds=min(least.cpu_seconds, again.cpu_seconds),
                silent_seconds=min(least.silent_seconds, again.silent_seconds),
                memory_bytes=min(least.memory_bytes, again.memory_bytes),
            )
        return least._replace(slowness=slowness()) if is_beyond(least) else least

    def tried(self, key: str, worst: Worst) -> Cost:
        before, resident = self.cpu(), self.resident(reset=True)
        with probing(self.url, self.cpu) as silences:
            status = self.send(key, worst)
        memory = max(0, self.peak() - resident - len(worst.body))
        return Cost(status, self.cpu() - before, memory, max(silences, default=0.0))

    def cpu(self) -> float:
        spent = self.process.cpu_times()
        return spent.user + spent.system

    def resident(self, *, reset: bool) -> int:
        if reset:
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # the peak begins anew
        return self.process.memory_info().rss

    def peak(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


@contextmanager
def probing(url: str, cpu: Callable[[], float]) -> Iterator[list[float]]:
    """What the server did, in seconds of its processor time, while each of somebody else's requests
    waited.
    """
    silences: list[float] = []
    ends = threading.Event()

    def probe() -> None:
        with httpx.Client(timeout=120) as http:
            while not ends.is_set():
                begun = cpu()
                assert http.get(f"{url}/healthz").status_code == 200
                silences.append(cpu() - begun)
                time.sleep(PROBE_SECONDS)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield silences
    finally:
        ends.set()
        thread.join(120)


def filled(world: World) -> dict[str, str]:
    """Something large of everything: conversations, turns, segments. The ids that paths are filled
    with.
    """
    world.clock.set(datetime.now(UTC))
    world.open("ana", allow=True)
    rng = random.Random(1)
    own = {"account": "host:ana", "project": "host:p"}
    mails = ["a@firma.ee " * (MESSAGE // 11)] * 8
    prose = [f"{n} " + " ".join(rng.choice(WORDS) for _ in range(14)) for n in range(1_900)]
    several = (
        b"\n".join(
            json_of(**own, conversation="host:mails", text=text, id=f"d{n}")
            for n, text in enumerate(mails)
        ),
        lines(2 * SEGMENTS_MAX, *ALTERNATING),
        b"\n".join(json_of(**{**OTHER, "conversation": f"host:c{n}"}) for n in range(1_000)),
        b"\n".join(
            json_of(**{**OTHER, "conversation": "host:prose", "text": t}, id=f"p{n}")
            for n, t in enumerate(prose)
        ),
        b"\n".join(
            json_of(**{**OTHER, "conversation": "host:fat"}, id=f"f{n}") for n in range(3_000)
        ),
        b"\n".join(
            json_of(**{**OTHER, "conversation": "host:fat", "text": "z" * 2**16}, id=f"g{n}")
            for n in range(200)
        ),
    )
    for place, body in enumerate(several):
        statuses = {
            json.loads(line)["status"]
            for line in api_turns._take_all(world.site, body).splitlines()
        }
        assert place == 1 or statuses == {201}
    endpoints.add(world.installation, "reader", None)
    ((fat,),) = world.rows(
        "SELECT conversation_id FROM turns GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    )
    (mails_row,) = world.rows(
        "SELECT conversation_id, project_id FROM conversations WHERE project_id IS NOT NULL"
    )
    return {
        "mails": f"conv_{mails_row[0].hex}",
        "project": f"proj_{mails_row[1].hex}",
        "account": f"acc_{world.accounts['ana'].hex}",
        "conversation": f"conv_{fat.hex}",
        "turn": f"turn_{fat.hex}-1",
        "showing": UNKNOWN,
        "erasure": f"era_{UNKNOWN}",
        "event": f"evt_{UNKNOWN}",
        "release": UNKNOWN,
        "name": "x",
        "staff": UNKNOWN,
        "secret": "x" * 43,
        "version": "x",
        "hold": UNKNOWN,
        "matter": "x",
    }


@pytest.fixture
def measured(pool: Pool, dsn: str, tmp_path: Path) -> Iterator[Measured]:
    if not sys.platform.startswith("linux"):
        pytest.skip("what a process costs is read from /proc")
    world = World(pool, tmp_path / "data")
    objects = filled(world)
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, dsn, str(tmp_path / "data"), ORIGIN],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        port = int(process.stderr.readline())
        world.wall = datetime.now(UTC)
        made = Measured(world, objects, process, port)
        # what is compiled and remembered with the first requests is nobody's cost
        for _ in range(3):
            made.http.get(f"{made.url}/healthz")
            made.http.get(f"{made.url}/v1/me", headers=made.callers["person"])
        while made.read_more():
            pass
        try:
            yield made
        finally:
            process.terminate()


def cases(world: World) -> dict[str, tuple[Worst, ...]]:
    """The rows, by route."""
    found = [f"{method} {path}" for method, path, _ in routes(world)]
    named = [
        key for key in found if not key.startswith("GET /openapi") or key == "GET /openapi.json"
    ]
    ordered = sorted(set(named), key=lambda key: PLACES.get(key, key))
    return {key: WORST.get(key) or defaults(key, key.partition(" ")[2]) for key in ordered}


# What ends the account or its session stands just before the API's route that closes it: nothing
# large is left after that.
PLACES = {
    key: f"POST /v1/accounts/{{account:str}}/clos{place}"
    for place, key in enumerate(
        ("POST /everything/delete", "POST /account/close", "POST /sign-out")
    )
}


def test_no_route_is_without_its_worst_request_and_each_is_bounded(measured: Measured) -> None:
    rows: list[Row] = []
    for place, (key, several) in enumerate(cases(measured.world).items()):
        sent = (
            several
            if ALL or several is not JSON_BODY
            else (several[(place + SIXTEENTH) % len(several)],)
        )
        rows += [
            Row(key, worst.said, worst.caller, len(worst.body), measured.cost(key, worst))
            for worst in sent
        ]
    if os.environ.get("TESTS_WRITE_GOLDEN"):
        PAGE.write_text(page_of(rows), encoding="utf-8")
    assert [row for row in rows if is_beyond(row.cost)] == []
    measured_rows, page = (
        [shown(row)[:4] for row in rows],
        rows_of(PAGE.read_text(encoding="utf-8")),
    )
    assert measured_rows == [row for row in page if ALL or row in measured_rows]
    assert {row[0] for row in page} == {row[0] for row in measured_rows}


class Row(NamedTuple):
    """A line of the page."""

    route: str
    said: str
    caller: str
    sent_bytes: int
    cost: Cost


def is_beyond(cost: Cost) -> bool:
    return (
        cost.cpu_seconds > CPU_SECONDS_MAX * cost.slowness
        or cost.memory_bytes > MEMORY_BYTES_MAX
        or cost.silent_seconds > SILENT_SECONDS_MAX * cost.slowness
        or cost.status == 500
    )


def shown(row: Row) -> list[str]:
    cost = row.cost
    return [
        f"`{row.route}`",
        row.said,
        row.caller,
        f"{row.sent_bytes:,}",
        str(cost.status),
        f"{cost.cpu_seconds:.2f}",
        f"{cost.memory_bytes / 2**20:.0f}",
        f"{cost.silent_seconds:.2f}",
    ]


def page_of(rows: list[Row]) -> str:
    heads = (
        "route",
        "what is sent",
        "by",
        "bytes",
        "answer",
        "CPU, s",
        "memory, MiB",
        "silent, CPU s",
    )
    table = [heads, ["---"] * len(heads), *map(shown, rows)]
    return HEAD + "\n".join(f"| {' | '.join(cells)} |" for cells in table) + "\n"


def rows_of(page: str) -> list[list[str]]:
    """What the page says is sent, without the figures."""
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    return [line.removeprefix("| ").removesuffix(" |").split(" | ")[:4] for line in lines]


HEAD = f"""# The worst request of every route

For each route the cheapest request that hurts: the largest object there is, or the body that costs most for its bytes.
Each was sent to a server in a process of its own while somebody else asked `/healthz` all the time. No request may cost
more than {CPU_SECONDS_MAX:.0f} seconds of the server's processor time, {MEMORY_BYTES_MAX // 2**20} MiB beyond its own
bytes, or keep `/healthz` silent for more than a second of it. `tests/web/test_worst.py` sends them all and fails for a route
without a row, for one past a bound, and for an answer of 500.

The figures are of the machine that wrote the page; the test holds the bounds, not the figures. To write it anew:
`TESTS_WRITE_GOLDEN=1 ./run test tests/web/test_worst.py`. What bounds each is in [security.md](security.md), Limits.
Slow senders, half-open connections and readers who do not read are held by `tests/web/test_connections.py`.

"""

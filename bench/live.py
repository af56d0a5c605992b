"""What it costs that conversations flow in by themselves.

- a call of a LiteLLM proxy with the callback, beside the same proxy without it: median and 99th
  percentile, one client, models that answer at once, calls of the two in turn
- spans a second until they are durable, sent as an exporter sends them (512 a request, each call
  with its history), beside the same turns in bulk
- a process that fills the spool while it is delivered is killed, again and again: turns that it had
  acknowledged and that are missing at the end, turns that are there twice, and how fast what it
  left is delivered

The proxies need `.venv-litellm`, which `./run test` makes; without it their rows are left out.

    python bench/live.py [--calls 500] [--rounds 3] [--spans 5120] [--kills 5]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench import Row
from bench.web import ours, prepare, running
from licet.config import Configuration
from licet.host import Host, HostSettings
from licet.store.connect import transaction
from licet.vault.ids import host_hmac
from licet.vault.installation import Installation, load_host_key, open_installation

PORT = 18887
PROXIES = {"with": 18888, "without": 18889}
LITELLM = Path(__file__).parents[1] / ".venv-litellm" / "bin" / "litellm"
MASTER_KEY = "sk-3f9c1d5a77e24d0b8f6f3c2a"
SPANS_A_REQUEST, CALLS_A_CONVERSATION, ACCOUNTS = 512, 4, 2_000
START_SECONDS_MAX, WARMING = 300, 40
ASKED = "How do I plant a pear tree where the soil is heavy and the winters are long? " * 4
ANSWERED = "In November, with its roots spread wide, and a stake on the side of the wind. " * 4
MODEL = """
model_list:
  - model_name: mock
    litellm_params: {model: openai/mock, api_key: none, mock_response: "In November, with its roots spread wide."}
general_settings:
  master_key: MASTER_KEY
litellm_settings:
"""
FILLING = """
import sys
from pathlib import Path
from licet.client import ConversationTurn
from licet.host import GatePermit, Host, HostSettings
url, key_file, spool, begin = sys.argv[1:]
host = Host(HostSettings(url=url, key_file=Path(key_file), spool=Path(spool)))
for number in range(int(begin), 10**9):
    account = f"host:p{number % 50}"
    turn = ConversationTurn(account=account, conversation=f"host:k{number % 500}", id=str(number), text="hello", surface="app")
    may = dict(gate="open", may_write=True, may_record=True)
    on_disk = host.record(GatePermit(account=account, grant=1, **may), [turn])
    on_disk.result()
    print(number, flush=True)
"""


# The proxy


@contextmanager
def proxy(folder: Path, name: str, key_file: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The address of a proxy, with the callback or without, and its process."""
    folder.mkdir()
    line = (
        "  callbacks: licet.plugins.litellm.callback\n"
        if name == "with"
        else "  drop_params: true\n"
    )
    (folder / "config.yaml").write_text(MODEL.replace("MASTER_KEY", MASTER_KEY) + line)
    environment = {
        **os.environ,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LICET_URL": f"http://127.0.0.1:{PORT}",
        "LITELLM_LICET_KEY_FILE": str(key_file),
        "LITELLM_LICET_SPOOL": str(folder / "spool"),
        "LITELLM_LICET_SURFACE": "app",
    }
    command = [
        str(LITELLM),
        "--config",
        "config.yaml",
        "--host",
        "127.0.0.1",
        "--port",
        str(PROXIES[name]),
    ]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            until = time.monotonic() + START_SECONDS_MAX
            while not _lives(f"http://127.0.0.1:{PROXIES[name]}/health/liveliness"):
                assert server.poll() is None, "the proxy did not start"
                assert time.monotonic() < until, "the proxy did not start in time"
                time.sleep(0.5)
            yield (
                f"http://127.0.0.1:{PROXIES[name]}/v1/chat/completions",
                psutil.Process(server.pid),
            )
        finally:
            server.terminate()


def _lives(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def call(client: httpx2.Client, url: str, number: int) -> float:
    """Milliseconds of one call, of accounts that take turns."""
    body = {
        "model": "mock",
        "user": f"p{number % 20}",
        "litellm_session_id": f"{url} {number}",
        "messages": [{"role": "user", "content": ASKED}],
    }
    begun = time.perf_counter()
    answer = client.post(url, json=body)
    spent = (time.perf_counter() - begun) * 1e3
    assert answer.status_code == 200, answer.text
    return spent


def proxies(folder: Path, key_file: Path, calls: int) -> list[Row]:
    """Calls of the two in turn, so that whatever else the machine does falls on both."""
    seen: dict[str, list[float]] = {"with": [], "without": []}
    with (
        proxy(folder / "with", "with", key_file) as mine,
        proxy(folder / "without", "without", key_file) as bare,
        httpx2.Client(headers={"authorization": f"Bearer {MASTER_KEY}"}, timeout=60) as client,
    ):
        both = {"with": mine, "without": bare}
        before = dict[str, float]()
        for number in range(calls + WARMING):
            if number == WARMING:
                before = {name: _cpu(server) for name, (_, server) in both.items()}
            for name, (url, _) in both.items():
                spent = call(client, url, number)
                seen[name] += [spent] if number >= WARMING else []
        cpu = {
            name: (_cpu(server) - before[name]) * 1e3 / calls for name, (_, server) in both.items()
        }
    rows = []
    for what, place in (("median", 0.5), ("99th percentile", 0.99)):
        ours_ms, bare_ms = (
            sorted(seen[name])[round(place * (calls - 1))] for name in ("with", "without")
        )
        title = f"a call of the proxy with the callback, beside the same without it, ms, {what}"
        rows.append(Row(title, f"{ours_ms:.2f}", f"{bare_ms:.2f}", f"{ours_ms / bare_ms:.2f}"))
    title = "  CPU of the proxy a call, ms, the turns' way to disk and to Licet included"
    return [
        *rows,
        Row(
            title,
            f"{cpu['with']:.2f}",
            f"{cpu['without']:.2f}",
            f"{cpu['with'] / cpu['without']:.2f}",
        ),
    ]


def _cpu(server: psutil.Process) -> float:
    return sum(server.cpu_times()[:2])


# Spans


def conversation(mark: str, number: int) -> list[tuple[list[str], str]]:
    """The calls of a conversation: what was said before each, and its answer."""
    said, calls = list[str](), list[tuple[list[str], str]]()
    for call in range(CALLS_A_CONVERSATION):
        said = [*said, f"{mark} {number} {call} {ASKED}"]
        calls.append((said, f"{mark} {number} {call} {ANSWERED}"))
        said = [*said, calls[-1][1]]
    return calls


def as_spans(mark: str, begin: int, count: int) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    surface = group.resource.attributes.add(key="licet.surface")
    surface.value.string_value = "app"
    spans = group.scope_spans.add().spans
    for number in range(begin, begin + count // CALLS_A_CONVERSATION):
        for said, answer in conversation(mark, number):
            span = spans.add(
                trace_id=os.urandom(16), span_id=os.urandom(8), start_time_unix_nano=time.time_ns()
            )
            roles = ("user", "assistant")
            asked = [
                {"role": roles[n % 2], "parts": [{"type": "text", "content": text}]}
                for n, text in enumerate(said)
            ]
            values = {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "mock",
                "enduser.id": f"p{number % ACCOUNTS}",
                "gen_ai.conversation.id": f"{mark} {number}",
                "gen_ai.input.messages": json.dumps(asked),
                "gen_ai.output.messages": json.dumps(
                    [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
                ),
            }
            for key, value in values.items():
                span.attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


def as_lines(mark: str, begin: int, count: int) -> bytes:
    lines = []
    for number in range(begin, begin + count // CALLS_A_CONVERSATION):
        for call, (said, answer) in enumerate(conversation(mark, number)):
            for role, text in (("user", said[-1]), ("assistant", answer)):
                lines.append(
                    json.dumps(
                        {
                            "account": f"host:p{number % ACCOUNTS}",
                            "conversation": f"host:{mark} {number}",
                            "id": f"{call} {role}",
                            "role": role,
                            "text": text,
                        }
                    )
                )
    return "\n".join(lines).encode()


def spans(installation: Installation, key: str, count: int, rounds: int) -> list[Row]:
    kinds = {
        "spans": ("/v1/otlp/v1/traces", "application/x-protobuf", as_spans),
        "bulk": ("/v1/turns:bulk", "application/x-ndjson", as_lines),
    }
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    before = _turns(installation)
    with httpx2.Client(headers={"authorization": f"Bearer {key}"}, timeout=300) as client:
        for turn in range(rounds):
            for name, (path, kind, made) in kinds.items():
                step = SPANS_A_REQUEST // CALLS_A_CONVERSATION
                begins = range(0, count // CALLS_A_CONVERSATION, step)
                bodies = [made(f"{name}{turn}", begin, SPANS_A_REQUEST) for begin in begins]
                begun = time.perf_counter()
                for body in bodies:
                    answer = client.post(
                        f"http://127.0.0.1:{PORT}{path}",
                        content=body,
                        headers={"content-type": kind},
                    )
                    assert answer.status_code == 200, answer.text
                    assert name == "bulk" or not answer.content, answer.content
                rates[name].append(len(bodies) * SPANS_A_REQUEST / (time.perf_counter() - begun))
    sent = rounds * 2 * len(kinds) * len(bodies) * SPANS_A_REQUEST
    assert _turns(installation) - before == sent, (_turns(installation) - before, sent)
    mine, bulk = statistics.median(rates["spans"]), statistics.median(rates["bulk"])
    title = "spans/s until durable, 2 turns each, beside the same turns in bulk"
    return [Row(title, f"{mine:,.0f}", f"{bulk:,.0f}", f"{mine / bulk:.2f}")]


def _turns(installation: Installation) -> int:
    with transaction(installation.pool) as tx:
        row = tx.execute("SELECT count(*) FROM turns").fetchone()
    assert row is not None
    return int(row[0])


# The spool


def replay(installation: Installation, folder: Path, key_file: Path, kills: int) -> list[Row]:
    spool, url, acknowledged = folder / "killed", f"http://127.0.0.1:{PORT}", set[int]()
    left, seconds, begin = 0, 0.0, 0
    for kill in range(kills):
        command = [sys.executable, "-c", FILLING, url, str(key_file), str(spool), str(begin)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as filling:
            assert filling.stdout is not None
            said = [filling.stdout.readline() for _ in range(300 * (kill + 1))]
            filling.send_signal(signal.SIGKILL)
            said += filling.stdout.read().splitlines(keepends=True)
        last = max(int(line) for line in said if line.endswith("\n"))
        acknowledged |= set(range(begin, last + 1))
        begin = last + 2  # the one after the last may be on disk, and was not acknowledged
        host = Host(HostSettings(url=url, key_file=key_file, spool=spool))
        begun = time.perf_counter()
        while host.spool.size:
            time.sleep(0.005)
        seconds += time.perf_counter() - begun
        host.close()
        left += sum(
            count for reason, count in host.counts.items() if reason.startswith("delivered")
        )
    key = load_host_key(installation)
    names = {host_hmac(key, "turn", f"k{number % 500}", str(number)) for number in acknowledged}
    with transaction(installation.pool) as tx:
        rows = tx.execute(
            "SELECT host_hmac, count(*) FROM turns WHERE host_hmac IS NOT NULL GROUP BY 1"
        ).fetchall()
    lost, twice = (
        len(names - {bytes(name) for name, _ in rows}),
        sum(count > 1 for _, count in rows),
    )
    return [
        Row(
            f"of {len(names):,} turns acknowledged by {kills} killed processes: lost, there twice",
            f"{lost}, {twice}",
        ),
        Row("  delivered from what they left, turns/s", f"{left / seconds:,.0f}"),
    ]


def main(arguments: list[str]) -> list[Row]:
    """Rows of what, figure, floor and ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spans", type=int, default=5_120)
    parser.add_argument("--kills", type=int, default=5)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="licet-bench-") as place:
        folder = Path(place)
        data, key_file = folder / "data", folder / "key"
        data.mkdir()
        with open_installation(Configuration(data=data)) as installation:
            key, _ = prepare(installation)
            key_file.write_text(key)
            with running(ours, data, PORT):
                rows = proxies(folder, key_file, asked.calls) if LITELLM.exists() else []
                rows += spans(installation, key, asked.spans, asked.rounds)
                return rows + replay(installation, folder, key_file, asked.kills)

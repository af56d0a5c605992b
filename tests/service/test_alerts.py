"""What is watched from outside: alerts fire as their tests say, each has its page, and every metric
that is named is there.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from litestar.testing import TestClient

from licet.cli.command import main
from licet.service import alerts

from ..cli.test_command import runner
from ..forking import FORKED
from ..web.served import World

ROOT = Path(__file__).parents[2]
DEPLOY, RUNBOOKS = ROOT / "deploy", ROOT / "docs" / "runbooks"
OF_PROMETHEUS = {"up"}
# The index says why no alert leads to them.
LINK = (
    "{{ with $externalLabels.licet_runbooks }}{{ . }}"
    f"{{{{ else }}}}{alerts.RUNBOOKS}{{{{ end }}}}"
)
WITHOUT_ALERT = {"journal-damaged.md"}


def rules() -> list[dict[str, Any]]:
    return [rule for rule in all_rules() if "alert" in rule]


def all_rules() -> list[dict[str, Any]]:
    """The alerts, and what is recorded for them."""
    groups = yaml.safe_load((DEPLOY / "alerts.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def page_of(rule: dict[str, Any]) -> Path:
    """The page that a link leads to, wherever the site of the documentation is."""
    link: str = rule["annotations"]["runbook_url"]
    assert link.startswith(LINK), link
    return RUNBOOKS / link.removeprefix(LINK).replace(".html", ".md")


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        message = (
            "promtool is not here: the alerts are not tried; apt-get install "
            "--no-install-recommends prometheus"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return subprocess.run(
        [program, *words], cwd=DEPLOY, capture_output=True, text=True, check=False
    )


def expressions() -> dict[str, str]:
    """Every expression of the alerts and of the board, by who asks it."""
    board = json.loads((DEPLOY / "grafana" / "licet.json").read_text("utf-8"))
    asked = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in board["panels"]
        for target in panel["targets"]
    }
    return asked | {rule.get("alert") or rule["record"]: rule["expr"] for rule in all_rules()}


def test_prometheus_takes_the_rules() -> None:
    checked = promtool("check", "rules", "alerts.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_on_what_it_is_for_and_not_before() -> None:
    tested = yaml.safe_load((DEPLOY / "alerts_test.yaml").read_text("utf-8"))["tests"]
    fired = [
        case["alertname"]
        for one in tested
        for case in one["alert_rule_test"]
        if case.get("exp_alerts")
    ]
    quiet = [
        case["alertname"]
        for one in tested
        for case in one["alert_rule_test"]
        if not case.get("exp_alerts")
    ]
    assert fired == quiet == [rule["alert"] for rule in rules()]
    ran = promtool("test", "rules", "alerts_test.yaml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_alert_has_its_page_and_its_link_leads_there() -> None:
    for rule in rules():
        page = page_of(rule)
        assert page.is_file(), page
        assert page.read_text("utf-8").startswith(f"# {rule['alert']}\n")
        assert rule["expr"] in page.read_text("utf-8")
        parts = page.read_text("utf-8").split("\n## ")[1:]
        assert [part.splitlines()[0] for part in parts] == ["What to do", "Check that it is over"]
        assert all("\n\n    " in part for part in parts), f"{page} names no command"
    linked = {page_of(rule) for rule in rules()}
    apart = {RUNBOOKS / name for name in WITHOUT_ALERT}
    assert {*RUNBOOKS.glob("*.md")} == {*linked, *apart, RUNBOOKS / "index.md"}
    (reasons,) = re.findall(
        r"(?m)^Without an alert, because .+$", (RUNBOOKS / "index.md").read_text("utf-8")
    )
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", reasons)) == WITHOUT_ALERT


def test_the_doctor_knows_each_alert_and_says_what_the_rule_says() -> None:
    said = {one.name: one for one in alerts.ALERTS}
    assert [*said] == [rule["alert"] for rule in rules()]
    for rule in rules():
        known, told = said[rule["alert"]], rule["annotations"]
        assert told["summary"].lower() == f"{known.means}.".lower()
        assert told["description"].lower() == f"{known.mend}.".lower()
        assert page_of(rule) == RUNBOOKS / f"{known.page}.md"
    run = runner({})
    shown = run("doctor", "--alert", "LicetBackupLate", "--json")
    assert json.loads(shown.output)["mend"] == said["LicetBackupLate"].mend
    run("doctor", "--alert", "LicetNothing", code=64)


def test_each_command_of_a_page_can_be_typed_as_it_stands(dsn: str, tmp_path: Path) -> None:
    environment = {"LICET_DATABASE_URL": dsn, "LICET_DATA": str(tmp_path / "data")}
    run = runner(environment)
    run("init", "--preset", "strict", "--names-left-in")
    backups = tmp_path / "backups"
    run("backup", "make", str(backups))
    typed = {
        line.strip()
        for page in RUNBOOKS.glob("*.md")
        for line in page.read_text("utf-8").splitlines()
        if line.startswith("    licet ") and "restore" not in line
    }
    assert "licet doctor --since 1h" in typed
    for command in sorted(typed):
        words = command.removeprefix("licet ").replace("/var/backups/licet", str(backups)).split()
        ended = CliRunner(env=environment).invoke(main, words)
        assert ended.exit_code in (0, 1), (command, ended.stderr)


def test_the_shell_of_the_runbooks_runs_licet_with_the_settings_of_the_service(
    tmp_path: Path,
) -> None:
    page = (RUNBOOKS / "index.md").read_text("utf-8")
    (function,) = re.findall(r"(?m)^    licet\(\) \{ \( .*\n.+$", page)
    (tmp_path / "licet.env").write_text("LICET_WEB__PORT=nowhere\n")
    for there, here in (
        ("/etc/licet/licet.env", str(tmp_path / "licet.env")),
        ("setpriv --reuid=licet --regid=licet --clear-groups /opt/licet/bin/licet", str(FORKED)),
        ("/var/lib/licet", str(tmp_path / "data")),
    ):
        assert there in function
        function = function.replace(there, here)
    ended = subprocess.run(
        ["sh", "-c", f"{function}\nlicet status"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 64
    assert "LICET_WEB__PORT" in ended.stderr


def test_a_request_that_is_overdue_is_counted(dsn: str, tmp_path: Path) -> None:
    run = runner({"LICET_DATABASE_URL": dsn, "LICET_DATA": str(tmp_path / "data")})
    run("init", "--preset", "strict", "--names-left-in")
    letter = tmp_path / "letter"
    letter.write_text("Please delete what you have about me.")
    received = (datetime.now(UTC) - timedelta(days=100)).isoformat()
    written = ("--words", letter, "--identity", letter)
    run("request", "enter", "erasure", *written, "--received", received)
    shown = run("doctor", "--since", "1h", code=1)
    assert "requests of people are overdue: 1" in shown.output
    assert "next: licet request list" in shown.output


def test_every_expression_names_metrics_that_the_server_has_and_each_of_them_is_asked_for(
    pool, tmp_path
) -> None:
    world = World(pool, tmp_path / "data")
    world.open("ana")
    with TestClient(world.app) as api:
        assert api.get("/v1/accounts/me/gate", headers=world.person("ana")).status_code == 200
        text = api.get("/metrics").text
    families = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    there = {name for name in families if not name.endswith("_created")}
    asked = {
        name
        for one in expressions().values()
        for name in re.findall(r"\b(licet_[a-z_]+|up)\b", one)
    }
    asked = {name.removesuffix("_count") + "_bucket" * name.endswith("_count") for name in asked}
    series = {name for name in there if families[name] != "histogram"}
    series |= {f"{name}_bucket" for name in there if families[name] == "histogram"}
    assert asked - OF_PROMETHEUS <= series
    assert series - asked == set(), "a metric that nobody looks at"
    assert "ana" not in text


def test_the_time_of_a_no_is_measured(pool, tmp_path) -> None:
    world = World(pool, tmp_path / "data")
    world.open("ana")
    measured = r'licet_restriction_seconds_count\{outcome="done"\} (\S+)'
    with TestClient(world.app) as api:
        for count, allow in enumerate((True, False, False)):
            path, body = "/v1/accounts/me/choices", {"allow": allow}
            assert api.post(path, json=body, headers=world.person("ana")).status_code == 201
            assert float(re.findall(measured, api.get("/metrics").text)[0]) == count


def test_the_figures_are_read_without_counting_a_large_table(pool, tmp_path) -> None:
    """What may be long is counted up to a bound, in the order of an index that holds only what
    waits.
    """
    from licet.service import installation_figures

    world = World(pool, tmp_path / "data")
    world.open("ana")
    read = installation_figures.figures(world.installation)
    assert read.log.rows <= installation_figures.COUNTED_MAX
    assert read.erasures == {"day": 0, "week": 0, "month": 0, "older": 0}
    assert set(read.queues) == set(installation_figures.QUEUES)
    with pool.connection() as conn:
        conn.execute("SET LOCAL enable_seqscan = off")
        for statement in (
            (
                "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE index IS NULL ORDER BY "
                "outbox_id LIMIT 10000) w"
            ),
            (
                "SELECT requested_at FROM erasures WHERE state <> 'verified' ORDER BY "
                "requested_at, erasure_id LIMIT 10000"
            ),
        ):
            plan = "\n".join(row[0] for row in conn.execute(f"EXPLAIN {statement}"))
            assert "Seq Scan" not in plan
            assert "Index" in plan


# The log


def logged() -> tuple[set[str], set[str]]:
    """Every event that the server logs, and every field, as the source has them."""
    events, fields = set[str](), {"event", "level", "at", "worker"}
    for path in (ROOT / "src" / "licet").rglob("*.py"):
        text = path.read_text("utf-8")
        if "structlog.get_logger" not in text or path.relative_to(ROOT / "src" / "licet").parts[
            0
        ] not in (
            "web",
            "service",
        ):
            continue
        for call in ast.walk(ast.parse(text)):
            if not (
                isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args
            ):
                continue
            if call.func.attr in ("info", "warning", "error") and ast.unparse(call.func.value) in (
                "_log",
                "record",
            ):
                assert isinstance(call.args[0], ast.Constant), ast.unparse(call)
                events.add(str(call.args[0].value))
                fields |= {str(one.arg) for one in call.keywords}
    return events, fields


def test_every_event_and_field_of_the_log_is_in_the_document_and_nothing_else() -> None:
    page = (ROOT / "docs" / "operate.md").read_text("utf-8")
    section = page.split("## The log of the server\n")[1].split("\n## ")[0]
    of_events, of_fields = section.split("| field |")
    events, fields = logged()
    assert set(re.findall(r"^\| `([^`]+)` \|", of_events, re.MULTILINE)) == events
    assert set(re.findall(r"^\| `([^`]+)` \|", of_fields, re.MULTILINE)) == fields

"""What is deployed with: the container, its composition and the units of systemd say what the
documents promise.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from licet.cli.command import main
from licet.config import Configuration

from .commands import below

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
UNITS = [
    "licet.service",
    "licet-backup-wal.service",
    "licet-backup@.service",
    "licet-gate@.service",
]
COMPOSITIONS = ["compose.yaml", "compose.several.yaml"]
TIMERS = ["licet-backup@make.timer", "licet-backup@prune.timer", "licet-backup@drill.timer"]
INSTRUCTIONS = {
    "ARG", "FROM", "ENV", "WORKDIR", "RUN", "COPY", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
    "ENTRYPOINT", "CMD",
}  # fmt: skip


def dockerfile() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, continued lines joined."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = [
        line
        for line in re.sub(r"\\\n\s*", " ", text).splitlines()
        if line and not line.startswith("#")
    ]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def said(word: str) -> list[str]:
    return [rest for found, rest in dockerfile() if found == word]


def unit(name: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = defaultdict(list)
    for line in (DEPLOY / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            values[key].append(value)
    return values


def composition(name: str = "compose.yaml") -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))
    for key, service in loaded["services"].items():
        if (other := service.get("extends")) is not None:
            loaded["services"][key] = composition(other["file"])["services"][other["service"]]
    return loaded


def command_exists(words: list[str]) -> bool:
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        if (found := below(command).get(words.pop(0))) is None:
            return False
        command = found
    options = {option for parameter in command.params for option in parameter.opts}
    return all(word in options for word in words if word.startswith("-"))


def test_the_image_runs_an_ordinary_user_from_the_hashed_lock_and_says_whether_it_is_ready() -> (
    None
):
    assert {word for word, _ in dockerfile()} <= INSTRUCTIONS
    order = [word for word, _ in dockerfile()]
    assert said("USER") == ["licet"]
    assert order.index("USER") < order.index("CMD")
    installs = [run for run in said("RUN") if "pip install" in run]
    assert installs
    assert all("--no-deps" in run for run in installs)
    assert "--require-hashes" in installs[0]
    assert "/readyz" in said("HEALTHCHECK")[0]
    assert command_exists(["serve", "--host", "--port", "--workers"])
    assert "--workers" in said("CMD")[0]
    assert said("CMD")[0].startswith('["serve"')


def test_what_the_image_copies_is_there_and_nothing_else_can_get_in() -> None:
    copied = {word for rest in said("COPY") if "--from" not in rest for word in rest.split()[:-1]}
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("file", COMPOSITIONS)
def test_no_service_of_a_composition_is_privileged_or_has_a_secret_in_its_environment(
    file: str,
) -> None:
    parts = composition(file)
    for name, service in parts["services"].items():
        assert "privileged" not in service
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["ulimits"]["core"] == 0
        for key, value in service["environment"].items():
            assert not re.search(r"PASSWORD$|SECRET$|TOKEN$", key), key
            assert not re.search(r"//[^/@]+:[^/@]+@", str(value)), key
        for secret in service["secrets"]:
            assert secret in parts["secrets"]
        if name != "postgres":
            assert service["cap_drop"] == ["ALL"]
        if service["image"] == "licet":
            assert service["read_only"] is True
            assert service["mem_limit"] == service["memswap_limit"], "keys may reach a swap file"


def test_the_settings_of_the_compositions_and_of_the_units_are_settings_of_ours() -> None:
    for file in COMPOSITIONS:
        for service in composition(file)["services"].values():
            ours = {key: _any(key) for key in service["environment"] if key.startswith("LICET_")}
            assert Configuration.from_environment(ours) != Configuration() or not ours
    for name in UNITS:
        pairs = [value.partition("=") for value in unit(name)["Environment"]]
        ours = {key: _any(key) for key, _, _ in pairs}
        assert Configuration.from_environment(ours) != Configuration() or not ours


def _any(setting: str) -> str:
    """A value that the setting may have."""
    return "https://x.example" if setting == "LICET_WEB__URL" else "x"


def test_two_servers_of_a_composition_share_the_bucket_and_the_keys_and_no_other_folder() -> None:
    parts = composition("compose.several.yaml")
    first, second = (parts["services"][name] for name in ("licet-a", "licet-b"))
    assert first["environment"] == second["environment"]
    config = Configuration.from_environment(
        {
            key: re.sub(r"\$\{\w+:-(\w+)\}", r"\1", value)
            for key, value in first["environment"].items()
        }
    )
    assert config.store.url is not None
    assert config.cold.url == f"{config.store.url}/cold"
    assert {str(config.store.secret_access_key_file), str(config.cold.secret_access_key_file)} == {
        "/run/secrets/store_secret"
    }
    assert set(first["volumes"]) & set(second["volumes"]) == {
        "keys:/var/lib/licet/keys",
        "./controller.yaml:/var/lib/licet/controller.yaml:ro",
    }
    assert "/var/lib/licet/keys" in said("RUN")[-1], "else the volume of the keys belongs to root"
    used = [
        volume.partition(":")[0]
        for service in parts["services"].values()
        for volume in service.get("volumes", [])
    ]
    assert {name for name in used if not name.startswith(".")} == parts["volumes"].keys()
    ours = {"./backups", "./controller.yaml"}  # which the operator makes
    assert all(
        (DEPLOY / name).is_file() for name in used if name.startswith(".") and name not in ours
    )


def test_the_proxy_asks_both_servers_whether_they_are_ready_and_is_the_one_whose_word_they_take() -> (
    None
):
    parts = composition("compose.several.yaml")
    written = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    assert "reverse_proxy licet-a:8787 licet-b:8787" in written
    assert "health_uri /readyz" in written
    assert "respond @metrics 404" in written
    (network,) = parts["networks"]["default"]["ipam"]["config"]
    assert parts["services"]["licet-a"]["environment"]["LICET_WEB__PROXIES"] == network["subnet"]
    published = {name for name, service in parts["services"].items() if service.get("ports")}
    assert published == {"proxy", "prometheus"}
    (scraped,) = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text(encoding="utf-8"))[
        "scrape_configs"
    ]
    assert (scraped["job_name"], scraped["static_configs"][0]["targets"]) == (
        "licet",
        ["licet-a:8787", "licet-b:8787"],
    )
    assert command_exists(parts["services"]["backup"]["command"][:2])


def test_the_database_of_the_composition_logs_no_statement_and_no_value() -> None:
    from licet.store import embedded

    told = set(composition()["services"]["postgres"]["command"])
    for line in embedded._SETTINGS.splitlines():
        key, _, value = line.partition(" = ")
        if key.startswith(
            (
                "log_min",
                "log_error",
                "log_statement",
                "log_parameter",
                "log_lock",
                "log_temp",
                "log_auto",
            )
        ):
            assert f"-c{key}={value}" in told or key == "log_min_duration_sample", key


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_keeps_keys_out_of_swap_and_cores_and_reaches_nothing_but_its_folder(
    name: str,
) -> None:
    has = unit(name)
    wanted = {
        "LimitCORE": "0", "MemorySwapMax": "0", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
        "ProtectHome": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes", "CapabilityBoundingSet": "",
        "StateDirectoryMode": "0700", "UMask": "0077", "User": "licet",
    }  # fmt: skip
    assert {key: has[key][-1] for key in wanted} == wanted
    program, *words = shlex.split(has["ExecStart"][0])
    assert Path(program).name == "licet"
    instances = (
        [timer.split("@")[1].removesuffix(".timer") for timer in TIMERS]
        if words[0] == "backup"
        else ["autumn"]
    )
    for instance in instances:
        assert command_exists([word.replace("%i", instance) for word in words])


@pytest.mark.parametrize("name", TIMERS)
def test_a_timer_starts_a_unit_that_is_here_on_the_days_that_the_other_deployments_have(
    name: str,
) -> None:
    what = name.split("@")[1].removesuffix(".timer")
    assert (DEPLOY / "licet-backup@.service").is_file()
    assert unit(name)["Persistent"] == ["true"], "a machine that was off makes it up"
    minute, hour, *_ = {"make": "30 1 * * *", "prune": "30 5 * * *", "drill": "0 9 1 */2 *"}[
        what
    ].split()
    assert unit(name)["OnCalendar"][0].endswith(f" {int(hour):02}:{int(minute):02}:00")
    if shutil.which("systemd-analyze") is not None:
        found = subprocess.run(
            ["systemd-analyze", "calendar", unit(name)["OnCalendar"][0]],
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_unit_and_finds_it_well_closed(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: the unit is not verified")
    text = (DEPLOY / name).read_text(encoding="utf-8")
    name = name.replace("@.", "@make.")  # an instance, which is what can be verified
    (tmp_path / name).write_text(
        text.replace("/opt/licet/bin/licet", sys.executable), encoding="utf-8"
    )
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    seen = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"exposure level for \S+: ([\d.]+)", seen.stdout)
    assert found is not None, seen.stderr
    assert float(found[1]) < 2.0

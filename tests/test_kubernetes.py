"""The manifests of deploy/kubernetes say what the documents promise: one server, nothing
privileged, nothing secret in clear.

They are read as `kubectl apply --kustomize` reads them, but not sent to a cluster: none is here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from licet.config import Configuration
from licet.consent import controller

from .test_deploy import command_exists, said

FOLDER = Path(__file__).parent.parent / "deploy" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
SEVERAL = FOLDER.with_name("kubernetes-several")
SEVERAL_FILES = sorted(SEVERAL.glob("*.yaml"))
IMAGE = re.compile(r"[a-z0-9.-]+/licet@sha256:[0-9a-f]{64}")
USER = 10001
Manifest = dict[str, Any]


@cache
def manifests(path: Path) -> list[Manifest]:
    """A file's documents, read once: a dozen tests ask for all of them."""
    documents = yaml.load_all(path.read_text("utf-8"), yaml.CSafeLoader)
    return [document for document in documents if document is not None]


def kustomization() -> Manifest:
    (found,) = manifests(FOLDER / "kustomization.yaml")
    return found


def objects(files: Sequence[Path] = FILES) -> list[Manifest]:
    """Everything that is applied, and what is beside it for the operator of Prometheus."""
    return [one for path in files if path.name != "kustomization.yaml" for one in manifests(path)]


def of_kind(kind: str, files: Sequence[Path] = FILES) -> list[Manifest]:
    return [one for one in objects(files) if one["kind"] == kind]


def one(kind: str, name: str, files: Sequence[Path] = FILES) -> Manifest:
    (found,) = [found for found in of_kind(kind, files) if found["metadata"]["name"] == name]
    return found


def templates(files: Sequence[Path] = FILES) -> Iterator[tuple[str, Manifest]]:
    """Each pod, by the name of what makes it."""
    for server in (*of_kind("StatefulSet", files), *of_kind("Deployment", files)):
        yield server["metadata"]["name"], server["spec"]["template"]
    for cron in of_kind("CronJob", files):
        yield cron["metadata"]["name"], cron["spec"]["jobTemplate"]["spec"]["template"]


PODS = [pytest.param(template, id=name) for name, template in templates()]
SEVERAL_PODS = [
    pytest.param(template, id=f"several:{name}") for name, template in templates(SEVERAL_FILES)
]


def containers(template: Manifest) -> list[Manifest]:
    spec = template["spec"]
    return [*spec["initContainers"], *spec["containers"]]


def command(name: str) -> list[str]:
    """The words that the pod of this name gives to `licet`; an option without its value."""
    (template,) = [template for found, template in templates() if found == name]
    (container,) = template["spec"]["containers"]
    return [word.partition("=")[0] if word.startswith("--") else word for word in container["args"]]


def matches(selector: Manifest, labels: Manifest) -> bool:
    return bool(selector["matchLabels"].items() <= labels.items())


def test_every_manifest_is_read_and_stands_in_the_kustomization_once() -> None:
    listed = kustomization()["resources"]
    assert sorted([*listed, "monitor.yaml", "kustomization.yaml"]) == [path.name for path in FILES]
    names = [(found["kind"], found["metadata"]["name"]) for found in objects()]
    assert sorted(set(names)) == sorted(names)
    assert all(found["apiVersion"] for found in objects())
    kinds = {found["kind"] for found in objects()}
    assert kinds == {
        "Namespace",
        "ConfigMap",
        "PersistentVolumeClaim",
        "StatefulSet",
        "Service",
        "PodDisruptionBudget",
        "CronJob",
        "NetworkPolicy",
        "ServiceMonitor",
    }


def test_there_is_one_server_whose_pod_ends_before_the_next_begins() -> None:
    (server,) = of_kind("StatefulSet")
    assert server["spec"]["replicas"] == 1
    assert server["spec"]["podManagementPolicy"] == "OrderedReady"
    assert server["spec"]["updateStrategy"] == {"type": "RollingUpdate"}
    assert of_kind("Deployment") == []
    (budget,) = of_kind("PodDisruptionBudget")
    assert budget["spec"]["minAvailable"] == 1
    labels = server["spec"]["template"]["metadata"]["labels"]
    assert matches(server["spec"]["selector"], labels)
    assert matches(budget["spec"]["selector"], labels)
    for job in of_kind("CronJob"):
        other = job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
        assert not matches(server["spec"]["selector"], other)
        assert not matches(budget["spec"]["selector"], other)


@pytest.mark.parametrize("template", [*PODS, *SEVERAL_PODS])
def test_a_pod_is_an_ordinary_user_without_privileges_on_a_disk_it_cannot_write(
    template: Manifest,
) -> None:
    spec = template["spec"]
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == USER
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys()
    for container in containers(template):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    kinds = {key for volume in spec["volumes"] for key in volume if key != "name"}
    assert kinds <= {"persistentVolumeClaim", "secret", "emptyDir", "ephemeral", "configMap"}


def test_the_user_of_the_pods_is_that_of_the_image() -> None:
    assert f"--uid {USER} " in " ".join(said("RUN"))


@pytest.mark.parametrize("template", [*PODS, *SEVERAL_PODS])
def test_an_image_is_named_by_its_digest(template: Manifest) -> None:
    (image,) = kustomization()["images"]
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", image["digest"])
    assert "newTag" not in image
    for container in containers(template):
        assert IMAGE.fullmatch(container["image"]), container["image"]
        assert container["image"].partition("@")[0] == image["name"]


@pytest.mark.parametrize("template", [*PODS, *SEVERAL_PODS])
def test_memory_is_limited_to_what_is_requested_so_that_keys_reach_no_swap_file(
    template: Manifest,
) -> None:
    """A container whose request of memory equals its limit gets no swap (Kubernetes, KEP-2400:
    `LimitedSwap`).
    """
    for container in containers(template):
        resources = container["resources"]
        assert resources["requests"]["memory"] == resources["limits"]["memory"]
        assert resources["requests"]["cpu"]
    for volume in template["spec"]["volumes"]:
        if "emptyDir" in volume:
            assert volume["emptyDir"]["medium"] == "Memory"
            assert volume["emptyDir"]["sizeLimit"]


@pytest.mark.parametrize("template", [*PODS, *SEVERAL_PODS])
def test_no_variable_of_the_cluster_is_taken_for_a_setting(template: Manifest) -> None:
    """A Service named `licet` would set LICET_PORT in every pod, and an unknown LICET_ variable is
    refused.
    """
    assert template["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("template", PODS)
def test_the_keys_stay_closed_to_the_group_and_all_pods_are_where_the_data_folder_is(
    template: Manifest,
) -> None:
    spec = template["spec"]
    assert spec["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    (rule,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rule["topologyKey"] == "kubernetes.io/hostname"
    # A pod that its own rule selects may be the first of them; otherwise nothing could begin.
    assert matches(rule["labelSelector"], template["metadata"]["labels"])


@pytest.mark.parametrize("template", PODS)
def test_what_a_pod_mounts_is_there_and_secrets_are_read_from_files_alone(
    template: Manifest,
) -> None:
    spec = template["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert of_kind("Secret") == []
    claims = {claim["metadata"]["name"] for claim in of_kind("PersistentVolumeClaim")}
    assert {
        v["persistentVolumeClaim"]["claimName"]
        for v in volumes.values()
        if "persistentVolumeClaim" in v
    } <= claims
    maps = {found["metadata"]["name"] for found in of_kind("ConfigMap")}
    used = set()
    for container in containers(template):
        asked = container.get("env", [])
        assert all(
            one["valueFrom"].keys() == {"fieldRef"} and not one["name"].startswith("LICET_")
            for one in asked
        )
        assert {source["configMapRef"]["name"] for source in container.get("envFrom", [])} <= maps
        for mount in container["volumeMounts"]:
            assert mount["name"] in volumes
            used.add(mount["name"])
            if "secret" in volumes[mount["name"]]:
                assert mount["readOnly"] is True
    assert used == volumes.keys()
    (passfile,) = spec["initContainers"]
    # libpq ignores a password's file that anybody but its owner may read.
    assert passfile["command"] == [
        "install",
        "--mode=0600",
        "/run/secrets/licet/pgpass",
        "/run/licet/pgpass",
    ]


def test_the_settings_are_settings_of_ours_and_none_of_them_is_a_secret() -> None:
    data = one("ConfigMap", "licet")["data"]
    config = Configuration.from_environment(data)
    assert config.data.is_relative_to("/var/lib/licet")
    assert config.data != Path("/var/lib/licet"), (
        "the root of a volume may hold a `lost+found`, and belongs to root"
    )
    assert all(key.startswith("LICET_") for key in data)
    for key, value in data.items():
        assert not re.search(r"PASSWORD$|SECRET$|TOKEN$", key), key
        assert not re.search(r"//[^/@]+:[^/@]+@", value), key
    assert "sslmode=verify-full" in data["LICET_DATABASE_URL"]
    assert "passfile=/run/licet/pgpass" in data["LICET_DATABASE_URL"]
    mounted = {"pgpass", "token_key", "database_ca"}
    assert set(re.findall(r"/run/secrets/licet/(\w+)", " ".join(data.values()))) <= mounted


@pytest.mark.parametrize("name", [name for name, _ in templates()])
def test_a_command_of_a_pod_exists(name: str) -> None:
    assert command_exists(command(name))


def test_what_runs_when() -> None:
    begins = {name: command(name)[:2] for name, _ in templates()}
    assert begins == {
        "licet": ["serve", "--host"],
        "licet-backup": ["backup", "make"],
        "licet-prune": ["backup", "prune"],
        "licet-drill": ["backup", "drill"],
        "licet-upgrade": ["upgrade"],
        "licet-contract": ["upgrade", "--contract"],
        "licet-init": ["init", "--preset"],
        "licet-build": ["release", "build"],
    }
    for job in of_kind("CronJob"):
        spec, by_hand = (
            job["spec"],
            job["metadata"]["name"]
            in ("licet-upgrade", "licet-contract", "licet-init", "licet-build"),
        )
        assert spec["suspend"] is by_hand
        assert spec["concurrencyPolicy"] == "Forbid"
        assert len(spec["schedule"].split()) == 5
        assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0


def test_a_build_on_ray_is_named_as_its_job_and_goes_on_after_a_killed_pod() -> None:
    spec = one("CronJob", "licet-build")["spec"]["jobTemplate"]["spec"]
    assert spec["backoffLimit"] > 0
    (container,) = spec["template"]["spec"]["containers"]
    assert "$(RELEASE)" in container["args"]
    (named,) = container["env"]
    assert named["name"] == "RELEASE"
    assert "batch.kubernetes.io/job-name" in named["valueFrom"]["fieldRef"]["fieldPath"]
    config = Configuration.from_environment(
        {**one("ConfigMap", "licet")["data"], **one("ConfigMap", "licet-build")["data"]}
    )
    assert (config.curate.runner, config.curate.ray_address) == ("ray", "ray://ray-head.ray:10001")


def test_who_is_responsible_is_told_by_the_names_that_the_job_reads() -> None:
    (container,) = one("CronJob", "licet-init")["spec"]["jobTemplate"]["spec"]["template"]["spec"][
        "containers"
    ]
    asked = set(re.findall(r"\$\((\w+)\)", " ".join(container["args"])))
    assert asked == one("ConfigMap", "licet-controller")["data"].keys()
    assert {"configMapRef": {"name": "licet-controller"}} in container["envFrom"]


def test_the_server_is_probed_where_it_listens_and_answers_what_it_took_before_it_ends() -> None:
    template = one("StatefulSet", "licet")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": 8787}]
    args = container["args"]
    assert args[args.index("--port") + 1] == "8787"
    probed = {
        kind: container[kind]["httpGet"]
        for kind in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert probed == {
        "startupProbe": {"path": "/healthz", "port": "http"},
        "livenessProbe": {"path": "/healthz", "port": "http"},
        "readinessProbe": {"path": "/readyz", "port": "http"},
    }
    assert template["spec"]["terminationGracePeriodSeconds"] == 120
    assert template["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/path": "/metrics",
        "prometheus.io/port": "8787",
    }


def test_the_service_and_its_monitor_select_the_server() -> None:
    labels = one("StatefulSet", "licet")["spec"]["template"]["metadata"]["labels"]
    service = one("Service", "licet")
    assert service["spec"]["type"] == "ClusterIP"
    assert matches({"matchLabels": service["spec"]["selector"]}, labels)
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["http"]
    monitor = one("ServiceMonitor", "licet")["spec"]
    assert matches(monitor["selector"], service["metadata"]["labels"])
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "licet", (
        "deploy/alerts.yaml asks for this job"
    )
    assert monitor["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_nothing_reaches_a_pod_or_is_reached_but_what_a_policy_names() -> None:
    nothing = one("NetworkPolicy", "licet-nothing")["spec"]
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    pods = dict(templates())
    out = {name: sorted(ports(template, "egress")) for name, template in pods.items()}
    jobs = [5432, 53, 53]
    assert out.pop("licet") == sorted([443, *jobs])
    assert out.pop("licet-build") == sorted([10001, *jobs])
    assert all(reached == sorted(jobs) for reached in out.values())
    into = {name: ports(template, "ingress") for name, template in pods.items()}
    assert into.pop("licet") == [8787]
    assert not any(into.values())
    for policy in of_kind("NetworkPolicy"):
        for rule in policy["spec"].get("ingress", []):
            assert rule["from"], "a rule without `from` lets in everybody"


def ports(template: Manifest, way: str) -> list[int]:
    """The ports that the policies of this pod open."""
    labels = template["metadata"]["labels"]
    policies = [policy["spec"] for policy in of_kind("NetworkPolicy")]
    mine = [
        spec for spec in policies if not spec["podSelector"] or matches(spec["podSelector"], labels)
    ]
    return [port["port"] for spec in mine for rule in spec.get(way, []) for port in rule["ports"]]


def test_several_servers_are_replaced_while_others_answer_and_stand_on_different_nodes() -> None:
    (server,) = of_kind("Deployment", SEVERAL_FILES)
    spec = server["spec"]["template"]["spec"]
    assert server["spec"]["replicas"] == 3
    assert server["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    (budget,) = of_kind("PodDisruptionBudget", SEVERAL_FILES)
    assert budget["spec"]["maxUnavailable"] == 1
    labels = server["spec"]["template"]["metadata"]["labels"]
    spread = spec["topologySpreadConstraints"]
    assert all(matches(one["labelSelector"], labels) for one in spread)
    assert {one["topologyKey"]: one["whenUnsatisfiable"] for one in spread} == {
        "kubernetes.io/hostname": "DoNotSchedule",
        "topology.kubernetes.io/zone": "ScheduleAnyway",
    }
    (container,) = spec["containers"]
    assert container["lifecycle"]["preStop"]["exec"]["command"][0] == "sleep"
    assert "affinity" not in spec


def test_several_servers_need_no_volume_that_one_node_mounts() -> None:
    claims = {
        claim["metadata"]["name"] for claim in of_kind("PersistentVolumeClaim", SEVERAL_FILES)
    }
    assert claims == {"licet-backups", "licet-build"}
    for name, template in templates(SEVERAL_FILES):
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        claim = volumes["data"].get("persistentVolumeClaim", {}).get("claimName")
        assert claim == ("licet-build" if name == "licet-build" else None)
        assert claim or volumes["data"]["ephemeral"]["volumeClaimTemplate"]["spec"]["resources"]
        mounted = {mount["name"] for one in containers(template) for mount in one["volumeMounts"]}
        assert mounted == volumes.keys()
        files = one("ConfigMap", "licet-files", SEVERAL_FILES)["data"]
        (_, folder) = template["spec"]["initContainers"]
        assert [word for word in folder["command"] if word.startswith("/run/files/")] == [
            f"/run/files/{name}" for name in sorted(files)
        ]


def test_several_servers_know_the_bucket_and_hold_no_keys(tmp_path: Path) -> None:
    config = Configuration.from_environment(one("ConfigMap", "licet", SEVERAL_FILES)["data"])
    assert (config.store.url, config.cold.url) == (
        "s3://licet-production/shared",
        "s3://licet-production/shared/cold",
    )
    assert config.store.secret_access_key_file == config.cold.secret_access_key_file
    assert str(config.store.secret_access_key_file) == "/run/secrets/licet/store_secret"
    assert (config.key_chain.provider, str(config.key_chain.token_file)) == (
        "bao",
        "/run/secrets/licet/bao_token",
    )
    stated = tmp_path / "controller.yaml"
    stated.write_text(
        one("ConfigMap", "licet-files", SEVERAL_FILES)["data"]["controller.yaml"], encoding="utf-8"
    )
    found = controller.read_controller(stated)
    assert not found.missing
    assert found.storage_locations == ("IE", "DE")
    (reached,) = [
        one["spec"]
        for one in of_kind("NetworkPolicy", SEVERAL_FILES)
        if one["metadata"]["name"] == "licet-shared"
    ]
    assert [port["port"] for rule in reached["egress"] for port in rule["ports"]] == [443, 8200]


def test_a_command_of_a_pod_of_several_exists() -> None:
    for _, template in templates(SEVERAL_FILES):
        (container,) = template["spec"]["containers"]
        assert command_exists(
            [
                word.partition("=")[0] if word.startswith("--") else word
                for word in container["args"]
            ]
        )


def test_the_namespace_refuses_a_pod_that_asks_for_more() -> None:
    labels = one("Namespace", "licet")["metadata"]["labels"]
    assert {
        labels[f"pod-security.kubernetes.io/{what}"] for what in ("enforce", "audit", "warn")
    } == {"restricted"}
    assert kustomization()["namespace"] == "licet"

"""The charts of deploy/helm render to what deploy/kubernetes and deploy/kubernetes-several hold,
which Kubernetes' published schemas take, old and new. TESTS_WRITE_GOLDEN=1 writes the second.

They are rendered by Go's text/template with Sprig's functions (`tests/charts/render.go`), which is
what Helm does; Helm itself is in none of the registries that are used here, and no cluster has run
them. Needs Debian's packages `golang-go` and `golang-github-masterminds-sprig-dev`: where they are
missing the tests are skipped, and fail where CI=true.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from .test_deploy import command_exists
from .test_kubernetes import FILES, SEVERAL_FILES, manifests, objects

CHARTS = Path(__file__).parent.parent / "deploy" / "helm"
SEVERAL = Path(__file__).parent.parent / "deploy" / "kubernetes-several"
BY_HAND = {"kustomization.yaml", "namespace.yaml"}
GOCODE = Path("/usr/share/gocode")
PACKAGES = "golang-go golang-github-masterminds-sprig-dev"
OLDEST, NEWEST = "1.27", kubernetes_validate.latest_version()
NAMESPACE = "somewhere"
Values = dict[str, Any]
Render = Callable[..., list[Any]]
RenderText = Callable[[str, Values], dict[str, str]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The renderer, built from source against Debian's packages."""
    if shutil.which("go") is None or not (GOCODE / "src/github.com/Masterminds/sprig").is_dir():
        message = f"no chart can be rendered: `apt-get install {PACKAGES}`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    base = tmp_path_factory.mktemp("go")
    source = base / "src" / "render"
    source.mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "charts" / "render.go", source)
    env = os.environ | {"GO111MODULE": "off", "GOPATH": f"{base}:{GOCODE}", "GOFLAGS": ""}
    subprocess.run(
        ["go", "build", "-o", str(base / "render"), "render"], env=env, check=True, timeout=600
    )
    return base / "render"


def values_of(chart: str) -> Values:
    return dict(yaml.safe_load((CHARTS / chart / "values.yaml").read_text("utf-8")))


def schema_of(chart: str) -> dict[str, Any]:
    return dict(json.loads((CHARTS / chart / "values.schema.json").read_text("utf-8")))


def several() -> Values:
    """The values of three servers that share a bucket."""
    return over(
        values_of("licet"),
        dict(yaml.safe_load((CHARTS / "licet" / "values-several.yaml").read_text("utf-8"))),
    )


def over(values: Values, own: Values) -> Values:
    """``own`` over ``values``, as Helm merges two files of values."""
    for key, value in own.items():
        values[key] = over(values[key], value) if isinstance(value, dict) else value
    return values


def asked(program: Path, chart: str, values: Values) -> subprocess.CompletedProcess[str]:
    """The renderer's answer to values that the schema takes."""
    jsonschema.validate(values, schema_of(chart))
    context = {
        "Values": values,
        "Chart": yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text("utf-8")),
        "Release": {"Name": "licet", "Namespace": NAMESPACE, "Service": "Helm"},
    }
    return subprocess.run(
        [program, CHARTS / chart],
        input=json.dumps(context),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def render_text(program: Path) -> RenderText:
    """The files that a chart makes of values."""

    def rendered(chart: str, values: Values) -> dict[str, str]:
        done = asked(program, chart, values)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    return rendered


@pytest.fixture(scope="module")
def render(render_text: RenderText) -> Render:
    """The objects that a chart makes of values; its notes are looked at."""

    def rendered(chart: str, values: Values | None = None) -> list[Any]:
        files = render_text(chart, values if values is not None else values_of(chart))
        notes = files.pop("NOTES.txt", "")
        assert NAMESPACE in notes or chart == "licet-gate"
        return [
            one for text in files.values() for one in yaml.safe_load_all(text) if one is not None
        ]

    return rendered


def named(found: list[Any]) -> dict[tuple[str, str], Any]:
    """Objects by kind and name; their values compared as YAML reads them, whatever order they were
    written in.
    """
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in found}
    assert len(by_name) == len(found)
    return by_name


def without_policy(found: list[Any]) -> list[Any]:
    """The claims of a chart stay when it is removed: an annotation of Helm's, which plain manifests
    have no use for.
    """
    found = copy.deepcopy(found)
    for one in found:
        if one["kind"] == "PersistentVolumeClaim":
            assert one["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    return found


def test_the_chart_renders_to_the_plain_manifests(render: Render) -> None:
    values = values_of("licet")
    values["monitor"]["enabled"] = True
    ours = named(without_policy(render("licet", values)))
    # a chart goes into one that is there
    plain = named([one for one in objects() if one["kind"] != "Namespace"])
    assert ours.keys() == plain.keys()
    for name, one in plain.items():
        assert ours[name] == one, name


def test_the_manifests_of_several_servers_are_what_the_chart_renders_to(
    render_text: RenderText,
) -> None:
    values = several()
    values["monitor"]["enabled"] = True
    files = render_text("licet", values)
    del files["NOTES.txt"]
    tidy = {
        name: "\n".join(line for line in text.splitlines() if line.strip()) + "\n"
        for name, text in files.items()
    }
    tidy = {
        name: text.replace("    helm.sh/resource-policy: keep\n", "").replace(
            "  annotations:\nspec", "spec"
        )
        for name, text in tidy.items()
    }
    if os.environ.get("TESTS_WRITE_GOLDEN"):
        for name, text in tidy.items():
            (SEVERAL / name).write_text(text, encoding="utf-8")
    assert {path.name for path in SEVERAL.glob("*")} == tidy.keys() | BY_HAND
    for name, text in tidy.items():
        assert (SEVERAL / name).read_text("utf-8") == text, (
            f"{name}: TESTS_WRITE_GOLDEN=1 writes it"
        )


def test_no_monitor_is_made_where_its_kind_may_be_unknown(render: Render) -> None:
    assert "ServiceMonitor" not in {kind for kind, _ in named(render("licet"))}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_published_schemas_take_every_manifest(version: str) -> None:
    """Strictly: a word that Kubernetes does not know is refused."""
    files = [
        path
        for path in (*FILES, *SEVERAL_FILES)
        if path.name not in ("kustomization.yaml", "monitor.yaml")
    ]
    found = [one for path in files for one in manifests(path)]
    assert len(found) > 30
    for one in found:
        kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_published_schemas_take_the_gate(render: Render, version: str) -> None:
    found = render("licet-gate")
    assert {one["kind"] for one in found} == {"DaemonSet", "NetworkPolicy"}
    for one in found:
        kubernetes_validate.validate(one, version, strict=True)


def test_a_word_that_kubernetes_does_not_know_is_found() -> None:
    (server,) = [one for one in objects() if one["kind"] == "StatefulSet"]
    server = copy.deepcopy(server)
    server["spec"]["template"]["spec"]["automountServiceAcountToken"] = False
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(server, NEWEST, strict=True)


def leaves(values: Values, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


OTHER: dict[tuple[str, ...], Any] = {
    ("store", "url"): "s3://other/folder",
    ("store", "endpoint"): "https://other.example.org",
    ("store", "releasesBytes"): "7",
    ("keys", "provider"): "pkcs11",
    ("keys", "address"): "https://other.example.org",
    ("files",): {"witnesses.txt": "one\n"},
    ("server", "replicas"): 4,
    ("volumes", "accessMode"): "ReadWriteMany",
    ("network", "storePort"): 9000,
    ("network", "keysPort"): 9001,
    ("image", "digest"): "sha256:" + "1" * 64,
    ("url",): "https://other.example.org",
    ("databaseUrl",): "postgresql://other@db/licet?passfile=/run/licet/pgpass&sslmode=verify-full",
    ("settings",): {"LICET_KEYS__BACKUP_DAYS": "9"},
    ("server", "workers"): 7,
    ("monitor", "enabled"): True,
    ("jobs", "backup", "schedule"): "1 2 3 4 5",
    ("jobs", "prune", "schedule"): "1 2 3 4 5",
    ("jobs", "drill", "schedule"): "1 2 3 4 5",
    ("jobs", "build", "purpose"): "other_models",
    ("jobs", "build", "rayAddress"): "ray://other:10001",
    ("releases",): ["winter", "spring"],
    ("hostPath",): "/elsewhere",
    ("releasesPath",): "/elsewhere",
    ("nodeSelector",): {"gpu": "yes"},
    ("tolerations",): [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
}
EVERY = [(chart, path) for chart in ("licet", "licet-gate") for path in leaves(values_of(chart))]


@pytest.mark.parametrize(
    ("chart", "path"), EVERY, ids=lambda of: of if isinstance(of, str) else ".".join(of)
)
def test_each_value_changes_what_is_rendered(
    render: Render, chart: str, path: tuple[str, ...]
) -> None:
    is_shared = path[0] in ("store", "keys", "files") or path[-1] in (
        "storePort",
        "keysPort",
        "replicas",
    )
    values = several() if is_shared else values_of(chart)
    before, inner = render(chart, values), values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = OTHER.get(
        path, "9Gi" if path[-1] in ("memory", "data", "backups") else "another"
    )
    after = render(chart, values)
    # One of each kind: reading a schema is what costs.
    changed = {one["kind"]: one for one in after if one not in before}
    assert changed
    for kind, one in changed.items():
        if kind != "ServiceMonitor":
            kubernetes_validate.validate(one, NEWEST, strict=True)


@pytest.mark.parametrize(
    ("chart", "path", "value"),
    [
        ("licet", ("image", "digest"), "latest"),
        ("licet", ("url",), "http://privacy.example.org"),
        (
            "licet",
            ("databaseUrl",),
            "postgresql://licet:secret@db/licet?passfile=/run/licet/pgpass&sslmode=verify-full",
        ),
        (
            "licet",
            ("databaseUrl",),
            "postgresql://licet@db/licet?passfile=/run/licet/pgpass&sslmode=require",
        ),
        ("licet", ("settings",), {"PATH": "/tmp"}),
        ("licet", ("server", "workers"), 0),
        ("licet", ("server", "replicas"), 0),
        ("licet", ("store", "url"), "https://s3.example.org/bucket"),
        ("licet", ("store", "secret"), "in clear"),
        ("licet", ("keys", "provider"), "none"),
        ("licet", ("files",), {"../policy.yaml": ""}),
        ("licet", ("jobs", "backup"), {"schedule": "daily", "memory": "1Gi"}),
        ("licet", ("jobs", "build", "rayAddress"), "http://ray-head:8265"),
        ("licet-gate", ("releases",), []),
        ("licet-gate", ("releases",), ["../keys"]),
        ("licet-gate", ("hostPath",), "run"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(
    chart: str, path: tuple[str, ...], value: Any
) -> None:
    values = values_of(chart)
    jsonschema.validate(values, schema_of(chart))
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, schema_of(chart))


HOSTILE = (
    "x\n          privileged: true\n",
    "x\nprivileged: true",
    'x", privileged: true, y: "',
    "x', privileged: true, y: '",
    "x}\n---\nkind: Pod\nprivileged: true\n",
    "{{ .Values }} # privileged: true",
)


def keys_in(found: Any) -> set[str]:
    """Every key of an object, at any depth."""
    match found:
        case dict():
            return set(found).union(*map(keys_in, found.values()))
        case list():
            return set[str]().union(*map(keys_in, found))
        case _:
            return set()


@pytest.mark.parametrize(
    ("chart", "path"), EVERY, ids=lambda of: of if isinstance(of, str) else ".".join(of)
)
def test_no_value_becomes_another_key_of_a_manifest(
    program: Path, chart: str, path: tuple[str, ...]
) -> None:
    is_shared = path[0] in ("store", "keys", "files") or path[-1] in (
        "storePort",
        "keysPort",
        "replicas",
    )
    for hostile in HOSTILE:
        values = several() if is_shared else values_of(chart)
        inner = values
        for key in path[:-1]:
            inner = inner[key]
        known = inner[path[-1]]
        inner[path[-1]] = {
            dict: lambda text=hostile: {"LICET_LOG_NAME": text, "witnesses.txt": text, "key": text},
            list: lambda text=hostile: [text],
        }.get(type(known), lambda text=hostile: text)()
        try:
            done = asked(program, chart, values)
        except jsonschema.ValidationError:
            continue
        if done.returncode != 0:
            continue
        files = json.loads(done.stdout)
        files.pop("NOTES.txt", "")
        for text in files.values():
            assert "privileged" not in keys_in(list(yaml.safe_load_all(text))), (
                path,
                hostile,
                text,
            )


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ({"server": {"replicas": 2}}, "set store.url to a bucket"),
        (
            {"store": {"url": "s3://bucket/licet", "accessKeyId": "licet"}},
            "set keys.provider to bao or pkcs11",
        ),
        (
            {"store": {"url": "s3://bucket/licet"}, "keys": {"provider": "pkcs11"}},
            "without store.accessKeyId",
        ),
        ({"keys": {"provider": "bao"}}, "without keys.address"),
    ],
)
def test_the_chart_says_what_several_servers_lack(program: Path, own: Values, why: str) -> None:
    done = asked(program, "licet", over(values_of("licet"), own))
    assert done.returncode != 0
    assert why in done.stderr


def test_servers_on_one_volume_that_every_node_mounts_need_no_bucket(render: Render) -> None:
    values = over(
        values_of("licet"), {"server": {"replicas": 2}, "volumes": {"accessMode": "ReadWriteMany"}}
    )
    found = named(render("licet", values))
    server = found["StatefulSet", "licet"]["spec"]
    assert server["replicas"] == 2
    assert "affinity" not in server["template"]["spec"]
    assert len(server["template"]["spec"]["topologySpreadConstraints"]) == 2
    claim = found["PersistentVolumeClaim", "licet-data"]["spec"]
    assert claim["accessModes"] == ["ReadWriteMany"]
    assert found["PodDisruptionBudget", "licet"]["spec"]["maxUnavailable"] == 1


def test_a_file_of_one_s_own_takes_the_place_of_what_the_chart_writes(render: Render) -> None:
    values = over(
        several(),
        {"files": {"controller.yaml": "name: Other Ltd\n", "witnesses.txt": "one\ntwo\n"}},
    )
    found = named(render("licet", values))
    assert found["ConfigMap", "licet-files"]["data"] == {
        "controller.yaml": "name: Other Ltd\n",
        "witnesses.txt": "one\ntwo\n",
    }
    spec = found["Deployment", "licet"]["spec"]["template"]["spec"]
    (_, folder) = spec["initContainers"]
    assert folder["command"][-2:] == ["/run/files/controller.yaml", "/run/files/witnesses.txt"]


def test_a_setting_of_one_s_own_goes_beside_ours(render: Render) -> None:
    values = values_of("licet")
    values["settings"] = {"LICET_CURATE__RUNNER": "ray"}
    data = named(render("licet", values))["ConfigMap", "licet"]["data"]
    assert data["LICET_CURATE__RUNNER"] == "ray"
    assert data["LICET_DATA"] == "/var/lib/licet/data"


def test_a_gate_is_an_ordinary_user_that_reads_releases_and_reaches_https_alone(
    render: Render,
) -> None:
    found = named(render("licet-gate"))
    template = found["DaemonSet", "licet-gate"]["spec"]["template"]
    spec = template["spec"]
    (container,) = spec["containers"]
    assert command_exists(
        [word.partition("=")[0] if word.startswith("--") else word for word in container["args"]]
    )
    assert container["args"][:3] == ["train", "gate", "./autumn"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (
        container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]
    )
    assert "env" not in container
    assert "envFrom" not in container
    mounts = {mount["name"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert mounts == {"gate": False, "releases": True, "secrets": True, "tmp": False}
    policy = found["NetworkPolicy", "licet-gate"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    assert sorted(port["port"] for rule in policy["egress"] for port in rule["ports"]) == [
        53,
        53,
        443,
    ]


def test_the_charts_have_the_version_of_the_package() -> None:
    project = (Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8")
    for chart in ("licet", "licet-gate"):
        said = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text("utf-8"))
        assert f'\nversion = "{said["version"]}"\n' in project
        assert said["appVersion"] == said["version"]

"""What is published: archives of the same bytes, and environments that hold what their extra says
and nothing else.

The environments are installed from the locks by hash, as a user's are. The wheel in them is the one
that is published.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tools.packaging import image, publish

from licet.store.connect import Pool

from .train.test_leases import Trained
from .web.served import listening

ROOT = Path(__file__).parent.parent
SOURCES = ["pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "src", "tools/packaging"]


def packed(folder: Path) -> dict[str, str]:
    """The archives that are made of a copy of the source, by name, with their hashes."""
    source, into = folder / "source", folder / "dist"
    for name in SOURCES:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            for file in (ROOT / name).rglob("*"):
                if (
                    file.is_file()
                    and "__pycache__" not in file.parts
                    and not any(".egg-info" in p for p in file.parts)
                ):
                    copied = source / file.relative_to(ROOT)
                    copied.parent.mkdir(parents=True, exist_ok=True)
                    copied.write_bytes(file.read_bytes())
        else:
            (source / name).write_bytes((ROOT / name).read_bytes())
    return built(source, into)


def built(source: Path, into: Path) -> dict[str, str]:
    """The archives that a folder's own build backend makes of it, by name, with their hashes."""
    into.mkdir()
    call = (
        "import sys, build_backend as b; into = sys.argv[1]; b.build_sdist(into); "
        "b.build_wheel(into)"
    )
    subprocess.run(
        [sys.executable, "-c", call, str(into)],
        cwd=source,
        check=True,
        capture_output=True,
        env={
            "PYTHONPATH": str(source / "tools/packaging"),
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in into.iterdir()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    packed(folder)
    return next((folder / "dist").glob("*.whl"))


class Environment:
    """An empty environment with the wheel, and what one lock pins, or some of that."""

    def __init__(self, folder: Path, wheel: Path, lock: str, only: tuple[str, ...] = ()) -> None:
        self.folder, self.python = folder, folder / "bin" / "python"
        uv = [sys.executable, "-m", "uv"]
        subprocess.run(
            [*uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True
        )
        pinned = (ROOT / lock).read_text("utf-8")
        if only:
            pinned = "".join(
                block
                for block in re.split(r"^(?=[a-zA-Z])", pinned, flags=re.M)
                if block.startswith(only)
            )
        (folder / "lock").write_text(pinned)
        install = [*uv, "pip", "install", "--quiet", "--python", str(self.python), "--no-deps"]
        subprocess.run(
            [*install, "--require-hashes", "--requirement", str(folder / "lock")], check=True
        )
        subprocess.run([*install, str(wheel)], check=True)

    def run(self, code: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, "-c", code, *words], capture_output=True, text=True, cwd=self.folder
        )

    def licet(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command, with no setting of anyone who runs the tests."""
        return subprocess.run(
            [self.folder / "bin" / "licet", *words],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "NO_COLOR": "1"},
        )


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!\[; ]", each)[0].lower() for each in requirements}


def test_two_builds_of_the_same_source_are_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir(mode=0o700)
    one = packed(tmp_path / "one")
    assert sorted(name.rsplit(".", 1)[1] for name in one) == ["gz", "whl"]
    assert one == packed(tmp_path / "two")
    dist = tmp_path / "one" / "dist"
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        inside = wheel.namelist()
    assert any(name.endswith("web/templates/notice.html") for name in inside)
    assert not [name for name in inside if not name.startswith(("licet/", "licet-"))]
    with tarfile.open(next(dist.glob("*.gz"))) as source:
        assert {entry.mtime for entry in source} == {publish_time()}


def publish_time() -> int:
    return 315_532_800  # 1980-01-01, where no time is given


def test_the_bill_of_materials_has_each_package_that_the_lock_pins_and_no_other() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    document = json.loads(publish.bill_of_materials("1.2.3", lock))
    pinned = {
        tuple(line.split(" ")[0].split("=="))
        for line in lock.splitlines()
        if re.match(r"[a-zA-Z].*==", line)
    }
    assert {(each["name"], each["version"]) for each in document["components"]} == pinned
    assert len(pinned) > 30
    assert document["dependencies"][0]["dependsOn"] == [
        each["bom-ref"] for each in document["components"]
    ]
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")


def test_the_provenance_is_signed_over_its_type(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    made = json.loads(publish.envelope(b"{}", key))
    payload = b64decode(made["payload"])
    kind = made["payloadType"].encode()
    signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    key.public_key().verify(b64decode(made["signatures"][0]["sig"]), signed)
    assert payload == b"{}"


class Registry:
    """Buildah with a store of its own, and in it a base of Debian's Python, which stands for the
    image of Python: no registry of images is reached from here.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        # of the limits that a container gets none is above those of anyone who runs the tests
        (folder / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
        )
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\n'
            f'runroot = "{folder}/run"\n'
        )
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "BUILDAH_ISOLATION": "chroot",
        }
        packages = "python3-venv,passwd,ca-certificates"
        self._run(
            *("mmdebstrap", "--quiet", "--variant=apt", f"--include={packages}"),
            *("trixie", str(folder / "base.tar")),
        )
        base = self.run("from", "scratch")
        self.run("add", base, str(folder / "base.tar"), "/")
        if trusted := os.environ.get("PIP_CERT"):
            self.run("copy", base, trusted, "/trusted.crt")
            self.run("config", "--env", "PIP_CERT=/trusted.crt", base)
        self.run("commit", "--quiet", base, "localhost/python")
        shown = self.run("images", "--format", "{{.Digest}}", "localhost/python")
        self.base = f"localhost/python@{shown}"

    def run(self, *words: str) -> str:
        return self._run("buildah", *words)

    def _run(self, *words: str) -> str:
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    missing = [name for name in ("buildah", "mmdebstrap") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        because = f"`{missing[0]}` is not here" if missing else "only root may make a base image"
        if os.environ.get("CI") == "true":
            pytest.fail(because)
        pytest.skip(because)
    made = Registry(tmp_path / "registry")
    yield made
    made.run("rm", "--all")
    # which the driver of the store leaves mounted
    subprocess.run(["umount", tmp_path / "registry" / "graph" / "overlay"], capture_output=True)


def test_two_runs_from_a_tag_make_the_same_bytes_which_sums_and_provenance_name(
    tmp_path: Path, registry: Registry
) -> None:
    clone, version = tmp_path / "clone", publish_version()
    git = ["git", "-C", str(clone), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, clone], check=True)
    subprocess.run([*git, "tag", "--force", "--annotate", "-m", "x", f"v{version}"], check=True)
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    for name in ("one", "two"):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tools.packaging.publish", "--tag", f"v{version}"),
                *("--into", str(tmp_path / name), "--base", registry.base, "--key", str(pem)),
            ],
            cwd=clone,
            env={**registry.environment, "PYTHONPATH": str(clone)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    made = tmp_path / "one"
    hashes = {file.name: publish.sha256(file) for file in made.iterdir()}
    assert hashes == {file.name: publish.sha256(file) for file in (tmp_path / "two").iterdir()}
    sums = [line.split() for line in (made / "SHA256SUMS").read_text().splitlines()]
    del hashes["SHA256SUMS"]
    assert {name: digest for digest, name in sums} == hashes
    assert sorted(name.rsplit(".", 1)[1] for name in hashes) == sorted(
        ["whl", "gz", "tgz", "tgz", "tgz", "tar", "tgz", "tgz", "json", "json", "jsonl"]
    )

    statement = json.loads((made / "provenance.json").read_text())
    sealed = json.loads((made / "provenance.intoto.jsonl").read_text())
    assert json.loads(b64decode(sealed["payload"])) == statement
    subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    assert subjects == {n: h for n, h in hashes.items() if not n.startswith("provenance")}
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {"tag": f"v{version}"}
    inputs = {one["name"]: one["digest"] for one in definition["resolvedDependencies"]}
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    assert inputs.pop("source") == {"gitCommit": head.strip()}
    name, _, digest = registry.base.partition("@sha256:")
    assert inputs.pop(name) == {"sha256": digest}
    locks = [
        *clone.glob("requirements*.lock"),
        clone / "packages/client/compiler/package-lock.json",
    ]
    assert inputs == {
        str(lock.relative_to(clone)): {"sha256": publish.sha256(lock)} for lock in locks
    }
    builders = statement["predicate"]["runDetails"]["builder"]["version"]
    assert builders.keys() == {"python", "setuptools", "zlib", "node", "npm", "git", "buildah"}

    with tarfile.open(made / f"chart-licet-{version}.tgz") as chart:
        assert "licet/Chart.yaml" in chart.getnames()
    container = registry.run("from", f"oci-archive:{made / f'licet-{version}.oci.tar'}")
    for words in (["--version"], ["init", "--preset", "strict", "--names-left-in"], ["status"]):
        told = registry.run("run", "--user", "licet", container, "--", "licet", *words)
        assert told


@pytest.mark.parametrize(
    "words, because",
    [
        (["--without-image", "--tag", "v99.0.0"], "there is no tag `v99.0.0`"),
        (["--tag", "v1", "--base", "python:3.13"], "`python:3.13` names its bytes by no digest"),
    ],
)
def test_what_cannot_be_made_the_same_again_is_not_made(
    tmp_path: Path, words: list[str], because: str
) -> None:
    with pytest.raises(SystemExit, match=because):
        publish.main(["--into", str(tmp_path), *words])


def test_an_image_without_its_builder_names_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match="apt-get install --no-install-recommends buildah"):
        image.check(f"python@sha256:{'0' * 64}")


def publish_version() -> str:
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return found


def test_nothing_is_sent_without_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--into", str(tmp_path / "dist"), "--tag", "v1", "--without-image"]
    with pytest.raises(SystemExit):
        publish.main([*asked, "--send"])
    assert "needs --key" in capsys.readouterr().err
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "old.whl").write_bytes(b"")
    with pytest.raises(SystemExit, match="not empty"):
        publish.main([*asked, "--key", str(pem)])


def test_the_bare_install_is_the_client_and_says_what_else_there_is(
    tmp_path: Path, wheel: Path
) -> None:
    bare = Environment(
        tmp_path / "bare",
        wheel,
        "requirements-loader.lock",
        (
            "anyio",
            "h11",
            "httpcore2",
            "httpx2=",
            "idna",
            "msgspec",
            "truststore",
            "typing-extensions",
        ),
    )
    asked = bare.run(
        "import licet.client, licet; print(licet.client.Client.__name__); licet.load('autumn')"
    )
    assert asked.stdout.startswith("Client")
    assert "is not installed" in asked.stderr and "extra `loader`" in asked.stderr
    commanded = bare.licet("status")
    assert commanded.returncode == 64
    assert "extra `server`" in commanded.stderr and "Traceback" not in commanded.stderr


ON_A_NODE = """
import sys
from datetime import datetime
from pathlib import Path
import licet
from licet.train.remote import Remote, read_key_file
folder, gates, public, url, key, now = sys.argv[1:]
clock = lambda: datetime.fromisoformat(now)
gate = licet.gate(folder, gates, public, clock=lambda: clock().timestamp())
with Remote(url, read_key_file(Path(key)), recipient="training", clock=clock) as leases:
    rows = licet.load(folder, gate=gate, leases=leases, clock=clock)
    print(sorted({message["content"] for row in rows for message in row["messages"]})[0])
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"psycopg", "litestar", "uvicorn", "numpy", "torch"}))
"""


WITHOUT_THE_SERVER = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(name, name=name)

absent = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Without())
from licet.cli.command import main
from licet.train import bitmap, gate, load, node, remote
main(["train", "gate", "--help"])
"""


def test_what_a_training_node_runs_imports_nothing_of_the_server() -> None:
    """In the environment of the tests: what the loader's lock does not pin is not found."""
    pinned = {
        lock: set(re.findall(r"(?m)^([A-Za-z0-9._-]+)==", (ROOT / lock).read_text("utf-8")))
        for lock in ("requirements.lock", "requirements-loader.lock")
    }
    absent = pinned["requirements.lock"] - pinned["requirements-loader.lock"]
    modules = {
        module
        for module, distributions in packages_distributions().items()
        if absent & {re.sub(r"[._]", "-", one.lower()) for one in distributions}
    }
    assert {"psycopg", "litestar", "uvicorn"} <= modules
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_SERVER, ",".join(sorted(modules))],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0 and "Usage: " in ran.stdout, ran.stderr


def test_a_training_node_needs_the_loader_alone(tmp_path: Path, wheel: Path, pool: Pool) -> None:
    trained = Trained(pool, tmp_path)
    node = Environment(tmp_path / "node", wheel, "requirements-loader.lock")
    public = tmp_path / "withdrawn.pub"
    public.write_text(trained.publisher.verifier.vkey)
    with listening(trained.world.app) as url:
        kept = node.licet(
            "train",
            "gate",
            str(trained.folder),
            "--into",
            str(trained.gates),
            "--once",
            "--url",
            url,
            "--key-file",
            str(trained.key_file),
            "--public-key",
            str(public),
            "--json",
        )
        assert kept.returncode == 0, kept.stderr
        assert json.loads(kept.stdout)["rows"] == 0
        read = node.run(
            ON_A_NODE,
            str(trained.folder),
            str(trained.gates),
            str(public),
            url,
            str(trained.key_file),
            trained.world.clock.now.isoformat(),
        )
    assert read.stdout.splitlines() == ["How does ana plant 0 pear trees?", "[]"], read.stderr
    refused = node.licet("status")
    assert refused.returncode == 64 and "extra `server`" in refused.stderr


def test_the_server_extra_does_the_main_job_from_the_wheel(tmp_path: Path, wheel: Path) -> None:
    whole = Environment(tmp_path / "whole", wheel, "requirements.lock")
    files = ROOT / "examples"
    people = ["--accounts", str(files / "accounts.csv"), "--choices", str(files / "choices.csv")]
    for words in (
        ["init", "--preset", "strict", "--effective", "2026-01-12", "--names-left-in"],
        ["import", str(files / "chats.jsonl"), *people],
        ["release", "build", "october", "--purpose", "improve_models"],
    ):
        done = whole.licet(*words)
        assert done.returncode == 0, done.stderr
    shown = whole.licet("release", "show", "october", "--json")
    assert shown.returncode == 0 and "october" in json.dumps(json.loads(shown.stdout)), shown.stdout


def test_the_extras_hold_what_the_locks_pin(wheel: Path) -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert names(project["dependencies"]) == {"httpx2", "msgspec"} and extras["client"] == []
    assert names(extras["loader"]) <= names(extras["server"])
    pinned = (ROOT / "requirements-loader.lock").read_text("utf-8")
    for name in names(extras["loader"]) | names(project["dependencies"]):
        assert re.search(rf"^{re.escape(name)}==", pinned, re.MULTILINE), name
    assert not re.search(r"^(psycopg|litestar|numpy|torch)", pinned, re.MULTILINE)


# The supply of packages

LOCKS = sorted(ROOT.glob("requirements*.lock"))
PINNED = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9,_-]+\])?==\S+( ; .+?)? \\$")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_lock_pins_each_package_by_its_hash(lock: Path) -> None:
    text = re.sub(r"(?m)^\s*#.*\n", "", lock.read_text("utf-8"))
    packages = [one for one in re.split(r"(?m)^(?=\S)", text) if one.strip()]
    assert packages
    for one in packages:
        first, *hashes = one.rstrip("\n").split("\n")
        assert PINNED.match(first), first
        assert hashes and all(
            re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in hashes
        ), one


def test_what_installs_a_lock_asks_for_its_hashes() -> None:
    found = []
    for path in (ROOT / "run", ROOT / "deploy" / "Dockerfile", ROOT / "docs" / "install.md"):
        for line in path.read_text("utf-8").splitlines():
            if "pip install" in line and (
                "--requirement" in line or " -r " in line or '"$@"' in line
            ):
                assert "--require-hashes" in line, line
                found.append(line)
    assert len(found) >= 5


def wheel_of(folder: Path, content: str) -> Path:
    """A wheel of a package of one line."""
    folder.mkdir()
    path = folder / "pinned-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("pinned.py", content)
        made.writestr(
            "pinned-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: pinned\nVersion: 1.0\n"
        )
        made.writestr(
            "pinned-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        made.writestr("pinned-1.0.dist-info/RECORD", "")
    return path


def test_a_package_of_other_bytes_is_not_installed(tmp_path: Path) -> None:
    """Another file under the name and the version that a lock pins, by the options with which
    `./run` and the image install.
    """
    good, other = wheel_of(tmp_path / "good", "x = 1\n"), wheel_of(tmp_path / "other", "x = 2\n")
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        f"pinned==1.0 \\\n    --hash=sha256:{hashlib.sha256(good.read_bytes()).hexdigest()}\n"
    )
    asked = ["--quiet", "--no-deps", "--require-hashes", "--no-index", "--requirement", str(lock)]
    for folder, is_taken in ((other.parent, False), (good.parent, True)):
        into = tmp_path / f"into-{folder.name}"
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                *asked,
                "--find-links",
                str(folder),
                "--target",
                str(into),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0, (into / "pinned.py").exists()) == (is_taken, is_taken), (
            done.stderr
        )
    assert (
        "DO NOT MATCH THE HASHES"
        in subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                *asked,
                "--find-links",
                str(other.parent),
                "--target",
                str(tmp_path / "x"),
            ],
            capture_output=True,
            text=True,
            check=False,
        ).stderr
    )

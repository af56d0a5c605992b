"""Makes the artefacts of a tag: packages, image, charts, bill of materials and provenance.

    python -m tools.packaging.publish --tag v0.1.0 --into DIST --base IMAGE@sha256:...
    ... --key signing.pem             # signs the provenance too
    ... --key signing.pem --send      # and publishes the packages
    ... --without-image               # in place of --base, where no image can be built

The files are made from the tag, never from the working tree, with its commit's time in every
archive: anyone who builds the same tag with the same programs has the same bytes. Written to DIST:

    licet-VERSION-*.whl, .tar.gz     the wheel and the source archive
    licet-{client,elements,host}-VERSION.tgz     the npm packages
    licet-VERSION.oci.tar            the image: `skopeo copy oci-archive:FILE docker://..`
    chart-NAME-VERSION.tgz           the Helm charts: `helm push FILE oci://..`
    licet-VERSION.cdx.json           the components, with their versions: CycloneDX 1.6
    provenance.json                  in-toto statement v1 with a SLSA provenance v1: each file's
                                     hash, the tag, the commit, the locks and the base by their
                                     hashes, the programs by their versions
    provenance.intoto.jsonl          the same in a DSSE envelope (Ed25519), with --key
    SHA256SUMS                       the hash of each file: `sha256sum --check SHA256SUMS`

`--send` needs credentials alone, in the environment, as `uv publish` and `npm publish` read them
(UV_PUBLISH_TOKEN, or a trusted publisher; NODE_AUTH_TOKEN). `signing.pem` is an Ed25519 key in
PKCS#8: `openssl genpkey -algorithm ed25519`.

Sources: CycloneDX 1.6 (ECMA-424), in-toto Attestation Framework v1, SLSA v1.0 "Provenance", DSSE
v1.0.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from tools.packaging import image

ROOT = Path(__file__).parent.parent.parent
LOCK = "requirements.lock"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUILD_TYPE = "urn:licet:publish:2"  # this program, called with a tag
CHARTS = ("licet", "licet-gate")
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


class Digested(NamedTuple):
    """A name and the SHA-256 of its bytes, in hexadecimal."""

    name: str
    sha256: str

    def described(self) -> dict[str, object]:
        """Returns an in-toto resource descriptor."""
        return {"name": self.name, "digest": {"sha256": self.sha256}}


def components(lock: str) -> list[dict[str, str]]:
    """Returns each package of a lock as a CycloneDX component, sorted by name."""
    found = sorted({(name.lower(), version) for name, version in _PINNED.findall(lock)})
    return [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
        }
        for name, version in found
    ]


def bill_of_materials(version: str, lock: str) -> bytes:
    """Returns the CycloneDX 1.6 document of the extra `server`; the same bytes for the
    same lock.
    """
    parts = components(lock)
    own = f"pkg:pypi/licet@{version}"
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "licet",
                "version": version,
                "purl": own,
            }
        },
        "components": parts,
        "dependencies": [{"ref": own, "dependsOn": [each["bom-ref"] for each in parts]}],
    }
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def provenance(
    files: Sequence[Path],
    tag: str,
    commit: str,
    inputs: Sequence[Digested],
    versions: Mapping[str, str],
) -> bytes:
    """Returns the in-toto statement: this program, with others of these ``versions``, made these
    files from this tag and these ``inputs``.
    """
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [Digested(file.name, sha256(file)).described() for file in files],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"tag": tag},
                "resolvedDependencies": [
                    {"name": "source", "digest": {"gitCommit": commit}},
                    *(each.described() for each in inputs),
                ],
            },
            "runDetails": {"builder": {"id": "tools/packaging/publish.py", "version": versions}},
        },
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def envelope(payload: bytes, key: Ed25519PrivateKey) -> bytes:
    """Returns a DSSE envelope over ``payload``; the signature covers its type and length (DSSE v1,
    "PAE").
    """
    signed = b" ".join([b"DSSEv1", *_counted(PAYLOAD_TYPE.encode()), *_counted(payload)])
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    made = {
        "payloadType": PAYLOAD_TYPE,
        "payload": b64encode(payload).decode(),
        "signatures": [
            {
                "keyid": hashlib.sha256(public).hexdigest(),
                "sig": b64encode(key.sign(signed)).decode(),
            }
        ],
    }
    return json.dumps(made, sort_keys=True).encode() + b"\n"


def _counted(value: bytes) -> tuple[bytes, bytes]:
    return str(len(value)).encode(), value


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def make(into: Path, tag: str, base: str | None, key: Ed25519PrivateKey | None) -> list[Path]:
    """Makes all artefacts of ``tag`` in the folder ``into``; the packages first. ``base`` is the
    image's base, without which there is no image.
    """
    into.mkdir(parents=True, exist_ok=True)
    if left := sorted(into.iterdir()):
        raise SystemExit(f"error: `{into}` is not empty: `{left[0].name}`")
    commit = _commit_of(tag)
    seconds = int(_git("show", "-s", "--format=%ct", commit))
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch)
        with tarfile.open(fileobj=io.BytesIO(_bytes("git", "archive", commit))) as archive:
            archive.extractall(source, filter="data")
        version = _version_of(source, tag)
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(seconds)}
        made = [
            *_python_packages(source, into, environment),
            *_npm_packages(source, into, environment),
        ]
        inputs = [
            Digested(path.relative_to(source).as_posix(), sha256(path)) for path in _locks(source)
        ]
        if base is not None:
            made.append(into / f"licet-{version}.oci.tar")
            image.write(source, made[-1], base, version, seconds)
            name, _, digest = base.partition("@sha256:")
            inputs.append(Digested(name, digest))
        made += [_chart(source, into, name, version, seconds) for name in CHARTS]
        made.append(into / f"licet-{version}.cdx.json")
        made[-1].write_bytes(bill_of_materials(version, (source / LOCK).read_text("utf-8")))
    statement = provenance(made, tag, commit, inputs, _versions(with_image=base is not None))
    made.append(into / "provenance.json")
    made[-1].write_bytes(statement + b"\n")
    if key is not None:
        made.append(into / "provenance.intoto.jsonl")
        made[-1].write_bytes(envelope(statement, key))
    sums = into / "SHA256SUMS"
    sums.write_text("".join(f"{sha256(file)}  {file.name}\n" for file in made), encoding="utf-8")
    return [*made, sums]


def _commit_of(tag: str) -> str:
    """Returns the commit of ``tag``, whose program this must be."""
    named = f"refs/tags/{tag}^{{commit}}"
    found = subprocess.run(
        ["git", "rev-parse", "--quiet", "--verify", named], cwd=ROOT, capture_output=True, text=True
    )
    if found.returncode != 0:
        raise SystemExit(f"error: there is no tag `{tag}`\nhint: git tag --annotate {tag}")
    commit = found.stdout.strip()
    changed = _git("diff", "--name-only", commit, "--", "tools/packaging")
    if changed:
        raise SystemExit(
            f"error: `{changed.splitlines()[0]}` here is not that of `{tag}`\n"
            f"hint: git checkout {tag}"
        )
    return commit


def _version_of(source: Path, tag: str) -> str:
    """Returns the version of a source folder, which its tag and its charts must have."""
    text = {name: source / "deploy" / "helm" / name / "Chart.yaml" for name in CHARTS}
    version = str(
        tomllib.loads((source / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    )
    if tag != f"v{version}":
        raise SystemExit(
            f"error: `{tag}` is not the tag of `{version}`, the version in pyproject.toml\n"
            f"hint: git tag --annotate v{version}"
        )
    for name, path in text.items():
        said = set(
            re.findall(r'^(?:version|appVersion): "?([^"\n]+)', path.read_text("utf-8"), re.M)
        )
        if said != {version}:
            raise SystemExit(
                f"error: deploy/helm/{name}/Chart.yaml has version `{min(said)}`, not `{version}`"
            )
    return version


def _locks(source: Path) -> list[Path]:
    return [
        *sorted(source.glob("requirements*.lock")),
        source / "packages" / "client" / "compiler" / "package-lock.json",
    ]


def _versions(*, with_image: bool) -> dict[str, str]:
    """Returns the versions of the programs that made the files."""
    called = ["node", "npm", "git", *([image.PROGRAM] if with_image else [])]
    return {
        "python": platform.python_version(),
        "setuptools": metadata.version("setuptools"),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        **{name: _bytes(name, "--version").decode().strip() for name in called},
    }


def _chart(source: Path, into: Path, name: str, version: str, seconds: int) -> Path:
    """Packs a chart, with the names of `helm package`."""
    made = into / f"chart-{name}-{version}.tgz"
    with (
        made.open("wb") as stream,
        gzip.GzipFile("", "wb", fileobj=stream, mtime=seconds) as packed,
    ):
        image.pack(source / "deploy" / "helm" / name, packed, f"{name}/", seconds)
    return made


def _python_packages(source: Path, into: Path, environment: dict[str, str]) -> list[Path]:
    """Builds the wheel and the source archive with this environment's locked tools."""
    call = (
        "import sys, build_backend as b; into = sys.argv[1]; b.build_sdist(into); "
        "b.build_wheel(into)"
    )
    subprocess.run(
        [sys.executable, "-c", call, str(into.absolute())],
        cwd=source,
        check=True,
        stdout=subprocess.DEVNULL,
        env=environment
        | {"PYTHONPATH": str(source / "tools" / "packaging"), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return sorted([*into.glob("*.whl"), *into.glob("*.tar.gz")])


def _npm_packages(source: Path, into: Path, environment: dict[str, str]) -> list[Path]:
    """Packs the components, the client and the host like `npm pack`, which sets fixed times."""
    for name in ("elements", "client", "host"):
        folder = source / f"{name}-package"
        subprocess.run(
            [sys.executable, "-m", f"tools.{name}_package", str(folder)],
            cwd=source,
            check=True,
            stdout=subprocess.DEVNULL,
            env=environment | {"PYTHONPATH": f"{source}:{source / 'src'}"},
        )
        subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", str(into.absolute())],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            env=environment,
        )
    return sorted(into.glob("*.tgz"))


def send(made: Sequence[Path]) -> None:
    """Publishes the packages with the credentials of the environment."""
    for file in made:
        if file.suffix == ".whl" or file.name.endswith(".tar.gz"):
            subprocess.run([sys.executable, "-m", "uv", "publish", str(file)], check=True)
        elif file.suffix == ".tgz" and not file.name.startswith("chart-"):
            subprocess.run(["npm", "publish", "--access", "public", str(file)], check=True)


def _git(*words: str) -> str:
    return _bytes("git", *words).decode().strip()


def _bytes(*words: str) -> bytes:
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True).stdout


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description="Makes, signs and sends what is published of a tag."
    )
    parser.add_argument("--tag", required=True, help="v and the version")
    parser.add_argument("--into", type=Path, required=True, help="an empty folder")
    image_or_none = parser.add_mutually_exclusive_group(required=True)
    image_or_none.add_argument("--base", help="the image to build on, by its digest")
    image_or_none.add_argument("--without-image", action="store_true", help="builds no image")
    parser.add_argument(
        "--key", type=Path, help="an Ed25519 key in PEM, which signs the provenance"
    )
    parser.add_argument(
        "--send", action="store_true", help="publish them; without it nothing leaves this machine"
    )
    asked = parser.parse_args(words)
    key = None if asked.key is None else load_pem_private_key(asked.key.read_bytes(), password=None)
    if asked.send and key is None:
        parser.error("--send needs --key: nothing is published without its provenance")
    if key is not None and not isinstance(key, Ed25519PrivateKey):
        parser.error("--key is not an Ed25519 key")
    if asked.base is not None:
        image.check(asked.base)
    made = make(asked.into, asked.tag, asked.base, key)
    for file in made:
        print(f"{sha256(file)}  {file}")
    if asked.send:
        send(made)


if __name__ == "__main__":
    main(sys.argv[1:])

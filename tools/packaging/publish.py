"""Makes what is published of one commit: the packages, what they are made of, and who made them.

    python -m tools.packaging.publish --into DIST                      # makes everything, sends nothing
    python -m tools.packaging.publish --into DIST --key signing.pem    # ... and signs the provenance
    python -m tools.packaging.publish --into DIST --key signing.pem --send

The files are made from the commit, never from the working tree, with the commit's time in every
archive: whoever builds the same commit has the same bytes. Written beside them:

    licet-VERSION.cdx.json       the components, with their versions: CycloneDX 1.6, from `requirements.lock`
    provenance.intoto.jsonl      in-toto statement v1 with a SLSA provenance v1 in a DSSE envelope (Ed25519)
    SHA256SUMS                   the hash of each file

`--send` needs credentials alone, in the environment, as `uv publish` and `npm publish` read them
(UV_PUBLISH_TOKEN, or a trusted publisher; NODE_AUTH_TOKEN). `signing.pem` is an Ed25519 key in
PKCS#8: `openssl genpkey -algorithm ed25519`.

Sources: CycloneDX 1.6 (ECMA-424), in-toto Attestation Framework v1, SLSA v1.0 "Provenance", DSSE
v1.0.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

ROOT = Path(__file__).parent.parent.parent
LOCK = "requirements.lock"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUILD_TYPE = "urn:licet:publish:1"  # this program, called with a commit
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def components(lock: str) -> list[dict[str, str]]:
    """Each package that a lock pins, as a component of CycloneDX, in the order of their names."""
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
    """A CycloneDX 1.6 document of what the extra `server` installs; the same bytes for the same
    lock.
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


def provenance(files: Sequence[Path], commit: str) -> bytes:
    """The in-toto statement: these bytes were made from this commit by this program."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": file.name, "digest": {"sha256": sha256(file)}} for file in files],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"commit": commit},
                "internalParameters": {
                    "python": ".".join(str(part) for part in sys.version_info[:2])
                },
                "resolvedDependencies": [{"name": "source", "digest": {"gitCommit": commit}}],
            },
            "runDetails": {"builder": {"id": "tools/packaging/publish.py"}},
        },
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def envelope(payload: bytes, key: Ed25519PrivateKey) -> bytes:
    """A DSSE envelope over ``payload``: what is signed names its type and its length (DSSE v1,
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
    return hashlib.sha256(file.read_bytes()).hexdigest()


def make(into: Path, commit: str, key: Ed25519PrivateKey | None) -> list[Path]:
    """Everything that is published of ``commit``, in the folder ``into``; the packages first."""
    into.mkdir(parents=True, exist_ok=True)
    if left := sorted(into.iterdir()):
        raise SystemExit(f"error: `{into}` is not empty: `{left[0].name}`")
    commit = _git("rev-parse", f"{commit}^{{commit}}")
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch)
        with tarfile.open(fileobj=io.BytesIO(_bytes("git", "archive", commit))) as archive:
            archive.extractall(source, filter="data")
        environment = os.environ | {"SOURCE_DATE_EPOCH": _git("show", "-s", "--format=%ct", commit)}
        packages = [
            *_python_packages(source, into, environment),
            *_npm_packages(source, into, environment),
        ]
        version = re.search(
            r'^version = "([^"]+)"', (source / "pyproject.toml").read_text("utf-8"), re.MULTILINE
        )
        assert version is not None
        bill = into / f"licet-{version[1]}.cdx.json"
        bill.write_bytes(bill_of_materials(version[1], (source / LOCK).read_text("utf-8")))
    made = [*packages, bill]
    if key is not None:
        signed = into / "provenance.intoto.jsonl"
        signed.write_bytes(envelope(provenance(made, commit), key))
        made.append(signed)
    sums = into / "SHA256SUMS"
    sums.write_text("".join(f"{sha256(file)}  {file.name}\n" for file in made), encoding="utf-8")
    return [*made, sums]


def _python_packages(source: Path, into: Path, environment: dict[str, str]) -> list[Path]:
    """The wheel and the source archive, built with the tools of this environment, which the locks
    hold.
    """
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
    """The packages of the components, the client and the host, as `npm pack` makes them: with times
    of its own, the same for every build.
    """
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
        elif file.suffix == ".tgz":
            subprocess.run(["npm", "publish", "--access", "public", str(file)], check=True)


def _git(*words: str) -> str:
    return _bytes("git", *words).decode().strip()


def _bytes(*words: str) -> bytes:
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True).stdout


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description="Makes, signs and sends what is published of a commit."
    )
    parser.add_argument("--into", type=Path, required=True, help="an empty folder")
    parser.add_argument("--commit", default="HEAD")
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
    made = make(asked.into, asked.commit, key)
    for file in made:
        print(f"{sha256(file)}  {file}")
    if asked.send:
        send(made)


if __name__ == "__main__":
    main(sys.argv[1:])

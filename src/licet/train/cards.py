"""The model card and the bill of materials beside a model.

`README.md` is a model card with Hugging Face's front matter; `bom.cdx.json` a CycloneDX 1.7 ML-BOM
with the release as data set. Both derive from signed facts, without personal data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
import yaml

from licet.policy.period import rfc3339
from licet.release.manifest import ReleaseManifest
from licet.train.statement import RunStatement

CARD_FILE, BOM_FILE = "README.md", "bom.cdx.json"

_CARD = """\
# {name}

Trained {finished} by the recipe `{recipe}` on {rows:,} rows of the release `{release}`, built for the purpose
`{purpose}` under policy {policy}, version {version}.

## What it learnt from

Rows are conversations and coding sessions that people allowed to be used. Each was decided anew as it was opened, and
the gate was asked once more before each step: what had been withdrawn by then did not go into it. What went into the model
before a withdrawal stays in it, and is on record row by row in `consumed.licet`.

| what | |
|---|---|
{facts}

## How to check this folder

`licet verify FOLDER --key KEY --key KEY`, with the two public keys that the operator hands out (`licet train gate-key`,
`licet models key`), holds the folder to its statement without a network, a database or a word of anybody's: no file
was changed, every row that was consumed is of the release, and none was consumed after it was withdrawn. It shows what
the gated loader handed to the run, not that nobody read the data in another way.
`model_signing verify key` checks `model.sig`, the OpenSSF signature of the files.

## Limits

Learnt from what people wrote, with structured identifiers and secrets replaced: pseudonymised, never anonymous. It can
repeat what it learnt. Treat it as personal data, and train it anew when `licet models affected` lists it.
"""


class ModelDescription(msgspec.Struct, frozen=True, kw_only=True):
    """``base`` is empty for a model trained from scratch."""

    run: RunStatement
    release: ReleaseManifest
    manifest_sha256: str
    consumed: int
    base: str = ""
    architecture: str = "causal language model"
    task: str = "text-generation"


def render_card(model: ModelDescription) -> bytes:
    run = model.run
    front: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": "other",
        "license_name": "consent-of-each-person",
        "datasets": [model.release.name],
        "tags": ["licet", "trl", "sft"],
    }
    if model.base:
        front["base_model"] = model.base
    facts: dict[str, object] = {
        "rows consumed": f"{model.consumed:,}",
        "base": model.base or "none: trained from nothing",
        "release, SHA-256 of its manifest": f"`{model.manifest_sha256}`",
        "gate at the first step": (
            f"number {run.first.number}, {run.first.rows:,} rows withdrawn, "
            f"{rfc3339(run.first.issued)}"
        ),
        "gate at the last step": (
            f"number {run.last.number}, {run.last.rows:,} rows withdrawn, "
            f"{rfc3339(run.last.issued)}"
        ),
        **{name.replace("_", " "): _number(value) for name, value in run.results.items()},
        **{f"setting `{name}`": value for name, value in run.parameters.items()},
    }
    body = _CARD.format(
        name=run.name,
        finished=rfc3339(run.finished),
        recipe=run.recipe,
        rows=model.consumed,
        release=model.release.name,
        purpose=model.release.purpose,
        policy=model.release.policy.name,
        version=model.release.policy.version,
        facts="\n".join(f"| {name} | {value} |" for name, value in facts.items()),
    )
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{body}".encode()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def render_bom(model: ModelDescription, weights: Mapping[str, str]) -> bytes:
    """The bill of materials; ``weights`` are the model's files of weights, name to SHA-256."""
    run = model.run
    measured = [
        {"type": name, "value": _number(value), "slice": "people who are not in training"}
        for name, value in run.results.items()
        if name.startswith("held_out_")
    ]
    card: dict[str, Any] = {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": model.task,
            "modelArchitecture": model.architecture,
            "datasets": [{"ref": "release"}],
            "inputs": [{"format": "text"}],
            "outputs": [{"format": "text"}],
        },
        "quantitativeAnalysis": {"performanceMetrics": measured},
        "considerations": {
            "technicalLimitations": [
                "pseudonymised, never anonymous: it can repeat what it learnt"
            ],
            "ethicalConsiderations": [
                {
                    "name": "somebody withdraws after the run",
                    "mitigationStrategy": "the rows are on record; the model is listed as affected, and "
                    "trained anew",
                }
            ],
        },
    }
    component = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": run.name,
        "version": run.model,
        "hashes": [{"alg": "SHA-256", "content": digest} for _, digest in sorted(weights.items())],
        "modelCard": card,
    }
    made = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{UUID(hex=run.model)}",
        "version": 1,
        "metadata": {
            "timestamp": rfc3339(run.finished),
            "component": component,
            "tools": {"components": [_software("licet", run.software.get("licet", ""))]},
        },
        "components": [_data(model), *_libraries(model)],
        "dependencies": [
            {"ref": "model", "dependsOn": ["release", *(["base"] if model.base else [])]}
        ],
    }
    return msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"


def _data(model: ModelDescription) -> dict[str, Any]:
    party = [{"organization": {"name": "the operator of this installation"}}]
    return {
        "type": "data",
        "bom-ref": "release",
        "name": model.release.name,
        "version": model.release.release,
        "hashes": [{"alg": "SHA-256", "content": model.manifest_sha256}],
        "data": [
            {
                "type": "dataset",
                "name": model.release.name,
                "classification": "personal data, by consent of each person",
                "contents": {
                    "properties": [
                        {"name": "licet:purpose", "value": model.release.purpose},
                        {
                            "name": "licet:policy",
                            "value": f"{model.release.policy.name} {model.release.policy.version}",
                        },
                        {"name": "licet:policy_sha256", "value": model.release.policy.sha256},
                        {"name": "licet:rows_consumed", "value": str(model.consumed)},
                    ]
                },
                "sensitiveData": ["conversations of people, pseudonymised: they may tell anything"],
                "governance": {"custodians": party, "stewards": party, "owners": party},
            }
        ],
    }


def _libraries(model: ModelDescription) -> Sequence[dict[str, Any]]:
    made = [
        _software(name, version) for name, version in model.run.software.items() if name != "licet"
    ]
    base = next((source for source in model.run.sources if source.name == "base"), None)
    if base is not None:
        made.append(
            {
                "type": "machine-learning-model",
                "bom-ref": "base",
                "name": model.base,
                "hashes": [{"alg": "SHA-256", "content": base.sha256}],
            }
        )
    return made


def _software(name: str, version: str) -> dict[str, Any]:
    return {
        "type": "library" if name != "licet" else "application",
        "name": name,
        "version": version,
    }

"""The machine-readable description of a release, ``croissant.json``, for catalogues and loaders.

Croissant 1.1 (http://mlcommons.org/croissant/1.1) with the RAI vocabulary 1.0 and W3C PROV-O. It is
derived exactly from the manifest and the chain of its purges, so that ``verify`` can check it. It
lists the current parts, while the card stays as published. Rows are described as stored: sealed. No
personal data, no statistics, no examples.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import msgspec

from licet.release.manifest import ReleaseManifest
from licet.release.part import PartPromise
from licet.release.purge import Chain
from licet.store.files import replacing
from licet.vault.ids import Prefix, format_id

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"

FILE = "croissant.json"
CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
CONTEXT: dict[str, Json] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
# not the registered media type, but the only one that readers of Croissant know
PARQUET = "application/x-parquet"
# The columns of Croissant types: bytes have none, so `row_id` and `sealed` are described in text.
COLUMNS = {
    "ordinal": (
        "cr:UInt32",
        "The row's number in this release; numbers of rows that left are not given again.",
    ),
    "until": ("sc:DateTime", "The day, in UTC, from which the row may not be used any more."),
}


def render(manifest: ReleaseManifest, chain: Chain) -> str:
    parts = [
        part
        for promised in manifest.parts
        if (part := chain.current_state(promised).part) is not None
    ]
    document: dict[str, Json] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [*CONFORMS_TO],
        "identifier": format_id(Prefix.release, UUID(hex=manifest.release)),
        "name": manifest.name,
        "description": _description(manifest),
        "version": f"1.0.{len(chain.purges)}",
        "datePublished": manifest.built_at.date().isoformat(),
        "dateModified": (chain.purges[-1].at if chain.purges else manifest.built_at)
        .date()
        .isoformat(),
        "license": "urn:licet:licence:consent-of-each-person",
        "keywords": ["conversational", "sealed", "pseudonymised", manifest.purpose],
        "citeAs": f"{manifest.name}, root {manifest.root}, {manifest.rows} rows",
        "isLiveDataset": False,
        "distribution": _distribution(parts),
        "recordSet": [_records()] if parts else [],
        **_responsible(manifest),
        **_provenance(manifest),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def write(folder: Path, manifest: ReleaseManifest, chain: Chain) -> None:
    """Writes the description into ``folder``, durably and atomically."""
    with replacing(folder / FILE) as file:
        file.write(render(manifest, chain).encode())


def _description(manifest: ReleaseManifest) -> str:
    counts = manifest.counts
    return (
        f"{manifest.rows} rows of conversations that people allowed to be used for the purpose "
        f"{manifest.purpose}. "
        f"{counts.candidates} turns came into question; {counts.included} are in. Every row is "
        "sealed and opens only "
        "under a lease, while its person's choice allows it."
    )


def _distribution(parts: list[PartPromise]) -> list[Json]:
    """A file object with its hash per part, and the file set of all parts, the records' source."""
    if not parts:
        return []
    files: list[Json] = [
        {
            "@type": "cr:FileObject",
            "@id": part.file,
            "name": part.file,
            "contentUrl": part.file,
            "contentSize": f"{part.bytes} B",
            "encodingFormat": PARQUET,
            "sha256": part.sha256,
        }
        for part in parts
    ]
    every: Json = {  # contained in nothing: mlcroissant then reads it from the folder of this file
        "@type": "cr:FileSet",
        "@id": "parts",
        "name": "parts",
        "description": "The sealed rows, in order.",
        "encodingFormat": PARQUET,
        "includes": "part-*.parquet",
    }
    return [*files, every]


def _records() -> Json:
    return {
        "@type": "cr:RecordSet",
        "@id": "rows",
        "name": "rows",
        "description": "What of a row is in clear. Beside it a part has `row_id`, 16 bytes that follow from the "
        "release and the ordinal, and `sealed`, messages and labels under AES-256-GCM: "
        "`licet.load` opens what may be used.",
        "key": {"@id": "rows/ordinal"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"rows/{name}",
                "name": name,
                "description": description,
                "dataType": kind,
                "source": {"fileSet": {"@id": "parts"}, "extract": {"column": name}},
            }
            for name, (kind, description) in COLUMNS.items()
        ],
    }


def _detectors(manifest: ReleaseManifest) -> str:
    names = manifest.deidentification.names
    if names is msgspec.UNSET:
        return "no detector of names"
    return ", ".join(f"{pin.name} (SHA-256 {pin.sha256})" for pin in names.detectors)


def _responsible(manifest: ReleaseManifest) -> dict[str, Json]:
    """Responsible-use properties, in the RAI vocabulary."""
    dropped = (
        ", ".join(f"{count} {reason}" for reason, count in sorted(manifest.counts.dropped.items()))
        or "none"
    )
    replaced = (
        ", ".join(f"{n} {kind}" for kind, n in sorted(manifest.deidentification.counts.items()))
        or "none"
    )
    return {
        "rai:dataCollection": "Conversations with an assistant, kept as they were held. A turn is in only while its "
        f"person's own choice permits the purpose, under policy {manifest.policy.name}, version "
        f"{manifest.policy.version}; silence is no choice.",
        "rai:dataCollectionType": ["Others"],
        "rai:dataCollectionMissingData": f"Turns left out, by the first reason against each: {dropped}.",
        "rai:dataPreprocessingProtocol": [
            f"De-identified by rules {manifest.deidentification.rules} (SHA-256 "
            f"{manifest.deidentification.sha256}) "
            f"and {_detectors(manifest)}. Replaced: {replaced}.",
            (
                "Compressed and sealed row by row, each under a key made from the keys of all "
                "it came from."
            ),
        ],
        "rai:dataAnnotationProtocol": [_labels(manifest)],
        "rai:dataUseCases": [f"The purpose {manifest.purpose}, and no other."],
        "rai:dataBiases": [
            "People who permitted the use are no sample of all who use the assistant."
        ],
        "rai:dataLimitations": [
            "Rules do not find everything that identifies, names in running text least of all.",
            "What a training run has consumed stays consumed when a row dies later.",
        ],
        "rai:dataSocialImpact": "Who withdraws, keeps a conversation out or deletes it takes it out of every copy of "
        "this release: no lease opens its rows any more.",
        "rai:personalSensitiveInformation": [
            "Personal data: pseudonymised, never anonymous. Text may tell of health, beliefs or "
            "anything else that "
            "people talk about.",
        ],
        "rai:dataReleaseMaintenancePlan": "Rows die with the keys of what they came from. `licet release purge` takes "
        "dead rows out of the parts and says so in an addendum; root, counts and card stay as "
        "they were published.",
    }


def _labels(manifest: ReleaseManifest) -> str:
    if not manifest.curation:
        return "No labels."
    return (
        "Labels of split, language, topic and quality are given by programs, and sealed with the "
        "row; splits are by "
        f"person (plan {manifest.curation.plan})."
    )


def _provenance(manifest: ReleaseManifest) -> dict[str, Json]:
    """The build's journal position, policy and rules, in PROV-O."""
    return {
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "@id": f"urn:licet:build:{manifest.release}",
            "prov:endedAtTime": manifest.built_at.isoformat(),
            "prov:used": [
                {
                    "@type": "prov:Entity",
                    "@id": f"urn:licet:policy:sha256:{manifest.policy.sha256}",
                },
                {
                    "@type": "prov:Entity",
                    "@id": f"urn:licet:rules:sha256:{manifest.deidentification.sha256}",
                },
            ],
            "prov:wasAssociatedWith": {
                "@type": "prov:SoftwareAgent",
                "@id": f"urn:licet:software:{manifest.licet}",
            },
        },
        "prov:wasDerivedFrom": {
            "@type": "prov:Collection",
            "@id": f"urn:licet:journal:{manifest.journal}",
        },
    }

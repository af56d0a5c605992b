"""A structural fuzzer of everything that the stand-alone verifier reads.

Every field of every artefact is dropped, doubled, retyped, nulled, moved to another year and
exchanged with that of another honest artefact; then pairs of such changes by random draw. Two hands
change them. A carrier has no key: what they change may never be proved. An operator has it: every
hash, count, root and signature is made to fit again, and the log is told what fits, so that only
the meaning of what is said can betray it. An accepted mutant must be equal in meaning to the honest
one, or sound by an oracle that shares no code with the verifier (`oracle`).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licet import verifier
from licet.consent.controller import Controller
from licet.ledger import note, tree
from licet.ledger.canonical_json import canonical
from licet.ledger.checkpoint import Checkpoint
from licet.ledger.note import SignatureType, Signer
from licet.ledger.proof import InclusionProof
from licet.legal import figures
from licet.legal.paper import PaperKind, list_statements, load_form
from licet.proof.receipt import sign
from licet.release import manifest as manifests
from licet.release import merkle

from ..ledger.world import ORIGIN, SIGNER, STRANGER, Held, naive_root
from . import lies, release_lies
from .oracle import (
    SINCE_AT,
    certificate_faults,
    entry_faults,
    manifest_faults,
    paper_faults,
    release_faults,
    since_faults,
)
from .part_files import columns, part_bytes

Path = tuple[Any, ...]
Change = Callable[[Any, Path, random.Random], Any]
LATER = Signer(ORIGIN.replace("2026", "2027"), SignatureType.ed25519, SIGNER.seed)
TRUST, TRUST_LATER = verifier.trust(SIGNER.verifier.vkey), verifier.trust(LATER.verifier.vkey)
MISSING = object()


# What is done to a value in a tree of JSON


def places(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in a value, the whole of it first."""
    yield at
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, one in inner:
        yield from places(one, (*at, key))


def look(value: Any, at: Path) -> Any:
    for key in at:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return value


def put(value: Any, at: Path, new: Any) -> Any:
    """The value with another one at a place; where the place is gone meanwhile, as it was."""
    if not at:
        return new
    target = look(value, at[:-1])
    try:
        if new is MISSING:
            del target[at[-1]]
        else:
            target[at[-1]] = new
    except (KeyError, IndexError, TypeError):
        pass
    return value


def drop(value: Any, at: Path, _draw: random.Random) -> Any:
    return put(value, at, MISSING) if at else {}


def null(value: Any, at: Path, _draw: random.Random) -> Any:
    return put(value, at, None)


def double(value: Any, at: Path, _draw: random.Random) -> Any:
    """An element of a list twice; a key under another name too."""
    target, one = look(value, at[:-1]), look(value, at)
    if at and isinstance(target, list) and isinstance(at[-1], int):
        target.insert(at[-1], deepcopy(one))
    elif at and isinstance(target, dict) and isinstance(at[-1], str):
        target[f"{at[-1]}2"] = deepcopy(one)
    return value


def retype(value: Any, at: Path, draw: random.Random) -> Any:
    one = look(value, at)
    ways: list[Any] = [
        True,
        False,
        0,
        1,
        -1,
        2**64,
        "",
        " ",
        "x",
        "0" * 64,
        "0001-01-01T00:00:00Z",
        [],
        {},
        [deepcopy(one)],
        {"x": deepcopy(one)},
        str(one),
        [one, one] if not isinstance(one, dict | list) else [None],
    ]
    ways += [one + 1, one - 1] if isinstance(one, int) and not isinstance(one, bool) else []
    ways += [one.upper(), one + " ", one[:-1], one[::-1]] if isinstance(one, str) and one else []
    return put(value, at, draw.choice(ways))


def move_year(value: Any, at: Path, draw: random.Random) -> Any:
    """A date in another year; a number that is a year too."""
    one = look(value, at)
    year = draw.choice(["2025", "2027", "2024", "2031", "1999", "0001", "9999"])
    if isinstance(one, str) and len(one) >= 10 and one[:4].isdecimal() and one[4] == "-":
        return put(value, at, year + one[4:])
    if isinstance(one, str) and "2026" in one:
        return put(value, at, one.replace("2026", year))
    return put(value, at, int(year)) if isinstance(one, int) else retype(value, at, draw)


def exchange(value: Any, at: Path, draw: random.Random) -> Any:
    """Two places of the same kind, one put where the other was."""
    one = look(value, at)
    alike = [
        other for other in places(value) if other != at and type(look(value, other)) is type(one)
    ]
    namesakes = [other for other in alike if at and other and other[-1] == at[-1]]
    alike = namesakes if namesakes and draw.random() < 0.7 else alike
    return put(value, at, deepcopy(look(value, draw.choice(alike)))) if alike else value


CHANGES: tuple[Change, ...] = (drop, null, double, retype, move_year, exchange)


# Artefacts


@dataclass(frozen=True)
class Judged:
    """What became of a mutant. ``wrong``: why it may not be proved; empty where it is equal or
    sound.
    """

    answer: verifier.Verdict
    wrong: tuple[str, ...]
    report: verifier.VerifierReport | None = None


@dataclass(frozen=True)
class Artefact:
    """Something that is mutated: ``tree`` is its honest form, ``other`` another honest one,
    ``judge`` asks the verifier.
    """

    name: str
    tree: Any
    other: Any
    judge: Callable[[Any], Judged]
    share: int = 1
    whole: tuple[Path, ...] = field(default=())

    def swapped(self, value: Any, at: Path, _draw: random.Random) -> Any:
        """The same place of the other honest artefact."""
        found = look(self.other, at)
        return value if found is MISSING else put(value, at, deepcopy(found))

    def every(self) -> Iterator[tuple[Path, Change]]:
        """Each change of each field, once."""
        for at in places(self.tree):
            for change in (*CHANGES, self.swapped):
                yield at, change


def text_of(value: Any) -> bytes:
    """Canonical JSON of anything, what no product would write included."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def b64(value: Any) -> str:
    return (
        base64.urlsafe_b64encode(value if isinstance(value, bytes) else text_of(value))
        .rstrip(b"=")
        .decode()
    )


def payload_of(jws: str) -> Any:
    part = jws.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def signed(payload: Any, typ: str, seed: bytes = SIGNER.seed) -> str:
    """A JWS over whatever payload, as a signer who checks nothing makes it."""
    header = sign({}, seed, typ).split(".")[0]
    body = f"{header}.{b64(payload)}"
    return f"{body}.{b64(Ed25519PrivateKey.from_private_bytes(seed).sign(body.encode()))}"


def small_log(entries: list[bytes], signer: Signer = SIGNER) -> dict[str, bytes]:
    """The files of a log of fewer entries than a tile takes, signed."""
    assert 0 < len(entries) < 256
    bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    size = len(entries)
    return {
        "checkpoint": note.sign(Checkpoint(signer.name, size, naive_root(entries)).text, signer),
        f"tile/entries/000.p/{size}": bundle,
        f"tile/0/000.p/{size}": b"".join(tree.leaf_hash(entry) for entry in entries),
    }


def proof_in(entries: list[bytes], index: int, signer: Signer = SIGNER) -> bytes:
    path = verifier.path_of(index, [tree.leaf_hash(entry) for entry in entries])
    return InclusionProof(index, tuple(path), small_log(entries, signer)["checkpoint"]).encode()


def judged(report: verifier.VerifierReport, wrong: Callable[[], list[str]]) -> Judged:
    return Judged(report.answer, tuple(wrong()) if report.answer in verifier.LEVELS else (), report)


# Receipts


@cache
def receipts() -> list[dict[str, Any]]:
    """The files of two choices of today and two of before there were questions, opened as far as
    they open: the payload stands where its JWS was.
    """
    found = []
    for index in (lies.ASKED + 1, lies.ASKED + 8, 4, 13):
        file = json.loads(lies.receipt_of(index))
        found.append(file | {"receipt": payload_of(file["receipt"])})
    return found


def receipt_claims(payload: Any) -> Any:
    """What an entry tells of a choice, as the receipt has it: the rest is the operator's word
    alone.
    """
    record, log = payload["record"], payload["log"]
    event, notice = record["events"][0], record["privacy_notice"]
    return [
        payload["receipt_id"],
        record["pii_principal_id"],
        log,
        len(record["events"]),
        notice["sha256"],
        notice["language"],
        notice["notice_id"],
        notice["presented_as"],
        [event[key] for key in ("event_time", "event_state", "allow", "effect", "entity_id")],
        event.get("question", "training"),
        event.get("scope", "account"),
        event.get("of"),
        [one["grant"] for one in event.get("kept", [])],
    ]


def judge_receipt(value: Any) -> Judged:
    """Signed anew by the operator; the entry and the log are what they were."""
    file = value
    if isinstance(value, dict) and "receipt" in value:
        file = value | {"receipt": signed(value["receipt"], "licet-receipt+jws")}
    report = verifier.check_receipt(text_of(file) + b"\n", TRUST)

    def wrong() -> list[str]:
        claims = [receipt_claims(honest["receipt"]) for honest in receipts()]
        return (
            []
            if text_of(receipt_claims(value["receipt"])) in map(text_of, claims)
            else ["another choice is proved"]
        )

    return judged(report, wrong)


def judge_carried_receipt(value: Any) -> Judged:
    """Changed by who has no key, or signed with a key of their own."""
    file, honest = value, receipts()[0]
    if isinstance(value, dict) and "receipt" in value:
        jws = json.loads(lies.receipt_of(lies.ASKED + 1))["receipt"]
        if text_of(value["receipt"]) != text_of(honest["receipt"]):
            head, _, signature = jws.split(".")
            own = signed(value["receipt"], "licet-receipt+jws", STRANGER.seed)
            jws = own if len(text_of(value)) % 2 else f"{head}.{b64(value['receipt'])}.{signature}"
        file = value | {"receipt": jws}
    report = verifier.check_receipt(text_of(file) + b"\n", TRUST)
    return judged(
        report,
        lambda: [] if text_of(value) in map(text_of, receipts()) else ["changed without the key"],
    )


# Certificates


@cache
def certificates() -> list[dict[str, Any]]:
    """What a certificate of a deletion states, and one of a closure."""
    at = [f"2026-03-01T1{hour}:00:00Z" for hour in range(6)]
    place = {
        "copies": 1,
        "done": "erased",
        "kept_until": None,
        "place": "vault",
        "answered": None,
        "recalled": None,
        "read_back": {"at": at[4], "left": 0},
        "reference": None,
        "registered": "2026-02-01T00:00:00Z",
    }
    asked = place | {
        "place": "export",
        "reference": "9" * 32,
        "read_back": None,
        "done": "recalled",
        "recalled": {"at": at[1], "due": "2026-04-01T00:00:00Z"},
    }
    answer = {"at": at[2], "by": "uni", "signed": recall_answer()}
    said = {
        "v": 2,
        "type": "licet-erasure-certificate",
        "erasure": "era_" + "1" * 32,
        "account": "urn:licet:account:" + "2" * 32,
        "conversation": "urn:licet:conversation:" + "3" * 32,
        "cause": "deletion",
        "requested": at[0],
        "fenced": at[1],
        "shredded": at[2],
        "swept": at[3],
        "verified": at[4],
        "places": [
            place,
            asked,
            asked | {"done": "answered", "answered": answer},
            place
            | {
                "place": "safety",
                "reference": "4" * 32,
                "done": "kept",
                "kept_until": "2028-01-01T00:00:00Z",
                "read_back": {"at": at[4], "left": 2},
            },
            place | {"place": "release", "reference": "a" * 32, "done": "refused"},
        ],
        "recipients": [
            {
                "recipient": "uni",
                "release": "october",
                "handed": at[0],
                "recalled": at[1],
                "acknowledged": at[2],
                "due": "2026-04-01T00:00:00Z",
            }
        ],
        "hosts": [
            {
                "host": "assistant",
                "event": "conversation.deleted",
                "told": at[0],
                "delivered": None,
                "overdue": False,
                "due": "2026-04-01T00:00:00Z",
                "acknowledged": None,
            }
        ],
        "backups_out_of_reach": None,
        "backups": [
            {"backup": "bak_" + "6" * 32, "made": at[0], "expires": "2026-05-01T00:00:00Z"}
        ],
        "salt": "7" * 64,
    }
    later = [
        one | {"read_back": one["read_back"] and one["read_back"] | {"at": at[5]}}
        for one in said["places"]
    ]
    other = {
        "cause": "closure",
        "conversation": None,
        "salt": "8" * 64,
        "verified": at[5],
        "places": later,
    }
    return [said, said | other]


def recall_answer(
    erasure: str = "era_" + "1" * 32, by: str = "uni", seed: bytes = STRANGER.seed
) -> str:
    """What a recipient signs: that they deleted what was recalled."""
    said = {
        "v": 1,
        "type": "licet-recall-answer",
        "erasure": erasure,
        "recipient": by,
        "handout": "hand_" + "6" * 32,
        "at": "2026-03-01T12:00:00Z",
    }
    return signed(said, "licet-recall-answer+jws", seed)


def certificate_file(said: Any) -> bytes:
    """A certificate, signed and told to a log, as an operator makes it of whatever it says."""
    jws = signed(said, "licet-certificate+jws")
    at = said.get("verified") if isinstance(said, dict) else None
    entry = text_of(
        {
            "v": 1,
            "t": "certificate",
            "at": at,
            "logged": "2026-03-02T00:00:00Z",
            "facts": {"sha256": hashlib.sha256(jws.encode()).hexdigest()},
        }
    )
    others = [text_of({"n": n}) for n in range(3)]
    proof = proof_in([*others, entry], 3)
    return (
        text_of({"v": 1, "certificate": jws, "entry": entry.decode(), "proof": proof.decode()})
        + b"\n"
    )


def judge_certificate(value: Any) -> Judged:
    return judged(
        verifier.check_certificate(certificate_file(value), TRUST),
        lambda: certificate_faults(value),
    )


@cache
def honest_certificate() -> bytes:
    return certificate_file(certificates()[0])


def judge_carried_certificate(value: Any) -> Judged:
    file = json.loads(honest_certificate())
    if text_of(value) != text_of(certificates()[0]):
        head, _, signature = file["certificate"].split(".")
        file["certificate"] = f"{head}.{b64(value)}.{signature}"
    report = verifier.check_certificate(text_of(file) + b"\n", TRUST)
    return judged(
        report,
        lambda: [] if text_of(value) == text_of(certificates()[0]) else ["changed without the key"],
    )


# Releases


Document = dict[str, Any]
LINES = ("policies", "candidates", "rows")


def document(world: release_lies.World) -> Document:
    """A release and its log as values: what an operator says, before it is hashed or signed."""
    files, log = release_lies.sealed(world)
    bundle = max((data for path, data in log.items() if path.startswith("tile/entries/")), key=len)
    entries, at = [], 0
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        entries.append(json.loads(bundle[at + 2 : at + 2 + length]))
        at += 2 + length
    sealed = next(n for n, entry in enumerate(entries) if entry["t"] == "release_sealed")
    lines = {
        name: [
            json.loads(line)
            for line in gzip.decompress(files[f"proof/{name}.jsonl.gz"]).splitlines()
        ]
        for name in LINES
    }
    return {
        "manifest": json.loads(files["manifest.json"]),
        "entries": entries[:sealed],
        "leaf": entries[sealed],
        **lines,
    }


@cache
def releases() -> list[Document]:
    """Two honest releases, of which the second lacks a row."""
    return [fitted(release_lies.honest()), fitted(release_lies.without_the_last_row())]


@cache
def releases_before() -> list[Document]:
    """One of before there were questions, and one of today."""
    return [fitted(release_lies.honest_before()), releases()[0]]


def fitted(world: release_lies.World) -> Document:
    made = document(world)
    fit(made)
    sealed(made)
    return made


def fit(made: Document) -> None:
    """Makes counts, parts and root follow from rows and candidates, as far as these are what they
    should be.
    """
    try:
        manifest, rows, candidates = made["manifest"], made["rows"], made["candidates"]
        turns: dict[str, int] = {}
        for row in rows:
            turns[row["conversation"]] = turns.get(row["conversation"], 0) + sum(
                sum(source["turns"].values()) for source in row["sources"]
            )
        for one in candidates:
            one["in"] = turns.get(one["conversation"], 0)
        dropped: dict[str, int] = {}
        for one in candidates:
            for reason, count in one["out"].items():
                dropped[reason] = dropped.get(reason, 0) + count
            for count in one["salted"].values():
                dropped["deleted"] = dropped.get("deleted", 0) + count
        included = sum(turns.values())
        manifest["counts"] = {
            "candidates": included + sum(dropped.values()),
            "included": included,
            "dropped": dropped,
        }
        manifest["rows"] = manifest["parts"][0]["rows"] = len(rows)
        for name in (
            ("kinds", "languages", "origins", "surfaces", "plans") if "contents" in manifest else ()
        ):
            manifest["contents"][name] = {
                "other": len(rows) if name in ("kinds", "languages") else included
            }
        leaves = [(row["ordinal"], release_leaf(row)) for row in rows]
        manifest["root"] = parts_root(leaves)
        rows.sort(key=lambda row: (row["conversation"], row["ordinal"]))
        candidates.sort(key=lambda one: one["conversation"])
        part = part_of(rows)
        manifest["parts"][0] |= {"sha256": hashlib.sha256(part).hexdigest(), "bytes": len(part)}
        made["leaf"]["facts"].update(rows=manifest["rows"], root=manifest["root"])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return


def release_leaf(row: dict[str, Any]) -> bytes:
    days = (release_lies.instant(row["until"]) - release_lies.EPOCH).days
    return tree.leaf_hash(
        row["ordinal"].to_bytes(4, "big")
        + bytes.fromhex(row["row_id"])
        + (days * 86_400_000_000).to_bytes(8, "big", signed=True)
        + bytes.fromhex(row["sealed_sha256"])
    )


def parts_root(leaves: list[tuple[int, bytes]]) -> str:
    grown = merkle.Tree()
    for _, leaf in sorted(leaves):
        grown.append(leaf)
    return grown.root().hex()


def part_of(rows: Any, without: tuple[int, ...] = ()) -> bytes:
    """The part of some rows; that of the honest ones where no part can hold them."""
    try:
        return part_bytes(columns(rows, without))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return release_lies.honest().part


def sealed(made: Document) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The folder and the log of a document: hashed, told and signed, whatever it says."""
    files = {"README.md": b"a card", "part-00000.parquet": part_of(made["rows"])}
    manifest = made["manifest"]
    for name in LINES:
        texts = [text_of(line) for line in made[name]] if isinstance(made[name], list) else []
        data = gzip.compress(b"".join(text + b"\n" for text in texts), 1, mtime=0)
        files[f"proof/{name}.jsonl.gz"] = data
        if (
            isinstance(manifest, dict)
            and isinstance(manifest.get("proof"), dict)
            and "proofs" not in made
        ):
            manifest["proof"][name] = {
                "file": f"proof/{name}.jsonl.gz",
                "sha256": hashlib.sha256(data).hexdigest(),
                "bytes": len(data),
                "lines": len(texts),
                "root": naive_root(texts).hex(),
            }
    files["manifest.json"] = text_of(manifest)
    leaf = made["leaf"]
    if isinstance(leaf, dict) and isinstance(leaf.get("facts"), dict) and "leaf_kept" not in made:
        leaf["facts"]["manifest_sha256"] = hashlib.sha256(files["manifest.json"]).hexdigest()
    told = made["entries"] if isinstance(made["entries"], list) else []
    entries = [text_of(entry) for entry in (*told, leaf, *made.get("since", []))][:200]
    return files, small_log(entries)


def judge_release(value: Any) -> Judged:
    """Rows, candidates, policies and entries changed, with all that follows from them made to
    fit.
    """
    return judge_told(releases_copy() | value)


def judge_release_before(value: Any) -> Judged:
    """The same of a release of before there were questions."""
    return judge_told(deepcopy(releases_before()[0]) | value)


def judge_told(made: Document) -> Judged:
    fit(made)
    files, log = sealed(made)
    return judged(
        verifier.check_release(Held(files), TRUST, Held(log)), lambda: release_faults(made)
    )


def releases_copy() -> Document:
    return deepcopy(releases()[0])


def judge_manifest(value: Any) -> Judged:
    """A manifest changed, and told to the log as it is then."""
    made = releases_copy() | {"manifest": value, "proofs": "kept"}
    facts = made["leaf"]["facts"]
    if isinstance(value, dict):
        facts |= {
            name: value[key]
            for name, key in (("purpose", "purpose"), ("rows", "rows"), ("root", "root"))
            if key in value
        }
        facts |= {"position": value["journal"]} if "journal" in value else {}
    files, log = sealed(made)
    report = verifier.check_release(Held(files), TRUST, Held(log))
    return judged(
        report, lambda: manifest_faults(files["manifest.json"], releases()[0]["manifest"])
    )


def judge_leaf(value: Any) -> Judged:
    """The release's leaf changed, and the log signed."""
    files, log = sealed(releases_copy() | {"leaf": value, "leaf_kept": "as it is"})
    report = verifier.check_release(Held(files), TRUST, Held(log))
    honest = releases()[0]["leaf"]
    same = isinstance(value, dict) and {k: v for k, v in value.items() if k != "logged"} == {
        k: v for k, v in honest.items() if k != "logged"
    }
    return judged(report, lambda: [] if same else ["another leaf"])


def judge_carried_release(value: Any) -> Judged:
    """Files changed on their way, by who has no key: the manifest and the lines of the proofs."""
    files, log = carried()
    honest, folder = releases()[0], dict(files)
    for name in LINES:
        lines = value.get(name)
        if text_of(lines) != text_of(honest[name]):
            texts = [text_of(line) for line in lines] if isinstance(lines, list) else []
            folder[f"proof/{name}.jsonl.gz"] = gzip.compress(
                b"".join(text + b"\n" for text in texts), 1, mtime=0
            )
    folder["manifest.json"] = text_of(value.get("manifest"))
    same = folder == files
    report = verifier.check_release(Held(folder), TRUST, Held(log))
    return judged(report, lambda: [] if same else ["changed without the key"])


@cache
def carried() -> tuple[dict[str, bytes], dict[str, bytes]]:
    return sealed(releases_copy())


# What was done since the seal


def fewer() -> bytes:
    """The part without the row that the addendum takes out."""
    return part_of(releases()[0]["rows"], (3,))


@cache
def since() -> Document:
    """An addendum of the year after, which takes a row out of the part, and a review and a
    measurement of the same year.
    """
    files, _ = carried()
    head = hashlib.sha256(files["manifest.json"]).hexdigest()
    part = json.loads(files["manifest.json"])["parts"][0]
    after = {
        "file": part["file"],
        "sha256": hashlib.sha256(fewer()).hexdigest(),
        "bytes": len(fewer()),
        "rows": part["rows"] - 1,
        "first_ordinal": 0,
    }
    read = {"drawn": 3, "read": 3, "out_of_reach": 0, "findings": {}}
    return {
        "purge": {
            "format": "licet-purge-2",
            "release": release_lies.RELEASE.hex,
            "number": 1,
            "before": head,
            "purged_at": "2027-02-01T00:00:00Z",
            "parts": [
                {"file": part["file"], "was": part["sha256"], "after": after, "gone": [[3, 3]]}
            ],
        },
        "review": {
            "v": 2,
            "type": "licet-release-review",
            "release": release_lies.RELEASE.hex,
            "manifest_sha256": head,
            "review": "rev_1",
            "drawn_at": "2026-04-01T00:00:00Z",
            "closed_at": "2026-05-01T00:00:00Z",
            "chance": read,
            "risk": read | {"findings": {"name": 1}},
            "readers": 1,
            "bound": {
                "confidence_percent": 95,
                "found": 0,
                "rows": 3,
                "ppm": 631_597,
                "unread": 0,
                "worst_ppm": 631_597,
            },
        },
        "measurement": {
            "v": 1,
            "type": "licet-release-measurement",
            "release": release_lies.RELEASE.hex,
            "manifest_sha256": head,
            "measured_at": "2026-06-01T00:00:00Z",
            "rows": 4,
            "held_out": {"people": 3, "rows": 4},
            "confidence_percent": 95,
            "code": {"blocks": 2, "broken": 1},
            "words": {"changed": 3, "said": 90},
            "model": {
                "base": None,
                "batch_rows": 8,
                "parameters": 9,
                "seeds": 2,
                "steps": 4,
                "tokens": 64,
            },
            "costs": [
                {
                    "of": "deidentification",
                    "slice": "all",
                    "value": "all",
                    "rows": 4,
                    "people": 3,
                    "cost_ppm": -3,
                    "low_ppm": -9,
                    "high_ppm": 5,
                },
                {
                    "of": "duplicate",
                    "slice": "language",
                    "value": "de",
                    "rows": 3,
                    "people": 2,
                    "cost_ppm": 3,
                    "low_ppm": 1,
                    "high_ppm": 5,
                },
            ],
        },
    }


def dated_since() -> Document:
    """The same with the times that the leaves tell, which are a lie of their own."""
    made = deepcopy(since())
    return made | {"told_at": {name: made[name][at] for name, at in SINCE_AT.items()}}


def told_since(kind: str, at: Any, sha256: str, facts: dict[str, Any]) -> dict[str, Any]:
    release = release_lies.RELEASE.hex
    return {
        "v": 1,
        "t": kind,
        "at": at,
        "logged": at,
        "facts": {"release": release, "sha256": sha256} | facts,
    }


def with_since(
    value: Any, seed: bytes = SIGNER.seed
) -> tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]]:
    """The folder with an addendum, a review and a measurement, the log of its year, and that of the
    year after.
    """
    purge, review, measured = (value.get(name) for name in SINCE_AT)
    purge_file = text_of({"v": 2, "purge": signed(purge, "licet-purge+jws", seed)})
    review_jws, measured_jws = (
        signed(review, "licet-review+jws", seed),
        signed(measured, "licet-measurement+jws", seed),
    )
    files = dict(carried()[0])
    files |= {
        "purge-1.json": purge_file,
        "review.json": text_of({"v": 1, "review": review_jws}),
        "measurement.json": text_of({"v": 1, "measurement": measured_jws}),
        "part-00000.parquet": fewer(),
    }
    purge_facts, review_facts = (
        {"number": 1, "rows": 1},
        {"rows": 6, "findings": 1, "bound_ppm": 631_597},
    )
    try:
        runs = [run for part in purge["parts"] for run in part["gone"]]
        purge_facts = {
            "number": purge["number"],
            "rows": sum(last - first + 1 for first, last in runs),
        }
        both = (review["chance"], review["risk"])
        review_facts = {
            "rows": sum(one["read"] for one in both),
            "bound_ppm": review["bound"]["ppm"],
            "findings": sum(sum(one["findings"].values()) for one in both),
        }
    except (AttributeError, LookupError, TypeError, ValueError):
        pass
    review_facts["manifest_sha256"] = _or_zero(look(review, ("manifest_sha256",)))
    told = value.get("told_at", {name: look(value, (name, at)) for name, at in SINCE_AT.items()})
    at, closed, measured_at = (
        None if one is MISSING else one for one in (look(told, (name,)) for name in SINCE_AT)
    )
    by = [
        told_since(
            "release_reviewed",
            closed,
            hashlib.sha256(review_jws.encode()).hexdigest(),
            review_facts,
        )
    ]
    rows = look(measured, ("rows",))
    measured_facts = {
        "manifest_sha256": _or_zero(look(measured, ("manifest_sha256",))),
        "rows": 4 if rows is MISSING else rows,
    }
    digest = hashlib.sha256(measured_jws.encode()).hexdigest()
    by.append(told_since("release_measured", measured_at, digest, measured_facts))
    by.sort(key=lambda entry: str(entry["at"]))
    gone = told_since("release_purged", at, hashlib.sha256(purge_file).hexdigest(), purge_facts)
    log = sealed(releases_copy() | {"since": by})[1]
    return files, log, small_log([text_of(gone)], LATER)


def _or_zero(sha256: Any) -> Any:
    return "0" * 64 if sha256 is MISSING else sha256


def judge_since(value: Any) -> Judged:
    """An addendum, a review and a measurement changed by the operator, signed and told to the log
    as they are then.
    """
    files, log, later = with_since(value)
    report = verifier.check_release(Held(files), TRUST, Held(log), [(TRUST_LATER, Held(later))])
    return judged(report, lambda: since_faults(value, since()))


def judge_carried_since(value: Any) -> Judged:
    """The same by who has a key of their own, or none; the logs are the honest ones."""
    honest, log, later = with_since(since())
    files = dict(honest)
    for name, path, typ, version in (
        ("purge", "purge-1.json", "licet-purge+jws", 2),
        ("review", "review.json", "licet-review+jws", 1),
        ("measurement", "measurement.json", "licet-measurement+jws", 1),
    ):
        if text_of(value.get(name)) != text_of(since()[name]):
            jws = json.loads(honest[path])[name]
            head, _, signature = jws.split(".")
            own = signed(value.get(name), typ, STRANGER.seed)
            forged = (
                own if len(text_of(value)) % 2 else f"{head}.{b64(value.get(name))}.{signature}"
            )
            files[path] = (
                text_of(value.get(name))
                if len(text_of(value)) % 3 == 0
                else text_of({"v": version, name: forged})
            )
    report = verifier.check_release(Held(files), TRUST, Held(log), [(TRUST_LATER, Held(later))])
    return judged(report, lambda: [] if files == honest else ["changed without the key"])


# One conversation


@cache
def shown() -> list[dict[str, Any]]:
    files = Held(carried()[0])
    return [
        {
            "proof": verifier.prove_conversation(files, release_lies.handle(chat)),
            "manifest": releases_manifest(),
        }
        for chat in ("a1", "gone")
    ]


def releases_manifest() -> Any:
    return json.loads(carried()[0]["manifest.json"])


def judge_conversation(value: Any) -> Judged:
    """A kept proof and the manifest beside it, changed by who has no key."""
    files, log = carried()
    salt, handle = release_lies.SALTS[lies.ANA], release_lies.handle("a1")
    folder = Held({"manifest.json": text_of(value.get("manifest"))})
    logs = [(TRUST, Held(log))]
    try:
        kept = verifier.parse_proof(text_of(value.get("proof")), "proof")
    except verifier.ContradictionError:
        return Judged(verifier.Verdict.unreadable, ())
    report, found, _ = verifier.check_conversation_in(folder, handle, salt, kept, logs)
    honest = verifier.check_conversation(files["manifest.json"], shown()[0]["proof"], handle, salt)
    return judged(report, lambda: [] if found == honest else [f"found {found}"])


# Logs, proofs and checkpoints


@cache
def log_entries() -> list[dict[str, Any]]:
    """The first of a log, and those that name questions."""
    told = lies.honest_entries()
    return [json.loads(entry) for entry in (*told[:18], *told[lies.ASKED : lies.ASKED + 18])]


@cache
def kept_checkpoint() -> bytes:
    return small_log([canonical(entry) for entry in log_entries()])["checkpoint"]


def judge_log(value: Any) -> Judged:
    """Entries written otherwise and the log signed anew; somebody kept the checkpoint of before."""
    texts = (
        [text_of(entry) for entry in value]
        if isinstance(value, list) and value
        else [text_of(value)]
    )
    files = small_log(texts[:200])
    older = [("kept", kept_checkpoint())] if len(texts) % 2 == 0 else []
    report = verifier.check_log(Held(files), TRUST, older, verifier.new_story(ORIGIN))
    same = texts[: len(log_entries())] == [canonical(entry) for entry in log_entries()]

    def wrong() -> list[str]:
        return (["another log than was kept"] if older and not same else []) + entry_faults(value)

    return judged(report, wrong)


def proof_tree() -> dict[str, Any]:
    entries = [canonical(entry) for entry in log_entries()]
    head, _, checkpoint = proof_in(entries, 4).decode().partition("\n\n")
    return {
        "lines": head.split("\n"),
        "checkpoint": checkpoint.split("\n"),
        "entry": log_entries()[4],
    }


def judge_proof(value: Any) -> Judged:
    """A proof and its entry, changed line by line by who has no key."""

    def joined(lines: Any) -> str:
        return "\n".join(map(str, lines)) if isinstance(lines, list) else str(lines)

    raw = f"{joined(value.get('lines'))}\n\n{joined(value.get('checkpoint'))}".encode(
        "utf-8", "replace"
    )
    entry = text_of(value.get("entry"))
    report = verifier.check_proof(raw, entry, TRUST)
    return judged(
        report,
        lambda: [] if entry in map(canonical, log_entries()) else ["an entry that no log holds"],
    )


# Papers of the law


@cache
def papers() -> list[dict[str, Any]]:
    """A paper about the honest release, counted by the product, and another of another kind and
    scope.
    """
    made = releases()[0]
    files, _ = sealed(deepcopy(made))
    tally, told = figures.LogTally(), [text_of(entry) for entry in paper_entries()]
    for entry in told:
        tally.take(figures.decode_entry(entry))
    promised = manifests.decode(files["manifest.json"])
    (release,) = tally.releases(lambda _release, _sha256: promised, None)
    counted = figures.PaperFigures(
        log=tally.figures(), totals=figures.sum_releases([release]), releases=(release,)
    )
    policy = release_lies.ASKED.document()
    forms = [msgspec.to_builtins(load_form(kind)) for kind in (PaperKind.ab2013, PaperKind.ropa)]
    stated = list_statements(Controller(name="Example Ltd"))
    said = {
        "v": 1,
        "type": "licet-document",
        **forms[0],
        "at": {"log": ORIGIN, "entries": len(told), "time": tally.logged},
        "scope": None,
        "logs": [{"origin": ORIGIN, "size": len(told)}],
        "figures": msgspec.to_builtins(counted),
        "policy": {
            "number": 1,
            "sha256": release_lies.ASKED.sha256().hex(),
            "document": policy,
            "purposes": sorted({one for asked in policy["choice"] for one in asked["covers"]}),
        },
        "recorded": {"models": [], "first_used": None, "recipients": []},
        "stated": stated,
    }
    other = (
        said
        | forms[1]
        | {"scope": [release_lies.RELEASE.hex], "stated": stated | {"name": "Another"}}
    )
    return [json.loads(text_of(one)) for one in (said, other)]


def paper_entries() -> list[Any]:
    """The entries that the paper counts: those of the release's log, with its leaf."""
    made = deepcopy(releases()[0])
    sealed(made)
    return [*made["entries"], made["leaf"]]


def paper_file(said: Any, seed: bytes = SIGNER.seed) -> tuple[bytes, dict[str, bytes]]:
    """A paper, signed and told to the log behind what it counts, and that log."""
    jws = signed(said, "licet-document+jws", seed)
    facts = {
        "kind": said.get("kind") if isinstance(said, dict) else None,
        "sha256": hashlib.sha256(jws.encode()).hexdigest(),
    }
    entry = text_of(
        {
            "v": 1,
            "t": "document_made",
            "at": "2026-03-06T00:00:00Z",
            "logged": "2026-03-06T00:00:00Z",
            "facts": facts,
        }
    )
    entries = [*map(text_of, paper_entries()), entry]
    proof = proof_in(entries, len(entries) - 1)
    file = (
        text_of({"v": 1, "document": jws, "entry": entry.decode(), "proof": proof.decode()}) + b"\n"
    )
    return file, small_log(entries)


def judge_paper(value: Any) -> Judged:
    """A paper changed, signed anew, and told to the log."""
    file, log = paper_file(value)
    files, _ = sealed(deepcopy(releases()[0]))
    report = verifier.check_document(file, [(TRUST, Held(log))], [Held(files)])
    return judged(report, lambda: paper_faults(value, papers()[0]))


def judge_carried_paper(value: Any) -> Judged:
    """A paper changed on its way, by who has no key."""
    raw, log = paper_file(papers()[0])
    file = json.loads(raw)
    if text_of(value) != text_of(papers()[0]):
        head, _, signature = file["document"].split(".")
        file["document"] = f"{head}.{b64(value)}.{signature}"
    files, _ = sealed(deepcopy(releases()[0]))
    report = verifier.check_document(text_of(file) + b"\n", [(TRUST, Held(log))], [Held(files)])
    return judged(
        report,
        lambda: [] if text_of(value) == text_of(papers()[0]) else ["changed without the key"],
    )


def of_release(*names: str, of: list[Document] | None = None) -> tuple[Document, Document]:
    one, other = ({name: deepcopy(made[name]) for name in names} for made in of or releases())
    return one, other


@cache
def artefacts() -> tuple[Artefact, ...]:
    """Everything that is mutated; ``share`` is its part of the mutants that are drawn by chance."""
    rows, others = of_release("rows", "candidates", "policies", "entries")
    before, others_before = of_release(
        "rows", "candidates", "policies", "entries", of=releases_before()
    )
    whole, whole_other = of_release(*LINES, "manifest")
    (manifest, manifest_other), (leaf, leaf_other) = [
        [made[name] for made in releases()] for name in ("manifest", "leaf")
    ]
    moved = dated_since()
    moved["told_at"] = dict.fromkeys(SINCE_AT, "2027-01-05T00:00:00Z") | {
        "purge": "2026-06-01T00:00:00Z"
    }
    moved["measurement"] |= {"measured_at": "2027-01-05T00:00:00Z"}
    moved["review"] |= {"closed_at": "2027-01-05T00:00:00Z"}
    moved["purge"] |= {"purged_at": "2026-06-01T00:00:00Z"}
    chats = shown()
    return (
        Artefact("receipt, signed anew", receipts()[0], receipts()[1], judge_receipt, 3),
        Artefact("receipt of before, signed anew", receipts()[2], receipts()[1], judge_receipt, 1),
        Artefact("receipt, carried", receipts()[0], receipts()[1], judge_carried_receipt, 1),
        Artefact(
            "certificate, signed and told anew",
            certificates()[0],
            certificates()[1],
            judge_certificate,
            3,
        ),
        Artefact(
            "certificate, carried",
            certificates()[0],
            certificates()[1],
            judge_carried_certificate,
            1,
        ),
        Artefact("release, told anew", rows, others, judge_release, 10),
        Artefact("release of before, told anew", before, others_before, judge_release_before, 3),
        Artefact("release, carried", whole, whole_other, judge_carried_release, 1),
        Artefact("manifest, told anew", manifest, manifest_other, judge_manifest, 3),
        Artefact("leaf of a release", leaf, leaf_other, judge_leaf, 1),
        Artefact(
            "addendum, review and measurement, told anew", dated_since(), moved, judge_since, 4
        ),
        Artefact(
            "addendum, review and measurement, carried", since(), moved, judge_carried_since, 1
        ),
        Artefact("document, signed and told anew", papers()[0], papers()[1], judge_paper, 3),
        Artefact("document, carried", papers()[0], papers()[1], judge_carried_paper, 1),
        Artefact("conversation", chats[0], chats[1], judge_conversation, 2),
        Artefact("log", log_entries(), log_entries()[::-1], judge_log, 3),
        Artefact("proof", proof_tree(), proof_tree(), judge_proof, 1),
    )


def mutated(of: Artefact, changes: list[tuple[Path, Change]], draw: random.Random) -> Any:
    value = deepcopy(of.tree)
    for at, change in changes:
        if look(value, at) is not MISSING:  # an earlier change may have taken it away
            value = change(value, at, draw)
    return value if isinstance(value, type(of.tree)) else of.tree.__class__()


def drawn(of: Artefact, seed: int) -> Any:
    """A mutant by its seed: one change, two, or three of any fields."""
    draw = random.Random(seed)
    every = list(places(of.tree))
    changes = [
        (draw.choice(every), draw.choice((*CHANGES, of.swapped)))
        for _ in range(draw.choice((1, 2, 2, 2, 3)))
    ]
    return mutated(of, changes, draw)

"""The kinds of lie about a release: each told by an operator who signs everything anew, or by who
carries the folder.

An operator's lie changes what the rows, the candidates, the manifest or the log say, and then makes
every hash, root and signature fit: only the decisions, made again, can betray it. Those about
decisions are told twice: of a release of today, and of one of before there were questions, whose
rows are of version 1. What questions and scopes add is lied about in `grant_lies`.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from licet.ledger import entries as leaves
from licet.ledger.canonical_json import canonical
from licet.ledger.entries import OutboxRow
from licet.policy.file import NamesTerm, Policy, from_document
from licet.policy.period import instant
from licet.release import merkle
from licet.release.part import EPOCH

from ..ledger.world import naive_root
from ..terms import preset
from .lies import ANA, BEN, DAN, EVA, FOR, KEYS, Lie, Shown, written
from .part_files import columns, part_bytes

PURPOSE = "safety_classifiers"
RELEASE = UUID(int=77)
BUILT_AT = "2026-03-05T12:00:00Z"
FIRST = preset("article-2025")
SECOND = from_document(
    {**FIRST.document(), "version": "2026-02-01", "effective": "2026-02-01", "decide_by": None}
)
ASKED = from_document(
    {
        **SECOND.document(),
        "choice": [
            {"question": "research", "covers": ["research"]},
            {"question": "training", "covers": ["improve_models", "safety_classifiers"]},
        ],
    }
)
OWNERS = {
    "a1": ANA,
    "a2": ANA,
    "b1": BEN,
    "e1": EVA,
    "gone": EVA,
    "old": BEN,
    "d1": DAN,
    "d2": DAN,
    "b2": BEN,
}
CHATS = {name: UUID(int=number) for number, name in enumerate(OWNERS, 100)}
PROJECTS = {"kept": UUID(int=200), "left": UUID(int=201), "bens": UUID(int=202)}
SALTS = {account: leaves.derive_salt(key) for account, key in KEYS.items()}


def handle(chat: str) -> str:
    return leaves.conversation_pseudonym(SALTS[OWNERS[chat]], CHATS[chat])


def project(name: str, account: UUID = DAN) -> str:
    return leaves.project_pseudonym(SALTS[account], PROJECTS[name])


def commitment(chat: str, reason: str) -> str:
    about = b"why" + RELEASE.bytes + bytes.fromhex(handle(chat)) + reason.encode()
    return hmac.digest(SALTS[OWNERS[chat]], about, "sha256").hex()


@dataclass
class World:
    """What an operator says of one release, before anything is hashed or signed."""

    told: list[tuple[str, str, UUID | None, dict[str, Any]]]
    policies: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    candidates: list[dict[str, Any]]
    counts: dict[str, Any]
    policy: Policy = ASKED
    manifest: dict[str, Any] = field(default_factory=dict)
    contents: dict[str, Any] = field(default_factory=dict)
    leaf: dict[str, Any] = field(default_factory=dict)
    ordered: bool = True
    after: list[tuple[str, str, UUID | None, dict[str, Any]]] = field(default_factory=list)
    root: bytes = b""
    part: bytes = b""

    @property
    def in_parts(self) -> int:
        """How many rows the parts have, whatever is said of them."""
        return 8 if self.policy is ASKED else 5


def source(**changes: Any) -> dict[str, Any]:
    honest = {
        "segment": 0, "place": "vault", "because": "permitted", "turns": {"typed": 1, "assistant": 1}, "mark": 0,
        "last_on": "2026-03-03", "keep_until": "2031-03-03", "grant": 1, "narrowing": 0, "said_on": "2026-03-03",
    }  # fmt: skip
    return honest | changes


def row(
    chat: str, ordinal: int, *sources: dict[str, Any], until: str, **changes: Any
) -> dict[str, Any]:
    honest = {
        "v": 2,
        "conversation": handle(chat),
        "who": leaves.account_tag(SALTS[OWNERS[chat]]),
        "ordinal": ordinal,
        "row_id": f"{ordinal:032x}",
        "sealed_sha256": hashlib.sha256(b"%d" % ordinal).hexdigest(),
        "until": until,
        "policy_sha256": ASKED.sha256().hex(),
        "question": "training",
        "project": None,
        "last_on": "2026-03-03",
        "marks": [["pro", "app", 1]],
        "sources": list(sources),
    }
    return honest | changes


def honest() -> World:
    """Ana begins a grant, and lets a chat in again; Ben's grants are of the year before, one for a
    project; Eva's chat is flagged; Dan says no, but for a chat and a project.
    """
    world = _plain()
    world.told += _exceptions()
    world.rows += [
        row("d1", 5, source(), until="2031-03-03"),
        row("d2", 6, source(grant=2), until="2031-03-03", project=project("kept")),
        row(
            "b2",
            7,
            source(grant=2, last_on="2025-12-20", keep_until="2030-12-20", said_on="2025-12-20"),
            until="2030-12-20",
            last_on="2025-12-20",
            marks=[["free", "app", 0]],
            project=project("bens", BEN),
        ),
    ]
    for chat in ("d1", "d2", "b2"):
        world.candidates.append(
            {"v": 1, "conversation": handle(chat), "in": 2, "out": {}, "salted": {}}
        )
        more(world, 2)
    world.root, world.part = parts_root(world.rows), part_bytes(columns(world.rows))
    return world


# The release whose rows this one carries: what its leaf tells, and what is said of it.
BASE_LEAF = {
    "release": "1" * 32,
    "purpose": PURPOSE,
    "version": 1,
    "position": 30,
    "rows": 7,
    "root": "2" * 64,
    "manifest_sha256": "3" * 64,
}
BASE = {"release": "1" * 32, "root": "2" * 64, "rows": 7, "carried": 5, "rebuilt": 3, "dropped": 2}
BASE_CHANGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"carried": 6}, "carried and rebuilt"),
    ({"rebuilt": 2}, "carried and rebuilt"),
    ({"dropped": 1}, "carried and rebuilt"),
    ({"carried": 8, "rebuilt": 0, "dropped": 0, "rows": 8}, "a release that was sealed before it"),
    ({"root": "4" * 64}, "a release that was sealed before it"),
    ({"release": "no"}, "fields of a manifest"),
    ({"note": 1}, "fields of a manifest"),
    ({"carried": -1}, "fields of a manifest"),
)


def based(world: World) -> World:
    """The same release, of which rows were carried from one that was sealed an hour before."""
    world.told.append(("release_sealed", "2026-03-05T11:00:00Z", None, dict(BASE_LEAF)))
    world.manifest["base"] = dict(BASE)
    return world


def base_lies() -> Iterator[Lie]:
    """What is said of the release that rows were carried from, and what was told of it."""
    for number, (change, promise) in enumerate(BASE_CHANGES):
        yield Lie(
            "manifest, base",
            f"another, {number}",
            promise,
            by_operator(lambda w, change=change: based(w).manifest["base"].update(change)),
        )
    yield Lie(
        "manifest, base",
        "of another purpose",
        "a release that was sealed before it",
        by_operator(lambda w: based(w).told[-1][3].update(purpose="improve_models")),
    )
    yield Lie(
        "manifest, base",
        "sealed after it",
        "names its base",
        by_operator(lambda w: w.after.append(based(w).told.pop())),
    )


def contents(world: World) -> dict[str, Any]:
    """What the rows contain: of so few accounts, no value is named. Releases of before questions
    did not count it.
    """
    turns = world.counts["included"]
    return {
        "accounts": None,
        "first_month": "2025-12",
        "last_month": "2026-03",
        "bytes": 1001,
        "tokens": 251,
        "gapped": 1,
        "kinds": {"other": world.in_parts},
        "languages": {"other": world.in_parts},
        "models": {"other": 7},
        "origins": {"other": turns},
        "surfaces": {"other": turns},
        "plans": {"other": turns},
    }


POSSIBLE = "its months and accounts are possible"
CONTENT_CHANGES: tuple[tuple[str, Any, str], ...] = (
    ("accounts", 10, POSSIBLE), ("accounts", 4, POSSIBLE), ("first_month", "2026-04", POSSIBLE),
    ("first_month", "2026-13", POSSIBLE), ("first_month", None, POSSIBLE),
    ("last_month", "2026-04", POSSIBLE),
    ("bytes", 1005, "its tokens follow"), ("tokens", 250, "its tokens follow"), ("tokens", -1, "fields of a manifest"),
    ("models", {"other": 18}, "its tokens follow"), ("kinds", {"other": 7}, "`kinds` add up"),
    ("languages", {"other": 9}, "`languages` add up"), ("origins", {"other": 16}, "`origins` add up"),
    ("origins", {"other": 15, "typed": 2}, "turns by `origins`"), ("surfaces", {"app": 17}, "turns by `surfaces`"),
    ("plans", {"other": 16, "pro": 1}, "turns by `plans`"),
    ("kinds", {"a word or two": 8}, "the names in its contents are well-formed"),
    ("note", 1, "fields of a manifest"), ("gapped", 9, "rows have gaps"), ("gapped", -1, "fields of a manifest"),
)  # fmt: skip


LEFT_IN = "Nothing looks for names and street addresses: they are left in."


def replaces_names(world: World) -> None:
    """The first version says nothing of names, so they are replaced; only the one in force leaves
    them in.
    """
    first = msgspec.structs.replace(FIRST, names=NamesTerm.replaced)
    world.policies[0], world.told[0][3]["sha256"] = first.document(), first.sha256().hex()


def finds(*kinds: str) -> Callable[[World], None]:
    """The manifest says that something looked for names of these kinds, and that nothing was left
    in.
    """
    made = {"rules": "r", "sha256": "0" * 64, "counts": {}}
    names = {"names": {"detectors": [], "kinds": list(kinds), "languages": ["en"]}} if kinds else {}
    return lambda world: world.manifest.update(deidentification=made | names)


def names_lies() -> Iterator[Lie]:
    """A release that left names in although a version of its policy has them replaced, or that does
    not say so.
    """
    allowed, said = (
        "each version of its policy so far allows that",
        "it states that it left names in",
    )
    yield Lie("manifest, names", "left in against a version", allowed, by_operator(replaces_names))
    yield Lie(
        "manifest, names",
        "other kinds alone",
        allowed,
        by_operator(together(finds("address"), replaces_names)),
    )
    yield Lie("manifest, names", "left in silently", said, by_operator(finds()))
    yield Lie(
        "manifest, names", "left in silently beside others", said, by_operator(finds("address"))
    )
    yield Lie(
        "manifest, names",
        "no list of kinds",
        "fields of a manifest",
        by_operator(
            lambda w: w.manifest.update(
                deidentification={
                    "rules": "r",
                    "sha256": "0" * 64,
                    "counts": {},
                    "names": {"kinds": "person"},
                }
            )
        ),
    )
    yield Lie(
        "policy, names",
        "another word",
        "",
        by_operator(lambda w: w.policies[1].update(names="left out")),
    )


def content_lies() -> Iterator[Lie]:
    """What the rows are said to contain, with everything else made to fit."""
    for number, (key, value, promise) in enumerate(CONTENT_CHANGES):
        yield Lie(
            f"manifest, contents.{key}",
            f"another, {number}",
            promise,
            by_operator(lambda w, key=key, value=value: w.contents.update({key: value})),
        )


def _exceptions() -> list[tuple[str, str, UUID | None, dict[str, Any]]]:
    """Dan's no, his yes for a chat and two projects, and his no again, which keeps the chat and one
    project.
    """
    chat = {"question": "training", "scope": "conversation", "conversation": CHATS["d1"].hex}
    kept, left, bens = (
        {"question": "training", "scope": "project", "project": one.hex}
        for one in PROJECTS.values()
    )
    said = {"allow": True, "effect": "began", "version": 1}
    told: list[tuple[str, str, UUID | None, dict[str, Any]]] = [
        ("choice", "2026-03-01", DAN, {"allow": False, "effect": "declined", "version": 1, **FOR})
    ]
    for number, about in enumerate((chat, kept, left), 1):
        told.append(("choice", "2026-03-01", DAN, said | about))
        told.append(("grant_begun", "2026-03-01", DAN, {"grant": number, "version": 1, **about}))
    return [
        *told,
        ("grant_ended", "2026-03-02", DAN, {"grant": 3, "cause": "refused"}),
        (
            "choice",
            "2026-03-02",
            DAN,
            {"allow": False, "effect": "withdrew", "version": 1, "kept": "1,2", **FOR},
        ),
        ("grant_affirmed", "2026-03-02", DAN, {"grant": 1, "version": 1, **chat}),
        ("grant_affirmed", "2026-03-02", DAN, {"grant": 2, "version": 1, **kept}),
        ("choice", "2026-03-02", DAN, said | {"question": "research", "scope": "account"}),
        (
            "grant_begun",
            "2026-03-02",
            DAN,
            {"grant": 4, "version": 1, "question": "research", "scope": "account"},
        ),
        ("grant_stands", "2026-03-04", BEN, {"grant": 2, "version": 1, **bens}),
    ]


def honest_before() -> World:
    """The plain part of it, as it was written before there were questions."""
    world = _plain()
    world.policy, world.policies = SECOND, [FIRST.document(), SECOND.document()]
    world.told[1][3]["sha256"] = SECOND.sha256().hex()
    for _, _, _, facts in world.told:
        facts.pop("question", None)
        facts.pop("scope", None)
    for one in world.rows:
        one.update(v=1, policy_sha256=SECOND.sha256().hex())
        del one["question"], one["project"]
        for each in one["sources"]:
            each["widening"] = each.pop("narrowing")
    world.root, world.part = parts_root(world.rows), part_bytes(columns(world.rows))
    return world


def _plain() -> World:
    """What there was before there were questions as well."""
    begun = {"grant": 1, "version": 1}
    told: list[tuple[str, str, UUID | None, dict[str, Any]]] = [
        ("policy_stands", "2026-01-01", None, {"number": 0, "sha256": FIRST.sha256().hex()}),
        ("policy_applied", "2026-01-02", None, {"number": 1, "sha256": ASKED.sha256().hex()}),
        *[("account_opened", "2026-01-03", account, {}) for account in (ANA, EVA, DAN)],
        ("choice", "2026-03-01", ANA, {"allow": True, "effect": "began", "version": 1, **FOR}),
        ("grant_begun", "2026-03-01", ANA, begun | FOR),
        ("narrowed", "2026-03-02", ANA, {"conversation": CHATS["a2"].hex}),
        ("widened", "2026-03-02", ANA, {"conversation": CHATS["a2"].hex}),
        ("flagged", "2026-03-02", EVA, {"conversation": CHATS["e1"].hex}),
        (
            "key_destroyed",
            "2026-03-03",
            EVA,
            {"conversation": CHATS["e1"].hex, "because": "expired", "segment": 0},
        ),
        ("deleted", "2026-03-03", EVA, {"conversation": CHATS["gone"].hex}),
        ("carried", "2026-03-04", BEN, {"from": 2025}),
        ("grant_stands", "2026-03-04", BEN, begun | FOR),
    ]
    rows = [
        row("a1", 0, source(), until="2031-03-03"),
        row("a1", 4, source(turns={"typed": 1}), until="2031-03-03"),
        row(
            "a2",
            1,
            source(narrowing=1),
            source(segment=1, mark=1, narrowing=1, turns={"upload": 2}),
            until="2031-03-03",
            marks=[["pro", "app", 1], ["pro", "cli", 1]],
        ),
        row(
            "b1",
            2,
            source(last_on="2025-12-20", keep_until="2030-12-20", said_on="2025-12-20"),
            until="2030-12-20",
            last_on="2025-12-20",
            marks=[["free", "app", 0]],
        ),
        row(
            "e1",
            3,
            source(
                place="safety",
                because="flagged",
                keep_until="2028-03-02",
                last_on="2026-02-01",
                grant=None,
                narrowing=None,
                said_on=None,
            ),
            until="2028-03-02",
            last_on="2026-02-01",
            question=None,
        ),
    ]
    candidates = [
        {"v": 1, "conversation": handle("a1"), "in": 3, "out": {"origin": 2}, "salted": {}},
        {
            "v": 1,
            "conversation": handle("a2"),
            "in": 4,
            "out": {},
            "salted": {commitment("a2", "narrowed"): 1},
        },
        {"v": 1, "conversation": handle("b1"), "in": 2, "out": {}, "salted": {}},
        {"v": 1, "conversation": handle("e1"), "in": 2, "out": {}, "salted": {}},
        {
            "v": 1,
            "conversation": handle("gone"),
            "in": 0,
            "out": {},
            "salted": {commitment("gone", "deleted"): 5},
        },
        {"v": 1, "conversation": handle("old"), "in": 0, "out": {"before_grant": 1}, "salted": {}},
    ]
    counts = {
        "candidates": 20, "included": 11, "dropped": {"before_grant": 1, "deleted": 5, "narrowed": 1, "origin": 2},
    }  # fmt: skip
    return World(told, [FIRST.document(), ASKED.document()], rows, candidates, counts)


def more(world: World, turns: int) -> None:
    """So many turns more are in, or fewer."""
    world.counts.update(
        candidates=world.counts["candidates"] + turns, included=world.counts["included"] + turns
    )


def parts_root(rows: list[dict[str, Any]]) -> bytes:
    """The root over the rows that lie in the parts."""
    tree = merkle.Tree()
    for one in sorted(rows, key=lambda one: one["ordinal"]):
        until_us = (instant(one["until"]) - EPOCH) // timedelta(microseconds=1)
        sealed = b"%d" % one["ordinal"]
        tree.append(merkle.leaf(one["ordinal"], bytes.fromhex(one["row_id"]), until_us, sealed))
    return tree.root()


def packed(lines: list[dict[str, Any]]) -> tuple[bytes, bytes]:
    """A proof file's bytes, and the root over its lines."""
    texts = [canonical(line) for line in lines]
    return gzip.compress(b"".join(text + b"\n" for text in texts), mtime=0), naive_root(texts)


def sealed(world: World) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The folder of the release and the log: everything hashed and signed as the operator would."""
    order = (
        (lambda one: (str(one.get("conversation")), str(one.get("ordinal"))))
        if world.ordered
        else (lambda _one: 0)
    )
    lines = {
        "policies": world.policies,
        "candidates": sorted(world.candidates, key=order),
        "rows": sorted(world.rows, key=order),
    }
    files = {"README.md": b"a card", "part-00000.parquet": world.part}
    proof = {}
    for name, value in lines.items():
        data, root = packed(value)
        files[f"proof/{name}.jsonl.gz"] = data
        proof[name] = {
            "file": f"proof/{name}.jsonl.gz",
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
            "lines": len(value),
            "root": root.hex(),
        }
    part, policy = files["part-00000.parquet"], world.policy
    manifest: dict[str, Any] = {
        "format": "licet-release-1",
        "release": RELEASE.hex,
        "name": "spring",
        "purpose": PURPOSE,
        "built_at": BUILT_AT,
        "policy": {
            "name": policy.policy,
            "version": policy.version,
            "sha256": policy.sha256().hex(),
        },
        "journal": 40,
        "counts": world.counts,
        "rows": world.in_parts,
        "root": world.root.hex(),
        "licet": "0",
        "proof": proof,
        "parts": [
            {
                "file": "part-00000.parquet",
                "sha256": hashlib.sha256(part).hexdigest(),
                "bytes": len(part),
                "rows": world.in_parts,
                "first_ordinal": 0,
            }
        ],
        "deidentification": {"rules": "r", "sha256": "0" * 64, "counts": {}, "left_in": LEFT_IN},
    }
    if world.policy is ASKED:
        manifest["contents"] = contents(world) | world.contents
    files["manifest.json"] = canonical(manifest | world.manifest)
    return files, log_of(world, files["manifest.json"])


def log_of(world: World, manifest: bytes) -> dict[str, bytes]:
    said = json.loads(manifest)
    facts = {
        "release": RELEASE.hex,
        "purpose": said["purpose"],
        "version": 1,
        "position": said["journal"],
        "rows": said["rows"],
        "root": said["root"],
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
    }
    leaf = ("release_sealed", BUILT_AT, None, facts | world.leaf)
    told = [*world.told, leaf, *world.after] if world.leaf != {"told": False} else world.told
    logged = instant("2026-03-05T13:00:00Z")
    entries = []
    for number, (kind, at, account, what) in enumerate(told):
        made = OutboxRow(
            outbox_id=number + 1, account=account, kind=kind, occurred_at=instant(at), facts=what
        )
        key = KEYS[account] if account else None
        entries.append(leaves.encode(made, key, logged + timedelta(seconds=number), bytes))
    return written(tuple(entries), middle=len(entries) // 2).files


@cache
def shown_honest() -> Shown:
    return Shown(releases=(sealed(honest()), sealed(honest_before())))


def by_operator(change: Callable[[World], Any], before: bool = False) -> Callable[[], Shown]:
    def shown() -> Shown:
        world = honest_before() if before else honest()
        change(world)
        return Shown(releases=(sealed(world),))

    return shown


def by_carrier(change: Callable[[dict[str, bytes]], Any]) -> Callable[[], Shown]:
    """Anyone who carries the folder, without the key."""

    def shown() -> Shown:
        files, log = shown_honest().releases[0]
        changed = dict(files)
        change(changed)
        return Shown(releases=((changed, log),))

    return shown


def put(what: str, index: int, *path: str | int, value: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        target: Any = getattr(world, what)[index]
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value

    return change


def tell(
    kind: str, account: UUID | None, at: str = "2026-03-05", **facts: Any
) -> Callable[[World], None]:
    return lambda world: world.told.append((kind, at, account, facts))


def together(*changes: Callable[[World], Any]) -> Callable[[World], None]:
    def change(world: World) -> None:
        for one in changes:
            one(world)

    return change


A1, A1_AGAIN, A2, B1, E1, D1, D2, B2 = range(8)
NOBODY = "0" * 64


def kept_out_from(*days: str) -> Callable[[World], None]:
    """Ana's second chat was kept out on each first of two days, and let in again on each second
    one, of which the last is 2 March; so many times says each of its sources.
    """

    def change(world: World) -> None:
        del world.told[7]
        about = {"conversation": CHATS["a2"].hex}
        kinds = ("narrowed", "widened")
        told = [(kinds[n % 2], day, ANA, dict(about)) for n, day in enumerate(days)]
        world.told[5:5] = told
        for each in world.rows[A2]["sources"]:
            each["widening" if "widening" in each else "narrowing"] = len(days) // 2 + 1

    return change


def last_said(day: str) -> Callable[[World], None]:
    return put("rows", A2, "sources", 0, "last_on", value=day)


# What may have happened beside what is told: of each a release is proved too.
HONEST_CHANGES: dict[str, Callable[[World], None]] = {
    "said on the day on which it was kept out": together(
        kept_out_from("2026-02-20"), last_said("2026-02-20")
    ),
    "said on the day on which it was let in": together(
        kept_out_from("2026-02-20"), last_said("2026-03-02")
    ),
    "said between two times of being kept out": together(
        kept_out_from("2026-02-10", "2026-02-12", "2026-02-20"), last_said("2026-02-15")
    ),
    "the key of another segment was destroyed": tell(
        "key_destroyed", ANA, because="expired", segment=5, conversation=CHATS["a1"].hex
    ),
}


def decision_lies(before: bool) -> Iterator[Lie]:
    """A row that may not be used, with everything else made to fit."""
    about = {chat: {"conversation": number.hex} for chat, number in CHATS.items()}
    asked, kept_out = ({}, "widening") if before else (FOR, "narrowing")
    ended = {"grant": 1, "cause": "refused"}
    no = tell("choice", ANA, allow=False, effect="withdrew", version=1, **asked)
    end = tell("grant_ended", ANA, **ended)
    withdrawal = (no, end) if before else (end, no)
    deleted = tell("deleted", ANA, **about["a1"])
    decided = tell("release_decided", None, at=BUILT_AT, release=RELEASE.hex, position=40)
    tables: tuple[tuple[str, str, str, Callable[[World], Any]], ...] = (
        (
            "decision",
            "as of another position than the seal",
            "as of the position of its decision",
            tell("release_decided", None, at=BUILT_AT, release=RELEASE.hex, position=39),
        ),
        ("decision", "after a deletion", "was deleted", together(deleted, decided)),
        (
            "decision",
            "made again after a deletion",
            "was deleted",
            together(decided, deleted, decided),
        ),
        ("account", "closed before", "no account of a row is closed", tell("closed", ANA)),
        ("conversation", "deleted before", "was deleted", tell("deleted", ANA, **about["a1"])),
        ("conversation", "kept out before", "was kept out", tell("narrowed", ANA, **about["a1"])),
        ("conversation", "kept out again", "was kept out", tell("narrowed", ANA, **about["a2"])),
        (
            "conversation",
            "said while it was kept out",
            "not written while",
            together(kept_out_from("2026-02-20"), last_said("2026-02-25")),
        ),
        (
            "conversation",
            "said while it was kept out again",
            "not written while",
            together(
                kept_out_from("2026-02-10", "2026-02-12", "2026-02-20"), last_said("2026-02-25")
            ),
        ),
        (
            "conversation",
            "let in again without a turn",
            "was kept out",
            put("rows", A2, "sources", 0, kept_out, value=0),
        ),
        (
            "conversation",
            "said before it was let in again",
            "written under the grant",
            put("rows", A2, "sources", 0, "said_on", value="2026-03-01"),
        ),
        ("grant", "ended before", "grant that decides it", together(*withdrawal)),
        (
            "grant",
            "ended before, and another begun by a restore, of before",
            "follows its choice",
            together(
                *withdrawal,
                tell("restored", None, life=1, entries=1),
                tell("grant_begun", ANA, at="2026-03-01", grant=2, version=1, **asked),
                *(put("rows", n, "sources", 0, "grant", value=2) for n in (A1, A1_AGAIN, A2)),
                put("rows", A2, "sources", 1, "grant", value=2),
            ),
        ),
        (
            "grant",
            "ended before, and none named",
            "grant that decides it",
            together(
                *withdrawal,
                *(put("rows", n, "sources", 0, "grant", value=None) for n in (A1, A1_AGAIN, A2)),
                put("rows", A2, "sources", 1, "grant", value=None),
            ),
        ),
        (
            "grant",
            "ended before, and told so after the release",
            "grant that decides it" if before else "follows the ending of it",
            together(no, lambda w: w.after.append(("grant_ended", "2026-03-05", ANA, ended))),
        ),
        ("grant", "number 0", "fields of a row", put("rows", A1, "sources", 0, "grant", value=0)),
        (
            "grant",
            "`true` for 1",
            "fields of a row",
            put("rows", A1, "sources", 0, "grant", value=True),
        ),
        (kept_out, "none", "names the grant", put("rows", A2, "sources", 0, kept_out, value=None)),
        (
            "said_on",
            "none",
            "names the grant",
            put("rows", A1, "sources", 0, "said_on", value=None),
        ),
        (
            "said_on",
            "a day that is not",
            "fields of a row",
            put("rows", A1, "sources", 0, "said_on", value="2026-02-30"),
        ),
        (
            "who",
            "of somebody else, whose grant stands",
            "pseudonym of its conversation's account",
            put("rows", A2, "who", value=leaves.account_tag(SALTS[BEN])),
        ),
        (
            "who",
            "two of one conversation",
            "has one account",
            put("rows", A1_AGAIN, "who", value=leaves.account_tag(SALTS[BEN])),
        ),
        (
            "sources",
            "one twice",
            "each of its sources once",
            lambda w: (
                w.rows[A1]["sources"].append(deepcopy(w.rows[A1]["sources"][0])),
                w.candidates[0].update({"in": 5}),
                more(w, 2),
            ),
        ),
        (
            "version",
            "one to come",
            "in force by then",
            put("rows", B1, "marks", 0, value=["free", "app", 1]),
        ),
        (
            "version",
            "of another day than the turn's",
            "version of its day",
            put("rows", A1, "marks", 0, value=["pro", "app", 0]),
        ),
        (
            "grant",
            "another number",
            "grant that decides it",
            put("rows", A1, "sources", 0, "grant", value=2),
        ),
        (
            "grant",
            "none",
            "grant that decides it",
            put("rows", A1, "sources", 0, "grant", value=None),
        ),
        (
            "grant",
            "of somebody unknown",
            "grant that decides it",
            put("rows", A1, "who", value=NOBODY),
        ),
        (
            "grant",
            "of somebody who never said yes",
            "grant that decides it",
            put("rows", A1, "who", value=leaves.account_tag(SALTS[EVA])),
        ),
        (
            "grant",
            "begun after it was said",
            "written under the grant",
            put("rows", A1, "sources", 0, "said_on", value="2026-02-20"),
        ),
        (
            "grant",
            "of a year before, never told",
            "grant that decides it",
            lambda w: w.told.pop(13),
        ),
        (
            "grant",
            "stands, and was ended",
            "follows from the grant in force",
            lambda w: w.told.append(
                ("grant_stands", "2026-03-05", BEN, {"grant": 3, "version": 1, **asked})
            ),
        ),
        (
            "policy",
            "stands by another text",
            "is the one that was applied",
            tell("policy_stands", None, number=0, sha256=NOBODY),
        ),
        (
            "grant",
            "stands out of nothing",
            "was begun, or carried over",
            tell("grant_stands", EVA, grant=1, version=1, **asked),
        ),
        (
            "key",
            "destroyed before",
            "keys of its sources existed",
            tell("key_destroyed", ANA, because="expired", segment=0, **about["a1"]),
        ),
        (
            "key",
            "of the safety copy destroyed before",
            "keys of its sources existed",
            tell("key_destroyed", EVA, because="safety", segment=0, **about["e1"]),
        ),
        (
            "flag",
            "overturned before",
            "its flag was in force",
            tell("unflagged", EVA, **about["e1"]),
        ),
        ("flag", "never raised", "its flag was in force", lambda w: w.told.pop(9)),
        (
            "flag",
            "of a year before, of which nothing tells",
            "not proved: `1` rows rest on a flag",
            together(
                lambda w: w.told.pop(9),
                put("rows", E1, "until", value="2027-06-01"),
                put("rows", E1, "sources", 0, "keep_until", value="2027-06-01"),
                lambda w: setattr(w, "root", parts_root(w.rows)),
            ),
        ),
        (
            "flag",
            "of another conversation",
            "its flag was in force",
            lambda w: w.told.__setitem__(9, ("flagged", "2026-03-02", EVA, about["gone"])),
        ),
        (
            "flag",
            "kept longer",
            "its flag was in force",
            put("rows", E1, "sources", 0, "keep_until", value="2028-03-03"),
        ),
        (
            "flag",
            "for another purpose",
            "permitted, or flagged and for safety",
            lambda w: w.manifest.update(purpose="improve_models"),
        ),
        (
            "because",
            "another reason",
            "permitted, or flagged",
            put("rows", A1, "sources", 0, "because", value="expired"),
        ),
        (
            "because",
            "permitted from a safety copy",
            "permitted, or flagged",
            put("rows", A1, "sources", 0, "place", value="safety"),
        ),
        (
            "purpose",
            "one that nobody covers",
            "the choice covers",
            lambda w: (w.manifest.update(purpose="advertising"), w.rows.pop(E1)),
        ),
        (
            "origin",
            "a tool's output",
            "origins of its turns",
            put("rows", A1, "sources", 0, "turns", value={"typed": 1, "tool": 1}),
        ),
        ("plan", "work", "covered by the terms", put("rows", A1, "marks", 0, 0, value="work")),
        (
            "surface",
            "another",
            "covered by the terms",
            put("rows", A1, "marks", 0, 1, value="bedrock"),
        ),
        (
            "surface",
            "of another segment of the conversation",
            "covered by the terms",
            lambda w: w.rows[A1]["marks"].append(["pro", "api", 1]),
        ),
        (
            "mark",
            "of another row's place",
            "fields of a row",
            put("rows", A1, "sources", 0, "mark", value=7),
        ),
        ("version", "one that is not", "fields of a row", put("rows", A1, "marks", 0, 2, value=9)),
        (
            "stale",
            "older terms answered",
            "newer terms had been answered",
            together(put("told", 5, 3, "version", value=0), put("told", 6, 3, "version", value=0)),
        ),
        (
            "keep_until",
            "a day more",
            "gives it its end",
            put("rows", A1, "sources", 0, "keep_until", value="2031-03-04"),
        ),
        (
            "keep_until",
            "a day less, though nothing shortened it",
            "gives it its end",
            put("rows", A1, "sources", 0, "keep_until", value="2031-03-02"),
        ),
        (
            "keep_until",
            "of a year before, longer",
            "gives it its end",
            put("rows", B1, "sources", 0, "keep_until", value="2030-12-21"),
        ),
        (
            "keep_until",
            "that of nobody's choice, used as a yes",
            "its use ends",
            lambda w: (
                w.rows[A1].update(last_on="2026-03-03"),
                w.rows[A1]["sources"][0].update(keep_until="2026-04-02"),
            ),
        ),
        (
            "last_on",
            "after the release",
            "its days are in order",
            lambda w: (
                w.rows[A1].update(last_on="2026-03-06"),
                w.rows[A1]["sources"][0].update(keep_until="2031-03-06"),
            ),
        ),
        (
            "last_on",
            "a segment after its conversation",
            "its days are in order",
            put("rows", A1, "sources", 0, "last_on", value="2026-03-04"),
        ),
        (
            "said_on",
            "after its conversation",
            "its days are in order",
            put("rows", A1, "sources", 0, "said_on", value="2026-03-04"),
        ),
        (
            "policy_sha256",
            "another text",
            "under the policy in force",
            put("rows", A1, "policy_sha256", value=FIRST.sha256().hex()),
        ),
        ("sources", "none", "", put("rows", A1, "sources", value=[])),
        (
            "row",
            "expired",
            "its use ends",
            lambda w: (
                w.rows[B1].update(until="2026-03-04"),
                setattr(w, "root", parts_root(w.rows)),
            ),
        ),
        (
            "row",
            "used for longer than its source",
            "its use ends",
            lambda w: (
                w.rows[A1].update(until="2031-03-04"),
                setattr(w, "root", parts_root(w.rows)),
            ),
        ),
    )
    form = "decision of before" if before else "decision"
    for place, operation, promise, change in tables:
        yield Lie(f"{form}, {place}", operation, promise, by_operator(change, before))


def tree_lies() -> Iterator[Lie]:
    """Rows and candidates smuggled in or out, and what the manifest and the leaf say of them."""
    smuggled = row("a1", 50, source(), until="2031-03-03")
    tables: tuple[tuple[str, str, str, Callable[[World], Any]], ...] = (
        ("row", "smuggled in", "its included turns", lambda w: w.rows.append(smuggled)),
        (
            "row",
            "smuggled in, and counted at its candidate",
            "as many as the manifest states",
            lambda w: (w.rows.append(smuggled), w.candidates[0].update({"in": 5})),
        ),
        (
            "row",
            "smuggled in, and counted everywhere but in the parts",
            "each row of the parts",
            lambda w: (w.rows.append(smuggled), w.candidates[0].update({"in": 5}), more(w, 2)),
        ),
        ("row", "smuggled out", "its included turns", lambda w: w.rows.pop(A1_AGAIN)),
        (
            "row",
            "smuggled out, counts and all",
            "each row of the parts",
            lambda w: (w.rows.pop(A1_AGAIN), w.candidates[0].update({"in": 2}), more(w, -1)),
        ),
        (
            "row",
            "of no candidate",
            "each row belongs to a candidate",
            lambda w: w.candidates.pop(0),
        ),
        (
            "row",
            "of a conversation that was left out",
            "its included turns",
            lambda w: w.rows[B1].update(conversation=handle("gone")),
        ),
        ("row", "twice", "without duplicates", lambda w: w.rows.append(deepcopy(w.rows[A1]))),
        ("row", "under another's ordinal", "", put("rows", A1, "ordinal", value=2)),
        (
            "row",
            "with other sealed bytes",
            "under the manifest's root",
            put("rows", A1, "sealed_sha256", value="7" * 64),
        ),
        (
            "row",
            "with another id",
            "under the manifest's root",
            put("rows", A1, "row_id", value="7" * 32),
        ),
        (
            "row",
            "ending another day than in its part",
            "under the manifest's root",
            put("rows", A1, "until", value="2031-03-02"),
        ),
        (
            "rows",
            "out of order",
            "in order without",
            lambda w: (
                setattr(w, "ordered", False),
                w.rows.sort(key=lambda one: (one["conversation"], -one["ordinal"])),
                w.candidates.sort(key=lambda one: one["conversation"]),
            ),
        ),
        (
            "candidate",
            "smuggled out",
            "as many as the manifest states",
            lambda w: w.candidates.pop(4),
        ),
        (
            "candidate",
            "smuggled in",
            "as many as the manifest states",
            lambda w: w.candidates.append({**w.candidates[5], "conversation": "5" * 64}),
        ),
        (
            "candidate",
            "twice",
            "without duplicates",
            lambda w: w.candidates.append(deepcopy(w.candidates[5])),
        ),
        (
            "candidate",
            "under another handle",
            "",
            put("candidates", 0, "conversation", value="5" * 64),
        ),
        (
            "candidate",
            "of no turns",
            "a candidate has turns",
            put("candidates", 5, "out", value={}),
        ),
        ("candidate", "a turn more in", "its included turns", put("candidates", 0, "in", value=4)),
        (
            "candidate",
            "a turn fewer out",
            "as many as the manifest states",
            put("candidates", 0, "out", "origin", value=1),
        ),
        (
            "candidate",
            "another open reason",
            "its reasons are counted",
            put("candidates", 5, "out", value={"expired": 1}),
        ),
        (
            "candidate",
            "a reason told that is to be salted",
            "committed to, not disclosed",
            put("candidates", 5, "out", value={"age": 1}),
        ),
        (
            "candidate",
            "an open reason hidden under a salt",
            "its reasons are counted",
            lambda w: w.candidates[5].update(out={}, salted={commitment("old", "before_grant"): 1}),
        ),
        (
            "candidate",
            "a commitment that is none",
            "32 bytes in hex",
            put("candidates", 4, "salted", value={"deleted": 5}),
        ),
        ("candidate", "a count below nothing", "", put("candidates", 4, "in", value=-1)),
        ("candidate", "a count that is none", "", put("candidates", 0, "in", value="3")),
        (
            "candidate",
            "a key more",
            "fields of a candidate",
            put("candidates", 0, "who", value=NOBODY),
        ),
        (
            "candidates",
            "out of order",
            "",
            lambda w: (
                setattr(w, "ordered", False),
                w.rows.sort(key=lambda one: (one["conversation"], one["ordinal"])),
                w.candidates.sort(key=lambda one: one["conversation"], reverse=True),
            ),
        ),
        ("policy", "another text", "", lambda w: w.policies[1]["keep"].update(opted_in="P9Y")),
        (
            "policy",
            "another text, told nowhere",
            "those that the log names",
            lambda w: w.policies[0]["keep"].update(opted_in="P9Y"),
        ),
        ("policy", "left out", "", lambda w: w.policies.pop(0)),
        (
            "policy",
            "in another order",
            "order of their effective times",
            lambda w: w.policies.reverse(),
        ),
        (
            "policy",
            "a version more",
            "those that the log names",
            lambda w: w.policies.append(
                {**SECOND.document(), "version": "x", "effective": "2027-01-01T00:00:00Z"}
            ),
        ),
        ("policy", "none", "order of their effective times", lambda w: w.policies.clear()),
        ("counts", "a drop hidden", "", lambda w: w.counts["dropped"].pop("deleted")),
        (
            "counts",
            "a drop hidden, candidates fewer",
            "",
            lambda w: (
                w.counts["dropped"].pop("deleted"),
                w.counts.update(candidates=w.counts["candidates"] - 5),
            ),
        ),
        (
            "counts",
            "one reason for another",
            "its reasons are counted",
            lambda w: (w.counts["dropped"].pop("origin"), w.counts["dropped"].update(expired=2)),
        ),
        (
            "leaf",
            "never told",
            "was logged when it was sealed",
            lambda w: setattr(w, "leaf", {"told": False}),
        ),
        *(
            (
                f"leaf, {key}",
                "another",
                "it is the sealed manifest",
                (lambda w, key=key, value=value: w.leaf.update({key: value})),
            )
            for key, value in (
                ("manifest_sha256", NOBODY),
                ("root", NOBODY),
                ("rows", 6),
                ("purpose", "improve_models"),
                ("position", 41),
            )
        ),
        (
            "leaf, version",
            "another",
            "version that its log entry names",
            lambda w: w.leaf.update(version=0),
        ),
        (
            "leaf, release",
            "another release's",
            "was logged when it was sealed",
            lambda w: w.leaf.update(release="5" * 32),
        ),
        (
            "leaf",
            "told after a withdrawal",
            "grant that decides it",
            lambda w: w.told.extend(
                [
                    ("grant_ended", "2026-03-05", ANA, {"grant": 1, "cause": "refused"}),
                    (
                        "choice",
                        "2026-03-05",
                        ANA,
                        {"allow": False, "effect": "withdrew", "version": 1, **FOR},
                    ),
                ]
            ),
        ),
    )
    for place, operation, promise, change in tables:
        yield Lie(f"release, {place}", operation, promise, by_operator(change))


MANIFEST_CHANGES: tuple[tuple[str, Any], ...] = (
    ("policy", {"name": "another", "version": SECOND.version, "sha256": SECOND.sha256().hex()}),
    ("journal", True),
    ("built_at", "0001-01-01T00:00:00Z"),
    ("curation", {"plan": NOBODY, "splits": {"train": [[0, 9], [3, 4]]}}),
    ("format", "licet-release-2"),
    ("built_at", "2026-03-06T12:00:00Z"),
    ("built_at", "some day"),
    ("policy", {"name": "x", "version": "x", "sha256": FIRST.sha256().hex()}),
    ("rows", 6),
    ("rows", -1),
    ("root", NOBODY),
    ("parts", []),
    ("proof", {}),
    ("counts", {}),
    ("release", "5" * 32),
    ("purpose", 7),
    ("note", "a key more"),
)


def manifest_lies() -> Iterator[Lie]:
    for number, (key, value) in enumerate(MANIFEST_CHANGES):
        yield Lie(
            f"manifest, {key}",
            f"changed, {number}",
            "",
            by_operator(lambda w, key=key, value=value: w.manifest.update({key: value})),
        )
    for what in ("rows", "candidates"):
        for name in sorted(getattr(honest(), what)[0]):
            if name != "v":
                yield Lie(
                    f"{what}, {name}",
                    "left out",
                    "",
                    by_operator(lambda w, what=what, name=name: getattr(w, what)[0].pop(name)),
                )
            yield Lie(
                f"{what}, {name}",
                "of another type",
                "",
                by_operator(put(what, 0, name, value=7 if name == "project" else None)),
            )
    for name in sorted(source()):
        yield Lie(
            f"source, {name}",
            "left out",
            "",
            by_operator(lambda w, name=name: w.rows[A1]["sources"][0].pop(name)),
        )
        yield Lie(
            f"source, {name}",
            "of another type",
            "",
            by_operator(put("rows", A1, "sources", 0, name, value=[1])),
        )


def replaced(files: dict[str, bytes], path: str, data: bytes | None) -> None:
    if data is None:
        del files[path]
    else:
        files[path] = data


def carrier_lies() -> Iterator[Lie]:
    """Files changed on their way, by who cannot sign."""
    files = shown_honest().releases[0][0]
    for path in sorted(set(files) - {"README.md"}):
        data = files[path]
        ways: dict[str, bytes | None] = {
            "a byte flipped": bytes(
                [data[len(data) // 2] ^ 1 if i == len(data) // 2 else b for i, b in enumerate(data)]
            ),
            "cut short": data[:-1],
            "a byte more": data + b"\n",
            "emptied": b"",
            "missing": None,
        }
        for operation, changed in ways.items():
            yield Lie(
                f"file {path}",
                operation,
                "",
                by_carrier(lambda f, path=path, changed=changed: replaced(f, path, changed)),
            )
    yield Lie("file README.md", "missing", "every file", by_carrier(lambda f: f.pop("README.md")))
    yield Lie(
        "file more",
        "beside the parts",
        "no other",
        by_carrier(lambda f: f.update({"part-00009.parquet": b""})),
    )
    yield Lie(
        "file more",
        "beside the proofs",
        "no other",
        by_carrier(lambda f: f.update({"proof/x": b""})),
    )
    others = sealed(without_the_last_row())[0]
    for path in ("manifest.json", "proof/rows.jsonl.gz", "proof/candidates.jsonl.gz"):
        yield Lie(
            f"file {path}",
            "another release's",
            "",
            by_carrier(lambda f, path=path: f.update({path: others[path]})),
        )


def without_the_last_row() -> World:
    world = honest()
    world.rows.pop(A1_AGAIN)
    world.candidates[0]["in"] = 2
    more(world, -1)
    return world


@cache
def every() -> tuple[Lie, ...]:
    tables = (
        decision_lies(False),
        decision_lies(True),
        tree_lies(),
        manifest_lies(),
        content_lies(),
        names_lies(),
        base_lies(),
        carrier_lies(),
    )
    return tuple(lie for table in tables for lie in table)

"""The kinds of lie about what was done since the seal, and about certificates: signed by nobody, or
saying nothing.

An addendum says which rows went out of a release; who can write one that is believed can gut the
release. A certificate that names no place says of none that nothing was found there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from typing import Any

from ..ledger.world import SIGNER, STRANGER
from .lies import Lie, Shown
from .mutants import certificate_file, certificates, signed, since, text_of, with_since

JUNK = b"junk"


@cache
def shown_honest() -> Shown:
    return Shown(
        since=(with_since(since()),),
        certificates=tuple(certificate_file(said) for said in certificates()),
    )


def carried(change: Callable[[dict[str, bytes]], Any]) -> Callable[[], Shown]:
    """The folder changed by who has no key; the logs are the honest ones."""

    def shown() -> Shown:
        files, log, later = with_since(since())
        changed = dict(files)
        change(changed)
        return Shown(since=((changed, log, later),))

    return shown


def by_operator(change: Callable[[Any], Any]) -> Callable[[], Shown]:
    """Said otherwise, signed with the log's key, and told to the log as it is."""

    def shown() -> Shown:
        said = deepcopy(since())
        change(said)
        return Shown(since=(with_since(said),))

    return shown


def forged(
    change: Callable[[Any], Any], seed: bytes | None, path: str = "purge-1.json"
) -> Callable[[dict[str, bytes]], None]:
    """A file with another statement: signed with a key of one's own, or not at all."""
    name, version = ("purge", 2) if path == "purge-1.json" else (path.removesuffix(".json"), 1)
    typ = f"licet-{name}+jws"

    def write(files: dict[str, bytes]) -> None:
        said = deepcopy(since()[name])
        change(said)
        jws = signed(said, typ, seed) if seed else ".".join([*signed(said, typ).split(".")[:2], ""])
        files[path] = text_of({"v": version, name: jws})

    return write


def gutted(files: dict[str, bytes]) -> None:
    files["part-00000.parquet"] = JUNK


def dated(key: str, at: str) -> Callable[[Any], None]:
    return lambda said: said.update({key: at})


def plain(files: dict[str, bytes]) -> None:
    """As addenda were before they were signed: anybody can write one."""
    files["purge-1.json"] = text_of(
        since()["purge"] | {"format": "licet-purge-1", "purged_at": "2025-12-31T00:00:00Z"}
    )


def put(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(said: Any) -> None:
        for step in path[:-1]:
            said = said[step]
        said[path[-1]] = value

    return change


def since_lies() -> Iterator[Lie]:
    signing = "signature"
    tables: tuple[tuple[str, str, str, Callable[[], Shown]], ...] = (
        ("addendum", "unsigned, of another year", "signed addendum", carried(plain)),
        ("addendum", "unsigned", signing, carried(forged(lambda _said: None, None))),
        (
            "addendum",
            "signed with a key of one's own",
            "header",
            carried(forged(lambda _said: None, STRANGER.seed)),
        ),
        *(
            (
                f"addendum, dated {at[:4]}",
                "signed with a key of one's own",
                "header",
                carried(forged(dated("purged_at", at), STRANGER.seed)),
            )
            for at in ("2025-12-31T00:00:00Z", "2026-04-01T00:00:00Z", "2031-01-01T00:00:00Z")
        ),
        ("addendum", "a part replaced by junk", "size and hash", carried(gutted)),
        (
            "addendum",
            "a part missing",
            "every file",
            carried(lambda f: f.pop("part-00000.parquet")),
        ),
        ("addendum", "taken away", "size and hash", carried(lambda f: f.pop("purge-1.json"))),
        (
            "addendum",
            "a second one, made of the first",
            "follows",
            carried(lambda f: f.update({"purge-2.json": f["purge-1.json"]})),
        ),
        (
            "addendum",
            "a review in its place",
            "header",
            carried(
                lambda f: f.update(
                    {
                        "purge-1.json": text_of(
                            {"v": 2, "purge": json.loads(f["review.json"])["review"]}
                        )
                    }
                )
            ),
        ),
        (
            "review",
            "unsigned, of another year",
            signing,
            carried(forged(dated("closed_at", "2031-01-01T00:00:00Z"), None, "review.json")),
        ),
        (
            "review",
            "signed with a key of one's own",
            "header",
            carried(
                forged(dated("closed_at", "2025-01-01T00:00:00Z"), STRANGER.seed, "review.json")
            ),
        ),
        ("review", "junk", "canonical JSON", carried(lambda f: f.update({"review.json": JUNK}))),
        (
            "addendum",
            "its leaf in no log that was given",
            "not proved: no entry of the given logs",
            lambda: Shown(since=((*with_since(since())[:2], {}),)),
        ),
        (
            "addendum",
            "its leaf left out of the log",
            "not proved: no entry of the given logs",
            lambda: Shown(since=((*with_since(since())[:2], without_a_leaf()),)),
        ),
        (
            "addendum",
            "of another manifest",
            "follows",
            by_operator(put("purge", "before", value="0" * 64)),
        ),
        (
            "addendum",
            "dated before the release",
            "later than the one before it",
            by_operator(put("purge", "purged_at", value="2026-01-01T00:00:00Z")),
        ),
        (
            "addendum",
            "a row twice",
            "each row is removed once",
            by_operator(put("purge", "parts", 0, "gone", value=[[3, 3], [3, 3]])),
        ),
        (
            "addendum",
            "a row that never was",
            "every removed row was in it",
            by_operator(put("purge", "parts", 0, "gone", value=[[9, 9]])),
        ),
        (
            "addendum",
            "rows that are counted otherwise",
            "reconciles",
            by_operator(put("purge", "parts", 0, "after", "rows", value=3)),
        ),
        (
            "addendum",
            "number `true`",
            "fields of an addendum",
            by_operator(put("purge", "number", value=True)),
        ),
        (
            "addendum",
            "nothing at all",
            "fields of an addendum",
            by_operator(lambda said: said["purge"].clear()),
        ),
        (
            "review",
            "of another release",
            "of this release",
            by_operator(put("review", "release", value="5" * 32)),
        ),
        (
            "review",
            "of another manifest",
            "is for the sealed manifest",
            by_operator(put("review", "manifest_sha256", value="0" * 64)),
        ),
        (
            "review",
            "a bound that does not follow",
            "its bound follows",
            by_operator(put("review", "bound", "ppm", value=10)),
        ),
        (
            "review",
            "a worst case that is better than it is",
            "its bound follows",
            by_operator(put("review", "bound", "worst_ppm", value=10)),
        ),
        (
            "review",
            "rows that nobody read",
            "each row was read",
            by_operator(put("review", "chance", "drawn", value=9)),
        ),
        (
            "review",
            "of more rows than there are",
            "in enough rows",
            by_operator(
                lambda said: said["review"].update(
                    chance={"drawn": 300_000, "read": 300_000, "out_of_reach": 0, "findings": {}},
                    bound={
                        "confidence_percent": 95,
                        "found": 0,
                        "rows": 300_000,
                        "ppm": 10,
                        "unread": 0,
                        "worst_ppm": 10,
                    },
                )
            ),
        ),
        (
            "review",
            "drawn before the release",
            "in enough rows",
            by_operator(put("review", "drawn_at", value="2026-03-01T00:00:00Z")),
        ),
        (
            "measurement",
            "of more rows than there are",
            "rows in the release",
            by_operator(put("measurement", "rows", value=10**9)),
        ),
        (
            "measurement",
            "held out more rows than there are",
            "rows in the release",
            by_operator(put("measurement", "held_out", "rows", value=5)),
        ),
        (
            "review",
            "a finding of another kind",
            "fields of a review",
            by_operator(put("review", "chance", "findings", value={"ana": 1})),
        ),
        (
            "measurement",
            "unsigned",
            signing,
            carried(forged(lambda _said: None, None, "measurement.json")),
        ),
        (
            "measurement",
            "signed with a key of one's own",
            "header",
            carried(
                forged(put("costs", 0, "cost_ppm", value=0), STRANGER.seed, "measurement.json")
            ),
        ),
        (
            "measurement",
            "junk",
            "canonical JSON",
            carried(lambda f: f.update({"measurement.json": JUNK})),
        ),
        (
            "measurement",
            "of another release",
            "manifest beside",
            by_operator(put("measurement", "release", value="5" * 32)),
        ),
        (
            "measurement",
            "of another manifest",
            "is for the sealed manifest",
            by_operator(put("measurement", "manifest_sha256", value="0" * 64)),
        ),
        (
            "measurement",
            "a cost outside its interval",
            "are in their intervals",
            by_operator(put("measurement", "costs", 0, "cost_ppm", value=6)),
        ),
        (
            "measurement",
            "more people than were held out",
            "slices in the whole",
            by_operator(put("measurement", "costs", 1, "people", value=11)),
        ),
        (
            "measurement",
            "without what de-identification costs",
            "reconciles",
            by_operator(put("measurement", "costs", 0, "of", value="low_quality")),
        ),
        (
            "measurement",
            "nothing at all",
            "",
            by_operator(lambda said: said["measurement"].clear()),
        ),
        ("review", "nothing at all", "", by_operator(lambda said: said["review"].clear())),
    )
    for place, operation, promise, shown in tables:
        yield Lie(place, operation, promise, shown)


def without_a_leaf() -> dict[str, bytes]:
    """The log of the year after, which never heard of the addendum."""
    said = deepcopy(since())
    said["purge"]["parts"][0]["gone"] = [[2, 2]]
    return with_since(said)[2]


def certificate_lies() -> Iterator[Lie]:
    first = "0001-01-01T00:00:00Z"
    tables: tuple[tuple[str, str, str, Callable[[Any], Any]], ...] = (
        ("all", "nothing at all", "fields of a certificate", lambda said: said.clear()),
        ("places", "none", "names the place of", put("places", value=[])),
        ("places", "a mapping", "fields of a certificate", put("places", value={})),
        ("places", "a word", "fields of a certificate", put("places", value="")),
        ("places", "of no fields", "fields of a certificate", put("places", value=[{}])),
        (
            "places",
            "something found",
            "only kept data was found",
            put("places", 0, "read_back", "left", value=1),
        ),
        (
            "places",
            "found: no",
            "fields of a certificate",
            put("places", 0, "read_back", "left", value=False),
        ),
        (
            "places",
            "nobody looked",
            "exactly the places that can be read back",
            put("places", 0, "read_back", value=None),
        ),
        (
            "places",
            "read back at another time",
            "when the certificate was made",
            put("places", 0, "read_back", "at", value="2026-03-01T10:00:00Z"),
        ),
        (
            "places",
            "read back at a recipient's",
            "exactly the places that can be read back",
            put("places", 1, "read_back", value={"at": "2026-03-01T14:00:00Z", "left": 0}),
        ),
        (
            "places",
            "a deed of another place",
            "one that its place allows",
            put("places", 0, "done", value="recalled"),
        ),
        (
            "places",
            "a place of no list",
            "fields of a certificate",
            put("places", 0, "place", value="x"),
        ),
        (
            "places",
            "a deed of no list",
            "fields of a certificate",
            put("places", 0, "done", value="still in the clear on a laptop"),
        ),
        (
            "places",
            "answered, without an answer",
            "fit the action",
            put("places", 1, "done", value="answered"),
        ),
        (
            "places",
            "recalled, and answered",
            "fit the action",
            put("places", 2, "done", value="recalled"),
        ),
        (
            "places",
            "kept for ever",
            "a date of its own",
            put("places", 3, "kept_until", value=None),
        ),
        (
            "places",
            "kept until yesterday",
            "a date of its own",
            put("places", 3, "kept_until", value="2026-02-01T00:00:00Z"),
        ),
        (
            "places",
            "answered after it was certified",
            "recalled and answered",
            put("places", 2, "answered", "at", value="2026-03-03T00:00:00Z"),
        ),
        (
            "all",
            "a field more",
            "fields of a certificate",
            put("promise", value="nothing is left anywhere"),
        ),
        (
            "places",
            "registered after it was read",
            "before it was read back",
            put("places", 0, "registered", value="2026-12-01T00:00:00Z"),
        ),
        *(
            (state, "in year 1", "fields of a certificate", put(state, value=first))
            for state in ("requested", "fenced", "shredded", "swept", "verified")
        ),
        *(
            (state, "none", "fields of a certificate", put(state, value=None))
            for state in ("requested", "fenced", "shredded", "swept", "verified")
        ),
        (
            "states",
            "out of order",
            "its times are in order",
            put("fenced", value="2026-03-01T23:00:00Z"),
        ),
        (
            "verified",
            "in another year than its leaf",
            "log of its year",
            put("verified", value="2030-01-01T00:00:00Z"),
        ),
        ("cause", "another word", "fields of a certificate", put("cause", value="whim")),
        ("salt", "short", "fields of a certificate", put("salt", value="00")),
        ("v", "`true`", "fields of a certificate", put("v", value=True)),
        ("account", "empty", "fields of a certificate", put("account", value="")),
    )
    for place, operation, promise, change in tables:
        yield Lie(f"certificate, {place}", operation, promise, certificate_of(change))
    file = json.loads(certificate_file(certificates()[0]))
    early = text_of(file | {"entry": None, "proof": None}) + b"\n"
    yield Lie(
        "certificate",
        "signed, and not in the log",
        "not proved: it is signed, and not in the log",
        lambda: Shown(certificates=(early,)),
    )
    foreign = (
        text_of(
            file
            | {"certificate": signed(certificates()[0], "licet-certificate+jws", STRANGER.seed)}
        )
        + b"\n"
    )
    yield Lie(
        "certificate",
        "signed with a key of one's own",
        "header",
        lambda: Shown(certificates=(foreign,)),
    )
    receipt = (
        text_of(file | {"certificate": signed(certificates()[0], "licet-receipt+jws", SIGNER.seed)})
        + b"\n"
    )
    yield Lie(
        "certificate", "signed as a receipt", "header", lambda: Shown(certificates=(receipt,))
    )
    yield Lie(
        "certificate",
        "nested without end",
        "canonical JSON",
        lambda: Shown(certificates=(b"[" * 200_000 + b"]" * 200_000 + b"\n",)),
    )


def certificate_of(change: Callable[[Any], Any]) -> Callable[[], Shown]:
    def shown() -> Shown:
        said = deepcopy(certificates()[0])
        change(said)
        return Shown(certificates=(certificate_file(said),))

    return shown


@cache
def every() -> tuple[Lie, ...]:
    return tuple(lie for table in (since_lies, certificate_lies) for lie in table())

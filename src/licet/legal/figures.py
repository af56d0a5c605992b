"""The figures of a paper, from the published log and its releases' manifests at a log position.

A position is a year and a number of entries of that year's log; logs of earlier years count whole,
while retained. The database is not read: the same position always gives the same figures, and
anybody with the published log and the manifests gets the same (`verifier.document`).

A release counts from its leaf on. Its manifest is trusted if it has the hash in the leaf; without
a manifest with content counts, the release is listed and adds nothing to those totals
(`uncounted`). A conversation in several releases counts in each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from licet.errors import InputError, RefusedError, UsageError
from licet.ledger.publication import PublishedLog
from licet.proof import documents
from licet.release import catalog, release_store
from licet.release import manifest as manifests
from licet.release.contents import BREAKDOWNS
from licet.release.manifest import ReleaseManifest
from licet.vault.installation import Installation

_POSITION = re.compile(r"(?:(?P<year>[0-9]{4})/)?(?P<size>[0-9]{1,15})", re.ASCII)
FindManifest = Callable[[str, str], ReleaseManifest | None]
"""Finds a release's manifest by id and hash, both in hexadecimal; None if it is missing."""

# The bins of the Commission's template for text, in tokens.
BINS = ((10**9, "less than 1 billion tokens"), (10**13, "1 billion to 10 trillion tokens"))
TOP_BIN = "more than 10 trillion tokens"


class LogPosition(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """The first ``size`` entries of the log of ``year``."""

    year: int
    size: int

    def __str__(self) -> str:
        return f"{self.year}/{self.size}"


class CountedLog(msgspec.Struct, frozen=True, kw_only=True):
    """A log, counted up to ``size`` entries."""

    origin: str
    size: int


class ReleaseFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A release, from its leaf and its manifest; fields of a missing manifest are null."""

    release: str
    manifest_sha256: str
    purpose: str
    sealed_at: str
    rows: int
    name: str | None = None
    candidates: int | None = None
    turns: int | None = None
    dropped: dict[str, int] | None = None
    replaced: dict[str, int] | None = None
    names_looked_for: bool | None = None
    contents: dict[str, Any] | None = None
    purged_rows: int
    reviewed_rows: int
    findings: int


class TotalFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over the releases of a paper; months are null if nothing was counted."""

    releases: int
    uncounted: int
    rows: int
    user_data: bool
    turns: int
    bytes: int
    tokens: int
    size_bin: str
    first_month: str | None
    last_month: str | None
    dropped: dict[str, int]
    replaced: dict[str, int]
    kinds: dict[str, int]
    languages: dict[str, int]
    origins: dict[str, int]
    surfaces: dict[str, int]
    plans: dict[str, int]
    models: dict[str, int]
    purged_rows: int
    reviewed_rows: int
    findings: int


class LogFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Entries of the log by type; reads of content by reason, destroyed keys by cause."""

    entries: int
    answers_yes: int
    answers_no: int
    withdrawals: int
    kept_out: int
    deletions: int
    closures: int
    certificates: int
    feedback: int
    flags: int
    holds: int
    restores: int
    policies: int
    notices: int
    content_reads: dict[str, int]
    keys_destroyed: dict[str, int]


class PaperFigures(msgspec.Struct, frozen=True, kw_only=True):
    log: LogFigures
    totals: TotalFigures
    releases: tuple[ReleaseFigures, ...]


class LogReading(msgspec.Struct, frozen=True, kw_only=True):
    """Figures up to a position: ``time`` of its last entry, ``policy`` then in force."""

    position: LogPosition
    time: str
    logs: tuple[CountedLog, ...]
    policy: tuple[int, str]
    figures: PaperFigures


class LoggedEntry(msgspec.Struct, frozen=True):
    """The fields of a log entry that papers need."""

    t: str
    at: str
    logged: str
    facts: dict[str, Any]


decode_entry = msgspec.json.Decoder(LoggedEntry).decode


def parse_position(installation: Installation, text: str | None) -> LogPosition:
    """Parses a position, `SIZE` or `YEAR/SIZE`; by default the end of the newest log."""
    known = documents.years(installation)
    if not known:
        raise RefusedError(
            "there is no log yet", "`licet ledger append` begins it", because="no_log"
        )
    if text is None:
        year = int(known[-1])
        return LogPosition(year=year, size=_open_published_log(installation, year).checkpoint.size)
    match = _POSITION.fullmatch(text)
    if match is None:
        raise UsageError(
            f"`{text}` is not a position of the log",
            "give the number of entries, for example 2026/1234",
        )
    position = LogPosition(year=int(match["year"] or known[-1]), size=int(match["size"]))
    size = (
        _open_published_log(installation, position.year).checkpoint.size
        if str(position.year) in known
        else 0
    )
    if not 1 <= position.size <= size:
        raise UsageError(
            f"the log of {position.year} has {size} entries, not `{position.size}`",
            "give one up to its size",
        )
    return position


def read_log(
    installation: Installation, position: LogPosition, only: Sequence[str] | None = None
) -> LogReading:
    """Counts everything up to ``position``; ``only`` lists the ids of the paper's releases."""
    tally, logs = LogTally(), []
    for year in (int(year) for year in documents.years(installation) if int(year) <= position.year):
        log = _open_published_log(installation, year)
        size = position.size if year == position.year else log.checkpoint.size
        logs.append(CountedLog(origin=log.checkpoint.origin, size=size))
        for entry in log.entries(size):
            tally.take(decode_entry(entry))
    if tally.policy is None:
        raise RefusedError(
            "the log names no policy up to there", "give a later position", because="no_policy"
        )
    find = _finder(installation)
    releases = tuple(tally.releases(find, only))
    figures = PaperFigures(log=tally.figures(), totals=sum_releases(releases), releases=releases)
    return LogReading(
        position=position, time=tally.logged, logs=tuple(logs), policy=tally.policy, figures=figures
    )


def _open_published_log(installation: Installation, year: int) -> PublishedLog:
    return PublishedLog(
        documents.place(installation).folder / str(year), documents.key(installation, year)
    )


def _finder(installation: Installation) -> FindManifest:
    """Finds manifests of the installation's releases, on this host or in the bucket."""
    folders: dict[str, Path] = {}
    for file in sorted(installation.config.releases.glob(f"*/{manifests.FILE}")):
        try:
            folders[manifests.read_manifest(file.parent)[1]] = file.parent
        except InputError:  # `licet release verify` reports what is wrong
            continue

    shared = {
        release.manifest_sha256.hex(): release
        for release in catalog.list_releases(installation)
        if release.manifest_sha256 is not None
    }

    def find(_release: str, sha256: str) -> ReleaseManifest | None:
        if sha256 in folders:
            return manifests.read_manifest(folders[sha256])[0]
        return (
            release_store.find_manifest(installation, shared[sha256]) if sha256 in shared else None
        )

    return find


class LogTally:
    """Counts entries in the order of the log."""

    def __init__(self) -> None:
        self.logged = ""
        self.policy: tuple[int, str] | None = None
        self._kinds, self._choices = Counter[str](), Counter[str]()
        self._reads, self._keys = Counter[str](), Counter[str]()
        self._sealed: dict[str, LoggedEntry] = {}
        self._purged = Counter[str]()
        self._reviewed = Counter[str]()
        self._findings = Counter[str]()

    def take(self, entry: LoggedEntry) -> None:
        facts = entry.facts
        self.logged = entry.logged
        self._kinds[entry.t] += 1
        match entry.t:
            case "choice":
                self._choices["yes" if facts["allow"] else "no"] += 1
                self._choices["withdrew"] += facts["effect"] == "withdrew"
            case "content_read":
                self._reads[facts["reason"]] += 1
            case "key_destroyed":
                self._keys[facts["because"]] += 1
            case "policy_applied" | "policy_stands":
                if (
                    self.policy is None
                    or entry.t == "policy_applied"
                    or facts["number"] > self.policy[0]
                ):
                    self.policy = facts["number"], facts["sha256"]
            case "release_sealed":
                self._sealed[facts["release"]] = entry
            case "release_purged":
                self._purged[facts["release"]] += facts["rows"]
            case "release_reviewed":
                self._reviewed[facts["release"]] += facts["rows"]
                self._findings[facts["release"]] += facts["findings"]

    def figures(self) -> LogFigures:
        kinds, choices = self._kinds, self._choices
        return LogFigures(
            entries=sum(kinds.values()),
            answers_yes=choices["yes"],
            answers_no=choices["no"],
            withdrawals=choices["withdrew"],
            kept_out=kinds["narrowed"] + kinds["project_kept_out"],
            deletions=kinds["deleted"],
            closures=kinds["closed"],
            certificates=kinds["certificate"],
            feedback=kinds["feedback"],
            flags=kinds["flagged"],
            holds=kinds["held"],
            restores=kinds["restored"],
            policies=kinds["policy_applied"],
            notices=kinds["notice_published"],
            content_reads=dict(self._reads),
            keys_destroyed=dict(self._keys),
        )

    def releases(self, find: FindManifest, only: Sequence[str] | None) -> Iterator[ReleaseFigures]:
        """The sealed releases, or those in ``only``, in the order of the log."""
        if missing := set(only or ()) - self._sealed.keys():
            raise RefusedError(
                f"release `{min(missing)}` is not in the log up to there",
                "give a later position",
                because="not_sealed",
            )
        for release, entry in self._sealed.items():
            if only is None or release in only:
                facts = entry.facts
                figures_ = ReleaseFigures(
                    release=release,
                    manifest_sha256=facts["manifest_sha256"],
                    purpose=facts["purpose"],
                    sealed_at=entry.at,
                    rows=facts["rows"],
                    purged_rows=self._purged[release],
                    reviewed_rows=self._reviewed[release],
                    findings=self._findings[release],
                )
                yield add_manifest(figures_, find(release, figures_.manifest_sha256))


def add_manifest(figures: ReleaseFigures, promised: ReleaseManifest | None) -> ReleaseFigures:
    if promised is None:
        return figures
    return msgspec.structs.replace(
        figures,
        name=promised.name,
        candidates=promised.counts.candidates,
        turns=promised.counts.included,
        dropped=dict(promised.counts.dropped),
        replaced=dict(promised.deidentification.counts),
        names_looked_for=promised.looked_for_names,
        contents=None
        if promised.contents is msgspec.UNSET
        else msgspec.to_builtins(promised.contents),
    )


def sum_releases(releases: Sequence[ReleaseFigures]) -> TotalFigures:
    counted = [release.contents for release in releases if release.contents is not None]
    tokens = sum(contents["tokens"] for contents in counted)
    months = sorted(
        contents[key]
        for contents in counted
        for key in ("first_month", "last_month")
        if contents[key] is not None
    )
    return TotalFigures(
        releases=len(releases),
        uncounted=len(releases) - len(counted),
        rows=sum(release.rows for release in releases),
        user_data=any(release.rows for release in releases),
        turns=sum(release.turns or 0 for release in releases),
        bytes=sum(contents["bytes"] for contents in counted),
        tokens=tokens,
        size_bin=next((name for end, name in BINS if tokens < end), TOP_BIN),
        first_month=months[0] if months else None,
        last_month=months[-1] if months else None,
        dropped=_sum_counts(release.dropped or {} for release in releases),
        replaced=_sum_counts(release.replaced or {} for release in releases),
        **{
            name: _sum_counts(contents.get(name, {}) for contents in counted) for name in BREAKDOWNS
        },
        purged_rows=sum(release.purged_rows for release in releases),
        reviewed_rows=sum(release.reviewed_rows for release in releases),
        findings=sum(release.findings for release in releases),
    )


def _sum_counts(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))

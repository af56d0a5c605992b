"""Checks a release: its manifest in the log, its files, its counts, and every row decided again,
without content. Each step depends on those before it; after a contradiction the rest is skipped.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from licet.verifier.addenda import (
    MEASUREMENT_FILE,
    MEASUREMENT_SHAPE,
    PURGE,
    PURGE_FILE,
    REVIEW_FILE,
    REVIEW_SHAPE,
    apply_purge,
    is_consistent_measurement,
    is_consistent_review,
)
from licet.verifier.answer import LEVELS, ArtefactPart, ContradictionError, Verdict, VerifierReport
from licet.verifier.base import check_base
from licet.verifier.decision import Decider
from licet.verifier.entries import new_story
from licet.verifier.files import Files
from licet.verifier.forms import check_shape, find_misfit, read_json, read_time
from licet.verifier.keys import Trust
from licet.verifier.levels import levels_by_field, levels_of
from licet.verifier.log import check_log
from licet.verifier.manifest import (
    DESCRIBES,
    MANIFEST,
    MEASUREMENT,
    ORDINALS_MAX,
    PROOFS,
    PURGES_MAX,
    REVIEW,
    check_contents,
    check_sums,
    read_bounded,
    read_manifest,
)
from licet.verifier.parquet import CompressedError, rows_in_part
from licet.verifier.permissions import Permissions
from licet.verifier.rows import check_rows, leaf_in_parts
from licet.verifier.statement import includes_facts, jws_parts, open_jws
from licet.verifier.terms import ReleasePolicies, read_policies

ENDED_NAMED_MAX = 20


def check_release(
    files: Files,
    trusted: Trust | None = None,
    log: Files | None = None,
    other_logs: Sequence[tuple[Trust, Files]] = (),
    base: Files | None = None,
) -> VerifierReport:
    """Decides every row again, without content, from the log's entries before the release was
    sealed.

    ``other_logs`` are logs of other years, which may contain addenda and a review. ``base`` is the
    folder of the release that rows were carried from. Without a log nothing is proved: grants,
    deletions and exclusions are not checked, and nothing signed names the manifest.
    """
    report = VerifierReport("release", origin=trusted.origin if trusted else "")
    check = _ReleaseCheck(files, report, trusted, log, other_logs, base)
    if not report.step(MANIFEST, "the release's log entry names its hash", check.open_manifest):
        return report
    if not report.step(
        "the log", "its signed entries, up to the release's leaf and since", check.read_log
    ):
        return report
    check.check_addenda()
    later = check.content_steps()
    if report.findings:
        report.parts += [
            ArtefactPart(what, Verdict.unproved, "not checked: a part before it does not hold")
            for what, *_ in later
        ]
    else:
        report.steps(later)
    if check.permissions is None:
        report.parts = [
            ArtefactPart(
                part.what,
                Verdict.unproved,
                f"it agrees with `{MANIFEST}`, but no log was given",
            )
            if part.answer in LEVELS
            else part
            for part in report.parts
        ]
    if "base" in check.manifest and base is None:
        report.notes.append(
            f"not checked: the folder of its base `{check.manifest['base']['release']}`: "
            "give it with --base"
        )
    for path, what in DESCRIBES.items():
        if path in set(files.paths()):
            report.levels[what] = levels_by_field(what)
            report.notes.append(f"not checked: {path}: it is derived from the rest and unsigned")
    if not report.findings:
        report.size, report.root = check.manifest["rows"], check.manifest["root"]
    return report


def check_release_in(
    files: Files, logs: Sequence[tuple[Trust, Files]], base: Files | None = None
) -> VerifierReport:
    """`check_release`, selecting the log of the release's year."""
    report = VerifierReport("release")
    held = report.step(
        MANIFEST, "it reads", lambda: read_manifest(read_bounded(files, MANIFEST, report))
    )
    if not held:
        return report
    year = read_manifest(read_bounded(files, MANIFEST, report))["built_at"][:4]
    own = next(
        (log for log in logs if log[0].origin.endswith(f"/{year}")),
        logs[0] if len(logs) == 1 else None,
    )
    if own is None:
        return check_release(files, base=base)
    return check_release(files, *own, [log for log in logs if log is not own], base)


class _ReleaseCheck:
    def __init__(
        self,
        files: Files,
        report: VerifierReport,
        trusted: Trust | None,
        log: Files | None,
        other_logs: Sequence[tuple[Trust, Files]],
        base: Files | None,
    ) -> None:
        self.files, self.report, self.trusted, self.log = files, report, trusted, log
        self.other_logs, self.base_files = other_logs, base
        self.raw, self.manifest = b"", dict[str, Any]()
        self.permissions: Permissions | None = None
        self.logs: list[Permissions] | None = None  # of other years, read on demand
        self.parts: dict[str, dict[str, Any] | None] = {}
        self.purged: set[int] = set()
        self.addendum_paths: list[str] = []
        self.head = ("", "")  # hash and time of the newest addendum
        self.policies = ReleasePolicies(())
        # ordinal of each decided row, and its leaf in the tree over the parts
        self.leaves: list[tuple[int, bytes]] = []
        self.is_older = False  # whether all its rows have version 1

    def open_manifest(self) -> None:
        self.raw = read_bounded(self.files, MANIFEST, self.report)
        self.manifest = read_manifest(self.raw)
        self.report.levels["manifest"] = levels_of("manifest", self.manifest, MANIFEST)
        self.parts = {part["file"]: part for part in self.manifest["parts"]}
        if self.trusted is None or self.log is None:
            self.report.add_lack(
                MANIFEST, "nothing signed names it", "give the log of its year and the log's key"
            )

    def read_log(self) -> None:
        if self.trusted is None or self.log is None:
            self.report.add_lack(
                "the log", "none was given", "give the log of the release's year and its key"
            )
            return
        release = self.manifest["release"]
        self.permissions = permissions = _read_log(self.trusted, self.log, release, self.report)
        _check_leaf(permissions, self.raw, self.manifest)

    def check_addenda(self) -> None:
        there = set(self.files.paths())
        head = hashlib.sha256(self.raw).hexdigest()
        at = self.manifest["built_at"]
        for number in range(1, PURGES_MAX + 1):
            path = f"purge-{number}.json"
            if path not in there:
                break
            self.addendum_paths.append(path)
            follow = partial(self._check_addendum, number, path, head, at)
            if not self.report.step(
                path, "it is signed, follows the one before it, and the log has its hash", follow
            ):
                return
            head, at = self.head
        if REVIEW in there:
            why = (
                "signed, logged, of at most the release's rows; its counts are the operator's word"
            )
            self.report.step(REVIEW, why, self._check_review, Verdict.stated, True)
        if MEASUREMENT in there:
            why = (
                "signed, logged, of at most the release's rows; its figures are the operator's word"
            )
            self.report.step(MEASUREMENT, why, self._check_measurement, Verdict.stated, True)
        self.report.purged = len(self.purged)

    def _check_addendum(self, number: int, path: str, head: str, at: str) -> None:
        """Checks an addendum, which must follow ``head`` (a hash) and ``at``, and removes its rows
        from the parts.
        """
        data = read_bounded(self.files, path, self.report)
        file = read_json(data, path)
        if find_misfit(file, PURGE_FILE) or file["v"] != 2:
            raise ContradictionError(path, "it is a signed addendum of version 2")
        purge = self._verify(file["purge"], path, "licet-purge+jws")
        check_shape(purge, PURGE, path, "an addendum")
        self._add_levels("addendum", purge, path)
        stated = (purge["release"], purge["number"], purge["before"])
        if stated != (self.manifest["release"], number, head):
            raise ContradictionError(path, "it follows the addendum before it, or the manifest")
        if (
            read_time(purge["purged_at"], path, "purged_at") < read_time(at, path, "at")
            or not purge["parts"]
        ):
            raise ContradictionError(path, "it removes rows, and is later than the one before it")
        firsts = [part["first_ordinal"] for part in self.manifest["parts"]]
        ends = dict(
            zip(
                (part["file"] for part in self.manifest["parts"]),
                [*firsts, ORDINALS_MAX][1:],
                strict=True,
            )
        )
        before = len(self.purged)
        for change in purge["parts"]:
            self.parts[change["file"]] = apply_purge(
                self.parts.get(change["file"]),
                ends.get(change["file"], 0),
                change,
                self.purged,
                path,
            )
        self.head = hashlib.sha256(data).hexdigest(), purge["purged_at"]
        facts = {"release": purge["release"], "number": number, "rows": len(self.purged) - before}
        self._check_logged("release_purged", self.head[0], path, purge["purged_at"], facts)

    def _add_levels(self, artefact: str, statement: dict[str, Any], path: str) -> None:
        self.report.levels[artefact] = self.report.levels.get(artefact, {}) | levels_of(
            artefact, statement, path
        )

    def _check_review(self) -> None:
        file = read_json(read_bounded(self.files, REVIEW, self.report), REVIEW)
        check_shape(file, REVIEW_FILE, REVIEW, "a review of version 1")
        statement = self._verify(file["review"], REVIEW, "licet-review+jws")
        check_shape(statement, REVIEW_SHAPE, REVIEW, "a review")
        self._add_levels("review", statement, REVIEW)
        if statement["release"] != self.manifest["release"]:
            raise ContradictionError(REVIEW, "it is a review of this release, of version 1")
        if statement["manifest_sha256"] != hashlib.sha256(self.raw).hexdigest():
            raise ContradictionError(REVIEW, "it is for the manifest beside it")
        if not is_consistent_review(statement, self.manifest):
            raise ContradictionError(
                REVIEW,
                "it reconciles: each row was read or out of reach, its bound follows, in enough rows",
            )
        findings = sum(
            sum(part["findings"].values()) for part in (statement["chance"], statement["risk"])
        )
        facts = {
            "release": statement["release"],
            "manifest_sha256": statement["manifest_sha256"],
            "bound_ppm": statement["bound"]["ppm"],
            "rows": statement["chance"]["read"] + statement["risk"]["read"],
            "findings": findings,
        }
        sha256 = hashlib.sha256(file["review"].encode()).hexdigest()
        self._check_logged("release_reviewed", sha256, REVIEW, statement["closed_at"], facts)

    def _check_measurement(self) -> None:
        file = read_json(read_bounded(self.files, MEASUREMENT, self.report), MEASUREMENT)
        check_shape(file, MEASUREMENT_FILE, MEASUREMENT, "a measurement of version 1")
        statement = self._verify(file["measurement"], MEASUREMENT, "licet-measurement+jws")
        check_shape(statement, MEASUREMENT_SHAPE, MEASUREMENT, "a measurement")
        self._add_levels("measurement", statement, MEASUREMENT)
        subject = (statement["release"], statement["manifest_sha256"])
        if subject != (self.manifest["release"], hashlib.sha256(self.raw).hexdigest()):
            raise ContradictionError(MEASUREMENT, "it is for the manifest beside it")
        if not is_consistent_measurement(statement, self.manifest):
            raise ContradictionError(
                MEASUREMENT,
                "it reconciles: costs are in their intervals, slices in the whole, rows in the release",
            )
        facts = {"release": subject[0], "manifest_sha256": subject[1], "rows": statement["rows"]}
        sha256 = hashlib.sha256(file["measurement"].encode()).hexdigest()
        self._check_logged("release_measured", sha256, MEASUREMENT, statement["measured_at"], facts)

    def _verify(self, jws: str, path: str, typ: str) -> dict[str, Any]:
        """Opens a statement; without a key reports its unchecked signature as a lack."""
        if self.trusted is not None:
            return open_jws(jws, self.trusted.key, path, typ)
        self.report.add_lack(path, "its signature was not checked", "give the log's key")
        return read_json(jws_parts(jws, path)[1], path)

    def _check_logged(
        self, kind: str, sha256: str, path: str, at: str, facts: dict[str, Any]
    ) -> None:
        """Finds the leaf of a statement by its hash, in any of the given logs."""
        if self.permissions is None:
            self.report.add_lack(
                path, "no log was given that names it", f"give the log of {at[:4]}"
            )
            return
        entry = self.permissions.since.get((kind, sha256))
        for other in self._other_permissions() if entry is None else ():
            entry = entry or other.since.get((kind, sha256))
        if entry is None:
            years = ", ".join(
                str(log.year) for log in (self.permissions, *self._other_permissions())
            )
            self.report.add_lack(
                path,
                f"no entry of the given logs ({years}) names it",
                f"give the log of {at[:4]}, or of the year after",
            )
        elif entry["at"] != at or not includes_facts(entry["facts"], facts):
            raise ContradictionError(path, "it agrees with its log entry, and has its time")

    def _other_permissions(self) -> list[Permissions]:
        if self.logs is None:
            self.logs = []
            for trusted, log in self.other_logs:
                self.logs.append(_read_log(trusted, log, self.manifest["release"], self.report))
        return self.logs

    def check_files(self) -> None:
        """Checks that exactly the files named by the manifest or an addendum exist."""
        named = [
            *(part for part in self.parts.values() if part is not None),
            *self.manifest["proof"].values(),
        ]
        known = {MANIFEST, "README.md", *self.addendum_paths, *(file["file"] for file in named)}
        there = set(self.files.paths())
        for path in sorted(
            (known - there) | (there - known - DESCRIBES.keys() - {REVIEW, MEASUREMENT})
        ):
            self.report.add_contradiction(path, "every file of the release exists, and no other")
        for file in named:
            data = self.files.read(file["file"])
            self.report.files += 1
            if data is not None and (len(data), hashlib.sha256(data).hexdigest()) != (
                file["bytes"],
                file["sha256"],
            ):
                by = (
                    "a purge"
                    if file not in self.manifest["parts"] and file["file"].startswith("part-")
                    else "the manifest"
                )
                raise ContradictionError(file["file"], f"it has the size and hash that {by} names")

    def content_steps(self) -> tuple[tuple[str, str, Callable[[], object], *tuple[Any, ...]], ...]:
        """The steps after manifest and log: arguments of `VerifierReport.step`."""
        return (
            (
                "parts and proofs",
                "each file has the hash that the manifest or an addendum names",
                self.check_files,
            ),
            (
                "counts",
                "they add up: every candidate is included, or dropped for a reason",
                self.check_counts,
                Verdict.consistent,
                True,
            ),
            *self.base_step(),
            ("policies", "they are the texts that the log names", self.read_policies),
            (
                "rows and candidates",
                "each was decided again, from the statements about its turns",
                self.decide_rows,
            ),
            (
                "rows in the parts",
                "each part contains the decided rows, and no other",
                self.check_part_rows,
            ),
            self.names_step(),
            *self.carried_step(),
        )

    def base_step(self) -> tuple[tuple[str, str, Callable[[], object]], ...]:
        description = (
            "base",
            "it was sealed before, and its rows were carried or dropped",
            self.check_base_logged,
        )
        return (description,) if "base" in self.manifest else ()

    def check_base_logged(self) -> None:
        stated = self.manifest.get("base")
        if stated is None or self.permissions is None or self.permissions.broken:
            return
        facts = self._base_facts()
        if facts is None:
            mend = "give the log of the year in which the base was sealed"
            self.report.add_lack(
                MANIFEST, "no entry of the given logs, before its own, names its base", mend
            )
        elif (facts["root"], facts["rows"], facts["purpose"]) != (
            stated["root"],
            stated["rows"],
            self.manifest["purpose"],
        ):
            raise ContradictionError(
                MANIFEST, "its base is a release that was sealed before it, for the same purpose"
            )

    def carried_step(self) -> tuple[tuple[str, str, Callable[[], object]], ...]:
        if self.base_files is None or "base" not in self.manifest:
            return ()
        description = (
            "carried rows",
            "their base was curated alike, and has at least as many rows of the same turns",
            self.check_carried,
        )
        return (description,)

    def check_carried(self) -> None:
        assert self.base_files is not None
        check_base(self.files, self.manifest, self.base_files, self._base_facts(), self.report)

    def _base_facts(self) -> dict[str, Any] | None:
        """The facts of the base's log entry."""
        known = (
            [self.permissions, *self._other_permissions()] if self.permissions is not None else []
        )
        release = self.manifest["base"]["release"]
        return next(
            (log.bases[release] for log in known if release in log.bases and not log.broken), None
        )

    def check_counts(self) -> None:
        check_sums(self.manifest)
        check_contents(self.manifest)

    def read_policies(self) -> None:
        self.policies = read_policies(self.files, self.manifest, self.permissions, self.report)

    def decide_rows(self) -> None:
        built_at = read_time(self.manifest["built_at"], MANIFEST, "built_at")
        pin = self.manifest["policy"]
        decider = Decider(
            self.manifest["release"],
            self.manifest["purpose"],
            built_at,
            self.policies,
            self.permissions,
        )
        now = decider.current
        if (now.sha256, now.name, now.version) != (pin["sha256"], pin["name"], pin["version"]):
            raise ContradictionError(MANIFEST, "its policy is the one in force when it was built")
        self.leaves = check_rows(self.files, self.manifest, decider, self.report)
        if ended := decider.ended_rows():
            named = ", ".join(map(str, sorted(ended)[:ENDED_NAMED_MAX])) + ", .." * (
                len(ended) > ENDED_NAMED_MAX
            )
            self.report.notes.append(
                f"not usable: `{len(ended)}` rows ended between their decision and its "
                f"leaf: {named}"
            )
        self.report.levels |= {name: levels_by_field(name) for name in PROOFS}
        self.is_older = decider.is_older
        if decider.unlogged_flags:
            count = len(set(decider.unlogged_flags))
            why = f"`{count}` rows rest on a flag of an earlier year, which is not in this log"
            mend = "nothing: nobody outside can link the two years' pseudonyms of a conversation"
            self.report.add_lack(decider.unlogged_flags[0], why, mend)
        if not self.purged <= {ordinal for ordinal, _ in self.leaves}:
            raise ContradictionError(self.addendum_paths[0], "every removed row was in it")

    def check_part_rows(self) -> None:
        """Checks that the parts contain the decided rows without the purged ones: ordinal, id, end
        and sealed bytes.
        """
        remaining = [leaf for leaf in self.leaves if leaf[0] not in self.purged]
        firsts = [part["first_ordinal"] for part in self.manifest["parts"]]
        if remaining and (not firsts or remaining[0][0] < firsts[0]):
            raise ContradictionError(MANIFEST, "each of its rows is in one of its parts")
        for was, end in zip(self.manifest["parts"], [*firsts, ORDINALS_MAX][1:], strict=True):
            held = remaining[
                bisect_left(remaining, (was["first_ordinal"],)) : bisect_left(remaining, (end,))
            ]
            then = self.parts[was["file"]]
            stated = (then["first_ordinal"], then["rows"]) if then else None
            if stated != ((held[0][0], len(held)) if held else None):
                raise ContradictionError(
                    was["file"], "it has the rows between its first and the next part's"
                )
            if then is not None:
                self._check_part(was["file"], held)

    def _check_part(self, path: str, expected: list[tuple[int, bytes]]) -> None:
        rows = rows_in_part(self.files.read(path) or b"", path)
        try:
            leaves = [
                (ordinal, leaf_in_parts(ordinal, row_id, until_us, hashlib.sha256(sealed).digest()))
                for ordinal, row_id, until_us, sealed in rows
            ]
        except CompressedError:
            self.report.add_lack(
                path, "some of its columns are compressed", "use `licet verify`, which can open it"
            )
            return
        if leaves != expected:
            raise ContradictionError(path, "it contains each of its rows, and no other")

    def names_step(self) -> tuple[str, str, Callable[[], object], Verdict, bool]:
        """The step for names: proved only if the release left them in, as its policy allows."""
        stated = self.manifest["deidentification"]
        if "left_in" in stated and not _has_name_detection(stated):
            why = "each policy version so far leaves them in, as the manifest states"
            return ("names", why, self.check_names, Verdict.proved, True)
        why = "the operator states that they were searched for"
        return ("names", why, self.check_names, Verdict.stated, True)

    def check_names(self) -> None:
        """Checks that the manifest states a search for names, unless it and every policy version up
        to the pinned one leave them in. A release of version 1 rows predates that term.
        """
        stated = self.manifest["deidentification"]
        if self.is_older or not self.manifest["rows"] or _has_name_detection(stated):
            return
        now = self.policies.number(read_time(self.manifest["built_at"], MANIFEST, "built_at"))
        if not all(version.names_left_in for version in self.policies.versions[: now + 1]):
            raise ContradictionError(
                MANIFEST, "it left names in, and each version of its policy so far allows that"
            )
        if "left_in" not in stated:
            raise ContradictionError(MANIFEST, "it states that it left names in")


def _has_name_detection(deidentification: dict[str, Any]) -> bool:
    return "person" in deidentification.get("names", {"kinds": []})["kinds"]


def _read_log(trusted: Trust, log: Files, release: str, report: VerifierReport) -> Permissions:
    """Checks a whole log; returns its state for a release."""
    story = new_story(trusted.origin)
    story.permissions = permissions = Permissions(release)
    permissions.year = story.year
    checked = check_log(log, trusted, (), story)
    report.merge(checked)
    permissions.broken = bool(checked.findings)
    report.cosigned, report.entry_bytes = checked.cosigned, report.entry_bytes + checked.entry_bytes
    return permissions


def check_manifest(raw: bytes, trusted: Trust, log: Files) -> VerifierReport:
    """Compares a manifest's bytes with the entry of its release in the log of its year."""
    report = VerifierReport("manifest", origin=trusted.origin)
    manifest: dict[str, Any] = {}
    report.steps(
        (
            (
                MANIFEST,
                "it has the fields of a manifest",
                lambda: manifest.update(read_manifest(raw)),
            ),
            (
                "the log",
                "the release's log entry names the manifest's hash",
                lambda: _check_leaf(
                    _read_log(trusted, log, manifest["release"], report), raw, manifest
                ),
            ),
        )
    )
    return report


def _check_leaf(permissions: Permissions, raw: bytes, manifest: dict[str, Any]) -> None:
    """Checks that the release's entry names this manifest, unless the log itself is
    contradicted.
    """
    if permissions.broken:
        return
    if permissions.sealed is None:
        raise ContradictionError(MANIFEST, "the release was logged when it was sealed")
    facts = permissions.sealed["facts"]
    for key, value in (
        ("manifest_sha256", hashlib.sha256(raw).hexdigest()),
        ("root", manifest["root"]),
        ("rows", manifest["rows"]),
        ("purpose", manifest["purpose"]),
        ("position", manifest["journal"]),
    ):
        if facts[key] != value:
            raise ContradictionError(
                MANIFEST, f"it is the sealed manifest: its log entry has its `{key}`"
            )
    if read_time(permissions.sealed["at"], MANIFEST, "at") != read_time(
        manifest["built_at"], MANIFEST, "built_at"
    ):
        raise ContradictionError(MANIFEST, "it was built at the time of its log entry")
    if facts["version"] != logged_version(permissions, manifest["policy"]["sha256"]):
        raise ContradictionError(MANIFEST, "its policy is the version that its log entry names")


def logged_version(permissions: Permissions, sha256: str) -> int | None:
    return next((number for number, known in permissions.policies.items() if known == sha256), None)

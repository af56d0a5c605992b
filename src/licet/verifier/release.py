"""A release: its manifest in the log, its files, its counts, and every row decided again, without
content.

The parts are checked in an order in which each rests on those before it; after a contradiction the
rest is not looked at and so not proved.
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
    measurement_follows,
    purged_part,
    review_follows,
)
from licet.verifier.answer import LEVELS, ArtefactPart, ContradictionError, Verdict, VerifierReport
from licet.verifier.base import check_base
from licet.verifier.contents import check_contents
from licet.verifier.decision import Decider
from licet.verifier.entries import story_of
from licet.verifier.files import Files
from licet.verifier.forms import misfit, read_json, read_time, shaped
from licet.verifier.keys import Trust
from licet.verifier.levels import levels_of, patterns
from licet.verifier.log import check_log
from licet.verifier.manifest import (
    DESCRIBES,
    MANIFEST,
    MEASUREMENT,
    ORDINALS_MAX,
    PROOFS,
    PURGES_MAX,
    REVIEW,
    check_sums,
    read_bounded,
    read_manifest,
)
from licet.verifier.parquet import CompressedError, rows_in_part
from licet.verifier.permissions import Permissions
from licet.verifier.rows import check_rows, leaf_in_parts
from licet.verifier.statement import has_facts, jws_parts, open_jws
from licet.verifier.terms import ReleasePolicies, read_policies

ENDED_NAMED_MAX = 20


def check_release(
    files: Files,
    trusted: Trust | None = None,
    log: Files | None = None,
    others: Sequence[tuple[Trust, Files]] = (),
    base: Files | None = None,
) -> VerifierReport:
    """Make the decision of every row again, without content, by what the log told before the
    release's leaf.

    ``others`` are logs of other years, in which addenda and a review may stand. ``base`` is the
    folder of the release that rows were carried from. Without a log nothing is proved: what only
    the log knows (grants, deletions, what was kept out) is not checked, and nothing signed names
    the manifest.
    """
    report = VerifierReport("release", origin=trusted.origin if trusted else "")
    held = _ReleaseCheck(files, report, trusted, log, others, base)
    if not report.step(MANIFEST, "the log's leaf of the release names its hash", held.open):
        return report
    if not report.step(
        "the log", "its signed entries, up to the release's leaf and since", held.tell
    ):
        return report
    held.addenda()
    later: tuple[tuple[str, str, Callable[[], object], *tuple[Any, ...]], ...] = (
        (
            "parts and proofs",
            "each file has the hash that the manifest or an addendum names",
            held.files_named,
        ),
        (
            "counts",
            "they add up: every candidate is in, or left out for a reason",
            held.counts,
            Verdict.consistent,
            True,
        ),
        *held.base_step(),
        ("policies", "they are the texts that the log tells of", held.read_policies),
        (
            "rows and candidates",
            "each was decided again, from what is stated of its turns",
            held.rows,
        ),
        (
            "rows in the parts",
            "each part holds the rows that were decided, and no other",
            held.rows_in_parts,
        ),
        held.names_step(),
        *held.carried_step(),
    )
    if report.findings:
        report.parts += [
            ArtefactPart(what, Verdict.unproved, "not looked at: what came before does not hold")
            for what, *_ in later
        ]
    else:
        report.steps(later)
    if held.told is None:
        report.parts = [
            ArtefactPart(
                one.what,
                Verdict.unproved,
                f"it agrees with `{MANIFEST}`, which no log was given for",
            )
            if one.answer in LEVELS
            else one
            for one in report.parts
        ]
    if "base" in held.manifest and base is None:
        report.notes.append(
            f"not looked at: the folder of its base `{held.manifest['base']['release']}`: "
            "give it with --base"
        )
    for path, what in DESCRIBES.items():
        if path in set(files.paths()):
            report.levels[what] = patterns(what)
            report.notes.append(
                f"not looked at: {path}: it is made from the rest, and nothing signs it"
            )
    if not report.findings:
        report.size, report.root = held.manifest["rows"], held.manifest["root"]
    return report


def check_release_in(
    files: Files, logs: Sequence[tuple[Trust, Files]], base: Files | None = None
) -> VerifierReport:
    """`check_release`, with the log of the release's year found among those of several."""
    report = VerifierReport("release")
    held = report.step(
        MANIFEST, "it reads", lambda: read_manifest(read_bounded(files, MANIFEST, report))
    )
    if not held:
        return report
    year = read_manifest(read_bounded(files, MANIFEST, report))["built_at"][:4]
    own = next(
        (one for one in logs if one[0].origin.endswith(f"/{year}")),
        logs[0] if len(logs) == 1 else None,
    )
    if own is None:
        return check_release(files, base=base)
    return check_release(files, *own, [one for one in logs if one is not own], base)


class _ReleaseCheck:
    """One release as it is checked, step by step."""

    def __init__(
        self,
        files: Files,
        report: VerifierReport,
        trusted: Trust | None,
        log: Files | None,
        others: Sequence[tuple[Trust, Files]],
        base: Files | None,
    ) -> None:
        self.files, self.report, self.trusted, self.log, self.others = (
            files,
            report,
            trusted,
            log,
            others,
        )
        self.base_files = base
        self.raw, self.manifest = b"", dict[str, Any]()
        self.told: Permissions | None = None
        self.logs: list[Permissions] | None = None  # those of other years, once they were asked for
        self.parts: dict[str, dict[str, Any] | None] = {}
        self.gone: set[int] = set()
        self.beside: list[str] = []
        self.head = ("", "")  # the hash of the newest addendum, and its time
        self.policies = ReleasePolicies(())
        # each row that was decided, with its leaf in the tree over the parts
        self.leaves: list[tuple[int, bytes]] = []
        self.is_older = False  # whether its rows are of before there were questions

    def open(self) -> None:
        self.raw = read_bounded(self.files, MANIFEST, self.report)
        self.manifest = read_manifest(self.raw)
        self.report.levels["manifest"] = levels_of("manifest", self.manifest, MANIFEST)
        self.parts = {part["file"]: part for part in self.manifest["parts"]}
        if self.trusted is None or self.log is None:
            self.report.lacking(
                MANIFEST, "nothing signed names it", "the log of its year and the log's key do"
            )

    def tell(self) -> None:
        if self.trusted is None or self.log is None:
            self.report.lacking(
                "the log", "none was given", "give the log of the release's year and its key"
            )
            return
        release = self.manifest["release"]
        self.told = told = _read_log(self.trusted, self.log, release, self.report)
        _check_leaf(told, self.raw, self.manifest)

    def addenda(self) -> None:
        """Checks each addendum beside the manifest, a review and a measurement, as parts of their
        own.
        """
        there, head, at = (
            set(self.files.paths()),
            hashlib.sha256(self.raw).hexdigest(),
            self.manifest["built_at"],
        )
        for number in range(1, PURGES_MAX + 1):
            path = f"purge-{number}.json"
            if path not in there:
                break
            self.beside.append(path)
            follow = partial(self._follow, number, path, head, at)
            if not self.report.step(
                path, "it is signed, follows the one before it, and the log was told of it", follow
            ):
                return
            head, at = self.head
        if REVIEW in there:
            why = (
                "signed, told to the log, and of no more rows than there are; what was read and "
                "found is the operator's word"
            )
            self.report.step(REVIEW, why, self._review, Verdict.stated, True)
        if MEASUREMENT in there:
            why = (
                "signed, told to the log, and of no more rows than there are; its figures are "
                "the operator's word"
            )
            self.report.step(MEASUREMENT, why, self._measurement, Verdict.stated, True)
        self.report.purged = len(self.gone)

    def _follow(self, number: int, path: str, head: str, at: str) -> None:
        """Checks one addendum, which must follow hash ``head`` and time ``at``, and takes its rows
        out of the parts.
        """
        data = read_bounded(self.files, path, self.report)
        file = read_json(data, path)
        if misfit(file, PURGE_FILE) or file["v"] != 2:
            raise ContradictionError(path, "it is a signed addendum of version 2")
        purge = self._open(file["purge"], path, "licet-purge+jws")
        shaped(purge, PURGE, path, "an addendum")
        self._add_levels("addendum", purge, path)
        said = (purge["release"], purge["number"], purge["before"])
        if said != (self.manifest["release"], number, head):
            raise ContradictionError(path, "it follows the addendum before it, or the manifest")
        if (
            read_time(purge["purged_at"], path, "purged_at") < read_time(at, path, "at")
            or not purge["parts"]
        ):
            raise ContradictionError(path, "it takes something out, after what came before it")
        firsts = [part["first_ordinal"] for part in self.manifest["parts"]]
        ends = dict(
            zip(
                (part["file"] for part in self.manifest["parts"]),
                [*firsts, ORDINALS_MAX][1:],
                strict=True,
            )
        )
        before = len(self.gone)
        for one in purge["parts"]:
            self.parts[one["file"]] = purged_part(
                self.parts.get(one["file"]), ends.get(one["file"], 0), one, self.gone, path
            )
        self.head = hashlib.sha256(data).hexdigest(), purge["purged_at"]
        facts = {"release": purge["release"], "number": number, "rows": len(self.gone) - before}
        self._is_told("release_purged", self.head[0], path, purge["purged_at"], facts)

    def _add_levels(self, what: str, said: dict[str, Any], path: str) -> None:
        self.report.levels[what] = self.report.levels.get(what, {}) | levels_of(what, said, path)

    def _review(self) -> None:
        """Checks the review of a sample: that it is of this manifest, and that its bound follows
        from its counts.
        """
        file = read_json(read_bounded(self.files, REVIEW, self.report), REVIEW)
        shaped(file, REVIEW_FILE, REVIEW, "a review of version 1")
        said = self._open(file["review"], REVIEW, "licet-review+jws")
        shaped(said, REVIEW_SHAPE, REVIEW, "a review")
        self._add_levels("review", said, REVIEW)
        if said["release"] != self.manifest["release"]:
            raise ContradictionError(REVIEW, "it is a review of this release, of version 1")
        if said["manifest_sha256"] != hashlib.sha256(self.raw).hexdigest():
            raise ContradictionError(REVIEW, "it is of the manifest that lies beside it")
        if not review_follows(said, self.manifest):
            raise ContradictionError(
                REVIEW,
                "it reconciles: each row was read or out of reach, its bound follows, and "
                "there are as many rows",
            )
        found = sum(sum(part["findings"].values()) for part in (said["chance"], said["risk"]))
        facts = {
            "release": said["release"],
            "manifest_sha256": said["manifest_sha256"],
            "bound_ppm": said["bound"]["ppm"],
            "rows": said["chance"]["read"] + said["risk"]["read"],
            "findings": found,
        }
        sha256 = hashlib.sha256(file["review"].encode()).hexdigest()
        self._is_told("release_reviewed", sha256, REVIEW, said["closed_at"], facts)

    def _measurement(self) -> None:
        """Checks a measurement: that it is of this manifest, and that its figures agree with one
        another.
        """
        file = read_json(read_bounded(self.files, MEASUREMENT, self.report), MEASUREMENT)
        shaped(file, MEASUREMENT_FILE, MEASUREMENT, "a measurement of version 1")
        said = self._open(file["measurement"], MEASUREMENT, "licet-measurement+jws")
        shaped(said, MEASUREMENT_SHAPE, MEASUREMENT, "a measurement")
        self._add_levels("measurement", said, MEASUREMENT)
        of = (said["release"], said["manifest_sha256"])
        if of != (self.manifest["release"], hashlib.sha256(self.raw).hexdigest()):
            raise ContradictionError(MEASUREMENT, "it is of the manifest that lies beside it")
        if not measurement_follows(said, self.manifest):
            raise ContradictionError(
                MEASUREMENT,
                "it reconciles: costs lie in their intervals, slices in the whole, and its "
                "rows in the release",
            )
        facts = {"release": of[0], "manifest_sha256": of[1], "rows": said["rows"]}
        sha256 = hashlib.sha256(file["measurement"].encode()).hexdigest()
        self._is_told("release_measured", sha256, MEASUREMENT, said["measured_at"], facts)

    def _open(self, jws: str, path: str, typ: str) -> dict[str, Any]:
        """The payload of a statement. Without a key its signature is not checked, and the report
        lacks it.
        """
        if self.trusted is not None:
            return open_jws(jws, self.trusted.key, path, typ)
        self.report.lacking(path, "its signature was not checked", "give the log's key")
        return read_json(jws_parts(jws, path)[1], path)

    def _is_told(self, kind: str, sha256: str, path: str, at: str, facts: dict[str, Any]) -> None:
        """Finds the leaf of a statement by its hash, in the log of any year that was given."""
        if self.told is None:
            self.report.lacking(
                path, "no log was given that tells of it", f"the log of {at[:4]} does"
            )
            return
        entry = self.told.since.get((kind, sha256))
        for other in self._others() if entry is None else ():
            entry = entry or other.since.get((kind, sha256))
        if entry is None:
            asked = ", ".join(str(one.year) for one in (self.told, *self._others()))
            self.report.lacking(
                path,
                f"no entry of the logs given ({asked}) tells of it",
                f"the log of {at[:4]}, or of the year after, does",
            )
        elif entry["at"] != at or not has_facts(entry["facts"], facts):
            raise ContradictionError(path, "it says what its leaf tells of it, and when")

    def _others(self) -> list[Permissions]:
        if self.logs is None:
            self.logs = []
            for trusted, log in self.others:
                self.logs.append(_read_log(trusted, log, self.manifest["release"], self.report))
        return self.logs

    def files_named(self) -> None:
        """Every file is the one that the manifest or an addendum names, and no other lies beside
        it.
        """
        named = [
            *(part for part in self.parts.values() if part is not None),
            *self.manifest["proof"].values(),
        ]
        known = {MANIFEST, "README.md", *self.beside, *(one["file"] for one in named)}
        there = set(self.files.paths())
        for path in sorted(
            (known - there) | (there - known - DESCRIBES.keys() - {REVIEW, MEASUREMENT})
        ):
            self.report.found(path, "every file of the release is there, and no other")
        for one in named:
            data = self.files.read(one["file"])
            self.report.files += 1
            if data is not None and (len(data), hashlib.sha256(data).hexdigest()) != (
                one["bytes"],
                one["sha256"],
            ):
                by = (
                    "a purge"
                    if one not in self.manifest["parts"] and one["file"].startswith("part-")
                    else "the manifest"
                )
                raise ContradictionError(one["file"], f"it has the size and hash that {by} names")

    def base_step(self) -> tuple[tuple[str, str, Callable[[], object]], ...]:
        """The step that checks the base, where the release was made from one."""
        what = ("base", "it was sealed before, and its rows were carried or left behind", self.base)
        return (what,) if "base" in self.manifest else ()

    def base(self) -> None:
        """The release that rows were carried from was sealed before, with the root and the rows
        that the manifest says.
        """
        said = self.manifest.get("base")
        if said is None or self.told is None or self.told.broken:
            return
        facts = self._base_facts()
        if facts is None:
            mend = "the log of the year in which the base was sealed"
            self.report.lacking(
                MANIFEST, "no entry of the logs given, before its own, tells of its base", mend
            )
        elif (facts["root"], facts["rows"], facts["purpose"]) != (
            said["root"],
            said["rows"],
            self.manifest["purpose"],
        ):
            raise ContradictionError(
                MANIFEST, "its base is a release that was sealed before it, for the same purpose"
            )

    def carried_step(self) -> tuple[tuple[str, str, Callable[[], object]], ...]:
        """The step that reads the base's folder, where it was given."""
        if self.base_files is None or "base" not in self.manifest:
            return ()
        what = (
            "carried rows",
            "their base was curated alike, and has so many rows of the same turns",
            self.carried,
        )
        return (what,)

    def carried(self) -> None:
        assert self.base_files is not None
        check_base(self.files, self.manifest, self.base_files, self._base_facts(), self.report)

    def _base_facts(self) -> dict[str, Any] | None:
        """What the leaf of the base tells."""
        told, release = (
            [self.told, *self._others()] if self.told is not None else [],
            self.manifest["base"]["release"],
        )
        return next(
            (one.bases[release] for one in told if release in one.bases and not one.broken), None
        )

    def counts(self) -> None:
        check_sums(self.manifest)
        check_contents(self.manifest)

    def read_policies(self) -> None:
        self.policies = read_policies(self.files, self.manifest, self.told, self.report)

    def rows(self) -> None:
        built_at, pin = (
            read_time(self.manifest["built_at"], MANIFEST, "built_at"),
            self.manifest["policy"],
        )
        decider = Decider(
            self.manifest["release"], self.manifest["purpose"], built_at, self.policies, self.told
        )
        now = decider.now
        if (now.sha256, now.name, now.version) != (pin["sha256"], pin["name"], pin["version"]):
            raise ContradictionError(MANIFEST, "its policy is the one in force when it was built")
        self.leaves = check_rows(self.files, self.manifest, decider, self.report)
        if ended := decider.ended():
            named = ", ".join(map(str, sorted(ended)[:ENDED_NAMED_MAX])) + ", .." * (
                len(ended) > ENDED_NAMED_MAX
            )
            self.report.notes.append(
                f"not usable: `{len(ended)}` rows ended between their decision and its "
                f"leaf: {named}"
            )
        self.report.levels |= {name: patterns(name) for name in PROOFS}
        self.is_older = decider.is_older
        if decider.untold:
            why = (
                f"`{len(set(decider.untold))}` rows rest on a flag of a year before, of which "
                "this log does not tell"
            )
            mend = (
                "nothing that a stranger has: nobody can link the two years' names of a "
                "conversation"
            )
            self.report.lacking(decider.untold[0], why, mend)
        if not self.gone <= {ordinal for ordinal, _ in self.leaves}:
            raise ContradictionError(self.beside[0], "what went out was in")

    def rows_in_parts(self) -> None:
        """The parts as they are now hold the rows that were decided, but for those that a purge
        took out: each row with its ordinal, id, end and sealed bytes.
        """
        left = [one for one in self.leaves if one[0] not in self.gone]
        firsts = [part["first_ordinal"] for part in self.manifest["parts"]]
        if left and (not firsts or left[0][0] < firsts[0]):
            raise ContradictionError(MANIFEST, "each of its rows lies in one of its parts")
        for was, end in zip(self.manifest["parts"], [*firsts, ORDINALS_MAX][1:], strict=True):
            held = left[bisect_left(left, (was["first_ordinal"],)) : bisect_left(left, (end,))]
            then = self.parts[was["file"]]
            said = (then["first_ordinal"], then["rows"]) if then else None
            if said != ((held[0][0], len(held)) if held else None):
                raise ContradictionError(
                    was["file"], "it has the rows that lie between its first and the next part's"
                )
            if then is not None:
                self._rows_in_part(was["file"], held)

    def _rows_in_part(self, path: str, wanted: list[tuple[int, bytes]]) -> None:
        found = rows_in_part(self.files.read(path) or b"", path)
        try:
            leaves = [
                (ordinal, leaf_in_parts(ordinal, row_id, until_us, hashlib.sha256(sealed).digest()))
                for ordinal, row_id, until_us, sealed in found
            ]
        except CompressedError:
            self.report.lacking(
                path, "some of its columns are compressed", "`licet verify`, which opens it"
            )
            return
        if leaves != wanted:
            raise ContradictionError(path, "it holds each of its rows, and no other")

    def names_step(self) -> tuple[str, str, Callable[[], object], Verdict, bool]:
        """The step about people's names. Only a release that left them in, as its policy allows,
        has no need to be believed.
        """
        made = self.manifest["deidentification"]
        if "left_in" in made and not _looked_for_names(made):
            return (
                "names",
                "each policy version so far leaves them in, and so it says",
                self.names,
                Verdict.proved,
                True,
            )
        return (
            "names",
            "the operator states that they were looked for",
            self.names,
            Verdict.stated,
            True,
        )

    def names(self) -> None:
        """It is said that people's names were looked for, or every version up to the pinned one
        says `names: left in`, and the manifest says it too. A release of before there were
        questions is of before there was such a term, and its log shows that.
        """
        made = self.manifest["deidentification"]
        if self.is_older or not self.manifest["rows"] or _looked_for_names(made):
            return
        now = self.policies.number(read_time(self.manifest["built_at"], MANIFEST, "built_at"))
        if not all(version.names_left_in for version in self.policies.versions[: now + 1]):
            raise ContradictionError(
                MANIFEST, "it left names in, and each version of its policy so far allows that"
            )
        if "left_in" not in made:
            raise ContradictionError(MANIFEST, "it says that it left names in")


def _looked_for_names(deidentification: dict[str, Any]) -> bool:
    return "person" in deidentification.get("names", {"kinds": []})["kinds"]


def _read_log(trusted: Trust, log: Files, release: str, report: VerifierReport) -> Permissions:
    """Checks a whole log; returns what it told before the release's entry, and of the release
    since.
    """
    story = story_of(trusted.origin)
    story.permissions = told = Permissions(release)
    told.year = story.year
    checked = check_log(log, trusted, (), story)
    report.joined(checked)
    told.broken = bool(checked.findings)
    report.cosigned, report.entry_bytes = checked.cosigned, report.entry_bytes + checked.entry_bytes
    return told


def check_manifest(raw: bytes, trusted: Trust, log: Files) -> VerifierReport:
    """Hold a manifest's bytes against the leaf of its release, in the log of its year."""
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
                "the log's leaf of the release names the manifest's hash",
                lambda: _check_leaf(
                    _read_log(trusted, log, manifest["release"], report), raw, manifest
                ),
            ),
        )
    )
    return report


def _check_leaf(told: Permissions, raw: bytes, manifest: dict[str, Any]) -> None:
    """Raises unless the release's entry names this manifest. Does nothing if the log itself is
    contradicted.
    """
    if told.broken:
        return
    if told.sealed is None:
        raise ContradictionError(MANIFEST, "the release was told to the log when it was sealed")
    facts = told.sealed["facts"]
    for key, value in (
        ("manifest_sha256", hashlib.sha256(raw).hexdigest()),
        ("root", manifest["root"]),
        ("rows", manifest["rows"]),
        ("purpose", manifest["purpose"]),
        ("position", manifest["journal"]),
    ):
        if facts[key] != value:
            raise ContradictionError(
                MANIFEST, f"it is the manifest that was sealed: its leaf tells its `{key}`"
            )
    if read_time(told.sealed["at"], MANIFEST, "at") != read_time(
        manifest["built_at"], MANIFEST, "built_at"
    ):
        raise ContradictionError(MANIFEST, "it was built when its leaf says")
    if facts["version"] != told_number(told, manifest["policy"]["sha256"]):
        raise ContradictionError(MANIFEST, "its policy is the version that its leaf names")


def told_number(told: Permissions, sha256: str) -> int | None:
    return next((number for number, known in told.policies.items() if known == sha256), None)

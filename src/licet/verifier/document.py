"""Checks a legal document: its signature, its log entry, and its figures, recounted from the log
and the release manifests.

Everything under `figures` is recounted: the entries up to the document's position, the manifests
that the entries name by hash, and the sums. The policy must be the newest in the log at that
position. The text must be a template known here by its hash, so that no number is typed by hand.
The operator's statements, figures from its database alone, and the selection of releases are signed
and not otherwise checked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from licet.verifier.answer import ContradictionError, UnreadableError, VerifierReport
from licet.verifier.entries import Story, new_story
from licet.verifier.files import Files
from licet.verifier.forms import Null, check_shape, find_misfit, read_json, read_time
from licet.verifier.keys import Trust
from licet.verifier.levels import levels_of
from licet.verifier.log import check_log
from licet.verifier.manifest import MANIFEST, check_contents, check_sums, read_manifest
from licet.verifier.statement import UNLOGGED, logged_entry, open_jws

DOCUMENT_BYTES_MAX = 1 << 25
# By kind: the SHA-256 of the form's title, law and sections in canonical JSON.
FORMS = {
    "ropa": "1f8658d60d19b703795211cbca744f183d984aea571c2cc4fe0e4a9652da2bb1",
    "training-summary": "ece3d3e898b334f4aa6863e6d7b06b17d524b7ebdabdb1d20af44c85fe18ada7",
    "ab2013": "9aa4cda92b0a7c479721dba107879da0c8381ffc55cc687b309b8eeb104d4275",
    "risk-assessment": "5750c00714833f80ae60505a60542c115f4c9cb35ef8cae8f8eb385bdc7d2147",
}
DOCUMENT_FILE = {"v": "one", "document": "text", "entry": "text?", "proof": "text?"}
DOCUMENT = {
    "v": "one",
    "type": frozenset({"licet-document"}),
    "kind": frozenset(FORMS),
    "title": "text",
    "law": "text",
    "at": {"log": "text", "entries": "pos", "time": "time"},
    "logs": [{"origin": "text", "size": "pos"}],
    "scope": Null(["id"]),
    "policy": {"number": "int", "sha256": "hash", "purposes": ["text"], "document": {"...": None}},
    "figures": {"log": {"...": None}, "totals": {"...": None}, "releases": [{"...": None}]},
    "recorded": {"...": None},
    "stated": {"...": None},
    "sections": [
        {
            "number": "text",
            "title": "text",
            "lines": [{"asks": "text", "says": "text"}],
            "rows": "text?",
        }
    ],
}
COUNTED_OF_ROWS = ("kinds", "languages", "origins", "surfaces", "plans", "models")
SIZE_BINS = ((10**9, "less than 1 billion tokens"), (10**13, "1 billion to 10 trillion tokens"))
TOP_SIZE_BIN = "more than 10 trillion tokens"
MANIFEST_FIGURES = (
    "name",
    "candidates",
    "turns",
    "dropped",
    "replaced",
    "names_looked_for",
    "contents",
)
_PLACE = re.compile(r"\{([a-z0-9_.]+)\}", re.ASCII)


class EntryCounts:
    def __init__(self) -> None:
        self.entries, self.logged = 0, ""
        # the newest version applied, or repeated in this log
        self.policy: tuple[int, str] | None = None
        self.kinds: dict[str, int] = {}
        self.answers: dict[str, int] = {}
        self.reads: dict[str, int] = {}
        self.keys: dict[str, int] = {}
        self.sealed: list[dict[str, Any]] = []
        self.since: dict[str, list[dict[str, Any]]] = {}  # by release: purges and reviews

    def take(self, entry: dict[str, Any]) -> None:
        kind, facts = entry["t"], entry["facts"]
        self.entries, self.logged = self.entries + 1, entry["logged"]
        _count_in(self.kinds, kind)
        if kind == "choice":
            _count_in(self.answers, "yes" if facts["allow"] else "no")
            _count_in(self.answers, facts["effect"])
        elif kind == "content_read":
            _count_in(self.reads, facts["reason"])
        elif kind == "key_destroyed":
            _count_in(self.keys, facts["because"])
        elif kind == "policy_applied" or (
            kind == "policy_stands" and (self.policy is None or facts["number"] > self.policy[0])
        ):
            self.policy = facts["number"], facts["sha256"]
        elif kind == "release_sealed":
            self.sealed.append(entry)
        elif kind in ("release_purged", "release_reviewed"):
            self.since.setdefault(facts["release"], []).append(entry)

    def figures(self) -> dict[str, Any]:
        simple = {
            "deletions": "deleted", "closures": "closed", "certificates": "certificate", "feedback": "feedback",
            "flags": "flagged", "holds": "held", "restores": "restored", "policies": "policy_applied",
            "notices": "notice_published",
        }  # fmt: skip
        return {
            "entries": self.entries,
            "answers_yes": self.answers.get("yes", 0),
            "answers_no": self.answers.get("no", 0),
            "withdrawals": self.answers.get("withdrew", 0),
            "content_reads": self.reads,
            "keys_destroyed": self.keys,
            "kept_out": self.kinds.get("narrowed", 0) + self.kinds.get("project_kept_out", 0),
            **{name: self.kinds.get(kind, 0) for name, kind in simple.items()},
        }

    def releases(self, scope: Sequence[str] | None) -> Iterator[dict[str, Any]]:
        """The logged figures of each release, in log order."""
        for entry in self.sealed:
            facts = entry["facts"]
            if scope is None or facts["release"] in scope:
                later = self.since.get(facts["release"], [])
                reviews = [other["facts"] for other in later if other["t"] == "release_reviewed"]
                yield {
                    "release": facts["release"],
                    "manifest_sha256": facts["manifest_sha256"],
                    "purpose": facts["purpose"],
                    "sealed_at": entry["at"],
                    "rows": facts["rows"],
                    "purged_rows": sum(
                        other["facts"]["rows"] for other in later if other["t"] == "release_purged"
                    ),
                    "reviewed_rows": sum(review["rows"] for review in reviews),
                    "findings": sum(review["findings"] for review in reviews),
                }


def _count_in(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


class DocumentStory(Story):
    """A story that also counts a log's first ``size`` entries."""

    def __init__(self, year: int, size: int, counts: EntryCounts) -> None:
        super().__init__(year)
        self.size, self.counts, self.counted = size, counts, 0

    def on_entry(self, index: int, entry: dict[str, Any]) -> None:
        if index < self.size:
            self.counts.take(entry)
            self.counted += 1


def check_document(
    raw: bytes,
    logs: Sequence[tuple[Trust, Files]],
    releases: Sequence[Files] = (),
    keys: Sequence[Trust] = (),
    place: str = "document",
) -> VerifierReport:
    """Checks the signature and the log entry of a document, and recounts its figures."""
    trusted = _trusted_of(raw, [*(own for own, _ in logs), *keys])
    report = VerifierReport("document", origin=trusted.origin, files=1)
    check = _DocumentCheck(report, logs, place)
    report.steps(
        (
            ("file", "a document of version 1", partial(check.read_file, raw)),
            (
                "signature",
                f"the log's key `{trusted.key.name}` signed what it says",
                partial(check.check_signature, trusted),
            ),
            (
                "statement",
                "its text is the form of its kind, and its policy has the stated hash",
                check.check_statement,
            ),
            (
                "entry",
                "the log has the hash of this document",
                partial(check.check_logged, trusted),
            ),
            ("the log", "its signed entries, up to the document's position", check.count_entries),
            ("figures", "every number was recounted", partial(check.check_figures, releases)),
        )
    )
    return report


def _trusted_of(raw: bytes, keys: Sequence[Trust]) -> Trust:
    """Selects the log key that must have signed; one key signs the logs of all years."""
    if not keys:
        raise ValueError("a document needs the key of a log")
    return next((key for key in keys if key.origin.encode() in raw), keys[0])


class _DocumentCheck:
    """The steps of one document's check."""

    def __init__(
        self, report: VerifierReport, logs: Sequence[tuple[Trust, Files]], place: str
    ) -> None:
        self.report, self.logs, self.place = report, logs, place
        self.file, self.payload = dict[str, Any](), dict[str, Any]()
        self.counts: EntryCounts | None = None

    def read_file(self, raw: bytes) -> None:
        if raw[-1:] != b"\n" or len(raw) > DOCUMENT_BYTES_MAX:
            raise UnreadableError(self.place, "it is canonical JSON and a newline")
        self.file = read_json(raw[:-1], self.place, UnreadableError)
        if find_misfit(self.file, DOCUMENT_FILE):
            raise UnreadableError(self.place, "it is a document of version 1")

    def check_signature(self, trusted: Trust) -> None:
        self.payload = open_jws(
            self.file["document"], trusted.key, self.place, "licet-document+jws"
        )

    def check_statement(self) -> None:
        check_shape(self.payload, DOCUMENT, self.place, "a document")
        self.report.levels["document"] = levels_of("document", self.payload, self.place)
        form = {key: self.payload[key] for key in ("kind", "title", "law", "sections")}
        if hashlib.sha256(_canonical_text(form)).hexdigest() != FORMS[self.payload["kind"]]:
            self.report.add_lack(
                self.place,
                "its text is no form that this verifier knows",
                "use the verifier of the version that made it",
            )
        policy, at, logs = self.payload["policy"], self.payload["at"], self.payload["logs"]
        if hashlib.sha256(_canonical_text(policy["document"])).hexdigest() != policy["sha256"]:
            raise ContradictionError(self.place, "its policy has the hash that it names")
        choice = policy["document"]["choice"]
        questions = choice if isinstance(choice, list) else [choice]
        if policy["purposes"] != sorted(
            {purpose for question in questions for purpose in question["covers"]}
        ):
            raise ContradictionError(self.place, "its purposes are those of its policy")
        if not logs or (logs[-1]["origin"], logs[-1]["size"]) != (at["log"], at["entries"]):
            raise ContradictionError(self.place, "the last counted log is the one of its position")
        if len({log["origin"] for log in logs}) != len(logs):
            raise ContradictionError(self.place, "each log is counted once")
        for part in self.payload["sections"]:
            for name in [part["rows"]] if part["rows"] else []:
                _check_reference(self.payload, name, self.place)
            for line in part["lines"]:
                for name in _PLACE.findall(line["says"]):
                    _check_reference(self.payload, name, self.place)

    def check_logged(self, trusted: Trust) -> None:
        if (self.file["entry"], self.file["proof"]) == (None, None):
            self.report.add_lack(self.place, UNLOGGED, "fetch it again once it is logged")
            return
        entry, _ = logged_entry(
            self.file,
            self.place,
            _trust_of_proof(self.file["proof"], trusted, self.logs),
            self.report,
        )
        facts = {
            "kind": self.payload["kind"],
            "sha256": hashlib.sha256(self.file["document"].encode()).hexdigest(),
        }
        if entry["t"] != "document_made" or entry["facts"] != facts:
            raise ContradictionError(self.place, "its entry names this document")

    def count_entries(self) -> None:
        """Counts the entries of each listed log, up to the stated number."""
        logs = {trusted.origin: (trusted, log) for trusted, log in self.logs}
        counts = EntryCounts()
        for counted in self.payload["logs"]:
            if counted["origin"] not in logs:
                self.report.add_lack(
                    counted["origin"],
                    "its numbers come from a log that was not given",
                    "give the published folder: --log",
                )
                return
            trusted, log = logs[counted["origin"]]
            story = DocumentStory(new_story(trusted.origin).year, counted["size"], counts)
            checked = check_log(log, trusted, (), story)
            self.report.merge(checked)
            if checked.findings:
                return
            if story.counted < counted["size"]:
                self.report.add_lack(
                    counted["origin"],
                    f"the given copy has fewer than {counted['size']} entries",
                    "give a newer copy of the log",
                )
                return
        at = self.payload["at"]
        if read_time(counts.logged, self.place, "logged") != read_time(
            at["time"], self.place, "time"
        ):
            raise ContradictionError(self.place, "its time is that of the last counted entry")
        self.counts = counts

    def check_figures(self, releases: Sequence[Files]) -> None:
        if self.counts is None:
            self.report.add_lack(
                self.place, "no number was recounted", "give the logs that it names"
            )
            return
        policy = self.payload["policy"]
        if (policy["number"], policy["sha256"]) != self.counts.policy:
            raise ContradictionError(
                self.place, "its policy is the newest that the log names up to its position"
            )
        stated = self.payload["figures"]
        listed = list(self.counts.releases(self.payload["scope"]))
        if [item.get("release") for item in stated["releases"]] != [
            item["release"] for item in listed
        ]:
            raise ContradictionError(
                self.place, "it lists each release in the log up to its position, and no other"
            )
        manifests = dict(_manifests_in(releases))
        counted = [
            self._recount_release(item, logged, manifests)
            for item, logged in zip(stated["releases"], listed, strict=True)
        ]
        expected = {
            "log": self.counts.figures(),
            "releases": counted,
            "totals": _total_figures(counted),
        }
        for where, value in _flat_values(expected):
            if (stated_value := _value_at(stated, where)) != value or type(
                stated_value
            ) is not type(value):
                name = f"{self.place}, figures.{'.'.join(map(str, where))}"
                raise ContradictionError(
                    name, f"it equals the count from the log and the manifests: {value}"
                )
        if _canonical_text(expected) != _canonical_text(stated):
            raise ContradictionError(
                f"{self.place}, figures", "it contains the recounted figures, and nothing else"
            )

    def _recount_release(
        self, stated: dict[str, Any], logged: dict[str, Any], manifests: Mapping[str, bytes]
    ) -> dict[str, Any]:
        """Recounts one release's figures from its manifest; without one returns the stated
        figures.
        """
        name, raw = f"release {logged['release'][:12]}", manifests.get(logged["manifest_sha256"])
        if raw is None:
            check_shape(
                {key: stated.get(key) for key in MANIFEST_FIGURES},
                MANIFEST_EVENT_FIELDS,
                self.place,
                "a release",
            )
            if stated.get("name") is None:
                self.report.add_lack(
                    name,
                    "the document does not count its manifest",
                    "nothing: the document was made without it",
                )
            else:
                self.report.add_lack(
                    name, "its manifest was not given", "give the folder of the release: --release"
                )
            return logged | {key: stated.get(key) for key in MANIFEST_FIGURES}
        if stated.get("name") is None:
            self.report.add_lack(
                name,
                "the document does not count its manifest",
                "make the document again with the manifest",
            )
            return logged | dict.fromkeys(MANIFEST_FIGURES)
        manifest = read_manifest(raw)
        check_sums(manifest)
        check_contents(manifest)
        if (manifest["release"], manifest["rows"], manifest["purpose"]) != (
            logged["release"],
            logged["rows"],
            logged["purpose"],
        ):
            raise ContradictionError(name, "its manifest is the one that its log entry names")
        return logged | {
            "name": manifest["name"],
            "candidates": manifest["counts"]["candidates"],
            "turns": manifest["counts"]["included"],
            "dropped": manifest["counts"]["dropped"],
            "replaced": manifest["deidentification"]["counts"],
            "names_looked_for": "names" in manifest["deidentification"],
            "contents": manifest.get("contents"),
        }


COUNTS = {"*": "int"}
MANIFEST_EVENT_FIELDS = {
    "name": "text?",
    "candidates": "int?",
    "turns": "int?",
    "dropped": Null(COUNTS),
    "replaced": Null(COUNTS),
    "names_looked_for": "bool?",
    "contents": Null(
        {
            "accounts": "int?",
            "first_month": "text?",
            "last_month": "text?",
            "bytes": "int",
            "tokens": "int",
            "gapped?": "int",
            "kinds": COUNTS,
            "languages?": COUNTS,
            "origins": COUNTS,
            "surfaces": COUNTS,
            "plans": COUNTS,
            "models": COUNTS,
        }
    ),
}


def _trust_of_proof(proof: object, trusted: Trust, logs: Sequence[tuple[Trust, Files]]) -> Trust:
    """The key of the log that a proof names, which may be of the year after the document's
    position.
    """
    named = [own for own, _ in logs if isinstance(proof, str) and f"\n{own.origin}\n" in proof]
    return named[0] if named else trusted


def _canonical_text(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _check_reference(document: object, name: str, place: str) -> object:
    value = document
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            raise ContradictionError(place, f"each answer names an existing value: `{name}`")
        value = value[key]
    if name.partition(".")[0] not in ("figures", "policy", "recorded", "stated"):
        raise ContradictionError(
            place, f"an answer names a figure, the policy, a record or a statement: `{name}`"
        )
    return value


def _total_figures(releases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    counted = [release["contents"] for release in releases if release["contents"] is not None]
    months = sorted(
        contents[key]
        for contents in counted
        for key in ("first_month", "last_month")
        if contents[key] is not None
    )
    tokens = sum(contents["tokens"] for contents in counted)
    return {
        "releases": len(releases),
        "uncounted": len(releases) - len(counted),
        "rows": sum(release["rows"] for release in releases),
        "user_data": any(release["rows"] for release in releases),
        "turns": sum(release["turns"] or 0 for release in releases),
        "bytes": sum(contents["bytes"] for contents in counted),
        "tokens": tokens,
        "size_bin": next((name for end, name in SIZE_BINS if tokens < end), TOP_SIZE_BIN),
        "first_month": months[0] if months else None,
        "last_month": months[-1] if months else None,
        "dropped": _summed_counts([release["dropped"] or {} for release in releases]),
        "replaced": _summed_counts([release["replaced"] or {} for release in releases]),
        **{
            name: _summed_counts([contents.get(name) or {} for contents in counted])
            for name in COUNTED_OF_ROWS
        },
        **{
            name: sum(release[name] for release in releases)
            for name in ("purged_rows", "reviewed_rows", "findings")
        },
    }


def _summed_counts(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in counts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total


def _manifests_in(releases: Sequence[Files]) -> Iterator[tuple[str, bytes]]:
    """Yields (SHA-256, bytes) of each manifest in folders of one release or several."""
    for files in releases:
        for path in files.paths():
            if path == MANIFEST or (path.endswith(f"/{MANIFEST}") and path.count("/") == 1):
                raw = files.read(path)
                if raw is not None and len(raw) <= DOCUMENT_BYTES_MAX:
                    yield hashlib.sha256(raw).hexdigest(), raw


def _flat_values(
    value: object, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """Yields each scalar with its path."""
    if isinstance(value, dict | list):
        inners: Any = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in inners:
            yield from _flat_values(inner, (*path, key))
    else:
        yield path, value


def _value_at(document: object, path: tuple[str | int, ...]) -> object:
    value: Any = document
    for key in path:
        is_there = (
            key in value
            if isinstance(value, dict)
            else isinstance(value, list) and key in range(len(value))
        )
        value = value[key] if is_there else None
    return value

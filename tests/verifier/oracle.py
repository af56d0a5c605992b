"""What may be proved, said once more for the fuzzer: slow, plain, and without a line of the
verifier's.

Each function answers with the faults of something that the verifier took for proved. Types are
asked of msgspec in its strict mode, dates of the product's calendar, a manifest and a review of the
product's own readers.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from licet.errors import LicetError
from licet.ledger.canonical_json import canonical
from licet.ledger.entries import PUBLISHED
from licet.policy.period import instant, parse_period
from licet.release import manifest, measurement, review

Nat, Pos = Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=1)]
Hash, Id = (
    Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")],
    Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")],
)
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
Text = Annotated[str, Meta(pattern=r"\S")]
Time = Annotated[datetime, Meta(tz=True)]
YEARS = (2000, 9998)
SAFETY = "safety_classifiers"
OPEN_REASONS = {
    "before_grant",
    "empty",
    "erased",
    "expired",
    "incomplete_row",
    "origin",
    "purpose",
    "stale_terms",
    "too_large",
}


class _Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    segment: Nat
    place: Literal["vault", "safety"]
    because: Literal["permitted", "flagged"]
    turns: Annotated[dict[str, Pos], Meta(min_length=1)]
    mark: Nat
    last_on: Day
    keep_until: Day
    grant: Pos | None
    said_on: Day | None


class Source(_Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    narrowing: Nat | None


class SourceBefore(_Source, frozen=True, forbid_unknown_fields=True, kw_only=True):
    widening: Nat | None


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    conversation: Hash
    who: Hash
    ordinal: Nat
    row_id: Id
    sealed_sha256: Hash
    until: Day
    policy_sha256: Hash
    last_on: Day
    marks: Annotated[list[tuple[Text, Text, Nat]], Meta(min_length=1)]


class Row(_Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    v: Literal[2]
    question: str | None
    project: Hash | None
    sources: Annotated[list[Source], Meta(min_length=1)]


class RowBefore(_Row, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row of before there were questions."""

    v: Literal[1]
    sources: Annotated[list[SourceBefore], Meta(min_length=1)]


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    conversation: Hash
    taken: Nat = msgspec.field(name="in")
    out: dict[str, Pos]
    salted: dict[Hash, Pos]


class ReadBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at: Time
    left: Nat


class Recalled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at: Time
    due: Time


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at: Time
    by: Text
    signed: Text | None


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    place: Literal["vault", "feedback", "safety", "release", "export"]
    reference: Id | None
    registered: Time
    copies: Pos
    done: Literal["erased", "kept", "refused", "recalled", "answered", "untouched"]
    read_back: ReadBack | None
    kept_until: Time | None
    recalled: Recalled | None
    answered: Answered | None


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[2]
    type: Literal["licet-erasure-certificate"]
    erasure: Text
    account: Text
    conversation: Text | None
    cause: Literal["deletion", "closure", "hold_released"]
    requested: Time
    fenced: Time
    shredded: Time
    swept: Time
    verified: Time
    places: list[Place]
    recipients: list[dict[str, Any]]
    hosts: list[dict[str, Any]]
    backups: list[dict[str, Any]]
    backups_out_of_reach: Time | None
    salt: Hash


def typed(value: Any, kind: Any) -> list[str]:
    try:
        msgspec.convert(value, kind, strict=True)
    except (msgspec.ValidationError, ValueError) as error:
        return [f"{kind.__name__}: {error}"]
    return []


def certificate_faults(said: Any) -> list[str]:
    if faults := typed(said, Certificate):
        return faults
    states = [
        instant(said[state]) for state in ("requested", "fenced", "shredded", "swept", "verified")
    ]
    seen = [instant(place["registered"]) for place in said["places"]]
    for place in said["places"]:
        looked, kept = place["read_back"], place["done"] == "kept"
        if (looked is None) != (place["place"] == "export"):
            faults += ["a place that nobody can look into was read back, or another was not"]
        elif looked and (looked["at"] != said["verified"] or (looked["left"] and not kept)):
            faults += ["something is left, or was read back at another time"]
        if kept != (place["kept_until"] is not None) or (kept and place["place"] != "safety"):
            faults += ["kept, or not kept, without a date"]
        if (place["answered"] is None) == (place["done"] == "answered"):
            faults += ["answered by nobody"]
    faults += ["its states are out of order"] if states != sorted(states) else []
    faults += (
        ["a date that no certificate has"]
        if min(states + seen).year < YEARS[0] or states[-1].year != 2026
        else []
    )
    faults += (
        ["a place was registered after it was read back"] if seen and max(seen) > states[-1] else []
    )
    return faults + (["no place of a conversation"] if not seen and said["conversation"] else [])


def paper_faults(said: Any, honest: dict[str, Any]) -> list[str]:
    """Everything that is counted is as it was; a scope names all releases or each of them. The rest
    is the operator's to say.
    """
    faults = [
        key
        for key in ("v", "type", "logs", "figures", "policy")
        if repr(said[key]) != repr(honest[key])
    ]
    at, was = said["at"], honest["at"]
    faults += (
        ["another position"] if (at["log"], at["entries"]) != (was["log"], was["entries"]) else []
    )
    faults += ["another time"] if instant(at["time"]) != instant(was["time"]) else []
    every = {one["release"] for one in honest["figures"]["releases"]}
    return faults + (
        [] if said["scope"] is None or every <= set(said["scope"]) else ["another scope"]
    )


def entry_faults(entries: Any) -> list[str]:
    """Of a log by itself: each entry tells what its kind may, and the log's time never goes
    back.
    """
    before, faults = "", []
    for entry in entries:
        logged = entry["logged"]
        faults += (
            [f"`{entry['t']}` tells more than it may"]
            if not set(entry["facts"]) <= PUBLISHED[entry["t"]]
            else []
        )
        faults += (
            ["time goes back"]
            if logged < before or entry["at"] > logged or logged[:4] != "2026"
            else []
        )
        faults += ["a version that is none"] if entry["v"] != 1 or entry["v"] is True else []
        before = logged
    return faults


def manifest_faults(raw: bytes, honest: dict[str, Any]) -> list[str]:
    """The product's own reader takes it, and all that decides is what it was."""
    said, free = (
        msgspec.json.decode(raw),
        {"name", "licet", "deidentification", "curation", "journal", "contents"},
    )
    try:
        manifest.decode(canonical(said | {"deidentification": honest["deidentification"]}))
    except LicetError as error:
        return [error.message]
    faults = [
        key
        for key in sorted(set(honest) | set(said))
        if key not in free and said.get(key) != honest.get(key)
    ]
    told = said.get("contents", honest["contents"])  # as those of before it was counted have none
    return faults + [
        key
        for key in ("accounts", "origins", "surfaces", "plans")
        if told[key] != honest["contents"][key]
    ]


# what tells when each was made
SINCE_AT = {"purge": "purged_at", "review": "closed_at", "measurement": "measured_at"}


def since_faults(value: Any, honest: Any) -> list[str]:
    """An addendum takes as many rows out of the same part; a review and a measurement are such as
    the product takes, of this manifest. The figures of a measurement are its own word.
    """
    purge, was = value["purge"], honest["purge"]
    own = {name: value[name][at] for name, at in SINCE_AT.items()}
    told = value.get("told_at", own)
    is_told = told == own | {key: at for key, at in told.items() if key not in SINCE_AT}
    faults = [] if is_told else ["another time than its leaf's"]
    part = was["parts"][0]
    runs = [tuple(run) for run in purge["parts"][0]["gone"]]
    gone = [n for first, last in runs for n in range(first, last + 1)]
    same = ("format", "release", "number", "before")
    faults += [
        f"an addendum of another {key}"
        for key in same
        if purge[key] is not was[key] and purge[key] != was[key]
    ]
    faults += (
        ["another part, or another file left of it"]
        if [{key: one for key, one in other.items() if key != "gone"} for other in purge["parts"]]
        != [{key: one for key, one in part.items() if key != "gone"}]
        else []
    )
    faults += ["rows that are none"] if len(gone) != 1 or gone[0] not in range(8) else []
    faults += ["before the release"] if not "2026-03-05" <= purge["purged_at"] <= "2028" else []
    faults += (
        ["a number that is `true`"]
        if any(isinstance(one, bool) for one in [purge["number"], *gone])
        else []
    )
    said, told = value["review"], honest["review"]
    faults += [
        f"a review of another {key}"
        for key in ("release", "manifest_sha256", "type")
        if said[key] != told[key]
    ]
    try:
        statement = msgspec.convert(said, review.ReviewStatement, strict=True)
        follows = review._follows(statement)
    except (msgspec.ValidationError, LicetError, ValueError) as error:
        return [*faults, str(error)]
    faults += [] if follows else ["a bound that does not follow"]
    return faults + _measurement_faults(value["measurement"], honest["measurement"])


def _measurement_faults(said: Any, told: Any) -> list[str]:
    faults = [
        f"of another {key}"
        for key in ("release", "manifest_sha256", "type")
        if said[key] != told[key]
    ]
    faults += ["before the release"] if not "2026-03-05" <= said["measured_at"] <= "2028" else []
    try:
        statement = msgspec.convert(said, measurement.MeasurementStatement, strict=True)
        reconciles = measurement._reconciles(statement)
    except (msgspec.ValidationError, LicetError, ValueError) as error:
        return [*faults, str(error)]
    return faults + ([] if reconciles else ["figures that do not reconcile"])


# The rule, on a release's rows


def day(text: str) -> date:
    return date.fromisoformat(text)


class Told:
    """What the entries before the release's leaf say of accounts and conversations, one after
    another.
    """

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        # in force by number, with what each is for
        self.grants: dict[str, dict[int, dict[str, Any]]] = {}
        self.answers: dict[tuple[str, str], list[tuple[str, int]]] = {}
        self.closed: set[str] = set()
        self.shortened: set[str] = set()
        self.policies: dict[int, str] = {}
        self.of: dict[str, str] = {}
        self.acts: dict[str, list[dict[str, Any]]] = {}
        self.asked = False
        for entry in entries:
            self.take(entry)

    def take(self, entry: dict[str, Any]) -> None:
        kind, facts, who = entry["t"], entry["facts"], entry.get("who", "")
        self.asked |= "scope" in facts or kind.startswith("project_")
        mine = self.grants.setdefault(who, {})
        if kind in ("policy_applied", "policy_stands"):
            self.policies[facts["number"]] = facts["sha256"]
        if "handle" in facts and kind not in (
            "choice",
            "grant_begun",
            "grant_affirmed",
            "grant_stands",
        ):
            self.of.setdefault(facts["handle"], who)
            self.acts.setdefault(facts["handle"], []).append(entry)
        if kind == "closed":
            self.closed.add(who)
        if kind == "shortened":
            self.shortened.add(who)
        if kind in ("narrowed", "project_kept_out"):
            self.drop(who, place=facts.get("handle", facts.get("project")))
        if kind == "closed" or (kind == "grant_ended" and "grant" not in facts):
            mine.clear()
        elif kind == "grant_ended":
            mine.pop(facts["grant"], None)
        if kind == "choice":
            self.choice(who, facts, entry["at"][:10])
        if kind in ("grant_begun", "grant_affirmed", "grant_stands"):
            about, number, on = self.about(facts), facts["grant"], entry["at"][:10]
            known = mine.get(number)
            begun = (
                on
                if kind == "grant_begun"
                else known["begun"]
                if known and self.about(known) == about
                else ""
            )
            self.drop(who, about=about)
            mine[number] = {**about, "begun": begun, "told": on, "owed": False}
            if about["scope"] == "account" or kind == "grant_stands":
                self.answers.setdefault((who, about["question"]), []).append((on, facts["version"]))

    def choice(self, who: str, facts: dict[str, Any], on: str) -> None:
        question = self.about(facts)["question"]
        if not facts["allow"]:
            self.drop(who, about={"question": question, "scope": "account", "place": ""})
            for grant in self.grants[who].values():
                grant["owed"] |= grant["question"] == question
        if facts["effect"] != "none" and self.about(facts)["scope"] == "account":
            self.answers.setdefault((who, question), []).append((on, facts["version"]))

    @staticmethod
    def about(facts: dict[str, Any]) -> dict[str, str]:
        place = facts.get("place", facts.get("handle", facts.get("project", "")))
        question = facts.get("question", "" if "scope" in facts else "training")
        return {"question": question, "scope": facts.get("scope", "account"), "place": place}

    def drop(
        self, who: str, *, about: dict[str, str] | None = None, place: str | None = None
    ) -> None:
        for number, grant in list(self.grants[who].items()):
            if self.about(grant) == about or (place and grant["place"] == place):
                del self.grants[who][number]

    def decides(self, who: str, question: str, chat: str, project: str | None) -> int | None:
        """The number of the narrowest grant in force for a conversation."""
        for scope, place in (("conversation", chat), ("project", project), ("account", "")):
            for number, grant in self.grants.get(who, {}).items():
                if not grant["owed"] and (grant["question"], grant["scope"], grant["place"]) == (
                    question,
                    scope,
                    place,
                ):
                    return number
        return None


class Terms:
    """The policies of a release, by the day."""

    def __init__(self, documents: list[dict[str, Any]]) -> None:
        self.all = documents
        self.since = [instant(one["effective"]) for one in documents]

    def number(self, at: datetime) -> int:
        return max((n for n, since in enumerate(self.since) if since <= at), default=0)

    def on(self, text: str) -> range:
        first = instant(f"{text}T00:00:00Z")
        return range(
            self.number(first),
            self.number(first + timedelta(days=1) - timedelta(microseconds=1)) + 1,
        )

    def after(self, text: str, number: int, key: str) -> str:
        return (
            parse_period(self.all[number]["keep"][key])
            .after(instant(f"{text}T00:00:00Z"))
            .date()
            .isoformat()
        )

    def lists(self, number: int, plan: str, surface: str) -> bool:
        scope = self.all[number]["scope"]
        return plan in scope["plans"] and surface in scope["surfaces"]

    def questions(self, number: int) -> dict[str, list[str]]:
        choice = self.all[number]["choice"]
        return (
            {"training": choice["covers"]}
            if isinstance(choice, dict)
            else {q["question"]: q["covers"] for q in choice}
        )

    def question_of(self, number: int, purpose: str) -> str | None:
        return next(
            (name for name, covers in self.questions(number).items() if purpose in covers), None
        )


def release_faults(made: dict[str, Any]) -> list[str]:
    """Why a release may not be proved: a row that may not be used, or something that does not add
    up.
    """
    faults = [
        fault
        for row in made["rows"]
        for fault in typed(row, Row if row.get("v") == 2 else RowBefore)
    ]
    faults += [fault for one in made["candidates"] for fault in typed(one, Candidate)]
    if faults:
        return faults
    told, terms, said = Told(made["entries"]), Terms(made["policies"]), made["manifest"]
    hashes = {
        n: hashlib.sha256(canonical(one)).hexdigest() for n, one in enumerate(made["policies"])
    }
    faults += ["a policy that was not told"] if told.policies != hashes else []
    reasons = {reason for one in made["candidates"] for reason in one["out"]}
    faults += ["a reason of a person, in clear"] if not reasons <= OPEN_REASONS else []
    handles = {one["conversation"] for one in made["candidates"]}
    faults += ["a candidate twice"] if len(handles) != len(made["candidates"]) else []
    owner: dict[str, str] = {}
    for row in made["rows"]:
        faults += row_faults(row, told, terms, said["purpose"], said["built_at"])
        faults += ["the form of before"] if row["v"] == 1 and told.asked else []
        faults += ["a row of no candidate"] if row["conversation"] not in handles else []
        faults += (
            ["a conversation of two"]
            if owner.setdefault(row["conversation"], row["who"]) != row["who"]
            else []
        )
    return faults


def row_faults(
    row: dict[str, Any], told: Told, terms: Terms, purpose: str, built_at: str
) -> list[str]:
    now, who, built_on = terms.number(instant(built_at)), row["who"], built_at[:10]
    acts = told.acts.get(row["conversation"], [])
    kinds = [act["t"] for act in acts]
    faults = ["closed"] if who in told.closed else []
    faults += ["deleted"] if "deleted" in kinds else []
    faults += ["another's conversation"] if told.of.get(row["conversation"], who) != who else []
    faults += ["another policy"] if row["policy_sha256"] != told.policies.get(now) else []
    ends = [source["keep_until"] for source in row["sources"]]
    faults += ["ended"] if not built_on <= row["until"] <= min(ends) else []
    for _, _, version in row["marks"]:
        faults += (
            ["a version that was not in force"] if version > terms.on(row["last_on"])[-1] else []
        )
    destroyed = {
        (act["facts"].get("segment"), act["facts"]["because"] == "safety")
        for act in acts
        if act["t"] == "key_destroyed"
    }
    is_granted = any(source["because"] == "permitted" for source in row["sources"])
    question = terms.question_of(now, purpose)
    if row["v"] == 2:
        faults += (
            ["another question"] if row["question"] != (question if is_granted else None) else []
        )
        faults += ["a project of nothing"] if row["project"] is not None and not is_granted else []
    for source in row["sources"]:
        faults += (
            ["its key was destroyed"]
            if (source["segment"], source["place"] == "safety") in destroyed
            else []
        )
        plan, surface, version = row["marks"][source["mark"]]
        faults += (
            ["a turn of another version's day"]
            if version not in terms.on(source["last_on"])
            else []
        )
        faults += ["after its conversation"] if source["last_on"] > row["last_on"] else []
        reaches = [terms.all[n]["reach"] == "conversation" for n in judges(row, version, now)]
        whole = all(reaches) if row["v"] == 1 else any(reaches)
        marks = row["marks"] if whole else [(plan, surface, version)]
        scoped = [terms.lists(n, *mark[:2]) for mark in marks for n in judges(row, mark[2], now)]
        faults += ["out of scope"] if not all(scoped) else []
        if source["because"] == "flagged":
            faults += flag_faults(source, acts, terms, purpose)
        else:
            faults += grant_faults(row, source, acts, told, terms, version, now, purpose, built_on)
            faults += (
                ["a grant that is not for it"]
                if not rests_on(row, source, told, terms, now, question)
                else []
            )
    return faults


def judges(row: dict[str, Any], version: int, now: int) -> list[int]:
    """The versions that judge what was said under one: every one up to that of now, or before there
    were questions two.
    """
    return (
        [version, now] if row["v"] == 1 else list(range(min(version, now), max(version, now) + 1))
    )


def rests_on(
    row: dict[str, Any],
    source: dict[str, Any],
    told: Told,
    terms: Terms,
    now: int,
    question: str | None,
) -> bool:
    """Whether the grant of a source is the one that decides its conversation, as the log tells of
    it.
    """
    asked, project = question or "training", row.get("project")
    grant = told.decides(row["who"], asked, row["conversation"], project)
    if grant is None or grant != source["grant"]:
        return False
    known = told.grants[row["who"]][grant]
    dropped = (
        [n for n in range(now + 1) if asked not in terms.questions(n)] if row["v"] == 2 else []
    )
    return (known["scope"] == "project") == (project is not None) and not any(
        terms.since[n].date().isoformat() > known["told"] for n in dropped
    )


def flag_faults(
    source: dict[str, Any], acts: list[dict[str, Any]], terms: Terms, purpose: str
) -> list[str]:
    faults = ["flagged, and for another purpose"] if purpose != SAFETY else []
    flags: list[str] = []
    for act in acts:
        flags = (
            []
            if act["t"] == "unflagged"
            else [*flags, act["at"][:10]]
            if act["t"] == "flagged"
            else flags
        )
    ends = {terms.after(on, n, "flagged") for on in flags for n in terms.on(on)}
    earlier = source["keep_until"] < max(
        terms.after("2026-01-01", n, "flagged") for n in range(len(terms.all))
    )
    was_undone = any(act["t"] == "unflagged" for act in acts) and not flags
    faults += ["no flag"] if was_undone or not (earlier or source["keep_until"] in ends) else []
    faults += (
        ["a flag with a grant"]
        if any(source.get(key) is not None for key in ("grant", "widening", "narrowing", "said_on"))
        else []
    )
    return faults


def grant_faults(
    row: dict[str, Any],
    source: dict[str, Any],
    acts: list[dict[str, Any]],
    told: Told,
    terms: Terms,
    version: int,
    now: int,
    purpose: str,
    built_on: str,
) -> list[str]:
    who, said_on, before = row["who"], source["said_on"], row["v"] == 1
    times, counted = (
        (source["widening"], "widened") if before else (source["narrowing"], "narrowed")
    )
    if said_on is None or times is None or source["grant"] is None:
        return ["permitted by nothing"]
    faults = ["from a safety copy"] if source["place"] != "vault" else []
    out, on, said_out = "", "", False
    for act in acts:
        if act["t"] == "widened":
            said_out |= bool(out) and out < source["last_on"] < act["at"][:10]
            out, on = "", act["at"][:10]
        out = act["at"][:10] if act["t"] == "narrowed" else out
    judged = judges(row, version, now)
    reaches = {terms.all[n]["reach"] for n in judged}
    days = {said_on} if before or reaches == {"conversation"} else {said_on, source["last_on"]}
    faults += (
        ["another day than its own"] if not before and reaches == {"turn"} and len(days) > 1 else []
    )
    faults += ["said while kept out"] if said_out else []
    faults += (
        ["kept out"]
        if out or times < [act["t"] for act in acts].count(counted) or min(days) < on
        else []
    )
    begun = told.grants.get(who, {}).get(source["grant"], {}).get("begun", "")
    faults += ["said before the grant"] if min(days) < begun else []
    question = terms.question_of(now, purpose)
    if before:
        covered = [any(purpose in covers for covers in terms.questions(n).values()) for n in judged]
    else:
        covered = [purpose in terms.questions(n).get(str(question), []) for n in judged]
    faults += ["another purpose"] if not all(covered) else []
    faults += (
        ["another origin"]
        if not all(set(source["turns"]) <= set(terms.all[n]["origins"]) for n in judged)
        else []
    )
    faults += ["days out of order"] if not said_on <= row["last_on"] <= built_on else []
    ends: set[str] = set()
    for n in terms.on(row["last_on"]):
        dated = row["last_on"] if terms.all[n]["reach"] == "conversation" else source["last_on"]
        ends |= {terms.after(dated, n, "opted_in"), terms.after(row["last_on"], n, "opted_out")}
    is_shorter = who in told.shortened or row["last_on"] < "2026"
    until = source["keep_until"]
    faults += (
        ["another end"] if until not in ends and not (is_shorter and until < max(ends)) else []
    )
    for day_of in days:
        answered = [
            number
            for at, number in told.answers.get((who, question or "training"), [])
            if at <= day_of
        ]
        newest = min(
            max((n for n in range(k + 1) if terms.all[n]["material"]), default=-1)
            for k in terms.on(day_of)
        )
        faults += ["older terms"] if answered and max(answered) < newest else []
    return faults
